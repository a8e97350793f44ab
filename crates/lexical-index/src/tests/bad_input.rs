//! Hostile bytes, odd texts, endless queries: a typed error or an answer, soon, and never a panic.

use std::sync::Arc;

use row_set::RowSet;

use super::{index_of, part_of};
use crate::postings::layout::Value;
use crate::{
    Analyzer, ErrorKind, MAX_WORDS, Match, MemoryIndex, Occur, Part, Query, Searcher, Segment, merge,
};

/// A part with every kind of list: one posting, a few, blocks with and without a rest; and long texts.
pub(super) fn small_part(positions: bool) -> Vec<u8> {
    let text = |i: usize| match i {
        7 => "all rare long ".repeat(100),
        _ if i.is_multiple_of(2) => format!("all even even x{i}"),
        _ if i * i % 11 < 6 => "all odd some".to_owned(),
        _ => "all odd".to_owned(),
    };
    let texts: Vec<String> = (0..300).map(text).collect();
    let mut bytes = Vec::new();
    index_of(&texts, positions).write(&mut bytes).unwrap();
    bytes
}

/// All that can be done with a part.
fn exercise(bytes: &[u8]) {
    let Ok(part) = Part::open(bytes) else { return };
    let _ = part.verify();
    let analyzer = Analyzer::new();
    let deleted: RowSet = (0..10).collect();
    if let Ok(searcher) = Searcher::new(&analyzer, vec![Segment::new(&part).deleted(&deleted)]) {
        for query in ["all some", "even x2 rare", "+all +odd -x9", "\"even even\" rare", "x1*", "oddd~2"] {
            let _ = searcher.search(&Query::parse(query, Occur::Should).unwrap(), 3, &[]);
            let _ = searcher.search(&Query::parse(query, Occur::Must).unwrap(), 3, &[Some(&deleted)]);
        }
    }
    let _ = merge(&[(&part, Some(&deleted))], std::io::sink());
}

/// Makes the checksum of the header right.
fn mend(bytes: &mut [u8]) {
    use crate::part::layout::{field, header};
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..header::CRC]);
    hasher.update(&bytes[header::LEN..header::LEN + field::LEN]);
    let crc = hasher.finalize();
    bytes[header::CRC..header::LEN].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn every_flipped_bit_is_noticed_by_verify_and_survived_by_all_else() {
    for positions in [false, true] {
        let bytes = small_part(positions);
        exercise(&bytes);
        Part::open(&bytes).unwrap().verify().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Part::open(&flipped).and_then(|part| part.verify()).is_err(), "bit {bit}");
            if bit % 5 == 0 || bit / 8 < 192 {
                exercise(&flipped);
            }
            if bit / 8 < 192 {
                mend(&mut flipped);
                exercise(&flipped);
            }
        }
    }
}

#[test]
fn a_part_cut_anywhere_is_refused() {
    let bytes = small_part(true);
    for len in 0..bytes.len() {
        let error = Part::open(&bytes[..len]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotAPart | ErrorKind::Damaged), "{len}: {error}");
    }
}

#[test]
fn rows_and_lists_that_a_part_does_not_have_are_damage() {
    let part = Part::open(small_part(false)).unwrap();
    let kind =
        |value: Value| part.as_part_ref().entry(value.encode()).map(|entry| entry.df()).map_err(|e| e.kind());
    assert_eq!(kind(Value::Single(299)), Ok(1));
    assert_eq!(kind(Value::Single(300)), Err(ErrorKind::Damaged));
    assert_eq!(kind(Value::List(1 << 40)), Err(ErrorKind::Damaged));
}

#[test]
fn bytes_replaced_at_random_are_survived() {
    let bytes = small_part(true);
    let mut random = super::Random(3);
    for _ in 0..3_000 {
        let mut changed = bytes.clone();
        for _ in 0..=random.below(8) {
            let at = 192 + random.below(bytes.len() - 192);
            changed[at] = [0, 1, 0x7F, 0x80, 0xFF, changed[at].wrapping_add(1)][random.below(6)];
        }
        exercise(&changed);
    }
}

#[test]
fn a_newer_or_foreign_part_is_told_from_a_damaged_one() {
    let bytes = small_part(false);
    let kind = |bytes: &[u8]| Part::open(bytes).unwrap_err().kind();
    assert_eq!(kind(b"something else"), ErrorKind::NotAPart);
    let mut newer = bytes.clone();
    newer[crate::part::layout::header::MAJOR] += 1;
    assert_eq!(kind(&newer), ErrorKind::Damaged, "the checksum comes first");
    mend(&mut newer);
    assert_eq!(kind(&newer), ErrorKind::NewerFormat);
}

#[test]
fn a_query_of_ten_thousand_words_is_refused_and_one_of_many_repeated_words_is_not() {
    let part = part_of(&index_of(&["w1 w2 w3"], true));
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let words = |count: usize| (0..count).map(|i| format!("w{i}")).collect::<Vec<_>>().join(" ");
    let text = words(10_000);
    for query in [
        Query::any(&text),
        Query::all(&text),
        Query::default().with(Occur::Must, Match::Phrase(text.clone()), None),
        Query::parse(&text, Occur::Should).unwrap(),
    ] {
        assert_eq!(searcher.search(&query, 10, &[]).unwrap_err().kind(), ErrorKind::TooManyWords);
    }
    let repeated = "w1 w2 ".repeat(5_000);
    assert_eq!(searcher.search(&Query::any(&repeated), 10, &[]).unwrap().hits.len(), 1);
    let most = words(MAX_WORDS);
    assert_eq!(searcher.search(&Query::any(&most), 10, &[]).unwrap().hits.len(), 1);
    let error = Query::parse(&"x".repeat(2 << 20), Occur::Should).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyWords);
}

#[test]
fn odd_texts_are_indexed_and_found() {
    let one_word = "é".repeat(32 << 20);
    let texts = ["", "?!... \u{2014}", "שלום עולם", "🎉🎉 party", &one_word];
    let index = index_of(&texts, true);
    let part = part_of(&index);
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    for (query, row) in [("עולם", 2), ("party", 3), (&one_word[..600], 4)] {
        assert_eq!(searcher.search(&Query::any(query), 10, &[]).unwrap().hits[0].row, row);
    }
    let mut index = index;
    let error = index.add(&[(0, &one_word), (0, "x")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn wrong_arguments_are_typed_errors() {
    let new = |fields: &[&str]| MemoryIndex::new(Arc::new(Analyzer::new()), fields, false);
    for fields in [&[][..], &[""], &["a", "a"], &[&"x".repeat(52)[..]], &["x"; 256]] {
        assert_eq!(new(fields).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    let mut index = new(&["text"]).unwrap();
    assert_eq!(index.add(&[(1, "x")]).unwrap_err().kind(), ErrorKind::NoSuchField);
    assert_eq!(index.rows(), 0);
    index.add(&[(0, "x")]).unwrap();
    let (part, analyzer) = (part_of(&index), Analyzer::new());
    let searcher = || Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let kind = |query: &str| {
        let query = Query::parse(query, Occur::Should).unwrap();
        let error = searcher().search(&query, 1, &[]).unwrap_err();
        (error.kind(), error.offset())
    };
    assert_eq!(kind("x \"x x\""), (ErrorKind::NoPositions, Some(2)));
    assert_eq!(kind("x title:x"), (ErrorKind::NoSuchField, Some(2)));
    let negative = Query::default().with(Occur::MustNot, Match::Words("x".into()), None);
    for query in [
        negative.clone(),
        Query::any("x").group(Occur::Should, negative.clone()),
        Query::any("x").group(Occur::Must, Query::default()),
        Query::any("x").boost(f32::NAN),
        Query::any("x").boost(0.0),
        Query::any("x").boost(-1.0),
        Query::any("x").group(Occur::MustNot, Query::any("y").boost(2.0)),
    ] {
        assert_eq!(searcher().search(&query, 1, &[]).unwrap_err().kind(), ErrorKind::Query, "{query}");
    }
    assert_eq!(Query::any("x").check_fields(&["text"]).map_err(|e| e.kind()), Ok(()));
    let nested = Query::parse("x (text:y -title:z)", Occur::Should).unwrap();
    assert_eq!(nested.check_fields(&["text"]).unwrap_err().kind(), ErrorKind::NoSuchField);
    assert_eq!(kind("x a.-b~"), (ErrorKind::Query, Some(2)));
    assert_eq!(kind("x a.-b*"), (ErrorKind::NoPositions, Some(2)));
    let query = Query::any("x");
    assert_eq!(searcher().search(&query, 0, &[]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(
        searcher().search(&query, crate::MAX_HITS + 1, &[]).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert_eq!(searcher().search(&query, 1, &[None, None]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    for weight in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(searcher().field_weight("text", weight).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(searcher().field_weight("title", 1.0).unwrap_err().kind(), ErrorKind::NoSuchField);
    let too_far = Query::default().with(Occur::Should, Match::Fuzzy("x".into(), 3), None);
    assert_eq!(searcher().search(&too_far, 1, &[]).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
