//! Buckets of S3, and of what speaks its language.

use std::sync::Arc;

use datafusion::common::{Result, plan_datafusion_err};
use datafusion::prelude::SessionContext;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

/// Makes a bucket known to a session: locations `s3://BUCKET/…`. Credentials, region and endpoint are those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
/// `AWS_REGION`, `AWS_ENDPOINT`, …), unless `options` has others by the names of [`AmazonS3ConfigKey`]: `endpoint`, `allow_http`.
///
/// Two writers to one folder need a bucket that compares versions (`If-Match`), as S3 does.
pub fn register_s3(context: &SessionContext, bucket: &str, options: &[(&str, &str)]) -> Result<()> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    for (name, value) in options {
        let key: AmazonS3ConfigKey = name.parse()?;
        builder = builder.with_config(key, *value);
    }
    let url = format!("s3://{bucket}");
    let url = url.parse().map_err(|e| plan_datafusion_err!("{bucket:?} is no name of a bucket: {e}"))?;
    context.register_object_store(&url, Arc::new(builder.build()?));
    Ok(())
}
