//! A pack has what the snapshot has; what is not one, or not whole, is said.

use std::io::Write as _;
use std::sync::Arc;

use block_format::{ErrorKind, Options, PackVfs, PartKind, RecordId, Store, VerifyLevel, verify_in};

use crate::campaign::{Model, content, options};

/// A pack with segments, a set of deleted ids and a part.
fn packed() -> (Vec<u8>, Model) {
    let disk = block_format::vfs::MemoryVfs::new();
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

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}
