"""The losses of the bench, each as a function of logits.

``LOSSES[name](logits, target, done)``: logits (N, K, H, W), or of the
foreground alone (N, 1, H, W); target (N, H, W), classes of long; done, the
share of the training that lies behind, for a loss that changes on the way.
Keywords are the defaults of the functions unless written here. One line
enters a loss; ``RATES`` are tried for each.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

import handbook_code as losses

Loss = Callable[[Tensor, Tensor, float], Tensor]
RATES = (0.003, 0.01, 0.03)


def _classes(logits: Tensor) -> Tensor:
    """Of every class: the background of a lone foreground has logit 0."""
    if logits.shape[1] > 1:
        return logits
    return torch.cat([torch.zeros_like(logits), logits], 1)


def probabilities(logits: Tensor) -> Tensor:
    """Of the foreground, or of every class where there are several.

    >>> probabilities(torch.zeros(1, 1, 1, 1)).item()
    0.5
    """
    return logits.softmax(1) if logits.shape[1] > 1 else logits.sigmoid()


def of_classes(function: Callable, **keywords) -> Loss:
    """A loss of one logit for each class, background included."""
    return lambda z, t, done: function(_classes(z), t, **keywords)


def of_probs(function: Callable, **keywords) -> Loss:
    """A loss of probabilities: of the foreground if there is no other."""
    return lambda z, t, done: function(probabilities(z), t, **keywords)


def of_all_probs(function: Callable, **keywords) -> Loss:
    """A loss of probabilities that weighs the background too."""
    return lambda z, t, done: function(_classes(z).softmax(1), t, **keywords)


def of_logits(function: Callable, **keywords) -> Loss:
    """A loss that knows the form (N, 1, …) itself."""
    return lambda z, t, done: function(z, t, **keywords)


def of_scores(function: Callable, **keywords) -> Loss:
    """A binary loss; of several classes each against the rest."""

    def loss(z: Tensor, t: Tensor, done: float) -> Tensor:
        if (classes := z.shape[1]) > 1:
            mask = F.one_hot(t, classes).movedim(-1, 1)
        else:
            mask = t[:, None]
        return function(z, mask.to(z.dtype), **keywords)

    return loss


def balanced(function: Callable, **keywords) -> Loss:
    """With each class weighted by its inverse frequency in the batch."""

    def loss(z: Tensor, t: Tensor, done: float) -> Tensor:
        z = _classes(z)
        counts = torch.bincount(t.flatten(), minlength=z.shape[1])
        weight = losses.class_weights(counts.to(z.dtype))
        return function(z, t, weight=weight, **keywords)

    return loss


def turning(first: Loss, second: Loss, last: float = 0.01) -> Loss:
    """From the first to the second, linearly, as Kervadec et al. (2019) do.

    The first keeps a weight of ``last``.
    """

    def loss(z: Tensor, t: Tensor, done: float) -> Tensor:
        keep = max(1 - done, last)
        return keep * first(z, t, done) + (1 - keep) * second(z, t, done)

    return loss


def level_with(first: Loss, second: Loss) -> Loss:
    """A sum in which the second is scaled to the value of the first.

    Karimi and Salcudean (2020) set this ratio after each epoch; here it is
    set, as a constant, for each batch.
    """

    def loss(z: Tensor, t: Tensor, done: float) -> Tensor:
        a, b = first(z, t, done), second(z, t, done)
        ratio = a.detach() / b.detach().clamp(min=1e-12)
        return a + ratio * b

    return loss


_dice = of_probs(losses.dice_loss)
_boundary = of_probs(losses.boundary_loss)

LOSSES: dict[str, Loss] = {
    "cross_entropy": of_classes(losses.cross_entropy_loss),
    "balanced_cross_entropy": balanced(losses.cross_entropy_loss),
    "focal": of_scores(losses.focal_loss),
    "softmax_focal": of_classes(losses.softmax_focal_loss),
    "ghm": of_scores(losses.ghm_loss),
    "poly1": of_classes(losses.poly1_loss),
    "topk_cross_entropy": of_classes(losses.topk_cross_entropy_loss),
    "dice": _dice,
    "dice_squared": of_probs(losses.dice_loss, squared=True),
    "jaccard": of_probs(losses.jaccard_loss),
    "tversky": of_probs(losses.tversky_loss, alpha=0.3, beta=0.7),
    "focal_tversky": of_probs(losses.focal_tversky_loss, alpha=0.3, beta=0.7),
    "sensitivity_specificity": of_probs(losses.sensitivity_specificity_loss),
    "generalized_dice": of_all_probs(losses.generalized_dice_loss),
    "asymmetric_similarity": of_probs(losses.asymmetric_similarity_loss),
    "penalty_dice": of_all_probs(losses.penalty_dice_loss),
    "lovasz_hinge": of_scores(losses.lovasz_hinge_loss),
    "lovasz_softmax": of_probs(losses.lovasz_softmax_loss),
    "boundary": _boundary,
    "boundary_dice": turning(_dice, _boundary),
    "hausdorff_dice": level_with(_dice, of_probs(losses.hausdorff_loss)),
    "distance_map_cross_entropy": of_logits(
        losses.distance_map_cross_entropy_loss
    ),
    "combo": of_logits(losses.combo_loss),
    "exponential_logarithmic": of_logits(losses.exponential_logarithmic_loss),
    "dice_cross_entropy": of_logits(losses.dice_cross_entropy_loss),
    "dice_focal": of_logits(losses.dice_focal_loss),
    "dice_topk": of_logits(losses.dice_topk_loss),
}
