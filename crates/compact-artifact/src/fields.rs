//! Fields of texts that are not wanted any more: [`CompactArtifact::drop_field`].

use crate::api::error::Result;
use crate::artifact::CompactArtifact;

impl CompactArtifact {
    /// Removes a field of texts that no record was added with, nor with one that was added after it: it undoes [`add_field`](Self::add_field). Otherwise the error is of kind
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), also where those records were deleted and their index is still there.
    /// `title`, which new artifacts have, may go like any other; records with a title are refused then.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// artifact.add_field("abstract", 1)?;
    /// artifact.drop_field("abstract")?;
    /// artifact.add_field("abstract", 5)?; // it counts otherwise now
    /// artifact.add(Record::text("a text").field("abstract", "of a few words"))?;
    /// assert!(artifact.drop_field("abstract").is_err());
    /// # Ok(()) }
    /// ```
    pub fn drop_field(&self, name: &str) -> Result<()> {
        self.engine.drop_field(name)
    }
}
