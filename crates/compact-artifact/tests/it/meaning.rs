//! Texts that are embedded as they are added, and searched by meaning.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use compact_artifact::*;
use serde_json::json;

use crate::toy::{CallsBack, Toy, Weighty};

pub(crate) fn keys(artifact: &CompactArtifact, query: &Query) -> Vec<String> {
    let hits = artifact.search(&query.clone().fetch(true)).unwrap().hits;
    hits.iter().map(|hit| hit.record.as_ref().unwrap().key().unwrap().unwrap()).collect()
}

pub(crate) fn filled(path: &std::path::Path, embedder: Arc<Toy>) -> CompactArtifact {
    let artifact = CompactArtifact::options().embedder(embedder).create(path).unwrap();
    artifact
        .add_batch([
            Record::text("claustrophobic dread of a narrow chamber").key("dread"),
            Record::text("a feline").key("feline"),
            Record::text("the ruler of an ocean").key("ruler"),
            Record::text("nothing of this is known, and 17").key("unknown"),
            Record::blob([1, 2, 3]).key("blob"),
        ])
        .unwrap();
    artifact
}

#[test]
fn what_means_the_same_is_found_without_a_word_in_common_in_every_state_of_an_artifact() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = filled(&path, Toy::new("toy"));
    let ask = |artifact: &CompactArtifact, when: &str| {
        let fear = Query::meaning("fear of small rooms: a small room").k(1);
        assert_eq!(keys(artifact, &fear), ["dread"], "{when}");
        assert_eq!(keys(artifact, &Query::meaning("the king of the sea").k(1)), ["ruler"], "{when}");
        assert_eq!(keys(artifact, &Query::text("cat").k(1)), ["feline"], "{when}");
        // Of two that are alike by meaning alone, words decide as well.
        assert_eq!(keys(artifact, &Query::text("feline").k(1)), ["feline"], "{when}");
        assert_eq!(keys(artifact, &Query::words("fear small room")), [""; 0], "{when}");
        // In what the model does not know, only words are found.
        assert_eq!(keys(artifact, &Query::text("known 17")), ["unknown"], "{when}");
        assert_eq!(keys(artifact, &Query::meaning("known 17")), [""; 0], "{when}");
        assert_eq!(keys(artifact, &Query::meaning("")), [""; 0], "{when}");
    };
    ask(&artifact, "in the tail");
    artifact.seal().unwrap();
    ask(&artifact, "sealed");
    artifact.upsert(Record::text("a tiny cat").key("feline")).unwrap();
    assert_eq!(keys(&artifact, &Query::meaning("narrow").k(2)), ["feline", "dread"]);
    artifact.upsert(Record::text("a cat").key("feline")).unwrap();
    ask(&artifact, "after upserts");
    drop(artifact);
    let open = || CompactArtifact::options().embedder(Toy::new("toy"));
    let artifact = open().open(&path).unwrap();
    ask(&artifact, "recovered");
    artifact.compact(64 << 20).unwrap();
    ask(&artifact, "compacted");
    let pack = temp.path().join("a.pack");
    artifact.pack(&pack).unwrap();
    artifact.close().unwrap();
    ask(&open().open_read_only(&path).unwrap(), "read only");
    ask(&open().open_read_only(&pack).unwrap(), "packed");
}

#[test]
fn a_batch_writer_embeds_what_it_commits() {
    let temp = tempfile::tempdir().unwrap();
    let toy = Toy::new("toy");
    let artifact = CompactArtifact::options().embedder(toy.clone()).create(temp.path().join("a")).unwrap();
    let writer = artifact.batch_writer(BatchOptions::new().batch_size(300)).unwrap();
    let texts = ["a cat", "the king", "the sea", "a small room", "unknown"];
    for (i, text) in (0..1_000).zip(texts.iter().cycle()) {
        writer.upsert(Record::text(format!("{text} {i}")).key(format!("{}", i % 700))).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(artifact.len(), 700);
    let spaces = artifact.stats().spaces;
    assert_eq!((spaces.len(), spaces[0].name.as_str()), (1, "meaning"));
    let live = artifact.search(&Query::meaning("feline").k(140)).unwrap().hits;
    assert!(live.len() == 140 && live.iter().all(|hit| hit.score > 0.99), "{live:?}");
    // Four threads' worth at a time, not one call for each text.
    assert!(toy.calls.load(Ordering::Relaxed) <= 1_000 / 32, "{toy:?}");
}

#[test]
fn another_model_is_an_error_that_names_both_and_without_one_words_and_vectors_still_work() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    filled(&path, Toy::new("first")).close().unwrap();
    for open in [Options::open, Options::open_read_only] {
        let error = open(CompactArtifact::options().embedder(Toy::new("second")), &path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ModelMismatch);
        assert!(
            error.to_string().contains("\"first\"") && error.to_string().contains("\"second\""),
            "{error}"
        );
    }
    let same_name =
        CompactArtifact::options().embedder(Toy::of_dimension("first", 5)).open(&path).unwrap_err();
    assert_eq!(same_name.kind(), ErrorKind::ModelMismatch);

    let artifact = CompactArtifact::open(&path).unwrap();
    assert_eq!(keys(&artifact, &Query::words("feline")), ["feline"]);
    let given = Query::vector("meaning", [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]).k(1);
    assert_eq!(keys(&artifact, &given), ["feline"]);
    let error = artifact.search(&Query::text("feline")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoModel);
    assert!(error.to_string().contains("\"first\"") && error.to_string().contains("embedder"), "{error}");
    assert_eq!(artifact.embed(&["cat"]).unwrap_err().kind(), ErrorKind::NoModel);
    // What is added meanwhile has no embedding until somebody gives it one.
    let id = artifact.add(Record::text("a small cat").key("late")).unwrap();
    assert_eq!(artifact.snapshot().embedding(id, "meaning").unwrap(), None);
    artifact.close().unwrap();
    let artifact = CompactArtifact::options().embedder(Toy::new("first")).open(&path).unwrap();
    let report = artifact.reembed(Toy::new("first")).unwrap();
    assert_eq!((report.embedded, report.without), (1, 1));
    assert_eq!(keys(&artifact, &Query::meaning("tiny cat").k(1)), ["late"]);

    let plain = CompactArtifact::create(temp.path().join("plain")).unwrap();
    plain.add_text("a cat").unwrap();
    let error = plain.search(&Query::text("cat")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoModel);
    plain.close().unwrap();
}

#[test]
fn a_reader_with_an_embedder_reads_artifacts_without_a_model_by_words() {
    let temp = tempfile::tempdir().unwrap();
    let (path, pack) = (temp.path().join("plain"), temp.path().join("plain.cart"));
    let plain =
        CompactArtifact::options().space("v", SpaceOptions::new(2, Metric::L2)).create(&path).unwrap();
    plain.add(Record::text("a cat").key("cat").embedding("v", [1.0, 0.0])).unwrap();
    plain.pack(&pack).unwrap();
    plain.close().unwrap();
    for at in [&path, &pack] {
        let reader = CompactArtifact::options().embedder(Toy::new("first")).open_read_only(at).unwrap();
        assert_eq!(keys(&reader, &Query::words("cat")), ["cat"]);
        assert_eq!(keys(&reader, &Query::vector("v", [1.0, 0.0])), ["cat"]);
        assert!(reader.spaces().iter().all(|space| space.name() == "v"));
        for query in [Query::text("cat"), Query::meaning("cat")] {
            let error = reader.search(&query).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NoModel);
            assert!(error.to_string().contains("not embedded"), "{error}");
        }
    }
}

#[test]
fn an_embedder_that_fails_fails_its_own_batch_and_nothing_of_it_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let toy = Toy::new("toy");
    let artifact = filled(&temp.path().join("a"), toy.clone());
    toy.fails.store(true, Ordering::Relaxed);
    let error = artifact.add_batch([Record::blob([1]), Record::text("a new cat")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Embedder);
    assert!(error.to_string().contains("out of order"), "{error}");
    assert_eq!(artifact.len(), 5);
    assert_eq!(artifact.search(&Query::meaning("a new sea")).unwrap_err().kind(), ErrorKind::Embedder);
    // A blob has no text to embed, and what is kept needs no embedder.
    artifact.add_blob(&[2]).unwrap();
    artifact.upsert(Record::text("a feline").key("feline")).unwrap();
    toy.fails.store(false, Ordering::Relaxed);
    assert_eq!(keys(&artifact, &Query::meaning("cat").k(1)), ["feline"]);
}

#[test]
fn a_text_that_comes_again_is_not_embedded_again_and_the_cache_keeps_to_its_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let toy = Toy::new("toy");
    let options = CompactArtifact::options().embedder(toy.clone()).embedding_cache_bytes(20_000);
    let artifact = options.create(temp.path().join("a")).unwrap();
    for _ in 0..3 {
        artifact.add_text("a cat by the sea").unwrap();
        artifact.search(&Query::meaning("a cat by the sea").k(1)).unwrap();
    }
    // Once as a document, once as a query.
    assert_eq!(toy.texts.load(Ordering::Relaxed), 2);
    for i in 0..2_000 {
        artifact.add_text(&format!("cat {i}")).unwrap();
        assert!(artifact.memory_stats().embedding_cache_bytes <= 20_000);
    }
    assert!(artifact.memory_stats().embedding_cache_bytes > 5_000);
    artifact.release_memory();
    assert_eq!(artifact.memory_stats().embedding_cache_bytes, 0);
    assert_eq!(artifact.embed(&["cat", "?"]).unwrap(), [Some(vec![0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), None]);
}

#[test]
fn a_record_that_is_given_an_embedding_keeps_it() {
    let temp = tempfile::tempdir().unwrap();
    let artifact =
        CompactArtifact::options().embedder(Toy::new("toy")).create(temp.path().join("a")).unwrap();
    let sea = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    artifact.add(Record::text("a cat").key("given").embedding("meaning", sea)).unwrap();
    artifact.add(Record::text("a cat").key("made").metadata(json!({"year": 1}))).unwrap();
    assert_eq!(keys(&artifact, &Query::meaning("ocean").k(1)), ["given"]);
    assert_eq!(keys(&artifact, &Query::meaning("cat").k(1)), ["made"]);
    let taken = CompactArtifact::options()
        .space("meaning", SpaceOptions::new(3, Metric::Cosine))
        .embedder(Toy::new("toy"))
        .create(temp.path().join("b"));
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::SpaceMismatch);
    assert!(!temp.path().join("b").exists());
}

#[test]
fn a_title_is_a_part_of_what_a_text_means() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = CompactArtifact::create(&path).unwrap();
    artifact.add(Record::text("about 17").field("title", "a cat").key("titled")).unwrap();
    artifact.reembed(Toy::new("toy")).unwrap();
    assert_eq!(keys(&artifact, &Query::meaning("feline")), ["titled"]);
    artifact.add(Record::text("about 18").field("title", "the sea").key("later")).unwrap();
    assert_eq!(keys(&artifact, &Query::meaning("ocean").k(1)), ["later"]);
}

#[test]
fn an_upsert_of_other_content_loses_no_vector_that_was_given_for_a_blob_in_the_space_of_texts() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::options()
        .embedder(Toy::of_dimension("toy", 2))
        .create(temp.path().join("a"))
        .unwrap();
    let given = |content: &[u8]| Record::blob(content).key("a").embedding("meaning", [0.6, 0.8]);
    let plain = |content: &[u8]| Record::blob(content).key("a");
    let refused = |error: Error| assert_eq!(error.kind(), ErrorKind::WouldLoseEmbedding, "{error}");
    artifact.upsert(given(b"one")).unwrap();
    for _ in ["in the tail", "sealed"] {
        refused(artifact.upsert(plain(b"two")).unwrap_err());
        refused(artifact.upsert(Record::text("17").key("a")).unwrap_err());
        artifact.seal().unwrap();
    }
    refused(artifact.write(Batch::new().upsert(given(b"two")).upsert(plain(b"three"))).unwrap_err());
    let id = artifact.upsert(plain(b"one")).unwrap();
    assert!(artifact.embedding(id, "meaning").unwrap().is_some(), "the same content keeps it");
    artifact.upsert(given(b"two")).unwrap();
    // A text has that of the model; one of a text goes with the text.
    let id = artifact.upsert(Record::text("a cat").key("a")).unwrap();
    assert!(artifact.embedding(id, "meaning").unwrap().is_some());
    let id = artifact.upsert(plain(b"three")).unwrap();
    assert_eq!(artifact.embedding(id, "meaning").unwrap(), None);
    artifact.upsert(given(b"four")).unwrap();
    artifact.write(Batch::new().delete_key("a").upsert(plain(b"five"))).unwrap();
}

#[test]
fn an_embedder_whose_weight_is_no_finite_number_of_0_or_more_is_refused_wherever_it_is_given() {
    let temp = tempfile::tempdir().unwrap();
    let embedder = |weight| Arc::new(Weighty(Mutex::new(weight)));
    let refused = |weight: f32, e: Error| {
        assert_eq!(e.kind(), ErrorKind::Embedder);
        assert!(e.to_string().contains(&format!("a weight of {weight}; expected 0 or more")), "{e}");
    };
    let good = embedder(0.0);
    let options = CompactArtifact::options().embedder(good.clone()).result_cache_bytes(0);
    let artifact = options.create(temp.path().join("a")).unwrap();
    artifact.add_text("a cat").unwrap();
    let query = Query::text("cat");
    for weight in [f32::NAN, -1.0, f32::INFINITY, f32::NEG_INFINITY] {
        let options = CompactArtifact::options().embedder(embedder(weight));
        refused(weight, options.clone().create(temp.path().join("b")).unwrap_err());
        assert!(!temp.path().join("b").exists());
        refused(weight, options.open_read_only(temp.path().join("a")).unwrap_err());
        refused(weight, artifact.reembed(embedder(weight)).unwrap_err());
        // One that was sound when it was given.
        *good.0.lock().unwrap() = weight;
        refused(weight, artifact.search(&query).unwrap_err());
        *good.0.lock().unwrap() = 0.0;
        assert_eq!(artifact.search(&query).unwrap().hits.len(), 1);
    }
}

#[test]
fn an_embedder_that_gives_other_than_one_vector_for_each_text_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let options = CompactArtifact::options().embedder(Arc::new(Weighty(Mutex::new(1.0))));
    let artifact = options.create(temp.path().join("a")).unwrap();
    assert_eq!(artifact.embed(&["a", "b"]).unwrap().len(), 2);
    let e = artifact.embed(&["a", "b", "too few"]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Embedder);
    assert!(e.to_string().contains("2 vectors for 3 texts"), "{e}");
}

/// Texts that are embedded by several threads.
#[test]
fn an_embedder_of_many_texts_that_calls_what_waits_for_it_gets_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let (embedder, other) = (CallsBack::new("calls back"), CallsBack::new("other"));
    let options = CompactArtifact::options().embedder(embedder.clone()).threads(2);
    let artifact = options.create(temp.path().join("a")).unwrap();
    let reentrant = |result: Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Reentrant);
    let writer = Arc::new(artifact.batch_writer(BatchOptions::new().batch_size(500)).unwrap());
    let theirs = Arc::clone(&writer);
    embedder.calls_once(move || reentrant(theirs.flush()));
    (0..500).try_for_each(|n| writer.add(Record::text(format!("text {n}")))).unwrap();
    assert_eq!(Arc::into_inner(writer).unwrap().finish().unwrap().records, 500);
    let (theirs, same) = (artifact.clone(), other.clone());
    other.calls_once(move || reentrant(theirs.reembed(same).map(drop)));
    assert_eq!(artifact.reembed(other).unwrap().embedded, 500);
}

#[test]
fn an_embedder_that_calls_what_waits_for_it_gets_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let (embedder, other) = (CallsBack::new("calls back"), CallsBack::new("other"));
    let options = CompactArtifact::options().embedder(embedder.clone());
    let artifact = options.create(temp.path().join("a")).unwrap();
    let reentrant = |result: Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Reentrant);
    let writer = Arc::new(artifact.batch_writer(BatchOptions::new().batch_size(1)).unwrap());
    let theirs = Arc::clone(&writer);
    embedder.calls_once(move || {
        reentrant(theirs.add(Record::text("another")));
        reentrant(theirs.flush());
    });
    writer.add(Record::text("a text")).unwrap();
    assert_eq!(Arc::into_inner(writer).unwrap().finish().unwrap().records, 1);
    let (theirs, same) = (artifact.clone(), other.clone());
    other.calls_once(move || reentrant(theirs.reembed(same).map(drop)));
    assert_eq!(artifact.reembed(other).unwrap().embedded, 1);
}

#[test]
fn an_embedder_that_panics_fails_its_batch_writer_and_nobody_waits_for_it() {
    let temp = tempfile::tempdir().unwrap();
    for by_timer in [false, true] {
        let embedder = CallsBack::new("panics");
        let options = CompactArtifact::options().embedder(embedder.clone());
        let artifact = options.create(temp.path().join(by_timer.to_string())).unwrap();
        let batches = BatchOptions::new().batch_size(if by_timer { 1_000 } else { 1 });
        let interval = Duration::from_millis(5);
        let writer =
            artifact.batch_writer(if by_timer { batches.flush_interval(interval) } else { batches }).unwrap();
        embedder.calls_once(|| {
            std::thread::sleep(Duration::from_millis(50));
            panic!("out of order");
        });
        let failed = |result: Result<()>| {
            let e = result.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Embedder, "{e}");
            assert!(e.to_string().contains("panicked"), "{e}");
        };
        if by_timer {
            writer.add(Record::text("first")).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        } else {
            std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(20));
                    // Its batch is behind the first.
                    writer.add(Record::text("second"))
                });
                let first = AssertUnwindSafe(|| writer.add(Record::text("first")));
                assert!(catch_unwind(first).is_err());
                drop(other.join().unwrap());
            });
        }
        failed(writer.add(Record::text("third")));
        failed(writer.flush());
        failed(writer.finish().map(drop));
        artifact.add_text("fourth").unwrap();
        artifact.close().unwrap();
    }
}
