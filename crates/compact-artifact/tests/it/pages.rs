//! Pages of any query are pieces of one ranking: nothing twice, nothing left out, and the first hits stay the first whatever `k` is.

use std::collections::BTreeSet;

use compact_artifact::{
    CompactArtifact, ErrorKind, Filter, Fusion, Hit, Maintenance, Metric, Options, Originals, Query, Record,
    RecordId, SpaceOptions,
};
use proptest::prelude::*;
use serde_json::json;

/// Some of everything: texts and vectors that are the same, records without either, sealed shards and a tail.
fn artifact(seed: u32, records: u32, originals: Originals) -> (tempfile::TempDir, CompactArtifact) {
    let temp = tempfile::tempdir().unwrap();
    let space = SpaceOptions::new(4, Metric::Cosine).originals(originals);
    let artifact = Options::new().maintenance(Maintenance::Manual).graph_from(2_000).space("v", space);
    let artifact = artifact.create(temp.path().join("a")).unwrap();
    let number = |i: u32, of: u32| i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 20 & (of - 1);
    let record = |i: u32| {
        let text = format!(
            "cat {} {}",
            "river ".repeat(number(i, 4) as usize),
            "stone ".repeat(number(i, 8) as usize)
        );
        let record = Record::text(text).metadata(json!({"n": number(i, 8), "i": i}));
        let at = |salt: u32| (mixed(i * 4 + salt, seed) % 64) as f32 - 31.5;
        if number(i, 16) == 3 { record } else { record.embedding("v", [at(1), at(2), at(3), at(4)]) }
    };
    let mut ids = Vec::new();
    for (from, to) in [(0, records / 2), (records / 2, records * 3 / 4), (records * 3 / 4, records)] {
        ids.extend(artifact.add_batch((from..to).map(record)).unwrap());
        if to < records {
            artifact.seal().unwrap();
        }
    }
    ids.iter().step_by(13).for_each(|id| assert!(artifact.delete(*id).unwrap()));
    (temp, artifact)
}

/// A number that tells nothing of `i`.
fn mixed(i: u32, seed: u32) -> u32 {
    let mut mixed = i.wrapping_add(seed).wrapping_mul(0x9e37_79b9);
    mixed = (mixed ^ mixed >> 15).wrapping_mul(0x2c1b_3c6d);
    mixed = (mixed ^ mixed >> 12).wrapping_mul(0x297a_2d39);
    mixed ^ mixed >> 15
}

fn queries(artifact: &CompactArtifact) -> Vec<(&'static str, Query)> {
    let vector = [3.5, -1.5, 0.5, 2.0];
    let filter = || Filter::field("n").lt(5);
    let like = (0..1_000).map(RecordId).find(|id| artifact.embedding(*id, "v").unwrap().is_some()).unwrap();
    let hybrid = || Query::words("river stone").and_vector("v", vector);
    let by_ranks = Fusion::ReciprocalRank { k: 60.0 };
    vec![
        ("words", Query::words("river cat")),
        ("words and a filter", Query::words("stone").filter(filter())),
        ("vector", Query::vector("v", vector)),
        ("vector, few candidates", Query::vector("v", vector).ef_search(7)),
        ("vector, exact, and a filter", Query::vector("v", vector).exact(true).filter(filter())),
        ("similar", Query::similar_to("v", like)),
        ("hybrid", hybrid()),
        ("hybrid, by ranks", hybrid().fusion(by_ranks)),
        ("hybrid, normalized", hybrid().weight(0.3).fusion(Fusion::Normalized).filter(filter())),
        ("hybrid, candidates", hybrid().candidates(50)),
        ("hybrid, a least score", hybrid().min_score(0.25)),
        ("hybrid, by ranks, a least score", hybrid().fusion(by_ranks).min_score(0.012)),
        ("two vectors", Query::similar_to("v", like).and_vector("v", vector)),
        ("filter", Query::new().filter(filter())),
        ("everything", Query::new()),
    ]
}

fn found(hits: &[Hit]) -> Vec<(RecordId, u32)> {
    hits.iter().map(|hit| (hit.id, hit.score.to_bits())).collect()
}

fn pages(artifact: &CompactArtifact, query: &Query, size: usize) -> Vec<(RecordId, u32)> {
    let mut pages = Vec::new();
    loop {
        let page = artifact.search(&query.clone().k(size).offset(pages.len())).unwrap().hits;
        pages.extend(found(&page));
        if page.len() < size {
            return pages;
        }
    }
}

/// Pages of `size` one after the other are one large page, and begin as it begins: of all queries, or of some.
fn check(artifact: &CompactArtifact, size: usize, only: &[&str]) {
    let is_asked = |name: &str| only.is_empty() || only.contains(&name);
    for (name, query) in queries(artifact).into_iter().filter(|(name, _)| is_asked(name)) {
        // The candidates of a query are at least as many as its hits.
        let most = if name == "hybrid, candidates" { 50 } else { 4_000 };
        let all = pages(artifact, &query, most);
        let mut ids: Vec<RecordId> = all.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len(), "{name}: a record twice");
        assert_eq!(pages(artifact, &query, size), all, "{name}, pages of {size}");
        let first = artifact.search(&query.k(size)).unwrap().hits;
        assert_eq!(found(&first), all[..size.min(all.len())], "{name}, the first {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_slices_of_one_ranking(seed: u32, records in 40u32..400, size in 1usize..=50, originals: bool) {
        let originals = if originals { Originals::F32 } else { Originals::None };
        check(&artifact(seed, records, originals).1, size, &[]);
    }
}

/// Where vectors are found through a graph, and lists are long.
#[test]
fn pages_of_a_graph_are_slices_of_one_ranking() {
    let (_temp, artifact) = artifact(7, 8_000, Originals::None);
    let explain = artifact.search(&Query::vector("v", [1.0, 2.0, 3.0, 4.0]).explain(true)).unwrap().explain;
    let list = &explain.unwrap().lists[0];
    assert!(list.graphs > 0, "{list:?}, {:?}", artifact.stats());
    check(&artifact, 50, &["vector", "vector, few candidates", "hybrid"]);
}

#[test]
fn what_is_like_a_record_does_not_depend_on_how_much_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let space = SpaceOptions::new(32, Metric::Cosine);
    let options = Options::new().maintenance(Maintenance::Manual).space("v", space);
    let artifact = options.create(temp.path().join("a")).unwrap();
    let value = |n: u32| (mixed(n, 3) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let vector = |i: u32| (0..32).map(|n| value(i * 32 + n)).collect::<Vec<_>>();
    let ids = artifact.add_batch((0..12_000).map(|i| Record::blob([]).embedding("v", vector(i)))).unwrap();
    artifact.seal().unwrap();
    for &id in ids.iter().step_by(23) {
        let first = |k| found(&artifact.search(&Query::similar_to("v", id).k(k)).unwrap().hits);
        let all = first(100);
        for k in [1, 30, 62] {
            assert_eq!(first(k), all[..k], "the first {k} of what is like {id}");
        }
    }
}

#[test]
fn hybrid_pages_of_ten_have_every_record_once() {
    let (_temp, artifact) = artifact(1, 400, Originals::None);
    let query = Query::words("cat").and_vector("v", [3.5, -1.5, 0.5, 2.0]);
    let hits = pages(&artifact, &query, 10);
    let mut ids: Vec<RecordId> = hits.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), hits.len()), (artifact.len() as usize, artifact.len() as usize));
    assert!(hits.windows(2).all(|pair| f32::from_bits(pair[0].1) >= f32::from_bits(pair[1].1)));
}

#[test]
fn a_page_beyond_the_limit_says_what_to_do() {
    let (_temp, artifact) = artifact(1, 40, Originals::None);
    let deepest = Query::words("cat").k(10).offset(65_526);
    assert!(artifact.search(&deepest).unwrap().hits.is_empty());
    let error = artifact.search(&deepest.offset(65_527)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("65536") && error.to_string().contains("filter"), "{error}");
}

#[test]
fn pages_of_an_exact_search_fit_together_where_hits_are_equal_or_nearly() {
    let temp = tempfile::tempdir().unwrap();
    for (name, metric, spread) in [("equal", Metric::Dot, 0.0), ("near", Metric::Cosine, 3e-3)] {
        let options = CompactArtifact::options().space("v", SpaceOptions::new(8, metric));
        let artifact = options.create(temp.path().join(name)).unwrap();
        let mut random = 7u32;
        let mut value = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            1.0 + spread * (f32::from(u16::try_from(random >> 16).unwrap()) / 32_768.0 - 1.0)
        };
        let record = |_| Record::text("t").embedding("v", (0..8).map(|_| value()).collect::<Vec<f32>>());
        let ids = artifact.add_batch((0..400).map(record)).unwrap();
        artifact.update(ids[0], json!({"x": 1})).unwrap();
        let found = |k: usize, offset: usize| -> Vec<RecordId> {
            let query = Query::vector("v", [1.0; 8]).exact(true).k(k).offset(offset);
            artifact.search(&query).unwrap().hits.iter().map(|hit| hit.id).collect()
        };
        let all = found(400, 0);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 400);
        for k in 1..=130 {
            assert_eq!(found(k, 0), all[..k], "{name}: {k}");
        }
        for per_page in [20, 35, 90] {
            let pages: Vec<RecordId> =
                (0..400).step_by(per_page).flat_map(|offset| found(per_page, offset)).collect();
            assert_eq!(pages, all, "{name}: pages of {per_page}");
        }
    }
}
