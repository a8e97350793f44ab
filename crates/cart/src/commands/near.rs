//! What there is near a search that found nothing.

use std::collections::BTreeSet;

use compact_artifact::{Filter, Query, Snapshot};
use serde_json::{Map, Value, json};

use crate::failure::Result;

/// Records whose metadata is looked at for the names of fields.
const SAMPLE: usize = 1000;
/// Words of a search that are looked at.
const MAX_WORDS: usize = 10;

/// What was asked, and found nothing.
pub(super) struct Asked<'a> {
    pub(super) query: &'a Query,
    /// Empty where words do not decide.
    pub(super) words: String,
    pub(super) filter: Option<&'a str>,
    /// Fields beside those of the filter.
    pub(super) fields: Vec<String>,
    pub(super) min_score: Option<f32>,
    pub(super) offset: usize,
}

/// Sentences on what could be asked in its place; none where nothing is near.
pub(super) fn hints(asked: &Asked<'_>, snapshot: &Snapshot) -> Result<Vec<String>> {
    if snapshot.is_empty() {
        return Ok(vec!["the artifact is empty".to_owned()]);
    }
    let mut hints = Vec::new();
    if asked.offset > 0 && finds(snapshot, &asked.query.clone().offset(0))? {
        hints.push(
            "there are hits, but fewer than are left out: --page 1 or a smaller --offset shows them"
                .to_owned(),
        );
        return Ok(hints);
    }
    if let Some(score) = asked.min_score
        && let Some(best) = snapshot.search(&asked.query.clone().min_score(f32::MIN).k(1))?.hits.first()
    {
        hints.push(format!("the best hit has a score of {:.3}, which is below {score}", best.score));
        return Ok(hints);
    }
    unknown_fields(asked, snapshot, &mut hints)?;
    if let Some(text) = asked.filter
        && hints.is_empty()
    {
        let filter = Filter::from_json(&compact_artifact::json::from_slice(text.as_bytes())?)?;
        if snapshot.count(&filter)? == 0 {
            hints.push("no record matches the filter".to_owned());
        } else if !asked.words.is_empty() {
            unknown_words(asked, snapshot, &mut hints)?;
            if hints.is_empty() {
                hints.push("the filter lets records through, but none of them has the words".to_owned());
            }
        }
    } else if hints.is_empty() {
        unknown_words(asked, snapshot, &mut hints)?;
    }
    Ok(hints)
}

fn finds(snapshot: &Snapshot, query: &Query) -> Result<bool> {
    Ok(!snapshot.search(query)?.hits.is_empty())
}

/// Fields that no record has.
fn unknown_fields(asked: &Asked<'_>, snapshot: &Snapshot, hints: &mut Vec<String>) -> Result<()> {
    let mut fields: BTreeSet<String> = asked.fields.iter().cloned().collect();
    if let Some(filter) = asked.filter {
        fields_of_filter(&compact_artifact::json::from_slice(filter.as_bytes())?, &mut fields);
    }
    let mut known = BTreeSet::new();
    for field in fields {
        let exists = Filter::from_json(&json!({ &*field: { "$exists": true } }))?;
        if snapshot.count(&exists)? > 0 {
            continue;
        }
        if known.is_empty() {
            for entry in snapshot.records().take(SAMPLE).flatten() {
                names(&entry.metadata()?, "", &mut known);
            }
        }
        let near = known.iter().map(|name| (distance(&field, name), name)).min();
        let near = near.filter(|(distance, name)| *distance <= 2 && distance < &name.chars().count());
        hints.push(match near {
            Some((_, name)) => format!("no record has the field {field:?}; near it is {name:?}"),
            None => format!("no record has the field {field:?}"),
        });
    }
    Ok(())
}

/// The fields that a filter names.
fn fields_of_filter(filter: &Value, fields: &mut BTreeSet<String>) {
    match filter {
        Value::Object(map) => {
            for (name, value) in map {
                match name.as_str() {
                    "$and" | "$or" | "$not" => fields_of_filter(value, fields),
                    name if name.starts_with('$') => {}
                    name => drop(fields.insert(name.to_owned())),
                }
            }
        }
        Value::Array(filters) => filters.iter().for_each(|filter| fields_of_filter(filter, fields)),
        _ => {}
    }
}

fn names(metadata: &Map<String, Value>, before: &str, found: &mut BTreeSet<String>) {
    for (name, value) in metadata {
        match value {
            Value::Object(inner) => names(inner, &format!("{before}{name}."), found),
            _ => drop(found.insert(format!("{before}{name}"))),
        }
    }
}

/// Words that no text has, and the one that is nearest to each.
fn unknown_words(asked: &Asked<'_>, snapshot: &Snapshot, hints: &mut Vec<String>) -> Result<()> {
    let words = asked.words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut are_known = true;
    for word in words.filter(|word| !["AND", "OR", "NOT"].contains(word)).take(MAX_WORDS) {
        if finds(snapshot, &Query::words(word).k(1))? {
            continue;
        }
        are_known = false;
        let mut near = None;
        for query in [format!("{word}~"), format!("{word}*")] {
            let Ok(query) = Query::parse(&query) else { continue };
            let found = snapshot.search(&query.k(1).snippet(200))?;
            let snippet = found.hits.first().and_then(|hit| hit.snippet.as_ref());
            near = near
                .or(snippet.and_then(|s| s.text.get(s.highlights.first()?.clone()).map(str::to_lowercase)));
        }
        hints.push(match near {
            Some(near) => format!("no text has {word:?}; near it is {near:?}"),
            None => format!("no text has {word:?} or a word near it"),
        });
    }
    if are_known && !asked.words.trim().is_empty() && asked.filter.is_none() {
        hints.push("texts have the words, but none as the query wants them".to_owned());
    }
    Ok(())
}

/// How many characters have to be exchanged, left out or put in.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let best = (diagonal + usize::from(c != *other)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_filter_wherever_they_stand() {
        let filter = json!({"a": 1, "$or": [{"b": {"$gt": 1}}, {"$not": {"c.d": {"$in": [{"x": 1}]}}}]});
        let mut fields = BTreeSet::new();
        fields_of_filter(&filter, &mut fields);
        assert_eq!(fields.into_iter().collect::<Vec<_>>(), ["a", "b", "c.d"]);
    }

    #[test]
    fn distances_count_characters() {
        for (a, b, expected) in
            [("", "", 0), ("year", "yaer", 2), ("year", "years", 1), ("ä", "a", 1), ("", "abc", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
