//! What is accepted is read back: limits are the same on both sides, and values are exact.

use std::path::Path;
use std::sync::Arc;

use compact_artifact::vfs::{MemoryVfs, Vfs};
use compact_artifact::{
    CompactArtifact, ErrorKind, Filter, MAX_KEY_LEN, MAX_METADATA_LEN, Maintenance, Options, Query, Record,
    json,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const PATH: &str = "/a";

fn options() -> Options {
    Options::new().maintenance(Maintenance::Manual)
}

/// Calls `look` before closing, after opening again from the log, and after sealing.
fn in_every_state(records: Vec<Record>, look: impl Fn(&CompactArtifact)) {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let artifact = CompactArtifact::create_in(vfs.clone(), options(), Path::new(PATH)).unwrap();
    artifact.add_batch(records).unwrap();
    look(&artifact);
    drop(artifact);
    let artifact = CompactArtifact::open_in(vfs.clone(), options(), Path::new(PATH)).unwrap();
    assert!(artifact.recovery().damage.is_empty(), "{:?}", artifact.recovery().damage);
    look(&artifact);
    artifact.seal().unwrap();
    artifact.close().unwrap();
    look(&CompactArtifact::open_read_only_in(vfs, options(), Path::new(PATH)).unwrap());
}

fn nested(levels: usize, in_arrays: bool) -> Value {
    let innermost = json!({});
    let inner =
        (2..levels).fold(innermost, |value, _| if in_arrays { json!([value]) } else { json!({"a": value}) });
    json!({"a": inner})
}

#[test]
fn every_record_that_is_accepted_is_there_after_the_next_open() {
    let at_the_limits = [
        Record::text("arrays").metadata(nested(json::MAX_DEPTH, true)),
        Record::text("objects").metadata(nested(json::MAX_DEPTH, false)),
        Record::text("path").metadata(json!({"n".repeat(1_024): 1})),
        Record::text("null").metadata(json!({"n".repeat(2_000): null})),
        Record::text("long").metadata(json!({"a": "x".repeat(MAX_METADATA_LEN - 8)})),
        Record::text("key").key("k".repeat(MAX_KEY_LEN)),
        Record::text("numbers")
            .metadata(json!({"a": [u64::MAX, i64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0]})),
        Record::text("names").metadata(json!({"": {"": [""]}, "\u{1}key": "x", "$date": 1, ".": {".": 2}})),
    ];
    let expected = at_the_limits.clone();
    in_every_state(at_the_limits.to_vec(), |artifact| {
        assert_eq!(artifact.len(), expected.len() as u64);
        let entries: Vec<_> = artifact.snapshot().records().map(Result::unwrap).collect();
        assert_eq!(entries.len(), expected.len());
        for (entry, record) in entries.iter().zip(&expected) {
            let again = Record::text(entry.text().unwrap().into_owned());
            let again = match entry.key().unwrap() {
                Some(key) => again.key(key),
                None => again,
            };
            let metadata = entry.metadata().unwrap();
            let again = if metadata.is_empty() { again } else { again.metadata(metadata) };
            assert_eq!(again, *record);
        }
    });
    let artifact =
        CompactArtifact::create_in(Arc::new(MemoryVfs::new()), options(), Path::new(PATH)).unwrap();
    for levels in [json::MAX_DEPTH + 1, 127, 128, 1_000] {
        for in_arrays in [false, true] {
            let e = artifact.add(Record::text("x").metadata(nested(levels, in_arrays))).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::TooLarge);
            assert!(e.to_string().contains("nested too deep"), "{e}");
        }
    }
    assert_eq!(artifact.len(), 0);
}

#[test]
fn five_thousand_doubles_are_found_by_equality_before_and_after_closing() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut doubles = vec![0.907_303_832_202_868_9, -0.0, f64::MAX, f64::MIN_POSITIVE, 5e-324];
    while doubles.len() < 5_000 {
        // Half of all bit patterns, half as measurements are.
        let bits = next();
        let double =
            if bits & 1 == 0 { f64::from_bits(next()) } else { (next() >> 11) as f64 / (1u64 << 53) as f64 };
        doubles.extend(double.is_finite().then_some(double));
    }
    let records = doubles.iter().map(|double| Record::text("").metadata(json!({"v": double}))).collect();
    in_every_state(records, |artifact| {
        let snapshot = artifact.snapshot();
        for (entry, double) in snapshot.records().zip(&doubles) {
            let entry = entry.unwrap();
            // What an export writes, and an import reads.
            let text = serde_json::to_string(&entry.metadata().unwrap()).unwrap();
            let read = json::from_str(&text).unwrap()["v"].as_f64().unwrap();
            assert_eq!(read.to_bits(), double.to_bits());
            let found = snapshot.ids_where(&Filter::field("v").eq(*double)).unwrap();
            assert!(found.contains(&entry.id()), "{double}");
            let parsed: Filter = format!("{{\"v\": {double:e}}}").parse().unwrap();
            assert_eq!(parsed, Filter::field("v").eq(*double));
        }
    });
}

#[test]
fn strings_that_share_their_beginning_are_in_order_before_and_after_closing() {
    let string = |i: usize| format!("{}{i:02}", "x".repeat(1_000 * (i % 3 + 1)));
    let records = (0..30).map(|i| Record::text("").metadata(json!({"i": i, "s": string(i)}))).collect();
    in_every_state(records, |artifact| {
        let snapshot = artifact.snapshot();
        let found = |filter: Filter| {
            let ids = snapshot.ids_where(&filter).unwrap().into_iter();
            ids.map(|id| {
                snapshot.get(id).unwrap().unwrap().metadata().unwrap()["i"].as_u64().unwrap() as usize
            })
            .collect::<Vec<_>>()
        };
        let all = |test: &dyn Fn(&str) -> bool| (0..30).filter(|&i| test(&string(i))).collect::<Vec<_>>();
        for i in 0..30 {
            let with = string(i);
            let s = || Filter::field("s");
            assert_eq!(found(s().lt(with.as_str())), all(&|other| other < with.as_str()));
            assert_eq!(found(s().gte(with.as_str())), all(&|other| other >= with.as_str()));
            assert_eq!(found(s().eq(with.as_str())), [i]);
            let prefix = &with[..with.len() - 1];
            assert_eq!(found(s().prefix(prefix)), all(&|other| other.starts_with(prefix)));
            assert_eq!(found(!s().lte(with.as_str())), all(&|other| other > with.as_str()));
        }
    });
}

#[test]
fn metadata_named_as_keys_once_were_reaches_no_record_by_key() {
    let ghost = Record::text("no key").metadata(json!({"\u{1}key": "ghost", "": "ghost", "key": "ghost"}));
    in_every_state(vec![ghost], |artifact| {
        assert!(artifact.get_by_key("ghost").unwrap().is_none());
        let _ = artifact.delete_key("ghost");
        assert_eq!(artifact.len(), 1);
    });
    let artifact =
        CompactArtifact::create_in(Arc::new(MemoryVfs::new()), options(), Path::new(PATH)).unwrap();
    artifact.add(Record::text("no key").metadata(json!({"\u{1}key": "ghost"}))).unwrap();
    assert!(!artifact.delete_key("ghost").unwrap());
    artifact.upsert(Record::text("key").key("ghost")).unwrap();
    assert_eq!(artifact.len(), 2);
    let keyed = Filter::field("\u{1}key").eq("ghost");
    assert_eq!(artifact.delete_where(&keyed).unwrap(), 1);
    assert!(artifact.get_by_key("ghost").unwrap().is_some());
}

/// JSON of any shape and size about the limits.
fn any_metadata() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        (200usize..600).prop_map(|len| "é".repeat(len).into()),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let name = prop_oneof![9 => ".{0,6}", 1 => (1_020usize..1_030).prop_map(|len| "n".repeat(len))];
    let deeper = prop_oneof![6 => Just(0usize), 1 => 85usize..102];
    (prop::collection::btree_map(name, value, 0..4), deeper, any::<bool>()).prop_map(
        |(map, deeper, in_arrays)| {
            let map = Value::Object(map.into_iter().collect());
            (0..deeper)
                .fold(map, |value, _| if in_arrays { json!({"a": [value]}) } else { json!({"a": value}) })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_accepted_is_read_back_equal(all in prop::collection::vec(any_metadata(), 1..12)) {
        let scratch = CompactArtifact::create_in(Arc::new(MemoryVfs::new()), options(), Path::new(PATH)).unwrap();
        let accepted: Vec<Value> =
            all.into_iter().filter(|value| scratch.add(Record::text("x").metadata(value.clone())).is_ok()).collect();
        let records = accepted.iter().map(|value| Record::text("x").metadata(value.clone())).collect();
        in_every_state(records, |artifact| {
            let read: Vec<Value> =
                artifact.snapshot().records().map(|entry| entry.unwrap().metadata().unwrap().into()).collect();
            assert_eq!(read, accepted);
        });
    }
}

#[test]
fn the_rows_that_a_filter_lets_through_are_kept_until_the_next_commit() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let artifact = CompactArtifact::create_in(vfs, options(), Path::new(PATH)).unwrap();
    let record = |n: u64| Record::text("number").metadata(json!({"n": n}));
    artifact.add_batch((0..4_000).map(record)).unwrap();
    let filter = Filter::field("n").lt(3_000u64);
    let kept_bytes_of = |k: usize| {
        let before = artifact.memory_stats().result_cache_bytes;
        let found = artifact.search(&Query::words("number").filter(filter.clone()).k(k)).unwrap();
        assert_eq!(found.hits.len(), k);
        artifact.memory_stats().result_cache_bytes - before
    };
    let (first, second) = (kept_bytes_of(10), kept_bytes_of(11));
    assert!(first >= second + 3_000 / 8, "{first} bytes with the rows, {second} without");
    let id = artifact.search(&Query::words("number").filter(filter.clone()).k(1)).unwrap().hits[0].id;
    artifact.delete(id).unwrap();
    artifact.add(record(7)).unwrap();
    let found = artifact.search(&Query::words("number").filter(filter.clone()).k(4_000)).unwrap();
    assert!(found.hits.len() == 3_000 && found.hits.iter().all(|hit| hit.id != id));
}

#[test]
fn long_strings_of_records_that_changed_again_are_told_apart_by_what_is_alive() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let long = |end: &str| format!("{}{end}", "p".repeat(300));
    for end in ["a", "b"] {
        artifact.add(Record::text("text").key(end).metadata(json!({"v": long(end)}))).unwrap();
    }
    artifact.seal().unwrap();
    for round in 0..3 {
        artifact.update_key("a", json!({"round": round})).unwrap();
        artifact.seal().unwrap();
        let field = || Filter::field("v");
        for (filter, count) in [
            (field().gt(long("a")), 1),
            (field().gte(long("a")), 2),
            (field().lt(long("b")), 1),
            (field().prefix(long("a")), 1),
            (field().eq(long("a")), 1),
        ] {
            assert_eq!(artifact.count(&filter).unwrap(), count, "{filter:?} after {round}");
            let found = artifact.search(&Query::words("text").filter(filter)).unwrap();
            assert_eq!((found.hits.len() as u64, found.is_complete), (count, true));
        }
        let pack = temp.path().join(format!("{round}.pack"));
        artifact.pack(&pack).unwrap();
        assert_eq!(CompactArtifact::open_read_only(&pack).unwrap().count(&field().gt(long("a"))).unwrap(), 1);
    }
}
