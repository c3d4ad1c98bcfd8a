"""The report's pages: what they say, that their links resolve, and how a browser shows them."""

import html.parser
import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import soundfile
from helpers import in_browser, tone
from report.conftest import picture

from fmalib.report import execution, listening, pages

# Runs in each page: links, pictures, players, and the contrast of each element that holds text.
CHECK = """
window.faults = [];
window.addEventListener("error", (event) => window.faults.push("error: " + (event.message || event.target.src)), true);
window.addEventListener("DOMContentLoaded", () => { for (const image of document.images) image.loading = "eager"; });
window.addEventListener("load", () => setTimeout(check, 500));
function parts(colour) { return colour.match(/[0-9.]+/g).map(Number); }
function luminance(colour) {
    const [r, g, b] = parts(colour).slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function behind(element) {
    for (let each = element; each; each = each.parentElement) {
        const [, , , alpha = 1] = parts(getComputedStyle(each).backgroundColor);
        if (alpha > 0.99) return getComputedStyle(each).backgroundColor;
    }
    return "rgb(255, 255, 255)";
}
function check() {
    const found = { faults: window.faults, wide: document.documentElement.scrollWidth, dark:
        matchMedia("(prefers-color-scheme: dark)").matches, images: 0, players: 0, poor: [] };
    for (const image of document.images) {
        found.images++;
        if (!image.naturalWidth) found.faults.push("no image " + image.src);
        if (!image.alt) found.faults.push("no description of " + image.src);
    }
    for (const player of document.querySelectorAll("audio")) {
        found.players++;
        if (player.error) found.faults.push("no sound " + player.src);
    }
    for (const element of document.body.querySelectorAll("*")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.getClientRects().length || /^(SCRIPT|STYLE|OPTION)$/.test(element.tagName)) continue;
        const [one, two] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
        const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        if (contrast < 4.5) found.poor.push(`${element.tagName} ${element.textContent.slice(0, 30)} ${contrast.toFixed(1)}`);
    }
    report(found);
}
"""

# Runs in the listening room: keys switch coders in place, and the blind test counts.
KEYS = """
function press(key) { document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); }
const say = (id) => document.getElementById(id).textContent;
window.addEventListener("load", () => setTimeout(() => {
    if (!document.getElementById("coders")) return report({});
    const found = { names: [], scores: [] };
    players.forEach((player) => { player.currentTime = 0.25; });
    for (const key of ["1", "2", "9"]) { press(key); found.names.push(say("name")); }
    found.place = players[1].currentTime;
    press("x");
    found.blind = say("name") + say("note") + document.getElementById("spectrogram").hidden;
    secret = "first";
    document.getElementById("is-a").click();
    found.scores.push(say("score"));
    secret = "first";
    document.getElementById("is-b").click();
    found.scores.push(say("score"));
    report(found);
}, 800));
"""


class Links(html.parser.HTMLParser):
    """Collects what a page refers to, and its anchors."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids.add(given.get("id"))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif given.get("src") or (tag == "link" and given.get("href")):
            self.loads.append(given.get("src") or given["href"])


@pytest.fixture
def report(notebooks, tmp_path, executor):
    """The folder of a report: a notebook that ended well, one that failed, and a listening room."""
    executor.failing = {"02_second"}
    out = tmp_path / "out"
    shutil.copy(notebooks / "01_first.ipynb", notebooks / f"{listening.NOTEBOOK}.ipynb")
    names = ["01_first", "02_second", listening.NOTEBOOK]
    jobs = [execution.Job(name, notebooks / f"{name}.ipynb", out / name, {}) for name in names]
    records = execution.run_all(jobs, executor, lambda line: None)
    (out / listening.NOTEBOOK / "audio").mkdir()
    for name, hertz in {"original_MP3": 500, "8_kbit_s_MP3": 510}.items():
        soundfile.write(out / listening.NOTEBOOK / "audio" / f"demo_{name}.wav", tone(hertz, 0.5), 8000)
    (out / listening.NOTEBOOK / "figures").mkdir()
    (out / listening.NOTEBOOK / "figures" / "rate_distortion.png").write_bytes(picture())
    rows = [{"section": "demo", "codec": "MP3", "asked_kbps": 8.0, "real_kbps": 8.2, "si_sdr_db": 5.0}]
    (out / listening.NOTEBOOK / "metrics.json").write_text(json.dumps({"dataset": "synth", "rows": rows}))
    assert pages.write(jobs, records, out / "report") == out / "report" / "index.html"
    return out / "report"


def test_links_resolve_and_nothing_comes_from_a_network(report):
    texts = {path.name: Links(path.read_text()) for path in report.glob("*.html")}
    assert set(texts) == {"index.html", "01_first.html", "02_second.html", f"{listening.NOTEBOOK}.html", "listening.html"}
    for name, page in texts.items():
        for link in [*page.loads, *(link for link in page.links if not link.startswith("https://example.org"))]:
            file, _, anchor = link.partition("#")
            if link.startswith("data:"):
                continue
            assert "://" not in link and (not file or (report / file).is_file()), (name, link)
            assert not anchor or anchor in texts[file or name].ids, (name, link)
    assert not re.search(r"@import|url\(", (report / "style.css").read_text())


def test_sounds_and_pictures_are_files_beside_the_pages(report):
    for path in report.glob("*.html"):
        assert "base64" not in path.read_text(), path.name
    assert len(list((report / "audio").iterdir())) == 3  # that of all notebooks, the original, the coded one
    assert len(list((report / "frames").iterdir())) == 1


def test_what_the_pages_say(report):
    front, page = ((report / name).read_text() for name in ("index.html", "01_first.html"))
    assert "What is first?" in front and "Only a test." in front and "quick=True" in front
    assert "out_dir" not in front and str(report.parent) not in front  # no path of a machine
    assert "Text with a" in page and "colab.example" not in page
    assert "02_second</a> failed." in front and "ValueError: a number is wrong" in front
    assert "at 8 kbit/s, and a blind test." in front
    assert "<summary>Code <code>1 + 1</code></summary>" in page
    assert page.count('<details class="code"><summary>') == 2 and "<details open" not in page
    assert '<a href="#cell-id=cell-02">See the cell.</a>' in (report / "02_second.html").read_text()


def test_paths_are_those_of_the_project_or_of_the_results(notebooks, tmp_path, executor, monkeypatch):
    out, project = tmp_path / "out", tmp_path / "project"
    for name, folder in {"fmalib": project, "elsewhere": tmp_path}.items():
        monkeypatch.setattr(pages.paths, "project_root", lambda folder=folder: folder)
        job = execution.Job("01_first", notebooks / "01_first.ipynb", out / "01_first", {})
        record = job.run(executor)
        notebook = nbformat.read(job.executed, 4)
        printed = f"{out}/01_first/metrics.json {project}/fmalib/runs.py {tmp_path}/a.wav"
        notebook.cells[2].outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)]
        nbformat.write(notebook, job.executed)
        pages.write([job], {"01_first": record}, out / "report")
        page = (out / "report" / "01_first.html").read_text()
        expected = {
            "fmalib": f"01_first/metrics.json fmalib/runs.py {tmp_path}/a.wav",
            "elsewhere": "out/01_first/metrics.json project/fmalib/runs.py a.wav",
        }
        assert expected[name] in page


def test_what_only_looks_like_a_path_stays(notebooks, tmp_path, executor, monkeypatch):
    """In a container, the project may be `/app`; base64 is full of slashes."""
    monkeypatch.setattr(pages.paths, "project_root", lambda: Path("/app"))
    job = execution.Job("01_first", notebooks / "01_first.ipynb", tmp_path / "out" / "01_first", {})
    record = job.run(executor)
    notebook = nbformat.read(job.executed, 4)
    printed = "/app/a\n/app/b /usr/app/c https://a.org/app/d \x1b[32m/app/e\x1b[0m\t/app/f"
    notebook.cells[2].outputs = [nbformat.v4.new_output("error", ename="E", evalue=printed, traceback=[printed])]
    nbformat.write(notebook, job.executed)
    read = pages._read(job).cells[2].outputs[0]
    assert read.evalue == read.traceback[0] == "a\nb /usr/app/c https://a.org/app/d \x1b[32me\x1b[0m\tf"
    assert record["error"] is None


def test_the_folder_is_written_anew(report, notebooks, executor):
    (report / "old.html").touch()
    job = execution.Job("01_first", notebooks / "01_first.ipynb", report.parent / "01_first", {})
    pages.write([job], {"01_first": job.record()}, report)
    assert not (report / "old.html").exists() and not (report / "listening.html").exists()
    assert [path.name for path in report.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("dark", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_in_a_browser(report, tmp_path, dark):
    """Chromium without a network, as on a desk and on a phone: all loads, no script fails, nothing is wider than the window."""
    names = sorted(path.name for path in report.glob("*.html"))
    found = in_browser(report, CHECK, (390, 1280), dark=dark)
    assert sorted((page["page"], page["width"]) for page in found) == [(name, width) for name in names for width in (390, 1280)]
    for page in found:
        assert page["dark"] == dark and page["faults"] == [] and page["poor"] == [], page
        assert page["wide"] <= page["width"], page
        assert page["players"] == (2 if page["page"] in ("01_first.html", f"{listening.NOTEBOOK}.html") else 0)
        assert page["images"] or page["page"] == "02_second.html", page


def test_the_listening_room_by_keys(report):
    (found,) = (page for page in in_browser(report, KEYS, (390,)) if page["page"] == "listening.html")
    assert found["names"] == ["original", "MP3", "MP3"] and found["place"] == pytest.approx(0.25)
    assert found["blind"] == "X(hidden)true"
    assert found["scores"][0] == "1 of 1 right; by guessing: 50.0 % of listeners do as well."
    assert found["scores"][1] == "1 of 2 right; by guessing: 75.0 % of listeners do as well."


def test_a_failed_notebook_shows_no_figure_of_an_earlier_execution(notebooks, tmp_path, executor):
    shutil.copy(notebooks / "01_first.ipynb", notebooks / "01_data.ipynb")
    job = execution.Job("01_data", notebooks / "01_data.ipynb", tmp_path / "out", {})
    (tmp_path / "out" / "figures").mkdir(parents=True)
    (tmp_path / "out" / "figures" / "spectrograms.png").write_bytes(picture())
    for failing, shown in ((set(), True), ({"01_data"}, False)):
        executor.failing = failing
        front = pages.write([job], {"01_data": job.run(executor)}, tmp_path / "report")
        assert ("<img" in front.read_text()) == shown


def test_headings_of_papermill_are_left_out(notebooks, tmp_path):
    notebook = nbformat.read(notebooks / "01_first.ipynb", 4)
    tagged = nbformat.v4.new_markdown_cell("An Exception was encountered", metadata={"tags": [pages.BANNER]})
    notebook.cells.insert(0, tagged)
    (tmp_path / "out").mkdir()
    nbformat.write(notebook, tmp_path / "out" / "01_first.ipynb")
    job = execution.Job("01_first", notebooks / "01_first.ipynb", tmp_path / "out", {})
    pages.write([job], {"01_first": {"error": "broken", "seconds": 1.0, "date": ""}}, tmp_path / "report")
    text = (tmp_path / "report" / "01_first.html").read_text()
    assert "An Exception" not in text and "What is first?" in text
