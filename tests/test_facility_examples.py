"""Examples for DAMNIT and LUTE as those run them, with small stand-ins for the two where they are not installed."""

from __future__ import annotations

import importlib
import runpy
import sys
from functools import partial
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from tests.formats import cxi_writer
from xfeldask import open_dataset, select
from xfeldask.cli import commands
from xfeldask.report.processing import process

COUNT = count()
EXAMPLES = Path(__file__).parent.parent / "examples"


class Skip(Exception):  # noqa: N818
    """What a variable raises that has nothing to tell."""


def variable(**about: Any) -> Any:
    """Stand-in for the decorator `Variable`."""

    def kept(function: Any) -> Any:
        return SimpleNamespace(func=function, **about)

    return kept


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The context file; DAMNIT hands variables what their annotations name."""
    made = ModuleType("damnit_ctx")
    vars(made).update(Variable=variable, Skip=Skip, Cell=lambda data, **about: SimpleNamespace(data=data, **about))
    monkeypatch.setitem(sys.modules, "damnit_ctx", made)
    return runpy.run_path(str(EXAMPLES / "damnit" / "context.py"))


def test_damnit__shows_what_became_of_a_run(
    context: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(process, sort="elliptic_envelope", n_components=2)
    monkeypatch.setattr("xfeldask.process", small, raising=False)
    monkeypatch.setattr("xfeldask.report.processing.report", lambda *a, **k: tmp_path / "r0042_report.html")
    hits = tmp_path / context["HITS"]
    hits.mkdir(parents=True)
    cxi_writer.write_euxfel(hits / "r0042_hits.cxi", cxi_writer.frames(40))
    summary = context["sorted_hits"].func(None, 42, str(tmp_path))
    assert summary["store"] == str(tmp_path / context["STORES"] / "r0042.zarr")
    assert context["hits"].func(None, summary) == 40
    cell = context["single_hits"].func(None, summary)
    assert cell.data == summary["single"] > 20
    assert (cell.summary_value, cell.background) == (f"{cell.data} ({cell.data / 40:.0%})", "#d8f0d8")
    shown = context["powder"].func(None, summary)
    images = open_dataset(summary["store"]).image[select(summary["store"], "is_single")]
    np.testing.assert_allclose(shown, images.values.mean(axis=0)[::-1], rtol=1e-6)
    assert context["report"].func(None, summary) == str(tmp_path / "r0042_report.html")
    assert [name for name in ("hits", "single_hits", "powder", "report") if not context[name].cluster] == []


def test_damnit__skips_a_run_without_hits(context: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Skip, match=r"there is no .*r0007_hits\.cxi"):
        context["sorted_hits"].func(None, 7, str(tmp_path))


@pytest.fixture
def parameters(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model of the parameters, made as LUTE makes it: with the first version of pydantic."""
    if sys.version_info >= (3, 14):
        pytest.skip("pydantic's first version does not go with this Python")
    first = importlib.import_module("pydantic.v1")

    class ThirdPartyParameters(first.BaseModel):  # type: ignore[name-defined, misc]
        class Config:
            extra = "allow"

        lute_config: Any

    base = ModuleType("lute.io.models.base")
    base.ThirdPartyParameters = ThirdPartyParameters  # type: ignore[attr-defined]
    for name in ("lute", "lute.io", "lute.io.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "lute.io.models.base", base)
    monkeypatch.setitem(sys.modules, "pydantic", first)
    path = EXAMPLES / "lute" / "sort_single_particles.py"
    # its validators are known by the name of their module
    return runpy.run_path(str(path), run_name=f"lute_{next(COUNT)}")["SortSingleParticlesParameters"]


def command_line(parameters: Any) -> list[str]:
    """Write parameters as LUTE's `ThirdPartyTask` does: in their order, flags of what is true alone."""
    words = []
    for name, field in parameters.__fields__.items():
        value, told = getattr(parameters, name), field.field_info.extra
        if name in ("executable", "lute_config") or value in (None, "", False):
            continue
        flag = told["flag_type"] and told["flag_type"] + told.get("rename_param", name)
        words += [word for word in (flag, "" if value is True else str(value)) if word]
    return words


def test_lute__calls_process_with_what_its_configuration_says(parameters: Any) -> None:
    header, tasks = yaml.safe_load_all((EXAMPLES / "lute" / "config.yaml").read_text())
    made = parameters(lute_config=SimpleNamespace(**header), **tasks["SortSingleParticles"])
    name, *words = command_line(made)
    found = commands.commands[name].make_context(name, words).params
    assert found["sources"] == ("exp=amo86615:run=182:det=pnccdBack",)
    assert str(found["store"]) == f"{header['work_dir']}/r0182.zarr"
    assert found["wavelength"] == pytest.approx(2.695e-10)
    assert (found["photonize"], found["common_mode"], found["workers"]) == ("130", "half_row", 16)
    assert (found["quiet"], found["model"], found["max_contamination"]) == (True, None, None)


def test_lute__passes_on_what_a_person_adds(parameters: Any) -> None:
    header = SimpleNamespace(run="7", work_dir="here")
    more = {"store": "a.zarr", "model": "m.zarr", "max_contamination": 0.01}
    made = parameters(lute_config=header, source="r0007_hits.cxi", **more)
    name, *words = command_line(made)
    found = commands.commands[name].make_context(name, words).params
    assert (str(found["store"]), str(found["model"]), found["max_contamination"]) == ("a.zarr", "m.zarr", 0.01)
