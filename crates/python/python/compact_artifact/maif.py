"""The names of MAIF's performance guide: its programs run after `from maif_sdk import …` became `from compact_artifact.maif import …`.

A client is a folder, `folder="."` unless it is named, and an artifact in it is the directory `NAME.artifact`. There is no server and no network: what is said about
them is accepted, and a `MaifWarning` says once that it has no meaning. Sizes are numbers of bytes, or texts as `"512MB"`; times are seconds, or texts as `"100ms"`.

>>> import asyncio, tempfile
>>> async def example():
...     async with create_client(folder=tempfile.mkdtemp()) as client:
...         artifact = await client.create_artifact("notes")
...         await artifact.add_text("dogs chase cats", metadata={"year": 2026})
...         found = await artifact.search("pets and animals")
...         return found[0].text
>>> asyncio.run(example())
'dogs chase cats'
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import pathlib
import re
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import compact_artifact as core

from . import errors

__all__ = [
    "Artifact",
    "BatchProcessor",
    "Bottleneck",
    "CacheManager",
    "Client",
    "CompactArtifact",
    "EmbeddingCache",
    "LatencyAnalyzer",
    "MaifWarning",
    "MemoryAnalyzer",
    "PerformanceBenchmark",
    "QuantizedEmbedding",
    "QuantizedEmbeddings",
    "create_client",
]

T = TypeVar("T")

EMBEDDINGS = "embeddings"
"""The vector space of embeddings for which no other is named."""


class MaifWarning(UserWarning):
    """Something that has no meaning here was accepted."""


_warned: set[str] = set()


def _no_meaning(what: str, why: str) -> None:
    """Says once that something has no meaning."""
    if what not in _warned:
        _warned.add(what)
        warnings.warn(f"{what} has no meaning here: {why}", MaifWarning, stacklevel=3)


_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_TIMES = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "m": 60.0, "min": 60.0, "h": 3600.0}


def _size(value: int | str) -> int:
    """A number of bytes.

    >>> _size("2GB"), _size("64 KiB"), _size(10)
    (2000000000, 65536, 10)
    """
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value)
    if match is None or match[2].upper() not in _SIZES:
        raise errors.InvalidArgumentError(f"a size: expected bytes, or a text as 512MB, found {value!r}")
    return int(float(match[1]) * _SIZES[match[2].upper()])


def _seconds(value: float | str) -> float:
    """A time in seconds.

    >>> _seconds("100ms"), _seconds("1h"), _seconds(2)
    (0.1, 3600.0, 2.0)
    """
    if not isinstance(value, str):
        return float(value)
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", value)
    if match is None or match[2] not in _TIMES:
        raise errors.InvalidArgumentError(f"a time: expected seconds, or a text as 100ms, found {value!r}")
    return float(match[1]) * _TIMES[match[2]]


def _is_int8(what: str, value: str) -> None:
    if value != "int8":
        raise errors.InvalidArgumentError(f"{what}: expected int8, found {value!r}")


class CacheManager:
    """Three levels of caches: blocks and results in memory, files in the memory of the system, files on the disk."""

    def __init__(
        self,
        l1_cache: str | int | None = None,
        l2_cache: str | None = None,
        l3_cache: str | None = None,
        cache_policy: str = "lru",
        cache_size: int | str | None = None,
        cache_ttl: float | str | None = None,
    ) -> None:
        if l1_cache is not None and cache_size is not None:
            raise errors.InvalidArgumentError("cache_size: expected one of l1_cache and cache_size")
        size = next((size for size in (l1_cache, cache_size) if size is not None), "20MB")
        self.bytes = _size(size.removeprefix("memory://") if isinstance(size, str) else size)
        self.ttl = None if cache_ttl is None else _seconds(cache_ttl)
        if cache_policy.lower() != "lru":
            raise errors.InvalidArgumentError(f"cache_policy: expected lru, found {cache_policy!r}")
        if l2_cache is not None:
            _no_meaning(f"l2_cache={l2_cache!r}", "processes share the files that the system keeps in memory")
        if l3_cache is not None:
            _no_meaning(f"l3_cache={l3_cache!r}", "the artifact itself is on the disk, and compressed")


class EmbeddingCache:
    """Embeddings of texts that are kept, so that a text that comes again is not embedded again."""

    def __init__(
        self,
        cache_size: int | str = "1MB",
        precompute_similar: bool | int = False,
        quantization: str = "int8",
    ) -> None:
        _is_int8("quantization", quantization)
        self.bytes = _size(cache_size)
        self.similar = 10 if precompute_similar is True else int(precompute_similar)


def create_client(
    endpoint: str | None = None,
    *,
    folder: str | os.PathLike[str] = ".",
    embedder: Any = "built-in",
    batch_size: int | None = None,
    auto_batch: bool = False,
    batch_timeout: float | str | None = None,
    compression: bool | str | None = True,
    compression_level: int | None = None,
    max_workers: int | None = None,
    max_concurrent_requests: int = 8,
    enable_caching: bool = True,
    cache_size: int | str | None = None,
    cache_ttl: float | str | None = None,
    cache_manager: CacheManager | None = None,
    embedding_cache: EmbeddingCache | None = None,
    processing_mode: str | None = None,
    async_mode: bool = True,
    **network: Any,
) -> Client:
    """A client: the artifacts in a folder, and how they are opened.

    `max_workers` are the threads that compress and index, `max_concurrent_requests` the calls that are carried out at a time. With `auto_batch` texts that are added at
    the same time become one commit, when there are `batch_size` (1,000) of them or `batch_timeout` (10 ms) is over.
    """
    if endpoint is not None:
        _no_meaning("endpoint", "there is no server; artifacts are in `folder`")
    known = {"connection_pool_size", "keep_alive", "max_connections", "timeout", "max_retries"}
    for name in network:
        if name not in known:
            raise TypeError(f"create_client() got an unexpected keyword argument {name!r}")
        _no_meaning(name, "there is no network")
    if processing_mode is not None and processing_mode != "parallel":
        raise errors.InvalidArgumentError(f"processing_mode: expected parallel, found {processing_mode!r}")
    if not async_mode:
        raise errors.InvalidArgumentError("async_mode: calls of this module are awaited; `compact_artifact` has those that are not")
    for name, value in (("batch_size", batch_size), ("batch_timeout", batch_timeout)):
        if value is not None and not auto_batch:
            _no_meaning(name, "without auto_batch each call is a commit")
    options: dict[str, Any] = {"embedder": embedder, "compression": _compression(compression, compression_level)}
    if max_workers is not None:
        options["threads"] = max_workers
    options.update(_caches(enable_caching, cache_size, cache_ttl, cache_manager, embedding_cache))
    size, timeout = 1000 if batch_size is None else batch_size, "10ms" if batch_timeout is None else batch_timeout
    return Client(folder, options, size if auto_batch else None, _seconds(timeout), max_concurrent_requests)


def _compression(compression: bool | str | None, level: int | None) -> str:
    name = compression if isinstance(compression, str) else "zstd" if compression else "none"
    if level is not None and name == "zstd":
        return f"zstd:{level}"
    if level is not None:
        _no_meaning("compression_level", f"{name} has one level")
    return name


def _caches(
    enable: bool,
    size: int | str | None,
    ttl: float | str | None,
    manager: CacheManager | None,
    embeddings: EmbeddingCache | None,
) -> dict[str, Any]:
    given = {"cache_size": size, "cache_ttl": ttl, "cache_manager": manager, "embedding_cache": embeddings}
    without = () if not enable else ("cache_manager", "embedding_cache") if manager is not None else tuple(given)
    for name, value in given.items():
        if value is not None and name not in without:
            other = "cache_manager" if enable else "enable_caching=False"
            raise errors.InvalidArgumentError(f"{name} would have no effect beside {other}")
    if not enable:
        return {"cache_bytes": 0, "result_cache_bytes": 0, "embedding_cache_bytes": 0}
    options: dict[str, Any] = {}
    if manager is None and (size is not None or ttl is not None):
        manager = CacheManager(cache_size="20MB" if size is None else size, cache_ttl=ttl)
    if manager is not None:
        options["cache_bytes"] = manager.bytes - manager.bytes // 8
        options["result_cache_bytes"] = manager.bytes // 8
        if manager.ttl is not None:
            options["result_ttl"] = manager.ttl
    if embeddings is not None:
        options["embedding_cache_bytes"] = embeddings.bytes
        if embeddings.similar:
            options["precompute_similar"] = embeddings.similar
    return options


class Client:
    """The artifacts in a folder: see `create_client`."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        options: Mapping[str, Any],
        batch_size: int | None,
        batch_timeout: float,
        requests: int,
    ) -> None:
        self.folder = pathlib.Path(folder)
        self.options = dict(options)
        self.batch_size = batch_size
        self.batch_timeout = batch_timeout
        self.artifacts: dict[str, Artifact] = {}
        self._executor = ThreadPoolExecutor(requests, thread_name_prefix="compact-artifact")
        _clients.add(self)

    def path(self, name: str) -> pathlib.Path:
        """Where an artifact is."""
        if not name or "/" in name or os.sep in name or name.startswith("."):
            raise errors.InvalidArgumentError(f"the name of an artifact: expected one of a file, found {name!r}")
        return self.folder / f"{name}.artifact"

    async def create_artifact(self, name: str, **options: Any) -> Artifact:
        """Creates an artifact. One that is there already is an `AlreadyExistsError`."""
        return await self._opened(name, core.CompactArtifact.create, options)

    async def get_artifact(self, name: str, **options: Any) -> Artifact:
        """An artifact that is there already. One that this client has open is the same one, and its options stay what they are."""
        artifact = self.artifacts.get(name)
        if artifact is not None and not artifact.inner.closed:
            for option, value in options.items():
                if option not in artifact.options or artifact.options[option] != value:
                    raise errors.InvalidArgumentError(f"{option}: this client has the artifact open, without {value!r}")
            return artifact
        return await self._opened(name, core.CompactArtifact.open, options)

    async def _opened(
        self, name: str, open: Callable[..., core.CompactArtifact], options: Mapping[str, Any]
    ) -> Artifact:
        path = self.path(name)
        if name in self.artifacts and not self.artifacts[name].inner.closed:
            raise errors.AlreadyExistsError(f"{path}: this client has the artifact open")
        options = {**self.options, **options}
        inner = await self.run(functools.partial(open, path, **options))
        self.artifacts[name] = artifact = Artifact(self, name, inner, options)
        return artifact

    async def run(self, call: Callable[[], T]) -> T:
        """Carries a call out by a thread of the client."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def warm_cache(self, keys: Iterable[tuple[str, int]]) -> None:
        """Reads records, named as `Bottleneck.keys` does, so that the cache has them."""
        for name, block in keys:
            await (await self.get_artifact(name)).warm([block])

    async def optimize_network_settings(self) -> None:
        """Does nothing, and says so once."""
        _no_meaning("optimize_network_settings", "there is no network")

    async def cleanup_memory(self) -> None:
        """Lets go of caches, and of room that searches keep."""
        for artifact in self._open():
            await self.run(artifact.inner.release_memory)

    def _open(self) -> list[Artifact]:
        return [artifact for artifact in self.artifacts.values() if not artifact.inner.closed]

    async def close(self) -> None:
        """Commits what waits and closes all artifacts, which makes the next opening quick; nothing that was committed is lost without."""
        for artifact in self._open():
            await artifact.close()
        self._executor.shutdown(wait=False)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for client in list(_clients):
        for artifact in client.artifacts.values():
            try:
                artifact.inner.close()
            except core.Error:
                pass  # Nothing that was acknowledged is lost; the next opening recovers.


@dataclass(frozen=True)
class MemoryStats:
    """What an artifact takes."""

    total_mb: float
    """Memory, in megabytes."""
    disk_mb: float
    """Files, in megabytes."""
    compression_ratio: float
    """Bytes of records before compression to those of their files; 1.0 before the first is sealed."""


def _content(item: Any) -> dict[str, Any]:
    """A record from a text, a dict with the parts of one, or an object with `content` and `metadata`."""
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, dict):
        # A part that is none is refused by the library.
        rest = {"text" if name == "content" else name: value for name, value in item.items()}
        if item.get("content") is not None and item.get("text") is not None:
            raise errors.InvalidArgumentError("a document: expected one of `content` and `text`")
        return {**rest, "text": item.get("text") if item.get("content") is None else item["content"]}
    names = ("content", "text", "metadata", "key")
    parts: dict[str, Any] = {name: getattr(item, name, None) for name in names}
    content = parts.pop("content")
    record = {**parts, "text": parts["text"] if content is None else content}
    if not isinstance(record["text"], str):
        raise TypeError(f"a document: expected a str, or `content`, found {type(item).__name__}")
    return record


class Artifact:
    """An artifact, whose calls are awaited. `inner` is the same one as `compact_artifact.CompactArtifact`."""

    def __init__(self, client: Client, name: str, inner: core.CompactArtifact, options: Mapping[str, Any]) -> None:
        self.client = client
        self.name = name
        self.inner = inner
        self.options = options
        self.analyzer = core.LatencyAnalyzer()
        self._pending: list[tuple[dict[str, Any], asyncio.Future[int]]] = []
        self._flushing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def _call(self, call: Callable[..., T], /, *arguments: Any, **by_name: Any) -> T:
        traced = functools.partial(self.analyzer.trace, call, *arguments, **by_name)
        return cast(T, await self.client.run(traced))

    async def add_text(self, content: str, metadata: Mapping[str, Any] | None = None, **parts: Any) -> int:
        """Adds a text, and returns its id."""
        record = {"text": content, "metadata": metadata, **parts}
        if self.client.batch_size is None:
            return await self._call(self.inner.add, record)
        return await self._add_batched(record, self.client.batch_size)

    async def add_text_compressed(
        self, content: str, metadata: Mapping[str, Any] | None = None, **parts: Any
    ) -> int:
        """What `add_text` does: all is compressed."""
        return await self.add_text(content, metadata, **parts)

    async def _add_batched(self, record: dict[str, Any], batch_size: int) -> int:
        """Adds a record together with those that others add at the same time."""
        if self.inner.closed:
            raise errors.ClosedError("the artifact was closed; open another one")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        self._pending.append((record, done))
        if len(self._pending) >= batch_size:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(self.client.batch_timeout, self._flush)
        return await done

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._pending = self._pending, []
        task = asyncio.get_running_loop().create_task(self._commit(batch))
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _commit(self, batch: list[tuple[dict[str, Any], asyncio.Future[int]]]) -> None:
        """Commits records together. If one of them cannot be stored, each is tried alone, so that only that one fails."""
        wanted = [(record, done) for record, done in batch if not done.cancelled()]
        try:
            ids = await self._call(self.inner.add_batch, [record for record, _ in wanted])
        except Exception as error:  # whoever added it waits for an answer
            if len(wanted) > 1:
                for one in wanted:
                    await self._commit([one])
            elif wanted and not wanted[0][1].done():
                wanted[0][1].set_exception(error)
            return
        except BaseException as error:  # what ends the program
            for _, done in wanted:
                if not done.done():
                    done.set_exception(error)
            raise
        for (_, done), id in zip(wanted, ids, strict=True):
            if not done.done():
                done.set_result(id)

    async def add_embedding(self, embedding: Any, block_id: int, space: str = EMBEDDINGS) -> None:
        """Gives a record an embedding, in a space that is made for it if there is none."""
        values: list[float] = embedding.decode() if isinstance(embedding, QuantizedEmbedding) else embedding
        if space not in self.inner.spaces:
            await self._call(self.inner.add_space, space, len(values))
        await self._call(self.inner.add_embedding, block_id, space, values)

    async def add_batch(self, documents: Iterable[Any]) -> list[int]:
        """Adds documents, all of them or none: texts, or dicts or objects with `content` and `metadata`. Returns their ids."""
        return await self._call(self.inner.add_batch, [_content(item) for item in documents])

    async def add_text_batch(self, documents: Iterable[Any]) -> list[int]:
        """What `add_batch` does."""
        return await self.add_batch(documents)

    async def search(self, query: str | None = None, **arguments: Any) -> core.SearchResults:
        """Looks for texts by their words and their meaning; everything else is as for `compact_artifact.CompactArtifact.search`."""
        return await self._call(self.inner.search, query, **arguments)

    async def search_async(self, query: str | None = None, **arguments: Any) -> core.SearchResults:
        """What `search` does."""
        return await self.search(query, **arguments)

    async def generate_embedding(self, content: str) -> list[float] | None:
        """The vector of a text, as the embedder of the artifact gives it; `None` if the model knows nothing in it."""
        return (await self._call(self.inner.embed, [content]))[0]

    async def get_blocks_cached(self, block_ids: Sequence[int]) -> list[core.Entry | None]:
        """Records by their ids, from the cache where it has them."""
        return await self._call(self.inner.get_many, list(block_ids))

    async def warm(self, block_ids: Sequence[int]) -> None:
        """Reads records, so that the cache has them."""
        await self._call(self.inner.warm, list(block_ids))

    async def get_memory_stats(self) -> MemoryStats:
        """Memory, files and compression."""
        memory, stats = self.inner.memory_stats(), self.inner.stats()
        parts = ("tail", "unmapped", "tables", "block_cache", "result_cache", "embedding_cache", "column")
        heap = sum(cast(dict[str, int], memory)[f"{part}_bytes"] for part in parts)
        ratio = stats["compression_ratio"] if stats["segments"] else 1.0
        return MemoryStats(heap / 1e6, stats["disk_bytes"] / 1e6, ratio)

    async def close(self) -> None:
        """Commits what waits, and closes the artifact."""
        if self._pending:
            self._flush()
        await asyncio.gather(*self._flushing)
        await self.client.run(self.inner.close)


class CompactArtifact:
    """How artifacts of a client are created and opened: compressed, with embeddings of ten bits a dimension, mapped into memory."""

    def __init__(
        self,
        client: Client,
        compression: bool | str | None = True,
        quantization: str = "int8",
        memory_mapping: bool = True,
    ) -> None:
        _is_int8("quantization", quantization)
        self.client = client
        self.options: dict[str, Any] = {"memory_mapping": memory_mapping}
        # The client says at which level.
        name = _compression(compression, None)
        if name != client.options["compression"].partition(":")[0]:
            self.options["compression"] = name

    async def create(self, name: str) -> Artifact:
        """Creates an artifact."""
        return await self.client.create_artifact(name, **self.options)

    async def get(self, name: str) -> Artifact:
        """An artifact that is there already."""
        return await self.client.get_artifact(name, **self.options)


class BatchProcessor:
    """Adds documents in batches: a commit when `batch_size` of them wait, or one has for `flush_interval`; who adds more than `max_memory` waits."""

    def __init__(
        self,
        client: Client,
        batch_size: int = 1000,
        flush_interval: float | str | None = None,
        max_memory: int | str = "16MB",
    ) -> None:
        self.client = client
        self.options: dict[str, Any] = {"batch_size": batch_size, "max_memory": _size(max_memory)}
        if flush_interval is not None:
            self.options["flush_interval"] = _seconds(flush_interval)
        self._writers: dict[Artifact, core.BatchWriter] = {}

    async def add_text_batch(self, artifact: Artifact, documents: Iterable[Any]) -> None:
        """Adds documents. They are committed when the `async with` ends, at the latest."""
        writer = self._writers.get(artifact)
        if writer is None:
            writer = self._writers[artifact] = artifact.inner.batch_writer(**self.options)
        records = [_content(item) for item in documents]

        def add() -> None:
            for record in records:
                writer.add(cast(Any, record))

        await self.client.run(add)

    async def finish(self) -> dict[str, Any]:
        """Commits what waits, and says how many `records` and `batches` were committed, by the names of the artifacts."""
        writers, self._writers = self._writers, {}
        calls = (self.client.run(writer.finish) for writer in writers.values())
        reports = await asyncio.gather(*calls, return_exceptions=True)
        for report in reports:
            if isinstance(report, BaseException):
                raise report
        return {artifact.name: report for artifact, report in zip(writers, reports, strict=True)}

    async def __aenter__(self) -> BatchProcessor:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.finish()


@dataclass(frozen=True)
class QuantizedEmbedding:
    """An embedding as codes of a byte a dimension."""

    codes: bytes
    scale: float
    quantizer: core.Int8Quantizer = field(repr=False)

    def decode(self) -> list[float]:
        """What the codes stand for."""
        return self.quantizer.decode(self.codes, self.scale)

    def __len__(self) -> int:
        return len(self.codes)


class QuantizedEmbeddings:
    """Turns embeddings into codes of a byte a dimension, with the range that each dimension has in `calibration_data`."""

    def __init__(self, precision: str = "int8", calibration_data: Any = None) -> None:
        _is_int8("precision", precision)
        self.precision = precision
        self._quantizer: core.Int8Quantizer | None = None
        if calibration_data is not None:
            samples: Any = list(calibration_data)
            if not samples:
                raise errors.InvalidArgumentError("calibration_data: expected at least one embedding")
            self._quantizer = core.Int8Quantizer(len(samples[0]), metric="l2", samples=samples)

    def quantize(self, embedding: Any) -> QuantizedEmbedding:
        """The codes of an embedding."""
        if self._quantizer is None:
            self._quantizer = core.Int8Quantizer(len(embedding), metric="l2")
        codes, scale = self._quantizer.quantize(embedding)
        return QuantizedEmbedding(codes, scale, self._quantizer)


@dataclass(frozen=True)
class Report:
    """What a benchmark measured."""

    max_throughput: float
    """Megabytes of content a second, at the most; 0 without a measurement of adding."""
    p95_latency: float
    """Milliseconds that 95 % of the searches took no longer than, with the slowest kind of queries; 0 without a measurement of searching."""
    results: Mapping[str, Any]
    """What it follows from."""


class PerformanceBenchmark:
    """Measures an artifact of a client, the one that was opened last unless another is named, with its own records."""

    def __init__(
        self,
        client: Client,
        test_duration: float | str = "60s",
        warmup_duration: float | str = "10s",
        metrics: Sequence[str] = ("throughput", "latency", "memory", "cpu"),
        artifact: str | None = None,
    ) -> None:
        unknown = set(metrics) - {"throughput", "latency", "memory", "cpu"}
        if unknown:
            raise errors.InvalidArgumentError(f"metrics: expected throughput, latency, memory, cpu, found {sorted(unknown)}")
        self.client = client
        self.metrics = tuple(metrics)
        self.artifact = artifact
        self.options: dict[str, Any] = {"duration": _seconds(test_duration), "warm_up": _seconds(warmup_duration)}

    async def _measured(self, **options: Any) -> tuple[list[dict[str, Any]], Artifact]:
        name = self.artifact or next(reversed(self.client.artifacts), None)
        if name is None:
            raise errors.InvalidArgumentError("a benchmark: expected a client with an artifact, or its name")
        artifact = await self.client.get_artifact(name)
        measure = functools.partial(
            core.benchmark, artifact.inner.path, rates=[], recall_queries=0, **self.options, **options
        )
        report, _, _ = await self.client.run(measure)
        return report["runs"], artifact

    def _row(self, run: Mapping[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {"clients": run["clients"], "batch_size": run["batch"], "per_second": run["throughput"]}
        if "cpu" in self.metrics:
            row["cpu_seconds"] = run["cost"]["cpu_seconds"]
        if "memory" in self.metrics:
            row["resident_bytes"] = run["cost"]["resident_bytes"]
        return row

    async def test_throughput(
        self,
        operation: str = "add_text",
        batch_sizes: Sequence[int] = (100, 500, 1000, 2000),
        concurrent_clients: Sequence[int] = (1, 2, 4),
    ) -> list[dict[str, Any]]:
        """Operations a second: of `"add_text"` with each size of batches, or of `"search"` or `"get"`; with each number of clients."""
        operations = {"add_text": "add", "add": "add", "search": "search", "get": "get"}
        if operation not in operations:
            raise errors.InvalidArgumentError(f"operation: expected add_text, search or get, found {operation!r}")
        runs, artifact = await self._measured(
            operations=[operations[operation]],
            kinds=["simple"],
            batch_sizes=list(batch_sizes),
            clients=list(concurrent_clients),
        )
        rows = [self._row(run) for run in runs]
        if operations[operation] == "add":
            mean = await self.client.run(functools.partial(_mean_len, artifact.inner))
            for row in rows:
                row["mb_per_second"] = row["per_second"] * mean / 1e6
        return rows

    async def test_latency(
        self,
        operation: str = "search",
        query_types: Sequence[str] = ("simple", "complex", "multi_modal"),
        percentiles: Sequence[float] = (50, 90, 95, 99),
    ) -> list[dict[str, Any]]:
        """Milliseconds of `"search"` with each kind of queries, or of `"get"`, by percentiles: 50, 90, 95, 99, 99.9."""
        if operation not in ("search", "get"):
            raise errors.InvalidArgumentError(f"operation: expected search or get, found {operation!r}")
        names = {50: "p50", 90: "p90", 95: "p95", 99: "p99", 99.9: "p999"}
        unknown = [percentile for percentile in percentiles if percentile not in names]
        if unknown:
            raise errors.InvalidArgumentError(f"percentiles: expected 50, 90, 95, 99, 99.9, found {unknown}")
        runs, _ = await self._measured(operations=[operation], kinds=list(query_types), clients=[1])
        return [
            {
                **self._row(run),
                "query_type": run["kind"],
                "percentiles": {percentile: run["latency"][names[percentile]] * 1e3 for percentile in percentiles},
                "p95": run["latency"]["p95"] * 1e3,
            }
            for run in runs
        ]

    def generate_report(self, results: Mapping[str, Any]) -> Report:
        """The most throughput and the latency of what was measured."""
        throughput = [row["mb_per_second"] for row in results.get("throughput", []) if "mb_per_second" in row]
        latency = [row["p95"] for row in results.get("latency", [])]
        return Report(max(throughput, default=0.0), max(latency, default=0.0), results)


def _mean_len(artifact: core.CompactArtifact) -> float:
    """Bytes of content of a record, of the first 1,000."""
    lens = [len(entry) for entry, _ in zip(artifact, range(1000))]
    return sum(lens) / max(len(lens), 1)


@dataclass(frozen=True)
class Bottleneck:
    """What a part of the time of calls went to."""

    type: str
    """`cache_miss`, `page_fault`, `decompression`, `low_selectivity`, `unindexed_tail`, `fsync`, `lock_wait`."""
    keys: list[tuple[str, int]]
    """Of `cache_miss`: the artifact and the id of each record that the cache did not have."""
    fraction: float
    """The part of the time, 0 to 1."""
    artifact: str
    message: str
    """A sentence, with what to do about it."""


class LatencyAnalyzer:
    """Finds what makes calls of a client slow, since it was created."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def identify_bottlenecks(self) -> list[Bottleneck]:
        """What takes a part of the time that is worth a change, the most first."""
        bottlenecks = [
            Bottleneck(
                found["kind"],
                [(artifact.name, id) for id in found["ids"]],
                found["fraction"],
                artifact.name,
                found["message"],
            )
            for artifact in self.client.artifacts.values()
            for found in artifact.analyzer.identify_bottlenecks()
        ]
        return sorted(bottlenecks, key=lambda found: -found.fraction)


class MemoryAnalyzer:
    """Finds what holds more memory, or longer, than it should, in the artifacts of a client."""

    def __init__(self, client: Client, max_age: float | str = "1min") -> None:
        self.client = client
        self.max_age = _seconds(max_age)

    async def detect_leaks(self) -> list[dict[str, Any]]:
        """Snapshots and records that wait for longer than `max_age`, files that were replaced and are still held; each with the `artifact` and a `message`."""
        leaks: list[dict[str, Any]] = []
        for artifact in self.client.artifacts.values():
            if not artifact.inner.closed:
                found = core.MemoryAnalyzer(artifact.inner, max_age=self.max_age).detect_leaks()
                leaks.extend({"artifact": artifact.name, **leak} for leak in found)
        return leaks
