"""Labels by the keyboard, in a store that may be written."""

import re
import shutil

import numpy as np
import pytest

from tests.explorer.browsing import Server, Visit
from xfeldask.store.labels import NO_LABEL, classes_of
from xfeldask.store.run import open_run

PRESSED = "1203x" * 2
"""Keys for ten shots."""
MEANT = {"1": "single", "2": "multiple", "0": "blank", "x": "other", "3": "ice"}
SHOT = "() => +new URLSearchParams(location.search).get('shot')"


@pytest.fixture
def labelled(browser, stores, tmp_path):
    """A page whose store may be written, and the store."""
    path = shutil.copytree(stores["whole"], tmp_path / "run.zarr")
    with Server(tmp_path, [path], allow_write=True) as server:
        visit = Visit(browser.new_page()).open(server.address(embedding="pairs"))
        yield visit, path
        visit.page.close()
        assert visit.faults == []
        assert server.faults() == ""


def told(page, n):
    page.page.get_by_text(re.compile(rf"{n} labels")).first.wait_for()


def stored(path):
    """Labels in the store, in words, by shot."""
    found = open_run(path).labels.get("anna")
    if found is None:
        return {}
    names = {value: name for name, value in classes_of(found).items()}
    return {int(shot): names[int(found[shot])] for shot in np.flatnonzero(found != NO_LABEL)}


def test_shots__are_labelled_by_keys_undone_redone_and_in_the_store(labelled):
    page, path = labelled
    page.tab("labels")
    page.page.get_by_label("your name").fill("anna")
    page.page.get_by_label("your name").press("Enter")
    page.page.get_by_text("in the store").first.wait_for()
    page.page.get_by_label("a class of your own").fill("ice")
    page.page.get_by_label("a class of your own").press("Enter")
    page.page.get_by_role("button", name="ice (3)").wait_for()
    page.page.get_by_role("tab", name="labels", exact=True).focus()
    seen = []
    for n, key in enumerate(PRESSED, 1):
        page.until("seen => !seen.includes((" + SHOT + ")())", seen)
        seen.append(page.ask(SHOT))
        page.page.keyboard.press(key)
        told(page, n)
    for n in range(9, 6, -1):
        page.page.keyboard.press("u")
        told(page, n)
    for n in range(8, 10):
        page.page.keyboard.press("y")
        told(page, n)
    wanted = dict(zip(seen[:9], (MEANT[key] for key in PRESSED[:9]), strict=True))
    for _ in range(600):
        if stored(path) == wanted:
            break
        page.page.wait_for_timeout(100)
    assert stored(path) == wanted
