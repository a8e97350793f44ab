//! What else there is to know of an answer, in sentences.

use compact_artifact::{CompactArtifact, Filter, Query, SearchResults, Snapshot, UnknownField};

use super::super::clean::{answer_len, short_message};
use crate::failure::Result;
use crate::output::{several, shortened};

/// What is said of fields that a search names and no record has: a slip in a name would look like an answer.
pub(super) fn unknown(results: &SearchResults) -> impl Iterator<Item = String> {
    results.explain.iter().flat_map(|explain| &explain.unknown_fields).map(sentence)
}

/// What is said of fields that are to be shown and no record has.
pub(super) fn unknown_to_show(
    fields: Option<&[String]>,
    artifact: &CompactArtifact,
    snapshot: &Snapshot,
) -> Result<Vec<String>> {
    let texts = artifact.fields();
    let asked = fields.unwrap_or_default().iter().filter(|name| texts.iter().all(|(text, _)| text != *name));
    let exists: Vec<Filter> = asked.map(|name| Filter::field(name.as_str()).exists()).collect();
    if exists.is_empty() {
        return Ok(Vec::new());
    }
    let found = snapshot.search(&Query::new().filter(Filter::any(exists)).k(1).explain(true))?;
    Ok(unknown(&found).collect())
}

fn sentence(field: &UnknownField) -> String {
    let nearest = field.nearest.as_ref().map(|nearest| format!("; there is {:?}", shortened(nearest, 60)));
    format!("no record has metadata {:?}{}", shortened(&field.field, 60), nearest.unwrap_or_default())
}

/// As many notes as take at most so many bytes, and how many there are more.
pub(super) fn within(notes: Vec<String>, most: usize) -> Vec<String> {
    let (all, mut kept, mut room) = (notes.len(), Vec::new(), most);
    for sentence in notes {
        let sentence = short_message(&sentence);
        let len = answer_len(&sentence.as_str().into()) + 1;
        if len > room {
            let left = (all - kept.len()) as u64;
            kept.push(format!("and {} more", several(left, "note")));
            break;
        }
        room -= len;
        kept.push(sentence);
    }
    kept
}
