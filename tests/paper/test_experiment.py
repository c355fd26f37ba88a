"""The simulation study: the same numbers however it is run, stopped, resumed or stored."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm
from joblib import parallel_config

from scs import SignificantClusterRegressorCV
from scs.paper.experiment import (
    ARMS,
    METHODS,
    VARIANTS,
    code_version,
    fit_replication,
    load_or_run,
    read_stored,
    replication,
    run,
    run_experiment,
    write_stored,
)
from scs.paper.experiment.pieces import NotAPiece, read_piece, write_piece
from scs.paper.simulate import icc_scenarios, replication_rng, scenario, scenarios, simulate
from scs.solvers import paper_budgets

LOW = scenario("sparse-low-50%")
GAUSSIAN = scenario("gaussian-low-50.0")
FAST = ("OLS", "MIO")


def same_numbers(a, b):
    pd.testing.assert_frame_equal(a.drop(columns="seconds"), b.drop(columns="seconds"))


@pytest.fixture(scope="module")
def table():
    return run_experiment([LOW, GAUSSIAN], reps=12, n_jobs=1)


def test_one_row_per_replication_arm_and_method(table):
    per_replication = len(ARMS) * len(METHODS) + len(VARIANTS)
    assert len(table) == 2 * 12 * per_replication
    keys = ["regime", "dimension", "level", "replication", "arm", "method"]
    assert not table.duplicated(keys).any()
    assert table.error.isna().all() and table.converged.all()
    assert set(table[table.method.isin(VARIANTS)].arm) == {"equal"}


def test_two_workers_give_the_numbers_of_one(table):
    same_numbers(table, run_experiment([LOW, GAUSSIAN], reps=12, n_jobs=2))


def test_a_replication_does_not_depend_on_how_many_are_run(table):
    few = run_experiment(GAUSSIAN, reps=3, n_jobs=1)
    wanted = table[(table.regime == "gaussian") & (table.replication < 3)].reset_index(drop=True)
    same_numbers(few, wanted)


def test_a_dask_cluster_gives_the_same_numbers(table):
    distributed = pytest.importorskip("distributed", reason="pip install .[dask]")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    )
    with cluster, distributed.Client(cluster), parallel_config(backend="dask"):
        same_numbers(table, run_experiment([LOW, GAUSSIAN], reps=12))


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    store = tmp_path / "pieces"
    whole = run_experiment(LOW, reps=30, methods=FAST, n_jobs=1)
    original = run.fit_replication

    def stop_at_15(scenario, number, **options):
        if number == 15:
            raise KeyboardInterrupt
        return original(scenario, number, **options)

    monkeypatch.setattr(run, "fit_replication", stop_at_15)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(LOW, reps=30, methods=FAST, n_jobs=1, store=store)
    assert len(list(store.glob("*.parquet"))) == 1
    computed = []

    def note(scenario, number, **options):
        computed.append(number)
        return original(scenario, number, **options)

    monkeypatch.setattr(run, "fit_replication", note)
    resumed = run_experiment(LOW, reps=30, methods=FAST, n_jobs=1, store=store)
    assert computed == list(range(10, 30))
    same_numbers(resumed, whole)


def test_a_killed_run_loses_nothing_that_was_finished(tmp_path):
    store = tmp_path / "pieces"
    script = (
        "import os, signal, sys\n"
        "from scs.paper.experiment import run, run_experiment\n"
        "from scs.paper.simulate import scenario\n"
        "write, written = run.write_piece, []\n"
        "def write_three(*piece):\n"
        "    write(*piece)\n"
        "    written.append(piece)\n"
        "    if len(written) == 3:\n"
        "        os.killpg(0, signal.SIGKILL)\n"
        "run.write_piece = write_three\n"
        "run_experiment(scenario('sparse-low-50%'), 150, ('OLS', 'MIO'), n_jobs=2, "
        "store=sys.argv[1])"
    )
    # A session of its own: what is killed is all of it, its workers too, at any speed.
    process = subprocess.Popen([sys.executable, "-c", script, str(store)], start_new_session=True)
    assert process.wait() == -signal.SIGKILL
    finished = {file.name: file.stat().st_mtime_ns for file in store.glob("*.parquet")}
    assert len(finished) == 3
    resumed = run_experiment(LOW, 150, FAST, n_jobs=2, store=store)
    same_numbers(resumed, run_experiment(LOW, 150, FAST, n_jobs=2))
    after = {file.name: file.stat().st_mtime_ns for file in store.glob("*.parquet")}
    assert len(after) == 15 and finished.items() <= after.items()


def test_other_code_configuration_or_seed_is_computed_anew(tmp_path, monkeypatch):
    def keys():
        run_experiment(LOW, reps=1, methods=("OLS",), n_jobs=1, store=tmp_path)
        return {file.name for file in tmp_path.glob("*.parquet")}

    first = keys()
    assert keys() == first
    run_experiment(LOW, reps=1, methods=("OLS",), seed=1, n_jobs=1, store=tmp_path)
    assert len(keys()) == 2
    monkeypatch.setattr(run, "code_version", lambda: "other")
    assert len(keys()) == 3


def _copied(store, name, other):
    (store / name).write_bytes((store / other).read_bytes())


def _swapped(store, name, other):
    mine, theirs = (store / name).read_bytes(), (store / other).read_bytes()
    (store / name).write_bytes(theirs)
    (store / other).write_bytes(mine)


def _truncated(store, name, _):
    (store / name).write_bytes((store / name).read_bytes()[:100])


def _empty(store, name, _):
    (store / name).write_bytes(b"")


def _two_bytes(store, name, _):
    """Change two bytes of a number, where the file stays valid."""
    table = pq.read_table(store / name)
    content = bytearray((store / name).read_bytes())
    value = np.float64(table["beta_error"][0].as_py()).tobytes()
    at = content.index(value)
    content[at] ^= 1
    content[at + 1] ^= 1
    (store / name).write_bytes(content)
    changed = pq.read_table(store / name)["beta_error"][0].as_py()
    assert changed != table["beta_error"][0].as_py()  # it reads, and it is wrong


def _other_rows(store, name, _):
    """Another number in the same file with the same record of itself."""
    table = pq.read_table(store / name)
    rows = table.to_pandas()
    rows.loc[0, "beta_error"] += 1.0
    changed = pa.Table.from_pandas(rows, preserve_index=False)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), store / name)


def _without_record(store, name, _):
    pd.read_parquet(store / name).to_parquet(store / name, index=False)


def _other_record(field, value):
    """A record that speaks of something else, beside sound rows."""

    def damage(store, name, _):
        table = pq.read_table(store / name)
        metadata = dict(table.schema.metadata)
        about = json.loads(metadata[b"scs.piece"])
        assert about[field] != value
        metadata[b"scs.piece"] = json.dumps(about | {field: value}).encode()
        pq.write_table(table.replace_schema_metadata(metadata), store / name)

    damage.__name__ = f"_other_{field}"
    return damage


def _column_less(store, name, _):
    table = pq.read_table(store / name)
    pq.write_table(table.drop_columns(["icc"]), store / name)


def _garbage(store, name, _):
    (store / name).write_bytes(b"PAR1" + bytes(range(256)) + b"PAR1")


DAMAGES = [_copied, _swapped, _truncated, _empty, _two_bytes, _other_rows, _without_record]
DAMAGES += [_column_less, _garbage, _other_record("key", "0" * 24)]
DAMAGES += [_other_record("configuration", "{}"), _other_record("columns", ["a"])]
DAMAGES += [_other_record("checksum", "0" * 64)]


@pytest.fixture(scope="module")
def two_scenarios(tmp_path_factory):
    """Pieces of two scenarios, of twelve replications each: two pieces a scenario."""
    store = tmp_path_factory.mktemp("pieces")
    whole = run_experiment([LOW, GAUSSIAN], 12, ("LMM (Gaussian)",), n_jobs=1, store=store)
    return store, whole


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("of_another", ["replication", "scenario", "seed"])
def test_a_damaged_piece_is_computed_again_and_named(
    tmp_path, two_scenarios, capsys, damage, of_another
):
    pristine, whole = two_scenarios
    store = tmp_path / "pieces"
    shutil.copytree(pristine, store)
    if of_another == "seed":
        run_experiment(LOW, 12, ("LMM (Gaussian)",), seed=1, n_jobs=1, store=store)
    found = {name: _replications(store / name) for name in sorted(p.name for p in store.iterdir())}
    theirs = {file.name for file in pristine.iterdir()}
    name = next(n for n, where in found.items() if where == ("sparse", 0) and n in theirs)
    wanted = {"replication": ("sparse", 10), "scenario": ("gaussian", 0), "seed": ("sparse", 0)}
    other = next(
        n
        for n, where in found.items()
        if where == wanted[of_another] and (n in theirs) == (of_another != "seed")
    )
    damage(store, name, other)
    capsys.readouterr()
    again = run_experiment([LOW, GAUSSIAN], 12, ("LMM (Gaussian)",), n_jobs=1, store=store)
    same_numbers(again, whole)
    said = capsys.readouterr().err
    assert name in said and "run again" in said and "Traceback" not in said
    assert len(said.splitlines()) == (2 if damage is _swapped and of_another != "seed" else 1)
    # What was computed again is sound again.
    run_experiment([LOW, GAUSSIAN], 12, ("LMM (Gaussian)",), n_jobs=1, store=store)
    assert capsys.readouterr().err == ""


def _replications(file):
    rows = pd.read_parquet(file)
    return rows.regime.iloc[0], int(rows.replication.min())


def test_a_piece_with_any_byte_changed_is_refused_or_still_holds_its_rows(tmp_path):
    """Every region of the file: header, pages, footer. What is read is right, or nothing is."""
    rows = pd.DataFrame({"a": [0.5, 1.5, np.nan], "b": ["x", None, "z"], "c": [True, None, False]})
    about = {"scenario": "s", "first": 0}
    write_piece(rows, tmp_path, about)
    [file] = tmp_path.iterdir()
    sound, expected = file.read_bytes(), read_piece(tmp_path, about)
    rng, refused = np.random.default_rng(0), 0
    for at in range(len(sound)):
        content = bytearray(sound)
        content[at] ^= int(rng.integers(1, 256))
        content[(at + int(rng.integers(1, len(sound)))) % len(sound)] ^= int(rng.integers(1, 256))
        file.write_bytes(content)
        try:
            found = read_piece(tmp_path, about)
        except NotAPiece:
            refused += 1
        else:
            pd.testing.assert_frame_equal(found, expected)
    assert refused > len(sound) / 4


def test_a_piece_is_there_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(pq, "write_table", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_piece(pd.DataFrame({"a": [1]}), tmp_path, {"seed": 0})
    assert read_piece(tmp_path, {"seed": 0}) is None and not list(tmp_path.iterdir())


def test_a_failed_fit_is_a_row_with_its_error(monkeypatch):
    def broken(moments):
        raise ArithmeticError("no luck\nsecond line")

    monkeypatch.setitem(replication._BASELINES, "OLS", broken)
    rows = pd.DataFrame(fit_replication(LOW, 0, methods=FAST))
    failed = rows[rows.method == "OLS"]
    assert list(failed.error) == ["ArithmeticError: no luck"] * 2
    assert failed.beta_error.isna().all()
    assert rows[rows.method == "MIO"].beta_error.notna().all()


def test_mio_is_the_estimator_of_the_model_module():
    """Another road to the same pipeline: tuning on a validation set, refit, tree."""
    drawn = simulate(LOW, replication_rng(LOW, 0))
    model = SignificantClusterRegressorCV(
        paper_budgets(LOW.n_clusters), ridge_fixed=None, fit_intercept=False, random_state=0
    )
    train, held_out = drawn.train, drawn.validation
    model.fit(
        train.X,
        train.y,
        train.clusters,
        validation=(held_out.X, held_out.y, held_out.clusters),
    )
    [row] = fit_replication(LOW, 0, methods=("MIO",))[:1]
    assert row["beta_error"] == pytest.approx(np.sum((model.coef_ - drawn.beta) ** 2), rel=1e-6)
    known = model.predict(drawn.test.X, drawn.test.clusters)
    assert row["test_mse_known"] == pytest.approx(np.mean((drawn.test.y - known) ** 2), rel=1e-6)
    through_tree = model.predict(drawn.test.X)
    assert row["test_mse_tree"] == pytest.approx(
        np.mean((drawn.test.y - through_tree) ** 2), rel=1e-6
    )


def test_the_refit_is_least_squares_on_the_selected_indicators():
    drawn = simulate(GAUSSIAN, replication_rng(GAUSSIAN, 1))
    found = {row["method"]: row for row in fit_replication(GAUSSIAN, 1) if row["arm"] == "equal"}
    X = np.vstack([drawn.train.X, drawn.validation.X])
    y = np.concatenate([drawn.train.y, drawn.validation.y])
    clusters = np.concatenate([drawn.train.clusters, drawn.validation.clusters])
    assert found["MIO"]["budget"] == GAUSSIAN.n_clusters  # all of them: no need to know which
    dummies = np.eye(GAUSSIAN.n_clusters)[clusters]
    fitted = sm.OLS(y, np.column_stack([X, dummies])).fit().params
    n_columns = X.shape[1]
    refit = found["MIO (refit)"]
    assert refit["beta_error"] == pytest.approx(
        np.sum((fitted[:n_columns] - drawn.beta) ** 2), rel=1e-5
    )
    assert refit["gamma_error"] == pytest.approx(
        np.sum((fitted[n_columns:] - drawn.gamma) ** 2), rel=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": ("OLS", "GEE")}, "'GEE' does not exist"),
        ({"reps": 0}, "reps must be"),
        ({"scenarios": [LOW, LOW]}, "given twice"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        run_experiment(**{"scenarios": [LOW], "n_jobs": 1, **arguments})


def test_a_stored_run_comes_back_with_what_made_it(table, tmp_path):
    write_stored(table, reps=12, seed=0, methods=METHODS + VARIANTS, folder=tmp_path)
    back = read_stored(tmp_path)
    assert back.current and (back.reps, back.seed) == (12, 0)
    pd.testing.assert_frame_equal(back.rows, table, rtol=1e-6, check_dtype=False)


def test_what_is_not_stored_is_computed(monkeypatch, tmp_path, table):
    monkeypatch.setattr("scs.paper.experiment.stored.data_folder", lambda: tmp_path / "data")
    write_stored(
        table, reps=12, seed=0, methods=METHODS + VARIANTS, folder=tmp_path / "data" / "results"
    )
    asked = []
    monkeypatch.setattr(
        "scs.paper.experiment.stored.run_experiment", lambda *args, **kwargs: asked.append(args)
    )
    assert len(load_or_run([LOW], 5)) == 5 * (len(ARMS) * len(METHODS) + len(VARIANTS))
    assert set(load_or_run([LOW], 5, methods=("OLS",)).method) == {"OLS"}
    assert not asked
    load_or_run([LOW], 13)
    load_or_run([LOW], 5, seed=1)
    load_or_run([scenario("sparse-low-75%")], 5)
    load_or_run([LOW], 5, stored=False)
    monkeypatch.setattr("scs.paper.experiment.stored.code_version", lambda: "other")
    load_or_run([LOW], 5)
    assert len(asked) == 5


def _half(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _another_number(file):
    rows = pd.read_parquet(file)
    rows.loc[0, "beta_error"] += 1.0
    rows.to_parquet(file, index=False)


def _no_checksum(file):
    about = json.loads(file.read_text(encoding="utf-8"))
    del about["checksum"]
    file.write_text(json.dumps(about), encoding="utf-8")


@pytest.mark.parametrize(
    "name, damage",
    [
        ("simulation.parquet", _half),
        ("simulation.parquet", _another_number),
        ("simulation.parquet", lambda file: file.write_bytes(b"")),
        ("simulation.json", _half),
        ("simulation.json", lambda file: file.write_text("[]")),
        ("simulation.json", lambda file: file.write_text("{}")),
        ("simulation.json", _no_checksum),
    ],
)
def test_a_damaged_stored_run_is_computed_again_and_named(
    monkeypatch, tmp_path, capsys, table, name, damage
):
    folder = tmp_path / "data" / "results"
    monkeypatch.setattr("scs.paper.experiment.stored.data_folder", lambda: tmp_path / "data")
    write_stored(table, reps=12, seed=0, methods=METHODS + VARIANTS, folder=folder)
    asked = []
    monkeypatch.setattr(
        "scs.paper.experiment.stored.run_experiment", lambda *args, **kwargs: asked.append(args)
    )
    load_or_run([LOW], 5)
    assert not asked and capsys.readouterr().err == ""
    damage(folder / name)
    load_or_run([LOW], 5)
    assert len(asked) == 1
    [said] = capsys.readouterr().err.splitlines()
    assert "stored run" in said or "checksum" in said


def test_the_stored_run_is_whole_and_made_by_todays_code():
    stored = read_stored()
    assert stored.current, "data/results is of other code: run `make reproduce`"
    wanted = {(each.regime, each.dimension, each.level) for each in scenarios() + icc_scenarios()}
    counts = stored.rows.groupby(["regime", "dimension", "level"]).replication.nunique()
    assert set(counts.index) == wanted and set(counts) == {stored.reps}
    assert stored.rows.error.isna().all()


def test_a_random_part_of_the_stored_run_is_derived_again():
    stored = read_stored()
    rng = np.random.default_rng(int(code_version(), 16))  # another part for every state of the code
    everything = scenarios() + icc_scenarios()
    for chosen in rng.choice(len(everything), size=12, replace=False):
        number = int(rng.integers(stored.reps))
        case = everything[chosen]
        again = pd.DataFrame(fit_replication(case, number, seed=stored.seed))
        old = stored.rows[
            (stored.rows.regime == case.regime)
            & (stored.rows.dimension == case.dimension)
            & (stored.rows.level == case.level)
            & (stored.rows.replication == number)
        ].reset_index(drop=True)
        shared = [name for name in again if name not in ("seconds", "gap")]
        pd.testing.assert_frame_equal(
            again[shared], old[shared], check_dtype=False, rtol=1e-4, obj=f"{case.name} {number}"
        )
