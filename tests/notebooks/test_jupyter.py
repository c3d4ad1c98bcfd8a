"""A session in JupyterLab: a notebook is opened, edited, run and saved; then Git sees the edited cell and nothing else."""

import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from urllib.request import urlopen

import jupytext.cli
import nbformat
import pytest
from helpers import REPOSITORY, chromium

NAME = "01_data"
OPENED = "[...(window.jupyterapp?.shell.widgets('main') ?? [])].find((each) => each.context?.isReady)"
NEW = "1 + 1  # a cell of one's own"


def git(folder, *words):
    """Returns what Git prints."""
    identity = ["-c", "user.name=A Reader", "-c", "user.email=reader@example.org"]
    return subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def changed(folder):
    """Returns the lines that Git sees changed by file, a dict of lists such as `["-old", "+new"]`."""
    files = (
        git(folder, "diff", "--name-only").splitlines() + git(folder, "ls-files", "--others", "--exclude-standard").splitlines()
    )
    return {
        name: [line for line in git(folder, "diff", "--unified=0", "--", name).splitlines()[4:] if not line.startswith("@@")]
        for name in files
    }


def hook(folder, *options):
    """Runs the command of the first hook of `.pre-commit-config.yaml`; returns the finished process."""
    return subprocess.run([sys.executable, "notebooks/pair.py", *options], cwd=folder, capture_output=True, text=True)


def by_jupytext(path, notebook):
    """Saves as an editor without Jupytext and then `jupytext --sync` do."""
    nbformat.write(notebook, path)
    jupytext.cli.jupytext(["--quiet", "--sync", str(path)])


def by_jupyterlab(path, notebook):
    """Opens and saves as the server of JupyterLab does, with Jupytext beside it."""
    pytest.importorskip("jupyter_server", reason="needs JupyterLab: pip install jupyterlab")
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)(root_dir=str(path.parents[1]))
    model = manager.get(f"notebooks/{path.name}")
    manager.save(model | {"content": notebook}, f"notebooks/{path.name}")


@pytest.fixture
def repository(tmp_path):
    """A repository with a notebook, its script and what pairs them."""
    notebooks = [f"notebooks/{name}" for name in (f"{NAME}.py", f"{NAME}.ipynb", "pair.py", "jupytext.toml")]
    for name in (*notebooks, ".gitignore", "pyproject.toml", "fmalib/__init__.py"):  # the last two mark where outputs go
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "All")
    return tmp_path


def session(path):
    """Returns the notebook after a session: all cells were run by another kernel, and a cell was added below the imports."""
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(4, nbformat.v4.new_code_cell(NEW))
    notebook.metadata["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    notebook.metadata["language_info"] |= {"version": "3.12.1", "file_extension": ".py"}
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            cell.execution_count, cell.metadata["scrolled"] = number, True
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="seen\n")]
    return notebook


@pytest.mark.parametrize("save", [by_jupytext, by_jupyterlab])
def test_only_what_was_edited_changes(repository, save):
    path = repository / "notebooks" / f"{NAME}.ipynb"
    save(path, session(path))
    assert "seen" in path.read_text(encoding="utf-8")  # the reader keeps the outputs until the commit
    assert changed(repository)[f"notebooks/{NAME}.py"] == ["+# %%", f"+{NEW}", "+"]
    assert hook(repository).returncode == 0
    found = changed(repository)
    assert set(found) == {f"notebooks/{NAME}.ipynb", f"notebooks/{NAME}.py"}
    lines = found[f"notebooks/{NAME}.ipynb"]
    assert f'+    "{NEW}"' in lines and all(line.startswith("+") and "seen" not in line for line in lines)
    assert len(lines) == 10


@pytest.mark.parametrize("save", [by_jupytext, by_jupyterlab])
def test_running_alone_changes_nothing(repository, save):
    path = repository / "notebooks" / f"{NAME}.ipynb"
    notebook = session(path)
    notebook.cells.pop(4)
    save(path, notebook)
    assert set(changed(repository)) == {f"notebooks/{NAME}.ipynb"}
    assert hook(repository).returncode == 0 and changed(repository) == {}


@pytest.mark.parametrize("run", [True, False])
@pytest.mark.parametrize("stamp", [[], ["--stamp"]])
def test_cells_that_only_the_notebook_has_are_not_lost(repository, stamp, run):
    path = repository / "notebooks" / f"{NAME}.ipynb"
    notebook = session(path)
    for cell in notebook.cells:
        if cell.cell_type == "code" and not run:
            cell.execution_count, cell.outputs = None, []
    nbformat.write(notebook, path)  # by an editor that knows nothing of scripts
    done = hook(repository, *stamp)
    assert done.returncode == 1 and NEW in path.read_text(encoding="utf-8")
    assert f"`.venv/bin/jupytext --sync notebooks/{NAME}.ipynb` takes their cells over" in done.stderr
    jupytext.cli.jupytext(["--quiet", "--sync", str(path)])
    assert hook(repository).returncode == 0 and changed(repository)[f"notebooks/{NAME}.py"] == ["+# %%", f"+{NEW}", "+"]


class Page:
    """JupyterLab in Chromium, driven as Chromium's DevTools do it: by keys, and by scripts that run in the page."""

    def __init__(self, socket):
        self.socket, self.number = socket, 0

    def send(self, method, **parameters):
        """Sends a command; returns its result."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.number:
            pass  # an event
        assert "result" in answer, answer
        return answer["result"]

    def evaluate(self, script):
        """Returns the value of a script, or what the promise becomes that it returns."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def command(self, name):
        """Executes a command of JupyterLab's menus to its end; returns whether it says that it succeeded."""
        return self.evaluate(f"jupyterapp.commands.execute('{name}').then(Boolean)")

    def wait(self, condition):
        end = time.monotonic() + 90
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < end, condition
            time.sleep(0.1)

    def press(self, key, text="", control=False):
        """Presses and releases a key, which types a text."""
        known = {"key": key, "windowsVirtualKeyCode": {"Enter": 13, "End": 35}.get(key) or ord(key.upper())}
        self.send("Input.dispatchKeyEvent", type="keyDown", **known, modifiers=2 * control, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **known, modifiers=2 * control)

    def select(self, text):
        """Selects the cell with a text, once there is one."""
        cells = f"tab.content.widgets.findIndex((cell) => cell.model.sharedModel.source.includes({json.dumps(text)}))"
        self.wait(f"(tab.content.activeCellIndex = {cells}) >= 0")
        self.evaluate("jupyterapp.shell.activateById(tab.id)")

    def type(self, line):
        """Types a line at the end of the selected cell."""
        self.wait("document.activeElement.closest('.jp-Notebook')")
        self.press("Enter", "\r")
        self.wait("tab.content.mode == 'edit' && document.activeElement.matches('.cm-content')")
        self.press("End", control=True)
        if self.evaluate("tab.content.activeCell.model.sharedModel.source"):
            self.press("Enter", "\r")
        self.send("Input.insertText", text=line)

    def save(self):
        self.press("s", control=True)
        self.wait("!tab.context.model.dirty")


@contextmanager
def process(command, log, **options):
    """Runs a command beside the test, and ends it."""
    with open(log, "w") as file, subprocess.Popen(command, stdout=file, stderr=file, **options) as running:
        try:
            yield running
        finally:
            running.terminate()


def waited_for(found, seconds=60):
    """Returns what a function finds, once it finds something: another process is about to write it."""
    end = time.monotonic() + seconds
    while True:
        with suppress(FileNotFoundError, ValueError):  # ValueError: half of it is there
            if result := found():
                return result
        assert time.monotonic() < end, "nothing was found"
        time.sleep(0.1)


def port_of(path):
    """Returns the port in a file by Chromium, whose second line is an address."""
    lines = path.read_text().splitlines()
    return int(lines[0]) if len(lines) == 2 else None


def tab_of(port, url):
    """Returns the address by which a browser's page is driven whose own address begins with `url`, or None."""
    with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = [each for each in json.load(answer) if each["type"] == "page" and each["url"].startswith(url)]
    return pages[0]["webSocketDebuggerUrl"] if pages else None


@pytest.fixture
def page(repository, tmp_path_factory, monkeypatch):
    """The notebook, opened in JupyterLab, with its kernel started and without the reader's own settings."""
    pytest.importorskip("jupyterlab", reason="needs JupyterLab: pip install jupyterlab")
    from websocket import create_connection  # JupyterLab needs it too

    folder = tmp_path_factory.mktemp("jupyterlab")
    browser = [*chromium(folder / "profile"), "--remote-debugging-port=0"]
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / name))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", "--ip=127.0.0.1", "--port=0"]
    with process([sys.executable, "-m", "jupyterlab", *options], folder / "server.log", cwd=repository) as lab:
        facts = folder / "JUPYTER_RUNTIME_DIR" / f"jpserver-{lab.pid}.json"
        server = waited_for(lambda: json.loads(facts.read_text()))
        address = f"{server['url']}lab/tree/notebooks/{NAME}.ipynb?token={server['token']}"
        with process([*browser, address], folder / "browser.log"):
            port = waited_for(lambda: port_of(folder / "profile" / "DevToolsActivePort"))
            tab = waited_for(lambda: tab_of(port, server["url"]))
            page = Page(create_connection(tab, timeout=240, suppress_origin=True))
            page.wait(f"window.tab = {OPENED}")
            page.wait("tab.sessionContext.session?.kernel?.status == 'idle'")
            yield page


@pytest.mark.slow
def test_a_session_in_a_browser(repository, page):
    script, notebook = (repository / "notebooks" / f"{NAME}{suffix}" for suffix in (".py", ".ipynb"))
    page.select("sample_rate: int")
    page.type("quick = True")
    assert page.command("notebook:run-all-cells")
    page.save()
    assert "0 could not be decoded." in notebook.read_text(encoding="utf-8")  # printed by the last cell
    assert changed(repository)[f"notebooks/{script.name}"] == ["+quick = True"]

    assert hook(repository).returncode == 0  # while the page is open
    found = changed(repository)
    assert set(found) == {f"notebooks/{script.name}", f"notebooks/{notebook.name}"}
    lines = [line for line in found[f"notebooks/{notebook.name}"] if '"id": "cell-' not in line]
    assert lines == [
        '-    "sample_rate: int = 44100  # Hz"',
        '+    "sample_rate: int = 44100  # Hz\\n",',
        '+    "quick = True"',
    ]

    script.write_text(script.read_text(encoding="utf-8").replace("quick = True", "quick = not True"), encoding="utf-8")
    page.command("docmanager:reload")
    page.select("quick = not True")
    page.command("notebook:insert-cell-below")
    page.type(NEW)
    page.save()
    assert changed(repository)[f"notebooks/{script.name}"] == ["+quick = not True", "+", "+# %%", f"+{NEW}"]
    assert hook(repository, "--check").returncode == 1 and hook(repository).returncode == 0
    assert set(changed(repository)) == set(found)
