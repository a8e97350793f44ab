//! Bytes that the facade itself writes and reads: records, embeddings, settings, tombstones. `docs/FORMAT.md`, "Artifact", describes each.

pub(crate) mod changes;
pub(crate) mod embeddings;
#[cfg(feature = "embedder")]
pub(crate) mod kept_embeddings;
pub(crate) mod layout;
mod metadata_rules;
pub(crate) mod parts;
pub(crate) mod record;
pub(crate) mod settings;
