//! Figures as JSON, the one form that this program and `peers.py` share, and as tables made from it.

use std::fmt::Write;

use benches::Result;
use serde_json::{Value, json};

use crate::sweep::{K, Point, at_recall};

/// Recalls at which engines are compared.
const RECALLS: [f64; 4] = [0.90, 0.95, 0.98, 0.99];

/// One build.
#[derive(Debug)]
pub struct BuildTime {
    /// Threads of it.
    pub threads: usize,
    /// How long it took, encoding included.
    pub seconds: f64,
    /// Processor time of all threads: on a busy machine the better measure.
    pub cpu_seconds: f64,
}

/// What one engine did.
#[derive(Debug)]
pub struct Row {
    /// The engine with its settings.
    pub name: String,
    /// Whether it looks at every vector.
    pub scan: bool,
    /// Its builds.
    pub builds: Vec<BuildTime>,
    /// Length of the index in a file, vectors included.
    pub bytes: u64,
    /// What the process grew by when the searched index was built: roughly its memory.
    pub resident_bytes: u64,
    /// Recall and speed, by effort.
    pub curve: Vec<Point>,
}

impl Row {
    /// As in the file.
    pub fn to_json(&self, base_len: usize) -> Value {
        let build = |build: &BuildTime| {
            let rate = base_len as f64 / build.seconds;
            json!({
                "threads": build.threads, "seconds": build.seconds, "cpu_seconds": build.cpu_seconds,
                "vectors_per_second": rate,
            })
        };
        let at = |value: fn(&Point) -> Option<f64>| -> Value {
            if self.scan {
                return json!({});
            }
            let pairs = RECALLS.map(|recall| (key(recall), json!(at_recall(&self.curve, recall, value))));
            Value::Object(pairs.into_iter().collect())
        };
        json!({
            "name": self.name,
            "scan": self.scan,
            "builds": self.builds.iter().map(build).collect::<Vec<_>>(),
            "bytes": self.bytes,
            "resident_bytes": self.resident_bytes,
            "curve": self.curve.iter().map(point_json).collect::<Vec<_>>(),
            "qps_at": at(|point| Some(point.qps)),
            "p50_us_at": at(|point| point.p50_us),
            "p99_us_at": at(|point| point.p99_us),
        })
    }
}

fn key(recall: f64) -> String {
    format!("{recall:.2}")
}

fn point_json(point: &Point) -> Value {
    json!({
        "effort": point.effort, "recall": point.recall, "qps": point.qps,
        "p50_us": point.p50_us, "p99_us": point.p99_us,
    })
}

/// Appends the engines of another run, if it was on the same data.
pub fn append(report: &mut Value, other: &Value) -> Result<()> {
    for field in ["file", "metric", "dim", "base", "queries"] {
        if report["data"][field] != other["data"][field] {
            return Err(format!("{field} of the other run differs").into());
        }
    }
    let others = other["engines"].as_array().ok_or("no engines in the other run")?;
    report["engines"].as_array_mut().ok_or("no engines")?.extend(others.iter().cloned());
    Ok(())
}

/// All tables.
pub fn markdown(report: &Value) -> Result<String> {
    let engines = report["engines"].as_array().ok_or("no engines")?;
    let (graphs, scans): (Vec<_>, Vec<_>) = engines.iter().partition(|engine| engine["scan"] == false);
    let mut text = heading(report)?;
    builds(&mut text, report, engines)?;
    speeds(&mut text, &graphs)?;
    scan_table(&mut text, &scans)?;
    ratios(&mut text, &graphs)?;
    curves(&mut text, &graphs)?;
    Ok(text)
}

fn heading(report: &Value) -> Result<String> {
    let (machine, data) = (report["machine"].as_str().unwrap_or("?"), &report["data"]);
    let mut text = format!("{machine}; `vectors`\n\n");
    writeln!(
        text,
        "{}: {} x {} indexed, {} queries, {}; recall@{K} against exact f32; queries on one thread, one by one",
        data["file"].as_str().unwrap_or("?"),
        data["base"],
        data["dim"],
        data["queries"],
        data["metric"].as_str().unwrap_or("?"),
    )?;
    Ok(text)
}

fn builds(text: &mut String, report: &Value, engines: &[Value]) -> Result<()> {
    let base = report["data"]["base"].as_f64().ok_or("no length of the base")?;
    writeln!(
        text,
        "\n| engine | build, vectors/s (threads, CPU s) | bytes a vector | memory, bytes a vector |\n|---|---|---|---|"
    )?;
    for engine in engines {
        let build = |build: &Value| {
            let rate = number(build["vectors_per_second"].as_f64(), 0);
            format!("{rate} ({}, {})", build["threads"], number(build["cpu_seconds"].as_f64(), 1))
        };
        let builds: Vec<_> = engine["builds"].as_array().into_iter().flatten().map(build).collect();
        let per_vector = |field: &str| number(engine[field].as_f64().map(|bytes| bytes / base), 0);
        let (bytes, memory) = (per_vector("bytes"), per_vector("resident_bytes"));
        writeln!(text, "| {} | {} | {bytes} | {memory} |", name(engine), builds.join(", "))?;
    }
    Ok(())
}

fn speeds(text: &mut String, graphs: &[&Value]) -> Result<()> {
    let columns = RECALLS.map(|recall| format!("QPS at {recall:.2}")).join(" | ");
    writeln!(text, "\n| engine | {columns} | p50 / p99 us at 0.95 | best recall |")?;
    writeln!(text, "|---{}|---|---|", "|---".repeat(RECALLS.len()))?;
    for engine in graphs {
        let qps = RECALLS.map(|recall| number(engine["qps_at"][key(recall)].as_f64(), 0)).join(" | ");
        let time = |field: &str| number(engine[field]["0.95"].as_f64(), 0);
        let (p50, p99) = (time("p50_us_at"), time("p99_us_at"));
        writeln!(text, "| {} | {qps} | {p50} / {p99} | {} |", name(engine), number(best_recall(engine), 4))?;
    }
    Ok(())
}

fn scan_table(text: &mut String, scans: &[&Value]) -> Result<()> {
    if scans.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n| scan | recall | p50 us | p99 us |\n|---|---|---|---|")?;
    for engine in scans {
        let point = &engine["curve"][0];
        let time = |field: &str| number(point[field].as_f64(), 0);
        let recall = number(point["recall"].as_f64(), 4);
        writeln!(text, "| {} | {recall} | {} | {} |", name(engine), time("p50_us"), time("p99_us"))?;
    }
    Ok(())
}

/// The first engine against each other.
fn ratios(text: &mut String, graphs: &[&Value]) -> Result<()> {
    let Some((first, others)) = graphs.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Ok(());
    };
    let columns = RECALLS.map(|recall| format!("QPS at {recall:.2}")).join(" | ");
    writeln!(text, "\n| {} is so many times | build | bytes | {columns} | p50 at 0.95 |", name(first))?;
    writeln!(text, "|---|---|---|---{}|", "|---".repeat(RECALLS.len()))?;
    for other in others {
        let qps = RECALLS.map(|recall| {
            let of = |engine: &Value| engine["qps_at"][key(recall)].as_f64();
            ratio(of(first), of(other))
        });
        let build = ratio(build_rate(first), build_rate(other));
        let bytes = ratio(first["bytes"].as_f64(), other["bytes"].as_f64());
        let p50 = |engine: &Value| engine["p50_us_at"]["0.95"].as_f64();
        let speed = ratio(p50(other), p50(first)); // the median hardly sees what else the machine does
        writeln!(text, "| {} | {build} | {bytes} | {} | {speed} |", name(other), qps.join(" | "))?;
    }
    Ok(())
}

fn curves(text: &mut String, graphs: &[&Value]) -> Result<()> {
    writeln!(text, "\n| engine | effort: recall, QPS |\n|---|---|")?;
    for engine in graphs {
        let point = |point: &Value| {
            let (recall, qps) = (number(point["recall"].as_f64(), 4), number(point["qps"].as_f64(), 0));
            format!("{}: {recall}, {qps}", point["effort"])
        };
        let points: Vec<_> = engine["curve"].as_array().into_iter().flatten().map(point).collect();
        writeln!(text, "| {} | {} |", name(engine), points.join("; "))?;
    }
    Ok(())
}

fn name(engine: &Value) -> &str {
    engine["name"].as_str().unwrap_or("?")
}

/// With the most threads.
fn build_rate(engine: &Value) -> Option<f64> {
    engine["builds"].as_array()?.last()?["vectors_per_second"].as_f64()
}

fn best_recall(engine: &Value) -> Option<f64> {
    engine["curve"].as_array()?.iter().filter_map(|point| point["recall"].as_f64()).reduce(f64::max)
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> String {
    number(ours.zip(theirs).map(|(ours, theirs)| ours / theirs), 2)
}
