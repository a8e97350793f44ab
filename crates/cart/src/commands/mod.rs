//! A file for each command: its arguments, and what it does.

pub(crate) mod add;
pub(crate) mod bench;
pub(crate) mod compact;
pub(crate) mod completions;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod embed;
mod explain;
pub(crate) mod export;
mod facets;
mod formats;
pub(crate) mod get;
pub(crate) mod man;
pub(crate) mod mcp;
mod near;
pub(crate) mod pack;
pub(crate) mod reembed;
pub(crate) mod reindex;
pub(crate) mod restore;
pub(crate) mod salvage;
pub(crate) mod schema;
pub(crate) mod search;
pub(crate) mod shell;
pub(crate) mod similar;
pub(crate) mod stats;
pub(crate) mod verify;

use std::path::{Path, PathBuf};

use compact_artifact::{CompactArtifact, Entry, Options, RecoveryReport, Snapshot};

use crate::failure::{Failure, Result};
use crate::input::values::{self, Name};
use crate::output::{self, Progress};

/// The artifact that a command works on.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct At {
    /// The artifact: a folder, or a packed file
    #[arg(value_name = "ARTIFACT")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    limit: Limit,
}

/// The artifact that a command writes to.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Folder {
    /// The artifact, a folder
    #[arg(value_name = "ARTIFACT")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    limit: Limit,
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct Limit {
    /// Memory that opening may take for what is not indexed on disk, at least 8MiB: commands that write index it in pieces, others
    /// fail if it takes more
    #[arg(long, value_name = "BYTES", value_parser = values::size)]
    memory_limit: Option<u64>,
}

impl Limit {
    /// What an artifact is opened with.
    fn options(self) -> Result<Options> {
        limited(CompactArtifact::options(), self.memory_limit)
    }
}

impl At {
    /// What the artifact is opened with.
    pub(crate) fn options(&self) -> Result<Options> {
        self.limit.options()
    }

    /// For reading, beside a writer or not.
    pub(crate) fn read(&self) -> Result<CompactArtifact> {
        self.read_with(None)
    }

    /// For reading, with a model for the texts of queries; without, that of this program serves where it fits.
    pub(crate) fn read_with(&self, model: Option<&Path>) -> Result<CompactArtifact> {
        let mut options = self.options()?;
        if let Some(path) = model {
            options = options.embedder(crate::model::open(path)?);
        }
        let artifact = options.open_read_only(&self.path)?;
        tell_recovery(&self.path, artifact.recovery());
        Ok(artifact)
    }

    /// For writing.
    pub(crate) fn write(&self) -> Result<CompactArtifact> {
        refuse_file(&self.path)?;
        let artifact = self.options()?.open(&self.path)?;
        tell_recovery(&self.path, artifact.recovery());
        Ok(artifact)
    }
}

impl Folder {
    /// For reading, beside a writer or not.
    pub(crate) fn read(&self) -> Result<CompactArtifact> {
        At::from(self.clone()).read()
    }

    /// For writing.
    pub(crate) fn write(&self) -> Result<CompactArtifact> {
        At::from(self.clone()).write()
    }
}

impl From<Folder> for At {
    fn from(Folder { path, limit }: Folder) -> Self {
        Self { path, limit }
    }
}

/// Says of a file that it cannot be written to as an artifact, and why.
fn refuse_file(path: &Path) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    Err(match CompactArtifact::open_read_only(path) {
        Ok(_) => Failure::failed(
            "a packed artifact cannot be written to; `cart restore` makes a folder of it that can",
        ),
        Err(_) => {
            Failure::failed("this is a file, and no packed artifact; expected the folder of an artifact")
        }
    }
    .at(path.display()))
}

/// Options with the limit of `--memory-limit`.
fn limited(options: Options, limit: Option<u64>) -> Result<Options> {
    let Some(limit) = limit else { return Ok(options) };
    let limit = usize::try_from(limit)
        .map_err(|_| Failure::usage("--memory-limit: more than this machine can address"))?;
    Ok(options.memory_limit(limit))
}

/// Tells of damage that opening met: the rest goes on.
pub(crate) fn tell_recovery(path: &Path, report: &RecoveryReport) {
    for damage in &report.damage {
        output::warn(&format!("{}: {damage} (`cart verify` looks everywhere)", path.display()));
    }
}

/// Closes an artifact behind its last commit: that this fails takes back nothing of it, and is told as a warning.
pub(crate) fn close(artifact: CompactArtifact, but: &str) -> Option<String> {
    let bar = Progress::percent("closing");
    let closed = artifact.close_with(|percent| bar.reach(percent));
    let failure = Failure::from(closed.err()?).at("closing the artifact").and(but);
    output::warn(failure.message());
    Some(failure.message().to_owned())
}

/// The record of that name, if there is one.
pub(crate) fn find(snapshot: &Snapshot, name: &Name) -> Result<Option<Entry>> {
    Ok(match name {
        Name::Key(key) => snapshot.get_by_key(key)?,
        Name::Id(id) => snapshot.get(*id)?,
    })
}
