"""Writes the starter's networks as ONNX graphs: ``python training/conse_starter/export_graphs.py``.

A graph says what is computed; its weights stay where they are, in the files of the checkpoint ``conse-starter``, and
the graph names each one's place in them. ONNX Runtime maps those files into memory, so that nothing is converted,
nothing is kept twice, and the pickle in the ``.pth`` file is never read. The places hold because the checkpoint's files
are pinned by sum.
"""

from __future__ import annotations

import argparse
import importlib
import json
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_networks import STAGES

from sensorium.models import catalog, store

DATA = Path(__file__).parents[2] / "src" / "sensorium" / "vision_language" / "starter" / "data"
PACKAGES = ("onnx==1.23.2", "protobuf==7.36.2", "ml_dtypes==0.6.0")
OPSET, IR_VERSION = 20, 9
CONTRIBUTED = "com.microsoft"  # the domain of ONNX Runtime's own operators

IMAGE_WEIGHTS = "image/efficientnet-lite0.pth"
BATCH_NORM_EPSILON = 1e-3

TEXT_WEIGHTS = "text/model.safetensors"
HIDDEN_SIZE, HEADS, LAYERS = 384, 12, 6
LAYER_NORM_EPSILON = 1e-12


@dataclass(frozen=True)
class Place:
    """Where a weight lies in a file of the checkpoint: its first byte, and its shape in the order of the bytes."""

    file: str
    offset: int
    shape: tuple[int, ...]


@dataclass
class Graph:
    """A graph that is being written, node by node.

    Attributes:
        onnx: The library, which is not among the project's own.
        places: Where each weight lies.
    """

    onnx: Any
    places: dict[str, Place]
    nodes: list[Any] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def weight(self, name: str) -> str:
        """Refer to a weight of the checkpoint, in the shape in which it lies there."""
        place = self.places[name]
        tensor = self.onnx.TensorProto(
            name=name,
            data_type=self.onnx.TensorProto.FLOAT,
            dims=place.shape,
            data_location=self.onnx.TensorProto.EXTERNAL,
        )
        length = 4 * int(np.prod(place.shape))
        for key, value in (("location", place.file), ("offset", place.offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.weights[name] = tensor
        return name

    def constant(self, value: Any, kind: type[np.generic] = np.float32) -> str:
        """Add a constant that is part of the graph."""
        array = np.asarray(value, kind)
        name = f"{array.dtype}_{'_'.join(map(str, array.ravel())) or 'none'}_{array.ndim}"
        self.weights.setdefault(name, self.onnx.numpy_helper.from_array(array, name))
        return name

    def save(
        self, path: Path, name: str, inputs: dict[str, tuple[str, list[Any]]], outputs: dict[str, list[Any]]
    ) -> None:
        """Write the graph.

        Args:
            path: Where to.
            name: Its name.
            inputs: From name to type and shape; a dimension with a name may have any size.
            outputs: Likewise, of float32.
        """
        value = self.onnx.helper.make_tensor_value_info
        types = self.onnx.TensorProto
        graph = self.onnx.helper.make_graph(
            self.nodes,
            name,
            [value(one, getattr(types, kind), shape) for one, (kind, shape) in inputs.items()],
            [value(one, types.FLOAT, shape) for one, shape in outputs.items()],
            initializer=list(self.weights.values()),
        )
        opsets = [self.onnx.helper.make_opsetid("", OPSET), self.onnx.helper.make_opsetid(CONTRIBUTED, 1)]
        model = self.onnx.helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets)
        path.write_bytes(model.SerializeToString(deterministic=True))
        print(f"{path.name}: {len(self.nodes)} nodes, {path.stat().st_size} bytes")


def main() -> None:
    """Write all graphs into the package, or into a folder."""
    parser = argparse.ArgumentParser(prog="python training/conse_starter/export_graphs.py")
    parser.add_argument("--to", type=Path, default=DATA)
    folder: Path = parser.parse_args().to
    checkpoint = store.locate(catalog.named("conse-starter"))
    image, text = pickled_places(checkpoint, IMAGE_WEIGHTS), safetensors_places(checkpoint, TEXT_WEIGHTS)
    with tempfile.TemporaryDirectory() as packages:
        onnx = fetch_onnx(Path(packages))
        write_classifier(Graph(onnx, image), folder / "efficientnet_lite0.onnx")
        write_class_activation(Graph(onnx, image), folder / "class_activation.onnx")
        write_sentence_encoder(Graph(onnx, text), folder / "all_minilm_l6_v2.onnx")


def fetch_onnx(folder: Path) -> Any:
    """Return the library that writes graphs; only this recipe needs it, so it is installed for the moment."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, *PACKAGES], check=True)
    sys.path.insert(0, str(folder))
    return importlib.import_module("onnx")


def write_classifier(graph: Graph, path: Path) -> None:
    """Write EfficientNet-Lite0: uint8 pixels to what the classifier averages, and to class logits.

    Source: Tan and Le 2019, EfficientNet; the Lite variants drop squeeze-and-excitation and use ReLU6.
    """
    pixels = graph.add("Cast", "pixels", to=graph.onnx.TensorProto.FLOAT)
    scaled = graph.add("Div", graph.add("Sub", pixels, graph.constant(127)), graph.constant(128))
    state = _relu6(graph, _convolution(graph, scaled, "_conv_stem", "_bn0", kernel=3, stride=2))
    channels, block = 32, 0
    for kernel, stride, expansion, outputs, repeats in STAGES:
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            result = _inverted_residual(graph, state, f"_blocks.{block}", kernel, step, channels * expansion, expansion)
            state = graph.add("Add", result, state) if step == 1 and channels == outputs else result
            channels, block = outputs, block + 1
    _relu6(graph, _convolution(graph, state, "_conv_head", "_bn1"), output="features")
    mean = graph.add("Flatten", graph.add("GlobalAveragePool", "features"))
    graph.add("Gemm", mean, graph.weight("_fc.weight"), graph.weight("_fc.bias"), output="logits")
    graph.save(
        path,
        "EfficientNet-Lite0",
        {"pixels": ("UINT8", ["images", 3, "height", "width"])},
        {"features": ["images", 1280, "rows", "columns"], "logits": ["images", 1000]},
    )


def write_class_activation(graph: Graph, path: Path) -> None:
    """Write the classifier's last layer by place: what each place of the features adds to a weighted sum of logits.

    Source: Zhou et al. 2016, Learning Deep Features for Discriminative Localization.
    """
    direction = graph.add("Gemm", "class_weights", graph.weight("_fc.weight"), transB=1)
    shape = graph.constant([1, 1280, -1], np.int64)
    flat = graph.add("Reshape", "features", shape)
    graph.add("MatMul", direction, flat, output="activation")
    graph.save(
        path,
        "class activation",
        {"features": ("FLOAT", [1, 1280, "rows", "columns"]), "class_weights": ("FLOAT", [1, 1000])},
        {"activation": [1, 1, "places"]},
    )


def write_sentence_encoder(graph: Graph, path: Path) -> None:
    """Write all-MiniLM-L6-v2: token ids and which of them are real, to rows of length 1.

    Source: Reimers and Gurevych 2019, Sentence-BERT; Wang et al. 2020, MiniLM.
    """
    mask = graph.add("Cast", "mask", to=graph.onnx.TensorProto.INT32)
    states = _embeddings(graph)
    for number in range(LAYERS):
        states = _transformer_layer(graph, states, mask, f"encoder.layer.{number}")
    # The mean over the real tokens.
    real = graph.add(
        "Unsqueeze", graph.add("Cast", "mask", to=graph.onnx.TensorProto.FLOAT), graph.constant([2], np.int64)
    )
    total = graph.add("ReduceSum", graph.add("Mul", states, real), graph.constant([1], np.int64), keepdims=0)
    count = graph.add("ReduceSum", real, graph.constant([1], np.int64), keepdims=0)
    mean = graph.add("Div", total, count)
    length = graph.add("ReduceL2", mean, graph.constant([1], np.int64), keepdims=1)
    graph.add("Div", mean, length, output="rows")
    graph.save(
        path,
        "all-MiniLM-L6-v2",
        {"ids": ("INT64", ["texts", "tokens"]), "mask": ("INT64", ["texts", "tokens"])},
        {"rows": ["texts", HIDDEN_SIZE]},
    )


def _inverted_residual(
    graph: Graph, state: str, name: str, kernel: int, stride: int, inner: int, expansion: int
) -> str:
    """Add expansion, depthwise convolution and projection."""
    # The published names count the batch normalisations from the expansion, which the first block lacks.
    if expansion != 1:
        state = _relu6(graph, _convolution(graph, state, f"{name}._expand_conv", f"{name}._bn0"))
    depthwise = f"{name}._depthwise_conv"
    state = _relu6(
        graph, _convolution(graph, state, depthwise, f"{name}._bn1", kernel=kernel, stride=stride, groups=inner)
    )
    return _convolution(graph, state, f"{name}._project_conv", f"{name}._bn2")


def _convolution(
    graph: Graph, state: str, name: str, norm: str, *, kernel: int = 1, stride: int = 1, groups: int = 1
) -> str:
    """Add a convolution, padded as TensorFlow pads, and its batch normalisation, which ONNX Runtime folds into it."""
    weight = graph.add("Transpose", graph.weight(f"{name}.weight"), perm=[3, 2, 0, 1])
    state = graph.add(
        "Conv",
        state,
        weight,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        group=groups,
        auto_pad="SAME_UPPER",
    )
    values = [graph.weight(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
    return graph.add("BatchNormalization", state, *values, epsilon=BATCH_NORM_EPSILON)


def _relu6(graph: Graph, state: str, output: str = "") -> str:
    return graph.add("Clip", state, graph.constant(0), graph.constant(6), output=output)


def _embeddings(graph: Graph) -> str:
    """Add the sum of what a token, its position and the one kind of text stand for, ``[texts, tokens, hidden]``."""
    tokens = graph.add("Slice", graph.add("Shape", "ids"), *(graph.constant([i], np.int64) for i in (1, 2)))
    positions = graph.add(
        "Slice",
        graph.weight("embeddings.position_embeddings.weight"),
        graph.constant([0], np.int64),
        tokens,
        graph.constant([0], np.int64),
    )
    kind = graph.add("Gather", graph.weight("embeddings.token_type_embeddings.weight"), graph.constant(0, np.int64))
    words = graph.add("Gather", graph.weight("embeddings.word_embeddings.weight"), "ids")
    return _layer_norm(graph, graph.add("Add", graph.add("Add", words, kind), positions), "embeddings")


def _transformer_layer(graph: Graph, states: str, mask: str, name: str) -> str:
    """Add attention and the two linear layers after it."""
    query, key, value = (_linear(graph, states, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
    attended = graph.add("MultiHeadAttention", query, key, value, "", mask, domain=CONTRIBUTED, num_heads=HEADS)
    attended = _linear(graph, attended, f"{name}.attention.output.dense")
    states = _layer_norm(graph, graph.add("Add", attended, states), f"{name}.attention.output")
    wide = graph.add("Gelu", _linear(graph, states, f"{name}.intermediate.dense"))
    return _layer_norm(graph, graph.add("Add", _linear(graph, wide, f"{name}.output.dense"), states), f"{name}.output")


def _linear(graph: Graph, states: str, name: str) -> str:
    """Add a linear layer, whose weights lie as ``[outputs, inputs]``."""
    turned = graph.add("Transpose", graph.weight(f"{name}.weight"), perm=[1, 0])
    return graph.add("Add", graph.add("MatMul", states, turned), graph.weight(f"{name}.bias"))


def _layer_norm(graph: Graph, states: str, name: str) -> str:
    weight, bias = (graph.weight(f"{name}.LayerNorm.{part}") for part in ("weight", "bias"))
    return graph.add("LayerNormalization", states, weight, bias, epsilon=LAYER_NORM_EPSILON)


def pickled_places(checkpoint: Path, file: str) -> dict[str, Place]:
    """Find the weights of a ``.pth`` file: each lies there as it lies in memory.

    It came from TensorFlow, and so kernels lie there as ``[height, width, inputs, outputs]``, and the last layer as
    ``[inputs, outputs]``.
    """
    content = (checkpoint / file).read_bytes()
    places = {}
    for name, tensor in torch.load(checkpoint / file, map_location="cpu", weights_only=True).items():
        if tensor.dtype != torch.float32:
            continue  # how many batches a normalisation has seen
        axes = [3, 2, 0, 1] if tensor.dim() == 4 else list(range(tensor.dim()))[::-1]
        laid_out = tensor.permute([axes.index(axis) for axis in range(tensor.dim())])
        assert laid_out.is_contiguous(), f"{name} lies in another order"
        (offset,) = occurrences(laid_out.numpy().tobytes(), content)
        places[name] = Place(file, offset, tuple(laid_out.shape))
    return places


def occurrences(stored: bytes, content: bytes) -> list[int]:
    """Return where some bytes lie among others; looks for their beginning first, which takes less time."""
    found, start = [], content.find(stored[:64])
    while start >= 0:
        if content.startswith(stored, start):
            found.append(start)
        start = content.find(stored[:64], start + 1)
    return found


def safetensors_places(checkpoint: Path, file: str) -> dict[str, Place]:
    """Find the weights of a safetensors file, whose header says where they are."""
    with (checkpoint / file).open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    return {
        name: Place(file, 8 + length + entry["data_offsets"][0], tuple(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


if __name__ == "__main__":
    main()
