//! Proves that any sequence of operations gives what a sorted map gives, and that a crash anywhere in it leaves the
//! state of a commit that it may leave, which a second crash then does not change.
#![no_main]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use block_format::vfs::{CrashVariant, MemoryVfs};
use block_format::{Compression, Durability, Options, PartKind, RecordId, Store, VerifyLevel, verify_in};
use fuzz::{ROOT, records};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Op {
    Batch {
        lens: Vec<u16>,
        deletes: Vec<u8>,
        kind: Kind,
    },
    Stream {
        len: u16,
        kind: Kind,
    },
    Bulk {
        lens: Vec<u16>,
        stream: Option<u16>,
    },
    /// Begun, and given up.
    NoBulk {
        lens: Vec<u16>,
    },
    Sync,
    Seal,
    /// Some neighbouring segments.
    Rewrite {
        skip: u8,
        take: u8,
        part: bool,
    },
    Read,
    Close,
    Kill,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Kind {
    Sync,
    Group,
    Buffered,
}

#[derive(Debug, Arbitrary)]
struct Input {
    small_segments: bool,
    mapped: bool,
    operations: Vec<Op>,
    /// How far from the end in events, which variant, and its seed.
    crash: (u16, u8, u64),
}

type Model = BTreeMap<u64, Vec<u8>>;

fn content(id: u64, len: u16) -> Vec<u8> {
    (0..u64::from(len) % 6000).map(|i| ((i * (id + 3)) >> 2) as u8).collect()
}

impl Kind {
    fn durability(self) -> Durability {
        match self {
            Self::Sync => Durability::Sync,
            Self::Group => Durability::Group(Duration::ZERO),
            Self::Buffered => Durability::Buffered,
        }
    }

    fn durable(self) -> bool {
        !matches!(self, Self::Buffered)
    }
}

struct Run {
    disk: MemoryVfs,
    options: Options,
    store: Option<Store>,
    model: Model,
    next_id: u64,
}

impl Run {
    fn open(&self, disk: &MemoryVfs) -> Store {
        fuzz::open(disk, &self.options).expect("nothing is damaged").0
    }

    fn put(&mut self, len: u16) -> Vec<u8> {
        let bytes = content(self.next_id, len);
        self.model.insert(self.next_id, bytes.clone());
        self.next_id += 1;
        bytes
    }

    /// Returns whether everything so far is on disk for certain.
    fn step(&mut self, op: &Op) -> block_format::Result<bool> {
        let store = self.store.take().expect("between two operations it is open");
        match op {
            Op::Batch { lens, deletes, kind } => {
                let (mut batch, before) = (store.batch(), self.next_id);
                for &len in lens.iter().take(20) {
                    batch.put(&self.put(len))?;
                }
                for id in deletes.iter().take(20).map(|&id| u64::from(id)).filter(|&id| id < before) {
                    batch.delete(RecordId(id));
                    self.model.remove(&id);
                }
                let receipt = store.commit(batch, kind.durability())?;
                assert_eq!(
                    (receipt.first_id.0, receipt.first_id.0 + receipt.records),
                    (before, self.next_id)
                );
            }
            Op::Stream { len, kind } => drop(store.put_reader(&self.put(*len)[..], kind.durability())?),
            Op::Bulk { lens, stream } => {
                let mut bulk = store.bulk()?;
                lens.iter().take(20).try_for_each(|&len| bulk.put(&self.put(len)).map(drop))?;
                stream.iter().try_for_each(|&len| bulk.put_reader(&self.put(len)[..]).map(drop))?;
                bulk.finish()?;
            }
            Op::NoBulk { lens } => {
                let mut bulk = store.bulk()?;
                lens.iter().take(20).try_for_each(|&len| bulk.put(&content(1, len)).map(drop))?;
            }
            Op::Sync => store.sync()?,
            Op::Seal => drop(store.seal()?),
            Op::Rewrite { skip, take, part } => store.edit(|edit| {
                let segments = store.snapshot().segments();
                let (skip, take) = (usize::from(*skip) % (segments.len() + 1), usize::from(*take % 6));
                let some: Vec<_> =
                    segments.iter().skip(skip).take(take).map(|segment| segment.file).collect();
                if !some.is_empty() {
                    edit.rewrite(&some)?;
                }
                if *part {
                    edit.write_part(PartKind(300), 7, |out| out.write_all(&content(5, 3000)))?;
                }
                Ok(())
            })?,
            Op::Read => {
                let vfs = Arc::new(self.disk.clone());
                let (reader, _) = Store::open_read_only_in(vfs, ROOT, self.options.clone())?;
                assert!(records(&reader) == (self.model.clone(), true), "a reader sees something else");
            }
            Op::Close | Op::Kill => {
                if matches!(op, Op::Close) {
                    store.close()?
                } else {
                    drop(store)
                }
                self.store = Some(self.open(&self.disk));
                return Ok(true);
            }
        }
        self.store = Some(store);
        Ok(match op {
            Op::Batch { kind, .. } | Op::Stream { kind, .. } => kind.durable(),
            Op::Bulk { .. } | Op::Sync | Op::Seal => true,
            _ => false,
        })
    }

    fn check(&self, store: &Store) {
        assert!(records(store) == (self.model.clone(), true), "not what the model has");
        let snapshot = store.snapshot();
        assert_eq!(snapshot.next_id().0, self.next_id);
        for id in 0..self.next_id + 1 {
            let found = snapshot.get(RecordId(id)).expect("nothing is damaged");
            let found = found.map(|record| record.bytes().expect("nothing is damaged").into_owned());
            assert!(found.as_ref() == self.model.get(&id), "record {id}");
        }
    }
}

fuzz_target!(|input: Input| {
    let options = Options::new()
        .compression(if input.mapped { Compression::Zstd(1) } else { Compression::Lz4 })
        .block_len(700)
        .inline_max(1500)
        .frame_len(600)
        .segment_len(if input.small_segments { 64 << 10 } else { 1 << 20 })
        .memory_mapping(input.mapped)
        .seed(1)
        .threads(1);
    let disk = MemoryVfs::new();
    let store = Some(Store::create_in(Arc::new(disk.clone()), ROOT, options.clone()).expect("in memory"));
    let mut run = Run { disk, options, store, model: Model::new(), next_id: 0 };
    // After each operation: how many events there were, the newest state on disk for certain, and the newest state.
    let (mut states, mut marks) = (vec![Model::new()], vec![(run.disk.event_count(), 0, 0)]);
    for op in input.operations.iter().take(30) {
        let durable = run.step(op).expect("nothing fails in memory");
        run.check(run.store.as_ref().expect("it is open"));
        states.push(run.model.clone());
        let newest = states.len() - 1;
        let certain = if durable { newest } else { marks[marks.len() - 1].1 };
        marks.push((run.disk.event_count(), certain, newest));
    }
    let report = verify_in(Arc::new(run.disk.clone()), ROOT, VerifyLevel::Decode, &run.options);
    assert!(report.expect("nothing is damaged").damage.is_empty());

    let (begin, end) = (marks[0].0, run.disk.event_count());
    let events = end - usize::from(input.crash.0) % (end - begin + 1);
    // The last operation that was over, and the one that was under way, if any.
    let over = marks.partition_point(|mark| mark.0 <= events) - 1;
    let newest = marks.get(over + 1).map_or(marks[over].2, |mark| mark.2);
    let variants = CrashVariant::standard(input.crash.2);
    let variant = variants[usize::from(input.crash.1) % variants.len()];
    let left = run.disk.crash(events, variant);
    let store = run.open(&left);
    let served = records(&store);
    let allowed = served.1 && states[marks[over].1..=newest].contains(&served.0);
    assert!(
        allowed,
        "{variant:?} after {events} of {end} events: not a state from {} to {newest}",
        marks[over].1
    );
    let again = run.open(&left.crash(left.event_count(), variants[0]));
    assert!(records(&again) == served, "what was served is gone");
    assert_eq!(store.put(b"goes on").expect("in memory"), again.snapshot().next_id());
});
