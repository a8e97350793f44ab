//! What people are told beside the output of a command.

use std::io::Write;

use crate::output::visible::one_line;

/// A sentence on stderr. What cannot be told is not told.
pub(crate) fn warn(message: &str) {
    let _ = writeln!(anstream::stderr(), "cart: {}", one_line(message));
}
