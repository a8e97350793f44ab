//! `benches/decode.py`, a decoder written from `docs/FORMAT.md` alone, reads what this crate writes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use block_format::{Durability, Options, PartKind, RecordId, Store};

use crate::campaign::content;

/// An artifact with every structure of the format.
fn sample(path: &Path, close: bool) -> Store {
    let options =
        Options::new().block_len(1024).inline_max(2048).frame_len(1000).segment_len(64 << 10).seed(3);
    let store = Store::create(path, options).unwrap();
    let commit = |count: u64, deletes: &[u64]| {
        let mut batch = store.batch();
        for i in 0..count {
            let text = b"words that are said again ".repeat(1 + (i as usize * 7) % 30);
            batch.put(if i % 9 == 4 { &text } else { &text[..text.len() / 3] }).unwrap();
        }
        batch.put(&content(5000, count)).unwrap();
        for &id in deletes {
            batch.delete(RecordId(id));
        }
        store.commit(batch, Durability::Sync).unwrap();
    };
    commit(150, &[]);
    commit(20, &[3, 4, 5, 90]);
    store.seal().unwrap();
    commit(5, &[7, 150]);
    store
        .edit(|edit| edit.write_part(PartKind(300), 9, |part| part.write_all(&content(100_000, 1))))
        .unwrap();
    store.seal().unwrap();
    commit(30, &[170]);
    let mut bulk = store.bulk().unwrap();
    (0..200).for_each(|i| assert!(bulk.put(&content(700, i)).is_ok()));
    bulk.finish().unwrap();
    commit(3, &[200]);
    commit(4, &[201, 202, 400]);
    if close {
        drop(store);
        let (store, _) = Store::open(path, Options::new()).unwrap();
        store.put(b"after recovery").unwrap();
        store.close().unwrap();
        return Store::open_read_only(path, Options::new()).unwrap().0;
    }
    store
}

fn python_has_what_it_needs() -> bool {
    let status = Command::new("python3").args(["-c", "import xxhash, zstandard"]).output();
    status.is_ok_and(|output| output.status.success())
}

#[test]
fn a_decoder_written_from_the_document_finds_the_same_records() {
    if !python_has_what_it_needs() {
        assert!(std::env::var_os("CI").is_none(), "pip install xxhash zstandard");
        println!("left out: python3 without xxhash and zstandard");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/decode.py");
    for close in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let store = sample(&path, close);
        let mut expected = String::new();
        for record in store.snapshot().records() {
            let record = record.unwrap();
            let bytes = record.bytes().unwrap();
            let hash = xxhash_rust::xxh3::xxh3_128(&bytes);
            writeln!(expected, "{} {} {hash:032x}", record.id(), bytes.len()).unwrap();
        }
        let decode = || Command::new("python3").arg(&script).arg(&path).output().unwrap();
        let output = decode();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8(output.stdout).unwrap() == expected, "closed: {close}");
        assert!(expected.lines().count() > 390);
        // And it is no rubber stamp.
        let files = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        let segments: Vec<_> = files.filter(|file| file.to_string_lossy().contains("segment-")).collect();
        let read = |file: &Path| std::fs::read(file).unwrap();
        assert!(segments.iter().any(|file| read(file)[4096 + 2] == 5), "a segment with a dictionary");
        let segment = segments.iter().max_by_key(|segment| read(segment).len()).unwrap();
        let mut bytes = read(segment);
        bytes[5000] ^= 1;
        std::fs::write(segment, bytes).unwrap();
        assert!(!decode().status.success());
    }
}
