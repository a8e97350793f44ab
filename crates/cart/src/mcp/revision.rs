//! Revisions of the Model Context Protocol: how they are named, and what each has.

use serde_json::{Map, Value, json};

use super::message::Fault;

/// A published revision, by its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Revision {
    /// 2024-11-05
    November2024,
    /// 2025-03-26
    March2025,
    /// 2025-06-18
    June2025,
    /// 2025-11-25
    November2025,
    /// 2026-07-28
    July2026,
}

/// Where a request says which revision it is of, from 2026-07-28 on.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

impl Revision {
    /// The newest first.
    const ALL: [Self; 5] =
        [Self::July2026, Self::November2025, Self::June2025, Self::March2025, Self::November2024];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::November2024 => "2024-11-05",
            Self::March2025 => "2025-03-26",
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }

    /// The names of all revisions that are served.
    pub(super) fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|revision| revision.name()).collect()
    }

    /// The revision that `initialize` agrees on: the one that was asked for, or else the newest that has `initialize`.
    pub(super) fn agreed(asked: &str) -> Self {
        let mut known = Self::ALL.into_iter().filter(|revision| !revision.is_stateless());
        known.find(|revision| revision.name() == asked).unwrap_or(Self::November2025)
    }

    /// The revision that a request itself says it is of; `None`: it leaves that to `initialize`.
    pub(super) fn of_request(params: &Map<String, Value>) -> Option<Result<Self, Fault>> {
        let meta = params.get("_meta")?.as_object()?;
        let asked = meta.get(VERSION)?;
        let stateless = Self::ALL.into_iter().filter(|revision| revision.is_stateless());
        let found = stateless.into_iter().find(|revision| asked == revision.name());
        let data = json!({ "supported": Self::names(), "requested": asked });
        let unsupported =
            || Fault::new(-32022, "a version of the protocol that is not served so").with_data(data);
        Some(found.ok_or_else(unsupported).and_then(|revision| match meta.get(CAPABILITIES) {
            Some(Value::Object(_)) => Ok(revision),
            _ => Err(Fault::invalid_params(format_args!("`_meta`: expected an object at {CAPABILITIES:?}"))),
        }))
    }

    /// Whether every request says which revision it is of, and nothing is agreed on before.
    pub(super) fn is_stateless(self) -> bool {
        self >= Self::July2026
    }

    /// Whether several messages may stand on a line: in one revision only.
    pub(super) fn has_batches(self) -> bool {
        self == Self::March2025
    }

    /// Whether a tool says whether it only reads.
    pub(super) fn has_annotations(self) -> bool {
        self >= Self::March2025
    }

    /// Whether tools and resources have titles, and results a form that programs read.
    pub(super) fn has_structured_content(self) -> bool {
        self >= Self::June2025
    }

    /// The code of an error about a resource that is not there.
    pub(super) fn no_such_resource(self) -> i64 {
        if self.is_stateless() { -32602 } else { -32002 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialize_agrees_on_the_revision_that_is_asked_for_or_on_the_newest_that_has_it() {
        for name in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            assert_eq!(Revision::agreed(name).name(), name);
        }
        for unknown in ["2026-07-28", "1.0", "", "2099-01-01"] {
            assert_eq!(Revision::agreed(unknown).name(), "2025-11-25");
        }
    }
}
