//! Pieces of records that fit into an answer, and what is said of the rest.

use compact_artifact::Entry;
use serde_json::{Map, Value};

use super::super::clean::answer_len;
use super::super::limits::MAX_VALUE;
use crate::failure::{Failure, Result};
use crate::output::several;

/// Bytes of a text from `offset` on, at most `most` and as few less as a character needs.
pub(super) fn text(entry: &Entry, offset: u64, most: u64) -> Result<String> {
    let bytes = entry.range(offset..offset.saturating_add(most))?;
    if bytes.first().is_some_and(|byte| byte & 0xc0 == 0x80) {
        return Err(Failure::usage(format_args!(
            "`offset`: {offset} is inside of a character; expected a `next_offset` of an answer"
        )));
    }
    let whole = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..e.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) => return Err(Failure::damage(format_args!("record {}: its text is not UTF-8", entry.id()))),
    };
    Ok(whole.to_owned())
}

/// The beginning of a text, or what a blob is.
pub(super) fn beginning(entry: &Entry, most: usize) -> Result<String> {
    if !entry.is_text() {
        let are = if entry.len() == 1 { "is" } else { "are" };
        return Ok(format!("({} that {are} not text)", several(entry.len(), "byte")));
    }
    let mut text = text(entry, 0, most as u64)?;
    if (text.len() as u64) < entry.len() {
        text.push('…');
    }
    Ok(text)
}

/// Leaves out parts of a piece of an answer, one after the other, until it takes at most so many bytes. Returns whether it did.
pub(super) fn fit(piece: &mut Value, most: usize, parts: &[&str]) -> bool {
    let mut is_cut = false;
    for part in parts {
        if answer_len(piece) <= most {
            break;
        }
        is_cut = true;
        match *part {
            "metadata" => piece["metadata"] = Map::new().into(),
            "snippet" => piece["snippet"] = "".into(),
            part => drop(piece.as_object_mut().and_then(|piece| piece.remove(part))),
        }
    }
    is_cut
}

/// As many of some names as take at most so many bytes.
pub(super) fn names(names: impl IntoIterator<Item = String>, most: usize) -> Vec<String> {
    let mut room = most;
    let fits = |name: &String| {
        let len = answer_len(&name.as_str().into()) + 1;
        let fits = name.len() <= 256 && len <= room;
        room -= if fits { len } else { 0 };
        fits
    };
    names.into_iter().filter(fits).collect()
}

/// Metadata, or the fields of it and of the texts that are named, as far as they take no more than `most` bytes; and the names of those that take more, as far as these take no
/// more than half of that.
pub(super) fn metadata(
    entry: &Entry,
    fields: Option<&[String]>,
    most: usize,
    max_value: Option<usize>,
) -> Result<(Map<String, Value>, Vec<String>)> {
    let found = entry.metadata()?;
    let chosen: Vec<(String, Value)> = match fields {
        None => found.into_iter().collect(),
        Some(names) => {
            let value = |name: &String| match at_path(&found, name) {
                Some(value) => Ok(Some((name.clone(), value.clone()))),
                None => Ok(entry.field(name)?.map(|text| (name.clone(), text.into()))),
            };
            names.iter().filter_map(|name| value(name).transpose()).collect::<Result<_>>()?
        }
    };
    let (kept, omitted) = fields_within(chosen, most, max_value.unwrap_or(MAX_VALUE));
    Ok((kept, names(omitted, most / 2)))
}

/// As many fields as take at most `most` bytes, each at most `max_value`; and the names of the others.
pub(super) fn fields_within(
    fields: impl IntoIterator<Item = (String, Value)>,
    most: usize,
    max_value: usize,
) -> (Map<String, Value>, Vec<String>) {
    let (mut kept, mut omitted, mut len) = (Map::new(), Vec::new(), 0);
    for (name, value) in fields {
        let value_len = answer_len(&value);
        let new_len = len + answer_len(&name.as_str().into()) + value_len + 2;
        if new_len > most || value_len > max_value {
            omitted.push(name);
        } else {
            len = new_len;
            kept.insert(name, value);
        }
    }
    (kept, omitted)
}

/// A value inside of objects, by the names that lead to it; a name may have dots itself.
fn at_path<'a>(metadata: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    metadata.get(path).or_else(|| {
        path.match_indices('.').find_map(|(at, _)| {
            let inner = metadata.get(path.get(..at)?)?.as_object()?;
            at_path(inner, path.get(at + 1..)?)
        })
    })
}
