//! `cart export`: records as JSONL.

use compact_artifact::{Entry, Snapshot};

use super::At;
use crate::failure::{Failure, Result};
use crate::input::{jsonl, values};
use crate::output::Output;

/// Write records as JSONL that `cart add` reads back
///
/// One record a line, in the order in which they were added: key, title, text or blob (base64), other fields of texts, metadata, and with --vectors the embeddings as
/// the index knows them, or as they were given if the originals are kept. Numbers are given out anew when they are read back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Only records that it lets through, as JSON: '{"year": {"$lt": 1900}}', '{"at": {"$lt": {"$date": "2026-04-12"}}}'
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// With embeddings, but for those that a model makes of texts
    #[arg(long)]
    vectors: bool,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let filter = args.filter.as_deref().map(values::filter).transpose()?;
    let artifact = args.at.read()?;
    let spaces = if args.vectors { artifact.spaces() } else { Vec::new() };
    // Those that a model makes are made again from the texts.
    let given = spaces.iter().filter(|space| space.model().is_none());
    let spaces: Vec<String> = given.map(|space| space.name().to_owned()).collect();
    let snapshot = artifact.snapshot();
    let mut written = 0u64;
    let mut lost = 0u64;
    let mut write = |entry: compact_artifact::Result<Entry>| -> Result<()> {
        // One damaged block costs its records: they are named, the others go on.
        match entry {
            Ok(entry) => {
                output.json(&jsonl::line(&entry, vectors(&snapshot, &entry, &spaces)?)?)?;
                written += 1;
            }
            Err(e) => {
                Failure::from(e).warn("the others follow");
                lost += 1;
            }
        }
        Ok(())
    };
    match &filter {
        None => snapshot.records().try_for_each(&mut write)?,
        Some(filter) => {
            for id in snapshot.ids_where(filter)? {
                if let Some(entry) = snapshot.get(id).transpose() {
                    write(entry)?;
                }
            }
        }
    }
    // What opening lost of indexes are embeddings.
    if lost > 0 || args.vectors && !artifact.recovery().damage.is_empty() {
        return Err(
            Failure::damage("some records or embeddings could not be read").at(args.at.path.display())
        );
    }
    if written == 0 && filter.is_some() {
        return Err(Failure::not_there("no record matches the filter").at(args.at.path.display()));
    }
    Ok(())
}

fn vectors(snapshot: &Snapshot, entry: &Entry, spaces: &[String]) -> Result<Vec<(String, Vec<f32>)>> {
    let mut found = Vec::new();
    for space in spaces {
        found.extend(snapshot.embedding(entry.id(), space)?.map(|vector| (space.clone(), vector)));
    }
    Ok(found)
}
