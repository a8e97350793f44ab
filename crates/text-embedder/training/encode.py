"""The teacher's vectors of all texts, kept in chunks so that a run that was stopped goes on where it was."""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np

from teacher import Teacher
from texts import order

CHUNK = 16384


def read_pairs(folder, portion=1.0):
    """`(source, query, document)` of all pairs, in an order that depends on the texts only; or of a first portion of them."""
    with open(folder / "pairs.jsonl", encoding="utf-8") as lines:
        pairs = sorted(map(json.loads, lines), key=lambda pair: order(pair[2]))
    return pairs[: math.ceil(portion * len(pairs))]


def read_texts(pairs):
    """The different texts of the pairs, in their order."""
    return list(dict.fromkeys(text for _, query, document in pairs for text in (query, document)))


def encode_all(folder, teacher, portion=1.0):
    """Writes `vectors/NNN.npy`, float16 [up to 16,384, 384], for `read_texts`. A chunk that a run on fewer texts ended with is made anew."""
    texts = read_texts(read_pairs(folder, portion))
    (folder / "vectors").mkdir(exist_ok=True)
    for start in range(0, len(texts), CHUNK):
        target = folder / "vectors" / f"{start // CHUNK:03}.npy"
        chunk = texts[start : start + CHUNK]
        if not target.exists() or len(np.load(target, mmap_mode="r")) < len(chunk):
            began = time.time()
            vectors = teacher.encode(chunk).astype(np.float16)
            np.save(target.with_suffix(".tmp.npy"), vectors)
            target.with_suffix(".tmp.npy").rename(target)
            print(f"  {start + len(vectors)}/{len(texts)}: {len(vectors) / (time.time() - began):.0f} texts/s", flush=True)


def load_vectors(folder):
    """The vectors that are there, float16 [n, 384], for the first n of `read_texts`."""
    return np.concatenate([np.load(path) for path in sorted((folder / "vectors").glob("[0-9]??.npy"))])


def encode_tokens(folder, teacher):
    """The teacher's vector of each token of its vocabulary alone, float32 [30522, 384], in `tokens.npy`."""
    target = folder / "tokens.npy"
    if not target.exists():
        start, end = (teacher.tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
        ids = [[start, token, end] for token in range(teacher.tokenizer.get_vocab_size())]
        np.save(target, teacher.encode_ids(ids))
    return np.load(target)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    teacher = Teacher(sys.argv[2])
    encode_tokens(folder, teacher)
    encode_all(folder, teacher)
