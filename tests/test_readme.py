"""The front page: short, its numbers are those of the files, its links resolve, its commands and its code run."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys

import papermill
import pytest
import soundfile
from helpers import REPOSITORY, tone

import fmalib
from fmalib import __main__ as command
from fmalib import notebook
from fmalib.codec import file_codec
from fmalib.report import execution

MOST_WORDS = 900
PAGES = ["README.md", "outputs/README.md", "outputs/reference/README.md", "fmalib/README.md", "fmalib/data/README.md"]
COMMAND_PAGES = ["README.md", "outputs/reference/README.md", "fmalib/README.md", "fmalib/data/README.md"]


def text_of(page):
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page, language):
    """Returns the code blocks of a page, a list of strings."""
    return re.findall(rf"```{language}\n(.*?)```", text_of(page), re.DOTALL)


def commands(page):
    """Returns the commands of a page as lists of words, without comments."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def tables():
    """Returns `tests/benchmarks/tables.py` as a module."""
    spec = importlib.util.spec_from_file_location("tables", REPOSITORY / "tests" / "benchmarks" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_front_page_is_short():
    assert len(text_of("README.md").split()) <= MOST_WORDS


def test_how_to_cite_is_that_of_the_package():
    (entry,) = blocks("README.md", "bibtex")
    year, holder = re.search(r"Copyright \(c\) (\d+) (.*)", (REPOSITORY / "LICENSE").read_text(encoding="utf-8")).groups()
    fields = dict(re.findall(r"(\w+) = \{+(.*?)\}+", entry))
    assert fields.pop("title").startswith("fmalib: ")
    assert fields == {"author": holder, "year": year, "version": fmalib.__version__}


def test_numbers_and_tables_are_those_of_the_files(capsys):
    assert tables().main(["--check"]) == 0, f"run make tables: {capsys.readouterr().out}"
    assert text_of("README.md").count("<!--/-->") >= 15 and text_of("outputs/reference/README.md").count("<!--/-->") >= 15


def test_another_number_is_noticed(tmp_path, monkeypatch):
    module = tables()
    page = tmp_path / "README.md"
    page.write_text(text_of("README.md").replace("<!--map_ours_chance-->0.23", "<!--map_ours_chance-->0.24"))
    monkeypatch.setattr(module, "PAGES", (page,))
    monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    assert module.main(["--check"]) == 1
    page.write_text("<!--no_such_place--><!--/-->")
    with pytest.raises(ValueError, match="No such place"):
        module.main(["--check"])


def test_genres_of_either_form_are_read():
    module = tables()
    notebook_03 = module.genre_results(module.read("03_classifier_real_genres.json"))
    assert notebook_03["n"] == 160 and notebook_03["n_artists"] == 77
    less = {"mean": 0.125, "ci95": [0.04, 0.21], "seeds": 3}
    ours = {"accuracy": 0.7, "accuracy_ci95": [0.6, 0.8], "of_seeds": {"0": 0.69, "1": 0.71}, "less": {"mfcc_svm": less}}
    plain = {"accuracy": 0.575, "accuracy_ci95": [0.5, 0.6], "of_seeds": {"0": 0.575}, "accuracy_together": 0.8}
    found = module.genre_results({"n": 160, "n_artists": 77, "systems": {"mfcc_svm": plain, "patches_svm": ours}})
    header, _, *rows = module.genre_table(found["systems"]).strip().splitlines()
    assert header == "| system | accuracy (95 % interval) | less `mfcc_svm` | of each seed | pop and rock as one |"
    assert rows == [
        "| `patches_svm` | 0.700 (0.60 to 0.80) | +0.12 (+0.04 to +0.21) | 0.690, 0.710 |  |",
        "| `mfcc_svm` | 0.575 (0.50 to 0.60) |  | 0.575 | 0.800 |",
    ]
    found["systems"] |= dict.fromkeys(("patches_random", "patches_finetuned", "pretrained_svm"), found["systems"]["mfcc_svm"])
    places = module.genre_places([found, notebook_03])
    assert places["genre_ours"] == "0.700 (0.60 to 0.80)" and places["genre_seeds"] == "mean of 2 seeds"
    assert places["genre_study"] == "0.588" and places["genre_study_seeds"] == "one seed"
    assert "`cnn`" in places["genres_otherwise_table"] and "| `mfcc_svm`" not in places["genres_otherwise_table"]


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page):
    for link in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        file, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / file if file else REPOSITORY / page
        if "://" in link:
            continue
        assert target.exists(), link
        headings = (
            {
                re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
                for line in target.read_text().splitlines()
                if line.startswith("#")
            }
            if anchor
            else set()
        )
        assert not anchor or anchor in headings, link


@pytest.mark.parametrize("page", COMMAND_PAGES)
def test_commands_can_be_read(page):
    """Names of notebooks, parameters and their values, options of `fmalib`, targets of make."""
    assert commands(page)
    for words in commands(page):
        if words[0] == "papermill":
            source, given = (
                REPOSITORY / words[1],
                dict(zip(words[words.index("-p") + 1 :: 3], words[words.index("-p") + 2 :: 3])),
            )
            defaults = {
                name: json.loads(each["default"].replace("'", '"').lower())
                for name, each in papermill.inspect_notebook(source).items()
            }
            for name, value in given.items():
                notebook._read(name, defaults[name], value)
            assert set(given) <= set(execution.parameters_of(source))
        elif words[0] == "fmalib":
            assert command.parser().parse_args(words[1:]).command == words[1]
        else:
            assert words[0] == "make", words
            done = subprocess.run(["make", "--dry-run", *words[1:]], cwd=REPOSITORY, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty folder with a song, for commands whose names are relative."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("song.mp3", tone(440, 3.0), 8000, format="MP3")
    return tmp_path


def run(words):
    return command.main(words[1:])


def test_the_codec_of_the_front_page(elsewhere, capsys):
    ran = [run(words) for words in commands("README.md") if words[:2] in (["fmalib", "encode"], ["fmalib", "decode"])]
    assert ran == [0, 0]
    size = (elsewhere / "song.fma").stat().st_size
    assert size == pytest.approx(16 * 125 * 3, rel=0.1) and soundfile.info("song.wav").frames == 24_000
    assert file_codec.decode((elsewhere / "song.fma").read_bytes())[1] == 8000


def test_other_commands_of_the_front_page(elsewhere, capsys, monkeypatch):
    """Those that need a trained classifier, runs or a server say so in one line, and what makes them."""
    for name, message in {
        "classify": "execute notebooks/03_classifier.ipynb",
        "runs": "There is no such folder of runs",
    }.items():
        (words,) = (words for words in commands("README.md") if words[:2] == ["fmalib", name])
        assert run(words) == 2
        assert message in capsys.readouterr().err
    (words,) = (words for words in commands("README.md") if words[:2] == ["fmalib", "download"])
    assert run([*words, "--check"]) == 1
    assert "does not exist. Run `python -m fmalib download fma_small" in capsys.readouterr().err


@pytest.mark.slow
def test_the_notebook_of_the_front_page(tmp_path):
    (words,) = (words for words in commands("README.md") if words[0] == "papermill")
    words = [sys.executable, "-m", *words[:2], str(tmp_path / words[2]), *words[3:], "-p", "out_dir", str(tmp_path)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "metrics.json").read_text())["latent"] == 128


def run_code(sources, capsys):
    """Runs Python code, one source after another with the same names; returns what it printed."""
    names = {}
    for source in sources:
        exec(compile(source, "README.md", "exec"), names)
    return capsys.readouterr().out


def test_the_code_of_the_front_page(capsys):
    (source,) = blocks("README.md", "python")
    assert len(source.strip().splitlines()) <= 12
    printed = run_code([source], capsys)
    assert all(name in printed for name in ("ours", "mdct", "MP3", "spectral_rmse"))


@pytest.mark.slow
def test_the_examples_of_the_library(capsys):
    printed = run_code(blocks("fmalib/README.md", "python"), capsys)
    assert "MP3" in printed and "accuracy_vote" in printed and "trustworthiness" in printed
