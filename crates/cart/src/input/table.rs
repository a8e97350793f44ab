//! Tables: CSV, and TSV with tabs in the place of commas. The first row names the columns.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::Document;
use super::shape::Shape;
use crate::output::several;

/// The longest row in bytes.
const MAX_ROW: u64 = 64 << 20;

/// What is wrong, behind the line where there is one: a sentence without the name of the file.
pub(crate) type Fault = (Option<u64>, String);

/// What all values of a column are. What does not look like a number as a program would write it is text: 007, +1, 1e5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Empty,
    Number,
    Bool,
    Text,
}

impl Column {
    fn with(self, cell: &str) -> Self {
        let found = match cell {
            "" => return self,
            "true" | "false" => Self::Bool,
            cell if number(cell).is_some() => Self::Number,
            _ => Self::Text,
        };
        if self == Self::Empty || self == found { found } else { Self::Text }
    }

    fn value(self, cell: &str) -> Value {
        let value = match self {
            Self::Number => number(cell),
            Self::Bool => cell.parse().ok().map(Value::Bool),
            Self::Empty | Self::Text => None,
        };
        value.unwrap_or_else(|| cell.into())
    }
}

/// A number that is written as a program writes it.
fn number(cell: &str) -> Option<Value> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let is_decimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_decimal(whole) || whole.len() > 1 && whole.starts_with('0') || !fraction.is_none_or(is_decimal) {
        return None;
    }
    if fraction.is_some() {
        return serde_json::Number::from_f64(cell.parse().ok()?).map(Value::Number);
    }
    cell.parse::<i64>().map(Value::from).or_else(|_| cell.parse::<u64>().map(Value::from)).ok()
}

/// A table that is read row by row.
pub(crate) struct Table<R> {
    rows: csv::Reader<Bounded<R>>,
    read: Rc<RefCell<Recent>>,
    names: Vec<String>,
    row: csv::StringRecord,
    delimiter: u8,
}

impl<R: Read> Table<R> {
    /// Reads the names of the columns.
    pub(crate) fn new(from: R, delimiter: u8) -> Result<Self, Fault> {
        let read = Rc::new(RefCell::new(Recent { left: MAX_ROW, ..Recent::default() }));
        let bounded = Bounded { from, read: read.clone() };
        let mut rows = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(bounded);
        let header = rows.headers().map_err(|e| sentence(&e, &read.borrow()))?;
        let name = |(at, name): (usize, &str)| {
            if name.is_empty() { format!("column{}", at + 1) } else { name.trim().to_owned() }
        };
        let names: Vec<String> = header.iter().enumerate().map(name).collect();
        for (at, name) in names.iter().enumerate() {
            if names.iter().take(at).any(|other| other == name) {
                return Err((Some(1), format!("two columns are named {name:?}")));
            }
        }
        Ok(Self { rows, read, names, row: csv::StringRecord::new(), delimiter })
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads all rows for what their columns are.
    pub(crate) fn columns(mut self) -> Result<Vec<Column>, Fault> {
        let mut columns = vec![Column::Empty; self.names.len()];
        while self.advance()? {
            for (column, cell) in columns.iter_mut().zip(&self.row) {
                *column = column.with(cell);
            }
        }
        Ok(columns)
    }

    /// The next record, and the line that it begins in.
    pub(crate) fn next_document(
        &mut self,
        columns: &[Column],
        shape: &Shape,
    ) -> Result<Option<(u64, Document)>, Fault> {
        if !self.advance()? {
            return Ok(None);
        }
        let line = self.row.position().map_or(0, |position| self.read.borrow().line(position));
        let mut row = Map::new();
        for ((name, cell), column) in self.names.iter().zip(&self.row).zip(columns) {
            if shape.is_text(name) {
                row.insert(name.clone(), if cell.is_empty() { Value::Null } else { cell.into() });
            } else if !cell.is_empty() {
                row.insert(name.clone(), column.value(cell));
            }
        }
        shape.document(row).map(|document| Some((line, document))).map_err(|e| (Some(line), e))
    }

    fn advance(&mut self) -> Result<bool, Fault> {
        self.read.borrow_mut().begin_row(self.rows.position().byte());
        let has_row = self.rows.read_record(&mut self.row).map_err(|e| sentence(&e, &self.read.borrow()))?;
        let read = self.read.borrow();
        let last_row = self.row.position().filter(|_| has_row && read.is_at_end);
        match last_row.filter(|at| read.is_open(at, self.delimiter)) {
            Some(at) => Err((Some(read.line(at)), "a quote in this row is not closed".to_owned())),
            None => Ok(has_row),
        }
    }
}

/// Bytes that were read lately, of the row that is read and behind it.
#[derive(Debug, Default)]
struct Recent {
    bytes: Vec<u8>,
    /// Where the first of them is in the file.
    start: u64,
    /// Bytes that the row may still take.
    left: u64,
    /// Behind them the file ends.
    is_at_end: bool,
}

impl Recent {
    /// Lets go of what lies before a row, once it is much.
    fn begin_row(&mut self, at: u64) {
        const KEPT: usize = 64 << 10;
        self.left = MAX_ROW;
        let before = usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        if before >= KEPT {
            self.bytes.drain(..before.min(self.bytes.len()));
            self.start = at;
        }
    }

    fn since(&self, position: &csv::Position) -> &[u8] {
        let at = usize::try_from(position.byte().saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Whether a quote in the last row of the file is not closed: a line behind it would belong to that row.
    fn is_open(&self, last_row: &csv::Position, delimiter: u8) -> bool {
        let with_another = self.since(last_row).chain(&b"\nx"[..]);
        let mut rows = csv::ReaderBuilder::new();
        let rows = rows.delimiter(delimiter).has_headers(false).flexible(true).from_reader(with_another);
        rows.into_byte_records().count() < 2
    }

    /// The line that a row begins in. Its position is where the row before it ended: at the end of that line, or before blank ones.
    fn line(&self, position: &csv::Position) -> u64 {
        let ends = self.since(position).iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
        position.line() + ends.filter(|byte| **byte == b'\n').count() as u64
    }
}

fn sentence(error: &csv::Error, read: &Recent) -> Fault {
    let line = error.position().map(|position| read.line(position));
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let values = several(*len, "value");
            (line, format!("a row of {values}; expected {expected_len}, as the first row has"))
        }
        csv::ErrorKind::Utf8 { .. } => (line, "a row that is not UTF-8".to_owned()),
        csv::ErrorKind::Io(e) => (line, format!("cannot be read: {e}")),
        _ => (line, error.to_string()),
    }
}

/// A file that no row is read endlessly from: a quote that is not closed takes the rest of a file.
struct Bounded<R> {
    from: R,
    read: Rc<RefCell<Recent>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read.borrow().left == 0 {
            let message = format!("a row of more than {MAX_ROW} bytes; is a quote not closed?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let read = self.from.read(buffer)?;
        let mut recent = self.read.borrow_mut();
        recent.left = recent.left.saturating_sub(read as u64);
        recent.is_at_end = read == 0;
        recent.bytes.extend(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_a_program_would_write_so_is_a_number() {
        for (cell, expected) in [
            ("0", json!(0)),
            ("-17", json!(-17)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.50", json!(1.5)),
            ("-0.25", json!(-0.25)),
        ] {
            assert_eq!(number(cell), Some(expected), "{cell}");
        }
        for cell in [
            "",
            "-",
            "007",
            "+1",
            "1e5",
            "1.",
            ".5",
            "1_000",
            "0x1",
            "inf",
            "NaN",
            "18446744073709551616",
            "1 ",
        ] {
            assert_eq!(number(cell), None, "{cell}");
        }
    }

    #[test]
    fn a_column_is_what_all_of_its_values_are() {
        let table = "id,year,zip,on,mixed,none\n1,1969,01234,true,1,\n2,,12345,false,x,\n";
        let columns = Table::new(table.as_bytes(), b',').unwrap().columns().unwrap();
        use Column::{Bool, Empty, Number, Text};
        assert_eq!(columns, [Number, Number, Text, Bool, Text, Empty]);
        let shape = Shape::new(Some("id".to_owned()), Some("zip".to_owned()), Vec::new());
        let mut rows = Table::new(table.as_bytes(), b',').unwrap();
        let (line, first) = rows.next_document(&columns, &shape).unwrap().unwrap();
        assert_eq!((line, first.key.as_deref()), (2, Some("1")));
        assert_eq!(Value::Object(first.metadata), json!({"year": 1969, "on": true, "mixed": "1"}));
        let (_, second) = rows.next_document(&columns, &shape).unwrap().unwrap();
        assert_eq!(Value::Object(second.metadata), json!({"on": false, "mixed": "x"}));
        assert!(rows.next_document(&columns, &shape).unwrap().is_none());
    }

    #[test]
    fn rows_begin_in_their_lines_whatever_blank_lines_and_ends_of_lines_there_are() {
        let shape = Shape::new(None, Some("a".to_owned()), Vec::new());
        let lines = |text: &str| {
            let columns = Table::new(text.as_bytes(), b',').unwrap().columns().unwrap();
            let mut rows = Table::new(text.as_bytes(), b',').unwrap();
            let mut lines = Vec::new();
            while let Some((line, _)) = rows.next_document(&columns, &shape).unwrap() {
                lines.push(line);
            }
            lines
        };
        assert_eq!(lines("a,b\n1,2\n3,4\n"), [2, 3]);
        assert_eq!(lines("a,b\n\n\n1,2\n\n3,4\n\n"), [4, 6]);
        assert_eq!(lines("\n\na,b\r\n1,2\r\n\r\n3,4\r\n5,6"), [4, 6, 7]);
        assert_eq!(lines("a,b\n\"1\n\n1\",2\n\n3,4\n"), [2, 6]);
        // More than is kept.
        let rows = "5,5\n\n".repeat(30_000);
        let expected: Vec<u64> = (0..30_000).map(|i| 2 + 2 * i).collect();
        assert_eq!(lines(&format!("a,b\n{rows}")), expected);
        let (line, _) = Table::new("a,b\n\n\n1\n".as_bytes(), b',').unwrap().columns().unwrap_err();
        assert_eq!(line, Some(4));
    }

    #[test]
    fn tables_that_are_none_say_where() {
        let fails = |text: &str| match Table::new(text.as_bytes(), b',') {
            Err(e) => e,
            Ok(table) => table.columns().unwrap_err(),
        };
        assert_eq!(
            fails("a,b\n1,2\n1\n"),
            (Some(3), "a row of 1 value; expected 2, as the first row has".to_owned())
        );
        assert_eq!(fails("a,a\n").1, "two columns are named \"a\"");
        let endless = io::Read::chain("a,b\n\"".as_bytes(), io::repeat(b'x'));
        let (_, message) = Table::new(endless, b',').unwrap().columns().unwrap_err();
        assert!(message.contains("is a quote not closed?"), "{message}");
    }

    #[test]
    fn a_quote_that_is_not_closed_is_an_error_at_its_row_and_takes_no_rows() {
        let read = |text: &str| Table::new(text.as_bytes(), b',')?.columns().map(|_| ());
        for (text, line) in
            [("a,b\n1,\"x\n2,y\n", 2), ("a,b\n1,y\n\n2,\"x", 4), ("a,b\n1,\"x\"\"", 2), ("a\n\"", 2)]
        {
            let expected = Err((Some(line), "a quote in this row is not closed".to_owned()));
            assert_eq!(read(text), expected, "{text:?}");
        }
        for text in
            ["a\n\"x\"", "a\n\"x\n\"", "a\n\"x\n\"\n", "a\nx\"y", "a\n\"\"", "a\nx\n\n", "a\n\"x\"\r\n\r\n"]
        {
            assert_eq!(read(text), Ok(()), "{text:?}");
        }
    }
}
