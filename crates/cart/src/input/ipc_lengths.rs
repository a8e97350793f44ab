//! Lengths in Arrow IPC. The reader of `arrow-ipc` allocates as much as they say, so that they are checked against the file before.

use std::error::Error;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use arrow_ipc::reader::read_footer_length;
use arrow_ipc::{CompressionType, Message, root_as_footer, root_as_message};

/// Bytes at the end of a file: the length of the footer and the magic.
const TRAILER_LEN: usize = 10;
/// What the length of a message is preceded by, but for files before 2019.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Bytes in front of a compressed buffer: how long it is when it is decompressed, -1 where it is not compressed.
const PREFIX_LEN: usize = 8;
/// How many times as long as its compressed form a buffer can be: a byte of LZ4 stands for 255 at most, and a block of Zstandard, of 4 bytes and more, for 128 KiB.
const MAX_EXPANSION: [(CompressionType, u64); 2] =
    [(CompressionType::LZ4_FRAME, 255), (CompressionType::ZSTD, 32 << 10)];

/// Checks a file: its footer says where the messages are.
pub(super) fn check_file(file: &mut (impl Read + Seek)) -> Result<(), Box<dyn Error>> {
    let end = file.seek(SeekFrom::End(0))?;
    let trailer = end.checked_sub(TRAILER_LEN as u64).ok_or("the file ends before its footer")?;
    let mut last = [0; TRAILER_LEN];
    file.seek(SeekFrom::Start(trailer))?;
    file.read_exact(&mut last)?;
    let footer_len = read_footer_length(last)? as u64;
    let footer = bytes(file, span(trailer.saturating_sub(footer_len), footer_len, trailer)?)?;
    let footer = root_as_footer(&footer).map_err(|e| format!("the footer is damaged: {e}"))?;
    let dictionaries = footer.dictionaries().into_iter().flatten();
    for block in dictionaries.chain(footer.recordBatches().into_iter().flatten()) {
        let metadata = span(block.offset(), block.metaDataLength(), end)?;
        let body = span(metadata.end, block.bodyLength(), end)?;
        let metadata = bytes(file, metadata)?;
        let prefix_len = if metadata.starts_with(&CONTINUATION) { 8 } else { 4 };
        check_message(file, &message(metadata.get(prefix_len..).unwrap_or_default())?, &body)?;
    }
    Ok(())
}

/// Checks a stream, in which one message follows the other.
pub(super) fn check_stream(file: &mut (impl Read + Seek)) -> Result<(), Box<dyn Error>> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    while let Some(metadata) = next_metadata(file, at, end)? {
        at = metadata.end;
        let metadata = bytes(file, metadata)?;
        let message = message(&metadata)?;
        let body = span(at, message.bodyLength(), end)?;
        at = body.end;
        check_message(file, &message, &body)?;
    }
    Ok(())
}

/// Where the metadata of the message at `at` is; none at the end of the stream.
fn next_metadata(
    file: &mut (impl Read + Seek),
    at: u64,
    end: u64,
) -> Result<Option<Range<u64>>, Box<dyn Error>> {
    let mut len = [0; 4];
    file.seek(SeekFrom::Start(at))?;
    match file.read_exact(&mut len) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    if len == CONTINUATION {
        file.read_exact(&mut len)?;
    }
    let begin = file.stream_position()?;
    let len = i32::from_le_bytes(len);
    Ok(if len == 0 { None } else { Some(span(begin, len, end)?) })
}

fn message(metadata: &[u8]) -> Result<Message<'_>, Box<dyn Error>> {
    Ok(root_as_message(metadata).map_err(|e| format!("a message is damaged: {e}"))?)
}

/// Checks what a message says of its buffers, and that there is memory for them.
fn check_message(
    file: &mut (impl Read + Seek),
    message: &Message<'_>,
    body: &Range<u64>,
) -> Result<(), Box<dyn Error>> {
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    let Some(batch) = message.header_as_record_batch().or(dictionary) else { return Ok(()) };
    let mut needed = body.end - body.start;
    for buffer in batch.buffers().into_iter().flatten() {
        let offset = u64::try_from(buffer.offset()).unwrap_or(u64::MAX);
        let buffer = span(body.start.saturating_add(offset), buffer.length(), body.end)?;
        if let Some(compression) = batch.compression() {
            needed = needed.saturating_add(decompressed_len(file, buffer, compression.codec())?);
        }
    }
    if usize::try_from(needed).is_ok_and(wire::is_memory_left) {
        return Ok(());
    }
    Err(format!("{needed} bytes of memory are needed for a batch of rows, and not left").into())
}

fn decompressed_len(
    file: &mut (impl Read + Seek),
    buffer: Range<u64>,
    codec: CompressionType,
) -> Result<u64, Box<dyn Error>> {
    if buffer.is_empty() {
        return Ok(0);
    }
    let content_len = (buffer.end - buffer.start).checked_sub(PREFIX_LEN as u64);
    let content_len = content_len.ok_or("a compressed buffer without its length")?;
    file.seek(SeekFrom::Start(buffer.start))?;
    let mut len = [0; PREFIX_LEN];
    file.read_exact(&mut len)?;
    // -1 and other negative ones allocate nothing.
    let len = u64::try_from(i64::from_le_bytes(len)).unwrap_or(0);
    let expansion = MAX_EXPANSION.iter().find(|(known, _)| *known == codec).map_or(0, |known| known.1);
    if len > content_len.saturating_mul(expansion) {
        return Err(format!("a buffer of {content_len} compressed bytes cannot be of {len} bytes").into());
    }
    Ok(len)
}

/// The bytes from `begin` on, which end at `end` at the latest.
fn span<B, L>(begin: B, len: L, end: u64) -> Result<Range<u64>, String>
where
    u64: TryFrom<B> + TryFrom<L>,
{
    let (begin, len) = (u64::try_from(begin).ok(), u64::try_from(len).ok());
    let span = begin.zip(len).and_then(|(begin, len)| Some(begin..begin.checked_add(len)?));
    span.filter(|span| span.end <= end)
        .ok_or_else(|| "the file is no Arrow IPC, or is damaged or cut off".to_owned())
}

fn bytes(file: &mut (impl Read + Seek), span: Range<u64>) -> Result<Vec<u8>, Box<dyn Error>> {
    file.seek(SeekFrom::Start(span.start))?;
    let mut bytes = Vec::new();
    file.take(span.end - span.start).read_to_end(&mut bytes)?;
    Ok(bytes)
}
