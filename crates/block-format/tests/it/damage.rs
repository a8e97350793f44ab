//! Bytes change, are cut off, or end up in another place: never a wrong answer, never a panic, and `verify` names the
//! place.
//!
//! `CAMPAIGN=full cargo test --release -p block-format --test it damage -- --nocapture` runs every bit and length.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use block_format::vfs::MemoryVfs;
use block_format::{
    Compression, Durability, ErrorKind, Options, PartKind, RecordId, Snapshot, Step, Store, VerifyLevel,
    VerifyReport, salvage_in, verify_in,
};

use crate::campaign::{self, ROOT, content, full, on_all_cores};

pub(crate) type Records = BTreeMap<u64, Vec<u8>>;

pub(crate) fn options(left_out: Option<Step>) -> Options {
    let options =
        Options::new().block_len(4096).inline_max(6000).frame_len(4096).segment_len(96 << 10).seed(1);
    match left_out {
        Some(step) => options.leave_out(step),
        None => options,
    }
}

/// Text that compresses by about half, so that blocks are zstd; every fourth record is noise, so that some are raw.
pub(crate) fn record(i: u64) -> Vec<u8> {
    let len = if i % 20 == 7 { 35_000 } else { 500 + (i as usize * 397) % 4000 };
    if i.is_multiple_of(4) {
        let mut noise = campaign::Random(i);
        return (0..len).map(|_| noise.below(256).to_le_bytes()[0]).collect();
    }
    (0..len / 8).flat_map(|at| format!("{:07} ", (at as u64 * (i + 7)) % 5000).into_bytes()).collect()
}

/// A closed artifact of about 256 KiB with every kind of block and file: sealed segments, a log with records, frames,
/// deletes and commits, the set of deleted ids, a part.
pub(crate) fn sample(options: &Options, close: bool) -> (MemoryVfs, Records) {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options.clone()).unwrap();
    let mut model = Records::new();
    let commit = |store: &Store, model: &mut Records, ids: std::ops::Range<u64>, deletes: &[u64]| {
        let mut batch = store.batch();
        for id in ids {
            batch.put(&record(id)).unwrap();
            model.insert(id, record(id));
        }
        for &id in deletes {
            batch.delete(RecordId(id));
            model.remove(&id);
        }
        store.commit(batch, Durability::Sync).unwrap();
    };
    commit(&store, &mut model, 0..120, &[]);
    store.seal().unwrap();
    commit(&store, &mut model, 120..140, &[3, 7, 30]);
    let part = |edit: &mut block_format::Edit<'_>| {
        edit.seal_logs()?;
        edit.write_part(PartKind(300), 5, |part| part.write_all(&content(10_000, 3)))
    };
    store.edit(part).unwrap();
    for i in 0..5 {
        commit(&store, &mut model, 140 + i * 10..150 + i * 10, &[i * 9 + 1]);
    }
    if close {
        store.close().unwrap();
    }
    (disk, model)
}

fn open(disk: &MemoryVfs, options: &Options) -> block_format::Result<Store> {
    // Writing would mend what is under test, so readers look at it; and whoever wants to write is refused or right.
    Store::open_read_only_in(Arc::new(disk.clone()), ROOT, options.clone()).map(|(store, _)| store)
}

pub(crate) fn verified(disk: &MemoryVfs, options: &Options) -> block_format::Result<VerifyReport> {
    verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Checksums, options)
}

/// Every record is right, or an error says that it is damaged.
fn check_records(snapshot: &Snapshot, ids: impl Iterator<Item = u64>, model: &Records) -> Result<(), String> {
    for id in ids {
        let found = snapshot.get(RecordId(id)).and_then(|found| {
            found.map(|record| record.bytes().map(std::borrow::Cow::into_owned)).transpose()
        });
        match found {
            Ok(found) if found.as_ref() == model.get(&id) => {}
            Ok(found) => {
                let expected = model.get(&id).map(Vec::len);
                return Err(format!(
                    "record {id}: expected {expected:?} bytes, found {:?}",
                    found.map(|f| f.len())
                ));
            }
            Err(e) if matches!(e.kind(), ErrorKind::Damaged | ErrorKind::Truncated) => {}
            Err(e) => return Err(format!("record {id}: {e}")),
        }
    }
    Ok(())
}

fn check_all(snapshot: &Snapshot, model: &Records) -> Result<(), String> {
    check_records(snapshot, 0..snapshot.next_id().0 + 2, model)?;
    for record in snapshot.records().flatten() {
        let found = record.bytes();
        if found
            .as_ref()
            .is_ok_and(|found| model.get(&record.id().0).is_none_or(|expected| expected[..] != found[..]))
        {
            return Err(format!("iteration finds a wrong record {}", record.id()));
        }
    }
    Ok(())
}

/// One changed file of a closed artifact: `verify` names it, at `place`, and nothing is read wrong.
fn check_change(
    disk: &MemoryVfs,
    model: &Records,
    options: &Options,
    path: &Path,
    place: u64,
    thorough: bool,
) -> Result<(), String> {
    let mut touched = Vec::new();
    match verified(disk, options) {
        Ok(report) => {
            let named = |d: &&block_format::Damage| d.path == path && d.range.contains(&place);
            if report.damage.iter().find(named).is_none() {
                return Err(format!("verify does not name the place, but {:?}", report.damage));
            }
            touched.extend(report.damage.iter().flat_map(|d| d.lost.start.0..d.lost.end.0.min(300)).take(20));
        }
        Err(e) => return Err(format!("verify gave up: {e}")),
    }
    match open(disk, options) {
        Ok(store) if thorough => check_all(&store.snapshot(), model),
        Ok(store) => check_records(
            &store.snapshot(),
            touched.into_iter().chain([0, 100, 150, 1, 10, 19, 28, 37]),
            model,
        ),
        Err(_) => Ok(()),
    }?;
    if thorough && let Ok((store, _)) = campaign::open(&disk.fork(), options) {
        check_all(&store.snapshot(), model)?;
    }
    Ok(())
}

fn lock(path: &Path) -> bool {
    path.ends_with("LOCK")
}

/// Flips of every `stride`-th bit of every file.
pub(crate) fn flips(left_out: Option<Step>, stride: usize) -> Result<u64, String> {
    let options = options(left_out);
    let (disk, model) = sample(&options, true);
    let mut pieces: Vec<(PathBuf, usize)> = Vec::new();
    for path in disk.files().into_iter().filter(|path| !lock(path)) {
        let len = disk.read_file(&path).map_or(0, |bytes| bytes.len());
        pieces.extend((0..len).step_by(512).map(|at| (path.clone(), at)));
    }
    on_all_cores(&pieces, |(path, begin)| {
        let bytes = disk.read_file(path).unwrap_or_default();
        let changed = disk.fork();
        let end = bytes.len().min(begin + 512);
        let mut flips = 0;
        // Bits are counted through the file, so that a stride reaches every position in a byte.
        for bit in (begin * 8..end * 8).filter(|bit| bit % stride == 0) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            changed.write_file(path, flipped);
            let part = path.to_string_lossy().contains("part-");
            let thorough = part || (bit / stride).is_multiple_of(61);
            check_change(&changed, &model, &options, path, (bit / 8) as u64, thorough)
                .map_err(|e| format!("{}, bit {bit}: {e}", path.display()))?;
            flips += 1;
        }
        Ok(flips)
    })
}

/// Bits of a part that is mapped: what `check` lets through is what was written; the rest is named with its place. What is read as a
/// whole is an error or what was written.
pub(crate) fn flips_in_a_part(left_out: Option<Step>, stride: usize) -> Result<u64, String> {
    const LEN: usize = 9_000;
    let options = options(left_out);
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options.clone()).map_err(|e| e.to_string())?;
    let expected = content(LEN, 5);
    let write = |part: &mut block_format::PartWriter<'_>| std::io::Write::write_all(part, &expected);
    store.edit(|edit| edit.write_part(PartKind(300), 7, write)).map_err(|e| e.to_string())?;
    store.close().map_err(|e| e.to_string())?;
    let path = disk.files().into_iter().find(|path| path.to_string_lossy().contains("part-"));
    let path = path.ok_or("no part")?;
    let bytes = disk.read_file(&path).unwrap_or_default();
    let bits: Vec<usize> = (0..bytes.len() * 8).step_by(stride).collect();
    on_all_cores(&bits, |bit| {
        let changed = disk.fork();
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        changed.write_file(&path, flipped);
        let say = |e: &str| format!("bit {bit} of a part: {e}");
        for mapped in [true, false] {
            let store =
                open(&changed, &options.clone().memory_mapping(mapped)).map_err(|e| say(&e.to_string()))?;
            let snapshot = store.snapshot();
            let part = &snapshot.parts()[0];
            let mut complaints = 0;
            for begin in (0..LEN).step_by(1_000) {
                let range = begin..begin + 1_000;
                match (part.check(range.start as u64..range.end as u64), part.content()) {
                    (Ok(()), Ok(found)) if found[range.clone()] != expected[range] => {
                        return Err(say("bytes that were not written are let through"));
                    }
                    (Ok(()), Ok(_)) => {}
                    (checked, content) => {
                        let e = checked.and(content.map(drop)).err().ok_or("no error")?;
                        if e.kind() != ErrorKind::Damaged || e.path().is_none() || e.offset().is_none() {
                            return Err(say(&format!("an error without its place: {e}")));
                        }
                        complaints += 1;
                    }
                }
            }
            if complaints == 0 {
                return Err(say("nobody notices"));
            }
            if part.is_verified() {
                return Err(say("what does not hold counts as verified"));
            }
        }
        Ok(1)
    })
}

/// Files cut off at every `stride`-th length.
pub(crate) fn truncations(left_out: Option<Step>, stride: usize) -> Result<u64, String> {
    let options = options(left_out);
    let (disk, model) = sample(&options, true);
    let mut cuts: Vec<(PathBuf, usize)> = Vec::new();
    for path in disk.files().into_iter().filter(|path| !lock(path)) {
        let len = disk.read_file(&path).map_or(0, |bytes| bytes.len());
        cuts.extend((0..len).step_by(stride).map(|at| (path.clone(), at)));
    }
    on_all_cores(&cuts, |(path, len)| {
        let changed = disk.fork();
        let mut bytes = disk.read_file(path).unwrap_or_default();
        bytes.truncate(*len);
        changed.write_file(path, bytes);
        let say = |e: String| format!("{} cut to {len} bytes: {e}", path.display());
        check_change(&changed, &model, &options, path, *len as u64, false).map_err(say)?;
        let manifest = path.to_string_lossy().contains("manifest-");
        let opened = Store::open_read_only_in(Arc::new(changed), ROOT, options.clone());
        let says_so = |damage: &block_format::Damage| {
            damage.is_derived && damage.path == *path && damage.kind == ErrorKind::Truncated
        };
        match opened {
            Ok(_) if manifest => Ok(1),
            Ok((_, report)) if report.damage.iter().any(says_so) => Ok(1),
            Err(e) if !manifest && e.kind() == ErrorKind::Truncated => Ok(1),
            other => Err(say(format!("expected that opening says so, found {:?}", other.map(|_| ())))),
        }
    })
}

/// Sectors and whole blocks that end up in another place.
pub(crate) fn misdirections(left_out: Option<Step>, stride: usize) -> Result<u64, String> {
    // Blocks of one length, so that they fit into each other's places.
    let options = options(left_out).compression(Compression::None).block_len(512);
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options.clone()).map_err(|e| e.to_string())?;
    let mut model = Records::new();
    let mut bulk = store.bulk().map_err(|e| e.to_string())?;
    for id in 0..100 {
        bulk.put(&content(512, id)).map_err(|e| e.to_string())?;
        model.insert(id, content(512, id));
    }
    bulk.finish().map_err(|e| e.to_string())?;
    store.close().map_err(|e| e.to_string())?;
    let path = disk.files().into_iter().find(|path| path.to_string_lossy().contains("segment-"));
    let path = path.ok_or("no segment")?;
    let bytes = disk.read_file(&path).unwrap_or_default();
    let block = (32 + 512 + 3) as usize;
    let places = |unit: usize, begin: usize| (begin..bytes.len() - unit).step_by(unit).collect::<Vec<_>>();
    let mut moves = Vec::new();
    for (unit, begin) in [(512, 0), (block, 4096)] {
        let places = places(unit, begin);
        for &from in &places {
            moves.extend(places.iter().filter(|&&to| to != from).map(|&to| (unit, from, to)));
        }
    }
    let moves: Vec<_> = moves.into_iter().step_by(stride).collect();
    on_all_cores(&moves, |&(unit, from, to)| {
        if bytes[from..from + unit] == bytes[to..to + unit] {
            return Ok(0);
        }
        let mut changed = bytes.clone();
        changed.copy_within(from..from + unit, to);
        let vfs = disk.fork();
        vfs.write_file(&path, changed);
        let say = |e: String| format!("{unit} bytes from {from} to {to}: {e}");
        let report = verified(&vfs, &options).map_err(|e| say(e.to_string()))?;
        if !report.damage.iter().any(|damage| damage.path == path) {
            return Err(say("verify does not notice".to_owned()));
        }
        let file = Path::new(&path);
        let in_block =
            |d: &block_format::Damage| d.path == file && d.range.start > 0 && d.range.start <= to as u64;
        if unit == block && !report.damage.iter().any(|d| in_block(d) && d.range.end > to as u64) {
            return Err(say(format!("verify does not name the block, but {:?}", report.damage)));
        }
        let store = open(&vfs, &options).map_err(|e| say(e.to_string()))?;
        check_all(&store.snapshot(), &model).map_err(say)?;
        Ok(1)
    })
}

/// Damage to what was acknowledged, in an artifact that was not closed: said, not dropped like a torn tail.
pub(crate) fn flips_before_a_later_commit(left_out: Option<Step>, stride: usize) -> Result<u64, String> {
    let options = campaign::options(left_out);
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, options.clone()).map_err(|e| e.to_string())?;
    let mut model = Records::new();
    let mut vouched_for = 0;
    let path =
        disk.files().into_iter().find(|path| path.to_string_lossy().contains("log-")).ok_or("no log")?;
    for id in 0..6 {
        if id == 5 {
            vouched_for = disk.read_file(&path).map_or(0, |bytes| bytes.len());
        }
        store.put(&content(150, id)).map_err(|e| e.to_string())?;
        model.insert(id, content(150, id));
    }
    drop(store);
    let bytes = disk.read_file(&path).unwrap_or_default();
    let mut flips = 0;
    for bit in (4096 * 8..vouched_for * 8).step_by(stride) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let vfs = disk.fork();
        vfs.write_file(&path, flipped);
        let say = |e: String| format!("bit {bit} of the log: {e}");
        match campaign::open(&vfs, &options) {
            Err(e) if e.kind() == ErrorKind::Damaged => {}
            other => {
                let found = other.map(|(store, _)| store.snapshot().records().count());
                return Err(say(format!("expected that opening refuses, found {found:?}")));
            }
        }
        let store = open(&vfs, &options).map_err(|e| say(format!("read-only: {e}")))?;
        check_all(&store.snapshot(), &model).map_err(say)?;
        let sound =
            (0..6).filter(|&id| store.snapshot().get(RecordId(id)).is_ok_and(|found| found.is_some()));
        let sound = sound.count();
        if sound < 5 {
            return Err(say(format!(
                "one damaged block costs that block, but only {sound} records are left"
            )));
        }
        flips += 1;
    }
    Ok(flips)
}

/// Both copies of the newest manifest are damaged, and an older generation is back, files and all.
pub(crate) fn lost_manifest(left_out: Option<Step>) -> Result<u64, String> {
    // Damaged, and gone without a trace: then only the log that it named tells of it.
    for is_gone in [false, true] {
        let options = options(left_out);
        let disk = MemoryVfs::new();
        let text = |e: block_format::Error| e.to_string();
        let store = Store::create_in(Arc::new(disk.clone()), ROOT, options.clone()).map_err(text)?;
        store.put(b"old").map_err(text)?;
        let old = disk.fork();
        store.seal().map_err(text)?;
        store.put(b"new").map_err(text)?;
        drop(store);
        for path in disk.files().into_iter().filter(|path| path.to_string_lossy().contains("manifest-")) {
            if is_gone {
                disk.remove_file(&path);
            } else {
                disk.write_file(&path, vec![0; 200]);
            }
        }
        for path in old.files().into_iter().filter(|path| !lock(path)) {
            disk.write_file(&path, old.read_file(&path).unwrap_or_default());
        }
        let opened = campaign::open(&disk, &options).map(|(store, _)| store.last_commit());
        if !opened.as_ref().is_err_and(|e| e.kind() == ErrorKind::Damaged) {
            return Err(format!("expected damage, found {opened:?}"));
        }
        let saved = salvage_in(Arc::new(disk.clone()), ROOT, "/saved", options).map_err(text)?;
        if saved.records != 2 {
            return Err(format!("salvage found {saved:?}"));
        }
    }
    Ok(2)
}

pub(crate) fn passes(what: &str, result: Result<u64, String>, at_least: u64) {
    let count = result.unwrap_or_else(|e| panic!("{what}: {e}"));
    println!("{what}: {count}, no wrong answer");
    assert!(count >= at_least, "{count}");
}

#[test]
fn every_flipped_bit_is_named_and_never_read_as_something_else() {
    let total: usize = {
        let (disk, _) = sample(&options(None), true);
        disk.files().iter().map(|path| disk.read_file(path).map_or(0, |bytes| bytes.len())).sum()
    };
    println!("the sample has {total} bytes");
    assert!((200_000..320_000).contains(&total), "{total}");
    passes("bits flipped", flips(None, if full() { 1 } else { 97 }), 20_000);
}

#[test]
fn every_length_a_file_can_be_cut_to_is_noticed() {
    passes("lengths cut to", truncations(None, if full() { 1 } else { 41 }), 5_000);
}

#[test]
fn what_ends_up_in_another_place_is_noticed() {
    passes("sectors and blocks moved", misdirections(None, if full() { 1 } else { 7 }), 1_000);
}

#[test]
fn damage_to_acknowledged_commits_is_told_from_a_torn_tail() {
    passes("bits flipped in commits that later ones vouch for", flips_before_a_later_commit(None, 1), 1_000);
}

#[test]
fn no_byte_of_a_part_is_let_through_that_was_not_written() {
    passes(
        "bits flipped in a part, mapped and read",
        flips_in_a_part(None, if full() { 1 } else { 53 }),
        1_000,
    );
}

#[test]
fn an_older_generation_does_not_come_back_in_silence() {
    passes("lost manifests", lost_manifest(None), 1);
}

#[test]
fn salvage_keeps_what_is_sound_when_anything_is_damaged() {
    let options = options(None);
    let (disk, model) = sample(&options, true);
    let sound = salvage_in(Arc::new(disk.fork()), ROOT, "/saved", options.clone()).unwrap();
    assert!(sound.damage.is_empty() && sound.lost.is_empty(), "{sound:?}");
    for path in disk.files().into_iter().filter(|path| !lock(path)) {
        let bytes = disk.read_file(&path).unwrap();
        for at in (0..bytes.len()).step_by(1777) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            let vfs = disk.fork();
            vfs.write_file(&path, changed);
            let report = salvage_in(Arc::new(vfs.clone()), ROOT, "/saved", options.clone()).unwrap();
            let (store, _) = Store::open_in(Arc::new(vfs.clone()), "/saved", options.clone()).unwrap();
            let mut kept = 0;
            for record in store.snapshot().records() {
                let record = record.unwrap();
                let expected = model.get(&record.id().0);
                if expected.is_some() || !report.deletes_incomplete {
                    assert_eq!(
                        record.bytes().unwrap(),
                        &expected.unwrap()[..],
                        "{}, byte {at}",
                        path.display()
                    );
                }
                kept += 1;
            }
            assert_eq!(report.records, kept);
            let is_told = !report.damage.is_empty() || !report.lost.is_empty();
            assert!(
                kept >= model.len() as u64 || is_told,
                "{}, byte {at}: lost without a word",
                path.display()
            );
            // A block holds no more than some twenty records of this sample.
            assert!(
                kept + 25 > model.len() as u64,
                "{}, byte {at}: {kept} of {}",
                path.display(),
                model.len()
            );
            assert!(store.snapshot().next_id().0 >= 190, "ids are not given out again");
        }
    }
}
