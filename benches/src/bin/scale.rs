//! A simulation of searches over packs on many machines: see docs/SCALE.md.
//!
//! `cargo run --release -p benches --bin scale [NAME=VALUE …]`
//!
//! Events in the order of time, random numbers from a seed: the same arguments print the same page. `scale help` lists the names.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program that prints figures, which are approximate"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times far below 2^52"
)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::{self, Write};
use std::process::ExitCode;

/// What is assumed, each with the unit in its name.
macro_rules! assumptions {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal,)*) => {
        #[derive(Debug, Clone)]
        struct Model { $($(#[doc = $doc])* $name: f64,)* }

        impl Default for Model {
            fn default() -> Self { Self { $($name: $value,)* } }
        }

        impl Model {
            fn set(&mut self, name: &str, value: f64) -> bool {
                match name { $(stringify!($name) => self.$name = value,)* _ => return false }
                true
            }

            fn all(&self) -> Vec<(&'static str, f64, &'static str)> {
                vec![$((stringify!($name), self.$name, concat!($($doc),*)),)*]
            }
        }
    };
}

assumptions! {
    /// records in all
    records = 1e9,
    /// records of a pack
    pack_records = 1e6,
    /// bytes of a record in a pack: text, metadata, key, words, codes and links of 384 dimensions
    record_bytes = 525.0,
    /// processors of an executor
    cores = 4.0,
    /// milliseconds of a processor for the lists of a hybrid query in a pack, warm
    lists_ms = 3.0,
    /// milliseconds of a processor for the statistics of a query's words in a pack, warm
    statistics_ms = 0.05,
    /// microseconds of the coordinator for a record of a list: received, decoded, merged
    entry_us = 0.25,
    /// records of the lists of a pack: two lists of 100
    entries = 200.0,
    /// bytes of such a record on the wire
    entry_bytes = 120.0,
    /// 1: an executor makes one of the lists of its packs before it sends them; 0: it does not
    merged = 0.0,
    /// milliseconds to read the ten best from where they are
    fetch_ms = 1.0,
    /// milliseconds of planning and scheduling a stage, and more for each task of it
    stage_ms = 5.0,
    /// the same for a task
    task_ms = 0.05,
    /// milliseconds there and back between two machines, median
    network_ms = 0.5,
    /// spread of all times: the standard deviation of their logarithm
    spread = 0.3,
    /// percent of tasks that are slow for no reason of theirs
    slow_percent = 0.5,
    /// how many times slower those are
    slow_times = 10.0,
    /// percent of tasks whose executor is lost
    lost_percent = 0.01,
    /// milliseconds until that is noticed and the task is sent to another executor
    lost_ms = 2000.0,
    /// a task that has not ended so many times the median after it began is sent to another executor as well
    hedge_times = 3.0,
    /// milliseconds to the first byte from S3, median
    s3_first_ms = 30.0,
    /// MB a second from S3 on a connection
    s3_mb = 80.0,
    /// connections of an executor to S3
    s3_connections = 16.0,
    /// GB of packs that an executor keeps on its disk
    cache_gb = 200.0,
    /// dollars a month for an executor (4 processors, 16 GB, 237 GB of disk, on demand)
    executor_dollars = 165.0,
    /// dollars a GB and month in S3
    storage_dollars = 0.023,
    /// dollars for 1,000 reads of S3
    reads_dollars = 0.0004,
    /// share of the capacity that is used, in percent
    load_percent = 50.0,
    /// queries that are simulated for each line
    queries = 4000.0,
    /// where the random numbers begin
    seed = 1.0,
}

const EXECUTORS: [usize; 5] = [10, 30, 100, 300, 1000];
const HOURS: f64 = 730.0;
/// Tasks that are simulated for each line, at most.
const MAX_TASKS: f64 = 1e6;

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// By the method of Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.next()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.next()).cos()
    }

    fn around(&mut self, median: f64, spread: f64) -> f64 {
        median * (spread * self.normal()).exp()
    }

    fn waits(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.next()).ln()
    }
}

impl Model {
    fn packs(&self) -> f64 {
        (self.records / self.pack_records).ceil()
    }

    fn pack_gb(&self) -> f64 {
        self.pack_records * self.record_bytes / 1e9
    }

    fn packs_of(&self, executors: usize) -> f64 {
        (self.packs() / executors as f64).ceil()
    }

    /// Milliseconds of an executor for its part of a query: all packs on all processors, as evenly as whole packs can be.
    fn task_ms(&self, executors: usize) -> f64 {
        let rounds = (self.packs_of(executors) / self.cores).ceil();
        rounds * (self.lists_ms + self.statistics_ms)
    }

    /// Records of lists that come back for a query.
    fn returned(&self, executors: usize) -> f64 {
        let lists = if self.merged > 0.0 { self.packs().min(executors as f64) } else { self.packs() };
        lists * self.entries
    }

    /// Milliseconds of the coordinator for what comes back.
    fn merge_ms(&self, executors: usize) -> f64 {
        self.returned(executors) * self.entry_us / 1000.0
    }

    /// Queries a second that executors can do, if nothing else bounds them.
    fn executors_per_second(&self, executors: usize) -> f64 {
        1000.0 / (self.task_ms(executors) * (1.0 + self.slow_percent / 100.0 * (self.slow_times - 1.0)))
    }

    /// Queries a second of one coordinator.
    fn coordinator_per_second(&self, executors: usize) -> f64 {
        let busy = self.merge_ms(executors) + executors as f64 * self.task_ms + self.fetch_ms;
        1000.0 * self.cores / busy
    }

    /// Queries a second at the load that is asked for.
    fn per_second(&self, executors: usize) -> f64 {
        let bound = self.executors_per_second(executors).min(self.coordinator_per_second(executors));
        bound * self.load_percent / 100.0
    }

    /// Seconds until all packs are on the executors' disks.
    fn cold_seconds(&self, executors: usize) -> f64 {
        let gb = self.packs_of(executors) * self.pack_gb();
        self.packs_of(executors) / self.s3_connections * self.s3_first_ms / 1000.0
            + gb * 1000.0 / (self.s3_mb * self.s3_connections)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Begins {
        query: usize,
    },
    /// A task comes to an executor.
    Arrives {
        query: usize,
        task: usize,
        at: usize,
        is_hedge: bool,
    },
    Ends {
        query: usize,
        task: usize,
    },
}

/// An event; the earliest is the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Event(f64, What);

impl Eq for Event {}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Queries over executors, each with a queue.
struct Cluster<'a> {
    model: &'a Model,
    random: Random,
    executors: usize,
    is_hedged: bool,
    events: BinaryHeap<Reverse<Event>>,
    /// When each executor has done what it has.
    free: Vec<f64>,
    begun: Vec<f64>,
    /// Tasks of each query that have not ended.
    left: Vec<usize>,
    done: Vec<Vec<bool>>,
    took: Vec<f64>,
    /// Tasks that were sent, and those of them that were sent a second time.
    sent: u64,
    hedges: u64,
}

impl<'a> Cluster<'a> {
    fn new(model: &'a Model, executors: usize, is_hedged: bool) -> Self {
        let queries = (model.queries.min(MAX_TASKS / executors as f64) as usize).max(1);
        Self {
            model,
            random: Random(model.seed as u64),
            executors,
            is_hedged,
            events: BinaryHeap::new(),
            free: vec![0.0; executors],
            begun: vec![0.0; queries],
            left: vec![executors; queries],
            done: vec![Vec::new(); queries],
            took: Vec::new(),
            sent: 0,
            hedges: 0,
        }
    }

    /// Milliseconds that each query took, the shortest first.
    fn run(mut self, per_second: f64) -> (Vec<f64>, f64) {
        let mut now = 0.0;
        for query in 0..self.begun.len() {
            now += self.random.waits(1000.0 / per_second);
            self.push(now, What::Begins { query });
        }
        while let Some(Reverse(Event(now, what))) = self.events.pop() {
            match what {
                What::Begins { query } => self.begins(now, query),
                What::Arrives { query, task, at, is_hedge } => self.arrives(now, query, task, at, is_hedge),
                What::Ends { query, task } => self.ends(now, query, task),
            }
        }
        self.took.sort_by(f64::total_cmp);
        (self.took, 100.0 * self.hedges as f64 / self.sent as f64)
    }

    fn begins(&mut self, now: f64, query: usize) {
        self.begun[query] = now;
        let planned = now + self.model.stage_ms + self.executors as f64 * self.model.task_ms;
        for task in 0..self.executors {
            let sent = planned + self.random.around(self.model.network_ms / 2.0, self.model.spread);
            self.push(sent, What::Arrives { query, task, at: task, is_hedge: false });
        }
    }

    fn push(&mut self, at: f64, what: What) {
        self.events.push(Reverse(Event(at, what)));
    }

    fn arrives(&mut self, now: f64, query: usize, task: usize, at: usize, is_hedge: bool) {
        if self.done[query].get(task).copied().unwrap_or_default() {
            return;
        }
        self.sent += 1;
        self.hedges += u64::from(is_hedge);
        let median = self.model.task_ms(self.executors);
        let other = (at + 1 + self.executors / 2) % self.executors;
        let (begins, mut back) = (now.max(self.free[at]), f64::INFINITY);
        if self.random.next() * 100.0 < self.model.lost_percent {
            let noticed = now + self.model.lost_ms;
            self.push(noticed, What::Arrives { query, task, at: other, is_hedge: true });
        } else {
            let slow = self.random.next() * 100.0 < self.model.slow_percent;
            let times = if slow { self.model.slow_times } else { 1.0 };
            let ends = begins + self.random.around(median, self.model.spread) * times;
            self.free[at] = ends;
            back = ends + self.random.around(self.model.network_ms / 2.0, self.model.spread);
            self.push(back, What::Ends { query, task });
        }
        let hedged = begins + self.model.hedge_times * median;
        if self.is_hedged && !is_hedge && back > hedged {
            self.push(hedged, What::Arrives { query, task, at: other, is_hedge: true });
        }
    }

    fn ends(&mut self, now: f64, query: usize, task: usize) {
        let tasks = self.executors;
        let done = &mut self.done[query];
        done.resize(tasks, false);
        if std::mem::replace(&mut done[task], true) {
            return;
        }
        self.left[query] -= 1;
        if self.left[query] == 0 {
            let after = self.model.merge_ms(tasks) + self.model.fetch_ms + self.model.network_ms;
            self.took.push(now + after - self.begun[query]);
        }
    }
}

fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let at = (sorted.len() as f64 * percent / 100.0) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn assumptions(model: &Model, page: &mut String) -> fmt::Result {
    writeln!(page, "## Assumptions\n\n| name | value | what |\n|---|---|---|")?;
    model
        .all()
        .iter()
        .try_for_each(|(name, value, what)| writeln!(page, "| `{name}` | {value} | {} |", what.trim()))
}

fn latency(model: &Model, page: &mut String) -> fmt::Result {
    writeln!(
        page,
        "\n## Milliseconds of a search, packs warm, at {:.0} % of what executors and one coordinator can do\n",
        model.load_percent
    )?;
    writeln!(page, "| executors | packs each | queries/s | | p50 | p95 | p99 | p99.9 | sent twice |")?;
    writeln!(page, "|---|---|---|---|---|---|---|---|---|")?;
    for executors in EXECUTORS {
        let per_second = model.per_second(executors);
        for (is_hedged, name) in [(false, "plain"), (true, "hedged")] {
            let (took, hedges) = Cluster::new(model, executors, is_hedged).run(per_second);
            let [p50, p95, p99, p999] = [50.0, 95.0, 99.0, 99.9].map(|percent| percentile(&took, percent));
            writeln!(
                page,
                "| {executors} | {:.0} | {per_second:.1} | {name} | {p50:.0} | {p95:.0} | {p99:.0} | {p999:.0} | {hedges:.2} % |",
                model.packs_of(executors),
            )?;
        }
    }
    Ok(())
}

fn limits(model: &Model, page: &mut String) -> fmt::Result {
    writeln!(page, "\n## What bounds it\n")?;
    writeln!(
        page,
        "| executors | queries/s of executors | of one coordinator | MB of lists a query | merged in ms | GB of packs each | fetched in s | fits the disk |"
    )?;
    writeln!(page, "|---|---|---|---|---|---|---|---|")?;
    for executors in EXECUTORS {
        let gb = model.packs_of(executors) * model.pack_gb();
        writeln!(
            page,
            "| {executors} | {:.1} | {:.1} | {:.1} | {:.1} | {gb:.1} | {:.0} | {} |",
            model.executors_per_second(executors),
            model.coordinator_per_second(executors),
            model.returned(executors) * model.entry_bytes / 1e6,
            model.merge_ms(executors),
            model.cold_seconds(executors),
            if gb <= model.cache_gb { "yes" } else { "no" },
        )?;
    }
    writeln!(
        page,
        "\nA coordinator that opens the packs itself to gather statistics holds {:.0} GB, fetched in {:.0} s; {:.1} s of a processor a query if it is warm.",
        model.packs() * model.pack_gb(),
        model.cold_seconds(1),
        model.packs() * model.statistics_ms / 1000.0,
    )?;
    Ok(())
}

fn cost(model: &Model, page: &mut String) -> fmt::Result {
    writeln!(page, "\n## Dollars\n")?;
    writeln!(
        page,
        "| executors | a month, executors | S3 | all packs read anew once a day | a million queries at {:.0} % |",
        model.load_percent
    )?;
    writeln!(page, "|---|---|---|---|---|")?;
    let storage = model.packs() * model.pack_gb() * model.storage_dollars;
    // A pack is read in parts of 8 MB.
    let reads = model.packs() * (model.pack_gb() * 1000.0 / 8.0).ceil() / 1000.0 * model.reads_dollars * 30.0;
    for executors in EXECUTORS {
        let month = executors as f64 * model.executor_dollars;
        let queries = model.per_second(executors) * HOURS * 3600.0;
        writeln!(
            page,
            "| {executors} | {month:.0} | {storage:.2} | {reads:.2} | {:.2} |",
            (month + storage + reads) / queries * 1e6
        )?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut model = Model::default();
    for argument in std::env::args().skip(1) {
        let given = argument.split_once('=').and_then(|(name, value)| Some((name, value.parse().ok()?)));
        if !given.is_some_and(|(name, value): (&str, f64)| {
            value.is_finite() && value >= 0.0 && model.set(name, value)
        }) {
            println!("{argument}: expected NAME=VALUE, of these:\n");
            for (name, value, what) in model.all() {
                println!("  {name}={value}  {}", what.trim());
            }
            return ExitCode::from(2);
        }
    }
    let mut page = String::new();
    let parts = [assumptions, latency, limits, cost];
    if parts.iter().any(|part| part(&model, &mut page).is_err()) {
        return ExitCode::FAILURE;
    }
    print!("{page}");
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Latencies are left out: they are sums of logarithms, which systems round each in its way.
    #[test]
    fn the_tables_of_scale_md_are_what_is_printed() {
        let document = include_str!("../../../docs/SCALE.md");
        let mut page = String::new();
        assumptions(&Model::default(), &mut page).unwrap();
        cost(&Model::default(), &mut page).unwrap();
        for merged in [0.0, 1.0] {
            limits(&Model { merged, ..Model::default() }, &mut page).unwrap();
        }
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        assert!(rows.len() > 40, "{page}");
        for row in rows {
            assert!(document.lines().any(|line| line == row), "{row}");
        }
    }

    #[test]
    fn a_search_takes_as_long_as_its_slowest_task_and_hedging_cuts_what_is_lost() {
        let model =
            Model { queries: 300.0, lost_percent: 1.0, slow_percent: 0.0, spread: 0.0, ..Model::default() };
        let (plain, _) = Cluster::new(&model, 30, false).run(0.001);
        let alone = model.stage_ms
            + 30.0 * model.task_ms
            + model.task_ms(30)
            + 2.0 * model.network_ms
            + model.merge_ms(30)
            + model.fetch_ms;
        assert!((plain[0] - alone).abs() < 1e-6, "{} {alone}", plain[0]);
        let lost = plain.iter().filter(|took| **took > model.lost_ms).count();
        assert!((50..110).contains(&lost), "1 - 0.99^30 of 300 are 78: {lost}");
        let (hedged, sent_twice) = Cluster::new(&model, 30, true).run(0.001);
        assert!(percentile(&hedged, 90.0) < alone + 4.0 * model.task_ms(30) && sent_twice < 2.0);
    }
}
