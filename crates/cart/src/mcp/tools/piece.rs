//! Pieces of records that fit into an answer, and what is said of the rest.

use compact_artifact::Entry;
use serde_json::{Map, Value};

use super::super::limits::MAX_VALUE;
use crate::failure::{Failure, Result};
use crate::output::several;

/// Bytes of a text from `offset` on, at most `most` and as few less as a character needs, and where the rest begins.
pub(super) fn text(entry: &Entry, offset: u64, most: u64) -> Result<(String, u64)> {
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
    Ok((whole.to_owned(), offset + whole.len() as u64))
}

/// The beginning of a text, or what a blob is.
pub(super) fn beginning(entry: &Entry, most: usize) -> Result<String> {
    if !entry.is_text() {
        let are = if entry.len() == 1 { "is" } else { "are" };
        return Ok(format!("({} that {are} not text)", several(entry.len(), "byte")));
    }
    let (mut text, next) = text(entry, 0, most as u64)?;
    if next < entry.len() {
        text.push('…');
    }
    Ok(text)
}

/// Metadata, or the fields of it and of the texts that are named, as far as they take no more than `most` bytes of JSON; and the names of those that take more.
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
    let (mut kept, mut omitted, mut len) = (Map::new(), Vec::new(), 0);
    for (name, value) in chosen {
        let value_len = value.to_string().len();
        let new_len = len + name.len() + value_len + 4;
        if new_len > most || value_len > max_value.unwrap_or(MAX_VALUE) {
            omitted.push(name);
        } else {
            len = new_len;
            kept.insert(name, value);
        }
    }
    omitted.truncate(most / 64);
    omitted.retain(|name| name.len() <= 256);
    Ok((kept, omitted))
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
