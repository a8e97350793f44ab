//! `list`: the records that there are, page by page.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use compact_artifact::{RecordId, Snapshot};
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::clean::answer_len;
use super::super::limits::MAX_PAGE;
use super::{Context, Kind, Tool, piece, property};
use crate::failure::{Failure, Result};

pub(super) const TOOL: Tool = Tool {
    name: "list",
    title: "List records",
    kind: Kind::Reads,
    is_idempotent: true,
    description,
    arguments,
    result,
    run,
};

/// Records on a page where nothing else is asked for.
const DEFAULT_PAGE: u64 = 100;

fn description() -> String {
    "Lists what is stored, page by page: by key for those whose key begins with `prefix` ({\"prefix\": \"notes/2026/\"}), or without it all records from the oldest to \
     the newest, also those without a key. Use it to see what keys look like, or to go through all of something; to find something, use `search`.\n\
     The answer has ids and keys, no texts: read these with `get`. If `next` is in the answer there is more: call again with it as `after`, and with the same `prefix`."
        .to_owned()
}

fn arguments() -> (Value, Vec<&'static str>) {
    let properties = json!({
        "prefix": property("string", "Only records whose key begins with this, in the order of keys"),
        "limit": { "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE, "description": "How many records" },
        "after": property("string", "Where to go on: `next` of the last answer"),
    });
    (properties, Vec::new())
}

fn result() -> (Value, Vec<&'static str>) {
    let record = json!({
        "type": "object",
        "properties": {
            "id": { "type": "integer" },
            "key": property("string", "The key, if the record has one and it fits into an answer"),
            "bytes": property("integer", "Length of the content"),
            "is_text": property("boolean", "Otherwise it is a blob"),
        },
        "required": ["id"],
        "additionalProperties": false,
    });
    let properties = json!({
        "artifact": { "type": "string" },
        "records": { "type": "array", "items": record },
        "total": property("integer", "How many there are with that prefix, or in all"),
        "next": property("string", "There is more: call again with this as `after`"),
    });
    (properties, vec!["artifact", "records", "total"])
}

/// Where a page begins: behind a key, or behind an id.
#[derive(Debug, PartialEq, Eq)]
enum After {
    Key(String),
    Id(u64),
}

impl After {
    /// In a form that no key changes, whatever stands in it.
    fn encode(&self) -> String {
        match self {
            Self::Key(key) => format!("k{}", BASE64_URL_SAFE_NO_PAD.encode(key)),
            Self::Id(id) => format!("i{id}"),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        match text.split_at_checked(1)? {
            ("k", key) => String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(key).ok()?).ok().map(Self::Key),
            ("i", id) => id.parse().ok().map(Self::Id),
            _ => None,
        }
    }
}

fn run(context: &Context<'_>, mut arguments: Arguments) -> Result<Value> {
    let served = arguments.artifact(context.artifacts)?;
    let prefix = arguments.text("prefix")?;
    let limit = arguments.integer("limit", 1..=MAX_PAGE)?.unwrap_or(DEFAULT_PAGE);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = arguments.text("after")?;
    arguments.finish()?;
    let after = after.map(|text| After::decode(&text).ok_or_else(not_ours)).transpose()?;
    let (_, snapshot) = context.artifacts.read(served)?;
    let page = match (prefix, after) {
        (Some(prefix), None) => by_key(&snapshot, &prefix, None, limit)?,
        (Some(prefix), Some(After::Key(after))) => by_key(&snapshot, &prefix, Some(&after), limit)?,
        (None, None) => by_id(&snapshot, 0, limit)?,
        (None, Some(After::Id(after))) => by_id(&snapshot, after.saturating_add(1), limit)?,
        _ => return Err(not_ours()),
    };
    let mut answer = json!({ "artifact": served.name(), "records": [], "total": page.total });
    let (mut records, mut next, mut room) = (Vec::new(), None, context.room(&answer));
    for (mut record, after) in page.records.into_iter().take(limit) {
        // The page may end behind any of them.
        let after = after.encode();
        let most = room.saturating_sub(after.len() + 1);
        if records.is_empty() {
            piece::fit(&mut record, most, &["key"]);
        }
        let len = answer_len(&record);
        if len > most {
            break;
        }
        room -= len + 1;
        records.push(record);
        next = Some(after);
    }
    if let Some(next) = next.filter(|_| page.found > records.len()) {
        answer["next"] = next.into();
    }
    answer["records"] = records.into();
    Ok(answer)
}

fn not_ours() -> Failure {
    Failure::usage("`after`: expected `next` of an answer to a call with the same `prefix`")
}

/// Records with where the page behind each begins: one more than asked for, if there is one.
struct Page {
    records: Vec<(Value, After)>,
    found: usize,
    total: u64,
}

fn by_key(snapshot: &Snapshot, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page> {
    let keys = snapshot.keys_after(prefix, after, limit + 1)?;
    let total = snapshot.count_keys(prefix)?;
    let record = |(key, id): (String, RecordId)| (json!({ "id": id.0, "key": key }), After::Key(key));
    let records: Vec<_> = keys.into_iter().map(record).collect();
    Ok(Page { found: records.len(), records, total })
}

fn by_id(snapshot: &Snapshot, begin: u64, limit: usize) -> Result<Page> {
    let mut records = Vec::new();
    for entry in snapshot.records_from(RecordId(begin)).take(limit + 1) {
        let entry = entry?;
        let mut record = json!({ "id": entry.id().0, "bytes": entry.len(), "is_text": entry.is_text() });
        if let Some(key) = entry.key()? {
            record["key"] = key.into();
        }
        records.push((record, After::Id(entry.id().0)));
    }
    Ok(Page { found: records.len(), records, total: snapshot.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_page_begins_is_written_so_that_it_is_read_back() {
        for after in [After::Key("a\u{202e}/b".to_owned()), After::Key(String::new()), After::Id(u64::MAX)] {
            assert_eq!(After::decode(&after.encode()), Some(after));
        }
        for wrong in ["", "k?", "i", "ix", "x1", "ä", "kgA"] {
            assert_eq!(After::decode(wrong), None, "{wrong}");
        }
    }
}
