"""Features that users bring."""

import cloudpickle
import numpy as np
import pytest

from tests.images import shots
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.features.feature import FEATURES, make_feature, register_feature


def halves(images):
    return images.reshape(len(images), 2, -1).sum(axis=2)


@pytest.fixture
def registered():
    """Names that a test registers go when it ends."""
    before = dict(FEATURES._things)
    yield
    FEATURES._things.clear()
    FEATURES._things.update(before)


class Misshapen:
    def __init__(self, shape):
        self.shape = shape

    def __call__(self, images):
        return images.reshape(len(images), -1)


class Ring:
    """As the protocol has it."""

    name, units = "ring", "count"

    def __init__(self, grid, inner=0.0):
        self.keep = (np.linalg.norm(grid.s, axis=-1) >= inner) & (grid.weight > 0)
        self.shape = (int(self.keep.sum()),)

    def __call__(self, images):
        return images[:, self.keep]


def test_own_feature__a_function_gets_a_name_and_a_shape(small):
    def rows(images):
        return np.stack([images.sum(axis=1), images.max(axis=1)], axis=1)

    feature = make_feature(rows, small)
    images = shots(1, 4, small.shape)
    assert (feature.name, feature.shape, feature.units) == ("rows", (2, small.shape[1]), "1")
    found = feature(images)
    assert (found.dtype, found.shape) == (np.float32, (4, 2 * small.shape[1]))
    np.testing.assert_array_equal(found, rows(images).reshape(4, -1))
    assert feature(images[:0]).shape == (0, found.shape[1])
    again = cloudpickle.loads(cloudpickle.dumps(feature))
    np.testing.assert_array_equal(again(images), found)


def test_own_feature__an_object_says_what_it_is(small):
    feature = make_feature(Ring(small), small)
    assert (feature.name, feature.units, feature.shape) == ("ring", "count", (np.count_nonzero(small.weight),))
    assert make_feature(lambda images: images, small).name == "<lambda>"


@pytest.mark.usefixtures("registered")
def test_register_feature__a_class_is_found_with_its_options(small):
    register_feature("rim", Ring)
    images = shots(2, 3, small.shape)
    inner = float(np.median(np.linalg.norm(small.s, axis=-1)))
    feature = make_feature("rim", small, inner=inner)
    assert feature.name == "rim"
    np.testing.assert_array_equal(feature(images), Ring(small, inner)(images))
    with pytest.raises(InputError, match="'rim' takes inner, got outer"):
        make_feature("rim", small, outer=3)
    with pytest.raises(UnknownNameError, match="did you mean rim"):
        make_feature("rimm", small)
    register_feature("any", lambda grid, **options: Ring(grid, **options))
    np.testing.assert_array_equal(make_feature("any", small, inner=inner)(images), feature(images))


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (Ring, r"the class Ring; pass an object of it, or register_feature\(\) it"),
        (3, r"a name, a mapping with a name, or a function of images \(shot, y, x\); got 3"),
        (None, "got None"),
        (lambda images: images[0], "for 2 images; it must give a row of real numbers for each"),
        (lambda images: images.sum(), "must give a row"),
        (lambda images: images.sum(axis=(1, 2)), "must give a row"),
        (lambda images: images.astype(str), "must give a row"),
        (Misshapen(2), "the feature Misshapen has the shape 2; give a tuple of whole numbers"),
        (Misshapen((2.0,)), r"has the shape \(2\.0,\); give a tuple"),
        (lambda images: images / 0.0, "gives NaN or infinity"),
        (lambda images: images.nothing, r"failed on images of shape \(2, 9, 5\) \(AttributeError: .*nothing"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_own_feature__is_refused_in_a_sentence(small, own, told):
    with pytest.raises(InputError, match=told) as error:
        make_feature(own, small)
    assert "\n" not in str(error.value)


def test_own_feature__rows_are_checked_whenever_they_are_made(small):
    feature = make_feature(lambda images: np.log(images.reshape(len(images), -1)), small)
    with pytest.raises(InputError, match="NaN or infinity"), np.errstate(divide="ignore"):
        feature(np.zeros((1, *small.shape)))
    short = make_feature(lambda images: images.reshape(len(images), -1)[:, : 3 + int(images.max())], small)
    with pytest.raises(InputError, match=r"gives rows of shape \(7,\), not \(4,\)"):
        short(np.full((1, *small.shape), 4))
    with pytest.raises(InputError, match="set them in your own object"):
        make_feature(halves, small, n=3)
