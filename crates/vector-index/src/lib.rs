//! A vector in, the nearest out: an int8 HNSW index that is searched where it lies, in a `Vec` or a memory map.
//!
//! The half of `CompactArtifact` that knows vectors, useful alone wherever a program keeps embeddings. It is *not* a store: it does no
//! input or output, and knows vectors by the number of the row they belong to.
//!
//! ```
//! use vector_index::{BuildOptions, Builder, Codes, Index, Int8Quantizer, Metric, Scratch, SearchOptions};
//!
//! # fn main() -> vector_index::Result<()> {
//! // Vectors become codes of a byte a dimension,
//! let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, 3)?);
//! codes.push(0, &[1.0, 0.0, 0.0])?;
//! codes.push(1, &[0.0, 2.0, 0.1])?;
//! codes.push(2, &[0.0, 0.0, 3.0])?;
//!
//! // codes become an index, in bytes that can be written anywhere,
//! let bytes = Builder::new(BuildOptions::new()).build(codes)?.to_bytes()?;
//!
//! // and bytes are searched in place.
//! let index = Index::open(bytes)?;
//! let mut scratch = Scratch::new();
//! let hits = index.search(&[0.0, 1.0, 0.3], &SearchOptions::new(2), &mut scratch)?;
//! assert_eq!((hits[0].row, hits[1].row), (1, 2));
//! # Ok(()) }
//! ```
//!
//! # The ideas, in the order of the data
//!
//! - An [`Int8Quantizer`] turns a vector into **codes**, by the largest of its values, which can be [rotated](Int8Quantizer::rotated) before so that none is much
//!   larger than the others: nothing is learnt. Distances under any
//!   [`Metric`] are integer dot products of codes and a factor or two for each vector.
//! - Codes are stored as two **planes** of nibbles. The high one alone is a code of four bits, by which a walk through the graph
//!   compares; both together are the byte, exactly. So a walk waits for half the memory, at no cost in bytes. Beyond 128 dimensions it looks at the
//!   **outline** of a neighbour first, the signs of its codes, and compares only what that does not exclude.
//! - A **query** is codes too, and what these leave out of it is multiplied as well where the best are compared: it is not rounded as vectors are.
//! - A [`Kernel`] multiplies codes by what the processor has: AVX-512 VNNI, AVX-VNNI, AVX2, NEON with or without dot products, or plain
//!   code. All give the same integers, so indexes and results are the same on every machine.
//! - A [`Builder`] links the vectors to a **graph**: in parallel, and to the same bytes whatever the number of threads. Every vector is
//!   then found by a search for itself. [`Builder::merge`] makes an index of others, and of new vectors, without those deleted.
//! - An [`Index`] is those bytes. Opening reads a header. A [`search`](Index::search) walks the graph, or scans, whichever costs
//!   less for the [filter](SearchOptions::filter) at hand; what it needs lies in a [`Scratch`] that it never outgrows.
//! - Where there is no graph, because vectors are few, a search passes over their signs, a bit a
//!   dimension, and compares the best by their codes.
//! - [`Index::audit_recall`] tells how much of the truth is found, and [`Index::ef_for_recall`] what it takes.
//!
//! # Limits
//!
//! 1 to 65,536 dimensions, up to 2^31 - 1 vectors and rows below 2^32 - 1 in an index. Little-endian processors only. Bytes that are
//! damaged or hostile give errors or wrong hits, in bounded time and memory: [`Index::verify`] tells them apart, and whoever implements
//! [`Bytes::check`] gets errors instead of wrong hits, at the price of verifying what a search touches.
//!
//! # Features
//!
//! `hnsw_rs` (on by default): brings graphs of that crate into our format, and builds through it. Nothing else changes without it.

#[cfg(target_endian = "big")]
compile_error!("indexes are read in place and are little-endian");

mod audit;
mod build;
mod codes;
mod distinct;
#[cfg(test)]
mod docs;
mod error;
mod graph;
#[cfg(feature = "hnsw_rs")]
pub mod hnsw_rs;
mod index;
mod kernel;
mod metric;
mod node;
mod options;
mod prefetch;
mod quantize;
mod repeats;
mod residual;
mod rotation;
mod rounding;
mod scratch;
mod sketch;
mod space;
mod wide;
mod widths;
mod workers;

pub use audit::{Recall, Sample};
pub use build::{Builder, Built, Merge};
pub use codes::Codes;
pub use error::{Error, ErrorKind, Result};
pub use graph::builder::Progress;
pub use index::{Hit, Index, Originals, Scratch, SearchOptions, SearchPath, SearchStatistics};
pub use kernel::Kernel;
pub use metric::Metric;
pub use options::BuildOptions;
pub use quantize::{Int8Quantizer, MAX_DIMENSION, MAX_LENGTH, MIN_LARGEST_VALUE, QuantizationStatistics};
pub use row_set::RowSet;
pub use sketch::layout::outline_len;
pub use wire::{AlignedBytes, Bytes, F16, NotVerified};
