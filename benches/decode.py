#!/usr/bin/env python3
"""An independent decoder of an artifact, written from docs/FORMAT.md alone: the proof that the document is complete.

    pip install zstandard xxhash        (and lz4, for artifacts with blocks of that codec)
    python3 benches/decode.py ARTIFACT_DIR [--json]

Verifies every checksum, hash, chain, table, footer and manifest rule and prints a line per live record in the order of
ids: `<id> <length> <XXH3-128 of the content, in hex>`; a summary goes to stderr. With --json, one object with both goes
to stdout. At the first violation: its file and offset to stderr, exit code 1. A torn tail is not one; it is dropped.
"""

import json
import mmap
import os
import re
import struct
import sys
import zlib
from dataclasses import dataclass, field
from typing import Iterator, NamedTuple, NoReturn

import xxhash
import zstandard

MANIFEST_MAGIC, FILE_MAGIC = bytes.fromhex("894341524D0D0A1A"), bytes.fromhex("89434152540D0A1A")
SEGMENT_MAGIC, PART_MAGIC = bytes.fromhex("89434152460D0A1A"), bytes.fromhex("89434152500D0A1A")
BLOCK_MAGIC = bytes.fromhex("0CB1")
LOG, SEGMENT = 1, 2
RECORDS, FRAME, DELETES, COMMIT, DICTIONARY = 1, 2, 3, 4, 5
FILE_HEADER, BLOCK_HEADER, COMMIT_LEN, MANIFEST_MAX, RAW_MAX, PART_CHUNK = 4096, 32, 64, 16 << 20, 2 << 20, 4096
DICTIONARY_MAX = 128 << 10
DELETED_PART = 1
MANIFEST_HEADER = struct.Struct("<8sHHI16sQQIII4x")
FILE_FIELDS = struct.Struct("<8sIHH16sQII")
BLOCK_FIELDS = struct.Struct("<2sBBIIIQII")
LARGE = struct.Struct("<QII")
COMMIT_FIELDS = struct.Struct("<QQQQQQ16s")
TABLE_ENTRY = struct.Struct("<QI")
SEGMENT_FOOTER = struct.Struct("<8sQIIQQQQ20x16sI")
PART_FOOTER = struct.Struct("<8sQIIQ12x16sI")


class Violation(Exception):
    """The document is not kept here."""


class SegmentEntry(NamedTuple):
    file: int
    length: int
    hash: bytes
    first_id: int
    last_id: int
    records: int
    raw_len: int


class PartEntry(NamedTuple):
    file: int
    length: int
    hash: bytes
    kind: int
    tag: int


class LogEntry(NamedTuple):
    file: int
    checkpoint: int
    chain: bytes
    seq: int
    next_id: int


SEGMENT_ENTRY, PART_ENTRY, LOG_ENTRY = struct.Struct("<QQ16sQQQQ"), struct.Struct("<QQ16sI4xQ"), struct.Struct("<QQ16sQQ")


@dataclass
class Manifest:
    name: str
    artifact: bytes
    generation: int
    segments: list[SegmentEntry]
    parts: list[PartEntry]
    logs: list[LogEntry]


class Block(NamedTuple):
    offset: int
    kind: int
    count: int
    first_id: int
    raw: bytes
    end: int


class Record(NamedTuple):
    length: int
    hash: str


@dataclass
class State:
    """What was found so far."""

    records: dict[int, Record] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    commits: int = 0
    dropped: int = 0


def xxh(*parts: bytes | memoryview) -> bytes:
    hasher = xxhash.xxh3_128()
    for part in parts:
        hasher.update(part)
    return hasher.intdigest().to_bytes(16, "little")


class File:
    """A file of an artifact, and the words for what is wrong in it."""

    def __init__(self, directory: str, name: str, artifact: bytes = b"", number: int = 0):
        self.name, self.artifact, self.number = name, artifact, number
        self.dictionary: zstandard.ZstdCompressionDict | None = None
        try:
            with open(os.path.join(directory, name), "rb") as file:
                empty = os.fstat(file.fileno()).st_size == 0
                self.data = memoryview(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise Violation(f"{name}: {error}") from error

    def bad(self, offset: int, what: str) -> NoReturn:
        raise Violation(f"{self.name}: offset {offset}: {what}")

    def check(self, good: bool, offset: int, what: str) -> None:
        if not good:
            self.bad(offset, what)

    def placed_crc(self, start: int, end: int, offset: int) -> int:
        place = self.artifact + struct.pack("<QQ", self.number, offset)
        return zlib.crc32(self.data[start:end], zlib.crc32(place))

    def header(self, kind: int) -> None:
        self.check(len(self.data) >= FILE_HEADER, 0, "shorter than its header")
        magic, found, major, _, artifact, number, incompatible, _ = FILE_FIELDS.unpack_from(self.data)
        self.check(magic == FILE_MAGIC, 0, "file magic")
        (crc,) = struct.unpack_from("<I", self.data, FILE_HEADER - 4)
        self.check(crc == self.placed_crc(0, FILE_HEADER - 4, 0), FILE_HEADER - 4, "checksum of the file header")
        self.check(major == 1 and incompatible == 0, 12, "a version or feature that this reader does not know")
        self.check((found, artifact, number) == (kind, self.artifact, self.number), 8, "header of another file")

    def block(self, at: int, end: int, kinds: range) -> Block:
        """The sound block at `at`, before `end`."""
        data = self.data
        self.check(end - at >= BLOCK_HEADER, at, "no room for a block header")
        magic, kind, codec, stored, raw, count, first, payload_crc, header_crc = BLOCK_FIELDS.unpack_from(data, at)
        self.check(magic == BLOCK_MAGIC, at, "block magic")
        self.check(header_crc == self.placed_crc(at, at + BLOCK_HEADER - 4, at), at, "checksum of the block header")
        self.check(kind in kinds, at, f"block of kind {kind} here")
        self.check(stored <= raw <= RAW_MAX, at, "lengths of the block")
        start, stop = at + BLOCK_HEADER, at + BLOCK_HEADER + stored
        self.check(stop <= end, at, "the block ends outside of its room")
        self.check(payload_crc == self.placed_crc(start, stop, at), at, "checksum of the block payload")
        self.check(codec != 2 or kind == RECORDS, at, "a block of this kind uses no dictionary")
        self.check(kind != DICTIONARY or (count, first) == (0, 0) and raw <= DICTIONARY_MAX, at, "form of the dictionary")
        self.check(kind != COMMIT or (codec, count, raw) == (0, 0, COMMIT_LEN), at, "form of the commit block")
        return Block(at, kind, count, first, self.decompress(at, codec, bytes(data[start:stop]), raw), stop)

    def decompress(self, at: int, codec: int, stored: bytes, raw_len: int) -> bytes:
        raw = stored
        try:
            if codec == 1 or codec == 2 and self.dictionary:
                size = zstandard.get_frame_parameters(stored).content_size
                self.check(size in (raw_len, zstandard.CONTENTSIZE_UNKNOWN), at, "length in the zstd frame")
                decompressor = zstandard.ZstdDecompressor(dict_data=self.dictionary if codec == 2 else None)
                raw = decompressor.decompress(stored, max_output_size=raw_len, allow_extra_data=False)
            elif codec == 3:
                import lz4.block

                raw = lz4.block.decompress(stored, uncompressed_size=raw_len)
            else:
                self.check(codec == 0, at, f"codec {codec}")
        except (zstandard.ZstdError, ImportError, RuntimeError) as error:  # the last: LZ4BlockError
            self.bad(at, f"decompression: {error}")
        self.check(len(raw) == raw_len, at, "raw length")
        return raw

    def varints(self, block: Block, count: int, pos: int) -> tuple[list[int], int]:
        """`count` varints at `pos` of the payload, and where they end."""
        values = []
        for _ in range(count):
            value = shift = 0
            while True:
                self.check(pos < len(block.raw), block.offset, "varint beyond the payload")
                byte = block.raw[pos]
                value, shift, pos = value | (byte & 0x7F) << shift, shift + 7, pos + 1
                if byte < 0x80:
                    break
            self.check(shift <= 70 and value < 1 << 64, block.offset, "varint of more than 64 bits")
            values.append(value)
        return values, pos

    def ids(self, block: Block) -> tuple[list[int], int]:
        """The ids at the beginning of a block of records or deletes, and where they end."""
        gaps, pos = self.varints(block, block.count, 0)
        self.check(block.count > 0 and gaps[0] == 0, block.offset, "the first id is not that of the header")
        ids, following = [], block.first_id
        for gap in gaps:
            ids.append(following + gap)
            following = ids[-1] + 1
        self.check(ids[-1] < 1 << 64, block.offset, "id above 64 bits")
        return ids, pos


class Reader:
    """Takes the blocks of records and frames of a file in order."""

    def __init__(self, file: File, state: State):
        self.file, self.state = file, state
        self.last_id, self.frames, self.raw_len = -1, [], 0
        self.found: list[int] = []

    def take(self, block: Block) -> None:
        self.raw_len += len(block.raw)
        if block.kind == FRAME:
            if not self.frames:
                self.hasher = xxhash.xxh3_128()
            self.hasher.update(block.raw)
            self.frames.append((block.first_id, block.count, len(block.raw)))
        elif block.kind == RECORDS:
            ids, pos = self.file.ids(block)
            lengths, pos = self.file.varints(block, block.count, pos)
            self.file.check(ids[0] > self.last_id, block.offset, "ids out of order")
            self.file.check(pos + sum(n >> 1 for n in lengths) == len(block.raw), block.offset, "lengths of the bodies")
            for i, (record_id, length) in enumerate(zip(ids, lengths)):
                body = block.raw[pos : pos + (length >> 1)]
                pos += len(body)
                self.file.check(record_id not in self.state.records, block.offset, f"id {record_id} twice")
                self.file.check(length & 1 == 0 or i == 0, block.offset, "a large record that is not the first")
                record = self.large(block, body) if length & 1 else Record(len(body), xxhash.xxh3_128(body).hexdigest())
                self.state.records[record_id] = record
                self.file.check(not self.frames, block.offset, "frames without their record")
            self.last_id = ids[-1]
            self.found += ids

    def large(self, block: Block, body: bytes) -> Record:
        self.file.check(len(body) == LARGE.size, block.offset, "length of a description")
        content_len, frame_len, reserved = LARGE.unpack(body)
        self.file.check(content_len > 0 and frame_len > 0 and reserved == 0, block.offset, "description")
        full, rest = divmod(content_len, frame_len)
        sizes = [frame_len] * min(full, len(self.frames) + 1) + [rest] * (rest > 0)
        expected = [(block.first_id, i, size) for i, size in enumerate(sizes)]
        self.file.check(self.frames == expected, block.offset, "the frames are not those of the description")
        self.frames = []
        return Record(content_len, self.hasher.hexdigest())

    def finish(self, offset: int) -> None:
        self.file.check(not self.frames, offset, "frames without their record")


def read_manifest(file: File, generation: int) -> Manifest:
    data, size = file.data, len(file.data)
    file.check(MANIFEST_HEADER.size + 16 <= size <= MANIFEST_MAX, 0, "length")
    magic, major, _, incompatible, artifact, number, next_file, *counts = MANIFEST_HEADER.unpack_from(data)
    file.check(magic == MANIFEST_MAGIC, 0, "manifest magic")
    file.check(major == 1 and incompatible == 0, 8, "a version or feature that this reader does not know")
    kinds = [(SEGMENT_ENTRY, SegmentEntry), (PART_ENTRY, PartEntry), (LOG_ENTRY, LogEntry)]
    expected = MANIFEST_HEADER.size + sum(n * form.size for n, (form, _) in zip(counts, kinds)) + 16
    file.check(size == expected, 48, f"length {size}, by its counts {expected}")
    file.check(xxh(data[:-16]) == data[-16:], size - 16, "hash of the manifest")
    file.check(number == generation >= 1, 24, "generation is not that of the name")
    at, lists = MANIFEST_HEADER.size, []
    for n, (form, entry) in zip(counts, kinds):
        lists.append([entry._make(form.unpack_from(data, at + i * form.size)) for i in range(n)])
        at += n * form.size
    segments, parts, logs = lists
    numbers = [entry.file for entry in segments + parts + logs]
    file.check(len(set(numbers)) == len(numbers), 48, "a file number twice")
    file.check(max(numbers, default=0) < next_file, 40, "a file number that is not below the next")
    file.check(len(logs) > 0, 56, "no log")
    file.check(all(s.first_id <= s.last_id for s in segments), 64, "ids of a segment")
    file.check(all(a.last_id < b.first_id for a, b in zip(segments, segments[1:])), 64, "order of the segments")
    file.check(all(a.seq <= b.seq for a, b in zip(logs, logs[1:])), 64, "order of the logs")
    file.check(sum(part.kind == DELETED_PART for part in parts) <= 2, 64, "more than two copies of the deleted ids")
    return Manifest(file.name, artifact, generation, segments, parts, logs)


def current_manifest(directory: str) -> Manifest:
    names = [re.fullmatch(r"manifest-([0-9a-f]{16})-([01])", name) for name in os.listdir(directory)]
    generations = sorted({int(match[1], 16) for match in names if match}, reverse=True)
    problems = ["no manifest"]
    for generation in generations:
        held: list[tuple[bytes, Manifest]] = []
        for copy in (0, 1):
            try:
                file = File(directory, f"manifest-{generation:016x}-{copy}")
                held.append((bytes(file.data), read_manifest(file, generation)))
            except Violation as problem:
                problems.append(str(problem))
        if held:
            if held[0][0] != held[-1][0]:
                raise Violation(f"{held[1][1].name}: offset 0: not identical to {held[0][1].name}")
            return held[0][1]
    raise Violation("; ".join(problems[-2:]))


def read_segment(file: File, entry: SegmentEntry, state: State) -> None:
    data, footer = file.data, len(file.data) - SEGMENT_FOOTER.size
    file.check(len(data) == entry.length, len(data), f"the manifest has length {entry.length}")
    file.header(SEGMENT)
    file.check(footer >= FILE_HEADER, footer, "no room for a footer")
    magic, table, blocks, table_crc, first, last, records, raw_len, hash_, crc = SEGMENT_FOOTER.unpack_from(data, footer)
    file.check(magic == SEGMENT_MAGIC, footer, "footer magic")
    file.check(crc == file.placed_crc(footer, len(data) - 4, footer), footer, "checksum of the footer")
    file.check(hash_ == xxh(data[:footer]), footer + 76, "hash of the segment")
    file.check((hash_, first, last, records, raw_len) == entry[2:], footer, "footer and manifest differ")
    file.check(FILE_HEADER <= table == footer - blocks * TABLE_ENTRY.size, footer + 8, "place of the table")
    file.check(table_crc == file.placed_crc(table, footer, table), table, "checksum of the table")
    reader, at, last_first = Reader(file, state), FILE_HEADER, first
    if data[at + 2] == DICTIONARY:
        block = file.block(at, table, range(DICTIONARY, DICTIONARY + 1))
        file.dictionary = zstandard.ZstdCompressionDict(block.raw)
        at = block.end
    for i in range(blocks):
        block = file.block(at, table, range(RECORDS, FRAME + 1))
        slot = table + i * TABLE_ENTRY.size
        expected = (block.offset, block.first_id - first)
        file.check(TABLE_ENTRY.unpack_from(data, slot) == expected, slot, f"table entry, should be {expected}")
        file.check(block.first_id >= last_first, at, "order of the blocks")
        last_first = block.first_id
        reader.take(block)
        at = block.end
    file.check(at == table, at, "the blocks do not end where the table begins")
    reader.finish(at)
    ids = reader.found
    file.check(bool(ids) and (ids[0], ids[-1], len(ids)) == (first, last, records), footer, "ids or records in the footer")
    file.check(reader.raw_len == raw_len, footer + 48, "raw length in the footer")


def commits(file: File, end: int, last_seq: int) -> Iterator[tuple[list[Block], Block, tuple]]:
    """The commits that hold, in order, up to the first bytes that do not, which raise."""
    at, chain, first = FILE_HEADER, xxh(file.artifact, struct.pack("<Q", file.number)), True
    while at < end:
        start, blocks = at, []
        while not blocks or blocks[-1].kind != COMMIT:
            blocks.append(file.block(at, end, range(RECORDS, COMMIT + 1)))
            at = blocks[-1].end
        *blocks, commit = blocks
        fields = COMMIT_FIELDS.unpack(commit.raw)
        seq, covered, sync_floor = fields[:3]
        file.check(covered == commit.offset - start, commit.offset, "covered length of the commit")
        file.check(seq == commit.first_id, commit.offset, "number of the commit and its block")
        file.check(seq >= last_seq if first else seq == last_seq + 1, commit.offset, f"commit {seq} after {last_seq}")
        file.check(sync_floor < seq or first and sync_floor == seq, commit.offset, "sync floor")
        chain = xxh(chain, file.data[start : commit.offset], commit.raw[:48])
        file.check(chain == fields[6], commit.offset, "chain")
        last_seq, first = seq, False
        yield blocks, commit, fields


def read_log(file: File, entry: LogEntry, active: bool, last_seq: int, state: State) -> None:
    file.header(LOG)
    end = len(file.data) if active else entry.checkpoint
    file.check(FILE_HEADER <= entry.checkpoint <= len(file.data), len(file.data), "the log ends before its checkpoint")
    floor = entry.seq if entry.checkpoint == FILE_HEADER else last_seq
    reader, held, seq, next_id = Reader(file, state), FILE_HEADER, floor, 0
    seen = (FILE_HEADER, xxh(file.artifact, struct.pack("<Q", file.number)), entry.seq, entry.next_id)
    checkpoint_seen = seen == entry[1:]
    found = commits(file, end, floor)
    while True:
        try:
            blocks, commit, (seq, _, _, next_id, records, deletes, chain) = next(found)
        except StopIteration:
            break
        except Violation as problem:
            if held < entry.checkpoint:
                raise
            check_torn(file, held, seq, problem)
            state.dropped += len(file.data) - held
            break
        before, deleted = len(reader.found), 0
        for block in blocks:
            reader.take(block)
            if block.kind == DELETES:
                ids, pos = file.ids(block)
                file.check(pos == len(block.raw), block.offset, "bytes behind the deletes")
                file.check(ids[-1] < next_id, block.offset, "a delete of what is not there yet")
                state.deleted.update(ids)
                deleted += len(ids)
        reader.finish(commit.offset)
        file.check(len(reader.found) - before == records, commit.offset, "number of records in the commit")
        file.check(deleted == deletes, commit.offset, "number of deletes in the commit")
        file.check(reader.last_id < next_id, commit.offset, "next id of the commit")
        held, seen = commit.end, (commit.end, chain, seq, next_id)
        checkpoint_seen |= seen == entry[1:]
        state.commits += 1
    file.check(checkpoint_seen, entry.checkpoint, f"no commit here with the number, chain and next id of the manifest; last {seen}")


def check_torn(file: File, held: int, seq: int, problem: Violation) -> None:
    """What lies behind `held` was never acknowledged, unless a sound commit record there says otherwise."""
    tail = bytes(file.data[held:])
    for match in re.finditer(re.escape(BLOCK_MAGIC + bytes([COMMIT])), tail):
        try:
            commit = file.block(held + match.start(), len(file.data), range(COMMIT, COMMIT + 1))
        except Violation:
            continue
        if COMMIT_FIELDS.unpack(commit.raw)[2] > seq:
            raise Violation(f"{problem}; commit record at {commit.offset}: what is damaged was acknowledged")


def read_part(file: File, entry: PartEntry) -> memoryview:
    data, footer = file.data, len(file.data) - PART_FOOTER.size
    file.check(len(data) == entry.length, len(data), f"the manifest has length {entry.length}")
    file.check(footer >= 0, 0, "no room for a footer")
    magic, content_len, kind, table_crc, tag, hash_, crc = PART_FOOTER.unpack_from(data, footer)
    file.check(magic == PART_MAGIC, footer, "footer magic")
    file.check(crc == file.placed_crc(footer, len(data) - 4, footer), footer, "checksum of the footer")
    file.check(hash_ == xxh(data[:footer]), footer + 44, "hash of the part")
    file.check((hash_, kind, tag) == entry[2:], footer, "footer and manifest differ")
    chunks = range(0, content_len, PART_CHUNK)
    file.check(content_len + 4 * len(chunks) == footer, footer + 8, "length of the content")
    file.check(table_crc == file.placed_crc(content_len, footer, content_len), content_len, "checksum of the checksums")
    for i, start in enumerate(chunks):
        (expected,) = struct.unpack_from("<I", data, content_len + 4 * i)
        stop = min(start + PART_CHUNK, content_len)
        file.check(expected == file.placed_crc(start, stop, start), start, "checksum of the content")
    return data[:content_len]


def roaring64(data: bytes) -> set[int]:
    """A 64-bit Roaring bitmap in the portable serialization."""
    pos = 0

    def words(form: str) -> tuple[int, ...]:
        nonlocal pos
        values = struct.unpack_from("<" + form, data, pos)
        pos += struct.calcsize("<" + form)
        return values

    ids: set[int] = set()
    for _ in range(words("Q")[0]):
        (high,) = words("I")
        (cookie,) = words("I")
        runs, size = b"", 0
        if cookie & 0xFFFF == 12347:
            size = (cookie >> 16) + 1
            (runs,) = words(f"{(size + 7) // 8}s")
        elif cookie == 12346:
            (size,) = words("I")
        else:
            raise ValueError(f"roaring cookie {cookie} at {pos}")
        described = words(f"{2 * size}H")
        if not runs or size >= 4:
            words(f"{size}I")  # where the containers are: one after the other
        for i, (key, cardinality) in enumerate(zip(described[::2], described[1::2])):
            base, before, cardinality = high << 32 | key << 16, len(ids), cardinality + 1
            if runs and runs[i // 8] >> i % 8 & 1:
                pairs = words(f"{2 * words('H')[0]}H")
                for start, more in zip(pairs[::2], pairs[1::2]):
                    ids.update(range(base + start, base + start + more + 1))
            elif cardinality <= 4096:
                ids.update(base + low for low in words(f"{cardinality}H"))
            else:
                (bits,) = words("8192s")
                ids.update(base + low for low in range(65536) if bits[low >> 3] >> (low & 7) & 1)
            if len(ids) - before != cardinality:
                raise ValueError(f"roaring cardinality at {pos}")
    if pos != len(data):
        raise ValueError(f"bytes behind the bitmap at {pos}")
    return ids


def decode(directory: str) -> tuple[Manifest, State]:
    manifest, state = current_manifest(directory), State()
    for segment in manifest.segments:
        name = f"segment-{segment.file:016x}"
        read_segment(File(directory, name, manifest.artifact, segment.file), segment, state)
    for part in manifest.parts:
        file = File(directory, f"part-{part.file:016x}", manifest.artifact, part.file)
        content = read_part(file, part)
        if part.kind == DELETED_PART:
            try:
                state.deleted |= roaring64(bytes(content))
            except (ValueError, struct.error) as error:
                file.bad(0, str(error))
    last_seq = 0
    for log in manifest.logs:
        file = File(directory, f"log-{log.file:016x}", manifest.artifact, log.file)
        read_log(file, log, log is manifest.logs[-1], last_seq, state)
        last_seq = log.seq
    return manifest, state


def main() -> int:
    paths = [argument for argument in sys.argv[1:] if argument != "--json"]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        manifest, state = decode(paths[0])
    except (Violation, OSError) as problem:
        print(f"decode.py: {problem}", file=sys.stderr)
        return 1
    live = [(record_id, *record) for record_id, record in sorted(state.records.items()) if record_id not in state.deleted]
    summary = {
        "manifest": manifest.name,
        "segments": len(manifest.segments),
        "parts": len(manifest.parts),
        "logs": len(manifest.logs),
        "commits": state.commits,
        "stored": len(state.records),
        "live": len(live),
        "dropped_bytes": state.dropped,
    }
    if "--json" in sys.argv:
        print(json.dumps(summary | {"records": [dict(zip(("id", "length", "xxh3_128"), line)) for line in live]}))
    else:
        sys.stdout.writelines(f"{record_id} {length} {content}\n" for record_id, length, content in live)
    print(", ".join(f"{name} {value}" for name, value in summary.items()), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
