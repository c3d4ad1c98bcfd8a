import numpy as np
import pytest

from fmalib.data import synth_recipes, synth_render


def test_recipes_have_the_same_attributes_in_the_same_order_and_known_names():
    names = list(vars(synth_recipes.RECIPES["Folk"]))
    tables = {
        "related": synth_recipes.RECIPES,
        "scale": synth_recipes.SCALES,
        "progression": synth_recipes.PROGRESSIONS,
        "drums": synth_recipes.DRUMS,
        "bass_line": synth_recipes.BASS_LINES,
        "chord_style": synth_recipes.CHORD_STYLES,
        "texture": ("none", "hiss", "crackle", "swell", "grains"),
    } | dict.fromkeys(("bass", "chords", "lead"), synth_recipes.TIMBRES)
    for recipe in synth_recipes.RECIPES.values():
        assert list(vars(recipe)) == names
        assert all(set(getattr(recipe, name)) <= set(table) for name, table in tables.items())


def test_an_artist_depends_on_the_seed():
    first, again, other = (synth_render.draw_artist("Rock", np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.tempo == again.tempo != other.tempo and first.lead == again.lead
    assert 98 <= first.tempo <= 172 and first.levels.shape == (4,)


def test_render_depends_on_genre_artist_and_track_only():
    first, again = (synth_render.render_track("Pop", artist_seed=(0, 3), track_seed=4, seconds=2) for _ in range(2))
    assert first.shape == (88200, 2) and first.dtype == np.float32 and np.abs(first).max() <= 1
    np.testing.assert_array_equal(first, again)
    for artist, track in ((4, 4), (3, 5)):
        other = synth_render.render_track("Pop", artist_seed=(0, artist), track_seed=track, seconds=2)
        assert np.abs(first - other).max() > 0.01


@pytest.mark.parametrize("genre", synth_recipes.GENRES)
def test_every_artist_of_a_genre_renders(genre):
    for seed in range(6):
        audio = synth_render.render_track(genre, artist_seed=seed, track_seed=seed, seconds=3)
        assert audio.dtype == np.float32 and np.isfinite(audio).all() and 0.02 < np.sqrt(np.mean(audio**2)) < 0.4


def test_wrong_genre():
    with pytest.raises(ValueError, match=r"Received: genre='Polka'$"):
        synth_render.render_track("Polka", artist_seed=0, track_seed=0)
