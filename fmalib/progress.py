"""Progress bars that stay on one line in a terminal, in a notebook, and in the notebook that is kept."""

import sys

from tqdm import tqdm


class _DisplayBar(tqdm):
    """A tqdm bar that updates one display output: text bars would leave a line of the report at every step."""

    def display(self, msg=None, pos=None):
        from IPython.display import Pretty, display

        text = Pretty(_Text(msg if msg is not None else str(self)))
        if getattr(self, "handle", None) is None:
            self.handle = display(text, display_id=True)
        else:
            self.handle.update(text)

    def clear(self, *args, **kwargs):
        """Does nothing: there is no line to wipe."""


class _Text(str):
    """A string that shows itself without quotes."""

    def __repr__(self):
        return str(self)


def bar(iterable=None, *, total=None, desc, unit, initial=0, progress=True):
    """Returns a tqdm bar, drawn as fits where it runs.

    Args:
        iterable: the steps; None means that the caller calls `update`.
        total: number of steps; None takes the iterable's length.
        desc, unit: label of the bar, and name of a step; bytes, `"B"`, are shown as KiB, MiB and so on.
        initial: steps done before.
        progress: whether to show anything.
    """
    kind = _DisplayBar if progress and _in_notebook() else tqdm
    # Standard error is silenced while the decoders run.
    options = {"disable": not progress, "mininterval": 0.5, "ncols": 110, "file": sys.stdout}
    options |= {"unit_scale": True, "unit_divisor": 1024} if unit == "B" else {}
    return kind(iterable, total=total, desc=desc, unit=unit, initial=initial, **options)


def _in_notebook():
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return type(get_ipython()).__name__ in ("ZMQInteractiveShell", "Shell")  # Jupyter, Colab
