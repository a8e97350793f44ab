//! The examples do what they say.

use std::error::Error;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use compact_artifact::CompactArtifact;

type Result = std::result::Result<(), Box<dyn Error>>;

#[path = "../../examples/agent_memory.rs"]
#[expect(dead_code, reason = "`main` is for `cargo run`")]
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
#[path = "../../examples/notes_search.rs"]
#[expect(dead_code, reason = "`main` is for `cargo run`")]
mod notes_search;
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

/// What runs a test of this program as another process, with something in its environment.
fn this_test(name: &str, variable: &str, value: impl AsRef<OsStr>) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", name, "--nocapture"]).env(variable, value);
    Ok(command)
}

/// Where an agent remembers, and what it is called, if this process is that agent.
const MEMORY: &str = "COMPACT_ARTIFACT_MEMORY";
const AGENT: &str = "COMPACT_ARTIFACT_AGENT";

#[test]
fn agents_share_a_memory_in_which_what_is_over_is_not_found() -> Result {
    if let (Some(path), Ok(name)) = (std::env::var_os(MEMORY), std::env::var(AGENT)) {
        return agent_memory::agent(Path::new(&path), &name);
    }
    let temp = tempfile::tempdir()?;
    let path = temp.path().join("memory.artifact");
    let this = "examples::agents_share_a_memory_in_which_what_is_over_is_not_found";
    let (len, first) = agent_memory::run(&path, |path, name| {
        let mut command = this_test(this, MEMORY, path).expect("a program has a path");
        command.env(AGENT, name);
        command
    })?;
    assert_eq!(len, 4 * 25 + 1, "what is not over, and the fact");
    assert!(first.contains("heron"), "{first}");
    let artifact = CompactArtifact::open_read_only(&path)?;
    let fact = artifact.get_by_key("home")?.expect("it is known");
    assert_eq!(fact.metadata()?["sure"], true);
    Ok(())
}

#[test]
fn notes_are_kept_up_to_date_and_found_by_what_they_mean() -> Result {
    let temp = tempfile::tempdir()?;
    let note = |name: &str, text: &str| std::fs::write(temp.path().join(name), text);
    note("boat.txt", "The sail is torn.\n\nThe mast needs paint.")?;
    note("dog.md", "Rex ate the sandwich.\n\nRex needs a walk, he is a restless puppy.")?;
    note("picture.png", "not a note")?;
    let notes = notes_search::open(&temp.path().join("a"))?;
    let changed = |new, changed, gone| notes_search::Files { new, changed, gone };
    assert_eq!(notes_search::sync(&notes, temp.path())?, changed(2, 0, 0));
    assert_eq!(notes_search::sync(&notes, temp.path())?, changed(0, 0, 0));
    let best = |text: &str| -> std::result::Result<Vec<String>, Box<dyn Error>> {
        let found = notes_search::search(&notes, text)?;
        Ok(found.hits.iter().map(|hit| hit.field("file").unwrap().as_str().unwrap().to_owned()).collect())
    };
    assert_eq!(best("a young hound")?[0], "dog.md", "no word is the same");
    assert_eq!(best("Rex")?.iter().filter(|file| *file == "dog.md").count(), 1, "a file is found once");

    note("boat.txt", "The boat was sold.")?;
    std::fs::remove_file(temp.path().join("dog.md"))?;
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options().write(true).open(temp.path().join("boat.txt"))?.set_modified(later)?;
    assert_eq!(notes_search::sync(&notes, temp.path())?, changed(0, 1, 1));
    let texts: compact_artifact::Result<Vec<_>> =
        notes.records().map(|note| Ok(note?.text()?.into_owned())).collect();
    assert_eq!(texts?, ["The boat was sold."]);
    Ok(())
}

#[test]
fn a_pack_is_searched_with_24_mib_of_address_space() -> Result {
    let program = std::env::current_exe()?;
    let examples = program.parent().and_then(Path::parent).expect("target/debug/deps").join("examples");
    let reader = examples.join("edge_reader");
    assert!(reader.is_file(), "{} is built by `cargo test` of all of a package", reader.display());
    let output = Command::new(reader).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("20000 parts; part 17: A zinc bracket of 17 mm for machine 17"), "{said}");
    assert!(said.contains("brass hinge of "), "{said}");
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
    let count = two_processes::run(temp.path(), |path| {
        let this = "examples::a_writer_that_is_killed_loses_nothing_that_it_said_was_kept";
        this_test(this, PATH_OF_WRITER, path).expect("a program has a path")
    })?;
    let artifact = CompactArtifact::open_read_only(temp.path().join("messages.artifact"))?;
    let texts: Vec<_> = artifact
        .records()
        .map(|entry| Ok(entry?.text()?.into_owned()))
        .collect::<compact_artifact::Result<_>>()?;
    assert_eq!(texts, (0..count).map(|number| format!("message {number}")).collect::<Vec<_>>());
    Ok(())
}
