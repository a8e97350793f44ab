//! What a person or a program reads: lines, JSON, colours, bars.

mod memory;
mod numbers;
mod progress;
mod snippet;

use std::fmt::{Arguments, Display};
use std::io::{self, BufWriter, StdoutLock, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Result;

pub(crate) use memory::peak_memory;
pub(crate) use numbers::{bytes, count, rate, several, time};
pub(crate) use progress::Progress;
pub(crate) use snippet::{highlighted, metadata_line, shortened};

/// Stdout, for a person or for a program.
#[derive(Debug)]
pub(crate) struct Output {
    to: BufWriter<StdoutLock<'static>>,
    colored: bool,
    json: bool,
}

impl Output {
    /// Colours only on a terminal, and not if `NO_COLOR` is set.
    pub(crate) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let colored = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        Self { to: BufWriter::new(stdout.lock()), colored, json }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn line(&mut self, line: Arguments<'_>) -> Result<()> {
        self.to.write_fmt(line)?;
        Ok(self.to.write_all(b"\n")?)
    }

    /// One JSON value on a line of its own.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        Ok(self.to.write_all(b"\n")?)
    }

    /// Where content goes as it is.
    pub(crate) fn raw(&mut self) -> &mut impl Write {
        &mut self.to
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.to.flush()?)
    }

    /// What was found, or what stands out.
    pub(crate) fn strong(&self, text: impl Display) -> String {
        self.styled(Style::new().bold(), text)
    }

    /// What is there for those who look for it.
    pub(crate) fn faint(&self, text: impl Display) -> String {
        self.styled(Style::new().dimmed(), text)
    }

    /// A name.
    pub(crate) fn name(&self, text: impl Display) -> String {
        self.styled(AnsiColor::Cyan.on_default(), text)
    }

    fn styled(&self, style: Style, text: impl Display) -> String {
        if self.colored { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

/// A sentence on stderr. What cannot be told is not told.
pub(crate) fn warn(message: &str) {
    let _ = writeln!(anstream::stderr(), "cart: {message}");
}

/// A text without line breaks, and without what a terminal would obey.
pub(crate) fn one_line(text: &str) -> String {
    let blank = |c: char| c.is_whitespace() || c.is_control();
    text.split(blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A text as it is, but for what a terminal would obey.
pub(crate) fn harmless(text: &str) -> String {
    let kept = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\n");
        assert_eq!(one_line("a\u{1b}[31m\n  b\r\n"), "a [31m b");
    }
}
