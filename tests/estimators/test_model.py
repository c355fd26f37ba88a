"""The estimators: scikit-learn's contract, the paper's pipeline, prediction for new clusters."""

import pickle

import numpy as np
import pandas as pd
import pytest
from problems import random_rows
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)

import scs
from scs import Moments, SignificantClusterRegressor, SignificantClusterRegressorCV, simulate, solve
from scs.paper.simulate import replication_rng, scenario
from scs.solvers import paper_budgets, prediction_error


def _made_up(X):
    """Labels that follow what a row holds, so that a row repeated keeps its label."""
    n_rows = X.shape[0] if hasattr(X, "shape") else len(np.asarray(X))
    try:
        rows = np.asarray(X, dtype=float).reshape(n_rows, -1)
        found = np.floor(np.abs(rows[:, 0]) * 997) % 3
    except (TypeError, ValueError, IndexError):
        found = np.zeros(0)
    return found if len(found) == n_rows and np.isfinite(found).all() else np.arange(n_rows) % 3


class _Clustered(SignificantClusterRegressor):
    """scikit-learn's checks call fit(X, y): the labels, which we require, are made up here."""

    def fit(self, X, y, clusters=None, sample_weight=None):
        return super().fit(X, y, _made_up(X) if clusters is None else clusters, sample_weight)


class _ClusteredCV(SignificantClusterRegressorCV):
    def fit(self, X, y, clusters=None, sample_weight=None, *, validation=None):
        return super().fit(X, y, _made_up(X) if clusters is None else clusters, sample_weight)


def _too_few_rows(estimator):
    """Nine rows left and nine coefficients are refused, whatever their precision."""
    if isinstance(estimator, _Clustered):
        return {"check_sample_weight_equivalence_on_dense_data": "as many coefficients as rows"}
    return {}


@pytest.mark.filterwarnings("ignore::scs.DesignWarning")
@parametrize_with_checks(
    [_Clustered(budget=2), _ClusteredCV(budgets=[0, 1], cv=2)],
    expected_failed_checks=_too_few_rows,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::scs.DesignWarning")
@pytest.mark.parametrize("weights", ["precision", "frequency"])
@pytest.mark.parametrize(
    "estimator",
    [
        _Clustered(budget=2, ridge_fixed=None),
        _Clustered(budget=2, classifier=RandomForestClassifier(random_state=0, bootstrap=False)),
        _ClusteredCV(budgets=[0, 1], cv=2),
    ],
)
def test_scikit_learns_weights_repeat_and_remove_rows(estimator, weights):
    if weights == "precision" and estimator.ridge_fixed == 0 and "cv" not in estimator.get_params():
        estimator = clone(estimator).set_params(ridge_fixed=1.0)
    check_sample_weight_equivalence_on_dense_data("ours", estimator.set_params(weights=weights))


@pytest.fixture(scope="module")
def sample():
    drawn = scenario("sparse-medium-80%")
    return simulate(drawn, replication_rng(drawn, 0))


@pytest.fixture(scope="module")
def fitted(sample):
    train = sample.train
    return SignificantClusterRegressor(2).fit(train.X, train.y, train.clusters)


def test_the_solver_and_the_estimator_agree(sample, fitted):
    train = sample.train
    moments = Moments.from_arrays(train.X, train.y, train.clusters, intercept=True)
    solution = solve(moments, 2, ridge_fixed=0)
    # The estimator sums up rows in the order of their content, so that the last digits differ.
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(fitted.intercept_, solution.beta[0], **close)
    np.testing.assert_allclose(fitted.coef_, solution.beta[1:], **close)
    np.testing.assert_allclose(fitted.cluster_effects_.to_numpy(), solution.gamma, **close)
    assert set(fitted.selected_) == set(np.flatnonzero(sample.gamma))


def test_clusters_are_required(sample):
    with pytest.raises(ValueError, match="clusters is missing: pass one cluster label per row"):
        SignificantClusterRegressor(2).fit(sample.train.X, sample.train.y)


def test_known_labels_add_their_effect(sample, fitted):
    test = sample.test
    linear = test.X @ fitted.coef_ + fitted.intercept_
    gamma = fitted.cluster_effects_
    np.testing.assert_allclose(
        fitted.predict(test.X, test.clusters), linear + gamma[test.clusters].to_numpy()
    )


def test_unknown_labels_go_through_the_tree(sample, fitted):
    test = sample.test
    gamma = fitted.cluster_effects_.to_numpy()
    tree = fitted.classifier_
    assert tree.get_depth() <= 4  # ceil(log2 10)
    linear = test.X @ fitted.coef_ + fitted.intercept_
    soft = linear + tree.predict_proba(test.X) @ gamma
    np.testing.assert_allclose(fitted.predict(test.X), soft)
    labels = test.clusters.astype(float)
    labels[:5], labels[5:9] = 99, np.nan  # never seen; missing
    mixed = fitted.predict(test.X, labels)
    np.testing.assert_allclose(mixed[:9], soft[:9])
    np.testing.assert_allclose(mixed[9:], (linear + gamma[test.clusters])[9:])

    hard = clone(fitted).set_params(assignment="hard")
    hard.fit(sample.train.X, sample.train.y, sample.train.clusters)
    np.testing.assert_allclose(hard.predict(test.X), linear + gamma[tree.predict(test.X)])


@pytest.mark.parametrize("labels", [list("ab"), [(0, "x"), (1, "y")], [True, False]])
def test_labels_of_any_type_predict(labels):
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 20)
    clusters = [labels[c] for c in codes]
    X = rng.normal(size=(40, 2))
    y = X @ [1, 2] + 5 * codes + 0.1 * rng.normal(size=40)
    model = SignificantClusterRegressor(1, ridge=1e-3).fit(X, y, clusters)
    assert len(model.selected_) == 1
    assert model.score(X, y, clusters) > 0.99
    assert list(model.cluster_effects_.index) == sorted(set(labels))


@pytest.mark.parametrize(
    "classifier",
    [
        RandomForestClassifier(n_estimators=20, random_state=0),
        HistGradientBoostingClassifier(max_iter=10),
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    ],
)
def test_any_classifier_serves(classifier):
    """Where covariates tell the clusters apart, each of them makes new rows better predicted."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(5), 60)
    centre = 3.0 * np.eye(5)[clusters]
    X, new = (centre + rng.normal(size=centre.shape) for _ in range(2))
    outcome = 10.0 * (clusters == 2)
    model = SignificantClusterRegressor(1, classifier=classifier).fit(
        X - centre @ np.full((5, 5), 0.2), outcome + rng.normal(size=300), clusters
    )
    new = new - centre @ np.full((5, 5), 0.2)
    plain = np.mean((new @ model.coef_ + model.intercept_ - outcome) ** 2)
    assert np.mean((model.predict(new) - outcome) ** 2) < 0.8 * plain
    with pytest.raises(TypeError, match="not a single decision tree"):
        model.describe_tree()


def test_the_tree_can_be_read(sample, fitted):
    text = fitted.describe_tree(max_depth=2)
    assert "x1" in text or "x2" in text or "x" in text
    names = pd.DataFrame(sample.train.X, columns=[f"measure {j}" for j in range(25)])
    model = SignificantClusterRegressor(2).fit(names, sample.train.y, sample.train.clusters)
    assert "measure " in model.describe_tree()
    assert list(model.feature_names_in_) == list(names.columns)


def test_one_cluster_needs_no_classifier():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    model = SignificantClusterRegressor(1, fit_intercept=False).fit(X, y, ["only"] * 20)
    assert model.classifier_ is None
    np.testing.assert_allclose(model.predict(X), model.predict(X, ["only"] * 20))


def test_bad_arguments_are_named(sample):
    train = sample.train
    with pytest.raises(ValueError, match=r"assignment must be one of .*'softly'"):
        SignificantClusterRegressor(1, assignment="softly").fit(train.X, train.y, train.clusters)
    model = SignificantClusterRegressor(1).fit(train.X, train.y, train.clusters)
    with pytest.raises(ValueError, match="clusters has 3 entries but X has 500 rows"):
        model.predict(train.X, [1, 2, 3])
    with pytest.raises(ValueError, match=r"X has a missing value.*row 0, column 'x1'"):
        model.predict(np.where(np.arange(25) == 0, np.nan, train.X[:3]))
    with pytest.raises(ValueError, match="budgets is empty"):
        SignificantClusterRegressorCV([]).fit(train.X, train.y, train.clusters)
    short = (train.X[:, :3], train.y, train.clusters)
    with pytest.raises(ValueError, match="validation X has 3 columns but X has 25"):
        SignificantClusterRegressorCV([1]).fit(train.X, train.y, train.clusters, validation=short)


def test_clone_and_pickle(sample, fitted):
    again = pickle.loads(pickle.dumps(fitted))
    test = sample.test
    np.testing.assert_array_equal(again.predict(test.X), fitted.predict(test.X))
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    assert not hasattr(fresh, "coef_")


def test_pipeline_and_grid_search_route_the_clusters(sample):
    train = sample.train
    with config_context(enable_metadata_routing=True):
        model = SignificantClusterRegressor(1, ridge=1e-2)
        model.set_fit_request(clusters=True)
        model.set_score_request(clusters=True).set_predict_request(clusters=True)
        pipeline = make_pipeline(StandardScaler(), model)
        search = GridSearchCV(
            pipeline,
            {"significantclusterregressor__budget": [0, 1, 2]},
            cv=KFold(4, shuffle=True, random_state=0),
        )
        search.fit(train.X, train.y, clusters=train.clusters)
        assert search.best_params_ == {"significantclusterregressor__budget": 2}
        # The labels reached the score too: with them the fit is nearly perfect.
        assert search.best_score_ > 0.98
        predicted = search.best_estimator_.predict(train.X, clusters=train.clusters)
    assert np.mean((predicted - train.y) ** 2) < 1.0


def test_cv_is_the_papers_pipeline(sample):
    """Grid on the validation set, refit on training and validation rows together."""
    train, validation = sample.train, sample.validation
    grid = paper_budgets(10)
    assert grid == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    model = SignificantClusterRegressorCV(grid, fit_intercept=False).fit(
        train.X,
        train.y,
        train.clusters,
        validation=(validation.X, validation.y, validation.clusters),
    )
    errors = []
    for budget in grid:
        part = SignificantClusterRegressor(budget, fit_intercept=False)
        part.fit(train.X, train.y, train.clusters)
        errors.append(
            np.mean((part.predict(validation.X, validation.clusters) - validation.y) ** 2)
        )
    np.testing.assert_allclose(model.validation_mse_, errors, rtol=1e-9)
    assert model.budget_ == grid[int(np.argmin(errors))]
    both = SignificantClusterRegressor(model.budget_, fit_intercept=False).fit(
        np.vstack([train.X, validation.X]),
        np.concatenate([train.y, validation.y]),
        np.concatenate([train.clusters, validation.clusters]),
    )
    np.testing.assert_allclose(model.coef_, both.coef_, rtol=1e-8)
    np.testing.assert_allclose(model.cluster_effects_, both.cluster_effects_, rtol=1e-8)


def test_cv_splits_within_clusters_and_takes_any_splitter(sample):
    train = sample.train
    model = SignificantClusterRegressorCV(cv=5).fit(train.X, train.y, train.clusters)
    assert list(model.budgets_) == list(range(11))
    assert {2, *np.flatnonzero(sample.gamma)} <= {2, *model.selected_}
    fold = np.where(np.arange(500) % 5 == 0, 0, -1)
    split = SignificantClusterRegressorCV([1, 2], cv=PredefinedSplit(fold))
    split.fit(train.X, train.y, train.clusters)
    direct = SignificantClusterRegressor(2).fit(
        train.X[fold < 0], train.y[fold < 0], train.clusters[fold < 0]
    )
    expected = np.mean(
        (direct.predict(train.X[fold == 0], train.clusters[fold == 0]) - train.y[fold == 0]) ** 2
    )
    assert split.validation_mse_[1] == pytest.approx(expected, rel=1e-9)


def test_prediction_error_needs_no_rows():
    rows = random_rows(4, n_clusters=6, intercept=False)
    keep = rows.clusters < 5  # the validation rows hold a cluster that training lacks
    training = Moments.from_arrays(rows.X[keep], rows.y[keep], rows.clusters[keep])
    solution = solve(training, 2)
    everything = Moments.from_arrays(rows.X, rows.y, rows.clusters)
    gamma = np.append(solution.gamma, 0.0)
    direct = np.mean((rows.y - rows.X @ solution.beta - gamma[rows.clusters]) ** 2)
    assert prediction_error(solution, everything) == pytest.approx(direct, rel=1e-10)


@pytest.mark.parametrize("intercept", [True, False])
def test_budget_zero_and_all_are_ridge_regressions(intercept):
    """scikit-learn's Ridge is the oracle at both ends of the path."""
    rows = random_rows(9, n_clusters=5, intercept=intercept)
    none = SignificantClusterRegressor(0, ridge=0.5, ridge_fixed=None, fit_intercept=intercept)
    none.fit(rows.X, rows.y, rows.clusters)
    ridge = Ridge(alpha=0.5, fit_intercept=intercept).fit(rows.X, rows.y)
    np.testing.assert_allclose(none.coef_, ridge.coef_, rtol=1e-9)
    assert none.intercept_ == pytest.approx(ridge.intercept_, rel=1e-9)
    assert not none.selected_.size

    full = SignificantClusterRegressor(5, ridge=0.5, ridge_fixed=0.5, fit_intercept=intercept)
    full.fit(rows.X, rows.y, rows.clusters)
    dummies = np.hstack([rows.X, np.eye(5)[rows.clusters]])
    ridge = Ridge(alpha=0.5, fit_intercept=intercept).fit(dummies, rows.y)
    np.testing.assert_allclose(full.coef_, ridge.coef_[:-5], rtol=1e-8)
    np.testing.assert_allclose(full.cluster_effects_, ridge.coef_[-5:], rtol=1e-8)
    assert full.intercept_ == pytest.approx(ridge.intercept_, rel=1e-9)


def test_validation_rows_must_speak_of_the_same_columns_and_labels(sample):
    train, validation = sample.train, sample.validation
    frame = pd.DataFrame(train.X[:, :3], columns=list("abc"))
    other = pd.DataFrame(validation.X[:, :3], columns=list("abc"))
    model = SignificantClusterRegressorCV([1])
    with pytest.raises(ValueError, match="validation X has column 'c' where X has 'a'"):
        model.fit(
            frame, train.y, train.clusters,
            validation=(other[["c", "a", "b"]], validation.y, validation.clusters),
        )  # fmt: skip
    with pytest.raises(TypeError, match="labels of type str, but those known are of type number"):
        model.fit(
            frame, train.y, train.clusters,
            validation=(other, validation.y, validation.clusters.astype(str)),
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"validation has 2 parts"):
        model.fit(frame, train.y, train.clusters, validation=(other, validation.y))


def test_labels_of_another_kind_are_refused_and_dates_found_in_any_unit(sample):
    train = sample.train
    model = SignificantClusterRegressor(2).fit(train.X, train.y, train.clusters)
    with pytest.raises(TypeError, match="labels of type str, but those known are of type number"):
        model.predict(train.X, train.clusters.astype(str))
    days = np.datetime64("2020-01-01") + train.clusters
    model = SignificantClusterRegressor(2).fit(train.X, train.y, days.astype("M8[ns]"))
    expected = model.predict(train.X, days.astype("M8[ns]"))
    for unit in ("s", "us", "D"):
        np.testing.assert_array_equal(model.predict(train.X, days.astype(f"M8[{unit}]")), expected)


def test_random_states_classifiers_and_folds_of_every_kind(sample):
    from sklearn.svm import LinearSVC

    train = sample.train
    for state in (None, np.random.RandomState(3)):
        SignificantClusterRegressor(1, random_state=state).fit(train.X, train.y, train.clusters)
    with pytest.raises(TypeError, match=r"LinearSVC has no predict_proba"):
        SignificantClusterRegressor(1, classifier=LinearSVC()).fit(train.X, train.y, train.clusters)
    with pytest.raises(TypeError, match=r"classifier must be a scikit-learn classifier"):
        SignificantClusterRegressor(1, classifier=Ridge()).fit(train.X, train.y, train.clusters)
    # Clusters of three rows: five folds become three.
    rows = np.concatenate([np.flatnonzero(train.clusters == k)[:3] for k in range(10)])
    few = SignificantClusterRegressorCV([0, 1], ridge=1.0)
    few.fit(train.X[rows, :2], train.y[rows], train.clusters[rows])
    assert few.budget_ in (0, 1)
    with pytest.raises(ValueError, match=r"cv=5: the largest cluster has n_samples=1"):
        few.fit(train.X[:20, :2], train.y[:20], np.arange(20))
    with pytest.raises(TypeError, match=r"budgets must be a sequence of whole numbers, got 5"):
        SignificantClusterRegressorCV(5).fit(train.X, train.y, train.clusters)


# ------------------------------------------------------------------------------- the background


def _differing(seed=0, n_clusters=25, tau=0.5):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), rng.integers(4, 15, n_clusters))
    X = rng.normal(size=(len(codes), 2))
    effects = tau * rng.normal(size=n_clusters) + 4.0 * (np.arange(n_clusters) < 2)
    return X, X @ [1.0, -1.0] + effects[codes] + rng.normal(size=len(codes)), codes


def test_a_background_that_is_given_is_the_solvers():
    X, y, codes = _differing()
    model = scs.SignificantClusterRegressor(2, background=0.3, gap=1e-8).fit(X, y, codes)
    moments = scs.Moments.from_arrays(X, y, codes, intercept=True)
    direct = scs.solve(moments, 2, ridge_fixed=0, background=0.3, gap=1e-8)
    assert model.theta_ == 0.3
    np.testing.assert_allclose(model.background_effects_, direct.background, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.cluster_effects_, direct.gamma, rtol=1e-6)
    line = model.intercept_ + X @ model.coef_
    np.testing.assert_allclose(model.predict(X, codes), line + direct.cluster_effects[codes])
    plain = scs.SignificantClusterRegressor(2).fit(X, y, codes)
    assert plain.theta_ == 0 and not plain.background_effects_.any()


def test_a_background_is_estimated_and_predicts_new_rows_of_known_clusters_better():
    errors = []
    for seed in range(8):
        X, y, codes = _differing(seed)
        train = np.random.default_rng(seed).random(len(y)) < 0.6
        train |= ~np.isin(codes, codes[train])
        for background in ("auto", "none"):
            model = scs.SignificantClusterRegressor(2, background=background)
            model.fit(X[train], y[train], codes[train])
            assert (model.theta_ > 0) == (background == "auto")
            rest = model.predict(X[~train], codes[~train]) - y[~train]
            errors.append(np.mean(rest**2))
    assert np.mean(errors[::2]) < np.mean(errors[1::2])


def test_the_pipeline_takes_a_background_in_every_fold_and_in_the_end():
    X, y, codes = _differing(3)
    options = {"background": 0.25, "ridge_fixed": 0.0}
    model = scs.SignificantClusterRegressorCV([0, 2, 5], **options).fit(X, y, codes)
    assert model.theta_ == 0.25 and model.solution_.theta == 0.25
    held = (X[::3], y[::3], codes[::3])
    first = scs.SignificantClusterRegressorCV([0, 2], **options).fit(X, y, codes, validation=held)
    one = scs.SignificantClusterRegressor(2, **options).fit(X, y, codes)
    expected = np.mean((one.predict(held[0], held[2]) - held[1]) ** 2)
    assert first.validation_mse_[1] == pytest.approx(expected, rel=1e-3)
    auto = scs.SignificantClusterRegressorCV([0, 2, 5], background="auto").fit(X, y, codes)
    assert auto.theta_ > 0


@pytest.mark.parametrize("background", ["much", -0.1, None, True])
def test_a_bad_background_is_refused_by_name(background):
    X, y, codes = _differing()
    with pytest.raises((ValueError, TypeError), match="background must be"):
        scs.SignificantClusterRegressor(2, background=background).fit(X, y, codes)
