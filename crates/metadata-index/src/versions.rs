//! Both versions of the bytes: golden ones, equal answers, and blocks of version 2 that no writer makes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use roaring::RoaringBitmap;
use serde_json::{Map, Value as Json, json};
use wire::put_varint;

use crate::forged::written;
use crate::layout::{BLOCK_ENTRIES, Trailer, Version};
use crate::*;

/// An index of these entries as version 1 of the writer made it.
fn written_v1(entries: &[(Vec<u8>, RoaringBitmap)]) -> Vec<u8> {
    let (mut blocks, mut offsets) = (Vec::new(), Vec::new());
    for block in entries.chunks(BLOCK_ENTRIES) {
        offsets.extend(u32::try_from(blocks.len()).unwrap().to_le_bytes());
        let mut last: &[u8] = &[];
        for (key, rows) in block {
            let shared = key.iter().zip(last).take_while(|(a, b)| a == b).count();
            put_varint(&mut blocks, shared as u64);
            put_varint(&mut blocks, (key.len() - shared) as u64);
            blocks.extend(&key[shared..]);
            match (rows.len(), rows.min()) {
                (1, Some(row)) => put_varint(&mut blocks, u64::from(row) << 1),
                _ => {
                    let mut rows = rows.clone();
                    rows.optimize();
                    put_varint(&mut blocks, (rows.serialized_size() as u64) << 1 | 1);
                    rows.serialize_into(&mut blocks).unwrap();
                }
            }
            last = key;
        }
    }
    with_trailer(Version::V1, &blocks, &offsets, entries.len() as u64)
}

fn with_trailer(version: Version, blocks: &[u8], offsets: &[u8], entries: u64) -> Vec<u8> {
    let body = [blocks, offsets].concat();
    let (blocks_len, blocks) = (blocks.len() as u64, offsets.len() as u64 / 4);
    let body_crc = crc32fast::hash(&body);
    let trailer = Trailer { version, body_crc, blocks_len, blocks, entries };
    [body.as_slice(), &trailer.encode()].concat()
}

fn rows_of(rows: &[u32]) -> RoaringBitmap {
    rows.iter().copied().collect()
}

/// All keys and their rows.
fn read(bytes: &[u8], rows: u32) -> Result<Vec<(Vec<u8>, RoaringBitmap)>> {
    let index = Index::open(bytes, rows)?;
    let (mut entries, mut all) = (index.table().entries()?, Vec::new());
    while let Some(entry) = entries.next_entry() {
        let (key, rows) = entry?;
        let (key, mut found) = (key.to_vec(), RoaringBitmap::new());
        rows.each(&mut |row| assert!(found.insert(row)))?;
        all.push((key, found));
    }
    Ok(all)
}

fn merged(parts: &[&[u8]], rows: u32) -> Vec<u8> {
    let indexes: Vec<_> = parts.iter().map(|bytes| Index::open(*bytes, rows).unwrap()).collect();
    let maps: Vec<_> =
        (0..).step_by(rows as usize).map(|first: u32| move |row| Some(first + row)).take(2).collect();
    let inputs: Vec<(_, RowMap<'_>)> =
        indexes.iter().zip(&maps).map(|(index, map)| (index, map as _)).collect();
    let mut bytes = Vec::new();
    merge(&inputs, &mut bytes).unwrap();
    bytes
}

/// Keys of which many share a beginning, some a long one.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let heads = vec![String::new(), "x".repeat(14), "x".repeat(15), "x".repeat(16), "y".repeat(150)];
    let end = prop::collection::vec(prop::sample::select(b"abz\0\xff".to_vec()), 0..5);
    (prop::sample::select(heads), end, prop::sample::select(vec![0, 0, 0, 12, 200]))
        .prop_map(|(head, end, more)| [head.as_bytes(), &end, "z".repeat(more).as_bytes()].concat())
}

const ROWS: u32 = 200_000;

/// One row mostly, a few, many far from each other, and runs.
fn some_rows() -> impl Strategy<Value = RoaringBitmap> {
    let run = (0..ROWS / 2, 1..2_000u32).prop_map(|(from, len)| (from..from + len).collect());
    prop_oneof![
        6 => (0..ROWS).prop_map(|row| rows_of(&[row])),
        4 => prop::collection::vec(prop_oneof![0..ROWS, 0..300u32], 1..8).prop_map(|rows| rows_of(&rows)),
        1 => prop::collection::vec(0..ROWS, 20..200).prop_map(|rows| rows_of(&rows)),
        1 => run,
        1 => Just(rows_of(&[0, ROWS - 1])),
    ]
}

proptest! {
    #[test]
    fn both_versions_read_back_as_what_was_written(
        entries in prop::collection::btree_map(key(), some_rows(), 0..150),
        others in prop::collection::vec(key(), 0..20),
    ) {
        let all: Vec<_> = entries.clone().into_iter().collect();
        let versions = [written_v1(&all), written(&all)];
        for bytes in &versions {
            prop_assert_eq!(&read(bytes, ROWS).unwrap(), &all);
            let index = Index::open(bytes, ROWS).unwrap();
            index.verify().unwrap();
            for key in entries.keys().chain(&others) {
                let mut found = index.table().entries_from(key).unwrap();
                let next = found.peek_key().map(|key| key.unwrap().to_vec());
                prop_assert_eq!(next.as_ref(), entries.range(key.clone()..).next().map(|(key, _)| key));
                let Some(rows) = index.table().rows_of(key).unwrap() else {
                    prop_assert!(!entries.contains_key(key));
                    continue;
                };
                let expected: BTreeSet<u32> = entries[key].iter().collect();
                let mut set = row_set::RowSetBuilder::new();
                rows.add_to(&mut set).unwrap();
                prop_assert_eq!(set.build().iter().collect::<BTreeSet<_>>(), expected.clone());
                for from in expected.iter().take(3).chain([&ROWS]) {
                    let first = expected.range(from..).next().copied();
                    prop_assert_eq!(rows.find(&|row| row >= *from).unwrap(), first);
                }
            }
        }
        let [v1, v2] = versions.each_ref().map(Vec::as_slice);
        let expected = merged(&[v2, v2], ROWS);
        prop_assert_eq!(&merged(&[v1, v2], ROWS), &expected);
        prop_assert_eq!(&merged(&[v2, v1], ROWS), &expected);
        prop_assert_eq!(merged(&[v1], ROWS), v2);
        prop_assert_eq!(merged(&[v2], ROWS), v2);
        let twice: BTreeMap<_, RoaringBitmap> =
            all.iter().map(|(key, rows)| (key.clone(), rows.iter().flat_map(|row| [row, row + ROWS]).collect())).collect();
        prop_assert_eq!(read(&expected, 2 * ROWS).unwrap(), twice.into_iter().collect::<Vec<_>>());
    }
}

/// What the first release wrote for the example in `docs/FORMAT.md`.
pub(crate) const GOLDEN_V1: &[u8] = b"\x00\x04\x00\x00\x06\x6b\x00\x01\x03\x01\x61\x00\x00\
    \x03\x0b\x02\xbf\xf0\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\
    \x89\x43\x41\x46\x49\x0d\x0a\x1a\x01\x00\x00\x00\x55\x71\xb7\x3b\
    \x1b\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\
    \x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\xb8\x93\x69";

#[test]
fn the_golden_bytes_of_version_1_are_read_and_become_version_2() {
    let index = Index::open(GOLDEN_V1, 1).unwrap();
    index.verify().unwrap();
    assert_eq!(index.row_of_key("k", |_| true).unwrap(), Some(0));
    assert_eq!(index.types("a", |_| true).unwrap(), Type::Number.into());
    let filter =
        ResolvedFilter::new(&Filter::field("a").gte(1), |field| index.types(field, |_| true)).unwrap();
    let none = |_| -> Result<Map<String, Json>> { unreachable!("no string is long") };
    assert_eq!(index.search(&filter, none).unwrap().iter().collect::<Vec<_>>(), [0]);
    assert_eq!(written_v1(&read(GOLDEN_V1, 1).unwrap()), GOLDEN_V1);
    let mut builder = Builder::new();
    builder.add(0, Some("k"), json!({"a": 1}).as_object().unwrap());
    let mut built = Vec::new();
    builder.write(&mut built).unwrap();
    assert_eq!(merged(&[GOLDEN_V1], 1), built);
}

#[test]
fn the_golden_bytes_of_version_2_stay() {
    let entries = [
        (b"a".to_vec(), rows_of(&[9])),
        (b"ab".to_vec(), rows_of(&[7, 8, 300])),
        (b"abcdefghijklmnopq".to_vec(), rows_of(&[1_000])),
        (b"abcdefghijklmnopqr".to_vec(), (8..200).collect()),
    ];
    let blocks = [
        0x01,
        b'a', // shares 0, 1 follows
        7,
        128 + 11, // BASE, WIDTH
        // 4, 1, 1986 and 3 in 11 bits each, from the lowest on
        0x04,
        0x08,
        0x80,
        0xF0,
        0x07,
        0x00, //
        0x11,
        b'b',
        3 << 1,
        0,
        0xA3,
        0x02, // a list: 8 follows 7, and 300 is 291 + 1 behind that
        0x2F,
        0x00,
        b'c',
        b'd',
        b'e',
        b'f',
        b'g',
        b'h',
        b'i',
        b'j',
        b'k',
        b'l',
        b'm',
        b'n',
        b'o',
        b'p',
        b'q', //
        0xF1,
        0x02,
        b'r', // shares 15 + 2
        15 << 1 | 1,
        0x3B,
        0x30,
        0,
        0,
        1,
        0,
        0,
        191,
        0,
        1,
        0,
        8,
        0,
        191,
        0, // a bitmap: a run
    ];
    let bytes = written(&entries);
    assert_eq!(bytes[..blocks.len()], blocks);
    assert_eq!(bytes.len(), blocks.len() + 4 + 48);
    assert_eq!(read(&bytes, 1_001).unwrap(), entries);
}

#[test]
fn only_versions_that_were_written_are_read() {
    let mut bytes = GOLDEN_V1.to_vec();
    let at = bytes.len() - crate::layout::trailer::LEN;
    for (version, kind) in
        [(0, ErrorKind::Damaged), (3, ErrorKind::NewerFormat), (u32::MAX, ErrorKind::NewerFormat)]
    {
        bytes[at + 8..at + 12].copy_from_slice(&u32::to_le_bytes(version));
        let crc = crc32fast::hash(&bytes[at..at + 44]);
        bytes[at + 44..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Index::open(&bytes, 1).unwrap_err().kind(), kind, "{version}");
    }
}

/// What all calls say of a block of so many entries, whose checksum holds.
fn judge(block: &[u8], entries: u64, rows: u32) -> Result<()> {
    let bytes = with_trailer(Version::V2, block, &[0; 4], entries);
    let index = Index::open(&bytes, rows)?;
    let verified = index.verify();
    // Nothing else panics, or makes up a row.
    let is_row = |row: u32| {
        assert!(row < rows);
        false
    };
    for key in [&b""[..], b"a", b"ab", b"zz"] {
        if let Ok(Some(found)) = index.table().rows_of(key) {
            drop(found.find(&is_row));
            drop(found.each(&mut |row| assert!(!is_row(row))));
        }
    }
    drop(index.each_key("", None, is_row, &mut |_, _| true));
    drop(merge(&[(&index, &Some as RowMap<'_>)], Vec::new()));
    verified
}

#[test]
fn blocks_that_no_writer_makes_are_damage() {
    let sound: &[u8] = &[0x01, b'a', 5, 0x81, 0b01, 1 << 1, 0]; // "a": rows 5 and 6
    judge(sound, 1, 7).unwrap();
    let bitmap = |rows: &[u32]| {
        let mut bytes = Vec::new();
        rows_of(rows).serialize_into(&mut bytes).unwrap();
        [&[0x01, b'a', 5, 0x81, 0b01, u8::try_from(bytes.len()).unwrap() << 1 | 1], bytes.as_slice()].concat()
    };
    judge(&bitmap(&[5, 6]), 1, 7).unwrap();
    let widest = |bits: [u8; 5], rows| judge(&[&[0x01, b'a', 0, 33], &bits[..]].concat(), 1, rows);
    widest([0xFE, 0xFF, 0xFF, 0xFF, 0], u32::MAX).unwrap();
    let most = &[0xFF, 0xFF, 0xFF, 0xFF, 0x7F]; // a varint of 35 bits
    for (what, block, entries) in [
        ("rows that the index does not have", sound.to_vec(), 1),
        ("a number beyond the rows", vec![0x01, b'a', 5, 1, 1], 1),
        ("a base beyond the rows", [&[0x01, b'a'], &most[..], &[0]].concat(), 1),
        ("a base of six bytes", [&[0x01, b'a'], &[0x80; 5][..], &[0, 0]].concat(), 1),
        ("no base", vec![0x01, b'a'], 1),
        ("no width", vec![0x01, b'a', 0], 1),
        ("a width of 34 bits", vec![0x01, b'a', 0, 34, 0, 0, 0, 0, 0], 1),
        ("a width of 127 bits and rows told", [&[0x01, b'a', 0, 0xFF], &[0; 16][..]].concat(), 1),
        ("numbers that are cut off", vec![0x01, b'a', 0, 9, 0], 1),
        ("more entries than the block has", vec![0x01, b'a', 0, 0], 2),
        ("fewer entries than the block has", vec![0x01, b'a', 0, 0, 0x11, b'b'], 1),
        ("entries without a number", [&[0x01, b'a', 0, 8, 0], &[0x10; 20][..]].concat(), 1),
        ("a first key that shares something", vec![0x11, b'a', 0, 0], 1),
        ("a key that shares more than there is", vec![0x01, b'a', 0, 0, 0x21, b'b'], 2),
        ("a key that shares 15 and more", vec![0x01, b'a', 0, 0, 0xF1, 0, b'b'], 2),
        ("a key that shares 2^35 and more", [&[0x01, b'a', 0, 0, 0xF1], &most[..], b"b"].concat(), 2),
        ("a length of six bytes", [&[0x01, b'a', 0, 0, 0xF1], &[0x80; 5][..], &[0, b'b']].concat(), 2),
        ("a suffix of 2^35 bytes", [&[0x0F], &most[..], b"a"].concat(), 1),
        ("a suffix that is cut off", vec![0x02, b'a'], 1),
        ("keys out of order", vec![0x01, b'b', 0, 0, 0x01, b'a'], 2),
        ("no length of a list", vec![0x01, b'a', 3, 0x81, 1], 1),
        ("an empty list", vec![0x01, b'a', 3, 0x81, 1, 0], 1),
        ("a list that is cut off", vec![0x01, b'a', 3, 0x81, 1, 2 << 1, 0], 1),
        (
            "a list of 2^34 bytes",
            [&[0x01, b'a', 3, 0x81, 1], &[0xFE, 0xFF, 0xFF, 0xFF, 0x7F], &[0][..]].concat(),
            1,
        ),
        ("a list that ends within a row", vec![0x01, b'a', 3, 0x81, 1, 1 << 1, 0x80], 1),
        ("a row beyond 2^32", [&[0x01, b'a', 3, 0x81, 1, 5 << 1], &most[..]].concat(), 1),
        (
            "a row that is the first again",
            [&[0x01, b'a', 3, 0x81, 1, 5 << 1], &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..]].concat(),
            1,
        ),
        ("a bitmap of 2^34 bytes", [&[0x01, b'a', 3, 0x81, 1], &most[..], &[0][..]].concat(), 1),
        ("a bitmap that is none", vec![0x01, b'a', 3, 0x81, 1, 1 << 1 | 1, 0], 1),
        ("a bitmap without the first row", bitmap(&[4]), 1),
        ("a bitmap with an earlier row", bitmap(&[4, 5]), 1),
        ("an empty bitmap", bitmap(&[]), 1),
        ("a bitmap with a row beyond those of the index", bitmap(&[5, 6]), 1),
    ] {
        let kind = judge(&block, entries, 6).err().map(|e| e.kind());
        assert_eq!(kind, Some(ErrorKind::Damaged), "{what}");
    }
    for bits in [[0xFF, 0xFF, 0xFF, 0xFF, 0], [0xFF, 0xFF, 0xFF, 0xFF, 1]] {
        assert_eq!(widest(bits, u32::MAX).unwrap_err().kind(), ErrorKind::Damaged, "{bits:x?}");
    }
}

#[test]
fn the_first_key_of_a_block_shares_nothing_with_the_block_before() {
    let entries: Vec<_> = (0..33).map(|i| (vec![b'a', i], rows_of(&[0]))).collect();
    for (version, bytes, shares_1) in
        [(Version::V1, written_v1(&entries), 1), (Version::V2, written(&entries), 0x12)]
    {
        let offsets = bytes.len() - crate::layout::trailer::LEN - 8;
        let second = usize::try_from(wire::u32_at(&bytes, offsets + 4)).unwrap();
        for (first_byte, is_sound) in [(bytes[second], true), (shares_1, false)] {
            let mut blocks = bytes[..offsets].to_vec();
            blocks[second] = first_byte;
            let forged = with_trailer(version, &blocks, &bytes[offsets..offsets + 8], 33);
            assert_eq!(Index::open(forged, 1).unwrap().verify().is_ok(), is_sound, "{version:?}");
        }
    }
}

#[test]
fn no_changed_byte_of_either_version_is_a_panic_or_passes_as_sound() {
    let key = |i: u32| format!("{}{i:03}", "long ".repeat(i as usize % 6)).into_bytes();
    let rows = |i: u32| match i % 5 {
        0 => rows_of(&[i, i + 3, i + 90]),
        1 => (i..i + 70).collect(),
        2 => (i..i + 200).step_by(3).collect(),
        _ => rows_of(&[i]),
    };
    let entries: BTreeMap<_, _> = (0..40).map(|i| (key(i), rows(i))).collect();
    let entries: Vec<_> = entries.into_iter().collect();
    for bytes in [written_v1(&entries), written(&entries)] {
        for at in 0..bytes.len() {
            for by in [1, 2, 0x10, 0x80, 0xFF] {
                let mut bytes = bytes.clone();
                bytes[at] ^= by;
                let Ok(index) = Index::open(&bytes, 240) else { continue };
                assert!(index.verify().is_err(), "byte {at}");
                for (key, _) in &entries {
                    if let Ok(Some(rows)) = index.table().rows_of(key) {
                        drop(rows.find(&|row| {
                            assert!(row < 240);
                            false
                        }));
                    }
                }
                if let Ok(all) = read(&bytes, 240) {
                    assert!(all.iter().all(|(_, rows)| rows.max() < Some(240)), "byte {at}");
                }
            }
        }
    }
}
