"""The model that is trained: a row for each token, their mean, a curve for each value, unit length.

    pooled = sum(weight[t] * row[t] for t in tokens) / number of tokens
    vector = normalise(gamma * tanh(alpha * pooled + beta) + bias)        (the curve is left out if there is none)

While it is trained a weight is part of its row. This file is also the reference that other readers of the model are
compared with: `Student.load(folder).embed(texts)`.
"""

import json
import unicodedata

import numpy as np
import scipy.sparse as sparse
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def is_needed(token):
    """Latin and Greek letters, digits, marks and signs are kept; other scripts and `[unused7]` are not."""
    if token.startswith("[unused"):
        return False
    scripts = (unicodedata.name(ch, "NONE") for ch in token if unicodedata.category(ch)[0] == "L")
    return token in SPECIAL or all(name.startswith(("LATIN", "GREEK")) for name in scripts)


def shrink_tokenizer(source):
    """The teacher's tokenizer without padding, truncation, special tokens around a text, and tokens not needed.

    Returns its JSON as a string, and the teacher's id of each new id.
    """
    content = json.loads(open(source, encoding="utf-8").read())
    vocabulary = sorted(content["model"]["vocab"].items(), key=lambda item: item[1])
    kept = [(token, old) for token, old in vocabulary if is_needed(token)]
    content["model"]["vocab"] = {token: new for new, (token, _) in enumerate(kept)}
    for added in content["added_tokens"]:
        added["id"] = content["model"]["vocab"][added["content"]]
    content["post_processor"] = content["truncation"] = content["padding"] = None
    return json.dumps(content, ensure_ascii=False), np.array([old for _, old in kept])


class Words:
    """Texts to sparse matrices: row i has, for each token of text i, how often it occurs over the number of tokens."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.size = tokenizer.get_vocab_size()
        self.ignored = {tokenizer.token_to_id(name) for name in SPECIAL}

    def matrix(self, texts):
        columns, counts = [], []
        for start in range(0, len(texts), 10000):
            for encoding in self.tokenizer.encode_batch(list(texts[start : start + 10000]), add_special_tokens=False):
                ids = [i for i in encoding.ids if i not in self.ignored]
                columns.append(np.array(ids, np.int32))
                counts.append(len(ids))
        counts = np.array(counts)
        values = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
        starts = np.concatenate([[0], np.cumsum(counts)])
        matrix = sparse.csr_matrix((values, np.concatenate(columns), starts), shape=(len(texts), self.size))
        matrix.sum_duplicates()
        return matrix


def normalise(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


class Student:
    """`rows` [tokens, values]; `curve` is None or alpha, beta, gamma, bias, each [values]."""

    def __init__(self, tokenizer_json, rows, curve=None):
        self.tokenizer_json = tokenizer_json
        self.words = Words(Tokenizer.from_str(tokenizer_json))
        self.rows, self.curve = rows, curve

    def bend(self, pooled):
        if self.curve is None:
            return pooled
        alpha, beta, gamma, bias = self.curve
        return gamma * np.tanh(alpha * pooled + beta) + bias

    def embed_matrix(self, matrix, length=None):
        """Vectors of unit length; of their first `length` values, if given."""
        return normalise(self.bend(matrix @ self.rows)[:, :length])

    def embed(self, texts, length=None):
        return self.embed_matrix(self.words.matrix(texts), length)

    def quantised(self):
        """The same model after int8: each row is a scale times whole numbers from -127 to 127."""
        scales = np.abs(self.rows).max(1) / 127
        codes = np.rint(self.rows / np.maximum(scales, 1e-30)[:, None]).astype(np.int8)
        return codes, scales.astype(np.float32)

    def save(self, folder, name, int8=True):
        """Writes `config.json`, `tokenizer.json` and `model.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        codes, scales = self.quantised()
        tensors = {"embeddings": codes if int8 else self.rows.astype(np.float32)}
        tensors["weights"] = scales if int8 else np.ones(len(scales), np.float32)
        if self.curve is not None:
            for part, values in zip(("alpha", "beta", "gamma", "bias"), self.curve):
                tensors["post." + part] = np.ascontiguousarray(values, np.float32)
        config = {"model_type": "model2vec", "model_id": name, "hidden_dim": self.rows.shape[1], "normalize": True}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        (folder / "tokenizer.json").write_text(self.tokenizer_json, encoding="utf-8")
        save_file(tensors, folder / "model.safetensors")

    @classmethod
    def load(cls, folder):
        tensors = load_file(folder / "model.safetensors")
        rows = tensors["embeddings"].astype(np.float32) * tensors["weights"][:, None]
        curve = [tensors["post." + part] for part in ("alpha", "beta", "gamma", "bias")] if "post.alpha" in tensors else None
        return cls((folder / "tokenizer.json").read_text(encoding="utf-8"), rows, curve)
