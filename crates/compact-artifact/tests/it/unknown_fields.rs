//! Fields of the metadata that no record has: named, and refused where that is asked for.

use compact_artifact::*;
use serde_json::json;

fn filled() -> (tempfile::TempDir, CompactArtifact) {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let record = |i: i64| {
        let metadata = json!({"year": 1900 + i, "author": {"name": "Ada"}, "tags": ["x"], "open": {}});
        Record::text(format!("text {i}")).metadata(metadata).key(i.to_string())
    };
    artifact.add_batch((0..50).map(record)).unwrap();
    artifact.add(Record::text("old").key("old").metadata(json!({"aged": 1, "none": null}))).unwrap();
    artifact.seal().unwrap();
    artifact.add(record(50)).unwrap();
    artifact.delete_key("old").unwrap();
    (temp, artifact)
}

fn unknown(artifact: &CompactArtifact, query: Query) -> Vec<(String, Option<String>)> {
    let explain = artifact.search(&query.explain(true)).unwrap().explain.unwrap();
    explain.unknown_fields.iter().map(|field| (field.field.clone(), field.nearest.clone())).collect()
}

#[test]
fn an_account_names_the_fields_that_no_record_has_and_the_nearest_that_one_has() {
    let (_temp, artifact) = filled();
    let filter = |text: &str| Query::words("text").filter(text.parse().unwrap());
    for (filter_text, expected) in [
        (r#"{"year": 1901}"#, vec![]),
        (r#"{"author": {"$exists": true}}"#, vec![]),
        (r#"{"author.name": "Ada", "open": {"$exists": false}}"#, vec![]),
        (r#"{"yaer": 1901}"#, vec![("yaer", Some("year"))]),
        (
            r#"{"$or": [{"tag": "x"}, {"$not": {"autor.name": {"$prefix": "A"}}}]}"#,
            vec![("autor.name", Some("author.name")), ("tag", Some("tags"))],
        ),
        // Deleted records have no fields, and what is null is none.
        (r#"{"aged": 1}"#, vec![("aged", None)]),
        (r#"{"none": {"$exists": false}}"#, vec![("none", None)]),
        (r#"{"publisher": "x"}"#, vec![("publisher", None)]),
    ] {
        let expected: Vec<_> =
            expected.into_iter().map(|(f, n)| (f.to_owned(), n.map(str::to_owned))).collect();
        assert_eq!(unknown(&artifact, filter(filter_text)), expected, "{filter_text}");
        let strict = artifact.search(&filter(filter_text).strict_fields(true)).map_err(|e| e.kind());
        assert_eq!(strict.is_ok(), expected.is_empty(), "{filter_text}");
    }
    let sorted =
        Query::words("text").order_by("yeer", Order::Ascending).facet(Facet::values("tagz")).fields(["x.y"]);
    assert_eq!(
        unknown(&artifact, sorted.clone()).into_iter().map(|(field, _)| field).collect::<Vec<_>>(),
        ["tagz", "x.y", "yeer"]
    );
    let refused = artifact.search(&sorted.strict_fields(true)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoSuchField);
    assert_eq!(refused.to_string(), "no record has the field \"tagz\"; near it is \"tags\"");
}

#[test]
fn a_strict_filter_is_refused_by_every_call_that_takes_one_and_nothing_is_changed() {
    let (temp, artifact) = filled();
    let slip = || Filter::field("yaer").gte(1900);
    let strict = slip().strict();
    let refused = |e: Error| {
        assert_eq!(e.kind(), ErrorKind::NoSuchField);
        assert_eq!(e.to_string().split("; ").last(), Some("near it is \"year\""), "{e}");
    };
    refused(artifact.count(&strict).unwrap_err());
    refused(artifact.ids_where(&strict).unwrap_err());
    refused(artifact.records_where(&strict).map(drop).unwrap_err());
    refused(artifact.values("year", Some(&strict)).unwrap_err());
    refused(artifact.search(&Query::new().filter(strict.clone())).map(drop).unwrap_err());
    refused(artifact.delete_where(&strict).unwrap_err());
    refused(artifact.update_where(&strict, json!({"seen": true})).unwrap_err());
    refused(artifact.delete_where(&(!strict.clone())).unwrap_err());
    let with_others =
        Batch::new().delete_key("1").delete_where(Filter::field("year").eq(1902).and(strict.clone()));
    refused(artifact.write(with_others).unwrap_err());
    assert_eq!(artifact.len(), 51);
    // Without, it is an empty answer; and what is known is no error.
    assert_eq!(artifact.delete_where(&slip()).unwrap(), 0);
    assert_eq!(artifact.count(&Filter::field("year").gte(1900).strict()).unwrap(), 51);
    // The same as text, which is kept.
    let text: Filter = r#"{"$strict": {"yaer": {"$gte": 1900}}}"#.parse().unwrap();
    assert_eq!(text, strict);
    assert_eq!(Filter::from_json(&text.to_json().unwrap()).unwrap(), strict);
    let reader = CompactArtifact::open_read_only(temp.path().join("a")).unwrap();
    refused(reader.count(&text).unwrap_err());
    artifact.update_where(&Filter::field("year").eq(1901).strict(), json!({"yaer": 1901})).unwrap();
    assert_eq!(artifact.count(&strict).unwrap(), 1);
}
