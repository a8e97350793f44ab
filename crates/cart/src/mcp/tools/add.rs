//! `add`: a record, in the place of the one that has its key.

use std::time::{Duration, SystemTime};

use compact_artifact::{CompactArtifact, FilterValue, Record};
use serde_json::{Map, Value, json};

use super::super::arguments::Arguments;
use super::{Context, Kind, Tool, property};
use crate::failure::{Failure, Result};
use crate::model;

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
        "expires_at": property("string", "From then on the record is not there any more: a day or an RFC 3339 timestamp, as in \"2026-12-31\" or \"2026-12-31T12:00:00Z\". An artifact that was made without expiry refuses it"),
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
        "notes": { "type": "array", "items": { "type": "string" }, "description": "What a reader should know: that the text is not found by what it means" },
    });
    (properties, vec!["artifact", "id", "replaced", "created_artifact"])
}

fn run(context: &Context<'_>, mut arguments: Arguments) -> Result<Value> {
    let served = arguments.artifact(context.artifacts)?;
    let text =
        arguments.text("text")?.ok_or_else(|| Failure::usage("`text`: expected a string, found none"))?;
    let (key, title) = (arguments.text("key")?, arguments.text("title")?);
    let metadata = arguments.object("metadata")?.unwrap_or_default();
    let replace = arguments.flag("replace")?.unwrap_or(true);
    let expires = expiry(&mut arguments)?;
    arguments.finish()?;
    let record = |artifact: &CompactArtifact| {
        let mut metadata = metadata.clone();
        if let Some((argument, at)) = &expires {
            let field = expires_field(artifact, argument, served.name())?;
            set(&mut metadata, &field, at.clone())?;
        }
        let mut record = Record::text(text.as_str()).metadata(metadata);
        if let Some(title) = &title {
            record = record.field(crate::input::TITLE, title);
        }
        if let Some(key) = &key {
            record = record.key(key);
        }
        Ok::<_, Failure>(record)
    };
    let write = |artifact: &CompactArtifact| {
        artifact.refresh()?; // others may have written since the last call
        let (id, replaced) = match &key {
            Some(key) if replace => {
                let replaced = artifact.id_of_key(key)?.is_some();
                (artifact.upsert(record(artifact)?)?, replaced)
            }
            _ => (artifact.add(record(artifact)?)?, false),
        };
        Ok((id, replaced, model::missing(artifact)))
    };
    let written = context.artifacts.write(served, context.pause, write);
    let ((id, replaced, missing), created) = written.map_err(|e| e.reworded("--upsert", "`replace`"))?;
    let mut answer =
        json!({ "artifact": served.name(), "id": id.0, "replaced": replaced, "created_artifact": created });
    if let Some(key) = key {
        answer["key"] = key.into();
    }
    if let Some(model) = missing {
        let said = format!(
            "1 text without an embedding, found by its words only: the model {model:?} of this artifact's texts is not at hand"
        );
        answer["notes"] = json!([said]);
    }
    Ok(answer)
}

/// When the record expires, as a date of the metadata, and the argument that says so.
fn expiry(arguments: &mut Arguments) -> Result<Option<(&'static str, Value)>> {
    match (arguments.text("expires_at")?, arguments.integer("expires_in_seconds", 1..=MAX_SECONDS)?) {
        (None, None) => Ok(None),
        (Some(at), None) => Ok(Some(("expires_at", at.into()))),
        (None, Some(seconds)) => {
            let at = FilterValue::try_from(SystemTime::now() + Duration::from_secs(seconds))
                .map_err(|e| Failure::from(e).at("`expires_in_seconds`"))?;
            Ok(Some(("expires_in_seconds", serde_json::to_value(at)?)))
        }
        (Some(_), Some(_)) => {
            Err(Failure::usage("expected `expires_at` or `expires_in_seconds`, found both"))
        }
    }
}

/// The field by which records of the artifact expire. One that was made without gets none here: older records, whose dates mean something else, would expire by it.
fn expires_field(artifact: &CompactArtifact, argument: &str, name: &str) -> Result<String> {
    artifact.expires_field().ok_or_else(|| {
        Failure::usage(format_args!(
            "`{argument}`: records of {name} do not expire, since it was made without a field for that; leave the argument out, or have a person run `cart add` with \
             --expires-field, by which older records with a date in that field expire too"
        ))
    })
}

fn set(metadata: &mut Map<String, Value>, field: &str, value: Value) -> Result<()> {
    let twice = || {
        Failure::usage(format_args!(
            "`metadata`: {field:?} is the field by which the record expires; expected it once"
        ))
    };
    let (mut place, mut path) = (metadata, field);
    while let Some((name, inner)) = path.split_once('.') {
        let object = place.entry(name).or_insert_with(|| Value::Object(Map::new()));
        (place, path) = (object.as_object_mut().ok_or_else(twice)?, inner);
    }
    if place.contains_key(path) {
        return Err(twice());
    }
    place.insert(path.to_owned(), value);
    Ok(())
}
