//! Texts of others on their way to a language model: without what a person who looks at them would not see.
//!
//! Controls, what turns text around and the tags of Unicode can hold orders to a model that no person sees. They become U+FFFD, and the answer says how
//! many did. What joins and parts letters (ZWJ, ZWNJ, soft hyphens) stays: emoji and some scripts need it. Resources are read as they are.

use serde_json::{Map, Value};

/// Replaces what is hidden in all texts and names; returns how much.
pub(super) fn clean(value: &mut Value) -> u64 {
    match value {
        Value::String(text) => clean_text(text),
        Value::Array(values) => values.iter_mut().map(clean).sum(),
        Value::Object(map) => {
            let replaced = map.values_mut().map(clean).sum::<u64>();
            if map.keys().any(|name| name.contains(is_hidden)) {
                return replaced + clean_names(map);
            }
            replaced
        }
        _ => 0,
    }
}

/// Replaces what is hidden in a text; returns how much.
pub(super) fn clean_text(text: &mut String) -> u64 {
    let hidden = text.chars().filter(|&c| is_hidden(c)).count() as u64;
    if hidden > 0 {
        *text = text.replace(is_hidden, "\u{fffd}");
    }
    hidden
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
    fn what_texts_need_stays() {
        let mut value = json!("a\r\n\tb 👩\u{200d}💻 می\u{200c}خواهم co\u{ad}op 日本 e\u{301}");
        let before = value.clone();
        assert_eq!((clean(&mut value), value), (0, before));
    }
}
