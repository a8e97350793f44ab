//! What there is near a search that found nothing.

use compact_artifact::{Filter, Query, Snapshot};

use crate::failure::Result;

/// Words of a search that are looked at.
const MAX_WORDS: usize = 10;

/// What was asked, and found nothing.
pub(super) struct Asked<'a> {
    pub(super) query: &'a Query,
    /// Empty where words do not decide.
    pub(super) words: String,
    pub(super) filter: Option<&'a str>,
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
    hints.extend(unknown_fields(asked, snapshot)?);
    if let Some(text) = asked.filter
        && hints.is_empty()
    {
        let filter = Filter::from_json(&compact_artifact::json::from_slice(text.as_bytes())?)?;
        if snapshot.count(&filter)? == 0 {
            hints.push("no record matches the filter".to_owned());
        } else if !words(&asked.words).is_empty() {
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
fn unknown_fields(asked: &Asked<'_>, snapshot: &Snapshot) -> Result<Vec<String>> {
    let found = snapshot.search(&asked.query.clone().k(1).offset(0).explain(true))?;
    let unknown = found.explain.iter().flat_map(|explain| &explain.unknown_fields);
    Ok(unknown.map(ToString::to_string).collect())
}

/// A query without the names of fields, which stand before what is looked for in them.
pub(super) fn without_fields(query: &str, fields: &[(String, u32)]) -> String {
    let is_field = |name: &str| name == "text" || fields.iter().any(|(known, _)| known == name);
    let items = query.split_whitespace().map(|item| match item.split_once(':') {
        Some((name, rest)) if is_field(name.trim_start_matches(['+', '-', '('])) => rest,
        _ => item,
    });
    items.collect::<Vec<_>>().join(" ")
}

/// The words that are asked for, at most so many; of a script without spaces, what stands together.
fn words(text: &str) -> Vec<&str> {
    // Marks above and below letters are none themselves, and belong to words: so only these signs are cut off the end.
    let is_sign = |c: char| {
        matches!(c, '\u{2000}'..='\u{206F}' | '\u{3000}'..='\u{3004}' | '\u{3008}'..='\u{301F}' | '\u{FF01}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}')
            || "«»¿¡·،؛؟۔।॥".contains(c)
    };
    // Without the distance behind `~` and the weight behind `^`, which are no words.
    let words = text.split_whitespace().flat_map(|item| {
        let word = item.split(['~', '^']).next().unwrap_or_default();
        let parts =
            word.split(|c: char| c.is_ascii() && !c.is_alphanumeric() && c != '\'' || is_sign(c) && c != '’');
        parts.map(|word| word.trim_matches(['\'', '’'])).filter(|word| word.contains(char::is_alphanumeric))
    });
    words.filter(|word| !["AND", "OR", "NOT"].contains(word)).take(MAX_WORDS).collect()
}

/// Words that no text has, and the one that is nearest to each.
fn unknown_words(asked: &Asked<'_>, snapshot: &Snapshot, hints: &mut Vec<String>) -> Result<()> {
    let words = words(&asked.words);
    let mut are_known = !words.is_empty();
    for word in words {
        if finds(snapshot, &Query::words(word).k(1))? {
            continue;
        }
        are_known = false;
        let mut near = None;
        for query in [format!("{word}~"), format!("{word}*")] {
            // Several words have no misspelling.
            let found = Query::parse(&query).and_then(|query| snapshot.search(&query.k(1).snippet(200)));
            let Ok(found) = found else { continue };
            let snippet = found.hits.first().and_then(|hit| hit.snippet.as_ref());
            near = near
                .or(snippet.and_then(|s| s.text.get(s.highlights.first()?.clone()).map(str::to_lowercase)));
        }
        hints.push(match near {
            Some(near) => format!("no text has {word:?}; near it is {near:?}"),
            None => format!("no text has {word:?} or a word near it"),
        });
    }
    if are_known && asked.filter.is_none() {
        hints.push("texts have the words, but none as the query wants them".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_not_looked_for() {
        let fields = [("title".to_owned(), 2)];
        let left = without_fields("+title:moom (text:sun OR -other:x) title", &fields);
        assert_eq!(left, "moom sun OR -other:x) title");
    }

    #[test]
    fn words_have_their_marks_and_apostrophes_and_no_signs_around() {
        let list = |text| words(text).join(" ");
        assert_eq!(list("हिन्दी, भाषा। ภาษาไทย 「日本語」"), "हिन्दी भाषा ภาษาไทย 日本語");
        assert_eq!(
            list("+«мир» -don't AND title:(‘l’avion’) 'x' roughly~2^3"),
            "мир don't title l’avion x roughly"
        );
        assert_eq!(list("👍 ... ' — ¿que? e-mail"), "que e mail");
    }
}
