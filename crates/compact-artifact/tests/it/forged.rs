//! Shards whose checksums hold over numbers that nobody wrote.

use std::io::Write as _;
use std::path::Path;

use compact_artifact::{Filter, Query, Record};
use serde_json::json;

use crate::damage::{RECORDS, built, finds_everything, options};

/// Changes the bytes of a shard; told which id comes next.
type Forge<'a> = &'a dyn Fn(&mut Vec<u8>, u64);

/// Writes the last shard anew, changed so that every checksum holds.
fn forge_last_shard(path: &Path, forge: Forge<'_>) {
    let (store, _) = block_format::Store::open(path, block_format::Options::new()).unwrap();
    let kind = block_format::PartKind(257);
    let parts: Vec<_> = store.snapshot().parts().iter().filter(|part| part.kind() == kind).cloned().collect();
    let last = parts.iter().max_by_key(|part| part.tag()).unwrap();
    let mut shard = last.content().unwrap().into_owned();
    forge(&mut shard, store.snapshot().next_id().0);
    store
        .edit(|edit| {
            edit.drop_part(last.id())?;
            edit.write_part(kind, last.tag(), |out| out.write_all(&shard))
        })
        .unwrap();
    store.close().unwrap();
}

/// Where the section of a kind begins in a shard.
fn section_start(shard: &[u8], kind: u8) -> usize {
    let trailer = shard.len() - 64;
    let table = &shard[trailer - 24 * usize::from(shard[trailer + 12])..trailer];
    let entry = table.chunks_exact(24).find(|entry| entry[0] == kind).unwrap();
    usize::try_from(u64::from_le_bytes(entry[8..16].try_into().unwrap())).unwrap()
}

#[test]
fn a_shard_with_ids_that_no_record_has_yet_is_made_anew_and_hides_no_record_that_comes_next() {
    let put_id =
        |shard: &mut Vec<u8>, at: usize, id: u64| shard[at..at + 8].copy_from_slice(&id.to_le_bytes());
    let last_id = |shard: &mut Vec<u8>, id: u64| {
        let start = section_start(shard, 1);
        let runs = usize::from(shard[start]);
        let last_run = usize::from(shard[start + 8 + 12 * runs + 4 * (runs - 1)]);
        put_id(shard, start + 8 + 8 * last_run, id);
    };
    let metadata_record = |shard: &mut Vec<u8>, id: u64| put_id(shard, section_start(shard, 6) + 8, id);
    let end = |shard: &mut Vec<u8>, id: u64| {
        let trailer = shard.len() - 64;
        put_id(shard, trailer + 24, id);
        let crc = wire::crc32(&[&shard[trailer..trailer + 60]]);
        shard[trailer + 60..].copy_from_slice(&crc.to_le_bytes());
    };
    let forgeries: [Forge<'_>; 5] = [
        &|shard, next| end(shard, next + 3),
        &|shard, _| end(shard, u64::MAX),
        &|shard, next| last_id(shard, next),
        &|shard, _| last_id(shard, u64::MAX),
        &|shard, next| metadata_record(shard, next + 3),
    ];
    for forge in forgeries {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        built(&path);
        let artifact = options().open(&path).unwrap();
        assert!(artifact.update_key("k115", json!({"more": 1})).unwrap());
        artifact.seal().unwrap();
        artifact.close().unwrap();
        let reader = options().open_read_only(&path).unwrap();
        forge_last_shard(&path, forge);
        reader.refresh().unwrap();
        finds_everything(&reader, usize::from(RECORDS));
        drop(reader);
        let artifact = options().open(&path).unwrap();
        assert_eq!(artifact.recovery().shards_rebuilt, 1, "{:?}", artifact.recovery());
        let added = ["one", "two", "three", "four"].map(|word| artifact.add(Record::text(word)).unwrap());
        artifact.close().unwrap();
        for round in ["of the log", "sealed"] {
            let artifact = options().open(&path).unwrap();
            assert_eq!(artifact.search(&Query::words("three")).unwrap().hits[0].id, added[2], "{round}");
            assert_eq!(artifact.count(&Filter::field("i").exists()).unwrap(), u64::from(RECORDS));
            assert_eq!(artifact.len(), u64::from(RECORDS) + 4);
            artifact.seal().unwrap();
            artifact.close().unwrap();
        }
        let damage = options().open(&path).unwrap().recovery().damage.clone();
        let lost = damage.first().map(ToString::to_string).unwrap_or_default();
        assert!(
            damage.len() <= 1 && (lost.is_empty() || lost.starts_with("1 record has no embedding")),
            "{damage:?}"
        );
    }
}
