//! Several lists → one.

use block_format::RecordId;

use super::lists::{List, ListHit, Ranked};
use crate::api::query::Fusion;
use crate::api::results::ListPlace;

/// All records in the first `len` hits of the lists, the best first; of equals that with the smaller id.
pub(crate) fn fuse(fusion: Fusion, lists: &[List], len: usize) -> Vec<Ranked> {
    // What every record has, and what one has beyond that for each list that it is in.
    let mut base = 0.0;
    let mut added: Vec<(RecordId, f32)> = Vec::new();
    for list in lists {
        let hits = first(list, len);
        match fusion {
            Fusion::ReciprocalRank { k } => {
                #[expect(clippy::cast_precision_loss, reason = "lists are short")]
                let of_rank = |rank: u32| list.weight / (k + rank as f32);
                added.extend(hits.iter().zip(1..).map(|(hit, rank)| (hit.id, of_rank(rank))));
            }
            Fusion::Normalized => {
                let standard = Standard::from_list(list, len);
                base += list.weight * standard.lowest;
                added.extend(
                    hits.iter()
                        .map(|hit| (hit.id, list.weight * (standard.score(hit.score) - standard.lowest))),
                );
            }
        }
    }
    added.sort_by_key(|&(id, _)| id);
    let mut ranked: Vec<Ranked> = added
        .chunk_by(|(id, _), (other, _)| id == other)
        .map(|of_one| {
            let score = base + of_one.iter().map(|(_, score)| score).sum::<f32>();
            Ranked { id: of_one[0].0, score, places: Vec::new() }
        })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    ranked
}

/// The best score of a list is at most so many deviations above its mean: few hits among many records that have none would
/// otherwise outweigh any other list.
const MAX_DEVIATIONS: f32 = 5.0;

/// Mean and deviation of the scores of a list.
struct Standard {
    mean: f32,
    deviation: f32,
    /// What a record counts for that is not in the list.
    lowest: f32,
}

impl Standard {
    /// Of the first `len` hits. Where a list has all that there is and is shorter, those behind its hits have its score of absence.
    #[expect(clippy::cast_precision_loss, reason = "lists are short")]
    fn from_list(list: &List, len: usize) -> Self {
        let hits = first(list, len);
        let scores = || hits.iter().map(|hit| hit.score);
        let absent = list.absent.filter(|_| hits.len() < len);
        let absent_count = absent.map_or(0, |_| len - hits.len()) as f32;
        let (absent_score, count) = (absent.unwrap_or(0.0), (hits.len() as f32 + absent_count).max(1.0));
        let mean = (scores().sum::<f32>() + absent_count * absent_score) / count;
        let squares = scores().map(|score| (score - mean).powi(2)).sum::<f32>();
        let variance = (squares + absent_count * (absent_score - mean).powi(2)) / count;
        let best = hits.first().map_or(mean, |hit| hit.score);
        let deviation = variance.sqrt().max((best - mean) / MAX_DEVIATIONS);
        let mut standard = Self { mean, deviation, lowest: 0.0 };
        let lowest = absent.or(hits.last().map(|hit| hit.score));
        standard.lowest = lowest.map_or(0.0, |lowest| standard.score(lowest));
        standard
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

    const RANKS: Fusion = Fusion::ReciprocalRank { k: 60.0 };

    fn order(fusion: Fusion, lists: &[List]) -> Vec<u64> {
        fuse(fusion, lists, 100).iter().map(|hit| hit.id.0).collect()
    }

    #[test]
    fn what_two_lists_have_comes_before_what_one_has_at_the_same_rank() {
        let lists = [list(1.0, &[(1, 9.0), (2, 8.0), (3, 1.0)]), list(1.0, &[(4, 0.9), (2, 0.8), (5, 0.1)])];
        for fusion in [RANKS, Fusion::Normalized] {
            assert_eq!(order(fusion, &lists)[0], 2, "{fusion:?}");
        }
    }

    #[test]
    fn the_sum_of_reciprocal_ranks_is_that_of_the_paper() {
        let lists = [list(1.0, &[(1, 5.0)]), list(2.0, &[(7, 5.0), (1, 4.0)])];
        let fused = fuse(RANKS, &lists, 100);
        assert_eq!(fused[0].id, RecordId(1));
        assert!((fused[0].score - (1.0 / 61.0 + 2.0 / 62.0)).abs() < 1e-7);
    }

    #[test]
    fn a_list_of_weight_zero_changes_no_order() {
        let one = || list(1.0, &[(3, 3.0), (1, 2.0), (2, 1.0)]);
        for fusion in [RANKS, Fusion::Normalized] {
            let other = list(0.0, &[(2, 9.0), (1, 1.0)]);
            assert_eq!(order(fusion, &[one(), other]), order(fusion, &[one()]));
        }
    }

    #[test]
    fn the_one_text_with_a_rare_word_stands_beside_the_nearest_vectors() {
        let near: Vec<(u64, f32)> = (0..200u16).map(|i| (i.into(), 1.0 - f32::from(i) / 200.0)).collect();
        let words = List { absent: Some(0.0), ..list(1.0, &[(777, 9.0)]) };
        let order = order(Fusion::Normalized, &[words, list(1.0, &near)]);
        assert_eq!((order[0], order.len()), (777, 101));
    }

    #[test]
    fn a_list_of_ever_fewer_hits_never_outweighs_the_other_by_more_than_its_limit() {
        for hits in 1..200u16 {
            let words: Vec<(u64, f32)> = (0..hits).map(|i| (i.into(), f32::from(hits - i))).collect();
            let words = List { absent: Some(0.0), ..list(1.0, &words) };
            let best = fuse(Fusion::Normalized, &[words], 200)[0].score;
            assert!(best > 1.0 && best <= MAX_DEVIATIONS + 1e-4, "{hits}: {best}");
        }
    }

    #[test]
    fn equal_scores_are_no_division_by_zero() {
        let fused = fuse(Fusion::Normalized, &[list(1.0, &[(1, 2.0), (2, 2.0)]), list(1.0, &[])], 100);
        assert!(fused.iter().all(|hit| hit.score == 0.0));
        assert_eq!(fused.iter().map(|hit| hit.id.0).collect::<Vec<_>>(), [1, 2]);
    }
}
