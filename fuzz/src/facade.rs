//! What a program could do with an artifact of the facade: of all that, each input does a little. Any of it may fail; none of it may panic, hang
//! or take much memory.

use std::io::{Read, sink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use compact_artifact::{
    BatchOptions, CommitSeq, CompactArtifact, DateUnit, Facet, Filter, Fusion, Metric, Order, Query, Record,
    RecordId, SpaceOptions, VerifyLevel, salvage, unpack, verify,
};
use serde_json::json;

use crate::Files;
use crate::ROOT;
use crate::sound::{disk, options};

/// Which of many things are done with an artifact: a few of them, so that a fuzzer does them often.
#[derive(Debug)]
pub struct Choice(u32);

impl Choice {
    /// What the fuzzer chose.
    pub fn new(chosen: u32) -> Self {
        Self(chosen)
    }

    /// The next choice among so many.
    fn below(&mut self, count: usize) -> usize {
        let chosen = self.0 as usize % count;
        self.0 /= count as u32;
        chosen
    }

    /// Neighbours in a list that has no end.
    fn some<T: Clone>(&mut self, all: &[T], count: usize) -> Vec<T> {
        let first = self.below(all.len());
        all.iter().cycle().skip(first).take(count).cloned().collect()
    }
}

/// Opened for reading, with a map or without.
pub fn exercise_reader(files: &Files, mapped: bool, choice: &mut Choice) {
    let vfs = Arc::new(disk(files));
    let reader = CompactArtifact::open_read_only_in(vfs, options().memory_mapping(mapped), ROOT.as_ref());
    if let Ok(reader) = reader {
        look_facade(&reader, choice);
        drop(reader.refresh());
    }
}

/// Opened for writing, changed, sealed or compacted, closed or not, and opened again.
pub fn exercise_writer(files: &Files, mapped: bool, choice: &mut Choice) {
    let options = options().memory_mapping(mapped);
    let vfs = disk(files);
    if let Ok(artifact) = CompactArtifact::open_in(Arc::new(vfs.clone()), options.clone(), ROOT.as_ref()) {
        change(&artifact, choice);
        match choice.below(4) {
            0 | 1 => drop(artifact.seal().map_err(|e| e.to_string())),
            2 => drop(artifact.compact(1 << 20).map_err(|e| e.to_string())),
            _ => {}
        }
        if choice.below(2) == 0 {
            drop(artifact.close());
        } else {
            drop(artifact);
        }
        if let Ok(artifact) = CompactArtifact::open_in(Arc::new(vfs), options, ROOT.as_ref()) {
            look_facade(&artifact, choice);
        }
    }
}

/// What needs a disk: packs, copies of what is sound.
pub fn exercise_on_disk(files: &Files, choice: &mut Choice) {
    let memory = Path::new("/dev/shm");
    let temp = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let temp = temp.expect("a folder");
    let at = |name: &str| temp.path().join(name);
    std::fs::create_dir(at("a")).expect("a folder");
    for (name, bytes) in files {
        std::fs::write(at("a").join(name), bytes).expect("room");
    }
    match choice.below(4) {
        0 => drop(verify(at("a"), VerifyLevel::Decode)),
        1 => {
            if salvage(at("a"), at("saved"), options()).is_ok() {
                let saved = options().open(at("saved")).expect("salvage made it");
                look_facade(&saved, choice);
            }
        }
        way => {
            let opened = if way == 2 { options().open_read_only(at("a")) } else { options().open(at("a")) };
            if let Ok(artifact) = opened
                && artifact.pack(at("pack")).is_ok()
            {
                exercise_pack(&at("pack"), &at("unpacked"), choice);
            }
        }
    }
}

/// A packed file: read, or made a directory at `to`.
pub fn exercise_pack(pack: &Path, to: &Path, choice: &mut Choice) {
    match choice.below(4) {
        0 => drop(verify(pack, VerifyLevel::Decode)),
        1 => {
            if let Ok(artifact) = options().open_read_only(pack) {
                look_facade(&artifact, choice);
            }
        }
        2 => {
            if unpack(pack, to).is_ok()
                && let Ok(artifact) = options().open(to)
            {
                change(&artifact, choice);
                look_facade(&artifact, choice);
            }
        }
        _ => drop(salvage(pack, to.with_extension("saved"), options())),
    }
}

/// A change, which may fail.
type Act = fn(&CompactArtifact);

/// Adds, replaces, changes in part, deletes: two of many ways.
fn change(artifact: &CompactArtifact, choice: &mut Choice) {
    let all: [Act; 18] = [
        |artifact| drop(artifact.add(Record::text("one more text").key("k4").metadata(json!({"i": 3})))),
        |artifact| {
            drop(artifact.upsert(Record::text("odd replaced").key("k4").embedding("v", [1.0, 2.0, 3.0, 4.0])))
        },
        |artifact| drop(artifact.add_embedding(RecordId(1), "w", &[0.0, 1.0, 0.0])),
        |artifact| drop(artifact.delete(RecordId(3))),
        |artifact| drop(artifact.update(RecordId(2), json!({"i": null, "until": "2026-01-09"}))),
        |artifact| drop(artifact.delete_where(&Filter::field("i").lt(2))),
        |artifact| drop(artifact.update_where(&Filter::field("i").gte(6), json!({"name": "n7"}))),
        |artifact| drop(artifact.remove_embedding(RecordId(5), "v")),
        |artifact| drop(artifact.add_reader(Record::blob(Vec::new()).key("read"), &b"from a reader"[..])),
        |artifact| drop(artifact.delete_key("k8")),
        |artifact| {
            drop((artifact.delete(RecordId(u64::MAX)), artifact.update(RecordId(u64::MAX), json!({"i": 1}))))
        },
        |artifact| drop(artifact.add_embedding(RecordId(u64::MAX), "v", &[1.0; 4])),
        |artifact| drop(artifact.add_space("late", SpaceOptions::new(2, Metric::Dot))),
        |artifact| drop(artifact.drop_space("w")),
        |artifact| drop(artifact.rename_space("n", "m")),
        |artifact| drop(artifact.add_field("more", 3)),
        |artifact| drop(artifact.changes_since(CommitSeq(2))),
        |artifact| {
            if let Ok(writer) = artifact.batch_writer(BatchOptions::default()) {
                drop(writer.add(Record::text("in a batch")));
                drop(writer.finish());
            }
        },
    ];
    choice.some(&all, 2).iter().for_each(|act| act(artifact));
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

fn queries() -> [Query; 20] {
    let words = |text: &str| Query::parse(text).expect("a query");
    let vector = || Query::vector("v", [3.0, 7.0, 1.0, 3.0]);
    let [first, second, ..] = filters();
    [
        Query::words("odd words").snippet(40).explain(true),
        words("+text -rare"),
        vector(),
        Query::words("text").order_by("i", Order::Descending).total(true).fields(["name", "tags"]),
        words("\"even more\" nothing title:odd"),
        vector().exact(true).filter(second.clone()),
        Query::similar_to("v", RecordId(2)),
        words("ev* wrods~2"),
        Query::vector("w", [1.0, 2.0, 0.5]).k(65_536),
        Query::new().facet(Facet::values("tags")).facet(Facet::histogram("i", 5.0)).group_by("name", 2),
        Query::words("text").filter(first.clone()).k(3).offset(4),
        vector().ef_search(500).k(40).fetch(true),
        Query::words("text").and_vector("v", [1.0, 1.0, 1.0, 1.0]).weight(2.0).snippet(20).explain(true),
        Query::similar_to("v", RecordId(20)).filter(second),
        Query::vector("n", [1.0, 0.0, 0.0, 0.0, 0.0]),
        Query::words("rare").and_similar_to("w", RecordId(0)).fusion(Fusion::Normalized).candidates(50),
        Query::new().filter(first).offset(2).fetch(true),
        Query::new().facet(Facet::dates("at", DateUnit::Month)).order_by("name", Order::Ascending),
        words("all").min_score(0.5).deadline(Duration::from_secs(5)),
        Query::vector("v", [0.0, 1.0, 0.0, 0.0]).k(7).offset(2),
    ]
}

/// Every record, and some of them whole. More than any input has is an iteration without end.
fn look_at_records(artifact: &CompactArtifact) -> Vec<RecordId> {
    let mut found = Vec::new();
    for (step, entry) in artifact.records().enumerate() {
        assert!(step < 200_000, "an iteration without end");
        let Ok(entry) = entry else { continue };
        found.push(entry.id());
        if found.len() < 40 {
            drop((entry.key(), entry.metadata(), entry.text().map(|text| text.len())));
            drop((entry.bytes().map(|bytes| bytes.len()), entry.range(1..3).map(|bytes| bytes.len())));
        }
    }
    found
}

/// Everything that does not change it: all records, one of the other ways to look, and two queries.
pub fn look_facade(artifact: &CompactArtifact, choice: &mut Choice) {
    drop((format!("{:?}", artifact.recovery()), artifact.stats(), artifact.memory_stats()));
    let found = look_at_records(artifact);
    let ids = found.iter().copied().take(30).chain([0, 1, 30, u64::MAX - 1, u64::MAX].map(RecordId));
    let ids: Vec<RecordId> = ids.collect();
    let snapshot = artifact.snapshot();
    match choice.below(8) {
        0 | 1 => {
            for filter in choice.some(&filters(), 2) {
                drop(
                    snapshot.ids_where(&filter).map(|ids| assert!(ids.is_sorted(), "ids out of their order")),
                );
                drop(snapshot.count(&filter));
            }
        }
        2 => {
            for space in ["v", "w", "n", "late", "?"] {
                ids.iter().for_each(|&id| drop(snapshot.embedding(id, space)));
            }
        }
        3 => {
            for key in ["k0", "k4", "k21", "?", ""] {
                drop((snapshot.get_by_key(key), snapshot.id_of_key(key)));
            }
            drop((snapshot.keys("k"), snapshot.values("name", None)));
        }
        4 => {
            for entry in snapshot.get_many(&ids).into_iter().flatten().flatten() {
                drop(std::io::copy(&mut entry.reader().take(1 << 20), &mut sink()));
            }
        }
        5 => drop(artifact.verify(VerifyLevel::Decode).map_err(|e| e.to_string())),
        6 => {
            snapshot.warm(&ids);
            drop(snapshot.audit_recall("v", 5, 3, &[10, 20]));
            artifact.release_memory();
        }
        _ => {
            let queries = choice.some(&queries(), 2);
            for found in snapshot.search_batch(&queries).into_iter().flatten() {
                drop(format!("{:?}", found.losses));
            }
        }
    }
    for query in choice.some(&queries(), 2) {
        if let Ok(found) = snapshot.search(&query) {
            for hit in &found.hits {
                drop(hit.record.as_ref().map(|entry| entry.bytes().map(|bytes| bytes.len())));
            }
            drop(format!("{:?} {:?}", found.losses, found.facets));
        }
    }
}
