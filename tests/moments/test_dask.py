"""Moments computed where a Dask frame's partitions are equal those of one pass over the rows."""

import numpy as np
import pandas as pd
import pytest
from test_files import NAMES, direct, table, write
from test_moments import assert_same

from scs import DesignWarning, Moments

dask = pytest.importorskip("dask", reason="Dask is an extra: pip install '.[dask]'")
dd = pytest.importorskip("dask.dataframe", reason="Dask is an extra: pip install '.[dask]'")


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="Dask is an extra")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False}
    with (
        distributed.LocalCluster(**options, dashboard_address=None) as here,
        distributed.Client(here) as client,
    ):
        yield client


def digits(moments):
    names = ("labels", "n", "mean_x", "mean_y", "within_xx", "within_xy", "within_yy")
    return [getattr(moments, name) for name in names]


def test_a_cluster_of_workers_gives_the_numbers_of_one_pass(cluster, tmp_path):
    frame = table(n_rows=900)
    for i in range(3):
        write(frame[300 * i : 300 * (i + 1)], tmp_path / f"{i}.parquet", row_group_size=30)
    shared = Moments.from_dask(dd.from_pandas(frame, npartitions=20), **NAMES, intercept=True)
    assert len(cluster.scheduler_info()["workers"]) == 2
    assert_same(shared, Moments.from_files(tmp_path, **NAMES, intercept=True), rtol=1e-12)
    assert_same(shared, direct(frame, intercept=True), rtol=1e-12)
    with dask.config.set(scheduler="synchronous"):  # no workers: not one digit differs
        alone = Moments.from_dask(dd.from_pandas(frame, npartitions=20), **NAMES, intercept=True)
    for a, b in zip(digits(shared), digits(alone)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("npartitions", [1, 2, 9, 70])
@pytest.mark.parametrize("labels", ["text", "whole numbers", "dictionary"])
def test_any_partitions_give_the_moments_of_the_rows(npartitions, labels):
    frame = table(labels=np.arange(12) * 7 if labels == "whole numbers" else None)
    expected = direct(frame)
    if labels == "dictionary":
        frame["school"] = pd.Categorical(frame["school"])
    with dask.config.set(scheduler="synchronous"):
        found = Moments.from_dask(dd.from_pandas(frame, npartitions=npartitions), **NAMES)
    assert_same(found, expected, rtol=1e-12)


def test_partitions_without_rows_and_missing_values_and_categories():
    frame = table().assign(region=np.resize(["west", "east"], 200))
    frame.loc[[3, 130], "x1"] = np.nan
    some = {"covariates": ["x1", "region"], "categories": ["region"]}
    parts = dd.from_pandas(frame, npartitions=5)
    with dask.config.set(scheduler="synchronous"):
        with pytest.raises(ValueError, match=r"partition \d has a missing value in column 'x1'"):
            Moments.from_dask(parts, **NAMES, **some)
        with pytest.warns(DesignWarning, match="2 of 200 rows"):
            found = Moments.from_dask(parts, **NAMES, **some, missing="drop")
        whole = parts[parts["x1"] > 1e4]
        filtered = Moments.from_dask(whole[whole["y"] > 6.0], **NAMES, covariates=["x1"])
        with pytest.raises(ValueError, match="frame has no rows"):
            Moments.from_dask(parts[parts["y"] > 1e9], **NAMES, covariates=["x1"])
    rest = frame.drop(index=[3, 130])
    west = (rest["region"] == "west").astype(float)
    X = pd.DataFrame({"x1": rest["x1"], "region[T.west]": west})
    assert_same(found, Moments.from_arrays(X, rest["y"], rest["school"]))
    assert_same(filtered, direct(rest[(rest["x1"] > 1e4) & (rest["y"] > 6.0)], ["x1"]))


def test_what_is_wrong_is_said():
    frame = table()
    with pytest.raises(TypeError, match="frame is of type DataFrame: pass a Dask data frame"):
        Moments.from_dask(frame, **NAMES)
    parts = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(ValueError, match=r"cluster: .*did you mean 'school'"):
        Moments.from_dask(parts, outcome="y", cluster="scool")
    with pytest.raises(TypeError, match=r"covariate 'x1'.* holds text"):
        Moments.from_dask(dd.from_pandas(frame.assign(x1="a"), npartitions=2), **NAMES)


def test_without_dask_the_way_to_get_it_is_named(monkeypatch):
    monkeypatch.setattr("scs.data.extras.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'significant-cluster-selection\[dask\]'"):
        Moments.from_dask(table(), **NAMES)
