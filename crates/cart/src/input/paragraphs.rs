//! Texts, whole or by paragraph.

use std::io::{BufRead, Read};

use compact_artifact::MAX_TEXT_LEN;

/// A run of lines that are not blank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Paragraph {
    /// Its first line, from 1 on.
    pub(crate) line: u64,
    /// Its lines, without the end of the last one.
    pub(crate) text: String,
}

/// The paragraphs of a text, one after the other.
#[derive(Debug)]
pub(crate) struct Paragraphs<R> {
    from: R,
    line: u64,
}

impl<R: BufRead> Paragraphs<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, line: 0 }
    }

    /// The next one; an error is a sentence without the name of the file.
    pub(crate) fn next_paragraph(&mut self) -> Result<Option<Paragraph>, String> {
        let mut paragraph = Paragraph { line: 0, text: String::new() };
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            self.line += 1;
            let mut limited = self.from.by_ref().take(MAX_TEXT_LEN as u64 + 1);
            limited.read_until(b'\n', &mut buffer).map_err(|e| format!("cannot be read: {e}"))?;
            let is_end = buffer.is_empty();
            let line = text_of(&buffer, self.line)?;
            let line = if self.line == 1 { line.trim_start_matches('\u{feff}') } else { line };
            if line.trim().is_empty() {
                if is_end || !paragraph.text.is_empty() {
                    return Ok((!paragraph.text.is_empty()).then_some(paragraph));
                }
                continue;
            }
            if paragraph.text.is_empty() {
                paragraph.line = self.line;
            } else {
                paragraph.text.push('\n');
            }
            paragraph.text.push_str(line.trim_end());
            if paragraph.text.len() > MAX_TEXT_LEN {
                return Err(format!(
                    "line {}: a paragraph of more than {MAX_TEXT_LEN} bytes",
                    paragraph.line
                ));
            }
        }
    }
}

/// A whole text.
pub(crate) fn whole(from: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut limited = from.take(MAX_TEXT_LEN as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
    if bytes.len() > MAX_TEXT_LEN {
        let hint = "split it by paragraph, or store it with --blob";
        return Err(format!("a text of more than {MAX_TEXT_LEN} bytes; {hint}"));
    }
    for (number, line) in (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
        text_of(line, number)?;
    }
    let text = String::from_utf8(bytes).map_err(|e| e.to_string())?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A line of a text; one that no text has tells a file of another type.
fn text_of(line: &[u8], number: u64) -> Result<&str, String> {
    let found = match std::str::from_utf8(line) {
        Ok(text) if !text.contains('\0') => return Ok(text),
        Ok(_) => "a NUL byte".to_owned(),
        Err(e) => {
            format!("byte 0x{:02x}, which is not UTF-8", line.get(e.valid_up_to()).copied().unwrap_or(0))
        }
    };
    Err(format!("not a text: line {number} has {found}; --blob stores files of any type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraphs(text: &str) -> Vec<(u64, String)> {
        let mut reader = Paragraphs::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(Paragraph { line, text }) = reader.next_paragraph().unwrap() {
            found.push((line, text));
        }
        found
    }

    #[test]
    fn blank_lines_part_paragraphs() {
        let found = paragraphs("\u{feff}a\r\nb  \r\n \t\r\n\n  c\nd");
        assert_eq!(found, [(1, "a\nb".to_owned()), (5, "  c\nd".to_owned())]);
        assert_eq!(paragraphs(""), []);
        assert_eq!(paragraphs("\n\n"), []);
    }

    #[test]
    fn files_of_other_types_are_told_with_their_line() {
        let failure = Paragraphs::new(&b"a\n\x89PNG"[..]).next_paragraph().unwrap_err();
        assert!(failure.contains("line 2 has byte 0x89"), "{failure}");
        assert!(whole(&b"a\n\nb\0"[..]).unwrap_err().contains("line 3 has a NUL byte"));
        assert_eq!(whole("\u{feff}a\n".as_bytes()).unwrap(), "a\n");
    }
}
