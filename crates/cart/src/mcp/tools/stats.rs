//! `stats`: what there is to search, and by what.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::arguments::Arguments;
use super::super::artifacts::Served;
use super::super::limits::SAMPLE;
use super::{Context, Kind, Tool, piece, property};
use crate::failure::{Code, Result};

pub(super) const TOOL: Tool = Tool {
    name: "stats",
    title: "What is stored",
    kind: Kind::Reads,
    is_idempotent: true,
    description,
    arguments,
    result,
    run,
};

fn description() -> String {
    format!(
        "Says which artifacts (stores of records) there are and what each holds: how many records, whether they can be added to here, whether `search` finds by meaning, \
         and which metadata fields and text fields its records have, for use in `filter`, `order_by`, `group_by` and `fields` of `search`. Call it first when you do not know \
         an artifact. Metadata fields are those of the first {SAMPLE} records."
    )
}

fn arguments() -> (Value, Vec<&'static str>) {
    (json!({}), Vec::new())
}

fn result() -> (Value, Vec<&'static str>) {
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let artifact = json!({
        "type": "object",
        "properties": {
            "artifact": { "type": "string" },
            "is_writable": property("boolean", "Whether `add` may add to it"),
            "records": { "type": "integer" },
            "disk_bytes": { "type": "integer" },
            "finds_by_meaning": { "type": "boolean" },
            "metadata_fields": texts,
            "text_fields": texts,
            "vector_spaces": texts,
        },
        "required": ["artifact", "is_writable", "records"],
        "additionalProperties": false,
    });
    (json!({ "artifacts": { "type": "array", "items": artifact } }), vec!["artifacts"])
}

fn run(context: &Context<'_>, mut arguments: Arguments) -> Result<Value> {
    let name = arguments.text("artifact")?;
    let mut one =
        Arguments::new(name.iter().map(|name| ("artifact".to_owned(), name.as_str().into())).collect());
    arguments.finish()?;
    let served: Vec<&Served> = match name {
        Some(_) => vec![one.artifact(context.artifacts)?],
        None => context.artifacts.all().iter().collect(),
    };
    // Beside three lists of names each has its own, and numbers.
    let most = (context.max_answer / served.len()).saturating_sub(400) / 3;
    let describe = |served| describe(context, served, most);
    let artifacts = served.into_iter().map(describe).collect::<Result<Vec<_>>>()?;
    Ok(json!({ "artifacts": artifacts }))
}

/// What an artifact holds, with at most so many bytes of the names of each kind.
fn describe(context: &Context<'_>, served: &Served, most: usize) -> Result<Value> {
    let is_writable = context.artifacts.access().write && !served.is_packed();
    let mut description = json!({ "artifact": served.name(), "is_writable": is_writable, "records": 0 });
    let (artifact, snapshot) = match context.artifacts.read(served) {
        Err(failure) if failure.code() == Some(Code::NotThere) && is_writable => return Ok(description),
        read => read?,
    };
    let mut fields = BTreeSet::new();
    for entry in snapshot.records().take(SAMPLE).flatten() {
        names(&entry.metadata()?, "", &mut fields);
    }
    let texts = artifact.fields().into_iter().map(|(name, _)| name);
    let spaces = artifact.spaces().iter().map(|space| space.name().to_owned()).collect::<Vec<_>>();
    description["records"] = snapshot.len().into();
    description["disk_bytes"] = artifact.stats().disk_bytes.into();
    description["finds_by_meaning"] = artifact.is_model_at_hand().into();
    description["metadata_fields"] = piece::names(fields, most).into();
    description["text_fields"] = piece::names(texts, most).into();
    description["vector_spaces"] = piece::names(spaces, most).into();
    Ok(description)
}

/// Names of fields, with dots where one is inside of another.
fn names(metadata: &Map<String, Value>, before: &str, found: &mut BTreeSet<String>) {
    for (name, value) in metadata {
        match value {
            Value::Object(inner) => names(inner, &format!("{before}{name}."), found),
            _ => drop(found.insert(format!("{before}{name}"))),
        }
    }
}
