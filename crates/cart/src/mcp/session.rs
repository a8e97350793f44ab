//! What a client says, message by message, and who answers: this at once, or the queue when the call takes time.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Server;
use super::limits::MAX_LISTENING;
use super::message::{Fault, Id, Message, Params, Received, Request};
use super::outbox::{Answers, Outbox};
use super::queue::{Call, Work};
use super::revision::Revision;
use super::{resources, tools};

/// The conversation with the client of this process.
#[derive(Debug)]
pub(super) struct Session<'a> {
    server: &'a Server,
    outbox: Outbox,
    /// What `initialize` agreed on.
    agreed: Option<Revision>,
    /// Subscriptions that are open: to nothing, since nothing can be subscribed to.
    listening: Vec<Id>,
}

/// What a request is answered with.
enum Done {
    Result(Value),
    /// By the queue.
    Later {
        work: Work,
        only_reads: bool,
    },
    /// Not before it is over.
    Held,
}

impl<'a> Session<'a> {
    pub(super) fn new(server: &'a Server, outbox: Outbox) -> Self {
        Self { server, outbox, agreed: None, listening: Vec::new() }
    }

    /// Answers what stands on a line of so many bytes, or queues it.
    pub(super) fn receive(&mut self, received: Received, len: usize) {
        match received {
            Received::One(message) => {
                let answers = Answers::new(&self.outbox, false);
                self.message(message, &answers, len, false);
            }
            Received::Batch(_) if !self.agreed.is_some_and(Revision::has_batches) => {
                let fault = Fault::invalid_request("several messages on a line; expected one");
                Answers::new(&self.outbox, false).fail(None, fault);
            }
            Received::Batch(messages) => {
                let answers = Answers::new(&self.outbox, true);
                let each = len / messages.len().max(1);
                for message in messages {
                    self.message(message, &answers, each, true);
                }
            }
        }
    }

    /// The client says nothing more.
    pub(super) fn end(&mut self) {
        for id in std::mem::take(&mut self.listening) {
            let meta = json!({ "io.modelcontextprotocol/subscriptionId": id.value() });
            let result = finished(json!({ "_meta": meta }), Revision::July2026, None);
            Answers::new(&self.outbox, false).succeed(&id, result);
        }
    }

    fn message(&mut self, message: Message, answers: &Arc<Answers>, len: usize, in_batch: bool) {
        match message {
            Message::Ignored => {}
            Message::Refused { id, fault } => answers.fail(id.as_ref(), fault),
            Message::Notification { method, params } => {
                if method == "notifications/cancelled"
                    && let Some(id) = params.get("requestId").and_then(Id::read)
                {
                    self.listening.retain(|listening| *listening != id);
                    self.server.queue.cancel(&id);
                }
            }
            Message::Request(request) if in_batch && request.method == "initialize" => {
                let fault = Fault::invalid_request("`initialize` in a batch; expected it alone");
                answers.fail(Some(&request.id), fault);
            }
            Message::Request(request) => self.request(request, answers, len),
        }
    }

    fn request(&mut self, request: Request, answers: &Arc<Answers>, len: usize) {
        let Request { id, method, params } = request;
        let token = progress_token(&params);
        let handled = self.handle(&id, &method, params, answers);
        match handled {
            Err(fault) => answers.fail(Some(&id), fault),
            Ok((_, Done::Held)) => {}
            Ok((revision, Done::Result(result))) => {
                answers.succeed(&id, finished(result, revision, None));
            }
            Ok((revision, Done::Later { work, only_reads })) => {
                let mut call = Call::new(id, revision, work, answers);
                (call.progress_token, call.only_reads, call.len) = (token, only_reads, len);
                self.server.queue.push(call);
            }
        }
    }

    fn handle(
        &mut self,
        id: &Id,
        method: &str,
        params: Params,
        answers: &Answers,
    ) -> Result<(Revision, Done), Fault> {
        let said = Revision::of_request(&params).transpose()?;
        match (method, said, self.agreed) {
            ("server/discover", Some(revision), _) => Ok((revision, Done::Result(self.discovered()))),
            ("server/discover", None, _) => {
                Err(Fault::invalid_params("`_meta`: expected the version of the protocol"))
            }
            ("subscriptions/listen", Some(revision), _) => {
                self.listen(id, answers)?;
                Ok((revision, Done::Held))
            }
            ("initialize", None, _) => {
                let revision = self.initialize(&params)?;
                Ok((revision, Done::Result(self.initialized(revision))))
            }
            ("ping", None, agreed) => Ok((agreed.unwrap_or(Revision::November2025), Done::Result(json!({})))),
            (_, Some(revision), _) | (_, None, Some(revision)) => {
                Ok((revision, self.common(method, params, revision)?))
            }
            (_, None, None) if is_known(method) => {
                Err(Fault::invalid_request("expected `initialize` before other requests"))
            }
            (_, None, None) => Err(Fault::no_such_method(method)),
        }
    }

    fn initialize(&mut self, params: &Params) -> Result<Revision, Fault> {
        let asked = params.get("protocolVersion").and_then(Value::as_str);
        let asked = asked.ok_or_else(|| Fault::invalid_params("`protocolVersion`: expected a string"))?;
        let revision = Revision::agreed(asked);
        self.agreed = Some(revision);
        Ok(revision)
    }

    fn initialized(&self, revision: Revision) -> Value {
        let mut server = server_info();
        if !revision.has_structured_content() {
            server.remove("title");
        }
        json!({
            "protocolVersion": revision.name(), "capabilities": capabilities(), "serverInfo": server,
            "instructions": self.server.instructions(),
        })
    }

    fn discovered(&self) -> Value {
        json!({
            "supportedVersions": Revision::names(), "capabilities": capabilities(),
            "instructions": self.server.instructions(), "ttlMs": 0, "cacheScope": "private",
        })
    }

    /// Accepts a subscription: to none of what was asked for.
    fn listen(&mut self, id: &Id, answers: &Answers) -> Result<(), Fault> {
        if self.listening.len() == MAX_LISTENING {
            return Err(Fault::invalid_request(format_args!(
                "expected at most {MAX_LISTENING} subscriptions that are open"
            )));
        }
        let params = json!({
            "_meta": { "io.modelcontextprotocol/subscriptionId": id.value() }, "notifications": {},
        });
        answers.notify("notifications/subscriptions/acknowledged", params);
        self.listening.push(id.clone());
        Ok(())
    }

    /// What all revisions have.
    fn common(&self, method: &str, params: Params, revision: Revision) -> Result<Done, Fault> {
        let artifacts = &self.server.artifacts;
        let only_page = || match params.get("cursor") {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(Fault::invalid_params("`cursor`: there is one page, and no cursor")),
        };
        Ok(match method {
            "tools/list" => {
                only_page()?;
                Done::Result(cacheable(tools::list(artifacts, revision), revision))
            }
            "resources/templates/list" => {
                only_page()?;
                Done::Result(cacheable(resources::templates(artifacts, revision), revision))
            }
            "tools/call" => self.tool_call(params)?,
            "resources/list" => {
                let work = Work::ListResources { cursor: text(&params, "cursor")? };
                Done::Later { work, only_reads: true }
            }
            "resources/read" => {
                let uri = text(&params, "uri")?;
                let uri = uri.ok_or_else(|| Fault::invalid_params("`uri`: expected a string"))?;
                Done::Later { work: Work::ReadResource { uri }, only_reads: true }
            }
            _ => return Err(Fault::no_such_method(method)),
        })
    }

    fn tool_call(&self, mut params: Params) -> Result<Done, Fault> {
        let name =
            text(&params, "name")?.ok_or_else(|| Fault::invalid_params("`name`: expected a string"))?;
        let found = tools::find(&name, &self.server.artifacts);
        let (place, only_reads) =
            found.ok_or_else(|| Fault::invalid_params(format_args!("there is no tool {name:?}")))?;
        let arguments = match params.remove("arguments") {
            None | Some(Value::Null) => Params::new(),
            Some(Value::Object(arguments)) => arguments,
            Some(_) => return Err(Fault::invalid_params("`arguments`: expected an object")),
        };
        Ok(Done::Later { work: Work::Tool { place, arguments }, only_reads })
    }
}

fn is_known(method: &str) -> bool {
    ["tools/list", "tools/call", "resources/list", "resources/read", "resources/templates/list"]
        .contains(&method)
}

fn text(params: &Params, name: &str) -> Result<Option<String>, Fault> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Fault::invalid_params(format_args!("`{name}`: expected a string"))),
    }
}

fn progress_token(params: &Params) -> Option<Value> {
    let token = params.get("_meta")?.as_object()?.get("progressToken")?;
    Id::read(token).map(|token| token.value())
}

fn capabilities() -> Value {
    json!({ "tools": {}, "resources": {} })
}

fn server_info() -> Map<String, Value> {
    let info = json!({ "name": "cart", "title": "CompactArtifact", "version": env!("CARGO_PKG_VERSION") });
    if let Value::Object(info) = info { info } else { Map::new() }
}

/// A result that clients may keep for a while, which newer revisions want to be said.
fn cacheable(mut result: Value, revision: Revision) -> Value {
    if revision.is_stateless() {
        (result["ttlMs"], result["cacheScope"]) = (300_000.into(), "private".into());
    }
    result
}

/// A result with what newer revisions have in each; `ttl` in that of what changes.
pub(super) fn finished(mut result: Value, revision: Revision, ttl: Option<u64>) -> Value {
    if !revision.is_stateless() {
        return result;
    }
    result["resultType"] = "complete".into();
    result["_meta"]["io.modelcontextprotocol/serverInfo"] = server_info().into();
    if let Some(ttl) = ttl {
        (result["ttlMs"], result["cacheScope"]) = (ttl.into(), "private".into());
    }
    result
}
