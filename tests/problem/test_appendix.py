"""Proposition A.3 and Theorem A.4 of the paper in numbers, as the book's appendix shows them."""

from __future__ import annotations

from itertools import combinations

import numpy as np


def test_proposition_a3_largest_eigenvalue():
    """lambda_1 of the joint design is at most that of X plus the largest cluster."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        clusters = np.repeat(np.arange(8), rng.integers(1, 30, size=8))
        X = rng.normal(size=(len(clusters), 4)) * 10.0 ** rng.integers(-1, 2, size=4)
        joint = np.hstack([X, np.eye(8)[clusters]])
        largest = np.linalg.norm(joint, 2) ** 2
        bound = np.linalg.norm(X, 2) ** 2 + np.bincount(clusters).max()
        assert np.linalg.norm(X, 2) ** 2 * (1 - 1e-12) <= largest <= bound * (1 + 1e-12)


def test_theorem_a4_first_order_steps_shrink():
    """The paper's rate holds, and what it converges to need not be the optimum."""
    above = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        clusters = np.repeat(np.arange(8), 6)
        X = rng.normal(size=(48, 2)) + 2 * rng.normal(size=(8, 2))[clusters]
        y = X @ [1.0, -1.0] + 3 * rng.normal(size=8)[clusters] + rng.normal(size=48)
        joint = np.hstack([X, np.eye(8)[clusters]])
        smooth = np.linalg.norm(joint, 2) ** 2
        step = 1.05 * smooth
        theta, moves, values = np.zeros(10), [], []
        for _ in range(400):
            residual = y - joint @ theta
            values.append(residual @ residual / 2)
            moved = theta + joint.T @ residual / step
            moved[2 + np.argsort(np.abs(moved[2:]))[: 8 - 3]] = 0.0
            moves.append(((moved - theta) ** 2).sum())
            theta = moved
        for m in (1, 10, 100, 400):
            best = min(moves[:m])
            assert best <= 2 * (values[0] - values[-1]) / (m * (step - smooth)) * (1 + 1e-9)
        supports = [np.array(s) + 2 for s in combinations(range(8), 3)]
        fits = [np.linalg.lstsq(joint[:, [0, 1, *s]], y, rcond=None)[1][0] / 2 for s in supports]
        assert values[-1] >= min(fits) * (1 - 1e-9)
        above += values[-1] > min(fits) * 1.01
    assert above > 0
