//! Creating and undoing it: only files that this crate made are ever removed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use block_format::vfs::{CrashVariant, Fault, FaultVfs, MemoryVfs, Vfs};
use block_format::{ErrorKind, Options, PartKind, RecordId, Store, salvage_in};

use crate::campaign;

const ROOT: &str = "/d/a";

fn disk() -> MemoryVfs {
    let disk = MemoryVfs::new();
    disk.create_dir(Path::new("/d")).unwrap();
    disk
}

fn exists(disk: &MemoryVfs, path: &str) -> bool {
    disk.list(Path::new(path)).is_ok()
}

fn names(path: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

#[test]
fn a_directory_with_other_files_is_refused_with_their_names_and_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let made: [fn(&Path); 4] = [
        |path| fs::write(path.join("thesis.txt"), "thesis").unwrap(),
        |path| fs::write(path.join(".hidden"), "x").unwrap(),
        |path| fs::create_dir(path.join("folder")).unwrap(),
        |path| fs::write(path.join("log-1"), "not ours: too short a number").unwrap(),
    ];
    for (number, make) in made.iter().enumerate() {
        let path = temp.path().join(number.to_string());
        fs::create_dir(&path).unwrap();
        make(&path);
        let before = names(&path);
        let e = Store::create(&path, Options::new()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::AlreadyExists);
        let found = before[0].file_name().unwrap().to_str().unwrap();
        assert!(e.to_string().contains(found) && e.to_string().contains(path.to_str().unwrap()), "{e}");
        assert_eq!(names(&path), before);
    }
    let empty = temp.path().join("empty");
    fs::create_dir(&empty).unwrap();
    Store::create(&empty, Options::new()).unwrap().close().unwrap();
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_text_and_a_linked_directory_count_too() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("real");
    fs::create_dir(&path).unwrap();
    fs::write(path.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "x").unwrap();
    let link = temp.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for path in [&path, &link] {
        assert_eq!(Store::create(path, Options::new()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(names(path).len(), 1);
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_no_place_for_an_artifact_and_is_called_so() {
    let temp = tempfile::tempdir().unwrap();
    let link = temp.path().join("link");
    std::os::unix::fs::symlink(temp.path().join("nowhere"), &link).unwrap();
    let error = Store::create(&link, Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("there is a link here that leads nowhere"), "{error}");
    fs::write(temp.path().join("file"), "x").unwrap();
    let error = Store::create(temp.path().join("file"), Options::new()).unwrap_err();
    assert!(error.to_string().contains("there is a file here"), "{error}");
}

#[test]
fn a_create_that_fails_at_any_call_leaves_the_directory_as_it_was() {
    let places: [fn(&MemoryVfs); 3] = [
        |_| (),
        |disk| disk.create_dir(Path::new(ROOT)).unwrap(),
        |disk| {
            disk.create_dir(Path::new(ROOT)).unwrap();
            disk.write_file("/d/a/LOCK", Vec::new());
            disk.write_file("/d/a/log-0000000000000001", vec![0; 7]); // of an interrupted creation
        },
    ];
    let mut failed = 0;
    for (prepare, (fault, persistent)) in
        places.iter().flat_map(|p| [(p, (Fault::Io, false)), (p, (Fault::NoSpace, true))])
    {
        for at in 0.. {
            let disk = disk();
            prepare(&disk);
            let (before, was_there) = (disk.files(), exists(&disk, ROOT));
            let faulty = FaultVfs::new(disk.clone());
            faulty.inject(at, fault, persistent);
            let created = Store::create_in(Arc::new(faulty.clone()), ROOT, Options::new());
            if faulty.hits() == 0 {
                created.unwrap();
                break;
            }
            // What is only tidied up may fail.
            let Err(e) = created else { continue };
            assert_eq!((disk.files(), exists(&disk, ROOT)), (before, was_there), "call {at}, {fault:?}: {e}");
            failed += 1;
        }
    }
    assert!(failed > 50, "{failed}");
}

#[test]
fn destroying_removes_the_files_of_the_artifact_and_no_others() {
    let temp = tempfile::tempdir().unwrap();
    let filled = |store: Store| {
        store.put(b"sealed").unwrap();
        store.seal().unwrap();
        store.put(b"in the log").unwrap();
        store
    };
    let made = temp.path().join("made");
    filled(Store::create(&made, Options::new()).unwrap()).destroy().unwrap();
    assert!(!made.exists(), "the directory was made with it");

    let with_others = temp.path().join("with others");
    let store = filled(Store::create(&with_others, Options::new()).unwrap());
    fs::write(with_others.join("precious"), "x").unwrap();
    store.destroy().unwrap();
    assert_eq!(names(&with_others), [with_others.join("precious")]);

    let empty = temp.path().join("empty");
    fs::create_dir(&empty).unwrap();
    filled(Store::create(&empty, Options::new()).unwrap()).destroy().unwrap();
    assert_eq!(names(&empty), [] as [PathBuf; 0], "the directory was there before");

    let opened = temp.path().join("opened");
    filled(Store::create(&opened, Options::new()).unwrap()).close().unwrap();
    let (reader, _) = Store::open_read_only(&opened, Options::new()).unwrap();
    assert_eq!(reader.destroy().unwrap_err().kind(), ErrorKind::ReadOnly);
    Store::open(&opened, Options::new()).unwrap().0.destroy().unwrap();
    assert_eq!(names(&opened), [] as [PathBuf; 0], "the directory was there before");
}

#[test]
fn a_destroy_that_is_cut_short_anywhere_leaves_the_artifact_or_room_for_another() {
    let created = MemoryVfs::new();
    let store = Store::create_in(Arc::new(created.clone()), campaign::ROOT, Options::new()).unwrap();
    store.put(b"sealed").unwrap();
    store.seal().unwrap();
    store.put(b"in the log").unwrap();
    let begun = created.event_count();
    store.destroy().unwrap();
    let (mut whole, mut rubbish) = (0, 0);
    for events in begun..=created.event_count() {
        for variant in CrashVariant::standard(events as u64).into_iter().chain([CrashVariant::KILL]) {
            let disk = Arc::new(created.crash(events, variant));
            match Store::open_in(disk.clone(), campaign::ROOT, Options::new()) {
                Ok((store, _)) => {
                    assert_eq!(store.snapshot().records().map(Result::unwrap).count(), 2);
                    whole += 1;
                    continue;
                }
                Err(e) => assert_eq!(e.kind(), ErrorKind::NotFound, "{events}, {variant:?}: {e}"),
            }
            rubbish += 1;
            let made = Store::create_in(disk.clone(), campaign::ROOT, Options::new());
            let store = made.unwrap_or_else(|e| panic!("{events}, {variant:?}: {e}"));
            store.put(b"new").unwrap();
            drop(store);
            let again = disk.crash(disk.event_count(), variant);
            let (store, _) = Store::open_in(Arc::new(again), campaign::ROOT, Options::new()).unwrap();
            let content = store.snapshot().get(RecordId(0)).unwrap().unwrap().bytes().unwrap().into_owned();
            assert_eq!(content, b"new", "{events}, {variant:?}");
        }
    }
    assert!(whole > 0 && rubbish > 50, "{whole} {rubbish}");
}

#[test]
fn a_writer_that_failed_can_still_be_destroyed() {
    let disk = disk();
    let faulty = FaultVfs::new(disk.clone());
    let store = Store::create_in(Arc::new(faulty.clone()), ROOT, Options::new()).unwrap();
    faulty.inject(faulty.call_count(), Fault::NoSpace, true);
    store.put(b"no room").unwrap_err();
    store.destroy().unwrap();
    assert!(!exists(&disk, ROOT) && disk.files().is_empty());
}

#[test]
fn a_salvage_that_fails_leaves_nothing_at_its_destination() {
    let disk = disk();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, Options::new()).unwrap();
    store.put(&[7; 5000]).unwrap();
    store.seal().unwrap();
    store.close().unwrap();
    let before = disk.files();
    let faulty = FaultVfs::new(disk.clone());
    let (mut at, mut failed) = (0, 0);
    loop {
        faulty.inject(faulty.call_count() + at, Fault::NoSpace, true);
        let result = salvage_in(Arc::new(faulty.clone()), ROOT, "/d/b", Options::new());
        faulty.heal();
        match result {
            Ok(_) => break,
            Err(_) if disk.files() == before && !exists(&disk, "/d/b") => failed += 1,
            // The last call of all: everything was copied, and is there.
            Err(_) => {
                let opened = Store::open_read_only_in(Arc::new(disk.clone()), "/d/b", Options::new());
                assert_eq!(opened.unwrap().0.snapshot().records().count(), 1, "{:?}", disk.files());
                break;
            }
        }
        at += 1;
    }
    assert!(failed > 10, "{failed}");
}

/// An artifact with records in a segment and in the log, and a part.
fn salvageable() -> (MemoryVfs, usize) {
    let disk = disk();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, Options::new()).unwrap();
    for i in 0..4 {
        store.put(&[i; 5000]).unwrap();
        if i == 2 {
            store.seal().unwrap();
        }
    }
    store.edit(|edit| edit.write_part(PartKind(300), 1, |out| out.write_all(b"a part"))).unwrap();
    store.close().unwrap();
    (disk.fork(), 4)
}

/// Whether an artifact opens, with all that the original had.
fn opens_whole(disk: &MemoryVfs, records: usize) -> Result<(), ErrorKind> {
    let vfs = Arc::new(disk.clone());
    let opened = Store::open_read_only_in(vfs.clone(), "/d/b", Options::new());
    let (store, _) = opened.map_err(|e| e.kind())?;
    let snapshot = store.snapshot();
    assert_eq!((snapshot.records().count(), snapshot.parts().len()), (records, 1));
    assert_eq!(snapshot.next_id().0, records as u64);
    Store::open_in(vfs, "/d/b", Options::new()).map(drop).map_err(|e| e.kind())
}

#[test]
fn what_an_interrupted_salvage_leaves_does_not_open_and_the_next_salvage_begins_anew() {
    let (disk, records) = salvageable();
    let before = disk.event_count();
    salvage_in(Arc::new(disk.clone()), ROOT, "/d/b", Options::new()).unwrap();
    opens_whole(&disk.fork(), records).unwrap();
    let mut refused = 0;
    for events in before..=disk.event_count() {
        for variant in CrashVariant::standard(events as u64).into_iter().chain([CrashVariant::KILL]) {
            let left = disk.crash(events, variant);
            let Err(kind) = opens_whole(&left, records) else { continue };
            assert!([ErrorKind::NotFound, ErrorKind::NotAnArtifact].contains(&kind), "{events}: {kind:?}");
            if kind == ErrorKind::NotAnArtifact {
                refused += 1;
                let vfs: Arc<dyn Vfs> = Arc::new(left.clone());
                let created = Store::create_in(vfs.clone(), "/d/b", Options::new()).unwrap_err();
                let copied = salvage_in(vfs, "/d/b", "/d/c", Options::new()).unwrap_err();
                for e in [created, copied] {
                    assert!(e.to_string().contains("`salvage` is at work here, or was interrupted"), "{e}");
                }
            }
            salvage_in(Arc::new(left.clone()), ROOT, "/d/b", Options::new()).unwrap();
            opens_whole(&left, records).unwrap();
            let is_left = |path: &&PathBuf| path.starts_with("/d/b");
            assert_eq!(
                left.files().iter().filter(is_left).count(),
                disk.files().iter().filter(is_left).count()
            );
        }
    }
    assert!(refused > 50, "{refused}");
}
