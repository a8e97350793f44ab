//! A number for everything about a query that its ranking depends on.

use metadata_index::Filter;
use xxhash_rust::xxh3::Xxh3;

use crate::api::query::{Clause, Fusion, Query, Target, Wanted};

/// 128 bits over the query and the state that it is asked of: two that differ have different ones, but for a chance of 2^-64 in
/// billions of queries.
pub(crate) fn cache_key(query: &Query, version: u64) -> u128 {
    let mut hash = Xxh3::new();
    let mut number = |value: u64| hash.update(&value.to_le_bytes());
    number(version);
    number(query.k as u64);
    number(query.offset as u64);
    number(query.min_score.map_or(u64::MAX, |score| score.to_bits().into()));
    number(query.exact.into());
    number(query.ef_search.map_or(0, |ef| ef as u64));
    number(query.recall.map_or(u64::MAX, f64::to_bits));
    number(query.candidates.map_or(0, |candidates| candidates as u64));
    match query.fusion.unwrap_or_default() {
        Fusion::ReciprocalRank { k } => number(u64::from(k.to_bits()) | 1 << 32),
        Fusion::Normalized => number(2 << 32),
    }
    number(query.clauses.len() as u64);
    number(query.total.into());
    let mut text = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    // What these print tells all that is in them.
    text(&query.filter.as_ref().map_or(String::new(), |filter| format!("{filter:?}")));
    text(&if query.order.is_empty() && query.facets.is_empty() && query.group.is_none() {
        String::new()
    } else {
        format!("{:?}{:?}{:?}", query.order, query.facets, query.group)
    });
    for clause in &query.clauses {
        hash_clause(&mut hash, clause);
    }
    hash.digest128()
}

/// As [`cache_key`], of a filter alone.
pub(super) fn filter_key(filter: &Filter, version: u64) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(b"rows of filter");
    hash.update(&version.to_le_bytes());
    hash.update(format!("{filter:?}").as_bytes());
    hash.digest128()
}

fn hash_clause(hash: &mut Xxh3, clause: &Clause) {
    // Weights are not negative, so that no weight is one of its own.
    hash.update(&clause.weight.unwrap_or(-1.0).to_bits().to_le_bytes());
    let mut text = |kind: u8, text: &str| {
        hash.update(&[kind]);
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    match &clause.wanted {
        Wanted::Words(words) => text(0, &format!("{words:?}")),
        Wanted::Meaning(meant) => text(3, meant),
        Wanted::Nearest { space, target: Target::Record(id) } => {
            text(1, space);
            hash.update(&id.0.to_le_bytes());
        }
        Wanted::Nearest { space, target: Target::Vector(vector) } => {
            text(2, space);
            hash.update(&(vector.len() as u64).to_le_bytes());
            hash.update(bytemuck::cast_slice(vector));
        }
    }
}
