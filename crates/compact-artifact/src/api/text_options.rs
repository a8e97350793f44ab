//! How texts that are there already become words: another language, or none.

use lexical_index::Language;

use crate::api::options::LanguageOption;

/// How the texts of an artifact become words, for [`set_text_options`](crate::CompactArtifact::set_text_options). What is not set stays as it is.
/// Words that an earlier release made by other rules are made by those of this one, also where nothing is set.
///
/// ```
/// use compact_artifact::{Language, TextOptions};
///
/// let norwegian = TextOptions::new().language(Language::Norwegian); // å is still found by a, or is not, as before
/// let exact = TextOptions::new().no_language().fold_diacritics(false);
/// # let _ = (norwegian, exact);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "does nothing until it is given to `set_text_options`"]
pub struct TextOptions {
    pub(crate) language: LanguageOption,
    pub(crate) fold_diacritics: Option<bool>,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { language: LanguageOption::Unset, fold_diacritics: None }
    }
}

impl TextOptions {
    /// Everything as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Texts are searched by the stems of words in this language: see [`Options::language`](crate::Options::language).
    pub fn language(mut self, language: Language) -> Self {
        self.language = LanguageOption::Stems(language);
        self
    }

    /// Texts are searched by their words as they are: no stems, no stop words.
    pub fn no_language(mut self) -> Self {
        self.language = LanguageOption::NoStems;
        self
    }

    /// Whether words are compared without their diacritics: `é` is `e`, `œ` is `oe`.
    pub fn fold_diacritics(mut self, fold: bool) -> Self {
        self.fold_diacritics = Some(fold);
        self
    }
}
