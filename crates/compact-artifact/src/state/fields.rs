//! Fields of the metadata that no record has, and what is spelt like them.

use metadata_index::Filter;

use super::snapshot::State;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::results::UnknownField;

/// Names that differ in more characters are not near.
const MAX_DISTANCE: usize = 2;

impl State {
    /// Those of the fields that no record has. Where an index is damaged, it is taken for granted that it has them.
    pub(crate) fn unknown_fields<'f>(
        &self,
        fields: impl IntoIterator<Item = &'f str>,
    ) -> Result<Vec<UnknownField>> {
        let mut unknown = Vec::new();
        for field in fields {
            if !self.has_field(field)? {
                unknown.push(UnknownField { field: field.to_owned(), nearest: self.nearest_field(field)? });
            }
        }
        Ok(unknown)
    }

    /// Refuses a filter with a field that no record has, where it is strict.
    pub(super) fn check_strict(&self, filter: &Filter) -> Result<()> {
        self.unknown_fields(filter.strict_fields())?.first().map_or(Ok(()), |field| Err(field.into()))
    }

    fn has_field(&self, field: &str) -> Result<bool> {
        for view in &self.views {
            match view.shard.filters.has_field(field, |row| !view.dead.contains(row)) {
                Ok(false) => {}
                Err(e) if e.kind() != metadata_index::ErrorKind::Damaged => return Err(e.into()),
                Ok(true) | Err(_) => return Ok(true),
            }
        }
        Ok(false)
    }

    /// The field that differs in the fewest characters, if those are few.
    fn nearest_field(&self, field: &str) -> Result<Option<String>> {
        let mut nearest: Option<(usize, String)> = None;
        for view in &self.views {
            let is_live = |row| !view.dead.contains(row);
            view.shard.filters.each_field(is_live, &mut |known| {
                let found = (distance(field, known), known);
                let is_near = found.0 <= MAX_DISTANCE && found.0 < known.chars().count();
                if is_near && nearest.as_ref().is_none_or(|(least, name)| found < (*least, name)) {
                    nearest = Some((found.0, known.to_owned()));
                }
            })?;
        }
        Ok(nearest.map(|(_, name)| name))
    }
}

impl From<&UnknownField> for Error {
    fn from(field: &UnknownField) -> Self {
        Self::new(ErrorKind::NoSuchField, field.to_string())
    }
}

/// How many characters have to be exchanged, left out or put in.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let best = (diagonal + usize::from(c != *other)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_characters() {
        for (a, b, expected) in
            [("", "", 0), ("year", "yaer", 2), ("year", "years", 1), ("ä", "a", 1), ("", "abc", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
