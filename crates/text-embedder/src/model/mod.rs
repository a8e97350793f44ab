//! A model as bytes: written once, used where it lies.

pub(crate) mod layout;
mod reader;
mod writer;

pub(crate) use reader::{Model, ModelBytes, View};
pub(crate) use writer::{Parts, Rows, write};
