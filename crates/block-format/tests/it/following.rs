//! A reader beside a writer, and what it says where something else or nothing is there.

use block_format::{ErrorKind, Options, Store, VerifyLevel};

fn options() -> Options {
    Options::new().seed(7)
}

fn count(store: &Store) -> usize {
    store.snapshot().records().map(Result::unwrap).count()
}

#[test]
fn a_reader_follows_bulk_commits_and_what_is_committed_after_them() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    let store = Store::create(&path, options()).unwrap();
    let [reader, late] = [0, 1].map(|_| Store::open_read_only(&path, options()).unwrap().0);
    for round in 1..4 {
        let mut bulk = store.bulk().unwrap();
        bulk.put(b"one").unwrap();
        bulk.put(b"two").unwrap();
        bulk.finish().unwrap();
        assert!(reader.refresh().unwrap());
        assert_eq!(count(&reader), 3 * round - 1);
        store.put(b"three").unwrap();
        for reader in [&reader, &late] {
            assert!(reader.refresh().unwrap());
            assert_eq!((count(reader), reader.last_commit()), (3 * round, store.last_commit()));
        }
    }
}

#[test]
fn a_reader_says_that_a_log_or_its_directory_is_gone() {
    let temp = tempfile::tempdir().unwrap();
    let [path, other] = ["artifact", "other"].map(|name| temp.path().join(name));
    let store = Store::create(&path, options()).unwrap();
    store.put(b"one").unwrap();
    let (reader, _) = Store::open_read_only(&path, options()).unwrap();
    let refused = |expected| {
        for _ in 0..2 {
            assert_eq!(reader.refresh().unwrap_err().kind(), expected);
            assert_eq!(count(&reader), 1);
        }
    };
    let log = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let log = log.filter(|path| path.to_string_lossy().contains("log-")).last().unwrap();
    std::fs::rename(&log, &other).unwrap();
    refused(ErrorKind::MissingFile);
    std::fs::copy(&other, &log).unwrap();
    refused(ErrorKind::Foreign);
    std::fs::rename(&other, &log).unwrap();
    assert!(!reader.refresh().unwrap());

    std::fs::rename(&path, &other).unwrap();
    refused(ErrorKind::NotFound);
    assert_eq!(reader.verify(VerifyLevel::Decode).unwrap_err().kind(), ErrorKind::NotFound);
    std::fs::write(&path, b"a file").unwrap();
    refused(ErrorKind::NotAnArtifact);
    std::fs::remove_file(&path).unwrap();
    std::fs::rename(&other, &path).unwrap();
    store.put(b"two").unwrap();
    assert!(reader.refresh().unwrap());
    assert_eq!(count(&reader), 2);
}

#[test]
fn a_reader_that_came_while_a_generation_was_begun_follows_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    let store = Store::create(&path, options()).unwrap();
    store.put(b"one").unwrap();
    let names = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
    let newest = names.filter_map(|name| {
        let name = name.into_string().unwrap();
        u64::from_str_radix(name.strip_prefix("manifest-")?.strip_suffix("-0")?, 16).ok()
    });
    let begun = path.join(format!("manifest-{:016x}-0", newest.max().unwrap() + 1));
    std::fs::write(&begun, b"").unwrap();
    let (reader, _) = Store::open_read_only(&path, options()).unwrap();
    std::fs::remove_file(&begun).unwrap();
    store
        .edit(|edit| {
            let _logs = edit.logs_to_seal()?; // the log was ended, and is not sealed yet
            store.put(b"two")?;
            assert!(begun.exists());
            assert!(reader.refresh()?);
            assert_eq!(count(&reader), 2);
            Ok(())
        })
        .unwrap();
}
