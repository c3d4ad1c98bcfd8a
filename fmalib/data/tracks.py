"""Tables of tracks: constants and helpers common to every source of music."""

import pandas as pd

SPLITS = ("training", "validation", "test")
UNKNOWN_ARTIST = "unknown artist"


def count_artists(tracks):
    """Returns the number of known artists in a table with column `artist`."""
    return tracks.loc[~tracks["artist"].str.startswith(UNKNOWN_ARTIST), "artist"].nunique()


def describe_excluded(excluded):
    """Returns one line that counts and names left-out tracks by reason; `excluded` has columns `path`, `reason`."""
    parts = []
    for reason, group in excluded.groupby("reason", sort=False):
        names = ", ".join(group["path"].head(5)) + (", ..." if len(group) > 5 else "")
        parts.append(f"{len(group)} ({reason}): {names}")
    return f"{len(excluded)} tracks left out: " + "; ".join(parts)


def excluded_table(rows):
    """Returns the table of left-out tracks from (track_id, path, reason) rows."""
    return pd.DataFrame(rows, columns=["track_id", "path", "reason"]).set_index("track_id")


def join_excluded(tables):
    """Returns several tables of left-out tracks as one."""
    return excluded_table([row for table in tables for row in table[["path", "reason"]].itertuples()])
