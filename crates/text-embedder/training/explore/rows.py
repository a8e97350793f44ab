"""Two other uses of the bytes of a model, against one of 8 bits and 256 values: 512 values of 4 bits, and rows for frequent pairs of
tokens. One epoch of stage 3 each, from tokens alone, as in ablate.py: `rows.py WORK JUDGED MODEL`, after train.sh. `MODEL` is the
built-in model as a folder of model2vec, which is measured with 4 bits too.
"""

import json
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from tokenizers import Tokenizer

from ranking import WEIGHTS, Table, read_all
from stages import principal_axes, token_rows
from student import SPECIAL, Student, shrink_tokenizer
from train import CONTRAST, PCA_TEXTS, Data, contrast

PAIRS = 8000


class PairWords:
    """Texts to sparse matrices as `student.Words` makes them, with a column more for each of some pairs of tokens side by side."""

    def __init__(self, tokenizer_json, texts):
        self.tokenizer = Tokenizer.from_str(tokenizer_json)
        self.size = self.tokenizer.get_vocab_size()
        self.ignored = [self.tokenizer.token_to_id(name) for name in SPECIAL]
        rows, ids = self.tokens(texts)
        codes, counts = np.unique(self.codes(rows, ids), return_counts=True)
        often = counts >= 20
        codes, counts = codes[often], counts[often]
        share = np.bincount(ids, minlength=self.size) / len(ids)
        gain = counts * np.log(counts / len(ids) / (share[codes // self.size] * share[codes % self.size]))
        self.pairs = np.sort(codes[np.argsort(-gain)[:PAIRS]])

    def tokens(self, texts):
        """The text and the id of every token."""
        rows, ids = [], []
        for start in range(0, len(texts), 10000):
            for row, encoding in enumerate(self.tokenizer.encode_batch(list(texts[start : start + 10000]), add_special_tokens=False)):
                ids.append(np.array(encoding.ids, np.int64))
                rows.append(np.full(len(encoding.ids), start + row))
        rows, ids = np.concatenate(rows), np.concatenate(ids)
        known = ~np.isin(ids, self.ignored)
        return rows[known], ids[known]

    def codes(self, rows, ids):
        """A number for every pair of tokens side by side in one text."""
        return (ids[:-1] * self.size + ids[1:])[rows[:-1] == rows[1:]]

    def matrix(self, texts):
        rows, ids = self.tokens(texts)
        codes, places = self.codes(rows, ids), rows[:-1][rows[:-1] == rows[1:]]
        found = np.searchsorted(self.pairs, codes).clip(max=len(self.pairs) - 1)
        is_pair = self.pairs[found] == codes
        counts = np.maximum(np.bincount(rows, minlength=len(texts)), 1)
        all_rows = np.concatenate([rows, places[is_pair]])
        columns = np.concatenate([ids, self.size + found[is_pair]])
        values = (1 / counts[all_rows]).astype(np.float32)
        return sparse.csr_matrix((values, (all_rows, columns)), shape=(len(texts), self.size + len(self.pairs)))


class WithPairs(Data):
    """Rows for pairs, beside those of all tokens."""

    def features(self, texts):
        return PairWords(self.tokenizer, texts)


class PairsInstead(WithPairs):
    """Rows for pairs instead of those of the rarest tokens, whose words then are split further."""

    def vocabulary(self, tokenizer):
        """Tokens of one letter stay; of the others those go that the teacher's vocabulary, which is in the order of frequency, has last."""
        whole, kept = shrink_tokenizer(tokenizer)
        content = json.loads(whole)
        by_id = sorted(content["model"]["vocab"].items(), key=lambda item: item[1])
        long = [token for token, _ in by_id if len(token.removeprefix("##")) > 1 and token not in SPECIAL]
        gone = set(long[-PAIRS:])
        left = [(token, old) for token, old in by_id if token not in gone]
        content["model"]["vocab"] = {token: new for new, (token, _) in enumerate(left)}
        for added in content["added_tokens"]:
            added["id"] = content["model"]["vocab"][added["content"]]
        return json.dumps(content, ensure_ascii=False), kept[[old for _, old in left]]


def quantised(rows, bits):
    """Rows as whole numbers with a scale each, and back; the scale is that of the least squared error of some."""
    most = 2 ** (bits - 1) - 1
    best, least = rows, np.full(len(rows), np.inf)
    for portion in np.linspace(0.5, 1, 11):
        scale = np.maximum(np.abs(rows).max(1, keepdims=True) * portion / most, 1e-30)
        back = np.clip(np.rint(rows / scale), -most, most) * scale
        error = ((rows - back) ** 2).sum(1)
        best = np.where((error < least)[:, None], back, best)
        least = np.minimum(error, least)
    return best.astype(np.float32)


def trained(data, values):
    """One epoch from tokens alone. Values beyond the teacher's width begin as small noise, and the teacher has no wish for them."""
    known = np.unique(np.concatenate([data.queries, data.documents]))
    axes = principal_axes(data.vectors[known[:PCA_TEXTS]].astype(np.float32), min(values, data.vectors.shape[1]))
    rows = token_rows(data.tokens, axes, data.matrix[known][:, : len(data.tokens)])
    more = data.matrix.shape[1] - len(rows)
    rows = np.concatenate([rows, np.zeros((more, rows.shape[1]), np.float32)])
    spread = np.float32(0.3 * rows.std())
    noise = np.random.default_rng(1).standard_normal((len(rows), values - rows.shape[1]), np.float32)
    rows = np.concatenate([rows, noise * spread], 1)
    lengths = {values: 1.0, values // 2: 0.5, values // 4: 0.25}
    return contrast(data, None, rows, axes, {**CONTRAST, "epochs": 1, "lengths": lengths})


def main(work, judged, model):
    collections = read_all(judged)
    table = Table(collections, "model | bytes of rows | own, other sources | agreement, other sources | asked")

    def add(name, data, rows, bits):
        student = Student(data.tokenizer, quantised(rows, bits))
        own, agreement = data.tests["other sources"].measure(student)
        size = rows.shape[0] * (rows.shape[1] * bits // 8 + 4)
        scores = {}
        for c in collections:
            queries, texts = (student.embed_matrix(data.words.matrix(side)) for side in (c.queries, c.texts))
            scores[c.name] = queries @ texts.T
        row = f"{name}, {bits} bits | {size:,} | {own:.3f} | {agreement:.3f} |"
        table.add(row + " meaning", lambda c: c.measure(scores[c.name]))
        table.add(row + " both", lambda c: c.with_words(scores[c.name], WEIGHTS["built-in"]))

    data = Data(work)
    for bits in (8, 4):
        add("the built-in model", data, Student.load(model).rows, bits)
    for values in (256, 384, 512):
        rows = trained(data, values).rows
        for bits in (8, 4):
            add(f"{len(rows):,} x {values}", data, rows, bits)
    del data
    for kind, name in ((WithPairs, "with pairs"), (PairsInstead, "pairs instead of tokens")):
        data = kind(work)
        rows = trained(data, 256).rows
        add(f"{len(rows):,} x 256, {name}", data, rows, 8)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
