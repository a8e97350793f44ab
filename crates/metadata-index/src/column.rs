//! A field as a column: of each row the places of its values among all values of the field.

use std::ops::{ControlFlow, Range};
use std::sync::OnceLock;

use row_set::RowSet;

use crate::date::{DateUnit, Period};
use crate::error::{Error, ErrorKind, Result};
use crate::field_value::FieldValue;
use crate::layout::{self, Tag};
use crate::reader::Table;
use crate::values::{self, Dates};

/// So many values lie between two that are kept.
const STEP: usize = 32;
/// The most values of all rows together, for each row and for each byte of the index; a run of rows takes few bytes.
const MOST_PER_BYTE: u64 = 64;
/// In a small index there may be so many.
const MOST_IN_SMALL: u64 = 1 << 22;

/// Of each row the places of its values in the order of the values of a field, from 1 on.
///
/// It is made of an index in one pass over the values of the field. It takes 4 bytes a row, and where rows have several values 4 bytes more for each value; and 8
/// bytes for each number and each point in time that the field has, 32 more for integers beyond 2^53 that are no float; and 4 bytes for each value once they were counted over most rows. All rows together have at
/// most 2^22 values, or 64 for each row and each byte of the index if that is more.
#[derive(Debug)]
pub struct Column {
    field: String,
    dates: Dates,
    /// Where the places of each row begin; empty: a row has at most one, and `places` has one for each row, or 0.
    starts: Vec<u32>,
    places: Vec<u32>,
    /// Every so many values, the first included.
    landmarks: Vec<FieldValue>,
    distinct: usize,
    /// Numbers, and the place before the first of them.
    numbers: (usize, Vec<f64>),
    /// Of integers that are no float: the number of each among the numbers, and by how much it differs from the nearest float.
    differences: Vec<(usize, i128)>,
    /// Seconds of points in time, and the place before the first of them.
    seconds: (usize, Vec<i64>),
    /// What [`count`](Self::count) says of all rows, once that was asked for.
    counts: OnceLock<(Vec<u32>, u64)>,
}

impl Column {
    pub(crate) fn read(table: Table<'_>, field: &str, dates: Dates) -> Result<Self> {
        let mut column = Self {
            field: field.to_owned(),
            dates,
            starts: Vec::new(),
            places: Vec::new(),
            landmarks: Vec::new(),
            distinct: 0,
            numbers: (0, Vec::new()),
            differences: Vec::new(),
            seconds: (0, Vec::new()),
            counts: OnceLock::new(),
        };
        let most = (table.len_bytes() as u64 + u64::from(table.rows)).saturating_mul(MOST_PER_BYTE);
        let most = most.clamp(MOST_IN_SMALL, u32::MAX.into());
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        values::visit(table, field, dates, None, &mut |value| {
            column.add(value.tag, value.bytes);
            let place = u32::try_from(column.distinct).unwrap_or(u32::MAX);
            for list in value.rows.into_iter().flatten() {
                list.each(&mut |row| pairs.push((row, place)))?;
                if pairs.len() as u64 > most {
                    return Err(too_many_values(field, most));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        column.place(pairs, table.rows as usize);
        Ok(column)
    }

    /// Adds the next value.
    fn add(&mut self, tag: Tag, bytes: &[u8]) {
        if self.distinct.is_multiple_of(STEP) {
            self.landmarks.push(FieldValue { tag, bytes: bytes.to_vec() });
        }
        match tag {
            Tag::Number => {
                if self.numbers.1.is_empty() {
                    self.numbers.0 = self.distinct;
                }
                let (nearest, whole) = layout::decode_number(bytes).unwrap_or((f64::NAN, None));
                let difference = whole.map_or(0, |whole| whole - layout::exact(nearest));
                if difference != 0 {
                    self.differences.push((self.numbers.1.len(), difference));
                }
                self.numbers.1.push(nearest);
            }
            Tag::Date => {
                if self.seconds.1.is_empty() {
                    self.seconds.0 = self.distinct;
                }
                self.seconds.1.push(layout::decode_point(bytes).map_or(i64::MIN, |point| point.seconds));
            }
            _ => {}
        }
        self.distinct += 1;
    }

    /// Puts places to rows; they come in the order of places.
    fn place(&mut self, pairs: Vec<(u32, u32)>, rows: usize) {
        let mut starts = vec![0u32; rows + 1];
        for &(row, _) in &pairs {
            starts[row as usize + 1] += 1;
        }
        if starts.iter().all(|&count| count <= 1) {
            self.places = vec![0; rows];
            for (row, place) in pairs {
                self.places[row as usize] = place;
            }
            return;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        self.places = vec![0; pairs.len()];
        for (row, place) in pairs {
            let at = &mut next[row as usize];
            self.places[*at as usize] = place;
            *at += 1;
        }
        self.starts = starts;
    }

    /// The places of the values of a row, from 1 on and ascending, of one that is there twice twice; or a 0 alone where it has none.
    #[must_use]
    #[inline]
    pub fn places(&self, row: u32) -> &[u32] {
        let row = row as usize;
        let range = match self.starts.get(row..row + 2) {
            Some(&[start, end]) => start as usize..end as usize,
            _ if self.starts.is_empty() => row..row + 1,
            _ => 0..0,
        };
        self.places.get(range).unwrap_or_default()
    }

    /// The place of the least value of a row, from 1 on; 0 if it has none.
    #[must_use]
    #[inline]
    pub fn least(&self, row: u32) -> u32 {
        self.places(row).first().copied().unwrap_or(0)
    }

    /// The place of the greatest value of a row, from 1 on; 0 if it has none.
    #[must_use]
    #[inline]
    pub fn greatest(&self, row: u32) -> u32 {
        self.places(row).last().copied().unwrap_or(0)
    }

    /// How many different values there are: the last place.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.distinct
    }

    /// How many rows of a set have each value, of the one at place 1 first; and how many have any.
    #[must_use]
    pub fn count(&self, set: &RowSet) -> (Vec<u32>, u64) {
        let rows = if self.starts.is_empty() { self.places.len() } else { self.starts.len() - 1 };
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let count = |rows: &mut dyn Iterator<Item = u32>| {
            let (mut counts, mut with_any) = (vec![0u32; self.distinct], 0);
            self.count_rows(rows, &mut |at| counts[at] += 1, &mut || with_any += 1);
            (counts, with_any)
        };
        if set.len() <= rows as usize / 2 {
            return count(&mut set.iter());
        }
        // Of most rows: of all of them, without those that are not in the set.
        let (mut counts, mut with_any) = self.counts.get_or_init(|| count(&mut (0..rows))).clone();
        let mut others = RowSet::all_below(rows);
        others -= set;
        self.count_rows(&mut others.iter(), &mut |at| counts[at] -= 1, &mut || with_any -= 1);
        (counts, with_any)
    }

    /// Calls `value` with every value of some rows, by its place from 0 on, and `with_any` for each row that has one.
    fn count_rows(
        &self,
        rows: &mut dyn Iterator<Item = u32>,
        value: &mut dyn FnMut(usize),
        with_any: &mut dyn FnMut(),
    ) {
        for row in rows {
            let mut last = 0;
            for &place in self.places(row) {
                // Below an array of objects a row may have a value twice, alone and in an array: it counts once.
                if place != last {
                    value(place as usize - 1);
                }
                last = place;
            }
            if last != 0 {
                with_any();
            }
        }
    }

    /// The places of values that are numbers, from 0 on.
    #[must_use]
    pub fn number_places(&self) -> Range<usize> {
        self.numbers.0..self.numbers.0 + self.numbers.1.len()
    }

    /// The places of values that are points in time, from 0 on.
    #[must_use]
    pub fn date_places(&self) -> Range<usize> {
        self.seconds.0..self.seconds.0 + self.seconds.1.len()
    }

    /// A value that is a number, by its number among those, from 0 on; numbers ascend with it. The float nearest to it, and for integers that are no float
    /// by how much they differ from that, otherwise 0.
    #[must_use]
    pub fn number(&self, at: usize) -> Option<(f64, i128)> {
        let nearest = *self.numbers.1.get(at)?;
        let found = self.differences.binary_search_by_key(&at, |&(at, _)| at);
        Some((nearest, found.map_or(0, |found| self.differences[found].1)))
    }

    /// Calls `pair` with every two different values of a row of the set that follow each other, by their places from 0 on.
    pub fn each_pair(&self, set: &RowSet, pair: &mut dyn FnMut(usize, usize)) {
        if self.starts.is_empty() {
            return; // no row has two
        }
        for row in set {
            for places in self.places(row).windows(2).filter(|places| places[0] != places[1]) {
                pair(places[0] as usize - 1, places[1] as usize - 1);
            }
        }
    }

    /// The period that a point in time lies in, by its number among those, from 0 on; periods ascend with it.
    #[must_use]
    pub fn period(&self, at: usize, unit: DateUnit) -> Option<Period> {
        self.seconds.1.get(at).map(|&seconds| Period::new(seconds, unit))
    }

    /// Heap, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let landmarks: usize = self.landmarks.iter().map(|value| value.bytes.capacity()).sum();
        (self.places.capacity() + self.starts.capacity()) * size_of::<u32>()
            + (self.numbers.1.capacity() + self.seconds.1.capacity()) * size_of::<u64>()
            + self.differences.capacity() * size_of::<(usize, i128)>()
            + self.landmarks.capacity() * size_of::<FieldValue>()
            + self.counts.get().map_or(0, |(counts, _)| counts.capacity() * size_of::<u32>())
            + landmarks
    }

    /// The value at a place, from 1 on.
    pub(crate) fn value(&self, table: Table<'_>, place: usize) -> Result<Option<FieldValue>> {
        let Some(at) = place.checked_sub(1) else { return Ok(None) };
        let Some(landmark) = self.landmarks.get(at / STEP) else { return Ok(None) };
        let (mut left, mut found) = (at % STEP, None);
        values::visit(table, &self.field, self.dates, Some(landmark), &mut |value| {
            if left == 0 {
                found = Some(value.to_value());
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Calls `found` with every value, in their order.
    pub(crate) fn each_value(&self, table: Table<'_>, found: &mut dyn FnMut(FieldValue)) -> Result<()> {
        values::visit(table, &self.field, self.dates, None, &mut |value| {
            found(value.to_value());
            Ok(ControlFlow::Continue(()))
        })
    }
}

fn too_many_values(field: &str, most: u64) -> Error {
    let message = format!(
        "index of metadata: the field {field:?} has more than {most} values in all rows together, too many to sort by or to count"
    );
    Error::new(ErrorKind::TooLarge, message)
}
