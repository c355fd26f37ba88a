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
from sklearn.tree._tree import Tree
from sklearn.utils.validation import has_fit_parameter

from scs.data.rank import unit_columns
from scs.data.rows import ModelRows
from scs.data.slopes import SlopeScale
from scs.data.terms import repeated_columns
from scs.inference.folds import in_order

_CELLS = 10_000_000  # nodes x clusters: class shares that a tree keeps


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
        weights: np.ndarray | None = None,
    ) -> ClusterTree:
        """Grow a tree that is not fitted yet; ``asked`` says about which covariates."""
        if weights is None:
            origin = X.mean(axis=0)
            unit = unit_columns(X, origin)[1] / np.sqrt(len(X))
        else:
            scale = SlopeScale.of(X, ("",) * X.shape[1], intercept=True, frequency=weights)
            origin, unit = scale.centre, scale.unit
        unit = np.where(asked & (unit > 0), unit, np.inf)
        grown = tree.fit((X - origin) / unit, codes, sample_weight=weights)
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


def tree_of_rows(rows: ModelRows, seed: int) -> ClusterTree | None:
    """Grow the tree of a formula's rows; None without covariates or with a single cluster.

    It is shallower than the paper's where K is in the thousands, and asks nothing about products
    and powers of covariates that are there themselves.
    """
    design, n_clusters = in_order(rows.design), len(rows.design.labels)
    if design.X.shape[1] == 0 or n_clusters == 1:
        return None
    deepest = max(1, int(log2(_CELLS / n_clusters)) - 1)
    depth = min(ceil(log2(n_clusters)), deepest)
    again = repeated_columns(rows.spec)
    asked = np.array([name not in again for name in design.names])
    tree = DecisionTreeClassifier(max_depth=depth, random_state=seed)
    return ClusterTree.of(tree, design.X, design.codes, asked, design.frequency)


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
    weights: np.ndarray | None = None,
) -> tuple[ClusterTree | None, ClassifierMixin | None]:
    """Fit the classifier of clusters on the covariates; None: the paper's tree.

    ``weights``, shape (N,), say what a row counts in it.

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
        if weights is None:
            return None, clone(classifier).fit(X, codes)
        if not has_fit_parameter(classifier, "sample_weight"):
            raise TypeError(
                f"classifier {type(classifier).__name__} takes no sample_weight: leave the weights "
                "out, or pass a classifier that takes them, such as RandomForestClassifier()."
            )
        return None, clone(classifier).fit(X, codes, sample_weight=weights)
    tree = ClusterTree.of(cluster_tree(n_clusters, random_state), X, codes, weights=weights)
    return tree, tree.tree


_NODES = ("left_child", "right_child", "feature", "threshold", "impurity")
_COUNTS = ("n_node_samples", "weighted_n_node_samples")


def plain_tree(tree: ClusterTree) -> dict[str, Any]:
    """Return what makes a tree as arrays and numbers."""
    grown, nodes = tree.grown, tree.grown.tree_.__getstate__()["nodes"]
    return {
        "origin": tree.origin,
        "unit": tree.unit,
        "classes": grown.classes_,
        "depth": int(grown.tree_.max_depth),
        "options": {"max_depth": grown.max_depth, "random_state": grown.random_state},
        "nodes": {name: np.ascontiguousarray(nodes[name]) for name in (*_NODES, *_COUNTS)},
        "thresholds": tree.tree.tree_.threshold,
        "shares": grown.tree_.value,
    }


def tree_of(plain: dict[str, Any]) -> ClusterTree:
    """Return the tree that `plain_tree` took apart.

    Raises
    ------
    ValueError
        Its nodes are no tree: nothing is asked of them then.
    """
    nodes, shares, classes = plain["nodes"], plain["shares"], plain["classes"]
    size, n_features = len(nodes["left_child"]), len(plain["origin"])
    left, right = nodes["left_child"], nodes["right_child"]
    inner, at = left >= 0, np.arange(size)
    children = np.sort(np.concatenate([left[inner], right[inner]]))
    sound = (
        shares.shape == (size, 1, len(classes))
        and all(len(each) == size for each in (*nodes.values(), plain["thresholds"]))
        and np.array_equal(inner, right >= 0)
        and np.array_equal(children, at[1:])  # every node but the first is the child of one
        and bool(np.all((left > at)[inner] & (right > at)[inner]))
        and bool(np.all((nodes["feature"][inner] >= 0) & (nodes["feature"][inner] < n_features)))
    )
    if not sound:
        raise ValueError("its tree for new rows is none")
    standard = _sklearn_tree(plain, nodes)
    shown = _sklearn_tree(plain, {**nodes, "threshold": plain["thresholds"]})
    return ClusterTree(plain["origin"], plain["unit"], standard, shown)


def _sklearn_tree(plain: dict[str, Any], nodes: dict[str, np.ndarray]) -> DecisionTreeClassifier:
    """Return a fitted tree of scikit-learn's from its nodes."""
    n_features, classes = len(plain["origin"]), plain["classes"]
    tree = Tree(n_features, np.array([len(classes)], dtype=np.intp), 1)
    whole = np.zeros(len(nodes["left_child"]), dtype=tree.__getstate__()["nodes"].dtype)
    for name in (*_NODES, *_COUNTS):
        whole[name] = nodes[name]
    state = {"max_depth": plain["depth"], "node_count": len(whole), "nodes": whole}
    tree.__setstate__({**state, "values": np.ascontiguousarray(plain["shares"])})
    found = DecisionTreeClassifier(**plain["options"])
    found.tree_, found.classes_, found.n_classes_ = tree, classes, len(classes)
    found.n_outputs_, found.n_features_in_, found.max_features_ = 1, n_features, n_features
    return found


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
