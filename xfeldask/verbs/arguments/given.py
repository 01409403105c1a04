"""What verbs are given: a name, numbers, checked before anything is done."""

from __future__ import annotations

from xfeldask.errors import WHOLE, InputError, StoreExistsError, refuse_unlike
from xfeldask.store.run import Run

LONGEST_NAME = 100
"""Characters of the name of an embedding."""


def refuse_name(run: Run, name: str, overwrite: bool) -> None:
    """Refuse a name that is no name, or taken."""
    refuse_unnameable(name, "embedding")
    if f"latent/{name}" in run and not overwrite:
        raise StoreExistsError(f"{run.path} has an embedding {name}; pass overwrite=True (--overwrite) or another name")


def refuse_unnameable(name: str, what: str) -> None:
    """Refuse a name of an embedding or a reconstruction that is no name.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_unnameable("run-42_a", "embedding")
    >>> refuse_unnameable("a/b", "embedding")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: the embedding's name 'a/b' may hold letters, digits, dash and underscore only...
    """
    if not isinstance(name, str):
        raise InputError(f"the {what}'s name must be text, got {name!r}")
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if not plain or len(name) > LONGEST_NAME:
        told = name if len(name) <= LONGEST_NAME else f"{name[:20]}..."
        raise InputError(
            f"the {what}'s name {told!r} may hold letters, digits, dash and underscore only, {LONGEST_NAME} at most"
        )


def refuse_seed(seed: int) -> None:
    """Refuse a seed that is no whole number, or below 0, which no generator takes.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_seed(-1)
    Traceback (most recent call last):
    xfeldask.errors.InputError: the seed is 0 or a positive whole number, got -1
    """
    refuse_unlike("a whole number", WHOLE, seed=seed)
    if seed < 0:
        raise InputError(f"the seed is 0 or a positive whole number, got {seed}")
