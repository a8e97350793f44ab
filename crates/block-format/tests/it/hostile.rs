//! What people and programs do to the directory: locks removed, links, sparse files, files put into it, lists damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use block_format::vfs::{CrashVariant, MemoryVfs};
use block_format::{
    ErrorKind, Options, PackVfs, RecordId, Step, Store, VerifyLevel, salvage, salvage_in, verify, verify_in,
};

use crate::campaign::{Model, ROOT, content, open, options};

fn files(disk: &MemoryVfs, kind: &str) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.to_string_lossy().contains(kind)).collect()
}

/// A closed artifact whose only parts are the list of deleted ids.
fn with_deletes(left_out: Option<Step>) -> block_format::Result<(MemoryVfs, Model)> {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options(left_out))?;
    for salt in 0..20 {
        store.put(&content(200, salt))?;
    }
    store.seal()?;
    store.delete(RecordId(3))?;
    store.delete(RecordId(11))?;
    store.seal()?;
    let model = Model::of(&store).unwrap();
    store.close()?;
    Ok((disk, model))
}

/// Each copy of the list of deleted ids missing, cut off and changed: nothing is lost, and the next edit writes it anew.
pub(crate) fn one_copy_of_the_deletes(left_out: Option<Step>) -> Result<u64, String> {
    let text = |e: block_format::Error| e.to_string();
    let (disk, model) = with_deletes(left_out).map_err(text)?;
    let (options, mut cases) = (options(left_out), 0);
    for path in files(&disk, "part-") {
        let bytes = disk.read_file(&path).unwrap();
        let flip = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            Some(bytes)
        };
        let flips = (0..bytes.len()).map(flip);
        for changed in flips.chain([None, Some(bytes[..bytes.len() / 2].to_vec()), Some(Vec::new())]) {
            let left = disk.fork();
            match changed {
                Some(bytes) => left.write_file(&path, bytes),
                None => left.remove_file(&path),
            }
            let report =
                verify_in(Arc::new(left.clone()), ROOT, VerifyLevel::Decode, &options).map_err(text)?;
            let named = report.damage.iter().any(|damage| damage.path == path && damage.is_derived);
            if !named {
                return Err(format!("verify does not name the damaged copy, but {:?}", report.damage));
            }
            let (reader, _) =
                Store::open_read_only_in(Arc::new(left.clone()), ROOT, options.clone()).map_err(text)?;
            let saved = salvage_in(Arc::new(left.clone()), ROOT, "/saved", options.clone()).map_err(text)?;
            if saved.records != model.records.len() as u64 || saved.deletes_incomplete {
                return Err(format!("salvage kept {saved:?}"));
            }
            let (store, _) = open(&left, &options).map_err(text)?;
            store.edit(|_| Ok(())).map_err(text)?;
            let found = [Model::of(&reader)?, Model::of(&store)?];
            if found.iter().any(|found| *found != model) {
                return Err("a deleted record is back".to_owned());
            }
            let report = store.verify(VerifyLevel::Decode).map_err(text)?;
            if !report.is_sound() || files(&left, &format!("{ROOT}/part-")).len() != 2 {
                return Err(format!("the copy was not written anew: {:?}", report.damage));
            }
            cases += 1;
        }
    }
    Ok(cases)
}

#[test]
fn one_damaged_list_of_deleted_ids_keeps_nobody_out_and_loses_nothing() {
    let cases = one_copy_of_the_deletes(None).unwrap_or_else(|e| panic!("{e}"));
    assert!(cases > 200, "{cases}");
}

#[test]
fn without_a_sound_list_of_deleted_ids_opening_says_so_and_salvage_keeps_all_records() {
    let (disk, model) = with_deletes(None).unwrap();
    for path in files(&disk, "part-") {
        let mut bytes = disk.read_file(&path).unwrap();
        bytes[9] ^= 1;
        disk.write_file(&path, bytes);
    }
    for error in [
        open(&disk, &options(None)).unwrap_err(),
        Store::open_read_only_in(Arc::new(disk.clone()), ROOT, options(None)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains("`salvage` keeps all"), "{error}");
    }
    let saved = salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options(None)).unwrap();
    assert!(saved.deletes_incomplete, "it says that deleted ones may be back");
    assert!(saved.records >= model.records.len() as u64);
}

/// A lock that is removed by hand lets another writer in: the first one must not go on.
pub(crate) fn removed_lock(left_out: Option<Step>) -> Result<u64, String> {
    let disk = MemoryVfs::new();
    let (options, text) = (options(left_out), |e: block_format::Error| e.to_string());
    let first = Store::create_in(Arc::new(disk.clone()), ROOT, options.clone()).map_err(text)?;
    first.put(b"first").map_err(text)?;
    disk.remove_file(format!("{ROOT}/LOCK"));
    let (second, _) = open(&disk, &options).map_err(text)?;
    second.put(b"second").map_err(text)?;
    for refused in [first.put(b"lost").map(drop), first.seal().map(drop), first.close()] {
        match refused {
            Err(e) if e.kind() == ErrorKind::Locked => {}
            other => return Err(format!("two writers: {other:?}")),
        }
    }
    second.put(b"third").map_err(text)?;
    Ok(Model::of(&second)?.records.len() as u64)
}

#[test]
fn a_writer_whose_lock_was_removed_commits_nothing_more() {
    assert_eq!(removed_lock(None), Ok(3));
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let first = Store::create(&path, Options::new()).unwrap();
    first.put(b"first").unwrap();
    std::fs::remove_file(path.join("LOCK")).unwrap();
    assert_eq!(first.put(b"gone").unwrap_err().kind(), ErrorKind::Locked);
    let (second, _) = Store::open(&path, Options::new()).unwrap();
    let error = first.put(b"replaced").unwrap_err();
    assert!(error.kind() == ErrorKind::Locked && error.to_string().contains("LOCK"), "{error}");
    drop(first);
    assert_eq!(
        Store::open(&path, Options::new()).unwrap_err().kind(),
        ErrorKind::Locked,
        "the second has it"
    );
    assert_eq!(second.snapshot().records().count(), 1);
}

#[cfg(unix)]
#[test]
fn links_in_the_place_of_files_that_are_written_are_refused() {
    use std::os::unix::fs::symlink;
    let temp = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (temp.path().join("a"), temp.path().join("elsewhere"));
    let store = Store::create(&path, Options::new()).unwrap();
    store.put(b"one").unwrap();
    store.close().unwrap();
    std::fs::remove_file(path.join("LOCK")).unwrap();
    symlink(&elsewhere, path.join("LOCK")).unwrap();
    let error = Store::open(&path, Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAnArtifact, "{error}");
    assert!(!elsewhere.exists(), "nothing was made where the link leads");
    let empty = temp.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    symlink(&elsewhere, empty.join("LOCK")).unwrap();
    assert!(Store::create(&empty, Options::new()).is_err() && !elsewhere.exists());
    std::fs::remove_file(path.join("LOCK")).unwrap();
    let names = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let log = names.into_iter().find(|path| path.to_string_lossy().contains("log-")).unwrap();
    std::fs::rename(&log, &elsewhere).unwrap();
    symlink(&elsewhere, &log).unwrap();
    let before = std::fs::read(&elsewhere).unwrap();
    assert_eq!(Store::open(&path, Options::new()).unwrap_err().kind(), ErrorKind::NotAnArtifact);
    assert_eq!(std::fs::read(&elsewhere).unwrap(), before, "nothing was written through the link");
    let (reader, _) = Store::open_read_only(&path, Options::new()).unwrap();
    assert_eq!(reader.snapshot().records().count(), 1, "reading through it does no harm");
}

#[test]
fn thirty_kills_while_sealing_leave_no_more_files_than_a_few() {
    let manual = options(None).auto_seal(false); // as whoever builds indexes on this store has it
    let mut disk = MemoryVfs::new();
    drop(Store::create_in(Arc::new(disk.clone()), ROOT, manual.clone()).unwrap());
    for kill in 0..30u64 {
        let (store, _) = open(&disk, &manual).unwrap();
        store.put(&content(100, kill)).unwrap();
        let before = disk.event_count();
        store.seal().unwrap();
        let created = (before..disk.event_count()).rposition(|event| {
            matches!(disk.event(event), block_format::vfs::Event::Create { path, .. } if path.to_string_lossy().contains("segment-"))
        });
        disk = disk.crash(before + created.unwrap() + 1, CrashVariant::KILL);
    }
    let (store, _) = open(&disk, &manual).unwrap();
    let logs = files(&disk, "log-").len();
    println!("{logs} logs after 30 kills while sealing");
    assert!(logs <= 10, "{logs}: {:?}", disk.files());
    assert_eq!(store.snapshot().records().count(), 30);
}

fn sparse(path: &Path) -> bool {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 40).is_ok()
}

#[test]
fn a_sparse_file_of_a_tebibyte_costs_what_is_allocated_of_it() {
    let temp = tempfile::tempdir().unwrap();
    let (original, pack) = (temp.path().join("original"), temp.path().join("pack"));
    let store = Store::create(&original, Options::new()).unwrap();
    let fill = |store: &Store| (0..50).for_each(|salt| assert!(store.put(&content(500, salt)).is_ok()));
    fill(&store);
    store.delete(RecordId(4)).unwrap();
    store.seal().unwrap();
    store.pack_to(&store.snapshot(), &pack).unwrap();
    fill(&store);
    drop(store);
    let names: Vec<_> =
        std::fs::read_dir(&original).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for (number, kind) in ["log-", "segment-", "part-"].into_iter().enumerate() {
        let copy = temp.path().join(format!("copy-{number}"));
        std::fs::create_dir(&copy).unwrap();
        for name in &names {
            std::fs::copy(original.join(name), copy.join(name)).unwrap();
        }
        let Some(name) = names.iter().find(|name| name.to_string_lossy().starts_with(kind)) else { continue };
        if !sparse(&copy.join(name)) {
            return; // this file system has no files of that length
        }
        let begun = Instant::now();
        let report = verify(&copy, VerifyLevel::Decode).unwrap();
        assert_eq!(report.is_sound(), kind == "log-", "{kind}: {:?}", report.damage);
        let saved = salvage(&copy, temp.path().join(format!("saved-{number}")), Options::new()).unwrap();
        assert_eq!(saved.records, 99, "{kind}");
        let (store, _) = Store::open(&copy, Options::new()).unwrap();
        assert_eq!(store.snapshot().records().count(), 99, "{kind}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{kind}: {:?}", begun.elapsed());
    }
    assert!(sparse(&pack));
    let begun = Instant::now();
    PackVfs::open(&pack, 0, &Options::new()).unwrap().verify().unwrap();
    let saved = salvage(&pack, temp.path().join("saved-pack"), Options::new()).unwrap();
    assert_eq!(saved.records, 49);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn nothing_else_is_written_into_the_directory_of_an_artifact() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, Options::new()).unwrap();
    store.put(b"one").unwrap();
    store.seal().unwrap();
    let pack = temp.path().join("pack");
    store.pack_to(&store.snapshot(), &pack).unwrap();
    let inside = path.join("part-00000000000000ff");
    let packed = PackVfs::open(&pack, 0, &Options::new()).unwrap();
    for refused in [
        store.pack_to(&store.snapshot(), &inside).map(drop),
        packed.unpack(&inside, &Options::new()).map(drop),
        salvage(&path, &inside, Options::new()).map(drop),
        salvage(&path, path.join("saved"), Options::new()).map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    assert!(!inside.exists());
}

#[test]
fn salvage_keeps_what_is_sound_in_a_damaged_pack() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::create(temp.path().join("a"), options(None)).unwrap();
    (0..60).for_each(|salt| assert!(store.put(&content(400, salt)).is_ok()));
    store.delete(RecordId(5)).unwrap();
    store.seal().unwrap();
    let pack = temp.path().join("pack");
    store.pack_to(&store.snapshot(), &pack).unwrap();
    let bytes = std::fs::read(&pack).unwrap();
    let damaged = temp.path().join("damaged");
    let kept = |name: &str, changed: &[u8]| {
        std::fs::write(&damaged, changed).unwrap();
        let to = temp.path().join(format!("saved-{name}"));
        let report = salvage(&damaged, &to, options(None)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (saved, _) = Store::open(&to, options(None)).unwrap();
        for record in saved.snapshot().records().map(Result::unwrap) {
            assert_eq!(&*record.bytes().unwrap(), &content(400, record.id().0)[..], "{name}");
        }
        report.records
    };
    assert_eq!(kept("sound", &bytes), 59);
    for at in [0, 9, 40, 70, 100, 4096, 4096 + 70, 8192] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(kept(&format!("flip-{at}"), &changed), 59, "byte {at}");
    }
    let (mut beginning, most) = (bytes.clone(), &bytes[..bytes.len() / 4 * 3]);
    beginning[..8192].fill(0); // header, table and one copy of the manifest
    assert_eq!(kept("beginning", &beginning), 59);
    assert!((10..59).contains(&kept("most", most)), "what is not cut off");
}

/// Writes `bytes` over the beginning of a file.
#[cfg(unix)]
fn overwrite(path: &Path, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
}

#[cfg(unix)]
#[test]
fn forged_lengths_over_a_sparse_file_are_refused_before_all_of_it_is_hashed() {
    const LEN: u64 = 1 << 40;
    let temp = tempfile::tempdir().unwrap();
    let (artifact, pack) = (temp.path().join("artifact"), temp.path().join("pack"));
    let store = Store::create(&artifact, Options::new()).unwrap();
    (0..50).for_each(|salt| assert!(store.put(&content(500, salt)).is_ok()));
    store.seal().unwrap();
    store.pack_to(&store.snapshot(), &pack).unwrap();
    store.close().unwrap();
    let names: Vec<_> = std::fs::read_dir(&artifact).unwrap().map(|entry| entry.unwrap().path()).collect();
    let of_kind = |kind: &'static str| names.iter().filter(move |path| path.to_string_lossy().contains(kind));
    if !sparse(of_kind("segment-").next().unwrap()) || !sparse(&pack) {
        return; // this file system has no files of that length
    }
    let begun = Instant::now();

    // The length of the only segment, in both manifests.
    for path in of_kind("manifest-") {
        let mut bytes = std::fs::read(path).unwrap();
        let hashed = bytes.len() - 16;
        bytes[72..80].copy_from_slice(&LEN.to_le_bytes());
        let hash = xxhash_rust::xxh3::xxh3_128(&bytes[..hashed]);
        bytes[hashed..].copy_from_slice(&hash.to_le_bytes());
        overwrite(path, &bytes);
    }
    let report = verify(&artifact, VerifyLevel::Decode).unwrap();
    let holes: Vec<_> = report.damage.iter().filter(|damage| damage.message.contains("holes")).collect();
    assert!(holes.len() == 1 && holes[0].kind == ErrorKind::Damaged, "{:?}", report.damage);
    let saved = salvage(&artifact, temp.path().join("saved"), Options::new()).unwrap();
    assert_eq!(saved.records, 50);

    // The length of the pack, in its header.
    let mut header = [0; 64];
    std::os::unix::fs::FileExt::read_exact_at(&std::fs::File::open(&pack).unwrap(), &mut header, 0).unwrap();
    header[32..40].copy_from_slice(&LEN.to_le_bytes());
    let crc = crc32fast::hash(&header[..60]);
    header[60..].copy_from_slice(&crc.to_le_bytes());
    overwrite(&pack, &header);
    for memory_mapping in [true, false] {
        let opened = PackVfs::open(&pack, 0, &Options::new().memory_mapping(memory_mapping)).unwrap();
        assert_eq!(opened.verify().unwrap_err().kind(), ErrorKind::Damaged);
        let unpacked = opened.unpack(temp.path().join("unpacked"), &Options::new());
        assert_eq!(unpacked.unwrap_err().kind(), ErrorKind::Damaged);
    }
    let (store, _) = Store::open_packed(&pack, Options::new()).unwrap();
    assert_eq!(store.snapshot().records().count(), 50);
    assert!(!store.verify(VerifyLevel::Checksums).unwrap().is_sound());
    let saved = salvage(&pack, temp.path().join("saved-pack"), Options::new()).unwrap();
    assert_eq!(saved.records, 50);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
