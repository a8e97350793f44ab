//! The examples do what they say.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use compact_artifact::CompactArtifact;

type Result = std::result::Result<(), Box<dyn Error>>;

#[path = "../../examples/agent_memory.rs"]
#[expect(dead_code, reason = "`main` is for `cargo run`")]
#[expect(clippy::duplicate_mod, reason = "examples share the embedder")]
mod agent_memory;
#[path = "../../examples/batch_ingest.rs"]
#[expect(dead_code, reason = "`main` is for `cargo run`")]
mod batch_ingest;
#[path = "../../examples/embedded_artifact.rs"]
#[expect(dead_code, reason = "`main` is for `cargo run`")]
#[expect(clippy::duplicate_mod, reason = "examples share the embedder")]
mod embedded_artifact;
#[path = "../../examples/hybrid_search.rs"]
#[expect(dead_code, reason = "`main` is for `cargo run`")]
#[expect(clippy::duplicate_mod, reason = "examples share the embedder")]
mod hybrid_search;
#[path = "../../examples/quickstart.rs"]
#[expect(dead_code, reason = "`main` is for `cargo run`")]
mod quickstart;
#[path = "../../examples/two_processes.rs"]
#[expect(dead_code, reason = "`main` is for `cargo run`")]
mod two_processes;

#[test]
fn the_quickstart_finds_what_it_left() -> Result {
    let temp = tempfile::tempdir()?;
    let left = quickstart::run(temp.path())?;
    assert_eq!(left, ["New noise: the fridge hums at night.", "The boiler was repaired."]);
    Ok(())
}

#[test]
fn the_batch_ingest_keeps_every_record_in_few_commits() -> Result {
    let temp = tempfile::tempdir()?;
    let report = batch_ingest::run(temp.path(), 2_000)?;
    assert_eq!(report.records, 8_000);
    assert!((4..100).contains(&report.batches), "{report:?}");
    assert_eq!(CompactArtifact::open_read_only(temp.path().join("log.artifact"))?.len(), 8_000);
    Ok(())
}

#[test]
fn the_hybrid_search_puts_first_what_words_and_vectors_agree_on() -> Result {
    let temp = tempfile::tempdir()?;
    let [words, meaning, both] = hybrid_search::run(temp.path())?;
    assert_eq!(words, ["gazpacho", "tomato-soup", "tomato-tart"], "tomatoes are found by their stem");
    assert_eq!(meaning, words);
    assert_eq!(both, meaning);
    Ok(())
}

#[test]
fn the_agent_memory_forgets_what_is_old_and_returns_its_space() -> Result {
    let temp = tempfile::tempdir()?;
    let [before, after] = agent_memory::run(temp.path())?;
    assert_eq!((before.records, before.deleted), (339, 1_008));
    assert_eq!((after.records, after.deleted), (339, 0));
    assert!(after.disk_bytes < before.disk_bytes / 2, "{before:?} {after:?}");
    Ok(())
}

#[test]
fn the_embedded_artifact_is_searched_without_a_file_and_can_be_made_anew() -> Result {
    let found = embedded_artifact::run()?;
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found[0].contains("black") && found[3].starts_with("wading bird"), "{found:?}");

    let temp = tempfile::tempdir()?;
    embedded_artifact::make(&temp.path().join("words.pack"))?;
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/words.pack");
    assert!(committed.metadata()?.len() < 200_000);
    let texts = |pack: &Path| -> compact_artifact::Result<Vec<String>> {
        CompactArtifact::open_read_only(pack)?.records().map(|bird| Ok(bird?.text()?.into_owned())).collect()
    };
    assert_eq!(texts(&temp.path().join("words.pack"))?, texts(&committed)?);
    Ok(())
}

#[test]
#[ignore = "makes the pack of the example anew, when the format has changed"]
fn make_the_embedded_artifact() -> Result {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/words.pack");
    std::fs::remove_file(&committed)?;
    embedded_artifact::make(&committed)
}

/// Where the writer of the test below writes, if this process is that writer.
const PATH_OF_WRITER: &str = "COMPACT_ARTIFACT_PATH_OF_WRITER";

#[test]
fn a_writer_that_is_killed_loses_nothing_that_it_said_was_kept() -> Result {
    if let Some(path) = std::env::var_os(PATH_OF_WRITER) {
        return two_processes::write(Path::new(&path));
    }
    let temp = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let count = two_processes::run(temp.path(), |path| {
        let mut command = Command::new(&program);
        let this = "examples::a_writer_that_is_killed_loses_nothing_that_it_said_was_kept";
        command.args(["--exact", this, "--nocapture"]).env(PATH_OF_WRITER, path);
        command
    })?;
    let artifact = CompactArtifact::open_read_only(temp.path().join("messages.artifact"))?;
    let texts: Vec<_> = artifact
        .records()
        .map(|entry| Ok(entry?.text()?.into_owned()))
        .collect::<compact_artifact::Result<_>>()?;
    assert_eq!(texts, (0..count).map(|number| format!("message {number}")).collect::<Vec<_>>());
    Ok(())
}
