//! From a query to the terms that are looked up, with their weights.

use super::{MAX_EXPANSIONS, MAX_VISITED, MAX_WORDS, Searcher};
use crate::analyzer::one_word;
use crate::bm25::{K1, idf};
use crate::dictionary::Pattern;
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Clause, Match, Occur, Query};

/// All that a query asks for.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) optional: Vec<Wanted>,
    pub(super) required: Vec<Vec<Wanted>>,
    pub(super) excluded: Vec<Wanted>,
    /// Of a prefix or a fuzzy word not all matches are looked for.
    pub(super) is_cut: bool,
    words: usize,
}

/// A term, or several together, in one field.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) field: usize,
    /// Each with its place in a phrase.
    pub(super) terms: Vec<(Vec<u8>, u32)>,
    /// Whether terms must stand at their places.
    pub(super) in_order: bool,
    pub(super) weight: f64,
}

impl Wanted {
    fn term(field: usize, term: Vec<u8>, weight: f64) -> Self {
        Self { field, terms: vec![(term, 0)], in_order: false, weight }
    }
}

impl Plan {
    pub(super) fn new(searcher: &Searcher<'_>, query: &Query) -> Result<Self> {
        let mut plan = Self::default();
        for clause in &query.clauses {
            let fields = searcher.fields_of(clause)?;
            plan.add(searcher, clause, &fields)?;
            if plan.words > MAX_WORDS {
                let message =
                    format!("a query of more than {MAX_WORDS} words, counted in each of their fields");
                return Err(Error::new(ErrorKind::TooManyWords, message).at(clause.offset));
            }
        }
        let asks_for_nothing = query.clauses.iter().all(|clause| clause.occur == Occur::MustNot);
        match query.clauses.first() {
            Some(clause) if asks_for_nothing => Err(Error::query(
                "a query needs something to look for beside what must not match",
                clause.offset,
            )),
            _ => {
                plan.unite();
                Ok(plan)
            }
        }
    }

    /// What a score can be at most.
    pub(super) fn weight(&self) -> f64 {
        self.optional.iter().chain(self.required.iter().flatten()).map(|wanted| wanted.weight).sum()
    }

    fn add(&mut self, searcher: &Searcher<'_>, clause: &Clause, fields: &[usize]) -> Result<()> {
        match &clause.pattern {
            Match::Words(text) => {
                self.add_words(searcher, clause, fields, text);
                Ok(())
            }
            Match::Phrase(text) => {
                if !searcher.fields.has_positions() && searcher.has_segments() {
                    let message = "a phrase was asked for, and this index was built without positions";
                    return Err(Error::new(ErrorKind::NoPositions, message).at(clause.offset));
                }
                let group = self.together(searcher, fields, text, true);
                self.put(clause.occur, group);
                Ok(())
            }
            Match::Prefix(word) => {
                let prefix = folded(searcher, word, clause)?;
                self.expand(searcher, clause, fields, &Pattern::prefix_of(&prefix))
            }
            Match::Fuzzy(word, distance) => {
                if !(1..=2).contains(distance) {
                    let message = format!("a distance of {distance}; expected 1 or 2");
                    return Err(Error::invalid(message).at(clause.offset));
                }
                let word = folded(searcher, word, clause)?;
                self.expand(searcher, clause, fields, &Pattern::fuzzy(&word, *distance))
            }
        }
    }

    fn add_words(&mut self, searcher: &Searcher<'_>, clause: &Clause, fields: &[usize], text: &str) {
        if clause.occur == Occur::MustNot {
            let group = self.together(searcher, fields, text, searcher.fields.has_positions());
            self.put(clause.occur, group);
            return;
        }
        let mut words: Vec<(String, u32)> = Vec::new();
        searcher.analyzer.each_token(text, |term, _, _| words.push((term.to_owned(), 1)));
        words.sort_unstable();
        words.dedup_by(|again, first| {
            let is_same = again.0 == first.0;
            first.1 += u32::from(is_same);
            is_same
        });
        self.words = self.words.saturating_add(words.len().saturating_mul(fields.len()));
        if self.words > MAX_WORDS {
            return;
        }
        for (term, times) in words {
            let group = fields.iter().filter_map(|&field| {
                let weight = searcher.weight(field, searcher.df(field, term.as_bytes())?);
                Some(Wanted::term(field, term.clone().into_bytes(), weight * f64::from(times)))
            });
            let group = group.collect();
            self.put(clause.occur, group);
        }
    }

    fn put(&mut self, occur: Occur, group: Vec<Wanted>) {
        match occur {
            Occur::Must => self.required.push(group),
            Occur::MustNot => self.excluded.extend(group),
            Occur::Should => self.optional.extend(group),
        }
    }

    /// A term that is wanted twice weighs twice as much, and is looked up once.
    fn unite(&mut self) {
        let of = |wanted: &Wanted| (wanted.field, wanted.in_order);
        self.optional.sort_by(|a, b| (of(a), &a.terms).cmp(&(of(b), &b.terms)));
        self.optional.dedup_by(|again, first| {
            let is_same = of(again) == of(first) && again.terms == first.terms;
            first.weight += if is_same { again.weight } else { 0.0 };
            is_same
        });
    }

    /// The words of a text, wanted together in one field or another.
    fn together(
        &mut self,
        searcher: &Searcher<'_>,
        fields: &[usize],
        text: &str,
        in_order: bool,
    ) -> Vec<Wanted> {
        let mut terms: Vec<(Vec<u8>, u32)> = Vec::new();
        searcher.analyzer.each_token(text, |term, _, position| {
            if terms.len() <= MAX_WORDS
                && (in_order || terms.iter().all(|(other, _)| other != term.as_bytes()))
            {
                terms.push((term.as_bytes().to_owned(), position));
            }
        });
        self.words = self.words.saturating_add(terms.len().saturating_mul(fields.len()));
        let mut group = Vec::new();
        for &field in fields.iter().filter(|_| !terms.is_empty() && self.words <= MAX_WORDS) {
            let dfs: Option<Vec<u64>> = terms.iter().map(|(term, _)| searcher.df(field, term)).collect();
            if let Some(dfs) = dfs {
                let weight = dfs.iter().map(|&df| searcher.weight(field, df)).sum();
                group.push(Wanted {
                    field,
                    terms: terms.clone(),
                    in_order: in_order && terms.len() > 1,
                    weight,
                });
            }
        }
        group
    }

    /// The terms that a pattern matches: the nearest, among those the commonest. All weigh like one term that is in all
    /// of their records, divided by one more than the distance.
    fn expand(
        &mut self,
        searcher: &Searcher<'_>,
        clause: &Clause,
        fields: &[usize],
        pattern: &Pattern,
    ) -> Result<()> {
        let mut group = Vec::new();
        for &field in fields {
            let (found, is_complete) = searcher.matches(field, pattern, MAX_VISITED)?;
            let mut found: Vec<_> =
                found.into_iter().map(|(term, (distance, df))| (distance, df, term)).collect();
            found.sort_unstable_by(|a, b| (a.0, b.1, &a.2).cmp(&(b.0, a.1, &b.2)));
            self.is_cut |= !is_complete || found.len() > MAX_EXPANSIONS;
            found.truncate(MAX_EXPANSIONS);
            let weight = searcher.weight(field, found.iter().map(|&(_, df, _)| df).sum());
            group.extend(
                found
                    .into_iter()
                    .map(|(distance, _, term)| Wanted::term(field, term, weight / f64::from(distance + 1))),
            );
        }
        self.words = self.words.saturating_add(group.len());
        self.put(clause.occur, group);
        Ok(())
    }
}

impl Searcher<'_> {
    /// What a term in so many records, or a phrase, adds at most.
    fn weight(&self, field: usize, df: u64) -> f64 {
        idf(df, self.rows) * (K1 + 1.0) * f64::from(self.weights[field])
    }

    /// In how many records of all segments a term occurs; `None` if in none.
    fn df(&self, field: usize, term: &[u8]) -> Option<u64> {
        let df = self.segments.iter().map(|segment| u64::from(segment.df(field, term))).sum();
        Some(df).filter(|&df| df > 0)
    }

    fn fields_of(&self, clause: &Clause) -> Result<Vec<usize>> {
        let Some(name) = &clause.field else { return Ok((0..self.fields.len()).collect()) };
        match self.fields.find(name) {
            Some(field) => Ok(vec![field]),
            None if !self.has_segments() => Ok(Vec::new()),
            None => {
                let names: Vec<&str> = self.fields.names().collect();
                let message = format!("there is no field {name:?}; the fields are {}", names.join(", "));
                Err(Error::new(ErrorKind::NoSuchField, message).at(clause.offset))
            }
        }
    }

    fn has_segments(&self) -> bool {
        !self.segments.is_empty()
    }
}

/// The one word of a prefix or a fuzzy word, in the form of terms.
fn folded(searcher: &Searcher<'_>, text: &str, clause: &Clause) -> Result<String> {
    one_word(text).map(|word| searcher.analyzer.folded(word)).ok_or_else(|| {
        let message = format!("a prefix or a fuzzy word must be one word, and {text:?} is not");
        Error::query(message, clause.offset)
    })
}
