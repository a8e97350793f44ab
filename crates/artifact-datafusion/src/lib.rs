//! CompactArtifact's packs as tables of [Apache DataFusion](https://datafusion.apache.org): scanned, searched and written by SQL.
//!
//! A location is an artifact, a pack, or a folder of packs: a path, or a URL of any store that is registered with the session (`s3://`, `gs://`, memory).
//!
//! ```
//! use std::sync::Arc;
//!
//! use artifact_datafusion::{Packs, register};
//! use datafusion::prelude::SessionContext;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> datafusion::common::Result<()> {
//! # let temp = tempfile::tempdir()?;
//! # let folder = temp.path().to_str().expect("the path is a text");
//! let context = SessionContext::new();
//! register(&context, Packs::default())?;
//!
//! // A pack for each partition of the query, and a manifest of them.
//! let texts = "SELECT * FROM (VALUES ('cat', 'a cat sat on the mat', 2024), ('dog', 'dogs chase cats', 2026)) AS t (key, text, year)";
//! context.sql(&format!("COPY ({texts}) TO '{folder}/notes/' STORED AS CART")).await?.collect().await?;
//!
//! // All of them as one table.
//! context.sql(&format!("CREATE EXTERNAL TABLE notes STORED AS CART LOCATION '{folder}/notes/'")).await?;
//! let found = context.sql("SELECT key FROM notes WHERE year > 2025").await?.collect().await?;
//! assert_eq!(found[0].num_rows(), 1);
//!
//! // The best of all of them.
//! let search = format!("SELECT key, score, snippet FROM cart_search('{folder}/notes/', 'chasing', 5, '{{\"by\": \"words\"}}')");
//! let found = context.sql(&search).await?.collect().await?;
//! assert_eq!(found[0].num_rows(), 1);
//! # Ok(()) }
//! ```
//!
//! # The ideas, in the order of the data
//!
//! - [`Packs`] opens artifacts, maps those of the local file system, and fetches packs of other stores into a bounded cache, or reads them by ranges.
//! - [`CartTable`] has their records; conditions that mean the same in an index of metadata are answered by it, all others by the engine.
//! - [`CartSearch`] ranks over all of them: first how often words occur in all packs together, then the lists of each pack, then one ranking of the merged lists.
//! - `COPY … STORED AS CART` writes a pack for each partition, then the manifest, by which alone readers get to them: all of them, or none. It takes the place of what was there. The same rows make the same packs, so that a second time changes nothing. See [`CartFormat`].
//!
//! # Limits
//!
//! A missing or damaged pack is an error that names it, unless [`Packs::leave_out_unreadable`] says otherwise. A text is 64 MiB at most, a blob in a column 256 MiB.
#![forbid(unsafe_code)]

mod arguments;
mod batches;
mod codec;
mod columns;
mod copy_options;
mod error;
mod fetch;
mod filter;
mod format;
mod lanes;
mod left_out;
mod left_out_table;
mod lists;
mod location;
mod make_exec;
mod manifest;
mod pack_exec;
mod packs;
mod ranged;
mod rank_exec;
mod records;
#[cfg(feature = "s3")]
mod s3;
mod search;
mod table;
mod target;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::prelude::SessionContext;

pub use codec::{decode_format, decode_plan, decode_table, encode_format, encode_plan, encode_table};
pub use copy_options::KeepCopyOptions;
pub use format::CartFormat;
pub use left_out::LeftOut;
pub use location::pack_partitions;
pub use packs::Packs;
pub use ranged::Traffic;
#[cfg(feature = "s3")]
pub use s3::register_s3;
pub use search::CartSearch;
pub use table::CartTable;

/// Makes packs known to a session: `cart_search`, `cart_left_out`, and `STORED AS CART` for tables and for `COPY`.
pub fn register(context: &SessionContext, packs: impl Into<Arc<Packs>>) -> Result<Arc<Packs>> {
    let packs = packs.into();
    context.register_udtf("cart_search", Arc::new(search::CartSearchFunction(packs.clone())));
    context.register_udtf("cart_left_out", Arc::new(left_out_table::LeftOutFunction(packs.clone())));
    let state = context.state_ref();
    let mut state = state.write();
    state.register_file_format(
        Arc::new(format::CartFormatFactory { packs: packs.clone(), options: HashMap::new() }),
        true,
    )?;
    state.table_factories_mut().insert("CART".to_owned(), Arc::new(table::CartTableFactory(packs.clone())));
    Ok(packs)
}

fn external(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DataFusionError {
    DataFusionError::External(error.into())
}

/// Work that waits for the disk or computes for long, beside the threads of the engine.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(external)
}

/// The examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/src/sql.md")]
struct Guide;
