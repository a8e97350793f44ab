//! Calls from several clients, each a thread: as fast as they come back, or at a rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::error::{Error, Result};
use crate::process::Used;
use crate::report::{Cost, Latency};

/// How long a load runs before it counts, and then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

/// Latencies in nanoseconds up to a minute, to three digits; longer ones count as a minute.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

const LONGEST: u64 = 60_000_000_000;

impl Latencies {
    pub(crate) fn new() -> Result<Self> {
        let made = Histogram::new_with_bounds(1, LONGEST, 3);
        made.map(Self).map_err(|e| Error::Other(format!("no histogram of latencies: {e}")))
    }

    fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LONGEST).max(1));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn summary(&self) -> Latency {
        let at = |quantile: f64| Duration::from_nanos(self.0.value_at_quantile(quantile)).as_secs_f64();
        Latency {
            mean: self.0.mean() / 1e9,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_nanos(self.0.max()).as_secs_f64(),
        }
    }
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Measured {
    /// From when a call was due.
    pub(crate) latencies: Latencies,
    /// Of the calls alone, where that is something else.
    pub(crate) service: Option<Latencies>,
    /// What the calls returned, added up: searches, records.
    pub(crate) items: u64,
    pub(crate) elapsed: Duration,
    pub(crate) cost: Cost,
}

/// What one client saw.
struct Seen {
    latencies: Latencies,
    service: Latencies,
    items: u64,
    ended: Instant,
}

impl Seen {
    fn new() -> Result<Self> {
        let (latencies, service) = (Latencies::new()?, Latencies::new()?);
        Ok(Self { latencies, service, items: 0, ended: Instant::now() })
    }
}

/// Runs clients side by side, and adds up what they saw since `begun`.
fn clients(
    count: usize,
    begun: Instant,
    before: impl FnOnce() -> Used + Send,
    client: impl Fn(usize) -> Result<Seen> + Sync,
) -> Result<(Seen, Duration, Cost)> {
    let (seen, before) = std::thread::scope(|scope| {
        let client = &client;
        let start = |at| std::thread::Builder::new().spawn_scoped(scope, move || client(at));
        let running: Vec<_> = (0..count.max(1)).map(start).collect();
        let before = before();
        let panicked = |_| Err(Error::Other("a thread of the measurement panicked".to_owned()));
        let not_started = |e| Err(Error::Other(format!("a thread for a client cannot be started: {e}")));
        let ended = |thread: std::io::Result<std::thread::ScopedJoinHandle<'_, _>>| {
            thread.map_or_else(not_started, |thread| thread.join().unwrap_or_else(panicked))
        };
        let seen: Vec<Result<Seen>> = running.into_iter().map(ended).collect();
        (seen, before)
    });
    let mut all = Seen::new()?;
    all.ended = begun;
    for seen in seen {
        let seen = seen?;
        all.latencies.merge(&seen.latencies);
        all.service.merge(&seen.service);
        all.items += seen.items;
        all.ended = all.ended.max(seen.ended);
    }
    let elapsed = all.ended.saturating_duration_since(begun);
    Ok((all, elapsed, Used::cost_since(before, elapsed)))
}

/// Sleeps until a moment, the last part of the way awake.
fn wait_until(moment: Instant) {
    const AWAKE: Duration = Duration::from_micros(200);
    if let Some(left) = moment.checked_duration_since(Instant::now() + AWAKE) {
        std::thread::sleep(left);
    }
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

/// Closed loop: each client begins its next call when the last one has ended. `call` gets a number that no other call gets, and says how many items it did.
pub(crate) fn closed(
    count: usize,
    times: Times,
    call: impl Fn(u64) -> Result<u64> + Sync,
) -> Result<Measured> {
    let begun = Instant::now() + times.warm_up;
    let end = begun + times.duration;
    let next = AtomicU64::new(0);
    let client = |_| {
        let mut seen = Seen::new()?;
        loop {
            let at = Instant::now();
            // Of slow calls at least one counts.
            if at >= end && seen.latencies.calls() > 0 {
                return Ok(seen);
            }
            let items = call(next.fetch_add(1, Ordering::Relaxed))?;
            let ended = Instant::now();
            if at >= begun {
                seen.latencies.add(ended - at);
                seen.items += items;
                seen.ended = ended;
            }
        }
    };
    let before = move || {
        wait_until(begun);
        Used::now()
    };
    let (seen, elapsed, cost) = clients(count, begun, before, client)?;
    Ok(Measured { latencies: seen.latencies, service: None, items: seen.items, elapsed, cost })
}

/// Open loop: calls are due at `rate` a second, whatever those before do, and latency counts from when they were due. Calls that are due in the time are all made, however
/// late, up to four times that time.
pub(crate) fn open(
    count: usize,
    rate: f64,
    times: Times,
    call: impl Fn(u64) -> Result<u64> + Sync,
) -> Result<Measured> {
    let start = Instant::now() + Duration::from_millis(1);
    let begun = start + times.warm_up;
    let end = begun + times.duration;
    let gone = begun + times.duration.saturating_mul(4);
    let next = AtomicU64::new(0);
    let client = |_| {
        let mut seen = Seen::new()?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            #[expect(clippy::cast_precision_loss, reason = "a time")]
            let after = Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX);
            let Some(due) = start.checked_add(after).filter(|&due| due < end) else { return Ok(seen) };
            wait_until(due);
            let at = Instant::now();
            if at >= gone {
                return Ok(seen);
            }
            let items = call(number)?;
            let ended = Instant::now();
            if due >= begun {
                seen.latencies.add(ended - due);
                seen.service.add(ended - at);
                seen.items += items;
                seen.ended = ended;
            }
        }
    };
    let before = move || {
        wait_until(begun);
        Used::now()
    };
    let (seen, elapsed, cost) = clients(count, begun, before, client)?;
    // The last call may have ended before the time did.
    let elapsed = elapsed.max(times.duration);
    Ok(Measured { latencies: seen.latencies, service: Some(seen.service), items: seen.items, elapsed, cost })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { warm_up: Duration::from_millis(30), duration: Duration::from_millis(300) };

    fn sleeping(time: Duration) -> impl Fn(u64) -> Result<u64> + Sync {
        move |_| {
            std::thread::sleep(time);
            Ok(1)
        }
    }

    #[test]
    fn clients_of_a_closed_loop_call_side_by_side() {
        let one = closed(1, TIMES, sleeping(Duration::from_millis(5))).unwrap();
        let four = closed(4, TIMES, sleeping(Duration::from_millis(5))).unwrap();
        assert!(one.items >= 10 && one.items <= 62, "{}", one.items);
        assert!(four.items > 2 * one.items, "{} {}", four.items, one.items);
        let latency = one.latencies.summary();
        assert!(
            latency.p50 >= 0.005 && latency.p50 <= latency.p99 && latency.p99 <= latency.max,
            "{latency:?}"
        );
        assert_eq!(one.latencies.calls(), one.items);
    }

    #[test]
    fn a_call_that_is_slower_than_the_time_counts_once() {
        let times = Times { warm_up: Duration::ZERO, duration: Duration::from_millis(1) };
        let slow = closed(1, times, sleeping(Duration::from_millis(30))).unwrap();
        assert!(slow.latencies.calls() >= 1 && slow.elapsed >= Duration::from_millis(30));
    }

    /// What a closed loop hides: one call in a while is slow, and those who come meanwhile wait.
    #[test]
    fn an_open_loop_counts_the_wait_of_those_who_come_behind_a_slow_call() {
        let stalls = |number: u64| {
            if number == 50 {
                std::thread::sleep(Duration::from_millis(150));
            }
            Ok(1)
        };
        let measured = open(1, 500.0, TIMES, stalls).unwrap();
        let (latency, service) = (measured.latencies.summary(), measured.service.unwrap().summary());
        assert!(latency.p90 > 0.02, "a quarter of all were due while one was slow: {latency:?}");
        assert!(service.p90 < 0.01, "the calls themselves were fast: {service:?}");
        assert!(measured.items >= 140 && measured.items <= 155, "{}", measured.items);
    }

    #[test]
    fn a_rate_that_is_too_high_ends_and_is_seen() {
        let times = Times { warm_up: Duration::ZERO, duration: Duration::from_millis(50) };
        let measured = open(1, 10_000.0, times, sleeping(Duration::from_millis(2))).unwrap();
        assert!(measured.items < 400, "{}", measured.items);
        assert!(measured.elapsed >= Duration::from_millis(150), "{:?}", measured.elapsed);
        assert!(measured.latencies.summary().p50 > 0.02);
    }

    #[test]
    fn an_error_of_a_client_ends_the_measurement() {
        let failing = |number| if number == 3 { Err(Error::Other("no".to_owned())) } else { Ok(1) };
        assert_eq!(closed(2, TIMES, failing).unwrap_err().to_string(), "no");
    }
}
