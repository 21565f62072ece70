"""What the handbook claims: the tests check it, the chapters print it."""

from handbook_code.catalogue._loss import Loss
from handbook_code.catalogue.classification import margin
from handbook_code.catalogue.metric import angular
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
    angular.sphereface,
    angular.cosface,
    angular.arcface,
    angular.adaface,
)

__all__ = ["CATALOGUE", "Loss"]
