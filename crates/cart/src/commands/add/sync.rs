//! `cart add --sync`: what of a folder is new, has changed, or vanished since it was added.
//!
//! What was found is kept in a record of its own, beside the records that it speaks of and in the same commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use compact_artifact::json::{self, Object};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::args::{Args, Split};
use super::rest::{Kept, paragraph_key};
use super::sink::Sink;
use crate::failure::{Failure, Result};
use crate::input::sources::{Format, Found, Skipped, Source};
use crate::input::{Content, Document, cannot_read};

/// A file that changed so shortly ago may change again without a trace in its time and size.
const SETTLED: Duration = Duration::from_secs(2);
/// What of a text is a record, where it is each paragraph.
const PARAGRAPH: &str = "paragraph";

/// Files by what became of them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) added: u64,
    pub(super) replaced: u64,
    pub(super) removed: u64,
    pub(super) unchanged: u64,
}

/// What is known of a folder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Folder {
    /// What of a text was a record when the folder was last added: of a file, unless it says otherwise.
    split: String,
    files: BTreeMap<String, Object<FileState>>,
}

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileState {
    /// Nanoseconds since 1970; 0: to be compared by its hash.
    modified: u64,
    bytes: u64,
    hash: String,
    /// What of its text is a record; stored only if it is another part than that of the folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    split: String,
    /// How many records it was; not known of files that were read before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
}

/// Folders that are brought up to date.
pub(super) struct Sync {
    split: &'static str,
    folders: BTreeMap<String, Folder>,
    /// Those whose record is to be written.
    changed: BTreeSet<String>,
    /// The file that is being read.
    reading: Option<FileState>,
    counts: Counts,
}

impl Sync {
    /// Reads what is known of the folders. Files whose records are not told by the name of the file are left out.
    pub(super) fn begin(args: &Args, found: &mut Found, sink: &Sink<'_>) -> Result<Self> {
        if let Some(source) = found.sources.iter().find(|source| source.folder.is_none()) {
            let message = format!("--sync: expected folders, found {}", source.path.display());
            return Err(Failure::usage(message));
        }
        let (rows, sources) = std::mem::take(&mut found.sources).into_iter().partition(|source| {
            matches!(source.format, Format::Jsonl | Format::JsonlZst | Format::Table(_) | Format::Columns)
        });
        found.sources = sources;
        let rows: Vec<Source> = rows;
        found.skipped.extend(rows.into_iter().map(|source| Skipped {
            file: source.name,
            reason: "its records have keys of their own, which --sync does not follow",
        }));
        let split = match args.split {
            _ if args.blob => "blob",
            Some(Split::Whole) => "whole",
            None | Some(Split::Paragraph) => PARAGRAPH,
        };
        let mut folders = BTreeMap::new();
        for name in &found.folders {
            folders.insert(name.clone(), known(name, sink)?);
        }
        Ok(Self { split, folders, changed: BTreeSet::new(), reading: None, counts: Counts::default() })
    }

    /// Whether a file has to be read. What is new or has changed has, and what records were deleted of.
    pub(super) fn is_due(&mut self, source: &Source, sink: &Sink<'_>) -> Result<bool> {
        let (name, split) = (source.folder.clone().unwrap_or_default(), self.split);
        let folder = self.folders.entry(name.clone()).or_default();
        let metadata = fs::metadata(&source.path).map_err(|e| cannot_read(&source.path, &e))?;
        let modified = metadata.modified().map_or(0, settled);
        let before =
            folder.files.get(&source.name).map(|Object(file)| file).filter(|file| file.split == split);
        let is_kept = before.map_or(Ok(false), |file| is_kept(&source.name, file, sink))?;
        if let Some(before) = before.filter(|_| is_kept)
            && modified != 0
            && (before.modified, before.bytes) == (modified, metadata.len())
        {
            self.counts.unchanged += 1;
            return Ok(false);
        }
        let hash = hash(&source.path)?;
        let records = before.and_then(|before| before.records);
        let now = FileState { modified, bytes: metadata.len(), hash, split: split.to_owned(), records };
        if is_kept && before.is_some_and(|before| before.hash == now.hash) {
            self.counts.unchanged += 1;
            if before != Some(&now) {
                folder.files.insert(source.name.clone(), Object(now));
                self.changed.insert(name);
            }
            return Ok(false);
        }
        self.reading = Some(now);
        Ok(true)
    }

    /// The file was read, and became so many records unless it was skipped; that is written with the rest.
    pub(super) fn was_read(&mut self, source: &Source, records: Option<u64>, sink: &mut Sink<'_>) {
        let is_added = records.is_some();
        let name = source.folder.clone().unwrap_or_default();
        let folder = self.folders.entry(name.clone()).or_default();
        let now = self.reading.take().filter(|_| is_added).map(|now| FileState { records, ..now });
        let before = match now {
            Some(now) => folder.files.insert(source.name.clone(), Object(now)),
            None => folder.files.remove(&source.name),
        };
        match (is_added, before.is_some()) {
            (true, true) => self.counts.replaced += 1,
            (true, false) => self.counts.added += 1,
            (false, true) => {
                // It is no text any more.
                sink.drop_rest(&source.name, Kept::Nothing);
                self.counts.removed += 1;
            }
            (false, false) => return,
        }
        self.changed.insert(name);
    }

    /// Drops the records of files that are gone, and writes down what is known now.
    pub(super) fn end(mut self, sink: &mut Sink<'_>) -> Result<Counts> {
        for (name, folder) in &mut self.folders {
            let mut gone = Vec::new();
            for file in folder.files.keys() {
                if is_gone(Path::new(file), Path::new(name))? {
                    gone.push(file.clone());
                }
            }
            for file in gone {
                folder.files.remove(&file);
                sink.drop_rest(&file, Kept::Nothing);
                self.counts.removed += 1;
                self.changed.insert(name.clone());
            }
        }
        for (name, mut folder) in self.folders {
            if self.changed.contains(&name) {
                self.split.clone_into(&mut folder.split);
                for Object(file) in folder.files.values_mut().filter(|Object(file)| file.split == self.split)
                {
                    file.split.clear();
                }
                let content = Content::Blob(serde_json::to_vec(&folder)?);
                let metadata = json!({ "synced": name }).as_object().cloned().unwrap_or_default();
                let (key, vectors, fields) = (Some(key(&name)), Vec::new(), Vec::new());
                let document = Document { key, content, metadata, vectors, fields };
                sink.remember(document).map_err(|e| e.at(&name))?;
            }
        }
        Ok(self.counts)
    }
}

/// Whether the records of a file are all there, as far as it is known how many they are.
fn is_kept(name: &str, file: &FileState, sink: &Sink<'_>) -> Result<bool> {
    let Some(records) = file.records else { return Ok(true) };
    if file.split != PARAGRAPH {
        return sink.has_key(name);
    }
    for number in 1..=records {
        if !sink.has_key(&paragraph_key(name, number))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The key of the record that says what is known of a folder.
fn key(folder: &str) -> String {
    format!("cart-sync:{folder}")
}

fn known(folder: &str, sink: &Sink<'_>) -> Result<Folder> {
    let Some(bytes) = sink.content(&key(folder))? else { return Ok(Folder::default()) };
    let folder = json::read::<Object<Folder>>(&bytes).map_err(|e| {
        let message =
            format!("the record {:?}, in which --sync keeps what it knows, cannot be read: {e}", key(folder));
        Failure::failed(message).and("delete it, and every file is read anew")
    });
    let Object(mut folder) = folder?;
    for Object(file) in folder.files.values_mut().filter(|Object(file)| file.split.is_empty()) {
        folder.split.clone_into(&mut file.split);
    }
    Ok(folder)
}

/// The time of a file, or 0 where it may still change within the same time.
fn settled(modified: SystemTime) -> u64 {
    let is_settled = modified.elapsed().is_ok_and(|age| age > SETTLED);
    let nanos = modified.duration_since(UNIX_EPOCH).ok().and_then(|age| u64::try_from(age.as_nanos()).ok());
    nanos.filter(|_| is_settled).unwrap_or(0)
}

fn hash(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let fault = |e: std::io::Error| cannot_read(path, &e);
    std::io::copy(&mut fs::File::open(path).map_err(fault)?, &mut hasher).map_err(fault)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Whether there is no such file in the folder any more, but nothing, a folder, or a link to one of these. One that is left out by options, or is no text, is still there.
fn is_gone(path: &Path, folder: &Path) -> Result<bool> {
    // Links to folders are not followed.
    if path.ancestors().skip(1).take_while(|&above| above != folder).any(Path::is_symlink) {
        return Ok(true);
    }
    match fs::metadata(path) {
        Ok(metadata) => Ok(!metadata.is_file()),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(true),
        Err(e) => Err(cannot_read(path, &e)),
    }
}
