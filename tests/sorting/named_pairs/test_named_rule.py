"""The rule that tells one particle from two where it is known what the particle is made of."""

import numpy as np
import pytest

from tests.sorting.named_pairs.views_of import GEOMETRY, WAVELENGTH, views_of
from tests.sorting.shots import Given
from xfeldask.errors import InputError
from xfeldask.physics.binning import low_q_grid
from xfeldask.physics.detectors import square
from xfeldask.sorting.named_pairs import drawn_hits as drawing
from xfeldask.sorting.named_pairs.drawn_hits import drawn_hits
from xfeldask.sorting.named_pairs.named_rule import Beam, NamedPairRule
from xfeldask.sorting.protocol import Allowance

pytestmark = pytest.mark.rounding

GRID = low_q_grid(GEOMETRY, WAVELENGTH)
FLAT = 0.01


def images_of(light: np.ndarray, seed: int = 0) -> np.ndarray:
    views, dice = views_of(), np.random.default_rng(seed)
    drawn = drawn_hits(views, light, 0.03, dice)
    flat = np.zeros((len(light), GRID.weight.size), np.int64)
    flat[np.repeat(np.arange(len(light)), np.diff(drawn.start)), views.pixels.index[drawn.pixel]] = drawn.count
    return (flat + dice.poisson(FLAT, flat.shape)).reshape(-1, *GRID.shape).astype(np.uint16)


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    """Images, and of how many particles each is; the last few are blank."""
    dice = np.random.default_rng(1)
    two = np.arange(150) % 5 == 0
    light = dice.integers(60, 300, (150, 2)) * np.stack([np.ones_like(two), two], axis=1)
    blank = dice.poisson(FLAT, (5, *GRID.shape)).astype(np.uint16)
    return np.concatenate([images_of(light), blank]), np.append(1 + two, [0] * 5)


@pytest.fixture(scope="module")
def rule(sample: tuple[np.ndarray, np.ndarray]) -> NamedPairRule:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "DRAWN", 200)
        return NamedPairRule(Beam(views_of(refinement=2), 0.03)).fit(shots_of(sample[0]))


def shots_of(images: np.ndarray) -> Given:
    shots = Given({"low_q": images, "image": images}, GRID)
    shots.image_grid = GRID
    return shots


def test_rule__tells_one_two_and_none(rule: NamedPairRule, sample: tuple[np.ndarray, np.ndarray]) -> None:
    images, particles = sample
    columns, decision = rule.decide(rule.evidence({"low_q": images}), Allowance(max_singles_lost=0.05))
    verdict = columns["verdict"]
    assert (verdict == particles)[particles == 0].all()
    assert (verdict == particles)[particles == 1].mean() > 0.9
    assert (verdict == particles)[particles == 2].mean() > 0.9
    assert decision.multiple_fraction == pytest.approx(0.2, abs=0.06)


def test_rule__judges_each_shot_by_itself(rule: NamedPairRule, sample: tuple[np.ndarray, np.ndarray]) -> None:
    whole = rule.evidence({"low_q": sample[0]})["log_ratio"]
    alone = np.concatenate([rule.evidence({"low_q": sample[0][i : i + 1]})["log_ratio"] for i in range(0, 155, 11)])
    np.testing.assert_array_equal(alone, whole[::11])


def test_rule__takes_one_shot(sample: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "DRAWN", 60)
    for particles, images in ((1, sample[0][1:2]), (0, sample[0][-1:])):
        rule = NamedPairRule(Beam(views_of(refinement=2), 0.03)).fit(shots_of(images))
        assert rule.decide(rule.evidence({"low_q": images}), Allowance())[0]["verdict"].tolist() == [particles]


def test_rule__restored_judges_to_the_same_bits(rule: NamedPairRule, sample: tuple[np.ndarray, np.ndarray]) -> None:
    again = NamedPairRule.restore(rule.arrays())
    expected = rule.evidence({"low_q": sample[0][:20]})["log_ratio"]
    np.testing.assert_array_equal(again.evidence({"low_q": sample[0][:20]})["log_ratio"], expected)


def test_rule__lies_over_the_background_that_is_known(sample: tuple[np.ndarray, np.ndarray]) -> None:
    shots = shots_of(sample[0][:3])
    shots.background = np.full(GRID.shape, 0.5, np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "DRAWN", 10)
        rule = NamedPairRule(Beam(views_of(refinement=1), 0.0)).fit(shots)
    np.testing.assert_allclose(rule.views.background, 0.5)


def test_rule__finds_a_background_beside_the_particle_where_no_bin_is_free_of_it() -> None:
    views, light = views_of(reach=30.0, refinement=1), np.full((60, 2), [150, 0])
    shots = shots_of(images_of(light) + np.random.default_rng(5).poisson(0.05, (60, *GRID.shape)).astype(np.uint16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "DRAWN", 10)
        rule = NamedPairRule(Beam(views, 0.0)).fit(shots)
    assert rule.views.background.mean() == pytest.approx(0.05 + FLAT, rel=0.15)


def test_rule__of_another_detector_is_refused(rule: NamedPairRule) -> None:
    rule.check(Given({}, GRID))
    with pytest.raises(InputError, match="of another detector or geometry"):
        rule.check(Given({}, low_q_grid(square(64, 2e-3, 0.1), WAVELENGTH)))


def test_rule__without_a_particle_says_how_to_name_one() -> None:
    with pytest.raises(InputError, match=r"sort='models', like="):
        NamedPairRule().fit(shots_of(np.zeros((1, *GRID.shape))))


def test_rule__of_blanks_alone_finds_none() -> None:
    images = np.zeros((4, *GRID.shape), np.uint16)
    rule = NamedPairRule(Beam(views_of(refinement=1), 0.0)).fit(shots_of(images))
    columns, decision = rule.decide(rule.evidence({"low_q": images}), Allowance())
    assert (columns["verdict"].tolist(), decision.multiple_fraction) == ([0] * 4, None)
