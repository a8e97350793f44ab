//! Arrays of numpy: two dimensions, rows one after the other, float64, float32, float16 or int8.
//!
//! The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use wire::F16;

use super::{cannot_read, open};
use crate::failure::{Failure, Result};
use crate::output::several;

/// The longest header in bytes.
const MAX_HEADER: u32 = 64 << 10;
/// The most numbers in a row: as many as a vector can have.
const MAX_ROW: u64 = 65_536;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    /// Rounded to float32.
    F64,
    F32,
    F16,
    I8,
}

impl Number {
    fn len(self) -> usize {
        match self {
            Self::F64 => 8,
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
        let expected = array.data_len().and_then(|data| data.checked_add(header_len));
        match expected {
            None => Err(fault(format!("{} rows, which no file is long enough for", array.rows))),
            Some(expected) if expected != len => {
                Err(fault(format!("expected {expected} bytes by its header, found {len}")))
            }
            Some(_) => Ok(array),
        }
    }
}

impl<R: Read> Npy<R> {
    /// Reads the header. Returns its length as well.
    pub(crate) fn new(mut from: R) -> Result<(Self, u64), String> {
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
        let mut header = vec![0; len as usize]; // at most `MAX_HEADER`
        from.read_exact(&mut header).map_err(short)?;
        let header = str::from_utf8(&header).map_err(|e| format!("a header that is not text: {e}"))?;
        let (number, rows, dimension) = shape(header)?;
        let buffer = vec![0; dimension * number.len()];
        Ok((Self { from, number, rows, dimension, read: 0, buffer }, before + u64::from(len)))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    fn data_len(&self) -> Option<u64> {
        self.rows.checked_mul(self.buffer.len() as u64)
    }

    /// The next row.
    pub(crate) fn next_row(&mut self) -> Result<Option<Vec<f32>>, String> {
        if self.read == self.rows {
            return Ok(None);
        }
        self.from.read_exact(&mut self.buffer).map_err(|e| format!("row {}: {e}", self.read))?;
        let row = self.read;
        self.read += 1;
        let bytes = &self.buffer[..];
        Ok(Some(match self.number {
            Number::F64 => {
                let numbers = bytes.as_chunks().0.iter().map(|&eight| f64::from_le_bytes(eight));
                let row_of = |e| format!("row {row}: {e}");
                (0..).zip(numbers).map(nearest).collect::<Result<_, _>>().map_err(row_of)?
            }
            Number::F32 => bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
            Number::F16 => bytes.as_chunks().0.iter().map(|&two| F16::from_le_bytes(two).to_f32()).collect(),
            Number::I8 => bytes.iter().map(|&byte| f32::from(byte.cast_signed())).collect(),
        }))
    }
}

/// The float32 that is nearest to a number of a row.
#[expect(clippy::cast_possible_truncation, reason = "a cast to f32 rounds")]
fn nearest((at, value): (usize, f64)) -> Result<f32, String> {
    let nearest = value as f32;
    if nearest.is_infinite() && value.is_finite() {
        return Err(format!("number {at} is {value:e}, beyond the range of float32"));
    }
    Ok(nearest)
}

/// What a header such as `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }` says: a dictionary with exactly these three names, each
/// once, and blanks behind it.
fn shape(header: &str) -> Result<(Number, u64, usize), String> {
    let (mut descr, mut fortran_order, mut sizes) = (None, None, None);
    let mut rest = expect(header, '{')?;
    loop {
        if let Some(behind) = rest.trim_start().strip_prefix('}') {
            rest = behind;
            break;
        }
        let (name, behind) = string(rest)?;
        let value = expect(behind, ':')?.trim_start();
        let is_second = match name {
            "descr" => descr.replace(number(value, &mut rest)?).is_some(),
            "fortran_order" => fortran_order.replace(boolean(value, &mut rest)?).is_some(),
            "shape" => sizes.replace(tuple(value, &mut rest)?).is_some(),
            other => return Err(format!("a header with {other:?}; expected descr, fortran_order and shape")),
        };
        if is_second {
            return Err(format!("a header with {name} twice"));
        }
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None if rest.starts_with('}') => {}
            None => return Err(unexpected("a comma or }", rest)),
        }
    }
    if !rest.trim().is_empty() {
        return Err(unexpected("the end of the header", rest));
    }
    let missing = |name: &str| format!("a header without {name}");
    let number = descr.ok_or_else(|| missing("descr"))?;
    if fortran_order.ok_or_else(|| missing("fortran_order"))? {
        return Err("columns one after the other; expected rows (numpy.ascontiguousarray)".to_owned());
    }
    let sizes = sizes.ok_or_else(|| missing("shape"))?;
    let &[rows, dimension] = &sizes[..] else {
        let dimensions = several(sizes.len() as u64, "dimension");
        return Err(format!("an array of {dimensions}; expected two: rows and numbers"));
    };
    match usize::try_from(dimension) {
        Ok(dimension @ 1..) if dimension as u64 <= MAX_ROW => Ok((number, rows, dimension)),
        _ => Err(format!("rows of {dimension} numbers; expected 1 to {MAX_ROW}")),
    }
}

fn unexpected(expected: &str, rest: &str) -> String {
    let found: String = rest.trim().chars().take(20).collect();
    format!("a header that cannot be read: expected {expected}, found {found:?}")
}

fn expect(text: &str, c: char) -> Result<&str, String> {
    text.trim_start().strip_prefix(c).ok_or_else(|| unexpected(&c.to_string(), text))
}

/// A string in quotes of either kind, without escapes, and what is behind it.
fn string(text: &str) -> Result<(&str, &str), String> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let inner = quote.and_then(|quote| text.strip_prefix(quote)?.split_once(quote));
    inner.filter(|(string, _)| !string.contains('\\')).ok_or_else(|| unexpected("a name in quotes", text))
}

fn number<'a>(text: &'a str, rest: &mut &'a str) -> Result<Number, String> {
    if text.starts_with('[') {
        return Err("an array of several fields; expected numbers of type <f8, <f4, <f2 or |i1".to_owned());
    }
    let (descr, behind) = string(text)?;
    *rest = behind;
    match descr {
        "<f8" => Ok(Number::F64),
        "<f4" => Ok(Number::F32),
        "<f2" => Ok(Number::F16),
        "|i1" | "<i1" => Ok(Number::I8),
        other => Err(format!("numbers of type {other}; expected <f8, <f4, <f2 or |i1")),
    }
}

fn boolean<'a>(text: &'a str, rest: &mut &'a str) -> Result<bool, String> {
    for (name, value) in [("True", true), ("False", false)] {
        if let Some(behind) = text.strip_prefix(name) {
            *rest = behind;
            return Ok(value);
        }
    }
    Err(unexpected("True or False", text))
}

/// `()`, `(3,)`, `(3, 2)`, `(3, 2,)`: plain decimal numbers.
fn tuple<'a>(text: &'a str, rest: &mut &'a str) -> Result<Vec<u64>, String> {
    let wrong = || unexpected("a shape such as (3, 2)", text);
    let (inner, behind) = text.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or_else(wrong)?;
    *rest = behind;
    if inner.trim().is_empty() {
        return Ok(Vec::new());
    }
    let (sizes, has_comma) = match inner.trim_end().strip_suffix(',') {
        Some(sizes) => (sizes, true),
        None => (inner, false),
    };
    let size = |size: &str| {
        let digits = size.trim();
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let size = if is_plain { digits.parse().ok() } else { None };
        size.ok_or_else(|| {
            format!(
                "a shape with {:?}; expected numbers of at most 64 bits",
                digits.chars().take(40).collect::<String>()
            )
        })
    };
    let sizes = sizes.split(',').map(size).collect::<Result<Vec<u64>, String>>()?;
    if sizes.len() == 1 && !has_comma { Err(wrong()) } else { Ok(sizes) }
}

/// The length of a header that is written.
const HEADER_LEN: usize = 128;

/// The header of an array of float32 with so many rows, as long for any number of them.
pub(crate) fn header(rows: u64, dimension: usize) -> Vec<u8> {
    let fields = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}");
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(118u16.to_le_bytes()); // what follows
    header.extend(fields.as_bytes());
    header.resize(HEADER_LEN - 1, b' ');
    header.push(b'\n');
    header
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
        let f2: Vec<u8> = [1.0f32, -2.5].iter().flat_map(|&x| F16::from_f32(x).to_le_bytes()).collect();
        let header = "{'shape':(1,2),'fortran_order':False,'descr':'<f2'}";
        assert_eq!(rows(&npy(header, &f2)).unwrap(), [[1.0, -2.5]]);
        let header = "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 3)}";
        assert_eq!(rows(&npy(header, &[1, 255, 127])).unwrap(), [[1.0, -1.0, 127.0]]);
        let f8: Vec<u8> = [0.1f64, -2.5, f64::INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3)}";
        assert_eq!(rows(&npy(header, &f8)).unwrap(), [[0.1, -2.5, f32::INFINITY]]);
    }

    #[test]
    fn a_header_is_read_as_it_stands_and_nothing_in_it_is_guessed() {
        let fails = |header: &str| rows(&npy(header, &[0; 64])).unwrap_err();
        let of_shape =
            |shape: &str| fails(&format!("{{'descr': '|i1', 'fortran_order': False, 'shape': {shape}, }}"));
        for shape in [
            "(1, x)",
            "(1, -2)",
            "(1, +2)",
            "(1.0, 2)",
            "(1, 2",
            "1, 2",
            "(1,, 2)",
            "(,1, 2)",
            "(1 2)",
            "[1, 2]",
            "(0x1, 2)",
            "(1L, 2)",
            "(99999999999999999999, 2)",
            "(1, 2, a)",
            "(1)",
            "((1, 2))",
            "None",
        ] {
            let e = of_shape(shape);
            assert!(e.contains("shape") || e.contains("header"), "{shape}: {e}");
        }
        for header in [
            "",
            "{",
            "{}x",
            "[]",
            "'descr': '|i1'",
            "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2)} (3, 4)",
            "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2), 'shape': (2, 1)}",
            "{'descr': '|i1', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}",
            "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2), 'more': 1}",
            "{'descr': '|i1' 'fortran_order': False, 'shape': (1, 2)}",
            "{'descr': '|i1', 'fortran_order': Falsehood, 'shape': (1, 2)}",
            "{'descr': '|i1', 'fortran_order': 0, 'shape': (1, 2)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2)}",
            "{'descr': ' <f4', 'fortran_order': False, 'shape': (1, 2)}",
            "{\"descr\": '|i1\", 'fortran_order': False, 'shape': (1, 2)}",
        ] {
            assert!(!fails(header).is_empty(), "{header}");
        }
        assert_eq!(
            rows(&npy(
                "{ \"shape\" : ( 1 , 2 , ) , \"descr\" : \"|i1\" , \"fortran_order\":False}   \n",
                &[1, 2]
            ))
            .unwrap(),
            [[1.0, 2.0]]
        );
    }

    #[test]
    fn any_bytes_are_an_array_or_an_error_in_bounded_memory() {
        let sound = npy("{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }\n", &[0; 12]);
        let mut seed = 1u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 40).unwrap()
        };
        for cut in 0..sound.len() {
            assert!(rows(&sound[..cut]).is_err(), "cut at {cut}");
        }
        for _ in 0..20_000 {
            let mut bytes = sound.clone();
            for _ in 0..=next() % 3 {
                let (at, with) = (next() % bytes.len(), b"\x00'{}(),:0129 \xffFT"[next() % 16]);
                match next() % 3 {
                    0 => bytes[at] = with,
                    1 => bytes.insert(at, with),
                    _ => drop(bytes.remove(at)),
                }
            }
            if let Ok(rows) = rows(&bytes) {
                assert!(rows.iter().all(|row| row.len() <= 65_536) && rows.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn what_is_not_such_an_array_is_an_error_that_says_why() {
        let fails = |header: &str| rows(&npy(header, &[])).unwrap_err();
        let header = |descr: &str, order: &str, shape: &str| {
            fails(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}}}"))
        };
        assert!(header("<i4", "False", "(1, 2)").contains("<i4"));
        assert!(header(">f4", "False", "(1, 2)").contains(">f4"));
        assert!(header("<f4", "True", "(1, 2)").contains("columns"));
        assert!(header("<f4", "False", "(3,)").contains("1 dimension;"));
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
