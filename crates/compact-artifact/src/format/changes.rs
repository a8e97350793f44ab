//! Changes of records that are there already, as records of the store: metadata in the place of others, embeddings that are no more.

use block_format::RecordId;
use serde_json::{Map, Value};

use super::layout::{self, target};
use super::record::{Kind, encode_bare_head, encode_metadata_head};
use super::settings::Settings;
use crate::api::entry::Entry;
use crate::api::error::{Error, Result};

/// Ids that go into one record: it stays below what is split into frames.
const IDS_PER_RECORD: usize = 16 << 10;

/// The record that says which metadata another one has from now on; all but the id of that one.
pub(crate) fn encode_metadata(metadata: &Map<String, Value>) -> Result<Vec<u8>> {
    encode_metadata_head(metadata)
}

/// What stands behind the metadata: whose they are.
pub(crate) fn encode_target(id: RecordId) -> [u8; target::LEN] {
    layout::encode_target(id.0)
}

/// The record whose metadata these are.
pub(crate) fn decode_target(change: &Entry) -> Result<RecordId> {
    let content = change.bytes()?;
    let bytes = <[u8; target::LEN]>::try_from(content.as_ref());
    let bytes = bytes.map_err(|_| Error::damaged(format!("metadata {}: not of a record", change.id())))?;
    Ok(RecordId(layout::decode_target(bytes)))
}

/// Records that say which others have no embedding in the space with this number any more.
pub(crate) fn encode_removed(number: usize, ids: &[RecordId]) -> Vec<Vec<u8>> {
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let record = |ids: &[RecordId]| {
        let mut bytes = encode_bare_head(Kind::RemovedEmbeddings);
        bytes.extend(layout::encode_embeddings(small(number), small(ids.len())));
        bytes.extend(ids.iter().flat_map(|id| layout::encode_target(id.0)));
        bytes
    };
    ids.chunks(IDS_PER_RECORD).map(record).collect()
}

/// The number of the space, and which records have no embedding in it any more.
pub(crate) fn decode_removed(change: &Entry, settings: &Settings) -> Result<(usize, Vec<RecordId>)> {
    let fault = |what: &str| Error::damaged(format!("removed embeddings {}: {what}", change.id()));
    let bytes = change.bytes()?;
    let (head, rest) = bytes.split_first_chunk().ok_or_else(|| fault("too short"))?;
    let (number, count) = layout::decode_embeddings(*head);
    let (ids, rest) = rest.as_chunks();
    if !rest.is_empty() || ids.len() != count as usize {
        return Err(fault("not as long as their number says"));
    }
    if number as usize >= settings.spaces.len() {
        return Err(fault("of a vector space that is not there"));
    }
    Ok((number as usize, ids.iter().map(|id| RecordId(layout::decode_target(*id))).collect()))
}
