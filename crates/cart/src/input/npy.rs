//! Arrays of numpy: two dimensions, rows one after the other, float32, float16 or int8.
//!
//! The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use half::f16;

use super::{cannot_read, open};
use crate::failure::{Failure, Result};

/// The longest header in bytes.
const MAX_HEADER: u32 = 64 << 10;
/// The most numbers in a row: as many as a vector can have.
const MAX_ROW: u64 = 65_536;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    F32,
    F16,
    I8,
}

impl Number {
    fn len(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::I8 => 1,
        }
    }
}

/// An array that is read row by row.
#[derive(Debug)]
pub(crate) struct Npy<R> {
    from: R,
    number: Number,
    rows: u64,
    dimension: usize,
    read: u64,
    buffer: Vec<u8>,
}

impl Npy<BufReader<File>> {
    /// Opens a file, whose length must be what its header says.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let len = file.metadata().map_err(|e| cannot_read(path, &e))?.len();
        let fault = |message: String| Failure::failed(message).at(path.display());
        let (array, header_len) = Npy::new(BufReader::new(file)).map_err(fault)?;
        let expected = array.data_len().saturating_add(header_len);
        if len != expected {
            return Err(fault(format!("expected {expected} bytes by its header, found {len}")));
        }
        Ok(array)
    }
}

impl<R: Read> Npy<R> {
    /// Reads the header. Returns its length as well.
    fn new(mut from: R) -> Result<(Self, u64), String> {
        let short = |_| "not a .npy file: too short".to_owned();
        let mut start = [0; 10];
        from.read_exact(&mut start).map_err(short)?;
        let [m0, m1, m2, m3, m4, m5, major, _, l0, l1] = start;
        if [m0, m1, m2, m3, m4, m5] != *b"\x93NUMPY" {
            return Err("not a .npy file: it does not begin with \\x93NUMPY".to_owned());
        }
        let (len, before) = match major {
            1 => (u32::from(u16::from_le_bytes([l0, l1])), 10),
            2 | 3 => {
                let mut rest = [0; 2];
                from.read_exact(&mut rest).map_err(short)?;
                (u32::from_le_bytes([l0, l1, rest[0], rest[1]]), 12)
            }
            other => return Err(format!("a .npy file of version {other}; expected 1 to 3")),
        };
        if len > MAX_HEADER {
            return Err(format!("a header of {len} bytes; expected at most {MAX_HEADER}"));
        }
        let mut header = vec![0; len as usize];
        from.read_exact(&mut header).map_err(short)?;
        let header = String::from_utf8_lossy(&header);
        let (number, rows, dimension) = shape(&header)?;
        let buffer = vec![0; dimension * number.len()];
        Ok((Self { from, number, rows, dimension, read: 0, buffer }, before + u64::from(len)))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    fn data_len(&self) -> u64 {
        self.rows.saturating_mul(self.buffer.len() as u64)
    }

    /// The next row.
    pub(crate) fn next_row(&mut self) -> Result<Option<Vec<f32>>, String> {
        if self.read == self.rows {
            return Ok(None);
        }
        self.from.read_exact(&mut self.buffer).map_err(|e| format!("row {}: {e}", self.read))?;
        self.read += 1;
        let bytes = &self.buffer[..];
        Ok(Some(match self.number {
            Number::F32 => bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
            Number::F16 => bytes.as_chunks().0.iter().map(|&two| f16::from_le_bytes(two).to_f32()).collect(),
            Number::I8 => bytes.iter().map(|&byte| f32::from(byte.cast_signed())).collect(),
        }))
    }
}

/// What a header such as `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }` says.
fn shape(header: &str) -> Result<(Number, u64, usize), String> {
    let after = |name: &str| {
        let at = header.find(&format!("'{name}'")).map(|at| at + name.len() + 2);
        let value = at.and_then(|at| header.get(at..)).and_then(|rest| rest.trim_start().strip_prefix(':'));
        value.map(str::trim_start).ok_or_else(|| format!("a header without {name}"))
    };
    let descr = after("descr")?;
    let number = match descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(descr, _)| descr)
    {
        Some("<f4") => Number::F32,
        Some("<f2") => Number::F16,
        Some("|i1" | "<i1") => Number::I8,
        Some(other) => return Err(format!("numbers of type {other}; expected <f4, <f2 or |i1")),
        None => return Err("an array of several fields; expected <f4, <f2 or |i1".to_owned()),
    };
    if !after("fortran_order")?.starts_with("False") {
        return Err("columns one after the other; expected rows (numpy.ascontiguousarray)".to_owned());
    }
    let sizes = after("shape")?
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map_or("", |(sizes, _)| sizes);
    let sizes: Vec<u64> = sizes.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let &[rows, dimension] = &sizes[..] else {
        return Err(format!("an array of {} dimensions; expected two: rows and numbers", sizes.len()));
    };
    match usize::try_from(dimension) {
        Ok(dimension @ 1..) if dimension as u64 <= MAX_ROW => Ok((number, rows, dimension)),
        _ => Err(format!("rows of {dimension} numbers; expected 1 to {MAX_ROW}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn rows(bytes: &[u8]) -> Result<Vec<Vec<f32>>, String> {
        let (mut array, _) = Npy::new(bytes)?;
        std::iter::from_fn(|| array.next_row().transpose()).collect()
    }

    #[test]
    fn rows_of_every_type_of_number_are_read() {
        let f4: Vec<u8> = [1.0f32, -2.5, 0.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n";
        assert_eq!(rows(&npy(header, &f4)).unwrap(), [[1.0, -2.5], [0.0, 3.0]]);
        let f2: Vec<u8> = [1.0f32, -2.5].iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
        let header = "{'shape':(1,2),'fortran_order':False,'descr':'<f2'}";
        assert_eq!(rows(&npy(header, &f2)).unwrap(), [[1.0, -2.5]]);
        let header = "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 3)}";
        assert_eq!(rows(&npy(header, &[1, 255, 127])).unwrap(), [[1.0, -1.0, 127.0]]);
    }

    #[test]
    fn what_is_not_such_an_array_is_an_error_that_says_why() {
        let fails = |header: &str| rows(&npy(header, &[])).unwrap_err();
        let header = |descr: &str, order: &str, shape: &str| {
            fails(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}}}"))
        };
        assert!(header("<f8", "False", "(1, 2)").contains("<f8"));
        assert!(header(">f4", "False", "(1, 2)").contains(">f4"));
        assert!(header("<f4", "True", "(1, 2)").contains("columns"));
        assert!(header("<f4", "False", "(3,)").contains("1 dimensions"));
        assert!(header("<f4", "False", "(1, 2, 3)").contains("3 dimensions"));
        assert!(header("<f4", "False", "(1, 0)").contains("rows of 0"));
        assert!(header("<f4", "False", "(1, 18446744073709551615)").contains("expected 1 to 65536"));
        assert!(header("<f4", "False", "(1, 1)").contains("row 0"));
        assert!(fails("{}").contains("without descr"));
        assert!(rows(b"PK\x03\x04 not numpy at all").unwrap_err().contains("not a .npy"));
        assert!(rows(b"").unwrap_err().contains("too short"));
        assert!(rows(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap_err().contains("header of 4294967295"));
    }
}
