//! The bytes of the transducers that the crate `fst` writes (its format version 3), distrusted.
//!
//! That crate's own reader takes for granted that the bytes are what its builder wrote; these may be anything. Every offset is
//! checked here, addresses only fall, and whoever walks has a budget of steps.

use wire::try_u64_at;

use crate::bytes::Guarded;

pub(super) const VERSION: u64 = 3;
/// Version and type before the nodes; number of keys, root and checksum after them.
const HEAD_LEN: usize = 16;
const FOOT_LEN: usize = 20;
/// Where the empty final node is: nowhere.
const EMPTY: usize = 0;
/// Above so many transitions a node has a table of 256 bytes, by input.
const INDEX_THRESHOLD: usize = 32;
/// Inputs that a node of one transition has in its first byte, by number from 1 on.
pub(crate) const COMMON_INPUTS: &[u8; 63] =
    b"te/oasripcnw.hlm-du012g=:bf3y5&_4v9678k%?xCDASFIBEjPTzRNM+LOqHG";
/// A node of one transition, and the beginning of any other one, is not longer.
const NODE_HEAD_LEN: usize = 32;
/// A map from keys to numbers, in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dictionary<'a> {
    bytes: Guarded<'a>,
    pub(super) root: usize,
}

/// One state and its transitions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// The bytes of its transitions end here: inputs, then targets, then outputs, each from the last to the first.
    top: usize,
    /// The lowest byte of the node.
    start: usize,
    count: usize,
    target_len: usize,
    output_len: usize,
    /// Of a node with one transition that is coded shorter.
    one: Option<Transition>,
    /// If a key ends here, what is added to its number.
    pub(super) end: Option<u64>,
}

#[cfg(test)]
impl Node {
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Transition {
    pub(super) input: u8,
    pub(super) output: u64,
    pub(super) target: usize,
}

impl<'a> Dictionary<'a> {
    pub(crate) fn new(bytes: Guarded<'a>) -> Option<Self> {
        let foot = bytes.len().checked_sub(FOOT_LEN).filter(|&foot| foot >= HEAD_LEN)?;
        let root = usize::try_from(try_u64_at(bytes.get(foot..bytes.len())?, 8)?).ok()?;
        (try_u64_at(bytes.first(HEAD_LEN), 0) == Some(VERSION) && root < foot).then_some(Self { bytes, root })
    }

    pub(super) fn node(&self, address: usize) -> Option<Node> {
        if address == EMPTY {
            let nothing =
                Node { top: 0, start: 0, count: 0, target_len: 0, output_len: 0, one: None, end: Some(0) };
            return Some(nothing);
        }
        self.bytes.verify((address + 1).saturating_sub(NODE_HEAD_LEN)..address + 1);
        let state = self.byte(address)?;
        if state & 0x80 == 0 { self.node_of_any(address, state) } else { self.node_of_one(address, state) }
    }

    /// A node with one transition, at which no key ends.
    fn node_of_one(&self, address: usize, state: u8) -> Option<Node> {
        let (input, mut start) = match COMMON_INPUTS.get(usize::from(state & 0x3F).wrapping_sub(1)) {
            Some(&input) => (input, address),
            None => (self.byte(address.checked_sub(1)?)?, address - 1),
        };
        let next_follows = state & 0x40 != 0;
        let (mut output, mut target) = (0, start.checked_sub(1)?);
        if !next_follows {
            start = start.checked_sub(1)?;
            let (target_len, output_len) = lens(self.byte(start)?);
            start = start.checked_sub(target_len)?;
            let distance = self.number(start, target_len)?;
            start = start.checked_sub(output_len)?;
            output = self.number(start, output_len)?;
            target = target_of(start, distance)?;
        }
        let one = Some(Transition { input, output, target });
        Some(Node { top: 0, start, count: 1, target_len: 0, output_len: 0, one, end: None })
    }

    /// A node with any number of transitions.
    fn node_of_any(&self, address: usize, state: u8) -> Option<Node> {
        let (count, at) = match state & 0x3F {
            0 => (self.byte(address.checked_sub(1)?)?, address - 1),
            count => (count, address),
        };
        // One transition is always said in the state itself, so a 1 beside it means 256.
        let count = if at < address && count == 1 { 256 } else { usize::from(count) };
        let at = at.checked_sub(1)?;
        let (target_len, output_len) = lens(self.byte(at)?);
        let top = at.checked_sub(if count > INDEX_THRESHOLD { 256 } else { 0 })?;
        let mut start = top.checked_sub(count * (1 + target_len + output_len))?;
        let mut end = None;
        if state & 0x40 != 0 {
            start = start.checked_sub(output_len)?;
        }
        self.bytes.verify(start..at);
        if state & 0x40 != 0 {
            end = Some(self.number(start, output_len)?);
        }
        Some(Node { top, start, count, target_len, output_len, one: None, end })
    }

    pub(super) fn transition(&self, node: &Node, i: usize) -> Option<Transition> {
        if node.one.is_some() || i >= node.count {
            return node.one.filter(|_| i == 0);
        }
        let targets = node.top - node.count;
        let outputs = targets - node.count * node.target_len;
        let distance = self.number(targets - (i + 1) * node.target_len, node.target_len)?;
        Some(Transition {
            input: self.byte(node.top - 1 - i)?,
            output: self.number(outputs - (i + 1) * node.output_len, node.output_len)?,
            target: target_of(node.start, distance)?,
        })
    }

    pub(super) fn find(&self, node: &Node, input: u8) -> Option<Transition> {
        if node.one.is_some() {
            return node.one.filter(|one| one.input == input);
        }
        let i = if node.count > INDEX_THRESHOLD {
            usize::from(self.byte(node.top + usize::from(input))?)
        } else {
            let inputs = self.bytes.as_verified().get(node.top - node.count..node.top)?;
            inputs.iter().rev().position(|&other| other == input)?
        };
        self.transition(node, i)
    }

    /// A byte of a node that was verified.
    #[inline]
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.as_verified().get(at).copied()
    }

    /// A little-endian integer of up to eight bytes of a node that was verified.
    fn number(&self, at: usize, len: usize) -> Option<u64> {
        let bytes = self.bytes.as_verified().get(at..at.checked_add(len)?)?;
        let mut number = [0; 8];
        number.get_mut(..len)?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(number))
    }
}

/// How many bytes targets and outputs of a node have.
fn lens(sizes: u8) -> (usize, usize) {
    (usize::from(sizes >> 4), usize::from(sizes & 15))
}

fn target_of(start: usize, distance: u64) -> Option<usize> {
    match distance {
        0 => Some(EMPTY),
        _ => start.checked_sub(usize::try_from(distance).ok()?),
    }
}
