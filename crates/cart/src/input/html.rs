//! The text of an HTML page, by paragraph.
//!
//! A reduction, not a browser: what stands between tags is text, elements that are blocks part paragraphs, and scripts, styles and the head are
//! left out but for the title. Every input gives some text; there is no page that is an error.

use super::paragraphs::Paragraph;

/// Elements whose content is no text.
const SKIPPED: [&str; 10] =
    ["script", "style", "template", "noscript", "svg", "math", "iframe", "object", "canvas", "select"];
/// Elements that are a paragraph of their own, or part those beside them.
const BLOCKS: [&str; 41] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "thead",
    "tr",
    "ul",
];

/// A page without its tags.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// Of its `<title>`.
    pub(crate) title: Option<String>,
    /// Each with the line of the page that it begins in.
    pub(crate) paragraphs: Vec<Paragraph>,
}

/// Reduces a page to its text.
pub(crate) fn reduce(html: &str) -> Page {
    let mut page = Builder { line: 1, ..Builder::default() };
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, behind) = rest.split_at(at);
        page.text(text);
        rest = page.tag(behind);
    }
    page.text(rest);
    page.end_paragraph();
    page.page
}

/// What was read so far.
#[derive(Debug, Default)]
struct Builder {
    page: Page,
    /// The paragraph that is being read.
    text: String,
    begun: u64,
    /// The line that is being read, from 1 on.
    line: u64,
    /// A blank is due before the next word.
    has_blank: bool,
    /// Inside of so many `<pre>`, whose line breaks and blanks are kept.
    pre: u32,
    is_title: bool,
}

impl Builder {
    /// Text between tags.
    fn text(&mut self, raw: &str) {
        let first = self.line;
        self.line += lines(raw);
        if self.is_title {
            let title = html_escape::decode_html_entities(raw);
            let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
            if !title.is_empty() && self.page.title.is_none() {
                self.page.title = Some(title);
            }
            return;
        }
        let decoded = html_escape::decode_html_entities(raw);
        if self.text.is_empty() {
            let before = raw.len() - raw.trim_start().len();
            self.begun = first + lines(raw.get(..before).unwrap_or_default());
        }
        if self.pre > 0 {
            self.text.push_str(&decoded);
            return;
        }
        for (number, word) in decoded.split(char::is_whitespace).enumerate() {
            self.has_blank |= number > 0;
            if word.is_empty() {
                continue;
            }
            if std::mem::take(&mut self.has_blank) && !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push(' ');
            }
            self.text.push_str(word);
        }
    }

    /// A tag, a comment, or a sign that begins neither. Returns what follows.
    fn tag<'a>(&mut self, from: &'a str) -> &'a str {
        if from.starts_with("<!--") {
            return self.skip_behind(from, "-->");
        }
        let is_end = from.starts_with("</");
        let inner = from.get(if is_end { 2 } else { 1 }..).unwrap_or_default();
        match inner.chars().next() {
            Some('!' | '?') => return self.skip_behind(from, ">"),
            Some(c) if c.is_ascii_alphabetic() => {}
            _ => {
                self.text("<");
                return from.get(1..).unwrap_or_default();
            }
        }
        let len =
            inner.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(inner.len());
        let name = inner.get(..len).unwrap_or_default().to_ascii_lowercase();
        let tag_len = from.len() - behind_tag(inner.get(len..).unwrap_or_default()).len();
        let (tag, rest) = from.split_at(tag_len);
        self.line += lines(tag);
        if !is_end && SKIPPED.contains(&name.as_str()) && !tag.ends_with("/>") {
            return self.skip_element(rest, &name);
        }
        self.element(&name, is_end);
        rest
    }

    fn element(&mut self, name: &str, is_end: bool) {
        match name {
            "title" => self.is_title = !is_end && self.page.title.is_none(),
            "br" if self.pre == 0 => {
                self.has_blank = false;
                if !self.text.is_empty() {
                    self.text.push('\n');
                }
            }
            "br" => self.text.push('\n'),
            "td" | "th" | "option" => self.has_blank = true,
            name if BLOCKS.contains(&name) => {
                self.end_paragraph();
                if name == "pre" {
                    self.pre = if is_end { self.pre.saturating_sub(1) } else { self.pre.saturating_add(1) };
                }
            }
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.has_blank = false;
        let text = text.trim_matches(['\n', '\r']).trim_end();
        if !text.trim().is_empty() {
            self.page.paragraphs.push(Paragraph { line: self.begun, text: text.to_owned() });
        }
    }

    /// Leaves out everything up to `end`.
    fn skip_behind<'a>(&mut self, from: &'a str, end: &str) -> &'a str {
        let len = from.find(end).map_or(from.len(), |at| at + end.len());
        let (skipped, rest) = from.split_at(len);
        self.line += lines(skipped);
        rest
    }

    /// Leaves out everything up to the end tag of an element.
    fn skip_element<'a>(&mut self, from: &'a str, name: &str) -> &'a str {
        let mut at = 0;
        while let Some(found) = from.get(at..).and_then(|rest| rest.find("</")) {
            at += found + 2;
            let rest = from.get(at..).unwrap_or_default();
            if rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
                let (skipped, rest) = from.split_at(at + name.len());
                self.line += lines(skipped);
                return self.skip_behind(rest, ">");
            }
        }
        self.line += lines(from);
        ""
    }
}

fn lines(text: &str) -> u64 {
    text.bytes().filter(|&byte| byte == b'\n').count() as u64
}

/// What follows the `>` of a tag; one in quotes is none.
fn behind_tag(attributes: &str) -> &str {
    let mut quote = None;
    for (at, byte) in attributes.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return attributes.get(at + 1..).unwrap_or_default(),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(html: &str) -> Vec<String> {
        reduce(html).paragraphs.into_iter().map(|paragraph| paragraph.text).collect()
    }

    #[test]
    fn a_page_is_its_paragraphs_and_its_title() {
        let page = reduce(
            "<!DOCTYPE html>\n<html><head><title>Cats &amp;\n dogs</title>\n<style>p { color: red }</style>\
             <script>if (a < b) { '</p>' }</script></head>\n<body class='a>b'>\n<h1>Of  cats</h1>\n\
             <p>They <b>pur</b>r,\n&nbsp;they sl<i>ee</i>p.<br>Always.</p><!-- <p>not this</p> -->\n\
             <ul><li>one<li>two</ul>\n<table><tr><td>1</td><td>2</td></tr></table></body></html>",
        );
        assert_eq!(page.title.as_deref(), Some("Cats & dogs"));
        let found: Vec<(u64, &str)> = page.paragraphs.iter().map(|p| (p.line, p.text.as_str())).collect();
        assert_eq!(
            found,
            [(6, "Of cats"), (7, "They purr, they sleep.\nAlways."), (9, "one"), (9, "two"), (10, "1 2")]
        );
    }

    #[test]
    fn preformatted_text_keeps_its_lines() {
        assert_eq!(texts("<pre>fn main() {\n    run();\n}\n</pre>"), ["fn main() {\n    run();\n}"]);
    }

    #[test]
    fn any_text_is_a_page() {
        assert_eq!(texts("1 < 2 and 3 > 2 &amp; &nonsense; &#x41;"), ["1 < 2 and 3 > 2 & &nonsense; A"]);
        assert_eq!(texts("<"), ["<"]);
        for html in [
            "",
            "<p",
            "<!--",
            "</",
            "<script>",
            "<script></scrip",
            "<a href=\"",
            "<title>",
            "<?",
            "</>",
            "<ſcript>",
        ] {
            let page = reduce(html);
            assert!(
                page.title.is_none() && texts(html).iter().all(|text| text.starts_with('<')),
                "{html}: {page:?}"
            );
        }
        let mut seed = 7u64;
        let signs = [
            "<", ">", "/", "p", "script", "title", "pre", "!--", "--", "\"", "'", "&", "#", ";", " ", "\n",
            "ü", "br",
        ];
        for _ in 0..5_000 {
            let html: String = (0..30)
                .map(|_| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    signs[usize::try_from(seed >> 33).unwrap() % signs.len()]
                })
                .collect();
            let page = reduce(&html);
            let lines = html.matches('\n').count() as u64 + 1;
            assert!(page.paragraphs.iter().all(|p| (1..=lines).contains(&p.line)), "{html:?}: {page:?}");
        }
    }
}
