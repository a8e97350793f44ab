//! Bytes are verified before an answer is made of them: some sections when a search begins, the codes and links of nodes when it
//! meets them.

use std::ops::Range;
use std::sync::OnceLock;

use wire::{Bytes, VerifiedSet};

use super::layout::{Header, Sections};
use crate::codes::layout::{Group, groups, walks_by_whole_codes};
use crate::error::{Error, Result};

/// Bytes that may have to be verified.
#[derive(Clone, Copy)]
pub(crate) struct Unverified<'a>(pub(crate) &'a dyn Bytes);

impl std::fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unverified")
    }
}

impl Unverified<'_> {
    pub(crate) fn check(self, range: Range<usize>) -> Result<()> {
        self.0.check(range).map_err(|e| Error::not_verified(&e))
    }
}

/// The nodes of which something was verified, so that the next search asks for a bit and not for bytes.
#[derive(Debug)]
pub(crate) struct VerifiedNodes {
    high: VerifiedSet,
    low: VerifiedSet,
    /// Of those in it, the list in the lowest layer holds, and what a walk compares of the codes of all in the list.
    neighbours: VerifiedSet,
}

impl VerifiedNodes {
    pub(crate) fn none_of(nodes: usize) -> Self {
        let [high, low, neighbours] = [(); 3].map(|()| VerifiedSet::new(nodes));
        Self { high, low, neighbours }
    }
}

/// What verifies the bytes of an index for one search.
///
/// Bytes that do not hold are kept as a fault, and the search goes on over whatever they are, which it can stand; then
/// [`finish`](Self::finish) fails, and nothing of what it found is used. So the loops over nodes have no errors to hand on.
#[derive(Debug)]
pub(crate) struct Checks<'a> {
    bytes: Unverified<'a>,
    header: &'a Header,
    sections: &'a Sections,
    verified: &'a VerifiedNodes,
    fault: OnceLock<Error>,
}

impl<'a> Checks<'a> {
    pub(crate) fn new(
        bytes: &'a dyn Bytes,
        header: &'a Header,
        sections: &'a Sections,
        verified: &'a VerifiedNodes,
    ) -> Self {
        Self { bytes: Unverified(bytes), header, sections, verified, fault: OnceLock::new() }
    }

    /// Verifies what every search needs, and with `rows` what finds the node of a row.
    pub(crate) fn begin(&self, rows: bool) -> Result<()> {
        if self.header.layers == 0 {
            return self.bytes.check(0..self.sections.total);
        }
        if self.is_far() {
            let of_rows = rows.then(|| self.sections.of_rows());
            let all: Vec<_> = self.sections.of_every_search().into_iter().chain(of_rows).collect();
            self.bytes.0.will_need(&all);
        }
        self.sections.of_every_search().into_iter().try_for_each(|range| self.bytes.check(range))?;
        if rows { self.bytes.check(self.sections.of_rows()) } else { Ok(()) }
    }

    /// Fails if anything did not hold.
    pub(crate) fn finish(self) -> Result<()> {
        self.fault.into_inner().map_or(Ok(()), Err)
    }

    /// Before the high nibbles of some nodes are used.
    #[inline]
    pub(crate) fn high(&self, nodes: &[u32]) {
        self.nodes(&self.verified.high, nodes, self.sections.high.start, self.row_len());
    }

    /// Before the low nibbles of some nodes are used.
    #[inline]
    pub(crate) fn low(&self, nodes: &[u32]) {
        self.nodes(&self.verified.low, nodes, self.sections.low.start, self.row_len());
    }

    /// Before the list of a node in the lowest layer is used, and what a walk compares of the codes of those in it. One question for
    /// all of them, since a walk asks it at every step.
    #[inline]
    pub(crate) fn neighbours(&self, node: u32, list: &[u32]) {
        if !self.verified.neighbours.contains(node as usize) {
            self.verify_neighbours(node, list);
        }
    }

    #[cold]
    fn verify_neighbours(&self, node: u32, list: &[u32]) {
        let list_len = self.header.degree(0) * size_of::<u32>();
        let at = self.sections.links[0].start + node as usize * list_len;
        let mut holds = self.verify(at..at + list_len);
        holds &= self.verify_nodes(&self.verified.high, list, self.sections.high.start, self.row_len());
        if walks_by_whole_codes(self.header.dimension) {
            holds &= self.verify_nodes(&self.verified.low, list, self.sections.low.start, self.row_len());
        }
        if holds {
            self.verified.neighbours.insert(node as usize);
        }
    }

    /// Whether it is worth saying what will be needed.
    pub(crate) fn is_far(&self) -> bool {
        self.bytes.0.is_far()
    }

    /// Whether the list of a node and what belongs to it were verified.
    pub(crate) fn has_neighbours(&self, node: u32) -> bool {
        self.verified.neighbours.contains(node as usize)
    }

    /// Has the lists of some nodes in the lowest layer fetched together. Whether all hold.
    pub(crate) fn fetch_lists(&self, nodes: &[u32]) -> bool {
        let list_len = self.header.degree(0) * size_of::<u32>();
        let start = self.sections.links[0].start;
        let place = |&node: &u32| start + node as usize * list_len..start + (node as usize + 1) * list_len;
        let lists: Vec<_> = nodes.iter().map(place).collect();
        self.bytes.0.will_need(&lists);
        lists.into_iter().all(|list| self.verify(list))
    }

    /// Has what a walk compares of the codes of some nodes fetched together.
    pub(crate) fn fetch_codes(&self, nodes: &[u32]) {
        let len = self.row_len();
        let planes = [
            Some(&self.sections.high),
            walks_by_whole_codes(self.header.dimension).then_some(&self.sections.low),
        ];
        let place = |start: usize, node: u32| start + node as usize * len..start + (node as usize + 1) * len;
        let codes =
            |plane: &Range<usize>| nodes.iter().map(|&node| place(plane.start, node)).collect::<Vec<_>>();
        self.bytes.0.will_need(&planes.into_iter().flatten().flat_map(codes).collect::<Vec<_>>());
    }

    /// Has all codes fetched.
    pub(crate) fn fetch_all_codes(&self) {
        self.bytes.0.will_need(&[self.sections.high.clone(), self.sections.low.clone()]);
    }

    fn row_len(&self) -> usize {
        groups(self.header.dimension) * size_of::<Group>()
    }

    #[inline]
    fn nodes(&self, verified: &VerifiedSet, nodes: &[u32], start: usize, len: usize) {
        if !nodes.iter().fold(true, |all, &node| all & verified.contains(node as usize)) {
            self.verify_nodes(verified, nodes, start, len);
        }
    }

    /// Verifies those of the nodes that were not yet: `len` bytes of each, one after the other from `start` on. Whether all hold.
    #[cold]
    fn verify_nodes(&self, verified: &VerifiedSet, nodes: &[u32], start: usize, len: usize) -> bool {
        let mut hold = true;
        if self.is_far() {
            let missing = nodes.iter().filter(|&&node| !verified.contains(node as usize));
            let place = |&node: &u32| start + node as usize * len..start + (node as usize + 1) * len;
            self.bytes.0.will_need(&missing.map(place).collect::<Vec<_>>());
        }
        for &node in nodes.iter().filter(|&&node| !verified.contains(node as usize)) {
            let at = start + node as usize * len;
            if self.verify(at..at + len) {
                verified.insert(node as usize);
            } else {
                hold = false;
            }
        }
        hold
    }

    fn verify(&self, range: Range<usize>) -> bool {
        match self.bytes.check(range) {
            Ok(()) => true,
            Err(e) => {
                drop(self.fault.set(e)); // the first is enough
                false
            }
        }
    }
}
