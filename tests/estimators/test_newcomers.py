"""What people met who tried the package for the first time: degenerate tables, and messages."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from interrupts import ctrl_c, python_takes_ctrl_c

import scs
from scs.cli import main
from scs.estimators.summary import certificate_notes, finding, remarks
from scs.solvers import alternating


def table(seed=0, n_clusters=12, rows=8):
    rng = np.random.default_rng(seed)
    ward = np.repeat([f"w{k:02}" for k in range(n_clusters)], rows)
    n = len(ward)
    return pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "ward": ward})


@pytest.mark.parametrize("reps", [1, -1, 2.5, True])
def test_resamples_that_make_no_interval_are_refused(reps):
    with pytest.raises(ValueError, match=r"bootstrap.*pass 0 for none"):
        scs.fit("y ~ x", table(), "ward", 2, bootstrap=reps)


@pytest.mark.parametrize("budget", ["fdr", 1])
def test_one_cluster_alone_has_nothing_to_differ_from(budget):
    model = scs.fit("y ~ x", table().assign(ward="all"), "ward", budget)
    assert finding(model) == "There is a single cluster (ward): it has no others to differ from."


def test_a_constant_outcome_has_no_names():
    constant = table().assign(y=5.0)
    with pytest.raises(ValueError, match=r"fit every row exactly.*--budget N"):
        scs.fit("y ~ x", constant, "ward")
    model = scs.fit("y ~ x", constant, "ward", 3)
    assert finding(model) == "Nobody is selected of 12 clusters: no effect improves the fit."
    assert any("fit every row exactly" in each for each in remarks(model))


def test_a_perfect_fit_says_what_to_look_for():
    repeated = table().assign(y=lambda t: 2 * t["x"] + 3.0 * (t["ward"] == "w03"))
    with pytest.raises(ValueError, match="covariate that repeats it"):
        scs.fit("y ~ x", repeated, "ward")
    model = scs.fit("y ~ x", repeated, "ward", 1)
    assert model.selected.tolist() == ["w03"]
    note = next(each for each in remarks(model) if each.startswith("No background"))
    assert "nothing tells a difference from chance. Look for" in note


def test_single_rows_say_that_rows_are_missing():
    with pytest.raises(ValueError, match=r"12 cluster means.*Add rows to the clusters.*--budget N"):
        scs.fit("y ~ x", table(rows=1), "ward")


def test_ctrl_c_ends_a_loop_over_estimators(monkeypatch):
    """Each swallowed one would start the next fit; what is not finished must not look so."""
    honest = alternating.alternate
    monkeypatch.setattr(alternating, "alternate", lambda *a, **o: ctrl_c() or honest(*a, **o))
    rows = table()
    model = scs.SignificantClusterRegressor(budget=3)
    with python_takes_ctrl_c(), pytest.raises(KeyboardInterrupt):
        model.fit(rows[["x"]], rows["y"], rows["ward"])
    assert not hasattr(model, "coef_")


def test_a_command_says_where_rows_are_counted_from(tmp_path, capsys):
    rows = table()
    rows["y"] = rows["y"].astype(object)
    rows.loc[5, "y"] = "high"
    path = tmp_path / "wards.csv"
    rows.to_csv(path, index=False)
    assert main(["fit", str(path), "--outcome", "y", "--cluster", "ward"]) != 0
    said = capsys.readouterr().err
    assert re.search(r"\brow 6\b", said)
    assert "Rows are counted from 1, the first below the header." in said


def test_the_penalty_speaks_only_where_it_disagrees():
    rows = table(1, 30, 12)
    rows["y"] += 3.0 * (rows["ward"] == "w04")
    model = scs.fit("y ~ x", rows, "ward")
    assert model.selected.tolist() == ["w04"]
    assert "penalty" not in model.summary()
    # Of 30, the last five pass 0.1 * 6 / 30 together, and none of them earlier.
    pvalues = np.concatenate([[1e-9], np.full(5, 0.0195), np.linspace(0.1, 1, 24)])
    found = replace(model.selection.inference, pvalues=pvalues, support=np.arange(6))
    other = replace(model, selection=replace(model.selection, inference=found))
    assert "would stop at 1. The others pass only" in " ".join(remarks(other))


def test_a_proof_does_not_warn_of_the_gap_that_it_closed():
    rng = np.random.default_rng(2)
    rows = table(2, 40, 10)
    names = [f"level{j}" for j in range(9)]  # constant within clusters: each a direction to split
    levels = pd.DataFrame(rng.normal(size=(40, 9)), columns=names).loc[np.repeat(np.arange(40), 10)]
    rows = pd.concat([rows, levels.reset_index(drop=True)], axis=1)
    rows["y"] += 5.0 * (rows["ward"] == "w04")
    model = scs.fit(f"y ~ x + {' + '.join(names)}", rows, "ward")
    assert model.solution.status == "optimal"
    assert "expect a gap" in model.solution.method
    assert (
        dict(certificate_notes(model))["status"] == "optimal; exact (auto: 10 directions to split)"
    )


def test_one_other_cluster_is_no_plural():
    model = scs.fit("y ~ x", table(), "ward", 11, background="none")
    assert "1 other" in dict(certificate_notes(model))
    nobody = scs.fit("y ~ x", table(), "ward", 0)
    assert "12 clusters" in dict(certificate_notes(nobody))
