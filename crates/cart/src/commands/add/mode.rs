//! Whether records are added, or an export is restored.

use crate::input::settings::Settings;

/// What becomes of the records.
#[derive(Debug)]
pub(crate) enum Mode {
    /// They are added, in one commit or as --batch says.
    Add,
    /// They become a new artifact with these settings, in several commits; or, after a failure, nothing.
    Restore(Option<Box<Settings>>),
}

impl Mode {
    pub(super) fn is_restore(&self) -> bool {
        matches!(self, Self::Restore(_))
    }

    /// The settings that the export has.
    pub(super) fn settings(&self) -> Option<&Settings> {
        if let Self::Restore(settings) = self { settings.as_deref() } else { None }
    }
}

/// What `--batch` may be where so many records are too much for one commit: half of them, rounded down to one digit; `None` where they are none.
pub(super) fn batch_for(records: u64) -> Option<u64> {
    let half = if records == 1 { 1 } else { records / 2 };
    let unit = 10u64.pow(half.checked_ilog10()?);
    Some(half / unit * unit)
}

/// Whether there is memory for a commit of what is held and `len` bytes more. It is asked for ahead, and given back: what a commit takes while it is made
/// are many small pieces, of which none can be refused. Asked only every so many bytes.
pub(super) fn has_memory(held: u64, len: u64) -> bool {
    const STEP: u64 = 4 << 20;
    let needed = usize::try_from(held + len + 2 * STEP).unwrap_or(usize::MAX);
    held / STEP == (held + len) / STEP || {
        let mut room = Vec::<u8>::new();
        let reserved = room.try_reserve_exact(needed);
        std::hint::black_box(&room); // or nothing is asked for, since it is not used
        reserved.is_ok()
    }
}
