from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from tests.tiny import frames, tiny_run
from xfeldask.report.figures import class_panel, component_pairs, latent_scatter, montage, name_axes
from xfeldask.scores import OUTCOMES


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    truth = {"n_particles": np.array([1, 2, 1, 0, 2, 1]), "position": np.full((6, 2, 3), np.nan)}
    truth["position"][[1, 4]] = [[[0, 0, 0], [3e-8, 4e-8, 9e-8]]]
    path = tmp_path_factory.mktemp("figures") / "run.zarr"
    return tiny_run(path, frames(6, mean=2), truth=truth, particle="virus").dataset()


def latent(n, components=3, **columns):
    values = np.random.default_rng(1).normal(size=(n, components))
    return xr.Dataset({
        "latent": (("shot", "component"), values, {"units": "count"}),
        "explained_variance": ("component", np.arange(components, 0, -1.0)),
        **{name: ("shot", value) for name, value in columns.items()},
    })  # fmt: skip


def test_montage__has_singles_above_multiples_with_their_truth(ds):
    figure = montage(ds, columns=2)
    titles = [ax.get_title() for ax in figure.axes if ax.images and ax.get_title()]
    assert [title.split(":")[0] for title in titles] == ["shot 0", "shot 2", "shot 1", "shot 4"]
    assert "single hit" in titles[0]
    # seen along the beam, 30 and 40 nm across
    assert "2 particles\n50 nm apart as seen" in titles[2]
    photons = ds.photon_count.values
    assert all(f"{photons[int(title[5])]} photons" in title for title in titles)
    assert "virus" in figure.get_suptitle()
    assert "mine" in montage(ds, particle="mine").get_suptitle()


def test_montage__draws_images_where_they_lie_in_q(ds):
    image = next(ax for ax in montage(ds).axes if ax.images).images[0]
    left, right, bottom, top = image.get_extent()
    # 1/angstrom in 1/nm, half a bin beyond the middles of the outer ones
    step = 10 * float(ds.x[1] - ds.x[0])
    np.testing.assert_allclose([left, right], [10 * ds.x[0] - step / 2, 10 * ds.x[-1] + step / 2])
    np.testing.assert_allclose([bottom, top], [10 * ds.y[0] - step / 2, 10 * ds.y[-1] + step / 2])
    shown = np.ma.filled(image.get_array(), 0)
    np.testing.assert_array_equal(shown, ds.image[0])


def test_montage__of_blanks_alone_draws_them(ds):
    none = ds.assign(n_particles=ds.n_particles * 0)
    titles = [ax.get_title() for ax in montage(none, columns=3).axes if ax.images and ax.get_title()]
    assert [title.split("\n")[0] for title in titles] == [f"shot {i}: blank" for i in range(3)]


@pytest.mark.parametrize(("n", "pairs"), [(1, [(0, 0)]), (2, [(0, 1)]), (3, [(0, 1), (0, 2)]), (9, [(0, 1), (0, 2)])])
def test_component_pairs__are_those_that_there_are(n, pairs):
    assert component_pairs(latent(4, n)) == pairs


def test_class_panel__draws_each_shot_once_in_its_class():
    single = np.array([True, True, False, False, True, False, False])
    accepted = np.array([True, False, True, False, True, False, False])
    found = latent(7, is_single=accepted)
    ax = Figure().subplots()
    handles = class_panel(ax, found, (0, 2), single)
    assert [handle.get_label() for handle in handles] == [
        f"{outcome.name}: {n}" for outcome, n in zip(OUTCOMES, (2, 1, 3, 1), strict=True)
    ]
    drawn = np.concatenate([points.get_offsets() for points in ax.collections])
    assert sorted(drawn.tolist()) == sorted(found.latent.values[:, [0, 2]].tolist())


@pytest.mark.parametrize(("units", "told"), [("1", "component 0 (67%"), ("count", "(counts; 67%"), ("m", "(m; 67%")])
def test_name_axes__tell_unit_and_fraction_of_the_variance(units, told):
    found, ax = latent(3, 2), Figure().subplots()
    found.latent.attrs["units"] = units
    name_axes(ax, found, (0, 1))
    assert told in ax.get_xlabel()
    assert ax.get_ylabel().endswith("33%)")


def test_latent_scatter__counts_all_shots():
    found = latent(5, is_single=np.ones(5, bool))
    ds = xr.Dataset({"n_particles": ("shot", [1, 1, 2, 1, 0])})
    figure = latent_scatter(ds, found)
    told = [text.get_text() for text in figure.axes[-1].get_legend().texts]
    assert sum(int(text.split(": ")[1]) for text in told) == 5
    assert "5 shots" in figure.get_suptitle()
