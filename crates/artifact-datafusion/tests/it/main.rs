//! What the crate promises. Each file is one claim.

/// Locations: files, folders, stores, a bounded cache, what is missing or was exchanged.
mod locations;
/// Tables: every row once, conditions that mean the same with and without the index.
mod scan;
/// Searches: scores that do not depend on how records are spread.
mod search;
mod support;
/// Writing: all packs or none, in the place of those before.
mod write;
