//! Bytes that are verified piece by piece: whatever changed, an answer is the one from before, or an error.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use vector_index::*;

use crate::data::{Noise, codes, vectors};

/// Bytes that know what they should be.
struct Stored {
    found: AlignedBytes,
    written: Arc<[u8]>,
    /// A planted bug: bytes that are never verified.
    left_out: Range<usize>,
}

impl AsRef<[u8]> for Stored {
    fn as_ref(&self) -> &[u8] {
        self.found.as_ref()
    }
}

const PAGE: usize = 256;

impl Bytes for Stored {
    fn check(&self, range: Range<usize>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        assert!(range.end <= self.written.len(), "within the bytes");
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        let is_sound = |page: usize| {
            let bytes = page * PAGE..(page * PAGE + PAGE).min(self.written.len());
            self.left_out.contains(&bytes.start) || self.found.as_ref()[bytes.clone()] == self.written[bytes]
        };
        match pages.into_iter().find(|&page| !is_sound(page)) {
            Some(page) => Err(format!("page {page} is damaged").into()),
            None => Ok(()),
        }
    }

    fn is_verified(&self) -> bool {
        false
    }
}

const DIMENSION: usize = 96;

type Answer = Result<Vec<(u32, u32)>>;

/// Every kind of question.
fn ask<B: Bytes>(index: &Index<B>, queries: &[f32]) -> Vec<Answer> {
    let mut scratch = Scratch::new();
    let (few, many): (RowSet, RowSet) =
        ((0..900).step_by(13).collect(), (0..900).filter(|row| row % 10 != 0).collect());
    let options = [
        SearchOptions::new(10),
        SearchOptions::new(5).exact(true),
        SearchOptions::new(5).filter(&few),
        SearchOptions::new(5).filter(&many).ef_search(5),
        SearchOptions::new(5).deleted(&few),
    ];
    // Whatever is left out of codes: it is read by row, and refines the codes of the row's node.
    let dimension = index.quantizer().dimension();
    let len = 3_000 * index.quantizer().residual_len();
    let residuals: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
    let refined = SearchOptions::new(5).rescore(Originals::Residual(&residuals), 20);
    let options: Vec<SearchOptions<'_>> =
        options.into_iter().chain([refined.exact(true), refined.ef_search(5)]).collect();
    let mut answers = Vec::new();
    for query in queries.chunks_exact(dimension) {
        for options in &options {
            let hits = index.search(query, options, &mut scratch);
            answers.push(hits.map(|hits| hits.iter().map(|hit| (hit.row, hit.distance.to_bits())).collect()));
        }
    }
    for row in [0, 300, 301, 899] {
        let vector = index.vector(row);
        answers.push(vector.map(|vector| vector.into_iter().flatten().map(|v| (row, v.to_bits())).collect()));
    }
    answers.push(index.rows().map(|rows| rows.into_iter().map(|row| (row, 0)).collect()));
    let mut merge = Builder::new(BuildOptions::new()).merge();
    let merged = merge.add_index(index, |row| (row % 40 == 0).then_some(row)).and_then(|()| merge.build());
    let merged = merged.and_then(|built| built.to_bytes());
    answers.push(merged.map(|bytes| vec![(0, crc32fast::hash(bytes.as_ref()))]));
    answers
}

/// Flips bits all over an index; returns how many, and how many changed an answer in silence. `left_out` says which bytes are not
/// verified, if it is this one that flips.
fn flips(bytes: &AlignedBytes, left_out: impl Fn(usize) -> Range<usize>) -> (usize, usize) {
    let written: Arc<[u8]> = bytes.as_ref().into();
    let index = Index::open(bytes.clone()).unwrap();
    let queries = vectors(8, 3, index.quantizer().dimension());
    let expected = ask(&index, &queries);
    let (mut flipped, mut silent, mut noise) = (0, 0, Noise::new(5));
    for at in (0..written.len()).step_by(written.len() / 150) {
        let at = (at + noise.below(written.len() / 150)).min(written.len() - 1);
        let mut changed = written.to_vec();
        changed[at] ^= 1 << noise.below(8);
        let found = AlignedBytes::from(&changed[..]);
        let stored = Stored { found, written: written.clone(), left_out: left_out(at) };
        let Ok(index) = Index::open(stored) else { continue };
        flipped += 1;
        let answers = ask(&index, &queries);
        let is_told = |(answer, expected): (&Answer, &Answer)| match answer {
            Err(e) => e.kind() == ErrorKind::Damaged || expected.is_err(),
            Ok(_) => answer == expected,
        };
        silent += usize::from(!answers.iter().zip(&expected).all(is_told));
    }
    (flipped, silent)
}

fn indexes() -> Vec<AlignedBytes> {
    let all = vectors(4, 900, DIMENSION);
    let calibrated = Int8Quantizer::calibrated(Metric::Cosine, DIMENSION, &all).unwrap();
    let mut with_calibration = Codes::new(calibrated);
    with_calibration.push_all(0, &all).unwrap();
    let mut with_gaps = Codes::new(Int8Quantizer::new(Metric::L2, DIMENSION).unwrap());
    for (row, vector) in all.chunks_exact(DIMENSION).enumerate().filter(|(row, _)| row % 7 != 3) {
        with_gaps.push(row as u32, vector).unwrap();
    }
    let mut with_equals = all[..90 * DIMENSION].repeat(2);
    with_equals.extend_from_slice(&all);
    let graph = BuildOptions::new().graph_from(0);
    let scanned = BuildOptions::new().graph_from(usize::MAX);
    let build = |codes, options| Builder::new(options).build(codes).unwrap().to_bytes().unwrap();
    vec![
        build(codes(Metric::Cosine, DIMENSION, &all), graph),
        build(with_gaps, graph),
        build(codes(Metric::Dot, DIMENSION, &all), scanned),
        build(with_calibration, graph),
        build(codes(Metric::Dot, DIMENSION, &with_equals), graph),
        // Two layers, and a top.
        build(codes(Metric::Cosine, DIMENSION, &vectors(6, 2_200, DIMENSION)), graph),
        // With outlines.
        build(codes(Metric::L2, 130, &vectors(6, 900, 130)), graph),
        // Walked by whole codes.
        build(codes(Metric::Cosine, DIMENSION, &around_one(&all)), graph),
    ]
}

#[test]
fn no_answer_is_made_of_bytes_that_were_not_verified() {
    for (number, bytes) in indexes().iter().enumerate() {
        assert_eq!(bytes.as_ref()[42] == 2, number == 7, "index {number}: WALK");
        let (flipped, silent) = flips(bytes, |_| 0..0);
        assert!(flipped > 100 && silent == 0, "index {number}: {silent} of {flipped} flips change an answer");
        // Planted: the page that flips is not verified. So the questions do read what is verified.
        let (_, silent) = flips(bytes, |at| at / PAGE * PAGE..at / PAGE * PAGE + PAGE);
        assert!(silent > 0, "index {number}: only {silent} of {flipped} flips matter");
    }
}

/// What was damaged as a whole misleads a walk as no single bit does.
#[test]
fn no_walk_goes_by_outlines_or_codes_that_were_not_verified() {
    let (count, dimension) = (900, 130);
    let all = vectors(6, count, dimension);
    let graph = Builder::new(BuildOptions::new().graph_from(0));
    for is_tight in [false, true] {
        let all = if is_tight { around_one(&all) } else { all.clone() };
        let bytes = graph.build(codes(Metric::Cosine, dimension, &all)).unwrap().to_bytes().unwrap();
        let queries = vectors(8, 3, dimension);
        let queries = if is_tight { around_one(&queries) } else { queries };
        // As docs/FORMAT.md says: rows of 64 bytes and twice 96, outlines and both planes, and the checksums of pieces of 65,536 bytes.
        let low = bytes.as_ref().len() - (bytes.as_ref().len() / 65_536 + 2) * 4 - count * 96;
        let high = low - count * 96;
        let (outlines, low) = ((high - count * 64, 64, 24), (low, 96, 96));
        for rows in [(high, 96, 96), if is_tight { low } else { outlines }] {
            walks_are_told(&bytes, &queries, count, rows);
        }
    }
}

#[test]
fn no_scan_goes_by_outlines_that_were_not_verified() {
    let (count, dimension) = (9_000, 130);
    let all = codes(Metric::Cosine, dimension, &vectors(6, count, dimension));
    let bytes = Builder::new(BuildOptions::new().graph_from(0)).build(all).unwrap().to_bytes().unwrap();
    let (query, mut scratch) = (vectors(8, 1, dimension), Scratch::new());
    let by_distance = SearchOptions::new(count).exact(true);
    let index = Index::open(bytes.clone()).unwrap();
    let by_distance = index.search(&query, &by_distance, &mut scratch).unwrap();
    let filter: RowSet = by_distance[count / 2..].iter().map(|hit| hit.row).collect();
    let options = SearchOptions::new(10).filter(&filter);
    // Those that a walk does not look at, which is given up soon: of the last nodes.
    let high = bytes.as_ref().len() - (bytes.as_ref().len() / 65_536 + 2) * 4 - 2 * count * 96;
    let outlines = high - count * 64..high;
    let written: Arc<[u8]> = bytes.as_ref().into();
    let mut changed = written.to_vec();
    changed[outlines.end - 1_000 * 64..outlines.end].iter_mut().for_each(|byte| *byte = !*byte);
    let mut found = |left_out| {
        let stored = Stored { found: AlignedBytes::from(&changed[..]), written: written.clone(), left_out };
        let found = Index::open(stored).unwrap().search(&query, &options, &mut scratch).map(<[Hit]>::len);
        (found.map_err(|e| e.kind()), scratch.statistics().path)
    };
    assert_eq!(found(0..0).0, Err(ErrorKind::Damaged));
    // Planted: outlines are not verified.
    assert_eq!(found(outlines.clone()), (Ok(10), SearchPath::GraphThenScan));
}

/// Vectors of a tight group, whose high nibbles tell too little.
fn around_one(vectors: &[f32]) -> Vec<f32> {
    vectors.iter().zip([1.0, -1.0].iter().cycle()).map(|(value, centre)| centre + 0.1 * value).collect()
}

/// Turns the first `begins` bytes of each of `count` rows around, which have `len` bytes each from `first` on.
fn walks_are_told(
    bytes: &AlignedBytes,
    queries: &[f32],
    count: usize,
    (first, len, begins): (usize, usize, usize),
) {
    let written: Arc<[u8]> = bytes.as_ref().into();
    let ask = |bytes: &AlignedBytes, left_out: Range<usize>| -> Result<Vec<Vec<Hit>>> {
        let stored = Stored { found: bytes.clone(), written: written.clone(), left_out };
        let index = Index::open(stored).unwrap();
        let (mut scratch, options) = (Scratch::new(), SearchOptions::new(5).ef_search(5));
        let mut search = |query| Ok(index.search(query, &options, &mut scratch)?.to_vec());
        queries.chunks_exact(index.quantizer().dimension()).map(&mut search).collect()
    };
    let expected = ask(bytes, 0..0).unwrap();
    let (mut told, mut silent) = (0, 0);
    for node in 0..count {
        let row = first + node * len..first + (node + 1) * len;
        let mut changed = written.to_vec();
        changed[row.clone()][..begins].iter_mut().for_each(|byte| *byte = !*byte);
        let changed = AlignedBytes::from(&changed[..]);
        match ask(&changed, 0..0) {
            Ok(found) => assert_eq!(found, expected, "node {node}"),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Damaged, "node {node}: {e}");
                told += 1;
            }
        }
        // Planted: these rows are not verified.
        let planted = ask(&changed, row.start / PAGE * PAGE..row.end.next_multiple_of(PAGE));
        silent += usize::from(planted.is_ok_and(|found| found != expected));
    }
    assert!(told > 20 && silent > 0, "{told} are told and {silent} would not be");
}

/// Bytes that remember which pages were verified.
struct Counted {
    bytes: AlignedBytes,
    pages: Arc<Mutex<BTreeSet<usize>>>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl Bytes for Counted {
    fn check(&self, range: Range<usize>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.pages.lock().unwrap().extend(range.start / PAGE..range.end.div_ceil(PAGE));
        Ok(())
    }

    fn is_verified(&self) -> bool {
        false
    }
}

#[test]
fn a_first_search_verifies_what_it_meets_however_many_vectors_there_are() {
    for (count, k) in [(6_000, 10), (24_000, 10), (24_000, 100), (96_000, 10)] {
        let codes = codes(Metric::Cosine, 80, &vectors(7, count, 80));
        let bytes = Builder::new(BuildOptions::new().graph_from(0)).build(codes).unwrap().to_bytes().unwrap();
        let pages: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
        let index = Index::open(Counted { bytes, pages: Arc::clone(&pages) }).unwrap();
        let mut scratch = Scratch::new();
        index.search(&vectors(8, 1, 80), &SearchOptions::new(k), &mut scratch).unwrap();
        let (met, pages) = (scratch.statistics(), pages.lock().unwrap().len() as u64);
        assert_eq!(met.path, SearchPath::Graph);
        // The list of a node that is looked at may lie in two pages, and so may the codes of one that is compared.
        let most = 2 * (met.hops + met.distances);
        assert!((met.hops..=most).contains(&pages), "{pages} pages of {count} vectors, k = {k}, {met:?}");
    }
}
