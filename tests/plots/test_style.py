import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import tone

from fmalib.plots import style


def test_the_note_is_below_the_figure_once(tmp_path):
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    for note in ("one", "two"):
        style.save(figure, tmp_path / "new" / "figure.png", note)
    assert [text.get_text() for text in figure.texts] == ["two"] and figure.texts[0].get_position()[1] < 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["figure.png"]
    assert not plt.fignum_exists(figure.number)


def test_texts_stand_right_of_bars_intervals_and_marks():
    values = {"plain": 1.0, "interval": 2.0, "mark": -1.0}
    figure, axes = style.bars(values, "abc", intervals=[None, (1.5, 2.5), (-1.2, -0.9)], clear=[0, 0, 3])
    assert [(text.get_text(), text.xy) for text in axes.texts] == [("a", (1.0, 0)), ("b", (2.5, 1)), ("c", (3.0, 2))]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(values) and axes.yaxis_inverted()
    lines = axes.collections[0].get_segments()
    assert np.isnan(lines[0]).all() or not len(lines[0])  # no interval, no error bar
    np.testing.assert_allclose(lines[1][:, 0], [1.5, 2.5])
    plt.close(figure)


def test_an_interval_far_beyond_all_bars_leaves_the_axes():
    figure, axes = style.bars({"two artists": 1.0, "many": 2.0}, "ab", intervals=[(0.1, 50), (1.9, 2.1)])
    assert axes.get_xlim()[1] == pytest.approx(1.15 * 6) and axes.texts[0].xy == (6, 0) and axes.texts[1].xy == (2.1, 1)
    plt.close(figure)


def test_bars_of_one_colour_need_no_intervals():
    figure, axes = style.bars({"a": 0.0, "b": 2.0}, ["0", "2"])
    assert [text.xy[0] for text in axes.texts] == [0, 2] and len({bar.get_facecolor() for bar in axes.patches}) == 1
    plt.close(figure)


def test_spare_panels_are_blank_and_labels_are_at_the_edges():
    figure, grid = style.panels(5, 3, (2, 1), sharex=True, sharey=True)
    assert len(grid) == 5 and len(figure.axes) == 6 and not figure.axes[5].axison
    grid[3].set_axis_off()
    style.label_outer(grid, 3, "x", "y")
    assert [axes.get_xlabel() for axes in grid] == ["x", "", "x", "x", "x"]  # the one below the first is blank
    assert [axes.get_ylabel() for axes in grid] == ["y", "", "", "y", "y"]
    plt.close(figure)


def test_finish_puts_the_legend_beside_the_axes():
    figure, axes = plt.subplots(layout="constrained")
    axes.plot([1], [1], "o", label="a")
    assert style.finish(figure, whole=True) is figure
    figure.canvas.draw()
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1
    assert not axes.spines["top"].get_visible()
    low, high = axes.get_xlim()
    assert all(float(tick).is_integer() for tick in axes.get_xticks() if low <= tick <= high)
    plt.close(figure)


@pytest.mark.parametrize("hop", [None, 512])
def test_levels_and_their_image(hop):
    levels = style.level(tone(1000), n_fft=1024, hop=hop)
    assert levels.shape == (513, 1 + 24_000 // (hop or 256))
    assert levels.mean(axis=1).argmax() == 128  # 1 kHz of 8 kHz
    figure, axes = plt.subplots()
    image = style.spectrogram(axes, levels - levels.max(), 8000, n_fft=1024, hop=hop, y_axis="linear")
    assert image.get_clim() == (-80, 0) and axes.get_xlim()[1] == pytest.approx(3, abs=0.1) and axes.get_ylim()[1] > 3990
    plt.close(figure)
