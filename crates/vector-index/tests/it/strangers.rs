//! Queries that are unlike all vectors of a graph.

use vector_index::*;

use crate::data::*;

/// Noise about a point that is `offset` in the first dimension, or in all, and 0 in the others.
fn around(offset: f32, everywhere: bool, count: usize, dimension: usize) -> Vec<f32> {
    let mut noise = Noise::new(7);
    let offset = |at: usize| if everywhere || at.is_multiple_of(dimension) { offset } else { 0.0 };
    (0..count * dimension).map(|at| offset(at) + noise.unit()).collect()
}

/// The opposites of some vectors, and as many in any direction.
fn strangers(vectors: &[f32], dimension: usize) -> Vec<Vec<f32>> {
    let mut noise = Noise::new(11);
    let step = vectors.len() / dimension / 40;
    let opposites = vectors.chunks(dimension).step_by(step).map(|vector| vector.iter().map(|v| -v).collect());
    let random = (0..40).map(|_| (0..dimension).map(|_| noise.unit()).collect());
    opposites.chain(random).collect()
}

/// The part of the ten nearest by the codes that searches find, or as near ones, and the part of searches that the graph answers.
fn found(index: &Index<AlignedBytes>, queries: &[Vec<f32>], options: &SearchOptions<'_>) -> (f64, f64) {
    let (mut scratch, mut found, mut by_graph) = (Scratch::new(), 0, 0);
    for query in queries {
        let exact = index.search(query, &options.exact(true), &mut scratch).unwrap();
        let last = exact[exact.len() - 1].distance;
        let hits = index.search(query, options, &mut scratch).unwrap();
        found += hits.iter().filter(|hit| hit.distance <= last).count();
        by_graph += usize::from(scratch.statistics().path == SearchPath::Graph);
    }
    let queries = queries.len() as f64;
    (found as f64 / 10.0 / queries, by_graph as f64 / queries)
}

/// Links that were chosen by dot products led to the few vectors that have most of what all have in common.
#[test]
fn a_graph_leads_to_what_points_away_from_the_mean_under_the_dot_product() {
    for (offset, everywhere, count, dimension) in
        [(10.0, false, 3_000, 16), (3.0, false, 3_000, 16), (10.0, true, 3_000, 16), (3.0, true, 5_000, 16)]
    {
        let all = around(offset, everywhere, count, dimension);
        for quantizer in [
            Int8Quantizer::new(Metric::Dot, dimension).unwrap(),
            Int8Quantizer::new(Metric::Dot, dimension).unwrap().rotated().unwrap(),
            Int8Quantizer::calibrated(Metric::Dot, dimension, &all).unwrap(),
        ] {
            let mut codes = Codes::new(quantizer);
            codes.push_all(0, &all).unwrap();
            let index = built(codes);
            let options = SearchOptions::new(10).ef_search(128).narrow(true);
            let (recall, by_graph) = found(&index, &strangers(&all, dimension), &options);
            assert!(
                recall > 0.97 && by_graph == 1.0,
                "{offset} {everywhere} {dimension}: {recall} {by_graph}"
            );
        }
    }
}

#[test]
fn what_is_far_from_all_vectors_is_answered_by_a_scan_where_the_graph_does_not_lead_to_it() {
    for (metric, offset, everywhere, count, dimension) in [
        (Metric::Dot, 3.0, true, 800, 1),
        (Metric::Dot, 10.0, false, 800, 16),
        (Metric::Dot, 40.0, false, 800, 127),
        (Metric::Cosine, 3.0, true, 3_000, 64),
        (Metric::Cosine, 10.0, false, 5_000, 16),
        (Metric::L2, 3.0, true, 3_000, 32),
    ] {
        let all = around(offset, everywhere, count, dimension);
        let index = built(codes(metric, dimension, &all));
        let strangers = strangers(&all, dimension);
        for options in [SearchOptions::new(10), SearchOptions::new(10).recall(0.99)] {
            let (recall, by_graph) = found(&index, &strangers, &options);
            assert!(recall > 0.98, "{metric} {offset} {dimension}: {recall}, {by_graph} by the graph");
        }
    }
}

#[test]
fn what_is_near_some_vectors_is_answered_by_the_graph() {
    let dimension = 64;
    let all = around(3.0, true, 5_000, dimension);
    let (stored, new) = all.split_at(4_500 * dimension);
    for metric in [Metric::Cosine, Metric::L2] {
        let index = built(codes(metric, dimension, stored));
        let near: Vec<Vec<f32>> = new.chunks(dimension).map(<[f32]>::to_vec).collect();
        let (recall, by_graph) = found(&index, &near, &SearchOptions::new(10));
        assert!(recall > 0.98 && by_graph > 0.99, "{metric}: {recall} {by_graph}");
    }
}

#[test]
fn a_narrow_walk_tells_that_there_may_be_more_in_reach_and_a_filter_or_deleted_rows_change_nothing() {
    let dimension = 64;
    let all = around(3.0, true, 3_000, dimension);
    let index = built(codes(Metric::Cosine, dimension, &all));
    let strangers = strangers(&all, dimension);
    let narrow = SearchOptions::new(10).ef_search(32).narrow(true);
    let mut scratch = Scratch::new();
    for query in &strangers {
        let tenth = index.search(query, &narrow, &mut scratch).unwrap()[9].distance;
        assert_eq!(scratch.statistics().path, SearchPath::Graph);
        let reach = scratch.out_of_reach().unwrap();
        assert!(tenth > reach, "{tenth} {reach}");
        index.search(query, &narrow.narrow(false), &mut scratch).unwrap();
        assert_eq!((scratch.statistics().path, scratch.out_of_reach()), (SearchPath::GraphThenScan, None));
    }
    index.search(&all[..dimension], &narrow, &mut scratch).unwrap();
    assert_eq!(scratch.out_of_reach(), None);
    let some = (0..3_000).filter(|row| row % 3 > 0).collect::<RowSet>();
    for options in [SearchOptions::new(10).filter(&some), SearchOptions::new(10).deleted(&some)] {
        let (recall, by_graph) = found(&index, &strangers, &options);
        assert!(recall > 0.99, "{recall} {by_graph}");
    }
}

/// Graphs of before have nothing that says where they lead.
#[test]
fn a_graph_that_says_nothing_of_its_reach_answers_every_search() {
    let all = around(3.0, true, 3_000, 64);
    let bytes = Builder::new(BuildOptions::new().graph_from(1));
    let mut bytes = bytes.build(codes(Metric::Cosine, 64, &all)).unwrap().to_bytes().unwrap();
    let header = &mut bytes.as_mut()[..128];
    assert_ne!(header[92..96], [0; 4], "REACH");
    header[92..96].fill(0);
    let crc = crc32fast::hash(&header[..124]);
    header[124..].copy_from_slice(&crc.to_le_bytes());
    let index = Index::open(bytes).unwrap();
    let (_, by_graph) = found(&index, &strangers(&all, 64), &SearchOptions::new(10));
    assert_eq!(by_graph, 1.0);
}
