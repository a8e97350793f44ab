//! Runs the program as a person or a shell would.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backup;
#[cfg(feature = "arrow")]
mod columnar;
mod commands;
mod folders;
mod input;
#[cfg(target_os = "linux")]
mod interrupt;
mod mcp;
mod meaning;
mod outputs;
mod programs;
mod rows;
mod safety;
mod search;
mod settings;
mod shell;
mod support;
#[cfg(unix)]
mod terminal;
mod without_effect;
mod wording;
