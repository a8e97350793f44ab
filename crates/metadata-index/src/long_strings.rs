//! Ranges and prefixes of strings, where the index holds only the first bytes of long strings.
//!
//! The index holds the first [`INDEXED_LEN`] bytes of a longer string, then a hash. For most comparisons these bytes decide. They do not if
//! the string that is asked for is longer as well and begins with the same bytes: then the search reads the string from the metadata.

use crate::filter::Bound;
use crate::layout::INDEXED_LEN;

/// A range or a prefix of strings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison<'a> {
    /// `None` for a prefix.
    bound: Option<Bound>,
    operand: &'a [u8],
}

impl<'a> Comparison<'a> {
    pub(crate) fn range(bound: Bound, operand: &'a str) -> Self {
        Self { bound: Some(bound), operand: operand.as_bytes() }
    }

    pub(crate) fn prefix(operand: &'a str) -> Self {
        Self { bound: None, operand: operand.as_bytes() }
    }

    /// Whether a string matches. A string as the index holds it will do unless it [is undecided](Self::is_undecided).
    pub(crate) fn matches(&self, string: &[u8]) -> bool {
        match self.bound {
            Some(Bound::Lt) => string < self.operand,
            Some(Bound::Lte) => string <= self.operand,
            Some(Bound::Gt) => string > self.operand,
            Some(Bound::Gte) => string >= self.operand,
            None => string.starts_with(self.operand),
        }
    }

    /// Whether the bytes in the index do not decide: both strings are long and begin with the same bytes.
    pub(crate) fn is_undecided(&self, indexed: &[u8]) -> bool {
        let is_long = |string: &[u8]| string.len() > INDEXED_LEN;
        is_long(indexed) && is_long(self.operand) && indexed.starts_with(self.head())
    }

    /// Lower bound of the strings in the index that may match.
    pub(crate) fn start(&self) -> &'a [u8] {
        match self.bound {
            Some(Bound::Lt | Bound::Lte) => &[],
            _ => self.head(),
        }
    }

    /// Whether no string of the index from this one on matches or is undecided.
    pub(crate) fn is_past(&self, indexed: &[u8]) -> bool {
        match self.bound {
            Some(Bound::Gt | Bound::Gte) => false,
            Some(Bound::Lt | Bound::Lte) => indexed > self.operand && !self.is_undecided(indexed),
            None => !indexed.starts_with(self.head()),
        }
    }

    fn head(&self) -> &'a [u8] {
        &self.operand[..self.operand.len().min(INDEXED_LEN)]
    }
}
