//! From a query to the terms that are looked up, with their weights.

use super::{MAX_EXPANSIONS, MAX_VISITED, MAX_WORDS, Matches, Searcher, Statistics};
use crate::bm25::idf;
use crate::dictionary::Pattern;
use crate::error::{Error, ErrorKind, Result};
use crate::query::{self, Clause, Match, Occur, Query, is_negative};

/// All that a query, or a group in it, asks for.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) optional: Vec<Wanted>,
    /// Of each group at least one must be found.
    pub(super) required: Vec<Vec<Wanted>>,
    pub(super) excluded: Vec<Wanted>,
    /// Whether a word was asked for, be it in no text; stop words ask for nothing.
    asks: bool,
}

#[derive(Debug)]
pub(super) enum Wanted {
    Terms(Terms),
    Group(Plan),
}

/// A term, or several together, in one field.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) field: usize,
    pub(super) slots: Vec<Slot>,
    pub(super) order: Order,
    pub(super) weight: f64,
}

/// One word of several, as any of its terms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) terms: Vec<Vec<u8>>,
    /// Its place in the phrase.
    pub(super) place: u32,
}

/// How words stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Anywhere,
    /// Places, less those in the phrase, differ by at most so much.
    Near(u32),
}

impl Wanted {
    fn term(field: usize, term: Vec<u8>, weight: f64) -> Self {
        let slots = vec![Slot { terms: vec![term], place: 0 }];
        Self::Terms(Terms { field, slots, order: Order::Anywhere, weight })
    }

    fn weight(&self) -> f64 {
        match self {
            Self::Terms(terms) => terms.weight,
            Self::Group(group) => group.weight(),
        }
    }

    /// What is the same for two that look up the same; `None` for a group.
    fn key(&self) -> Option<(usize, Order, &[Slot])> {
        match self {
            Self::Terms(terms) => Some((terms.field, terms.order, &terms.slots)),
            Self::Group(_) => None,
        }
    }
}

impl Plan {
    /// What a score can be at most.
    pub(super) fn weight(&self) -> f64 {
        self.optional.iter().chain(self.required.iter().flatten()).map(Wanted::weight).sum()
    }

    /// All terms that are looked for, each with its field.
    pub(super) fn terms(&self) -> Box<dyn Iterator<Item = (usize, &[u8])> + '_> {
        let wanted = self.optional.iter().chain(self.required.iter().flatten()).chain(&self.excluded);
        Box::new(wanted.flat_map(|wanted| match wanted {
            Wanted::Terms(terms) => {
                let of_slots = terms.slots.iter().flat_map(|slot| &slot.terms);
                Box::new(of_slots.map(|term| (terms.field, &term[..]))) as Box<dyn Iterator<Item = _>>
            }
            Wanted::Group(group) => group.terms(),
        }))
    }

    fn put(&mut self, occur: Occur, group: Vec<Wanted>) {
        self.asks = true;
        match occur {
            Occur::Must => self.required.push(group),
            Occur::MustNot => self.excluded.extend(group),
            Occur::Should => self.optional.extend(group),
        }
    }

    /// A term that is wanted twice weighs twice as much, and is looked up once.
    fn unite(&mut self) {
        self.optional.sort_by(|a, b| a.key().cmp(&b.key()));
        self.optional.dedup_by(|later, first| {
            let is_same = later.key().is_some() && later.key() == first.key();
            if let (true, Wanted::Terms(first)) = (is_same, first) {
                first.weight += later.weight();
            }
            is_same
        });
    }
}

/// What a query was found to ask for.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// Of a prefix or a fuzzy word not all matches are looked for.
    pub(super) is_cut: bool,
}

struct Planner<'s> {
    searcher: &'s Searcher<'s>,
    is_cut: bool,
    words: usize,
    /// How many terms a prefix or a fuzzy word may stand for in a field.
    expansions: usize,
    /// What is planned must not match, or is in a group that must not.
    is_left_out: bool,
    /// Everything that was looked up, for [`looked_up`].
    lookups: Option<Statistics>,
}

/// What the terms of a beginning or of a misspelled word are like.
#[derive(Clone, Copy)]
struct Alike<'q> {
    patterns: &'q [Pattern],
    /// And these.
    named: &'q [String],
}

/// A clause that is something to match.
#[derive(Clone, Copy)]
struct Single<'q> {
    occur: Occur,
    boost: f64,
    fields: &'q [usize],
    offset: usize,
}

pub(super) fn plan(searcher: &Searcher<'_>, query: &Query) -> Result<Planned> {
    query::check(query)?;
    let mut planner = Planner::new(searcher, query, None);
    let mut plan = Plan::default();
    planner.add_all(&mut plan, query, 1.0)?;
    plan.unite();
    Ok(Planned { plan, is_cut: planner.is_cut })
}

/// How many prefixes and fuzzy words a query has, each counted in every field it is looked for.
fn expanded(query: &Query, fields: usize) -> usize {
    let count = |clause: &Clause| match &clause.wanted {
        query::Wanted::Group(group) => expanded(group, fields),
        query::Wanted::Match(Match::Prefix(_) | Match::Fuzzy(..), field) => {
            field.as_ref().map_or(fields, |_| 1)
        }
        query::Wanted::Match(..) => 0,
    };
    query.clauses.iter().map(count).sum()
}

/// Everything that planning a query looks up, added to `lookups`.
pub(super) fn looked_up(searcher: &Searcher<'_>, query: &Query, lookups: Statistics) -> Result<Statistics> {
    query::check(query)?;
    let mut planner = Planner::new(searcher, query, Some(lookups));
    planner.add_all(&mut Plan::default(), query, 1.0)?;
    Ok(planner.lookups.unwrap_or_default())
}

impl<'s> Planner<'s> {
    fn new(searcher: &'s Searcher<'s>, query: &Query, lookups: Option<Statistics>) -> Self {
        let expansions = MAX_WORDS / expanded(query, searcher.fields.len()).max(1);
        let expansions = expansions.clamp(1, MAX_EXPANSIONS);
        Self { searcher, is_cut: false, is_left_out: false, words: 0, expansions, lookups }
    }

    fn add_all(&mut self, plan: &mut Plan, query: &Query, boost: f64) -> Result<()> {
        let is_left_out = self.is_left_out;
        for clause in &query.clauses {
            self.is_left_out = is_left_out || clause.occur == Occur::MustNot;
            let boost = boost * f64::from(clause.boost);
            match &clause.wanted {
                query::Wanted::Group(group) => self.add_group(plan, group, clause, boost)?,
                query::Wanted::Match(pattern, field) => {
                    let fields = match self.searcher.fields_of(field.as_deref(), clause.offset) {
                        // Other indexes may have it.
                        Err(_) if self.lookups.is_some() => Vec::new(),
                        fields => fields?,
                    };
                    let single =
                        Single { occur: clause.occur, boost, fields: &fields, offset: clause.offset };
                    self.add(plan, pattern, single)?;
                }
            }
            if self.words > MAX_WORDS {
                let message =
                    format!("a query of more than {MAX_WORDS} words, counted in each of their fields");
                return Err(Error::new(ErrorKind::TooManyWords, message).at(clause.offset));
            }
        }
        self.is_left_out = is_left_out;
        Ok(())
    }

    /// A group whose clauses may as well stand beside it is taken apart: flat disjunctions are the fastest.
    fn add_group(&mut self, plan: &mut Plan, group: &Query, clause: &Clause, boost: f64) -> Result<()> {
        let only =
            |one: Occur, other: Occur| group.clauses.iter().all(|c| c.occur == one || c.occur == other);
        let is_part = match clause.occur {
            Occur::Should => only(Occur::Should, Occur::Should),
            Occur::Must => only(Occur::Must, Occur::MustNot) || is_negative(group),
            Occur::MustNot => false,
        };
        if is_part {
            return self.add_all(plan, group, boost);
        }
        let mut inner = Plan::default();
        self.add_all(&mut inner, group, boost)?;
        inner.unite();
        if !inner.asks {
            return Ok(());
        }
        let wanted = match clause.occur {
            Occur::Must if inner.required.is_empty() && inner.excluded.is_empty() => inner.optional,
            _ => vec![Wanted::Group(inner)],
        };
        plan.put(clause.occur, wanted);
        Ok(())
    }

    fn add(&mut self, plan: &mut Plan, pattern: &Match, clause: Single<'_>) -> Result<()> {
        match pattern {
            Match::Words(text) => self.add_words(plan, text, clause),
            Match::Phrase(text) => self.add_phrase(plan, text, 0, None, clause),
            Match::Near(text, distance) => self.add_phrase(plan, text, *distance, None, clause),
            Match::Prefix(text) => {
                let analyzer = self.searcher.analyzer;
                let Some((word, is_only)) = analyzer.last_word(text) else {
                    return Err(Error::query(format!("there is no word in {text:?}"), clause.offset));
                };
                let begun = Alike {
                    patterns: &[Pattern::prefix_of(&analyzer.folded(&word))],
                    named: &analyzer.stems_of(&word),
                };
                if is_only {
                    self.expand(plan, begun, clause)
                } else {
                    self.add_phrase(plan, text, 0, Some(begun), clause)
                }
            }
            Match::Fuzzy(text, distance) => {
                let analyzer = self.searcher.analyzer;
                let Some((word, true)) = analyzer.last_word(text) else {
                    let message = format!("a fuzzy word must be one word, and {text:?} is not");
                    return Err(Error::query(message, clause.offset));
                };
                let forms = analyzer.folded_and_stems(&word);
                let patterns: Vec<_> = forms.iter().map(|form| Pattern::fuzzy(form, *distance)).collect();
                self.expand(plan, Alike { patterns: &patterns, named: &[] }, clause)
            }
        }
    }

    fn add_words(&mut self, plan: &mut Plan, text: &str, clause: Single<'_>) -> Result<()> {
        if clause.occur == Occur::MustNot {
            let has_positions = self.searcher.fields.has_positions();
            let order = if has_positions { Order::Near(0) } else { Order::Anywhere };
            return self.add_together(plan, text, order, None, clause);
        }
        let mut words: Vec<(Vec<Vec<u8>>, u32)> =
            self.words_of(text).into_iter().map(|slot| (slot.terms, 1)).collect();
        words.sort_unstable();
        words.dedup_by(|later, first| {
            let is_same = later.0 == first.0;
            first.1 += u32::from(is_same);
            is_same
        });
        self.words = self.words.saturating_add(words.len().saturating_mul(clause.fields.len()));
        if self.words > MAX_WORDS {
            return Ok(());
        }
        for (terms, times) in words {
            let group = self.any_of(&terms, clause.boost * f64::from(times), clause.fields);
            plan.put(clause.occur, group);
        }
        Ok(())
    }

    /// The terms of one word in each field. Several divide the weight of the word among them.
    fn any_of(&mut self, terms: &[Vec<u8>], boost: f64, fields: &[usize]) -> Vec<Wanted> {
        let portion = boost / f64::from(u32::try_from(terms.len()).unwrap_or(1));
        let mut group = Vec::new();
        for &field in fields {
            group.extend(terms.iter().filter_map(|term| {
                let df = self.df(field, term)?;
                Some(Wanted::term(field, term.clone(), self.searcher.weight(field, df) * portion))
            }));
        }
        group
    }

    /// `last` is what the last word may be instead.
    fn add_phrase(
        &mut self,
        plan: &mut Plan,
        text: &str,
        slop: u32,
        last: Option<Alike<'_>>,
        clause: Single<'_>,
    ) -> Result<()> {
        if !self.searcher.fields.has_positions() && self.searcher.has_segments() {
            let message = "this asks for a phrase, and this index was built without positions";
            return Err(Error::new(ErrorKind::NoPositions, message).at(clause.offset));
        }
        self.add_together(plan, text, Order::Near(slop), last, clause)
    }

    /// The words of a text, wanted together in one field or another.
    fn add_together(
        &mut self,
        plan: &mut Plan,
        text: &str,
        order: Order,
        last: Option<Alike<'_>>,
        clause: Single<'_>,
    ) -> Result<()> {
        let mut slots = self.words_of(text);
        if order == Order::Anywhere {
            slots.sort_unstable_by(|a, b| a.terms.cmp(&b.terms));
            slots.dedup_by(|later, first| later.terms == first.terms);
        }
        self.words = self.words.saturating_add(slots.len().saturating_mul(clause.fields.len()));
        if slots.is_empty() || self.words > MAX_WORDS {
            return Ok(());
        }
        let mut group = Vec::new();
        for &field in clause.fields {
            if let (Some(alike), Some(last)) = (last, slots.last_mut()) {
                last.terms = self.alike(field, alike)?.into_iter().map(|(_, _, term)| term).collect();
            }
            // All of them, so that all are looked up.
            let found: Vec<Option<(Slot, f64)>> =
                slots.iter().map(|slot| self.found_in(field, slot)).collect();
            let Some(found) = found.into_iter().collect::<Option<Vec<_>>>() else { continue };
            let weight = clause.boost * found.iter().map(|(_, weight)| weight).sum::<f64>();
            let slots: Vec<Slot> = found.into_iter().map(|(slot, _)| slot).collect();
            group.push(Wanted::Terms(Terms { field, slots, order, weight }));
        }
        plan.put(clause.occur, group);
        Ok(())
    }

    /// The words of a text.
    fn words_of(&self, text: &str) -> Vec<Slot> {
        let mut slots: Vec<Slot> = Vec::new();
        self.searcher.analyzer.each_token(text, |term, _, place| {
            let term = term.as_bytes().to_owned();
            match slots.last_mut().filter(|last| last.place == place) {
                Some(last) => last.terms.push(term),
                None => slots.push(Slot { terms: vec![term], place }),
            }
        });
        slots
    }

    /// The terms of a beginning or a misspelled word. All weigh like one term that is in all of their records, divided by one more than the distance.
    fn expand(&mut self, plan: &mut Plan, alike: Alike<'_>, clause: Single<'_>) -> Result<()> {
        let mut group = Vec::new();
        for &field in clause.fields {
            let found = self.alike(field, alike)?;
            let df = found.iter().map(|&(_, df, _)| df).sum();
            let weight = self.searcher.weight(field, df) * clause.boost;
            group.extend(
                found
                    .into_iter()
                    .map(|(distance, _, term)| Wanted::term(field, term, weight / f64::from(distance + 1))),
            );
        }
        self.words = self.words.saturating_add(clause.fields.len());
        plan.put(clause.occur, group);
        Ok(())
    }

    /// The terms that any of the patterns matches, and those named, with their distances and records: the nearest, among those the commonest.
    fn alike(
        &mut self,
        field: usize,
        Alike { patterns, named }: Alike<'_>,
    ) -> Result<Vec<(u8, u64, Vec<u8>)>> {
        let mut is_complete = true;
        let mut found: Vec<(u8, u64, Vec<u8>)> = Vec::new();
        for pattern in patterns {
            let (matches, are_all) = self.matches(field, pattern)?;
            is_complete &= are_all;
            found.extend(matches.into_iter().map(|(term, (distance, df))| (distance, df, term)));
        }
        let named = named.iter().map(|term| term.as_bytes().to_owned());
        found.extend(named.filter_map(|term| Some((0, self.df(field, &term)?, term))));
        if patterns.len() > 1 {
            found.sort_unstable_by(|a, b| (&a.2, a.0).cmp(&(&b.2, b.0)));
            found.dedup_by(|later, first| later.2 == first.2);
        }
        found.sort_unstable_by(|a, b| (a.0, b.1, &a.2).cmp(&(b.0, a.1, &b.2)));
        let most = if self.is_left_out { MAX_WORDS } else { self.expansions };
        let is_cut = !is_complete || found.len() > most;
        if is_cut && self.is_left_out {
            // To pass over some of them would find what was to be left out.
            let message = format!(
                "a beginning or a misspelled word that is left out stands for more than {MAX_WORDS} words"
            );
            return Err(Error::new(ErrorKind::TooManyWords, message));
        }
        self.is_cut |= is_cut;
        found.truncate(most);
        Ok(found)
    }
}

/// Lookups.
impl Planner<'_> {
    /// In how many records a term occurs; `None` if in none.
    fn df(&mut self, field: usize, term: &[u8]) -> Option<u64> {
        let searcher = self.searcher;
        let df = match searcher.given {
            Some(given) => given.df(searcher.field_name(field), term),
            None => {
                let df = searcher.segments.iter().map(|segment| u64::from(segment.df(field, term))).sum();
                Some(df).filter(|&df| df > 0)
            }
        };
        if let Some(lookups) = &mut self.lookups {
            lookups.put_term(searcher.field_name(field), term, df.unwrap_or(0));
        }
        df
    }

    /// The terms of a field that a pattern matches, and whether these are all.
    fn matches(&mut self, field: usize, pattern: &Pattern) -> Result<(Matches, bool)> {
        let searcher = self.searcher;
        let found = match searcher.given {
            Some(given) => given.matches(searcher.field_name(field), pattern),
            None => searcher.matches(field, pattern, MAX_VISITED)?,
        };
        if let Some(lookups) = &mut self.lookups {
            lookups.put_matches(searcher.field_name(field), pattern, found.clone());
        }
        Ok(found)
    }

    /// A word with those of its terms that occur in a field, and what it adds at most; `None` if none occurs.
    fn found_in(&mut self, field: usize, slot: &Slot) -> Option<(Slot, f64)> {
        let mut df = 0;
        let mut terms = Vec::with_capacity(slot.terms.len());
        for term in &slot.terms {
            if let Some(of_term) = self.df(field, term) {
                df += of_term;
                terms.push(term.clone());
            }
        }
        (df > 0).then(|| (Slot { terms, place: slot.place }, self.searcher.weight(field, df)))
    }
}

impl Searcher<'_> {
    /// What a term in so many records, or a phrase, adds at most.
    fn weight(&self, field: usize, df: u64) -> f64 {
        idf(df, self.rows) * (self.constants.k1 + 1.0) * f64::from(self.weights[field])
    }

    fn fields_of(&self, name: Option<&str>, offset: usize) -> Result<Vec<usize>> {
        let Some(name) = name else { return Ok((0..self.fields.len()).collect()) };
        match self.fields.find(name) {
            Some(field) => Ok(vec![field]),
            None if !self.has_segments() => Ok(Vec::new()),
            None => Err(query::no_such_field(name, &self.fields.names().collect::<Vec<_>>(), offset)),
        }
    }

    fn has_segments(&self) -> bool {
        !self.segments.is_empty()
    }
}
