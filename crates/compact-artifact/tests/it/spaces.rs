//! Vector spaces that are dropped and renamed.

use std::ops::ControlFlow;

use compact_artifact::{
    CompactArtifact, ErrorKind, Metric, Options, Query, Record, ReembedReport, SpaceOptions,
};

use crate::left_out;
use crate::toy::{CallsBack, Toy};

const DIMENSION: usize = 128;

fn options() -> Options {
    left_out::options()
        .space("a", SpaceOptions::new(DIMENSION, Metric::Cosine))
        .space("b", SpaceOptions::new(2, Metric::Dot))
}

fn record(i: u32) -> Record {
    let n = f64::from(i) as f32;
    Record::text(format!("record {i}"))
        .embedding(
            "a",
            (0..DIMENSION)
                .map(|at| ((i as usize * 7919 + at * at * 31) % 1009) as f32 - 504.5)
                .collect::<Vec<f32>>(),
        )
        .embedding("b", [n, 1.0])
}

fn found(artifact: &CompactArtifact, space: &str, vector: &[f32]) -> Result<usize, ErrorKind> {
    let query = Query::vector(space, vector).k(10_000);
    artifact.search(&query).map(|found| found.hits.len()).map_err(|e| e.kind())
}

#[test]
pub(crate) fn a_space_that_is_dropped_is_not_found_its_bytes_come_back_and_its_name_is_free() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch((0..2_000).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.add_batch((0..100).map(record)).unwrap();
    let id = artifact.add(record(7)).unwrap();
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    let before = artifact.snapshot();
    let size = artifact.stats().index_bytes;
    let vectors = artifact.stats().spaces[0].bytes;
    artifact.drop_space("a").unwrap();
    reader.refresh().unwrap();
    for artifact in [&artifact, &reader] {
        assert_eq!(found(artifact, "a", &[1.0; DIMENSION]), Err(ErrorKind::NoSuchSpace));
        assert_eq!(found(artifact, "b", &[1.0, 0.0]), Ok(2_101));
        assert_eq!(artifact.spaces().len(), 1);
        assert_eq!(artifact.embedding(id, "a").unwrap_err().kind(), ErrorKind::NoSuchSpace);
    }
    assert_eq!(before.search(&Query::vector("a", [1.0; DIMENSION]).k(10_000)).unwrap().hits.len(), 2_101);
    assert_eq!(artifact.add(record(1)).unwrap_err().kind(), ErrorKind::NoSuchSpace);
    assert_eq!(artifact.drop_space("a").unwrap_err().kind(), ErrorKind::NoSuchSpace);
    artifact.compact(64 << 20).unwrap();
    let now = artifact.stats().index_bytes;
    assert!(now < size - vectors / 2, "{now} of {size}, of which {vectors} were vectors");
    artifact.add_space("a", SpaceOptions::new(3, Metric::L2)).unwrap();
    artifact.add_embedding(id, "a", &[1.0, 2.0, 3.0]).unwrap();
    artifact.close().unwrap();
    let artifact = CompactArtifact::open(&path).unwrap();
    assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
    assert_eq!(found(&artifact, "a", &[1.0; 3]), Ok(1));
    assert_eq!(found(&artifact, "b", &[1.0, 0.0]), Ok(2_101));
    reader.refresh().unwrap();
    assert_eq!(found(&reader, "a", &[1.0; 3]), Ok(1));
}

#[test]
pub(crate) fn a_space_that_is_renamed_keeps_its_vectors() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch((0..50).map(record)).unwrap();
    let reader = left_out::options().open_read_only(&path).unwrap();
    artifact.rename_space("b", "c").unwrap();
    artifact.rename_space("a", "b").unwrap();
    artifact.rename_space("b", "b").unwrap();
    artifact.seal().unwrap();
    reader.refresh().unwrap();
    for artifact in [&artifact, &reader] {
        assert_eq!(found(artifact, "c", &[1.0, 0.0]), Ok(50));
        assert_eq!(found(artifact, "b", &[1.0; DIMENSION]), Ok(50));
        assert_eq!(found(artifact, "a", &[1.0; DIMENSION]), Err(ErrorKind::NoSuchSpace));
    }
    let kind = |from: &str, to: &str| artifact.rename_space(from, to).unwrap_err().kind();
    assert_eq!(kind("a", "d"), ErrorKind::NoSuchSpace);
    assert_eq!(kind("b", "c"), ErrorKind::AlreadyExists);
    assert_eq!(kind("b", "meaning"), ErrorKind::InvalidArgument);
    assert_eq!(kind("b", ""), ErrorKind::InvalidArgument);
    assert_eq!(reader.drop_space("b").unwrap_err().kind(), ErrorKind::ReadOnly);
    artifact.close().unwrap();
    assert_eq!(found(&CompactArtifact::open(&path).unwrap(), "c", &[1.0, 0.0]), Ok(50));
}

#[test]
fn texts_are_embedded_no_more_without_their_space_and_anew_with_an_embedder() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    let artifact = Options::new().embedder(Toy::new("first")).create(&path).unwrap();
    artifact.add_text("a cat").unwrap();
    assert_eq!(artifact.rename_space("meaning", "other").unwrap_err().kind(), ErrorKind::InvalidArgument);
    artifact.drop_space("meaning").unwrap();
    artifact.add_text("a feline").unwrap();
    assert!(artifact.search(&Query::meaning("cat")).is_err());
    assert_eq!(artifact.search(&Query::words("cat")).unwrap().hits.len(), 1);
    artifact.close().unwrap();
    let second = Toy::new("second");
    let artifact = Options::new().embedder(second.clone()).open(&path).unwrap();
    assert_eq!(artifact.reembed(second).unwrap().embedded, 2);
    assert_eq!(artifact.search(&Query::meaning("cat")).unwrap().hits.len(), 2);
}

#[test]
fn a_space_of_texts_that_is_dropped_while_it_is_filled_stays_dropped_and_whoever_fills_it_is_told() {
    let temp = tempfile::tempdir().unwrap();
    for by_progress in [false, true] {
        let artifact = CompactArtifact::create(temp.path().join(by_progress.to_string())).unwrap();
        artifact.add_batch((0..20).map(|n| Record::text(format!("text {n}")))).unwrap();
        let (embedder, theirs) = (CallsBack::new("drops"), artifact.clone());
        let drop_it = move || theirs.drop_space("meaning").unwrap();
        let e = if by_progress {
            let progress = |_: &ReembedReport| {
                drop_it();
                ControlFlow::Continue(())
            };
            artifact.reembed_with(embedder.clone(), false, progress)
        } else {
            embedder.calls_once(drop_it);
            artifact.reembed(embedder.clone())
        };
        assert_eq!(e.unwrap_err().kind(), ErrorKind::NoSuchSpace);
        assert!(artifact.spaces().is_empty());
        artifact.compact(64 << 20).unwrap();
        assert_eq!(artifact.reembed(embedder).unwrap().embedded, 20);
        assert_eq!(artifact.stats().spaces[0].vectors, 20);
    }
}
