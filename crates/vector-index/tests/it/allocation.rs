//! Counts what is allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use vector_index::*;

use crate::data::*;

struct Counting;

thread_local! {
    static COUNT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    /// The largest that this thread may allocate at once.
    static LARGEST: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn count(bytes: usize) {
    // Gone while a thread ends.
    let _ = COUNT.try_with(|cell| {
        let (calls, total) = cell.get();
        cell.set((calls + 1, total + bytes));
    });
}

#[expect(unsafe_code, reason = "a global allocator is unsafe to implement")]
// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        if LARGEST.try_with(|largest| layout.size() > largest.get()).unwrap_or(false) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocated during some work, and how many bytes.
fn allocated(work: impl FnOnce()) -> (usize, usize) {
    let (calls, bytes) = COUNT.get();
    work();
    let (calls_after, bytes_after) = COUNT.get();
    (calls_after - calls, bytes_after - bytes)
}

#[test]
fn searches_do_not_allocate_once_warm() {
    let all = vectors(1, 6_000, 64);
    let mut rotated = Codes::new(Int8Quantizer::new(Metric::Cosine, 64).unwrap().rotated().unwrap());
    rotated.push_all(0, &all).unwrap();
    let indexes = [built(codes(Metric::Cosine, 64, &all)), built(rotated)];
    let filters: Vec<RowSet> =
        [2, 3, 100].into_iter().map(|step| (0..6_000).step_by(step).collect()).collect();
    let searches: Vec<SearchOptions<'_>> = filters
        .iter()
        .map(|filter| SearchOptions::new(10).filter(filter))
        .chain([
            SearchOptions::new(10),
            SearchOptions::new(10).exact(true),
            SearchOptions::new(10).deleted(&filters[1]),
            SearchOptions::new(10).rescore(Originals::F32(&all), 30),
        ])
        .collect();
    let mut scratch = Scratch::new();
    let mut run = || {
        for query in all.chunks_exact(64).step_by(50) {
            for (index, options) in indexes.iter().flat_map(|index| searches.iter().map(move |s| (index, s)))
            {
                assert!(!index.search(query, options, &mut scratch).unwrap().is_empty());
            }
        }
    };
    run();
    assert_eq!(allocated(run), (0, 0));
}

#[test]
fn opening_takes_no_heap_to_speak_of_whatever_the_size() {
    let bytes = |count| {
        Builder::new(BuildOptions::new())
            .build(codes(Metric::Cosine, 384, &vectors(2, count, 384)))
            .unwrap()
            .to_bytes()
            .unwrap()
    };
    for count in [100, 10_000] {
        let bytes = bytes(count);
        let (_, heap) = allocated(|| drop(Index::open(bytes.as_ref()).unwrap()));
        assert!(heap < 1024, "{heap} bytes for {count} vectors");
    }
}

#[test]
fn where_there_is_no_memory_for_a_graph_that_is_an_error_and_otherwise_nothing_takes_more_at_once() {
    let all = vectors(1, 9_000, 16);
    let build = |largest: usize| {
        let codes = codes(Metric::Cosine, 16, &all);
        LARGEST.set(largest);
        let built = Builder::new(BuildOptions::new().parallel(false).graph_from(1)).build(codes).map(|_| ());
        LARGEST.set(usize::MAX);
        built
    };
    let room = 9_000 * (48 * 12 + 340);
    assert_eq!(build(room - 1).unwrap_err().kind(), ErrorKind::OutOfMemory);
    build(room).unwrap();
    let merge = |largest: usize| {
        let codes = codes(Metric::Cosine, 16, &all);
        let mut merge = Builder::new(BuildOptions::new().parallel(false).graph_from(usize::MAX)).merge();
        merge.add_codes(&codes).unwrap();
        LARGEST.set(largest);
        let built = merge.build().map(|_| ());
        LARGEST.set(usize::MAX);
        built
    };
    let room = 9_000 * (64 + 200);
    assert_eq!(merge(room - 1).unwrap_err().kind(), ErrorKind::OutOfMemory);
    merge(room).unwrap();
}
