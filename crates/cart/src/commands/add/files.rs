//! Each kind of file, read into records.

use std::io::{BufRead, BufReader, Read};

use encoding_rs::{Encoding, UTF_8};
use serde_json::{Map, Value};

use super::args::{Args, Split};
use super::rest::{Kept, paragraph_key};
use super::sink::Sink;
#[cfg(feature = "arrow")]
use crate::failure::Code;
use crate::failure::{Failure, Result};
#[cfg(feature = "arrow")]
use crate::input::columnar::Rows;
use crate::input::encoding::{Decoded, detect};
use crate::input::jsonl::{Lines, parse};
use crate::input::npy::Npy;
use crate::input::paragraphs::{Paragraph, Paragraphs, whole};
use crate::input::settings::Settings;
use crate::input::shape::Shape;
use crate::input::sources::{Format, Source};
use crate::input::table::{Fault, Table};
use crate::input::{Content, Document, cannot_read, html, open};
use crate::output::Progress;

/// Content above this is streamed.
const LARGE: u64 = 8 << 20;
/// Bytes that are read from a file at a time.
const BUFFER: usize = 256 << 10;

/// How files are read.
pub(super) struct Files<'a> {
    pub(super) args: &'a Args,
    pub(super) shape: Shape,
    pub(super) bar: &'a Progress,
}

impl Files<'_> {
    /// Adds what is in a file. A file of a folder, which nobody has named, is skipped where it is not what is asked for: the reason is returned.
    pub(super) fn add(&self, source: &Source, sink: &mut Sink<'_>) -> Result<Option<&'static str>> {
        let text = match source.format {
            Format::Text | Format::Html | Format::Table(_) => Some(TextFile::open(source)?),
            Format::Jsonl | Format::JsonlZst | Format::Columns | Format::Blob => None,
        };
        if source.folder.is_some()
            && let Some(reason) = self.unfit(source, text.as_ref())?
        {
            self.bar.advance(source.len);
            return Ok(Some(reason));
        }
        if text.as_ref().is_some_and(|text| text.is_pdf) {
            let message = "a PDF, which is not read; `pdftotext FILE -` writes its text";
            return Err(Failure::failed(message).at(place(source)));
        }
        match (source.format, text) {
            (Format::Table(delimiter), Some(file)) => self.add_table(source, delimiter, &file, sink)?,
            (Format::Html, Some(file)) => self.add_html(source, file.text(source, Some(self.bar))?, sink)?,
            (_, Some(file)) => self.add_text(source, file.text(source, Some(self.bar))?, sink)?,
            (Format::Columns, _) => self.add_columns(source, sink)?,
            (Format::Blob, None) => self.add_blob(source, sink)?,
            (_, None) => self.add_jsonl(source, sink)?,
        }
        Ok(None)
    }

    /// Why a file is not what is asked for: it is binary, or has rows of another shape, unless their shape is given.
    fn unfit(&self, source: &Source, text: Option<&TextFile>) -> Result<Option<&'static str>> {
        let is_lines = matches!(source.format, Format::Jsonl | Format::JsonlZst);
        if source.format == Format::Columns {
            return Ok(self.unfit_columns(source));
        }
        if source.format == Format::Blob || is_lines && (self.shape.is_given() || self.args.jsonl) {
            return Ok(None);
        }
        if is_lines {
            let mut lines = jsonl_lines(source, None)?;
            let is_record = !matches!(lines.next_line(), Ok(Some(line)) if parse(line).is_err());
            return Ok(
                (!is_record).then_some("its lines are no records; --text-field says which value is the text")
            );
        }
        if text.is_some_and(|text| text.is_pdf) {
            return Ok(Some("a PDF"));
        }
        let Some(text) = text.filter(|text| text.encoding.is_some()) else { return Ok(Some("binary")) };
        if let Format::Table(delimiter) = source.format
            && !self.shape.is_given()
            && let Ok(table) = Table::new(text.text(source, None)?, delimiter)
            && self.shape.check_names(table.names(), "column").is_err()
        {
            return Ok(Some("no column is named text; --text-field names another"));
        }
        Ok(None)
    }

    fn is_whole(&self) -> bool {
        self.args.split == Some(Split::Whole)
    }

    fn add_text(&self, source: &Source, text: impl BufRead, sink: &mut Sink<'_>) -> Result<()> {
        let fault = |e: String| Failure::failed(e).at(place(source));
        if self.is_whole() {
            let text = whole(text).map_err(fault)?;
            return add_whole(source, text, None, sink);
        }
        let mut paragraphs = Paragraphs::new(text);
        let mut number = 0u64;
        while let Some(paragraph) = paragraphs.next_paragraph().map_err(fault)? {
            number += 1;
            add_paragraph(source, number, paragraph, None, sink)?;
        }
        sink.drop_rest(&source.name, Kept::Paragraphs(number));
        Ok(())
    }

    fn add_html(&self, source: &Source, text: impl BufRead, sink: &mut Sink<'_>) -> Result<()> {
        let text = whole(text).map_err(|e| Failure::failed(e).at(place(source)))?;
        let html::Page { title, paragraphs } = html::reduce(&text);
        drop(text);
        if self.is_whole() {
            let texts: Vec<String> = paragraphs.into_iter().map(|paragraph| paragraph.text).collect();
            return add_whole(source, texts.join("\n\n"), title, sink);
        }
        let mut number = 0u64;
        for paragraph in paragraphs {
            number += 1;
            add_paragraph(source, number, paragraph, title.clone(), sink)?;
        }
        sink.drop_rest(&source.name, Kept::Paragraphs(number));
        Ok(())
    }

    fn add_jsonl(&self, source: &Source, sink: &mut Sink<'_>) -> Result<()> {
        let mut vectors = self.args.vectors.as_deref().map(Npy::open).transpose()?;
        let space = self.args.space.as_deref().unwrap_or_default();
        let mut lines = jsonl_lines(source, Some(self.bar))?;
        let (mut is_empty, mut has_key) = (true, false);
        while let Some(mut document) = lines.next_document(&self.shape)? {
            is_empty = false;
            has_key |= document.key.is_some();
            if let Some(vectors) = &mut vectors {
                if document.vectors.iter().any(|(name, _)| name == space) {
                    let message = format!("a vector in the space {space:?}, which --vectors gives as well");
                    return Err(Failure::failed(message).at(lines.place()));
                }
                // Both files were read once already, and may have changed since.
                let row =
                    vectors.next_row().and_then(|row| row.ok_or_else(|| "no row for this record".to_owned()));
                let row = row.map_err(|e| Failure::failed(e).at(lines.place()))?;
                document.vectors.push((space.to_owned(), row));
            }
            sink.add(document, lines.place())?;
        }
        match &self.args.key_field {
            Some(name) if !has_key && !is_empty => {
                let message = format!("no line has {name:?}, which --key-field names");
                Err(Failure::usage(message).at(place(source)))
            }
            _ => Ok(()),
        }
    }

    /// Reads a table twice: for what its columns are, and for its rows.
    fn add_table(&self, source: &Source, delimiter: u8, file: &TextFile, sink: &mut Sink<'_>) -> Result<()> {
        let at = |line: Option<u64>| match line {
            Some(line) => format!("{}:{line}", place(source)),
            None => place(source),
        };
        let fault = |(line, e): Fault| Failure::failed(e).at(at(line));
        if !source.is_regular() {
            return Err(Failure::failed("a table is read twice; expected a file").at(place(source)));
        }
        if file.encoding.is_none() {
            return Err(fault((None, "a table that is not text".to_owned())));
        }
        let first = Table::new(file.text(source, None)?, delimiter).map_err(fault)?;
        self.shape.check_names(first.names(), "column").map_err(|e| Failure::usage(e).at(place(source)))?;
        let columns = first.columns().map_err(fault)?;
        let mut rows = Table::new(file.text(source, Some(self.bar))?, delimiter).map_err(fault)?;
        while let Some((line, document)) = rows.next_document(&columns, &self.shape).map_err(fault)? {
            sink.add(document, at(Some(line)))?;
        }
        Ok(())
    }

    #[cfg(feature = "arrow")]
    fn add_columns(&self, source: &Source, sink: &mut Sink<'_>) -> Result<()> {
        if !source.is_regular() {
            return Err(
                Failure::failed("a file of columns is read in parts; expected a file").at(place(source))
            );
        }
        let mut rows = Rows::open(&source.path, &self.shape, &self.args.vector_field)?;
        while let Some((row, document)) = rows.next_document()? {
            sink.add(document, format!("{}: row {row}", place(source)))?;
        }
        self.bar.advance(source.len);
        Ok(())
    }

    #[cfg(not(feature = "arrow"))]
    fn add_columns(&self, source: &Source, _: &mut Sink<'_>) -> Result<()> {
        let reason = self.unfit_columns(source).unwrap_or_default();
        Err(Failure::failed(reason).at(place(source)))
    }

    /// Why a file of columns cannot be read, unless the shape of its rows is given.
    #[cfg(feature = "arrow")]
    fn unfit_columns(&self, source: &Source) -> Option<&'static str> {
        let is_unfit = !self.shape.is_given()
            && Rows::open(&source.path, &self.shape, &[]).is_err_and(|e| e.code() == Some(Code::Usage));
        is_unfit.then_some("no column is named text; --text-field names another")
    }

    #[cfg(not(feature = "arrow"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "with Arrow it depends on the file")]
    fn unfit_columns(&self, _: &Source) -> Option<&'static str> {
        Some("a file of columns, which this program reads when it is built with the feature arrow")
    }

    fn add_blob(&self, source: &Source, sink: &mut Sink<'_>) -> Result<()> {
        let metadata = Map::from_iter([("path".to_owned(), source.name.clone().into())]);
        let mut from = reader(source, Some(self.bar), UTF_8)?;
        let mut bytes = Vec::new();
        let fault =
            |e: std::io::Error| Failure::failed(format_args!("cannot be read: {e}")).at(place(source));
        // What replaces a record has to be there as a whole when the record goes.
        let replaces = self.args.upsert || self.args.sync;
        let limit = if replaces { sink.held_max() } else { LARGE };
        from.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(fault)?;
        let is_large = bytes.len() as u64 > limit;
        let blob = |bytes| document(source.name.clone(), Content::Blob(bytes), metadata, None);
        if !is_large {
            sink.add(blob(bytes), place(source))?;
            if self.args.sync {
                sink.drop_rest(&source.name, Kept::Whole);
            }
            return Ok(());
        }
        if replaces {
            let message = format!(
                "more than {limit} bytes, which --upsert cannot replace at once; delete the old one, then add it"
            );
            return Err(Failure::failed(message).at(place(source)));
        }
        let from = std::io::Cursor::new(bytes).chain(from);
        sink.stream(blob(Vec::new()), from, &place(source))
    }
}

/// A file of which it is known whether it is text. A small one is in memory, so that it is read once.
struct TextFile {
    bytes: Option<Vec<u8>>,
    /// None: it is binary.
    encoding: Option<&'static Encoding>,
    /// Some of these have no byte that a text does not have.
    is_pdf: bool,
}

impl TextFile {
    /// Reads a file for its encoding. What cannot be read twice is UTF-8.
    fn open(source: &Source) -> Result<Self> {
        if !source.is_regular() {
            return Ok(Self { bytes: None, encoding: Some(UTF_8), is_pdf: false });
        }
        let fault = |e| cannot_read(&source.path, &e);
        let (mut file, mut bytes) = (open(&source.path)?, Vec::new());
        file.by_ref().take(LARGE + 1).read_to_end(&mut bytes).map_err(fault)?;
        let is_html = source.format == Format::Html;
        let encoding = detect(bytes.as_slice().chain(file), is_html).map_err(fault)?;
        let (is_small, is_pdf) = (bytes.len() as u64 <= LARGE, bytes.starts_with(b"%PDF-"));
        Ok(Self { bytes: is_small.then_some(bytes), encoding, is_pdf })
    }

    /// Its text as UTF-8, counted by the bar as it is read. Of a binary file that was named, it is then said which byte is none of a text.
    fn text<'a>(&'a self, source: &Source, bar: Option<&Progress>) -> Result<Box<dyn BufRead + 'a>> {
        let encoding = self.encoding.unwrap_or(UTF_8);
        let Some(bytes) = &self.bytes else { return reader(source, bar, encoding) };
        let raw: Box<dyn Read> = match bar {
            Some(bar) => Box::new(bar.reading(bytes.as_slice())),
            None => Box::new(bytes.as_slice()),
        };
        Ok(decoded(raw, encoding))
    }
}

fn add_whole(source: &Source, text: String, title: Option<String>, sink: &mut Sink<'_>) -> Result<()> {
    let metadata = Map::from_iter([("path".to_owned(), source.name.clone().into())]);
    let document = document(source.name.clone(), Content::Text(text), metadata, title);
    sink.add(document, place(source))?;
    sink.drop_rest(&source.name, Kept::Whole);
    Ok(())
}

fn add_paragraph(
    source: &Source,
    number: u64,
    Paragraph { line, text }: Paragraph,
    title: Option<String>,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let metadata: [(&str, Value); 3] =
        [("path", source.name.clone().into()), ("paragraph", number.into()), ("line", line.into())];
    let metadata = metadata.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    let document = document(paragraph_key(&source.name, number), Content::Text(text), metadata, title);
    sink.add(document, format!("{}:{line}", place(source)))
}

fn document(key: String, content: Content, metadata: Map<String, Value>, title: Option<String>) -> Document {
    let fields = title.map(|title| ("title".to_owned(), title)).into_iter().collect();
    Document { key: Some(key), content, metadata, vectors: Vec::new(), fields }
}

/// What errors name.
fn place(source: &Source) -> String {
    if source.is_stdin() { "stdin".to_owned() } else { source.path.display().to_string() }
}

fn reader(source: &Source, bar: Option<&Progress>, encoding: &'static Encoding) -> Result<Box<dyn BufRead>> {
    if source.is_stdin() {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = open(&source.path)?;
    let raw: Box<dyn Read> = match bar {
        Some(bar) => Box::new(bar.reading(file)),
        None => Box::new(file),
    };
    if source.format == Format::JsonlZst {
        let decoded = zstd::Decoder::new(raw)
            .map_err(|e| Failure::failed(format_args!("zstd: {e}")).at(place(source)))?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER, decoded)));
    }
    Ok(decoded(raw, encoding))
}

fn decoded<'a>(raw: Box<dyn Read + 'a>, encoding: &'static Encoding) -> Box<dyn BufRead + 'a> {
    if encoding == UTF_8 {
        return Box::new(BufReader::with_capacity(BUFFER, raw));
    }
    Box::new(BufReader::with_capacity(BUFFER, Decoded::new(raw, encoding)))
}

/// The settings that an export begins with.
pub(super) fn settings(source: &Source) -> Result<Option<Settings>> {
    match source.format {
        Format::Jsonl | Format::JsonlZst => jsonl_lines(source, None)?.settings(),
        _ => Ok(None),
    }
}

/// The encoding that a byte order mark says, as in lines of JSON that are not UTF-8; of what can be read only once, and without one, UTF-8.
fn marked_encoding(source: &Source) -> Result<&'static Encoding> {
    if source.format != Format::Jsonl || !source.is_regular() {
        return Ok(UTF_8);
    }
    let mut mark = Vec::new();
    let read = open(&source.path)?.take(3).read_to_end(&mut mark);
    read.map_err(|e| cannot_read(&source.path, &e))?;
    Ok(Encoding::for_bom(&mark).map_or(UTF_8, |(encoding, _)| encoding))
}

pub(super) fn jsonl_lines(source: &Source, bar: Option<&Progress>) -> Result<Lines<Box<dyn BufRead>>> {
    Ok(Lines::new(reader(source, bar, marked_encoding(source)?)?, place(source)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::add::Mode;
    use crate::input::opened;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_small_file_of_a_folder_is_opened_once_and_a_large_one_twice() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join("in").join(name);
        std::fs::create_dir(temp.path().join("in")).unwrap();
        std::fs::write(path("a.txt"), "a paragraph\n\nanother").unwrap();
        std::fs::write(path("b.html"), "<title>t</title><p>a text").unwrap();
        std::fs::write(path("c.csv"), "text,n\nx,1\n").unwrap();
        std::fs::write(path("d.bin"), [0u8; 100]).unwrap();
        std::fs::write(path("e.txt"), "word ".repeat(3 << 20)).unwrap();
        let (artifact, folder) = (temp.path().join("a"), temp.path().join("in"));
        let line = ["add", artifact.to_str().unwrap(), folder.to_str().unwrap(), "--no-meaning"];
        let args = Line::parse_from(line).args;
        let found = crate::input::sources::sources(&args.files, &args.taken_as()).unwrap();
        let bar = Progress::spinner("");
        let files = Files { args: &args, shape: args.shape(), bar: &bar };
        let mut sink = Sink::new(&args, Mode::Add).unwrap();
        let mut counts = Vec::new();
        for source in &found.sources {
            let before = opened();
            files.add(source, &mut sink).unwrap();
            let name = source.path.file_name().unwrap().to_str().unwrap().to_owned();
            counts.push((name, opened() - before));
        }
        counts.sort();
        let expected = [("a.txt", 1), ("b.html", 1), ("c.csv", 1), ("d.bin", 1), ("e.txt", 2)];
        assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)));
    }
}
