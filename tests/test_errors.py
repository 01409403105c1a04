from __future__ import annotations

import inspect
import pickle

import pytest

from xfeldask import errors
from xfeldask.errors import (
    CorruptStoreError,
    ExperimentMismatchError,
    FewPhotonsWarning,
    FormatError,
    IncompleteStoreError,
    InputError,
    LostPhotonsWarning,
    MemoryNeededError,
    MissingFileError,
    MissingPhotonEnergyError,
    RunError,
    StoreBusyError,
    StoreExistsError,
    TooFewHitsError,
    UnknownNameError,
    UnreachableError,
    XfeldaskError,
    XfeldaskWarning,
)

EXAMPLES = [
    (XfeldaskError("all is lost"), "all is lost", [Exception]),
    (InputError("seed: -1"), "seed: -1", [ValueError]),
    (FormatError("a.pdb", "no atoms", 12), "a.pdb, line 12: no atoms", [InputError, ValueError]),
    (FormatError("a.pdb", "is empty"), "a.pdb: is empty", [InputError, ValueError]),
    (
        UnknownNameError("beam", "amo8661", ["amo86615", "cxi"]),
        "unknown beam 'amo8661'; did you mean amo86615?",
        [InputError, ValueError],
    ),
    (UnknownNameError("beam", "zz", ["amo86615", "cxi"]), "unknown beam 'zz'; known: amo86615, cxi", [InputError]),
    (MissingFileError("no file a; make it"), "no file a; make it", [FileNotFoundError, OSError]),
    (StoreExistsError("run.zarr exists"), "run.zarr exists", [FileExistsError, OSError]),
    (MissingPhotonEnergyError("a.npy does not say it"), "a.npy does not say it", [InputError, ValueError]),
    (StoreBusyError("run.zarr is being written"), "run.zarr is being written", [InputError, ValueError]),
    (IncompleteStoreError("run.zarr is half written"), "run.zarr is half written", [InputError, ValueError]),
    (
        ExperimentMismatchError("run.zarr", {"seed": (1, 2), "beam.photon_energy": (4600.0, 5000.0)}),
        "run.zarr holds another experiment (seed: stored 1, asked 2; "
        "beam.photon_energy: stored 4600.0, asked 5000.0); use another path, or overwrite=True",
        [InputError, ValueError],
    ),
    (CorruptStoreError("shard 3: wrong checksum"), "shard 3: wrong checksum", [ValueError]),
    (
        MemoryNeededError("the volume", 3 * 10**9, 10**9, "take less"),
        "the volume needs 3.0 GB of memory, 1.0 GB are allowed; take less",
        [InputError, ValueError, MemoryError],
    ),
    (RunError("a worker died"), "a worker died", [RuntimeError]),
    (TooFewHitsError("found 3 hits"), "found 3 hits", [InputError, ValueError]),
    (UnreachableError("there is no bucket s3://b"), "there is no bucket s3://b", [RunError]),
]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(("error", "message", "parents"), EXAMPLES)
def test_error__survives_pickling(error, message, parents, protocol):
    copy = pickle.loads(pickle.dumps(error, protocol))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == message
    assert copy.args == error.args
    assert str(pickle.loads(pickle.dumps(copy))) == message


@pytest.mark.parametrize(("error", "message", "parents"), EXAMPLES)
def test_error__inherits_from_what_a_caller_expects(error, message, parents):
    assert isinstance(error, XfeldaskError)
    for parent in parents:
        assert isinstance(error, parent)


def test_examples__cover_every_error():
    classes = {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, BaseException)}
    assert {c for c in classes if issubclass(c, Warning)} == {XfeldaskWarning, FewPhotonsWarning, LostPhotonsWarning}
    assert {c for c in classes if not issubclass(c, Warning)} == {type(error) for error, _, _ in EXAMPLES}


def test_unknown_name_error__tells_at_most_three_near_names():
    error = UnknownNameError("key", "spread", [f"{c}_spread" for c in "abcdefg"])
    assert str(error).count(" or ") == 2


def test_unknown_name_error__takes_any_iterable():
    assert "known: a, b" in str(UnknownNameError("thing", "zzz", iter({"a": 1, "b": 2})))


def test_unknown_name_error__says_what_to_do_where_there_is_none():
    assert str(UnknownNameError("thing", "zzz", [])) == "unknown thing 'zzz'; there is none"
    told = pickle.loads(pickle.dumps(UnknownNameError("thing", "zzz", [], "make one")))
    assert str(told) == "unknown thing 'zzz'; make one"


def test_exit_codes__can_tell_bad_input_from_failure():
    bad_input = [FormatError, UnknownNameError, IncompleteStoreError, ExperimentMismatchError, MemoryNeededError]
    assert all(issubclass(kind, InputError) for kind in bad_input)
    assert not any(issubclass(kind, InputError) for kind in (RunError, CorruptStoreError))
