//! Bytes are verified before an answer is made of them: what is small when a search begins, what grows with the vectors where it comes by.

use std::ops::Range;
use std::sync::OnceLock;

use wire::{Bytes, VerifiedSet};

use super::layout::{Header, LAYERS_MAX, Sections};
use crate::codes::layout::{Group, groups};
use crate::error::{Error, Result};
use crate::sketch::layout::row_len;

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

/// So many bytes of rows and nodes are verified together.
const PIECE: usize = 4096;

/// What was verified, so that the next search asks for a bit and not for bytes.
#[derive(Debug)]
pub(crate) struct VerifiedNodes {
    /// Nodes whose high nibbles and terms hold.
    high: VerifiedSet,
    low: VerifiedSet,
    outlines: VerifiedSet,
    /// Lists of all layers, the lowest first, that hold, and with them what a walk compares of all nodes in the list.
    lists: VerifiedSet,
    /// The first list of each layer.
    first_lists: [usize; LAYERS_MAX],
    /// Pieces of the rows of nodes and the nodes of rows.
    rows: VerifiedSet,
}

impl VerifiedNodes {
    pub(crate) fn none_of(header: &Header, sections: &Sections) -> Self {
        let mut lists = 0;
        let first_lists = header.layer_nodes.map(|nodes| {
            lists += nodes as usize;
            lists - nodes as usize
        });
        let [high, low] = [(); 2].map(|()| VerifiedSet::new(header.nodes));
        let outlines = VerifiedSet::new(if header.has_outlines() { header.nodes } else { 0 });
        let rows = VerifiedSet::new(sections.between_rows_and_nodes().len().div_ceil(PIECE));
        Self { high, low, outlines, lists: VerifiedSet::new(lists), first_lists, rows }
    }
}

/// One of the planes of codes, or the outlines.
#[derive(Debug, Clone, Copy)]
enum Plane {
    /// The high nibbles, and with them the terms.
    High,
    Low,
    Outlines,
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

    /// Verifies what is looked through as a whole, and with `rows` what finds the node of a row that need not have one. Of what is far, all that nodes have a few bytes
    /// of comes at once.
    pub(crate) fn begin(&self, rows: bool) -> Result<()> {
        if self.header.layers == 0 {
            return self.bytes.check(0..self.sections.total);
        }
        if self.is_far() {
            let of_rows = rows.then(|| self.sections.of_rows());
            let all: Vec<_> = self.sections.of_nodes().into_iter().chain(of_rows).collect();
            self.bytes.0.will_need(&all);
            all.into_iter().try_for_each(|range| self.bytes.check(range))?;
        }
        self.bytes.check(self.sections.repeats.start..self.sections.hidden.end)?;
        if rows { self.bytes.check(self.sections.rows.clone()) } else { Ok(()) }
    }

    /// Fails if anything did not hold.
    pub(crate) fn finish(self) -> Result<()> {
        self.fault.into_inner().map_or(Ok(()), Err)
    }

    /// Before the high nibbles of some nodes are used, or their terms.
    #[inline]
    pub(crate) fn high(&self, nodes: &[u32]) {
        self.nodes(Plane::High, nodes);
    }

    /// Before the low nibbles of some nodes are used.
    #[inline]
    pub(crate) fn low(&self, nodes: &[u32]) {
        self.nodes(Plane::Low, nodes);
    }

    /// Before the list of a node in a layer is read.
    pub(crate) fn list_holds(&self, layer: usize, node: u32) -> bool {
        self.verify(self.list(layer, node))
    }

    /// Before what a walk compares of the nodes in the list of a node is used, which holds. [`has_neighbours`](Self::has_neighbours) says that both were
    /// verified: one question for all of them, since a walk asks it at every step.
    pub(crate) fn neighbours(&self, layer: usize, node: u32, list: &[u32]) {
        let mut hold = true;
        for plane in self.compared(layer) {
            hold &= self.verify_nodes(plane, list);
        }
        if hold {
            self.verified.lists.insert(self.verified.first_lists[layer] + node as usize);
        }
    }

    /// What a walk looks at of all nodes in the lists of a layer.
    fn compared(&self, layer: usize) -> impl Iterator<Item = Plane> + Clone + use<> {
        let low = self.header.is_whole().then_some(Plane::Low);
        let all =
            if self.have_outlines(layer) { [Some(Plane::Outlines), None] } else { [Some(Plane::High), low] };
        all.into_iter().flatten()
    }

    /// Whether a walk looks at the outlines of nodes in the lists of a layer before it compares their codes.
    pub(crate) fn have_outlines(&self, layer: usize) -> bool {
        layer == 0 && self.header.has_outlines()
    }

    /// Where the list of a node in a layer lies.
    fn list(&self, layer: usize, node: u32) -> Range<usize> {
        let len = self.header.list_len(layer);
        let start = self.sections.links[layer].start + node as usize * len;
        start..start + len
    }

    /// Before the lowest row of a node is used.
    #[inline]
    pub(crate) fn row_of_node(&self, node: u32) {
        self.row_at(self.sections.row_of_node.start + node as usize * size_of::<u32>());
    }

    /// Before the node at a position among those of rows is used.
    #[inline]
    pub(crate) fn node_of_row(&self, at: usize) {
        self.row_at(self.sections.node_of_row.start + at * size_of::<u32>());
    }

    /// Before the lowest rows of some nodes are used, of which there is at least one.
    pub(crate) fn rows_of_nodes(&self, nodes: Range<usize>) {
        self.rows_at(self.sections.row_of_node.start, nodes);
    }

    /// Before the nodes at some positions among those of rows are used, of which there is at least one.
    pub(crate) fn nodes_of_rows(&self, at: Range<usize>) {
        self.rows_at(self.sections.node_of_row.start, at);
    }

    fn rows_at(&self, start: usize, at: Range<usize>) {
        let place = |at: usize| (start + at * size_of::<u32>() - self.sections.row_of_node.start) / PIECE;
        for piece in place(at.start)..=place(at.end - 1) {
            if !self.verified.rows.contains(piece) {
                self.verify_rows(piece);
            }
        }
    }

    /// Before the row or node at this place is used.
    #[inline]
    fn row_at(&self, at: usize) {
        let piece = (at - self.sections.row_of_node.start) / PIECE;
        if !self.verified.rows.contains(piece) {
            self.verify_rows(piece);
        }
    }

    #[cold]
    fn verify_rows(&self, piece: usize) {
        let all = self.sections.between_rows_and_nodes();
        let start = all.start + piece * PIECE;
        if self.verify(start..all.end.min(start + PIECE)) {
            self.verified.rows.insert(piece);
        }
    }

    /// Whether it is worth saying what will be needed.
    pub(crate) fn is_far(&self) -> bool {
        self.bytes.0.is_far()
    }

    /// Whether the list of a node in a layer and what belongs to it were verified.
    #[inline]
    pub(crate) fn has_neighbours(&self, layer: usize, node: u32) -> bool {
        self.verified.lists.contains(self.verified.first_lists[layer] + node as usize)
    }

    /// Has the lists of some nodes in a layer fetched together. Whether all hold.
    pub(crate) fn fetch_lists(&self, layer: usize, nodes: &[u32]) -> bool {
        let lists: Vec<_> = nodes.iter().map(|&node| self.list(layer, node)).collect();
        self.bytes.0.will_need(&lists);
        lists.into_iter().all(|list| self.verify(list))
    }

    /// Has what a walk compares of the codes of some nodes in a layer fetched together.
    pub(crate) fn fetch_codes(&self, layer: usize, nodes: &[u32]) {
        let codes = |plane| nodes.iter().map(move |&node| self.codes(plane, node));
        let all: Vec<_> = self.compared(layer).flat_map(codes).collect();
        self.bytes.0.will_need(&all);
    }

    /// Has all codes fetched.
    pub(crate) fn fetch_all_codes(&self) {
        self.bytes.0.will_need(&[self.sections.high.clone(), self.sections.low.clone()]);
    }

    /// Where the codes of a node in a plane lie.
    fn codes(&self, plane: Plane, node: u32) -> Range<usize> {
        let section = match plane {
            Plane::High => &self.sections.high,
            Plane::Low => &self.sections.low,
            Plane::Outlines => &self.sections.outlines,
        };
        let len = match plane {
            Plane::Outlines => row_len(self.header.dimension),
            Plane::High | Plane::Low => groups(self.header.dimension) * size_of::<Group>(),
        };
        let start = section.start + node as usize * len;
        start..start + len
    }

    /// Where the terms of a node lie.
    fn terms(&self, node: u32) -> Range<usize> {
        let len = self.header.terms_len();
        let start = self.sections.terms.start + node as usize * len;
        start..start + len
    }

    fn verified(&self, plane: Plane) -> &VerifiedSet {
        match plane {
            Plane::High => &self.verified.high,
            Plane::Low => &self.verified.low,
            Plane::Outlines => &self.verified.outlines,
        }
    }

    /// Before the outlines of some nodes are used.
    #[inline]
    pub(crate) fn outlines(&self, nodes: &[u32]) {
        self.nodes(Plane::Outlines, nodes);
    }

    #[inline]
    fn nodes(&self, plane: Plane, nodes: &[u32]) {
        let verified = self.verified(plane);
        if !nodes.iter().fold(true, |all, &node| all & verified.contains(node as usize)) {
            self.verify_nodes(plane, nodes);
        }
    }

    /// Verifies those of the nodes that were not yet. Whether all hold.
    #[cold]
    fn verify_nodes(&self, plane: Plane, nodes: &[u32]) -> bool {
        let verified = self.verified(plane);
        let missing = || nodes.iter().copied().filter(|&node| !verified.contains(node as usize));
        if self.is_far() {
            self.bytes.0.will_need(&missing().map(|node| self.codes(plane, node)).collect::<Vec<_>>());
        }
        let mut hold = true;
        for node in missing() {
            let mut holds = self.verify(self.codes(plane, node));
            if matches!(plane, Plane::High) {
                holds &= self.verify(self.terms(node));
            }
            if holds {
                verified.insert(node as usize);
            }
            hold &= holds;
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
