//! A field as a column: of each row the place of its value among all values of the field.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::field_value::FieldValue;
use crate::reader::Table;
use crate::values::{self, Dates, ValueRows};

/// So many values lie between two that are kept.
const STEP: u32 = 32;

/// Of each row the place of its value in the order of the values of a field. A row with several values has the least of them, or the greatest.
///
/// It is made of an index in one pass over the values of the field, and takes 4 bytes a row.
#[derive(Debug)]
pub struct Column {
    /// Of each row, from 1 on; 0: it has no value.
    places: Vec<u32>,
    /// Every so many values, the first included.
    landmarks: Vec<FieldValue>,
}

impl Column {
    pub(crate) fn read(table: Table<'_>, field: &str, rows: u32, greatest: bool) -> Result<Self> {
        let mut places = vec![0; rows as usize];
        let (mut landmarks, mut place) = (Vec::new(), 0u32);
        values::visit(table, field, Dates::Points, None, &mut |value: ValueRows<'_, '_>| {
            if place.is_multiple_of(STEP) {
                landmarks.push(value.to_value());
            }
            place += 1;
            for rows in value.rows.into_iter().flatten() {
                rows.each(&mut |row| {
                    if let Some(at) = places.get_mut(row as usize)
                        && (greatest || *at == 0)
                    {
                        *at = place;
                    }
                })?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Self { places, landmarks })
    }

    /// The place of the value of a row, from 1 on; 0 if it has none.
    #[must_use]
    #[inline]
    pub fn place(&self, row: u32) -> u32 {
        self.places.get(row as usize).copied().unwrap_or(0)
    }

    /// Heap, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let landmarks: usize = self.landmarks.iter().map(|value| value.bytes.capacity()).sum();
        self.places.capacity() * size_of::<u32>()
            + landmarks
            + self.landmarks.capacity() * size_of::<FieldValue>()
    }

    /// The value at a place.
    pub(crate) fn value(&self, table: Table<'_>, field: &str, place: u32) -> Result<Option<FieldValue>> {
        let Some(at) = place.checked_sub(1) else { return Ok(None) };
        let Some(landmark) = self.landmarks.get((at / STEP) as usize) else { return Ok(None) };
        let (mut left, mut found) = (at % STEP, None);
        values::visit(table, field, Dates::Points, Some(landmark), &mut |value: ValueRows<'_, '_>| {
            if left == 0 {
                found = Some(value.to_value());
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}
