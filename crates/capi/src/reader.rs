//! Records one after the other.

use std::fmt;

use compact_artifact::{Entry, Filter, Snapshot};

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
    pub(crate) fn new(snapshot: &Snapshot, filter: Option<&Filter>) -> Result<Self> {
        let entries: Entries = match filter {
            Some(filter) => Box::new(snapshot.records_where(filter)?),
            None => Box::new(snapshot.records()),
        };
        Ok(Self(entries))
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        Ok(self.0.next().transpose()?)
    }
}
