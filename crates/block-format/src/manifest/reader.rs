//! A directory → its manifests, and the newest one that holds.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::layout::MAX_LEN;
use super::{LogEntry, Manifest, SegmentEntry};
use crate::directory::{file_len, open_error};
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{DESTROYED, FileName, UNFINISHED};
use crate::id::FileId;
use crate::options::Options;
use crate::part::PartKind;
use crate::source::Source;
use crate::vfs::{Access, Vfs};

/// One copy is enough; the other is there in case that one is damaged.
const MAX_DELETES_COPIES: usize = 2;

/// The manifests found in a directory.
#[derive(Debug)]
pub(crate) struct Manifests {
    /// The newest one that holds.
    pub(crate) newest: Option<Manifest>,
    /// Copies that do not hold, or that are missing beside their twin.
    pub(crate) damaged: Vec<(FileName, Error)>,
    /// The highest generation that any name mentions.
    pub(crate) highest: u64,
    pub(crate) names: Vec<FileName>,
    /// Why the newest generation cannot be read though both of its copies are there: the first one was complete before the second was begun.
    pub(crate) newest_fault: Option<Error>,
    /// They are of an artifact that is not complete.
    pub(crate) are_unfinished: bool,
    /// They are what was not removed yet of an artifact that is destroyed: none of them is read.
    pub(crate) are_destroyed: bool,
}

impl Manifests {
    /// Refuses an artifact that lacks records, though everything in it is sound.
    pub(crate) fn check_finished(&self, root: &Path) -> Result<()> {
        if !self.are_unfinished {
            return Ok(());
        }
        let message = "the artifact is not complete: `salvage` is at work here, or was interrupted. Call `salvage` with what it copied from and this \
                       directory once more, which begins anew, or remove the directory";
        Err(Error::new(ErrorKind::NotAnArtifact, message).at(root))
    }
}

/// Lists a directory and reads its manifests.
pub(crate) fn read_manifests(vfs: &dyn Vfs, root: &Path, options: &Options) -> Result<Manifests> {
    let listed = vfs.list(root).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, "there is no artifact here; `create` makes one").at(root)
        }
        io::ErrorKind::NotADirectory => {
            let message = "expected the directory of an artifact, found a file";
            Error::new(ErrorKind::NotAnArtifact, message).at(root)
        }
        _ => Error::io(e, "listing the directory", root),
    })?;
    let mut names: Vec<FileName> = listed.iter().filter_map(|name| FileName::parse(name)).collect();
    names.sort_unstable();
    let generation_of = |name: &FileName| match name {
        FileName::Manifest { generation, .. } => Some(*generation),
        _ => None,
    };
    let mut generations: Vec<u64> = names.iter().filter_map(generation_of).collect();
    generations.dedup();
    let highest = generations.last().copied().unwrap_or(0);
    let has = |mark: &str| listed.iter().any(|name| name == mark);
    let are_destroyed = has(DESTROYED);
    let are_unfinished = has(UNFINISHED) && !are_destroyed;
    let (newest, newest_fault, damaged) = (None, None, Vec::new());
    let mut found =
        Manifests { newest, damaged, highest, names, newest_fault, are_unfinished, are_destroyed };
    if are_destroyed {
        return Ok(found);
    }
    for &generation in generations.iter().rev() {
        for copy in 0..2 {
            let name = FileName::Manifest { generation, copy };
            match read_manifest(vfs, &root.join(name.to_string()), generation, options) {
                Ok(manifest) => found.newest = found.newest.or(Some(manifest)),
                Err(e) if e.kind() == ErrorKind::NewerFormat || e.is_io() => return Err(e),
                Err(e) => found.damaged.push((name, e)),
            }
        }
        if found.newest.is_some() {
            break;
        }
        let are_both_there =
            (0..2).all(|copy| found.names.contains(&FileName::Manifest { generation, copy }));
        if let (true, None, Some((_, e))) = (are_both_there, &found.newest_fault, found.damaged.last()) {
            found.newest_fault = Some(e.duplicate());
        }
    }
    Ok(found)
}

fn read_manifest(vfs: &dyn Vfs, path: &Path, generation: u64, options: &Options) -> Result<Manifest> {
    let file = vfs.open(path, Access::Read).map_err(|e| open_error(e, path))?;
    let len = file_len(&*file, path)?;
    if len > MAX_LEN {
        return Err(
            Error::damaged(format!("manifest: expected at most {MAX_LEN} bytes, found {len}")).at(path)
        );
    }
    let source = Source::file(path, len, file);
    let manifest = Manifest::decode(&source.read(0, len)?, options.steps).map_err(|e| e.at(path))?;
    let foreign = |message: String| Err(Error::new(ErrorKind::Foreign, message).at(path));
    if manifest.generation != generation {
        return foreign(format!("expected generation {generation}, found {}", manifest.generation));
    }
    check_consistency(&manifest).map_err(|e| e.at(path))?;
    Ok(manifest)
}

/// A hash can be right over nonsense that somebody made: nothing behind this asks again.
pub(super) fn check_consistency(manifest: &Manifest) -> Result<()> {
    let fault = |message: &str| Err(Error::damaged(format!("manifest: {message}")));
    let Manifest { next_file, segments, parts, logs, .. } = manifest;
    let files = segments.iter().map(|entry| entry.file).chain(parts.iter().map(|entry| entry.file));
    let files: Vec<FileId> = files.chain(logs.iter().map(|entry| entry.file)).collect();
    if files.iter().collect::<HashSet<_>>().len() != files.len() || files.iter().any(|file| file >= next_file)
    {
        return fault("a file number twice, or one that was not given out");
    }
    if logs.is_empty() || logs.iter().any(|entry| entry.checkpoint.len < FILE_HEADER_LEN as u64) {
        return fault("no log, or one without a header");
    }
    let ordered = |entry: &SegmentEntry| entry.first_id <= entry.last_id && entry.last_id < u64::MAX;
    if !segments.iter().all(ordered) || segments.windows(2).any(|pair| pair[0].last_id >= pair[1].first_id) {
        return fault("segments overlap or repeat ids");
    }
    let is_filled = |entry: &SegmentEntry| entry.records.wrapping_sub(1) <= entry.last_id - entry.first_id;
    if !segments.iter().all(is_filled) {
        return fault("a segment without records, or with more than it has ids");
    }
    let counts = |entry: &LogEntry| (entry.checkpoint.seq, entry.checkpoint.next_id);
    let is_ordered = |pair: &[LogEntry]| {
        let ((seq, next_id), (later_seq, later_id)) = (counts(&pair[0]), counts(&pair[1]));
        seq <= later_seq && next_id <= later_id
    };
    if !logs.windows(2).all(is_ordered) {
        return fault("logs are not in the order of their commits");
    }
    if segments.last().is_some_and(|entry| entry.last_id >= manifest.next_id()) {
        return fault("a segment has ids that were not given out");
    }
    let sets = parts.iter().filter(|entry| entry.kind == PartKind::DELETES.0);
    if sets.count() > MAX_DELETES_COPIES {
        return fault("more than two sets of deleted ids");
    }
    Ok(())
}

/// Whether what lies in a directory without a sound manifest is the beginning of a creation that never finished: then
/// nothing was ever acknowledged here.
pub(crate) fn is_interrupted_creation(vfs: &dyn Vfs, root: &Path, found: &Manifests) -> Result<bool> {
    if found.are_destroyed {
        return Ok(true);
    }
    // Manifests go first when a creation is undone: parts without any are what is left of that.
    let has_manifest = found.names.iter().any(|name| matches!(name, FileName::Manifest { .. }));
    for &name in &found.names {
        match name {
            FileName::Segment(_) => return Ok(false),
            FileName::Part(_) if has_manifest => return Ok(false),
            FileName::Part(_) | FileName::Manifest { .. } => {}
            FileName::Log(_) => {
                let path = root.join(name.to_string());
                let file = vfs.open(&path, Access::Read).map_err(|e| open_error(e, &path))?;
                let len = file_len(&*file, &path)?;
                if len > FILE_HEADER_LEN as u64 {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// The newest manifest, or why there is none.
pub(crate) fn newest(
    vfs: &dyn Vfs,
    root: &Path,
    mut found: Manifests,
) -> Result<(Manifest, Vec<(FileName, Error)>)> {
    found.check_finished(root)?;
    if let Some(manifest) = found.newest.take() {
        if let Some(e) = found.newest_fault {
            let message = format!(
                "no copy of the newest manifest holds ({}); what an older one says is not all that was committed. `salvage` copies what is sound into \
                 a new artifact",
                e.message()
            );
            return Err(Error::damaged(message).at(root));
        }
        return Ok((manifest, found.damaged));
    }
    if is_interrupted_creation(vfs, root, &found)? {
        let message = "there is no artifact here, or its creation never finished; `create` makes one";
        return Err(Error::new(ErrorKind::NotFound, message).at(root));
    }
    let message = match found.damaged.first() {
        Some((_, e)) => {
            format!("no copy of the manifest holds ({e}); `salvage` copies what is sound into a new artifact")
        }
        None => "there is no manifest: if a pack was being restored to this directory, that never finished, and the directory can be \
             removed; otherwise `salvage` copies what is sound into a new artifact"
            .to_owned(),
    };
    Err(Error::damaged(message).at(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ArtifactId;
    use crate::manifest::{Checkpoint, PartEntry};

    fn log(file: u64, seq: u64, next_id: u64) -> LogEntry {
        LogEntry { file: FileId(file), checkpoint: Checkpoint { len: 4096, seq, next_id, chain: 0 } }
    }

    fn sample() -> Manifest {
        let segment = |file, first_id, last_id| {
            let records = last_id - first_id + 1;
            SegmentEntry { file: FileId(file), len: 5000, hash: 0, first_id, last_id, records, raw_len: 0 }
        };
        let deletes =
            |file| PartEntry { file: FileId(file), len: 1, hash: 0, kind: PartKind::DELETES.0, tag: 0 };
        Manifest {
            artifact: ArtifactId([0; 16]),
            generation: 1,
            next_file: FileId(20),
            segments: vec![segment(1, 0, 4), segment(2, 10, 19)],
            parts: vec![deletes(3), deletes(4)],
            logs: vec![log(5, 2, 10), log(6, 3, 20)],
        }
    }

    #[test]
    fn ids_and_commits_that_were_not_given_out_are_damage_to_a_manifest() {
        check_consistency(&sample()).unwrap();
        let changes: [fn(&mut Manifest); 7] = [
            |manifest| manifest.segments[1].last_id = 20,
            |manifest| manifest.logs[1].checkpoint.next_id = 19,
            |manifest| manifest.logs[0].checkpoint.next_id = 21,
            |manifest| manifest.logs[0].checkpoint.seq = 4,
            |manifest| manifest.segments[0].records = 6,
            |manifest| manifest.segments[0].records = 0,
            |manifest| {
                let third = PartEntry { file: FileId(9), ..manifest.parts[0] };
                manifest.parts.push(third);
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut manifest = sample();
            change(&mut manifest);
            assert_eq!(check_consistency(&manifest).unwrap_err().kind(), ErrorKind::Damaged, "{number}");
        }
    }

    #[test]
    fn a_log_has_ids_behind_those_of_the_segments_and_logs_before_it() {
        let mut manifest = sample();
        assert_eq!((manifest.first_id_in_log(0), manifest.first_id_in_log(1)), (5, 20));
        manifest.segments.pop();
        assert_eq!((manifest.first_id_in_log(0), manifest.first_id_in_log(1)), (5, 10));
    }
}
