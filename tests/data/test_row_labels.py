"""pandas objects of other row labels are refused at every door; joined by position, rows mix up."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import scs
from scs.data.containers import refuse_other_rows
from scs.inference.bootstrap import bootstrap

RNG = np.random.default_rng(0)
N = 40
ROWS = pd.Index([f"r{i:02d}" for i in RNG.permutation(N)])
X = pd.DataFrame({"x": RNG.normal(size=N), "z": RNG.normal(size=N)}, index=ROWS)
G = pd.Series(np.repeat(list("abcd"), N // 4), index=ROWS)
Y = X["x"] + 3.0 * (G == "b") + pd.Series(RNG.normal(size=N), index=ROWS)


def _estimator(X, y, clusters):
    return scs.SignificantClusterRegressor(1).fit(X, y, clusters).coef_


def _cv(X, y, clusters):
    return scs.SignificantClusterRegressorCV([0, 1], cv=2).fit(X, y, clusters).coef_


def _held_out(X_, y, clusters):
    model = scs.SignificantClusterRegressorCV([0, 1])
    return model.fit(X.to_numpy(), Y, G.to_numpy(), validation=(X_, y, clusters)).coef_


def _predict(X_, y, clusters):
    fitted_on = X if isinstance(X_, pd.DataFrame) else X.to_numpy()
    model = scs.SignificantClusterRegressor(1).fit(fitted_on, Y.to_numpy(), G.to_numpy())
    return [*model.predict(X_, clusters), model.score(X_, y, clusters)]


def _dict(X_, y, clusters):
    data = {"y": y, "x": X_["x"] if hasattr(X_, "columns") else X_[:, 0], "g": clusters}
    return scs.fit("y ~ x", data, "g", budget=1, bootstrap=0).coef.to_numpy()


DOORS = {
    "moments": lambda X, y, g: scs.Moments.from_arrays(X, y, g).within_xy,
    "slopes": lambda X, y, g: scs.Moments.from_arrays(X, y, g, Z=X).within_zy,
    "chunks": lambda X, y, g: scs.Moments.from_chunks([(X, y, g)]).within_xy,
    "chunks with slopes": lambda X, y, g: scs.Moments.from_chunks([(X, y, g, X)]).within_zy,
    "fit": _estimator,
    "cv": _cv,
    "validation": _held_out,
    "predict": _predict,
    "ols": lambda X, y, g: scs.ols(X, y, g).beta,
    "gaussian": lambda X, y, g: scs.lmm_gaussian(X, y, g).beta,
    "laplace": lambda X, y, g: scs.lmm_laplace(X, y, g).beta,
    "bootstrap": lambda X, y, g: bootstrap(X, y, g, budget=1, reps=2).beta,
    "dict": _dict,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("which", ["y", "clusters"])
def test_the_same_labels_in_another_order_are_refused(door, which):
    y = Y.sort_index() if which == "y" else Y
    clusters = G if which == "y" else G.sort_index()
    with pytest.raises(ValueError, match=r"has other row labels than .*\(row 0 is .*by label"):
        DOORS[door](X, y, clusters)


@pytest.mark.parametrize("door", DOORS)
def test_equal_labels_and_arrays_give_the_same_numbers(door):
    expected = DOORS[door](X.to_numpy(), Y.to_numpy(), G.to_numpy())
    for given in [(X, Y, G), (X, Y.to_numpy(), G), (X, list(Y), G.tolist()), (X, Y, pl.Series(G))]:
        np.testing.assert_allclose(DOORS[door](*given), expected, rtol=1e-12)


def test_outliers_and_ols_without_clusters_refuse_too():
    for door in (lambda y: scs.detect_outliers(X, y, count=1), lambda y: scs.ols(X, y)):
        with pytest.raises(ValueError, match="y has other row labels than X"):
            door(Y.sort_index())


def test_validation_rows_are_named_as_such():
    model = scs.SignificantClusterRegressorCV([0, 1])
    with pytest.raises(ValueError, match=r"^validation\[2\] has other row labels than valid"):
        model.fit(X, Y, G, validation=(X, Y, G.sort_index()))


def test_slope_columns_and_weights_are_held_to_the_rows():
    with pytest.raises(ValueError, match="Z has other row labels than X"):
        scs.Moments.from_arrays(X, Y, G, Z=X[["z"]].sort_index())
    model = scs.SignificantClusterRegressor(1).fit(X, Y, G)
    with pytest.raises(ValueError, match="y has other row labels than X"):
        model.score(X, Y.sort_index(), G)
    with pytest.raises(ValueError, match="sample_weight has other row labels than X"):
        model.score(X, Y, G, sample_weight=(Y**2).sort_index())


def test_the_message_names_the_first_row_and_a_remedy_that_works():
    numbers = pd.Series([5.0, 6.0, 7.0, 8.0])
    moved = numbers.loc[[0, 1, 3, 2]]
    with pytest.raises(ValueError) as raised:
        refuse_other_rows(X=numbers, y=moved)
    assert str(raised.value) == (
        "y has other row labels than X (row 2 is 3 in y, 2 in X): pass y.loc[X.index] to join by "
        "label, or y.to_numpy() to join by position."
    )
    refuse_other_rows(X=numbers, y=moved.loc[numbers.index])
    refuse_other_rows(X=numbers, y=moved.to_numpy())


@pytest.mark.parametrize(
    "index",
    [
        ["a", "b", "c"],
        [1, 2, 3],
        [0, 0, 1],
        [0, 1, None],
        pd.MultiIndex.from_product([[0], list("abc")]),
    ],
)
def test_labels_that_cannot_be_joined_leave_the_position(index):
    with pytest.raises(ValueError, match=r"y\.to_numpy\(\)") as raised:
        refuse_other_rows(X=pd.Series([1, 2, 3]), y=pd.Series([1, 2, 3], index=index))
    assert "loc" not in str(raised.value)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (pd.RangeIndex(2), [0, 1]),
        ([0, 1], pd.Index([0, 1], dtype="Int64")),
        ([0.0, 1.0], [0, 1]),
        (list("ab"), pd.CategoricalIndex(list("ab"))),
        (list("ab"), pd.Index(list("ab"), dtype=object)),
        ([1.0, np.nan], [1.0, np.nan]),
        ([0, 0], [0, 0]),
        (
            pd.MultiIndex.from_product([[0], list("ab")]),
            pd.MultiIndex.from_product([[0], list("ab")]),
        ),
    ],
)
def test_equal_labels_of_another_type_are_equal(a, b):
    refuse_other_rows(y=pd.Series([1, 2], index=a), clusters=pd.Series([1, 2], index=b))


def test_scikit_learns_own_slices_are_equal():
    from sklearn import config_context
    from sklearn.model_selection import KFold, cross_val_score

    with config_context(enable_metadata_routing=True):
        model = scs.SignificantClusterRegressor(1).set_fit_request(clusters=True)
        model.set_score_request(clusters=True)
        folds = KFold(4, shuffle=True, random_state=0)
        scores = cross_val_score(model, X, Y, cv=folds, params={"clusters": G})
    assert np.isfinite(scores).all()
