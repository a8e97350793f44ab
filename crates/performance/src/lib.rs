//! Measures an artifact with its own records: how many operations a second, how long each takes, what it costs.
//!
//! Real work only: every search returns records, every commit is on disk when it counts, no result is kept. The artifact is only read; what is
//! written goes to a scratch artifact of the same shape, which is removed.
//!
//! ```
//! use std::time::Duration;
//!
//! use compact_artifact::{CompactArtifact, Record};
//! use performance::{PerformanceBenchmark, QueryKind};
//!
//! # fn main() -> Result<(), performance::Error> {
//! # let temp = tempfile::tempdir().unwrap();
//! # let path = temp.path().join("notes.artifact");
//! # let artifact = CompactArtifact::create(&path)?;
//! # artifact.add_batch((0..200).map(|i| Record::text(format!("some words of note number {i}"))))?;
//! # artifact.close()?;
//! let report = PerformanceBenchmark::new(&path)
//!     .warm_up(Duration::from_millis(20))
//!     .duration(Duration::from_millis(50))
//!     .clients([1, 2])
//!     .batch_sizes([1, 100])
//!     .run()?;
//!
//! println!("{} searches a second at the most", report.max_throughput());
//! println!("p95 {} ms", report.p95_latency().as_secs_f64() * 1e3);
//! let simple = report.runs.iter().find(|run| run.kind == Some(QueryKind::Simple)).unwrap();
//! assert!(simple.latency.p50 <= simple.latency.p99 && simple.throughput > 0.0);
//!
//! let (text, page) = (report.to_string(), report.to_html());
//! assert!(text.contains("max_throughput") && page.contains("</html>"));
//! let json = serde_json::to_string(&report).unwrap(); // and back, to compare another run with
//! assert!(performance::Report::from_json(&json)?.compare(&report).to_string().contains("1.00"));
//! # Ok(()) }
//! ```
//!
//! # What is measured
//!
//! - **Closed loop**: each of some clients, a thread each, begins its next call when the last one has ended. That shows the most throughput; but a slow call
//!   keeps others from beginning, so that percentiles leave out those who would have waited (*coordinated omission*).
//! - **Open loop**: calls begin at a given rate, whatever those before them do; the latency of a call counts from when it was due. That is what users of a service
//!   see. The time of the call alone is reported beside it.
//! - **Kinds of queries**: see [`QueryKind`]; they follow from the artifact's own records and a seed.
//! - **Cost**: time on processors and resident memory of the process, bytes that it handed to the system to be written, and these to the bytes of
//!   what was added: write amplification, sealing included.
//! - **Recall**: how many of the true nearest, by an exact search, a search finds.
#![forbid(unsafe_code)]

mod benchmark;
mod chart;
mod comparison;
mod error;
mod html;
mod load;
mod numbers;
mod process;
mod queries;
mod recall;
mod report;
mod text;
mod writes;

pub use benchmark::PerformanceBenchmark;
pub use comparison::{Change, Comparison};
pub use error::{Error, Result};
pub use queries::QueryKind;
pub use report::{Cost, Figure, Latency, Loop, Operation, Recall, Report, Run, Setting, Unit};
pub use writes::options_like;
