"""Every test that asks for ``device`` runs on each device that is present."""

import os
import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])

torch.set_num_threads(1)
if not torch.cuda.is_available():
    # Before anything imports Triton: its kernels then run on the processor.
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.gpu] if name == "cuda" else [])
        for name in DEVICES
    ]
)
def device(request):
    """Tensors made in the test, and those that it draws, are put there."""
    torch.set_default_device(request.param)
    yield torch.device(request.param)
    torch.set_default_device(None)


@pytest.fixture
def generator(device) -> torch.Generator:
    return torch.Generator(device).manual_seed(0)


@pytest.fixture
def bibliography() -> set[str]:
    """The keys of the book's bibliography."""
    text = (ROOT / "book" / "references.bib").read_text("utf8")
    return set(re.findall(r"^@\w+\{([^,]+),", text, re.M))
