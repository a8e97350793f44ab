//! Packs: found under a location, fetched, opened, and kept open.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use block_format::vfs::{Access, DiskVfs, Vfs};
use compact_artifact::{CompactArtifact, ErrorKind, Options, RangeSource, Snapshot};
use datafusion::common::{Result, plan_datafusion_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::about;
use crate::fetch::{Fetch, HASH_LEN, check_hash, hash_range, hex, tail};
use crate::left_out::{self, LeftOut};
use crate::location::Location;
use crate::manifest::{MANIFEST, Manifest, under};
use crate::on_a_thread;
use crate::ranged::{Counters, Ranged, Traffic};

/// How artifacts are opened, and those that are open. Shared by all tables and searches of a session.
///
/// An artifact or pack in the local file system is mapped where it lies. A pack in any other store is fetched as a whole: into memory, or with
/// [`cache_folder`](Self::cache_folder) into a file that is mapped. What was fetched is compared with its BLAKE3 hash, and with that of the manifest. With
/// [`read_ranges`](Self::read_ranges) it stays where it is.
pub struct Packs {
    options: Options,
    folder: Option<PathBuf>,
    max_bytes: u64,
    by_ranges: bool,
    counters: Arc<Counters>,
    leave_out: bool,
    left_out: left_out::List,
    /// Packs that are open, the one used last at the end.
    kept: Mutex<Vec<Kept>>,
    /// Packs that are fetched just now, each once.
    fetching: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// A pack that is open.
struct Kept {
    /// Where it is, and which version of it.
    identity: String,
    bytes: u64,
    hash: String,
    artifact: Arc<CompactArtifact>,
    /// What it is read from, if it is read by ranges.
    ranged: Option<Arc<Ranged>>,
}

impl Kept {
    /// Bytes of the pack that are here.
    fn bytes(&self) -> u64 {
        self.artifact.range_statistics().map_or(self.bytes, |ranges| ranges.kept_bytes)
    }
}

/// One artifact, as it was when it was found.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) location: Location,
    pub(crate) snapshot: Snapshot,
    /// Keeps it open.
    pub(crate) artifact: Arc<CompactArtifact>,
}

impl Source {
    fn new(location: Location, artifact: Arc<CompactArtifact>) -> Self {
        Self { location, snapshot: artifact.snapshot(), artifact }
    }

    /// How many records it has, whoever reads it and whenever; `None` where they expire: another process opens it later.
    pub(crate) fn lasting_records(&self) -> Option<u64> {
        self.artifact.expires_field().is_none().then(|| self.snapshot.len())
    }

    /// Its URL.
    pub(crate) fn name(&self) -> &str {
        &self.location.name
    }
}

/// The artifacts under one location, by name.
pub(crate) type Sources = HashMap<String, Source>;

/// How many packs of a location are opened side by side.
const SIDE_BY_SIDE: usize = 8;
/// Whose statistics are asked in less time than a thread takes to begin.
const FEW: usize = 16;
/// How many threads wait for stores.
const THREADS_THAT_WAIT: usize = 32;

impl Default for Packs {
    fn default() -> Self {
        Self::new(Options::new())
    }
}

impl fmt::Debug for Packs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packs")
            .field("folder", &self.folder)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl Packs {
    /// With the options that artifacts are opened by and written with: the embedder of [`Options::embedder`] above all, without which they are not searched by meaning.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            folder: None,
            max_bytes: 1 << 30,
            by_ranges: false,
            counters: Arc::default(),
            leave_out: false,
            left_out: left_out::List::default(),
            kept: Mutex::default(),
            fetching: Mutex::default(),
        }
    }

    /// Where fetched packs are kept, as files of their own that are removed again. Without it they are kept in memory.
    #[must_use]
    pub fn cache_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// How many bytes of packs are kept open from one query to the next; those used longest ago are let go. A larger pack is an error where it has to be fetched. Queries hold the packs
    /// that they read, whatever is let go. Default: 1 GiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Whether packs of stores are read by ranges where they are: opening reads their ends, and a query the blocks that it needs, which are verified by their checksums. Of each pack up to
    /// [`Options::range_cache_bytes`] stay in memory, and between queries [`cache_bytes`](Self::cache_bytes) of all together. For packs of which a query needs little, or that are
    /// too large to fetch; a scan of all records reads nearly all of them, in many requests. Those whose records [expire](Options::expires_at) are fetched in any case. Default: no.
    #[must_use]
    pub fn read_ranges(mut self, by_ranges: bool) -> Self {
        self.by_ranges = by_ranges;
        self
    }

    /// What was read of packs of stores since this was made.
    pub fn traffic(&self) -> Traffic {
        self.counters.read()
    }

    /// How many threads ask packs side by side: where they wait for stores, more than there are processors.
    pub(crate) fn threads(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if self.by_ranges { processors.max(THREADS_THAT_WAIT) } else { processors }
    }

    /// Of how many sources a thread asks the statistics of a query. Where no store is asked, those of a few take less than a thread.
    pub(crate) fn sources_of_thread(&self, sources: usize) -> usize {
        sources.div_ceil(self.threads()).max(if self.by_ranges { 1 } else { FEW })
    }

    /// Whether queries of a folder go on without packs that are missing, exchanged or damaged when they are opened. Their records are not in any result then, nor counted for scores;
    /// [`left_out`](Self::left_out), and in SQL `SELECT * FROM cart_left_out()`, says which and why. Whatever else goes wrong stays an error: refused credentials, a network that is
    /// down, no manifest, damage that a query meets later in a pack that was opened. Default: no.
    #[must_use]
    pub fn leave_out_unreadable(mut self, leave_out: bool) -> Self {
        self.leave_out = leave_out;
        self
    }

    /// Packs that the last query that wanted them went on without.
    pub fn left_out(&self) -> Vec<LeftOut> {
        self.left_out.all()
    }

    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }

    /// Opens all artifacts under a location: an artifact, a pack, or a folder of packs, which are those of its manifest if it has one.
    pub(crate) async fn open_all(
        self: &Arc<Self>,
        location: &str,
        runtime: &RuntimeEnv,
    ) -> Result<Vec<Source>> {
        let url = crate::location::url_of(location)?;
        let store = runtime.object_store(url.object_store())?;
        let local = local_path(url.object_store().as_str(), url.prefix());
        let is_folder = url.is_collection() || local.as_deref().is_some_and(Path::is_dir);
        if is_folder && let Some(found) = find(store.as_ref(), &url).await? {
            let (packs, is_local) = (self.clone(), local.is_some());
            let known = move |found: Location| match is_local.then(|| packs.known(&found)).flatten() {
                Some(known) => Ok(known),
                None => Err(found),
            };
            let found: Vec<std::result::Result<Source, Location>> =
                on_a_thread(move || found.into_iter().map(known).collect()).await?;
            let open = found.into_iter().map(async |found| match found {
                Ok(known) => Ok(Some(known)),
                Err(found) => self.open_or_leave_out(&store, found).await,
            });
            let opened: Vec<Option<Source>> =
                futures::stream::iter(open).buffered(SIDE_BY_SIDE).try_collect().await?;
            return Ok(opened.into_iter().flatten().collect());
        }
        if is_folder && local.is_none() {
            return Err(plan_datafusion_err!(
                "{location}: no packs here; expected files that end in .cart, or {MANIFEST}"
            ));
        }
        let found = located(url.as_str().to_owned(), &url.object_store(), url.prefix(), None);
        Ok(vec![self.open_in(&store, found).await?])
    }

    /// Opens what another process has found: a pack, which is the same wherever it is opened.
    pub(crate) async fn open_planned(&self, location: Location, runtime: &RuntimeEnv) -> Result<Source> {
        if location.hash.is_none() {
            return Err(plan_datafusion_err!(
                "{}: an artifact is read by the process that plans the query; expected a pack",
                location.name
            ));
        }
        let store = runtime.object_store(ObjectStoreUrl::parse(&location.store)?)?;
        self.open_in(&store, location).await
    }

    /// A pack of a folder; `None` if it is to be left out.
    async fn open_or_leave_out(
        &self,
        store: &Arc<dyn ObjectStore>,
        location: Location,
    ) -> Result<Option<Source>> {
        let name = location.name.clone();
        match self.open_in(store, location).await {
            Ok(source) => {
                self.left_out.was_read(&name);
                Ok(Some(source))
            }
            Err(e) if self.leave_out => self.left_out.take(&name, e).map(|()| None),
            Err(e) => Err(e),
        }
    }

    async fn open_in(&self, store: &Arc<dyn ObjectStore>, location: Location) -> Result<Source> {
        let path = ObjectPath::parse(&location.path)?;
        match local_path(&location.store, &path) {
            Some(path) if Path::is_dir(&path) => {
                let options = self.options();
                let artifact = on_a_thread(move || options.open_read_only(path)).await?;
                let artifact = artifact.map_err(|e| about(&location.name, e))?;
                Ok(Source::new(location, Arc::new(artifact)))
            }
            Some(local) => self.map(store.as_ref(), location, &path, local).await,
            None => self.fetch(store, location, &path).await,
        }
    }

    /// A pack in the local file system that is open from before; `None`: it is not, or anything else is to be said of it. It waits for the disk, and asks no store: a query of many packs
    /// would wait longer for threads than for the files.
    fn known(&self, found: &Location) -> Option<Source> {
        let path = local_path(&found.store, &ObjectPath::parse(&found.path).ok()?)?;
        let file = DiskVfs.open(&path, Access::Read).ok()?;
        let end = hash_range(&found.name, file.len().ok()?).ok()?;
        let mut tail = [0; HASH_LEN];
        let read = file.read_at(&mut tail, end.start).ok()?;
        let hash = hex(&tail[..read]);
        check_hash(&found.name, found.hash.as_deref(), &hash).ok()?;
        let (_, artifact) = self.take_kept(&identity(&found.name, &hash))?;
        self.left_out.was_read(&found.name);
        Some(Source::new(Location { hash: Some(hash), ..found.clone() }, artifact))
    }

    /// A pack in the local file system.
    async fn map(
        &self,
        store: &dyn ObjectStore,
        mut location: Location,
        path: &ObjectPath,
        local: PathBuf,
    ) -> Result<Source> {
        let name = location.name.clone();
        let (bytes, hash) = tail(store, path, &name).await?;
        check_hash(&name, location.hash.as_deref(), &hash)?;
        location.hash = Some(hash.clone());
        let identity = identity(&name, &hash);
        if let Some((_, artifact)) = self.take_kept(&identity) {
            return Ok(Source::new(location, artifact));
        }
        let options = self.options();
        let opened = on_a_thread(move || options.open_read_only(local)).await?;
        let artifact = Arc::new(opened.map_err(|e| crate::error::about(&name, e))?);
        self.keep(Kept { identity, bytes, hash, artifact: artifact.clone(), ranged: None });
        Ok(Source::new(location, artifact))
    }

    /// A pack of a store, kept from before, read by ranges or fetched.
    async fn fetch(
        &self,
        store: &Arc<dyn ObjectStore>,
        mut location: Location,
        path: &ObjectPath,
    ) -> Result<Source> {
        let name = location.name.clone();
        let about = |e| about(&name, e);
        // A pack with a known hash is the same forever, and found without asking the store.
        let identity = match &location.hash {
            Some(hash) => identity(&name, hash),
            None => {
                let meta = store.head(path).await.map_err(about)?;
                format!("{name} {} {:?} {:?}", meta.size, meta.e_tag, meta.last_modified)
            }
        };
        let turn = self.turn(&identity);
        let _turn = turn.lock().await;
        if let Some((hash, artifact)) = self.take_kept(&identity) {
            location.hash = Some(hash);
            return Ok(Source::new(location, artifact));
        }
        let opened = if self.by_ranges { self.open_by_ranges(store, &location, path).await? } else { None };
        let (bytes, hash, artifact, ranged) = match opened {
            Some((ranged, hash, artifact)) => (ranged.len(), hash, artifact, Some(ranged)),
            None => {
                let (bytes, hash, artifact) = self.open_fetched(store.as_ref(), &location, path).await?;
                (bytes, hash, artifact, None)
            }
        };
        let artifact = Arc::new(artifact);
        location.hash = Some(hash.clone());
        self.keep(Kept { identity, bytes, hash, artifact: artifact.clone(), ranged });
        Ok(Source::new(location, artifact))
    }

    /// A pack of a store, its hash, and what it is read from; `None`: it cannot be read by ranges.
    async fn open_by_ranges(
        &self,
        store: &Arc<dyn ObjectStore>,
        location: &Location,
        path: &ObjectPath,
    ) -> Result<Option<(Arc<Ranged>, String, CompactArtifact)>> {
        let about = |e: object_store::Error| about(&location.name, e);
        let ranged = Ranged::find(store.clone(), path, self.counters.clone()).await.map_err(about)?;
        let end = hash_range(&location.name, ranged.len())?;
        let hash = hex(&ranged.get(end).await.map_err(about)?);
        check_hash(&location.name, location.hash.as_deref(), &hash)?;
        let (options, ranged) = (self.options(), Arc::new(ranged));
        let source = ranged.clone();
        match on_a_thread(move || options.open_packed_ranges(source)).await? {
            Ok(artifact) => Ok(Some((ranged, hash, artifact))),
            Err(e) if e.kind() == ErrorKind::Unsupported => Ok(None),
            Err(e) => Err(crate::error::about(&location.name, e)),
        }
    }

    /// A pack of a store that is fetched as a whole: its length, its hash, and what it has.
    async fn open_fetched(
        &self,
        store: &dyn ObjectStore,
        location: &Location,
        path: &ObjectPath,
    ) -> Result<(u64, String, CompactArtifact)> {
        let name = &location.name;
        let about = |e| about(name, e);
        self.counters.requested();
        let answer = store.get(path).await.map_err(about)?;
        let bytes = answer.meta.size;
        if bytes > self.max_bytes {
            return Err(plan_datafusion_err!(
                "{name}: a pack of {bytes} bytes; expected at most {}, which is `cache_bytes`",
                self.max_bytes
            ));
        }
        let mut fetch = Fetch::new(self.folder.as_deref(), bytes)?;
        let mut stream = answer.into_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(about)?;
            self.counters.came(piece.len());
            fetch = on_a_thread(move || fetch.push(&piece).map(|()| fetch)).await??;
        }
        let (hash, fetched) = fetch.finish(name, location.hash.as_deref())?;
        let options = self.options();
        let opened = on_a_thread(move || fetched.open(options)).await?;
        Ok((bytes, hash, opened.map_err(|e| crate::error::about(name, e))?))
    }

    /// Held by whoever fetches a pack, while others that want it wait.
    fn turn(&self, identity: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        fetching.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = fetching.get(identity).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        fetching.insert(identity.to_owned(), Arc::downgrade(&turn));
        turn
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, pack: Kept) {
        if pack.bytes() > self.max_bytes {
            return;
        }
        let mut kept = self.kept();
        kept.retain(|kept| kept.identity != pack.identity);
        kept.push(pack);
        self.let_go(&mut kept);
    }

    /// Lets go of those that were used longest ago, until there is room.
    fn let_go(&self, kept: &mut Vec<Kept>) {
        while kept.iter().map(Kept::bytes).sum::<u64>() > self.max_bytes {
            kept.remove(0);
        }
    }

    fn take_kept(&self, identity: &str) -> Option<(String, Arc<CompactArtifact>)> {
        let mut kept = self.kept();
        let at = kept.iter().position(|kept| kept.identity == identity)?;
        let used = kept.remove(at);
        if used.ranged.as_ref().is_some_and(|ranged| ranged.is_exchanged()) {
            return None;
        }
        if let Some(ranged) = &used.ranged {
            ranged.is_used_here();
        }
        let found = (used.hash.clone(), used.artifact.clone());
        kept.push(used);
        self.let_go(&mut kept);
        Some(found)
    }
}

fn located(name: String, store: &ObjectStoreUrl, path: &ObjectPath, hash: Option<String>) -> Location {
    Location { name, store: store.as_str().to_owned(), path: path.as_ref().to_owned(), hash }
}

/// What tells a pack with a known hash from others.
fn identity(name: &str, hash: &str) -> String {
    format!("{name} {hash}")
}

/// The packs of a folder; `None`: there are none.
async fn find(store: &dyn ObjectStore, url: &ListingTableUrl) -> Result<Option<Vec<Location>>> {
    let root = url.object_store();
    let found = |path: ObjectPath, hash| located(format!("{}{path}", root.as_str()), &root, &path, hash);
    match Manifest::read(store, url.prefix()).await? {
        Some(manifest) => {
            let packs = manifest.packs.into_iter();
            Ok(Some(packs.map(|pack| found(under(url.prefix(), &pack.path), Some(pack.hash))).collect()))
        }
        None => {
            let listed = store.list_with_delimiter(Some(url.prefix())).await?;
            let mut paths: Vec<ObjectPath> = listed.objects.into_iter().map(|meta| meta.location).collect();
            paths.retain(|path| path.extension() == Some("cart"));
            paths.sort_unstable();
            Ok((!paths.is_empty()).then(|| paths.into_iter().map(|path| found(path, None)).collect()))
        }
    }
}

/// The file or folder that a path is, if its store is the local file system.
fn local_path(store: &str, path: &ObjectPath) -> Option<PathBuf> {
    store.starts_with("file:").then(|| Path::new("/").join(path.as_ref()))
}
