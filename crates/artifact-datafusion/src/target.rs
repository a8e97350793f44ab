//! Where a `COPY` puts packs.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;

use datafusion::common::{Result, plan_datafusion_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::path::Path;
use serde_json::{Value, json};

/// A folder, and one writing of it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: ObjectStoreUrl,
    pub(crate) prefix: Path,
    /// Where that is in the local file system.
    pub(crate) folder: Option<PathBuf>,
    /// A number that no other writer has.
    writer: u64,
}

impl Target {
    pub(crate) fn new(url: &ListingTableUrl) -> Result<Self> {
        crate::location::literal(url)?;
        if !url.is_collection() {
            return Err(plan_datafusion_err!(
                "{url}: packs are written to a folder; expected a location that ends with a slash"
            ));
        }
        let folder = (url.scheme() == "file").then(|| url.get_url().to_file_path().ok()).flatten();
        let writer = RandomState::new().build_hasher().finish();
        Ok(Self { url: url.object_store(), prefix: url.prefix().clone(), folder, writer })
    }

    /// What the names of all packs of this writer have in them, and those of no other.
    pub(crate) fn mark(&self) -> String {
        format!("{:016x}", self.writer)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!([self.url.as_str(), self.prefix.as_ref(), self.folder, self.writer])
    }

    pub(crate) fn from_json(value: &Value) -> Result<Self> {
        let expected = || plan_datafusion_err!("{value}: expected where packs are put");
        let text = |at: usize| value.get(at).and_then(Value::as_str);
        Ok(Self {
            url: ObjectStoreUrl::parse(text(0).ok_or_else(expected)?)?,
            prefix: Path::parse(text(1).ok_or_else(expected)?)?,
            folder: text(2).map(PathBuf::from),
            writer: value.get(3).and_then(Value::as_u64).ok_or_else(expected)?,
        })
    }
}
