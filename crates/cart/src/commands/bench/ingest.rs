//! How fast records go in, until all of them are indexed.
#![expect(clippy::cast_precision_loss, reason = "figures to look at")]

use std::path::Path;
use std::time::{Duration, Instant};

use compact_artifact::{Batch, Options};
use performance::{Report, Unit};

use super::data::Data;
use crate::failure::{Failure, Result};
use crate::input::Document;
use crate::output::Progress;

/// Records in a commit.
const BATCH: usize = 8192;

/// What ingest came to.
#[derive(Debug)]
pub(super) struct Ingest {
    records: usize,
    content_bytes: u64,
    first: Duration,
    median: Duration,
}

/// Everything, durable and with every index, several times; the last one stays at `path`.
pub(super) fn all(data: &Data, rounds: usize, path: &Path) -> Result<Ingest> {
    let bar = Progress::steps(rounds as u64 + 1, "ingest");
    let mut times = Vec::new();
    // The first round warms up, and is told apart.
    for _ in 0..=rounds {
        clear(path)?;
        times.push(write(&data.documents, data.options(), path)?);
        bar.advance(1);
    }
    let first = times.remove(0);
    Ok(Ingest {
        records: data.documents.len(),
        content_bytes: data.documents.iter().map(Document::content_len).sum(),
        first,
        median: median(&mut times),
    })
}

impl Ingest {
    pub(super) fn report(&self, report: &mut Report) {
        let seconds = self.median.as_secs_f64();
        report.add_figure("ingest, first round", self.first.as_secs_f64(), Unit::Seconds);
        report.add_figure("ingest until all is indexed, median", seconds, Unit::Seconds);
        report.add_figure("  records", self.records as f64 / seconds, Unit::PerSecond);
        report.add_figure("  content", self.content_bytes as f64 / seconds, Unit::BytesPerSecond);
    }
}

/// The middle one; of two the first.
pub(super) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// Time until everything is on disk and sealed. Records are cloned before.
fn write(documents: &[Document], options: Options, path: &Path) -> Result<Duration> {
    let batches: Vec<Batch> = documents
        .chunks(BATCH)
        .map(|part| part.iter().cloned().map(Document::into_record).collect())
        .collect();
    let begun = Instant::now();
    let artifact = options.create(path)?;
    for batch in batches {
        artifact.write(batch)?;
    }
    artifact.seal()?;
    artifact.close()?;
    Ok(begun.elapsed())
}

/// Removes an artifact of an earlier round.
fn clear(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::failed(format_args!("cannot be removed: {e}")).at(path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_a_time_that_was_measured() {
        let mut times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(median(&mut times), Duration::from_millis(100));
        assert_eq!(median(&mut [Duration::from_secs(7)]), Duration::from_secs(7));
        assert_eq!(median(&mut []), Duration::ZERO);
    }
}
