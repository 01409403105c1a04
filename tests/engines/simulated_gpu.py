"""Draws shots under numba's simulator of a GPU and on the CPU, and ends with an error where photons differ."""

from __future__ import annotations

import sys

import numpy as np

from tests.physics.scenes import FLUENCE, LAMBDA, MARGINS, TRIPLE, bent, shot_of, single
from xfeldask.devices import Device
from xfeldask.engines import cuda_thinning
from xfeldask.engines.cuda_thinning import CudaThinning
from xfeldask.physics import cuda_kernel
from xfeldask.physics.atoms import make_atoms
from xfeldask.physics.detectors import make_geometry
from xfeldask.physics.forward import largest_s, make_forward_model
from xfeldask.physics.species import Body, build_form
from xfeldask.physics.spheroid import Spheroid

BODIES = ((), (0,), (1,), (0, 1, 0))


class Small(Device):
    """Memory for few shots at once."""

    def free(self) -> int:
        return 20_000


def main() -> None:
    """Compare shots of each kind, bright and dim, on a detector with masked pixels and background."""
    # a thread of the simulator is one of Python's, and the one that starts them asks without rest whether they wait
    sys.setswitchinterval(1e-5)
    cuda_kernel.THREADS, cuda_thinning.ROOM = 6, 65
    whole = bent()
    corner = np.s_[:, :22, :16]
    geometry = make_geometry(whole.pixel_position[corner], whole.pixel_size, whole.mask[corner])
    s_max = largest_s(geometry, LAMBDA, MARGINS)
    atoms = make_atoms(np.random.default_rng(2).uniform(-6e-9, 6e-9, (400, 3)), ["C", "O"] * 200).centered()
    forms = [build_form(Body("grid", atoms), s_max), build_form(Body("ball", Spheroid(6e-9, 9e-9, 3e29)), s_max)]
    background = np.linspace(0, 2, geometry.mask.size, dtype=np.float32).reshape(geometry.shape)
    model = make_forward_model(forms, geometry, LAMBDA, MARGINS, background)
    shots = [mixed(geometry, bodies, key) for key, bodies in enumerate(BODIES)]
    shots.append(shot_of(geometry, single(fluence=1e7 * FLUENCE)))
    found = CudaThinning(model, Small()).draw(shots)
    for shot, (pixel, count) in zip(shots, found, strict=True):
        mine, how_many = model.draw(shot)
        assert pixel.dtype == np.uint32
        np.testing.assert_array_equal(pixel, mine)
        np.testing.assert_array_equal(count, how_many)
    sizes = [len(pixel) for pixel, _ in found]
    assert min(sizes) > 0
    assert max(sizes[:-1]) > cuda_thinning.ROOM > min(sizes[:-1])
    assert found[-1][1].max() > 1


def mixed(geometry, bodies, key):
    """A shot of some bodies, the spheroid as bright as the others."""
    particles = [(*one[:2], 300 * one[2], one[3]) for one in TRIPLE[: len(bodies)]]
    shot = shot_of(geometry, particles, center=(1e-3, -5e-4), background=0.02, key=key)
    strength = shot.strength * np.where(np.array(bodies, int) == 1, 0.02, 1.0)
    return shot._replace(body=np.array(bodies, np.int64), strength=strength)


if __name__ == "__main__":
    main()
