//! The logs of an artifact: blocks, deleted ids, and which ids were given out.

use std::ops::Range;
use std::sync::Arc;

use super::files::Readable;
use super::{Salvage, is_no_damage, records_in};
use crate::block::BlockKind;
use crate::checksum::Hash128;
use crate::damage::Damage;
use crate::error::Result;
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileKind, FileName};
use crate::log::reader::{scan, scan_for_salvage};
use crate::log::scan::Scan;
use crate::run::BlockFile;
use crate::source::Window;
use crate::walk::{WalkedBlocks, next_sound};

impl Salvage {
    /// One more than the largest id that there can be, where all below `known` are known: behind those are no more records than logs have bytes, and than there
    /// can have been in blocks that are not recognised.
    pub(super) fn ids_end_of_logs(&self, mut known: u64) -> Result<u64> {
        let mut more = 0u64;
        for &name in self.names.iter().filter(|name| matches!(name, FileName::Log(_))) {
            let Some(file) = self.block_file(name, u64::MAX)? else { continue };
            let (mut window, mut at, end) =
                (Window::new(&file.source), FILE_HEADER_LEN as u64, file.source.len());
            let mut recognised = at;
            while let Some((offset, header)) = next_sound(&file, &mut window, at, end)? {
                at = offset + header.block_len();
                recognised = recognised.saturating_add(header.block_len());
                if header.kind == BlockKind::Records {
                    known = known.max(header.first_id.saturating_add(header.count.into()));
                }
            }
            more = more.saturating_add(end).saturating_add(records_in(end.saturating_sub(recognised)));
        }
        Ok(known.saturating_add(more))
    }

    /// The logs that the manifest names. Returns the number of their last commit.
    pub(super) fn named_logs(&mut self, ids_end: u64, files: &mut Vec<Readable>) -> Result<u64> {
        let Some(manifest) = self.manifest.clone() else { return Ok(0) };
        let sealed = manifest.segments.last().map_or(0, |entry| entry.last_id.saturating_add(1));
        let (active, mut last_seq) = (manifest.logs.len() - 1, 0);
        for (index, entry) in manifest.logs.iter().enumerate() {
            let (name, checkpoint) = (FileName::Log(entry.file), entry.checkpoint);
            // A frozen log takes no more: what lies behind its checkpoint was given up.
            let len = if index == active { u64::MAX } else { checkpoint.len };
            // Of the one that was open, nothing says where it ended.
            let end = if index == active { u64::MAX } else { checkpoint.next_id.max(sealed) };
            let Some(file) = self.block_file(name, len)? else {
                self.name_missing(name, checkpoint.len, sealed..end);
                self.report.deletes_incomplete = true;
                last_seq = last_seq.max(checkpoint.seq);
                continue;
            };
            let chain = Hash128::chain_start(self.directory.artifact, entry.file);
            let first_id = manifest.first_id_in_log(index);
            let scan = scan_for_salvage(&file, Some(checkpoint), first_id, chain, ids_end)?;
            last_seq = last_seq.max(scan.committed.seq);
            if scan.places.is_empty() && scan.deletes.is_empty() {
                self.name_destroyed(&file, checkpoint.len, sealed..end)?;
            }
            files.push(self.take_log(file, scan, true));
        }
        Ok(last_seq)
    }

    /// Names a log in which nothing was found, unless it begins as an empty one does.
    fn name_destroyed(&mut self, file: &BlockFile, len: u64, ids: Range<u64>) -> Result<()> {
        let Err(error) = file.check_header(FileKind::Log, self.directory.artifact) else { return Ok(()) };
        if error.is_io() {
            return Err(error);
        }
        self.report.damage.push(Damage::new(file.path(), 0..file.source.len().max(len), &error, ids));
        self.report.deletes_incomplete = true;
        Ok(())
    }

    /// The logs that it does not.
    pub(super) fn other_logs(&mut self, ids_end: u64, files: &mut Vec<Readable>) -> Result<()> {
        for name in self.unnamed() {
            let (FileName::Log(id), Some(file)) = (name, self.block_file(name, u64::MAX)?) else { continue };
            let chain = Hash128::chain_start(self.directory.artifact, id);
            if !self.is_current {
                let scan = scan_for_salvage(&file, None, 0, chain, ids_end)?;
                files.push(self.take_log(file, scan, false));
                continue;
            }
            match scan(&file, None, 0, chain) {
                Ok(scan) => files.push(readable(file, scan, false)),
                Err(e) if is_no_damage(&e) => return Err(e),
                Err(_) => {} // it stands in for others, and has nothing
            }
        }
        Ok(())
    }

    /// What a log has is that of the artifact.
    fn take_log(&mut self, file: BlockFile, mut scan: Scan, is_named: bool) -> Readable {
        self.report.damage.append(&mut scan.damage);
        self.report.deletes_incomplete |= scan.deletes_lost;
        self.deletes.extend(scan.deletes.iter().map(|&(id, _)| id));
        let last = scan.places.last().map_or(0, |place| place.first_id.saturating_add(1));
        self.next_id = self.next_id.max(scan.committed.next_id).max(last);
        self.last_seq = self.last_seq.max(scan.committed.seq);
        readable(file, scan, is_named)
    }
}

fn readable(file: BlockFile, scan: Scan, is_named: bool) -> Readable {
    let Scan { mut places, committed, .. } = scan;
    places.sort_by_key(|place| (place.first_id, place.offset));
    let last = places.last().map_or(0, |place| place.first_id.saturating_add(1));
    let id = file.id;
    let run = WalkedBlocks { file, places, next_id: committed.next_id.max(last) };
    Readable { id, run: Arc::new(run), is_named, speaks_for: None }
}
