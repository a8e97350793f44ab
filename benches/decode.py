#!/usr/bin/env python3
"""A second decoder of the format, written from docs/FORMAT.md alone and sharing no code with the first.

    pip install xxhash zstandard
    python3 benches/decode.py ARTIFACT

Checks every checksum, hash and rule of the document, then prints `id length xxh3-128` for each live record. Anything that does
not hold ends it with exit code 1 and a sentence. Commits behind a torn tail are dropped, as the document says.
"""

import struct
import sys
import zlib
from pathlib import Path

import xxhash
import zstandard

FILE_HEADER, BLOCK_HEADER, COMMIT, CHUNK = 4096, 32, 64, 65536
RECORDS, FRAME, DELETES, COMMIT_KIND = 1, 2, 3, 4


class Unsound(Exception):
    """Bytes that are not what the document asks for."""


def need(holds, where, what):
    if not holds:
        raise Unsound(f"{where}: {what}")


def xxh3_128(*pieces):
    state = xxhash.xxh3_128()
    for piece in pieces:
        state.update(piece)
    return state.intdigest()


def u128(data, at):
    low, high = struct.unpack_from("<QQ", data, at)
    return high << 64 | low


def varints(data, at, count):
    values = []
    for _ in range(count):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        need(value < 1 << 64, "varint", "more than 64 bits")
        values.append(value)
    return values, at


class File:
    """A file with its identity, which every checksum in it covers."""

    def __init__(self, path, artifact, number, length=None):
        self.path, self.data = path.name, path.read_bytes()
        need(length is None or len(self.data) >= length, self.path, f"shorter than {length} bytes")
        if length is not None:
            self.data = self.data[:length]
        self.identity = artifact + struct.pack("<Q", number)

    def crc(self, offset, data):
        return zlib.crc32(data, zlib.crc32(self.identity + struct.pack("<Q", offset)))

    def check_header(self, kind, artifact, number):
        data = self.data[:FILE_HEADER]
        need(data[:8] == bytes.fromhex("89434152540d0a1a"), self.path, "magic")
        found_kind, major, _, = struct.unpack_from("<IHH", data, 8)
        found_number, incompatible = struct.unpack_from("<QI", data, 32)
        need((found_kind, major, incompatible) == (kind, 1, 0), self.path, "kind or version")
        need(data[16:32] == artifact and found_number == number, self.path, "identity")
        need(struct.unpack_from("<I", data, 4092)[0] == self.crc(0, data[:4092]), self.path, "header CRC")

    def block(self, at):
        """Kind, count, first id, raw payload and the offset behind it."""
        where = f"{self.path} at {at}"
        need(at + BLOCK_HEADER <= len(self.data), where, "block header cut off")
        header = self.data[at : at + BLOCK_HEADER]
        magic, kind, codec, stored_len, raw_len, count, first, payload_crc, crc = struct.unpack("<HBBIIIQII", header)
        need(magic == 0xB10C, where, "block magic")
        need(crc == self.crc(at, header[:28]), where, "header CRC")
        need(stored_len <= raw_len <= 2097152, where, "lengths")
        stored = self.data[at + BLOCK_HEADER : at + BLOCK_HEADER + stored_len]
        need(len(stored) == stored_len, where, "payload cut off")
        need(payload_crc == self.crc(at, stored), where, "payload CRC")
        need(codec in (0, 1), where, f"codec {codec} is not for this decoder")
        raw = stored if codec == 0 else zstandard.ZstdDecompressor().decompress(stored, max_output_size=raw_len)
        need(len(raw) == raw_len, where, "raw length")
        return kind, count, first, raw, at + BLOCK_HEADER + stored_len


class Records:
    """Puts records together from blocks in order."""

    def __init__(self):
        self.contents, self.frames, self.frames_of = {}, [], None

    def block(self, where, kind, count, first, raw):
        if kind == FRAME:
            need(count == len(self.frames), where, "frame number")
            need(not self.frames or self.frames_of == first, where, "frames of two records")
            self.frames_of = first
            self.frames.append(raw)
            return
        need(kind == RECORDS, where, f"kind {kind}")
        gaps, at = varints(raw, 0, count)
        lengths, at = varints(raw, at, count)
        record = first
        for index, (gap, length) in enumerate(zip(gaps, lengths)):
            record += gap
            body = raw[at : at + (length >> 1)]
            at += length >> 1
            if length & 1:
                content_len, frame_len, reserved = struct.unpack("<QII", body)
                need(index == 0 and record == self.frames_of, where, "a large record is not first behind its frames")
                need(content_len > 0 and frame_len > 0 and reserved == 0, where, "large record")
                need(len(self.frames) == -(-content_len // frame_len), where, "number of frames")
                need(all(len(frame) == frame_len for frame in self.frames[:-1]), where, "frame length")
                body = b"".join(self.frames)
                need(len(body) == content_len, where, "content length")
                self.frames, self.frames_of = [], None
            need(record not in self.contents, where, f"record {record} twice")
            self.contents[record] = body
            record += 1
        need(at == len(raw), where, "bodies do not fill the block")
        need(not self.frames, where, "frames without their record")


def read_manifest(root):
    generations = sorted({int(path.name[9:25], 16) for path in root.glob("manifest-*")}, reverse=True)
    for generation in generations:
        for copy in range(2):
            path = root / f"manifest-{generation:016x}-{copy}"
            try:
                return parse_manifest(path.name, path.read_bytes(), generation)
            except (Unsound, OSError) as problem:
                print(f"note: {problem}", file=sys.stderr)
    raise Unsound(f"{root}: no manifest holds")


def parse_manifest(name, data, generation):
    need(80 <= len(data) <= 64 << 20, name, "length")
    need(data[:8] == bytes.fromhex("894341524d0d0a1a"), name, "magic")
    need(u128(data, len(data) - 16) == xxh3_128(data[:-16]), name, "hash")
    major, _, incompatible = struct.unpack_from("<HHI", data, 8)
    need((major, incompatible) == (1, 0), name, "version")
    found, next_file, *counts = struct.unpack_from("<QQIII", data, 32)
    need(found == generation, name, "generation")
    need(len(data) == 80 + 64 * counts[0] + 48 * (counts[1] + counts[2]), name, "counts")
    at, entries = 64, ([], [], [])
    for index, (form, size) in enumerate([("<QQQQQQQQ", 64), ("<QQQQIIQ", 48), ("<QQQQQQ", 48)]):
        for _ in range(counts[index]):
            fields = struct.unpack_from(form, data, at)
            entries[index].append((fields[0], fields[1], fields[3] << 64 | fields[2], *fields[4:]))
            at += size
    numbers = [entry[0] for kind in entries for entry in kind]
    need(len(set(numbers)) == len(numbers) and all(n < next_file for n in numbers), name, "file numbers")
    need(entries[2], name, "no log")
    ranges = [(entry[3], entry[4]) for entry in entries[0]]
    need(all(a[1] < b[0] for a, b in zip(ranges, ranges[1:])), name, "segments overlap")
    return data[16:32], *entries


def read_segment(root, artifact, entry, records):
    number, length, digest, first_id, last_id, count, raw_total = entry
    file = File(root / f"segment-{number:016x}", artifact, number, length)
    file.check_header(2, artifact, number)
    end = length - 96
    footer = file.data[end:]
    need(footer[:8] == bytes.fromhex("89434152460d0a1a"), file.path, "footer magic")
    need(struct.unpack_from("<I", footer, 92)[0] == file.crc(end, footer[:92]), file.path, "footer CRC")
    table, blocks, table_crc, *totals = struct.unpack_from("<QIIQQQQ", footer, 8)
    need(totals == [first_id, last_id, count, raw_total], file.path, "footer and manifest differ")
    need(u128(footer, 76) == digest == xxh3_128(file.data[:end]), file.path, "hash")
    need(table + 12 * blocks == end and file.crc(table, file.data[table:end]) == table_crc, file.path, "table")
    at, before, raw_sum = FILE_HEADER, len(records.contents), 0
    for index in range(blocks):
        offset, relative = struct.unpack_from("<QI", file.data, table + 12 * index)
        kind, number_of, first, raw, behind = file.block(at)
        need((offset, first_id + relative) == (at, first), file.path, f"table entry {index}")
        records.block(f"{file.path} at {at}", kind, number_of, first, raw)
        at, raw_sum = behind, raw_sum + len(raw)
    need(at == table and raw_sum == raw_total, file.path, "blocks do not fill it")
    need(len(records.contents) - before == count, file.path, "number of records")


def read_part(root, artifact, entry):
    number, length, digest, kind, _, tag = entry
    file = File(root / f"part-{number:016x}", artifact, number, length)
    end = length - 64
    footer = file.data[end:]
    need(footer[:8] == bytes.fromhex("89434152500d0a1a"), file.path, "footer magic")
    need(struct.unpack_from("<I", footer, 60)[0] == file.crc(end, footer[:60]), file.path, "footer CRC")
    content_len, found_kind, table_crc, found_tag = struct.unpack_from("<QIIQ", footer, 8)
    need((found_kind, found_tag) == (kind, tag), file.path, "footer and manifest differ")
    need(u128(footer, 44) == digest == xxh3_128(file.data[:end]), file.path, "hash")
    need(file.crc(content_len, file.data[content_len:end]) == table_crc, file.path, "table")
    for index in range(-(-content_len // CHUNK)):
        chunk = file.data[index * CHUNK : min((index + 1) * CHUNK, content_len)]
        crc = struct.unpack_from("<I", file.data, content_len + 4 * index)[0]
        need(crc == file.crc(index * CHUNK, chunk), file.path, f"chunk {index}")
    return roaring64(file.data[:content_len]) if kind == 1 else set()


def roaring64(data):
    """RoaringFormatSpec, extension for 64-bit implementations."""
    ids, at = set(), 8
    for _ in range(struct.unpack_from("<Q", data)[0]):
        high = struct.unpack_from("<I", data, at)[0]
        start = at = at + 4
        cookie = struct.unpack_from("<I", data, at)[0]
        if cookie & 0xFFFF == 12347:
            count = (cookie >> 16) + 1
            flags = data[at + 4 : at + 4 + (count + 7) // 8]
            at += 4 + (count + 7) // 8
        else:
            need(cookie == 12346, "roaring", "cookie")
            count, flags = struct.unpack_from("<I", data, at + 4)[0], None
            at += 8
        keys = [struct.unpack_from("<HH", data, at + 4 * i) for i in range(count)]
        at += 4 * count
        if flags is None or count >= 4:
            at += 4 * count
        for index, (key, size) in enumerate(keys):
            base = high << 32 | key << 16
            if flags is not None and flags[index // 8] >> (index % 8) & 1:
                runs = struct.unpack_from("<H", data, at)[0]
                for run in range(runs):
                    begin, more = struct.unpack_from("<HH", data, at + 2 + 4 * run)
                    ids.update(range(base + begin, base + begin + more + 1))
                at += 2 + 4 * runs
            elif size + 1 <= 4096:
                ids.update(base + low for low in struct.unpack_from(f"<{size + 1}H", data, at))
                at += 2 * (size + 1)
            else:
                bits = int.from_bytes(data[at : at + 8192], "little")
                ids.update(base + low for low in range(65536) if bits >> low & 1)
                at += 8192
        need(start < at, "roaring", "empty")
    need(at == len(data), "roaring", "bytes behind the end")
    return ids


def read_log(root, artifact, entry, active, records, deleted):
    number, checkpoint, chain_there, seq_there, next_there = entry
    file = File(root / f"log-{number:016x}", artifact, number, None if active else checkpoint)
    need(len(file.data) >= checkpoint, file.path, "shorter than its checkpoint")
    file.check_header(1, artifact, number)
    chain = xxh3_128(artifact, struct.pack("<Q", number))
    at = begin = FILE_HEADER
    state = (seq_there, next_there) if checkpoint == FILE_HEADER else None
    need(checkpoint > FILE_HEADER or chain == chain_there, file.path, "chain of an empty log")
    pending, torn = [], None
    while at < len(file.data):
        try:
            kind, count, first, raw, behind = file.block(at)
            if kind != COMMIT_KIND:
                pending.append((at, kind, count, first, raw))
                at = behind
                continue
            need(len(raw) == COMMIT, f"{file.path} at {at}", "length of a commit record")
            seq, covered, floor, next_id, added, removed = struct.unpack_from("<QQQQQQ", raw)
            link = xxh3_128(chain.to_bytes(16, "little"), file.data[begin:at], raw[:48])
            follows = state is None or seq == state[0] + 1
            need(u128(raw, 48) == link and covered == at - begin and follows, f"{file.path} at {at}", "commit")
        except Unsound as problem:
            torn = problem
            break
        count_records = count_deletes = 0
        for where, kind, count, first, raw in pending:
            if kind == DELETES:
                gaps, end = varints(raw, 0, count)
                need(end == len(raw), f"{file.path} at {where}", "deletes")
                for gap in gaps:
                    first += gap
                    deleted.add(first)
                    first += 1
                count_deletes += count
            else:
                records.block(f"{file.path} at {where}", kind, count, first, raw)
                count_records += count if kind == RECORDS else 0
        need((count_records, count_deletes) == (added, removed), f"{file.path} at {at}", "counts of a commit")
        chain, state, pending, at = link, (seq, next_id), [], behind
        begin = at
        if at == checkpoint:
            need((chain, seq, next_id) == (chain_there, seq_there, next_there), file.path, "checkpoint")
    need(begin >= checkpoint, file.path, f"acknowledged data is damaged: {torn}")
    if torn or begin < len(file.data):
        print(f"note: torn tail of {len(file.data) - begin} bytes ({torn})", file=sys.stderr)


def main():
    root = Path(sys.argv[1])
    artifact, segments, parts, logs = read_manifest(root)
    records, deleted = Records(), set()
    for entry in segments:
        read_segment(root, artifact, entry, records)
    for entry in parts:
        deleted |= read_part(root, artifact, entry)
    for index, entry in enumerate(logs):
        read_log(root, artifact, entry, index == len(logs) - 1, records, deleted)
    live = sorted(set(records.contents) - deleted)
    for record in live:
        content = records.contents[record]
        print(record, len(content), f"{xxh3_128(content):032x}")
    print(f"{len(live)} live records of {len(records.contents)}; everything holds", file=sys.stderr)


try:
    main()
except (Unsound, OSError, struct.error, IndexError, zstandard.ZstdError) as problem:
    sys.exit(f"decode.py: {problem}")
