//! Every option is obeyed or refused, never ignored: a table of them.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use compact_artifact::{
    Batch, BatchOptions, Clause, CompactArtifact, Compression, Durability, ErrorKind, Filter, Fusion,
    Language, Maintenance, Metric, Options, Order, Originals, Query, Record, SpaceOptions,
};
use serde_json::json;

fn new(options: Options) -> (tempfile::TempDir, CompactArtifact) {
    let temp = tempfile::tempdir().unwrap();
    let artifact =
        options.space("v", SpaceOptions::new(2, Metric::L2)).create(temp.path().join("a")).unwrap();
    let record = |i: u32| {
        let text = format!("cat number{i} {}", "dog ".repeat(i as usize % 5));
        Record::text(text).metadata(json!({"i": i, "odd": i % 2})).embedding("v", [i as f32, 1.0])
    };
    artifact.add_batch((0..60).map(record)).unwrap();
    (temp, artifact)
}

fn ids(artifact: &CompactArtifact, query: &Query) -> Vec<u64> {
    artifact.search(query).unwrap().hits.iter().map(|hit| hit.id.0).collect()
}

#[test]
fn what_would_have_no_effect_on_a_query_is_refused() {
    let (_temp, artifact) = new(Options::new());
    let words = || Query::words("cat");
    let vector = || Query::vector("v", [1.0, 1.0]);
    let hybrid = || words().and_vector("v", [1.0, 1.0]);
    let refused = [
        ("words twice", words().and_words("dog")),
        ("words twice", Query::parse("cat").unwrap().and_words("dog")),
        ("a weight of nothing", Query::new().weight(2.0).and_vector("v", [1.0, 1.0]).and_words("cat")),
        ("a weight of one list", words().weight(2.0)),
        ("a weight of one list", vector().weight(2.0)),
        ("exact without a vector", words().exact(true)),
        ("exact without a vector", Query::new().exact(true)),
        ("ef_search without a vector", words().ef_search(10)),
        ("ef_search beside exact", vector().exact(true).ef_search(10)),
        ("a recall without a vector", words().recall(0.9)),
        ("a recall beside exact", vector().exact(true).recall(0.9)),
        ("a recall beside a width", vector().ef_search(10).recall(0.9)),
        ("a recall of nothing", vector().recall(0.0)),
        ("a recall of more than all", vector().recall(1.01)),
        ("a recall that is no number", vector().recall(f64::NAN)),
        ("candidates below k", hybrid().k(10).candidates(9)),
        ("candidates of one list", vector().candidates(10)),
        ("fusion of one list", words().fusion(Fusion::Normalized)),
        ("a snippet without its record", words().snippet(20).fetch(false)),
        ("a snippet of nothing", words().snippet(0)),
        ("a snippet of more bytes than its error says", words().snippet(65_537)),
        ("groups of nothing", words().group_by("i", 0)),
        ("k of nothing", words().k(0)),
        ("the order of one field twice", {
            words()
                .order_by("i", Order::Ascending)
                .order_by("odd", Order::Ascending)
                .order_by("i", Order::Descending)
        }),
        ("scores of records in the order of a field", words().order_by("i", Order::Ascending).min_score(0.5)),
        (
            "scores of records that a filter lists",
            Query::new().filter(Filter::field("odd").eq(1)).min_score(0.5),
        ),
    ];
    for (name, query) in refused {
        let error = artifact.search(&query).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}: {error}");
    }
    artifact.search(&words().snippet(65_536).group_by("i", usize::MAX)).unwrap();
}

#[test]
fn every_option_of_a_query_acts() {
    let (_temp, artifact) = new(Options::new());
    let hybrid = || Query::words("dog").and_vector("v", [30.0, 1.0]);
    let odd = || Filter::field("odd").eq(1);
    let plain = ids(&artifact, &hybrid());
    let fifth = artifact.search(&hybrid()).unwrap().hits[4].score;
    assert_eq!(ids(&artifact, &hybrid().k(3)), plain[..3]);
    assert_eq!(ids(&artifact, &hybrid().k(3).offset(2)), plain[2..5]);
    let differs = [
        ("weight of the vector", hybrid().weight(0.0)),
        ("weight of the words", Query::words("dog").weight(0.0).and_vector("v", [30.0, 1.0])),
        ("candidates", hybrid().candidates(10)),
        ("fusion", hybrid().fusion(Fusion::ReciprocalRank { k: 60.0 })),
        ("filter", hybrid().filter(odd())),
        ("min_score", hybrid().min_score(fifth)),
    ];
    for (name, query) in differs {
        assert_ne!(ids(&artifact, &query), plain, "{name}");
    }
    let both = Query::new().filter(odd()).filter(Filter::field("i").lt(5));
    assert_eq!(artifact.search(&both).unwrap().hits.len(), 2);
    let fetched = artifact.search(&hybrid().fetch(true)).unwrap();
    assert!(fetched.hits[0].record.is_some() && artifact.search(&hybrid()).unwrap().hits[0].record.is_none());
    let snippets = artifact.search(&Query::words("cat").snippet(8)).unwrap();
    assert!(snippets.hits[0].snippet.as_ref().is_some_and(|snippet| snippet.text.len() <= 8));
    assert!(artifact.search(&hybrid().explain(true)).unwrap().explain.is_some());
    let late = artifact.search(&hybrid().deadline(Duration::ZERO)).unwrap();
    assert!(!late.is_complete);
}

#[test]
fn a_search_takes_what_the_recall_that_is_asked_for_needs() {
    let temp = tempfile::tempdir().unwrap();
    let space = SpaceOptions::new(40, Metric::Cosine).originals(Originals::None);
    let options = Options::new().space("v", space).graph_from(100).maintenance(Maintenance::Manual);
    let artifact = options.create(temp.path().join("a")).unwrap();
    let mut state = 1u64;
    let mut vector = || -> Vec<f32> {
        let mut value = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..40).map(|_| value()).collect()
    };
    artifact.add_batch((0..4_000).map(|_| Record::text("").embedding("v", vector()))).unwrap();
    artifact.seal().unwrap();
    let asked: Vec<Vec<f32>> = (0..30).map(|_| vector()).collect();
    // Distances that are computed, and hits that an exact search has too.
    let figures = |option: fn(Query) -> Query| {
        let (mut distances, mut right) = (0, 0);
        for vector in &asked {
            let query = Query::vector("v", vector.clone()).k(10);
            let exact = ids(&artifact, &query.clone().exact(true));
            let found = artifact.search(&option(query).explain(true)).unwrap();
            distances += found.explain.as_ref().unwrap().lists[0].distances;
            right += found.hits.iter().filter(|hit| exact.contains(&hit.id.0)).count();
        }
        (distances, right)
    };
    let (narrow, few) = figures(|query| query.ef_search(16));
    let (least, some) = figures(|query| query.recall(0.9));
    let (usual, most) = figures(|query| query);
    let (wide, more) = figures(|query| query.recall(0.995));
    assert!(
        narrow < least && least <= usual && usual < wide && wide < 30 * 4_000,
        "{narrow} {least} {usual} {wide}"
    );
    assert!(few < some && some <= most && most >= 291 && more >= 294, "{few} {some} {most} {more} of 300");
    assert_eq!(figures(|query| query.recall(1.0)), (30 * 4_000, 300));
}

#[test]
fn what_an_artifact_was_not_created_with_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let created =
        || Options::new().language(Language::English).seed(7).space("v", SpaceOptions::new(2, Metric::L2));
    created().create(&path).unwrap().close().unwrap();
    let other = [
        ("language", Options::new().language(Language::German)),
        ("no language", Options::new().no_language()),
        ("fold_diacritics", Options::new().fold_diacritics(false)),
        ("seed", Options::new().seed(8)),
        ("dimension", Options::new().space("v", SpaceOptions::new(3, Metric::L2))),
        ("metric", Options::new().space("v", SpaceOptions::new(2, Metric::Dot))),
        ("originals", Options::new().space("v", SpaceOptions::new(2, Metric::L2).originals(Originals::F16))),
    ];
    for (name, options) in other {
        for error in [
            options.clone().open(&path),
            options.clone().open_read_only(&path),
            options.open_or_create(&path),
        ] {
            let error = error.expect_err(name);
            assert!(
                matches!(error.kind(), ErrorKind::SettingsMismatch | ErrorKind::SpaceMismatch),
                "{name}: {error}"
            );
        }
    }
    created().open(&path).unwrap().close().unwrap();
    created().fold_diacritics(true).open_or_create(&path).unwrap().close().unwrap();
    Options::new().open_read_only(&path).unwrap();
}

#[test]
fn options_outside_their_limits_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let outside = [
        ("compression", Options::new().compression(Compression::Zstd(23))),
        ("block_len", Options::new().block_len(511)),
        ("segment_len", Options::new().segment_len(1)),
        ("memory_limit", Options::new().memory_limit(1)),
        ("threads", Options::new().threads(0)),
        ("bm25", Options::new().bm25(-0.1, 0.5)),
        ("bm25", Options::new().bm25(1.4, 1.1)),
        ("bm25", Options::new().bm25(f64::NAN, 0.5)),
        ("space", Options::new().space("", SpaceOptions::new(2, Metric::L2))),
        ("dimension", Options::new().space("v", SpaceOptions::new(0, Metric::L2))),
    ];
    for (name, options) in outside {
        let error = options.create(temp.path().join("a")).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}: {error}");
    }
    let (_temp, artifact) = new(Options::new());
    let outside = [
        BatchOptions::new().batch_size(0),
        BatchOptions::new().max_memory(0),
        BatchOptions::new().flush_interval(Duration::ZERO),
    ];
    for options in outside {
        assert_eq!(artifact.batch_writer(options).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn every_option_of_a_batch_writer_acts() {
    let (_temp, artifact) = new(Options::new());
    let add = |options: BatchOptions| {
        let writer = artifact.batch_writer(options).unwrap();
        (0..10).for_each(|i| writer.add(Record::text(format!("text {i}"))).unwrap());
        writer
    };
    let by_count = add(BatchOptions::new().batch_size(4));
    assert_eq!(artifact.len(), 68);
    assert_eq!(by_count.finish().unwrap().batches, 3);
    let by_memory = add(BatchOptions::new().max_memory(1));
    assert_eq!(by_memory.finish().unwrap().batches, 10);
    let of_metadata = artifact.batch_writer(BatchOptions::new().max_memory(1 << 20)).unwrap();
    let record = || Record::text("x").metadata(json!({"list": vec!["x"; 20_000]}));
    (0..4).for_each(|_| of_metadata.add(record()).unwrap());
    assert_eq!(of_metadata.finish().unwrap().batches, 4);
    artifact.delete_where(&Filter::field("list").exists()).unwrap();
    let by_age = add(BatchOptions::new().flush_interval(Duration::from_millis(5)));
    let begun = std::time::Instant::now();
    while artifact.len() < 90 && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(artifact.len(), 90);
    by_age.finish().unwrap();
}

#[test]
fn when_flush_returns_all_that_was_added_before_is_there_whoever_commits_it() {
    let (_temp, artifact) = new(Options::new().durability(Durability::Buffered));
    let often = BatchOptions::new().flush_interval(Duration::from_micros(300));
    let writer = artifact.batch_writer(often).unwrap();
    for i in 0..400u64 {
        writer.add(Record::text(format!("text {i}"))).unwrap();
        std::thread::sleep(Duration::from_micros(i % 40 * 20));
        writer.flush().unwrap();
        assert_eq!(artifact.len(), 61 + i);
    }
    assert_eq!(writer.finish().unwrap().records, 400);
}

#[test]
fn a_batch_writer_commits_what_was_added_later_later() {
    let (_temp, artifact) = new(Options::new().durability(Durability::Buffered));
    artifact.add_space("w", SpaceOptions::new(512, Metric::L2)).unwrap();
    let writer = artifact.batch_writer(BatchOptions::new().batch_size(100)).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        // Their batches take long to prepare, and have a record of the other thread in them.
        for _ in 0..2 {
            threads.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    writer.add(Record::text("other").embedding("w", [0.5; 512])).unwrap();
                }
            });
        }
        for i in 1..=100 {
            writer.upsert(Record::text(format!("{i}")).key("key")).unwrap();
            std::thread::sleep(Duration::from_micros(i % 3 * 300));
            writer.flush().unwrap();
            let newest = artifact.get_by_key("key").unwrap().unwrap();
            assert_eq!(newest.text().unwrap(), format!("{i}"));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    writer.finish().unwrap();
}

#[test]
fn closing_beside_a_batch_writer_is_an_error_that_says_what_to_do() {
    let (temp, artifact) = new(Options::new());
    let writer = artifact.batch_writer(BatchOptions::default()).unwrap();
    let error = artifact.close().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.to_string().contains("finish"), "{error}");
    writer.add(Record::text("late")).unwrap();
    writer.finish().unwrap();
    let artifact = CompactArtifact::open(temp.path().join("a")).unwrap();
    assert_eq!(artifact.len(), 61);
}

/// Calls what writes from inside of a reader.
struct Calling<'a>(&'a CompactArtifact, Vec<ErrorKind>, usize);

impl Read for Calling<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let Self(artifact, errors, left) = self;
        let calls = [
            artifact.add(Record::text("inside")).map(drop),
            artifact.seal().map(drop),
            artifact.compact(64 << 20).map(drop),
            artifact.sync(),
            artifact.add_space("w", SpaceOptions::new(2, Metric::L2)),
            artifact.add_reader(Record::blob([]), &b"inside"[..]).map(drop),
        ];
        errors.extend(calls.into_iter().filter_map(|call| call.err().map(|e| e.kind())));
        assert_eq!(artifact.len(), 60); // reading goes on
        let len = bytes.len().min(*left).min(1 << 20);
        *left -= len;
        Ok(len)
    }
}

#[test]
fn a_reader_that_writes_to_the_artifact_gets_an_error_instead_of_waiting_for_itself() {
    for len in [10, 3 << 20] {
        let (_temp, artifact) = new(Options::new());
        let mut calling = Calling(&artifact, Vec::new(), len);
        artifact.add_reader(Record::blob([]), &mut calling).unwrap();
        assert!(calling.1.len() >= 6 && calling.1.iter().all(|kind| *kind == ErrorKind::Reentrant));
        assert_eq!(artifact.len(), 61);
        artifact.add(Record::text("afterwards")).unwrap();
    }
}

#[test]
fn an_iterator_of_records_may_write_to_the_artifact() {
    let (_temp, artifact) = new(Options::new());
    let records = (0..3).map(|i| {
        artifact.add(Record::text("inside")).unwrap();
        Record::text(format!("text {i}"))
    });
    artifact.add_batch(records).unwrap();
    assert_eq!(artifact.len(), 66);
}

#[test]
fn a_forked_process_writes_nothing_and_is_told_so() {
    for maintenance in [Maintenance::Inline, Maintenance::Background] {
        let (temp, artifact) = new(Options::new().maintenance(maintenance));
        let writer = artifact.batch_writer(BatchOptions::default()).unwrap();
        artifact.fork();
        let calls = [
            artifact.add(Record::text("text")).map(drop),
            artifact.add_reader(Record::blob([]), &b"blob"[..]).map(drop),
            artifact.seal().map(drop),
            artifact.compact(64 << 20).map(drop),
            artifact.sync(),
            artifact.add_space("w", SpaceOptions::new(2, Metric::L2)),
            writer.add(Record::text("text")),
            writer.upsert(Record::text("text").key("key")),
            writer.flush(),
        ];
        assert!(
            calls.iter().all(|call| call.as_ref().is_err_and(|e| e.kind() == ErrorKind::OtherProcess)),
            "{calls:?}"
        );
        assert_eq!(artifact.len(), 60);
        drop(writer);
        assert_eq!(artifact.close().unwrap_err().kind(), ErrorKind::OtherProcess);
        drop(temp);
    }
}

#[test]
fn documented_defaults_are_those_of_the_code() {
    let default_of = |source: &str, item: &str| {
        let end = source.find(item).unwrap();
        let begin = source[..end].rfind("    }\n").unwrap_or(0);
        let text = source[begin..end].replace("\n    /// ", " ");
        text.rsplit("Default: ").next().unwrap().split(['.', '\n']).next().unwrap().to_owned()
    };
    let (options, query) = (include_str!("../../src/api/options.rs"), include_str!("../../src/api/query.rs"));
    let table = [
        (options, "pub fn compression(", "`Zstd(3)`", "compression: Zstd(3)"),
        (options, "pub fn block_len(", "48 KiB", "block_len: 49152"),
        (options, "pub fn segment_len(", "64 MiB", "segment_len: 67108864"),
        (options, "pub fn memory_limit(", "none", "memory_limit: None"),
        (options, "pub fn cache_bytes(", "16 MiB, or 0 without the feature `cache`", "cache_bytes: 16777216"),
        (
            options,
            "pub fn result_cache_bytes(",
            "1 MiB, or 0 without the feature `cache`",
            "result_cache_bytes: 1048576",
        ),
        (
            options,
            "pub fn embedding_cache_bytes(",
            "1 MiB, or 0 without the feature `cache`",
            "embedding_cache_bytes: 1048576",
        ),
        (options, "pub fn graph_from(", "10,000", "graph_from: 10000"),
        (options, "pub fn max_concurrent_requests(", "4", "max_concurrent_requests: 4"),
        (query, "pub fn k(", "10", "k: 10"),
        (query, "pub fn offset(", "0", "offset: 0"),
    ];
    let code = format!("{:?} {:?}", Options::new(), Query::new());
    for (source, item, documented, value) in table {
        assert_eq!(default_of(source, item), documented, "{item}");
        assert!(code.contains(value), "{value} in {code}");
    }
    let batch = format!("{:?}", BatchOptions::default());
    for value in ["batch_size: 1000,", "flush_interval: None,", "max_memory: 16777216 "] {
        assert!(batch.contains(value), "{value} in {batch}");
    }
    let batches = include_str!("../../src/engine/batch_writer.rs");
    assert_eq!(default_of(batches, "pub fn batch_size("), "1,000");
    assert_eq!(default_of(batches, "pub fn max_memory("), "16 MiB");
}

#[test]
fn the_weight_of_a_clause_is_that_of_its_list() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = Options::new()
        .space("v", SpaceOptions::new(2, Metric::Cosine))
        .create(temp.path().join("a"))
        .unwrap();
    let record = |i: u8| Record::text("cat ".repeat(i.into())).embedding("v", [1.0, f32::from(i)]);
    artifact.add_batch((1..20).map(record)).unwrap();
    let ids = |query: Query| -> Vec<_> {
        artifact.search(&query.k(20)).unwrap().hits.iter().map(|hit| hit.id).collect()
    };
    let words = |weight| Clause::words("cat").weight(weight);
    let vector = |weight| Clause::vector("v", [1.0, 9.0]).weight(weight);
    let of_words = ids(Query::from(words(9.0)).and(vector(0.01)));
    let of_vector = ids(Query::from(words(0.01)).and(vector(9.0)));
    assert_ne!(of_words, of_vector);
    assert_eq!(of_words, ids(Query::words("cat").weight(9.0).and_vector("v", [1.0, 9.0]).weight(0.01)));
    let one = artifact.search(&Query::from(words(2.0))).unwrap_err();
    assert_eq!(one.kind(), ErrorKind::InvalidArgument);
    let twice = artifact.search(&Query::from(words(1.0)).and(words(1.0))).unwrap_err();
    assert!(twice.to_string().contains("words are asked for twice"), "{twice}");
}

#[test]
fn a_query_takes_as_many_filters_as_it_is_given() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..300).map(|n| Record::text("cat").metadata(json!({"n": n})))).unwrap();
    let filter = |query: Query, n: i32| query.filter(Filter::field("n").gte(n));
    let any =
        Query::words("cat").filter(Filter::any([Filter::field("n").lt(250), Filter::field("n").gt(290)]));
    let found = artifact.search(&(0..200).fold(any, filter).k(300)).unwrap();
    assert_eq!(found.hits.len(), 51 + 9);
}

#[test]
fn reports_are_written_as_json() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = Options::new().seed(1).create(temp.path().join("a")).unwrap();
    let receipt = artifact.write([Record::text("cat"), Record::text("dog")].into_iter().collect()).unwrap();
    let ids: Vec<u64> = receipt.ids.iter().map(|id| id.0).collect();
    let written = serde_json::to_value(&receipt).unwrap();
    assert_eq!(written, json!({"seq": receipt.seq.0, "ids": ids, "deleted": 0, "updated": 0}));
    let sealed = serde_json::to_value(artifact.seal().unwrap()).unwrap();
    assert_eq!(sealed, json!({"records": 2, "shards": 1, "damage": []}));
    let verified = artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap();
    assert_eq!(serde_json::to_value(verified).unwrap()["damage"], json!([]));
    let writer = artifact.batch_writer(BatchOptions::new()).unwrap();
    writer.add(Record::text("bird")).unwrap();
    assert_eq!(serde_json::to_value(writer.finish().unwrap()).unwrap(), json!({"records": 1, "batches": 1}));
    assert_eq!(serde_json::to_value(artifact.stats()).unwrap()["maintenance_error"], json!(null));
}

#[test]
fn a_group_that_waits_for_more_than_10_seconds_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let group = |millis| Durability::Group(Duration::from_millis(millis));
    let refused = |e: compact_artifact::Error| {
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        assert!(e.to_string().contains("at most 10 seconds, found more"), "{e}");
    };
    refused(Options::new().durability(group(10_001)).create(&path).unwrap_err());
    assert!(!path.exists());
    let artifact = Options::new().durability(group(10_000)).create(&path).unwrap();
    refused(artifact.write(Batch::new().add(Record::text("x")).durability(group(10_001))).unwrap_err());
    assert_eq!(artifact.len(), 0);
    artifact.close().unwrap();
    refused(Options::new().durability(group(10_001)).open(&path).unwrap_err());
}
