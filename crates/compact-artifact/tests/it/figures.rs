//! Every figure of `stats` and `memory_stats`, compared with the files, the maps of the process, and what was allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Range;
use std::path::Path;

use compact_artifact::{CompactArtifact, Maintenance, Options, Record, Stats};

struct Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
    static REFUSED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Runs something for which there is no memory of these sizes in this thread.
pub(crate) fn refusing<T>(sizes: Range<usize>, run: impl FnOnce() -> T) -> T {
    REFUSED.set((sizes.start, sizes.end));
    let result = run();
    REFUSED.set((0, 0));
    result
}

fn is_refused(len: usize) -> bool {
    REFUSED.try_with(|refused| (refused.get().0..refused.get().1).contains(&len)).unwrap_or(false)
}

/// Bytes that this thread has allocated and not freed.
pub(crate) fn held() -> i64 {
    HELD.get()
}

/// Runs something, and says how much more this thread held meanwhile, at the most, than before.
pub(crate) fn peak<T>(run: impl FnOnce() -> T) -> (T, i64) {
    let before = held();
    PEAK.set(before);
    (run(), PEAK.get() - before)
}

fn count(bytes: i64) {
    // Gone while a thread ends.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
    let _ = HELD.try_with(|held| PEAK.try_with(|peak| peak.set(peak.get().max(held.get()))));
}

#[expect(unsafe_code, reason = "a global allocator is unsafe to implement")]
// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return std::ptr::null_mut();
        }
        count(layout.size().cast_signed() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size().cast_signed() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn manual() -> Options {
    Options::new().maintenance(Maintenance::Manual)
}

fn text(i: usize) -> Record {
    Record::text(format!("note {i} about number {} and {}", i * 7, i * i)).key(format!("k{i}"))
}

/// Bytes that do not compress.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn du(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().unwrap().len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn check_disk(artifact: &CompactArtifact, path: &Path) -> Stats {
    let stats = artifact.stats();
    assert_eq!(stats.disk_bytes, du(path), "{stats:?}");
    assert_eq!(stats.live_bytes + stats.dead_bytes + stats.other_bytes, stats.disk_bytes);
    let named = stats.segment_bytes + stats.log_bytes + stats.index_bytes + stats.other_bytes;
    assert!(
        named < stats.disk_bytes && stats.disk_bytes - named < 4096,
        "the rest is the manifest: {stats:?}"
    );
    stats
}

#[test]
fn disk_bytes_are_the_length_of_all_files_at_any_time() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = manual().create(&path).unwrap();
    check_disk(&artifact, &path);
    artifact.add_batch((0..300).map(text)).unwrap();
    let stats = check_disk(&artifact, &path);
    assert!(stats.log_bytes > 4096 && stats.dead_bytes == 0, "{stats:?}");
    for i in 0..100 {
        artifact.upsert(text(i)).unwrap();
    }
    let stats = check_disk(&artifact, &path);
    assert!(stats.dead_bytes > 400, "replaced and not sealed yet: {stats:?}");
    artifact.seal().unwrap();
    for i in 200..300 {
        artifact.delete_key(&format!("k{i}")).unwrap();
    }
    let before = check_disk(&artifact, &path);
    assert!(before.dead_bytes > 400, "{before:?}");
    let report = artifact.compact(8 << 20).unwrap();
    let after = check_disk(&artifact, &path);
    assert_eq!((report.bytes_before, report.bytes_after), (before.disk_bytes, after.disk_bytes));
    assert!(after.dead_bytes * 20 < after.disk_bytes, "{after:?}");
    let pack = temp.path().join("pack");
    artifact.pack(&pack).unwrap();
    artifact.close().unwrap();
    let artifact = CompactArtifact::open_read_only(&path).unwrap();
    check_disk(&artifact, &path);
    let packed = CompactArtifact::open_read_only(&pack).unwrap().stats();
    assert_eq!((packed.disk_bytes, packed.records), (du(&pack), 200));
}

#[test]
fn what_a_crash_left_counts_until_a_writer_removes_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = manual().create(&path).unwrap();
    artifact.add_batch((0..300).map(text)).unwrap();
    artifact.seal().unwrap();
    assert_eq!(check_disk(&artifact, &path).other_bytes, 0);
    artifact.close().unwrap();
    let sealed = |kind: &str| {
        let names =
            std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        path.join(names.filter(|name| name.starts_with(kind)).min().unwrap())
    };
    // As if it had been killed before the manifest named them, and in the middle of a commit.
    let mut left = 0;
    for kind in ["segment-", "part-"] {
        left += std::fs::copy(sealed(kind), path.join(format!("{kind}00000000000000f0"))).unwrap();
    }
    let log = std::fs::OpenOptions::new().append(true).open(sealed("log-")).unwrap();
    std::io::Write::write_all(&mut &log, &[7; 100]).unwrap();
    std::fs::write(path.join("segment-notes"), "of somebody else").unwrap();
    let others = "of somebody else".len() as u64;
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    let stats = reader.stats();
    assert_eq!((stats.other_bytes, stats.disk_bytes + others), (left + 100, du(&path)), "{stats:?}");
    assert_eq!(stats.live_bytes + stats.dead_bytes + stats.other_bytes, stats.disk_bytes);
    drop(reader);
    std::fs::remove_file(path.join("segment-notes")).unwrap();
    let artifact = CompactArtifact::open(&path).unwrap();
    assert_eq!(check_disk(&artifact, &path).other_bytes, 0);
    // A reader that was not refreshed: what was written since is of the writer.
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    artifact.add_batch((300..600).map(text)).unwrap();
    artifact.seal().unwrap();
    let stats = reader.stats();
    assert_eq!(
        (stats.records, stats.live_bytes + stats.dead_bytes + stats.other_bytes),
        (300, stats.disk_bytes)
    );
    assert!(stats.other_bytes > 4096, "{stats:?}");
    reader.refresh().unwrap();
    assert_eq!((reader.stats().records, reader.stats().other_bytes), (600, 0));
    check_disk(&reader, &path);
}

#[test]
fn deleted_blobs_count_with_their_bytes() {
    const LEN: usize = 3 << 20;
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = manual().create(&path).unwrap();
    let blobs: Vec<_> = (0..5).map(|i| artifact.add(Record::blob(noise(LEN, i))).unwrap()).collect();
    artifact.add_batch((0..200).map(text)).unwrap();
    artifact.delete(blobs[0]).unwrap();
    let about = |found: u64, blobs: usize| {
        let expected = (blobs * LEN) as u64;
        assert!(found.abs_diff(expected) * 50 < expected, "{found} of {expected}");
    };
    about(artifact.stats().dead_bytes, 1);
    let deleted = artifact.stats().dead_bytes;
    artifact.seal().unwrap();
    assert!(artifact.stats().dead_bytes < deleted / 100, "sealing leaves out what was deleted before");
    blobs[1..].iter().for_each(|&id| assert!(artifact.delete(id).unwrap()));
    about(artifact.stats().dead_bytes, 4);
    check_disk(&artifact, &path);
}

/// Bytes of the maps of files in a folder, by the operating system, and how many there are.
fn maps(path: &Path) -> (u64, u64) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ours = maps.lines().filter(|line| line.contains(path.to_str().unwrap()));
    ours.fold((0, 0), |(bytes, count), line| {
        let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let at = |text: &str| u64::from_str_radix(text, 16).unwrap();
        (bytes + at(end) - at(start), count + 1)
    })
}

#[test]
#[cfg(target_os = "linux")]
fn mapped_bytes_are_what_the_system_has_mapped() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = manual().create(&path).unwrap();
    artifact.add_batch((0..1_000).map(text)).unwrap();
    let check = |artifact: &CompactArtifact, is_mapped: bool| {
        let memory = artifact.memory_stats();
        let (bytes, files) = maps(temp.path());
        assert_eq!(files > 0, is_mapped);
        assert!(
            memory.mapped_bytes <= bytes && bytes < memory.mapped_bytes + files * 4096 + 1,
            "{memory:?} {bytes}"
        );
    };
    artifact.seal().unwrap();
    check(&artifact, true);
    assert_eq!(artifact.memory_stats().unmapped_bytes, 0);
    let pack = temp.path().join("pack");
    artifact.pack(&pack).unwrap();
    artifact.close().unwrap();
    let artifact = manual().memory_mapping(false).open_read_only(&path).unwrap();
    check(&artifact, false);
    let (stats, memory) = (artifact.stats(), artifact.memory_stats());
    assert!(memory.unmapped_bytes > stats.words_bytes && memory.unmapped_bytes < stats.index_bytes);
    drop(artifact);
    let artifact = CompactArtifact::open_read_only(&pack).unwrap();
    check(&artifact, true);
    assert_eq!(artifact.memory_stats().mapped_bytes, du(&pack));
    drop(artifact);
    let bytes: Vec<u8> = std::fs::read(&pack).unwrap();
    check(&CompactArtifact::open_packed_bytes(bytes, Options::new()).unwrap(), false);
}

#[test]
fn the_heap_that_is_told_is_the_heap_that_is_held() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = manual().create(&path).unwrap();
    let told = |artifact: &CompactArtifact| {
        let memory = artifact.memory_stats();
        let all = memory.tail_bytes + memory.unmapped_bytes + memory.tables_bytes;
        (all + memory.block_cache_bytes + memory.result_cache_bytes).cast_signed()
    };
    let begun = HELD.get();
    let before = told(&artifact);
    // Small batches, so that all of it happens on this thread.
    for batch in 0..40 {
        artifact.add_batch((0..100).map(|i| text(batch * 100 + i))).unwrap();
    }
    let (held, told_now) = (HELD.get() - begun, told(&artifact) - before);
    assert!(
        told_now > 100_000 && held >= told_now && held < told_now * 2 + (1 << 20),
        "held {held}, told {told_now}"
    );
    artifact.seal().unwrap();
    artifact.close().unwrap();
    let begun = HELD.get();
    let artifact =
        manual().memory_mapping(false).result_cache_bytes(0).cache_bytes(0).open_read_only(&path).unwrap();
    let (held, told_now) = (HELD.get() - begun, told(&artifact));
    assert!(
        told_now > 100_000 && held >= told_now && held < told_now * 2 + (1 << 20),
        "held {held}, told {told_now}"
    );
}
