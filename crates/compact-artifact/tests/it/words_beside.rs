//! Hybrid searches of many records, whose words are looked for by several threads: they find what one thread finds.

use std::path::Path;

use compact_artifact::{CompactArtifact, Filter, Metric, Options, Query, Record, SpaceOptions};
use serde_json::json;

const RECORDS: u32 = 150_000;
const WORDS: [&str; 8] = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"];

/// Two sealed shards, and a few records behind them; some are deleted.
fn create(path: &Path) {
    let options = Options::new().space("v", SpaceOptions::new(2, Metric::L2)).graph_from(usize::MAX);
    let artifact = options.create(path).unwrap();
    let record = |i: u32| {
        let word = |shift: u32| WORDS[(i.wrapping_mul(2_654_435_761) >> shift) as usize % WORDS.len()];
        let text = format!("{} {} {} {}", word(29), word(26), word(20), i % 977);
        Record::text(text).metadata(json!({"i": i})).embedding("v", [(i % 311) as f32, (i % 7) as f32])
    };
    artifact.add_batch((0..80_000).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.add_batch((80_000..RECORDS - 100).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.add_batch((RECORDS - 100..RECORDS).map(record)).unwrap();
    artifact.delete_where(&Filter::field("i").gte(79_900).and(Filter::field("i").lt(80_700))).unwrap();
    artifact.close().unwrap();
}

fn open(path: &Path, threads: usize) -> CompactArtifact {
    Options::new().threads(threads).result_cache_bytes(0).open_read_only(path).unwrap()
}

/// What searches find and name as lost.
fn found(artifact: &CompactArtifact) -> Vec<String> {
    let query = |i: u32| {
        let words = format!("{} {} {}", WORDS[i as usize % 8], WORDS[i as usize / 3 % 8], i * 7 % 977);
        let query = Query::words(&words).and_vector("v", [(i * 13 % 311) as f32, 3.0]).k(5 + i as usize * 3);
        match i % 4 {
            0 => query.filter(Filter::field("i").lt(70_000 + i64::from(i) * 1_000)),
            1 => query.offset(40),
            _ => query,
        }
    };
    let found = (0..24).map(|i| artifact.search(&query(i)).map(|found| (found.hits, found.losses)));
    found.map(|found| format!("{found:?}")).collect()
}

#[test]
fn words_that_are_looked_for_by_several_threads_are_those_that_one_finds() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    create(&path);
    let expected = found(&open(&path, 1));
    assert!(expected.iter().all(|found| found.starts_with("Ok(([Hit")), "{}", expected[0]);
    for threads in [2, 3, 8] {
        assert_eq!(found(&open(&path, threads)), expected);
    }
}

#[test]
fn words_that_are_damaged_are_left_out_and_named_by_any_number_of_threads() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    create(&path);
    let files = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let shards = files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("part-"));
    let shard = shards.max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    let sound = std::fs::read(&shard).unwrap();
    let mut damaged_words = 0;
    // Words come first.
    for at in (1..20).map(|part| sound.len() * part / 200) {
        let mut bytes = sound.clone();
        bytes[at] ^= 4;
        std::fs::write(&shard, bytes).unwrap();
        let expected = found(&open(&path, 1));
        damaged_words += usize::from(expected.iter().any(|found| found.contains("the words of shard")));
        assert_eq!(found(&open(&path, 3)), expected, "byte {at}");
    }
    assert!(damaged_words > 0);
}

#[test]
fn words_of_a_batch_that_several_threads_find_are_those_that_one_finds() {
    let temp = tempfile::tempdir().unwrap();
    let record = |i: u32| {
        let word = |by: u32| WORDS[(i / by) as usize % WORDS.len()];
        let record = Record::text(format!("{} {} {} {}", word(1), word(8), word(1).repeat(2), i % 97));
        match i % 3 {
            0 if i > 700 => record.field("title", format!("{} of {}", word(3), i)),
            1 => Record::blob([1]).metadata(json!({"i": i})),
            _ => record,
        }
    };
    let found = |threads: usize| {
        let options = Options::new().threads(threads).field("title", 2);
        let artifact = options.create(temp.path().join(threads.to_string())).unwrap();
        artifact.add_batch((0..1_000).map(record)).unwrap();
        let queries =
            ["ant bee", "\"cat dog\"", "title:elk", "\"fox foxfox\"~2 OR 41", "gn* NOT hen", "title:of"];
        queries.map(|query| {
            format!("{:?}", artifact.search(&Query::parse(query).unwrap().k(1_000)).unwrap().hits)
        })
    };
    let expected = found(1);
    let found_by_one = expected.each_ref().map(|hits| hits.matches("Hit").count());
    assert!(found_by_one.iter().all(|&count| count > 3), "{found_by_one:?}");
    for threads in [2, 3, 8] {
        assert!(found(threads) == expected, "{threads} threads");
    }
}
