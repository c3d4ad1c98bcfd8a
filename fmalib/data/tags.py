"""Tags of a music file of any format, and one name for each artist whatever the tags and folders spell.

`read` asks mutagen, libsndfile and ffmpeg. `artist_key` says which names are the same artist or none. `unify` names the tracks.
"""

import functools
import io
import os
import re
import struct
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, fields

import mutagen
import soundfile
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3
from scipy.cluster.hierarchy import DisjointSet

from fmalib.data import ffmpeg

KEYS = {  # field: keys of ID3v2, MP4, Vorbis comments and APEv2, ASF, RIFF, libsndfile and ffmpeg in lower case, the best first
    "artist": ("tpe1", "©art", "artist", "author", "iart"),
    "album_artist": (
        *("tpe2", "aart", "albumartist", "album artist", "album_artist"),
        *("wm/albumartist", "txxx:albumartist", "txxx:album artist"),
    ),
    "album": ("talb", "©alb", "album", "wm/albumtitle", "iprd"),
    "title": ("tit2", "©nam", "title", "inam"),
}
RIFF_ORDER = {b"RIFF": "<", b"RIFX": ">"}  # first bytes: order of bytes in a number
SNDFILE_HEADERS = (b"RF64", b"FORM", b"caff")  # containers with tags that libsndfile alone reads
LONGEST_READ = 2**26  # bytes of one read: more than any cover picture, less than a damaged size field asks for
LONGEST_TEXT = 1000  # characters of a tag
LONGEST_INFO = 2**16  # bytes of a RIFF chunk of tags
MOST_CHUNKS = 1000  # of a RIFF file

NOBODY = """
English: unknown, unknown artist, unknownartist, unknown artists, artist unknown, unknown performer, unknown composer,
    various, various artists, variousartists, various artist, various performers, various composers, va, v a, v/a,
    multiple artists, several artists, mixed artists, assorted artists, different artists, miscellaneous artists, misc artists,
    n/a, none, null, no artist, anonymous, anon, traditional, compilation, compilations, soundtrack, soundtracks,
    original soundtrack, original motion picture soundtrack, ost, misc, miscellaneous, artist, album artist, unknown singer,
    unknown band, no name, untitled, undefined, sampler
German: unbekannt, unbekannter künstler, unbekannte künstler, unbekannter interpret, unbekannte interpreten,
    verschiedene, verschiedene künstler, verschiedene interpreten, diverse, diverse künstler, diverse interpreten,
    unbekannter kuenstler, unbekannte kuenstler, verschiedene kuenstler, diverse kuenstler
French: inconnu, artiste inconnu, interprète inconnu, artistes inconnus, divers, artistes divers, divers artistes,
    multi-interprètes, artistes variés, anonyme, compilation
Spanish: desconocido, artista desconocido, intérprete desconocido, artistas desconocidos, varios, varios artistas,
    artistas varios, varios intérpretes, anónimo
Italian: sconosciuto, artista sconosciuto, artisti sconosciuti, ignoto, vari, vari artisti, artisti vari, aa vv,
    aavv, vvaa, vv aa, v v a a, autori vari
Portuguese: desconhecido, artista desconhecido, intérprete desconhecido, vários, vários artistas, vários intérpretes
Catalan: artista desconegut, diversos artistes
Dutch: onbekend, onbekende artiest, onbekende artiesten, verschillende artiesten, diverse artiesten, diversen
Swedish: okänd, okänd artist, okända artister, blandade artister, diverse artister, olika artister
Danish: ukendt, ukendt kunstner, ukendt artist, diverse kunstnere, forskellige kunstnere, forskellige
Norwegian: ukjent, ukjent artist, forskjellige artister, ulike artister
Finnish: tuntematon, tuntematon artisti, tuntematon esittäjä, eri artisteja, eri esittäjiä, useita artisteja, useita esittäjiä
Polish: nieznany, nieznany artysta, nieznany wykonawca, różni, różni artyści, różni wykonawcy
Czech and Slovak: neznámý, neznámý umělec, neznámý interpret, různí, různí umělci, různí interpreti, neznámy interpret,
    rôzni interpreti
Hungarian: ismeretlen, ismeretlen előadó, különböző előadók, vegyes előadók, válogatás
Romanian: necunoscut, artist necunoscut, artiști diverși, diverși artiști, diverși
Russian: неизвестен, неизвестный, неизвестно, неизвестный исполнитель, неизвестный артист, неизвестные исполнители,
    разные исполнители, разные артисты, различные исполнители, сборник, разные
Ukrainian: невідомий, невідомий виконавець, невідомий артист, різні виконавці, різні артисти, збірка
Turkish: bilinmeyen, bilinmeyen sanatçı, bilinmiyor, çeşitli, çeşitli sanatçılar, muhtelif
Greek: άγνωστος, άγνωστος καλλιτέχνης, διάφοροι, διάφοροι καλλιτέχνες
Hebrew: לא ידוע, אמן לא ידוע, אמן לא מוכר, אמנים שונים
Arabic: غير معروف, فنان غير معروف, فنان مجهول, مجهول, فنانون متنوعون, فنانون مختلفون
Japanese: 不明, 不明なアーティスト, アーティスト不明, 不明なアーチスト, 未知のアーティスト,
    ヴァリアス・アーティスト, ヴァリアス・アーティスツ, 様々なアーティスト, 複数のアーティスト, オムニバス
Chinese: 未知, 未知艺术家, 未知艺人, 未知歌手, 未知演唱者, 佚名, 群星, 华语群星, 合辑, 各种艺术家, 多位艺术家, 众艺人,
    未知藝術家, 未知藝人, 未知演出者, 未知的演出者, 不詳, 華語群星, 合輯, 多位藝人, 眾藝人, 各藝人
Korean: 알 수 없음, 알 수 없는 아티스트, 알 수 없는 음악가, 미상, 여러 아티스트, 여러 음악가, 다양한 아티스트
"""
# After "the" and "little" comes a name ("The Ft. Worth Band", "Little Feat"). Behind "feat." and "feat:" no blank is needed.
FEATURING = re.compile(
    r"(?<!^)(?<!^the)(?<!^little)(?:[\s,;/-]+|[\s,;/-]*[(\[{]\s*)(?:feat|ft|featuring)(?:[.:：]\s*|\s+)\S.*$",
    re.IGNORECASE | re.DOTALL,
)
SHELF = re.compile(  # words of folders that are named after no artist
    r"(?:cd|dis[ck]|dvd|side|vol|volume|fold) ?(?:\d{1,3}|[a-d])?|(?:19|20)\d\d|(?:19|20)?\d0(?: ?s|er)|"
    r"albums?|unknown albums?|singles?|eps?|demos|live|compilations?|best of|(?:greatest )?hits|"
    r"downloads?|unsorted|music|mp3|flac|wav|train|training|test|valid|validation"
)
# Typographer's and keyboard's signs; the dotless i, for I is the capital of both.
SAME_SIGNS = str.maketrans("‘’ʼ´`‐‑‒–—−_ı", "'''''------ i")


@dataclass(frozen=True)
class Tags:
    """Tags of one file, each "" where there is none; blanks are single, control characters are gone."""

    artist: str = ""
    album_artist: str = ""
    album: str = ""
    title: str = ""


class _Bounded(io.BufferedReader):
    """A file that allocates no more for a read than it has left, whatever a damaged size field asks for."""

    def read(self, size=-1):
        left = max(os.fstat(self.fileno()).st_size - self.tell(), 0)
        return super().read(min(left, LONGEST_READ) if size is None or size < 0 else min(size, left, LONGEST_READ))


def read(path):
    """Returns the `Tags` of a music file in any container that mutagen, libsndfile or ffmpeg knows; damaged tags are no tags.

    Of several values, the first that is not empty counts. ID3v1 comes last, for it cuts names after 30 characters.

    Raises:
        OSError: if the file cannot be opened.
    """
    with _Bounded(io.FileIO(path)) as file:
        header = file.read(4)
        sources = [_of_file(file), _of_tag(ID3, file), _of_tag(APEv2, file), _of_riff(file, header)]
    sources.sort(key=lambda tags: isinstance(tags, ID3) and tags.version < (2,))
    found = {field.name: "" for field in fields(Tags)}
    _fill(found, sources)
    if header in SNDFILE_HEADERS and not (found["artist"] and found["album"] and found["title"]):
        _fill(found, [_of_libsndfile(path)])
    if not any(found.values()) and os.path.splitext(path)[1].lower() in ffmpeg.SUFFIXES and ffmpeg.is_there():
        _fill(found, [_of_ffmpeg(path)])
    return Tags(**found)


def _of_file(file):
    """Returns the tags that mutagen finds in a container, {} where it finds none."""
    file.seek(0)
    try:
        return getattr(mutagen.File(file), "tags", None) or {}
    except Exception:  # beside MutagenError, damaged files raise whatever their bytes provoke
        return {}


def _of_tag(kind, file):
    """Returns a tag that stands outside the container's own, as ID3 before FLAC or APEv2 behind MP3; {} for none."""
    file.seek(0)
    try:
        return kind(file)
    except Exception:
        return {}


def _of_riff(file, header):
    """Returns the texts of LIST INFO in WAV and AVI; {} for none. libsndfile would replace what is not UTF-8."""
    found = {}
    file.seek(12)
    for name, data in _chunks(file, RIFF_ORDER[header]) if header in RIFF_ORDER else ():
        if name == b"LIST" and data.startswith(b"INFO"):
            texts = _chunks(io.BytesIO(data[4:]), RIFF_ORDER[header])
            found |= {key.decode("latin-1"): _decoded(text) for key, text in texts}
    return found


def _chunks(file, order):
    """Yields name and first `LONGEST_INFO` bytes of the RIFF chunks from here on."""
    for _ in range(MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return
        name, size = struct.unpack(f"{order}4sI", header)
        start = file.tell()
        yield name, file.read(min(size, LONGEST_INFO))
        file.seek(start + size + size % 2)


def _decoded(data):
    """Returns bytes as text: UTF-8, else cp1252, as Windows writes it in the West.

    Other code pages look wrong, but different names stay different, and a name is the same in every file.
    """
    try:
        return data.decode("utf-8")
    except UnicodeError:
        return data.decode("cp1252", "backslashreplace")


def _of_libsndfile(path):
    """Returns the metadata that libsndfile finds, as in AIFF and CAF, without texts that it could not decode; {} for none."""
    try:  # soundfile cannot encode a str that stands for a name outside UTF-8
        with soundfile.SoundFile(os.fspath(path) if os.name == "nt" else os.fsencode(path)) as file:
            return {key: text for key, text in file.copy_metadata().items() if "\ufffd" not in text}
    except Exception:
        return {}


def _of_ffmpeg(path):
    """Returns the tags that ffmpeg finds, as in Matroska, FLV and RealMedia; {} for none."""
    return {key: _decoded(text.encode("utf-8", "surrogateescape")) for key, text in ffmpeg.tags(path).items()}


def _fill(found, sources):
    """Fills the fields of `found` that are still empty with the first value of the first source that has one."""
    for tags in sources:
        texts = defaultdict(list)
        for key, value in tags if isinstance(tags, list) else tags.items():  # Vorbis comments and ASF are lists of pairs
            texts[key.lower()] += _texts(value)
        for name, keys in KEYS.items():
            values = (text for key in keys for text in texts[key])
            found[name] = found[name] or next(filter(None, map(_clean, values)), "")


def _texts(value):
    """Returns the strings in a value of any kind of tag; pictures and numbers are none."""
    values = getattr(value, "text", getattr(value, "value", value))  # of ID3 frames; of APEv2 and ASF
    values = values if isinstance(values, list) else [values]
    return [_as_utf8(text) for value in values if isinstance(value, str) for text in value.split("\0")]


def _as_utf8(text):
    """Returns UTF-8 that a program wrote as Latin-1, as libsndfile does in MP3, as text; any other text as it is."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _clean(text):
    """Returns a text with single blanks, without control characters, lone surrogates and byte order marks."""
    kept = (sign for sign in text[:LONGEST_TEXT] if sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cs"))
    return " ".join("".join(kept).replace("\ufeff", "").split())


def _fold(name):
    """Returns a name in one case, one Unicode form and with one kind of blank, apostrophe and dash."""
    text = "".join(sign for sign in name if sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cf", "Cs"))
    for _ in range(2):  # folding case can undo the Unicode form, as in Unicode's own caseless match (Standard, section 3.13)
        text = unicodedata.normalize("NFKD", text.translate(SAME_SIGNS)).translate(SAME_SIGNS).casefold()
    text = re.sub("i\u0307+", "i", text)  # Turkish İ
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _words(text):
    """Returns the words of a folded text without diacritics and punctuation, with single blanks between."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", text) if unicodedata.category(sign) != "Mn")
    return " ".join(re.sub(r"[\W_]+", " ", bare).split())


_PHRASES = re.split(r",\s|\n\S.*?:|\n(?=\S|$)", NOBODY)  # without the languages
_NOBODY = frozenset(_words(_fold(phrase)) for phrase in _PHRASES if phrase.strip())


@functools.lru_cache(2**16)
def artist_key(name):
    """Returns what is equal for two spellings of one artist, "" for a name that says nobody.

    Spellings differ in case, Unicode form, blanks and underscores, apostrophes and dashes, and in "feat. X" at the end. Nobody
    is a name of punctuation alone, or a phrase of `NOBODY`, also with a number, brackets or " - " and more behind. "!!!",
    "†††" and "+/-" are bands: exclamation marks, daggers and mathematical signs count as letters.
    """
    text = FEATURING.sub("", _fold(name))
    first = _words(re.match(r"\W*\w?.*?(?= - | ?[(\[{]|$)", text)[0])
    numbered = re.sub(r"[\s\d]+$", "", first) in _NOBODY and not re.fullmatch(r"anonymous 4|artist ?\d+", first)
    empty = all(unicodedata.category(sign)[0] in "PZCM" or sign in "<>=~^|" for sign in text)
    return "" if first in _NOBODY or numbered or (empty and not set(text) & set("!†‡")) else text


def unify(tags_and_folders):
    """Returns the artist's name of each track, "" for nobody, so that one artist never stands under two names.

    A track stands under its artist tag, else its album artist, else its folder. The names behind the first join artists:

    - A name joins every artist that has all its words, or whose words it has all, "the" aside ("Bach" and "J. S. Bach",
      "Davis, Miles" and "Miles Davis", "Queen" and "Queen (Live)").
    - A name under which a track stands that has no artist tag joins all artists under it: the track may be by any of them.
    - Where all tracks are tagged, a name joins up to three artists if at most one of them has other such names or is the name
      itself. Otherwise a few performers of many composers, or guests on many albums, would chain a library to one artist.
    - A name with more artists, all tagged, is a collection. It joins no others.

    Args:
        tags_and_folders: (`Tags`, name of the artist's folder or "") of each track.
    """
    names = [_names(tags, folder) for tags, folder in tags_and_folders]
    under, untagged = defaultdict(set), Counter()  # (kind, key of a name): keys of artists; key: tracks without artist tag
    for found in names:
        for kind in list(found)[1:]:
            under[kind, artist_key(found[kind])].add(artist_key(next(iter(found.values()))))
        if found and "artist" not in found:
            untagged[artist_key(next(iter(found.values())))] += 1
    groups = DisjointSet(artist_key(name) for found in names for name in found.values())
    for one, other in _joins(under, untagged):
        groups.merge(one, other)
    return _spellings([next(iter(found.values()), "") for found in names], groups)


def _names(tags, folder):
    """Returns {kind: name} of the names that say somebody, in the order of trust."""
    kinds = {"artist": tags.artist, "album_artist": tags.album_artist}
    if not SHELF.fullmatch(_words(_fold(folder))):
        kinds["folder"] = folder
    return {kind: name for kind, name in kinds.items() if artist_key(name)}


def _joins(under, untagged):
    """Yields pairs of keys of one artist; see `unify` for the rules."""
    few = {name: keys for name, keys in under.items() if len(keys) <= 3}
    times = Counter((kind, key) for (kind, _), keys in few.items() for key in keys)
    for (kind, name), keys in under.items():
        shared = sum(times[kind, key] > 1 or key == name for key in keys)  # an artist with guests is none of the guests
        all_one = untagged[name] > 0 or ((kind, name) in few and shared <= 1)
        yield from ((name, key) for key in keys if all_one or _contain(name, key))


def _contain(one, other):
    """Returns whether one of two keys has all words of the other, "the" aside."""
    words = [set(_words(key).split()) - {"the"} for key in (one, other)]
    return all(words) and words[0] & words[1] in words


def _spellings(names, groups):
    """Returns for each name the most frequent spelling in its group, of several the first in sorted order."""
    spellings = [unicodedata.normalize("NFC", FEATURING.sub("", _clean(name))) for name in names]
    roots = [groups[artist_key(name)] if name else None for name in names]
    counts = defaultdict(Counter)
    for root, spelling in zip(roots, spellings):
        counts[root][spelling] += 1
    best = {root: min(found, key=lambda text, found=found: (-found[text], text)) for root, found in counts.items()}
    return [best[root] for root in roots]
