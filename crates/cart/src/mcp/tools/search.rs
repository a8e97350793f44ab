//! `search`: records by words, by meaning and by metadata.

use std::fmt::Write;

use compact_artifact::{CompactArtifact, Filter, Hit, Order, Query, SearchResults, json};
use serde_json::{Map, Value, json};

use super::super::arguments::Arguments;
use super::super::clean::answer_len;
use super::super::limits::{DEADLINE, MAX_HIT_METADATA, MAX_K, MAX_OFFSET, MAX_SORTED, SNIPPET};
use super::{Context, Kind, Tool, notes, piece, property};
use crate::failure::{Failure, Result};
use crate::output::several;

pub(super) const TOOL: Tool = Tool {
    name: "search",
    title: "Search records",
    kind: Kind::Reads,
    is_idempotent: true,
    description,
    arguments,
    result,
    run,
};

/// Hits where their number is not said.
const DEFAULT_K: usize = 10;
/// Fields that can be named.
const MAX_FIELDS: usize = 32;

fn description() -> String {
    "Finds stored records (notes, documents, facts, memories) by words, by meaning and by their metadata, the best first. Use it before you answer from stored \
     knowledge, and before you add something that may be there already.\n\
     Give `text` to find by meaning and words at once: {\"text\": \"what does the user like to eat\"}. Give `words` for exact control: {\"words\": \
     \"\\\"annual report\\\" +2025 -draft rev* organisaton~\"}. Give `filter` for metadata, alone or beside one of them: {\"text\": \"rent\", \"filter\": {\"year\": \
     {\"$gte\": 2020}, \"kind\": \"invoice\"}}. The tool `stats` names the fields that records have.\n\
     Each hit has `id`, `key` (if the record has one), `score` (larger is better; only comparable within one answer), `snippet` (a piece of the text, not all of it) and \
     `metadata`. Read a whole record with the tool `get`. If `next_offset` is in the answer there is more: call again with that `offset`."
        .to_owned()
}

fn arguments() -> (Value, Vec<&'static str>) {
    let filter = "Only records whose metadata match. Fields are compared with values or operators: $eq $ne $lt $lte $gt $gte $in $nin $exists $prefix $contains, \
                  combined by $and $or $not. Dates are written {\"$date\": \"2026-04-12\"}. Example: {\"tags\": {\"$contains\": \"work\"}, \"at\": {\"$gte\": {\"$date\": \
                  \"2026-01-01\"}}}";
    let properties = json!({
        "text": property("string", "What to find, in plain language. Finds by meaning and by words"),
        "words": property("string", "What to find by words only: any of the words, \"a phrase\", begin*, roughly~, +must, -not, title:word, this AND that, (a OR b)"),
        "filter": property("object", filter),
        "k": { "type": "integer", "minimum": 1, "maximum": MAX_K, "default": DEFAULT_K, "description": "How many hits" },
        "offset": { "type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0, "description": "How many of the best to leave out first: `next_offset` of the last answer" },
        "order_by": property("string", "Sort by a metadata field and not by score: \"year\", or \"year:desc\" for the largest or newest first. Beside `text` only the best 100 are sorted"),
        "group_by": property("string", "At most one hit for each value of this metadata field, for instance \"path\" for one paragraph of each file"),
        "fields": { "type": "array", "items": { "type": "string" }, "maxItems": MAX_FIELDS, "description": "Which metadata fields hits come with, instead of all: [\"title\", \"author.name\"]" },
    });
    (properties, Vec::new())
}

fn result() -> (Value, Vec<&'static str>) {
    let hit = json!({
        "type": "object",
        "properties": {
            "id": { "type": "integer" }, "key": { "type": "string" }, "score": { "type": "number" },
            "snippet": { "type": "string" }, "metadata": { "type": "object" },
            "omitted_fields": { "type": "array", "items": { "type": "string" }, "description": "Metadata too long for a hit; `get` has them" },
        },
        "required": ["id", "score", "snippet", "metadata"],
        "additionalProperties": false,
    });
    let properties = json!({
        "artifact": { "type": "string" },
        "hits": { "type": "array", "items": hit },
        "total": property("integer", "How many records match"),
        "total_is_exact": property("boolean", "Otherwise there may be more"),
        "is_complete": property("boolean", "Whether everything was looked at"),
        "next_offset": property("integer", "There is more: call again with this offset"),
        "notes": { "type": "array", "items": { "type": "string" }, "description": "What else there is to know" },
    });
    (properties, vec!["artifact", "hits", "total", "total_is_exact", "is_complete"])
}

/// What was asked for.
struct Asked {
    text: Option<String>,
    words: Option<String>,
    filter: Option<Map<String, Value>>,
    k: usize,
    offset: usize,
    order_by: Option<(String, Order)>,
    group_by: Option<String>,
    fields: Option<Vec<String>>,
    /// Hits that can be reached, of what is looked for by meaning and sorted by a field.
    sorted: Option<usize>,
}

fn run(context: &Context<'_>, mut arguments: Arguments) -> Result<Value> {
    let served = arguments.artifact(context.artifacts)?;
    let mut asked = Asked::read(arguments)?;
    let (artifact, snapshot) = context.artifacts.read(served)?;
    asked.limit(artifact.is_model_at_hand())?;
    let mut notes = Vec::new();
    let query = asked.query(&artifact, &mut notes)?;
    let results = snapshot.search(&query).map_err(Failure::of_query)?;
    notes.extend(results.losses.iter().map(|loss| loss.message.clone()));
    notes.extend(notes::unknown(&results));
    notes.extend(notes::unknown_to_show(asked.fields.as_deref(), &artifact, &snapshot)?);
    asked.answer(served.name(), &results, notes, context)
}

impl Asked {
    fn read(mut arguments: Arguments) -> Result<Self> {
        let number = |number: Option<u64>, default: usize| {
            number.map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX))
        };
        let not_blank = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let asked = Self {
            text: not_blank(arguments.text("text")?),
            words: not_blank(arguments.text("words")?),
            filter: arguments.object("filter")?,
            k: number(arguments.integer("k", 1..=MAX_K)?, DEFAULT_K),
            offset: number(arguments.integer("offset", 0..=MAX_OFFSET)?, 0),
            order_by: arguments.text("order_by")?.map(|text| order(&text)).transpose()?,
            group_by: arguments.text("group_by")?,
            fields: arguments.texts("fields", MAX_FIELDS)?,
            sorted: None,
        };
        arguments.finish()?;
        match (&asked.text, &asked.words, &asked.filter) {
            (Some(_), Some(_), _) => Err(Failure::usage("expected `text` or `words`, found both")),
            (None, None, None) if asked.order_by.is_none() => {
                Err(Failure::usage("expected `text`, `words`, `filter` or `order_by`, found none of them"))
            }
            _ => Ok(asked),
        }
    }

    /// Asks for no more hits than are sorted.
    fn limit(&mut self, is_model_at_hand: bool) -> Result<()> {
        if self.text.is_none() || self.order_by.is_none() || !is_model_at_hand {
            return Ok(());
        }
        if self.offset >= MAX_SORTED {
            return Err(Failure::usage(format_args!(
                "`offset`: expected less than {MAX_SORTED} beside `text` and `order_by`, found {}; {}",
                self.offset,
                only_sorted()
            )));
        }
        self.k = self.k.min(MAX_SORTED - self.offset);
        self.sorted = Some(MAX_SORTED);
        Ok(())
    }

    fn query(&self, artifact: &CompactArtifact, notes: &mut Vec<String>) -> Result<Query> {
        let mut query = match (&self.text, &self.words) {
            (Some(text), _) if artifact.is_model_at_hand() => Query::text(text),
            (Some(text), _) => {
                if artifact.spaces().iter().any(|space| space.model().is_some()) {
                    notes.push(
                        "searched by words only: the model of this artifact's texts is not at hand"
                            .to_owned(),
                    );
                }
                Query::words(text)
            }
            (None, Some(words)) => Query::parse(words)?,
            (None, None) => Query::new(),
        };
        if let Some(filter) = &self.filter {
            query = query.filter(filter_of_json(filter)?);
        }
        if let Some((field, order)) = &self.order_by {
            query = query.order_by(field, *order);
        }
        if let Some(field) = &self.group_by {
            query = query.group_by(field, 1);
        }
        Ok(query.k(self.k).offset(self.offset).total(true).snippet(SNIPPET).deadline(DEADLINE).explain(true))
    }

    fn answer(
        &self,
        artifact: &str,
        results: &SearchResults,
        notes: Vec<String>,
        context: &Context<'_>,
    ) -> Result<Value> {
        let max_answer = context.max_answer;
        let mut notes = notes::within(notes, max_answer / 4);
        let total = results.total.map_or((0, false), |total| (total.records, total.is_exact));
        let mut answer = json!({
            "artifact": artifact, "hits": [], "total": total.0, "total_is_exact": total.1,
            "is_complete": results.is_complete,
        });
        // Three more notes may come to it.
        let (mut hits, mut room) = (Vec::new(), context.room(&json!([answer, notes])).saturating_sub(512));
        let can_reach = |next: usize| match self.sorted {
            Some(most) => next < most,
            None => next as u64 <= MAX_OFFSET,
        };
        for hit in &results.hits {
            let mut hit = self.hit(hit, max_answer)?;
            let parts = ["omitted_fields", "metadata", "snippet", "key"];
            if hits.is_empty() && piece::fit(&mut hit, room.saturating_sub(1), &parts) {
                notes.push("the first hit is longer than an answer; `get` has what is left out".to_owned());
            }
            let len = answer_len(&hit) + 1;
            if len > room {
                let goes_on =
                    if can_reach(self.offset + hits.len()) { ", and `next_offset` goes on" } else { "" };
                notes.push(format!(
                    "an answer holds {max_answer} bytes: {} of {} here{goes_on}",
                    hits.len(),
                    several(results.hits.len() as u64, "hit")
                ));
                break;
            }
            room -= len;
            hits.push(hit);
        }
        let next = self.offset + hits.len();
        let is_last = hits.len() == results.hits.len()
            && (hits.len() < self.k || (total.1 && self.group_by.is_none() && next as u64 >= total.0));
        if !is_last && !hits.is_empty() {
            match self.sorted {
                _ if can_reach(next) => answer["next_offset"] = next.into(),
                Some(_) => notes.push(only_sorted()),
                None => notes.push(format!(
                    "there is more, but `offset` goes to {MAX_OFFSET}: narrow the search with `filter`"
                )),
            }
        }
        answer["hits"] = hits.into();
        if !notes.is_empty() {
            answer["notes"] = notes.into();
        }
        Ok(answer)
    }

    fn hit(&self, hit: &Hit, max_answer: usize) -> Result<Value> {
        let mut value = json!({ "id": hit.id.0 });
        let score = (f64::from(hit.score) * 1e4).round() / 1e4;
        let Some(entry) = &hit.record else {
            value["score"] = score.into();
            value["snippet"] = "(this record is damaged and cannot be read)".into();
            value["metadata"] = json!({});
            return Ok(value);
        };
        if let Some(key) = entry.key()? {
            value["key"] = key.into();
        }
        value["score"] = score.into();
        value["snippet"] = match &hit.snippet {
            Some(snippet) => {
                let (before, behind) = (ellipsis(snippet.is_cut_before), ellipsis(snippet.is_cut_after));
                let mut text = String::new();
                if let Some(field) = &snippet.field {
                    let _ = write!(text, "{field}: ");
                }
                format!("{text}{before}{}{behind}", snippet.text).into()
            }
            None => piece::beginning(entry, SNIPPET)?.into(),
        };
        let most = MAX_HIT_METADATA.min(max_answer / 4);
        let (metadata, omitted) = piece::metadata(entry, self.fields.as_deref(), most, None)?;
        value["metadata"] = metadata.into();
        if !omitted.is_empty() {
            value["omitted_fields"] = omitted.into();
        }
        Ok(value)
    }
}

fn only_sorted() -> String {
    format!(
        "of what is found by meaning, only the best {MAX_SORTED} are sorted: narrow the search with `filter`, or use `words`, of which all are"
    )
}

fn ellipsis(is_truncated: bool) -> &'static str {
    if is_truncated { "…" } else { "" }
}

/// `year`, `year:asc` or `year:desc`.
fn order(text: &str) -> Result<(String, Order)> {
    let (field, order) = match text.rsplit_once(':') {
        Some((field, "desc")) => (field, Order::Descending),
        Some((field, "asc")) => (field, Order::Ascending),
        _ => (text, Order::Ascending),
    };
    if field.is_empty() {
        return Err(Failure::usage("`order_by`: expected a field, as in \"year\" or \"year:desc\""));
    }
    Ok((field.to_owned(), order))
}

fn filter_of_json(filter: &Map<String, Value>) -> Result<Filter> {
    // Read as strictly as from a command line.
    let text = Value::Object(filter.clone()).to_string();
    let filter = json::from_slice(text.as_bytes()).map_err(|e| Failure::from(e).at("`filter`"))?;
    Ok(Filter::from_json(&filter)?)
}
