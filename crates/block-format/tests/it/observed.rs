//! What takes time is heard of, and files that are held after they were replaced are listed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use block_format::vfs::MemoryVfs;
use block_format::{Observer, Options, RecordId, Store};

use crate::campaign::{ROOT, content, options};

fn quiet() -> Options {
    options(None).auto_seal(false)
}

/// Counts what it hears.
#[derive(Debug, Default)]
struct Counting {
    cached: AtomicU64,
    decoded: Mutex<Vec<RecordId>>,
    decompressed: AtomicU64,
    synced: AtomicU64,
}

impl Observer for Counting {
    fn block_was_cached(&self) {
        self.cached.fetch_add(1, Ordering::Relaxed);
    }

    fn block_was_decoded(&self, record: RecordId, took: Duration) {
        assert!(took > Duration::ZERO);
        self.decoded.lock().unwrap().push(record);
    }

    fn payload_was_decompressed(&self, _: Duration) {
        self.decompressed.fetch_add(1, Ordering::Relaxed);
    }

    fn file_was_synced(&self, _: Duration) {
        self.synced.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_observer_hears_of_syncs_and_of_blocks() {
    let heard = Arc::new(Counting::default());
    let options = quiet().cache_bytes(1 << 20).observer(heard.clone());
    let store = Store::create_in(Arc::new(MemoryVfs::new()), ROOT, options).unwrap();
    let before = heard.synced.load(Ordering::Relaxed);
    store.put(&content(100, 1)).unwrap();
    store.put(&content(100, 2)).unwrap();
    assert_eq!(heard.synced.load(Ordering::Relaxed), before + 2);
    let snapshot = store.snapshot();
    for _ in 0..3 {
        snapshot.get(RecordId(1)).unwrap().unwrap();
    }
    assert_eq!(*heard.decoded.lock().unwrap(), [RecordId(1)]);
    assert_eq!((heard.cached.load(Ordering::Relaxed), heard.decompressed.load(Ordering::Relaxed)), (2, 1));
}

#[test]
fn files_that_were_replaced_are_listed_as_long_as_somebody_holds_them() {
    let store = Store::create_in(Arc::new(MemoryVfs::new()), ROOT, quiet()).unwrap();
    // Of a record that is in one block the block is enough.
    store.put(&content(3 << 20, 1)).unwrap();
    let (snapshot, record) = (store.snapshot(), store.snapshot().get(RecordId(0)).unwrap().unwrap());
    assert_eq!(store.kept_files(), []);
    store.seal().unwrap();
    let kept = store.kept_files();
    assert!(kept.len() == 1 && kept[0].len > 100, "the log: {kept:?}");
    drop(snapshot);
    assert_eq!(store.kept_files(), kept, "a large record holds it too");
    drop(record);
    assert_eq!(store.kept_files(), []);
}

#[test]
fn whoever_goes_through_records_in_order_decodes_each_block_once_whatever_is_kept_of_them() {
    let heard = Arc::new(Counting::default());
    let options = quiet().block_len(48 << 10).cache_bytes(0).observer(heard.clone());
    let store = Store::create_in(Arc::new(MemoryVfs::new()), ROOT, options).unwrap();
    let mut batch = store.batch();
    for i in 0..2_000 {
        batch.put(&content(200, i)).unwrap();
    }
    store.commit(batch, block_format::Durability::Buffered).unwrap();
    store.seal().unwrap();
    store.delete(RecordId(77)).unwrap();
    let snapshot = store.snapshot();
    let mut last = None;
    for i in 0..2_000 {
        let record = snapshot.get_near(RecordId(i), last.as_ref()).unwrap();
        assert_eq!(record.is_none(), i == 77);
        let bytes = record.as_ref().map(|record| record.bytes().unwrap().into_owned());
        assert_eq!(bytes, (i != 77).then(|| content(200, i)));
        last = record.or(last);
    }
    let decoded = heard.decoded.lock().unwrap().len();
    assert!((1..=200).contains(&decoded), "{decoded} blocks");
}
