use vector_index::*;

use crate::data::*;
use crate::kinds::KINDS;

const DIMENSION: usize = 48;

fn check(index: &Index<AlignedBytes>, all: &[f32], filter: &RowSet, name: &str) -> f64 {
    let queries = vectors(77, 60, DIMENSION);
    let mut scratch = Scratch::new();
    let mut sum = 0.0;
    for query in queries.chunks_exact(DIMENSION) {
        let options = SearchOptions::new(10).filter(filter);
        let hits = index.search(query, &options, &mut scratch).unwrap().to_vec();
        assert!(hits.iter().all(|hit| filter.contains(hit.row)), "{name}: only what the filter lets through");
        assert!(hits.len() == filter.len().min(10), "{name}: as many as there are");
        let statistics = scratch.statistics();
        // Never much more than a scan of the matches, which may follow a walk that is given up, and the way down to the graph.
        assert!(
            statistics.distances <= 2 * filter.len() as u64 + 700,
            "{name}: {statistics:?} of {}",
            filter.len()
        );
        let truth = truth(index.quantizer().metric(), DIMENSION, all, query, 10, |row| filter.contains(row));
        sum += recall(&truth, &rows(&hits));
    }
    sum / 60.0
}

#[test]
fn filters_of_any_selectivity_random_or_clustered_find_95_percent_for_at_most_twice_a_scan_of_the_matches() {
    let all = vectors(20, 20_000, DIMENSION);
    let index = built(codes(Metric::Cosine, DIMENSION, &all));
    let centre = &all[..DIMENSION];
    let by_distance = truth(Metric::Cosine, DIMENSION, &all, centre, 20_000, |_| true);
    for share in [0.001, 0.01, 0.1, 0.5, 0.9] {
        let count = (20_000.0 * share) as usize;
        let mut noise = Noise::new(3);
        let random: RowSet = std::iter::repeat_with(|| noise.below(20_000) as u32).take(count).collect();
        let near: RowSet = by_distance[..count].iter().copied().collect();
        let far: RowSet = by_distance[20_000 - count..].iter().copied().collect();
        for (kind, filter) in [("random", random), ("near", near), ("far", far)] {
            let name = format!("{kind} {share}");
            let recall = check(&index, &all, &filter, &name);
            assert!(recall >= 0.95, "{name}: {recall}");
        }
    }
}

#[test]
fn what_lies_far_from_the_query_is_found_without_walking_through_all_that_is_nearer() {
    let all = vectors(26, 30_000, DIMENSION);
    let index = built(codes(Metric::Cosine, DIMENSION, &all));
    let (mut scratch, mut sum, mut walks) = (Scratch::new(), 0.0, 0);
    for query in vectors(27, 240, DIMENSION).chunks_exact(DIMENSION) {
        let farthest = truth(Metric::Cosine, DIMENSION, &all, query, 30_000, |_| true)[29_999] as usize;
        let region = &all[farthest * DIMENSION..][..DIMENSION];
        let filter: RowSet =
            truth(Metric::Cosine, DIMENSION, &all, region, 15_000, |_| true).into_iter().collect();
        let options = SearchOptions::new(10).filter(&filter).ef_search(32);
        let exact = rows(index.search(query, &options.exact(true), &mut scratch).unwrap());
        let found = rows(index.search(query, &options, &mut scratch).unwrap());
        let statistics = scratch.statistics();
        walks += usize::from(statistics.path == SearchPath::Graph && statistics.distances < 10_000);
        sum += recall(&exact, &found);
    }
    assert!(walks >= 228, "{walks} of 240 searches compared fewer than 10,000 of 15,000");
    assert!(sum / 240.0 >= 0.95, "{}", sum / 240.0);
}

#[test]
fn a_filter_that_matches_nothing_finds_nothing() {
    let index = built(codes(Metric::L2, DIMENSION, &vectors(21, 3_000, DIMENSION)));
    let mut scratch = Scratch::new();
    let query = vectors(22, 1, DIMENSION);
    for filter in [RowSet::new(), [3_000, 4_000_000].into_iter().collect()] {
        assert!(
            index.search(&query, &SearchOptions::new(5).filter(&filter), &mut scratch).unwrap().is_empty()
        );
    }
}

#[test]
fn a_filter_longer_than_the_index_matches_what_is_there() {
    let all = vectors(23, 3_000, DIMENSION);
    let index = built(codes(Metric::L2, DIMENSION, &all));
    let filter: RowSet = (0..1_000_000).collect();
    let mut scratch = Scratch::new();
    let options = SearchOptions::new(5);
    let plain = index.search(&all[..DIMENSION], &options.exact(true), &mut scratch).unwrap().to_vec();
    assert_eq!(
        index.search(&all[..DIMENSION], &options.exact(true).filter(&filter), &mut scratch).unwrap(),
        plain
    );
    assert_eq!(index.search(&all[..DIMENSION], &options.filter(&filter), &mut scratch).unwrap(), plain);
}

#[test]
fn the_deleted_are_never_found_and_the_others_are() {
    let all = vectors(24, 10_000, DIMENSION);
    let index = built(codes(Metric::Cosine, DIMENSION, &all));
    let mut noise = Noise::new(25);
    for share in [1, 3, 5, 9] {
        let deleted: RowSet = (0..10_000).filter(|_| noise.below(10) < share).collect();
        assert_eq!(self_recall(&index, Some(&deleted), 64), 1.0, "{share}0 % deleted");
        let filter: RowSet = (0..5_000).collect();
        let mut scratch = Scratch::new();
        for query in all.chunks_exact(DIMENSION).step_by(501) {
            let options = SearchOptions::new(10).deleted(&deleted);
            let hits = index.search(query, &options, &mut scratch).unwrap();
            assert!(hits.len() == 10 && hits.iter().all(|hit| !deleted.contains(hit.row)));
            let hits = index.search(query, &options.filter(&filter), &mut scratch).unwrap();
            assert!(hits.len() == 10 && hits.iter().all(|hit| !deleted.contains(hit.row) && hit.row < 5_000));
        }
    }
    let everything: RowSet = (0..10_000).collect();
    let mut scratch = Scratch::new();
    let options = SearchOptions::new(10).deleted(&everything);
    assert!(index.search(&all[..DIMENSION], &options, &mut scratch).unwrap().is_empty());
}

#[test]
fn what_the_high_plane_alone_rules_out_is_not_among_the_nearest_whatever_the_vectors_are() {
    const WIDE: usize = 192;
    const COUNT: usize = 6_000;
    let filter: RowSet = (0..COUNT as u32).filter(|row| row % 5 == 0).collect();
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        for kind in KINDS {
            let all = kind.vectors(31, COUNT, WIDE);
            let index = built(codes(metric, WIDE, &all));
            let (mut scratch, mut compared) = (Scratch::new(), 0);
            // Rows of the index, which are their own nearest, and others.
            let queries = [&all[..20 * WIDE], &kind.vectors(32, 40, WIDE)].concat();
            for query in queries.chunks_exact(WIDE) {
                let options = SearchOptions::new(10).filter(&filter);
                let found = index.search(query, &options, &mut scratch).unwrap().to_vec();
                assert_eq!(scratch.statistics().path, SearchPath::Scan);
                compared += scratch.statistics().distances - filter.len() as u64;
                let exact = index.search(query, &options.exact(true), &mut scratch).unwrap();
                assert_eq!(found, exact, "{kind:?}, {metric:?}");
            }
            assert!(compared < 60 * filter.len() as u64 / 2, "{kind:?}, {metric:?}: {compared}");
        }
    }
}

#[test]
fn what_outlines_rule_out_is_hardly_ever_among_the_nearest_whatever_the_vectors_are() {
    const WIDE: usize = 192;
    const COUNT: usize = 10_000;
    let (mut all_same, mut all_wanted, mut searches, mut compared) = (0, 0, 0, 0);
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        for kind in KINDS {
            let all = kind.vectors(31, COUNT, WIDE);
            let index = built(codes(metric, WIDE, &all));
            let (mut scratch, mut scans, mut same, mut wanted) = (Scratch::new(), 0, 0, 0);
            for query in kind.vectors(32, 20, WIDE).chunks_exact(WIDE) {
                // What lies farther from the query than half of all, so that a walk is given up.
                let by_distance = SearchOptions::new(COUNT).exact(true);
                let by_distance = index.search(query, &by_distance, &mut scratch).unwrap();
                let filter: RowSet = by_distance[COUNT / 2..].iter().map(|hit| hit.row).collect();
                let options = SearchOptions::new(10).ef_search(64).filter(&filter);
                let found = index.search(query, &options, &mut scratch).unwrap().to_vec();
                let statistics = scratch.statistics();
                if statistics.path == SearchPath::GraphThenScan {
                    scans += 1;
                    searches += 1;
                    compared += statistics.distances;
                    let exact = index.search(query, &options.exact(true), &mut scratch).unwrap();
                    same += exact.iter().filter(|hit| found.contains(hit)).count();
                    wanted += exact.len();
                }
            }
            assert!(
                scans >= 18 && same * 100 >= wanted * 97,
                "{kind:?}, {metric:?}: {same} of {wanted} in {scans}"
            );
            all_same += same;
            all_wanted += wanted;
        }
    }
    assert!(all_same * 1_000 >= all_wanted * 995, "{all_same} of {all_wanted}");
    // What the walk compares before it is given up among them; by high planes it would be all of the half.
    assert!(compared < searches * COUNT as u64 / 2, "{compared} compared in {searches} searches");
}
