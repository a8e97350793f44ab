//! Where words begin and end: the word boundaries of Unicode Standard Annex #29 between ASCII white space.
//!
//! White space is a boundary by that standard too, except before a combining mark or a joiner, which nobody writes
//! there. Cutting at it first lets a run without a byte above 127 take a short path with the same outcome.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Calls `found` with the place of every word in `text`, in order.
pub(crate) fn words(text: &str, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let len = bytes[at..].iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len() - at);
        let run = at..at + len;
        at = run.end;
        if bytes[run.clone()].is_ascii() {
            ascii_words(&bytes[run.clone()], |word| found(run.start + word.start..run.start + word.end));
        } else {
            for (start, word) in text[run.clone()].unicode_word_indices() {
                found(run.start + start..run.start + start + word.len());
            }
        }
    }
}

/// The classes of ASCII bytes in the rules of the annex.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    /// `_` joins letters and digits.
    Joiner,
    /// `:` between letters.
    MidLetter,
    /// `,` and `;` between digits.
    MidDigit,
    /// `.` and `'` between letters or between digits.
    MidBoth,
    Other,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0u8;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            b'_' => Class::Joiner,
            b':' => Class::MidLetter,
            b',' | b';' => Class::MidDigit,
            b'.' | b'\'' => Class::MidBoth,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

/// The same for a run of ASCII bytes.
fn ascii_words(run: &[u8], mut found: impl FnMut(Range<usize>)) {
    let class = |at: usize| run.get(at).map_or(Class::Other, |&byte| CLASSES[usize::from(byte)]);
    let mut at = 0;
    while at < run.len() {
        let start = at;
        let mut has_alphanumeric = false;
        loop {
            match class(at) {
                Class::Letter | Class::Digit => {
                    has_alphanumeric = true;
                    at += 1;
                }
                Class::Joiner => at += 1,
                mid if at > start && joins(class(at - 1), mid, class(at + 1)) => at += 1,
                _ => break,
            }
        }
        if has_alphanumeric {
            found(start..at);
        }
        at = at.max(start + 1);
    }
}

/// Whether a punctuation mark stands inside a word (rules WB6, WB7, WB11 and WB12).
fn joins(before: Class, mid: Class, after: Class) -> bool {
    before == after
        && match mid {
            Class::MidBoth => matches!(before, Class::Letter | Class::Digit),
            Class::MidLetter => before == Class::Letter,
            Class::MidDigit => before == Class::Digit,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        words(text, |range| all.push(&text[range]));
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_short_path_for_ascii_gives_the_words_of_the_standard(text in "[a-c0-2_:,;.' \\-\"\r\n\t@]{0,24}|[ -~\t\n]{0,24}") {
            prop_assert_eq!(found(&text), text.unicode_words().collect::<Vec<_>>());
        }

        #[test]
        fn words_beside_other_scripts_are_those_of_the_standard(text in "[a-c0-2_:,;.' äßñ日本カא\u{5b4}'‘’\u{200b}😀—]{0,24}") {
            prop_assert_eq!(found(&text), text.unicode_words().map(str::trim_start).collect::<Vec<_>>());
        }
    }
}
