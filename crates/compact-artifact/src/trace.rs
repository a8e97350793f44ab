//! What happens, for the crate `tracing`: nothing is installed, and without the feature nothing is compiled.

/// An event of this crate, as `tracing::event!` takes it: a level, fields, a message.
macro_rules! event {
    ($level:ident, $($field:tt)*) => {
        #[cfg(feature = "tracing")]
        tracing::event!(target: "compact_artifact", tracing::Level::$level, $($field)*)
    };
}
pub(crate) use event;
