#!/usr/bin/env python3
"""Searches of kinds of vectors that are hard in ways of their own, beside hnswlib, in one run, into one table.

    VENV/bin/python benches/kinds.py wordnet-minilm-384.f16.npy --out table.md

With the environment of `beside.py`. Near-duplicates are made of the vectors given: `0.8 a + 0.4 b` of two of them and uniform noise of 0.02 a dimension,
four times as many as of the other kinds, which have 384 dimensions. All are called from Python, one question a call, by one thread; recall is that
of the exact nearest ten. A search of ours of which nothing is asked is as wide as the graph was measured to need ("by default"). Ours is measured with vectors rotated, as
by default, and as they are.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from beside import at_recall, cell, machine, measure, sweep, top
from beside_engines import ENGINES

DIMENSION, SOURCES, QUERIES = 384, 40, 1_000
RECALLS = (0.95, 0.98, 0.99, 0.995)
NAMES = ("CompactArtifact", "CompactArtifactUnrotated", "Hnswlib")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def even(random, count):
    """What the kinds are made of: sums of smooth functions of twelve hidden values, and noise."""
    hidden = random.standard_normal((count, 12)).astype(np.float32)
    maps = np.random.default_rng(96).standard_normal((3, SOURCES, 12)).astype(np.float32)
    waves = np.concatenate([np.sin(hidden @ part.T * scale) for part, scale in zip(maps, (0.3, 0.6, 1.2))], axis=1)
    mix = np.random.default_rng(95).standard_normal((waves.shape[1], DIMENSION)).astype(np.float32)
    return waves @ mix / 8 + 0.05 * random.standard_normal((count, DIMENSION)).astype(np.float32)


def near_duplicates(random, count, source):
    some = unit(source.astype(np.float32))
    pairs = random.integers(0, len(some), (2, count - len(some)))
    mixed = 0.8 * some[pairs[0]] + 0.4 * some[pairs[1]]
    mixed += random.uniform(-0.02, 0.02, mixed.shape).astype(np.float32)
    return random.permutation(np.concatenate([some, mixed]))


def uneven(random, count):
    return even(random, count) * np.exp(np.random.default_rng(98).standard_normal(DIMENSION)).astype(np.float32)


def clusters(random, count):
    centres = np.random.default_rng(97).standard_normal((100, DIMENSION)).astype(np.float32)
    return centres[random.integers(0, 100, count)] + 0.3 * even(random, count)


def heavy_tails(random, count):
    return even(random, count) ** 3 * np.exp(random.standard_normal((count, 1))).astype(np.float32)


def low_rank(random, count):
    hidden = random.standard_normal((count, 8)).astype(np.float32)
    noise = 0.01 * random.standard_normal((count, DIMENSION)).astype(np.float32)
    return hidden @ np.random.default_rng(94).standard_normal((8, DIMENSION)).astype(np.float32) + noise


def nearly_binary(random, count):
    return np.sign(even(random, count)) + 0.1 * random.standard_normal((count, DIMENSION)).astype(np.float32)


KINDS = {
    "near-duplicates": None,
    "uneven dimensions": uneven,
    "clusters": clusters,
    "heavy tails": heavy_tails,
    "low rank": low_rank,
    "nearly binary": nearly_binary,
}


class Data:
    """Vectors and questions of one kind, and the true nearest of each question."""

    def __init__(self, kind, rows, source, threads):
        random = np.random.default_rng(7)
        if KINDS[kind] is None:
            rows *= 4
            made = near_duplicates(random, rows + 2 * QUERIES, np.load(source)[: rows // 2])
        else:
            made = KINDS[kind](random, rows + 2 * QUERIES)
        made = np.ascontiguousarray(unit(made.astype(np.float32)))
        self.queries, self.others, self.vectors = np.split(made, [QUERIES, 2 * QUERIES])
        self.dimension, self.threads = self.vectors.shape[1], threads
        self.texts = [str(row) for row in range(rows)]
        self.buckets = np.zeros(rows, dtype=np.int64)
        self.truth = []
        for part in np.array_split(self.queries, 20):
            self.truth += top(part @ self.vectors.T)


def run_engine(name, data):
    folder = tempfile.mkdtemp(prefix="kinds-")
    try:
        begun = time.perf_counter()
        engine = ENGINES[name](folder, data)
        result = {"engine": name, "fill": time.perf_counter() - begun}
        for query in data.others:
            engine.vector(query, engine.efforts[0])
        until = time.monotonic() + 300
        result["points"] = sweep(engine, engine.vector, data.queries, data.truth, 0.9955, until)
        if name == "CompactArtifact":
            result["default"] = measure(engine, engine.vector, [(query, None) for query in data.queries], data.truth)
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def line(kind, result, rates):
    means = [at_recall(result["points"], recall, "mean") for recall in RECALLS]
    qps = [mean and 1e6 / mean for mean in means]
    rates[kind, result["engine"]] = qps
    default = result.get("default")
    by_default = f"{default['recall']:.4f}, {default['mean']:.0f} µs" if default else ""
    beside = ""
    other = rates.get((kind, "CompactArtifact"))
    if other and not default:
        beside = " / ".join(cell(ours and theirs and ours / theirs, 1) for ours, theirs in zip(other, qps))
    most = max(point["recall"] for point in result["points"])
    return f"| {kind} | {result['engine']} | {result['fill']:.1f} | {' / '.join(map(cell, qps))} | {most:.4f} | {by_default} | {beside} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", help="float16, what near-duplicates are made of")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of filling and building")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--engines", default=",".join(NAMES))
    parser.add_argument("--out", type=Path, help="where the table is written")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        kind, name = args.one
        print(json.dumps(run_engine(name, Data(kind, args.rows, args.vectors, args.threads))))
        return
    recalls = " / ".join(map(str, RECALLS))
    lines = [
        f"{machine()}; `{' '.join(['kinds.py', *map(os.path.basename, sys.argv[1:])])}`\n",
        f"| vectors | engine | filled, s | QPS at {recalls} | most found | by default | ours beside it |",
        "|---|---|---|---|---|---|---|",
    ]
    rates = {}
    for kind in args.kinds.split(","):
        for name in args.engines.split(","):
            command = [sys.executable, __file__, *sys.argv[1:], "--one", kind, name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            try:
                lines.append(line(kind, json.loads(done.stdout.strip().splitlines()[-1]), rates))
            except (IndexError, json.JSONDecodeError):
                reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
                lines.append(f"| {kind} | {name}: {reason[:160]} |")
            print(lines[-1], file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
