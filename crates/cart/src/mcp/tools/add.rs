//! `add`: a record, in the place of the one that has its key.

use std::time::{Duration, SystemTime};

use compact_artifact::{FilterValue, Record};
use serde_json::{Map, Value, json};

use super::super::arguments::Arguments;
use super::{Context, Kind, Tool, property};
use crate::failure::{Failure, Result};

pub(super) const TOOL: Tool = Tool {
    name: "add",
    title: "Add or replace a record",
    kind: Kind::Adds,
    is_idempotent: false,
    description,
    arguments,
    result,
    run,
};

/// The longest that can be given as a number of seconds: a hundred years.
const MAX_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;

fn description() -> String {
    "Stores a text for later: a fact, a note, a summary. It is on disk when the answer comes, and found by `search` at once, by its words and by what it means. An artifact \
     that is not there yet is created.\n\
     Give a `key` to what may change, and it is replaced by the next `add` with that key instead of standing there twice: {\"key\": \"user/home-city\", \"text\": \"The user \
     lives in Porto since 2021.\", \"metadata\": {\"kind\": \"fact\", \"source\": \"chat\"}}. Without a key each call adds one more record. One record for each thing that is to be \
     found by itself: several short ones rather than a long one. `metadata` is what `filter` in `search` looks at. Give `expires_in_seconds` or `expires_at` to what shall be \
     forgotten by itself."
        .to_owned()
}

fn arguments() -> (Value, Vec<&'static str>) {
    let properties = json!({
        "text": property("string", "What is stored and found"),
        "key": property("string", "A name for the record, up to 1024 bytes, for instance \"user/home-city\". A record that has it is replaced"),
        "title": property("string", "A title, whose words count twice"),
        "metadata": property("object", "Any JSON object, for filters: {\"kind\": \"note\", \"tags\": [\"work\"], \"at\": \"2026-04-12\"}"),
        "replace": { "type": "boolean", "default": true, "description": "false: fail if there is a record with this key" },
        "expires_at": property("string", "From then on the record is not there any more: a day or an RFC 3339 timestamp, as in \"2026-12-31\" or \"2026-12-31T12:00:00Z\""),
        "expires_in_seconds": { "type": "integer", "minimum": 1, "maximum": MAX_SECONDS, "description": "The same, counted from now" },
    });
    (properties, vec!["text"])
}

fn result() -> (Value, Vec<&'static str>) {
    let properties = json!({
        "artifact": { "type": "string" },
        "id": property("integer", "The id of the record"),
        "key": { "type": "string" },
        "replaced": property("boolean", "Whether a record with this key was there"),
        "created_artifact": property("boolean", "Whether this was the first record of a new artifact"),
    });
    (properties, vec!["artifact", "id", "replaced", "created_artifact"])
}

fn run(context: &Context<'_>, mut arguments: Arguments) -> Result<Value> {
    let served = arguments.artifact(context.artifacts)?;
    let text =
        arguments.text("text")?.ok_or_else(|| Failure::usage("`text`: expected a string, found none"))?;
    let (key, title) = (arguments.text("key")?, arguments.text("title")?);
    let mut metadata = arguments.object("metadata")?.unwrap_or_default();
    let replace = arguments.flag("replace")?.unwrap_or(true);
    let expires = expiry(&mut arguments)?;
    arguments.finish()?;
    let does_expire = expires.is_some();
    if let Some(expires) = expires {
        set(&mut metadata, &context.artifacts.access().expires_field, expires)?;
    }
    let mut record = Record::text(text).metadata(metadata);
    if let Some(title) = title {
        record = record.field(crate::input::TITLE, title);
    }
    if let Some(key) = &key {
        record = record.key(key);
    }
    let write = |artifact: &compact_artifact::CompactArtifact| match &key {
        Some(key) if replace => {
            artifact.refresh()?; // others may have written since the last call
            let replaced = artifact.id_of_key(key)?.is_some();
            Ok((artifact.upsert(record.clone())?, replaced))
        }
        _ => Ok((artifact.add(record.clone())?, false)),
    };
    let written = context.artifacts.write(served, does_expire, context.pause, write);
    let ((id, replaced), created) = written.map_err(|e| e.reworded("--upsert", "`replace`"))?;
    let mut answer =
        json!({ "artifact": served.name(), "id": id.0, "replaced": replaced, "created_artifact": created });
    if let Some(key) = key {
        answer["key"] = key.into();
    }
    Ok(answer)
}

/// When the record expires, as a date of the metadata.
fn expiry(arguments: &mut Arguments) -> Result<Option<Value>> {
    match (arguments.text("expires_at")?, arguments.integer("expires_in_seconds", 1..=MAX_SECONDS)?) {
        (None, None) => Ok(None),
        (Some(at), None) => Ok(Some(at.into())),
        (None, Some(seconds)) => {
            let at = FilterValue::try_from(SystemTime::now() + Duration::from_secs(seconds))
                .map_err(|e| Failure::from(e).at("`expires_in_seconds`"))?;
            Ok(Some(serde_json::to_value(at)?))
        }
        (Some(_), Some(_)) => {
            Err(Failure::usage("expected `expires_at` or `expires_in_seconds`, found both"))
        }
    }
}

fn set(metadata: &mut Map<String, Value>, field: &str, value: Value) -> Result<()> {
    if metadata.contains_key(field) {
        let message =
            format!("`metadata`: {field:?} is the field by which the record expires; expected it once");
        return Err(Failure::usage(message));
    }
    metadata.insert(field.to_owned(), value);
    Ok(())
}
