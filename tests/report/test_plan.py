"""The table of notebooks in the report fits the notebooks."""

import nbformat
import pytest
from helpers import REPOSITORY

from fmalib.report import execution, plan
from fmalib.report.plan import PLANS

NOTEBOOKS = {path.stem: path for path in sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))}
COMPRESSION = [
    {
        "section": "sweep",
        "codec": "the study's network",
        "nominal_kbps": kbps,
        "spectral_rmse": 1 / kbps,
        "spectral_rmse_ci95": None,
    }
    for kbps in (8.0, 16.5, 64.0)
]


def test_every_notebook_is_in_the_report():
    assert list(PLANS) == list(NOTEBOOKS)
    assert sum(each.minutes for each in PLANS.values()) < 30  # one after another; two cores take less


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_fits_its_notebook(name):
    each = PLANS[name]
    sources = [cell.source for cell in nbformat.read(NOTEBOOKS[name], 4).cells if cell.cell_type == "code"]
    assert any(f'"{each.figure}")' in source for source in sources)
    for number in each.numbers:
        assert any(number.cell in source for source in sources), number.name
    assert set(each.options) <= set(execution.parameters_of(NOTEBOOKS[name]))
    assert each.numbers and len({number.name for number in each.numbers}) == len(each.numbers)


def test_text():
    assert plan.text(lambda metrics: f"{metrics['a']}", {"a": 3}) == "3"
    assert plan.text(lambda metrics: f"{metrics['a']}", {}) == "–"
    assert plan.with_interval(0.5, [0.25, 0.75]) == "0.50 (0.25 to 0.75)"
    assert (plan.with_interval(0.5, None), plan.with_interval(None, None)) == ("0.50", "–")


def test_the_numbers_of_05_are_those_near_16_kbps():
    value = PLANS["05_compression"].numbers[0].value
    assert plan.text(value, {"rows": COMPRESSION}) == f"{1 / 16.5:.2f}"


def test_what_was_found_says_so_where_no_map_is_scored():
    found = plan.text(PLANS["04_latent_space"].found, {"methods": {"pca": {"knn_accuracy": None}}, "knn_accuracy_chance": None})
    assert found.startswith("No map can be scored")
    maps = {"pca": {"knn_accuracy": 0.2, "knn_accuracy_ci95": [0.1, 0.3]}, "lda": {"knn_accuracy": 0.1}}
    found = plan.text(PLANS["04_latent_space"].found, {"methods": maps, "knn_accuracy_chance": 0.125})
    assert found == "Neighbours on the best map (pca) share a genre in 0.20 (0.10 to 0.30) of cases; chance is 0.12."
