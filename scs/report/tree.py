"""The first questions of the tree for new rows, as a nested list."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from scs.estimators.tables import number

if TYPE_CHECKING:
    from scs.estimators.fitted import FittedModel

DEPTH = 3  # questions in a row that are shown


def tree_html(model: FittedModel, depth: int = DEPTH) -> str:
    """Return the top of a model's tree: each answer with its rows and the effect they would get."""
    assert model.tree is not None  # else there is nothing to show
    tree = model.tree.tree_
    names = model.rows.design.names
    shares = tree.value[:, 0, :]
    shares = shares / shares.sum(axis=1, keepdims=True)
    effects = shares @ model.solution.gamma[model.tree.classes_]
    rows = tree.n_node_samples

    def answers(node: int, level: int) -> str:
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0 or level == depth:
            return ""
        name, at = names[tree.feature[node]], tree.threshold[node]
        items = [
            f"<li>{escape(name)} {sign} {number(at)} "
            f'<span class="effect">({rows[child]:,} rows, mean effect {_signed(effects[child])})'
            f"</span>{answers(child, level + 1)}</li>"
            for child, sign in ((left, "≤"), (right, "&gt;"))
        ]
        kind = ' class="tree"' if level == 0 else ""
        return f"<ul{kind}>\n" + "\n".join(items) + "\n</ul>"

    return answers(0, 0) or f"<p>All rows: mean effect {_signed(effects[0])}.</p>"


def _signed(value: float) -> str:
    text = number(float(np.round(value, 3)), 3)
    return f"+{text}" if value > 0 and text != "0" else text
