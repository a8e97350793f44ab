//! Reads the transducers that the crate `fst` writes (its format version 3), and distrusts them.
//!
//! That crate's own reader takes for granted that the bytes are what its builder wrote; these may be anything. Every offset is
//! checked here, addresses only fall, and whoever walks has a budget of steps.

use wire::try_u64_at;

use super::pattern::Pattern;
use crate::bytes::Guarded;

const VERSION: u64 = 3;
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
/// The longest key: a field and a term.
const MAX_KEY_LEN: usize = 256;

/// A map from keys to numbers, in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dictionary<'a> {
    bytes: Guarded<'a>,
    root: usize,
}

/// One state and its transitions.
#[derive(Debug, Clone, Copy)]
struct Node {
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
    end: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Transition {
    input: u8,
    output: u64,
    target: usize,
}

impl<'a> Dictionary<'a> {
    pub(crate) fn new(bytes: Guarded<'a>) -> Option<Self> {
        let foot = bytes.len().checked_sub(FOOT_LEN).filter(|&foot| foot >= HEAD_LEN)?;
        let root = usize::try_from(try_u64_at(bytes.get(foot..bytes.len())?, 8)?).ok()?;
        (try_u64_at(bytes.first(HEAD_LEN), 0) == Some(VERSION) && root < foot).then_some(Self { bytes, root })
    }

    /// The number of a key.
    pub(crate) fn get(&self, field: u8, term: &[u8]) -> Option<u64> {
        let (node, output) = self.descend(std::iter::once(field).chain(term.iter().copied()))?;
        Some(output.wrapping_add(node.end?))
    }

    /// Calls `found` with every term of a field that matches, its distance and its number. `false`: there would have been more,
    /// but `found` said stop, or the steps were used up.
    pub(crate) fn search(
        &self,
        field: u8,
        pattern: &Pattern,
        steps: usize,
        mut found: impl FnMut(&[u8], u8, u64) -> bool,
    ) -> bool {
        let start = std::iter::once(field).chain(pattern.prefix().iter().copied());
        let Some((node, output)) = self.descend(start) else { return true };
        let mut keys = Keys::new(*self, node, output, pattern.prefix());
        let mut walk = pattern.walk();
        for _ in 0..steps {
            match keys.step(|key| walk.enter(key)) {
                Step::Key(number) => {
                    if let Some(distance) = walk.distance()
                        && !found(&keys.key, distance, number)
                    {
                        return false;
                    }
                }
                Step::Node => {}
                Step::End => return true,
            }
        }
        false
    }

    fn descend(&self, key: impl Iterator<Item = u8>) -> Option<(Node, u64)> {
        let mut node = self.node(self.root)?;
        let mut output = 0u64;
        for byte in key {
            let transition = self.find(&node, byte)?;
            output = output.wrapping_add(transition.output);
            node = self.node(transition.target)?;
        }
        Some((node, output))
    }

    fn node(&self, address: usize) -> Option<Node> {
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

    fn transition(&self, node: &Node, i: usize) -> Option<Transition> {
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

    fn find(&self, node: &Node, input: u8) -> Option<Transition> {
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

/// A walk over keys in their order.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    dictionary: Dictionary<'a>,
    /// From where the walk began to here: the nodes, the transition to take next, and the sum of outputs.
    path: Vec<(Node, usize, u64)>,
    /// Whether the key that may end at the last node has been told.
    told: bool,
    pub(crate) key: Vec<u8>,
}

/// What a step of a walk came to.
enum Step {
    /// The end of a key, with its number.
    Key(u64),
    Node,
    End,
}

impl<'a> Keys<'a> {
    /// All keys.
    pub(crate) fn all(dictionary: Dictionary<'a>) -> Option<Self> {
        Some(Self::new(dictionary, dictionary.node(dictionary.root)?, 0, &[]))
    }

    fn new(dictionary: Dictionary<'a>, node: Node, output: u64, prefix: &[u8]) -> Self {
        Self { dictionary, path: vec![(node, 0, output)], told: false, key: prefix.to_vec() }
    }

    /// Moves to the next key, which is then in `key`; returns its number.
    pub(crate) fn next(&mut self) -> Option<u64> {
        loop {
            match self.step(|_| true) {
                Step::Key(number) => return Some(number),
                Step::Node => {}
                Step::End => return None,
            }
        }
    }

    /// One step; `enter` says whether to go on below the key that it is given.
    fn step(&mut self, enter: impl FnOnce(&[u8]) -> bool) -> Step {
        let Some((node, next, output)) = self.path.last_mut() else { return Step::End };
        if !std::mem::replace(&mut self.told, true)
            && let Some(end) = node.end
        {
            return Step::Key(output.wrapping_add(end));
        }
        let Some(transition) = self.dictionary.transition(node, *next) else {
            self.path.pop();
            self.key.pop();
            return Step::Node;
        };
        *next += 1;
        let output = output.wrapping_add(transition.output);
        self.key.push(transition.input);
        let target = self.dictionary.node(transition.target);
        match target.filter(|_| self.key.len() <= MAX_KEY_LEN && enter(&self.key)) {
            Some(target) => {
                self.path.push((target, 0, output));
                self.told = false;
            }
            None => {
                self.key.pop();
            }
        }
        Step::Node
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn written(map: &BTreeMap<Vec<u8>, u64>) -> Vec<u8> {
        let mut builder = ::fst::MapBuilder::memory();
        for (key, &number) in map {
            builder.insert(key, number).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn split(key: &[u8]) -> (u8, &[u8]) {
        (key[0], &key[1..])
    }

    proptest! {
        #[test]
        fn every_key_is_found_in_what_the_crate_fst_wrote_and_no_other(
            keys in prop::collection::btree_map(
                prop_oneof![prop::collection::vec(any::<u8>(), 1..5), "[a-c]{1,12}".prop_map(String::into_bytes)],
                prop_oneof![0..300u64, any::<u64>()], 0..400),
            other in prop::collection::vec(any::<u8>(), 1..4),
        ) {
            let bytes = written(&keys);
            let dictionary = Dictionary::new(Guarded::plain(&bytes)).unwrap();
            for (key, &number) in &keys {
                let (field, term) = split(key);
                prop_assert_eq!(dictionary.get(field, term), Some(number));
            }
            let (field, term) = split(&other);
            prop_assert_eq!(dictionary.get(field, term), keys.get(&other).copied());
            let mut walk = Keys::all(dictionary).unwrap();
            for (key, &number) in &keys {
                prop_assert_eq!((walk.next(), &walk.key), (Some(number), key));
            }
            prop_assert_eq!(walk.next(), None);
        }

        #[test]
        fn any_bytes_are_walked_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), root in 0..200u64) {
            let mut all = VERSION.to_le_bytes().to_vec();
            all.extend(bytes);
            all.extend(root.to_le_bytes());
            all.extend([0; 4]);
            if let Some(dictionary) = Dictionary::new(Guarded::plain(&all)) {
                dictionary.get(b'a', b"bc");
                dictionary.search(b'a', &Pattern::prefix_of("b"), 10_000, |_, _, _| true);
                dictionary.search(b'a', &Pattern::fuzzy("bcd", 2), 10_000, |_, _, _| true);
            }
        }
    }

    #[test]
    fn the_inputs_that_fit_into_a_state_are_those_of_the_crate() {
        for byte in 0..=u8::MAX {
            let bytes = written(&BTreeMap::from([(vec![byte, byte, byte], 5)]));
            assert_eq!(Dictionary::new(Guarded::plain(&bytes)).unwrap().get(byte, &[byte, byte]), Some(5));
        }
    }
}
