//! `get`: a record, as a whole or in pieces.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::clean::fitting;
use super::{Context, Kind, Tool, notes, piece, property};
use crate::commands::find;
use crate::failure::{Failure, Result};

pub(super) const TOOL: Tool = Tool {
    name: "get",
    title: "Read a record",
    kind: Kind::Reads,
    is_idempotent: true,
    description,
    arguments,
    result,
    run,
};

/// Bytes of content where nothing else is asked for.
const DEFAULT_BYTES: u64 = 16 << 10;
/// The fewest bytes of content that can be asked for: more than any character has.
const MIN_BYTES: u64 = 16;

fn description() -> String {
    format!(
        "Reads one record by its `key` or its `id`, as `search` and `list` give them: {{\"key\": \"notes/rent.md#3\"}} or {{\"id\": 42}}. The answer has its text (or, if it is \
         not text, `blob` as base64) and its metadata.\n\
         A long text comes in pieces of at most {DEFAULT_BYTES} bytes unless `max_bytes` says otherwise. If `next_offset` is in the answer there is more: call again with that \
         `offset`. `bytes` is the length of the whole content."
    )
}

fn arguments() -> (Value, Vec<&'static str>) {
    let properties = json!({
        "key": property("string", "The key of the record"),
        "id": { "type": "integer", "minimum": 0, "description": "The id of the record, if it has no key or the key is not known" },
        "offset": { "type": "integer", "minimum": 0, "default": 0, "description": "Where in the content to begin, in bytes: `next_offset` of the last answer" },
        "max_bytes": { "type": "integer", "minimum": MIN_BYTES, "default": DEFAULT_BYTES, "description": "How much of the content" },
        "fields": { "type": "array", "items": { "type": "string" }, "description": "Which metadata fields to answer with, instead of all" },
    });
    (properties, Vec::new())
}

fn result() -> (Value, Vec<&'static str>) {
    let properties = json!({
        "artifact": { "type": "string" },
        "id": { "type": "integer" },
        "key": { "type": "string" },
        "metadata": { "type": "object" },
        "omitted_fields": { "type": "array", "items": { "type": "string" }, "description": "Metadata and texts too long for this answer: name some of them in `fields`" },
        "text_fields": property("object", "Texts beside the content, for instance the title"),
        "text": property("string", "The content, or a piece of it"),
        "blob": property("string", "Content that is not text, or a piece of it, as base64"),
        "offset": property("integer", "Where this piece begins"),
        "bytes": property("integer", "Length of the whole content"),
        "next_offset": property("integer", "There is more: call again with this offset"),
        "notes": { "type": "array", "items": { "type": "string" }, "description": "What else there is to know" },
    });
    (properties, vec!["artifact", "id", "metadata", "offset", "bytes"])
}

fn run(context: &Context<'_>, mut arguments: Arguments) -> Result<Value> {
    let served = arguments.artifact(context.artifacts)?;
    let name = arguments.record()?;
    let offset = arguments.integer("offset", 0..=u64::MAX)?.unwrap_or(0);
    let most = arguments.integer("max_bytes", MIN_BYTES..=u64::MAX)?.unwrap_or(DEFAULT_BYTES);
    let fields = arguments.texts("fields", 32)?;
    arguments.finish()?;
    let (artifact, snapshot) = context.artifacts.read(served)?;
    let Some(entry) = find(&snapshot, &name)? else {
        return Err(Failure::not_there(format_args!("there is no record {name} in {}", served.name())));
    };
    if offset > entry.len() {
        let message = format!("`offset`: expected at most {}, the length of the content", entry.len());
        return Err(Failure::usage(message));
    }
    let (max_metadata, max_value) = (context.max_answer / 4, context.max_answer / 4);
    let (metadata, mut omitted) = piece::metadata(&entry, fields.as_deref(), max_metadata, Some(max_value))?;
    let mut answer = json!({
        "artifact": served.name(), "id": entry.id().0, "metadata": metadata, "offset": offset, "bytes": entry.len(),
    });
    if let Some(key) = entry.key()? {
        answer["key"] = key.into();
    }
    if fields.is_none() {
        let texts: Vec<(String, String)> = entry.fields()?;
        let texts = texts.into_iter().map(|(name, text)| (name, Value::from(text)));
        let (texts, others) = piece::fields_within(texts, max_metadata / 2, max_value);
        if !texts.is_empty() {
            answer["text_fields"] = texts.into();
        }
        omitted = piece::names(others.into_iter().chain(omitted), max_metadata / 2);
    }
    if !omitted.is_empty() {
        answer["omitted_fields"] = omitted.into();
    }
    let unknown = notes::unknown_to_show(fields.as_deref(), &artifact, &snapshot)?;
    let mut notes = notes::within(unknown, max_metadata / 2);
    // The rest is for the content.
    let parts = ["text_fields", "omitted_fields", "metadata", "key"];
    if piece::fit(&mut answer, context.max_answer / 8 * 5, &parts) {
        notes.push("not all that belongs to the record fits into an answer".to_owned());
    }
    if !notes.is_empty() {
        answer["notes"] = notes.into();
    }
    let room = context.room(&answer);
    let next = if entry.is_text() {
        let text = piece::text(&entry, offset, most.min(room as u64))?;
        let text = fitting(&text, room);
        answer["text"] = text.into();
        offset + text.len() as u64
    } else {
        // Four letters for three bytes.
        let bytes = entry.range(offset..offset.saturating_add(most.min(room as u64 / 4 * 3)))?;
        answer["blob"] = BASE64_STANDARD.encode(&bytes).into();
        offset + bytes.len() as u64
    };
    if next < entry.len() {
        answer["next_offset"] = next.into();
    }
    Ok(answer)
}
