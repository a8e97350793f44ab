//! Versions of the rules by which texts are cut into words.

use crate::error::{Error, ErrorKind, Result};

/// Version of the rules: a new one where the same options begin to give other terms. An index keeps the one that it was made with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// Knows fewer digits, apostrophes, elisions and pictures, and no variants of Arabic letters.
    Second = 2,
    /// Has each letter of Thai, Lao, Khmer and Burmese as a word.
    Third = 3,
    #[default]
    Fourth = 4,
}

impl Version {
    pub(super) fn from_number(number: u8) -> Result<Self> {
        let (kind, what_next) = match number {
            2 => return Ok(Self::Second),
            3 => return Ok(Self::Third),
            4 => return Ok(Self::Fourth),
            0..2 => (
                ErrorKind::Unsupported,
                "index the texts anew: export them with the release that wrote them, and add them again",
            ),
            _ => (ErrorKind::NewerFormat, "use the release that wrote them, or a later one"),
        };
        let newest = Self::default() as u8;
        let message = format!(
            "words were split by version {number} of the analyzer, and this library has versions 2 to {newest}; {what_next}"
        );
        Err(Error::new(kind, message))
    }
}
