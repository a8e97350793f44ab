//! Power loss and failing calls at every event while texts get another language: every text is found by the words of the language that the artifact then has, the old
//! one or the new one, and calling it again ends the change.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use compact_artifact::vfs::{CrashVariant, Fault, FaultVfs, MemoryVfs, Vfs};
use compact_artifact::*;
use serde_json::json;

const ROOT: &str = "/a";

fn options() -> Options {
    let space = SpaceOptions::new(2, Metric::L2);
    let options = Options::new().compression(Compression::None).maintenance(Maintenance::Manual);
    options.cache_bytes(0).seed(1).space("v", space)
}

/// Every text has a word that only stems of German unite with `Haus`, and one that only those of English unite with `connection`.
fn record(i: usize) -> Record {
    let text = format!("Häuser connected number{i}");
    Record::text(text).key(i.to_string()).metadata(json!({"i": i})).embedding("v", [i as f32, 1.0])
}

/// What was called: how many events had happened, and how many records there were.
struct Run {
    disk: MemoryVfs,
    marks: Vec<(usize, usize)>,
}

impl Run {
    /// Adds texts, some of which are sealed, changes the language while others are added, then deletes, seals and compacts.
    fn run(&mut self, vfs: &Arc<dyn Vfs>, texts: usize) -> Result<()> {
        let artifact = CompactArtifact::create_in(vfs.clone(), options(), Path::new(ROOT))?;
        let mark = |marks: &mut Vec<_>, disk: &MemoryVfs, len| marks.push((disk.event_count(), len));
        artifact.add_batch((0..texts / 2).map(record))?;
        artifact.seal()?;
        artifact.add_batch((texts / 2..texts).map(record))?;
        artifact.upsert(record(0))?;
        artifact.update_key("2", json!({"changed": true}))?;
        mark(&mut self.marks, &self.disk, texts);
        let mut added = Ok(RecordId(0));
        let mut is_first = true;
        artifact.set_text_options_with(TextOptions::new().language(Language::German), |_| {
            if std::mem::take(&mut is_first) {
                added = artifact.add(record(texts));
            }
            std::ops::ControlFlow::Continue(())
        })?;
        added?;
        mark(&mut self.marks, &self.disk, texts + 1);
        artifact.delete_key("1")?;
        artifact.seal()?;
        artifact.compact(64 << 20)?;
        artifact.close()
    }

    /// Opens what a crash left, judges it, and ends the change. Whether it was made.
    fn check(&self, events: usize, variant: CrashVariant) -> Result<bool, String> {
        let vfs: Arc<dyn Vfs> = Arc::new(self.disk.crash(events, variant));
        let open = || {
            let opened = CompactArtifact::open_in(vfs.clone(), options(), Path::new(ROOT));
            opened.map_err(|e| format!("open: {e}"))
        };
        let artifact = open()?;
        if !artifact.recovery().damage.is_empty() {
            return Err(format!("damage is reported: {:?}", artifact.recovery().damage));
        }
        let is_changed = artifact.language() == Some(Language::German);
        let found = whole(&artifact, "opened")?;
        let (_, acknowledged) = *self.marks.iter().rev().find(|(at, _)| *at <= events).unwrap();
        // One more may have been added, and one deleted.
        if found.len() + 1 < acknowledged || found.len() > acknowledged + 1 {
            return Err(format!("{} records, acknowledged {acknowledged}", found.len()));
        }
        let report = artifact.set_language(Language::German).map_err(|e| format!("again: {e}"))?;
        if report.left > 0 || report.damaged > 0 || whole(&artifact, "changed")? != found {
            return Err(format!("called again: {report:?}"));
        }
        artifact.compact(64 << 20).map_err(|e| format!("compact: {e}"))?;
        drop(artifact);
        if whole(&open()?, "opened again")? != found {
            return Err("opened again, it is another".to_owned());
        }
        Ok(is_changed)
    }
}

/// The records, all of which are found by the words of the language that the artifact has and of no other, by metadata and by vectors.
fn whole(artifact: &CompactArtifact, when: &str) -> Result<BTreeSet<RecordId>, String> {
    let found = |query: Query| -> Result<BTreeSet<RecordId>, String> {
        let results = artifact.search(&query.k(5_000)).map_err(|e| format!("{when}: {e}"))?;
        Ok(results.hits.iter().map(|hit| hit.id).collect())
    };
    let (in_german, in_english) = (found(Query::words("Haus"))?, found(Query::words("connection"))?);
    let (words, others) = match artifact.language() {
        Some(Language::German) => (in_german, in_english),
        _ => (in_english, in_german),
    };
    let metadata = found(Query::new().filter(Filter::field("i").gte(0)))?;
    let vectors = found(Query::vector("v", [0.0, 1.0]).exact(true))?;
    let is_whole = words == metadata && words == vectors && words.len() as u64 == artifact.len();
    if !is_whole || !others.is_empty() {
        let (words, metadata, vectors) = (words.len(), metadata.len(), vectors.len());
        let others = others.len();
        return Err(format!(
            "{when}: {words} by words, {metadata} by metadata, {vectors} by vectors, {others} by others"
        ));
    }
    Ok(words)
}

fn is_full() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|value| value == "full")
}

#[test]
fn a_change_of_language_that_is_interrupted_by_a_crash_loses_nothing_and_is_ended_by_calling_it_again() {
    for (texts, dose) in [(8, 3), (700, 23)] {
        let disk = MemoryVfs::new();
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let mut run = Run { disk, marks: Vec::new() };
        run.run(&vfs, texts).unwrap();
        let (mut number, mut states, mut changed) = (0usize, 0, 0);
        for events in run.marks[0].0..=run.disk.event_count() {
            for variant in CrashVariant::standard(events as u64).into_iter().chain([CrashVariant::KILL]) {
                number += 1;
                if is_full() || number.is_multiple_of(dose) {
                    let checked = run.check(events, variant);
                    let is_changed = checked.unwrap_or_else(|e| panic!("{events} events, {variant:?}: {e}"));
                    (states, changed) = (states + 1, changed + usize::from(is_changed));
                }
            }
        }
        println!("{texts} texts: {states} crash states, {changed} of them in the new language");
        assert!(states >= 10 && changed > 0 && changed < states, "{states} {changed}");
    }
}

#[test]
fn a_change_of_language_in_which_a_call_fails_is_an_error_and_is_ended_by_calling_it_again() {
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
    println!("calls of a change that failed: {failed}; artifacts with texts judged behind it: {runs}");
    assert!(runs > 30 && failed > 30, "{runs} {failed}");
}
