"""What draws the photons of a shard: the protocol, the engines by name, and a user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.engines.slicing import Slicing
from xfeldask.engines.thinning import Thinning
from xfeldask.errors import InputError
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.images import Counts, Photons, checked, joined, photons_of_frames
from xfeldask.physics.plan import ShotPlan
from xfeldask.physics.species import Form, Mixture
from xfeldask.registry import Registry, call, takes


class Engine(Protocol):
    """Draws the photons of shots from their plan.

    An engine is given the shots of a whole shard and yields them in order, in blocks of as many as it likes to draw
    together: one, where memory is short, or all, where it computes them side by side. What it draws for a shot depends
    on the plan of the shot and on its index alone. Full pixels, images and totals are not its business: they are made
    from its photons, by `xfeldask.physics.images.Recorder`.
    """

    def draw(self, plan: ShotPlan, shots: NDArray[np.int64], /) -> Iterable[Photons | Counts]:
        """Draw photons.

        Parameters
        ----------
        plan : ShotPlan
        shots : int64 (shot,), absolute index of each shot of the plan

        Returns
        -------
        iterable of blocks of consecutive shots, each as `Photons` or as frames, int (shot, panel, ss, fs)
        """

    def expected(self, plan: ShotPlan, shots: NDArray[np.int64], /) -> Iterable[NDArray[np.float32]]:
        """Compute expected photons of each shot, float32 (panel, ss, fs); asked for only where they are stored."""


ENGINES: Registry[Callable[..., Engine]] = Registry("engine", {"xfeldask": Thinning, "skopi": Slicing})
"""Makers of engines by name."""


def register_engine(name: str, maker: Callable[..., Engine]) -> None:
    """Let an engine of your own be found by name, as ``engine=name`` of `simulate`.

    Workers in other processes know it if they import what registers it.

    Parameters
    ----------
    name : str
    maker : callable, a class or a function that returns an `Engine`; called with those of `experiment`, `geometry`,
        `volume` (the form factor) and `atoms` that it takes, or of `forms` and `mixture`, where it knows several
        species, and `background`, where it knows one that is not uniform

    Raises
    ------
    InputError
        A name that is no identifier, or that of an engine of this package.

    Examples
    --------
    >>> class Darkness:
    ...     def __init__(self, geometry):
    ...         self.shape = geometry.shape
    ...     def draw(self, plan, shots):
    ...         yield np.zeros((len(shots), *self.shape), int)
    ...     def expected(self, plan, shots):
    ...         return [np.zeros(self.shape, np.float32)] * len(shots)
    >>> register_engine("darkness", Darkness)
    """
    ENGINES.register(name, maker)


def make_engine(
    experiment: Experiment,
    geometry: Geometry,
    forms: Sequence[Form],
    mixture: Mixture,
    background: NDArray[np.float32] | None = None,
) -> Engine:
    """Make the engine that an experiment asks for.

    Parameters
    ----------
    experiment : Experiment
    geometry : Geometry
    forms : Form of each body of `mixture`
    mixture : Mixture
    background : (panel, ss, fs), where background photons fall; None where they do so everywhere alike

    Raises
    ------
    UnknownNameError
        No engine has that name.
    InputError
        The engine cannot do what the experiment asks.
    """
    maker = ENGINES[experiment.engine]
    if experiment.background is not None and not takes(maker, "background"):
        raise InputError(
            f"engine={experiment.engine!r} draws uniform background only; leave it out, or use engine='xfeldask'"
        )
    if experiment.species is not None and not takes(maker, "mixture"):
        raise InputError(f"engine={experiment.engine!r} knows no species; give a particle, or use engine='xfeldask'")
    return call(
        maker,
        experiment=experiment,
        geometry=geometry,
        volume=forms[mixture.bodies.index(mixture.wanted_body)],
        atoms=mixture.atoms,
        forms=forms,
        mixture=mixture,
        background=background,
    )


def drawn(engine: Engine, plan: ShotPlan, shots: NDArray[np.int64], shape: tuple[int, int, int]) -> Iterator[Photons]:
    """Photons of the shots that an engine draws, in the blocks that it draws them in.

    Raises
    ------
    InputError
        The engine yields frames of another shape, or more or fewer shots than it was asked for.

    Examples
    --------
    >>> class Flat:
    ...     def draw(self, plan, shots):
    ...         yield np.ones((len(shots), 1, 2, 2), np.int64)
    >>> [count.tolist() for block in drawn(Flat(), None, np.arange(2), (1, 2, 2)) for pixel, count in block]
    [[1, 1, 1, 1], [1, 1, 1, 1]]
    >>> list(drawn(Flat(), None, np.arange(2), (1, 3, 3)))
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: the engine Flat drew frames of shape (2, 1, 2, 2); they must be (shot, 1, 3, 3)
    """
    n, name = 0, type(engine).__name__
    for block in engine.draw(plan, shots):
        if not isinstance(block, Photons) and np.shape(block)[1:] != shape:
            asked = ", ".join(map(str, shape))
            raise InputError(f"the engine {name} drew frames of shape {np.shape(block)}; they must be (shot, {asked})")
        photons = checked(block, prod(shape)) if isinstance(block, Photons) else photons_of_frames(block)
        if len(photons) == 0:
            continue
        n += len(photons)
        if n > len(shots):
            raise InputError(f"the engine {name} drew more than the {len(shots)} shots that it was asked for")
        yield photons
    if n < len(shots):
        raise InputError(f"the engine {name} drew {n} of the {len(shots)} shots that it was asked for")


def one_by_one(blocks: Iterable[Photons]) -> Iterator[Photons]:
    """Cut blocks of shots into single shots.

    Examples
    --------
    >>> two = Photons(np.array([5, 5, 0], np.uint32), np.array([1, 1, 4]), np.array([0, 2, 3]))
    >>> [one.pixel.tolist() for one in one_by_one([two, two])]
    [[5, 5], [0], [5, 5], [0]]
    """
    for block in blocks:
        for shot in block:
            yield joined([shot])
