//! A file that is not ours, hostile bytes, wrong arguments: each a typed error that says what and where.

use std::fs;
use std::path::Path;

use block_format::{ErrorKind, Options, Store, VerifyLevel, salvage, verify};

fn kind_of(path: &Path) -> ErrorKind {
    let kinds = [
        Store::open(path, Options::new()).unwrap_err(),
        Store::open_read_only(path, Options::new()).unwrap_err(),
        verify(path, VerifyLevel::Decode).unwrap_err(),
    ];
    for error in &kinds {
        assert!(error.to_string().contains(path.to_str().unwrap()), "says where: {error}");
    }
    assert_eq!(kinds[0].kind(), kinds[1].kind());
    kinds[0].kind()
}

fn file_in(path: &Path, prefix: &str) -> std::path::PathBuf {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|f| f.file_name().unwrap().to_str().unwrap().starts_with(prefix)).unwrap()
}

/// A closed artifact with a sealed segment and a log.
fn sample(path: &Path) -> Store {
    let store = Store::create(path, Options::new()).unwrap();
    store.put(b"sealed").unwrap();
    store.seal().unwrap();
    store.put(b"in the log").unwrap();
    store
}

#[test]
fn what_is_not_an_artifact_is_refused_and_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let missing = temp.path().join("missing");
    assert_eq!(kind_of(&missing), ErrorKind::NotFound);
    assert!(!missing.exists(), "opening creates nothing");

    let empty = temp.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(kind_of(&empty), ErrorKind::NotFound);
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "opening leaves nothing behind");

    let file = temp.path().join("file");
    fs::write(&file, "hello").unwrap();
    assert_eq!(kind_of(&file), ErrorKind::NotAnArtifact);
    assert_eq!(Store::create(&file, Options::new()).unwrap_err().kind(), ErrorKind::AlreadyExists);

    let store = sample(&temp.path().join("a"));
    store.close().unwrap();
    let again = Store::create(temp.path().join("a"), Options::new());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let orphan = Store::create(temp.path().join("no/parent"), Options::new());
    assert_eq!(orphan.unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn zero_length_directories_and_fifos_in_place_of_files_are_typed_errors() {
    for prefix in ["segment", "log", "manifest"] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        sample(&path).close().unwrap();
        let file = file_in(&path, prefix);
        let bytes = fs::read(&file).unwrap();
        let expected = |kind: ErrorKind| if prefix == "manifest" { None } else { Some(kind) };
        let found = || Store::open(&path, Options::new()).err().map(|e| e.kind());

        fs::write(&file, "").unwrap();
        assert_eq!(found(), expected(ErrorKind::Truncated), "{prefix} of length zero");
        fs::write(&file, [bytes[0]]).unwrap();
        let said = Store::open(&path, Options::new()).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(!said.contains("1 bytes"), "{said}");
        let name = file_in(&path, prefix);
        fs::remove_file(&name).unwrap();
        fs::create_dir(&name).unwrap();
        assert_eq!(found(), expected(ErrorKind::NotAnArtifact), "{prefix} is a directory");
        if name.exists() {
            fs::remove_dir(&name).unwrap();
            let status = std::process::Command::new("mkfifo").arg(&name).status().unwrap();
            assert!(status.success());
            assert_eq!(found(), expected(ErrorKind::NotAnArtifact), "{prefix} is a FIFO");
            let _ = fs::remove_file(&name);
        }
        assert_eq!(found(), expected(ErrorKind::MissingFile), "{prefix} is missing");
        if prefix != "manifest" {
            fs::write(&name, bytes).unwrap();
            assert_eq!(found(), None);
        }
    }
}

#[test]
fn a_file_of_another_artifact_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let (one, two) = (temp.path().join("one"), temp.path().join("two"));
    sample(&one).close().unwrap();
    sample(&two).close().unwrap();
    for prefix in ["segment", "log"] {
        let (theirs, ours) = (file_in(&one, prefix), file_in(&two, prefix));
        let before = fs::read(&ours).unwrap();
        fs::copy(theirs, &ours).unwrap();
        assert_eq!(Store::open(&two, Options::new()).unwrap_err().kind(), ErrorKind::Foreign, "{prefix}");
        fs::write(&ours, before).unwrap();
    }
    Store::open(&two, Options::new()).unwrap();
}

#[test]
fn options_outside_their_limits_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    for options in [
        Options::new().block_len(511),
        Options::new().block_len(2 << 20),
        Options::new().segment_len(1),
        Options::new().segment_len(2 << 30),
        Options::new().inline_max(2 << 20),
        Options::new().frame_len(0),
        Options::new().compression(block_format::Compression::Zstd(0)),
        Options::new().compression(block_format::Compression::Zstd(23)),
    ] {
        let error = Store::create(&path, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("expected"), "{error}");
    }
    assert!(!path.exists());
}

#[test]
fn salvage_keeps_every_sound_record_without_any_manifest() {
    let temp = tempfile::tempdir().unwrap();
    let (path, saved) = (temp.path().join("a"), temp.path().join("saved"));
    let store = sample(&path);
    store.delete(block_format::RecordId(0)).unwrap();
    store.put(&vec![7; 3 << 20]).unwrap();
    store.close().unwrap();
    for copy in 0..2 {
        let manifest = file_in(&path, "manifest");
        assert!(manifest.exists(), "copy {copy}");
        fs::remove_file(manifest).unwrap();
    }
    assert_eq!(kind_of_open(&path), ErrorKind::Damaged);
    let report = salvage(&path, &saved, Options::new()).unwrap();
    assert_eq!((report.records, report.lost.len()), (2, 0), "{report:?}");
    let (store, _) = Store::open(&saved, Options::new()).unwrap();
    let contents: Vec<_> =
        store.snapshot().records().map(|r| r.unwrap().bytes().unwrap().into_owned()).collect();
    assert_eq!(contents, [b"in the log".to_vec(), vec![7; 3 << 20]]);
    assert_eq!(store.snapshot().next_id().0, 3);
}

fn kind_of_open(path: &Path) -> ErrorKind {
    Store::open(path, Options::new()).unwrap_err().kind()
}
