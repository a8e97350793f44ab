use proptest::prelude::*;
use vector_index::*;

use crate::data::*;
use crate::kinds::*;

fn mean_recall(
    index: &Index<AlignedBytes>,
    all: &[f32],
    queries: &[f32],
    options: &SearchOptions<'_>,
) -> f64 {
    let (metric, dimension) = (index.quantizer().metric(), index.quantizer().dimension());
    let mut scratch = Scratch::new();
    let recalls: Vec<f64> = queries
        .chunks_exact(dimension)
        .map(|query| {
            let truth = truth(metric, dimension, all, query, 10, |_| true);
            recall(&truth, &rows(index.search(query, options, &mut scratch).unwrap()))
        })
        .collect();
    recalls.iter().sum::<f64>() / recalls.len() as f64
}

#[test]
fn searches_find_what_is_near_under_every_metric() {
    let all = [(Metric::Cosine, 0.95), (Metric::L2, 0.95), (Metric::Dot, 0.85)];
    // A walk looks at outlines first beyond 128 dimensions.
    for (dimension, (metric, least)) in
        [96, 200].into_iter().flat_map(|dimension| all.map(|one| (dimension, one)))
    {
        let (all, queries) = (vectors(1, 8_000, dimension), vectors(2, 100, dimension));
        let index = built(codes(metric, dimension, &all));
        let graph = mean_recall(&index, &all, &queries, &SearchOptions::new(10).ef_search(100));
        let exact = mean_recall(&index, &all, &queries, &SearchOptions::new(10).exact(true));
        assert!(graph >= least, "{metric:?}: {graph}");
        assert!(exact >= 0.97 && exact >= graph - 0.01, "{metric:?}: {exact}");
    }
}

/// The signs of such vectors tell nothing, and what is left of an estimate is wrong to the same side for all.
#[test]
fn what_is_unlike_vectors_without_negative_values_is_searched_as_well_as_what_is_like_them() {
    let dimension = 200;
    let positive = |seed, count| {
        let mut noise = Noise::new(seed);
        (0..count * dimension).map(|_| noise.normal().abs()).collect::<Vec<f32>>()
    };
    let shifted: Vec<f32> = vectors(3, 6_000, dimension).iter().map(|value| value + 0.5).collect();
    let curved: Vec<f32> = vectors(4, 6_000, dimension).iter().map(|value| value.abs()).collect();
    for (all, least) in [(positive(5, 3_000), 0.6), (shifted, 0.97), (curved, 0.8)] {
        for metric in [Metric::Cosine, Metric::L2] {
            let index = built(codes(metric, dimension, &all));
            let some: Vec<f32> = all[..60 * dimension].to_vec();
            let negated: Vec<f32> = some.iter().map(|value| -value).collect();
            let pairs = some.chunks_exact(dimension).zip(some[dimension..].chunks_exact(dimension));
            let without: Vec<f32> =
                pairs.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - 2.0 * b)).collect();
            for (name, queries) in [("negated", negated), ("without", without), ("themselves", some)] {
                let found = mean_recall(&index, &all, &queries, &SearchOptions::new(10).ef_search(200));
                assert!(found >= least, "{metric:?} {name}: {found}");
                // A scan looks at each but once.
                let filter: RowSet = (0..6_000).filter(|row| row % 4 != 0).collect();
                let (mut scratch, mut same, mut wanted) = (Scratch::new(), 0, 0);
                for query in queries.chunks_exact(dimension).filter(|_| all.len() > 4_000 * dimension) {
                    let options = SearchOptions::new(10).ef_search(400).filter(&filter);
                    let exact = rows(index.search(query, &options.exact(true), &mut scratch).unwrap());
                    let found = rows(index.search(query, &options, &mut scratch).unwrap());
                    assert_eq!(scratch.statistics().path, SearchPath::Scan);
                    same += exact.iter().filter(|row| found.contains(row)).count();
                    wanted += exact.len();
                }
                assert!(same * 100 >= wanted * 95, "{metric:?} {name}: {same} of {wanted}");
            }
        }
    }
}

#[test]
fn an_exact_search_returns_the_nearest_codes_in_order_of_distance_then_row() {
    let all = vectors(3, 1_500, 33);
    let codes = codes(Metric::L2, 33, &all);
    let decoded: Vec<f32> = (0..1_500)
        .flat_map(|at| {
            let (codes, scale) = codes.get(at).unwrap();
            Int8Quantizer::new(Metric::L2, 33).unwrap().decode(&codes, scale)
        })
        .collect();
    let index = built(codes);
    let mut scratch = Scratch::new();
    for query in decoded.chunks_exact(33).step_by(97) {
        let hits = index.search(query, &SearchOptions::new(20).exact(true), &mut scratch).unwrap();
        assert!(hits.is_sorted_by(|a, b| (a.distance, a.row) <= (b.distance, b.row)));
        let nearest = truth(Metric::L2, 33, &decoded, query, 20, |_| true);
        for (hit, row) in hits.iter().zip(nearest) {
            let expected = Metric::L2.distance(query, &decoded[row as usize * 33..][..33]);
            assert!((hit.distance - expected).abs() <= 1e-3 * expected + 1e-3, "{hit:?} {expected}");
        }
    }
}

#[test]
fn distances_are_those_of_the_metric() {
    let all = [1.0, 0.0, 0.0, 1.0, -2.0, 0.0];
    let distances = |metric| {
        let index = built(codes(metric, 2, &all));
        let mut scratch = Scratch::new();
        let hits = index.search(&[3.0, 0.0], &SearchOptions::new(3), &mut scratch).unwrap();
        hits.iter().map(|hit| (hit.row, (hit.distance * 100.0).round() / 100.0)).collect::<Vec<_>>()
    };
    assert_eq!(distances(Metric::Cosine), [(0, 0.0), (1, 1.0), (2, 2.0)]);
    assert_eq!(distances(Metric::Dot), [(0, -3.0), (1, 0.0), (2, 6.0)]);
    assert_eq!(distances(Metric::L2), [(0, 4.0), (1, 10.0), (2, 25.0)]);
}

#[test]
fn a_query_is_not_rounded_and_the_nearest_codes_are_nearest_to_it_as_it_is() {
    let (all, queries) = (vectors(21, 4_000, 90), vectors(22, 20, 90));
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        let plain = Int8Quantizer::new(metric, 90).unwrap();
        let calibrated = Int8Quantizer::calibrated(metric, 90, &all).unwrap();
        let rotated = plain.clone().rotated().unwrap();
        for (quantizer, graph_from) in [
            (plain.clone(), 0),
            (plain, usize::MAX),
            (calibrated, 0),
            (rotated.clone(), 0),
            (rotated, usize::MAX),
        ] {
            let mut codes = Codes::new(quantizer);
            codes.push_all(0, &all).unwrap();
            let built = Builder::new(BuildOptions::new().graph_from(graph_from)).build(codes).unwrap();
            let index = Index::open(built.to_bytes().unwrap()).unwrap();
            let decoded: Vec<f32> = (0..4_000).flat_map(|row| index.vector(row).unwrap().unwrap()).collect();
            let mut scratch = Scratch::new();
            for query in queries.chunks_exact(90) {
                let length = query.iter().map(|value| value * value).sum::<f32>().sqrt();
                // Of the product of the lengths; with codes of a byte for a query it is a thousandth.
                let allowed = if metric == Metric::Cosine { 3e-5 } else { 3e-5 * length * 3.0 * length };
                let distance = |row: u32| metric.distance(query, &decoded[row as usize * 90..][..90]);
                let nearest = truth(metric, 90, &decoded, query, 20, |_| true);
                let options = SearchOptions::new(20).ef_search(100);
                for options in [options, options.exact(true)] {
                    for hit in index.search(query, &options, &mut scratch).unwrap() {
                        let expected = distance(hit.row);
                        assert!((hit.distance - expected).abs() <= allowed, "{metric} {hit:?} {expected}");
                    }
                }
                let exact = index.search(query, &options.exact(true), &mut scratch).unwrap();
                for (hit, &row) in exact.iter().zip(&nearest) {
                    assert!((distance(hit.row) - distance(row)).abs() <= allowed, "{metric} {hit:?} {row}");
                }
            }
        }
    }
}

#[test]
fn every_kernel_finds_the_same_hits() {
    let (all, queries) = (vectors(4, 4_000, 130), vectors(5, 20, 130));
    let index = built(codes(Metric::Cosine, 130, &all));
    let found = |kernel| {
        let index = index.clone().with_kernel(kernel);
        let options = SearchOptions::new(10).ef_search(40);
        (
            index.search_batch(&queries, &options).unwrap(),
            index.search_batch(&queries, &options.exact(true)).unwrap(),
        )
    };
    let expected = found(Kernel::available()[0]);
    for kernel in Kernel::available() {
        assert_eq!(found(kernel), expected, "{kernel}");
    }
}

#[test]
fn rescoring_with_originals_gives_their_distances_and_more_of_the_truth() {
    let (all, queries) = (vectors(6, 5_000, 64), vectors(7, 100, 64));
    let index = built(codes(Metric::Cosine, 64, &all));
    let halves: Vec<F16> = all.iter().map(|&value| F16::from_f32(value)).collect();
    let options = SearchOptions::new(10).ef_search(200);
    let plain = mean_recall(&index, &all, &queries, &options);
    let f32s = mean_recall(&index, &all, &queries, &options.rescore(Originals::F32(&all), 30));
    let f16s = mean_recall(&index, &all, &queries, &options.rescore(Originals::F16(&halves), 30));
    assert!(f32s >= 0.999 && f16s >= 0.995 && f32s > plain, "{plain} {f16s} {f32s}");
    let mut scratch = Scratch::new();
    let hit =
        index.search(&queries[..64], &options.rescore(Originals::F32(&all), 30), &mut scratch).unwrap()[0];
    let expected = Metric::Cosine.distance(&queries[..64], &all[hit.row as usize * 64..][..64]);
    assert_eq!(hit.distance, expected);
}

#[test]
fn originals_are_compared_for_as_many_hits_as_there_are_whatever_is_asked_for() {
    let all = vectors(5, 50, 8);
    let index = built(codes(Metric::L2, 8, &all));
    let mut scratch = Scratch::new();
    for k in [51, 1 << 28, usize::MAX] {
        let options = SearchOptions::new(k).rescore(Originals::F32(&all), k);
        assert_eq!(index.search(&all[..8], &options, &mut scratch).unwrap().len(), 50);
    }
    assert!(scratch.heap_bytes() < 1 << 20);
}

/// All that the codes of such a query leave out adds up, and is more than what those of the vectors do.
#[test]
fn a_query_that_is_far_longer_than_the_vectors_finds_the_nearest_originals() {
    for dimension in [4u16, 16, 64, 256] {
        let parts = 127.0 * 252.0;
        let part = ((parts / f32::from(dimension).sqrt()).floor() + 0.51) / parts;
        let query: Vec<f32> = (0..dimension).map(|at| if at == 0 { 1.0 } else { part }).collect();
        for seed in 0..30 {
            let all: Vec<f32> =
                vectors(seed, 60, dimension.into()).iter().map(|value| value / 10_000.0).collect();
            let index = built(codes(Metric::L2, dimension.into(), &all));
            let mut scratch = Scratch::new();
            let options = |k| SearchOptions::new(k).exact(true).rescore(Originals::F32(&all), 60);
            let every = index.search(&query, &options(60), &mut scratch).unwrap().to_vec();
            for k in 1..4 {
                assert_eq!(index.search(&query, &options(k), &mut scratch).unwrap(), &every[..k]);
            }
        }
    }
}

#[test]
fn a_walk_is_as_wide_with_originals_as_without() {
    let (all, queries) = (vectors(6, 5_000, 64), vectors(7, 20, 64));
    let index = built(codes(Metric::Cosine, 64, &all));
    let mut scratch = Scratch::new();
    for query in queries.chunks(64) {
        let mut distances = [0; 2];
        let plain = SearchOptions::new(10).ef_search(24);
        for (options, distances) in
            [plain, plain.rescore(Originals::F32(&all), 60)].iter().zip(&mut distances)
        {
            assert_eq!(index.search(query, options, &mut scratch).unwrap().len(), 10);
            *distances = scratch.statistics().distances;
        }
        assert_eq!(distances[0], distances[1]);
    }
}

proptest! {
    #[test]
    fn originals_that_are_not_read_would_not_be_among_the_nearest_and_an_exact_search_finds_all_that_are(
        seed in 0..1_000u64, dimension in 1..70usize, metric in 0..3usize, kind in 0..3usize, near in prop::bool::ANY, k in 1..12usize,
        exponent in -40..40i32
    ) {
        let metric = [Metric::Cosine, Metric::Dot, Metric::L2][metric];
        let size = if kind == 1 { 1.0 } else { 2f32.powi(exponent) };
        let mut all = vectors(seed, 120, dimension);
        if near {
            // All within a few steps of a code of each other.
            let first = all[..dimension].to_vec();
            all.iter_mut().zip(first.iter().cycle()).for_each(|(value, first)| *value = first + *value / 60.0);
        }
        for value in &mut all {
            *value *= size;
        }
        let (refined, left_out) = with_residuals(metric, dimension, &all);
        let halves: Vec<F16> = all.iter().map(|&value| F16::from_f32(value)).collect();
        let originals = [Originals::F32(&all), Originals::F16(&halves), Originals::Residual(&left_out)][kind];
        let index = if kind == 2 { refined } else { built(codes(metric, dimension, &all)) };
        let mut scratch = Scratch::new();
        for query in all.chunks(dimension).take(5) {
            let query: Vec<f32> = query.iter().map(|value| value * 1.01 + size / 100.0).collect();
            let options = |k, candidates| SearchOptions::new(k).exact(true).rescore(originals, candidates);
            let every = index.search(&query, &options(120, 120), &mut scratch).unwrap().to_vec();
            for candidates in [120, 0, 2 * k] {
                prop_assert_eq!(index.search(&query, &options(k, candidates), &mut scratch).unwrap(), &every[..k]);
            }
            let filter: RowSet = (0..120).step_by(2).collect();
            let filtered = options(k, 2 * k).filter(&filter);
            let of_filter: Vec<Hit> = every.iter().filter(|hit| hit.row % 2 == 0).take(k).copied().collect();
            prop_assert_eq!(index.search(&query, &filtered, &mut scratch).unwrap(), of_filter);
        }
    }
}

#[test]
fn rows_need_not_be_consecutive() {
    let all = vectors(8, 3_000, 24);
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, 24).unwrap());
    for (row, vector) in (5u32..).step_by(13).zip(all.chunks_exact(24)) {
        codes.push(row, vector).unwrap();
    }
    let index = built(codes);
    assert_eq!(self_recall(&index, None, 64), 1.0);
    let mut scratch = Scratch::new();
    for at in (0..3_000u32).step_by(113) {
        let hits =
            index.search(&all[at as usize * 24..][..24], &SearchOptions::new(1), &mut scratch).unwrap();
        assert_eq!(hits[0].row, 5 + at * 13);
    }
    assert!(index.vector(6).unwrap().is_none() && index.vector(18).unwrap().is_some());
    let filter: RowSet = [6, 18, 1_000_000].into_iter().collect();
    let hits = index.search(&all[..24], &SearchOptions::new(9).filter(&filter), &mut scratch).unwrap();
    assert_eq!(rows(hits), [18]);
}

#[test]
fn a_batch_finds_what_single_searches_find() {
    let (all, queries) = (vectors(9, 3_000, 32), vectors(10, 50, 32));
    let index = built(codes(Metric::L2, 32, &all));
    let options = SearchOptions::new(5).ef_search(30);
    let batch = index.search_batch(&queries, &options).unwrap();
    let mut scratch = Scratch::new();
    for (query, hits) in queries.chunks_exact(32).zip(batch) {
        assert_eq!(index.search(query, &options, &mut scratch).unwrap(), hits);
    }
}

#[test]
fn an_audit_tells_the_recall_and_the_width_that_a_target_needs() {
    let (all, queries) = (vectors(11, 20_000, 48), vectors(12, 200, 48));
    let index = built(codes(Metric::Cosine, 48, &all));
    for sample in [Sample::Stored(200), Sample::Queries(&queries)] {
        let options = SearchOptions::new(10);
        let audit = index.audit_recall(sample, &options, &[10, 40, 400]).unwrap();
        assert!(
            audit[0].mean < audit[1].mean && audit[1].mean <= audit[2].mean && audit[2].mean > 0.99,
            "{audit:?}"
        );
        let found = index.ef_for_recall(sample, &options, 0.97).unwrap().unwrap();
        assert!(found.mean >= 0.97 && found.ef_search < 400, "{found:?}");
        let less = found.ef_search - found.ef_search / 8 - 1;
        assert!(less < 10 || index.audit_recall(sample, &options, &[less]).unwrap()[0].mean < 0.97);
    }
    assert_eq!(index.ef_for_recall(Sample::Stored(50), &SearchOptions::new(10), 1.1).unwrap(), None);
}

#[test]
fn statistics_tell_the_path_and_the_work() {
    let all = vectors(13, 5_000, 16);
    let index = built(codes(Metric::L2, 16, &all));
    let mut scratch = Scratch::new();
    index.search(&all[..16], &SearchOptions::new(5), &mut scratch).unwrap();
    let graph = scratch.statistics();
    assert!(graph.path == SearchPath::Graph && graph.hops >= 64 && graph.distances < 5_000, "{graph:?}");
    index.search(&all[..16], &SearchOptions::new(5).exact(true), &mut scratch).unwrap();
    let scan = SearchStatistics { path: SearchPath::Scan, hops: 0, distances: 5_000 };
    assert_eq!(scratch.statistics(), scan);
}

#[test]
fn deleted_rows_that_have_no_vector_take_the_place_of_none_that_has() {
    let all = vectors(53, 2_000, 96);
    let (index, left_out) = with_residuals(Metric::Cosine, 96, &all);
    let deleted: RowSet = (5_000..5_500).collect();
    for exact in [false, true] {
        let options = SearchOptions::new(2_000).deleted(&deleted).exact(exact);
        let options = options.rescore(Originals::Residual(&left_out), 4_000);
        assert_eq!(index.search(&all[..96], &options, &mut Scratch::new()).unwrap().len(), 2_000);
    }
}

#[test]
fn a_graph_finds_97_percent_of_any_kind_of_data() {
    const DIMENSION: usize = 128;
    for kind in KINDS {
        let all = kind.vectors(32, 12_100, DIMENSION);
        let (queries, base) = all.split_at(100 * DIMENSION);
        let index = built(codes(Metric::Cosine, DIMENSION, base));
        let (recall, _) = recall_of_codes(&index, queries, DIMENSION, &SearchOptions::new(10));
        assert!(recall >= 0.98, "{kind:?}: {recall}");
    }
}

/// High nibbles do not tell the vectors of a tight group from each other.
#[test]
fn where_high_nibbles_tell_too_little_a_walk_compares_whole_codes_and_takes_no_more_steps_than_elsewhere() {
    for (kind, dimension) in [(Kind::Clusters, 128), (Kind::Clusters, 200), (Kind::LowRank, 128)] {
        let all = kind.vectors(34, 12_100, dimension);
        let (queries, base) = all.split_at(100 * dimension);
        for metric in [Metric::Cosine, Metric::L2] {
            let bytes = Builder::new(BuildOptions::new()).build(codes(metric, dimension, base)).unwrap();
            let bytes = bytes.to_bytes().unwrap();
            // As docs/FORMAT.md says: WALK.
            assert_eq!(bytes.as_ref()[42] == 2, kind != Kind::LowRank, "{kind:?} {dimension} {metric:?}");
            let index = Index::open(bytes).unwrap();
            let (recall, distances) = recall_of_codes(&index, queries, dimension, &SearchOptions::new(10));
            assert!(
                recall >= 0.985 && distances < 800.0,
                "{kind:?} {dimension} {metric:?}: {recall} {distances}"
            );
        }
    }
}

#[test]
fn a_search_is_as_wide_as_its_index_needs_for_the_recall_that_is_asked_for() {
    const DIMENSION: usize = 128;
    for kind in [Kind::ManyDirections, Kind::UnevenDimensions] {
        let all = kind.vectors(33, 12_200, DIMENSION);
        let (queries, base) = all.split_at(200 * DIMENSION);
        let index = built(codes(Metric::Cosine, DIMENSION, base));
        let figures = |options: SearchOptions<'_>| recall_of_codes(&index, queries, DIMENSION, &options);
        let mut before = 0.0;
        for target in [0.9, 0.95, 0.98, 0.995] {
            let (recall, distances) = figures(SearchOptions::new(10).recall(target));
            assert!(recall >= target - 0.01, "{kind:?} {target}: {recall}");
            assert!(distances >= before && distances < 9_000.0, "{kind:?} {target}: {distances}");
            before = distances;
        }
        assert!(before > 1.5 * figures(SearchOptions::new(10).recall(0.9)).1, "{kind:?}: {before}");
        // At least as wide as is asked for in numbers.
        let wide = figures(SearchOptions::new(10).ef_search(2_000)).1;
        assert!((figures(SearchOptions::new(10).ef_search(2_000).recall(0.9)).1 - wide).abs() < 0.5);
        let mut scratch = Scratch::new();
        index.search(&queries[..DIMENSION], &SearchOptions::new(10).recall(1.0), &mut scratch).unwrap();
        assert_eq!(scratch.statistics().path, SearchPath::Scan);
        if kind == Kind::ManyDirections {
            let (narrow, usual) =
                (figures(SearchOptions::new(10).ef_search(64)), figures(SearchOptions::new(10)));
            assert!(narrow.0 < 0.97 && usual.0 > 0.98 && usual.1 > narrow.1, "{narrow:?} {usual:?}");
        }
    }
}
