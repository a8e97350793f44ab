//! The list of packs that belong together.

use std::fmt::Write;

use datafusion::common::{Result, plan_datafusion_err};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};
use serde_json::{Value, json};

use crate::error::about;
use crate::external;

/// The name of the file in a folder of packs.
pub(crate) const MANIFEST: &str = "packs.json";

/// The packs of a folder. It is put when all of them are there, and is the only way to those below it, so that a writer that fails leaves nothing to be read.
///
/// ```json
/// {"version": 1, "packs": [{"path": "data/4f…a1.cart", "hash": "4f…a1", "records": 1000, "bytes": 123456}]}
/// ```
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) packs: Vec<PackEntry>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PackEntry {
    /// Below the folder.
    pub(crate) path: String,
    /// The BLAKE3 hash that the pack ends with.
    pub(crate) hash: String,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Manifest {
    /// That of a folder, if it has one.
    pub(crate) async fn read(store: &dyn ObjectStore, prefix: &Path) -> Result<Option<Self>> {
        Ok(Self::read_version(store, prefix).await?.map(|(manifest, _)| manifest))
    }

    /// That of a folder, and by what the store knows this version of it.
    pub(crate) async fn read_version(
        store: &dyn ObjectStore,
        prefix: &Path,
    ) -> Result<Option<(Self, UpdateVersion)>> {
        let path = under(prefix, MANIFEST);
        let (bytes, version) = match store.get(&path).await {
            Ok(found) => {
                let version =
                    UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
                (found.bytes().await.map_err(|e| about(path.as_ref(), e))?, version)
            }
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(about(path.as_ref(), e)),
        };
        let value = compact_artifact::json::from_slice(&bytes).map_err(|e| about(path.as_ref(), e))?;
        Self::from_json(&value)
            .map(|manifest| Some((manifest, version)))
            .ok_or_else(|| plan_datafusion_err!("{path}: not a manifest of packs of version 1; nothing is read from or written to this folder while it is there"))
    }

    /// Takes the place of the version that was read, or of none; `false`: another writer was there in between. A store that cannot compare versions, as local files
    /// cannot, is written to by one writer at a time: see [`lock`](crate::write::lock).
    pub(crate) async fn replace(
        &self,
        store: &dyn ObjectStore,
        prefix: &Path,
        before: Option<UpdateVersion>,
    ) -> Result<bool> {
        use object_store::Error::{AlreadyExists, NotImplemented, Precondition};
        let (path, payload) = (under(prefix, MANIFEST), self.payload()?);
        let mode = before.map_or(PutMode::Create, PutMode::Update);
        match store.put_opts(&path, payload.clone(), mode.into()).await {
            Ok(_) => Ok(true),
            Err(AlreadyExists { .. } | Precondition { .. }) => Ok(false),
            Err(NotImplemented { .. }) => {
                store.put(&path, payload).await.map_err(|e| about(path.as_ref(), e))?;
                Ok(true)
            }
            Err(e) => Err(about(path.as_ref(), e)),
        }
    }

    fn payload(&self) -> Result<PutPayload> {
        let packs: Vec<Value> = self
            .packs
            .iter()
            .map(|pack| json!({"path": pack.path, "hash": pack.hash, "records": pack.records, "bytes": pack.bytes}))
            .collect();
        let mut text = String::new();
        writeln!(text, "{:#}", json!({"version": 1, "packs": packs})).map_err(external)?;
        Ok(PutPayload::from(text))
    }

    fn from_json(value: &Value) -> Option<Self> {
        (value.get("version")? == 1).then_some(())?;
        let pack = |pack: &Value| {
            let text = |name: &str| Some(pack.get(name)?.as_str()?.to_owned());
            let number = |name: &str| pack.get(name)?.as_u64();
            let path = text("path")?;
            let is_below = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
            let entry =
                PackEntry { path, hash: text("hash")?, records: number("records")?, bytes: number("bytes")? };
            is_below.then_some(entry)
        };
        let packs = value.get("packs")?.as_array()?.iter().map(pack).collect::<Option<Vec<_>>>()?;
        Some(Self { packs })
    }
}

/// A path in a folder.
pub(crate) fn under(prefix: &Path, relative: &str) -> Path {
    relative.split('/').fold(prefix.clone(), Path::join)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_no_path_leads_out_of_the_folder() {
        let store = object_store::memory::InMemory::new();
        let prefix = Path::from("a/b");
        assert_eq!(Manifest::read(&store, &prefix).await.unwrap(), None);
        let pack = |path: &str| PackEntry { path: path.into(), hash: "00".into(), records: 1, bytes: 2 };
        for (path, is_good) in
            [("data/x.cart", true), ("../x.cart", false), ("/x.cart", false), ("a//b", false)]
        {
            let manifest = Manifest { packs: vec![pack(path)] };
            let before = store.head(&under(&prefix, MANIFEST)).await.ok();
            let before = before.map(|meta| UpdateVersion { e_tag: meta.e_tag, version: meta.version });
            assert!(manifest.replace(&store, &prefix, before.clone()).await.unwrap());
            assert!(!manifest.replace(&store, &prefix, before).await.unwrap(), "another writer was there");
            let read = Manifest::read(&store, &prefix).await;
            assert_eq!(read.ok().flatten() == Some(manifest), is_good, "{path}");
        }
    }

    #[tokio::test]
    async fn a_manifest_in_which_a_name_stands_twice_is_refused() {
        let (store, prefix) = (object_store::memory::InMemory::new(), Path::from("a"));
        let text = r#"{"version": 1, "packs": [], "packs": []}"#;
        store.put(&under(&prefix, MANIFEST), PutPayload::from(text)).await.unwrap();
        let error = Manifest::read(&store, &prefix).await.unwrap_err().to_string();
        assert!(error.contains("\"packs\" stands twice"), "{error}");
    }
}
