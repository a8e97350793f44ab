//! Sealing and closing for callers who want to know how far it is: [`CompactArtifact::seal_with`], [`CompactArtifact::close_with`].

use crate::api::error::Result;
use crate::api::reports::SealReport;
use crate::artifact::CompactArtifact;
use crate::engine::Meter;

impl CompactArtifact {
    /// [`seal`](Self::seal), which calls `progress` with each percent that is done, from 0 to 100, as far as the bytes that are written tell; while a graph of vectors is built, none are. A call
    /// of `progress` that writes to the artifact is an error of kind [`Reentrant`](crate::ErrorKind::Reentrant) if it would wait for the sealing.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// artifact.add_batch((0..1_000).map(|i| Record::text(format!("text {i}"))))?;
    /// let mut done = Vec::new();
    /// artifact.seal_with(|percent| done.push(percent))?;
    /// assert_eq!((done.first(), done.last()), (Some(&0), Some(&100)));
    /// assert!(done.is_sorted());
    /// artifact.close_with(|percent| println!("{percent} %"))?;
    /// # Ok(()) }
    /// ```
    pub fn seal_with(&self, mut progress: impl FnMut(u8) + Send) -> Result<SealReport> {
        self.engine.seal_metered(&mut Meter::new(&mut progress))
    }

    /// [`close`](Self::close), which calls `progress` as [`seal_with`](Self::seal_with) does: where there is nothing to seal, with 100 at the end.
    pub fn close_with(self, mut progress: impl FnMut(u8) + Send) -> Result<()> {
        self.close_metered(&mut Meter::new(&mut progress))
    }
}
