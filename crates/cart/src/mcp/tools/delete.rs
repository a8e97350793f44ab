//! `delete`: records that are named.

use compact_artifact::{Batch, CompactArtifact, RecordId};
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::limits::MAX_DELETED;
use super::{Context, Kind, Tool, piece};
use crate::failure::{Failure, Result};

pub(super) const TOOL: Tool = Tool {
    name: "delete",
    title: "Delete records",
    kind: Kind::Deletes,
    is_idempotent: true,
    description,
    arguments,
    result,
    run,
};

fn description() -> String {
    format!(
        "Deletes up to {MAX_DELETED} records by their keys or ids, for good: {{\"keys\": [\"user/home-city\"]}} or {{\"ids\": [12, 13]}}. All of them go at once. What is not there is \
         no error, and is named. Look with `search` or `get` first, and delete only what the user wants gone; to change a record, use `add` with its key."
    )
}

fn arguments() -> (Value, Vec<&'static str>) {
    let properties = json!({
        "keys": { "type": "array", "items": { "type": "string" }, "maxItems": MAX_DELETED, "description": "Keys of records" },
        "ids": { "type": "array", "items": { "type": "integer", "minimum": 0 }, "maxItems": MAX_DELETED, "description": "Ids of records" },
    });
    (properties, Vec::new())
}

fn result() -> (Value, Vec<&'static str>) {
    let properties = json!({
        "artifact": { "type": "string" },
        "deleted": { "type": "integer", "description": "How many records were there and are gone" },
        "missing": { "type": "integer", "description": "How many of the names had no record" },
        "missing_keys": { "type": "array", "items": { "type": "string" }, "description": "The keys among them, unless they are too long for this answer" },
        "missing_ids": { "type": "array", "items": { "type": "integer" }, "description": "The ids among them" },
    });
    (properties, vec!["artifact", "deleted", "missing"])
}

fn run(context: &Context<'_>, mut arguments: Arguments) -> Result<Value> {
    let served = arguments.artifact(context.artifacts)?;
    let keys = arguments.texts("keys", MAX_DELETED)?.unwrap_or_default();
    let ids = arguments.integers("ids", MAX_DELETED)?.unwrap_or_default();
    arguments.finish()?;
    if keys.is_empty() && ids.is_empty() {
        return Err(Failure::usage("expected `keys` or `ids` with a record to delete, found none"));
    }
    if !served.is_packed() {
        context.artifacts.read(served)?; // an artifact that is not there is not created by deleting
    }
    let batch = ids.iter().map(|&id| RecordId(id)).fold(Batch::new(), Batch::delete);
    let batch = keys.iter().fold(batch, Batch::delete_key);
    let write = |artifact: &CompactArtifact| {
        artifact.refresh()?;
        let snapshot = artifact.snapshot();
        // One that is damaged is there.
        let is_missing = |&id: &u64| matches!(snapshot.get(RecordId(id)), Ok(None));
        let missing_ids: Vec<u64> = ids.iter().copied().filter(is_missing).collect();
        let has_none = |key: &&String| matches!(snapshot.id_of_key(key), Ok(None));
        let missing_keys: Vec<String> = keys.iter().filter(has_none).cloned().collect();
        Ok((artifact.write(batch.clone())?.deleted, missing_keys, missing_ids))
    };
    let ((deleted, missing_keys, missing_ids), _) = context.artifacts.write(served, context.pause, write)?;
    let missing = missing_keys.len() + missing_ids.len();
    let mut answer = json!({ "artifact": served.name(), "deleted": deleted, "missing": missing });
    if !missing_ids.is_empty() {
        answer["missing_ids"] = missing_ids.into();
    }
    if !missing_keys.is_empty() {
        answer["missing_keys"] = piece::names(missing_keys, context.room(&answer)).into();
    }
    Ok(answer)
}
