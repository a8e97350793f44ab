//! How an artifact is created and opened, how long a commit waits, how thoroughly an artifact is verified.

use std::sync::Arc;
use std::time::Duration;

use crate::checksum::Hash128;
use crate::error::{Error, Result};
use crate::id::ArtifactId;
use crate::observer::Observer;
use crate::protocol::Steps;
use crate::workers::Threads;

/// How the blocks of new records are compressed. Whatever it is, a block that would not shrink by a tenth is stored raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Stored as it is.
    None,
    /// Zstandard at this level, 1 to 22.
    Zstd(i32),
    /// LZ4, for processors on which even zstd level 1 is slow.
    #[cfg(feature = "lz4")]
    Lz4,
}

/// How durable a commit is when it returns.
///
/// | | survives a kill of the process | survives a loss of power |
/// |---|---|---|
/// | `Sync` | yes | yes |
/// | `Group` | yes | yes |
/// | `Buffered` | yes | once a later `Sync` or `Group` commit, [`Store::sync`](crate::Store::sync) or [`Store::close`](crate::Store::close) has returned |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On disk when the commit returns. Threads that commit at the same time share one sync.
    #[default]
    Sync,
    /// On disk when the commit returns, which may be up to this much later, so that more commits share the sync: at most 10 seconds.
    Group(Duration),
    /// Handed to the operating system.
    Buffered,
}

impl Durability {
    /// Refuses a group that would wait for more than 10 seconds, with an error of kind [`InvalidArgument`](crate::ErrorKind::InvalidArgument), as every commit does.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Group(delay) if delay > Duration::from_secs(10) => Err(Error::invalid(
                "durability: expected a group that waits for at most 10 seconds, found more",
            )),
            _ => Ok(()),
        }
    }
}

/// How thoroughly [`verify`](crate::verify) reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerifyLevel {
    /// Manifests, file headers, tables, logs and the headers of all blocks.
    Headers,
    /// And every stored byte, against its checksum and its file's hash.
    Checksums,
    /// And every block decoded, every record found, every large record whole.
    Decode,
}

/// How to create or open an artifact. What is not set has the default named with it.
///
/// The settings are those of this process, not of the artifact: an artifact can be opened with others each time.
#[derive(Debug, Clone)]
#[must_use = "options do nothing until they are handed to `Store::create` or `Store::open`"]
pub struct Options {
    pub(crate) compression: Compression,
    pub(crate) block_len: u32,
    pub(crate) sealed_level: i32,
    pub(crate) segment_len: u64,
    pub(crate) inline_max: u32,
    pub(crate) frame_len: u32,
    pub(crate) memory_mapping: bool,
    pub(crate) auto_seal: bool,
    pub(crate) cache_bytes: usize,
    pub(crate) range_cache_bytes: u64,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) seed: Option<u64>,
    pub(crate) threads: Threads,
    pub(crate) busy_timeout: Duration,
    pub(crate) steps: Steps,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            compression: Compression::Zstd(3),
            block_len: DEFAULT_BLOCK_LEN,
            sealed_level: 7,
            segment_len: 64 << 20,
            inline_max: 1 << 20,
            frame_len: 256 << 10,
            memory_mapping: true,
            auto_seal: true,
            cache_bytes: 0,
            range_cache_bytes: 256 << 20,
            observer: None,
            seed: None,
            threads: Threads::Processors,
            busy_timeout: Duration::ZERO,
            steps: Steps::default(),
        }
    }
}

/// Raw bytes of records packed into one block. Measured: see `docs/BENCHMARKS.md`, "Block size".
pub(crate) const DEFAULT_BLOCK_LEN: u32 = 48 << 10;

/// The largest `inline_max`: the raw length of a block stays below [`MAX_RAW_LEN`](crate::block::layout::MAX_RAW_LEN).
pub(crate) const MAX_INLINE: u32 = 1 << 20;

/// The most threads of a pool.
const MAX_THREADS: u64 = 1024;

impl Options {
    /// The defaults, for a computer with a file system and some memory to spare.
    pub fn new() -> Self {
        Self::default()
    }

    /// Small segments for a device: 8 MiB.
    pub fn edge() -> Self {
        Self::default().segment_len(8 << 20)
    }

    /// Compression of new blocks. Default: `Zstd(3)`.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Raw bytes of records that are packed into one block, 512 to 1 MiB: smaller ones are decoded faster, larger ones shrink more.
    /// Default: 48 KiB.
    pub fn block_len(mut self, bytes: u32) -> Self {
        self.block_len = bytes;
        self
    }

    /// The zstd level, 1 to 22, at which records are compressed for good: when the log is sealed, and when segments are rewritten. If `compression`
    /// has a higher one, it is that. Where it saves more than it takes, the segment is given a dictionary, trained from a sample (with the feature
    /// `dictionaries`); its blocks end at 3 KiB if they have 16 records, so that a small record is read in a sixth of the time. Blocks of
    /// larger records are twice as long as [`block_len`](Self::block_len). 0, and a compression other than zstd: blocks stay as they were
    /// committed. Default: 7.
    pub fn sealed_level(mut self, level: i32) -> Self {
        self.sealed_level = level;
        self
    }

    /// Length in bytes at which the log is sealed, and at which a sealed segment ends, 64 KiB to 1 GiB. A segment is longer by the block that
    /// reaches it; the frames of a large record stay in one segment, however long they are. Default: 64 MiB.
    pub fn segment_len(mut self, bytes: u64) -> Self {
        self.segment_len = bytes;
        self
    }

    /// The longest record that is stored in one block, 512 to 1 MiB; a longer one is cut into frames. Default: 1 MiB.
    pub fn inline_max(mut self, bytes: u32) -> Self {
        self.inline_max = bytes;
        self
    }

    /// Raw bytes of a frame of a large record, 512 to 1 MiB. Default: 256 KiB.
    pub fn frame_len(mut self, bytes: u32) -> Self {
        self.frame_len = bytes;
        self
    }

    /// Whether sealed files are read through memory maps, or else with positioned reads: slower, but a file that
    /// another program shortens, or a medium that fails, is then an error and not a signal. Default: yes.
    pub fn memory_mapping(mut self, on: bool) -> Self {
        self.memory_mapping = on;
        self
    }

    /// Whether a commit that brings the log to `segment_len`, and [`Store::close`](crate::Store::close), seal by
    /// themselves. Otherwise that is up to [`Store::seal`](crate::Store::seal). Default: yes.
    pub fn auto_seal(mut self, on: bool) -> Self {
        self.auto_seal = on;
        self
    }

    /// Raw bytes of decoded blocks that are kept for [`Snapshot::get`](crate::Snapshot::get). Needs the feature `cache`. Default: 0, none.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Bytes that a pack keeps of what it [read by ranges](crate::Store::open_packed_ranges), at least 1 MiB. What a query needs is kept for its
    /// duration, and what a snapshot has read as long as the snapshot is there, also beyond. Default: 256 MiB.
    pub fn range_cache_bytes(mut self, bytes: u64) -> Self {
        self.range_cache_bytes = bytes;
        self
    }

    /// Who hears of what takes time. Default: none.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Derives the identity of a new artifact from `seed`, so that the same calls give the same bytes. Not for two
    /// artifacts that could meet: their blocks could then be taken for each other's. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Threads of a pool of the store's own that compress side by side; it is started when there is enough to compress. 1: the calling thread
    /// does all of it. Where no thread can be started, and for a caller that is a thread of a rayon pool itself, it does so too. Default: as
    /// many as there are processors.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Threads::Count(threads);
        self
    }

    /// A pool to work in instead of one of the store's own.
    pub fn pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.threads = Threads::Pool(pool);
        self
    }

    /// How long opening for writing, and [`Store::reacquire`](crate::Store::reacquire), wait for another writer to let go of the artifact. Default: 0, not at all.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// The identity of an artifact that is created with this seed, if one was given.
    pub fn artifact_of_seed(&self) -> Option<ArtifactId> {
        let mut hash = Hash128::new();
        hash.update(b"artifact id from seed");
        hash.update(&self.seed?.to_le_bytes());
        Some(ArtifactId(hash.value().to_le_bytes()))
    }

    /// Plants a bug: leaves out one step of the protocol.
    #[cfg(feature = "testing")]
    pub fn leave_out(mut self, step: crate::protocol::Step) -> Self {
        self.steps.left_out = Some(step);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let within = |what: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!("option {what}: expected {low} to {high}, found {value}")))
        };
        if let Compression::Zstd(level) = self.compression
            && !(1..=22).contains(&level)
        {
            return Err(Error::invalid(format!(
                "option compression: expected zstd level 1 to 22, found {level}"
            )));
        }
        if self.cache_bytes > 0 && cfg!(not(feature = "cache")) {
            return Err(Error::invalid("option cache_bytes: this build leaves out the feature `cache`"));
        }
        if !(0..=22).contains(&self.sealed_level) {
            let found = self.sealed_level;
            return Err(Error::invalid(format!("option sealed_level: expected 0 to 22, found {found}")));
        }
        if let Threads::Count(count) = self.threads {
            within("threads", count as u64, 1, MAX_THREADS)?;
        }
        within("range_cache_bytes", self.range_cache_bytes, 1 << 20, u64::MAX)?;
        within("block_len", self.block_len.into(), 512, MAX_INLINE.into())?;
        within("segment_len", self.segment_len, 64 << 10, 1 << 30)?;
        within("inline_max", self.inline_max.into(), 512, MAX_INLINE.into())?;
        within("frame_len", self.frame_len.into(), 512, MAX_INLINE.into())
    }
}
