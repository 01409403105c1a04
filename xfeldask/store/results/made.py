"""What was made of the shots of a run and lies in its store under a name: an embedding, a reconstruction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from xfeldask.errors import CorruptStoreError, InputError, MissingFileError, RunError, UnknownNameError
from xfeldask.records import Record
from xfeldask.store.html import run_html
from xfeldask.store.opening import child_groups, open_lazily
from xfeldask.store.results.by_name import is_of, stamp_of
from xfeldask.store.storage.lock import held
from xfeldask.store.storage.publish import publish_group
from xfeldask.store.storage.urls import from_here

if TYPE_CHECKING:
    import xarray as xr

    from xfeldask.store.run import Run

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, eq=False, repr=False)
class Made:
    """A group of a store, ``/<room>/<name>``, that tells of shots of its run; subclasses say of what kind it is.

    Attributes
    ----------
    run : Run
    name : str
    room : str, the group of all of its kind
    word, command : str, what a person calls it, and what makes it
    """

    run: Run
    name: str

    room: ClassVar[str]
    word: ClassVar[str]
    command: ClassVar[str]

    @classmethod
    def all_of(cls, run: Run) -> dict[str, Self]:
        """Return all of a run by name, in order of name, as they are on disk now."""
        return {name: cls(run, name) for name in child_groups(run.group, cls.room)}

    @classmethod
    def chosen(cls, run: Run, name: str | None, keyword: str = "name") -> Self:
        """Return the one that is meant: the one asked for, or the only one.

        Parameters
        ----------
        run : Run
        name : str or None
        keyword : str, by which a verb is told the name, and a command by the flag of that name

        Raises
        ------
        MissingFileError
            The run has none.
        UnknownNameError
            It has none of that name.
        InputError
            The run has several, and no name was given.
        CorruptStoreError
            It is of another run.
        """
        have = cls.all_of(run)
        if not have:
            raise MissingFileError(f"{run.path} has no {cls.word}; make one with xfeldask {cls.command} {run.path}")
        if name is None and len(have) > 1:
            raise InputError(
                f"{run.path} has the {cls.word}s {', '.join(have)}; say which with {keyword}= (--{keyword})"
            )
        cls.refuse_unknown(run, name)
        return (next(iter(have.values())) if name is None else have[name]).refuse_other()

    @classmethod
    def refuse_unknown(cls, run: Run, name: str | None) -> None:
        """Refuse a name that none of a run has.

        Parameters
        ----------
        run : Run
        name : str or None, which is never refused

        Raises
        ------
        UnknownNameError
            The nearest names are told, or how to make one where the run has none.
        """
        if name is not None and name not in (have := cls.all_of(run)):
            none = f"{run.path} has none; make one with xfeldask {cls.command} {run.path}"
            raise UnknownNameError(cls.word, name, have, none)

    @property
    def group_path(self) -> str:
        """Path of the group in the store."""
        return f"{self.room}/{self.name}"

    def dataset(self, chunks: Any = None) -> xr.Dataset:
        """Return the group as a lazy Dataset.

        Raises
        ------
        CorruptStoreError
            It tells of shots of another run, or of more than there are.
        """
        return self.refuse_other().run.dataset(self.group_path, chunks)

    def stored(self) -> xr.Dataset:
        """Return the group as it is stored, to be published again."""
        return open_lazily(self.run.group, self.group_path)

    def parts(self) -> dict[str, xr.Dataset]:
        """Return the groups in the group, in memory."""
        return {part: open_lazily(self.run.group, f"{self.group_path}/{part}").load() for part in self.part_names()}

    def part_names(self) -> list[str]:
        """Return the names of the groups in the group, in order; none where it is not there."""
        return child_groups(self.run.group, self.group_path)

    @cached_property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the group as they were when first asked for."""
        return dict(self.stored().attrs)

    @property
    def is_of_this_run(self) -> bool:
        """Whether it was made from shots of this run and of no other that was at the same path."""
        return is_of(self.run, self.attributes)

    @property
    def fits(self) -> bool:
        """Whether it tells of shots of this run, and of no more than there are."""
        return self.is_of_this_run and int(self.attributes.get("n_shots", 0)) <= self.run.n_shots

    def refuse_other(self) -> Self:
        """Return the object itself if it tells of shots of this run.

        Raises
        ------
        CorruptStoreError
        """
        if not self.fits:
            raise CorruptStoreError(
                f"{self.run.path}: the {self.word} {self.name} was made from the shots of another run; {self.command} "
                "again with overwrite=True (--overwrite)"
            )
        return self

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one who makes the group, within; what fails because its shots changed meanwhile says that.

        Raises
        ------
        StoreBusyError
            Another makes it.
        RunError
            As of `Run.refuse_replaced`.
        """
        with held(self.run.path, self.group_path):
            try:
                yield
            except Exception:
                self.run.refuse_replaced(written=True)
                raise

    def publish(self, found: xr.Dataset, parts: Mapping[str, xr.Dataset | None] | None = None) -> None:
        """Write the group in one step; an older one of the same name stays if that fails.

        Parameters
        ----------
        found : xarray.Dataset
        parts : Dataset by name, groups in it; None for one that stays as it is there already

        Raises
        ------
        InputError
            The disk is full or read-only.
        RunError
            The store holds another run by now, or shots of it are being written anew.
        """
        found = found.assign_attrs(stamp_of(self.run))
        self.run.refuse_replaced(written=True)
        try:
            publish_group(self.run.path, self.group_path, found, parts)
        except InputError:
            self.run.refuse_replaced()  # the place of the group may have gone with the old run
            raise
        try:
            self.run.refuse_replaced()
        except RunError:
            # the run was replaced between the two looks; what tells of the old one is not to lie in the new
            self.run.place.remove(self.group_path)
            raise

    def facts(self) -> dict[str, str]:
        """Return what a person wants to know first, by name."""
        raise NotImplementedError

    def __repr__(self) -> str:
        rows = [f"  {name:<12}{value}" for name, value in self.facts().items()]
        return "\n".join([f"<{self._title()}>", *rows])

    def _repr_html_(self) -> str:
        return run_html(self._title(), self.facts())

    def _title(self) -> str:
        return f"xfeldask.{type(self).__name__} {self.name} of {from_here(self.run.path)}"

    def _record(self, kind: type[R], name: str) -> R:
        try:
            return kind.from_json(str(self.attributes[name]))
        except (KeyError, CorruptStoreError) as error:
            raise CorruptStoreError(f"{self.run.path}: the {name} of {self.name} cannot be read ({error})") from None
