//! What can be switched, each with a list of values.
//!
//! | switch | values | default |
//! |---|---|---|
//! | `--ask` | `words`, `meaning`, `both` | all |
//! | `--language` | a language, or `none` | that of the library |
//! | `--stop-words` | `on`: queries leave them out, or `off` | that of the library |
//! | `--k1`, `--b` | constants of BM25 | those of the library |
//! | `--title` | `field`: as the library has titles; a number: how often it stands before the text | `field` |
//! | `--fusion` | `ranks` or `normalized`, for `both` | that of the library |
//! | `--candidates` | length of the lists that are fused | that of the library |
//! | `--exact` | `on`: vectors are compared with all others, or `off` | off |
//! | `--ef-search` | candidates that a search through a graph keeps | that of the library |
//! | `--graph` | `on`: a collection is sealed, so that one of enough texts has a graph; `off`: it is not, and vectors are scanned | on |
//! | `--originals` | what is kept of vectors beside their codes, by which the best are compared: `none`, `residual` or `f32` | that of the library |
//! | `--model` | `given`: the vectors of the collections, or `built-in`: texts are embedded by the model of the library | `given` |
//! | `--meaning-weight` | weight of the list of vectors, where that of words is 1 | that of the library |

use benches::Result;
use compact_artifact::{Fusion, Originals};

/// The values of every switch; `None` is the default of the library.
pub(crate) struct Switches {
    asks: Vec<Ask>,
    languages: Vec<Option<String>>,
    stop_words: Vec<Option<bool>>,
    k1: Vec<Option<f64>>,
    b: Vec<Option<f64>>,
    titles: Vec<Option<usize>>,
    fusions: Vec<Option<Fusion>>,
    candidates: Vec<Option<usize>>,
    meaning_weights: Vec<Option<f32>>,
    exact: Vec<bool>,
    ef_search: Vec<Option<usize>>,
    graph: Vec<bool>,
    originals: Vec<Option<Originals>>,
    built_in: Vec<bool>,
    /// Where to write JSON.
    pub(crate) json: Option<String>,
    /// The switches as they were given.
    pub(crate) given: String,
}

/// What a query asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Words,
    Meaning,
    Both,
}

/// How an artifact is made and opened.
#[derive(Debug, Clone)]
pub(crate) struct SetupValues {
    pub(crate) language: Option<String>,
    pub(crate) stop_words: Option<bool>,
    pub(crate) k1: Option<f64>,
    pub(crate) b: Option<f64>,
    /// `None`: a field of its own.
    pub(crate) title: Option<usize>,
    pub(crate) graph: bool,
    pub(crate) originals: Option<Originals>,
    pub(crate) built_in: bool,
}

/// How a query is asked.
#[derive(Debug, Clone)]
pub(crate) struct QueryValues {
    pub(crate) ask: Ask,
    pub(crate) fusion: Option<Fusion>,
    pub(crate) candidates: Option<usize>,
    pub(crate) meaning_weight: Option<f32>,
    pub(crate) exact: bool,
    pub(crate) ef_search: Option<usize>,
}

impl Switches {
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut switches = Self {
            asks: vec![Ask::Words, Ask::Meaning, Ask::Both],
            languages: vec![None],
            stop_words: vec![None],
            k1: vec![None],
            b: vec![None],
            titles: vec![None],
            fusions: vec![None],
            candidates: vec![None],
            meaning_weights: vec![None],
            exact: vec![false],
            ef_search: vec![None],
            graph: vec![true],
            originals: vec![None],
            built_in: vec![false],
            json: None,
            given: String::new(),
        };
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} without a value"))?;
            if name != "--json" {
                switches.given.extend([" ", &name, " ", &value]);
            }
            switches.set(&name, &value)?;
        }
        Ok(switches)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "--json" => self.json = Some(value.to_owned()),
            "--ask" => self.asks = each(value, ask)?,
            "--language" => self.languages = each(value, |name| Ok(Some(name.to_owned())))?,
            "--stop-words" => self.stop_words = each(value, on_or_off)?,
            "--k1" => self.k1 = each(value, |k1| Ok(Some(k1.parse()?)))?,
            "--b" => self.b = each(value, |b| Ok(Some(b.parse()?)))?,
            "--title" => self.titles = each(value, title)?,
            "--fusion" => self.fusions = each(value, fusion)?,
            "--candidates" => self.candidates = each(value, |len| Ok(Some(len.parse()?)))?,
            "--meaning-weight" => self.meaning_weights = each(value, |weight| Ok(Some(weight.parse()?)))?,
            "--exact" => self.exact = each(value, |on| Ok(on_or_off(on)? == Some(true)))?,
            "--ef-search" => self.ef_search = each(value, |ef| Ok(Some(ef.parse()?)))?,
            "--model" => self.built_in = each(value, is_built_in)?,
            "--graph" => self.graph = each(value, |on| Ok(on_or_off(on)? == Some(true)))?,
            "--originals" => self.originals = each(value, originals)?,
            _ => return Err(format!("there is no switch {name}").into()),
        }
        Ok(())
    }

    /// All combinations of what an artifact depends on.
    pub(crate) fn setups(&self) -> Vec<SetupValues> {
        let first = SetupValues {
            language: None,
            stop_words: None,
            k1: None,
            b: None,
            title: None,
            graph: true,
            originals: None,
            built_in: false,
        };
        let all = vec![first];
        let all = times(&all, &self.languages, |setup, language| setup.language.clone_from(language));
        let all = times(&all, &self.titles, |setup, &title| setup.title = title);
        let all = times(&all, &self.graph, |setup, &graph| setup.graph = graph);
        let all = times(&all, &self.originals, |setup, &originals| setup.originals = originals);
        let all = times(&all, &self.built_in, |setup, &built_in| setup.built_in = built_in);
        let all = times(&all, &self.stop_words, |setup, &stop_words| setup.stop_words = stop_words);
        let all = times(&all, &self.k1, |setup, &k1| setup.k1 = k1);
        times(&all, &self.b, |setup, &b| setup.b = b)
    }

    /// All combinations of what a query depends on. What is of vectors is not of queries for words, and fusion of those for both only.
    pub(crate) fn queries(&self) -> Vec<QueryValues> {
        let mut queries = Vec::new();
        for &ask in &self.asks {
            let first = QueryValues {
                ask,
                fusion: None,
                candidates: None,
                meaning_weight: None,
                exact: false,
                ef_search: None,
            };
            let mut all = vec![first];
            if ask != Ask::Words {
                all = times(&all, &self.exact, |query, &exact| query.exact = exact);
                all = times(&all, &self.ef_search, |query, &ef_search| query.ef_search = ef_search);
            }
            if ask == Ask::Both {
                all = times(&all, &self.fusions, |query, &fusion| query.fusion = fusion);
                all = times(&all, &self.candidates, |query, &candidates| query.candidates = candidates);
                all = times(&all, &self.meaning_weights, |query, &weight| query.meaning_weight = weight);
            }
            queries.extend(all);
        }
        queries
    }
}

/// Each of `all` with each of `values`.
fn times<T: Clone, V>(all: &[T], values: &[V], set: impl Fn(&mut T, &V)) -> Vec<T> {
    let mut product = Vec::new();
    for one in all {
        for value in values {
            let mut one = one.clone();
            set(&mut one, value);
            product.push(one);
        }
    }
    product
}

fn each<T>(values: &str, read: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    values.split(',').map(read).collect()
}

fn ask(value: &str) -> Result<Ask> {
    match value {
        "words" => Ok(Ask::Words),
        "meaning" => Ok(Ask::Meaning),
        "both" => Ok(Ask::Both),
        _ => Err(format!("--ask: expected words, meaning or both, found {value}").into()),
    }
}

fn on_or_off(value: &str) -> Result<Option<bool>> {
    match value {
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        _ => Err(format!("expected on or off, found {value}").into()),
    }
}

fn fusion(value: &str) -> Result<Option<Fusion>> {
    match value {
        "ranks" => Ok(Some(Fusion::ReciprocalRank { k: 60.0 })),
        "normalized" => Ok(Some(Fusion::Normalized)),
        _ => Err(format!("--fusion: expected ranks or normalized, found {value}").into()),
    }
}

fn is_built_in(value: &str) -> Result<bool> {
    match value {
        "built-in" => Ok(true),
        "given" => Ok(false),
        _ => Err(format!("--model: expected given or built-in, found {value}").into()),
    }
}

fn originals(value: &str) -> Result<Option<Originals>> {
    match value {
        "none" => Ok(Some(Originals::None)),
        "residual" => Ok(Some(Originals::Residual)),
        "f32" => Ok(Some(Originals::F32)),
        _ => Err(format!("--originals: expected none, residual or f32, found {value}").into()),
    }
}

fn title(value: &str) -> Result<Option<usize>> {
    if value == "field" { Ok(None) } else { Ok(Some(value.parse()?)) }
}
