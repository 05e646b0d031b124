"""EfficientNet-Lite0: a small image classifier for ImageNet's 1000 classes.

Source: Tan and Le 2019, EfficientNet; the Lite variants drop squeeze-and-excitation and use ReLU6.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sensorium.models.thread_safe import loading_weights

IMAGE_SIZE = 224
_CROP_FRACTION = 0.875
_BATCH_NORM_EPSILON = 1e-3

# kernel, stride, expansion, output channels, repeats
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class SamePaddedConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow pads: the odd pixel goes to the right and the bottom."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        height, width = self._padding(input.shape[-2], 0), self._padding(input.shape[-1], 1)
        padded = nn.functional.pad(input, (width // 2, width - width // 2, height // 2, height - height // 2))
        return nn.functional.conv2d(
            padded, self.weight, self.bias, self.stride, padding=0, dilation=self.dilation, groups=self.groups
        )

    def _padding(self, size: int, axis: int) -> int:
        stride, kernel = self.stride[axis], self.kernel_size[axis]
        return max((-(-size // stride) - 1) * stride + kernel - size, 0)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection, with a shortcut where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(inputs, inner, 1, bias=False), _batch_norm(inner), nn.ReLU6(inplace=True)]
        layers += [
            SamePaddedConvolution(inner, inner, kernel, stride, groups=inner, bias=False),
            _batch_norm(inner),
            nn.ReLU6(inplace=True),
        ]
        layers += [nn.Conv2d(inner, outputs, 1, bias=False), _batch_norm(outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.layers(input)
        return output + input if self.shortcut else output


class EfficientNetLite0(nn.Module):
    """Pixels ``[n, 3, 224, 224]``, scaled as `preprocess` says, to class logits ``[n, 1000]``."""

    def __init__(self) -> None:
        super().__init__()
        channels = 32
        self.stem = nn.Sequential(
            SamePaddedConvolution(3, channels, 3, 2, bias=False), _batch_norm(channels), nn.ReLU6(inplace=True)
        )
        blocks: list[nn.Module] = []
        for kernel, stride, expansion, outputs, repeats in _STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, kernel, stride if repeat == 0 else 1, expansion))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Conv2d(channels, 1280, 1, bias=False), _batch_norm(1280), nn.ReLU6(inplace=True))
        self.classifier = nn.Linear(1280, 1000)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what the classifier averages and judges: ``[n, 1280, 7, 7]``."""
        features: torch.Tensor = self.head(self.blocks(self.stem(pixels)))
        return features

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(pixels).mean((2, 3)))
        return logits


def load(path: Path) -> EfficientNetLite0:
    """Load the published weights.

    Args:
        path: The ``.pth`` file; read with ``weights_only=True``, so that it can't run code.

    Returns:
        The network in evaluation mode, float32, on the CPU, in the form that runs fastest.
    """
    published = torch.load(path, map_location="cpu", weights_only=True)
    with loading_weights:
        network = EfficientNetLite0()
        # The published names differ from ours, but both list the layers in the order in which they run.
        ours = network.state_dict()
        network.load_state_dict(dict(zip(ours, published.values(), strict=True)))
        _fold_batch_norms(network.eval())
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def preprocess(image: PIL.Image.Image) -> np.ndarray:
    """Resize and crop an RGB image for the network.

    Returns:
        uint8 array ``[3, 224, 224]``; the network takes ``(value - 127) / 128``.
    """
    side = round(IMAGE_SIZE / _CROP_FRACTION)
    scale = side / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    resized = image.resize((width, height), PIL.Image.Resampling.BICUBIC)
    left, top = (width - IMAGE_SIZE) // 2, (height - IMAGE_SIZE) // 2
    cropped = resized.crop((left, top, left + IMAGE_SIZE, top + IMAGE_SIZE))
    return np.asarray(cropped).transpose(2, 0, 1)


def scale_pixels(pixels: torch.Tensor) -> torch.Tensor:
    """Turn a uint8 batch from `preprocess` into what the network takes."""
    scaled = pixels.contiguous(memory_format=torch.channels_last).to(torch.float32)
    return scaled.sub_(127).div_(128)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_BATCH_NORM_EPSILON)


def _fold_batch_norms(network: nn.Module) -> None:
    """Make each batch normalisation part of the convolution before it: the same numbers, in fewer passes."""
    for group in network.modules():
        if isinstance(group, nn.Sequential):
            for index in range(len(group) - 1):
                first, second = group[index], group[index + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    group[index] = fuse_conv_bn_eval(first, second)
                    group[index + 1] = nn.Identity()
