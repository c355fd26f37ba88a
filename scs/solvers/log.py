"""The log of a solve: a step whenever incumbent or bound moved, printed like a MIP solver's."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from scs.solvers.solution import Step, relative_gap

_EVERY = 0.5  # seconds between printed lines of a solver whose steps take microseconds


@dataclass
class Log:
    """Keeps the steps of one solve.

    Attributes
    ----------
    started : float
        Of the solve, by `time.perf_counter`.
    verbose : bool
        Print the steps.
    steps : list of Step
    """

    started: float
    verbose: bool = False
    steps: list[Step] = field(default_factory=list)
    printed: float | None = None

    def __call__(
        self, objective: float, bound: float, nodes: int, *, cuts: int = 0, left: int | None = None
    ) -> None:
        """Note the state if incumbent or bound moved.

        Parameters
        ----------
        objective, bound, nodes, cuts
            See `Step`.
        left : int, optional
            Open nodes, which are printed in the place of cuts by a solver that has none. It prints
            twice a second at most, and its first and last step.
        """
        last = self.steps[-1] if self.steps else None
        if last and last.objective == objective and last.bound == bound:
            return
        step = Step(time.perf_counter() - self.started, objective, bound, nodes, cuts)
        self.steps.append(step)
        if self.verbose and not (left and last and self._just_printed(step.seconds)):
            self._print(step, left)

    def _just_printed(self, seconds: float) -> bool:
        return self.printed is not None and seconds < self.printed + _EVERY

    def _print(self, step: Step, left: int | None) -> None:
        third, counted = ("cuts", step.cuts) if left is None else ("left", left)
        if self.printed is None:
            print(f"{'seconds':>8} {'nodes':>8} {third:>7} {'objective':>14} {'bound':>14} gap")
        self.printed = step.seconds
        gap = relative_gap(step.objective, step.bound)
        print(
            f"{step.seconds:8.2f} {step.nodes:8d} {counted:7d} {step.objective:14.8g} "
            f"{step.bound:14.8g} {gap:.2e}",
            flush=True,
        )
