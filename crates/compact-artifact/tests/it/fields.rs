//! Texts in fields beside the content: found together with it and alone, kept through everything.

use std::sync::mpsc;
use std::time::Duration;

use compact_artifact::{
    CompactArtifact, ErrorKind, Hit, MAX_FIELDS_LEN, MAX_TEXT_LEN, Options, Query, Record, RecordId,
};

use crate::toy::CallsBack;

fn found(artifact: &CompactArtifact, query: &str) -> Vec<u64> {
    let query = Query::parse(query).unwrap().k(100);
    artifact.search(&query).unwrap().hits.iter().map(|hit| hit.id.0).collect()
}

fn records() -> Vec<Record> {
    vec![
        Record::text("a story of two cats").field("title", "The Dogs of War"),
        Record::text("a dog in a text on cats and mice"),
        Record::blob([0xff, 0, 1]).field("title", "Picture of a whale"),
        Record::text("nothing here").field("title", "Other").field("author", "Dog, John"),
    ]
}

fn check(artifact: &CompactArtifact) {
    assert_eq!(found(artifact, "title:dog"), [0]);
    assert_eq!(found(artifact, "author:john"), [3]);
    assert_eq!(found(artifact, "whale"), [2], "a blob is found by its title");
    assert_eq!(found(artifact, "text:whale"), [2], "`text` is the content and all fields together");
    assert_eq!(found(artifact, "title:\"dogs of war\""), [0]);
    assert_eq!(found(artifact, "\"war story\""), [0; 0], "no phrase spans title and content");
    assert_eq!(found(artifact, "title:(whale OR war) -picture"), [0]);
    assert_eq!(found(artifact, "+cat -title:dog"), [1]);
    let mut all = found(artifact, "dog");
    assert_eq!(all[0], 0, "a word of the title counts twice");
    all.sort_unstable();
    assert_eq!(all, [0, 1, 3]);
    let entry = artifact.get(RecordId(3)).unwrap().unwrap();
    assert_eq!(entry.text().unwrap(), "nothing here");
    assert_eq!(entry.field("author").unwrap().as_deref(), Some("Dog, John"));
    assert_eq!(entry.fields().unwrap().len(), 2);
    assert_eq!(artifact.get(RecordId(1)).unwrap().unwrap().field("title").unwrap(), None);
    assert_eq!(artifact.get(RecordId(2)).unwrap().unwrap().bytes().unwrap()[..], [0xff, 0, 1]);
    let shown = artifact.search(&Query::words("war").snippet(40)).unwrap();
    let snippet = shown.hits[0].snippet.as_ref().unwrap();
    assert_eq!((snippet.field.as_deref(), snippet.text.as_str()), (Some("title"), "The Dogs of War"));
    let shown = artifact.search(&Query::words("cats").snippet(40)).unwrap();
    assert!(shown.hits.iter().all(|hit| hit.snippet.as_ref().unwrap().field.is_none()));
    // What is asked of one field is shown in that alone.
    let shown = |query: &str| -> Vec<(Option<String>, Vec<String>)> {
        let hits = artifact.search(&Query::parse(query).unwrap().snippet(40)).unwrap().hits;
        let shown = |hit: Hit| {
            let snippet = hit.snippet.unwrap();
            let highlights = snippet.highlights.iter().map(|range| snippet.text[range.clone()].to_owned());
            (snippet.field, highlights.collect())
        };
        hits.into_iter().map(shown).collect()
    };
    assert_eq!(shown("author:john -title:dog +nothing"), [(None, vec!["nothing".to_owned()])]);
    assert_eq!(shown("author:(nothing OR dog)"), [(Some("author".to_owned()), vec!["Dog".to_owned()])]);
}

#[test]
fn a_field_is_dropped_where_no_record_has_it_and_none_that_was_added_after_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = CompactArtifact::create(&path).unwrap();
    artifact.add_batch(records().into_iter().take(3)).unwrap();
    artifact.seal().unwrap();
    for name in ["unused", "author", "last"] {
        artifact.add_field(name, 1).unwrap();
    }
    artifact.drop_field("unused").unwrap();
    assert_eq!(artifact.drop_field("unused").unwrap_err().kind(), ErrorKind::NoSuchField);
    artifact.add_batch(records().into_iter().skip(3)).unwrap();
    for _ in 0..2 {
        for name in ["title", "author"] {
            assert_eq!(artifact.drop_field(name).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        artifact.seal().unwrap();
    }
    artifact.drop_field("last").unwrap();
    artifact.close().unwrap();
    let artifact = CompactArtifact::open(&path).unwrap();
    assert_eq!(artifact.fields(), [("title".to_owned(), 2), ("author".to_owned(), 1)]);
    check(&artifact);
}

/// Bytes that are read until a test says so.
struct Waits(mpsc::Sender<()>, mpsc::Receiver<()>);

impl std::io::Read for Waits {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.0.send(()).unwrap();
        let _ = self.1.recv();
        Ok(0)
    }
}

#[test]
fn a_field_that_is_dropped_under_a_commit_is_the_error_of_that_commit_alone() {
    let temp = tempfile::tempdir().unwrap();
    let embedder = CallsBack::new("calls back");
    let options = CompactArtifact::options().field("abstract", 2).embedder(embedder.clone());
    let artifact = options.create(temp.path().join("a")).unwrap();
    let (begun, begins) = mpsc::channel();
    let (end, ends) = mpsc::channel();
    std::thread::scope(|threads| {
        // When its text was prepared, the field goes; then a blob keeps all commits waiting, so that they are made together.
        let (theirs, blob) = (artifact.clone(), artifact.clone());
        embedder.calls_once(move || {
            theirs.drop_field("abstract").unwrap();
            std::thread::spawn(move || blob.add_reader(Record::blob([]), Waits(begun, ends)).unwrap());
            begins.recv().unwrap();
        });
        let field =
            threads.spawn(|| artifact.add(Record::text("a text").field("abstract", "of a few words")));
        let others: Vec<_> = (0..4)
            .map(|n| (n, &artifact))
            .map(|(n, artifact)| {
                threads.spawn(move || {
                    std::thread::sleep(Duration::from_millis(50 + 20 * n));
                    artifact.add_text("another")
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        end.send(()).unwrap();
        assert_eq!(field.join().unwrap().unwrap_err().kind(), ErrorKind::NoSuchField);
        for other in others {
            other.join().unwrap().unwrap();
        }
    });
    artifact.seal().unwrap();
    assert_eq!(artifact.len(), 5);
}

#[test]
fn a_field_can_be_added_to_an_artifact_that_is_open() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = CompactArtifact::create(&path).unwrap();
    artifact.add_batch(records().into_iter().take(3)).unwrap();
    artifact.seal().unwrap();
    assert_eq!(artifact.fields(), [("title".to_owned(), 2)]);
    for _ in 0..2 {
        artifact.add_field("author", 1).unwrap();
    }
    artifact.add_batch(records().into_iter().skip(3)).unwrap();
    check(&artifact);
    let error = artifact.add_field("author", 2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SettingsMismatch);
    assert_eq!(artifact.add_field("", 1).unwrap_err().kind(), ErrorKind::InvalidArgument);
    artifact.close().unwrap();
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    check(&reader);
    assert_eq!(reader.fields(), [("title".to_owned(), 2), ("author".to_owned(), 1)]);
    assert_eq!(reader.add_field("more", 1).unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn fields_are_found_together_and_alone_in_the_log_sealed_reopened_merged_and_packed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = Options::new().field("author", 1).create(&path).unwrap();
    artifact.add_batch(records()).unwrap();
    check(&artifact);
    drop(artifact); // not closed: recovery indexes the log
    let artifact = CompactArtifact::open(&path).unwrap();
    check(&artifact);
    artifact.seal().unwrap();
    check(&artifact);
    artifact.add_text("a plain one without any field").unwrap();
    artifact.seal().unwrap();
    check(&artifact);
    artifact.compact(usize::MAX).unwrap();
    check(&artifact);
    artifact.pack(temp.path().join("a.pack")).unwrap();
    check(&CompactArtifact::open_read_only(temp.path().join("a.pack")).unwrap());
    artifact.close().unwrap();
    check(&CompactArtifact::open_read_only(&path).unwrap());
}

#[test]
fn an_artifact_without_texts_in_fields_takes_a_query_of_one() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    assert_eq!(found(&artifact, "title:dog dog"), [0; 0]);
    artifact.add_text("a dog").unwrap();
    assert_eq!(found(&artifact, "title:dog"), [0; 0]);
    assert_eq!(found(&artifact, "title:cat dog text:dog"), [0]);
    let unknown = artifact.search(&Query::parse("subject:dog").unwrap()).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidQuery);
    assert!(unknown.to_string().contains("the fields are text, title"), "{unknown}");
}

#[test]
fn fields_that_cannot_be_are_refused_and_nothing_is_added() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let refused = [
        (Record::text("x").field("subject", "y"), ErrorKind::NoSuchField),
        (Record::text("x").field("text", "y"), ErrorKind::NoSuchField),
        (Record::text("x").field("title", "y").field("title", "z"), ErrorKind::InvalidArgument),
        (Record::text("x").field("title", "y".repeat(MAX_FIELDS_LEN)), ErrorKind::TooLarge),
        (Record::text("x".repeat(MAX_TEXT_LEN)).field("title", "y"), ErrorKind::TooLarge),
    ];
    for (record, kind) in refused {
        assert_eq!(artifact.add(record).unwrap_err().kind(), kind);
    }
    assert_eq!(artifact.len(), 0);
    artifact.add(Record::text("").field("title", "")).unwrap();
}

#[test]
fn the_weight_of_a_field_is_kept_and_another_one_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    for weight in [0, 11] {
        let refused = Options::new().field("title", weight).create(&path).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    }
    let heavy = Options::new().field("title", 10).create(&path).unwrap();
    let often = format!("{} {}", "cat ".repeat(4), "dog ".repeat(40));
    heavy.add_batch([Record::text(often), Record::text("dog ".repeat(40)).field("title", "cat")]).unwrap();
    assert_eq!(found(&heavy, "cat"), [1, 0]);
    heavy.close().unwrap();
    let refused = Options::new().field("title", 2).open(&path).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SettingsMismatch);
    let reopened = Options::new().field("title", 10).field("author", 3).open(&path).unwrap();
    reopened.add(Record::text("x").field("author", "cat")).unwrap();
    assert_eq!(found(&reopened, "author:cat"), [2]);
    reopened.close().unwrap();
    assert_eq!(found(&CompactArtifact::open_read_only(&path).unwrap(), "author:cat"), [2]);
}

#[test]
fn a_word_that_comes_twice_needs_two_places_in_the_title_or_in_the_content() {
    let temp = tempfile::tempdir().unwrap();
    for weight in [1, 2, 10] {
        let path = temp.path().join(weight.to_string());
        let artifact = Options::new().field("title", weight).create(path).unwrap();
        artifact.add(Record::text("dog").field("title", "cat")).unwrap();
        artifact.add(Record::text("dog").field("title", "cat and cat")).unwrap();
        artifact.add(Record::text("a cat, a dog, a cat")).unwrap();
        for _ in 0..2 {
            for slop in [3, 100] {
                let mut twice = found(&artifact, &format!("\"cat cat\"~{slop}"));
                twice.sort_unstable();
                assert_eq!(twice, [1, 2]);
                assert_eq!(
                    found(&artifact, &format!("\"cat dog\"~{slop}")),
                    [2],
                    "no title is near its text"
                );
            }
            artifact.seal().unwrap();
        }
    }
}
