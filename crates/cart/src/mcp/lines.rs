//! What a client sends, line by line, in bounded memory.

use std::io::{self, BufRead};

use super::limits::MAX_LINE;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    /// One of more than [`MAX_LINE`] bytes, which was passed over.
    TooLong,
}

/// The next line; the last one need not have an end. `None`: nothing more comes.
pub(crate) fn next(from: &mut impl BufRead) -> io::Result<Option<Line>> {
    let (mut line, mut is_too_long, mut is_begun) = (Vec::new(), false, false);
    loop {
        let buffer = match from.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            filled => filled?,
        };
        if buffer.is_empty() && !is_begun {
            return Ok(None);
        }
        is_begun = true;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        is_too_long |= line.len() + piece.len() > MAX_LINE;
        if is_too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(piece);
        }
        let is_over = end.is_some() || buffer.is_empty();
        let read = end.map_or(buffer.len(), |end| end + 1);
        from.consume(read);
        if is_over {
            return Ok(Some(if is_too_long { Line::TooLong } else { Line::Whole(line) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn all(bytes: &[u8], capacity: usize) -> Vec<Line> {
        let mut from = BufReader::with_capacity(capacity, bytes);
        std::iter::from_fn(|| next(&mut from).unwrap()).collect()
    }

    #[test]
    fn lines_end_with_a_line_feed_or_with_the_stream() {
        let whole = |line: &str| Line::Whole(line.as_bytes().to_vec());
        for capacity in [1, 2, 3, 100] {
            assert_eq!(all(b"", capacity), []);
            assert_eq!(all(b"a\n\nbc\r\nd", capacity), [whole("a"), whole(""), whole("bc\r"), whole("d")]);
            assert_eq!(all(b"a\n", capacity), [whole("a")]);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let mut bytes = vec![b'x'; MAX_LINE];
        bytes.extend_from_slice(b"\n{}\n");
        assert_eq!(all(&bytes, 8192), [Line::Whole(vec![b'x'; MAX_LINE]), Line::Whole(b"{}".to_vec())]);
        bytes.insert(0, b'x');
        assert_eq!(all(&bytes, 8192), [Line::TooLong, Line::Whole(b"{}".to_vec())]);
        assert_eq!(all(&vec![b'x'; 3 * MAX_LINE], 8192), [Line::TooLong]);
    }
}
