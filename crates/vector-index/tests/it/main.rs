//! What the crate promises, sentence by sentence.
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "small numbers, and results that are exact or the same"
)]

mod allocation;
mod bad_input;
mod build;
mod damage;
mod data;
mod earlier;
mod filter;
mod golden;
#[cfg(feature = "hnsw_rs")]
mod hnsw_rs;
mod hostile;
mod kinds;
mod merge;
mod repeats;
mod residuals;
mod search;
mod strangers;
mod without_graph;
