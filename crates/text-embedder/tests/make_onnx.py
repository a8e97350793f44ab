"""Makes `tests/data/tiny.onnx`: a model that looks up a row of three values for each of 16 tokens, token t having the row (t, 1, t * t / 16).

    pip install onnx numpy
    python3 crates/text-embedder/tests/make_onnx.py crates/text-embedder/tests/data/tiny.onnx
"""

import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def main():
    table = numpy.array([[t, 1, t * t / 16] for t in range(16)], dtype=numpy.float32)
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in ["input_ids", "attention_mask"]]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", 3])
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "axes"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["last_hidden_state"]),
    ]
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(numpy.array([2]), "axes")]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, sys.argv[1])


if __name__ == "__main__":
    main()
