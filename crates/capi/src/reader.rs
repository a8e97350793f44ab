//! Records one after the other.

use std::fmt;

use compact_artifact::{CompactArtifact, Entry, Filter};

use crate::code::Result;

type Entries = Box<dyn Iterator<Item = compact_artifact::Result<Entry>> + Send>;

/// The records of one commit that are still to come.
pub(crate) struct Reader(Entries);

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    pub(crate) fn new(artifact: &CompactArtifact, filter: Option<&Filter>) -> Result<Self> {
        let entries: Entries = match filter {
            Some(filter) => Box::new(artifact.records_where(filter)?),
            None => Box::new(artifact.records()),
        };
        Ok(Self(entries))
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        Ok(self.0.next().transpose()?)
    }
}
