//! Several snapshots searched as one: what is found does not depend on how records are spread.

use std::path::Path;
use std::sync::Arc;

use compact_artifact::{
    CompactArtifact, ErrorKind, Filter, Fusion, Language, Maintenance, Metric, Options, Originals, Query,
    Record, Snapshot, SpaceOptions, rank_lists, search_snapshots,
};
use serde_json::json;

use crate::toy::{GROUPS, Toy};

struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// Texts of few words; fields, numbers among strings and dates only in some of them.
fn records() -> Vec<Record> {
    let mut random = Random(3);
    let record = |number: usize| {
        let words: Vec<&str> = (0..3 + random.below(9))
            .map(|_| {
                let group = GROUPS[random.below(GROUPS.len())];
                group[random.below(random.0 as usize % group.len() + 1)]
            })
            .collect();
        let vector: [f32; 5] = std::array::from_fn(|_| random.below(2_000) as f32 / 1_000.0 - 0.9993);
        let mut metadata = json!({"n": number % 10, "mixed": number});
        if number > 500 {
            metadata["mixed"] = json!(format!("s{number}"));
            metadata["late"] = json!(true);
        }
        let record = Record::text(words.join(" ")).key(format!("r{number}")).metadata(metadata);
        let record = record.embedding("v", vector.to_vec());
        if number % 300 == 20 { record.field("title", words[0]) } else { record }
    };
    (0..700).map(record).collect()
}

fn options() -> Options {
    let space = SpaceOptions::new(5, Metric::L2).originals(Originals::F32);
    Options::new().embedder(Toy::new("toy")).space("v", space)
}

/// An artifact for each of `count` portions of the records.
fn portions(folder: &Path, count: usize, portion: impl Fn(usize) -> usize) -> Vec<Snapshot> {
    let mut portions = vec![Vec::new(); count];
    for (number, record) in records().into_iter().enumerate() {
        portions[portion(number)].push(record);
    }
    let snapshot = |(number, records): (usize, Vec<Record>)| {
        let artifact = options().create(folder.join(format!("{count}-{number}"))).unwrap();
        artifact.add_batch(records).unwrap();
        artifact.seal().unwrap();
        artifact.snapshot()
    };
    portions.into_iter().enumerate().map(snapshot).collect()
}

fn vector() -> Query {
    Query::vector("v", [0.4, -0.3, 0.2, 0.1, 0.6])
}

fn queries() -> Vec<Query> {
    let filter = Filter::field("n").gte(7);
    vec![
        Query::words("small cat"),
        Query::parse("\"small room\" phob* -sea kng~").unwrap(),
        Query::parse("title:cat ocean").unwrap(),
        Query::words("king ruler").filter(filter.clone()).k(30),
        Query::words("cat")
            .filter(Filter::field("mixed").gt(490).or(Filter::field("mixed").prefix("s55")))
            .k(80),
        Query::words("cat sea").filter(!Filter::field("late").exists().strict()),
        Query::meaning("dread of a tiny chamber"),
        vector(),
        vector().exact(true).k(60).offset(5),
        vector().filter(filter.clone()).k(25),
        Query::text("feline phobia").k(20),
        Query::text("feline phobia").k(60).offset(30).filter(filter.clone()),
        vector().and_words("narrow space").and_meaning("ruler").weight(0.3).k(40),
        vector().and_words("narrow space").fusion(Fusion::ReciprocalRank { k: 60.0 }).candidates(50),
        Query::text("feline phobia").min_score(1.0).k(50),
    ]
}

type Found = Vec<(String, f32, Vec<(String, usize, f32)>)>;

fn expected(snapshot: &Snapshot, query: &Query) -> Found {
    let hits = snapshot.search(&query.clone().fetch(true).explain(true)).unwrap().hits;
    hits.iter().map(found).collect()
}

fn found(hit: &compact_artifact::Hit) -> (String, f32, Vec<(String, usize, f32)>) {
    let places = hit.places.iter().map(|place| (place.list.clone(), place.rank, place.score)).collect();
    (hit.record.as_ref().unwrap().key().unwrap().unwrap(), hit.score, places)
}

fn federated(snapshots: &[Snapshot], query: &Query) -> Found {
    let results = search_snapshots(snapshots, &query.clone().fetch(true).explain(true)).unwrap();
    assert!(results.is_complete && results.losses.is_empty());
    results.hits.iter().map(|hit| found(&hit.hit)).collect()
}

#[test]
fn ids_scores_and_places_are_those_of_one_artifact_however_many_there_are() {
    let temp = tempfile::tempdir().unwrap();
    let one = portions(temp.path(), 1, |_| 0).remove(0);
    for count in [1, 2, 7, 50] {
        let other = tempfile::tempdir().unwrap();
        let apart = portions(other.path(), count, |number| number * count / 700);
        for query in queries() {
            let expected = expected(&one, &query);
            assert!(!expected.is_empty(), "{query:?}");
            assert_eq!(federated(&apart, &query), expected, "{count}: {query:?}");
        }
    }
}

#[test]
fn dealt_out_in_turn_they_have_the_same_scores() {
    let temp = tempfile::tempdir().unwrap();
    let one = portions(temp.path(), 1, |_| 0).remove(0);
    let dealt = portions(temp.path(), 7, |number| number % 7);
    for query in [Query::words("small cat").k(50), vector().k(50), Query::meaning("dread").k(50)] {
        let scores = |found: Found| found.into_iter().map(|(_, score, _)| score).collect::<Vec<_>>();
        assert_eq!(scores(federated(&dealt, &query)), scores(expected(&one, &query)), "{query:?}");
    }
}

/// Artifacts of the same records, one of which is sealed before every third record is deleted.
#[test]
fn what_was_deleted_counts_in_scores_until_it_is_merged_away_and_is_never_found() {
    let temp = tempfile::tempdir().unwrap();
    let make = |name: &str, numbers: std::ops::Range<usize>, seals: bool| {
        let artifact =
            Options::new().maintenance(Maintenance::Manual).create(temp.path().join(name)).unwrap();
        let text =
            |i: usize| format!("{} record", if i.is_multiple_of(3) { "cat cat" } else { "cat and dog" });
        artifact.add_batch(numbers.clone().map(|i| Record::text(text(i)).key(i.to_string()))).unwrap();
        if seals {
            artifact.seal().unwrap();
        }
        for i in numbers.filter(|i| i.is_multiple_of(3)) {
            assert!(artifact.delete_key(&i.to_string()).unwrap());
        }
        artifact
    };
    let one = make("one", 0..60, false);
    let apart = [make("a", 0..30, true), make("b", 30..60, false)];
    let snapshots = || apart.each_ref().map(CompactArtifact::snapshot);
    let query = Query::words("cat dog").k(100);
    let keys = |found: Found| found.into_iter().map(|(key, ..)| key).collect::<Vec<_>>();
    let of_all = federated(&snapshots(), &query);
    assert_eq!(keys(of_all.clone()), keys(expected(&one.snapshot(), &query)));
    for artifact in apart.iter().chain([&one]) {
        artifact.seal().unwrap();
        artifact.compact(usize::MAX).unwrap();
    }
    let merged = federated(&snapshots(), &query);
    assert_ne!(merged, of_all, "the deleted counted");
    assert_eq!(merged, expected(&one.snapshot(), &query));
    assert_eq!(merged.len(), 40);
}

#[test]
fn each_on_its_own_they_have_other_scores() {
    let temp = tempfile::tempdir().unwrap();
    let one = portions(temp.path(), 1, |_| 0).remove(0);
    let apart = portions(temp.path(), 7, |number| number * 7 / 700);
    let query = Query::words("small cat");
    let lists: Vec<_> = apart.iter().map(|snapshot| snapshot.search_lists(&query).unwrap()).collect();
    let scores: Vec<f32> = rank_lists(&query, &lists).unwrap().iter().map(|found| found.hit.score).collect();
    let expected: Vec<f32> = one.search(&query).unwrap().hits.iter().map(|hit| hit.score).collect();
    assert_ne!(scores, expected);
}

#[test]
fn what_one_ranking_cannot_be_made_of_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let mut snapshots = portions(temp.path(), 2, |number| number % 2);
    let refuse = |snapshots: &[Snapshot], query: &Query, kind: ErrorKind| {
        assert_eq!(search_snapshots(snapshots, query).unwrap_err().kind(), kind, "{query:?}");
    };
    for query in [
        Query::new(),
        Query::words("cat").total(true),
        Query::words("cat").order_by("n", compact_artifact::Order::Ascending),
        Query::words("cat").group_by("n", 1),
        Query::similar_to("v", compact_artifact::RecordId(0)),
    ] {
        refuse(&snapshots, &query, ErrorKind::InvalidArgument);
    }
    refuse(&snapshots, &Query::parse("subtitle:cat").unwrap(), ErrorKind::InvalidQuery);
    let strict = Query::words("cat").filter(Filter::field("nn").eq(1).strict());
    refuse(&snapshots, &strict, ErrorKind::NoSuchField);
    refuse(&snapshots, &Query::words("cat").filter(Filter::field("n").eq("1")), ErrorKind::TypeMismatch);
    let given = Arc::new(snapshots[0].query_statistics(&Query::words("cat")).unwrap());
    let error = snapshots[0].search(&Query::words("cat").statistics(given)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(rank_lists(&Query::words("cat"), &[compact_artifact::SearchLists::default()]).is_err());
    let filtered = Query::parse("cat* OR roughly~").unwrap().filter(Filter::field("n").gte(1));
    let gathered = snapshots[0].query_statistics(&filtered).unwrap();
    let json = serde_json::to_string(&gathered).unwrap();
    assert_eq!(serde_json::from_str::<compact_artifact::QueryStatistics>(&json).unwrap(), gathered);

    let german =
        CompactArtifact::options().language(Language::German).create(temp.path().join("german")).unwrap();
    german.add(Record::text("Katze")).unwrap();
    snapshots.push(german.snapshot());
    assert!(search_snapshots(&snapshots, &Query::words("cat")).is_err());
}

#[test]
fn what_would_not_compare_is_refused_by_its_name() {
    let temp = tempfile::tempdir().unwrap();
    let space = |metric| SpaceOptions::new(4, metric);
    let options = || CompactArtifact::options().space("v", space(Metric::Cosine));
    let snapshot = |name: &str, options: Options| {
        let artifact = options.create(temp.path().join(name)).unwrap();
        let record = Record::text("the running dogs").field("title", "dogs");
        artifact.add(record.embedding("v", [1.0, 2.0, 3.0, 4.0])).unwrap();
        artifact.snapshot()
    };
    let one = snapshot("one", options());
    let (words, near) = (Query::words("running dogs"), Query::vector("v", [1.0, 2.0, 3.0, 4.0]));
    for (name, other, is_of_words, said) in [
        ("dot", Options::new().space("v", space(Metric::Dot)), false, "the vector space \"v\""),
        ("l2", Options::new().space("v", space(Metric::L2)), false, "the vector space \"v\""),
        ("german", options().language(Language::German), true, "the language"),
        ("none", options().no_language(), true, "the language"),
        (
            "marks",
            options().fold_diacritics(false),
            true,
            "folding diacritics is true in one and false in another",
        ),
        ("bm25", options().bm25(2.0, 0.1), true, "BM25"),
        ("weight", options().field("title", 9), true, "the weight of the field \"title\""),
        ("stop", options().stop_words(false), true, "stop words"),
    ] {
        let other = snapshot(name, other);
        let (refused, sound) = if is_of_words { (&words, &near) } else { (&near, &words) };
        let error = search_snapshots(&[one.clone(), other.clone()], refused).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SettingsMismatch, "{name}: {error}");
        assert!(error.to_string().contains(said), "{name}: {error}");
        assert_eq!(search_snapshots(&[one.clone(), other], sound).unwrap().hits.len(), 2, "{name}");
    }
    let other = snapshot("fields", options().field("abstract", 3));
    assert_eq!(search_snapshots(&[one, other], &words).unwrap().hits.len(), 2);
}

#[test]
fn fields_that_no_snapshot_has_are_an_error_where_a_query_is_strict_and_given_statistics_are_one() {
    let temp = tempfile::tempdir().unwrap();
    let snapshot = |field: &str| {
        let artifact = CompactArtifact::create(temp.path().join(field)).unwrap();
        artifact.add(Record::text("a cat").metadata(json!({field: 1}))).unwrap();
        artifact.snapshot()
    };
    let snapshots = [snapshot("year"), snapshot("place")];
    let cats = || Query::words("cat").strict_fields(true);
    let found = |query: &Query| search_snapshots(&snapshots, query).map(|found| found.hits.len());
    assert_eq!(found(&cats().filter(Filter::field("year").eq(1)).fields(["place"])).unwrap(), 1);
    for query in [cats().filter(Filter::field("yaer").eq(1)), cats().fields(["yaer"])] {
        let error = found(&query).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchField, "{error}");
        assert_eq!(found(&query.strict_fields(false)).unwrap_or(7) % 2, 0);
    }
    let statistics = Arc::new(snapshots[0].query_statistics(&Query::words("dog")).unwrap());
    let error = found(&Query::words("cat").statistics(statistics)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let error = found(&Query::parse("abstract:cat").unwrap()).unwrap_err();
    assert!(error.to_string().contains("the fields are text, title."), "{error}");
}
