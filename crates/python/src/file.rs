//! What a file object of Python reads, for the library.

use std::io::{self, Read};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::wrong_type;

/// How much is asked for at a time.
const PIECE_LEN: usize = 1 << 20;

/// A file object, read by its method `read`.
pub(crate) struct File {
    object: Py<PyAny>,
    /// What was read and not yet taken, from `taken` on.
    piece: Vec<u8>,
    taken: usize,
    raised: Option<PyErr>,
}

impl File {
    pub(crate) fn new(object: Py<PyAny>) -> Self {
        Self { object, piece: Vec::new(), taken: 0, raised: None }
    }

    /// What `read` raised.
    pub(crate) fn raised(self) -> Option<PyErr> {
        self.raised
    }

    fn next_piece(&self) -> PyResult<Vec<u8>> {
        Python::attach(|py| {
            py.check_signals()?;
            let bytes = self.object.bind(py).call_method1("read", (PIECE_LEN,))?;
            let bytes =
                bytes.cast::<PyBytes>().map_err(|_| wrong_type("`read` of a file", "bytes", &bytes))?;
            Ok(bytes.as_bytes().to_vec())
        })
    }
}

impl Read for File {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            match self.next_piece() {
                Ok(piece) => (self.piece, self.taken) = (piece, 0),
                Err(e) => {
                    self.raised = Some(e);
                    return Err(io::Error::other("the file raised an exception"));
                }
            }
        }
        let len = (&self.piece[self.taken..]).read(to)?;
        self.taken += len;
        Ok(len)
    }
}
