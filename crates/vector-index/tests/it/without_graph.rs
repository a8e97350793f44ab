//! Passes over all vectors of an index that has no graph.

use vector_index::*;

use crate::data::*;
use crate::kinds::KINDS;

fn without_graph(codes: Codes) -> Index<AlignedBytes> {
    let built = Builder::new(BuildOptions::new().graph_from(usize::MAX)).build(codes).unwrap();
    Index::open(built.to_bytes().unwrap()).unwrap()
}

#[test]
fn a_search_without_a_graph_finds_nearly_all_however_many_vectors_there_are() {
    for (metric, dimension) in [(Metric::Cosine, 96), (Metric::L2, 70), (Metric::Dot, 130)] {
        let (all, queries) = (vectors(20, 6_000, dimension), vectors(21, 50, dimension));
        let even: RowSet = (0..6_000).step_by(2).collect();
        let mut scratch = Scratch::new();
        for count in [71, 1_500, 3_000, 4_500, 6_000] {
            let some = &all[..count * dimension];
            let index = without_graph(codes(metric, dimension, some));
            let mut sum = 0.0;
            for query in queries.chunks_exact(dimension) {
                let truth = truth(metric, dimension, some, query, 10, |_| true);
                let found = index.search(query, &SearchOptions::new(10), &mut scratch).unwrap();
                sum += recall(&truth, &rows(found));
            }
            assert!(sum / 50.0 >= 0.95, "{metric:?} {count}: {}", sum / 50.0);
            let options = SearchOptions::new(10).filter(&even);
            let found = index.search(&queries[..dimension], &options, &mut scratch).unwrap();
            assert!(found.len() == 10 && found.iter().all(|hit| hit.row % 2 == 0));
        }
    }
}

#[test]
fn a_scan_of_signs_finds_99_percent_of_any_kind_of_data() {
    const DIMENSION: usize = 128;
    for kind in KINDS {
        let all = kind.vectors(31, 12_100, DIMENSION);
        let (queries, base) = all.split_at(100 * DIMENSION);
        let index = without_graph(codes(Metric::Cosine, DIMENSION, base));
        let (recall, _) = recall_of_codes(&index, queries, DIMENSION, &SearchOptions::new(10));
        assert!(recall >= 0.99, "{kind:?}: {recall}");
    }
}

/// What vectors have in common says nothing of which are near, and is most of what their signs, or a few of their values, say.
#[test]
fn without_a_graph_what_is_unlike_vectors_that_have_much_in_common_is_found_as_well_as_what_is_like_them() {
    let one = |kind: &str, noise: &mut Noise, dimension: usize| -> Vec<f32> {
        let mut all: Vec<f32> = (0..dimension).map(|_| noise.normal()).collect();
        match kind {
            "positive" => all.iter_mut().for_each(|value| *value = value.abs()),
            "about 3" => all.iter_mut().for_each(|value| *value += 3.0),
            "one large" => all[0] += 20.0,
            _ => all.iter_mut().for_each(|value| *value = value.max(0.0) + 1e-6),
        }
        all
    };
    for (kind, dimension) in ["positive", "about 3", "one large", "half are zero"]
        .into_iter()
        .flat_map(|kind| [4, 16, 65, 160].map(|dimension| (kind, dimension)))
    {
        let mut noise = Noise::new(51);
        let all: Vec<f32> = (0..4_000).flat_map(|_| one(kind, &mut noise, dimension)).collect();
        let like: Vec<f32> = (0..25).flat_map(|_| one(kind, &mut noise, dimension)).collect();
        let unlike: Vec<f32> = like.iter().map(|value| -value).collect();
        let any: Vec<f32> = like.iter().map(|_| noise.normal()).collect();
        for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
            let index = without_graph(codes(metric, dimension, &all));
            for queries in [&all[..25 * dimension], &like, &unlike, &any] {
                let (recall, _) = recall_of_codes(&index, queries, dimension, &SearchOptions::new(10));
                assert!(recall >= 0.99, "{kind}, {dimension}, {metric:?}: {recall}");
            }
        }
    }
}

#[test]
fn a_scan_of_signs_finds_as_much_of_small_values_and_of_large_ones() {
    const DIMENSION: usize = 100;
    for metric in [Metric::Dot, Metric::L2] {
        let found = [1.0, 1e-16, 1e14].map(|size| {
            let all: Vec<f32> = vectors(52, 8_050, DIMENSION).iter().map(|value| value * size).collect();
            let (queries, base) = all.split_at(50 * DIMENSION);
            let index = without_graph(codes(metric, DIMENSION, base));
            recall_of_codes(&index, queries, DIMENSION, &SearchOptions::new(10))
        });
        for (recall, distances) in found {
            assert!(recall >= 0.99 && distances < 1.5 * 8_000.0, "{metric:?}: {found:?}");
        }
    }
}
