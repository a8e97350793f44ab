//! Values of metadata, and their bytes: in the order of the values.

use std::fmt;
use std::ops::{BitAnd, BitOr};

use super::date::{self, Date};
use super::invalid;
use crate::api::error::Result;

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Value(pub(crate) Scalar);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i128),
    Float(f64),
    String(String),
    DateTime(Date),
}

/// A type that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Bool = 1,
    Number = 2,
    /// A string that is no date.
    Text = 3,
    Date = 4,
}

impl Type {
    pub(crate) const ALL: [Self; 4] = [Self::Bool, Self::Number, Self::Text, Self::Date];
}

/// A set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has(self, of: Type) -> bool {
        !(self & of.into()).is_empty()
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
        let names =
            [(Type::Bool, "bool"), (Type::Number, "number"), (Type::Text, "string"), (Type::Date, "date")];
        let of = names.iter().filter(|(of, _)| self.has(*of)).map(|(_, name)| *name);
        f.write_str(&of.collect::<Vec<_>>().join(" or "))
    }
}

impl Value {
    /// A point in time, from an RFC 3339 timestamp, `2026-01-31T12:00:00+01:00`, or a day, `2026-01-31`, which is its midnight in UTC.
    ///
    /// Years go from 0000 to 9999, and seconds have as many digits as fit into 256 bytes. A leap second lies between its neighbours.
    pub fn datetime(date: &str) -> Result<Self> {
        Date::parse(date).map(|date| Self(Scalar::DateTime(date))).ok_or_else(|| {
            invalid(format!("{date:?} is not a date; expected one like 2026-01-31 or 2026-01-31T12:00:00Z"))
        })
    }

    pub(crate) fn kind(&self) -> Type {
        match self.0 {
            Scalar::Bool(_) => Type::Bool,
            Scalar::Int(_) | Scalar::Float(_) => Type::Number,
            Scalar::String(_) => Type::Text,
            Scalar::DateTime(_) => Type::Date,
        }
    }

    pub(crate) fn is_finite(&self) -> bool {
        !matches!(self.0, Scalar::Float(value) if !value.is_finite())
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Scalar::String(string) => Some(string),
            _ => None,
        }
    }

    /// The value of JSON that is no array, no object, and not null.
    pub(crate) fn of_json(json: &serde_json::Value) -> Option<Self> {
        Some(Self(match json {
            serde_json::Value::Bool(value) => Scalar::Bool(*value),
            serde_json::Value::String(value) => Scalar::String(value.clone()),
            serde_json::Value::Number(value) => match (value.as_i64(), value.as_u64()) {
                (Some(value), _) => Scalar::Int(value.into()),
                (_, Some(value)) => Scalar::Int(value.into()),
                // With serde_json's feature `arbitrary_precision`, integers may be longer.
                _ => Scalar::Float(value.as_f64().filter(|_| value.is_f64())?),
            },
            _ => return None,
        }))
    }

    /// Bytes that are in the order of the values of one type, and the same for equal ones only. Of long strings, the first bytes are.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match &self.0 {
            Scalar::Bool(value) => vec![u8::from(*value)],
            Scalar::Int(value) => number(nearest(*value), *value),
            Scalar::Float(value) => number(*value, exact(*value)),
            Scalar::String(value) => string(value),
            Scalar::DateTime(value) => value.point().to_vec(),
        }
    }
}

/// So many bytes of a string are in the index. A longer one is there with these, and a hash of the whole that tells whether strings are equal;
/// where the order of two strings is decided behind these bytes, the strings themselves are read.
pub(crate) const INDEXED_LEN: usize = 256;
// Dates are indexed as a whole.
const _: () = assert!(date::MAX_LEN <= INDEXED_LEN);

fn string(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    if bytes.len() > INDEXED_LEN {
        bytes.truncate(INDEXED_LEN);
        bytes.extend(blake3::hash(value.as_bytes()).as_bytes());
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
