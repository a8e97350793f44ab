//! Files whose checksums and hashes are right over numbers that nobody wrote: a typed error, or damage in a report, and
//! never an overflow. What the fuzz targets found first.

use std::path::PathBuf;
use std::sync::Arc;

use block_format::vfs::MemoryVfs;
use block_format::{
    Compression, ErrorKind, Options, RecordId, Step, Store, VerifyLevel, VerifyReport, verify_in,
};

use crate::campaign::{ROOT, open};
use crate::damage;

const LAST: u64 = u64::MAX;
/// Where the manifest has the only segment's numbers, when there is one.
const SEGMENT: usize = 64;

fn options() -> Options {
    Options::new().block_len(512).seed(1)
}

fn sample() -> (MemoryVfs, Store) {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
    (disk, store)
}

fn files(disk: &MemoryVfs, kind: &str) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.to_string_lossy().contains(kind)).collect()
}

/// The artifact with other numbers at these places of both manifests; the hash is right.
fn forge(disk: &MemoryVfs, changes: impl Fn(usize) -> Vec<(usize, u64)>) -> MemoryVfs {
    let forged = disk.fork();
    for path in files(&forged, "manifest-") {
        let mut bytes = forged.read_file(&path).unwrap();
        let hashed = bytes.len() - 16;
        for (at, number) in changes(hashed - 48) {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        let hash = xxhash_rust::xxh3::xxh3_128(&bytes[..hashed]);
        bytes[hashed..].copy_from_slice(&hash.to_le_bytes());
        forged.write_file(&path, bytes);
    }
    forged
}

fn read_only(disk: &MemoryVfs) -> (Store, usize) {
    let (store, report) = Store::open_read_only_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
    (store, report.damage.len())
}

fn verify(disk: &MemoryVfs) -> VerifyReport {
    verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Decode, &options()).unwrap()
}

#[test]
fn the_last_generation_of_all_is_read_and_not_followed_by_another() {
    let (disk, store) = sample();
    store.put(b"here").unwrap();
    store.close().unwrap();
    let forged = forge(&disk, |_| vec![(32, LAST)]);
    for (copy, path) in files(&forged, "manifest-").into_iter().enumerate() {
        let name = format!("{ROOT}/manifest-{LAST:016x}-{copy}");
        forged.write_file(name, forged.read_file(&path).unwrap());
        forged.remove_file(path);
    }
    let (store, _) = open(&forged, &options()).unwrap();
    assert_eq!(store.seal().unwrap_err().kind(), ErrorKind::Damaged);
    drop(store);
    assert_eq!(
        &*read_only(&forged).0.snapshot().get(RecordId(0)).unwrap().unwrap().bytes().unwrap(),
        b"here"
    );
}

#[test]
fn the_last_file_number_of_all_is_not_given_out_twice() {
    let (disk, store) = sample();
    store.put(b"here").unwrap();
    store.close().unwrap();
    let forged = forge(&disk, |_| vec![(40, LAST)]);
    let stray = disk.fork();
    stray.write_file(format!("{ROOT}/part-{LAST:016x}"), Vec::new());
    for disk in [forged, stray] {
        let (store, _) = open(&disk, &options()).unwrap();
        assert_eq!(store.seal().unwrap_err().kind(), ErrorKind::Damaged);
        drop(store);
        assert_eq!(read_only(&disk).0.snapshot().next_id(), RecordId(1));
    }
}

#[test]
fn the_last_commit_number_of_all_is_not_followed_by_another() {
    let (disk, store) = sample();
    store.close().unwrap();
    for last in [LAST - 1, LAST] {
        let forged = forge(&disk, |log| vec![(log + 32, last)]);
        let (store, _) = open(&forged, &options()).unwrap();
        assert_eq!(store.put(b"one more").unwrap_err().kind(), ErrorKind::InvalidArgument);
        let mut bulk = store.bulk().unwrap();
        bulk.put(b"one more").unwrap();
        assert_eq!(bulk.finish().unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(store.last_commit().0, last);
    }
}

#[test]
fn a_log_with_a_commit_behind_the_last_number_of_all_is_read() {
    let (disk, store) = sample();
    store.put(b"a tail, as it turns out").unwrap();
    drop(store);
    let (_, damage) = read_only(&forge(&disk, |log| vec![(log + 32, LAST)]));
    assert_eq!(damage, 0);
}

#[test]
fn a_checkpoint_inside_a_commit_or_with_other_numbers_is_damage() {
    let (disk, store) = sample();
    store.put(b"one").unwrap();
    store.put(b"two").unwrap();
    store.close().unwrap();
    let len = disk.read_file(&files(&disk, "log-")[0]).unwrap().len() as u64;
    for (at, number) in [(8, len - 10), (8, len - 100), (32, 7), (40, 7)] {
        let forged = forge(&disk, |log| vec![(log + at, number), (log + 40, 9)]);
        assert!(read_only(&forged).1 > 0, "{at}: {number}");
        assert_eq!(open(&forged, &options()).unwrap_err().kind(), ErrorKind::Damaged, "{at}: {number}");
    }
}

#[test]
fn a_commit_that_gives_ids_out_again_does_not_hold() {
    let (disk, store) = sample();
    store.put(b"one").unwrap();
    drop(store);
    let (_, report) = open(&disk.fork(), &options()).unwrap();
    assert_eq!((report.commits_recovered, report.records_recovered), (1, 1));
    let forged = forge(&disk, |log| vec![(log + 40, 50)]);
    let (store, report) = open(&forged, &options()).unwrap();
    assert_eq!((report.commits_recovered, store.snapshot().next_id().0), (0, 50));
}

#[test]
fn a_segment_that_claims_all_ids_costs_no_memory_when_deletes_are_kept() {
    let (disk, store) = sample();
    for content in [&b"one"[..], b"two"] {
        store.put(content).unwrap();
    }
    store.seal().unwrap();
    store.close().unwrap();
    let forged = forge(&disk, |log| vec![(SEGMENT + 40, LAST - 2), (log + 40, LAST - 1)]);
    let (store, _) = open(&forged, &options()).unwrap();
    store.delete(RecordId(0)).unwrap();
    store.seal().unwrap();
    drop(store);
    let snapshot = read_only(&forged).0.snapshot();
    assert!(snapshot.is_deleted(RecordId(0)) && !snapshot.is_deleted(RecordId(1)));
}

#[test]
fn a_table_with_ids_that_its_segment_has_not_is_built_again() {
    let (disk, store) = sample();
    for i in 0..4 {
        store.put(&[i; 400]).unwrap();
    }
    store.seal().unwrap();
    store.close().unwrap();
    assert!(verify(&disk).damage.is_empty());
    let ids = [(SEGMENT + 32, LAST - 1), (SEGMENT + 40, LAST - 1), (SEGMENT + 48, 1)];
    let forged = forge(&disk, |log| [&ids[..], &[(log + 40, LAST)]].concat());
    let path = files(&forged, "segment-").remove(0);
    let end = forged.read_file(&path).unwrap().len() as u64;
    assert!(verify(&forged).damage.iter().any(|damage| damage.path == path && damage.range.end == end));
    drop(read_only(&forged).0.snapshot().get(RecordId(LAST - 1)));
}

#[test]
fn a_commit_record_of_another_length_at_the_end_of_a_damaged_log_is_passed_over() {
    let (disk, store) = sample();
    let artifact = store.artifact();
    store.put(b"one").unwrap();
    store.close().unwrap();
    let path = files(&disk, "log-").remove(0);
    let mut log = disk.read_file(&path).unwrap();
    let file = u64::from_str_radix(path.to_string_lossy().split("log-").nth(1).unwrap(), 16).unwrap();
    // The last commit is its header alone, which is sound; the block of records before it is not.
    let at = log.len() - 96;
    log.truncate(at + 32);
    log[at + 4..at + 12].fill(0);
    let head = [&artifact.0[..], &file.to_le_bytes(), &(at as u64).to_le_bytes(), &log[at..at + 28]].concat();
    let crc = crc32fast::hash(&head).to_le_bytes();
    log[at + 28..].copy_from_slice(&crc);
    log[4096] ^= 1;
    let len = log.len() as u64;
    let forged = forge(&disk, |log| vec![(log + 8, len)]);
    forged.write_file(&path, log);
    let kinds: Vec<_> = verify(&forged).damage.iter().map(|damage| damage.kind).collect();
    assert!(kinds.contains(&ErrorKind::Damaged) && !kinds.contains(&ErrorKind::Truncated), "{kinds:?}");
}

#[test]
fn any_number_in_a_manifest_is_an_error_or_an_answer_and_never_an_overflow() {
    let (disk, store) = sample();
    for i in 0..6 {
        store.put(&[i; 400]).unwrap();
    }
    store.seal().unwrap();
    store.delete(RecordId(2)).unwrap();
    store.seal().unwrap();
    store.put(b"in the log").unwrap();
    store.close().unwrap();
    let len = disk.read_file(&files(&disk, "manifest-")[0]).unwrap().len();
    for at in (40..len - 16).step_by(8) {
        for number in [0, 1, 4096, 1 << 40, 1 << 63, LAST - 1, LAST] {
            let forged = forge(&disk, |_| vec![(at, number)]);
            drop(verify_in(Arc::new(forged.clone()), ROOT, VerifyLevel::Decode, &options()));
            let opened = Store::open_read_only_in(Arc::new(forged.clone()), ROOT, options());
            if let Ok((store, _)) = opened {
                store.snapshot().records().take(100).for_each(drop);
                for id in [0, 2, 6, LAST - 1, LAST] {
                    drop(store.snapshot().get(RecordId(id)));
                }
                drop(store.snapshot().segments());
            }
            drop(block_format::salvage_in(Arc::new(forged.clone()), ROOT, "/saved", options()));
            if let Ok((store, _)) = open(&forged, &options()) {
                drop(store.put(b"more"));
                drop(store.seal());
            }
        }
    }
}

/// Changes that no CRC-32 sees, since the difference is a multiple of its polynomial.
pub(crate) fn forged_checksums(left_out: Option<Step>) -> Result<u64, String> {
    let options = damage::options(left_out).compression(Compression::None);
    let (disk, _) = damage::sample(&options, true);
    let mut forged = 0;
    for path in disk.files() {
        let name = path.to_string_lossy().into_owned();
        if !["segment-", "log-"].iter().any(|kind| name.contains(kind)) {
            continue;
        }
        let bytes = disk.read_file(&path).unwrap_or_default();
        // Inside the content of the first block of some length.
        let at = 4096 + 32 + 200;
        let mut changed = bytes.clone();
        // x^32 + the polynomial, lowest bit of each byte first, is 33 bits.
        let polynomial = 0x1_DB71_0641_u64;
        for (byte, pattern) in changed[at..].iter_mut().zip(polynomial.to_le_bytes()) {
            *byte ^= pattern;
        }
        let vfs = disk.fork();
        vfs.write_file(&path, changed);
        let report = damage::verified(&vfs, &options).map_err(|e| e.to_string())?;
        if !report.damage.iter().any(|damage| damage.path == path) {
            return Err(format!("{name}: verify does not see what the CRC does not see"));
        }
        forged += 1;
    }
    Ok(forged)
}

#[test]
fn the_file_hash_sees_what_a_crc_cannot() {
    damage::passes("files with a forged checksum", forged_checksums(None), 3);
}
