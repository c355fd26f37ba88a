"""OLS against statsmodels, its messages, and what no baseline may depend on."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm

from scs.baselines import fit_ols, lmm_gaussian, lmm_laplace, ols
from scs.baselines._basis import basis
from scs.moments.moments import Moments

METHODS = {
    "ols": ols,
    "reml": lmm_gaussian,
    "ml": lambda X, y, clusters: lmm_gaussian(X, y, clusters, reml=False),
    "laplace": lmm_laplace,
    "alpha 0.5": lambda X, y, clusters: lmm_laplace(X, y, clusters, alpha=0.5),
    "alpha free": lambda X, y, clusters: lmm_laplace(X, y, clusters, alpha=None),
}
MIXED = [name for name in METHODS if name != "ols"]


def data(seed=0, sizes=(5, 12, 7, 1, 20, 9, 15), effect=3.0):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(len(codes), 3)) + rng.normal(size=(len(sizes), 3))[codes]
    X[:, 0] = 1.0
    gamma = effect * rng.laplace(size=len(sizes))
    y = X @ [2.0, -1.0, 0.5] + gamma[codes] + rng.normal(size=len(codes))
    return X, y, codes


@pytest.mark.parametrize("seed", range(5))
def test_ols_meets_statsmodels(seed):
    X, y, codes = data(seed)
    fit, other = ols(X, y, codes), sm.OLS(y, X).fit()
    np.testing.assert_allclose(fit.beta, other.params, rtol=1e-9)
    np.testing.assert_allclose(fit.se_beta, other.bse, rtol=1e-9)
    np.testing.assert_allclose(fit.var_e, other.scale, rtol=1e-12)
    assert fit.loglik == pytest.approx(other.llf, abs=1e-9)
    assert fit.aic == pytest.approx(other.aic + 2, abs=1e-8)  # statsmodels leaves var_e out
    assert fit.method == "OLS" and fit.converged
    assert (fit.effects == 0).all() and fit.effects.shape == (7,) and fit.icc == 0.0


def test_clusters_do_not_matter_to_ols():
    X, y, codes = data()
    without, with_clusters = ols(X, y), ols(X, y, codes)
    assert without.labels.shape == without.effects.shape == (0,)
    np.testing.assert_allclose(without.beta, with_clusters.beta, rtol=1e-10)
    assert without.loglik == pytest.approx(with_clusters.loglik, abs=1e-9)


def test_ols_far_from_zero():
    """Means of a million times the spread cost few digits, because moments are centred."""
    X, y, codes = data()
    X[:, 1:] += 1e6
    y = y + 1e7
    fit, other = ols(X, y, codes), sm.OLS(y, X).fit()
    np.testing.assert_allclose(fit.beta[1:], other.params[1:], rtol=1e-6)
    shifted = ols(data()[0], data()[1], codes)
    np.testing.assert_allclose(fit.beta[1:], shifted.beta[1:], rtol=1e-7)
    assert fit.var_e == pytest.approx(shifted.var_e, rel=1e-7)


def test_basis():
    """Orthonormal over the rows, orthogonal within clusters, zero within where X is constant."""
    X, y, codes = data()
    X = np.column_stack([X, np.cos(codes)])
    moments = Moments.from_arrays(X * [1, 1e5, 1e-5, 1], y, codes)
    new = basis(moments)
    np.testing.assert_allclose(new.T.T @ moments.xtx @ new.T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(
        new.T.T @ moments.within_xx @ new.T, np.diag(new.root**2), atol=1e-12
    )
    np.testing.assert_allclose(new.U, moments.mean_x @ new.T, atol=1e-12)
    assert new.rank_within == 2 and (new.root[:2] == 0).all() and (new.root[2:] > 0.1).all()
    np.testing.assert_allclose(new.log_det, np.linalg.slogdet(moments.xtx)[1], rtol=1e-12)
    residuals = moments.mean_y - moments.mean_x @ new.beta_ols
    np.testing.assert_allclose(new.scale * new.mean_e, residuals, atol=1e-12)


def test_ols_exact_fit():
    X, _, codes = data()
    y = X @ [1.0, 2.0, 3.0]
    fit = ols(X, y, codes)
    np.testing.assert_allclose(fit.beta, [1, 2, 3], rtol=1e-12)
    assert fit.var_e < 1e-14 * y.var()  # what sums of squares can tell
    zero = ols(X, np.zeros(len(X)), codes)
    assert (zero.beta == 0).all() and zero.loglik == np.inf


def test_input_kinds_agree():
    X, y, codes = data()
    names = ["one", "a", "b"]
    frame = pd.DataFrame(X, columns=names)
    for method in METHODS.values():
        from_numpy = method(X, y, codes)
        from_pandas = method(frame, pd.Series(y), pd.Series(codes))
        from_polars = method(pl.DataFrame(X, schema=names), pl.Series(y), pl.Series(codes))
        assert from_numpy.names == ("x1", "x2", "x3")
        assert from_pandas.names == from_polars.names == ("one", "a", "b")
        np.testing.assert_array_equal(from_numpy.beta, from_pandas.beta)
        np.testing.assert_array_equal(from_numpy.beta, from_polars.beta)


@pytest.mark.parametrize("method", METHODS)
def test_row_order_and_labels(method):
    X, y, codes = data(1)
    fit = METHODS[method](X, y, codes)
    order = np.random.default_rng(0).permutation(len(y))
    names = np.array(["g", "c", "a", "f", "b", "e", "d"])
    other = METHODS[method](X[order], y[order], names[codes][order])
    assert other.labels.tolist() == sorted(names)
    close = {"rtol": 1e-7, "atol": 1e-9}
    np.testing.assert_allclose(other.beta, fit.beta, **close)
    np.testing.assert_allclose(other.se_beta, fit.se_beta, **close)
    np.testing.assert_allclose(other.effects[np.argsort(np.argsort(names))], fit.effects, **close)
    np.testing.assert_allclose(
        [other.var_u, other.var_e, other.loglik], [fit.var_u, fit.var_e, fit.loglik], rtol=1e-7
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [-1.0, 1e-6, 1e6])
def test_scaling_the_outcome(method, factor):
    X, y, codes = data(2)
    fit, scaled = METHODS[method](X, y, codes), METHODS[method](X, factor * y, codes)
    close = {"rtol": 1e-6, "atol": 1e-9 * abs(factor)}
    np.testing.assert_allclose(scaled.beta, factor * fit.beta, **close)
    np.testing.assert_allclose(scaled.se_beta, abs(factor) * fit.se_beta, **close)
    np.testing.assert_allclose(scaled.effects, factor * fit.effects, **close)
    np.testing.assert_allclose(scaled.posterior_mode, factor * fit.posterior_mode, **close)
    np.testing.assert_allclose(scaled.var_u, factor**2 * fit.var_u, rtol=1e-6)
    np.testing.assert_allclose(scaled.var_e, factor**2 * fit.var_e, rtol=1e-6)
    np.testing.assert_allclose(scaled.se_var_u, factor**2 * fit.se_var_u, rtol=1e-5)
    n_free = len(y) - (len(fit.beta) if method == "reml" else 0)
    assert scaled.loglik == pytest.approx(fit.loglik - n_free * np.log(abs(factor)), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_shifting_along_the_columns(method):
    X, y, codes = data(3)
    known = np.array([10.0, -20.0, 30.0])
    fit, shifted = METHODS[method](X, y, codes), METHODS[method](X, y + X @ known, codes)
    np.testing.assert_allclose(shifted.beta, fit.beta + known, rtol=1e-7)
    np.testing.assert_allclose(shifted.effects, fit.effects, rtol=1e-6, atol=1e-8)
    assert shifted.loglik == pytest.approx(fit.loglik, abs=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_units_of_the_columns(method):
    X, y, codes = data(4)
    units = np.array([1.0, 1e-7, 1e7])
    fit, other = METHODS[method](X, y, codes), METHODS[method](X * units, y, codes)
    np.testing.assert_allclose(other.beta * units, fit.beta, rtol=1e-7)
    np.testing.assert_allclose(other.var_u, fit.var_u, rtol=1e-7)
    change = np.log(units).sum() if method == "reml" else 0.0
    assert other.loglik == pytest.approx(fit.loglik - change, abs=1e-7)


def test_moments_in_chunks_give_the_same():
    X, y, codes = data()
    parts = [slice(0, 20), slice(20, 21), slice(21, None)]
    merged = Moments.from_chunks((X[p], y[p], codes[p]) for p in parts)
    np.testing.assert_allclose(fit_ols(merged).beta, ols(X, y).beta, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_dependent_columns_are_named(method):
    X, y, codes = data()
    frame = pd.DataFrame(X, columns=["one", "a", "b"])
    frame["twice"] = 2 * frame["a"] - frame["one"]
    with pytest.raises(ValueError, match=r"^X has .*'twice' depends on 'one', 'a'\. Drop"):
        METHODS[method](frame, y, codes)
    frame["twice"] = 0.0
    with pytest.raises(ValueError, match=r"^X has .*'twice' is zero\. Drop"):
        METHODS[method](frame, y, codes)


def test_every_dependent_column_is_named_once():
    X, y, codes = data()
    dummies = (codes[:, None] == np.arange(7)).astype(float)
    with pytest.raises(ValueError) as caught:
        ols(np.column_stack([X, dummies, X[:, 1]]), y, codes)
    assert "'x10' depends on 'x1', 'x4', 'x5', 'x6', 'x7' and 2 more" in str(caught.value)
    assert "'x11' depends on 'x2'." in str(caught.value)
    assert str(caught.value).count("depends on") == 2


def test_nearly_dependent_columns_are_accepted():
    X, y, _ = data()
    close = np.column_stack([X, X[:, 1] + 1e-4 * X[:, 2] ** 2])
    np.testing.assert_allclose(ols(close, y).beta, sm.OLS(y, close).fit().params, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_too_few_rows(method):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^X has 5 columns but only 5 rows: .* Drop columns"):
        METHODS[method](rng.normal(size=(5, 5)), rng.normal(size=5), [0, 0, 1, 1, 1])


@pytest.mark.parametrize("method", METHODS)
def test_bad_values_are_refused(method):
    X, y, codes = data()
    broken = X.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="X has a missing value"):
        METHODS[method](broken, y, codes)
    with pytest.raises(ValueError, match="y has 67 entries"):
        METHODS[method](X, y[:-2], codes)
    with pytest.raises(ValueError, match="clusters has 68 entries"):
        METHODS[method](X, y, codes[:-1])


@pytest.mark.parametrize("method", MIXED)
def test_what_no_mixed_model_can_separate(method):
    X, y, codes = data()
    fit = METHODS[method]
    with pytest.raises(ValueError, match=r"^clusters has the single label 'a': .* Use ols"):
        fit(X, y, ["a"] * len(y))
    with pytest.raises(ValueError, match=r"^clusters has one row per label .* Use ols"):
        fit(X, y, np.arange(len(y)))
    with pytest.raises(ValueError, match=r"^clusters leaves no degrees of freedom .* Use ols"):
        fit(np.random.default_rng(0).normal(size=(6, 5)), np.arange(6.0), [0, 0, 0, 1, 1, 1])
    for exact in (X @ [1.0, 2.0, 3.0] + 5.0 * codes, np.full(len(y), 3.7), np.zeros(len(y))):
        with pytest.raises(ValueError, match=r"^y is an exact function .* Use ols"):
            fit(X, exact, codes)
