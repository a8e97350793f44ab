//! The terms of a part: found one by one, by their beginning, or by their distance from a word.

mod fst;
mod pattern;

pub(crate) use self::fst::{Dictionary, Keys};
pub(crate) use self::pattern::Pattern;
