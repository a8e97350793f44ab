use proptest::prelude::*;
use vector_index::*;

use crate::data::*;

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_vector_that_cannot_be_is_refused_and_nothing_is_added() {
    use ErrorKind::{NotFinite, WrongDimension, ZeroVector};
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, 3).unwrap());
    for (vector, expected) in [
        (&[1.0, 2.0][..], WrongDimension),
        (&[1.0, 2.0, 3.0, 4.0], WrongDimension),
        (&[], WrongDimension),
        (&[1.0, f32::NAN, 3.0], NotFinite),
        (&[1.0, 2.0, f32::INFINITY], NotFinite),
        (&[f32::NEG_INFINITY, 2.0, 3.0], NotFinite),
        (&[0.0, -0.0, 0.0], ZeroVector),
    ] {
        assert_eq!(kind(codes.push(0, vector)), expected, "{vector:?}");
    }
    assert_eq!(kind(codes.push_all(0, &[1.0, 1.0, 1.0, 0.0, 0.0, 0.0])), ZeroVector);
    assert!(codes.is_empty());
    for (result, expected) in [
        (codes.push(0, &[1.0]), "a vector of dimension 1, where the index has 3"),
        (codes.push_all(0, &[1.0]), "length 1 is not a whole number of vectors of dimension 3"),
        (codes.push_codes(0, &[1], 1.0), "codes of dimension 1, where the index has 3"),
    ] {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
    for (row, vector) in (0..).zip([
        [1e30, -1e30, 3.0],
        [f32::MAX; 3],
        [6e16, 0.0, 0.0],
        [1e-40, 0.0, 0.0],
        [0.0, 1e-45, -1e-45],
    ]) {
        codes.push(row, &vector).unwrap();
    }
    let mut lengths = Codes::new(Int8Quantizer::new(Metric::L2, 3).unwrap());
    lengths.push(0, &[0.0; 3]).unwrap();
    assert_eq!(kind(lengths.push(1, &[1e30, 0.0, 0.0])), NotFinite);
    assert_eq!(kind(lengths.push(1, &[1e-30, 0.0, 0.0])), NotFinite);
}

#[test]
fn rows_ascend_and_none_comes_twice() {
    let mut codes = Codes::new(Int8Quantizer::new(Metric::L2, 1).unwrap());
    codes.push(5, &[1.0]).unwrap();
    assert_eq!(kind(codes.push(5, &[1.0])), ErrorKind::DuplicateRow);
    assert_eq!(kind(codes.push(4, &[1.0])), ErrorKind::InvalidArgument);
    assert_eq!(kind(codes.push(u32::MAX, &[1.0])), ErrorKind::InvalidArgument);
    assert_eq!(kind(codes.push_all(u32::MAX - 1, &[1.0, 2.0])), ErrorKind::InvalidArgument);
    assert_eq!(kind(codes.push_all(5, &[1.0, 2.0])), ErrorKind::DuplicateRow);
    assert_eq!(codes.rows(), [5]);
}

#[test]
fn codes_that_cannot_be_are_refused() {
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, 2).unwrap());
    assert_eq!(kind(codes.push_codes(0, &[1], 1.0)), ErrorKind::WrongDimension);
    assert_eq!(kind(codes.push_codes(0, &[1, -128], 1.0)), ErrorKind::InvalidArgument);
    assert_eq!(kind(codes.push_codes(0, &[0, 0], 1.0)), ErrorKind::ZeroVector);
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(kind(codes.push_codes(0, &[1, 1], scale)), ErrorKind::InvalidArgument, "{scale}");
    }
    codes.push_codes(0, &[127, -127], 0.01).unwrap();
    assert_eq!(codes.get(0).unwrap().0, [127, -127]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_quantized_can_be_stored_built_merged_and_found(
        vector in prop::collection::vec(any::<f32>(), 1..90), exponent in -149..128i32, metric in 0..3usize
    ) {
        let metric = [Metric::Cosine, Metric::Dot, Metric::L2][metric];
        let bounded: Vec<f32> = vector.iter().map(|value| (value % 1.0) * 2f64.powi(exponent) as f32).collect();
        for vector in [vector, bounded] {
            let quantizer = Int8Quantizer::new(metric, vector.len()).unwrap();
            let mut codes = Codes::new(quantizer.clone());
            let quantized = quantizer.quantize(&vector);
            let [pushed, all] = [codes.push(0, &vector), codes.clone().push_all(1, &vector)];
            let Ok((quantized, scale)) = quantized else {
                prop_assert!(pushed.is_err() && all.is_err());
                continue;
            };
            prop_assert!(pushed.is_ok() && all.is_ok());
            codes.push_codes(1, &quantized, scale).unwrap();
            prop_assert_eq!(codes.get(0), codes.get(1));
            let index = built(codes.clone());
            let mut merge = Builder::new(BuildOptions::new().graph_from(0)).merge();
            merge.add_index(&index, |row| Some(row + 1)).unwrap();
            let merged = Index::open(merge.build().unwrap().to_bytes().unwrap()).unwrap();
            let mut scratch = Scratch::new();
            let negated: Vec<f32> = vector.iter().map(|value| -value).collect();
            for query in [&vector, &negated] {
                let options = SearchOptions::new(2);
                let hits = merged.search(query, &options, &mut scratch).unwrap();
                prop_assert!(rows(hits) == [1, 2] && hits[0].distance.is_finite(), "{:?}", hits);
                let originals = [&vector[..], &vector, &vector].concat();
                let options = options.rescore(Originals::F32(&originals), 2);
                let hits = merged.search(query, &options, &mut scratch).unwrap();
                prop_assert!(rows(hits) == [1, 2] && hits[0].distance.is_finite(), "{:?}", hits);
            }
        }
    }
}

#[test]
fn an_audit_of_any_number_of_hits_or_samples_ends() {
    let all = vectors(4, 300, 8);
    let index = built(codes(Metric::Cosine, 8, &all));
    let kinds = [Sample::Stored(usize::MAX), Sample::Stored(3), Sample::Queries(&all[..16])];
    for sample in kinds {
        assert_eq!(
            kind(index.audit_recall(sample, &SearchOptions::new(0), &[10])),
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            kind(index.ef_for_recall(sample, &SearchOptions::new(0), 0.9)),
            ErrorKind::InvalidArgument
        );
        for k in [300, usize::MAX - 1, usize::MAX] {
            let audit = index.audit_recall(sample, &SearchOptions::new(k), &[0, 10, usize::MAX]).unwrap();
            assert!(audit.iter().all(|recall| recall.mean == 1.0), "{audit:?}");
            assert!(index.ef_for_recall(sample, &SearchOptions::new(k), 0.9).unwrap().is_some());
        }
    }
}

#[test]
fn options_outside_their_limits_are_refused() {
    for dimension in [0, MAX_DIMENSION + 1, usize::MAX] {
        assert_eq!(kind(Int8Quantizer::new(Metric::L2, dimension)), ErrorKind::InvalidArgument);
    }
    let all = codes(Metric::L2, 2, &[1.0, 2.0]);
    for options in [
        BuildOptions::new().m(1),
        BuildOptions::new().m(257),
        BuildOptions::new().ef_construction(0),
        BuildOptions::new().alpha(0.9),
        BuildOptions::new().alpha(f32::NAN),
    ] {
        assert_eq!(kind(Builder::new(options).build(all.clone())), ErrorKind::InvalidArgument, "{options:?}");
    }
    assert_eq!(kind(Int8Quantizer::calibrated(Metric::L2, 2, &[])), ErrorKind::InvalidArgument);
    assert_eq!(kind(Int8Quantizer::calibrated(Metric::L2, 2, &[1.0])), ErrorKind::WrongDimension);
}

#[test]
fn the_longest_vectors_are_indexed_and_longer_ones_refused() {
    let all = vectors(1, 40, MAX_DIMENSION);
    let index = built(codes(Metric::Cosine, MAX_DIMENSION, &all));
    assert_eq!(self_recall(&index, None, 10), 1.0);
}

#[test]
fn vectors_whose_squares_32_bits_cannot_tell_from_0_are_refused_unless_only_their_direction_counts() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let quantizer = Int8Quantizer::new(metric, 2).unwrap();
        let index = built(codes(metric, 2, &[3e-17, 4e-17, 5e-17, 0.0, 1.0, 0.0]));
        for length in [f32::from_bits(1), 1e-38, 1e-30, 9e-18] {
            let vector = [0.0, -length];
            let mut scratch = Scratch::new();
            let search = index.search(&vector, &SearchOptions::new(1), &mut scratch);
            if metric == Metric::Cosine {
                quantizer.quantize(&vector).unwrap();
                search.unwrap();
            } else {
                assert_eq!(kind(quantizer.quantize(&vector)), ErrorKind::NotFinite, "{metric:?} {length}");
                assert_eq!(kind(search), ErrorKind::NotFinite, "{metric:?} {length}");
            }
        }
        let zeros = quantizer.quantize(&[0.0, -0.0]).is_ok();
        assert_eq!(zeros, metric != Metric::Cosine);
        let query = [3e-17, 4.1e-17];
        let mut scratch = Scratch::new();
        let hits = index.search(&query, &SearchOptions::new(3).exact(true), &mut scratch).unwrap();
        let nearest = if metric == Metric::Dot { 2 } else { 0 };
        assert_eq!(hits[0].row, nearest, "{metric:?}");
        // Two of them have one direction.
        let all_differ = hits[0].distance < hits[1].distance && hits[1].distance < hits[2].distance;
        assert!(all_differ || metric == Metric::Cosine, "{hits:?}");
    }
}

#[test]
fn a_search_that_cannot_be_is_refused() {
    let all = vectors(2, 3_000, 8);
    let index = built(codes(Metric::Cosine, 8, &all));
    let mut scratch = Scratch::new();
    let mut search =
        |query: &[f32], options: SearchOptions<'_>| kind(index.search(query, &options, &mut scratch));
    assert_eq!(search(&all[..8], SearchOptions::new(0)), ErrorKind::InvalidArgument);
    assert_eq!(search(&all[..7], SearchOptions::new(1)), ErrorKind::WrongDimension);
    assert_eq!(search(&[0.0; 8], SearchOptions::new(1)), ErrorKind::ZeroVector);
    assert_eq!(search(&[f32::NAN; 8], SearchOptions::new(1)), ErrorKind::NotFinite);
    let few = Originals::F32(&all[..8]);
    assert_eq!(search(&all[80..88], SearchOptions::new(5).rescore(few, 5)), ErrorKind::NoSuchRow);
    assert_eq!(
        kind(index.audit_recall(Sample::Stored(0), &SearchOptions::new(1), &[10])),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn a_width_below_k_counts_as_k_and_one_beyond_the_index_as_its_size() {
    let all = vectors(3, 3_000, 8);
    let index = built(codes(Metric::Cosine, 8, &all));
    let mut scratch = Scratch::new();
    let options = SearchOptions::new(50);
    assert_eq!(index.search(&all[..8], &options.ef_search(1), &mut scratch).unwrap().len(), 50);
    let everything = SearchOptions::new(usize::MAX).ef_search(usize::MAX);
    assert_eq!(index.search(&all[..8], &everything, &mut scratch).unwrap().len(), 3_000);
}

#[test]
fn an_empty_index_finds_nothing() {
    let index = built(Codes::new(Int8Quantizer::new(Metric::Cosine, 8).unwrap()));
    let mut scratch = Scratch::new();
    for options in [SearchOptions::new(3), SearchOptions::new(3).exact(true)] {
        assert!(index.search(&[1.0; 8], &options, &mut scratch).unwrap().is_empty());
    }
    assert_eq!(scratch.statistics().path, SearchPath::Nothing);
}
