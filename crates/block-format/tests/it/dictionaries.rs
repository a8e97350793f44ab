//! Segments with a dictionary: smaller, read the same, damaged like anything else.

use std::path::PathBuf;
use std::sync::Arc;

use block_format::vfs::MemoryVfs;
use block_format::{
    Compression, Durability, ErrorKind, Options, RecordId, Snapshot, Store, VerifyLevel, salvage_in,
    verify_in,
};

use crate::campaign::{ROOT, Random, open};

/// Where the first block of a segment begins, and its kind.
const FIRST_BLOCK: usize = 4096;
const DICTIONARY: u8 = 5;

/// A text like others in its words.
pub(crate) fn text(i: u64) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "record",
        "segment",
        "dictionary",
        "artifact",
        "compressed",
        "checksum",
        "manifest",
        "recovery",
        "commit",
        "snapshot",
        "generation",
        "payload",
        "directory",
        "sealed",
        "offset",
        "durable",
    ];
    let mut random = Random(i);
    let mut word = || WORDS[random.below(16) as usize];
    format!("{i}: the {} of a {}, or the {} and {} that it has", word(), word(), word(), word()).into_bytes()
}

fn options() -> Options {
    Options::new().seed(4)
}

fn commit(store: &Store, ids: std::ops::Range<u64>) {
    let mut batch = store.batch();
    ids.for_each(|i| assert!(batch.put(&text(i)).is_ok()));
    store.commit(batch, Durability::Buffered).unwrap();
}

/// A store of so many texts, sealed, and its disk.
fn sealed(count: u64, options: &Options) -> (MemoryVfs, Store) {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options.clone()).unwrap();
    commit(&store, 0..count);
    store.seal().unwrap();
    (disk, store)
}

fn segments(disk: &MemoryVfs) -> Vec<PathBuf> {
    let is_segment = |path: &PathBuf| path.to_string_lossy().contains("segment-");
    disk.files().into_iter().filter(is_segment).collect()
}

/// How many segments have a dictionary.
pub(crate) fn dictionaries(disk: &MemoryVfs) -> usize {
    let has_one = |path: &PathBuf| disk.read_file(path).unwrap()[FIRST_BLOCK + 2] == DICTIONARY;
    segments(disk).iter().filter(|path| has_one(path)).count()
}

fn assert_texts(snapshot: &Snapshot, alive: impl Iterator<Item = u64>) {
    let mut records = snapshot.records();
    for id in alive {
        let found = snapshot.get(RecordId(id)).unwrap().unwrap();
        assert_eq!(found.bytes().unwrap(), text(id), "{id}");
        let next = records.next().unwrap().unwrap();
        assert_eq!((next.id(), next.bytes().unwrap()), (RecordId(id), text(id).into()));
    }
    assert!(records.next().is_none());
}

#[test]
fn small_records_are_sealed_in_small_blocks_of_about_as_many_bytes() {
    let segment = |options: &Options| {
        let (disk, store) = sealed(20_000, options);
        let report = verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Decode, options).unwrap();
        assert!(report.is_sound() && report.records == 20_000);
        assert_texts(&store.snapshot(), 0..20_000);
        (dictionaries(&disk), report.blocks, store.snapshot().segments()[0].len)
    };
    let (with, small, len) = segment(&options());
    let (without, large, plain) = segment(&options().sealed_level(0));
    assert_eq!((with, without), (1, 0));
    assert!(small > 10 * large, "{small} blocks of 3 KiB, {large} of 48");
    assert!(len < plain + plain / 20, "{len} bytes beside {plain}");
}

#[test]
fn a_segment_with_a_dictionary_is_read_mapped_or_not_and_by_its_own_dictionary() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, options().segment_len(64 << 10)).unwrap();
    for i in 0..3 {
        commit(&store, i * 10_000..(i + 1) * 10_000);
        store.seal().unwrap();
    }
    drop(store);
    for mapped in [true, false] {
        let (store, _) = Store::open_read_only(&path, options().memory_mapping(mapped)).unwrap();
        let snapshot = store.snapshot();
        assert!(snapshot.segments().len() > 3, "several segments of one seal");
        let before = snapshot.heap_bytes();
        assert_texts(&snapshot, 0..30_000);
        let digested = snapshot.heap_bytes() - before;
        let count = snapshot.segments().len() as u64;
        assert!((20_000 * count..160_000 * count).contains(&digested), "{digested} for {count} dictionaries");
    }
}

#[test]
fn the_same_input_gives_the_same_segment_with_any_number_of_threads() {
    let bytes = |threads| {
        let (disk, _) = sealed(20_000, &options().threads(threads));
        disk.read_file(segments(&disk)[0].clone()).unwrap()
    };
    assert!(bytes(1) == bytes(2));
}

#[test]
fn a_rewrite_keeps_the_dictionary_of_most_of_it_or_makes_a_new_one() {
    let (disk, store) = sealed(20_000, &options());
    let rewrite = || {
        let files: Vec<_> = store.snapshot().segments().iter().map(|segment| segment.file).collect();
        store.edit(|edit| edit.rewrite(&files)).unwrap();
        let file = disk.read_file(segments(&disk)[0].clone()).unwrap();
        assert_eq!(dictionaries(&disk), 1);
        let stored_len =
            u32::from_le_bytes(file[FIRST_BLOCK + 4..FIRST_BLOCK + 8].try_into().unwrap()) as usize;
        file[FIRST_BLOCK + 32..FIRST_BLOCK + 32 + stored_len].to_vec()
    };
    let first = rewrite();
    commit(&store, 20_000..30_000);
    store.delete(RecordId(7)).unwrap();
    store.seal().unwrap();
    assert_eq!(dictionaries(&disk), 2);
    assert!(rewrite() == first, "that of two thirds of the records");
    assert_texts(&store.snapshot(), (0..30_000).filter(|&id| id != 7));
    commit(&store, 30_000..100_000);
    store.seal().unwrap();
    assert_eq!(store.snapshot().segments().len(), 2);
    assert!(rewrite() != first, "that of a third is not kept");
    assert_texts(&store.snapshot(), (0..100_000).filter(|&id| id != 7));
    drop(store);
    let (plain, _) = open(&disk, &options().compression(Compression::None)).unwrap();
    let files: Vec<_> = plain.snapshot().segments().iter().map(|segment| segment.file).collect();
    plain.edit(|edit| edit.rewrite(&files)).unwrap();
    assert_eq!(dictionaries(&disk), 0, "a compression without dictionaries");
    assert_texts(&plain.snapshot(), (0..100_000).filter(|&id| id != 7));
}

#[test]
fn what_gains_nothing_from_a_dictionary_has_none() {
    let is_without = |options: Options, records: &dyn Fn(u64) -> Vec<u8>, count: u64| {
        let disk = MemoryVfs::new();
        let store = Store::create_in(Arc::new(disk.clone()), ROOT, options).unwrap();
        let mut batch = store.batch();
        (0..count).for_each(|i| assert!(batch.put(&records(i)).is_ok()));
        store.commit(batch, Durability::Buffered).unwrap();
        store.seal().unwrap();
        dictionaries(&disk) == 0
    };
    let noise = |i: u64| {
        let mut random = Random(i);
        (0..300).map(|_| random.below(256) as u8).collect::<Vec<u8>>()
    };
    assert!(is_without(options(), &noise, 5_000));
    assert!(is_without(options(), &text, 100), "too few to have one");
    assert!(is_without(options().compression(Compression::None), &text, 20_000));
    assert!(is_without(options().compression(Compression::Lz4), &text, 20_000));
    assert!(is_without(options(), &|i| text(i).repeat(30_000), 3), "large records are frames");
    assert!(!is_without(options(), &text, 20_000));
    let error = Store::create_in(Arc::new(MemoryVfs::new()), ROOT, options().sealed_level(23));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn larger_records_are_sealed_in_longer_blocks_without_a_dictionary() {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
    let mut batch = store.batch();
    for i in 0..500 {
        let texts: Vec<u8> = (i * 100..).flat_map(text).take(4000).collect();
        batch.put(&texts).unwrap();
    }
    store.commit(batch, Durability::Buffered).unwrap();
    store.seal().unwrap();
    assert_eq!(dictionaries(&disk), 0);
    let blocks = || {
        let report = verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Decode, &options()).unwrap();
        report.blocks
    };
    let expected = 500u64.div_ceil((96 << 10) / 4000);
    assert_eq!(blocks(), expected);
    let file = store.snapshot().segments()[0].file;
    let bytes = disk.read_file(segments(&disk)[0].clone()).unwrap();
    store.edit(|edit| edit.rewrite(&[file])).unwrap();
    assert_eq!(blocks(), expected);
    assert_eq!(disk.read_file(segments(&disk)[0].clone()).unwrap().len(), bytes.len(), "copied as they are");
}

#[test]
fn a_damaged_dictionary_is_one_damage_and_no_wrong_answer() {
    let (disk, store) = sealed(5_000, &options());
    store.close().unwrap();
    let path = segments(&disk)[0].clone();
    let sound = disk.read_file(&path).unwrap();
    let stored_len = u32::from_le_bytes(sound[FIRST_BLOCK + 4..FIRST_BLOCK + 8].try_into().unwrap()) as usize;
    let header_bits = (FIRST_BLOCK * 8..(FIRST_BLOCK + 32) * 8).collect::<Vec<_>>();
    let payload_bits = ((FIRST_BLOCK + 32) * 8..(FIRST_BLOCK + 32 + stored_len) * 8).step_by(997);
    for bit in header_bits.into_iter().chain(payload_bits) {
        let flipped = disk.fork();
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        flipped.write_file(&path, bytes);
        for level in [VerifyLevel::Checksums, VerifyLevel::Decode] {
            let report = verify_in(Arc::new(flipped.clone()), ROOT, level, &options()).unwrap();
            assert_eq!(report.damage.len(), 1, "bit {bit}: {:?}", report.damage);
            let damage = &report.damage[0];
            assert_eq!(damage.range, 4096..4096 + 32 + stored_len as u64, "bit {bit}");
            assert_eq!(damage.lost, RecordId(0)..RecordId(5_000), "bit {bit}");
        }
        let (store, _) = Store::open_read_only_in(Arc::new(flipped.clone()), ROOT, options()).unwrap();
        let error = store.snapshot().get(RecordId(4_999)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat), "bit {bit}: {error}");
        assert_eq!(error.path(), Some(&*path));
    }
    let damaged = disk.fork();
    let mut bytes = sound.clone();
    bytes[FIRST_BLOCK + 100] ^= 1;
    damaged.write_file(&path, bytes);
    let report = salvage_in(Arc::new(damaged.clone()), ROOT, "/b", options()).unwrap();
    assert_eq!(report.records, 0);
    assert!(!report.lost.is_empty() && !report.damage.is_empty());
}

#[test]
fn a_damaged_table_beside_a_dictionary_is_built_again() {
    let (disk, store) = sealed(5_000, &options());
    store.close().unwrap();
    let path = segments(&disk)[0].clone();
    let mut bytes = disk.read_file(&path).unwrap();
    let table = bytes.len() - 96 - 12;
    bytes[table] ^= 1;
    disk.write_file(&path, bytes);
    let report = verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Decode, &options()).unwrap();
    assert_eq!((report.damage.len(), report.records), (1, 5_000), "{:?}", report.damage);
    let (store, _) = Store::open_read_only_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
    assert_texts(&store.snapshot(), 0..5_000);
    let salvaged = salvage_in(Arc::new(disk), ROOT, "/b", options()).unwrap();
    assert_eq!((salvaged.records, salvaged.damage.len()), (5_000, 0));
}

#[test]
fn a_pack_has_the_dictionaries_of_its_segments() {
    let temp = tempfile::tempdir().unwrap();
    let (_, store) = sealed(5_000, &options());
    let path = temp.path().join("packed");
    store.pack_to(&store.snapshot(), &path).unwrap();
    let (packed, _) = Store::open_packed_at(&path, 0, options()).unwrap();
    assert_texts(&packed.snapshot(), 0..5_000);
}

#[test]
fn a_dictionary_in_a_log_is_damage() {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options()).unwrap();
    store.put(b"one").unwrap();
    store.put(b"two").unwrap();
    drop(store);
    let is_log = |path: &PathBuf| path.to_string_lossy().contains("log-");
    let path = disk.files().into_iter().find(is_log).unwrap();
    let mut bytes = disk.read_file(&path).unwrap();
    let mut block = bytes[FIRST_BLOCK..FIRST_BLOCK + 28].to_vec();
    block[2] = DICTIONARY;
    block[12..24].fill(0); // the count and the first id
    let mut placed = crc32fast::Hasher::new();
    placed.update(&bytes[16..40]);
    placed.update(&(FIRST_BLOCK as u64).to_le_bytes());
    placed.update(&block);
    block.extend(placed.finalize().to_le_bytes());
    bytes[FIRST_BLOCK..FIRST_BLOCK + 32].copy_from_slice(&block);
    disk.write_file(&path, bytes);
    let error = open(&disk, &options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let report = verify_in(Arc::new(disk), ROOT, VerifyLevel::Decode, &options()).unwrap();
    assert!(
        report.damage.iter().any(|damage| damage.message.contains("a dictionary in a log")),
        "{report:?}"
    );
}
