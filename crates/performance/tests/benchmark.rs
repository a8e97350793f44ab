//! A whole measurement, small: everything that was asked for is in the report, and nothing is left behind or changed.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use compact_artifact::{CompactArtifact, Metric, Record, SpaceOptions};
use performance::{Error, Loop, Operation, PerformanceBenchmark, QueryKind, Report, Run, Unit};

fn artifact(folder: &Path, with_vectors: bool) -> PathBuf {
    let path = folder.join("notes.artifact");
    let options = CompactArtifact::options().seed(1);
    let options =
        if with_vectors { options.space("v", SpaceOptions::new(16, Metric::Cosine)) } else { options };
    let artifact = options.create(&path).unwrap();
    let record = |i: usize| {
        let record = Record::text(format!("number {i} of several notes about subject {}", i % 17))
            .key(format!("k{i}"))
            .metadata(serde_json::json!({ "subject": i % 17 }));
        let vector: Vec<f32> = (0..16).map(|d| ((i * 31 + d * 17) % 101) as f32 - 50.0).collect();
        if with_vectors { record.embedding("v", vector) } else { record }
    };
    artifact.add_batch((0..400).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    path
}

fn small(path: &Path) -> PerformanceBenchmark {
    PerformanceBenchmark::new(path)
        .duration(Duration::from_millis(60))
        .warm_up(Duration::from_millis(10))
        .clients([1, 2])
        .batch_sizes([1, 50])
        .queries(20)
        .recall_queries(10)
}

/// Names, lengths and times of change of all files.
fn files(path: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
    let mut files: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            let (path, about) = {
                let entry = entry.unwrap();
                (entry.path(), entry.metadata().unwrap())
            };
            (path, about.len(), about.modified().unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn operations_times_batch_sizes_times_clients_times_kinds_are_measured() {
    let temp = tempfile::tempdir().unwrap();
    let path = artifact(temp.path(), true);
    let before = files(&path);
    let scratch = temp.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let told = Rc::new(RefCell::new(Vec::new()));
    let telling = told.clone();
    let report = small(&path)
        .scratch(&scratch)
        .commit("abc123")
        .on_progress(move |what, at, of| telling.borrow_mut().push((what.to_owned(), at, of)))
        .run()
        .unwrap();
    assert_eq!(files(&path), before, "the artifact is only read");
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "nothing is left behind");

    let runs = |wanted: &dyn Fn(&Run) -> bool| report.runs.iter().filter(|run| wanted(run)).count();
    for kind in QueryKind::ALL {
        assert_eq!(runs(&|run| run.kind == Some(kind) && run.mode == Loop::Closed), 2, "{kind:?} by clients");
        assert_eq!(runs(&|run| run.kind == Some(kind) && run.mode != Loop::Closed), 2, "{kind:?} by rates");
    }
    assert_eq!(runs(&|run| run.operation == Operation::Get), 2);
    for batch in [1, 50] {
        for clients in [1, 2] {
            let is_it =
                |run: &Run| run.operation == Operation::Add && (run.batch, run.clients) == (batch, clients);
            assert_eq!(runs(&is_it), 1, "{batch} {clients}");
        }
    }
    for run in &report.runs {
        let latency = run.latency;
        assert!(run.calls > 0 && run.throughput > 0.0 && run.seconds >= 0.05, "{run:?}");
        let ascending = [latency.p50, latency.p90, latency.p95, latency.p99, latency.p999, latency.max];
        assert!(ascending.is_sorted() && latency.p50 > 0.0, "{run:?}");
        assert_eq!(run.service.is_some(), run.mode != Loop::Closed);
        if cfg!(target_os = "linux") {
            assert!(run.cost.resident_bytes > Some(1 << 20) && run.cost.cpu_seconds.is_some(), "{run:?}");
        }
        assert_eq!(
            run.write_amplification.is_some(),
            run.operation == Operation::Add && cfg!(target_os = "linux")
        );
    }
    let adds =
        |batch| report.runs.iter().find(|run| run.operation == Operation::Add && run.batch == batch).unwrap();
    if let (Some(one), Some(fifty)) = (adds(1).write_amplification, adds(50).write_amplification) {
        assert!(one > fifty && fifty > 0.2 && one < 1000.0, "{one} {fifty}");
    }

    let most = report.runs.iter().filter(|run| run.kind.is_some() && run.mode == Loop::Closed);
    let most = most.map(|run| run.throughput).fold(0.0, f64::max);
    assert!((report.max_throughput() - most).abs() < 1e-9);
    assert!(report.p95_latency() > Duration::ZERO);
    assert_eq!(report.recall.len(), 5);
    assert!(
        report.recall.iter().all(|recall| recall.recall > 0.9 && recall.queries == 10),
        "{:?}",
        report.recall
    );
    assert_eq!((report.setting.records, report.setting.commit.as_deref()), (400, Some("abc123")));
    assert_eq!(report.skipped, [""; 0]);
    let told = told.borrow();
    assert!(
        told.iter().enumerate().all(|(at, (_, told_at, of))| at == *told_at && *of == told.len()),
        "{told:?}"
    );
}

#[test]
fn what_an_artifact_has_nothing_for_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let path = artifact(temp.path(), false);
    let report = small(&path).operations([Operation::Search]).rates([]).run().unwrap();
    assert_eq!(report.skipped, ["multi-modal searches: there are no texts with vectors"]);
    assert!(report.to_string().contains("not measured: multi-modal"));
    assert!(report.recall.is_empty());
    let empty = temp.path().join("empty");
    CompactArtifact::create(&empty).unwrap().close().unwrap();
    assert!(matches!(small(&empty).run(), Err(Error::NothingToMeasure(_))));
    assert!(matches!(small(&temp.path().join("none")).run(), Err(Error::Artifact(_))));
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let path = artifact(temp.path(), false);
    for (bench, part) in [
        (small(&path).clients([0]), "clients: expected 1 to 1024, found 0"),
        (small(&path).clients([]), "clients: expected at least one"),
        (small(&path).batch_sizes([1_000_000]), "batch sizes: expected 1 to 100000"),
        (small(&path).duration(Duration::ZERO), "duration"),
        (small(&path).queries(0), "queries"),
        (small(&path).rates([f64::NAN]), "rates"),
        (small(&path).scratch(temp.path().join("none")), "no scratch folder"),
    ] {
        let error = bench.operations([Operation::Add]).run().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_report_is_text_json_and_a_page_and_is_compared() {
    let temp = tempfile::tempdir().unwrap();
    let path = artifact(temp.path(), true);
    let mut old = small(&path).commit("<old>").run().unwrap();
    old.add_figure("ingest, median", 1.5, Unit::Seconds);
    let json = serde_json::to_string(&old).unwrap();
    let read = Report::from_json(&json).unwrap();
    assert_eq!((read.runs.len(), read.setting.clone()), (old.runs.len(), old.setting.clone()));
    assert!(Report::from_json("{}").unwrap_err().to_string().contains("no report of a measurement"));

    let mut new = old.clone();
    for run in &mut new.runs {
        run.throughput *= 2.0;
        run.latency.p95 *= 4.0;
    }
    new.setting.records = 7;
    let comparison = new.compare(&old);
    assert_eq!(comparison.warnings, ["records: 400 before, 7 now"]);
    assert_eq!(comparison.changes.len(), 2 + 2 * old.runs.len());
    let gains: Vec<f64> = comparison.changes[2..].iter().map(performance::Change::gain).collect();
    assert!(
        gains.chunks(2).all(|pair| (pair[0] - 2.0).abs() < 1e-6 && (pair[1] - 0.25).abs() < 1e-6),
        "{gains:?}"
    );
    let text = comparison.to_string();
    assert!(text.contains("2.00 x better") && text.contains("0.25 x worse"), "{text}");

    let text = old.to_string();
    for part in
        ["max_throughput", "p95_latency", "ingest, median", "open loop", "recall at 10", "add, batches of 50"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = new.to_html_beside(&old);
    for part in [
        "viewport",
        "prefers-color-scheme:dark",
        "Beside the run before",
        "legend",
        "class=\"better\"",
        "UTC",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("&lt;old&gt;") && !page.contains("<old>"), "what is not ours is escaped");
    assert!(!page.contains("http") && !page.contains("<script"), "nothing is loaded from elsewhere");
    assert!(page.ends_with("</html>\n"));
    assert!(!old.to_html().contains("Beside the run before"));
}
