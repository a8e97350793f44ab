//! Every call fails, in every way, once and for good: a typed error, nothing acknowledged is lost, readers go on, and
//! the writer takes no more where nobody can say what is on disk.

use std::sync::Arc;

use block_format::vfs::{CrashVariant, Fault, FaultVfs, MemoryVfs, Vfs};
use block_format::{ErrorKind, Options, Step, Store};

use crate::campaign::{Model, Op, ROOT, Run, full, on_all_cores, options, sequences};
use crate::crash::{TEXTS, WITH_DICTIONARIES, options_with_dictionaries};

const FAULTS: [Fault; 4] = [Fault::Io, Fault::NoSpace, Fault::ShortWrite, Fault::SyncLost];

/// Runs a sequence with one planned fault and judges what comes of it.
fn run_with_fault(
    sequence: &[Op],
    options: &Options,
    texts: u64,
    (at, fault, persistent): (u64, Fault, bool),
) -> Result<bool, String> {
    let disk = MemoryVfs::new();
    let faulty = FaultVfs::new(disk.clone());
    faulty.inject(at, fault, persistent);
    let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
    let mut run = Run::new(disk);
    run.texts = texts;
    let mut store = None;
    let result = run.run(&vfs, options, sequence, &mut store);
    faulty.heal();
    if faulty.hits() == 0 {
        return Ok(false);
    }
    if let Err(e) = result {
        let expected = [ErrorKind::Io, ErrorKind::DiskFull, ErrorKind::Poisoned];
        if !expected.contains(&e.kind()) || e.path().is_none() {
            return Err(format!("expected a typed error with a path, found {:?}: {e}", e.kind()));
        }
    }
    if let Some(store) = &store {
        Model::of(store).map_err(|e| format!("readers go on: {e}"))?;
        match run.one_more(store) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Poisoned => {}
            Err(e) => return Err(format!("one more commit: {e}")),
        }
    }
    drop(store);
    for variant in CrashVariant::standard(at).into_iter().step_by(3).chain([CrashVariant::KILL]) {
        let events = run.vfs.event_count();
        run.check(options, events, variant).map_err(|e| format!("then a crash, {variant:?}: {e}"))?;
    }
    Ok(true)
}

/// Every `stride`-th call of a sequence fails.
fn all_faults(sequence: &[Op], options: &Options, texts: u64, stride: usize) -> Result<u64, String> {
    let clean = FaultVfs::new(MemoryVfs::new());
    let vfs: Arc<dyn Vfs> = Arc::new(clean.clone());
    let mut run = Run::new(MemoryVfs::new());
    run.texts = texts;
    run.run(&vfs, options, sequence, &mut None).map_err(|e| format!("{sequence:?} without a fault: {e}"))?;
    let mut runs = 0;
    for at in (0..clean.call_count()).step_by(stride) {
        for (fault, persistent) in FAULTS.into_iter().flat_map(|fault| [(fault, false), (fault, true)]) {
            let hit = run_with_fault(sequence, options, texts, (at, fault, persistent))
                .map_err(|e| format!("{sequence:?}, {fault:?} at call {at}, persistent {persistent}: {e}"))?;
            runs += u64::from(hit);
        }
    }
    Ok(runs)
}

/// The campaign at a dose, with a step left out or none.
pub(crate) fn campaign(left_out: Option<Step>, len: usize, stride: usize) -> Result<u64, String> {
    let options = options(left_out);
    let chosen: Vec<_> = sequences(len).into_iter().step_by(stride).collect();
    on_all_cores(&chosen, |sequence| all_faults(sequence, &options, 0, 1))
}

#[test]
fn a_fault_at_any_call_loses_nothing_that_was_acknowledged() {
    let stride = if full() { 1 } else { 13 };
    let runs = campaign(None, 3, stride).unwrap_or_else(|e| panic!("{e}"));
    println!("faults injected: {runs}, one a run, at every call index; none lost anything");
    assert!(runs > 10_000, "{runs}");
}

#[test]
fn a_fault_beside_segments_with_dictionaries_loses_nothing_either() {
    let options = options_with_dictionaries();
    let stride = if full() { 1 } else { 29 };
    let faults = |sequence: &&[Op]| all_faults(sequence, &options, TEXTS, stride);
    let runs = on_all_cores(&WITH_DICTIONARIES, faults).unwrap_or_else(|e| panic!("{e}"));
    println!("faults beside dictionaries: {runs}, none lost anything");
    assert!(runs > 100, "{runs}");
}

#[test]
fn a_failed_sync_poisons_the_writer_and_not_the_readers() {
    let disk = MemoryVfs::new();
    let faulty = FaultVfs::new(disk);
    let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
    let store = Store::create_in(vfs.clone(), ROOT, options(None)).unwrap();
    store.put(b"kept").unwrap();
    faulty.inject(faulty.call_count(), Fault::SyncLost, false);
    assert_eq!(store.put(b"lost").unwrap_err().kind(), ErrorKind::Io);
    for error in [
        store.put(b"more").unwrap_err(),
        store.sync().unwrap_err(),
        store.seal().unwrap_err(),
        store.bulk().unwrap_err(),
        store.delete(block_format::RecordId(0)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Poisoned);
        assert!(error.to_string().contains("syncing"), "says what failed: {error}");
    }
    assert_eq!(store.snapshot().records().count(), 1);
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Poisoned);
    let (store, _) = Store::open_in(vfs, ROOT, options(None)).unwrap();
    store.put(b"again").unwrap();
}

#[test]
fn a_full_disk_is_said_and_the_artifact_goes_on_when_there_is_space() {
    let faulty = FaultVfs::new(MemoryVfs::new());
    let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
    let store = Store::create_in(vfs.clone(), ROOT, options(None)).unwrap();
    store.put(b"one").unwrap();
    faulty.inject(0, Fault::NoSpace, true);
    let mut bulk = store.bulk().unwrap();
    bulk.put(&[1; 600]).unwrap();
    let error = bulk.finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull);
    assert!(error.to_string().contains("free some space, and open the artifact again if"), "{error}");
    faulty.heal();
    store.put(b"two").unwrap(); // a bulk commit that failed is no reason to stop
    faulty.inject(0, Fault::NoSpace, true);
    assert_eq!(store.put(b"three").unwrap_err().kind(), ErrorKind::DiskFull);
    drop(store);
    let again = Store::open_in(vfs.clone(), ROOT, options(None));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::DiskFull);
    let (reader, _) = Store::open_read_only_in(vfs.clone(), ROOT, options(None)).unwrap();
    assert_eq!(reader.snapshot().records().count(), 2);
    faulty.heal();
    let (store, _) = Store::open_in(vfs, ROOT, options(None)).unwrap();
    assert_eq!(store.snapshot().records().count(), 2);
}

#[test]
fn an_open_that_finds_no_space_leaves_no_log_behind() {
    let mut failed = 0;
    for call in 0..100 {
        let faulty = FaultVfs::new(MemoryVfs::new());
        let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
        let store = Store::create_in(vfs.clone(), ROOT, options(None)).unwrap();
        store.put(b"one").unwrap();
        faulty.inject(0, Fault::ShortWrite, true);
        assert_eq!(store.put(b"torn").unwrap_err().kind(), ErrorKind::DiskFull);
        drop(store);
        let files = |kind: &str| {
            let names = faulty.inner().list(ROOT.as_ref()).unwrap();
            names.into_iter().filter(|name| name.starts_with(kind)).collect::<Vec<_>>()
        };
        let (logs, manifests) = (files("log-"), files("manifest-"));
        faulty.inject(faulty.call_count() + call, Fault::NoSpace, false);
        let opened = Store::open_in(vfs.clone(), ROOT, options(None));
        faulty.heal();
        let failed_at = opened.as_ref().err().map(|e| e.path().unwrap().display().to_string());
        // A new manifest, or what is there of one, may name the new log.
        if failed_at.is_some_and(|path| !path.contains("manifest-")) && files("manifest-") == manifests {
            assert_eq!(files("log-"), logs, "call {call}");
            failed += 1;
        }
        drop(opened);
        let (store, _) = Store::open_in(vfs, ROOT, options(None)).unwrap();
        assert_eq!(store.snapshot().records().count(), 1);
    }
    assert!(failed > 3, "{failed}");
}

#[test]
fn a_manifest_that_finds_no_space_leaves_nothing_and_the_writer_goes_on() {
    let actions: [fn(&Store) -> block_format::Result<()>; 3] = [
        |store| store.seal().map(drop),
        |store| {
            let mut bulk = store.bulk()?;
            bulk.put(b"bulk")?;
            bulk.finish().map(drop)
        },
        Store::release,
    ];
    for (action, expected) in actions.into_iter().zip([2, 2, 1]) {
        for fault in [Fault::NoSpace, Fault::ShortWrite] {
            let mut failed = 0;
            for call in 0..100 {
                let disk = MemoryVfs::new();
                let faulty = FaultVfs::new(disk.clone());
                let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
                let store = Store::create_in(vfs.clone(), ROOT, options(None)).unwrap();
                store.put(b"one").unwrap();
                faulty.inject(faulty.call_count() + call, fault, fault == Fault::ShortWrite);
                let Err(e) = action(&store) else { continue };
                faulty.heal();
                assert_eq!(e.kind(), ErrorKind::DiskFull, "{e}");
                let name = e.path().unwrap().file_name().unwrap().to_string_lossy().into_owned();
                if !name.starts_with("manifest-")
                    || !name.ends_with("-0")
                    || e.to_string().contains("syncing")
                {
                    continue;
                }
                failed += 1;
                let files = |kind: &str| {
                    let names = vfs.list(ROOT.as_ref()).unwrap();
                    names.iter().filter(|name| name.starts_with(kind)).count()
                };
                assert_eq!((files("manifest-"), files("segment-")), (2, 0), "call {call}: {e}");
                store.put(b"two").unwrap();
                action(&store).unwrap();
                store.reacquire().unwrap();
                store.put(b"three").unwrap();
                let alive = store.snapshot().records().count();
                store.close().unwrap();
                for variant in CrashVariant::standard(call) {
                    let disk = disk.crash(disk.event_count(), variant);
                    let (store, _) = Store::open_in(Arc::new(disk), ROOT, options(None)).unwrap();
                    assert_eq!(store.snapshot().records().count(), alive, "call {call}");
                }
            }
            assert!(failed >= expected, "{failed} of {expected}: {fault:?}");
        }
    }
}

#[test]
fn an_open_that_finds_no_space_first_removes_what_no_generation_names() {
    let faulty = FaultVfs::new(MemoryVfs::new());
    let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
    let store = Store::create_in(vfs.clone(), ROOT, options(None)).unwrap();
    store.put(b"one").unwrap();
    drop(store);
    let segment = format!("{ROOT}/segment-{:016x}", 77);
    faulty.inner().write_file(&segment, vec![1; 1 << 20]);
    faulty.inject(0, Fault::NoSpace, true);
    let opened = Store::open_in(vfs.clone(), ROOT, options(None));
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::DiskFull);
    assert!(faulty.inner().read_file(&segment).is_none());
    faulty.heal();
    let (store, _) = Store::open_in(vfs, ROOT, options(None)).unwrap();
    assert_eq!(store.snapshot().records().count(), 1);
}

#[test]
fn read_only_media_can_be_read_and_say_so_when_written() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let store = Store::create_in(vfs.clone(), ROOT, options(None)).unwrap();
    store.put(b"one").unwrap();
    drop(store); // not even closed
    disk.set_read_only(true);
    assert_eq!(Store::open_in(vfs.clone(), ROOT, options(None)).unwrap_err().kind(), ErrorKind::ReadOnly);
    let events = disk.event_count();
    let (reader, _) = Store::open_read_only_in(vfs, ROOT, options(None)).unwrap();
    assert_eq!(reader.snapshot().records().count(), 1);
    assert!(!reader.refresh().unwrap());
    assert_eq!(disk.event_count(), events, "a reader writes nothing");
}
