//! Records that a file was before and is no more.

use compact_artifact::{CompactArtifact, ErrorKind, Filter, RecordId};
use serde_json::{Value, json};

use crate::failure::Result;

/// What a file is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    Whole,
    /// So many.
    Paragraphs(u64),
}

/// The records that a file was before and is no more. Other records may have such metadata too: only the key says that one is a paragraph of
/// this file, or, for `--sync`, the whole of it.
pub(super) fn rest_of_file(
    artifact: &CompactArtifact,
    path: &str,
    kept: Kept,
    sync: bool,
) -> Result<Vec<RecordId>> {
    let first = if let Kept::Paragraphs(number) = kept { number } else { 0 };
    let filter =
        if sync { json!({ "path": path }) } else { json!({ "path": path, "paragraph": { "$gt": first } }) };
    let snapshot = artifact.snapshot();
    let ids = match snapshot.ids_where(&Filter::from_json(&filter)?) {
        Ok(ids) => ids,
        // No record has such a field: no text was added by paragraph yet.
        Err(e) if e.kind() == ErrorKind::TypeMismatch => Vec::new(),
        Err(e) => return Err(e.into()),
    };
    let mut rest = Vec::new();
    for id in ids {
        let Some(entry) = snapshot.get(id)? else { continue };
        let Some(key) = entry.key()? else { continue };
        let is_whole = key == path && kept != Kept::Whole && sync;
        let number =
            entry.metadata()?.get("paragraph").and_then(Value::as_u64).filter(|&number| number > first);
        if is_whole || number.is_some_and(|number| key == paragraph_key(path, number)) {
            rest.push(id);
        }
    }
    Ok(rest)
}

/// The key of a paragraph of a text, counted from 1.
pub(super) fn paragraph_key(path: &str, number: u64) -> String {
    format!("{path}#{number}")
}
