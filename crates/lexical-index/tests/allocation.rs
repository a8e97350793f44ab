//! How much heap an index of texts without repetition takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use lexical_index::{Analyzer, MemoryIndex, Part, Query, Searcher, Segment};

struct Counting;

thread_local! {
    /// Bytes held, and the most that were.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: usize, sign: isize) {
    let bytes = isize::try_from(bytes).unwrap_or(isize::MAX) * sign;
    // Gone while a thread ends.
    let _ = HELD.try_with(|cell| {
        let (held, most) = cell.get();
        cell.set((held + bytes, most.max(held + bytes)));
    });
}

#[expect(unsafe_code, reason = "a global allocator is unsafe to implement")]
// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that some work held beyond what was held before.
fn most_held<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let (before, _) = HELD.get();
    HELD.set((before, before));
    let result = work();
    (usize::try_from(HELD.get().1 - before).unwrap_or(0), result)
}

/// Words of eight letters, of which none occurs twice.
fn different_words(len: usize) -> String {
    (0..len / 9).fold(String::with_capacity(len), |mut text, number| {
        let mut rest = number;
        for _ in 0..8 {
            text.push(char::from(b'a' + u8::try_from(rest % 26).unwrap_or(0)));
            rest /= 26;
        }
        text + " "
    })
}

#[test]
fn a_text_of_different_words_takes_a_small_multiple_of_its_length() {
    let full = std::env::var("CAMPAIGN").is_ok_and(|dose| dose == "full");
    let text = different_words(if full { 60 << 20 } else { 3 << 20 });
    let mut index = MemoryIndex::new(Arc::new(Analyzer::new()), &["text"], true).unwrap();
    let (adding, _) = most_held(|| index.add(&[(0, &text)]).unwrap());
    assert!(adding < 9 * text.len(), "adding {} bytes took {adding}", text.len());
    assert!(index.memory_bytes() < 7 * text.len(), "{} holds {}", text.len(), index.memory_bytes());
    let mut part = Vec::with_capacity(5 * text.len());
    let (writing, ()) = most_held(|| index.write(&mut part).unwrap());
    assert!(writing < if full { 3 } else { 10 } * text.len(), "writing {} bytes took {writing}", text.len());
    let part = Part::open(part).unwrap();
    part.verify().unwrap();
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let query = Query::parse("\"baaaaaaa caaaaaaa\"", lexical_index::Occur::Should).unwrap();
    assert_eq!(searcher.search(&query, 10, &[]).unwrap().hits.len(), 1);
    println!(
        "{} bytes of text: {adding} to add, {writing} to write, {} of part",
        text.len(),
        part.len_bytes()
    );
}

#[test]
fn a_phrase_of_a_word_many_times_holds_its_positions_once() {
    let (times, repeats) = (1 << 16, 100);
    let analyzer = Arc::new(Analyzer::new());
    let mut index = MemoryIndex::new(Arc::clone(&analyzer), &["text"], true).unwrap();
    index.add(&[(0, &"a ".repeat(times))]).unwrap();
    let mut part = Vec::new();
    index.write(&mut part).unwrap();
    let part = Part::open(part).unwrap();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    for slop in ["", "~1"] {
        let query = format!("\"{}\"{slop}", "a ".repeat(repeats));
        let query = Query::parse(&query, lexical_index::Occur::Should).unwrap();
        let (most, hits) = most_held(|| searcher.search(&query, 1, &[]).unwrap().hits);
        assert_eq!(hits.len(), 1);
        assert!(most < 4 * 8 * times, "a phrase of {repeats} words that are there {times} times took {most}");
    }
}

#[test]
fn merging_texts_that_repeat_a_word_takes_heap_for_a_piece_of_their_positions() {
    let (len, count) = (4 << 20, 3);
    let analyzer = Arc::new(Analyzer::new());
    let part = |_| {
        let mut index = MemoryIndex::new(Arc::clone(&analyzer), &["text"], true).unwrap();
        index.add(&[(0, &"a ".repeat(len / 2))]).unwrap();
        let mut part = Vec::new();
        index.write(&mut part).unwrap();
        Part::open(part).unwrap()
    };
    let parts: Vec<Part<Vec<u8>>> = (0..count).map(part).collect();
    let parts: Vec<_> = parts.iter().map(|part| (part, None)).collect();
    let mut merged = Vec::with_capacity(count * len);
    let (most, ()) = most_held(|| lexical_index::merge_within(&parts, 0, &mut merged).unwrap());
    assert!(most < len / 2, "merging {count} texts of {len} bytes took {most}");
    let merged = Part::open(merged).unwrap();
    merged.verify().unwrap();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&merged)]).unwrap();
    let query = Query::parse("\"a a a\"", lexical_index::Occur::Should).unwrap();
    assert_eq!(searcher.search(&query, 2 * count, &[]).unwrap().hits.len(), count);
}
