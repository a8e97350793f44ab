//! How far sealing and closing are.

use compact_artifact::*;

fn record(i: usize) -> Record {
    let text = (0..40).map(|j| format!("word{}", (i * 31 + j * 977) % 5_003)).collect::<Vec<_>>().join(" ");
    Record::text(text).embedding("v", [(i % 100) as f32, (i / 100) as f32, 1.0])
}

fn options() -> Options {
    let space = SpaceOptions::new(3, Metric::L2);
    Options::new().space("v", space).graph_from(500).maintenance(Maintenance::Manual)
}

/// Each percent is told once, in order, and the last is 100.
fn check(done: &[u8], least: usize) {
    assert!(done.windows(2).all(|pair| pair[0] < pair[1]), "{done:?}");
    assert_eq!((done.first(), done.last()), (Some(&0), Some(&100)), "{done:?}");
    assert!(done.len() >= least, "{done:?}");
}

#[test]
fn sealing_tells_each_percent_once_and_ends_with_a_hundred() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().create(temp.path().join("a")).unwrap();
    let mut merged = 0;
    for piece in 0..4 {
        artifact.add_batch((piece * 1_000..(piece + 1) * 1_000).map(record)).unwrap();
        let mut done = Vec::new();
        let report = artifact.seal_with(|percent| done.push(percent)).unwrap();
        assert_eq!(report.records, 1_000);
        check(&done, 10);
        merged += usize::from(done.iter().any(|percent| (86..95).contains(percent)));
    }
    assert_eq!(merged, 1, "the fourth is merged with the others");
    let mut done = Vec::new();
    artifact.seal_with(|percent| done.push(percent)).unwrap();
    check(&done, 2); // nothing to do
}

#[test]
fn closing_tells_how_far_its_sealing_is() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().maintenance(Maintenance::Inline).create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..2_000).map(record)).unwrap();
    let clone = artifact.clone();
    let mut done = Vec::new();
    assert_eq!(clone.close_with(|percent| done.push(percent)).unwrap_err().kind(), ErrorKind::InUse);
    assert!(done.is_empty());
    artifact.close_with(|percent| done.push(percent)).unwrap();
    check(&done, 10);
    let reader = CompactArtifact::open_read_only(temp.path().join("a")).unwrap();
    assert_eq!(reader.stats().tail_records, 0);
    let mut done = Vec::new();
    reader.close_with(|percent| done.push(percent)).unwrap();
    assert_eq!(done, [100]);
}

#[test]
fn what_progress_of_sealing_calls_that_would_wait_for_the_sealing_is_an_error_on_whatever_thread_it_runs() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().threads(2).create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..2_000).map(record)).unwrap();
    let mut ended = Vec::new();
    artifact.seal_with(|_| ended.push(artifact.seal().map_err(|e| e.kind()))).unwrap();
    assert!(ended.len() > 10);
    assert!(ended.iter().all(|ended| *ended == Err(ErrorKind::Reentrant)), "{ended:?}");
    artifact.seal().unwrap();
}
