"""Weights and offsets in files and Dask data frames: what the same arrays give."""

import numpy as np
import pandas as pd
import pytest

from scs import Moments


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "y": rng.normal(size=300),
            "x": rng.normal(size=300) + 5.0,
            "k": rng.choice([f"c{i}" for i in range(9)], 300),
            "f": rng.integers(0, 4, 300),
            "w": rng.gamma(1.0, size=300),
            "e": rng.normal(size=300),
        }
    )


CASES = [
    {"frequency_weights": "f"},
    {"precision_weights": "w"},
    {"frequency_weights": "f", "precision_weights": "w", "offset": "e"},
]


def expected(table, given):
    arrays = {role: table[name] for role, name in given.items()}
    return Moments.from_arrays(
        table[["x"]], table["y"], table["k"], table[["x"]], intercept=True, **arrays
    )


def assert_same(found, wanted):
    np.testing.assert_array_equal(found.labels, wanted.labels)
    assert found.names == wanted.names
    for name in ("n", "counts", "mean_x", "mean_y", "within_xx", "within_yy", "within_zy"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(wanted, name), rtol=1e-9, atol=1e-9, err_msg=name
        )
    np.testing.assert_allclose(found.log_weights, wanted.log_weights, rtol=1e-9)


@pytest.mark.parametrize("given", CASES)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_of_files_weigh_as_arrays_do(table, tmp_path, kind, given):
    used = table[["y", "x", "k", *given.values()]]
    for i, part in enumerate((used[:130], used[130:])):
        path = tmp_path / f"{i}.{kind}"
        part.to_csv(path, index=False) if kind == "csv" else part.to_parquet(path, index=False)
    found = Moments.from_files(
        tmp_path, outcome="y", cluster="k", slopes=["x"], intercept=True, batch_rows=20, **given
    )
    assert_same(found, expected(table, given))


def test_columns_of_a_dask_frame_weigh_as_arrays_do(table):
    dask = pytest.importorskip("dask.dataframe")
    given = CASES[-1]
    frame = dask.from_pandas(table, npartitions=3)
    parts = {"outcome": "y", "cluster": "k", "covariates": ["x"], "slopes": ["x"]}
    found = Moments.from_dask(frame, **parts, intercept=True, **given)
    assert_same(found, expected(table, given))


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        ({"w": -1.0}, {"precision_weights": "w"}, r"precision_weights is negative in row 42 "),
        ({"f": 1.5}, {"frequency_weights": "f"}, "is 1.5 in row 42, which is no whole number"),
        ({"w": np.nan}, {"precision_weights": "w"}, "a missing value in column 'w', row 42"),
        (
            {"w": np.inf},
            {"precision_weights": "w"},
            r"infinite value \(inf\) in column 'w', row 42",
        ),
        ({}, {"precision_weights": "k"}, "'k' is the outcome or the cluster"),
        ({}, {"offset": "nowhere"}, "offset: there is no column 'nowhere'"),
    ],
)
def test_what_is_no_weight_is_refused_by_file_and_row(table, tmp_path, change, given, message):
    table = table.astype({"f": float})
    for name, value in change.items():
        table.loc[41, name] = value
    table.to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises((ValueError, TypeError), match=message):
        Moments.from_files(tmp_path / "t.parquet", outcome="y", cluster="k", batch_rows=30, **given)


def test_weights_that_are_all_zero_are_refused(table, tmp_path):
    table.assign(w=0.0).to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(ValueError, match="precision_weights is zero in every row"):
        Moments.from_files(tmp_path / "t.parquet", outcome="y", cluster="k", precision_weights="w")
