"""The pages of the report: a front page, one page for each notebook with its code folded away, the listening room."""

import re
import shutil
import time
from importlib import resources
from pathlib import Path

import jinja2
import nbformat
from nbconvert import HTMLExporter

from fmalib import paths
from fmalib.report import execution, listening
from fmalib.report.media import Media, unpack
from fmalib.report.plan import PLANS, text

TEMPLATES = Path(str(resources.files("fmalib.report"))) / "templates"
STATIC = ("style.css", "listening.js")
PARAMETERS = re.compile(r"^Parameters: (.*)$", re.MULTILINE)
BANNER = "papermill-error-cell-tag"
# Where a path may begin in JSON, also behind an escape or a colour of the terminal; not in an address, a longer path, an image.
BEGINNING = r"(?:(?<![\w+/.-])|(?<=\\[nrt])|(?<=\[\dm)|(?<=\d\dm))"
BADGE = re.compile(r"^\[!\[Colab\]\(.*\n+", re.MULTILINE)  # a picture from the network, that opens another notebook
OUT_DIR = re.compile(r"out_dir='[^']*'(, )?")  # a folder of this machine tells a reader nothing


def write(jobs, records, folder):
    """Writes the report and returns the path of its front page.

    The folder is written anew beside the old one, and takes its place at the end.

    Args:
        jobs: list of `execution.Job`.
        records: dict from name to record, by `execution.run_all`.
        folder: of the report.
    """
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    media, environment = Media(fresh), _environment()
    for name in STATIC:
        shutil.copyfile(TEMPLATES / name, fresh / name)
    entries = [_entry(job, records[job.name], media) for job in jobs]
    rooms = [
        room
        for job in jobs
        if job.name == listening.NOTEBOOK
        for room in listening.rooms(job.metrics(), job.folder / "audio", media)
    ]
    shared = {"entries": entries, "rooms": rooms}
    for entry in entries:
        page = environment.get_template("notebook.html.j2").render(entry=entry, page=entry["name"], **shared)
        (fresh / f"{entry['name']}.html").write_text(page, encoding="utf-8")
    if rooms:
        page = environment.get_template("listening.html.j2").render(page="listening", **shared)
        (fresh / "listening.html").write_text(page, encoding="utf-8")
    page = environment.get_template("index.html.j2").render(page="index", about=_about(jobs, records), **shared)
    (fresh / "index.html").write_text(page, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return folder / "index.html"


def _entry(job, record, media):
    """Returns what the pages say of a notebook, a dict."""
    plan, metrics = PLANS.get(job.name), job.metrics()
    notebook = _read(job)
    title = next(
        (cell.source.splitlines()[0].lstrip("# ") for cell in notebook.cells if cell.source.startswith("# ")), job.name
    )
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    parameters, given = PARAMETERS.search(printed), ", ".join(f"{name}={value!r}" for name, value in job.parameters.items())
    # After a failure, a figure there is one of an earlier execution.
    figure = job.folder / "figures" / f"{plan.figure}.png" if plan and not record["error"] else None
    numbers = [
        {"name": number.name, "value": text(number.value, metrics), "cell": cell_of(notebook, number.cell)}
        for number in (plan.numbers if plan and metrics else ())
    ]
    unpack(notebook, media, title)
    return {
        "name": job.name,
        "title": title,
        "found": text(plan.found, metrics) if plan and metrics else "",
        "numbers": numbers,
        "figure": media.add(figure.read_bytes(), "images", ".png") if figure and figure.is_file() else "",
        "error": record["error"] or "",
        "failed_cell": failed_cell(notebook),
        "note": metrics.get("note") or "",
        "dataset": metrics.get("dataset", ""),
        "duration": execution.duration(record["seconds"]),
        "date": record["date"],
        "parameters": OUT_DIR.sub("", parameters[1]) if parameters else given,
        "body": _body(notebook),
    }


def _read(job):
    """Returns the executed notebook without badge and papermill's headings of errors; its source where nothing was executed.

    Paths in it are relative to the project, or to the folder of all results: those of a machine tell a reader nothing.
    """
    try:
        text = job.executed.read_text(encoding="utf-8")
        for folder in (paths.project_root(), job.folder.parent):
            text = re.sub(f"{BEGINNING}{re.escape(str(folder))}/", "", text) if len(folder.parts) > 1 else text
        notebook = nbformat.reads(text, 4)
    except (OSError, ValueError):  # the kernel did not even start
        notebook = nbformat.read(job.source, 4)
    notebook.cells = [cell for cell in notebook.cells if BANNER not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        cell.source = BADGE.sub("", cell.source)
    return notebook


def failed_cell(notebook):
    """Returns the id of the cell that failed, or an empty string."""
    failed = (cell.id for cell in notebook.cells for each in cell.get("outputs", []) if each.output_type == "error")
    return next(failed, "")


def cell_of(notebook, part):
    """Returns the id of the last code cell with a part in its source, or an empty string."""
    cells = [cell.id for cell in notebook.cells if cell.cell_type == "code" and part in cell.source]
    return cells[-1] if cells else ""


def _body(notebook):
    """Returns the cells of a notebook as HTML, code folded away; wide tables scroll by themselves."""
    exporter = HTMLExporter(template_name="report", extra_template_basedirs=[str(TEMPLATES)])
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(notebook)
    body = re.sub(r"<table(?![^>]*class=\"dataframe scrolls)", '<div class="scrolls" tabindex="0"><table', body)
    return body.replace("</table>", "</table></div>")


def _about(jobs, records):
    """Returns facts on the whole run, a dict."""
    metrics = [job.metrics() for job in jobs]
    return {
        "datasets": ", ".join(dict.fromkeys(each["dataset"] for each in metrics if each)),
        "notes": list(dict.fromkeys(each["note"] for each in metrics if each.get("note"))),
        "duration": execution.duration(sum(record["seconds"] for record in records.values())),
        "date": time.strftime("%Y-%m-%d"),
        "versions": execution.versions(),
    }


def _environment():
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=jinja2.select_autoescape(("html", "html.j2", "j2")), trim_blocks=True)
