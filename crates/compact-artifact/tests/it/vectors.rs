//! Vectors of any size: whose fault they are, and what becomes of them.

use compact_artifact::{
    Batch, BatchOptions, CompactArtifact, ErrorKind, Metric, Originals, Quantization, Query, Record,
    SpaceOptions,
};

fn artifact(dir: &tempfile::TempDir, options: SpaceOptions) -> CompactArtifact {
    CompactArtifact::options().space("v", options).create(dir.path().join("a")).unwrap()
}

#[test]
fn a_vector_that_cannot_be_indexed_fails_its_own_batch_and_nobody_elses() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let dir = tempfile::tempdir().unwrap();
        let artifact = artifact(&dir, SpaceOptions::new(3, metric));
        let bad: [[f32; 3]; 4] =
            [[6e16, 0.0, 0.0], [1e19, 0.0, 0.0], [f32::MAX, 1.0, 0.0], [f32::NAN, 0.0, 0.0]];
        let write = |thread: u16| {
            let mut taken = 0;
            for i in 0..20u16 {
                let good = [f32::from(i), f32::from(thread), 1.0];
                artifact.add(Record::text("good").embedding("v", good)).unwrap();
                let record = Record::text("large").embedding("v", bad[usize::from(i % 4)]);
                match artifact.write(Batch::new().add(record)) {
                    Ok(_) => taken += 1,
                    Err(e) => assert_eq!(e.kind(), ErrorKind::NotFinite, "{e}"),
                }
            }
            taken
        };
        let taken: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|thread| scope.spawn(move || write(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // Under cosine the length does not matter.
        assert_eq!(taken, if metric == Metric::Cosine { 90 } else { 30 }, "{metric:?}");
        artifact.seal().unwrap();
        assert_eq!(artifact.len(), 120 + taken);
        let hits = artifact.search(&Query::vector("v", [1.0, 2.0, 3.0]).k(200)).unwrap().hits;
        assert!(hits.iter().all(|hit| hit.score.is_finite()) && hits.len() as u64 == (120 + taken).min(200));
    }
}

#[test]
fn a_batch_writer_goes_on_after_a_record_that_cannot_be_stored() {
    let dir = tempfile::tempdir().unwrap();
    let artifact = artifact(&dir, SpaceOptions::new(3, Metric::L2));
    let writer = artifact.batch_writer(BatchOptions::new().batch_size(10)).unwrap();
    for i in 0..40u8 {
        writer.add(Record::text("good").embedding("v", [f32::from(i), 1.0, 0.0])).unwrap();
        let long = writer.add(Record::text("long").embedding("v", [1e20, 0.0, 0.0])).unwrap_err();
        assert_eq!(long.kind(), ErrorKind::NotFinite);
        let other = writer.add(Record::text("elsewhere").embedding("w", [1.0, 0.0, 0.0])).unwrap_err();
        assert_eq!(other.kind(), ErrorKind::NoSuchSpace);
    }
    assert_eq!(writer.finish().unwrap().records, 40);
}

#[test]
fn vectors_of_any_size_are_nearest_to_themselves_and_come_back_in_their_direction() {
    let directions = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.0, -0.8], [1.0, 1.0, 1e-3]];
    for originals in [Originals::None, Originals::Residual, Originals::F16, Originals::F32] {
        let dir = tempfile::tempdir().unwrap();
        let artifact = artifact(&dir, SpaceOptions::new(3, Metric::Cosine).originals(originals));
        let lengths = [1e-40, 1e-9, 1.0, 65_504.0, 65_520.0, 100_000.0, 1e38];
        let vectors: Vec<[f32; 3]> =
            (0..4).map(|i| directions[i].map(|value| value * lengths[i * 2 % 7])).collect();
        let more = lengths.map(|length| directions[2].map(|value| value * length));
        let all = [&vectors[..], &more].concat();
        let ids: Vec<_> = all
            .iter()
            .map(|&vector| artifact.add(Record::text("x").embedding("v", vector)).unwrap())
            .collect();
        for sealed in [false, true] {
            if sealed {
                artifact.seal().unwrap();
            }
            for (&id, vector) in ids.iter().zip(&all) {
                let hits = artifact.search(&Query::vector("v", *vector).k(11)).unwrap().hits;
                assert!(hits.len() == 11 && hits.iter().all(|hit| hit.score.is_finite()));
                let own = hits.iter().find(|hit| hit.id == id).unwrap().score;
                assert!(own > 0.9999 && own >= hits[0].score - 1e-5, "{vector:?} {hits:?}");
                let stored = artifact.embedding(id, "v").unwrap().unwrap();
                assert!(Metric::Cosine.distance(&stored, vector) < 1e-4, "{vector:?} {stored:?}");
            }
        }
    }
}

#[test]
fn two_bits_more_find_what_codes_alone_put_in_another_order_for_a_quarter_of_a_byte_a_dimension() {
    const DIMENSION: usize = 64;
    // A few dimensions have most of the length.
    let value = |row: usize, at: usize| {
        let noise = (row * 2_654_435_761 + at * 40_503) % 65_521 * 7_919 % 65_521;
        (noise as f32 / 32_760.0 - 1.0) * 1.07f32.powf(at as f32)
    };
    let vectors: Vec<Vec<f32>> =
        (0..2_000).map(|row| (0..DIMENSION).map(|at| value(row, at)).collect()).collect();
    let found = |originals| {
        let dir = tempfile::tempdir().unwrap();
        let artifact = artifact(&dir, SpaceOptions::new(DIMENSION, Metric::Cosine).originals(originals));
        let batch = vectors
            .iter()
            .fold(Batch::new(), |batch, vector| batch.add(Record::text("x").embedding("v", vector.clone())));
        let ids = artifact.write(batch).unwrap().ids;
        artifact.seal().unwrap();
        let mut same = 0;
        for query in 0..50 {
            let query: Vec<f32> = (0..DIMENSION).map(|at| value(2_000 + query, at)).collect();
            let mut truth: Vec<usize> = (0..vectors.len()).collect();
            truth.sort_by(|&a, &b| {
                let distance = |row: usize| Metric::Cosine.distance(&query, &vectors[row]);
                distance(a).total_cmp(&distance(b))
            });
            let hits = artifact.search(&Query::vector("v", query).k(10)).unwrap().hits;
            same += truth[..10].iter().filter(|&&row| hits.iter().any(|hit| hit.id == ids[row])).count();
        }
        (same, artifact.stats().spaces[0].bytes)
    };
    let [(by_codes, bytes), (refined, more)] = [Originals::None, Originals::Residual].map(found);
    assert!(by_codes < 492 && refined >= 496, "{by_codes} and {refined} of 500");
    assert!(more - bytes < 2_100 * DIMENSION as u64 / 4, "{more} and {bytes}");
}

#[test]
fn a_space_that_is_there_keeps_what_it_keeps_unless_something_else_is_asked_for() {
    let plain = SpaceOptions::new(24, Metric::Cosine);
    for originals in [Originals::None, Originals::Residual, Originals::F16, Originals::F32] {
        let dir = tempfile::tempdir().unwrap();
        artifact(&dir, plain.originals(originals)).close().unwrap();
        let open = |space| CompactArtifact::options().space("v", space).open(dir.path().join("a"));
        assert_eq!(open(plain).unwrap().spaces()[0].originals(), originals);
        assert_eq!(open(plain.originals(originals)).unwrap().spaces()[0].originals(), originals);
        let other = if originals == Originals::F32 { Originals::None } else { Originals::F32 };
        assert_eq!(open(plain.originals(other)).unwrap_err().kind(), ErrorKind::SpaceMismatch);
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(artifact(&dir, plain).spaces()[0].originals(), Originals::Residual);
}

#[test]
fn vectors_are_rotated_beyond_64_dimensions_unless_asked_otherwise_or_they_were_not() {
    let plain = |dimension| SpaceOptions::new(dimension, Metric::Cosine);
    let (int8, rotated) = (Quantization::Int8, Quantization::RotatedInt8);
    for (space, expected, other) in [
        (plain(64), int8, rotated),
        (plain(65), rotated, int8),
        (plain(65).quantization(int8), int8, rotated),
        (plain(3).quantization(rotated), rotated, int8),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let created = artifact(&dir, space);
        assert_eq!(created.spaces()[0].quantization(), expected);
        let vector: Vec<f32> = (0..created.spaces()[0].dimension()).map(|at| at as f32 - 1.5).collect();
        let id = created.add(Record::text("x").embedding("v", vector.clone())).unwrap();
        created.close().unwrap();
        let open = |space| CompactArtifact::options().space("v", space).open(dir.path().join("a"));
        let same = plain(vector.len());
        assert_eq!(open(same).unwrap().spaces()[0].quantization(), expected);
        assert_eq!(open(same.quantization(expected)).unwrap().spaces()[0].quantization(), expected);
        let refused = open(same.quantization(other)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SpaceMismatch);
        assert!(refused.to_string().contains("quantization"), "{refused}");
        let kept = open(same).unwrap().embedding(id, "v").unwrap().unwrap();
        assert!(Metric::Cosine.distance(&vector, &kept) < 1e-5);
        let nearest = open(same).unwrap().search(&Query::vector("v", vector).k(1)).unwrap().hits.remove(0);
        assert_eq!(nearest.id, id);
    }
}

#[test]
fn originals_that_16_bits_cannot_hold_are_refused_where_length_counts() {
    let dir = tempfile::tempdir().unwrap();
    let artifact = artifact(&dir, SpaceOptions::new(3, Metric::L2).originals(Originals::F16));
    for vector in [[65_520.0, 0.0, 0.0], [0.0, 100_000.0, 1.0], [0.0, 0.0, 1e-9]] {
        let e = artifact.add(Record::text("x").embedding("v", vector)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotFinite);
        assert!(e.to_string().contains("value"), "{e}");
    }
    let held = [[65_504.0, 1e-9, 0.0], [0.0, 0.0, 0.0], [1.0, -2.0, 1e-3]];
    for vector in held {
        let id = artifact.add(Record::text("x").embedding("v", vector)).unwrap();
        artifact.seal().unwrap();
        assert_eq!(artifact.search(&Query::vector("v", vector).k(3)).unwrap().hits[0].id, id);
        let stored = artifact.embedding(id, "v").unwrap().unwrap();
        for (stored, value) in stored.iter().zip(vector) {
            assert!((stored - value).abs() <= value.abs().max(1.0 / 16_384.0) / 2_048.0, "{stored} {value}");
        }
    }
}

#[test]
fn a_vector_too_short_to_be_told_from_zeros_is_refused_at_the_call_where_length_counts() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        for originals in [Originals::None, Originals::Residual, Originals::F16, Originals::F32] {
            let dir = tempfile::tempdir().unwrap();
            let artifact = artifact(&dir, SpaceOptions::new(2, metric).originals(originals));
            let first = artifact.add(Record::text("without a vector")).unwrap();
            for length in [1e-45, 1e-38, 1e-30, 9e-18] {
                let (along, across) = ([length, 0.0], [0.0, -length]);
                let refused = [
                    artifact.add(Record::text("x").embedding("v", along)).err(),
                    artifact.write(Batch::new().add(Record::text("x").embedding("v", across))).err(),
                    artifact.add_embedding(first, "v", &along).err(),
                    artifact.search(&Query::vector("v", across)).err(),
                ];
                for error in refused {
                    let kind = error.map(|error| error.kind());
                    let expected = (metric != Metric::Cosine).then_some(ErrorKind::NotFinite);
                    assert_eq!(kind, expected, "{metric:?} {originals:?} {length}");
                }
            }
            if metric != Metric::Cosine {
                assert_eq!(artifact.len(), 1);
                assert_eq!(artifact.embedding(first, "v").unwrap(), None);
                artifact.add(Record::text("zeros").embedding("v", [0.0, 0.0])).unwrap();
            }
        }
    }
}

#[test]
fn a_batch_writer_refuses_alone_what_could_be_stored_nowhere_and_ends_where_a_batch_takes_a_key_or_loses_an_embedding()
 {
    let temp = tempfile::tempdir().unwrap();
    let options = CompactArtifact::options().space("v", SpaceOptions::new(2, Metric::L2));
    let artifact = options.create(temp.path().join("a")).unwrap();
    let record = |key: &str| Record::blob(key.as_bytes()).key(key);
    artifact.add(record("there").embedding("v", [1.0, 2.0])).unwrap();
    let writer = || artifact.batch_writer(BatchOptions::new()).unwrap();
    let alone = writer();
    let wrong = alone.add(record("wrong").embedding("v", [1.0])).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::WrongDimension);
    alone.add(record("right")).unwrap();
    assert_eq!(alone.finish().unwrap().records, 1);
    let taken = writer();
    taken.add(record("new")).unwrap();
    taken.add(record("there")).unwrap();
    let twice = writer();
    twice.add(record("new")).unwrap();
    twice.add(record("new")).unwrap();
    let loses = writer();
    loses.upsert(record("new")).unwrap();
    loses.upsert(Record::blob(b"other").key("there")).unwrap();
    for (writer, kind) in [
        (taken, ErrorKind::AlreadyExists),
        (twice, ErrorKind::AlreadyExists),
        (loses, ErrorKind::WouldLoseEmbedding),
    ] {
        assert_eq!(writer.flush().unwrap_err().kind(), kind);
        assert_eq!(writer.add(record("later")).unwrap_err().kind(), kind);
        assert_eq!(writer.finish().unwrap_err().kind(), kind);
        assert_eq!(artifact.len(), 2);
    }
}
