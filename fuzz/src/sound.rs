//! Small sound artifacts, to be damaged: the files of a directory, and those in a pack.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use block_format::vfs::MemoryVfs;
use compact_artifact::{
    CompactArtifact, Durability, Maintenance, Metric, Options, Originals, Record, SpaceOptions,
};
use serde_json::json;

use crate::{Files, ROOT};

/// Two shards, one with graphs, stored neighbours, tombstones, deletes, two copies of the settings, and a log with records of every kind. As small as that
/// can be: every input of a fuzzer opens it.
pub static DIRECTORY: LazyLock<Files> = LazyLock::new(|| {
    let vfs = MemoryVfs::new();
    drop(written(&vfs));
    files(&vfs)
});

/// What is in the pack of the same artifact.
pub static PACKED: LazyLock<Files> = LazyLock::new(|| {
    let artifact = written(&MemoryVfs::new());
    let temp = tempfile::tempdir().expect("a folder");
    let path = temp.path().join("pack");
    artifact.pack(&path).expect("it is sound");
    crate::pack::files(&std::fs::read(&path).expect("it was written"))
});

/// Options that do as little as possible beside what is asked for.
pub fn options() -> Options {
    Options::new()
        .block_len(512)
        .segment_len(64 << 10)
        .maintenance(Maintenance::Manual)
        .durability(Durability::Buffered)
        .cache_bytes(1 << 16)
        .result_cache_bytes(0)
        .threads(1)
        // In the middle of what expires.
        .clock(|| UNIX_EPOCH + Duration::from_secs(1_767_312_000))
}

/// The files of an artifact in memory.
pub fn files(vfs: &MemoryVfs) -> Files {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let read = |path: &Path| Some((name(path)?, vfs.read_file(path)?));
    vfs.files().iter().filter_map(|path| read(path)).collect()
}

/// These files as an artifact in memory.
pub fn disk(files: &Files) -> MemoryVfs {
    let vfs = MemoryVfs::new();
    block_format::vfs::Vfs::create_dir(&vfs, ROOT.as_ref()).expect("in memory");
    let vfs = vfs.fork();
    for (name, bytes) in files {
        vfs.write_file(format!("{ROOT}/{name}"), bytes.clone());
    }
    vfs
}

fn record(i: u16) -> Record {
    let text =
        format!("text number {i} of all, {}", ["odd words", "even more words", "rare"][usize::from(i) % 3]);
    let value = f32::from(i);
    let record = if i % 9 == 8 { Record::blob(text) } else { Record::text(text) };
    let record = if i % 4 == 3 {
        record.field("title", format!("odd title {i}"))
    } else {
        record.key(format!("k{i}"))
    };
    let mut metadata = json!({"i": i, "name": format!("n{}", i % 5), "tags": ["a", i % 3], "at": "2026-01-01", "deep": {"x": i % 2 == 0}});
    if i % 5 == 4 {
        metadata["until"] = format!("2026-01-0{}", 1 + i % 3).into();
    }
    let record = record.metadata(metadata).embedding("v", [value, 7.0, 1.0, 3.0]);
    if i % 2 == 0 { record.embedding("n", [value, 100.0, 0.3, -0.7, 1.1]) } else { record }
}

fn written(vfs: &MemoryVfs) -> CompactArtifact {
    let options = options()
        .seed(3)
        .graph_from(8)
        .precompute_similar(2)
        .expires_at("until")
        .field("title", 2)
        .space("v", SpaceOptions::new(4, Metric::Cosine).originals(Originals::F16))
        .space("w", SpaceOptions::new(3, Metric::L2).originals(Originals::F32))
        .space("n", SpaceOptions::new(5, Metric::Dot).originals(Originals::Residual));
    let artifact =
        CompactArtifact::create_in(Arc::new(vfs.clone()), options, ROOT.as_ref()).expect("in memory");
    let mut ids = artifact.add_batch((0..14).map(record)).expect("in memory");
    artifact.seal().expect("in memory");
    ids.extend(artifact.add_batch((14..20).map(record)).expect("in memory"));
    for &id in ids.iter().step_by(5) {
        artifact.add_embedding(id, "w", &[1.0, 2.0, 0.5]).expect("in memory");
    }
    artifact.upsert(record(4)).expect("in memory");
    artifact.update(ids[6], json!({"i": 60})).expect("in memory");
    artifact.delete(ids[10]).expect("in memory");
    artifact.delete(ids[17]).expect("in memory");
    artifact.seal().expect("in memory");
    artifact.add_batch((20..24).map(record)).expect("in memory");
    artifact.add_embedding(ids[2], "n", &[1.0, 2.0, 0.5, 0.0, 3.0]).expect("in memory");
    artifact.remove_embedding(ids[3], "v").expect("in memory");
    artifact.update(ids[7], json!({"name": "n9"})).expect("in memory");
    artifact.delete(ids[11]).expect("in memory");
    artifact
}
