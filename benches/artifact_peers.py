#!/usr/bin/env python3
"""LanceDB and sqlite-vec on the data and the questions of `benches/src/bin/artifact.rs`: ingest until everything is indexed, disk, search.

    python3 -m venv VENV && VENV/bin/pip install lancedb pyarrow numpy zstandard sqlite-vec
    VENV/bin/python benches/artifact_peers.py crates/cart/data/wordnet.jsonl.zst VECTORS.npy

Each engine works in a process of its own (`--engine`), so that its memory is its own. One question a call.
"""

import argparse
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zstandard

QUERIES_EVERY, QUERIES, K = 59, 400, 10


def load(texts, vectors):
    raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(Path(texts).read_bytes())).read()
    lines = [json.loads(line) for line in raw.decode().splitlines()]
    vectors = np.load(vectors).astype(np.float32)
    is_query = np.arange(len(lines)) % QUERIES_EVERY == 0
    base = [line for line, query in zip(lines, is_query) if not query]
    questions = [line["text"].split(":")[-1] for line, query in zip(lines, is_query) if query][:QUERIES]
    queries = vectors[is_query]
    truth = np.argsort(-(queries[:QUERIES] @ vectors[~is_query].T), axis=1)[:, :K]
    return base, vectors[~is_query], questions, queries[:QUERIES], truth


def percentiles(times):
    return [float(np.percentile(times, p) * 1e3) for p in (50, 99)]


def timed(questions, ask):
    for question in questions[:20]:
        ask(question)
    times, answers = [], []
    for question in questions:
        begun = time.perf_counter()
        answers.append(ask(question))
        times.append(time.perf_counter() - begun)
    return percentiles(times), answers


def recall(answers, truth):
    return float(np.mean([len(set(found) & set(true)) / K for found, true in zip(answers, truth)]))


def lancedb_engine(folder, base, vectors, questions, queries, truth):
    import lancedb
    import pyarrow as pa

    begun = time.perf_counter()
    table = pa.table({
        "row": pa.array(range(len(base)), pa.int32()),
        "key": [line["key"] for line in base],
        "text": [line["text"] for line in base],
        "pos": [line["metadata"]["pos"] for line in base],
        "topic": [line["metadata"]["topic"] for line in base],
        "metadata": [json.dumps(line["metadata"]) for line in base],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]),
    })
    stored = lancedb.connect(folder).create_table("t", table)
    stored.create_index(metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ")
    stored.create_fts_index("text", use_tantivy=False)
    stored.create_scalar_index("topic")
    ingest = time.perf_counter() - begun

    def near(query, filtered=False):
        search = stored.search(query, vector_column_name="vector").distance_type("cosine").nprobes(8).refine_factor(2)
        if filtered:
            search = search.where("topic < 3", prefilter=True)
        return search.select(["row"]).limit(K).to_arrow()["row"].to_pylist()

    def hybrid(question):
        text, query = question
        search = stored.search(query_type="hybrid", vector_column_name="vector").vector(query).text(text)
        return search.distance_type("cosine").nprobes(8).select(["row", "text"]).limit(K).to_arrow()["row"].to_pylist()

    vector, answers = timed(list(queries), near)
    return {
        "ingest s": ingest,
        "vector p50 / p99 ms": vector,
        "recall": recall(answers, truth),
        "vector and filter": timed(list(queries), lambda query: near(query, True))[0],
        "hybrid": timed(list(zip(questions, queries)), hybrid)[0],
    }


def sqlite_engine(folder, base, vectors, questions, queries, truth):
    import sqlite3

    import sqlite_vec

    begun = time.perf_counter()
    db = sqlite3.connect(Path(folder) / "t.db")
    db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.execute("create table t(row integer primary key, key text unique, text text, topic integer, metadata text)")
    db.execute("create index topics on t(topic)")
    db.execute("create virtual table w using fts5(text, content='t', content_rowid='row')")
    db.execute(f"create virtual table v using vec0(embedding int8[{vectors.shape[1]}] distance_metric=cosine)")
    codes = np.round(vectors / np.abs(vectors).max(axis=1, keepdims=True) * 127).astype(np.int8)
    rows = [(i, line["key"], line["text"], line["metadata"]["topic"], json.dumps(line["metadata"])) for i, line in enumerate(base)]
    db.executemany("insert into t values (?, ?, ?, ?, ?)", rows)
    db.execute("insert into w(rowid, text) select row, text from t")
    db.executemany("insert into v(rowid, embedding) values (?, vec_int8(?))", [(i, code.tobytes()) for i, code in enumerate(codes)])
    db.commit()
    ingest = time.perf_counter() - begun

    def code(query):
        return np.round(query / np.abs(query).max() * 127).astype(np.int8).tobytes()

    def near(query):
        found = db.execute("select rowid from v where embedding match vec_int8(?) and k = 10", (code(query),)).fetchall()
        return [row for (row,) in found]

    def words(question):
        asked = " OR ".join('"' + word.replace('"', "") + '"' for word in question.split())
        return db.execute("select rowid from w where w match ? order by bm25(w) limit 10", (asked,)).fetchall()

    few = slice(0, 100)
    vector, answers = timed(list(queries[few]), near)
    return {
        "ingest s": ingest,
        "vector p50 / p99 ms": vector,
        "recall": recall(answers, truth),
        "words": timed([question for question in questions if question.strip()], words)[0],
    }


ENGINES = {"lancedb": lancedb_engine, "sqlite-vec": sqlite_engine}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts")
    parser.add_argument("vectors")
    parser.add_argument("--engine", choices=ENGINES)
    args = parser.parse_args()
    if not args.engine:
        for engine in ENGINES:
            subprocess.run([sys.executable, __file__, args.texts, args.vectors, "--engine", engine], check=False, timeout=900)
        return
    data = load(args.texts, args.vectors)
    folder = tempfile.mkdtemp()
    try:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = ENGINES[args.engine](folder, *data)
        disk = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found |= {"disk MB": disk / 1e6, "peak RSS MB": peak / 1e3, "of which before": before / 1e3}
        shown = {key: [round(x, 3) for x in value] if isinstance(value, list) else round(value, 4) for key, value in found.items()}
        print(args.engine, json.dumps(shown))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
