//! Searches that end early.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{index_of, part_of};
use crate::{Analyzer, Hits, Occur, Query, Searcher, Segment};

/// A text of one word, and one of the same word behind 20,000 others.
fn texts() -> Vec<String> {
    vec!["here".to_owned(), "ab ".repeat(20_000) + "here"]
}

fn searched(query: &str, is_over: &(dyn Fn() -> bool + Sync)) -> Hits {
    let part = part_of(&index_of(&texts(), true));
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let query = Query::parse(query, Occur::Should).unwrap();
    searcher.until(is_over).search(&query, 10, &[]).unwrap()
}

#[test]
fn a_search_asks_within_one_text_whether_it_is_over_and_ends_there() {
    let many = "ab ".repeat(100);
    let queries = [format!("\"{many}\""), format!("\"{many}\"~50"), format!("\"{many} here {many}\"~100")];
    for query in queries {
        let asked = AtomicUsize::new(0);
        let count = |is_over: bool| {
            asked.fetch_add(1, Ordering::Relaxed);
            is_over
        };
        let whole = searched(&query, &|| count(false));
        let often = asked.swap(0, Ordering::Relaxed);
        assert!(often > 5 && !whole.is_cut, "{often}: {whole:?}");
        let ended = searched(&query, &|| count(true));
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{query:.20}");
        assert!(ended.is_cut && ended.hits.is_empty(), "{ended:?}");
    }
}

#[test]
fn what_a_phrase_may_exclude_is_not_found_where_the_search_ends_in_it() {
    let query = format!("here -\"{}\"", "ab ".repeat(100));
    let rows = |found: &Hits| found.hits.iter().map(|hit| hit.row).collect::<Vec<_>>();
    for is_over in [false, true] {
        let found = searched(&query, &|| is_over);
        assert_eq!((rows(&found), found.is_cut), (vec![0], is_over));
    }
}
