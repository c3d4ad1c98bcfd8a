"""`fmalib report`: its options, and what it does."""

import sys
from pathlib import Path

from fmalib import paths

PLACE = "notebooks"  # folder of a checkout
CLEAR = "\x1b[K"  # to the end of a terminal's line


def add_parser(parsers):
    """Adds the command to argparse's subparsers."""
    parser = parsers.add_parser(
        "report",
        help="execute the notebooks and make one report of them",
        description="Executes the notebooks, prints a line for each with the time left, and writes OUT/report/index.html. What "
        "has not changed is not executed again. A notebook that fails is shown with its error; the exit status is then 1.",
    )
    parser.add_argument("names", nargs="*", metavar="NOTEBOOK", help="such as 01_data; default: all")
    parameter = {"nargs": 2, "action": "append", "default": [], "metavar": ("NAME", "VALUE")}
    parser.add_argument("-p", "--parameter", **parameter, help="a parameter of all notebooks that have it")
    parser.add_argument("--out", default="outputs", metavar="OUT", help="folder of all results (default: %(default)s)")
    parser.add_argument("--notebooks", default=PLACE, metavar="FOLDER", help="where they lie (default: %(default)s)")


def say(line):
    """Prints a line at once, in the place of a hint."""
    print(f"{CLEAR if sys.stdout.isatty() else ''}{line}", flush=True)


def hint(line):
    """Shows a line until the next one, on a terminal."""
    if sys.stdout.isatty():
        print(f"{CLEAR}{line}", end="\r", flush=True)


def run(options, execute=None, say=say):
    """Makes the report; returns the exit status, 1 where a notebook failed.

    Args:
        options: by `add_parser`.
        execute: what executes a notebook; default: `papermill.execute_notebook`.
        say: function that prints a line.

    Raises:
        ValueError: no such notebook, a parameter that none has, or a data set that is not there.
    """
    from fmalib.report import execution, pages  # slow, and not needed for `--help`

    jobs = plan_jobs(options)
    execution.check_data(jobs)
    if execute is None:
        import papermill

        execute = papermill.execute_notebook
    try:
        records = execution.run_all(jobs, execute, say, hint)
    finally:
        hint("")
    page = pages.write(jobs, records, paths.resolve(options.out) / "report")
    failed = [name for name, record in records.items() if record["error"]]
    say(f"Report: {page}")
    if failed:
        print(f"error: {len(failed)} of {len(jobs)} notebooks failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def plan_jobs(options):
    """Returns the `Job` of each notebook that is asked for; raises as `run`."""
    from fmalib.report import execution
    from fmalib.report.plan import PLANS

    folder, out, given = paths.resolve(options.notebooks), paths.resolve(options.out), dict(options.parameter)
    sources = {path.stem: path for path in sorted(Path(folder).glob("[0-9]*.ipynb"))}
    if not sources:
        remedy = "run the command in a checkout, or name their folder by --notebooks"
        raise ValueError(f"There is no notebook here: {remedy}. Received: notebooks={paths.printable(folder)!r}")
    if unknown := [name for name in options.names if name not in sources]:
        raise ValueError(f"No such notebook; there are {', '.join(sources)}. Received: {', '.join(unknown)}")
    known = {name: execution.parameters_of(path) for name, path in sources.items()}
    everything = {name for names in known.values() for name in names} - {"out_dir"}
    if unknown := [name for name in given if name not in everything]:
        raise ValueError(
            f"No notebook has this parameter; there are {', '.join(sorted(everything))}. Received: {', '.join(unknown)}"
        )
    jobs = []
    for name in options.names or sources:
        plan = PLANS.get(name)
        parameters = dict(plan.options) if plan else {}
        parameters |= {key: value for key, value in given.items() if key in known[name]}
        job = execution.Job(name, sources[name], out / name, parameters, 60 * plan.minutes if plan else 60.0)
        jobs.append(job)
    return jobs
