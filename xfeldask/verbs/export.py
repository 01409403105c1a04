"""`export`: shots of a store into files that other programs read, and verdicts back into those they came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.engines.reading import open_intake
from xfeldask.errors import InputError, StoreExistsError, UnknownNameError, XfeldaskError
from xfeldask.formats.cspi_out import write_cspi
from xfeldask.formats.cxi import cxi_stacks
from xfeldask.formats.cxi_out import write_back_result, write_cxi
from xfeldask.formats.emc_out import list_files, write_dragonfly_detector, write_emc, write_hdf5_emc, write_lists
from xfeldask.formats.png_out import is_picture, write_png
from xfeldask.schema import LATENT, OF_KINDS
from xfeldask.store.choosing.chosen import Chosen
from xfeldask.store.choosing.selecting import select, shots_in
from xfeldask.store.elsewhere import KEY, forget_readers, source_files, stored_elsewhere
from xfeldask.store.intake import Intake, file_of, fingerprint, stored_intake
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.run import Run
from xfeldask.store.storage.places import is_in, store_around
from xfeldask.store.storage.publish import replaced
from xfeldask.store.store_given import Store, opened
from xfeldask.work.progress import Tell, reporter

FORMATS = {"emc": ".emc", "emc_hdf5": ".h5", "cxi": ".cxi", "cspi": ".h5", "png": ""}
"""Formats that shots are written in, and how the names of their files end."""
ENDINGS = {".emc": "emc", ".h5": "emc_hdf5", ".hdf5": "emc_hdf5", ".cxi": "cxi", "": "png"}
"""The format that is meant where only a file is named."""
SAMPLE = 64
"""Shots that are compared with files that have changed."""


def export(
    store: Store,
    out: str | Path,
    *,
    where: str | ArrayLike | None = None,
    format: str | None = None,
    embedding: str | None = None,
    overwrite: bool = False,
    progress: bool | Tell = True,
) -> Path:
    """Write shots of a store into a file that other programs read.

    Parameters
    ----------
    store : path of a finished store, or a Dataset of all of it
    out : path; by its ending ``.emc`` is Dragonfly's binary file, ``.h5`` its HDF5 file, ``.cxi`` CXI 1.6, and a name
        without an ending a folder of pictures
    where : str, expression that selects shots, such as ``is_single and photon_count > 1000``; or their indices, or a
        boolean for each; all by default
    format : "emc", "emc_hdf5", "cxi", "cspi" or "png", in the place of what the ending tells
    embedding : str, whose quantities `where` means, by default the first that was sorted; and whose verdicts a CXI file
        holds, by default the only one that was sorted
    overwrite : bool, replace an earlier export at `out`, and the files beside it; never what the shots were read from,
        nor a folder that holds anything but pictures of shots
    progress : bool, show progress on stderr; or a function that is told of it

    Returns
    -------
    Path, of what was written. Beside EMC files lie ``<stem>_detector.h5``, ``<stem>_shots.txt``, the index of each
    shot in the store, and ``<stem>_blacklist.dat``, a line for each shot of the store, 1 where it was left out

    Raises
    ------
    MissingFileError, IncompleteStoreError, InputError
        There is no such store, no shot is selected, or the file cannot be written there.
    StoreExistsError
        Something is at `out` already, or one of the files beside it is there.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run"
    >>> _ = xfeldask.simulate(path + ".zarr", particle="chaperonin", detector="square-64", n_shots=4, progress=False)
    >>> export(path + ".zarr", path + ".emc", where="shot >= 2", progress=False).name
    'run.emc'
    """
    path, kind = Path(out), _format(Path(out), format)
    run = opened(store).refuse_incomplete()
    Embedding.refuse_unknown(run, embedding)
    _refuse_place(path, kind, run, overwrite)
    if where is None:
        shots = np.arange(run.n_shots)
    elif isinstance(where, str):
        shots = select(run.path, where, embedding)
    else:
        shots = shots_in(run, where)
    if not len(shots):
        raise InputError(f"no shot of {run.path} fulfils {where!r}; loosen the expression")
    chosen = Chosen(run, shots)
    verdicts = result_of(run, embedding, shots) if kind == "cxi" else None
    try:
        with reporter("exporting", len(chosen), "shots", progress) as told, replaced(path) as fresh:
            _write(kind, fresh, chosen, verdicts, told.advance)
        if kind.startswith("emc"):
            with replaced(_beside(path)[0]) as fresh:
                write_dragonfly_detector(fresh, run.geometry)
            write_lists(path, shots, run.n_shots)
    except OSError as error:
        if isinstance(error, XfeldaskError):
            raise
        raise InputError(f"cannot write {path}: {error}; choose a disk with room that may be written") from error
    return path


def _refuse_place(path: Path, kind: str, run: Run, overwrite: bool) -> None:
    """Refuse to write where anything lies that is no earlier export, or an earlier one, unless it may be replaced."""
    if not path.absolute().parent.is_dir():
        raise InputError(f"there is no folder {path.absolute().parent} to write {path.name} into; make it first")
    intake, left = stored_intake(run.group), stored_elsewhere(run.group)
    read = [file_of(source) for source in (() if intake is None else intake.sources)]
    read += [Path(file.path) for file in (() if left is None else left.files)]
    for place in [path, *(_beside(path) if kind.startswith("emc") else ())]:
        if (taken := store_around(place)) is not None:
            raise InputError(f"{place} would lie in the store {taken}; give another path")
        if any(is_in(place, file) for file in read):
            raise InputError(f"{place} is what the shots of {run.path} were read from; give another path")
        if place.is_dir() and not (kind == "png" and all(is_picture(file) for file in place.iterdir())):
            raise InputError(f"{place} is a folder of other things; give another path")
        if place.exists() and not overwrite:
            raise StoreExistsError(f"{place} exists; pass overwrite=True (--overwrite), or another path")


def _beside(path: Path) -> tuple[Path, ...]:
    """Files that are written beside one of Dragonfly."""
    return path.with_name(f"{path.stem}_detector.h5"), *list_files(path)


def write_back(store: Store, *, embedding: str | None = None) -> list[str]:
    """Write verdicts into the CXI files that a store was ingested from.

    Each file gets a group ``result_N`` with `data`, what each shot is taken for, and `class_labels`, score and
    probability; and ``score/is_hit``, 1 where a shot is accepted as a single hit. The file is changed where it lies, by
    one process at a time; what is new is written beside its place and moved there last.

    Parameters
    ----------
    store : path of a finished store, or a Dataset of all of it
    embedding : str, whose verdicts are meant; the only one that was sorted by default

    Returns
    -------
    list of str, where the verdicts are, ``file.cxi:/entry_1/result_2``

    Raises
    ------
    InputError
        The store does not come from CXI files, shots were not sorted, a file holds other frames than those that were
        ingested, or is open elsewhere.
    FormatError
        A file does not hold the frames any more.
    """
    run = opened(store).refuse_incomplete()
    intake = stored_intake(run.group)
    if intake is None or intake.format != "cxi":
        raise InputError(f"{run.path} was not ingested from CXI files; export it instead, with --where")
    verdicts = result_of(run, embedding, np.arange(run.n_shots))
    if verdicts is None:
        raise Embedding.none_sorted(run)
    places = [(source, *stack) for source in intake.sources for stack in cxi_stacks(source)]
    if sum(n_shots for _, _, n_shots in places) != run.n_shots:
        raise InputError(
            f"the files of {run.path} hold another number of frames than when they were ingested; put back those that "
            "were, or ingest these"
        )
    if len({(source, stack.split("/")[0]) for source, stack, _ in places}) < len(places):
        raise InputError(
            f"the files of {run.path} have several stacks in one entry, and verdicts are written for entries of one; "
            "export the shots into a file of their own instead"
        )
    left = stored_elsewhere(run.group)
    if left is not None:
        left.refuse_changed(run.path)
    _refuse_other_frames(run, intake)
    told, start = [], 0
    forget_readers()  # a file that photons are read from is open
    try:
        for source, stack, n_shots in places:
            part = {k: v[start : start + n_shots] if k not in ("name", "labels") else v for k, v in verdicts.items()}
            told.append(write_back_result(source.partition(":/")[0], stack, n_shots, part))
            start += n_shots
    finally:
        # the frames in the files are still those that were ingested
        attributes = run.reopened("r+").group.attrs
        attributes["ingest"] = intake.model_copy(update={"written_back": fingerprint(intake.sources)}).to_json()
        if left is not None:
            files = source_files(file.path for file in left.files)
            attributes[KEY] = left.model_copy(update={"files": files}).to_json()
    return told


def _refuse_other_frames(run: Run, intake: Intake) -> None:
    """Refuse files that have changed, unless some shots all over them are as they were: others write verdicts too."""
    if fingerprint(intake.sources) in (intake.fingerprint, intake.written_back):
        return
    found, most = open_intake(intake, run.geometry), np.iinfo(run.layout.photon_dtype).max
    for shot in np.unique(np.linspace(0, run.n_shots - 1, SAMPLE).astype(int)).tolist():
        now = np.minimum(found.read(range(shot, shot + 1))[0], most) * run.geometry.mask
        if not np.array_equal(now, run.read("photons", shot)):
            raise InputError(
                f"shot {shot} of {run.path} is not the one that its file holds; put back the files that were ingested, "
                "or ingest these"
            )


def result_of(run: Run, embedding: str | None, shots: NDArray[np.int64]) -> dict[str, Any] | None:
    """Verdicts of an embedding on some shots, as `xfeldask.formats.cxi_out.write_result` takes them; None without any.

    Raises
    ------
    UnknownNameError
        There is no such embedding.
    InputError
        The embedding does not tell of all shots; several were sorted, and none is named.
    """
    judging = Embedding.with_verdicts(run, embedding)
    if judging is None or not judging.is_sorted:
        return None
    name, found = judging.name, judging.dataset()
    if found.sizes["shot"] < run.n_shots:
        raise InputError(f"{name} tells of {found.sizes['shot']:,} of {run.n_shots:,} shots; embed again")
    flags = OF_KINDS.flags if "kind" in found else LATENT["verdict"].flags
    single = np.asarray(found["is_single"].values[shots], np.bool_)
    out: dict[str, Any] = {"name": name, "labels": [meaning for _, meaning in flags], "is_hit": single}
    out["verdict"] = found["verdict"].values[shots] if "verdict" in found else np.where(single, 1, 2).astype(np.uint8)
    return out | {k: found[k].values[shots] for k in ("score", "probability_single") if k in found}


def _format(path: Path, asked: str | None) -> str:
    if asked is not None:
        if asked not in FORMATS:
            raise UnknownNameError("format", asked, FORMATS)
        return asked
    if path.suffix not in ENDINGS:
        raise InputError(
            f"the ending of {path} names no format; take {', '.join(filter(None, ENDINGS))}, or pass format"
        )
    return ENDINGS[path.suffix]


def _write(kind: str, path: Path, chosen: Chosen, verdicts: Any, advance: Callable[[int], None]) -> None:
    n_pixels = chosen.run.geometry.mask.size
    if kind == "emc":
        write_emc(path, chosen.blocks(), len(chosen), n_pixels, advance)
    elif kind == "emc_hdf5":
        write_hdf5_emc(path, chosen.blocks(), len(chosen), n_pixels, advance)
    elif kind == "cxi":
        write_cxi(path, chosen, verdicts, advance)
    elif kind == "cspi":
        write_cspi(path, chosen, advance)
    else:
        write_png(path, chosen, advance)
