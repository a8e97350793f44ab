//! A query finds what its clauses say, by the plainest evaluation there is.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{index_of, part_of};
use crate::bm25::{B, K1};
use crate::{Analyzer, ErrorKind, Match, Occur, Query, Searcher, Segment};

/// What is asked for: letters are words.
#[derive(Debug, Clone)]
enum Tree {
    Word(char),
    Near(Vec<char>, u32),
    Group(Vec<(Occur, f32, Tree)>),
}

impl Tree {
    fn added_to(&self, query: Query, occur: Occur, boost: f32) -> Query {
        let query_of = |pattern: Match| Query::default().with(occur, pattern, None);
        let one = match self {
            Self::Word(word) => query_of(Match::Words(word.to_string())),
            Self::Near(words, slop) => {
                let text: String = words.iter().flat_map(|word| [*word, ' ']).collect();
                query_of(if *slop == 0 { Match::Phrase(text) } else { Match::Near(text, *slop) })
            }
            Self::Group(_) => Query::default().group(occur, self.query()),
        };
        let mut query = query;
        query.clauses.extend(one.boost(boost).clauses);
        query
    }

    /// Whether it only says what must not match: as a `Must`, it is what must not match.
    fn is_negative(&self) -> bool {
        let is_negative = |(occur, _, tree): &(Occur, f32, Self)| {
            *occur == Occur::MustNot || *occur == Occur::Must && tree.is_negative()
        };
        matches!(self, Self::Group(clauses) if clauses.iter().all(is_negative))
    }

    fn query(&self) -> Query {
        let Self::Group(clauses) = self else { unreachable!() };
        clauses
            .iter()
            .fold(Query::default(), |query, (occur, boost, tree)| tree.added_to(query, *occur, *boost))
    }
}

/// Texts as words.
struct Plain(Vec<Vec<char>>);

impl Plain {
    fn idf(&self, word: char) -> f64 {
        let float = |count: usize| f64::from(u32::try_from(count).unwrap());
        let (rows, df) =
            (float(self.0.len()), float(self.0.iter().filter(|text| text.contains(&word)).count()));
        (1.0 + (rows - df + 0.5) / (df + 0.5)).ln()
    }

    /// What so many occurrences of words in a text give.
    fn score(&self, text: &[char], words: &[char], freq: usize) -> Option<f64> {
        let float = |count: usize| f64::from(u32::try_from(count).unwrap());
        let average = float(self.0.iter().map(Vec::len).sum()) / float(self.0.len());
        let norm = K1 * (1.0 - B + B * float(text.len()) / average);
        let weight: f64 = words.iter().map(|&word| self.idf(word)).sum();
        (freq > 0).then(|| weight * (K1 + 1.0) * float(freq) / (float(freq) + norm))
    }

    /// The score of a text, if it is found.
    fn found(&self, tree: &Tree, text: &[char]) -> Option<f64> {
        match tree {
            Tree::Word(word) => {
                self.score(text, &[*word], text.iter().filter(|other| *other == word).count())
            }
            Tree::Near(words, slop) => self.score(text, words, freq_near(text, words, i64::from(*slop))),
            Tree::Group(clauses) => {
                let mut sum = 0.0;
                let mut has_any = false;
                let needs_any = clauses.iter().any(|(occur, ..)| *occur == Occur::Should)
                    && !clauses.iter().any(|(occur, _, tree)| *occur == Occur::Must && !tree.is_negative());
                for (occur, boost, tree) in clauses {
                    match (occur, self.found(tree, text)) {
                        (Occur::MustNot, Some(_)) | (Occur::Must, None) => return None,
                        (Occur::MustNot | Occur::Should, None) => {}
                        (_, Some(score)) => {
                            has_any |= *occur == Occur::Should;
                            sum += f64::from(*boost) * score;
                        }
                    }
                }
                (has_any || !needs_any).then_some(sum)
            }
        }
    }
}

/// Of the places of the first word, how many are part of a choice of places for all whose shifts from the phrase differ by at most
/// `slop`; equal words in order. At most as many as any word has.
fn freq_near(text: &[char], words: &[char], slop: i64) -> usize {
    let places =
        |word: char| (0i64..).zip(text).filter(move |(_, other)| **other == word).map(|(place, _)| place);
    let mut choices: Vec<Vec<i64>> = vec![vec![]];
    for &word in words {
        choices = choices
            .iter()
            .flat_map(|choice| places(word).map(|place| [&choice[..], &[place]].concat()))
            .collect();
    }
    let holds = |choice: &&Vec<i64>| {
        let shifts: Vec<i64> = (0..).zip(choice.iter()).map(|(at, place): (i64, _)| place - at).collect();
        let in_order =
            (0..words.len()).all(|b| (0..b).all(|a| words[a] != words[b] || choice[a] < choice[b]));
        in_order && shifts.iter().max().unwrap() - shifts.iter().min().unwrap() <= slop
    };
    let mut firsts: Vec<i64> = choices.iter().filter(holds).map(|choice| choice[0]).collect();
    firsts.dedup();
    let fewest = words.iter().map(|&word| places(word).count()).min().unwrap_or(0);
    firsts.len().min(fewest)
}

fn trees() -> impl Strategy<Value = Tree> {
    let letter = || prop::char::range('a', 'e');
    let leaf = prop_oneof![
        3 => letter().prop_map(Tree::Word),
        1 => (prop::collection::vec(letter(), 2..5), 0..7u32).prop_map(|(words, slop)| Tree::Near(words, slop)),
    ];
    let occur = || prop_oneof![3 => Just(Occur::Should), 2 => Just(Occur::Must), 1 => Just(Occur::MustNot)];
    let boost = || prop_oneof![4 => Just(1.0f32), 1 => Just(2.5f32)];
    let group = move |inner: BoxedStrategy<Tree>| {
        let clause = (occur(), boost(), inner).prop_map(|(occur, boost, tree)| {
            (occur, if occur == Occur::MustNot { 1.0 } else { boost }, tree)
        });
        prop::collection::vec(clause, 1..5).prop_map(Tree::Group)
    };
    let tree = leaf.prop_recursive(3, 24, 4, move |inner| group(inner.boxed()));
    group(tree.boxed())
}

fn texts() -> impl Strategy<Value = Vec<Vec<char>>> {
    prop::collection::vec(prop::collection::vec(prop::char::range('a', 'f'), 0..9), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_tree_of_clauses_finds_and_scores_what_the_plainest_evaluation_does(texts in texts(), tree in trees()) {
        let plain = Plain(texts);
        let as_text = |text: &Vec<char>| text.iter().flat_map(|word| [*word, ' ']).collect::<String>();
        let index = index_of(&plain.0.iter().map(as_text).collect::<Vec<_>>(), true);
        let part = part_of(&index);
        let analyzer = Analyzer::new();
        let sealed = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
        let query = tree.query();
        let found = match sealed.search(&query, 100, &[]) {
            Ok(found) => found,
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Query);
                return Ok(());
            }
        };
        let expected: BTreeMap<u32, f64> =
            (0..).zip(&plain.0).filter_map(|(row, text)| Some((row, plain.found(&tree, text)?))).collect();
        let rows: Vec<u32> = found.hits.iter().map(|hit| hit.row).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        prop_assert_eq!(rows, expected.keys().copied().collect::<Vec<_>>(), "{}", query);
        for hit in &found.hits {
            let wanted = expected[&hit.row];
            prop_assert!((f64::from(hit.score) - wanted).abs() < 1e-4 * (1.0 + wanted), "{}: {:?}, not {}", query, hit, wanted);
        }
        let some = sealed.search(&query, 3, &[]).unwrap().hits;
        prop_assert_eq!(&some[..], &found.hits[..found.hits.len().min(3)], "{}", query);
        // Printed, it is read again as what it was.
        let again = Query::parse(&query.to_string(), Occur::Should).unwrap();
        let again = sealed.search(&again, 100, &[]).unwrap();
        prop_assert_eq!(again.hits.len(), found.hits.len(), "{}", query);
        for hit in &again.hits {
            prop_assert!((f64::from(hit.score) - expected[&hit.row]).abs() < 1e-4 * (1.0 + expected[&hit.row]));
        }
    }
}

#[test]
fn words_near_each_other_are_found_with_their_other_forms() {
    let analyzer = Analyzer::new().fold_diacritics(true).stem(crate::Language::French).unwrap();
    let mut index = crate::MemoryIndex::new(std::sync::Arc::new(analyzer), &["text"], true).unwrap();
    for text in ["une pomme mangée hier", "une pomme mangee hier", "manger une pomme", "pomme"] {
        index.add(&[(0, text)]).unwrap();
    }
    let part = part_of(&index);
    let searcher = Searcher::new(index.analyzer(), vec![Segment::new(&part)]).unwrap();
    let rows = |query: &str| {
        let query = Query::parse(query, Occur::Should).unwrap();
        let mut rows: Vec<u32> =
            searcher.search(&query, 9, &[]).unwrap().hits.iter().map(|hit| hit.row).collect();
        rows.sort_unstable();
        rows
    };
    assert_eq!(rows("\"pomme mangée\""), [0, 1]);
    assert_eq!(rows("\"pomme mangee\""), [0, 1]);
    assert_eq!(rows("\"pomme mangée\"~3"), [0, 1, 2]);
    assert_eq!(rows("\"pomme mangée\"~2"), [0, 1]);
    assert_eq!(rows("mangée AND hier"), [0, 1]);
    assert_eq!(rows("pomme NOT mangée"), [3]);
}

#[test]
fn of_a_beginning_or_a_misspelled_word_that_must_not_match_no_term_is_passed_over() {
    let found = |count: usize, text: &str| {
        let words = (0..count).map(|n| format!("common w{n:04} behind"));
        let texts: Vec<String> =
            words.chain(["common here".to_owned(), "here w behind".to_owned()]).collect();
        let part = part_of(&index_of(&texts, true));
        let analyzer = Analyzer::new();
        let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
        let found = searcher.search(&Query::parse(text, Occur::Should).unwrap(), 2_000, &[]);
        found.map(|found| (found.hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), found.is_cut))
    };
    for text in [
        "common -w*",
        "common -text:w*",
        "+common -w0000~2 -w*",
        "common here -w*",
        "common here -(w* nowhere)",
        "+common -common\\ w*",
    ] {
        assert_eq!(found(400, text).unwrap(), (vec![400], false), "{text}");
    }
    assert_eq!(found(400, "common here -(+common -w*)").unwrap().0.len(), 401);
    assert_eq!(found(400, "w* common").unwrap().0.len(), 402, "what may match is as before");
    let refused = found(1_100, "common -w*").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooManyWords);
    assert!(refused.to_string().contains("more than 1024 words"), "{refused}");
}
