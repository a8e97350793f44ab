//! What was measured: as text, as JSON, and for the page.

use std::time::Duration;

use serde::Serialize;

use super::measure::percentile;
use crate::failure::Result;
use crate::output::{Output, bytes, count, time};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) setting: Setting,
    pub(super) figures: Vec<Figure>,
    pub(super) latencies: Vec<Latency>,
    pub(super) series: Vec<Series>,
}

/// What it was measured on.
#[derive(Debug, Serialize)]
pub(super) struct Setting {
    pub(super) version: &'static str,
    /// Whether it was built without the checks of a debug build, with which figures say little.
    pub(super) is_release: bool,
    pub(super) processor: String,
    pub(super) threads: usize,
    pub(super) data: String,
    pub(super) records: usize,
    pub(super) content_bytes: u64,
    pub(super) spaces: Vec<String>,
    pub(super) seed: u64,
    pub(super) queries: usize,
    pub(super) rounds: usize,
    pub(super) unix_seconds: u64,
}

/// One number.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    Seconds,
    Bytes,
    BytesPerSecond,
    PerSecond,
    Share,
}

/// Times of many calls, in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) name: String,
    pub(super) calls: usize,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

/// A number for each of several settings.
#[derive(Debug, Serialize)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) setting: &'static str,
    pub(super) unit: Unit,
    pub(super) points: Vec<(usize, f64)>,
}

impl Latency {
    pub(super) fn new(name: impl Into<String>, mut times: Vec<Duration>) -> Self {
        let mut at = |percent| percentile(&mut times, percent).as_secs_f64();
        let (p50, p90, p95, p99) = (at(50), at(90), at(95), at(99));
        Self { name: name.into(), calls: times.len(), p50, p90, p95, p99 }
    }
}

impl Report {
    pub(super) fn figure(&mut self, name: impl Into<String>, value: f64, unit: Unit) {
        self.figures.push(Figure { name: name.into(), value, unit });
    }

    pub(super) fn seconds(&mut self, name: impl Into<String>, took: Duration) {
        self.figure(name, took.as_secs_f64(), Unit::Seconds);
    }

    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    pub(super) fn bytes(&mut self, name: impl Into<String>, len: u64) {
        self.figure(name, len as f64, Unit::Bytes);
    }

    /// For a person.
    pub(super) fn print(&self, output: &mut Output) -> Result<()> {
        output.line(format_args!("{}\n", self.setting.describe()))?;
        for figure in &self.figures {
            output.line(format_args!("{:<44} {}", figure.name, figure.unit.display(figure.value)))?;
        }
        output.line(format_args!(
            "\n{:<44} {:>9} {:>9} {:>9} {:>9}",
            "times of a call", "p50", "p90", "p95", "p99"
        ))?;
        for Latency { name, p50, p90, p95, p99, .. } in &self.latencies {
            let [p50, p90, p95, p99] = [p50, p90, p95, p99].map(|&p| Unit::Seconds.display(p));
            output.line(format_args!("{name:<44} {p50:>9} {p90:>9} {p95:>9} {p99:>9}"))?;
        }
        for series in &self.series {
            output.line(format_args!("\n{}", series.name))?;
            for &(at, value) in &series.points {
                let setting = format!("  {} {at}", series.setting);
                output.line(format_args!("{setting:<44} {}", series.unit.display(value)))?;
            }
        }
        Ok(())
    }
}

impl Setting {
    pub(super) fn describe(&self) -> String {
        let spaces = if self.spaces.is_empty() {
            "no vectors".to_owned()
        } else {
            format!("vectors: {}", self.spaces.join(", "))
        };
        let build = if self.is_release { "" } else { " (a debug build: its figures say little)" };
        format!(
            "{}: {} records, {} of content, {spaces}; {}, {} threads; cart {}{build}, {} queries, {} rounds, seed {}",
            self.data,
            count(self.records as u64),
            bytes(self.content_bytes),
            self.processor,
            self.threads,
            self.version,
            self.queries,
            self.rounds,
            self.seed
        )
    }
}

impl Unit {
    pub(super) fn display(self, value: f64) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates"
        )]
        let whole = value.round() as u64;
        match self {
            Self::Seconds => time(Duration::try_from_secs_f64(value).unwrap_or_default()),
            Self::Bytes => bytes(whole),
            Self::BytesPerSecond => format!("{}/s", bytes(whole)),
            Self::PerSecond => format!("{}/s", count(whole)),
            Self::Share => format!("{value:.4}"),
        }
    }
}
