"""Tables of tracks: constants and helpers common to every source of music."""

import pandas as pd

SPLITS = ("training", "validation", "test")
UNKNOWN_ARTIST = "unknown artist"
NAMED = 5  # tracks named for each reason


def count_artists(tracks):
    """Returns the number of known artists in a table with column `artist`."""
    return tracks.loc[~tracks["artist"].str.startswith(UNKNOWN_ARTIST), "artist"].nunique()


def describe_excluded(excluded):
    """Returns one line that counts and names left-out tracks by reason; `excluded` has columns `path`, `reason`."""
    return f"{len(excluded)} tracks left out: {_by_reason(excluded)}"


def describe_notices(notices):
    """Returns one line that counts and names remarks on tracks that are used; `notices` has columns `path`, `reason`."""
    return f"{len(notices)} remarks on tracks that are used: {_by_reason(notices)}"


def _by_reason(table):
    """Returns counts and names by reason; the part of a reason behind a colon stands beside the name."""
    groups = {}
    for path, reason in zip(table["path"], table["reason"]):
        reason, _, detail = reason.partition(": ")
        groups.setdefault(reason, []).append(f"{path} ({detail})" if detail else path)
    more = {reason: ", ..." if len(names) > NAMED else "" for reason, names in groups.items()}
    return "; ".join(f"{len(names)} ({reason}): {', '.join(names[:NAMED])}{more[reason]}" for reason, names in groups.items())


def excluded_table(rows):
    """Returns the table of left-out tracks from (track_id, path, reason) rows."""
    return pd.DataFrame(rows, columns=["track_id", "path", "reason"]).set_index("track_id")


def join_excluded(tables):
    """Returns several tables of left-out tracks as one."""
    return excluded_table([row for table in tables for row in table[["path", "reason"]].itertuples()])
