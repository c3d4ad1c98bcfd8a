"""Shares of variance, against data whose shares are known."""

import numpy as np
import pandas as pd
import pytest

from fmalib.latent import variance

RNG = np.random.default_rng(0)
N = 400


def table():
    loudness, level = RNG.normal(size=N), RNG.integers(0, 4, N)
    values = np.stack([2 * loudness + RNG.normal(size=N), np.array([0.0, 3, -3, 5])[level] + RNG.normal(size=N)], axis=1)
    columns = {
        "loudness": loudness,
        "tempo": RNG.normal(size=N),
        "genre": [f"g{w}" for w in level],
        "artist": [f"a{n // 2}" for n in range(N)],
    }
    return values, pd.DataFrame(columns)


def test_shares_are_those_that_went_in():
    values, columns = table()
    found = variance.explained(values, columns)
    total = values.var(axis=0).sum()
    assert found.loc["loudness", "share"] == pytest.approx(4 / total, rel=0.15)
    assert found.loc["genre", "share"] == pytest.approx((values[:, 1].var() - 1) / total, rel=0.1)
    assert abs(found.loc["tempo", "share"]) < 0.01
    # 200 levels of two tracks: half of the variance by chance, and none once adjusted.
    assert 0.4 < found.loc["artist", "raw"] < 0.6 and abs(found.loc["artist", "share"]) < 0.1
    assert (
        found.loc["artist", "share"] < found.loc["artist", "permuted"]
        and found.loc["genre", "share"] > found.loc["genre", "permuted"]
    )
    assert found.loc["numeric", "share"] == pytest.approx(found.loc["loudness", "share"], abs=0.02)
    assert found.loc["genre beyond numeric", "share"] == pytest.approx(found.loc["genre", "share"], abs=0.03)
    assert found.loc["genre", "levels"] == 3 and found.loc["tempo", "levels"] == 2 and found.loc["genre", "n"] == N


def test_it_is_the_adjusted_r_squared_of_least_squares():
    from sklearn.linear_model import LinearRegression

    values, columns = table()
    one = values[:, :1]
    design = np.stack([columns["loudness"], columns["loudness"] ** 2], axis=1)
    r2 = LinearRegression().fit(design, one).score(design, one)
    found = variance.explained(one, columns[["loudness"]]).loc["loudness"]
    assert found["raw"] == pytest.approx(r2) and found["share"] == pytest.approx(1 - (1 - r2) * (N - 1) / (N - 3))


def test_a_share_of_a_numeric_column_is_not_beyond_it():
    values, columns = table()
    columns["genre"] = np.where(columns["loudness"] > 0, "loud", "quiet")
    found = variance.explained(values[:, :1], columns[["loudness", "tempo", "genre"]])
    assert found.loc["genre", "share"] > 0.4 and abs(found.loc["genre beyond numeric", "share"]) < 0.02


def test_meaningless_columns_are_not_beyond_permuted_ones():
    rng = np.random.default_rng(1)
    above = 0
    for _ in range(40):
        columns = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc")).assign(
            category=[f"w{n}" for n in rng.integers(0, 25, 60)]
        )
        row = variance.explained(rng.normal(size=(60, 4)), columns).loc["category beyond numeric"]
        above += row["share"] > row["permuted"]
    assert above <= 7  # 2 expected; 13 where permuted residuals keep their part along the numeric columns


def test_unknown_artists_are_left_out():
    tracks = pd.DataFrame(
        {"artist": ["unknown artist of x.mp3", "A", "B", "A"], "album": ["", "Best", "Best", None], "genre": list("ggrr")}
    )
    columns = variance.columns_of(tracks, pd.DataFrame({"loudness": [1.0, 2, 3, 4]}))
    assert list(columns["artist"]) == ["", "A", "B", "A"] and list(columns["album"]) == ["", "A: Best", "B: Best", ""]
    rows = pd.DataFrame(
        {"track_id": [0, 0, 1, 1, 2, 2], "label": 0, "artist": ["unknown artist of x"] * 2 + ["A"] * 2 + ["B"] * 2}
    )
    shares = variance.nested(np.array([[100.0], [-100], [1], [1], [2], [2]]), rows, ["g"])["share"]
    assert shares["artist"] == pytest.approx(1)


def test_missing_values_are_left_out_and_undefined_shares_are_nan():
    values, columns = table()
    columns["album"] = [""] * (N - 40) + [f"b{n // 20}" for n in range(40)]
    columns["track"] = [str(n) for n in range(N)]
    columns["none"] = [""] * N
    found = variance.explained(values, columns)
    assert found.loc["album", "n"] == 40 and np.isfinite(found.loc["album", "share"])
    assert np.isnan(found.loc["track", "share"]) and np.isnan(found.loc["none", "share"]) and found.loc["none", "n"] == 0
    with pytest.raises(ValueError, match="Received: 3 and 400"):
        variance.explained(values[:3], columns)


def test_one_genre_equal_points_and_unknown_artists_have_no_shares():
    values = np.array([[1.0], [2], [4], [8]])
    rows = pd.DataFrame({"track_id": range(4), "label": 0, "artist": list("AABB")})
    shares = variance.nested(values, rows, ["g"])["share"]
    assert np.isnan(shares["genre"]) and shares["artist"] == pytest.approx(1 - (0.5 + 8) / 28.75)
    assert shares[["artist", "track", "segment"]].sum() == pytest.approx(1)
    assert variance.nested(np.ones((4, 2)), rows, ["g"])["share"].isna().all()
    assert variance.nested(values, rows.assign(artist="unknown artist of x"), ["g"]).isna().all(axis=None)
    columns = pd.DataFrame({"loudness": [1.0, 3, 2, 5], "genre": "g"})
    found = variance.explained(values, columns)
    assert np.isnan(found.loc["genre", "share"]) and np.isfinite(found.loc["loudness", "share"])
    assert variance.explained(np.ones((4, 2)), columns)["share"].isna().all()


def strong_artists(rng, genres=6, artists=14, tracks=3, segments=3):
    """Returns (values, rows of segments, columns of tracks): artists differ much, and genres dealt to them mean nothing."""
    artist = np.repeat(np.arange(artists), tracks)
    label = rng.permutation(np.arange(artists) % genres)[artist]
    of_tracks = 2 * rng.normal(size=(artists, 20))[artist] + rng.normal(size=(len(artist), 20))
    columns = pd.DataFrame({"artist": [f"a{number}" for number in artist], "genre": [f"g{number}" for number in label]})
    rows = pd.DataFrame({"track_id": range(len(artist)), "label": label, "artist": columns["artist"]})
    rows = rows.loc[np.repeat(rows.index, segments)].reset_index(drop=True)
    return np.repeat(of_tracks, segments, axis=0) + rng.normal(size=(len(rows), 20)), rows, columns


def test_a_meaningless_genre_over_strong_artists_is_no_finding(monkeypatch):
    monkeypatch.setattr(variance, "PERMUTATIONS", 60)
    found = []
    for seed in range(60):
        values, rows, columns = strong_artists(np.random.default_rng(seed))
        genre = variance.explained(values[::3], columns[["artist", "genre"]], seed=seed).loc["genre"]
        level = variance.nested(values, rows, list("uvwxyz"), seed=seed).loc["genre"]
        found.append([level["share"], level["permuted_mean"], *(row["share"] > row["permuted"] for row in (level, genre))])
    share, mean, nested, explained = np.mean(found, axis=0)
    assert mean == pytest.approx(share, abs=0.01) and share > 0.25  # the degrees of freedom would say 5/125
    assert nested <= 0.12 and explained <= 0.12  # 0.05 expected; tracks moved one by one found a genre nearly always


def test_a_genre_that_artists_follow_is_found():
    values, rows, columns = strong_artists(np.random.default_rng(1), artists=36)
    values += 2 * np.random.default_rng(2).normal(size=(6, 20))[rows["label"]]
    genre = variance.explained(values[::3], columns).loc["genre"]
    level = variance.nested(values, rows, list("uvwxyz")).loc["genre"]
    assert genre["share"] > genre["permuted"] > genre["permuted_mean"] and level["share"] > level["permuted"]


def test_albums_count_beyond_their_artist():
    rng = np.random.default_rng(0)
    artist = np.repeat(np.arange(20), 8)
    values = rng.normal(size=(20, 10))[artist] + 0.3 * rng.normal(size=(160, 10))
    columns = pd.DataFrame({"artist": artist.astype(str), "album": (np.arange(160) // 4).astype(str)})
    album = variance.explained(values, columns).loc["album"]
    assert album["share"] > 0.8 and album["permuted_mean"] == pytest.approx(album["share"], abs=0.01)
    values += 0.5 * rng.normal(size=(40, 10))[np.arange(160) // 4]
    album = variance.explained(values, columns).loc["album"]
    assert album["share"] > album["permuted"] + 0.05


def test_an_artist_of_two_genres_moves_by_genre():
    rng = np.random.default_rng(0)
    artist, genre = np.repeat(np.arange(30), 4), np.repeat(np.arange(60) % 2, 2)
    columns = pd.DataFrame({"artist": artist.astype(str), "genre": genre.astype(str)})
    of_genre = np.stack([genre, -genre], axis=1) + 0.1 * rng.normal(size=(120, 2))
    found = variance.explained(of_genre, columns).loc["genre"]
    assert found["share"] > 0.9 and found["permuted"] < 0.15  # 60 blocks: 1/59 is expected of raw shares
    rows = pd.DataFrame({"track_id": np.arange(120), "label": genre, "artist": columns["artist"]})
    level = variance.nested(of_genre, rows, ["g", "h"]).loc["genre"]
    assert level["share"] > 0.9 and level["permuted_mean"] == pytest.approx(1 / 59, abs=0.01)


def test_nested_shares_sum_to_one_and_are_chance_for_noise():
    rows = pd.DataFrame(
        {
            "track_id": np.repeat(np.arange(80), 5),
            "label": np.repeat(np.arange(4), 100),
            "artist": np.repeat([f"a{n}" for n in range(20)], 20),
        }
    )
    noise = variance.nested(RNG.normal(size=(400, 50)), rows, "wxyz")
    assert list(noise.index) == ["genre", "artist", "track", "segment"]
    assert noise["share"].sum() == pytest.approx(1)
    degrees = np.array([3, 16, 60, 320]) / 399
    np.testing.assert_allclose(noise["share"], degrees, atol=0.02)
    np.testing.assert_allclose(noise["permuted_mean"][:3], degrees[:3], atol=0.005)
    assert (noise["permuted_mean"] < noise["permuted"])[:3].all() and noise.loc["segment", "permuted":].isna().all()
    by_artist = variance.nested(pd.get_dummies(rows["artist"]).to_numpy(float), rows, "wxyz")
    assert by_artist.loc["track", "share"] == pytest.approx(0) and by_artist.loc["segment", "share"] == pytest.approx(0)
    assert by_artist.loc["track", "permuted"] == pytest.approx(0)  # segments of one artist are the same
    assert by_artist.loc["genre", ["share", "permuted_mean", "permuted"]].to_list() == pytest.approx(
        [3 / 19] * 3
    )  # four of twenty corners of a simplex, at equal distances
