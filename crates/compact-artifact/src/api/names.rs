//! Enums ↔ their names, as settings and command lines have them.

/// Gives an enum `Display` and `FromStr` by a table of names.
macro_rules! names {
    ($type:ty, $what:literal, $($variant:ident => $name:literal),+ $(,)?) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $name,)+
                })
            }
        }

        /// From the name that it prints as.
        impl std::str::FromStr for $type {
            type Err = crate::api::error::Error;

            fn from_str(name: &str) -> std::result::Result<Self, Self::Err> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => {
                        let names = [$($name),+].join(", ");
                        let message = format!(concat!($what, ": expected one of {}, found {:?}"), names, name);
                        Err(crate::api::error::Error::invalid(message))
                    }
                }
            }
        }
    };
}
pub(crate) use names;

#[cfg(test)]
mod tests {
    use crate::{ErrorKind, Maintenance, Originals, Quantization};

    fn there_and_back<
        T: std::fmt::Display + std::str::FromStr<Err = crate::Error> + PartialEq + std::fmt::Debug,
    >(
        all: &[T],
    ) {
        for one in all {
            assert_eq!(one.to_string().parse::<T>().unwrap(), *one);
        }
        let e = "Nothing".parse::<T>().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        for one in all {
            assert!(e.to_string().contains(&one.to_string()), "{e}");
        }
    }

    #[test]
    fn enums_are_what_their_names_say() {
        there_and_back(&[Maintenance::Inline, Maintenance::Background, Maintenance::Manual]);
        there_and_back(&[Originals::None, Originals::Residual, Originals::F16, Originals::F32]);
        there_and_back(&[Quantization::Int8, Quantization::RotatedInt8]);
    }
}
