"""Small faults put into a copy of the package, one at a time: the tests of that room must notice.

    python tests/mutants.py                 all of them: how many are caught, and which are not
    python tests/mutants.py "margin"        those whose name holds a word

A mutant is a line changed as a slip would change it. It is caught when a test fails, or when the
tests do not come to an end in the time that many of them would take.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 1200.0  # seconds


@dataclass(frozen=True)
class Mutant:
    """A text of one file, what replaces its only occurrence, and the tests that should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _mutants(file: str, tests: str, *changes: tuple[str, str, str]) -> list[Mutant]:
    paths = tuple(f"tests/{each}" for each in tests.split())
    return [Mutant(name, f"scs/{file}", old, new, paths) for name, old, new in changes]


MUTANTS = [
    *_mutants(
        "moments/chunks.py", "moments/test_chunks.py",
        ("chunks of other columns are added up",
         'refuse_other_columns(names, design.names, f"chunk {i}")', "pass"),
    ),
    *_mutants(
        "moments/moments.py", "moments/test_moments.py",
        ("X'X forgets what lies between clusters",
         "return self.within_xx + self.mean_x.T @ (self.mean_x * self.n[:, None])",
         "return self.within_xx"),
    ),
    *_mutants(
        "moments/merge.py", "moments/test_moments.py",
        ("two means of one cluster add the wrong product",
         "weight = (before * share)[:, None]", "weight = (n * share)[:, None]"),
        ("the mean of a merged cluster moves the whole way",
         "distance *= share[:, None]", "distance *= 1.0"),
    ),
    *_mutants(
        "data/written.py", "data/test_written.py",
        ("a point between thousands is a decimal one",
         'if thousands != decimal', 'if thousands != decimal and thousands != "."'),
        ("a comma between thousands is not known",
         '_THOUSANDS = {",": "commas", ".": "points"', '_THOUSANDS = {".": "points"'),
    ),
    *_mutants(
        "data/labels.py", "data/test_labels.py data/test_design.py moments/test_files.py",
        ("labels that look alike pass without a note",
         "def note_alike(", "def note_alike(*_):\n    return\n\n\ndef _note_alike_before("),
    ),
    *_mutants(
        "problem/background.py", "solvers/test_background_solve.py inference/test_background.py",
        ("the background shrinks twice", "return n / (1.0 + background * n)",
         "return n / (1.0 + background * n) ** 2"),
        ("its BLUP forgets the name", "np.nan_to_num(beta) - gamma\n", "np.nan_to_num(beta)\n"),
    ),
    *_mutants(
        "problem/certificates.py", "problem/test_objective.py solvers/test_rational.py",
        ("a bound takes one cluster more than the budget",
         "best = float(np.sort(at.slopes)[:budget].sum())",
         "best = float(np.sort(at.slopes)[: max(budget - 1, 0)].sum())"),
        ("an inexact minimiser is taken for exact", "- lifted - tilt - margin, -lifted",
         "- lifted - margin, -lifted"),
        ("who is in compares with the wrong neighbour",
         "(1 - unit) * at.slopes + first_out > above", "(1 - unit) * at.slopes + last_in > above"),
        ("who is out compares with the wrong neighbour",
         "base - last_in + (1 + unit) * at.slopes > above",
         "base - first_out + (1 + unit) * at.slopes > above"),
        ("at budget K everybody is in", "proved[_matters(problem, at)] = \"in\"",
         'proved[:] = "in"'),
        ("slopes are exact however large",
         "return 4.0 * (log2(problem.n_clusters + 1.0) + 8.0) * _EPS", "return 0.0"),
    ),
    *_mutants(
        "problem/objective.py", "problem/test_objective.py",
        ("the gradient of a weight has the wrong power",
         "slopes = -kept * (problem.n", "slopes = -problem.ridge * (problem.n"),
        ("effects are not shrunk", "gamma[support] = n * residual[support] / (n + problem.ridge)",
         "gamma[support] = residual[support]"),
        ("the intercept forgets the outcome's mean",
         "beta[0] += self.origin_y - self.origin_x @ beta", "beta[0] -= self.origin_x @ beta"),
    ),
    *_mutants(
        "solvers/exact/relaxation.py", "solvers/test_exact.py solvers/test_rational.py",
        ("more is taken than the matrix has",
         "factor = np.minimum(1.0, _SHARE / np.maximum(top, 0.0))",
         "factor = np.minimum(1.0, 1.3 / np.maximum(top, 0.0))"),
        ("a box costs nothing", "return np.where(width > 0, tau * (1 + 1e-9), flat)",
         "return np.where(width > 0, 0.5 * tau, flat)"),
        ("diagonal dominance forgets a side",
         "np.abs(unit).sum(axis=2) - np.abs(size) - size, 0.0)",
         "np.abs(unit).sum(axis=2) - 2 * np.abs(size) - size, 0.0)"),
        ("the tangent ignores where in the box the point lies",
         "base = f + np.minimum(slope_z * (nodes.lo - z), slope_z * (nodes.hi - z)).sum(axis=1)",
         "base = f.copy()"),
        ("a cluster is left out too early",
         "out = open_ & (sure * cut.last[:, None] - gain > room)",
         "out = open_ & (sure * cut.last[:, None] - gain > 0.5 * room)"),
        ("a cluster is taken too early",
         "in_ = open_ & (sure * gain - cut.following[:, None] > room)",
         "in_ = open_ & (sure * gain - cut.following[:, None] > 0.5 * room)"),
    ),
    *_mutants(
        "solvers/exact/nodes.py", "solvers/test_exact.py solvers/test_rational.py",
        ("full nodes keep their open clusters", "fixed[full] = OUT\n", "fixed[full] = OPEN\n"),
    ),
    *_mutants(
        "solvers/exact/search.py", "solvers/test_exact.py solvers/test_rational.py",
        ("solved nodes are forgotten in the bound",
         "for node in (*self.solved, *self.pending))]", "for node in self.pending)]"),
        ("nodes in hand are forgotten in the bound",
         "for node in (*self.solved, *self.pending))]", "for node in self.solved)]"),
        ("children get one side of the box twice", "pairs[1][1].lo[rows, j] = at\n",
         "pairs[1][1].hi[rows, j] = at\n"),
    ),
    *_mutants(
        "solvers/exact/canonical.py", "solvers/test_exact.py solvers/test_rational.py",
        ("the first box is half as wide",
         "* (1 + 1e-6) + more", "* 0.5 + more"),
    ),
    *_mutants(
        "solvers/general/relaxation.py", "solvers/test_general.py",
        ("the slack of the PSD condition has the wrong sign",
         "[rest, rest] - least - slack)", "[rest, rest] - least + 1e6 * slack)"),
    ),
    *_mutants(
        "solvers/path.py", "solvers/test_solvers.py estimators/test_model.py",
        ("a path's bound may lie above the objective",
         "bound = min(bound, solution.objective)", "bound = bound * (1 + 1e-6)"),
        ("a path's proof forgets rounding",
         "surely = relative_gap(solution.objective + solution.rounding, bound)",
         "surely = relative_gap(solution.objective - 2 * solution.rounding, bound)"),
        ("held-out error forgets what lies within clusters",
         "total = rows.within_yy + float(within) + own", "total = rows.within_yy + own"),
    ),
    *_mutants(
        "inference/folds.py",
        "inference/test_intervals.py solvers/test_solvers.py estimators/test_model.py",
        ("the budget is chosen on rows that were fitted, by folds",
         "scores.add(training, held_out,", "scores.add(training + held_out, held_out,"),
    ),
    *_mutants(
        "estimators/selection.py", "estimators/test_fit.py estimators/test_model.py",
        ("the budget is chosen on rows that were fitted, by validation rows",
         "tune_budget(pairs, grid,", "tune_budget([(a + b, b) for a, b in pairs], grid,"),
    ),
    *_mutants(
        "solvers/path.py", "solvers/test_path.py",
        ("the last fit forgets the validation rows",
         "both = training + validation if both is None", "both = training if both is None"),
    ),
    *_mutants(
        "inference/background.py", "inference/test_background.py",
        ("a deviation is not freed of its own pull", "value=np.where(told, residual / left, 0.0)",
         "value=np.where(told, residual, 0.0)"),
        ("the variance of a free cluster forgets the coefficients",
         "np.where(free, 1.0 / m + leverage, 1.0 / (m * left))",
         "np.where(free, 1.0 / m, 1.0 / (m * left))"),
        ("the window's mass is forgotten", "+ np.log(2 * stats.norm.cdf(edge / t) - 1))", ")"),
    ),
    *_mutants(
        "inference/naming.py", "inference/test_naming.py",
        ("the step-up counts one name too many",
         "return int(passed[-1]) + 1 if passed.size else 0",
         "return int(passed[-1]) + 2 if passed.size else 0"),
        ("the largest gains become the smallest",
         "new[np.lexsort((np.arange(len(m)), -gain))[:budget]] = True",
         "new[np.lexsort((np.arange(len(m)), gain))[:budget]] = True"),
    ),
    *_mutants(
        "inference/conditional.py", "inference/test_conditional.py",
        ("the lower tail of the truncated law is lost",
         "total = np.logaddexp(below, above)", "total = above"),
        ("both tails have the whole error", "tail = (1.0 - level) / 2.0", "tail = 1.0 - level"),
    ),
    *_mutants(
        "estimators/standard.py", "estimators/test_units.py estimators/test_fit.py",
        ("the intercept stays at the columns' means",
         "level = solution.beta[:first] - self.origin @ slopes", "level = solution.beta[:first]"),
    ),
]  # fmt: skip


def outcome(mutant: Mutant, patience: float = PATIENCE) -> tuple[bool, str]:
    """Say whether the related tests notice the mutant, and how."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("scs", "tests", "data", "notebooks", "book", "benchmarks"):
            shutil.copytree(
                ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "raw")
            )
        for name in ("conftest.py", "pyproject.toml", "_toc.yml", "_config.yml"):
            shutil.copy(ROOT / name, copy)
        path = copy / mutant.file
        path.write_text(path.read_text("utf-8").replace(mutant.old, mutant.new), "utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider"]
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                [*command, *mutant.tests], cwd=copy, env=environment, timeout=patience,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return True, "no end"
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 1, (failed or done.stdout.splitlines() or [done.stderr])[-1][:150]


def main() -> int:
    """Try the mutants, and fail where one survives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("word", nargs="?", default="", help="in the names of those to try")
    word = parser.parse_args().word
    chosen = [mutant for mutant in MUTANTS if word in mutant.name]
    survived = []
    for mutant in chosen:
        began = time.perf_counter()
        caught, how = outcome(mutant)
        survived += [] if caught else [mutant.name]
        seconds = time.perf_counter() - began
        print(
            f"{'caught  ' if caught else 'SURVIVED'} {mutant.name} ({seconds:.0f} s): {how}",
            flush=True,
        )
    print(f"{len(chosen) - len(survived)} of {len(chosen)} caught")
    return int(bool(survived))


if __name__ == "__main__":
    raise SystemExit(main())
