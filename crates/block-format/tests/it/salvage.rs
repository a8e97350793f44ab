//! What salvage takes from where: nothing that was lost goes unnamed, and nothing that was deleted or never acknowledged comes back unsaid.

use std::path::PathBuf;
use std::sync::Arc;

use block_format::vfs::{Fault, FaultVfs, MemoryVfs};
use block_format::{Durability, ErrorKind, RecordId, SalvageReport, Store, salvage_in};

use crate::campaign::{ROOT, content, open};
use crate::work::{ForgedLog, options};

fn created() -> (MemoryVfs, Store) {
    let disk = MemoryVfs::new();
    let options = options().inline_max(5000).frame_len(4096);
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options).unwrap();
    (disk, store)
}

fn files(disk: &MemoryVfs, kind: &str) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.to_string_lossy().contains(kind)).collect()
}

fn remove(disk: &MemoryVfs, kind: &str) {
    for path in files(disk, kind) {
        disk.remove_file(path);
    }
}

fn change(disk: &MemoryVfs, path: &PathBuf, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read_file(path).unwrap();
    change(&mut bytes);
    disk.write_file(path, bytes);
}

/// What is saved, and the ids of the records.
fn saved(disk: &MemoryVfs) -> (SalvageReport, Vec<u64>) {
    let disk = disk.fork();
    let report = salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options()).unwrap();
    let (store, _) = Store::open_in(Arc::new(disk), "/saved", options()).unwrap();
    let records = store.snapshot().records().map(|record| record.unwrap());
    let ids: Vec<u64> = records.map(|record| record.id().0).collect();
    assert_eq!(ids.len() as u64, report.records);
    (report, ids)
}

fn named(report: &SalvageReport) -> Vec<u64> {
    let ids = report.damage.iter().flat_map(|damage| damage.lost.start.0..damage.lost.end.0);
    ids.collect()
}

#[test]
fn a_commit_from_before_a_salvage_is_none_of_the_new_artifact_whatever_was_lost() {
    for lost in [&[][..], &["manifest-"], &["log-"], &["manifest-", "log-"]] {
        let (disk, store) = created();
        (0..9).for_each(|salt| assert!(store.put(&content(400, salt)).is_ok()));
        store.seal().unwrap();
        let known: Vec<_> =
            (9..20).map(|salt| (store.put(&content(400, salt)), store.last_commit()).1).collect();
        store.close().unwrap();
        for kind in lost {
            remove(&disk, kind);
        }
        salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options()).unwrap();
        let (store, _) = Store::open_in(Arc::new(disk), "/saved", options()).unwrap();
        let first = store.last_commit();
        (0..30).for_each(|salt| assert!(store.put(&content(400, salt)).is_ok()));
        for commit in known {
            assert_eq!(store.since(commit, &store.snapshot()), None, "{commit:?}, {lost:?}");
        }
        assert!(store.since(first, &store.snapshot()).is_some());
    }
}

#[test]
fn numbers_of_commits_that_are_almost_used_up_keep_nothing_from_being_salvaged() {
    let mut log = ForgedLog::new();
    log.record(0);
    log.chained_commit(u64::MAX - 1, 0, 1);
    let disk = log.written();
    assert_eq!(saved(&disk).1, [0]);
    salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options()).unwrap();
    let (store, _) = Store::open_in(Arc::new(disk), "/saved", options()).unwrap();
    assert_eq!(store.put(b"one more").unwrap(), RecordId(1));
}

#[test]
fn the_records_of_a_segment_that_lost_its_end_are_named() {
    for ids in [vec![], vec![50, 59]] {
        let (disk, store) = created();
        (0..60).for_each(|salt| assert!(store.put(&content(400, salt)).is_ok()));
        for &id in &ids {
            store.delete(RecordId(id)).unwrap();
        }
        store.seal().unwrap();
        store.close().unwrap();
        let path = files(&disk, "segment-").remove(0);
        let len = disk.read_file(&path).unwrap().len();
        for cut in [len / 2, len / 3, 4200, 4096, 10, 0] {
            let disk = disk.fork();
            change(&disk, &path, |bytes| bytes.truncate(cut));
            let (report, kept) = saved(&disk);
            let lost: Vec<u64> = (0..60).filter(|id| !ids.contains(id) && !kept.contains(id)).collect();
            assert!(
                !lost.is_empty() && lost.iter().all(|id| named(&report).contains(id)),
                "{cut}: {report:?}"
            );
            assert!(kept.iter().all(|id| !ids.contains(id)), "{cut}: {kept:?}");
        }
        // A table that is lost alone costs nothing.
        change(&disk, &path, |bytes| bytes.truncate(len - 97));
        let (report, kept) = saved(&disk);
        assert_eq!(
            (kept.len(), report.lost.len(), named(&report).len()),
            (60 - ids.len(), 0, 0),
            "{report:?}"
        );
    }
}

#[test]
fn the_deletes_of_a_commit_that_was_never_acknowledged_are_not_made() {
    for has_manifest in [true, false] {
        let mut log = ForgedLog::new();
        (0..3).for_each(|id| log.record(id));
        log.chained_commit(1, 0, 3);
        log.record(3);
        log.damage_last();
        log.delete(0);
        log.commit(2, 1, 4); // it does not hold, and nothing vouches for it
        let disk = log.written();
        if !has_manifest {
            remove(&disk, "manifest-");
        }
        let (report, ids) = saved(&disk);
        assert_eq!(ids, [0, 1, 2]);
        assert!(report.deletes_incomplete && report.lost == [RecordId(3)], "{report:?}");
    }
}

/// A directory as a crash leaves it in the middle of a compaction, or before what was replaced is removed.
fn before_and_after(change: impl FnOnce(&Store)) -> (MemoryVfs, MemoryVfs) {
    let (disk, store) = created();
    (0..60).for_each(|salt| assert!(store.put(&content(400, salt)).is_ok()));
    store.put(&content(9000, 99)).unwrap();
    store.seal().unwrap();
    let before = disk.fork();
    change(&store);
    store.close().unwrap();
    for path in before.files().iter().filter(|path| !path.to_string_lossy().contains("manifest")) {
        if disk.read_file(path).is_none() {
            disk.write_file(path, before.read_file(path).unwrap());
        }
    }
    (before, disk)
}

fn delete_and_compact(store: &Store) {
    (10..40).for_each(|id| assert!(store.delete(RecordId(id)).is_ok()));
    store.seal().unwrap();
    let segments: Vec<_> = store.snapshot().segments().iter().map(|segment| segment.file).collect();
    store.edit(|edit| edit.rewrite(&segments)).unwrap();
}

#[test]
fn what_compaction_left_behind_does_not_come_back_from_a_file_that_was_not_removed_yet() {
    let (_, disk) = before_and_after(delete_and_compact);
    assert!(files(&disk, "segment-").len() >= 2);
    let expected: Vec<u64> = (0..10).chain(40..61).collect();
    assert_eq!(saved(&disk).1, expected);
    remove(&disk, "manifest-");
    // A finished segment says what is there no more.
    assert_eq!(saved(&disk).1, expected, "without a manifest");
}

#[test]
fn a_file_that_was_not_removed_yet_stands_in_for_a_damaged_one() {
    let (_, disk) = before_and_after(delete_and_compact);
    let newest = files(&disk, "segment-").pop().unwrap();
    for at in [4200, 4096 + 3000] {
        let disk = disk.fork();
        change(&disk, &newest, |bytes| bytes[at] ^= 1);
        let (report, ids) = saved(&disk);
        let expected: Vec<u64> = (0..10).chain(40..61).collect();
        assert!(expected.iter().all(|id| ids.contains(id)), "{ids:?}");
        assert!(report.lost.is_empty() && report.deletes_incomplete, "{report:?}");
    }
    // Also for the large record, of which one frame is damaged.
    let len = disk.read_file(&newest).unwrap().len();
    let large = (4096..len - 800).rev().step_by(17).find_map(|at| {
        let disk = disk.fork();
        change(&disk, &newest, |bytes| bytes[at] ^= 1);
        let alone = disk.fork();
        files(&alone, "segment-")
            .iter()
            .filter(|&path| *path != newest)
            .for_each(|path| alone.remove_file(path));
        let (report, _) = saved(&alone);
        (report.lost == [RecordId(60)]).then_some(disk)
    });
    let (report, ids) = saved(&large.unwrap());
    assert!(ids.contains(&60) && report.lost.is_empty(), "{report:?}");
}

#[test]
fn an_artifact_whose_newest_manifests_are_damaged_does_not_open_as_it_was_before() {
    let (before, disk) = before_and_after(|store| {
        let mut bulk = store.bulk().unwrap();
        (100..120).for_each(|salt| assert!(bulk.put(&content(300, salt)).is_ok()));
        bulk.finish().unwrap();
    });
    for path in files(&before, "manifest-") {
        disk.write_file(&path, before.read_file(&path).unwrap());
    }
    let newest: Vec<PathBuf> = files(&disk, "manifest-").into_iter().rev().take(2).collect();
    for path in &newest {
        change(&disk, path, |bytes| bytes[70] ^= 1);
    }
    let refused = open(&disk, &options()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    assert!(refused.to_string().contains("newest manifest"), "{refused}");
    let refused = Store::open_read_only_in(Arc::new(disk.clone()), ROOT, options()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    assert_eq!(saved(&disk).1, (0..81).collect::<Vec<u64>>());
    // A manifest of which only the first copy was begun is what a crash leaves.
    let crashed = disk.fork();
    crashed.remove_file(&newest[0]);
    change(&crashed, &newest[1], |bytes| bytes.truncate(100));
    let (store, _) = open(&crashed, &options()).unwrap();
    assert_eq!(store.snapshot().next_id(), RecordId(61));
}

#[test]
fn an_iteration_tells_of_records_whose_blocks_are_not_recognised() {
    let (disk, store) = created();
    (0..60).for_each(|salt| assert!(store.put(&content(400, salt)).is_ok()));
    store.seal().unwrap();
    store.close().unwrap();
    let path = files(&disk, "segment-").remove(0);
    let len = disk.read_file(&path).unwrap().len();
    // Several blocks, and the table.
    for from in [4096, 6000, len - 2000] {
        let disk = disk.fork();
        change(&disk, &path, |bytes| {
            bytes[from..from + 1500].fill(0);
            bytes[len - 100] ^= 1;
        });
        let (store, _) = Store::open_read_only_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
        for first in [0, 30, 59] {
            let found: Vec<_> = store.snapshot().records_from(RecordId(first)).collect();
            let read = found.iter().flatten().count();
            let unread = (first..60).filter(|&id| store.snapshot().get(RecordId(id)).is_err()).count();
            assert_eq!(read + unread, (60 - first) as usize, "{from}, {first}");
            assert_eq!(found.len() > read, unread > 0, "{from}, {first}: it says so");
        }
    }
}

#[test]
fn ids_of_a_block_that_is_not_recognised_are_named_and_not_given_out_once_more() {
    let (disk, store) = created();
    (0..10).for_each(|salt| assert!(store.put(&content(100, salt)).is_ok()));
    store.seal().unwrap();
    let mut batch = store.batch();
    (0..250).for_each(|_| assert!(batch.put(b"").is_ok()));
    store.commit(batch, Durability::Sync).unwrap();
    let mut batch = store.batch();
    batch.delete(RecordId(3));
    batch.delete(RecordId(4));
    store.commit(batch, Durability::Sync).unwrap();
    drop(store);
    let log = files(&disk, "log-").remove(0);
    change(&disk, &log, |bytes| bytes[4096] ^= 1); // the only block of the batch
    let (report, ids) = saved(&disk);
    assert_eq!(ids, [0, 1, 2, 5, 6, 7, 8, 9], "{report:?}");
    assert_eq!(named(&report), (10..260).collect::<Vec<u64>>());
    assert_eq!(next_id(&disk), RecordId(260));
}

/// The id that a salvaged artifact gives out next.
fn next_id(disk: &MemoryVfs) -> RecordId {
    let disk = disk.fork();
    salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options()).unwrap();
    Store::open_in(Arc::new(disk), "/saved", options()).unwrap().0.put(b"next").unwrap()
}

#[test]
fn a_delete_behind_a_bulk_commit_whose_manifests_are_lost_is_made() {
    let (before, disk) = before_and_after(|store| {
        let mut bulk = store.bulk().unwrap();
        (0..10_000).for_each(|_| assert!(bulk.put(b"").is_ok()));
        bulk.finish().unwrap();
        store.delete(RecordId(65)).unwrap();
        store.delete(RecordId(66)).unwrap();
    });
    for path in files(&before, "manifest-") {
        disk.write_file(&path, before.read_file(&path).unwrap());
    }
    for path in files(&disk, "manifest-").iter().rev().take(2) {
        change(&disk, path, |bytes| bytes[70] ^= 1);
    }
    let (report, ids) = saved(&disk);
    assert_eq!(ids, (0..65).chain(67..10_061).collect::<Vec<u64>>(), "{report:?}");
    assert_eq!(next_id(&disk), RecordId(10_061));
}

#[test]
fn without_a_manifest_the_footer_of_a_segment_says_which_ids_were_given_out() {
    let (disk, store) = created();
    let mut bulk = store.bulk().unwrap();
    (0..60).for_each(|salt| assert!(bulk.put(&content(150, salt)).is_ok()));
    bulk.finish().unwrap();
    store.close().unwrap();
    remove(&disk, "manifest-");
    let path = files(&disk, "segment-").remove(0);
    // Before the table of twelve bytes a block lies the last block.
    let last = disk.read_file(&path).unwrap().len() - 96 - 60 * 12;
    change(&disk, &path, |bytes| bytes[last..].iter_mut().take(500).for_each(|byte| *byte ^= 1));
    let (report, ids) = saved(&disk);
    let lost: Vec<u64> = (0..60).filter(|id| !ids.contains(id)).collect();
    assert!(!lost.is_empty() && lost.iter().all(|id| named(&report).contains(id)), "{lost:?} {report:?}");
    assert_eq!(next_id(&disk), RecordId(60));
}

#[test]
fn a_copy_of_a_log_that_was_never_put_to_use_stands_in_for_one_that_is_gone() {
    let (disk, store) = created();
    (0..20).for_each(|salt| assert!(store.put(&content(400, salt)).is_ok()));
    drop(store);
    let (named, manifests) = (files(&disk, "log-"), files(&disk, "manifest-"));
    let copies = (0..60).filter(|&call| {
        let crashed = disk.fork();
        let vfs = FaultVfs::new(crashed.clone());
        vfs.inject(call, Fault::NoSpace, true);
        let opened = Store::open_in(Arc::new(vfs), ROOT, options());
        let is_copied = files(&crashed, "log-").len() == 2 && files(&crashed, "manifest-") == manifests;
        assert!(opened.is_err() || !is_copied);
        for path in &named {
            crashed.remove_file(path);
        }
        is_copied && saved(&crashed).1 == (0..20).collect::<Vec<u64>>()
    });
    assert!(copies.count() > 0);
}

#[test]
fn a_log_that_was_destroyed_is_named_and_nobody_says_that_all_deletes_are_known() {
    let (disk, store) = created();
    store.put(&content(100, 0)).unwrap();
    store.seal().unwrap();
    (1..50).for_each(|salt| assert!(store.put(&content(100, salt)).is_ok()));
    store.delete(RecordId(0)).unwrap();
    drop(store);
    let log = files(&disk, "log-").remove(0);
    let len = disk.read_file(&log).unwrap().len();
    let noise = |at: usize| (at * at % 251) as u8;
    for destroyed in [vec![], vec![0; 100], vec![0; 4096], vec![0; len], (0..len).map(noise).collect()] {
        let disk = disk.fork();
        disk.write_file(&log, destroyed.clone());
        let (report, _) = saved(&disk);
        let named = report.damage.iter().any(|damage| damage.path == log);
        assert!(named && report.deletes_incomplete, "{}: {report:?}", destroyed.len());
    }
    // That only the header is lost costs nothing.
    change(&disk, &log, |bytes| bytes[..4096].fill(0));
    let (report, ids) = saved(&disk);
    assert!(ids == (1..50).collect::<Vec<u64>>() && report.damage.is_empty() && !report.deletes_incomplete);
}
