//! Figures and spans, as a recorder of the crate `metrics` and a subscriber of the crate `tracing` get them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use compact_artifact::{CompactArtifact, Maintenance, Options, Query, Record};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Subscriber};

/// Keeps all values of each figure, and what was said of it.
#[derive(Default)]
struct Recording {
    values: Arc<Mutex<BTreeMap<String, Vec<f64>>>>,
    described: Mutex<BTreeMap<String, Option<Unit>>>,
}

struct Figure {
    name: String,
    values: Arc<Mutex<BTreeMap<String, Vec<f64>>>>,
}

impl Figure {
    fn push(&self, value: f64) {
        self.values.lock().unwrap().entry(self.name.clone()).or_default().push(value);
    }
}

impl CounterFn for Figure {
    fn increment(&self, value: u64) {
        self.push(value as f64);
    }
    fn absolute(&self, value: u64) {
        self.push(value as f64);
    }
}

impl GaugeFn for Figure {
    fn increment(&self, value: f64) {
        self.push(value);
    }
    fn decrement(&self, value: f64) {
        self.push(-value);
    }
    fn set(&self, value: f64) {
        self.push(value);
    }
}

impl HistogramFn for Figure {
    fn record(&self, value: f64) {
        self.push(value);
    }
}

impl Recording {
    fn figure(&self, key: &Key) -> Arc<Figure> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{{{}={}}}", label.key(), label.value())).collect();
        let labels = labels.concat();
        Arc::new(Figure { name: format!("{}{labels}", key.name()), values: self.values.clone() })
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.values.lock().unwrap().get(name).cloned().unwrap_or_default()
    }

    fn describe(&self, key: KeyName, unit: Option<Unit>) {
        self.described.lock().unwrap().insert(key.as_str().to_owned(), unit);
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(key, unit);
    }
    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(key, unit);
    }
    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(key, unit);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.figure(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.figure(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.figure(key))
    }
}

/// Everything that is done with an artifact, once.
fn work() -> CompactArtifact {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("notes.artifact");
    let options = || Options::new().maintenance(Maintenance::Manual).threads(1).result_cache_bytes(0);
    let artifact = options().create(&path).unwrap();
    let record = |i: usize| Record::text(format!("a secret {i}")).key(format!("k{i}"));
    artifact.add_batch((0..100).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.clear_caches();
    artifact.search(&Query::words("secret").k(1).snippet(50)).unwrap();
    artifact.search(&Query::words("secret").k(1).snippet(50)).unwrap();
    assert!((0..60).all(|i| artifact.delete_key(&format!("k{i}")).unwrap()));
    artifact.compact(64 << 20).unwrap();
    artifact.stats();
    artifact.close().unwrap();
    options().open(&path).unwrap()
}

#[test]
fn figures_go_to_the_recorder_of_the_program() {
    let recording = Recording::default();
    let stats = metrics::with_local_recorder(&recording, || work().stats());
    let values = |name: &str| recording.values(name);
    assert_eq!(values("cart_search_seconds").len(), 2);
    assert_eq!(values("cart_commit_seconds").len(), 61);
    assert!(values("cart_fsync_seconds").len() > 61, "every commit, and files that were sealed");
    for name in ["cart_search_seconds", "cart_commit_seconds", "cart_fsync_seconds"] {
        assert!(values(name).iter().all(|&seconds| seconds > 0.0 && seconds < 60.0), "{name}");
    }
    assert!(!values("cart_block_cache_misses_total").is_empty());
    assert!(!values("cart_block_cache_hits_total").is_empty());
    let last =
        |name: &str| format!("{}", values(&format!("{name}{{artifact=notes.artifact}}")).last().unwrap());
    assert_eq!(last("cart_segments"), stats.segments.to_string());
    assert_eq!(last("cart_disk_bytes"), stats.disk_bytes.to_string());
    assert_eq!(last("cart_live_bytes"), stats.live_bytes.to_string());
    assert_eq!(last("cart_block_cache_bytes"), "0", "it was just opened");
    let described = recording.described.lock().unwrap();
    let names: BTreeSet<String> = recording
        .values
        .lock()
        .unwrap()
        .keys()
        .map(|name| name.split('{').next().unwrap().to_owned())
        .collect();
    assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), names, "each is described, and is there");
    assert_eq!(described["cart_search_seconds"], Some(Unit::Seconds));
    assert!(!format!("{:?}", recording.values.lock().unwrap()).contains("secret"), "no query, no text");
}

/// Keeps the names of spans, their fields, and events.
#[derive(Default)]
struct Subscribing {
    next: AtomicU64,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Subscribing {
    fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "compact_artifact"
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let name = attributes.metadata().name();
        self.seen.lock().unwrap().push(format!("span {name} {attributes:?}"));
        Id::from_u64(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }
    fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        self.seen.lock().unwrap().push(format!("event {event:?}"));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// In a process of its own: a place in the code that another thread comes to first, while nobody subscribes, may stay switched off.
#[test]
fn spans_and_events_go_to_the_subscriber_of_the_program() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["observed::subscribed", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "what the test above runs in a process of its own"]
fn subscribed() {
    let subscriber = Subscribing::default();
    let seen = subscriber.seen.clone();
    tracing::subscriber::with_default(subscriber, work);
    let seen = seen.lock().unwrap();
    for name in ["create", "commit", "seal", "search", "compact", "open"] {
        assert!(seen.iter().any(|line| line.starts_with(&format!("span {name} "))), "{name}: {seen:#?}");
    }
    assert!(seen.iter().filter(|line| line.starts_with("event ")).count() > 60);
    assert!(!seen.iter().any(|line| line.contains("secret")), "no query, no text");
}
