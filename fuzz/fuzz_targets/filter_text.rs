//! Proves that any text is refused as a filter, or is one that is printed and read again as the same, lets the same records through in
//! memory as in a shard, and that its opposite lets the others through.
#![no_main]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use block_format::vfs::MemoryVfs;
use compact_artifact::{CompactArtifact, ErrorKind, Filter, Record, RecordId, json};
use fuzz::ROOT;
use fuzz::sound::options;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// The same records sealed, and in the log.
static ARTIFACTS: LazyLock<[CompactArtifact; 2]> = LazyLock::new(|| [true, false].map(artifact));

fn artifact(sealed: bool) -> CompactArtifact {
    let artifact = CompactArtifact::create_in(
        Arc::new(MemoryVfs::new()),
        options().result_cache_bytes(0),
        ROOT.as_ref(),
    );
    let artifact = artifact.expect("in memory");
    for i in 0..40 {
        let metadata = match i % 8 {
            0 => json!({"a": i, "b": "x"}),
            1 => json!({"a": f64::from(i) / 2.0, "b": ["x", "y", i]}),
            2 => json!({"a": null, "b": {"a": true, "c": [{"a": 1}]}}),
            3 => json!({"a": "2026-01-01", "b": "2026-01-01T00:00:00Z"}),
            4 => json!({"a": "x".repeat(255 + i as usize % 3), "": 1}),
            5 => json!({"a": u64::MAX, "b": i64::MIN}),
            6 => json!({"a": [], "b": {}}),
            _ => json!({}),
        };
        artifact.add(Record::text("text").metadata(metadata)).expect("in memory");
    }
    if sealed {
        artifact.seal().expect("in memory");
    }
    artifact
}

fuzz_target!(|text: &[u8]| {
    let parsed = json::from_slice(text);
    let Ok(text) = str::from_utf8(text) else { return assert!(parsed.is_err(), "JSON that is no text") };
    if let Ok(value) = &parsed {
        let printed = value.to_string();
        let again = json::from_str(&printed);
        assert!(again.as_ref().is_ok_and(|again| again == value), "{printed} is read as {again:?}");
    }
    let filter: Filter = match text.parse() {
        Ok(filter) => filter,
        Err(_) => return assert!(parsed.is_err() || Filter::from_json(&parsed.expect("JSON")).is_err()),
    };
    let printed = filter.to_json().expect("it was JSON");
    let again = Filter::from_json(&printed).expect("it was printed");
    assert_eq!(again.to_json().expect("as before"), printed);
    let [sealed, memory] = ARTIFACTS.each_ref().map(|artifact| ids(artifact, &filter, &again, &printed));
    assert_eq!(sealed, memory, "{printed}");
});

/// What the filter lets through; `None`: the field has values of another type.
fn ids(
    artifact: &CompactArtifact,
    filter: &Filter,
    again: &Filter,
    printed: &serde_json::Value,
) -> Option<Vec<RecordId>> {
    let ids = |filter: &Filter| match artifact.snapshot().ids_where(filter) {
        Ok(ids) => Some(ids),
        Err(e) if e.kind() == ErrorKind::TypeMismatch => None,
        Err(e) => panic!("{printed} was accepted: {e}"),
    };
    let some = ids(filter);
    assert_eq!(some, ids(again), "{printed}");
    assert_eq!(artifact.count(filter).ok(), some.as_ref().map(|some| some.len() as u64), "{printed}");
    // One more level may be too deep.
    if let Ok(opposite) = Filter::from_json(&json!({"$not": printed})) {
        let others = ids(&opposite);
        assert_eq!(some.is_some(), others.is_some(), "{printed}");
        if let (Some(some), Some(others)) = (&some, others) {
            let all: BTreeSet<RecordId> = some.iter().chain(&others).copied().collect();
            assert_eq!((all.len(), some.len() + others.len()), (40, 40), "{printed}");
        }
    }
    some
}
