//! `cart search`: what is it that is looked for, and what was found.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use compact_artifact::{CompactArtifact, Order, Query, SearchResults, Snapshot, Space};
use serde_json::Value;

use super::formats::{self, Format, Ranked, SNIPPET};
use super::near::{self, Asked};
use super::{At, explain, facets, find};
use crate::failure::{Failure, Result};
use crate::input::values::{self, Name};
use crate::input::vector;
use crate::output::{Output, count, matched, metadata_line, several, shortened, time, warn};

const LONG: &str = "\
Find records by words, by meaning, by metadata, or by all at once.

A text finds texts by its words and by its meaning at once, the best first; --words and --meaning ask for one of them. Texts have a \
meaning where they were embedded when they were added, which `cart add` does unless it is told not to. Words such as `the` and `of` do not \
count, unless the artifact has no language. With --syntax the words are a query:

  word \"a phrase\" begin* roughly~ +must -not title:word (without a field, or with text: in the text and all fields)
  this AND that, this OR that, NOT that, (groups), counts^2 so much, \"words near\"~3 each other, \\( for the sign itself

A vector (--vector-file), or the record that others shall resemble (--like), finds what is near it in a vector space. Words and a \
vector together are fused by score. A filter lets records through by their metadata; alone it lists them:

  {\"year\": 1969}  {\"year\": {\"$gte\": 1900, \"$lt\": 2000}}  {\"$or\": [{\"lang\": {\"$in\": [\"en\", \"de\"]}}, {\"lang\": {\"$exists\": false}}]}
  operators: $eq $ne $lt $lte $gt $gte $in $nin $exists $prefix $contains $and $or $not $strict
  dates are RFC 3339 timestamps or days (midnight in UTC), and are compared as time, also for equality:
  {\"at\": {\"$gte\": {\"$date\": \"2026-04-12\"}, \"$lt\": {\"$date\": \"2026-04-13T08:30:00+02:00\"}}}

--sort orders what was found by a field of the metadata instead of by score (near a vector, or by meaning: the best --candidates, 100), --total says how many
match, and --facet counts the values of a field among them:

  --sort year  --sort published:desc  --facet tags  --facet price:10  --facet published:month

The name of a field may have a colon where something stands behind another one: --sort a:b:asc, --facet a:b: for its values, --group a:b:1.

Strings are sorted by their first 256 bytes: longer ones that begin alike come in no order that means anything, also among values that --facet counts as often. Of a word \
of more than 255 bytes in lower case and without diacritics the first 255 of these count, in texts and in searches.

--group FIELD lets one hit through of each value of a field (--group path: one paragraph of each file), or N of each with FIELD:N.

--fields says what is shown of a hit: rank, id, key, score, snippet, text, metadata, or fields by their names (at.year for one inside of another). --format \
writes hits as a table, as columns parted by tabs (plain), as an object on each line (jsonl), or by a template with names in braces:

  --format table --fields key,year,snippet  --format '{key}\\t{title} ({year})'  --page 2

In hits as they are written for people, and in tables, a key that begins with # has another one before it, as commands take it: ##3 is the key #3, and #3 the number of a record. \
With --json a snippet has highlights: where in it, in bytes of UTF-8, what was looked for begins and ends.

With nothing found the exit code is 3, and it is said what is near: a field or a word that is spelt like the one that nobody has.";

/// Find records by words, by meaning, by metadata, or by all at once
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// What is looked for, in words
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
    /// Only by words
    #[arg(long, requires = "text", conflicts_with = "meaning")]
    words: bool,
    /// Only by meaning, whether or not a word is the same
    #[arg(long, requires = "text", conflicts_with = "syntax")]
    meaning: bool,
    /// The model that the texts are embedded by, where it is not that of this program: a file, or a folder of model2vec
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Read the words as a query: "a phrase", begin*, roughly~, +must, -not, AND, OR, NOT, (…), "near"~3, counts^2
    #[arg(long, requires = "text")]
    syntax: bool,
    /// A vector to search with: a JSON array (.json), or the first row of a .npy file
    #[arg(long, value_name = "FILE")]
    vector_file: Option<PathBuf>,
    /// Records like this one, by its vector: a key, or # and a number
    #[arg(long, value_name = "KEY|#ID", value_parser = values::name)]
    like: Option<Name>,
    /// The vector space; needed if there are several, beside that of texts
    #[arg(long, value_name = "NAME")]
    space: Option<String>,
    /// Only records that it lets through, as JSON: '{"year": {"$gte": 1900}}', '{"at": {"$gte": {"$date": "2026-04-12"}}}'
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// How many hits
    #[arg(short, long, value_name = "N", default_value_t = 10)]
    k: usize,
    /// How many of the best to leave out first
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    /// Which page of so many hits as -k says, from 1 on
    #[arg(long, value_name = "N", conflicts_with = "offset", value_parser = clap::value_parser!(u32).range(1..))]
    page: Option<u32>,
    /// What is shown of hits: rank, id, key, score, snippet, text, metadata, and fields by name
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = formats::field_name)]
    fields: Vec<String>,
    /// How hits are written: table, plain, jsonl, or a template such as '{key}: {snippet}'
    #[arg(long, value_name = "FORMAT", value_parser = formats::format, conflicts_with_all = ["explain", "facet", "total"])]
    format: Option<Format>,
    /// Only hits with at least this score
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    min_score: Option<f32>,
    /// Compare the vector with all others instead of walking the graph
    #[arg(long)]
    exact: bool,
    /// Candidates that a walk through the graph keeps: more finds more, in more time [default: what finds 0.99 of the nearest]
    #[arg(long, value_name = "N", conflicts_with = "exact")]
    ef: Option<usize>,
    /// How much of the nearest a walk through the graph finds on average, as measured when it was built: 0.995; 1 compares with all
    #[arg(long, value_name = "PART", conflicts_with_all = ["exact", "ef"])]
    recall: Option<f64>,
    /// Sort by a field of the metadata, once or several times; records without it come last, strings are compared by their first 256 bytes
    #[arg(long, value_name = "FIELD[:desc]", value_parser = facets::sort_key)]
    sort: Vec<(String, Order)>,
    /// Count the values of a field; numbers by intervals, dates by year, month, day or hour
    #[arg(long, value_name = "FIELD[:WIDTH|:UNIT]", value_parser = facets::facet)]
    facet: Vec<facets::Counted>,
    /// At most one hit of each value of a field, or at most N
    #[arg(long, value_name = "FIELD[:N]", value_parser = facets::group)]
    group: Option<(String, usize)>,
    /// Say how many records match in all
    #[arg(long)]
    total: bool,
    /// How many of the best of each list are fused, or sorted by --sort [default: 100]
    #[arg(long, value_name = "N")]
    candidates: Option<usize>,
    /// Say how the search went, and why each hit is one
    #[arg(long)]
    explain: bool,
    /// Fail where a field of --filter, --sort, --facet, --group, --fields or a template of --format is one that no record has
    #[arg(long)]
    strict: bool,
    /// Return what there is after so many milliseconds
    #[arg(long, value_name = "MS")]
    deadline: Option<u64>,
}

impl Args {
    /// A search for what is near a record.
    pub(crate) fn like(at: At, like: Name, space: String, filter: Option<String>, k: usize) -> Self {
        let (text, vector_file, model, min_score, ef, recall, deadline) = Default::default();
        let (words, meaning, syntax, exact, explain, strict) = Default::default();
        let (sort, facet, group, total, candidates) = Default::default();
        let (page, fields, format) = Default::default();
        let (like, space, offset) = (Some(like), Some(space), 0);
        Self {
            at,
            text,
            words,
            meaning,
            model,
            syntax,
            vector_file,
            like,
            space,
            filter,
            k,
            offset,
            page,
            fields,
            format,
            min_score,
            exact,
            ef,
            recall,
            sort,
            facet,
            group,
            total,
            candidates,
            explain,
            strict,
            deadline,
        }
    }

    /// How many hits are left out first.
    fn left_out(&self) -> usize {
        let page = self.page.map_or(0, |page| usize::try_from(page - 1).unwrap_or(usize::MAX));
        self.offset.max(page.saturating_mul(self.k))
    }
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    if args.format.is_some() && output.is_json() {
        return Err(Failure::usage(
            "--json: --format says how hits are written; `--format jsonl` writes objects",
        ));
    }
    if matches!(args.format, Some(Format::Template(_))) && !args.fields.is_empty() {
        return Err(Failure::usage("--fields: a template names its fields itself"));
    }
    let begun = Instant::now();
    let artifact = args.at.read_with(args.model.as_deref())?;
    let snapshot = artifact.snapshot();
    check_strict(args, &artifact, &snapshot)?;
    let query = query(args, &artifact, &snapshot)?;
    let opened = begun.elapsed();
    let begun = Instant::now();
    let results = snapshot.search(&query).map_err(Failure::of_query)?;
    let took = begun.elapsed();
    for loss in &results.losses {
        warn(&loss.message);
    }
    facets::check_counted(&args.facet, &results.facets, &snapshot)?;
    // A courtesy: that it fails is no failure of the search.
    let near = if results.hits.is_empty() {
        near(args, &query, &artifact, &snapshot).unwrap_or_default()
    } else {
        Vec::new()
    };
    let offset = args.left_out();
    let ranked: Vec<Ranked<'_>> =
        (offset + 1..).zip(&results.hits).map(|(rank, hit)| Ranked { rank, hit }).collect();
    match &args.format {
        _ if output.is_json() => {
            output.json(&formats::as_json(&args.fields, &results, &ranked, &near, (opened, took))?)?;
        }
        Some(format) => formats::write(&ranked, format, &args.fields, output)?,
        None => {
            write(&results, &ranked, &args.fields, took, output)?;
            if results.hits.len() == args.k
                && args.k > 0
                && offset.is_multiple_of(args.k)
                && goes_on(args, &query, &snapshot)
            {
                let next = output.faint(format_args!("--page {} goes on", offset / args.k + 2));
                output.line(format_args!("{next}"))?;
            }
        }
    }
    if results.hits.is_empty() && !results.losses.is_empty() {
        let message = "nothing found in what is sound; `cart verify` names what is not";
        return Err(Failure::damage(message).at(args.at.path.display()));
    }
    if results.hits.is_empty() {
        let failure = Failure::not_there("nothing found").at(args.at.path.display());
        return Err(near.iter().fold(failure, Failure::and));
    }
    Ok(())
}

/// Refuses --strict where it has nothing to check, and names of what is to be shown that no record has a value for; the search checks the others.
fn check_strict(args: &Args, artifact: &CompactArtifact, snapshot: &Snapshot) -> Result<()> {
    if !args.strict {
        return Ok(());
    }
    let shown = formats::names(&args.fields, args.format.as_ref());
    let is_searched = args.filter.is_some() || args.group.is_some();
    if shown.is_empty() && !is_searched && args.sort.is_empty() && args.facet.is_empty() {
        return Err(Failure::usage(
            "--strict: no field is named; expected --filter, --sort, --facet, --group, --fields or a template of --format beside it",
        ));
    }
    formats::check_names(&shown, artifact, snapshot)
}

/// Whether there is a hit behind those of this page. A courtesy, too.
fn goes_on(args: &Args, query: &Query, snapshot: &Snapshot) -> bool {
    let behind = query.clone().offset(args.left_out().saturating_add(args.k)).k(1);
    snapshot.search(&behind).is_ok_and(|found| !found.hits.is_empty())
}

/// What is near a search that found nothing.
fn near(args: &Args, query: &Query, artifact: &CompactArtifact, snapshot: &Snapshot) -> Result<Vec<String>> {
    let is_by_words = !args.meaning && args.vector_file.is_none() && args.like.is_none();
    let words = match args.text.join(" ") {
        _ if !is_by_words => String::new(),
        text if args.syntax => near::without_fields(&text, &artifact.fields()),
        text => text,
    };
    let (filter, min_score, offset) = (args.filter.as_deref(), args.min_score, args.left_out());
    near::hints(&Asked { query, words, filter, min_score, offset }, snapshot)
}

fn query(args: &Args, artifact: &CompactArtifact, snapshot: &Snapshot) -> Result<Query> {
    let (mut query, has_meaning) = text_query(args, artifact)?;
    if args.model.is_some() && !has_meaning {
        return Err(Failure::usage(
            "--model: nothing is searched by meaning; expected a text, and no --words, --syntax, --vector-file or --like without --meaning",
        ));
    }
    if args.vector_file.is_some() || args.like.is_some() {
        let space = space(args, artifact)?;
        if let Some(path) = &args.vector_file {
            query = query.and_vector(&space, vector::read_for(artifact, &space, path)?);
        }
        if let Some(name) = &args.like {
            let none =
                || Failure::not_there(format_args!("there is no record {name}")).at(args.at.path.display());
            query = query.and_similar_to(&space, find(snapshot, name)?.ok_or_else(none)?.id());
        }
    } else if args.space.is_some() {
        return Err(Failure::usage(
            "--space: is for vectors that are given; expected --vector-file or --like beside it",
        ));
    } else if let Some((option, _)) = [
        ("--exact", args.exact && !has_meaning),
        ("--ef", args.ef.is_some() && !has_meaning),
        ("--recall", args.recall.is_some() && !has_meaning),
    ]
    .into_iter()
    .find(|(_, given)| *given)
    {
        return Err(Failure::usage(format_args!(
            "{option}: is for vectors; expected --vector-file or --like beside it, or a search by meaning"
        )));
    } else if args.text.is_empty() && args.filter.is_none() && !lists_all(args) {
        return Err(Failure::usage(
            "there is nothing to search for; expected a text, --vector-file, --like or --filter; with --sort, --facet or --total all records are listed",
        ));
    }
    if let Some(filter) = &args.filter {
        query = query.filter(values::filter(filter)?);
    }
    if let Some(score) = args.min_score {
        query = query.min_score(score);
    }
    if let Some(ef) = args.ef {
        query = query.ef_search(ef);
    }
    if let Some(recall) = args.recall {
        query = query.recall(recall);
    }
    if let Some(deadline) = args.deadline {
        query = query.deadline(Duration::from_millis(deadline));
    }
    if let Some(candidates) = args.candidates {
        query = query.candidates(candidates);
    }
    let mut sorted = args.sort.iter().enumerate();
    if let Some((_, (field, _))) =
        sorted.find(|(at, (field, _))| args.sort[..*at].iter().any(|(before, _)| before == field))
    {
        return Err(Failure::usage(format_args!("--sort: {field:?} is named twice")));
    }
    query = args.sort.iter().fold(query, |query, (field, order)| query.order_by(field, *order));
    query = args.facet.iter().map(facets::Counted::facet).fold(query, Query::facet).total(args.total);
    if let Some((field, most)) = &args.group {
        query = query.group_by(field, *most);
    }
    Ok(query
        .k(args.k)
        .offset(args.left_out())
        .exact(args.exact)
        .explain(args.explain)
        .strict_fields(args.strict)
        .snippet(SNIPPET))
}

/// Whether all records are meant where nothing is looked for.
fn lists_all(args: &Args) -> bool {
    args.total || !args.sort.is_empty() || !args.facet.is_empty()
}

/// By words, by meaning, or by both, as far as the artifact has them; and whether by meaning.
fn text_query(args: &Args, artifact: &CompactArtifact) -> Result<(Query, bool)> {
    let text = args.text.join(" ");
    // Beside a vector that is given, a text is its words.
    let by_words = args.words || args.vector_file.is_some() || args.like.is_some();
    if args.text.is_empty() {
        return Ok((Query::new(), false));
    }
    if text.trim().is_empty() {
        return Err(Failure::usage(
            "there is nothing to search for: the text is blank; leave it out to list records",
        ));
    }
    if args.syntax {
        return Ok((Query::parse(&text)?, false));
    }
    if args.meaning {
        return Ok((Query::meaning(text), true));
    }
    if by_words || artifact.spaces().iter().all(|space| space.model().is_none()) {
        return Ok((Query::words(&text), false));
    }
    if artifact.is_model_at_hand() {
        return Ok((Query::text(&text), true));
    }
    warn(
        "searched by words only: the model that the texts are embedded by is not that of this program; --model names it, --words says so",
    );
    Ok((Query::words(&text), false))
}

/// The space that is named, or the only one with vectors that were given; or that of the texts.
fn space(args: &Args, artifact: &CompactArtifact) -> Result<String> {
    if let Some(space) = &args.space {
        return Ok(space.clone());
    }
    let spaces = artifact.spaces();
    let (made, given): (Vec<&Space>, Vec<&Space>) = spaces.iter().partition(|space| space.model().is_some());
    let candidates = if given.is_empty() { made } else { given };
    match &candidates[..] {
        [only] => Ok(only.name().to_owned()),
        [] => Err(Failure::usage("the artifact has no vectors").at(args.at.path.display())),
        several => {
            let names: Vec<&str> = several.iter().map(|space| space.name()).collect();
            Err(Failure::usage(format_args!("--space: expected one of {}", names.join(", "))))
        }
    }
}

/// Hits as a person reads them.
pub(crate) fn print(results: &SearchResults, took: Duration, output: &mut Output) -> Result<()> {
    let ranked: Vec<Ranked<'_>> = (1..).zip(&results.hits).map(|(rank, hit)| Ranked { rank, hit }).collect();
    write(results, &ranked, &[], took, output)
}

fn write(
    results: &SearchResults,
    ranked: &[Ranked<'_>],
    fields: &[String],
    took: Duration,
    output: &mut Output,
) -> Result<()> {
    for hit in ranked {
        write_hit(hit, fields, output)?;
    }
    for counts in &results.facets {
        facets::publish(counts, output)?;
    }
    if let Some(explain) = &results.explain {
        explain::write(explain, output)?;
    }
    let incomplete = if results.is_complete { "" } else { ", incomplete: not everything was looked at" };
    let hits = match results.total {
        Some(total) => {
            let at_least = if total.is_exact { "" } else { "at least " };
            format!("{} of {at_least}{}", count(results.hits.len() as u64), several(total.records, "hit"))
        }
        None => several(results.hits.len() as u64, "hit"),
    };
    let end = output.faint(format_args!("{hits} in {}{incomplete}", time(took)));
    output.line(format_args!("{end}"))
}

/// In two lines; with fields that are asked for, these in the place of all metadata.
fn write_hit(ranked: &Ranked<'_>, fields: &[String], output: &mut Output) -> Result<()> {
    let Ranked { rank, hit } = ranked;
    let (mut name, mut metadata) = (String::new(), String::new());
    let mut text = "(cannot be read)".to_owned();
    if let Some(entry) = &hit.record {
        name = shortened(&values::typed(&entry.key()?.unwrap_or_default()), 60);
        let mut found = entry.metadata()?;
        if let (false, Value::Object(asked)) = (fields.is_empty(), ranked.object(fields)?) {
            found = asked.into_iter().filter(|(_, value)| !value.is_null()).collect();
        }
        metadata = metadata_line(&found, 100);
        text = match &hit.snippet {
            Some(snippet) => {
                let field = snippet.field.as_ref().map(|field| output.faint(format_args!("{field}: ")));
                field.unwrap_or_default() + &matched(output, snippet)
            }
            None if entry.is_text() => shortened(&entry.text()?, SNIPPET),
            None => format!("({} that are not text)", crate::output::bytes(entry.len())),
        };
    }
    let (name, id) = (output.name(name), output.faint(format_args!("#{}", hit.id.0)));
    output.line(format_args!("{rank:>3}  {:.3}  {name} {id} {}", hit.score, output.faint(metadata)))?;
    output.line(format_args!("     {text}"))?;
    for place in &hit.places {
        let tail = if place.in_tail { ", in the tail" } else { "" };
        let line = format!("     {}: rank {}, score {:.4}{tail}", place.list, place.rank, place.score);
        output.line(format_args!("{}", output.faint(line)))?;
    }
    Ok(())
}
