//! Records that expire: hidden from their moment on in every kind of query, deleted by maintenance.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use compact_artifact::{
    Batch, CompactArtifact, ErrorKind, Facet, Filter, Language, Metric, Options, Query, Record,
    ReembedReport, SpaceOptions, TextOptions,
};
use serde_json::json;

use crate::left_out;
use crate::toy::Toy;

/// A clock in seconds since 2000, which tests put forward.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

const Y2000: u64 = 946_684_800;

impl Clock {
    fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    fn options(&self) -> Options {
        let clock = self.0.clone();
        left_out::options()
            .segment_len(64 << 10)
            .space("v", SpaceOptions::new(2, Metric::Cosine))
            .clock(move || UNIX_EPOCH + Duration::from_secs(Y2000 + clock.load(Ordering::Relaxed)))
    }

    fn create(&self, path: &Path) -> CompactArtifact {
        self.options().expires_at("meta.until").create(path).unwrap()
    }
}

/// `seconds` since 2000 as a date.
fn date(seconds: u64) -> String {
    format!("2000-01-01T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn record(key: &str, until: Option<u64>) -> Record {
    let metadata = match until {
        Some(until) => json!({"meta": {"until": date(until)}, "all": true, "n": until}),
        None => json!({"all": true}),
    };
    Record::text(format!("word {key}")).key(key).metadata(metadata).embedding("v", [1.0, 0.5])
}

/// What every kind of query finds, which must be the same.
fn keys(artifact: &CompactArtifact) -> Vec<String> {
    let snapshot = artifact.snapshot();
    let mut keys: Vec<String> =
        snapshot.records().map(|entry| entry.unwrap().key().unwrap().unwrap()).collect();
    keys.sort_unstable();
    let count = keys.len();
    assert_eq!(snapshot.len() as usize, count);
    assert_eq!(artifact.len() as usize, count);
    assert_eq!(artifact.stats().records as usize, count);
    let filter = Filter::field("all").eq(true);
    assert_eq!(snapshot.count(&filter).unwrap() as usize, count);
    assert_eq!(snapshot.records_where(&filter).unwrap().count(), count);
    let listed: Vec<String> = snapshot.keys("").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(listed, keys);
    let values = snapshot.values("all", None).unwrap();
    assert_eq!(values.first().map_or(0, |value| value.count) as usize, count);
    let queries = [
        Query::words("word"),
        Query::vector("v", [1.0, 0.5]),
        Query::vector("v", [1.0, 0.5]).exact(true),
        Query::new(),
        Query::new().filter(filter),
        Query::words("word").order_by("n", compact_artifact::Order::Descending),
        Query::words("word").and_vector("v", [1.0, 0.5]),
    ];
    for query in queries {
        let found = snapshot.search(&query.k(1_000).total(true).facet(Facet::values("all"))).unwrap();
        assert_eq!(found.hits.len(), count);
        assert_eq!(found.total.unwrap().records as usize, count);
        assert_eq!(found.facets[0].records as usize, count);
        for hit in &found.hits {
            assert!(snapshot.get(hit.id).unwrap().is_some());
        }
    }
    for i in 0..60 {
        let key = format!("k{i}");
        let is_there = keys.binary_search(&key).is_ok();
        assert_eq!(snapshot.get_by_key(&key).unwrap().is_some(), is_there, "{key}");
        assert_eq!(snapshot.id_of_key(&key).unwrap().is_some(), is_there, "{key}");
    }
    keys
}

#[test]
fn any_sequence_of_calls_beside_a_plain_map_and_a_reader() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let clock = Clock::default();
    let mut artifact = clock.create(&path);
    let reader = clock.options().open_read_only(&path).unwrap();
    let mut model: BTreeMap<String, Option<u64>> = BTreeMap::new();
    let mut random = 5u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut now = 0;
    for step in 0..250 {
        let key = format!("k{}", next(40));
        model.retain(|_, until| until.is_none_or(|until| until > now));
        match next(14) {
            0..=4 => {
                let until = (next(3) > 0).then(|| now + next(30));
                artifact.upsert(record(&key, until)).unwrap();
                model.insert(key, until);
            }
            5 => {
                let added = artifact.add(record(&key, Some(now + 5)));
                assert_eq!(added.is_ok(), !model.contains_key(&key), "step {step}: {key}");
                model.entry(key).or_insert(Some(now + 5));
            }
            6 => assert_eq!(artifact.delete_key(&key).unwrap(), model.remove(&key).is_some(), "{key}"),
            7 => {
                let deleted = artifact.delete_where(&Filter::field("n").gte(now + 12)).unwrap();
                let before = model.len();
                model.retain(|_, until| until.is_none_or(|until| until < now + 12));
                assert_eq!(deleted as usize, before - model.len());
            }
            8 => drop(artifact.seal().unwrap()),
            9 => drop(artifact.compact(8 << 20).unwrap()),
            10 => {
                if let Some(id) = artifact.id_of_key(&key).unwrap() {
                    artifact.add_embedding(id, "v", &[next(5) as f32, 1.0]).unwrap();
                }
            }
            11 => {
                artifact.close().unwrap();
                artifact = clock.options().open(&path).unwrap();
            }
            _ => {
                now += next(8);
                clock.set(now);
            }
        }
        reader.refresh().unwrap();
        model.retain(|_, until| until.is_none_or(|until| until > now));
        let expected: Vec<String> = model.keys().cloned().collect();
        assert_eq!(keys(&artifact), expected, "step {step}");
        assert_eq!(keys(&reader), expected, "step {step}: the reader");
    }
}

#[test]
pub(crate) fn what_expires_is_hidden_at_its_moment_without_a_commit_and_its_space_comes_back() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let clock = Clock::default();
    let artifact = clock.create(&path);
    let big = |i: u64| {
        let noise: String = (0..400)
            .fold(String::new(), |all, j| all + &format!("{:x} ", (i * 7919 + j * 104_729) ^ (j << 17)));
        Record::text(noise)
            .key(format!("k{i}"))
            .metadata(json!({"meta": {"until": date(10 + i % 2)}, "all": true}))
    };
    artifact.add_batch((0..200).map(big)).unwrap();
    artifact.add(record("stays", None)).unwrap();
    artifact.seal().unwrap();
    let reader = clock.options().open_read_only(&path).unwrap();
    let before = artifact.snapshot();
    let commit = before.seq();
    for (now, left) in [(9, 201), (10, 101), (11, 1), (12, 1)] {
        clock.set(now);
        assert_eq!((artifact.len(), reader.len(), before.len()), (left, left, 201), "at {now}");
        assert_eq!(artifact.snapshot().seq(), commit);
    }
    clock.set(0); // a clock that was put right
    assert_eq!(artifact.len(), 201);
    clock.set(1_000);
    let full = artifact.stats().disk_bytes;
    let report = artifact.compact(16 << 20).unwrap();
    assert_eq!(report.records_dropped, 200);
    assert!(artifact.stats().disk_bytes < full / 8, "{} of {full}", artifact.stats().disk_bytes);
    assert!(artifact.snapshot().seq() > commit);
    clock.set(0);
    assert_eq!(artifact.len(), 1); // they are gone for good
    assert_eq!(before.len(), 201);
    assert!(artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap().is_sound());
}

#[test]
fn the_field_is_kept_in_the_artifact_and_what_is_no_date_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let clock = Clock::default();
    let artifact = clock.create(&path);
    for value in [json!(12), json!("tomorrow"), json!(["2000-01-01", "x"]), json!({"a": 1}), json!(true)] {
        let record = Record::text("x").metadata(json!({"meta": {"until": value}}));
        assert_eq!(artifact.add(record).unwrap_err().kind(), ErrorKind::InvalidArgument, "{value}");
        let blob = Record::blob([]).metadata(json!({"meta": {"until": value}}));
        assert_eq!(artifact.add_reader(blob, &b"x"[..]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    for value in [json!(null), json!("2000-01-02"), json!(["2000-01-02", "2001-01-02"])] {
        artifact.add(Record::text("x").metadata(json!({"meta": {"until": value}}))).unwrap();
    }
    assert_eq!(artifact.len(), 3);
    clock.set(24 * 3600);
    assert_eq!(artifact.len(), 1); // the earliest of several dates counts
    artifact
        .add_reader(Record::blob([]).key("b").metadata(json!({"meta": {"until": "2000-01-01"}})), &b"x"[..])
        .unwrap();
    artifact.add_reader(Record::blob([]).key("b"), &b"y"[..]).unwrap(); // the former has expired
    assert_eq!(artifact.len(), 2);
    artifact.close().unwrap();
    assert_eq!(clock.options().open_read_only(&path).unwrap().len(), 2);
    let other = clock.options().expires_at("other").open(&path).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::SettingsMismatch);
    assert!(clock.options().expires_at("meta.until").open(&path).is_ok());
    let pack = temp.path().join("a.cart");
    CompactArtifact::open_read_only(&path)
        .unwrap()
        .pack(&pack)
        .unwrap_or_else(|_| clock.options().open(&path).unwrap().pack(&pack).unwrap());
    assert_eq!(clock.options().open_read_only(&pack).unwrap().len(), 2);
    let plain = temp.path().join("plain");
    let artifact = CompactArtifact::create(&plain).unwrap();
    artifact.add(Record::text("old").metadata(json!({"until": "2000-01-01"}))).unwrap();
    artifact.close().unwrap();
    let reader = Options::new().expires_at("until").open_read_only(&plain).unwrap_err();
    assert_eq!(reader.kind(), ErrorKind::SettingsMismatch);
    assert_eq!(Options::new().expires_at("until").open(&plain).unwrap().len(), 0);
    assert_eq!(CompactArtifact::open_read_only(&plain).unwrap().len(), 0);
    for field in [String::new(), "x".repeat(2_000)] {
        let error = Options::new().expires_at(field).create(temp.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(!temp.path().join("none").exists());
    }
}

#[test]
fn a_record_that_expired_is_neither_found_nor_in_the_way_within_a_batch() {
    let temp = tempfile::tempdir().unwrap();
    let clock = Clock::default();
    let artifact = clock.create(&temp.path().join("a"));
    let old = artifact.add(record("k1", Some(5))).unwrap();
    clock.set(5);
    assert!(!artifact.delete(old).unwrap());
    let error = artifact.add_embedding(old, "v", &[1.0, 1.0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchRecord);
    artifact.add(record("k2", Some(5))).unwrap(); // was over before it came
    let batch = Batch::new().delete_key("k2").add(record("k1", None)).upsert(record("k1", Some(50)));
    assert_eq!(artifact.write(batch).unwrap().deleted, 0);
    assert_eq!(keys(&artifact), ["k1"]);
    artifact.seal().unwrap();
    assert_eq!(artifact.stats().deleted, 0);
    assert_eq!(keys(&artifact), ["k1"]);
}

/// A search of an artifact whose records expire some day, beside one of the same that do not.
#[test]
fn hiding_costs_little_while_nothing_expires() {
    let temp = tempfile::tempdir().unwrap();
    let plain = Options::new().result_cache_bytes(0).create(temp.path().join("plain")).unwrap();
    let expiring =
        Options::new().result_cache_bytes(0).expires_at("until").create(temp.path().join("e")).unwrap();
    let record = |i: u64| {
        let until = format!("2{:03}-01-01", 300 + i % 600);
        Record::text(format!("word{} cat", i % 50)).metadata(json!({"until": until}))
    };
    for artifact in [&plain, &expiring] {
        artifact.add_batch((0..20_000).map(record)).unwrap();
        artifact.seal().unwrap();
    }
    let time = |artifact: &CompactArtifact| {
        let begun = Instant::now();
        for i in 0..200 {
            artifact.search(&Query::words(&format!("word{}", i % 50))).unwrap();
        }
        begun.elapsed()
    };
    let rounds: Vec<_> = (0..15).map(|_| (time(&plain), time(&expiring))).collect();
    let least = |of: fn(&(Duration, Duration)) -> Duration| rounds.iter().map(of).min().unwrap();
    let (without, with) = (least(|round| round.0), least(|round| round.1));
    println!("200 searches: {without:?} without, {with:?} with records that expire some day");
    assert!(with < without * 2);
    let begun = Instant::now();
    (0..10_000).for_each(|_| drop(expiring.snapshot()));
    println!("a snapshot: {:?}, now {:?}", begun.elapsed() / 10_000, SystemTime::now());
}

#[test]
fn an_update_moves_the_moment_and_must_leave_a_date() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = Options::new().expires_at("until").create(temp.path().join("a")).unwrap();
    let far = || Record::text("a cat").key("cat").metadata(json!({"until": "2999-01-01"}));
    let id = artifact.add(far()).unwrap();
    for seal in [true, false] {
        if seal {
            artifact.seal().unwrap();
        }
        let error = artifact.update(id, json!({"until": "soon"})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(artifact.update(id, json!({"until": "2998-01-01"})).unwrap());
        assert!(artifact.get_by_key("cat").unwrap().is_some());
    }
    assert!(artifact.update(id, json!({"until": "2001-01-01"})).unwrap());
    assert_eq!(artifact.search(&Query::words("cat")).unwrap().hits.len(), 0);
    assert_eq!((artifact.len(), artifact.get_by_key("cat").unwrap().is_none()), (0, true));
    assert!(!artifact.update(id, json!({"until": null})).unwrap(), "what expired does not come back");
    let again = artifact.add(far()).unwrap();
    assert!(artifact.update(again, json!({"until": null})).unwrap());
    artifact.seal().unwrap();
    assert_eq!((artifact.len(), artifact.get(id).unwrap().is_none()), (1, true));
}

#[test]
fn a_record_that_never_had_a_date_in_the_field_takes_updates_that_leave_it_so() {
    let temp = tempfile::tempdir().unwrap();
    for (at, (field, metadata, wrong)) in [
        ("until", json!({"until": "soon"}), json!({"until": "later"})),
        ("m.until", json!({"m": {"until": ["2999-01-01", "soon"], "a": 1}}), json!({"m": {"until": 5}})),
        ("m.until", json!({"m": [{"until": 5}, {"a": 1}]}), json!({"m": [{"until": 6}]})),
        ("m.until", json!({"m.until": true}), json!({"m": {"until": 5}})),
    ]
    .into_iter()
    .enumerate()
    {
        let artifact = CompactArtifact::create(temp.path().join(at.to_string())).unwrap();
        let id = artifact.add(Record::text("a cat").key("cat").metadata(metadata)).unwrap();
        artifact.set_expires_field(field).unwrap();
        assert!(artifact.update_key("cat", json!({"x": 1, "until.m": 1})).unwrap(), "{field}");
        assert_eq!(artifact.update(id, wrong).unwrap_err().kind(), ErrorKind::InvalidArgument, "{field}");
        let none = json!({"until": null, "m": null, "m.until": null});
        assert!(artifact.update(id, none).unwrap(), "{field}");
        let record = artifact.get(id).unwrap().unwrap();
        assert_eq!(record.metadata().unwrap(), json!({"x": 1, "until.m": 1}).as_object().unwrap().clone());
    }
}

#[test]
fn a_time_given_with_a_record_is_put_into_the_field_by_which_it_expires() {
    let (temp, clock) = (tempfile::tempdir().unwrap(), Clock::default());
    let artifact = clock.create(&temp.path().join("a"));
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(Y2000 + seconds);
    artifact.add(record("k1", None).expires_at(at(60))).unwrap();
    // It takes the place of what is there, and leaves what is beside it.
    artifact.upsert(record("k2", Some(10)).expires_at(at(120))).unwrap();
    artifact.add_reader(Record::blob([]).key("k3").expires_at(at(60)), &b"blob"[..]).unwrap();
    let metadata = artifact.get_by_key("k2").unwrap().unwrap().metadata().unwrap();
    assert_eq!(metadata["meta"], json!({"until": date(120)}));
    assert_eq!((metadata["n"].clone(), metadata["all"].clone()), (json!(10), json!(true)));
    assert_eq!(artifact.len(), 3);
    clock.set(60);
    assert_eq!(artifact.len(), 1);
    clock.set(120);
    assert_eq!(artifact.len(), 0);

    let wrong = |record: Record, artifact: &CompactArtifact| artifact.add(record).unwrap_err();
    let year_10000 = UNIX_EPOCH + Duration::from_secs(253_402_300_801);
    assert_eq!(
        wrong(record("k4", None).expires_at(year_10000), &artifact).kind(),
        ErrorKind::InvalidArgument
    );
    let in_the_way = Record::text("x").metadata(json!({"meta": 5})).expires_at(at(1));
    let refused = wrong(in_the_way, &artifact);
    assert!(refused.to_string().contains("\"meta.until\""), "{refused}");
    let without = CompactArtifact::create(temp.path().join("without")).unwrap();
    let refused = wrong(Record::text("x").expires_at(at(1)), &without);
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    assert!(refused.to_string().contains("option expires_at"), "{refused}");
}

#[test]
fn of_a_record_that_had_expired_when_it_was_added_a_follower_may_hear_only_that_it_was_deleted() {
    let (temp, clock) = (tempfile::tempdir().unwrap(), Clock::default());
    let artifact = clock.create(&temp.path().join("a"));
    clock.set(100);
    let changes = |since| artifact.changes_since(since).unwrap().unwrap();
    let begun = changes(artifact.snapshot().seq()).commit;
    let gone = artifact.add(record("k1", Some(50))).unwrap();
    artifact.add(record("k2", Some(200))).unwrap();
    let seen = changes(begun);
    assert_eq!(seen.added.iter().map(|change| change.key.as_deref()).collect::<Vec<_>>(), [Some("k2")]);
    artifact.seal().unwrap(); // deletes what expired
    let after = changes(seen.commit);
    assert!(after.added.is_empty());
    assert_eq!(after.deleted.iter().map(|change| change.id).collect::<Vec<_>>(), [gone]);
    // Told at once, it never was.
    assert!(changes(begun).deleted.iter().all(|change| change.id != gone));
}

#[test]
fn what_expired_and_is_not_sealed_is_neither_embedded_again_nor_counted_by_a_change_of_language() {
    let (temp, clock) = (tempfile::tempdir().unwrap(), Clock::default());
    let options = clock.options().expires_at("meta.until").embedder(Toy::new("first"));
    let artifact = options.create(temp.path().join("a")).unwrap();
    let text = |until: u64| Record::text("a small cat").metadata(json!({"meta": {"until": date(until)}}));
    artifact.add_batch([50, 50, 500, 50, 500].map(text)).unwrap();
    clock.set(100);
    let new = Toy::new("second");
    let report = artifact.reembed(new.clone()).unwrap();
    assert_eq!((report.embedded, report.damaged, report.left), (2, 0, 0), "{report:?}");
    let embedded = new.texts.load(Ordering::Relaxed);
    assert_eq!(artifact.reembed(new.clone()).unwrap(), ReembedReport::default());
    assert_eq!(new.texts.load(Ordering::Relaxed), embedded);
    let report = artifact.set_text_options(TextOptions::new().language(Language::German)).unwrap();
    assert_eq!((report.records, artifact.len()), (2, 2), "{report:?}");
}
