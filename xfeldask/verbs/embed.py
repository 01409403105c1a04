"""`embed`: a latent space of a store, and a verdict on each shot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike

import xarray as xr
from numpy.typing import ArrayLike

from xfeldask.config import Experiment
from xfeldask.errors import InputError, TooFewHitsError
from xfeldask.sorting.kinds.names import Kind
from xfeldask.sorting.named_pairs.named_rule import NamedPairRule
from xfeldask.sorting.pairs.lessons import LEAST_HITS
from xfeldask.sorting.protocol import Allowance
from xfeldask.sorting.rules import MODELS
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.model import Choice, Model
from xfeldask.store.storage.urls import StorePath
from xfeldask.store.store_given import Store, opened
from xfeldask.verbs.arguments.given import refuse_name
from xfeldask.verbs.arguments.given_kinds import given_kinds
from xfeldask.verbs.arguments.given_labels import given_labels
from xfeldask.verbs.arguments.on_device import measured_on
from xfeldask.verbs.arguments.options import Options, refuse, tell_conflict
from xfeldask.verbs.particle_kinds import find_kinds, kinds_of
from xfeldask.verbs.parts.building import draft, fit_model
from xfeldask.verbs.parts.following import follow_store
from xfeldask.verbs.parts.named_species import beam_like, named_pairs
from xfeldask.verbs.parts.orientation_features import orientation_feature
from xfeldask.verbs.parts.patience import awaited
from xfeldask.work.fitting import Fit
from xfeldask.work.progress import Tell
from xfeldask.work.sources import StoreSource, project_all

ORIENTATION = "orientation"
"""Method that goes by a reconstruction."""


def embed(
    store: Store,
    *,
    name: str | None = None,
    method: str | object = "ipca",
    features: Choice = "counts",
    n_components: int = 3,
    batch_size: int = 512,
    sort: str | object | None = "pairs",
    max_singles_lost: float = 0.01,
    contamination: float = 0.1,
    max_contamination: float | None = None,
    like: str | StorePath | Experiment | None = None,
    wanted: Kind | Sequence[Kind] | None = None,
    labels: ArrayLike | str | PathLike[str] | None = None,
    stop: bool = True,
    measures: tuple[str, ...] = (),
    history: bool = False,
    follow: bool = False,
    reconstruction: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
    progress: bool | Tell = True,
) -> xr.Dataset:
    """Build a latent space of a store, and tell single hits from everything else.

    Truth that a store may hold is not read.

    Parameters
    ----------
    store : path of a store, or a Dataset of all of it as `open_dataset` gives
    name : str, optional, of the embedding; that of the method by default
    method : "ipca", "pca", "diffusion_map", "ensemble_pca", "brightness" (the sum of features), a name given to
        `register_method`, or an object with scikit-learn's `transform` and `partial_fit`, or `fit`, which is given no
        more than 4,000 shots, spread evenly; or "orientation", by how the particle lies in each shot, found by
        comparing it with a reconstructed intensity
    features : "counts", "normalised", "variance_stabilised", "unit_root", "fourier_crop", "autocorrelation",
        "autocorrelation_profile", "radial_profile", a name given to `register_feature`, or a function of images (shot,
        y, x) that gives rows (shot, ...); or a mapping of ``name`` and options: ``n`` of the Fourier crop, ``n_rings``
        of profiles, ``bin`` [pixels] of the images, made of the photons where the store's are coarser
    n_components : int, of a named method
    batch_size : int, shots that enter the fit together, in ascending order
    sort : "pairs", which weighs what speaks for two particles; "models", which does so, or goes by the particle's
        structure where `like` names one alone, and then compares what is left with the species of `like`, as
        `find_kinds` does, and gives those that are not wanted the verdict "other";
        "elliptic_envelope"; "hits", which tells blanks from hits and asks no more; a name given to `register_rule`, or
        such a rule itself; an outlier estimator of scikit-learn; or None
    max_singles_lost : float, fraction of the singles that "pairs" may reject
    contamination : float, fraction of the shots that the envelope rejects
    max_contamination : float, optional, fraction of the accepted shots that may be anything but a single hit; the least
        sure are rejected until the interval of the purity that "pairs" expects keeps to it, even where that costs more
        singles than `max_singles_lost`. Then a warning says what each of the two would cost, and so does the decision
    like : Experiment, path of one as TOML, or of a simulated store: species that the beam may hold, for "models"
    wanted : str, or several: species of `like` to accept, as of `find_kinds`; by default the one that `like` wants
    labels : int (shot,), optional: 1 for a single hit, 0 for anything else, -1 where not known; a ``.npy`` file of
        that, a ``.csv`` table as the explorer writes it, the name of who labelled shots there, or that of a column of
        true and false that came with the shots, such as a tag of a CXI file (true a single hit); for "pairs"
    stop : bool, fit no further once the latent space has converged
    measures : any of "jensen_shannon" and "reconstruction", recorded with the convergence
    history : bool, keep the coordinates of all shots at each checkpoint of the fit, to see how the space settled
    follow : bool, take a store that is still being written, or not there yet, and go on until it is complete
    reconstruction : str, optional, that "orientation" goes by; the only one by default
    seed : int
    device : "auto", "cpu" or "cuda", where "pairs" measures shots, each of Dask's workers on its own GPU; "auto" takes
        one where CuPy finds it
    overwrite : bool, replace an embedding of the same name
    progress : bool, show progress on stderr; or a function that is called with what is being done, how much of it is
        done, of how much, and of what, such as ``("fitting", 512, 2000, "shots")``

    Returns
    -------
    xarray.Dataset, ``/latent/<name>``, with `latent` (shot, component), `score`, `probability_single`,
    `is_single`, `verdict` (shot,), the evidence, the model as arrays, and every parameter; not every rule gives a
    probability. The attribute `device` names the GPU that measured

    Raises
    ------
    InputError
        A parameter out of range, fewer shots than components, too few hits for the rule, a contamination that the rule
        does not go by, a device that is not there.
    StoreExistsError
        The embedding is there and `overwrite` is false.

    Notes
    -----
    "models" needs neither many shots nor many hits. Where `like` names one species that is one structure, the rule
    "named_pairs" tells one particle from two by what the structure scatters, and one shot is enough. Otherwise, of
    fewer than 300 hits "pairs" learns nothing, and then all hits are judged by species, by the rule "hits"; nobody
    tells one particle from several, and no purity is told. Of no more shots than components the coordinate is their
    brightness.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=600,
    ...                       single_fraction=0.9, progress=False)
    >>> embed(path, progress=False).latent.shape
    (600, 3)
    """
    named = sort == MODELS
    if named != (like is not None):
        raise InputError(
            "sort='models' and like=, an experiment (.toml) or a simulated store that names species, belong together; "
            "pass both or neither"
        )
    if wanted is not None and like is None:
        raise InputError("wanted tells which species of like= to accept; pass both, or find kinds and sort by those")
    if like is not None:
        given_kinds(wanted, beam_like(like))  # refused, if they must be, before anything is done
    run = awaited(store, progress) if follow else opened(store)
    if like is not None:
        few = run.n_shots < LEAST_HITS and max_contamination is None and labels is None
        by_name = None if labels is not None else named_pairs(like, run, seed)
        sort = by_name or ("hits" if few else "pairs")
        if isinstance(method, str) and method != ORIENTATION and run.n_shots <= n_components:
            method, n_components = "brightness", 1
    if method == ORIENTATION:
        if features != "counts":
            raise InputError(f"the method 'orientation' has features of its own, got {features!r:.60}; leave them out")
        name, method, features = name or ORIENTATION, "pca", orientation_feature(run, reconstruction)
    elif reconstruction is not None:
        raise InputError("a reconstruction is for the method 'orientation'")
    options = Options(
        method=method,
        features=features,
        n_components=n_components,
        batch_size=batch_size,
        sort=sort,
        allowance=Allowance(
            max_singles_lost=max_singles_lost, contamination=contamination, max_contamination=max_contamination
        ),
        labels=None if labels is None else given_labels(run, labels),
        stop=stop,
        measures=measures,
        history=history,
        seed=seed,
        progress=progress,
        device=device,
    )
    name = name or options.method_name.lower()
    source = StoreSource(run)
    refuse(source, run.n_shots, options)
    refuse_name(run, name, overwrite)
    # by a particle that is named shots are measured on the CPU, whatever compares them with species
    options = replace(options, gpus=measured_on("cpu" if isinstance(sort, NamedPairRule) else device, sort, progress))
    with Embedding(run, name).held():
        refuse_name(run, name, overwrite)  # another may have made it meanwhile
        if follow:
            follow_store(run, name, options)
        else:
            run.refuse_incomplete()
            model, fitted, options = _fitted(source, options, run.n_shots, named)
            made = draft(run, name, options, model, fitted, project_all(source, model, run.n_shots, progress))
            if named and made.found.is_single.any():
                # in one step: an embedding without its kinds is not what was asked for
                return kinds_of(made, like=like, wanted=wanted, seed=seed, device=device, progress=progress)
            made.publish(made.found, made.made)
    embedding = Embedding(run, name)
    if named and follow and embedding.dataset().is_single.any():
        return find_kinds(run.path, name, like=like, wanted=wanted, seed=seed, device=device, progress=progress)
    return tell_conflict(embedding.dataset())


def _fitted(source: StoreSource, options: Options, shots: int, by_models: bool) -> tuple[Model, Fit, Options]:
    """Fit what is asked for; species alone sort hits that are too few to learn pairs from, unless more is asked."""
    try:
        return *fit_model(source, options, shots), options
    except TooFewHitsError:
        if not by_models or options.labels is not None or options.allowance.max_contamination is not None:
            raise
    options = replace(options, sort="hits", gpus="")
    return *fit_model(source, options, shots), options
