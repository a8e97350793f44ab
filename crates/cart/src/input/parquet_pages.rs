//! Headers of pages of Parquet. The reader of `parquet` allocates as much as they say, so that they are checked against the bytes of their pages before.

use std::error::Error;
use std::io::{Read, Seek, SeekFrom};

use parquet::basic::{Compression, Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use super::parquet_footer::{I32, STRUCT, Thrift};

/// Bytes that a header is looked for in at first; statistics can make it longer.
const HEADER_LEN: u64 = 4 << 10;

/// Of a page: its sizes, and the headers of its kinds.
const UNCOMPRESSED: i16 = 2;
const COMPRESSED: i16 = 3;
const DATA: i16 = 5;
const DICTIONARY: i16 = 7;
const DATA_V2: i16 = 8;
const PAGE: &[u8] = &[I32, I32, I32, I32, STRUCT, STRUCT, STRUCT, STRUCT];
/// The number of `num_values` in the header of every kind.
const VALUES: i16 = 1;

/// What a header says of its page.
#[derive(Default)]
struct Header {
    /// Bytes of the header.
    len: u64,
    /// Bytes of the page in the file, and decompressed.
    compressed: u64,
    uncompressed: u64,
    dictionary_values: u64,
    data_values: u64,
}

/// Checks all pages of a file.
pub(super) fn check(file: &mut (impl Read + Seek), metadata: &ParquetMetaData) -> Result<(), Box<dyn Error>> {
    for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let (mut at, len) = column.byte_range();
        let end = at.saturating_add(len);
        while at < end {
            let name = column.column_path().string();
            let damaged = || format!("the header of a page of column {name:?} is damaged");
            let header = header_at(file, at, end)?.ok_or_else(damaged)?;
            let page = at + header.len;
            if header.compressed > end - page {
                return Err(damaged().into());
            }
            check_page(column, &header).map_err(|said| format!("a page of column {name:?}: {said}"))?;
            at = page + header.compressed;
        }
    }
    Ok(())
}

/// The header at `at`, which ends before `end`; `None`: there is none.
fn header_at(file: &mut (impl Read + Seek), at: u64, end: u64) -> std::io::Result<Option<Header>> {
    let mut len = HEADER_LEN;
    loop {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(at))?;
        file.by_ref().take(len.min(end - at)).read_to_end(&mut bytes)?;
        let is_all = (bytes.len() as u64) < len;
        match header(&bytes) {
            None if !is_all => len = len.saturating_mul(4),
            header => return Ok(header),
        }
    }
}

fn header(bytes: &[u8]) -> Option<Header> {
    let (mut header, mut thrift, mut number) = (Header::default(), Thrift(bytes), 0);
    let (mut uncompressed, mut compressed) = (None, None);
    while let kind @ 1.. = thrift.field(&mut number, PAGE)? {
        match number {
            UNCOMPRESSED => uncompressed = Some(thrift.count()?),
            COMPRESSED => compressed = Some(thrift.count()?),
            DATA | DATA_V2 => header.data_values = thrift.values()?,
            DICTIONARY => header.dictionary_values = thrift.values()?,
            _ => thrift.skip(kind, 0)?,
        }
    }
    (header.uncompressed, header.compressed) = (uncompressed?, compressed?);
    header.len = (bytes.len() - thrift.0.len()) as u64;
    Some(header)
}

impl Thrift<'_> {
    /// A number of 32 bits, and not below 0.
    fn count(&mut self) -> Option<u64> {
        u32::try_from(self.signed()?).ok().filter(|count| i32::try_from(*count).is_ok()).map(u64::from)
    }

    /// How many values the header of a kind of page says that there are.
    fn values(&mut self) -> Option<u64> {
        let (mut values, mut number) = (0, 0);
        while let kind @ 1.. = self.field(&mut number, &[I32])? {
            if number == VALUES { values = self.count()? } else { self.skip(kind, 0)? }
        }
        Some(values)
    }
}

fn check_page(column: &ColumnChunkMetaData, header: &Header) -> Result<(), String> {
    let &Header { compressed, uncompressed, dictionary_values, data_values, .. } = header;
    let len = match max_expansion(column.compression()) {
        None => compressed,
        Some(expansion) if uncompressed > compressed.saturating_mul(expansion) => {
            return Err(format!("{compressed} compressed bytes cannot be of {uncompressed} bytes"));
        }
        Some(_) => uncompressed,
    };
    let bits = value_bits(column);
    // A value of no bytes is one value.
    if dictionary_values > len.saturating_mul(8).checked_div(bits).unwrap_or(1) {
        return Err(format!("a dictionary of {len} bytes cannot be of {dictionary_values} values"));
    }
    // Those of lists may all be of one row; of other columns no more are read at a time than rows are.
    let is_list = column.column_descr().max_rep_level() > 0;
    let of_lists = if is_list { data_values.saturating_mul(LEVELS_LEN + bits.div_ceil(8)) } else { 0 };
    let needed = len.saturating_add(of_lists);
    if usize::try_from(needed).is_ok_and(wire::is_memory_left) {
        return Ok(());
    }
    Err(format!("{needed} bytes of memory are needed for it, and not left"))
}

/// Bytes that the two levels of a value take in memory.
const LEVELS_LEN: u64 = 4;

/// How many times as long as its compressed form a page can be; `None`: it is not compressed. A copy of Snappy stands for 64 bytes in 3, two bits of deflate for 258 bytes, a byte of LZ4
/// for 255, and a block of Zstandard, of 4 bytes and more, for 128 KiB.
fn max_expansion(compression: Compression) -> Option<u64> {
    match compression {
        Compression::UNCOMPRESSED => None,
        Compression::SNAPPY => Some(22),
        Compression::GZIP(_) => Some(1032),
        Compression::LZ4 | Compression::LZ4_RAW => Some(255),
        _ => Some(32 << 10),
    }
}

/// Bits that a value takes at least, as it is written plain.
fn value_bits(column: &ColumnChunkMetaData) -> u64 {
    match column.column_type() {
        Type::BOOLEAN => 1,
        // A length is before the bytes of it.
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 32,
        Type::INT64 | Type::DOUBLE => 64,
        Type::INT96 => 96,
        Type::FIXED_LEN_BYTE_ARRAY => {
            u64::try_from(column.column_descr().type_length()).unwrap_or(0).saturating_mul(8)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use parquet::basic::{GzipLevel, ZstdLevel};
    use parquet::file::metadata::FileMetaData;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    use super::*;

    fn number(value: i32) -> Vec<u8> {
        let mut bytes = vec![0x15];
        wire::put_varint(&mut bytes, u64::from((value << 1 ^ value >> 31).cast_unsigned()));
        bytes
    }

    /// A dictionary of so many bytes, which are in the file as so many, and so many values.
    fn dictionary(uncompressed: i32, compressed: i32, values: i32) -> Vec<u8> {
        let sizes = [number(2), number(uncompressed), number(compressed)].concat();
        let header = [&sizes[..], &[0x4c], &number(values), &number(0), &[0, 0]].concat();
        [header, vec![7; usize::try_from(compressed).unwrap_or(0)]].concat()
    }

    fn checked(column: &str, compression: Compression, pages: &[u8]) -> Result<(), String> {
        let schema = parse_message_type(&format!("message m {{ required {column}; }}")).unwrap();
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
        let file = FileMetaData::new(2, 1, None, None, schema.clone(), None);
        let column = ColumnChunkMetaData::builder(schema.column(0))
            .set_compression(compression)
            .set_dictionary_page_offset(Some(0))
            .set_total_compressed_size(i64::try_from(pages.len()).unwrap());
        let group = RowGroupMetaData::builder(schema).set_num_rows(1);
        let group = group.set_column_metadata(vec![column.build().unwrap()]).build().unwrap();
        let metadata = ParquetMetaData::new(file, vec![group]);
        check(&mut Cursor::new(pages), &metadata).map_err(|e| e.to_string())
    }

    #[test]
    fn a_dictionary_has_no_more_values_than_its_bytes_can_hold() {
        let plain = Compression::UNCOMPRESSED;
        for (column, most) in [
            ("binary c", 10),
            ("int32 c", 10),
            ("double c", 5),
            ("int96 c", 3),
            ("boolean c", 320),
            ("fixed_len_byte_array(8) c", 5),
        ] {
            assert_eq!(checked(column, plain, &dictionary(40, 40, most)), Ok(()), "{column}");
            for values in [most + 1, i32::MAX] {
                let error = checked(column, plain, &dictionary(40, 40, values)).unwrap_err();
                let said = format!("a dictionary of 40 bytes cannot be of {values} values");
                assert_eq!(error, format!("a page of column \"c\": {said}"));
            }
        }
    }

    #[test]
    fn a_page_is_no_longer_than_its_compressed_bytes_can_stand_for() {
        for (compression, most) in [
            (Compression::SNAPPY, 220),
            (Compression::LZ4_RAW, 2_550),
            (Compression::GZIP(GzipLevel::default()), 10_320),
            (Compression::ZSTD(ZstdLevel::default()), 327_680),
        ] {
            assert_eq!(checked("int32 c", compression, &dictionary(most, 10, 1)), Ok(()));
            for len in [most + 1, i32::MAX] {
                let error = checked("int32 c", compression, &dictionary(len, 10, 1)).unwrap_err();
                assert!(error.ends_with(&format!("10 compressed bytes cannot be of {len} bytes")), "{error}");
            }
        }
    }

    #[test]
    fn headers_that_are_none_or_say_what_cannot_be_are_damaged() {
        let good = [dictionary(40, 40, 10), dictionary(8, 8, 2)].concat();
        checked("int32 c", Compression::UNCOMPRESSED, &good).unwrap();
        let (negative, zeros) = (dictionary(40, -1, 1), vec![0; 9000]);
        let all =
            [negative, dictionary(40, 40, -1), zeros, good[..good.len() - 1].to_vec(), good[..50].to_vec()];
        for pages in all {
            let error = checked("int32 c", Compression::UNCOMPRESSED, &pages).unwrap_err();
            assert_eq!(error, "the header of a page of column \"c\" is damaged");
        }
    }
}
