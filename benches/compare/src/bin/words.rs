//! Words beside tantivy: indexing with one thread, bytes, top-10 queries of 1 to 8 words, and a tail in memory.
//!
//! `cargo run --release --manifest-path benches/compare/Cargo.toml --bin words`
//!
//! The texts are those of `WordNet`. tantivy runs in a `RamDirectory` with its default tokenizer (the faster choice for it), without
//! stored texts, as one segment; its queries are Boolean ones of terms, as its query parser makes them. Queries are words in a row of
//! texts, drawn at random. Both sides answer each query in turn, the first to go changing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use benches::{Random, Result, machine, median, micros, percentile, texts};
use lexical_index::{Analyzer, MemoryIndex, Part, Query, Searcher, Segment};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, Occur, Query as TheirQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexWriter, ReloadPolicy, TantivyDocument, Term};

const ROUNDS: usize = 5;
const QUERIES_PER_LEN: usize = 1_000;
const TAIL: usize = 20_000;
const K: usize = 10;

/// Counts the heap.
struct Heap;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static HEAP: Heap = Heap;

fn main() -> Result<()> {
    let mut report = format!("{}\n\n", machine()?);
    let texts = texts()?;
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    let (mut ours, mut theirs) = (None, None);
    for round in 0..ROUNDS {
        for turn in 0..2 {
            let begun = Instant::now();
            if (round + turn) % 2 == 0 {
                ours = Some(our_part(&texts)?);
                our_times.push(begun.elapsed());
            } else {
                theirs = Some(their_index(&texts)?);
                their_times.push(begun.elapsed());
            }
        }
    }
    let (Some(part), Some((field, index))) = (ours, theirs) else { return Err("no round".into()) };
    let their_bytes = their_len(&index)?;
    let (our_time, their_time) = (median(&our_times), median(&their_times));
    writeln!(report, "| {} texts | ours | tantivy 0.27 | ratio |\n|---|---|---|---|", texts.len())?;
    let (ours, theirs) = (our_time.as_secs_f64(), their_time.as_secs_f64());
    writeln!(
        report,
        "| indexing, texts/s (median of {ROUNDS}) | {:.0} | {:.0} | {:.2} × |",
        rate(texts.len(), ours),
        rate(texts.len(), theirs),
        theirs / ours
    )?;
    let bytes = part.len();
    writeln!(
        report,
        "| index, bytes, no positions | {bytes} | {their_bytes} | {:.2} × |\n",
        bytes as f64 / their_bytes as f64
    )?;
    let part = Part::open(part)?;
    queries(&texts, &part, field, &index, &mut report)?;
    tail(&texts, &mut report)?;
    open(&part, &mut report)?;
    println!("{report}");
    std::fs::write("benches/record/2026-11-23-words.md", report)?;
    Ok(())
}

fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}

fn our_index(texts: &[String]) -> Result<MemoryIndex> {
    let mut index = MemoryIndex::new(Arc::new(Analyzer::new()), &["text"], false)?;
    for text in texts {
        index.add(&[(0, text)])?;
    }
    Ok(index)
}

fn our_part(texts: &[String]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    our_index(texts)?.write(&mut bytes)?;
    Ok(bytes)
}

fn their_index(texts: &[String]) -> Result<(Field, Index)> {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::WithFreqs);
    let field = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
    let index = Index::create_in_ram(schema.build());
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 300 << 20)?;
    for text in texts {
        let mut document = TantivyDocument::default();
        document.add_text(field, text);
        writer.add_document(document)?;
    }
    writer.commit()?;
    writer.wait_merging_threads()?;
    Ok((field, index))
}

/// Dictionary, postings and lengths, not what keeps documents.
fn their_len(index: &Index) -> Result<u64> {
    let searcher = index.reader()?.searcher();
    let mut len = 0;
    for segment in searcher.segment_readers() {
        let usage = segment.space_usage()?;
        for part in [usage.termdict(), usage.postings(), usage.fieldnorms()] {
            len += part.total().get_bytes();
        }
    }
    Ok(len)
}

/// Words in a row, as both sides find them.
fn draw(texts: &[String], analyzer: &Analyzer, len: usize, random: &mut Random) -> Vec<String> {
    loop {
        let text = &texts[random.below(texts.len() as u64) as usize];
        let words: Vec<String> = analyzer.tokens(text).into_iter().map(|token| token.term).collect();
        if words.len() >= len {
            let start = random.below((words.len() - len + 1) as u64) as usize;
            return words[start..start + len].to_vec();
        }
    }
}

fn queries(
    texts: &[String],
    part: &Part<Vec<u8>>,
    field: Field,
    index: &Index,
    report: &mut String,
) -> Result<()> {
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(part)])?;
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let their_searcher = reader.searcher();
    writeln!(
        report,
        "top {K}, {QUERIES_PER_LEN} queries of each length, each the median of 3, microseconds; {} segments of tantivy\n",
        their_searcher.segment_readers().len()
    )?;
    writeln!(
        report,
        "| words | ours p50 | tantivy p50 | ratio | ours p99 | tantivy p99 | ratio |\n|---|---|---|---|---|---|---|"
    )?;
    let mut random = Random(11);
    let mut heap = 0;
    for len in 1..=8 {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for i in 0..QUERIES_PER_LEN {
            let words = draw(texts, &analyzer, len, &mut random);
            let text = words.join(" ");
            let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
            for turn in 0..6 {
                let before = IN_USE.load(Ordering::Relaxed);
                PEAK.store(before, Ordering::Relaxed);
                let begun = Instant::now();
                if (turn + i) % 2 == 0 {
                    black_box(searcher.search(&Query::any(&text), K, &[])?);
                    our_times.push(begun.elapsed());
                    heap = heap.max(PEAK.load(Ordering::Relaxed) - before);
                } else {
                    let terms = words.iter().map(|word| -> (Occur, Box<dyn TheirQuery>) {
                        let term = Term::from_field_text(field, word);
                        (Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)))
                    });
                    let query = BooleanQuery::new(terms.collect());
                    black_box(their_searcher.search(&query, &TopDocs::with_limit(K).order_by_score())?);
                    their_times.push(begun.elapsed());
                }
            }
            ours.push(median(&our_times));
            theirs.push(median(&their_times));
        }
        row(report, &len.to_string(), &mut ours, &mut theirs)?;
    }
    writeln!(
        report,
        "\nheap of one search, at most: {} KiB; of the searcher: {} bytes of statistics a field\n",
        heap / 1024,
        4 * 1024
    )?;
    Ok(())
}

fn row(report: &mut String, name: &str, ours: &mut [Duration], theirs: &mut [Duration]) -> Result<()> {
    write!(report, "| {name} ")?;
    for percent in [50, 99] {
        let (ours, theirs) = (percentile(ours, percent), percentile(theirs, percent));
        write!(
            report,
            "| {} | {} | {:.2} × ",
            micros(ours),
            micros(theirs),
            ours.as_secs_f64() / theirs.as_secs_f64()
        )?;
    }
    writeln!(report, "|")?;
    Ok(())
}

fn tail(texts: &[String], report: &mut String) -> Result<()> {
    let mut bytes = Vec::new();
    our_index(&texts[..TAIL])?.write(&mut bytes)?;
    let (part, analyzer) = (Part::open(bytes)?, Analyzer::new());
    let mut random = Random(12);
    let mut times = Vec::new();
    for i in 0..2_000 {
        let text = draw(texts, &analyzer, 1 + i % 8, &mut random).join(" ");
        let mut of_this = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)])?;
            black_box(searcher.search(&Query::any(&text), K, &[])?);
            of_this.push(begun.elapsed());
        }
        times.push(median(&of_this));
    }
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    let worst = percentile(&mut times, 100);
    writeln!(
        report,
        "a part of {TAIL} records, 1 to 8 words, statistics included: p50 {} µs, p99 {} µs, worst {} µs; {} MiB",
        micros(p50),
        micros(p99),
        micros(worst),
        part.len_bytes() >> 20
    )?;
    Ok(())
}

fn open(part: &Part<Vec<u8>>, report: &mut String) -> Result<()> {
    let mut bytes = Vec::new();
    lexical_index::merge(&[(part, None)], &mut bytes)?;
    let begun = Instant::now();
    lexical_index::merge(&[(part, None)], std::io::sink())?;
    let merge = begun.elapsed();
    let analyzer = Analyzer::new();
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let begun = Instant::now();
        let part = Part::open(&bytes[..])?;
        black_box(Searcher::new(&analyzer, vec![Segment::new(&part)])?);
        times.push(begun.elapsed());
    }
    writeln!(
        report,
        "open and statistics: p50 {} µs; rewriting the part by a merge: {} µs",
        micros(median(&times)),
        micros(merge)
    )?;
    Ok(())
}
