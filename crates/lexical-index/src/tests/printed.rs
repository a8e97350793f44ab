//! A query that is printed and read again finds the same.

use proptest::prelude::*;

use super::{index_of, part_of};
use crate::{Analyzer, Match, Occur, Query, Searcher, Segment};

const TEXTS: [&str; 7] =
    ["cat food", "dog food", "cat dog food", "food", "cat-dog", "日本語 food", "日本 dog"];

/// Rows and scores.
fn found(query: &Query) -> Result<Vec<(u32, f32)>, String> {
    let part = part_of(&index_of(&TEXTS, true));
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let found = searcher.search(query, 10, &[]).map_err(|e| e.to_string())?;
    let mut found: Vec<_> = found.hits.iter().map(|hit| (hit.row, hit.score)).collect();
    found.sort_unstable_by_key(|&(row, _)| row);
    Ok(found)
}

fn read_again(query: &Query) -> Result<Vec<(u32, f32)>, String> {
    let printed = query.to_string();
    found(&Query::parse(&printed, Occur::Should).map_err(|e| format!("{printed}: {e}"))?)
}

#[test]
fn several_words_alone_in_a_group_mean_the_same_when_they_are_read_again() {
    let all = |occur, group| Query::all("food").group(occur, group);
    for (query, rows) in [
        (all(Occur::Must, Query::any("cat dog").boost(2.0)), vec![0, 1, 2]),
        (all(Occur::Must, Query::any("cat-dog")), vec![0, 1, 2]),
        (all(Occur::Must, Query::default().group(Occur::Should, Query::any("cat-dog"))), vec![0, 1, 2]),
        (all(Occur::MustNot, Query::any("cat dog")), vec![3, 5]),
        (all(Occur::MustNot, Query::all("dog-cat")), vec![0, 1, 3, 5]),
        (Query::default().group(Occur::Should, Query::all("cat dog")), vec![2, 4]),
        (
            Query::default().group(Occur::Should, Query::any("cat").boost(1_000.0)).boost(1_000.0),
            vec![0, 2, 4],
        ),
    ] {
        let expected = found(&query).unwrap();
        assert_eq!(expected.iter().map(|&(row, _)| row).collect::<Vec<_>>(), rows, "{query}");
        assert_eq!(read_again(&query), Ok(expected), "{query}");
    }
}

fn occur() -> impl Strategy<Value = Occur> {
    prop::sample::select(vec![Occur::Should, Occur::Must, Occur::MustNot])
}

fn query() -> impl Strategy<Value = Query> {
    let text = prop::sample::select(vec![
        "cat",
        "dog",
        "food",
        "cat dog",
        "dog-cat",
        "日本語",
        "food\tcat",
        "cat\u{a0}",
    ]);
    let pattern = (text, 0..8).prop_map(|(text, kind)| match kind {
        0 => Match::Phrase(text.to_owned()),
        1 => Match::Near(text.to_owned(), 2),
        2 => Match::Prefix(text.to_owned()),
        _ => Match::Words(text.to_owned()),
    });
    let boost = || prop::sample::select(vec![1.0, 1.0, 1.0, 0.001, 0.5, 1_000.0]);
    let clause = (occur(), pattern, boost())
        .prop_map(|(occur, pattern, boost)| Query::default().with(occur, pattern, None).boost(boost));
    let joined = |clauses: Vec<Query>| {
        let mut all = Query::default();
        all.clauses.extend(clauses.into_iter().flat_map(|query| query.clauses));
        all
    };
    clause.prop_recursive(4, 12, 3, move |inner| {
        let group = (occur(), inner.clone(), boost())
            .prop_map(|(occur, group, boost)| Query::default().group(occur, group).boost(boost));
        prop::collection::vec(prop_oneof![inner, group], 1..4).prop_map(joined)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_printed_finds_the_same_when_it_is_read_again(query in query()) {
        if let Ok(expected) = found(&query) {
            let again = read_again(&query);
            let is_same = again.as_ref().is_ok_and(|again| {
                let near = |(a, b): (&(u32, f32), &(u32, f32))| a.0 == b.0 && (a.1 - b.1).abs() <= a.1 * 1e-4;
                again.len() == expected.len() && expected.iter().zip(again).all(near)
            });
            prop_assert!(is_same, "{query}: {expected:?} and {again:?}");
        }
    }
}
