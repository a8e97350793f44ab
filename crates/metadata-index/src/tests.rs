//! Filters against an oracle that looks at the JSON itself.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use crate::date::Date;
use crate::filter::{Bound, Condition, MAX_DEPTH, Node};
use crate::layout::INDEXED_LEN;
use crate::value::Scalar;
use crate::*;

/// What a filter says of metadata, by the definition.
fn lets_through(filter: &Filter, metadata: &Json) -> bool {
    match &filter.0 {
        Node::And(filters) => filters.iter().all(|filter| lets_through(filter, metadata)),
        Node::Or(filters) => filters.iter().any(|filter| lets_through(filter, metadata)),
        Node::Not(filter) => !lets_through(filter, metadata),
        Node::Strict(filter) => lets_through(filter, metadata),
        Node::Field(path, test) => {
            let mut found = Vec::new();
            reach(metadata, None, path, &mut found);
            found.iter().any(|(value, is_element)| passes(test, value, *is_element))
        }
    }
}

/// Values at a path, and whether each is an element of an array. Arrays and objects stand for themselves as well.
fn reach<'a>(json: &'a Json, at: Option<&str>, path: &str, found: &mut Vec<(&'a Json, bool)>) {
    let Json::Object(map) = json else { return };
    for (name, value) in map {
        let here = at.map_or_else(|| name.clone(), |at| format!("{at}.{name}"));
        if here == path {
            found.push((value, false));
            if let Json::Array(elements) = value {
                found.extend(elements.iter().map(|element| (element, true)));
            }
        }
        reach(value, Some(&here), path, found);
        if let Json::Array(elements) = value {
            for element in elements {
                reach(element, Some(&here), path, found);
            }
        }
    }
}

fn compare(a: &Json, b: &FilterValue) -> Option<std::cmp::Ordering> {
    match (FilterValue::from_json(a)?.0, &b.0) {
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Scalar::String(a), Scalar::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Scalar::String(a), Scalar::DateTime(b)) => Some(Date::parse(&a)?.point().cmp(b.point())),
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

/// A string that is a date equals all dates of that moment.
fn equals(value: &Json, with: &FilterValue) -> bool {
    let moment = with.as_str().and_then(|string| FilterValue::datetime(string).ok());
    compare(value, moment.as_ref().unwrap_or(with)) == Some(std::cmp::Ordering::Equal)
}

fn passes(test: &Condition, value: &Json, is_element: bool) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = |with: &FilterValue| compare(value, with);
    match test {
        Condition::Exists => !is_element && !value.is_null(),
        Condition::Eq(with) => equals(value, with),
        Condition::In(with) => with.iter().any(|with| equals(value, with)),
        Condition::Contains(with) => is_element && equals(value, with),
        Condition::Range(Bound::Lt, with) => order(with) == Some(Less),
        Condition::Range(Bound::Lte, with) => matches!(order(with), Some(Less | Equal)),
        Condition::Range(Bound::Gt, with) => order(with) == Some(Greater),
        Condition::Range(Bound::Gte, with) => matches!(order(with), Some(Greater | Equal)),
        Condition::Prefix(prefix) => value.as_str().is_some_and(|value| value.starts_with(prefix)),
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
        long_string().prop_map(Json::from),
        prop::sample::select(vec![
            "",
            "a",
            "ab",
            "abc",
            "b",
            "\u{0}",
            "ä",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+02:00",
            "2026-01-01",
            "9999-12-31T23:59:59Z",
            "2025-12-31T23:59:60Z",
            "2025-12-31T23:00:00.00000000000000000001Z"
        ])
        .prop_map(Json::from),
    ]
}

/// Strings around the length of which the index has all, with the same bytes at the beginning.
fn long_string() -> impl Strategy<Value = String> {
    let ends = vec!["", "a", "b", "ab", "ä", "\u{0}", "bb"];
    let len = prop::sample::select(vec![INDEXED_LEN - 1, INDEXED_LEN, INDEXED_LEN + 1, 1_000]);
    (len, prop::sample::select(ends)).prop_map(|(len, end)| "x".repeat(len) + end)
}

fn metadata() -> impl Strategy<Value = Json> {
    let value = prop_oneof![
        6 => scalar(),
        1 => Just(Json::Null),
        2 => prop::collection::vec(scalar(), 0..4).prop_map(Json::from),
        1 => prop::collection::vec(scalar().prop_map(|value| json!({"n": value})), 0..3).prop_map(Json::from),
        1 => scalar().prop_map(|value| json!({"n": value, "deep": {"n": 1}})),
    ];
    let field = prop::sample::select(vec!["a", "b", "a.b", "n", "", "\u{1}key", "$in"]);
    prop::collection::btree_map(field, value, 0..4)
        .prop_map(|map| Json::Object(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

fn filter() -> impl Strategy<Value = Filter> {
    let value = || {
        prop_oneof![
            6 => scalar().prop_map(|json| FilterValue::from_json(&json).unwrap()),
            2 => prop::sample::select(vec!["2025-12-31T23:00:00Z", "2026-01-01", "2025-12-31T23:59:60.5Z"]).prop_map(|date| FilterValue::datetime(date).unwrap()),
        ]
    };
    let ordered = move || value().prop_filter("bools have no order", |value| value.type_of() != Type::Bool);
    let test = prop_oneof![
        Just(Condition::Exists),
        value().prop_map(Condition::Eq),
        prop::collection::vec(value(), 0..4).prop_map(Condition::In),
        value().prop_map(Condition::Contains),
        (prop::sample::select(vec![Bound::Lt, Bound::Lte, Bound::Gt, Bound::Gte]), ordered())
            .prop_map(|(bound, value)| Condition::Range(bound, value)),
        prop::sample::select(vec!["", "a", "ab", "2026"])
            .prop_map(|prefix| Condition::Prefix(prefix.to_owned())),
        long_string().prop_map(Condition::Prefix),
    ];
    let field =
        prop::sample::select(vec!["a", "b", "a.b", "a.n", "b.n", "a.deep.n", "none", "", ".n", "\u{1}key"]);
    let leaf = (field, test).prop_map(|(field, test)| Filter::field(field).with(test));
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::all),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::any),
            inner.prop_map(|filter| !filter),
        ]
    })
}

pub(crate) fn built(rows: &[Json]) -> Vec<u8> {
    built_with_keys((0..count(rows)).map(key).zip(rows.iter().cloned()))
}

fn key(row: u32) -> String {
    format!("key {row}")
}

fn built_with_keys(rows: impl Iterator<Item = (String, Json)>) -> Vec<u8> {
    let mut builder = Builder::new();
    for (row, (key, metadata)) in (0..).zip(rows) {
        builder.add(row, Some(&key), metadata.as_object().unwrap());
    }
    let mut bytes = Vec::new();
    builder.write(&mut bytes).unwrap();
    bytes
}

pub(crate) fn count(rows: &[Json]) -> u32 {
    u32::try_from(rows.len()).unwrap()
}

/// A filter as it is where its fields have no values yet: of whatever types.
fn as_it_is(filter: &Filter) -> ResolvedFilter {
    ResolvedFilter::new(filter, |_| Ok(Types::default())).unwrap()
}

pub(crate) fn rows_of<B: Bytes>(index: &Index<B>, filter: &ResolvedFilter, rows: &[Json]) -> Vec<u32> {
    let metadata_of = |row: u32| -> Result<_> { Ok(rows[row as usize].as_object().unwrap().clone()) };
    index.search(filter, metadata_of).unwrap().iter().collect()
}

fn expected(filter: &Filter, rows: &[Json]) -> Vec<u32> {
    (0..).zip(rows).filter(|(_, metadata)| lets_through(filter, metadata)).map(|(row, _)| row).collect()
}

proptest! {
    #[test]
    fn the_index_lets_through_what_the_definition_does(rows in prop::collection::vec(metadata(), 0..60), filters in prop::collection::vec(filter(), 1..12)) {
        let index = Index::open(built(&rows), count(&rows)).unwrap();
        index.verify().unwrap();
        for filter in filters {
            prop_assert_eq!(rows_of(&index, &as_it_is(&filter), &rows), expected(&filter, &rows), "{:?}", filter);
        }
        for row in 0..count(&rows) {
            prop_assert_eq!(index.row_of_key(&key(row), |_| true).unwrap(), Some(row));
        }
    }

    #[test]
    fn a_merge_is_what_building_from_the_rest_gives(rows in prop::collection::vec((metadata(), any::<bool>()), 0..80), cut in 0usize..80) {
        let keyed = |row: u32| (key(row), rows[row as usize].0.clone());
        let numbers: Vec<u32> = (0..u32::try_from(rows.len()).unwrap()).collect();
        let at = cut.min(rows.len());
        let parts = [&numbers[..at], &numbers[at..]]
            .map(|part| Index::open(built_with_keys(part.iter().copied().map(keyed)), 80).unwrap());
        let (first, second) = rows.split_at(at);
        let mut next = 0;
        let maps: Vec<Vec<Option<u32>>> = [first, second].iter().map(|part| part.iter().map(|(_, kept)| kept.then(|| { next += 1; next - 1 })).collect()).collect();
        let [of_first, of_second] = [0, 1].map(|part: usize| { let maps = &maps; move |row: u32| maps[part][row as usize] });
        let mut merged = Vec::new();
        merge(&[(&parts[0], &of_first as &dyn Fn(u32) -> Option<u32>), (&parts[1], &of_second)], &mut merged).unwrap();
        let rest = numbers.iter().copied().filter(|&row| rows[row as usize].1).map(keyed);
        prop_assert_eq!(merged, built_with_keys(rest));
    }

    #[test]
    fn a_filter_is_the_same_after_it_was_json(filter in filter()) {
        let json = filter.to_json().unwrap();
        prop_assert_eq!(Filter::from_json(&json).unwrap().to_json().unwrap(), json.clone());
        let text = serde_json::to_string(&filter).unwrap();
        let read: Filter = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.to_json().unwrap(), json.clone());
        prop_assert_eq!(text.parse::<Filter>().unwrap().to_json().unwrap(), json);
    }

    #[test]
    fn hostile_bytes_are_errors_or_bounded_answers(rows in prop::collection::vec(metadata(), 1..40), flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4), filter in filter()) {
        let mut bytes = built(&rows);
        for (at, by) in &flips {
            let at = at.index(bytes.len());
            bytes[at] ^= by;
        }
        if let Ok(index) = Index::open(&bytes, count(&rows)) {
            prop_assert!(index.verify().is_err(), "a flipped byte is noticed");
            let found = index.search(&as_it_is(&filter), |row| -> Result<_> { Ok(rows[row as usize].as_object().unwrap().clone()) });
            prop_assert!(found.is_err() || found.unwrap().iter().all(|row| row < count(&rows)));
            drop(index.types("a", |_| true));
            let all = |row: u32| Some(row);
            drop(merge(&[(&index, &all as &dyn Fn(u32) -> Option<u32>)], Vec::new()));
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = built(&[json!({"a": [1, 2, "x"]}), json!({"a": "y", "b": {"c": true}})]);
    for len in 0..bytes.len() {
        assert!(Index::open(&bytes[..len], 2).is_err(), "{len}");
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
        ("{", "EOF"),
        (r#"{"year": {"$gte": 1960}, "year": {"$lt": 1970}}"#, "\"year\" stands twice"),
        (r#"{"year": {"$gt": 1960, "$gt": 1970}}"#, "\"$gt\" stands twice"),
        (r#"{"year": 1960, "year": {"$eq": 1961}}"#, "\"year\" stands twice"),
        (r#"{"$or": [{"a": 1}], "$or": [{"b": 1}]}"#, "\"$or\" stands twice"),
        (r#"{"a": {"$gt": {"$date": "2026-01-01", "$date": "2027-01-01"}}}"#, "\"$date\" stands twice"),
        (r#"{"a": {"$gt": {"$date": "2026-01-01", "x": 1}}}"#, "$date"),
        (r#"{"a": 123456789012345678901234567890}"#, "64 bits"),
    ] {
        let e = text.parse::<Filter>().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidFilter, "{text}");
        assert!(e.to_string().contains(part), "{text}: {e}");
    }
    let twice = serde_json::from_str::<Filter>(r#"{"a": 1, "a": 2}"#).unwrap_err();
    assert!(twice.to_string().contains("stands twice"), "{twice}");
    for not_finite in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let filter = Filter::field("x").gt(not_finite);
        assert_eq!(filter.check().unwrap_err().kind(), ErrorKind::InvalidFilter);
        assert_eq!(filter.to_json().unwrap_err().kind(), ErrorKind::InvalidFilter);
    }
    assert!(Filter::field("$and").exists().to_json().unwrap_err().to_string().contains("\"$and\""));
    let deep = (0..100).fold(Filter::field("x").exists(), |filter, _| !filter);
    assert_eq!(deep.check().unwrap_err().kind(), ErrorKind::InvalidFilter);
    let wide = Filter::field("x").is_in(0..20_000);
    assert_eq!(wide.check().unwrap_err().kind(), ErrorKind::InvalidFilter);
}

#[test]
fn a_filter_of_any_depth_that_is_accepted_is_read_back() {
    let innermost = || Filter::field("at").is_in([FilterValue::datetime("2026-01-31").unwrap()]);
    for depth in 0..70 {
        let filter = (0..depth).fold(innermost(), |filter, _| Filter::all([filter]));
        assert_eq!(filter.check().is_ok(), depth <= MAX_DEPTH, "{depth}");
        if let Ok(json) = filter.to_json() {
            assert_eq!(json.to_string().parse::<Filter>().unwrap(), filter);
        }
    }
}

#[test]
fn a_type_that_no_value_has_is_an_error_and_a_field_that_is_nowhere_is_not() {
    let index = Index::open(built(&[json!({"year": 2020, "at": "2026-01-01T00:00:00Z"})]), 1).unwrap();
    let check = |filter: Filter| ResolvedFilter::new(&filter, |field| index.types(field, |_| true)).map(drop);
    assert_eq!(check(Filter::field("year").eq("2020")).unwrap_err().kind(), ErrorKind::TypeMismatch);
    let e = check(Filter::field("year").prefix("20")).unwrap_err();
    assert_eq!(e.to_string(), "the field \"year\" has values of type number, and is compared with string");
    check(Filter::field("year").gt(2019.5)).unwrap();
    check(Filter::field("nowhere").gt(3)).unwrap();
    check(Filter::field("at").gt(FilterValue::datetime("2025-01-01T00:00:00Z").unwrap())).unwrap();
    check(Filter::field("at").prefix("2026")).unwrap();
    check(Filter::field("at").eq("2026")).unwrap();
}

#[test]
fn a_field_has_the_types_of_live_rows_alone() {
    let rows = [json!({"a": "x"}), json!({"a": ["x", 1]}), json!({"a": 2}), json!({"a": {"b": true}})];
    let index = Index::open(built(&rows), 4).unwrap();
    let types = |field, live: &[u32]| index.types(field, |row| live.contains(&row)).unwrap();
    let (string, number) = (Types::from(Type::String), Types::from(Type::Number));
    assert_eq!(types("a", &[0, 1, 2, 3]), string | number);
    assert_eq!((types("a", &[0]), types("a", &[2, 3])), (string, number));
    assert_eq!((types("a", &[1]), types("a", &[1]).len()), (string | number, 2));
    assert_eq!((types("a", &[3]), types("a", &[])), (Types::default(), Types::default()));
    assert_eq!((types("a.b", &[3]), types("a.b", &[2])), (Type::Bool.into(), Types::default()));
}

#[test]
fn long_strings_are_compared_by_all_of_their_bytes() {
    let long = |end: &str| "x".repeat(5_000) + end;
    let rows =
        [json!({"s": long("a")}), json!({"s": [1, long("b")]}), json!({"s": long("c"), "t": long("b")})];
    let index = Index::open(built(&rows), count(&rows)).unwrap();
    let found = |filter: Filter| rows_of(&index, &as_it_is(&filter), &rows);
    let s = || Filter::field("s");
    assert_eq!(found(s().eq(long("b"))), [1]);
    assert_eq!(found(s().lt(long("b"))), [0]);
    assert_eq!(found(s().lte(long("b"))), [0, 1]);
    assert_eq!(found(s().gt(long("b"))), [2]);
    assert_eq!(found(s().gte(long("b"))), [1, 2]);
    assert_eq!(found(s().prefix(long("b"))), [1]);
    assert_eq!(found(s().prefix(long(""))), [0, 1, 2]);
    assert_eq!(found(s().prefix("xxx")), [0, 1, 2]);
    assert_eq!(found(s().lt("x")), [0; 0]);
    let small = built(&rows).len();
    let large = built(&[json!({"s": "x".repeat(1 << 20)})]).len();
    assert!(small < 1_500 && large < 500, "{small} and {large} bytes: the index has the first bytes only");
}

#[test]
fn no_metadata_poses_as_the_key_of_a_record() {
    let mut builder = Builder::new();
    let names = ["\u{1}key", "", "key", "\u{6}", "\u{0}\u{0}\u{6}"];
    for (row, name) in (0..).zip(names) {
        builder.add(row, None, json!({name: "ghost", "n": {name: ["ghost"]}}).as_object().unwrap());
    }
    builder.add(5, Some("ghost"), &Map::new());
    let mut bytes = Vec::new();
    builder.write(&mut bytes).unwrap();
    let index = Index::open(bytes, 6).unwrap();
    assert_eq!(index.row_of_key("ghost", |_| true).unwrap(), Some(5));
    assert_eq!(index.row_of_key("ghost", |row| row < 5).unwrap(), None);
    for name in names {
        assert!(index.types(name, |_| true).unwrap().contains(Type::String), "of metadata");
    }
    let everything = Filter::field("").prefix("");
    let found = index.search(&as_it_is(&everything), |_| -> Result<_> { Ok(Map::new()) }).unwrap();
    assert!(!found.contains(5), "a key is found by no filter");
}

#[test]
fn metadata_that_is_too_deep_is_an_error() {
    for wrap in [|value| json!({"a": value}), |value| json!([value])] {
        let nested = |depth: usize| json!({"a": (2..=depth).fold(json!([]), |value, _| wrap(value))});
        let most = crate::json::MAX_DEPTH - 1;
        check_metadata(nested(most).as_object().unwrap()).unwrap();
        let e = check_metadata(nested(most + 1).as_object().unwrap()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::TooLarge);
        assert!(e.to_string().contains("metadata: nested too deep"), "{e}");
    }
    let long = json!({"a": [{"n".repeat(1_023): 1}]});
    assert!(check_metadata(long.as_object().unwrap()).unwrap_err().to_string().contains("1025 bytes"));
    check_metadata(&Map::new()).unwrap();
}

/// Bytes of which one does not hold.
struct Flipped {
    bytes: Vec<u8>,
    at: usize,
}

impl AsRef<[u8]> for Flipped {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bytes for Flipped {
    fn check(
        &self,
        range: std::ops::Range<usize>,
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if range.contains(&self.at) { Err("damaged".into()) } else { Ok(()) }
    }

    fn is_verified(&self) -> bool {
        false
    }
}

#[test]
fn no_answer_is_made_of_a_byte_that_does_not_hold() {
    let row = |i: u32| json!({"n": i, "even": i.is_multiple_of(2), "s": format!("word {}", i % 7), "tags": ["a", i % 3]});
    let rows: Vec<Json> = (0..60).map(row).collect();
    let bytes = built(&rows);
    let filters = [
        r#"{"n": {"$gte": 20}}"#,
        r#"{"n": 17, "even": false}"#,
        r#"{"s": {"$prefix": "word 3"}}"#,
        r#"{"$not": {"tags": {"$contains": 2}}}"#,
        r#"{"tags": {"$exists": true}}"#,
    ];
    let filters = filters.map(|text| as_it_is(&text.parse().unwrap()));
    let sound = Index::open(&bytes, 60).unwrap();
    let expected = filters.each_ref().map(|filter| rows_of(&sound, filter, &rows));
    let body_len = bytes.len() - crate::layout::trailer::LEN;
    let (mut answers, mut refusals) = (0, 0);
    for at in 0..body_len {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        let index = Index::open(Flipped { bytes, at }, 60).unwrap();
        for (filter, expected) in filters.iter().zip(&expected) {
            match index.search(filter, |_| -> Result<_> { unreachable!("no string is long") }) {
                Ok(found) => {
                    assert_eq!(found.iter().collect::<Vec<_>>(), *expected, "byte {at}");
                    answers += 1;
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Damaged);
                    refusals += 1;
                }
            }
        }
    }
    assert!(answers > 0 && refusals > 0, "{answers} answers, {refusals} refusals");
}

#[test]
fn the_names_of_types_are_read_back() {
    for ty in [Type::Bool, Type::Number, Type::String, Type::Date] {
        assert_eq!(ty.to_string().parse::<Type>().unwrap(), ty);
    }
    let e = "integer".parse::<Type>().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    assert_eq!((Types::from(Type::Bool) | Type::Date.into()).to_string(), "bool or date");
}
