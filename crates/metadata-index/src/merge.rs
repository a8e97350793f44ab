//! Several indexes → one, without the rows that are left out.

use std::io::Write;

use roaring::RoaringBitmap;
use wire::Bytes;

use crate::error::Result;
use crate::index::Index;
use crate::reader::Entries;
use crate::writer::Writer;

/// The new number of a row; `None` for a row that is left out.
pub type RowMap<'a> = &'a dyn Fn(u32) -> Option<u32>;

/// Writes one index of several, each with the new numbers of its rows.
///
/// The bytes are those of an index that a [`Builder`](crate::Builder) makes from the rows that are left. Memory is that of 32 keys and
/// their rows, as they are written. No two rows may get the same number.
///
/// Errors: [`Damaged`](crate::ErrorKind::Damaged) for indexes that do not hold, and as of [`Builder::write`](crate::Builder::write).
///
/// ```
/// use metadata_index::{Builder, Index, merge};
/// use serde_json::json;
///
/// # fn main() -> metadata_index::Result<()> {
/// let index = |key: &str| {
///     let mut builder = Builder::new();
///     builder.add(0, Some(key), json!({"n": 1}).as_object().unwrap());
///     let mut bytes = Vec::new();
///     builder.write(&mut bytes)?;
///     Index::open(bytes, 1)
/// };
/// let mut bytes = Vec::new();
/// merge(&[(&index("cat")?, &|row| Some(row)), (&index("dog")?, &|row| Some(row + 1))], &mut bytes)?;
/// assert_eq!(Index::open(bytes, 2)?.row_of_key("dog", |_| true)?, Some(1));
/// # Ok(()) }
/// ```
pub fn merge<B: Bytes>(indexes: &[(&Index<B>, RowMap<'_>)], out: impl Write) -> Result<()> {
    let mut writer = Writer::new(out);
    let inputs = indexes.iter().map(|(index, row_map)| Ok((index.table().entries()?, *row_map)));
    let mut inputs = inputs.collect::<Result<Vec<_>>>()?;
    let mut key = Vec::new();
    while find_least_key(&mut inputs, &mut key)? {
        let rows = take_rows(&mut inputs, &key)?;
        if !rows.is_empty() {
            writer.push(&key, rows)?;
        }
    }
    writer.finish()
}

type Input<'a> = (Entries<'a>, RowMap<'a>);

/// Copies the least key that comes next in any input to `least`. `false` at the end of all.
fn find_least_key(inputs: &mut [Input<'_>], least: &mut Vec<u8>) -> Result<bool> {
    let mut found = false;
    for (entries, _) in inputs {
        if let Some(key) = entries.peek_key() {
            let key = key?;
            if !found || key < least.as_slice() {
                least.clear();
                least.extend(key);
                found = true;
            }
        }
    }
    Ok(found)
}

/// Takes the entries with a key that comes next: their rows by their new numbers.
fn take_rows(inputs: &mut [Input<'_>], key: &[u8]) -> Result<RoaringBitmap> {
    let mut rows = RoaringBitmap::new();
    for (entries, row_map) in inputs {
        let is_next = matches!(entries.peek_key(), Some(Ok(next)) if next == key);
        if is_next && let Some(entry) = entries.next_entry() {
            entry?.1.each(&mut |row| rows.extend(row_map(row)))?;
        }
    }
    Ok(rows)
}
