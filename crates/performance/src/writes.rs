//! Adding records to a scratch artifact of the same shape, which is removed.

use std::path::Path;
use std::time::Instant;

use compact_artifact::{Batch, CompactArtifact, Options, SpaceOptions};

use crate::error::Result;
use crate::load::{Measured, Times, closed};
use crate::process::Used;
use crate::queries::Sample;

/// What makes an artifact that takes the records of another one, and finds them as that does: its language, fields of texts and vector spaces.
pub fn options_like(artifact: &CompactArtifact) -> Options {
    let options = CompactArtifact::options().fold_diacritics(artifact.folds_diacritics());
    let options = match artifact.language() {
        Some(language) => options.language(language),
        None => options.no_language(),
    };
    let options = artifact.spaces().iter().fold(options, |options, space| {
        let same = SpaceOptions::new(space.dimension(), space.metric());
        let same = same.quantization(space.quantization()).originals(space.originals());
        options.space(space.name(), same)
    });
    artifact.fields().into_iter().fold(options, |options, (name, weight)| options.field(name, weight))
}

/// What adding came to, and bytes written to bytes added.
pub(crate) fn add(
    options: Options,
    sample: &Sample,
    (clients, batch): (usize, usize),
    times: Times,
    folder: &Path,
) -> Result<(Measured, Option<f64>)> {
    let path = folder.join("scratch.artifact");
    let artifact = options.create(&path)?;
    let (before, begun) = (Used::now(), Instant::now());
    let added = std::sync::atomic::AtomicU64::new(0);
    let add = |number: u64| {
        let first = usize::try_from(number).unwrap_or(usize::MAX).wrapping_mul(batch);
        let (mut bytes, mut records) = (0, Batch::new());
        for at in 0..batch {
            let sampled = &sample.records[first.wrapping_add(at) % sample.records.len()];
            bytes += sampled.added_len();
            records = records.add(sampled.record(&sample.spaces));
        }
        artifact.write(records)?;
        added.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        Ok(batch as u64)
    };
    let measured = closed(clients, times, add)?;
    artifact.seal()?;
    let written = Used::cost_since(before, begun.elapsed()).written_bytes;
    artifact.destroy()?;
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let amplification = written.map(|written| written as f64 / added.into_inner().max(1) as f64);
    Ok((measured, amplification))
}
