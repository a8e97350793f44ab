//! JSON-RPC 2.0: what a client says, and the two kinds of answers.

use std::fmt::Display;

use compact_artifact::json::{self, Object};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::clean::short_message;
use super::limits::{MAX_BATCH, MAX_ID};

/// The parameters of a request or a notification.
pub(super) type Params = Map<String, Value>;

/// The id of a request: a string or an integer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Id(Value);

impl Id {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let fits = match value {
            Value::String(text) => text.len() <= MAX_ID,
            Value::Number(number) => !number.is_f64(),
            _ => false,
        };
        fits.then(|| Self(value.clone()))
    }

    pub(super) fn value(&self) -> Value {
        self.0.clone()
    }
}

/// Why a request is answered with an error of the protocol.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl Fault {
    pub(super) fn new(code: i64, message: impl Display) -> Self {
        Self { code, message: short_message(&message.to_string()), data: None }
    }

    /// Not JSON.
    fn parse(message: impl Display) -> Self {
        Self::new(-32700, message)
    }

    /// JSON, but no request.
    pub(super) fn invalid_request(message: impl Display) -> Self {
        Self::new(-32600, message)
    }

    pub(super) fn no_such_method(method: &str) -> Self {
        Self::new(-32601, format_args!("there is no method {method:?}"))
    }

    pub(super) fn invalid_params(message: impl Display) -> Self {
        Self::new(-32602, message)
    }

    pub(super) fn internal(message: impl Display) -> Self {
        Self::new(-32603, message)
    }

    pub(super) fn with_data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }
}

/// What is to be answered.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) id: Id,
    pub(super) method: String,
    pub(super) params: Params,
}

#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Request(Request),
    Notification {
        method: String,
        params: Params,
    },
    /// What is neither answered nor obeyed: answers, for this server asks nothing; notifications that cannot be read.
    Ignored,
    /// What is answered with an error, to its id if that can be read.
    Refused {
        id: Option<Id>,
        fault: Fault,
    },
}

/// What stands on a line.
#[derive(Debug, PartialEq)]
pub(super) enum Received {
    One(Message),
    Batch(Vec<Message>),
}

impl Received {
    pub(super) fn refused(fault: Fault) -> Self {
        Self::One(Message::Refused { id: None, fault })
    }
}

/// What a line says; a blank one says nothing.
pub(super) fn read(line: &[u8]) -> Received {
    if line.trim_ascii().is_empty() {
        return Received::One(Message::Ignored);
    }
    match json::from_slice(line) {
        Ok(Value::Array(messages)) if messages.is_empty() => {
            Received::refused(Fault::invalid_request("an empty batch"))
        }
        Ok(Value::Array(messages)) if messages.len() > MAX_BATCH => {
            let message = format!("a batch of {} messages; expected at most {MAX_BATCH}", messages.len());
            Received::refused(Fault::invalid_request(message))
        }
        Ok(Value::Array(messages)) => Received::Batch(messages.into_iter().map(message).collect()),
        Ok(value) => Received::One(message(value)),
        Err(e) => Received::One(unreadable(line, &e)),
    }
}

/// What is no JSON at all, or JSON in which a name stands twice, a number is too large or too much is nested: of that the id can be read.
fn unreadable(line: &[u8], error: &compact_artifact::MetadataError) -> Message {
    match serde_json::from_slice::<Value>(line) {
        Ok(value) if is_notification(&value) => Message::Ignored,
        Ok(value) => {
            Message::Refused { id: value.get("id").and_then(Id::read), fault: Fault::invalid_request(error) }
        }
        Err(_) => unreadable_value(line, error),
    }
}

/// JSON that no [`Value`] holds, with a number such as `1e400` or nested too deep: of that the id can be read as well.
fn unreadable_value(line: &[u8], error: &compact_artifact::MetadataError) -> Message {
    #[derive(Deserialize)]
    struct Head {
        id: Option<Value>,
        method: Option<String>,
    }
    // Of values that it passes over, the reader of JSON does not ask whether they are UTF-8.
    match std::str::from_utf8(line).ok().and_then(|line| serde_json::from_str(line).ok()) {
        Some(Object(Head { id: None, method: Some(_) })) => Message::Ignored,
        Some(Object(Head { id, .. })) => {
            let id = id.as_ref().and_then(Id::read);
            Message::Refused { id, fault: Fault::invalid_request(error) }
        }
        None => Message::Refused { id: None, fault: Fault::parse(error) },
    }
}

fn is_notification(value: &Value) -> bool {
    value.get("method").is_some_and(Value::is_string) && value.get("id").is_none()
}

fn message(value: Value) -> Message {
    let refused = |id, fault| Message::Refused { id, fault };
    let Value::Object(mut object) = value else {
        return refused(None, Fault::invalid_request("expected an object"));
    };
    if !object.contains_key("method") && (object.contains_key("result") || object.contains_key("error")) {
        return Message::Ignored;
    }
    let id = match object.remove("id").map(|id| Id::read(&id)) {
        Some(None) => {
            let message = format!("`id`: expected an integer, or a string of at most {MAX_ID} bytes");
            return refused(None, Fault::invalid_request(message));
        }
        id => id.flatten(),
    };
    if object.get("jsonrpc") != Some(&Value::from("2.0")) {
        return refused(id, Fault::invalid_request("`jsonrpc`: expected \"2.0\""));
    }
    let Some(Value::String(method)) = object.remove("method") else {
        return refused(id, Fault::invalid_request("`method`: expected a string"));
    };
    match (id, object.remove("params").unwrap_or_default()) {
        (Some(id), Value::Object(params)) => Message::Request(Request { id, method, params }),
        (Some(id), Value::Null) => Message::Request(Request { id, method, params: Params::new() }),
        (None, Value::Object(params)) => Message::Notification { method, params },
        (None, Value::Null) => Message::Notification { method, params: Params::new() },
        (None, _) => Message::Ignored,
        (id, Value::Array(_)) => refused(id, Fault::invalid_params("`params`: expected an object")),
        (id, _) => refused(id, Fault::invalid_request("`params`: expected an object")),
    }
}

/// The answer that something was done.
pub(super) fn success(id: &Id, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.value(), "result": result })
}

/// The answer that something was not done.
pub(super) fn failure(id: Option<&Id>, fault: Fault) -> Value {
    let mut error = json!({ "code": fault.code, "message": fault.message });
    if let (Some(data), Some(error)) = (fault.data, error.as_object_mut()) {
        error.insert("data".to_owned(), data);
    }
    json!({ "jsonrpc": "2.0", "id": id.map(Id::value), "error": error })
}

/// What is said without being asked.
pub(super) fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> (Value, i64) {
        match read(line.as_bytes()) {
            Received::One(Message::Refused { id, fault }) => {
                (id.map_or(Value::Null, |id| id.value()), fault.code)
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn requests_and_notifications_are_told_apart_by_the_id() {
        let request = read(br#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"x":1}}"#);
        let Received::One(Message::Request(request)) = request else { panic!("{request:?}") };
        assert_eq!((request.id.value(), &*request.method), (json!("a"), "m"));
        assert_eq!(Value::Object(request.params), json!({"x": 1}));
        for line in [r#"{"jsonrpc":"2.0","method":"m"}"#, r#"{"jsonrpc":"2.0","method":"m","params":null}"#] {
            assert!(matches!(read(line.as_bytes()), Received::One(Message::Notification { .. })), "{line}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_code_of_the_protocol() {
        for (line, id, code) in [
            ("{", json!(null), -32700),
            ("\"\\ud800\"", json!(null), -32700),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m"} x"#, json!(null), -32700),
            ("1", json!(null), -32600),
            ("[]", json!(null), -32600),
            ("{}", json!(null), -32600),
            (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, json!(null), -32600),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#, json!(null), -32600),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, json!(null), -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, json!(1), -32600),
            (r#"{"id":1,"method":"m"}"#, json!(1), -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":2}"#, json!(1), -32600),
            (r#"{"jsonrpc":"2.0","id":1}"#, json!(1), -32600),
            (r#"{"jsonrpc":"2.0","id":-7,"method":"m","params":3}"#, json!(-7), -32600),
            (
                r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"m","params":[1]}"#,
                json!(u64::MAX),
                -32602,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1,"a":2}}"#, json!(1), -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1e400}}"#, json!(1), -32600),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":18446744073709551616}}"#,
                json!(1),
                -32600,
            ),
        ] {
            assert_eq!(refusal(line), (id, code), "{line}");
        }
        let long = "x".repeat(MAX_ID + 1);
        assert_eq!(refusal(&json!({"jsonrpc": "2.0", "id": long, "method": "m"}).to_string()).1, -32600);
        let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(refusal(&deep), (json!(null), -32700));
        let many = format!("[{}1]", "1,".repeat(MAX_BATCH));
        assert_eq!(refusal(&many), (json!(null), -32600));
    }

    #[test]
    fn answers_and_unreadable_notifications_are_not_answered() {
        for line in [
            "",
            "  \r",
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","method":"m","params":[1]}"#,
            r#"{"jsonrpc":"2.0","method":"m","params":{"a":1,"a":2}}"#,
        ] {
            assert_eq!(read(line.as_bytes()), Received::One(Message::Ignored), "{line}");
        }
    }
}
