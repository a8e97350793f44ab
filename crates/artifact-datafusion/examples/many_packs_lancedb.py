#!/usr/bin/env python3
"""LanceDB on the records and the queries of `many_packs.rs`, which runs before it and after it: one table, hybrid, top 10.

    python3 -m venv VENV && VENV/bin/pip install lancedb pyarrow numpy
    cargo build --release --example many_packs
    VENV/bin/python examples/many_packs_lancedb.py TEXTS.jsonl VECTORS.f16.npy RECORDS FOLDER
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("LANCE_LOG", "error")
import lancedb
import numpy as np
import pyarrow as pa

DIMENSION = 384
BATCH = 8192
QUERIES = 300
OURS = Path(__file__).parent.parent / "target/release/examples/many_packs"


class Data:
    def __init__(self, texts, vectors):
        with open(texts, encoding="utf-8") as lines:
            self.texts = [json.loads(line)["text"] for line in lines]
        self.vectors = np.load(vectors).astype(np.float32)
        assert self.vectors.shape == (len(self.texts), DIMENSION)

    def text(self, n):
        """Words of two texts, as in `Data::text`."""
        first, second = n % len(self.texts), self.other(n)
        if n < len(self.texts):
            return self.texts[n]
        return " ".join(self.texts[first].split()[0::2]) + " " + " ".join(self.texts[second].split()[1::2])

    def other(self, n):
        return ((n * 0x9E3779B97F4A7C15) % 2**64 >> 20) % len(self.texts)

    def rows(self, begin, end):
        """Vectors between two others, as in `Data::vector`."""
        n = np.arange(begin, end)
        part = 0.2 + 0.2 * ((n // len(self.texts)).astype(np.float32) * np.float32(0.618) % 1)
        part = np.where(n < len(self.texts), 0, part).astype(np.float32)[:, None]
        second = [self.other(int(number)) for number in n]
        return self.vectors[n % len(self.texts)] * (1 - part) + self.vectors[second] * part

    def query(self, n):
        at = n * 7919 % len(self.texts)
        words = [word for word in self.texts[at].split() if len(word.encode()) > 3][:4]
        words = ["".join(c for c in word if c.isalnum()) for word in words]
        other = (at + 1) % len(self.texts)
        return " ".join(words), self.vectors[at] * np.float32(0.9) + self.vectors[other] * np.float32(0.1)


def batches(data, records):
    for begin in range(0, records, BATCH):
        end = min(begin + BATCH, records)
        vectors = data.rows(begin, end).reshape(-1)
        yield pa.record_batch({
            "key": [f"k{n}" for n in range(begin, end)],
            "text": [data.text(n) for n in range(begin, end)],
            "n": pa.array([n % 1000 for n in range(begin, end)], pa.uint64()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors), DIMENSION),
        })


def fill(data, records, folder):
    begun, cpu = time.monotonic(), time.process_time()
    item = pa.list_(pa.field("item", pa.float32()), DIMENSION)
    schema = pa.schema([("key", pa.string()), ("text", pa.string()), ("n", pa.uint64()), ("vector", item)])
    table = lancedb.connect(folder).create_table("t", batches(data, records), schema=schema)
    table.create_index(metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ", num_partitions=1)
    table.create_fts_index("text", use_tantivy=False)
    wall, cpu = time.monotonic() - begun, time.process_time() - cpu
    print(f"LanceDB {lancedb.__version__}: one table, indexed: {wall:.1f} s, {cpu:.1f} s of processors", flush=True)


def search(table, words, vector):
    found = table.search(query_type="hybrid", vector_column_name="vector").vector(vector).text(words)
    found = found.distance_type("cosine").nprobes(1).select(["key", "text"]).limit(10)
    return found.to_arrow()["key"].to_pylist()


def main():
    texts, vectors, records, folder = sys.argv[1:]
    data, folder, records = Data(texts, vectors), Path(folder), int(records)
    ours = [OURS, texts, vectors, str(records), folder]
    subprocess.run(ours, check=True)
    if not (folder / "lance").exists():
        fill(data, records, folder / "lance")
    table = lancedb.connect(folder / "lance").open_table("t")
    for begin in (0, QUERIES):  # The first round is warm-up.
        times, rows = [], 0
        for n in range(begin, begin + QUERIES):
            words, vector = data.query(n)
            begun = time.perf_counter()
            rows += len(search(table, words, vector))
            times.append((time.perf_counter() - begun) * 1000)
    print(f"LanceDB, hybrid, top 10, {rows} rows, p50: {statistics.median(times):.2f} ms", flush=True)
    subprocess.run(ours, check=True)


if __name__ == "__main__":
    main()
