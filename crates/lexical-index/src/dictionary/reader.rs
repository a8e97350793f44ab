//! Terms of a dictionary, by name or by pattern, and all of them in their order.

use super::layout::{Dictionary, Node};
use super::pattern::Pattern;

/// The longest key: a field and a term.
const MAX_KEY_LEN: usize = 256;

impl Dictionary<'_> {
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
}

/// A walk over keys in their order.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    dictionary: Dictionary<'a>,
    /// From where the walk began to here: the nodes, the transition to take next, and the sum of outputs.
    path: Vec<(Node, usize, u64)>,
    /// Whether the key that may end at the last node has been reported.
    reported: bool,
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
        Self { dictionary, path: vec![(node, 0, output)], reported: false, key: prefix.to_vec() }
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
        if !std::mem::replace(&mut self.reported, true)
            && let Some(end) = node.end
        {
            return Step::Key(output.wrapping_add(end));
        }
        let Some(transition) = self.dictionary.transition(node, *next) else {
            // What leads to no key leads there in more ways than can be gone: no dictionary has it.
            if *next == 0 && node.end.is_none() {
                return self.give_up();
            }
            self.path.pop();
            self.key.pop();
            return Step::Node;
        };
        *next += 1;
        let output = output.wrapping_add(transition.output);
        self.key.push(transition.input);
        let target = self.dictionary.node(transition.target).filter(|_| self.key.len() <= MAX_KEY_LEN);
        let Some(target) = target else { return self.give_up() };
        if enter(&self.key) {
            self.path.push((target, 0, output));
            self.reported = false;
        } else {
            self.key.pop();
        }
        Step::Node
    }

    fn give_up(&mut self) -> Step {
        self.path.clear();
        Step::End
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::layout::VERSION;
    use super::*;
    use crate::bytes::Guarded;

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

    /// Each state leads to the next in two ways: 2^200 ways to walk, of which none leads to a key, or each only behind the longest that is gone.
    #[test]
    fn what_leads_to_no_key_is_not_walked_in_every_way() {
        for (states, leaf) in [(200, [0, 0, 0]), (400, [0, 0, 0x40])] {
            let mut all = VERSION.to_le_bytes().to_vec();
            all.extend([0; 8]);
            all.extend(leaf);
            for _ in 0..states {
                all.extend([1, 1, b'b', b'a', 0x10, 2]);
            }
            let root = all.len() as u64 - 1;
            all.extend([0; 8]);
            all.extend(root.to_le_bytes());
            all.extend([0; 4]);
            let dictionary = Dictionary::new(Guarded::plain(&all)).unwrap();
            assert!(dictionary.node(dictionary.root).is_some_and(|node| node.count() == 2));
            assert_eq!(Keys::all(dictionary).unwrap().next(), None);
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
