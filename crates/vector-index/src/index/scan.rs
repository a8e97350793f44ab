//! Passes over all that may be hits.

use row_set::RowSet;

use super::search::Search;
use super::slack::{Slack, WalkSlack};
use crate::graph::pool::Key;
use crate::graph::walk::WalkScratch;
use crate::node::node_id;
use crate::sketch::layout::Outlines;
use crate::sketch::outline::Looked;

/// A scan compares rows so many at a time.
pub(super) const SCANNED_AT_ONCE: usize = 64;
/// Of what a filter lets through so many more are compared by residuals than are returned, at least.
const FEW_SPARE: usize = 8;
/// Fewer rows are compared by their whole codes at once.
const FEW_ROWS: usize = 1_000;
/// Of fewer the high planes are read at once, and not outlines before.
const FEW_TO_LOOK_AT: usize = 4_000;
/// In the order of high planes more are kept than are wanted by a quarter, and by so many.
const ROUGH_SPARE: usize = 16;

impl Search<'_, '_> {
    /// Calls `each` with some nodes at a time in `fresh`, until it has seen all that may be hits.
    pub(super) fn scan(&mut self, each: impl FnMut(&mut Self)) {
        match self.options.filter {
            Some(filter) => self.for_rows(filter, each),
            None => {
                if let Some(checks) = self.view.space.checks.filter(|checks| checks.is_far()) {
                    checks.fetch_all_codes();
                }
                self.for_all(each);
            }
        }
    }

    /// Compares the query with as little of every vector that may be a hit, about as many as `matches`, as tells that it is not among the nearest: its outline, if there are
    /// outlines, and its high plane. Those that may be are compared with their whole codes, or left in the order of high planes, as by a walk, to be compared by their residuals.
    #[inline(never)] // once, in programs that are to be small
    pub(super) fn scan_near(&mut self, matches: usize, ef: usize) {
        let wanted = self.options.wanted();
        let by_codes = self.compares_codes();
        if matches < FEW_ROWS || self.view.space.is_whole {
            self.expect_residuals();
            return self.scan(Self::compare);
        }
        let mut slack = by_codes.then(|| Slack::new(self.query));
        // How many are returned must not change what is left out.
        self.listed.start(ef.max(wanted.saturating_add(wanted / 4 + ROUGH_SPARE)).min(self.view.nodes()));
        match self.view.space.outlines.filter(|_| matches >= FEW_TO_LOOK_AT && !self.is_far()) {
            None => self.scan_high_planes(&mut slack),
            Some(outlines) => {
                let mut by_bits = std::mem::take(&mut self.walk.by_bits);
                let mut looked = Looked::of_scan(self.view.space.kernel, self.query, &mut by_bits);
                self.walk.excluded.clear();
                let mut were_tried = false;
                self.scan(|search| {
                    were_tried = were_tried || search.try_outlines(outlines, &mut looked);
                    search.look_and_compare(outlines, &mut looked, &mut slack);
                });
                self.walk.by_bits = by_bits;
            }
        }
        if by_codes {
            return;
        }
        if self.high_planes_tell_apart() {
            self.rough.extend(self.listed.iter().map(|(distance, node)| Key::new(distance, node)));
        } else {
            self.expect_residuals();
            self.scan_high_planes(&mut Some(Slack::new(self.query)));
        }
    }

    #[inline(never)] // once, in programs that are to be small
    fn scan_high_planes(&mut self, slack: &mut Option<Slack>) {
        self.scan(|search| search.compare_near(slack, None));
    }

    /// Makes room for what whole codes say is nearest, where residuals have the last word.
    fn expect_residuals(&mut self) {
        if !self.compares_codes() {
            let k = self.options.k;
            // Residuals move hits by few places.
            let wanted = self.options.wanted().min(self.nearest.capacity());
            self.nearest.start(k.max(wanted / 2 + (wanted / 8).max(FEW_SPARE)).min(wanted).max(1));
        }
    }

    /// Whether the last that a full list kept is farther away than those that are returned by more than high planes err: otherwise what it did not keep may be nearer.
    fn high_planes_tell_apart(&self) -> bool {
        let last_wanted = self.listed.iter().nth((self.options.wanted() / 2).saturating_sub(1));
        last_wanted.is_none_or(|(distance, node)| {
            let error = WalkSlack::new(self.query, false).expected(self.view.space.terms.get(node));
            self.listed.limit() - distance > error
        })
    }

    /// Tries with the nodes in `fresh` whether outlines tell how far the query is: a scan meets each node but once, and finds out too late. Whether there were any.
    fn try_outlines(&mut self, outlines: Outlines<'_>, looked: &mut Looked<'_>) -> bool {
        let WalkScratch { fresh, dots, .. } = &mut *self.walk;
        let (space, known) = (self.view.space, &mut self.filtered.near);
        known.clear();
        space.distances(self.query, fresh, dots, |node, distance| known.push(Key::new(distance, node)));
        if let Some(checks) = space.checks {
            checks.outlines(fresh);
        }
        looked.try_with(space.kernel, outlines, known);
        !fresh.is_empty()
    }

    /// Compares those of the nodes in `fresh` that may be among the nearest by their outlines and by their high planes.
    fn look_and_compare(
        &mut self,
        outlines: Outlines<'_>,
        looked: &mut Looked<'_>,
        slack: &mut Option<Slack>,
    ) {
        let limit = if slack.is_some() { self.nearest.limit() } else { self.listed.limit() };
        let WalkScratch { fresh, near, excluded, .. } = &mut *self.walk;
        outlines.prefetch(fresh);
        if let Some(checks) = self.view.space.checks {
            checks.outlines(fresh);
        }
        self.view.space.keep_near(outlines, looked, limit, fresh, (near, excluded));
        std::mem::swap(fresh, near);
        self.compare_near(slack, Some(looked));
        let WalkScratch { fresh, excluded, .. } = &mut *self.walk;
        fresh.clear();
        looked.adapt(excluded, fresh);
        if !fresh.is_empty() {
            self.compare_near(slack, None);
        }
    }

    /// Compares those of the nodes in `fresh` that may be among the nearest by their high planes, or lists them. `looked` learns which are.
    fn compare_near(&mut self, slack: &mut Option<Slack>, mut looked: Option<&mut Looked<'_>>) {
        let Some(slack) = slack else { return self.list_near(looked) };
        let mut near = std::mem::take(&mut self.filtered.near);
        near.clear();
        let Self { view, nearest, .. } = self;
        let WalkScratch { fresh, dots, distances, .. } = &mut *self.walk;
        *distances += fresh.len() as u64;
        let mut at = 0;
        view.space.rough_distances(self.query, fresh, dots, |node, rough| {
            if let Some(looked) = &mut looked {
                looked.learn(at, !nearest.excludes(rough));
                at += 1;
            }
            let terms = view.space.terms.get(node);
            if !nearest.excludes(rough - slack.around(terms) - self.query.reach(terms)) {
                near.push(Key::new(rough, node));
            }
        });
        fresh.clear();
        fresh.extend(near.iter().map(|key| key.node()));
        let mut roughs = near.iter();
        self.compare_each(|distance| {
            slack.add(roughs.next().map_or(0.0, |rough| rough.distance() - distance));
        });
        self.filtered.near = near;
    }

    /// Lists the nodes in `fresh` by their high planes. `looked` learns which are near.
    fn list_near(&mut self, mut looked: Option<&mut Looked<'_>>) {
        let listed = &mut *self.listed;
        let WalkScratch { fresh, dots, distances, .. } = &mut *self.walk;
        *distances += fresh.len() as u64;
        let mut at = 0;
        self.view.space.rough_distances(self.query, fresh, dots, |node, distance| {
            let is_near = listed.insert(distance, node);
            if let Some(looked) = &mut looked {
                looked.learn(at, is_near);
                at += 1;
            }
        });
    }

    /// Calls `each` with some nodes at a time in `fresh`, until it has seen all that may be hits.
    pub(super) fn for_all(&mut self, mut each: impl FnMut(&mut Self)) {
        let (view, options) = (self.view, self.options);
        let restricts = options.restricts();
        let mut repeats = view.repeats;
        for first in (0..view.nodes()).step_by(SCANNED_AT_ONCE) {
            let end = view.nodes().min(first + SCANNED_AT_ONCE);
            let fresh = &mut self.walk.fresh;
            fresh.clear();
            if restricts {
                let nodes = node_id(first)..node_id(end);
                put_allowed(nodes.clone().zip(view.first_rows(first..end)), |row| options.allows(row), fresh);
                let behind = repeats.partition_point(|repeat| repeat.node < nodes.end);
                let (here, rest) = repeats.split_at(behind);
                repeats = rest;
                for repeat in here.iter().filter(|repeat| options.allows(repeat.row)) {
                    if !fresh.contains(&repeat.node) {
                        fresh.push(repeat.node);
                    }
                }
            } else {
                fresh.extend(node_id(first)..node_id(end));
            }
            each(self);
        }
    }

    /// The same, for the rows of a filter.
    fn for_rows(&mut self, filter: &RowSet, mut each: impl FnMut(&mut Self)) {
        let (view, options) = (self.view, self.options);
        let has_repeats = !view.repeats.is_empty();
        if has_repeats {
            self.walk.visited.start(view.nodes());
        }
        let deleted = options.deleted.filter(|deleted| !deleted.is_empty());
        let mut rows = filter.iter();
        let mut some = [0; SCANNED_AT_ONCE];
        loop {
            let len = rows.put(&mut some);
            let mut kept = len;
            if let Some(deleted) = deleted {
                kept = 0;
                for at in 0..len {
                    some[kept] = some[at];
                    kept += usize::from(!deleted.contains(some[at]));
                }
            }
            let WalkScratch { fresh, visited, near, .. } = &mut *self.walk;
            fresh.clear();
            view.nodes_of(&some[..kept], fresh);
            if has_repeats {
                // A node of several rows is compared once, for all of them.
                near.clear();
                visited.insert_all(fresh, near);
                std::mem::swap(fresh, near);
            }
            each(self);
            if len < SCANNED_AT_ONCE {
                return;
            }
        }
    }
}

/// Appends the nodes whose rows are allowed. Which ones are is hard to foresee, so there is no branch on it.
fn put_allowed(
    nodes: impl ExactSizeIterator<Item = (u32, u32)>,
    allows: impl Fn(u32) -> bool,
    out: &mut Vec<u32>,
) {
    let mut len = out.len();
    out.resize(len + nodes.len(), 0);
    for (node, row) in nodes {
        out[len] = node;
        len += usize::from(allows(row));
    }
    out.truncate(len);
}
