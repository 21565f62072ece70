"""Distances of what a map makes of two samples, and how sensitive they are.

The map is any callable that takes a batch, and treats each of its samples
without regard to the others: the response of a model of vision, an encoder,
an autoencoder. Every distance gives one value per sample.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from handbook_code._checks import check_floating, check_pair, check_shape
from handbook_code._reduce import reduce, widen
from handbook_code.metric._directions import directions

Map = Callable[[Tensor], Tensor | Sequence[Tensor]]
Autoencoder = Callable[[Tensor], Tensor]


def euclidean_distance(
    x1: Tensor, x2: Tensor, *, reduction: str = "none"
) -> Tensor:
    """The length of the difference of two samples.

    D_e = ‖x₁ − x₂‖₂,  over all axes but the first

    Args:
        x1: samples, (N, …).
        x2: of the same shape.
        reduction: ``"none"`` (one value per sample), ``"mean"`` or
            ``"sum"``.

    Returns:
        The distance, ≥ 0, in the unit of the samples, and √D times their
        RMSE if they have D elements. Its gradient where they are equal is 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, there is no axis of samples,
            or the reduction is unknown.

    Reference:
        Hepburn, Laparra, Santos-Rodriguez, Ballé, Malo (2022), On the
        relation between statistical learning and perceptual distances.

    >>> euclidean_distance(torch.zeros(2, 2), torch.tensor([[3., 4.], [0, 1]]))
    tensor([5., 1.])
    """
    check_pair(x1=x1, x2=x2)
    _check_batch(x1=x1)
    dtype, a, b = widen(x1, x2)
    return reduce(_length(_rows(a - b)), reduction, dtype)


def perceptual_distance(
    x1: Tensor, x2: Tensor, response: Map, *, reduction: str = "none"
) -> Tensor:
    """How far apart two samples are for who responds to them.

    D_p = ‖S(x₁) − S(x₂)‖₂

    Args:
        x1: samples, (N, …).
        x2: of the same shape.
        response: S, from samples to responses, (N, …), or to several such
            tensors, whose elements then count alike. It gets the samples in
            float32 or wider.
        reduction: ``"none"`` (one value per sample), ``"mean"`` or
            ``"sum"``.

    Returns:
        The distance, ≥ 0, in the unit of the responses. It is 0 for samples
        that S does not tell apart; its gradient is 0 there.

    Raises:
        TypeError: if S cannot be called, or a tensor is not floating-point.
        ValueError: if shapes or devices differ, there is not a row of
            responses for each sample, or the reduction is unknown.

    Reference:
        Hepburn, Laparra, Santos-Rodriguez, Ballé, Malo (2022), On the
        relation between statistical learning and perceptual distances.

    >>> x1, x2 = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    >>> perceptual_distance(x1, x2, lambda x: 2 * x)
    tensor([10.])
    """
    return _apart(x1, x2, "response", response, reduction)


def inner_distance(
    x1: Tensor, x2: Tensor, encoder: Map, *, reduction: str = "none"
) -> Tensor:
    """How far apart the codes of two samples are.

    D_i = ‖e(x₁) − e(x₂)‖₂

    Args:
        x1: samples, (N, …).
        x2: of the same shape.
        encoder: e, from samples to codes, (N, …), or to several such tensors.
            It gets the samples in float32 or wider. Codes that are rounded
            have the gradient 0 nearly everywhere.
        reduction: ``"none"`` (one value per sample), ``"mean"`` or
            ``"sum"``.

    Returns:
        The distance, ≥ 0, in the unit of the codes, which training is free
        to choose. It is 0 for samples of one code; its gradient is 0 there.

    Raises:
        TypeError: if e cannot be called, or a tensor is not floating-point.
        ValueError: if shapes or devices differ, there is not a code for each
            sample, or the reduction is unknown.

    Reference:
        Hepburn, Laparra, Santos-Rodriguez, Ballé, Malo (2022), On the
        relation between statistical learning and perceptual distances.

    >>> x1, x2 = torch.tensor([[1.0, 5.0]]), torch.tensor([[4.0, 9.0]])
    >>> inner_distance(x1, x2, encoder=lambda x: x[:, :1])
    tensor([3.])
    """
    return _apart(x1, x2, "encoder", encoder, reduction)


def reconstruction_distance(
    x1: Tensor,
    x2: Tensor,
    autoencoder: Autoencoder,
    *,
    reduction: str = "none",
) -> Tensor:
    """How far apart the reconstructions of two samples are.

    D_r = ‖f(x₁) − f(x₂)‖₂

    Args:
        x1: samples, (N, …).
        x2: of the same shape.
        autoencoder: f, from samples to reconstructions of the same shape. It
            gets the samples in float32 or wider.
        reduction: ``"none"`` (one value per sample), ``"mean"`` or
            ``"sum"``.

    Returns:
        The distance, ≥ 0, in the unit of the samples. It is 0 for samples of
        one reconstruction, and D_e if all are reconstructed without fault;
        where it is 0 its gradient is 0.

    Raises:
        TypeError: if f cannot be called, or a tensor is not floating-point.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Hepburn, Laparra, Santos-Rodriguez, Ballé, Malo (2022), On the
        relation between statistical learning and perceptual distances.

    >>> x1, x2 = torch.tensor([[1.0, 5.0]]), torch.tensor([[4.0, 9.0]])
    >>> reconstruction_distance(x1, x2, lambda x: x * torch.tensor([1, 0]))
    tensor([3.])
    """
    return _apart(x1, x2, "autoencoder", autoencoder, reduction, inside=True)


def self_distance(
    x: Tensor, autoencoder: Autoencoder, *, reduction: str = "none"
) -> Tensor:
    """How far a sample is from its own reconstruction.

    D_s = ‖x − f(x)‖₂

    Args:
        x: samples, (N, …).
        autoencoder: f, from samples to reconstructions of the same shape. It
            gets the samples in float32 or wider.
        reduction: ``"none"`` (one value per sample), ``"mean"`` or
            ``"sum"``.

    Returns:
        The distance, ≥ 0, in the unit of the samples. It is 0, with the
        gradient 0, where nothing is lost.

    Raises:
        TypeError: if f cannot be called, or a tensor is not floating-point.
        ValueError: if shapes differ, or the reduction is unknown.

    Reference:
        Hepburn, Laparra, Santos-Rodriguez, Ballé, Malo (2022), On the
        relation between statistical learning and perceptual distances.

    >>> self_distance(torch.tensor([[1.5, 2.0], [3.0, 4.5]]), torch.floor)
    tensor([0.5000, 0.5000])
    """
    check_floating(x=x)
    _check_batch(x=x)
    dtype, wide = widen(x)
    lost = _rows(wide) - _call("autoencoder", autoencoder, wide, inside=True)
    return reduce(_length(lost), reduction, dtype)


def sensitivity(
    distance: Callable[[Tensor, Tensor], Tensor],
    x1: Tensor,
    x2: Tensor,
    *,
    reduction: str = "none",
) -> Tensor:
    """How much a distance makes of a Euclidean one: a directional ratio.

    R = D(x₁, x₂) / ‖x₁ − x₂‖₂

    Args:
        distance: D, of two batches one value per sample, (N,), such as
            ``partial(perceptual_distance, response=s)`` or
            ``partial(nlpd, reduction="none")``. It gets the samples in
            float32 or wider.
        x1: samples, (N, …).
        x2: of the same shape, close to x1 if the ratio is to say something
            of x1 and the direction x2 − x1.
        reduction: ``"none"`` (one value per sample), ``"mean"`` or
            ``"sum"``.

    Returns:
        The ratio. As x2 goes to x1 it goes to ‖J u‖ if D is the norm of a
        difference of responses with the Jacobian J, u the direction; and to
        0 if D is a squared norm. Equal samples have no direction; the ratio
        then is 0, and so is its gradient.

    Raises:
        TypeError: if D cannot be called, or a tensor is not floating-point.
        ValueError: if shapes or devices differ, D does not give one value per
            sample, or the reduction is unknown.

    Reference:
        Hepburn, Laparra, Santos-Rodriguez, Ballé, Malo (2022), On the
        relation between statistical learning and perceptual distances.

    >>> x1, x2 = torch.zeros(2, 2), torch.tensor([[3.0, 0.0], [0.0, 0.2]])
    >>> stretch = torch.tensor([2.0, 5.0])
    >>> sensitivity(lambda a, b: ((a - b) * stretch).norm(dim=1), x1, x2)
    tensor([2., 5.])
    """
    check_pair(x1=x1, x2=x2)
    _check_batch(x1=x1)
    dtype, a, b = widen(x1, x2)
    _check_map("distance", distance)
    value = distance(a, b)
    check_floating(distance=value)
    if value.shape != x1.shape[:1]:
        raise ValueError(
            f"distance: expected one value for each sample of x1, "
            f"{tuple(x1.shape[:1])}, got {tuple(value.shape)}"
        )
    _, value, step = widen(value, _length(_rows(a - b)))
    moved = step > 0
    ratio = torch.where(moved, value, 0) / torch.where(moved, step, 1)
    return reduce(ratio, reduction, dtype)


def rms_sensitivity(
    response: Map,
    x: Tensor,
    *,
    probes: Tensor | None = None,
    reduction: str = "none",
) -> Tensor:
    """The root mean square of the sensitivity over all directions.

    R = √(mean over directions u of ‖J u‖²) = ‖J‖_F / √D,  J = ∂S/∂x

    Args:
        response: S, from samples to responses, (N, …), or to several such
            tensors. It gets the samples in float32 or wider.
        x: samples, (N, …), of D elements.
        probes: some directions, (K, …), of the shape of samples and of any
            length but 0, to take the mean over instead of all. With random
            ones, such as ``torch.randn(K, …)``, the square of the result has
            the right mean. K of them cost K derivatives and N · M · K numbers
            for M responses; the exact value costs the Jacobian.
        reduction: ``"none"`` (one value per sample), ``"mean"`` or
            ``"sum"``.

    Returns:
        The sensitivity, ≥ 0, in responses over samples. If J is square, it
        is at least the D-th root of the modulus of det J.

    Raises:
        TypeError: if S cannot be called, or a tensor is not floating-point.
        ValueError: if there is not a row of responses for each sample, the
            probes have not the shape or device of samples, or the reduction
            is unknown.

    Reference:
        Hepburn, Laparra, Santos-Rodriguez, Ballé, Malo (2022), On the
        relation between statistical learning and perceptual distances, for
        the ratio along one direction. The mean over all is of this book.

    >>> x = torch.tensor([[0.5, 3.5]])
    >>> rms_sensitivity(lambda x: x * x, x).round(decimals=3)
    tensor([5.])
    """
    check_floating(x=x)
    _check_batch(x=x)
    dtype, wide = widen(x)
    if probes is None:
        jacobian = response_jacobian(response, wide)
        size = jacobian.shape[2]
        return reduce(_length(_rows(jacobian)) / size**0.5, reduction, dtype)
    _check_probes(probes, x)
    unit = directions(_rows(probes.to(wide))).view(probes.shape)
    responses, pull = _responses(response, wide)
    pushed = _many(_forward(pull, responses), unit, wide.shape)
    size = len(unit)
    return reduce(_length(_rows(pushed)) / size**0.5, reduction, dtype)


def response_jacobian(response: Map, x: Tensor) -> Tensor:
    """What small changes of a sample do to each response, exactly.

    J_mk = ∂S_m / ∂x_k,  one matrix for each sample

    Args:
        response: S, from samples to responses, (N, …), or to several such
            tensors. Each sample must be treated by itself, so networks with
            batch norms must be in evaluation mode.
        x: samples, (N, …), of D elements.

    Returns:
        (N, M, D) for M responses, samples and responses flattened, in float32
        or wider. As many derivatives are taken at once as the smaller of M
        and D, each with a copy of what S computes on the way: N · M · D
        numbers at least, so give large samples in small batches.

    Raises:
        TypeError: if S cannot be called, or a tensor is not floating-point.
        ValueError: if there is not a row of responses for each sample.

    >>> response_jacobian(lambda x: x * x, torch.tensor([[0.5, 3.5]]))
    tensor([[[1., 0.],
             [0., 7.]]])
    """
    check_floating(x=x)
    _check_batch(x=x)
    (wide,) = widen(x)[1:]
    responses, pull = _responses(response, wide)
    sample = _rows(wide).shape[1]
    if responses.shape[1] < sample:
        basis = _basis(responses.shape[1], responses)
        return _many(pull, basis, responses.shape).flatten(2)
    along = _basis(sample, wide).view(sample, *wide.shape[1:])
    return _many(_forward(pull, responses), along, wide.shape).mT


def _responses(
    response: Map, x: Tensor
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The responses, one row for each sample, and how they pull at x."""

    def rows(x: Tensor) -> Tensor:
        return _call("response", response, x)

    responses, pull = torch.func.vjp(rows, x)
    return responses, lambda rows: pull(rows)[0]


def _forward(pull: Autoencoder, responses: Tensor) -> Autoencoder:
    """What a change of x does to the responses, from how they pull at x.

    The transpose of a transpose, and not ``torch.func.jvp``, which cannot be
    differentiated forward.
    """
    push = torch.func.vjp(pull, torch.zeros_like(responses))[1]
    return lambda change: push(change)[0]


def _many(linear: Autoencoder, along: Tensor, shape: torch.Size) -> Tensor:
    """One direction after the other for all samples, (N, K, …)."""
    if not shape[0]:  # some layers of torch lose the K of an empty batch
        nothing = linear(along.new_zeros(shape)).unsqueeze(1)
        return nothing.expand(-1, len(along), *nothing.shape[2:])
    return torch.vmap(lambda u: linear(u.expand(shape)), out_dims=1)(along)


def _basis(size: int, like: Tensor) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device)


def _apart(
    x1: Tensor,
    x2: Tensor,
    name: str,
    function: Map,
    reduction: str,
    inside: bool = False,
) -> Tensor:
    check_pair(x1=x1, x2=x2)
    _check_batch(x1=x1)
    dtype, a, b = widen(x1, x2)
    first, second = (_call(name, function, x, inside) for x in (a, b))
    return reduce(_length(first - second), reduction, dtype)


def _length(rows: Tensor) -> Tensor:
    # As a sum of products: the root has the gradient 0 at 0, and squares of
    # small or large numbers are none.
    return (rows * directions(rows)).sum(-1)


def _rows(values: Tensor) -> Tensor:
    """One row for each sample, also where it is a single number."""
    return values.unsqueeze(-1).flatten(1)


def _call(name: str, function: Map, x: Tensor, inside: bool = False) -> Tensor:
    """What a map makes of samples, one row for each."""
    _check_map(name, function)
    output = function(x)
    several = isinstance(output, list | tuple) and not inside
    outputs = output if several else [output]
    if not outputs:
        raise ValueError(f"{name}: expected one tensor or several, got none")
    for part in outputs:
        check_floating(**{name: part})
        if inside:
            check_shape(name, part, "the shape of the samples", x.shape)
        if part.dim() == 0 or len(part) != len(x):
            raise ValueError(
                f"{name}: expected a row for each of {len(x)} samples, "
                f"got {tuple(part.shape)}"
            )
    rows = [_rows(part).to(widen(part)[1]) for part in outputs]
    return torch.cat(rows, dim=1)


def _check_map(name: str, function: Callable) -> None:
    if not callable(function):
        got = type(function).__name__
        raise TypeError(f"{name}: expected a function, got {got}")


def _check_batch(**tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        if tensor.dim() == 0 or 0 in tensor.shape[1:]:
            raise ValueError(
                f"{name}: expected samples, (N, …), got {tuple(tensor.shape)}"
            )


def _check_probes(probes: Tensor, x: Tensor) -> None:
    check_floating(probes=probes)
    if (
        probes.dim() == 0
        or not len(probes)
        or (probes.shape[1:] != x.shape[1:])
    ):
        raise ValueError(
            f"probes: expected directions of the shape of samples, "
            f"(K, {', '.join(map(str, x.shape[1:]))}), "
            f"got {tuple(probes.shape)}"
        )
    if probes.device != x.device:
        raise ValueError(
            f"probes: expected the device of x, {x.device}, "
            f"got {probes.device}"
        )
