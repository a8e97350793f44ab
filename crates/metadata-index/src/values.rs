//! The values of a field, in their order, each with the rows that have it.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use crate::block::rows::Rows;
use crate::error::Result;
use crate::field_value::FieldValue;
use crate::fields::MAX_PATH_LEN;
use crate::layout::{Tag, field_key};
use crate::reader::{Entries, Table};

/// Which of the two forms of a date are values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dates {
    /// Points in time: what dates are sorted by.
    Points,
    /// Texts: what tells them apart.
    Texts,
}

impl Dates {
    fn tags(self) -> [Tag; 4] {
        match self {
            Self::Points => [Tag::Bool, Tag::Number, Tag::String, Tag::Date],
            Self::Texts => [Tag::Bool, Tag::Number, Tag::String, Tag::DateText],
        }
    }
}

/// A value with its rows: those that have it alone, and those that have it in an array.
#[derive(Debug)]
pub(crate) struct ValueRows<'k, 'a> {
    pub(crate) tag: Tag,
    pub(crate) bytes: &'k [u8],
    pub(crate) rows: [Option<Rows<'a>>; 2],
}

impl ValueRows<'_, '_> {
    pub(crate) fn to_value(&self) -> FieldValue {
        FieldValue { tag: self.tag, bytes: self.bytes.to_vec() }
    }
}

/// Calls `found` with every value of a field, in order, from `from` on, until it breaks.
pub(crate) fn visit<'a>(
    table: Table<'a>,
    path: &str,
    dates: Dates,
    from: Option<&FieldValue>,
    found: &mut dyn FnMut(ValueRows<'_, 'a>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    if path.len() > MAX_PATH_LEN {
        return Ok(());
    }
    for tag in dates.tags() {
        let start: &[u8] = match from {
            Some(from) if from.tag > tag => continue,
            Some(from) if from.tag == tag => &from.bytes,
            _ => &[],
        };
        if visit_tag(table, path, tag, start, found)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The values of one type: those that stand alone and those in arrays, merged.
fn visit_tag<'a>(
    table: Table<'a>,
    path: &str,
    tag: Tag,
    start: &[u8],
    found: &mut dyn FnMut(ValueRows<'_, 'a>) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let prefix_len = field_key(path, tag, false, &[]).len();
    let mut alone = Run::new(table, path, tag, false, start)?;
    let mut in_array = Run::new(table, path, tag, true, start)?;
    let mut bytes = Vec::new();
    loop {
        let next = match (alone.peek()?, in_array.peek()?) {
            (None, None) => return Ok(ControlFlow::Continue(())),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(b),
        };
        let mut rows = [None, None];
        if next.is_le() {
            rows[0] = alone.take(prefix_len, &mut bytes)?;
        }
        if next.is_ge() {
            rows[1] = in_array.take(prefix_len, &mut bytes)?;
        }
        if found(ValueRows { tag, bytes: &bytes, rows })?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// The keys that begin with a prefix.
struct Run<'a> {
    entries: Entries<'a>,
    prefix: Vec<u8>,
    is_over: bool,
}

impl<'a> Run<'a> {
    fn new(table: Table<'a>, path: &str, tag: Tag, in_array: bool, start: &[u8]) -> Result<Self> {
        let entries = table.entries_from(&field_key(path, tag, in_array, start))?;
        Ok(Self { entries, prefix: field_key(path, tag, in_array, &[]), is_over: false })
    }

    /// The value of the next key.
    fn peek(&mut self) -> Result<Option<&[u8]>> {
        if self.is_over {
            return Ok(None);
        }
        let value = match self.entries.peek_key() {
            Some(key) => key?.strip_prefix(self.prefix.as_slice()),
            None => None,
        };
        self.is_over = value.is_none();
        Ok(value)
    }

    fn take(&mut self, prefix_len: usize, bytes: &mut Vec<u8>) -> Result<Option<Rows<'a>>> {
        let Some(entry) = self.entries.next_entry() else { return Ok(None) };
        let (key, rows) = entry?;
        bytes.clear();
        bytes.extend(&key[prefix_len.min(key.len())..]);
        Ok(Some(rows))
    }
}
