//! `CompactArtifact` for Python: the native part of the package `compact_artifact`, whose Python part is in `python/`.
//!
//! The package `compact-artifact` with its arguments and results as Python has them, and nothing else: every call lets go of the interpreter while it works.
//! `pyproject.toml` says how it is built, `test.sh` builds and tests it.

mod add_batch;
mod arrow_check;
mod arrow_in;
mod arrow_out;
mod artifact;
mod batch;
mod batch_writer;
#[cfg(feature = "bench")]
mod bench;
mod capsule;
mod columns;
mod embedder;
mod entry;
mod errors;
mod file;
mod gate;
mod instruments;
mod json;
mod maintain;
mod number;
mod options;
mod quantizer;
mod query;
mod read;
mod records;
mod results;
mod settings;
mod snapshot;
mod text;
mod vectors;
mod write;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<artifact::Artifact>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<batch_writer::BatchWriter>()?;
    module.add_class::<entry::Entry>()?;
    module.add_class::<entry::Entries>()?;
    module.add_class::<results::SearchResults>()?;
    module.add_class::<results::Hit>()?;
    module.add_class::<results::Hits>()?;
    module.add_class::<snapshot::Snapshot>()?;
    module.add_class::<quantizer::Int8Quantizer>()?;
    module.add_class::<instruments::LatencyAnalyzer>()?;
    module.add_class::<instruments::MemoryAnalyzer>()?;
    module.add_function(wrap_pyfunction!(maintain::salvage, module)?)?;
    module.add_function(wrap_pyfunction!(maintain::unpack, module)?)?;
    module.add_function(wrap_pyfunction!(maintain::verify, module)?)?;
    module.add_function(wrap_pyfunction!(instruments::benchmark, module)?)?;
    #[cfg(feature = "bench")]
    bench::add_to(module)?;
    Ok(())
}
