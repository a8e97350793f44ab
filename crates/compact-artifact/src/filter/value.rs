//! Values of metadata, and their bytes: in the order of the values.

use std::fmt;
use std::ops::{BitAnd, BitOr};

use jiff::Timestamp;

use super::invalid;
use crate::error::Result;

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Value(pub(crate) Scalar);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i128),
    Float(f64),
    String(String),
    DateTime(Timestamp),
}

/// A type that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Bool = 1,
    Number = 2,
    String = 3,
    DateTime = 4,
}

impl Type {
    pub(crate) const ALL: [Self; 4] = [Self::Bool, Self::Number, Self::String, Self::DateTime];
}

/// A set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl From<Type> for Types {
    fn from(of: Type) -> Self {
        Self(1 << of as u8)
    }
}

impl BitOr for Types {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Types {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Type::Bool, "bool"),
            (Type::Number, "number"),
            (Type::String, "string"),
            (Type::DateTime, "moment"),
        ];
        let of = names.iter().filter(|(of, _)| !(*self & Self::from(*of)).is_empty()).map(|(_, name)| *name);
        f.write_str(&of.collect::<Vec<_>>().join(" or "))
    }
}

impl Value {
    /// A moment, from an RFC 3339 timestamp with an offset: `2026-01-31T12:00:00Z`.
    pub fn datetime(timestamp: &str) -> Result<Self> {
        moment(timestamp).map(|moment| Self(Scalar::DateTime(moment))).ok_or_else(|| {
            invalid(format!("{timestamp:?} is not a moment; expected one like 2026-01-31T12:00:00Z"))
        })
    }

    pub(crate) fn kind(&self) -> Type {
        match self.0 {
            Scalar::Bool(_) => Type::Bool,
            Scalar::Int(_) | Scalar::Float(_) => Type::Number,
            Scalar::String(_) => Type::String,
            Scalar::DateTime(_) => Type::DateTime,
        }
    }

    pub(crate) fn is_nan(&self) -> bool {
        matches!(self.0, Scalar::Float(value) if value.is_nan())
    }

    /// The value of JSON that is no array, no object, and not null.
    pub(crate) fn of_json(json: &serde_json::Value) -> Option<Self> {
        Some(Self(match json {
            serde_json::Value::Bool(value) => Scalar::Bool(*value),
            serde_json::Value::String(value) => Scalar::String(value.clone()),
            serde_json::Value::Number(value) => match (value.as_i64(), value.as_u64()) {
                (Some(value), _) => Scalar::Int(value.into()),
                (_, Some(value)) => Scalar::Int(value.into()),
                _ => Scalar::Float(value.as_f64()?),
            },
            _ => return None,
        }))
    }

    /// Bytes that are in the order of the values of one type, and the same for equal ones.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match &self.0 {
            Scalar::Bool(value) => vec![u8::from(*value)],
            Scalar::Int(value) => number(nearest(*value), *value),
            Scalar::Float(value) => number(*value, exact(*value)),
            Scalar::String(value) => string(value),
            Scalar::DateTime(value) => big_endian(value.as_nanosecond()).to_vec(),
        }
    }
}

/// Strings are compared by so many bytes in ranges and prefixes; equal are only those that are equal as a whole.
pub(crate) const MAX_COMPARED: usize = 1_000;

fn string(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    if bytes.len() > MAX_COMPARED {
        bytes.truncate(MAX_COMPARED);
        bytes.extend(xxhash_rust::xxh3::xxh3_128(value.as_bytes()).to_le_bytes());
    }
    bytes
}

#[expect(clippy::cast_precision_loss, reason = "what is lost is kept beside it")]
fn nearest(value: i128) -> f64 {
    value as f64
}

/// The integer that a float is, if it is one of a size that integers of JSON have; otherwise 0 has to do.
#[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
fn exact(value: f64) -> i128 {
    if value.abs() < 1e30 && value.fract() == 0.0 { value as i128 } else { 0 }
}

/// The nearest float in the order of numbers, then by how much an integer differs from it.
fn number(nearest: f64, value: i128) -> Vec<u8> {
    // Both zeros are one.
    let nearest = if nearest == 0.0 { 0.0 } else { nearest };
    let bits = nearest.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    // Integers have up to 64 bits and floats 53: the difference is below 2^11.
    let differs = i16::try_from(value - exact(nearest)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(10);
    bytes.extend(ordered.to_le_bytes().iter().rev());
    bytes.extend((differs.cast_unsigned() ^ 1 << 15).to_le_bytes().iter().rev());
    bytes
}

fn big_endian(value: i128) -> [u8; 16] {
    let mut bytes = (value.cast_unsigned() ^ 1 << 127).to_le_bytes();
    bytes.reverse();
    bytes
}

/// The moment that a string is.
pub(crate) fn moment(string: &str) -> Option<Timestamp> {
    // A year, a date, a time and an offset: nothing shorter is tried.
    let digits = string.as_bytes().get(..4).is_some_and(|year| year.iter().all(u8::is_ascii_digit));
    (digits && (20..=35).contains(&string.len())).then(|| string.parse().ok()).flatten()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Scalar::Bool(value) => value.fmt(f),
            Scalar::Int(value) => value.fmt(f),
            Scalar::Float(value) => value.fmt(f),
            Scalar::String(value) => write!(f, "{value:?}"),
            Scalar::DateTime(value) => value.fmt(f),
        }
    }
}

macro_rules! from {
    ($($from:ty => $scalar:ident),*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self(Scalar::$scalar(value.into()))
            }
        }
    )*};
}

from!(bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int, u64 => Int, f32 => Float, f64 => Float, &str => String, String => String);
