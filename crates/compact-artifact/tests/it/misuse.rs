//! Whatever is asked for wrongly: a typed error that says what, and the artifact is as it was.

use std::path::Path;
use std::sync::Arc;

use compact_artifact::vfs::{Fault, FaultVfs, MemoryVfs, Vfs};
use compact_artifact::{
    Batch, BatchOptions, CompactArtifact, ErrorKind, Filter, Maintenance, Metric, Options, Originals, Query,
    Record, RecordId, SpaceOptions,
};
use serde_json::{Value, json};

use crate::between::Between;

fn options() -> Options {
    Options::new()
        .space("v", SpaceOptions::new(3, Metric::Cosine))
        .space("w", SpaceOptions::new(2, Metric::L2))
}

fn filled(path: &Path) -> CompactArtifact {
    let artifact = options().create(path).unwrap();
    let record = |i: u8| {
        Record::text(format!("number {i}"))
            .key(format!("k{i}"))
            .metadata(json!({"i": i, "name": format!("n{i}")}))
            .embedding("v", [f32::from(i), 1.0, 2.0])
    };
    artifact.add_batch((0..20).map(record)).unwrap();
    artifact
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |value, _| json!({"a": value}))
}

#[test]
fn of_many_records_the_first_that_is_wrong_is_told_and_none_is_added() {
    let temp = tempfile::tempdir().unwrap();
    let space = SpaceOptions::new(2, Metric::L2);
    let artifact = CompactArtifact::options().space("v", space).create(temp.path().join("a")).unwrap();
    for wrong in [&[999][..], &[700, 701, 990], &[3, 999], &[0, 500]] {
        let value = |i: usize| if wrong.contains(&i) { f32::NAN } else { 1.0 };
        let records = (0..1_000).map(|i| Record::text("a text").embedding("v", [value(i), 2.0]));
        let refused = artifact.add_batch(records).unwrap_err();
        assert_eq!((refused.kind(), refused.change()), (ErrorKind::NotFinite, Some(wrong[0])));
        assert!(artifact.is_empty());
    }
}

#[test]
fn wrong_records_are_refused_and_change_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(&temp.path().join("a"));
    let text = || Record::text("x");
    let wrong = [
        (text().embedding("v", [1.0, 2.0]), ErrorKind::WrongDimension, "3"),
        (text().embedding("v", [1.0, f32::NAN, 2.0]), ErrorKind::NotFinite, "\"v\""),
        (text().embedding("v", [1.0, f32::INFINITY, 2.0]), ErrorKind::NotFinite, "\"v\""),
        (text().embedding("v", [0.0, 0.0, 0.0]), ErrorKind::ZeroVector, "\"v\""),
        (text().embedding("w", [1.0, 2.0, 3.0]), ErrorKind::WrongDimension, "\"w\""),
        (text().embedding("u", [1.0]), ErrorKind::NoSuchSpace, "\"u\""),
        (
            text().embedding("v", [1.0; 3]).embedding("v", [1.0; 3]),
            ErrorKind::InvalidArgument,
            "two embeddings",
        ),
        (text().key("k".repeat(1 << 20)), ErrorKind::TooLarge, "1048576"),
        (text().key(""), ErrorKind::InvalidArgument, "key"),
        (text().key("k3"), ErrorKind::AlreadyExists, "upsert"),
        (text().metadata(json!([1, 2])), ErrorKind::InvalidArgument, "JSON object"),
        (text().metadata(json!({"a": "x".repeat(1 << 20)})), ErrorKind::TooLarge, "metadata"),
        (text().metadata(deep(101)), ErrorKind::TooLarge, "depth"),
        (text().metadata(json!({"n".repeat(2_000): 1})), ErrorKind::TooLarge, "2000 bytes"),
        (Record::text("x".repeat((64 << 20) + 1)), ErrorKind::TooLarge, "a text"),
    ];
    for (record, kind, part) in wrong {
        let e = artifact.add(record).unwrap_err();
        assert_eq!(e.kind(), kind, "{e}");
        assert!(e.to_string().contains(part), "{e}");
    }
    assert_eq!(artifact.upsert(text()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let missing = artifact.add_embedding(RecordId(9_999), "v", &[1.0; 3]).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NoSuchRecord);
    let reader = artifact.add_reader(Record::text("not empty"), &b"content"[..]).unwrap_err();
    assert_eq!(reader.kind(), ErrorKind::InvalidArgument);
    let both = artifact.write(Batch::new().add(text().key("new")).delete_key("new")).unwrap_err();
    assert_eq!(both.kind(), ErrorKind::InvalidArgument);
    assert!(!artifact.delete(RecordId(9_999)).unwrap() && !artifact.delete_key("nobody").unwrap());
    assert_eq!(artifact.len(), 20);
    assert_eq!(artifact.search(&Query::words("number").k(100)).unwrap().hits.len(), 20);
}

#[test]
fn an_error_of_a_reader_adds_nothing() {
    struct Failing(usize);
    impl std::io::Read for Failing {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or_else(|| std::io::Error::other("the cable was pulled"))?;
            buf.fill(7);
            Ok(buf.len())
        }
    }
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(&temp.path().join("a"));
    let e = artifact.add_reader(Record::blob([]).key("big"), Failing(300)).unwrap_err();
    assert!(e.to_string().contains("the cable was pulled"), "{e}");
    assert!(artifact.len() == 20 && artifact.get_by_key("big").unwrap().is_none());
    let id = artifact
        .add_reader(Record::blob([]).key("big"), std::io::Read::take(std::io::repeat(3), 5 << 20))
        .unwrap();
    artifact.seal().unwrap();
    let entry = artifact.get(id).unwrap().unwrap();
    assert_eq!((entry.len(), entry.key().unwrap().as_deref()), (5 << 20, Some("big")));
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut entry.reader(), &mut content).unwrap();
    assert!(content.len() == 5 << 20 && content.iter().all(|&byte| byte == 3));
    assert_eq!(entry.text().unwrap_err().kind(), ErrorKind::NotText);
}

#[test]
fn wrong_queries_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = filled(&temp.path().join("a"));
    let vector = || Query::vector("v", [1.0, 2.0, 3.0]);
    let wrong = [
        (vector().k(0), ErrorKind::InvalidArgument),
        (vector().k(70_000), ErrorKind::InvalidArgument),
        (vector().offset(usize::MAX), ErrorKind::InvalidArgument),
        (vector().ef_search(0), ErrorKind::InvalidArgument),
        (vector().weight(f32::NAN), ErrorKind::InvalidArgument),
        // A score would not be finite.
        (vector().and_words("x").weight(f32::MAX), ErrorKind::InvalidArgument),
        (vector().min_score(f32::NAN), ErrorKind::InvalidArgument),
        (Query::vector("v", [1.0, 2.0]), ErrorKind::WrongDimension),
        (Query::vector("v", [f32::NAN; 3]), ErrorKind::NotFinite),
        (Query::vector("v", [0.0; 3]), ErrorKind::ZeroVector),
        (Query::vector("u", [1.0]), ErrorKind::NoSuchSpace),
        (Query::similar_to("v", RecordId(9_999)), ErrorKind::NoSuchRecord),
        (Query::words("x").filter(Filter::field("i").eq("3")), ErrorKind::TypeMismatch),
        (Query::words("x").filter(Filter::field("i").gt(f64::NAN)), ErrorKind::InvalidFilter),
    ];
    for (query, kind) in wrong {
        let e = artifact.search(&query).unwrap_err();
        assert_eq!(e.kind(), kind, "{e}");
    }
    for text in ["\"no end", "", "a AND", "()", "a^0", "NOT a", "a & b"] {
        let e = Query::parse(text).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidQuery, "{text}");
        assert!(e.to_string().starts_with("at byte "), "{e}");
    }
    let e = artifact.search(&Query::parse("a subject:b").unwrap()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidQuery);
    assert!(e.to_string().contains("at byte 2: there is no field \"subject\""), "{e}");
    let e = compact_artifact::Error::from("{\"i\": {\"$like\": 3}}".parse::<Filter>().unwrap_err());
    assert_eq!(e.kind(), ErrorKind::InvalidFilter);
    let mistyped = Filter::field("name").lt(3);
    assert_eq!(artifact.count(&mistyped).unwrap_err().kind(), ErrorKind::TypeMismatch);
    let e = artifact.update_where(&mistyped, json!({"seen": true})).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TypeMismatch);
    // Deletes do not fail because of what other records hold.
    assert_eq!(artifact.delete_where(&mistyped).unwrap(), 0);
    assert_eq!(artifact.len(), 20);
    // What cannot be found is no error.
    assert!(artifact.search(&Query::vector("w", [1.0, 2.0])).unwrap().hits.is_empty());
    assert!(artifact.search(&Query::words("nowhere").offset(50)).unwrap().hits.is_empty());
    let late = artifact.search(&vector().deadline(std::time::Duration::ZERO)).unwrap();
    assert!(!late.is_complete);
}

#[test]
fn one_writer_at_a_time_and_the_second_does_not_disturb_the_first() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = filled(&path);
    for second in [options().open(&path), options().create(&path)] {
        assert!(matches!(second.unwrap_err().kind(), ErrorKind::Locked | ErrorKind::AlreadyExists));
    }
    artifact.add_text("more").unwrap();
    let reader = options().open_read_only(&path).unwrap();
    assert_eq!((reader.len(), artifact.len()), (21, 21));
    for e in [
        reader.add_text("no").unwrap_err(),
        reader.seal().unwrap_err(),
        reader.compact(8 << 20).unwrap_err(),
        reader.add_space("x", SpaceOptions::new(1, Metric::Dot)).unwrap_err(),
        reader.batch_writer(BatchOptions::default()).unwrap_err(),
    ] {
        assert_eq!(e.kind(), ErrorKind::ReadOnly);
    }
}

#[test]
fn spaces_and_options_that_do_not_fit_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    filled(&path).close().unwrap();
    let other = |space| Options::new().space("v", space).open(&path).unwrap_err();
    for space in [
        SpaceOptions::new(4, Metric::Cosine),
        SpaceOptions::new(3, Metric::Dot),
        SpaceOptions::new(3, Metric::Cosine).originals(Originals::F16),
    ] {
        let e = other(space);
        assert_eq!(e.kind(), ErrorKind::SpaceMismatch);
        assert!(e.to_string().contains("dimension 3, cosine"), "{e}");
    }
    for wrong in [
        Options::new().memory_limit(1 << 20),
        Options::new().segment_len(1),
        Options::new().block_len(1),
        Options::new().space("", SpaceOptions::new(3, Metric::Dot)),
        Options::new().space("x", SpaceOptions::new(0, Metric::Dot)),
        Options::new().space("x", SpaceOptions::new(70_000, Metric::Dot)),
    ] {
        assert_eq!(wrong.open(&path).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    let spaces = [2, 3].map(|dimension| SpaceOptions::new(dimension, Metric::Dot));
    for twice in [
        Options::new().field("twice", 1).field("other", 1).field("twice", 2),
        spaces.into_iter().fold(Options::new(), |options, space| options.space("twice", space)),
    ] {
        let e = twice.create(temp.path().join("b")).unwrap_err();
        assert!(e.kind() == ErrorKind::InvalidArgument && e.to_string().contains("\"twice\" is given twice"));
    }
    assert_eq!(
        Options::new()
            .space("u", SpaceOptions::new(1, Metric::Dot))
            .open_read_only(&path)
            .unwrap_err()
            .kind(),
        ErrorKind::NoSuchSpace
    );
    let artifact = options().open(&path).unwrap();
    assert_eq!(artifact.compact(1).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(artifact.batch_writer(BatchOptions::new().batch_size(0)).is_err());
    assert_eq!(artifact.len(), 20);
}

#[test]
fn what_is_not_an_artifact_is_said_to_be_none() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    std::fs::write(&file, "just a text that is long enough to have a header of sixty-four bytes in it")
        .unwrap();
    let nothing = temp.path().join("nothing");
    assert_eq!(CompactArtifact::open(&nothing).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(CompactArtifact::open_read_only(&nothing).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(CompactArtifact::open(temp.path()).unwrap_err().kind(), ErrorKind::NotFound);
    for e in [CompactArtifact::open(&file).unwrap_err(), CompactArtifact::open_read_only(&file).unwrap_err()]
    {
        assert_eq!(e.kind(), ErrorKind::NotAnArtifact, "{e}");
    }
    assert_eq!(CompactArtifact::create(&file).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 74);
}

#[test]
fn a_snapshot_reads_on_while_everything_it_shows_is_deleted_and_compacted() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = filled(&path);
    artifact.seal().unwrap();
    let reader = options().open_read_only(&path).unwrap();
    let (before, theirs) = (artifact.snapshot(), reader.snapshot());
    artifact.delete_where(&Filter::field("i").lt(15)).unwrap();
    artifact.compact(8 << 20).unwrap();
    assert_eq!(artifact.len(), 5);
    for snapshot in [before, theirs] {
        assert_eq!(snapshot.len(), 20);
        let texts: Vec<String> =
            snapshot.records().map(|entry| entry.unwrap().text().unwrap().into_owned()).collect();
        assert_eq!(texts, (0..20).map(|i| format!("number {i}")).collect::<Vec<_>>());
        assert_eq!(snapshot.search(&Query::vector("v", [3.0, 1.0, 2.0]).k(20)).unwrap().hits.len(), 20);
    }
    reader.refresh().unwrap();
    assert_eq!(reader.len(), 5);
}

#[test]
fn a_full_disk_is_said_in_every_phase_and_nothing_acknowledged_is_lost() {
    let path = Path::new("/a");
    let manual = || options().maintenance(Maintenance::Manual);
    let record =
        |i: i32| Record::text(format!("number {i}")).key(format!("k{i}")).embedding("v", [1.0, 2.0, 3.0]);
    for at in (0..400).step_by(3) {
        let faulty = FaultVfs::new(MemoryVfs::new());
        let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
        let artifact = CompactArtifact::create_in(vfs.clone(), manual(), path).unwrap();
        faulty.inject(faulty.call_count() + at, Fault::NoSpace, true);
        let mut acknowledged = 0;
        let mut errors = Vec::new();
        for round in 0..6 {
            match artifact.add_batch((0..3).map(|i| record(round * 3 + i))) {
                Ok(_) => acknowledged = (round + 1) * 3,
                Err(e) => errors.push(e),
            }
            errors.extend(artifact.seal().err());
            errors.extend(artifact.compact(8 << 20).err());
        }
        for e in &errors {
            assert!(
                matches!(e.kind(), ErrorKind::DiskFull | ErrorKind::Poisoned | ErrorKind::AlreadyExists),
                "at {at}: {:?}: {e}",
                e.kind()
            );
        }
        assert!(artifact.len() >= u64::try_from(acknowledged).unwrap(), "readers go on");
        drop(artifact);
        faulty.heal();
        let artifact = CompactArtifact::open_in(vfs, manual(), path).unwrap();
        for i in 0..acknowledged {
            assert!(
                artifact.get_by_key(&format!("k{i}")).unwrap().is_some(),
                "at {at}: record {i} of {acknowledged}"
            );
        }
        let all = artifact.search(&Query::words("number").k(100)).unwrap().hits.len() as u64;
        assert_eq!(all, artifact.len());
        artifact.add(record(1_000)).unwrap();
    }
}

#[test]
fn a_read_only_medium_can_be_read() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let path = Path::new("/a");
    let artifact = CompactArtifact::create_in(vfs.clone(), options(), path).unwrap();
    artifact.add(Record::text("kept").key("k")).unwrap();
    drop(artifact);
    disk.set_read_only(true);
    assert_eq!(
        CompactArtifact::open_in(vfs.clone(), options(), path).unwrap_err().kind(),
        ErrorKind::ReadOnly
    );
    let reader = CompactArtifact::open_read_only_in(vfs, options(), path).unwrap();
    assert_eq!(reader.get_by_key("k").unwrap().unwrap().text().unwrap(), "kept");
    assert_eq!(reader.search(&Query::words("kept")).unwrap().hits.len(), 1);
}

#[test]
fn threads_that_write_at_once_lose_nothing_and_upserts_of_one_key_leave_one_record() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact =
        options().segment_len(64 << 10).maintenance(Maintenance::Background).create(&path).unwrap();
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let artifact = &artifact;
            threads.spawn(move || {
                for i in 0..40 {
                    artifact
                        .add(Record::text(format!("record {i} of {thread}")).embedding("v", [1.0, 2.0, 3.0]))
                        .unwrap();
                    artifact.upsert(Record::text(format!("{thread}")).key("one")).unwrap();
                    assert!(artifact.get_by_key("one").unwrap().is_some(), "always there");
                }
            });
        }
    });
    artifact.close().unwrap();
    let artifact = options().open(&path).unwrap();
    assert!(artifact.recovery().is_clean());
    assert_eq!(artifact.len(), 8 * 40 + 1);
    assert_eq!(artifact.search(&Query::words("record").k(1_000)).unwrap().hits.len(), 320);
    assert_eq!(artifact.search(&Query::vector("v", [1.0, 2.0, 3.0]).k(1_000)).unwrap().hits.len(), 320);
}

#[test]
fn a_create_that_fails_at_any_call_leaves_nothing_behind() {
    let path = Path::new("/a");
    let mut failed = 0;
    for at in 0.. {
        let disk = MemoryVfs::new();
        let faulty = FaultVfs::new(disk.clone());
        faulty.inject(at, Fault::NoSpace, true);
        let created = CompactArtifact::create_in(Arc::new(faulty.clone()), options(), path);
        if faulty.hits() == 0 {
            break;
        }
        let Err(e) = created else { continue };
        assert_eq!(e.kind(), ErrorKind::DiskFull, "{e}");
        assert!(disk.files().is_empty() && disk.list(path).is_err(), "call {at}: {disk:?}");
        failed += 1;
    }
    assert!(failed > 15, "{failed}");
}

#[test]
fn nobody_elses_files_are_removed_with_an_artifact_or_are_in_its_directory() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    filled(&path).destroy().unwrap();
    assert!(!path.exists());
    let artifact = filled(&path);
    artifact.seal().unwrap();
    std::fs::write(path.join("precious"), "x").unwrap();
    artifact.destroy().unwrap();
    let left: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["precious"]);
    let e = CompactArtifact::create(&path).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::AlreadyExists);
    assert!(e.to_string().contains("\"precious\""), "{e}");
}

#[test]
fn a_disk_that_is_full_while_indexes_are_written_is_told_as_such() {
    let path = Path::new("/a");
    let manual =
        || Options::new().maintenance(Maintenance::Manual).space("v", SpaceOptions::new(64, Metric::Cosine));
    // Longer than what is written at once, in each section of an index.
    let record = |i: u16| {
        let word = |n: u32| format!("word{} ", u32::from(i) * 40 + n);
        let words = (0..40).fold(String::new(), |words, n| words + &word(n));
        let vector: Vec<f32> = (0..64).map(|n| f32::from(i) + 1.0 / f32::from(n + 1u16)).collect();
        Record::text(words)
            .key(format!("k{i}"))
            .metadata(json!({"i": i, "s": "x".repeat(200) + &i.to_string()}))
            .embedding("v", vector)
    };
    let filled = || {
        let faulty = FaultVfs::new(MemoryVfs::new());
        let artifact = CompactArtifact::create_in(Arc::new(faulty.clone()), manual(), path).unwrap();
        artifact.add_batch((0..500).map(record)).unwrap();
        (faulty, artifact)
    };
    let is_full = |result: compact_artifact::Result<()>, what: &str| match result {
        Ok(()) => false,
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::DiskFull, "{what}: {e}");
            true
        }
    };
    let (mut at, mut hits) = (0, 0);
    loop {
        let (faulty, artifact) = filled();
        faulty.inject(faulty.call_count() + at, Fault::NoSpace, true);
        let sealed = artifact.seal().map(drop);
        if faulty.hits() == 0 {
            break;
        }
        hits += u32::from(is_full(sealed, &format!("seal, call {at}")));
        at += 3;
    }
    assert!(hits > 1, "{hits} failures in {at} calls");
    let (mut at, mut hits) = (0, 0);
    loop {
        let (faulty, artifact) = filled();
        artifact.seal().unwrap();
        for i in 0..250 {
            artifact.delete_key(&format!("k{i}")).unwrap();
        }
        faulty.inject(faulty.call_count() + at, Fault::NoSpace, true);
        let compacted = artifact.compact(8 << 20).map(drop);
        if faulty.hits() == 0 {
            break;
        }
        hits += u32::from(is_full(compacted, &format!("compact, call {at}")));
        at += 7;
    }
    assert!(hits > 1, "{hits} failures in {at} calls");
}

#[test]
fn an_error_of_sealing_by_itself_is_in_stats_and_told_to_the_callback_and_over_with_the_next_success() {
    for maintenance in [Maintenance::Inline, Maintenance::Background] {
        let faulty = FaultVfs::new(MemoryVfs::new());
        let between = Between::new(Arc::new(faulty.clone()));
        let (told, errors) = std::sync::mpsc::channel();
        let options = Options::new()
            .maintenance(maintenance)
            .segment_len(64 << 10)
            .on_maintenance_error(move |e| told.send(e.kind()).unwrap());
        let artifact = CompactArtifact::create_in(between.clone(), options, Path::new("/a")).unwrap();
        let add = |n: u32| {
            let text = (0..4_000).fold(String::new(), |text, i| text + &format!("w{} ", i * n));
            artifact.add_batch((0..8).map(|_| Record::text(text.clone()))).unwrap();
        };
        let full = faulty.clone();
        between.before_the_next_part(move || full.inject(full.call_count(), Fault::NoSpace, true));
        add(1);
        assert_eq!(errors.recv_timeout(std::time::Duration::from_mins(1)).unwrap(), ErrorKind::DiskFull);
        let known = || artifact.stats().maintenance_error;
        let until = |what: &dyn Fn() -> bool| {
            (0..6_000).any(|_| {
                what() || {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    false
                }
            })
        };
        assert!(until(&|| known().is_some()), "{maintenance}");
        faulty.heal();
        add(2);
        assert!(until(&|| known().is_none()), "{maintenance}: {:?}", known());
        assert_eq!(artifact.len(), 16);
        assert_eq!(artifact.search(&Query::words("w3998").k(20)).unwrap().hits.len(), 16);
    }
}
