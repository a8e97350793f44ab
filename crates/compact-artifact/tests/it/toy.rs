//! An embedder for tests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use compact_artifact::{Embedder, EmbedderError, Embeddings, ModelHash};

/// Words of one group mean the same; others are not known.
pub(crate) const GROUPS: [&[&str]; 6] = [
    &["fear", "dread", "phobia"],
    &["small", "narrow", "tiny"],
    &["room", "chamber", "space"],
    &["cat", "feline"],
    &["king", "ruler"],
    &["sea", "ocean"],
];

/// An embedder that knows a few words: a value for each group, and one that is how many there are.
#[derive(Debug)]
pub(crate) struct Toy {
    id: String,
    dimension: usize,
    pub(crate) calls: AtomicUsize,
    pub(crate) texts: AtomicUsize,
    pub(crate) fails: AtomicBool,
    /// Held by a test, it keeps texts with the word `slow` waiting.
    pub(crate) gate: Mutex<()>,
}

impl Toy {
    pub(crate) fn new(id: &str) -> Arc<Self> {
        Self::of_dimension(id, GROUPS.len())
    }

    pub(crate) fn of_dimension(id: &str, dimension: usize) -> Arc<Self> {
        let (calls, texts, fails, gate) = Default::default();
        Arc::new(Self { id: id.to_owned(), dimension, calls, texts, fails, gate })
    }

    fn vector(&self, text: &str) -> Option<Vec<f32>> {
        let mut vector = vec![0.0; self.dimension];
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            for (at, _) in GROUPS.iter().enumerate().filter(|(_, group)| group.contains(&word)) {
                vector[at % self.dimension] += 1.0;
            }
        }
        vector.iter().any(|&value| value != 0.0).then_some(vector)
    }
}

impl Embedder for Toy {
    fn id(&self) -> &str {
        &self.id
    }

    fn hash(&self) -> ModelHash {
        ModelHash::from_content(format!("{} {}", self.id, self.dimension).as_bytes())
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings, EmbedderError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.texts.fetch_add(texts.len(), Ordering::Relaxed);
        if texts.iter().any(|text| text.contains("slow")) {
            drop(self.gate.lock().unwrap());
        }
        if self.fails.load(Ordering::Relaxed) {
            return Err(EmbedderError::other("out of order"));
        }
        let mut embeddings = Embeddings::with_capacity(self.dimension, texts.len())?;
        for text in texts {
            embeddings.push(self.vector(text).as_deref())?;
        }
        Ok(embeddings)
    }
}

/// An embedder that calls something when it is asked.
pub(crate) struct CallsBack {
    id: &'static str,
    call: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl CallsBack {
    pub(crate) fn new(id: &'static str) -> Arc<Self> {
        Arc::new(Self { id, call: Mutex::default() })
    }

    pub(crate) fn calls_once(&self, call: impl FnOnce() + Send + 'static) {
        *self.call.lock().unwrap() = Some(Box::new(call));
    }
}

impl std::fmt::Debug for CallsBack {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(self.id)
    }
}

/// An embedder of that weight, which forgets texts that are "too few".
#[derive(Debug)]
pub(crate) struct Weighty(pub(crate) Mutex<f32>);

impl Embedder for Weighty {
    fn id(&self) -> &'static str {
        "weighty"
    }

    fn hash(&self) -> ModelHash {
        ModelHash::from_content(b"weighty")
    }

    fn dimension(&self) -> usize {
        2
    }

    fn weight(&self) -> f32 {
        *self.0.lock().unwrap()
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings, EmbedderError> {
        let mut embeddings = Embeddings::with_capacity(2, texts.len())?;
        let known = texts.iter().filter(|text| **text != "too few");
        known.into_iter().try_for_each(|_| embeddings.push(Some(&[1.0, 0.0])))?;
        Ok(embeddings)
    }
}

impl Embedder for CallsBack {
    fn id(&self) -> &str {
        self.id
    }

    fn hash(&self) -> ModelHash {
        ModelHash::from_content(self.id.as_bytes())
    }

    fn dimension(&self) -> usize {
        2
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings, EmbedderError> {
        let call = self.call.lock().unwrap().take();
        if let Some(call) = call {
            call();
        }
        let mut embeddings = Embeddings::with_capacity(2, texts.len())?;
        texts.iter().try_for_each(|_| embeddings.push(Some(&[1.0, 0.0])))?;
        Ok(embeddings)
    }
}
