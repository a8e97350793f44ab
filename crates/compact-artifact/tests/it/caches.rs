//! Caches: their options, what they count, how they are filled and emptied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use compact_artifact::{
    CacheOptions, CacheStats, CompactArtifact, ErrorKind, Filter, Maintenance, Options, Query, Record,
};
use serde_json::json;

use crate::toy::Toy;

fn create(caches: CacheOptions) -> (tempfile::TempDir, CompactArtifact) {
    create_with(Options::new().caches(caches))
}

fn create_with(options: Options) -> (tempfile::TempDir, CompactArtifact) {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options.maintenance(Maintenance::Manual).create(temp.path().join("a")).unwrap();
    let record = |i: usize| {
        let text = format!("note {i} {}", "about one thing and another ".repeat(40));
        Record::text(text).key(format!("k{i}")).metadata(json!({ "even": i.is_multiple_of(2) }))
    };
    artifact.add_batch((0..500).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.clear_caches();
    (temp, artifact)
}

/// What happened between two accounts.
fn since(artifact: &CompactArtifact, before: CacheStats) -> [(u64, u64); 3] {
    let now = artifact.cache_stats();
    [(now.blocks, before.blocks), (now.results, before.results), (now.embeddings, before.embeddings)]
        .map(|(now, before)| (now.hits - before.hits, now.misses - before.misses))
}

#[test]
fn the_default_of_caches_is_that_of_options() {
    let caches = CacheOptions::default();
    assert_eq!(
        (caches.block_bytes, caches.result_bytes, caches.embedding_bytes),
        (16 << 20, 1 << 20, 1 << 20)
    );
    assert_eq!(caches.result_ttl, None);
    let (_temp, artifact) = create(caches);
    let stats = artifact.cache_stats();
    assert_eq!((stats.blocks.limit_bytes, stats.results.limit_bytes), (16 << 20, 1 << 20));
    assert_eq!(stats.embeddings.limit_bytes, 1 << 20);
}

#[test]
fn every_cache_counts_hits_misses_entries_and_bytes() {
    let (_temp, artifact) = create(CacheOptions::default());
    let before = artifact.cache_stats();
    let query = Query::words("note").k(3);
    for _ in 0..3 {
        artifact.search(&query).unwrap();
    }
    assert_eq!(since(&artifact, before)[1], (2, 1), "the ranking");
    let filtered = Query::words("note").filter(Filter::field("even").eq(true));
    artifact.search(&filtered).unwrap();
    artifact.search(&filtered.clone().k(2)).unwrap();
    assert_eq!(since(&artifact, before)[1], (3, 4), "two rankings, and the rows of the filter twice");
    for _ in 0..4 {
        artifact.get_by_key("k7").unwrap().unwrap();
    }
    let blocks = since(&artifact, before)[0];
    assert!(blocks.1 >= 1 && blocks.0 >= 3, "{blocks:?}");
    let stats = artifact.cache_stats();
    assert!(stats.blocks.entries > 0 && stats.blocks.bytes > 1000, "{stats:?}");
    assert_eq!(stats.results.entries, 4);
    assert!((stats.results.hit_rate() - 3.0 / 7.0).abs() < 1e-9);
    assert!(stats.embeddings.hit_rate().abs() < 1e-9, "nothing was asked");
    artifact.clear_caches();
    let cleared = artifact.cache_stats();
    assert_eq!((cleared.blocks.entries, cleared.blocks.bytes, cleared.results.entries), (0, 0, 0));
    assert_eq!(cleared.blocks.hits, stats.blocks.hits, "what was counted stays");
    assert_eq!(serde_json::to_value(cleared).unwrap()["results"]["hits"], 3);
}

#[test]
fn embeddings_of_texts_are_counted_too() {
    let toy = Toy::new("toy");
    let temp = tempfile::tempdir().unwrap();
    let artifact = Options::new().embedder(toy).create(temp.path().join("a")).unwrap();
    artifact.add(Record::text("a cat")).unwrap();
    artifact.add(Record::text("a cat")).unwrap();
    let embeddings = artifact.cache_stats().embeddings;
    assert_eq!((embeddings.hits, embeddings.misses, embeddings.entries), (1, 1, 1), "{embeddings:?}");
    assert!(embeddings.bytes > 0);
}

#[test]
fn what_makes_room_for_others_is_counted_and_no_cache_holds_more_than_it_may() {
    let caches = CacheOptions { block_bytes: 64 << 10, result_bytes: 16 << 10, ..CacheOptions::default() };
    let (_temp, artifact) = create(caches);
    for i in 0..500 {
        artifact.get_by_key(&format!("k{i}")).unwrap().unwrap();
        artifact.search(&Query::words(&format!("note {i}")).k(50)).unwrap();
        let stats = artifact.cache_stats();
        assert!(stats.blocks.bytes <= stats.blocks.limit_bytes, "{stats:?}");
        assert!(stats.results.bytes <= stats.results.limit_bytes, "{stats:?}");
    }
    let stats = artifact.cache_stats();
    assert!(stats.blocks.evictions > 0 && stats.results.evictions > 100, "{stats:?}");
}

#[test]
fn warming_by_keys_decodes_blocks_before_they_are_asked_for() {
    let (_temp, artifact) = create(CacheOptions::default());
    let keys: Vec<String> = (0..500).map(|i| format!("k{i}")).collect();
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.push("nobody");
    assert_eq!(artifact.warm_keys(&keys).unwrap(), 500);
    let before = artifact.cache_stats();
    for key in &keys[..500] {
        artifact.get_by_key(key).unwrap().unwrap();
    }
    let blocks = since(&artifact, before)[0];
    assert!(blocks.0 >= 500 && blocks.1 == 0, "{blocks:?}");
}

#[test]
fn a_result_is_kept_no_longer_than_its_time_to_live() {
    let now = Arc::new(AtomicU64::new(1_000));
    let theirs = now.clone();
    let clock = move || UNIX_EPOCH + Duration::from_millis(theirs.load(Ordering::Relaxed));
    let caches = CacheOptions { result_ttl: Some(Duration::from_secs(10)), ..CacheOptions::default() };
    let (_temp, artifact) = create_with(Options::new().caches(caches).clock(clock));
    let query = Query::words("note").filter(Filter::field("even").eq(true));
    let asked = |at: u64| {
        now.store(at, Ordering::Relaxed);
        let before = artifact.cache_stats();
        assert_eq!(artifact.search(&query).unwrap().hits.len(), 10);
        since(&artifact, before)[1]
    };
    assert_eq!(asked(1_000), (0, 2), "the ranking, and the rows of its filter");
    assert_eq!(asked(1_001), (1, 0));
    assert_eq!(asked(10_999), (1, 0), "being asked for does not make it younger");
    assert_eq!(asked(11_000), (0, 2), "both are made anew");
    assert_eq!(asked(20_999), (1, 0));
    assert_eq!(artifact.cache_stats().results.entries, 2, "what is too old is let go of");
}

#[test]
fn a_time_to_live_of_nothing_or_of_nothing_kept_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let ttl = Some(Duration::from_secs(1));
    for (caches, part) in [
        (CacheOptions { result_ttl: Some(Duration::ZERO), ..CacheOptions::default() }, "above 0"),
        (CacheOptions { result_ttl: ttl, ..CacheOptions::none() }, "would have no effect"),
    ] {
        let error = Options::new().caches(caches).create(temp.path().join("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("result_ttl") && error.to_string().contains(part), "{error}");
    }
}

#[test]
fn with_no_caches_everything_is_found_and_nothing_is_kept() {
    let (_temp, artifact) = create(CacheOptions::none());
    for _ in 0..2 {
        assert_eq!(artifact.search(&Query::words("note").snippet(50)).unwrap().hits.len(), 10);
        assert!(artifact.get_by_key("k3").unwrap().is_some());
    }
    let stats = artifact.cache_stats();
    assert_eq!((stats.blocks.entries, stats.results.entries, stats.embeddings.entries), (0, 0, 0));
    assert!(stats.blocks.misses > 0 && stats.blocks.hits == 0 && stats.results.misses == 0, "{stats:?}");
}

#[test]
fn what_is_explained_or_has_a_deadline_is_made_anew_and_no_result_outlives_its_commit() {
    let (_temp, artifact) = create(CacheOptions::default());
    let before = artifact.cache_stats();
    for query in [Query::words("note").explain(true), Query::words("note").deadline(Duration::from_mins(1))] {
        artifact.search(&query).unwrap();
        artifact.search(&query).unwrap();
    }
    assert_eq!(since(&artifact, before)[1], (0, 0));
    let find = || artifact.search(&Query::words("newest")).unwrap().hits.len();
    assert_eq!((find(), find()), (0, 0));
    artifact.add(Record::text("the newest of all")).unwrap();
    assert_eq!(find(), 1);
}

#[test]
fn the_page_on_caches_says_what_is_so() {
    let page = include_str!("../../../../docs/CACHES.md");
    let row = |name: &str| page.lines().find(|line| line.starts_with(&format!("| `{name}`"))).unwrap();
    for (name, bytes, default) in [
        ("block_bytes", CacheOptions::default().block_bytes, "16 MiB"),
        ("result_bytes", CacheOptions::default().result_bytes, "1 MiB"),
        ("embedding_bytes", CacheOptions::default().embedding_bytes, "1 MiB"),
    ] {
        assert!(row(name).contains(&format!("| {default} |")), "{name}");
        assert_eq!(bytes, default.split(' ').next().unwrap().parse::<usize>().unwrap() << 20, "{name}");
    }
    let temp = tempfile::tempdir().unwrap();
    let stats = Options::edge().create(temp.path().join("a")).unwrap().cache_stats();
    assert_eq!((stats.blocks.limit_bytes, stats.results.limit_bytes), (2 << 20, 64 << 10));
    assert!(
        stats.embeddings.limit_bytes == 64 << 10
            && page.contains("2 MiB of blocks and 64 KiB each of the others")
    );
}
