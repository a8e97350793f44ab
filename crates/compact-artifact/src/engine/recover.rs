//! What lies in the store → a state: shards opened, what none of them has indexed.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use block_format::{RecordId, Snapshot as Records};
use roaring::RoaringTreemap;

use super::group::Group;
use super::lost_embeddings::{self, DamagedShards};
use crate::api::damage::Damage;
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::reports::RecoveryReport;
use crate::format::changes;
use crate::format::parts::{SHARD, read_tombstones};
use crate::format::record::{self, Kind};
use crate::format::settings::Settings;
use crate::protocol::{Step, Steps};
use crate::shard::{Rescued, Shard};
use crate::state::{Dead, Deleted, State, View, sort_views, with_changed_metadata};

/// The sealed shards of a store as they are found, and what has to be indexed because none of them has it.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) state: State,
    pub(crate) report: RecoveryReport,
    /// Of shards that cannot be opened.
    pub(super) damaged: DamagedShards,
    /// Records that the sealed shards should have and that none of them has.
    missing: RoaringTreemap,
    /// Of records whose metadata were changed: which record of the store has them, of several the newest last. Known after all records were looked at.
    metadata_records: BTreeMap<RecordId, Vec<RecordId>>,
    /// Records whose row has other metadata than the newest that the store has, with all those that it has, the newest last.
    stale: BTreeMap<RecordId, Vec<RecordId>>,
    /// Records from here on are not indexed yet.
    next: u64,
    /// Of those, the ones below this are indexed.
    next_missing: u64,
}

impl Recovery {
    /// Opens the sealed shards of a store. With `thorough`, or when one of them is damaged, all of them are compared with the records: each
    /// record that is alive is found by one row.
    pub(crate) fn new(
        (records, settings): (Records, Arc<Settings>),
        steps: Steps,
        known: &[View],
        thorough: bool,
        report: RecoveryReport,
    ) -> Result<Self> {
        let (views, lost_embeddings, is_indexed) = Default::default();
        let state =
            State { records, settings, views, version: 0, steps, hidden: 0, lost_embeddings, is_indexed };
        let (damaged, missing, metadata_records, stale) = Default::default();
        let (next, next_missing) = (0, 0);
        let mut recovery =
            Self { state, report, damaged, missing, metadata_records, stale, next, next_missing };
        let lost = lost_embeddings::read(&recovery.state, &mut recovery.report)?;
        recovery.state.lost_embeddings = Arc::new(lost);
        let is_sound = recovery.open_shards(known)?;
        sort_views(&mut recovery.state.views);
        // Also of pieces of which the one that says what all of them cover cannot be opened.
        recovery.next = recovery.state.views.iter().map(|view| view.shard.ids_end()).max().unwrap_or(0);
        recovery.state.mark_all_dead();
        if (thorough || !is_sound) && steps.take(Step::CompareWithRecords) {
            recovery.compare_with_records()?;
        }
        Ok(recovery)
    }

    /// The same of an artifact whose records were copied without some of its shards.
    pub(super) fn without_some_shards(mut self) -> Self {
        self.damaged.lost_below = u64::MAX;
        self
    }

    /// What somebody sees who had `old` before: the shards that it has are kept, also those in memory that still fit.
    pub(crate) fn following(records: Records, settings: Arc<Settings>, old: &State) -> Result<Self> {
        let same_spaces = settings.spaces.len() == old.settings.spaces.len();
        let same_words = settings.analyzer.identity() == old.settings.analyzer.identity();
        let known = if same_spaces { &old.views[..] } else { &[] };
        let mut recovery =
            Self::new((records, settings), old.steps, known, false, RecoveryReport::default())?;
        if same_spaces && same_words && recovery.missing.is_empty() && recovery.stale.is_empty() {
            recovery.keep_tail(old)?;
        }
        Ok(recovery)
    }

    /// Opens every sealed shard; `known` ones are taken as they are. Returns whether nothing is missing.
    fn open_shards(&mut self, known: &[View]) -> Result<bool> {
        let mut is_sound = true;
        let records = self.state.records.clone();
        for part in records.parts().iter().filter(|part| part.kind() == SHARD) {
            let tombstones = match read_tombstones(&records, part.tag()) {
                Err(e) if e.kind() == ErrorKind::Damaged => {
                    let message = format!("tombstones of shard {}: {e}", part.tag());
                    self.report.damage.push(Damage::new(message).in_shard(part.tag()));
                    None
                }
                read => Some(read?),
            };
            is_sound &= tombstones.is_some();
            let known = known.iter().find(|view| view.shard.number == part.tag());
            let opened = match known {
                Some(view) => Ok(view.shard.clone()),
                None => Shard::open_part(part, &self.state.settings, self.state.steps)
                    .and_then(|shard| self.damaged.checked(shard, records.next_id())),
            };
            match opened {
                Ok(shard) => {
                    if known.is_none() {
                        self.report.damage.extend(shard.losses.iter().cloned());
                    }
                    let tombstones = Arc::new(tombstones.unwrap_or_default());
                    let neighbours = known.and_then(|view| view.neighbours.clone());
                    let mut view = View { tombstones, neighbours, ..View::new(shard) };
                    // Without them nothing is lost but time.
                    if let Err(e) = view.open_neighbours(&records, self.state.steps) {
                        let e = e.about(format_args!("searches do without the neighbours of a shard"));
                        remember_damage(&mut self.report, e)?;
                    }
                    self.state.views.push(view);
                }
                Err(e) if e.kind() != ErrorKind::Damaged || records.is_far() => return Err(e),
                Err(e) => {
                    is_sound = false;
                    let message = format!("shard {} is made anew from the records: {e}", part.tag());
                    self.report.damage.push(Damage::new(message).in_shard(part.tag()));
                    self.report.shards_rebuilt += 1;
                    // Without tombstones nobody knows which of its vectors are old.
                    let rescued = match tombstones {
                        Some(dead) => Rescued::open(part, dead, &self.state.settings, self.state.steps)?,
                        None => None,
                    };
                    if rescued.is_none() {
                        self.damaged.lose_shard(&self.state)?;
                    }
                    self.damaged.rescued.extend(rescued);
                }
            }
        }
        Ok(is_sound)
    }

    /// Finds out which record has which row by looking at all records: of several rows the one in the newest shard counts, a row without a
    /// record is dead, and a record without a row is to be indexed.
    fn compare_with_records(&mut self) -> Result<()> {
        let mut stored = RoaringTreemap::new();
        for record in self.state.records.records() {
            match record.map_err(Error::from).and_then(record::decode) {
                Ok((_, entry)) if entry.id().0 >= self.next => break,
                Ok((Kind::Metadata, change)) => match changes::decode_target(&change) {
                    Ok(id) => self.metadata_records.entry(id).or_default().push(change.id()),
                    Err(e) => remember_damage(&mut self.report, e)?,
                },
                Ok((kind, entry)) if kind.is_record() => drop(stored.insert(entry.id().0)),
                Ok(_) => {}
                Err(e) => remember_damage(&mut self.report, e)?,
            }
        }
        let mut found = RoaringTreemap::new();
        let mut newest_first: Vec<usize> = (0..self.state.views.len()).collect();
        newest_first.sort_by_key(|&at| std::cmp::Reverse(self.state.views[at].shard.number));
        let mut with_rows = Vec::new();
        for at in newest_first {
            let view = &self.state.views[at];
            let mut dead = view.dead.to_bitmap();
            for (row, id) in (0..).zip(view.shard.ids().iter()).filter(|(row, _)| !view.dead.contains(*row)) {
                let is_alive = stored.contains(id.0) || self.is_unreadable(id)?;
                if !is_alive || !found.insert(id.0) {
                    dead.insert(row);
                    continue;
                }
                let (has, newest) = (view.shard.metadata_records.get(row), self.newest_metadata(id));
                if has != newest {
                    with_rows.push((id, has, newest));
                }
            }
            self.state.views[at].dead = Arc::new(Dead::new(&dead));
        }
        self.missing = stored - found;
        with_rows.into_iter().try_for_each(|(id, has, newest)| self.find_stale(id, has, newest))
    }

    /// The newest record of the store with metadata that a record got.
    fn newest_metadata(&self, id: RecordId) -> Option<RecordId> {
        self.metadata_records.get(&id).and_then(|ids| ids.last()).copied()
    }

    /// Remembers a record whose row has other metadata than the newest: an index that had those is damaged, or the ones that the row has are lost.
    fn find_stale(&mut self, id: RecordId, has: Option<RecordId>, newest: Option<RecordId>) -> Result<()> {
        if let Some(lost) = has.filter(|_| newest < has) {
            match self.state.records.get(lost).map_err(Error::from) {
                Ok(None) => {}
                // What is there and cannot be read is not taken for lost.
                Ok(Some(_)) => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Damaged => return Ok(()),
                Err(e) => return Err(e),
            }
            let message = format!(
                "record {id}: its newest metadata, record {lost} of the store, are lost; it has those from before"
            );
            let records = Some(id..RecordId(id.0.saturating_add(1)));
            self.report.damage.push(Damage { records, ..Damage::new(message) });
        }
        self.stale.insert(id, self.metadata_records.get(&id).cloned().unwrap_or_default());
        Ok(())
    }

    /// Whether a record is there, but damaged: its row stays, so that it is not taken for deleted.
    fn is_unreadable(&self, id: RecordId) -> Result<bool> {
        let record = self.state.records.get(id).map_err(Error::from);
        match record.and_then(|record| record.map(record::decode).transpose()) {
            Ok(_) => Ok(false),
            Err(e) if e.kind() == ErrorKind::Damaged => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Takes over shards of an earlier tail that still hold.
    pub(crate) fn keep_tail(&mut self, old: &State) -> Result<()> {
        let deleted = Deleted::among(&self.state.records, old.rows());
        for view in old.tail() {
            let covers = view.shard.covers.clone();
            if covers.start < self.next {
                continue;
            }
            if covers.start > self.next {
                self.index_up_to(covers.start, u64::MAX)?;
            }
            self.keep_lost(view, old);
            let mut kept = View::new(view.shard.clone());
            kept.dead = Arc::new(Dead::new(&kept.dead_for_good(&deleted)));
            self.state.push_tail(kept, 0);
            self.next = covers.end;
        }
        Ok(())
    }

    /// Of the records in a shard of an earlier tail, that tail knows which embeddings are missed: it is newer than what is on disk.
    fn keep_lost(&mut self, view: &View, old: &State) {
        if self.state.lost_embeddings.is_empty() && old.lost_embeddings.is_empty() {
            return;
        }
        let ids: RoaringTreemap = view.shard.ids().iter().map(|id| id.0).collect();
        let lost = Arc::make_mut(&mut self.state.lost_embeddings);
        for lost in lost.values_mut() {
            *lost -= &ids;
        }
        for (&number, old) in old.lost_embeddings.iter() {
            *lost.entry(number).or_default() |= old & &ids;
        }
    }

    /// Indexes what is not indexed, until the tail takes `limit` bytes. Returns whether everything is.
    pub(crate) fn index(&mut self, limit: u64) -> Result<bool> {
        self.state.is_indexed = self.index_missing(limit)?
            && self.index_stale(limit)?
            && self.index_up_to(self.state.records.next_id().0, limit)?;
        Ok(self.state.is_indexed)
    }

    fn index_stale(&mut self, limit: u64) -> Result<bool> {
        let mut group = Group::default();
        while let Some((id, metadata_records)) = self.stale.pop_first() {
            if let Err(e) = group.add_again(id, &metadata_records, &self.state) {
                remember_damage(&mut self.report, e)?;
            }
            if group.is_full() {
                self.flush(std::mem::take(&mut group), self.next..self.next)?;
                if self.state.tail_bytes() >= limit {
                    return Ok(false);
                }
            }
        }
        self.flush(group, self.next..self.next)?;
        Ok(true)
    }

    fn index_missing(&mut self, limit: u64) -> Result<bool> {
        if self.missing.is_empty() {
            return Ok(true);
        }
        let mut group = Group::default();
        for record in self.state.records.clone().records_from(RecordId(self.next_missing)) {
            let (kind, entry) = match record.map_err(Error::from).and_then(record::decode) {
                Ok((_, entry)) if entry.id().0 >= self.next => break,
                Ok((kind, entry)) if self.missing.contains(entry.id().0) => {
                    (kind, self.with_stored_metadata(entry, &mut group)?)
                }
                Ok(_) => continue,
                Err(e) if e.kind() == ErrorKind::Damaged => continue, // was met before
                Err(e) => return Err(e),
            };
            if let Err(e) = group.add(kind, &entry, &self.state, &self.damaged) {
                remember_damage(&mut self.report, e)?;
            }
            if group.is_full() {
                self.next_missing = entry.id().0 + 1;
                // These ids are below those that sealed shards cover, so the range is empty.
                self.flush(std::mem::take(&mut group), 0..0)?;
                if self.state.tail_bytes() >= limit {
                    return Ok(false);
                }
            }
        }
        self.missing.clear();
        self.metadata_records.clear();
        self.flush(group, 0..0)?;
        Ok(true)
    }

    /// A record with the newest metadata that the store has for it. Older ones are deleted with the next sealing.
    fn with_stored_metadata(&self, entry: Entry, group: &mut Group) -> Result<Entry> {
        let Some((&newest, older)) = self.metadata_records.get(&entry.id()).and_then(|ids| ids.split_last())
        else {
            return Ok(entry);
        };
        group.supersede(older);
        with_changed_metadata(entry, newest, self.state.records.get(newest))
    }

    /// Indexes the records from `next` up to `end`.
    fn index_up_to(&mut self, end: u64, limit: u64) -> Result<bool> {
        let mut group = Group::default();
        for record in self.state.records.clone().records_from(RecordId(self.next)) {
            let record = match record.map_err(Error::from) {
                Ok(record) if record.id().0 >= end => break,
                Ok(record) => record,
                Err(e) => {
                    remember_damage(&mut self.report, e)?;
                    continue;
                }
            };
            let behind = record.id().0 + 1;
            let added = record::decode(record)
                .and_then(|(kind, entry)| group.add(kind, &entry, &self.state, &self.damaged));
            if let Err(e) = added {
                remember_damage(&mut self.report, e)?;
            }
            if group.is_full() {
                self.flush(std::mem::take(&mut group), self.next..behind)?;
                self.next = behind;
                if self.state.tail_bytes() >= limit {
                    return Ok(false);
                }
            }
        }
        self.flush(group, self.next..end)?;
        self.next = end;
        Ok(true)
    }

    fn flush(&mut self, mut group: Group, covers: Range<u64>) -> Result<()> {
        group.leave_out_unreadable();
        self.report.damage.extend(group.damage());
        if group.is_empty() && covers.is_empty() {
            return Ok(());
        }
        self.report.records_indexed += group.new_records();
        self.state.forget_lost(group.removed());
        for (number, ids) in group.lost() {
            *Arc::make_mut(&mut self.state.lost_embeddings).entry(number).or_default() |= ids;
        }
        let shard = group.build(&self.state, covers)?;
        self.state.push_tail(View::new(Arc::new(shard)), 0);
        Ok(())
    }
}

impl Recovery {
    /// The state, and what is to be said of it, once everything is indexed.
    pub(super) fn reported(mut self) -> (State, RecoveryReport) {
        lost_embeddings::report(&self.state, &mut self.report);
        // What is met in several ways is named where it was met first.
        let mut named = HashSet::new();
        self.report.damage.retain(|damage| named.insert(damage.clone()));
        (self.state, self.report)
    }

    /// Indexes everything, or fails if that takes more memory than it may. For readers, who cannot seal.
    pub(crate) fn index_within(mut self, limit: u64) -> Result<(State, RecoveryReport)> {
        if self.index(limit)? {
            return Ok(self.reported());
        }
        let message = format!(
            "records that are not sealed take more than {limit} bytes of memory to index; open the artifact with a larger \
             limit of memory, or open it for writing once, which seals them in pieces"
        );
        Err(Error::new(ErrorKind::TooLarge, message))
    }
}

/// Damage costs what is damaged. Any other failure may be over the next time, and is no reason to leave anything out.
fn remember_damage(report: &mut RecoveryReport, e: Error) -> Result<()> {
    if e.kind() != ErrorKind::Damaged {
        return Err(e);
    }
    report.damage.push(Damage::new(e.to_string()));
    Ok(())
}
