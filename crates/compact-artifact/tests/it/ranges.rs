//! A pack that is read by ranges answers as the same pack in a file does, fetches nothing twice, keeps no more than it may, and takes no byte for another.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use compact_artifact::{
    CompactArtifact, ErrorKind, Facet, Filter, Maintenance, Metric, Options, Order, Originals, Query,
    RangeSource, Record, SearchResults, SpaceOptions,
};
use serde_json::json;

const DIMENSION: usize = 24;
const PAGE: u64 = 4096;

/// What goes wrong with a read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    Fails,
    IsShort,
    IsLong,
    LacksARange,
    HasFlippedBits,
}

/// A pack in memory that says what was read of it.
#[derive(Debug)]
struct Object {
    bytes: Arc<Vec<u8>>,
    read: Mutex<Vec<Range<u64>>>,
    reads: AtomicUsize,
    /// The number of the read that goes wrong, and how.
    failure: Mutex<Option<(usize, Failure)>>,
    delay: AtomicU64,
}

impl Object {
    fn new(bytes: &Arc<Vec<u8>>) -> Arc<Self> {
        let (read, reads, failure, delay) = Default::default();
        Arc::new(Self { bytes: bytes.clone(), read, reads, failure, delay })
    }

    fn failing(bytes: &Arc<Vec<u8>>, number: usize, how: Failure) -> Arc<Self> {
        let object = Self::new(bytes);
        *object.failure.lock().unwrap() = Some((number, how));
        object
    }

    fn open(self: &Arc<Self>) -> compact_artifact::Result<CompactArtifact> {
        Options::new().open_packed_ranges(self.clone())
    }

    fn requests(&self) -> u64 {
        self.read.lock().unwrap().len() as u64
    }

    fn len_read(&self) -> u64 {
        self.read.lock().unwrap().iter().map(|range| range.end - range.start).sum()
    }

    /// Pages that were read more than once.
    fn read_again(&self) -> usize {
        let mut seen = HashSet::new();
        let read = self.read.lock().unwrap();
        let pages = read.iter().flat_map(|range| range.start / PAGE..range.end.div_ceil(PAGE));
        pages.filter(|page| !seen.insert(*page)).count()
    }
}

impl RangeSource for Object {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Vec<u8>>> {
        assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?} ascend");
        assert!(ranges.iter().all(|range| range.start < range.end && range.end <= self.len()));
        std::thread::sleep(Duration::from_micros(self.delay.load(Ordering::Relaxed)));
        let at = |at: u64| usize::try_from(at).unwrap();
        let mut came: Vec<Vec<u8>> =
            ranges.iter().map(|range| self.bytes[at(range.start)..at(range.end)].to_vec()).collect();
        self.read.lock().unwrap().extend_from_slice(ranges);
        let number = self.reads.fetch_add(1, Ordering::Relaxed);
        let failure = *self.failure.lock().unwrap();
        if let Some((_, how)) = failure.filter(|(failing, _)| *failing == number) {
            let last = came.last_mut().unwrap();
            match how {
                Failure::Fails => return Err(io::Error::other("the network is down")),
                Failure::IsShort => drop(last.pop()),
                Failure::IsLong => last.push(0),
                Failure::LacksARange => drop(came.pop()),
                Failure::HasFlippedBits => {
                    came.iter_mut().flatten().step_by(1000).for_each(|byte| *byte ^= 0x10);
                }
            }
        }
        Ok(came)
    }
}

/// A number that tells nothing of `i`.
fn mixed(i: u64) -> u64 {
    let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

fn vector(i: u64) -> Vec<f32> {
    (0..DIMENSION as u64).map(|at| (mixed(i * 100 + at) % 997) as f32 - 498.5).collect()
}

/// Of some of everything: two shards with graphs, deleted records, changed metadata, neighbours.
fn packed(records: u64) -> Arc<Vec<u8>> {
    let temp = tempfile::tempdir().unwrap();
    let space = SpaceOptions::new(DIMENSION, Metric::Cosine).originals(Originals::F16);
    let options = Options::new().seed(7).maintenance(Maintenance::Manual).space("v", space);
    let artifact = options.precompute_similar(3).block_len(4096).create(temp.path().join("a")).unwrap();
    let text = |i: u64| {
        let words = (0..12).map(|at| format!("w{}", mixed(i * 31 + at) % (1 << (at + 2))));
        format!("cat number {i} {} end", words.collect::<Vec<_>>().join(" "))
    };
    let record = |i: u64| {
        let record = Record::text(text(i)).key(format!("k{i}"));
        let record = record.metadata(json!({"n": mixed(i) % 50, "i": i, "topic": format!("t{}", i % 7)}));
        if i % 11 == 5 { record } else { record.embedding("v", vector(i)) }
    };
    for half in [0..records / 2, records / 2..records] {
        artifact.add_batch(half.map(record)).unwrap();
        artifact.seal().unwrap();
    }
    for i in (0..records).step_by(97) {
        artifact.delete_key(&format!("k{i}")).unwrap();
    }
    artifact.seal().unwrap();
    let path = temp.path().join("pack");
    artifact.pack(&path).unwrap();
    Arc::new(std::fs::read(&path).unwrap())
}

/// A question of each kind.
fn questions(file: &CompactArtifact, records: u64) -> Vec<(&'static str, Query)> {
    let like = file.snapshot().id_of_key("k3").unwrap().unwrap();
    let near = || vector(records + 3);
    let hybrid = || Query::words("w3 w100").and_vector("v", near());
    vec![
        ("rare word", Query::words("w1234")),
        ("common word", Query::words("cat")),
        ("words", Query::words("w1 w17 w900").k(20)),
        ("phrase", Query::parse("\"cat number 77\"").unwrap()),
        ("beginning of a word", Query::parse("w12*").unwrap()),
        ("filter", Query::new().filter(Filter::field("n").eq(7))),
        ("range", Query::new().filter(Filter::field("i").lt(40)).total(true)),
        ("words and a filter", Query::words("w2").filter(Filter::field("topic").eq("t3"))),
        ("vector", Query::vector("v", near())),
        ("vector and a filter", Query::vector("v", near()).filter(Filter::field("n").lt(3))),
        ("exact", Query::vector("v", near()).exact(true)),
        ("similar", Query::similar_to("v", like)),
        ("similar, far from what is stored", Query::similar_to("v", like).k(30)),
        ("hybrid", hybrid()),
        ("counts", Query::words("w2").facet(Facet::values("topic")).total(true)),
        ("order", Query::words("w2").order_by("i", Order::Descending)),
        ("snippet", Query::words("w17").snippet(60)),
        ("fields", Query::words("w17").fields(["topic", "i"])),
        ("groups", Query::words("w1").group_by("topic", 2)),
        ("nothing", Query::words("absent")),
    ]
}

fn assert_same(found: &SearchResults, expected: &SearchResults, what: &str) {
    let hits = |results: &SearchResults| {
        let hit = |hit: &compact_artifact::Hit| {
            let text = hit.record.as_ref().map(|entry| entry.text().unwrap().into_owned());
            (hit.id, hit.score.to_bits(), text, format!("{:?} {:?}", hit.snippet, hit.fields))
        };
        results.hits.iter().map(hit).collect::<Vec<_>>()
    };
    assert_eq!(hits(found), hits(expected), "{what}");
    assert_eq!((found.total, found.is_complete), (expected.total, expected.is_complete), "{what}");
    assert_eq!(format!("{:?}", found.facets), format!("{:?}", expected.facets), "{what}");
    assert_eq!(found.losses, expected.losses, "{what}");
}

#[test]
fn every_kind_of_question_is_answered_as_from_a_file_and_what_was_read_is_counted() {
    let records = 3_000;
    let pack = packed(records);
    let file = CompactArtifact::open_packed_bytes(pack.to_vec(), Options::new()).unwrap();
    for (what, query) in questions(&file, records) {
        let object = Object::new(&pack);
        let far = object.open().unwrap();
        let opened = far.range_statistics().unwrap();
        let found = far.search(&query.clone().explain(true)).unwrap();
        assert_same(&found, &file.search(&query).unwrap(), what);
        let read = far.range_statistics().unwrap();
        assert_eq!((read.requests, read.bytes), (object.requests(), object.len_read()), "{what}");
        assert_eq!(read.object_bytes, pack.len() as u64);
        let explain = found.explain.unwrap();
        let of_query = (read.requests - opened.requests, read.bytes - opened.bytes);
        assert_eq!((explain.range_requests, explain.range_bytes), of_query, "{what}");
        assert_eq!(explain.range_rounds, read.rounds - opened.rounds, "{what}");
        assert_eq!(object.read_again(), 0, "{what}");
        // What was read is not read again.
        assert_same(&far.search(&query).unwrap(), &file.search(&query).unwrap(), what);
        assert_eq!(far.range_statistics().unwrap().requests, read.requests, "{what}, warm");
    }
    assert!(file.range_statistics().is_none());
}

#[test]
fn records_keys_and_embeddings_are_those_of_the_file() {
    let pack = packed(800);
    let file = CompactArtifact::open_packed_bytes(pack.to_vec(), Options::new()).unwrap();
    let far = Object::new(&pack).open().unwrap();
    assert_eq!((far.len(), far.is_read_only()), (file.len(), true));
    for key in ["k0", "k1", "k97", "k798", "k9999"] {
        let text = |artifact: &CompactArtifact| {
            artifact.get_by_key(key).unwrap().map(|entry| entry.text().unwrap().into_owned())
        };
        assert_eq!(text(&far), text(&file), "{key}");
    }
    let all = |artifact: &CompactArtifact| {
        let snapshot = artifact.snapshot();
        let record = |entry: compact_artifact::Result<compact_artifact::Entry>| {
            let entry = entry.unwrap();
            let embedding = snapshot.embedding(entry.id(), "v").unwrap();
            (entry.id(), entry.text().unwrap().into_owned(), entry.metadata().unwrap().clone(), embedding)
        };
        snapshot.records().map(record).collect::<Vec<_>>()
    };
    assert_eq!(all(&far), all(&file));
    assert!(far.verify(compact_artifact::VerifyLevel::Decode).unwrap().is_sound());
}

#[test]
fn a_read_that_goes_wrong_is_an_error_or_the_right_answer_and_the_next_one_is_right() {
    let records = 1_500;
    let pack = packed(records);
    let file = CompactArtifact::open_packed_bytes(pack.to_vec(), Options::new()).unwrap();
    let failures =
        [Failure::Fails, Failure::IsShort, Failure::IsLong, Failure::LacksARange, Failure::HasFlippedBits];
    for (at, (what, query)) in questions(&file, records).into_iter().enumerate() {
        let expected = file.search(&query).unwrap();
        for number in 0.. {
            let how = failures[(number + at) % failures.len()];
            let object = Object::failing(&pack, number, how);
            let what = format!("{what}, read {number} {how:?}");
            match object.open() {
                // The first bytes tell whether this is a pack at all.
                Err(e) => assert!(
                    matches!(e.kind(), ErrorKind::Io)
                        || how == Failure::HasFlippedBits
                            && matches!(e.kind(), ErrorKind::Damaged | ErrorKind::NotAnArtifact),
                    "{what}: {e}"
                ),
                Ok(far) => {
                    match far.search(&query) {
                        Ok(found) => assert_same(&found, &expected, &what),
                        Err(e) => assert_eq!(e.kind(), ErrorKind::Io, "{what}: {e}"),
                    }
                    assert_same(&far.search(&query).unwrap(), &expected, &format!("{what}, once more"));
                }
            }
            if object.reads.load(Ordering::Relaxed) <= number {
                break;
            }
        }
    }
}

#[test]
fn threads_wait_for_what_another_one_reads_and_nothing_is_read_twice() {
    let records = 2_000;
    let pack = packed(records);
    let file = CompactArtifact::open_packed_bytes(pack.to_vec(), Options::new()).unwrap();
    let object = Object::new(&pack);
    let far = object.open().unwrap();
    object.delay.store(200, Ordering::Relaxed);
    let questions = questions(&file, records);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (far, file, questions) = (&far, &file, &questions);
            scope.spawn(move || {
                for at in 0..questions.len() {
                    // Half of the threads ask the same at the same time, the others anything.
                    let (what, query) = &questions[(at + thread % 4 * thread) % questions.len()];
                    assert_same(&far.search(query).unwrap(), &file.search(query).unwrap(), what);
                }
            });
        }
    });
    assert_eq!(object.read_again(), 0);
}

#[test]
fn no_more_is_kept_than_may_be_and_what_is_asked_again_and_again_stays() {
    let records = 14_000;
    let pack = packed(records);
    let file = CompactArtifact::open_packed_bytes(pack.to_vec(), Options::new()).unwrap();
    let object = Object::new(&pack);
    let limit = 1 << 20;
    assert!(pack.len() > 3 * limit, "{}", pack.len());
    let options = Options::new().range_cache_bytes(limit as u64).cache_bytes(0).result_cache_bytes(0);
    let far = options.open_packed_ranges(object.clone()).unwrap();
    let questions = questions(&file, records);
    // What one question alone needs is kept as long as it is answered, and until the next one after it.
    let alone = |query: &Query| {
        let far = Object::new(&pack).open().unwrap();
        far.search(query).unwrap();
        far.range_statistics().unwrap().kept_bytes
    };
    let largest = questions.iter().map(|(_, query)| alone(query)).max().unwrap();
    for _ in 0..3 {
        for (what, query) in &questions {
            assert_same(&far.search(query).unwrap(), &file.search(query).unwrap(), what);
            let now = far.range_statistics().unwrap();
            assert_eq!(now.limit_bytes, limit as u64);
            assert!(now.kept_bytes <= now.limit_bytes + 2 * largest, "{what}: {now:?}");
        }
    }
    assert!(object.len_read() > 2 * pack.len() as u64 && object.read_again() > 0, "something was let go of");
    // What is asked again and again stays, whatever else is asked in between: but for the blocks of records, which are not cached here.
    let often = Query::words("w1234").fetch(false);
    far.search(&often).unwrap();
    for (what, query) in &questions {
        far.search(query).unwrap();
        let before = object.requests();
        far.search(&often).unwrap();
        assert_eq!(object.requests(), before, "after {what}");
    }
    // A snapshot keeps what it has, and is right whatever is let go of.
    let snapshot = far.snapshot();
    for (what, query) in &questions {
        far.search(query).unwrap();
        assert_same(&snapshot.search(query).unwrap(), &file.search(query).unwrap(), what);
    }
}

#[test]
fn another_object_and_one_that_is_cut_off_are_refused() {
    let (pack, other) = (packed(300), packed(301));
    let cut = Arc::new(pack[..pack.len() - 100].to_vec());
    assert_eq!(Object::new(&cut).open().unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(
        Object::new(&Arc::new(b"no pack".to_vec())).open().unwrap_err().kind(),
        ErrorKind::NotAnArtifact
    );
    assert_eq!(Object::new(&Arc::default()).open().unwrap_err().kind(), ErrorKind::NotAnArtifact);

    /// An object that becomes another one.
    #[derive(Debug)]
    struct Changing(Arc<Object>, Arc<Object>, AtomicUsize);

    impl RangeSource for Changing {
        fn len(&self) -> u64 {
            self.0.len()
        }

        fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Vec<u8>>> {
            if self.2.fetch_add(1, Ordering::Relaxed) < 4 {
                return self.0.read(ranges);
            }
            let len = self.1.len();
            let there = |range: &Range<u64>| range.start.min(len - 1)..range.end.min(len);
            ranges.iter().map(|range| Ok(self.1.read(&[there(range)])?.remove(0))).collect()
        }
    }

    let file = CompactArtifact::open_packed_bytes(pack.to_vec(), Options::new()).unwrap();
    let changing = Changing(Object::new(&pack), Object::new(&other), AtomicUsize::new(0));
    match Options::new().open_packed_ranges(Arc::new(changing)) {
        Err(e) => assert_eq!(e.kind(), ErrorKind::Io, "{e}"),
        Ok(far) => {
            for (what, query) in questions(&file, 300) {
                match far.search(&query) {
                    Ok(found) => assert_same(&found, &file.search(&query).unwrap(), what),
                    Err(e) => assert_eq!(e.kind(), ErrorKind::Io, "{what}: {e}"),
                }
            }
        }
    }
}

#[test]
fn an_artifact_whose_records_expire_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = Options::new().expires_at("until").create(temp.path().join("a")).unwrap();
    artifact.add(Record::text("a note").metadata(json!({"until": "2100-01-01"}))).unwrap();
    artifact.pack(temp.path().join("pack")).unwrap();
    let pack = Arc::new(std::fs::read(temp.path().join("pack")).unwrap());
    assert_eq!(Object::new(&pack).open().unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(CompactArtifact::open_packed_bytes(pack.to_vec(), Options::new()).is_ok());
    let e = Options::new().range_cache_bytes(1000).open_packed_ranges(Object::new(&pack)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
}
