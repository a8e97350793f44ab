//! `cart demo`: real texts, and what can be asked of them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use compact_artifact::{
    Batch, CompactArtifact, Filter, MEANING, Metric, Query, Record, SearchResults, Snapshot, SpaceOptions,
};
use serde_json::{Value, json};

use super::search;
use crate::failure::{Failure, Result};
use crate::input::Document;
use crate::input::jsonl::Lines;
use crate::input::npy::Npy;
use crate::output::{
    Output, Progress, bytes, check_new_folder, count, peak_memory, rate, several, time, warn,
};
use crate::{interrupt, model};

/// Every sense of `WordNet` 3.0, one JSON object a line.
static TEXTS: &[u8] = include_bytes!("../../data/wordnet.jsonl.zst");
/// Their number, which only the progress bar goes by.
const TEXTS_LEN: u64 = 117_659;
/// The licence that has to stay with the texts.
static LICENCE: &str = include_str!("../../data/wordnet.LICENSE");
/// The key of the licence in the artifact.
const LICENCE_KEY: &str = "wordnet.LICENSE";
/// The vector space of `--vectors`.
pub(crate) const SPACE: &str = "text";
/// Records in a commit.
const BATCH: usize = 8192;

const LONG: &str = "\
Store 117,659 real texts, and ask a handful of questions.

The texts are the senses of WordNet 3.0, a dictionary of English; they are part of this program. What is built stays, for `cart \
search` and the other commands; run again, only the questions are asked. Texts are embedded by the model of this program as they are stored, so \
that they are found by meaning as well as by words. The licence of the texts is stored with them, as the blob \
wordnet.LICENSE, and shown by --licence.";

/// Store 117,659 real texts, and ask a handful of questions
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    /// The artifact
    #[arg(default_value = "demo.artifact")]
    artifact: PathBuf,
    /// Embeddings of the texts, a row for each, in the place of those that the model of this program gives: a .npy file
    #[arg(long, value_name = "NPY")]
    vectors: Option<PathBuf>,
    /// Build it anew if it is there
    #[arg(long)]
    force: bool,
    /// Show the licence of the texts, and do nothing else
    #[arg(long, conflicts_with_all = ["vectors", "force"])]
    licence: bool,
}

/// How it was built.
#[derive(Debug)]
struct Built {
    records: u64,
    jsonl_len: u64,
    text_len: u64,
    vectors_len: u64,
    took: Duration,
    /// Of which embedding, on all threads together.
    embedding: Duration,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    if args.licence {
        if output.is_json() {
            return output.json(&json!({ "licence": LICENCE }));
        }
        return output.line(format_args!("{}", LICENCE.trim_end()));
    }
    let path = &args.artifact;
    let is_there = path.exists() && !args.force;
    if path.exists() && args.force {
        remove(path)?; // the folder itself stays
    }
    let built = if is_there { None } else { Some(build(args, output)?) };
    let artifact =
        if built.is_some() { CompactArtifact::open_read_only(path)? } else { reopen(args, output)? };
    let snapshot = artifact.snapshot();
    let answers =
        questions(&artifact, &snapshot)?.into_iter().map(|question| ask(question, &snapshot, output));
    let answers = answers.collect::<Result<Vec<Value>>>()?;
    tell(args, &artifact, built.as_ref(), answers, output)
}

/// Removes what an earlier demo built, and nothing else; not at all if there are files of others, beside which it could not be built anew.
fn remove(path: &Path) -> Result<()> {
    let other = || {
        let message =
            "--force: this is not what an earlier demo built, and is not removed; name another folder";
        Failure::failed(message).at(path.display())
    };
    let artifact = CompactArtifact::open(path).map_err(|e| other().and(Failure::from(e).message()))?;
    artifact.snapshot().get_by_key(LICENCE_KEY)?.ok_or_else(other)?;
    let fault = |e: std::io::Error| Failure::failed(format_args!("cannot be read: {e}")).at(path.display());
    for entry in std::fs::read_dir(path).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        if !name.to_str().is_some_and(interrupt::is_name_in_artifact) {
            let message = format!(
                "--force: the folder holds {} as well; move it, or name another folder",
                name.display()
            );
            return Err(Failure::failed(message).at(path.display()));
        }
    }
    Ok(artifact.destroy()?)
}

/// What is there already.
fn reopen(args: &Args, output: &mut Output) -> Result<CompactArtifact> {
    let path = args.artifact.display();
    let begun = Instant::now();
    let artifact = CompactArtifact::open_read_only(&args.artifact)?;
    let opened = begun.elapsed();
    if args.vectors.is_some() && artifact.spaces().iter().all(|space| space.name() != SPACE) {
        let message = "--vectors: the artifact is there already, without vectors; --force builds it anew";
        return Err(Failure::usage(message).at(path));
    }
    if artifact.len() <= TEXTS_LEN {
        let found = count(artifact.len().saturating_sub(1));
        warn(&format!("{path}: has {found} of {} texts; --force builds it anew", count(TEXTS_LEN)));
    }
    if !output.is_json() {
        output.line(format_args!(
            "{path} is there already; --force builds it anew. Opened in {}.\n",
            time(opened)
        ))?;
    }
    Ok(artifact)
}

/// The texts as records.
pub(crate) fn texts() -> Result<Lines<impl BufRead>> {
    let decoder =
        zstd::Decoder::new(TEXTS).map_err(|e| Failure::failed(format_args!("the texts of the demo: {e}")))?;
    Ok(Lines::new(BufReader::with_capacity(256 << 10, decoder), "the texts of the demo"))
}

/// The rows of a file that has one for each text.
pub(crate) fn vectors_of_texts(path: &Path) -> Result<Npy<BufReader<std::fs::File>>> {
    let vectors = Npy::open(path)?;
    if vectors.rows() != TEXTS_LEN {
        let message = format!("{}; expected {TEXTS_LEN}, one for each text", several(vectors.rows(), "row"));
        return Err(Failure::failed(message).at(path.display()));
    }
    Ok(vectors)
}

fn build(args: &Args, output: &mut Output) -> Result<Built> {
    let path = &args.artifact;
    check_new_folder(path)?;
    let mut vectors = args.vectors.as_deref().map(vectors_of_texts).transpose()?;
    if !output.is_json() {
        output.line(format_args!(
            "Storing the {} senses of WordNet 3.0 in {}",
            count(TEXTS_LEN),
            path.display()
        ))?;
        output.line(format_args!("(Copyright 2006 by Princeton University; `cart demo --licence`)\n"))?;
        output.flush()?;
    }
    let bar = Progress::steps(TEXTS_LEN, "storing");
    let begun = Instant::now();
    let mut options = CompactArtifact::options();
    let model = Arc::new(model::Timed::new(model::open_or_built_in(None)?));
    options = match &vectors {
        Some(vectors) => options.space(SPACE, SpaceOptions::new(vectors.dimension(), Metric::Cosine)),
        None => options.embedder(model.clone()),
    };
    interrupt::tell_what_is_kept()?;
    let interrupted =
        |failure: Failure| failure.and("what was stored is kept; `cart demo --force` builds it anew");
    let busy = interrupt::writing();
    let artifact = options.create(path)?;
    // First, so that what was interrupted is still known as ours.
    artifact
        .add(Record::blob(LICENCE.as_bytes()).key(LICENCE_KEY).metadata(json!({"licence": "WordNet 3.0"})))?;
    busy.kept(1).map_err(interrupted)?;
    let mut built = Built {
        records: 0,
        jsonl_len: 0,
        text_len: 0,
        vectors_len: 0,
        took: Duration::ZERO,
        embedding: Duration::ZERO,
    };
    let mut lines = texts()?;
    let mut batch = Batch::new();
    let mut held = 0;
    loop {
        let document = next(&mut lines, vectors.as_mut(), &mut built)?;
        let is_end = document.is_none();
        if let Some(document) = document {
            batch = batch.add(document.into_record());
            held += 1;
        }
        if held == BATCH || is_end {
            let busy = interrupt::writing();
            artifact.write(std::mem::take(&mut batch))?;
            busy.kept(built.records + 1).map_err(interrupted)?;
            bar.advance(held as u64);
            held = 0;
        }
        if is_end {
            break;
        }
    }
    drop(bar);
    let bar = Progress::percent("indexing");
    if let Err(e) = artifact.close_with(|percent| bar.reach(percent)) {
        Failure::from(e).warn("all texts are stored, and the next command that writes goes on from there");
    }
    built.took = begun.elapsed();
    built.embedding = model.took();
    Ok(built)
}

/// The next text with its vector, counted.
fn next(
    lines: &mut Lines<impl BufRead>,
    vectors: Option<&mut Npy<impl Read>>,
    built: &mut Built,
) -> Result<Option<Document>> {
    let Some(line) = lines.next_line()? else { return Ok(None) };
    built.jsonl_len += line.len() as u64 + 1;
    let mut document = crate::input::jsonl::parse(line).map_err(Failure::failed)?;
    if let Some(vectors) = vectors
        && let Some(vector) = vectors.next_row().map_err(Failure::failed)?
    {
        built.vectors_len += 4 * vector.len() as u64;
        document.vectors.push((SPACE.to_owned(), vector));
    }
    built.records += 1;
    built.text_len += document.content_len();
    Ok(Some(document))
}

/// What is asked, how it would be on the command line, and as a query.
struct Question {
    title: &'static str,
    command: String,
    query: Query,
}

fn questions(artifact: &CompactArtifact, snapshot: &Snapshot) -> Result<Vec<Question>> {
    let verbs = || Filter::field("pos").eq("verb");
    let mut asked = vec![
        Question {
            title: "Words",
            command: "small domestic animal --words".to_owned(),
            query: Query::words("small domestic animal"),
        },
        Question {
            title: "A phrase",
            command: "--syntax '\"wind instrument\"'".to_owned(),
            query: Query::parse("\"wind instrument\"")?,
        },
        Question {
            title: "The beginning of a word, and one misspelt",
            command: "--syntax 'photosynth* chlorofyll~'".to_owned(),
            query: Query::parse("photosynth* chlorofyll~")?,
        },
        Question {
            title: "Metadata alone",
            command: "--filter '{\"pos\": \"verb\", \"senses\": {\"$gte\": 20}}'".to_owned(),
            query: Query::new().filter("{\"pos\": \"verb\", \"senses\": {\"$gte\": 20}}".parse()?),
        },
        Question {
            title: "Words among verbs",
            command: "move quickly --words --filter '{\"pos\": \"verb\"}'".to_owned(),
            query: Query::words("move quickly").filter(verbs()),
        },
    ];
    let dog = "n02084071";
    if artifact.is_model_at_hand() {
        for text in ["fear of small rooms", "someone who studies the stars", "doctor for animals"] {
            let title = "By meaning, whether or not a word is the same";
            asked.push(Question { title, command: format!("{text} --meaning"), query: Query::meaning(text) });
        }
        let text = "large ship for war";
        let title = "By words and meaning at once, as a search is without options";
        asked.push(Question { title, command: text.to_owned(), query: Query::text(text) });
        if let Some(id) = snapshot.id_of_key(dog)? {
            asked.push(Question {
                title: "What means something like \"dog\"",
                command: format!("--like {dog}"),
                query: Query::similar_to(MEANING, id),
            });
        }
        return Ok(asked);
    }
    if artifact.spaces().iter().any(|space| space.name() == SPACE)
        && let Some(id) = snapshot.id_of_key(dog)?
    {
        asked.push(Question {
            title: "What means something like \"dog\"",
            command: format!("--like {dog}"),
            query: Query::similar_to(SPACE, id),
        });
        asked.push(Question {
            title: "The same, and words: fused",
            command: format!("guard the house --like {dog}"),
            query: Query::words("guard the house").and_similar_to(SPACE, id),
        });
    } else if let Some(entry) = snapshot.get_by_key(dog)? {
        asked.push(Question {
            title: "What reads like the text on \"dog\"",
            command: format!("\"$(cart get {} {dog} --raw)\"", artifact.path().display()),
            query: Query::words(&entry.text()?),
        });
    }
    Ok(asked)
}

fn ask(question: Question, snapshot: &Snapshot, output: &mut Output) -> Result<Value> {
    let query = question.query.k(3).snippet(120);
    let begun = Instant::now();
    let results: SearchResults = snapshot.search(&query)?;
    let took = begun.elapsed();
    if !output.is_json() {
        let (title, command) = (output.strong(question.title), output.faint(&question.command));
        output.line(format_args!("{title}  {command}"))?;
        search::print(&results, took, output)?;
        output.line(format_args!(""))?;
    }
    let keys = results.hits.iter().map(|hit| match &hit.record {
        Some(entry) => Ok(entry.key()?.into()),
        None => Ok(Value::Null),
    });
    let keys = keys.collect::<Result<Vec<Value>>>()?;
    Ok(json!({ "question": question.title, "keys": keys, "seconds": took.as_secs_f64() }))
}

/// Sizes, times, memory, and how to go on.
fn tell(
    args: &Args,
    artifact: &CompactArtifact,
    built: Option<&Built>,
    answers: Vec<Value>,
    output: &mut Output,
) -> Result<()> {
    let path = args.artifact.display();
    let (stats, memory) = (artifact.stats(), artifact.memory_stats());
    if output.is_json() {
        let ingest = built.map(|built| {
            json!({
                "records": built.records, "jsonl_bytes": built.jsonl_len, "text_bytes": built.text_len,
                "vectors_bytes": built.vectors_len, "seconds": built.took.as_secs_f64(),
                "embedding_seconds": built.embedding.as_secs_f64(),
            })
        });
        return output.json(&json!({
            "artifact": path.to_string(), "built": ingest, "answers": answers, "stats": stats, "memory": memory,
            "peak_memory_bytes": peak_memory(),
        }));
    }
    if let Some(built) = built {
        let vectors = match built.vectors_len {
            0 => String::new(),
            len => format!(", {} of vectors", bytes(len)),
        };
        let (jsonl, text) = (bytes(built.jsonl_len), bytes(built.text_len));
        output.line(format_args!("raw        {jsonl} of JSON lines, of which {text} are text{vectors}"))?;
    }
    super::stats::print(&stats, &memory, output)?;
    if let Some(built) = built {
        let (records, took) = (count(built.records), time(built.took));
        let rate = count(rate(built.records, built.took));
        output.line(format_args!(
            "stored     {records} records in {took}: {rate} a second, on disk, everything indexed"
        ))?;
        if built.embedding > Duration::ZERO {
            let (embedding, texts) =
                (time(built.embedding), count(crate::output::rate(built.records, built.embedding)));
            output.line(format_args!(
                "embedded   in {embedding} of it, {texts} texts a second on one thread"
            ))?;
        }
    }
    if let Some(peak) = peak_memory() {
        output.line(format_args!("memory     {} at the most, mapped files included", bytes(peak)))?;
    }
    let next = output.strong(format_args!("cart search {path} \"…\""));
    output.line(format_args!("\nGo on with {next}, or `cart --help`."))
}
