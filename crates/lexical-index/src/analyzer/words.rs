//! Where words begin and end: the word boundaries of Unicode Standard Annex #29 between ASCII white space; pictures are words too.
//!
//! White space is a boundary by that standard too, except before a combining mark or a joiner, which nobody writes
//! there. Cutting at it first lets a run without a byte above 127 take a short path with the same outcome.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::Version;
use super::fold::is_apostrophe;
use super::unspaced::Pairs;

/// What words are beside those of the standard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// What stands before an apostrophe and is among them is a word of its own, without the apostrophe.
    pub(crate) elisions: &'static [&'static str],
    /// Digits below the line belong to the word that they are in, and signs that stand for letters are words: see
    /// [`Analyzer::written_out`](super::Analyzer::written_out).
    pub(crate) written_out: bool,
    pub(crate) version: Version,
}

/// Calls `found` with the place of every word in `text`, in order.
pub(crate) fn words(text: &str, rules: Rules, mut found: impl FnMut(Range<usize>)) {
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
            ascii_words(&bytes[run.clone()], |word, has_apostrophe| {
                let word = run.start + word.start..run.start + word.end;
                if has_apostrophe {
                    split_elisions(text, word, rules, &mut found);
                } else {
                    found(word);
                }
            });
        } else {
            each_piece(&text[run.clone()], rules, &mut |piece| {
                let word = run.start + piece.start..run.start + piece.end;
                split_elisions(text, word, rules, &mut found);
            });
        }
    }
}

/// The words of a run without white space, before elisions are split off. It is compiled once.
fn each_piece(run: &str, rules: Rules, found: &mut dyn FnMut(Range<usize>)) {
    let Rules { written_out, version, .. } = rules;
    let mut word: Option<Range<usize>> = None;
    let mut marks_end = 0;
    let mut pairs = Pairs::default();
    for (start, piece) in run.split_word_bound_indices() {
        if version >= Version::Fourth {
            if pairs.take(run, start..start + piece.len(), &mut word, found) {
                continue;
            }
            pairs.end(&mut word, found);
        }
        let (end, has_letters) = (start + piece.len(), has_letters(piece));
        match &mut word {
            Some(word)
                if written_out && word.end == start && is_formula(&run[word.clone()], piece, version) =>
            {
                word.end = end;
            }
            Some(word)
                if version >= Version::Third
                    && !has_letters
                    && word.end.max(marks_end) == start
                    && piece.starts_with(marks_word_before) =>
            {
                marks_end = end;
            }
            _ if has_letters
                || is_picture_in(piece, version)
                || written_out && piece.starts_with(is_spelled) =>
            {
                word.replace(start..end).into_iter().for_each(&mut *found);
            }
            _ => {}
        }
    }
    pairs.end(&mut word, found);
    word.into_iter().for_each(found);
}

/// Signs that say something of the word before them, and are no words there.
fn marks_word_before(c: char) -> bool {
    matches!(c, '©' | '®' | '™' | '\u{2120}' | '‼' | '⁉' | '〰')
}

/// Whether a word may have signs that stand for several words, or for one in parentheses: `㈱`, `℀`, `ﷺ`.
pub(super) fn may_be_several(word: &str) -> bool {
    const FIRST_BYTE: u8 = 0xE0;
    let is_ideograph_or_hangul = |c: char| matches!(c, '\u{3400}'..='\u{D7FF}');
    let is_sign = |c: char| {
        matches!(c,
            '\u{EDC}' | '\u{EDD}' | '\u{2100}'..='\u{214F}' | '\u{2474}'..='\u{249B}' | '\u{309F}'
            | '\u{3200}'..='\u{33FF}' | '\u{FDFA}' | '\u{FDFB}' | '\u{1F100}'..='\u{1F12A}' | '\u{1F200}'..='\u{1F248}')
    };
    word.bytes().any(|byte| byte >= FIRST_BYTE)
        && word.chars().any(|c| !is_ideograph_or_hangul(c) && is_sign(c))
}

/// Whether a piece goes on a word at a digit below the line, as in `H₂O`.
fn is_formula(word: &str, piece: &str, version: Version) -> bool {
    let word = if version >= Version::Fourth { word.trim_end_matches(is_mark) } else { word };
    let is_below = |c: char| matches!(c, '\u{2080}'..='\u{2089}');
    let is_of_formula = |c: char| c.is_ascii_alphanumeric() || is_below(c);
    piece.starts_with(is_below) && word.ends_with(char::is_alphanumeric)
        || word.ends_with(is_below) && piece.starts_with(is_of_formula)
}

/// Whether a character at the end of a word is a mark, or not seen.
fn is_mark(c: char) -> bool {
    !c.is_ascii() && !c.is_alphanumeric()
}

/// Whether a sign stands for letters, as `№` and `㎏` do, but for those that only mark the word before them.
fn is_spelled(c: char) -> bool {
    const MARKS: [char; 2] = ['\u{2120}', '\u{2122}'];
    matches!(c, '\u{2100}'..='\u{214F}' | '\u{3200}'..='\u{33FF}')
        && !MARKS.contains(&c)
        && std::iter::once(c).nfkc().any(char::is_alphanumeric)
}

/// Whether a piece between two boundaries has letters or digits.
fn has_letters(piece: &str) -> bool {
    piece.chars().any(char::is_alphanumeric)
}

fn is_picture_in(piece: &str, version: Version) -> bool {
    match version {
        Version::Second => is_picture_by_style(piece),
        Version::Third | Version::Fourth => is_picture(piece),
    }
}

/// Emoji and other pictures: by the blocks that hold them, whatever variation selector stands behind them, and what is in a keycap.
fn is_picture(piece: &str) -> bool {
    const KEYCAP: char = '\u{20E3}';
    piece.starts_with(|c| is_pictogram(c) || is_emoji_elsewhere(c)) || piece.ends_with(KEYCAP)
}

/// The rule of version 2: beside the blocks of pictures also what a variation selector asks for a picture of.
fn is_picture_by_style(piece: &str) -> bool {
    const EMOJI_STYLE: char = '\u{FE0F}';
    piece.starts_with(is_pictogram) || piece.contains(EMOJI_STYLE) && piece.chars().count() > 1
}

/// The blocks of pictures.
fn is_pictogram(c: char) -> bool {
    matches!(c,
        '\u{1F000}'..='\u{1FAFF}' | '\u{2300}'..='\u{23FF}' | '\u{2600}'..='\u{275A}' | '\u{2761}'..='\u{2767}'
        | '\u{2794}'..='\u{27BF}' | '\u{2B00}'..='\u{2BFF}')
}

/// Characters with the property `Emoji` in other blocks that are no letters or digits.
fn is_emoji_elsewhere(c: char) -> bool {
    matches!(c,
        '©' | '®' | '‼' | '⁉' | '™' | '\u{2194}'..='\u{2199}' | '\u{21A9}' | '\u{21AA}' | '\u{25AA}' | '\u{25AB}'
        | '\u{25B6}' | '\u{25C0}' | '\u{25FB}'..='\u{25FE}' | '\u{2934}' | '\u{2935}' | '\u{3030}' | '\u{303D}'
        | '\u{3297}' | '\u{3299}')
}

/// One word, or several: `l’avion` is `l` and `avion`.
fn split_elisions(text: &str, mut word: Range<usize>, rules: Rules, found: &mut impl FnMut(Range<usize>)) {
    let version = rules.version;
    while let Some((at, apostrophe)) =
        text[word.clone()].char_indices().find(|&(_, c)| is_apostrophe(c, version))
    {
        let (before, after) = (word.start..word.start + at, word.start + at + apostrophe.len_utf8());
        let is_elided = is_elision(&text[before.clone()], rules);
        // `Dell's` is of somebody of that name.
        let is_genitive = version >= Version::Third && text[after..word.end].eq_ignore_ascii_case("s");
        if after >= word.end || is_genitive || !is_elided {
            break;
        }
        found(before);
        word.start = after;
    }
    found(word);
}

/// Whether a text is an elision in any case, full-width or not.
fn is_elision(text: &str, rules: Rules) -> bool {
    const WIDTH: u32 = 0xFEE0;
    let narrow = |c: char| match c {
        '\u{FF21}'..='\u{FF5A}' => char::from_u32(u32::from(c) - WIDTH).unwrap_or(c),
        _ => c,
    };
    let mut elisions = rules.elisions.iter();
    if rules.version == Version::Second || text.is_ascii() {
        return elisions.any(|elision| elision.eq_ignore_ascii_case(text));
    }
    let lower = || text.chars().map(|c| narrow(c).to_ascii_lowercase());
    elisions.any(|elision| lower().eq(elision.chars()))
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

/// The same for a run of ASCII bytes. Says of each word whether an apostrophe is in it.
fn ascii_words(run: &[u8], mut found: impl FnMut(Range<usize>, bool)) {
    let class = |at: usize| run.get(at).map_or(Class::Other, |&byte| CLASSES[usize::from(byte)]);
    let mut at = 0;
    while at < run.len() {
        let start = at;
        let (mut has_alphanumeric, mut has_apostrophe) = (false, false);
        loop {
            match class(at) {
                Class::Letter | Class::Digit => {
                    has_alphanumeric = true;
                    at += 1;
                }
                Class::Joiner => at += 1,
                mid if at > start && joins(class(at - 1), mid, class(at + 1)) => {
                    has_apostrophe |= run[at] == b'\'';
                    at += 1;
                }
                _ => break,
            }
        }
        if has_alphanumeric {
            found(start..at, has_apostrophe);
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

    fn found<'a>(text: &'a str, elisions: &'static [&'static str]) -> Vec<&'a str> {
        found_by(Rules { elisions, ..Rules::default() }, text)
    }

    fn found_by(rules: Rules, text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        words(text, rules, |range| all.push(&text[range]));
        all
    }

    #[test]
    fn digits_below_the_line_and_signs_for_letters_are_words_as_they_are_written_out() {
        let written_out = |text| found_by(Rules { written_out: true, ..Rules::default() }, text);
        assert_eq!(written_out("CO₂-neutral, C₁₂H₂₂O₁₁."), ["CO₂", "neutral", "C₁₂H₂₂O₁₁"]);
        assert_eq!(written_out("5㎏ of №7™ in ℃"), ["5", "㎏", "of", "№", "7", "in", "℃"]);
        assert_eq!(written_out("footnote² a₁é ₂ ←"), ["footnote", "²", "a₁", "é", "₂"]);
        assert_eq!(found("CO₂ №7", &[]), ["CO", "₂", "7"]);
    }

    #[test]
    fn what_is_elided_is_a_word_of_its_own() {
        const FRENCH: &[&str] = &["l", "d", "qu"];
        assert_eq!(found("l'avion L’Avion d'l'eau", FRENCH), ["l", "avion", "L", "Avion", "d", "l", "eau"]);
        assert_eq!(
            found("qu\u{2bc}il aujourd'hui l' don't", FRENCH),
            ["qu", "il", "aujourd'hui", "l", "don't"]
        );
        assert_eq!(found("l'avion", &[]), ["l'avion"]);
    }

    #[test]
    fn pictures_are_words_whole() {
        let family = "👩‍👩‍👧‍👦";
        assert_eq!(found("ok🎉🎉yes ❤️ ↔️ → 👍🏽", &[]), ["ok", "🎉", "🎉", "yes", "❤️", "↔️", "👍🏽"]);
        assert_eq!(found(&format!("a {family} 🇩🇪🇫🇷"), &[]), ["a", family, "🇩🇪", "🇫🇷"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_short_path_for_ascii_gives_the_words_of_the_standard(text in "[a-c0-2_:,;.' \\-\"\r\n\t@]{0,24}|[ -~\t\n]{0,24}") {
            prop_assert_eq!(found(&text, &[]), text.unicode_words().collect::<Vec<_>>());
        }

        #[test]
        fn words_beside_other_scripts_are_those_of_the_standard(text in "[a-c0-2_:,;.' äßñ日本カא\u{5b4}'‘’\u{200b}😀—]{0,24}") {
            let expected: Vec<_> = text.split_word_bounds().map(str::trim_start).filter(|piece| has_letters(piece) || is_picture(piece)).collect();
            prop_assert_eq!(found(&text, &[]), expected);
        }
    }
}
