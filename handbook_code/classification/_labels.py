"""Labels in the forms in which people have them, told apart by their shape.

Nothing here reads a value: an index out of range is for torch to find.
"""

import torch
from torch import Tensor

from handbook_code._checks import (
    check_floating,
    check_same_device,
    check_shape,
)
from handbook_code._reduce import cast, reduce, widen


def binary(
    logits: Tensor, target: Tensor
) -> tuple[torch.dtype, Tensor, Tensor]:
    """Logits and as many labels 0 and 1, of whatever dtype, widened."""
    check_floating(logits=logits)
    _check_real("target", target)
    check_same_device(logits=logits, target=target)
    check_shape("target", target, "the shape of logits", logits.shape)
    return widen(logits, target)


def of_classes(
    logits: Tensor, target: Tensor, weight: Tensor | None
) -> tuple[torch.dtype, Tensor, Tensor, Tensor | None]:
    """Logits (N, K, …), widened, with indices (N, …) or a row per sample."""
    check_floating(logits=logits)
    if logits.dim() < 2 or logits.shape[1] < 2:
        raise ValueError(
            "logits: expected (N, K, …) with two or more classes, "
            f"got {tuple(logits.shape)}; the loss of one score per sample is "
            "focal_loss, with alpha=None and gamma=0 for cross-entropy"
        )
    _check_real("target", target)
    check_same_device(logits=logits, target=target)
    indices = logits.shape[:1] + logits.shape[2:]
    is_index = target.shape == indices
    wrong = None
    if not is_index and target.shape != logits.shape:
        wrong = ValueError
    elif is_index and (
        target.is_floating_point() or target.dtype is torch.bool
    ):
        wrong = TypeError
    if wrong:
        raise wrong(
            f"target: expected integer class indices {tuple(indices)} or one "
            f"row of the classes per sample {tuple(logits.shape)}, "
            f"got {target.dtype} of shape {tuple(target.shape)}"
        )
    if weight is not None:
        check_floating(weight=weight)
        check_same_device(logits=logits, weight=weight)
        classes = (logits.shape[1],)
        check_shape("weight", weight, "one number per class", classes)
    dtype, z = widen(logits)
    if is_index:
        target = cast(target, torch.long)
    return dtype, z, target, None if weight is None else weight.to(z.dtype)


def of_one_class(
    logits: Tensor, target: Tensor, weight: Tensor | None
) -> tuple[torch.dtype, Tensor, Tensor, Tensor | None]:
    """The same for a loss that knows only the class that is true.

    A row in integers or booleans is one-hot; one of floating-point numbers
    may be soft, which no check without a look at its values can tell.
    """
    dtype, z, target, weight = of_classes(logits, target, weight)
    if target.shape == logits.shape:
        if target.is_floating_point():
            raise TypeError(
                "target: expected integers, as class indices "
                f"{tuple(logits.shape[:1] + logits.shape[2:])} or one-hot "
                f"{tuple(logits.shape)}, got {target.dtype} of shape "
                f"{tuple(target.shape)}"
            )
        target = target.long().argmax(dim=1)
    return dtype, z, target, weight


def shares(
    z: Tensor, t: Tensor, weight: Tensor | None, ignore_index: int
) -> Tensor:
    """What each sample counts for: the weight of its class, or nothing."""
    counts = t != ignore_index
    if weight is None:
        return counts.to(z.dtype)
    return weight[t.where(counts, 0)] * counts


def shared_mean(
    each: Tensor, share: Tensor, reduction: str, dtype: torch.dtype
) -> Tensor:
    """Reduce; the mean divides by the sum of the shares, if there is one."""
    if reduction != "mean":
        return reduce(each, reduction, dtype)
    total = share.sum()
    return (each.sum() / total.where(total != 0, 1)).to(dtype)


def counted(like: Tensor, mask: Tensor | None, name: str) -> Tensor:
    """A mask of the shape of ``like``, which is called ``name``."""
    if mask is None:
        return torch.ones_like(like, dtype=torch.bool)
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = getattr(mask, "dtype", type(mask).__name__)
        raise TypeError(f"mask: expected a boolean tensor, got {got}")
    check_same_device(**{name: like, "mask": mask})
    check_shape("mask", mask, f"the shape of {name}", like.shape)
    return mask


def _check_real(name: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"{name}: expected a tensor, got {type(tensor).__name__}"
        )
    if tensor.is_complex():
        raise TypeError(f"{name}: expected a real tensor, got {tensor.dtype}")
