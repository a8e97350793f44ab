//! What `cart add` can be told.

use std::path::PathBuf;

use clap::ValueEnum;
use compact_artifact::{Compression, Durability, Metric, Options, Originals, Quantization};

use crate::commands::schema;
use crate::failure::Result;
use crate::input::shape::Shape;
use crate::input::sources::As;
use crate::input::values::{self, TextLanguage};

const LONG: &str = "\
Add texts, records with metadata and vectors, or any files; creates the artifact if there is none.

Folders stand for the files in them, sorted by name. Hidden files are left out, and those that a .gitignore or .ignore file names; files that \
are not text, or have rows without a `text`, are skipped, and said at the end. Links to folders are not followed. `-` is stdin, in UTF-8; the encoding of files is detected, but that of lines of JSON, which are UTF-8 or what a byte order mark says.

Texts are embedded as they are added, so that they are found by meaning as well as by words. They are added by paragraph (lines end with LF, or CR and LF): the key is path#1, path#2, ..., the metadata {\"path\", \"paragraph\", \"line\"}; with --split whole the \
key is the path. Of an HTML file the text is added, and its title with each paragraph.

With --sync, a folder that was added before is brought up to date: files that are new or have changed are read, what \
vanished from the folder is deleted from the artifact. It compares time and size, then a hash. What did not come from a file of that folder, by that name, is never deleted or replaced; a file in two folders that are added, one inside of the other, is the same in both. Files whose rows are records with \
keys of their own are skipped: .jsonl (.jsonl.zst, .ndjson), .csv, .tsv, .parquet, .arrow and .feather. A file of which records were deleted by hand is read \
again, unless it was last read by a version of this program that did not count its records.

A line of a .jsonl (.jsonl.zst, .ndjson) file is a record:

  {\"key\": \"k1\", \"title\": \"...\", \"text\": \"...\", \"metadata\": {\"year\": 1969}, \"vectors\": {\"text\": [0.1, 0.2]}}

The first line may be the settings of an export, which are passed over. All but `text` may be left out; `blob` (base64) may stand in its place; {\"fields\": {\"abstract\": \"...\"}} are texts that are found like the title, each in a field \
that the artifact gets if it has none of that name; other names are errors. With --text-field or --key-field, lines are objects of any shape: \
the key and the text are the values of these names, `title` and what --field names are texts like it, and all else is metadata.

A row of a .csv or .tsv file is a record in that way: the first row names the columns. A column is numbers, or true and false, where all of its values are; what is \
empty is left out.

A row of a .parquet, .arrow or .feather file is a record in that way too, where this program is built with the feature arrow. Its columns metadata (JSON, structs or maps), blob, field_NAME and vector_NAME (lists of numbers, all of one \
length) are what they say, as `cart export --parquet` writes them. Others are metadata: bools, numbers, texts, lists, structs and maps as they are, dates and timestamps as texts, which are compared as times unless they have no time zone, decimals \
of more than 15 digits as texts, null as nothing. NaN, binary, times of day, durations, unions, and times before the year 0 or after 9999 are errors that name the column; but durations in .parquet, which has no such type, are whole numbers.
Parquet may be compressed with Snappy, gzip, LZ4 or Zstandard, and its schema nested 128 levels deep. Files and streams of Arrow IPC are read; Feather V1 is not, only V2, which is Arrow IPC.

All that one command adds is one commit: after an error, or Ctrl-C before that commit, nothing was added; after Ctrl-C behind it, it is said what is kept. Only --batch, for more than fits in memory, and large \
files with --blob make several commits; then it is said how many records are kept. Vectors from --vectors are all checked before anything is added.";

/// Add texts, records with metadata and vectors, or any files
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Args {
    /// The artifact, a folder; created if there is none
    pub(super) artifact: PathBuf,
    /// Files and folders; - is stdin
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Bring folders that were added before up to date: read what is new, has changed or is missing in the artifact, delete what vanished
    #[arg(long, conflicts_with_all = ["jsonl", "vectors", "key_field", "text_field"])]
    pub(super) sync: bool,
    /// Only files of folders that match, as in a .gitignore; after a ! those that are left out: '*.md', '!drafts/'
    #[arg(long, value_name = "PATTERN")]
    pub(super) glob: Vec<String>,
    /// Only files of folders with these endings: md,txt
    #[arg(long, value_name = "EXT", value_delimiter = ',')]
    pub(super) ext: Vec<String>,
    /// Also files of folders that .gitignore and .ignore files leave out
    #[arg(long)]
    pub(super) no_ignore: bool,
    /// The name of the key in rows of tables, and in lines of JSONL of any shape [default: key]
    #[arg(long, value_name = "NAME", conflicts_with = "blob")]
    pub(super) key_field: Option<String>,
    /// The name of the text in rows of tables, and in lines of JSONL of any shape [default: text]
    #[arg(long, value_name = "NAME", conflicts_with = "blob")]
    pub(super) text_field: Option<String>,
    /// A column of vectors in a file of columns, and its space where that has another name; those named `vector_NAME` are vectors of the space NAME
    #[cfg(feature = "arrow")]
    #[arg(long, value_name = "COLUMN=SPACE", value_parser = values::vector_field, conflicts_with = "blob")]
    pub(super) vector_field: Vec<(String, String)>,
    /// Read every file, and stdin, as JSONL
    #[arg(long)]
    pub(super) jsonl: bool,
    /// Store every file as it is; one above 8 MiB is streamed, and a commit of its own
    #[arg(long, conflicts_with_all = ["jsonl", "split", "vectors"])]
    pub(super) blob: bool,
    /// What of a text is a record [default: paragraph]
    #[arg(long, value_enum)]
    pub(super) split: Option<Split>,
    /// A .npy file (float64, float32, float16 or int8) with a row for each line of the one JSONL file
    #[arg(long, value_name = "NPY", requires = "space")]
    pub(super) vectors: Option<PathBuf>,
    /// The vector space of --vectors
    #[arg(long, value_name = "NAME", requires = "vectors")]
    pub(super) space: Option<String>,
    /// How vectors of a new space are compared: cosine, dot or l2 [default: cosine]
    #[arg(long, value_parser = values::metric)]
    pub(super) metric: Option<Metric>,
    /// How vectors of a new space become codes of a byte a dimension: int8 or rotated-int8 [default: rotated-int8 beyond 64 dimensions]
    #[arg(long, value_parser = values::quantization)]
    pub(super) quantization: Option<Quantization>,
    /// What a new space keeps of vectors beside a byte a dimension: none, residual, f16 or f32 [default: residual]
    #[arg(long, value_parser = values::originals)]
    pub(super) originals: Option<Originals>,
    /// Replace records that have the same key; of a text added by paragraph, all of it. Records without a key are added
    #[arg(long)]
    pub(super) upsert: bool,
    /// Commit every N records; after an error, those committed before it are kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) batch: Option<u64>,
    /// Compression level of zstd, 1 to 22 [default: 3]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(super) level: Option<i32>,
    /// Search texts of a new artifact by the stems of words in this language; none: by words as they are [default: english]
    #[arg(long, value_parser = values::language)]
    pub(super) language: Option<TextLanguage>,
    /// What the metadata of records must be, in an artifact that does not say so yet: a JSON file, see `cart schema`
    #[arg(long, value_name = "FILE", conflicts_with = "sync")]
    pub(super) schema: Option<PathBuf>,
    /// The field of the metadata with the date from which on a record is not there any more, in an artifact that has none yet
    #[arg(long, value_name = "FIELD")]
    pub(super) expires_field: Option<String>,
    /// The model to embed the texts of a new artifact by, where it is not to be that of this program: a file, or a folder of model2vec
    #[arg(long, value_name = "PATH")]
    pub(in crate::commands) model: Option<PathBuf>,
    /// Do not embed the texts of a new artifact: they are found by words only
    #[arg(long, conflicts_with = "model")]
    pub(super) no_meaning: bool,
    /// A field of texts, and how often its words count, 1 to 10, where the artifact does not have it yet [default: 1, of title 2]; in rows of any shape, a value that is one
    #[arg(long, value_name = "NAME=WEIGHT", value_parser = values::field)]
    pub(super) field: Vec<(String, u32)>,
    /// Store for each record which K others are nearest to it, so that `cart similar` need not search for them; 0: none any more
    #[arg(long, value_name = "K")]
    pub(super) precompute_similar: Option<usize>,
    /// Memory that adding and indexing may take, at least 8MiB
    #[arg(long, value_name = "BYTES", value_parser = values::size)]
    pub(super) memory_limit: Option<u64>,
    /// Settings for small devices: files of 8 MiB, 64 MiB of memory
    #[arg(long)]
    pub(super) edge: bool,
    /// When a commit is done: sync (on disk), group:5ms (on disk, syncs shared), buffered (survives a kill, not a power loss)
    #[arg(long, value_parser = values::durability, default_value = "sync")]
    pub(super) durability: Durability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Split {
    /// Each paragraph: lines up to a blank one
    Paragraph,
    /// The whole text
    Whole,
}

impl Args {
    /// What an artifact is created or opened with, but for its spaces and its model.
    pub(super) fn options(&self) -> Result<Options> {
        let mut options =
            if self.edge { Options::edge() } else { Options::new() }.durability(self.durability);
        if let Some(level) = self.level {
            options = options.compression(Compression::Zstd(level));
        }
        if let Some(k) = self.precompute_similar {
            options = options.precompute_similar(k);
        }
        match self.language {
            Some(TextLanguage::Stems(language)) => options = options.language(language),
            Some(TextLanguage::None) => options = options.no_language(),
            None => {}
        }
        if let Some(path) = &self.schema {
            options = options.schema(schema::read(path)?);
        }
        if let Some(field) = &self.expires_field {
            options = options.expires_at(field);
        }
        crate::commands::limited(options, self.memory_limit)
    }

    /// What to say of options that an artifact which is there already does not take.
    pub(super) fn only_for_new(&self) -> Option<&'static str> {
        if self.language.is_some() {
            return Some("--language: the artifact is there already; `cart reindex` changes its language");
        }
        self.no_meaning.then_some(
            "--no-meaning: the artifact is there already, and embeds texts or does not as it was created",
        )
    }

    /// How files are found and taken.
    pub(super) fn taken_as(&self) -> As {
        As {
            blob: self.blob,
            jsonl: self.jsonl,
            globs: self.glob.clone(),
            extensions: self.ext.iter().map(|ext| ext.trim_start_matches('.').to_owned()).collect(),
            no_ignore: self.no_ignore,
            artifact: self.artifact.clone(),
        }
    }

    /// What is what in rows of tables, and of JSONL of any shape.
    pub(super) fn shape(&self) -> Shape {
        let fields = self.field.iter().map(|(name, _)| name.clone()).collect();
        Shape::new(self.key_field.clone(), self.text_field.clone(), fields)
    }
}
