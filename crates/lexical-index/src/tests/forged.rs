//! Parts that no writer makes, with checksums that hold.

use std::io::Write;

use row_set::RowSet;
use wire::{ChunkWriter, put_varint};

use super::bad_input::small_part;
use crate::bm25::{Constants, Saturation};
use crate::part::Fields;
use crate::part::layout::{FieldStats, Header, header};
use crate::postings::layout::{Impacts, Skip, Value};
use crate::postings::{Cursor, Weigh};
use crate::{Analyzer, ErrorKind, Occur, Part, Query, Searcher, Segment, merge};

const ROWS: u32 = 1_000;

/// A part of texts of one word, whose positions are varints.
fn part_of(
    terms: u64,
    dictionary: &[u8],
    postings: &[u8],
    positions: Option<&[u8]>,
) -> crate::Result<Part<Vec<u8>>> {
    part_with(false, terms, dictionary, postings, positions)
}

fn part_with(
    packed: bool,
    terms: u64,
    dictionary: &[u8],
    postings: &[u8],
    positions: Option<&[u8]>,
) -> crate::Result<Part<Vec<u8>>> {
    let len = |bytes: &[u8]| bytes.len() as u64;
    let header = Header {
        analyzer: Analyzer::new().identity(),
        fields: Fields::new(&["text"], positions.is_some()).unwrap(),
        packed,
        stats: vec![FieldStats { tokens: ROWS.into(), long: 0 }],
        rows: ROWS,
        terms,
        dictionary_len: len(dictionary),
        postings_len: len(postings),
        positions_len: len(positions.unwrap_or_default()),
    };
    let mut bytes = Vec::new();
    let mut out = ChunkWriter::new(&mut bytes);
    for section in [&header.encode()[..], &[1; ROWS as usize], &[], dictionary, postings] {
        out.write_all(section).unwrap();
        out.pad().unwrap();
    }
    out.write_all(positions.unwrap_or_default()).unwrap();
    out.pad().unwrap();
    out.finish().unwrap();
    Part::open(bytes)
}

/// A part of the terms a, b, c and so on, whose lists begin at these places.
fn part_of_lists(places: &[u64], postings: &[u8], positions: Option<&[u8]>) -> Part<Vec<u8>> {
    part_of(places.len() as u64, &dictionary_of(places), postings, positions).unwrap()
}

/// The same with positions in packs.
fn packed_part_of_lists(places: &[u64], postings: &[u8], positions: &[u8]) -> Part<Vec<u8>> {
    part_with(true, places.len() as u64, &dictionary_of(places), postings, Some(positions)).unwrap()
}

fn dictionary_of(places: &[u64]) -> Vec<u8> {
    let mut dictionary = fst::MapBuilder::memory();
    for (&place, term) in places.iter().zip(b'a'..) {
        dictionary.insert([0, term], Value::List(place).encode()).unwrap();
    }
    dictionary.into_inner().unwrap()
}

/// The kind of the error of a merge without the first rows.
fn merge_error(part: &Part<Vec<u8>>) -> Option<ErrorKind> {
    let first: RowSet = (0..5).collect();
    let kind = |deleted| merge(&[(part, deleted)], Vec::new()).err().map(|e| e.kind());
    assert_eq!(kind(None), kind(Some(&first)));
    kind(None)
}

/// How many records a search finds.
fn hits(part: &Part<Vec<u8>>, query: &str) -> usize {
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(part)]).unwrap();
    searcher.search(&Query::parse(query, Occur::Should).unwrap(), 10, &[]).unwrap().hits.len()
}

/// How a search ends.
fn search_error(part: &Part<Vec<u8>>, query: &str) -> Option<ErrorKind> {
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(part)]).unwrap();
    searcher.search(&Query::parse(query, Occur::Should).unwrap(), 10, &[]).err().map(|e| e.kind())
}

#[test]
fn a_part_that_says_more_terms_than_its_postings_have_room_for_is_damage() {
    for positions in [false, true] {
        let bytes = small_part(positions);
        let sound = Header::decode(&bytes).unwrap();
        assert!(sound.terms <= sound.most_terms());
        let of_lists = sound.postings_len / 3;
        // Where no positions are kept a word of a text may have no list.
        assert_eq!(sound.most_terms() - of_lists, if positions { 0 } else { 3 * (300 * 255 + (64 << 20)) });
        for (terms, is_sound) in
            [(sound.most_terms(), true), (sound.most_terms() + 1, false), (u64::MAX, false)]
        {
            let mut bytes = bytes.clone();
            let encoded = Header { terms, ..sound.clone() }.encode();
            bytes[..encoded.len()].copy_from_slice(&encoded);
            assert_eq!(Part::open(&bytes).is_ok(), is_sound, "{terms}");
            assert_eq!(bytes[header::TERMS..header::TERMS + 8], terms.to_le_bytes());
        }
    }
}

/// Each of 200 states leads to the next in two ways: 2^200 keys in a kilobyte.
#[test]
fn a_merge_reads_as_many_keys_as_a_part_has_terms_or_fails() {
    let mut dictionary = [3u64.to_le_bytes(), [0; 8]].concat();
    // A state that ends a key with the output 1: one word, in the first row.
    dictionary.extend([1, 0x01, 0, 0x40]);
    for _ in 0..200 {
        dictionary.extend([1, 1, b'b', b'a', 0x10, 2]);
    }
    // The field comes first.
    dictionary.extend([0, 0xC0]);
    let root = dictionary.len() as u64 - 1;
    dictionary.extend([0; 8]);
    dictionary.extend(root.to_le_bytes());
    dictionary.extend([0; 4]);
    let none = fst::MapBuilder::memory().into_inner().unwrap();
    assert_eq!(merge_error(&part_of(1, &none, &[], None).unwrap()), Some(ErrorKind::Damaged), "has none");
    let most = 3 * 255 * u64::from(ROWS);
    for terms in [1, 1_000] {
        assert_eq!(merge_error(&part_of(terms, &dictionary, &[], None).unwrap()), Some(ErrorKind::Damaged));
    }
    assert!(part_of(most, &dictionary, &[], None).is_ok());
    assert_eq!(part_of(most + 1, &dictionary, &[], None).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn lists_that_lie_over_each_other_or_in_another_order_are_damage_to_a_merge() {
    // Rows 0 and 1; 2 and 3.
    let lists = [2, 0, 0, 2, 4, 0];
    assert_eq!(merge_error(&part_of_lists(&[0, 3], &lists, None)), None);
    for places in [[0, 0], [3, 3], [3, 0]] {
        assert_eq!(merge_error(&part_of_lists(&places, &lists, None)), Some(ErrorKind::Damaged));
    }
    // The one of 128 rows has its last postings in the other.
    let mut long = Vec::new();
    put_varint(&mut long, 128);
    Skip { last_row: 127, end: 2, impacts: Impacts([1, 1, 1, 1]), positions: 0 }.encode(false, &mut long);
    long.extend([0, 0]);
    let at = long.len() as u64;
    let of_two = [&long[..], &lists].concat();
    assert_eq!(merge_error(&part_of_lists(&[0, at], &of_two, None)), None);
    assert_eq!(merge_error(&part_of_lists(&[0, at - 2], &of_two, None)), Some(ErrorKind::Damaged));
}

#[test]
fn terms_that_share_their_positions_are_damage_to_a_merge() {
    // Row 0 has both words, once.
    let lists = |of_b: u8| [1, 0, 0, 1, of_b, 0];
    assert_eq!(merge_error(&part_of_lists(&[0, 3], &lists(1), Some(&[0, 1]))), None);
    assert_eq!(merge_error(&part_of_lists(&[0, 3], &lists(0), Some(&[0, 1]))), Some(ErrorKind::Damaged));
    assert_eq!(search_error(&part_of_lists(&[0, 3], &lists(0), Some(&[0, 1])), "\"a b\""), None);
}

#[test]
fn words_of_a_phrase_that_share_their_positions_are_damage_and_a_word_that_repeats_is_not() {
    // Row 0 has each word twice.
    let part =
        |of_b: u8| part_of_lists(&[0, 4], &[1, 0, 1, 0, 1, of_b, 1, 0], Some(&vec![1; 2 + of_b as usize]));
    let outcomes =
        |of_b: u8| ["\"a b\"", "\"a b\"~1", "\"b a b a\""].map(|query| search_error(&part(of_b), query));
    assert_eq!(outcomes(2), [None; 3]);
    assert_eq!(outcomes(1), [Some(ErrorKind::Damaged); 3]);
    assert_eq!(search_error(&part(0), "\"a a a a a a\""), None);
}

/// A list of 384 rows in three blocks, the positions of which begin so far from the first.
fn part_of_blocks(starts: [u32; 3], positions: usize) -> Part<Vec<u8>> {
    let mut list = Vec::new();
    put_varint(&mut list, 384);
    put_varint(&mut list, 0);
    for (block, positions) in (1..).zip(starts) {
        let impacts = Impacts([1, 1, 1, 1]);
        Skip { last_row: block * 128 - 1, end: block * 2, impacts, positions }.encode(true, &mut list);
    }
    list.extend([0; 6]);
    part_of_lists(&[0], &list, Some(&vec![0; positions]))
}

#[test]
fn blocks_that_share_their_positions_are_damage_or_have_none() {
    // Positions that are read, row by row.
    let read = |part: &Part<Vec<u8>>| {
        let (part, saturation) = (part.as_part_ref(), Saturation::new(Constants::default(), 0, 0));
        let weigh = Weigh { weight: 1, saturation: &saturation, lengths: part.lengths(0) };
        let mut cursor = Cursor::new(part.entry(0).unwrap(), ROWS, weigh);
        let mut count = 0;
        for row in 0..ROWS {
            if cursor.seek(row) {
                let mut positions = cursor.positions();
                count += std::iter::from_fn(|| positions.next()).count();
            }
        }
        count
    };
    let outcomes = |part: &Part<Vec<u8>>| (search_error(part, "\"a a\""), merge_error(part));
    assert_eq!(outcomes(&part_of_blocks([0, 128, 256], 384)), (None, None));
    let damaged = Some(ErrorKind::Damaged);
    assert_eq!(outcomes(&part_of_blocks([0, 128, 0], 384)), (damaged, damaged));
    let shared = part_of_blocks([0, 0, 0], 128);
    assert_eq!(outcomes(&shared), (None, damaged));
    assert_eq!((read(&shared), read(&part_of_blocks([0, 128, 256], 384))), (128, 384));
}

#[test]
fn a_term_without_a_list_is_damage_where_positions_are_kept() {
    let mut dictionary = fst::MapBuilder::memory();
    dictionary.insert([0, b'a'], Value::Single(7).encode()).unwrap();
    let dictionary = dictionary.into_inner().unwrap();
    let outcome = |positions: Option<&[u8]>| {
        let part = part_of(1, &dictionary, &[0; 3], positions).unwrap();
        (search_error(&part, "a"), merge_error(&part))
    };
    assert_eq!(outcome(None), (None, None));
    assert_eq!(outcome(Some(&[0])), (Some(ErrorKind::Damaged), Some(ErrorKind::Damaged)));
}

#[test]
fn packs_that_no_writer_makes_have_no_positions_and_are_damage_to_a_merge() {
    // Row 9 has the word four times, at 1 to 4.
    let list = |pack: &[u8]| [&[1, 19, 2], pack].concat();
    let outcome = |pack: &[u8]| {
        let part = packed_part_of_lists(&[0], &list(pack), &[]);
        (hits(&part, "\"a a\""), merge_error(&part))
    };
    let sound = (1, None);
    assert_eq!(outcome(&[1, 0x0F]), sound);
    assert_eq!(outcome(&[7, 0x81, 0x40, 0x20, 0]), sound);
    assert_eq!(outcome(&[u8::MAX, 1, 1, 1, 1]), sound, "varints");
    let damaged = (0, Some(ErrorKind::Damaged));
    for width in [0, 33, 254] {
        assert_eq!(outcome(&[&[width], &[0x55; 200][..]].concat()), damaged, "{width} bits");
    }
    for cut_off in [&[][..], &[9, 1, 2, 4, 8], &[u8::MAX, 0x81, 0x81]] {
        assert_eq!(outcome(cut_off), damaged, "{cut_off:?}");
    }
}

#[test]
fn positions_inside_of_lists_that_lie_over_other_lists_are_damage_to_a_merge() {
    // Row 9 has the first word thrice, then the other once.
    let lists = [1, 19, 1, 2, 0x15, 1, 18, 0];
    assert_eq!(merge_error(&packed_part_of_lists(&[0, 5], &lists, &[])), None);
    // The pack of the one is the list of the other.
    let over_each_other = [1, 19, 1, 1, 18, 0];
    assert_eq!(merge_error(&packed_part_of_lists(&[0, 3], &over_each_other, &[])), Some(ErrorKind::Damaged));
}

#[test]
fn positions_elsewhere_are_read_as_far_as_they_are_there() {
    // Row 9 has the word 600 times, one after the other: five packs.
    let mut packs = Vec::new();
    for len in [16, 16, 16, 16, 11] {
        packs.push(1);
        packs.extend(vec![0xFF; len]);
    }
    let list = |place: u64| {
        let mut list = vec![1, 19];
        put_varint(&mut list, 598);
        put_varint(&mut list, place);
        list
    };
    let (of_one, of_two) = (list(0), [list(0), list(0)].concat());
    let sound = packed_part_of_lists(&[0], &of_one, &packs);
    assert_eq!((hits(&sound, "\"a a a\""), merge_error(&sound)), (1, None));
    for part in [
        packed_part_of_lists(&[0], &of_one, &packs[..70]),
        packed_part_of_lists(&[0], &list(1 << 40), &packs),
        packed_part_of_lists(&[0], &of_one[..4], &packs),
        packed_part_of_lists(&[0, of_one.len() as u64], &of_two, &packs),
    ] {
        assert_eq!(merge_error(&part), Some(ErrorKind::Damaged));
    }
    // Two words with the same positions have more than there is room for, if they have more than all.
    let two = packed_part_of_lists(&[0, of_one.len() as u64], &of_two, &packs);
    assert_eq!(search_error(&two, "\"a b\""), Some(ErrorKind::Damaged));
    // A posting says four billion.
    let mut many = vec![1, 19];
    put_varint(&mut many, u64::from(u32::MAX - 2));
    many.push(0);
    let claimed = packed_part_of_lists(&[0], &many, &packs);
    assert_eq!((hits(&claimed, "\"a a a\""), merge_error(&claimed)), (1, Some(ErrorKind::Damaged)));
}
