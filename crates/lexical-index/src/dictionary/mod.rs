//! The terms of a part: found one by one, by their beginning, or by their distance from a word.

mod fst;
mod pattern;

#[cfg(test)]
pub(crate) use self::fst::COMMON_INPUTS;
pub(crate) use self::fst::{Dictionary, Keys};
pub(crate) use self::pattern::Pattern;
