//! The rows of a shard that expired, found when first asked for and kept.

use std::sync::Arc;

use metadata_index::Moment;
use parking_lot::Mutex;
use vector_index::RowSet;

/// The rows that expired up to a moment.
#[derive(Debug)]
pub(crate) struct Expired {
    field: String,
    at: Moment,
    pub(crate) rows: RowSet,
    /// The second in which the next row may expire.
    pub(crate) next: Option<i64>,
}

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Expiry(Mutex<Option<Arc<Expired>>>);

impl Expiry {
    pub(super) fn get_or_find<E>(
        &self,
        field: &str,
        now: Moment,
        find: impl FnOnce() -> Result<(RowSet, Option<i64>), E>,
    ) -> Result<Arc<Expired>, E> {
        let mut kept = self.0.lock();
        if let Some(expired) = &*kept
            && expired.field == field
            && expired.at <= now
            && expired.next.is_none_or(|next| now.seconds() < next)
        {
            return Ok(expired.clone());
        }
        let (rows, next) = find()?;
        let expired = Arc::new(Expired { field: field.to_owned(), at: now, rows, next });
        *kept = Some(expired.clone());
        Ok(expired)
    }
}
