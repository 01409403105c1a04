from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from xfeldask.config import Experiment
from xfeldask.engines import preparation
from xfeldask.engines.preparation import blocks_of, detector_variables, fixed_variables, prepare, refuse_uncountable
from xfeldask.errors import InputError, MemoryNeededError, UnknownNameError
from xfeldask.formats.inputs import resolve
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.detectors import assembled_index, square, wavelength
from xfeldask.schema import VARIABLES

ATOMS = make_atoms([[0, 0, 0], [2e-9, 0, 0]], ["C", "O"])
VALUES = {"particle": "arrays", "detector": "square-16", "n_shots": 50, "hits": {0: 1, 1: 2, 2: 1}, "seed": 3}


def inputs(**changes):
    return resolve(Experiment(**VALUES | changes), ATOMS)


@pytest.fixture(scope="module")
def prepared():
    return prepare(inputs())


def test_prepare__makes_room_for_the_particles_that_are_drawn(prepared):
    plan = prepared.plan(np.arange(50))
    assert plan.n_particles.max() == prepared.layout.particles == 2
    assert plan.orientation.shape == (50, 2, 4)
    # few shots may hold fewer than the experiment allows
    few = prepare(inputs(n_shots=2, hits={0: 1, 1: 2, 30: 1e-9}))
    assert few.layout.particles == 1
    assert few.plan(np.arange(2)).position.shape == (2, 1, 3)
    assert prepare(inputs(n_shots=2, hits={0: 1})).layout.particles == 1


def test_prepare__gives_shots_that_depend_on_their_index_alone(prepared):
    every, some = prepared.plan(np.arange(50)), prepared.plan(np.array([7, 31]))
    for name, value in some.arrays().items():
        np.testing.assert_array_equal(value, every.arrays()[name][[7, 31]])


def test_prepare__refuses_what_it_does_not_know_before_what_is_slow(monkeypatch):
    monkeypatch.setattr(preparation, "build_form", None)
    with pytest.raises(UnknownNameError, match="unknown engine 'xfeldsk'; did you mean xfeldask"):
        prepare(inputs(engine="xfeldsk"))
    monkeypatch.setattr(preparation.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(MemoryNeededError, match=r"the index of 50 shots needs .*; make several stores of fewer shots"):
        prepare(inputs())


def test_refuse_uncountable__is_of_the_strongest_pulse_that_can_be_drawn():
    def refuse(photons, particles=1, **changes):
        refuse_uncountable(Experiment(**VALUES | changes), particles, photons, photons, 1.0)

    refuse(4e9)
    for more in ({"photons": 5e9}, {"photons": 3e9, "particles": 2}, {"photons": 3e9, "nuisance": {"background": 1}},
                 {"photons": 3e9, "nuisance": {"pulse_spread": 0.5}}):  # fmt: skip
        with pytest.raises(InputError, match=r"photons a shot, and a total holds 4294967295; lower photons_per_pulse"):
            refuse(**more)


def test_variables__of_a_detector_are_those_of_the_schema():
    geometry = square(8, 1e-3, 0.1)
    found = detector_variables(geometry, 5, wavelength(4600))
    assert all(VARIABLES[name].role == "fixed" for name in found)
    assert all(np.ndim(value) == len(VARIABLES[name].dims) for name, value in found.items())
    np.testing.assert_array_equal(found["assembled_row"], assembled_index(geometry)[0])
    assert found["shot"].tolist() == [0, 1, 2, 3, 4]
    # in 1/angstrom, and the same axis along rows and columns of a square
    np.testing.assert_allclose(found["y"], found["x"])
    assert found["q"][0, 0, 0, 0] == pytest.approx(found["x"][0], rel=1e-2)


def test_variables__of_a_run_are_the_detectors_and_the_atoms(prepared):
    found = fixed_variables(prepared)
    np.testing.assert_array_equal(found["atom_position"], prepared.inputs.atoms.position)
    assert found["atom_element"].tolist() == ["C", "O"]
    assert prepared.bytes_of_fixed == sum(np.asarray(value).nbytes for value in found.values())


@pytest.mark.parametrize("n", [1, 2047, 2048, 2049])
def test_blocks__are_all_shots_in_chunks_of_truth(n):
    found = list(blocks_of(n))
    np.testing.assert_array_equal(np.concatenate(found), np.arange(n))
    assert all(len(block) == 2048 for block in found[:-1])
