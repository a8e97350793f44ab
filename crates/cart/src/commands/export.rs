//! `cart export`: records as JSONL or Parquet.

#[cfg(feature = "arrow")]
use std::path::{Path, PathBuf};

#[cfg(feature = "arrow")]
use compact_artifact::CompactArtifact;
use compact_artifact::{Entry, ErrorKind, Filter, Snapshot, Space};

use super::At;
use crate::failure::{Failure, Result};
#[cfg(feature = "arrow")]
use crate::input::columnar::Writer;
use crate::input::{jsonl, settings, values};
use crate::output::{Output, WRITTEN_WITHOUT, several};

const LONG: &str = "\
Write records as JSONL or Parquet that `cart add` reads back.

One record a line, in the order in which they were added: key, title, text or blob (base64), other fields of texts, metadata, and with --vectors the embeddings as \
they are kept: as they were given with originals of f32, otherwise nearly; but those that the model of the artifact makes of the texts again, where that is the one of this program. Numbers are given out anew when they are read back.

Without --filter the first line is not a record, but {\"settings\": ...}: language, fields of texts, vector spaces, model, expiry field, schema, and how many neighbours --precompute-similar stores, as `cart restore` sets them up. `cart add` passes over \
it. A level of compression is no setting of an artifact: each command has its own.

A record that would be a line of more than 256 MiB, which `cart restore` does not read, is named and left out, and the exit code is 1: a blob of 192 MiB, as base64.

With --parquet, where this program is built with the feature arrow, a record is a row: id (UInt64), key and text (Utf8), blob (Binary, at most 256 MiB), metadata (all of it, as \
JSON), field_NAME for each field of texts, vector_NAME (FixedSizeList of Float32) for each space with --vectors, null where the model makes it of the text again, and a column for each field of the metadata in which no record has several values and all \
have one type: Boolean, Int64, Float64, or Utf8, dates included; none for names that begin with field_ or vector_.";

/// Write records as JSONL or Parquet that `cart add` reads back
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Only records that it lets through, as JSON: '{"year": {"$lt": 1900}}', '{"at": {"$lt": {"$date": "2026-04-12"}}}'
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// With embeddings, but for those that the model of this program makes of the texts again
    #[arg(long)]
    vectors: bool,
    /// Write this file of Parquet, which must not exist, instead of JSONL
    #[cfg(feature = "arrow")]
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
}

/// How many records there were.
#[derive(Debug, Default)]
struct Counts {
    written: u64,
    lost: u64,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let filter = args.filter.as_deref().map(values::filter).transpose()?;
    let artifact = args.at.read()?;
    let spaces = if args.vectors { artifact.spaces() } else { Vec::new() };
    let (snapshot, filter) = (artifact.snapshot(), filter.as_ref());
    let is_whole = filter.is_none();
    #[cfg(feature = "arrow")]
    let is_whole = is_whole && args.parquet.is_none();
    if is_whole {
        output.json(&settings::line(&artifact))?;
    }
    let (mut unread, mut too_long) = (0, 0);
    let mut write = |entry: Entry| {
        let vectors = readable_vectors(&snapshot, &entry, &spaces, &mut unread)?;
        let Some(line) = jsonl::readable_line(&entry, vectors)? else {
            too_long += 1;
            return too_long_for_a_line(&entry);
        };
        output.json(&line)
    };
    #[cfg(feature = "arrow")]
    let counts = match &args.parquet {
        Some(path) => parquet(path, &artifact, &snapshot, filter, &spaces, &mut unread, output)?,
        None => each(&snapshot, filter, &mut write)?,
    };
    #[cfg(not(feature = "arrow"))]
    let counts = each(&snapshot, filter, &mut write)?;
    // What opening lost of indexes are embeddings.
    if counts.lost + unread > 0 || args.vectors && !artifact.recovery().damage.is_empty() {
        return Err(
            Failure::damage("some records or embeddings could not be read").at(args.at.path.display())
        );
    }
    if too_long > 0 {
        let message = format!(
            "{} left out, longer than a line that is read back; `cart pack` keeps everything",
            several(too_long, "record")
        );
        return Err(Failure::failed(message).at(args.at.path.display()));
    }
    if counts.written == 0 && filter.is_some() {
        return Err(Failure::not_there("no record matches the filter").at(args.at.path.display()));
    }
    Ok(())
}

/// Names a record that is left out.
fn too_long_for_a_line(entry: &Entry) -> Result<()> {
    let name = entry.key()?.map_or_else(|| format!("#{}", entry.id()), |key| format!("{key:?}"));
    let len = several(entry.len(), "byte");
    Failure::failed(format_args!("the record {name}, {len}, is longer than a line that is read back"))
        .warn("it is left out; `cart get --raw` writes it");
    Ok(())
}

/// Calls `write` with each record. One damaged block costs its records: they are named, the others go on.
fn each(
    snapshot: &Snapshot,
    filter: Option<&Filter>,
    mut write: impl FnMut(Entry) -> Result<()>,
) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut take = |entry: compact_artifact::Result<Entry>| -> Result<()> {
        match entry {
            Ok(entry) => {
                write(entry)?;
                counts.written += 1;
            }
            Err(e) if e.kind() == ErrorKind::OutOfMemory => return Err(e.into()),
            Err(e) => {
                Failure::from(e).warn("the others follow");
                counts.lost += 1;
            }
        }
        Ok(())
    };
    match filter {
        None => snapshot.records().try_for_each(&mut take)?,
        Some(filter) => {
            for id in snapshot.ids_where(filter)? {
                if let Some(entry) = snapshot.get(id).transpose() {
                    take(entry)?;
                }
            }
        }
    }
    Ok(counts)
}

#[cfg(feature = "arrow")]
fn parquet(
    path: &Path,
    artifact: &CompactArtifact,
    snapshot: &Snapshot,
    filter: Option<&Filter>,
    spaces: &[Space],
    unread: &mut u64,
    output: &mut Output,
) -> Result<Counts> {
    let columns = artifact_arrow::Columns::new([(artifact, snapshot)], spaces).map_err(Failure::failed)?;
    let counts = crate::interrupt::whole_or_nothing(path, || {
        let mut writer = Writer::create(path, &columns, snapshot)?;
        let written = each(snapshot, filter, |entry| writer.add(entry)).and_then(|counts| {
            *unread += writer.finish()?;
            Ok(counts)
        });
        if written.as_ref().map_or(true, |counts| counts.written == 0 && filter.is_some()) {
            std::fs::remove_file(path).map_err(|e| Failure::failed(e).at(path.display()))?;
        }
        written
    })?;
    output.report(|output| {
        let records = counts.written;
        if output.is_json() {
            return output.json(&serde_json::json!({ "records": records, "file": path }));
        }
        let records = several(records, "record");
        output.line(format_args!("wrote {records} to {}", path.display()))
    });
    Ok(counts)
}

/// The embeddings of a record that no model at hand makes of its text again. One that cannot be read is named, counted in `unread`, and left out.
fn readable_vectors(
    snapshot: &Snapshot,
    entry: &Entry,
    spaces: &[Space],
    unread: &mut u64,
) -> Result<Vec<(String, Vec<f32>)>> {
    let mut found = Vec::new();
    for space in spaces.iter().map(Space::name) {
        match snapshot.given_embedding(entry, space) {
            Err(e) if e.kind() == ErrorKind::Damaged => {
                Failure::from(e).warn(WRITTEN_WITHOUT);
                *unread += 1;
            }
            vector => found.extend(vector?.map(|vector| (space.to_owned(), vector))),
        }
    }
    Ok(found)
}
