//! Embeddings on their way to an index: a record beside those they belong to, until sealing puts them in their place.

use block_format::RecordId;
use half::f16;
use vector_index::Int8Quantizer;

use crate::error::{Error, Result};
use crate::record::{Entry, encode_embeddings_head};
use crate::settings::{Originals, Settings, Space};

/// The embedding of a record in a space: its codes, and its original if that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Embedding {
    pub(crate) codes: Vec<i8>,
    pub(crate) scale: f32,
    /// As stored: empty, or little-endian numbers of 2 or 4 bytes.
    pub(crate) original: Vec<u8>,
}

impl Embedding {
    pub(crate) fn new(space: &Space, vector: &[f32]) -> Result<Self> {
        let about =
            |e: vector_index::Error| Error::from(e).about(format_args!("vector space {:?}", space.name));
        let (codes, scale) = space.quantizer.quantize(vector).map_err(about)?;
        let original = match space.options.originals {
            Originals::None => Vec::new(),
            Originals::F16 => vector.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
            Originals::F32 => vector.iter().flat_map(|value| value.to_le_bytes()).collect(),
        };
        Ok(Self { codes, scale, original })
    }

    /// The vector, as near as it is stored.
    pub(crate) fn decode(&self, space: &Space) -> Vec<f32> {
        match space.options.originals {
            Originals::F16 if !self.original.is_empty() => {
                self.original.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect()
            }
            Originals::F32 if !self.original.is_empty() => {
                self.original.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
            }
            _ => space.quantizer.decode(&self.codes, self.scale),
        }
    }
}

/// Bytes of an original.
pub(crate) fn original_len(space: &Space) -> usize {
    match space.options.originals {
        Originals::None => 0,
        Originals::F16 => 2 * space.options.dimension,
        Originals::F32 => 4 * space.options.dimension,
    }
}

/// Bytes of embeddings that go into one record, about: it stays below what is cut into frames.
const AT_ONCE: usize = 256 << 10;

/// Records of the embeddings of a commit in one space: a space `u32`, a count `u32`, then for each its record's id `u64`, scale `f32`,
/// codes, original.
pub(crate) fn encode(number: usize, of: &[(RecordId, &Embedding)]) -> Vec<Vec<u8>> {
    let first = of.first().map(|(_, embedding)| *embedding);
    let group = |group: &[(RecordId, &Embedding)]| {
        let mut bytes = encode_embeddings_head();
        bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(u32::try_from(group.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (id, embedding) in group {
            bytes.extend(id.0.to_le_bytes());
            bytes.extend(embedding.scale.to_le_bytes());
            bytes.extend(embedding.codes.iter().map(|code| code.cast_unsigned()));
            bytes.extend(&embedding.original);
        }
        bytes
    };
    of.chunks(per_record(first)).map(group).collect()
}

/// How many embeddings like this one go into one record.
fn per_record(first: Option<&Embedding>) -> usize {
    let each = first.map_or(12, |first| 12 + first.codes.len() + first.original.len());
    (AT_ONCE / each).max(1)
}

/// How many records [`encode`] makes of so many embeddings.
pub(crate) fn records_of(count: usize, first: Option<&Embedding>) -> usize {
    count.div_ceil(per_record(first))
}

/// What a record of embeddings holds: the number of its space, and whose they are.
pub(crate) fn decode(entry: &Entry, settings: &Settings) -> Result<(usize, Vec<(RecordId, Embedding)>)> {
    let fault = |message: &str| Error::damaged(format!("embeddings in record {}: {message}", entry.id()));
    let bytes = entry.bytes()?;
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| fault("too short"))?;
    let [s0, s1, s2, s3, c0, c1, c2, c3] = *head;
    let number = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
    let count = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
    let space = settings.spaces.get(number).ok_or_else(|| fault("of a vector space that is not there"))?;
    let dimension = space.options.dimension;
    let each = 12 + dimension + original_len(space);
    if rest.len() != count.saturating_mul(each) {
        return Err(fault("not as long as its vector space says"));
    }
    let one = |bytes: &[u8]| -> Option<(RecordId, Embedding)> {
        let (id, bytes) = bytes.split_first_chunk()?;
        let (scale, bytes) = bytes.split_first_chunk()?;
        let (codes, original) = bytes.split_at(dimension);
        let codes = codes.iter().map(|code| code.cast_signed()).collect();
        let embedding = Embedding { codes, scale: f32::from_le_bytes(*scale), original: original.to_vec() };
        Some((RecordId(u64::from_le_bytes(*id)), embedding))
    };
    Ok((number, rest.chunks_exact(each).filter_map(one).collect()))
}

/// Whether codes can be of this space: what was read from a file may be anything.
pub(crate) fn check(quantizer: &Int8Quantizer, embedding: &Embedding) -> Result<()> {
    vector_index::Codes::new(quantizer.clone())
        .push_codes(0, &embedding.codes, embedding.scale)
        .map_err(Error::from)
}
