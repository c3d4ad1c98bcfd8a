import pandas as pd

from fmalib.data import tracks


def test_unknown_artists_are_not_counted():
    names = ["a", "b", "a", f"{tracks.UNKNOWN_ARTIST} of x.mp3", f"{tracks.UNKNOWN_ARTIST} of y.mp3"]
    assert tracks.count_artists(pd.DataFrame({"artist": names})) == 2


def test_left_out_tracks_are_counted_and_named_by_reason():
    rows = [(number, f"{number}.mp3", "silent") for number in range(6)] + [(7, "x.mp3", "short")]
    text = tracks.describe_excluded(tracks.excluded_table(rows))
    assert text == "7 tracks left out: 6 (silent): 0.mp3, 1.mp3, 2.mp3, 3.mp3, 4.mp3, ...; 1 (short): x.mp3"


def test_tables_of_left_out_tracks_are_joined_in_order():
    parts = [tracks.excluded_table(rows) for rows in ([(3, "c", "silent")], [], [(1, "a", "short"), (2, "b", "silent")])]
    joined = tracks.join_excluded(parts)
    assert joined.index.name == "track_id" and joined.index.tolist() == [3, 1, 2]
    assert joined["path"].tolist() == ["c", "a", "b"] and joined["reason"].tolist() == ["silent", "short", "silent"]
    assert tracks.join_excluded([]).empty
