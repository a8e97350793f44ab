//! Writing a part, front to back.

use std::io::{self, Write};

use fst::MapBuilder;
use wire::{AlignedBytes, CHUNK_LEN, ChunkWriter};

use super::layout::{FieldStats, Fields, Header, encode_long};
use crate::bm25::LONG;
use crate::error::{Error, Result};
use crate::postings::Encoder;

/// All terms of an index with their postings.
pub(crate) trait Terms {
    /// The next term in ascending order of its key: the number of the field, then the bytes of the term. Its postings, and where each of them has
    /// positions those, are put into `postings`. `false` at the end.
    fn next<L: Write, P: Write>(&mut self, key: &mut Vec<u8>, postings: &mut Encoder<L, P>) -> Result<bool>;
}

/// The lengths of all texts of an index.
pub(crate) trait Columns {
    fn rows(&self) -> u32;
    fn tokens(&self, field: usize) -> u64;
    /// Calls `found` with the length of every row, in order.
    fn each_length(&self, field: usize, found: &mut dyn FnMut(u32)) -> Result<()>;
}

/// Writes a part in one pass over the terms, with everything but the lengths in memory.
pub(crate) fn write_buffered(
    out: impl Write,
    analyzer: [u8; 8],
    fields: &Fields,
    columns: &impl Columns,
    terms: &mut impl Terms,
) -> Result<()> {
    let mut sections: [Section; 3] = Default::default();
    let [dictionary, lists, positions] = &mut sections;
    let kept = fields.has_positions().then_some(positions);
    let lens = encode(terms, dictionary, lists, kept)?;
    let mut out = begin(out, analyzer, fields, columns, lens)?;
    for section in sections {
        out.write_all(section.0.as_ref())?;
        out.pad()?;
    }
    out.finish()?;
    Ok(())
}

/// A section in memory. It grows as a `Vec` does; where there is no memory for that, or too little left for the builder of the dictionary afterwards,
/// which asks for more until it is looked at again, writing to it is an error.
#[derive(Default)]
struct Section(AlignedBytes);

impl Write for Section {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.0.capacity();
        let len = self.0.write(bytes)?;
        if self.0.capacity() > room && !wire::is_memory_left(2 * ROOM_OF_BUILDER) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a part in one pass over the terms for each of its sections, and one before to learn how long they are: of postings,
/// only those of one term are in memory, with a piece of their positions.
pub(crate) fn write_in_passes<T: Terms>(
    out: impl Write,
    analyzer: [u8; 8],
    fields: &Fields,
    columns: &impl Columns,
    mut terms: impl FnMut() -> Result<T>,
) -> Result<()> {
    // Through pointers: it is compiled once, and what it does is seldom held up by that.
    let (mut dictionary, mut lists, mut positions) = (io::sink(), io::sink(), io::sink());
    let mut pass = |terms: &mut T, section: usize, out: &mut dyn Write| {
        let mut sections: [&mut dyn Write; 3] = [&mut dictionary, &mut lists, &mut positions];
        sections[section] = out;
        let [dictionary, lists, positions] = sections;
        encode(terms, dictionary, lists, fields.has_positions().then_some(positions))
    };
    let lens = pass(&mut terms()?, 0, &mut io::sink())?;
    let mut out = begin(out, analyzer, fields, columns, lens)?;
    for section in 0..if fields.has_positions() { 3 } else { 2 } {
        pass(&mut terms()?, section, &mut out)?;
        out.pad()?;
    }
    out.finish()?;
    Ok(())
}

/// How many terms there are, and how long their sections.
struct Lens {
    terms: u64,
    dictionary: u64,
    postings: u64,
    positions: u64,
}

fn encode(
    terms: &mut impl Terms,
    dictionary: &mut dyn Write,
    lists: impl Write,
    positions: Option<impl Write>,
) -> Result<Lens> {
    check_memory()?;
    let mut builder = MapBuilder::new(Counting { out: dictionary, len: 0 }).map_err(dictionary_error)?;
    let mut encoder = Encoder::new(lists, positions);
    let (mut key, mut count) = (Vec::new(), 0u64);
    while terms.next(&mut key, &mut encoder)? {
        let value = encoder.finish_term()?;
        builder.insert(&key, value.encode()).map_err(dictionary_error)?;
        count += 1;
        if count.is_multiple_of(TERMS_BETWEEN_CHECKS) {
            check_memory()?;
        }
    }
    let dictionary = builder.into_inner().map_err(dictionary_error)?.len;
    let (postings, positions) = encoder.lens();
    Ok(Lens { terms: count, dictionary, postings, positions })
}

/// After so many terms it is seen whether there is memory for as many more.
const TERMS_BETWEEN_CHECKS: u64 = 256;

/// More than the builder of the dictionary takes when it begins, a table of 960,000 bytes, and for so many terms, about a hundred bytes for each letter
/// that no other term shares.
const ROOM_OF_BUILDER: usize = 1 << 20;

/// An error where there is no room for the builder of the dictionary, which ends the process when it gets no memory.
fn check_memory() -> Result<()> {
    let no_memory = || Error::out_of_memory("the dictionary of a part");
    if wire::is_memory_left(ROOM_OF_BUILDER) { Ok(()) } else { Err(no_memory()) }
}

fn dictionary_error(error: fst::Error) -> Error {
    match error {
        fst::Error::Io(error) => error.into(),
        error @ fst::Error::Fst(_) => Error::damaged(format!("the terms are not in order: {error}")),
    }
}

/// Writes everything before the dictionary.
fn begin<W: Write>(
    out: W,
    analyzer: [u8; 8],
    fields: &Fields,
    columns: &impl Columns,
    lens: Lens,
) -> Result<ChunkWriter<W>> {
    let mut stats = Vec::with_capacity(fields.len());
    for field in 0..fields.len() {
        let mut long = 0;
        columns.each_length(field, &mut |len| long += u32::from(len >= u32::from(LONG)))?;
        stats.push(FieldStats { tokens: columns.tokens(field), long });
    }
    let header = Header {
        analyzer,
        fields: fields.clone(),
        packed: fields.has_positions(),
        stats,
        rows: columns.rows(),
        terms: lens.terms,
        dictionary_len: lens.dictionary,
        postings_len: lens.postings,
        positions_len: lens.positions,
    };
    let mut body = ChunkWriter::new(out);
    body.write_all(&header.encode())?;
    body.pad()?;
    for field in 0..fields.len() {
        write_lengths(&mut body, columns, field)?;
    }
    Ok(body)
}

fn write_lengths(body: &mut ChunkWriter<impl Write>, columns: &impl Columns, field: usize) -> Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK_LEN);
    let mut outcome = Ok(());
    let mut flush = |bytes: &mut Vec<u8>, at_least: usize| {
        if bytes.len() >= at_least && outcome.is_ok() {
            outcome = body.write_all(bytes);
            bytes.clear();
        }
    };
    columns.each_length(field, &mut |len| {
        bytes.push(u8::try_from(len).unwrap_or(LONG));
        flush(&mut bytes, CHUNK_LEN);
    })?;
    flush(&mut bytes, 0);
    outcome?;
    body.pad()?;
    let mut row = 0u32;
    let mut outcome = Ok(());
    columns.each_length(field, &mut |len| {
        if len >= u32::from(LONG) && outcome.is_ok() {
            outcome = body.write_all(&encode_long(row, len));
        }
        row = row.wrapping_add(1);
    })?;
    outcome?;
    Ok(body.pad()?)
}

struct Counting<W> {
    out: W,
    len: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.len += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
