//! Threads that have nothing to do take over lists of words and graphs of a search: they find the same, and nobody waits for them.

use std::path::Path;
use std::sync::{Arc, mpsc};

use compact_artifact::{
    CompactArtifact, Filter, Maintenance, Metric, Options, Query, Record, SearchResults, SpaceOptions,
};
use parking_lot::Mutex;
use serde_json::json;

/// In each of three shards: enough for a graph each, and together for threads to be asked.
const EACH: u32 = 17_000;

fn vector(number: u32) -> Vec<f32> {
    let mut random = number.wrapping_mul(2_654_435_761) | 1;
    let mut value = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        f32::from(u16::try_from(random >> 16).unwrap()) - 32_768.0
    };
    (0..12).map(|_| value()).collect()
}

fn create(path: &Path) {
    let options = Options::new().maintenance(Maintenance::Manual);
    let artifact = options.space("v", SpaceOptions::new(12, Metric::Cosine)).create(path).unwrap();
    for shard in 0..3 {
        let record = |number: u32| {
            let text = format!("word{} word{} all", number % 97, number % 1_013);
            Record::text(text).metadata(json!({"part": number % 10})).embedding("v", vector(number))
        };
        artifact.add_batch((shard * EACH..(shard + 1) * EACH).map(record)).unwrap();
        artifact.seal().unwrap();
    }
    artifact.delete_where(&Filter::field("part").eq(3)).unwrap();
    artifact
        .add_batch((0..100).map(|n| Record::text("all word5").embedding("v", vector(1 << 20 | n))))
        .unwrap();
    artifact.close().unwrap();
}

fn queries() -> Vec<Query> {
    let of_number = |number: u32| {
        let near = vector(number * 3_001 + 7);
        let words = format!("word{} word{}", number % 97, number * 7 % 1_013);
        let both = Query::words(&words).and_vector("v", near.clone());
        [
            Query::vector("v", near.clone()),
            Query::vector("v", near).recall(0.995).k(30).offset(5),
            both.clone(),
            both.clone().k(120),
            both.clone().filter(Filter::field("part").lt(5)),
            both.total(true),
        ]
    };
    (0..12).flat_map(of_number).collect()
}

fn answers(path: &Path, options: Options) -> Vec<Result<SearchResults, String>> {
    let artifact = match options.result_cache_bytes(0).open_read_only(path) {
        Ok(artifact) => artifact,
        Err(e) => return vec![Err(e.to_string())],
    };
    queries().iter().map(|query| artifact.search(query).map_err(|e| e.to_string())).collect()
}

fn same(found: &[Result<SearchResults, String>], expected: &[Result<SearchResults, String>]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let what = |results: &Result<SearchResults, String>| {
            results.clone().map(|results| {
                let hits: Vec<_> = results.hits.iter().map(|hit| (hit.id, hit.score.to_bits())).collect();
                (hits, results.is_complete, results.losses, results.total)
            })
        };
        assert_eq!(what(found), what(expected));
    }
}

#[test]
fn searches_find_the_same_however_many_threads_there_are_and_wait_for_none_that_is_busy() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    create(&path);
    let alone = answers(&path, Options::new().threads(1));
    assert!(alone.iter().all(|results| results.as_ref().is_ok_and(|results| !results.hits.is_empty())));
    same(&answers(&path, Options::new().threads(4)), &alone);

    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap());
    let (end, ended) = mpsc::channel::<()>();
    let ended = Arc::new(Mutex::new(ended));
    for _ in 0..3 {
        let ended = ended.clone();
        pool.spawn(move || ended.lock().recv().unwrap_or_default());
    }
    same(&answers(&path, Options::new().pool(pool)), &alone);
    drop(end);
}

#[test]
fn what_is_damaged_is_told_by_whichever_thread_meets_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    create(&path);
    let parts = || std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path());
    let is_part = |file: &std::path::PathBuf| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-"))
    };
    let mut parts: Vec<_> = parts().filter(is_part).collect();
    parts.sort();
    parts.retain(|part| std::fs::metadata(part).unwrap().len() > 500_000);
    let mut told = 0;
    for at in 0..8 {
        let part = &parts[at % parts.len()];
        let sound = std::fs::read(part).unwrap();
        let mut flipped = sound.clone();
        // Far in, among postings, links and codes.
        flipped[sound.len() / 9 * at + 5_000] ^= 4;
        std::fs::write(part, &flipped).unwrap();
        let alone = answers(&path, Options::new().threads(1));
        same(&answers(&path, Options::new().threads(4)), &alone);
        told += usize::from(alone.iter().flatten().any(|results| !results.losses.is_empty()));
        std::fs::write(part, &sound).unwrap();
    }
    assert!(told >= 3, "{told} of 8 flips were met");
    assert!(!CompactArtifact::open_read_only(&path).unwrap().is_empty());
}
