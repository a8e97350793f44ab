//! A bar on stderr while something takes long, if stderr is a terminal.

use std::io::Read;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    ticker: Option<Ticker>,
}

/// The thread that keeps a bar moving while nothing is counted.
#[derive(Debug)]
struct Ticker {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Ticker {
    /// None where the system gives no thread: the bar then moves when something is counted.
    fn start(bar: &ProgressBar) -> Option<Self> {
        let (stop, stopped) = channel();
        let bar = bar.clone();
        let tick = move || {
            while stopped.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                bar.tick();
            }
        };
        Some(Self { stop, thread: std::thread::Builder::new().spawn(tick).ok()? })
    }
}

impl Progress {
    /// Of so many bytes that are read.
    pub(crate) fn bytes(total: u64, what: &str) -> Self {
        let template = "{msg} [{bar:32}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
        Self::new(ProgressBar::new(total), template, what)
    }

    /// Of so many things that are done.
    pub(crate) fn steps(total: u64, what: &str) -> Self {
        Self::new(ProgressBar::new(total), "{msg} [{bar:32}] {human_pos}/{human_len} {eta}", what)
    }

    /// Of something that says itself how far it is.
    pub(crate) fn percent(what: &str) -> Self {
        Self::new(ProgressBar::new(100), "{spinner} {msg} [{bar:32}] {pos} % {elapsed}", what)
    }

    /// So many percent are done.
    pub(crate) fn reach(&self, percent: u8) {
        self.bar.set_position(percent.into());
    }

    /// Of something that ends when it ends.
    pub(crate) fn spinner(what: &str) -> Self {
        Self::new(ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}", what)
    }

    fn new(bar: ProgressBar, template: &str, what: &str) -> Self {
        // The templates are constants; a wrong one would show in the plain style.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bar.with_style(style.progress_chars("━╸ ")).with_message(what.to_owned());
        let ticker = if bar.is_hidden() { None } else { Ticker::start(&bar) };
        Self { bar, ticker }
    }

    pub(crate) fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// Says that something else goes on now.
    pub(crate) fn now(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Counts the bytes that are read through it.
    pub(crate) fn reading<R: Read>(&self, from: R) -> impl Read + use<R> {
        self.bar.wrap_read(from)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(Ticker { stop, thread }) = self.ticker.take() {
            drop(stop);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}
