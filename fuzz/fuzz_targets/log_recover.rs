//! Proves that a log may be changed in any way: what lies before the first change is found, nothing is read wrong, and
//! damage that a later sound commit vouches against is refused.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::Arbitrary;
use block_format::vfs::MemoryVfs;
use block_format::{Compression, Durability, Options, RecordId, Store};
use fuzz::hostile::{Artifact, Choice, Log};
use fuzz::{ROOT, exercise, open, records};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Input {
    /// A log that the library wrote, then changed.
    Changed { commits: Vec<(Vec<u16>, Vec<u8>)>, close: bool, change: Change },
    /// Logs that somebody made.
    Hostile { logs: Vec<Log>, orphan: Option<Log>, no_manifest: Choice },
}

#[derive(Debug, Arbitrary)]
struct Change {
    flips: Vec<(u16, u8)>,
    cut: Option<u16>,
    tail: Vec<u8>,
    /// Bytes of the log again, at its end.
    again: Option<(u16, u16)>,
}

type Model = BTreeMap<u64, Vec<u8>>;

fuzz_target!(|input: Input| match input {
    Input::Changed { commits, close, change } => changed(&commits, close, &change),
    Input::Hostile { logs, orphan, no_manifest } => {
        exercise(&Artifact { logs, orphan, no_manifest, ..Artifact::default() }.build());
    }
});

fn changed(commits: &[(Vec<u16>, Vec<u8>)], close: bool, change: &Change) {
    let options = Options::new().compression(Compression::None).block_len(512).inline_max(700).frame_len(512);
    let options = options.seed(1).threads(1);
    let vfs = MemoryVfs::new();
    let store = Store::create_in(Arc::new(vfs.clone()), ROOT, options.clone()).expect("in memory");
    let path = vfs.files().into_iter().find(|path| path.to_string_lossy().contains("log-")).expect("a log");
    let len = || vfs.read_file(&path).map_or(0, |log| log.len());
    // The state after each commit, and where it ends.
    let (mut states, mut ends) = (vec![Model::new()], vec![len()]);
    for (lens, deletes) in commits.iter().take(6) {
        let (mut model, mut batch) = (states[states.len() - 1].clone(), store.batch());
        let next_id = store.snapshot().next_id().0;
        for (id, &len) in (next_id..).zip(lens.iter().take(4)) {
            let content: Vec<u8> = (0..u64::from(len) % 2000).map(|i| ((i * (id + 3)) >> 2) as u8).collect();
            batch.put(&content).expect("in memory");
            model.insert(id, content);
        }
        for id in deletes.iter().take(4).map(|&id| u64::from(id)).filter(|&id| id < next_id) {
            batch.delete(RecordId(id));
            model.remove(&id);
        }
        if store.commit(batch, Durability::Sync).expect("in memory").seq.0 as usize == states.len() {
            states.push(model);
            ends.push(len());
        }
    }
    if close {
        store.close().expect("in memory")
    } else {
        drop(store)
    }

    let sound = vfs.read_file(&path).expect("a log");
    let mut log = sound.clone();
    for &(at, bits) in change.flips.iter().take(4) {
        let at = usize::from(at) % log.len();
        log[at] ^= bits;
    }
    if let Some(cut) = change.cut {
        log.truncate(usize::from(cut));
    }
    log.extend(&change.tail);
    if let Some((start, len)) = change.again {
        let start = usize::from(start) % sound.len();
        log.extend(&sound[start..sound.len().min(start + usize::from(len))]);
    }
    let same = |range: std::ops::Range<usize>| log.get(range.clone()) == sound.get(range);
    let first_change = (0..sound.len()).find(|&at| log.get(at) != sound.get(at)).unwrap_or(sound.len());
    let intact = ends.partition_point(|&end| end <= first_change).saturating_sub(1);
    let vouched_for = (intact + 1..ends.len() - 1).any(|commit| same(ends[commit]..ends[commit + 1]));
    let last = &states[states.len() - 1];
    vfs.write_file(&path, log.clone());
    let vfs = vfs.fork();
    exercise(&vfs);

    if let Ok((store, _)) = Store::open_read_only_in(Arc::new(vfs.clone()), ROOT, options.clone()) {
        for (id, content) in records(&store).0 {
            assert!(states.iter().any(|state| state.get(&id) == Some(&content)), "record {id} is read wrong");
        }
        for (id, content) in states[intact].iter().filter(|(id, _)| last.contains_key(id)) {
            let found = store.snapshot().get(RecordId(*id)).expect("it is intact").expect("it is intact");
            assert!(found.bytes().expect("it is intact") == &content[..], "record {id} is read wrong");
        }
    }
    match open(&vfs, &options) {
        Ok((store, _)) => {
            let (found, all) = records(&store);
            assert!(all, "opened for writing, and yet damaged");
            assert!(states[intact..].contains(&found), "not the state of a commit from {intact} on");
            assert!(!vouched_for, "acknowledged commits are dropped in silence");
            assert!(!close || first_change == sound.len(), "closed, damaged, and yet opened");
        }
        Err(e) => assert!(first_change < sound.len(), "a tail keeps it from opening: {e}"),
    }
}
