//! The sweep of the search effort: every engine at one effort, then every engine at the next, several times over, so
//! that a noisy minute of the machine falls on all of them.

use std::time::{Duration, Instant};

use benches::{Result, median, percentile};
use rayon::ThreadPool;

use crate::data::Vectors;
use crate::engines::Index;
use crate::options::Options;
use crate::truth::Truth;

/// Neighbours asked for.
pub const K: usize = 10;
/// Queries before the clock starts, after another engine had the caches.
const WARM_UP: usize = 100;
/// A recall after which more effort shows nothing.
const ENOUGH: f64 = 0.9995;
/// The least gain of recall that keeps a sweep going, above `STEEP` efforts.
const GAIN: f64 = 0.0005;
const STEEP: usize = 128;

/// What one effort gave.
#[derive(Clone, Debug)]
pub struct Point {
    /// The beam of the search; 0 for scans.
    pub effort: usize,
    /// Share of the true `K` nearest that were found.
    pub recall: f64,
    /// Queries a second on one thread.
    pub qps: f64,
    /// Time of a query.
    pub p50_us: Option<f64>,
    /// The same, for the slowest of a hundred.
    pub p99_us: Option<f64>,
}

/// Asks all indexes on one thread; a curve for each, in their order.
pub fn sweep(
    indexes: &mut [Box<dyn Index>],
    queries: &Vectors,
    truth: &Truth,
    options: &Options,
) -> Result<Vec<Vec<Point>>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut tracks: Vec<Track> = indexes.iter().map(|index| Track::new(index.is_scan(), options)).collect();
    for round in 0..options.rounds {
        for step in 0..options.efforts.len() {
            for turn in 0..indexes.len() {
                let engine = (round + step + turn) % indexes.len();
                tracks[engine].run(round, step, indexes[engine].as_mut(), queries, truth, &pool)?;
            }
        }
        eprintln!("sweep {} of {} done", round + 1, options.rounds);
    }
    Ok(tracks.into_iter().map(Track::into_curve).collect())
}

/// The sweep of one engine.
struct Track {
    efforts: Vec<usize>,
    passes: Vec<Passes>,
    finished: bool,
}

/// All passes over the queries at one effort.
struct Passes {
    recall: f64,
    times: Vec<Vec<Duration>>,
}

impl Track {
    fn new(scan: bool, options: &Options) -> Self {
        let efforts = if scan { vec![0] } else { options.efforts.clone() };
        Self { efforts, passes: Vec::new(), finished: false }
    }

    /// One pass at one effort, if this engine goes that far; the first round finds out how far.
    fn run(
        &mut self,
        round: usize,
        step: usize,
        index: &mut dyn Index,
        queries: &Vectors,
        truth: &Truth,
        pool: &ThreadPool,
    ) -> Result<()> {
        let first = round == 0;
        if step >= self.efforts.len() || (first && self.finished) || (!first && step >= self.passes.len()) {
            return Ok(());
        }
        index.set_effort(self.efforts[step])?;
        // Moved into the pool so that an engine which uses rayon for a query gets one thread.
        let (hits, times) = pool.install(|| pass(index, queries, truth))?;
        if first {
            let recall = hits as f64 / (K * queries.len()) as f64;
            self.passes.push(Passes { recall, times: Vec::new() });
            self.finished = self.ceiling_reached();
        }
        self.passes[step].times.push(times);
        Ok(())
    }

    fn ceiling_reached(&self) -> bool {
        let [.., before, last] = &self.passes[..] else { return false };
        let flat = self.efforts[self.passes.len() - 1] >= STEEP && last.recall - before.recall < GAIN;
        flat || last.recall >= ENOUGH
    }

    fn into_curve(self) -> Vec<Point> {
        let points = self.efforts.into_iter().zip(self.passes);
        points.map(|(effort, passes)| passes.into_point(effort)).collect()
    }
}

impl Passes {
    /// A query's time is its median over the rounds: what disturbed one of them does not count.
    fn into_point(self, effort: usize) -> Point {
        let of_query = |query| median(&self.times.iter().map(|pass| pass[query]).collect::<Vec<_>>());
        let mut times: Vec<Duration> = (0..self.times[0].len()).map(of_query).collect();
        let total: Duration = times.iter().sum();
        Point {
            effort,
            recall: self.recall,
            qps: times.len() as f64 / total.as_secs_f64(),
            p50_us: Some(percentile(&mut times, 50).as_secs_f64() * 1e6),
            p99_us: Some(percentile(&mut times, 99).as_secs_f64() * 1e6),
        }
    }
}

/// Hits and times, or what an engine said, in a form that crosses threads.
type Pass = std::result::Result<(usize, Vec<Duration>), String>;

/// Asks every query once: true neighbours found, and the time of each.
fn pass(index: &mut dyn Index, queries: &Vectors, truth: &Truth) -> Pass {
    let mut ids = Vec::with_capacity(K);
    let mut times = Vec::with_capacity(queries.len());
    let mut hits = 0;
    for query in queries.rows().take(WARM_UP) {
        ids.clear();
        index.search(query, K, &mut ids).map_err(|error| error.to_string())?;
    }
    for (number, query) in queries.rows().enumerate() {
        ids.clear();
        let begun = Instant::now();
        index.search(query, K, &mut ids).map_err(|error| error.to_string())?;
        times.push(begun.elapsed());
        hits += truth.of(number)[..K].iter().filter(|id| ids.contains(id)).count();
    }
    Ok((hits, times))
}

/// The value of a curve at a recall, its logarithm interpolated between the two points around it. Below the first
/// point it is that of the first point: nothing cheaper was measured. Above the last there is none.
pub fn at_recall(curve: &[Point], recall: f64, value: impl Fn(&Point) -> Option<f64>) -> Option<f64> {
    let above = curve.iter().position(|point| point.recall >= recall)?;
    let high = &curve[above];
    let Some(low) = above.checked_sub(1).map(|below| &curve[below]) else { return value(high) };
    let share = (recall - low.recall) / (high.recall - low.recall);
    let (low, high) = (value(low)?.ln(), value(high)?.ln());
    Some((low + share * (high - low)).exp())
}
