"""What says again what pyproject.toml says: the citation and the conda recipe; and completion in shells."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.shell_completion import BashComplete, get_completion_class

from xfeldask import __version__, cli

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CONDA = {"dask[array]": "dask-core", "matplotlib": "matplotlib-base"}
"""Where a package of conda-forge is called otherwise."""


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def conda(requirements: list[str]) -> list[str]:
    """Requirements as a recipe writes them."""
    found = (re.match(r"([\w.\[\]-]+)(.*)", text) for text in requirements)
    return [f"{CONDA.get(name, name)} {bound}" for name, bound in (match.groups() for match in found)]


def test_citation__has_what_the_format_asks_and_the_version() -> None:
    told = read("CITATION.cff")
    assert told["cff-version"] == "1.2.0"
    assert told["type"] == "software"
    assert all(isinstance(told[key], str) and told[key] for key in ("message", "title", "abstract"))
    assert told["authors"]
    assert all(author.keys() & {"name", "family-names"} for author in told["authors"])
    assert told["version"] == __version__
    assert told["license"] == PROJECT["license"]


def test_recipe__asks_for_what_pyproject_asks_for() -> None:
    told = read("recipe/recipe.yaml")
    assert told["context"]["version"] == __version__
    python = f"python {PROJECT['requires-python']}"
    assert told["requirements"]["run"] == [python, *conda(PROJECT["dependencies"])]
    assert told["requirements"]["run_constraints"] == conda(PROJECT["optional-dependencies"]["explorer"])
    scripts = [f"{name} = {target}" for name, target in PROJECT["scripts"].items()]
    assert told["build"]["python"]["entry_points"] == scripts
    assert told["about"]["license"] == PROJECT["license"]
    assert told["about"]["summary"] == PROJECT["description"]


def test_bounds__are_lower_ones_alone() -> None:
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    bounded = [text for text in [*PROJECT["dependencies"], *extras] if not text.startswith("xfeldask[")]
    assert [text for text in bounded if not re.fullmatch(r"[\w.-]+(\[\w+\])?>=[\d.]+", text)] == []


@pytest.mark.parametrize(("line", "expected"), [("em", "embed"), ("simulate --part", "--particle")])
def test_completion__knows_commands_and_options(line: str, expected: str) -> None:
    *before, last = line.split(" ")
    found = BashComplete(cli.commands, {}, "xfeldask", "_XFELDASK_COMPLETE").get_completions(before, last)
    assert expected in [item.value for item in found]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion__of_a_shell_asks_the_command_that_the_page_names(shell: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind.source_template % kind(cli.commands, {}, "xfeldask", "_XFELDASK_COMPLETE").source_vars()
    assert f"_XFELDASK_COMPLETE={shell}_complete" in script
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    assert f"_XFELDASK_COMPLETE={shell}_source xfeldask" in page
