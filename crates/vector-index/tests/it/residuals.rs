//! Searches whose hits are compared by what codes leave out.

use vector_index::*;

use crate::data::*;
use crate::kinds::*;

#[test]
fn what_a_walk_leaves_out_of_residuals_depends_on_no_number_of_hits_and_would_not_be_among_the_nearest() {
    for (dimension, metric, kind) in [
        (96, Metric::Cosine, None),
        (200, Metric::L2, Some(Kind::HeavyTails)),
        (96, Metric::Dot, Some(Kind::NearlyBinary)),
        (200, Metric::Cosine, Some(Kind::NearDuplicates)),
        (64, Metric::L2, Some(Kind::Clusters)),
    ] {
        let all = kind.map_or_else(|| vectors(1, 3_000, dimension), |kind| kind.vectors(1, 3_000, dimension));
        let (index, left_out) = with_residuals(metric, dimension, &all);
        let (mut scratch, mut found, mut passed_over) = (Scratch::new(), 0, 0);
        let mut walks_left_out = 0;
        let filter: RowSet = (0..3_000).step_by(2).collect();
        for query in all.chunks(dimension * 30) {
            let query: Vec<f32> = query[..dimension].iter().map(|value| value * 1.01 + 0.01).collect();
            let mut search = |k, candidates| {
                let options =
                    SearchOptions::new(k).ef_search(150).rescore(Originals::Residual(&left_out), candidates);
                let hits = index.search(&query, &options, &mut scratch).unwrap().to_vec();
                (hits, scratch.statistics().distances)
            };
            let (thirty, compared) = search(30, 60);
            for k in [1, 2, 10, 29] {
                assert_eq!(search(k, 60), (thirty[..k].to_vec(), compared), "{kind:?} {k}");
            }
            // So many candidates leave nothing out.
            let (all_of_walk, compared_all) = search(10, 400);
            found += usize::from(all_of_walk == thirty[..10]);
            walks_left_out += compared_all - compared;
            // A pass over what a filter lets through compares a quarter more than half of them.
            let options = SearchOptions::new(10).rescore(Originals::Residual(&left_out), 60).filter(&filter);
            let exact = index.search(&query, &options.exact(true), &mut scratch).unwrap().to_vec();
            let passed = index.search(&query, &options.ef_search(200), &mut scratch).unwrap();
            passed_over += usize::from(passed == exact);
            assert_eq!(scratch.statistics().path, SearchPath::Scan);
        }
        assert!(found >= 99 && passed_over >= 99, "{kind:?}: {found} and {passed_over} of 100");
        assert!(walks_left_out > 100 * 150 / 2, "{kind:?}: {walks_left_out} of what 100 walks of 150 found");
    }
}

/// High planes say nothing of such vectors, of which whole codes are compared.
#[test]
fn what_differs_in_low_nibbles_alone_finds_itself_through_a_filter() {
    for (metric, dimension) in [(Metric::Cosine, 96), (Metric::L2, 200)] {
        // The first value is 127 of a code, and the others are 1 to 14.
        let mut all: Vec<f32> =
            vectors(8, 12_000, dimension).iter().map(|value| (7.5 + 4.0 * value).clamp(1.0, 14.0)).collect();
        all.iter_mut().step_by(dimension).for_each(|value| *value = 127.0);
        let (index, left_out) = with_residuals(metric, dimension, &all);
        let filter: RowSet = (0..12_000).filter(|row| row % 5 < 2).collect();
        let mut scratch = Scratch::new();
        for row in filter.iter().step_by(47) {
            let query = &all[row as usize * dimension..][..dimension];
            let options = SearchOptions::new(10).ef_search(300).filter(&filter);
            let options = options.rescore(Originals::Residual(&left_out), 20);
            let found = index.search(query, &options, &mut scratch).unwrap();
            assert_eq!(found[0].row, row, "{metric:?}");
            assert_eq!(scratch.statistics().path, SearchPath::Scan);
        }
    }
}

/// Rows of equal codes are one node, and a walk keeps nodes.
#[test]
fn rows_of_one_vector_are_all_found_however_few_the_candidates_and_however_narrow_the_walk() {
    let mut all = vectors(1, 6_000, 96);
    let first = all[..96].to_vec();
    all.chunks_mut(96).step_by(50).take(100).for_each(|vector| vector.copy_from_slice(&first));
    let (index, left_out) = with_residuals(Metric::Cosine, 96, &all);
    let mut scratch = Scratch::new();
    let mut equal = |options: SearchOptions<'_>| {
        let hits = index.search(&first, &options, &mut scratch).unwrap().to_vec();
        (hits.len(), hits.iter().filter(|hit| hit.distance.abs() < 1e-5).count(), scratch.statistics().path)
    };
    for candidates in [0, 1, 10, 40] {
        let options = SearchOptions::new(20).ef_search(40);
        let found = equal(options.rescore(Originals::Residual(&left_out), candidates));
        assert_eq!(found, (20, 20, SearchPath::Graph), "{candidates}");
    }
    let narrow = SearchOptions::new(80).ef_search(24).narrow(true);
    let found = equal(narrow.rescore(Originals::Residual(&left_out), 100));
    assert_eq!(found, (80, 80, SearchPath::Graph));
}

/// The low nibbles of such vectors do not cancel out, so that what was seen of their errors is all that there is to go by.
#[test]
fn vectors_whose_values_are_the_least_or_the_greatest_are_found_whatever_their_size() {
    let found = [1.0f32, 1e-15, 1e15].map(|size| {
        let mut noise = Noise::new(5);
        let signs: Vec<f32> = (0..384).map(|_| noise.unit().signum() * size).collect();
        let mut all = Vec::new();
        for _ in 0..4_000 {
            let unlike = 1 + noise.below(150);
            all.extend(signs.iter().map(|sign| if noise.below(384) < unlike { -sign } else { *sign }));
        }
        let (index, left_out) = with_residuals(Metric::L2, 384, &all);
        let mut scratch = Scratch::new();
        let mut same = 0;
        for query in all.chunks(384 * 40) {
            let query: Vec<f32> = query[..384].iter().map(|v| v * (1.0 + 0.3 * noise.normal())).collect();
            let mut search = |candidates| {
                let options = SearchOptions::new(10).ef_search(300);
                let options = options.rescore(Originals::Residual(&left_out), candidates);
                rows(index.search(&query, &options, &mut scratch).unwrap())
            };
            same += usize::from(search(12) == search(600));
        }
        same
    });
    assert!(found.iter().all(|&same| same >= 99), "{found:?} of 100");
}
