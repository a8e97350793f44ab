//! One form for what is one word: case, compatibility forms, characters that nobody sees, diacritics.

use unicode_normalization::UnicodeNormalization;

use super::Version;
use super::digits::ascii_digit;

/// Appends `word` in the form `NFKC_Casefold` of Unicode: one case, one form of characters that differ in looks only, nothing that
/// is not seen.
///
/// Beyond the standard: [apostrophes](is_apostrophe) are `'`, and nothing at the ends; the tatweel is left out, [decimal digits](ascii_digit) are ASCII,
/// Persian letters that Arabic has as well are the Arabic ones, and with `turkish` the lower case of `I` is `ı`.
pub(super) fn fold_case(word: &str, turkish: bool, version: Version, folded: &mut String) {
    let fold = |c: char| fold_char(c, turkish).filter_map(|c| united(c, version));
    if word.chars().any(has_ypogegrammeni) {
        // It becomes a letter, so that all other marks must stand before it: composed with its letter it would stand before some.
        folded.extend(word.chars().nfkd().flat_map(fold).nfkc());
    } else {
        folded.extend(word.chars().nfkc().flat_map(fold).nfkc());
    }
    if version >= Version::Third {
        trim(folded);
    }
}

/// Takes off what the annex does not count to a word at its ends when it is ASCII. Behind a Hebrew letter the apostrophe belongs to the word.
fn trim(folded: &mut String) {
    const NEVER_AT_AN_END: [char; 3] = ['\'', '.', ','];
    let is_such = |byte: Option<&u8>| matches!(byte, Some(b'\'' | b'.' | b','));
    if !is_such(folded.as_bytes().first()) && !is_such(folded.as_bytes().last()) {
        return;
    }
    let mut end = folded.trim_end_matches(NEVER_AT_AN_END).len();
    let is_hebrew = |c: char| matches!(c, '\u{5D0}'..='\u{5F2}');
    if folded[..end].ends_with(is_hebrew) && folded[end..].starts_with('\'') {
        end += 1;
    }
    let start = folded.len() - folded.trim_start_matches(NEVER_AT_AN_END).len();
    if start < end {
        folded.truncate(end);
        folded.drain(..start);
    }
}

/// Whether a character is the iota below a Greek letter, or has it.
fn has_ypogegrammeni(c: char) -> bool {
    matches!(c, '\u{345}' | '\u{37A}' | '\u{1F80}'..='\u{1FFC}')
}

/// The full case folding of a character: the lower case of the upper case of the lower case. `ı` has no other case.
fn fold_char(c: char, turkish: bool) -> impl Iterator<Item = char> {
    let (kept, folded) = match c {
        'I' if turkish => (Some('ı'), None),
        'İ' if turkish => (Some('i'), None),
        'ı' => (Some('ı'), None),
        _ => (None, Some(c)),
    };
    let folded = folded.into_iter().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    kept.into_iter().chain(folded.flat_map(char::to_lowercase))
}

fn united(c: char, version: Version) -> Option<char> {
    const TATWEEL: char = '\u{640}';
    match c {
        TATWEEL => None,
        _ if is_ignorable(c) => None,
        _ if is_apostrophe(c, version) => Some('\''),
        '\u{5F3}' => Some('\''),
        '\u{5F4}' => Some('"'),
        _ if version >= Version::Third => Some(arabic(c).or_else(|| ascii_digit(c, version)).unwrap_or(c)),
        _ => Some(ascii_digit(c, version).unwrap_or(c)),
    }
}

/// The Arabic letter of a Persian one that looks the same, and the ASCII sign of a separator in Arabic numbers.
fn arabic(c: char) -> Option<char> {
    Some(match c {
        '\u{66B}' => '.',
        '\u{66C}' => ',',
        '\u{6A9}' => '\u{643}',
        '\u{6CC}' => '\u{64A}',
        _ => return None,
    })
}

pub(super) fn is_apostrophe(c: char, version: Version) -> bool {
    const OKINA: char = '\u{2BB}';
    matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '\u{2BC}' | '\u{FF07}')
        || c == OKINA && version >= Version::Third
}

/// Characters with the property `Default_Ignorable_Code_Point`: soft hyphens, marks of direction, joiners, variation selectors.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Appends a word of folded case without marks on letters, and with `ae` for `æ`, `o` for `ø` and the like.
///
/// `й`, `ї` and `ў` are letters, not marked ones; so is `ı` in Turkish.
pub(super) fn fold_diacritics(word: &str, turkish: bool, folded: &mut String) {
    let mut base = ' ';
    let unmarked = word.chars().nfd().filter(move |&c| {
        if !is_diacritic(c) {
            base = c;
            return true;
        }
        matches!((base, c), ('и' | 'у', '\u{306}') | ('і', '\u{308}'))
    });
    for c in unmarked.nfc() {
        match plain_letters(c) {
            _ if c == 'ı' && turkish => folded.push(c),
            Some(letters) => folded.push_str(letters),
            None => folded.push(c),
        }
    }
}

/// Letters that are not composed, and what people write who do not have them.
fn plain_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ŧ' => "t",
        _ => return None,
    })
}

/// Combining diacritical marks, Hebrew points, Arabic vowel signs and hamzas, the colours of skin of emoji. Marks of scripts that write
/// vowels with them are not among them.
fn is_diacritic(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE20}'..='\u{FE2F}' | '\u{591}'..='\u{5BD}' | '\u{5BF}' | '\u{5C1}' | '\u{5C2}' | '\u{5C4}'
        | '\u{5C5}' | '\u{5C7}' | '\u{64B}'..='\u{65F}' | '\u{670}' | '\u{6D6}'..='\u{6DC}'
        | '\u{6DF}'..='\u{6E4}' | '\u{6E7}' | '\u{6E8}' | '\u{6EA}'..='\u{6ED}' | '\u{1F3FB}'..='\u{1F3FF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_folding_is_that_of_the_standard() {
        let folded = |word: &str| {
            let mut folded = String::new();
            fold_case(word, false, Version::default(), &mut folded);
            folded
        };
        // Lines of CaseFolding.txt and NormalizationTest.txt, one of each kind.
        for (word, expected) in [
            ("A", "a"),
            ("ß", "ss"),
            ("ẞ", "ss"),
            ("Σ", "σ"),
            ("ς", "σ"),
            ("ſ", "s"),
            ("K", "k"),
            ("Å", "å"),
            ("İ", "i\u{307}"),
            ("ı", "ı"),
            ("ŉ", "n"),
            ("ǰ", "ǰ"),
            ("ﬁ", "fi"),
            ("ﬀ", "ff"),
            ("և", "եւ"),
            ("ΐ", "ΐ"),
            ("ᾳ", "αι"),
            ("Ⅳ", "iv"),
            ("ａＢ１", "ab1"),
            ("ｶﾞ", "ガ"),
            ("㍿", "株式会社"),
            ("e\u{301}", "é"),
            ("Ǆ", "dž"),
            ("a\u{AD}b\u{200E}c\u{200D}", "abc"),
            ("Ж", "ж"),
            ("Ა", "ა"),
            ("٤٢", "42"),
            ("क्‍ष", "क्ष"),
        ] {
            assert_eq!(folded(word), expected, "{word}");
            assert_eq!(folded(&folded(word)), expected, "{word} twice");
        }
    }

    #[test]
    fn greek_words_meet_in_every_case_and_normal_form() {
        let folded = |word: &str| {
            let mut folded = String::new();
            fold_case(word, false, Version::default(), &mut folded);
            folded
        };
        let marks = ["", "\u{345}", "\u{301}", "\u{308}", "\u{313}"];
        for letter in ('\u{370}'..'\u{400}').chain('\u{1F00}'..'\u{2000}') {
            for n in 0..marks.len().pow(3) {
                let word = format!("{letter}{}{}{}", marks[n % 5], marks[n / 5 % 5], marks[n / 25]);
                let decomposed: String = word.nfd().collect();
                let (upper, lower) = (decomposed.to_uppercase(), decomposed.to_lowercase());
                let expected = folded(&word);
                for other in [upper, lower, word.nfc().collect(), expected.clone()] {
                    assert_eq!(folded(&other), expected, "{word:?} as {other:?}");
                }
            }
        }
    }
}
