from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import xarray as xr

from tests.explorer.few_shots import few_shots, pictures, session, texts
from xfeldask.explorer.tabs.space import space
from xfeldask.explorer.tabs.watch import Watch

module = import_module("xfeldask.explorer.tabs.space")
"""The module, which its function hides in the room."""


def figures(view):
    return [pane.object for pane in view.select(lambda part: hasattr(getattr(part, "object", None), "renderers"))]


def test_tab__shows_the_scree_and_all_components():
    looked = session()
    view = space(looked, pictures(), Watch(looked))
    scree, pairs, images = figures(view)
    data = scree.renderers[0].data_source.data
    stored = few_shots().embedding().dataset().explained_variance.values
    np.testing.assert_allclose(data["share"], 100 * stored / stored.sum(), rtol=1e-5)
    assert data["cumulative"][-1] == pytest.approx(100)
    assert [axis.axis_label for axis in (*pairs.xaxis, *pairs.yaxis)] == ["along x", "along y"]
    assert images.renderers[0].data_source.data["label"] == ["component 0", "component 1"]
    assert "All 2 principal components of counts" in texts(view)


def fitted(**variables):
    n = len(next(iter(variables.values())))
    return xr.Dataset({"n_fitted": ("update", 512 * 2 ** np.arange(n)),
                       **{name: ("update", value) for name, value in variables.items()}})  # fmt: skip


def test_history__is_in_units_for_people_on_a_scale_that_suits_it():
    found = fitted(angle=[np.nan, 1.0, 0.1, 0.01], eigenvalue_change=[np.nan, 0.3, 0.2, 0.1])
    found.angle.attrs.update(units="rad", long_name="largest principal angle")
    views = module._history(found)
    angle, change = (figures(view)[0] for view in views)
    np.testing.assert_allclose(angle.renderers[0].data_source.data["y"][1:], np.degrees([1.0, 0.1, 0.01]))
    assert angle.yaxis.axis_label == "angle to the basis before (°)"
    assert type(angle.y_scale).__name__ == "LogScale"
    assert (type(change.y_scale).__name__, change.y_range.start) == ("LinearScale", 0)
    assert "Largest principal angle, at each checkpoint of the fit." in texts(views[0])


def test_history__of_one_checkpoint_has_nothing_to_be_compared_with():
    assert module._history(fitted(angle=[np.nan])) == []
    assert module._history(fitted(angle=[90.0])) == []
    assert module._history(xr.Dataset()) == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_fitted": 12_000, "converged_at": 9_000}, "Fitted to 12,000 shots. It had converged at 9,000 shots."),
        ({"n_fitted": 12_000}, "Fitted to 12,000 shots. It did not stop early for having converged."),
        ({}, "It did not stop early for having converged."),
    ],
)
def test_converged__is_told_as_far_as_it_is_known(parameters, words):
    assert module._converged(parameters) == words


def test_components__that_are_no_images_are_lines():
    found = xr.Dataset({"components": (("component", "feature"), np.eye(3), {"long_name": "profiles"})})
    _, pane = module._images(found, "pca")
    assert len(pane.object.renderers) == 3
    assert pane.object.yaxis.axis_label == "profiles"
