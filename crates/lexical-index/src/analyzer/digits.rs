//! Decimal digits of all scripts.

use super::Version;

/// The zeros of Unicode 17 (general category Nd), each with the other nine digits behind it, without those that NFKC makes ASCII.
const ZEROS: [u32; 68] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0,
    0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0,
    0x11950, 0x11BF0, 0x11C50, 0x11D50, 0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50,
    0x16D70, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950,
];

/// The ASCII digit of a decimal digit of another script.
pub(super) fn ascii_digit(c: char, version: Version) -> Option<char> {
    let is_between = matches!(c, '\u{1C5A}'..'\u{A620}'); // Chinese, Japanese, Greek with breathings
    if c < '\u{660}' || is_between || version == Version::Second && !is_known_to_version_2(c) {
        return None;
    }
    let code = u32::from(c);
    let zero = ZEROS.partition_point(|&zero| zero <= code).checked_sub(1).and_then(|at| ZEROS.get(at))?;
    char::from_digit(code - zero, 10)
}

/// Arabic, Persian, N'Ko, Thai, and nine scripts of India.
fn is_known_to_version_2(c: char) -> bool {
    c <= '\u{E59}' && !matches!(c, '\u{DE6}'..='\u{DEF}')
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    /// By the standard: a number that goes on a number behind a comma (`Word_Break=Numeric`), without a second one that has no nine others.
    fn is_decimal(c: char) -> bool {
        const NEW_TAI_LUE_THAM_ONE: char = '\u{19DA}';
        c.is_numeric() && c != NEW_TAI_LUE_THAM_ONE && format!("1,{c}").unicode_words().count() == 1
    }

    #[test]
    fn the_decimal_digits_are_those_of_the_standard() {
        let mut digits = 0;
        for c in ('\u{80}'..=char::MAX).filter(|&c| !std::iter::once(c).nfkc().all(|c| c.is_ascii())) {
            assert_eq!(ascii_digit(c, Version::default()).is_some(), is_decimal(c), "U+{:04X}", u32::from(c));
            digits += usize::from(is_decimal(c));
        }
        assert_eq!(digits, 10 * ZEROS.len());
    }

    #[test]
    fn version_2_knows_thirteen_scripts() {
        let known = ('\0'..=char::MAX).filter(|&c| ascii_digit(c, Version::Second).is_some());
        assert_eq!(known.count(), 130);
        assert_eq!(ascii_digit('๔', Version::Second), Some('4'));
    }
}
