//! Ranked search over any number of segments, as if they were one.

mod leaf;
mod phrase;
mod plan;
mod shared;
mod statistics;
mod stop;
mod top;
mod walk;

use std::collections::HashMap;
use std::sync::OnceLock;

use row_set::RowSet;
use wire::Bytes;

use self::leaf::{Group, Leaf};
use self::phrase::{Phrase, Word};
use self::plan::{Plan, Planned, Terms, Wanted};
pub use self::shared::{PartOfHits, SharedSearch};
pub use self::statistics::Statistics;
use self::stop::Stop;
use self::top::Top;
use self::walk::Walk;
use crate::analyzer::Analyzer;
use crate::bm25::{Constants, Saturation};
use crate::dictionary::Pattern;
use crate::error::{Error, ErrorKind, Result};
use crate::part::{Fields, Part, PartRef};
use crate::postings::{Cursor, Weigh};
use crate::query::Query;

/// The most words of a query, each counted in every field it is looked for.
pub const MAX_WORDS: usize = 1024;
/// The most terms that a prefix or a fuzzy word stands for in a field. Where a query has many of them, they divide [`MAX_WORDS`] among them: what they match is no error. What must not
/// match stands for up to [`MAX_WORDS`] terms in a field, and more are an error of kind [`TooManyWords`](crate::ErrorKind::TooManyWords): nothing is found that was to be left out.
pub const MAX_EXPANSIONS: usize = 128;
/// The largest number of hits that can be asked for.
pub const MAX_HITS: usize = 65_536;
/// The largest `k1` of [`Searcher::bm25`].
const MAX_K1: f64 = 100.0;
/// The most terms that are considered for an expansion, over all segments.
const MAX_VISITED: usize = 16_384;
/// The most steps through a dictionary for an expansion in one segment.
const MAX_STEPS: usize = 1 << 21;
/// All weights of a query together, as units of its scores, are between this and half of it.
const ALL_UNITS: f64 = (1u32 << 30) as f64;

/// One part of those that are searched together, and which of its records are deleted.
#[derive(Debug, Clone)]
pub struct Segment<'a> {
    part: PartRef<'a>,
    deleted: Option<&'a RowSet>,
}

/// A search over a snapshot: the statistics of all its segments, gathered once.
///
/// Deleted records still count in the statistics until a merge drops them.
#[derive(Debug)]
pub struct Searcher<'a> {
    analyzer: &'a Analyzer,
    segments: Vec<Segment<'a>>,
    fields: Fields,
    /// Of each field.
    weights: Vec<f32>,
    /// Of each field, made when a search first needs it.
    saturations: Vec<OnceLock<Saturation>>,
    rows: u64,
    constants: Constants,
    /// Counts in the place of those of the segments.
    given: Option<&'a Statistics>,
    stop: Stop<'a>,
}

/// A record that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The number of its segment, in the order given to [`Searcher::new`].
    pub segment: usize,
    /// Its row in the segment.
    pub row: u32,
    /// Its BM25 score, above 0.
    pub score: f32,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hits {
    /// The best first; of equals before rounding, that of the earlier segment and row.
    pub hits: Vec<Hit>,
    /// A prefix or a fuzzy word matched more terms than were looked for ([`MAX_EXPANSIONS`], nearest and commonest first),
    /// or the search ended early ([`Searcher::until`]), so hits may be missing.
    pub is_cut: bool,
}

/// All that a query matches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matching {
    /// The rows of each segment.
    pub rows: Vec<RowSet>,
    /// As in [`Hits`].
    pub is_cut: bool,
}

/// What was offered: scores are units divided by `scale`.
struct Offered {
    scale: f64,
    is_cut: bool,
}

/// Terms, each with its distance and the number of records it is in.
type Matches = HashMap<Vec<u8>, (u8, u64)>;

impl<'a> Segment<'a> {
    /// All records of a part.
    pub fn new<B: Bytes>(part: &'a Part<B>) -> Self {
        Self { part: part.as_part_ref(), deleted: None }
    }

    /// Leaves out these rows.
    #[must_use]
    pub fn deleted(mut self, rows: &'a RowSet) -> Self {
        self.deleted = Some(rows);
        self
    }

    fn rows(&self) -> u32 {
        self.part.header().rows
    }

    fn fields(&self) -> &'a Fields {
        &self.part.header().fields
    }

    /// In how many records a term occurs. Damage shows when the term is read.
    fn df(&self, field: usize, term: &[u8]) -> u32 {
        self.part.find(field, term).map_or(1, |entry| entry.map_or(0, |entry| entry.df()))
    }

    /// Whether it has a field; otherwise no text of it has.
    fn has_field(&self, field: usize) -> bool {
        field < self.fields().len()
    }

    fn cursor<'s>(&'s self, field: usize, term: &[u8], weigh: Weigh<'s>) -> Result<Option<Cursor<'s>>> {
        let entry = self.part.find(field, term)?;
        Ok(entry.map(|entry| Cursor::new(entry, self.rows(), weigh)))
    }
}

impl<'a> Searcher<'a> {
    /// Segments that were made with this analyzer. They have the same fields, or some have only the first of those that others have, because no
    /// text of theirs is in the others.
    pub fn new(analyzer: &'a Analyzer, segments: Vec<Segment<'a>>) -> Result<Self> {
        let longest = segments.iter().map(Segment::fields).max_by_key(|fields| fields.len());
        let fields = longest.map_or(Fields::none(), Fields::clone);
        for (i, segment) in segments.iter().enumerate() {
            let made_with = segment.part.header().analyzer;
            if made_with != analyzer.identity() {
                let message = format!(
                    "segment {i} was made with the analyzer {:?}, and is searched with {:?}; rebuild it",
                    made_with,
                    analyzer.identity()
                );
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
            if !segment.fields().begin(&fields) {
                let message =
                    format!("segment {i} has other fields than another one, or differs in keeping positions");
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
        }
        let rows = segments.iter().map(|segment| u64::from(segment.rows())).sum();
        let (weights, constants) = (vec![1.0; fields.len()], Constants::default());
        let (saturations, given, stop) = (Vec::new(), None, Stop::default());
        let searcher =
            Self { analyzer, segments, fields, weights, saturations, rows, constants, given, stop };
        Ok(searcher.with_constants(constants))
    }

    /// The constants of BM25: `k1`, 0 to 100, by which a word that stands in a text often counts up to `k1 + 1` times as much as
    /// one that stands there once, and `b`, 0 to 1, by which long texts count less. Without this they are [`K1`](crate::K1) and [`B`](crate::B).
    pub fn bm25(self, k1: f64, b: f64) -> Result<Self> {
        if !((0.0..=MAX_K1).contains(&k1) && (0.0..=1.0).contains(&b)) {
            let message = format!("BM25 with k1 = {k1} and b = {b}; expected 0 to {MAX_K1} and 0 to 1");
            return Err(Error::invalid(message));
        }
        let constants = Constants { k1, b };
        Ok(if constants == self.constants { self } else { self.with_constants(constants) })
    }

    /// Ends a search when `is_over` says so, with what it found until then, which [`is_cut`](Hits::is_cut). That is asked now and then where a phrase or words near each other are looked for in
    /// one text, each 65,536 steps from place to place.
    #[must_use]
    pub fn until(self, is_over: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { stop: Stop::new(is_over), ..self }
    }

    fn with_constants(mut self, constants: Constants) -> Self {
        self.saturations = self.fields.names().map(|_| OnceLock::new()).collect();
        self.constants = constants;
        self
    }

    fn saturation(&self, field: usize) -> &Saturation {
        let make = || Saturation::new(self.constants, self.tokens(field), self.rows);
        self.saturations[field].get_or_init(make)
    }

    /// How many tokens the texts of a field have.
    fn tokens(&self, field: usize) -> u64 {
        if let Some(given) = self.given {
            return given.tokens(self.field_name(field));
        }
        let of_each = self.segments.iter().filter_map(|segment| segment.part.header().stats.get(field));
        of_each.fold(0, |sum: u64, stats| sum.saturating_add(stats.tokens))
    }

    fn field_name(&self, field: usize) -> &str {
        self.fields.name(field)
    }

    /// Scores as if the segments were some of those that the statistics are of; for the query alone that these were gathered for. Fields that none of the segments has, but others have,
    /// are looked for in vain.
    pub fn statistics(mut self, statistics: &'a Statistics) -> Result<Self> {
        if self.segments.is_empty() {
            return Ok(self);
        }
        let known: Vec<String> = self.fields.names().map(str::to_owned).collect();
        let others = statistics.fields().filter(|name| !known.iter().any(|known| known == name));
        let all: Vec<&str> = known.iter().map(String::as_str).chain(others).collect();
        (self.rows, self.given) = (statistics.rows, Some(statistics));
        self.fields = self.fields.extended(&all)?;
        self.weights.resize(self.fields.len(), 1.0);
        let constants = self.constants;
        Ok(self.with_constants(constants))
    }

    /// What the scores of a query depend on beside the text that is scored.
    pub fn statistics_of(&self, query: &Query) -> Result<Statistics> {
        let analyzer = self.segments.first().map(|_| self.analyzer.identity());
        let mut statistics = Statistics::new(analyzer, self.rows);
        for (field, name) in self.fields.names().enumerate() {
            statistics.put_field(name, self.tokens(field));
        }
        let gathered = plan::looked_up(self, query, statistics);
        self.segments.iter().try_for_each(|segment| segment.part.finish())?;
        gathered
    }

    /// The names of all fields, of which the segments may have only the first: a query of one that no segment has finds nothing.
    pub fn fields(mut self, names: &[&str]) -> Result<Self> {
        if !self.segments.is_empty() && names.len() > self.fields.len() {
            self.fields = self.fields.extended(names)?;
            self.weights.resize(self.fields.len(), 1.0);
            let constants = self.constants;
            self = self.with_constants(constants);
        }
        Ok(self)
    }

    /// Multiplies what is found in a field: 1 by default.
    pub fn field_weight(mut self, field: &str, weight: f32) -> Result<Self> {
        if !(weight.is_finite() && weight > 0.0) {
            return Err(Error::invalid(format!("a field weight of {weight}; expected a number above 0")));
        }
        if let Some(number) = self.fields.find(field) {
            self.weights[number] = weight;
        } else if !self.segments.is_empty() {
            return Err(Error::new(ErrorKind::NoSuchField, format!("there is no field {field:?}")));
        }
        Ok(self)
    }

    /// The `k` best records, at least 1 and at most [`MAX_HITS`]. With filters, one for each segment: of the rows
    /// in its set; `None` allows all.
    ///
    /// Fails with [`Damaged`](ErrorKind::Damaged) if bytes that it needs do not hold, and from then on.
    pub fn search(&self, query: &Query, k: usize, filters: &[Option<&RowSet>]) -> Result<Hits> {
        let found = self.find(query, k, filters, None);
        self.segments.iter().try_for_each(|segment| segment.part.finish())?;
        Ok(PartOfHits::join(std::iter::once(found?), k))
    }

    /// All rows of each segment that match, in no order. Filters and errors as for [`search`](Self::search).
    pub fn search_all(&self, query: &Query, filters: &[Option<&RowSet>]) -> Result<Matching> {
        let mut matching = Matching { rows: vec![RowSet::new(); self.segments.len()], is_cut: false };
        let mut top = Top::new(usize::MAX, None);
        let found = self.offer(query, filters, None, &mut top);
        self.segments.iter().try_for_each(|segment| segment.part.finish())?;
        matching.is_cut = found?.is_cut;
        for (segment, row, _) in top.into_unsorted() {
            matching.rows[segment as usize].insert(row);
        }
        Ok(matching)
    }

    fn find(
        &self,
        query: &Query,
        k: usize,
        filters: &[Option<&RowSet>],
        shared: Option<&SharedSearch>,
    ) -> Result<PartOfHits> {
        if k == 0 || k > MAX_HITS {
            return Err(Error::invalid(format!("{k} hits were asked for; expected 1 to {MAX_HITS}")));
        }
        let mut top = Top::new(k, shared.map(|shared| &shared.floor));
        let Offered { scale, is_cut } = self.offer(query, filters, shared, &mut top)?;
        Ok(PartOfHits { found: top.into_unsorted().collect(), scale, is_cut })
    }

    /// Rows of all segments, those of deleted records as well.
    fn segment_rows(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.rows())).sum()
    }

    /// Offers what matches and may be among the best to `top`, of all rows or of those that others do not take.
    fn offer(
        &self,
        query: &Query,
        filters: &[Option<&RowSet>],
        shared: Option<&SharedSearch>,
        top: &mut Top<'_>,
    ) -> Result<Offered> {
        if !filters.is_empty() && filters.len() != self.segments.len() {
            let message = format!("{} filters for {} segments", filters.len(), self.segments.len());
            return Err(Error::invalid(message));
        }
        let Planned { plan, is_cut } = plan::plan(self, query)?;
        let weight = plan.weight();
        if weight <= 0.0 {
            return Ok(Offered { scale: 1.0, is_cut });
        }
        // A power of two, so that nothing is lost on the way back.
        let scale = (ALL_UNITS / weight).log2().floor().exp2();
        let all = self.segment_rows();
        let mut rows = shared.map_or(0..all, SharedSearch::take_rows);
        let mut first = 0;
        for (i, segment) in self.segments.iter().enumerate() {
            let mut walk = None;
            let in_segment =
                |row: u64| u32::try_from(row.saturating_sub(first)).unwrap_or(u32::MAX).min(segment.rows());
            let end = first + u64::from(segment.rows());
            while rows.start < end {
                let filter = filters.get(i).copied().flatten();
                if walk.is_none() {
                    segment.part.fetch_lists(plan.terms());
                    walk = Some(self.walk(segment, &plan, scale)?.map(|mut walk| {
                        (walk.segment, walk.filter) = (u32::try_from(i).unwrap_or(u32::MAX), filter);
                        walk.begin(top);
                        walk
                    }));
                }
                if let Some(Some(walk)) = &mut walk
                    && !walk.run(in_segment(rows.start)..in_segment(rows.end), top)
                {
                    let message = format!("postings of segment {i} do not hold; rebuild the part");
                    return Err(Error::damaged(message));
                }
                if rows.end > end {
                    rows.start = end;
                } else {
                    rows = shared.map_or(all..all, SharedSearch::take_rows);
                }
            }
            first = end;
        }
        Ok(Offered { scale, is_cut: is_cut | self.stop.has_stopped() })
    }

    /// What is to be looked for in one segment; `None` if nothing can be found there.
    fn walk<'s>(&'s self, segment: &'s Segment<'_>, plan: &Plan, scale: f64) -> Result<Option<Walk<'s>>> {
        let Some(all) = self.group(segment, plan, scale)? else { return Ok(None) };
        let mut walk = Walk::new(segment.rows(), segment.deleted, &self.stop);
        (walk.optional, walk.required, walk.excluded) = (all.optional, all.required, all.excluded);
        Ok(Some(walk))
    }

    fn group<'s>(&'s self, segment: &'s Segment<'_>, plan: &Plan, scale: f64) -> Result<Option<Group<'s>>> {
        let mut required = Vec::with_capacity(plan.required.len());
        for group in &plan.required {
            let group = self.leaves(segment, group, scale)?;
            if group.is_empty() {
                return Ok(None);
            }
            required.push(group);
        }
        let optional = self.leaves(segment, &plan.optional, scale)?;
        if required.is_empty() && optional.is_empty() {
            return Ok(None);
        }
        let excluded = self.leaves(segment, &plan.excluded, scale)?;
        Ok(Some(Group { optional, required, excluded }))
    }

    fn leaves<'s>(
        &'s self,
        segment: &'s Segment<'_>,
        wanted: &[Wanted],
        scale: f64,
    ) -> Result<Vec<Leaf<'s>>> {
        let mut leaves = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            leaves.extend(match wanted {
                Wanted::Terms(terms) => self.leaf(segment, terms, scale)?,
                Wanted::Group(plan) => self.group(segment, plan, scale)?.map(Leaf::Group),
            });
        }
        Ok(leaves)
    }

    fn leaf<'s>(&'s self, segment: &'s Segment<'_>, wanted: &Terms, scale: f64) -> Result<Option<Leaf<'s>>> {
        if !segment.has_field(wanted.field) {
            return Ok(None);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below ALL_UNITS")]
        let weight = ((wanted.weight * scale) as u32).max(1);
        let weigh = Weigh {
            weight,
            saturation: self.saturation(wanted.field),
            lengths: segment.part.lengths(wanted.field),
        };
        if let [slot] = &wanted.slots[..]
            && let [term] = &slot.terms[..]
        {
            let cursor = segment.cursor(wanted.field, term, weigh)?;
            return Ok(cursor.map(|cursor| Leaf::Term(Box::new(cursor))));
        }
        let mut words = Vec::with_capacity(wanted.slots.len());
        for slot in &wanted.slots {
            let mut cursors = Vec::with_capacity(slot.terms.len());
            for term in &slot.terms {
                cursors.extend(segment.cursor(wanted.field, term, weigh)?);
            }
            if cursors.is_empty() {
                return Ok(None);
            }
            words.push(Word::new(cursors, slot.place));
        }
        let most_positions = segment.part.header().most_positions();
        let phrase = Phrase::new(words, &wanted.slots, (most_positions, &self.stop), weigh, wanted.order);
        Ok(Some(Leaf::Phrase(phrase)))
    }

    /// Terms of a field that match, with their distance and the number of records, at most `limit`; and whether these are
    /// all.
    fn matches(&self, field: usize, pattern: &Pattern, limit: usize) -> Result<(Matches, bool)> {
        let mut matches = HashMap::new();
        let mut is_complete = true;
        let mut damage = None;
        for segment in &self.segments {
            let mut put = |term: &[u8], distance: u8, df: u64| {
                if matches.len() == limit && !matches.contains_key(term) {
                    return false;
                }
                matches.entry(term.to_owned()).or_insert((distance, 0)).1 += df;
                true
            };
            let Some((dictionary, field)) = segment.part.dictionary().zip(u8::try_from(field).ok()) else {
                continue;
            };
            is_complete &=
                dictionary.search(field, pattern, MAX_STEPS, |term, distance, number| {
                    match segment.part.entry(number) {
                        Ok(entry) => put(term, distance, u64::from(entry.df())),
                        Err(error) => {
                            damage = Some(error);
                            false
                        }
                    }
                });
        }
        match damage {
            Some(error) => Err(error),
            None => Ok((matches, is_complete)),
        }
    }
}
