//! A reader that follows a writer, beside one that opens the artifact anew after every step; what it reads for that.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use compact_artifact::vfs::{Access, DiskVfs, MappedBytes, Vfs, VfsFile, VfsLock};
use compact_artifact::{
    Change, CommitSeq, CompactArtifact, Filter, Metric, Options, Query, Record, RecordId, SpaceOptions,
    salvage,
};
use serde_json::json;

fn options() -> Options {
    Options::new().segment_len(64 << 10).space("v", SpaceOptions::new(2, Metric::Cosine))
}

/// Everything that a reader says about the artifact.
fn answers(artifact: &CompactArtifact) -> String {
    let snapshot = artifact.snapshot();
    let mut all = format!("{:?} {}\n", snapshot.seq(), snapshot.len());
    for entry in snapshot.records() {
        let entry = entry.unwrap();
        let (key, text) = (entry.key().unwrap(), entry.text().unwrap());
        let vector = snapshot.embedding(entry.id(), "v").unwrap();
        writeln!(all, "{} {key:?} {text} {vector:?}", entry.id()).unwrap();
        if let Some(key) = key {
            assert_eq!(snapshot.id_of_key(&key).unwrap(), Some(entry.id()));
        }
    }
    let queries = [
        Query::words("cat"),
        Query::words("word"),
        Query::vector("v", [1.0, 0.2]).exact(true),
        Query::new().filter(Filter::field("n").gte(3)),
    ];
    for query in queries {
        let found = snapshot.search(&query.k(1_000)).unwrap();
        // Scores of words count texts that are deleted until these are compacted.
        let mut hits: Vec<_> = found.hits.iter().map(|hit| hit.id).collect();
        hits.sort_unstable();
        writeln!(all, "{hits:?}").unwrap();
    }
    all
}

/// What a follower knows: ids and keys, kept up by changes only.
#[derive(Default)]
struct Mirror {
    records: Vec<(RecordId, Option<String>)>,
    /// The metadata of each.
    metadata: BTreeMap<RecordId, String>,
    last: CommitSeq,
}

fn metadata_of(artifact: &CompactArtifact, id: RecordId) -> String {
    format!("{:?}", artifact.get(id).unwrap().unwrap().metadata().unwrap())
}

impl Mirror {
    fn new(artifact: &CompactArtifact) -> Self {
        let pair = |entry: compact_artifact::Result<compact_artifact::Entry>| {
            let entry = entry.unwrap();
            (entry.id(), entry.key().unwrap())
        };
        let records: Vec<_> = artifact.records().map(pair).collect();
        let metadata = records.iter().map(|(id, _)| (*id, metadata_of(artifact, *id))).collect();
        Self { records, metadata, last: artifact.snapshot().seq() }
    }

    /// Whether it could follow.
    fn follow(&mut self, artifact: &CompactArtifact) -> bool {
        let Some(changes) = artifact.changes_since(self.last).unwrap() else {
            *self = Self::new(artifact);
            return false;
        };
        let pair = |change: &Change| (change.id, change.key.clone());
        let replaced = changes.replaced.iter().map(|c| (c.replaces.unwrap(), c.key.clone()));
        let gone: Vec<_> = changes.deleted.iter().map(pair).chain(replaced).collect();
        for record in &gone {
            assert!(self.records.contains(record), "{record:?} was not there");
        }
        self.records.retain(|record| !gone.contains(record));
        self.records.extend(changes.added.iter().chain(&changes.replaced).map(pair));
        self.records.sort_unstable();
        for record in changes.updated.iter().map(pair) {
            assert!(self.records.contains(&record), "{record:?} was not there");
        }
        let gone: Vec<RecordId> = gone.iter().map(|(id, _)| *id).collect();
        self.metadata.retain(|id, _| !gone.contains(id));
        for change in changes.added.iter().chain(&changes.replaced).chain(&changes.updated) {
            self.metadata.insert(change.id, metadata_of(artifact, change.id));
        }
        self.last = changes.commit;
        let now = Self::new(artifact);
        assert_eq!((&self.records, &self.metadata), (&now.records, &now.metadata));
        true
    }
}

#[test]
fn a_reader_that_follows_answers_as_one_that_opens_anew_after_every_step() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let mut writer = options().create(&path).unwrap();
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    let (mut mirror, mut of_writer) = (Mirror::default(), Mirror::default());
    let (mut looks, mut followed) = (0, 0);
    let mut random = 11u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for step in 0..260u64 {
        let key = format!("k{}", next(40));
        match next(20) {
            0..=6 => {
                let record = Record::text(format!("cat word{step} word")).metadata(json!({"n": step % 9}));
                let vector = [1.0, next(9) as f32];
                writer.upsert(record.key(&key).embedding("v", vector)).map(|_| ()).unwrap();
            }
            7 => writer.add_text(&format!("word of no key {step}")).map(|_| ()).unwrap(),
            8 | 9 => drop(writer.delete_key(&key).unwrap()),
            10 => drop(writer.delete_where(&Filter::field("n").eq(step % 9)).unwrap()),
            11 | 12 => {
                if let Some(id) = writer.id_of_key(&key).unwrap() {
                    writer.add_embedding(id, "v", &[next(5) as f32, 1.0]).unwrap();
                }
            }
            13 => drop(writer.seal().unwrap()),
            18 => drop(writer.update_key(&key, json!({"n": step, "odd": step % 2 == 1})).unwrap()),
            19 => {
                writer.update_where(&Filter::field("n").eq(step % 9), json!({"n": null})).unwrap();
                writer.seal().unwrap(); // what says so goes at once
            }
            14 => drop(writer.compact(8 << 20).unwrap()),
            15 => writer.add_space(&format!("s{step}"), SpaceOptions::new(2, Metric::Dot)).unwrap(),
            16 => {
                writer.close().unwrap();
                writer = options().open(&path).unwrap();
            }
            _ => {
                drop(writer); // a log that is recovered
                writer = options().open(&path).unwrap();
            }
        }
        if next(3) == 0 {
            continue; // several commits at once
        }
        reader.refresh().unwrap();
        let fresh = CompactArtifact::open_read_only(&path).unwrap();
        assert_eq!(answers(&reader), answers(&fresh), "step {step}");
        assert_eq!(answers(&writer), answers(&fresh), "step {step}");
        looks += 1;
        followed += usize::from(mirror.follow(&reader));
        of_writer.follow(&writer);
        let elsewhere = fresh.changes_since(mirror.last).unwrap().unwrap();
        assert!(elsewhere.is_empty() && elsewhere.commit == mirror.last);
    }
    println!("{followed} of {looks} looks were told what had changed");
    assert!(followed * 10 > looks * 8);
}

#[test]
fn a_commit_from_before_a_salvage_is_not_taken_for_one_of_the_salvaged_artifact() {
    let temp = tempfile::tempdir().unwrap();
    let (path, copy) = (temp.path().join("a"), temp.path().join("b"));
    let artifact = CompactArtifact::create(&path).unwrap();
    let mut seen = vec![artifact.snapshot().seq()];
    for number in 0..10 {
        artifact.add(Record::text(format!("note {number}"))).unwrap();
        seen.push(artifact.snapshot().seq());
    }
    artifact.close().unwrap();
    salvage(&path, &copy, CompactArtifact::options()).unwrap();
    let artifact = CompactArtifact::open(&copy).unwrap();
    let start = artifact.snapshot().seq();
    for number in 0..20 {
        artifact.add(Record::text(format!("new {number}"))).unwrap();
        for &commit in &seen {
            assert_eq!(artifact.changes_since(commit).unwrap(), None, "{commit:?}");
        }
    }
    assert_eq!(artifact.changes_since(start).unwrap().unwrap().added.len(), 20);
}

#[test]
fn changes_are_told_across_a_sealing_and_to_another_process_since_the_last_one() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let writer = CompactArtifact::create(&path).unwrap();
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    let start = reader.snapshot().seq();
    for artifact in [&reader, &writer] {
        assert!(artifact.changes_since(start).unwrap().unwrap().is_empty());
    }
    let cat = writer.add(Record::text("a cat").key("cat")).unwrap();
    let dog = writer.add(Record::text("a dog")).unwrap();
    reader.refresh().unwrap();
    let before = reader.snapshot().seq();
    let other = writer.upsert(Record::text("another cat").key("cat")).unwrap();
    writer.seal().unwrap(); // the log that the reader reads is removed, with a commit that it has not read
    writer.delete(dog).unwrap();
    reader.refresh().unwrap();
    for artifact in [&reader, &writer] {
        let changes = artifact.changes_since(before).unwrap().unwrap();
        assert_eq!(changes.commit, writer.snapshot().seq());
        assert!(changes.added.is_empty());
        assert_eq!((changes.replaced[0].id, changes.replaced[0].replaces), (other, Some(cat)));
        assert_eq!(changes.replaced[0].key.as_deref(), Some("cat"));
        assert_eq!((changes.deleted.len(), changes.deleted[0].id, &changes.deleted[0].key), (1, dog, &None));
        let all = artifact.changes_since(start).unwrap().unwrap();
        assert_eq!((all.added.len(), all.added[0].id), (1, other));
        assert!(all.replaced.is_empty() && all.deleted.is_empty());
        assert_eq!(artifact.changes_since(CommitSeq(1_000)).unwrap(), None);
        let json = serde_json::to_value(&changes).unwrap();
        assert_eq!(json["replaced"][0]["replaces"], json!(cat.0));
    }
    // Another process knows the commits of the log, and says so of those before.
    let fresh = CompactArtifact::open_read_only(&path).unwrap();
    assert_eq!(fresh.changes_since(before).unwrap(), None);
    let sealed = CommitSeq(writer.snapshot().seq().0 - 1);
    assert_eq!(fresh.changes_since(sealed).unwrap().unwrap().deleted[0].id, dog);
    // What is compacted away is remembered by those who follow, and by nobody else.
    writer.compact(8 << 20).unwrap();
    reader.refresh().unwrap();
    for artifact in [&reader, &writer] {
        assert_eq!(artifact.changes_since(before).unwrap().unwrap().deleted[0].id, dog);
    }
}

#[test]
fn a_watch_ends_with_a_commit_of_another_handle_and_when_the_time_is_over() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let writer = CompactArtifact::create(&path).unwrap();
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    assert!(!reader.watch(Duration::ZERO).unwrap());
    let begun = Instant::now();
    assert!(!reader.watch(Duration::from_millis(40)).unwrap());
    assert!(begun.elapsed() >= Duration::from_millis(40));
    let mut latencies: Vec<Duration> = (0..20)
        .map(|i| {
            std::thread::scope(|threads| {
                let seen = threads.spawn(|| {
                    assert!(reader.watch(Duration::from_mins(1)).unwrap());
                    Instant::now()
                });
                std::thread::sleep(Duration::from_millis(7 + i));
                writer.add_text("news").unwrap();
                let written = Instant::now();
                seen.join().unwrap().saturating_duration_since(written)
            })
        })
        .collect();
    assert_eq!(reader.len(), 20);
    latencies.sort_unstable();
    println!("a commit is seen after {:?} (median), {:?} at the most", latencies[10], latencies[19]);
    assert!(latencies[10] < Duration::from_millis(200), "{latencies:?}");
    std::thread::scope(|threads| {
        let seen = threads.spawn(|| writer.watch(Duration::from_mins(1)).unwrap());
        std::thread::sleep(Duration::from_millis(20));
        writer.add_text("news").unwrap();
        assert!(seen.join().unwrap());
    });
    writer.seal().unwrap(); // no commit
    assert!(reader.watch(Duration::ZERO).unwrap()); // the one before
    assert!(!reader.watch(Duration::from_millis(20)).unwrap());
}

/// The disk, and how many bytes were read from it by position or mapped.
#[derive(Debug, Clone, Default)]
struct Counting {
    read: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingFile(Arc<dyn VfsFile>, Arc<AtomicU64>);

impl VfsFile for CountingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.0.read_at(buf, offset)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn map(&self, len: u64) -> io::Result<Box<dyn MappedBytes>> {
        self.1.fetch_add(len, Ordering::Relaxed);
        self.0.map(len)
    }
}

impl Vfs for Counting {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DiskVfs.create_dir(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        DiskVfs.create_new(path)
    }
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        Ok(Arc::new(CountingFile(DiskVfs.open(path, access)?, self.read.clone())))
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        DiskVfs.list(path)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        DiskVfs.unlink(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        DiskVfs.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        DiskVfs.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        DiskVfs.lock(path)
    }
}

#[test]
fn a_refresh_reads_what_is_new_and_not_what_was_there() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let writer = CompactArtifact::create(&path).unwrap();
    let record = |i: u64| Record::text(format!("{:?}", noise(i))).key(i.to_string());
    writer.add_batch((0..2_000).map(record)).unwrap();
    writer.seal().unwrap();
    writer.add_batch((2_000..12_000).map(record)).unwrap();
    let log = writer.stats().log_bytes;
    assert!(log > 1 << 20, "{log}");
    let disk = Counting::default();
    let reader = CompactArtifact::open_read_only_in(Arc::new(disk.clone()), Options::new(), &path).unwrap();
    let opened = disk.read.swap(0, Ordering::Relaxed);
    assert!(opened > log, "{opened}");
    let read = |what: &str| {
        let read = disk.read.swap(0, Ordering::Relaxed);
        println!("{what}: {read} bytes, of {log} in the log");
        read
    };
    assert!(!reader.refresh().unwrap());
    assert_eq!(read("nothing new"), 0);
    writer.add(Record::text("one more")).unwrap();
    assert!(reader.refresh().unwrap());
    assert!(read("one record") < 2_048);
    writer.delete_key("7").unwrap();
    assert!(reader.refresh().unwrap());
    assert!(read("one deleted") < 2_048);
    assert_eq!(reader.len(), 12_000);
    writer.seal().unwrap();
    assert!(reader.refresh().unwrap());
    read("sealed");
    writer.add(Record::text("one more")).unwrap();
    assert!(reader.refresh().unwrap());
    assert!(read("one record in a new log") < 16_384);
    let found = |artifact: &CompactArtifact| {
        (artifact.len(), artifact.search(&Query::words("one more").k(50)).unwrap().hits.len())
    };
    assert_eq!(found(&reader), found(&CompactArtifact::open_read_only(&path).unwrap()));
}

/// Words that do not compress.
fn noise(i: u64) -> Vec<u64> {
    let mut random = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let next = |_| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    (0..12).map(next).collect()
}

#[test]
fn an_update_to_the_same_metadata_is_a_change_as_well() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let id = artifact.add(Record::text("x").metadata(json!({"n": 1}))).unwrap();
    artifact.add_text("y").unwrap();
    let before = artifact.snapshot().seq();
    assert!(artifact.update(id, json!({"n": 1})).unwrap());
    let changes = artifact.changes_since(before).unwrap().unwrap();
    assert_eq!(changes.updated.iter().map(|change| change.id).collect::<Vec<_>>(), [id]);
}
