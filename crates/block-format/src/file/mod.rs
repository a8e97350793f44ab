//! The files of an artifact: their names, and the header that logs and segments begin with.

pub(crate) mod layout;

pub(crate) use layout::{FileHeader, FileKind};

use crate::id::FileId;

/// The name of a file in the directory of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FileName {
    Log(FileId),
    Segment(FileId),
    Part(FileId),
    Manifest { generation: u64, copy: u8 },
}

/// The lock of the writer: empty, never removed.
pub(crate) const LOCK: &str = "LOCK";
/// The lock of whoever waits for [`LOCK`]: empty.
pub(crate) const WAIT: &str = "WAIT";
/// There as long as the artifact lacks what [`salvage`](crate::salvage) still has to copy: empty. Nobody opens the artifact meanwhile.
pub(crate) const UNFINISHED: &str = "UNFINISHED";
/// There from when [`Store::destroy`](crate::Store::destroy) begins until everything is removed: empty. What else is there is as what an interrupted creation left.
pub(crate) const DESTROYED: &str = "DESTROYED";

impl FileName {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('-')?;
        let (number, copy) = match kind {
            "manifest" => rest.split_once('-')?,
            _ => (rest, ""),
        };
        let number = (number.len() == 16).then(|| u64::from_str_radix(number, 16).ok())??;
        let parsed = match (kind, copy) {
            ("log", "") => Self::Log(FileId(number)),
            ("segment", "") => Self::Segment(FileId(number)),
            ("part", "") => Self::Part(FileId(number)),
            ("manifest", "0") => Self::Manifest { generation: number, copy: 0 },
            ("manifest", "1") => Self::Manifest { generation: number, copy: 1 },
            _ => return None,
        };
        // Only the one way to write it: `+` and capitals are not ours.
        (parsed.to_string() == name).then_some(parsed)
    }

    /// The number of a log, segment or part.
    pub(crate) fn id(self) -> Option<FileId> {
        match self {
            Self::Log(id) | Self::Segment(id) | Self::Part(id) => Some(id),
            Self::Manifest { .. } => None,
        }
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log(id) => write!(f, "log-{:016x}", id.0),
            Self::Segment(id) => write!(f, "segment-{:016x}", id.0),
            Self::Part(id) => write!(f, "part-{:016x}", id.0),
            Self::Manifest { generation, copy } => write!(f, "manifest-{generation:016x}-{copy}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_written_by_us_are_ours() {
        for name in [
            FileName::Log(FileId(1)),
            FileName::Segment(FileId(0xABC)),
            FileName::Part(FileId(u64::MAX)),
            FileName::Manifest { generation: 7, copy: 1 },
        ] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        for name in [
            "",
            "LOCK",
            "log-1",
            "log-000000000000000A",
            "log-+00000000000001",
            "manifest-0000000000000001-2",
            "log-0000000000000001-0",
            "x-0000000000000001",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
