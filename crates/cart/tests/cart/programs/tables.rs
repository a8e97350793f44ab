//! Records as rows: of CSV and TSV, and of Parquet.

use csv::{QuoteStyle, Terminator, WriterBuilder};
use serde_json::Value;

use super::{Known, Program, text};

/// Cells that are numbers, or look like some.
const CELLS: [&str; 13] = [
    "",
    "1",
    "-7",
    "0.5",
    "18446744073709551615",
    "true",
    "false",
    "007",
    "+1",
    "1e5",
    " 1",
    "red",
    "18446744073709551616",
];

impl Program {
    pub(super) fn add_table(&mut self) {
        let mut new: Vec<Known> =
            (0..=self.random.below(4)).map(|_| Known::random(&mut self.random)).collect();
        let some = [self.random.choice(&CELLS), self.random.choice(&CELLS)];
        let cells: Vec<&str> = new.iter().map(|_| self.random.choice(&some)).collect();
        for (known, value) in new.iter_mut().zip(values(&cells)) {
            known.text = known.text.take().or_else(|| Some(text(&mut self.random)));
            known.title = known.title.take().filter(|title| !title.is_empty());
            (known.blob, known.vector) = (Vec::new(), None);
            known.metadata.retain(|name, _| name == "n");
            known.metadata.extend(value.map(|value| ("x".to_owned(), value)));
        }
        let (key, body, more) =
            self.random.choice(&[("key", "text", ""), ("id", "body", " --key-field id --text-field body")]);
        let mut columns = vec![key, body, "title", "n", "x"];
        for at in 1..columns.len() {
            columns.swap(at, self.random.below(at + 1));
        }
        let (name, delimiter) = self.random.choice(&[("new.csv", b','), ("new.tsv", b'\t')]);
        let mut table = WriterBuilder::new()
            .delimiter(delimiter)
            .quote_style(self.random.choice(&[QuoteStyle::Necessary, QuoteStyle::Always]))
            .terminator(self.random.choice(&[Terminator::CRLF, Terminator::Any(b'\n')]))
            .from_writer(Vec::new());
        table.write_record(&columns).unwrap();
        for (known, cell) in new.iter().zip(&cells) {
            let cell = |column: &&str| match *column {
                "title" => known.title.clone().unwrap_or_default(),
                "n" => known.n().map_or(String::new(), |n| n.to_string()),
                "x" => (*cell).to_owned(),
                name if name == key => known.key.clone().unwrap_or_default(),
                _ => known.text.clone().unwrap_or_default(),
            };
            table.write_record(columns.iter().map(cell)).unwrap();
        }
        let mut table = table.into_inner().unwrap();
        let is_marked = self.random.one_in(4);
        // A file with zeros is no text, unless a mark of the encoding says so.
        let is_bad =
            new.iter().any(|known| known.text.as_deref() == Some("")) || !is_marked && table.contains(&0);
        if is_marked {
            table.splice(..0, *b"\xef\xbb\xbf");
        }
        self.place.write(name, table);
        let upsert = self.random.one_in(2);
        self.add_file(&format!("{name}{more}"), new, is_bad, upsert);
    }
}

/// What the cells of one column are: numbers, or true and false, if all of them are.
fn values(cells: &[&str]) -> Vec<Option<Value>> {
    let plain = |cell: &&str| match serde_json::from_str(cell) {
        Ok(value @ Value::Bool(_)) => Some(value),
        // Beyond 64 bits JSON has a number that is not the same.
        Ok(value @ Value::Number(_))
            if !cell.contains(['e', ' ']) && cell.len() <= 20 && *cell != CELLS[12] =>
        {
            Some(value)
        }
        _ => None,
    };
    let filled: Vec<Option<Value>> = cells.iter().filter(|cell| !cell.is_empty()).map(plain).collect();
    let all = |test: fn(&Value) -> bool| filled.iter().all(|value| value.as_ref().is_some_and(test));
    let is_plain = all(Value::is_boolean) || all(Value::is_number);
    let value = |cell: &&str| if is_plain { plain(cell) } else { Some((*cell).into()) };
    cells.iter().map(|cell| value(cell).filter(|_| !cell.is_empty())).collect()
}

#[cfg(not(feature = "arrow"))]
impl Program {
    pub(super) fn add_columns(&mut self) {
        self.add_table();
    }
}

#[cfg(feature = "arrow")]
impl Program {
    pub(super) fn add_columns(&mut self) {
        let mut new: Vec<Known> =
            (0..=self.random.below(4)).map(|_| Known::random(&mut self.random)).collect();
        let is_bad = self.random.one_in(6);
        let table = columns(&new, is_bad);
        if is_bad {
            new.clear();
        }
        let file = std::fs::File::create(self.place.path("new.parquet")).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, table.schema(), None).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
        let upsert = self.random.one_in(2);
        self.add_file("new.parquet", new, is_bad, upsert);
    }

    /// To an export of columns, and to a new artifact from that.
    pub(super) fn restore_columns(&mut self) {
        let old = format!("old-{}", self.step);
        self.run("export a --parquet p.parquet --vectors", &[]).succeeds();
        std::fs::rename(self.place.path("a"), self.place.path(&old)).unwrap();
        self.run("add a p.parquet --no-meaning --originals f32 --json", &[]).succeeds();
        std::fs::remove_file(self.place.path("p.parquet")).unwrap();
    }
}

/// Records as rows, and a row with nothing in it.
#[cfg(feature = "arrow")]
fn columns(records: &[Known], with_nothing: bool) -> arrow_array::RecordBatch {
    use std::sync::Arc;

    use arrow_array::builder::{Float32Builder, ListBuilder};
    use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};

    fn nothing<T: Clone>(is_there: bool) -> impl Iterator<Item = Option<T>> {
        std::iter::repeat_n(None, usize::from(is_there))
    }
    let texts = |value: &dyn Fn(&Known) -> Option<String>| {
        Arc::new(records.iter().map(value).chain(nothing(with_nothing)).collect::<StringArray>()) as ArrayRef
    };
    let blob = |known: &Known| known.text.is_none().then(|| known.blob.clone());
    let blobs: BinaryArray = records.iter().map(blob).chain(nothing(with_nothing)).collect();
    let mut vectors = ListBuilder::new(Float32Builder::new());
    for vector in records.iter().map(|known| known.vector).chain(nothing(with_nothing)) {
        vectors.values().append_slice(vector.as_ref().map_or(&[], |vector| &vector[..]));
        vectors.append(vector.is_some());
    }
    let metadata =
        |known: &Known| (!known.metadata.is_empty()).then(|| Value::from(known.metadata.clone()).to_string());
    let columns = [
        ("key", texts(&|known| known.key.clone())),
        ("text", texts(&|known| known.text.clone())),
        ("blob", Arc::new(blobs) as ArrayRef),
        ("field_title", texts(&|known| known.title.clone())),
        ("metadata", texts(&metadata)),
        ("vector_v", Arc::new(vectors.finish()) as ArrayRef),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}
