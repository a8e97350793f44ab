//! The tensors of `model.safetensors`: names, types, shapes and places, all checked before a value is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use wire::Object;

use super::layout::{f16s, f32s, f64s, i32s, i64s, split};
use crate::error::{Error, ErrorKind, Result};

/// Types of values. Those that no model of ours has are known by their size only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    #[serde(rename = "BOOL")]
    Bool,
}

impl Dtype {
    /// Bytes of a value.
    fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// What the header says about a tensor.
#[derive(Debug, Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// The header: an entry for each name, and metadata that nobody here needs.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that describes each tensor")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        let Object(entry) = map.next_value()?;
                        entries.push((name, entry));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// A tensor: its values lie within the file.
#[derive(Debug, Clone)]
pub(super) struct Tensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

/// The tensors of a file, by name.
#[derive(Debug)]
pub(super) struct Tensors<'a>(BTreeMap<String, Tensor<'a>>);

impl<'a> Tensors<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let (header, data) = split(bytes)?;
        let Entries(mut entries) =
            serde_json::from_slice(header).map_err(|error| Error::invalid(format!("the header: {error}")))?;
        entries.sort_by_key(|(_, entry)| entry.data_offsets);
        let mut tensors = BTreeMap::new();
        let mut end = 0;
        for (name, entry) in entries {
            let bytes = place(&name, &entry, data, end)?;
            end = entry.data_offsets[1];
            let tensor = Tensor { dtype: entry.dtype, shape: entry.shape, bytes };
            if tensors.insert(name.clone(), tensor).is_some() {
                return Err(Error::invalid(format!("two tensors have the name {name:?}")));
            }
        }
        if end != data.len() {
            let message = format!("the tensors have {end} bytes, and {} follow the header", data.len());
            return Err(Error::invalid(message));
        }
        Ok(Self(tensors))
    }

    pub(super) fn get(&self, name: &str) -> Option<Tensor<'a>> {
        self.0.get(name).cloned()
    }

    pub(super) fn require(&self, name: &str) -> Result<Tensor<'a>> {
        self.get(name).ok_or_else(|| Error::new(ErrorKind::Incomplete, format!("there is no tensor {name}")))
    }
}

/// The values of a tensor, which begin where those of the tensor before end.
fn place<'a>(name: &str, entry: &Entry, data: &'a [u8], begin: usize) -> Result<&'a [u8]> {
    let [start, end] = entry.data_offsets;
    if start != begin {
        let message = format!("{name:?} begins at {start}, the tensor before ends at {begin}");
        return Err(Error::invalid(message));
    }
    let Some(bytes) = data.get(start..end) else {
        let message = format!("{name:?} lies from {start} to {end}, but there are {} bytes", data.len());
        return Err(Error::new(ErrorKind::Truncated, message));
    };
    let size = entry.shape.iter().try_fold(entry.dtype.size(), |size, &len| size.checked_mul(len));
    if size != Some(bytes.len()) {
        let message = format!(
            "{name:?} has {} bytes, which {:?} of {:?} do not have",
            bytes.len(),
            entry.shape,
            entry.dtype
        );
        return Err(Error::invalid(message));
    }
    Ok(bytes)
}

impl<'a> Tensor<'a> {
    pub(super) fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The values, of one of some types, as 32-bit floating point numbers.
    pub(super) fn floats(&self, name: &str, types: &[Dtype]) -> Result<Box<dyn Iterator<Item = f32> + 'a>> {
        match self.dtype {
            dtype if !types.contains(&dtype) => Err(self.wrong_type(name, types)),
            Dtype::F32 => Ok(Box::new(f32s(self.bytes))),
            Dtype::F16 => Ok(Box::new(f16s(self.bytes))),
            Dtype::F64 => Ok(Box::new(f64s(self.bytes))),
            _ => Err(self.wrong_type(name, types)),
        }
    }

    /// The values as integers.
    pub(super) fn integers(&self, name: &str) -> Result<Box<dyn Iterator<Item = i64> + 'a>> {
        match self.dtype {
            Dtype::I32 => Ok(Box::new(i32s(self.bytes))),
            Dtype::I64 => Ok(Box::new(i64s(self.bytes))),
            _ => Err(self.wrong_type(name, &[Dtype::I32, Dtype::I64])),
        }
    }

    fn wrong_type(&self, name: &str, types: &[Dtype]) -> Error {
        Error::unsupported(format!(
            "{name} has values of the type {:?}; this library reads {types:?}",
            self.dtype
        ))
    }
}
