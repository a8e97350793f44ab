//! A reader that follows: [`CompactArtifact::watch`], [`CompactArtifact::changes_since`].

use std::time::Duration;

use block_format::CommitSeq;

use crate::api::changes::Changes;
use crate::api::error::Result;
use crate::artifact::CompactArtifact;

impl CompactArtifact {
    /// Waits until there is a newer commit than the one that this artifact shows, sees it as [`refresh`](Self::refresh) does, and returns whether there is;
    /// not, when `timeout` is over. It looks every 10 ms, for which it lists the directory and asks for the length of the log; so it sees a commit of another
    /// process some 5 ms after that on average. An artifact that is opened for writing waits for a commit of its own, by another thread.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let path = temp.path().join("a");
    /// let writer = CompactArtifact::create(&path)?;
    /// let reader = CompactArtifact::open_read_only(&path)?;
    /// let mut last = reader.snapshot().seq();
    ///
    /// writer.add(Record::text("a cat").key("cat"))?; // in another process
    /// while reader.watch(Duration::from_millis(20))? {
    ///     let Some(changes) = reader.changes_since(last)? else { break }; // too long ago: begin anew, with all records
    ///     for change in &changes.added {
    ///         println!("{:?} came", change.key);
    ///     }
    ///     last = changes.commit;
    /// }
    /// # assert_eq!(last, writer.snapshot().seq());
    /// # Ok(()) }
    /// ```
    pub fn watch(&self, timeout: Duration) -> Result<bool> {
        self.engine.watch(timeout)
    }

    /// What happened since a commit, which may be one that an earlier process saw: records that were added, replaced, updated and deleted, and are so in the newest
    /// commit that this artifact shows. `None`: the commit is too old to tell, or none of this artifact; then begin anew, with
    /// [`records`](Self::records).
    ///
    /// Known are the commits since the artifact was last sealed; and from the first call of this or of [`watch`](Self::watch) on those that this process made, or saw by
    /// [`refresh`](Self::refresh) at least once between two sealings: the last 32,768, with as many deleted records.
    ///
    /// The number of a commit belongs to one artifact. Salvage gives none again; an artifact that was made of an export, or an earlier copy that was put
    /// back, has other commits of the same numbers, which nothing here tells. So it is with commits that were not on disk yet when the power failed, as those of
    /// [`Durability::Buffered`](crate::Durability::Buffered): keep numbers beyond the process only of commits that are.
    pub fn changes_since(&self, commit: CommitSeq) -> Result<Option<Changes>> {
        self.engine.changes_since(commit)
    }
}
