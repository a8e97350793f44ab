//! Parts that are searched apart, with statistics of all of them, score as one index does.

use super::{Random, index_of, part_of, texts};
use crate::{Analyzer, ErrorKind, Hit, Occur, Part, Query, Searcher, Segment, Statistics};

const QUERIES: [&str; 8] = [
    "small domestic animal",
    "\"of the\" river",
    "anim*",
    "rivr~ water",
    "+water -sea large",
    "\"domestic animal\"~3 wild",
    "(cat OR dog) AND small^2",
    "notawordatall \"notaword river\"",
];

fn searcher<'a>(analyzer: &'a Analyzer, parts: &[&'a Part<Vec<u8>>]) -> Searcher<'a> {
    Searcher::new(analyzer, parts.iter().map(|part| Segment::new(*part)).collect()).unwrap()
}

/// Parts of neighbouring texts, so that a word is in few of them.
fn parts(texts: &[String], count: usize) -> Vec<Part<Vec<u8>>> {
    texts.chunks(texts.len().div_ceil(count)).map(|texts| part_of(&index_of(texts, true))).collect()
}

fn apart(parts: &[Part<Vec<u8>>], query: &Query, is_global: bool) -> Vec<Hit> {
    let analyzer = Analyzer::new();
    let mut statistics = Statistics::default();
    for part in parts {
        statistics.merge(searcher(&analyzer, &[part]).statistics_of(query).unwrap()).unwrap();
    }
    let mut hits = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let mut searcher = searcher(&analyzer, &[part]);
        if is_global {
            searcher = searcher.statistics(&statistics).unwrap();
        }
        let found = searcher.search(query, 20, &[]).unwrap().hits;
        hits.extend(found.into_iter().map(|hit| Hit { segment: number, ..hit }));
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.segment, a.row).cmp(&(b.segment, b.row))));
    hits.truncate(20);
    hits
}

#[test]
fn parts_that_are_searched_apart_with_all_statistics_score_as_one_index() {
    let (analyzer, mut random) = (Analyzer::new(), Random(7));
    let mut texts = texts();
    texts.truncate(6_000 + random.below(10));
    for count in [1, 2, 7, 50] {
        let parts = parts(&texts, count);
        let all = parts.iter().collect::<Vec<_>>();
        for text in QUERIES {
            let query = Query::parse(text, Occur::Should).unwrap();
            let expected = searcher(&analyzer, &all).search(&query, 20, &[]).unwrap().hits;
            assert_eq!(apart(&parts, &query, true), expected, "{count} parts: {text}");
        }
    }
}

#[test]
fn without_them_scores_depend_on_how_texts_are_spread() {
    let mut texts = texts();
    texts.truncate(6_000);
    let parts = parts(&texts, 7);
    let query = Query::any("small domestic animal");
    assert_ne!(apart(&parts, &query, false), apart(&parts, &query, true));
}

#[test]
fn a_field_that_one_part_lacks_is_looked_for_in_the_others() {
    let analyzer = std::sync::Arc::new(Analyzer::new());
    let part = |fields: &[&str], texts: &[(usize, &str)]| {
        let mut index = crate::MemoryIndex::new(analyzer.clone(), fields, true).unwrap();
        index.add(texts).unwrap();
        part_of(&index)
    };
    let parts = [part(&["text"], &[(0, "cat")]), part(&["text", "title"], &[(0, "dog"), (1, "cat")])];
    let query = Query::parse("title:cat", Occur::Should).unwrap();
    assert_eq!(apart(&parts, &query, true).len(), 1);
}

#[test]
fn statistics_of_texts_by_two_sets_of_rules_are_not_added_up() {
    let gathered = |analyzer: Analyzer| {
        let analyzer = std::sync::Arc::new(analyzer);
        let mut index = crate::MemoryIndex::new(analyzer.clone(), &["text"], false).unwrap();
        index.add(&[(0, "cats")]).unwrap();
        let part = part_of(&index);
        searcher(&analyzer, &[&part]).statistics_of(&Query::any("cats")).unwrap()
    };
    let mut plain = gathered(Analyzer::new());
    let error = plain.merge(gathered(Analyzer::new().fold_diacritics(true))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
}
