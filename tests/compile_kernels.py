"""Compile every Triton kernel for a card, which need not be there.

``python tests/compile_kernels.py`` prints each kernel's name and the bytes of
its assembly. A process of its own: Triton's interpreter is chosen for good
when Triton is imported.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler import compile as compiled

from handbook_code._triton import (
    cross_entropy,
    focal,
    line_up,
    pull,
    soft_minimum,
    ssim,
)

TARGET = GPUTarget("cuda", 90, 32)
WHOLE = {
    "count",
    "classes",
    "ignore_index",
    "rows",
    "number",
    "width",
    "height",
}
NUMBERS = {"share", "base", "more", "gamma", "smoothing", "dark", "flat"}
INDICES = {"target", "place"}
PAIRS = {"WIDTH": 128, "ROWS": 64, "COLUMNS": 64}
ALL = {"PLACE": True, "SCALE": True, "PRECISION": "tf32"}
KERNELS = [
    (pull._times, {"BLOCK": 1 << 12}),
    (focal._focal, {"FLAT": False, "BLOCK": 1 << 10}),
    (cross_entropy._cross_entropy, {"SMOOTH": True, "TILE": 1 << 14}),
    (line_up._by_rows, PAIRS | ALL),
    (line_up._by_candidates, PAIRS | ALL),
    (ssim._ssim, {"SIDE": 64, "REACH": 10, "PRECISION": "tf32x3"}),
    (soft_minimum._soft_minimum, PAIRS | {"WIDTH": 16, "MEAN": True}),
]


def kind(name: str, kernel: str, constants: dict) -> str:
    if name in constants:
        return "constexpr"
    if name in WHOLE:
        return "i32"
    if name in NUMBERS:
        return "fp32"
    whole = name in INDICES and kernel != "_focal"
    return "*i64" if whole else "*fp32"


for kernel, constants in KERNELS:
    name = kernel.__name__
    signature = {n: kind(n, name, constants) for n in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    made = compiled(source, target=TARGET)
    print(name, len(made.asm["ptx"]), made.metadata.shared, flush=True)
