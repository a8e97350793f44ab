//! What the formats on disk have in common: fixed fields, varints, chunks under checksums, and bytes that are verified before use.
//!
//! A format is defined in a file called `layout.rs`, with [`layout!`] for its structures; this crate knows none. Everything is
//! little-endian. It is *not* a serializer: nothing is derived from types, so that bytes change only where somebody writes it down.
//!
//! ```
//! use std::io::Write;
//! use wire::{ChunkWriter, check_chunks, crc32, put, u32_at, u64_at};
//!
//! /// The structure, field by field: each offset follows from the field before, and the sum is checked at compile time.
//! mod header {
//!     wire::layout!(16, ROWS: 4, BODY_LEN: 8, CRC: 4);
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let mut bytes = [0; header::LEN];
//! put(&mut bytes, header::ROWS, 7u32.to_le_bytes());
//! put(&mut bytes, header::BODY_LEN, 300u64.to_le_bytes());
//! let crc = crc32(&[&bytes[..header::CRC]]);
//! put(&mut bytes, header::CRC, crc.to_le_bytes());
//! assert_eq!((u32_at(&bytes, header::ROWS), u64_at(&bytes, header::BODY_LEN)), (7, 300));
//!
//! // Sections on boundaries of 64 bytes, and a table of the checksums of all chunks behind them.
//! let mut out = ChunkWriter::new(Vec::new());
//! out.write_all(&bytes)?;
//! out.pad()?;
//! out.write_all(b"a section")?;
//! let content_len = out.position();
//! let file = out.finish()?;
//!
//! let (content, table) = file.split_at(content_len as usize);
//! assert!(check_chunks(content, table).is_ok());
//! # Ok(()) }
//! ```
//!
//! | for | there is |
//! |---|---|
//! | a structure of fixed fields | [`layout!`], [`put`], [`u32_at`] and its like; [`try_u32_at`] and its like where the length is not checked |
//! | small numbers | [`put_varint`], [`take_varint`], [`varint_at`], [`skip_varints`] |
//! | numbers of equally many bits | [`bits`], [`bits_at`] |
//! | numbers of 16 bits in floating point | [`F16`] |
//! | a header's own checksum | [`crc32`] |
//! | checksums of a whole file, by 64 KiB | [`ChunkWriter`], [`check_chunks`], [`chunk_table_len`] |
//! | bytes that lie anywhere and are verified when first used | the trait [`Bytes`] |
//! | what was verified so far | [`VerifiedSet`] |
//! | memory on a boundary of 64 bytes; whether there is so much | [`AlignedBytes`], [`ALIGN`]; [`is_memory_left`] |
//! | with the feature `serde`: a struct in JSON, where an array is none | `Object` |

#![forbid(unsafe_code)]

mod aligned;
mod bits;
mod bytes;
mod chunks;
mod fields;
mod half_float;
mod memory;
#[cfg(feature = "serde")]
mod object;
mod varint;
mod verified;

pub use aligned::{ALIGN, AlignedBytes};
pub use bits::{MAX_BITS, bits, bits_at};
pub use bytes::{Bytes, NotVerified, failed_read};
pub use chunks::{CHUNK_LEN, ChunkMismatch, ChunkWriter, check_chunks, chunk_table_len, crc32};
pub use fields::{array_at, put, try_u16_at, try_u32_at, try_u64_at, u16_at, u32_at, u64_at, u128_at};
pub use half_float::F16;
pub use memory::is_memory_left;
#[cfg(feature = "serde")]
pub use object::Object;
pub use varint::{MAX_VARINT_LEN, put_varint, skip_varints, take_varint, varint_at, varint32_at};
pub use verified::VerifiedSet;
