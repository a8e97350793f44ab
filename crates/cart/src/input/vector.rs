//! One vector, to search with.

use std::ffi::OsStr;
use std::path::Path;

use compact_artifact::{CompactArtifact, MetadataError, Space, json};

use super::npy::Npy;
use super::{cannot_read, open};
use crate::failure::{Failure, Result};
use crate::output::several;

/// The vector in a file: the first row of a `.npy` file, or a JSON array of numbers.
fn read(path: &Path) -> Result<Vec<f32>> {
    let fault = |message: String| Failure::usage(message).at(path.display());
    let vector = match path.extension().and_then(OsStr::to_str) {
        Some("npy") => {
            let row = Npy::open(path)?.next_row().map_err(fault)?;
            row.ok_or_else(|| fault("an array without rows".to_owned()))?
        }
        Some("json") => {
            let text = std::io::read_to_string(open(path)?).map_err(|e| cannot_read(path, &e))?;
            let wrong =
                |e: MetadataError| fault(format!("expected an array of numbers such as [0.1, 0.2]: {e}"));
            json::read(text.as_bytes()).map_err(wrong)?
        }
        _ => return Err(fault("expected a vector in a file named *.npy or *.json".to_owned())),
    };
    check_finite(&vector).map_err(fault)?;
    Ok(vector)
}

/// The vector in a file, which has the dimension of the space if there is one of that name.
pub(crate) fn read_for(artifact: &CompactArtifact, space: &str, path: &Path) -> Result<Vec<f32>> {
    let vector = read(path)?;
    match artifact.spaces().iter().find(|there| there.name() == space).map(Space::dimension) {
        Some(dimension) if dimension != vector.len() => {
            Err(Failure::usage(wrong_dimension(vector.len(), space, dimension)).at(path.display()))
        }
        _ => Ok(vector),
    }
}

/// What to say of a vector of `found` numbers in a space that has others.
pub(crate) fn wrong_dimension(found: usize, space: &str, dimension: usize) -> String {
    let (numbers, dimensions) = (several(found as u64, "number"), several(dimension as u64, "dimension"));
    format!("a vector of {numbers}; the space {space:?} has {dimensions}")
}

pub(crate) fn check_finite(vector: &[f32]) -> Result<(), String> {
    match vector.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("number {at} is not finite")),
        None => Ok(()),
    }
}
