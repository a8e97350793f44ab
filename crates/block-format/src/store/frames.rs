//! A reader of any length → frames of a large record, a few at a time.

use std::io::Read;

use crate::block::writer::{Packer, RawBlocks, frame_number};
use crate::error::{Error, ErrorKind, Result};
use crate::room::with_room;

/// The first bytes of a content: one more than fit into a block, or all of it.
pub(super) fn read_head(reader: &mut impl Read, inline_max: usize) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(inline_max as u64 + 1).read_to_end(&mut head).map_err(reading_content)?;
    Ok(head)
}

fn reading_content(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("reading the content to store: {cause}"))
}

/// Frames that are compressed at a time.
const FRAMES_AT_ONCE: usize = 16;

/// Cuts `head` and what follows it into frames of the large record `id`, hands them on a few at a time, and leaves the
/// record's entry in the packer. `take` gives back a buffer for more.
pub(super) fn stream_frames(
    head: Vec<u8>,
    mut reader: impl Read,
    packer: &mut Packer,
    id: u64,
    mut take: impl FnMut(RawBlocks) -> Result<RawBlocks>,
) -> Result<()> {
    let frame_len = packer.limits().frame_len;
    let mut content = head.as_slice().chain(&mut reader);
    let (mut number, mut content_len) = (0u64, 0u64);
    let mut frame = with_room(frame_len, "bytes of a frame")?;
    loop {
        frame.clear();
        (&mut content).take(frame_len as u64).read_to_end(&mut frame).map_err(reading_content)?;
        let len = frame.len();
        if len > 0 {
            content_len += len as u64;
            packer.push_frame(id, frame_number(number)?, &frame)?;
            number += 1;
        }
        let at_end = len < frame_len;
        if at_end || packer.done_len() >= FRAMES_AT_ONCE * frame_len {
            let spare = take(packer.take())?;
            packer.recycle(spare);
        }
        if at_end {
            return packer.push_large(id, content_len);
        }
    }
}
