//! `cart add`: files become records.

mod sink;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use compact_artifact::{Durability, Metric, Originals};
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Result};
use crate::input::jsonl::Lines;
use crate::input::npy::Npy;
use crate::input::paragraphs::{Paragraph, Paragraphs, whole};
use crate::input::sources::{As, Format, Source, sources};
use crate::input::values::TextLanguage;
use crate::input::{Content, Document, open, values};
use crate::output::{Output, Progress, bytes, count, one_line, rate, several, time};
use sink::{Sink, paragraph_key};

const LONG: &str = "\
Add texts, records with metadata and vectors, or any files; creates the artifact if there is none.

Folders stand for the files in them, sorted by name; hidden files are left out, links to folders are not followed. `-` is stdin.
Texts are embedded as they are added, so that they are found by meaning as well as by words. They are added by paragraph: the key is path#1, path#2, ..., the metadata {\"path\", \"paragraph\", \"line\"}; with --split whole the \
key is the path.
A line of a .jsonl (.jsonl.zst, .ndjson) file is a record:

  {\"key\": \"k1\", \"title\": \"...\", \"text\": \"...\", \"metadata\": {\"year\": 1969}, \"vectors\": {\"text\": [0.1, 0.2]}}

All but `text` may be left out; `blob` (base64) may stand in its place; {\"fields\": {\"abstract\": \"...\"}} are texts that are found like the title, each in a field \
that the artifact gets if it has none of that name; other names are errors.

All that one command adds is one commit: after an error, or Ctrl-C, nothing was added. Only --batch, for more than fits in memory, and large \
files with --blob make several commits; then it is said how many records are kept. Vectors from --vectors are all checked before anything is added.";

/// Add texts, records with metadata and vectors, or any files
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Args {
    /// The artifact, a folder; created if there is none
    artifact: PathBuf,
    /// Files and folders; - is stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Read every file, and stdin, as JSONL
    #[arg(long)]
    jsonl: bool,
    /// Store every file as it is; one above 8 MiB is streamed, and a commit of its own
    #[arg(long, conflicts_with_all = ["jsonl", "split", "vectors"])]
    blob: bool,
    /// What of a text is a record [default: paragraph]
    #[arg(long, value_enum)]
    split: Option<Split>,
    /// A .npy file (float32, float16 or int8) with a row for each line of the one JSONL file
    #[arg(long, value_name = "NPY", requires = "space")]
    vectors: Option<PathBuf>,
    /// The vector space of --vectors
    #[arg(long, value_name = "NAME", requires = "vectors")]
    space: Option<String>,
    /// How vectors of a new space are compared: cosine, dot or l2 [default: cosine]
    #[arg(long, value_parser = values::metric)]
    metric: Option<Metric>,
    /// What a new space keeps of vectors beside a byte a dimension: none, f16 or f32 [default: none]
    #[arg(long, value_parser = values::originals)]
    originals: Option<Originals>,
    /// Replace records that have the same key; of a text added by paragraph, all of it
    #[arg(long)]
    upsert: bool,
    /// Commit every N records; after an error, those committed before it are kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch: Option<u64>,
    /// Compression level of zstd, 1 to 22 [default: 3]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: Option<i32>,
    /// Search texts of a new artifact by the stems of words in this language; none: by words as they are [default: english]
    #[arg(long, value_parser = values::language)]
    language: Option<TextLanguage>,
    /// The model to embed the texts of a new artifact by, where it is not to be that of this program: a file, or a folder of model2vec
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Do not embed the texts of a new artifact: they are found by words only
    #[arg(long, conflicts_with = "model")]
    no_meaning: bool,
    /// A field of texts, and how often its words count, 1 to 10, where the artifact does not have it yet [default: 1]
    #[arg(long, value_name = "NAME=WEIGHT", value_parser = values::field)]
    field: Vec<(String, u32)>,
    /// Store for each record which K others are nearest to it, so that `cart similar` need not search for them; 0: none any more
    #[arg(long, value_name = "K")]
    precompute_similar: Option<usize>,
    /// Memory that adding and indexing may take, at least 8MiB
    #[arg(long, value_name = "BYTES", value_parser = values::size)]
    memory_limit: Option<u64>,
    /// Settings for small devices: files of 8 MiB, 64 MiB of memory
    #[arg(long)]
    edge: bool,
    /// When a commit is done: sync (on disk), group:5ms (on disk, syncs shared), buffered (survives a kill, not a power loss)
    #[arg(long, value_parser = values::durability, default_value = "sync")]
    durability: Durability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Split {
    /// Each paragraph: lines up to a blank one
    Paragraph,
    /// The whole text
    Whole,
}

/// Content above this is streamed.
const LARGE: u64 = 8 << 20;

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let begun = Instant::now();
    let sources = sources(&args.files, As { blob: args.blob, jsonl: args.jsonl })?;
    let bar = Progress::bytes(sources.iter().map(|source| source.len).sum(), "reading");
    crate::interrupt::tell_what_is_kept()?;
    let mut sink = Sink::new(args)?;
    let added = check(args, &sources, &sink)
        .and_then(|()| sources.iter().try_for_each(|source| add(args, source, &mut sink, &bar)))
        .and_then(|()| {
            bar.now("indexing");
            sink.end()
        });
    if let Err(failure) = added {
        return Err(sink.give_up(failure));
    }
    let report = sink.finish();
    drop(bar);
    if let Some(warning) = &report.warning {
        crate::output::warn(warning);
    }
    let elapsed = begun.elapsed();
    let path = args.artifact.display();
    let shown = one_line(&path.to_string());
    output.report(|output| {
        if output.is_json() {
            return output.json(&json!({
                "artifact": path.to_string(),
                "created": report.created,
                "records": report.records,
                "bytes": report.bytes,
                "commits": report.commits,
                "warning": report.warning,
                "seconds": elapsed.as_secs_f64(),
            }));
        }
        output.line(format_args!(
            "added {} ({}) to {shown} in {}, {} a second",
            several(report.records, "record"),
            bytes(report.bytes),
            time(elapsed),
            count(rate(report.records, elapsed))
        ))
    });
    Ok(())
}

/// Refuses what would only be noticed on the way, or would have no effect.
fn check(args: &Args, sources: &[Source], sink: &Sink<'_>) -> Result<()> {
    let has = |format: Format| sources.iter().any(|source| source.format == format);
    if args.split.is_some() && !has(Format::Text) {
        return Err(Failure::usage("--split: there is no text to split"));
    }
    let Some(path) = &args.vectors else { return Ok(()) };
    let [source] = sources else {
        return Err(Failure::usage(format_args!(
            "--vectors: expected one JSONL file, found {} files",
            sources.len()
        )));
    };
    if source.is_stdin() || !matches!(source.format, Format::Jsonl | Format::JsonlZst) {
        return Err(Failure::usage(format_args!(
            "--vectors: expected a JSONL file, found {}",
            source.path.display()
        )));
    }
    check_vectors(path, source, args.space.as_deref().unwrap_or_default(), sink)
}

/// Every vector, and that there is one for each line.
fn check_vectors(path: &Path, source: &Source, space: &str, sink: &Sink<'_>) -> Result<()> {
    let _bar = Progress::spinner("checking vectors");
    let mut vectors = Npy::open(path)?;
    let mut row = 0;
    while let Some(vector) = vectors.next_row().map_err(|e| Failure::failed(e).at(path.display()))? {
        let finite = crate::input::vector::check_finite(&vector).map_err(Failure::failed);
        let sound = finite.and_then(|()| sink.check_vector(space, &vector));
        sound.map_err(|e| e.at(format_args!("{}: row {row}", path.display())))?;
        row += 1;
    }
    let mut lines = jsonl_lines(source, None)?;
    let mut records = 0;
    while lines.next_line()?.is_some() {
        records += 1;
    }
    if row == records {
        return Ok(());
    }
    let message = format!(
        "{row} rows of vectors for {records} records in {}; expected one for each",
        source.path.display()
    );
    Err(Failure::failed(message).at(path.display()))
}

fn add(args: &Args, source: &Source, sink: &mut Sink<'_>, bar: &Progress) -> Result<()> {
    match source.format {
        Format::Jsonl | Format::JsonlZst => add_jsonl(args, source, sink, bar),
        Format::Blob => add_blob(args, source, sink, bar),
        Format::Text if args.split == Some(Split::Whole) => {
            let text = whole(reader(source, Some(bar))?).map_err(|e| Failure::failed(e).at(place(source)))?;
            let metadata = Map::from_iter([("path".to_owned(), source.name.clone().into())]);
            sink.add(document(source.name.clone(), Content::Text(text), metadata), place(source))
                .map_err(|e| e.at(place(source)))
        }
        Format::Text => add_paragraphs(args, source, sink, bar),
    }
}

fn add_paragraphs(args: &Args, source: &Source, sink: &mut Sink<'_>, bar: &Progress) -> Result<()> {
    let mut paragraphs = Paragraphs::new(reader(source, Some(bar))?);
    let mut number = 0u64;
    let fault = |e: String| Failure::failed(e).at(place(source));
    while let Some(Paragraph { line, text }) = paragraphs.next_paragraph().map_err(fault)? {
        number += 1;
        let metadata: [(&str, Value); 3] =
            [("path", source.name.clone().into()), ("paragraph", number.into()), ("line", line.into())];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let key = paragraph_key(&source.name, number);
        let place = format!("{}:{line}", place(source));
        sink.add(document(key, Content::Text(text), metadata), place.clone()).map_err(|e| e.at(place))?;
    }
    if args.upsert {
        sink.drop_paragraphs_beyond(&source.name, number);
    }
    Ok(())
}

fn add_jsonl(args: &Args, source: &Source, sink: &mut Sink<'_>, bar: &Progress) -> Result<()> {
    let mut vectors = args.vectors.as_deref().map(Npy::open).transpose()?;
    let space = args.space.as_deref().unwrap_or_default();
    let mut lines = jsonl_lines(source, Some(bar))?;
    while let Some(mut document) = lines.next_document()? {
        if let Some(vectors) = &mut vectors {
            if document.vectors.iter().any(|(name, _)| name == space) {
                let message = format!("a vector in the space {space:?}, which --vectors gives as well");
                return Err(Failure::failed(message).at(lines.place()));
            }
            // Both files were read once already, and may have changed since.
            let row =
                vectors.next_row().and_then(|row| row.ok_or_else(|| "no row for this record".to_owned()));
            document.vectors.push((space.to_owned(), row.map_err(|e| Failure::failed(e).at(lines.place()))?));
        }
        sink.add(document, lines.place()).map_err(|e| e.at(lines.place()))?;
    }
    Ok(())
}

fn add_blob(args: &Args, source: &Source, sink: &mut Sink<'_>, bar: &Progress) -> Result<()> {
    let metadata = Map::from_iter([("path".to_owned(), source.name.clone().into())]);
    let mut from = reader(source, Some(bar))?;
    let mut bytes = Vec::new();
    let fault = |e: std::io::Error| Failure::failed(format_args!("cannot be read: {e}")).at(place(source));
    // What replaces a record has to be there as a whole when the record goes.
    let limit = if args.upsert { sink.held_max() } else { LARGE };
    from.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(fault)?;
    let is_large = bytes.len() as u64 > limit;
    let blob = |bytes| document(source.name.clone(), Content::Blob(bytes), metadata);
    if !is_large {
        return sink.add(blob(bytes), place(source)).map_err(|e| e.at(place(source)));
    }
    if args.upsert {
        let message = format!(
            "more than {limit} bytes, which --upsert cannot replace at once; delete the old one, then add it"
        );
        return Err(Failure::failed(message).at(place(source)));
    }
    sink.stream(blob(Vec::new()), std::io::Cursor::new(bytes).chain(from)).map_err(|e| e.at(place(source)))
}

fn document(key: String, content: Content, metadata: Map<String, Value>) -> Document {
    Document { key: Some(key), content, metadata, vectors: Vec::new(), fields: Vec::new() }
}

/// What errors name.
fn place(source: &Source) -> String {
    if source.is_stdin() { "stdin".to_owned() } else { source.path.display().to_string() }
}

fn reader(source: &Source, bar: Option<&Progress>) -> Result<Box<dyn BufRead>> {
    if source.is_stdin() {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file: File = open(&source.path)?;
    let raw: Box<dyn Read> = match bar {
        Some(bar) => Box::new(bar.reading(file)),
        None => Box::new(file),
    };
    if source.format != Format::JsonlZst {
        return Ok(Box::new(BufReader::with_capacity(256 << 10, raw)));
    }
    let decoded =
        zstd::Decoder::new(raw).map_err(|e| Failure::failed(format_args!("zstd: {e}")).at(place(source)))?;
    Ok(Box::new(BufReader::with_capacity(256 << 10, decoded)))
}

fn jsonl_lines(source: &Source, bar: Option<&Progress>) -> Result<Lines<Box<dyn BufRead>>> {
    Ok(Lines::new(reader(source, bar)?, place(source)))
}
