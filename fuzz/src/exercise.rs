//! Everything that a program could do with an artifact.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use block_format::vfs::MemoryVfs;
use block_format::{
    Compression, Durability, Options, PartKind, RecordId, RecoveryReport, Result, Store, VerifyLevel,
    salvage_in, verify_in,
};

use crate::ROOT;

/// No thread is started for any of it.
fn options() -> Options {
    Options::new().threads(1)
}

/// Opens what is at [`ROOT`], for writing.
pub fn open(vfs: &MemoryVfs, options: &Options) -> Result<(Store, RecoveryReport)> {
    Store::open_in(Arc::new(vfs.clone()), ROOT, options.clone())
}

/// All records that are sound, and whether all are.
pub fn records(store: &Store) -> (BTreeMap<u64, Vec<u8>>, bool) {
    let (mut found, mut all) = (BTreeMap::new(), true);
    // More than any input of a fuzzer has blocks and records: an iteration must come to its end.
    let mut steps = 0;
    for record in store.snapshot().records() {
        steps += 1;
        assert!(steps < 200_000, "an iteration without end");
        match record.and_then(|record| Ok((record.id().0, record.bytes()?.into_owned()))) {
            Ok((id, content)) => drop(found.insert(id, content)),
            Err(_) => all = false,
        }
    }
    (found, all)
}

/// Does it all. Any of it may fail; none of it may panic, hang or take much memory.
pub fn exercise(vfs: &MemoryVfs) {
    for mapped in [true, false] {
        let options = options().memory_mapping(mapped);
        if let Ok((store, report)) = Store::open_read_only_in(Arc::new(vfs.clone()), ROOT, options) {
            drop(format!("{report:?}"));
            report.damage.iter().for_each(|damage| drop(damage.to_string()));
            look(&store);
            drop(store.refresh());
        }
    }
    for level in [VerifyLevel::Headers, VerifyLevel::Checksums, VerifyLevel::Decode] {
        if let Ok(report) = verify_in(Arc::new(vfs.clone()), ROOT, level, &options()) {
            report.damage.iter().for_each(|damage| drop(damage.to_string()));
        }
    }
    let options = options().compression(Compression::None).frame_len(512).seed(1);
    let saved = vfs.fork();
    if salvage_in(Arc::new(saved.clone()), ROOT, "/saved", options.clone()).is_ok() {
        let (store, _) = Store::open_in(Arc::new(saved), "/saved", options.clone()).expect("salvage made it");
        look(&store);
        assert!(records(&store).1, "salvage made it");
    }
    write(&vfs.fork(), &options);
}

fn look(store: &Store) {
    let snapshot = store.snapshot();
    let (found, _) = records(store);
    for &id in found.keys().take(100) {
        // Records that somebody made may have an id twice, so what is found may be another one.
        if let Ok(Some(record)) = snapshot.get(RecordId(id)) {
            drop(record.range(5..9));
            drop(record.range(record.len().saturating_sub(1)..u64::MAX));
            drop(std::io::copy(&mut record.reader(), &mut std::io::sink()));
            if let Ok(bytes) = record.bytes() {
                assert_eq!(bytes.len() as u64, record.len());
            }
        }
    }
    let end = snapshot.next_id().0;
    let segments = snapshot.segments().into_iter().flat_map(|segment| [segment.ids.0.0, segment.ids.1.0]);
    for id in (0..20).chain(end.saturating_sub(3)..end).chain([end, u64::MAX - 1, u64::MAX]).chain(segments) {
        drop(snapshot.get(RecordId(id)));
        let _ = snapshot.is_deleted(RecordId(id));
        drop(snapshot.records_from(RecordId(id)).next());
    }
    for part in snapshot.parts() {
        drop((part.verify(), part.content().map(|content| content.len())));
    }
}

/// Goes on writing, and keeps what was found.
fn write(vfs: &MemoryVfs, options: &Options) {
    let Ok((store, _)) = open(vfs, options) else { return };
    look(&store);
    if let Some((&id, _)) = records(&store).0.first_key_value() {
        drop(store.delete(RecordId(id)));
    }
    drop(store.put(b"one more"));
    drop(store.seal());
    let mut batch = store.batch();
    drop(batch.put(b"two more"));
    drop(store.commit(batch, Durability::Buffered));
    let segments: Vec<_> = store.snapshot().segments().iter().map(|segment| segment.file).collect();
    let edited = store.edit(|edit| {
        if !segments.is_empty() {
            edit.rewrite(&segments)?;
        }
        edit.write_part(PartKind(300), 0, |part| part.write_all(b"a part"))
    });
    drop(edited);
    if let Ok(mut bulk) = store.bulk() {
        drop(bulk.put(b"in bulk"));
        drop(bulk.finish());
    }
    look(&store);
    drop(store.close());
    if let Ok((store, _)) = open(vfs, options) {
        look(&store);
    }
}
