//! `verify`: damage is told from what a crash leaves and from what a writer is doing.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use block_format::vfs::{CrashVariant, MemoryVfs};
use block_format::{
    Durability, LeftoverKind, Options, PartKind, RecordId, Store, VerifyLevel, verify, verify_in,
};

use crate::campaign::{ROOT, content, open, options};

fn verified(disk: &MemoryVfs) -> block_format::VerifyReport {
    verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Decode, &options(None)).unwrap()
}

/// Seals, rewrites and deletes until it is told to stop.
fn work(store: &Store, stop: &AtomicBool) {
    let mut salt = 0;
    while !stop.load(Ordering::Relaxed) {
        salt += 1;
        let mut batch = store.batch();
        batch.put(&content(300, salt)).unwrap();
        if salt % 3 == 0 {
            batch.delete(RecordId(salt / 2));
        }
        store.commit(batch, Durability::Buffered).unwrap();
        if salt % 2 == 0 {
            continue;
        }
        let replace = |edit: &mut block_format::Edit<'_>| {
            edit.seal_logs()?;
            for part in edit.snapshot().parts().iter().filter(|part| part.kind() == PartKind(300)) {
                edit.drop_part(part.id())?;
            }
            edit.write_part(PartKind(300), salt, |part| part.write_all(&content(2000, salt)))
        };
        store.edit(replace).unwrap();
        if salt % 20 == 1 {
            let segments: Vec<_> = store.snapshot().segments().iter().map(|segment| segment.file).collect();
            store.edit(|edit| edit.rewrite(&segments)).unwrap();
        }
    }
}

#[test]
fn beside_a_writer_that_commits_seals_and_compacts_there_is_no_false_alarm() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, Options::new()).unwrap();
    let stop = AtomicBool::new(false);
    let passes = std::thread::scope(|scope| {
        scope.spawn(|| work(&store, &stop));
        let (mut passes, begun) = (0, Instant::now());
        while begun.elapsed() < Duration::from_secs(1) {
            let found = verify(&path, VerifyLevel::Decode);
            let sound = found.as_ref().is_ok_and(block_format::VerifyReport::is_sound);
            if !sound {
                stop.store(true, Ordering::Relaxed);
                panic!("a false alarm after {passes} passes: {found:?}");
            }
            passes += 1;
        }
        stop.store(true, Ordering::Relaxed);
        passes
    });
    println!("verified {passes} times beside a writer at generation after generation");
    assert!(store.verify(VerifyLevel::Decode).unwrap().is_sound());
}

#[test]
fn what_a_kill_between_two_copies_of_a_manifest_leaves_is_no_damage() {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options(None)).unwrap();
    store.put(b"one").unwrap();
    let before = disk.event_count();
    store.seal().unwrap();
    let mut kinds = Vec::new();
    for events in before..=disk.event_count() {
        let left = disk.crash(events, CrashVariant::KILL);
        let report = verified(&left);
        assert!(report.is_sound(), "after {events} events: {:?}", report.damage);
        kinds.extend(report.left_by_crash.iter().map(|leftover| leftover.kind));
        drop(open(&left, &options(None)).unwrap());
        let report = verified(&left);
        assert!(report.is_sound() && report.left_by_crash.is_empty(), "the next open clears it: {report:?}");
    }
    for kind in [LeftoverKind::ManifestCopy, LeftoverKind::OldManifest, LeftoverKind::UnnamedFile] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

#[test]
fn what_is_left_by_a_crash_is_there_and_goes_with_the_next_open() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    Store::create(&path, options(None)).unwrap().close().unwrap();
    std::fs::write(path.join("manifest-00000000000000ad-0"), "mine").unwrap();
    for folder in ["log-00000000000000f0", "segment-00000000000000f1", "manifest-0000000000000000-1"] {
        std::fs::create_dir(path.join(folder)).unwrap();
    }
    let left = verify(&path, VerifyLevel::Decode).unwrap().left_by_crash;
    let left: Vec<_> = left.iter().map(|left| left.path.strip_prefix(&path).unwrap()).collect();
    assert_eq!(left, [Path::new("manifest-00000000000000ad-0")]);
    Store::open(&path, options(None)).unwrap().0.close().unwrap();
    assert_eq!(verify(&path, VerifyLevel::Decode).unwrap().left_by_crash.len(), 0);
}

#[test]
fn a_torn_tail_is_no_damage_and_says_how_long_it_is() {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options(None)).unwrap();
    store.put(b"one").unwrap();
    drop(store);
    let log = disk.files().into_iter().find(|path| path.to_string_lossy().contains("log-")).unwrap();
    let mut bytes = disk.read_file(&log).unwrap();
    bytes.extend([7; 33]);
    disk.write_file(&log, bytes);
    let report = verified(&disk);
    assert!(report.is_sound(), "{:?}", report.damage);
    assert_eq!(report.left_by_crash[0].kind, LeftoverKind::TornTail(33));
}

#[test]
fn a_copy_of_a_manifest_that_is_missing_or_changed_when_nothing_was_interrupted_is_damage() {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options(None)).unwrap();
    store.put(b"one").unwrap();
    store.close().unwrap();
    for path in disk.files().into_iter().filter(|path| path.to_string_lossy().contains("manifest-")) {
        let (missing, changed) = (disk.fork(), disk.fork());
        missing.remove_file(&path);
        let mut bytes = disk.read_file(&path).unwrap();
        bytes[40] ^= 1;
        changed.write_file(&path, bytes);
        for disk in [missing, changed] {
            let report = verified(&disk);
            assert_eq!(report.damage.len(), 1);
            assert_eq!(report.damage[0].path, path);
            assert!(report.damage[0].range.end < 4096, "bytes of the file: {}", report.damage[0]);
        }
    }
}
