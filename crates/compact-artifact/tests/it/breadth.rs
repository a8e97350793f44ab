//! Several graphs searched together: each as widely as its part of the vectors lets expect, and as widely as alone where what is near is in it.

use std::collections::BTreeSet;
use std::path::Path;

use compact_artifact::{
    CompactArtifact, Maintenance, Metric, Options, Originals, Query, Record, Snapshot, SpaceOptions,
    search_snapshots,
};

const DIMENSION: usize = 24;
const EACH: usize = 2_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    /// Around a point of one axis.
    fn vector(&mut self, axis: usize) -> Vec<f32> {
        (0..DIMENSION).map(|at| self.next() + if at == axis { 3.0 } else { 0.0 }).collect()
    }
}

fn create(path: &Path) -> CompactArtifact {
    create_with(path, 100)
}

fn create_with(path: &Path, graph_from: usize) -> CompactArtifact {
    create_of(path, graph_from, Metric::L2)
}

fn create_of(path: &Path, graph_from: usize, metric: Metric) -> CompactArtifact {
    let options = Options::new().graph_from(graph_from).maintenance(Maintenance::Manual);
    let space = SpaceOptions::new(DIMENSION, metric).originals(Originals::None);
    options.space("v", space).create(path).unwrap()
}

fn records(axis: usize, seed: u64) -> Vec<Record> {
    let mut random = Random(seed);
    (0..EACH)
        .map(|n| {
            Record::text(format!("text {n}")).key(format!("{seed}-{n}")).embedding("v", random.vector(axis))
        })
        .collect()
}

/// Three shards of one artifact, each around its axis.
fn shards(path: &Path, axes: [usize; 3]) -> CompactArtifact {
    let artifact = create(path);
    for (seed, axis) in (0..).zip(axes) {
        artifact.add_batch(records(axis, seed)).unwrap();
        artifact.seal().unwrap();
    }
    assert_eq!(artifact.search(&query(0, 0).explain(true)).unwrap().explain.unwrap().shards, 3);
    artifact
}

/// An artifact for each axis.
fn apart(folder: &Path, axes: &[usize]) -> Vec<Snapshot> {
    std::fs::create_dir_all(folder).unwrap();
    let snapshot = |(seed, &axis): (u64, &usize)| {
        let artifact = create(&folder.join(seed.to_string()));
        artifact.add_batch(records(axis, seed)).unwrap();
        artifact.seal().unwrap();
        artifact.snapshot()
    };
    (0..).zip(axes).map(snapshot).collect()
}

fn query(axis: usize, number: u64) -> Query {
    Query::vector("v", Random(1_000 + number).vector(axis)).fetch(true)
}

fn keys(snapshot: &Snapshot, query: &Query) -> Vec<String> {
    let hits = snapshot.search(query).unwrap().hits;
    hits.iter().map(|hit| hit.record.as_ref().unwrap().key().unwrap().unwrap()).collect()
}

fn keys_of_all(snapshots: &[Snapshot], query: &Query) -> Vec<String> {
    let hits = search_snapshots(snapshots, query).unwrap().hits;
    hits.iter().map(|found| found.hit.record.as_ref().unwrap().key().unwrap().unwrap()).collect()
}

#[test]
fn where_all_that_is_near_is_in_one_graph_it_is_searched_as_widely_as_alone() {
    let temp = tempfile::tempdir().unwrap();
    let snapshots = apart(&temp.path().join("apart"), &[0, 1, 2, 3, 4, 5, 6, 7]);
    let one = shards(&temp.path().join("one"), [0, 1, 2]).snapshot();
    for number in 0..100 {
        for query in [query(1, number), query(1, number).recall(0.95), query(1, number).k(40).offset(3)] {
            let expected = keys(&snapshots[1], &query);
            assert_eq!(keys_of_all(&snapshots, &query), expected, "{query:?}");
            assert_eq!(keys(&one, &query), expected, "{query:?}");
        }
    }
}

#[test]
fn what_is_spread_over_graphs_is_found_by_less_than_searches_of_each() {
    let temp = tempfile::tempdir().unwrap();
    let one = shards(&temp.path().join("one"), [0, 0, 0]);
    let six = apart(&temp.path().join("six"), &[0; 6]);
    let (mut found, mut found_apart, mut together, mut each) = (0, 0, 0, 0);
    for number in 0..100 {
        let query = query(0, number).explain(true);
        let exact: BTreeSet<String> = keys(&one.snapshot(), &query.clone().exact(true)).into_iter().collect();
        let results = one.search(&query).unwrap();
        together += results.explain.unwrap().lists[0].distances;
        each += six[..3]
            .iter()
            .map(|alone| alone.search(&query).unwrap().explain.unwrap().lists[0].distances)
            .sum::<u64>();
        found += keys(&one.snapshot(), &query).iter().filter(|key| exact.contains(*key)).count();
        let exact: BTreeSet<String> = keys_of_all(&six, &query.clone().exact(true)).into_iter().collect();
        found_apart += keys_of_all(&six, &query).iter().filter(|key| exact.contains(*key)).count();
    }
    assert!(found >= 980 && found_apart >= 980, "{found}, {found_apart} of 1000");
    assert!(together * 4 < each * 3, "{together} distances in three graphs, {each} in each alone");
}

#[test]
fn what_is_far_from_all_vectors_is_found_in_several_graphs_and_what_is_near_some_seldom_takes_scans() {
    let temp = tempfile::tempdir().unwrap();
    let together = create_of(&temp.path().join("together"), 100, Metric::Cosine);
    for axis in 0..3 {
        together.add_batch(records(axis, u64::try_from(axis).unwrap())).unwrap();
        together.seal().unwrap();
    }
    let together = together.snapshot();
    let (mut found, mut scans) = (0, 0);
    for number in 0..50 {
        let near = query(1, number).explain(true);
        scans += together.search(&near).unwrap().explain.unwrap().lists[0].scans;
        let opposite: Vec<f32> = Random(number).vector(5).iter().map(|value| -value).collect();
        let query = Query::vector("v", opposite).fetch(true);
        let exact = keys(&together, &query.clone().exact(true));
        found += keys(&together, &query).iter().filter(|key| exact.contains(key)).count();
    }
    assert!(found >= 495 && scans <= 50, "{found} of 500, {scans} scans of 150");
}

#[test]
fn pages_are_slices_of_one_ranking_over_several_graphs() {
    let temp = tempfile::tempdir().unwrap();
    let one = shards(&temp.path().join("one"), [0, 0, 1]).snapshot();
    for number in 0..20 {
        let whole = keys(&one, &query(0, number).k(300));
        assert_eq!(whole.len(), 300);
        assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), 300);
        for (offset, k) in [(0, 10), (0, 64), (10, 30), (60, 70), (200, 100)] {
            assert_eq!(keys(&one, &query(0, number).offset(offset).k(k)), whole[offset..offset + k]);
        }
    }
    let all = keys(&one, &query(0, 0).k(3 * EACH));
    assert_eq!(
        all.iter().collect::<BTreeSet<_>>().len(),
        3 * EACH,
        "everything is found by asking for everything"
    );
}

#[test]
fn rankings_of_several_artifacts_are_as_long_as_they_are_asked_to_be() {
    let temp = tempfile::tempdir().unwrap();
    let snapshots = apart(temp.path(), &[0, 0, 1, 2]);
    for k in [1, 10, 100, 700, 5_000, 4 * EACH] {
        let found = keys_of_all(&snapshots, &query(0, 1).k(k));
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), k);
    }
}

#[test]
fn pages_over_graphs_and_passes_over_all_vectors_are_slices_of_one_ranking() {
    let temp = tempfile::tempdir().unwrap();
    for graph_from in [usize::MAX, EACH + 100] {
        let artifact = create_with(&temp.path().join(graph_from.to_string()), graph_from);
        let first: Vec<Record> = records(0, 0).into_iter().chain(records(0, 7)).collect();
        artifact.add_batch(first).unwrap();
        artifact.seal().unwrap();
        artifact.add_batch(records(0, 1)).unwrap();
        artifact.seal().unwrap();
        artifact.add_batch(records(1, 2)).unwrap();
        let snapshot = artifact.snapshot();
        for number in 0..20 {
            for axis in [0, 1] {
                let whole = keys(&snapshot, &query(axis, number).k(200));
                let exact = keys(&snapshot, &query(axis, number).k(10).exact(true));
                assert!(
                    exact.iter().filter(|key| whole[..10].contains(key)).count() >= 9,
                    "{exact:?} {whole:?}"
                );
                assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), 200);
                for (offset, k) in [(0, 1), (0, 10), (0, 64), (10, 30), (60, 70), (150, 50)] {
                    let page = keys(&snapshot, &query(axis, number).offset(offset).k(k));
                    assert_eq!(page, whole[offset..offset + k]);
                }
            }
        }
    }
}
