//! Fields of a shard as columns, made when first sorted by, and kept.

use std::sync::Arc;

use metadata_index::Column;
use parking_lot::Mutex;

/// So many are kept of a shard, and more as long as they take no more than so many bytes together: those that were asked for last.
const KEPT: usize = 8;
const KEPT_BYTES: usize = 16 << 20;
/// However small they are.
const MOST: usize = 256;

/// A field, and whether dates are points in time.
type Key = (String, bool);

/// Columns by field, and by whether dates are points in time: the one that was asked for last comes last.
#[derive(Debug, Default)]
pub(super) struct Columns(Mutex<Vec<(Key, Arc<Column>)>>);

impl Columns {
    pub(super) fn get_or_read<E>(
        &self,
        field: &str,
        as_points: bool,
        read: impl FnOnce() -> Result<Column, E>,
    ) -> Result<Arc<Column>, E> {
        let is_it = |(name, of_points): &Key| name == field && *of_points == as_points;
        let mut kept = self.0.lock();
        if let Some(at) = kept.iter().position(|(key, _)| is_it(key)) {
            kept[at..].rotate_left(1);
            return Ok(kept[kept.len() - 1].1.clone());
        }
        drop(kept);
        let column = Arc::new(read()?);
        let mut kept = self.0.lock();
        // Another thread may have made it meanwhile.
        kept.retain(|(key, _)| !is_it(key));
        kept.push(((field.to_owned(), as_points), column.clone()));
        let mut bytes: usize = kept.iter().map(|(_, column)| column.heap_bytes()).sum();
        while kept.len() > MOST || kept.len() > KEPT && bytes > KEPT_BYTES {
            bytes -= kept.remove(0).1.heap_bytes();
        }
        Ok(column)
    }

    pub(super) fn heap_bytes(&self) -> u64 {
        self.0.lock().iter().map(|(_, column)| column.heap_bytes() as u64).sum()
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use metadata_index::{Builder, Index};

    use super::*;

    /// A column of so many rows, a value in each.
    fn column(rows: u32) -> impl Fn() -> Column {
        let mut builder = Builder::new();
        for row in 0..rows {
            builder.add(row, None, serde_json::json!({"n": row}).as_object().unwrap());
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes).unwrap();
        let index = Index::open(bytes, rows).unwrap();
        move || index.column("n", false).unwrap()
    }

    #[test]
    fn small_columns_are_made_once_however_many_and_of_large_ones_those_asked_for_last_stay() {
        for (rows, fields, again) in [(10, MOST, 0), (10, MOST + 1, MOST + 1), (1 << 20, 12, 12)] {
            let (columns, column, made) = (Columns::default(), column(rows), Cell::new(0));
            let get = |field: usize| {
                let read = || -> Result<Column, ()> {
                    made.set(made.get() + 1);
                    Ok(column())
                };
                columns.get_or_read(&field.to_string(), false, read).unwrap();
            };
            assert!(rows == 10 || 8 * column().heap_bytes() > KEPT_BYTES);
            (0..fields).for_each(get);
            assert_eq!(made.get(), fields);
            (0..fields).for_each(get);
            assert_eq!(made.get(), fields + again, "{rows} rows");
            // Whatever else is asked for.
            for field in 1..fields {
                get(0);
                get(field);
            }
            let before = made.get();
            get(0);
            assert_eq!(made.get(), before);
        }
    }
}
