//! Each kind of file, read into records.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use encoding_rs::{Encoding, UTF_8};
use serde_json::{Map, Value};

use super::args::{Args, Split};
use super::sink::{Kept, Sink, paragraph_key};
use crate::failure::{Failure, Result};
use crate::input::encoding::{Decoded, detect};
use crate::input::jsonl::{Lines, parse};
use crate::input::npy::Npy;
use crate::input::paragraphs::{Paragraph, Paragraphs, whole};
use crate::input::shape::Shape;
use crate::input::sources::{Format, Source};
use crate::input::table::{Fault, Table};
use crate::input::{Content, Document, html, open};
use crate::output::Progress;

/// Content above this is streamed.
const LARGE: u64 = 8 << 20;

/// How files are read.
pub(super) struct Files<'a> {
    pub(super) args: &'a Args,
    pub(super) shape: Shape,
    pub(super) bar: &'a Progress,
}

impl Files<'_> {
    /// Adds what is in a file. A file of a folder, which nobody has named, is skipped where it is not what is asked for: the reason is returned.
    pub(super) fn add(&self, source: &Source, sink: &mut Sink<'_>) -> Result<Option<&'static str>> {
        if source.folder.is_some()
            && let Some(reason) = self.unfit(source)?
        {
            self.bar.advance(source.len);
            return Ok(Some(reason));
        }
        match source.format {
            Format::Jsonl | Format::JsonlZst => self.add_jsonl(source, sink)?,
            Format::Blob => self.add_blob(source, sink)?,
            Format::Table(delimiter) => self.add_table(source, delimiter, sink)?,
            Format::Text | Format::Html => {
                // Of a file that was named, it is said which byte is none of a text.
                let text = self.decoded(source, encoding(source)?.unwrap_or(UTF_8))?;
                match source.format {
                    Format::Html => self.add_html(source, text, sink)?,
                    _ => self.add_text(source, text, sink)?,
                }
            }
        }
        Ok(None)
    }

    /// Why a file is not what is asked for: it is binary, or has rows of another shape, unless their shape is given.
    fn unfit(&self, source: &Source) -> Result<Option<&'static str>> {
        let is_lines = matches!(source.format, Format::Jsonl | Format::JsonlZst);
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
        let Some(encoding) = encoding(source)? else { return Ok(Some("binary")) };
        if let Format::Table(delimiter) = source.format
            && !self.shape.is_given()
            && let Ok(table) = Table::new(reader(source, None, encoding)?, delimiter)
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
        while let Some(mut document) = lines.next_document(&self.shape)? {
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
            sink.add(document, lines.place()).map_err(|e| e.at(lines.place()))?;
        }
        Ok(())
    }

    /// Reads a table twice: for what its columns are, and for its rows.
    fn add_table(&self, source: &Source, delimiter: u8, sink: &mut Sink<'_>) -> Result<()> {
        let at = |line: Option<u64>| match line {
            Some(line) => format!("{}:{line}", place(source)),
            None => place(source),
        };
        let fault = |(line, e): Fault| Failure::failed(e).at(at(line));
        if !source.is_regular() {
            return Err(Failure::failed("a table is read twice; expected a file").at(place(source)));
        }
        let Some(encoding) = encoding(source)? else {
            return Err(fault((None, "a table that is not text".to_owned())));
        };
        let first = Table::new(reader(source, None, encoding)?, delimiter).map_err(fault)?;
        self.shape.check_names(first.names(), "column").map_err(|e| Failure::usage(e).at(place(source)))?;
        let columns = first.columns().map_err(fault)?;
        let mut rows = Table::new(self.decoded(source, encoding)?, delimiter).map_err(fault)?;
        while let Some((line, document)) = rows.next_document(&columns, &self.shape).map_err(fault)? {
            sink.add(document, at(Some(line))).map_err(|e| e.at(at(Some(line))))?;
        }
        Ok(())
    }

    fn add_blob(&self, source: &Source, sink: &mut Sink<'_>) -> Result<()> {
        let metadata = Map::from_iter([("path".to_owned(), source.name.clone().into())]);
        let mut from = self.decoded(source, UTF_8)?;
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
            sink.add(blob(bytes), place(source)).map_err(|e| e.at(place(source)))?;
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
        sink.stream(blob(Vec::new()), from).map_err(|e| e.at(place(source)))
    }

    /// A file as UTF-8, counted by the bar as it is read.
    fn decoded(&self, source: &Source, encoding: &'static Encoding) -> Result<Box<dyn BufRead>> {
        reader(source, Some(self.bar), encoding)
    }
}

/// The encoding of a file; None of one that is not text. What cannot be read twice is UTF-8.
fn encoding(source: &Source) -> Result<Option<&'static Encoding>> {
    if !source.is_regular() {
        return Ok(Some(UTF_8));
    }
    let file = open(&source.path)?;
    let found = detect(file, source.format == Format::Html);
    found.map_err(|e| crate::input::cannot_read(&source.path, &e))
}

fn add_whole(source: &Source, text: String, title: Option<String>, sink: &mut Sink<'_>) -> Result<()> {
    let metadata = Map::from_iter([("path".to_owned(), source.name.clone().into())]);
    let document = document(source.name.clone(), Content::Text(text), metadata, title);
    sink.add(document, place(source)).map_err(|e| e.at(place(source)))?;
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
    let place = format!("{}:{line}", place(source));
    sink.add(document, place.clone()).map_err(|e| e.at(place))
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
    const BUFFER: usize = 256 << 10;
    if source.is_stdin() {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file: File = open(&source.path)?;
    let raw: Box<dyn Read> = match bar {
        Some(bar) => Box::new(bar.reading(file)),
        None => Box::new(file),
    };
    if source.format == Format::JsonlZst {
        let decoded = zstd::Decoder::new(raw)
            .map_err(|e| Failure::failed(format_args!("zstd: {e}")).at(place(source)))?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER, decoded)));
    }
    if encoding == UTF_8 {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, raw)));
    }
    Ok(Box::new(BufReader::with_capacity(BUFFER, Decoded::new(raw, encoding))))
}

pub(super) fn jsonl_lines(source: &Source, bar: Option<&Progress>) -> Result<Lines<Box<dyn BufRead>>> {
    Ok(Lines::new(reader(source, bar, UTF_8)?, place(source)))
}
