"""An embedded artifact store: it keeps texts, blobs, metadata and embeddings, compressed and safe from crashes, and finds them again offline, by words, by
metadata, by meaning, or by all at once. In process: no server, no network, no download.

>>> import tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.artifact"
>>> with CompactArtifact.create(path, embedder="built-in") as notes:
...     ids = notes.add_batch([
...         {"text": "a cat sat on the mat", "key": "cat", "metadata": {"year": 2024}},
...         {"text": "dogs chase cats", "key": "dog", "metadata": {"year": 2026}},
...         {"text": "the stock market fell", "key": "market", "metadata": {"year": 2026}},
...     ])
...     found = notes.search("pets and animals", filter={"year": {"$gte": 2025}}, k=1)
...     print(found[0].key, found[0].text)
dog dogs chase cats
>>> CompactArtifact.open_read_only(path)["cat"].metadata
{'year': 2024}

Options of `create`, `open` and so on, by name. Kept in the artifact; opened with others, it is an error, but for `precompute_similar`, which a writer changes. A space, a field, a
model, a schema or a field of expiry that it does not have yet is added by a writer, and an error for a reader:

- `spaces`: vector spaces, `{"image": 512}` or `{"image": {"dimension": 512, "metric": "l2", "originals": "f16"}}`; metrics are `cosine`, which is the default, `dot` and `l2`, originals `residual`, which is the default, `none`, `f16` and `f32`, and quantization `rotated-int8`, which is the default beyond 64 dimensions, or `int8`
- `embedder`: what embeds texts: `"built-in"`, the path of a model, or an object with `name`, `dimension` and `embed(texts)`, which returns an array. `"built-in"` is at hand by itself when the
  artifact is opened again; where any other model is not given again, words and given vectors work, and texts that are added have no embedding
- `fields`: texts beside the content, `{"title": 2}`, with how often their words count
- `language`: of texts: `"english"` by default; `None`: words as they are; `fold_diacritics`: whether `é` is `e`
- `expires_at`: the field of the metadata with the date from which on a record is not there any more
- `schema`: what the metadata of records must be, `{"year": {"type": "number", "required": True}, "tags": "string"}`; types are `bool`, `number`, `string`, `date`
- `precompute_similar`: how many neighbours of each record are stored
- `seed`: what the identity of the artifact follows from

Of this process; what says how to write is refused where an artifact is only read:

- `durability`: `"sync"`, `"buffered"`, or the seconds that commits wait for one another
- `compression`: `"zstd"`, `"zstd:1"` to `"zstd:22"`, `"lz4"`, `"none"`; `block_len`, `segment_len`: bytes
- `maintenance`: who seals and compacts: `"inline"`, `"background"`, `"manual"`; `auto_compact`: `True`, `False` or `{"dead_percent": 30, "budget": …, "quiet": …}`
- `busy_timeout`, `idle_release`: seconds to wait for another writer, and after which one gives way
- `memory_limit`, `memory_mapping`, `threads`, `graph_from`, `stop_words`, `bm25`
- `cache_bytes`, `result_cache_bytes`, `result_ttl`, `embedding_cache_bytes`, `keep_embedding_cache`
- `edge=True`: small caches and files, for a device
- `quantization`: how vectors are compared: `"int8"`
- `on_maintenance_error`: called with the message of an error of sealing that happens by itself; it must not call the artifact, and what it raises goes to `sys.unraisablehook`
"""

from __future__ import annotations

import os
from typing import Any

from . import _awaited, errors
from ._native import (
    Batch,
    BatchWriter,
    CompactArtifact,
    Entry,
    Hit,
    Int8Quantizer,
    LatencyAnalyzer,
    MemoryAnalyzer,
    SearchResults,
    Snapshot,
    __version__,
    benchmark,
    salvage,
    unpack,
    verify,
)
from .errors import Error

__all__ = [
    "Batch",
    "BatchWriter",
    "CompactArtifact",
    "Entry",
    "Error",
    "Hit",
    "Int8Quantizer",
    "LatencyAnalyzer",
    "MemoryAnalyzer",
    "SearchResults",
    "Snapshot",
    "__version__",
    "benchmark",
    "errors",
    "salvage",
    "unpack",
    "verify",
]

_awaited.add_to(CompactArtifact)


def _opened_anew(path: str | os.PathLike[str], offset: int | None, options: dict[str, Any] | None) -> CompactArtifact:
    """A handle that reads, as it was pickled in another process."""
    given: dict[str, Any] = {} if options is None else options
    if offset is None:
        return CompactArtifact.open_read_only(path, **given)
    return CompactArtifact.open_packed(path, offset, **given)
