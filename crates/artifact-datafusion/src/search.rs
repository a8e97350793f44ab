//! `cart_search`: the best records of many packs.

use std::sync::Arc;

use async_trait::async_trait;
use compact_artifact::{Query, QueryStatistics};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue, plan_datafusion_err};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use serde_json::{Value, json};

use crate::arguments::{self, Search};
use crate::error::about;
use crate::external;
use crate::location::Location;
use crate::pack_exec::{PackExec, Work};
use crate::packs::{Packs, Source, Sources};
use crate::rank_exec::{self, RankExec, Ranking};

/// A search over all records of an artifact, a pack, or a folder of packs, as a table: `score`, `id`, `key`, `text`, `metadata`, `snippet`, `places` (JSON: its rank and score in each list), `pack`.
/// Rows come the best first.
///
/// What is found, and how it scores, does not depend on how records are spread over packs: see [`search_snapshots`](compact_artifact::search_snapshots).
///
/// In SQL it is `cart_search(LOCATION, TEXT, K, OPTIONS)`; the options may be left out, and are an object of JSON:
///
/// | name | what |
/// |---|---|
/// | `by` | what the text is: `text` (words and meaning), `words`, `meaning`, `query` (words in the syntax of queries); by default `text` without a `vector`, else `words`; an error beside a `vector` and an empty text |
/// | `vector` | `{"SPACE": [numbers]}`: near a vector as well, or alone beside an empty text |
/// | `filter` | a filter, as JSON |
/// | `exact` | vectors are compared with all others |
/// | `candidates` | how long lists are before they become one |
/// | `snippet` | the length of snippets in bytes |
#[derive(Debug)]
pub struct CartSearch {
    packs: Arc<Packs>,
    location: String,
    search: Search,
}

impl CartSearch {
    /// A search by a query, without offset, order of fields, totals, facets or groups.
    pub fn new(packs: Arc<Packs>, location: impl Into<String>, query: Query, k: usize) -> Self {
        Self { packs, location: location.into(), search: Search::new(query, k) }
    }

    pub(crate) fn to_json(&self) -> Result<Value> {
        Ok(json!({"location": self.location, "search": self.search.to_json()?}))
    }

    pub(crate) fn from_json(value: &Value, packs: Arc<Packs>) -> Result<Self> {
        let location = value["location"].as_str();
        let location = location.ok_or_else(|| plan_datafusion_err!("{value}: expected a location"))?;
        Ok(Self { packs, location: location.to_owned(), search: Search::from_json(&value["search"])? })
    }
}

#[async_trait]
impl TableProvider for CartSearch {
    fn schema(&self) -> SchemaRef {
        rank_exec::schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let sources = self.packs.open_all(&self.location, state.runtime_env()).await?;
        let wanted = rank_exec::wanted(projection);
        let (query, locations) = (
            self.search.query(limit, wanted),
            sources.iter().map(|source| source.location.clone()).collect::<Vec<Location>>(),
        );
        let of_thread = self.packs.sources_of_thread(sources.len());
        let gather = move || gathered(&sources, &query, of_thread).map(|gathered| (gathered, sources));
        let (statistics, sources) = crate::on_a_thread(gather).await??;
        let query = self.search.planned(limit, wanted, statistics);
        let sources: Sources = sources.into_iter().map(|source| (source.name().to_owned(), source)).collect();
        let sources = Arc::new(sources);
        let work = Work::Lists { query: query.clone() };
        let lists = PackExec::over(self.packs.clone(), &locations, sources.clone(), work, None)?;
        let ranking = Ranking { packs: self.packs.clone(), locations, sources, query };
        RankExec::over(lists, ranking, projection)
    }
}

/// The statistics of a query over all packs, of which each thread asks so many.
fn gathered(sources: &[Source], query: &Query, of_thread: usize) -> Result<QueryStatistics> {
    let mut parts = sources.chunks(of_thread);
    let first = parts.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || gathered_of(part, query))).collect();
        let mut statistics = gathered_of(first, query)?;
        for other in others {
            let gathered =
                other.join().map_err(|_| external("a thread that gathers statistics panicked"))??;
            statistics.merge(gathered).map_err(external)?;
        }
        Ok(statistics)
    })
}

fn gathered_of(sources: &[Source], query: &Query) -> Result<QueryStatistics> {
    let mut statistics = QueryStatistics::default();
    for source in sources {
        let gathered = source.snapshot.query_statistics(query);
        gathered.and_then(|gathered| statistics.merge(gathered)).map_err(|e| about(source.name(), e))?;
    }
    Ok(statistics)
}

/// `cart_search(packs, text, k, options)`.
#[derive(Debug)]
pub(crate) struct CartSearchFunction(pub(crate) Arc<Packs>);

impl TableFunctionImpl for CartSearchFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let usage = "expected cart_search(packs, text, k, options), where k and options may be left out";
        let literals = args.exprs().iter().map(|expr| match expr {
            Expr::Literal(value, _) => Ok(value),
            other => Err(plan_datafusion_err!("cart_search: {other} is no literal; {usage}")),
        });
        let literals = literals.collect::<Result<Vec<&ScalarValue>>>()?;
        let string = |at: usize| literals.get(at).map(|value| value.try_as_str().flatten());
        let (Some(Some(location)), Some(Some(text)), 2..=4) = (string(0), string(1), literals.len()) else {
            return Err(plan_datafusion_err!("cart_search: {usage}"));
        };
        let k = match literals.get(2) {
            None => 10,
            Some(ScalarValue::Int64(Some(k))) if *k > 0 => usize::try_from(*k).unwrap_or(usize::MAX),
            Some(other) => {
                return Err(plan_datafusion_err!("cart_search: k = {other}; expected a number above 0"));
            }
        };
        let options = match string(3) {
            None => "{}",
            Some(Some(options)) => options,
            Some(None) => {
                return Err(plan_datafusion_err!("cart_search: options that are no string of JSON; {usage}"));
            }
        };
        let search = arguments::search(text, k, options)?;
        Ok(Arc::new(CartSearch { packs: self.0.clone(), location: location.to_owned(), search }))
    }
}
