//! Any sequence of operations, with a crash at the end, against a sorted map.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::Arbitrary;
use block_format::vfs::{CrashVariant, MemoryVfs};
use block_format::{Compression, Durability, Options, RecordId, Store};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Op {
    Batch { records: Vec<u16>, deletes: Vec<u8>, sync: bool },
    Stream { len: u16 },
    Bulk { records: Vec<u16> },
    Seal,
    Rewrite,
    Close,
    Kill,
}

#[derive(Debug, Arbitrary)]
struct Input {
    small_segments: bool,
    mapped: bool,
    operations: Vec<Op>,
    crash: (u8, u64),
}

type Model = BTreeMap<u64, Vec<u8>>;

fn content(id: u64, len: u16) -> Vec<u8> {
    (0..u64::from(len) % 6000).map(|i| (i * (id + 3) >> 2).to_le_bytes()[0]).collect()
}

fn found(store: &Store) -> Model {
    let record = |record: block_format::Result<block_format::Record>| {
        let record = record.expect("nothing is damaged");
        (record.id().0, record.bytes().expect("nothing is damaged").into_owned())
    };
    store.snapshot().records().map(record).collect()
}

fuzz_target!(|input: Input| {
    let options = Options::new()
        .compression(if input.mapped { Compression::Zstd(1) } else { Compression::Lz4 })
        .block_len(700)
        .inline_max(1500)
        .frame_len(600)
        .segment_len(if input.small_segments { 64 << 10 } else { 1 << 20 })
        .memory_mapping(input.mapped)
        .seed(1);
    let disk = MemoryVfs::new();
    let open =
        |disk: &MemoryVfs| Store::open_in(Arc::new(disk.clone()), "/a", options.clone()).expect("it opens").0;
    let mut store = Store::create_in(Arc::new(disk.clone()), "/a", options.clone()).expect("in memory");
    let mut next_id = 0;
    // The states since the last one that is on disk for certain.
    let mut states: Vec<Model> = vec![Model::new()];
    for op in input.operations.iter().take(40) {
        let mut model = states.last().cloned().unwrap_or_default();
        let mut durable = true;
        match op {
            Op::Batch { records, deletes, sync } => {
                let mut batch = store.batch();
                let before = next_id;
                for &len in records.iter().take(20) {
                    batch.put(&content(next_id, len)).expect("in memory");
                    model.insert(next_id, content(next_id, len));
                    next_id += 1;
                }
                for id in deletes.iter().map(|&id| u64::from(id)).filter(|&id| id < before) {
                    batch.delete(RecordId(id));
                    model.remove(&id);
                }
                durable = *sync;
                let durability = if *sync { Durability::Sync } else { Durability::Buffered };
                store.commit(batch, durability).expect("in memory");
            }
            Op::Stream { len } => {
                let bytes = content(next_id, *len);
                store.put_reader(&bytes[..], Durability::Sync).expect("in memory");
                model.insert(next_id, bytes);
                next_id += 1;
            }
            Op::Bulk { records } => {
                let mut bulk = store.bulk().expect("in memory");
                for &len in records.iter().take(20) {
                    bulk.put(&content(next_id, len)).expect("in memory");
                    model.insert(next_id, content(next_id, len));
                    next_id += 1;
                }
                bulk.finish().expect("in memory");
            }
            Op::Seal => drop(store.seal().expect("in memory")),
            Op::Rewrite => {
                let segments: Vec<_> =
                    store.snapshot().segments().iter().map(|segment| segment.file).collect();
                if !segments.is_empty() {
                    store.edit(|edit| edit.rewrite(&segments)).expect("in memory");
                }
                durable = false;
            }
            Op::Close => {
                store.close().expect("in memory");
                store = open(&disk);
            }
            Op::Kill => {
                drop(store);
                store = open(&disk);
            }
        }
        assert!(found(&store) == model, "{op:?}");
        if durable {
            states.clear();
        }
        states.push(model);
    }
    let variants = CrashVariant::standard(input.crash.1);
    let variant = variants[usize::from(input.crash.0) % variants.len()];
    let left = open(&disk.crash(disk.event_count(), variant));
    assert!(states.contains(&found(&left)), "{variant:?}");
});
