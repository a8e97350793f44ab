//! What depends on the language: stems and stop words.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::Version;
use crate::error::{Error, ErrorKind, Result};

macro_rules! languages {
    ($($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)?) => {
        /// A language, for stems and stop words. Printed and read back by its English name in lower case: `english`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Language {
            $($(#[$doc])* $name = $code),+
        }

        impl Language {
            /// All languages, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            fn name(self) -> String {
                match self {
                    $(Self::$name => stringify!($name).to_ascii_lowercase()),+
                }
            }

            /// Its number in the identity of an analyzer, which is never 0.
            pub(crate) fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code),+
                }
            }

            pub(crate) fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }

            #[cfg(feature = "stemmers")]
            fn algorithm(self) -> rust_stemmers::Algorithm {
                match self {
                    $(Self::$name => rust_stemmers::Algorithm::$name),+
                }
            }
        }
    };
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

/// From the name that it prints as; any other is an error of kind [`Unsupported`](ErrorKind::Unsupported) that lists them.
impl FromStr for Language {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let named = Self::ALL.iter().copied().find(|language| language.name() == name);
        named.ok_or_else(|| {
            let names: Vec<String> = Self::ALL.iter().map(|language| language.name()).collect();
            let message = format!("expected one of {}, found {name:?}", names.join(", "));
            Error::new(ErrorKind::Unsupported, message)
        })
    }
}

languages! {
    /// Arabic.
    Arabic = 1,
    /// Danish.
    Danish = 2,
    /// Dutch.
    Dutch = 3,
    /// English.
    English = 4,
    /// Finnish.
    Finnish = 5,
    /// French.
    French = 6,
    /// German.
    German = 7,
    /// Greek.
    Greek = 8,
    /// Hungarian.
    Hungarian = 9,
    /// Italian.
    Italian = 10,
    /// Norwegian.
    Norwegian = 11,
    /// Portuguese.
    Portuguese = 12,
    /// Romanian.
    Romanian = 13,
    /// Russian.
    Russian = 14,
    /// Spanish.
    Spanish = 15,
    /// Swedish.
    Swedish = 16,
    /// Tamil.
    Tamil = 17,
    /// Turkish.
    Turkish = 18,
}

/// What is written together with the word behind it, before an apostrophe: articles, pronouns, prepositions.
struct Elisions {
    all: &'static [&'static str],
    /// How many of them, from the first on, version 2 of the rules has.
    of_version_2: usize,
}

const FRENCH_ELISIONS: Elisions = Elisions {
    all: &[
        "c", "d", "j", "l", "m", "n", "s", "t", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu", "presqu",
        "entr", "grand",
    ],
    of_version_2: 13,
};
const ITALIAN_ELISIONS: Elisions = Elisions {
    all: &[
        "c", "d", "l", "m", "s", "t", "v", "un", "gl", "agl", "all", "coll", "dagl", "dall", "degl", "dell",
        "negl", "nell", "quell", "quest", "sugl", "sull", "n", "ch", "pell", "sant", "bell", "begl", "buon",
        "tutt", "nient", "anch", "neanch", "nessun", "ciascun", "alcun", "quand", "quant", "dov", "com",
        "cos", "senz", "mezz", "altr", "tant", "vent", "trent", "grand", "pover", "quegl", "dev", "sott",
    ],
    of_version_2: 22,
};
const PORTUGUESE_ELISIONS: Elisions = Elisions { all: &["d", "n", "pel"], of_version_2: 0 };
/// French, Italian, Catalan and Portuguese, for texts of which no language is known. Those of more than two letters that are words elsewhere are
/// not among them.
const COMMON_ELISIONS: Elisions = Elisions {
    all: &[
        "c", "d", "j", "l", "m", "n", "s", "t", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu", "gl", "un",
        "agl", "dall", "degl", "dell", "negl", "nell", "quest", "quell", "sugl", "sull", "presqu", "entr",
        "sant", "bell", "tutt", "nient", "anch", "neanch", "nessun", "ciascun", "quand", "senz", "mezz",
        "pell", "quegl", "begl",
    ],
    of_version_2: 25,
};

/// What of the apostrophes in texts of a language belongs to the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apostrophe {
    /// All.
    Keep,
    /// All but `'s` at the end: `dog's` is `dog`.
    DropS,
    /// Nothing from the apostrophe on: `Ankara'da` is `Ankara`.
    DropSuffix,
}

impl Apostrophe {
    /// A word without what does not belong to it.
    pub(super) fn without_suffix(self, word: &str) -> &str {
        let end = match self {
            Self::Keep => None,
            Self::DropS => word.strip_suffix("'s").map(str::len),
            Self::DropSuffix => word.find('\''),
        };
        &word[..end.filter(|&end| end > 0).unwrap_or(word.len())]
    }
}

/// Those of the language of the stems; `common`: where that has none, those of all languages.
pub(super) fn elisions(
    language: Option<Language>,
    common: bool,
    version: Version,
) -> &'static [&'static str] {
    let elisions = match language {
        None => COMMON_ELISIONS,
        Some(Language::French) => FRENCH_ELISIONS,
        Some(Language::Italian) => ITALIAN_ELISIONS,
        Some(_) if common => COMMON_ELISIONS,
        Some(Language::Portuguese) => PORTUGUESE_ELISIONS,
        Some(_) => return &[],
    };
    match version {
        Version::Second => elisions.all.get(..elisions.of_version_2).unwrap_or_default(),
        Version::Third | Version::Fourth => elisions.all,
    }
}

pub(super) fn apostrophe(language: Option<Language>) -> Apostrophe {
    match language {
        None | Some(Language::English | Language::German | Language::Dutch) => Apostrophe::DropS,
        Some(Language::Turkish) => Apostrophe::DropSuffix,
        Some(_) => Apostrophe::Keep,
    }
}

/// The letters that stand for a letter with a mark where a language has a second spelling: `Mueller` is `Müller`.
pub(super) fn spelled_out(language: Language, c: char) -> Option<&'static str> {
    use Language::{Danish, German, Norwegian, Swedish};
    Some(match (language, c) {
        (German | Swedish, 'ä') => "ae",
        (German | Swedish, 'ö') | (Danish | Norwegian, 'ø') => "oe",
        (German, 'ü') => "ue",
        (Danish | Norwegian | Swedish, 'å') => "aa",
        _ => return None,
    })
}

/// Endings of words that a stemmer takes off or changes, for words of which only the beginning is known. Of a language whose endings are not
/// listed: none.
pub(super) fn endings(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &[
            "", "s", "es", "ed", "er", "ing", "ings", "ly", "ion", "ions", "ation", "ations", "ator", "ness",
            "ment", "ments", "able", "ible", "ance", "ence", "al", "ally", "ic", "ical", "ive", "ity",
            "ities", "ous", "ful", "less", "ize", "izes", "ized", "izing", "ization", "ism", "ist", "y",
            "ies", "ied",
        ],
        _ => &[""],
    }
}

impl Language {
    /// Articles, pronouns, prepositions, conjunctions and forms of "to be" that hardly tell one text from another.
    pub(crate) fn stop_words(self) -> Result<&'static str> {
        Ok(match self {
            Self::English => {
                "a an and are as at be but by for from had has have he her his if in into is it its no not of on \
                 or she such that the their then there these they this to was were which will with"
            }
            Self::German => {
                "aber als am an auch auf aus bei bin bis das dass dem den der des die dies diese dieser du durch \
                 ein eine einem einen einer eines er es für hat haben ich ihr im in ist mit nach nicht noch nur \
                 oder sein sich sie sind so um und uns unter vom von vor war was wenn wie wir zu zum zur über"
            }
            Self::French => {
                "a au aux avec c ce ces cette d dans de des du elle elles en est et eux il ils j je l la le les leur lui \
                 m mais me mes moi mon même n ne nos notre nous on ou où par pas pour qu que qui s sa se ses son sont \
                 sur t ta te tes toi ton tu un une vos votre vous été être"
            }
            Self::Spanish => {
                "a al como con de del e el ella ellas ellos en entre era es esta este ha han la las le les lo los \
                 me mi más ni no nos o para pero por que se sea ser si sin sobre su sus te tu un una y ya"
            }
            Self::Italian => {
                "a ad al all alla alle anche c che chi ci come con d da dal dall dalla dei del dell della delle di e ed era gli ha \
                 ho i il in io l la le lei li lo loro lui ma mi ne nei nel nell nella noi non o per più se si sono su \
                 sul sull sulla tra tu un una uno vi è"
            }
            Self::Portuguese => {
                "a ao aos as com como da das de do dos e ela elas ele eles em entre era essa esse esta este eu \
                 foi isso já lhe mais mas me na nas no nos não o os ou para pela pelo por que se sem ser seu sua \
                 são também um uma é à"
            }
            Self::Dutch => {
                "aan als bij dan dat de der deze die dit door een en er geen haar had heb heeft het hij hun ik in \
                 is je kan maar me met mij mijn na naar niet nog nu of om onder ons ook op over te tot u uit uw \
                 van veel voor was wat we wel werd wie wij zal ze zich zij zijn zo"
            }
            _ => {
                let message = format!("there is no list of stop words for {self:?}; leave the option off");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        })
    }
}

/// The stemmer of a language (Snowball, <https://snowballstem.org>).
pub(crate) struct Stemmer {
    #[cfg(feature = "stemmers")]
    inner: rust_stemmers::Stemmer,
    /// There is none.
    #[cfg(not(feature = "stemmers"))]
    inner: std::convert::Infallible,
}

impl Stemmer {
    #[cfg(feature = "stemmers")]
    #[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
    pub(crate) fn new(language: Language) -> Result<Self> {
        Ok(Self { inner: rust_stemmers::Stemmer::create(language.algorithm()) })
    }

    #[cfg(not(feature = "stemmers"))]
    pub(crate) fn new(language: Language) -> Result<Self> {
        let message = format!("stems of {language:?}: this build leaves out the feature `stemmers`");
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// The stem of a word in one case, with its diacritics.
    #[cfg(feature = "stemmers")]
    pub(crate) fn stem<'a>(&self, word: &'a str) -> Cow<'a, str> {
        self.inner.stem(word)
    }

    #[cfg(not(feature = "stemmers"))]
    pub(crate) fn stem<'a>(&self, _word: &'a str) -> Cow<'a, str> {
        match self.inner {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_what_its_name_says() {
        for &language in Language::ALL {
            assert_eq!(language.to_string().parse::<Language>().unwrap(), language);
        }
        let error = "Klingon".parse::<Language>().unwrap_err().to_string();
        assert!(
            error.contains("expected one of arabic, ") && error.ends_with("found \"Klingon\""),
            "{error}"
        );
    }
}
