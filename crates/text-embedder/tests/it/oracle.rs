//! The plain definition of tokens and vectors, step by step over whole strings, for a small alphabet.

use unicode_normalization::UnicodeNormalization;

/// Characters that are handled in special ways, and others.
pub(crate) const ALPHABET: [char; 40] = [
    'a', 'b', 'c', 'e', 't', 's', 'A', 'E', 'S', ' ', '\t', '\n', '\r', '\0', '\u{B}', '\u{7F}', '\u{85}',
    '\u{A0}', '\u{200B}', '\u{3000}', '\u{FFFD}', '\u{301}', '\u{308}', 'é', 'É', 'İ', 'ß', 'Σ', ',', '!',
    '#', '$', '^', '«', '。', '中', '文', '豈', '각', 'ひ',
];
const SPACES: [char; 6] = [' ', '\t', '\n', '\r', '\u{A0}', '\u{3000}'];
const REMOVED: [char; 6] = ['\0', '\u{B}', '\u{7F}', '\u{85}', '\u{200B}', '\u{FFFD}'];
const MARKS: [char; 3] = ['\u{301}', '\u{307}', '\u{308}'];
const PUNCTUATION: [char; 2] = ['«', '。'];
const CJK: [char; 3] = ['中', '文', '豈'];

/// Whether the oracle knows what becomes of a character.
pub(crate) fn knows(c: char) -> bool {
    ALPHABET.contains(&c) || c.is_ascii_alphanumeric() || c.is_ascii_punctuation()
}

pub(crate) fn tokens(vocabulary: &[&str], text: &str) -> Vec<u32> {
    words(text).iter().flat_map(|word| pieces(vocabulary, word)).collect()
}

fn words(text: &str) -> Vec<String> {
    let cleaned =
        text.chars().filter(|c| !REMOVED.contains(c)).map(|c| if SPACES.contains(&c) { ' ' } else { c });
    let spaced: String =
        cleaned.map(|c| if CJK.contains(&c) { format!(" {c} ") } else { c.to_string() }).collect();
    let stripped: String = spaced.nfd().filter(|c| !MARKS.contains(c)).collect();
    let folded: String = stripped.chars().flat_map(char::to_lowercase).collect();
    let is_alone = |c: char| c.is_ascii_punctuation() || PUNCTUATION.contains(&c);
    let split: String =
        folded.chars().map(|c| if is_alone(c) { format!(" {c} ") } else { c.to_string() }).collect();
    split.split_whitespace().map(str::to_owned).collect()
}

fn pieces(vocabulary: &[&str], word: &str) -> Vec<u32> {
    let find = |token: &str| vocabulary.iter().position(|known| *known == token).map(|id| id as u32);
    let unknown = vec![find("[UNK]").unwrap()];
    let chars: Vec<char> = word.chars().collect();
    if chars.len() > 100 {
        return unknown;
    }
    let mut found = Vec::new();
    let mut start = 0;
    while start < chars.len() {
        let prefix = if start == 0 { "" } else { "##" };
        let piece = |end: usize| format!("{prefix}{}", chars[start..end].iter().collect::<String>());
        let longest = (start + 1..=chars.len()).rev().find_map(|end| Some((find(&piece(end))?, end)));
        let Some((id, end)) = longest else { return unknown };
        found.push(id);
        start = end;
    }
    found
}

/// The vector of some tokens, from rows that are not quantized: the weighted mean, a last step, unit length.
pub(crate) fn vector(
    tokens: &[u32],
    rows: &[Vec<f32>],
    weights: &[f32],
    tanh: Option<&[Vec<f32>; 4]>,
) -> Option<Vec<f64>> {
    let counted: Vec<usize> =
        tokens.iter().map(|&token| token as usize).filter(|&token| weights[token] != 0.0).collect();
    let dimension = rows[0].len();
    let mut vector = vec![0f64; dimension];
    for &token in &counted {
        for (sum, value) in vector.iter_mut().zip(&rows[token]) {
            *sum += f64::from(weights[token]) * f64::from(*value) / counted.len() as f64;
        }
    }
    if let Some([alpha, beta, gamma, bias]) = tanh {
        for (i, value) in vector.iter_mut().enumerate() {
            let inner = f64::from(alpha[i]) * *value + f64::from(beta[i]);
            *value = f64::from(gamma[i]) * inner.tanh() + f64::from(bias[i]);
        }
    }
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    (!counted.is_empty()).then(|| vector.iter().map(|value| value / length).collect())
}
