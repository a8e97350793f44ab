//! Fields of a shard as columns, made when first sorted by, and kept.

use std::sync::Arc;

use metadata_index::Column;
use parking_lot::Mutex;

/// So many are kept of a shard; of more, those that were made last.
const KEPT: usize = 8;

/// A field, and whether dates are points in time.
type Key = (String, bool);

/// Columns by field, and by whether dates are points in time.
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
        if let Some((_, column)) = self.0.lock().iter().find(|(key, _)| is_it(key)) {
            return Ok(column.clone());
        }
        let column = Arc::new(read()?);
        let mut kept = self.0.lock();
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(((field.to_owned(), as_points), column.clone()));
        Ok(column)
    }

    pub(super) fn heap_bytes(&self) -> u64 {
        self.0.lock().iter().map(|(_, column)| column.heap_bytes() as u64).sum()
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
