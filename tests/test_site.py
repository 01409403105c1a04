"""The site: every page is in a table of contents, links lead somewhere, cells are Python, numbers match the package."""

from __future__ import annotations

import ast
import re
from functools import cached_property
from pathlib import Path

import pytest

import xfeldask
from xfeldask.features.feature import Feature
from xfeldask.schema import BACKGROUND, LATENT, RECONSTRUCTION, VARIABLES
from xfeldask.scores import Confusion

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if not {"_build", "generated"} & set(page.relative_to(DOCS).parts))
WRITTEN = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "llms.txt"))]
TUTORIALS = [page for page in PAGES if "file_format: mystnb" in page.read_text("utf-8")]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
CELL = re.compile(r"```\{code-cell\} ipython3\n(.*?)```", re.DOTALL)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def listed(page: Path) -> list[Path]:
    """Pages that the tables of contents of a page name."""
    lines = [line for tree in TREE.findall(page.read_text("utf-8")) for line in tree.splitlines()]
    names = [re.sub(r".*<(.*)>", r"\1", line) for line in lines if line and not line.startswith(":")]
    return [page.parent / f"{found}.md" for found in names]


def cells(page: Path) -> list[str]:
    return [re.sub(r"^:.*\n", "", cell, flags=re.MULTILINE) for cell in CELL.findall(page.read_text("utf-8"))]


def test_pages__are_each_in_one_table_of_contents() -> None:
    found = sorted(page for parent in PAGES for page in listed(parent))
    assert found == [page for page in PAGES if page != DOCS / "index.md"]


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_links__of_a_page_lead_to_files_that_are_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    targets = [link.partition("#")[0] for link in LINK.findall(text) if "://" not in link]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", TUTORIALS, ids=name)
def test_cells__are_python_that_imports_only_what_is_public(page: Path) -> None:
    found = cells(page)
    assert found
    for cell in found:
        if cell.startswith("%%bash\n"):
            continue
        for node in ast.walk(ast.parse(cell)):
            if isinstance(node, ast.ImportFrom) and node.module == "xfeldask":
                assert {alias.name for alias in node.names} <= {*xfeldask.__all__, "__version__"}


def test_tutorials__are_all_notebooks() -> None:
    tutorials = {page for page in PAGES if page.parent.name == "tutorials" and page.name != "index.md"}
    assert tutorials
    assert tutorials <= set(TUTORIALS)


def test_api__lists_every_public_name() -> None:
    text = (DOCS / "reference" / "api.md").read_text("utf-8")
    listed = set(re.findall(r"^ {3}~xfeldask\.(\w+)$", text, re.MULTILINE))
    assert listed == set(xfeldask.__all__) - {"scores"}


def test_store_page__has_a_table_of_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from schema_tables import groups, row

    found = [variable for group in groups().values() for variable in group]
    assert sorted(v.name for v in found) == sorted([*VARIABLES, *LATENT, *BACKGROUND, *RECONSTRUCTION])
    text = (DOCS / "reference" / "store.md").read_text("utf-8")
    assert set(re.findall(r"^```\{variables\} (\w+)$", text, re.MULTILINE)) == set(groups())
    assert row(VARIABLES["mask"]) == ("mask", "panel, ss, fs", "uint8", "1", "pixels that count: 0 bad, 1 good")


def test_outside_requests__are_found_in_pages_and_style_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from offline import outside_requests

    links = '<a href="https://a.org">a</a><link rel="canonical" href="https://b.org"><img src="c.png">'
    asks = '<script src="https://d.org/d.js"></script><link rel="stylesheet" href="//e.org/e.css">'
    (tmp_path / "page.html").write_text(links + asks + '<style>@import "https://f.org/f.css";</style>')
    (tmp_path / "sheet.css").write_text("a { background: url(data:x) } b { src: url('https://g.org/g.woff') }")
    found = [address for _, address in outside_requests(tmp_path)]
    assert found == ["https://d.org/d.js", "//e.org/e.css", "https://f.org/f.css", "https://g.org/g.woff"]


def test_prose__joins_what_runs_on_in_a_parameter_and_in_a_returned_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from prose import joined  # type: ignore[import-not-found]

    told = """
    Parameters
    ----------
    s : array, where
        it lies

    Returns
    -------
    Dataset, with this
    and that

    Raises
    ------
    InputError
        Something.
    """
    lines = [line.removeprefix("    ") for line in told.splitlines()]
    found = [line for line in joined(lines) if line.strip() and not line.startswith("--")]
    expected = ["Parameters", "s : array, where it lies", "Returns", "Dataset, with this and that", "Raises"]
    assert found == [*expected, "InputError", "    Something."]
    named = ["Returns", "-------", "a : int", "b : int, which", "    is told"]
    assert joined(named) == named


def test_properties__have_a_first_line_without_a_colon() -> None:
    """What stands before one would be taken for a type by the reference."""
    classes = [thing for name in xfeldask.__all__ if isinstance(thing := getattr(xfeldask, name), type)]
    told = {
        f"{kind.__name__}.{name}": line.splitlines()[0]
        for kind in (*classes, Confusion, Feature)
        for name, member in vars(kind).items()
        if isinstance(member, property | cached_property) and (line := member.__doc__)
    }
    assert len(told) > 30
    assert {name: line for name, line in told.items() if ": " in line} == {}
