//! Ids that were not given out, or not in this order, with checksums and chains that are right: damage, which hides nothing and gives no id twice.

use std::path::Path;
use std::sync::Arc;

use block_format::vfs::MemoryVfs;
use block_format::{ErrorKind, RecordId, Store, VerifyLevel, salvage_in, verify_in};

use crate::campaign::{ROOT, open};
use crate::work::{ForgedLog, RECORDS, options};

/// The ids of the records that a reader goes through, and the number of damaged places that it was told of.
fn read(disk: &MemoryVfs) -> (Vec<u64>, usize) {
    let (store, report) = Store::open_read_only_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
    let ids = store.snapshot().records().filter_map(|record| Some(record.ok()?.id().0)).collect();
    (ids, report.damage.len())
}

fn damage(disk: &MemoryVfs) -> usize {
    let report = verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Decode, &options()).unwrap();
    report.damage.len()
}

type Fill = fn(&mut ForgedLog);

/// What a commit behind two records, that gives out ids 2 and 3, has in it.
const FOREIGN: [(&str, Fill); 4] = [
    ("an id beyond the next one", |log| log.record(1 << 40)),
    ("an id that was given out before", |log| log.record(1)),
    ("ids that do not ascend", |log| {
        log.record(3);
        log.record(2);
    }),
    ("a record that is deleted before it comes", |log| {
        log.record(2);
        log.delete(7);
    }),
];

fn log_with(fill: Fill) -> ForgedLog {
    let mut log = ForgedLog::new();
    log.record(0);
    log.record(1);
    log.chained_commit(1, 0, 2);
    fill(&mut log);
    log.chained_commit(2, 1, 4);
    log
}

#[test]
fn a_commit_with_ids_that_it_did_not_give_out_does_not_hold() {
    let sound = log_with(|log| {
        log.record(2);
        log.record(3);
    });
    assert_eq!(read(&sound.written()), (vec![0, 1, 2, 3], 0));
    for (what, fill) in FOREIGN {
        let disk = log_with(fill).written();
        assert_eq!((read(&disk), damage(&disk)), ((vec![0, 1], 0), 0), "{what}");
        let (store, report) = open(&disk, &options()).unwrap();
        assert_eq!((report.commits_recovered, report.dropped_len > 0), (1, true), "{what}");
        for id in 2..12 {
            assert_eq!(store.put(b"x").unwrap(), RecordId(id), "{what}");
        }
        store.seal().unwrap();
        store.close().unwrap();
        assert_eq!((read(&disk), damage(&disk)), (((0..12).collect(), 0), 0), "{what}");
    }
}

#[test]
fn ids_that_an_acknowledged_commit_did_not_give_out_are_damage_and_hide_nothing() {
    for (what, fill) in FOREIGN {
        let mut log = log_with(fill);
        log.record(4);
        log.chained_commit(3, 2, 5);
        let disk = log.written();
        let refused = open(&disk, &options()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Damaged, "{what}");
        assert!(damage(&disk) > 0, "{what}");
        let opened = Store::open_read_only_in(Arc::new(disk.clone()), ROOT, options());
        if what.contains("deleted") {
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::Damaged, "lists of deletes may be damaged");
        } else {
            let expected = if what.contains("ascend") { vec![0, 1, 3, 4] } else { vec![0, 1, 4] };
            let (ids, damage) = read(&disk);
            assert!(damage > 0 && ids == expected, "{what}: {ids:?}");
        }
        let saved = salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options()).unwrap();
        assert!(saved.records >= 3, "{what}: {saved:?}");
    }
}

#[test]
fn commits_whose_numbers_do_not_ascend_are_damage_and_are_forgotten_in_time() {
    let mut log = ForgedLog::new();
    log.record(0);
    log.chained_commit(1, 0, 1);
    for i in 0..70_000 {
        if i % 7_000 == 0 {
            log.commit((1 << 30) - i, 0, 1);
        }
        log.delete(0);
    }
    log.commit(1 << 40, (1 << 40) - 1, 2);
    let disk = log.written();
    assert!(damage(&disk) > 0);
    let opened = Store::open_read_only_in(Arc::new(disk.clone()), Path::new(ROOT), options());
    assert!(opened.is_err_and(|e| e.kind() == ErrorKind::Damaged), "lists of deletes may be damaged");
}

#[test]
fn a_block_with_ids_that_are_still_to_come_is_not_sealed() {
    let mut log = ForgedLog::new();
    log.block(RECORDS, 2, 0, &[0, 2, 2, 2, b'x', b'x']);
    log.chained_commit(1, 0, 1);
    let disk = log.written();
    assert_eq!((read(&disk).0, damage(&disk)), (vec![], 1));
    let (store, _) = open(&disk, &options()).unwrap();
    assert_eq!(store.seal().unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn a_block_with_ids_of_the_next_one_is_damage_to_whoever_reads_it() {
    let mut log = ForgedLog::new();
    // Records 0 and 3, then record 1, in blocks that ascend.
    log.block(RECORDS, 2, 0, &[0, 2, 2, 2, b'x', b'x']);
    log.record(1);
    log.chained_commit(1, 0, 2);
    let disk = log.written();
    assert_eq!((read(&disk).0, damage(&disk)), (vec![1], 1));
    let (store, _) = open(&disk, &options()).unwrap();
    assert_eq!(store.put(b"x").unwrap(), RecordId(2));
    assert_eq!(store.seal().unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn salvage_believes_no_commit_that_gave_out_more_ids_than_it_has_bytes_for() {
    for next_id in [1 << 40, u64::MAX - 1, u64::MAX] {
        for has_manifest in [true, false] {
            let mut log = ForgedLog::new();
            log.record(0);
            log.record(1);
            log.chained_commit(1, 0, 2);
            log.delete(0);
            log.chained_commit(2, 1, next_id);
            log.record(2);
            log.chained_commit(3, 1, 3);
            let disk = log.written();
            for path in disk.files().iter().filter(|path| path.to_string_lossy().contains("manifest-")) {
                if !has_manifest {
                    disk.remove_file(path);
                }
            }
            let saved = salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options()).unwrap();
            // Nothing vouches for its delete.
            assert_eq!((saved.records, saved.deletes_incomplete), (3, true), "{saved:?}");
            let named =
                |damage: &block_format::Damage| damage.message.contains("since there are no bytes for more");
            assert_eq!(saved.damage.iter().filter(|damage| named(damage)).count(), 1, "{saved:?}");
            let (store, _) = Store::open_in(Arc::new(disk), "/saved", options()).unwrap();
            assert_eq!(store.put(b"x").unwrap(), RecordId(3));
        }
    }
}

/// The records with the last ids are deleted, and nothing is left of them: segments say which ids were there.
#[test]
fn salvage_without_a_manifest_believes_commits_that_others_bear_out() {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
    for i in 0..100u8 {
        store.put(&[i; 100]).unwrap();
    }
    store.seal().unwrap();
    store.delete(RecordId(3)).unwrap();
    for i in 0..5u8 {
        store.put(&[i; 100]).unwrap();
    }
    store.delete(RecordId(4)).unwrap();
    store.close().unwrap();
    for path in disk.files().iter().filter(|path| path.to_string_lossy().contains("manifest-")) {
        disk.remove_file(path);
    }
    let saved = salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options()).unwrap();
    assert_eq!((saved.records, saved.damage.len()), (103, 0), "{saved:?}");
    let (store, _) = Store::open_in(Arc::new(disk), "/saved", options()).unwrap();
    assert_eq!(store.put(b"x").unwrap(), RecordId(105));
}

#[test]
fn salvage_names_the_files_of_the_manifest_that_are_missing() {
    for (kind, records, ids) in
        [("segment-", 1, RecordId(0)..RecordId(10)), ("log-", 10, RecordId(10)..RecordId(11))]
    {
        let disk = MemoryVfs::new();
        let store = Store::create_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
        for i in 0..10u8 {
            store.put(&[i; 100]).unwrap();
        }
        store.seal().unwrap();
        store.put(b"in the log").unwrap();
        store.sync().unwrap();
        drop(store);
        // The manifest knows of the record in the log.
        let (store, _) = Store::open_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
        store.close().unwrap();
        let gone = disk.files().into_iter().filter(|path| path.to_string_lossy().contains(kind));
        gone.for_each(|path| disk.remove_file(&path));
        let saved = salvage_in(Arc::new(disk), ROOT, "/saved", options()).unwrap();
        assert_eq!(saved.records, records, "{saved:?}");
        let named = saved.damage.iter().filter(|damage| damage.message.contains("missing"));
        assert_eq!(named.map(|damage| damage.lost.clone()).collect::<Vec<_>>(), [ids], "{saved:?}");
        assert_eq!(saved.deletes_incomplete, kind == "log-");
    }
}
