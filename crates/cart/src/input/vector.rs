//! One vector, to search with.

use std::ffi::OsStr;
use std::path::Path;

use compact_artifact::{MetadataError, json};

use super::npy::Npy;
use super::{cannot_read, open};
use crate::failure::{Failure, Result};

/// The vector in a file: the first row of a `.npy` file, or a JSON array of numbers.
pub(crate) fn read(path: &Path) -> Result<Vec<f32>> {
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

pub(crate) fn check_finite(vector: &[f32]) -> Result<(), String> {
    match vector.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("number {at} is not finite")),
        None => Ok(()),
    }
}
