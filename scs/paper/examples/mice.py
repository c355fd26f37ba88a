"""The mouse example (Supplement C.1): test errors over repeated random splits, beside Figure C1.

Three settings, each over the same number of random splits into training, validation and test rows:

- "published": rows split at random, raw protein values, ridge 1, the twin column left in. OLS sees
  the training rows, as in the paper's simulations, and once more training and validation rows.
- "rows": the same splits, the twin left out, covariates standardised, all methods on training and
  validation rows.
- "mice": as "rows", but whole mice are held out for the test.
"""

from __future__ import annotations

import warnings
from math import ceil, log2

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import stats
from sklearn.tree import DecisionTreeClassifier

from scs.baselines import fit_gaussian, fit_laplace
from scs.data.design import DesignWarning
from scs.moments.moments import Moments
from scs.paper.examples.cells import FIGURE_C1
from scs.paper.ledger import COLUMNS, EXPLAINED, READING, REPRODUCED, UNEXPLAINED, Finding
from scs.solvers import paper_budgets, solve_tuned

PROTEINS = tuple(FIGURE_C1)
TWINS = ("ARC_N", "pS6_N")
SETTINGS = ("published", "rows", "mice")
_SHARES = (0.6, 0.2)  # of the rows (or mice) for training and validation; the paper has no numbers
_ALIKE = 2  # standard deviations between splits
_TWIN_TEST = "tests/paper/test_examples.py::test_a_twin_that_is_not_fitted_exactly_is_not_explained"
_ATTRIBUTES = ("mouse", "genotype", "treatment", "behavior", "class")


def split_rows(
    mice: np.ndarray, split: int, *, by: str = "rows", seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sorted indices of training, validation and test rows, 60, 20 and 20 per cent.

    Parameters
    ----------
    mice : array-like, shape (N,)
        The mouse of each row.
    split : int
        Number of the split, >= 0; with the seed it fixes the random stream.
    by : {"rows", "mice"}
        "mice": the test rows are all those of a fifth of the mice. The other rows are split at
        random, so that the mice of the validation rows are known.
    seed : int
    """
    mice = np.asarray(mice)
    rng = np.random.default_rng(np.random.SeedSequence([int(seed), int(split)]))
    order = rng.permutation(len(mice))
    train, validation = (round(share * len(mice)) for share in _SHARES)
    if by == "rows":
        pieces = np.split(order, [train, train + validation])
    elif by == "mice":
        names = np.unique(mice)
        held_out = rng.permutation(names)[: round((1 - sum(_SHARES)) * len(names))]
        inside = order[~np.isin(mice[order], held_out)]
        test = order[np.isin(mice[order], held_out)]
        pieces = [*np.split(inside, [round(len(inside) * _SHARES[0] / sum(_SHARES))]), test]
    else:
        raise ValueError(f"by must be 'rows' or 'mice', got {by!r}.")
    return tuple(np.sort(piece) for piece in pieces)


def mouse_splits(
    table: pd.DataFrame,
    *,
    proteins: tuple[str, ...] = PROTEINS,
    settings: tuple[str, ...] = SETTINGS,
    splits: range = range(30),
    seed: int = 0,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Fit and score every method on every split.

    Parameters
    ----------
    table : DataFrame
        As `scs.load_mice` gives it.
    proteins : tuple of str
        Outcomes; all other proteins are covariates.
    settings : tuple of str
        Of ``SETTINGS``, see the module.
    splits : range
        Numbers of the splits; each has a random stream of its own.
    seed : int
    n_jobs : int
        Worker processes; -1 for all cores.

    Returns
    -------
    DataFrame
        One row per setting, protein, split, method, ``rows`` seen ("training" or "both") and
        ``prediction``: "linear" (X beta alone), "tree" (effects through a classification tree on
        the covariates) or "known" (the mouse known). Columns ``mse`` (mean squared error on the
        test rows) and ``budget`` (clusters named by MIO; chosen by validation error with the mice
        known).
    """
    work = (
        delayed(_score)(table, protein, setting, split, seed)
        for setting in settings
        for protein in proteins
        for split in splits
    )
    pieces = Parallel(n_jobs=n_jobs)(work)
    return pd.DataFrame([row for piece in pieces for row in piece])


def covariates_of(table: pd.DataFrame, protein: str, *, twin: bool) -> pd.DataFrame:
    """Return the other proteins; without one of the twins (the outcome's own) if not ``twin``."""
    X = table.drop(columns=[*_ATTRIBUTES, protein])
    if twin:
        return X
    return X.drop(columns=TWINS[0] if protein == TWINS[1] else TWINS[1], errors="ignore")


def _score(table: pd.DataFrame, protein: str, setting: str, split: int, seed: int) -> list[dict]:
    by = "mice" if setting == "mice" else "rows"
    train, validation, test = split_rows(table["mouse"], split, by=by, seed=seed)
    both = np.concatenate([train, validation])
    X = covariates_of(table, protein, twin=setting == "published").to_numpy()
    y, mice = table[protein].to_numpy(), table["mouse"].to_numpy()
    if setting != "published":
        X = (X - X[both].mean(axis=0)) / X[both].std(axis=0)
    tree = DecisionTreeClassifier(max_depth=ceil(log2(len(set(mice[both])))), random_state=0)
    tree.fit(X[both], mice[both])
    shares = tree.predict_proba(X[test])
    about = {"setting": setting, "protein": protein, "split": split}
    found = []

    def add(method, rows, beta, gamma=None, labels=None, budget=np.nan):
        linear = beta[0] + X[test] @ beta[1:]
        predicted = {"linear": linear}
        if gamma is not None:
            effect = pd.Series(gamma, labels)
            predicted["tree"] = linear + shares @ effect.loc[tree.classes_].to_numpy()
            if by == "rows":
                known = effect.reindex(mice[test]).fillna(0.0).to_numpy()
                predicted["known"] = linear + known
        for prediction, values in predicted.items():
            mse = float(np.mean((y[test] - values) ** 2))
            found.append(
                {
                    **about,
                    "method": method,
                    "rows": rows,
                    "prediction": prediction,
                    "mse": mse,
                    "budget": budget,
                }
            )

    def moments(rows):
        return Moments.from_arrays(X[rows], y[rows], mice[rows], intercept=True)

    for rows, name in ((train, "training"), (both, "both")):
        if name == "both" or setting == "published":
            add("OLS", name, least_squares(X[rows], y[rows]))
    whole = moments(both)
    if setting != "published":
        for fit in (fit_gaussian(whole), fit_laplace(whole)):
            add(fit.method, "both", fit.beta, fit.effects, fit.labels)
    budgets = [0, *paper_budgets(whole.n_clusters)]
    with warnings.catch_warnings():
        # The twin columns, left in on purpose where the paper's numbers are compared.
        warnings.filterwarnings("ignore", "columns .* are identical", DesignWarning)
        parts = (moments(train), moments(validation))
        _, chosen = solve_tuned(*parts, budgets, both=whole, method="alternating")
    add("MIO", "both", chosen.beta, chosen.gamma, chosen.labels, len(chosen.support))
    return found


def least_squares(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return intercept and coefficients; of least length where columns repeat each other.

    `scs.ols` refuses such columns, because their coefficients mean nothing. Predictions do not
    depend on how they are chosen.
    """
    return np.linalg.lstsq(np.column_stack([np.ones(len(y)), X]), y, rcond=None)[0]


def mouse_cells(splits: pd.DataFrame) -> pd.DataFrame:
    """Return the verdicts on Figure C1 in the ledger's columns.

    Parameters
    ----------
    splits : DataFrame
        Of `mouse_splits`, setting "published".

    Notes
    -----
    The published numbers come from one split, ours from many: z is the distance in units of the
    standard deviation between splits (and our standard error), and "reproduced" means at most 2:
    what one split's luck can do. OLS on training rows; MIO with the mouse known, which most of the
    published numbers have the size of.
    """
    mine = splits[splits["setting"] == "published"]
    rows = []
    for protein, printed in FIGURE_C1.items():
        for method, value in zip(("OLS", "MIO"), printed):
            of_method = mine[(mine["protein"] == protein) & (mine["method"] == method)]
            kind = ("rows", "training") if method == "OLS" else ("prediction", "known")
            mse = of_method.loc[of_method[kind[0]] == kind[1], "mse"]
            ours, error, spread = mse.mean(), stats.sem(mse), mse.std(ddof=1)
            z = (value - ours) / np.hypot(error, spread)  # as everywhere: published less ours
            if method == "OLS" and protein in TWINS:
                # Both are zero to somebody's rounding: z would compare the two roundings.
                z, found = np.nan, _twin(mse)
            elif method == "OLS":
                found = Finding(REPRODUCED if abs(z) <= _ALIKE else UNEXPLAINED, _splits(mse))
            else:
                through = of_method.loc[of_method["prediction"] == "tree", "mse"]
                found = _mouse_known(z, value, mse, through)
            rows.append(
                {
                    "table": "Fig. C1",
                    "row": protein,
                    "method": method,
                    "quantity": "test mse",
                    "published": value,
                    "ours": ours,
                    "mc_se": error,
                    "z": z,
                    **found.columns(),
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _splits(mse: pd.Series) -> str:
    return f"{len(mse)} random splits."


def _twin(mse: pd.Series) -> Finding:
    """Judge an error of OLS on an outcome that is among its covariates."""
    evidence = (
        "The outcome is among its covariates under another name: the error is 0 up to rounding, "
        "ours in double precision."
    )
    if mse.max() >= 1e-20:
        return Finding(UNEXPLAINED, evidence)
    return Finding(EXPLAINED, evidence, test=_TWIN_TEST)


def _mouse_known(z: float, value: float, mse: pd.Series, through: pd.Series) -> Finding:
    """Judge an error of MIO with the mouse known; beyond the limit, through the tree instead."""
    evidence = f"{_splits(mse)} The mouse known; through the tree {through.mean():.1e} instead."
    if abs(z) <= _ALIKE:
        return Finding(REPRODUCED, evidence)
    of_tree = (value - through.mean()) / np.hypot(stats.sem(through), through.std(ddof=1))
    evidence += f" Through the tree z is {of_tree:.1f}."
    if abs(of_tree) > _ALIKE:
        return Finding(UNEXPLAINED, evidence)
    return Finding(READING, evidence, fitted="how the rows are predicted", parameters=1)
