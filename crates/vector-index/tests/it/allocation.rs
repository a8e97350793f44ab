//! Counts what is allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use vector_index::*;

use crate::data::*;

struct Counting;

thread_local! {
    static COUNT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
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
