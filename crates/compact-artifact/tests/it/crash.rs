//! Power loss and failing calls at every event of short sequences of calls, sealing and compacting included: what was acknowledged is
//! there, batches are whole, and what is there is found by key, by words, by metadata and by vector; also after compacting and opening once more.
//!
//! `CAMPAIGN=full cargo test --release -p compact-artifact --test it crash:: -- --nocapture` runs all states.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use compact_artifact::vfs::{CrashVariant, Fault, FaultVfs, MemoryVfs, Vfs};
use compact_artifact::{CompactArtifact, ErrorKind};

use crate::crash_model::{ROOT, state_of};
use crate::crash_run::{Op, Run, sequences};

/// Opens what a crash left, and judges it.
fn check(run: &Run, events: usize, variant: CrashVariant) -> Result<(), String> {
    let disk = run.disk.crash(events, variant);
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let open = || CompactArtifact::open_in(vfs.clone(), run.clock.options(), Path::new(ROOT));
    let artifact = match open() {
        Ok(artifact) => artifact,
        Err(e) if events < run.exists_from && e.kind() == ErrorKind::NotFound => return Ok(()),
        // A creation that failed, on a disk on which undoing it failed as well: nothing was there to lose.
        Err(e) if run.exists_from == usize::MAX && e.kind() == ErrorKind::Damaged => return Ok(()),
        Err(e) => return Err(format!("open: {e}")),
    };
    let found = state_of(&artifact)?;
    let allowed = run.allowed(events);
    // Of an artifact whose creation was interrupted the settings may be missing.
    let is_new = events < run.exists_from && found.records.is_empty();
    if !is_new && !allowed.contains(&found) {
        return Err(format!("found {found:?}, expected one of {allowed:?}"));
    }
    if !artifact.recovery().damage.is_empty() {
        return Err(format!("damage is reported: {:?}", artifact.recovery().damage));
    }
    artifact.compact(8 << 20).map_err(|e| format!("compact: {e}"))?;
    let compacted = state_of(&artifact).map_err(|e| format!("compacted: {e}"))?;
    drop(artifact);
    let again =
        state_of(&open().map_err(|e| format!("open again: {e}"))?).map_err(|e| format!("again: {e}"))?;
    if compacted != found || again != found {
        return Err(format!("found {found:?}, compacted {compacted:?}, opened again {again:?}"));
    }
    Ok(())
}

fn full() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|value| value == "full")
}

/// All sequences of up to three calls, or a part of them.
fn dose(every: usize) -> Vec<Vec<Op>> {
    sequences(3).into_iter().step_by(if full() { 1 } else { every }).collect()
}

fn on_all_cores(sequences: &[Vec<Op>], judge: impl Fn(&[Op]) -> Result<u64, String> + Sync) -> u64 {
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            threads.spawn(|| {
                while let Some(sequence) = sequences.get(next.fetch_add(1, Ordering::Relaxed)) {
                    total.fetch_add(
                        judge(sequence).unwrap_or_else(|e| panic!("{sequence:?}: {e}")),
                        Ordering::Relaxed,
                    );
                }
            });
        }
    });
    total.into_inner()
}

/// Runs a sequence, and judges every `stride`-th state that a crash may leave of it; `counter` goes on from sequence to sequence.
fn crash_everywhere(sequence: &[Op], counter: &AtomicU64, stride: u64) -> Result<u64, String> {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut run = Run::new(disk);
    run.run(&vfs, sequence, true).map_err(|e| format!("without a crash: {e}"))?;
    let mut states = 0;
    for events in 0..=run.disk.event_count() {
        for variant in CrashVariant::standard(events as u64).into_iter().chain([CrashVariant::KILL]) {
            if counter.fetch_add(1, Ordering::Relaxed).is_multiple_of(stride) {
                check(&run, events, variant)
                    .map_err(|e| format!("after {events} events, {variant:?}: {e}"))?;
                states += 1;
            }
        }
    }
    Ok(states)
}

#[test]
fn every_crash_leaves_a_commit_that_every_search_agrees_on() {
    let stride = if full() { 1 } else { 23 };
    let counter = AtomicU64::new(0);
    let states = on_all_cores(&dose(9), |sequence| crash_everywhere(sequence, &counter, stride));
    println!("crash states of the facade: {states}, none lost anything");
    assert!(states > 5_000, "{states}");
}

/// Commits that are not synced, and then another name for the space, or none.
#[test]
pub(crate) fn settings_that_change_rest_on_nothing_that_is_not_on_disk() {
    for op in [Op::Rename, Op::DropSpace] {
        crash_everywhere(&[Op::Batch, Op::CompactBeside, op], &AtomicU64::new(0), 3).unwrap();
    }
}

#[test]
fn a_fault_at_any_call_is_an_error_and_loses_nothing_acknowledged() {
    let stride = if full() { 1 } else { 41 };
    let counter = AtomicU64::new(0);
    let faults = [Fault::Io, Fault::NoSpace, Fault::ShortWrite, Fault::SyncLost];
    let runs = on_all_cores(&dose(11), |sequence| {
        let clean = FaultVfs::new(MemoryVfs::new());
        let vfs: Arc<dyn Vfs> = Arc::new(clean.clone());
        Run::new(MemoryVfs::new()).run(&vfs, sequence, false).map_err(|e| format!("without a fault: {e}"))?;
        let mut runs = 0;
        for (at, fault) in (0..clean.call_count()).flat_map(|at| faults.map(|fault| (at, fault))) {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            if !number.is_multiple_of(stride) {
                continue;
            }
            let disk = MemoryVfs::new();
            let faulty = FaultVfs::new(disk.clone());
            faulty.inject(at, fault, number.is_multiple_of(2));
            let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
            let mut run = Run::new(disk);
            let result = run.run(&vfs, sequence, false);
            faulty.heal();
            if let Err(e) = result {
                let expected = [ErrorKind::Io, ErrorKind::DiskFull, ErrorKind::Poisoned];
                if !expected.contains(&e.kind()) {
                    return Err(format!("{fault:?} at call {at}: {:?}: {e}", e.kind()));
                }
            }
            let variants = CrashVariant::standard(at);
            for variant in [variants[(number % 16) as usize], CrashVariant::KILL] {
                let events = run.disk.event_count();
                check(&run, events, variant)
                    .map_err(|e| format!("{fault:?} at call {at}, then {variant:?}: {e}"))?;
            }
            runs += 1;
        }
        Ok(runs)
    });
    println!("faults injected into the facade: {runs}, none lost anything");
    assert!(runs > 500, "{runs}");
}
