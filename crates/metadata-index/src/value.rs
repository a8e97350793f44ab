//! The values that a filter compares fields with, and their types.

use std::fmt;
use std::ops::{BitAnd, BitOr};
use std::str::FromStr;

use crate::date::Date;
use crate::error::{Error, ErrorKind, Result};

/// What a field is compared with: a bool, a number, a string or a date.
///
/// All but dates are made with `into`, so that most code never names this type; a date is made by [`datetime`](Self::datetime).
///
/// ```
/// use metadata_index::{Filter, FilterValue};
///
/// # fn main() -> metadata_index::Result<()> {
/// let recent = Filter::field("at").gte(FilterValue::datetime("2026-04-12T08:30:00+02:00")?);
/// let mixed = Filter::field("topic").is_in([FilterValue::from(3), "politics".into()]);
/// # let _ = (recent, mixed);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FilterValue(pub(crate) Scalar);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i128),
    Float(f64),
    String(String),
    DateTime(Date),
}

/// A type of values that are comparable with each other.
///
/// Prints and reads as `bool`, `number`, `string` or `date`:
///
/// ```
/// use metadata_index::Type;
///
/// assert_eq!("number".parse::<Type>()?, Type::Number);
/// assert_eq!(Type::Number.to_string(), "number");
/// # Ok::<(), metadata_index::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// `true` or `false`; for equality only.
    Bool,
    /// An integer or a floating-point number; both are compared exactly with each other.
    Number,
    /// A string that is not a date.
    String,
    /// A string that is a date, compared as a point in time.
    Date,
}

impl Type {
    pub(crate) const ALL: [Self; 4] = [Self::Bool, Self::Number, Self::String, Self::Date];

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Date => "date",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Type {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
            let message = format!("{name:?} is not a type of values; expected bool, number, string or date");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

/// A set of types: those of all values of a field.
///
/// Prints as `number or string`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Types(u8);

impl Types {
    /// Whether there is no type in the set: no record has the field, or only with objects, arrays or `null`.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Number of types in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether a type is in the set.
    pub fn contains(self, ty: Type) -> bool {
        !(self & ty.into()).is_empty()
    }
}

impl From<Type> for Types {
    fn from(ty: Type) -> Self {
        Self(1 << ty as u8)
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
        let names = Type::ALL.into_iter().filter(|ty| self.contains(*ty)).map(Type::name);
        f.write_str(&names.collect::<Vec<_>>().join(" or "))
    }
}

impl FilterValue {
    /// A point in time, from an RFC 3339 timestamp, `2026-01-31T12:00:00+01:00`, or a day, `2026-01-31`, which is its midnight in UTC.
    ///
    /// Years go from 0000 to 9999, and seconds have as many digits as fit into 256 bytes. A leap second lies between its neighbours.
    ///
    /// Any other text is an error of kind [`InvalidFilter`](ErrorKind::InvalidFilter).
    pub fn datetime(date: &str) -> Result<Self> {
        Date::parse(date).map(|date| Self(Scalar::DateTime(date))).ok_or_else(|| {
            Error::invalid_filter(format_args!(
                "{date:?} is not a date; expected one like 2026-01-31 or 2026-01-31T12:00:00Z"
            ))
        })
    }

    pub(crate) fn type_of(&self) -> Type {
        match self.0 {
            Scalar::Bool(_) => Type::Bool,
            Scalar::Int(_) | Scalar::Float(_) => Type::Number,
            Scalar::String(_) => Type::String,
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

    /// The value of JSON; `None` for arrays, objects, `null` and numbers that have no 64-bit form.
    pub(crate) fn from_json(json: &serde_json::Value) -> Option<Self> {
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
}

impl fmt::Display for FilterValue {
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
        impl From<$from> for FilterValue {
            fn from(value: $from) -> Self {
                Self(Scalar::$scalar(value.into()))
            }
        }
    )*};
}

from!(bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int, u64 => Int, f32 => Float, f64 => Float, &str => String, String => String);
