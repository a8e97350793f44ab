//! In which texts a term occurs, how often, and where: lists that are written once and read in place.

mod cursor;
mod encode;
pub(crate) mod layout;
mod positions;
mod weigh;

pub(crate) use self::cursor::{Cursor, NONE};
pub(crate) use self::encode::Encoder;
pub(crate) use self::positions::Positions;
pub(crate) use self::weigh::Weigh;

/// Postings in a block.
pub(crate) const BLOCK_LEN: usize = 128;
