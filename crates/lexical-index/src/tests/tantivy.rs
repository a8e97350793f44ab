//! The ranking is that of tantivy.
//!
//! tantivy keeps the length of a text in a byte, exact up to 40 tokens and rounded down to one of a few numbers above. Here
//! lengths are exact. So the whole collection is compared twice: with lengths rounded like tantivy's, which only tests can do, every
//! score must be equal; with exact ones, the scores of all texts that tantivy does not round. The tokens are ours on both sides.

use std::collections::HashMap;

use ::tantivy::collector::TopDocs;
use ::tantivy::fieldnorm::FieldNormReader;
use ::tantivy::query::{BooleanQuery, Occur as TheirOccur, PhraseQuery, Query as TheirQuery, TermQuery};
use ::tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use ::tantivy::tokenizer::{PreTokenizedString, Token};
use ::tantivy::{Index, IndexWriter, ReloadPolicy, Searcher as TheirSearcher, TantivyDocument, Term};

use super::{Random, index_of, part_of, texts};
use crate::{Analyzer, Hits, Match, Occur, Part, Query, Searcher, Segment};

const QUERIES: usize = 2_000;
const TOLERANCE: f32 = 1e-4;

fn theirs(texts: &[String]) -> (Field, TheirSearcher) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let field = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
    let index = Index::create_in_ram(schema.build());
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 300 << 20).unwrap();
    let analyzer = Analyzer::new();
    for text in texts {
        let token = |t: crate::Token| Token {
            offset_from: t.range.start,
            offset_to: t.range.end,
            position: t.position as usize,
            text: t.term,
            position_length: 1,
        };
        let tokens = analyzer.tokens(text).into_iter().map(token).collect();
        let mut document = TantivyDocument::default();
        document.add_pre_tokenized_text(field, PreTokenizedString { text: String::new(), tokens });
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().unwrap();
    assert_eq!(reader.searcher().segment_readers().len(), 1, "rows are document numbers");
    (field, reader.searcher())
}

/// Words in a row of a text, drawn at random: one to eight.
fn drawn(texts: &[String], random: &mut Random) -> Vec<String> {
    let analyzer = Analyzer::new();
    loop {
        let words: Vec<String> =
            analyzer.tokens(&texts[random.below(texts.len())]).into_iter().map(|t| t.term).collect();
        let len = 1 + random.below(8);
        if words.len() >= len {
            let start = random.below(words.len() - len + 1);
            return words[start..start + len].to_vec();
        }
    }
}

fn term_queries(field: Field, words: &[String], occur: TheirOccur) -> BooleanQuery {
    let term = |word: &String| -> (TheirOccur, Box<dyn TheirQuery>) {
        let term = Term::from_field_text(field, word);
        (occur, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)))
    };
    BooleanQuery::new(words.iter().map(term).collect())
}

fn their_top(searcher: &TheirSearcher, query: &dyn TheirQuery, k: usize) -> Vec<(u32, f32)> {
    let top = searcher.search(query, &TopDocs::with_limit(k).order_by_score()).unwrap();
    top.into_iter().map(|(score, address)| (address.doc_id, score)).collect()
}

/// The same scores in the same order, and the same records but for those that tie within the tolerance.
fn assert_same(ours: &Hits, theirs: &[(u32, f32)], k: usize, what: &str) {
    assert_eq!(ours.hits.len(), k.min(theirs.len()), "{what}");
    let scores: HashMap<u32, f32> = theirs.iter().copied().collect();
    for (hit, &(_, score)) in ours.hits.iter().zip(theirs) {
        assert!((hit.score - score).abs() <= TOLERANCE, "{what}: {hit:?} beside {score}");
        if let Some(score) = scores.get(&hit.row) {
            assert!((hit.score - score).abs() <= TOLERANCE, "{what}: {hit:?} beside its {score}");
        } else {
            let last = theirs.last().map_or(0.0, |&(_, score)| score);
            assert!((hit.score - last).abs() <= TOLERANCE, "{what}: {hit:?} is not among theirs");
        }
    }
}

/// With the constants of tantivy, which cannot be changed there.
fn searcher<'a>(analyzer: &'a Analyzer, part: &'a Part<Vec<u8>>) -> Searcher<'a> {
    Searcher::new(analyzer, vec![Segment::new(part)]).unwrap().bm25(1.2, 0.75).unwrap()
}

#[test]
fn the_top_10_of_2000_queries_over_all_texts_and_their_scores_are_those_of_tantivy() {
    let texts = texts();
    let (field, their_searcher) = theirs(&texts);
    let mut rounded = index_of(&texts, true);
    rounded.map_lengths(|len| FieldNormReader::id_to_fieldnorm(FieldNormReader::fieldnorm_to_id(len)));
    let part = part_of(&rounded);
    let analyzer = Analyzer::new();
    let sealed = searcher(&analyzer, &part);
    let mut random = Random(4);
    for i in 0..QUERIES {
        let words = drawn(&texts, &mut random);
        let text = words.join(" ");
        let theirs = their_top(&their_searcher, &term_queries(field, &words, TheirOccur::Should), 30);
        let ours = sealed.search(&Query::any(&text), 10, &[]).unwrap();
        assert_same(&ours, &theirs, 10, &text);
        if i % 10 == 0 {
            let theirs = their_top(&their_searcher, &term_queries(field, &words, TheirOccur::Must), 30);
            let ours = sealed.search(&Query::all(&text), 10, &[]).unwrap();
            assert_same(&ours, &theirs, 10, &text);
        }
        if i % 10 == 0 && words.len() > 1 {
            let terms = words.iter().map(|word| Term::from_field_text(field, word)).collect();
            let theirs = their_top(&their_searcher, &PhraseQuery::new(terms), 30);
            let phrase = Query::default().with(Occur::Should, Match::Phrase(text.clone()), None);
            let ours = sealed.search(&phrase, 10, &[]).unwrap();
            assert_same(&ours, &theirs, 10, &text);
        }
    }
}

#[test]
fn with_exact_lengths_the_scores_differ_only_where_tantivy_rounds() {
    let texts = texts();
    let (field, their_searcher) = theirs(&texts);
    let part = part_of(&index_of(&texts, false));
    let analyzer = Analyzer::new();
    let ours = searcher(&analyzer, &part);
    let is_exact = |row: u32| analyzer.tokens(&texts[row as usize]).len() <= 40;
    let mut random = Random(5);
    let (mut equal, mut rounded) = (0, 0);
    for _ in 0..QUERIES / 4 {
        let words = drawn(&texts, &mut random);
        let theirs = their_top(&their_searcher, &term_queries(field, &words, TheirOccur::Should), 100);
        let theirs: HashMap<u32, f32> = theirs.into_iter().collect();
        for hit in ours.search(&Query::any(&words.join(" ")), 10, &[]).unwrap().hits {
            let Some(score) = theirs.get(&hit.row) else { continue };
            if is_exact(hit.row) {
                assert!((hit.score - score).abs() <= TOLERANCE, "{words:?}: {hit:?} beside {score}");
                equal += 1;
            } else {
                assert!(hit.score <= score + TOLERANCE, "tantivy takes them for shorter");
                rounded += 1;
            }
        }
    }
    assert!(equal > 10 * rounded && equal > 3_000, "{equal} equal, {rounded} rounded");
}
