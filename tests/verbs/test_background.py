from __future__ import annotations

import numpy as np
import pytest

from xfeldask import Experiment, open_dataset, open_run, simulate, verify
from xfeldask.errors import ExperimentMismatchError, InputError

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
N = 200


def dark(path, **changes):
    """Blanks, which have nothing but background."""
    return simulate(path, **{
        "particle": ATOMS, "detector": "square-32", "beam": BRIGHT, "n_shots": N, "seed": 5, "hits": {0: 1, 1: 1e-9},
        "nuisance": {"background": 2.0, "dead_fraction": 0.05}, "background": "gas", "progress": False,
        "photon_dtype": "uint16", "intensity": True, **changes,
    })  # fmt: skip


@pytest.fixture(scope="module")
def gas(tmp_path_factory):
    path = tmp_path_factory.mktemp("background") / "run.zarr"
    dark(path)
    return path


def test_gas__falls_where_it_scatters(gas):
    ds = open_dataset(gas)
    x, y, _ = np.moveaxis(ds.pixel_position.values, -1, 0)
    shape = np.exp(-(x**2 + y**2) / (2 * 4e-5)) + 0.02
    np.testing.assert_allclose(ds.background_shape.values, shape / shape.mean(), rtol=1e-6)
    mean = ds.background.values.mean() / shape.size * shape / shape.mean() * ds.mask.values
    np.testing.assert_allclose(ds.intensity.values.mean(axis=0), mean, rtol=1e-5)
    counted = ds.photons.values.sum(axis=0)
    assert N * mean[mean > 0].min() > 10
    spread = ((counted - N * mean) ** 2 / np.where(mean > 0, N * mean, 1))[mean > 0]
    assert abs(spread.sum() - spread.size) < 5 * np.sqrt(2 * spread.size)
    assert not counted[ds.mask.values == 0].any()


def test_store__is_verified_and_drawn_again(gas):
    assert verify(gas, recompute=N, progress=False).ok
    assert open_run(gas).background_shape.shape == (1, 32, 32)


@pytest.mark.parametrize("kind", ["profile", "image"])
def test_background__may_be_measured(tmp_path, kind):
    if kind == "profile":
        value = np.array([[0.0, 1.0], [0.01, 0.5], [0.05, 0.0]])
    else:
        value = np.random.default_rng(2).integers(0, 9, (1, 32, 32))
    np.save(tmp_path / "shape.npy", value)
    ds = dark(tmp_path / "run.zarr", background=str(tmp_path / "shape.npy"), n_shots=4)
    x, y, _ = np.moveaxis(ds.pixel_position.values, -1, 0)
    due = np.interp(np.hypot(x, y), *value.T) if kind == "profile" else value
    np.testing.assert_allclose(ds.background_shape.values, due / due.mean(), rtol=1e-6)
    np.save(tmp_path / "shape.npy", 2 * value)
    assert dark(tmp_path / "again.zarr", background=str(tmp_path / "shape.npy"), n_shots=4).sizes["shot"] == 4
    np.save(tmp_path / "shape.npy", value + 1)
    with pytest.raises(ExperimentMismatchError, match=r"background\.digest"):
        dark(tmp_path / "run.zarr", background=str(tmp_path / "shape.npy"), n_shots=4, resume=True)


def test_weights__are_those_of_a_list(tmp_path):
    np.save(tmp_path / "weights.npy", np.array([0.0, 1.0, 4.0]))
    path = tmp_path / "run.zarr"
    ds = dark(path, background={"source": "uniform", "weights": str(tmp_path / "weights.npy")}, n_shots=9)
    weight = ds.background.values / ds.background.values[1]
    np.testing.assert_allclose(weight, [0, 1, 4] * 3)
    assert ds.photon_count.values[::3].tolist() == [0, 0, 0]
    assert verify(path, recompute=9, progress=False).ok


def test_weights__are_gamma_variates_of_their_own(tmp_path):
    asked = {"source": "gas", "spread": 0.5}
    nuisance = {"background": 0.5, "pulse_spread": 0.2}
    ds = dark(tmp_path / "run.zarr", background=asked, nuisance=nuisance, hits={1: 1}, n_shots=2000, intensity=False)
    weight = ds.background.values / ds.background.values.mean()
    assert weight.std() == pytest.approx(0.5, rel=0.06)
    assert abs(np.corrcoef(weight, ds.fluence.values[:, 0])[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.ones((2, 32, 32)), "an image \\(1, 32, 32\\), got float64"),
        (np.array([[1.0, 1], [0, 1]]), "radii of a background's profile must grow"),
        (np.zeros((1, 32, 32)), "not 0 everywhere"),
        (np.full((1, 32, 32), np.nan), "must be finite"),
    ],
)
def test_background__that_cannot_be_is_refused(tmp_path, value, told):
    np.save(tmp_path / "shape.npy", value)
    with pytest.raises(InputError, match=told):
        dark(tmp_path / "run.zarr", background=str(tmp_path / "shape.npy"))


def test_background__has_one_weight_and_an_engine_that_knows_it(tmp_path):
    with pytest.raises(InputError, match="spread or weights"):
        Experiment(particle="chaperonin", n_shots=1, background={"spread": 0.1, "weights": "w.npy"})
    with pytest.raises(InputError, match="draws uniform background only"):
        dark(tmp_path / "run.zarr", engine="skopi")


def test_background__not_given_leaves_the_digest_as_it_was():
    plain = Experiment(particle="chaperonin", n_shots=1)
    assert "background" not in plain.identity()
    assert Experiment(particle="chaperonin", n_shots=1, background="gas").digest != plain.digest


def test_background__of_a_shape_and_no_photons_is_refused(tmp_path):
    with pytest.raises(InputError, match="say how many, such as"):
        simulate(tmp_path / "run.zarr", particle="chaperonin", n_shots=1, background="gas", progress=False)
    assert not list(tmp_path.iterdir())
