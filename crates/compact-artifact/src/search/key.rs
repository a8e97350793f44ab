//! A number for everything about a query that its ranking depends on.

use xxhash_rust::xxh3::Xxh3;

use super::query::{Fusion, Query, Target};

/// 128 bits over the query and the state that it is asked of: two that differ have different ones, but for a chance of 2^-64 in
/// billions of queries.
pub(crate) fn of(query: &Query, version: u64) -> u128 {
    let mut hash = Xxh3::new();
    let mut number = |value: u64| hash.update(&value.to_le_bytes());
    number(version);
    number(query.k as u64);
    number(query.offset as u64);
    number(query.min_score.map_or(u64::MAX, |score| score.to_bits().into()));
    number(query.exact.into());
    number(query.ef_search.map_or(0, |ef| ef as u64));
    number(query.candidates.map_or(0, |candidates| candidates as u64));
    number(query.words_weight.to_bits().into());
    match query.fusion {
        Fusion::ReciprocalRank { k } => number(u64::from(k.to_bits()) | 1 << 32),
        Fusion::Normalized => number(2 << 32),
    }
    number(query.vectors.len() as u64);
    let mut text = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    // What these print tells all that is in them.
    text(&query.words.as_ref().map_or(String::new(), |words| format!("{words:?}")));
    text(&query.filter.as_ref().map_or(String::new(), |filter| format!("{filter:?}")));
    query.vectors.iter().for_each(|clause| text(&clause.space));
    for clause in &query.vectors {
        hash.update(&clause.weight.to_bits().to_le_bytes());
        match &clause.target {
            Target::Record(id) => hash.update(&id.0.to_le_bytes()),
            Target::Vector(vector) => {
                hash.update(&u64::MAX.to_le_bytes());
                hash.update(&(vector.len() as u64).to_le_bytes());
                hash.update(bytemuck::cast_slice(vector));
            }
        }
    }
    hash.digest128()
}
