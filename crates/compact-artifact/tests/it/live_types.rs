//! What filters mean depends on the records that are there: of what records had that are not, no type of a field is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use compact_artifact::{
    CompactArtifact, ErrorKind, FieldType, Filter, Maintenance, Options, Query, Record, Schema, Snapshot,
    search_snapshots,
};
use serde_json::{Value, json};

/// How the record with the odd value ceases to have it.
#[derive(Debug, Clone, Copy)]
enum Way {
    Deleted,
    Updated,
    Expired,
}

/// 300 records in whose field `d` values of one type are, but for the one with the key `odd`.
fn records(usual: &Value, odd: &Value) -> Vec<Record> {
    let record = |n: usize| {
        let (key, value) = if n == 150 { ("odd".to_owned(), odd) } else { (format!("k{n}"), usual) };
        let record = Record::text("word").key(key).metadata(json!({"d": value, "n": n}));
        if n == 150 { record.expires_at(UNIX_EPOCH + Duration::from_secs(1_000)) } else { record }
    };
    (0..300).map(record).collect()
}

/// Calls `look` with every handle that may answer about records of which the one with the odd value has lost it: the writer before and after it seals,
/// compacts and opens again, readers, and a pack.
fn without_the_odd_one(usual: &Value, odd: &Value, look: impl Fn(&CompactArtifact)) {
    for way in [Way::Deleted, Way::Updated, Way::Expired] {
        for is_sealed_before in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let path = temp.path().join("a");
            let now = Arc::new(AtomicU64::new(1));
            let clock = now.clone();
            let options = Options::new()
                .maintenance(Maintenance::Manual)
                .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
            let artifact = options.clone().expires_at("until").create(&path).unwrap();
            artifact.add_batch(records(usual, odd)).unwrap();
            if is_sealed_before {
                artifact.seal().unwrap();
            }
            match way {
                Way::Deleted => assert!(artifact.delete_key("odd").unwrap()),
                Way::Updated => assert!(artifact.update_key("odd", json!({"d": usual})).unwrap()),
                Way::Expired => now.store(2_000, Ordering::Relaxed),
            }
            println!("{way:?}, sealed before: {is_sealed_before}");
            let look_twice = |artifact: &CompactArtifact| {
                look(artifact);
                look(&options.clone().open_read_only(&path).unwrap());
            };
            look_twice(&artifact);
            artifact.seal().unwrap();
            look_twice(&artifact);
            artifact.compact(1 << 23).unwrap();
            look_twice(&artifact);
            artifact.close().unwrap();
            let artifact = options.clone().open(&path).unwrap();
            look_twice(&artifact);
            artifact.pack(temp.path().join("p")).unwrap();
            look(&options.clone().open_packed_at(temp.path().join("p"), 0).unwrap());
        }
    }
}

/// What a filter of the field `d` is told, by every kind of question.
fn refused(artifact: &CompactArtifact, filter: &Filter) -> Option<ErrorKind> {
    let counted = artifact.count(filter).map_err(|e| e.kind()).err();
    let query = Query::words("word").filter(filter.clone());
    assert_eq!(artifact.search(&query).map_err(|e| e.kind()).err(), counted, "{filter:?}");
    let snapshots: &[Snapshot] = &[artifact.snapshot()];
    assert_eq!(search_snapshots(snapshots, &query).map_err(|e| e.kind()).err(), counted, "{filter:?}");
    counted
}

fn types(artifact: &CompactArtifact) -> Vec<FieldType> {
    let fields = artifact.snapshot().metadata_fields().unwrap();
    fields.into_iter().find(|field| field.name == "d").map(|field| field.types).unwrap_or_default()
}

#[test]
fn a_string_of_a_record_that_is_not_there_does_not_keep_dates_from_being_compared() {
    without_the_odd_one(&json!("2024-05-06"), &json!("not a date"), |artifact| {
        let after = Filter::field("d").gt("2023-01-01");
        assert_eq!((refused(artifact, &after), artifact.count(&after).ok()), (None, Some(artifact.len())));
        assert_eq!(refused(artifact, &Filter::field("d").lt("zz")), Some(ErrorKind::TypeMismatch));
        assert_eq!(types(artifact), [FieldType::Date]);
    });
}

#[test]
fn a_type_that_only_records_had_that_are_not_there_is_one_that_the_field_does_not_have() {
    without_the_odd_one(&json!(7), &json!(["x", true]), |artifact| {
        for other in [Filter::field("d").eq("x"), Filter::field("d").eq(true), Filter::field("d").lt("y")] {
            assert_eq!(refused(artifact, &other), Some(ErrorKind::TypeMismatch), "{other:?}");
        }
        assert_eq!(artifact.count(&Filter::field("d").lt(8)).ok(), Some(artifact.len()));
        assert_eq!(types(artifact), [FieldType::Number]);
    });
}

#[test]
fn a_field_that_only_records_had_that_are_not_there_is_compared_with_anything() {
    without_the_odd_one(&json!(null), &json!(1), |artifact| {
        for any in [Filter::field("d").eq(true), Filter::field("d").eq("x"), Filter::field("d").gte(1)] {
            assert_eq!((refused(artifact, &any), artifact.count(&any).ok()), (None, Some(0)), "{any:?}");
        }
        assert_eq!(types(artifact), []);
    });
}

#[test]
fn a_schema_that_is_accepted_is_what_filters_go_by() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    artifact.add(Record::text("word").metadata(json!({"d": "not a date"}))).unwrap();
    artifact.add(Record::text("word").metadata(json!({"d": "2024-05-06"}))).unwrap();
    let dates = Schema::new().field("d", FieldType::Date);
    assert!(artifact.set_schema(Some(dates.clone())).is_err());
    artifact.delete_where(&Filter::field("d").eq("not a date")).unwrap();
    artifact.set_schema(Some(dates)).unwrap();
    assert_eq!(artifact.count(&Filter::field("d").gt("2023-01-01")).unwrap(), 1);
}
