//! Indexes of the crate `hnsw_rs`.

use ::hnsw_rs::prelude::{DistCosine, Hnsw};
use compact_artifact::{ErrorKind, Metric, Options, Query, Record, SpaceOptions};

fn vector(i: usize) -> Vec<f32> {
    (0..8).map(|at| ((i * 7_919 + at * 104_729 + i * i * at) % 1_009) as f32 - 504.5).collect()
}

#[test]
fn an_index_of_hnsw_rs_is_taken_over_with_a_record_for_each_point() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = Options::new()
        .space("v", SpaceOptions::new(8, Metric::Cosine))
        .create(temp.path().join("a"))
        .unwrap();
    let empty: Hnsw<'_, f32, DistCosine> = Hnsw::new(16, 10, 16, 100, DistCosine);
    assert!(artifact.import_hnsw_rs(&empty, "v", |_| Record::text("")).unwrap().is_empty());
    let hnsw: Hnsw<'_, f32, DistCosine> = Hnsw::new(16, 2_500, 16, 100, DistCosine);
    for i in (0..2_500).rev() {
        hnsw.insert((&vector(i), i * 3));
    }
    let made = |origin: usize| Record::text(format!("note {origin}")).key(origin.to_string());
    let imported = artifact.import_hnsw_rs(&hnsw, "v", made).unwrap();
    assert_eq!(imported.len(), 2_500);
    assert!(imported.iter().map(|(origin, _)| *origin).eq((0..2_500).map(|i| i * 3)));
    for &(origin, id) in imported.iter().step_by(97) {
        assert_eq!(artifact.id_of_key(&origin.to_string()).unwrap(), Some(id));
        let found = artifact.search(&Query::vector("v", vector(origin / 3)).exact(true).k(30)).unwrap();
        assert!(found.hits.iter().any(|hit| hit.id == id), "{origin} finds itself");
    }
    let unknown = artifact.import_hnsw_rs(&hnsw, "w", made).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NoSuchSpace);
    let twice = artifact.import_hnsw_rs(&hnsw, "v", made).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
    assert_eq!(artifact.len(), 2_500);
    hnsw.insert((&vector(1), 0));
    let doubled = artifact.import_hnsw_rs(&hnsw, "v", |_| Record::text("")).unwrap_err();
    assert_eq!(doubled.kind(), ErrorKind::InvalidArgument);
}
