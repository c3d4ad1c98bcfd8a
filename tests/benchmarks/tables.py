"""Fills in the tables of outputs/reference/README.md and the numbers of README.md: `make tables`, or with `--check`.

A place in either page is `<!--name-->...<!--/-->`, with nothing else between the marks. `places()` names all of them, and takes
every number from a file of outputs/reference. The same command draws rate_distortion.png there.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

from fmalib.codec import metrics

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY / "outputs" / "reference"
PAGES = (REPOSITORY / "README.md", REFERENCE / "README.md")
PLACE = re.compile(r"<!--([a-z_]+)-->(.*?)<!--/-->", re.DOTALL)
STUDY, SPARSE, PCA = "the study's network", "ours: sparse codewords", "PCA of MDCT frames"
OPPONENT, LEARNED = "baseline waveform", "learned, listening"
NAMES = {
    OPPONENT: "MDCT, uniform step, ideal bits",
    "baseline listening": "envelope and noise by hand",
    "downsampling": "downsampling, 16 bit",
}
BARS = {"of the limit": 0.75, "librosa loops": 2.5, "trainings": 3, "times the memory": 1.15}  # of tests/benchmarks/data.py
ALIKE = 1.02  # ratio of bitrates that count as one


def read(name):
    """Returns the content of a JSON file of outputs/reference."""
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"))


def places():
    """Returns text by the name of its place, a dict."""
    codec, sweep = read("codec.json"), read("05_compression_real_mini.json")
    maps = read("04_latent_space_real_mini.json")
    clusters, longer = read("06_clusters_real_mini.json"), longer_training()
    found = compression(codec, sweep) | codec_tables(codec) | genre_places(read_genres()) | latent_tables(maps, clusters)
    found |= our_maps(read("04_latent_space_real_genres.json")) | rehearsal(read("fma_small_rehearsal.json"))
    found |= data_speed(read("data.json"))
    found |= {"longer_table": table(list(longer[0]), [row.values() for row in longer])}
    found |= {name: table(each["columns"], each["rows"]) for name, each in read("small_tables.json").items()}
    return found | findings(codec, sweep, maps, clusters) | training_finding(longer, sweep)


def compression(codec, sweep):
    """Returns the tables of errors over bitrate, and of other measures."""
    rows = [row for row in sweep["rows"] if row["section"] == "sweep"]
    real = codec["segments"]["rows"]
    over_bitrate, own = [], ("mdct", "learned", OPPONENT)
    others = (SPARSE, "downsampling, mu-law", "downsampling", PCA, STUDY)
    for kbps in sorted({row["nominal_kbps"] for row in rows if row["codec"] == STUDY}, reverse=True):
        values = [error(at(real, name, kbps, "asked_kbps"), "rmse") for name in own]
        values += [error(at(rows, name, kbps, "nominal_kbps"), "spectral_rmse") for name in others]
        over_bitrate.append([f"{kbps:.1f}", *values])
    near = [at(rows, name, 16, "nominal_kbps") for name in ("MP3", "Opus")]
    near += [at(rows, name, 15.75, "nominal_kbps") for name in (SPARSE, "downsampling, mu-law", PCA, STUDY)]
    return {
        "compression_table": table(["kbit/s", *map(shown, (*own, *others))], over_bitrate),
        "measures_table": table(
            ["coder", "kbit/s", "RMSE / silence", "magnitude RMSE", "log-spectral distance / dB", "SI-SDR / dB"],
            [[shown(row["codec"]), kbps_of(row), *measures(row)] for row in near],
        ),
        "architectures_table": errors_of(sweep, "architectures"),
        "losses_table": errors_of(sweep, "losses"),
    }


def errors_of(sweep, section):
    """Returns a section of notebook 05 as a table of errors."""
    rows = [row for row in sweep["rows"] if row["section"] == section]
    cells = [
        [row["codec"], with_interval(row["spectral_rmse"], row["spectral_rmse_ci95"], 3), *measures(row)[2:]] for row in rows
    ]
    return table([section, "spectral RMSE (95 % interval)", "log-spectral distance / dB", "SI-SDR / dB"], cells)


def codec_tables(codec):
    """Returns the tables of coded files: errors of songs, BD-rates, a model of hearing."""
    songs = codec["songs"]["rows"]
    names = list(dict.fromkeys(row["codec"] for row in songs))
    asked = sorted({row["asked_kbps"] for row in songs})
    errors = [[f"{kbps:g}", *(error(at(songs, name, kbps, "asked_kbps"), "rmse") for name in names)] for kbps in asked]
    heard = codec["listening"]["rows"]
    coders = list(dict.fromkeys(row["codec"] for row in heard))
    scores = []
    for kbps in sorted({row["asked_kbps"] for row in heard}):
        rows = {row["codec"]: row for row in heard if row["asked_kbps"] == kbps}
        scores.append([f"{kbps:g}", *(score(rows.get(name)) for name in coders)])
    rates = [
        [shown(name), *(bd_rate(codec[part]["bd_rate_percent"].get(name)) for part in ("segments", "songs"))]
        for name in codec["songs"]["bd_rate_percent"]
        if name != "mdct"
    ]
    classical = [row for row in codec["segments"]["rows"] if row["codec"] in ("MP3", "Opus")]
    cells = [[row["codec"], f"{row['real_kbps']:.1f}", error(row, "rmse"), number(row["si_sdr_db"], 1)] for row in classical]
    return {
        "classical_table": table(["coder", "kbit/s", "spectral RMSE", "SI-SDR / dB"], cells),
        "songs_table": table(["kbit/s", *map(shown, names)], errors),
        "listening_table": table(["kbit/s", *map(shown, coders)], scores),
        "bd_rate_table": table(["coder", "42 segments at 8 kHz", "10 songs at 44.1 kHz"], rates),
        "ranges_table": ranges(codec),
    }


def ranges(codec):
    """Returns the table of BD-rates of `learned` by range of bitrate: the mean over pieces."""
    cells = []
    for part in ("segments", "songs"):
        asked = sorted({row["asked_kbps"] for row in codec[part]["rows"]})
        rows = {(row["codec"], row["asked_kbps"]): row for row in codec[part]["rows"]}
        found = []
        for first, behind in ((0, 3), (1, 4), (2, 5), (3, 6)):
            some, logs = asked[first:behind], []
            for piece in range(len(rows["mdct", some[0]]["rmse_by_piece"])):
                one, other = (
                    [
                        (rows[name, kbps]["real_kbps"], -20 * math.log10(rows[name, kbps]["rmse_by_piece"][piece]))
                        for kbps in some
                    ]
                    for name in ("mdct", "learned")
                )
                logs.append(math.log1p(metrics.bd_rate(*zip(*one), *zip(*other)) / 100))
            found.append([f"{some[0]:g} to {some[-1]:g}", f"{100 * math.expm1(sum(logs) / len(logs)):+.1f} %"])
        cells.append(found)
    return table(["kbit/s", "42 segments at 8 kHz", "kbit/s", "10 songs at 44.1 kHz"], [a + b for a, b in zip(*cells)])


def genre_results(found):
    """Returns results of notebook 03, or of genre_seeds.py, in one form: `n`, `n_artists` and `systems`, a dict.

    Each system has `accuracy`, `ci95`, `of_seeds`, and where known `less`, a paired difference to `mfcc_svm` with `mean` and
    `ci95`, and `together`, the accuracy with pop and rock as one.
    """
    systems = {}
    for name, each in found["systems"].items():
        if "of_seeds" in each:
            less = each.get("less", {}).get("mfcc_svm")
            values = {"accuracy": each["accuracy"], "ci95": each["accuracy_ci95"], "of_seeds": list(each["of_seeds"].values())}
            values["together"] = each.get("accuracy_together")
        else:
            less, accuracy = found["less_mfcc_svm"].get(name), each["accuracy_vote_mean"]
            less = less and {"mean": less["difference"], "ci95": less["difference_ci95"]}
            values = {"accuracy": accuracy, "ci95": each["accuracy_vote_ci95"], "of_seeds": [accuracy] * len(each["seeds"])}
            values["together"] = None
        systems[name] = values | {"less": less}
    n, n_artists = (
        found[key] if key in found else found[other] for key, other in (("n", "n_test_tracks"), ("n_artists", "n_test_artists"))
    )
    return {"n": n, "n_artists": n_artists, "systems": systems}


def read_genres():
    """Returns the `genre_results` of all `03_*real_genres.json`, that with the most trainings of a system first."""
    results = [genre_results(read(path.name)) for path in sorted(REFERENCE.glob("03_*real_genres.json"))]
    return sorted(results, key=lambda found: -max(len(each["of_seeds"]) for each in found["systems"].values()))


def genre_places(results):
    """Returns the table of genre systems, that of systems only measured otherwise, and numbers in the text."""
    first, others = results[0], results[1:]
    ours = first["systems"]["patches_svm"]
    rest = {name: each for found in reversed(others) for name, each in found["systems"].items() if name not in first["systems"]}
    systems = rest | first["systems"]
    study = next(found["systems"] for found in results if {"latent_finetuned", "random_encoder"} <= set(found["systems"]))
    places = {
        "genres_table": genre_table(first["systems"]),
        "genres_otherwise_table": genre_table(rest) if rest else "",
        "genre_ours": with_interval(ours["accuracy"], ours["ci95"], 3),
        "genre_gain": difference(ours["less"]),
        "genre_n": f"n = {first['n']} clips of {first['n_artists']} artists",
        "genre_seeds": seeds(ours),
        "genre_study": number(study["latent_finetuned"]["accuracy"], 3),
        "genre_study_untrained": number(study["random_encoder"]["accuracy"], 3),
        "genre_study_seeds": seeds(study["latent_finetuned"]),
    }
    named = {
        "untrained": "patches_random",
        "mfcc": "mfcc_svm",
        "finetuned": "patches_finetuned",
        "pretrained": "pretrained_svm",
    }
    return places | {f"genre_{key}": number(systems[name]["accuracy"], 3) for key, name in named.items()}


def seeds(system):
    """Returns the number of trainings of a system in words."""
    return "one seed" if len(system["of_seeds"]) == 1 else f"mean of {len(system['of_seeds'])} seeds"


def genre_table(systems):
    """Returns genre systems as a table; several seeds and merged genres get columns of their own."""
    systems = dict(sorted(systems.items(), key=lambda item: -item[1]["accuracy"]))
    several = any(len(each["of_seeds"]) > 1 for each in systems.values())
    merged = any(each["together"] is not None for each in systems.values())
    columns = ["system", "accuracy (95 % interval)", "less `mfcc_svm`"]
    columns += ["of each seed"] * several + ["pop and rock as one"] * merged
    rows = []
    for name, each in systems.items():
        row = [f"`{name}`", with_interval(each["accuracy"], each["ci95"], 3), difference(each["less"])]
        row += [", ".join(f"{value:.3f}" for value in each["of_seeds"])] * several + [number(each["together"], 3)] * merged
        rows.append(row)
    return table(columns, rows)


def latent_tables(maps, clusters):
    """Returns the tables of maps, representations, variance and clusters."""
    scored = {name: each for name, each in maps["methods"].items() if each.get("knn_accuracy") is not None}
    rows = [
        [f"`{name}`", with_interval(each["knn_accuracy"], each["knn_accuracy_ci95"], 2)]
        + [number(each[key], 2) for key in ("trustworthiness", "silhouette")]
        for name, each in scored.items()
    ]
    shares = {name: each for name, each in clusters["variance_explained"].items() if each["share"] is not None}
    explained = [
        [name] + [percent(each[key]) for key in ("share", "permuted_mean", "permuted")] for name, each in shares.items()
    ]
    grouped = [
        [f"`{name}`", *(number(each[key], 2) for key in ("nmi", "ari", "accuracy"))]
        for name, each in clusters["clustering"].items()
    ]
    without = [[f"`{name}`", number(value, 2)] for name, value in maps["knn_accuracy_without_map"].items() if value is not None]
    columns = ["map", "neighbours' accuracy (95 % interval)", "trustworthiness", "silhouette"]
    return {
        "maps_table": table(columns, rows),
        "representations_table": table(["representation", "neighbours' accuracy without a map"], without),
        "variance_table": table(["of the latent's variance", "share", "permuted: mean", "95th percentile"], explained),
        "clusters_table": table(["clusters of", "NMI", "ARI", "accuracy"], grouped),
    }


def our_maps(maps):
    """Returns the table of representations beside ours, before and on two maps, and its numbers in the text of the pages."""
    ours, mfcc = (maps["representations"][name]["pca"] for name in ("patches", "mfcc"))
    rows = [
        [f"`{name}`", number(maps["knn_accuracy_without_map"][name], 2)]
        + [with_interval(each[method]["knn_accuracy"], each[method]["knn_accuracy_ci95"], 2) for method in ("pca", "umap")]
        for name, each in maps["representations"].items()
    ]
    return {
        "our_maps_table": table(["representation", "no map", "PCA (95 % interval)", "UMAP (95 % interval)"], rows),
        "map_ours": with_interval(ours["knn_accuracy"], ours["knn_accuracy_ci95"], 2),
        "map_ours_mfcc": with_interval(mfcc["knn_accuracy"], mfcc["knn_accuracy_ci95"], 2),
        "map_ours_before": " and ".join(number(maps["knn_accuracy_without_map"][name], 2) for name in ("patches", "mfcc")),
        "map_ours_chance": number(maps["knn_accuracy_chance"], 2),
        "map_ours_n": f"n = {ours['n_points']} segments of {maps['n_artists']} artists",
    }


def rehearsal(found):
    """Returns the table of what FMA-small costs, its conditions, and a shorter one for the front page."""
    rows = found["rows"]
    cells = [
        [
            f"`{' '.join([row['notebook'], *(f'-p {key} {value}' for key, value in row['parameters'].items())])}`",
            *(f"{row[key] / 3600:.2f}" for key in ("wall_seconds", "processor_seconds", "processor_seconds_of_others")),
            f"{row['peak_memory_bytes'] / 2**30:.1f}",
            *(f"{sum(row[key] for key in keys) / 2**30:.1f}" for keys in (("cache_bytes",), ("runs_bytes", "out_bytes"))),
        ]
        for row in rows
    ]
    columns = ["notebook", "hours", "processor hours", "of other jobs meanwhile", "peak memory / GiB", "cache / GiB"]
    data, short = found["data"], []
    for row, cell in zip(rows, cells):
        name = row["notebook"][:2] + (", three systems" if row["name"] == "03_three" else "")
        disk = sum(row[key] for key in ("cache_bytes", "runs_bytes", "out_bytes"))
        short.append([name, cell[1], cell[4], f"{disk / 2**30:.1f}"])
    return {
        "rehearsal_table": table([*columns, "runs and output / GiB"], cells),
        "rehearsal_n": f"n = {data['clips']:,} clips of {data['seconds']:g} s, {found['machine']['cores']} cores",
        "rehearsal_costs": table(["notebook", "hours", "memory", "disk"], short),
    }


def data_speed(found):
    """Returns the tables of caches and pipelines beside their peers, and the conditions."""
    about, (few, many) = found["about"], found["memory"]["peaks_mib"]
    units = {"cache": "clips", "pipeline": "segments", "facts": "files"}
    rows, ratios = [], []
    for step, unit in units.items():
        for name, value in found[step].items():
            if isinstance(value, dict):
                ratios.append(
                    [step, name, *(number(value[key], 2) for key in ("by_time", "by_processor_time")), BARS.get(name, "")]
                )
            else:
                rows.append([name, f"{value[0]:,.0f} {unit}", number(value[1], 2)])
    for name, *peaks in zip(("building", "with crops"), few, many):
        ratios.append(["memory", f"{name}, 10 times the clips", number(peaks[1] / peaks[0], 2), "", BARS["times the memory"]])
    machine = f"{about['clips']} {about['music']} clips of 30 s, {about['rate_hz']:,} Hz, {about['cores']} cores"
    return {
        "data_table": table(["step", "a second", "ms of processor time each"], rows),
        "data_ratios_table": table(["step", "ratio", "by time", "by processor time", "bar"], ratios),
        "data_n": f"{machine}, medians of {about['turns']} turns",
        "data_bound": number(found["cache"]["soundfile.read"][1] / found["cache"]["decoding and resampling"][1], 2),
    }


def longer_training():
    """Returns the rows of longer_training.txt, a list of dicts from column to text."""
    rows, data = [], ""
    for line in (REFERENCE / "longer_training.txt").read_text(encoding="utf-8").splitlines():
        cells = line.split()
        if line.startswith("--dataset"):
            data = "160 clips" if "real_genres" in line else "41 clips"
        elif len(cells) >= 11 and cells[0].isdigit():
            names = ("seed", "latent", "kbit/s", "epochs", "best epoch")
            row = {"data": data} | dict(zip(names, cells))
            rows.append(row | dict(zip(("test RMSE", "downsampling, 16 bit", "PCA", "silence"), cells[8:12])))
    return rows


def findings(codec, sweep, maps, clusters):
    """Returns the numbers in the text of the pages."""
    saved, heard = codec["segments"]["bd_rate_percent"]["learned"], at_kbps(codec["listening"]["rows"], 16)
    rows = [row for row in sweep["rows"] if row["section"] == "sweep" and row["codec"] == SPARSE]
    real = codec["segments"]["rows"]
    ratios = [
        row["spectral_rmse"] / each["rmse"] for row in rows if (each := at(real, "mdct", row["nominal_kbps"], "asked_kbps"))
    ]
    best = max(
        (each for each in maps["methods"].values() if each.get("knn_accuracy") is not None),
        key=lambda each: each["knn_accuracy"],
    )
    shares = clusters["variance_explained"]
    opus = heard["Opus"][f"zimtohrli_minus_{LEARNED}"]
    return {
        "saved": saving(saved),
        "saved_songs": saving(codec["songs"]["bd_rate_percent"]["learned"]),
        "ratios": f"{min(ratios):.1f} to {max(ratios):.0f}",
        "heard": f"{heard[LEARNED]['zimtohrli']:.2f} against {heard['Opus']['zimtohrli']:.2f}",
        "heard_gain": f"{-opus['mean']:.2f} ({-opus['ci95'][1]:.2f} to {-opus['ci95'][0]:.2f}; n = {opus['n']} songs)",
        "map_best": with_interval(best["knn_accuracy"], best["knn_accuracy_ci95"], 2),
        "map_chance": f"{maps['knn_accuracy_chance']:.2f}",
        "map_n": f"n = {best['n_points']} segments of {maps['n_artists']} artists",
        "variance_artist": percent(shares["artist"]["share"]),
        "variance_genre": percent(shares["genre"]["share"]),
        "variance_permuted": percent(shares["genre"]["permuted_mean"]),
    }


def training_finding(longer, sweep):
    """Returns the errors of the study's network at the end of its training (41 clips, latent 64), and of the fair opponent."""
    rows = [row for row in longer if row["data"] == "41 clips" and row["latent"] == "64"]
    errors = sorted(float(row["test RMSE"]) for row in rows)
    fair = at(sweep["rows"], "downsampling, mu-law", float(rows[0]["kbit/s"]), "nominal_kbps")
    return {
        "study_end": f"{errors[0]:.2f} to {errors[-1]:.2f}",
        "study_mulaw": error(fair, "spectral_rmse"),
        "study_pca": rows[0]["PCA"],
    }


def at(rows, name, kbps, key):
    """Returns the row of a coder at a bitrate, or None."""
    near = [row for row in rows if row["codec"] == name and row[key] and 1 / ALIKE < row[key] / kbps < ALIKE]
    return near[0] if near else None


def at_kbps(rows, kbps):
    """Returns the rows of a bitrate by coder."""
    return {row["codec"]: row for row in rows if row["asked_kbps"] == kbps}


def table(columns, rows):
    """Returns a Markdown table between line breaks."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def shown(name):
    """Returns a coder's name for people."""
    return f"`{name}`" if name.split(",")[0] in ("mdct", "learned") else NAMES.get(name, name)


def number(value, digits):
    return "" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def error(row, key):
    """Returns an error with three significant digits; nothing where there is no row."""
    return "" if row is None else f"{row[key]:.3f}" if row[key] >= 0.01 else f"{row[key]:.2g}"


def score(row):
    return "" if row is None else f"{row['zimtohrli']:.2f}"


def measures(row):
    """Returns four measures of a row of notebook 05."""
    digits = {"relative_rmse": 3, "magnitude_rmse": 3, "log_spectral_distance_db": 1, "si_sdr_db": 1}
    return [number(row[key], count) for key, count in digits.items()]


def kbps_of(row):
    """Returns real bytes as kbit/s where they were counted."""
    return f"{row['real_kbps']:.1f}" if row["real_kbps"] else f"{row['nominal_kbps']:.1f}, not counted"


def with_interval(value, bounds, digits):
    return f"{value:.{digits}f} ({bounds[0]:.2f} to {bounds[1]:.2f})"


def difference(less):
    """Returns a paired difference with its interval; nothing where there is none."""
    return "" if less is None else f"{less['mean']:+.2f} ({less['ci95'][0]:+.2f} to {less['ci95'][1]:+.2f})"


def bd_rate(rate):
    """Returns a BD-rate in percent with its interval and n."""
    if rate is None:
        return ""
    low, high = rate["ci95"]
    digits = 1 if abs(rate["mean"]) < 100 else 0
    return f"{rate['mean']:+.{digits}f} % ({low:+.{digits}f} to {high:+.{digits}f}), n = {rate['n']}"


def saving(rate):
    low, high = rate["ci95"]
    return f"{-rate['mean']:.1f} % ({-high:.1f} to {-low:.1f})"


def percent(share):
    return "" if share is None else f"{100 * share:.0f} %"


def draw(path):
    """Draws error over bitrate on real music."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    codec, sweep = read("codec.json"), read("05_compression_real_mini.json")
    rows = [row for row in sweep["rows"] if row["section"] == "sweep"]
    silence = next(row["spectral_rmse"] for row in rows if row["codec"] == "silence")
    plt.style.use("tableau-colorblind10")
    figure, axes = plt.subplots(figsize=(8, 4.2), dpi=110, layout="constrained")
    for name, label in (
        (STUDY, "the study's network, 20 epochs"),
        (PCA, "PCA of frames"),
        (SPARSE, "our autoencoder: sparse codewords"),
    ):
        points = sorted((row["nominal_kbps"], row["spectral_rmse"] / silence) for row in rows if row["codec"] == name)
        axes.plot(*zip(*points), "o--", label=label)
    for name in ("downsampling, mu-law", "MP3", "Opus", "mdct", "learned"):
        own = sorted((row["real_kbps"], row["rmse"] / silence) for row in codec["segments"]["rows"] if row["codec"] == name)
        label = {"mdct": "our codec, nothing learned", "learned": "our codec, learned forecasts"}.get(name, name)
        axes.plot(*zip(*own), "s-", label=label)
    axes.set(xscale="log", yscale="log", xlabel="bitrate / kbit/s", ylabel="error / error of silence", xlim=(1.8, 140))
    axes.set_xticks([2, 4, 8, 16, 32, 64, 128], ["2", "4", "8", "16", "32", "64", "128"])
    axes.minorticks_off()
    axes.set_title(f"real music at 8 kHz, {sweep['n_test_clips']} test clips of {sweep['n_test_artists']} artists", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path)


def filled(page, texts):
    """Returns a page with its places filled in.

    Raises:
        ValueError: a place that no text belongs to.
    """
    unknown = sorted({name for name, _ in PLACE.findall(page)} - set(texts))
    if unknown:
        raise ValueError(f"No such place; there are {', '.join(texts)}. Received: {', '.join(unknown)}")
    return PLACE.sub(lambda found: f"<!--{found[1]}-->{texts[found[1]]}<!--/-->", page)


def main(arguments=None):
    """Runs the command line; returns the exit status, 1 where `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a page is not what the files give")
    check, texts, stale = parser.parse_args(arguments).check, places(), []
    for path in PAGES:
        old = path.read_text(encoding="utf-8")
        new = filled(old, texts)
        if new != old:
            stale.append(path.relative_to(REPOSITORY).as_posix())
            if not check:
                path.write_text(new, encoding="utf-8")
    if not check:
        draw(REFERENCE / "rate_distortion.png")
    print(f"{'Stale' if check else 'Written'}: {', '.join(stale) or 'none'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
