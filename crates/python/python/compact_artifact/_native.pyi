# The types of the native part. `tests/test_stubs.py` compares the names with those that are there.
import datetime
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, ParamSpec, Protocol, TypeAlias, TypedDict, TypeVar, final, overload

from typing_extensions import Buffer, NotRequired, Self, Unpack

__version__: str

P = ParamSpec("P")
T = TypeVar("T")

Path: TypeAlias = str | os.PathLike[str]
Json: TypeAlias = (
    None | bool | int | float | str | datetime.date | Sequence["Json"] | Mapping[str, "Json"]
)
Metadata: TypeAlias = Mapping[str, Any]
Filter: TypeAlias = Mapping[str, Any]
IdOrKey: TypeAlias = int | str
Metric: TypeAlias = Literal["cosine", "dot", "l2"]

class _Array(Protocol):
    def __array__(self) -> Any: ...

class _File(Protocol):
    def read(self, size: int, /) -> bytes: ...

class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

Vector: TypeAlias = Sequence[float] | Buffer | _Array
Vectors: TypeAlias = Sequence[Vector] | Buffer | _Array

class _Embedder(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    def embed(self, texts: list[str], /) -> Vectors: ...

Embedder: TypeAlias = Path | _Embedder

class SpaceOptions(TypedDict):
    dimension: int
    metric: NotRequired[Metric]
    quantization: NotRequired[Literal["int8", "rotated-int8"]]
    originals: NotRequired[Literal["none", "residual", "f16", "f32"]]

class Compaction(TypedDict, total=False):
    dead_percent: int
    budget: int
    quiet: float

FieldType: TypeAlias = Literal["bool", "number", "string", "date"]

class SchemaField(TypedDict):
    type: FieldType
    required: NotRequired[bool]

Schema: TypeAlias = Mapping[str, FieldType | SchemaField]

class Options(TypedDict, total=False):
    spaces: Mapping[str, int | SpaceOptions]
    embedder: Embedder | None
    fields: Mapping[str, int]
    language: str | None
    fold_diacritics: bool
    stop_words: bool
    bm25: tuple[float, float]
    expires_at: str | None
    schema: Schema | None
    compression: str | None
    block_len: int
    segment_len: int
    memory_mapping: bool
    memory_limit: int | None
    durability: Literal["sync", "buffered"] | float
    maintenance: Literal["inline", "background", "manual"]
    auto_compact: bool | Compaction
    busy_timeout: float
    idle_release: float | None
    threads: int
    graph_from: int
    precompute_similar: int
    cache_bytes: int
    result_cache_bytes: int
    result_ttl: float | None
    embedding_cache_bytes: int
    keep_embedding_cache: bool
    seed: int
    edge: bool
    quantization: Literal["int8"]
    on_maintenance_error: Callable[[str], object] | None

class _Rest(TypedDict, total=False):
    key: str | None
    metadata: Metadata | None
    fields: Mapping[str, str] | None
    embeddings: Mapping[str, Vector] | None
    expires_at: datetime.datetime | None

class Record(_Rest, total=False):
    text: str | None
    blob: bytes | bytearray | None

AnyRecord: TypeAlias = str | bytes | bytearray | Record

class _Columns(TypedDict, total=False):
    texts: Iterable[str | None] | None
    keys: Iterable[str | None] | None
    metadata: Iterable[Metadata | None] | None
    embeddings: Mapping[str, Vectors] | None

class _Facet(TypedDict):
    field: str
    limit: NotRequired[int]
    width: NotRequired[float]
    unit: NotRequired[Literal["year", "month", "day", "hour"]]

_Order: TypeAlias = str | tuple[str, Literal["asc", "desc"]]

class _Search(TypedDict, total=False):
    words: str | None
    query: str | None
    meaning: str | None
    vector: Vector | Mapping[str, Vector] | None
    similar_to: int | None
    space: str | None
    filter: Filter | None
    strict_fields: bool
    k: int
    offset: int
    min_score: float | None
    exact: bool
    ef_search: int | None
    recall: float | None
    candidates: int | None
    fusion: Literal["normalized", "reciprocal_rank"] | tuple[Literal["reciprocal_rank"], float] | None
    weights: Mapping[str, float] | None
    fetch: bool
    snippet: int | None
    explain: bool
    order_by: _Order | list[_Order] | None
    total: bool
    facets: list[str | _Facet] | None
    group_by: str | tuple[str, int] | None
    fields: Sequence[str] | None
    deadline: float | None

class Query(_Search, total=False):
    text: str | None

class Receipt(TypedDict):
    commit: int
    ids: list[int]
    deleted: int
    updated: int

class BatchReport(TypedDict):
    records: int
    batches: int

class Range(TypedDict):
    start: int
    end: int

class Damage(TypedDict):
    file: NotRequired[str]
    bytes: NotRequired[Range]
    records: NotRequired[Range]
    shard: NotRequired[int]
    space: NotRequired[str]
    message: str

class RecoveryReport(TypedDict):
    commits_recovered: int
    records_recovered: int
    dropped_len: int
    removed_files: int
    records_indexed: int
    shards_rebuilt: int
    damage: list[Damage]
    is_clean: bool

class SealReport(TypedDict):
    records: int
    shards: int
    damage: list[Damage]

class CompactReport(TypedDict):
    bytes_before: int
    bytes_after: int
    records_dropped: int
    segments_rewritten: int
    shards_rewritten: int

class PackReport(TypedDict):
    bytes: int
    files: int
    hash: str

class UnpackReport(TypedDict):
    files: int
    bytes: int

class VerifyReport(TypedDict):
    files: int
    blocks: int
    left_by_crash: list[str]
    damage: list[Damage]
    is_sound: bool

class SalvageReport(TypedDict):
    records: int
    losses: list[Damage]
    messages: list[str]

class ReembedReport(TypedDict):
    embedded: int
    without: int
    given: int
    damaged: int
    left: int

class ReindexReport(TypedDict):
    records: int
    shards: int
    damaged: int
    left: int

class SpaceStats(TypedDict):
    name: str
    dimension: int
    metric: Metric
    vectors: int
    bytes: int
    graph_bytes: int
    similar_bytes: int
    quantization_ratio: float

class Stats(TypedDict):
    records: int
    tail_records: int
    deleted: int
    commit: int
    segments: int
    shards: int
    tail_shards: int
    disk_bytes: int
    segment_bytes: int
    log_bytes: int
    index_bytes: int
    raw_bytes: int
    compression_ratio: float
    words_bytes: int
    filters_bytes: int
    spaces: list[SpaceStats]
    maintenance_error: str | None
    live_bytes: int
    dead_bytes: int
    other_bytes: int

class MemoryStats(TypedDict):
    tail_bytes: int
    unmapped_bytes: int
    tables_bytes: int
    block_cache_bytes: int
    result_cache_bytes: int
    embedding_cache_bytes: int
    column_bytes: int
    mapped_bytes: int
    searches: int
    searches_from_cache: int
    block_cache_hits: int
    block_cache_misses: int
    hops: int
    distances: int

class CacheUse(TypedDict):
    limit_bytes: int
    bytes: int
    entries: int
    hits: int
    misses: int
    evictions: int

class CacheStats(TypedDict):
    blocks: CacheUse
    results: CacheUse
    embeddings: CacheUse

class Change(TypedDict):
    id: int
    key: str | None
    replaces: NotRequired[int]

class Changes(TypedDict):
    commit: int
    added: list[Change]
    replaced: list[Change]
    updated: list[Change]
    deleted: list[Change]

class FacetCount(TypedDict):
    value: Any
    count: int

class FacetCounts(TypedDict):
    field: str
    counts: list[FacetCount]
    distinct: int
    records: int
    min: Any
    max: Any

class Total(TypedDict):
    records: int
    is_exact: bool

class Snippet(TypedDict):
    field: str | None
    text: str
    highlights: list[Range]  # in characters of `text`
    is_cut_before: bool
    is_cut_after: bool

class ListPlace(TypedDict):
    list: str
    rank: int
    score: float
    in_tail: bool

class ListExplain(TypedDict):
    list: str
    hits: int
    hops: int
    distances: int
    graphs: int
    scans: int
    stored: int
    time: float

class UnknownField(TypedDict):
    field: str
    nearest: str | None

class Explain(TypedDict):
    records: int
    tail_records: int
    shards: int
    filter_matches: int | None
    unknown_fields: list[UnknownField]
    lists: list[ListExplain]
    filter_time: float
    fetch_time: float
    time: float
    blocks_cached: int
    blocks_decoded: int
    range_requests: int
    range_rounds: int
    range_bytes: int

class SpaceInfo(TypedDict):
    dimension: int
    metric: Metric
    quantization: Literal["int8", "rotated-int8"]
    originals: Literal["none", "residual", "f16", "f32"]
    model: str | None

class Bottleneck(TypedDict):
    kind: str
    time: float
    fraction: float
    times: int
    ids: list[int]

class BottleneckMessage(Bottleneck):
    message: str

class LatencyReport(TypedDict):
    calls: int
    time: float
    bottlenecks: list[Bottleneck]

class Holder(TypedDict):
    kind: str
    bytes: int

class MemoryReport(TypedDict):
    holders: list[Holder]
    heap_bytes: int
    mapped_bytes: int
    kept_file_bytes: int

class ReleasedMemory(TypedDict):
    bytes_before: int
    bytes_after: int

class QuantizationStatistics(TypedDict):
    vectors: int
    saturated: float
    mean_cosine_error: float
    worst_cosine_error: float

@final
class CompactArtifact:
    @staticmethod
    def create(path: Path, **options: Unpack[Options]) -> CompactArtifact: ...
    @staticmethod
    def open(path: Path, **options: Unpack[Options]) -> CompactArtifact: ...
    @staticmethod
    def open_or_create(path: Path, **options: Unpack[Options]) -> CompactArtifact: ...
    @staticmethod
    def open_read_only(path: Path, **options: Unpack[Options]) -> CompactArtifact: ...
    @staticmethod
    def open_packed(path: Path | bytes, offset: int = 0, **options: Unpack[Options]) -> CompactArtifact: ...
    def close(self) -> None: ...
    def destroy(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def path(self) -> pathlib.Path: ...
    @property
    def is_read_only(self) -> bool: ...
    @property
    def is_model_at_hand(self) -> bool: ...
    @property
    def commit(self) -> int: ...
    @property
    def recovery(self) -> RecoveryReport: ...
    @property
    def spaces(self) -> dict[str, SpaceInfo]: ...
    @property
    def fields(self) -> dict[str, int]: ...
    @property
    def language(self) -> str | None: ...
    @property
    def fold_diacritics(self) -> bool: ...
    @property
    def schema(self) -> dict[str, FieldType | SchemaField] | None: ...
    @property
    def expires_at(self) -> str | None: ...
    @property
    def precompute_similar(self) -> int: ...

    # Write.
    def add_text(self, text: str, **parts: Unpack[_Rest]) -> int: ...
    def add_blob(self, blob: bytes | bytearray, **parts: Unpack[_Rest]) -> int: ...
    def add_file(self, file: _File, *, key: str | None = None, metadata: Metadata | None = None) -> int: ...
    def add(self, record: AnyRecord | None = None, /, **parts: Unpack[Record]) -> int: ...
    def upsert(self, record: AnyRecord | None = None, /, **parts: Unpack[Record]) -> int: ...
    def add_batch(
        self,
        records: Iterable[AnyRecord] | _ArrowStream | None = None,
        /,
        *,
        batch_size: int | None = None,
        progress: Callable[[int, int | None], object] | None = None,
        upsert: bool = False,
        **columns: Unpack[_Columns],
    ) -> list[int]: ...
    def add_embedding(self, id: int, space: str, vector: Vector) -> None: ...
    def remove_embedding(self, id: int, space: str) -> None: ...
    def update(self, record: IdOrKey, metadata: Metadata) -> bool: ...
    def update_where(self, filter: Filter, metadata: Metadata) -> int: ...
    def delete(self, record: IdOrKey) -> bool: ...
    def delete_where(self, filter: Filter) -> int: ...
    def __delitem__(self, record: IdOrKey) -> None: ...
    def batch(self, *, durability: Literal["sync", "buffered"] | float | None = None) -> Batch: ...
    def batch_writer(
        self,
        *,
        batch_size: int | None = None,
        flush_interval: float | None = None,
        max_memory: int | None = None,
    ) -> BatchWriter: ...
    def sync(self) -> None: ...

    # Set up.
    def add_space(self, name: str, options: int | SpaceOptions) -> None: ...
    def drop_space(self, name: str) -> None: ...
    def rename_space(self, name: str, to: str) -> None: ...
    def add_field(self, name: str, weight: int) -> None: ...
    def set_text_options(
        self,
        *,
        language: str | None = ...,
        fold_diacritics: bool | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> ReindexReport: ...
    def set_schema(self, schema: Schema | None) -> None: ...
    def reembed(
        self,
        embedder: Embedder,
        *,
        progress: Callable[[int, int], object] | None = None,
        lose_given: bool = False,
    ) -> ReembedReport: ...

    # Read.
    def search(self, text: str | None = None, **arguments: Unpack[_Search]) -> SearchResults: ...
    def search_batch(self, queries: list[str | Query]) -> list[SearchResults]: ...
    def get(self, record: IdOrKey) -> Entry | None: ...
    def get_many(self, records: Sequence[IdOrKey]) -> list[Entry | None]: ...
    def id_of_key(self, key: str) -> int | None: ...
    def __getitem__(self, record: IdOrKey) -> Entry: ...
    def __contains__(self, record: IdOrKey) -> bool: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...
    def __iter__(self) -> Iterator[Entry]: ...
    def count(self, filter: Filter) -> int: ...
    def ids_where(self, filter: Filter) -> list[int]: ...
    def records(self, filter: Filter | None = None) -> Iterator[Entry]: ...
    def keys(self, prefix: str = "") -> dict[str, int]: ...
    def values(self, field: str, filter: Filter | None = None) -> list[FacetCount]: ...
    def embedding(self, id: int, space: str) -> list[float] | None: ...
    def embed(self, texts: Sequence[str]) -> list[list[float] | None]: ...
    def audit_recall(
        self, space: str, *, ef_search: Sequence[int], sample: int = 100, k: int = 10
    ) -> list[float]: ...
    def snapshot(self) -> Snapshot: ...
    def refresh(self) -> bool: ...
    def watch(self, timeout: float) -> bool: ...
    def changes_since(self, commit: int) -> Changes | None: ...
    def warm(self, records: Sequence[IdOrKey]) -> None: ...

    # Maintain.
    def seal(self) -> SealReport: ...
    def compact(self, budget: int = 67108864) -> CompactReport: ...
    def pack(self, path: Path) -> PackReport: ...
    def unpack(self, to: Path) -> UnpackReport: ...
    def verify(self, level: Literal["headers", "checksums", "decode"] = "decode") -> VerifyReport: ...
    def stats(self) -> Stats: ...
    def memory_stats(self) -> MemoryStats: ...
    def cache_stats(self) -> CacheStats: ...
    def clear_caches(self) -> None: ...
    def release_memory(self) -> None: ...

    # Awaited.
    async def add_text_async(self, text: str, **parts: Unpack[_Rest]) -> int: ...
    async def add_blob_async(self, blob: bytes | bytearray, **parts: Unpack[_Rest]) -> int: ...
    async def add_async(self, record: AnyRecord | None = None, /, **parts: Unpack[Record]) -> int: ...
    async def upsert_async(self, record: AnyRecord | None = None, /, **parts: Unpack[Record]) -> int: ...
    async def add_batch_async(
        self,
        records: Iterable[AnyRecord] | _ArrowStream | None = None,
        /,
        *,
        batch_size: int | None = None,
        progress: Callable[[int, int | None], object] | None = None,
        upsert: bool = False,
        **columns: Unpack[_Columns],
    ) -> list[int]: ...
    async def update_async(self, record: IdOrKey, metadata: Metadata) -> bool: ...
    async def update_where_async(self, filter: Filter, metadata: Metadata) -> int: ...
    async def delete_async(self, record: IdOrKey) -> bool: ...
    async def delete_where_async(self, filter: Filter) -> int: ...
    async def search_async(self, text: str | None = None, **arguments: Unpack[_Search]) -> SearchResults: ...
    async def search_batch_async(self, queries: list[str | Query]) -> list[SearchResults]: ...
    async def get_async(self, record: IdOrKey) -> Entry | None: ...
    async def get_many_async(self, records: Sequence[IdOrKey]) -> list[Entry | None]: ...
    async def count_async(self, filter: Filter) -> int: ...
    async def refresh_async(self) -> bool: ...
    async def seal_async(self) -> SealReport: ...
    async def compact_async(self, budget: int = 67108864) -> CompactReport: ...
    async def pack_async(self, path: Path) -> PackReport: ...
    async def verify_async(
        self, level: Literal["headers", "checksums", "decode"] = "decode"
    ) -> VerifyReport: ...
    async def reembed_async(
        self,
        embedder: Embedder,
        *,
        progress: Callable[[int, int], object] | None = None,
        lose_given: bool = False,
    ) -> ReembedReport: ...
    async def set_text_options_async(
        self,
        *,
        language: str | None = ...,
        fold_diacritics: bool | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> ReindexReport: ...
    async def set_schema_async(self, schema: Schema | None) -> None: ...
    async def sync_async(self) -> None: ...
    async def close_async(self) -> None: ...

@final
class Batch:
    def add(self, record: AnyRecord | None = None, /, **parts: Unpack[Record]) -> None: ...
    def upsert(self, record: AnyRecord | None = None, /, **parts: Unpack[Record]) -> None: ...
    def delete(self, record: IdOrKey) -> None: ...
    def delete_where(self, filter: Filter) -> None: ...
    def update(self, record: IdOrKey, metadata: Metadata) -> None: ...
    def update_where(self, filter: Filter, metadata: Metadata) -> None: ...
    def add_embedding(self, id: int, space: str, vector: Vector) -> None: ...
    def remove_embedding(self, id: int, space: str) -> None: ...
    def commit(self) -> Receipt: ...
    @property
    def receipt(self) -> Receipt | None: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

@final
class BatchWriter:
    def add(self, record: AnyRecord | None = None, /, **parts: Unpack[Record]) -> None: ...
    def upsert(self, record: AnyRecord | None = None, /, **parts: Unpack[Record]) -> None: ...
    def flush(self) -> None: ...
    def finish(self) -> BatchReport: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

@final
class Entry:
    @property
    def id(self) -> int: ...
    @property
    def key(self) -> str | None: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def fields(self) -> dict[str, str]: ...
    @property
    def is_text(self) -> bool: ...
    @property
    def text(self) -> str: ...
    @property
    def content(self) -> bytes: ...
    def read(self, offset: int, len: int) -> bytes: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...

@final
class Entries:
    def __iter__(self) -> Self: ...
    def __next__(self) -> Entry: ...

@final
class Hit:
    @property
    def id(self) -> int: ...
    @property
    def score(self) -> float: ...
    @property
    def record(self) -> Entry | None: ...
    @property
    def text(self) -> str | None: ...
    @property
    def key(self) -> str | None: ...
    @property
    def metadata(self) -> dict[str, Any] | None: ...
    @property
    def fields(self) -> dict[str, Any]: ...
    @property
    def snippet(self) -> Snippet | None: ...
    @property
    def places(self) -> list[ListPlace]: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class Hits:
    def __iter__(self) -> Self: ...
    def __next__(self) -> Hit: ...

@final
class SearchResults:
    @property
    def hits(self) -> list[Hit]: ...
    @property
    def ids(self) -> list[int]: ...
    @property
    def scores(self) -> list[float]: ...
    @property
    def is_complete(self) -> bool: ...
    @property
    def losses(self) -> list[Damage]: ...
    @property
    def total(self) -> Total | None: ...
    @property
    def facets(self) -> list[FacetCounts]: ...
    @property
    def explain(self) -> Explain | None: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_arrow(self) -> Any: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> list[Hit]: ...
    def __iter__(self) -> Iterator[Hit]: ...

@final
class Snapshot:
    @property
    def commit(self) -> int: ...
    def search(self, text: str | None = None, **arguments: Unpack[_Search]) -> SearchResults: ...
    def search_batch(self, queries: list[str | Query]) -> list[SearchResults]: ...
    def get(self, record: IdOrKey) -> Entry | None: ...
    def get_many(self, records: Sequence[IdOrKey]) -> list[Entry | None]: ...
    def id_of_key(self, key: str) -> int | None: ...
    def __getitem__(self, record: IdOrKey) -> Entry: ...
    def __contains__(self, record: IdOrKey) -> bool: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...
    def __iter__(self) -> Iterator[Entry]: ...
    def count(self, filter: Filter) -> int: ...
    def ids_where(self, filter: Filter) -> list[int]: ...
    def records(self, filter: Filter | None = None) -> Iterator[Entry]: ...
    def keys(self, prefix: str = "") -> dict[str, int]: ...
    def values(self, field: str, filter: Filter | None = None) -> list[FacetCount]: ...
    def embedding(self, id: int, space: str) -> list[float] | None: ...

@final
class Int8Quantizer:
    def __new__(cls, dimension: int, *, metric: Metric | None = None, samples: Vectors | None = None) -> Self: ...
    @property
    def dimension(self) -> int: ...
    def quantize(self, vector: Vector) -> tuple[bytes, float]: ...
    def decode(self, codes: bytes, scale: float) -> list[float]: ...
    def statistics(self, samples: Vectors) -> QuantizationStatistics: ...

@final
class LatencyAnalyzer:
    def __new__(cls, *, min_fraction: float = 0.05) -> Self: ...
    def trace(self, call: Callable[P, T], /, *arguments: P.args, **by_name: P.kwargs) -> T: ...
    def report(self) -> LatencyReport: ...
    def identify_bottlenecks(self) -> list[BottleneckMessage]: ...
    def reset(self) -> None: ...

@final
class MemoryAnalyzer:
    def __new__(
        cls, artifact: CompactArtifact, *, max_age: float | None = None, cache_budget: int | None = None
    ) -> Self: ...
    def report(self) -> MemoryReport: ...
    def detect_leaks(self) -> list[dict[str, Any]]: ...
    def release_memory(self) -> ReleasedMemory: ...

def benchmark(
    path: Path,
    *,
    duration: float = 2.0,
    warm_up: float = 0.5,
    operations: Sequence[Literal["search", "get", "add"]] | None = None,
    kinds: Sequence[Literal["simple", "complex", "multi_modal"]] | None = None,
    clients: Sequence[int] | None = None,
    batch_sizes: Sequence[int] | None = None,
    rates: Sequence[float] | None = None,
    queries: int = 500,
    recall_queries: int = 100,
    seed: int = 1,
) -> tuple[dict[str, Any], str, str]: ...
def salvage(path: Path, to: Path, **options: Unpack[Options]) -> SalvageReport: ...
def unpack(path: Path, to: Path) -> UnpackReport: ...
def verify(path: Path, level: Literal["headers", "checksums", "decode"] = "decode") -> VerifyReport: ...
