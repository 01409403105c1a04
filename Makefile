# `make demo` and `make test` need Python 3.11 or newer and set up the rest in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test campaign lint clean
.DELETE_ON_ERROR:

demo: .venv/demo.stamp
	$(BIN)/xfeldask demo demo --overwrite

test: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 3 --dist worksteal

# all tests, those that are too long for every day among them, and many more examples of each property
campaign: .venv/test.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "" --hypothesis-profile=campaign

lint: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv demo

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xfeldask needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[explorer]'
	touch $@

.venv/test.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev,explorer,skopi]'
	touch $@
