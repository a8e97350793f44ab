//! What goes in comes out.

use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use block_format::{
    Compression, Durability, ErrorKind, Options, PartKind, RecordId, Snapshot, Store, VerifyLevel, verify,
};

/// Small enough that a few kilobytes make blocks, frames and segments of every kind.
fn small() -> Options {
    Options::new().block_len(1024).inline_max(2048).frame_len(1000).segment_len(64 << 10).seed(7)
}

fn text(len: usize, salt: u64) -> Vec<u8> {
    let words = ["append", "only", "segments", "are", "sealed", "and", "then", "mapped", "for", "reading"];
    let mut state = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::new();
    while out.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.extend(words[(state >> 60) as usize % words.len()].as_bytes());
        out.push(b' ');
    }
    out.truncate(len);
    out
}

fn all(snapshot: &Snapshot) -> Vec<(u64, Vec<u8>)> {
    let record = |r: block_format::Result<block_format::Record>| {
        let r = r.unwrap();
        (r.id().0, r.bytes().unwrap().into_owned())
    };
    let found: Vec<_> = snapshot.records().map(record).collect();
    for (id, content) in &found {
        let one = snapshot.get(RecordId(*id)).unwrap().expect("what iteration finds, a lookup finds");
        assert_eq!(one.bytes().unwrap(), &content[..]);
        assert_eq!(one.len(), content.len() as u64);
    }
    found
}

#[test]
fn records_of_every_size_come_back_after_every_way_of_keeping_them() {
    for (compression, mapped) in [
        (Compression::Zstd(3), true),
        (Compression::Zstd(3), false),
        (Compression::None, true),
        (Compression::Lz4, false),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let options = small().compression(compression).memory_mapping(mapped);
        let store = Store::create(&path, options.clone()).unwrap();
        let mut model = Vec::new();
        for round in 0..6u64 {
            let mut batch = store.batch();
            for len in [0, 1, 100, 1023, 1024, 2048, 2049, 5000, 0, 3000] {
                let content = text(len, round * 100 + len as u64);
                batch.put(&content).unwrap();
                model.push((model.len() as u64, content));
            }
            let receipt = store.commit(batch, Durability::Sync).unwrap();
            assert_eq!((receipt.first_id.0, receipt.records), (round * 10, 10));
            if round == 2 {
                store.seal().unwrap();
            }
            if round == 3 {
                let mut bulk = store.bulk().unwrap();
                for len in [10, 7000, 20] {
                    let content = text(len, len as u64);
                    assert_eq!(bulk.put(&content).unwrap().0, model.len() as u64);
                    model.push((model.len() as u64, content));
                }
                assert_eq!(all(&store.snapshot()).len(), 40, "nothing is visible before it is finished");
                assert_eq!(bulk.finish().unwrap().records, 3);
                break;
            }
        }
        assert_eq!(all(&store.snapshot()), model);
        store.close().unwrap();
        let (store, report) = Store::open(&path, options.clone()).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(all(&store.snapshot()), model);
        store.seal().unwrap();
        assert_eq!(all(&store.snapshot()), model);
        drop(store); // not closed: nothing depends on it
        let (reader, _) = Store::open_read_only(&path, options).unwrap();
        assert_eq!(all(&reader.snapshot()), model);
        let found = verify(&path, VerifyLevel::Decode).unwrap();
        assert!(found.damage.is_empty(), "{:?}", found.damage);
        assert_eq!(found.records, model.len() as u64);
    }
}

#[test]
fn a_store_dropped_without_close_has_every_acknowledged_record() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, small()).unwrap();
    for i in 0..10 {
        store.put(&text(300, i)).unwrap();
    }
    drop(store);
    let (store, report) = Store::open(&path, small()).unwrap();
    assert!(!report.is_clean());
    assert_eq!((report.commits_recovered, report.records_recovered, report.dropped_len), (10, 10, 0));
    assert_eq!(all(&store.snapshot()).len(), 10);
    assert_eq!(store.put(b"goes on").unwrap(), RecordId(10));
    store.close().unwrap();
    assert!(Store::open(&path, small()).unwrap().1.is_clean());
}

#[test]
fn deleted_records_are_gone_for_later_snapshots_and_their_space_comes_back() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, small()).unwrap();
    let mut batch = store.batch();
    for i in 0..100 {
        batch.put(&text(if i % 10 == 0 { 5000 } else { 500 }, i)).unwrap();
    }
    store.commit(batch, Durability::Sync).unwrap();
    store.seal().unwrap();
    let before = store.snapshot();
    let mut batch = store.batch();
    (0..100).filter(|i| i % 2 == 0).for_each(|i| batch.delete(RecordId(i)));
    batch.delete(RecordId(0)); // twice
    store.commit(batch, Durability::Sync).unwrap();
    assert_eq!(all(&before).len(), 100, "a snapshot does not change");
    let live = |store: &Store| all(&store.snapshot()).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let odd: Vec<u64> = (0..100).filter(|i| i % 2 == 1).collect();
    assert_eq!(live(&store), odd);
    assert!(store.snapshot().get(RecordId(4)).unwrap().is_none());
    store.seal().unwrap();
    assert_eq!(live(&store), odd);
    let len = |store: &Store| store.snapshot().segments().iter().map(|s| s.len).sum::<u64>();
    let len_before = len(&store);
    let segments: Vec<_> = store.snapshot().segments().iter().map(|s| s.file).collect();
    store.edit(|edit| edit.rewrite(&segments)).unwrap();
    assert_eq!(live(&store), odd);
    assert!(len(&store) < len_before * 2 / 3, "{} of {len_before}", len(&store));
    assert!(store.snapshot().parts().is_empty(), "no deleted id is left to remember");
    store.close().unwrap();
    let (store, _) = Store::open(&path, small()).unwrap();
    assert_eq!(live(&store), odd);
    assert_eq!(store.put(b"").unwrap(), RecordId(100), "ids are not given out again");
    assert_eq!(store.delete(RecordId(101)).unwrap_err().kind(), ErrorKind::NoSuchRecord);
    assert_eq!(all(&before).len(), 100, "files that are gone stay readable for who had them");
}

#[test]
fn deleting_what_was_never_added_is_an_error_for_any_id() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::create(temp.path().join("a"), small()).unwrap();
    let id = store.put(b"kept").unwrap();
    for missing in [1, 1 << 32, u64::MAX - 1, u64::MAX] {
        assert_eq!(store.delete(RecordId(missing)).unwrap_err().kind(), ErrorKind::NoSuchRecord, "{missing}");
        let mut batch = store.batch();
        batch.put(b"not added").unwrap();
        batch.delete(id);
        batch.delete(RecordId(missing));
        let refused = store.commit(batch, Durability::Sync).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NoSuchRecord, "{missing}");
    }
    assert_eq!(store.snapshot().next_id().0, 1);
    assert!(store.snapshot().get(id).unwrap().is_some());
}

#[test]
fn large_content_streams_in_and_out_and_by_range() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::create(temp.path().join("a"), small()).unwrap();
    let content = text(123_456, 5);
    let id = store.put_reader(&content[..], Durability::Sync).unwrap().first_id;
    let small_id = store.put_reader(&b"short"[..], Durability::Sync).unwrap().first_id;
    let exact = store.put_reader(&content[..3000], Durability::Sync).unwrap().first_id;
    let check = |snapshot: &Snapshot| {
        let record = snapshot.get(id).unwrap().unwrap();
        let mut read = Vec::new();
        record.reader().read_to_end(&mut read).unwrap();
        assert_eq!(read, content);
        for range in [0..1, 999..1001, 5000..5000, 100_000..123_456, 120_000..999_999, 7..8] {
            let clipped = range.start as usize..(range.end as usize).min(content.len());
            assert_eq!(record.range(range).unwrap(), &content[clipped]);
        }
        let mut reader = record.reader();
        reader.seek(SeekFrom::End(-10)).unwrap();
        let mut end = Vec::new();
        reader.read_to_end(&mut end).unwrap();
        assert_eq!(end, content[content.len() - 10..]);
        assert_eq!(snapshot.get(small_id).unwrap().unwrap().bytes().unwrap(), &b"short"[..]);
        assert_eq!(snapshot.get(exact).unwrap().unwrap().bytes().unwrap(), &content[..3000]);
    };
    check(&store.snapshot());
    let old = store.snapshot();
    store.seal().unwrap();
    check(&store.snapshot());
    check(&old);
}

/// Gives some bytes, then fails.
struct Breaks(usize);

impl Read for Breaks {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = buf.len().min(self.0);
        self.0 -= len;
        if len == 0 { Err(std::io::Error::other("the cable is out")) } else { Ok(len) }
    }
}

#[test]
fn a_reader_that_fails_halfway_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, small()).unwrap();
    for len in [0, 100, 5000, 60_000] {
        let error = store.put_reader(Breaks(len), Durability::Sync).unwrap_err();
        assert!(error.to_string().contains("the cable is out"), "{error}");
        assert_eq!(store.snapshot().next_id(), store.put(b"next").unwrap());
    }
    let mut bulk = store.bulk().unwrap();
    bulk.put(b"lost").unwrap();
    assert!(bulk.put_reader(Breaks(60_000)).is_err());
    assert_eq!(bulk.put(b"too late").unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(bulk.finish().unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(store.put_reader(Breaks(60_000), Durability::Sync).is_err());
    store.close().unwrap();
    let (store, report) = Store::open(&path, small()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(all(&store.snapshot()), (0..4).map(|id| (id, b"next".to_vec())).collect::<Vec<_>>());
    assert!(verify(&path, VerifyLevel::Decode).unwrap().damage.is_empty());
}

#[test]
fn the_same_calls_with_the_same_seed_give_the_same_bytes() {
    let make = || {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let store = Store::create(&path, small()).unwrap();
        for i in 0..30 {
            store.put(&text(400 * (i as usize % 8), i)).unwrap();
        }
        store.seal().unwrap();
        store.delete(RecordId(3)).unwrap();
        let mut bulk = store.bulk().unwrap();
        for i in 0..500 {
            bulk.put(&text(600, i)).unwrap();
        }
        bulk.finish().unwrap();
        store.close().unwrap();
        let mut files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files
            .iter()
            .map(|f| (f.file_name().unwrap().to_owned(), std::fs::read(f).unwrap()))
            .collect::<Vec<_>>()
    };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(make);
    assert!(one == make(), "one thread and many");
}

#[test]
fn parts_are_listed_with_the_generation_that_wrote_them() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, small()).unwrap();
    store.put(b"record").unwrap();
    let content = text(200_000, 9);
    let part = store
        .edit(|edit| {
            edit.seal_logs()?;
            edit.write_part(PartKind(300), 42, |part| part.write_all(&content))
        })
        .unwrap();
    let failed: block_format::Result<()> = store.edit(|edit| {
        edit.write_part(PartKind(301), 0, |part| part.write_all(b"never"))?;
        edit.drop_part(part)?;
        edit.write_part(PartKind(1), 0, |_| Ok(())).map(drop)
    });
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidArgument);
    store.close().unwrap();
    for mapped in [true, false] {
        let (store, report) = Store::open(&path, small().memory_mapping(mapped)).unwrap();
        assert!(report.is_clean(), "what failed left nothing: {report:?}");
        let parts = store.snapshot().parts().to_vec();
        assert_eq!(parts.len(), 1);
        assert_eq!((parts[0].id(), parts[0].kind(), parts[0].tag()), (part, PartKind(300), 42));
        assert_eq!(parts[0].content().unwrap(), &content[..]);
        parts[0].verify().unwrap();
    }
    let (store, _) = Store::open(&path, small()).unwrap();
    store.edit(|edit| edit.drop_part(part)).unwrap();
    assert!(store.snapshot().parts().is_empty());
}

#[test]
fn readers_beside_a_writer_see_whole_commits_and_follow_with_refresh() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, small()).unwrap();
    store.put(b"one").unwrap();
    let (reader, _) = Store::open_read_only(&path, small()).unwrap();
    let first = reader.snapshot();
    assert_eq!(all(&first).len(), 1);
    assert_eq!(reader.put(b"no").unwrap_err().kind(), ErrorKind::ReadOnly);
    store.put(b"two").unwrap();
    assert_eq!(all(&reader.snapshot()).len(), 1);
    assert!(reader.refresh().unwrap());
    assert!(!reader.refresh().unwrap());
    assert_eq!(all(&reader.snapshot()).len(), 2);
    store.seal().unwrap();
    for i in 0..200 {
        store.put(&text(1000, i)).unwrap();
    }
    assert!(reader.refresh().unwrap());
    assert_eq!(all(&reader.snapshot()).len(), 202);
    assert_eq!(all(&first), [(0, b"one".to_vec())]);
    assert_eq!(Store::open(&path, small()).unwrap_err().kind(), ErrorKind::Locked);
}

#[test]
fn many_threads_commit_and_read_and_seal_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Arc::new(Store::create(&path, small()).unwrap());
    let durabilities = [
        Durability::Sync,
        Durability::Group(Duration::from_millis(2)),
        Durability::Buffered,
        Durability::Sync,
    ];
    let mut ids: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = durabilities
            .into_iter()
            .enumerate()
            .map(|(number, durability)| {
                let store = store.clone();
                scope.spawn(move || {
                    let mut ids = Vec::new();
                    for i in 0..60 {
                        let mut batch = store.batch();
                        batch.put(&[number as u8; 900]).unwrap();
                        batch.put(&text(700, i)).unwrap();
                        let receipt = store.commit(batch, durability).unwrap();
                        let found =
                            store.snapshot().get(receipt.first_id).unwrap().expect("committed, so visible");
                        assert_eq!(found.bytes().unwrap(), &[number as u8; 900][..]);
                        ids.extend([receipt.first_id.0, receipt.first_id.0 + 1]);
                    }
                    ids
                })
            })
            .collect();
        for _ in 0..20 {
            let snapshot = store.snapshot();
            assert_eq!(snapshot.records().count() as u64, snapshot.next_id().0);
            assert!(snapshot.next_id().0.is_multiple_of(2), "a batch is whole or absent");
            store.seal().unwrap();
        }
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    ids.sort_unstable();
    assert_eq!(ids, (0..480).collect::<Vec<_>>(), "each id once");
    drop(store);
    let (store, _) = Store::open(&path, small()).unwrap();
    assert_eq!(all(&store.snapshot()).len(), 480);
}

#[test]
fn an_empty_batch_is_no_commit() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::create(temp.path().join("a"), small()).unwrap();
    let receipt = store.commit(store.batch(), Durability::Sync).unwrap();
    assert_eq!((receipt.seq.0, receipt.records), (0, 0));
    assert_eq!(store.bulk().unwrap().finish().unwrap().seq.0, 0);
    assert!(store.seal().unwrap().is_empty());
    assert!(store.snapshot().get(RecordId(0)).unwrap().is_none());
    assert_eq!(store.snapshot().records().count(), 0);
}

/// Found by the campaign of crashes at sequences of four: the log before and the log after a bulk commit were sealed into one
/// segment, whose ids enclosed those of the bulk segment.
#[test]
fn logs_with_a_segment_between_their_ids_are_sealed_apart() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, small()).unwrap();
    for round in 0..3 {
        store.put(&text(100, round)).unwrap();
        let mut bulk = store.bulk().unwrap();
        bulk.put(&text(200, round)).unwrap();
        bulk.finish().unwrap();
    }
    let bulk_segments: Vec<_> = store.snapshot().segments().iter().map(|segment| segment.file).collect();
    store.edit(|edit| edit.rewrite(&bulk_segments)).unwrap();
    assert_eq!(all(&store.snapshot()).len(), 6);
    store.seal().unwrap();
    assert_eq!(store.snapshot().segments().len(), 6);
    store.close().unwrap();
    let (store, _) = Store::open(&path, small()).unwrap();
    assert_eq!(all(&store.snapshot()).len(), 6);
    let segments: Vec<_> = store.snapshot().segments().iter().map(|segment| segment.file).collect();
    store.edit(|edit| edit.rewrite(&segments)).unwrap();
    assert_eq!((all(&store.snapshot()).len(), store.snapshot().segments().len()), (6, 1));
}

/// The bytes of a whole artifact, uncompressed, since compressors may change. A change here is a change of format.
#[test]
fn the_golden_bytes_of_an_artifact_stay() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let store = Store::create(&path, small().compression(Compression::None)).unwrap();
    for i in 0..10 {
        let mut batch = store.batch();
        (0..5).for_each(|j| assert!(batch.put(&text(300 * (i as usize + j), i)).is_ok()));
        (0..i).for_each(|id| batch.delete(RecordId(id * 2)));
        store.commit(batch, Durability::Sync).unwrap();
        if i == 6 {
            store.seal().unwrap();
        }
    }
    store.close().unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let hashes: Vec<String> = files
        .iter()
        .map(|file| {
            let hash = xxhash_rust::xxh3::xxh3_64(&std::fs::read(file).unwrap());
            format!("{} {hash:016x}", file.file_name().unwrap().to_string_lossy())
        })
        .collect();
    let expected = [
        "LOCK 2d06800538d394c2",
        "log-0000000000000002 2dcdfcc01d5e9748",
        "manifest-0000000000000004-0 84776c976d4bdf2c",
        "manifest-0000000000000004-1 84776c976d4bdf2c",
        "segment-0000000000000003 2073c3602a21404a",
    ];
    assert_eq!(hashes, expected);
}

#[test]
fn what_is_dense_is_stored_as_it_is_if_it_is_long() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let options = small().inline_max(20_000);
    let store = Store::create(&path, options.clone()).unwrap();
    // Shorter than what is worth a block, a block, and frames; compressed, none of them would be there as they are.
    let lens = [4095, 4096, 9000, 30_000];
    let contents: Vec<Vec<u8>> = lens.iter().zip(1..).map(|(&len, salt)| text(len, salt)).collect();
    let mut batch = store.batch();
    let mut model = Vec::new();
    for content in &contents {
        batch.put_dense(content).unwrap();
        batch.put(b"between").unwrap();
        model.extend([content.clone(), b"between".to_vec()]);
    }
    store.commit(batch, Durability::Sync).unwrap();
    let are_stored = || {
        let files =
            std::fs::read_dir(&path).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        let files: Vec<Vec<u8>> = files.collect();
        let is_in = |content: &[u8]| {
            let has = |file: &Vec<u8>| file.windows(900).any(|bytes| bytes == &content[..900]);
            files.iter().any(has)
        };
        contents.iter().map(|content| is_in(content)).collect::<Vec<_>>()
    };
    let model: Vec<(u64, Vec<u8>)> = (0..).zip(model).collect();
    assert_eq!((are_stored(), all(&store.snapshot())), (vec![false, true, true, true], model.clone()));
    drop(store);
    let (store, _) = Store::open(&path, options).unwrap();
    assert_eq!(all(&store.snapshot()), model);
    store.seal().unwrap();
    assert_eq!((are_stored(), all(&store.snapshot())), (vec![false, true, true, true], model));
    verify(&path, VerifyLevel::Decode).unwrap();
}
