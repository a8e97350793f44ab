//! Each table of fields in `docs/FORMAT.md` has the fields of a layout in the code, and each layout has its table.
//!
//! A *layout* is a macro in a `layout.rs` that names the length of a structure and its fields: `layout!(64, MAGIC: 8, KIND: 4, …)`.

use crate::{Crate, Fault, File};

const DOCUMENT: &str = "docs/FORMAT.md";

/// Name and size of each field.
type Fields = Vec<(String, usize)>;

struct Layout {
    path: String,
    line: usize,
    len: usize,
    fields: Fields,
}

/// Compares the document with the layouts of all crates.
pub fn check(document: &str, crates: &[&Crate]) -> Vec<Fault> {
    let layouts: Vec<Layout> = crates
        .iter()
        .flat_map(|member| &member.files)
        .filter(|file| file.name() == "layout.rs")
        .flat_map(layouts)
        .collect();
    let mut described = vec![false; layouts.len()];
    let mut faults = Vec::new();
    for (heading, table) in tables(document) {
        match table {
            Err(what) => faults.push(Fault::of_file(DOCUMENT, format!("{heading}: {what}"))),
            Ok(fields) => {
                let mut found = false;
                for (at, layout) in layouts.iter().enumerate() {
                    if layout.fields == fields {
                        (described[at], found) = (true, true);
                    }
                }
                if !found {
                    faults
                        .push(Fault::of_file(DOCUMENT, format!("{heading}: {}", nearest(&fields, &layouts))));
                }
            }
        }
    }
    for (layout, _) in layouts.iter().zip(described).filter(|(_, described)| !described) {
        faults.push(Fault::at(&layout.path, layout.line, format!("no table of {DOCUMENT} has these fields")));
    }
    for layout in &layouts {
        let sum: usize = layout.fields.iter().map(|(_, size)| size).sum();
        if sum != layout.len {
            let what = format!("{} bytes are said, the fields have {sum}", layout.len);
            faults.push(Fault::at(&layout.path, layout.line, what));
        }
    }
    faults
}

/// What tells a table from the layout that has most fields in common with it.
fn nearest(fields: &Fields, layouts: &[Layout]) -> String {
    let common = |layout: &&Layout| layout.fields.iter().filter(|field| fields.contains(field)).count();
    match layouts.iter().max_by_key(common).filter(|layout| common(layout) > 1) {
        None => "no layout.rs has such fields".to_owned(),
        Some(layout) => {
            let differing = fields.iter().zip(&layout.fields).find(|(said, is)| said != is);
            match differing {
                Some((said, is)) => format!(
                    "says {} of {} bytes where {}:{} has {} of {}",
                    said.0, said.1, layout.path, layout.line, is.0, is.1
                ),
                None => format!(
                    "has {} fields, {}:{} has {}",
                    fields.len(),
                    layout.path,
                    layout.line,
                    layout.fields.len()
                ),
            }
        }
    }
}

/// The layouts of a file.
fn layouts(file: &File) -> Vec<Layout> {
    let tokens = &file.tokens;
    let mut found = Vec::new();
    for at in 1..tokens.len().saturating_sub(3) {
        let opens = tokens[at].is("!")
            && tokens[at - 1].word().is_some()
            && (tokens[at + 1].is("(") || tokens[at + 1].is("{"));
        let Some(len) = tokens[at + 2].text.replace('_', "").parse().ok().filter(|_| opens) else { continue };
        let body = &tokens[at + 4..file.closing(at + 1)];
        let field = |field: &[crate::source::Token]| {
            let name = field.first()?.word()?.to_owned();
            let size = field.get(2).filter(|_| field[1].is(":"))?.text.replace('_', "").parse().ok()?;
            Some((name, size))
        };
        let fields: Vec<_> =
            body.split(|token| token.is(",")).filter(|field| !field.is_empty()).map(field).collect();
        if let Some(fields) =
            fields.into_iter().collect::<Option<Fields>>().filter(|fields| !fields.is_empty())
        {
            found.push(Layout { path: file.path.clone(), line: tokens[at].line, len, fields });
        }
    }
    found
}

/// The tables of fields, with the heading above each. Offsets have to follow from the sizes.
fn tables(document: &str) -> Vec<(String, Result<Fields, String>)> {
    let (mut heading, mut found) = (String::new(), Vec::new());
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            line.trim_start_matches('#').trim().clone_into(&mut heading);
        }
        if line.starts_with("| offset | size |") {
            let rows = lines
                .by_ref()
                .skip(1)
                .take_while(|line| line.starts_with('|'))
                .map(cells)
                .collect::<Vec<_>>();
            found.push((heading.clone(), fields(&rows)));
        }
    }
    found
}

fn cells(line: &str) -> Vec<String> {
    line.split('|').map(|cell| cell.trim().to_owned()).skip(1).collect()
}

fn fields(rows: &[Vec<String>]) -> Result<Fields, String> {
    let (mut found, mut end) = (Vec::new(), 0);
    for row in rows {
        let (Ok(offset), Ok(size)) = (row[0].parse::<usize>(), row[1].parse::<usize>()) else {
            return Err(format!("the row {row:?} has no offset and size"));
        };
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        if !is_name(&row[2]) {
            return Err(format!("the field at offset {offset} has no name of a constant"));
        }
        if offset != end {
            return Err(format!("{} is at {offset}, the field before ends at {end}", row[2]));
        }
        end = offset + size;
        found.push((row[2].clone(), size));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "### entry\n\n| offset | size | field | meaning |\n|---|---|---|---|\n| 0 | 8 | MAGIC | m |\n| 8 | 4 | KIND | k |\n";

    fn faults(document: &str, layout: &str) -> usize {
        check(document, &[&Crate::new("a", &[("lib.rs", "mod layout;"), ("layout.rs", layout)])]).len()
    }

    #[test]
    fn a_table_that_differs_from_the_layout_is_found() {
        let layout = "mod entry { wire::layout!(12, MAGIC: 8, KIND: 4); }";
        assert_eq!(faults(TABLE, layout), 0);
        assert_eq!(faults(TABLE, &layout.replace("KIND: 4", "KIND: 4,")), 0);
        assert_eq!(
            faults(TABLE, "mod entry { layout! { 12, MAGIC: 8, SORT: 4 } }"),
            2,
            "neither has the other"
        );
        assert_eq!(faults(TABLE, "mod entry { layout!(10, MAGIC: 8, KIND: 2); }"), 2);
        assert_eq!(faults(TABLE, "mod entry { layout!(16, MAGIC: 8, KIND: 4); }"), 1);
        assert_eq!(faults(&TABLE.replace("| 8 | 4", "| 9 | 4"), layout), 2);
        assert_eq!(faults(&TABLE.replace("KIND", ""), layout), 2);
        assert_eq!(faults("", layout), 1, "a layout without a table");
        assert_eq!(faults(TABLE, ""), 1, "a table without a layout");
    }
}
