//! A folder of notes that is kept up to date in an artifact, and searched by words and meaning, a page of files at a time.
//!
//! `cargo run --release -p compact-artifact --example notes_search -- FOLDER QUERY...`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use compact_artifact::{
    Batch, CompactArtifact, Facet, Filter, FilterValue, Query, Record, SearchResults, StaticEmbedder,
};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, words @ ..] = &args[..] else {
        return Err("expected a folder of notes, and a query".into());
    };
    let folder = Path::new(folder);
    let notes = open(&folder.join(".notes.artifact"))?;
    let changed = sync(&notes, folder)?;
    println!("{} files new, {} changed, {} gone", changed.new, changed.changed, changed.gone);
    print(&search(&notes, &words.join(" "))?);
    Ok(notes.close()?)
}

/// The artifact of the notes, which the model of the library embeds.
pub(crate) fn open(path: &Path) -> Result<CompactArtifact> {
    let embedder = Arc::new(StaticEmbedder::built_in()?);
    Ok(CompactArtifact::options().embedder(embedder).open_or_create(path)?)
}

/// How many files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) new: usize,
    pub(crate) changed: usize,
    pub(crate) gone: usize,
}

/// Brings the artifact up to date with the files of a folder, in one commit: a reader sees all of it or nothing.
pub(crate) fn sync(notes: &CompactArtifact, folder: &Path) -> Result<Files> {
    // When each file was changed that the artifact has, from metadata alone.
    let mut known = BTreeMap::new();
    for (key, id) in notes.keys("")? {
        let (file, paragraph) = key.rsplit_once('#').ok_or("a key that is not of a paragraph")?;
        if paragraph == "0" {
            let entry = notes.get(id)?.ok_or("a record of a key that is gone")?;
            known.insert(file.to_owned(), entry.metadata()?["changed"].clone());
        }
    }
    let (mut batch, mut changed) = (Batch::new(), Files::default());
    for item in fs::read_dir(folder)? {
        let item = item?;
        let (path, Ok(name)) = (item.path(), item.file_name().into_string()) else { continue };
        if path.extension().is_none_or(|extension| extension != "txt" && extension != "md") {
            continue;
        }
        let at = json!(FilterValue::try_from(path.metadata()?.modified()?)?);
        match known.remove(&name) {
            Some(before) if before == at => continue,
            Some(_) => {
                batch = batch.delete_where(Filter::field("file").eq(name.as_str()));
                changed.changed += 1;
            }
            None => changed.new += 1,
        }
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        for (number, paragraph) in text.split("\n\n").enumerate() {
            let metadata = json!({"file": name, "changed": at, "paragraph": number});
            batch = batch.upsert(Record::text(paragraph).key(format!("{name}#{number}")).metadata(metadata));
        }
    }
    for (gone, _) in known {
        batch = batch.delete_where(Filter::field("file").eq(gone));
        changed.gone += 1;
    }
    if !batch.is_empty() {
        notes.write(batch)?;
    }
    Ok(changed)
}

/// The ten best files, each by its best paragraph, and in how many paragraphs of which files there was something.
pub(crate) fn search(notes: &CompactArtifact, text: &str) -> Result<SearchResults> {
    let query =
        Query::text(text).group_by("file", 1).fields(["file"]).snippet(80).facet(Facet::values("file"));
    Ok(notes.search(&query)?)
}

fn print(results: &SearchResults) {
    for hit in &results.hits {
        let file = hit.field("file").and_then(|file| file.as_str()).unwrap_or_default();
        let snippet = hit.snippet.as_ref().map_or("", |snippet| snippet.text.as_str());
        println!("{:.2}  {file}: {snippet}", hit.score);
    }
}
