//! Several lists → one.

use std::collections::HashMap;

use block_format::RecordId;

use super::lists::{List, ListHit, Ranked};
use crate::api::query::Fusion;
use crate::api::results::ListPlace;

/// All records in the first `len` hits of the lists, the best first; of equals that with the smaller id.
pub(crate) fn fuse(fusion: Fusion, lists: &[List], len: usize) -> Vec<Ranked> {
    let mut scores: HashMap<RecordId, f32> = HashMap::new();
    for list in lists {
        for hit in first(list, len) {
            scores.entry(hit.id).or_insert(0.0);
        }
    }
    for list in lists {
        match fusion {
            Fusion::ReciprocalRank { k } => {
                for (rank, hit) in first(list, len).iter().enumerate() {
                    #[expect(clippy::cast_precision_loss, reason = "lists are short")]
                    let rank = (rank + 1) as f32;
                    *scores.entry(hit.id).or_default() += list.weight / (k + rank);
                }
            }
            Fusion::Normalized => {
                let hits = first(list, len);
                let standard = Standard::from_hits(hits);
                let own: HashMap<RecordId, f32> =
                    hits.iter().map(|hit| (hit.id, standard.score(hit.score))).collect();
                let lowest = hits.last().map_or(0.0, |hit| standard.score(hit.score));
                for (id, score) in &mut scores {
                    *score += list.weight * own.get(id).copied().unwrap_or(lowest);
                }
            }
        }
    }
    let mut ranked: Vec<Ranked> =
        scores.into_iter().map(|(id, score)| Ranked { id, score, places: Vec::new() }).collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    ranked
}

/// Mean and deviation of the scores of a list.
struct Standard {
    mean: f32,
    deviation: f32,
}

impl Standard {
    #[expect(clippy::cast_precision_loss, reason = "lists are short")]
    fn from_hits(hits: &[ListHit]) -> Self {
        let count = hits.len().max(1) as f32;
        let mean = hits.iter().map(|hit| hit.score).sum::<f32>() / count;
        let variance = hits.iter().map(|hit| (hit.score - mean).powi(2)).sum::<f32>() / count;
        Self { mean, deviation: variance.sqrt() }
    }

    fn score(&self, score: f32) -> f32 {
        // A list whose scores are all the same says no more than that these are its hits.
        if self.deviation > 0.0 { (score - self.mean) / self.deviation } else { 0.0 }
    }
}

fn first(list: &List, len: usize) -> &[ListHit] {
    &list.hits[..len.min(list.hits.len())]
}

/// Where a record stands in the first `len` hits of each list that has it there.
pub(crate) fn places(id: RecordId, lists: &[List], len: usize) -> Vec<ListPlace> {
    let place = |list: &List| {
        let at = first(list, len).iter().position(|hit| hit.id == id)?;
        let hit = list.hits[at];
        Some(ListPlace { list: list.name.clone(), rank: at + 1, score: hit.score, in_tail: hit.in_tail })
    };
    lists.iter().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(weight: f32, hits: &[(u64, f32)]) -> List {
        let hits =
            hits.iter().map(|&(id, score)| ListHit { id: RecordId(id), score, in_tail: false }).collect();
        List { weight, hits, ..List::default() }
    }

    fn order(fusion: Fusion, lists: &[List]) -> Vec<u64> {
        fuse(fusion, lists, 100).iter().map(|hit| hit.id.0).collect()
    }

    #[test]
    fn what_two_lists_have_comes_before_what_one_has_at_the_same_rank() {
        let lists = [list(1.0, &[(1, 9.0), (2, 8.0), (3, 1.0)]), list(1.0, &[(4, 0.9), (2, 0.8), (5, 0.1)])];
        for fusion in [Fusion::default(), Fusion::Normalized] {
            assert_eq!(order(fusion, &lists)[0], 2, "{fusion:?}");
        }
    }

    #[test]
    fn the_sum_of_reciprocal_ranks_is_that_of_the_paper() {
        let lists = [list(1.0, &[(1, 5.0)]), list(2.0, &[(7, 5.0), (1, 4.0)])];
        let fused = fuse(Fusion::default(), &lists, 100);
        assert_eq!(fused[0].id, RecordId(1));
        assert!((fused[0].score - (1.0 / 61.0 + 2.0 / 62.0)).abs() < 1e-7);
    }

    #[test]
    fn a_list_of_weight_zero_changes_no_order() {
        let one = || list(1.0, &[(3, 3.0), (1, 2.0), (2, 1.0)]);
        for fusion in [Fusion::default(), Fusion::Normalized] {
            let other = list(0.0, &[(2, 9.0), (1, 1.0)]);
            assert_eq!(order(fusion, &[one(), other]), order(fusion, &[one()]));
        }
    }

    #[test]
    fn equal_scores_are_no_division_by_zero() {
        let fused = fuse(Fusion::Normalized, &[list(1.0, &[(1, 2.0), (2, 2.0)]), list(1.0, &[])], 100);
        assert!(fused.iter().all(|hit| hit.score == 0.0));
        assert_eq!(fused.iter().map(|hit| hit.id.0).collect::<Vec<_>>(), [1, 2]);
    }
}
