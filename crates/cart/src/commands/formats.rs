//! Hits as tables, lines, templates and JSON.

use std::time::Duration;

use compact_artifact::{CompactArtifact, Filter, Hit, SearchResults, Snapshot};
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;

use crate::failure::Result;
use crate::input::values::typed;
use crate::output::{Output, matched, one_line, sentences, shortened};

/// How hits are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// Columns under their names.
    Table,
    /// Columns parted by tabs.
    Plain,
    /// An object on each line.
    Jsonl,
    /// A line for each hit, with names in braces.
    Template(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Name(String),
}

/// `table`, `plain`, `jsonl`, or a template such as `{key}: {title}`.
pub(super) fn format(text: &str) -> std::result::Result<Format, String> {
    match text {
        "table" => Ok(Format::Table),
        "plain" => Ok(Format::Plain),
        "jsonl" => Ok(Format::Jsonl),
        template if template.contains('{') => pieces(template).map(Format::Template),
        _ => Err(format!(
            "expected table, plain, jsonl, or a template such as '{{key}}: {{snippet}}', found {text:?}"
        )),
    }
}

/// A name of what is shown.
pub(super) fn field_name(text: &str) -> std::result::Result<String, String> {
    if text.is_empty() {
        return Err("expected the name of a field, found an empty one".to_owned());
    }
    Ok(text.to_owned())
}

/// Names are in braces; `{{` is a brace, `\t` a tab, `\n` the end of a line.
fn pieces(template: &str) -> std::result::Result<Vec<Piece>, String> {
    let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), template);
    while let Some(c) = rest.chars().next() {
        let (taken, len) = if rest.starts_with("{{") {
            ('{', 2)
        } else if rest.starts_with("}}") {
            ('}', 2)
        } else if rest.starts_with("\\t") {
            ('\t', 2)
        } else if rest.starts_with("\\n") {
            ('\n', 2)
        } else if c == '{' {
            let Some((name, behind)) = rest.get(1..).and_then(|rest| rest.split_once('}')) else {
                return Err("a { without its }; {{ is a brace".to_owned());
            };
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            pieces.push(Piece::Name(field_name(name.trim())?));
            rest = behind;
            continue;
        } else {
            (c, c.len_utf8())
        };
        literal.push(taken);
        rest = rest.get(len..).unwrap_or_default();
    }
    pieces.push(Piece::Literal(literal));
    Ok(pieces)
}

/// The longest snippet in bytes.
pub(super) const SNIPPET: usize = 160;
/// The names of columns where none are given.
const COLUMNS: [&str; 4] = ["rank", "score", "key", "snippet"];
/// The widest column, but for that of snippets.
const MAX_WIDTH: usize = 40;

/// Names that every hit has a value for.
const OF_EVERY_HIT: [&str; 7] = ["rank", "id", "key", "score", "snippet", "text", "metadata"];

/// The names of `--fields`, and of a template.
pub(super) fn names<'a>(fields: &'a [String], format: Option<&'a Format>) -> Vec<&'a str> {
    let pieces = if let Some(Format::Template(pieces)) = format { &pieces[..] } else { &[] };
    let of_template = pieces.iter().filter_map(|piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Literal(_) => None,
    });
    fields.iter().chain(of_template).map(String::as_str).collect()
}

/// Refuses names that are not those of a field that any record has.
pub(super) fn check_names(names: &[&str], artifact: &CompactArtifact, snapshot: &Snapshot) -> Result<()> {
    let texts = artifact.fields();
    for name in names {
        if !OF_EVERY_HIT.contains(name) && texts.iter().all(|(text, _)| text != name) {
            snapshot.count(&Filter::field(*name).exists().strict())?;
        }
    }
    Ok(())
}

/// A hit with its place among all.
pub(super) struct Ranked<'a> {
    pub(super) rank: usize,
    pub(super) hit: &'a Hit,
}

impl Ranked<'_> {
    /// What a name stands for: `rank`, `id`, `key`, `score`, `snippet`, `text`, `metadata`, or a field of texts or of the metadata.
    pub(super) fn value(&self, name: &str) -> Result<Value> {
        let hit = self.hit;
        let Some(entry) = &hit.record else {
            return Ok(match name {
                "rank" => self.rank.into(),
                "id" => hit.id.0.into(),
                "score" => json!(hit.score),
                _ => Value::Null,
            });
        };
        Ok(match name {
            "rank" => self.rank.into(),
            "id" => hit.id.0.into(),
            "score" => json!(hit.score),
            "key" => entry.key()?.into(),
            "snippet" => match &hit.snippet {
                Some(snippet) => snippet.text.as_str().into(),
                None if entry.is_text() => shortened(&entry.text()?, SNIPPET).into(),
                None => Value::Null,
            },
            "text" if entry.is_text() => entry.text()?.into_owned().into(),
            "text" => Value::Null,
            "metadata" => entry.metadata()?.into(),
            field => match at_path(&entry.metadata()?, field) {
                Some(value) => value.clone(),
                None => entry.field(field)?.into(),
            },
        })
    }

    /// These values by name.
    pub(super) fn object(&self, names: &[String]) -> Result<Value> {
        let values = names.iter().map(|name| Ok((name.clone(), self.value(name)?)));
        Ok(Value::Object(values.collect::<Result<Map<String, Value>>>()?))
    }

    /// A value on one line, and with what was looked for standing out.
    fn cell(&self, name: &str, output: &Output) -> Result<(String, String)> {
        let plain = match self.value(name)? {
            Value::Null => String::new(),
            Value::String(text) => one_line(&text),
            Value::Number(score) if name == "score" => format!("{:.3}", score.as_f64().unwrap_or_default()),
            other => one_line(&other.to_string()),
        };
        let styled = match &self.hit.snippet {
            Some(snippet) if name == "snippet" => matched(output, snippet),
            _ => plain.clone(),
        };
        Ok((plain, styled))
    }
}

/// A value inside of objects, by the names that lead to it; a name may have dots itself.
pub(super) fn at_path<'a>(metadata: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = metadata.get(path) {
        return Some(value);
    }
    let mut dots = path.match_indices('.').map(|(at, _)| path.split_at(at));
    let inner = |(name, rest): (&str, &'_ str)| at_path(metadata.get(name)?.as_object()?, rest.get(1..)?);
    dots.find_map(inner)
}

/// Hits in a format, without anything else.
pub(super) fn write(
    hits: &[Ranked<'_>],
    format: &Format,
    names: &[String],
    output: &mut Output,
) -> Result<()> {
    let columns = || match names {
        [] => COLUMNS.map(str::to_owned).to_vec(),
        names => names.to_vec(),
    };
    match format {
        Format::Table => table(hits, &columns(), output),
        Format::Plain => hits.iter().try_for_each(|hit| {
            let cells =
                columns().iter().map(|name| Ok(hit.cell(name, output)?.1)).collect::<Result<Vec<_>>>()?;
            output.line(format_args!("{}", cells.join("\t")))
        }),
        Format::Jsonl => hits.iter().try_for_each(|hit| {
            let all = ["rank", "id", "key", "score", "metadata", "snippet"].map(str::to_owned);
            output.json(&hit.object(if names.is_empty() { &all } else { names })?)
        }),
        Format::Template(pieces) => hits.iter().try_for_each(|hit| {
            let text = pieces.iter().map(|piece| match piece {
                Piece::Literal(text) => Ok(text.clone()),
                Piece::Name(name) => Ok(hit.cell(name, output)?.1),
            });
            output.line(format_args!("{}", text.collect::<Result<String>>()?))
        }),
    }
}

fn table(hits: &[Ranked<'_>], names: &[String], output: &mut Output) -> Result<()> {
    let mut rows = Vec::new();
    for hit in hits {
        let cells = names.iter().map(|name| hit.cell(name, output)).collect::<Result<Vec<_>>>()?;
        let cells = names.iter().zip(cells).map(|(name, (plain, styled))| match name.as_str() {
            "snippet" | "text" => (plain, styled),
            // As it is typed, unlike the number of a record.
            "key" if plain.starts_with('#') => {
                let typed = shortened(&typed(&plain), MAX_WIDTH);
                (typed.clone(), typed)
            }
            _ if plain.chars().count() > MAX_WIDTH => {
                let short = shortened(&plain, MAX_WIDTH - 1);
                (short.clone(), short)
            }
            _ => (plain, styled),
        });
        rows.push(cells.collect::<Vec<_>>());
    }
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|(plain, _)| plain.width());
        cells.chain(names.get(at).map(|name| name.width())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |cells: Vec<(String, String)>| {
        let mut line = String::new();
        for ((plain, styled), width) in cells.into_iter().zip(&widths) {
            line.push_str(&styled);
            line.push_str(&" ".repeat(width.saturating_sub(plain.width()) + 2));
        }
        line.trim_end().to_owned()
    };
    let header = names.iter().map(|name| (one_line(name), one_line(name))).collect();
    let header = output.faint(line(header));
    output.line(format_args!("{header}"))?;
    rows.into_iter().try_for_each(|row| output.line(format_args!("{}", line(row))))
}

/// Everything that a search found, and how long opening and searching took.
pub(super) fn as_json(
    fields: &[String],
    results: &SearchResults,
    ranked: &[Ranked<'_>],
    near: &[String],
    (opened, took): (Duration, Duration),
) -> Result<Value> {
    let hit = |ranked: &Ranked<'_>| -> Result<Value> {
        let mut value = match fields {
            [] => whole_hit(ranked)?,
            fields => ranked.object(fields)?,
        };
        if results.explain.is_some()
            && let Some(object) = value.as_object_mut()
        {
            object.insert("lists".to_owned(), serde_json::to_value(&ranked.hit.places)?);
        }
        Ok(value)
    };
    let hits = ranked.iter().map(hit).collect::<Result<Vec<Value>>>()?;
    let mut document = json!({
        "hits": hits,
        "is_complete": results.is_complete,
        "total": results.total,
        "facets": results.facets,
        "near": near,
        "losses": sentences(&results.losses),
        "open_seconds": opened.as_secs_f64(),
        "seconds": took.as_secs_f64(),
    });
    if let (Some(explain), Some(object)) = (&results.explain, document.as_object_mut()) {
        object.insert("explain".to_owned(), serde_json::to_value(&**explain)?);
    }
    Ok(document)
}

fn whole_hit(Ranked { rank, hit }: &Ranked<'_>) -> Result<Value> {
    let (mut key, mut metadata) = (Value::Null, Value::Null);
    if let Some(entry) = &hit.record {
        key = entry.key()?.into();
        metadata = entry.metadata()?.into();
    }
    Ok(json!({
        "rank": rank, "id": hit.id.0, "key": key, "score": hit.score, "metadata": metadata, "snippet": hit.snippet,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_names_in_braces() {
        let literal = |text: &str| Piece::Literal(text.to_owned());
        let name = |text: &str| Piece::Name(text.to_owned());
        let found = format("a {key}\\t{{{ year }}}").unwrap();
        let pieces = vec![literal("a "), name("key"), literal("\t{"), name("year"), literal("}")];
        assert_eq!(found, Format::Template(pieces));
        assert!(format("{key").unwrap_err().contains("without its }"));
        assert!(format("{key}{}").unwrap_err().contains("found an empty one"));
        assert!(format("xml").unwrap_err().contains("expected table, plain, jsonl"));
    }

    #[test]
    fn values_are_found_by_the_names_that_lead_to_them() {
        let Value::Object(map) = json!({"a": {"b": {"c": 1}, "x.y": 2}, "a.b": 3}) else { unreachable!() };
        assert_eq!(at_path(&map, "a.b.c"), Some(&json!(1)));
        assert_eq!(at_path(&map, "a.b"), Some(&json!(3)));
        assert_eq!(at_path(&map, "a.x.y"), Some(&json!(2)));
        assert_eq!(at_path(&map, "a.z"), None);
    }
}
