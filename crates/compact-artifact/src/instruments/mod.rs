//! What programs measure an artifact with: what its caches did, who holds its memory, where the time of calls goes.

mod caches;
#[cfg(feature = "analyzers")]
pub(crate) mod latency;
#[cfg(feature = "analyzers")]
pub(crate) mod memory;
#[cfg(feature = "analyzers")]
mod page_faults;
