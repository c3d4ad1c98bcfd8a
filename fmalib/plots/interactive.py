"""The interactive map: one HTML page that needs no network. Hovering names a point, a click plays it."""

import base64
import html
import json

import numpy as np
import soxr

from fmalib.codec import classical
from fmalib.latent import representations
from fmalib.plots import latent

SOUND_RATE, SOUND_KBPS, SOUND_SECONDS = 16_000, 24, 5.0  # rate in Hz
SOUND_BYTES = round(SOUND_KBPS * 125 * SOUND_SECONDS)
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")  # latent.MARKERS in plotly
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
// On a phone the legend goes below the map, where long names have room.
const narrow = window.matchMedia("(max-width: 600px)");
function fit() {
    const beside = { "legend.orientation": "v", "legend.title.side": "top", "legend.x": 1.02, "legend.y": 1, "margin.r": 20 };
    const below = { "legend.orientation": "h", "legend.title.side": "top", "legend.x": 0, "legend.y": -0.2, "margin.r": 10 };
    Plotly.relayout("{plot_id}", narrow.matches ? below : beside);
}
narrow.addEventListener("change", fit);
fit();
"""
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ font-family: sans-serif; margin: 8px; }} h1 {{ font-size: 17px; }} audio {{ vertical-align: middle; }}
audio {{ max-width: 100%; }} @media (max-width: 600px) {{ .modebar {{ display: none; }} }}</style>
</head><body><h1>{title}</h1>
<p><audio id="player" controls></audio> <span id="caption">Hover for a name, click to listen.</span></p>
{plot}
<p><small>{note}</small></p></body></html>
"""


def sound(signal, sample_rate):
    """Returns the middle 5 s of a signal `(samples,)` as the bytes of an MP3: 15 KB, for 24 kbit/s at 16 kHz."""
    keep = min(len(signal), round(SOUND_SECONDS * sample_rate))
    first = (len(signal) - keep) // 2
    low = soxr.resample(np.asarray(signal[first : first + keep], np.float32), sample_rate, SOUND_RATE)
    return classical.mp3_file(low, SOUND_RATE, SOUND_KBPS)


def sounds(shared, rows, *, megabytes=10.0):
    """Returns an MP3 of 5 s for each segment of a table, bytes or None; see `sound`.

    Above `megabytes` in total, the segments of a track share the sound of the first of them. If that is still too much, the
    last tracks have no sound.

    Args:
        shared: `fmalib.latent.representations.SharedSegments`.
        rows: segment table by its method `rows`, all or some.
    """
    most = int(megabytes * 1e6 / SOUND_BYTES)
    by_track = len(rows) > most
    wanted = rows.drop_duplicates("track_id").head(most) if by_track else rows
    made = [None] * len(wanted)
    for number, segment in representations.read_segments(shared, wanted, "time"):
        made[number] = sound(segment, shared.comparisons["time"].cache.sample_rate)
    of_track = dict(zip(wanted["track_id"], made))
    return [of_track.get(track_id) for track_id in rows["track_id"]] if by_track else made


def spread(drawn, mine):
    """Returns the points of a `fmalib.latent.maps.Map` among all, `(points, 2)`; nan where `mine`, `(points,)`, is false."""
    points = np.full((len(mine), 2), np.nan)
    points[mine] = drawn.points
    return points


def page(drawn, labels, genres, captions, sounds, title, note=""):
    """Returns the map as a HTML page, with a menu of maps and a legend that switches genres on and off.

    Args:
        drawn: dict from a map's title to points `(points, 2)`; nan where a map lacks a point.
        labels: genre numbers, `(points,)`.
        genres: names by number.
        captions: name of each point, plain text, `(points,)`.
        sounds: an MP3's bytes for each point, or None, `(points,)`.
        title, note: above and below, plain text.
    """
    import plotly.io

    distinct = {sound: number for number, sound in enumerate(dict.fromkeys(sound for sound in sounds if sound is not None))}
    embedded = {
        "sounds": [base64.b64encode(sound).decode() for sound in distinct],
        "soundOf": [distinct.get(sound) for sound in sounds],
        "captions": [text.replace("\n", ", ") for text in captions],
    }
    figure, script = _figure(drawn, np.asarray(labels), genres, captions), CLICK.replace("DATA", _script(embedded))
    config = {"displaylogo": False, "responsive": True}
    plot = plotly.io.to_html(figure, include_plotlyjs=True, full_html=False, post_script=script, config=config)
    return PAGE.format(title=html.escape(title), note=html.escape(note), plot=plot)


def _figure(drawn, labels, genres, captions):
    """Returns the plotly figure, one trace a genre; arguments as for `page`."""
    import plotly.graph_objects as go

    places = {number: np.flatnonzero(labels == number) for number in np.unique(labels)}

    def coordinates(points, rows):
        return [[None if np.isnan(value) else round(float(value), 4) for value in axis] for axis in points[rows].T]

    traces = []
    for number, rows in places.items():
        colour, marker = latent.look(int(number))
        symbol = SYMBOLS[latent.MARKERS.index(marker)]
        x, y = coordinates(next(iter(drawn.values())), rows)
        options = {"name": html.escape(genres[number]), "customdata": rows.tolist(), "mode": "markers", "opacity": 0.85}
        options["marker"] = {"color": colour, "symbol": symbol, "size": 8, "line": {"width": 0.5, "color": "white"}}
        options["text"] = [html.escape(captions[row]).replace("\n", "<br>") for row in rows]
        traces.append(go.Scatter(x=x, y=y, hovertemplate="%{text}<extra></extra>", **options))
    buttons = []
    for name, points in drawn.items():
        x, y = zip(*(coordinates(points, rows) for rows in places.values()))
        buttons.append({"label": name, "method": "restyle", "args": [{"x": x, "y": y}]})
    layout = {"template": "plotly_white", "height": 620, "hovermode": "closest", "margin": {"l": 50, "r": 20, "t": 50, "b": 40}}
    layout["xaxis"] = {"title": {"text": "dimension 1"}}
    layout["yaxis"] = {"title": {"text": "dimension 2"}, "scaleanchor": "x"}
    layout["legend"] = {"title": {"text": "genre (click to hide)"}}
    layout["updatemenus"] = [{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.1, "yanchor": "top", "showactive": True}]
    return go.Figure(traces, layout)


def frame(page, height=780):
    """Returns a page as a notebook's output, in a frame of its own, apart from other scripts."""
    from IPython.display import HTML

    source = html.escape(page)
    # The frame may run scripts and nothing else, so nothing in a file's tags can reach the notebook. A div around it avoids
    # IPython's warning about HTML that begins with a frame.
    size = f'width="100%" height="{height}" style="border:0"'
    return HTML(f'<div><iframe sandbox="allow-scripts" {size} srcdoc="{source}"></iframe></div>')


def _script(value):
    """Returns JSON that cannot end the script around it, whatever names hold."""
    return json.dumps(value).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
