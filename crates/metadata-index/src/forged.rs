//! Indexes that no writer makes, with checksums that hold.

use std::time::{Duration, UNIX_EPOCH};

use roaring::RoaringBitmap;
use serde_json::{Map, json};

use crate::layout::{self, Tag, field_key, record_key};
use crate::writer::Writer;
use crate::*;

/// An index of these keys and their rows.
pub(crate) fn written(entries: &[(Vec<u8>, RoaringBitmap)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    entries.iter().try_for_each(|(key, rows)| writer.push(key, rows.clone())).unwrap();
    writer.finish().unwrap();
    bytes
}

/// An index of these keys, which one row has, and of one that sixteen million rows have.
fn forged(keys: &[&[u8]], common: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    keys.iter().try_for_each(|key| writer.push_one(key, 0)).unwrap();
    let mut rows = RoaringBitmap::new();
    rows.insert_range(0..1 << 24);
    writer.push(common, rows).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn a_key_with_a_tag_that_no_value_has_is_damage_and_not_met_again_and_again() {
    let key = [0, 1, b'a', 0xFF];
    let index = Index::open(forged(&[&key], b"\0\x01b\0"), 1 << 24).unwrap();
    assert_eq!(index.each_field(|_| true, &mut |_| ()).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn an_index_has_as_many_blocks_as_its_entries_fill() {
    let bytes = forged(&[b"\0\x01a\0"], b"\0\x01b\0");
    let (body, trailer) = bytes.split_at(bytes.len() - 48);
    for (entries, is_sound) in [(2u64, true), (32, true), (33, false), (0, false), (u64::MAX, false)] {
        let mut trailer = trailer.to_vec();
        trailer[32..40].copy_from_slice(&entries.to_le_bytes());
        let crc = crc32fast::hash(&trailer[..44]);
        trailer[44..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Index::open([body, &trailer].concat(), 1 << 24).is_ok(), is_sound, "{entries}");
    }
}

/// A list of all numbers of 32 bits is less than a megabyte: no call goes through it.
#[test]
fn a_row_that_the_index_does_not_have_is_damage_to_every_call_and_nobody_is_asked_about_it() {
    const ROWS: u32 = 3;
    let date = FilterValue::datetime("1970-01-01").unwrap();
    let keys = [
        record_key("key"),
        field_key("at", Tag::Exists, false, &[]),
        field_key("at", Tag::Date, false, &layout::encode_value(&date)),
        field_key("at", Tag::DateText, false, b"1970-01-01"),
    ];
    let is_live = |row| {
        assert!(row < ROWS);
        false
    };
    for (rows, is_sound) in [
        (RoaringBitmap::from_iter([0]), true),
        (RoaringBitmap::from_iter([0, ROWS - 1]), true),
        (RoaringBitmap::from_iter([ROWS]), false),
        (RoaringBitmap::from_iter([0, ROWS]), false),
        (RoaringBitmap::full(), false),
    ] {
        let entries = keys.clone().map(|key| (key, rows.clone()));
        let index = Index::open(written(&entries), ROWS).unwrap();
        let filter = ResolvedFilter::new(&Filter::field("at").exists(), |_| Ok(Types::default())).unwrap();
        let mut value = None;
        let column = index.column("at", false);
        if let Ok(column) = &column {
            value = index.value_at(column, 1).unwrap();
            assert_eq!(value.as_ref().map(FieldValue::to_json), Some(json!("1970-01-01")));
        }
        let value = value.unwrap_or(FieldValue { tag: Tag::DateText, bytes: b"1970-01-01".to_vec() });
        let none = RowSet::new();
        let new_row = |row: u32| {
            is_live(row);
            Some(row)
        };
        for (call, found) in [
            ("column", column.map(drop)),
            ("verify", index.verify()),
            ("has_field", index.has_field("at", is_live).map(drop)),
            ("each_field", index.each_field(is_live, &mut |_| ())),
            ("first_row", index.first_row("at", &value, &none).map(drop)),
            ("each_key", index.each_key("", None, is_live, &mut |_, _| true)),
            ("row_of_key", index.row_of_key("key", is_live).map(drop)),
            ("rows_until", index.rows_until("at", (UNIX_EPOCH + Duration::from_secs(1)).into()).map(drop)),
            ("search", index.search(&filter, |_| -> Result<_> { Ok(Map::new()) }).map(drop)),
            ("merge", merge(&[(&index, &new_row as &dyn Fn(u32) -> Option<u32>)], Vec::new())),
        ] {
            let kind = found.err().map(|e| e.kind());
            assert_eq!(kind, (!is_sound).then_some(ErrorKind::Damaged), "{call}: {rows:?}");
        }
    }
}

#[test]
fn a_column_of_many_values_in_many_rows_is_refused_before_it_takes_memory_for_all_of_them() {
    let rows: RoaringBitmap = (0..4096).collect();
    let column = |values: u16| {
        let key = |value: u16| field_key("a", Tag::String, true, &value.to_le_bytes().map(u8::reverse_bits));
        let mut keys: Vec<Vec<u8>> = (0..values).map(key).collect();
        keys.sort();
        let entries: Vec<_> = keys.into_iter().map(|key| (key, rows.clone())).collect();
        let bytes = written(&entries);
        assert!(bytes.len() < 1 << 16, "{}", bytes.len());
        Index::open(bytes, 4096).unwrap().column("a", false)
    };
    let most = column(1024).unwrap();
    assert_eq!((most.distinct(), most.places(4095).len()), (1024, 1024));
    assert_eq!(column(1025).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn a_key_is_looked_for_in_one_block_wherever_the_others_are_said_to_begin() {
    let keys: Vec<[u8; 4]> = (0..100).map(|name| [0, 1, name, 0]).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.to_vec(), RoaringBitmap::from_iter([0]))).collect();
    let mut bytes = written(&entries);
    let exists = |bytes: &[u8]| Index::open(bytes, 1).unwrap().has_field("A", |_| true);
    assert!(exists(&bytes).unwrap());
    // All blocks but the first begin where the last one does.
    let offsets = bytes.len() - layout::trailer::LEN - 16;
    bytes.copy_within(offsets + 12..offsets + 16, offsets + 4);
    bytes.copy_within(offsets + 12..offsets + 16, offsets + 8);
    assert_eq!(exists(&bytes).unwrap_err().kind(), ErrorKind::Damaged);
}
