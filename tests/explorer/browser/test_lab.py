"""The page in a cell of JupyterLab that has no internet."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.explorer.browsing import WAIT
from xfeldask.explorer.tabs import TABS

HERE = re.compile(r"(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|data:|blob:|about:")
CELL = ".jp-Notebook .jp-CodeCell .cm-content"


@pytest.fixture
def lab(tmp_path, stores):
    """Address of a notebook with one cell that explores a store."""
    pytest.importorskip("jupyterlab")
    pytest.importorskip("ipykernel")
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [],
            "source": f"import xfeldask\nxfeldask.explore({str(stores['whole'])!r}, 'pairs')"}  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "python", "language": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "cell.ipynb").write_text(json.dumps(notebook))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "RUNTIME", "DATA")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
               "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api").close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/lab/tree/cell.ipynb"
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.campaign
def test_cell__shows_the_page_and_answers_without_internet(chromium, browser, lab):
    page = browser.browser.new_page(viewport={"width": 1700, "height": 1100})
    page.set_default_timeout(WAIT)
    asked = []

    def answer(route):
        if HERE.match(route.request.url):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", answer)
    page.goto(lab)
    page.get_by_text("| Idle").first.wait_for()
    page.locator(CELL).first.click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("drawn 400 of 400").first.wait_for()
    page.get_by_label("select where", exact=True).fill("shot < 7")
    page.get_by_label("select where", exact=True).press("Enter")
    page.get_by_text("7 selected").first.wait_for()
    for name in TABS:
        page.get_by_role("tab", name=name, exact=True).click()
        page.get_by_text(f"making {name}").wait_for(state="hidden")
    assert asked == []
    page.unroute_all(behavior="ignoreErrors")
    page.close()
