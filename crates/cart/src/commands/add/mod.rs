//! `cart add`: files become records.

mod args;
mod counted;
mod files;
mod mode;
mod op;
mod rest;
mod sink;
mod space;
mod sync;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::failure::{Failure, Result};
use crate::input::npy::Npy;
use crate::input::sources::{Format, Found, Skipped, Source, sources};
use crate::output::{Output, Progress, bytes, count, one_line, rate, several, shortened, time};
pub(crate) use args::Args;
use files::{Files, jsonl_lines};
use mode::Mode;
use sink::{Report, Sink};
use sync::{Counts, Sync};

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let found = sources(&args.files, &args.taken_as())?;
    crate::interrupt::tell_what_is_kept()?;
    add_and_tell(args, found, Mode::Add, output)
}

/// Adds all of an export to an artifact that is not there yet, with its settings, or leaves nothing behind.
pub(crate) fn restore(args: &Args, output: &mut Output) -> Result<()> {
    let found = sources(&args.files, &args.taken_as())?;
    let settings = found.sources.first().map(files::settings).transpose()?.flatten();
    if args.model.is_some() && settings.as_ref().is_some_and(|settings| !settings.embeds_texts()) {
        return Err(Failure::usage("--model: the texts of this export are not embedded; leave it out"));
    }
    crate::interrupt::whole_or_nothing(&args.artifact, || {
        add_and_tell(args, found, Mode::Restore(settings.map(Box::new)), output)
    })
}

fn add_and_tell(args: &Args, mut found: Found, mode: Mode, output: &mut Output) -> Result<()> {
    let begun = Instant::now();
    let bar = Progress::bytes(found.sources.iter().map(|source| source.len).sum(), "reading");
    let has_settings = mode.is_restore().then(|| mode.settings().is_some());
    let mut sink = Sink::new(args, mode)?;
    let added = add(args, &mut found, &mut sink, &bar);
    let counts = match added {
        Ok(counts) => counts,
        Err(failure) => return Err(sink.give_up(failure)),
    };
    drop(bar);
    let report = {
        let bar = Progress::percent("indexing");
        sink.finish(&bar)
    };
    if let Some(warning) = &report.warning {
        crate::output::warn(warning);
    }
    let elapsed = begun.elapsed();
    output
        .report(|output| tell(args, &report, counts.as_ref(), &found.skipped, has_settings, elapsed, output));
    Ok(())
}

/// Takes all files, and makes the last commit.
fn add(args: &Args, found: &mut Found, sink: &mut Sink<'_>, bar: &Progress) -> Result<Option<Counts>> {
    let mut sync = if args.sync { Some(Sync::begin(args, found, sink)?) } else { None };
    check(args, found, sink)?;
    let files = Files { args, shape: args.shape(), bar };
    for source in &found.sources {
        if let Some(sync) = &mut sync
            && !sync.is_due(source, sink)?
        {
            bar.advance(source.len);
            continue;
        }
        let before = sink.taken();
        let skipped = files.add(source, sink)?;
        if let Some(sync) = &mut sync {
            let records = skipped.is_none().then(|| sink.taken() - before);
            sync.was_read(source, records, sink);
        }
        found.skipped.extend(skipped.map(|reason| Skipped { file: source.name.clone(), reason }));
    }
    let counts = sync.map(|sync| sync.end(sink)).transpose()?;
    bar.now("writing");
    sink.end()?;
    Ok(counts)
}

/// Says what was done; of a restore also whether the file has settings.
fn tell(
    args: &Args,
    report: &Report,
    counts: Option<&Counts>,
    skipped: &[Skipped],
    has_settings: Option<bool>,
    elapsed: Duration,
    output: &mut Output,
) -> Result<()> {
    let path = args.artifact.display().to_string();
    if output.is_json() {
        let mut reported = json!({
            "artifact": path,
            "created": report.created,
            "records": report.records,
            "bytes": report.bytes,
            "commits": report.commits,
            "files": counts,
            "skipped": skipped,
            "warning": report.warning,
            "seconds": elapsed.as_secs_f64(),
        });
        if let Some(has_settings) = has_settings {
            reported["has_settings"] = has_settings.into();
        }
        return output.json(&reported);
    }
    output.line(format_args!(
        "added {} ({}) to {} in {}, {} a second",
        several(report.records, "record"),
        bytes(report.bytes),
        one_line(&path),
        time(elapsed),
        count(rate(report.records, elapsed))
    ))?;
    if let Some(Counts { added, replaced, removed, unchanged }) = counts {
        let (added, replaced) = (several(*added, "file"), count(*replaced));
        let (removed, unchanged) = (count(*removed), count(*unchanged));
        output.line(format_args!(
            "{added} new, {replaced} replaced, {removed} removed, {unchanged} as before"
        ))?;
    }
    if has_settings == Some(false) {
        output.line(format_args!("the file has no settings: the artifact is set up as by `cart add`"))?;
    }
    let Some(first) = skipped.first() else { return Ok(()) };
    let others = match skipped.len() {
        1 => String::new(),
        n => format!(", and {}, which --json names", several(n as u64 - 1, "other")),
    };
    output.line(format_args!(
        "skipped {}: {} ({}){others}",
        several(skipped.len() as u64, "file"),
        shortened(&first.file, 80),
        first.reason
    ))
}

/// Refuses what would only be noticed on the way, or would have no effect.
fn check(args: &Args, found: &Found, sink: &Sink<'_>) -> Result<()> {
    let sources = &found.sources[..];
    let for_folders =
        [("--glob", !args.glob.is_empty()), ("--ext", !args.ext.is_empty()), ("--no-ignore", args.no_ignore)];
    if let Some((option, _)) = for_folders.iter().find(|(_, is_given)| *is_given && found.folders.is_empty())
    {
        return Err(Failure::usage(format_args!("{option}: is for folders, and none is named")));
    }
    let mut fields = args.field.iter().enumerate();
    if let Some((_, (name, _))) =
        fields.find(|(at, (name, _))| args.field[..*at].iter().any(|(before, _)| before == name))
    {
        return Err(Failure::usage(format_args!("--field: {name:?} is named twice")));
    }
    let has = |is: fn(Format) -> bool| sources.iter().any(|source| is(source.format));
    if args.split.is_some() && !args.sync && !has(|format| matches!(format, Format::Text | Format::Html)) {
        return Err(Failure::usage("--split: there is no text to split"));
    }
    let has_rows =
        has(|format| matches!(format, Format::Jsonl | Format::JsonlZst | Format::Table(_) | Format::Columns));
    let named = [("--key-field", &args.key_field), ("--text-field", &args.text_field)];
    if let Some((option, _)) = named.iter().find(|(_, name)| name.is_some() && !has_rows) {
        return Err(Failure::usage(format_args!("{option}: no file is JSONL or a table")));
    }
    #[cfg(feature = "arrow")]
    if !args.vector_field.is_empty() && !has(|format| format == Format::Columns) {
        return Err(Failure::usage("--vector-field: no file is Parquet or Arrow"));
    }
    let Some(path) = &args.vectors else { return Ok(()) };
    let [source] = sources else {
        return Err(Failure::usage(format_args!(
            "--vectors: expected one JSONL file, found {} files",
            sources.len()
        )));
    };
    if source.is_stdin() || !matches!(source.format, Format::Jsonl | Format::JsonlZst) {
        return Err(Failure::usage(format_args!(
            "--vectors: expected a JSONL file, found {}",
            source.path.display()
        )));
    }
    check_vectors(path, source, args.space.as_deref().unwrap_or_default(), sink)
}

/// Every vector, and that there is one for each line.
fn check_vectors(path: &Path, source: &Source, space: &str, sink: &Sink<'_>) -> Result<()> {
    let _bar = Progress::spinner("checking vectors");
    let mut vectors = Npy::open(path)?;
    let mut row = 0;
    while let Some(vector) = vectors.next_row().map_err(|e| Failure::failed(e).at(path.display()))? {
        let finite = crate::input::vector::check_finite(&vector).map_err(Failure::failed);
        let sound = finite.and_then(|()| sink.check_vector(space, &vector));
        sound.map_err(|e| e.at(format_args!("{}: row {row}", path.display())))?;
        row += 1;
    }
    let mut lines = jsonl_lines(source, None)?;
    let mut records = 0;
    while lines.next_line()?.is_some() {
        records += 1;
    }
    if row == records {
        return Ok(());
    }
    let message = format!(
        "{} of vectors for {} in {}; expected one for each",
        several(row, "row"),
        several(records, "record"),
        source.path.display()
    );
    Err(Failure::failed(message).at(path.display()))
}
