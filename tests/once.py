"""What is made once a test session, whichever of pytest-xdist's workers asks for it first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


class Once:
    """Files and folders that all workers of a test session share, each made by the first who asks for it.

    Parameters
    ----------
    folder : where they lie; the same for all workers, and new for each session

    Examples
    --------
    >>> import tempfile
    >>> once = Once(Path(tempfile.mkdtemp()))
    >>> once("greeting", lambda path: path.write_text("hello")).read_text()
    'hello'
    >>> once("greeting", lambda path: path.write_text("not made again")).read_text()
    'hello'
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder

    def __call__(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return the path of what has a name, which is made if nobody has; others wait meanwhile.

        Tests must not change it: one that writes takes a copy. Nothing is left of what was not made to the end.

        Parameters
        ----------
        name : str; of one file or folder of the session, however many tests ask for it
        make : writes a file or a folder to the path that it is given
        """
        path, draft = self.folder / name, self.folder / f"{name}.draft"
        with FileLock(self.folder / f"{name}.lock"):
            if not path.exists():
                if draft.exists():
                    shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
                make(draft)
                draft.rename(path)
        return path
