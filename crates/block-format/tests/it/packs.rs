//! A pack has what the snapshot has; what is not one, or not whole, is said.

use std::io::Write as _;
use std::sync::Arc;

use block_format::vfs::{CrashVariant, Fault, FaultVfs, MemoryVfs, Vfs};
use block_format::{ErrorKind, Options, PackVfs, PartKind, RecordId, Step, Store, VerifyLevel, verify_in};

use crate::campaign::{Model, ROOT, content, open, options};
use crate::lying::LyingVfs;

/// A pack with segments, a set of deleted ids and a part.
fn packed() -> (Vec<u8>, Model) {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk), "/a", options(None)).unwrap();
    for i in 0..40 {
        store.put(&content(if i % 9 == 4 { 1800 } else { 120 }, i)).unwrap();
    }
    store.seal().unwrap();
    store.delete(RecordId(7)).unwrap();
    store
        .edit(|edit| {
            edit.seal_logs()?;
            edit.write_part(PartKind(300), 5, |part| part.write_all(&content(300, 5)))
        })
        .unwrap();
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let report = store.pack(&store.snapshot(), &mut one).unwrap();
    assert_eq!(report.len, one.len() as u64);
    assert_eq!(store.pack(&store.snapshot(), &mut two).unwrap(), report);
    assert!(one == two, "the same snapshot gives the same bytes");
    (one, Model::of(&store).unwrap())
}

fn check(store: &Store, model: &Model) {
    assert_eq!(&Model::of(store).unwrap(), model);
    assert!(store.snapshot().is_deleted(RecordId(7)));
    let error = store.put(b"no").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
}

#[test]
fn a_pack_opens_from_bytes_from_a_path_and_from_within_a_larger_file() {
    let (bytes, model) = packed();
    let temp = tempfile::tempdir().unwrap();
    for before in [0, 1, 64, 4096] {
        let path = temp.path().join(format!("pack-{before}"));
        let mut file = vec![0xAA; before];
        file.extend(&bytes);
        file.extend([0xBB; 33]);
        std::fs::write(&path, &file).unwrap();
        for mapped in [true, false] {
            let options = Options::new().memory_mapping(mapped);
            let (store, report) = Store::open_packed_at(&path, before as u64, options).unwrap();
            assert!(report.is_clean(), "{report:?}");
            check(&store, &model);
        }
        let part = |store: &Store| store.snapshot().parts().iter().find(|p| p.tag() == 5).cloned().unwrap();
        let shared: Arc<[u8]> = file[before..].into();
        let (store, _) = Store::open_packed_bytes(shared, Options::new()).unwrap();
        check(&store, &model);
        let part = part(&store);
        let content = part.content().unwrap();
        assert!(matches!(content, std::borrow::Cow::Borrowed(_)), "not copied");
        assert!(content.as_ptr().addr().is_multiple_of(64), "aligned");
        PackVfs::from_bytes(file[before..].to_vec()).unwrap().verify().unwrap();
    }
    assert_eq!(
        Store::open_packed(temp.path().join("none"), Options::new()).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_pack_on_disk_is_new_and_what_fails_leaves_none() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::create(temp.path().join("a"), Options::new()).unwrap();
    store.put(b"one").unwrap();
    let path = temp.path().join("pack");
    let unsealed = store.pack_to(&store.snapshot(), &path);
    assert_eq!(unsealed.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(!path.exists());
    store.seal().unwrap();
    let report = store.pack_to(&store.snapshot(), &path).unwrap();
    assert_eq!(report.len, std::fs::metadata(&path).unwrap().len());
    let bytes = std::fs::read(&path).unwrap();
    assert!(store.pack_to(&store.snapshot(), &path).is_err(), "what is there is not written over");
    assert!(bytes == std::fs::read(&path).unwrap(), "and not removed");
    let (store, _) = Store::open_packed(&path, Options::new()).unwrap();
    assert_eq!(store.snapshot().records().count(), 1);
}

#[test]
fn what_is_not_a_whole_pack_is_a_typed_error_and_flips_are_found() {
    let (bytes, model) = packed();
    for len in (0..bytes.len()).step_by(911).chain([0, 1, 63, 64, bytes.len() - 1]) {
        let error = PackVfs::from_bytes(bytes[..len].to_vec()).unwrap_err();
        let expected = [ErrorKind::Truncated, ErrorKind::NotAnArtifact];
        assert!(expected.contains(&error.kind()), "{len}: {error}");
    }
    let mut newer = bytes.clone();
    newer[8] += 1;
    let crc = crc32(&newer[..60]).to_le_bytes();
    newer[60..64].copy_from_slice(&crc);
    assert_eq!(PackVfs::from_bytes(newer).unwrap_err().kind(), ErrorKind::NewerFormat);
    for at in (0..bytes.len()).step_by(577).chain(0..64 + 6 * 48) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x20;
        let Ok(vfs) = PackVfs::from_bytes(flipped) else { continue };
        assert!(vfs.verify().is_err(), "byte {at}");
        let vfs = Arc::new(vfs);
        drop(verify_in(vfs.clone(), "", VerifyLevel::Decode, &Options::new()));
        if let Ok((store, _)) = Store::open_read_only_in(vfs, "", Options::new())
            && let Ok(found) = Model::of(&store)
        {
            assert_eq!(found, model, "byte {at}: nothing is read wrong");
        }
    }
}

fn has_manifest(disk: &MemoryVfs) -> bool {
    disk.files().iter().any(|path| path.to_string_lossy().contains("manifest-"))
}

/// A crash at every event while a pack is unpacked: all of it is there, or nothing that opens; when it has returned, all of it.
pub(crate) fn crashes_while_unpacking(left_out: Option<Step>) -> Result<u64, String> {
    let (bytes, model) = packed();
    let pack = PackVfs::from_bytes(bytes).map_err(|e| e.to_string())?;
    let disk = MemoryVfs::new();
    let options = options(left_out);
    pack.unpack_in(Arc::new(disk.clone()), ROOT, &options).map_err(|e| e.to_string())?;
    let mut states = 0;
    for events in 0..=disk.event_count() {
        for variant in CrashVariant::standard(events as u64).into_iter().chain([CrashVariant::KILL]) {
            let left = disk.crash(events, variant);
            let say = |e: String| format!("after {events} events, {variant:?}: {e}");
            match open(&left, &options) {
                Ok((store, _)) if Model::of(&store).map_err(say)? == model => {}
                Ok(_) => return Err(say("half of it is there".to_owned())),
                Err(e) if events == disk.event_count() => return Err(say(e.to_string())),
                // What there is to do depends on what it is.
                Err(e) if e.kind() == ErrorKind::Damaged && !has_manifest(&left) => {
                    if !e.to_string().contains("that never finished") {
                        return Err(say(e.to_string()));
                    }
                }
                Err(_) => {}
            }
            states += 1;
        }
    }
    Ok(states)
}

/// Bits flipped in sealed files: a pack of them is an error, never a file that looks like a sound one.
pub(crate) fn packs_of_damaged_files(left_out: Option<Step>, stride: usize) -> Result<u64, String> {
    let (bytes, _) = packed();
    let pack = PackVfs::from_bytes(bytes.clone()).map_err(|e| e.to_string())?;
    let disk = MemoryVfs::new();
    let options = options(left_out);
    pack.unpack_in(Arc::new(disk.clone()), ROOT, &options).map_err(|e| e.to_string())?;
    let is_sealed = |name: &str| name.contains("segment-") || name.contains("part-");
    let mut flips = 0;
    for path in disk.files().into_iter().filter(|path| is_sealed(&path.to_string_lossy())) {
        let sound = disk.read_file(&path).unwrap_or_default();
        for bit in (0..sound.len() * 8).step_by(stride) {
            let (changed, mut flipped) = (disk.fork(), sound.clone());
            flipped[bit / 8] ^= 1 << (bit % 8);
            changed.write_file(&path, flipped);
            flips += 1;
            let Ok((store, _)) = Store::open_read_only_in(Arc::new(changed), ROOT, options.clone()) else {
                continue;
            };
            let mut out = Vec::new();
            match store.pack(&store.snapshot(), &mut out) {
                Err(e) if e.kind() == ErrorKind::Damaged && e.path() == Some(&*path) => {}
                other => return Err(format!("{}, bit {bit}: {other:?}", path.display())),
            }
        }
    }
    Ok(flips)
}

#[test]
fn no_pack_is_made_of_a_file_that_is_damaged() {
    let flips = packs_of_damaged_files(None, 97).unwrap_or_else(|e| panic!("{e}"));
    println!("flips, each of which keeps a pack from being made: {flips}");
    assert!(flips > 500, "{flips}");
}

/// A medium that does not keep what is unpacked onto it: an error, and no files.
pub(crate) fn unpacking_onto_a_lying_medium(left_out: Option<Step>) -> Result<u64, String> {
    let (bytes, _) = packed();
    let pack = PackVfs::from_bytes(bytes).map_err(|e| e.to_string())?;
    let disk = MemoryVfs::new();
    let lying: Arc<dyn Vfs> = Arc::new(LyingVfs(disk.clone()));
    if pack.unpack_in(lying, ROOT, &options(left_out)).is_ok() {
        return Err("unpacking noticed nothing".to_owned());
    }
    match disk.files().iter().find(|path| !path.ends_with("LOCK")) {
        None => Ok(1),
        Some(path) => Err(format!("{} is left", path.display())),
    }
}

#[test]
fn an_interrupted_unpacking_leaves_nothing_that_opens_and_a_finished_one_everything() {
    let states = crashes_while_unpacking(None).unwrap_or_else(|e| panic!("{e}"));
    println!("crash states of unpacking: {states}");
    assert!(states > 400, "{states}");
    unpacking_onto_a_lying_medium(None).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_pack_becomes_a_directory_that_can_be_written_to() {
    let (bytes, model) = packed();
    let temp = tempfile::tempdir().unwrap();
    let inside = temp.path().join("inside");
    std::fs::write(&inside, [vec![7; 100], bytes.clone()].concat()).unwrap();
    let packs = [PackVfs::from_bytes(bytes).unwrap(), PackVfs::open(&inside, 100, &Options::new()).unwrap()];
    for (number, pack) in packs.into_iter().enumerate() {
        let to = temp.path().join(format!("to-{number}"));
        let report = pack.unpack(&to, &Options::new()).unwrap();
        assert_eq!(report.files, std::fs::read_dir(&to).unwrap().count() as u64 - 1, "all but the lock");
        let (store, found) = Store::open(&to, Options::new()).unwrap();
        assert!(found.is_clean(), "{found:?}");
        assert_eq!(Model::of(&store).unwrap(), model);
        assert_eq!(store.put(b"more").unwrap().0, model.next_id);
        store.close().unwrap();
        let again = pack.unpack(&to, &Options::new()).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{again}");
        let (store, _) = Store::open(&to, Options::new()).unwrap();
        assert_eq!(store.snapshot().next_id().0, model.next_id + 1, "what is there is not touched");
        let occupied = temp.path().join("occupied");
        std::fs::create_dir_all(&occupied).unwrap();
        std::fs::write(occupied.join("thesis.txt"), "mine").unwrap();
        assert_eq!(pack.unpack(&occupied, &Options::new()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_dir(&occupied).unwrap().count(), 1, "and nothing is left there");
    }
}

#[test]
fn a_failed_unpacking_leaves_no_files_and_can_be_tried_again() {
    let (bytes, model) = packed();
    let pack = PackVfs::from_bytes(bytes.clone()).unwrap();
    let calls = {
        let clean = FaultVfs::new(MemoryVfs::new());
        pack.unpack_in(Arc::new(clean.clone()), ROOT, &options(None)).unwrap();
        clean.call_count()
    };
    for at in 0..calls {
        for fault in [Fault::Io, Fault::NoSpace, Fault::ShortWrite, Fault::SyncLost] {
            let disk = MemoryVfs::new();
            let faulty = FaultVfs::new(disk.clone());
            faulty.inject(at, fault, false);
            let result = pack.unpack_in(Arc::new(faulty.clone()), ROOT, &options(None));
            if result.is_ok() {
                continue; // a file that is half written is written on
            }
            let left = disk.files().into_iter().filter(|path| !path.ends_with("LOCK")).count();
            assert_eq!(left, 0, "{fault:?} at {at}");
            pack.unpack_in(Arc::new(faulty), ROOT, &options(None)).unwrap();
            assert_eq!(Model::of(&open(&disk, &options(None)).unwrap().0).unwrap(), model);
        }
    }
    for at in (64..bytes.len()).step_by(997) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        let Ok(pack) = PackVfs::from_bytes(flipped) else { continue };
        let disk = MemoryVfs::new();
        let error = pack.unpack_in(Arc::new(disk.clone()), ROOT, &options(None)).unwrap_err();
        assert_eq!((error.kind(), disk.files().len()), (ErrorKind::Damaged, 0), "byte {at}: {error}");
    }
}

/// Where many files lie in one place, unpacking would write it many times.
#[test]
fn files_that_lie_over_each_other_are_damage() {
    let (bytes, _) = packed();
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..][..4].try_into().unwrap());
    let (table, files) = (64, u32_at(40) as usize);
    assert!(files > 2 && crc32(&bytes[table..][..files * 48]) == u32_at(44));
    for file in 1..files {
        let mut forged = bytes.clone();
        let before = table + (file - 1) * 48;
        let place = forged[before + 32..][..8].to_vec();
        forged[before + 48 + 32..][..8].copy_from_slice(&place);
        let crc = crc32(&forged[table..][..files * 48]);
        forged[44..48].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32(&forged[..60]);
        forged[60..64].copy_from_slice(&crc.to_le_bytes());
        let disk = MemoryVfs::new();
        let unpacked = PackVfs::from_bytes(forged)
            .and_then(|pack| pack.unpack_in(Arc::new(disk.clone()), ROOT, &options(None)));
        let error = unpacked.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(
            error.to_string().contains("does not lie where it can") && disk.files().is_empty(),
            "{error}"
        );
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}
