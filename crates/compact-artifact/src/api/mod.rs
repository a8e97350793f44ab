//! What callers name: options, records, queries, results, reports, errors. Nothing in here knows how any of it is done.

pub(crate) mod batch;
pub(crate) mod caches;
pub(crate) mod changes;
pub(crate) mod compaction;
pub(crate) mod damage;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod facet;
pub(crate) mod federated;
mod names;
pub(crate) mod options;
mod options_check;
pub(crate) mod patch;
pub(crate) mod query;
mod query_check;
#[cfg(feature = "facets")]
mod query_columns;
pub(crate) mod record;
pub(crate) mod reports;
pub(crate) mod results;
pub(crate) mod schema;
pub(crate) mod space;
pub(crate) mod stats;
pub(crate) mod text_options;
