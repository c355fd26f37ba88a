"""The estimators among scikit-learn's own: pipelines, searches, data frames of other libraries."""

import numpy as np
import polars as pl
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import scs
from scs import SignificantClusterRegressor


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    n = 240
    code = rng.integers(0, 8, n)
    x, kind = rng.normal(size=n), rng.choice(["p", "q", "r"], n)
    y = x + (kind == "q") + 5.0 * (code == 3) + rng.normal(0, 0.5, n)
    return pl.DataFrame({"x": x, "kind": kind, "y": y, "g": [f"c{k}" for k in code]})


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_a_search_without_routing_says_that_labels_do_not_arrive(table):
    X, y, g = table.select("x"), table["y"], table["g"].to_numpy()
    search = GridSearchCV(SignificantClusterRegressor(1), {"budget": [0, 1]}, cv=3)
    with pytest.warns(scs.LabelWarning, match="enable_metadata_routing=True"):
        search.fit(X, y, clusters=g)
    model = SignificantClusterRegressor(1).fit(X, y, g)
    with pytest.warns(scs.LabelWarning, match="not seen in fitting"):
        blind = model.score(X, y)
    assert model.score(X, y, [None] * len(X)) == blind  # meant, and no warning
    assert model.score(X, y, g) > blind


def test_a_search_with_routing_scores_rows_of_known_clusters(table, routing):
    X, y, g = table.select("x"), table["y"], table["g"].to_numpy()
    model = SignificantClusterRegressor(1)
    model.set_fit_request(clusters=True).set_score_request(clusters=True)
    search = GridSearchCV(model, {"budget": [0, 1]}, cv=3).fit(X, y, clusters=g)
    assert search.best_params_ == {"budget": 1}
    expected = []
    for train, test in KFold(3).split(y):
        fitted = SignificantClusterRegressor(1).fit(X[train], y[train], g[train])
        expected.append(fitted.score(X[test], y[test], g[test]))
    found = [search.cv_results_[f"split{i}_test_score"][1] for i in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_pipeline_of_columns_takes_polars_and_hands_polars_on(table, routing):
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["x"]),
            ("kinds", OneHotEncoder(drop="first", sparse_output=False), ["kind"]),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="polars")
    model = SignificantClusterRegressor(1).set_fit_request(clusters=True)
    model.set_score_request(clusters=True).set_predict_request(clusters=True)
    pipeline = make_pipeline(columns, model)
    pipeline.fit(table, table["y"], clusters=table["g"])
    assert model.selected_.tolist() == ["c3"]
    assert model.column_names_ == ("x", "kind_q", "kind_r")
    assert model.feature_names_in_.tolist() == ["x", "kind_q", "kind_r"]
    # The same by hand: units of x do not matter, so that effects are those of the plain columns.
    plain = np.column_stack([table["x"], table["kind"] == "q", table["kind"] == "r"]).astype(float)
    by_hand = SignificantClusterRegressor(1).fit(plain, table["y"], table["g"])
    np.testing.assert_allclose(model.cluster_effects_, by_hand.cluster_effects_, rtol=1e-8)
    np.testing.assert_allclose(
        pipeline.predict(table, clusters=table["g"]),
        by_hand.predict(plain, table["g"]),
        rtol=1e-8,
    )
    scores = cross_val_score(
        pipeline, table, table["y"], params={"clusters": table["g"].to_numpy()}, cv=3
    )
    assert scores.min() > 0.8


def test_a_halving_search_finds_the_number_that_differ(table, routing):
    model = SignificantClusterRegressor(1)
    model.set_fit_request(clusters=True).set_score_request(clusters=True)
    search = HalvingGridSearchCV(
        model, {"budget": [0, 1, 2, 4]}, cv=3, random_state=0, min_resources=80
    )
    search.fit(table.select("x").to_numpy(), table["y"].to_numpy(), clusters=table["g"].to_numpy())
    assert search.best_params_["budget"] >= 1
    assert "c3" in search.best_estimator_.selected_
