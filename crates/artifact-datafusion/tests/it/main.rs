//! What the crate promises. Each file is one claim.
#![expect(
    clippy::unwrap_used,
    clippy::cast_lossless,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "tests"
)]

/// Plans and tables as other processes have them.
mod codec;
/// What becomes of columns and values on the way into packs and back, and of locations with patterns.
mod columns;
/// Locations: files, folders, stores, a bounded cache, what is missing or was exchanged.
mod locations;
/// Packs of stores that are read by ranges where they are.
mod ranged;
/// Buckets of S3: what is written is read, refused credentials, writers beside each other.
#[cfg(feature = "s3")]
mod s3;
/// Tables: every row once, conditions that mean the same with and without the index.
mod scan;
/// Searches: scores that do not depend on how records are spread.
mod search;
/// Stores that list what is not there any more.
mod stale;
mod support;
/// Writing: all packs or none, in the place of those before.
mod write;
