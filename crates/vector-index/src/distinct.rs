//! Vectors without those that are the same as an earlier one.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::codes::Codes;
use crate::node::node_id;
use crate::repeats::Repeat;
use crate::workers::Workers;

/// Vectors of which no two are the same.
#[derive(Debug)]
pub(crate) struct Distinct {
    pub(crate) codes: Codes,
    /// Rows of vectors that were left out; `node` is the position among `codes` of the one that is the same. In no order.
    pub(crate) repeats: Vec<Repeat>,
    /// For each vector there was, the position of itself or its like; empty if nothing was left out.
    pub(crate) place_of: Vec<u32>,
}

impl Distinct {
    pub(crate) fn new(codes: Codes, workers: Workers) -> Self {
        let firsts = first_alike(&codes, workers);
        let kept: Vec<u32> =
            (0..).zip(&firsts).filter(|&(at, &first)| at == first).map(|(at, _)| at).collect();
        if kept.len() == codes.len() {
            return Self { codes, repeats: Vec::new(), place_of: Vec::new() };
        }
        let mut place_of = vec![0; codes.len()];
        for (place, &at) in (0..).zip(&kept) {
            place_of[at as usize] = place;
        }
        let mut repeats = Vec::with_capacity(codes.len() - kept.len());
        for (at, &first) in firsts.iter().enumerate().filter(|&(at, &first)| at != first as usize) {
            place_of[at] = place_of[first as usize];
            repeats.push(Repeat { node: place_of[at], row: codes.rows()[at] });
        }
        Self { codes: codes.kept(&kept), repeats, place_of }
    }
}

/// For each position, the first that has the same codes and factors.
fn first_alike(codes: &Codes, workers: Workers) -> Vec<u32> {
    let hash = |&mut (): &mut (), at: u32| {
        let mut hasher = DefaultHasher::new();
        codes.identity(at).hash(&mut hasher);
        (hasher.finish(), at)
    };
    let mut hashes: Vec<(u64, u32)> = workers.map_with_room(node_id(codes.len()), hash);
    workers.sort_unstable(&mut hashes);
    let mut firsts: Vec<u32> = (0..node_id(codes.len())).collect();
    for alike in hashes.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
        let first = alike[0].1;
        // Should two different vectors have one hash, those like the second stay apart, which is harmless.
        for &(_, at) in alike.iter().filter(|&&(_, at)| codes.identity(at) == codes.identity(first)) {
            firsts[at as usize] = first;
        }
    }
    firsts
}
