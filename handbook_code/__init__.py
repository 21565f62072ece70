"""The handbook's loss functions, in the order of its chapters."""

from handbook_code._criterion import Criterion
from handbook_code.classification.margin import (
    exponential_loss,
    hinge_loss,
    ramp_loss,
    smoothed_hinge_loss,
    squared_hinge_loss,
)
from handbook_code.metric.angular import (
    AdaFace,
    ArcFace,
    CosFace,
    SphereFace,
    adaface_loss,
    arcface_loss,
    cosface_loss,
    sphereface_loss,
)
from handbook_code.regression.pointwise import (
    huber_loss,
    log_cosh_loss,
    mae_loss,
    mse_loss,
    quantile_loss,
    rmse_loss,
    rmsle_loss,
)

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022  the order of the chapters
    "mae_loss",
    "mse_loss",
    "rmse_loss",
    "rmsle_loss",
    "log_cosh_loss",
    "huber_loss",
    "quantile_loss",
    "hinge_loss",
    "squared_hinge_loss",
    "smoothed_hinge_loss",
    "ramp_loss",
    "exponential_loss",
    "sphereface_loss",
    "cosface_loss",
    "arcface_loss",
    "adaface_loss",
    "SphereFace",
    "CosFace",
    "ArcFace",
    "AdaFace",
    "Criterion",
]
