"""A formula is text from anywhere: nothing in it is ever run, and a column's name is a name."""

import ast
import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scs
from scs.cli import main
from scs.data.expressions import parse_expression
from scs.data.functions import NUMPY, TRANSFORMATIONS
from scs.data.terms import parse, parse_random

_FIT = ["fit", "--cluster", "g", "--budget", "1", "--bootstrap", "0"]
SENTINEL = Path("sentinel-of-an-attack")
_OPEN = f"open({str(SENTINEL)!r}, 'w')"
_TOUCH = f"__import__('os').system('touch {SENTINEL}')"

CODE = [
    _OPEN,
    _TOUCH,
    f"exec({_OPEN!r})",
    f"eval({_OPEN!r})",
    f"compile({_OPEN!r}, '', 'exec')",
    f"(lambda: {_OPEN})()",
    f"(lambda f={_OPEN}: f)()",
    f"[{_OPEN} for _ in [1]]",
    f"[{_OPEN} for _ in [1]][0]",
    f"{{{_OPEN} for _ in [1]}}",
    f"{{1: {_OPEN} for _ in [1]}}",
    f"next({_OPEN} for _ in [1])",
    f"(f := {_OPEN})",
    f"f'{{{_OPEN}}}'",
    f"(x, {_OPEN})[0]",
    f"[{_OPEN}, x][1]",
    f"x if {_OPEN} else x",
    f"x and {_OPEN}",
    f"{_OPEN} or x",
    f"not {_OPEN}",
    f"x == {_OPEN}",
    f"x[{_OPEN}]",
    f"x.apply(lambda v: {_OPEN})",
    f"x.map({_OPEN})",
    f"x.__class__.__init__.__globals__['__builtins__']['open']({str(SENTINEL)!r}, 'w')",
    f"().__class__.__base__.__subclasses__()[{_OPEN}]",
    f"x.to_csv({str(SENTINEL)!r})",
    f"x.to_pickle({str(SENTINEL)!r})",
    f"np.save({str(SENTINEL)!r}, x)",
    f"np.savetxt({str(SENTINEL)!r}, x)",
    f"np.array(x).tofile({str(SENTINEL)!r})",
    f"np.log.__class__({_OPEN})",
    f"np.lib.npyio.open({str(SENTINEL)!r}, 'w')",
    f"np.vectorize(lambda v: {_OPEN})(x)",
    f"np.frompyfunc(open, 1, 1)({str(SENTINEL)!r})",
    f"np.f2py.os.system('touch {SENTINEL}')",
    f"getattr(np, 'save')({str(SENTINEL)!r}, x)",
    f"globals()['__builtins__']['open']({str(SENTINEL)!r}, 'w')",
    f"C.__globals__['pandas'].Series([1]).to_csv({str(SENTINEL)!r})",
    f"contr.__class__.__init__.__globals__[{_OPEN}]",
    f"contr.treatment(base={_OPEN})",
    f"contr.treatment.__init__.__globals__[{_OPEN}]",
    f"C(x, {_OPEN})",
    f"C(x, contr.treatment({_OPEN}))",
    f"C(x, contrasts={{'a': {_OPEN}}})",
    f"C(x, levels=[{_OPEN}])",
    f"C(x, levels=[*{_OPEN}])",
    f"C(*[{_OPEN}])",
    f"C(**{{'data': {_OPEN}}})",
    f"bs(x, df={_OPEN})",
    f"bs(x, knots=[{_OPEN}])",
    f"bs(x, 3, _state={_OPEN})",
    f"poly(x, 2, _spec={_OPEN})",
    f"poly({_OPEN}, 2)",
    f"scale(x, _context={_OPEN})",
    f"Q({_OPEN})",
    f"Q('x' + {_OPEN})",
    f"Q('x', _context={_OPEN})",
    f"log(x, out={_OPEN})",
    f"np.log(x, where={_OPEN})",
    f"log({_OPEN})",
    f"log(x) + {_OPEN}",
    f"x + -{_OPEN}",
    f"log(log(log(x + {_OPEN})))",
    f"where(x > {_OPEN}, x, x)",
    f"cut(x, [0, {_OPEN}])",
    f"'{{0.__class__}}'.format({_OPEN})",
    f"''.join({_OPEN})",
    f"print(x, file={_OPEN})",
    f"hashed(x, levels={_OPEN})",
    f"lag(x, {_OPEN})",
    f"`x` + {_OPEN}",
    f'"`" + {_OPEN} + "`"',
    f"x\\\n + {_OPEN}",
    f"x # `\n + {_OPEN}",
    f"x +\t{_OPEN}",
    f"\uff4fpen({str(SENTINEL)!r}, 'w')",  # Python reads this wide letter as an o
    f"(yield {_OPEN})",
    f"(await {_OPEN})",
    f"x; {_OPEN}",
    "import os",
]
WRAPS = [
    "y ~ {}",
    "y ~ {{{}}}",
    "y ~ I({})",
    "y ~ x + log({})",
    "y ~ x:I({})",
    "y ~ (x + {{{}}})**2",
    "y ~ np.log(I({}))",
    "y ~ . + {{{}}}",
    "I({}) ~ x",
    "{{{}}} ~ x",
    "log(y) + I({}) ~ x",
    "y ~ `x` + {{{}}}",
    "y ~ `x\\` + {{{}}} + `x`",
    "~ {{{}}}",
]
BOMBS = [
    "y ~ I(x + 10**10**10)",
    "y ~ I(x * 9**9**9**9)",
    "y ~ I(x + 'a' * 10**10)",
    "y ~ I(x << 10**10)",
    "y ~ bs(x, df=1e9)",
    "y ~ bs(x, df=1000000000)",
    "y ~ bs(x, df=float('inf'))",
    "y ~ bs(x, df=1e999)",
    "y ~ bs(x, degree=100000000)",
    "y ~ bs(x, df=-1)",
    "y ~ poly(x, 1000000)",
    "y ~ cr(x, df=10**9)",
    "y ~ cr(x, 100000000)",
    "y ~ ns(x, df=1e8)",
    "y ~ cut(x, [" + "1, " * 2000 + "2])",
    "y ~ bs(x, knots=[" + "1, " * 500 + "2])",
    "y ~ x**1000000000",
    "y ~ (x + z)**10**10",
    "y ~ (x + z)**99999999999999999999",
    "y ~ (x + z + `a b`)**11",
    "y ~ (x + z)^100000",
    "y ~ " + "*".join(f"(x{j} + z{j})" for j in range(30)),
    "y ~ " + ":".join(f"(x{j} + z{j})" for j in range(30)),
    "y ~ (.)**9",
    "y ~ " + "(" * 5000 + "x" + ")" * 5000,
    "y ~ I(" + "(" * 5000 + "x" + ")" * 5000 + ")",
    "y ~ I(" + "-" * 4000 + "x)",
    "y ~ I(" + "x+" * 2000 + "x)",
    "y ~ " + "log(" * 1000 + "x" + ")" * 1000,
    "y ~ {" * 500 + "x" + "}" * 500,
    "y ~ I(x + " + "9" * 4000 + ")",
    "y ~ I(x + " + "9" * 6000 + ")",
    "y ~ round(x, 10000000000)",
    "y ~ " + "x" * 2_000_000,
    "y ~ \x00",
    "y ~ I(x\x00)",
    "y ~ I('\ud800' == x)",
]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.gamma(2.0, size=n) + 0.5,
            "z": rng.normal(size=n),
            "a b": rng.normal(size=n),
            "s": rng.choice(["p", "q", "r"], n),
            "g": np.repeat(np.arange(6), 10),
        }
    )


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Run in an empty folder, in which an attack that works leaves its sentinel."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.glob(f"{SENTINEL}*"))


def test_the_sentinel_would_be_seen(tmp_path):
    for attack in (_OPEN, _TOUCH):
        eval(attack)
        assert SENTINEL.exists()
        os.remove(SENTINEL)


def _refused(action) -> str:
    with pytest.raises((ValueError, TypeError)) as caught:
        action()
    text = str(caught.value)
    assert text and "\n" not in text
    assert len(text) < 1500
    return text


@pytest.mark.parametrize("code", CODE)
def test_no_code_in_a_formula_is_run(table, code):
    for wrap in WRAPS:
        formula = wrap.format(code)
        _refused(lambda formula=formula: scs.fit(formula, table, "g", 1))


@pytest.mark.parametrize("code", CODE)
def test_no_code_in_random_effects_is_run(table, code):
    for wrap in ("1 + {{{}}}", "0 + I({})", "1 + x + log({})", "{}"):
        random = wrap.format(code)
        _refused(lambda random=random: scs.fit("y ~ x", table, "g", 1, random=random))


@pytest.mark.parametrize("formula", BOMBS)
def test_what_would_take_all_time_or_memory_is_refused(table, formula):
    _refused(lambda: scs.fit(formula, table, "g", 1))
    _refused(lambda: scs.fit("y ~ x", table, "g", 1, random=formula.partition("~")[2]))


@pytest.mark.parametrize("option", ["--formula", "--random"])
@pytest.mark.parametrize("code", [*CODE[:12], _OPEN + " + x"])
def test_the_command_runs_no_code(table, tmp_path, capsys, option, code):
    table.to_csv("table.csv", index=False)
    for wrap in ("I({})", "{{{}}}", "x + log({})"):
        piece = wrap.format(code)
        given = ["--formula", f"y ~ {piece}"]
        if option == "--random":
            given = ["--formula", "y ~ x", "--random", f"1 + {piece}"]
        assert main([*_FIT, "table.csv", *given]) == 2
        err = capsys.readouterr().err
        assert err.startswith("scs: ") and "Traceback" not in err


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        ("I(x.values)", "x.values is not allowed"),
        ("I(np.random)", "np.random is not allowed"),
        ("log(x).sum()", "no operator between"),
        ("I((lambda: x)())", "only functions of the list"),
        ("I(lambda: x)", "lambda"),
        ("I([x for x in y])", "a comprehension"),
        ("I(x[0])", "a subscript"),
        ("I(f'{x}')", "an f-string"),
        ("I((t := x))", "an assignment"),
        ("I(__import__('os'))", "__import__()"),
        ("I(exec('1'))", "exec()"),
        ("I(getattr(x, 'T'))", "getattr()"),
        ("I('a'.upper())", "only functions of the list"),
        ("I(x + 'a')", "text"),
        ("I(x + 1j)", "1j"),
        ("I(x + b'a')", "b'a'"),
        ("I(x + ...)", "Ellipsis"),
        ("bs(x, df=4, **z)", "'**'"),
        ("bs(x, df=4, df=5)", "twice"),
        ("bs(x, 4, df=5)", "twice"),
        ("`log`(x)", "no operator between"),
        ("I(`log`(x))", "is no function"),
        ("[x]", "'['"),
        ("I(3)", "no column"),
        ("{1 + 1}", "no column"),
    ],
)
def test_what_is_refused_is_named(table, piece, words):
    assert words in _refused(lambda: scs.fit(f"y ~ {piece}", table, "g", 1))


def _functions(tree: ast.AST) -> set[str]:
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {name.removeprefix("np.") for name in called}


_ATOMS = st.sampled_from(
    [
        "x",
        "z",
        "`a b`",
        "1",
        "2.5",
        "'t'",
        "np",
        "exec",
        "open",
        "__import__",
        "np.log",
        "np.os",
        "C",
    ]
)
_PIECES = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds("{}({})".format, inner, inner),
        st.builds("{}({}, {})".format, inner, inner, inner),
        st.builds("{} {} {}".format, inner, st.sampled_from([*"+-*/%^&|@<>", "**", ":="]), inner),
        st.builds("({})".format, inner),
        st.builds("{}.{}".format, inner, st.sampled_from(["T", "__class__", "values", "log"])),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("[{}]".format, inner),
        st.builds("lambda: {}".format, inner),
        st.builds("{}(df={})".format, inner, inner),
        st.builds("log({})".format, inner),
        st.builds("bs({}, df=4)".format, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(_PIECES)
def test_whatever_passes_calls_nothing_but_functions_of_the_list(piece):
    allowed = {*NUMPY, *TRANSFORMATIONS, "Q", "Treatment", "Sum", "Helmert", "Diff", "Poly"}
    try:
        found = parse_expression(piece)
    except ValueError:
        return
    assert _functions(found.tree) <= allowed
    kinds = {type(node).__name__ for node in ast.walk(found.tree)}
    assert not kinds & {"Lambda", "Subscript", "NamedExpr", "JoinedStr", "ListComp", "Starred"}
    assert set(found.columns) <= {"x", "z", "a b", "np", "exec", "open", "__import__", "C"}
    assert parse_expression(found.text).text == found.text


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("xyz`'\"(){}[]~+-*/:^|.,%\\ \n10=" + "eé"), max_size=25))
def test_any_text_is_a_formula_or_refused_in_one_line(text):
    for read in (lambda: parse(f"y ~ {text}", ["y", "x", "z"]), lambda: parse_random(text)):
        try:
            read()
        except ValueError as error:
            assert "\n" not in str(error).splitlines()[0]


NAMES = [
    _OPEN,
    _TOUCH,
    f"I({_OPEN})",
    f"{{{_OPEN}}}",
    "__import__",
    "exec",
    "C(x)",
    "np",
    "np.log(x)",
    "log",
    "I",
    "Q('x')",
    "x + z",
    "x:z",
    "x*z",
    "~",
    "-1",
    "x~z",
    "a\\b",
    "a\\\\",
    "a\nb",
    "a'b",
    'a"b',
    "{x}",
    "}x{",
    "%in%",
    "(x",
    "x)",
    "[x]",
    "x|g",
    "#x",
    "é",
    "class",
    "_column_0_",
    "\ue0000\ue000",
    "f'{x}'",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_any_name_is_data(table, name):
    """The same fit as by a plain name: through the command's formula, in braces, with a dot."""
    plain = scs.fit("y ~ x + z + log(w)", table.assign(w=table["x"] ** 2), "g", 1)
    odd = table.assign(**{name: table["x"] ** 2})
    quoted = name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    for piece in (f"log(`{name}`)", f"log(Q('{quoted}'))", f"{{log(`{name}`)}}"):
        if "Q(" in piece and name in ("(x", "x)"):
            continue  # brackets that do not close in a text constant: refused, never misread
        model = scs.fit(f"y ~ x + z + {piece}", odd, "g", 1)
        np.testing.assert_allclose(model.coef, plain.coef, rtol=1e-9)
        np.testing.assert_allclose(
            model.predict(odd.head(7)), plain.predict(table.assign(w=table["x"] ** 2).head(7))
        )
    alone = scs.fit("y ~ w", table.assign(w=table["z"]), "g", 1)
    for formula in (f"y ~ `{name}`", "y ~ ."):
        two = table[["y", "g"]].assign(**{name: table["z"]})
        np.testing.assert_allclose(scs.fit(formula, two, "g", 1).coef, alone.coef, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_takes_names_as_data(table, name, capsys):
    two = table[["y", "g", "x"]].rename(columns={"x": name})
    two.to_parquet("table.parquet")
    arguments = [
        "fit",
        "table.parquet",
        "--outcome",
        "y",
        "--cluster",
        "g",
        "--budget",
        "1",
        "--bootstrap",
        "0",
    ]
    assert main(arguments) == 0
    plain = scs.fit("y ~ x", table, "g", 1)
    assert scs.estimators.tables.number(plain.coef["x"]) in capsys.readouterr().out


@pytest.mark.parametrize("name", ["x\\", "x\\\\\\", "a`b", f"`+{_OPEN}+`"])
def test_a_name_that_would_end_its_quotes_is_refused(table, name, capsys):
    """Two such names side by side would leave what is between them to be read as a formula."""
    attack = f" + I({_OPEN}) + "
    odd = table[["y", "g", "x", "z"]].rename(columns={"x": name, "z": attack})
    odd.to_parquet("table.parquet")
    arguments = [
        "fit",
        "table.parquet",
        "--outcome",
        "y",
        "--cluster",
        "g",
        "--budget",
        "1",
        "--bootstrap",
        "0",
    ]
    assert main(arguments) == 2
    assert "rename it" in capsys.readouterr().err


@pytest.mark.parametrize("outcome", [_OPEN, "C(x)", "log(x)", "c d", "exec"])
def test_an_outcome_of_any_name_is_data_in_validation_too(table, outcome):
    odd = table.rename(columns={"y": outcome})
    model = scs.fit(f"`{outcome}` ~ x", odd[::2], "g", validation=odd[1::2])
    plain = scs.fit("y ~ x", table[::2], "g", validation=table[1::2])
    np.testing.assert_allclose(model.coef, plain.coef)


@pytest.mark.parametrize(
    ("formula", "column"),
    [
        ("y ~ `log(x)` + log(x)", "log(x)"),
        ("y ~ x*z + `x:z`", "x:z"),
        ("y ~ s + `s[T.q]`", "s[T.q]"),
    ],
)
def test_a_column_called_as_a_term_is_refused_where_both_are_used(table, formula, column):
    odd = table.assign(**{column: 1.0 + table["z"] ** 2})
    assert column in _refused(lambda: scs.fit(formula, odd, "g", 1))
    scs.fit(f"y ~ `{column}`", odd, "g", 1)


def test_a_column_named_like_a_function_is_not_called_and_hides_none(table):
    odd = table.assign(log=table["x"], np=table["z"], C=table["s"])
    model = scs.fit("y ~ log(log) + np.exp(np) + C(C)", odd, "g", 1)
    plain = scs.fit("y ~ log(x) + exp(z) + C(s)", table, "g", 1)
    np.testing.assert_allclose(model.coef, plain.coef)


def test_functions_of_the_caller_are_out_of_reach(table):
    def double(x):
        raise AssertionError("called")

    assert "double()" in _refused(lambda: scs.fit("y ~ double(x)", table, "g", 1))
    assert "no column named 'table'" in _refused(lambda: scs.fit("y ~ I(table)", table, "g", 1))


def test_every_wrap_is_a_formula_when_it_holds_a_column(table):
    """Else the attacks above would fail for another reason than the one meant."""
    for wrap, piece in itertools.product(WRAPS[:7], ["x", "abs(x)", "x + 1"]):
        assert len(scs.fit(wrap.format(piece), table, "g", 1).coef) > 1
