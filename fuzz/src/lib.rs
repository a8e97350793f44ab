//! Hostile artifacts, and everything that a program could do with one.
//!
//! A fuzzer does not get past a checksum by itself. [`hostile`] takes what a fuzzer chose, puts it where
//! `docs/FORMAT.md` says, and makes every checksum, hash and chain right; [`exercise`] then does what a program could do.
//! The crate's own writer has no part in this: the bytes are made from the document alone.
//!
//! For the facade, [`sound`] are artifacts that the library wrote. [`damage`], [`records`] and [`pack`] change them and make checksums
//! right again, also from the document alone; [`exercise_reader`] and its neighbours do what a program could do.

pub mod damage;
mod exercise;
mod facade;
pub mod hostile;
pub mod pack;
pub mod records;
pub mod sound;
mod wire;

pub use exercise::{exercise, open, records};
pub use facade::{Choice, exercise_on_disk, exercise_pack, exercise_reader, exercise_writer, look_facade};

/// Content of files by name.
pub type Files = std::collections::BTreeMap<String, Vec<u8>>;

/// Where every artifact of a target lies.
pub const ROOT: &str = "/a";
