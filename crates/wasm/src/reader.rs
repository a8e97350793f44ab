//! A pack in memory, and answers in JSON.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use compact_artifact::json::Object;
use compact_artifact::{CompactArtifact, ErrorKind, Hit, Options, StaticEmbedder, json};
use serde_json::{Value, json};
use wire::AlignedBytes;

use crate::request::{Keys, RecordName, Request, Search};

/// Why a pack cannot be opened, as a sentence.
#[derive(Debug)]
pub struct OpenError(String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// The bytes of a pack, where they lie.
#[derive(Debug, Clone)]
struct Pack(Arc<AlignedBytes>);

impl AsRef<[u8]> for Pack {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// A packed artifact that is open.
#[derive(Debug)]
pub struct Reader(CompactArtifact);

impl Reader {
    /// Opens the bytes of a pack; with a model for texts, if there is one, and at a time in milliseconds since 1970. A pack of another model, or of none, is opened without
    /// this one.
    pub fn open(
        pack: impl Into<AlignedBytes>,
        model: Option<Arc<StaticEmbedder>>,
        now: u64,
    ) -> Result<Self, OpenError> {
        let now = UNIX_EPOCH + Duration::from_millis(now);
        let options = Options::new().threads(1).clock(move || now);
        let pack = Pack(Arc::new(pack.into()));
        let with_model = model
            .map(|model| CompactArtifact::open_packed_bytes(pack.clone(), options.clone().embedder(model)));
        let opened = match with_model {
            Some(Err(e)) if matches!(e.kind(), ErrorKind::NoModel | ErrorKind::ModelMismatch) => {
                CompactArtifact::open_packed_bytes(pack, options)
            }
            Some(opened) => opened,
            None => CompactArtifact::open_packed_bytes(pack, options),
        };
        opened.map(Self).map_err(|e| OpenError(in_javascript(&e.to_string())))
    }

    /// Answers a question in JSON: `{"search": {…}}`, `{"get": {"key": "…"}}`, `{"get": {"id": 1}}`, `{"keys": {"prefix": "…"}}` or `{"stats": {}}`. What cannot be
    /// answered is `{"error": "…"}`.
    ///
    /// A search has `text` (by meaning and words), `words` (in the syntax of queries), `meaning` (by that alone), `vector` (`{"space", "values"}`), `filter`, `k`, `offset`, `order_by` (`-year` for the largest
    /// first), `group_by`, `total` and `snippet` (bytes); all may be left out.
    pub fn ask(&self, request: &str) -> String {
        let answer = json::read_object(request.as_bytes()).map_err(|e| e.to_string());
        let answer = answer
            .and_then(|request: Request| self.answer(&request).map_err(|e| in_javascript(&e.to_string())));
        answer.unwrap_or_else(|message| json!({ "error": message })).to_string()
    }

    fn answer(&self, request: &Request) -> compact_artifact::Result<Value> {
        match request {
            Request::Search(search) => self.search(&search.0),
            Request::Get(get) => {
                let entry = match get.into() {
                    RecordName::Key(key) => self.0.get_by_key(&key)?,
                    RecordName::Id(id) => self.0.get(id)?,
                };
                Ok(serde_json::to_value(entry).unwrap_or_else(|e| json!({ "error": e.to_string() })))
            }
            Request::Keys(Object(Keys { prefix })) => {
                let keys = self.0.keys(prefix)?.into_iter();
                Ok(keys.map(|(key, id)| json!({ "key": key, "id": id.0 })).collect())
            }
            Request::Stats(_) => Ok(json!({
                "records": self.0.len(), "finds_by_meaning": self.0.is_model_at_hand(),
                "damage": self.0.recovery().damage.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "spaces": self.0.spaces().iter().map(|space| space.name().to_owned()).collect::<Vec<_>>(),
            })),
        }
    }

    fn search(&self, search: &Search) -> compact_artifact::Result<Value> {
        let results = self.0.search(&search.query(self.0.is_model_at_hand())?)?;
        let hits = results.hits.iter().map(hit).collect::<compact_artifact::Result<Vec<Value>>>()?;
        let losses: Vec<String> = results.losses.iter().map(ToString::to_string).collect();
        Ok(json!({
            "hits": hits, "total": results.total, "is_complete": results.is_complete, "losses": losses,
        }))
    }
}

/// What the library says to those who call it from Rust, and what is said in its place.
const PHRASES: &[(&str, &str)] = &[
    ("the option embedder names it", "setModel gives it before the pack is opened"),
    ("; `reembed` does that with a model, or search by words", "; search by words"),
    (". `add_space` adds one", ""),
    ("`salvage`", "`cart salvage`"),
    ("`verify`", "`cart verify`"),
];

fn in_javascript(message: &str) -> String {
    PHRASES.iter().fold(message.to_owned(), |said, (from, to)| said.replace(from, to))
}

fn hit(hit: &Hit) -> compact_artifact::Result<Value> {
    let mut value =
        json!({ "id": hit.id.0, "score": hit.score, "snippet": hit.snippet, "key": null, "metadata": null });
    if let Some(entry) = &hit.record {
        value["key"] = entry.key()?.into();
        value["metadata"] = entry.metadata()?.into();
    }
    Ok(value)
}
