//! What is found, and in what order.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use row_set::RowSet;

use super::{Random, index_of, part_of, texts};
use crate::bm25::{B, K1};
use crate::{
    Analyzer, ErrorKind, Hit, Match, MemoryIndex, Occur, PartOfHits, Query, Searcher, Segment, SharedSearch,
};

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// BM25 as the textbook has it, over texts of words between white space, in floating point.
fn plain_scores(texts: &[String], words: &[&str]) -> HashMap<u32, f64> {
    let tokens: Vec<Vec<&str>> = texts.iter().map(|text| text.split_whitespace().collect()).collect();
    let count = float(texts.len());
    let average = float(tokens.iter().map(Vec::len).sum()) / count;
    let mut scores = HashMap::new();
    for word in words {
        let df = float(tokens.iter().filter(|tokens| tokens.contains(word)).count());
        let idf = (1.0 + (count - df + 0.5) / (df + 0.5)).ln();
        for (row, tokens) in (0..).zip(&tokens) {
            let freq = float(tokens.iter().filter(|token| *token == word).count());
            if freq > 0.0 {
                let norm = K1 * (1.0 - B + B * float(tokens.len()) / average);
                *scores.entry(row).or_default() += idf * freq * (K1 + 1.0) / (freq + norm);
            }
        }
    }
    scores
}

fn words_of(letters: &'static str) -> impl Strategy<Value = Vec<String>> {
    let text = prop::collection::vec(letters, 0..12).prop_map(|words| words.join(" "));
    prop::collection::vec(text, 1..700)
}

/// Everything that matches, in order: with room for all, nothing can be left out.
fn exhaustive(searcher: &Searcher<'_>, query: &Query, filters: &[Option<&RowSet>]) -> Vec<Hit> {
    searcher.search(query, 10_000, filters).unwrap().hits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn scores_are_those_of_the_textbook(texts in words_of("[a-e]"), words in prop::sample::subsequence(vec!["a", "b", "c", "f"], 1..4)) {
        let part = part_of(&index_of(&texts, false));
        let analyzer = Analyzer::new();
        let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
        let expected = plain_scores(&texts, &words);
        let hits = exhaustive(&searcher, &Query::any(&words.join(" ")), &[]);
        prop_assert_eq!(hits.len(), expected.len());
        for hit in hits {
            prop_assert!((f64::from(hit.score) - expected[&hit.row]).abs() < 1e-4);
        }
    }

    #[test]
    fn the_best_are_the_first_of_all_whatever_the_segments_and_filters(
        texts in words_of("[a-h]|[a-c]"),
        query in "(\\+|-)?[a-i]( (\\+|-)?(\"[a-d] [a-d]\"|[a-i]|[b-d]~1|[a-c]\\*)){0,4}",
        cuts in (0..700usize, 0..700usize),
        (k, step) in (1..20usize, 1..100u64),
        (deleted, allowed) in (prop::collection::btree_set(0..300u32, 0..60), prop::option::of(prop::collection::btree_set(0..700u32, 0..600))),
    ) {
        let Ok(query) = Query::parse(&query, Occur::Should) else { return Ok(()) };
        let (first, second) = (cuts.0.min(cuts.1).min(texts.len()), cuts.0.max(cuts.1).min(texts.len()));
        let parts = [part_of(&index_of(&texts[..first], true)), part_of(&index_of(&texts[first..second], true)), part_of(&index_of(&texts[second..], true))];
        let analyzer = Analyzer::new();
        let deleted: RowSet = deleted.into_iter().collect();
        let allowed: Option<RowSet> = allowed.map(|rows| rows.into_iter().collect());
        let filters = [None, allowed.as_ref(), allowed.as_ref()];
        let segments = vec![Segment::new(&parts[0]).deleted(&deleted), Segment::new(&parts[1]), Segment::new(&parts[2])];
        let searcher = Searcher::new(&analyzer, segments).unwrap();
        let Ok(some) = searcher.search(&query, k, &filters) else { return Ok(()) };
        let all = exhaustive(&searcher, &query, &filters);
        prop_assert_eq!(&some.hits[..], &all[..k.min(all.len())]);
        // Shared by threads.
        let shared = SharedSearch::by(step);
        let look = || searcher.search_shared(&query, k, &filters, &shared).unwrap();
        let parts = std::thread::scope(|scope| [(); 3].map(|()| scope.spawn(look)).map(|thread| thread.join().unwrap()));
        prop_assert_eq!(&PartOfHits::join(parts, k), &some);
        // Scores that differ may round to one, so equal ones may stand in any order here.
        prop_assert!(all.is_sorted_by(|a, b| b.score <= a.score));
        prop_assert!(all.iter().all(|hit| hit.segment != 0 || !deleted.contains(hit.row)));
        // The same records in one part, nothing forbidden: the same scores.
        let whole = part_of(&index_of(&texts, true));
        let whole = Searcher::new(&analyzer, vec![Segment::new(&whole)]).unwrap();
        let scores: HashMap<u32, f32> = exhaustive(&whole, &query, &[]).into_iter().map(|hit| (hit.row, hit.score)).collect();
        for hit in all {
            let base = [0, first, second][hit.segment];
            prop_assert_eq!(scores.get(&(u32::try_from(base).unwrap() + hit.row)), Some(&hit.score));
        }
    }
}

#[test]
fn pruning_finds_over_all_texts_what_scoring_everything_finds() {
    let texts = texts();
    let index = index_of(&texts, false);
    let part = part_of(&index);
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let mut random = Random(9);
    for i in 0..60 {
        let words: Vec<String> = analyzer
            .tokens(&texts[random.below(texts.len())])
            .into_iter()
            .take(1 + i % 8)
            .map(|t| t.term)
            .collect();
        let query = Query::any(&words.join(" "));
        let rare: RowSet = (0..part.rows()).step_by(1 + random.below(100)).collect();
        for filter in [&[][..], &[Some(&rare)]] {
            let all = searcher.search(&query, crate::MAX_HITS, filter).unwrap().hits;
            if all.len() < crate::MAX_HITS {
                let some = searcher.search(&query, 10, filter).unwrap().hits;
                assert_eq!(some[..], all[..10.min(all.len())], "{words:?}");
            }
        }
    }
}

/// Rows found in three records of two fields.
fn found(query: &str) -> Vec<u32> {
    let mut index = MemoryIndex::new(Arc::new(Analyzer::new()), &["title", "text"], true).unwrap();
    index.add(&[(0, "Red fox"), (1, "The quick brown fox jumps over the lazy dog")]).unwrap();
    index.add(&[(1, "A dog and a fox, a fox and a dog")]).unwrap();
    index.add(&[(0, "Dog days"), (1, "Quicksilver is brown"), (1, "fox")]).unwrap();
    let part = part_of(&index);
    let analyzer = Analyzer::new();
    let query = Query::parse(query, Occur::Should).unwrap();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    searcher.search(&query, 10, &[]).unwrap().hits.into_iter().map(|hit| hit.row).collect()
}

#[test]
fn every_form_of_a_query_finds_what_it_says() {
    let sorted = |query| {
        let mut rows = found(query);
        rows.sort_unstable();
        rows
    };
    assert_eq!(sorted("fox"), [0, 1, 2]);
    assert_eq!(found("title:fox"), [0]);
    assert_eq!(sorted("+fox +dog"), [0, 1, 2]);
    assert_eq!(found("+fox +dog -lazy -days"), [1]);
    assert_eq!(found("\"brown fox\""), [0], "no phrase spans two texts");
    assert_eq!(found("\"fox a fox\""), [1]);
    assert_eq!(found("\"dog fox\""), [0u32; 0]);
    assert_eq!(sorted("quick*"), [0, 2]);
    assert_eq!(found("+quick* -jumps"), [2]);
    assert_eq!(sorted("fix~1"), [0, 1, 2]);
    assert_eq!(found("quiksilvr~2"), [2]);
    assert_eq!(found("quiksilvr~1"), [0u32; 0]);
    assert_eq!(found("-fox-and fox")[..2], [0, 2], "not where both words stand one after the other");
    assert_eq!(found("nothing"), [0u32; 0]);
    assert_eq!(found("(lazy OR days) AND NOT title:red"), [2]);
    assert_eq!(found("\"dog lazy\"~2"), [0]);
    assert_eq!(found("\"fox dog\"~3"), [1]);
    assert_eq!(found("dog title:dog^100")[..1], [2]);
    assert_eq!(found("lazy^100 dog")[..1], [0]);
    assert_eq!(found("+nothing fox"), [0u32; 0]);
}

#[test]
fn a_weighty_field_counts_more() {
    let mut index = MemoryIndex::new(Arc::new(Analyzer::new()), &["title", "text"], false).unwrap();
    index.add(&[(0, "other"), (1, "fox")]).unwrap();
    index.add(&[(0, "fox"), (1, "other")]).unwrap();
    let (part, analyzer) = (part_of(&index), Analyzer::new());
    for (title, first) in [(2.0, 1), (0.5, 0), (1.0, 0)] {
        let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
        let searcher = searcher.field_weight("title", title).unwrap();
        assert_eq!(searcher.search(&Query::any("fox"), 1, &[]).unwrap().hits[0].row, first);
    }
}

#[test]
fn a_prefix_of_more_terms_than_are_looked_for_says_so() {
    let texts: Vec<String> = (0..=crate::MAX_EXPANSIONS).map(|i| format!("a{i}")).collect();
    let part = part_of(&index_of(&texts, false));
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let search = |prefix: &str| {
        let query = Query::default().with(Occur::Should, Match::Prefix(prefix.to_owned()), None);
        searcher.search(&query, 10, &[]).unwrap()
    };
    assert!(search("a").is_cut);
    assert!(!search("a1").is_cut);
    // Many divide what one may stand for among them.
    for (prefixes, found, is_cut) in [(8, 128, true), (64, 16, true), (500, 2, true), (2_000, 0, true)] {
        let prefixes = (0..prefixes).fold(Query::default(), |query, _| {
            query.with(Occur::Should, Match::Prefix("a".to_owned()), None)
        });
        let result = searcher.search(&prefixes, 1_000, &[]);
        match found {
            0 => assert_eq!(result.unwrap_err().kind(), crate::ErrorKind::TooManyWords),
            _ => {
                assert_eq!(result.map(|result| (result.hits.len(), result.is_cut)).unwrap(), (found, is_cut));
            }
        }
    }
}

#[test]
fn segments_of_other_analyzers_or_fields_are_refused() {
    let plain = part_of(&index_of(&["x"], false));
    let analyzer = Analyzer::new();
    let folding = Analyzer::new().fold_diacritics(true);
    let refused = |analyzer, segments| Searcher::new(analyzer, segments).unwrap_err().kind();
    assert_eq!(refused(&folding, vec![Segment::new(&plain)]), ErrorKind::Mismatch);
    let other = part_of(&MemoryIndex::new(Arc::new(Analyzer::new()), &["title"], false).unwrap());
    assert_eq!(refused(&analyzer, vec![Segment::new(&plain), Segment::new(&other)]), ErrorKind::Mismatch);
    let positions = part_of(&index_of(&["x"], true));
    assert_eq!(refused(&analyzer, vec![Segment::new(&plain), Segment::new(&positions)]), ErrorKind::Mismatch);
    let none = Searcher::new(&analyzer, Vec::new()).unwrap();
    assert_eq!(
        none.search(&Query::parse("a field:b \"c d\"", Occur::Must).unwrap(), 1, &[]).unwrap().hits,
        []
    );
}

#[test]
fn words_of_two_texts_of_one_field_are_never_near_each_other() {
    let mut index = MemoryIndex::new(Arc::new(Analyzer::new()), &["text"], true).unwrap();
    index.add(&[(0, "cat"); 10]).unwrap();
    index.add(&[(0, "cat"), (0, "dog"), (0, "a b")]).unwrap();
    index.add(&[(0, "cat sees cat"), (0, "dog")]).unwrap();
    let part = part_of(&index);
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let found = |query: &str| {
        let found = searcher.search(&Query::parse(query, Occur::Should).unwrap(), 10, &[]).unwrap();
        found.hits.into_iter().map(|hit| hit.row).collect::<Vec<_>>()
    };
    for slop in [1, 3, 100] {
        assert_eq!(found(&format!("\"cat cat\"~{slop}")), [2]);
        assert_eq!(found(&format!("\"cat dog\"~{slop} OR \"dog cat\"~{slop}")), [0u32; 0]);
        assert_eq!(found(&format!("\"cat a b\"~{slop} OR \"dog b a\"~{slop}")), [0u32; 0]);
    }
}

#[test]
fn many_words_near_each_other_are_looked_for_in_a_long_text_in_one_pass() {
    const WORDS: usize = 100_000;
    let analyzer = Arc::new(Analyzer::new());
    let mut index = MemoryIndex::new(Arc::clone(&analyzer), &["text"], true).unwrap();
    index.add(&[(0, &"a b ".repeat(WORDS))]).unwrap();
    index.add(&[(0, &"a ".repeat(WORDS))]).unwrap();
    let part = part_of(&index);
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let found = |words: String, slop: u32| {
        let query = Query::default().with(Occur::Must, Match::Near(words, slop), None);
        let found = searcher.search(&query, 10, &[]).unwrap();
        let mut rows: Vec<u32> = found.hits.into_iter().map(|hit| hit.row).collect();
        rows.sort_unstable();
        rows
    };
    // So many of the one word take twice as much room in the first text.
    assert_eq!(found("a ".repeat(200), 100), [1]);
    assert_eq!(found("a ".repeat(500), 100), [1]);
    assert_eq!(found("a ".repeat(101), 100), [0, 1]);
    assert_eq!(found("a ".repeat(102), 100), [1]);
    assert_eq!(found("a b ".repeat(100), 100), [0]);
    assert_eq!(found(format!("{} zzz", "a ".repeat(100)), 100), [0u32; 0]);
}

#[test]
fn words_that_must_not_match_are_excluded_where_they_stand_one_after_the_other() {
    for (positions, expected) in [(true, &[1, 2][..]), (false, &[2])] {
        let texts = ["an e-mail x", "mail x and e here", "x alone"];
        let part = part_of(&super::index_of(&texts, positions));
        let analyzer = Analyzer::new();
        let query = Query::parse("x -e-mail", Occur::Should).unwrap();
        let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
        let mut rows: Vec<u32> =
            searcher.search(&query, 10, &[]).unwrap().hits.into_iter().map(|hit| hit.row).collect();
        rows.sort_unstable();
        assert_eq!(rows, expected, "with positions: {positions}");
    }
}

#[test]
fn a_boost_changes_no_record_that_is_found() {
    let part = part_of(&super::index_of(&["mail x", "e-mail x", "x"], true));
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let rows = |query: &str| {
        let found = searcher.search(&Query::parse(query, Occur::Should).unwrap(), 10, &[]).unwrap();
        found.hits.into_iter().map(|hit| hit.row).collect::<std::collections::BTreeSet<_>>()
    };
    let plain = "e-mail AND x";
    for boosted in ["(e-mail) AND x", "(e-mail^2) AND x", "(e-mail)^3 AND x", "((e-mail^2)^3)^2 AND x"] {
        assert_eq!((rows(boosted), rows(plain)), ([1].into(), [1].into()), "{boosted}");
    }
    for one in ["+e-mail", "+(e-mail)", "+(e-mail^2)^3", "+((e-mail^0.5))^3"] {
        assert_eq!(rows(one), [1].into(), "{one}");
    }
    // Each is within the limits, as where such a group is built.
    assert_eq!(Query::parse("(x^1000)^2", Occur::Should).unwrap().to_string(), "(x^1000)^2");
    assert_eq!(rows("(x^1000)^2"), [0, 1, 2].into());
}
