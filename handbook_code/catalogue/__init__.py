"""What the handbook claims: the tests check it, the chapters print it."""

from handbook_code.catalogue._loss import Loss
from handbook_code.catalogue.classification import margin, overlap
from handbook_code.catalogue.regression import pointwise

CATALOGUE: tuple[Loss, ...] = (
    pointwise.mae,
    pointwise.mse,
    pointwise.rmse,
    pointwise.rmsle,
    pointwise.log_cosh,
    pointwise.huber,
    pointwise.quantile,
    margin.hinge,
    margin.squared_hinge,
    margin.smoothed_hinge,
    margin.ramp,
    margin.exponential,
    overlap.dice,
    overlap.jaccard,
    overlap.tversky,
    overlap.focal_tversky,
    overlap.sensitivity_specificity,
    overlap.generalized_dice,
    overlap.asymmetric_similarity,
    overlap.penalty_dice,
    overlap.lovasz_softmax,
    overlap.lovasz_hinge,
)

__all__ = ["CATALOGUE", "Loss"]
