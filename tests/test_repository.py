"""The files around the package say what is true."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from browser import toc_pages
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = "uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras"


def _locked() -> dict[str, list[Requirement]]:
    locked: dict[str, list[Requirement]] = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(" "):
            requirement = Requirement(line.removesuffix(" \\"))
            locked.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return locked


def _ranges() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = [Requirement(text) for group in groups for text in group]
    return [each for each in wanted if each.name != project["name"]]  # an extra within another


def _tracked() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("not a git checkout: which files belong to it is not known")
    return [path for name in result.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_every_requirement_is_pinned_exactly():
    for requirements in _locked().values():
        for requirement in requirements:
            assert [s.operator for s in requirement.specifier] == ["=="], requirement
            assert requirement.url is None


def test_every_pin_has_the_hashes_of_its_files():
    """One of wheels alone would do on one system and fail on another: most have several files."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text)
    assert len(entries) == sum(map(len, _locked().values()))
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry.splitlines()[0]
    assert "--require-hashes -r requirements.txt" in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize("wanted", _ranges(), ids=str)
def test_pins_are_inside_the_ranges(wanted):
    pins = _locked().get(canonicalize_name(wanted.name), [])
    assert pins, f"{wanted.name} is not in requirements.txt: run `make lock`"
    for pin in pins:
        (version,) = (specifier.version for specifier in pin.specifier)
        assert wanted.specifier.contains(version, prereleases=True), f"{pin} is not in {wanted}"


def test_no_file_names_a_place_on_one_machine():
    places = re.compile(r"(?:^|[\s\"'(=])(/(?:home|root|work|Users|mnt)/[\w.-]+)", re.MULTILINE)
    for path in _tracked():
        if path.suffix in {".md", ".py", ".yml", ".toml", ".txt", ".cff", ".ipynb", ".js", ".css"}:
            found = places.findall(path.read_text(encoding="utf-8"))
            assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_pages_of_the_contents_exist():
    for name in toc_pages():
        files = [ROOT / f"{name}{ending}" for ending in (".md", ".ipynb")]
        assert any(file.exists() for file in files), name


def test_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)
    paper = citation["preferred-citation"]
    names = [author["family-names"] for author in paper["authors"]]
    assert names == ["Sankaranarayanan", "Hossain", "Chen"]
    assert {"type": "other", "value": "arXiv:2302.03157"}.items() <= paper["identifiers"][0].items()


def test_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]


def test_release_for_zenodo_says_the_same_as_the_citation():
    release = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for key in ("title", "version", "license", "keywords"):
        assert release[key] == citation[key], key
    names = [author["name"] for author in citation["authors"]]
    assert [creator["name"] for creator in release["creators"]] == names
    (paper,) = release["related_identifiers"]
    assert paper["identifier"] == citation["preferred-citation"]["identifiers"][0]["value"]


def test_lock_command_is_the_same_in_the_guide_and_the_makefile():
    assert LOCK in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert LOCK in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_workflow_parses_and_calls_make():
    workflows = list((ROOT / ".github" / "workflows").glob("*.yml"))
    assert workflows
    for path in workflows:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        steps = {name: job["steps"] for name, job in workflow["jobs"].items()}
        commands = [step.get("run", "") for job in steps.values() for step in job]
        assert any("make " in command for command in commands), path.name
        for action in [step["uses"] for job in steps.values() for step in job if "uses" in step]:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action), f"{action}: pin a commit"
        assert workflow["permissions"] == {"contents": "read"}, "rights belong to the job"
        for name, job in workflow["jobs"].items():
            writes = "write" in job.get("permissions", {}).values()
            tests = any("make test" in step.get("run", "") for step in steps[name])
            assert not (writes and tests), f"{name} runs tests with a right to write"


def test_binder_installs_the_pinned_environment_and_the_package():
    lines = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert wanted == ["-r ../requirements.txt"]  # hashes leave no room for a folder beside them
    after = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    assert after.startswith("#!") and "pip install --no-deps -e ." in after
    assert (ROOT / "binder" / "postBuild").stat().st_mode & 0o111
    runtime = (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(runtime.removeprefix("python-"))


def test_the_licence_of_every_dependency_is_allowed():
    """The list of allowed ones is in pyproject.toml; pip-licenses fails on any other."""
    command = [Path(sys.executable).with_name("pip-licenses")]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    none = subprocess.run(
        [*command, "--allow-only=none"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert none.returncode == 1


def test_the_map_has_every_room():
    table = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## ")[1]
    named = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers, _ = project["tool"]["importlinter"]["contracts"]
    assert named == [room for room in reversed(layers["layers"]) if room != "__main__"]
    assert set(named) == {path.parent.name for path in (ROOT / "scs").glob("*/__init__.py")}


def test_files_that_the_map_names_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for name in re.findall(r"\b[\w/]+/\w+\.py\b", text):
        assert any((ROOT / base / name).is_file() for base in ("", "scs")), name


def test_hooks_run_what_make_lint_runs():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\nlint:")[1].split("\n\n")[0]
    commands = re.findall(r"^\t@\$\(BIN\)/(.*)$", recipe, flags=re.MULTILINE)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in hooks] == commands
