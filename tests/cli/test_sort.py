"""`xfeldask sort`, and `project` of what it sorted."""

import shutil
from pathlib import Path

from tests.explorer.more_store import with_more
from tests.tiny import frames, tiny_run
from xfeldask import open_run, simulate

THREADS = ["--scheduler", "threads", "--quiet"]


def test_sort__embeds_by_the_rule_that_goes_by_what_is_asked(run, tmp_path: Path) -> None:
    path = tiny_run(tmp_path / "run.zarr", frames(24)).path
    code, _, err = run("sort", path, "--contamination", "0.3", "--max-singles-lost", "0.1", *THREADS)
    assert (code, "no rule goes by contamination and max_singles_lost together; give one of them" in err) == (2, True)
    assert run("sort", path, "--contamination", "0.25", *THREADS)[0] == 0
    parameters = open_run(path).embedding().parameters
    assert (parameters.sort, parameters.contamination) == ("elliptic_envelope", 0.25)
    assert int(open_run(path).embedding().dataset().is_single.sum()) == 18
    assert run("sort", path, "--contamination", "0.5", *THREADS)[0] == 0
    assert int(open_run(path).embedding().dataset().is_single.sum()) == 12


def test_sort__embeds_what_nobody_has_and_decides_anew(run, sorted_run: Path, tmp_path: Path) -> None:
    store, other = tmp_path / "a.zarr", tmp_path / "b.zarr"
    for path in (store, other):
        shutil.copytree(sorted_run, path, ignore=shutil.ignore_patterns("latent"))
    code, out, _ = run("sort", store, "--scheduler", "threads")
    assert code == 0
    assert all(word in out for word in ("threshold", "log odds", "expected", "purity", "truth", "by pairs"))
    code, again, _ = run("sort", store)
    assert (code, again) == (0, out)
    code, _, err = run("sort", store, "--max-singles-lost", "2")
    assert (code, "max_singles_lost" in err) == (2, True)
    code, looser, _ = run("sort", store, "--max-singles-lost", "0.3")
    assert code == 0
    assert "at most 30 % of the singles rejected" in " ".join(looser.replace("│", " ").split())
    code, strict, err = run("sort", store, "--max-contamination", "0.000001")
    assert code == 0
    assert "at most 0.0001 % of the accepted not single" in " ".join(strict.replace("│", " ").split())
    code, out, _ = run("project", store, "ipca", other, "--scheduler", "threads", "--as-name", "theirs")
    assert code == 0
    assert "450 shots" in out
    run("embed", store, "--name", "second", "--sort", "none", "--scheduler", "threads", "--quiet")
    code, _, err = run("sort", store)
    assert (code, "--name" in err) == (2, True)
    code, _, err = run("sort", store, "--name", "second", "--max-singles-lost", "0.1")
    assert (code, "sort='pairs'" in err) == (2, True)


def test_sort__like_accepts_the_wanted_species_of_what_was_embedded_or_not(run, sorted_run: Path, tmp_path: Path):
    store = Path(shutil.copytree(sorted_run, tmp_path / "run.zarr"))
    before = open_run(store).embedding().dataset().is_single.values
    code, out, _ = run("sort", store, "--like", store, "--scheduler", "threads")
    assert code == 0
    assert f"{before.sum():,} chaperonin; chaperonin wanted" in out
    kind = open_run(store).embedding().dataset().kind.values
    assert (kind[before] == 0).all()
    assert (kind[~before] == -1).all()
    code, _, err = run("embed", store, "--name", "again", "--sort", "models", *THREADS)
    assert (code, "sort='models' and like=" in err) == (2, True)
    assert "again" not in open_run(store).embeddings


def test_sort__names_kinds_and_accepts_those_that_are_wanted(run, tmp_path: Path) -> None:
    path = with_more(tmp_path / "run.zarr")
    code, out, _ = run("sort", path, "--name-kind", "0=capsid", "--name-kind", "1=ice", "--wanted", "all but capsid")
    assert code == 0
    assert "capsid, 4 ice; ice wanted" in out
    found = open_run(path).embedding().dataset()
    assert (found.is_single.values <= (found.kind.values == 1)).all()
    code, out, _ = run("sort", path, "--wanted", "1, 0", "--name-kind", "ice=")
    assert (code, "capsid and kind_1 wanted" in " ".join(out.split())) == (0, True)
    for asked, told in (("--wanted=ice", "no kind ice: kinds are named capsid, kind_1"),
                        ("--name-kind=capsid", "write KIND=NAME, such as 0=capsid"),
                        ("--name-kind=0=<b>", "the name of a kind is a letter")):  # fmt: skip
        code, _, err = run("sort", path, asked)
        assert (code, told in " ".join(err.split())) == (2, True)


def test_sort__of_kinds_says_where_there_are_none(run, tmp_path: Path) -> None:
    path = tiny_run(tmp_path / "run.zarr", frames(24)).path
    code, _, err = run("sort", path, "--wanted", "0")
    assert (code, "no kinds were found in" in err) == (2, True)
    code, _, err = run("sort", path, "--like", path, "--name-kind", "0=capsid")
    assert (code, "species of --like have names" in err) == (2, True)
    assert not open_run(path).embeddings


def test_sort__like_takes_one_shot(run, tmp_path: Path) -> None:
    path = tmp_path / "one.zarr"
    simulate(path, particle="chaperonin", detector="square-64", n_shots=1, progress=False)
    code, out, _ = run("sort", path, "--like", path, "--scheduler", "threads")
    assert (code, "1 single, 0 multiple, 0 blank, by named_pairs" in out) == (0, True)
    assert "1 chaperonin; chaperonin wanted" in out
    assert "nobody told one particle from several" not in " ".join(out.replace("│", " ").split())


def test_sort__refuses_species_before_anything_is_embedded(run, tmp_path: Path) -> None:
    path = tiny_run(tmp_path / "run.zarr", frames(24)).path
    code, _, err = run("sort", path, "--like", tmp_path / "none.toml")
    assert (code, "to take species from" in err, "Dask dashboard" in err) == (2, True, False)
    assert not open_run(path).embeddings


def test_embed__on_the_default_scheduler_says_what_is_wrong_itself(run, tmp_path: Path) -> None:
    path = tiny_run(tmp_path / "run.zarr", frames(24)).path
    code, _, err = run("embed", path, "--workers", 1)
    assert (code, "there are no hits to sort" in err) == (2, True)
    code, _, err = run("embed", path, "--sort", "elliptic_envelope", "--workers", 1)
    assert (code, err.count("Dask dashboard")) == (0, 1)
