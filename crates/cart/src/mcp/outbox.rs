//! What is written to the client: whole lines, in the order in which they were sent, by one thread.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::message::{self, Fault, Id};
use crate::output::Escaping;

/// What happened, for the thread that writes.
#[derive(Debug)]
pub(super) enum Event {
    /// A message, with the end of its line.
    Line(Vec<u8>),
    /// All calls were carried out.
    Ended,
}

/// Where lines are sent to. They are dropped once nobody writes any more.
#[derive(Debug, Clone)]
pub(super) struct Outbox(SyncSender<Event>);

impl Outbox {
    pub(super) fn new(to: SyncSender<Event>) -> Self {
        Self(to)
    }

    pub(super) fn send(&self, message: &Value) {
        let _ = self.0.send(Event::Line(line(message)));
    }

    pub(super) fn end(&self) {
        let _ = self.0.send(Event::Ended);
    }
}

/// A message on one line, with escapes in the place of controls and of what turns or hides text.
fn line(message: &Value) -> Vec<u8> {
    let mut line = Vec::new();
    let written = message.serialize(&mut serde_json::Serializer::with_formatter(&mut line, Escaping));
    debug_assert!(written.is_ok(), "a value is written to memory");
    line.push(b'\n');
    line
}

/// The answers to one line: to a message, or to a batch, whose answers are sent together when the last one is there.
#[derive(Debug)]
pub(super) struct Answers {
    outbox: Outbox,
    /// None where there is no batch.
    batch: Option<Mutex<Vec<Value>>>,
}

impl Answers {
    pub(super) fn new(outbox: &Outbox, is_batch: bool) -> Arc<Self> {
        Arc::new(Self { outbox: outbox.clone(), batch: is_batch.then(Mutex::default) })
    }

    pub(super) fn succeed(&self, id: &Id, result: Value) {
        self.put(message::success(id, result));
    }

    pub(super) fn fail(&self, id: Option<&Id>, fault: Fault) {
        self.put(message::failure(id, fault));
    }

    pub(super) fn notify(&self, method: &str, params: Value) {
        self.outbox.send(&message::notification(method, params));
    }

    fn put(&self, answer: Value) {
        match &self.batch {
            Some(batch) => batch.lock().unwrap_or_else(PoisonError::into_inner).push(answer),
            None => self.outbox.send(&answer),
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        let Some(batch) = self.batch.take() else { return };
        let answers = batch.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !answers.is_empty() {
            self.outbox.send(&Value::Array(answers));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::mpsc::{Receiver, sync_channel};

    fn lines(from: &Receiver<Event>) -> Vec<String> {
        let text = |event| match event {
            Event::Line(line) => String::from_utf8(line).unwrap(),
            Event::Ended => "ended".to_owned(),
        };
        from.try_iter().map(text).collect()
    }

    #[test]
    fn the_answers_to_a_batch_are_sent_when_the_last_one_is_there() {
        let (to, from) = sync_channel(10);
        let outbox = Outbox::new(to);
        let id = Id::read(&json!(1)).unwrap();
        let answers = Answers::new(&outbox, true);
        let other = answers.clone();
        answers.succeed(&id, json!({}));
        drop(answers);
        assert_eq!(lines(&from), Vec::<String>::new());
        other.fail(None, Fault::invalid_request("x"));
        drop(other);
        let sent: Value = serde_json::from_str(&lines(&from)[0]).unwrap();
        assert_eq!((&sent[0]["id"], &sent[1]["error"]["code"]), (&json!(1), &json!(-32600)));
        drop(Answers::new(&outbox, true)); // notifications only
        assert_eq!(lines(&from), Vec::<String>::new());
    }

    #[test]
    fn a_line_has_one_line_feed_and_no_control_at_all() {
        let value = json!({"text": "a\nb\r\u{1b}[0m\u{85}\u{2028}\u{202e}\u{feff}\u{e0041}👍🏽 日本"});
        let line = String::from_utf8(line(&value)).unwrap();
        assert!(line.ends_with('\n') && !line.trim_end_matches('\n').chars().any(crate::output::commands));
        assert!(line.contains("👍🏽 日本"));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
