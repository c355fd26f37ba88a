"""formulaic's record of a formula as plain values, and back: what new rows of a saved model need.

The text of its terms, the levels of its factors and what its functions learned. Calculations are
read again by `scs.data.expressions`, which runs nothing else.
"""

from __future__ import annotations

from typing import Any

from formulaic import Formula, ModelSpec
from formulaic.materializers.base import EncodedTermStructure
from formulaic.materializers.types import EvaluatedFactor, ScopedFactor, ScopedTerm
from formulaic.parser.types import Factor, Term
from formulaic.transforms import contrasts as coded
from formulaic.transforms.contrasts import ContrastsState
from formulaic.utils.sentinels import UNSET

from scs.data.expressions import parse_expression

_CONTRASTS = {
    each.__name__: each
    for each in (
        coded.TreatmentContrasts,
        coded.SASContrasts,
        coded.SumContrasts,
        coded.HelmertContrasts,
        coded.DiffContrasts,
        coded.PolyContrasts,
    )
}


def plain_spec(spec: ModelSpec) -> dict[str, Any]:
    """Return what makes a record: dicts, lists, texts and numbers, arrays among what was learned.

    Raises
    ------
    TypeError
        Contrasts of a kind that is not known here.
    """
    encoders = {}
    for expression, (kind, state) in spec.encoder_state.items():
        rest = {name: value for name, value in state.items() if name != "contrasts"}
        encoders[expression] = {"kind": kind.value, "state": rest}
        if "contrasts" in state:
            encoders[expression]["contrasts"] = _plain_contrasts(state["contrasts"])
    return {
        "terms": [_plain_term(term) for term in spec.formula],
        "structure": [
            {
                "term": _plain_term(each.term),
                "parts": [
                    {
                        "factors": [[f.factor.expr, bool(f.reduced)] for f in part.factors],
                        "scale": part.scale,
                    }
                    for part in each.scoped_terms
                ],
                "columns": list(each.columns),
            }
            for each in spec.structure
        ],
        "learned": dict(spec.transform_state),
        "encoders": encoders,
    }


def spec_of(plain: dict[str, Any]) -> ModelSpec:
    """Return the record that `plain_spec` wrote down.

    Raises
    ------
    ValueError, KeyError, TypeError
        It is not of that form, or holds a calculation that no formula may.
    """
    encoders = {}
    for expression, each in plain["encoders"].items():
        state = dict(each["state"])
        if "contrasts" in each:
            state["contrasts"] = _contrasts(each["contrasts"])
        encoders[expression] = (Factor.Kind(each["kind"]), state)
    structure = [
        EncodedTermStructure(
            _term(each["term"]),
            [
                ScopedTerm(
                    [ScopedFactor(EvaluatedFactor(Factor(f), None), r) for f, r in part["factors"]],
                    scale=part["scale"],
                )
                for part in each["parts"]
            ],
            list(each["columns"]),
        )
        for each in plain["structure"]
    ]
    return ModelSpec(
        formula=Formula([_term(each) for each in plain["terms"]], _ordering="none"),
        materializer="pandas",
        materializer_params={},
        na_action="ignore",
        output="pandas",
        structure=structure,
        transform_state=dict(plain["learned"]),
        encoder_state=encoders,
    )


def _plain_term(term: Term) -> list[list[str]]:
    return [[factor.expr, factor.eval_method.value] for factor in term.factors]


def _term(plain: list[list[str]]) -> Term:
    for expression, method in plain:
        if method == Factor.EvalMethod.PYTHON.value:
            parse_expression(expression)  # refuses what no formula may hold
    return Term([Factor(expression, eval_method=method) for expression, method in plain])


def _plain_contrasts(state: ContrastsState) -> dict[str, Any]:
    kind = type(state.contrasts).__name__
    if _CONTRASTS.get(kind) is not type(state.contrasts):
        raise TypeError(f"contrasts {kind} cannot be saved: write C(x, Sum()) or C(x, Treatment())")
    given = {name: v for name, v in vars(state.contrasts).items() if v is not UNSET}
    return {"kind": kind, "given": given, "levels": list(state.levels)}


def _contrasts(plain: dict[str, Any]) -> ContrastsState:
    return ContrastsState(_CONTRASTS[plain["kind"]](**plain["given"]), list(plain["levels"]))
