//! Texts → vectors: the embedders that the caller gave, and the vectors that they gave lately.
//!
//! A vector space may have a model, whose name and hash the settings keep. Texts are embedded in it where an embedder of that model is at hand; without
//! one, everything else works. A build without the feature `embedder` has none.

#[cfg(feature = "embedder")]
mod embedders;
#[cfg(not(feature = "embedder"))]
mod nothing;

#[cfg(feature = "embedder")]
pub(crate) use embedders::{Meaning, weight_of};
#[cfg(not(feature = "embedder"))]
pub(crate) use nothing::Meaning;
