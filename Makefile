# `make demo` and `make test` need Python 3.11 or newer and set up the rest in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bounds processors campaign docs lowest lint clean
.DELETE_ON_ERROR:

demo: .venv/demo.stamp
	$(BIN)/xfeldask demo demo --overwrite

# every process of the tests imports the package and all that it needs: compiled to bytecode once, and not by each again
unexport PYTHONDONTWRITEBYTECODE

# kernels are compiled once, before several workers need them. Types are checked beside that and the first tests: without
# what mypy keeps it takes longer than to compile, and a core would wait for it. Three workers keep two cores busy, as one
# of them drives a browser that works beside it, and each more imports and collects all for ten seconds
test: .venv/test.stamp
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; \
	$(BIN)/python -m tests.warm && $(BIN)/python -m pytest -n 3 --dist worksteal; tested=$$?; \
	wait $$types || { echo "types: mypy says above what is wrong" >&2; exit 1; }; \
	exit $$tested

# tests that give kernels small shapes, and what they were not made for, where one that indexes outside of an array fails
bounds: .venv/test.stamp
	$(BIN)/python -m tests.on_processors bounds

# tests that rounding could change, with the kernels, threads and reduced dispatch that other processors would choose
processors: .venv/test.stamp
	$(BIN)/python -m tests.on_processors

# all tests, those that are too long for every day among them, and many more examples of each property
campaign: .venv/test.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "" --hypothesis-profile=campaign

# the site: executes its notebooks, fails on any warning and on any request to the outside
docs: .venv/docs.stamp
	$(BIN)/python -m sphinx -b html -W --keep-going docs docs/_build/html

# the lower bounds of pyproject.toml, installed by uv, hold for tests that touch each of them; old packages warn of new ones
LOWEST := tests/test_dependencies.py tests/test_openings.py tests/config tests/formats/test_cxi_out.py tests/formats/test_emc.py \
	tests/store/test_checks.py tests/latent/test_ipca.py tests/explorer/test_page.py tests/work
lowest: .venv/lowest.stamp
	.venv/lowest/bin/python -m pytest -q -W default $(LOWEST)

lint: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv demo docs/_build docs/reference/generated

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xfeldask needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[explorer]'
	touch $@

.venv/test.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev,explorer,skopi]'
	touch $@

.venv/docs.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[docs,explorer]'
	touch $@

.venv/lowest.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/lowest
	$(BIN)/uv pip install --quiet --python .venv/lowest/bin/python --resolution lowest-direct --editable '.[dev,explorer]'
	touch $@
