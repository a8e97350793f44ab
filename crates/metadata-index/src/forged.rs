//! Indexes that no writer makes, with checksums that hold.

use crate::*;

/// An index of these keys, which one row has, and of one that sixteen million rows have.
fn forged(keys: &[&[u8]], common: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = crate::writer::Writer::new(&mut bytes);
    keys.iter().try_for_each(|key| writer.push_one(key, 0)).unwrap();
    let mut rows = roaring::RoaringBitmap::new();
    rows.insert_range(0..1 << 24);
    writer.push(common, rows).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn a_key_with_a_tag_that_no_value_has_is_damage_and_not_met_again_and_again() {
    let key = [0, 1, b'a', 0xFF];
    let index = Index::open(forged(&[&key], b"\0\x01b\0")).unwrap();
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
        assert_eq!(Index::open([body, &trailer].concat()).is_ok(), is_sound, "{entries}");
    }
}
