//! Candidates for the neighbours of all nodes at once, from partitions that overlap.
//!
//! Vectors are carved into parts around leaders chosen at random, each into those of its nearest few, and parts into leaves; all pairs of a leaf are compared by blocks, which
//! costs a small part of what as many distances cost along a walk; each takes its nearest of every leaf, and those that take it. Which of
//! them become neighbours is decided as for any candidates. After Rubel et al., "`PiPNN`: Ultra-Scalable Graph-Based Nearest Neighbor Indexing", 2026, and the
//! partitions of HCNNG (Munoz et al., 2019), with plain lists in the place of hashes.

use super::links::NONE;
use super::rows::{Room, Rows};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::metric::Metric;
use crate::node::node_id;
use crate::scratch::Pooled;
use crate::space::Nodes;
use crate::workers::Workers;

/// A leaf has at most so many vectors, ...
const LEAF_MAX: usize = 1_500;
/// ... and as many leaders of a part are chosen as would make it so many.
const LEAF_USUAL: usize = 700;
/// A vector goes to so many parts that are carved into leaves, and with each to one of its leaves, ...
pub(super) const FANOUT: usize = 8;
/// ... and to so many if nine in ten bring along the neighbours that they had among some of the others.
pub(super) const FANOUT_SEEDED: usize = 3;
/// As many leaders of all vectors are chosen as would make a part so many, a few leaves: of a tight group there are fewer than a vector goes to, so that it goes to parts of others too.
const PART_USUAL: usize = 3_000;
/// At most so many leaders are compared with all vectors, ...
const LEADERS_MAX: usize = 2_000;
/// ... and so many with those of a part that is carved again.
const LEADERS_OF_PART_MAX: usize = 64;
/// A part that was carved so many times is split into leaves at random: its vectors are near each other, or equally far.
const DEPTH_MAX: usize = 4;
/// Of the neighbours that a node may have in the end, this part is taken from each leaf: 6 of 32.
const TAKEN: (usize, usize) = (3, 16);
/// Vectors that one task compares with leaders, or whose lists it sorts, and leaves that are compared before progress is reported.
const PER_TASK: usize = 256;
const LEAVES_AT_ONCE: usize = 32;

/// What nodes take from their leaves.
#[derive(Debug)]
pub(super) struct Candidates {
    /// How many a node has room for.
    room: usize,
    /// The candidates of every node, ended by [`NONE`].
    taken: Vec<u32>,
    /// Where those of a node that take it begin.
    starts: Vec<usize>,
    takers: Vec<u32>,
}

impl Candidates {
    /// Finds them for nodes that are to have `degree` neighbours and go to `fanout` leaves each. `report` is called with the number of nodes that are done, about, and may fail.
    pub(super) fn find(
        nodes: &Nodes,
        kernel: Kernel,
        degree: usize,
        fanout: usize,
        seed: u64,
        workers: Workers,
        mut report: impl FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let carver = Carver { nodes, kernel, fanout, workers, scratch: Pooled::new() };
        let mut leaves = Vec::new();
        let everyone: Vec<u32> = (0..node_id(nodes.len())).collect();
        carver.carve(&everyone, seed, 0, &mut leaves, &mut report)?;
        let of_leaf = (degree * TAKEN.0 / TAKEN.1).max(2);
        let room = of_leaf * fanout;
        let mut taken = vec![NONE; nodes.len() * room];
        let mut lens = vec![0usize; nodes.len()];
        let (total, mut done) = (leaves.iter().map(Vec::len).sum::<usize>(), 0);
        for some in leaves.chunks(LEAVES_AT_ONCE) {
            let nearest = workers.map(some, |leaf| carver.nearest(leaf, of_leaf));
            for (leaf, nearest) in some.iter().zip(&nearest) {
                for (&node, list) in leaf.iter().zip(nearest.chunks_exact(of_leaf)) {
                    let len = &mut lens[node as usize];
                    for &other in list.iter().take_while(|&&other| other != NONE) {
                        taken[node as usize * room + *len] = other;
                        *len += 1;
                    }
                }
                done += leaf.len();
            }
            // Each of about as many leaves.
            report(done.div_ceil(total.div_ceil(nodes.len())).min(nodes.len()))?;
        }
        workers.for_each_chunk(&mut taken, room * PER_TASK, |lists| {
            lists.chunks_exact_mut(room).for_each(sort_and_deduplicate);
        });
        Ok(Self::new(room, taken))
    }

    fn new(room: usize, taken: Vec<u32>) -> Self {
        let mut starts = vec![0; taken.len() / room + 1];
        for &other in taken.iter().filter(|&&other| other != NONE) {
            starts[other as usize] += 1;
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        // Filled from behind, so that every end becomes a start.
        let mut takers = vec![0; total];
        for (node, list) in (0..).zip(taken.chunks_exact(room)) {
            for &other in list.iter().filter(|&&other| other != NONE) {
                let end = &mut starts[other as usize];
                *end -= 1;
                takers[*end] = node;
            }
        }
        Self { room, taken, starts, takers }
    }

    /// The candidates of a node, each once.
    pub(super) fn of_node(&self, node: u32, into: &mut Vec<u32>) {
        let at = node as usize;
        let taken = self.taken[at * self.room..][..self.room].iter().copied();
        into.clear();
        into.extend(taken.take_while(|&other| other != NONE));
        into.extend(&self.takers[self.starts[at]..self.starts[at + 1]]);
        into.sort_unstable();
        into.dedup();
    }
}

/// Brings a list that may end with [`NONE`] into order, each once.
fn sort_and_deduplicate(list: &mut [u32]) {
    list.sort_unstable();
    let mut len = 1;
    for at in 1..list.len() {
        if list[at] != list[len - 1] {
            list[len] = list[at];
            len += 1;
        }
    }
    list[len..].fill(NONE);
}

struct Carver<'a> {
    nodes: &'a Nodes,
    kernel: Kernel,
    /// A vector goes to so many leaves.
    fanout: usize,
    workers: Workers,
    scratch: Pooled<(Rows, Room)>,
}

impl Carver<'_> {
    /// The nearest `k` of each vector in a leaf, by node; [`NONE`] for what is missing.
    fn nearest(&self, leaf: &[u32], k: usize) -> Vec<u32> {
        self.scratch.with(|(rows, room)| {
            rows.gather(self.nodes, leaf);
            let nearest = rows.nearest_of_each_other(self.kernel, k, room);
            nearest.others().map(|other| leaf.get(other as usize).copied().unwrap_or(NONE)).collect()
        })
    }

    /// Carves some vectors, which are in ascending order, into leaves.
    fn carve(
        &self,
        ids: &[u32],
        seed: u64,
        depth: usize,
        leaves: &mut Vec<Vec<u32>>,
        report: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        if ids.len() <= LEAF_MAX {
            leaves.extend((ids.len() > 1).then(|| ids.to_vec()));
            return Ok(());
        }
        if depth == DEPTH_MAX {
            leaves.extend(split_at_random(ids, seed));
            return Ok(());
        }
        let (fanout, usual, most) = match depth {
            0 => (self.fanout, PART_USUAL, LEADERS_MAX),
            _ => (1, LEAF_USUAL, LEADERS_OF_PART_MAX),
        };
        let count = (ids.len() * fanout / usual).clamp(2, most);
        let parts = self.parts(ids, fanout.min(count), &chosen(ids, count, seed), report)?;
        let parts: Vec<(u64, Vec<u32>)> = (1..).map(|at| mix(seed, at)).zip(parts).collect();
        for some in parts.chunks(LEAVES_AT_ONCE) {
            let carve = |(seed, part): &(u64, Vec<u32>)| -> Result<Vec<Vec<u32>>> {
                if part.len() == ids.len() {
                    return Ok(split_at_random(part, *seed));
                }
                let mut leaves = Vec::new();
                self.carve(part, *seed, depth + 1, &mut leaves, &mut |_| Ok(()))?;
                Ok(leaves)
            };
            for carved in self.workers.map(some, carve) {
                leaves.extend(carved?);
            }
            report(0)?;
        }
        Ok(())
    }

    /// The vectors that each leader is among the nearest `fanout` of.
    fn parts(
        &self,
        ids: &[u32],
        fanout: usize,
        leaders: &[u32],
        report: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let mut of_leaders = Rows::default();
        of_leaders.gather(self.nodes, leaders);
        if self.nodes.quantizer().metric() == Metric::Dot {
            of_leaders.normalize(self.kernel);
        }
        let mut parts = vec![Vec::new(); leaders.len()];
        let tasks: Vec<&[u32]> = ids.chunks(PER_TASK).collect();
        for some in tasks.chunks(LEAVES_AT_ONCE) {
            let nearest: Vec<Vec<u32>> = self.workers.map(some, |ids| {
                self.scratch.with(|(rows, room)| {
                    rows.gather(self.nodes, ids);
                    rows.nearest_among(self.kernel, &of_leaders, fanout, room).others().collect()
                })
            });
            for (ids, nearest) in some.iter().zip(&nearest) {
                for (&id, leaders) in ids.iter().zip(nearest.chunks_exact(fanout)) {
                    leaders
                        .iter()
                        .filter(|&&leader| leader != NONE)
                        .for_each(|&leader| parts[leader as usize].push(id));
                }
            }
            report(0)?;
        }
        Ok(parts)
    }
}

/// Some of the vectors, at random, ascending.
fn chosen(ids: &[u32], count: usize, seed: u64) -> Vec<u32> {
    let mut chosen = shuffled(ids, seed);
    chosen.truncate(count);
    chosen.sort_unstable();
    chosen
}

/// Leaves of vectors that cannot be carved, each at random.
fn split_at_random(ids: &[u32], seed: u64) -> Vec<Vec<u32>> {
    let leaves = shuffled(ids, seed);
    let leaves = leaves.chunks(LEAF_USUAL).map(<[u32]>::to_vec);
    leaves
        .map(|mut leaf| {
            leaf.sort_unstable();
            leaf
        })
        .collect()
}

fn shuffled(ids: &[u32], seed: u64) -> Vec<u32> {
    let mut keyed: Vec<(u64, u32)> = ids.iter().map(|&id| (mix(seed, id), id)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, id)| id).collect()
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, 2014).
pub(super) fn mix(seed: u64, row: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(row).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::Codes;
    use crate::{Int8Quantizer, Metric};

    fn nodes(count: u32, dimension: usize, code: impl Fn(u32, usize) -> i8) -> Nodes {
        let mut codes = Codes::new(Int8Quantizer::new(Metric::L2, dimension).unwrap());
        for row in 0..count {
            let vector: Vec<i8> = (0..dimension).map(|at| code(row, at)).collect();
            codes.push_codes(row, &vector, 1.0).unwrap();
        }
        let order: Vec<u32> = (0..count).collect();
        codes.permuted(&order, Workers::Caller)
    }

    fn leaves(nodes: &Nodes) -> Vec<Vec<u32>> {
        let carver = Carver {
            nodes,
            kernel: Kernel::detect(),
            fanout: FANOUT,
            workers: Workers::Caller,
            scratch: Pooled::new(),
        };
        let mut leaves = Vec::new();
        let everyone: Vec<u32> = (0..node_id(nodes.len())).collect();
        carver.carve(&everyone, 3, 0, &mut leaves, &mut |_| Ok(())).unwrap();
        leaves
    }

    /// Noise, all but one in a hundred the same, and all in one point but for a few.
    fn hard() -> [Nodes; 3] {
        let noise = |row, at| i8::try_from(mix(u64::from(row), node_id(at)) % 255).unwrap_or(-100);
        let alike = |row, at| if row % 100 == 0 { noise(row, at) } else { 50 };
        let near = |row: u32, at: usize| if at < 4 { i8::try_from(row >> (3 * at) & 7).unwrap() } else { 90 };
        [nodes(6_000, 70, noise), nodes(6_000, 70, alike), nodes(4_096, 20, near)]
    }

    #[test]
    fn every_vector_is_in_some_leaf_and_no_leaf_is_large() {
        for nodes in hard() {
            let leaves = leaves(&nodes);
            let mut of_node = vec![0; nodes.len()];
            for leaf in &leaves {
                assert!(leaf.len() <= LEAF_MAX && leaf.is_sorted_by(|a, b| a < b));
                for &node in leaf {
                    of_node[node as usize] += 1;
                }
            }
            assert!(of_node.iter().all(|count| (1..=FANOUT).contains(count)));
        }
    }

    #[test]
    fn leaves_of_tight_groups_have_vectors_of_other_groups() {
        let group = |row: u32| row / 1_000;
        let code =
            |seed: u32, at: usize, size: u64| i8::try_from(mix(u64::from(seed), node_id(at)) % size).unwrap();
        let nodes = nodes(10_000, 20, |row, at| code(group(row), at, 90) + code(100 + row, at, 20));
        let leaves = leaves(&nodes);
        let mixed = leaves.iter().filter(|leaf| leaf.iter().any(|&row| group(row) != group(leaf[0]))).count();
        assert!(mixed * 3 > leaves.len(), "{mixed} of {}", leaves.len());
    }

    #[test]
    fn candidates_are_other_nodes_each_once_and_who_is_taken_takes() {
        for nodes in hard() {
            let found =
                Candidates::find(&nodes, Kernel::detect(), 32, FANOUT, 0, Workers::Pool, |_| Ok(())).unwrap();
            let lists: Vec<Vec<u32>> = (0..node_id(nodes.len()))
                .map(|node| {
                    let mut list = Vec::new();
                    found.of_node(node, &mut list);
                    list
                })
                .collect();
            for (node, list) in (0..).zip(&lists) {
                assert!(list.len() >= 6 && list.is_sorted_by(|a, b| a < b) && !list.contains(&node));
                assert!(list.iter().all(|&other| lists[other as usize].contains(&node)));
            }
        }
    }
}
