//! What a space keeps of a vector, whatever is done with its record.

use std::path::Path;

use compact_artifact::*;
use serde_json::json;

const RECORDS: u16 = 60;

fn vector(i: u16, dimension: u16) -> Vec<f32> {
    let value = |d: u16| f32::from((i * 37 + d * 101) % 509) / 256.0 - 1.0;
    (0..dimension).map(|d| if d == i % dimension { 30.0 } else { value(d) }).collect()
}

fn record(i: u16, dimension: u16) -> Record {
    Record::text(format!("text {i}")).key(format!("k{i}")).embedding("v", vector(i, dimension))
}

/// Keys and scores.
type Found = Vec<(String, u32)>;

/// The embedding of every record, bit by bit, and what exact searches find.
fn seen(artifact: &CompactArtifact, dimension: u16) -> (Vec<Vec<u32>>, Vec<Found>) {
    let bits = |i| {
        let id = artifact.id_of_key(&format!("k{i}")).unwrap().unwrap();
        let vector = artifact.embedding(id, "v").unwrap().unwrap();
        vector.into_iter().map(f32::to_bits).collect()
    };
    let hits = |i| {
        let query = Query::vector("v", vector(i, dimension)).exact(true).k(7).fetch(true);
        let results = artifact.search(&query).unwrap();
        assert!(results.is_complete);
        let key = |hit: &Hit| hit.record.as_ref().unwrap().key().unwrap().unwrap();
        let mut hits: Vec<_> = results.hits.iter().map(|hit| (key(hit), hit.score.to_bits())).collect();
        hits.sort(); // of two as near, any may be first
        hits
    };
    ((0..RECORDS).map(bits).collect(), (0..RECORDS).step_by(7).map(hits).collect())
}

/// Options of the space, and how many dimensions it has.
fn kinds() -> impl Iterator<Item = (SpaceOptions, u16)> {
    let metrics = [Metric::Cosine, Metric::Dot, Metric::L2];
    let all = [Originals::None, Originals::Residual, Originals::F16, Originals::F32];
    metrics.into_iter().flat_map(move |metric| {
        all.into_iter().flat_map(move |originals| {
            [5, 131].map(|dimension| {
                (SpaceOptions::new(dimension.into(), metric).originals(originals), dimension)
            })
        })
    })
}

#[test]
fn what_is_kept_of_a_vector_stays_to_the_bit_whatever_is_done_with_its_record() {
    for (space, dimension) in kinds() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        let options = Options::new().graph_from(16).maintenance(Maintenance::Manual).threads(1);
        let artifact = options.clone().space("v", space).create(path("a")).unwrap();
        for batch in [0..RECORDS / 2, RECORDS / 2..RECORDS] {
            artifact.add_batch(batch.map(|i| record(i, dimension))).unwrap();
        }
        let expected = seen(&artifact, dimension);
        let same = |artifact: &CompactArtifact, when: &str| {
            assert!(seen(artifact, dimension) == expected, "{space:?}: {when}");
        };
        artifact.seal().unwrap();
        same(&artifact, "sealed");
        for i in (0..RECORDS).step_by(3) {
            // Of the same content, the embedding is taken over.
            artifact.upsert(Record::text(format!("text {i}")).key(format!("k{i}"))).unwrap();
            artifact.update_key(&format!("k{}", i + 1), json!({"changed": i})).unwrap();
        }
        same(&artifact, "replaced and changed");
        artifact.seal().unwrap();
        same(&artifact, "sealed once more");
        artifact.compact(64 << 20).unwrap();
        same(&artifact, "compacted");
        artifact.upsert(Record::text("text 7").key("k7")).unwrap();
        drop(artifact);
        let artifact = options.clone().open(path("a")).unwrap();
        same(&artifact, "recovered");
        artifact.seal().unwrap();
        artifact.pack(path("p")).unwrap();
        artifact.close().unwrap();
        for (mapping, limit) in [(true, None), (false, None), (true, Some(8 << 20))] {
            let options = options.clone().memory_mapping(mapping);
            let options = limit.map_or(options.clone(), |limit| options.clone().memory_limit(limit));
            same(&options.clone().open_read_only(path("p")).unwrap(), "packed");
            same(&options.open_read_only(path("a")).unwrap(), "read");
        }
        unpack(path("p"), path("u")).unwrap();
        same(&options.clone().open(path("u")).unwrap(), "unpacked");
        salvage(path("a"), path("s"), options.clone()).unwrap();
        same(&options.open(path("s")).unwrap(), "salvaged");
        read_back(&path("a"), &path("r"), (space, dimension));
    }
}

/// What is read out and given to another space of the kind is kept as it was: exactly where floats are kept or length counts, and to a rounding in 32 bits where it does not.
fn read_back(from: &Path, to: &Path, (space, dimension): (SpaceOptions, u16)) {
    let (from, to) =
        (CompactArtifact::open(from).unwrap(), Options::new().space("v", space).create(to).unwrap());
    for i in 0..RECORDS {
        let id = from.id_of_key(&format!("k{i}")).unwrap().unwrap();
        let vector = from.embedding(id, "v").unwrap().unwrap();
        let copy = to.add(Record::text("copy").embedding("v", vector.clone())).unwrap();
        let kept = to.embedding(copy, "v").unwrap().unwrap();
        let largest = vector.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (a, b) in vector.iter().zip(&kept) {
            assert!((a - b).abs() <= 1e-6 * largest, "{space:?} {dimension}: {a} {b}");
        }
    }
}

/// Within a few steps of a code of each other, so that codes alone put them into another order; some are equal.
fn close(i: u16, dimension: u16) -> Vec<f32> {
    let which = if i % 10 == 3 { 3 } else { i };
    let value = |d: u16| 0.5 + f32::from((which * 37 + d * 101) % 509) / 40_000.0;
    (0..dimension).map(|d| if d == 0 { 1.0 } else { value(d) }).collect()
}

#[test]
fn an_exact_search_finds_the_nearest_by_all_that_is_kept_in_their_order() {
    for (space, dimension) in kinds() {
        let temp = tempfile::tempdir().unwrap();
        let options = Options::new().graph_from(16).maintenance(Maintenance::Manual).threads(1);
        let artifact = options.space("v", space).create(temp.path().join("a")).unwrap();
        let metric = artifact.spaces()[0].metric();
        if artifact.spaces()[0].originals() == Originals::None {
            continue;
        }
        let mut ids = Vec::new();
        for batch in [0..300, 300..500, 500..550] {
            let record = |i: u16| Record::text(format!("text {i}")).embedding("v", close(i, dimension));
            ids.extend(artifact.add_batch(batch.clone().map(record)).unwrap());
            if batch.end < 550 {
                artifact.seal().unwrap();
            }
        }
        let kept = |id| artifact.embedding(id, "v").unwrap().unwrap();
        let all: Vec<(RecordId, Vec<f32>)> = ids.iter().map(|&id| (id, kept(id))).collect();
        for i in [0, 3, 111, 444, 540] {
            let query: Vec<f32> = close(i, dimension).iter().map(|value| value * 1.003 + 0.0004).collect();
            let far = |vector: &[f32]| metric.distance(&query, vector);
            let mut expected: Vec<f32> = all.iter().map(|(_, vector)| far(vector)).collect();
            expected.sort_by(f32::total_cmp);
            let search = |k, offset| {
                let query = Query::vector("v", query.clone()).exact(true).k(k).offset(offset);
                artifact.search(&query).unwrap().hits
            };
            let hits = search(150, 0);
            assert_eq!(hits.len(), 150, "{space:?} {i}");
            let rounding = 4e-6 * (1.0 + query.iter().map(|value| value * value).sum::<f32>());
            for (at, hit) in hits.iter().enumerate() {
                let found = far(&all.iter().find(|(id, _)| *id == hit.id).unwrap().1);
                let off = (found - expected[at]).abs();
                assert!(off <= rounding, "{space:?} {i}: hit {at} is at {found} instead of {}", expected[at]);
            }
            assert!(hits.is_sorted_by(|a, b| (b.score, a.id) <= (a.score, b.id)), "{space:?} {i}");
            let pages: Vec<Hit> = (0..5).flat_map(|page| search(30, page * 30)).collect();
            assert!(pages.iter().map(|hit| hit.id).eq(hits.iter().map(|hit| hit.id)), "{space:?} {i}");
        }
    }
}
