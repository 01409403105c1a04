"""`simulate`: from an experiment to a finished store."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from xfeldask.config import Background, Beam, Detector, Experiment, Hits, Nuisance, Orientations, Particle, Response
from xfeldask.engines.cuda_thinning import gpu_for
from xfeldask.engines.estimate import Estimate, estimate, free_bytes, most_bytes, refuse_full_disk
from xfeldask.engines.likeness import alike
from xfeldask.engines.preparation import Prepared, prepare
from xfeldask.engines.workshop import keep, make_workshop, simulate_shard
from xfeldask.errors import ExperimentMismatchError, FewPhotonsWarning, InputError
from xfeldask.formats.inputs import Inputs, resolve
from xfeldask.physics.atoms import Atoms
from xfeldask.store.layout import FORMAT
from xfeldask.store.opening import stored_experiment
from xfeldask.store.run import Run
from xfeldask.store.shards import pending_shards
from xfeldask.store.storage.lock import held
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.shard_range import ShardRange, begun
from xfeldask.store.storage.urls import StorePath, store_path
from xfeldask.units import told
from xfeldask.verbs.arguments.asked import as_experiment
from xfeldask.verbs.arguments.drawing_device import drawn_on, told_device
from xfeldask.verbs.parts.pending import refuse_broken, refuse_existing, run_pending
from xfeldask.verbs.parts.simulation_template import publish_template
from xfeldask.work.progress import Tell

if TYPE_CHECKING:
    import xarray as xr
    from zarr.abc.store import Store as ZarrStore

OWN_ENGINE = "xfeldask"


def simulate(
    store: str | StorePath | ZarrStore,
    experiment: Experiment | None = None,
    *,
    particle: str | Path | Particle | Atoms | tuple[ArrayLike, ArrayLike] | Mapping[str, Any] | None = None,
    species: Mapping[str, Any] | None = None,
    wanted: str | None = None,
    n_shots: int | None = None,
    detector: str | Path | Detector | Mapping[str, Any] | None = None,
    response: str | Response | Mapping[str, Any] | None = None,
    beam: str | Path | Beam | Mapping[str, Any] | None = None,
    single_fraction: float | None = None,
    hits: float | str | Hits | Mapping[Any, Any] | None = None,
    nuisance: str | Nuisance | Mapping[str, Any] | None = None,
    background: str | Background | Mapping[str, Any] | None = None,
    orientations: str | Orientations | Mapping[str, Any] | ArrayLike | None = None,
    seed: int | None = None,
    engine: str | None = None,
    intensity: bool | None = None,
    photon_dtype: str | None = None,
    like: str | StorePath | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shards: str | None = None,
    device: str = "cpu",
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Simulate shots into a Zarr store, on the scheduler that Dask has active.

    Parameters
    ----------
    store : path of the store
    experiment : Experiment, optional; keywords replace parts of it
    particle : a built-in name, a path (.pdb, .ent, .cif), a PDB id, `Atoms`, or (positions (n, 3) [m], elements)
    species : instead of `particle`, what is in the beam by name: a source as of `particle`, or ``{"source": ...,
        "weight": 0.8}`` and more as `xfeldask.config.Species`; docs/species.md
    wanted : name of the species that is wanted; the first one by default
    n_shots : int
    detector : "pnccd-amo86615" (the default), "square-N", or another source of `xfeldask.Detector`
    response : how the detector reads photons: "pnccd", "agipd", "jungfrau", "epix10k", or parts as
        `xfeldask.config.Response`; every photon is counted by default. docs/detectors.md
    beam : "amo86615" (the default), the path of a ``.beam`` file, or photon_energy [eV], photons_per_pulse and
        focus_radius [m]
    single_fraction : float, fraction of the shots with one particle, the others hold two; all hold one by default
    hits : instead of `single_fraction`: {0: 0.1, 1: 0.8, 2: 0.1}, "poisson:0.1", or as `xfeldask.config.Hits`
    nuisance : "ideal" (the default), "jitter", "realistic", or parts as `xfeldask.config.Nuisance`
    background : where its photons fall and the weight of each shot, as `xfeldask.config.Background`: "gas", a .npy file
        of a profile or an image; uniform and as strong as the pulse by default. How much of it says `nuisance`
    orientations : "random" (the default), a mapping as `xfeldask.config.Orientations`, or quaternions (n, 4), w x y z
    seed : int, of all random numbers; 0 by default
    engine : "xfeldask" (the default) or "skopi"
    intensity : bool, store expected photons too
    photon_dtype : "uint8" (the default) or "uint16"; a full pixel stays full
    like : path of a store, mostly of measured shots: its detector, mask and wavelength instead of `detector` and
        `beam`, and pulses of which a single hit has as many photons as a shot of it has in the middle
    resume : bool, finish a store that was interrupted; only what is pending is computed
    overwrite : bool, replace a store that is there
    shards : str such as "3/10", make the third of ten ranges of the shards alone, while other processes make the rest;
        the first of them to come makes the store, and one that is run again finishes its range
    device : "cpu", "cuda" (a GPU), or "auto", which takes a GPU where one is found; photons are the same. What is not
        there is refused by this process; workers draw, on machines of the same kind. docs/gpu.md
    progress : bool, show progress on stderr; or a function as `embed` takes it

    Returns
    -------
    xarray.Dataset, lazy over the finished store; with `shards`, over what is there

    Raises
    ------
    InputError
        Something cannot be used; nothing was written.
    StoreExistsError, ExperimentMismatchError
        The store is there and was not asked to be resumed, or holds another experiment.
    RunError
        The run broke off; what was committed is kept.

    Warns
    -----
    FewPhotonsWarning
        A single hit has less than one photon on average.

    Examples
    --------
    >>> import tempfile
    >>> ds = simulate(tempfile.mkdtemp() + "/run.zarr", particle="chaperonin", detector="square-64", n_shots=8,
    ...               single_fraction=0.5, seed=7, progress=False)
    >>> ds.photons.shape
    (8, 1, 64, 64)
    """
    return simulate_run(
        store,
        experiment,
        particle=particle,
        species=species,
        wanted=wanted,
        n_shots=n_shots,
        detector=detector,
        response=response,
        beam=beam,
        single_fraction=single_fraction,
        hits=hits,
        nuisance=nuisance,
        background=background,
        orientations=orientations,
        seed=seed,
        engine=engine,
        intensity=intensity,
        photon_dtype=photon_dtype,
        like=like,
        resume=resume,
        overwrite=overwrite,
        shards=shards,
        device=device,
        progress=progress,
    ).dataset()


def simulate_run(
    store: str | StorePath | ZarrStore,
    experiment: Experiment | None = None,
    *,
    particle: Any = None,
    n_shots: int | None = None,
    orientations: Any = None,
    like: str | StorePath | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shards: str | None = None,
    device: str = "cpu",
    progress: bool | Tell = True,
    **parts: Any,
) -> Run:
    """Do as `simulate` with the same arguments, for whom the run will do: a Dataset takes some time to begin with."""
    path = store_path(store)
    among = None if shards is None else ShardRange.read(shards)
    if among and overwrite:
        raise InputError("shards of several processes replace nothing; remove the store first, or leave out overwrite")
    finish = resume or among is not None
    inputs = _inputs(path, finish, overwrite, experiment, particle, n_shots, orientations, parts, like)
    drawing = drawn_on(device, inputs.experiment.engine)
    if among is not None:
        return _make_range(path, inputs, among, device, told_device(drawing, progress), progress)
    place = place_of(path)
    if resume and place.exists():
        run = _resumed(path, inputs.experiment)
        if run.complete and not pending_shards(run):
            return run.reopened("r")
    label = told_device(drawing, progress)
    with held(path):
        refuse_existing(path, resume, overwrite)  # another may have made it meanwhile
        if resume and place.exists():
            run = _resumed(path, inputs.experiment)
        else:
            run = _begin(path, inputs, label, stacklevel=5)
        run_pending(run, "simulate", _task(device), progress)
        return run.reopened("r")


def _task(device: str) -> Callable[[Run, int], None]:
    """Return what computes a shard on a device."""
    return simulate_shard if device == "cpu" else partial(simulate_shard, device=device)


def _make_range(
    path: StorePath, inputs: Inputs, among: ShardRange, device: str, label: str, progress: bool | Tell
) -> Run:
    """Make a range of the shards, beside others who make the rest."""
    begun(path, partial(_begin, path, inputs, label, stacklevel=7))
    run = _resumed(path, inputs.experiment)
    with held(path, among.lock_path):
        run_pending(run, "simulate", _task(device), progress, among)
        return run.reopened("r")


def _begin(path: StorePath, inputs: Inputs, device: str, stacklevel: int) -> Run:
    """Make the store without shots; what was prepared goes when it is there, but for what draws."""
    prepared = prepare(inputs)
    warn_of_few_photons(prepared, stacklevel)
    # shots drawn for an estimate tell of an engine that fails, too, before a store that is there is replaced
    doubtful = place_of(path).exists() or prepared.inputs.experiment.engine != OWN_ENGINE
    if doubtful or most_bytes(prepared) > free_bytes(path):
        refuse_full_disk(path, estimate(prepared).bytes_on_disk)
    run = publish_template(path, prepared, device)
    keep(run, make_workshop(run.group, prepared.engine, prepared.inputs.geometry, prepared.readout))
    return run


def estimate_run(
    store: str | StorePath | ZarrStore,
    experiment: Experiment | None = None,
    *,
    particle: Any = None,
    n_shots: int | None = None,
    orientations: Any = None,
    like: str | StorePath | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "cpu",
    **parts: Any,
) -> Estimate:
    """Estimate what `simulate` with the same arguments would take; nothing is written."""
    path = store_path(store)
    inputs = _inputs(path, resume, overwrite, experiment, particle, n_shots, orientations, parts, like)
    gpu_for(device, inputs.experiment.engine)  # refuses what is not there
    prepared = prepare(inputs)
    warn_of_few_photons(prepared)
    return estimate(prepared)


def _inputs(
    path: StorePath,
    resume: bool,
    overwrite: bool,
    experiment: Experiment | None,
    particle: Any,
    n_shots: int | None,
    orientations: Any,
    parts: Mapping[str, Any],
    like: str | StorePath | None,
) -> Inputs:
    if like is not None and (parts.get("detector") is not None or parts.get("beam") is not None):
        raise InputError(f"{like} gives detector and beam; leave them out, or leave out like")
    asked, atoms, listed = as_experiment(experiment, particle, n_shots, orientations, parts)
    refuse_existing(path, resume, overwrite)
    if like is not None:
        asked = alike(asked, Run.open(like).refuse_incomplete(), atoms)
    return resolve(asked, atoms, listed)


def warn_of_few_photons(prepared: Prepared, stacklevel: int = 3) -> None:
    """Warn of a run whose single hits have less than one photon on average, with the background."""
    experiment = prepared.inputs.experiment
    photons = prepared.single_photons * (1 + experiment.nuisance.background)
    if photons < 1:
        beam, focus = experiment.beam, told(experiment.beam.focus_radius, "m")
        warnings.warn(
            f"a single hit will have {photons:.2g} photons on average, so that nearly all shots will be empty; check "
            f"particle and beam ({beam.photons_per_pulse:.3g} photons in a focus of {focus} radius)",
            FewPhotonsWarning,
            stacklevel=stacklevel,
        )


def refuse_other(run: Run, asked: Experiment) -> None:
    """Refuse to resume another experiment than the stored one, or shots whose bytes had another origin."""
    old, new = stored_experiment(run.group).identity(), asked.identity()
    if not run.complete:
        old, new = {**old, "format": run.attributes.get("format")}, {**new, "format": FORMAT}
    differing = {k: (old.get(k), new.get(k)) for k in sorted({*old, *new}) if old.get(k) != new.get(k)}
    if differing:
        raise ExperimentMismatchError(run.path, differing)


def _resumed(path: StorePath, asked: Experiment) -> Run:
    """Open a run that is to be finished."""
    run = Run.open(path, "r+")
    refuse_other(run, asked)
    refuse_broken(run)
    return run
