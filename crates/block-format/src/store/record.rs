//! A record of a snapshot: its content from its block, or from its frames.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::block::layout::Large;
use crate::block::{Block, Body};
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::run::Run;

/// A record. Its block stays in memory as long as the value lives.
#[derive(Debug, Clone)]
pub struct Record {
    id: RecordId,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Inline(Arc<Block>, Range<usize>),
    Large(Frames),
}

/// The frames of a large record: the `large.frame_count()` blocks of `run` before block `end`.
#[derive(Debug, Clone)]
struct Frames {
    run: Arc<dyn Run>,
    id: u64,
    end: usize,
    large: Large,
}

impl Frames {
    /// The block of the first frame: there are as many blocks as the entry says, so its length can be believed.
    fn check_count(&self) -> Result<usize> {
        let count = self.large.frame_count();
        self.end.checked_sub(count as usize).ok_or_else(|| {
            let message = format!("record {}: expected {count} frames before its entry", self.id);
            Error::damaged(message).at(self.run.file().path())
        })
    }

    fn read(&self, number: u32) -> Result<Vec<u8>> {
        let index = self.check_count()? + number as usize;
        let place = self.run.place(index)?;
        self.run.file().frame(place, self.id, number, self.large.frame_raw_len(number))
    }
}

impl Record {
    pub(crate) fn new(
        id: RecordId,
        run: &Arc<dyn Run>,
        block: &Arc<Block>,
        index: usize,
        body: Body,
    ) -> Self {
        let content = match body {
            Body::Inline(range) => Content::Inline(block.clone(), range),
            Body::Large(large) => Content::Large(Frames { run: run.clone(), id: id.0, end: index, large }),
        };
        Self { id, content }
    }

    /// Another record of the same block.
    pub(super) fn neighbour(&self, id: RecordId) -> Option<Self> {
        let Content::Inline(block, _) = &self.content else { return None };
        match block.find(id.0)? {
            Body::Inline(range) => Some(Self { id, content: Content::Inline(block.clone(), range) }),
            Body::Large(_) => None,
        }
    }

    /// The id of the record.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// The file that its frames are in, if its content is in frames of its own.
    pub(crate) fn frames_path(&self) -> Option<&Path> {
        match &self.content {
            Content::Inline(..) => None,
            Content::Large(frames) => Some(frames.run.file().path()),
        }
    }

    /// Length of the content in bytes.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Inline(_, range) => range.len() as u64,
            Content::Large(frames) => frames.large.content_len,
        }
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole content: borrowed from the decoded block, or, of a large record, read into memory. For one that may
    /// not fit there is [`Record::reader`].
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.content {
            Content::Inline(block, range) => Ok(Cow::Borrowed(&block.raw()[range.clone()])),
            Content::Large(frames) => self.range(0..frames.large.content_len),
        }
    }

    /// Some bytes of the content: decodes only the frames that hold them. What lies behind the end is left out.
    pub fn range(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        match &self.content {
            Content::Inline(block, whole) => {
                // Both are at most the length of the block.
                let start = whole.start + usize::try_from(start).unwrap_or(0);
                let end = whole.start + usize::try_from(end).unwrap_or(0);
                Ok(Cow::Borrowed(&block.raw()[start..end]))
            }
            Content::Large(frames) => {
                frames.check_count()?;
                let too_long = |_| {
                    let what = format!("bytes of record {}; read it in pieces", self.id);
                    Error::out_of_memory(&what, end - start)
                };
                let mut bytes = Vec::new();
                bytes
                    .try_reserve_exact(usize::try_from(end - start).unwrap_or(usize::MAX))
                    .map_err(too_long)?;
                let mut at = start;
                while at < end {
                    let (number, within) = position(&frames.large, at);
                    let frame = frames.read(number)?;
                    let rest = frame.len() as u64 - within;
                    let take = rest.min(end - at);
                    let within = usize::try_from(within).unwrap_or(frame.len());
                    bytes.extend_from_slice(&frame[within..within + usize::try_from(take).unwrap_or(0)]);
                    at += take;
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Reads the content from front to back, or from anywhere, with one frame in memory.
    pub fn reader(&self) -> ContentReader {
        ContentReader { record: self.clone(), at: 0, frame: None }
    }
}

fn position(large: &Large, at: u64) -> (u32, u64) {
    let frame_len = u64::from(large.frame_len);
    (u32::try_from(at / frame_len).unwrap_or(u32::MAX), at % frame_len)
}

/// The content of a record as [`Read`] and [`Seek`]. Errors carry an [`Error`](crate::Error) inside.
#[derive(Debug)]
pub struct ContentReader {
    record: Record,
    at: u64,
    frame: Option<(u32, Vec<u8>)>,
}

impl Read for ContentReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.record.len().saturating_sub(self.at);
        let wanted = buf.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let copied = match &self.record.content {
            Content::Inline(block, range) => {
                let start = range.start + usize::try_from(self.at).unwrap_or(range.len());
                buf[..wanted].copy_from_slice(&block.raw()[start..start + wanted]);
                wanted
            }
            Content::Large(frames) => {
                let (number, within) = position(&frames.large, self.at);
                let frame = match self.frame.take().filter(|(held, _)| *held == number) {
                    Some((_, frame)) => frame,
                    None => frames.read(number)?,
                };
                let rest = frame.get(usize::try_from(within).unwrap_or(usize::MAX)..).unwrap_or_default();
                let len = wanted.min(rest.len());
                buf[..len].copy_from_slice(&rest[..len]);
                self.frame = Some((number, frame));
                len
            }
        };
        self.at += copied as u64;
        Ok(copied)
    }
}

impl Seek for ContentReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.record.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
