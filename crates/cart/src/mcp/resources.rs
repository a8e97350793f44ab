//! Records as resources: `artifact://NAME/KEY`, or `artifact://NAME/?id=12` for one without a key.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use compact_artifact::{Entry, RecordId};
use serde_json::{Value, json};

use super::artifacts::Artifacts;
use super::limits::{MAX_RESOURCE, RESOURCES};
use super::message::Fault;
use super::revision::Revision;
use crate::commands::find;
use crate::failure::{Code, Failure};
use crate::input::TITLE;
use crate::input::values::Name;

const SCHEME: &str = "artifact://";

/// The URI of a record: in its key everything is escaped but letters, digits and `-._~/`.
fn uri(artifact: &str, name: &Name) -> String {
    match name {
        Name::Id(id) => format!("{SCHEME}{artifact}/?id={}", id.0),
        Name::Key(key) => {
            let mut uri = format!("{SCHEME}{artifact}/");
            for byte in key.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                        uri.push(char::from(byte));
                    }
                    _ => drop(write!(uri, "%{byte:02X}")), // writing to memory does not fail
                }
            }
            uri
        }
    }
}

/// The artifact and the record that a URI names.
fn parse(uri: &str) -> Option<(&str, Name)> {
    let (artifact, key) = uri.strip_prefix(SCHEME)?.split_once('/')?;
    if let Some(id) = key.strip_prefix("?id=") {
        return Some((artifact, Name::Id(RecordId(id.parse().ok()?))));
    }
    if key.contains(['?', '#']) {
        return None;
    }
    let (mut bytes, mut rest) = (Vec::new(), key.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some((artifact, Name::Key(String::from_utf8(bytes).ok()?)))
}

/// The form of the URIs of each artifact.
pub(super) fn templates(artifacts: &Artifacts, revision: Revision) -> Value {
    let template = |name: &str| {
        let mut template = json!({
            "uriTemplate": format!("{SCHEME}{name}/{{key}}"),
            "name": name,
            "description": format!("The record of the artifact {name} with that key"),
        });
        if revision.has_structured_content() {
            template["title"] = format!("Records of {name} by key").into();
        }
        template
    };
    json!({ "resourceTemplates": artifacts.names().into_iter().map(template).collect::<Vec<_>>() })
}

/// A page of all records of all artifacts; a cursor is the name of an artifact and an id from which on.
pub(super) fn list(artifacts: &Artifacts, cursor: Option<&str>, revision: Revision) -> Result<Value, Fault> {
    let invalid = || Fault::invalid_params("`cursor`: expected the `nextCursor` of an answer");
    let (mut place, mut from) = match cursor {
        None => (0, 0),
        Some(cursor) => {
            let (name, id) = cursor.rsplit_once(':').ok_or_else(invalid)?;
            let place = artifacts.names().iter().position(|known| *known == name).ok_or_else(invalid)?;
            (place, id.parse().map_err(|_| invalid())?)
        }
    };
    let mut resources = Vec::new();
    while let Some(served) = artifacts.all().get(place) {
        let snapshot = match artifacts.read(served) {
            Ok((_, snapshot)) => Some(snapshot),
            // One that nothing was added to yet, or that cannot be read: the tools say so, and the others are listed.
            Err(_) => None,
        };
        for entry in snapshot.iter().flat_map(|snapshot| snapshot.records_from(RecordId(from))).flatten() {
            if resources.len() == RESOURCES {
                let next = format!("{}:{}", served.name(), entry.id().0);
                return Ok(json!({ "resources": resources, "nextCursor": next }));
            }
            resources.extend(describe(served.name(), &entry, revision).ok());
        }
        (place, from) = (place + 1, 0);
    }
    Ok(json!({ "resources": resources }))
}

fn describe(artifact: &str, entry: &Entry, revision: Revision) -> Result<Value, compact_artifact::Error> {
    let key = entry.key()?;
    let name = key.clone().map_or(Name::Id(entry.id()), Name::Key);
    let mut resource = json!({
        "uri": uri(artifact, &name),
        "name": key.unwrap_or_else(|| format!("#{}", entry.id().0)),
        "mimeType": mime_type(entry),
        "size": entry.len(),
    });
    if revision.has_structured_content()
        && let Some(title) = entry.field(TITLE)?
    {
        resource["title"] = title.into();
    }
    Ok(resource)
}

fn mime_type(entry: &Entry) -> &'static str {
    if entry.is_text() { "text/plain" } else { "application/octet-stream" }
}

/// The content of a record, as it is.
pub(super) fn read(artifacts: &Artifacts, asked: &str, revision: Revision) -> Result<Value, Fault> {
    let none = || {
        Fault::new(revision.no_such_resource(), "there is no such resource")
            .with_data(json!({ "uri": asked }))
    };
    let (artifact, name) = parse(asked).ok_or_else(none)?;
    let served = artifacts.named(artifact).ok_or_else(none)?;
    let internal = |failure: Failure| match failure.code() {
        Some(Code::NotThere) => none(),
        _ => Fault::internal(failure.message()),
    };
    let (_, snapshot) = artifacts.read(served).map_err(internal)?;
    let entry = find(&snapshot, &name).map_err(internal)?.ok_or_else(none)?;
    if entry.len() > MAX_RESOURCE {
        let message = format!(
            "a record of {} bytes; expected at most {MAX_RESOURCE}: the tool `get` reads it in pieces",
            entry.len()
        );
        return Err(Fault::invalid_params(message).with_data(json!({ "uri": asked })));
    }
    let failed = |e: compact_artifact::Error| internal(e.into());
    let mut contents = json!({ "uri": asked, "mimeType": mime_type(&entry) });
    if entry.is_text() {
        contents["text"] = entry.text().map_err(failed)?.into();
    } else {
        contents["blob"] = BASE64_STANDARD.encode(entry.bytes().map_err(failed)?).into();
    }
    Ok(json!({ "contents": [contents] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_by_its_uri_whatever_its_key() {
        for key in ["a", "notes/rent.md#3", "ä ?%&+\u{202e}", "?id=3", "", "/", "a%2Fb"] {
            let uri = uri("notes", &Name::Key(key.to_owned()));
            assert!(uri.is_ascii() && !uri.contains([' ', '#']), "{uri}");
            assert_eq!(parse(&uri), Some(("notes", Name::Key(key.to_owned()))), "{uri}");
        }
        let id = Name::Id(RecordId(12));
        assert_eq!(uri("notes", &id), "artifact://notes/?id=12");
        assert_eq!(parse("artifact://notes/?id=12"), Some(("notes", id)));
        assert_eq!(parse("artifact://n/a%2fb"), Some(("n", Name::Key("a/b".to_owned()))));
        for wrong in [
            "",
            "artifact://",
            "artifact://n",
            "file://n/a",
            "artifact://n/?id=x",
            "artifact://n/a?b",
            "artifact://n/a#b",
            "artifact://n/%4",
            "artifact://n/%zz",
            "artifact://n/%ff",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
