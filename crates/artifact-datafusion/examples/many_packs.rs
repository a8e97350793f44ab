//! Measures SQL over 16 packs beside one artifact of the same records, and `COPY` beside the facade alone.
//!
//!     cargo run --release --example many_packs -- TEXTS.jsonl VECTORS.f16.npy RECORDS [FOLDER [PACKS [MEGABYTES]]]
//!
//! What is written to FOLDER stays there, and is not written again where it is found. PACKS are 16 by default, each made by one task, whose limit of memory is MEGABYTES, 256 by default.
//! TEXTS has an object with `key` and `text` in each line, VECTORS a row of 384 values for each of them. More records than there are of them are made of two each: words of both texts, and
//! a vector between theirs.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that measures")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "figures"
)]

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact_datafusion::{Packs, register};
use compact_artifact::{
    Batch, CompactArtifact, Metric, Options, Query, Record, Snapshot, SpaceOptions, search_snapshots,
};
use datafusion::arrow::array::builder::{FixedSizeListBuilder, Float32Builder};
use datafusion::arrow::array::{AsArray, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const DIMENSION: usize = 384;
const BATCH: usize = 8192;
const QUERIES: usize = 300;

/// Texts and vectors that records are made of.
#[derive(Debug)]
struct Data {
    texts: Vec<String>,
    vectors: Vec<f32>,
}

impl Data {
    fn read(texts: &Path, vectors: &Path) -> Self {
        let texts = std::fs::read_to_string(texts).unwrap();
        let text = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["text"].as_str().unwrap().to_owned()
        };
        let texts: Vec<String> = texts.lines().map(text).collect();
        let bytes = std::fs::read(vectors).unwrap();
        let values = &bytes[bytes.len() - texts.len() * DIMENSION * 2..];
        let vectors =
            values.chunks_exact(2).map(|pair| half(u16::from_le_bytes([pair[0], pair[1]]))).collect();
        Self { texts, vectors }
    }

    /// Two of them, of which a record is made.
    fn pair(&self, n: usize) -> (usize, usize) {
        let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        (n % self.texts.len(), mixed as usize % self.texts.len())
    }

    fn text(&self, n: usize) -> String {
        let (first, second) = self.pair(n);
        if n < self.texts.len() {
            return self.texts[n].clone();
        }
        let words = |text: &str, skip: usize| {
            text.split_whitespace().skip(skip).step_by(2).collect::<Vec<_>>().join(" ")
        };
        format!("{} {}", words(&self.texts[first], 0), words(&self.texts[second], 1))
    }

    fn vector(&self, n: usize) -> Vec<f32> {
        let (first, second) = self.pair(n);
        let part = if n < self.texts.len() {
            0.0
        } else {
            0.2 + 0.2 * ((n / self.texts.len()) as f32 * 0.618).fract()
        };
        let row = |at: usize| &self.vectors[at * DIMENSION..(at + 1) * DIMENSION];
        row(first).iter().zip(row(second)).map(|(a, b)| a * (1.0 - part) + b * part).collect()
    }
}

/// A number of 16 bits.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) =
        (u32::from(bits >> 15), u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    if exponent == 0 {
        let value = fraction as f32 / f32::from(1u16 << 12) / f32::from(1u16 << 12);
        return if sign == 1 { -value } else { value };
    }
    f32::from_bits(sign << 31 | (exponent + 112) << 23 | fraction << 13)
}

/// How the records are written.
#[derive(Debug, Clone, Copy)]
struct Plan {
    records: usize,
    packs: usize,
    /// Of a task, in bytes.
    memory_limit: usize,
}

impl Plan {
    /// The records of a pack.
    fn part(self, pack: usize) -> Range<usize> {
        pack * self.records / self.packs..(pack + 1) * self.records / self.packs
    }
}

fn options(memory_limit: usize) -> Options {
    Options::new().memory_limit(memory_limit).space("v", SpaceOptions::new(DIMENSION, Metric::Cosine))
}

/// The records of one partition as a table has them.
#[derive(Debug)]
struct Partition {
    data: Arc<Data>,
    schema: SchemaRef,
    from: usize,
    to: usize,
}

fn schema() -> SchemaRef {
    let item = Arc::new(Field::new_list_field(DataType::Float32, false));
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("n", DataType::UInt64, false),
        Field::new("vector_v", DataType::FixedSizeList(item, DIMENSION as i32), false),
    ]))
}

impl Partition {
    fn batch(data: &Data, schema: &SchemaRef, from: usize, to: usize) -> RecordBatch {
        let item = Arc::new(Field::new_list_field(DataType::Float32, false));
        let values = Float32Builder::with_capacity((to - from) * DIMENSION);
        let mut vectors = FixedSizeListBuilder::new(values, DIMENSION as i32).with_field(item);
        for n in from..to {
            vectors.values().append_slice(&data.vector(n));
            vectors.append(true);
        }
        let columns: Vec<datafusion::arrow::array::ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values((from..to).map(|n| format!("k{n}")))),
            Arc::new(StringArray::from_iter_values((from..to).map(|n| data.text(n)))),
            Arc::new(UInt64Array::from_iter_values((from..to).map(|n| n as u64 % 1000))),
            Arc::new(vectors.finish()),
        ];
        RecordBatch::try_new(schema.clone(), columns).unwrap()
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (data, schema, to) = (self.data.clone(), self.schema.clone(), self.to);
        let batches = (self.from..to).step_by(BATCH);
        let batches = batches.map(move |from| Ok(Self::batch(&data, &schema, from, (from + BATCH).min(to))));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(batches)))
    }
}

/// Memory of this process by its name in `/proc/self/status`, in MB.
fn megabytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or(":0 kB");
    line[1..].split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// Seconds of processors that this process has used, and the most memory that it had, in MB.
fn used() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    ((ticks(11) + ticks(12)) / 100.0, megabytes("VmHWM"))
}

/// Writes records into an artifact, as a program without SQL would.
fn write(
    data: &Data,
    path: &Path,
    Range { start: from, end: to }: Range<usize>,
    limit: usize,
) -> CompactArtifact {
    let artifact = options(limit).durability(compact_artifact::Durability::Buffered).create(path).unwrap();
    for start in (from..to).step_by(BATCH) {
        let records = (start..(start + BATCH).min(to)).map(|n| {
            let metadata = serde_json::json!({"n": n as u64 % 1000});
            Record::text(data.text(n)).key(format!("k{n}")).metadata(metadata).embedding("v", data.vector(n))
        });
        artifact.write(records.fold(Batch::new(), Batch::add)).unwrap();
    }
    artifact
}

/// The same packs without SQL, so many at a time.
fn facade(data: &Arc<Data>, folder: &Path, plan: Plan) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for pack in (thread..plan.packs).step_by(threads) {
                    let path = folder.join(format!("facade-{pack}"));
                    let artifact = write(data, &path, plan.part(pack), plan.memory_limit);
                    artifact.pack(folder.join(format!("facade-{pack}.cart"))).unwrap();
                    artifact.destroy().unwrap();
                }
            });
        }
    });
}

fn timed<T>(what: &str, records: usize, call: impl FnOnce() -> T) -> (f64, T) {
    let (begun, (before, _)) = (Instant::now(), used());
    let value = call();
    let (after, peak) = used();
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), after - before);
    println!(
        "{what}: {wall:.1} s, {cpu:.1} s of processors, {:.0} records a second of a processor; peak so far {peak} MB",
        records as f64 / cpu
    );
    (cpu, value)
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// Words of a text that no record has as a whole, and a vector beside that of it.
fn query(data: &Data, n: usize) -> (String, Vec<f32>) {
    let at = n * 7919 % data.texts.len();
    let words = data.texts[at].split_whitespace().filter(|word| word.len() > 3).take(4);
    let words: Vec<String> =
        words.map(|word| word.chars().filter(|c| c.is_alphanumeric()).collect()).collect();
    let other = (at + 1) % data.texts.len();
    let row = |at: usize| &data.vectors[at * DIMENSION..(at + 1) * DIMENSION];
    (words.join(" "), row(at).iter().zip(row(other)).map(|(a, b)| a * 0.9 + b * 0.1).collect())
}

async fn search(context: &SessionContext, folder: &str, words: &str, vector: &[f32]) -> Vec<u64> {
    let mut numbers = String::new();
    for value in vector {
        write!(numbers, "{}{value}", if numbers.is_empty() { "" } else { "," }).unwrap();
    }
    let text = format!(
        r#"SELECT id, score, key FROM cart_search('{folder}', '{words}', 10, '{{"vector": {{"v": [{numbers}]}}}}')"#
    );
    let found = context.sql(&text).await.unwrap().collect().await.unwrap();
    found.iter().flat_map(|batch| batch.column(0).as_primitive::<UInt64Type>().values().to_vec()).collect()
}

/// Writes the records into packs, by `COPY` and by the facade alone, and into one artifact.
async fn fill(data: &Arc<Data>, folder: &Path, packs: &str, plan: Plan) {
    let Plan { records, packs: tasks, memory_limit } = plan;
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(tasks));
    register(&context, Packs::new(options(memory_limit))).unwrap();
    let partition = |number: usize| {
        let Range { start: from, end: to } = plan.part(number);
        Arc::new(Partition { data: data.clone(), schema: schema(), from, to }) as Arc<dyn PartitionStream>
    };
    let table = StreamingTable::try_new(schema(), (0..tasks).map(partition).collect()).unwrap();
    context.register_table("records", Arc::new(table)).unwrap();

    HEAP.reset_peak_usage();
    let (begun, (before, _), heap) = (Instant::now(), used(), HEAP.current_usage());
    let copy = format!("COPY (SELECT * FROM records) TO '{packs}' STORED AS CART");
    context.sql(&copy).await.unwrap().collect().await.unwrap();
    let (most, (after, peak)) = (HEAP.peak_usage() - heap, used());
    let copied = after - before;
    println!(
        "COPY into {tasks} packs: {:.1} s, {copied:.1} s of processors, {:.0} records a second of a processor",
        begun.elapsed().as_secs_f64(),
        records as f64 / copied
    );
    println!(
        "heap of each of {tasks} tasks, at most: {} MB, of which a batch of records is {} MB; limit {} MB; resident with pages of files at most {peak} MB",
        (most >> 20) / tasks,
        (BATCH * DIMENSION * 4) >> 20,
        memory_limit >> 20
    );
    let (alone, ()) = timed("the facade, the same packs", records, || facade(data, folder, plan));
    println!("COPY beside the facade, per processor: {:.2} x", alone / copied);
    timed("one artifact", records, || {
        write(data, &folder.join("one"), 0..records, memory_limit).close().unwrap();
    });
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [texts, vectors, records, rest @ ..] = arguments.as_slice() else {
        println!("expected TEXTS.jsonl VECTORS.f16.npy RECORDS [FOLDER [PACKS [MEGABYTES]]]");
        return;
    };
    let number = |at: usize, default: usize| rest.get(at).map_or(default, |number| number.parse().unwrap());
    let plan =
        Plan { records: records.parse().unwrap(), packs: number(1, 16), memory_limit: number(2, 256) << 20 };
    let options = || options(plan.memory_limit);
    let temp = tempfile::tempdir().unwrap();
    let data = Arc::new(Data::read(Path::new(texts), Path::new(vectors)));
    let folder = rest.first().map_or_else(|| temp.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let packs = format!("{}/packs/", folder.display());
    if !folder.join("one").exists() {
        fill(&data, &folder, &packs, plan).await;
    }
    let context = SessionContext::new();
    register(&context, Packs::new(options())).unwrap();
    let one = options().open_read_only(folder.join("one")).unwrap();

    let opened: Vec<CompactArtifact> = (0..plan.packs)
        .map(|pack| options().open_read_only(folder.join(format!("facade-{pack}.cart"))).unwrap())
        .collect();
    let snapshots: Vec<Snapshot> = opened.iter().map(CompactArtifact::snapshot).collect();
    let mut times: [Vec<Duration>; 3] = Default::default();
    let mut rows = 0;
    for round in 0..2 {
        // The first round is warm-up.
        times.iter_mut().for_each(Vec::clear);
        for n in 0..QUERIES {
            let (words, vector) = query(&data, n + round * QUERIES);
            let asked = || Query::words(&words).and_vector("v", vector.clone()).k(10).fetch(true);
            let begun = Instant::now();
            rows += one.search(&asked()).unwrap().hits.len();
            times[0].push(begun.elapsed());
            let begun = Instant::now();
            rows += search_snapshots(&snapshots, &asked()).unwrap().hits.len();
            times[1].push(begun.elapsed());
            let begun = Instant::now();
            rows += search(&context, &packs, &words, &vector).await.len();
            times[2].push(begun.elapsed());
        }
    }
    let [one_ms, federated_ms, sql_ms] = times.each_mut().map(|times| median(times));
    println!(
        "hybrid, top 10, {rows} rows in all, p50: one artifact {one_ms:.2} ms, {} packs without SQL {federated_ms:.2} ms, by SQL {sql_ms:.2} ms: {:.2} x",
        plan.packs,
        sql_ms / one_ms
    );
}
