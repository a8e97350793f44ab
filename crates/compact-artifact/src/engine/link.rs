//! Graphs that wait: what is sealed while much is added at once gets one together with what comes behind it.
//!
//! Of a million records that are added as fast as can be, each would otherwise be linked three times: in the shard that it is sealed in, and again when four such, and four of
//! those, become one.

use block_format::host::Instant;

use super::core::Engine;
use super::merge::{fits_into_one, holds};
use super::meter::Meter;
use super::policy::{self, Build};
use crate::api::damage::Damage;
use crate::api::error::Result;
use crate::state::View;

impl Engine {
    /// Whether the tail filled so fast that its graph waits for what comes behind it, and can be made together with that.
    pub(super) fn fills_fast(&self) -> bool {
        let state = self.state();
        let rows: u64 = state.tail().map(View::live).sum();
        let fan_in = policy::FAN_IN as u64;
        fits_into_one(&state, rows.saturating_mul(fan_in), Build::from_options(&self.options))
            && self.commit_lock.lock().tail_begun.elapsed() < policy::FAST_TAIL
    }

    /// Whether something was sealed without a graph that it is to have.
    pub(super) fn has_unlinked(&self) -> bool {
        self.state().views.iter().any(|view| self.lacks_graph(view))
    }

    /// Links what was sealed without graphs, once the tail grows slowly; `last` is when that was asked before, and how long it was then.
    pub(super) fn link_when_slow(&self, last: &mut (Instant, u64)) {
        if last.0.elapsed() < policy::LOOK_AT_PACE {
            return;
        }
        let now = self.commit_lock.lock().log_bytes;
        let (_, before) = std::mem::replace(last, (Instant::now(), now));
        if policy::is_fast(&self.options, now.abs_diff(before)) {
            return;
        }
        let link = || {
            let Some(_permit) = self.permit_if_held() else { return Ok(()) };
            let Some(_one_at_a_time) = self.maintenance_lock.try_lock() else { return Ok(()) };
            self.check_current()?;
            let mut damage = Vec::new();
            self.link_shards(Build::from_options(&self.options), &mut damage, &mut Meter::silent())?;
            self.precompute_similar(&mut damage)
        };
        if let Err(e) = link() {
            self.tell(Err(e));
        }
    }

    /// Whether a shard was sealed without a graph that it is to have.
    pub(super) fn lacks_graph(&self, view: &View) -> bool {
        view.shard.is_sealed() && view.shard.lacks_graph(self.options.graph_from)
    }

    /// Links what was sealed without graphs: neighbours become one shard where they fit, with those that have no graph because they are few, which each search would
    /// have to look through. Those that are damaged are told, and stay.
    pub(super) fn link_shards(
        &self,
        build: Build,
        damage: &mut Vec<Damage>,
        meter: &mut Meter<'_>,
    ) -> Result<()> {
        if !self.has_unlinked() {
            return Ok(());
        }
        let state = self.state();
        let mut has_none =
            |view: &&View| view.shard.is_sealed() && view.shard.lacks_graph(1) && holds(view, damage);
        let views: Vec<(bool, &View)> = state.views.iter().map(|view| (has_none(&view), view)).collect();
        let is_to_have =
            |group: &&[(bool, &View)]| group[0].0 && group.iter().any(|(_, view)| self.lacks_graph(view));
        for group in views.chunk_by(|a, b| a.0 == b.0).filter(is_to_have) {
            let numbers: Vec<u64> = group.iter().map(|(_, view)| view.shard.number).collect();
            self.rewrite_shards(&numbers, build, meter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use crate::{CompactArtifact, Maintenance, Metric, Options, Query, Record, SpaceOptions};

    const DIMENSION: usize = 16;

    fn artifact(path: &Path, maintenance: Maintenance) -> CompactArtifact {
        let options = Options::new().segment_len(64 << 10).graph_from(50).maintenance(maintenance);
        options.space("v", SpaceOptions::new(DIMENSION, Metric::L2)).create(path).unwrap()
    }

    /// Far from all others.
    fn vector(number: u32) -> Vec<f32> {
        let mut random = number.wrapping_mul(2_654_435_761) | 1;
        let mut value = || {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            f32::from(u16::try_from(random >> 16).unwrap())
        };
        (0..DIMENSION).map(|_| value()).collect()
    }

    /// Adds records until something was sealed that has no graph yet; returns how many.
    fn add_until_unlinked(artifact: &CompactArtifact) -> u32 {
        for first in (0..).step_by(100) {
            let record = |number: u32| Record::text(format!("text {number}")).embedding("v", vector(number));
            artifact.add_batch((first..first + 100).map(record)).unwrap();
            if artifact.engine.has_unlinked() {
                return first + 100;
            }
            assert!(first < 20_000, "nothing was sealed without a graph");
        }
        0
    }

    fn finds_each(artifact: &CompactArtifact, count: u32) {
        assert_eq!(artifact.len(), u64::from(count));
        for number in (0..count).step_by(37) {
            let found = artifact.search(&Query::vector("v", vector(number)).k(1).fetch(true)).unwrap();
            assert_eq!(found.hits[0].record.as_ref().unwrap().text().unwrap(), format!("text {number}"));
        }
    }

    #[test]
    fn what_was_added_at_once_is_found_before_it_is_linked_and_linked_when_it_is_sealed_compacted_or_closed()
    {
        let temp = tempfile::tempdir().unwrap();
        for by in ["seal", "compact", "close"] {
            let path = temp.path().join(by);
            let artifact = artifact(&path, Maintenance::Inline);
            let count = add_until_unlinked(&artifact);
            finds_each(&artifact, count);
            match by {
                "seal" => drop(artifact.seal().unwrap()),
                "compact" => drop(artifact.compact(64 << 20).unwrap()),
                _ => {}
            }
            assert_eq!(artifact.engine.has_unlinked(), by == "close");
            artifact.close().unwrap();
            let artifact = Options::new().graph_from(50).open(&path).unwrap();
            assert!(!artifact.engine.has_unlinked(), "{by}");
            finds_each(&artifact, count);
        }
    }

    #[test]
    fn indexes_in_memory_are_sealed_at_a_quarter_more_than_a_segment() {
        const SEGMENT: u64 = 64 << 10;
        let temp = tempfile::tempdir().unwrap();
        let artifact = artifact(&temp.path().join("a"), Maintenance::Inline);
        let (mut before, mut number) = (0, 0);
        while artifact.stats().shards == 0 {
            before = artifact.engine.commit_lock.lock().tail_bytes;
            assert!(before < SEGMENT + SEGMENT / 4 && number < 20_000, "{before} bytes, {number} records");
            artifact.add(Record::text("x").embedding("v", vector(number))).unwrap();
            number += 1;
        }
        assert!(before > SEGMENT, "{before} bytes");
    }

    #[test]
    fn what_is_too_few_for_a_graph_is_linked_with_what_waits_before_it() {
        let temp = tempfile::tempdir().unwrap();
        let artifact = artifact(&temp.path().join("a"), Maintenance::Inline);
        let count = add_until_unlinked(&artifact);
        let record = |number: u32| Record::text(format!("text {number}")).embedding("v", vector(number));
        artifact.add_batch((count..count + 40).map(record)).unwrap();
        artifact.seal().unwrap();
        let stats = artifact.stats();
        assert_eq!((stats.shards, stats.tail_records), (1, 0));
        finds_each(&artifact, count + 40);
    }

    #[test]
    fn what_an_ended_process_left_unlinked_is_linked_by_the_next() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let artifact = artifact(&path, Maintenance::Inline);
        let count = add_until_unlinked(&artifact);
        drop(artifact);
        let open = || Options::new().graph_from(50).open(&path).unwrap();
        let artifact = open();
        assert!(artifact.engine.has_unlinked());
        finds_each(&artifact, count);
        artifact.close().unwrap();
        assert!(!open().engine.has_unlinked());
    }

    #[test]
    fn a_thread_in_the_background_links_when_no_more_comes() {
        let temp = tempfile::tempdir().unwrap();
        let artifact = artifact(&temp.path().join("a"), Maintenance::Background);
        let count = add_until_unlinked(&artifact);
        for _ in 0..1_000 {
            if !artifact.engine.has_unlinked() {
                return finds_each(&artifact, count);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("nothing was linked in 20 s");
    }

    #[test]
    fn where_four_such_shards_do_not_fit_into_one_each_is_linked_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let options = Options::new().memory_limit(8 << 20).graph_from(50);
        let space = SpaceOptions::new(DIMENSION, Metric::L2);
        let artifact = options.space("v", space).create(temp.path().join("a")).unwrap();
        for first in (0..20_000).step_by(400) {
            let record = |number: u32| Record::text(format!("text {number}")).embedding("v", vector(number));
            artifact.add_batch((first..first + 400).map(record)).unwrap();
            assert!(!artifact.engine.has_unlinked());
        }
        assert!(artifact.stats().shards > 0);
    }
}
