//! Read everything, believe nothing, name every place that is not what was written there.

mod artifact;
mod copies;
mod findings;
mod generation;

pub use artifact::{verify, verify_in};
pub(crate) use generation::verify_generation;
