"""What the handbook claims: the tests check it, the chapters print it."""

from handbook_code.catalogue._loss import Loss
from handbook_code.catalogue.regression import pointwise

CATALOGUE: tuple[Loss, ...] = (
    pointwise.mae,
    pointwise.mse,
    pointwise.rmse,
    pointwise.rmsle,
    pointwise.log_cosh,
    pointwise.huber,
    pointwise.quantile,
)

__all__ = ["CATALOGUE", "Loss"]
