"""What the handbook claims: the tests check it, the chapters print it."""

from handbook_code.catalogue._loss import Loss
from handbook_code.catalogue.classification import (
    margin,
    overlap,
    probabilistic,
)
from handbook_code.catalogue.generative import features
from handbook_code.catalogue.image import perceptual
from handbook_code.catalogue.metric import angular, euclidean
from handbook_code.catalogue.regression import boxes, pointwise

CATALOGUE: tuple[Loss, ...] = (
    pointwise.mae,
    pointwise.mse,
    pointwise.rmse,
    pointwise.rmsle,
    pointwise.log_cosh,
    pointwise.huber,
    pointwise.quantile,
    boxes.iou,
    boxes.giou,
    boxes.diou,
    boxes.ciou,
    boxes.eiou,
    boxes.siou,
    margin.hinge,
    margin.squared_hinge,
    margin.smoothed_hinge,
    margin.ramp,
    margin.exponential,
    probabilistic.cross_entropy,
    probabilistic.focal,
    probabilistic.softmax_focal,
    probabilistic.ghm,
    probabilistic.ghm_regression,
    probabilistic.poly1,
    probabilistic.poly,
    overlap.dice,
    overlap.jaccard,
    overlap.tversky,
    overlap.focal_tversky,
    overlap.sensitivity_specificity,
    overlap.generalized_dice,
    overlap.asymmetric_similarity,
    overlap.penalty_dice,
    overlap.lovasz_hinge,
    overlap.lovasz_softmax,
    euclidean.contrastive,
    euclidean.triplet,
    euclidean.info_nce,
    angular.sphereface,
    angular.cosface,
    angular.arcface,
    angular.adaface,
    features.perceptual,
    features.style,
    perceptual.nlpd,
    perceptual.lpips_layer,
)

__all__ = ["CATALOGUE", "Loss"]
