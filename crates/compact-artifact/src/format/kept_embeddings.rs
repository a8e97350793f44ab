//! Embeddings by one model, by the hashes of their texts: what `Options::keep_embedding_cache` keeps in the artifact.

use super::embeddings::{self, Embedding};
use super::layout::{self, kept, kept_embedding};
use crate::api::error::{Error, Result};
use crate::api::space::{Quantization, Space, SpaceModel};

/// The version of embeddings that are codes of vectors as they were made, and of rotated ones.
fn version_of(space: &Space) -> u32 {
    match space.quantization() {
        Quantization::Int8 => 1,
        Quantization::RotatedInt8 => 2,
    }
}

/// The embeddings of texts, by the hash of each.
pub(crate) type KeptEmbeddings = Vec<(u128, Embedding)>;

/// All of the embeddings that are of a space with this model.
pub(crate) fn encode(space: &Space, model: &SpaceModel, embeddings: &KeptEmbeddings) -> Vec<u8> {
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let dimension = space.options.dimension;
    let head = layout::encode_kept(version_of(space), small(dimension), small(embeddings.len()), model.hash);
    let mut bytes = Vec::with_capacity(head.len() + embeddings.len() * (kept_embedding::LEN + dimension));
    bytes.extend(head);
    for (text, embedding) in embeddings {
        bytes.extend(layout::encode_kept_embedding(*text, embedding.scale));
        bytes.extend(embedding.codes.iter().map(|code| code.cast_unsigned()));
    }
    bytes
}

/// The embeddings in these bytes, whose checksums held; none if they are of another model, or of another version.
pub(crate) fn decode(bytes: &[u8], space: &Space, model: &SpaceModel) -> Result<KeptEmbeddings> {
    let fault = |message: &str| Error::damaged(format!("the kept embeddings: {message}"));
    let (head, rest) = bytes.split_first_chunk::<{ kept::LEN }>().ok_or_else(|| fault("too short"))?;
    let (version, dimension, count, hash) = layout::decode_kept(head);
    if version != version_of(space) || hash != model.hash {
        return Ok(Vec::new());
    }
    let each = kept_embedding::LEN + space.options.dimension;
    if dimension as usize != space.options.dimension || rest.len() != (count as usize).saturating_mul(each) {
        return Err(fault("not as long as their number says"));
    }
    let one = |bytes: &[u8]| -> Result<(u128, Embedding)> {
        let (head, codes) = bytes.split_first_chunk().ok_or_else(|| fault("too short"))?;
        let (text, scale) = layout::decode_kept_embedding(head);
        let codes = codes.iter().map(|code| code.cast_signed()).collect();
        let embedding = Embedding { codes, scale, original: Vec::new() };
        embeddings::check(&space.quantizer, &embedding)?;
        Ok((text, embedding))
    };
    rest.chunks_exact(each).map(one).collect()
}
