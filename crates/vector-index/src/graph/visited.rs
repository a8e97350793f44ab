//! The set of nodes seen, reused between searches.

/// A mark for every node, which counts only while it is that of the running search: starting one clears nothing.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    marks: Vec<u8>,
    epoch: u8,
    /// How many nodes there are in the running search.
    nodes: usize,
}

impl Visited {
    pub(crate) fn heap_bytes(&self) -> usize {
        self.marks.capacity()
    }

    /// Forgets everything, and makes room for `nodes`.
    pub(crate) fn start(&mut self, nodes: usize) {
        if self.marks.len() < nodes || self.epoch == u8::MAX {
            self.marks.fill(0);
            self.marks.resize(nodes.max(self.marks.len()), 0);
            self.epoch = 0;
        }
        self.epoch += 1;
        self.nodes = nodes;
    }

    /// Adds a node below the number given to [`start`](Self::start); whether it was new.
    #[inline]
    pub(crate) fn insert(&mut self, node: u32) -> bool {
        std::mem::replace(&mut self.marks[node as usize], self.epoch) != self.epoch
    }

    /// The same for some nodes up to the first that is not below that number: those that were new are added to `new`, in order. Which ones are is hard to foresee, so there is no
    /// branch on it.
    #[inline]
    pub(crate) fn insert_all(&mut self, nodes: &[u32], new: &mut Vec<u32>) {
        let mut len = new.len();
        new.resize(len + nodes.len(), 0);
        let marks = &mut self.marks[..self.nodes];
        for &node in nodes {
            let Some(mark) = marks.get_mut(node as usize) else { break };
            new[len] = node;
            len += usize::from(*mark != self.epoch);
            *mark = self.epoch;
        }
        new.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_new_once_in_every_search() {
        let mut visited = Visited::default();
        for search in 0..600 {
            visited.start(10 + search / 100);
            for node in [0, 9, 5] {
                assert!(visited.insert(node), "search {search}");
                assert!(!visited.insert(node), "search {search}");
            }
            let mut new = vec![3];
            visited.insert_all(&[9, 1, 4, 1, 5], &mut new);
            assert_eq!(new, [3, 1, 4], "search {search}");
            visited.insert_all(&[100, 2], &mut new);
            assert_eq!(new, [3, 1, 4], "search {search}");
        }
    }
}
