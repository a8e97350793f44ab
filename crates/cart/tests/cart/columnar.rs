//! Parquet and Arrow IPC, both ways.

use std::fs::File;
use std::sync::Arc;

use arrow_array::builder::{
    FixedSizeListBuilder, Float32Builder, ListBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, NullArray,
    RecordBatch, StringArray, StructArray, Time64MicrosecondArray, TimestampMillisecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{BrotliLevel, Compression, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int96, Int96Type};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;
use serde_json::{Value, json};

use crate::support::Place;

/// Columns as a table. All may have nulls.
fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

fn write(place: &Place, name: &str, batch: &RecordBatch) {
    let mut writer =
        ArrowWriter::try_new(File::create(place.path(name)).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn lists(rows: &[&[f32]]) -> ArrayRef {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for row in rows {
        builder.values().append_slice(row);
        builder.append(true);
    }
    Arc::new(builder.finish())
}

const RECORDS: &str = r#"{"key":"a","title":"Cats","text":"a cat","metadata":{"year":2026,"ratio":-0.5,"big":18446744073709551615,"ok":true,"day":"2026-02-03","tags":["x","y"],"by":{"name":"N","n":[1,{"deep":null}]},"title":"not the title","mixed":1},"vectors":{"v":[0.25,-1.5,3.0]}}
{"text":"","metadata":{"year":-1,"mixed":"one","none":null,"empty":{}}}
{"key":"ü","blob":"AAH/","fields":{"abstract":"of bytes"},"metadata":{"ratio":1e300}}
{"key":"only a key","text":"nothing else","vectors":{"v":[1.0,0.0,0.0]}}
"#;

#[test]
fn an_export_comes_back_as_it_was() {
    let place = Place::new();
    place.write("x.jsonl", RECORDS);
    place.cart("add a x.jsonl --metric l2 --originals f32 --no-meaning").succeeds();
    let said = place.text("export a --parquet a.parquet --vectors");
    assert!(said.contains("wrote 4 records to a.parquet"), "{said}");
    place.cart("add b a.parquet --metric l2 --originals f32 --no-meaning").succeeds();
    let lines = |artifact: &str| place.cart(&format!("export {artifact} --vectors")).succeeds().records();
    assert_eq!(lines("b"), lines("a"));
    place.cart("import a.parquet c").succeeds();
    assert_eq!(place.found("c cat --words"), ["a"]);
    place.cart("import a.parquet c").fails(1, &["expected a folder that is not there"]);
    place.cart("export a --parquet a.parquet").fails(1, &["a.parquet", "there is a file here already"]);
    place
        .cart("export a --parquet none.parquet --filter '{\"year\": 3000}'")
        .fails(3, &["no record matches"]);
    assert!(!place.path("none.parquet").exists());
    place.cart("export a --parquet some.parquet --filter '{\"year\": 2026}'").succeeds();
    place.cart("add d some.parquet").succeeds();
    assert_eq!(place.cart("export d").succeeds().records().len(), 1);
}

#[test]
fn an_export_has_null_for_embeddings_that_were_lost_and_names_them() {
    let place = Place::new();
    let line = |i: usize| format!("{{\"text\":\"note {i}\",\"vectors\":{{\"v\":[{i},1]}}}}\n");
    place.write("x.jsonl", (0..20).map(line).collect::<String>());
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place.lose_vectors("a");
    assert_eq!(place.cart("export a --parquet texts.parquet").code, 0);
    let ended = place.cart("export a --parquet x.parquet --vectors");
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.ends_with("a: some records or embeddings could not be read\n"), "{}", ended.stderr);
    let named = |id: u64| {
        let said = format!("record {id} in vector space \"v\"");
        ended.stderr.lines().filter(|line| line.contains(&said) && line.contains("written without")).count()
    };
    assert!((1..=20).all(|id| named(id) == 1), "{}", ended.stderr);
    let file = File::open(place.path("x.parquet")).unwrap();
    let rows = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let rows: Vec<RecordBatch> = rows.map(|rows| rows.unwrap()).collect();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 20);
    let vectors = |rows: &RecordBatch| rows.column_by_name("vector_v").unwrap().clone();
    assert!(rows.iter().map(vectors).all(|vectors| vectors.null_count() == vectors.len()));
}

#[test]
fn other_programs_find_columns_of_their_types() {
    let place = Place::new();
    place.write("x.jsonl", RECORDS);
    place.cart("add a x.jsonl --metric l2 --no-meaning").succeeds();
    place.cart("export a --parquet a.parquet --vectors").succeeds();
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(place.path("a.parquet")).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let found: Vec<(&str, &DataType)> =
        schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
    let item = Arc::new(Field::new_list_field(DataType::Float32, false));
    let vectors = DataType::FixedSizeList(item, 3);
    use DataType::{Binary, Boolean, Float64, Int64, UInt64, Utf8};
    let mut expected = vec![("id", &UInt64), ("key", &Utf8), ("text", &Utf8), ("blob", &Binary)];
    expected.extend([("metadata", &Utf8), ("field_title", &Utf8), ("field_abstract", &Utf8)]);
    // The number of `big` is above those of 64 bits with a sign, and fits no Float64.
    expected.extend([("vector_v", &vectors), ("by.n", &Int64), ("by.name", &Utf8), ("day", &Utf8)]);
    expected.extend([("ok", &Boolean), ("ratio", &Float64), ("title", &Utf8), ("year", &Int64)]);
    assert_eq!(found, expected);
    let rows: usize = reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 4);
}

/// A table as others write it.
fn foreign() -> RecordBatch {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Float32Builder::new());
    map.keys().append_value("x");
    map.values().append_value(0.5);
    map.append(true).unwrap();
    map.append(false).unwrap();
    let mut words = StringDictionaryBuilder::<Int32Type>::new();
    words.append_value("red");
    words.append_null();
    let mut emb = FixedSizeListBuilder::new(Float32Builder::new(), 2);
    for vector in [[1.0, 2.0], [3.0, 4.0]] {
        emb.values().append_slice(&vector);
        emb.append(true);
    }
    let at = StructArray::from(vec![(
        Arc::new(Field::new("y", DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef,
    )]);
    let decimal = Decimal128Array::from(vec![Some(1230), None]).with_precision_and_scale(10, 2).unwrap();
    let long = Decimal128Array::from(vec![Some(1230), None]).with_precision_and_scale(20, 2).unwrap();
    let zoned = TimestampMillisecondArray::from(vec![Some(1_500), None]).with_timezone("+02:00");
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![7, 8]))),
        ("title", texts(&["One", "Two"])),
        ("body", texts(&["first", "second"])),
        ("n", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("x", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(20_000), None]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![Some(1_500), None]))),
        ("zoned", Arc::new(zoned)),
        ("price", Arc::new(decimal)),
        ("long", Arc::new(long)),
        ("by", Arc::new(at)),
        ("map", Arc::new(map.finish())),
        ("word", Arc::new(words.finish())),
        ("none", Arc::new(NullArray::new(2))),
        ("tags", lists(&[&[1.0, 2.5], &[]])),
        ("emb", Arc::new(emb.finish())),
    ])
}

#[test]
fn rows_of_any_shape_are_records_and_their_types_are_mapped() {
    let place = Place::new();
    let table = foreign();
    write(&place, "x.parquet", &table);
    let mut file =
        arrow_ipc::writer::FileWriter::try_new(File::create(place.path("x.arrow")).unwrap(), &table.schema())
            .unwrap();
    file.write(&table).unwrap();
    file.finish().unwrap();
    let to = File::create(place.path("x.feather")).unwrap();
    let mut stream = arrow_ipc::writer::StreamWriter::try_new(to, &table.schema()).unwrap();
    stream.write(&table).unwrap();
    stream.finish().unwrap();
    let first = json!({
        "key": "7", "title": "One", "text": "first", "vectors": {"text": [1.0, 2.0]},
        "metadata": {
            "n": u64::MAX, "x": 0.5, "b": true, "day": "2024-10-04", "at": "1970-01-01T00:00:01.500",
            "zoned": "1970-01-01T00:00:01.500Z", "price": 12.3, "long": "12.30", "by": {"y": 1},
            "map": {"x": 0.5}, "word": "red", "tags": [1.0, 2.5],
        },
    });
    for name in ["x.parquet", "x.arrow", "x.feather"] {
        let artifact = name.replace('.', "-");
        let add = format!(
            "add {artifact} {name} --key-field id --text-field body --vector-field emb=text --metric l2 --originals f32 --no-meaning"
        );
        place.cart(&add).succeeds();
        let lines = place.cart(&format!("export {artifact} --vectors")).succeeds().records();
        assert_eq!(lines[0], first, "{name}");
        assert_eq!(lines[1]["metadata"], json!({"by": {"y": null}, "tags": []}), "{name}");
    }
    let after = place.found("x-parquet --filter '{\"zoned\": {\"$gt\": {\"$date\": \"1969-12-31\"}}}'");
    assert_eq!(after, ["7"]);
}

/// Columns, options, the code that is expected, and what the message says.
type Case<'a> = (Vec<(&'a str, ArrayRef)>, &'a str, i32, &'a [&'a str]);

#[test]
fn what_cannot_be_a_record_names_file_row_and_column() {
    let place = Place::new();
    let text = || texts(&["a", "b", "c"]);
    let cases: [Case<'_>; 9] = [
        (vec![("body", text())], "", 2, &["column \"text\"", "there are body", "--text-field"]),
        (vec![("body", text())], "--text-field bodi", 2, &["no column \"bodi\", which --text-field names"]),
        (vec![("text", text())], "--vector-field emb", 2, &["no column \"emb\", which --vector-field names"]),
        (
            vec![("text", text()), ("v", Arc::new(Float32Array::from(vec![1.0, f32::NAN, 2.0])))],
            "",
            1,
            &["row 1, column \"v\"", "finite", "NaN", "nothing was added"],
        ),
        (
            vec![("text", text()), ("vector_v", lists(&[&[1.0, 2.0], &[1.0], &[2.0, 3.0]]))],
            "",
            1,
            &["x.parquet: row 1", "a vector of 1 number;", "has 2 dimensions"],
        ),
        (
            vec![("text", text()), ("vector_v", lists(&[&[1.0, 2.0], &[1.0, 2.0], &[f32::INFINITY, 3.0]]))],
            "",
            1,
            &["x.parquet: row 2", "vector in the space \"v\""],
        ),
        (
            vec![("text", Arc::new(StringArray::from(vec![Some("a"), Some("b"), None])))],
            "",
            1,
            &["x.parquet: row 2: neither a text nor a blob"],
        ),
        (
            vec![("text", text()), ("t", Arc::new(Time64MicrosecondArray::from(vec![1, 2, 3])))],
            "",
            2,
            &["column \"t\"", "cannot be metadata"],
        ),
        (
            vec![("text", text()), ("metadata", texts(&["{}", "[1]", "{}"]))],
            "",
            1,
            &["row 1, column \"metadata\"", "expected an object"],
        ),
    ];
    for (columns, options, code, expected) in cases {
        write(&place, "x.parquet", &batch(columns));
        place.cart(&format!("add a x.parquet {options}")).fails(code, expected);
        assert!(!place.path("a").exists(), "{expected:?}");
    }
    place.write("y.parquet", "no such file");
    place.cart("add a y.parquet").fails(1, &["y.parquet", "Parquet"]);
    place.write("y.arrow", "ARROW1 and nothing");
    place.cart("add a y.arrow").fails(1, &["y.arrow"]);
    place.write("z.txt", "text");
    place.cart("add a z.txt --vector-field x").fails(2, &["--vector-field: no file is Parquet or Arrow"]);
}

#[test]
fn damaged_files_are_errors_or_what_they_say_and_end_no_program() {
    let place = Place::new();
    let many: Vec<String> = (0..300).map(|n| format!("text {n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    write(&place, "x.parquet", &batch(vec![("text", texts(&many)), ("tags", lists(&[&[1.0][..]; 300]))]));
    let bytes = std::fs::read(place.path("x.parquet")).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        place.write("y.parquet", &damaged);
        let ended = place.cart(&format!("add a{at} y.parquet --no-meaning"));
        assert!([0, 1, 2].contains(&ended.code), "byte {at}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "byte {at}: {ended:?}");
        place.write("y.parquet", &bytes[..at]);
        place.cart(&format!("add b{at} y.parquet --no-meaning")).fails(1, &["y.parquet"]);
    }
}

#[test]
fn files_of_a_folder_are_taken_where_they_have_texts_and_several_commits_are_made_where_asked() {
    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    write(&place, "in/a.parquet", &batch(vec![("text", texts(&["one", "two", "three"]))]));
    write(&place, "in/b.parquet", &batch(vec![("body", texts(&["four"]))]));
    let added = place.json("add a in --batch 2");
    assert_eq!((&added["records"], &added["commits"]), (&json!(3), &json!(2)));
    assert_eq!(added["skipped"][0]["file"], "in/b.parquet");
    assert_eq!(place.json("add a in --sync")["skipped"].as_array().unwrap().len(), 2);
    let texts = place.cart("export a").succeeds().records();
    let texts: Vec<&Value> = texts.iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

#[test]
fn structs_with_two_fields_of_one_name_are_refused() {
    let place = Place::new();
    let number = |value| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let field = |name: &str| Arc::new(Field::new(name, DataType::Int64, true));
    let twice = StructArray::from(vec![(field("n"), number(1)), (field("n"), number(2))]);
    let inner = Arc::new(Field::new("inner", DataType::Struct(twice.fields().clone()), true));
    let nested = StructArray::from(vec![(inner, Arc::new(twice.clone()) as ArrayRef)]);
    for (column, array) in [("by", &twice), ("by", &nested), ("metadata", &twice), ("metadata", &nested)] {
        let rows = batch(vec![("text", texts(&["one"])), (column, Arc::new(array.clone()) as ArrayRef)]);
        write(&place, "x.parquet", &rows);
        let expected = format!("x.parquet: column {column:?}: a struct with two fields \"n\"");
        place.cart("add a x.parquet --no-meaning").fails(2, &[&expected]);
        assert!(!place.path("a").exists());
    }
}

#[test]
fn names_that_begin_like_those_of_columns_come_back_from_an_export() {
    let place = Place::new();
    let metadata = json!({
        "vector_norm": 1.5, "field_type": 3, "field_word": "num", "field_title": "no title", "vector_": "v", "id": 5,
        "key": "k", "text": "t", "blob": "b", "metadata": "m", "pack": "p", "title": "one", "expires_at": "2999-01-01",
    });
    let record = json!({"text": "a cat", "title": "Cats", "metadata": metadata});
    place.write("x.jsonl", format!("{record}\n"));
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place.cart("export a --parquet a.parquet --vectors").succeeds();
    for command in ["add b a.parquet --no-meaning", "restore a.parquet c"] {
        place.cart(command).succeeds();
    }
    let records = |artifact: &str| place.cart(&format!("export {artifact}")).succeeds().records();
    assert_eq!(records("b"), [record]);
    assert_eq!(records("c"), records("b"));
}

#[test]
fn a_column_of_json_that_is_not_utf_8_is_an_error() {
    let place = Place::new();
    let write = |name: &str, values: &[&[u8]]| {
        for logical in ["UTF8", "JSON"] {
            let schema = format!("message m {{ required binary {name} ({logical}); }}");
            let schema = Arc::new(parse_message_type(&schema).unwrap());
            let file = File::create(place.path(&format!("{logical}.parquet"))).unwrap();
            let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let values: Vec<ByteArray> = values.iter().map(|value| ByteArray::from(value.to_vec())).collect();
            column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
            writer.close().unwrap();
        }
    };
    for name in ["text", "n"] {
        write(name, &[b"{}", b"{\xff\xfe}"]);
        for file in ["UTF8", "JSON"] {
            let add = format!("add a {file}.parquet --no-meaning --text-field {name}");
            place.cart(&add).fails(1, &["behind row 0"]);
        }
    }
    write("text", &[b"{}", b"{\"n\": 1}"]);
    place.cart("add a JSON.parquet --no-meaning").succeeds();
    assert_eq!(place.cart("export a").succeeds().records().len(), 2);
}

/// A file of a text and a time of 96 bits for each of these days, as Julian days, and nanoseconds of them.
fn write_times(place: &Place, times: &[(u32, u64)]) {
    let schema = "message m { required binary text (UTF8); optional group at { required int96 time; } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = File::create(place.path("x.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let texts = vec![ByteArray::from("text"); times.len()];
    column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let low_and_high =
        |nanos: u64| [nanos & u64::from(u32::MAX), nanos >> 32].map(|half| u32::try_from(half).unwrap());
    let time = |&(day, nanos): &(u32, u64)| Int96::from([&low_and_high(nanos)[..], &[day]].concat());
    let times: Vec<Int96> = times.iter().map(time).collect();
    column.typed::<Int96Type>().write_batch(&times, Some(&vec![1; times.len()]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn times_of_96_bits_are_what_they_say_or_errors() {
    let place = Place::new();
    write_times(
        &place,
        &[(2_440_588, 1_000), (5_373_484, 86_399_999_999_000), (1_721_426, 0), (2_268_924, 0)],
    );
    place.cart("add a x.parquet --no-meaning").succeeds();
    let records = place.cart("export a").succeeds().records();
    let times: Vec<&Value> = records.iter().map(|record| &record["metadata"]["at"]["time"]).collect();
    assert_eq!(
        times,
        [
            "1970-01-01T00:00:00.000001",
            "9999-12-31T23:59:59.999999",
            "0001-01-01T00:00:00",
            "1500-01-01T00:00:00"
        ]
    );
    write_times(&place, &[(2_440_588, 0), (5_373_485, 0)]);
    place.cart("add b x.parquet --no-meaning").fails(1, &["row 1, column \"at\"", "beyond the calendar"]);
}

#[test]
fn what_is_compressed_with_gzip_is_read_and_what_cannot_be_read_is_named() {
    let place = Place::new();
    let table = batch(vec![("text", texts(&["one", "two"]))]);
    let gzip = Compression::GZIP(GzipLevel::default());
    let properties = WriterProperties::builder().set_compression(gzip).build();
    let file = File::create(place.path("x.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties)).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    place.cart("add a x.parquet --no-meaning").succeeds();
    assert_eq!(place.cart("export a").succeeds().records().len(), 2);

    let schema = Arc::new(parse_message_type("message m { required binary text (UTF8); }").unwrap());
    let schema = Arc::new(SchemaDescriptor::new(schema));
    let brotli = Compression::BROTLI(BrotliLevel::default());
    let column = ColumnChunkMetaData::builder(schema.column(0)).set_compression(brotli).build().unwrap();
    let group = RowGroupMetaData::builder(schema.clone()).set_column_metadata(vec![column]).build().unwrap();
    let metadata = ParquetMetaData::new(FileMetaData::new(2, 0, None, None, schema, None), vec![group]);
    let mut bytes = b"PAR1".to_vec();
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    place.write("y.parquet", &bytes);
    place
        .cart("add b y.parquet")
        .fails(1, &["column \"text\" is compressed with Brotli", "expected Snappy, gzip"]);
    place.write("y.feather", [b"FEA1", &bytes[..], b"FEA1"].concat());
    place.cart("add b y.feather").fails(1, &["y.feather: a file of Feather V1", "write it as V2"]);
    place.write("z.arrow", "no Arrow at all");
    place.cart("add b z.arrow").fails(1, &["z.arrow: the file is no Arrow IPC, or is damaged or cut off"]);
}

#[test]
fn the_deepest_schema_that_is_read_ends_no_program_and_a_deeper_one_is_refused() {
    let place = Place::new();
    let write_nested = |structs: usize| {
        let number = Arc::new(Int64Array::from(vec![1])) as ArrayRef;
        let nested = (0..structs).fold(number, |inner, _| {
            let field = Arc::new(Field::new("s", inner.data_type().clone(), true));
            Arc::new(StructArray::from(vec![(field, inner)]))
        });
        let table = batch(vec![("text", texts(&["one"])), ("n", nested)]);
        // The writer takes more of the stack than a test has.
        std::thread::scope(|scope| {
            let writer = std::thread::Builder::new().stack_size(64 << 20);
            writer.spawn_scoped(scope, || write(&place, "x.parquet", &table)).unwrap();
        });
    };
    write_nested(99);
    place.cart("add a x.parquet --no-meaning").succeeds();
    write_nested(126);
    place.cart("add b x.parquet --no-meaning").fails(1, &["nested too deep"]);
    write_nested(127);
    place.cart("add b x.parquet --no-meaning").fails(1, &["the schema is nested deeper than 128 levels"]);
}
