//! The bytes of an index: offsets of blocks, the trailer, keys and values; those of a block are in `block`. `docs/FORMAT.md`, "Metadata index",
//! says the same in words.

use wire::{put, u32_at, u64_at};

use crate::date::{self, Point};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{FilterValue, Scalar, Type};

/// The trailer, after the offsets of the blocks.
pub(crate) mod trailer {
    wire::layout!(48, MAGIC: 8, VERSION: 4, BODY_CRC: 4, BLOCKS_LEN: 8, BLOCKS: 8, ENTRIES: 8, RESERVED: 4, TRAILER_CRC: 4);
}

/// A number as it stands in a key.
pub(crate) mod number {
    wire::layout!(10, NEAREST: 8, DIFFERENCE: 2);
}

/// A string of more than [`INDEXED_LEN`](super::INDEXED_LEN) bytes as it stands in a key.
pub(crate) mod long_string {
    wire::layout!(288, HEAD: 256, HASH: 32);
}

pub(crate) const MAGIC: [u8; 8] = *b"\x89CAFI\r\n\x1a";
/// The most entries in a block.
pub(crate) const BLOCK_ENTRIES: usize = 32;
/// Length of the offset of a block.
const OFFSET_LEN: usize = 4;
/// The most bytes of blocks, so that their offsets fit.
const BLOCKS_LEN_MAX: u64 = 1 << 32;

/// So many bytes of a string are in a key. A longer one is there with these, and a hash of the whole that decides equality; where the order
/// of two strings is decided after these bytes, a search reads the strings themselves.
pub(crate) const INDEXED_LEN: usize = long_string::HASH;
// The text of a date is always there as a whole.
const _: () = assert!(date::MAX_LEN <= INDEXED_LEN);

/// The version of the bytes of an index. Entries are stored differently, the trailer is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Read, and no longer written.
    V1 = 1,
    V2 = 2,
}

impl Version {
    pub(crate) const NEWEST: Self = Self::V2;

    fn decode(version: u32) -> Result<Self> {
        match version {
            1 => Ok(Self::V1),
            2 => Ok(Self::V2),
            0 => Err(Error::damaged("version 0, which was never written")),
            _ => {
                let newest = Self::NEWEST as u32;
                let message =
                    format!("an index of metadata of version {version}; this library reads up to {newest}");
                Err(Error::new(ErrorKind::NewerFormat, message))
            }
        }
    }
}

/// What the trailer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) version: Version,
    /// CRC-32 of blocks and offsets.
    pub(crate) body_crc: u32,
    pub(crate) blocks_len: u64,
    pub(crate) blocks: u64,
    pub(crate) entries: u64,
}

impl Trailer {
    pub(crate) fn encode(&self) -> [u8; trailer::LEN] {
        let mut bytes = [0; trailer::LEN];
        put(&mut bytes, trailer::MAGIC, MAGIC);
        put(&mut bytes, trailer::VERSION, (self.version as u32).to_le_bytes());
        put(&mut bytes, trailer::BODY_CRC, self.body_crc.to_le_bytes());
        put(&mut bytes, trailer::BLOCKS_LEN, self.blocks_len.to_le_bytes());
        put(&mut bytes, trailer::BLOCKS, self.blocks.to_le_bytes());
        put(&mut bytes, trailer::ENTRIES, self.entries.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..trailer::TRAILER_CRC]);
        put(&mut bytes, trailer::TRAILER_CRC, crc.to_le_bytes());
        bytes
    }

    /// Reads the trailer at the end of an index, and checks it against the length of the index.
    pub(crate) fn decode(index: &[u8]) -> Result<Self> {
        let (body, bytes) =
            index.split_last_chunk::<{ trailer::LEN }>().ok_or_else(|| Error::damaged("too short"))?;
        let crc = crc32fast::hash(&bytes[..trailer::TRAILER_CRC]);
        if !bytes.starts_with(&MAGIC) || crc != u32_at(bytes, trailer::TRAILER_CRC) {
            return Err(Error::damaged("its trailer does not hold"));
        }
        let version = Version::decode(u32_at(bytes, trailer::VERSION))?;
        let (blocks_len, blocks) = (u64_at(bytes, trailer::BLOCKS_LEN), u64_at(bytes, trailer::BLOCKS));
        let offsets_len = blocks.checked_mul(OFFSET_LEN as u64);
        let len = offsets_len.and_then(|offsets_len| offsets_len.checked_add(blocks_len));
        if len != Some(body.len() as u64) || blocks_len > BLOCKS_LEN_MAX {
            return Err(Error::damaged("not as long as its trailer says"));
        }
        let entries = u64_at(bytes, trailer::ENTRIES);
        if blocks != entries.div_ceil(BLOCK_ENTRIES as u64) {
            return Err(Error::damaged("not as many blocks as its entries fill"));
        }
        Ok(Self { version, body_crc: u32_at(bytes, trailer::BODY_CRC), blocks_len, blocks, entries })
    }
}

/// The offset of a block that begins after so many bytes.
pub(crate) fn encode_offset(at: u64) -> Result<[u8; OFFSET_LEN]> {
    u32::try_from(at).map(u32::to_le_bytes).map_err(|_| {
        Error::new(ErrorKind::TooLarge, "an index of metadata of more than 4 GiB; seal smaller batches")
    })
}

pub(crate) fn decode_offset(offset: [u8; OFFSET_LEN]) -> usize {
    u32::from_le_bytes(offset) as usize
}

/// What a key holds after the path of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tag {
    /// Nothing: the field exists.
    Exists = 0,
    Bool = 1,
    Number = 2,
    /// A string that is not a date.
    String = 3,
    /// A string that is a date, as a point in time.
    Date = 4,
    /// A string that is a date, as text.
    DateText = 5,
    /// The key of a record, whose path is empty.
    RecordKey = 6,
}

impl Tag {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] =
        [Self::Exists, Self::Bool, Self::Number, Self::String, Self::Date, Self::DateText, Self::RecordKey];

    /// The tags of strings, in the bytes of their text.
    pub(crate) const STRINGS: [Self; 2] = [Self::String, Self::DateText];
}

impl From<Type> for Tag {
    fn from(ty: Type) -> Self {
        match ty {
            Type::Bool => Self::Bool,
            Type::Number => Self::Number,
            Type::String => Self::String,
            Type::Date => Self::Date,
        }
    }
}

/// Added to the tag of an element of an array.
pub(crate) const IN_ARRAY: u8 = 0x10;

/// The key of a value of a field; without the bytes of a value, what the keys of all values of the field with this tag begin with.
pub(crate) fn field_key(path: &str, tag: Tag, in_array: bool, value: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + path.len() + value.len());
    let len = u16::try_from(path.len()).unwrap_or(u16::MAX);
    key.extend(len.to_le_bytes().iter().rev());
    key.extend(path.as_bytes());
    key.push(tag as u8 | if in_array { IN_ARRAY } else { 0 });
    key.extend(value);
    key
}

/// The path in a key.
pub(crate) fn path_of_key(key: &[u8]) -> Option<&str> {
    let (&[high, low], rest) = key.split_first_chunk()?;
    std::str::from_utf8(rest.get(..u16::from_le_bytes([low, high]).into())?).ok()
}

/// Greater than all keys of a field, and less than those of the next.
pub(crate) fn behind_field(path: &str) -> Vec<u8> {
    let mut key = field_key(path, Tag::RecordKey, true, &[]);
    key.pop();
    key.push(u8::MAX);
    key
}

/// The key of the index for the key of a record.
pub(crate) fn record_key(key: &str) -> Vec<u8> {
    field_key("", Tag::RecordKey, false, key.as_bytes())
}

/// The bytes of a value in a key: in the order of the values of its type, and equal only for equal values.
pub(crate) fn encode_value(value: &FilterValue) -> Vec<u8> {
    match &value.0 {
        Scalar::Bool(value) => vec![u8::from(*value)],
        Scalar::Int(value) => encode_number(nearest(*value), *value),
        Scalar::Float(value) => encode_number(*value, exact(*value)),
        Scalar::String(value) => encode_string(value),
        Scalar::DateTime(date) => encode_point(date.point()),
    }
}

/// The bytes of a string in a key.
pub(crate) fn encode_string(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    if bytes.len() > INDEXED_LEN {
        bytes.truncate(INDEXED_LEN);
        bytes.extend(blake3::hash(value.as_bytes()).as_bytes());
    }
    bytes
}

/// The bytes of a point in time in a key.
pub(crate) fn encode_point(point: &Point) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + point.fraction.len());
    bytes.extend((point.seconds.cast_unsigned() ^ 1 << 63).to_le_bytes().iter().rev());
    if point.is_leap {
        bytes.push(b':'); // greater than every digit
    }
    bytes.extend(&point.fraction);
    bytes
}

/// The point in time of the bytes that [`encode_point`] made.
pub(crate) fn decode_point(bytes: &[u8]) -> Option<Point> {
    let (seconds, rest) = bytes.split_first_chunk::<8>()?;
    let seconds = (reversed(*seconds) ^ 1 << 63).cast_signed();
    let (is_leap, fraction) = rest.strip_prefix(b":").map_or((false, rest), |fraction| (true, fraction));
    Some(Point { seconds, is_leap, fraction: fraction.to_vec() })
}

/// The bytes of a number in a key: the nearest float, ordered, then by how much an integer differs from it.
fn encode_number(nearest: f64, value: i128) -> Vec<u8> {
    // Both zeros are one.
    let nearest = if nearest == 0.0 { 0.0 } else { nearest };
    let bits = nearest.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    // Integers have up to 64 bits and floats 53: the difference is below 2^11.
    let difference = i16::try_from(value - exact(nearest)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(number::LEN);
    bytes.extend(ordered.to_le_bytes().iter().rev());
    bytes.extend((difference.cast_unsigned() ^ 1 << 15).to_le_bytes().iter().rev());
    bytes
}

/// The float nearest to the number whose bytes [`encode_number`] made, and the number itself if it is whole and not beyond those of JSON.
pub(crate) fn decode_number(bytes: &[u8]) -> Option<(f64, Option<i128>)> {
    let (ordered, difference) = bytes.split_first_chunk::<8>()?;
    let ordered = reversed(*ordered);
    let nearest = f64::from_bits(if ordered >> 63 == 0 { !ordered } else { ordered ^ 1 << 63 });
    let [high, low] = *difference.first_chunk::<2>()?;
    let difference = (u16::from_le_bytes([low, high]) ^ 1 << 15).cast_signed();
    let is_whole = nearest.fract() == 0.0 && nearest.abs() < 2.0f64.powi(65);
    Some((nearest, is_whole.then(|| exact(nearest) + i128::from(difference))))
}

/// The number whose highest byte comes first.
fn reversed(mut bytes: [u8; 8]) -> u64 {
    bytes.reverse();
    u64::from_le_bytes(bytes)
}

#[expect(clippy::cast_precision_loss, reason = "what is lost is kept beside it")]
fn nearest(value: i128) -> f64 {
    value as f64
}

/// The integer that a float is, if it is one of a size that integers of JSON have; otherwise 0 has to do.
#[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
pub(crate) fn exact(value: f64) -> i128 {
    if value.abs() < 1e30 && value.fract() == 0.0 { value as i128 } else { 0 }
}
