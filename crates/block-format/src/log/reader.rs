//! A log, possibly torn or damaged → the commits that hold.

use wire::array_at;

use super::layout::{CHAINED_LEN, Commit};
use super::scan::{COMMIT_BLOCK_LEN, Pending, Salvage, Scan, Scanner};
use crate::block::layout::HEADER_LEN;
use crate::block::reader::deleted_ids;
use crate::block::{BlockKind, Header};
use crate::checksum::Hash128;
use crate::damage::Damage;
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::manifest::Checkpoint;
use crate::protocol::Step;
use crate::run::{BlockFile, Place};
use crate::source::Window;

/// Reads the log from its beginning, whose state was `start`.
///
/// `first_id` is the smallest id that it can have. With a `checkpoint`, all up to it is known to have been durable. Without one, the log is not named by a manifest, and
/// the scan ends at the first commit that does not hold, since nothing says what was acknowledged. `Err` is a file that cannot be read or that is
/// shorter than its checkpoint; damage inside is in the result, which then goes on at the next block that holds.
pub(crate) fn scan(
    file: &BlockFile,
    checkpoint: Option<Checkpoint>,
    first_id: u64,
    start_chain: u128,
) -> Result<Scan> {
    let file_len = file.source.len();
    let header_len = FILE_HEADER_LEN as u64;
    let floor_len = checkpoint.map_or(header_len, |at| at.len);
    if file_len < floor_len && file.steps.take(Step::CheckLength) {
        let message = format!("the log was durable up to byte {floor_len}, the file ends at byte {file_len}");
        return Err(Error::new(ErrorKind::Truncated, message).at(file.path()));
    }
    let mut scanner = Scanner::at_start(file, checkpoint, first_id, start_chain);
    if scanner.scan.committed.chain != start_chain && file.steps.take(Step::CheckCheckpoint) {
        let error = Error::damaged("the checkpoint's chain is not that of an empty log").at(file.path());
        return Err(error);
    }
    scanner.run()?;
    Ok(scanner.scan)
}

/// [`scan`] for what can be saved of a log, which may have lost its end. It goes on behind bytes that do not hold up to the last commit record, also where nothing
/// vouches for what follows: then it was perhaps never acknowledged, and nothing is deleted on the strength of it. A commit with ids from `ids_end` on is damage.
pub(crate) fn scan_for_salvage(
    file: &BlockFile,
    checkpoint: Option<Checkpoint>,
    first_id: u64,
    start_chain: u128,
    ids_end: u64,
) -> Result<Scan> {
    let mut scanner = Scanner::at_start(file, checkpoint, first_id, start_chain);
    scanner.salvage = Some(Salvage { ids_end, is_in_doubt: false });
    scanner.run()?;
    scanner.take_uncovered();
    Ok(scanner.scan)
}

/// Reads a log on from a commit up to which it was read before. Damage in what was read before is not looked for.
pub(crate) fn scan_on(file: &BlockFile, checkpoint: Checkpoint, from: Checkpoint) -> Result<Scan> {
    let mut scanner = Scanner::new(file, Some(checkpoint), from, false);
    scanner.run()?;
    Ok(scanner.scan)
}

impl<'a> Scanner<'a> {
    /// A scan of a whole log.
    fn at_start(
        file: &'a BlockFile,
        checkpoint: Option<Checkpoint>,
        first_id: u64,
        start_chain: u128,
    ) -> Self {
        let len = FILE_HEADER_LEN as u64;
        let start = Checkpoint { len, seq: 0, next_id: first_id, chain: start_chain };
        match checkpoint.filter(|at| at.len == len) {
            Some(base) => Self::new(file, checkpoint, base, false),
            None => Self::new(file, checkpoint, start, true),
        }
    }

    /// A scan of what follows `base`. `first`: the next commit is the first of a log that may begin at any commit.
    fn new(file: &'a BlockFile, checkpoint: Option<Checkpoint>, base: Checkpoint, first: bool) -> Self {
        Self {
            file,
            window: Window::new(&file.source),
            checkpoint,
            at: base.len,
            hash: Hash128::chain(base.chain),
            pending: Pending::default(),
            first,
            unchained: None,
            witnesses: None,
            salvage: None,
            first_id_ahead: None,
            last_id_in: None,
            scan: Scan { file_len: file.source.len(), ..Scan::nothing_behind(base) },
        }
        .without_base(first)
    }

    /// Nothing is known of what was before the first commit of a log that may begin at any.
    fn without_base(mut self, first: bool) -> Self {
        if first {
            self.scan.commits.clear();
        }
        self
    }
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<()> {
        while self.at < self.scan.file_len {
            match self.step() {
                Ok(()) => {}
                // Bytes that only a newer version, or a build with more features, can read are no torn tail.
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
        let head: [u8; HEADER_LEN] = array_at(self.window.read(at, HEADER_LEN as u64)?, 0);
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
            BlockKind::Dictionary => {
                return Err(Error::damaged("a dictionary in a log").at_offset(at));
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
        if let Some(Salvage { ids_end, .. }) = self.salvage.filter(|salvage| commit.next_id > salvage.ids_end)
        {
            let message = format!(
                "expected a commit with ids below {ids_end}, since there are no bytes for more, found ids below {}",
                commit.next_id
            );
            self.unchained = Some(*commit);
            return Err(Error::damaged(message).at_offset(end));
        }
        let covered = (end - COMMIT_BLOCK_LEN).saturating_sub(committed.len);
        let next = committed.seq.checked_add(1) == Some(commit.seq);
        let follows =
            (next || (self.first && commit.seq >= committed.seq)) && commit.next_id >= committed.next_id;
        let chain = self.hash.value();
        let holds = chain == commit.chain && commit.covered_len == covered && follows;
        let deletes_end = if self.first { commit.next_id } else { committed.next_id };
        let holds = holds && self.pending.ids_are_within(committed.next_id..commit.next_id, deletes_end);
        if !holds && self.file.steps.take(Step::CheckChain) {
            let message = format!(
                "commit {}: expected to follow commit {} with chain {chain:032x} over {covered} bytes, and ids from {} on, \
                 found chain {:032x} over {} bytes, and ids below {}",
                commit.seq,
                committed.seq,
                committed.next_id,
                commit.chain,
                commit.covered_len,
                commit.next_id
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
            let low = self.last_id();
            let lost = low..checkpoint.next_id.max(low);
            self.scan.damage.push(Damage::new(self.file.path(), committed.len..end, &error, lost));
        }
        Ok(())
    }
}
