//! A reader sees what was committed since: it reads the log on from where it ended, and opens what a new generation brought.

use std::sync::Arc;

use super::history::{History, Since};
use super::load::{Known, Loaded, continue_log, is_in_place, load_beside_writer};
use super::read::Snapshot;
use super::state::{Sealed, State, Store, Written};
use crate::directory::Directory;
use crate::error::Result;
use crate::file::FileName;
use crate::id::CommitSeq;
use crate::part::Part;
use crate::ranges::RangeReader;

impl Store {
    /// Sees what was committed since this reader opened the artifact or called this; for a writer there is nothing to
    /// do. Returns whether anything changed.
    ///
    /// It lists the directory, and reads what is new: the end of the log, and where the generation is another one, its manifest and the files that it did not know.
    ///
    /// Where another directory is at the path, with another artifact or a copy of this one, nothing changes, and the error has the kind
    /// [`Foreign`](crate::ErrorKind::Foreign), as far as the file system tells directories apart; where a commit that was read before is not there any more, [`Damaged`](crate::ErrorKind::Damaged).
    pub fn refresh(&self) -> Result<bool> {
        if self.directory.is_locked() {
            return Ok(false);
        }
        let _one_at_a_time = self.maintenance.lock();
        self.directory.check_place()?;
        if let Some(has_changed) = self.follow_log() {
            return Ok(has_changed);
        }
        let Directory { vfs, root, options, .. } = &self.directory;
        let Loaded { manifest, sealed, active, history, .. } =
            load_beside_writer(vfs, root, options, Some(&self.known()))?;
        let has_changed = manifest.generation != self.catalog.lock().generation;
        *self.catalog.lock() = manifest;
        Ok(self.see(active.written(), Some(Arc::new(sealed)), history) || has_changed)
    }

    /// What happened between commit `seq` and a snapshot of this store. `None`: that was too long ago to say.
    ///
    /// The commits of the log are known, and those that this store wrote or read since it was opened, some ten thousand of them.
    pub fn since(&self, seq: CommitSeq, until: &Snapshot) -> Option<Since> {
        self.history.lock().since(seq.0, until.seq().0)
    }

    /// What reads the artifact by ranges, if that is how it is read.
    pub fn ranges(&self) -> Option<&RangeReader> {
        self.as_pack()?.ranges()
    }

    /// Where the artifact is read by ranges and half of what may be kept was kept since this was last done: lets go of what was kept before that. Later snapshots fetch
    /// what they need of it again; earlier ones keep what they have. Returns whether it did.
    pub fn let_go_of_ranges(&self) -> bool {
        let Some(reader) = self.ranges().filter(|reader| reader.is_full()) else { return false };
        let _one_at_a_time = self.maintenance.lock();
        if !reader.is_full() {
            return false;
        }
        reader.begin_round();
        let mut published = self.published.write();
        let State { seq, next_id, sealed, tail } = &**published;
        let renewed = |part: &Arc<Part>| part.renewed().map_or_else(|| part.clone(), Arc::new);
        let parts = sealed.parts.iter().map(renewed).collect();
        let Sealed { segments, frozen, deletes, .. } = &**sealed;
        let (segments, frozen, deletes) = (segments.clone(), frozen.clone(), deletes.clone());
        let sealed = Arc::new(Sealed { segments, frozen, parts, deletes });
        *published = Arc::new(State { seq: *seq, next_id: *next_id, sealed, tail: tail.clone() });
        true
    }

    /// What this store has open.
    pub(super) fn known(&self) -> Known {
        let published = self.published.read().clone();
        Known {
            place: self.directory.place.clone(),
            manifest: self.catalog.lock().clone(),
            cache: self.directory.cache.clone(),
            sealed: published.sealed.clone(),
            tail: published.tail.clone(),
            position: *self.position.lock(),
        }
    }

    /// Reads the log on. `None` where the generation is another one, or where more is to be said about the log.
    fn follow_log(&self) -> Option<bool> {
        let names = self.directory.vfs.list(&self.directory.root).ok()?;
        let generations = names.iter().filter_map(|name| match FileName::parse(name)? {
            FileName::Manifest { generation, .. } => Some(generation),
            _ => None,
        });
        let (generation, entry) = {
            let catalog = self.catalog.lock();
            (catalog.generation, *catalog.logs.last()?)
        };
        if generations.max()? != generation {
            return None;
        }
        let (tail, position) = (self.published.read().tail.clone(), *self.position.lock());
        if tail.index.id != entry.file || !is_in_place(&self.directory, &tail).ok()? {
            return None;
        }
        let log = continue_log(&self.directory, entry, true, &tail, position)?;
        let history = History::from_scan(&log.scan);
        Some(self.see(log.written(), None, history))
    }

    /// Makes visible what was read. Returns whether there is a newer commit.
    fn see(&self, written: Written, sealed: Option<Arc<Sealed>>, history: History) -> bool {
        let Written { committed, tail } = written;
        self.history.lock().join(history);
        *self.position.lock() = committed;
        let mut published = self.published.write();
        let has_changed = published.seq != committed.seq;
        let sealed = sealed.unwrap_or_else(|| published.sealed.clone());
        self.retired.add(published.sealed.files(), &sealed.files());
        *published = Arc::new(State { seq: committed.seq, next_id: committed.next_id, sealed, tail });
        has_changed
    }
}
