//! How many bytes files take, and deleted records in them: by bytes, not by their number.

use std::path::Path;
use std::sync::Arc;

use block_format::vfs::MemoryVfs;
use block_format::{Compression, Options, RecordId, Store};

use crate::campaign::{ROOT, content};

fn options() -> Options {
    Options::new().compression(Compression::None).auto_seal(false)
}

/// Big records, and small ones around them.
const BIG: usize = 3 << 20;
const SMALL: usize = 200;

fn is_big(i: u64) -> bool {
    i % 50 == 10
}

fn fill(store: &Store) {
    let mut batch = store.batch();
    for i in 0..200 {
        batch.put(&content(if is_big(i) { BIG } else { SMALL }, i)).unwrap();
    }
    store.commit(batch, block_format::Durability::Buffered).unwrap();
}

fn delete(store: &Store, which: impl Fn(u64) -> bool) -> u64 {
    let mut bytes = 0;
    for i in (0..200).filter(|&i| which(i)) {
        store.delete(RecordId(i)).unwrap();
        bytes += if is_big(i) { BIG } else { SMALL } as u64;
    }
    bytes
}

fn is_about(found: u64, expected: u64) {
    let distance = found.abs_diff(expected);
    assert!(distance * 50 <= expected, "expected about {expected}, found {found}");
}

#[test]
fn deleted_records_take_as_many_bytes_as_their_content_had_in_logs_and_in_segments() {
    for which in [is_big as fn(u64) -> bool, |i| !is_big(i) && i % 3 == 0, |i| i % 2 == 0] {
        let store = Store::create_in(Arc::new(MemoryVfs::new()), ROOT, options()).unwrap();
        fill(&store);
        let bytes = delete(&store, which);
        let [log] = store.snapshot().log_usage()[..] else { panic!("one log") };
        is_about(log.dead_len, bytes);
        assert_eq!(log.len, store.snapshot().disk_usage().logs);
        let store = Store::create_in(Arc::new(MemoryVfs::new()), ROOT, options()).unwrap();
        fill(&store);
        store.seal().unwrap();
        let segments = store.snapshot().segment_usage();
        assert!(segments.iter().all(|usage| usage.dead_len == 0));
        delete(&store, which);
        let segments = store.snapshot().segment_usage();
        is_about(segments.iter().map(|usage| usage.dead_len).sum(), bytes);
        is_about(store.snapshot().sealed_dead_len(), bytes);
        let of_each = (0..200).filter(|&i| which(i)).map(|i| store.snapshot().sealed_len_of(RecordId(i)));
        is_about(of_each.sum(), bytes);
        assert_eq!(store.snapshot().sealed_len_of(RecordId(200)), 0);
        let infos = store.snapshot().segments();
        assert!(
            segments.iter().zip(&infos).all(|(usage, info)| (usage.file, usage.len) == (info.file, info.len))
        );
    }
}

#[test]
fn a_segment_without_a_record_that_is_left_is_dead_to_the_last_byte() {
    let store = Store::create_in(Arc::new(MemoryVfs::new()), ROOT, options()).unwrap();
    fill(&store);
    store.seal().unwrap();
    delete(&store, |_| true);
    for usage in store.snapshot().segment_usage() {
        assert_eq!((usage.dead_len, usage.live_len()), (usage.len, 0));
    }
}

#[test]
fn of_thousands_of_blocks_a_sample_tells_how_much_is_dead() {
    let small = options().block_len(512);
    let store = Store::create_in(Arc::new(MemoryVfs::new()), ROOT, small).unwrap();
    let mut batch = store.batch();
    for i in 0..6_000u64 {
        batch.put(&content(if i % 4 == 0 { 300 } else { 50 }, i)).unwrap();
    }
    store.commit(batch, block_format::Durability::Buffered).unwrap();
    store.seal().unwrap();
    let mut batch = store.batch();
    (0..6_000).step_by(4).for_each(|i| batch.delete(RecordId(i)));
    store.commit(batch, block_format::Durability::Buffered).unwrap();
    let [usage] = store.snapshot().segment_usage()[..] else { panic!("one segment") };
    let expected = 1_500 * 302 * 100 / (1_500 * 302 + 4_500 * 52);
    assert!((usage.dead_len * 100 / usage.len).abs_diff(expected) <= 10, "{usage:?} {expected}");
    // Where no block is decoded, long and short ones count as equal.
    assert!((store.snapshot().sealed_dead_len() * 100 / usage.len).abs_diff(25) <= 3);
}

fn directory_len(path: &Path) -> u64 {
    std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn the_usage_of_the_disk_is_the_length_of_all_files() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, options()).unwrap();
    let check = |store: &Store| assert_eq!(store.snapshot().disk_usage().total(), directory_len(&path));
    check(&store);
    fill(&store);
    check(&store);
    store.seal().unwrap();
    check(&store);
    delete(&store, |i| i % 5 == 0);
    store
        .edit(|edit| {
            edit.write_part(block_format::PartKind(300), 1, |out| {
                std::io::Write::write_all(out, &vec![1; 70_000])
            })
        })
        .unwrap();
    check(&store);
    store.close().unwrap();
    let (store, _) = Store::open(&path, options()).unwrap();
    check(&store);
    let (reader, _) = Store::open_read_only(&path, options()).unwrap();
    check(&reader);
}
