"""`xfeldask reproduce`; tables of a series have tests of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small import SERIES


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--sizes", "999"], ["1000 shots", "999"]),
        (["--sizes", "many"], ["sizes", "many", "whole numbers"]),
        (["--sizes", ","], ["sizes"]),
        (["--mixtures", "0"], ["mixture", "0.0"]),
        (["--mixtures", "0.9,1.1"], ["mixture", "1.1"]),
        (["--mixtures", "nan"], ["mixture", "nan"]),
        (["--mixtures", "80:20"], ["mixtures", "80:20"]),
        (["--conditions", "ideal,realistc"], ["condition", "realistic"]),
        (["--particle", "chaperonine"], ["unknown particle", "chaperonin"]),
        (["--detector", "square"], ["unknown detector", "square"]),
        (["--seed", "-1"], ["seed", "-1"]),
        (["--scheduler", "treads"], ["unknown scheduler", "threads"]),
    ],
)
def test_command__bad_input_is_one_sentence_and_code_2(run, tmp_path: Path, flags: list[str], words: list[str]) -> None:
    code, out, err = run("reproduce", tmp_path / "series", *SERIES, *flags)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert all(word in line for word in words)
    assert list(tmp_path.iterdir()) == []


def test_command__folder_that_is_a_file_is_refused(run, tmp_path: Path) -> None:
    (tmp_path / "series").write_text("taken")
    code, _, err = run("reproduce", tmp_path / "series", *SERIES, "--quiet")
    assert code == 2
    assert "cannot make the folder" in err
