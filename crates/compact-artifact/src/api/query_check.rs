//! What a query cannot ask for: numbers outside their limits, and options that would have no effect.

use super::error::{Error, Result};
use super::facet::FacetKind;
use super::query::{Fusion, MAX_DEPTH, Query, SORTED, WEIGHTS};

impl Query {
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(fault) = self.fault {
            return Err(Error::invalid(fault));
        }
        self.check_numbers()?;
        self.check_scores()?;
        self.check_combinations()
    }

    fn check_numbers(&self) -> Result<()> {
        let within = |what: &str, value: usize, low: usize, next: &str| {
            if (low..=MAX_DEPTH).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!("{what}: expected {low} to {MAX_DEPTH}, found {value}{next}")))
        };
        let next = "; narrow the query with a filter, or read the records one after the other";
        within("k", self.k, 1, next)?;
        within("k and offset together", self.k.saturating_add(self.offset), 1, next)?;
        within("candidates", self.candidates.unwrap_or(self.k), self.k, ", where k is the least")?;
        if self.sorts() && self.has_vector() {
            let most = self.candidates.unwrap_or(SORTED);
            if self.depth() > most {
                let found = self.depth();
                let message = format!(
                    "k and offset together: expected at most {most}, found {found}; near a vector, the best {most} are sorted, or as \
                     many candidates as are asked for"
                );
                return Err(Error::invalid(message));
            }
        }
        for facet in &self.facets {
            if let FacetKind::Histogram(width) = facet.kind
                && !(width.is_finite() && width > 0.0)
            {
                return Err(Error::invalid(format!(
                    "a histogram of intervals {width} wide; expected more than 0"
                )));
            }
        }
        if self.group.as_ref().is_some_and(|(_, most)| *most == 0) {
            return Err(Error::invalid("group_by: expected 1 or more hits of each value, found 0"));
        }
        within("ef_search", self.ef_search.unwrap_or(1), 1, "")?;
        if let Some(recall) = self.recall.filter(|recall| !(*recall > 0.0 && *recall <= 1.0)) {
            return Err(Error::invalid(format!("recall = {recall}; expected more than 0, at most 1")));
        }
        within("snippet", self.snippet.unwrap_or(1), 1, "")
    }

    fn check_scores(&self) -> Result<()> {
        for weight in self.clauses.iter().filter_map(|clause| clause.weight) {
            if !WEIGHTS.contains(&weight) {
                let message = format!("a weight of {weight}; expected 0 or more, up to {:e}", WEIGHTS.end());
                return Err(Error::invalid(message));
            }
        }
        if let Some(Fusion::ReciprocalRank { k }) = self.fusion
            && !(k.is_finite() && k >= 0.0)
        {
            return Err(Error::invalid(format!("fusion by ranks with k = {k}; expected 0 or more")));
        }
        if self.min_score.is_some_and(f32::is_nan) {
            return Err(Error::invalid("a smallest score that is not a number"));
        }
        Ok(())
    }

    /// What would have no effect is refused.
    fn check_combinations(&self) -> Result<()> {
        let has_vector = self.has_vector();
        let one_list = self.clauses.len() < 2;
        let sorts = self.sorts();
        let without_effect = [
            ("exact", self.exact && !has_vector, "a query with a vector"),
            ("ef_search", self.ef_search.is_some() && !has_vector, "a query with a vector"),
            ("ef_search", self.ef_search.is_some() && self.exact, "a search that is not exact"),
            ("recall", self.recall.is_some() && !has_vector, "a query with a vector"),
            ("recall", self.recall.is_some() && self.exact, "a search that is not exact"),
            (
                "recall",
                self.recall.is_some() && self.ef_search.is_some(),
                "a search whose width is not given",
            ),
            (
                "candidates",
                self.candidates.is_some() && one_list && !(sorts && has_vector),
                "several lists that become one",
            ),
            (
                "min_score",
                self.min_score.is_some() && (self.clauses.is_empty() || self.sorts_all()),
                "hits that have scores, which those in the order of ids or of a field have not",
            ),
            ("fusion", self.fusion.is_some() && one_list, "several lists that become one"),
            (
                "weight",
                one_list && self.clauses.iter().any(|clause| clause.weight.is_some()),
                "several lists that become one",
            ),
            (
                "snippet",
                self.snippet.is_some() && self.fetch == Some(false),
                "hits that come with their records, which the query leaves out",
            ),
        ];
        if sorts
            && let Some((field, _)) = (1..)
                .zip(&self.order)
                .find_map(|(at, (field, _))| self.order[at..].iter().find(|(other, _)| other == field))
        {
            return Err(Error::invalid(format!("order_by: {field:?} is named twice")));
        }
        let first = without_effect.iter().find(|(_, is_so, _)| *is_so);
        first.map_or(Ok(()), |(option, _, expected)| {
            Err(Error::invalid(format!("option {option} would have no effect; expected {expected}")))
        })
    }
}
