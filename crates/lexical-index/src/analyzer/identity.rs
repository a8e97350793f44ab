//! The options and the version of the rules in eight bytes.

use std::sync::Mutex;

use super::{Analyzer, Language, Version};
use crate::error::{Error, ErrorKind, Result};

const FOLD_DIACRITICS: u8 = 1;
const COMMON_ELISIONS: u8 = 2;
const WRITTEN_OUT: u8 = 4;

impl Analyzer {
    /// The options in eight bytes, which every part carries, with the version of the rules. A part is searched with the analyzer that
    /// made it.
    pub fn identity(&self) -> [u8; 8] {
        let stem = self.language().map_or(0, Language::code);
        let stop = self.stop_words.as_ref().map_or(0, |(language, _)| language.code());
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(self.fold_diacritics, FOLD_DIACRITICS)
            | flag(self.common_elisions, COMMON_ELISIONS)
            | flag(self.written_out, WRITTEN_OUT);
        [self.version as u8, flags, stem, stop, 0, 0, 0, 0]
    }

    /// The analyzer of an [`identity`](Self::identity), if this library and its features have it, with the rules of its version: 2 to 4.
    /// Those of version 1 are not kept ([`ErrorKind::Unsupported`]): texts are indexed anew.
    pub fn from_identity(identity: [u8; 8]) -> Result<Self> {
        let unknown = || {
            let message = format!("no analyzer {identity:?} in this version of lexical-index");
            Error::new(ErrorKind::Unsupported, message)
        };
        let version = Version::from_number(identity[0])?;
        let [_, flags, stem, stop, 0, 0, 0, 0] = identity else { return Err(unknown()) };
        if flags & !(FOLD_DIACRITICS | COMMON_ELISIONS | WRITTEN_OUT) != 0 {
            return Err(unknown());
        }
        let mut analyzer = Self { version, ..Self::new() }
            .fold_diacritics(flags & FOLD_DIACRITICS != 0)
            .common_elisions(flags & COMMON_ELISIONS != 0)
            .written_out(flags & WRITTEN_OUT != 0);
        if stem != 0 {
            analyzer = analyzer.stem(Language::from_code(stem).ok_or_else(unknown)?)?;
        }
        if stop != 0 {
            analyzer = analyzer.stop_words(Language::from_code(stop).ok_or_else(unknown)?)?;
        }
        Ok(analyzer)
    }

    /// The same options with the rules of this library: those of an earlier [`identity`](Self::identity) give other terms.
    #[must_use]
    pub fn newest_rules(mut self) -> Self {
        self.version = Version::default();
        self.known_stems = Mutex::default();
        self.refold_stop_words()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analyzer_comes_back_from_its_identity_and_an_unknown_one_is_refused() {
        let folding = Analyzer::new().fold_diacritics(true).written_out(true);
        let analyzer = folding.stop_words(Language::German).unwrap();
        assert_eq!(analyzer.identity(), [4, 5, 0, 7, 0, 0, 0, 0]);
        assert_eq!(Analyzer::from_identity(analyzer.identity()).unwrap().identity(), analyzer.identity());
        for identity in [[3, 8, 0, 0, 0, 0, 0, 0], [3, 0, 99, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(Analyzer::from_identity(identity).unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn an_index_of_another_version_of_the_rules_is_refused_and_told_what_to_do() {
        let refused = |version| Analyzer::from_identity([version, 1, 4, 0, 0, 0, 0, 0]).unwrap_err();
        assert_eq!(refused(1).kind(), ErrorKind::Unsupported);
        assert!(refused(1).to_string().contains("index the texts anew"), "{}", refused(1));
        assert_eq!(refused(5).kind(), ErrorKind::NewerFormat);
        assert!(refused(5).to_string().contains("version 5"), "{}", refused(5));
    }

    #[test]
    fn rules_of_earlier_versions_stay_until_the_newest_are_asked_for() {
        let older = Analyzer::from_identity([2, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(older.identity(), [2, 1, 0, 0, 0, 0, 0, 0]);
        let terms = |analyzer: &Analyzer| {
            analyzer.tokens("໑໒").into_iter().map(|token| token.term).collect::<Vec<_>>()
        };
        assert_eq!(terms(&older), ["໑໒"]);
        let third = Analyzer::from_identity([3, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(terms(&third), ["12"]);
        let thai = |analyzer: &Analyzer| {
            analyzer.tokens("ภาษ").into_iter().map(|token| token.term).collect::<Vec<_>>()
        };
        assert_eq!(
            (thai(&older), thai(&third)),
            (vec!["ภ".to_owned(), "า".to_owned(), "ษ".to_owned()], thai(&older))
        );
        let newest = older.newest_rules();
        assert_eq!(thai(&newest), ["ภา", "าษ"]);
        assert_eq!((newest.identity(), terms(&newest)), ([4, 1, 0, 0, 0, 0, 0, 0], vec!["12".to_owned()]));
    }
}
