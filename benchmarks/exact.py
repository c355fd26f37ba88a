"""The exact solver's speed: one table, targets and peers beside it.

    python benchmarks/exact.py            everything but the million clusters, about three minutes
    python benchmarks/exact.py --largest 1000000
    python benchmarks/exact.py --repeats 5 --limit 60

Rows follow one generator, `scs.paper.scaling.ambiguous`; budget 0.2 K, ridge 1. Peers are left out
with a message where they are not installed: gurobipy (its bundled restricted licence reaches K =
50) and abess, a heuristic, of which we print how far its support's objective lies above ours.
l0bnb is not here: it charges for every coefficient, covariates included, and takes no budget.

All is timed on one thread, the million clusters too.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import time
from collections.abc import Callable

import numpy as np

from scs import Moments, scenarios, simulate, solve
from scs.paper.scaling import ambiguous
from scs.paper.simulate import replication_rng
from scs.problem.objective import Problem, lower_bound, profile


def gurobi_outer(moments: Moments, budget: int, gap: float, limit: float) -> float | None:
    """The paper's outer approximation in Gurobi, cuts at supports and at node relaxations.

    Returns
    -------
    float or None
        Seconds; None if the gap was not closed within the limit.
    """
    import gurobipy as gp
    from gurobipy import GRB

    problem = Problem.from_moments(moments)
    n_clusters = problem.n_clusters
    first = profile(problem, np.full(n_clusters, budget / n_clusters))
    model = gp.Model()
    model.Params.OutputFlag = 0
    model.Params.Threads = 1
    model.Params.MIPGap = gap
    model.Params.TimeLimit = limit
    model.Params.LazyConstraints = 1
    theta = model.addVar(lb=lower_bound(problem, first, budget), obj=1.0)
    s = model.addVars(n_clusters, vtype=GRB.BINARY)
    model.addConstr(s.sum() <= budget)
    columns = list(s.values())

    def tangent(point):
        at = profile(problem, np.clip(point, 0.0, 1.0))
        terms = gp.LinExpr(at.slopes.tolist(), columns)
        return theta >= at.value - float(at.slopes @ at.s) + terms

    model.addConstr(tangent(first.s))

    def callback(model, where):
        if where == GRB.Callback.MIPSOL:
            model.cbLazy(tangent(np.round(model.cbGetSolution(columns))))
        elif (
            where == GRB.Callback.MIPNODE
            and model.cbGet(GRB.Callback.MIPNODE_STATUS) == GRB.OPTIMAL
        ):
            model.cbLazy(tangent(np.array(model.cbGetNodeRel(columns))))

    started = time.perf_counter()
    model.optimize(callback)
    seconds = time.perf_counter() - started
    return seconds if model.Status == GRB.OPTIMAL else None


def gurobi_big_m(moments: Moments, budget: int, gap: float, limit: float) -> float | None:
    """A quadratic model with |gamma_k| <= M_k s_k, every M_k proved from a feasible support.

    Whatever is at most the incumbent lies in an ellipsoid of beta, which bounds each gamma_k.
    """
    import gurobipy as gp
    from gurobipy import GRB

    problem = Problem.from_moments(moments)
    n_clusters, n_columns = problem.x.shape
    value = solve(moments, budget, method="alternating").objective
    within = profile(problem, np.ones(n_clusters))
    weights = problem.n * problem.ridge / (problem.n + problem.ridge)
    matrix = problem.within_xx + problem.x.T @ (problem.x * weights[:, None])
    matrix += np.diag(problem.penalty)
    spread = np.einsum("ij,ji->i", problem.x, np.linalg.solve(matrix, problem.x.T))
    reach = np.sqrt(np.maximum(value - within.value, 0.0) * spread) * (1 + 1e-6)
    M = problem.n * (np.abs(within.residual) + reach) / (problem.n + problem.ridge)
    model = gp.Model()
    model.Params.OutputFlag = 0
    model.Params.Threads = 1
    model.Params.MIPGap = gap
    model.Params.TimeLimit = limit
    beta = model.addMVar(n_columns, lb=-GRB.INFINITY)
    gamma = model.addMVar(n_clusters, lb=-GRB.INFINITY)
    s = model.addMVar(n_clusters, vtype=GRB.BINARY)
    model.addConstr(s.sum() <= budget)
    model.addConstr(gamma <= M * s)
    model.addConstr(gamma >= -M * s)
    n, x, y = problem.n, problem.x, problem.y
    tXX = problem.within_xx + x.T @ (x * n[:, None]) + np.diag(problem.penalty)
    model.setObjective(
        beta @ tXX @ beta
        - 2 * (problem.within_xy + x.T @ (n * y)) @ beta
        + 2 * (beta @ (x * n[:, None]).T @ gamma)
        - 2 * (n * y) @ gamma
        + gamma @ np.diag(n + problem.ridge) @ gamma
        + problem.total
    )
    started = time.perf_counter()
    model.optimize()
    seconds = time.perf_counter() - started
    return seconds if model.Status == GRB.OPTIMAL else None


def abess_excess(moments: Moments, budget: int) -> tuple[float, float]:
    """Run abess with all covariates always selected, on rows with the same cross-products.

    Returns
    -------
    tuple of float
        Seconds; the objective of Eq. 5 at its support relative to ours, less 1.
    """
    from abess.linear import LinearRegression

    problem = Problem.from_moments(moments)
    n_clusters, n_columns = problem.x.shape
    # Rows about the cluster means, from the root of their products; then one row per cluster.
    products = np.block(
        [
            [problem.within_xx, problem.within_xy[:, None]],
            [problem.within_xy[None], np.array([[problem.within_yy]])],
        ]
    )
    values, vectors = np.linalg.eigh(products)
    inner = np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T
    root = np.sqrt(problem.n)[:, None]
    top = np.hstack([inner[:, :-1], np.zeros((n_columns + 1, n_clusters))])
    design = np.vstack([top, np.hstack([root * problem.x, np.diag(root[:, 0])])])
    outcome = np.concatenate([inner[:, -1], root[:, 0] * problem.y])
    always = list(range(n_columns))
    started = time.perf_counter()
    model = LinearRegression(
        support_size=n_columns + budget, always_select=always, fit_intercept=False, thread=1
    )
    model.fit(design, outcome, is_normal=False)
    seconds = time.perf_counter() - started
    s = (model.coef_[n_columns:] != 0).astype(float)
    assert s.sum() <= budget
    best = solve(moments, budget, gap=1e-6, time_limit=60.0)
    return seconds, profile(problem, s).value / best.objective - 1


def ours(moments: Moments, budget: int, gap: float, limit: float) -> float | None:
    """Time `solve` as a user calls it."""
    started = time.perf_counter()
    found = solve(moments, budget, gap=gap, time_limit=limit)
    seconds = time.perf_counter() - started
    return seconds if found.status == "optimal" else None


def scip_outer(moments: Moments, budget: int, gap: float, limit: float) -> float | None:
    """Time our outer approximation in SCIP."""
    found = solve(moments, budget, gap=gap, time_limit=limit, method="outer")
    return found.seconds if found.status == "optimal" else None


def show(name: str, target: str, seconds: list[float | None], limit: float) -> float | None:
    """Print one row of the table; return the median, None if a run was cut off."""
    solved = sorted(value for value in seconds if value is not None)
    if len(solved) < len(seconds):
        print(f"{name:58} {target:>10} {'> ' + format(limit, 'g') + ' s':>10}", flush=True)
        return None
    middle = statistics.median(solved)
    spread = f"{1e3 * solved[0]:.3g} to {1e3 * solved[-1]:.3g}"
    print(f"{name:58} {target:>10} {1e3 * middle:10.4g}   {spread}", flush=True)
    return middle


def against(name: str, peer: Callable, instances: list[Moments], mine: list, limit: float) -> None:
    """Print a peer's row and the ratio to ours, instance by instance."""
    theirs = [peer(each, each.n_clusters // 5, 1e-4, limit) for each in instances]
    show(f"   {name}", "", theirs, limit)
    # A run that was cut off counts as long as it lasted: the ratio is at least that.
    ratios = sorted((b or limit) / a for a, b in zip(mine, theirs) if a)
    more = "at least " if None in theirs else ""
    if ratios:
        print(
            f"   {'ratio to ours':55} {more}{statistics.median(ratios):.3g} times "
            f"({ratios[0]:.3g} to {ratios[-1]:.3g})",
            flush=True,
        )


def paper_sizes(repeats: int) -> None:
    """One fit of the paper's own problems, all scenarios of each size."""
    for dimension, target in (("low", "2"), ("medium", "4"), ("high", "8")):
        times = []
        for scenario in scenarios():
            if scenario.dimension != dimension:
                continue
            for replication in range(repeats):
                train = simulate(scenario, replication_rng(scenario, replication)).train
                started = time.perf_counter()
                moments = Moments.from_arrays(train.X, train.y, train.clusters)
                budget = min(scenario.n_nonzero, scenario.n_clusters - 1)
                solve(moments, budget, gap=1e-6)
                times.append(time.perf_counter() - started)
        show(f"paper's {dimension}, moments and one fit, gap 1e-6", target, times, 60.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds for each run of a peer")
    parser.add_argument("--largest", type=int, default=100_000)
    options = parser.parse_args()
    try:
        import gurobipy

        gurobipy.setParam("OutputFlag", 0)
        peers = {"Gurobi, paper's cuts": gurobi_outer, "Gurobi, big-M": gurobi_big_m}
    except ImportError:
        peers = {}
        print("gurobipy is not installed: its rows are left out (pip install gurobipy).")
    peers["SCIP, our outer"] = scip_outer
    try:
        import abess
    except ImportError:
        abess = None
        print("abess is not installed: its rows are left out (pip install abess).")
    print(f"{'instance':58} {'target, ms':>10} {'median, ms':>10}   spread, ms")
    paper_sizes(options.repeats)
    small = [(50, False, 0), (50, True, 0), (100, True, 0), (50, True, 1), (200, True, 1)]
    targets = {(50, True, 1): "5000", (200, True, 1): "30000"}
    for n_clusters, intercept, flat in small:
        instances = [
            ambiguous(n_clusters, intercept=intercept, flat=flat, seed=seed)
            for seed in range(options.repeats)
        ]
        mine = [ours(each, n_clusters // 5, 1e-4, 60.0) for each in instances]
        name = f"K = {n_clusters}, {'intercept' if intercept else 'no intercept'}"
        name += f", {flat} constant within clusters" if flat else ""
        show(f"{name}, gap 1e-4", targets.get((n_clusters, intercept, flat), ""), mine, 60.0)
        if abess is not None:
            pairs = [abess_excess(each, n_clusters // 5) for each in instances]
            show("   abess, a heuristic", "", [pair[0] for pair in pairs], 60.0)
            excess = sorted(pair[1] for pair in pairs)
            print(f"   {'its objective above ours':55} {excess[0]:.2%} to {excess[-1]:.2%}")
        if flat or n_clusters > 100:
            continue
        for label, peer in peers.items():
            try:
                against(label, peer, instances, mine, options.limit)
            except Exception as error:  # a licence that is too small says so in its own type
                print(f"   {label}: {error}")
    large = [(10_000, 20, "100", "1500"), (100_000, 20, "500", "10000")]
    large.append((1_000_000, 10, "5000", "60000"))
    for n_clusters, n_rows, without, with_ in large:
        if n_clusters > options.largest:
            break
        for intercept, target in ((False, without), (True, with_)):
            moments = ambiguous(n_clusters, intercept=intercept, n_rows=n_rows)
            times = [ours(moments, n_clusters // 5, 1e-4, 120.0) for _ in range(options.repeats)]
            name = f"K = {n_clusters:,}, N = {n_clusters * n_rows:,}, "
            name += f"{'intercept' if intercept else 'no intercept'}, gap 1e-4"
            show(name, target, times, 120.0)


if __name__ == "__main__":
    main()
