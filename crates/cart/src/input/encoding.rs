//! Which encoding a file is in, and its text in UTF-8.
//!
//! A byte order mark says it. Otherwise a file that is valid UTF-8 is UTF-8, an HTML file is what its `<meta charset>` names, and all else is
//! guessed by [`chardetng`]. A file with NUL bytes, or with control characters where it is not UTF-8, is binary.

use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};

/// Bytes that are looked at, or decoded, at a time.
const CHUNK: usize = 64 << 10;
/// Where an HTML file names its encoding: within its first so many bytes, as the standard of HTML has it.
const META_LEN: usize = 1024;

/// The encoding of a file that is read to its end; None of a binary file.
pub(crate) fn detect(mut from: impl Read, is_html: bool) -> io::Result<Option<&'static Encoding>> {
    let mut buffer = vec![0; CHUNK];
    let mut filled = fill(&mut from, &mut buffer)?;
    if let Some((encoding, _)) = Encoding::for_bom(buffer.get(..filled).unwrap_or_default()) {
        return Ok(Some(encoding));
    }
    let named =
        if is_html { meta_charset(buffer.get(..filled.min(META_LEN)).unwrap_or_default()) } else { None };
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let (mut is_utf8, mut has_controls) = (true, false);
    let mut kept = 0; // bytes of a character that the last chunk ended in
    while filled > kept {
        let chunk = buffer.get(..filled).unwrap_or_default();
        if chunk.contains(&0) {
            return Ok(None);
        }
        has_controls |= chunk.iter().any(|&byte| is_control(byte));
        let mut rest = 0;
        if is_utf8 {
            match std::str::from_utf8(chunk) {
                Ok(_) => {}
                Err(e) if e.error_len().is_none() => rest = filled - e.valid_up_to(),
                Err(_) => is_utf8 = false,
            }
        }
        let (whole, begun) = chunk.split_at(filled - rest);
        if !is_utf8 {
            detector.feed(whole, false);
        }
        let begun = begun.to_vec();
        kept = begun.len();
        buffer.get_mut(..kept).unwrap_or_default().copy_from_slice(&begun);
        filled = kept + fill(&mut from, buffer.get_mut(kept..).unwrap_or_default())?;
    }
    // A character that the file ends in the middle of.
    if kept > 0 {
        is_utf8 = false;
        detector.feed(buffer.get(..kept).unwrap_or_default(), false);
    }
    detector.feed(&[], true);
    Ok(match (is_utf8, has_controls) {
        (true, _) => Some(UTF_8),
        (false, true) => None,
        (false, false) => Some(named.unwrap_or_else(|| detector.guess(None, Utf8Detection::Deny))),
    })
}

/// Control characters that texts do not have: not tabs, ends of lines and pages, escapes, backspaces and the end mark of DOS.
fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x08 | 0x1a | 0x1b)
}

/// Reads until the buffer is full or the file ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(free @ [_, ..]) = buffer.get_mut(filled..) {
        match from.read(free) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// What `<meta charset="…">`, or the `content` of a meta element, names.
fn meta_charset(beginning: &[u8]) -> Option<&'static Encoding> {
    let lower = beginning.to_ascii_lowercase();
    let at = lower.windows(8).position(|window| window == b"charset=")? + 8;
    let label = lower.get(at..)?.trim_ascii_start();
    let label = label.strip_prefix(b"\"").or_else(|| label.strip_prefix(b"'")).unwrap_or(label);
    let end = label.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"-_:.".contains(byte))?;
    Encoding::for_label(label.get(..end)?)
}

/// A file that is read as UTF-8, whatever it is in. What its encoding does not have becomes U+FFFD.
pub(crate) struct Decoded<R> {
    from: R,
    decoder: Decoder,
    raw: Vec<u8>,
    /// Bytes of `raw` that are not decoded yet.
    pending: std::ops::Range<usize>,
    text: Vec<u8>,
    given: usize,
    is_end: bool,
}

impl<R: Read> Decoded<R> {
    pub(crate) fn new(from: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { from, decoder, raw: vec![0; CHUNK], pending: 0..0, text: Vec::new(), given: 0, is_end: false }
    }

    /// Decodes what comes next. False at the end.
    fn refill(&mut self) -> io::Result<bool> {
        if self.is_end {
            return Ok(false);
        }
        let mut is_last = false;
        if self.pending.is_empty() {
            let read = fill(&mut self.from, &mut self.raw)?;
            self.pending = 0..read;
            is_last = read < self.raw.len();
        }
        self.text.resize(3 * CHUNK + 16, 0);
        let raw = self.raw.get(self.pending.clone()).unwrap_or_default();
        let (result, read, written, _) = self.decoder.decode_to_utf8(raw, &mut self.text, is_last);
        self.pending.start += read;
        self.text.truncate(written);
        self.given = 0;
        self.is_end = is_last && result == CoderResult::InputEmpty;
        Ok(true)
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let mut ready = self.text.get(self.given..).unwrap_or_default();
        let read = ready.read(buffer)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], is_html: bool) -> Option<String> {
        let encoding = detect(bytes, is_html).unwrap()?;
        let mut text = String::new();
        Decoded::new(bytes, encoding).read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn encodings_are_detected() {
        let utf16 =
            |order: fn(u16) -> [u8; 2]| "\u{feff}Grüße".encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let latin = b"Die Stra\xdfe und die \xc4pfel, die M\xe4dchen und die K\xf6nige.";
        let koi8 = b"\xf0\xd2\xc9\xd7\xc5\xd4, \xcd\xc9\xd2! \xfc\xd4\xcf \xd0\xd2\xcf\xd3\xd4\xcf\xca \xd4\xc5\xcb\xd3\xd4.";
        let shift_jis =
            b"\x93\xfa\x96\x7b\x8c\xea\x82\xcc\x83\x65\x83\x4c\x83\x58\x83\x67\x82\xc5\x82\xb7\x81\x42";
        for (bytes, expected) in [
            (&b"plain"[..], "plain"),
            ("\u{feff}Grüße".as_bytes(), "Grüße"),
            (&utf16(u16::to_le_bytes), "Grüße"),
            (&utf16(u16::to_be_bytes), "Grüße"),
            (latin, "Die Straße und die Äpfel, die Mädchen und die Könige."),
            (koi8, "Привет, мир! Это простой текст."),
            (shift_jis, "日本語のテキストです。"),
            (b"", ""),
        ] {
            assert_eq!(read(bytes, false).as_deref(), Some(expected));
        }
        let page = b"<html><meta charset=\"iso-8859-2\">\xb1\xe6\xea".as_slice();
        assert!(read(page, true).unwrap().ends_with("ąćę"), "{:?}", read(page, true));
    }

    #[test]
    fn binary_files_are_told_from_texts() {
        let noise: Vec<u8> = (1..2000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .filter(|&byte| byte != 0)
            .collect();
        for binary in [&b"a\0b"[..], b"\x89PNG\r\n\x1a\n\x01", &noise] {
            assert_eq!(read(binary, false), None, "{binary:?}");
        }
        assert_eq!(read(b"a control \x01 in UTF-8", false).as_deref(), Some("a control \u{1} in UTF-8"));
    }

    #[test]
    fn characters_are_whole_also_where_chunks_end() {
        for before in (CHUNK - 4)..=CHUNK {
            let text = "a".repeat(before) + &"ü€𝄞".repeat(3 * CHUNK / 9);
            assert_eq!(read(text.as_bytes(), false).as_deref(), Some(text.as_str()));
        }
        let latin: Vec<u8> = b"caf\xe9 ".repeat(5 * CHUNK / 5);
        assert_eq!(read(&latin, false).unwrap(), "café ".repeat(CHUNK));
        // It ends in the middle of a character: no UTF-8.
        assert!(
            read(b"caf\xc3", false).is_some_and(|text| text.starts_with("caf") && text.chars().count() == 4)
        );
    }
}
