//! A merge is an index built anew from what is left.

use proptest::prelude::*;
use row_set::RowSet;

use super::{index_of, part_of, texts};
use crate::{Analyzer, ErrorKind, MemoryIndex, Occur, Part, Query, Searcher, Segment, merge, merge_within};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn merged_bytes_are_those_of_an_index_built_from_what_is_left(
        texts in prop::collection::vec(prop::collection::vec("[a-f]|[a-z]{2}|é", 0..300).prop_map(|words| words.join(" ")), 0..40),
        copies in 1..9usize,
        cuts in prop::collection::vec(0..320usize, 0..4),
        deleted in prop::collection::btree_set(0..400u32, 0..100),
        positions: bool,
        in_memory in prop::sample::select(vec![0, usize::MAX]),
    ) {
        let texts: Vec<&String> = (0..copies).flat_map(|_| &texts).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(texts.len())).chain([0, texts.len()]).collect();
        cuts.sort_unstable();
        let indexes: Vec<_> = cuts.windows(2).map(|cut| index_of(&texts[cut[0]..cut[1]], positions)).collect();
        let parts: Vec<_> = indexes.iter().map(part_of).collect();
        let deletes: Vec<RowSet> = cuts
            .windows(2)
            .map(|cut| deleted.iter().filter_map(|&row| row.checked_sub(u32::try_from(cut[0]).unwrap())).collect())
            .collect();
        let inputs: Vec<_> = parts.iter().zip(&deletes).map(|(part, deleted)| (part, Some(deleted))).collect();
        let mut merged = Vec::new();
        merge_within(&inputs, in_memory, &mut merged).unwrap();
        let left: Vec<_> = (0u32..).zip(&texts).filter(|(row, _)| !deleted.contains(row)).map(|(_, text)| text).collect();
        let mut built = Vec::new();
        index_of(&left, positions).write(&mut built).unwrap();
        prop_assert!(merged == built);
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        MemoryIndex::write_together(&indexes, &mut together).unwrap();
        index_of(&texts, positions).write(&mut alone).unwrap();
        prop_assert!(together == alone);
    }
}

#[test]
fn indexes_of_one_kind_are_written_together_with_all_their_fields_and_others_are_refused() {
    let analyzer = std::sync::Arc::new(Analyzer::new());
    let index = |fields: &[&str], positions, records: &[&[(usize, &str)]]| {
        let mut index = MemoryIndex::new(std::sync::Arc::clone(&analyzer), fields, positions).unwrap();
        for texts in records {
            index.add(texts).unwrap();
        }
        index
    };
    let long = "dog ".repeat(300);
    let records: [&[(usize, &str)]; 5] = [
        &[(0, "a dog"), (1, "dog"), (0, "a dog")],
        &[],
        &[(1, &long)],
        &[(1, "cat"), (0, "dog")],
        &[(0, "")],
    ];
    let fields = ["text", "title"];
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    let some = [&records[..2], &[], &records[2..3], &records[3..]].map(|some| index(&fields, true, some));
    MemoryIndex::write_together(&some, &mut together).unwrap();
    index(&fields, true, &records).write(&mut alone).unwrap();
    assert!(together == alone);

    let one = || index(&fields, true, &records);
    let other = std::sync::Arc::new(Analyzer::new().fold_diacritics(true));
    let other = MemoryIndex::new(other, &fields, true).unwrap();
    for other in [index(&fields[..1], true, &[]), index(&fields, false, &[]), other] {
        let mut out = Vec::new();
        let refused = MemoryIndex::write_together(&[one(), other], &mut out).unwrap_err();
        assert_eq!((refused.kind(), out.len()), (ErrorKind::Mismatch, 0));
    }
    assert_eq!(MemoryIndex::write_together(&[], Vec::new()).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn all_texts_in_three_parts_merge_into_the_bytes_of_one() {
    let texts = texts();
    let parts: Vec<_> = texts.chunks(50_000).map(|texts| part_of(&index_of(texts, true))).collect();
    let mut merged = Vec::new();
    merge(&parts.iter().map(|part| (part, None)).collect::<Vec<_>>(), &mut merged).unwrap();
    let mut built = Vec::new();
    index_of(&texts, true).write(&mut built).unwrap();
    assert!(merged == built);
}

#[test]
fn parts_that_have_only_the_first_fields_are_searched_and_merged_with_those_that_have_more() {
    let analyzer = std::sync::Arc::new(Analyzer::new());
    let index = |fields: &[&str], texts: &[&[(usize, &str)]]| {
        let mut index = MemoryIndex::new(std::sync::Arc::clone(&analyzer), fields, true).unwrap();
        for texts in texts {
            index.add(texts).unwrap();
        }
        index
    };
    let (few, many) = (&["text"][..], &["text", "title"][..]);
    let first = part_of(&index(few, &[&[(0, "cat dog")], &[(0, "mouse")]]));
    let second = part_of(&index(many, &[&[(0, "cat"), (1, "dog house")]]));
    let built = part_of(&index(many, &[&[(0, "cat dog")], &[(0, "mouse")], &[(0, "cat"), (1, "dog house")]]));
    let mut merged = Vec::new();
    merge(&[(&first, None), (&second, None)], &mut merged).unwrap();
    let merged = Part::open(merged).unwrap();
    let found = |parts: &[&Part<Vec<u8>>], query: &str| -> Vec<(usize, u32, u32)> {
        let segments = parts.iter().map(|part| Segment::new(part)).collect();
        let searcher =
            Searcher::new(&analyzer, segments).unwrap().fields(&["text", "title", "more"]).unwrap();
        let hits = searcher.search(&Query::parse(query, Occur::Should).unwrap(), 10, &[]).unwrap().hits;
        hits.iter().map(|hit| (hit.segment, hit.row, hit.score.to_bits())).collect()
    };
    for query in [
        "dog",
        "title:dog",
        "text:dog cat",
        "title:\"dog house\"",
        "-title:house cat",
        "more:dog",
        "ho*",
        "hose~",
    ] {
        let apart = found(&[&first, &second], query);
        let apart: Vec<_> = apart
            .iter()
            .map(|&(part, row, score)| (0, if part == 0 { row } else { row + 2 }, score))
            .collect();
        assert_eq!(apart, found(&[&built], query), "{query}");
        assert_eq!(apart, found(&[&merged], query), "{query}");
    }
    assert_eq!(found(&[&first], "title:dog"), []);
    let other = part_of(&index(&["title"], &[]));
    assert_eq!(
        merge(&[(&first, None), (&other, None)], std::io::sink()).unwrap_err().kind(),
        ErrorKind::Mismatch
    );
}

#[test]
fn parts_that_do_not_belong_together_are_not_merged() {
    let plain = part_of(&index_of(&["x"], false));
    let with_positions = part_of(&index_of(&["x"], true));
    let folding = std::sync::Arc::new(Analyzer::new().fold_diacritics(true));
    let folded = part_of(&MemoryIndex::new(folding, &["text"], false).unwrap());
    for other in [&with_positions, &folded] {
        let error = merge(&[(&plain, None), (other, None)], std::io::sink()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
    }
    let none: [(&crate::Part<Vec<u8>>, _); 0] = [];
    assert_eq!(merge(&none, std::io::sink()).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
