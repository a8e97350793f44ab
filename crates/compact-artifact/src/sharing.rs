//! Several processes that want to write to one artifact: [`CompactArtifact::open_or_wait`], [`CompactArtifact::try_open`].

use std::path::Path;
use std::time::Duration;

use crate::api::error::{ErrorKind, Result};
use crate::api::options::Options;
use crate::artifact::CompactArtifact;

impl CompactArtifact {
    /// [`open`](Self::open), which waits up to `timeout` for another writer to let go of the artifact: see [`Options::busy_timeout`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use compact_artifact::{CompactArtifact, ErrorKind};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let path = temp.path().join("a");
    /// let artifact = CompactArtifact::create(&path)?;
    /// assert!(CompactArtifact::try_open(&path)?.is_none());
    /// let error = CompactArtifact::open_or_wait(&path, Duration::from_millis(10)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Locked);
    /// artifact.close()?;
    /// assert!(CompactArtifact::open_or_wait(&path, Duration::from_millis(10)).is_ok());
    /// # Ok(()) }
    /// ```
    pub fn open_or_wait(path: impl AsRef<Path>, timeout: Duration) -> Result<Self> {
        Options::new().busy_timeout(timeout).open(path)
    }

    /// [`open`](Self::open); `None` if another writer has the artifact open.
    pub fn try_open(path: impl AsRef<Path>) -> Result<Option<Self>> {
        Options::new().try_open(path)
    }
}

impl Options {
    /// [`open`](Self::open); `None` if another writer has the artifact open, and does not let go of it within the [`busy_timeout`](Self::busy_timeout).
    pub fn try_open(self, path: impl AsRef<Path>) -> Result<Option<CompactArtifact>> {
        match self.open(path) {
            Err(e) if e.kind() == ErrorKind::Locked => Ok(None),
            opened => opened.map(Some),
        }
    }
}
