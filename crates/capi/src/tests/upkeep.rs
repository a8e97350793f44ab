//! Packs, verifying, salvaging, statistics.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

static RELEASED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn release(context: *mut c_void) {
    RELEASED.fetch_add(context.addr(), Ordering::SeqCst);
}

#[test]
fn packs_open_from_a_path_an_offset_and_memory_copied_or_not() {
    let temp = Temp::new(NONE);
    temp.add(&record("a cat"));
    let (path, mut report) = (temp.path("pack"), ptr::null_mut());
    assert_eq!(ca_pack(temp.artifact, lend(&path), &mut report), CA_OK, "{}", message());
    let pack = std::fs::read(&path).unwrap();
    assert_eq!(json(report)["bytes"], pack.len());
    assert_eq!(ca_pack(temp.artifact, lend(&path), ptr::null_mut()), CA_ALREADY_EXISTS);
    let larger = temp.path("larger");
    std::fs::write(&larger, [&[7; 4096], pack.as_slice()].concat()).unwrap();

    let (mut opened, mut count) = (ptr::null_mut(), 0);
    let out = &raw mut opened;
    let mut room = vec![0; pack.len() + 64];
    let start = room.as_ptr().align_offset(64);
    room[start..start + pack.len()].copy_from_slice(&pack);
    let bytes = ca_bytes { data: room[start..].as_ptr(), len: pack.len() };
    let context = ptr::without_provenance_mut(1);
    for open in [
        &(|| ca_open_read_only(lend(&path), NONE, out)) as &dyn Fn() -> ca_code,
        &|| ca_open_packed_at(lend(&larger), 4096, NONE, out),
        &|| ca_open_packed_copied(bytes, NONE, out),
        &|| ca_open_packed_borrowed(bytes, Some(release), context, NONE, out),
    ] {
        assert_eq!(open(), CA_OK, "{}", message());
        assert_eq!(ca_count(opened, NONE, &mut count), CA_OK);
        assert_eq!((count, ca_add(opened, &record("x"), ptr::null_mut())), (1, CA_READ_ONLY));
        let mut found = ptr::null_mut();
        assert_eq!(ca_get(opened, 0, &mut found), CA_OK);
        assert_eq!((RELEASED.load(Ordering::SeqCst), ca_close(opened)), (0, CA_OK));
        let mut words = NONE;
        assert_eq!(ca_record_text(found, &mut words), CA_OK);
        assert_eq!((text(words).as_str(), ca_record_free(found)), ("a cat", CA_OK));
    }
    assert_eq!(RELEASED.load(Ordering::SeqCst), 1, "released when nothing uses the bytes any more");
    room.copy_within(start..start + pack.len(), start + 1);
    let unaligned = ca_bytes { data: room[start + 1..].as_ptr(), len: pack.len() };
    assert_eq!(ca_open_packed_borrowed(unaligned, Some(release), context, NONE, out), CA_OK);
    assert_eq!(RELEASED.load(Ordering::SeqCst), 2, "it was copied");
    assert_eq!(ca_close(opened), CA_OK);
    for (bytes, code) in [
        // The first finds the handle of above in its place.
        (ca_bytes { data: ptr::null(), len: 10 }, CA_BAD_POINTER),
        (ca_bytes { data: pack.as_ptr(), len: usize::MAX }, CA_INVALID_ARGUMENT),
        (ca_bytes { data: pack.as_ptr(), len: 10 }, CA_NOT_AN_ARTIFACT),
        (NO_BYTES, CA_NOT_AN_ARTIFACT),
    ] {
        let before = RELEASED.load(Ordering::SeqCst);
        assert_eq!(ca_open_packed_borrowed(bytes, Some(release), context, NONE, out), code, "{}", message());
        assert!(opened.is_null());
        assert_eq!(RELEASED.load(Ordering::SeqCst), before + 1, "also where opening fails");
    }
    assert_eq!(ca_open_packed_copied(NO_BYTES, NONE, out), CA_NOT_AN_ARTIFACT);

    assert_eq!(ca_open_read_only(lend(&path), NONE, out), CA_OK);
    let directory = temp.path("unpacked");
    assert_eq!(ca_unpack(opened, lend(&directory), &mut report), CA_OK, "{}", message());
    assert!(json(report)["files"].as_u64() > Some(0));
    ca_artifact_free(opened);
    assert_eq!(ca_open(lend(&directory), NONE, out), CA_OK);
    assert_eq!((ca_add(opened, &record("x"), ptr::null_mut()), ca_close(opened)), (CA_OK, CA_OK));
}

#[test]
fn an_artifact_is_kept_verified_and_salvaged() {
    let temp = Temp::new(NONE);
    let path = temp.path("a");
    let (mut report, mut other, mut changed) = (ptr::null_mut(), ptr::null_mut(), false);
    assert_eq!(ca_open(lend(&path), NONE, &mut other), CA_LOCKED);
    assert_eq!(ca_open_read_only(lend(&path), NONE, &mut other), CA_OK);
    assert_eq!((ca_refresh(other, &mut changed), changed), (CA_OK, false));
    for words in ["a cat", "a dog"] {
        temp.add(&record(words));
    }
    assert_eq!((ca_refresh(other, &mut changed), changed), (CA_OK, true));
    ca_artifact_free(other);
    assert_eq!(ca_sync(temp.artifact), CA_OK);
    assert_eq!(ca_seal(temp.artifact, &mut report), CA_OK);
    assert_eq!(json(report)["records"], 2);
    assert_eq!(ca_delete(temp.artifact, 0, ptr::null_mut()), CA_OK);
    assert_eq!(ca_compact(temp.artifact, 64 << 20, &mut report), CA_OK);
    assert!(json(report)["bytes_after"].is_u64());
    for level in [CA_VERIFY_HEADERS, CA_VERIFY_CHECKSUMS, CA_VERIFY_DECODE] {
        let mut sound = false;
        assert_eq!(ca_verify(temp.artifact, level, &mut sound, ptr::null_mut()), CA_OK);
        assert!(sound);
        assert_eq!(ca_verify_path(lend(&path), level, &mut sound, &mut report), CA_OK);
        assert_eq!((sound, &json(report)["damage"]), (true, &serde_json::json!([])));
    }
    assert_eq!(ca_stats(temp.artifact, &mut report), CA_OK);
    assert_eq!(json(report)["records"], 1);
    assert_eq!(ca_recovery(temp.artifact, &mut report), CA_OK);
    assert_eq!(json(report)["commits_recovered"], 0);
    assert_eq!(ca_release_memory(temp.artifact), CA_OK);
    assert_eq!(ca_add_space(temp.artifact, lend("s"), 2, lend("l2"), NONE, lend("f16")), CA_OK);
    assert_eq!(
        ca_add_space(temp.artifact, lend("s"), 2, lend("l2"), lend("rotated-int8"), lend("f16")),
        CA_SPACE_MISMATCH
    );
    assert_eq!(
        ca_add_space(temp.artifact, lend("s"), 2, lend("l2"), lend("int7"), lend("f16")),
        CA_INVALID_ARGUMENT
    );
    assert_eq!(ca_add_space(temp.artifact, lend("s"), 3, lend("l2"), NONE, NONE), CA_SPACE_MISMATCH);
    assert_eq!(ca_add_field(temp.artifact, lend("body"), 3), CA_OK);
    assert_eq!(ca_add_field(temp.artifact, lend("body"), 99), CA_INVALID_ARGUMENT, "{}", message());
    assert_eq!(ca_close(temp.artifact), CA_OK);
    let to = temp.path("salvaged");
    assert_eq!(ca_salvage(lend(&path), lend(&to), NONE, &mut report), CA_OK, "{}", message());
    assert_eq!(json(report)["records"], 1);
    assert_eq!(ca_open_or_create(lend(&to), NONE, &mut other), CA_OK);
    assert_eq!(ca_close(other), CA_OK);
    assert_eq!(ca_open_or_create(lend(&temp.path("new")), NONE, &mut other), CA_OK);
    assert_eq!(ca_close(other), CA_OK);
    assert_eq!(ca_open(lend(&temp.path("nowhere")), NONE, &mut other), CA_NOT_FOUND);
    assert!(other.is_null() && message().contains("nowhere"), "{}", message());
}
