//! An artifact's directory as a whole: who may write, what is visible, which files make it up.
//!
//! | file | what happens in it |
//! |---|---|
//! | `create` | an empty artifact is made; one is removed |
//! | `open`, `load`, `recover` | a manifest is read, its files are opened, an artifact that was not closed becomes writable |
//! | `commit`, `frames`, `sync` | records go to the end of the log, and become durable and visible |
//! | `bulk` | records go straight into segments |
//! | `edit`, `rewrite`, `rotate`, `publish` | logs are sealed, segments rewritten, parts written; a new generation takes their place |
//! | `read`, `record`, `usage` | a snapshot, its records, the bytes that it takes |
//! | `follow`, `history` | a reader sees what was committed since; what the newest commits did |
//! | `retired` | files that were replaced and are still held |
//! | `close`, `handover` | the last manifest; the lock given up to another process and taken back |
//! | `state` | the type [`Store`] and the order of its locks |

mod bulk;
mod close;
mod commit;
mod create;
mod edit;
mod follow;
mod frames;
mod handover;
mod history;
mod load;
mod open;
mod publish;
mod read;
mod record;
mod recover;
mod retired;
mod rewrite;
mod rotate;
mod state;
mod sync;
#[cfg(feature = "dictionaries")]
mod train;
mod usage;

pub use bulk::Bulk;
pub use commit::{Batch, CompressedBatch, Receipt};
pub use edit::{Edit, LogsToSeal, SealedLogs};
pub use history::Since;
pub use read::{Records, Snapshot};
pub use record::{ContentReader, Record};
pub use retired::KeptFile;
pub use state::Store;
pub use usage::{DiskUsage, FileUsage};
