"""Other people's losses, to be compared with.

They are installed without what they depend on (requirements-alone.txt), so
three need help: torchvision's wheel is compiled for CUDA, the package around
segmentation_models_pytorch's losses wants its models, and plenoptic filters
from pyrtools, which its SSIM does not use.
"""

import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType

import torch

BUILT_ON_TORCHVISION = (
    "torchvision",
    "lightly",
    "lpips",
    "monai",
    "piq",
    "timm",
    "torchmetrics",
)
OPERATORS = (
    "nms",
    "qnms",
    "roi_align",
    "roi_pool",
    "ps_roi_align",
    "ps_roi_pool",
    "deform_conv2d",
    "_deform_conv2d_backward",
    "_roi_align_backward",
    "_roi_pool_backward",
    "_ps_roi_align_backward",
    "_ps_roi_pool_backward",
)


def load(name: str) -> ModuleType:
    """Import a peer's module.

    Raises:
        ImportError: if it is not installed, or cannot be imported.
    """
    package = name.split(".")[0]
    if package in BUILT_ON_TORCHVISION and not torch.cuda.is_available():
        _declare_operators()
    if package == "segmentation_models_pytorch":
        _without_its_models(package)
    if package == "plenoptic":
        _without_pyrtools()
    return importlib.import_module(name)


@cache
def _declare_operators() -> torch.library.Library:
    """What torchvision's own library would; it does not load without CUDA."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in OPERATORS:
        library.define(f"{name}(Tensor none) -> Tensor")
    return library


@cache
def _without_its_models(package: str) -> None:
    spec = importlib.util.find_spec(package)
    if spec is not None:
        bare = ModuleType(package)
        bare.__path__ = spec.submodule_search_locations
        sys.modules[package] = bare


@cache
def _without_pyrtools() -> None:
    if importlib.util.find_spec("pyrtools") is None:
        for name in (
            "pyrtools",
            "pyrtools.pyramids",
            "pyrtools.pyramids.steer",
        ):
            sys.modules[name] = ModuleType(name)
        sys.modules[name].steer_to_harmonics_mtx = None
