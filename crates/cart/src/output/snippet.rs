//! A hit in two lines: the piece of its text that was looked for, and its metadata.

use compact_artifact::Snippet;
use serde_json::{Map, Value};

use super::{Output, commands, one_line};

/// The piece on one line, with what was looked for standing out.
pub(crate) fn matched(output: &Output, snippet: &Snippet) -> String {
    let mut pieces = Vec::new();
    let mut at = 0;
    for range in &snippet.highlights {
        let (Some(before), Some(found)) =
            (snippet.text.get(at..range.start), snippet.text.get(range.clone()))
        else {
            continue;
        };
        pieces.push(spaced(before));
        pieces.push(output.found(spaced(found)));
        at = range.end;
    }
    pieces.push(spaced(snippet.text.get(at..).unwrap_or_default()));
    let ellipsis = |truncated: bool| if truncated { "…" } else { "" };
    format!("{}{}{}", ellipsis(snippet.is_cut_before), pieces.concat().trim(), ellipsis(snippet.is_cut_after))
}

/// Blanks of any kind as single spaces, also at both ends.
fn spaced(text: &str) -> String {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_whitespace() || commands(c));
    let inner = one_line(text);
    if inner.is_empty() {
        return if text.is_empty() { String::new() } else { " ".to_owned() };
    }
    let before = if edge(text.chars().next()) { " " } else { "" };
    let behind = if edge(text.chars().next_back()) { " " } else { "" };
    format!("{before}{inner}{behind}")
}

/// Metadata as `field=value` on one line, cut at `max` characters.
pub(crate) fn metadata_line(metadata: &Map<String, Value>, max: usize) -> String {
    let field = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    shortened(&metadata.iter().map(field).collect::<Vec<_>>().join(" "), max)
}

/// A text on one line, cut at `max` characters.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_found_stands_on_one_line() {
        let text = "the\n  cat\u{1b}[31m sat".to_owned();
        let mut snippet = Snippet::default();
        (snippet.text, snippet.is_cut_before) = (text, true);
        snippet.highlights.push(6..9);
        assert_eq!(matched(&Output::new(false), &snippet), "…the cat [31m sat");
    }

    #[test]
    fn metadata_is_short() {
        let Value::Object(map) = json!({"pos": "noun", "topic": 3}) else { unreachable!() };
        assert_eq!(metadata_line(&map, 80), "pos=noun topic=3");
        assert_eq!(metadata_line(&map, 8), "pos=noun…");
    }
}
