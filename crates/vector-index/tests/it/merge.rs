use vector_index::*;

use crate::data::*;

const DIMENSION: usize = 40;

fn part(from: u32, vectors: &[f32]) -> Codes {
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, DIMENSION).unwrap());
    codes.push_all(from, vectors).unwrap();
    codes
}

fn opened(built: Built) -> Index<AlignedBytes> {
    let index = Index::open(built.to_bytes().unwrap()).unwrap();
    index.verify().unwrap();
    index
}

fn mean_recall(index: &Index<AlignedBytes>, all: &[f32], allowed: impl Fn(u32) -> bool) -> f64 {
    let queries = vectors(90, 100, DIMENSION);
    let mut scratch = Scratch::new();
    let recalls = queries.chunks_exact(DIMENSION).map(|query| {
        let truth = truth(Metric::Cosine, DIMENSION, all, query, 10, &allowed);
        recall(&truth, &rows(index.search(query, &SearchOptions::new(10), &mut scratch).unwrap()))
    });
    recalls.sum::<f64>() / 100.0
}

#[test]
fn a_batch_added_to_an_index_is_found_like_what_was_there() {
    let all = vectors(30, 12_000, DIMENSION);
    let (old, new) = all.split_at(9_000 * DIMENSION);
    let builder = Builder::new(BuildOptions::new().graph_from(2_000));
    let base = opened(builder.build(part(0, old)).unwrap());
    let new = part(9_000, new);
    let mut merge = builder.merge();
    merge.add_index(&base, Some).unwrap();
    merge.add_codes(&new).unwrap();
    let (mut inserted, mut total) = (0, 0);
    let merged = merge.build_with(|progress| {
        inserted = inserted.max(progress.total - progress.done);
        total = progress.total;
        std::ops::ControlFlow::Continue(())
    });
    let merged = opened(merged.unwrap());
    assert!(total == 12_000 && inserted <= 3_000, "only what is new is inserted");
    assert_eq!((merged.len(), self_recall(&merged, None, 64)), (12_000, 1.0));
    let (merged, rebuilt) =
        (mean_recall(&merged, &all, |_| true), mean_recall(&built(part(0, &all)), &all, |_| true));
    assert!(merged >= rebuilt - 0.01, "{merged} {rebuilt}");
}

#[test]
fn several_indexes_become_one_without_the_deleted() {
    let all = vectors(31, 9_000, DIMENSION);
    let builder = Builder::new(BuildOptions::new().graph_from(2_000));
    let parts: Vec<_> = [(0, 4_000), (4_000, 7_000), (7_000, 9_000)]
        .into_iter()
        .map(|(from, to)| opened(builder.build(part(0, &all[from * DIMENSION..to * DIMENSION])).unwrap()))
        .collect();
    let mut noise = Noise::new(32);
    let deleted: RowSet = (0..9_000).filter(|_| noise.below(10) < 3).collect();
    let mut merge = builder.merge();
    for (index, first) in parts.iter().zip([0, 4_000, 7_000]) {
        merge.add_index(index, |row| Some(row + first).filter(|&row| !deleted.contains(row))).unwrap();
    }
    let merged = opened(merge.build().unwrap());
    assert_eq!(merged.len(), 9_000 - deleted.len());
    assert!(merged.rows().unwrap().iter().all(|&row| !deleted.contains(row)));
    assert_eq!(self_recall(&merged, None, 64), 1.0);
    assert!(mean_recall(&merged, &all, |row| !deleted.contains(row)) > 0.95);
}

/// Two indexes of vectors, and one of both in a build with `parallel`.
fn merged(all: &[f32], graph_from: usize, parallel: bool) -> AlignedBytes {
    let (first, second) = all.split_at(all.len() / DIMENSION / 2 * DIMENSION);
    let builder = Builder::new(BuildOptions::new().graph_from(graph_from).parallel(parallel));
    let parts = [first, second].map(|vectors| opened(builder.build(part(0, vectors)).unwrap()));
    let builder = Builder::new(BuildOptions::new().graph_from(2_000).parallel(parallel));
    let mut merge = builder.merge();
    merge.add_index(&parts[0], Some).unwrap();
    merge.add_index(&parts[1], |row| Some(row + u32::try_from(all.len() / DIMENSION / 2).unwrap())).unwrap();
    merge.build().unwrap().to_bytes().unwrap()
}

#[test]
fn a_merge_of_many_vectors_of_which_no_index_has_most_finds_as_much_as_a_build_of_all() {
    let all = vectors(35, 12_000, DIMENSION);
    let bytes = merged(&all, 2_000, true);
    assert!(bytes.as_ref() == merged(&all, 2_000, false).as_ref(), "by any number of threads");
    let (merged, whole) = (Index::open(bytes).unwrap(), built(part(0, &all)));
    assert_eq!((merged.len(), self_recall(&merged, None, 64)), (12_000, 1.0));
    let narrow = |index: &Index<AlignedBytes>| {
        let (mut scratch, mut found, mut compared) = (Scratch::new(), 0.0, 0);
        for query in vectors(90, 200, DIMENSION).chunks_exact(DIMENSION) {
            let truth = truth(Metric::Cosine, DIMENSION, &all, query, 10, |_| true);
            let hits = index.search(query, &SearchOptions::new(10).ef_search(12), &mut scratch).unwrap();
            found += recall(&truth, &rows(hits));
            compared += scratch.statistics().distances;
        }
        (found / 200.0, compared)
    };
    let (merged, whole) = (narrow(&merged), narrow(&whole));
    assert!(merged.0 >= whole.0 - 0.01 && merged.1 * 10 <= whole.1 * 12, "{merged:?} {whole:?}");
}

#[test]
fn a_merge_of_many_vectors_that_bring_no_links_is_what_a_build_of_all_is() {
    let all = vectors(35, 6_000, DIMENSION);
    let whole = Builder::new(BuildOptions::new().graph_from(2_000)).build(part(0, &all)).unwrap();
    assert!(merged(&all, 4_000, true).as_ref() == whole.to_bytes().unwrap().as_ref());
}

#[test]
fn merging_nothing_two_vectors_for_a_row_or_other_kinds_of_codes_is_an_error() {
    let builder = Builder::new(BuildOptions::new());
    assert_eq!(builder.merge().build().unwrap_err().kind(), ErrorKind::InvalidArgument);
    let codes = part(0, &vectors(33, 10, DIMENSION));
    let mut merge = builder.merge();
    merge.add_codes(&codes).unwrap();
    merge.add_codes(&codes).unwrap();
    assert_eq!(merge.build().unwrap_err().kind(), ErrorKind::DuplicateRow);
    let others =
        [Int8Quantizer::new(Metric::L2, DIMENSION).unwrap(), codes.quantizer().clone().rotated().unwrap()];
    for other in others.map(Codes::new) {
        let mut merge = builder.merge();
        merge.add_codes(&codes).unwrap();
        assert_eq!(merge.add_codes(&other).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_merge_of_everything_deleted_is_an_empty_index() {
    let builder = Builder::new(BuildOptions::new().graph_from(2_000));
    let base = opened(builder.build(part(0, &vectors(34, 3_000, DIMENSION))).unwrap());
    let mut merge = builder.merge();
    merge.add_index(&base, |_| None).unwrap();
    assert!(opened(merge.build().unwrap()).is_empty());
}
