//! Embedding texts of 17 words on one thread, beside model2vec-rs on the same folder in the same run.
//!
//! `TOKENIZERS_PARALLELISM=false cargo run --release --manifest-path benches/compare/Cargo.toml --bin embed -- MODEL_FOLDER`
//!
//! The folder is one of model2vec with a `WordPiece` tokenizer. The texts are the words of `WordNet`, 17 at a time. A side embeds 64 batches of 256
//! texts, then the next side the same, the first to go changing; a time is the median of all batches. model2vec-rs is measured with the rows that the
//! folder has, and with rows of 8 bits as ours are, both times by the call that fills one flat buffer, without its threads. A folder that it cannot open
//! is measured without it, and the report says so.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::{Result, machine, median, texts};
use model2vec_rs::model::StaticModel;
use text_embedder::{Embedder, StaticEmbedder, pack_folder};

const WORDS: usize = 17;
const TEXTS: usize = 65_536;
/// Few enough that a batch ends before the scheduler of a busy machine takes the processor away.
const BATCH: usize = 256;
/// Batches that one side embeds before the next side does, so that its tables are in the caches.
const BLOCK: usize = 64;
const ROUNDS: usize = 9;

/// A name, and what embeds a batch.
type Side<'a> = (&'static str, Box<dyn Fn(&[String], &[&str]) + 'a>);

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from).ok_or("usage: embed MODEL_FOLDER")?;
    let mut report = format!("{}\n\n", machine()?);
    let texts = texts_of_17_words()?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), pack_folder(&folder)?)?;
    let ours = StaticEmbedder::open(file.path())?;
    let theirs = StaticModel::from_pretrained(&folder, None, Some(true), None);
    let theirs = theirs
        .inspect_err(|error| {
            report += &format!("Without model2vec-rs, which cannot open the folder: {error:#}\n\n")
        })
        .ok();
    writeln!(report, "{}: {} dimensions, {} tokens\n", ours.id(), ours.dimension(), ours.vocabulary_len())?;
    if let Some(theirs) = &theirs {
        cosines(&mut report, &ours, theirs, &texts)?;
    }
    speed(&mut report, &ours, theirs.as_ref(), &texts)?;
    open(&mut report, theirs.is_some(), &folder, file.path())?;
    println!("{report}");
    Ok(())
}

fn texts_of_17_words() -> Result<Vec<String>> {
    let texts = texts()?;
    let words: Vec<&str> =
        texts.iter().flat_map(|text| text.split_whitespace()).take(WORDS * TEXTS).collect();
    Ok(words.chunks_exact(WORDS).map(|words| words.join(" ")).collect())
}

/// How near the vectors of both sides are.
fn cosines(report: &mut String, ours: &StaticEmbedder, theirs: &StaticModel, texts: &[String]) -> Result<()> {
    let texts = &texts[..4_096];
    let mine = ours.embed_documents(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    let their_rows = theirs.encode(texts);
    let cosine = |(mine, their): (Option<&[f32]>, &Vec<f32>)| {
        mine.map_or(1.0, |mine| mine.iter().zip(their).map(|(x, y)| f64::from(x * y)).sum::<f64>())
    };
    let lowest = mine.iter().zip(&their_rows).map(cosine).fold(f64::INFINITY, f64::min);
    writeln!(report, "lowest cosine to model2vec-rs over {} texts: {lowest:.6}\n", texts.len())?;
    Ok(())
}

fn speed(
    report: &mut String,
    ours: &StaticEmbedder,
    theirs: Option<&StaticModel>,
    texts: &[String],
) -> Result<()> {
    let theirs_int8 = theirs.map(|theirs| theirs.clone().quantize_int8());
    let mut sides: Vec<Side<'_>> =
        vec![("ours", Box::new(|_, batch| drop(black_box(ours.embed_documents(batch)))))];
    for (name, theirs) in [("model2vec-rs 0.4", theirs), ("model2vec-rs 0.4, 8 bits", theirs_int8.as_ref())] {
        if let Some(theirs) = theirs {
            sides.push((name, Box::new(|batch, _| drop(black_box(theirs.encode_flat(batch))))));
        }
    }
    let batches: Vec<(&[String], Vec<&str>)> =
        texts.chunks(BATCH).map(|batch| (batch, batch.iter().map(String::as_str).collect())).collect();
    let mut times = vec![Vec::new(); sides.len()];
    for round in 0..ROUNDS {
        for (number, block) in batches.chunks(BLOCK).enumerate() {
            for turn in 0..sides.len() {
                let side = (round + number + turn) % sides.len();
                for (owned, borrowed) in block {
                    times[side].push(time(|| sides[side].1(owned, borrowed)));
                }
            }
        }
    }
    let rates: Vec<f64> = times.iter().map(|times| BATCH as f64 / median(times).as_secs_f64()).collect();
    writeln!(
        report,
        "| {} texts of {WORDS} words, one thread | texts/s | ours is |\n|---|---|---|",
        texts.len()
    )?;
    for ((name, _), rate) in sides.iter().zip(&rates) {
        writeln!(report, "| {name} | {rate:.0} | {:.2} x |", rates[0] / rate)?;
    }
    let query = &texts[0];
    let one: Vec<Duration> = (0..10_001).map(|_| time(|| drop(black_box(ours.embed_query(query))))).collect();
    writeln!(report, "\none query of ours: {:.2} µs\n", median(&one).as_secs_f64() * 1e6)?;
    Ok(())
}

fn open(report: &mut String, with_theirs: bool, folder: &Path, file: &Path) -> Result<()> {
    let ours: Vec<Duration> =
        (0..101).map(|_| time(|| drop(black_box(StaticEmbedder::open(file))))).collect();
    let first = |_| {
        time(|| {
            drop(StaticEmbedder::open(file).map(|embedder| black_box(embedder.embed_query("a first query"))))
        })
    };
    let first: Vec<Duration> = (0..101).map(first).collect();
    let packed: Vec<Duration> =
        (0..5).map(|_| time(|| drop(black_box(StaticEmbedder::open(folder))))).collect();
    let theirs: Vec<Duration> = (0..if with_theirs { 5 } else { 0 })
        .map(|_| time(|| drop(black_box(StaticModel::from_pretrained(folder, None, None, None)))))
        .collect();
    writeln!(report, "| open, the file being in the page cache | ms |\n|---|---|")?;
    let rows = [
        ("ours, the file", ours),
        ("ours, the file, and a first query", first),
        ("ours, the folder", packed),
        ("model2vec-rs, the folder", theirs),
    ];
    for (name, times) in rows.iter().filter(|(_, times)| !times.is_empty()) {
        writeln!(report, "| {name} | {:.3} |", median(times).as_secs_f64() * 1e3)?;
    }
    Ok(())
}

fn time(run: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    run();
    begun.elapsed()
}
