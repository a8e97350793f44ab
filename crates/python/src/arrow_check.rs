//! What is in the arrays of an imported table, looked at before any of it is read: the interface of Arrow says nothing about offsets, keys and texts, and `arrow-array` trusts them.

use std::ops::{Deref, Range};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, GenericStringArray, OffsetSizeTrait};
use arrow_schema::DataType;

/// Where an array is wrong, and what is there.
pub(crate) struct Wrong {
    pub(crate) row: usize,
    pub(crate) what: String,
}

impl Wrong {
    fn new(row: usize, what: impl Into<String>) -> Self {
        Self { row, what: what.into() }
    }
}

/// Refuses an array whose values cannot be read. Of a slice of an array, what is outside of it is not looked at.
pub(crate) fn check(array: &dyn Array) -> Result<(), Wrong> {
    match array.data_type() {
        DataType::Utf8 => strings(array.as_string::<i32>()),
        DataType::LargeUtf8 => strings(array.as_string::<i64>()),
        DataType::Utf8View => {
            let views = array.as_string_view();
            check_views(array, views.views(), views.data_buffers(), |bytes| {
                std::str::from_utf8(bytes).is_ok()
            })
        }
        DataType::Binary => {
            let binary = array.as_binary::<i32>();
            range(binary.value_offsets(), binary.values().len()).map(drop)
        }
        DataType::LargeBinary => {
            let binary = array.as_binary::<i64>();
            range(binary.value_offsets(), binary.values().len()).map(drop)
        }
        DataType::BinaryView => {
            let views = array.as_binary_view();
            check_views(array, views.views(), views.data_buffers(), |_| true)
        }
        DataType::List(_) => items(array.as_list::<i32>().value_offsets(), array.as_list::<i32>().values()),
        DataType::LargeList(_) => {
            items(array.as_list::<i64>().value_offsets(), array.as_list::<i64>().values())
        }
        DataType::FixedSizeList(_, len) => {
            let len = usize::try_from(*len).unwrap_or(0).max(1);
            check(array.as_fixed_size_list().values())
                .map_err(|wrong| Wrong::new(wrong.row / len, wrong.what))
        }
        DataType::Struct(_) => array.as_struct().columns().iter().try_for_each(|column| check(column)),
        DataType::Dictionary(..) => dictionary(array),
        // Numbers of a width that the type says; and what is refused when a value of it is read.
        _ => Ok(()),
    }
}

/// What values lie between the first and the last of some offsets, which ascend. The one offset of an array of no rows is of no value, and may lie anywhere.
fn range<O: OffsetSizeTrait>(offsets: &[O], len: usize) -> Result<Range<usize>, Wrong> {
    if offsets.len() < 2 {
        return Ok(0..0);
    }
    for (row, pair) in offsets.windows(2).enumerate() {
        let is_within = pair[0].to_usize().is_some() && pair[1].to_usize().is_some_and(|end| end <= len);
        if pair[0] > pair[1] || !is_within {
            let what = format!("a value from the offset {:?} to {:?}, of {len}", pair[0], pair[1]);
            return Err(Wrong::new(row, what));
        }
    }
    Ok(offsets.first().map_or(0, |first| first.as_usize())..offsets.last().map_or(0, |last| last.as_usize()))
}

fn strings<O: OffsetSizeTrait>(array: &GenericStringArray<O>) -> Result<(), Wrong> {
    let (offsets, bytes) = (array.value_offsets(), array.values().as_slice());
    let all = range(offsets, bytes.len())?;
    // All at once is fast, and right unless a letter is cut in two.
    if let Ok(text) = std::str::from_utf8(&bytes[all.clone()])
        && offsets.iter().all(|offset| text.is_char_boundary(offset.as_usize() - all.start))
    {
        return Ok(());
    }
    for (row, pair) in offsets.windows(2).enumerate().filter(|(row, _)| !array.is_null(*row)) {
        if std::str::from_utf8(&bytes[pair[0].as_usize()..pair[1].as_usize()]).is_err() {
            return Err(not_utf8(row));
        }
    }
    Ok(())
}

fn not_utf8(row: usize) -> Wrong {
    Wrong::new(row, "a string that is not UTF-8; cast the column to binary, and decode it")
}

/// Views: a length, and up to 12 bytes, or where they are.
fn check_views(
    array: &dyn Array,
    views: &[u128],
    buffers: &[impl Deref<Target = [u8]>],
    is_right: impl Fn(&[u8]) -> bool,
) -> Result<(), Wrong> {
    for (row, view) in views.iter().enumerate().filter(|(row, _)| !array.is_null(*row)) {
        let [len, _, buffer, offset]: [u32; 4] = bytemuck::cast(*view);
        let inline: [u8; 16] = bytemuck::cast(*view);
        let [len, buffer, offset] = [len, buffer, offset].map(|number| number as usize);
        let bytes = match len {
            0..=12 => inline.get(4..4 + len),
            _ => buffers.get(buffer).and_then(|bytes| bytes.get(offset..offset.checked_add(len)?)),
        };
        let Some(bytes) = bytes else {
            return Err(Wrong::new(row, format!("a value of {len} bytes that are not there")));
        };
        if !is_right(bytes) {
            return Err(not_utf8(row));
        }
    }
    Ok(())
}

/// The values of lists.
fn items<O: OffsetSizeTrait>(offsets: &[O], values: &dyn Array) -> Result<(), Wrong> {
    let all = range(offsets, values.len())?;
    check(&values.slice(all.start, all.len())).map_err(|wrong| {
        let place = all.start + wrong.row;
        let row = offsets.partition_point(|offset| offset.as_usize() <= place).saturating_sub(1);
        Wrong::new(row, wrong.what)
    })
}

fn dictionary(array: &dyn Array) -> Result<(), Wrong> {
    let (keys, values) = (array.as_any_dictionary().keys(), array.as_any_dictionary().values());
    for row in (0..keys.len()).filter(|row| !keys.is_null(*row)) {
        if dictionary_key(keys, row).is_none_or(|key| key >= values.len()) {
            return Err(Wrong::new(
                row,
                format!("a key of none of the {} values of a dictionary", values.len()),
            ));
        }
    }
    check(values).map_err(|wrong| {
        let is_its = |row: &usize| !keys.is_null(*row) && dictionary_key(keys, *row) == Some(wrong.row);
        Wrong::new((0..keys.len()).find(is_its).unwrap_or(0), wrong.what)
    })
}

/// Which value of a dictionary a row has, which is not null; `None`: none.
pub(crate) fn dictionary_key(keys: &dyn Array, row: usize) -> Option<usize> {
    macro_rules! key {
        ($($data_type:ident => $kind:ty),+) => {
            match keys.data_type() {
                $(DataType::$data_type => usize::try_from(keys.as_primitive::<$kind>().value(row)).ok(),)+
                _ => None,
            }
        };
    }
    key!(
        Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type,
        UInt8 => UInt8Type, UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type
    )
}
