//! Comparisons of strings of which an index has the first bytes: see [`INDEXED_LEN`].

use super::Bound;
use super::value::INDEXED_LEN;

/// Which strings a range or a prefix lets through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison<'a> {
    /// `None` for a prefix.
    bound: Option<Bound>,
    with: &'a [u8],
}

impl<'a> Comparison<'a> {
    pub(crate) fn range(bound: Bound, with: &'a str) -> Self {
        Self { bound: Some(bound), with: with.as_bytes() }
    }

    pub(crate) fn prefix(with: &'a str) -> Self {
        Self { bound: None, with: with.as_bytes() }
    }

    /// Whether it lets a string through. A string of the index will do unless it [is undecided](Self::is_undecided).
    pub(crate) fn lets_through(&self, string: &[u8]) -> bool {
        match self.bound {
            Some(Bound::Lt) => string < self.with,
            Some(Bound::Lte) => string <= self.with,
            Some(Bound::Gt) => string > self.with,
            Some(Bound::Gte) => string >= self.with,
            None => string.starts_with(self.with),
        }
    }

    /// Whether what is in the index of a string does not tell: both are long, and begin with the same bytes.
    pub(crate) fn is_undecided(&self, indexed: &[u8]) -> bool {
        let is_long = |string: &[u8]| string.len() > INDEXED_LEN;
        is_long(indexed) && is_long(self.with) && indexed.starts_with(self.head())
    }

    /// Where the strings begin in the index that it may let through.
    pub(crate) fn start(&self) -> &'a [u8] {
        match self.bound {
            Some(Bound::Lt | Bound::Lte) => &[],
            _ => self.head(),
        }
    }

    /// Whether no string from this one on is let through or undecided.
    pub(crate) fn is_behind(&self, indexed: &[u8]) -> bool {
        match self.bound {
            Some(Bound::Gt | Bound::Gte) => false,
            Some(Bound::Lt | Bound::Lte) => indexed > self.with && !self.is_undecided(indexed),
            None => !indexed.starts_with(self.head()),
        }
    }

    fn head(&self) -> &'a [u8] {
        &self.with[..self.with.len().min(INDEXED_LEN)]
    }
}
