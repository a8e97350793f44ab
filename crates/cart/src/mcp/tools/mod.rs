//! What a language model can do: a file for each tool, with its description, its arguments and what it answers.

mod add;
mod delete;
mod get;
mod list;
mod notes;
mod piece;
mod search;
mod stats;

use std::time::Duration;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::artifacts::{Artifacts, Served};
use super::clean::{answer_len, clean, clean_text, short_message};
use super::message::Params;
use super::revision::Revision;
use crate::failure::Result;

/// What a tool works with.
pub(super) struct Context<'a> {
    pub(super) artifacts: &'a Artifacts,
    /// Bytes of an answer, as JSON.
    pub(super) max_answer: usize,
    /// Called while it waits for other processes.
    pub(super) pause: &'a dyn Fn(Duration) -> Result<()>,
}

impl Context<'_> {
    /// Bytes that an answer has left, beside what it has and what comes to it at the end: where the rest is, and how many characters were replaced.
    fn room(&self, answer: &Value) -> usize {
        self.max_answer.saturating_sub(answer_len(answer) + 128)
    }
}

/// What a tool needs to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Reads,
    Adds,
    Deletes,
}

/// A tool. What depends on the artifacts is made when it is asked for.
#[derive(Debug)]
pub(super) struct Tool {
    name: &'static str,
    title: &'static str,
    kind: Kind,
    /// Whether a second call with the same arguments changes nothing more.
    is_idempotent: bool,
    description: fn() -> String,
    /// The arguments as properties of a JSON schema, and which of them are required.
    arguments: fn() -> (Value, Vec<&'static str>),
    /// The result as properties of a JSON schema, and which of them are always there.
    result: fn() -> (Value, Vec<&'static str>),
    run: fn(&Context<'_>, Arguments) -> Result<Value>,
}

/// In the order in which they are listed.
const ALL: [&Tool; 6] = [&search::TOOL, &get::TOOL, &list::TOOL, &stats::TOOL, &add::TOOL, &delete::TOOL];

impl Kind {
    fn is_allowed(self, artifacts: &Artifacts) -> bool {
        match self {
            Self::Reads => true,
            Self::Adds => artifacts.access().write,
            Self::Deletes => artifacts.access().delete,
        }
    }
}

/// The place of the tool with that name, if it may be called, and whether it only reads.
pub(super) fn find(name: &str, artifacts: &Artifacts) -> Option<(usize, bool)> {
    let place = ALL.iter().position(|tool| tool.name == name && tool.kind.is_allowed(artifacts))?;
    Some((place, ALL.get(place)?.kind == Kind::Reads))
}

/// All tools that may be called, as a revision describes them.
pub(super) fn list(artifacts: &Artifacts, revision: Revision) -> Value {
    let allowed = ALL.iter().filter(|tool| tool.kind.is_allowed(artifacts));
    json!({ "tools": allowed.map(|tool| tool.describe(artifacts, revision)).collect::<Vec<_>>() })
}

impl Tool {
    fn describe(&self, artifacts: &Artifacts, revision: Revision) -> Value {
        let mut tool = json!({
            "name": self.name,
            "description": (self.description)(),
            "inputSchema": self.input_schema(artifacts),
        });
        if revision.has_annotations() {
            let reads = self.kind == Kind::Reads;
            tool["annotations"] = json!({
                "title": self.title, "readOnlyHint": reads, "destructiveHint": !reads,
                "idempotentHint": reads || self.is_idempotent, "openWorldHint": false,
            });
        }
        if revision.has_structured_content() {
            tool["title"] = self.title.into();
            tool["outputSchema"] = self.output_schema();
        }
        tool
    }

    fn input_schema(&self, artifacts: &Artifacts) -> Value {
        let (mut properties, mut required) = (self.arguments)();
        let served = artifacts.all().iter().filter(|served| self.kind == Kind::Reads || !served.is_packed());
        let names: Vec<&str> = served.map(Served::name).collect();
        let is_choice = artifacts.all().len() > 1;
        let description = if is_choice { "Which artifact" } else { "The artifact; may be left out" };
        properties["artifact"] = json!({ "type": "string", "enum": names, "description": description });
        if is_choice && self.name != stats::TOOL.name {
            required.insert(0, "artifact");
        }
        object(&properties, &required)
    }

    fn output_schema(&self) -> Value {
        let (mut properties, required) = (self.result)();
        properties["replaced_characters"] = json!({
            "type": "integer",
            "description": "Invisible or control characters that stand as U+FFFD in this answer",
        });
        object(&properties, &required)
    }
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Calls the tool at that place. What it cannot do is a result too, which the model reads.
pub(super) fn call(place: usize, context: &Context<'_>, arguments: Params, revision: Revision) -> Value {
    let run = ALL.get(place).map(|tool| tool.run);
    let done = run.map(|run| run(context, Arguments::new(arguments)));
    let mut value = match done {
        Some(Ok(value)) => value,
        Some(Err(failure)) => return refused(failure.message()),
        None => return refused("there is no such tool"),
    };
    let replaced = clean(&mut value);
    if replaced > 0 {
        value["replaced_characters"] = replaced.into();
    }
    let text = value.to_string();
    if text.len() > context.max_answer {
        let (len, most) = (text.len(), context.max_answer);
        return refused(&format!("an answer of {len} bytes; expected at most {most}: ask for less"));
    }
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": false });
    if revision.has_structured_content() {
        result["structuredContent"] = value;
    }
    result
}

fn refused(message: &str) -> Value {
    let mut text = message.to_owned();
    clean_text(&mut text);
    json!({ "content": [{ "type": "text", "text": short_message(&text) }], "isError": true })
}

/// What a property of a schema is, and what it means.
fn property(kind: &str, description: &str) -> Value {
    json!({ "type": kind, "description": description })
}
