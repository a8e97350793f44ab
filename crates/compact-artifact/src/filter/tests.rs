//! Filters against an oracle that looks at the JSON itself.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::value::{Scalar, moment};
use super::*;

/// What a filter says of metadata, by the definition.
fn lets_through(filter: &Filter, metadata: &Json) -> bool {
    match &filter.0 {
        Node::And(filters) => filters.iter().all(|filter| lets_through(filter, metadata)),
        Node::Or(filters) => filters.iter().any(|filter| lets_through(filter, metadata)),
        Node::Not(filter) => !lets_through(filter, metadata),
        Node::Leaf(path, test) => {
            let mut found = Vec::new();
            reach(metadata, "", path, &mut found);
            found.iter().any(|(value, is_element)| passes(test, value, *is_element))
        }
    }
}

/// Values at a path, and whether each is an element of an array. Arrays and objects stand for themselves as well.
fn reach<'a>(json: &'a Json, at: &str, path: &str, found: &mut Vec<(&'a Json, bool)>) {
    let Json::Object(map) = json else { return };
    for (name, value) in map {
        let here = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        if here == path {
            found.push((value, false));
            if let Json::Array(elements) = value {
                found.extend(elements.iter().map(|element| (element, true)));
            }
        }
        reach(value, &here, path, found);
        if let Json::Array(elements) = value {
            for element in elements {
                reach(element, &here, path, found);
            }
        }
    }
}

fn compare(a: &Json, b: &Value) -> Option<std::cmp::Ordering> {
    match (Value::of_json(a)?.0, &b.0) {
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Scalar::String(a), Scalar::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Scalar::String(a), Scalar::DateTime(b)) => Some(moment(&a)?.cmp(b)),
        (Scalar::Int(a), Scalar::Int(b)) => Some(a.cmp(b)),
        (Scalar::Float(a), Scalar::Float(b)) => a.partial_cmp(b),
        (Scalar::Int(a), Scalar::Float(b)) => Some(of_int_and_float(a, *b)),
        (Scalar::Float(a), Scalar::Int(b)) => Some(of_int_and_float(*b, a).reverse()),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "floats of tests are small, or far away")]
fn of_int_and_float(int: i128, float: f64) -> std::cmp::Ordering {
    if float.abs() > 1e25 {
        return 0.0.partial_cmp(&float).unwrap();
    }
    int.cmp(&(float.floor() as i128)).then(if float.fract() == 0.0 {
        std::cmp::Ordering::Equal
    } else {
        std::cmp::Ordering::Less
    })
}

fn passes(test: &Test, value: &Json, is_element: bool) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = |with: &Value| compare(value, with);
    match test {
        Test::Exists => !is_element && !value.is_null(),
        Test::Eq(with) => order(with) == Some(Equal),
        Test::In(with) => with.iter().any(|with| order(with) == Some(Equal)),
        Test::Contains(with) => is_element && order(with) == Some(Equal),
        Test::Range(Bound::Lt, with) => order(with) == Some(Less),
        Test::Range(Bound::Lte, with) => matches!(order(with), Some(Less | Equal)),
        Test::Range(Bound::Gt, with) => order(with) == Some(Greater),
        Test::Range(Bound::Gte, with) => matches!(order(with), Some(Greater | Equal)),
        Test::Prefix(prefix) => value.as_str().is_some_and(|value| value.starts_with(prefix)),
    }
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<bool>().prop_map(Json::from),
        (-3i64..4).prop_map(Json::from),
        prop::sample::select(vec![i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1])
            .prop_map(Json::from),
        prop::sample::select(vec![u64::MAX, u64::MAX - 1]).prop_map(Json::from),
        prop::sample::select(vec![0.0, -0.0, 0.5, -2.5, 3.0, 9_007_199_254_740_992.0, 1e300, -1e300, 1e-300])
            .prop_map(Json::from),
        prop::sample::select(vec![
            "",
            "a",
            "ab",
            "abc",
            "b",
            "\u{0}",
            "ä",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+02:00"
        ])
        .prop_map(Json::from),
    ]
}

fn metadata() -> impl Strategy<Value = Json> {
    let value = prop_oneof![
        6 => scalar(),
        1 => Just(Json::Null),
        2 => prop::collection::vec(scalar(), 0..4).prop_map(Json::from),
        1 => prop::collection::vec(scalar().prop_map(|value| json!({"n": value})), 0..3).prop_map(Json::from),
        1 => scalar().prop_map(|value| json!({"n": value, "deep": {"n": 1}})),
    ];
    let field = prop::sample::select(vec!["a", "b", "a.b", "n", ""]);
    prop::collection::btree_map(field, value, 0..4)
        .prop_map(|map| Json::Object(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

fn filter() -> impl Strategy<Value = Filter> {
    let value = || {
        prop_oneof![
            6 => scalar().prop_map(|json| Value::of_json(&json).unwrap()),
            1 => Just(Value::datetime("2025-12-31T23:00:00Z").unwrap()),
        ]
    };
    let ordered = move || value().prop_filter("bools have no order", |value| value.kind() != Type::Bool);
    let test = prop_oneof![
        Just(Test::Exists),
        value().prop_map(Test::Eq),
        prop::collection::vec(value(), 0..4).prop_map(Test::In),
        value().prop_map(Test::Contains),
        (prop::sample::select(vec![Bound::Lt, Bound::Lte, Bound::Gt, Bound::Gte]), ordered())
            .prop_map(|(bound, value)| Test::Range(bound, value)),
        prop::sample::select(vec!["", "a", "ab", "2026"]).prop_map(|prefix| Test::Prefix(prefix.to_owned())),
    ];
    let field = prop::sample::select(vec!["a", "b", "a.b", "a.n", "b.n", "a.deep.n", "none"]);
    let leaf = (field, test).prop_map(|(field, test)| Filter::field(field).with(test));
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::all),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::any),
            inner.prop_map(|filter| !filter),
        ]
    })
}

fn built(rows: &[Json]) -> Vec<u8> {
    let mut builder = FilterBuilder::new();
    for (row, metadata) in (0..).zip(rows) {
        builder.add(row, metadata.as_object().unwrap()).unwrap();
    }
    let mut bytes = Vec::new();
    builder.write(&mut bytes).unwrap();
    bytes
}

fn count(rows: &[Json]) -> u32 {
    u32::try_from(rows.len()).unwrap()
}

fn expected(filter: &Filter, rows: &[Json]) -> Vec<u32> {
    (0..).zip(rows).filter(|(_, metadata)| lets_through(filter, metadata)).map(|(row, _)| row).collect()
}

proptest! {
    #[test]
    fn the_index_lets_through_what_the_definition_does(rows in prop::collection::vec(metadata(), 0..60), filters in prop::collection::vec(filter(), 1..12)) {
        let index = FilterIndex::open(built(&rows)).unwrap();
        index.verify(count(&rows)).unwrap();
        for filter in filters {
            let found = index.evaluate(&filter, count(&rows)).unwrap();
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected(&filter, &rows), "{:?}", filter);
        }
    }

    #[test]
    fn a_merge_is_what_building_from_the_rest_gives(rows in prop::collection::vec((metadata(), any::<bool>()), 0..80), cut in 0usize..80) {
        let (first, second) = rows.split_at(cut.min(rows.len()));
        let parts = [first, second].map(|part| {
            FilterIndex::open(built(&part.iter().map(|(metadata, _)| metadata.clone()).collect::<Vec<_>>())).unwrap()
        });
        let mut next = 0;
        let maps: Vec<Vec<Option<u32>>> = [first, second].iter().map(|part| part.iter().map(|(_, kept)| kept.then(|| { next += 1; next - 1 })).collect()).collect();
        let [of_first, of_second] = [0, 1].map(|part: usize| { let maps = &maps; move |row: u32| maps[part][row as usize] });
        let mut merged = Vec::new();
        merge(&[(&parts[0], &of_first as &dyn Fn(u32) -> Option<u32>), (&parts[1], &of_second)], &mut merged).unwrap();
        let rest: Vec<Json> = rows.iter().filter(|(_, kept)| *kept).map(|(metadata, _)| metadata.clone()).collect();
        prop_assert_eq!(merged, built(&rest));
    }

    #[test]
    fn a_filter_is_the_same_after_it_was_json(filter in filter()) {
        prop_assert_eq!(Filter::from_json(&filter.to_json()).map(|read| read.to_json()).unwrap(), filter.to_json());
        let text = serde_json::to_string(&filter).unwrap();
        let read: Filter = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.to_json(), filter.to_json());
    }

    #[test]
    fn hostile_bytes_are_errors_or_bounded_answers(rows in prop::collection::vec(metadata(), 1..40), flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4), filter in filter()) {
        let mut bytes = built(&rows);
        for (at, by) in &flips {
            let at = at.index(bytes.len());
            bytes[at] ^= by;
        }
        if let Ok(index) = FilterIndex::open(&bytes) {
            prop_assert!(index.verify(count(&rows)).is_err(), "a flipped byte is noticed");
            let found = index.evaluate(&filter, count(&rows));
            prop_assert!(found.is_err() || found.unwrap().max().is_none_or(|row| row < count(&rows)));
            drop(index.types("a"));
            let all = |row: u32| Some(row);
            drop(merge(&[(&index, &all as &dyn Fn(u32) -> Option<u32>)], Vec::new()));
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = built(&[json!({"a": [1, 2, "x"]}), json!({"a": "y", "b": {"c": true}})]);
    for len in 0..bytes.len() {
        assert!(FilterIndex::open(&bytes[..len]).is_err(), "{len}");
    }
}

#[test]
fn what_makes_no_sense_is_an_error_that_says_where() {
    for (text, part) in [
        (r#"{"year": {"$gte": true}}"#, "no order"),
        (r#"{"year": {"$regex": "x"}}"#, "$regex"),
        (r#"{"$nor": []}"#, "$nor"),
        (r#"{"year": {}}"#, "\"year\""),
        (r#"{"year": {"$in": 3}}"#, "an array of values"),
        (r#"{"year": [1, 2]}"#, "[1,2]"),
        (r#"{"year": {"$exists": 1}}"#, "true or false"),
        (r#"{"year": {"$date": "tomorrow"}}"#, "tomorrow"),
        (r#"{"year": {"$prefix": 4}}"#, "a string"),
        ("[]", "expected an object"),
        ("{", "not JSON"),
    ] {
        let e = text.parse::<Filter>().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidFilter, "{text}");
        assert!(e.to_string().contains(part), "{text}: {e}");
    }
    let nan = Filter::field("x").gt(f64::NAN);
    assert_eq!(nan.check().unwrap_err().kind(), ErrorKind::InvalidFilter);
    let deep = (0..100).fold(Filter::field("x").exists(), |filter, _| !filter);
    assert_eq!(deep.check().unwrap_err().kind(), ErrorKind::InvalidFilter);
    let wide = Filter::field("x").is_in(0..20_000);
    assert_eq!(wide.check().unwrap_err().kind(), ErrorKind::InvalidFilter);
}

#[test]
fn a_type_that_no_value_has_is_an_error_and_a_field_that_is_nowhere_is_not() {
    let index = FilterIndex::open(built(&[json!({"year": 2020, "at": "2026-01-01T00:00:00Z"})])).unwrap();
    let check = |filter: Filter| filter.check_types(|field| index.types(field));
    assert_eq!(check(Filter::field("year").eq("2020")).unwrap_err().kind(), ErrorKind::TypeMismatch);
    let e = check(Filter::field("year").prefix("20")).unwrap_err();
    assert_eq!(e.to_string(), "the field \"year\" has values of type number, and is compared with string");
    check(Filter::field("year").gt(2019.5)).unwrap();
    check(Filter::field("nowhere").gt(3)).unwrap();
    check(Filter::field("at").gt(Value::datetime("2025-01-01T00:00:00Z").unwrap())).unwrap();
    check(Filter::field("at").prefix("2026")).unwrap();
}

#[test]
fn long_strings_are_equal_only_as_a_whole() {
    let long = |end: &str| "x".repeat(5_000) + end;
    let rows = [json!({"s": long("a")}), json!({"s": long("b")})];
    let index = FilterIndex::open(built(&rows)).unwrap();
    assert_eq!(index.evaluate(&Filter::field("s").eq(long("b")), 2).unwrap().iter().collect::<Vec<_>>(), [1]);
    assert_eq!(index.evaluate(&Filter::field("s").prefix("xxx"), 2).unwrap().len(), 2);
}

#[test]
fn metadata_that_is_too_deep_is_an_error() {
    let deep = (0..40).fold(json!(1), |value, _| json!({"a": value}));
    let e = check_metadata(deep.as_object().unwrap()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TooLarge);
    check_metadata(&Map::new()).unwrap();
}
