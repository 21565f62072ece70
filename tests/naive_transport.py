"""Entropic transport as a loop, from the paper, one number at a time."""

import math


def squared(p: list[float], q: list[float]) -> float:
    return sum((u - v) ** 2 for u, v in zip(p, q, strict=True))


def plan(
    cost: list[list[float]], a: list[float], b: list[float], epsilon: float
) -> list[list[float]]:
    """Cuturi's algorithm 1: scale rows, then columns, until nothing moves."""
    kernel = [[math.exp(-c / epsilon) for c in row] for row in cost]
    u, v = [1.0] * len(a), [1.0] * len(b)
    for _ in range(100_000):
        before = u
        u = [
            1 / sum(k * w * m for k, w, m in zip(row, v, b, strict=True))
            for row in kernel
        ]
        v = [
            1 / sum(kernel[i][j] * u[i] * a[i] for i in range(len(a)))
            for j in range(len(b))
        ]
        if max(abs(p / q - 1) for p, q in zip(u, before, strict=True)) < 1e-15:
            break
    return [
        [a[i] * u[i] * kernel[i][j] * v[j] * b[j] for j in range(len(b))]
        for i in range(len(a))
    ]


def transport(
    x: list[list[float]],
    y: list[list[float]],
    a: list[float],
    b: list[float],
    epsilon: float,
) -> tuple[float, list[list[float]]]:
    """⟨π, C⟩ + ε KL(π‖a⊗b), and its slope in x, where π is held."""
    cost = [[squared(p, q) for q in y] for p in x]
    best = plan(cost, a, b, epsilon)
    value = 0.0
    slope = [[0.0] * len(p) for p in x]
    for i, p in enumerate(x):
        for j, q in enumerate(y):
            mass = best[i][j]
            value += mass * cost[i][j]
            if mass:
                value += epsilon * mass * math.log(mass / (a[i] * b[j]))
            for k in range(len(p)):
                slope[i][k] += 2 * mass * (p[k] - q[k])
    return value, slope
