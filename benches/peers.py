#!/usr/bin/env python3
"""faiss HNSW SQ8 and hnswlib on the data, split, true neighbours and sweep of the program `vectors` in `benches/compare`.

    python3 -m venv VENV && VENV/bin/pip install numpy faiss-cpu hnswlib
    VENV/bin/python benches/peers.py DATA.npy --json peers.json
    cargo run --release --manifest-path benches/compare/Cargo.toml --bin vectors -- DATA.npy --peers-json peers.json

Every engine makes two entries. `by call` asks one query a call, as a Python program does, with the overhead of the call.
`batch` asks 32 queries a call, on one thread, which leaves little of that: the engine's own speed, and the figure that ratios
should be made with. The time of a call is its median over the rounds, as in `vectors`: what disturbed one of them does not
count; in one call with all queries it would.
"""

import argparse
import datetime
import json
import math
import os
import tempfile
import time
from pathlib import Path

import faiss
import hnswlib
import numpy as np

K, DEPTH, WARM_UP, BATCH = 10, 100, 100, 32
ENOUGH, GAIN, STEEP = 0.9995, 0.0005, 128  # where a sweep ends: as in sweep.rs
RECALLS = (0.90, 0.95, 0.98, 0.99)
EFFORTS = [10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768]


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help=".npy (f16 or f32) or .fvecs")
    parser.add_argument("--queries-every", type=int, default=59)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--max-queries", type=int)
    parser.add_argument("--metric", choices=["cosine", "l2", "dot"], default="cosine")
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=200)
    parser.add_argument("--engines", default="faiss,hnswlib")
    parser.add_argument("--threads", type=int, default=2, help="of the build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path(__file__).parent / "compare/target/truth")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


class Faiss:
    """Codes of 8 bits, with a range for every dimension that is learnt from the data."""

    name = "faiss HNSW SQ8"

    def __init__(self, base, args):
        metric = faiss.METRIC_L2 if args.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        faiss.omp_set_num_threads(args.threads)
        self.index = faiss.IndexHNSWSQ(base.shape[1], faiss.ScalarQuantizer.QT_8bit, args.m, metric)
        self.index.hnsw.efConstruction = args.ef_construction
        self.index.train(base)
        self.index.add(base)
        faiss.omp_set_num_threads(1)

    def byte_len(self):
        return len(faiss.serialize_index(self.index))

    def set_effort(self, effort):
        self.index.hnsw.efSearch = effort

    def search(self, queries):
        return self.index.search(queries, K)[1]


class Hnswlib:
    """Vectors in f32."""

    name = "hnswlib f32"

    def __init__(self, base, args):
        space = "l2" if args.metric == "l2" else "ip"
        self.index = hnswlib.Index(space=space, dim=base.shape[1])
        self.index.init_index(max_elements=len(base), M=args.m, ef_construction=args.ef_construction)
        self.index.add_items(base, num_threads=args.threads)

    def byte_len(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "index")
            self.index.save_index(path)
            return os.path.getsize(path)

    def set_effort(self, effort):
        self.index.set_ef(effort)

    def search(self, queries):
        return self.index.knn_query(queries, k=K, num_threads=1)[0]


def read(path):
    if path.suffix == ".npy":
        return np.load(path).astype(np.float32)
    raw = np.fromfile(path, dtype="<i4")
    return np.ascontiguousarray(raw.reshape(-1, raw[0] + 1)[:, 1:]).view("<f4")


def load(args):
    """Base and queries, split as `data.rs` does."""
    data = read(args.data)
    if args.queries:
        base, queries = data, read(args.queries)
    else:
        asked = np.arange(len(data)) % args.queries_every == 0
        base, queries = data[~asked], data[asked]
    if args.max_queries and args.max_queries < len(queries):
        queries = queries[np.arange(args.max_queries) * len(queries) // args.max_queries]
    if args.metric == "cosine":
        base, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (base, queries))
    return np.ascontiguousarray(base), np.ascontiguousarray(queries)


def stamp(path):
    file = path.stat()
    return f"{path.name}-{file.st_size}-{int(file.st_mtime)}"


def true_neighbours(args, base, queries):
    """From the cache that `truth.rs` uses, or computed and put there."""
    asked = stamp(args.queries) if args.queries else f"every{args.queries_every}"
    limit = f"-max{args.max_queries}" if args.max_queries else ""
    path = args.cache / f"{stamp(args.data)}-{asked}{limit}-{args.metric}.npy"
    if path.exists():
        return np.load(path)
    half_norms = (base**2).sum(axis=1) / 2 if args.metric == "l2" else 0.0
    rows = [nearest(tile @ base.T - half_norms) for tile in np.array_split(queries, len(queries) // 64 + 1)]
    truth = np.concatenate(rows).astype("<i4")
    args.cache.mkdir(parents=True, exist_ok=True)
    np.save(path, truth)
    return truth


def nearest(scores):
    depth = min(DEPTH, scores.shape[1])
    ids = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    order = np.argsort(-np.take_along_axis(scores, ids, axis=1), axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1)


def recall(found, truth):
    hits = (found[:, :, None] == truth[:, None, :K]).any(axis=1).sum()
    return float(hits) / truth[:, :K].size


def call_times(engine, queries, size):
    """Seconds of each call with so many queries, and what was found."""
    engine.search(queries[:WARM_UP])
    times, found = [], []
    for first in range(0, len(queries), size):
        some = queries[first : first + size]
        begun = time.perf_counter()
        found.append(engine.search(some))
        times.append(time.perf_counter() - begun)
    return times, np.concatenate(found)


class Track:
    """The sweep of one engine; its first round finds out how far it goes."""

    def __init__(self, engine):
        self.engine, self.recalls, self.calls, self.batches = engine, [], [], []

    def run(self, first, step, queries, truth):
        if (first and self.finished()) or (not first and step >= len(self.recalls)):
            return
        self.engine.set_effort(EFFORTS[step])
        seconds, found = call_times(self.engine, queries, BATCH)
        if first:
            self.recalls.append(recall(found, truth))
            self.calls.append([])
            self.batches.append([])
        self.batches[step].append(seconds)
        self.calls[step].append(call_times(self.engine, queries, 1)[0])

    def finished(self):
        if len(self.recalls) < 2:
            return False
        flat = EFFORTS[len(self.recalls) - 1] >= STEEP and self.recalls[-1] - self.recalls[-2] < GAIN
        return flat or self.recalls[-1] >= ENOUGH

    def curves(self, queries):
        """Those of both ways to ask."""
        called, batched = [], []
        for effort, reached, calls, batches in zip(EFFORTS, self.recalls, self.calls, self.batches):
            times = np.median(np.array(calls), axis=0)
            p50, p99 = (float(value) * 1e6 for value in np.percentile(times, [50, 99]))
            called.append(point(effort, reached, 1 / times.mean(), p50, p99))
            batched.append(
                point(effort, reached, len(queries) / np.median(np.array(batches), axis=0).sum(), None, None)
            )
        return called, batched


def point(effort, reached, qps, p50, p99):
    return {"effort": effort, "recall": reached, "qps": float(qps), "p50_us": p50, "p99_us": p99}


def at_recall(curve, target, field):
    """As `at_recall` in sweep.rs: the logarithm interpolated between the two points around."""
    above = next((index for index, point in enumerate(curve) if point["recall"] >= target), None)
    if above is None or curve[above][field] is None:
        return None
    if above == 0:
        return curve[0][field]
    low, high = curve[above - 1], curve[above]
    share = (target - low["recall"]) / (high["recall"] - low["recall"])
    return math.exp(math.log(low[field]) * (1 - share) + math.log(high[field]) * share)


def built(engine_type, base, args):
    """An engine, and its entry without the curve."""
    resident, begun, cpu = resident_bytes(), time.perf_counter(), time.process_time()
    engine = engine_type(base, args)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    build = {"threads": args.threads, "seconds": seconds, "cpu_seconds": cpu}
    entry = {
        "scan": False,
        "builds": [build | {"vectors_per_second": len(base) / seconds}],
        "bytes": engine.byte_len(),
        "resident_bytes": max(0, resident_bytes() - resident),
    }
    return engine, entry


def finished_entry(entry, name, curve):
    at = {
        f"{field}_at": {f"{target:.2f}": at_recall(curve, target, field) for target in RECALLS}
        for field in ("qps", "p50_us", "p99_us")
    }
    return {"name": name, **entry, "curve": curve, **at}


def resident_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "?")
    return f"{os.cpu_count()} x {model}; {datetime.date.today()}"


def sweep(tracks, queries, truth, rounds):
    for number in range(rounds):
        for step in range(len(EFFORTS)):
            turn = (number + step) % len(tracks)
            for track in tracks[turn:] + tracks[:turn]:
                track.run(number == 0, step, queries, truth)


def print_table(entries, base_len):
    print("| engine | build, vectors/s | bytes a vector | " + " | ".join(f"QPS at {r:.2f}" for r in RECALLS) + " |")
    print("|---" * (3 + len(RECALLS)) + "|")
    for entry in entries:
        qps = [entry["qps_at"][f"{target:.2f}"] for target in RECALLS]
        cells = " | ".join("–" if value is None else f"{value:.0f}" for value in qps)
        rate = entry["builds"][-1]["vectors_per_second"]
        print(f"| {entry['name']} | {rate:.0f} | {entry['bytes'] / base_len:.0f} | {cells} |")


def main():
    args = options()
    base, queries = load(args)
    truth = true_neighbours(args, base, queries)
    types = {"faiss": Faiss, "hnswlib": Hnswlib}
    tracks, parts = [], []
    for name in args.engines.split(","):
        engine, entry = built(types[name], base, args)
        tracks.append(Track(engine))
        parts.append(entry)
    sweep(tracks, queries, truth, args.rounds)
    entries = []
    for track, part in zip(tracks, parts):
        name = f"{track.engine.name} M={args.m} efC={args.ef_construction}"
        for way, curve in zip(("by call", "batch"), track.curves(queries)):
            entries.append(finished_entry(part, f"{name}, {way}", curve))
    print_table(entries, len(base))
    data = {"file": args.data.name, "metric": args.metric, "dim": base.shape[1]}
    data |= {"base": len(base), "queries": len(queries)}
    if args.json:
        report = {"machine": machine(), "data": data, "k": K, "engines": entries}
        args.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
