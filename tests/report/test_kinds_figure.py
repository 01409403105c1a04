"""The figure of kinds of particles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.explorer.more_store import SIZE, with_more
from xfeldask import open_run, sort
from xfeldask.report.kinds_figure import kinds_figure
from xfeldask.report.run_report import report
from xfeldask.store.results.particle_kinds import KINDS


def test_kinds_figure__shows_each_kind_by_its_name_and_whether_it_is_wanted(tmp_path: Path) -> None:
    path = with_more(tmp_path / "run.zarr")
    sort(path, name_kinds={1: "ice"}, wanted="ice")
    embedding = open_run(path).embedding()
    described = embedding.parts()[KINDS]
    figure = kinds_figure(open_run(path), described, embedding.decision)
    pictures = [ax for ax in figure.axes if ax.images and not ax.get_label().startswith("<colorbar")]
    assert [ax.get_title().partition("\n")[0] for ax in pictures] == ["kind_0", "ice, wanted", "", ""]
    assert "radius of gyration not known" in pictures[1].get_title()
    # rows go along y, columns along x
    plane = described.intensity.values[1][:, :, SIZE // 2].T
    np.testing.assert_allclose(pictures[3].images[0].get_array(), np.maximum(plane, pictures[3].images[0].norm.vmin))
    page = report(path).read_text()
    assert "<h2>kinds of particles</h2>" in page
    assert (path.with_name("run_report") / "kinds-of-particles.png").is_file()


def test_kinds_figure__of_a_kind_without_shots_and_of_many_kinds(tmp_path: Path) -> None:
    path = with_more(tmp_path / "run.zarr")
    embedding = open_run(path).embedding()
    described = embedding.parts()[KINDS].isel(kind=[0] * 7).copy(deep=True)
    described["mean_image"][:] = 0
    decision = embedding.decision.model_copy(update={"kinds": (24,) * 7, "kind_names": None})
    figure = kinds_figure(open_run(path), described, decision)
    titles = [ax.get_title().splitlines()[0] for ax in figure.axes if ax.get_title() and ax.get_visible()]
    assert titles == ["kind 0, wanted", *(f"kind {k}" for k in range(1, 7))]
    figure.savefig(tmp_path / "kinds.png")
