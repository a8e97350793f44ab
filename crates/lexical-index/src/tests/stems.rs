//! Queries of an index of stems: beginnings and misspelled words, stop words, texts of other languages.

use std::sync::Arc;

use crate::{Analyzer, Language, MemoryIndex, Occur, Query, Searcher, Segment, StopWords, snippet};

const TEXTS: &[&str] = &[
    "Happiness is a warm connection",
    "They were running, and studied organic chemistry",
    "To be, or not to be",
    "The Who played my generation",
    "l'avion et les mangées, Häuser und Straßen",
    "a particular party and a part of it",
];

fn english() -> Arc<Analyzer> {
    let analyzer = Analyzer::new().fold_diacritics(true).stem(Language::English).unwrap();
    Arc::new(analyzer.common_elisions(true))
}

/// The rows that a query finds without its stop words, in order.
fn found(query: &str) -> Vec<u32> {
    let analyzer = english();
    let mut index = MemoryIndex::new(Arc::clone(&analyzer), &["text"], true).unwrap();
    for text in TEXTS {
        index.add(&[(0, text)]).unwrap();
    }
    let part = super::part_of(&index);
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let stop_words = StopWords::new(&analyzer, Language::English);
    let query = Query::parse(query, Occur::Should).unwrap();
    let mut rows: Vec<u32> = searcher
        .search(&stop_words.leave_out(&query), 10, &[])
        .unwrap()
        .hits
        .iter()
        .map(|hit| hit.row)
        .collect();
    rows.sort_unstable();
    rows
}

#[test]
fn the_beginning_of_a_word_finds_it_wherever_its_stem_ends() {
    for word in
        ["happiness", "connection", "running", "studied", "organic", "chemistry", "generation", "particular"]
    {
        let row = found(word);
        for len in 3..=word.len() {
            let beginning = format!("{}*", &word[..len]);
            assert!(
                row.iter().all(|row| found(&beginning).contains(row)),
                "{beginning}: {:?}",
                found(&beginning)
            );
        }
    }
    assert_eq!(found("partic*"), [5]);
    assert_eq!(found("connectib*"), [0], "of one stem with connectible");
    assert_eq!(found("category*"), [0; 0]);
}

#[test]
fn a_misspelled_word_finds_words_of_its_stem() {
    for (misspelled, row) in
        [("conection~", 0), ("happyness~", 0), ("runing~", 1), ("studyed~", 1), ("genration~", 3)]
    {
        assert!(found(misspelled).contains(&row), "{misspelled}: {:?}", found(misspelled));
    }
}

#[test]
fn stop_words_are_left_out_unless_a_query_needs_them() {
    assert_eq!(found("the happiness of it"), [0]);
    assert_eq!(found("what is the who"), [0, 3], "nothing else: all of them");
    assert_eq!(found("\"to be or not to be\""), [2]);
    assert_eq!(found("\"the who\""), [3]);
    assert_eq!(found("to be or not to be"), [2]);
    assert_eq!(found("+the happiness"), [3]);
    assert_eq!(found("happiness -the generation"), [0]);
    assert_eq!(found("(the of) happiness"), [0]);
    assert_eq!(found("+(the of) happiness"), [3, 5]);
    assert_eq!(found("the xyzzy"), [0; 0], "a word that is in no text is something else");
}

#[test]
fn an_elided_stop_word_is_left_out_with_its_apostrophe_whichever_that_is() {
    let analyzer = Arc::new(Analyzer::new().fold_diacritics(true).stem(Language::French).unwrap());
    let stop_words = StopWords::new(&analyzer, Language::French);
    for apostrophe in ["'", "’", "‘", "\u{2BC}", "＇"] {
        for (text, rest) in [("l{}école", "école"), ("d{}l{}eau pure", "eau pure"), ("qu{}", "qu{}")] {
            let query = Query::any(&text.replace("{}", apostrophe));
            let terms = |text: &str| analyzer.tokens(text).into_iter().map(|t| t.term).collect::<Vec<_>>();
            let left = terms(&stop_words.leave_out(&query).to_string());
            assert_eq!(left, terms(&rest.replace("{}", apostrophe)), "{text} with {apostrophe}");
        }
    }
}

#[test]
fn texts_of_other_languages_are_found_by_their_own_words() {
    for word in ["avion", "l'avion", "mangées", "mangees", "Häuser", "hauser", "STRASSEN", "straßen"] {
        assert_eq!(found(word), [4], "{word}");
    }
}

#[test]
fn snippets_show_what_was_looked_for_without_its_stop_words() {
    let analyzer = english();
    let stop_words = StopWords::new(&analyzer, Language::English);
    let query = Query::any("what is a connection");
    let text = "It is what it is, and a connection is what they had.";
    let shown = snippet(&analyzer, &stop_words.leave_out(&query), text, &[], 20);
    let highlights: Vec<&str> = shown.highlights.iter().map(|range| &text[range.clone()]).collect();
    assert_eq!(highlights, ["connection"]);
}

#[test]
fn every_language_has_stop_words_which_are_folded_like_texts() {
    for &language in Language::ALL {
        let analyzer = Arc::new(Analyzer::new().fold_diacritics(true).stem(language).unwrap());
        let stop_words = StopWords::new(&analyzer, language);
        for word in language.common_words() {
            let query = Query::any(&format!("xyzzy {word}"));
            assert_eq!(
                stop_words.leave_out(&query).to_string().trim_end_matches(['\\', ' ']),
                "xyzzy",
                "{language} {word}"
            );
        }
    }
}

#[test]
fn constants_of_bm25_outside_their_limits_are_refused() {
    let analyzer = Analyzer::new();
    for (k1, b) in [(-0.1, 0.5), (100.1, 0.5), (f64::NAN, 0.5), (1.0, -0.1), (1.0, 1.1), (1.0, f64::NAN)] {
        let refused = Searcher::new(&analyzer, Vec::new()).unwrap().bm25(k1, b).unwrap_err();
        assert_eq!(refused.kind(), crate::ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_phrase_of_words_that_have_terms_in_common_is_found() {
    let analyzer = Analyzer::new().fold_diacritics(true).stem(Language::German).unwrap();
    let analyzer = Arc::new(analyzer);
    let mut index = MemoryIndex::new(Arc::clone(&analyzer), &["text"], true).unwrap();
    index.add(&[(0, "Müller Muller Mueller Müller")]).unwrap();
    let part = super::part_of(&index);
    assert_eq!(part.terms(), 2);
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    for query in ["\"Müller Muller Mueller Müller\"", "\"Mueller Müller Muller\"~3"] {
        let query = Query::parse(query, Occur::Should).unwrap();
        assert_eq!(searcher.search(&query, 1, &[]).unwrap().hits.len(), 1, "{query}");
    }
}
