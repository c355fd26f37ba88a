"""Nodes of the search: a box of z, clusters decided "in" or "out", and what is proved of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IN, OPEN, OUT = 1, 0, -1


@dataclass(frozen=True, eq=False)  # == of arrays is no truth value
class Node:
    """One node, as it waits to be taken up.

    Attributes
    ----------
    bound : float
        No support in the node has a smaller objective.
    lo, hi : ndarray, shape (P,)
        The box.
    fixed : ndarray of int8, shape (K,)
        IN, OPEN or OUT.
    z : ndarray, shape (P,)
        Where its relaxation ended.
    """

    bound: float
    lo: np.ndarray
    hi: np.ndarray
    fixed: np.ndarray
    z: np.ndarray


@dataclass
class Nodes:
    """A batch of B nodes and what their relaxation proved.

    Attributes
    ----------
    lo, hi : ndarray, shape (B, P)
    fixed : ndarray of int8, shape (B, K)
        IN, OPEN or OUT.
    z : ndarray, shape (B, P)
        Where the relaxation starts and ends.
    bound : ndarray, shape (B,)
    """

    lo: np.ndarray
    hi: np.ndarray
    fixed: np.ndarray
    z: np.ndarray
    bound: np.ndarray

    def __len__(self) -> int:
        return len(self.bound)

    def take(self, which: np.ndarray) -> Nodes:
        """Return some of the nodes."""
        return Nodes(
            self.lo[which], self.hi[which], self.fixed[which], self.z[which], self.bound[which]
        )

    def node(self, i: int) -> Node:
        """Return one node, in memory of its own: a view would keep its whole batch alive."""
        lo, hi, fixed, z = (each[i].copy() for each in (self.lo, self.hi, self.fixed, self.z))
        return Node(float(self.bound[i]), lo, hi, fixed, z)

    @staticmethod
    def of(nodes: list[Node]) -> Nodes:
        """Put nodes together in a batch."""
        names = ("lo", "hi", "fixed", "z", "bound")
        return Nodes(*(np.array([getattr(node, name) for node in nodes]) for name in names))

    def put(self, which: np.ndarray, other: Nodes) -> None:
        """Replace some of the nodes."""
        for name in ("lo", "hi", "fixed", "z", "bound"):
            getattr(self, name)[which] = getattr(other, name)

    @staticmethod
    def stack(parts: list[Nodes]) -> Nodes:
        """Put batches together."""
        return Nodes(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("lo", "hi", "fixed", "z", "bound")
            )
        )


def settle(fixed: np.ndarray, budget: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Decide what the budget decides, in place; return what is left of it, and who is empty.

    Without a budget nothing is decided, and no node is empty.
    """
    if budget is None:
        return (fixed == OPEN).sum(axis=1), np.zeros(len(fixed), dtype=bool)
    left = budget - (fixed == IN).sum(axis=1)
    n_open = (fixed == OPEN).sum(axis=1)
    full = (left <= 0)[:, None] & (fixed == OPEN)
    fixed[full] = OUT
    roomy = ((left >= n_open) & (left > 0))[:, None] & (fixed == OPEN)
    fixed[roomy] = IN
    return np.where(full.any(axis=1) | roomy.any(axis=1) | (n_open == 0), 0, left), left < 0
