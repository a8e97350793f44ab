//! `cart embed`: texts become vectors.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use compact_artifact::{Embedder, Embeddings, MAX_TEXT_LEN};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::input::{self, npy};
use crate::interrupt;
use crate::model;
use crate::output::{Output, check_new_file, several};

const LONG: &str = "\
Embed texts: every line of a file, or of stdin, is one. Writes a JSON array of numbers for each to stdout, `null` for a text in which the model knows nothing; \
or, with --out, a .npy file (float32, a row for each, zeros for such a text).

The model is the one of this program, by which `cart add` embeds, or that of --model.";

/// Embed texts: lines become vectors
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    /// A text in each line; - is stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    /// A .npy file to write to, which must not exist, instead of stdout
    #[arg(long, value_name = "NPY")]
    out: Option<PathBuf>,
    /// A model: a file, or a folder of model2vec
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
}

/// Texts that are embedded at a time.
const BATCH: usize = 1_000;

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    if let Some(path) = &args.out {
        check_new_file(path)?;
    }
    let model = model::open_or_built_in(args.model.as_deref())?;
    let mut lines = Lines::new(&args.file)?;
    let Some(path) = &args.out else {
        return lines
            .embed(&*model, |embeddings| embeddings.iter().try_for_each(|row| output.json(&json!(row))));
    };
    let mut file = NpyFile::create(path, model.dimension())?;
    let aside = file.out.get_ref().path().to_owned();
    let rows = interrupt::with_aside(&aside, path, || {
        lines.embed(&*model, |embeddings| file.append(embeddings))?;
        file.finish()
    })?;
    let path = path.display().to_string();
    if output.is_json() {
        return output
            .json(&json!({"out": path, "rows": rows, "dimension": model.dimension(), "model": model.id()}));
    }
    output.line(format_args!(
        "wrote {} of {} to {path}",
        several(rows, "vector"),
        several(model.dimension() as u64, "value")
    ))
}

/// The lines of a file.
struct Lines {
    from: Box<dyn BufRead>,
    place: String,
    read: u64,
}

impl Lines {
    fn new(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self { from: Box::new(std::io::stdin().lock()), place: "stdin".to_owned(), read: 0 });
        }
        Ok(Self {
            from: Box::new(BufReader::new(input::open(path)?)),
            place: path.display().to_string(),
            read: 0,
        })
    }

    /// Hands on the embeddings of all lines, some at a time.
    fn embed(
        &mut self,
        model: &dyn Embedder,
        mut found: impl FnMut(&Embeddings) -> Result<()>,
    ) -> Result<()> {
        loop {
            let texts = self.some()?;
            if texts.is_empty() {
                return Ok(());
            }
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            found(&model.embed_documents(&texts).map_err(Failure::failed)?)?;
        }
    }

    /// The next lines; none at the end.
    fn some(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut held = 0;
        while lines.len() < BATCH && held < MAX_TEXT_LEN {
            let mut line = String::new();
            let limit = MAX_TEXT_LEN as u64 + 1;
            let read = std::io::Read::take(&mut self.from, limit).read_line(&mut line);
            self.read += 1;
            let fault = |what: String| Failure::failed(what).at(format_args!("{}:{}", self.place, self.read));
            match read {
                Ok(0) => break,
                Ok(len) if len > MAX_TEXT_LEN => {
                    return Err(fault(format!("a line of more than {MAX_TEXT_LEN} bytes")));
                }
                Ok(len) => held += len,
                Err(e) => return Err(fault(format!("cannot be read: {e}"))),
            }
            let text = line.strip_suffix('\n').unwrap_or(&line);
            lines.push(text.strip_suffix('\r').unwrap_or(text).to_owned());
        }
        Ok(lines)
    }
}

/// A file of rows, written aside and put in its place when it is complete.
struct NpyFile {
    out: BufWriter<tempfile::NamedTempFile<File>>,
    path: PathBuf,
    dimension: usize,
    rows: u64,
}

impl NpyFile {
    fn create(path: &Path, dimension: usize) -> Result<Self> {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let fault =
            |e: std::io::Error| Failure::failed(format_args!("cannot be written: {e}")).at(path.display());
        let mut aside = tempfile::Builder::new();
        // Readable by others as every new file is, unless the umask says otherwise.
        #[cfg(unix)]
        aside.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut out = BufWriter::new(aside.tempfile_in(folder).map_err(fault)?);
        // The number of rows is written over this one.
        out.write_all(&npy::header(0, dimension)).map_err(fault)?;
        Ok(Self { out, path: path.to_owned(), dimension, rows: 0 })
    }

    fn fault(&self, e: &std::io::Error) -> Failure {
        Failure::failed(format_args!("cannot be written: {e}")).at(self.path.display())
    }

    fn append(&mut self, embeddings: &Embeddings) -> Result<()> {
        self.rows += embeddings.len() as u64;
        let values = embeddings.values().iter();
        for value in values {
            self.out.write_all(&value.to_le_bytes()).map_err(|e| self.fault(&e))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<u64> {
        use std::io::{Seek, SeekFrom};
        let header = npy::header(self.rows, self.dimension);
        let written = self
            .out
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.out.write_all(&header))
            .and_then(|()| self.out.flush());
        written.map_err(|e| self.fault(&e))?;
        let (path, rows) = (self.path.clone(), self.rows);
        let file = self.out.into_inner().map_err(|e| {
            Failure::failed(format_args!("cannot be written: {}", e.error())).at(path.display())
        })?;
        file.persist_noclobber(&path).map_err(|e| {
            Failure::failed(format_args!("cannot be written: {}", e.error)).at(path.display())
        })?;
        Ok(rows)
    }
}
