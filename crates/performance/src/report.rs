//! What was measured: numbers with names, as JSON and back.

use std::time::Duration;

use compact_artifact::json::Object;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::numbers::several;
use crate::queries::QueryKind;

/// Everything that was measured. As text by `to_string`, as a page by [`to_html`](Self::to_html), as JSON by serde and [`from_json`](Self::from_json).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// What it was measured on.
    #[serde(deserialize_with = "object")]
    pub setting: Setting,
    /// Searches a second at the most, by any kind of query and number of clients; 0 without searches.
    pub max_throughput: f64,
    /// Seconds that 95 % of the searches of the fewest clients took no longer than, all kinds of queries together.
    pub p95_latency: f64,
    /// Every load that was run.
    #[serde(deserialize_with = "objects")]
    pub runs: Vec<Run>,
    /// How many of the true nearest are found.
    #[serde(deserialize_with = "objects")]
    pub recall: Vec<Recall>,
    /// Other numbers, of whoever measures more.
    #[serde(deserialize_with = "objects")]
    pub figures: Vec<Figure>,
    /// What was not measured, and why.
    pub skipped: Vec<String>,
}

/// What it was measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Setting {
    /// When it began: UTC, `2026-04-12 09:30`.
    pub date: String,
    /// The commit of the code that was measured, where the program that measures knows it.
    pub commit: Option<String>,
    /// The version of the library.
    pub version: String,
    /// Whether it was built without the checks of a debug build, with which figures say little.
    pub is_release: bool,
    /// The processor.
    pub processor: String,
    /// Threads that it runs at once.
    pub threads: usize,
    /// What the artifact is called.
    pub artifact: String,
    /// Its records.
    pub records: u64,
    /// Bytes of all of its files.
    pub disk_bytes: u64,
    /// Its vector spaces.
    pub spaces: Vec<String>,
    /// How long each load ran.
    pub seconds: f64,
    /// How long each ran before, which does not count.
    pub warm_up_seconds: f64,
    /// What queries follow from.
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Searching, records of the hits included.
    Search,
    /// Getting a record by its id.
    Get,
    /// Adding records in batches, each on disk before the next one of its client.
    Add,
}

/// When calls begin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loop {
    /// When the one before has ended.
    Closed,
    /// At a rate, whatever those before do.
    Open {
        /// Calls a second.
        rate: f64,
    },
}

/// A load, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// What was done.
    pub operation: Operation,
    /// Of searches: what they asked for.
    pub kind: Option<QueryKind>,
    /// When calls began.
    pub mode: Loop,
    /// Threads that called.
    pub clients: usize,
    /// Of adding: records in a batch. Otherwise 1.
    pub batch: usize,
    /// Calls that counted.
    pub calls: u64,
    /// How long these took altogether.
    pub seconds: f64,
    /// Searches, gets or added records a second.
    pub throughput: f64,
    /// Of a call: in an open loop from when it was due.
    #[serde(deserialize_with = "object")]
    pub latency: Latency,
    /// In an open loop: of the calls alone.
    #[serde(default, deserialize_with = "object_or_none")]
    pub service: Option<Latency>,
    /// What it cost.
    #[serde(deserialize_with = "object")]
    pub cost: Cost,
    /// Of adding: bytes written, until all was sealed, to bytes of texts, blobs and vectors that were added.
    pub write_amplification: Option<f64>,
}

/// How long calls took, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they say it: 95 % took no longer than `p95`")]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// What the process used meanwhile; `None` where the system does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cost {
    /// Time on processors, of all threads.
    pub cpu_seconds: Option<f64>,
    /// Processors that were busy on average.
    pub processors: Option<f64>,
    /// Memory that was resident in the end, mapped files included.
    pub resident_bytes: Option<u64>,
    /// Bytes that were handed to the system to be written.
    pub written_bytes: Option<u64>,
}

/// How many of the true nearest are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recall {
    /// The vector space.
    pub space: String,
    /// How many are asked for.
    pub k: usize,
    /// How wide the search is; `None`: as it is by default.
    pub ef_search: Option<usize>,
    /// The part that is found of what an exact search finds, 0 to 1, on average.
    pub recall: f64,
    /// Searches that it is an average of.
    pub queries: usize,
}

/// A number with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
}

/// What a [`Figure`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Time.
    Seconds,
    /// Length.
    Bytes,
    /// Length in a second.
    BytesPerSecond,
    /// Whatever the name says, a second.
    PerSecond,
    /// A part of a whole, 0 to 1.
    Share,
}

fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> std::result::Result<T, D::Error> {
    Object::deserialize(from).map(|Object(value)| value)
}

fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<T>, D::Error> {
    let objects = Vec::deserialize(from)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

fn object_or_none<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<T>, D::Error> {
    Ok(Option::deserialize(from)?.map(|Object(value)| value))
}

impl Report {
    /// Searches a second at the most.
    pub fn max_throughput(&self) -> f64 {
        self.max_throughput
    }

    /// The time that 95 % of the searches of the fewest clients took no longer than.
    pub fn p95_latency(&self) -> Duration {
        Duration::try_from_secs_f64(self.p95_latency).unwrap_or_default()
    }

    /// A report that was written as JSON.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str::<Object<Self>>(json)
            .map(|Object(report)| report)
            .map_err(|e| Error::Other(format!("no report of a measurement: {e}")))
    }

    /// Adds a number of the caller's.
    pub fn add_figure(&mut self, name: impl Into<String>, value: f64, unit: Unit) {
        self.figures.push(Figure { name: name.into(), value, unit });
    }
}

impl Run {
    /// What was done, in a few words: `search, simple, 2 clients`.
    pub fn name(&self) -> String {
        let clients = several(self.clients as u64, "client");
        let rate = match self.mode {
            Loop::Closed => String::new(),
            Loop::Open { rate } => format!(", {} a second", crate::numbers::count(rate)),
        };
        match (self.operation, self.kind) {
            (Operation::Search, Some(kind)) => format!("search, {}, {clients}{rate}", kind.name()),
            (Operation::Search, None) => format!("search, {clients}{rate}"),
            (Operation::Get, _) => format!("get, {clients}{rate}"),
            (Operation::Add, _) => format!("add, batches of {}, {clients}{rate}", self.batch),
        }
    }

    /// What it is compared by in another report: the same but for a rate, which follows from what was measured.
    pub(crate) fn key(&self) -> (u8, Option<QueryKind>, usize, usize, bool) {
        let operation = match self.operation {
            Operation::Search => 0,
            Operation::Get => 1,
            Operation::Add => 2,
        };
        (operation, self.kind, self.clients, self.batch, self.mode == Loop::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Fields in the order of the structs, as an array would have them.
    fn report() -> Value {
        let latency =
            json!({"mean": 1.0, "p50": 1.0, "p90": 1.0, "p95": 1.0, "p99": 1.0, "p999": 1.0, "max": 1.0});
        json!({
            "setting": {
                "date": "2026-04-12 09:30", "commit": null, "version": "1.0.0", "is_release": true, "processor": "p",
                "threads": 2, "artifact": "a", "records": 1, "disk_bytes": 1, "spaces": [], "seconds": 1.0,
                "warm_up_seconds": 1.0, "seed": 1,
            },
            "max_throughput": 1.0,
            "p95_latency": 1.0,
            "runs": [{
                "operation": "get", "kind": null, "mode": "closed", "clients": 1, "batch": 1, "calls": 1, "seconds": 1.0,
                "throughput": 1.0, "latency": latency, "service": latency, "cost": {"cpu_seconds": null},
                "write_amplification": null,
            }],
            "recall": [{"space": "v", "k": 1, "ef_search": null, "recall": 1.0, "queries": 1}],
            "figures": [{"name": "n", "value": 1.0, "unit": "share"}],
            "skipped": [],
        })
    }

    #[test]
    fn one_thread_has_one_noun() {
        let mut report = report();
        report["setting"]["threads"] = 1.into();
        let report = Report::from_json(&report.to_string()).unwrap();
        let said = report.to_string();
        assert!(said.starts_with("a: 1 record, ") && said.contains("p with 1 thread;"), "{said}");
        assert!(report.to_html().contains("p, 1 thread<"), "{}", report.to_html());
        assert_eq!(report.runs[0].name(), "get, 1 client");
    }

    #[test]
    fn an_array_is_read_as_no_part_of_a_report() {
        assert_eq!(Report::from_json(&report().to_string()).unwrap().runs.len(), 1);
        let parts = [
            "",
            "/setting",
            "/runs/0",
            "/runs/0/latency",
            "/runs/0/service",
            "/runs/0/cost",
            "/recall/0",
            "/figures/0",
        ];
        for part in parts {
            let mut report = report();
            let place = report.pointer_mut(part).unwrap();
            *place = place.as_object().unwrap().values().cloned().collect();
            let said = Report::from_json(&report.to_string()).unwrap_err().to_string();
            assert!(said.contains("invalid type: sequence, expected an object"), "{part}: {said}");
        }
        let mut without = report();
        without["runs"][0].as_object_mut().unwrap().remove("service");
        assert_eq!(Report::from_json(&without.to_string()).unwrap().runs[0].service, None);
    }
}
