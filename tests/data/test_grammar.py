"""A formula means what it means in R, or is refused in our words with the remedy."""

import numpy as np
import pandas as pd
import pytest
from formulaic.errors import FormulaicError

import scs
from scs.data.rows import model_rows

REFUSED = {
    "y ~": "write outcome ~ 1",
    "y ~ x*0": "'*'",
    "y ~ x*1": "'*'",
    "y ~ 0:x": "':'",
    "y ~ x/0": "'/'",
    "y ~ x:1": "':'",
    "y ~ x*z*0": "'*'",
    "y ~ (0 + x)*z": "outside of brackets",
    "y ~ x*(z - 1)": "outside of brackets",
    "y ~ 5": "'5' is no column",
    "y ~ x + 2": "I(2 * x)",
    "y ~ x - 2": "'2' is no column",
    "y ~ 2.5*x": "I(2 * x)",
    "y ~ 1e3": "'1e3' is no column",
    "y ~ ..": "'..' is no column",
    "y ~ x**0": "whole number",
    "y ~ (x + z)**-1": "whole number",
    "y ~ x**z": "whole number",
    "y ~ x %in% z": "write z/x",
    "y ~ x %*% z": "%*% is no operator",
    "y ~ x % z": "not closed",
    "y ~ x %% z": "%",
    "y ~ x +": "ends with '+'",
    "y ~ * x": "'*' after '~'",
    "y ~ x + * z": "'*' after '+'",
    "y ~ x -- z": "two minus signs",
    "y ~ x - - z": "two minus signs",
    "y ~ (x": "never closed",
    "y ~ x)": "')'",
    "y ~ (x +)": "follows '+'",
    "y ~ ()": "follows '('",
    "y ~ [x]": "'['",
    "y ~ {x": "not closed",
    "y ~ I(x": "not closed",
    "y ~ `x": "not closed",
    "y ~ x z": "no operator between 'x' and 'z'",
    "y ~ x 1": "no operator between 'x' and '1'",
    "y ~ (x)(z)": "no operator between",
    "y ~ log x": "no operator between 'log' and 'x'",
    "y ~ x ~ z": "more than one '~'",
    "y ~~ x": "more than one '~'",
    "y ~ (x ~ z)": "more than one '~'",
    "(y ~ x)": "in brackets",
    "y ~ 'x'": "without quotes",
    'y ~ "x"': "without quotes",
    "y = x": "'='",
    "y ~ x, z": "','",
    "y ~ x & z": "'&'",
    "y ~ !x": "'!'",
    "y ~ x > 1": "I(...)",
    "y ~ x$z": "'$'",
    "y ~ x # z": "'#'",
    "y ~ \u2212 x": "MINUS SIGN",
    "y ~ x + \u200bz": "ZERO WIDTH SPACE",
    "y ~ x\0": "U+0000",
    "y ~ x | z": "bar",
    "y ~ (1 | g)": "bar",
    "~ x": "no outcome",
    "y": "no outcome",
    "": "no outcome",
    "1 ~ x": "the number 1",
    "0 ~ x": "the number 0",
    ". ~ x": "'.'",
    "y + z ~ x": "2 outcomes",
    "y:z ~ x": "2 outcomes",
    "y - 1 ~ x": "I(...)",
    "0 + y ~ x": "I(...)",
    "-y ~ x": "I(...)",
    "y^2 ~ x": "I(...)",
    "y ~ y": "among the covariates",
    "y ~ x + log(y)": "among the covariates",
    "log(y) ~ y:x": "among the covariates",
    "log(y) ~ log(y)": "among the covariates",
    "y ~ g": "cluster column",
    "y ~ x:g": "cluster column",
    "y ~ C(g)": "cluster column",
    "y ~ 0": "neither covariates nor an intercept",
    "y ~ -1": "neither covariates nor an intercept",
}
# What R's terms() makes of them: the intercept, and the terms in order.
AS_IN_R = {
    "y ~ 1": (True, []),
    "y ~ x": (True, ["x"]),
    "y ~ 0 + x": (False, ["x"]),
    "y ~ x - 1": (False, ["x"]),
    "y ~ x + -1": (False, ["x"]),
    "y ~ x + 0 + 1": (True, ["x"]),
    "y ~ + x": (True, ["x"]),
    "y ~ - x": (True, []),
    "y ~ x + x": (True, ["x"]),
    "y ~ x*z": (True, ["x", "z", "x:z"]),
    "y ~ x/z": (True, ["x", "x:z"]),
    "y ~ (x + z)^2": (True, ["x", "z", "x:z"]),
    "y ~ (x + z)**2 - z": (True, ["x", "x:z"]),
    "y ~ ((x))": (True, ["x"]),
    "y ~\n x\n + z": (True, ["x", "z"]),
    "y ~ {x}": (True, ["x"]),
    "y ~ `a b`": (True, ["a b"]),
    "y ~ gr\u00f6\u00dfe": (True, ["gr\u00f6\u00dfe"]),
    "y ~ .": (True, ["x", "z", "a b", "gr\u00f6\u00dfe"]),
    "y ~ . - x": (True, ["z", "a b", "gr\u00f6\u00dfe"]),
    "log(y) ~ . - z": (True, ["x", "a b", "gr\u00f6\u00dfe"]),
    "(y) ~ x": (True, ["x"]),
    "I(y - x) ~ x": (True, ["x"]),
}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(1, 2, 24) for name in ("y", "x", "z", "a b", "gr\u00f6\u00dfe")}
    return pd.DataFrame(columns).assign(g=np.repeat(list("abc"), 8))


@pytest.mark.parametrize("formula", REFUSED)
def test_a_formula_that_means_nothing_is_refused_in_our_words(table, formula):
    with pytest.raises(ValueError) as caught:
        scs.fit(formula, table, "g", 1)
    assert not isinstance(caught.value, FormulaicError)
    text = str(caught.value)
    assert REFUSED[formula] in text and "\n" not in text and text.startswith("formula")
    for word in ("insuffi", "misplaced", "Numeric literals", "context marker", "Unknown operator"):
        assert word not in text  # formulaic's


@pytest.mark.parametrize("formula", AS_IN_R)
def test_a_formula_means_what_it_means_in_r(table, formula):
    rows = model_rows(formula, table, "g")
    assert (rows.intercept, list(rows.design.names)) == AS_IN_R[formula]


@pytest.mark.parametrize("random", ["1 + ", "x*0", "(0 + x)", "x %in% z", "2 + x", "x z", "'x'"])
def test_effects_of_clusters_have_the_same_grammar(table, random):
    with pytest.raises(ValueError, match="cannot be read: ") as caught:
        scs.fit("y ~ x", table, "g", 1, random=random)
    assert "\n" not in str(caught.value) and "random" in str(caught.value)
