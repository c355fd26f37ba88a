"""Saved models: the same to the last bit, and nothing but a model is ever opened."""

import json
import subprocess
import sys
import zipfile
from datetime import date

import numpy as np
import pandas as pd
import pytest

import scs
from scs.estimators import saved

FITS = {
    "names": ("y ~ x + kind", {}),
    "background": ("y ~ x + kind*x", {"background": 0.3, "null": "unequal"}),
    "held out": ("y ~ bs(x, df=4) + poly(z, 2)", {"budget": "predict", "background": "none"}),
    "codings": ("y ~ C(kind, Sum()) + scale(z) + C(c, Treatment(1)) + cut(z, [0, 1.5, 3])", {}),
    "others": ("y ~ C(kind, Poly()):center(x) + ns(z, df=3) + log(z) + I(x**2)", {"budget": 1}),
    "resampled": ("y ~ x", {"budget": 2, "bootstrap": 4}),
    "residuals": ("y ~ x + cr(z, df=4) + C(kind, Helmert())", {"null": "residuals"}),
    "slopes": ("y ~ x + kind", {"random": "1 + x", "budget": (2, 1)}),
    "no covariates": ("y ~ 1", {}),
    "no intercept": ("y ~ 0 + x + z", {"budget": 1, "ridge_fixed": 1.0}),
}


def rows(labels=None) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    code = np.repeat(np.arange(9), 9)
    n = len(code)
    effect = np.where(code == 4, 6.0, 0.0) + rng.normal(0, 0.4, 9)[code]
    x, z = rng.normal(size=n), rng.uniform(1, 2.9, n)
    labels = [f"c{k}" for k in range(9)] if labels is None else labels
    return pd.DataFrame(
        {
            "y": x + z + effect + rng.normal(size=n),
            "x": x,
            "z": z,
            "c": rng.integers(0, 3, n),
            "kind": rng.choice(["p", "q", "r"], n),
            "g": pd.Series([labels[k] for k in code]),
        }
    )


def same(a, b, new) -> None:
    """Assert that two models say and predict the same, bit for bit."""
    assert a.summary() == b.summary()
    assert a._repr_html_() == b._repr_html_()
    for table in (new, new.drop(columns="g")):
        assert a.predict(table).tobytes() == b.predict(table).tobytes()
    for one, other in (
        (a.tidy(), b.tidy()),
        (a.tidy(robust="CR2"), b.tidy(robust="CR2")),
        (a.tidy("clusters"), b.tidy("clusters")),
        (a.glance(), b.glance()),
        (a.augment(new), b.augment(new)),
    ):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.fixture(scope="module")
def table():
    return rows()


@pytest.fixture(scope="module")
def path(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.scs"
    scs.fit("y ~ x + kind", table, "g").save(path, note="rows of a test")
    return path


@pytest.mark.filterwarnings("ignore::scs.DesignWarning")
@pytest.mark.parametrize("name", FITS)
def test_a_loaded_model_is_the_saved_one(name, table, tmp_path):
    formula, options = FITS[name]
    model = scs.fit(formula, table, "g", **options)
    model.save(tmp_path / "a.scs")
    found = scs.load(tmp_path / "a.scs")
    same(model, found, table)
    found.save(tmp_path / "b.scs")
    assert (tmp_path / "a.scs").read_bytes() == (tmp_path / "b.scs").read_bytes()
    if model.rows.slopes is None:
        pd.testing.assert_frame_equal(model.intervals, found.intervals, check_exact=True)
        assert [s.objective for s in model.path([0, 2])] == [
            s.objective for s in found.path([0, 2])
        ]


@pytest.mark.parametrize(
    "labels",
    [
        list(range(9)),
        [2**60 + k for k in range(9)],
        [date(2020, 1, 1 + k) for k in range(9)],
        [pd.Timestamp("2020-01-01", tz=None) + pd.Timedelta(k, "h") for k in range(9)],
        [
            pd.Timestamp("2020-10-24 23:00", tz="Europe/Berlin") + pd.Timedelta(k, "h")
            for k in range(9)
        ],
        [("a", k) for k in range(9)],
        [f"Ä{k}\n\x00" for k in range(9)],
        [k / 8 for k in range(9)],
    ],
    ids=["int", "wide", "date", "time", "zone", "tuple", "text", "float"],
)
def test_labels_of_any_kind_come_back(labels, tmp_path):
    model = scs.fit("y ~ x", rows(labels), "g", 1)
    model.save(tmp_path / "a.scs")
    found = scs.load(tmp_path / "a.scs")
    assert found.solution.labels.dtype == model.solution.labels.dtype
    assert found.solution.labels.tolist() == model.solution.labels.tolist()
    assert list(map(str, found.solution.labels)) == list(map(str, model.solution.labels))
    assert found.selected.tolist() == model.selected.tolist() == model.solution.labels[[4]].tolist()


def test_the_file_holds_no_rows(path, table):
    found = scs.load(path)
    assert found.rows.design.X.shape == (0, 3)
    with pytest.raises(ValueError, match=r"none of its rows.*augment\(data\)"):
        found.augment()
    raw = b"".join(zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist())
    for column in ("x", "y"):
        assert not any(np.float64(value).tobytes() in raw for value in table[column])


def test_it_says_what_it_is(path):
    about = saved.read_about(path)
    assert about["note"] == "rows of a test"
    assert (about["formula"], about["groups"], about["format"]) == ("y ~ x + kind", "g", 1)
    assert "1 of 9 clusters (g)" in about["found"]


def test_opening_runs_nothing(path):
    code = """
import sys, scs
scs.load(sys.argv[1])  # whatever libraries load, they have loaded
heard = []
sys.addaudithook(lambda event, _: heard.append(event))
scs.load(sys.argv[1])
tops = ("exec", "pickle", "os", "subprocess", "import", "marshal", "ctypes", "socket")
print(sorted({e for e in heard if e.split(".")[0] in tops} - {"os.scandir", "os.listdir"}))
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_changed_byte_is_refused_or_changes_nothing(path, table, tmp_path):
    whole, model = path.read_bytes(), scs.load(path)
    changed, refused = tmp_path / "changed.scs", 0
    rng = np.random.default_rng(0)
    for at in [
        *rng.choice(len(whole), 100, replace=False),
        *range(30),
        *range(len(whole) - 60, len(whole)),
    ]:
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        changed.write_bytes(data)
        try:
            found = scs.load(changed)
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error) and "changed.scs" in str(error)
        else:
            assert found.predict(table).tobytes() == model.predict(table).tobytes()
            assert found.summary() == model.summary()
    assert refused > 100


def test_a_file_cut_off_is_refused(path, tmp_path):
    whole, cut = path.read_bytes(), tmp_path / "cut.scs"
    for length in range(0, len(whole), len(whole) // 40):
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"^cut\.scs [^\n]*: use another copy"):
            scs.load(cut)
    with pytest.raises(ValueError, match=r"no file .*: check the name"):
        scs.load(tmp_path / "none.scs")


def rewritten(path, target, change, *, sign=True) -> None:
    """Write a file anew with its entries changed, its checksum in step if asked to."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    change(entries)
    if sign:
        entries["SHA256"] = saved._checksum(entries).encode()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)


def edit(name, *steps):
    """Return a change of one value in a JSON entry: keys, then the value or what makes it."""

    def change(entries):
        whole = place = json.loads(entries[name])
        for key in steps[:-2]:
            place = place[key]
        new = steps[-1]
        place[steps[-2]] = new(place[steps[-2]]) if callable(new) else new
        entries[name] = json.dumps(whole).encode()

    return change


def test_an_edited_model_is_refused(path, tmp_path):
    target = tmp_path / "edited.scs"
    rewritten(path, target, edit("model.json", "formula", "y ~ z"), sign=False)
    with pytest.raises(ValueError, match="changed after it was saved"):
        scs.load(target)
    rewritten(path, target, lambda entries: entries.update(more=b""), sign=False)
    with pytest.raises(ValueError, match="changed after it was saved"):
        scs.load(target)


def test_a_file_that_unpacks_to_more_than_a_model_is_not_unpacked(path, monkeypatch):
    monkeypatch.setattr(saved, "_MOST", 1000)
    with pytest.raises(ValueError, match="unpacks to more than a model holds"):
        scs.load(path)


def test_a_newer_file_says_which_version_reads_it(path, tmp_path):
    target = tmp_path / "newer.scs"

    def newer(entries):
        edit("about.json", "format", 2)(entries)
        edit("about.json", "version", "9.1")(entries)

    rewritten(path, target, newer)
    with pytest.raises(ValueError, match=r"by version 9\.1 \(format 2\), which is newer .*install"):
        scs.load(target)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit("model.json", "colour", "red"), "'colour', which this version does not know"),
        (edit("model.json", "solution", "class", "Popen"), "a Popen, which this version"),
        (edit("model.json", "solution", "fields", lambda f: {}), "its Solution is not whole"),
        (edit("model.json", "seed", {"": "value"}), "the unknown kind 'value'"),
        (edit("model.json", "seed", {"": "array", "at": 999}), "cannot be read by this version"),
        (edit("model.json", "seed", {"": "scalar", "dtype": "O", "value": 1}), "values of 'O'"),
        (edit("model.json", "seed", [[[]]] * 3 + [{}]), "cannot be read by this version"),
    ],
)
def test_what_is_no_model_is_refused_though_signed(change, said, path, tmp_path):
    target = tmp_path / "other.scs"
    rewritten(path, target, change)
    with pytest.raises(ValueError, match=said) as error:
        scs.load(target)
    assert "fit and save again" in str(error.value) and "\n" not in str(error.value)


def test_a_formula_that_runs_something_is_refused(path, tmp_path):
    target = tmp_path / "formula.scs"

    def change(entries):
        for text in (b"kind[T.q]", b"kind"):
            assert text in entries["model.json"]
        harmful = "__import__('os').system('true')"
        entries["model.json"] = entries["model.json"].replace(
            b'["x", "lookup"]', json.dumps([harmful, "python"]).encode()
        )
        assert b"__import__" in entries["model.json"]

    rewritten(path, target, change)
    with pytest.raises(ValueError, match="cannot be read by this version"):
        scs.load(target)


@pytest.mark.parametrize("at", [-5, 0, 10**9])
def test_a_tree_that_is_none_is_refused(at, path, tmp_path):
    model = scs.load(path)
    nodes = model.tree.tree_.children_left.astype("<i8")
    whole, changed = nodes.tobytes(), nodes.copy()
    changed[0] = at
    target = tmp_path / "tree.scs"

    def change(entries):
        (name,) = [n for n in entries if n.startswith("arrays") and whole in entries[n]]
        entries[name] = entries[name].replace(whole, changed.tobytes())

    rewritten(path, target, change)
    with pytest.raises(ValueError, match="its tree for new rows is none"):
        scs.load(target)


def test_labels_that_cannot_be_stored_are_named(tmp_path):
    labels = [pd.Period(f"2020-{1 + k}", "M") for k in range(9)]
    model = scs.fit("y ~ x", rows(labels), "g", 1)
    with pytest.raises(TypeError, match="of type Period, which cannot be saved: turn labels"):
        model.save(tmp_path / "a.scs")
    assert not list(tmp_path.iterdir())
