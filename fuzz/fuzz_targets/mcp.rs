//! Proves that no lines of a client make the server of `cart mcp` panic, hang, or answer anything but messages of the protocol within their limits, and
//! that it serves on whatever was said.
#![no_main]

use std::io::{Cursor, Write as _};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use compact_artifact::{CompactArtifact, Record};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

// `cart` is a program, which nothing can link to: its sources are included, with what they need of the rest of it.
#[expect(dead_code, reason = "of a program, and not all of it is used here")]
#[path = "../../crates/cart/src/failure.rs"]
mod failure;
#[expect(dead_code, reason = "of a program, and not all of it is used here")]
#[path = "../../crates/cart/src/input/mod.rs"]
mod input;
#[expect(dead_code, reason = "of a program, and not all of it is used here")]
#[path = "../../crates/cart/src/mcp/mod.rs"]
mod mcp;
#[expect(dead_code, reason = "of a program, and not all of it is used here")]
#[path = "../../crates/cart/src/output/numbers.rs"]
mod numbers;
#[expect(dead_code, reason = "of a program, and not all of it is used here")]
#[path = "../../crates/cart/src/output/visible.rs"]
mod visible;

mod stderr {
    pub(crate) fn warn(_: &str) {}
}

mod interrupt {
    pub(crate) fn call_when_asked(_: std::time::Duration, _: impl Fn()) -> crate::failure::Result<()> {
        Ok(())
    }
}

mod model {
    use std::sync::Arc;

    pub(crate) fn built_in() -> Result<Arc<dyn compact_artifact::Embedder>, compact_artifact::EmbedderError> {
        Err(compact_artifact::EmbedderError::other("no model is built in"))
    }

    pub(crate) fn missing(_: &compact_artifact::CompactArtifact) -> Option<String> {
        None
    }
}

mod commands {
    use compact_artifact::{Entry, RecoveryReport, Snapshot};

    use crate::failure::Result;
    use crate::input::values::Name;

    pub(crate) fn tell_recovery(_: &std::path::Path, _: &RecoveryReport) {}

    pub(crate) fn find(snapshot: &Snapshot, name: &Name) -> Result<Option<Entry>> {
        Ok(match name {
            Name::Key(key) => snapshot.get_by_key(key)?,
            Name::Id(id) => snapshot.get(*id)?,
        })
    }
}

mod output {
    pub(crate) use crate::numbers::several;
    pub(crate) use crate::visible::Escaping;

    /// What the client reads.
    pub(crate) struct Output(pub(crate) Vec<u8>);

    impl Output {
        pub(crate) fn raw(&mut self) -> &mut Vec<u8> {
            &mut self.0
        }

        pub(crate) fn flush(&mut self) -> crate::failure::Result<()> {
            Ok(())
        }
    }

    pub(crate) fn json_len(value: &impl serde::Serialize) -> crate::failure::Result<usize> {
        Ok(serde_json::to_vec(value)?.len())
    }

    pub(crate) fn shortened(text: &str, max: usize) -> String {
        text.chars().take(max).collect()
    }
}

/// The longest message, in bytes: a result of 4 KiB may be there twice, with escapes.
const MAX_MESSAGE: usize = 64 << 10;

/// A folder in memory, if the system has one: `notes` is a packed artifact, which nobody changes, `new` is made by those who add.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(parent).expect("a folder").keep();
    let notes = folder.join("notes.artifact");
    let artifact = CompactArtifact::create(&notes).expect("created");
    let record = |n: usize| {
        let text = format!("{} cat number {n} d\u{f6}g\u{202e}", "a ".repeat(n * n));
        Record::text(text)
            .key(format!("notes/{n}"))
            .metadata(json!({ "n": n, "even": n.is_multiple_of(2), "at": "2020-01-01" }))
    };
    artifact.add_batch((0..50).map(record)).expect("added");
    artifact.add_blob(&[0xff; 300]).expect("added");
    artifact.pack(folder.join("notes")).expect("packed");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&revision, lines)) = bytes.split_first() else { return };
    let new = FOLDER.join("new");
    let _ = std::fs::remove_dir_all(&new);
    let access = mcp::artifacts::Access {
        write: true,
        delete: revision & 8 == 0,
        wait: Duration::ZERO,
        expires_field: "expires_at".to_owned(),
        // Texts are found by their words.
        model: None,
    };
    let named = vec![("notes".to_owned(), FOLDER.join("notes")), ("new".to_owned(), new)];
    let Ok(artifacts) = mcp::artifacts::Artifacts::open(named, access) else { panic!("both can be served") };

    let mut said = Vec::new();
    if let Some(asked) =
        ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"].get(usize::from(revision & 7))
    {
        let _ = writeln!(
            said,
            r#"{{"jsonrpc":"2.0","id":"first","method":"initialize","params":{{"protocolVersion":"{asked}"}}}}"#
        );
    }
    said.extend_from_slice(lines);
    said.extend_from_slice(b"\n{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"ping\"}\n");
    let expected: usize = said.split(|&byte| byte == b'\n').map(most_answers).sum();

    let mut output = output::Output(Vec::new());
    let served = mcp::Server::new(artifacts, 4 << 10).serve(Cursor::new(said), &mut output);
    assert!(served.is_ok(), "it ends with its input");
    check(&output.0, expected);
});

/// How many answers a line may have.
fn most_answers(line: &[u8]) -> usize {
    match serde_json::from_slice(line) {
        Ok(Value::Array(messages)) => messages.len().max(1),
        _ => usize::from(!line.trim_ascii().is_empty()),
    }
}

fn check(answers: &[u8], expected: usize) {
    let (mut count, mut is_alive) = (0, false);
    for line in answers.split_inclusive(|&byte| byte == b'\n') {
        let message: Value = serde_json::from_slice(line).expect("JSON on a line");
        for message in message.as_array().map_or(std::slice::from_ref(&message), Vec::as_slice) {
            assert_eq!(message["jsonrpc"], "2.0", "{message}");
            assert!(message.to_string().len() < MAX_MESSAGE, "{message}");
            let is_notification = message["method"].is_string() && message.get("id").is_none();
            let has_failed = message["error"]["code"].is_i64() && message["error"]["message"].is_string();
            let is_answer = message.get("id").is_some() && message.get("result").is_some() != has_failed;
            assert!(is_notification != is_answer, "{message}");
            count += usize::from(is_answer);
            is_alive |= *message == json!({ "jsonrpc": "2.0", "id": "last", "result": {} });
        }
    }
    assert!(count <= expected, "{count} answers to {expected} messages");
    assert!(is_alive, "the last line is answered");
}
