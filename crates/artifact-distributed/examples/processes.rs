//! Packs on several machines, played by processes of this one: three executors, and the process that asks. Texts in 16 files become packs, about as many, which are searched, scanned and counted; then an executor stops, a query is asked, and the executor is killed.
//!
//!     cargo run --release --features datafusion-distributed --example processes
//!     cargo run --release --all-features --example processes -- --engine ballista
//!
//! `--texts FILE` has an object with `key`, `text` and `metadata` in each line, compressed by zstd if its name ends in `.zst`; those of `cart demo` are the default. `--records N` takes the first of them: by default all, or 4,000 in
//! a build that is not optimized. `--partitions N` is how many packs each task makes side by side, 16 by default, and `--memory-limit MIB` what one of them takes.
//!
//! What executors have done is read from `/proc`, and so printed on Linux only.
#![expect(clippy::print_stdout, reason = "a program that shows")]

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact_datafusion::Packs;
use artifact_distributed::Node;
use compact_artifact::{Options, StaticEmbedder};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::net::TcpListener;
use url::Url;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const EXECUTORS: usize = 3;
const PACKS: usize = 16;
const TEXTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cart/data/wordnet.jsonl.zst");
const COUNTED: &str = "SELECT pos, count(*) AS texts, round(avg(character_length(text)), 1) AS characters FROM texts GROUP BY pos ORDER BY pos";

/// Which engine divides the work.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Engine {
    DatafusionDistributed,
    #[cfg(feature = "ballista")]
    Ballista,
}

impl Engine {
    fn from_name(name: &str) -> Result<Self> {
        match name {
            "datafusion-distributed" => Ok(Self::DatafusionDistributed),
            #[cfg(feature = "ballista")]
            "ballista" => Ok(Self::Ballista),
            _ => {
                Err(format!("--engine {name}: not built in; expected the name of a feature of this build")
                    .into())
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::DatafusionDistributed => "datafusion-distributed",
            #[cfg(feature = "ballista")]
            Self::Ballista => "ballista",
        }
    }
}

/// What the command line says. Executors get the same.
#[derive(Debug)]
struct Args {
    engine: Engine,
    texts: String,
    records: usize,
    partitions: usize,
    memory_limit: Option<usize>,
    /// What this process is: one that asks, or what another has started it for.
    role: Option<String>,
    /// Where its scheduler is.
    scheduler: Option<Url>,
}

impl Args {
    fn parse(given: &[String]) -> Result<Self> {
        let mut args = Self {
            engine: Engine::DatafusionDistributed,
            texts: TEXTS.to_owned(),
            records: if cfg!(debug_assertions) { 4_000 } else { usize::MAX },
            partitions: PACKS,
            memory_limit: None,
            role: None,
            scheduler: None,
        };
        for pair in given.chunks(2) {
            let [name, value] = pair else { return Err(format!("{}: expected a value", pair[0]).into()) };
            match name.as_str() {
                "--engine" => args.engine = Engine::from_name(value)?,
                "--texts" => args.texts.clone_from(value),
                "--records" => args.records = value.parse()?,
                "--partitions" => args.partitions = value.parse()?,
                "--memory-limit" => args.memory_limit = Some(value.parse::<usize>()? << 20),
                "--role" => args.role = Some(value.clone()),
                "--scheduler" => args.scheduler = Some(value.parse()?),
                _ => return Err(format!("no option {name}; see the first lines of this example").into()),
            }
        }
        Ok(args)
    }

    /// What all processes have: the same embedder, the same options.
    fn node(&self) -> Result<Node> {
        let options = Options::new().embedder(Arc::new(StaticEmbedder::built_in()?));
        let options = match self.memory_limit {
            Some(bytes) => options.memory_limit(bytes),
            None => options,
        };
        // A partition is one or more files, never a part of one: as many packs as files, if there are so many partitions.
        let config = SessionConfig::new().with_target_partitions(self.partitions);
        let config = config.with_repartition_file_scans(false);
        Ok(Node::new(Packs::new(options)).config(config))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let args = Args::parse(&given)?;
    match args.role.as_deref() {
        None => ask(&args, &given).await,
        Some(role) => tokio::select! {
            served = serve(role, &args) => served,
            // Whoever has started this process is gone, or wants it to go.
            () = end_of_input() => Ok(()),
        },
    }
}

async fn end_of_input() {
    let (sent, received) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).ok();
        sent.send(()).ok();
    });
    received.await.ok();
}

/// Runs an executor or a scheduler, which first says where it is.
async fn serve(role: &str, args: &Args) -> Result<()> {
    let (node, listener) = (args.node()?, TcpListener::bind("127.0.0.1:0").await?);
    let address = listener.local_addr()?;
    match (args.engine, role) {
        (Engine::DatafusionDistributed, _) => {
            println!("http://{address}");
            artifact_distributed::datafusion_distributed::serve_worker(listener, &node).await?;
        }
        #[cfg(feature = "ballista")]
        (Engine::Ballista, "scheduler") => {
            println!("http://{address}");
            let config = artifact_distributed::ballista::scheduler_config(&node);
            artifact_distributed::ballista::serve_scheduler(listener, config).await?;
        }
        #[cfg(feature = "ballista")]
        (Engine::Ballista, _) => {
            // The executor binds its port by itself.
            drop(listener);
            println!("http://{address}");
            let scheduler = args.scheduler.as_ref().ok_or("an executor of Ballista needs --scheduler")?;
            let config = artifact_distributed::ballista::executor_config(address, scheduler, &node);
            artifact_distributed::ballista::serve_executor(config).await?;
        }
    }
    Ok(())
}

/// A process that this one has started. It ends when its input does, and so with this one.
struct Process {
    name: String,
    child: Child,
    url: Url,
    before: Done,
}

/// What a process has done so far.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    /// Seconds of processors.
    processors: f64,
    /// The most memory that it had, in MiB, with what it has mapped.
    peak: u64,
    /// Packs that it has open.
    packs: usize,
}

impl Process {
    fn start(name: &str, role: &[&str], given: &[String]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(given).args(role).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let url: Url = line.trim().parse().map_err(|e| format!("{name} said {line:?}: {e}"))?;
        println!("{name}: process {} at {url}", child.id());
        Ok(Self { name: name.to_owned(), child, url, before: Done::default() })
    }

    fn done(&self) -> Option<Done> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).ok();
        let (stat, status, maps) = (read("stat")?, read("status")?, read("maps")?);
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let packs: BTreeSet<&str> = maps
            .lines()
            .filter_map(|line| line.split_whitespace().last())
            .filter(|path| has_extension(path, "cart"))
            .collect();
        Some(Done {
            processors: (ticks(11)? + ticks(12)?) / 100.0,
            peak: peak.split_whitespace().next()?.parse::<u64>().ok()? / 1024,
            packs: packs.len(),
        })
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(format!("kill {signal} of {}: {sent}", self.name).into()) }
    }
}

/// Prints what each executor did since this was called before.
fn tell(executors: &mut [Process]) {
    for executor in executors {
        let Some(done) = executor.done() else { continue };
        println!(
            "  {}: {:.2} s of processors, {} packs open, memory {} MiB at most so far",
            executor.name,
            done.processors - executor.before.processors,
            done.packs,
            done.peak
        );
        executor.before = done;
    }
}

async fn timed(what: &str, context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    let begun = Instant::now();
    let found = context.sql(sql).await?.collect().await?;
    println!("\n{what}: {:.0} ms\n  {sql}", begun.elapsed().as_secs_f64() * 1000.0);
    Ok(found)
}

fn show(found: &[RecordBatch]) -> Result<String> {
    let table = pretty_format_batches(found)?.to_string();
    println!("{table}");
    Ok(table)
}

/// Puts the texts into so many files, which several processes read side by side.
async fn split(args: &Args, folder: &str) -> Result<usize> {
    let context = SessionContext::new();
    let compression =
        if has_extension(&args.texts, "zst") { "OPTIONS ('format.compression' 'zstd')" } else { "" };
    let texts = args.texts.replace('\'', "''");
    context
        .sql(&format!("CREATE EXTERNAL TABLE texts STORED AS JSON LOCATION '{texts}' {compression}"))
        .await?;
    let read = "SELECT key, text, metadata['pos'] AS pos, metadata['topic'] AS topic FROM texts";
    let frame = context.sql(read).await?.limit(0, Some(args.records))?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let texts = concat_batches(&schema, &frame.collect().await?)?;
    let records = texts.num_rows();
    for number in 0..PACKS {
        let (from, to) = (number * records / PACKS, (number + 1) * records / PACKS);
        let file = format!("{folder}/texts/{number:02}.parquet");
        let options = DataFrameWriteOptions::new().with_single_file_output(true);
        context.read_batch(texts.slice(from, to - from))?.write_parquet(&file, options, None).await?;
    }
    Ok(records)
}

async fn ask(args: &Args, given: &[String]) -> Result<()> {
    println!("{}: {EXECUTORS} executors, and process {} that asks", args.engine.name(), std::process::id());
    #[cfg(feature = "ballista")]
    let scheduler = match args.engine {
        Engine::Ballista => Some(Process::start("scheduler", &["--role", "scheduler"], given)?),
        Engine::DatafusionDistributed => None,
    };
    let mut executors = Vec::new();
    for number in 1..=EXECUTORS {
        let role = ["--role", "executor"].into_iter();
        #[cfg(feature = "ballista")]
        let role = role.chain(scheduler.iter().flat_map(|scheduler| ["--scheduler", scheduler.url.as_str()]));
        let role: Vec<&str> = role.collect();
        executors.push(Process::start(&format!("executor {number}"), &role, given)?);
    }
    let temp = tempfile::tempdir()?;
    let folder = temp.path().display().to_string();
    let packs = format!("{folder}/packs/");
    let records = split(args, &folder).await?;
    println!("\n{records} texts in {PACKS} files of Parquet");

    let connect = async |executors: &[Process]| -> Result<SessionContext> {
        let urls: Vec<Url> = executors.iter().map(|executor| executor.url.clone()).collect();
        let context = match args.engine {
            Engine::DatafusionDistributed => {
                artifact_distributed::datafusion_distributed::session(&urls, &args.node()?)?
            }
            #[cfg(feature = "ballista")]
            Engine::Ballista => {
                let scheduler = &scheduler.as_ref().ok_or("no scheduler")?.url;
                artifact_distributed::ballista::session(scheduler, &args.node()?).await?
            }
        };
        let files = format!("CREATE EXTERNAL TABLE files STORED AS PARQUET LOCATION '{folder}/texts/'");
        context.sql(&files).await?;
        Ok(context)
    };
    let context = connect(&executors).await?;
    tell(&mut executors);
    let copy = format!("COPY (SELECT key, text, pos, topic FROM files) TO '{packs}' STORED AS CART");
    let copied = timed("Packs are made", &context, &copy).await?;
    let count = copied[0].column(0).as_primitive::<UInt64Type>().value(0);
    println!("  {count} records in {} packs", std::fs::read_dir(Path::new(&packs).join("data"))?.count());
    tell(&mut executors);

    let table = format!("CREATE EXTERNAL TABLE texts STORED AS CART LOCATION '{packs}'");
    context.sql(&table).await?;
    for (what, by) in [("Searched by words", "words"), ("Searched by words and meaning", "text")] {
        let search = format!(
            r#"SELECT key, score, snippet FROM cart_search('{packs}', 'vehicle with two wheels', 3, '{{"by": "{by}"}}')"#
        );
        show(&timed(what, &context, &search).await?)?;
        tell(&mut executors);
    }
    let expected = show(&timed("Scanned and counted", &context, COUNTED).await?)?;
    tell(&mut executors);

    println!("\n{} stops, a query is asked, and it is killed", executors[0].name);
    executors[0].signal("-STOP")?;
    let query = context.sql(COUNTED).await?;
    let running = tokio::spawn(query.collect());
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("  the query {}", if running.is_finished() { "did not need it" } else { "waits for it" });
    executors[0].child.kill()?;
    executors[0].child.wait()?;
    let begun = Instant::now();
    match running.await? {
        Ok(found) => {
            println!("  the query goes on without it, {:.1} s later:", begun.elapsed().as_secs_f64());
            same(&show(&found)?, &expected)?;
        }
        Err(e) => println!("  the query fails: {}", e.to_string().lines().next().unwrap_or_default()),
    }
    executors.remove(0);
    let context = connect(&executors).await?;
    context.sql(&table).await?;
    same(&show(&timed("Asked again, with those that are left", &context, COUNTED).await?)?, &expected)?;
    tell(&mut executors);

    drop(context);
    #[cfg(feature = "ballista")]
    executors.extend(scheduler);
    for mut process in executors {
        drop(process.child.stdin.take());
        println!("{} ends: {}", process.name, process.child.wait()?);
    }
    Ok(())
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn same(found: &str, expected: &str) -> Result<()> {
    if found == expected { Ok(()) } else { Err(format!("expected\n{expected}\nfound\n{found}").into()) }
}
