"""The figure of a reconstruction: its panels with and without a density and the truth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xfeldask.physics.orientations import super_fibonacci
from xfeldask.report.judging import judgement_figure, judgement_table, sentence
from xfeldask.report.reconstruction_figure import reconstruction_figure
from xfeldask.scores.quality import Quality, Shells

S = (np.arange(11) - 5) * 2e7
FOUND = xr.Dataset(
    {
        "intensity": (("u", "v", "w"), np.random.default_rng(0).random((11, 11, 11))),
        "s": ("u", S),
        "orientation": (("shot", "quaternion"), np.concatenate([super_fibonacci(30), np.full((2, 4), np.nan)])),
        "mean_information": ("step", np.arange(5.0)),
    }
)
SHELLS = Shells(np.array([4e7, 6e7]), np.array([0.9, 0.8]))
QUALITY = Quality(SHELLS, SHELLS, 4.0, 50.0, 0.9, np.array([1.0, 0, 0, 0]))


def titles(figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


def test_figure__shows_what_there_is(tmp_path):
    plain = reconstruction_figure(FOUND)
    assert titles(plain) == ["intensity"] * 3 + ["", "", "directions of the beam"]
    assert plain.axes[4].get_xlabel() == "iteration"
    density = np.zeros((13, 13, 13), np.float32)
    density[5:8, 5:8, 5:8] = 1
    phased = FOUND.assign(
        density=(("x", "y", "z"), density), position=("x", (np.arange(13) - 6) * 1e-9),
        phase_transfer=("shell", np.linspace(1, 0.3, 5)), density_correlation=("shell", np.linspace(1, 0.2, 5)),
    )  # fmt: skip
    figure = reconstruction_figure(phased, QUALITY)
    assert titles(figure).count("density") == 3
    labels = [line.get_label() for line in figure.axes[8].get_lines()]
    assert len(labels) == 4
    figure.savefig(tmp_path / "figure.png", dpi=40)


def test_sphere__leaves_out_shots_without_an_orientation_and_turns_all_to_one_side():
    (points,) = reconstruction_figure(FOUND).axes[-1].collections
    offsets = points.get_offsets()
    assert len(offsets) == 30
    assert (np.hypot(*offsets.T) <= 1 + 1e-9).all()


def test_pixels__lie_about_their_places():
    image = reconstruction_figure(FOUND).axes[0].images[0]
    step = S[1] - S[0]
    np.testing.assert_allclose(image.get_extent()[:2], [(S[0] - step / 2) * 1e-9, (S[-1] + step / 2) * 1e-9])


def judged(means: list[float]) -> xr.Dataset:
    correlation = np.array(means)[:, None, None] * np.ones((3, 2, 4))
    return xr.Dataset(
        {
            "correlation": (("set", "repeat", "shell"), correlation),
            "mean_correlation": (("set", "repeat"), correlation.mean(axis=2)),
            "orientation_error": (("set", "repeat"), np.full((3, 2), 4.0)),
            "n_shots": ("set", [10, 8, 8]),
            "purity": ("set", [0.8, 1.0, 1.0]),
            "other_species": ("set", [0.0, 0.0, 0.0]),
        },
        coords={"set": ["all hits", "accepted", "true singles"], "s": ("shell", np.arange(1, 5) * 1e8)},
    )


@pytest.mark.parametrize(
    ("means", "told"),
    [([0.8, 0.89, 0.9], "costs 0.100 of correlation, and sorting gives 90% of it back"),
     ([0.9, 0.9, 0.9], "nothing that can be seen"),
     ([0.8, 0.7, 0.9], "gives none back: accepted shots correlate less by 0.100")],
)  # fmt: skip
def test_judgement__is_said_in_a_sentence(means, told):
    assert told in sentence(judged(means))
    assert judgement_table(judged(means)).row_count == 3
    assert len(judgement_figure(judged(means)).axes[0].get_lines()) == 3


def test_judgement__within_what_repeats_differ_by_gives_no_percentage():
    found = judged([0.80, 0.85, 0.88])
    found["mean_correlation"][2] = [0.82, 0.94]
    assert "less than repeats differ by (0.120)" in sentence(found)
