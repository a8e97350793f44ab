//! What the model keeps and what it loses.

use std::io;
use std::path::Path;

use super::{CrashVariant, MemoryVfs, Persist, PersistNames, PersistSize};
use crate::vfs::{Access, Vfs};

fn variant(content: Persist, size: PersistSize, names: PersistNames) -> CrashVariant {
    CrashVariant { content, size, names, seed: 1 }
}

/// A file with 1,000 synced bytes and 2,000 that were not, in a directory that was synced before the file was made.
fn sample(sync_name: bool) -> MemoryVfs {
    let vfs = MemoryVfs::new();
    vfs.create_dir(Path::new("/d")).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    let file = vfs.create_new(Path::new("/d/f")).unwrap();
    file.write_at(&[1; 1000], 0).unwrap();
    file.sync_data().unwrap();
    if sync_name {
        vfs.sync_dir(Path::new("/d")).unwrap();
    }
    file.write_at(&[2; 2000], 1000).unwrap();
    vfs
}

fn left(vfs: &MemoryVfs, variant: CrashVariant) -> Option<Vec<u8>> {
    vfs.crash(vfs.event_count(), variant).read_file("/d/f")
}

#[test]
fn a_name_needs_its_directory_synced_whatever_the_file_had() {
    use PersistSize::Grown;
    assert_eq!(left(&sample(false), variant(Persist::All, Grown, PersistNames::None)), None);
    assert!(left(&sample(true), variant(Persist::All, Grown, PersistNames::None)).is_some());
}

#[test]
fn what_was_synced_stays_and_the_rest_is_as_the_variant_says() {
    use PersistNames::All;
    use PersistSize::{AsContent, Grown};
    let vfs = sample(true);
    let found = |content, size| left(&vfs, variant(content, size, All)).unwrap();
    assert_eq!(found(Persist::None, AsContent), [1; 1000]);
    assert_eq!(found(Persist::None, Grown), [&[1; 1000][..], &[0; 2000]].concat());
    assert_eq!(found(Persist::All, AsContent), [&[1; 1000][..], &[2; 2000]].concat());
    for seed in 0..50 {
        let torn = CrashVariant { content: Persist::Torn(512), size: AsContent, names: All, seed };
        let bytes = left(&vfs, torn).unwrap();
        assert!(bytes.len() == 1000 || bytes.len() == 3000 || bytes.len().is_multiple_of(512));
        let sectors = CrashVariant { content: Persist::Sectors, size: Grown, names: All, seed };
        let bytes = left(&vfs, sectors).unwrap();
        assert_eq!((bytes.len(), &bytes[..1000]), (3000, &[1; 1000][..]));
    }
}

#[test]
fn a_failed_sync_loses_what_it_was_for_whatever_comes_after() {
    let vfs = sample(true);
    let file = vfs.open(Path::new("/d/f"), Access::Append).unwrap();
    vfs.open_file(Path::new("/d/f"), Access::Append).unwrap().fail_sync();
    assert_eq!(file.len().unwrap(), 3000, "and yet it is seen");
    file.sync_data().unwrap();
    let all = variant(Persist::All, PersistSize::AsContent, PersistNames::All);
    assert_eq!(left(&vfs, all).unwrap(), [1; 1000]);
}

#[test]
fn a_lost_directory_takes_its_files_with_it() {
    let vfs = MemoryVfs::new();
    vfs.create_dir(Path::new("/d")).unwrap();
    let file = vfs.create_new(Path::new("/d/f")).unwrap();
    file.sync_data().unwrap();
    vfs.sync_dir(Path::new("/d")).unwrap();
    let none = variant(Persist::All, PersistSize::Grown, PersistNames::None);
    assert!(vfs.crash(vfs.event_count(), none).files().is_empty());
}

#[test]
fn a_file_whose_sync_failed_may_keep_the_size_it_had() {
    let vfs = sample(true);
    vfs.open_file(Path::new("/d/f"), Access::Append).unwrap().fail_sync();
    let grown = variant(Persist::All, PersistSize::Grown, PersistNames::All);
    assert_eq!(left(&vfs, grown).unwrap(), [&[1; 1000][..], &[0; 2000]].concat());
}

#[test]
fn files_put_in_place_between_events_are_durable_from_there_on() {
    let vfs = sample(true);
    let before = vfs.event_count();
    vfs.write_file("/d/f", vec![7; 10]);
    vfs.write_file("/d/new", vec![8; 10]);
    vfs.create_new(Path::new("/d/later")).unwrap().write_at(&[9; 5], 0).unwrap();
    vfs.sync_dir(Path::new("/d")).unwrap();
    let none = variant(Persist::None, PersistSize::AsContent, PersistNames::None);
    let after = vfs.crash(vfs.event_count(), none);
    assert_eq!(after.read_file("/d/f").unwrap(), [7; 10]);
    assert_eq!(after.read_file("/d/new").unwrap(), [8; 10]);
    assert_eq!(after.read_file("/d/later").unwrap(), []);
    assert_eq!(vfs.crash(before - 1, none).read_file("/d/f").unwrap(), [1; 1000], "not before");
    vfs.remove_file("/d/f");
    assert!(vfs.crash(vfs.event_count(), CrashVariant::KILL).read_file("/d/f").is_none());
}

#[test]
fn what_is_in_a_directory_in_a_lost_directory_is_lost_too() {
    let vfs = MemoryVfs::new();
    for dir in ["/d", "/d/e"] {
        vfs.create_dir(Path::new(dir)).unwrap();
    }
    vfs.create_new(Path::new("/d/e/f")).unwrap();
    vfs.sync_dir(Path::new("/d/e")).unwrap();
    vfs.sync_dir(Path::new("/d")).unwrap();
    let none = variant(Persist::All, PersistSize::Grown, PersistNames::None);
    let found = vfs.crash(vfs.event_count(), none);
    assert!(found.files().is_empty(), "{found:?}");
    assert!(found.list(Path::new("/d/e")).is_err());
}

#[test]
fn names_answer_as_those_of_a_disk_do() {
    use io::ErrorKind::{AlreadyExists, InvalidInput, NotFound};
    let vfs = sample(true);
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(vfs.create_dir(Path::new("/no/e"))), NotFound);
    assert_eq!(kind(vfs.create_new(Path::new("/no/f")).map(drop)), NotFound);
    assert_eq!(kind(vfs.create_new(Path::new("/d")).map(drop)), AlreadyExists);
    assert_eq!(kind(vfs.open(Path::new("/d/no"), Access::Read).map(drop)), NotFound);
    assert_eq!(kind(vfs.open(Path::new("/"), Access::Read).map(drop)), InvalidInput);
    assert_eq!(kind(vfs.sync_dir(Path::new("/no"))), NotFound);
    vfs.create_dir(Path::new("/d/e")).unwrap();
    assert_eq!(vfs.list(Path::new("/d")).unwrap(), ["f", "e"]);
    assert_eq!(vfs.list(Path::new("/")).unwrap(), ["d"]);
}

#[test]
fn a_write_of_nothing_changes_nothing() {
    let vfs = sample(true);
    let file = vfs.open(Path::new("/d/f"), Access::Append).unwrap();
    assert_eq!(file.write_at(&[], 9000).unwrap(), 0);
    assert_eq!(file.len().unwrap(), 3000);
}

#[test]
fn of_threads_that_lock_at_once_one_has_it_and_the_others_are_told() {
    for _ in 0..2000 {
        let vfs = MemoryVfs::new();
        let gate = std::sync::Barrier::new(2);
        let one = || {
            gate.wait();
            vfs.lock(Path::new("/l"))
        };
        let locks = std::thread::scope(|scope| {
            let threads = [scope.spawn(one), scope.spawn(one)];
            threads.map(|thread| thread.join().unwrap())
        });
        let told = locks.iter().filter_map(|lock| lock.as_ref().err()).map(io::Error::kind);
        assert_eq!(told.collect::<Vec<_>>(), [io::ErrorKind::WouldBlock]);
    }
}

#[test]
fn locks_are_exclusive_until_dropped_and_a_crash_holds_none() {
    let vfs = MemoryVfs::new();
    let held = vfs.lock(Path::new("/l")).unwrap();
    assert_eq!(vfs.lock(Path::new("/l")).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    vfs.crash(vfs.event_count(), CrashVariant::KILL).lock(Path::new("/l")).unwrap();
    vfs.fork().lock(Path::new("/l")).unwrap();
    drop(held);
    vfs.lock(Path::new("/l")).unwrap();
}

#[test]
fn the_same_crash_is_the_same_every_time() {
    let vfs = sample(false);
    for variant in CrashVariant::standard(3) {
        assert_eq!(left(&vfs, variant), left(&vfs, variant), "{variant:?}");
    }
}
