//! Stems, stop words, and texts of several languages, as a new artifact has them.

use compact_artifact::{CompactArtifact, ErrorKind, Language, Metric, Options, Query, Record, SpaceOptions};

const TEXTS: [&str; 6] = [
    "She connected the two wires",
    "To be, or not to be, that is the question",
    "The Who on tour",
    "l'avion et les mangées, Häuser und Straßen",
    "a plain text about nothing",
    "the of and a the of and a wires",
];

fn artifact(options: Options) -> (tempfile::TempDir, CompactArtifact) {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options.create(temp.path().join("a")).unwrap();
    artifact.add_batch(TEXTS.map(Record::text)).unwrap();
    (temp, artifact)
}

fn found(artifact: &CompactArtifact, query: Query) -> Vec<u64> {
    let mut ids: Vec<u64> = artifact.search(&query).unwrap().hits.iter().map(|hit| hit.id.0).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_new_artifact_finds_english_by_stems_and_other_languages_by_their_words() {
    let (temp, artifact) = artifact(Options::new());
    let check = |artifact: &CompactArtifact| {
        for words in ["connection", "CONNECTS", "the wiring of connections"] {
            assert!(found(artifact, Query::words(words)).contains(&0), "{words}");
        }
        for word in ["avion", "l'avion", "mangees", "Hauser", "Häuser", "STRASSEN"] {
            assert_eq!(found(artifact, Query::words(word)), [3], "{word}");
        }
        assert_eq!(found(artifact, Query::parse("connecti* tou* conection~").unwrap()), [0, 2]);
    };
    check(&artifact);
    artifact.seal().unwrap();
    check(&artifact);
    artifact.close().unwrap();
    check(&CompactArtifact::open_read_only(temp.path().join("a")).unwrap());
}

#[test]
fn stop_words_are_looked_for_only_where_a_query_needs_them() {
    let (temp, artifact) = artifact(Options::new());
    assert_eq!(found(&artifact, Query::words("what is the plain text")), [4]);
    assert_eq!(found(&artifact, Query::parse("\"to be or not to be\"").unwrap()), [1]);
    assert_eq!(found(&artifact, Query::parse("\"the who\"").unwrap()), [2]);
    assert!(found(&artifact, Query::words("The Who")).contains(&2));
    assert!(found(&artifact, Query::words("to be or not to be")).contains(&1));
    assert_eq!(found(&artifact, Query::parse("+the plain").unwrap()), [0, 1, 2, 5]);
    let shown = artifact.search(&Query::words("what is the question").snippet(80)).unwrap();
    let snippet = shown.hits[0].snippet.as_ref().unwrap();
    let highlights: Vec<&str> = snippet.highlights.iter().map(|range| &snippet.text[range.clone()]).collect();
    assert_eq!(highlights, ["question"]);
    artifact.close().unwrap();
    let with_all = Options::new().stop_words(false).open(temp.path().join("a")).unwrap();
    assert_eq!(found(&with_all, Query::words("what is the plain text")), [0, 1, 2, 4, 5]);
}

#[test]
fn without_a_language_words_are_as_they_are() {
    let (temp, artifact) = artifact(Options::new().no_language());
    assert_eq!(found(&artifact, Query::words("connection")), [0; 0]);
    assert_eq!(found(&artifact, Query::words("avion")), [3]);
    assert_eq!(found(&artifact, Query::words("the plain")), [0, 1, 2, 4, 5], "there are no stop words");
    artifact.close().unwrap();
    let refused = Options::new().language(Language::English).open(temp.path().join("a")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SettingsMismatch);
    Options::new().no_language().open(temp.path().join("a")).unwrap().close().unwrap();
}

#[test]
fn the_constants_of_bm25_rank_texts() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = Options::new().create(&path).unwrap();
    let long = format!("cat cat cat {}", "dog ".repeat(40));
    artifact.add_batch([Record::text("cat mouse"), Record::text(long)]).unwrap();
    artifact.close().unwrap();
    let first = |options: Options| {
        let artifact = options.open(&path).unwrap();
        artifact.search(&Query::words("cat")).unwrap().hits[0].id.0
    };
    assert_eq!(first(Options::new()), 0);
    assert_eq!(first(Options::new().bm25(1.4, 0.0)), 1, "length does not count");
}

#[test]
fn the_one_text_with_a_rare_word_is_first_beside_vectors() {
    let temp = tempfile::tempdir().unwrap();
    let space = SpaceOptions::new(2, Metric::Cosine);
    let artifact = Options::new().space("v", space).create(temp.path().join("a")).unwrap();
    let record = |i: u16| {
        let text = if i == 299 { "the XJ9000 of old".to_owned() } else { format!("text {i}") };
        Record::text(text).embedding("v", [1.0, f32::from(i) / 50.0])
    };
    let ids = artifact.add_batch((0..300).map(record)).unwrap();
    let hits = artifact.search(&Query::words("what is the XJ9000").and_vector("v", [1.0, 0.0])).unwrap().hits;
    assert_eq!(hits[0].id, ids[299]);
}
