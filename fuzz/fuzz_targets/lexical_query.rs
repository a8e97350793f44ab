//! Proves that any query over any texts is answered or refused, in memory as in a part, that pruning loses nothing, and that
//! snippets lie between characters.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use lexical_index::{
    Analyzer, Language, MAX_HITS, MemoryIndex, Occur, Part, Query, Searcher, Segment, snippet,
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    query: String,
    all: bool,
    fold: bool,
    stop: bool,
    positions: bool,
    texts: Vec<(bool, String)>,
    copies: u8,
}

fuzz_target!(|input: Input| {
    let default = if input.all { Occur::Must } else { Occur::Should };
    let query = match Query::parse(&input.query, default) {
        Ok(query) => query,
        Err(error) => {
            assert!(error.offset().is_some_and(|at| at <= input.query.len() as u64));
            Query::any(&input.query)
        }
    };
    let mut analyzer = Analyzer::new().fold_diacritics(input.fold);
    if input.stop {
        analyzer = analyzer.stop_words(Language::English).expect("a list");
    }
    let analyzer = Arc::new(analyzer);
    let mut index =
        MemoryIndex::new(Arc::clone(&analyzer), &["text", "title"], input.positions).expect("fields");
    for _ in 0..=input.copies {
        for (title, text) in &input.texts {
            index.add(&[(usize::from(*title), text)]).expect("room");
        }
    }
    let mut bytes = Vec::new();
    index.write(&mut bytes).expect("memory");
    let part = Part::open(&bytes).expect("a part");
    part.verify().expect("sound");
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).expect("one analyzer");
    if let Ok(few) = searcher.search(&query, 3, &[]) {
        let all = searcher.search(&query, MAX_HITS, &[]).expect("as before");
        assert_eq!(few.hits[..], all.hits[..all.hits.len().min(3)]);
    }
    for (_, text) in &input.texts {
        let snippet = snippet(&analyzer, &query, text, &["a"], 40);
        assert!(text.get(snippet.range.clone()).is_some());
        assert!(snippet.highlights.into_iter().all(|range| text.get(range).is_some()));
    }
});
