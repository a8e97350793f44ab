use std::ops::ControlFlow;

use vector_index::*;

use crate::data::*;

fn bytes_with(threads: usize, codes: Codes) -> Vec<u8> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let built = pool.install(|| Builder::new(BuildOptions::new().graph_from(0)).build(codes)).unwrap();
    built.to_bytes().unwrap().as_ref().to_vec()
}

#[test]
fn the_same_input_gives_the_same_bytes_with_any_number_of_threads() {
    for (count, dimension) in [(6_000, 40), (3_000, 24), (9_000, 80)] {
        let codes = codes(Metric::Cosine, dimension, &vectors(1, count, dimension));
        let one = bytes_with(1, codes.clone());
        for threads in [2, 3, 7] {
            assert!(bytes_with(threads, codes.clone()) == one, "{count} vectors, {threads} threads");
        }
    }
}

#[test]
fn another_seed_gives_another_graph() {
    let codes = codes(Metric::Cosine, 24, &vectors(1, 3_000, 24));
    let bytes = |seed| {
        Builder::new(BuildOptions::new().graph_from(0).seed(seed))
            .build(codes.clone())
            .unwrap()
            .to_bytes()
            .unwrap()
    };
    assert!(bytes(0).as_ref() != bytes(1).as_ref());
}

#[test]
fn every_vector_finds_itself_after_a_build() {
    for (metric, dimension, count) in [
        (Metric::Cosine, 48, 8_000),
        (Metric::L2, 100, 5_000),
        (Metric::Cosine, 7, 3_000),
        (Metric::Cosine, 200, 5_000),
        (Metric::Dot, 130, 2_000),
        (Metric::L2, 1, 500),
    ] {
        let index = built(codes(metric, dimension, &vectors(2, count, dimension)));
        assert_eq!(self_recall(&index, None, 64), 1.0, "{metric:?} {dimension}");
    }
}

#[test]
fn every_vector_finds_one_as_near_when_thousands_are_the_same() {
    let mut all = vectors(3, 1_000, 16);
    let one = all[..16].to_vec();
    (0..2_000).for_each(|_| all.extend(&one));
    all.extend(vectors(4, 1_000, 16));
    let index = built(codes(Metric::L2, 16, &all));
    assert_eq!(self_recall(&index, None, 64), 1.0);
}

#[test]
fn separate_clusters_are_linked() {
    // Two hundred clusters, far from each other and tighter than the distance between any two.
    let mut noise = Noise::new(5);
    let mut all = Vec::new();
    for cluster in 0..200u16 {
        let centre: Vec<f32> = (0..8).map(|_| noise.unit() * 1_000.0).collect();
        for _ in 0..20 + usize::from(cluster % 7) {
            all.extend(centre.iter().map(|value| value + noise.unit() * 0.01));
        }
    }
    let mut exact = Codes::new(Int8Quantizer::calibrated(Metric::L2, 8, &all).unwrap());
    exact.push_all(0, &all).unwrap();
    assert_eq!(self_recall(&built(exact), None, 64), 1.0);
}

#[test]
fn vectors_that_no_partition_tells_apart_are_found() {
    // As many as make a leaf three times over, which differ by one code; beside others, or alone.
    let mut noise = Noise::new(12);
    let mut alike = Codes::new(Int8Quantizer::new(Metric::L2, 70).unwrap());
    for row in 0..5_000u32 {
        let mut vector = vec![100; 70];
        vector[row as usize % 70] = i8::try_from(row / 70).unwrap();
        if row % 10 == 0 {
            vector.fill_with(|| i8::try_from(noise.below(255)).unwrap_or(-100));
        }
        alike.push_codes(row, &vector, 0.5).unwrap();
    }
    assert_eq!(self_recall(&built(alike), None, 64), 1.0);
    let far: Vec<f32> = vectors(13, 5_000, 70).iter().map(|value| 1e6 + value * 1e-3).collect();
    assert_eq!(self_recall(&built(codes(Metric::Cosine, 70, &far)), None, 64), 1.0);
}

#[test]
fn many_vectors_are_linked_as_well_as_by_wide_walks() {
    for (metric, dimension) in [(Metric::Cosine, 80), (Metric::L2, 30), (Metric::Dot, 100), (Metric::L2, 2)] {
        let all = vectors(14, 8_000, dimension);
        let found = [BuildOptions::new(), BuildOptions::new().ef_construction(48)].map(|options| {
            let built =
                Builder::new(options.graph_from(0)).build(codes(metric, dimension, &all[200 * dimension..]));
            let index = Index::open(built.unwrap().to_bytes().unwrap()).unwrap();
            let mut scratch = Scratch::new();
            let recalls = all[..200 * dimension].chunks_exact(dimension).map(|query| {
                let mut search = |options| rows(index.search(query, &options, &mut scratch).unwrap());
                recall(
                    &search(SearchOptions::new(10).exact(true)),
                    &search(SearchOptions::new(10).ef_search(32)),
                )
            });
            recalls.sum::<f64>() / 200.0
        });
        assert!(found[0] >= found[1] - 0.01, "{metric} {dimension}: {found:?}");
    }
}

#[test]
fn the_number_of_vectors_may_be_any() {
    for count in [0, 1, 2, 3, 31, 63, 64, 65, 127, 128, 129, 200, 2_047, 2_049] {
        let index = built(codes(Metric::L2, 5, &vectors(6, count, 5)));
        assert_eq!(index.len(), count);
        assert_eq!(index.has_graph(), count > 0);
        let mut scratch = Scratch::new();
        let hits = index.search(&[0.1, 0.2, 0.3, 0.4, 0.5], &SearchOptions::new(7), &mut scratch).unwrap();
        assert_eq!(hits.len(), count.min(7));
    }
}

#[test]
fn few_vectors_get_no_graph_and_are_found_exactly() {
    let all = vectors(7, 500, 20);
    let index = Index::open(
        Builder::new(BuildOptions::new()).build(codes(Metric::L2, 20, &all)).unwrap().to_bytes().unwrap(),
    );
    let index = index.unwrap();
    assert!(!index.has_graph());
    let mut scratch = Scratch::new();
    let found = rows(index.search(&all[..20], &SearchOptions::new(1), &mut scratch).unwrap());
    assert_eq!((found, scratch.statistics().path), (vec![0], SearchPath::Scan));
}

#[test]
fn a_build_tells_how_far_it_is_and_can_be_stopped() {
    for count in [4_000, 20_000] {
        let codes = codes(Metric::Cosine, 16, &vectors(8, count, 16));
        let mut seen = Vec::new();
        Builder::new(BuildOptions::new().graph_from(0))
            .build_with(codes.clone(), |progress| {
                seen.push(progress.done);
                assert_eq!(progress.total, count);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(seen.is_sorted() && seen.len() > 8 && seen.last() == Some(&count), "{seen:?}");
        for from in [0, 1_000] {
            let mut last = 0;
            let stop = |progress: Progress| {
                last = progress.done;
                if progress.done >= from { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let options = BuildOptions::new().graph_from(0);
            let error = Builder::new(options).build_with(codes.clone(), stop).unwrap_err();
            assert_eq!((error.kind(), last < count), (ErrorKind::Cancelled, true));
        }
    }
}

#[test]
fn links_take_no_more_than_80_bytes_a_vector() {
    let count = 20_000;
    let index = built(codes(Metric::Cosine, 8, &vectors(9, count, 8)));
    // What is not links or rows: the factor of each vector.
    let bytes = index.graph_byte_len() - count * 4;
    assert!(bytes <= 80 * count, "{}", bytes as f64 / count as f64);
}

#[test]
fn a_quantizer_says_what_it_does_to_vectors() {
    let all = vectors(10, 400, 64);
    let plain = Int8Quantizer::new(Metric::Cosine, 64).unwrap().statistics(&all).unwrap();
    assert_eq!((plain.vectors, plain.saturated), (400, 0.0));
    assert!(plain.mean_cosine_error < 1e-4 && plain.mean_cosine_error <= plain.worst_cosine_error);
    let narrow: Vec<f32> = all.iter().map(|value| value / 4.0).collect();
    let clipped = Int8Quantizer::calibrated(Metric::Cosine, 64, &narrow).unwrap().statistics(&all).unwrap();
    assert!(clipped.saturated > 0.1 && clipped.worst_cosine_error > plain.worst_cosine_error);
}

#[test]
fn calibration_helps_where_dimensions_differ() {
    // One dimension has values a hundred times those of the others, and is the same for all: it takes the scale of every vector.
    let mut all = vectors(11, 3_000, 32);
    all.chunks_exact_mut(32).for_each(|vector| vector[5] = 100.0);
    let plain = codes(Metric::L2, 32, &all);
    let mut calibrated = Codes::new(Int8Quantizer::calibrated(Metric::L2, 32, &all[..32 * 500]).unwrap());
    calibrated.push_all(0, &all).unwrap();
    let [plain, calibrated] = [plain, calibrated].map(|codes| {
        let index = built(codes);
        let mut scratch = Scratch::new();
        let recalls = (0..50).map(|row| {
            let query = &all[row * 32..][..32];
            let truth = truth(Metric::L2, 32, &all, query, 10, |_| true);
            recall(
                &truth,
                &rows(index.search(query, &SearchOptions::new(10).ef_search(100), &mut scratch).unwrap()),
            )
        });
        recalls.sum::<f64>() / 50.0
    });
    assert!(calibrated > 0.95 && plain < 0.7, "{calibrated} {plain}");
}
