"""The pair rule on shots made here, of a particle whose transform is known in closed form."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.hasty import in_haste
from tests.orient.devices import gpu, strict
from xfeldask.devices import Device
from xfeldask.errors import InputError
from xfeldask.physics.binning import ImageGrid, low_q_grid
from xfeldask.physics.detectors import square, wavelength
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.sorting.deciding import decide
from xfeldask.sorting.pairs import batches, lessons, weighing
from xfeldask.sorting.pairs import networks as pairs
from xfeldask.sorting.pairs.networks import LEAST_HITS, PairNetworks

pytestmark = pytest.mark.usefixtures("in_full")
SIDE, NEAR, FAR = 64, 25e-9, 60e-9
BLOBS = np.array([[6, 0, 0], [-6, 0, 0], [0, 4, 3], [0, -4, 3], [0, 0, -6]]) * 1e-9


@cache
def grid() -> ImageGrid:
    return low_q_grid(square(SIDE, 8 * 75e-6, 1.3), wavelength(4600))


@cache
def blob() -> np.ndarray:
    """Transform of one Gaussian blob in the middle, (y, x)."""
    return np.exp(-2 * (np.pi * 2e-9) ** 2 * (grid().s ** 2).sum(axis=-1))


def wave(at: np.ndarray) -> np.ndarray:
    """Transform of a point, complex (y, x); NumPy's exponential of complex numbers takes several times as long."""
    phase = 2 * np.pi * (grid().s @ at)
    found = np.empty(phase.shape, complex)
    np.cos(phase, out=found.real)
    np.sin(phase, out=found.imag)
    return found


def amplitude(turn: np.ndarray) -> np.ndarray:
    """Transform of five Gaussian blobs, (y, x)."""
    return np.sum([wave(at) for at in (BLOBS @ turn.T)[:, :2]], axis=0) * blob()


@cache
def shots(
    n: int, seed: int, multiple: float = 0.1, blank: float = 0.05, photons: float = 700, level: float = 0.01
) -> tuple[np.ndarray, ...]:
    """Images, numbers of particles, and distances of the second particle as seen."""
    rng = np.random.default_rng(seed)
    number = rng.choice([0, 1, 2], n, p=[blank, 1 - blank - multiple, multiple])
    turns = rotation_matrix(uniform_quaternion(rng.random((n, 2, 3))))
    distance, angle = rng.uniform(NEAR, FAR, n), rng.uniform(0, 2 * np.pi, n)
    images = np.empty((n, SIDE, SIDE), np.uint16)
    scale = photons / (np.abs(amplitude(np.eye(3))) ** 2).sum()
    for i in range(n):
        place = distance[i] * np.array([np.cos(angle[i]), np.sin(angle[i])])
        total = np.zeros((SIDE, SIDE), complex)
        for k in range(number[i]):
            strength = np.sqrt(scale * np.exp(-rng.random()))
            total += strength * amplitude(turns[i, k]) * wave(k * place)
        images[i] = rng.poisson((np.abs(total) ** 2 + level) * grid().weight)
    return images, number, distance


@pytest.fixture(scope="module")
def rule() -> PairNetworks:
    return PairNetworks(seed=3).fit(shots(1500, 1)[0], grid())


@pytest.mark.rounding
def test_rule__tells_kinds_of_shots_that_it_has_not_seen(rule: PairNetworks) -> None:
    images, number, distance = shots(600, 2)
    found = rule.judge(images)
    np.testing.assert_array_equal(found.hit, number > 0)
    hit = number > 0
    assert roc_auc_score(number[hit] == 1, found.log_ratio[hit]) > 0.99
    apart = (number == 2) & (found.peak > 8)
    assert apart.sum() > 20
    assert np.median(np.abs(found.separation - distance)[apart]) < 3e-9
    assert np.isnan(found.log_ratio[~hit]).all()
    assert np.isnan(found.separation[~hit]).all()


@pytest.mark.rounding
def test_rule__comes_back_from_its_arrays_to_the_same_bits(rule: PairNetworks) -> None:
    images = shots(600, 2)[0]
    # as they come from a file, whatever their layout in memory was
    arrays = {name: np.array(value.tolist(), value.dtype) for name, value in rule.arrays().items()}
    assert all(value.dtype.kind in "fiub" for value in arrays.values())
    again, found = PairNetworks.restore(arrays).judge(images), rule.judge(images)
    np.testing.assert_array_equal(again.log_ratio, found.log_ratio)
    np.testing.assert_array_equal(again.separation, found.separation)


@pytest.mark.rounding
@pytest.mark.parametrize("device", [strict, pytest.param(gpu, marks=pytest.mark.cuda)])
def test_rule__judges_alike_on_any_device(
    rule: PairNetworks, device: Callable[[], Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, made = shots(600, 2)[0], device()
    monkeypatch.setattr(pairs, "measuring_device", {"auto": made, "cpu": Device()}.__getitem__)
    there = PairNetworks.restore(rule.arrays(), "auto")
    found, expected = there.judge(images), rule.judge(images)
    np.testing.assert_array_equal(found.hit, expected.hit)
    np.testing.assert_allclose(found.log_ratio, expected.log_ratio, atol=0.05)
    assert [*there.taught.evidence._measuring] == [made]


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_fit__measures_on_the_device_that_is_asked_for(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(name: str) -> Device:
        raise LookupError(name)

    monkeypatch.setattr(pairs, "measuring_device", reached)
    with pytest.raises(LookupError, match=device):
        PairNetworks(device=device).fit(shots(800, 8)[0], grid())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer and shorter lessons, for what does not depend on how well they are learned."""
    monkeypatch.setattr(lessons, "FINAL", (2, 0.5))
    monkeypatch.setattr(weighing, "STEPS", 300)
    monkeypatch.setattr(lessons, "LEAST_SOURCES", 600)


def test_rule__same_seed_same_bits_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = []
    for seed, cores in ((3, 1), (3, 3), (4, 2)):
        monkeypatch.setattr(batches, "cores", lambda cores=cores: cores)
        with in_haste():
            learned.append(PairNetworks(seed).fit(shots(800, 8)[0], grid()).arrays())
    one, same, other = learned
    assert all(np.array_equal(value, same[name]) for name, value in one.items())
    assert not np.array_equal(one["center"], other["center"])


def auc(rule: PairNetworks, images: np.ndarray, number: np.ndarray) -> float:
    found = rule.judge(images)
    return float(roc_auc_score(number[found.hit] == 1, found.log_ratio[found.hit]))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("multiple", [pytest.param(0.05, marks=pytest.mark.campaign), 0.4])
def test_rule__and_decision_know_how_many_they_lose_and_let_in(multiple: float) -> None:
    images, number, _ = shots(1500, 6, multiple, photons=350)
    found = PairNetworks().fit(images, grid()).judge(images)
    single, decision = number[found.hit] == 1, decide(found.log_ratio[found.hit])
    assert roc_auc_score(single, found.log_ratio[found.hit]) > 0.98, "many doubles do not teach it wrongly"
    assert decision.prevalence == pytest.approx((~single).mean(), rel=0.1, abs=0.02)
    assert (single & ~decision.kept).sum() / single.sum() < 0.04
    assert (decision.kept & ~single).sum() <= 3 + 2 * decision.let_in


@pytest.mark.usefixtures("quick")
def test_rule__labels_help_or_do_no_harm() -> None:
    images, number, _ = shots(1200, 1, photons=100)
    labels = np.where(np.arange(len(images)) < 400, number == 1, -1)
    seen, truth, _ = shots(600, 2, photons=100)
    without, labelled = (auc(PairNetworks().fit(images, grid(), given), seen, truth) for given in (None, labels))
    assert without > 0.9
    assert labelled > without - 0.02


@pytest.mark.campaign
def test_rule__learns_from_hits_of_which_most_are_multiple() -> None:
    images, number, _ = shots(2500, 5, multiple=0.7, blank=0.0)
    decision = decide(PairNetworks().fit(images, grid()).judge(images).log_ratio)
    assert decision.prevalence == pytest.approx((number > 1).mean(), abs=0.07)
    assert (decision.kept & (number > 1)).sum() < 0.06 * decision.kept.sum()


@pytest.mark.usefixtures("quick")
def test_rule__takes_an_unmasked_spot_for_background() -> None:
    images, number, _ = shots(1500, 1)
    spot = np.zeros((SIDE, SIDE))
    spot[36:41, 38:43] = 8.0
    spotted = images + np.random.default_rng(0).poisson(spot, images.shape).astype(np.uint16)
    rule = PairNetworks(seed=3).fit(spotted, grid())
    assert rule.window.steady[spot > 0].sum() == pytest.approx(spot.sum(), rel=0.2)
    assert rule.steady_photons == pytest.approx(rule.window.steady.sum())
    found = rule.judge(spotted)
    assert found.hit[number > 0].all()
    assert roc_auc_score(number[found.hit] == 1, found.log_ratio[found.hit]) > 0.985


def test_restore__of_a_rule_without_steady_photons_is_that_rule(rule: PairNetworks) -> None:
    older = {name: value for name, value in rule.arrays().items() if name not in ("steady", "gauge", "known")}
    assert not rule.window.steady.any()
    images = shots(600, 2)[0]
    np.testing.assert_array_equal(PairNetworks.restore(older).judge(images).log_ratio, rule.judge(images).log_ratio)


def test_restore__of_a_rule_that_took_all_components_for_signal_takes_them_all(rule: PairNetworks) -> None:
    older = PairNetworks.restore({name: value for name, value in rule.arrays().items() if name != "signal"})
    patterns = older.taught.evidence.patterns
    assert patterns.signal == len(patterns.variance) > rule.taught.evidence.patterns.signal


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Fits where turns find given fractions of multiples; the singles that each turn learned from.

    The likelier a shot is single the higher is its peak, up to 10; noise reaches `highest`.
    """

    def fitted(*fractions: float, highest: float = 9.0) -> list[int]:
        left, taken = list(fractions), []

        def turn(teacher: lessons.Teacher, single: np.ndarray, *rest: object) -> tuple[np.ndarray, float]:
            taken.append(int(single.sum()))
            teacher.peak = np.linspace(0, 10, len(teacher.crops))
            noisy = SimpleNamespace(noise_peaks=lambda crops, rng, device: np.full(100, highest))
            teacher.taught = lessons.Taught(noisy, None, np.zeros(0))
            return np.linspace(-9, 9, len(teacher.crops)), left.pop(0)

        monkeypatch.setattr(lessons.Teacher, "_turn", turn)
        PairNetworks().fit(shots(1500, 1)[0], grid())
        assert not left
        return taken

    monkeypatch.setattr(lessons, "LEAST_HITS", 100)
    return fitted


@pytest.mark.parametrize("fractions", [(0.05, 0.05), (0.2, 0.19), (0.05, 0.01), (0.29, 0.15)])
def test_fit__of_few_multiples_takes_two_turns(looks, fractions: tuple[float, ...]) -> None:
    taken = looks(*fractions)
    assert taken[1] >= taken[0] // 2


@pytest.mark.parametrize(("fractions", "highest"), [((0.4, 0.5, 0.5, 0.5, 0.5), 9.0), ((0.1, 0.5, 0.5, 0.5, 0.5), 6.0)])
def test_fit__of_many_multiples_learns_from_those_whose_peaks_are_noise(looks, fractions, highest: float) -> None:
    taken = looks(*fractions, highest=highest)
    # of the half that is likely from the second turn on, those with peaks up to that of noise
    assert taken[2:] == pytest.approx([(highest / 10 - 0.5) * taken[0]] * 3, abs=2)


def test_fit__does_not_believe_what_finds_fewer_multiples(looks) -> None:
    taken = looks(0.4, 0.3, 0.2, 0.2, 0.4, highest=9.0)
    # of the last turn, all that was likely after the first
    assert taken[-1] > taken[1]


@pytest.mark.campaign
def test_rule__sizes_that_differ_are_not_taken_for_multiples(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, usual = np.random.default_rng(7), amplitude
    monkeypatch.setitem(globals(), "amplitude", lambda turn: usual(turn * np.exp(sizes.uniform(-0.5, 0.5))))
    images, number, _ = shots.__wrapped__(3000, 5, multiple=0.4, blank=0.0)
    decision = decide(PairNetworks(3).fit(images, grid()).judge(images).log_ratio)
    assert decision.prevalence == pytest.approx((number > 1).mean(), abs=0.05)
    assert (~decision.kept & (number == 1)).sum() < 0.06 * (number == 1).sum()


class StoppedError(Exception):
    """Teaching was begun, and what it was given was seen."""


def stopped(_: object) -> None:
    raise StoppedError


@pytest.mark.parametrize("kind", [0, 1])
def test_fit__of_too_many_hits_takes_labelled_ones_up_to_half(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST_HITS", 500)
    seen = []
    monkeypatch.setattr(lessons.Teacher, "teach", lambda teacher: stopped(seen.append(teacher.known)))
    images, number, _ = shots(1500, 1)
    hit = np.flatnonzero(number > 0)
    labels = np.full(len(images), -1)
    labels[hit[:900]] = kind
    with pytest.raises(StoppedError):
        PairNetworks().fit(images, grid(), labels)
    [known] = seen
    assert len(known) == 500
    assert (known == kind).sum() >= 250
    assert (known != 0).sum() >= 250


@pytest.mark.usefixtures("quick")
def test_fit__of_too_many_hits_takes_those_that_are_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST_HITS", 500)
    images, number, _ = shots(1500, 1)
    labels = np.where((number > 0) & (np.arange(len(images)) % 5 == 0), number == 1, -1)
    seen = []
    monkeypatch.setattr(
        lessons.Teacher, "teach", lambda teacher: stopped(seen.append((len(teacher.crops), teacher.known)))
    )
    with pytest.raises(StoppedError):
        PairNetworks().fit(images, grid(), labels)
    [(n, known)] = seen
    assert n == 500
    assert (known >= 0).sum() >= min(250, (labels >= 0).sum())
    assert 0.5 < (np.flatnonzero(known >= 0).mean() / n) * 2 < 1.5


def test_rule__odd_shots_give_no_nan(rule: PairNetworks) -> None:
    images = shots(600, 2)[0][:5].copy()
    images[0], images[1], images[2, :32], images[3, 16:48, 16:48] = 0, 65535, 0, 65535
    found = rule.judge(images)
    np.testing.assert_array_equal(found.hit, [False, False, True, True, True])
    assert np.isfinite([found.log_ratio, found.peak, found.separation])[:, found.hit].all()
    assert found.log_ratio[3] < 0


def test_rule__cuts_at_whole_batches_leave_the_bits_others_the_verdict(rule: PairNetworks) -> None:
    images = shots(600, 2)[0]
    whole = rule.judge(images)
    batches = [rule.judge(images[a:b]).log_ratio for a, b in ((0, 256), (256, 512), (512, 600))]
    np.testing.assert_array_equal(np.concatenate(batches), whole.log_ratio)
    cuts = [rule.judge(images[a:b]).log_ratio for a, b in ((0, 1), (1, 300), (300, 600), (600, 600))]
    np.testing.assert_allclose(np.concatenate(cuts), whole.log_ratio, atol=1e-2)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = rule.judge(images[order])
    np.testing.assert_array_equal(shuffled.hit, whole.hit[order])
    np.testing.assert_allclose(shuffled.log_ratio, whole.log_ratio[order], atol=1e-2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_rule__counts_of_any_type_are_judged_alike(rule: PairNetworks, dtype: type) -> None:
    images = shots(600, 2)[0]
    np.testing.assert_array_equal(rule.judge(images.astype(dtype)).log_ratio, rule.judge(images).log_ratio)


@pytest.mark.usefixtures("quick")
def test_rule__nine_blanks_to_a_hit_do_not_matter() -> None:
    images, number, _ = shots(4000, 7, multiple=0.01, blank=0.9)
    rule = PairNetworks().fit(images, grid())
    np.testing.assert_array_equal(rule.judge(images).hit, number > 0)
    assert auc(rule, *shots(600, 2)[:2]) > 0.99


@pytest.mark.usefixtures("quick")
def test_rule__learns_around_a_dead_region_and_faulty_shots() -> None:
    images, _, _ = shots(800, 8)
    weight = grid().weight.copy()
    weight[30:34], weight[:, 50:] = 0, 0
    images = (images * (weight > 0)).astype(np.uint16)
    images[[5, 6]] = 0
    images[[7, 8], 20:44, 20:44] = 65535
    rule = PairNetworks().fit(images, replace(grid(), weight=weight))
    seen, truth, _ = shots(600, 2)
    assert auc(rule, (seen * (weight > 0)).astype(np.uint16), truth) > 0.98


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("shape", [pytest.param((60, 64), marks=pytest.mark.campaign), (61, 57)])
def test_rule__takes_images_of_any_shape(shape: tuple[int, int]) -> None:
    middle = grid().center
    part = tuple(slice(32 - n // 2, 32 - n // 2 + n) for n in shape)
    center = tuple(c - p.start for c, p in zip(middle, part, strict=True))
    cut = ImageGrid(grid().s[part], grid().weight[part], grid().step, (center[0], center[1]))
    images = shots(800, 8)[0][:, *part]
    rule = PairNetworks().fit(images, cut)
    seen, truth, _ = shots(600, 2)
    assert auc(rule, seen[:, *part], truth) > 0.99


@pytest.mark.usefixtures("quick")
def test_rule__does_with_a_few_hundred_hits_and_no_background() -> None:
    images, number, _ = shots(LEAST_HITS + 40, 9, level=0)
    rule = PairNetworks().fit(images, grid())
    found = rule.judge(images)
    np.testing.assert_array_equal(found.hit, number > 0)
    assert np.isfinite(found.log_ratio[found.hit]).all()
    assert auc(rule, *shots(600, 10, level=0)[:2]) > 0.95


def test_rule__refuses_what_it_cannot_learn_from() -> None:
    images = shots(1500, 1)[0]
    with pytest.raises(InputError, match=f"{LEAST_HITS} hits or more"):
        PairNetworks().fit(images[:200], grid())
    with pytest.raises(InputError, match="no photons"):
        PairNetworks().fit(np.zeros((400, SIDE, SIDE), np.uint16), grid())
    with pytest.raises(InputError, match=r"images are \(shot, 64, 64\)"):
        PairNetworks().fit(images[:, 1:], grid())
    with pytest.raises(InputError, match="NaN"):
        PairNetworks().fit(np.where(images == 0, np.nan, images), grid())
    with pytest.raises(InputError, match="each of the 1500 shots"):
        PairNetworks().fit(images, grid(), np.zeros(3, int))
    with pytest.raises(InputError, match="got 2"):
        PairNetworks().fit(images, grid(), np.full(len(images), 2))
    with pytest.raises(InputError, match="found 0 in 1500 shots"):
        PairNetworks().fit(images, grid(), np.zeros(len(images), int))


def test_rule__refuses_to_judge_what_it_does_not_know(rule: PairNetworks) -> None:
    with pytest.raises(InputError, match="learned nothing yet"):
        PairNetworks().judge(shots(600, 2)[0])
    with pytest.raises(InputError, match="learned nothing yet"):
        PairNetworks().arrays()
    with pytest.raises(InputError, match=r"images are \(shot, 64, 64\)"):
        rule.judge(np.zeros((3, 32, 32), np.uint16))
    with pytest.raises(InputError, match="NaN"):
        rule.judge(np.full((3, 64, 64), np.nan))


@pytest.mark.parametrize("name", ["vectors", "weight", "weight_2_1", "bias_3_2", "seed", "lesson_odds"])
def test_rule__refuses_incomplete_arrays_and_names_what_is_missing(rule: PairNetworks, name: str) -> None:
    arrays = rule.arrays()
    del arrays[name]
    with pytest.raises(InputError, match=f"missing:.*{name}"):
        PairNetworks.restore(arrays)
    with pytest.raises(InputError, match="missing: background, bias_0_0"):
        PairNetworks.restore({})
