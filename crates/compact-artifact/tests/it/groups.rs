//! At most so many hits of each value of a field, values of hits from columns, totals: what a loop over the whole ranking says.

use std::cmp::Ordering;

use compact_artifact::{
    CompactArtifact, Entry, ErrorKind, Facet, Filter, Hit, Options, Order, Query, Record, RecordId, Total,
};
use serde_json::{Value, json};

use crate::order::{Sorted, artifact, values_of};
use crate::toy::Toy;

const FIELDS: [&str; 4] = ["any", "n", "tags", "nobody has it"];

fn queries() -> Vec<Query> {
    vec![
        Query::new(),
        Query::new().filter(Filter::field("n").gte(3)),
        Query::words("cat"),
        Query::words("cat").filter(Filter::field("n").lt(7)),
        Query::vector("v", [20.0, 100.0]),
        Query::vector("v", [20.0, 100.0]).exact(true),
        Query::similar_to("v", RecordId(9)),
        Query::words("dog").and_vector("v", [20.0, 100.0]),
        Query::words("cat dog").order_by("n", Order::Descending),
    ]
}

/// A date counts by its time, and everything else by itself.
fn group_of(entry: &Entry, field: &str) -> Option<String> {
    let mut values = values_of(entry, field);
    let by_value = |a: &Value, b: &Value| match (Sorted::of(a), Sorted::of(b)) {
        (Some(a), Some(b)) => a.compare(&b),
        _ => Ordering::Equal,
    };
    values.sort_by(by_value);
    let value = values.first()?;
    Some(match (Sorted::of(value), value.as_f64()) {
        (Some(Sorted::Date(time)), _) => time.to_string(),
        (_, Some(number)) if number.abs() < 1e9 => number.to_string(),
        _ => value.to_string(),
    })
}

/// The ranking without groups, and of it what a loop leaves.
fn by_hand(artifact: &CompactArtifact, query: &Query, field: &str, most: usize) -> Vec<RecordId> {
    let ranking = artifact.search(&query.clone().k(10_000).fetch(true)).unwrap().hits;
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    let mut keep = |hit: &Hit| match group_of(hit.record.as_ref().unwrap(), field) {
        None => true,
        Some(group) => {
            let count = counts.entry(group).or_default();
            *count += 1;
            *count <= most
        }
    };
    ranking.iter().filter(|hit| keep(hit)).map(|hit| hit.id).collect()
}

#[test]
fn groups_are_what_a_loop_over_the_ranking_leaves_page_after_page() {
    let (_temp, artifact) = artifact(5, 300);
    for query in queries() {
        for field in FIELDS {
            for most in [1, 3] {
                let expected = by_hand(&artifact, &query, field, most);
                let grouped = query.clone().group_by(field, most).k(20);
                let whole = artifact.search(&grouped.clone().k(10_000)).unwrap();
                assert!(whole.is_complete);
                let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.id).collect::<Vec<_>>();
                assert_eq!(ids(&whole.hits), expected, "{grouped:?}");
                let mut pages = Vec::new();
                while pages.len() < expected.len() {
                    let page = artifact.search(&grouped.clone().offset(pages.len())).unwrap();
                    assert!(!page.hits.is_empty());
                    pages.extend(ids(&page.hits));
                }
                assert_eq!(pages, expected);
            }
        }
    }
}

#[test]
fn groups_leave_totals_and_facets_as_they_are() {
    let (_temp, artifact) = artifact(5, 200);
    for query in queries() {
        let counted = query.clone().total(true).facet(Facet::values("n").limit(100));
        let plain = artifact.search(&counted).unwrap();
        let grouped = artifact.search(&counted.group_by("n", 1)).unwrap();
        assert_eq!(grouped.total, plain.total);
        assert_eq!(grouped.facets, plain.facets);
        assert_eq!(grouped.hits.len() as u64, plain.facets[0].distinct, "one of each");
    }
    let e = artifact.search(&Query::words("cat").group_by("n", 0)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn values_of_hits_are_those_of_their_records() {
    let (_temp, artifact) = artifact(7, 300);
    let same = |a: &Value, b: &Value| match (Sorted::of(a), Sorted::of(b)) {
        (Some(Sorted::Date(_)), _) => a == b, // as it was written
        (a, b) => a == b,
    };
    let mut long = 0;
    for query in queries() {
        let found = artifact.search(&query.k(10_000).fields(FIELDS).fetch(true)).unwrap();
        assert!(found.losses.is_empty());
        for hit in &found.hits {
            for field in FIELDS {
                let mut expected = values_of(hit.record.as_ref().unwrap(), field);
                expected.sort_by(|a, b| Sorted::of(a).unwrap().compare(&Sorted::of(b).unwrap()));
                expected.dedup();
                let values = match hit.field(field) {
                    None => Vec::new(),
                    Some(Value::Array(values)) => values.clone(),
                    Some(value) => vec![value.clone()],
                };
                let is_same =
                    expected.len() == values.len() && expected.iter().zip(&values).all(|(a, b)| same(a, b));
                assert!(is_same, "{field}: {expected:?} {values:?}");
                long += usize::from(values.iter().any(|value| value.as_str().is_some_and(|s| s.len() > 256)));
            }
        }
        assert!(found.hits.iter().all(|hit| hit.fields.keys().all(|name| FIELDS.contains(&name.as_str()))));
    }
    assert!(long > 0, "long strings come whole");
}

#[test]
fn values_of_hits_need_no_record() {
    let (_temp, artifact) = artifact(8, 300);
    let query = Query::words("cat").fields(["n", "tags"]).k(100);
    artifact.search(&query).unwrap();
    let before = artifact.memory_stats();
    let found = artifact.search(&query.explain(true)).unwrap();
    let after = artifact.memory_stats();
    assert!(found.hits.len() > 20 && found.hits.iter().all(|hit| hit.field("n").is_some()));
    let blocks = |stats: &compact_artifact::MemoryStats| stats.block_cache_hits + stats.block_cache_misses;
    assert_eq!(blocks(&after), blocks(&before), "no block was looked at");
}

#[test]
fn a_total_counts_what_can_be_among_the_hits_and_nothing_else() {
    let (_temp, artifact) = artifact(9, 200);
    for query in queries() {
        let found = artifact.search(&query.clone().k(10_000).total(true)).unwrap();
        let total = found.total.unwrap();
        assert!(total.is_exact);
        assert_eq!(total.records, found.hits.len() as u64, "{query:?}");
        assert_eq!(artifact.search(&query.k(1).total(true)).unwrap().total, Some(total), "whatever k is");
    }
    let temp = tempfile::tempdir().unwrap();
    let artifact = Options::new().embedder(Toy::new("toy")).create(temp.path().join("a")).unwrap();
    artifact.add_batch(["a cat", "a king", "nothing known"].map(Record::text)).unwrap();
    let total = |query: Query| -> Total { artifact.search(&query.total(true)).unwrap().total.unwrap() };
    assert_eq!(total(Query::meaning("feline")).records, 2);
    assert_eq!(total(Query::meaning("unheard")).records, 0, "near to none");
    assert_eq!(total(Query::text("nothing")).records, 1, "by words alone");
    let late = Query::words("king").deadline(std::time::Duration::ZERO).total(true);
    assert!(!artifact.search(&late).unwrap().total.unwrap().is_exact, "at least");
    assert_eq!(json!(total(Query::new())), json!({"records": 3, "is_exact": true}));
}

#[test]
fn of_several_dates_the_earliest_is_the_group_however_they_are_written() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    // The text of the first is the least, and its time is the latest.
    let late = "2026-01-01T00:00:00-12:00";
    for at in [json!([late, "2026-01-01T01:00:00Z"]), json!("2026-01-01T01:00:00+00:00"), json!(late)] {
        artifact.add(Record::text("x").metadata(json!({ "at": at }))).unwrap();
        artifact.seal().unwrap();
    }
    for _ in 0..2 {
        let found =
            artifact.search(&Query::new().order_by("at", Order::Ascending).group_by("at", 1)).unwrap();
        assert_eq!(found.hits.iter().map(|hit| hit.id.0).collect::<Vec<_>>(), [0, 2]);
        artifact.compact(usize::MAX).unwrap();
    }
}
