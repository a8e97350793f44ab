use ::hnsw_rs::prelude::*;
use vector_index::*;

use crate::data::*;

const DIMENSION: usize = 32;

fn recall_of(index: &Index<AlignedBytes>, all: &[f32], queries: &[f32]) -> f64 {
    let mut scratch = Scratch::new();
    let recalls = queries.chunks_exact(DIMENSION).map(|query| {
        let truth = truth(index.quantizer().metric(), DIMENSION, all, query, 10, |_| true);
        recall(
            &truth,
            &rows(index.search(query, &SearchOptions::new(10).ef_search(64), &mut scratch).unwrap()),
        )
    });
    recalls.sum::<f64>() / (queries.len() / DIMENSION) as f64
}

#[test]
fn a_graph_of_hnsw_rs_is_brought_over_and_finds_as_much() {
    let (all, queries) = (vectors(1, 5_000, DIMENSION), vectors(2, 100, DIMENSION));
    let hnsw: Hnsw<'_, f32, DistL2> = Hnsw::new(16, 5_000, 16, 100, DistL2);
    // Ids with gaps, as callers have them.
    for (row, vector) in (7..).step_by(3).zip(all.chunks_exact(DIMENSION)) {
        hnsw.insert((vector, row));
    }
    let quantizer = Int8Quantizer::new(Metric::L2, DIMENSION).unwrap();
    let built = vector_index::hnsw_rs::freeze(&hnsw, &quantizer, BuildOptions::new().graph_from(0)).unwrap();
    let index = Index::open(built.to_bytes().unwrap()).unwrap();
    assert_eq!(index.rows().unwrap()[..3], [7, 10, 13]);
    assert_eq!(self_recall(&index, None, 64), 1.0);
    let (mut ours, mut theirs) = (0.0, 0.0);
    let mut scratch = Scratch::new();
    for query in queries.chunks_exact(DIMENSION) {
        let truth: Vec<u32> =
            truth(Metric::L2, DIMENSION, &all, query, 10, |_| true).iter().map(|row| row * 3 + 7).collect();
        let found: Vec<u32> = hnsw.search(query, 10, 64).iter().map(|hit| hit.d_id as u32).collect();
        theirs += recall(&truth, &found) / 100.0;
        ours += recall(
            &truth,
            &rows(index.search(query, &SearchOptions::new(10).ef_search(64), &mut scratch).unwrap()),
        ) / 100.0;
    }
    assert!(ours >= theirs - 0.02 && ours > 0.9, "{ours} {theirs}");
}

#[test]
fn building_through_hnsw_rs_finds_what_our_builder_finds() {
    let (all, queries) = (vectors(3, 5_000, DIMENSION), vectors(4, 100, DIMENSION));
    for metric in [Metric::Cosine, Metric::L2] {
        let codes = codes(metric, DIMENSION, &all);
        let options = BuildOptions::new().graph_from(0);
        let built = vector_index::hnsw_rs::build(codes.clone(), options).unwrap();
        let theirs = Index::open(built.to_bytes().unwrap()).unwrap();
        assert_eq!(self_recall(&theirs, None, 64), 1.0);
        let (theirs, ours) =
            (recall_of(&theirs, &all, &queries), recall_of(&built_with(codes, options), &all, &queries));
        assert!(theirs >= ours - 0.05, "{metric:?}: {theirs} {ours}");
    }
}

#[test]
fn what_cannot_be_brought_over_is_an_error() {
    let quantizer = Int8Quantizer::new(Metric::L2, 2).unwrap();
    let freeze = |ids: &[usize]| {
        let hnsw: Hnsw<'_, f32, DistL2> = Hnsw::new(16, 10, 16, 100, DistL2);
        for &id in ids {
            hnsw.insert((&[1.0, id as f32], id));
        }
        vector_index::hnsw_rs::freeze(&hnsw, &quantizer, BuildOptions::new())
    };
    assert_eq!(freeze(&[1, 2, 1]).unwrap_err().kind(), ErrorKind::DuplicateRow);
    assert_eq!(freeze(&[usize::MAX]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(Index::open(freeze(&[]).unwrap().to_bytes().unwrap()).unwrap().len(), 0);
    let dot = codes(Metric::Dot, 2, &[1.0, 2.0]);
    assert_eq!(
        vector_index::hnsw_rs::build(dot, BuildOptions::new()).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}
