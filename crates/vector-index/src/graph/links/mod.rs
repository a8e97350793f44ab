//! The neighbours of nodes.

pub(crate) mod layout;

use self::layout::{GROUP, list_len, unpack, width};
use crate::index::checks::Checks;
use crate::node::node_id;
use crate::prefetch::prefetch;
use crate::space::Space;

pub(crate) use self::layout::NONE;

/// The neighbours of every node of one layer: lists of fixed room, ended by what is no node of the layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links<'a> {
    lists: Lists<'a>,
    room: usize,
    nodes: u32,
    /// The number of the layer, and what verifies a list, and the codes of those in it, before they are used, if they are not known to be sound.
    checks: Option<(usize, &'a Checks<'a>)>,
}

/// Where lists lie.
#[derive(Debug, Clone, Copy)]
enum Lists<'a> {
    /// As numbers: of a graph that grows, and of an index that an earlier version wrote.
    Plain(&'a [u32]),
    /// Each of so many bytes, of numbers of so many bits.
    Packed { bytes: &'a [u8], len: usize, width: usize },
}

impl<'a> Links<'a> {
    /// Lists of `room` each, which is at least 1.
    pub(crate) fn new(ids: &'a [u32], room: usize) -> Self {
        Self { lists: Lists::Plain(ids), room, nodes: node_id(ids.len() / room), checks: None }
    }

    /// Lists of `room` each of so many nodes, as `layout` has them, and [`BEHIND`](layout::BEHIND) more bytes.
    pub(crate) fn packed(bytes: &'a [u8], room: usize, nodes: u32) -> Self {
        let width = width(nodes as usize);
        let lists = Lists::Packed { bytes, len: list_len(room, width), width };
        Self { lists, room, nodes, checks: None }
    }

    /// These lists, each verified before it is used, and with it what a walk compares of the codes of its nodes.
    pub(crate) fn checked(self, layer: usize, checks: &'a Checks<'a>) -> Self {
        Self { checks: Some((layer, checks)), ..self }
    }

    /// How many nodes the layer has: the first so many of the graph.
    pub(crate) fn nodes(self) -> usize {
        self.nodes as usize
    }

    /// Vectors as a walk along these lists compares them: unless there are outlines, they verify the codes.
    pub(crate) fn space(self, space: Space<'_>) -> Space<'_> {
        let have_codes = self.checks.is_some_and(|(layer, checks)| !checks.have_outlines(layer));
        if have_codes { Space { checks: None, ..space } } else { space }
    }

    /// Where lists lie far away: has that of a node fetched that is expanded now, with those of some that will be soon, and then the codes of all nodes in
    /// them.
    #[inline]
    pub(crate) fn fetch(self, node: u32, soon: impl Iterator<Item = u32>) {
        let is_missing =
            |(layer, checks): &(usize, &Checks<'_>)| !checks.has_neighbours(*layer, node) && checks.is_far();
        if let Some((layer, checks)) = self.checks.filter(is_missing) {
            self.fetch_together(layer, checks, std::iter::once(node).chain(soon).collect());
        }
    }

    #[cold]
    fn fetch_together(self, layer: usize, checks: &Checks<'_>, mut nodes: Vec<u32>) {
        nodes.retain(|&node| node < self.nodes && !checks.has_neighbours(layer, node));
        if checks.fetch_lists(layer, &nodes) {
            let (mut near, mut room) = (Vec::new(), Vec::new());
            for node in nodes {
                near.extend_from_slice(self.until_end(self.list(node, &mut room)));
            }
            checks.fetch_codes(layer, &near);
        }
    }

    /// How many neighbours a list has room for.
    pub(crate) fn room(self) -> usize {
        self.room
    }

    /// Has the list of a node fetched, which is read soon.
    #[inline]
    pub(crate) fn prefetch(self, node: u32) {
        let at = node as usize;
        match self.lists {
            Lists::Plain(ids) => prefetch(&ids[at * self.room..][..self.room]),
            Lists::Packed { bytes, len, .. } => prefetch(&bytes[at * len..][..len]),
        }
    }

    /// The neighbours of a node and behind them, if there is more room, what ends the list. They may be put into `room`.
    #[inline]
    pub(crate) fn with_end<'r>(self, node: u32, room: &'r mut Vec<u32>) -> &'r [u32]
    where
        'a: 'r,
    {
        match self.checks.filter(|(layer, checks)| !checks.has_neighbours(*layer, node)) {
            None => self.list(node, room),
            Some((layer, checks)) => self.verified(layer, checks, node, room),
        }
    }

    #[cold]
    fn verified<'r>(self, layer: usize, checks: &Checks<'_>, node: u32, room: &'r mut Vec<u32>) -> &'r [u32]
    where
        'a: 'r,
    {
        let holds = checks.list_holds(layer, node);
        let list = self.list(node, room);
        if holds {
            checks.neighbours(layer, node, self.until_end(list));
        }
        list
    }

    /// The neighbours of a node. What follows the first number that is no node of the layer does not count: it is the end of the
    /// list, or damage. They may be put into `room`.
    #[inline]
    pub(crate) fn neighbours<'r>(self, node: u32, room: &'r mut Vec<u32>) -> &'r [u32]
    where
        'a: 'r,
    {
        self.until_end(self.with_end(node, room))
    }

    #[inline]
    fn list<'r>(self, node: u32, room: &'r mut Vec<u32>) -> &'r [u32]
    where
        'a: 'r,
    {
        let at = node as usize;
        match self.lists {
            Lists::Plain(ids) => &ids[at * self.room..][..self.room],
            Lists::Packed { bytes, len, width } => {
                room.resize(self.room.next_multiple_of(GROUP), NONE);
                unpack(&bytes[at * len..], width, room.as_chunks_mut().0);
                &room[..self.room]
            }
        }
    }

    #[inline]
    fn until_end(self, list: &[u32]) -> &[u32] {
        let len = list.iter().position(|&id| id >= self.nodes).unwrap_or(list.len());
        &list[..len]
    }
}
