//! Files that were written → the next generation: named by a manifest, visible to readers, in the place of those they replace.

use std::sync::Arc;

use roaring::RoaringTreemap;

use super::state::{Sealed, State, Store, Writer};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::manifest::Checkpoint;
use crate::part::{Part, SealedPart};
use crate::protocol::Step;
use crate::segment::{SealedFile, Segment};
use crate::source::Source;

/// Files that come and go with a generation.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) segments: Vec<SealedFile>,
    pub(super) parts: Vec<SealedPart>,
    pub(super) dropped: Vec<FileName>,
    /// The deleted ids of the next generation, if they change.
    pub(super) deletes: Option<RoaringTreemap>,
    /// The state of the artifact behind segments that did not come from the log.
    pub(super) state: Option<Checkpoint>,
}

impl Changes {
    /// Whether a file is not in the next generation.
    pub(super) fn drops(&self, name: FileName) -> bool {
        self.dropped.contains(&name)
    }

    /// Removes the files that come with a generation that there will not be.
    pub(super) fn remove_new_files(&self, directory: &Directory) {
        let segments = self.segments.iter().map(|sealed| FileName::Segment(sealed.entry.file));
        let parts = self.parts.iter().map(|sealed| FileName::Part(sealed.entry.file));
        segments.chain(parts).for_each(|name| directory.remove(name));
    }
}

impl Store {
    /// Writes a generation with `changes`, makes it visible, and removes what it replaces. With the writer's lock held,
    /// `writer` is it; then the changes may bring a new state of the artifact.
    pub(super) fn publish_changes(&self, changes: Changes, writer: Option<&mut Writer>) -> Result<()> {
        let remove = |_: &Error| changes.remove_new_files(&self.directory);
        self.directory.sync_names(Step::SyncNewNames).inspect_err(remove)?;
        let opened = self.open_new_files(&changes).inspect_err(remove)?;
        let mut catalog = self.catalog.lock();
        let mut manifest = catalog.clone();
        manifest.segments.retain(|entry| !changes.drops(FileName::Segment(entry.file)));
        manifest.segments.extend(changes.segments.iter().map(|sealed| sealed.entry));
        manifest.segments.sort_by_key(|entry| entry.first_id);
        manifest.parts.retain(|entry| !changes.drops(FileName::Part(entry.file)));
        manifest.parts.extend(changes.parts.iter().map(|sealed| sealed.entry));
        manifest.logs.retain(|entry| !changes.drops(FileName::Log(entry.file)));
        if let (Some(state), Some(last)) = (changes.state, manifest.logs.last_mut()) {
            last.checkpoint = Checkpoint { len: last.checkpoint.len, chain: last.checkpoint.chain, ..state };
        }
        manifest.check_len(0).inspect_err(remove)?; // before anything is written, so that the writer can go on
        let active = manifest.logs.last().map(|entry| entry.checkpoint);
        if let Err(failed) = self.directory.write_generation(&mut catalog, manifest) {
            drop(catalog);
            if failed.left_nothing {
                remove(&failed.error);
            }
            return Err(match writer {
                Some(writer) => self.fail_unless_unwritten(writer, failed),
                None => match self.writer.lock().as_mut() {
                    Some(writer) => self.fail_unless_unwritten(writer, failed),
                    None => failed.error,
                },
            });
        }
        if let (Some(writer), Some(_), Some(checkpoint)) = (writer, changes.state, active) {
            writer.log.restart_at(checkpoint);
            self.history.lock().push(checkpoint.seq, checkpoint.next_id, &[]);
            self.synced(checkpoint.seq);
        }
        self.publish_files(&changes, opened);
        drop(catalog);
        changes.dropped.iter().for_each(|&name| self.directory.remove(name));
        Ok(())
    }

    /// The new segments and parts, opened for readers.
    fn open_new_files(&self, changes: &Changes) -> Result<(Vec<Arc<Segment>>, Vec<Arc<Part>>)> {
        let directory = &self.directory;
        let map = directory.options.memory_mapping;
        let segments = changes.segments.iter().map(|SealedFile { entry, file }| {
            let source =
                Source::sealed(&directory.path(FileName::Segment(entry.file)), entry.len, file.clone(), map);
            Segment::open(directory.block_file(entry.file, source), directory.artifact, *entry).map(Arc::new)
        });
        let segments = segments.collect::<Result<_>>()?;
        let parts = changes.parts.iter().map(|SealedPart { entry, file }| {
            let source =
                Source::sealed(&directory.path(FileName::Part(entry.file)), entry.len, file.clone(), map);
            Part::open(source, directory.binding(entry.file), *entry, directory.options.steps).map(Arc::new)
        });
        Ok((segments, parts.collect::<Result<_>>()?))
    }

    /// Readers see the new files from now on, and no longer those that are dropped.
    fn publish_files(
        &self,
        changes: &Changes,
        (new_segments, new_parts): (Vec<Arc<Segment>>, Vec<Arc<Part>>),
    ) {
        let mut published = self.published.write();
        let old = &published.sealed;
        let kept = |name: FileName| !changes.drops(name);
        let segments = old.segments.iter().filter(|segment| kept(FileName::Segment(segment.entry.file)));
        let mut segments: Vec<_> = segments.cloned().chain(new_segments).collect();
        segments.sort_by_key(|segment| segment.entry.first_id);
        let parts = old.parts.iter().filter(|part| kept(FileName::Part(part.entry.file)));
        let sealed = Sealed {
            segments,
            frozen: old.frozen.iter().filter(|log| kept(FileName::Log(log.index.id))).cloned().collect(),
            parts: parts.cloned().chain(new_parts).collect(),
            deletes: changes.deletes.clone().map_or_else(|| old.deletes.clone(), Arc::new),
        };
        self.retired.add(old.files(), &sealed.files());
        let State { seq, next_id, ref tail, .. } = **published;
        let (seq, next_id) = changes.state.map_or((seq, next_id), |state| (state.seq, state.next_id));
        let tail = tail.clone();
        *published = Arc::new(State { seq, next_id, sealed: Arc::new(sealed), tail });
    }
}
