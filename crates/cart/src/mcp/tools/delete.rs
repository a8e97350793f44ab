//! `delete`: records that are named.

use compact_artifact::{Batch, RecordId};
use serde_json::{Value, json};

use super::super::arguments::Arguments;
use super::super::limits::MAX_DELETED;
use super::{Context, Kind, Tool};
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
         no error, and is said. Look with `search` or `get` first, and delete only what the user wants gone; to change a record, use `add` with its key."
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
    });
    (properties, vec!["artifact", "deleted"])
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
    let batch = ids.into_iter().map(RecordId).fold(Batch::new(), Batch::delete);
    let batch = keys.into_iter().fold(batch, Batch::delete_key);
    let write = |artifact: &compact_artifact::CompactArtifact| Ok(artifact.write(batch.clone())?.deleted);
    let (deleted, _) = context.artifacts.write(served, context.pause, write)?;
    Ok(json!({ "artifact": served.name(), "deleted": deleted }))
}
