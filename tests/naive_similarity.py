"""Similarities of images, written as loops from the papers."""

import math

Image = list[list[float]]  # one channel, row by row


def bell(side: int, sigma: float) -> Image:
    half = side // 2
    rows = [
        [
            math.exp(-((i - half) ** 2 + (j - half) ** 2) / (2 * sigma**2))
            for j in range(side)
        ]
        for i in range(side)
    ]
    total = sum(map(sum, rows))
    return [[weight / total for weight in row] for row in rows]


def factors(
    x: Image, y: Image, top: int, left: int, window: Image, data_range: float
) -> tuple[float, float]:
    """Luminance, and contrast with structure, of the window at a corner."""
    places = [
        (weight, x[top + i][left + j], y[top + i][left + j])
        for i, row in enumerate(window)
        for j, weight in enumerate(row)
    ]
    mean_x = sum(w * a for w, a, _ in places)
    mean_y = sum(w * b for w, _, b in places)
    var_x = sum(w * (a - mean_x) ** 2 for w, a, _ in places)
    var_y = sum(w * (b - mean_y) ** 2 for w, _, b in places)
    cov = sum(w * (a - mean_x) * (b - mean_y) for w, a, b in places)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * cov + c2) / (var_x + var_y + c2)


def windows(
    x: Image, y: Image, side: int, sigma: float, data_range: float
) -> list[tuple[float, float]]:
    window = bell(side, sigma)
    return [
        factors(x, y, top, left, window, data_range)
        for top in range(len(x) - side + 1)
        for left in range(len(x[0]) - side + 1)
    ]


def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def ssim(x: list[Image], y: list[Image], data_range: float) -> float:
    return 1 - mean(
        [
            bright * alike
            for a, b in zip(x, y, strict=True)
            for bright, alike in windows(a, b, 11, 1.5, data_range)
        ]
    )


def halved(image: Image) -> Image:
    """Means of 2 × 2 pixels; the last one of an odd length is alone."""
    rows, columns = len(image), len(image[0])
    return [
        [
            mean(
                [
                    image[i][j]
                    for i in range(top, min(top + 2, rows))
                    for j in range(left, min(left + 2, columns))
                ]
            )
            for left in range(0, columns, 2)
        ]
        for top in range(0, rows, 2)
    ]


def ms_ssim(
    x: list[Image], y: list[Image], data_range: float, weights: list[float]
) -> float:
    losses = []
    for a, b in zip(x, y, strict=True):
        terms = []
        for scale in range(len(weights)):
            seen = windows(a, b, 11, 1.5, data_range)
            if scale < len(weights) - 1:
                terms.append(mean([alike for _, alike in seen]))
            else:
                terms.append(mean([bright * alike for bright, alike in seen]))
            a, b = halved(a), halved(b)
        pairs = list(zip(weights, terms, strict=True))
        if min(terms) > 0:
            losses.append(1 - math.prod(c**w for w, c in pairs))
        else:
            lost = sum(w * max(0.0, -c) for w, c in pairs)
            losses.append(1 + lost / sum(weights))
    return mean(losses)


def ms_ssim_l1(
    x: list[Image],
    y: list[Image],
    data_range: float,
    alpha: float,
    sigmas: list[float],
) -> float:
    side = 2 * math.floor(2 * sigmas[-1]) + 1
    broad = bell(side, sigmas[-1])
    losses = []
    for a, b in zip(x, y, strict=True):
        by_scale = [windows(a, b, side, s, data_range) for s in sigmas]
        corners = [
            (top, left)
            for top in range(len(a) - side + 1)
            for left in range(len(a[0]) - side + 1)
        ]
        for place, (top, left) in enumerate(corners):
            index = by_scale[-1][place][0]
            for scale in by_scale:
                index *= scale[place][1]
            error = sum(
                weight * abs(a[top + i][left + j] - b[top + i][left + j])
                for i, row in enumerate(broad)
                for j, weight in enumerate(row)
            )
            losses.append(
                alpha * (1 - index) + (1 - alpha) * error / data_range
            )
    return mean(losses)
