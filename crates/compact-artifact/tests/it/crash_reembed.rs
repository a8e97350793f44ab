//! Power loss and failing calls at every event of a move to another model: every text is found by words and by the model that the artifact then has, the old one
//! or the new one, and calling `reembed` again ends the move.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use compact_artifact::vfs::{CrashVariant, Fault, FaultVfs, MemoryVfs, Vfs};
use compact_artifact::*;

use crate::toy::{GROUPS, Toy};

const ROOT: &str = "/a";

fn models() -> [Arc<Toy>; 2] {
    [Toy::of_dimension("old", 3), Toy::new("new")]
}

fn options() -> Options {
    Options::new().compression(Compression::None).maintenance(Maintenance::Manual).cache_bytes(0).seed(1)
}

/// Every text has the word `record`, and one that the models know.
fn record(i: usize) -> Record {
    Record::text(format!("record {i} of a {}", GROUPS[i % GROUPS.len()][0])).key(i.to_string())
}

/// What was called: how many events had happened, and how many records there were before and after.
struct Run {
    disk: MemoryVfs,
    marks: Vec<(usize, usize)>,
}

impl Run {
    /// Adds texts, moves half-way, adds another, moves, deletes one, seals and compacts.
    fn run(&mut self, vfs: &Arc<dyn Vfs>, texts: usize) -> Result<()> {
        let [old, new] = models();
        let mark = |marks: &mut Vec<_>, disk: &MemoryVfs, len| marks.push((disk.event_count(), len));
        let artifact = CompactArtifact::create_in(vfs.clone(), options().embedder(old), Path::new(ROOT))?;
        artifact.add_batch((0..texts).map(record))?;
        mark(&mut self.marks, &self.disk, texts);
        artifact.seal()?;
        artifact.upsert(record(0))?;
        let left = artifact.reembed_with(new.clone(), false, |_| ControlFlow::Break(()))?.left;
        assert_eq!(left, texts as u64);
        artifact.add(record(texts))?;
        mark(&mut self.marks, &self.disk, texts + 1);
        assert_eq!(artifact.reembed(new)?.left, 0);
        artifact.delete_key("1")?;
        artifact.seal()?;
        artifact.compact(64 << 20)?;
        artifact.close()
    }

    /// Opens what a crash left, judges it, and ends the move. Whether the artifact had moved.
    fn check(&self, events: usize, variant: CrashVariant) -> Result<bool, String> {
        let vfs: Arc<dyn Vfs> = Arc::new(self.disk.crash(events, variant));
        let open = |options: Options| {
            let opened = CompactArtifact::open_in(vfs.clone(), options, Path::new(ROOT));
            opened.map_err(|e| format!("open: {e}"))
        };
        let without = open(options())?;
        let model = without.spaces()[0].model().unwrap().id().to_owned();
        drop(without);
        let [old, new] = models();
        let is_moved = model == "new";
        let artifact = open(options().embedder(if is_moved { new.clone() } else { old }))?;
        if !artifact.recovery().damage.is_empty() {
            return Err(format!("damage is reported: {:?}", artifact.recovery().damage));
        }
        let found = whole(&artifact, &model)?;
        let (_, acknowledged) = *self.marks.iter().rev().find(|(at, _)| *at <= events).unwrap();
        // One more may have been added, and one deleted.
        if found.len() + 1 < acknowledged || found.len() > acknowledged + 1 {
            return Err(format!("{} records, acknowledged {acknowledged}", found.len()));
        }
        let report = artifact.reembed(new.clone()).map_err(|e| format!("again: {e}"))?;
        if report.left > 0 || whole(&artifact, "moved")? != found {
            return Err(format!("called again: {report:?}"));
        }
        artifact.compact(64 << 20).map_err(|e| format!("compact: {e}"))?;
        drop(artifact);
        let artifact = open(options().embedder(new))?;
        if whole(&artifact, "opened again")? != found {
            return Err("opened again, it is another".to_owned());
        }
        Ok(is_moved)
    }
}

/// The records, all of which are found by words and by meaning.
fn whole(artifact: &CompactArtifact, when: &str) -> Result<BTreeSet<RecordId>, String> {
    let found = |query: Query| -> Result<BTreeSet<RecordId>, String> {
        let results = artifact.search(&query.k(5_000)).map_err(|e| format!("{when}: {e}"))?;
        Ok(results.hits.iter().map(|hit| hit.id).collect())
    };
    let words = found(Query::words("record"))?;
    let meaning = found(Query::meaning("cat").exact(true))?;
    if words != meaning || words.len() as u64 != artifact.len() {
        let message = format!("{} by words, {} by meaning, {}", words.len(), meaning.len(), artifact.len());
        return Err(format!("{when}: {message}"));
    }
    let ruler = artifact.search(&Query::meaning("ruler").k(1)).map_err(|e| e.to_string())?;
    if ruler.hits[0].score < 0.99 {
        return Err(format!("{when}: the nearest is {:?}", ruler.hits));
    }
    Ok(words)
}

fn is_full() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|value| value == "full")
}

#[test]
fn a_move_that_is_interrupted_by_a_crash_loses_nothing_and_is_ended_by_calling_it_again() {
    // The second takes several commits.
    for (texts, dose) in [(8, 3), (2_100, 41)] {
        let disk = MemoryVfs::new();
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let mut run = Run { disk, marks: Vec::new() };
        run.run(&vfs, texts).unwrap();
        let (mut number, mut states, mut moved) = (0usize, 0, 0);
        for events in run.marks[0].0..=run.disk.event_count() {
            for variant in CrashVariant::standard(events as u64).into_iter().chain([CrashVariant::KILL]) {
                number += 1;
                if is_full() || number.is_multiple_of(dose) {
                    let checked = run.check(events, variant);
                    let is_moved = checked.unwrap_or_else(|e| panic!("{events} events, {variant:?}: {e}"));
                    (states, moved) = (states + 1, moved + usize::from(is_moved));
                }
            }
        }
        println!("{texts} texts: {states} crash states, {moved} of them by the new model");
        assert!(states >= 10 && moved > 0 && moved < states, "{states} {moved}");
    }
}

#[test]
fn a_move_in_which_a_call_fails_is_an_error_and_is_ended_by_calling_it_again() {
    let clean = FaultVfs::new(MemoryVfs::new());
    let vfs: Arc<dyn Vfs> = Arc::new(clean.clone());
    Run { disk: MemoryVfs::new(), marks: Vec::new() }.run(&vfs, 8).unwrap();
    let (mut runs, mut failed) = (0, 0);
    for (at, fault) in (0..clean.call_count())
        .flat_map(|at| [Fault::Io, Fault::NoSpace, Fault::SyncLost].map(|fault| (at, fault)))
    {
        if !is_full() && fault != Fault::Io && !(at + fault as u64).is_multiple_of(3) {
            continue;
        }
        let disk = MemoryVfs::new();
        let faulty = FaultVfs::new(disk.clone());
        faulty.inject(at, fault, false);
        let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
        let mut run = Run { disk, marks: Vec::new() };
        let result = run.run(&vfs, 8);
        faulty.heal();
        if let Err(e) = &result {
            let expected = [ErrorKind::Io, ErrorKind::DiskFull, ErrorKind::Poisoned];
            assert!(expected.contains(&e.kind()), "{fault:?} at call {at}: {:?}: {e}", e.kind());
            failed += 1;
        }
        // Before the texts were acknowledged, nothing could be lost.
        if !run.marks.is_empty() {
            let events = run.disk.event_count();
            run.check(events, CrashVariant::KILL).unwrap_or_else(|e| panic!("{fault:?} at call {at}: {e}"));
            runs += 1;
        }
    }
    println!("calls of a move that failed: {failed}; artifacts with texts judged behind it: {runs}");
    assert!(runs > 30 && failed > 30, "{runs} {failed}");
}
