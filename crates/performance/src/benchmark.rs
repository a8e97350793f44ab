//! What is measured, and in which order.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use compact_artifact::{CompactArtifact, Query, Snapshot};

use crate::error::{Error, Result};
use crate::load::{Latencies, Measured, Times, closed, open};
use crate::numbers::date;
use crate::process::processor;
use crate::queries::{QueryKind, Random, Sample};
use crate::report::{Loop, Operation, Report, Run, Setting};
use crate::{recall, writes};

/// Measures an artifact: see the [crate page](crate).
#[derive(Debug)]
#[must_use = "a benchmark measures nothing until it is run"]
pub struct PerformanceBenchmark {
    path: PathBuf,
    duration: Duration,
    warm_up: Duration,
    operations: Vec<Operation>,
    kinds: Vec<QueryKind>,
    clients: Vec<usize>,
    batch_sizes: Vec<usize>,
    rates: Vec<f64>,
    queries: usize,
    recall_queries: usize,
    seed: u64,
    scratch: Option<PathBuf>,
    commit: Option<String>,
    progress: Option<Progress>,
}

/// A call of the caller's.
struct Progress(Box<Tell>);

type Tell = dyn FnMut(&str, usize, usize);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// The most clients, and the most records in a batch.
const MAX_CLIENTS: usize = 1024;
const MAX_BATCH: usize = 100_000;
/// The most records that queries and batches are made of.
const MAX_SAMPLE: usize = 5_000;

impl PerformanceBenchmark {
    /// Of the artifact at `path`, a directory or a packed file, which is only read.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            duration: Duration::from_secs(2),
            warm_up: Duration::from_millis(500),
            operations: vec![Operation::Search, Operation::Get, Operation::Add],
            kinds: QueryKind::ALL.to_vec(),
            clients: client_counts(),
            batch_sizes: vec![1, 10, 100, 1000],
            rates: vec![0.5, 0.8],
            queries: 500,
            recall_queries: 100,
            seed: 1,
            scratch: None,
            commit: None,
            progress: None,
        }
    }

    /// How long each load runs, above 0. Default: 2 seconds.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// How long each load runs before it counts. Default: 500 milliseconds.
    pub fn warm_up(mut self, warm_up: Duration) -> Self {
        self.warm_up = warm_up;
        self
    }

    /// What is done. Default: all of it.
    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations = operations.into_iter().collect();
        self
    }

    /// Kinds of queries. Default: all of them.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = QueryKind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Numbers of threads that call at the same time, each 1 to 1,024. Default: 1, 2, 4 and so on, up to what the machine runs at once.
    pub fn clients(mut self, clients: impl IntoIterator<Item = usize>) -> Self {
        self.clients = clients.into_iter().collect();
        self
    }

    /// Numbers of records that are added at a time, each 1 to 100,000. Default: 1, 10, 100 and 1,000.
    pub fn batch_sizes(mut self, sizes: impl IntoIterator<Item = usize>) -> Self {
        self.batch_sizes = sizes.into_iter().collect();
        self
    }

    /// Rates of open loops, each a part of the most throughput of a closed one. Empty: no open loops. Default: 0.5 and 0.8.
    pub fn rates(mut self, rates: impl IntoIterator<Item = f64>) -> Self {
        self.rates = rates.into_iter().collect();
        self
    }

    /// How many different queries of each kind there are, above 0. Default: 500.
    pub fn queries(mut self, queries: usize) -> Self {
        self.queries = queries;
        self
    }

    /// Searches of each space by which recall is measured. 0: it is not. Default: 100.
    pub fn recall_queries(mut self, queries: usize) -> Self {
        self.recall_queries = queries;
        self
    }

    /// What queries follow from. Default: 1.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A folder in which scratch artifacts are made, and removed again. Default: the folder for temporary files.
    pub fn scratch(mut self, folder: impl AsRef<Path>) -> Self {
        self.scratch = Some(folder.as_ref().to_owned());
        self
    }

    /// The commit of the code that is measured, for the report. Default: none.
    pub fn commit(mut self, commit: impl Into<String>) -> Self {
        self.commit = Some(commit.into());
        self
    }

    /// Calls `call` before each load, with what it is, its number from 0 on, and how many there are.
    pub fn on_progress(mut self, call: impl FnMut(&str, usize, usize) + 'static) -> Self {
        self.progress = Some(Progress(Box::new(call)));
        self
    }

    /// Measures.
    pub fn run(mut self) -> Result<Report> {
        self.check()?;
        let progress = self.progress.take();
        let artifact = CompactArtifact::options().result_cache_bytes(0).open_read_only(&self.path)?;
        let sample = Sample::read(&artifact, MAX_SAMPLE)?;
        let (steps, report) = (self.steps(), Report::new(self.setting(&artifact)));
        let snapshot = artifact.snapshot();
        let mut bench = Bench {
            plan: &self,
            artifact: &artifact,
            snapshot,
            sample,
            report,
            progress,
            at: 0,
            steps,
            fewest: Latencies::new()?,
        };
        if self.operations.contains(&Operation::Search) {
            bench.searches()?;
        }
        if self.operations.contains(&Operation::Get) {
            bench.gets()?;
        }
        if self.operations.contains(&Operation::Add) {
            bench.adds()?;
        }
        if self.recall_queries > 0 && self.operations.contains(&Operation::Search) {
            bench.tell("recall");
            bench.report.recall =
                recall::measure(&bench.snapshot, &bench.sample, self.recall_queries, self.seed)?;
        }
        Ok(bench.report)
    }

    fn check(&self) -> Result<()> {
        let within = |what: &str, values: &[usize], most: usize| match values
            .iter()
            .find(|&&value| value == 0 || value > most)
        {
            None if !values.is_empty() => Ok(()),
            Some(value) => Err(Error::Invalid(format!("{what}: expected 1 to {most}, found {value}"))),
            None => Err(Error::Invalid(format!("{what}: expected at least one number"))),
        };
        within("clients", &self.clients, MAX_CLIENTS)?;
        within("batch sizes", &self.batch_sizes, MAX_BATCH)?;
        within("queries", &[self.queries], 1_000_000)?;
        if self.duration.is_zero() {
            return Err(Error::Invalid("duration: expected more than 0".to_owned()));
        }
        match self.rates.iter().find(|&&rate| !(rate > 0.0 && rate <= 100.0)) {
            Some(rate) => {
                Err(Error::Invalid(format!("rates: expected more than 0, up to 100, found {rate}")))
            }
            None => Ok(()),
        }
    }

    /// How many loads there are at the most.
    fn steps(&self) -> usize {
        let has = |operation| usize::from(self.operations.contains(&operation));
        let searches = self.kinds.len() * (self.clients.len() + self.rates.len());
        has(Operation::Search) * (searches + usize::from(self.recall_queries > 0))
            + has(Operation::Get) * self.clients.len()
            + has(Operation::Add) * self.clients.len() * self.batch_sizes.len()
    }

    fn times(&self) -> Times {
        Times { warm_up: self.warm_up, duration: self.duration }
    }

    fn setting(&self, artifact: &CompactArtifact) -> Setting {
        let stats = artifact.stats();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        Setting {
            date: date(now),
            commit: self.commit.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            is_release: !cfg!(debug_assertions),
            processor: processor(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            artifact: name.unwrap_or_else(|| self.path.display().to_string()),
            records: stats.records,
            disk_bytes: stats.disk_bytes,
            spaces: stats.spaces.iter().map(|space| space.name.clone()).collect(),
            seconds: self.duration.as_secs_f64(),
            warm_up_seconds: self.warm_up.as_secs_f64(),
            seed: self.seed,
        }
    }
}

/// 1, 2, 4 and so on, up to what the machine runs at once.
fn client_counts() -> Vec<usize> {
    let most = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_CLIENTS);
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|&n| n < most).collect();
    counts.push(most);
    counts
}

impl Report {
    fn new(setting: Setting) -> Self {
        Self {
            setting,
            max_throughput: 0.0,
            p95_latency: 0.0,
            runs: Vec::new(),
            recall: Vec::new(),
            figures: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

/// A measurement under way.
struct Bench<'a> {
    plan: &'a PerformanceBenchmark,
    artifact: &'a CompactArtifact,
    snapshot: Snapshot,
    sample: Sample,
    report: Report,
    progress: Option<Progress>,
    at: usize,
    steps: usize,
    /// Searches of the fewest clients, of all kinds.
    fewest: Latencies,
}

impl Bench<'_> {
    fn tell(&mut self, what: &str) {
        if let Some(Progress(call)) = &mut self.progress {
            call(what, self.at, self.steps);
        }
        self.at += 1;
    }

    fn searches(&mut self) -> Result<()> {
        let plan = self.plan;
        for &kind in &plan.kinds {
            let queries = match self.sample.queries(kind, plan.queries, plan.seed) {
                Ok(queries) => queries,
                Err(why) => {
                    self.report.skipped.push(format!("{} searches: {why}", kind.name()));
                    continue;
                }
            };
            let snapshot = self.snapshot.clone();
            let search = |number: u64| {
                let query: &Query = pick(&queries, number);
                let found = snapshot.search(&query.clone().fetch(true))?;
                std::hint::black_box(found);
                Ok(1)
            };
            let mut most = 0f64;
            for &clients in &plan.clients {
                self.tell(&format!("{} searches, {clients} clients", kind.name()));
                let measured = closed(clients, plan.times(), search)?;
                if Some(&clients) == plan.clients.iter().min() {
                    self.fewest.merge(&measured.latencies);
                    self.report.p95_latency = self.fewest.summary().p95;
                }
                let run = run(Operation::Search, Some(kind), Loop::Closed, (clients, 1), &measured);
                most = most.max(run.throughput);
                self.report.runs.push(run);
            }
            self.report.max_throughput = self.report.max_throughput.max(most);
            let clients = plan.clients.iter().copied().max().unwrap_or(1);
            for rate in plan.rates.iter().map(|part| part * most) {
                self.tell(&format!("{} searches at a rate", kind.name()));
                let measured = open(clients, rate, plan.times(), search)?;
                let mode = Loop::Open { rate };
                self.report.runs.push(run(Operation::Search, Some(kind), mode, (clients, 1), &measured));
            }
        }
        Ok(())
    }

    fn gets(&mut self) -> Result<()> {
        let plan = self.plan;
        let mut random = Random(plan.seed);
        let records = &self.sample.records;
        let ids: Vec<_> = (0..plan.queries).map(|_| records[random.below(records.len())].id).collect();
        let snapshot = self.snapshot.clone();
        for &clients in &plan.clients {
            self.tell(&format!("gets, {clients} clients"));
            let measured = closed(clients, plan.times(), |number| {
                std::hint::black_box(snapshot.get(*pick(&ids, number))?);
                Ok(1)
            })?;
            self.report.runs.push(run(Operation::Get, None, Loop::Closed, (clients, 1), &measured));
        }
        Ok(())
    }

    fn adds(&mut self) -> Result<()> {
        let plan = self.plan;
        let folder = match &plan.scratch {
            Some(folder) => tempfile::tempdir_in(folder),
            None => tempfile::tempdir(),
        };
        let folder = folder.map_err(|e| Error::Other(format!("no scratch folder can be made: {e}")))?;
        for &batch in &plan.batch_sizes {
            for &clients in &plan.clients {
                self.tell(&format!("adding {batch} at a time, {clients} clients"));
                let options = writes::options_like(self.artifact);
                let (measured, amplification) =
                    writes::add(options, &self.sample, (clients, batch), plan.times(), folder.path())?;
                let mut run = run(Operation::Add, None, Loop::Closed, (clients, batch), &measured);
                run.write_amplification = amplification;
                self.report.runs.push(run);
            }
        }
        Ok(())
    }
}

/// One of some, each in its turn.
fn pick<T>(items: &[T], number: u64) -> &T {
    &items[usize::try_from(number % items.len() as u64).unwrap_or(0)]
}

#[expect(clippy::cast_precision_loss, reason = "figures to look at")]
fn run(
    operation: Operation,
    kind: Option<QueryKind>,
    mode: Loop,
    (clients, batch): (usize, usize),
    measured: &Measured,
) -> Run {
    let seconds = measured.elapsed.as_secs_f64();
    Run {
        operation,
        kind,
        mode,
        clients,
        batch,
        calls: measured.latencies.calls(),
        seconds,
        throughput: measured.items as f64 / seconds.max(1e-9),
        latency: measured.latencies.summary(),
        service: measured.service.as_ref().map(Latencies::summary),
        cost: measured.cost,
        write_amplification: None,
    }
}
