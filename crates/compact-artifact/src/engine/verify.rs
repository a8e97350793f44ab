//! Looking for damage everywhere, and keeping what is sound.

use std::path::Path;
use std::sync::Arc;

use block_format::vfs::DiskVfs;
use block_format::{PackVfs, RecordId, RecoveryReport, Snapshot as Records, VerifyLevel};

use super::core::Engine;
use super::open::Mode;
use super::settings::settings_of;
use crate::api::damage::Damage;
use crate::api::error::{Error, Result};
use crate::api::options::Options;
use crate::api::reports::{SalvageReport, VerifyReport};
#[cfg(feature = "embedder")]
use crate::format::parts::KEPT_EMBEDDINGS;
use crate::format::parts::{LOST_EMBEDDINGS, NEIGHBOURS, SETTINGS, SHARD, TOMBSTONES, belongs_to_shard};
use crate::format::record;
use crate::format::settings::read_settings;
use crate::trace::observed;

impl Engine {
    /// Compares every checksum of what is open.
    pub(crate) fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        let mut report: VerifyReport = self.store.verify(level)?.into();
        for view in &self.state().views {
            let neighbours = view.neighbours.as_ref().map_or(Ok(()), |neighbours| neighbours.verify());
            if let Err(e) = view.shard.verify().and(neighbours) {
                let number = view.shard.number;
                report.damage.push(Damage::new(format!("shard {number}: {e}")).in_shard(number));
            }
        }
        Ok(report)
    }
}

/// Reads the files of the artifact at `path`, a directory or a packed file, without opening it, and compares their checksums. A writer may be at
/// work meanwhile.
///
/// An error means that there is nothing to go by, or that the medium fails; damage is in the report.
///
/// ```
/// # use compact_artifact::{CompactArtifact, VerifyLevel};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let path = temp.path().join("a");
/// # CompactArtifact::create(&path)?.close()?;
/// assert!(compact_artifact::verify(&path, VerifyLevel::Decode)?.is_sound());
/// # Ok(()) }
/// ```
pub fn verify(path: impl AsRef<Path>, level: VerifyLevel) -> Result<VerifyReport> {
    let path = path.as_ref();
    if !DiskVfs::is_file(path) {
        return Ok(block_format::verify(path, level)?.into());
    }
    let options = block_format::Options::default();
    let pack = PackVfs::open(path, 0, &options)?;
    Ok(block_format::verify_in(Arc::new(pack), path, level, &options)?.into())
}

/// Copies everything that is sound from a damaged artifact, a directory or a packed file, into a new one at `to`. Records keep their ids. Indexes that are damaged are made anew
/// from the records; embeddings whose codes are damaged are lost, and named.
///
/// Where no copy of the settings holds, `options` say which language there is, and which vector spaces in the order in which they were added;
/// embeddings in others are lost. Fields that they do not name are added, and their words count once.
///
/// The new artifact can be opened when it is complete. What an interruption or an error leaves at `to` cannot, and the next call with that `to` begins anew.
///
/// ```
/// # use compact_artifact::{CompactArtifact, salvage};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let (path, to) = (temp.path().join("a"), temp.path().join("b"));
/// # let artifact = CompactArtifact::create(&path)?;
/// # artifact.add_text("a cat")?;
/// # artifact.close()?;
/// let report = salvage(&path, &to, CompactArtifact::options())?;
/// assert_eq!((report.records, report.losses.len()), (1, 0));
/// # Ok(()) }
/// ```
pub fn salvage(from: impl AsRef<Path>, to: impl AsRef<Path>, options: Options) -> Result<SalvageReport> {
    options.check()?;
    // Nobody else writes there before it is complete.
    let options = Options { idle_release: None, ..options };
    let (copy, store) = block_format::salvage_unfinished(from, &to, observed(options.for_store()))?;
    let lost = |id: &RecordId| Damage {
        records: Some(*id..RecordId(id.0.saturating_add(1))),
        ..Damage::new(format!("record {id}"))
    };
    let mut losses: Vec<Damage> = store.lost.iter().map(lost).collect();
    losses.extend(store.damage.iter().map(Damage::from));
    if store.deletes_incomplete {
        losses.push(Damage::new("a list of deleted records: some of them may be back"));
    }
    let of_part = |&(kind, number): &(block_format::PartKind, u64)| {
        let damage = Damage::new(match kind {
            SETTINGS => "a copy of the settings".to_owned(),
            TOMBSTONES => format!("which rows of index {number} are dead"),
            NEIGHBOURS => format!("the stored neighbours of index {number}"),
            LOST_EMBEDDINGS => "which embeddings were lost earlier".to_owned(),
            #[cfg(feature = "embedder")]
            KEPT_EMBEDDINGS => "the kept embeddings of texts".to_owned(),
            SHARD => format!("index {number}, with the embeddings in it"),
            _ => format!("part {number} of a kind that this build does not know"),
        });
        if belongs_to_shard(kind) { damage.in_shard(number) } else { damage }
    };
    losses.extend(store.lost_parts.iter().map(of_part));
    let to = to.as_ref();
    let lost_shards = store.lost_parts.iter().any(|(kind, _)| *kind == SHARD);
    let incomplete = |e: Error| {
        e.about(format_args!("{} is not complete; call `salvage` once more, or remove it", to.display()))
    };
    let has_settings = read_settings(&copy.snapshot()).map_err(incomplete)?.is_some();
    let options = if has_settings {
        options
    } else {
        with_fields_of_records(options, &copy.snapshot()).map_err(incomplete)?
    };
    let engine =
        Engine::open(options, Mode::Salvaged { lost_shards }, |_| Ok((copy, RecoveryReport::default())))
            .map_err(incomplete)?;
    losses.extend(engine.recovery.damage.iter().cloned());
    if !has_settings {
        let message = "all settings: those of the options take their place, and embeddings in vector spaces that they do not name are lost";
        losses.push(Damage::new(message));
        engine.reindex_anyway().map_err(incomplete)?;
    }
    engine.seal().map_err(incomplete)?;
    let records = engine.state().len();
    engine.store.finish_creation()?;
    engine.store.close()?;
    Ok(SalvageReport { records, losses })
}

/// Options with the fields that records have, which no settings name any more. Their words count once.
fn with_fields_of_records(mut options: Options, records: &Records) -> Result<Options> {
    let mut settings = settings_of(&options)?;
    // What cannot be read is named by who indexes it.
    for (_, entry) in records.records().filter_map(|record| record::decode(record.ok()?).ok()) {
        for (name, _) in entry.fields().unwrap_or_default() {
            if settings.field(&name).is_err() {
                options = options.field(name, 1);
                settings = settings_of(&options)?;
            }
        }
    }
    Ok(options)
}
