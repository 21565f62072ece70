"""Losses of two boxes, each of a centre and two sides."""

from sympy import (
    Abs,
    Max,
    Min,
    Rational,
    Symbol,
    asin,
    atan,
    exp,
    pi,
    sin,
    sqrt,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.regression.boxes import (
    ciou_loss,
    diou_loss,
    eiou_loss,
    giou_loss,
    iou_loss,
    siou_loss,
)

x, y, x_t, y_t = symbols("x y x_t y_t", real=True)
w, h, w_t, h_t = symbols("w h w_t h_t", positive=True)
theta = Symbol("theta", positive=True)

overlap, union, overlap_w, overlap_h = symbols("I U I_w I_h", real=True)
hull, hull_w, hull_h = symbols("C W H", positive=True)
alpha, v = symbols("alpha v", real=True)
distance, shape, diagonal, sigma = symbols(
    "Delta Omega Lambda sigma", real=True
)

ARGUMENTS = {
    "arguments": (
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
        (x_t - w_t / 2, y_t - h_t / 2, x_t + w_t / 2, y_t + h_t / 2),
    ),
}
OVERLAP = {
    union: w * h + w_t * h_t - overlap,
    overlap: overlap_w * overlap_h,
    overlap_w: Max(0, Min(w, w_t, (w + w_t) / 2 - Abs(x - x_t))),
    overlap_h: Max(0, Min(h, h_t, (h + h_t) / 2 - Abs(y - y_t))),
}
HULL = {
    hull_w: Max(w, w_t, (w + w_t) / 2 + Abs(x - x_t)),
    hull_h: Max(h, h_t, (h + h_t) / 2 + Abs(y - y_t)),
}
SIZES = {size: (0.2, 5) for size in (w, h, w_t, h_t)}
ALWAYS = frozenset({"symmetric", "homogeneous", "translation invariant"})

iou_term = 1 - overlap / union
rho2 = (x - x_t) ** 2 + (y - y_t) ** 2
center_term = rho2 / (hull_w**2 + hull_h**2)

iou = Loss(
    function=iou_loss,
    **ARGUMENTS,
    formula=iou_term,
    where=OVERLAP,
    domain=SIZES,
    bounds=(0, 1),
    properties=ALWAYS | {"lipschitz"},
    reference="yu2016unitbox",
)

giou = Loss(
    function=giou_loss,
    **ARGUMENTS,
    formula=iou_term + (hull - union) / hull,
    where={hull: hull_w * hull_h} | OVERLAP | HULL,
    domain=SIZES,
    bounds=(0, 2),
    properties=ALWAYS | {"lipschitz"},
    reference="rezatofighi2019giou",
)

diou = Loss(
    function=diou_loss,
    **ARGUMENTS,
    formula=iou_term + center_term,
    where=OVERLAP | HULL,
    domain=SIZES,
    bounds=(0, 2),
    properties=ALWAYS | {"lipschitz"},
    reference="zheng2020diou",
)

ciou = Loss(
    function=ciou_loss,
    **ARGUMENTS,
    formula=iou_term + center_term + alpha * v,
    where={
        alpha: v / (iou_term + v),
        v: 4 / pi**2 * (atan(w_t / h_t) - atan(w / h)) ** 2,
    }
    | OVERLAP
    | HULL,
    held=frozenset({alpha}),
    domain=SIZES,
    bounds=(0, Rational(5, 2)),
    properties=ALWAYS,
    reference="zheng2020diou",
    lacks={"gradcheck": "its gradient takes α for a constant"},
)

eiou = Loss(
    function=eiou_loss,
    **ARGUMENTS,
    formula=iou_term
    + center_term
    + (w - w_t) ** 2 / hull_w**2
    + (h - h_t) ** 2 / hull_h**2,
    where=OVERLAP | HULL,
    domain=SIZES,
    bounds=(0, Rational(13, 4)),
    properties=ALWAYS | {"lipschitz"},
    reference="zhang2022eiou",
)

siou = Loss(
    function=siou_loss,
    **ARGUMENTS,
    formula=iou_term + (distance + shape) / 2,
    where={
        distance: 2
        - exp((diagonal - 2) * (x - x_t) ** 2 / hull_w**2)
        - exp((diagonal - 2) * (y - y_t) ** 2 / hull_h**2),
        diagonal: 1 - 2 * sin(asin(Abs(y - y_t) / sigma) - pi / 4) ** 2,
        sigma: sqrt(rho2),
        shape: (1 - exp(-Abs(w - w_t) / Max(w, w_t))) ** theta
        + (1 - exp(-Abs(h - h_t) / Max(h, h_t))) ** theta,
    }
    | OVERLAP
    | HULL,
    domain=SIZES | {theta: (2, 6)},
    bounds=(0, 2 - exp(-2) + (1 - exp(-1)) ** theta),
    properties=ALWAYS | {"lipschitz"},
    reference="gevorgyan2022siou",
)
