"""NLPD after its MATLAB code, with the choices that ports make."""

from functools import partial

import numpy as np
import torch
from scipy.ndimage import convolve, correlate

# The numbers of NLP_dist.m, a kernel as it prints it: up, left, right, down,
# two to the right.
FLOORS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
KERNELS = (
    (0.1011, 0.1493, 0.1460, 0.1015, 0.0072),
    (0.0757, 0.1986, 0.1846, 0.0837, 0),
    (0.0477, 0.2138, 0.2243, 0.0467, 0),
    (0, 0.2503, 0.2616, 0, 0),
    (0, 0.2598, 0.2552, 0, 0),
    (0, 0.2215, 0.0717, 0, 0),
)
BURT = np.outer(*[[0.05, 0.25, 0.4, 0.25, 0.05]] * 2)
BINOMIAL = np.outer(*[[1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16]] * 2)


def matlab(x, y, **choices):
    """NLP_dist, after its MATLAB code."""
    return np.sqrt(squares(x, y, **choices)).mean()


def squares(
    x,
    y,
    *,
    taps=BURT,
    border="reflect",
    line=None,
    turned=True,
    far=True,
    outside="constant",
):
    """The mean square of each scale of NLP_dist.

    scipy's "reflect" is MATLAB's "symmetric". The other choices are those of
    ports; `line` says where they read pixels that they interpolate.
    """

    def down(picture):
        first = 1 if line is corners and picture.shape[0] % 2 == 0 else 0
        return correlate(picture, taps, mode=border)[first::2, first::2]

    def up(picture, shape):
        if line:
            for axis, n in enumerate(shape):
                m = picture.shape[axis]
                picture = np.apply_along_axis(
                    partial(np.interp, line(m, n), range(m)), axis, picture
                )
            return correlate(picture, taps, mode=border)
        padding = {"reflect": "edge", "mirror": "reflect"}[border]
        padded = np.pad(picture, 1, mode=padding)
        stuffed = np.zeros(tuple(2 * n for n in padded.shape))
        stuffed[::2, ::2] = 4 * padded
        blurred = correlate(stuffed, taps, mode="constant")
        return blurred[2 : 2 + shape[0], 2 : 2 + shape[1]]

    def responses(picture):
        for floor, around in zip(FLOORS, KERNELS, strict=True):
            last = floor == FLOORS[-1]
            low = picture if last else down(picture)
            band = picture if last else picture - up(low, picture.shape)
            kernel = np.zeros((5, 5))
            kernel[[1, 2, 2, 3, 2], [2, 1, 3, 2, 4]] = around
            kernel[2, 4] *= far
            kernel = kernel if turned else kernel[::-1, ::-1]
            near = convolve(np.abs(band), kernel, mode=outside)
            yield band / (floor + near)
            picture = low

    seen = (
        responses(np.asarray(p.cpu() if isinstance(p, torch.Tensor) else p))
        for p in (x, y)
    )
    pairs = zip(*seen, strict=True)
    return np.array([np.mean((u - v) ** 2) for u, v in pairs])


def pixels(few, many):
    """Where TensorFlow 1 reads: the first pixel upon the first."""
    return np.arange(many) * few / many


def corners(few, many):
    return np.linspace(0, few - 1, many)
