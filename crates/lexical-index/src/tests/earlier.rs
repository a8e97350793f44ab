//! Parts whose positions are all varints, as earlier versions wrote them, are read and merged for good.

use std::io::Write;

use proptest::prelude::*;
use row_set::RowSet;
use wire::{ChunkWriter, put_varint};

use super::{index_of, part_of, texts};
use crate::bm25::{Constants, Saturation};
use crate::part::Entry;
use crate::part::layout::Header;
use crate::postings::layout::{List, MAX_INSIDE, Skip, Value, put_posting};
use crate::postings::{BLOCK_LEN, Cursor, NONE, Weigh};
use crate::{Analyzer, Occur, Part, Query, Searcher, Segment, merge};

/// The part that an earlier version would have written.
fn as_earlier(part: &Part<Vec<u8>>) -> Part<Vec<u8>> {
    let part = part.as_part_ref();
    let (header, saturation) = (part.header(), Saturation::new(Constants::default(), 0, 0));
    let mut dictionary = fst::MapBuilder::memory();
    let (mut lists, mut positions) = (Vec::new(), Vec::new());
    let mut keys = part.keys().unwrap();
    while let Some(number) = keys.next() {
        let Entry::List(list, places) = part.entry(number).unwrap() else { panic!("a list") };
        dictionary.insert(&keys.key, Value::List(lists.len() as u64).encode()).unwrap();
        put_varint(&mut lists, list.df.into());
        put_varint(&mut lists, positions.len() as u64);
        let weigh = Weigh { weight: 1, saturation: &saturation, lengths: part.lengths(keys.key[0].into()) };
        let mut cursor = Cursor::new(Entry::List(list, places), header.rows, weigh);
        let (mut row, mut before, mut starts, first) = (0, NONE, Vec::new(), positions.len());
        while row != NONE {
            if cursor.seek(row) {
                if cursor.begins_block() {
                    starts.push(u32::try_from(positions.len() - first).unwrap());
                }
                if list.is_short() {
                    put_posting(&mut lists, before, row, cursor.freq());
                }
                let (mut of_row, mut last) = (cursor.positions(), 0);
                for position in std::iter::from_fn(|| of_row.next()) {
                    put_varint(&mut positions, (position - std::mem::replace(&mut last, position)).into());
                }
                before = row;
            }
            row = cursor.next_row(row + 1);
        }
        put_blocks(&mut lists, &list, &starts);
    }
    let dictionary = dictionary.into_inner().unwrap();
    let sections = header.sections().unwrap();
    let earlier = Header {
        packed: false,
        dictionary_len: dictionary.len() as u64,
        postings_len: lists.len() as u64,
        positions_len: positions.len() as u64,
        ..header.clone()
    };
    let mut bytes = Vec::new();
    let mut out = ChunkWriter::new(&mut bytes);
    out.write_all(&earlier.encode()).unwrap();
    out.pad().unwrap();
    for range in sections.lengths.iter().flat_map(|(bytes, long)| [bytes, long]) {
        out.write_all(&part.bytes()[range.clone()]).unwrap();
        out.pad().unwrap();
    }
    for section in [dictionary, lists, positions] {
        out.write_all(&section).unwrap();
        out.pad().unwrap();
    }
    out.finish().unwrap();
    Part::open(bytes).unwrap()
}

fn put_blocks(lists: &mut Vec<u8>, list: &List<'_>, starts: &[u32]) {
    let mut end = 0;
    for (block, &positions) in (0..list.blocks()).zip(starts) {
        end += u32::try_from(list.block(block).unwrap().len()).unwrap();
        let (last_row, impacts) = (list.last_row(block), list.impacts(block));
        Skip { last_row, end, impacts, positions }.encode(true, lists);
    }
    (0..list.blocks()).for_each(|block| lists.extend(list.block(block).unwrap()));
}

/// What is found, by rows and scores.
fn found(part: &Part<Vec<u8>>, query: &str) -> Vec<(u32, u32)> {
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(part)]).unwrap();
    let hits = searcher.search(&Query::parse(query, Occur::Should).unwrap(), 1_000, &[]).unwrap().hits;
    hits.iter().map(|hit| (hit.row, hit.score.to_bits())).collect()
}

fn merged(parts: &[(&Part<Vec<u8>>, Option<&RowSet>)]) -> Vec<u8> {
    let mut merged = Vec::new();
    merge(parts, &mut merged).unwrap();
    merged
}

fn built(texts: &[impl AsRef<str>]) -> Vec<u8> {
    let mut built = Vec::new();
    index_of(texts, true).write(&mut built).unwrap();
    built
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn parts_of_earlier_versions_answer_and_merge_as_if_they_were_new(
        texts in prop::collection::vec(prop::collection::vec("[a-d]|[a-z]", 0..300).prop_map(|words| words.join(" ")), 1..40),
        copies in 1..9usize,
        cut in 0..320usize,
        deleted in prop::collection::btree_set(0..300u32, 0..50),
    ) {
        let texts: Vec<&String> = (0..copies).flat_map(|_| &texts).collect();
        let (first, second) = texts.split_at(cut.min(texts.len()));
        let [first_part, second_part] = [first, second].map(|texts| part_of(&index_of(texts, true)));
        let [earlier, second_earlier] = [&first_part, &second_part].map(as_earlier);
        for query in ["a", "\"a b\"", "\"b c a\"", "\"a b\"~3", "\"c z\"", "+a +\"d d\"", "\"a a\"~2 x"] {
            prop_assert_eq!(found(&first_part, query), found(&earlier, query));
        }
        let deleted: RowSet = deleted.into_iter().collect();
        let left = (0..).zip(first).filter(|(row, _)| !deleted.contains(*row)).map(|(_, text)| text);
        let left: Vec<_> = left.chain(second).collect();
        for second in [&second_part, &second_earlier] {
            prop_assert!(merged(&[(&earlier, Some(&deleted)), (second, None)]) == built(&left));
        }
    }
}

/// Positions inside of a list, elsewhere, and in several packs, at the numbers where that changes.
#[test]
fn a_word_that_is_often_in_few_texts_has_its_positions_elsewhere() {
    let most = usize::try_from(MAX_INSIDE).unwrap();
    for (rows, times) in [
        (1, most),
        (1, most + 1),
        (2, most / 2),
        (2, most / 2 + 1),
        (127, 4),
        (127, 5),
        (128, 4),
        (300, 7),
        (1, 200_000),
    ] {
        // In each text a bit farther apart.
        let text =
            |row: usize| "often ".repeat(times).replace("often ", &format!("often {}", "x ".repeat(row % 3)));
        let texts: Vec<String> = (0..rows).map(text).collect();
        let part = part_of(&index_of(&texts, true));
        assert!(part.as_part_ref().header().packed);
        let earlier = as_earlier(&part);
        for query in ["\"often often\"", "\"often x often\"", "\"often x x often\"~1"] {
            assert_eq!(
                found(&part, query),
                found(&earlier, query),
                "{rows} texts with {times} each: {query}"
            );
        }
        assert!(merged(&[(&earlier, None)]) == built(&texts));
        let is_inside = rows < BLOCK_LEN && rows * times <= most;
        let are_all = !texts.iter().any(|text| text.contains('x'));
        let elsewhere = part.as_part_ref().header().positions_len > 0;
        assert!(!are_all || elsewhere != is_inside, "{rows} texts with {times} each");
    }
}

#[test]
fn words_with_positions_take_seven_eighths_of_what_they_took_before() {
    let part = part_of(&index_of(&texts()[..30_000], true));
    let (now, before) = (part.len_bytes(), as_earlier(&part).len_bytes());
    assert!(now * 8 < before * 7, "{now} of {before} bytes");
}
