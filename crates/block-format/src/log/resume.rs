//! A scan that met bytes which are not a block: were they acknowledged, which ids may be lost, where does it go on?
//!
//! A write that was interrupted by a crash leaves the same bytes as damage does. What tells them apart is a later witness: a checkpoint in
//! the manifest, or a commit record that names an earlier commit as synced. With one, the bytes are damage, and the scan goes on at the next
//! block that holds; without, they are the torn tail of a commit that nobody was told of.

use wire::array_at;

use super::layout::{COMMIT_LEN, Commit};
use super::scan::{COMMIT_BLOCK_LEN, Scanner};
use super::witness::Witnesses;
use crate::block::layout::HEADER_LEN;
use crate::block::reader::deleted_ids;
use crate::block::{BlockKind, Header};
use crate::damage::Damage;
use crate::error::{Error, Result};
use crate::protocol::Step;
use crate::run::Place;
use crate::walk::next_sound;

impl Scanner<'_> {
    /// At bytes that do not hold: a torn tail ends the scan (`false`); damage to what was acknowledged is recorded,
    /// and the scan goes on at the next block that holds (`true`).
    pub(super) fn resume(&mut self, error: Error) -> Result<bool> {
        if self.checkpoint.is_none() && self.salvage.is_none() {
            return Ok(false);
        }
        let at = self.at;
        let acknowledged = self.acknowledged_from(at)?;
        let Some(end) = acknowledged.or_else(|| self.doubtful_from(at)) else { return Ok(false) };
        let end = end.min(self.scan.file_len);
        if let Some(commit) = self.unchained.take() {
            let end = at + COMMIT_BLOCK_LEN;
            if self.is_credible(&commit, end) {
                self.accept_unchained(&commit, &error);
            } else {
                self.record_gap(at..end, &error, 0..0);
                self.at = end;
            }
            return Ok(true);
        }
        let next = self.next_sound(at + 1, end)?;
        let low = self.last_id();
        let (resume_at, high) = match &next {
            Some((offset, header)) => {
                let high = match header.kind {
                    BlockKind::Records | BlockKind::Frame => header.first_id,
                    _ => self.first_id_after(*offset, end)?,
                };
                (*offset, high)
            }
            None => (end, self.checkpoint.map_or(low, |at| at.next_id)),
        };
        self.record_gap(at..resume_at, &error, low..high.max(low));
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
    fn accept_unchained(&mut self, commit: &Commit, error: &Error) {
        let places = &self.pending.places;
        let next_ids = places.iter().skip(1).map(|place| place.first_id).chain([commit.next_id]);
        let damaged = places.iter().zip(next_ids).filter_map(|(&place, next)| {
            let (header, stored) = self.file.open(place).ok()?;
            let held = header.check_payload(&stored, &self.file.binding, place.offset, self.file.steps);
            let range = place.offset..place.offset + place.len;
            let lost = place.first_id..next.max(place.first_id + 1);
            Some(Damage::new(self.file.path(), range, &held.err()?, lost))
        });
        let mut damaged: Vec<Damage> = damaged.collect();
        let end = self.at + COMMIT_BLOCK_LEN;
        if damaged.is_empty() {
            let range = self.scan.committed.len..end;
            damaged.push(Damage::new(self.file.path(), range, error, 0..0));
        }
        self.scan.damage.extend(damaged);
        self.at = end;
        self.leave_out_foreign_ids(commit.next_id);
        self.accept(commit);
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
                let error = Error::damaged("no block begins here");
                let high = match header.kind {
                    BlockKind::Records | BlockKind::Frame => header.first_id,
                    _ => self.first_id_after(offset, end)?,
                };
                self.record_gap(at..offset, &error, low..high.max(low));
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
                            self.record_gap(range, &error, 0..0);
                        }
                    }
                }
                BlockKind::Dictionary => {
                    let error = Error::damaged("a dictionary in a log");
                    self.record_gap(offset..offset + header.block_len(), &error, 0..0);
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
        let error = match self.commit_at(at, header)? {
            Some(commit) if self.is_credible(&commit, self.at) => {
                self.leave_out_foreign_ids(commit.next_id);
                self.accept(&commit);
                return Ok(());
            }
            Some(_) => Error::damaged("commit record: not between the last commit and the checkpoint"),
            None => Error::damaged("commit record: checksum"),
        };
        self.record_gap(at..self.at, &error, 0..0);
        Ok(())
    }

    /// The commit record in the block at `at`, if it is one that holds.
    fn commit_at(&mut self, at: u64, header: &Header) -> Result<Option<Commit>> {
        if header.kind != BlockKind::Commit || header.stored_len as usize != COMMIT_LEN {
            return Ok(None);
        }
        let payload: [u8; COMMIT_LEN] =
            array_at(self.window.read(at + HEADER_LEN as u64, COMMIT_LEN as u64)?, 0);
        let held = header.check_payload(&payload, &self.file.binding, at, self.file.steps);
        Ok(held.is_ok().then(|| Commit::decode(&payload)))
    }

    /// The end of the newest commit behind `at` that was acknowledged, if what is at `at` was acknowledged too: a
    /// checkpoint lies behind it, or a commit that was written when a commit in between was known to be synced.
    fn acknowledged_from(&mut self, at: u64) -> Result<Option<u64>> {
        let checkpoint = self.checkpoint.filter(|_| self.file.steps.take(Step::CheckCheckpoint));
        let end = checkpoint.map(|checkpoint| checkpoint.len).filter(|&len| len > at);
        if !self.file.steps.take(Step::CheckFloor) {
            return Ok(end);
        }
        if self.witnesses.is_none() {
            self.witnesses = Some(self.find_witnesses(at)?);
        }
        let witnesses = self.witnesses.as_ref();
        // Before the first commit of a log that no manifest names, what vouches for earlier commits may be about those of other logs.
        let seq = match self.checkpoint {
            None if self.first => witnesses.map_or(0, Witnesses::seq_before),
            _ => self.scan.committed.seq,
        };
        let witness = witnesses.and_then(|found| found.last_above(seq));
        Ok(end.max(witness.filter(|&end| end >= at + COMMIT_BLOCK_LEN)))
    }

    /// The end of the last commit record behind `at`, for a salvage.
    fn doubtful_from(&mut self, at: u64) -> Option<u64> {
        let salvage = self.salvage.as_mut()?;
        let end = self.witnesses.as_ref()?.last().filter(|&end| end >= at + COMMIT_BLOCK_LEN)?;
        salvage.is_in_doubt = true;
        Some(end)
    }

    /// The commits at or behind `at`, which is where the first bytes are that do not hold: one search, however many follow.
    fn find_witnesses(&mut self, at: u64) -> Result<Witnesses> {
        let (mut witnesses, mut from) = (Witnesses::default(), at);
        while let Some((offset, commit)) = self.next_commit(from)? {
            witnesses.push(offset + COMMIT_BLOCK_LEN, &commit);
            from = offset + COMMIT_BLOCK_LEN;
        }
        Ok(witnesses)
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

    /// The first id in a block behind `offset`, or the next id of the commit that ends there.
    fn first_id_after(&mut self, offset: u64, end: u64) -> Result<u64> {
        if let Some((_, id)) = self.first_id_ahead.filter(|&(at, _)| at >= offset) {
            return Ok(id);
        }
        let found = self.find_first_id(offset, end)?;
        self.first_id_ahead = Some(found);
        Ok(found.1)
    }

    /// Where a block is that says which ids follow `offset`, and the id.
    fn find_first_id(&mut self, offset: u64, end: u64) -> Result<(u64, u64)> {
        let mut from = offset;
        while let Some((at, header)) = self.next_sound(from, end)? {
            match header.kind {
                BlockKind::Records | BlockKind::Frame => return Ok((at, header.first_id)),
                BlockKind::Commit => {
                    if let Some(commit) = self.commit_at(at, &header)? {
                        return Ok((at, commit.next_id));
                    }
                }
                BlockKind::Deletes | BlockKind::Dictionary => {}
            }
            from = at + header.block_len();
        }
        Ok((end, self.checkpoint.map_or(u64::MAX, |at| at.next_id)))
    }

    /// The commits must reach the checkpoint.
    pub(super) fn check_reached(&mut self) {
        let Some(checkpoint) = self.checkpoint else { return };
        if self.scan.committed.len >= checkpoint.len || !self.file.steps.take(Step::CheckCheckpoint) {
            return;
        }
        let at = self.scan.committed.len;
        if self.scan.damage.last().is_none_or(|damaged| damaged.range.end < checkpoint.len) {
            let low = self.last_id();
            let error = Error::damaged(format!("the log was durable up to byte {}", checkpoint.len));
            self.record_gap(at..checkpoint.len, &error, low..checkpoint.next_id.max(low));
        }
        // Sound blocks behind the last commit were covered by a commit that is damaged.
        self.scan.deletes_lost |= !self.pending.has_all_deletes(checkpoint.len, 0);
        self.leave_out_foreign_ids(checkpoint.next_id);
        self.take_pending(checkpoint.seq);
        self.scan.committed = checkpoint;
    }
}
