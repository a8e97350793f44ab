//! Forged and damaged files of twice the length cost twice the work: calls that read, and blocks that are decoded, are counted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use block_format::vfs::{FaultVfs, MemoryVfs};
use block_format::{Observer, Options, Store, VerifyLevel, salvage_in, verify_in};

use crate::campaign::ROOT;

pub(crate) const RECORDS: u8 = 1;
const DELETES: u8 = 3;
const COMMIT: u8 = 4;

/// A log whose blocks hold, and say what nobody wrote.
pub(crate) struct ForgedLog {
    disk: MemoryVfs,
    path: PathBuf,
    identity: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    /// The end of the last commit that holds, its chain, and the ids deleted since.
    committed: usize,
    chain: u128,
    deletes: u64,
}

impl ForgedLog {
    /// The empty log of an artifact that was just made.
    pub(crate) fn new() -> Self {
        let disk = MemoryVfs::new();
        let store = Store::create_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
        let artifact = store.artifact().0;
        store.close().unwrap();
        let is_log = |path: &PathBuf| path.to_string_lossy().contains("log-");
        let path = disk.files().into_iter().find(is_log).unwrap();
        let number = path.to_string_lossy().split("log-").nth(1).unwrap().to_owned();
        let number = u64::from_str_radix(&number, 16).unwrap();
        let bytes = disk.read_file(&path).unwrap();
        let identity = [&artifact[..], &number.to_le_bytes()].concat();
        let chain = xxhash_rust::xxh3::xxh3_128(&identity);
        Self { disk, path, identity, committed: bytes.len(), bytes, chain, deletes: 0 }
    }

    fn placed_crc(&self, at: usize, bytes: &[u8]) -> [u8; 4] {
        let placed = [&self.identity[..], &(at as u64).to_le_bytes(), bytes].concat();
        crc32fast::hash(&placed).to_le_bytes()
    }

    /// A block, stored raw, whose checksums hold.
    pub(crate) fn block(&mut self, kind: u8, count: u32, first_id: u64, payload: &[u8]) {
        let at = self.bytes.len();
        let len = (payload.len() as u32).to_le_bytes();
        let crc = self.placed_crc(at, payload);
        let head =
            [&[0x0C, 0xB1, kind, 0][..], &len, &len, &count.to_le_bytes(), &first_id.to_le_bytes(), &crc];
        let head = head.concat();
        let head_crc = self.placed_crc(at, &head);
        self.bytes.extend([&head[..], &head_crc, payload].concat());
    }

    /// A commit record, whose chain is wrong.
    pub(crate) fn commit(&mut self, seq: u64, sync_floor: u64, next_id: u64) {
        let payload = [seq, 0, sync_floor, next_id, 0, 0, 1, 1].map(u64::to_le_bytes).concat();
        self.block(COMMIT, 0, seq, &payload);
    }

    /// A commit record that holds, over what came since the last one.
    pub(crate) fn chained_commit(&mut self, seq: u64, sync_floor: u64, next_id: u64) {
        let blocks = &self.bytes[self.committed..];
        let fields = [seq, blocks.len() as u64, sync_floor, next_id, 0, self.deletes].map(u64::to_le_bytes);
        let fields = fields.concat();
        let chained = [&self.chain.to_le_bytes()[..], blocks, &fields].concat();
        self.chain = xxhash_rust::xxh3::xxh3_128(&chained);
        let payload = [&fields[..], &self.chain.to_le_bytes()].concat();
        self.block(COMMIT, 0, seq, &payload);
        (self.committed, self.deletes) = (self.bytes.len(), 0);
    }

    /// A record of one byte.
    pub(crate) fn record(&mut self, id: u64) {
        self.block(RECORDS, 1, id, &[0, 2, b'x']);
    }

    pub(crate) fn delete(&mut self, id: u64) {
        self.block(DELETES, 1, id, &[0]);
        self.deletes += 1;
    }

    /// The payload of the block that was added last is another.
    pub(crate) fn damage_last(&mut self) {
        *self.bytes.last_mut().unwrap() ^= 1;
    }

    fn garbage(&mut self) {
        self.bytes.extend([0xA5; 96]);
    }

    pub(crate) fn written(&self) -> MemoryVfs {
        let disk = self.disk.fork();
        disk.write_file(&self.path, self.bytes.clone());
        disk
    }
}

pub(crate) fn options() -> Options {
    Options::new().block_len(512).seed(1).memory_mapping(false)
}

#[derive(Debug, Default)]
struct Decoded(AtomicU64);

impl Observer for Decoded {
    fn payload_was_decompressed(&self, _: Duration) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Calls of the file system, and decoded blocks, of a reader, of `verify` and of `salvage`.
fn work(disk: &MemoryVfs) -> [(&'static str, u64); 3] {
    let counted = |call: &dyn Fn(Arc<FaultVfs>, Options)| {
        let (vfs, decoded) = (Arc::new(FaultVfs::new(disk.fork())), Arc::new(Decoded::default()));
        call(vfs.clone(), options().observer(decoded.clone()));
        vfs.call_count() + decoded.0.load(Ordering::Relaxed)
    };
    let root = Path::new(ROOT);
    [
        ("open", counted(&|vfs, options| drop(Store::open_read_only_in(vfs, root, options)))),
        ("verify", counted(&|vfs, options| drop(verify_in(vfs, root, VerifyLevel::Decode, &options)))),
        ("salvage", counted(&|vfs, options| drop(salvage_in(vfs, root, "/saved", options)))),
    ]
}

type Fill = fn(&mut ForgedLog, u64);

/// What comes over and over, up to a commit that vouches for all of it.
const FORGED: [(&str, Fill); 5] = [
    ("commits that do not chain", |log, i| log.commit(i, 0, 0)),
    ("commits that do not chain, with damage between them", |log, i| {
        log.commit(i, 0, 0);
        log.garbage();
    }),
    ("lists of deleted ids, with damage between them", |log, i| {
        log.delete(i);
        log.garbage();
    }),
    ("records of which every other is damaged", |log, i| {
        log.record(2 * i);
        log.record(2 * i + 1);
        log.damage_last();
    }),
    ("commit records that do not hold, with damage between them", |log, i| {
        log.commit(i, 0, 0);
        log.damage_last();
        log.garbage();
    }),
];

#[test]
fn a_forged_log_of_twice_the_length_costs_twice_the_work() {
    for (what, fill) in FORGED {
        let of_len = |len: usize| {
            let mut log = ForgedLog::new();
            let mut i = 1;
            while log.bytes.len() < len {
                fill(&mut log, i);
                i += 1;
            }
            log.commit(1 << 40, (1 << 40) - 1, 1 << 41);
            work(&log.written())
        };
        let (short, long) = (of_len(512 << 10), of_len(1 << 20));
        for ((call, short), (_, long)) in short.into_iter().zip(long) {
            assert!(long <= 2 * short + short / 4 + 50, "{call} of {what}: {short} steps, then {long}");
        }
    }
}

#[test]
fn the_block_before_damage_is_decoded_once_however_much_follows() {
    let mut log = ForgedLog::new();
    log.record(0);
    for i in 1..=1000 {
        log.delete(i);
        log.garbage();
    }
    log.commit(2000, 1999, 4000);
    let [_, (_, steps), _] = work(&log.written());
    assert!(steps < 1_200, "{steps} steps");
}
