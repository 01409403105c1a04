from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.physics.scenes import EVERYTHING
from tests.strategies import examples, seeds
from xfeldask.config import Experiment
from xfeldask.physics.detectors import builtin_geometry
from xfeldask.physics.orientations import rotation_matrix, super_fibonacci, uniform_quaternion
from xfeldask.physics.plan import dead_pixels, draw_counts, first_orientations, margins, plan_shots
from xfeldask.physics.variates import NORMAL_CUT

pytestmark = pytest.mark.rounding

PIXEL = 75e-6
MANY = np.arange(40_000)
LIST = uniform_quaternion(np.random.default_rng(3).random((7, 3)))


def experiment(hits=1.0, nuisance="ideal", seed=7, **more):
    return Experiment(particle="chaperonin", n_shots=10**9, hits=hits, nuisance=nuisance, seed=seed, **more)


def plan_of(e, shots=MANY, orientations=None, single_photons=0.0):
    return plan_shots(e, PIXEL, shots, first_orientations(e, orientations), single_photons)


def is_uniform(values, low=0.0, high=1.0):
    return stats.kstest((values - low) / (high - low), "uniform").pvalue > 1e-3


experiments = st.builds(
    experiment,
    hits=st.sampled_from([0.9, {0: 0.2, 1: 0.5, 3: 0.3}, {"occupancy": 0.8, "placement": "focus"}]),
    nuisance=st.sampled_from(["ideal", "jitter", "realistic", EVERYTHING]),
    seed=seeds,
    orientations=st.sampled_from(["random", {"kind": "uniform", "count": 11}]),
)


@given(experiments, st.lists(st.integers(0, 10**9), min_size=1, max_size=12))
def test_plan__of_a_shot_does_not_depend_on_the_others(e, shots):
    together = plan_of(e, np.array(shots), single_photons=100.0).arrays()
    for row, shot in enumerate(shots):
        alone = plan_of(e, np.array([shot]), single_photons=100.0).arrays()
        for name, value in together.items():
            assert np.array_equal(value[row], alone[name][0], equal_nan=True), name


@examples(0.5)
@given(experiments, st.integers(1, 300), st.integers(1, 40))
def test_plan__does_not_depend_on_batches(e, n, batch):
    whole = plan_of(e, np.arange(n), single_photons=100.0).arrays()
    parts = [plan_of(e, np.arange(i, min(n, i + batch)), single_photons=100.0).arrays() for i in range(0, n, batch)]
    for name, value in whole.items():
        assert np.array_equal(value, np.concatenate([part[name] for part in parts]), equal_nan=True), name


@given(experiments, st.integers(0, 10**6))
def test_plan__is_nan_exactly_where_no_particle_is(e, start):
    plan = plan_of(e, np.arange(start, start + 60))
    absent = np.arange(plan.fluence.shape[1]) >= plan.n_particles[:, None]
    for value in (plan.orientation, plan.position, plan.fluence, plan.size):
        nan = np.isnan(value).reshape(*absent.shape, -1)
        assert np.all(nan.all(axis=-1) == absent)
        assert np.all(nan.any(axis=-1) == absent)
    for value in (plan.photon_energy, plan.beam_center, plan.background):
        assert np.all(np.isfinite(value))


def test_plan__differs_between_shots_and_seeds():
    plan, other = (plan_of(experiment(nuisance=EVERYTHING, seed=seed), np.arange(500)) for seed in (1, 2))
    for name in ("orientation", "fluence", "size", "photon_energy", "beam_center"):
        value = getattr(plan, name)[:, :1].reshape(500, -1) if name != "photon_energy" else plan.photon_energy[:, None]
        assert len(np.unique(value[:, 0])) == 500, name
        assert not np.array_equal(getattr(plan, name), getattr(other, name)), name


@pytest.mark.parametrize(
    ("hits", "probabilities"),
    [
        (0.99, [0, 0.99, 0.01]),
        (0.8, [0, 0.8, 0.2]),
        (1.0, [0, 1, 0]),
        (0.0, [0, 0, 1]),
        ({0: 1, 1: 6, 3: 3}, [0.1, 0.6, 0, 0.3]),
        ("poisson:0.1", stats.poisson(0.1).pmf(np.arange(6))),
        ("poisson:2.5", stats.poisson(2.5).pmf(np.arange(15))),
    ],
)
def test_counts__are_multinomial(hits, probabilities):
    n = 200_000
    counts = np.bincount(draw_counts(7, experiment(hits).hits, np.arange(n)), minlength=len(probabilities))
    expected = n * np.array(probabilities)
    assert np.all(counts[: len(expected)][expected == 0] == 0)
    enough = expected >= 5
    left, expected_left = counts.sum() - counts[: len(expected)][enough].sum(), n - expected[enough].sum()
    observed, law = counts[: len(expected)][enough], expected[enough]
    if expected_left >= 5:
        observed, law = np.append(observed, left), np.append(law, expected_left)
    else:
        law = law * observed.sum() / law.sum()
    if len(law) > 1:
        assert stats.chisquare(observed, law).pvalue > 1e-3
    assert counts.sum() == n


@pytest.mark.parametrize(
    ("hits", "u", "count"), [(0.5, 0.0, 1), (0.5, 1 - 2**-53, 2), (1.0, 1 - 2**-53, 1), ({2: 1}, 0.0, 2)]
)
def test_counts__of_extreme_numbers_are_possible_ones(monkeypatch, hits, u, count):
    monkeypatch.setattr("xfeldask.physics.plan.uniform", lambda seed, stream, shot, n: np.full((len(shot), n), u))
    assert draw_counts(0, experiment(hits).hits, np.arange(1)).tolist() == [count]


def test_counts__are_drawn_shot_by_shot():
    # over seeds, the number of doubles in 1000 shots spreads like a binomial variate
    hits = experiment(0.9).hits
    doubles = [int((draw_counts(seed, hits, np.arange(1000)) == 2).sum()) for seed in range(400)]
    law = stats.binom(1000, 0.1)
    assert np.var(doubles) == pytest.approx(law.var(), rel=0.3)
    assert np.mean(doubles) == pytest.approx(law.mean(), abs=4 * law.std() / 20)


def test_poisson_occupancy__has_blanks_and_crowds():
    plan = plan_of(experiment("poisson:1.5"))
    assert (plan.n_particles == 0).mean() == pytest.approx(np.exp(-1.5), abs=0.01)
    assert (plan.n_particles >= 3).mean() == pytest.approx(stats.poisson(1.5).sf(2), abs=0.01)
    assert plan.n_particles.max() <= plan.fluence.shape[1]
    of_hits = draw_counts(7, experiment("poisson:0.1").hits, np.arange(400_000))
    # sorting.md: 4.9 % of hits are multiple at 0.1
    assert (of_hits > 1).sum() / (of_hits > 0).sum() == pytest.approx(0.049, abs=0.004)


def test_shell__fills_the_ball_between_its_radii():
    e = experiment({"weights": {3: 1}, "separation": [20e-9, 50e-9]})
    place = plan_of(e).position
    assert np.all(place[:, 0] == 0)
    for other in (1, 2):
        distance = np.linalg.norm(place[:, other], axis=1)
        assert distance.min() >= 20e-9 * (1 - 1e-12)
        assert distance.max() <= 50e-9 * (1 + 1e-12)
        assert is_uniform(distance**3, 20e-9**3, 50e-9**3)
        assert is_uniform(place[:, other, 2] / distance, -1, 1)
        assert is_uniform(np.arctan2(place[:, other, 1], place[:, other, 0]), -np.pi, np.pi)
    assert abs(np.corrcoef(place[:, 1, 0], place[:, 2, 0])[0, 1]) < 4 / np.sqrt(len(place))


def test_focus__places_particles_where_their_fluence_says():
    e = experiment({"occupancy": 2.0, "placement": "focus"}, {"focus": "gaussian"})
    plan = plan_of(e)
    present = ~np.isnan(plan.fluence)
    radius = e.beam.focus_radius
    u = (plan.position[present][:, :2] ** 2).sum(axis=1) / radius**2
    np.testing.assert_allclose(plan.fluence[present], e.beam.fluence * 1e-12 * np.exp(-2 * u), rtol=1e-9)
    assert is_uniform(u)
    assert is_uniform(plan.position[present][:, 2], -radius, radius)
    assert is_uniform(np.arctan2(plan.position[present][:, 1], plan.position[present][:, 0]), -np.pi, np.pi)
    assert np.all(plan.position[plan.n_particles > 0, 0, :2].any(axis=1))


def test_focus__of_a_flat_profile_dims_nobody():
    e = experiment({"single_fraction": 0.5, "placement": "focus"})
    plan = plan_of(e)
    present = ~np.isnan(plan.fluence)
    np.testing.assert_allclose(plan.fluence[present], e.beam.fluence * 1e-12)
    assert is_uniform((plan.position[present][:, :2] ** 2).sum(axis=1) / e.beam.focus_radius**2)


def test_gaussian_focus__dims_each_particle_on_its_own():
    plan = plan_of(experiment(0.0, {"focus": "gaussian"}))
    u = -np.log(plan.fluence / (experiment().beam.fluence * 1e-12)) / 2
    assert is_uniform(u[:, 0])
    assert is_uniform(u[:, 1])
    assert abs(np.corrcoef(u.T)[0, 1]) < 4 / np.sqrt(len(u))


@pytest.mark.parametrize("spread", [0.05, 0.2, 0.22, 1.0, 2.0])
def test_pulse__is_a_gamma_variate_common_to_the_shot(spread):
    e = experiment(0.0, {"pulse_spread": spread})
    plan = plan_of(e)
    pulse = plan.fluence / (e.beam.fluence * 1e-12)
    assert np.array_equal(pulse[:, 0], pulse[:, 1])
    assert stats.kstest(pulse[:, 0], stats.gamma(spread**-2, scale=spread**2).cdf).pvalue > 1e-3
    assert pulse.mean() == pytest.approx(1, abs=4 * spread / np.sqrt(len(MANY)))
    assert pulse.std() == pytest.approx(spread, rel=0.05)


def test_normal_parts__have_their_spreads():
    e = experiment(0.5, EVERYTHING)
    plan = plan_of(e, single_photons=1000.0)
    parts = {
        "energy": (plan.photon_energy / 4600 - 1) / 0.002,
        "x": plan.beam_center[:, 0] / (1.5 * PIXEL),
        "y": plan.beam_center[:, 1] / (1.5 * PIXEL),
        "size": (plan.size[~np.isnan(plan.size)] - 1) / 0.03,
    }
    for name, value in parts.items():
        assert np.abs(value).max() <= NORMAL_CUT + 1e-9, name
        assert stats.kstest(value, "norm").pvalue > 1e-3, name
    assert abs(np.corrcoef(parts["x"], parts["y"])[0, 1]) < 4 / np.sqrt(len(MANY))


def test_background__follows_the_pulse():
    e = experiment(nuisance={"background": 0.15, "pulse_spread": 0.3}, hits={0: 0.5, 1: 0.5})
    plan = plan_of(e, single_photons=800.0)
    hit = plan.n_particles == 1
    pulse = plan.fluence[hit, 0] / (e.beam.fluence * 1e-12)
    np.testing.assert_allclose(plan.background[hit], 0.15 * 800 * pulse)
    assert plan.background[~hit].mean() == pytest.approx(120, rel=0.02)


def test_orientations__are_uniform_over_rotations():
    plan = plan_of(experiment({2: 1.0}))
    first, second = rotation_matrix(plan.orientation[:, 0]), rotation_matrix(plan.orientation[:, 1])
    # over the rotation group the mean of R is 0 and that of R_ij^2 is 1/3; the trace has a known law
    for r in (first, second, np.swapaxes(first, 1, 2) @ second):
        np.testing.assert_allclose(r.mean(axis=0), 0, atol=0.015)
        np.testing.assert_allclose((r**2).mean(axis=0), 1 / 3, atol=0.015)
        angle = np.arccos(np.clip((np.trace(r, axis1=1, axis2=2) - 1) / 2, -1, 1))
        assert is_uniform((angle - np.sin(angle)) / np.pi)
    np.testing.assert_allclose(np.linalg.norm(plan.orientation, axis=-1), 1)
    assert plan.orientation[..., 0].min() >= 0


def test_orientations__of_a_uniform_set_come_in_order():
    e = experiment(0.0, orientations={"kind": "uniform", "count": 100})
    shots = np.array([0, 1, 99, 100, 12_345])
    plan = plan_of(e, shots)
    assert np.array_equal(plan.orientation[:, 0], super_fibonacci(100)[shots % 100])
    assert np.array_equal(plan.orientation[:, 1], plan_of(experiment(0.0), shots).orientation[:, 1])


def test_orientations__of_a_list_come_in_order():
    e = experiment(orientations={"kind": "list", "source": "some.npy"})
    shots = np.arange(20, 45)
    plan = plan_of(e, shots, LIST)
    np.testing.assert_allclose(rotation_matrix(plan.orientation[:, 0]), rotation_matrix(LIST[shots % 7]), atol=1e-14)
    assert np.array_equal(first_orientations(e, LIST), LIST)
    assert first_orientations(experiment(), None) is None


def test_ideal__changes_nothing_between_shots():
    e = experiment(0.9, "ideal")
    plan = plan_of(e, single_photons=1000.0)
    present = ~np.isnan(plan.fluence)
    np.testing.assert_allclose(plan.fluence[present], e.beam.fluence * 1e-12)
    assert np.all(plan.size[present] == 1)
    assert np.all(plan.photon_energy == 4600)
    assert not plan.beam_center.any()
    assert not plan.background.any()
    assert set(plan.n_particles.tolist()) == {1, 2}
    assert margins(e.nuisance, PIXEL) == (type(margins(e.nuisance, PIXEL)))(0.0, 1.0)


def test_jitter__moves_fluence_and_centre():
    e = experiment(0.9, "jitter")
    plan = plan_of(e, single_photons=1000.0)
    pulse = plan.fluence[:, 0] / (e.beam.fluence * 1e-12)
    assert pulse.mean() == pytest.approx(1, abs=0.01)
    assert pulse.std() == pytest.approx(0.2, rel=0.05)
    assert plan.beam_center.std(axis=0) == pytest.approx(PIXEL, rel=0.05)
    assert np.all(plan.size[~np.isnan(plan.size)] == 1)
    assert np.all(plan.photon_energy == 4600)
    assert not plan.background.any()


def test_realistic__is_what_sorting_md_says():
    e = Experiment(particle="chaperonin", n_shots=10**9, nuisance="realistic", seed=7)
    plan = plan_of(e, np.arange(100_000), single_photons=1000.0)
    assert (plan.n_particles == 0).any()
    assert (plan.n_particles >= 3).any()
    pulse = plan.background / (0.15 * 1000)
    assert pulse.std() == pytest.approx(0.22, rel=0.05)
    hit = plan.n_particles > 0
    u = -np.log(plan.fluence[hit, 0] / pulse[hit] / (e.beam.fluence * 1e-12)) / 2
    assert is_uniform(u)
    assert 0.02 <= np.nanstd(plan.size) <= 0.05
    assert e.nuisance.dead_fraction > 0
    assert not plan.beam_center.any()


@examples(0.5)
@given(experiments)
def test_margins__hold_every_shot(e):
    plan, allowed = plan_of(e, np.arange(3000)), margins(e.nuisance, PIXEL)
    assert np.linalg.norm(plan.beam_center, axis=1).max() <= allowed.center * (1 + 1e-12)
    assert np.nanmax(plan.size * plan.photon_energy[:, None] / 4600, initial=0) <= allowed.scale * (1 + 1e-12)
    assert np.nanmin(plan.size, initial=1) > 0
    assert plan.photon_energy.min() > 0


def test_margins__of_the_widest_spreads_keep_values_positive():
    e = experiment(nuisance={"energy_spread": 0.2, "size_spread": 0.2})
    plan = plan_of(e, np.arange(100_000))
    assert plan.photon_energy.min() > 0
    assert np.nanmin(plan.size) > 0


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.3])
def test_dead_pixels__are_a_fraction_of_all(fraction):
    shape = builtin_geometry("pnccd-amo86615").shape
    dead = dead_pixels(7, fraction, shape)
    n = dead.size
    assert dead.shape == shape
    assert dead.mean() == pytest.approx(fraction, abs=4 * np.sqrt(fraction / n))
    assert np.array_equal(dead, dead_pixels(7, fraction, shape))
    assert fraction == 0 or not np.array_equal(dead, dead_pixels(8, fraction, shape))
    # more dead pixels are the same ones and others
    assert np.all(dead_pixels(7, min(1.0, 2 * fraction), shape)[dead])
