"""Labels by the keyboard, in a store that may be written."""

import re
import shutil

import numpy as np
import pytest

from tests.explorer.browsing import Server, Visit
from xfeldask.store.labels import LABELS, NO_LABEL
from xfeldask.store.run import open_run

PRESSED = "1201x" * 2
"""Keys for ten shots."""
MEANT = {"1": "single", "2": "multiple", "0": "blank", "x": "other"}
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


def test_shots__are_labelled_by_keys_undone_redone_and_in_the_store(labelled):
    page, path = labelled
    page.tab("labels")
    page.page.get_by_label("your name").fill("anna")
    page.page.get_by_label("your name").press("Enter")
    page.page.get_by_text("in the store").first.wait_for()
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
    wanted = np.full(open_run(path).n_shots, NO_LABEL)
    wanted[seen[:9]] = [LABELS[MEANT[key]] for key in PRESSED[:9]]
    for _ in range(600):
        found = open_run(path).labels.get("anna")
        if found is not None and (found.values == wanted).all():
            break
        page.page.wait_for_timeout(100)
    np.testing.assert_array_equal(open_run(path).labels["anna"].values, wanted)
