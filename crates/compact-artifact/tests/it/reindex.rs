//! Another language for texts that are there: afterwards everything is as in an artifact that was created with it.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use compact_artifact::*;
use serde_json::json;

const WORDS: [&str; 12] = [
    "Häuser",
    "Haus",
    "connected",
    "connection",
    "gegangen",
    "gehen",
    "mangées",
    "Straßen",
    "the",
    "die",
    "wires",
    "Stadt",
];

/// Questions that languages answer differently.
const QUERIES: [&str; 10] = [
    "Haus",
    "connection",
    "gehen",
    "\"die Häuser\"",
    "+the wires",
    "title:Stadt",
    "conn* mange~",
    "strasse",
    "die Stadt",
    "Hauser",
];

fn record(i: usize) -> Record {
    let word = |at: usize| WORDS[at % WORDS.len()];
    let text = format!("{} {} {} {}", word(i), word(i / 3 + 5), word(i * 7 + 1), word(i / 5));
    let record = Record::text(text).key(i.to_string()).metadata(json!({"number": i}));
    let record = if i.is_multiple_of(3) { record.field("title", word(i / 2)) } else { record };
    let angle = i as f32 / 100.0;
    if i.is_multiple_of(4) { record } else { record.embedding("v", [angle.cos(), angle.sin(), 0.5]) }
}

fn options() -> Options {
    let space = SpaceOptions::new(3, Metric::Cosine);
    Options::new().space("v", space).graph_from(50).maintenance(Maintenance::Manual).seed(1)
}

/// Records in several sealed shards and a tail.
fn added(options: Options, path: &Path) -> CompactArtifact {
    let artifact = options.create(path).unwrap();
    for piece in 0..3 {
        artifact.add_batch((piece * 150..(piece + 1) * 150).map(record)).unwrap();
        artifact.seal().unwrap();
    }
    artifact
}

/// The same, and some are deleted, replaced, or changed in part: those count in scores until they are dropped, in whichever language.
fn filled(options: Options, path: &Path) -> CompactArtifact {
    let artifact = added(options, path);
    artifact.delete_where(&Filter::field("number").lt(20)).unwrap();
    artifact.upsert(record(30).metadata(json!({"number": 1_000}))).unwrap();
    artifact.update_key("31", json!({"number": 1_001})).unwrap();
    artifact.seal().unwrap();
    // What is in memory, and changes what is sealed.
    artifact.add_batch((450..500).map(record)).unwrap();
    artifact.update_key("32", json!({"number": 1_002})).unwrap();
    artifact.delete_key("33").unwrap();
    artifact
}

/// What a query finds: the keys and, with `scores`, the scores.
fn found(artifact: &CompactArtifact, query: Query, scores: bool) -> Vec<(String, f32)> {
    let results = artifact.search(&query.k(1_000).fetch(true)).unwrap();
    assert!(results.losses.is_empty() && results.is_complete);
    let mut hits: Vec<(String, f32)> = (results.hits.iter())
        .map(|hit| {
            (hit.record.as_ref().unwrap().key().unwrap().unwrap(), if scores { hit.score } else { 0.0 })
        })
        .collect();
    if !scores {
        hits.sort_by(|a, b| a.0.cmp(&b.0));
    }
    hits
}

fn assert_same(artifact: &CompactArtifact, oracle: &CompactArtifact, scores: bool) {
    assert_eq!((artifact.language(), artifact.len()), (oracle.language(), oracle.len()));
    for query in QUERIES {
        let ask = |artifact| found(artifact, Query::parse(query).unwrap(), scores);
        assert_eq!(ask(artifact), ask(oracle), "{query}");
        let ask = |artifact| {
            let query = Query::parse(query).unwrap().snippet(60);
            let snippets = artifact_search(artifact, query);
            snippets.into_iter().map(|hit| hit.snippet).collect::<Vec<_>>()
        };
        if scores {
            assert_eq!(ask(artifact), ask(oracle), "{query}");
        }
    }
    for i in (0..500).step_by(7) {
        let key = i.to_string();
        let entry = |artifact: &CompactArtifact| artifact.get_by_key(&key).unwrap();
        let values = |entry: &Entry| (entry.text().unwrap().into_owned(), entry.metadata().unwrap());
        assert_eq!(entry(artifact).as_ref().map(values), entry(oracle).as_ref().map(values), "{key}");
    }
    let near = Query::vector("v", [0.3, 0.9, 0.5]).exact(true).filter(Filter::field("number").gte(40));
    assert_eq!(found(artifact, near.clone(), true), found(oracle, near, true));
}

fn artifact_search(artifact: &CompactArtifact, query: Query) -> Vec<Hit> {
    artifact.search(&query).unwrap().hits
}

#[test]
fn another_language_is_as_if_the_artifact_had_been_created_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let german = |options: Options| options.language(Language::German);
    let path = temp.path().join("a");
    let artifact = filled(options(), &path);
    let oracle = filled(german(options()), &temp.path().join("oracle"));
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    let before = artifact.snapshot();
    assert_ne!(
        found(&artifact, Query::words("Haus"), false),
        found(&oracle, Query::words("Haus"), false),
        "the languages differ"
    );
    let report = artifact.set_language(Language::German).unwrap();
    assert_eq!((report.left, report.damaged), (0, 0));
    assert!(report.records >= artifact.len() && report.shards > 0, "{report:?}");
    assert_same(&artifact, &oracle, false);
    // A snapshot is of its commit, words included.
    assert_eq!(before.search(&Query::words("connection").k(1_000)).unwrap().hits.len(), {
        let english = filled(options(), &temp.path().join("english"));
        artifact_search(&english, Query::words("connection").k(1_000)).len()
    });
    // A reader sees it with its next refresh; before, it answers by the old words.
    assert_eq!(reader.language(), Some(Language::English));
    assert!(reader.refresh().unwrap());
    assert_same(&reader, &oracle, false);
    // Once more is no work.
    assert_eq!(artifact.set_language(Language::German).unwrap(), ReindexReport::default());
    for artifact in [&artifact, &oracle] {
        artifact.add_batch((600..650).map(record)).unwrap();
        artifact.seal().unwrap();
        artifact.compact(64 << 20).unwrap();
    }
    assert_same(&artifact, &oracle, false);
    artifact.close().unwrap();
    assert!(verify(&path, VerifyLevel::Decode).unwrap().is_sound());
    let artifact = german(options()).open(&path).unwrap();
    assert!(artifact.recovery().damage.is_empty());
    assert_same(&artifact, &oracle, false);
    assert_eq!(options().language(Language::French).open(&path).unwrap_err().kind(), ErrorKind::Locked);
    artifact.close().unwrap();
    let refused = options().language(Language::French).open(&path).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SettingsMismatch);
    assert!(refused.to_string().contains("set_text_options"), "{refused}");
}

#[test]
fn words_without_stems_and_with_their_diacritics_are_as_if_created_so_too() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(options(), &temp.path().join("a"));
    let oracle = filled(options().no_language().fold_diacritics(false), &temp.path().join("oracle"));
    artifact.set_text_options(TextOptions::new().no_language()).unwrap();
    assert_eq!(artifact.language(), None);
    artifact.set_text_options(TextOptions::new().fold_diacritics(false)).unwrap();
    assert_same(&artifact, &oracle, false);
    // And back, stop words of queries included.
    artifact.set_text_options(TextOptions::new().language(Language::English).fold_diacritics(true)).unwrap();
    let oracle = filled(options(), &temp.path().join("english"));
    assert_same(&artifact, &oracle, false);
}

#[test]
fn what_is_searched_and_committed_meanwhile_is_searched_by_the_old_words_and_found_by_the_new_ones() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(options(), &temp.path().join("a"));
    let oracle = filled(options().language(Language::German), &temp.path().join("oracle"));
    let (mut calls, before) = (0, found(&artifact, Query::words("Haus"), false));
    let report = artifact.set_text_options_with(TextOptions::new().language(Language::German), |report| {
        assert!(report.left > 0);
        let i = 700 + 3 * calls; // none of those with a title of its own
        calls += 1;
        assert_eq!(artifact.language(), Some(Language::English));
        artifact.add(record(i).field("title", "Häuser")).unwrap();
        artifact.update_key("100", json!({"number": i})).unwrap();
        artifact.delete_key(&(200 + calls).to_string()).unwrap();
        assert!(found(&artifact, Query::words("Haus"), false).len() <= before.len() + calls);
        ControlFlow::Continue(())
    });
    assert!(calls >= 2, "{calls}");
    assert_eq!(report.unwrap().left, 0);
    for i in 0..calls {
        oracle.add(record(700 + 3 * i).field("title", "Häuser")).unwrap();
        oracle.update_key("100", json!({"number": 700 + 3 * i})).unwrap();
        oracle.delete_key(&(201 + i).to_string()).unwrap();
    }
    assert_same(&artifact, &oracle, false);
    artifact.close().unwrap();
    let artifact = options().open(temp.path().join("a")).unwrap();
    assert_same(&artifact, &oracle, false);
}

#[test]
fn where_nothing_was_deleted_scores_and_snippets_are_the_same_too() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = added(options(), &temp.path().join("a"));
    let oracle = added(options().language(Language::German), &temp.path().join("oracle"));
    let add = |artifact: &CompactArtifact| artifact.add_batch((450..500).map(record)).map(drop);
    add(&artifact).unwrap();
    artifact.set_language(Language::German).unwrap();
    add(&oracle).unwrap();
    assert_same(&artifact, &oracle, true);
    artifact.close().unwrap();
    let artifact = CompactArtifact::open(temp.path().join("a")).unwrap();
    assert_same(&artifact, &oracle, true);
}

#[test]
fn a_caller_who_ends_it_has_what_was_before() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = filled(options(), &path);
    let oracle = filled(options(), &temp.path().join("oracle"));
    for stop_at in 0..3 {
        let mut calls = 0;
        let report = artifact.set_text_options_with(TextOptions::new().language(Language::German), |_| {
            calls += 1;
            if calls > stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(report.unwrap().left > 0, "{stop_at}");
        assert_same(&artifact, &oracle, false);
    }
    artifact.add(record(800)).unwrap(); // nothing is held
    let usage = artifact.stats().disk_bytes;
    artifact.close().unwrap();
    let artifact = options().open(&path).unwrap();
    assert!(artifact.recovery().damage.is_empty());
    assert!(artifact.stats().disk_bytes <= usage + (64 << 10), "no file of it stays");
    oracle.add(record(800)).unwrap();
    assert_same(&artifact, &oracle, false);
}

/// Calls whatever waits for the maintenance lock, and says how each ended.
fn maintained(artifact: &CompactArtifact, to: &Path) -> [Result<()>; 11] {
    let french = TextOptions::new().language(Language::French);
    [
        artifact.seal().map(drop),
        artifact.seal_with(|_| ()).map(drop),
        artifact.compact(64 << 20).map(drop),
        artifact.pack(to).map(drop),
        artifact.add_space("w", SpaceOptions::new(2, Metric::L2)),
        artifact.drop_space("v"),
        artifact.rename_space("v", "w"),
        artifact.add_field("subtitle", 2),
        artifact.drop_field("title"),
        artifact.set_schema(None),
        artifact.set_text_options(french).map(drop),
    ]
}

#[test]
fn what_progress_calls_that_would_wait_for_the_change_is_an_error_and_commits_go_on_until_they_wait() {
    let temp = tempfile::tempdir().unwrap();
    let options = options().field("title", 2).memory_limit(8 << 20);
    let artifact = added(options, &temp.path().join("a"));
    // As much as is sealed otherwise, and cannot be compressed.
    let large: Vec<u8> =
        (0..1_u64 << 20).flat_map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).to_le_bytes()).collect();
    let (mut ended, mut added) = (Vec::new(), Vec::new());
    let progress = |_: &ReindexReport| {
        ended.extend(maintained(&artifact, &temp.path().join("pack")));
        added.push(artifact.add(Record::blob(large.clone())).map(drop));
        assert!(artifact.search(&Query::words("Stadt")).is_ok());
        ControlFlow::Continue(())
    };
    artifact.set_text_options_with(TextOptions::new().language(Language::German), progress).unwrap();
    let kind = |result: &Result<()>| result.as_ref().err().map(Error::kind);
    assert!(ended.len() >= 33 && ended.iter().all(|result| kind(result) == Some(ErrorKind::Reentrant)));
    // Where there is as much in memory as is sealed otherwise, nobody may commit any more.
    assert!(added.iter().all(|result| [None, Some(ErrorKind::Reentrant)].contains(&kind(result))));
    assert_eq!((kind(&added[0]), kind(&added[added.len() - 1])), (None, Some(ErrorKind::Reentrant)));
    let committed = added.iter().filter(|result| result.is_ok()).count() as u64;
    assert_eq!(artifact.len(), 450 + committed);
    for result in maintained(&artifact, &temp.path().join("pack")) {
        assert_ne!(kind(&result), Some(ErrorKind::Reentrant), "nothing is held");
    }
}

#[test]
fn a_batch_writer_that_progress_ends_while_nobody_may_commit_does_not_wait_for_its_thread() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = added(options().memory_limit(8 << 20), &temp.path().join("a"));
    let large: Vec<u8> =
        (0..1_u64 << 20).flat_map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).to_le_bytes()).collect();
    let interval = Duration::from_millis(1);
    let mut writer = Some(artifact.batch_writer(BatchOptions::new().flush_interval(interval)).unwrap());
    let mut ended = None;
    let progress = |_: &ReindexReport| {
        let may_commit = artifact.add(Record::blob(large.clone())).is_ok();
        if let Some(writer) = writer.take_if(|_| !may_commit) {
            writer.add(Record::text("Wal").key("wal")).unwrap();
            std::thread::sleep(interval * 50); // its thread waits for the commit lock now
            ended = Some(writer.finish().map_err(|e| e.kind()));
        }
        ControlFlow::Continue(())
    };
    artifact.set_text_options_with(TextOptions::new().language(Language::German), progress).unwrap();
    assert_eq!(ended, Some(Err(ErrorKind::Reentrant)));
    let begun = std::time::Instant::now();
    while artifact.id_of_key("wal").unwrap().is_none() {
        assert!(begun.elapsed().as_secs() < 60, "what its thread was committing is committed");
        std::thread::sleep(interval);
    }
}

#[test]
fn a_limit_on_memory_makes_several_indexes_of_one_and_finds_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let long = |i: usize| {
        let words = (0..3_000).map(|j| format!("w{:x}s", (i * 7_919 + j * 104_729) % 1_000_003));
        Record::text(words.collect::<Vec<_>>().join(" ")).key(i.to_string())
    };
    let path = temp.path().join("a");
    let artifact = Options::new().maintenance(Maintenance::Manual).create(&path).unwrap();
    for first in (0..600).step_by(100) {
        artifact.add_batch((first..first + 100).map(long)).unwrap();
    }
    artifact.seal().unwrap();
    artifact.delete_key("77").unwrap();
    artifact.close().unwrap();
    let limited = Options::new().maintenance(Maintenance::Manual).memory_limit(8 << 20);
    let artifact = limited.open(&path).unwrap();
    let report = artifact.set_language(Language::German).unwrap();
    assert!(report.shards > 1, "{report:?}");
    let oracle = Options::new().language(Language::German).create(temp.path().join("oracle")).unwrap();
    oracle.add_batch((0..600).filter(|&i| i != 77).map(long)).unwrap();
    for i in [0, 76, 77, 78, 255, 256, 300, 599] {
        let word = format!("w{:x}s", (i * 7_919 + 5 * 104_729) % 1_000_003);
        let ask = |artifact| found(artifact, Query::words(&word), true);
        assert_eq!(ask(&artifact), ask(&oracle), "{i}");
    }
    assert_eq!(artifact.len(), 599);
    artifact.close().unwrap();
    assert!(verify(&path, VerifyLevel::Decode).unwrap().is_sound());
}

#[test]
fn a_record_that_is_damaged_is_counted_and_all_others_are_found() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = Options::new().compression(Compression::None).block_len(512).create(&path).unwrap();
    let text = |i: usize| format!("Häuser number{i} {}", "x".repeat(400));
    artifact.add_batch((0..40).map(|i| Record::text(text(i)))).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    let segment = std::fs::read_dir(&path)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|file| std::fs::read(file).unwrap().windows(9).any(|bytes| bytes == b"number17 "));
    let segment = segment.unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(9).position(|bytes| bytes == b"number17 ").unwrap();
    bytes[at + 50] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let artifact = CompactArtifact::open(&path).unwrap();
    let report = artifact.set_language(Language::German).unwrap();
    assert_eq!(report.damaged, 1);
    assert_eq!(artifact_search(&artifact, Query::words("Haus").k(100)).len(), 39);
    assert_eq!(artifact.len(), 40, "it is still there, to be deleted or salvaged");
}

#[test]
fn a_reader_cannot_change_the_language() {
    let temp = tempfile::tempdir().unwrap();
    filled(options(), &temp.path().join("a")).close().unwrap();
    let reader = CompactArtifact::open_read_only(temp.path().join("a")).unwrap();
    assert_eq!(reader.set_language(Language::German).unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn a_reader_that_saw_what_was_committed_meanwhile_sees_it_by_the_new_words() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = added(options(), &path);
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    let mut calls = 0;
    let options = TextOptions::new().language(Language::German);
    let report = artifact.set_text_options_with(options, |_| {
        artifact.add(Record::text("alte Häuser").key(format!("late {calls}"))).unwrap();
        assert!(reader.refresh().unwrap());
        calls += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().left, 0);
    assert!(reader.refresh().unwrap());
    let late = |artifact: &CompactArtifact| {
        let keys = found(artifact, Query::words("Haus"), false).into_iter().map(|(key, _)| key);
        keys.filter(|key| key.starts_with("late")).count()
    };
    assert_eq!((late(&artifact), late(&reader)), (calls, calls));
}

#[test]
fn neighbours_that_are_stored_stay_right() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(options().precompute_similar(5), &temp.path().join("a"));
    artifact.seal().unwrap();
    let id = artifact.id_of_key("101").unwrap().unwrap();
    let query = || Query::similar_to("v", id).k(5).explain(true);
    let before = artifact.search(&query()).unwrap();
    artifact.set_language(Language::German).unwrap();
    let after = artifact.search(&query()).unwrap();
    let hits = |results: &SearchResults| results.hits.iter().map(|hit| hit.id).collect::<Vec<_>>();
    assert_eq!(hits(&before), hits(&after));
    assert_eq!(before.explain.unwrap().lists[0].stored, after.explain.unwrap().lists[0].stored);
}
