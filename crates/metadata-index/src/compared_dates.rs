//! Strings that are compared with dates.

use serde_json::json;

use crate::tests::{built, count, rows_of};
use crate::{Error, ErrorKind, Filter, FilterValue, Index, ResolvedFilter};

#[test]
fn a_string_that_is_a_date_equals_the_same_moment_in_every_form() {
    let rows = [
        json!({"at": "2026-04-12T08:30:00+02:00"}),
        json!({"at": ["later", "2026-04-12T06:30:00.0Z"]}),
        json!({"at": "2026-04-12T06:30:01Z"}),
        json!({"title": "2026-04-12T06:30:00Z"}),
    ];
    let index = Index::open(built(&rows), count(&rows)).unwrap();
    let found = |filter: &str| {
        let filter = filter.replace('X', "\"2026-04-12T06:30:00Z\"");
        let filter =
            ResolvedFilter::new(&filter.parse().unwrap(), |field| index.types(field, |_| true)).unwrap();
        rows_of(&index, &filter, &rows)
    };
    for (filter, rows) in [
        (r#"{"at": X}"#, &[0, 1][..]),
        (r#"{"at": {"$in": ["later still", X]}}"#, &[0, 1]),
        (r#"{"at": {"$contains": X}}"#, &[1]),
        (r#"{"at": {"$ne": X}}"#, &[2, 3]),
        (r#"{"at": {"$nin": ["later still", X]}}"#, &[2, 3]),
        (r#"{"at": {"$date": X}}"#, &[0, 1]),
        (r#"{"title": "2026-04-12T08:30:00+02:00"}"#, &[3]),
        (r#"{"at": "later"}"#, &[1]),
    ] {
        assert_eq!(found(filter), rows, "{filter}");
    }
}

#[test]
fn a_plain_string_is_compared_with_dates_as_a_date_or_says_so() {
    let rows = [
        json!({"at": "2026-04-12T08:30:00+02:00", "title": "Emma", "mixed": "2026-04-12"}),
        json!({"at": "2026-04-12T07:30:00Z", "title": "Persuasion", "mixed": "unknown"}),
        json!({"at": "2026-04-12T07:00:00.0Z"}),
    ];
    let index = Index::open(built(&rows), count(&rows)).unwrap();
    let found = |filter: Filter| {
        let filter = ResolvedFilter::new(&filter, |field| index.types(field, |_| true))?;
        Ok::<_, Error>(rows_of(&index, &filter, &rows))
    };
    let seven = "2026-04-12T07:00:00Z";
    assert_eq!(found(Filter::field("at").gt(seven)).unwrap(), [1]);
    assert_eq!(found(Filter::field("at").lte(seven)).unwrap(), [0, 2]);
    assert_eq!(found(Filter::field("at").gte("2026-04-12")).unwrap(), [0, 1, 2]);
    assert_eq!(found(Filter::field("at").eq(FilterValue::datetime(seven).unwrap())).unwrap(), [2]);
    assert_eq!(found(Filter::field("title").lt("F")).unwrap(), [0]);
    assert_eq!(found(Filter::field("title").gt("2026-04-12")).unwrap(), [0, 1], "there are no dates");
    assert_eq!(found(Filter::field("mixed").gt("2026-04")).unwrap(), [0, 1]);
    assert_eq!(found(Filter::field("mixed").gt(FilterValue::datetime("2025-01-01").unwrap())).unwrap(), [0]);
    for (filter, part) in [
        (Filter::field("at").gt("2026"), "{\"$date\": \"2026-01-31T12:00:00Z\"}"),
        (Filter::field("mixed").gt(seven), "{\"$date\": \"2026-04-12T07:00:00Z\"}"),
        (
            Filter::field("title").gt(FilterValue::datetime(seven).unwrap()),
            "string, and is compared with date",
        ),
    ] {
        let e = found(filter).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::TypeMismatch);
        assert!(e.to_string().contains(part), "{e}");
    }
}
