"""Results as data: against statsmodels where the models are equal, else against dense algebra."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.linalg import fractional_matrix_power
from scipy.stats import multivariate_normal, t

import scs

FORMULA = "y ~ x + kind"
FREE = 1e-9  # a ridge that leaves effects as they are


def rows(seed: int = 0, n_clusters: int = 14, tau: float = 0.0) -> pd.DataFrame:
    """Rows of clusters of which c03 and c08 differ by far, far from zero and in no order."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(n_clusters), rng.integers(4, 12, n_clusters))
    rng.shuffle(code)
    n = len(code)
    x = 1000.0 + rng.normal(0, 3, n) + 0.3 * code
    kind = rng.choice(["p", "q", "r"], n)
    effect = rng.normal(0, tau, n_clusters) if tau else np.zeros(n_clusters)
    effect[[3, 8]] += 6.0, -7.0
    y = 2.0 + 0.5 * x + (kind == "q") + effect[code] + rng.normal(0, 1.0, n)
    return pd.DataFrame({"y": y, "x": x, "kind": kind, "g": [f"c{k:02d}" for k in code]})


def dense(model, table: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Return the design with free effects' columns, memberships Z and V = I + theta Z Z'."""
    X = np.column_stack(
        [np.ones(len(table)), table["x"] - 1000.0, table["kind"] == "q", table["kind"] == "r"]
    ).astype(float)
    Z = (table["g"].to_numpy()[:, None] == model.solution.labels).astype(float)
    C = np.column_stack([X, Z[:, model.solution.support]])
    return X, C, Z, np.eye(len(Z)) + model.theta * Z @ Z.T


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return rows()


@pytest.fixture(scope="module")
def plain(table):
    return scs.fit(FORMULA, table, "g", 2, background="none", ridge=FREE)


@pytest.fixture(scope="module")
def over_background():
    table = rows(3, 20, 0.7)
    return table, scs.fit(FORMULA, table, "g", 2, background=0.4, ridge=FREE)


@pytest.fixture(scope="module")
def least_squares(table, plain):
    """The regression with an indicator of each selected cluster."""
    with_own = table.assign(own=table["g"].where(table["g"].isin(plain.selected), "a"))
    return smf.ols(f"{FORMULA} + own", with_own).fit(), with_own


def test_residuals_and_leverage_are_those_of_least_squares_at_the_support(plain, least_squares):
    found, influence = plain.augment(), least_squares[0].get_influence()
    assert sorted(plain.selected) == ["c03", "c08"]
    np.testing.assert_allclose(found["residual"], least_squares[0].resid, atol=1e-7)
    np.testing.assert_allclose(found["leverage"], influence.hat_matrix_diag, atol=1e-8)
    np.testing.assert_allclose(
        found["residual_standardised"], influence.resid_studentized_internal, atol=1e-6
    )
    own = plain.effects.reindex(found["g"]).to_numpy()
    np.testing.assert_allclose(found["fitted"] - found["fixed"], own, atol=1e-12)
    np.testing.assert_allclose(found["residual_fixed"] - found["residual"], own, atol=1e-12)


def test_one_row_about_the_model_is_that_of_least_squares_at_the_support(plain, least_squares):
    ols, found = least_squares[0], plain.glance().iloc[0]
    parameters = 4 + 2 + 1  # coefficients, free effects, the errors' variance
    n = int(ols.nobs)
    loglik = -n / 2 * (np.log(2 * np.pi * ols.ssr / n) + 1)
    assert found["log_likelihood"] == pytest.approx(ols.llf, abs=1e-6)
    assert found["log_likelihood"] == pytest.approx(loglik, abs=1e-6)
    assert found["df"] == parameters
    assert found["aic"] == pytest.approx(2 * parameters - 2 * loglik, abs=1e-6)
    assert found["bic"] == pytest.approx(np.log(n) * parameters - 2 * loglik, abs=1e-6)
    assert found["sigma"] == pytest.approx(np.sqrt(ols.mse_resid), rel=1e-7)
    assert found["df_smoother"] == pytest.approx(6.0, abs=1e-6)
    assert (found["n_rows"], found["n_clusters"], found["n_selected"]) == (n, 14, 2)


def test_coefficients_as_data(plain, least_squares):
    ols, found = least_squares[0], plain.tidy()
    assert found["term"].tolist() == ["Intercept", "x", "kind[T.q]", "kind[T.r]"]
    np.testing.assert_allclose(
        found["estimate"], ols.params[["Intercept", *found["term"][1:]]], rtol=1e-7
    )
    inference = plain.selection.inference  # sigma^2 from within clusters, not from all residuals
    scale = np.sqrt(inference.var_e / ols.mse_resid)
    np.testing.assert_allclose(
        found["std_error"][1:], scale * ols.bse[found["term"][1:]], rtol=1e-6
    )
    half = t.isf(0.05, inference.df_error) * found["std_error"]
    at_90 = plain.tidy(level=0.9)
    np.testing.assert_allclose(at_90["high"] - at_90["estimate"], half, rtol=1e-12)
    np.testing.assert_allclose(
        found["pvalue"], 2 * t.sf(abs(found["statistic"]), inference.df_error), rtol=1e-12
    )


def test_robust_errors_are_those_of_statsmodels(plain, least_squares):
    ols, with_own = least_squares
    groups = with_own["g"].astype("category").cat.codes
    other = ols.get_robustcov_results("cluster", groups=groups, use_correction=True)
    errors = pd.Series(other.bse, index=ols.params.index)
    found = plain.robust_errors("CR1")
    np.testing.assert_allclose(found[1:], errors[found.index[1:]], rtol=1e-6)
    assert found["Intercept"] == pytest.approx(errors["Intercept"], rel=1e-5)


@pytest.mark.parametrize("theta", [0.0, 0.4])
def test_cr2_is_its_formula_in_dense_algebra(theta):
    table = rows(5, 15, 0.6)
    model = scs.fit(FORMULA, table, "g", 2, background=theta or "none", ridge=FREE)
    _, C, Z, V = dense(model, table)
    half = fractional_matrix_power(V, -0.5).real
    C, y = half @ C, half @ table["y"].to_numpy()
    bread = np.linalg.inv(C.T @ C)
    residual = y - C @ bread @ C.T @ y
    meat = np.zeros_like(bread)
    for k in range(Z.shape[1]):
        mine = Z[:, k] == 1
        H = C[mine] @ bread @ C[mine].T
        value, vector = np.linalg.eigh(np.eye(mine.sum()) - H)
        power = np.where(value > 1e-8, 1 / np.sqrt(np.maximum(value, 1e-8)), 0.0)
        score = C[mine].T @ (vector * power) @ vector.T @ residual[mine]
        meat += np.outer(score, score)
    expected = np.sqrt(np.diag(bread @ meat @ bread))
    np.testing.assert_allclose(model.robust_errors("CR2")[1:], expected[1:4], rtol=1e-5)
    found = model.tidy(robust="CR2")
    np.testing.assert_allclose(found["std_error"], model.robust_errors(), rtol=1e-14)
    half_width = t.isf(0.025, 14) * found["std_error"]
    np.testing.assert_allclose(found["high"] - found["estimate"], half_width, rtol=1e-12)


def test_leverage_and_likelihood_over_a_background_are_dense_algebra(over_background):
    table, model = over_background
    _, C, Z, V = dense(model, table)
    inverse, y = np.linalg.inv(V), table["y"].to_numpy()
    beta = np.linalg.inv(C.T @ inverse @ C) @ C.T @ inverse
    smoother = C @ beta + model.theta * Z @ Z.T @ inverse @ (np.eye(len(y)) - C @ beta)
    found = model.augment()
    np.testing.assert_allclose(found["fitted"], smoother @ y, atol=1e-6)
    np.testing.assert_allclose(found["leverage"], np.diag(smoother), atol=1e-8)
    assert model.glance()["df_smoother"][0] == pytest.approx(np.trace(smoother), abs=1e-7)
    rest = y - C @ beta @ y
    scale = rest @ inverse @ rest / len(y)
    expected = multivariate_normal.logpdf(rest, cov=scale * V)
    assert model.glance()["log_likelihood"][0] == pytest.approx(expected, abs=1e-6)
    assert model.glance()["df"][0] == 4 + 2 + 1  # this background was given


def test_conditional_residuals_are_those_of_the_mixed_model(table):
    mixed = sm.MixedLM.from_formula(FORMULA, table, groups="g").fit(reml=True)
    theta = float(mixed.cov_re.iloc[0, 0] / mixed.scale)
    assert theta > 0.1
    model = scs.fit(FORMULA, table, "g", 0, background=theta)
    found = model.augment()
    np.testing.assert_allclose(found["fitted"], mixed.fittedvalues, atol=1e-5)
    fixed = mixed.model.exog @ mixed.fe_params.to_numpy()
    np.testing.assert_allclose(found["fixed"], fixed, atol=1e-5)


def test_prediction_variance_is_that_of_hendersons_equations(over_background):
    table, model = over_background
    X, C, Z, _ = dense(model, table)
    theta, support = model.theta, model.solution.support
    others = np.setdiff1d(np.arange(Z.shape[1]), support)
    W = np.column_stack([C, Z[:, others]])  # free effects hold what the background adds to them
    penalty = np.concatenate([np.zeros(C.shape[1]), np.full(len(others), 1 / theta)])
    inverse = np.linalg.inv(W.T @ W + np.diag(penalty))
    var_e = model.selection.inference.var_e
    variance = var_e * (1 + np.einsum("ij,ij->i", W @ inverse, W))
    half = t.isf(0.05, model.selection.inference.df_error) * np.sqrt(variance)
    found = model.predict(table, interval=0.9)
    np.testing.assert_allclose(found["high"] - found["predicted"], half, rtol=1e-6)
    np.testing.assert_allclose(found["predicted"] - found["low"], half, rtol=1e-6)
    np.testing.assert_array_equal(found["predicted"], model.predict(table))
    unknown = model.predict(table.assign(g="new"), interval=0.9)
    coefficients = np.einsum("ij,ij->i", X @ inverse[:4, :4], X)
    least = t.isf(0.05, model.selection.inference.df_error) * np.sqrt(
        var_e * (1 + coefficients + theta)
    )
    assert ((unknown["high"] - unknown["predicted"]) > least * (1 - 1e-9)).all()


def test_prediction_intervals_hold_so_often_as_they_say():
    rng = np.random.default_rng(1)
    hits = []
    for seed in range(12):
        n_clusters, tau = 40, 0.6
        code = np.repeat(np.arange(n_clusters), 6)
        u = rng.normal(0, tau, n_clusters)
        u[5] += 8.0
        x = rng.normal(size=len(code))
        table = {"y": 1 + x + u[code] + rng.normal(size=len(code)), "x": x, "g": code}
        model = scs.fit("y ~ x", table, "g", background=tau**2)
        assert 5 in model.selected, seed
        x, outcome = rng.normal(size=400), rng.normal(size=400)
        of = rng.integers(0, n_clusters, 400)
        found = model.predict({"x": x, "g": of}, interval=0.9)
        outcome = 1 + x + u[of] + outcome
        hits.append(np.mean((found["low"] <= outcome) & (outcome <= found["high"])))
    mean, error = np.mean(hits), np.std(hits, ddof=1) / np.sqrt(len(hits))
    assert abs(mean - 0.9) < 3 * max(error, np.sqrt(0.09 / 4800))


def test_rows_of_another_table(plain, table):
    some = table.iloc[5:9].assign(note="kept")
    found = plain.augment(some)
    assert found.index.tolist() == some.index.tolist()
    assert (found["note"] == "kept").all()
    whole = plain.augment()
    for name in ("fitted", "fixed", "residual", "residual_fixed"):
        np.testing.assert_allclose(found[name], whole[name].iloc[5:9], atol=1e-9)
    assert "residual" not in plain.augment(some.drop(columns="y"))
    with pytest.raises(ValueError, match="has missing values"):
        plain.augment(some.assign(y=np.nan))
    with pytest.raises(ValueError, match="column 'fitted', which augment"):
        plain.augment(found)


def test_what_cannot_be_said_is_refused(plain, table):
    with pytest.raises(ValueError, match="what must be one of"):
        plain.tidy("rows")
    with pytest.raises(ValueError, match="robust must be one of"):
        plain.tidy(robust="HC3")
    with pytest.raises(ValueError, match="robust is of coefficients"):
        plain.tidy("clusters", robust="CR2")
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        plain.tidy(level=95)
    with pytest.raises(ValueError, match="interval must lie between 0 and 1"):
        plain.predict(table, interval=95)
    with pytest.raises(ValueError, match="shrinks what it would be about"):
        scs.fit(FORMULA, table, "g", 2, background="none").predict(table, interval=0.9)
    with pytest.raises(ValueError, match="for normal errors of one variance"):
        scs.fit(FORMULA, table, "g", null="unequal").predict(table, interval=0.9)


def test_clusters_as_data(plain):
    found = plain.tidy("clusters")
    assert found["cluster"].tolist() == list(plain.solution.labels)
    named = found[found["selected"]].set_index("cluster")
    pd.testing.assert_frame_equal(
        named[["low", "high"]], plain.intervals, check_names=False, check_index_type=False
    )
    assert found.loc[~found["selected"], ["low", "high"]].isna().all(axis=None)
    np.testing.assert_array_equal(found["qvalue"], plain.qvalues)


def test_slopes_as_data(table):
    model = scs.fit("y ~ x", table, "g", {"Intercept": 2, "x": 1}, random="1 + x")
    found = model.tidy("clusters")
    assert len(found) == 28
    shown = found.pivot(index="cluster", columns="term", values="effect")
    np.testing.assert_array_equal(shown[list(model.effect_names)], model.effects)
    np.testing.assert_allclose(model.augment()["fitted"], model.predict(table), atol=1e-9)
    assert np.isnan(model.glance()["aic"][0])


def test_a_file_of_the_first_format_still_opens(table, least_squares):
    """Stored in November 2026: what it says must stay what least squares says."""
    model = scs.load(Path(__file__).with_name("format-1.scs"))
    np.testing.assert_allclose(model.predict(table), least_squares[0].fittedvalues, atol=1e-7)
    assert sorted(model.selected) == ["c03", "c08"]
    assert "2 of 14 clusters (g) are selected" in " ".join(model.summary().split())
    unknown = model.predict(table.drop(columns=["y", "g"]))
    assert np.isfinite(unknown).all()


def test_without_a_background_intervals_hold_what_clusters_differ():
    """Clusters that are not named are taken as alike: their differences are errors then."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(60), 10)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=600)})
    data["y"] = data.x + 2.0 * rng.normal(size=60)[g] + rng.normal(size=600)
    model = scs.fit("y ~ x", data, "g", budget=0, background="none")
    found = model.predict(data, interval=0.95)
    held = ((found.low <= data.y) & (data.y <= found.high)).mean()
    assert held > 0.93
    half = (found.high - found.low).mean() / 2
    assert half == pytest.approx(1.96 * model.glance()["sigma"][0], rel=0.03)
