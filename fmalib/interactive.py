"""The interactive map: one HTML page with everything in it, which needs no network. Hover names a point, click plays it."""

import base64
import html
import json

import numpy as np

from fmalib import baselines, map_plots, representations

SOUND_RATE = 16_000  # Hz
SOUND_KBPS = 24
SOUND_SECONDS = 5.0
SOUND_BYTES = round(SOUND_KBPS * 125 * SOUND_SECONDS)
SOUND_MEGABYTES = 10.0  # of sound in a page
SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x", "*": "star",
}
# Runs in the page after plotly has drawn. Names come from files' tags: they are set as text, never as HTML.
CLICK = """
const {sounds, soundOf, captions} = DATA;
const player = document.getElementById("player"), caption = document.getElementById("caption");
document.getElementById("{plot_id}").on("plotly_click", function (event) {
    const point = event.points[0].customdata;
    caption.textContent = captions[point];
    if (soundOf[point] === null) { player.pause(); caption.textContent += " (no sound in this page)"; return; }
    player.src = "data:audio/mpeg;base64," + sounds[soundOf[point]];
    player.play();
});
"""
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; margin: 8px; }} h1 {{ font-size: 17px; }} audio {{ vertical-align: middle; }}</style></head>
<body><h1>{title}</h1>
<p><audio id="player" controls></audio> <span id="caption">Hover for a name, click to listen.</span></p>
{plot}
<p><small>{note}</small></p></body></html>
"""


def sound(signal, sample_rate):
    """Returns an MP3 of 24 kbit/s at 16 kHz, 15 KB for its 5 s, as bytes.

    Args:
        signal: float array of shape `(samples,)` at full scale 1; the middle 5 s are taken.
        sample_rate: Hz.
    """
    import soxr

    keep = min(len(signal), round(SOUND_SECONDS * sample_rate))
    first = (len(signal) - keep) // 2
    low = soxr.resample(np.asarray(signal[first : first + keep], np.float32), sample_rate, SOUND_RATE)
    return baselines.mp3_file(low, SOUND_RATE, SOUND_KBPS)


def sounds(spans, rows, *, megabytes=SOUND_MEGABYTES):
    """Returns an MP3 of 5 s for each segment of a table, bytes or None; see `sound`.

    Where the segments would need more than `megabytes`, those of a track share the sound of its first one there; where even
    that is too much, further tracks have none.

    Args:
        rows: segment table by `fmalib.representations.Spans.rows`, of some or all segments.
    """
    room = int(megabytes * 1e6 / SOUND_BYTES)
    shared = len(rows) > room
    wanted = rows.drop_duplicates("track_id").head(room) if shared else rows
    made = [None] * len(wanted)
    for number, span in representations.cuts(spans, wanted, "time"):
        made[number] = sound(span, spans.studies["time"].cache.sample_rate)
    if not shared:
        return made
    of_track = dict(zip(wanted["track_id"], made))
    return [of_track.get(track_id) for track_id in rows["track_id"]]


def spread(drawn, mine):
    """Returns the points of a `fmalib.embedding.Map` at their places among all, `(points, 2)`; nan where it has none.

    Args:
        drawn: the map.
        mine: bools, `(points,)`: which of all points it holds.
    """
    points = np.full((len(mine), 2), np.nan)
    points[mine] = drawn.points
    return points


def page(drawn, labels, genres, captions, sounds, title, note=""):
    """Returns the map as a HTML page: a menu of maps, a legend that switches genres on and off, names on hover, sound on click.

    Args:
        drawn: dict from a map's title to points `(points, 2)`; nan where a map lacks a point.
        labels: genre numbers, `(points,)`.
        genres: names by number.
        captions: what each point is called, plain text, `(points,)`.
        sounds: an MP3's bytes for each point, or None, `(points,)`.
        title, note: above and below, plain text.
    """
    import plotly.graph_objects as go
    import plotly.io

    def plain(column):
        return [None if np.isnan(value) else round(float(value), 4) for value in column]

    labels = np.asarray(labels)
    places = {number: np.flatnonzero(labels == number) for number in np.unique(labels)}
    first = next(iter(drawn.values()))
    traces = []
    for number, rows in places.items():
        colour, marker = map_plots.look(int(number))
        traces.append(
            go.Scatter(
                x=plain(first[rows, 0]), y=plain(first[rows, 1]), mode="markers", name=html.escape(genres[number]),
                marker={"color": colour, "symbol": SYMBOLS[marker], "size": 8, "line": {"width": 0.5, "color": "white"}},
                customdata=rows.tolist(), text=[html.escape(captions[row]).replace("\n", "<br>") for row in rows],
                hovertemplate="%{text}<extra></extra>", opacity=0.85,
            )
        )
    buttons = [
        {
            "label": name, "method": "restyle",
            "args": [{axis: [plain(points[rows, number]) for rows in places.values()] for number, axis in enumerate("xy")}],
        }
        for name, points in drawn.items()
    ]
    figure = go.Figure(traces)
    figure.update_layout(
        template="plotly_white", height=620, hovermode="closest", margin={"l": 50, "r": 20, "t": 50, "b": 40},
        legend={"title": {"text": "genre (click to hide)"}}, xaxis={"title": {"text": "dimension 1"}},
        yaxis={"title": {"text": "dimension 2"}, "scaleanchor": "x"},
        updatemenus=[{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.1, "yanchor": "top", "showactive": True}],
    )
    distinct = {sound: number for number, sound in enumerate(dict.fromkeys(sound for sound in sounds if sound is not None))}
    embedded = {
        "sounds": [base64.b64encode(sound).decode() for sound in distinct],
        "soundOf": [distinct.get(sound) for sound in sounds],
        "captions": [text.replace("\n", ", ") for text in captions],
    }
    script = CLICK.replace("DATA", _script(embedded))
    plot = plotly.io.to_html(figure, include_plotlyjs=True, full_html=False, post_script=script, config={"displaylogo": False})
    return PAGE.format(title=html.escape(title), note=html.escape(note), plot=plot)


def frame(page, height=780):
    """Returns a page inside a notebook's output: in a frame of its own, where no other script can get in its way."""
    from IPython.display import HTML

    source = html.escape(page, quote=True)
    # The frame may run its own scripts and nothing else, so nothing in a file's tags can reach the notebook. It stands in a
    # div, since IPython takes HTML that begins with a frame for a mistake and warns.
    size = f'width="100%" height="{height}" style="border:0"'
    return HTML(f'<div><iframe sandbox="allow-scripts" {size} srcdoc="{source}"></iframe></div>')


def _script(value):
    """Returns JSON that cannot end the script it stands in, whatever names hold."""
    return json.dumps(value).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
