"""A change of one constant must fail the stored outputs of the chapters that depend on it, alone.

    python tests/mutation.py                            the noise variance of the simulations
    python tests/mutation.py --value 0.4 laplace        another value, one chapter

What "depend" means here: while the chapter runs, its code or code of `scs` reads the constant, or
an attribute that carries it; checking it when an object is made (`__post_init__`) is not reading.
That is found apart from any output: in a copy of the package every such reading is noted. The copy
has the changed constant too, and nbval compares the chapters with their stored outputs there. The
two sets must be equal, and lie among the chapters that `scs execute --stale` would name, which go
by names in the code and so may be more.

Chapters that read the stored simulation depend on the constant through it. So the changed copy gets
a stored simulation of its own first (some ten minutes), if a chapter to be checked reads one, and
reading that counts as reading.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scs.book.chapters import Chapter, all_chapters, find_chapter, left_out_message, missing_data
from scs.paper.provenance import code_behind

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("scs", "notebooks", "data", "conftest.py", "pyproject.toml", "_toc.yml")

# What the copied package says whenever the constant is read. A parameter of the same name that was
# given another value does not carry the constant.
WATCH = '''"""Notes that a constant was read."""
import os
from pathlib import Path

def note(value):
    if callable(value) or value == VALUE:
        Path(os.environ["SCS_READINGS"]).touch()
    return value
'''


@dataclass(frozen=True)
class Change:
    """A constant of a module, its new value, and the names under which it is read elsewhere."""

    module: str = "scs.paper.simulate"
    constant: str = "NOISE_VAR"
    value: str = "0.6"
    carried: tuple[str, ...] = ("noise_var", "read_stored")

    @property
    def names(self) -> set[str]:
        """All names that mean the constant."""
        return {self.constant, *self.carried}


@dataclass(frozen=True)
class Result:
    """What one chapter did with the changed constant."""

    chapter: Chapter
    reads: bool
    fails: bool
    named: bool  # leads to the constant by names, so it would be stale


class _Watched(ast.NodeTransformer):
    """Wraps every reading of a name, as a variable inside a function or as an attribute."""

    def __init__(self, names: set[str]):
        self.names, self.depth, self.found = names, 0, False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name.startswith("__"):
            return node
        self.depth += 1
        node.body = [self.visit(statement) for statement in node.body]
        self.depth -= 1
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        return self._noted(node, node.attr)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._noted(node, node.id)

    def _noted(self, node: ast.expr, name: str) -> ast.AST:
        if name not in self.names or not self.depth or not isinstance(node.ctx, ast.Load):
            return node
        self.found = True
        return ast.Call(ast.parse("__import__('scs._watch')._watch.note").body[0].value, [node], [])


def changed_copy(folder: Path, change: Change, root: Path = ROOT) -> None:
    """Copy the package and the chapters, with the constant changed and its readings noted."""
    for part in PARTS:
        if (root / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "raw", ".ipynb_checkpoints")
            shutil.copytree(root / part, folder / part, ignore=ignored)
        elif (root / part).exists():
            shutil.copyfile(root / part, folder / part)
    watch = WATCH.replace("VALUE", change.value)
    (folder / "scs" / "_watch.py").write_text(watch, encoding="utf-8")
    _set_constant(folder / f"{change.module.replace('.', '/')}.py", change)
    for path in (folder / "scs").rglob("*.py"):
        watched = _Watched(change.names)
        tree = watched.visit(ast.parse(path.read_text(encoding="utf-8")))
        if watched.found:
            path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")


def _set_constant(path: Path, change: Change) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == change.constant:
            node.value = ast.parse(change.value, mode="eval").body
            path.write_text(ast.unparse(tree), encoding="utf-8")
            return
    raise SystemExit(f"{change.module}: no line `{change.constant} = ...`. Name another constant.")


def in_copy(folder: Path, readings: Path) -> dict[str, str]:
    """Return the environment in which the changed copy is imported and notes its readings."""
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": paths, "SCS_READINGS": str(readings)}


def store_simulation(folder: Path) -> None:
    """Have the changed copy make the simulation that chapters read."""
    code = "from pathlib import Path; from scs.book.results import make_results; "
    code += "print(*make_results(Path.cwd(), ('simulation',)))"
    environment = in_copy(folder, folder / "simulation.read")
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)


def checked(folder: Path, chapter: Chapter, change: Change) -> Result:
    """Compare a chapter's stored outputs with those of the changed copy."""
    readings = folder / f"{chapter.stem}.read"
    environment = in_copy(folder, readings)
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-x", "-q"]
    command += ["-p", "no:cacheprovider", f"notebooks/{chapter.stored.name}"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{chapter.stem}: pytest ended with {done.returncode}\n{done.stdout}")
    code = code_of(chapter)
    return Result(
        chapter,
        reads=readings.exists() or bool(names_in(code) & change.names),
        fails=done.returncode == 1,
        named=change.constant in code_behind(code),
    )


def code_of(chapter: Chapter) -> str:
    return "\n".join(c.source for c in chapter.read().cells if c.cell_type == "code")


def names_in(code: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(code)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in nodes if isinstance(node, ast.Name)}


def wrong(results: list[Result]) -> list[str]:
    """Say which chapters contradict the claim, and how."""
    sentences = []
    for each in results:
        if each.fails and not each.reads:
            sentences.append(f"{each.chapter.stem} fails and does not read the constant")
        if each.reads and not each.fails:
            sentences.append(f"{each.chapter.stem} reads the constant and still passes")
        if each.reads and not each.named:
            sentences.append(f"{each.chapter.stem} reads the constant and would not be stale")
    return sentences


def main(argv: list[str] | None = None) -> int:
    """Check the chapters named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--value", default=Change.value)
    arguments = parser.parse_args(argv)
    change = Change(value=arguments.value)
    chapters = [find_chapter(ROOT, name) for name in arguments.chapters] or all_chapters(ROOT)
    for chapter in list(chapters):
        if missing := missing_data(chapter.read()):
            print(left_out_message(chapter, missing))
            chapters.remove(chapter)

    folder = ROOT / "_build" / "mutation"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    changed_copy(folder, change)
    if any("read_stored" in code_behind(code_of(each)) for each in chapters):
        store_simulation(folder)
    results = []
    with ThreadPoolExecutor(2) as pool:
        for each in pool.map(lambda chapter: checked(folder, chapter, change), chapters):
            words = ["reads it" if each.reads else "does not read it"]
            words += ["leads to it by names"] if each.named and not each.reads else []
            verdict = "FAILS" if each.fails else "passes"
            print(f"{each.chapter.stem:<20} {verdict:<6}  {', '.join(words)}", flush=True)
            results.append(each)
    n_fail = sum(each.fails for each in results)
    print(f"{change.constant} = {change.value}: {n_fail} of {len(results)} chapters fail")
    problems = wrong(results)
    print("\n".join(problems) or "exactly those that read it")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
