//! A log, possibly torn or damaged → the commits that hold.

use std::ops::Range;

use super::layout::{CHAINED_LEN, COMMIT_LEN, Commit};
use crate::block::layout::{HEADER_LEN, MAGIC};
use crate::block::reader::deleted_ids;
use crate::block::{BlockKind, Header};
use crate::checksum::Hash128;
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::manifest::Checkpoint;
use crate::protocol::Step;
use crate::run::{BlockFile, Place};
use crate::source::Window;

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The last commit that holds.
    pub(crate) committed: Checkpoint,
    /// The blocks of records and frames that commits cover.
    pub(crate) places: Vec<Place>,
    /// Deleted ids with the commit that deleted them.
    pub(crate) deletes: Vec<(u64, u64)>,
    /// Stretches that are not what was written there, though a commit that was acknowledged covers them.
    pub(crate) damage: Vec<Damaged>,
    /// Length of the log when the scan began.
    pub(crate) file_len: u64,
    /// Some of the damage may have been a list of deleted ids: nobody can say which records are alive.
    pub(crate) deletes_lost: bool,
    /// The commit that recovery copied from an earlier log, if the log begins with one.
    pub(crate) adopted: Option<u64>,
}

/// A stretch of a log that is not what was written there.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) range: Range<u64>,
    pub(crate) error: Error,
    /// The ids that may have been there.
    pub(crate) lost: Range<u64>,
}

impl Scan {
    /// Bytes behind the last commit that holds: written, but never acknowledged.
    pub(crate) fn torn_len(&self) -> u64 {
        self.file_len.saturating_sub(self.committed.len)
    }

    /// Ranges of ids whose blocks are damaged beyond recognition.
    pub(crate) fn lost(&self) -> Vec<Range<u64>> {
        self.damage.iter().map(|damaged| damaged.lost.clone()).filter(|range| !range.is_empty()).collect()
    }
}

/// Reads the log from its beginning, whose state was `start`.
///
/// With a `checkpoint`, all up to it is known to have been durable. Without one, the log is not named by a manifest, and
/// the scan ends at the first commit that does not hold, since nothing says what was acknowledged. `Err` is a file that cannot be read or that is
/// shorter than its checkpoint; damage inside is in the result, which then goes on at the next block that holds.
pub(crate) fn scan(file: &BlockFile, checkpoint: Option<Checkpoint>, start_chain: u128) -> Result<Scan> {
    let file_len = file.source.len();
    let header_len = FILE_HEADER_LEN as u64;
    let floor_len = checkpoint.map_or(header_len, |at| at.len);
    if file_len < floor_len && file.steps.take(Step::CheckLength) {
        let message = format!("the log was durable up to byte {floor_len}, found {file_len} bytes");
        return Err(Error::new(ErrorKind::Truncated, message).at(file.path()));
    }
    let base = match checkpoint {
        Some(at) if at.len == header_len => at,
        _ => Checkpoint { len: header_len, seq: 0, next_id: 0, chain: start_chain },
    };
    let mut scanner = Scanner {
        file,
        window: Window::new(&file.source),
        checkpoint,
        at: header_len,
        hash: Hash128::chain(base.chain),
        pending: Pending::default(),
        first: !matches!(checkpoint, Some(at) if at.len == header_len),
        unchained: None,
        scan: Scan {
            committed: base,
            places: Vec::new(),
            deletes: Vec::new(),
            damage: Vec::new(),
            file_len,
            deletes_lost: false,
            adopted: None,
        },
    };
    if base.chain != start_chain && file.steps.take(Step::CheckCheckpoint) {
        let error = Error::damaged("the checkpoint's chain is not that of an empty log").at(file.path());
        return Err(error);
    }
    scanner.run()?;
    Ok(scanner.scan)
}

struct Scanner<'a> {
    file: &'a BlockFile,
    window: Window<'a>,
    checkpoint: Option<Checkpoint>,
    at: u64,
    hash: Hash128,
    pending: Pending,
    /// Whether the next commit is the first of a log that may begin at any commit.
    first: bool,
    /// A sound commit record that does not follow from what is before it.
    unchained: Option<Commit>,
    scan: Scan,
}

/// What was read since the last commit.
#[derive(Default)]
struct Pending {
    places: Vec<Place>,
    /// The offsets of blocks of deleted ids, and the ids.
    deletes: Vec<(u64, Vec<u64>)>,
    /// Stretches in which no block was recognised.
    gaps: Vec<Range<u64>>,
}

const COMMIT_BLOCK_LEN: u64 = (HEADER_LEN + COMMIT_LEN) as u64;

impl Pending {
    /// Whether all deleted ids of the commit that covers the bytes from `start` on, and of those before it whose own
    /// record is damaged, are here: `deletes` of them behind `start`; and before it nothing is damaged but a record.
    fn has_all_deletes(&self, start: u64, deletes: u64) -> bool {
        let behind = self.deletes.iter().filter(|(at, _)| *at >= start).map(|(_, ids)| ids.len() as u64);
        let only_commits = |gap: &Range<u64>| {
            gap.start >= start || (gap.end == start && gap.end - gap.start == COMMIT_BLOCK_LEN)
        };
        behind.sum::<u64>() == deletes && self.gaps.iter().all(only_commits)
    }
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<()> {
        while self.at < self.scan.file_len {
            match self.step() {
                Ok(()) => {}
                // What only a newer version, or a build with more features, can read is no torn tail.
                Err(e)
                    if e.is_io() || matches!(e.kind(), ErrorKind::NewerFormat | ErrorKind::Unsupported) =>
                {
                    return Err(e.at(self.file.path()));
                }
                Err(e) => {
                    if !self.resume(e)? {
                        break;
                    }
                }
            }
        }
        self.check_reached();
        Ok(())
    }

    /// One block.
    fn step(&mut self) -> Result<()> {
        let at = self.at;
        let head = self.window.read(at, HEADER_LEN as u64).map(array)?;
        let header = Header::decode(&head, &self.file.binding, at, self.file.steps)?;
        let stored = &self.window.read(at, header.block_len())?[HEADER_LEN..];
        match header.kind {
            BlockKind::Commit => {
                header.check_payload(stored, &self.file.binding, at, self.file.steps)?;
                let payload = stored.try_into().map_err(|_| Error::damaged("commit record: wrong length"))?;
                let commit = Commit::decode(payload);
                if header.first_id != commit.seq {
                    return Err(Error::damaged("commit record: not the number in its header"));
                }
                self.hash.update(&payload[..CHAINED_LEN]);
                self.at += header.block_len();
                return self.commit(&commit).inspect_err(|_| self.at = at);
            }
            BlockKind::Deletes => {
                let stored = stored.to_vec();
                let raw = self.file.decode(&header, &stored, at)?;
                self.pending.deletes.push((at, deleted_ids(&header, &raw)?));
                self.hash.update(&head);
                self.hash.update(&stored);
            }
            BlockKind::Records | BlockKind::Frame => {
                self.hash.update(&head);
                self.hash.update(stored);
                self.pending.places.push(Place {
                    first_id: header.first_id,
                    offset: at,
                    len: header.block_len(),
                });
            }
        }
        self.at += header.block_len();
        Ok(())
    }

    /// A commit record: takes what it covers, if it covers just that.
    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let committed = self.scan.committed;
        let end = self.at;
        let covered = (end - COMMIT_BLOCK_LEN).saturating_sub(committed.len);
        let next = committed.seq.checked_add(1) == Some(commit.seq);
        let follows =
            (next || (self.first && commit.seq >= committed.seq)) && commit.next_id >= committed.next_id;
        let chain = self.hash.value();
        let holds = chain == commit.chain && commit.covered_len == covered && follows;
        if !holds && self.file.steps.take(Step::CheckChain) {
            let message = format!(
                "commit {}: expected to follow commit {} with chain {chain:032x} over {covered} bytes, found chain \
                 {:032x} over {} bytes",
                commit.seq, committed.seq, commit.chain, commit.covered_len
            );
            self.unchained = Some(*commit);
            return Err(Error::damaged(message).at_offset(end));
        }
        if self.first && commit.sync_floor == commit.seq {
            self.scan.adopted = Some(commit.seq);
        }
        self.accept(commit);
        if let Some(checkpoint) = self.checkpoint
            && (committed.len + 1..=self.scan.committed.len).contains(&checkpoint.len)
            && self.scan.committed != checkpoint
            && self.file.steps.take(Step::CheckCheckpoint)
        {
            let error = Error::damaged(format!(
                "the manifest expects commit {} with chain {:032x} to end at byte {}, found commit {} with chain \
                 {:032x} to end at byte {end}",
                checkpoint.seq, checkpoint.chain, checkpoint.len, commit.seq, commit.chain
            ));
            let error = error.at(self.file.path()).at_offset(end - COMMIT_BLOCK_LEN);
            let low = self.last_id();
            let lost = low..checkpoint.next_id.max(low);
            self.scan.damage.push(Damaged { range: committed.len..end, error, lost });
        }
        Ok(())
    }

    fn accept(&mut self, commit: &Commit) {
        let start = (self.at - COMMIT_BLOCK_LEN).saturating_sub(commit.covered_len);
        self.scan.deletes_lost |= !self.pending.has_all_deletes(start, commit.deletes);
        self.take_pending(commit.seq);
        self.scan.committed =
            Checkpoint { len: self.at, seq: commit.seq, next_id: commit.next_id, chain: commit.chain };
        self.hash = Hash128::chain(commit.chain);
        self.first = false;
    }

    fn take_pending(&mut self, seq: u64) {
        let Pending { places, deletes, .. } = std::mem::take(&mut self.pending);
        self.scan.places.extend(places);
        let ids = deletes.into_iter().flat_map(|(_, ids)| ids);
        self.scan.deletes.extend(ids.map(|id| (id, seq)));
    }

    /// At bytes that do not hold: a torn tail ends the scan (`false`); damage to what was acknowledged is noted, and
    /// the scan goes on at the next block that holds (`true`).
    fn resume(&mut self, error: Error) -> Result<bool> {
        if self.checkpoint.is_none() {
            return Ok(false);
        }
        let at = self.at;
        let acknowledged = self.acknowledged_from(at)?;
        let Some(end) = acknowledged else { return Ok(false) };
        if let Some(commit) = self.unchained.take() {
            self.locate(&commit, error);
            return Ok(true);
        }
        let next = self.next_sound(at + 1, end)?;
        let low = self.last_id();
        let (resume_at, high) = match &next {
            Some((offset, header)) => {
                let high = match header.kind {
                    BlockKind::Records | BlockKind::Frame => header.first_id,
                    BlockKind::Deletes | BlockKind::Commit => self.first_id_after(*offset, end)?,
                };
                (*offset, high)
            }
            None => (end, self.checkpoint.map_or(low, |at| at.next_id)),
        };
        self.note_gap(at..resume_at, error.at(self.file.path()).at_offset(at), low..high.max(low));
        self.at = resume_at;
        // The chain is broken here; the next commit record is taken at its word, for it is sound itself.
        match next {
            Some((_, header)) if header.kind == BlockKind::Commit => self.take_unchained_commit(&header)?,
            Some(_) => self.skip_to_commit(end)?,
            None => {}
        }
        Ok(self.at < self.scan.file_len)
    }

    /// A sound commit over blocks that are not what it covers: names those that do not hold, and takes the others.
    fn locate(&mut self, commit: &Commit, error: Error) {
        let places = &self.pending.places;
        let next_ids = places.iter().skip(1).map(|place| place.first_id).chain([commit.next_id]);
        let damaged = places.iter().zip(next_ids).filter_map(|(&place, next)| {
            let (header, stored) = self.file.open(place).ok()?;
            let held = header.check_payload(&stored, &self.file.binding, place.offset, self.file.steps);
            let range = place.offset..place.offset + place.len;
            Some(Damaged { range, error: held.err()?, lost: place.first_id..next.max(place.first_id + 1) })
        });
        let mut damaged: Vec<Damaged> = damaged.collect();
        let end = self.at + COMMIT_BLOCK_LEN;
        if damaged.is_empty() {
            damaged.push(Damaged { range: self.scan.committed.len..end, error, lost: 0..0 });
        }
        self.scan.damage.extend(damaged);
        self.at = end;
        self.accept(commit);
    }

    fn note_gap(&mut self, range: Range<u64>, error: Error, lost: Range<u64>) {
        self.pending.gaps.push(range.clone());
        self.scan.damage.push(Damaged { range, error, lost });
    }

    /// Blocks behind damage, up to the commit that covers them.
    fn skip_to_commit(&mut self, end: u64) -> Result<()> {
        while self.at < end {
            let Some((offset, header)) = self.next_sound(self.at, end)? else {
                self.at = end;
                return Ok(());
            };
            if offset != self.at {
                let (low, at) = (self.last_id(), self.at);
                let error = Error::damaged("no block begins here").at(self.file.path()).at_offset(at);
                let high = match header.kind {
                    BlockKind::Records | BlockKind::Frame => header.first_id,
                    BlockKind::Deletes | BlockKind::Commit => self.first_id_after(offset, end)?,
                };
                self.note_gap(at..offset, error, low..high.max(low));
                self.at = offset;
            }
            match header.kind {
                BlockKind::Commit => return self.take_unchained_commit(&header),
                BlockKind::Deletes => {
                    let bytes = self.window.read(offset, header.block_len())?.to_vec();
                    let ids = self.file.decode(&header, &bytes[HEADER_LEN..], offset);
                    match ids.and_then(|raw| deleted_ids(&header, &raw)) {
                        Ok(ids) => self.pending.deletes.push((offset, ids)),
                        Err(error) => {
                            let range = offset..offset + header.block_len();
                            self.note_gap(range, error, 0..0);
                        }
                    }
                }
                BlockKind::Records | BlockKind::Frame => {
                    let place = Place { first_id: header.first_id, offset, len: header.block_len() };
                    self.pending.places.push(place);
                }
            }
            self.at += header.block_len();
        }
        Ok(())
    }

    fn take_unchained_commit(&mut self, header: &Header) -> Result<()> {
        let at = self.at;
        self.at += header.block_len();
        if let Some(commit) = self.commit_at(at, header)? {
            self.accept(&commit);
        } else {
            let error = Error::damaged("commit record: checksum").at(self.file.path()).at_offset(at);
            self.note_gap(at..self.at, error, 0..0);
        }
        Ok(())
    }

    /// The commit record in the block at `at`, if it is one that holds.
    fn commit_at(&mut self, at: u64, header: &Header) -> Result<Option<Commit>> {
        if header.kind != BlockKind::Commit || header.stored_len as usize != COMMIT_LEN {
            return Ok(None);
        }
        let payload = self.window.read(at + HEADER_LEN as u64, COMMIT_LEN as u64).map(array)?;
        let held = header.check_payload(&payload, &self.file.binding, at, self.file.steps);
        Ok(held.is_ok().then(|| Commit::decode(&payload)))
    }

    /// The end of the newest commit behind `at` that was acknowledged, if what is at `at` was acknowledged too: a
    /// checkpoint lies behind it, or a commit that was written when a commit in between was known to be synced.
    fn acknowledged_from(&mut self, at: u64) -> Result<Option<u64>> {
        let checkpoint = self.checkpoint.filter(|_| self.file.steps.take(Step::CheckCheckpoint));
        let mut end = checkpoint.map(|checkpoint| checkpoint.len).filter(|&len| len > at);
        if !self.file.steps.take(Step::CheckFloor) {
            return Ok(end);
        }
        let last = self.scan.committed.seq;
        let mut from = at;
        while let Some((offset, commit)) = self.next_commit(from)? {
            if commit.sync_floor > last {
                end = Some(end.unwrap_or(0).max(offset + COMMIT_BLOCK_LEN));
            }
            from = offset + 1;
        }
        Ok(end)
    }

    /// The next sound commit record at or behind `from`.
    fn next_commit(&mut self, mut from: u64) -> Result<Option<(u64, Commit)>> {
        while let Some((at, header)) = self.next_sound(from, self.scan.file_len)? {
            from = at + 1;
            if let Some(commit) = self.commit_at(at, &header)? {
                return Ok(Some((at, commit)));
            }
            if header.kind != BlockKind::Commit {
                from = at + header.block_len();
            }
        }
        Ok(None)
    }

    /// The next place at or behind `from` where a block header holds and its block ends before `end`.
    fn next_sound(&mut self, from: u64, end: u64) -> Result<Option<(u64, Header)>> {
        next_sound(self.file, &mut self.window, from, end)
    }

    /// One more than the last id that is known to be in a sound block: where lost ids can begin.
    fn last_id(&self) -> u64 {
        match self.pending.places.last().or(self.scan.places.last()) {
            None => self.scan.committed.next_id.min(self.checkpoint.map_or(u64::MAX, |at| at.next_id)),
            Some(&place) => {
                let block = self.file.records(place).ok();
                let last = block.and_then(|block| block.records().last().map(|(id, _)| id + 1));
                last.unwrap_or(place.first_id)
            }
        }
    }

    /// The first id in a block behind `offset`, or the next id of the commit that ends there.
    fn first_id_after(&mut self, offset: u64, end: u64) -> Result<u64> {
        let mut from = offset;
        while let Some((at, header)) = self.next_sound(from, end)? {
            match header.kind {
                BlockKind::Records | BlockKind::Frame => return Ok(header.first_id),
                BlockKind::Commit => {
                    if let Some(commit) = self.commit_at(at, &header)? {
                        return Ok(commit.next_id);
                    }
                }
                BlockKind::Deletes => {}
            }
            from = at + header.block_len();
        }
        Ok(self.checkpoint.map_or(u64::MAX, |at| at.next_id))
    }

    /// The commits must reach the checkpoint.
    fn check_reached(&mut self) {
        let Some(checkpoint) = self.checkpoint else { return };
        if self.scan.committed.len >= checkpoint.len || !self.file.steps.take(Step::CheckCheckpoint) {
            return;
        }
        let at = self.scan.committed.len;
        if self.scan.damage.last().is_none_or(|damaged| damaged.range.end < checkpoint.len) {
            let low = self.last_id();
            let error = Error::damaged(format!("the log was durable up to byte {}", checkpoint.len));
            let error = error.at(self.file.path()).at_offset(at);
            self.note_gap(at..checkpoint.len, error, low..checkpoint.next_id.max(low));
        }
        // What is sound behind the last commit was covered by one that is damaged.
        self.scan.deletes_lost |= !self.pending.has_all_deletes(checkpoint.len, 0);
        self.take_pending(checkpoint.seq);
        self.scan.committed = checkpoint;
    }
}

/// The next place in `from..end` where a block header holds and its block ends before `end`.
pub(crate) fn next_sound(
    file: &BlockFile,
    window: &mut Window<'_>,
    from: u64,
    end: u64,
) -> Result<Option<(u64, Header)>> {
    let magic = MAGIC.to_le_bytes();
    let mut at = from;
    while at + HEADER_LEN as u64 <= end {
        // A stretch is searched for the magic; its last bytes are looked at again with the next stretch.
        let len = (end - at).min(64 << 10);
        let stretch = window.read(at, len)?;
        let last = stretch.len() - HEADER_LEN;
        for start in 0..=last {
            if stretch[start..start + 2] == magic {
                let head: [u8; HEADER_LEN] = array(&stretch[start..start + HEADER_LEN]);
                let offset = at + start as u64;
                if let Ok(header) = Header::decode(&head, &file.binding, offset, file.steps)
                    && offset + header.block_len() <= end
                {
                    return Ok(Some((offset, header)));
                }
            }
        }
        let is_blank = stretch.iter().all(|&byte| byte == 0);
        at += last as u64 + 1;
        if is_blank {
            // A hole of a sparse file can be of any length: the work is bounded by what is allocated.
            match file.source.next_data(at)? {
                Some(data) => at = at.max(data),
                None => return Ok(None),
            }
        }
    }
    Ok(None)
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    crate::wire::array_at(bytes, 0)
}
