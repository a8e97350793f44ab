//! An artifact that moves to another model.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use compact_artifact::*;

use crate::meaning::{filled, keys};
use crate::toy::*;

#[test]
fn what_was_embedded_by_the_old_model_and_is_committed_after_the_move_is_embedded_by_the_new_one() {
    let temp = tempfile::tempdir().unwrap();
    let (old, new) = (Toy::of_dimension("old", 2), Toy::new("new"));
    let artifact = CompactArtifact::options().embedder(old.clone()).create(temp.path().join("a")).unwrap();
    artifact.add(Record::text("a king").key("king")).unwrap();
    let calls = old.calls.load(Ordering::Relaxed);
    std::thread::scope(|threads| {
        let closed = old.gate.lock().unwrap();
        threads.spawn(|| artifact.add(Record::text("a slow cat").key("slow")).unwrap());
        while old.calls.load(Ordering::Relaxed) == calls {
            std::thread::yield_now();
        }
        artifact.reembed(new.clone()).unwrap();
        drop(closed);
    });
    assert_eq!(keys(&artifact, &Query::meaning("feline").k(1)), ["slow"]);
    assert_eq!(artifact.search(&Query::meaning("feline").k(5)).unwrap().hits.len(), 2);
}

#[test]
fn an_artifact_moves_to_another_model_beside_writers_and_goes_on_after_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let (old, new) = (Toy::of_dimension("old", 2), Toy::new("new"));
    let artifact = CompactArtifact::options().embedder(old).create(&path).unwrap();
    let word = |i: usize| GROUPS[i % GROUPS.len()][0];
    artifact
        .add_batch((0..3_000).map(|i| Record::text(format!("{} {i}", word(i))).key(i.to_string())))
        .unwrap();
    artifact.seal().unwrap();
    artifact
        .add_batch((3_000..3_100).map(|i| Record::text(format!("{} {i}", word(i))).key(i.to_string())))
        .unwrap();
    let before = artifact.snapshot();

    new.fails.store(true, Ordering::Relaxed);
    assert_eq!(artifact.reembed(new.clone()).unwrap_err().kind(), ErrorKind::Embedder);
    let searched = artifact.search(&Query::meaning("cat").k(3)).unwrap();
    assert_eq!(searched.hits.len(), 3, "with the old model");
    // What is added meanwhile does without the new model until it is called again.
    let added = artifact.add_text("cat").unwrap();
    artifact.delete(added).unwrap();
    new.fails.store(false, Ordering::Relaxed);

    let report = std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            for i in 3_100..3_300 {
                artifact.upsert(Record::text(format!("{} {i}", word(i))).key(i.to_string())).unwrap();
                if i % 3 == 0 {
                    artifact
                        .upsert(Record::text(format!("{} {i}", word(i))).key((i - 3_000).to_string()))
                        .unwrap();
                }
                if i % 5 == 0 {
                    artifact.delete_key(&(i - 2_000).to_string()).unwrap();
                }
            }
        });
        let report = artifact.reembed(new.clone()).unwrap();
        writer.join().unwrap();
        report
    });
    assert!(report.embedded >= 2_900 && report.without == 0, "{report:?}");
    let check = |artifact: &CompactArtifact, when: &str| {
        for group in GROUPS {
            let all = artifact.search(&Query::words(group[0]).k(4_000)).unwrap().hits;
            let query = Query::meaning(group[1]).k(all.len()).exact(true);
            let mut near = artifact.search(&query).unwrap().hits;
            assert!(near.iter().all(|hit| hit.score > 0.99), "{when}");
            near.sort_by_key(|hit| hit.id);
            let mut ids: Vec<_> = all.iter().map(|hit| hit.id).collect();
            ids.sort();
            assert_eq!(near.iter().map(|hit| hit.id).collect::<Vec<_>>(), ids, "{when} {}", group[0]);
        }
        let spaces = artifact.spaces();
        assert_eq!((spaces.len(), spaces[0].model().unwrap().id()), (1, "new"));
    };
    check(&artifact, "moved");
    assert_eq!(
        before.embedding(RecordId(1), "meaning").unwrap().unwrap().len(),
        2,
        "a snapshot is what it was"
    );
    drop(before);
    let bytes = artifact.stats().disk_bytes;
    artifact.seal().unwrap();
    artifact.compact(64 << 20).unwrap();
    assert!(artifact.stats().disk_bytes < bytes);
    check(&artifact, "compacted");
    drop(artifact);
    let old = CompactArtifact::options().embedder(Toy::of_dimension("old", 2)).open(&path).unwrap_err();
    assert_eq!(old.kind(), ErrorKind::ModelMismatch);
    let artifact = CompactArtifact::options().embedder(Toy::new("new")).open(&path).unwrap();
    check(&artifact, "opened again");
    assert_eq!(artifact.reembed(Toy::new("new")).unwrap(), ReembedReport::default());
    assert!(artifact.verify(VerifyLevel::Decode).unwrap().is_sound());
}

#[test]
fn moving_to_another_model_loses_no_vector_that_was_given_for_a_blob_unless_it_may_go() {
    let temp = tempfile::tempdir().unwrap();
    let (old, new) = (Toy::of_dimension("old", 2), Toy::new("new"));
    let artifact = CompactArtifact::options().embedder(old).create(temp.path().join("a")).unwrap();
    artifact.add(Record::text("a cat").key("text").embedding("meaning", [0.6, 0.8])).unwrap();
    let sealed = artifact.add(Record::blob(*b"picture").embedding("meaning", [0.8, 0.6])).unwrap();
    let plain = artifact.add(Record::blob(*b"no picture")).unwrap();
    artifact.seal().unwrap();
    artifact.add(Record::blob(*b"another").key("late").embedding("meaning", [0.8, 0.6])).unwrap();
    let refused = |result: Result<ReembedReport>, count: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldLoseEmbedding, "{error}");
        assert!(error.to_string().contains(count), "{error}");
        assert_eq!(artifact.spaces()[0].model().unwrap().id(), "old");
        assert!(artifact.embedding(sealed, "meaning").unwrap().is_some());
    };
    refused(
        artifact.reembed(new.clone()),
        &format!("for 2 records that are no texts, record {sealed} the first,"),
    );
    artifact.add_text("the sea").unwrap();
    assert_eq!(new.calls.load(Ordering::Relaxed), 0, "nothing was changed");

    // One that is given meanwhile is looked at, too.
    artifact.remove_embedding(sealed, "meaning").unwrap();
    artifact.delete_key("late").unwrap();
    let mut meanwhile = Some(|| artifact.add_embedding(plain, "meaning", &[0.6, 0.8]).unwrap());
    let moved = artifact.reembed_with(new.clone(), false, |report| {
        assert_eq!(report.given, 0);
        meanwhile.take().into_iter().for_each(|give| give());
        ControlFlow::Continue(())
    });
    let error = moved.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldLoseEmbedding, "{error}");
    assert!(artifact.embedding(plain, "meaning").unwrap().is_some());

    let report = artifact.reembed_with(new, true, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((report.given, report.left), (1, 0));
    assert_eq!(artifact.embedding(plain, "meaning").unwrap(), None);
    assert_eq!(artifact.spaces()[0].model().unwrap().id(), "new");
    artifact.add_embedding(plain, "meaning", &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]).unwrap();
    // The model that it has already takes no vector away.
    assert_eq!(artifact.reembed(Toy::new("new")).unwrap(), ReembedReport::default());
}

#[test]
fn texts_are_embedded_by_the_model_of_the_artifact_until_a_move_to_another_one_is_done() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::options()
        .embedder(Toy::of_dimension("old", 2))
        .create(temp.path().join("a"))
        .unwrap();
    let dimension = |artifact: &CompactArtifact| artifact.embed(&["cat"]).unwrap()[0].as_ref().unwrap().len();
    artifact.add_text("a cat").unwrap();
    artifact.reembed_with(Toy::new("new"), false, |_| ControlFlow::Break(())).unwrap();
    assert_eq!(dimension(&artifact), 2);
    artifact.reembed(Toy::new("new")).unwrap();
    assert_eq!(dimension(&artifact), 6);

    // A model that is refused is not at hand.
    let space = SpaceOptions::new(3, Metric::Cosine);
    let taken = CompactArtifact::options().space("meaning", space).create(temp.path().join("b")).unwrap();
    assert_eq!(taken.reembed(Toy::new("toy")).unwrap_err().kind(), ErrorKind::SpaceMismatch);
    assert_eq!(taken.embed(&["cat"]).unwrap_err().kind(), ErrorKind::NoModel);
}

#[test]
fn after_a_move_to_a_model_that_fails_texts_are_added_as_before_and_another_call_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(&temp.path().join("a"), Toy::new("toy"));
    let failing = Toy::new("fails");
    failing.fails.store(true, Ordering::Relaxed);
    assert_eq!(artifact.reembed(failing.clone()).unwrap_err().kind(), ErrorKind::Embedder);
    artifact.add(Record::text("a tiny cat").key("later")).unwrap();
    assert_eq!(keys(&artifact, &Query::meaning("feline").k(2)), ["feline", "later"]);
    failing.fails.store(false, Ordering::Relaxed);
    let report = artifact.reembed(failing).unwrap();
    assert_eq!((report.embedded, report.without, report.left), (4, 1, 0));
    assert_eq!(keys(&artifact, &Query::meaning("feline").k(2)), ["feline", "later"]);
}

#[test]
fn a_writer_whose_model_another_process_moved_away_from_adds_no_texts_without_embeddings() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let by_turns = |name| {
        let options = CompactArtifact::options().embedder(Toy::new(name));
        options.busy_timeout(Duration::from_mins(1)).idle_release(Duration::ZERO)
    };
    let one = by_turns("one").create(&path).unwrap();
    one.add(Record::text("a cat").key("1")).unwrap();
    let other = by_turns("one").open(&path).unwrap();
    other.reembed(Toy::new("two")).unwrap();
    let e = one.add(Record::text("a feline").key("2")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::ModelMismatch, "{e}");
    assert_eq!((one.len(), keys(&other, &Query::meaning("cat").k(9))), (1, vec!["1".to_owned()]));
    one.add(Record::blob([1]).key("3")).unwrap();
    other.add(Record::text("a feline").key("2")).unwrap();
    assert_eq!(keys(&other, &Query::meaning("cat").k(9)).len(), 2);
}
