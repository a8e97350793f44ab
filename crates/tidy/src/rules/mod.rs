//! The rules, a file each.

pub mod byte_homes;
pub mod circles;
pub mod defaults;
pub mod doc_lines;
pub mod error_kinds;
pub mod file_length;
pub mod file_system;
pub mod format_tables;
pub mod function_length;
pub mod map;
pub mod messages;
pub mod packages;
pub mod paths;
pub mod readme;
pub mod top_level;
pub mod unsafe_counts;
pub mod words;
