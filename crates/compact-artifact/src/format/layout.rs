//! The fixed bytes of records and of embeddings; `docs/FORMAT.md`, "Artifact", says the same in words.

#[cfg(feature = "embedder")]
use wire::u128_at;
use wire::{array_at, put, u16_at, u32_at, u64_at};

/// What a record begins with.
pub(crate) mod head {
    wire::layout!(7, KIND: 1, KEY_LEN: 2, METADATA_LEN: 4);
}

/// What the fields of a record that has some begin with.
pub(crate) mod fields {
    wire::layout!(4, LEN_BYTES: 4);
}

/// What each field of a record begins with.
pub(crate) mod field {
    wire::layout!(5, NAME_LEN: 1, TEXT_LEN: 4);
}

/// What the content of a record of embeddings begins with.
pub(crate) mod embeddings {
    wire::layout!(8, SPACE: 4, COUNT: 4);
}

/// What the content of a record of metadata is, and each entry of a record of removed embeddings.
pub(crate) mod target {
    wire::layout!(8, RECORD: 8);
}

/// What each embedding begins with.
pub(crate) mod embedding {
    wire::layout!(12, ID: 8, SCALE: 4);
}

/// What embeddings that are kept for texts that come again begin with.
#[cfg(feature = "embedder")]
pub(crate) mod kept {
    wire::layout!(32, VERSION: 4, DIMENSION: 4, COUNT: 4, RESERVED: 4, MODEL: 16);
}

/// What each of them begins with.
#[cfg(feature = "embedder")]
pub(crate) mod kept_embedding {
    wire::layout!(20, TEXT: 16, SCALE: 4);
}

/// The head of a record: its kind, and the lengths of key and metadata.
pub(super) fn encode_head(kind: u8, key_len: u16, metadata_len: u32) -> [u8; head::LEN] {
    let mut bytes = [0; head::LEN];
    put(&mut bytes, head::KIND, [kind]);
    put(&mut bytes, head::KEY_LEN, key_len.to_le_bytes());
    put(&mut bytes, head::METADATA_LEN, metadata_len.to_le_bytes());
    bytes
}

pub(super) fn decode_head(bytes: [u8; head::LEN]) -> (u8, u16, u32) {
    (bytes[head::KIND], u16_at(&bytes, head::KEY_LEN), u32_at(&bytes, head::METADATA_LEN))
}

/// The fields of a record, each with its name and text, behind their length.
pub(super) fn encode_fields(fields: &[(String, String)]) -> Vec<u8> {
    let mut bytes = vec![0; fields::LEN];
    for (name, text) in fields {
        let mut head = [0; field::LEN];
        // Both were checked against their limits.
        put(&mut head, field::NAME_LEN, [u8::try_from(name.len()).unwrap_or(0)]);
        put(&mut head, field::TEXT_LEN, u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let len = u32::try_from(bytes.len() - fields::LEN).unwrap_or(0);
    put(&mut bytes, fields::LEN_BYTES, len.to_le_bytes());
    bytes
}

/// Length of the fields that follow.
pub(super) fn decode_fields_len(bytes: [u8; fields::LEN]) -> u32 {
    u32_at(&bytes, fields::LEN_BYTES)
}

/// Names and texts of the fields in these bytes; `None` if they are none.
pub(crate) fn decode_fields(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let text = |bytes: &[u8]| Some(std::str::from_utf8(bytes).ok()?.to_owned());
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk::<{ field::LEN }>()?;
        let (name, rest) = rest.split_at_checked(usize::from(head[field::NAME_LEN]))?;
        let (content, rest) = rest.split_at_checked(u32_at(head, field::TEXT_LEN) as usize)?;
        found.push((text(name)?, text(content)?));
        bytes = rest;
    }
    Some(found)
}

/// The number of a space, and of embeddings.
pub(super) fn encode_embeddings(space: u32, count: u32) -> [u8; embeddings::LEN] {
    let mut bytes = [0; embeddings::LEN];
    put(&mut bytes, embeddings::SPACE, space.to_le_bytes());
    put(&mut bytes, embeddings::COUNT, count.to_le_bytes());
    bytes
}

pub(super) fn decode_embeddings(bytes: [u8; embeddings::LEN]) -> (u32, u32) {
    (u32_at(&bytes, embeddings::SPACE), u32_at(&bytes, embeddings::COUNT))
}

/// The id of the record that is meant.
pub(super) fn encode_target(id: u64) -> [u8; target::LEN] {
    let mut bytes = [0; target::LEN];
    put(&mut bytes, target::RECORD, id.to_le_bytes());
    bytes
}

pub(super) fn decode_target(bytes: [u8; target::LEN]) -> u64 {
    u64_at(&bytes, target::RECORD)
}

/// The id of a record, and the scale of the codes that follow.
pub(super) fn encode_embedding(id: u64, scale: f32) -> [u8; embedding::LEN] {
    let mut bytes = [0; embedding::LEN];
    put(&mut bytes, embedding::ID, id.to_le_bytes());
    put(&mut bytes, embedding::SCALE, scale.to_le_bytes());
    bytes
}

pub(super) fn decode_embedding(bytes: &[u8; embedding::LEN]) -> (u64, f32) {
    (u64_at(bytes, embedding::ID), f32::from_le_bytes(array_at(bytes, embedding::SCALE)))
}

/// The head of embeddings that are kept: their version, dimensions and number, and the hash of their model.
#[cfg(feature = "embedder")]
pub(super) fn encode_kept(version: u32, dimension: u32, count: u32, model: [u8; 16]) -> [u8; kept::LEN] {
    let mut bytes = [0; kept::LEN];
    put(&mut bytes, kept::VERSION, version.to_le_bytes());
    put(&mut bytes, kept::DIMENSION, dimension.to_le_bytes());
    put(&mut bytes, kept::COUNT, count.to_le_bytes());
    put(&mut bytes, kept::MODEL, model);
    bytes
}

#[cfg(feature = "embedder")]
pub(super) fn decode_kept(bytes: &[u8; kept::LEN]) -> (u32, u32, u32, [u8; 16]) {
    let at = |field| u32_at(bytes, field);
    (at(kept::VERSION), at(kept::DIMENSION), at(kept::COUNT), array_at(bytes, kept::MODEL))
}

/// The hash of a text, and the scale of the codes that follow.
#[cfg(feature = "embedder")]
pub(super) fn encode_kept_embedding(text: u128, scale: f32) -> [u8; kept_embedding::LEN] {
    let mut bytes = [0; kept_embedding::LEN];
    put(&mut bytes, kept_embedding::TEXT, text.to_le_bytes());
    put(&mut bytes, kept_embedding::SCALE, scale.to_le_bytes());
    bytes
}

#[cfg(feature = "embedder")]
pub(super) fn decode_kept_embedding(bytes: &[u8; kept_embedding::LEN]) -> (u128, f32) {
    let scale = f32::from_le_bytes(array_at(bytes, kept_embedding::SCALE));
    (u128_at(bytes, kept_embedding::TEXT), scale)
}

/// An original as it is stored.
pub(super) fn encode_original<const N: usize>(values: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    values.flatten().collect()
}

/// The values of an original.
pub(super) fn decode_original<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| value(bytes)).collect()
}
