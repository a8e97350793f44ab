//! Numbers that nobody means: a typed error or an answer, soon, whatever the argument.

use std::time::Duration;

use compact_artifact::{
    BatchOptions, CompactArtifact, ErrorKind, Maintenance, Metric, Options, Query, Record, RecordId,
    SpaceOptions,
};

const NUMBERS: [usize; 6] = [0, 1, 2, u32::MAX as usize, usize::MAX / 2 + 1, usize::MAX];

fn filled(path: &std::path::Path) -> CompactArtifact {
    let options =
        Options::new().maintenance(Maintenance::Manual).space("v", SpaceOptions::new(2, Metric::L2));
    let artifact = options.create(path).unwrap();
    let record = |i: u8| Record::text(format!("number {i} of all")).embedding("v", [f32::from(i), 1.0]);
    artifact.add_batch((0..30).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.add_batch((30..40).map(record)).unwrap();
    artifact
}

fn is_ok_or<T>(result: compact_artifact::Result<T>, kinds: &[ErrorKind], what: &str) {
    if let Err(error) = result {
        assert!(kinds.contains(&error.kind()), "{what}: {:?}: {error}", error.kind());
    }
}

#[test]
fn queries_with_any_numbers_are_answered_or_refused() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(&temp.path().join("a"));
    let queries = || {
        [
            Query::words("number all"),
            Query::vector("v", [1.0, 1.0]),
            Query::words("all").and_vector("v", [2.0, 2.0]),
        ]
    };
    for number in NUMBERS {
        for query in queries() {
            let with = [
                query.clone().k(number),
                query.clone().offset(number),
                query.clone().k(number).offset(number),
                query.clone().snippet(number),
                query.clone().deadline(Duration::from_secs(number as u64)),
            ];
            let graph = [query.clone().candidates(number), query.ef_search(number)];
            for query in with.into_iter().chain(graph) {
                is_ok_or(artifact.search(&query), &[ErrorKind::InvalidArgument], &format!("{query:?}"));
            }
        }
        let id = RecordId(number as u64);
        is_ok_or(artifact.search(&Query::similar_to("v", id)), &[ErrorKind::NoSuchRecord], "similar_to");
        is_ok_or(artifact.get(id), &[], "get");
        is_ok_or(artifact.embedding(id, "v"), &[], "embedding");
        is_ok_or(artifact.add_embedding(id, "v", &[1.0, 1.0]), &[ErrorKind::NoSuchRecord], "add_embedding");
    }
}

#[test]
fn audits_with_any_numbers_are_answered_or_refused() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(&temp.path().join("a"));
    let audit = |sample, k, ef| artifact.snapshot().audit_recall("v", sample, k, &[ef]);
    assert_eq!(audit(10, 3, 64).unwrap(), [1.0]);
    assert_eq!(audit(65_536, 65_536, 65_536).unwrap(), [1.0]);
    for number in NUMBERS {
        for result in
            [audit(number, 3, 64), audit(10, number, 64), audit(10, 3, number), audit(number, number, number)]
        {
            is_ok_or(result, &[ErrorKind::InvalidArgument], &format!("{number}"));
        }
    }
    let error = audit(10, usize::MAX, 64).unwrap_err();
    assert!(error.to_string().contains("expected 1 to 65536"), "{error}");
}

#[test]
fn ranges_of_any_numbers_are_what_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(&temp.path().join("a"));
    let big = artifact.add(Record::blob(vec![7; 3 << 20])).unwrap();
    let entry = artifact.get(big).unwrap().unwrap();
    for start in NUMBERS.map(|number| number as u64) {
        for end in NUMBERS.map(|number| number as u64) {
            let expected = end.min(3 << 20).saturating_sub(start);
            assert_eq!(entry.range(start..end).unwrap().len() as u64, expected, "{start}..{end}");
        }
    }
}

#[test]
fn options_with_any_numbers_are_obeyed_or_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    drop(filled(&path));
    for number in NUMBERS {
        let options = [
            Options::new().cache_bytes(number),
            Options::new().result_cache_bytes(number),
            Options::new().memory_limit(number),
            Options::new().segment_len(number as u64),
            Options::new().block_len(u32::try_from(number).unwrap_or(u32::MAX)),
            Options::new().seed(number as u64),
            Options::new().space("w", SpaceOptions::new(number, Metric::Cosine)),
        ];
        for (which, options) in options.into_iter().enumerate() {
            match options.maintenance(Maintenance::Manual).open(&path) {
                Ok(artifact) => {
                    assert_eq!(
                        artifact.search(&Query::words("all").fetch(true).k(50)).unwrap().hits.len(),
                        40
                    );
                    is_ok_or(artifact.compact(number), &[ErrorKind::InvalidArgument], "compact");
                    let batch = BatchOptions::new().batch_size(number).max_memory(number);
                    if let Ok(writer) = artifact.batch_writer(batch) {
                        writer.finish().unwrap();
                    }
                }
                Err(error) => {
                    let kinds = [
                        ErrorKind::InvalidArgument,
                        ErrorKind::WrongDimension,
                        ErrorKind::SpaceMismatch,
                        ErrorKind::SettingsMismatch,
                    ];
                    assert!(kinds.contains(&error.kind()), "option {which} of {number}: {error}");
                }
            }
        }
    }
}
