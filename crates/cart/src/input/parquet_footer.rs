//! The footer of Parquet, a struct of Thrift's compact protocol. The reader of `parquet` follows a schema however deep it is nested, and allocates as many elements as
//! lists and groups say they have, so that both are checked before.

use std::error::Error;
use std::io::{Read, Seek, SeekFrom};

/// Levels of a schema, the first and the last included, at most. Metadata is nested 100 deep; each level takes some kilobytes of the stack.
const MAX_LEVELS: usize = 128;

/// Bytes at the end: the length of the footer and [`MAGIC`].
const TRAILER_LEN: usize = 8;
const MAGIC: &[u8] = b"PAR1";

/// Structs and lists in each other, at most: as many as the reader passes over.
const MAX_NESTED: usize = 64;

// Types of Thrift.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(super) const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
pub(super) const STRUCT: u8 = 12;

/// The number of the schema in the footer, and the types of the fields of the footer from 1 on.
const SCHEMA: i16 = 2;
const FOOTER: &[u8] = &[I32, LIST, I64, LIST, LIST, BINARY, LIST];
/// The number of `num_children` in an element of the schema, and the types of its fields from 1 on.
const CHILDREN: i16 = 5;
const ELEMENT: &[u8] = &[I32, I32, I32, BINARY, I32, I32, I32, I32, I32, STRUCT];

/// Checks the footer of a file; one that does not end as Parquet does is left to the reader.
pub(super) fn check(file: &mut (impl Read + Seek)) -> Result<(), Box<dyn Error>> {
    let end = file.seek(SeekFrom::End(0))?;
    let Some(trailer) = end.checked_sub(TRAILER_LEN as u64) else { return Ok(()) };
    file.seek(SeekFrom::Start(trailer))?;
    let mut last = [0; TRAILER_LEN];
    file.read_exact(&mut last)?;
    let [a, b, c, d, magic @ ..] = last;
    let begin = trailer.checked_sub(u32::from_le_bytes([a, b, c, d]).into());
    let Some(begin) = begin.filter(|_| magic == MAGIC) else { return Ok(()) };
    file.seek(SeekFrom::Start(begin))?;
    let mut footer = Vec::new();
    file.take(trailer - begin).read_to_end(&mut footer)?;
    let levels = Thrift(&footer).schema_levels().ok_or("the footer is damaged")?;
    if levels > MAX_LEVELS {
        return Err(format!("the schema is nested deeper than {MAX_LEVELS} levels").into());
    }
    Ok(())
}

/// Bytes that are read from the front. Whatever is read is none where it cannot be.
pub(super) struct Thrift<'b>(pub(super) &'b [u8]);

impl Thrift<'_> {
    /// How deep the schema of a footer is nested. All else is passed over, to see that it can be.
    fn schema_levels(&mut self) -> Option<usize> {
        let (mut levels, mut number) = (0, 0);
        while let kind @ 1.. = self.field(&mut number, FOOTER)? {
            if number == SCHEMA { levels = self.elements()? } else { self.skip(kind, 0)? }
        }
        Some(levels)
    }

    /// How deep a list of elements is nested, each of which is followed by its children.
    fn elements(&mut self) -> Option<usize> {
        let (kind, mut left) = self.list()?;
        let (mut deepest, mut open) = (0, Vec::new());
        while left > 0 {
            left -= 1;
            let children = self.children(kind)?;
            while open.last() == Some(&0) {
                open.pop();
            }
            if let Some(left_of_parent) = open.last_mut() {
                *left_of_parent -= 1;
            }
            if children > left {
                return None;
            }
            if children > 0 {
                open.push(children);
            }
            deepest = deepest.max(open.len() + usize::from(children == 0));
        }
        Some(deepest)
    }

    /// How many children an element of the schema has.
    fn children(&mut self, kind: u8) -> Option<u64> {
        let (mut children, mut number) = (0, 0);
        if kind != STRUCT {
            return None;
        }
        while let kind @ 1.. = self.field(&mut number, ELEMENT)? {
            if number == CHILDREN {
                children = u64::try_from(self.signed()?).ok()?;
            } else {
                self.skip(kind, 0)?;
            }
        }
        Some(children)
    }

    /// The type of the next field of a struct, whose number becomes `number`; [`STOP`] at the end. `expected` are the types of numbers from 1 on.
    pub(super) fn field(&mut self, number: &mut i16, expected: &[u8]) -> Option<u8> {
        let byte = self.byte()?;
        let (delta, kind) = (byte >> 4, byte & 0xf);
        if kind == STOP {
            return Some(STOP);
        }
        *number = match delta {
            0 => i16::try_from(self.signed()?).ok()?,
            delta => number.checked_add(delta.into())?,
        };
        let expected = usize::try_from(*number).ok().and_then(|number| expected.get(number.checked_sub(1)?));
        expected.is_none_or(|expected| *expected == kind).then_some(kind)
    }

    /// The type of the items of a list, and how many there are, each of a byte at least.
    fn list(&mut self) -> Option<(u8, u64)> {
        let byte = self.byte()?;
        let len = match byte >> 4 {
            15 => self.number()?,
            len => len.into(),
        };
        usize::try_from(len).is_ok_and(|len| len <= self.0.len()).then_some((byte & 0xf, len))
    }

    pub(super) fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth == MAX_NESTED {
            return None;
        }
        match kind {
            TRUE | FALSE => Some(()),
            BYTE => self.bytes(1),
            I16 | I32 | I64 => self.number().map(|_| ()),
            DOUBLE => self.bytes(8),
            BINARY => {
                let len = self.number()?;
                self.bytes(usize::try_from(len).ok()?)
            }
            LIST | SET => {
                let (kind, len) = self.list()?;
                (0..len).try_for_each(|_| match kind {
                    // A byte each, but in structs.
                    TRUE | FALSE => self.bytes(1),
                    kind => self.skip(kind, depth + 1),
                })
            }
            STRUCT => {
                let mut number = 0;
                while let kind @ 1.. = self.field(&mut number, &[])? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn bytes(&mut self, len: usize) -> Option<()> {
        self.0 = self.0.get(len..)?;
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        wire::take_varint(&mut self.0)
    }

    /// A number whose lowest bit is its sign.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataWriter};

    use super::*;

    /// A file without rows, of structs in each other.
    fn nested(levels: usize) -> Vec<u8> {
        let deepest = Field::new("n", DataType::Int64, true);
        let field = (2..levels).fold(deepest, |inner, _| Field::new_struct("s", vec![inner], true));
        let schema = ArrowSchemaConverter::new().convert(&Schema::new(vec![field])).unwrap();
        let metadata = FileMetaData::new(2, 0, None, None, Arc::new(schema), None);
        let mut file = MAGIC.to_vec();
        let metadata = ParquetMetaData::new(metadata, Vec::new());
        ParquetMetaDataWriter::new(&mut file, &metadata).finish().unwrap();
        file
    }

    fn with_footer(footer: &[u8]) -> Cursor<Vec<u8>> {
        let len = u32::try_from(footer.len()).unwrap().to_le_bytes();
        Cursor::new([MAGIC, footer, &len, MAGIC].concat())
    }

    #[test]
    fn a_schema_is_nested_as_deep_as_the_limit_and_no_deeper() {
        assert!(check(&mut Cursor::new(nested(MAX_LEVELS))).is_ok());
        let error = check(&mut Cursor::new(nested(MAX_LEVELS + 1))).unwrap_err();
        assert_eq!(error.to_string(), format!("the schema is nested deeper than {MAX_LEVELS} levels"));
    }

    #[test]
    fn children_lists_and_types_that_the_footer_cannot_have_are_refused() {
        // The version, and a schema of a root "r" and a column "c".
        let good = [
            &[0x15, 2, 0x19, 0x2c][..],
            &[0x48, 1, b'r', 0x15, 2, 0],
            &[0x15, 2, 0x25, 0, 0x18, 1, b'c', 0],
            &[0x16, 0, 0x19, 0x0c, 0],
        ]
        .concat();
        check(&mut with_footer(&good)).unwrap();
        let cases: [(usize, &[u8]); 5] = [
            (8, &[4]),                            // more children than elements
            (8, &[0xfe, 0xff, 0xff, 0xff, 0x0f]), // as many as 32 bits can say
            (7, &[0x16]),                         // a number of another type
            (3, &[0xfc, 0xff, 0xff, 0x7f]),       // a list that is longer than the footer
            (21, &[0xfc, 0xff, 0xff, 0x7f]),      // row groups
        ];
        for (at, bytes) in cases {
            let damaged = [&good[..at], bytes, &good[at + 1..]].concat();
            let error = check(&mut with_footer(&damaged)).expect_err(&format!("{at} {bytes:?}"));
            assert_eq!(error.to_string(), "the footer is damaged");
        }
        (0..good.len()).for_each(|len| assert!(check(&mut with_footer(&good[..len])).is_err(), "{len}"));
    }
}
