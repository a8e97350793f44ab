//! Everything that a program could do with an artifact of the facade. Any of it may fail; none of it may panic, hang or take much memory.

use std::io::{Read, sink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use compact_artifact::{
    BatchOptions, CompactArtifact, Filter, Fusion, Metric, Query, Record, RecordId, SpaceOptions,
    VerifyLevel, salvage, unpack, verify,
};
use serde_json::json;

use crate::Files;
use crate::ROOT;
use crate::sound::{disk, options};

/// Opened for reading, with a map or without.
pub fn exercise_reader(files: &Files, mapped: bool) {
    let vfs = Arc::new(disk(files));
    let reader = CompactArtifact::open_read_only_in(vfs, options().memory_mapping(mapped), ROOT.as_ref());
    if let Ok(reader) = reader {
        look_facade(&reader);
        drop(reader.refresh());
    }
}

/// Opened for writing, changed, sealed, compacted, closed, and opened again.
pub fn exercise_writer(files: &Files, mapped: bool) {
    let options = options().memory_mapping(mapped);
    let vfs = disk(files);
    if let Ok(artifact) = CompactArtifact::open_in(Arc::new(vfs.clone()), options.clone(), ROOT.as_ref()) {
        change(&artifact);
        drop(artifact.compact(1 << 20).map_err(|e| e.to_string()));
        drop(artifact.close());
        if let Ok(artifact) = CompactArtifact::open_in(Arc::new(vfs), options, ROOT.as_ref()) {
            look_facade(&artifact);
        }
    }
}

/// What needs a disk: packs, copies of what is sound.
pub fn exercise_on_disk(files: &Files) {
    let memory = Path::new("/dev/shm");
    let temp = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let temp = temp.expect("a folder");
    let at = |name: &str| temp.path().join(name);
    std::fs::create_dir(at("a")).expect("a folder");
    for (name, bytes) in files {
        std::fs::write(at("a").join(name), bytes).expect("room");
    }
    drop(verify(at("a"), VerifyLevel::Decode));
    if salvage(at("a"), at("saved"), options()).is_ok() {
        let saved = options().open(at("saved")).expect("salvage made it");
        look_facade(&saved);
    }
    if let Ok(artifact) = options().open_read_only(at("a"))
        && artifact.pack(at("pack")).is_ok()
    {
        exercise_pack(&at("pack"), &at("unpacked"));
    }
    if let Ok(artifact) = options().open(at("a"))
        && artifact.pack(at("pack 2")).is_ok()
    {
        exercise_pack(&at("pack 2"), &at("unpacked 2"));
    }
}

/// A packed file: read, and made a directory at `to`.
pub fn exercise_pack(pack: &Path, to: &Path) {
    drop(verify(pack, VerifyLevel::Decode));
    if let Ok(artifact) = options().open_read_only(pack) {
        look_facade(&artifact);
    }
    if unpack(pack, to).is_ok()
        && let Ok(artifact) = options().open(to)
    {
        change(&artifact);
        look_facade(&artifact);
    }
    drop(salvage(pack, to.with_extension("saved"), options()));
}

/// Adds, replaces, deletes and seals.
fn change(artifact: &CompactArtifact) {
    drop(artifact.add_space("late", SpaceOptions::new(2, Metric::Dot)));
    drop(artifact.add(Record::text("one more text").key("k4").metadata(json!({"i": 3}))));
    drop(artifact.upsert(Record::text("odd replaced").key("k4").embedding("v", [1.0, 2.0, 3.0, 4.0])));
    drop(artifact.add_embedding(RecordId(1), "w", &[0.0, 1.0, 0.0]));
    drop(artifact.add_reader(Record::blob(Vec::new()).key("read"), &b"from a reader"[..]));
    drop(artifact.delete(RecordId(3)));
    drop((artifact.delete(RecordId(u64::MAX)), artifact.add_embedding(RecordId(u64::MAX), "v", &[1.0; 4])));
    drop(artifact.delete_key("k8"));
    drop(artifact.delete_where(&Filter::field("i").lt(2)));
    if let Ok(writer) = artifact.batch_writer(BatchOptions::default()) {
        drop(writer.add(Record::text("in a batch")));
        drop(writer.finish());
    }
    drop(artifact.seal().map_err(|e| e.to_string()));
}

fn filters() -> [Filter; 6] {
    [
        Filter::field("i").gte(5).and(Filter::field("i").lt(30.5)),
        Filter::field("name").prefix("n").and(Filter::field("tags").contains("a")),
        Filter::field("at").lte("2026-02-01").or(Filter::field("deep.x").eq(true)),
        Filter::field("i").not_in([1, 2, 3]),
        Filter::field("nothing").missing(),
        Filter::field("tags").exists(),
    ]
}

fn queries() -> Vec<Query> {
    let words = |text: &str| Query::parse(text).expect("a query");
    let vector = || Query::vector("v", [3.0, 7.0, 1.0, 3.0]);
    let [first, second, ..] = filters();
    vec![
        Query::words("odd words").snippet(40).explain(true),
        words("+text -rare"),
        words("\"even more\" nothing"),
        words("ev* wrods~2"),
        Query::words("text").filter(first.clone()).k(3).offset(4),
        vector(),
        vector().exact(true).filter(second),
        vector().ef_search(500).k(40).fetch(true),
        Query::vector("w", [1.0, 2.0, 0.5]).k(65_536),
        Query::vector("n", [1.0, 0.0, 0.0, 0.0, 0.0]),
        Query::similar_to("v", RecordId(2)),
        Query::words("text").and_vector("v", [1.0, 1.0, 1.0, 1.0]).weight(2.0).snippet(20).explain(true),
        Query::words("rare").and_similar_to("w", RecordId(0)).fusion(Fusion::Normalized).candidates(50),
        Query::new().filter(first).offset(2).fetch(true),
        words("all").min_score(0.5).deadline(Duration::from_secs(5)),
    ]
}

/// Everything that does not change it.
pub fn look_facade(artifact: &CompactArtifact) {
    drop((format!("{:?}", artifact.recovery()), artifact.stats(), artifact.memory_stats()));
    // More than any input has: an iteration must come to its end.
    let mut found = Vec::new();
    for (step, entry) in artifact.records().enumerate() {
        assert!(step < 200_000, "an iteration without end");
        if let Ok(entry) = entry {
            found.push(entry.id());
            if found.len() < 100 {
                drop((entry.key(), entry.metadata(), entry.text().map(|text| text.len())));
                drop((entry.bytes().map(|bytes| bytes.len()), entry.range(1..3).map(|bytes| bytes.len())));
                drop(std::io::copy(&mut entry.reader().take(1 << 20), &mut sink()));
            }
        }
    }
    let ids = found.iter().copied().take(50).chain([0, 1, 70, u64::MAX - 1, u64::MAX].map(RecordId));
    let ids: Vec<RecordId> = ids.collect();
    drop(artifact.get_many(&ids));
    for &id in &ids {
        for space in ["v", "w", "n", "late", "?"] {
            drop(artifact.embedding(id, space));
        }
    }
    for key in ["k0", "k4", "k61", "?", ""] {
        drop((artifact.get_by_key(key), artifact.id_of_key(key)));
    }
    let snapshot = artifact.snapshot();
    for filter in filters() {
        drop(snapshot.ids_where(&filter).map(|ids| assert!(ids.is_sorted(), "ids out of their order")));
        drop(snapshot.count(&filter));
    }
    for query in queries() {
        if let Ok(found) = snapshot.search(&query) {
            drop(format!("{found:?}"));
        }
    }
    drop(snapshot.search_batch(&queries()[..2]));
    drop(snapshot.audit_recall("v", 5, 3, &[10, 20]));
    snapshot.warm(&ids);
    drop(artifact.verify(VerifyLevel::Decode).map_err(|e| e.to_string()));
    artifact.release_memory();
}
