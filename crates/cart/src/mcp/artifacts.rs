//! The artifacts that are served: opened when they are needed, read beside other processes, written by turns with them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use compact_artifact::{CompactArtifact, Embedder, Error, ErrorKind, Options, Snapshot};

use super::limits::{KEPT_OPEN, SLICE};
use crate::commands::tell_recovery;
use crate::failure::{Failure, Result};
use crate::{model, stderr};

/// What a client may do, and how it is done.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// Add records, and create artifacts that are not there.
    pub(crate) write: bool,
    pub(crate) delete: bool,
    /// How long a call waits for other processes that write.
    pub(crate) wait: Duration,
    /// The field by which records of a new artifact expire.
    pub(crate) expires_field: String,
    /// The model of texts, where it is not that of this program.
    pub(crate) model: Option<Arc<dyn Embedder>>,
}

/// All artifacts of a server, each with a name of its own.
#[derive(Debug)]
pub(crate) struct Artifacts {
    all: Vec<Served>,
    access: Access,
}

/// An artifact with the name by which clients call it.
#[derive(Debug)]
pub(super) struct Served {
    name: String,
    path: PathBuf,
    reader: Mutex<Option<CompactArtifact>>,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    artifact: CompactArtifact,
    /// It was created for a call that has not written yet, and is let go of by nothing else: nobody writes to what a failure removes.
    is_new: bool,
    used: Instant,
}

impl Artifacts {
    /// Those that are there are opened, so that what cannot be served is said at once.
    pub(crate) fn open(named: Vec<(String, PathBuf)>, access: Access) -> Result<Self> {
        let served = |(name, path)| Served { name, path, reader: Mutex::default(), writer: Mutex::default() };
        let artifacts = Self { all: named.into_iter().map(served).collect(), access };
        for served in &artifacts.all {
            match served.open_to_read(&artifacts.access) {
                Ok(artifact) => *lock(&served.reader) = Some(artifact),
                Err(e) if e.kind() == ErrorKind::NotFound && artifacts.access.write => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(artifacts)
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    pub(super) fn all(&self) -> &[Served] {
        &self.all
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.all.iter().map(|served| served.name.as_str()).collect()
    }

    /// The artifact with that name.
    pub(super) fn named(&self, name: &str) -> Option<&Served> {
        self.all.iter().find(|served| served.name == name)
    }

    /// The newest commit, by whomever it was made.
    pub(super) fn read(&self, served: &Served) -> Result<(CompactArtifact, Snapshot)> {
        let mut reader = lock(&served.reader);
        // One that cannot follow any more, because another artifact is there now, is opened anew.
        let kept = reader.take().filter(|artifact| artifact.refresh().is_ok());
        let artifact = match kept.map_or_else(|| served.open_to_read(&self.access), Ok) {
            Ok(artifact) => artifact,
            Err(e) if e.kind() == ErrorKind::NotFound && self.access.write => {
                let message = format!("the artifact {:?} is empty: nothing was added yet", served.name);
                return Err(Failure::not_there(message));
            }
            Err(e) => return Err(e.into()),
        };
        *reader = Some(artifact.clone());
        let snapshot = artifact.snapshot();
        Ok((artifact, snapshot))
    }

    /// Writes when it is the turn of this process; `pause` is called again and again until then, with how long it has been, and an error of it ends that. The
    /// artifact is created if it is not there: the second value says whether it was.
    pub(super) fn write<T>(
        &self,
        served: &Served,
        pause: &dyn Fn(Duration) -> Result<()>,
        call: impl Fn(&CompactArtifact) -> Result<T>,
    ) -> Result<(T, bool)> {
        if served.path.is_file() {
            return Err(Failure::failed("a packed artifact, which cannot be written to").at(&served.name));
        }
        let begun = Instant::now();
        loop {
            match served.attempt(&self.access, &call) {
                Err(e) if e.kind() == Some(ErrorKind::Locked) && begun.elapsed() < self.access.wait => {
                    pause(begun.elapsed())?;
                }
                Err(e) if e.kind() == Some(ErrorKind::Locked) => {
                    let waited = format!("waited {} s", self.access.wait.as_secs());
                    return Err(e.at(&served.name).and(waited));
                }
                result => return result,
            }
        }
    }

    /// Lets other programs write that do not wait for it.
    pub(super) fn close_idle(&self) {
        for served in &self.all {
            let mut writer = lock(&served.writer);
            if writer.as_ref().is_some_and(|writer| writer.used.elapsed() >= KEPT_OPEN)
                && let Some(writer) = writer.take()
            {
                writer.close(&served.path);
            }
        }
    }

    pub(super) fn close(&self) {
        for served in &self.all {
            if let Some(writer) = lock(&served.writer).take() {
                writer.close(&served.path);
            }
        }
    }
}

impl Served {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a file, which is only read.
    pub(super) fn is_packed(&self) -> bool {
        self.path.is_file()
    }

    fn open_to_read(&self, access: &Access) -> Result<CompactArtifact, Error> {
        let artifact = options(access).open_read_only(&self.path)?;
        tell_recovery(&self.path, artifact.recovery());
        Ok(artifact)
    }

    fn attempt<T>(
        &self,
        access: &Access,
        call: &impl Fn(&CompactArtifact) -> Result<T>,
    ) -> Result<(T, bool)> {
        let mut kept = lock(&self.writer);
        let mut writer = kept.take().map_or_else(|| self.open_to_write(access), Ok)?;
        match call(&writer.artifact) {
            Ok(done) if writer.is_new => {
                writer.close(&self.path); // from now on by turns with others
                Ok((done, true))
            }
            Ok(done) => {
                writer.used = Instant::now();
                *kept = Some(writer);
                Ok((done, false))
            }
            Err(e) if writer.is_new => {
                if let Err(e) = writer.artifact.destroy() {
                    stderr::warn(
                        Failure::from(e).at("an empty artifact stays").at(self.path.display()).message(),
                    );
                }
                Err(e)
            }
            Err(e) => {
                // What cannot write any more is opened anew by the next call.
                if !matches!(e.kind(), Some(ErrorKind::Locked | ErrorKind::Poisoned)) {
                    writer.close(&self.path);
                }
                Err(e)
            }
        }
    }

    fn open_to_write(&self, access: &Access) -> Result<Writer, Error> {
        let options = options(access).busy_timeout(SLICE);
        let to_open = options.clone().idle_release(Duration::ZERO);
        let used = Instant::now();
        let opened = |artifact: CompactArtifact| {
            tell_recovery(&self.path, artifact.recovery());
            Writer { artifact, is_new: false, used }
        };
        match to_open.clone().open(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            result => return result.map(opened),
        }
        match self.created(options, access) {
            // Another process was faster.
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::Locked) => {
                match to_open.open(&self.path) {
                    Err(opened) if opened.kind() == ErrorKind::NotFound => Err(e),
                    result => result.map(opened),
                }
            }
            Err(e) => Err(e),
            Ok(artifact) => Ok(Writer { artifact, is_new: true, used }),
        }
    }

    fn created(&self, options: Options, access: &Access) -> Result<CompactArtifact, Error> {
        let options = match &access.model {
            Some(_) => options,
            None => options.embedder(model::built_in()?),
        };
        options.expires_at(&access.expires_field).create(&self.path)
    }
}

impl Writer {
    /// Closing takes back nothing of what was committed.
    fn close(self, path: &Path) {
        if let Err(e) = self.artifact.close() {
            stderr::warn(Failure::from(e).at("closing the artifact").at(path.display()).message());
        }
    }
}

fn options(access: &Access) -> Options {
    match &access.model {
        Some(model) => CompactArtifact::options().embedder(model.clone()),
        None => CompactArtifact::options(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
