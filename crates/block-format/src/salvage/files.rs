//! The files of an artifact → what is in them, in the order in which it is believed.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::{Salvage, is_no_damage, records_in};
use crate::damage::Damage;
use crate::directory::file_len;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileName;
use crate::id::FileId;
use crate::log::orphans::check_orphans;
use crate::manifest::{Manifest, SegmentEntry};
use crate::run::{BlockFile, Run};
use crate::segment::layout::FOOTER_LEN;
use crate::segment::{Segment, footer_at};
use crate::source::Source;
use crate::vfs::Access;

/// A segment or log that can be read.
pub(super) struct Readable {
    pub(super) id: FileId,
    pub(super) run: Arc<dyn Run>,
    pub(super) is_named: bool,
    /// Ids of which it has all records that there are, as far as it is sound: a segment that was finished.
    pub(super) speaks_for: Option<Range<u64>>,
}

impl Salvage {
    /// Finds every sound block and every deleted id. `damaged`: copies of the manifest that do not hold.
    pub(super) fn read(&mut self, damaged: &[(FileName, Error)]) -> Result<()> {
        let mut files = self.named_segments()?;
        let others = self.other_segments()?;
        let mut ends = Vec::new();
        for (segment, ids) in &others {
            ends.push(ids_end(segment, ids.as_ref())?);
        }
        let in_others = ends.into_iter().max().unwrap_or(0);
        let ids_end = self.ids_end_of_logs(self.next_id.max(in_others))?;
        let last_seq = self.named_logs(ids_end, &mut files)?;
        if let (true, Some(manifest)) = (self.is_current, &self.manifest) {
            match check_orphans(&self.directory, manifest, &self.names, damaged, last_seq) {
                Err(e) if is_no_damage(&e) => return Err(e),
                checked => self.is_current = checked.is_ok(),
            }
        }
        self.other_logs(ids_end, &mut files)?;
        for (segment, speaks_for) in others {
            if !self.is_current {
                self.name_gaps(&segment)?;
            }
            let id = segment.entry.file;
            files.push(Readable { id, run: Arc::new(segment), is_named: false, speaks_for });
        }
        if !self.is_current {
            self.next_id = self.next_id.max(in_others);
        }
        self.read_parts()?;
        self.rank(files);
        Ok(())
    }

    /// The segments that the manifest names.
    fn named_segments(&mut self) -> Result<Vec<Readable>> {
        let mut files = Vec::new();
        for entry in self.manifest.as_ref().map_or(Vec::new(), |manifest| manifest.segments.clone()) {
            let ids = entry.first_id..entry.last_id.saturating_add(1);
            let name = FileName::Segment(entry.file);
            let Some(file) = self.block_file(name, entry.len)? else {
                self.name_missing(name, entry.len, ids);
                continue;
            };
            let segment = Segment::without_header(file, entry);
            self.name_gaps(&segment)?;
            let (id, run) = (entry.file, Arc::new(segment));
            files.push(Readable { id, run, is_named: true, speaks_for: Some(ids) });
        }
        Ok(files)
    }

    /// The segments that it does not, and the ids of those that were finished.
    fn other_segments(&self) -> Result<Vec<(Segment, Option<Range<u64>>)>> {
        let mut found = Vec::new();
        for name in self.unnamed() {
            let FileName::Segment(id) = name else { continue };
            let Some(file) = self.block_file(name, u64::MAX)? else { continue };
            let len = file.source.len();
            let footer = match footer_at(&file, len.saturating_sub(FOOTER_LEN as u64)) {
                Err(e) if e.is_io() => return Err(e),
                footer => footer.ok().filter(|footer| (footer.first_id..u64::MAX).contains(&footer.last_id)),
            };
            let (ids, len) = match &footer {
                Some(footer) => (footer.first_id..=footer.last_id, len),
                // As if the footer were cut off: there are blocks to the end.
                None => (0..=u64::MAX - 1, len.saturating_add(FOOTER_LEN as u64)),
            };
            let (first_id, last_id) = ids.into_inner();
            let entry = SegmentEntry { file: id, len, hash: 0, first_id, last_id, records: 0, raw_len: 0 };
            let speaks_for = footer.map(|_| first_id..last_id + 1);
            found.push((Segment::without_header(file, entry), speaks_for));
        }
        Ok(found)
    }

    /// Logs, segments and parts that the manifest does not name.
    pub(super) fn unnamed(&self) -> Vec<FileName> {
        let named: HashSet<FileName> = self.manifest.iter().flat_map(Manifest::files).collect();
        let others = self.names.iter().filter(|name| !named.contains(name));
        others.filter(|name| name.id().is_some()).copied().collect()
    }

    /// A file up to byte `len`. `None`: it is not there.
    pub(super) fn block_file(&self, name: FileName, len: u64) -> Result<Option<BlockFile>> {
        let (Some(id), Some(source)) = (name.id(), self.open(name, len)?) else { return Ok(None) };
        Ok(Some(self.directory.block_file(id, source)))
    }

    pub(super) fn open(&self, name: FileName, len: u64) -> Result<Option<Source>> {
        let path = self.directory.path(name);
        let file = match self.directory.open(name, Access::Read) {
            Ok(file) => file,
            Err(e) if e.is_io() => return Err(e),
            Err(_) => return Ok(None),
        };
        let found = file_len(&*file, &path)?;
        Ok(Some(Source::file(&path, found.min(len), file)))
    }

    pub(super) fn name_missing(&mut self, name: FileName, len: u64, ids: Range<u64>) {
        let missing = Error::new(ErrorKind::MissingFile, "the file is missing");
        self.report.damage.push(Damage::new(&self.directory.path(name), 0..len, &missing, ids));
    }

    fn name_gaps(&mut self, segment: &Segment) -> Result<()> {
        for gap in segment.gaps()? {
            let error = Error::damaged("no block header holds where blocks should be");
            let path = segment.file().path();
            self.report.damage.push(Damage::new(path, gap.bytes.clone(), &error, gap.ids.clone()));
        }
        Ok(())
    }

    /// What is named is asked first, and what is not stands in for what is damaged there. Where nothing says what is named, later files are asked before earlier
    /// ones: what a finished segment has no more was deleted before it was written.
    fn rank(&mut self, mut files: Vec<Readable>) {
        files.sort_by_key(|file| (self.is_current && !file.is_named, Reverse(file.id)));
        if self.is_current {
            let named = files.partition_point(|file| file.is_named);
            self.spoken_for.push((0..u64::MAX, named));
        } else {
            let finished =
                files.iter().zip(1..).filter_map(|(file, next)| Some((file.speaks_for.clone()?, next)));
            self.spoken_for.extend(finished);
            self.spoken_for.sort_by_key(|(ids, _)| ids.start);
        }
        self.runs = files.into_iter().map(|file| file.run).collect();
    }
}

/// One more than the last id of a segment, which its footer says if it holds, as far as there can be blocks for so many.
fn ids_end(segment: &Segment, ids: Option<&Range<u64>>) -> Result<u64> {
    let read = segment.ids_end()?;
    let last_block = segment.block_count()?.checked_sub(1).map(|last| segment.place(last)).transpose()?;
    let known = last_block.map_or(0, |place| place.first_id).max(read);
    let possible = known.saturating_add(records_in(segment.source().len()));
    Ok(ids.map(|ids| ids.end).filter(|&end| end <= possible).unwrap_or(read).max(read))
}
