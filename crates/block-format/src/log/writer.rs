//! Commits → the end of a log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::LogIndex;
use super::layout::{CHAINED_LEN, COMMIT_LEN, COMMIT_LEN_U32, Commit};
use crate::block::layout::{CodecId, HEADER_LEN};
use crate::block::writer::EncodedBlock;
use crate::block::{BlockKind, Header};
use crate::checksum::{Binding, Hash128};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileHeader, FileKind, FileName};
use crate::manifest::{Checkpoint, LogEntry};
use crate::protocol::Step;
use crate::room::with_room;
use crate::run::Place;
use crate::vfs::VfsFile;

/// The writer's end of the active log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    binding: Binding,
    index: Arc<LogIndex>,
    /// The last commit.
    committed: Checkpoint,
    /// Blocks of the index that the last commit covers.
    committed_blocks: usize,
    /// End of what was written, committed or not.
    tail: u64,
    /// Over the last commit's chain and everything since.
    hash: Hash128,
    records: u64,
    deletes: u64,
}

/// The numbers that a commit record carries besides its place and hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitMark {
    pub(crate) seq: u64,
    pub(crate) sync_floor: u64,
    pub(crate) next_id: u64,
}

impl LogWriter {
    /// Creates an empty log whose first commit will follow commit `seq`, and syncs it. An error leaves no file behind.
    pub(crate) fn create(directory: &Directory, seq: u64, next_id: u64) -> Result<(Self, LogEntry)> {
        let id = directory.next_file()?;
        let name = FileName::Log(id);
        let (path, file) = (directory.path(name), directory.create(name)?);
        let header = FileHeader { kind: FileKind::Log, artifact: directory.artifact, file: id };
        file.write_all_at(&header.encode(), 0)
            .map_err(|e| Error::io(e, "writing the header of a log", &path))
            .and_then(|()| directory.sync_data(Step::SyncNewLog, &*file, &path))
            .inspect_err(|_| directory.take_back(name))?;
        let chain = Hash128::chain_start(directory.artifact, id);
        let checkpoint = Checkpoint { len: FILE_HEADER_LEN as u64, seq, next_id, chain };
        let index = LogIndex::open(directory, id, file.clone(), Vec::new());
        let log = Self::new(&path, file, directory.binding(id), index, checkpoint);
        Ok((log, LogEntry { file: id, checkpoint }))
    }

    /// Goes on writing behind `committed`, which is where `file` ends.
    pub(crate) fn new(
        path: &Path,
        file: Arc<dyn VfsFile>,
        binding: Binding,
        index: Arc<LogIndex>,
        committed: Checkpoint,
    ) -> Self {
        Self {
            path: path.to_owned(),
            file,
            binding,
            committed_blocks: index.len(),
            index,
            tail: committed.len,
            hash: Hash128::chain(committed.chain),
            committed,
            records: 0,
            deletes: 0,
        }
    }

    pub(crate) fn committed(&self) -> Checkpoint {
        self.committed
    }

    pub(crate) fn committed_blocks(&self) -> usize {
        self.committed_blocks
    }

    pub(crate) fn index(&self) -> &Arc<LogIndex> {
        &self.index
    }

    pub(crate) fn file(&self) -> &Arc<dyn VfsFile> {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether blocks were written that no commit covers. After them nothing can be appended any more.
    pub(crate) fn has_uncommitted(&self) -> bool {
        self.tail > self.committed.len
    }

    /// Writes blocks ahead of their commit, so that a large one needs no more memory than a small one.
    pub(crate) fn append(&mut self, blocks: &[EncodedBlock], base: u64) -> Result<()> {
        let bytes = self.place_blocks(blocks, base)?;
        self.write(&bytes)
    }

    /// Writes blocks and the commit record that covers them and what was appended before, in one call.
    pub(crate) fn commit(&mut self, blocks: &[EncodedBlock], base: u64, mark: CommitMark) -> Result<()> {
        let mut bytes = self.place_blocks(blocks, base)?;
        let end = self.tail + bytes.len() as u64;
        let mut commit = Commit {
            seq: mark.seq,
            covered_len: end - self.committed.len,
            sync_floor: mark.sync_floor,
            next_id: mark.next_id,
            records: self.records,
            deletes: self.deletes,
            chain: 0,
        };
        self.hash.update(&commit.encode()[..CHAINED_LEN]);
        commit.chain = self.hash.value();
        let payload = commit.encode();
        let header = Header {
            kind: BlockKind::Commit,
            codec: CodecId::Raw,
            stored_len: COMMIT_LEN_U32,
            raw_len: COMMIT_LEN_U32,
            count: 0,
            first_id: mark.seq,
            payload_crc: self.binding.crc(end, &payload),
        };
        bytes.extend(header.encode(&self.binding, end));
        bytes.extend(payload);
        self.write(&bytes)?;
        self.committed =
            Checkpoint { len: self.tail, seq: mark.seq, next_id: mark.next_id, chain: commit.chain };
        self.committed_blocks = self.index.len();
        self.hash = Hash128::chain(commit.chain);
        (self.records, self.deletes) = (0, 0);
        Ok(())
    }

    /// Counts on from another state, in a log that is still empty.
    pub(crate) fn restart_at(&mut self, state: Checkpoint) {
        debug_assert_eq!(
            (self.tail, state.len, state.chain),
            (state.len, self.committed.len, self.committed.chain)
        );
        self.committed = state;
    }

    /// Drops what was appended without a commit. Whoever goes on writing does so in another log.
    pub(crate) fn abandon_uncommitted(&mut self) {
        self.index.forget_from(self.committed_blocks);
    }

    /// Gives blocks their places behind the tail.
    fn place_blocks(&mut self, blocks: &[EncodedBlock], base: u64) -> Result<Vec<u8>> {
        let total = blocks.iter().map(EncodedBlock::block_len).sum::<u64>();
        let len = usize::try_from(total).unwrap_or(usize::MAX).saturating_add(HEADER_LEN + COMMIT_LEN);
        let mut bytes = with_room(len, "bytes of a commit")?;
        let mut places = Vec::with_capacity(blocks.len());
        for block in blocks {
            let offset = self.tail + bytes.len() as u64;
            let header = block.append_to(base, &self.binding, offset, &mut bytes)?;
            let place = Place { first_id: header.first_id, offset, len: header.block_len() };
            match header.kind {
                BlockKind::Records => self.records += u64::from(header.count),
                BlockKind::Deletes => self.deletes += u64::from(header.count),
                BlockKind::Frame | BlockKind::Commit | BlockKind::Dictionary => {}
            }
            if matches!(header.kind, BlockKind::Records | BlockKind::Frame) {
                places.push(place);
            }
        }
        self.index.extend(places);
        self.hash.update(&bytes);
        Ok(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(bytes, self.tail)
            .map_err(|e| Error::io(e, "writing", &self.path).at_offset(self.tail))?;
        self.tail += bytes.len() as u64;
        Ok(())
    }
}
