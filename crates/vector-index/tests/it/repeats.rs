//! Vectors that are the same, or nearly: one node for those that are, and each found by its own vector.

use vector_index::*;

use crate::data::*;

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn integers(noise: &mut Noise, dimension: usize) -> Vec<i8> {
    (0..dimension).map(|_| i8::try_from(noise.below(255)).unwrap_or(-100)).collect()
}

fn of_codes(metric: Metric, all: &[Vec<i8>]) -> Codes {
    let mut codes = Codes::new(Int8Quantizer::new(metric, all[0].len()).unwrap());
    for (row, vector) in (0..).zip(all) {
        codes.push_codes(row, vector, 0.5).unwrap();
    }
    codes
}

/// `count` vectors, half of them the same.
fn half_the_same(count: usize, dimension: usize) -> Vec<Vec<i8>> {
    let mut noise = Noise::new(3);
    let one = integers(&mut noise, dimension);
    (0..count).map(|i| if i % 2 == 0 { one.clone() } else { integers(&mut noise, dimension) }).collect()
}

/// Vectors that differ from a few in one code, by one.
fn nearly_the_same(count: usize, dimension: usize) -> Vec<Vec<i8>> {
    let mut noise = Noise::new(4);
    let some: Vec<Vec<i8>> = (0..3).map(|_| integers(&mut noise, dimension)).collect();
    let near = |noise: &mut Noise| {
        let mut vector = some[noise.below(3)].clone();
        let at = noise.below(dimension);
        vector[at] = if vector[at] < 0 { vector[at] + 1 } else { vector[at] - 1 };
        vector
    };
    (0..count).map(|i| if i % 2 == 0 { near(&mut noise) } else { integers(&mut noise, dimension) }).collect()
}

/// Many groups of a few that are the same.
fn small_groups(groups: usize, dimension: usize) -> Vec<Vec<i8>> {
    let mut noise = Noise::new(5);
    let some: Vec<Vec<i8>> = (0..groups).map(|_| integers(&mut noise, dimension)).collect();
    (0..groups * 3).map(|i| some[i * 7 % groups].clone()).collect()
}

/// Vectors of which half have nearly only zeros.
fn half_zeros(count: usize, dimension: usize) -> Vec<Vec<i8>> {
    let mut noise = Noise::new(6);
    let sparse = |noise: &mut Noise| {
        let mut vector = vec![0; dimension];
        vector[noise.below(dimension)] = 1;
        vector
    };
    (0..count)
        .map(|i| if i % 2 == 0 { sparse(&mut noise) } else { integers(&mut noise, dimension) })
        .collect()
}

fn all_kinds(dimension: usize) -> Vec<(&'static str, Vec<Vec<i8>>)> {
    let one = integers(&mut Noise::new(7), dimension);
    vec![
        ("half the same", half_the_same(2_400, dimension)),
        ("nearly the same", nearly_the_same(2_400, dimension)),
        ("small groups", small_groups(800, dimension)),
        ("half zeros", half_zeros(2_400, dimension)),
        ("all the same", vec![one; 2_400]),
    ]
}

/// The rows, of those asked for, that do not find themselves, or one at least as near.
fn lost(index: &Index<AlignedBytes>, live: impl Iterator<Item = u32>, deleted: &RowSet) -> Vec<u32> {
    let mut scratch = Scratch::new();
    let options = SearchOptions::new(1).deleted(deleted);
    live.filter(|&row| {
        let vector = index.vector(row).unwrap().unwrap();
        let hit = index.search(&vector, &options, &mut scratch).unwrap()[0];
        let only: RowSet = [row].into_iter().collect();
        let own = index.search(&vector, &SearchOptions::new(1).filter(&only), &mut scratch).unwrap()[0];
        assert_eq!(own.row, row);
        hit.row != row && hit.distance > own.distance
    })
    .collect()
}

#[test]
fn every_vector_finds_itself_however_many_are_the_same_or_nearly() {
    for (dimension, metric) in [(32, METRICS[0]), (32, METRICS[1]), (32, METRICS[2]), (130, METRICS[0])] {
        for (name, all) in all_kinds(dimension) {
            let index = built(of_codes(metric, &all));
            let count = u32::try_from(all.len()).unwrap();
            let none = lost(&index, 0..count, &RowSet::new());
            assert!(none.is_empty(), "{metric:?}, {dimension} dimensions, {name}: {} are lost", none.len());
            let deleted: RowSet = (0..count).filter(|row| row * 7 % 10 < 3).collect();
            let live = (0..count).filter(|&row| !deleted.contains(row));
            let none = lost(&index, live, &deleted);
            assert!(
                none.is_empty(),
                "{metric:?}, {dimension} dimensions, {name}: {} are lost beside the deleted",
                none.len()
            );
        }
    }
}

#[test]
fn a_merge_without_the_deleted_finds_every_vector_however_many_are_the_same_or_nearly() {
    for metric in METRICS {
        for (name, all) in all_kinds(32) {
            let (base, new) = all.split_at(all.len() * 2 / 3);
            let base = built(of_codes(metric, base));
            let first = u32::try_from(base.len()).unwrap();
            let new = of_codes(metric, new);
            let new = built(new);
            let kept = |row: u32| (row * 7 % 10 >= 3).then_some(row);
            let mut merge = Builder::new(BuildOptions::new().graph_from(0)).merge();
            merge.add_index(&base, kept).unwrap();
            merge.add_index(&new, |row| kept(row + first)).unwrap();
            let merged = Index::open(merge.build().unwrap().to_bytes().unwrap()).unwrap();
            merged.verify().unwrap();
            let rows: Vec<u32> = (0..u32::try_from(all.len()).unwrap()).filter_map(kept).collect();
            assert_eq!(merged.rows().unwrap(), rows, "{metric:?} {name}");
            for &row in rows.iter().step_by(31) {
                assert_eq!(merged.codes(row).unwrap().unwrap().0, all[row as usize], "{metric:?} {name}");
            }
            let none = lost(&merged, rows.into_iter(), &RowSet::new());
            assert!(none.is_empty(), "{metric:?} {name}: {} are lost", none.len());
        }
    }
}

#[test]
fn equal_vectors_are_hits_by_row_as_many_as_are_asked_for_and_only_those_allowed() {
    for metric in METRICS {
        let all = half_the_same(3_000, 32);
        let index = built(of_codes(metric, &all));
        let alone = Int8Quantizer::new(metric, 32).unwrap().decode(&all[0], 0.5);
        let mut scratch = Scratch::new();
        let mut found =
            |options: SearchOptions<'_>| rows(index.search(&alone, &options, &mut scratch).unwrap());
        let even: Vec<u32> = (0..3_000).step_by(2).collect();
        for k in [1, 10, 500, 1_500] {
            for exact in [false, true] {
                let hits = found(SearchOptions::new(k).exact(exact));
                // Under the dot product others may be nearer.
                let hits: Vec<u32> = hits.into_iter().filter(|row| row % 2 == 0).collect();
                assert!(
                    even.starts_with(&hits) && (metric == Metric::Dot || hits.len() == k),
                    "{metric:?} {k}"
                );
            }
        }
        if metric == Metric::Dot {
            continue;
        }
        let filter: RowSet = (1_001..2_000).step_by(3).collect();
        let deleted: RowSet = (0..1_400).collect();
        let expected: Vec<u32> =
            (1_400..2_000).filter(|&row| row % 2 == 0 && filter.contains(row)).take(20).collect();
        for exact in [false, true] {
            let options = SearchOptions::new(20).exact(exact).filter(&filter).deleted(&deleted);
            assert_eq!(found(options), expected, "{metric:?}");
            let options = SearchOptions::new(3).exact(exact).deleted(&deleted);
            assert_eq!(found(options), [1_400, 1_402, 1_404], "{metric:?}");
        }
    }
}

#[test]
fn what_is_the_same_is_stored_once_and_counted_as_often_as_it_is_there() {
    let all = half_the_same(3_000, 64);
    let index = built(of_codes(Metric::L2, &all));
    let different: Vec<Vec<i8>> = all.iter().skip(1).step_by(2).cloned().collect();
    let without = built(of_codes(Metric::L2, &different));
    assert_eq!((index.len(), without.len()), (3_000, 1_500));
    // A row that is not stored takes two numbers, and one more where it is looked up.
    assert!(index.byte_len() <= without.byte_len() + 1_500 * 12 + 1_024);
    assert_eq!(index.vector(2_998).unwrap(), index.vector(0).unwrap());
    assert_ne!(index.vector(2_999).unwrap(), index.vector(0).unwrap());
    assert_eq!(index.rows().unwrap(), (0..3_000).collect::<Vec<_>>());
}

#[test]
fn vectors_of_one_direction_and_several_lengths_are_the_same_under_cosine_alone() {
    let nodes = |metric| {
        let mut codes = Codes::new(Int8Quantizer::new(metric, 8).unwrap());
        for row in 0..2_500u32 {
            codes.push_codes(row, &[1, 2, 3, 4, 5, 6, 7, 127], 1.0 + (row % 5) as f32).unwrap();
        }
        let bytes =
            Builder::new(BuildOptions::new().graph_from(2_000)).build(codes).unwrap().to_bytes().unwrap();
        u32::from_le_bytes(*bytes.as_ref()[32..].first_chunk().unwrap())
    };
    assert_eq!([nodes(Metric::Cosine), nodes(Metric::Dot), nodes(Metric::L2)], [1, 5, 5]);
}

#[test]
fn the_top_of_a_search_for_more_is_the_search_for_fewer_of_the_same_width() {
    for metric in METRICS {
        let all = half_the_same(3_000, 40);
        let index = built(of_codes(metric, &all));
        let filter: RowSet = (0..3_000).filter(|row| row % 3 != 0).collect();
        let originals: Vec<f32> = all.iter().flatten().map(|&code| f32::from(code) * 0.5).collect();
        let mut scratch = Scratch::new();
        for at in [0, 1, 77, 901] {
            let query = &originals[at * 40..][..40];
            for kind in 0..5 {
                let mut top = |k| {
                    let plain = SearchOptions::new(k).ef_search(200);
                    let options = match kind {
                        0 => plain,
                        1 => plain.exact(true),
                        2 => plain.filter(&filter),
                        3 => plain.deleted(&filter),
                        _ => plain.rescore(Originals::F32(&originals), 200),
                    };
                    index.search(query, &options, &mut scratch).unwrap().to_vec()
                };
                let most = top(200);
                for k in [1, 2, 10, 63, 64, 65, 199] {
                    assert_eq!(top(k), most[..k], "{metric:?} {k}");
                }
            }
        }
    }
}
