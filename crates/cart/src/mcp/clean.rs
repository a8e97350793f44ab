//! Texts of others on their way to a language model: without what a person who looks at them would not see.
//!
//! Controls, what turns text around and the tags of Unicode can hold orders to a model that no person sees. They become U+FFFD, and the answer says how
//! many did. What joins and parts letters (ZWJ, ZWNJ, soft hyphens) stays: emoji and some scripts need it. A variation selector stays behind a sign that it
//! can change; a row of them could hold any bytes. Resources are read as they are.

use serde_json::{Map, Value};

use super::limits::MAX_MESSAGE;

/// Replaces what is hidden in all texts and names; returns how much.
pub(super) fn clean(value: &mut Value) -> u64 {
    match value {
        Value::String(text) => clean_text(text),
        Value::Array(values) => values.iter_mut().map(clean).sum(),
        Value::Object(map) => {
            let replaced = map.values_mut().map(clean).sum::<u64>();
            if map.keys().any(|name| shown(name).any(|c| c.is_none())) {
                return replaced + clean_names(map);
            }
            replaced
        }
        _ => 0,
    }
}

/// Replaces what is hidden in a text; returns how much.
pub(super) fn clean_text(text: &mut String) -> u64 {
    let hidden = shown(text).filter(Option::is_none).count() as u64;
    if hidden > 0 {
        *text = shown(text).map(|c| c.unwrap_or('\u{fffd}')).collect();
    }
    hidden
}

/// How many bytes a value takes in an answer, as JSON, when what is hidden is replaced.
pub(super) fn answer_len(value: &Value) -> usize {
    let mut value = value.clone();
    clean(&mut value);
    value.to_string().len()
}

/// The longest beginning of a text that takes at most so many bytes in an answer.
pub(super) fn fitting(text: &str, most: usize) -> &str {
    let (mut len, mut end) = (0, 0);
    for (c, shown) in text.chars().zip(shown(text)) {
        len += match shown {
            None => '\u{fffd}'.len_utf8(),
            Some('"' | '\\' | '\n' | '\r' | '\t') => 2,
            Some(c) => c.len_utf8(),
        };
        if len > most {
            break;
        }
        end += c.len_utf8();
    }
    text.get(..end).unwrap_or_default()
}

/// A message of at most [`MAX_MESSAGE`] bytes: without its middle, where it repeats something long.
pub(super) fn short_message(message: &str) -> String {
    const CUT: &str = " … ";
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let (begin, _) = message.split_at(message.floor_char_boundary(MAX_MESSAGE / 4 * 3));
    let (_, end) = message.split_at(message.ceil_char_boundary(message.len() - MAX_MESSAGE / 4 + CUT.len()));
    format!("{begin}{CUT}{end}")
}

/// The characters of a text; `None` for each that is hidden.
fn shown(text: &str) -> impl Iterator<Item = Option<char>> {
    let mut before = None;
    text.chars().map(move |c| {
        let is_hidden =
            if is_selector(c) { !before.is_some_and(|base| selects(base, c)) } else { is_hidden(c) };
        before = Some(c);
        (!is_hidden).then_some(c)
    })
}

fn clean_names(map: &mut Map<String, Value>) -> u64 {
    let mut replaced = 0;
    for (mut name, value) in std::mem::take(map) {
        replaced += clean_text(&mut name);
        while map.contains_key(&name) {
            name.push('\u{fffd}'); // two names that differ in what is hidden
        }
        map.insert(name, value);
    }
    replaced
}

fn is_hidden(c: char) -> bool {
    let is_layout = matches!(c, '\n' | '\t' | '\r');
    let turns_or_tags =
        matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}');
    (c.is_control() && !is_layout) || turns_or_tags
}

/// Variation selectors, which are seen by what they do to the character before them.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether a variation selector can change this character. The supplement (U+E0100 and up) has forms of ideographs only.
fn selects(base: char, selector: char) -> bool {
    if selector >= '\u{e0100}' {
        return matches!(base, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3fffd}');
    }
    !(is_selector(base) || is_hidden(base) || base.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_sees_is_replaced_and_counted() {
        let tagged: String = "obey".chars().filter_map(|c| char::from_u32(0xe0000 + c as u32)).collect();
        let mut value = json!({
            "text": format!("a\u{1b}[31m{tagged}"),
            "list": ["\u{202e}x\u{2069}", 1, null],
            "n\u{0}": 1, "n\u{fffd}": 2,
        });
        assert_eq!(clean(&mut value), 1 + 4 + 2 + 1);
        assert_eq!(value["text"], "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(value["list"], json!(["\u{fffd}x\u{fffd}", 1, null]));
        assert_eq!(value.as_object().unwrap().len(), 4);
    }

    #[test]
    fn variation_selectors_that_change_no_sign_are_replaced() {
        // A byte for each, as texts hide orders behind an emoji.
        let hidden: String = "obey".chars().filter_map(|c| char::from_u32(0xe00f0 + c as u32)).collect();
        for (text, expected, count) in [
            (format!("😀{hidden}"), "😀\u{fffd}\u{fffd}\u{fffd}\u{fffd}", 4),
            (format!("葛{hidden}"), "葛\u{e015f}\u{fffd}\u{fffd}\u{fffd}", 3),
            ("a\u{e0100}".to_owned(), "a\u{fffd}", 1),
            ("\u{e01ef}".to_owned(), "\u{fffd}", 1),
            ("❤\u{fe0f}\u{fe00}\u{fe01} \u{fe0e}".to_owned(), "❤\u{fe0f}\u{fffd}\u{fffd} \u{fffd}", 3),
        ] {
            let mut value = json!({text.clone(): text});
            assert_eq!(clean(&mut value), 2 * count);
            assert_eq!(value, json!({expected: expected}));
        }
    }

    #[test]
    fn a_beginning_takes_in_an_answer_what_it_is_counted_as() {
        let text = "a\"b\\c\r\n\t\u{7f}\u{1b}\u{85}ä日👍\u{e0041}❤\u{fe0f}";
        for most in 0..60 {
            let fits = fitting(text, most);
            let len = |text: &str| answer_len(&text.into()) - 2;
            assert!(text.starts_with(fits) && len(fits) <= most, "{most}: {fits:?}");
            let longer = text.get(fits.len()..).and_then(|rest| rest.chars().next());
            assert!(longer.is_none_or(|c| len(&format!("{fits}{c}")) > most), "{most}: {fits:?}");
        }
    }

    #[test]
    fn a_long_message_keeps_its_beginning_and_its_end() {
        let message = format!("there is no record {:?} in notes", "ä".repeat(50_000));
        let short = short_message(&message);
        assert!(short.len() <= MAX_MESSAGE, "{}", short.len());
        assert!(short.starts_with("there is no record \"ää") && short.ends_with("ä\" in notes"));
        assert_eq!(short_message(&"x".repeat(MAX_MESSAGE + 1)).len(), MAX_MESSAGE);
        assert_eq!(short_message("short"), "short");
    }

    #[test]
    fn what_texts_need_stays() {
        let mut value = json!(
            "a\r\n\tb 👩\u{200d}💻 ❤\u{fe0f}\u{200d}🔥 1\u{fe0f}\u{20e3} می\u{200c}خواهم co\u{ad}op 日本 葛\u{e0100}城 𠮟\u{e0101} e\u{301}"
        );
        let before = value.clone();
        assert_eq!((clean(&mut value), value), (0, before));
    }
}
