//! What metadata must be, beside a plain reading of the same rules.

use compact_artifact::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The types of the values at the top level of metadata, `nested` of what is none; None: there is no value.
fn values(metadata: &Value, field: &str) -> Option<Vec<&'static str>> {
    let name = |value: &Value| match value {
        Value::Bool(_) => Some("bool"),
        Value::Number(_) => Some("number"),
        Value::String(text) if text.starts_with("2026-") => Some("date"),
        Value::String(_) => Some("string"),
        _ => None,
    };
    match metadata.get(field)? {
        Value::Null => None,
        Value::Array(elements) => {
            let values = elements.iter().filter(|value| !value.is_null());
            let values: Vec<_> = values.map(|value| name(value).unwrap_or("nested")).collect();
            (!values.is_empty()).then_some(values)
        }
        value => Some(vec![name(value).unwrap_or("nested")]),
    }
}

/// What a schema of one field says of metadata.
fn accepts(metadata: &Value, field: &str, wanted: FieldType, required: bool) -> bool {
    let fits = |found: &&str| match wanted {
        FieldType::Bool => *found == "bool",
        FieldType::Number => *found == "number",
        FieldType::Date => *found == "date",
        _ => *found == "string" || *found == "date",
    };
    match values(metadata, field) {
        None => !required,
        Some(values) => values.iter().all(fits),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        Just(json!(1.5)),
        Just(json!("word")),
        Just(json!("2026-01-31")),
    ];
    let arrays = prop::collection::vec(scalar.clone(), 0..3).prop_map(Value::from);
    let nested = prop::sample::select(vec![json!([[1]]), json!([1, [2]]), json!([1, {"b": "x"}])]);
    prop_oneof![4 => scalar, 2 => arrays, 1 => Just(json!({"b": 1})), 1 => nested]
}

fn metadata() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[ab]", value(), 0..3)
        .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>()))
}

fn schema() -> impl Strategy<Value = (Schema, Vec<(String, FieldType, bool)>)> {
    let types = [FieldType::Bool, FieldType::Number, FieldType::String, FieldType::Date];
    prop::collection::btree_map("[ab]", (prop::sample::select(types.to_vec()), any::<bool>()), 1..3).prop_map(
        |rules| {
            let rules: Vec<_> = rules.into_iter().map(|(field, (value, is))| (field, value, is)).collect();
            let schema = rules.iter().fold(Schema::new(), |schema, (field, value, is_required)| {
                if *is_required { schema.required(field, *value) } else { schema.field(field, *value) }
            });
            (schema, rules)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_accepted_is_what_the_rules_say(
        (schema, rules) in schema(),
        records in prop::collection::vec(metadata(), 1..12),
        patches in prop::collection::vec(metadata(), 1..6),
    ) {
        let accepts = |metadata: &Value| rules.iter().all(|(field, value, is)| accepts(metadata, field, *value, *is));
        prop_assert_eq!(&Schema::from_json(&schema.to_json()).unwrap(), &schema);
        let temp = tempfile::tempdir().unwrap();
        let (before, after) = (temp.path().join("before"), temp.path().join("after"));
        // A schema from the beginning.
        let artifact = CompactArtifact::options().schema(schema.clone()).create(&before).unwrap();
        for (i, metadata) in records.iter().enumerate() {
            let record = || Record::text("a text").metadata(metadata.clone()).key(i.to_string());
            for added in [artifact.add(record()), artifact.upsert(record())] {
                let is_added = added.map_err(|e| e.kind());
                prop_assert_eq!(is_added.map(drop), if accepts(metadata) { Ok(()) } else { Err(ErrorKind::SchemaViolation) }, "{}", metadata);
            }
        }
        let model: Vec<(String, Value)> = records.iter().enumerate().filter(|(_, m)| accepts(m)).map(|(i, m)| (i.to_string(), m.clone())).collect();
        prop_assert_eq!(artifact.len(), model.len() as u64);
        // Changes in part: what a record would be decides.
        let mut model = model;
        for (at, patch) in patches.iter().enumerate() {
            if model.is_empty() { break; }
            let at = at % model.len();
            let mut patched = model[at].1.clone();
            for (name, value) in patch.as_object().unwrap() {
                merge(patched.as_object_mut().unwrap(), name, value);
            }
            let updated = artifact.update_key(&model[at].0, patch.clone()).map_err(|e| e.kind());
            prop_assert_eq!(updated, if accepts(&patched) { Ok(true) } else { Err(ErrorKind::SchemaViolation) }, "{} {}", model[at].1, patch);
            if accepts(&patched) { model[at].1 = patched; }
        }
        for (key, metadata) in &model {
            let stored = artifact.get_by_key(key).unwrap().unwrap().metadata().unwrap();
            prop_assert_eq!(Value::Object(stored), metadata.clone());
        }
        // A schema for what is there: the first record that breaks it is named.
        let artifact = CompactArtifact::create(&after).unwrap();
        let ids = artifact.add_batch(records.iter().map(|metadata| Record::text("a text").metadata(metadata.clone()))).unwrap();
        if records.len() > 6 { artifact.seal().unwrap(); }
        match (artifact.set_schema(schema.clone()), records.iter().position(|metadata| !accepts(metadata))) {
            (Ok(()), None) => prop_assert_eq!(artifact.schema(), Some(schema)),
            (Err(e), Some(first)) => {
                prop_assert_eq!(e.kind(), ErrorKind::SchemaViolation);
                let named = format!("record {}:", ids[first]);
                prop_assert!(e.to_string().starts_with(&named), "{} {}", e, named);
                prop_assert_eq!(artifact.schema(), None);
            }
            (set, first) => prop_assert!(false, "{:?} {:?}", set, first),
        }
    }
}

/// As JSON merge patch says.
fn merge(target: &mut Map<String, Value>, name: &str, value: &Value) {
    match (value, target.get_mut(name)) {
        (Value::Null, _) => drop(target.remove(name)),
        (Value::Object(patch), Some(Value::Object(inner))) => {
            patch.iter().for_each(|(name, value)| merge(inner, name, value));
        }
        (Value::Object(patch), _) => {
            let mut inner = Map::new();
            patch.iter().for_each(|(name, value)| merge(&mut inner, name, value));
            target.insert(name.to_owned(), inner.into());
        }
        (value, _) => drop(target.insert(name.to_owned(), value.clone())),
    }
}

fn by_year() -> Schema {
    Schema::new().required("year", FieldType::Number)
}

fn fine(year: i64) -> Record {
    Record::text("a text").metadata(json!({ "year": year }))
}

#[test]
fn a_schema_is_kept_over_reopening_packing_and_unpacking_and_another_one_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let [path, pack, copy] = ["a", "a.pack", "copy"].map(|name| temp.path().join(name));
    let artifact = CompactArtifact::options().schema(by_year()).create(&path).unwrap();
    artifact.add(fine(1969)).unwrap();
    artifact.pack(&pack).unwrap();
    artifact.close().unwrap();
    let refused = |opened: Result<CompactArtifact>| opened.unwrap_err().kind();
    let other = || CompactArtifact::options().schema(Schema::new().field("year", FieldType::Number));
    assert_eq!(refused(other().open(&path)), ErrorKind::SettingsMismatch);
    assert_eq!(refused(other().open_read_only(&path)), ErrorKind::SettingsMismatch);
    let packed = CompactArtifact::options().schema(by_year()).open_read_only(&pack).unwrap();
    assert_eq!(packed.schema(), Some(by_year()));
    assert_eq!(packed.set_schema(None).unwrap_err().kind(), ErrorKind::ReadOnly);
    packed.unpack(&copy).unwrap();
    for path in [&path, &copy] {
        let artifact = CompactArtifact::open(path).unwrap();
        let wrong = artifact.add_text("without a year").unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::SchemaViolation);
        assert!(wrong.to_string().contains("\"year\" is missing"), "{wrong}");
        artifact.set_schema(None).unwrap();
        artifact.add_text("without a year").unwrap();
        artifact.close().unwrap();
    }
}

#[test]
fn an_artifact_opened_with_a_schema_that_its_records_break_does_not_open_and_one_whose_records_are_so_keeps_it()
 {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = CompactArtifact::create(&path).unwrap();
    artifact.add(fine(1969)).unwrap();
    artifact.add_text("no year").unwrap();
    artifact.close().unwrap();
    let with_schema = || CompactArtifact::options().schema(by_year());
    assert_eq!(with_schema().open_read_only(&path).unwrap_err().kind(), ErrorKind::SettingsMismatch);
    let refused = with_schema().open(&path).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SchemaViolation);
    assert!(
        refused.to_string().starts_with("record 1: metadata: the field \"year\" is missing"),
        "{refused}"
    );
    let artifact = CompactArtifact::open(&path).unwrap();
    assert_eq!(artifact.schema(), None);
    artifact.delete(RecordId(1)).unwrap();
    artifact.close().unwrap();
    let artifact = with_schema().open(&path).unwrap();
    drop(artifact);
    assert_eq!(CompactArtifact::open_read_only(&path).unwrap().schema(), Some(by_year()));
}

#[test]
fn opening_that_fails_because_of_records_changes_no_setting() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = CompactArtifact::create(&path).unwrap();
    artifact.add_text("no year").unwrap();
    artifact.close().unwrap();
    let space = SpaceOptions::new(2, Metric::Cosine);
    let options = CompactArtifact::options().field("abstract", 3).space("image", space).expires_at("until");
    assert!(options.schema(by_year()).open(&path).is_err());
    let artifact = CompactArtifact::open(&path).unwrap();
    assert_eq!(artifact.fields(), [("title".to_owned(), 2)]);
    assert!(artifact.spaces().is_empty());
    assert_eq!((artifact.expires_field(), artifact.schema()), (None, None));
}

#[test]
fn settings_that_opening_added_are_taken_back_until_something_is_committed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    CompactArtifact::create(&path).unwrap().close().unwrap();
    let space = SpaceOptions::new(2, Metric::Cosine);
    let options = CompactArtifact::options().field("abstract", 3).space("image", space).expires_at("until");
    let options = options.schema(by_year()).precompute_similar(3);
    for is_committed in [false, true] {
        let artifact = options.clone().open(&path).unwrap();
        artifact.add_field("other", 1).unwrap();
        if is_committed {
            artifact.add(fine(1969)).unwrap();
        }
        assert_eq!(artifact.revert_settings().is_err(), is_committed);
        artifact.close().unwrap();
        let artifact = CompactArtifact::open(&path).unwrap();
        assert_eq!(
            (artifact.fields().len(), artifact.spaces().len()),
            if is_committed { (3, 1) } else { (1, 0) }
        );
        let kept =
            (artifact.expires_field().is_some(), artifact.schema().is_some(), artifact.precomputed_similar());
        assert_eq!(kept, if is_committed { (true, true, 3) } else { (false, false, 0) });
    }
}

#[test]
fn a_space_that_was_there_keeps_its_vectors_and_gets_its_name_back_where_settings_are_taken_back() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let space = SpaceOptions::new(2, Metric::Cosine);
    let artifact = CompactArtifact::options().space("old", space).space("b", space).create(&path).unwrap();
    let id = artifact.add(Record::text("x").embedding("old", [1.0, 0.0])).unwrap();
    artifact.close().unwrap();
    let artifact = CompactArtifact::open(&path).unwrap();
    artifact.rename_space("old", "image").unwrap();
    artifact.rename_space("b", "old").unwrap();
    artifact.add_space("b", SpaceOptions::new(3, Metric::Cosine)).unwrap();
    artifact.revert_settings().unwrap();
    artifact.add_space("image", space).unwrap();
    artifact.revert_settings().unwrap();
    let check = |artifact: &CompactArtifact| {
        let names: Vec<String> =
            artifact.spaces().iter().map(|space| format!("{} {}", space.name(), space.dimension())).collect();
        assert_eq!(names, ["old 2", "b 2"]);
        assert_eq!(artifact.embedding(id, "old").unwrap(), Some(vec![1.0, 0.0]));
        assert_eq!(artifact.embedding(id, "b").unwrap(), None);
    };
    check(&artifact);
    artifact.close().unwrap();
    check(&CompactArtifact::open(&path).unwrap());
}

#[test]
fn what_cannot_be_taken_back_keeps_all_settings_as_they_are() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let space = SpaceOptions::new(2, Metric::Cosine);
    let other = SpaceOptions::new(3, Metric::Cosine);
    let drops = |artifact: &CompactArtifact| {
        artifact.drop_space("old").and_then(|()| artifact.add_space("old", other)).unwrap();
    };
    let reindexes = |artifact: &CompactArtifact| {
        artifact.set_text_options(TextOptions::new().no_language()).unwrap();
    };
    let changes: [&dyn Fn(&CompactArtifact); 2] = [&drops, &reindexes];
    CompactArtifact::options().space("old", space).create(&path).unwrap().close().unwrap();
    for change in changes {
        let artifact = CompactArtifact::options().field("more", 1).open(&path).unwrap();
        artifact.add_field("other", 1).unwrap();
        change(&artifact);
        let kept = || {
            let spaces: Vec<usize> = artifact.spaces().iter().map(Space::dimension).collect();
            (spaces, artifact.fields(), artifact.language())
        };
        let before = kept();
        assert_eq!(artifact.revert_settings().unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(kept(), before);
    }
}

#[test]
fn what_another_process_set_up_meanwhile_is_not_taken_back() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    CompactArtifact::create(&path).unwrap().close().unwrap();
    let patient = || {
        let patient = CompactArtifact::options().busy_timeout(std::time::Duration::from_mins(1));
        patient.idle_release(std::time::Duration::ZERO)
    };
    for is_seen_before in [false, true] {
        let here = patient().field("mine", 1).open(&path).unwrap();
        let there = std::thread::scope(|scope| {
            // Each sync is a moment in which it gives way.
            let there = scope.spawn(|| patient().open(&path).unwrap());
            while !there.is_finished() {
                here.sync().unwrap();
            }
            there.join().unwrap()
        });
        there.set_schema(by_year()).unwrap();
        let (name, schema) = (format!("theirs {is_seen_before}"), there.schema());
        there.add_space(&name, SpaceOptions::new(2, Metric::Cosine)).unwrap();
        there.close().unwrap();
        assert_eq!(is_seen_before && here.refresh().unwrap(), is_seen_before);
        assert_eq!(here.revert_settings().unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert!(here.spaces().iter().any(|space| space.name() == name));
        assert_eq!(here.schema(), schema);
        here.close().unwrap();
    }
}

#[test]
fn every_way_to_add_or_change_is_checked_and_a_batch_with_one_wrong_record_adds_none() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::options().schema(by_year()).create(temp.path().join("a")).unwrap();
    let violates = |result: Result<()>| {
        let e = result.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::SchemaViolation, "{e}");
        e.to_string()
    };
    violates(artifact.add_text("none").map(drop));
    violates(artifact.add_blob(b"none").map(drop));
    violates(artifact.add_reader(Record::blob([]), &b"none"[..]).map(drop));
    let second = artifact.add_batch([fine(1), Record::text("none"), fine(3)]);
    assert!(violates(second.map(drop)).starts_with("change 2 of the batch: "));
    violates(artifact.batch_writer(BatchOptions::new()).and_then(|writer| {
        writer.add(Record::text("none"))?;
        writer.finish().map(drop)
    }));
    assert_eq!(artifact.len(), 0);
    artifact.add_reader(Record::blob([]).metadata(json!({"year": 1})), &b"one"[..]).unwrap();
    let id = artifact.add(fine(2)).unwrap();
    let message = violates(artifact.update(id, json!({"year": "two"})).map(drop));
    assert!(message.contains(&format!("record {id}")) && message.contains("found string"), "{message}");
    violates(artifact.update_where(&Filter::field("year").gte(1), json!({"year": null})).map(drop));
    assert_eq!(artifact.count(&Filter::field("year").is_in([1, 2])).unwrap(), 2);
}

#[test]
fn a_schema_set_beside_writers_leaves_no_record_that_breaks_it() {
    let temp = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let artifact = CompactArtifact::create(temp.path().join(round.to_string())).unwrap();
        artifact.add_batch((0..200).map(fine)).unwrap();
        std::thread::scope(|scope| {
            let writer = artifact.clone();
            scope.spawn(move || {
                for i in 0..20 {
                    // Either it is refused, or the schema is.
                    drop(writer.add(if i == 10 { Record::text("none") } else { fine(i) }));
                    drop(
                        writer.update(
                            RecordId(5),
                            json!({ "year": if i == 12 { json!("x") } else { json!(i) } }),
                        ),
                    );
                }
            });
            let set = artifact.set_schema(by_year()).map_err(|e| e.kind());
            assert!(matches!(set, Ok(()) | Err(ErrorKind::SchemaViolation)), "{set:?}");
        });
        let wrong = artifact.records().filter(|entry| {
            let metadata = entry.as_ref().unwrap().metadata().unwrap();
            !metadata.get("year").is_some_and(Value::is_number)
        });
        assert!(artifact.schema().is_none() || wrong.count() == 0);
    }
}

#[test]
fn a_schema_that_cannot_be_is_refused() {
    for wrong in [
        json!([]),
        json!({"a": "text"}),
        json!({"a": {"required": true}}),
        json!({"a": {"type": "bool", "more": 1}}),
        json!({"": "bool"}),
    ] {
        assert_eq!(Schema::from_json(&wrong).unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong}");
    }
    let temp = tempfile::tempdir().unwrap();
    let long = Schema::new().field("x".repeat(2_000), FieldType::Bool);
    let refused = CompactArtifact::options().schema(long.clone()).create(temp.path().join("a")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    assert_eq!(artifact.set_schema(long).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn every_element_of_an_array_counts_also_one_that_is_an_array_or_an_object() {
    let schema = Schema::new().field("n", FieldType::Number).field("a.n", FieldType::Number);
    let check = |metadata: Value| schema.check_metadata(metadata.as_object().unwrap());
    for fine in [json!({"n": [1, null]}), json!({"a": [{"n": 1}, {"n": [2]}, 3, {"m": "x"}]})] {
        check(fine).unwrap();
    }
    for broken in [json!({"n": [1, [2]]}), json!({"n": [1, {"a": "x"}]}), json!({"a": [{"n": [1, [2]]}]})] {
        assert_eq!(check(broken).unwrap_err().kind(), ErrorKind::SchemaViolation);
    }
}

#[test]
fn an_array_without_values_is_as_good_as_no_field_to_a_schema_and_to_the_field_of_expiry() {
    let temp = tempfile::tempdir().unwrap();
    let schema = Schema::new().field("tags", FieldType::String).required("year", FieldType::Number);
    let options = CompactArtifact::options().schema(schema).expires_at("until");
    let artifact = options.create(temp.path().join("a")).unwrap();
    let add = |metadata: Value| artifact.add(Record::text("x").metadata(metadata)).map_err(|e| e.kind());
    for none in [json!(null), json!([]), json!([null])] {
        add(json!({"year": 1, "tags": none})).unwrap();
        add(json!({"year": 1, "until": none})).unwrap();
        assert_eq!(add(json!({"year": none})), Err(ErrorKind::SchemaViolation));
    }
    for wrong in [json!({}), json!({"a": []}), json!([[]]), json!([{}])] {
        assert_eq!(add(json!({"year": 1, "tags": wrong})), Err(ErrorKind::SchemaViolation));
        assert_eq!(add(json!({"year": 1, "until": wrong})), Err(ErrorKind::InvalidArgument));
    }
    assert_eq!(artifact.len(), 6);
}
