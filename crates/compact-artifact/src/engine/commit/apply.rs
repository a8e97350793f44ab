//! Plans are committed: indexed, written, published.

use std::io::Read;
use std::sync::Arc;

use block_format::{CommitSeq, RecordId};
use roaring::RoaringTreemap;

use super::plan::{Plan, PlannedBatch, States};
use super::prepare::{Prepared, PreparedRecord};
use super::queue::{CommitState, Queue, ReceiptSlot};
use super::store_batch::StoreBatch;
use crate::api::batch::{Batch, Receipt};
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::options::Maintenance;
use crate::api::record::{Content, Record};
use crate::engine::core::Engine;
use crate::engine::policy;
use crate::format::record::encode_head;
use crate::shard::{Document, build, build_beside};
use crate::state::{State, View};
use crate::trace::{Work, event, figures, span, timed};

impl Engine {
    pub(crate) fn write(&self, batch: Batch) -> Result<Receipt> {
        let prepared = self.prepare(batch)?;
        self.commit_queued(&self.enqueue(prepared))
    }

    /// Checks a batch, quantizes its embeddings, and embeds its texts.
    pub(crate) fn prepare(&self, batch: Batch) -> Result<Prepared> {
        self.check_writable()?;
        let settings = self.state().settings.clone();
        let mut prepared = Prepared::new(batch, settings, self.options.durability, self.store.workers())?;
        prepared.embed_texts(&self.resources.meaning, self.store.workers())?;
        Ok(prepared)
    }

    /// Puts a batch behind all others that wait. They are committed in this order; whoever did this calls
    /// [`commit_queued`](Self::commit_queued) next.
    pub(crate) fn enqueue(&self, prepared: Prepared) -> Arc<ReceiptSlot> {
        let slot = Arc::new(ReceiptSlot::default());
        self.queue.lock().push((prepared, slot.clone()));
        slot
    }

    /// Commits all that wait, unless somebody else has committed the batch of this slot meanwhile.
    pub(crate) fn commit_queued(&self, slot: &ReceiptSlot) -> Result<Receipt> {
        let _permit = match self.permit() {
            Ok(permit) => permit,
            Err(e) => return self.withdraw(slot, e),
        };
        let (result, is_due) = self.commit_waiting(slot);
        if is_due && result.is_ok() {
            self.order_maintenance();
        }
        result
    }

    /// [`write`](Self::write), which leaves to the caller what is due afterwards. The caller has a permit.
    pub(in crate::engine) fn write_for_maintenance(&self, batch: Batch) -> Result<Receipt> {
        let slot = self.enqueue(self.prepare(batch)?);
        self.commit_waiting(&slot).0
    }

    /// Returns also whether maintenance is due.
    fn commit_waiting(&self, slot: &ReceiptSlot) -> (Result<Receipt>, bool) {
        let mut commits = timed(Work::Lock, || self.commit_lock.lock());
        if slot.is_empty() {
            let queue = std::mem::take(&mut *self.queue.lock());
            self.commit_all(&mut commits, queue);
        }
        let is_due = self.is_maintenance_due(&commits);
        drop(commits);
        (slot.take().unwrap_or_else(|| Err(Error::invalid("a batch that nobody committed"))), is_due)
    }

    /// Takes a batch out of the queue again that cannot be committed. Another thread may have committed it, or be at it, which the lock waits for.
    fn withdraw(&self, slot: &ReceiptSlot, e: Error) -> Result<Receipt> {
        let _no_commit = self.commit_lock.lock();
        self.queue.lock().retain(|(_, other)| !std::ptr::eq(Arc::as_ptr(other), slot));
        slot.take().unwrap_or(Err(e))
    }

    fn commit_all(&self, commits: &mut CommitState, queue: Queue) {
        let mut plan = Plan::default();
        let settings = self.state().settings.clone();
        for (mut prepared, slot) in queue {
            if let Err(e) = prepared.catch_up(&settings, &self.resources.meaning, self.store.workers()) {
                slot.fill(Err(e));
                continue;
            }
            if plan.conflicts(&prepared) {
                self.commit(commits, std::mem::take(&mut plan));
            }
            let depends_on_others = prepared.depends_on_others();
            if let Err(e) =
                plan.add(prepared, &slot, States { visible: &self.visible(), whole: &self.state() })
            {
                slot.fill(Err(e));
            }
            if depends_on_others {
                self.commit(commits, std::mem::take(&mut plan));
            }
        }
        self.commit(commits, plan);
    }

    /// Commits a plan, and tells all who wait for it.
    fn commit(&self, commits: &mut CommitState, mut plan: Plan) {
        let batches = std::mem::take(&mut plan.batches);
        if batches.is_empty() {
            return;
        }
        match self.try_commit(commits, &plan) {
            Ok((seq, ids)) => {
                for PlannedBatch { slot, places, deleted, updated } in batches {
                    let ids = places.into_iter().map(|place| ids[place]).collect();
                    slot.fill(Ok(Receipt { seq, ids, deleted, updated }));
                }
            }
            Err(e) => batches.iter().for_each(|batches| batches.slot.fill(Err(e.duplicate()))),
        }
    }

    /// Indexes, commits, publishes. Returns the ids of the puts.
    fn try_commit(&self, commits: &mut CommitState, plan: &Plan) -> Result<(CommitSeq, Vec<RecordId>)> {
        span!(DEBUG, "commit", records = plan.puts.len());
        let begun = figures::begin();
        let state = self.state();
        let written = StoreBatch::new(self.store.batch(), &state, plan)?;
        let puts = plan.puts.iter().zip(&written.ids).map(|(put, &id)| put.document(id));
        let reindexed = plan.changed().map(|(id, changed)| {
            let document = changed.document.as_document();
            let new = written.metadata_records.get(id).copied();
            Document { metadata_record: new.or(document.metadata_record), ..document }
        });
        let documents: Vec<Document<'_>> = reindexed.chain(puts).collect();
        let StoreBatch { batch, ids, superseded, covers, .. } = written;
        let compress =
            |in_pool| if in_pool { self.store.compress_in_pool(batch) } else { self.store.compress(batch) };
        let (shard, batch) = if covers.is_empty() {
            (None, compress(false))
        } else {
            let workers = self.store.workers();
            let (shard, batch) =
                build_beside(workers, &state.settings, covers, &documents, superseded, compress);
            (Some(shard?), batch)
        };

        let receipt = self.store.commit_compressed(batch?, plan.durability.unwrap_or_default())?;

        if !plan.deletes.is_empty() {
            self.remember_deleted(&state);
        }
        commits.log_bytes += plan.puts.iter().map(PreparedRecord::bytes).sum::<usize>() as u64;
        let mut next = State { records: self.store.snapshot(), ..(*state).clone() };
        next.mark_dead(&plan.deletes);
        if let Some(shard) = shard {
            next.push_tail(View::new(Arc::new(shard)), commits.sealed_below);
        }
        next.forget_lost(
            plan.changed().flat_map(|(&id, changed)| changed.removed().map(move |space| (space, id))),
        );
        commits.measure(&next);
        if policy::compact_at(&self.options).is_some() {
            let changed: Vec<RecordId> = plan.changed().map(|(&id, _)| id).collect();
            commits.reclaimable.count(&state, &plan.deletes, &changed);
        }
        self.publish(next);
        figures::committed(&begun);
        figures::sizes(self.path(), &self.state());
        event!(DEBUG, seq = receipt.seq.0, records = ids.len(), deleted = plan.deletes.len(), "commit");
        Ok((receipt.seq, ids))
    }

    pub(crate) fn add_reader(&self, mut record: Record, content: impl Read) -> Result<RecordId> {
        let _permit = self.permit()?;
        record.resolve_expiry(self.state().settings.expires_at.as_deref())?;
        if record.content != Content::Blob(Vec::new()) || !record.embeddings.is_empty() {
            let message = "expected a record without content and embeddings, an empty blob";
            return Err(Error::invalid(message));
        }
        let head = encode_head(&record)?;
        self.make_way_for(&record)?;
        let mut commits = timed(Work::Lock, || self.commit_lock.lock());
        let state = self.state();
        state.settings.check_metadata(record.metadata_map())?;
        if let Some(key) = &record.key
            && state.id_of_key(key)?.is_some()
        {
            let message = format!("there is a record with the key {key:?}; delete it first");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let id = state.records.next_id();
        let (key, metadata) = (record.key.as_deref(), record.metadata_map());
        record.fields.iter().try_for_each(|(name, _)| state.settings.field(name).map(drop))?;
        let fields = record.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let embeddings = Vec::new();
        let document = Document { id, key, metadata, metadata_record: None, text: None, fields, embeddings };
        let shard = build(&state.settings, id.0..id.0.saturating_add(1), &[document], RoaringTreemap::new())?;
        let inside = self.callers.enter();
        self.store.put_reader(head.as_slice().chain(content), self.options.durability)?;
        drop(inside);
        // From here on the record is there, whatever fails.
        let mut next = State { records: self.store.snapshot(), ..(*state).clone() };
        next.push_tail(View::new(Arc::new(shard)), commits.sealed_below);
        // Its frames stay as they are when it is sealed; their length in the log counts.
        commits.log_bytes += next.records.get(id).ok().flatten().map_or(0, |record| record.len());
        commits.measure(&next);
        self.publish(next);
        let is_due = self.is_maintenance_due(&commits);
        drop(commits);
        if is_due {
            self.order_maintenance();
        }
        Ok(id)
    }

    /// Deletes the record with the key of another one, if it expired.
    fn make_way_for(&self, record: &Record) -> Result<()> {
        let Some(key) = &record.key else { return Ok(()) };
        match self.state().id_of_key(key)? {
            Some(id) if self.visible().locate(id).is_none() => self.write(Batch::new().delete(id)).map(drop),
            _ => Ok(()),
        }
    }

    /// Has what is due sealed, by whom the options say.
    fn order_maintenance(&self) {
        match self.options.maintenance {
            Maintenance::Inline => self.maintain(),
            Maintenance::Background => self.signal.wake(),
            Maintenance::Manual => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::CompactArtifact;

    fn locked() -> Error {
        Error::new(ErrorKind::Locked, "another process writes")
    }

    fn batch(key: &str) -> Batch {
        Batch::new().add(Record::text("a text").key(key))
    }

    #[test]
    fn a_batch_that_is_withdrawn_is_committed_by_nobody_and_one_that_was_committed_is_told_so() {
        let temp = tempfile::tempdir().unwrap();
        let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
        let engine = &artifact.engine;
        let enqueue = |key: &str| engine.enqueue(engine.prepare(batch(key)).unwrap());
        let (withdrawn, other) = (enqueue("withdrawn"), enqueue("other"));
        assert_eq!(engine.withdraw(&withdrawn, locked()).unwrap_err().kind(), ErrorKind::Locked);
        let mine = enqueue("mine");
        engine.commit_queued(&other).unwrap(); // commits all that wait
        let receipt = engine.withdraw(&mine, locked()).unwrap();
        assert_eq!(artifact.id_of_key("mine").unwrap(), Some(receipt.ids[0]));
        assert_eq!(artifact.id_of_key("withdrawn").unwrap(), None);
        assert_eq!(artifact.len(), 2);
    }

    #[test]
    fn a_batch_that_was_prepared_before_a_schema_was_set_is_checked_by_that() {
        let temp = tempfile::tempdir().unwrap();
        let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
        let engine = &artifact.engine;
        let prepared = engine.prepare(batch("early")).unwrap();
        artifact.set_schema(crate::Schema::new().required("year", crate::FieldType::Number)).unwrap();
        let refused = engine.commit_queued(&engine.enqueue(prepared)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::SchemaViolation);
        assert!(artifact.is_empty());
    }

    #[test]
    fn a_batch_that_is_withdrawn_while_another_thread_commits_is_there_exactly_if_its_caller_is_told_so() {
        let temp = tempfile::tempdir().unwrap();
        let artifact = CompactArtifact::options()
            .durability(block_format::Durability::Buffered)
            .create(temp.path().join("a"))
            .unwrap();
        let engine = &artifact.engine;
        let is_over = AtomicBool::new(false);
        let (mut told, mut refused) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| {
            let committer = scope.spawn(|| {
                let mut commits = 0;
                while !is_over.load(Ordering::Relaxed) {
                    artifact.add(Record::text("a text of the committer")).unwrap();
                    commits += 1;
                }
                commits
            });
            for i in 0.. {
                let key = i.to_string();
                let slot = engine.enqueue(engine.prepare(batch(&key)).unwrap());
                if i % 3 == 0 {
                    std::thread::yield_now();
                }
                match engine.withdraw(&slot, locked()) {
                    Ok(receipt) => told.push((key, receipt.ids[0])),
                    Err(_) => refused.push(key),
                }
                // Both happened, often enough.
                if told.len() >= 20 && refused.len() >= 20 || i == 100_000 {
                    break;
                }
            }
            is_over.store(true, Ordering::Relaxed);
            let commits: u64 = committer.join().unwrap();
            assert_eq!(artifact.len(), commits + told.len() as u64);
        });
        for (key, id) in &told {
            assert_eq!(artifact.id_of_key(key).unwrap(), Some(*id));
        }
        assert!(refused.iter().all(|key| artifact.id_of_key(key).unwrap().is_none()));
        assert!(!told.is_empty() && !refused.is_empty(), "{} {}", told.len(), refused.len());
    }
}
