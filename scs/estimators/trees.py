"""The tree that gives rows of no known cluster an effect: the same whatever units covariates have.

scikit-learn compares numbers of seven digits. Far from zero these are too few, so the tree is grown
on columns about their means in standard deviations; its copy in the users' units is for reading.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, clone, is_classifier
from sklearn.tree import DecisionTreeClassifier

from scs.data.rank import unit_columns


@dataclass(frozen=True, eq=False)
class ClusterTree:
    """A fitted tree of clusters on covariates.

    Attributes
    ----------
    origin, unit : ndarray, shape (P,)
        Mean and standard deviation of each covariate; infinite where nothing is to be asked.
    grown : DecisionTreeClassifier
        On standardised covariates.
    tree : DecisionTreeClassifier
        The same questions in the users' units.
    """

    origin: np.ndarray
    unit: np.ndarray
    grown: DecisionTreeClassifier
    tree: DecisionTreeClassifier

    @classmethod
    def of(
        cls,
        tree: DecisionTreeClassifier,
        X: np.ndarray,
        codes: np.ndarray,
        asked: np.ndarray | bool = True,
    ) -> ClusterTree:
        """Grow a tree that is not fitted yet; ``asked`` says about which covariates."""
        origin = X.mean(axis=0)
        size = unit_columns(X, origin)[1]
        unit = np.where(asked & (size > 0), size / np.sqrt(len(X)), np.inf)
        grown = tree.fit((X - origin) / unit, codes)
        shown = deepcopy(grown)
        nodes = np.flatnonzero(shown.tree_.children_left >= 0)
        column = shown.tree_.feature[nodes]
        shown.tree_.threshold[nodes] = origin[column] + unit[column] * grown.tree_.threshold[nodes]
        return cls(origin, unit, grown, shown)

    @property
    def classes_(self) -> np.ndarray:
        """Cluster codes, in the order of `predict_proba`."""
        return self.grown.classes_

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the share of each cluster among the rows that answer alike, shape (N, K)."""
        return self.grown.predict_proba((X - self.origin) / self.unit)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the code of the most frequent cluster among the rows that answer alike."""
        return self.grown.predict((X - self.origin) / self.unit)


def cluster_tree(n_clusters: int, random_state: int | None = None) -> DecisionTreeClassifier:
    """Return the paper's classifier of clusters, unfitted: a tree of depth ceil(log2 K).

    References
    ----------
    Paper, Section 2.2.2.
    """
    depth = max(ceil(log2(n_clusters)), 1)
    return DecisionTreeClassifier(max_depth=depth, random_state=random_state)


def grow(
    classifier: ClassifierMixin | None,
    X: np.ndarray,
    codes: np.ndarray,
    n_clusters: int,
    random_state: Any,
) -> tuple[ClusterTree | None, ClassifierMixin | None]:
    """Fit the classifier of clusters on the covariates; None: the paper's tree.

    Returns
    -------
    ClusterTree or None
        Of the paper's tree alone.
    classifier or None
        In the users' units; None with a single cluster.
    """
    if n_clusters == 1:
        return None, None
    if classifier is not None:
        return None, clone(classifier).fit(X, codes)
    tree = ClusterTree.of(cluster_tree(n_clusters, random_state), X, codes)
    return tree, tree.tree


def check_classifier(classifier: Any, assignment: str) -> None:
    """Refuse what is no classifier, or cannot do what the assignment needs.

    Raises
    ------
    TypeError
        With the remedy.
    """
    if classifier is None:
        return
    if isinstance(classifier, str) or not is_classifier(classifier):
        raise TypeError(
            f"classifier must be a scikit-learn classifier, got {classifier!r}: pass for "
            "example RandomForestClassifier(), or None for a tree."
        )
    if assignment == "soft" and not hasattr(classifier, "predict_proba"):
        raise TypeError(
            f"classifier {type(classifier).__name__} has no predict_proba, which soft "
            "assignment needs: set assignment='hard', or wrap it in CalibratedClassifierCV."
        )
