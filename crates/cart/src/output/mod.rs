//! What a person or a program reads: lines, JSON, colours, bars.

mod memory;
mod new_file;
mod numbers;
mod progress;
mod snippet;
pub(crate) mod visible;

use std::fmt::{Arguments, Display};
use std::io::{self, BufWriter, StdoutLock, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Result;

pub(crate) use crate::stderr::warn;
pub(crate) use memory::peak_memory;
pub(crate) use new_file::{check_folder, check_new_file, check_new_folder};
pub(crate) use numbers::{bytes, count, rate, several, time};
pub(crate) use progress::Progress;
pub(crate) use snippet::{matched, metadata_line, shortened};
pub(crate) use visible::{Escaping, commands, harmless, harmless_but_styled, one_line};

/// What an export says of an embedding that cannot be read.
pub(crate) const WRITTEN_WITHOUT: &str = "the record is written without";

const BOLD: Style = Style::new().bold();
const DIMMED: Style = Style::new().dimmed();
const CYAN: Style = AnsiColor::Cyan.on_default();
const MATCH: Style = AnsiColor::Yellow.on_default().bold();
/// All that are used, a longer one before what it begins with.
const STYLES: [Style; 4] = [MATCH, BOLD, DIMMED, CYAN];

/// How many bytes a value has as JSON, as [`Output::json`] writes it.
pub(crate) fn json_len(value: &impl Serialize) -> Result<usize> {
    let mut len = Len(0);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut len, Escaping))?;
    Ok(len.0)
}

/// Counts what is written.
struct Len(usize);

impl Write for Len {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Damage as the sentences that JSON has of it.
pub(crate) fn sentences(damage: &[compact_artifact::Damage]) -> Vec<String> {
    damage.iter().map(ToString::to_string).collect()
}

/// Stdout, for a person or for a program.
#[derive(Debug)]
pub(crate) struct Output {
    to: BufWriter<StdoutLock<'static>>,
    colored: bool,
    json: bool,
    /// Nothing more can be told, which was said already.
    given_up: bool,
}

impl Output {
    /// Colours only on a terminal, and not if `NO_COLOR` is set.
    pub(crate) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let colored = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        Self { to: BufWriter::new(stdout.lock()), colored, json, given_up: false }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line, or several, without what a terminal would obey.
    pub(crate) fn line(&mut self, line: Arguments<'_>) -> Result<()> {
        let styles = STYLES.map(|style| (style.to_string(), format!("{style:#}")));
        let both = styles.iter().flat_map(|(on, off)| [on.as_str(), off.as_str()]);
        let styles: Vec<&str> = if self.colored { both.collect() } else { Vec::new() };
        self.to.write_all(harmless_but_styled(&line.to_string(), &styles).as_bytes())?;
        Ok(self.to.write_all(b"\n")?)
    }

    /// One JSON value on a line of its own.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut self.to, Escaping))?;
        Ok(self.to.write_all(b"\n")?)
    }

    /// Where content goes as it is.
    pub(crate) fn raw(&mut self) -> &mut impl Write {
        &mut self.to
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.given_up { Ok(()) } else { Ok(self.to.flush()?) }
    }

    /// Tells of what was done and cannot be undone: a failure of telling is no failure of the command, which nobody shall repeat.
    pub(crate) fn report(&mut self, tell: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(failure) = tell(self).and_then(|()| self.flush()) {
            failure.warn("it was done all the same");
            self.given_up = true;
        }
    }

    /// What was looked for, in what was found.
    pub(crate) fn found(&self, text: impl Display) -> String {
        self.styled(MATCH, text)
    }

    /// What stands out.
    pub(crate) fn strong(&self, text: impl Display) -> String {
        self.styled(BOLD, text)
    }

    /// What is there for those who look for it.
    pub(crate) fn faint(&self, text: impl Display) -> String {
        self.styled(DIMMED, text)
    }

    /// A name.
    pub(crate) fn name(&self, text: impl Display) -> String {
        self.styled(CYAN, text)
    }

    fn styled(&self, style: Style, text: impl Display) -> String {
        if self.colored { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
