//! What a query has to be before anything is looked for.

use super::{BOOSTS, Clause, MAX_DEPTH, MAX_SLOP, Match, Occur, Query, Wanted};
use crate::error::{Error, Result};

/// Refuses numbers outside their limits, groups too deep, and whatever would have no effect.
pub(crate) fn check(query: &Query) -> Result<()> {
    if let (true, Some(clause)) = (is_negative(query), query.clauses.first()) {
        let message = "a query needs something to look for beside what must not match";
        return Err(Error::query(message, clause.offset));
    }
    check_clauses(query, 0, false)
}

/// Whether it only says what must not match.
pub(crate) fn is_negative(query: &Query) -> bool {
    let is_negative = |clause: &Clause| match (&clause.wanted, clause.occur) {
        (_, Occur::MustNot) => true,
        (Wanted::Group(group), Occur::Must) => is_negative(group),
        _ => false,
    };
    !query.clauses.is_empty() && query.clauses.iter().all(is_negative)
}

fn check_clauses(query: &Query, depth: usize, excluded: bool) -> Result<()> {
    for clause in &query.clauses {
        let excluded = excluded || clause.occur == Occur::MustNot;
        check_boost(clause, excluded)?;
        match &clause.wanted {
            Wanted::Match(pattern, _) => check_match(pattern, clause.offset)?,
            Wanted::Group(_) if depth == MAX_DEPTH => return Err(too_deep(clause.offset)),
            Wanted::Group(group) => {
                check_group(group, clause)?;
                check_clauses(group, depth + 1, excluded)?;
            }
        }
    }
    Ok(())
}

pub(super) fn too_deep(offset: usize) -> Error {
    Error::query(format!("more than {MAX_DEPTH} groups inside one another"), offset)
}

fn check_boost(clause: &Clause, excluded: bool) -> Result<()> {
    let (low, high) = BOOSTS;
    if !(low..=high).contains(&clause.boost) {
        let message = format!("a boost of {}; expected {low} to {high}", clause.boost);
        return Err(Error::query(message, clause.offset));
    }
    #[expect(clippy::float_cmp, reason = "1 is exact, and the default")]
    if excluded && clause.boost != 1.0 {
        return Err(Error::query("a boost of what must not match has no effect", clause.offset));
    }
    Ok(())
}

fn check_match(pattern: &Match, offset: usize) -> Result<()> {
    match pattern {
        Match::Fuzzy(_, distance) if !(1..=2).contains(distance) => {
            Err(Error::invalid(format!("a distance of {distance}; expected 1 or 2")).at(offset))
        }
        Match::Near(_, distance) if !(1..=MAX_SLOP).contains(distance) => {
            let message = format!("words at a distance of {distance}; expected 1 to {MAX_SLOP}");
            Err(Error::invalid(message).at(offset))
        }
        _ => Ok(()),
    }
}

fn check_group(group: &Query, clause: &Clause) -> Result<()> {
    if group.clauses.is_empty() {
        return Err(Error::query("this group is empty; expected something to look for", clause.offset));
    }
    if clause.occur != Occur::Must && is_negative(group) {
        let message = "a group needs something to look for beside what must not match";
        return Err(Error::query(message, clause.offset));
    }
    Ok(())
}
