//! Scripts that write words without spaces between them, and letter by letter: Thai, Lao, Burmese, Khmer and their kin.

use std::ops::Range;

/// Marks where a word ends in such a text, to no eye.
const ZERO_WIDTH_SPACE: &str = "\u{200B}";

/// The vowel AM of Thai and Lao is NIKHAHIT above the letter before it and AA behind that, to NFKC and where it is typed so.
const NIKHAHIT: [char; 2] = ['\u{E4D}', '\u{ECD}'];
const AA: [char; 2] = ['\u{E32}', '\u{EB2}'];

/// Signs that are two letters.
const LIGATURES: [char; 2] = ['\u{EDC}', '\u{EDD}'];

/// Cuts a run of such letters, each with its marks, into overlapping pairs: which letters are a word, only a dictionary knows, and of pairs
/// every stretch of a text is made. A letter on its own is a word. A sign that is two letters is in one word with those around it, to be taken apart together.
#[derive(Default)]
pub(super) struct Pairs {
    last: Option<Range<usize>>,
    is_paired: bool,
}

impl Pairs {
    /// Whether a piece of `run`, right behind all that was handed over before, belongs to a run of letters. The pair that it ends becomes the word that is
    /// waited with, and what was that before is handed to `found`.
    pub(super) fn take(
        &mut self,
        run: &str,
        piece: Range<usize>,
        word: &mut Option<Range<usize>>,
        found: &mut dyn FnMut(Range<usize>),
    ) -> bool {
        let Range { mut start, end } = piece;
        if let Some(last) = self.last.as_mut().filter(|_| run[start..end].starts_with(ZERO_WIDTH_SPACE)) {
            last.end = end;
            return true;
        }
        if !run[start..end].starts_with(is_of_unspaced_script) {
            return false;
        }
        if run[start..end].starts_with(AA)
            && let Some(last) = self.last.as_mut().filter(|last| run[(**last).clone()].ends_with(NIKHAHIT))
        {
            let before = start - NIKHAHIT[0].len_utf8();
            if let Some(word) = word.as_mut().filter(|word| word.end == start) {
                word.end = before;
            }
            (start, last.end) = (before, before);
            self.last.take_if(|last| last.start == last.end);
        }
        let last = self.last.replace(start..end);
        self.is_paired = last.is_some();
        let Some(last) = last else { return true };
        let is_ligature = run[last.clone()].starts_with(LIGATURES);
        match word.as_mut().filter(|word| is_ligature && word.end > last.start) {
            Some(word) => word.end = end,
            None => word.replace(last.start..end).into_iter().for_each(found),
        }
        true
    }

    /// The end of a run, if there is one: a letter on its own becomes the word that is waited with.
    pub(super) fn end(&mut self, word: &mut Option<Range<usize>>, found: &mut dyn FnMut(Range<usize>)) {
        if let Some(last) = self.last.take().filter(|_| !self.is_paired) {
            word.replace(last).into_iter().for_each(found);
        }
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
