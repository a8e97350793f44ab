//! What scores depend on beside the text that is scored.

use std::collections::{BTreeMap, HashMap};

use super::{MAX_VISITED, Matches};
use crate::dictionary::Pattern;
use crate::error::{Error, ErrorKind, Result};

/// All that the scores of one query depend on beside the text that is scored: how many records there are, how long their fields are, in how many of them each
/// term of the query occurs, and which terms its prefixes and fuzzy words stand for.
///
/// Gathered by [`Searcher::statistics_of`](crate::Searcher::statistics_of), [merged](Self::merge) over indexes that are searched apart, and given to each of their
/// searches by [`Searcher::statistics`](crate::Searcher::statistics), it makes their scores those of one index of all records. With the feature `serde` it goes to other processes.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Statistics {
    /// Of the segments, unless there were none.
    analyzer: Option<[u8; 8]>,
    pub(super) rows: u64,
    fields: BTreeMap<String, FieldStatistics>,
}

/// Those of one field.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct FieldStatistics {
    tokens: u64,
    /// In how many records each term occurs.
    #[cfg_attr(feature = "serde", serde(with = "pairs"))]
    terms: BTreeMap<Vec<u8>, u64>,
    /// The terms that a prefix or a fuzzy word matches, and whether these are all.
    #[cfg_attr(feature = "serde", serde(with = "expansions"))]
    expansions: BTreeMap<Pattern, (Matches, bool)>,
}

impl Statistics {
    pub(super) fn new(analyzer: Option<[u8; 8]>, rows: u64) -> Self {
        Self { analyzer, rows, fields: BTreeMap::new() }
    }

    /// Adds those of other records for the same query. Fails with [`Mismatch`](ErrorKind::Mismatch) where texts were analyzed in another way, so that the same
    /// words are other terms.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        match (self.analyzer, other.analyzer) {
            (Some(one), Some(another)) if one != another => {
                let message = format!(
                    "statistics of texts analyzed by {one:?} and by {another:?}; expected one language and one set of rules in all that is searched together"
                );
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
            (one, another) => self.analyzer = one.or(another),
        }
        self.rows = self.rows.saturating_add(other.rows);
        for (name, field) in other.fields {
            self.fields.entry(name).or_default().merge(field);
        }
        Ok(())
    }

    /// The names of all fields, in the order of names.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    pub(super) fn tokens(&self, field: &str) -> u64 {
        self.fields.get(field).map_or(0, |field| field.tokens)
    }

    /// In how many records a term occurs; `None` if in none.
    pub(super) fn df(&self, field: &str, term: &[u8]) -> Option<u64> {
        self.fields.get(field)?.terms.get(term).copied().filter(|&df| df > 0)
    }

    /// As [`Searcher::matches`](super::Searcher::matches).
    pub(super) fn matches(&self, field: &str, pattern: &Pattern) -> (Matches, bool) {
        let found = self.fields.get(field).and_then(|field| field.expansions.get(pattern));
        found.cloned().unwrap_or((HashMap::new(), true))
    }

    pub(super) fn put_field(&mut self, field: &str, tokens: u64) {
        self.fields.entry(field.to_owned()).or_default().tokens = tokens;
    }

    pub(super) fn put_term(&mut self, field: &str, term: &[u8], df: u64) {
        self.fields.entry(field.to_owned()).or_default().terms.insert(term.to_owned(), df);
    }

    pub(super) fn put_matches(&mut self, field: &str, pattern: &Pattern, found: (Matches, bool)) {
        self.fields.entry(field.to_owned()).or_default().expansions.insert(pattern.clone(), found);
    }
}

impl FieldStatistics {
    fn merge(&mut self, other: Self) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        for (term, df) in other.terms {
            let sum = self.terms.entry(term).or_default();
            *sum = sum.saturating_add(df);
        }
        for (pattern, (matches, are_all)) in other.expansions {
            let (merged, all) = self.expansions.entry(pattern).or_insert_with(|| (HashMap::new(), true));
            *all &= are_all;
            for (term, (distance, df)) in matches {
                let sum = &mut merged.entry(term).or_insert((distance, 0)).1;
                *sum = sum.saturating_add(df);
            }
            // The first in the order of terms, in whatever order parts are merged.
            if merged.len() > MAX_VISITED {
                let mut terms: Vec<Vec<u8>> = merged.keys().cloned().collect();
                terms.sort_unstable();
                for term in &terms[MAX_VISITED..] {
                    merged.remove(term);
                }
                *all = false;
            }
        }
    }
}

/// Maps whose keys are no strings, as lists of pairs.
#[cfg(feature = "serde")]
mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<'m, M, K, V, S>(map: &'m M, serializer: S) -> Result<S::Ok, S::Error>
    where
        &'m M: IntoIterator<Item = (&'m K, &'m V)>,
        K: Serialize + 'm,
        V: Serialize + 'm,
        S: Serializer,
    {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, M, K, V, D>(deserializer: D) -> Result<M, D::Error>
    where
        M: FromIterator<(K, V)>,
        Vec<(K, V)>: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Patterns with the terms that they match.
#[cfg(feature = "serde")]
mod expansions {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Matches, Pattern, pairs};

    #[derive(Serialize, Deserialize)]
    struct Found(#[serde(with = "pairs")] Matches, bool);

    pub(super) fn serialize<S: Serializer>(
        expansions: &BTreeMap<Pattern, (Matches, bool)>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(expansions.iter().map(|(pattern, found)| (pattern, Found(found.0.clone(), found.1))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Pattern, (Matches, bool)>, D::Error> {
        let found = Vec::<(Pattern, Found)>::deserialize(deserializer)?;
        Ok(found.into_iter().map(|(pattern, found)| (pattern, (found.0, found.1))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "serde")]
    fn statistics_come_back_from_json() {
        let mut statistics = Statistics::new(Some([7; 8]), 12);
        statistics.put_field("body", 300);
        statistics.put_term("body", b"cat", 5);
        statistics.put_matches("body", &Pattern::prefix_of("ca"), ([(b"cat".to_vec(), (0, 5))].into(), true));
        statistics.put_matches("title", &Pattern::fuzzy("dög", 1), (HashMap::new(), false));
        let json = serde_json::to_string(&statistics).unwrap();
        assert_eq!(serde_json::from_str::<Statistics>(&json).unwrap(), statistics);
    }

    #[test]
    fn of_too_many_terms_the_first_are_kept_in_whatever_order_parts_are_merged() {
        let pattern = Pattern::prefix_of("t");
        let part = |numbers: std::ops::Range<usize>| {
            let terms = numbers.map(|n| (format!("t{n:06}").into_bytes(), (0, 1)));
            let mut statistics = Statistics::default();
            statistics.put_matches("body", &pattern, (terms.collect(), true));
            statistics
        };
        let parts = [part(0..10_000), part(9_000..19_000), part(5_000..6_000)];
        let merged = |order: [usize; 3]| {
            let mut all = Statistics::default();
            for at in order {
                all.merge(parts[at].clone()).unwrap();
            }
            all.matches("body", &pattern)
        };
        let (terms, are_all) = merged([0, 1, 2]);
        assert_eq!((terms.len(), are_all), (MAX_VISITED, false));
        assert!(terms.contains_key(&b"t016383"[..]) && !terms.contains_key(&b"t016384"[..]));
        assert_eq!((terms[&b"t005000"[..]], terms[&b"t009500"[..]]), ((0, 2), (0, 2)));
        assert_eq!(merged([2, 1, 0]), merged([0, 1, 2]));
        assert_eq!(merged([1, 0, 2]), merged([0, 1, 2]));
    }
}
