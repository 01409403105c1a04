from __future__ import annotations

import json
import re
import shlex
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.store.test_html import Read
from xfeldask.explorer.tabs.recipe import block, python_text, recipe, shell_text

PATHS = ["run.zarr", "a b; rm -rf $HOME 'x'.zarr", "<img src=x>.zarr", 'quo"te\\.zarr']


def looking(path="run.zarr", where="", embedding=None, selected=0):
    shots = SimpleNamespace(path=Path("/data") / path)
    return SimpleNamespace(shots=shots, where=where, embedding=embedding, selected=np.arange(9) < selected)


@pytest.mark.parametrize("path", PATHS)
def test_shell_text__is_one_command_whatever_a_store_is_called(path):
    words = shlex.split(shell_text(looking(path, 'verdict == "single" and c0 > 1', "my space")))
    assert words == ["xfeldask", "select", f"/data/{path}", "--where", 'verdict == "single" and c0 > 1', "--embedding",
                     "my space", "--out", "shots.npy"]  # fmt: skip
    assert "--embedding" not in shell_text(looking(path, "c0 > 1"))


@pytest.mark.parametrize("path", PATHS)
def test_python_text__calls_select_whatever_a_store_is_called(path, monkeypatch):
    asked = []
    monkeypatch.setattr("xfeldask.select", lambda *words, **more: asked.append((words, more)))
    for embedding in (None, "pca"):
        exec(python_text(looking(path, "c0 > 1", embedding)), {})
    assert asked == [((f"/data/{path}", "c0 > 1"), {}), ((f"/data/{path}", "c0 > 1"), {"embedding": "pca"})]


def test_recipe__of_what_has_no_words_is_a_sentence():
    assert python_text(looking(selected=3)) == shell_text(looking(selected=3)) == ""
    assert recipe(looking()) == "Nothing is selected."
    assert recipe(looking(selected=3)).startswith("3 shots were selected by hand, which no expression tells")


@pytest.mark.parametrize("text", [*PATHS, "</pre><script>", "a\nb"])
def test_block__shows_and_copies_a_text_as_it_is(text):
    found = Read(block("Python", text))
    assert found.tags == ["div", "button", "pre"]
    assert "".join(found.words) == f"copyPython{text}"
    code = unescape(re.search(r'onclick="([^"]*)"', block("Python", text))[1])
    assert json.JSONDecoder().raw_decode(code.removeprefix("const text = "))[0] == text


def test_block__has_a_button_of_its_own_each_time():
    assert block("a", "b") != block("a", "b")
