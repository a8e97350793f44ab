//! Who holds memory, against the allocator; leaks, each provoked and found.

use std::time::Duration;

use compact_artifact::{
    BatchOptions, CacheOptions, CompactArtifact, ErrorKind, Filter, HolderKind, Language, Leak, Maintenance,
    MemoryAnalyzer, MemoryReport, Metric, Options, Order, Originals, Query, Record, SpaceOptions,
    TextOptions,
};
use serde_json::{Value, json};

use crate::figures::{held, peak, refusing};

/// One thread, so that all of it is counted.
fn options() -> Options {
    Options::new()
        .maintenance(Maintenance::Manual)
        .threads(1)
        .space("v", SpaceOptions::new(64, Metric::Cosine))
}

fn record(i: usize) -> Record {
    let vector: Vec<f32> = (0..64).map(|d| ((i * 31 + d * 17) % 101) as f32 - 50.0).collect();
    let text = format!("note {i} about number {} and {} {}", i * 7, i * i, "and this and that ".repeat(20));
    Record::text(text)
        .key(format!("key {i}"))
        .metadata(json!({ "n": i, "even": i.is_multiple_of(2) }))
        .embedding("v", vector)
}

/// Records of 320 KiB each.
fn wide_records(count: usize) -> impl Iterator<Item = Record> {
    let vector =
        |i: usize| (0..65_536).map(|d| ((i * 31 + d * 17) % 101) as f32 - 50.0).collect::<Vec<f32>>();
    (0..count).map(move |i| Record::text(format!("wide {i}")).embedding("wide", vector(i)))
}

fn wide() -> Options {
    options().space("wide", SpaceOptions::new(65_536, Metric::Cosine).originals(Originals::F32))
}

#[test]
fn large_shards_in_memory_are_not_copied_and_small_ones_beside_them_merge() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = wide().create(temp.path().join("a")).unwrap();
    for _ in 0..4 {
        artifact.add_batch(wide_records(30)).unwrap();
    }
    assert_eq!(artifact.stats().tail_shards, 4);
    for i in 0..64 {
        artifact.add(record(i)).unwrap();
    }
    assert!(artifact.stats().tail_shards < 4 + 8, "{:?}", artifact.stats());
    assert_eq!(artifact.search(&Query::words("wide").k(200)).unwrap().hits.len(), 120);
}

#[test]
fn what_is_not_sealed_is_opened_in_pieces_also_without_a_limit() {
    // The least that needs a second piece is 140 MB of vectors.
    if std::env::var("CAMPAIGN").is_err() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = wide().create(&path).unwrap();
    for _ in 0..15 {
        artifact.add_batch(wide_records(30)).unwrap();
    }
    let in_memory = artifact.memory_stats().tail_bytes;
    drop(artifact);
    let artifact = wide().open(&path).unwrap();
    assert!(artifact.stats().shards > 0, "{:?}", artifact.stats());
    assert!(artifact.memory_stats().tail_bytes < in_memory / 2);
    assert_eq!(artifact.search(&Query::words("wide").k(500)).unwrap().hits.len(), 450);
}

/// Metadata that take far more memory than bytes on disk: of many lines, of many fields, of fields deep down.
fn lines(i: usize) -> Value {
    let line = |no: usize| json!({"no": no, "name": format!("item {no}"), "price": no as f64 * 1.5});
    json!({"i": i, "lines": (0..400).map(line).collect::<Vec<_>>()})
}

fn many_fields(i: usize) -> Value {
    (0..6_000)
        .map(|field| (format!("f{}", i + field), json!(field)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn deep(i: usize) -> Value {
    let fields: Value =
        (0..40).map(|field| (format!("{field}"), json!(i))).collect::<serde_json::Map<_, _>>().into();
    let path = |value, _| json!({ "a field with a long name ".repeat(2): value });
    json!({"deep": (0..15).fold(fields, path), "again": vec![i; 20]})
}

#[test]
fn what_is_not_sealed_is_opened_within_the_limit_of_memory_whatever_its_metadata_take() {
    type Metadata = fn(usize) -> Value;
    const LIMIT: i64 = 16 << 20;
    let cases = [("lines", 150, lines as Metadata), ("many fields", 60, many_fields), ("deep", 1_500, deep)];
    for (what, count, metadata) in cases {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let artifact = options().create(&path).unwrap();
        artifact.add_batch((0..count).map(|i| Record::text("x").metadata(metadata(i)))).unwrap();
        drop(artifact);
        for read_only in [true, false] {
            let options = options().memory_limit(LIMIT as usize);
            let open = || if read_only { options.open_read_only(&path) } else { options.open(&path) };
            let (opened, peak) = peak(open);
            assert!(peak < LIMIT, "{what}, read only: {read_only}: {peak} bytes");
            match opened {
                Ok(artifact) => assert_eq!(artifact.len(), count as u64),
                Err(e) => assert!(read_only && e.kind() == ErrorKind::TooLarge, "{e}"),
            }
        }
    }
}

#[test]
fn adding_and_indexing_anew_keep_to_the_limit_of_memory_however_long_all_metadata_are_together() {
    const LIMIT: i64 = 8 << 20;
    let temp = tempfile::tempdir().unwrap();
    let options = Options::new().threads(1).memory_limit(LIMIT as usize).cache_bytes(0).result_cache_bytes(0);
    let artifact = options.create(temp.path().join("a")).unwrap();
    let strings = |i: usize| {
        let field =
            |field: usize| (format!("f{field}"), json!(format!("{:x}", (i * 4_001 + field) * 0x9E37_79B9)));
        Value::Object((0..2_000).map(field).collect())
    };
    for i in 0..400 {
        let (added, peak) = peak(|| artifact.add(Record::text(format!("text {i}")).metadata(strings(i))));
        added.unwrap();
        assert!(peak < LIMIT, "{peak} bytes for record {i}");
    }
    let (set, peak) = peak(|| artifact.set_text_options(TextOptions::new().language(Language::German)));
    set.unwrap();
    assert!(peak < LIMIT, "{peak} bytes for another language");
    assert_eq!(artifact.count(&Filter::field("f7").exists()).unwrap(), 400);
}

fn bytes(report: &MemoryReport, kind: HolderKind) -> u64 {
    report.holders.iter().find(|holder| holder.kind == kind).map_or(0, |holder| holder.bytes)
}

/// Says what is told of what is held, and that it is within 5 %.
fn check(what: &str, artifact: &CompactArtifact, before: i64, told_before: u64) {
    let report = MemoryAnalyzer::new(artifact).report();
    let told = report.heap_bytes.cast_signed() - told_before.cast_signed();
    let held = held() - before;
    println!("{what}: held {held}, told {told}, {:.4}: {:?}", told as f64 / held as f64, report.holders);
    assert_eq!(report.heap_bytes, report.holders.iter().map(|holder| holder.bytes).sum::<u64>());
    assert!(held > 1 << 20, "{what}: too little to compare");
    assert!((held - told).abs() * 20 <= held, "{what}: held {held}, told {told}");
}

#[test]
fn the_sum_of_all_holders_is_what_the_allocator_holds_within_5_percent() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let begun = held();
    let artifact = options().create(&path).unwrap();
    let told = |artifact: &CompactArtifact| MemoryAnalyzer::new(artifact).report().heap_bytes;
    for batch in 0..120 {
        artifact.add_batch((0..100).map(|i| record(batch * 100 + i))).unwrap();
    }
    check("the tail", &artifact, begun, 0);
    artifact.seal().unwrap();
    artifact.close().unwrap();

    let unmapped = options().memory_mapping(false).caches(CacheOptions::none());
    let begun = held();
    let artifact = unmapped.open_read_only(&path).unwrap();
    check("indexes in memory", &artifact, begun, 0);
    drop(artifact);

    let caches = CacheOptions { block_bytes: 8 << 20, result_bytes: 4 << 20, ..CacheOptions::default() };
    let artifact = options().caches(caches).open_read_only(&path).unwrap();
    // Decoders, which stay for the next blocks, are not told of: those of the C library are not of this heap, as those in Rust are.
    for i in 0..600 {
        artifact.get_by_key(&format!("key {}", i * 19)).unwrap().unwrap();
    }
    artifact.release_memory();
    let (begun, told_before) = (held(), told(&artifact));
    for i in 0..600 {
        artifact.search(&Query::words(&format!("note {i}")).k(100)).unwrap();
        let vector: Vec<f32> = (0..64).map(|d| ((i * 7 + d) % 13) as f32 - 6.0).collect();
        artifact.search(&Query::vector("v", vector)).unwrap();
        artifact.get_by_key(&format!("key {}", i * 19)).unwrap().unwrap();
    }
    artifact.search(&Query::new().order_by("n", Order::Descending)).unwrap();
    check("caches, columns and room", &artifact, begun, told_before);
    let released = MemoryAnalyzer::new(&artifact).release_memory();
    assert!(
        released.bytes_before > 2 << 20 && released.bytes_after < released.bytes_before / 4,
        "{released:?}"
    );
}

/// Bytes of a hash table of 8,192 places for values of this size.
fn table(size: usize) -> std::ops::Range<usize> {
    8192 * (size + 1)..8192 * (size + 1) + 64
}

#[test]
fn without_memory_for_a_table_stems_are_not_remembered_and_metadata_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let words = |i: usize| (0..20).map(|at| format!("word{}", i * 20 + at)).collect::<Vec<_>>().join(" ");
    let record = |i: usize| Record::text(words(i)).metadata(json!({ "n": i }));
    refusing(table(32), || artifact.add_batch((0..4_000).map(record)).unwrap());
    assert_eq!(artifact.search(&Query::words("word79999")).unwrap().hits.len(), 1);
    let failed = refusing(table(48), || artifact.add_batch((4_000..8_000).map(record))).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::OutOfMemory, "{failed}");
}

fn small() -> (tempfile::TempDir, CompactArtifact) {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..300).map(record)).unwrap();
    (temp, artifact)
}

#[test]
fn a_snapshot_that_is_held_is_found_with_its_age_and_its_place() {
    let (_temp, artifact) = small();
    let at_once = MemoryAnalyzer::new(&artifact).max_age(Duration::ZERO);
    assert_eq!(at_once.detect_leaks(), [], "calls hold nothing when they are over");
    let snapshot = artifact.snapshot();
    let line = line!() - 1;
    let clone = snapshot.clone();
    assert_eq!(at_once.detect_leaks().len(), 1, "clones are one");
    assert_eq!(
        MemoryAnalyzer::new(&artifact).detect_leaks(),
        [],
        "and none at all before a minute has passed"
    );
    drop(snapshot);
    artifact.seal().unwrap();
    let leaks = at_once.detect_leaks();
    let Leak::PinnedSnapshot { commit, age, place, bytes } = &leaks[0] else { panic!("{leaks:?}") };
    assert_eq!(*commit, clone.seq().0);
    assert!(*age > Duration::ZERO && place.contains(&format!("memory.rs:{line}:")), "{place}");
    assert!(*bytes > 20_000, "the tail as it was before it was sealed: {leaks:?}");
    assert_eq!(bytes, &bytes_of_snapshots(&artifact));
    assert!(leaks[0].to_string().contains(&format!("commit {commit} has been held")), "{}", leaks[0]);
    let Leak::KeptFiles { files, bytes } = leaks[1] else { panic!("{leaks:?}") };
    assert!(files >= 1 && bytes > 5_000, "the log: {leaks:?}");
    assert_eq!(MemoryAnalyzer::new(&artifact).report().kept_file_bytes, bytes);
    drop(clone);
    assert_eq!((at_once.detect_leaks(), bytes_of_snapshots(&artifact)), (Vec::new(), 0));
}

fn bytes_of_snapshots(artifact: &CompactArtifact) -> u64 {
    bytes(&MemoryAnalyzer::new(artifact).report(), HolderKind::Snapshots)
}

#[test]
fn an_iterator_over_records_counts_as_a_snapshot() {
    let (_temp, artifact) = small();
    let at_once = MemoryAnalyzer::new(&artifact).max_age(Duration::ZERO);
    let mut records = artifact.records();
    let filtered = artifact.records_where(&compact_artifact::Filter::field("even").eq(true)).unwrap();
    records.next().unwrap().unwrap();
    assert_eq!(at_once.detect_leaks().len(), 2);
    drop((records, filtered));
    assert_eq!(at_once.detect_leaks(), []);
}

#[test]
fn a_record_that_is_held_keeps_the_file_that_it_is_in() {
    let (_temp, artifact) = small();
    // Of a record that is in one block the block is enough.
    artifact.add(Record::blob(vec![7; 3 << 20]).key("large")).unwrap();
    let entry = artifact.get_by_key("large").unwrap().unwrap();
    artifact.seal().unwrap();
    let leaks = MemoryAnalyzer::new(&artifact).detect_leaks();
    assert!(matches!(leaks[..], [Leak::KeptFiles { files: 1, .. }]), "{leaks:?}");
    drop(entry);
    artifact.clear_caches();
    assert_eq!(MemoryAnalyzer::new(&artifact).detect_leaks(), []);
}

#[test]
fn caches_over_their_budget_are_found_and_let_go_of() {
    let (_temp, artifact) = small();
    artifact.seal().unwrap();
    let analyzer = MemoryAnalyzer::new(&artifact).cache_budget(10_000);
    assert_eq!(analyzer.detect_leaks(), []);
    let ids: Vec<_> = artifact.keys("").unwrap().into_iter().map(|(_, id)| id).collect();
    artifact.warm(&ids);
    artifact.search(&Query::new().order_by("n", Order::Ascending)).unwrap();
    let leaks = analyzer.detect_leaks();
    let [Leak::CachesOverBudget { bytes: held, budget: 10_000 }] = leaks[..] else { panic!("{leaks:?}") };
    assert!(held > 50_000, "{held}");
    let report = analyzer.report();
    assert!(bytes(&report, HolderKind::BlockCache) > 50_000 && bytes(&report, HolderKind::Columns) > 1_000);
    let released = analyzer.release_memory();
    assert!(released.bytes_before >= released.bytes_after + held, "{released:?}");
    assert_eq!(analyzer.detect_leaks(), []);
}

#[test]
fn records_that_wait_in_a_batch_writer_are_found() {
    let (_temp, artifact) = small();
    let writer = artifact.batch_writer(BatchOptions::default()).unwrap();
    for i in 0..7 {
        writer.add(record(1000 + i)).unwrap();
    }
    let analyzer = MemoryAnalyzer::new(&artifact);
    assert!(bytes(&analyzer.report(), HolderKind::BatchWriters) > 7 * 64 * 4);
    assert_eq!(analyzer.detect_leaks(), []);
    let leaks = analyzer.max_age(Duration::ZERO).detect_leaks();
    assert!(matches!(leaks[..], [Leak::UnflushedRecords { records: 7, .. }]), "{leaks:?}");
    writer.flush().unwrap();
    writer.add(Record::text("x").metadata(json!({"deep": {"list": vec![1; 10_000]}}))).unwrap();
    assert!(bytes(&analyzer.report(), HolderKind::BatchWriters) > 10_000 * 20, "metadata are held, too");
    writer.flush().unwrap();
    assert_eq!(analyzer.max_age(Duration::ZERO).detect_leaks(), []);
    assert_eq!(bytes(&analyzer.report(), HolderKind::BatchWriters), 0);
    writer.add(record(2000)).unwrap();
    assert_eq!(writer.finish().unwrap().records, 9);
    assert_eq!(
        bytes(&analyzer.report(), HolderKind::BatchWriters),
        0,
        "a writer that has ended holds nothing"
    );
}

#[test]
fn a_memory_report_is_written_as_json() {
    let (_temp, artifact) = small();
    let report = serde_json::to_value(MemoryAnalyzer::new(&artifact).report()).unwrap();
    let holders = report["holders"].as_array().unwrap();
    assert!(holders.iter().any(|holder| holder["kind"] == "tail_indexes"), "{report}");
    let _held = artifact.snapshot();
    let leaks = MemoryAnalyzer::new(&artifact).max_age(Duration::ZERO).detect_leaks();
    assert_eq!(serde_json::to_value(leaks).unwrap()[0]["kind"], "pinned_snapshot");
}
