"""The interactive map: as text, and in a browser as on a desk and on a phone."""

import base64
import html
import io
import json
import re

import numpy as np
import soundfile
from helpers import in_browser

from fmalib import plots
from fmalib.latent import maps

# Runs in the page: how far the names of the legend reach, and whether the toolbar is seen.
LEGEND = """window.addEventListener("load", () => setTimeout(() => {
    const right = [...document.querySelectorAll(".legendtext")].map((name) => name.getBoundingClientRect().right);
    const bars = [...document.querySelectorAll(".modebar")].filter((bar) => bar.getClientRects().length);
    report({ right: Math.max(...right), names: right.length, toolbar: bars.length > 0, wide: document.body.scrollWidth });
}, 1000));"""
SPITE = "</script><img src=x onerror=alert(1)>"


def page():
    rng = np.random.default_rng(0)
    drawn = {"PCA": rng.normal(size=(12, 2)), "LDA": np.where(np.arange(24).reshape(12, 2) < 6, np.nan, 1.0)}
    sounds = [plots.interactive.sound(np.zeros(44_100, np.float32), 44_100)] * 5 + [None] * 7
    genres, captions = ["Folk", "Rock", SPITE], [f"{SPITE} {number}\nFolk" for number in range(12)]
    return plots.interactive.page(drawn, np.arange(12) % 3, genres, captions, sounds, "A <title>", "a note")


def test_the_page_needs_no_network_and_holds_everything():
    text = page()
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", outside) and not re.search(r"<script[^>]+src=", text)
    assert len(text) > 3_000_000  # plotly itself
    embedded = json.loads(re.search(r"const \{sounds, soundOf, captions\} = (\{.*?\});\n", text).group(1))
    assert len(embedded["sounds"]) == 1 and embedded["soundOf"] == [0] * 5 + [None] * 7  # a shared sound is held once
    assert base64.b64decode(embedded["sounds"][0])[:1] == b"\xff" and embedded["captions"][3] == f"{SPITE} 3, Folk"
    assert "a note" in text and "NaN" not in text[text.index("Plotly.newPlot") :]


def test_names_from_tags_are_text_and_never_code():
    text = page()
    assert SPITE not in text and "onerror=alert(1)>" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "A &lt;title&gt;" in text


def test_the_frame_is_closed_off_and_holds_the_page():
    shown = plots.interactive.frame('<p id="a">x</p>').data
    assert 'sandbox="allow-scripts"' in shown
    assert html.unescape(re.search(r'srcdoc="(.*?)"', shown).group(1)) == '<p id="a">x</p>'


def test_a_sound_is_the_middle_five_seconds():
    rate = 22_050
    signal = np.zeros(9 * rate, np.float32)
    signal[4 * rate : 5 * rate] = np.sin(2 * np.pi * 440 * np.arange(rate) / rate) * 0.5
    encoded = plots.interactive.sound(signal, rate)
    decoded, decoded_rate = soundfile.read(io.BytesIO(encoded))
    assert decoded_rate == 16_000 and abs(len(decoded) / 16_000 - 5) < 0.2
    loud = np.flatnonzero(np.abs(decoded) > 0.1) / 16_000
    assert 1.9 < loud[0] < 2.2 and 2.9 < loud[-1] < 3.2
    assert abs(len(encoded) - plots.interactive.SOUND_BYTES) < 600


def test_points_that_a_map_lacks_are_nan():
    drawn = maps.Map("lda", np.ones((2, 2), np.float32), 0.0, 2)
    spread = plots.interactive.spread(drawn, np.array([True, False, True]))
    np.testing.assert_array_equal(spread, [[1, 1], [np.nan, np.nan], [1, 1]])


def test_on_a_phone_the_legend_fits_and_no_toolbar_covers_the_menu(tmp_path):
    (tmp_path / "map.html").write_text(page(), encoding="utf-8")
    phone, desk = sorted(in_browser(tmp_path, LEGEND, (390, 1280)), key=lambda found: found["width"])
    assert phone["names"] == desk["names"] == 3
    assert max(phone["right"], phone["wide"]) <= 390 and not phone["toolbar"]
    assert max(desk["right"], desk["wide"]) <= 1280 and desk["toolbar"]
