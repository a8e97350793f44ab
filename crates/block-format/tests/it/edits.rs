//! What an edit does beside commits, and what derived parts, deleted ids and the cache promise.

use std::io::Write as _;
use std::sync::Arc;

use block_format::vfs::{CrashVariant, MemoryVfs};
use block_format::{
    Durability, ErrorKind, Options, PartKind, RecordId, Store, VerifyLevel, salvage_in, verify_in,
};

use crate::campaign::{ROOT, content, open, options};

fn created() -> (MemoryVfs, Store) {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, quiet()).unwrap();
    (disk, store)
}

fn quiet() -> Options {
    options(None).auto_seal(false)
}

fn alive(store: &Store) -> Vec<u64> {
    store.snapshot().records().map(|record| record.unwrap().id().0).collect()
}

fn deleted(store: &Store) -> Vec<u64> {
    store.snapshot().deleted_ids().map(|id| id.0).collect()
}

#[test]
fn what_is_committed_after_the_log_was_ended_stays_in_the_new_one() {
    let (disk, store) = created();
    for i in 0..4 {
        store.put(&content(100, i)).unwrap();
    }
    let sealed = store
        .edit(|edit| {
            edit.end_log()?;
            store.put(&content(100, 4))?;
            store.delete(RecordId(1))?;
            assert_eq!(edit.snapshot().next_id(), RecordId(4));
            assert!(!edit.snapshot().is_deleted(RecordId(1)));
            edit.delete([RecordId(2), RecordId(4), RecordId(77)]);
            edit.seal_logs()
        })
        .unwrap();
    let ids: Vec<_> = sealed.iter().map(|segment| (segment.ids, segment.records)).collect();
    assert_eq!(ids, [((RecordId(0), RecordId(3)), 3)], "without the one that the edit deletes");
    let check = |store: &Store| {
        assert_eq!(alive(store), [0, 3]);
        assert_eq!(deleted(store), [1, 4]);
        assert_eq!(store.snapshot().next_id(), RecordId(5));
    };
    check(&store);
    drop(store);
    let (store, _) = open(&disk, &quiet()).unwrap();
    check(&store);
    assert_eq!(store.put(b"later").unwrap(), RecordId(5));
    store.seal().unwrap();
    assert_eq!((alive(&store), deleted(&store)), (vec![0, 3, 5], vec![1]));
}

#[test]
fn an_edit_that_fails_deletes_nothing_and_the_ended_log_is_still_read() {
    let (disk, store) = created();
    store.put(b"one").unwrap();
    let failed: block_format::Result<()> = store.edit(|edit| {
        edit.end_log()?;
        edit.delete([RecordId(0)]);
        edit.write_part(PartKind(1), 0, |_| Ok(())).map(drop)
    });
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(alive(&store), [0]);
    drop(store);
    let (store, _) = open(&disk, &quiet()).unwrap();
    assert_eq!(alive(&store), [0]);
    store
        .edit(|edit| {
            edit.delete([RecordId(0)]);
            Ok(())
        })
        .unwrap();
    drop(store);
    let (store, _) = open(&disk, &quiet()).unwrap();
    assert_eq!((alive(&store), deleted(&store)), (vec![], vec![0]), "also where nothing was sealed");
}

#[test]
fn a_lost_part_keeps_nobody_from_the_records() {
    let (disk, store) = created();
    store.put(b"one").unwrap();
    let write = |tag: u64| {
        store.edit(|edit| {
            edit.seal_logs()?;
            edit.write_part(PartKind(300), tag, |part| part.write_all(&content(300, tag)))
        })
    };
    let (part, sound) = (write(1).unwrap(), write(2).unwrap());
    store.close().unwrap();
    let name = format!("part-{:016x}", part.0);
    let path = disk.files().into_iter().find(|path| path.to_string_lossy().contains(&name));
    let path = path.unwrap_or_else(|| panic!("no {name} in {:?}", disk.files()));
    let bytes = disk.read_file(&path).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (changed, kind) in [
        (None, ErrorKind::MissingFile),
        (Some(bytes[..100].to_vec()), ErrorKind::Truncated),
        (Some(Vec::new()), ErrorKind::Truncated),
        (Some(flipped), ErrorKind::Damaged),
    ] {
        let disk = disk.fork();
        match changed {
            Some(bytes) => disk.write_file(&path, bytes),
            None => block_format::vfs::Vfs::unlink(&disk, &path).unwrap(),
        }
        let vfs = Arc::new(disk.clone());
        let report = verify_in(vfs.clone(), ROOT, VerifyLevel::Headers, &quiet()).unwrap();
        assert!(report.damage.iter().all(|damage| damage.path == path && damage.is_derived));
        assert_eq!(report.damage.len(), 1);
        let saved = salvage_in(vfs.clone(), ROOT, "/saved", quiet()).unwrap();
        assert_eq!((saved.parts, &saved.lost_parts[..]), (1, &[(PartKind(300), 1)][..]));
        let (saved, _) = Store::open_in(vfs.clone(), "/saved", quiet()).unwrap();
        let parts = saved.snapshot().parts().to_vec();
        assert_eq!((parts.len(), parts[0].kind(), parts[0].tag()), (1, PartKind(300), 2));
        assert_eq!(parts[0].content().unwrap(), content(300, 2));

        let (reader, found) = Store::open_read_only_in(vfs, ROOT, quiet()).unwrap();
        assert_eq!(found.damage.len(), 1);
        assert_eq!(alive(&reader), [0]);
        let (store, found) = open(&disk, &quiet()).unwrap();
        assert_eq!(found.damage.len(), 1);
        assert_eq!((&found.damage[0].path, found.damage[0].kind), (&path, kind));
        let parts = store.snapshot().parts().to_vec();
        let lost = parts.iter().find(|listed| listed.id() == part).unwrap();
        assert_eq!((lost.kind(), lost.tag(), lost.len()), (PartKind(300), 1, 0));
        assert_eq!(lost.content().unwrap_err().kind(), kind);
        assert_eq!(lost.verify().unwrap_err().kind(), kind);
        store.put(b"two").unwrap();
        store.edit(|edit| edit.drop_part(part)).unwrap();
        drop(store);
        let (store, found) = open(&disk, &quiet()).unwrap();
        assert!(found.damage.is_empty());
        assert_eq!(store.snapshot().parts().len(), 1);
        assert_eq!((store.snapshot().parts()[0].id(), alive(&store)), (sound, vec![0, 1]));
    }
}

#[test]
fn segments_of_logs_that_no_edit_took_are_removed_and_the_logs_stay() {
    let (disk, store) = created();
    for i in 0..4 {
        store.put(&content(100, i)).unwrap();
    }
    store.delete(RecordId(2)).unwrap();
    let has_segment = || disk.files().iter().any(|path| path.to_string_lossy().contains("segment-"));
    store
        .edit(|edit| {
            let sealed = edit.logs_to_seal()?.write()?;
            assert!(has_segment());
            drop(sealed);
            Ok(())
        })
        .unwrap();
    assert!(!has_segment());
    let logs = |edit: &mut block_format::Edit<'_>| {
        edit.logs_to_seal()?.write().map(|sealed| edit.add_sealed(sealed))
    };
    let sealed = store.edit(logs).unwrap();
    assert_eq!((sealed.len(), sealed[0].records, has_segment()), (1, 3, true));
    drop(store);
    assert_eq!(alive(&open(&disk, &quiet()).unwrap().0), [0, 1, 3]);
}

#[test]
fn an_edit_deletes_what_a_bulk_commit_added_since_it_began() {
    let (disk, store) = created();
    store.put(b"zero").unwrap();
    store
        .edit(|edit| {
            edit.seal_logs()?;
            let mut bulk = store.bulk()?;
            bulk.put(b"one")?;
            bulk.put(b"two")?;
            bulk.finish()?;
            edit.delete([RecordId(1)]);
            Ok(())
        })
        .unwrap();
    assert_eq!(alive(&store), [0, 2]);
    drop(store);
    assert_eq!(alive(&open(&disk, &quiet()).unwrap().0), [0, 2]);
}

#[test]
fn salvage_without_a_manifest_keeps_parts_too() {
    let (disk, store) = created();
    store.put(b"one").unwrap();
    store
        .edit(|edit| {
            edit.seal_logs()?;
            edit.write_part(PartKind(300), 7, |part| part.write_all(&content(700, 7)))
        })
        .unwrap();
    store.close().unwrap();
    for path in disk.files() {
        if path.to_string_lossy().contains("manifest") {
            disk.write_file(&path, Vec::new());
        }
    }
    let vfs = Arc::new(disk);
    let report = salvage_in(vfs.clone(), ROOT, "/saved", quiet()).unwrap();
    assert_eq!((report.records, report.parts, report.deletes_incomplete), (1, 1, false));
    let (store, _) = Store::open_in(vfs, "/saved", quiet()).unwrap();
    assert_eq!(store.snapshot().parts()[0].content().unwrap(), content(700, 7));
}

#[test]
fn get_many_answers_like_get_in_the_order_asked_and_decodes_each_block_once() {
    let (_, store) = created();
    for i in 0..60 {
        store.put(&content(if i % 13 == 5 { 1800 } else { 90 }, i)).unwrap();
        if i == 40 {
            store.seal().unwrap();
        }
    }
    store
        .edit(|edit| {
            edit.delete([RecordId(3), RecordId(9)]);
            Ok(())
        })
        .unwrap();
    let snapshot = store.snapshot();
    let ids: Vec<RecordId> = (0..90).map(|i| RecordId(i * 37 % 64)).collect();
    for (id, found) in ids.iter().zip(snapshot.get_many(&ids)) {
        let (found, expected) = (found.unwrap(), snapshot.get(*id).unwrap());
        assert_eq!(found.is_some(), expected.is_some(), "{id}");
        let bytes = |record: Option<block_format::Record>| record.map(|r| r.bytes().unwrap().into_owned());
        assert_eq!(bytes(found), bytes(expected), "{id}");
    }
}

#[test]
fn blocks_are_kept_up_to_the_bytes_given_and_the_answers_stay_the_same() {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk), ROOT, quiet().cache_bytes(4096)).unwrap();
    for i in 0..200 {
        store.put(&content(100, i)).unwrap();
    }
    store.seal().unwrap();
    let snapshot = store.snapshot();
    for round in 0..2 {
        for i in 0..200 {
            let record = snapshot.get(RecordId(i)).unwrap().unwrap();
            assert_eq!(record.bytes().unwrap(), content(100, i), "round {round}");
        }
    }
    let stats = store.cache_stats();
    assert_eq!(stats.hits + stats.misses, 400);
    assert!(stats.hits >= 200 && stats.misses > 0 && stats.entries > 0, "{stats:?}");
    assert!(stats.bytes <= 4096, "{stats:?}");
    assert_eq!(stats.evictions, stats.misses - stats.entries, "what was decoded and is not there had to go");
    let before = snapshot.records().count();
    assert_eq!((before, store.cache_stats().misses), (200, stats.misses), "a scan leaves it alone");
    store.clear_cache();
    assert_eq!((store.cache_stats().bytes, store.cache_stats().entries), (0, 0));
}

#[test]
fn an_edit_inside_of_an_edit_is_a_typed_error_and_commits_go_on() {
    let disk = MemoryVfs::new();
    let options = options(None).segment_len(64 << 10);
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options).unwrap();
    store.put(&content(100, 1)).unwrap();
    store
        .edit(|_| {
            assert_eq!(store.edit(|_| Ok(())).unwrap_err().kind(), ErrorKind::Reentrant);
            assert_eq!(store.seal().unwrap_err().kind(), ErrorKind::Reentrant);
            // Commits that bring the log to its length want to seal it: they do so after the edit.
            (0..3).try_for_each(|salt| store.put(&content(60 << 10, salt)).map(drop))
        })
        .unwrap();
    assert!(store.snapshot().segments().is_empty());
    assert_eq!(store.seal().unwrap().iter().map(|s| s.records).sum::<u64>(), 4);
    assert_eq!(alive(&store), [0, 1, 2, 3]);
}

#[test]
fn an_edit_that_deletes_what_is_not_durable_yet_makes_it_durable() {
    let (disk, store) = created();
    store.put(b"one").unwrap();
    let written = |edit: &mut block_format::Edit<'_>| {
        edit.end_log()?;
        let mut batch = store.batch();
        batch.put(b"two")?;
        store.commit(batch, Durability::Buffered)?;
        edit.delete([RecordId(1)]);
        edit.seal_logs().map(drop)
    };
    store.edit(written).unwrap();
    for (number, variant) in CrashVariant::standard(1).into_iter().enumerate() {
        let (store, _) = open(&disk.crash(disk.event_count(), variant), &quiet()).unwrap();
        let id = store.put(b"three").unwrap();
        assert_eq!((id, alive(&store)), (RecordId(2), vec![0, 2]), "{number}");
    }
}
