//! What happens, for those who look on: spans and events for the crate `tracing`, figures for the crate `metrics`, accounts of single calls for
//! [`LatencyAnalyzer`](crate::LatencyAnalyzer). Nothing is installed; without the features nothing is compiled.

#[cfg(feature = "analyzers")]
mod account;
#[cfg(feature = "metrics")]
pub(crate) mod figures;
#[cfg(any(feature = "analyzers", feature = "metrics"))]
mod listener;
#[cfg(not(feature = "analyzers"))]
mod no_account;
#[cfg(not(feature = "metrics"))]
pub(crate) mod no_figures;

#[cfg(feature = "analyzers")]
pub(crate) use account::{Account, Work, in_thread, record, searched, timed};
#[cfg(not(feature = "analyzers"))]
pub(crate) use no_account::{Work, searched, timed};
#[cfg(not(feature = "metrics"))]
pub(crate) use no_figures as figures;

/// An event of this crate, as `tracing::event!` takes it: a level, fields, a message.
macro_rules! event {
    ($level:ident, $($field:tt)*) => {
        #[cfg(feature = "tracing")]
        tracing::event!(target: "compact_artifact", tracing::Level::$level, $($field)*)
    };
}
pub(crate) use event;

/// A span of this crate, from here to the end of the block: a level, a name, fields.
macro_rules! span {
    ($level:ident, $($field:tt)*) => {
        #[cfg(feature = "tracing")]
        let _span = tracing::span!(target: "compact_artifact", tracing::Level::$level, $($field)*).entered();
    };
}
pub(crate) use span;

/// Options of a store that says what takes time to those who look on.
pub(crate) fn observed(options: block_format::Options) -> block_format::Options {
    #[cfg(any(feature = "analyzers", feature = "metrics"))]
    return options.observer(std::sync::Arc::new(listener::Listener));
    #[cfg(not(any(feature = "analyzers", feature = "metrics")))]
    options
}
