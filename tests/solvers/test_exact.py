"""The exact solver against enumeration, against SCIP, and under attack on its bounds."""

from __future__ import annotations

import importlib
import signal
import sys
from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from interrupts import python_takes_ctrl_c
from problems import all_values, random_rows

from scs import Moments, solve, solve_path, solvers
from scs.paper.scaling import ambiguous as drawn_of_ten
from scs.problem.objective import Problem, indicator, lower_bound, profile, uniform_diagonal
from scs.solvers.alternating import alternating, swap
from scs.solvers.exact import canonical as canonical_module
from scs.solvers.exact import relaxation
from scs.solvers.exact.canonical import Canonical
from scs.solvers.exact.nodes import IN, OPEN, OUT, Nodes, settle
from scs.solvers.exact.relaxation import fix, relax
from scs.solvers.outer import outer
from scs.solvers.solution import relative_gap
from scs.solvers.stop import Stop

exact_module = importlib.import_module("scs.solvers.exact")
search_module = importlib.import_module("scs.solvers.exact.search")

RIDGES = (1.0, 1e-2, 1e-4)


@pytest.fixture(params=["clusters", "boxes"])
def either(request, monkeypatch):
    """Small problems branch on clusters alone; what holds of them must hold with boxes too."""
    if request.param == "boxes":
        split_always(monkeypatch)


def split_always(monkeypatch):
    monkeypatch.setattr(canonical_module, "boxes_pay", lambda n_split, _: n_split > 0)


def random_moments(
    seed, *, n_clusters=None, n_columns=None, most=10, least=3, between=None, intercept=None
):
    """Unbalanced clusters; some covariates constant within clusters; about half the effects 0."""
    rng = np.random.default_rng(seed)
    K = int(rng.integers(least, most + 1)) if n_clusters is None else n_clusters
    P = int(rng.integers(1, 5)) if n_columns is None else n_columns
    clusters = np.repeat(np.arange(K), rng.integers(1, 12, size=K))
    X = rng.normal(size=(len(clusters), P))
    flat = int(rng.integers(0, 3)) * int(rng.integers(2)) if between is None else between
    flat = min(flat, P)
    X[:, :flat] = rng.normal(size=(K, flat))[clusters]
    effects = 3 * rng.normal(size=K) * (rng.random(K) < 0.5)
    y = X @ rng.normal(size=P) + effects[clusters] + rng.normal(size=len(clusters))
    if intercept is None:
        intercept = bool(rng.integers(2))
    return Moments.from_arrays(X, y, clusters, intercept=intercept), rng


def random_problem(seed, **shape):
    """A random problem and a budget; None where the draw has dependent columns."""
    moments, rng = random_moments(seed, **shape)
    ridge = float(rng.choice(RIDGES))
    ridge_fixed = 0.0 if rng.random() < 0.3 else None
    budget = int(rng.integers(1, moments.n_clusters))
    try:
        problem = Problem.from_moments(moments, ridge=ridge, ridge_fixed=ridge_fixed)
    except ValueError:
        return None
    return moments, problem, budget, {"ridge": ridge, "ridge_fixed": ridge_fixed}, rng


def enumerate_supports(problem, budget):
    """All supports of the budget and c of each: batched P x P solves, then residuals."""
    K, P = problem.x.shape
    supports = np.array(list(combinations(range(K), budget)))
    weights = np.tile(problem.n, (len(supports), 1))
    least = problem.n * problem.ridge / (problem.n + problem.ridge)
    np.put_along_axis(weights, supports, least[supports], axis=1)
    outer_products = (problem.x[:, :, None] * problem.x[:, None, :]).reshape(K, -1)
    within = problem.within_xx + np.diag(problem.penalty)
    matrices = within + (weights @ outer_products).reshape(-1, P, P)
    right = problem.within_xy + (weights * problem.y) @ problem.x
    beta = np.zeros_like(right)
    for _ in range(2):  # the second is a step of refinement
        left = right - np.einsum("bij,bj->bi", matrices, beta)
        beta += np.linalg.solve(matrices, left[..., None])[..., 0]
    loss = ((beta @ within - 2 * problem.within_xy) * beta).sum(axis=1)
    residual = problem.y - beta @ problem.x.T
    return supports, problem.within_yy + loss + (weights * residual**2).sum(axis=1)


def check_against_enumeration(seed, **shape):
    drawn = random_problem(seed, **shape)
    if drawn is None:
        return 0
    moments, problem, budget, ridges, _ = drawn
    compare_with_enumeration(seed, moments, problem, budget, ridges)
    return 1


def compare_with_enumeration(seed, moments, problem, budget, ridges):
    supports, values = enumerate_supports(problem, budget)
    best = values.min()
    found = solve(moments, budget, method="exact", gap=1e-9, **ridges)
    assert found.status == "optimal", seed
    assert found.gap <= 1e-9, seed
    assert found.objective == pytest.approx(best, rel=1e-8), seed
    assert found.bound <= best, seed
    # What is said of each cluster holds for every support as good as the best.
    for support in [s for s, value in zip(supports, values) if value <= best * (1 + 1e-13)]:
        assert (found.membership[support] != "out").all(), seed
        rest = np.setdiff1d(np.arange(problem.n_clusters), support)
        assert (found.membership[rest] != "in").all(), seed


@pytest.mark.parametrize("seed", range(20))
def test_enumeration_agrees_with_least_squares_on_the_rows(seed):
    """The oracle of the tests below, against ridge regressions on the raw rows."""
    rows = random_rows(seed, n_clusters=7)
    moments = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=rows.intercept)
    ridge, ridge_fixed = RIDGES[seed % 3], (None, 0.0)[seed % 2]
    problem = Problem.from_moments(moments, ridge=ridge, ridge_fixed=ridge_fixed)
    _, values = enumerate_supports(problem, 3)
    slow = list(all_values(rows, 3, ridge, ridge_fixed).values())
    assert values == pytest.approx(slow, rel=1e-9)


@pytest.mark.parametrize("block", range(6))
def test_agrees_with_enumeration_at_gap_1e_9(block, either):
    """600 problems with K = 3 to 10, in blocks of a hundred."""
    solved = sum(check_against_enumeration(seed) for seed in range(100 * block, 100 * (block + 1)))
    assert solved == 100


@pytest.mark.parametrize("n_clusters", [12, 13, 14])
@pytest.mark.parametrize("between", [0, 1, 2])
def test_agrees_with_enumeration_of_up_to_3432_supports(n_clusters, between, either):
    """Every combination of intercept, between-only covariates and ridges thrice: 324 problems."""
    settings = product((False, True), RIDGES, (None, 0.0), range(3))
    first = 1000 * n_clusters + 100 * between
    for seed, (intercept, ridge, ridge_fixed, _) in enumerate(settings, first):
        moments, rng = random_moments(
            seed, n_clusters=n_clusters, n_columns=4, between=between, intercept=intercept
        )
        ridges = {"ridge": ridge, "ridge_fixed": ridge_fixed}
        problem = Problem.from_moments(moments, **ridges)
        budget = int(rng.integers(2, n_clusters - 1))
        compare_with_enumeration(seed, moments, problem, budget, ridges)


def ambiguous(seed, n_clusters, *, intercept, flat=0, n_rows=20, n_columns=6):
    """A fifth of the effects standard normal, noise variance 1: many clusters near the margin."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(n_clusters), n_rows)
    X = rng.normal(size=(len(clusters), n_columns))
    X[:, :flat] = rng.normal(size=(n_clusters, flat))[clusters]
    effects = rng.normal(size=n_clusters) * (rng.random(n_clusters) < 0.2)
    y = 1.5 + X @ rng.normal(size=n_columns) + effects[clusters] + rng.normal(size=len(clusters))
    return Moments.from_arrays(X, y, clusters, intercept=intercept)


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_outer_approximation(seed):
    check_against_outer(seed, 20)


def test_finds_the_optimum_from_the_worst_support(monkeypatch, either):
    """The search needs no luck with its first support: here it gets the worst, and no other."""
    for seed in range(60):
        drawn = random_problem(seed, most=8)
        if drawn is None:
            continue
        moments, problem, budget, ridges, _ = drawn
        supports, values = enumerate_supports(problem, budget)
        worst = profile(problem, indicator(problem.n_clusters, supports[int(values.argmax())]))
        begin = (worst, False)
        monkeypatch.setattr(exact_module, "first_support", lambda *_, begin=begin, **__: begin)
        monkeypatch.setattr(search_module, "alternate", lambda *_, worst=worst, **__: worst)
        found = solve(moments, budget, method="exact", gap=1e-9, **ridges)
        assert found.status == "optimal", seed
        assert found.objective == pytest.approx(values.min(), rel=1e-8), seed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 50))
def test_agrees_with_outer_approximation_on_more(seed):
    check_against_outer(seed, 20 + 40 * (seed - 6) // 43)


def check_against_outer(seed, n_clusters):
    moments = ambiguous(seed, n_clusters, intercept=bool(seed % 2))
    budget = n_clusters // 6
    ours = solve(moments, budget, method="exact", gap=1e-7)
    theirs = solve(moments, budget, method="outer", gap=1e-4, time_limit=4.0)
    assert ours.status == "optimal"
    assert ours.bound <= theirs.objective
    assert theirs.bound <= ours.objective
    if theirs.status == "optimal":
        assert ours.objective == pytest.approx(theirs.objective, rel=1e-4)


def random_node(canonical, budget, value, rng):
    """A random sub-box of the root's with random decisions, and a random start."""
    lo, hi = canonical.root_box(value)
    ends = np.sort(rng.uniform(lo, hi, size=(2, len(lo))), axis=0)
    part = rng.random(len(lo)) < 0.5
    fixed = np.full(canonical.n_clusters, OPEN, dtype=np.int8)
    some = rng.choice(canonical.n_clusters, size=rng.integers(0, 3), replace=False)
    fixed[some] = rng.choice([IN, OUT], size=len(some))
    low, high = np.where(part, ends[0], lo), np.where(part, ends[1], hi)
    z = rng.normal(size=len(lo)) * 10.0 ** rng.integers(-3, 3) * np.sqrt(value)
    return Nodes(low[None], high[None], fixed[None], z[None], np.zeros(1))


def attack(seed, n_nodes=4):
    """Return how many (bound, support) pairs were compared; fail at a bound above a support."""
    drawn = random_problem(seed, most=8)
    if drawn is None:
        return 0
    _, problem, budget, _, rng = drawn
    supports, values = enumerate_supports(problem, budget)
    at = profile(problem, indicator(problem.n_clusters, supports[rng.integers(len(supports))]))
    canonical = Canonical.about(problem, at)
    ends = np.array([profile(problem, indicator(problem.n_clusters, s)).beta for s in supports])
    ends = np.linalg.solve(canonical.basis, (ends - canonical.origin).T).T
    lo, hi = canonical.root_box(at.value)
    good = values <= at.value
    assert ((ends[good] > lo) & (ends[good] < hi)).all(), seed
    compared = 0
    for _ in range(n_nodes):
        node = random_node(canonical, budget, at.value, rng)
        given = node.fixed[0].copy()
        _, empty = settle(node.fixed, budget)
        if empty[0]:
            continue
        for _ in range(3):
            start = node.fixed[0].copy()
            spare = 10.0 ** rng.integers(-1, 4)
            cut = relax(canonical, node, budget, at.value, spare=spare)
            member = np.array([indicator(problem.n_clusters, s) for s in supports]) > 0
            inside = ((ends >= node.lo[0]) & (ends <= node.hi[0])).all(axis=1)
            inside &= ~(member & (start == OUT)).any(axis=1)
            inside &= ~(~member & (start == IN)).any(axis=1)
            assert (cut.bound[0] <= values[inside]).all(), seed
            compared += inside.sum()
            fix(node, cut, at.value)
            # A decision loses no support as good as the incumbent.
            lost = (member & (node.fixed[0] == OUT)) | (~member & (node.fixed[0] == IN))
            lost &= given == OPEN
            assert (values[inside & lost.any(axis=1)] > at.value).all(), seed
            node.z = cut.z
            settle(node.fixed, budget)
            if (node.fixed != OPEN).all():
                break
    return compared


def test_no_bound_is_above_a_support(either):
    assert sum(attack(seed) for seed in range(600)) > 9_000


def test_bounds_hold_whatever_the_quality_of_the_step(monkeypatch, either):
    """From coefficients and weights that are badly wrong: weaker bounds, never false ones."""
    rng = np.random.default_rng(0)
    honest = relaxation.solve_box

    def sloppy(*arguments):
        z = honest(*arguments)
        return z + 10.0 ** rng.integers(-6, 1) * rng.normal(size=z.shape)

    def any_weights(strength, *_):
        return rng.random(strength.shape)

    monkeypatch.setattr(relaxation, "solve_box", sloppy)
    assert sum(attack(seed) for seed in range(150)) > 2_000
    monkeypatch.setattr(relaxation, "waterfill", any_weights)
    assert sum(attack(seed) for seed in range(150)) > 2_000


@pytest.mark.parametrize("size", [5, 100])
def test_ends_cut_off_hold_nothing_as_good(size):
    """From any incumbent the first box still holds every support as good as it.

    Ends are tried one share or all shares at a time, as the size of a batch allows.
    """
    n_cut = n_decided = n_boxes = 0
    for seed in range(80):
        drawn = random_problem(seed, most=9, intercept=bool(seed % 2), between=1 + seed % 3)
        if drawn is None:
            continue
        _, problem, budget, _, rng = drawn
        K = problem.n_clusters
        supports, values = enumerate_supports(problem, budget)
        ends = np.array([profile(problem, indicator(K, s)).beta for s in supports])
        best = int(values.argmin())
        for some in (best, *rng.choice(len(supports), size=2)):
            at = profile(problem, indicator(K, supports[some]))
            canonical = Canonical.about(problem, at)
            lo, hi = canonical.root_box(at.value)
            fixed = np.zeros((1, K), dtype=np.int8)
            root = Nodes(lo[None].copy(), hi[None].copy(), fixed, 0.0 * lo[None], np.zeros(1))
            with Stop() as stop:
                state = search_module.State(at, 0.0)
                # A gap that nothing closes: as much is cut off as can be.
                search_module._shrink(canonical, root, budget, state, size, -1.0, stop)
            z = np.linalg.solve(canonical.basis, (ends - canonical.origin).T).T
            inside = ((z >= root.lo[0]) & (z <= root.hi[0])).all(axis=1)
            good = values <= at.value
            good[some] = True  # whatever the rounding
            assert inside[good].all(), seed
            chosen = np.array([indicator(K, s) for s in supports[good]])
            assert (chosen[:, root.fixed[0] == IN] == 1).all(), seed
            assert (chosen[:, root.fixed[0] == OUT] == 0).all(), seed
            n_decided += (root.fixed != OPEN).any()
            n_boxes += 1
            n_cut += (root.lo > lo).any() or (root.hi < hi).any()
    assert n_boxes > 150
    assert n_cut > n_boxes / 2
    assert n_decided > n_boxes / 10


def test_a_first_box_left_as_it_is_changes_no_answer(monkeypatch):
    """Cutting its ends may use a share of the time only: without any of it, all is still proved."""
    for seed in range(6):
        moments = ambiguous(seed, 40, intercept=True, flat=seed % 2)
        cut = solve(moments, 8, method="exact", gap=1e-9)
        with monkeypatch.context() as patch:
            patch.setattr(search_module, "_SHRINKING", 0.0)
            whole = solve(moments, 8, method="exact", gap=1e-9)
        assert cut.status == whole.status == "optimal"
        assert cut.objective == pytest.approx(whole.objective, rel=1e-9)
        assert cut.nodes != whole.nodes
        assert (cut.membership == whole.membership)[
            (cut.membership != "open") & (whole.membership != "open")
        ].all()


def test_one_tangent_says_what_a_search_says(monkeypatch):
    """Small problems are proved at once where effects are large; a search must agree."""
    at_once = 0
    for seed in range(80):
        drawn = random_problem(seed, intercept=False, between=0)
        if drawn is None:
            continue
        moments, _, budget, ridges, _ = drawn
        quick = solve(moments, budget, method="exact", gap=1e-9, **ridges)
        with monkeypatch.context() as patch:
            patch.setattr(exact_module, "_SMALL", 0)
            slow = solve(moments, budget, method="exact", gap=1e-9, **ridges)
        at_once += len(quick.history) == 1 and quick.nodes == 1
        assert quick.status == slow.status == "optimal"
        assert quick.support.tolist() == slow.support.tolist()
        assert quick.bound == pytest.approx(slow.bound, rel=1e-9)
        decided = (quick.membership != "open") & (slow.membership != "open")
        assert (quick.membership == slow.membership)[decided].all()
    assert at_once > 20


@pytest.mark.parametrize(
    ("n_clusters", "flat", "ridge", "n_rows"),
    [(100, 0, 1e-2, 20), (100, 0, 1e-4, 20), (100, 3, 1.0, 20), (60, 6, 1.0, 6), (30, 2, 1e-2, 5)],
)
def test_proves_what_stalled_before(n_clusters, flat, ridge, n_rows):
    """Small ridges, and directions that only clusters explain: tens to thousands of nodes."""
    for seed in range(2):
        moments = drawn_of_ten(n_clusters, intercept=True, flat=flat, n_rows=n_rows, seed=seed)
        budget = n_clusters // 5
        found = solve(moments, budget, method="exact", gap=1e-4, ridge=ridge)
        assert found.status == "optimal"
        problem = Problem.from_moments(moments, ridge=ridge)
        assert found.bound <= alternating(problem, budget, seed=seed + 7).value
        rng = np.random.default_rng(seed)
        for _ in range(20):
            start = rng.choice(n_clusters, size=budget, replace=False)
            end = swap(problem, profile(problem, indicator(n_clusters, start)))
            assert found.bound <= end.value


def test_attack_notices_a_broken_bound(monkeypatch, either):
    """The attack has teeth: an extracted diagonal a little too large is found out."""
    honest = relaxation.extract

    def greedy(canonical, nodes, *rest):
        delta, tau = honest(canonical, nodes, *rest)
        return delta + 0.5 * (canonical.n - delta), tau

    monkeypatch.setattr(relaxation, "extract", greedy)
    with pytest.raises(AssertionError):
        for seed in range(300):
            attack(seed)


@pytest.mark.parametrize("flat", [0, 1])
@pytest.mark.parametrize("intercept", [False, True])
def test_local_search_finds_nothing_below_the_bound(intercept, flat):
    for seed in range(6):
        moments = ambiguous(seed, 60, intercept=intercept, flat=flat, n_rows=8)
        problem = Problem.from_moments(moments)
        found = solve(moments, 12, method="exact", gap=1e-6)
        assert found.status == "optimal"
        rng = np.random.default_rng(seed)
        for _ in range(10):
            start = rng.choice(60, size=12, replace=False)
            end = swap(problem, profile(problem, indicator(60, start)))
            assert found.bound <= end.value
            assert found.objective <= end.value * (1 + 1e-6)


def badly_scaled(kind, seed):
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(9), 6)
    X = rng.normal(size=(54, 3))
    if kind == "scaled":
        X *= 10.0 ** np.array([-8, 0, 8])
    elif kind == "twins":
        X[:, 1] = X[:, 0] + 1e-7 * rng.normal(size=54)
    elif kind == "flat":
        X[:, 0] = rng.normal(size=9)[clusters] + 1e-6 * rng.normal(size=54)
    elif kind == "far":
        X += 1e6
    y = X @ np.array([1e-3, 1.0, 1e-8 if kind == "scaled" else 1.0])
    y = y + rng.normal(size=54) + 2 * (rng.normal(size=9) * (rng.random(9) < 0.4))[clusters]
    return X, y, clusters


@pytest.mark.parametrize("kind", ["scaled", "twins", "flat", "far"])
@pytest.mark.parametrize("ridge_fixed", [None, 0.0])
@pytest.mark.filterwarnings("ignore:gap=")
def test_ill_conditioned_designs_keep_valid_bounds(kind, ridge_fixed, either):
    for seed in range(8):
        X, y, clusters = badly_scaled(kind, seed)
        for intercept in (False, True):
            moments = Moments.from_arrays(X, y, clusters, intercept=intercept)
            for ridge in (1.0, 1e-4):
                options = {"ridge": ridge, "ridge_fixed": ridge_fixed}
                try:
                    problem = Problem.from_moments(moments, **options)
                    found = solve(moments, 3, method="exact", gap=1e-6, **options)
                except ValueError as error:
                    assert "linearly dependent" in str(error) or "rounding leaves" in str(error)
                    continue
                # One by one: `profile` orders its sums with care, which the batch does not.
                supports = map(np.array, combinations(range(9), 3))
                values = np.array([profile(problem, indicator(9, s)).value for s in supports])
                assert found.bound <= values.min()
                assert found.objective >= values.min() * (1 - 1e-9)
                assert found.gap <= 1e-5


def test_margin_covers_rounding():
    """A decided node's bound against the same sums in extended precision."""
    for seed in range(200):
        drawn = random_problem(seed)
        if drawn is None:
            continue
        _, problem, budget, _, rng = drawn
        K = problem.n_clusters
        canonical = Canonical.about(problem, alternating(problem, budget))
        support = rng.choice(K, size=budget, replace=False)
        fixed = np.full((1, K), OUT, dtype=np.int8)
        fixed[0, support] = IN
        lo, hi = canonical.root_box(problem.total)
        node = Nodes(lo[None], hi[None], fixed, np.zeros((1, len(lo))), np.zeros(1))
        value = profile(problem, indicator(K, support)).value
        cut = relax(canonical, node, budget, value)
        beta = (canonical.origin + canonical.basis @ cut.z[0]).astype(np.longdouble)
        weights = np.where(fixed[0] == IN, canonical.least, problem.n).astype(np.longdouble)
        residual = problem.y - problem.x.astype(np.longdouble) @ beta
        exact_value = problem.within_yy + (weights * residual**2).sum()
        exact_value += beta @ (problem.within_xx @ beta - 2 * problem.within_xy)
        exact_value += (problem.penalty * beta**2).sum()
        margin = canonical.margin(np.abs(cut.z), value)[0]
        assert cut.bound[0] <= exact_value, seed
        assert abs(float(cut.bound[0] + margin - exact_value)) < margin / 2, seed


class Ticks:
    """A clock for the search that moves on by one each time it is asked, on any machine."""

    def __init__(self, monkeypatch):
        self.now = 0
        for module in ("scs.solvers.stop", "scs.solvers.exact.search"):
            monkeypatch.setattr(importlib.import_module(module), "time", self)

    def perf_counter(self):
        self.now += 1
        return self.now


def test_time_limit_returns_what_is_proved(monkeypatch):
    moments = ambiguous(3, 120, intercept=True, flat=5, n_rows=4)
    clock = Ticks(monkeypatch)
    found = solve(moments, 24, method="exact", gap=1e-9, time_limit=150)
    assert clock.now < 160, "it went on when the time was over"
    assert found.status == "time_limit"
    assert 0 < found.bound < found.objective
    assert found.gap > 1e-9


@pytest.mark.parametrize("n_clusters", [2_000, 25_000])
def test_time_limit_holds_for_the_heuristic_too(n_clusters):
    """At the first check the time is over: one start, one step of the relaxation, no more."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(n_clusters), 2)
    X = rng.normal(size=(2 * n_clusters, 2))
    y = rng.normal(size=n_clusters)[clusters] + rng.normal(size=2 * n_clusters)
    moments = Moments.from_arrays(X, y, clusters, intercept=True)
    budget = n_clusters // 5
    profiles = []
    module = importlib.import_module("scs.solvers.alternating")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "profile", lambda *a: profiles.append(a) or profile(*a))
        found = solve(moments, budget, method="exact", gap=1e-9, time_limit=1e-9)
    assert len(profiles) <= 3
    assert found.status == "time_limit"
    assert found.nodes == 1
    assert 0 < found.bound < found.objective
    assert len(found.support) == budget
    assert found.bound <= alternating(Problem.from_moments(moments), budget).value


class Interrupter:
    """Sends this process a real SIGINT at the n-th call that the solver makes."""

    def __init__(self, at):
        self.at, self.calls = at, 0

    def __call__(self, frame, event, _):
        # From the first line inside the solver's guard to the last one.
        if event in {"call", "c_call"} and signal.getsignal(signal.SIGINT) != self.outside:
            self.calls += 1
            if self.calls == self.at:
                signal.raise_signal(signal.SIGINT)

    def run(self, moments, budget):
        with python_takes_ctrl_c():
            return self._run(moments, budget)

    def _run(self, moments, budget):
        self.outside = signal.getsignal(signal.SIGINT)
        sys.setprofile(self)
        try:
            return solve(moments, budget, method="exact", gap=1e-9)
        finally:
            sys.setprofile(None)
            assert signal.getsignal(signal.SIGINT) == self.outside


def test_ctrl_c_at_any_moment_returns_what_is_proved():
    moments, _ = random_moments(5, n_clusters=9, n_columns=3, between=1, intercept=True)
    supports, values = enumerate_supports(Problem.from_moments(moments), 4)
    best = supports[int(values.argmin())]
    for _ in range(2):  # the first run fills caches
        whole = Interrupter(0)
        whole.run(moments, 4)
    assert whole.calls > 1000
    rng = np.random.default_rng(0)
    unfinished = 0
    for at in [1, 2, 3, *rng.integers(4, whole.calls, size=60), whole.calls]:
        found = Interrupter(at).run(moments, 4)
        assert found.status == "interrupted", at
        assert 0 <= found.bound <= values.min() <= found.objective * (1 + 1e-9), at
        assert (found.membership[best] != "out").all(), at
        assert (np.delete(found.membership, best) != "in").all(), at
        unfinished += found.gap > 1e-9
    assert unfinished > 20


def test_second_ctrl_c_breaks_the_step():
    with python_takes_ctrl_c():
        with pytest.raises(KeyboardInterrupt), Stop() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop
            assert stop.status == "interrupted"
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_many_flat_covariates_have_at_least_the_bound_of_eq_6(monkeypatch):
    """Where boxes are hopeless, the plain relaxation is what a search must not fall below."""
    moments = ambiguous(3, 120, intercept=True, flat=5, n_rows=4)
    problem = Problem.from_moments(moments)
    Ticks(monkeypatch)
    found = solve(moments, 24, method="exact", time_limit=400)
    s = np.full(120, 24 / 120)
    for step in range(300):  # conditional gradients
        at = profile(problem, s)
        s = s + 2 / (step + 3) * (indicator(120, np.argsort(at.slopes)[:24]) - s)
    assert found.bound >= lower_bound(problem, profile(problem, s), 24) * (1 - 1e-3)


@pytest.mark.parametrize("calls", [1, 5, 40])
def test_interrupt_returns_what_is_proved(monkeypatch, calls, either):
    moments, _ = random_moments(5, n_clusters=9, between=1, intercept=True)
    problem = Problem.from_moments(moments)
    supports, values = enumerate_supports(problem, 4)
    honest, count = search_module.relax, iter(range(10**9))

    def interrupted(*arguments, **options):
        if next(count) >= calls:
            raise KeyboardInterrupt
        return honest(*arguments, **options)

    monkeypatch.setattr(search_module, "relax", interrupted)
    found = solve(moments, 4, method="exact", gap=1e-9)
    assert found.status in {"interrupted", "optimal"}
    assert found.bound <= values.min()
    best = supports[int(values.argmin())]
    assert (found.membership[best] != "out").all()
    assert (np.delete(found.membership, best) != "in").all()


def test_auto_takes_it_and_says_why(capsys):
    moments = ambiguous(0, 30, intercept=True)
    found = solve(moments, 6, verbose=True)
    assert found.method.startswith("exact (auto")
    assert found.status == "optimal"
    log = capsys.readouterr().out
    assert "bound" in log.splitlines()[0]
    assert len(log.splitlines()) >= 2
    bounds = [step.bound for step in found.history]
    assert bounds == sorted(bounds)


def test_tells_of_nearly_every_cluster_whether_it_is_selected():
    """At gap 1e-4 of the objective 200 clusters would have room for many swaps."""
    n_open = 0
    for seed in range(10):
        moments = ambiguous(seed, 200, intercept=bool(seed % 2))
        found = solve(moments, 40, method="exact", gap=1e-4)
        finest = solve(moments, 40, method="exact", gap=1e-9)
        member = indicator(200, finest.support) > 0
        assert (found.membership[member] != "out").all()
        assert (found.membership[~member] != "in").all()
        n_open += np.count_nonzero(found.membership == "open")
        assert np.count_nonzero(finest.membership == "open") <= 2
    assert n_open < 1_000  # of 2,000


def test_names_many_clusters_beside_an_intercept():
    """The gap asked for leaves room for thousands of swaps; what is proved does not."""
    moments = drawn_of_ten(10_000, intercept=True)
    found = solve(moments, 2_000, method="exact", gap=1e-4)
    assert np.count_nonzero(found.membership == "open") < 20
    member = indicator(10_000, found.support) > 0
    assert (found.membership[member] != "out").all()
    assert (found.membership[~member] != "in").all()
    finest = solve(moments, 2_000, method="exact", gap=1e-8)
    assert (found.membership[finest.support] != "out").all()
    assert (np.delete(found.membership, finest.support) != "in").all()


@pytest.mark.parametrize("budget", [0, 30, 99])
def test_trivial_budgets(budget):
    found = solve(ambiguous(1, 30, intercept=True), budget, method="exact")
    assert found.status == "optimal"
    assert set(found.membership) == {"in" if budget else "out"}


@pytest.mark.parametrize(("n_clusters", "flat", "gap"), [(3000, 0, 1e-5), (200, 1, 1e-4)])
def test_many_clusters_with_intercept(n_clusters, flat, gap):
    moments = ambiguous(2, n_clusters, intercept=True, flat=flat)
    found = solve(moments, n_clusters // 5, method="exact", gap=gap)
    assert found.status == "optimal"
    problem = Problem.from_moments(moments)
    assert found.bound <= alternating(problem, n_clusters // 5, seed=7).value


def test_strong_cuts_are_valid_and_tighter():
    """Tangents with the extracted diagonal: below every support, above the plain ones."""
    tighter = 0
    for seed in range(150):
        drawn = random_problem(seed, most=7, intercept=False)
        if drawn is None:
            continue
        _, problem, budget, _, rng = drawn
        delta = uniform_diagonal(problem)
        supports, values = enumerate_supports(problem, budget)
        s = rng.dirichlet(np.ones(problem.n_clusters)) * budget
        s = np.clip(s, 0.0, 1.0)
        plain, strong = profile(problem, s), profile(problem, s, delta)
        assert strong.value >= plain.value * (1 - 1e-12), seed
        tighter += strong.value > plain.value * (1 + 1e-3)
        for support, value in zip(supports, values):
            step = indicator(problem.n_clusters, support) - s
            assert strong.value + strong.slopes @ step <= value + problem.margin, seed
            at_support = profile(problem, indicator(problem.n_clusters, support), delta)
            assert at_support.value == pytest.approx(value, rel=1e-12)
        h = 1e-6 * (s < 0.5) - 1e-6 * (s >= 0.5)
        numeric = (profile(problem, s + h, delta).value - strong.value) / 1e-6
        assert numeric == pytest.approx(strong.slopes @ h / 1e-6, rel=1e-3, abs=1e-3)
    assert tighter > 50


@pytest.mark.parametrize("cuts", ["strong", "plain"])
def test_outer_with_either_cuts_agrees(cuts):
    moments = ambiguous(0, 16, intercept=False)
    problem = Problem.from_moments(moments)
    found = outer(moments, problem, 3, gap=1e-6, cuts=cuts)
    best = solve(moments, 3, method="exact", gap=1e-9)
    assert found.status == "optimal"
    assert found.objective == pytest.approx(best.objective, rel=1e-6)


def test_path_never_rises_and_every_budget_is_certified():
    path = solve_path(ambiguous(4, 25, intercept=True, flat=1), gap=1e-6)
    assert [found.status for found in path] == ["optimal"] * 26
    values = [found.objective for found in path]
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(values))
    for less, more in pairwise(path):
        assert more.bound <= less.objective


def test_path_shares_bounds_between_budgets(monkeypatch):
    """Every other budget is cut off at once: it takes the bound of the next larger one."""
    moments = ambiguous(4, 40, intercept=True, flat=1)
    alone, honest = [], solvers.solve
    path_module = importlib.import_module("scs.solvers.path")

    def hurried(moments, budget, **options):
        limit = {"time_limit": 1e-9} if budget % 2 else {}
        found = honest(moments, budget, **options, **limit)
        alone.append(found)
        return found

    monkeypatch.setattr(path_module, "solve", hurried)
    path = solve_path(moments, [18, 19, 20, 21], gap=1e-6)
    assert [found.status for found in alone] == ["optimal", "time_limit"] * 2
    for before, after, exact in zip(alone, path, solve_path(moments, [18, 19, 20, 21], gap=1e-6)):
        assert before.bound <= after.bound <= exact.objective
        assert after.gap == relative_gap(after.objective, after.bound)
        empty = honest(moments, 0).objective
        share = (after.objective - after.bound) / (empty - after.objective)
        assert after.selection_gap == pytest.approx(share, rel=1e-9, abs=1e-9)
    assert path[1].bound == path[2].bound > alone[1].bound


@pytest.mark.parametrize("decided", [False, True])
def test_what_is_not_a_number_proves_nothing(decided):
    """A node whose sums left the range of floating point was taken for one given up."""
    rows = random_rows(3, n_clusters=6)
    moments = Moments.from_arrays(rows.X, rows.y, rows.clusters, intercept=True)
    problem = Problem.from_moments(moments, ridge_fixed=0.0)
    canonical = Canonical.about(problem, alternating(problem, 2))
    fixed = np.full((1, 6), OPEN, dtype=np.int8)
    if decided:
        fixed[0] = OUT
        canonical = replace(canonical, y=np.full(6, np.nan))
    lo, hi = np.full((2, 1, canonical.n_columns), [[[-1.0]], [[1.0]]])
    node = Nodes(lo, hi, fixed.copy(), np.full(lo.shape, np.nan), np.zeros(1))
    cut = relax(canonical, node, 2, problem.total)
    assert cut.bound[0] == -np.inf
    fix(node, cut, problem.total)
    assert (node.fixed == fixed).all()
