"""What the notebook checks (nbval) need to know, and what the summary of a test run adds."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler.loadfile import LoadFileScheduling

import scs
from scs.book.chapters import all_chapters, left_out_message, missing_data

ROOT = Path(__file__).parent

# Compared by nbval are a chart's specification and description, not its picture: fonts differ
# between machines. Progress bars go to stderr.
NOT_COMPARED = ("stderr", "application/papermill.record/image/png")

# How fast a machine is decides no test: what a test draws may take its time ...
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# ... and who gives no time limit has an hour to prove what the test asks for.
_HOUR = 3600.0
_KERNEL = 600.0  # seconds to begin, and to hand over what a cell has printed
_TIMED = (
    scs.solve,
    scs.fit,
    scs.detect_outliers,
    scs.FittedModel.path,
    scs.SignificantClusterRegressor.__init__,
    scs.SignificantClusterRegressorCV.__init__,
)


@pytest.fixture(scope="session", autouse=True)
def _patience() -> None:
    for function in _TIMED:
        inspect.unwrap(function).__kwdefaults__["time_limit"] = _HOUR


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "nbval_kernel_startup_timeout"):
        config.option.nbval_kernel_startup_timeout = _KERNEL


def pytest_itemcollected(item: pytest.Item) -> None:
    if hasattr(item, "output_timeout"):  # a cell's, once the kernel says that it has ended
        item.output_timeout = _KERNEL


def pytest_collectstart(collector: pytest.Collector) -> None:
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out a notebook whose data is not on this machine (the summary says so)."""
    if collection_path.suffix != ".ipynb" or collection_path.parent != ROOT / "notebooks":
        return None
    notebook = nbformat.read(collection_path, as_version=nbformat.NO_CONVERT)
    return True if missing_data(notebook) else None


class ByFileAndPage(LoadFileScheduling):
    """Give workers whole files (fixtures, kernels), but the built pages one by one."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        return f"{file}[{test.partition('[')[2]}" if file.endswith("test_pages.py") else file


@pytest.hookimpl(optionalhook=True)  # unknown where xdist is switched off
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFileAndPage | None:
    return ByFileAndPage(config, log) if config.option.dist == "loadfile" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _left_out():
        terminalreporter.write_line(line, yellow=True)
    counts = _page_counts(terminalreporter)
    if counts:
        text = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        terminalreporter.write_line(f"seen in Chromium, network cut: {text}")
    for reason, count in sorted(_left_out_checks(terminalreporter).items()):
        terminalreporter.write_line(f"SKIPPED CHECK ({count} tests): {reason}", yellow=True)


def _left_out() -> list[str]:
    missing = {chapter: missing_data(chapter.read()) for chapter in all_chapters(ROOT)}
    return [left_out_message(chapter, names) for chapter, names in missing.items() if names]


def _page_counts(terminalreporter: pytest.TerminalReporter) -> Counter:
    counts: Counter = Counter()
    for report in terminalreporter.stats.get("passed", []):
        if "test_pages" in report.nodeid:
            counts.update(dict(report.user_properties))
    return counts


def _left_out_checks(terminalreporter: pytest.TerminalReporter) -> Counter:
    """Return why checks were left out for want of Chromium or of a data set, and how many."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
    )
    wanted = ("Chromium", "data set")
    return Counter({why: n for why, n in reasons.items() if any(word in why for word in wanted)})
