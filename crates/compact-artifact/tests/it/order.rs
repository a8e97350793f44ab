//! Hits in the order of fields, totals, facets, keys and values: what a scan of all records says.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use compact_artifact::{
    CompactArtifact, DateUnit, Entry, ErrorKind, Facet, Filter, Maintenance, Metric, Options, Order, Query,
    Record, RecordId, SpaceOptions,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Values of all types, alone and in arrays, and none, in sealed shards and a tail.
pub(crate) fn artifact(seed: u32, records: u32) -> (tempfile::TempDir, CompactArtifact) {
    let temp = tempfile::tempdir().unwrap();
    let options =
        Options::new().maintenance(Maintenance::Manual).space("v", SpaceOptions::new(2, Metric::L2));
    let artifact = options.create(temp.path().join("a")).unwrap();
    let long = "l".repeat(300);
    let record = |i: u32| {
        let n = (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 7) % 97;
        let any = match n % 11 {
            0 => json!(n),
            1 => json!(-f64::from(n) / 8.0),
            2 => json!(format!("s{n}")),
            3 => json!(n.is_multiple_of(2)),
            4 => json!([n, "s3", format!("t{n}")]),
            5 => json!(format!("20{:02}-0{}-11", n % 60, n % 9 + 1)),
            6 => json!([f64::from(n) + 0.5, i64::from(n) - 50]),
            7 => json!(u64::MAX - u64::from(n)),
            8 => json!([
                format!("20{:02}-03-01T0{}:30:00.25+02:00", n % 50, n % 10),
                format!("20{:02}-03-17", n % 50),
            ]),
            9 => json!(format!("{long}{}", n % 3)),
            _ => Value::Null,
        };
        let text = if n.is_multiple_of(3) { "a cat sleeps" } else { "the dog barks" };
        let record = Record::text(text).key(format!("k{:02}/{i}", n % 7));
        let record = record.metadata(json!({"any": any, "n": n % 10, "tags": ["t", format!("t{}", n % 4)]}));
        #[expect(clippy::cast_precision_loss, reason = "small")]
        if n.is_multiple_of(5) { record } else { record.embedding("v", [n as f32, i as f32]) }
    };
    let mut ids = Vec::new();
    for (from, to) in [(0, records / 3), (records / 3, records / 2), (records / 2, records)] {
        ids.extend(artifact.add_batch((from..to).map(record)).unwrap());
        if to < records {
            artifact.seal().unwrap();
        }
    }
    ids.iter().step_by(11).for_each(|id| assert!(artifact.delete(*id).unwrap()));
    for id in ids.iter().skip(1).step_by(11).step_by(3) {
        artifact.add_embedding(*id, "v", &[1.0, 2.0]).unwrap();
    }
    (temp, artifact)
}

/// A value as it is sorted: its type, then itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sorted {
    Bool(bool),
    Number(f64, i128),
    String(String),
    Date(jiff::Timestamp),
}

impl Sorted {
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            #[expect(clippy::cast_possible_truncation, reason = "whole numbers only")]
            Value::Number(number) => {
                let float = number.as_f64().unwrap();
                let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
                Self::Number(float, whole.unwrap_or(float as i128))
            }
            Value::String(string) => match date(string) {
                Some(date) => Self::Date(date),
                None => Self::String(string.clone()),
            },
            _ => return None,
        })
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Number(..) => 1,
            Self::String(_) => 2,
            Self::Date(_) => 3,
        }
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a, i), Self::Number(b, j)) => a.partial_cmp(b).unwrap().then(i.cmp(j)),
            (Self::String(a), Self::String(b)) => {
                a.as_bytes()[..a.len().min(256)].cmp(&b.as_bytes()[..b.len().min(256)])
            }
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

fn date(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

pub(crate) fn values_of(entry: &Entry, field: &str) -> Vec<Value> {
    match entry.metadata().unwrap().get(field) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
    }
}

/// What an entry is sorted by.
fn key(entry: &Entry, field: &str, order: Order) -> Option<Sorted> {
    let values = values_of(entry, field);
    let mut values: Vec<Sorted> = values.iter().filter_map(Sorted::of).collect();
    values.sort_by(Sorted::compare);
    if order == Order::Descending { values.pop() } else { values.into_iter().next() }
}

fn compare(a: &Entry, b: &Entry, by: &[(&str, Order)]) -> Ordering {
    for &(field, order) in by {
        let decided = match (key(a, field, order), key(b, field, order)) {
            (Some(a), Some(b)) if order == Order::Ascending => a.compare(&b),
            (Some(a), Some(b)) => b.compare(&a),
            (a, b) => a.is_none().cmp(&b.is_none()),
        };
        if decided.is_ne() {
            return decided;
        }
    }
    Ordering::Equal
}

fn entries(artifact: &CompactArtifact, matches: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    artifact.records().map(Result::unwrap).filter(matches).collect()
}

fn has(word: &str) -> impl Fn(&Entry) -> bool {
    move |entry| entry.text().unwrap().contains(word)
}

/// Whether hits are in the order of fields, each page a piece of the whole, and nothing is missing. Long strings are only compared so far.
fn check_order(artifact: &CompactArtifact, query: &Query, by: &[(&str, Order)], mut expected: Vec<Entry>) {
    let query = by.iter().fold(query.clone(), |query, &(field, order)| query.order_by(field, order));
    let found = artifact.search(&query.clone().k(1_000).fetch(true)).unwrap();
    assert!(found.is_complete);
    let hits: Vec<Entry> = found.hits.into_iter().map(|hit| hit.record.unwrap()).collect();
    for pair in hits.windows(2) {
        let ordering = compare(&pair[0], &pair[1], by);
        assert!(ordering.is_le(), "{:?} before {:?}", pair[0].metadata(), pair[1].metadata());
        let is_long = by.iter().any(|(field, _)| {
            values_of(&pair[0], field).iter().any(|v| v.as_str().is_some_and(|s| s.len() > 256))
        });
        assert!(
            ordering.is_lt() || pair[0].id() < pair[1].id() || is_long,
            "equals are not in the order of their ids"
        );
    }
    expected.sort_by(|a, b| compare(a, b, by));
    let ids = |entries: &[Entry]| entries.iter().map(Entry::id).collect::<BTreeSet<_>>();
    assert_eq!(ids(&hits), ids(&expected));
    for (offset, k) in [(0, 1), (0, 7), (5, 10), (40, 3)] {
        let page = artifact.search(&query.clone().offset(offset).k(k)).unwrap();
        let page: Vec<RecordId> = page.hits.iter().map(|hit| hit.id).collect();
        let of_all: Vec<RecordId> = hits.iter().skip(offset).take(k).map(Entry::id).collect();
        assert_eq!(page, of_all, "{offset} {k}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn hits_are_in_the_order_of_the_fields_asked_for(seed in 0u32..10_000) {
        let (_temp, artifact) = artifact(seed, 240);
        let filter = || Filter::field("n").lt(6);
        for _ in 0..2 {
            for order in [Order::Ascending, Order::Descending] {
                let by: [&[(&str, Order)]; 3] = [&[("any", order)], &[("n", order), ("any", Order::Descending)], &[("nothing", order)]];
                for by in by {
                    check_order(&artifact, &Query::new(), by, entries(&artifact, |_| true));
                    check_order(&artifact, &Query::words("cat"), by, entries(&artifact, has("cat")));
                    let of_filter = |entry: &Entry| has("dog")(entry) && entry.metadata().unwrap()["n"].as_u64().unwrap() < 6;
                    check_order(&artifact, &Query::words("dog").filter(filter()), by, entries(&artifact, of_filter));
                }
            }
            artifact.seal().unwrap();
            artifact.compact(64 << 20).unwrap();
        }
    }

    #[test]
    fn totals_and_facets_are_those_of_a_scan(seed in 0u32..10_000) {
        let (_temp, artifact) = artifact(seed, 240);
        for _ in 0..2 {
            check_counts(&artifact, &Query::new(), &entries(&artifact, |_| true));
            check_counts(&artifact, &Query::words("cat"), &entries(&artifact, has("cat")));
            check_counts(&artifact, &Query::parse("cat AND sleeps").unwrap(), &entries(&artifact, has("cat")));
            check_counts(&artifact, &Query::words("absent"), &[]);
            let with_vector = |entry: &Entry| artifact.embedding(entry.id(), "v").unwrap().is_some();
            check_counts(&artifact, &Query::vector("v", [3.0, 1.0]), &entries(&artifact, with_vector));
            let either = |entry: &Entry| with_vector(entry) || has("cat")(entry);
            check_counts(&artifact, &Query::words("cat").and_vector("v", [3.0, 1.0]), &entries(&artifact, either));
            artifact.seal().unwrap();
            artifact.compact(64 << 20).unwrap();
        }
    }
}

fn check_counts(artifact: &CompactArtifact, query: &Query, expected: &[Entry]) {
    let query = query
        .clone()
        .k(3)
        .total(true)
        .facet(Facet::values("any").limit(1_000))
        .facet(Facet::values("tags").limit(2));
    let query = query.facet(Facet::histogram("any", 2.5)).facet(Facet::dates("any", DateUnit::Month));
    let found = artifact.search(&query).unwrap();
    let total = found.total.unwrap();
    assert!(total.is_exact);
    assert_eq!(total.records, expected.len() as u64);

    let count = |of: &dyn Fn(&Value) -> Option<String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for entry in expected {
            let values: BTreeSet<String> = values_of(entry, "any").iter().filter_map(of).collect();
            for value in values {
                *counts.entry(value).or_default() += 1;
            }
        }
        counts
    };
    let text = |value: &Value| match value.as_f64().filter(|_| value.is_f64()) {
        Some(number) if number.fract() == 0.0 => format!("{number:.0}"),
        _ => value.to_string(),
    };
    let told = |at: usize| -> BTreeMap<String, u64> {
        let counts = &found.facets[at].counts;
        counts.iter().map(|counted| (text(&counted.value), counted.count)).collect()
    };
    assert_eq!(told(0), count(&|value| Some(text(value))));
    assert!(found.facets[0].counts.is_sorted_by(|a, b| a.count >= b.count));
    let with_field = expected.iter().filter(|entry| !values_of(entry, "any").is_empty()).count();
    assert_eq!(found.facets[0].records, with_field as u64);
    let mut least: Vec<Sorted> =
        expected.iter().flat_map(|e| values_of(e, "any")).filter_map(|v| Sorted::of(&v)).collect();
    least.sort_by(Sorted::compare);
    let bound = |value: &Option<Value>| value.as_ref().and_then(Sorted::of);
    assert_eq!(bound(&found.facets[0].min).as_ref().map(Sorted::rank), least.first().map(Sorted::rank));
    if let Some(Sorted::Number(..) | Sorted::Bool(_)) = least.first() {
        assert_eq!(bound(&found.facets[0].min).as_ref(), least.first());
    }
    assert!(found.facets[1].counts.len() <= 2 && found.facets[1].distinct <= 5);
    let beginning = |number: f64| text(&json!((number / 2.5).floor() * 2.5));
    let is_exact = |number: &f64| *number < 2f64.powi(53);
    let intervals = count(&|value| value.as_f64().filter(is_exact).map(beginning));
    let mut counted = told(2);
    counted.retain(|begin, _| begin.parse().is_ok_and(|begin| is_exact(&begin)));
    assert_eq!(counted, intervals);
    let months = count(&|value| date(value.as_str()?).map(|date| json!(date.to_string()[..7]).to_string()));
    assert_eq!(told(3), months);
    assert!(found.facets[3].counts.is_sorted_by(|a, b| a.value.as_str() < b.value.as_str()));
}

#[test]
fn keys_and_values_come_from_the_index_and_are_those_of_a_scan() {
    let (_temp, artifact) = artifact(7, 300);
    let all = entries(&artifact, |_| true);
    for prefix in ["", "k", "k03/", "k03/2", "no"] {
        let mut expected: Vec<(String, RecordId)> =
            all.iter().map(|entry| (entry.key().unwrap().unwrap(), entry.id())).collect();
        expected.retain(|(key, _)| key.starts_with(prefix));
        expected.sort();
        assert_eq!(artifact.keys(prefix).unwrap(), expected);
        let snapshot = artifact.snapshot();
        assert_eq!(snapshot.count_keys(prefix).unwrap(), expected.len() as u64);
        for after in ["", "k", "k03/2", "k03/20", "k03/2~", "z"] {
            for limit in [0, 1, 7, 1000] {
                let behind = expected.iter().filter(|(key, _)| key.as_str() > after).take(limit);
                let behind: Vec<_> = behind.cloned().collect();
                assert_eq!(
                    snapshot.keys_after(prefix, Some(after), limit).unwrap(),
                    behind,
                    "{after} {limit}"
                );
            }
        }
    }
    let filter = Filter::field("n").gte(3);
    let filtered: Vec<RecordId> =
        artifact.records_where(&filter).unwrap().map(|entry| entry.unwrap().id()).collect();
    let n = |entry: &Entry| entry.metadata().unwrap()["n"].as_u64().unwrap();
    assert_eq!(filtered, all.iter().filter(|entry| n(entry) >= 3).map(Entry::id).collect::<Vec<_>>());
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    all.iter().filter(|entry| n(entry) >= 3).for_each(|entry| *counts.entry(n(entry)).or_default() += 1);
    let values = artifact.values("n", Some(&filter)).unwrap();
    assert!(values.iter().map(|counted| (counted.value.as_u64().unwrap(), counted.count)).eq(counts));
    let long = artifact
        .values("any", None)
        .unwrap()
        .into_iter()
        .filter(|counted| counted.value.as_str().is_some_and(|s| s.len() > 256));
    assert!(
        long.count() > 1,
        "strings that differ behind their first 256 bytes are told apart, and returned whole"
    );
}

#[test]
fn near_a_vector_the_best_candidates_are_sorted() {
    let (_temp, artifact) = artifact(3, 240);
    for query in [Query::vector("v", [20.0, 100.0]), Query::words("cat").and_vector("v", [20.0, 100.0])] {
        let best = artifact.search(&query.clone().k(100)).unwrap();
        let sorted =
            artifact.search(&query.clone().k(100).order_by("n", Order::Descending).fetch(true)).unwrap();
        let ids = |hits: &[compact_artifact::Hit]| hits.iter().map(|hit| hit.id).collect::<BTreeSet<_>>();
        assert_eq!(ids(&best.hits), ids(&sorted.hits));
        let n = |hit: &compact_artifact::Hit| hit.record.as_ref().unwrap().metadata().unwrap()["n"].as_u64();
        assert!(sorted.hits.is_sorted_by(|a, b| n(a) >= n(b)));
        let page = artifact.search(&query.clone().k(5).offset(20).order_by("n", Order::Descending)).unwrap();
        assert!(page.hits.iter().map(|hit| hit.id).eq(sorted.hits[20..25].iter().map(|hit| hit.id)));
        let e = artifact.search(&query.order_by("n", Order::Ascending).offset(95)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        assert!(e.to_string().contains("candidates"), "{e}");
    }
}

#[test]
fn columns_are_counted_and_let_go_of() {
    let (_temp, artifact) = artifact(3, 240);
    let query = Query::new().order_by("any", Order::Ascending);
    let first = artifact.search(&query).unwrap();
    assert!(artifact.memory_stats().column_bytes >= 4 * artifact.len());
    artifact.release_memory();
    assert_eq!(artifact.memory_stats().column_bytes, 0);
    let again = artifact.search(&query).unwrap();
    assert!(again.hits.iter().map(|hit| hit.id).eq(first.hits.iter().map(|hit| hit.id)));
    for i in 0..100 {
        artifact.search(&Query::new().order_by(format!("field{i}"), Order::Ascending)).unwrap();
    }
    assert!(artifact.memory_stats().column_bytes <= 100 * 8 * 300);
}

#[test]
fn what_cannot_be_counted_or_sorted_is_refused() {
    let (_temp, artifact) = artifact(3, 30);
    let refused = [
        (Query::new().facet(Facet::histogram("n", 0.0)), "wide"),
        (Query::new().facet(Facet::histogram("n", f64::NAN)), "wide"),
        (Query::words("cat").order_by("n", Order::Ascending).min_score(1.0), "min_score"),
        (Query::words("cat").order_by("n", Order::Ascending).candidates(50), "candidates"),
    ];
    for (query, says) in refused {
        let e = artifact.search(&query).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        assert!(e.to_string().contains(says), "{e}");
    }
    let nothing = artifact
        .search(&Query::new().facet(Facet::values("")).facet(Facet::values("x".repeat(5_000))))
        .unwrap();
    assert!(nothing.facets.iter().all(|facet| facet.counts.is_empty() && facet.min.is_none()));
}

#[test]
fn a_histogram_counts_every_number_or_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    for n in [-1.7e308, -1.0, 0.0, 1e308] {
        artifact.add(Record::text("x").metadata(json!({ "n": n }))).unwrap();
    }
    for (width, distinct) in [(1e-320, None), (1e-300, None), (1.0, Some(4)), (1e300, Some(4)), (1e308, None)]
    {
        let found = artifact.search(&Query::new().facet(Facet::histogram("n", width)));
        match distinct {
            Some(distinct) => {
                let facet = &found.unwrap().facets[0];
                assert_eq!((facet.distinct, facet.counts.len()), (distinct, 4), "{width:e}");
                assert_eq!(facet.counts.iter().map(|count| count.count).sum::<u64>(), 4);
            }
            None => assert_eq!(found.unwrap_err().kind(), ErrorKind::InvalidArgument, "{width:e}"),
        }
    }
}

/// The intervals or periods of one facet over all records: where they begin, and their counts.
fn facet(artifact: &CompactArtifact, facet: Facet) -> Vec<(Value, u64)> {
    let found = artifact.search(&Query::new().facet(facet)).unwrap();
    found.facets[0].counts.iter().map(|counted| (counted.value.clone(), counted.count)).collect()
}

#[test]
fn a_record_counts_once_in_an_interval_that_several_of_its_values_are_in() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let of_each = [
        json!({"n": [1, 2, 3, 12, 13.5, "x"], "d": ["2026-01-01", "2026-01-02", "2026-03-01T10:00:00Z"]}),
        json!({"n": 4, "d": "2026-01-03"}),
        json!({"n": [5, 25, 26], "d": ["2026-02-03", "2026-02-04"]}),
    ];
    for metadata in of_each {
        artifact.add(Record::text("x").metadata(metadata)).unwrap();
        artifact.seal().unwrap();
    }
    for _ in 0..2 {
        let numbers = facet(&artifact, Facet::histogram("n", 10.0));
        assert_eq!(numbers, [(json!(0), 3), (json!(10), 1), (json!(20), 1)]);
        let months = facet(&artifact, Facet::dates("d", DateUnit::Month));
        assert_eq!(months, [(json!("2026-01"), 2), (json!("2026-02"), 1), (json!("2026-03"), 1)]);
        artifact.compact(usize::MAX).unwrap();
    }
}

#[test]
fn every_number_lies_in_its_interval_and_is_found_from_where_that_begins() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let large = 9_007_199_254_740_992_u64; // 2^53
    let numbers = [
        json!(1.7),
        json!(0.3),
        json!(-0.3),
        json!(2.5),
        json!(large),
        json!(large + 1),
        json!(large + 3),
        json!(u64::MAX),
        json!(i64::MIN + 1),
        json!(1e25),
    ];
    for n in numbers {
        artifact.add(Record::text("x").metadata(json!({ "n": n }))).unwrap();
    }
    let tenths = facet(&artifact, Facet::histogram("n", 0.1));
    assert!(tenths.contains(&(json!(1.7), 1)) && tenths.contains(&(json!(0.3), 1)), "{tenths:?}");
    let ones = facet(&artifact, Facet::histogram("n", 1.0));
    for begin in [large, large + 1, large + 3, u64::MAX] {
        assert!(ones.contains(&(json!(begin), 1)), "{ones:?}");
    }
    assert!(ones.contains(&(json!(i64::MIN + 1), 1)), "{ones:?}");
    for width in [0.1, 0.7, 1.0, 3.0, 1e10] {
        let mut before = 0;
        for (begin, count) in facet(&artifact, Facet::histogram("n", width)) {
            let less = Filter::from_json(&json!({"n": {"$lt": begin}})).unwrap();
            let behind = artifact.count(&less).unwrap();
            assert_eq!(behind, before, "{width}: what is less than {begin} is in the intervals before");
            before += count;
        }
        assert_eq!(before, 10);
    }
}
