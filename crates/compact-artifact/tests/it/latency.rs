//! Bottlenecks, each provoked and found.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use compact_artifact::{
    Bottleneck, BottleneckKind, CacheOptions, CompactArtifact, Compression, Durability, ErrorKind, Filter,
    LatencyAnalyzer, Maintenance, Metric, Options, Query, Record, RecordId, SpaceOptions,
};
use serde_json::json;

fn options() -> Options {
    Options::new().maintenance(Maintenance::Manual).space("v", SpaceOptions::new(64, Metric::Cosine))
}

fn vector(i: usize) -> Vec<f32> {
    (0..64).map(|d| ((i * 31 + d * 17) % 101) as f32 - 50.0).collect()
}

fn record(i: usize) -> Record {
    let text = format!("note {i} {}", "about this and that and the other ".repeat(30));
    Record::text(text).key(format!("k{i}")).metadata(json!({ "n": i })).embedding("v", vector(i))
}

fn create(options: Options, records: usize) -> (tempfile::TempDir, CompactArtifact) {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options.create(temp.path().join("a")).unwrap();
    for batch in (0..records).step_by(500) {
        artifact.add_batch((batch..(batch + 500).min(records)).map(record)).unwrap();
    }
    (temp, artifact)
}

/// The bottleneck of a kind, which must be one.
fn found(analyzer: &LatencyAnalyzer, kind: BottleneckKind) -> Bottleneck {
    let all = analyzer.identify_bottlenecks();
    let found = all.iter().find(|bottleneck| bottleneck.kind == kind).cloned();
    found.unwrap_or_else(|| panic!("no {kind} in {:?}", analyzer.report()))
}

#[test]
fn a_cache_that_is_too_small_is_found_with_the_ids_that_were_missed() {
    let (_temp, artifact) = create(options().caches(CacheOptions::none()), 600);
    artifact.seal().unwrap();
    // How much of the time it is depends on what else runs.
    let analyzer = LatencyAnalyzer::new().min_fraction(0.0).unwrap();
    let ids: Vec<RecordId> = artifact.keys("k1").unwrap().into_iter().map(|(_, id)| id).collect();
    for id in &ids {
        analyzer.trace(|| artifact.get(*id)).unwrap().unwrap();
    }
    let miss = found(&analyzer, BottleneckKind::CacheMiss);
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!((miss.ids, miss.times), (sorted, ids.len() as u64));
    assert!(miss.fraction > 0.0 && miss.fraction <= 1.0, "{}", miss.fraction);
    let decompression = found(&analyzer, BottleneckKind::Decompression);
    assert!(decompression.time <= miss.time && decompression.times == miss.times, "{decompression:?}");
    assert!(miss.kind.advice().contains("cache of blocks"));
}

#[test]
fn what_is_cached_and_what_is_not_compressed_is_no_bottleneck() {
    let (_temp, artifact) = create(options().compression(Compression::None), 600);
    artifact.seal().unwrap();
    let id = artifact.id_of_key("k1").unwrap().unwrap();
    artifact.get(id).unwrap();
    let analyzer = LatencyAnalyzer::new().min_fraction(0.0).unwrap();
    for _ in 0..50 {
        analyzer.trace(|| artifact.get(id)).unwrap().unwrap();
    }
    assert_eq!(analyzer.report().find(BottleneckKind::CacheMiss), None);
    assert_eq!(analyzer.report().find(BottleneckKind::Decompression), None);
    assert_eq!(analyzer.report().calls, 50);
}

#[test]
#[cfg(target_os = "linux")]
fn pages_that_are_touched_for_the_first_time_are_found() {
    const LEN: usize = 256 << 20; // with huge pages, too, more faults than a few calls make
    let (_temp, artifact) = create(options().compression(Compression::None), 10);
    let analyzer = LatencyAnalyzer::new().min_fraction(0.0).unwrap();
    // Blocks of many frames are decoded by the artifact's threads, whose faults are theirs; so much memory at once is always new.
    let read = || {
        artifact.get_by_key("k3").map(|record| (record.is_some(), std::hint::black_box(vec![7u8; LEN]).len()))
    };
    assert_eq!(analyzer.trace(read).unwrap(), (true, LEN));
    let faults = found(&analyzer, BottleneckKind::PageFault);
    assert!(faults.times >= 20 && faults.time > Duration::ZERO, "{faults:?}");
    analyzer.reset();
    for _ in 0..10 {
        analyzer.trace(|| artifact.get_by_key("k3")).unwrap().unwrap();
    }
    let few = analyzer.report().find(BottleneckKind::PageFault).map_or(0, |few| few.times);
    assert!(few * 4 < faults.times, "{few} {faults:?}");
}

#[test]
fn a_filter_that_excludes_nothing_is_found() {
    let (_temp, artifact) = create(options().caches(CacheOptions::none()), 4000);
    artifact.seal().unwrap();
    let wide = || Filter::all([Filter::field("n").gte(0), Filter::field("n").lt(100_000)]);
    let traced = |filter: Filter| {
        let analyzer = LatencyAnalyzer::new();
        for _ in 0..20 {
            let query = Query::words("note 77").filter(filter.clone());
            analyzer.trace(|| artifact.search(&query)).unwrap();
        }
        analyzer
    };
    let analyzer = traced(wide());
    let filter = found(&analyzer, BottleneckKind::LowSelectivity);
    assert_eq!(filter.times, 20);
    let narrow = traced(Filter::field("n").eq(77));
    assert_eq!(narrow.report().find(BottleneckKind::LowSelectivity), None);
}

#[test]
fn records_that_are_not_sealed_are_found() {
    let (_temp, artifact) = create(options().caches(CacheOptions::none()), 4000);
    let traced = |artifact: &CompactArtifact| {
        let analyzer = LatencyAnalyzer::new().min_fraction(0.0).unwrap();
        for i in 0..20 {
            analyzer.trace(|| artifact.search(&Query::vector("v", vector(i)))).unwrap();
        }
        analyzer
    };
    let tail = found(&traced(&artifact), BottleneckKind::UnindexedTail);
    assert!(tail.times >= 20 && tail.fraction > 0.0, "{tail:?}");
    let words = LatencyAnalyzer::new().min_fraction(0.0).unwrap();
    words.trace(|| artifact.search(&Query::words("note"))).unwrap();
    assert_eq!(found(&words, BottleneckKind::UnindexedTail).times, 1);
    artifact.seal().unwrap();
    assert_eq!(traced(&artifact).report().find(BottleneckKind::UnindexedTail), None);
}

#[test]
fn commits_that_wait_for_the_disk_are_found() {
    let (_temp, artifact) = create(options(), 10);
    let analyzer = LatencyAnalyzer::new().min_fraction(0.0).unwrap();
    for i in 0..20 {
        analyzer.trace(|| artifact.add(record(100 + i))).unwrap();
    }
    let sync = found(&analyzer, BottleneckKind::Fsync);
    assert!(sync.times >= 20 && sync.time > Duration::ZERO, "{sync:?}");
    assert!(sync.to_string().starts_with("fsync: ") && sync.to_string().contains("in one batch"), "{sync}");
    let (_temp, buffered) = create(options().durability(Durability::Buffered), 10);
    let analyzer = LatencyAnalyzer::new();
    analyzer.trace(|| buffered.add(record(100))).unwrap();
    assert_eq!(analyzer.report().find(BottleneckKind::Fsync), None);
}

#[test]
fn commits_that_wait_for_each_other_are_found() {
    let (_temp, artifact) = create(options(), 10);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut i = 1000;
            while !is_over.load(Ordering::Relaxed) {
                artifact.add_batch((0..500).map(|at| record(i + at))).unwrap();
                i += 500;
            }
        });
        while artifact.len() < 500 {
            std::thread::yield_now();
        }
        // How many of them come while the other commits depends on what else runs.
        let waits = |i: usize| {
            let analyzer = LatencyAnalyzer::new();
            analyzer.trace(|| artifact.add(record(1_000_000 + i))).unwrap();
            analyzer.report().find(BottleneckKind::LockWait).is_some_and(|lock| lock.fraction > 0.1)
        };
        let is_found = (0..5_000).any(waits);
        is_over.store(true, Ordering::Relaxed);
        assert!(is_found);
    });
}

#[test]
fn a_trace_inside_of_another_counts_for_itself_alone_and_other_threads_for_none() {
    let (_temp, artifact) = create(options().caches(CacheOptions::none()), 100);
    let id = artifact.id_of_key("k1").unwrap().unwrap();
    let (outer, inner) = (LatencyAnalyzer::new(), LatencyAnalyzer::new());
    outer.trace(|| {
        inner.trace(|| artifact.get(id)).unwrap();
        std::thread::scope(|threads| {
            threads.spawn(|| artifact.get(id)).join().unwrap().unwrap();
        });
        artifact.get(id).unwrap();
    });
    let misses = |analyzer: &LatencyAnalyzer| {
        analyzer.report().find(BottleneckKind::CacheMiss).map_or(0, |miss| miss.times)
    };
    assert_eq!((misses(&outer), misses(&inner)), (1, 1));
    let json = serde_json::to_value(outer.report()).unwrap();
    let kinds: Vec<_> = json["bottlenecks"].as_array().unwrap().iter().map(|b| b["kind"].clone()).collect();
    assert!(kinds.contains(&json!("cache_miss")), "{json}");
}

#[test]
fn an_analyzer_that_is_not_tracing_hears_nothing() {
    let (_temp, artifact) = create(options().caches(CacheOptions::none()), 100);
    let analyzer = LatencyAnalyzer::new();
    artifact.search(&Query::words("note").snippet(50)).unwrap();
    assert_eq!((analyzer.report().calls, analyzer.report().bottlenecks), (0, Vec::new()));
}

#[test]
fn a_part_of_the_time_is_0_to_1() {
    for wrong in [-0.1, 1.1, 7.0, f64::NAN, f64::INFINITY] {
        let error = LatencyAnalyzer::new().min_fraction(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    assert!(LatencyAnalyzer::new().min_fraction(1.0).is_ok());
}
