//! What kind of character a character is, as BERT's normalizer and pre-tokenizer ask.

use super::tables::{MARKS, PUNCTUATION};

/// Whether cleaning takes a character away: control and format characters, private use, U+FFFD.
pub(super) fn is_removed(c: char) -> bool {
    matches!(u32::from(c),
        0..=0x08 | 0x0B | 0x0C | 0x0E..=0x1F | 0x7F..=0x9F | 0xAD | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x180E
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2064 | 0x2066..=0x206F | 0xE000..=0xF8FF | 0xFEFF
        | 0xFFF9..=0xFFFB | 0xFFFD | 0x110BD | 0x1_BCA0..=0x1_BCA3 | 0x1_D173..=0x1_D17A | 0xE_0001
        | 0xE_0020..=0xE_007F | 0xF_0000..=0xF_FFFD | 0x10_0000..=0x10_FFFD)
}

/// Whether a character is a word by itself in Chinese, Japanese and Korean.
///
/// The block from U+2B820 on begins at U+2B920 here, as it does in the `tokenizers` package.
pub(super) fn is_cjk(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x2_A6DF | 0x2_A700..=0x2_B81F
        | 0x2_B920..=0x2_CEAF | 0x2_F800..=0x2_FA1F)
}

/// Whether a character is a nonspacing mark, such as an accent.
pub(super) fn is_mark(c: char) -> bool {
    is_in(&MARKS, c)
}

/// Whether a character is a word by itself because it is punctuation. The symbols of ASCII are.
pub(super) fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || is_in(&PUNCTUATION, c)
}

/// Whether a character lies in one of some runs.
fn is_in(runs: &[(u32, u32)], c: char) -> bool {
    let c = u32::from(c);
    let after = runs.partition_point(|&(first, _)| first <= c);
    after > 0 && c <= runs[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_ascend_and_do_not_touch() {
        for runs in [&MARKS[..], &PUNCTUATION[..]] {
            assert!(runs.iter().all(|(first, last)| first <= last));
            assert!(runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }

    #[test]
    fn characters_are_of_the_kind_that_unicode_8_says() {
        assert!(is_mark('\u{300}') && is_mark('\u{E01EF}') && !is_mark('e') && !is_mark('\u{8D4}'));
        assert!(is_punctuation('$') && is_punctuation('«') && is_punctuation('。') && !is_punctuation('€'));
        assert!(is_cjk('中') && is_cjk('\u{2F800}') && !is_cjk('\u{2B820}') && !is_cjk('ひ'));
        assert!(is_removed('\0') && is_removed('\u{85}') && is_removed('\u{FFFD}') && !is_removed('\n'));
    }
}
