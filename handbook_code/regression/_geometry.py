"""Two boxes, measured: what every loss on boxes is made of."""

from typing import NamedTuple

import torch
from torch import Tensor

from handbook_code._checks import check_pair, check_shape
from handbook_code._reduce import widen

MEANINGS = {
    "xyxy": "boxes x1, y1, x2, y2",
    "xywh": "boxes x1, y1, width, height",
    "cxcywh": "boxes of centre x, y, width, height",
}


class Pair(NamedTuple):
    """A box and its target. Widths and heights share a last axis of two."""

    size: Tensor
    target_size: Tensor
    offset: Tensor  # of the centres
    hull: Tensor  # sides of the smallest box around both
    union: Tensor
    iou: Tensor
    same: Tensor


def measure(
    input: Tensor, target: Tensor, form: str
) -> tuple[torch.dtype, Pair]:
    """Check and measure. What is inverted has no area, NaN stays NaN."""
    check_boxes(input, target, form)
    dtype, box, goal = widen(input, target)
    (first, last), (start, end) = corners(box, form), corners(goal, form)
    hull = torch.maximum(last, end) - torch.minimum(first, start)
    shared = torch.minimum(last, end) - torch.maximum(first, start)
    overlap = area(shared)
    union = area(last - first) + area(end - start) - overlap
    same = (box == goal).all(-1).to(box.dtype)
    return dtype, Pair(
        size=last - first,
        target_size=end - start,
        offset=((first - start) + (last - end)) / 2,
        hull=hull.clamp(min=0),
        union=union,
        iou=ratio(overlap, union, same),
        same=same,
    )


def check_boxes(input: Tensor, target: Tensor, form: str) -> None:
    if form not in tuple(MEANINGS):
        raise ValueError(
            f"form: expected 'xyxy', 'xywh' or 'cxcywh', got {form!r}"
        )
    check_pair(input=input)
    check_shape("input", input, MEANINGS[form], (*input.shape[:-1], 4))
    check_pair(input=input, target=target)


def corners(box: Tensor, form: str) -> tuple[Tensor, Tensor]:
    """The corner of the smallest and that of the largest coordinates."""
    place, rest = box[..., :2], box[..., 2:]
    if form == "xyxy":
        return place, rest
    if form == "xywh":
        return place, place + rest
    return place - rest / 2, place + rest / 2


def area(sides: Tensor) -> Tensor:
    """Of two negative sides the product would be positive again."""
    width, height = sides.clamp(min=0).unbind(-1)
    return width * height


def ratio(part: Tensor, whole: Tensor, empty: Tensor | float = 0.0) -> Tensor:
    """Where there is no whole, ``empty``, with a slope of zero."""
    none = whole == 0
    return torch.where(none, empty, part / torch.where(none, 1, whole))
