"""Losses of two images."""

import sys
from functools import partial

import torch
from torch import Generator, Tensor

from handbook_code import ms_ssim_l1_loss, ms_ssim_loss, nlpd, ssim_loss
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload


def images(
    number: int, channels: int, side: int, draw: Generator
) -> tuple[Tensor, Tensor]:
    """A ramp with some grain, and the same with noise."""
    grain, noise = torch.rand(2, number, channels, side, side, generator=draw)
    target = torch.linspace(0, 0.8, side) + 0.2 * grain
    return (0.9 * target + 0.1 * noise), target


def msssim_ssim() -> Loss:
    ssim = load("pytorch_msssim").ssim
    return lambda x, y: 1 - ssim(x, y, data_range=1)


def piq_ssim() -> Loss:
    ssim = load("piq").ssim
    return lambda x, y: 1 - ssim(x, y, data_range=1.0, downsample=False)


def monai_ssim() -> Loss:
    return load("monai.losses").SSIMLoss(spatial_dims=2, data_range=1.0)


def kornia_ssim() -> Loss:
    ssim = load("kornia.losses").ssim_loss
    return lambda x, y: 2 * ssim(x, y, window_size=11, padding="valid")


def torchmetrics_ssim() -> Loss:
    functional = load("torchmetrics.functional.image")
    ssim = functional.structural_similarity_index_measure
    return lambda x, y: 1 - ssim(x, y, data_range=1.0)


def msssim_ms_ssim() -> Loss:
    ms_ssim = load("pytorch_msssim").ms_ssim
    return lambda x, y: 1 - ms_ssim(x, y, data_range=1)


def piq_ms_ssim() -> Loss:
    ms_ssim = load("piq").multi_scale_ssim
    return lambda x, y: 1 - ms_ssim(x, y, data_range=1.0)


def torchmetrics_ms_ssim() -> Loss:
    functional = load("torchmetrics.functional.image")
    ms_ssim = functional.multiscale_structural_similarity_index_measure
    return lambda x, y: 1 - ms_ssim(x, y, data_range=1.0)


def kornia_mix() -> Loss:
    return load("kornia.losses").MS_SSIMLoss(alpha=0.84, compensation=1.0)


def plenoptic_nlpd() -> Loss:
    metric = load("plenoptic.metric")
    pyrtools = sys.modules["pyrtools"]
    if not hasattr(pyrtools, "named_filter"):
        taps = torch.tensor([[1.0], [4.0], [6.0], [4.0], [1.0]]) / 16
        filters = {"binom5": (taps * 2**0.5).numpy()}
        pyrtools.named_filter = filters.get
    return lambda x, y: metric.nlpd(x, y).mean()


WORKLOADS = [
    Workload(
        name="ssim_loss",
        ours=partial(ssim_loss, data_range=1.0),
        peers={
            "pytorch-msssim": msssim_ssim,
            "piq": piq_ssim,
            "monai": monai_ssim,
            "kornia": kornia_ssim,
            "torchmetrics": torchmetrics_ssim,
        },
        make=images,
        sizes={
            "1×1×64²": (1, 1, 64),
            "4×3×256²": (4, 3, 256),
            "8×3×512²": (8, 3, 512),
        },
        differ={"torchmetrics": "mirrors at the border"},
    ),
    Workload(
        name="ms_ssim_loss",
        ours=partial(ms_ssim_loss, data_range=1.0),
        peers={
            "pytorch-msssim": msssim_ms_ssim,
            "piq": piq_ms_ssim,
            "torchmetrics": torchmetrics_ms_ssim,
        },
        make=images,
        sizes={
            "1×1×176²": (1, 1, 176),
            "4×3×256²": (4, 3, 256),
            "8×3×512²": (8, 3, 512),
        },
        differ={"torchmetrics": "mirrors at the border"},
    ),
    Workload(
        name="ms_ssim_l1_loss",
        ours=partial(ms_ssim_l1_loss, data_range=1.0),
        peers={"kornia": kornia_mix},
        make=images,
        sizes={
            "1×1×64²": (1, 1, 64),
            "1×3×128²": (1, 3, 128),
            "4×3×256²": (4, 3, 256),
        },
        differ={"kornia": "puts zeros around the images"},
    ),
    Workload(
        name="nlpd",
        ours=nlpd,
        peers={"plenoptic": plenoptic_nlpd},
        make=images,
        sizes={
            "1×1×64²": (1, 1, 64),
            "4×1×256²": (4, 1, 256),
            "4×1×1024²": (4, 1, 1024),
        },
        differ={"plenoptic": "another blur, other borders and kernels"},
    ),
]
