//! Power loss at every event of every short sequence, in every way of the model: what is found is the state of a commit
//! between the last acknowledged and the last begun.
//!
//! `CAMPAIGN=full cargo test --release -p block-format --test it crash -- --nocapture` runs all states.

use std::sync::Arc;

use block_format::vfs::{CrashVariant, MemoryVfs, Vfs};
use block_format::{Compression, Options, Step};

use crate::campaign::{Op, Random, Run, full, on_all_cores, options, sequences};
use crate::dictionaries::dictionaries;

fn recorded(sequence: &[Op], options: &Options, texts: u64) -> Result<Run, String> {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut run = Run::new(disk);
    run.texts = texts;
    run.run(&vfs, options, sequence, &mut None).map_err(|e| format!("{sequence:?} without a crash: {e}"))?;
    Ok(run)
}

/// Every `stride`-th state of a sequence.
fn crash_states(sequence: &[Op], options: &Options, stride: u64) -> Result<u64, String> {
    crash_states_of(&recorded(sequence, options, 0)?, sequence, options, stride)
}

fn crash_states_of(run: &Run, sequence: &[Op], options: &Options, stride: u64) -> Result<u64, String> {
    let (mut states, mut number) = (0, sequence.iter().fold(0, |n, op| n * 10 + *op as u64));
    for events in 0..=run.vfs.event_count() {
        for variant in CrashVariant::standard(events as u64).into_iter().chain([CrashVariant::KILL]) {
            number += 1;
            if number % stride == 0 {
                let checked = run.check(options, events, variant);
                checked.map_err(|e| format!("{sequence:?}, after {events} events, {variant:?}: {e}"))?;
                states += 1;
            }
        }
    }
    Ok(states)
}

/// A crash at every event of the recovery from a sample of crashes, and one more inside that recovery.
fn crashes_in_recovery(sequence: &[Op], options: &Options, samples: u64) -> Result<u64, String> {
    let run = recorded(sequence, options, 0)?;
    let mut random = Random(sequence.iter().fold(7, |n, op| n * 31 + *op as u64));
    let mut states = 0;
    for _ in 0..samples {
        let events = random.below(run.vfs.event_count() as u64 + 1) as usize;
        let variants = CrashVariant::standard(random.below(1 << 20));
        let first = variants[random.below(16) as usize];
        let disk = run.vfs.crash(events, first);
        drop(run.recover(&disk, options, events, false));
        let where_ = |inside: usize, second: CrashVariant| {
            format!(
                "{sequence:?}, after {events} events, {first:?}, then after {inside} of recovery, {second:?}"
            )
        };
        for inside in 0..=disk.event_count() {
            let second = variants[random.below(16) as usize];
            let again = disk.crash(inside, second);
            let recovered = run.recover(&again, options, events, false);
            drop(recovered.map_err(|e| format!("{}: {e}", where_(inside, second)))?);
            let inside_again = random.below(again.event_count() as u64 + 1) as usize;
            let third = variants[random.below(16) as usize];
            let last = again.crash(inside_again, third);
            let recovered = run.recover(&last, options, events, false);
            drop(recovered.map_err(|e| format!("{}, then {third:?}: {e}", where_(inside, second)))?);
            states += 2;
        }
    }
    Ok(states)
}

/// The campaign at a dose, with a step left out or none.
pub(crate) fn campaign(left_out: Option<Step>, len: usize, stride: u64) -> Result<u64, String> {
    let options = options(left_out);
    on_all_cores(&sequences(len), |sequence| crash_states(sequence, &options, stride))
}

#[test]
fn every_crash_leaves_the_state_of_an_allowed_commit() {
    let (len, stride) = if full() { (4, 1) } else { (3, 2) };
    let states = campaign(None, len, stride).unwrap_or_else(|e| panic!("{e}"));
    println!("crash states: {states} of sequences up to {len} operations, none lost anything");
    assert!(states > 10_000, "{states}");
}

/// Sequences in which segments with dictionaries are written, rewritten and removed.
pub(crate) const WITH_DICTIONARIES: [&[Op]; 4] = [
    &[Op::Put, Op::Seal, Op::Put, Op::Delete, Op::Rewrite],
    &[Op::Put, Op::Seal, Op::Put, Op::Seal, Op::Rewrite, Op::Delete, Op::Rewrite],
    &[Op::Put, Op::Edit, Op::Kill, Op::Rewrite],
    &[Op::Put, Op::Bulk, Op::Put, Op::Seal, Op::Reopen, Op::Rewrite],
];

pub(crate) const TEXTS: u64 = 800;

pub(crate) fn options_with_dictionaries() -> Options {
    options(None).compression(Compression::Zstd(1)).block_len(8 << 10)
}

#[test]
fn crashes_beside_segments_with_dictionaries_lose_nothing_either() {
    let options = options_with_dictionaries();
    let stride = if full() { 1 } else { 17 };
    let states = on_all_cores(&WITH_DICTIONARIES, |sequence| {
        let run = recorded(sequence, &options, TEXTS)?;
        assert!(dictionaries(&run.vfs) > 0, "{sequence:?}");
        crash_states_of(&run, sequence, &options, stride)
    });
    let states = states.unwrap_or_else(|e| panic!("{e}"));
    println!("crash states beside dictionaries: {states}, none lost anything");
    assert!(states > 300, "{states}");
}

#[test]
fn crashes_inside_recovery_lose_nothing_either() {
    let options = options(None);
    let samples = if full() { 12 } else { 2 };
    let chosen = sequences(3);
    let states = on_all_cores(&chosen, |sequence| crashes_in_recovery(sequence, &options, samples));
    let states = states.unwrap_or_else(|e| panic!("{e}"));
    println!("crash states inside recovery, one and two deep: {states}, none lost anything");
    assert!(states > 10_000, "{states}");
}
