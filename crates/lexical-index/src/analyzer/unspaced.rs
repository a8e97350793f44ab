//! Scripts that write words without spaces between them, and letter by letter: Thai, Lao, Burmese, Khmer and their kin.

use std::ops::Range;

/// Marks where a word ends in such a text, to no eye.
const ZERO_WIDTH_SPACE: &str = "\u{200B}";

/// Cuts a run of such letters, each with its marks, into overlapping pairs: which letters are a word, only a dictionary knows, and of pairs
/// every stretch of a text is made. A letter on its own is a word.
#[derive(Default)]
pub(super) struct Pairs {
    last: Option<Range<usize>>,
    is_paired: bool,
}

impl Pairs {
    /// Whether what stands at `start`, behind all that was handed over before, belongs to a run. Calls `found` with the pair that it ends.
    pub(super) fn take(&mut self, start: usize, piece: &str, found: &mut impl FnMut(Range<usize>)) -> bool {
        let end = start + piece.len();
        if let (Some(last), ZERO_WIDTH_SPACE) = (&mut self.last, piece) {
            last.end = end;
            return true;
        }
        if !piece.starts_with(is_of_unspaced_script) {
            return false;
        }
        let last = self.last.replace(start..end);
        self.is_paired = last.is_some();
        last.into_iter().for_each(|last| found(last.start..end));
        true
    }

    /// The end of a run, if there is one.
    pub(super) fn end(&mut self, found: &mut impl FnMut(Range<usize>)) {
        let last = self.last.take().filter(|_| !self.is_paired);
        last.into_iter().for_each(found);
    }
}

/// The letters of the class `Complex_Context` of Unicode Standard Annex #14, which the word boundaries of annex 29 leave to others.
fn is_of_unspaced_script(c: char) -> bool {
    c >= '\u{E00}'
        && matches!(c,
            '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{1950}'..='\u{19DF}'
            | '\u{1A20}'..='\u{1AAF}' | '\u{A9E0}'..='\u{A9FF}' | '\u{AA60}'..='\u{AADF}' | '\u{11700}'..='\u{1174F}')
        && c.is_alphabetic()
}

/// The vowel AM of Thai and Lao is NIKHAHIT above the letter before it and AA behind that to NFKC, and typed so by some. So it is the one behind the tone,
/// and nothing where the letter is in another pair.
pub(super) fn unite_vowel_am(folded: &mut String) {
    const NIKHAHIT: [char; 2] = ['\u{E4D}', '\u{ECD}'];
    if !folded.contains(NIKHAHIT) {
        return;
    }
    let is_tone = |c: char| matches!(c, '\u{E48}'..='\u{E4B}' | '\u{EC8}'..='\u{ECB}');
    let mut held = None;
    let mut united = String::with_capacity(folded.len());
    for c in folded.trim_start_matches(NIKHAHIT).chars() {
        if is_tone(c) {
            united.push(c);
            continue;
        }
        united.extend(held.take());
        if NIKHAHIT.contains(&c) {
            held = Some(c);
        } else {
            united.push(c);
        }
    }
    united.extend(held);
    *folded = united;
}

#[cfg(test)]
mod tests {
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    #[test]
    fn of_what_the_annex_cuts_between_letters_all_is_ideographs_hiragana_or_of_an_unspaced_script() {
        let is_cut = |c: char| format!("{c}{c}").split_word_bounds().count() == 2;
        let is_of_east_asia = |c: char| {
            matches!(c,
                '\u{3006}'..='\u{3029}' | '\u{3038}'..='\u{309F}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
                | '\u{16FE0}'..='\u{18DFF}' | '\u{1B001}'..='\u{1B2FF}' | '\u{1F200}' | '\u{20000}'..='\u{3FFFF}')
        };
        for c in ('\u{80}'..=char::MAX).filter(|c| c.is_alphabetic() && !is_of_east_asia(*c)) {
            assert!(!is_cut(c) || is_of_unspaced_script(c), "U+{:04X}", u32::from(c));
        }
        assert!(['ก', 'ກ', 'က', 'ក'].into_iter().all(|c| is_cut(c) && is_of_unspaced_script(c)));
        assert!(!is_of_unspaced_script('๑') && !is_of_unspaced_script('។') && !is_of_unspaced_script('日'));
    }
}
