# Every command that the book needs; the same ones run on the build machines.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# One thread per process: tests and notebooks run side by side, and sums come out the same anywhere.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help book test quick coverage reproduce notebooks stale new-chapter reference mutation mutants serve lint bench pdf pictures licences dist lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

# Made again only when the requirements or the package's own metadata change.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "$(PYTHON) is not Python 3.11 to 3.13. Name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "environment: .venv (a minute or two the first time)"
	@$(PYTHON) -m venv .venv || \
	  { echo "no venv module. On Debian: apt install python3-venv" >&2; exit 2; }
	@# Half the time of an install is byte-compiling; Python does that itself for what is imported.
	@$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

book: $(READY) ## the HTML book from the stored outputs; its address is the last line
	@rm -rf _build/html _build/.doctrees _build/jupyter_execute _build/scs_static
	@$(BIN)/jupyter-book build . -W --keep-going --quiet
	@$(BIN)/python -c 'from pathlib import Path; print(Path("_build/html/index.html").resolve().as_uri())'

test: $(READY) lint book ## everything: style, unit tests, notebooks, the built pages
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --nbval --nbval-current-env tests notebooks

quick: $(READY) ## unit tests without the slow ones, the notebooks and the pages: below two minutes
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow" tests

coverage: $(READY) ## the lines and branches of scs that unit tests reach, by file
	@$(BIN)/coverage run -m pytest -q -m "not slow" tests
	@$(BIN)/coverage report

# What a stopped run had finished is kept in _build/experiment until the run is whole.
reproduce: $(READY) ## recompute every number from nothing, rebuild, say what moved
	@mkdir -p _build
	@$(BIN)/scs results | tee _build/moved.txt
	@$(BIN)/scs execute | tee -a _build/moved.txt
	@$(MAKE) --no-print-directory book
	@echo; echo "What moved:"; cat _build/moved.txt

notebooks: $(READY) ## run every chapter and store its outputs
	@$(BIN)/scs execute

stale: $(READY) ## run the chapters whose source or code changed since they were stored
	@$(BIN)/scs execute --stale

new-chapter: $(READY) ## NAME=costs: begin a chapter from the template, and run it
	@$(BIN)/scs new-chapter "$(NAME)"

reference: $(READY) ## a page for every public object, listed in _toc.yml
	@$(BIN)/python book/reference.py

mutation: $(READY) ## a changed noise variance must fail the chapters that read it, and no other
	@$(BIN)/python tests/mutation.py

mutants: $(READY) ## small faults in a copy of the code, one at a time: which ones no test notices
	@$(BIN)/python tests/mutants.py

serve: book ## the book at http://127.0.0.1:8000
	@$(BIN)/python -m http.server --directory _build/html --bind 127.0.0.1 8000

lint: $(READY) ## style, which room imports from which, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

bench: $(READY) ## the measurements in benchmarks/
	@shopt -s nullglob; files=(benchmarks/*.py); \
	if [ $${#files[@]} = 0 ]; then echo "no benchmarks yet"; fi; \
	for file in "$${files[@]}"; do echo "== $$file"; $(BIN)/python "$$file"; done

pdf: $(READY) ## the book as one PDF, printed by Chromium: _build/book.pdf
	@rm -rf _build/singlehtml _build/.doctrees
	@$(BIN)/jupyter-book build . --builder singlehtml -W --keep-going --quiet >/dev/null
	@$(BIN)/python tests/pdf.py

pictures: book ## every page as a picture: desktop and phone, light and dark
	@$(BIN)/python tests/pictures.py

licences: $(READY) ## the licence of every dependency; fails on one that is not allowed
	@$(BIN)/pip-licenses

# What a release is made of, and what it was tested with.
dist: $(READY) ## wheel, source archive and bill of materials, in dist/
	@rm -rf dist && $(BIN)/python -m build --quiet
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-format JSON -o dist/sbom.cdx.json $(BIN)/python
	@ls -l dist

lock: ## pin every version in requirements.txt anew
	@$(PYTHON) -m venv _build/lock && _build/lock/bin/python -m pip install --quiet uv
	_build/lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras \
	  --no-emit-index-url --no-header --generate-hashes --upgrade --quiet -o requirements.txt

clean: ## remove what was built (the environment stays: rm -rf .venv)
	@rm -rf _build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .coverage
