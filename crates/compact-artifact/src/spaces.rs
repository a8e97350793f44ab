//! Vector spaces that are not wanted any more, or under another name: [`CompactArtifact::drop_space`], [`CompactArtifact::rename_space`]. Which vectors one takes.

use crate::api::error::Result;
use crate::api::space::{Space, SpaceOptions};
use crate::artifact::CompactArtifact;
use crate::format::embeddings::Embedding;

impl SpaceOptions {
    /// Whether a vector space with this name, set up so, takes a vector: the error is that of adding it.
    pub fn check_vector(&self, space: &str, vector: &[f32]) -> Result<()> {
        Embedding::new(&Space::new(space, *self)?, vector).map(drop)
    }
}

impl CompactArtifact {
    /// Removes a vector space: its vectors are not found from now on, and [`compact`](Self::compact) returns their bytes. A space with its name can be added anew, set up
    /// otherwise; an artifact has at most 1,024 in its life, dropped ones included. Without the space `meaning`, texts are embedded no more, until the artifact is opened with an embedder.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, ErrorKind, Metric, Query, SpaceOptions};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let options = CompactArtifact::options().space("old", SpaceOptions::new(4, Metric::Cosine));
    /// let artifact = options.create(temp.path().join("a"))?;
    /// artifact.rename_space("old", "image")?;
    /// assert_eq!(artifact.spaces()[0].name(), "image");
    /// artifact.drop_space("image")?;
    /// let error = artifact.search(&Query::vector("image", [1.0; 4])).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NoSuchSpace);
    /// # Ok(()) }
    /// ```
    pub fn drop_space(&self, name: &str) -> Result<()> {
        self.engine.change_settings(|settings| Ok((settings.without_space(name)?, ())))
    }

    /// Gives a vector space another name, which none has. The space `meaning` has the name that it has, and no other may have it.
    pub fn rename_space(&self, from: &str, to: &str) -> Result<()> {
        self.engine.change_settings(|settings| Ok((settings.with_space_renamed(from, to)?, ())))
    }
}
