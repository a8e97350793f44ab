//! Text of others on its way to a terminal: it says something, and commands nothing.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// Whether a terminal may obey this character, show nothing for it, or turn around what stands beside it: controls (C0, C1), and the format
/// characters and separators of Unicode 16 but for those that are visible signs of Arabic and Syriac, and all else that is ignored where it is displayed
/// (`Default_Ignorable_Code_Point`) but for variation selectors, which change the sign before them.
pub(crate) fn commands(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}')
}

/// A text without line breaks, and without what a terminal would obey.
pub(crate) fn one_line(text: &str) -> String {
    let blank = |c: char| c.is_whitespace() || commands(c);
    text.split(blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A text as it is, but for what a terminal would obey.
pub(crate) fn harmless(text: &str) -> String {
    let kept = |c: char| if commands(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(kept).collect()
}

/// A line with styles of ours, and with nothing else that a terminal would obey.
pub(crate) fn harmless_but_styled(line: &str, styles: &[&str]) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let style = styles.iter().find(|style| rest.starts_with(**style));
        let len = style.map_or(c.len_utf8(), |style| style.len());
        let (head, tail) = rest.split_at(len);
        match style {
            Some(style) => out.push_str(style),
            None => out.push_str(&harmless(head)),
        }
        rest = tail;
    }
    out
}

/// JSON that says the same, with escapes in the place of what a terminal would obey.
#[derive(Debug)]
pub(crate) struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| commands(c)) {
            let (before, behind) = rest.split_at(at);
            to.write_all(before.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = behind.get(c.len_utf8()..).unwrap_or_default();
        }
        to.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Category Cf of Unicode 16, from `UnicodeData.txt`, but for the visible signs U+0600 to U+0605, U+06DD, U+070F, U+0890, U+0891,
    /// U+08E2, U+110BD and U+110CD; and the two separators of lines and paragraphs.
    const FORMAT: [(u32, u32); 16] = [
        (0xad, 0xad),
        (0x61c, 0x61c),
        (0x180e, 0x180e),
        (0x200b, 0x200f),
        (0x2028, 0x2029),
        (0x202a, 0x202e),
        (0x2060, 0x2064),
        (0x2066, 0x206f),
        (0xfeff, 0xfeff),
        (0xfff9, 0xfffb),
        (0x13430, 0x1343f),
        (0x1bca0, 0x1bca3),
        (0x1d173, 0x1d17a),
        (0xe0001, 0xe0001),
        (0xe0020, 0xe007f),
        (0x2065, 0x2065),
    ];

    /// `Default_Ignorable_Code_Point` of Unicode 16, from `DerivedCoreProperties.txt`, but for variation selectors and what is among [`FORMAT`].
    const IGNORED: [(u32, u32); 12] = [
        (0x34f, 0x34f),
        (0x115f, 0x1160),
        (0x17b4, 0x17b5),
        (0x2065, 0x2065),
        (0x3164, 0x3164),
        (0xffa0, 0xffa0),
        (0xfff0, 0xfff8),
        (0xe0000, 0xe0000),
        (0xe0002, 0xe001f),
        (0xe0080, 0xe00ff),
        (0xe01f0, 0xe0fff),
        (0x180e, 0x180e),
    ];

    #[test]
    fn no_control_and_nothing_that_hides_reaches_a_terminal() {
        let format = FORMAT.iter().chain(&IGNORED).flat_map(|&(first, last)| first..=last);
        let controls = (0..0x20).chain(0x7f..0xa0);
        for c in controls.chain(format).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            assert!(!one_line(&text).contains(c), "{c:?}");
            assert!(matches!(c, '\n' | '\t') || !harmless(&text).contains(c), "{c:?}");
            let mut json = serde_json::Serializer::with_formatter(Vec::new(), Escaping);
            serde::Serialize::serialize(&text, &mut json).unwrap();
            let json = String::from_utf8(json.into_inner()).unwrap();
            assert!(!json.contains(c), "{c:?}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "{c:?}");
        }
        for text in ["äöü", "日本語", "عربي", "👍🏽", "❤\u{fe0f}", "葛\u{e0100}", "e\u{301}", "a b", "\u{600}1"]
        {
            assert_eq!((harmless(text), one_line(text)), (text.to_owned(), text.to_owned()));
        }
    }

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\n");
        assert_eq!(one_line("a\u{1b}[31m\n  b\r\n"), "a [31m b");
        let styled =
            harmless_but_styled("\u{1b}[1mx\u{1b}[0m \u{1b}[8m\u{202e}", &["\u{1b}[1m", "\u{1b}[0m"]);
        assert_eq!(styled, "\u{1b}[1mx\u{1b}[0m \u{fffd}[8m\u{fffd}");
    }
}
