"""A ViT that sees its image through a few convolutions, for training from few faces.

Patches cut straight from the image learn slowly and overfit on small sets; a convolutional stem in their
place mends both (Xiao et al. 2021, 'Early convolutions help transformers see better',
https://arxiv.org/abs/2106.14881). Everything behind the stem is transformers' own ViT. The checkpoint's
config.json names the stem in ``stem_channels`` and ``stem_blocks``.
"""

import math

import torch
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity (He et al. 2016), which it equals before training."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        for conv in (self.first, self.second):
            nn.init.kaiming_normal_(conv.weight)
        nn.init.zeros_(self.second_norm.weight)
        self.activation = nn.GELU()

    def forward(self, images: Tensor) -> Tensor:
        inner = self.activation(self.first_norm(self.first(images)))
        return self.activation(images + self.second_norm(self.second(inner)))


class ConvStem(nn.Sequential):
    """[N, 3, S, S] -> [N, hidden, S / 2^k, S / 2^k] by k stages of 3x3 convolution, normalisation and
    halving.

    Without ``blocks`` a stage halves by pooling. With them the convolution strides, and so many residual
    blocks follow it: they learn more for the time, since none works at the image's full size.
    """

    def __init__(self, inputs: int, channels: list[int], hidden: int, blocks: int = 0):
        stages = []
        for before, after in zip([inputs, *channels], channels, strict=False):
            conv = nn.Conv2d(before, after, 3, stride=2 if blocks else 1, padding=1, bias=False)
            nn.init.kaiming_normal_(conv.weight)
            behind: list[nn.Module] = [ResidualBlock(after) for _ in range(blocks)]
            behind = behind or [nn.MaxPool2d(2)]
            stages.append(nn.Sequential(conv, nn.BatchNorm2d(after), nn.GELU(), *behind))
        super().__init__(*stages, nn.Conv2d(channels[-1], hidden, 1))

    def forward(self, images: Tensor) -> Tensor:
        """The memory layout is channels last, twice as fast on a CPU."""
        return super().forward(images.contiguous(memory_format=torch.channels_last))

    @property
    def weight(self) -> Tensor:
        """The last layer's weight, from which transformers' patch embedding reads the data type."""
        last = self[-1]
        assert isinstance(last, nn.Conv2d)
        return last.weight


class StemVit(ViTForImageClassification):
    """transformers' ViT classifier with a ConvStem in place of its patch projection."""

    def __init__(self, config: ViTConfig):
        super().__init__(config)
        # transformers' types know only the convolution that it makes itself.
        self.vit.embeddings.patch_embeddings.projection = ConvStem(  # type: ignore[assignment]
            config.num_channels, config.stem_channels, config.hidden_size, getattr(config, "stem_blocks", 0)
        )


def vit_class(config: ViTConfig) -> type[ViTForImageClassification]:
    """The class that reads a checkpoint with this configuration."""
    return StemVit if getattr(config, "stem_channels", None) else ViTForImageClassification


def weight_scale(hidden: int) -> float:
    """Standard deviation of fresh weights: 1 / sqrt(inputs). The usual 0.02 is made for 768 inputs; narrow
    layers stall with it.
    """
    return 1 / math.sqrt(hidden)
