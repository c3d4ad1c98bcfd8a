"""What the report takes from each notebook: parameters, the key figure, what was found, key numbers and their cells."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Number:
    """A key number of a notebook.

    Attributes:
        name: of the number, with its unit.
        value: function from the metrics to text.
        cell: a part of the source of the cell that computes it.
    """

    name: str
    value: Callable
    cell: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """A notebook in the report.

    Attributes:
        figure: name of its key figure in `figures/`.
        minutes: on two cores, the first time.
        found: function from the metrics to one sentence.
        numbers: tuple of `Number`.
        options: parameters that differ from the notebook's defaults, so that the report ends within 20 minutes.
    """

    figure: str
    minutes: float
    found: Callable
    numbers: tuple = ()
    options: dict = dataclasses.field(default_factory=dict)


def with_interval(value, bounds):
    """Returns a number with its 95 % interval, such as `"0.58 (0.47 to 0.67)"`; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.2f}" + (f" ({bounds[0]:.2f} to {bounds[1]:.2f})" if bounds else "")


def _best_map(metrics):
    scored = {name: each for name, each in metrics["methods"].items() if each.get("knn_accuracy") is not None}
    name = max(scored, key=lambda name: scored[name]["knn_accuracy"], default=None)
    return name, scored.get(name)


def _map_found(metrics):
    name, best = _best_map(metrics)
    if best is None:
        return "No map can be scored: a genre needs two artists, so that neighbours may be by another one."
    accuracy, chance = with_interval(best["knn_accuracy"], best.get("knn_accuracy_ci95")), metrics["knn_accuracy_chance"]
    return f"Neighbours on the best map ({name}) share a genre in {accuracy} of cases; chance is {chance:.2f}."


def _errors(metrics, section="sweep"):
    """Returns rows of notebook 05 by coder: at the bitrate nearest to 16 kbit/s."""
    rows = [row for row in metrics["rows"] if row["section"] == section and row.get("nominal_kbps")]
    rows.sort(key=lambda row: abs(row["nominal_kbps"] - 16))
    return {row["codec"]: row for row in reversed(rows)}


def _error_of(codec):
    return lambda metrics: with_interval(
        _errors(metrics)[codec]["spectral_rmse"], _errors(metrics)[codec]["spectral_rmse_ci95"]
    )


def _compression_found(metrics):
    errors = {name: row["spectral_rmse"] for name, row in _errors(metrics).items()}
    best = min(errors, key=errors.get)
    study, simple = errors["the study's network"], errors["downsampling, mu-law"]
    return (
        f"Near 16 kbit/s, {best} has the least error, {errors[best]:.3f}; the study's network {study:.3f}, mu-law {simple:.3f}."
    )


def _saved(codec):
    def mean(metrics):
        values = [row["bytes_percent"] for row in metrics["rows"] if row["codec"] == codec]
        return f"{sum(values) / len(values):+.1f} %"

    return mean


def _share(name):
    def share(metrics):
        value = metrics["variance_explained"][name]["share"]
        return "–" if value is None else f"{100 * value:.0f} %"

    return share


PLANS = {
    "01_data": Plan(
        "spectrograms",
        1,
        lambda m: (
            f"{m['n_tracks']} tracks of {len(m['genres'])} genres by {m['n_artists']} artists, {m['hours']:.1f} hours; "
            f"{m['n_excluded']} left out, {m['n_artists_on_two_sides']} artists on two sides of the split."
        ),
        (
            Number("tracks", lambda m: f"{m['n_tracks']}", "about_audio = {"),
            Number("artists on two sides of the split", lambda m: f"{m['n_artists_on_two_sides']}", "about_splits = {"),
        ),
    ),
    "02_autoencoder": Plan(
        "errors",
        2,
        lambda m: (
            f"At {m['nominal_kbps']:.1f} kbit/s the network's error is {m['spectral_rmse']:.2f}; PCA has "
            f"{m['pca_rmse']:.2f}, downsampling with mu-law {m['downsample_mu_law_rmse']:.2f}, silence {m['silence_rmse']:.2f}."
        ),
        (
            Number(
                "spectral RMSE of the network",
                lambda m: with_interval(m["spectral_rmse"], m["spectral_rmse_ci95"]),
                "about_test = {",
            ),
            Number("spectral RMSE of PCA", lambda m: f"{m['pca_rmse']:.2f}", '"pca_rmse"'),
        ),
    ),
    "03_classifier": Plan(
        "accuracies",
        6,
        lambda m: (
            f"Accuracy by {m['system']}: {with_interval(m['accuracy_vote'], m['accuracy_vote_ci95'])}, "
            f"{m['n_test_tracks']} test tracks; MFCCs with an SVM {with_interval(m['accuracy_mfcc_svm'], None)}, the most "
            f"frequent genre {m['accuracy_majority']:.2f}."
        ),
        (
            Number(
                "accuracy of the chosen system",
                lambda m: with_interval(m["accuracy_vote"], m["accuracy_vote_ci95"]),
                "setup.write_metrics(",
            ),
            Number(
                "accuracy of MFCCs with an SVM",
                lambda m: with_interval(m["accuracy_mfcc_svm"], m["accuracy_mfcc_svm_ci95"]),
                "setup.write_metrics(",
            ),
            Number(
                "accuracy with permuted labels", lambda m: with_interval(m["accuracy_shuffled"], None), "setup.write_metrics("
            ),
        ),
    ),
    "04_latent_space": Plan(
        "maps",
        4,
        _map_found,
        (
            Number(
                "neighbours' accuracy of the best map",
                lambda m: with_interval(_best_map(m)[1]["knn_accuracy"], _best_map(m)[1].get("knn_accuracy_ci95")),
                "setup.write_metrics(",
            ),
            Number("neighbours' accuracy by chance", lambda m: f"{m['knn_accuracy_chance']:.2f}", "setup.write_metrics("),
        ),
        {"epochs": 10, "features": "patches,latent,untrained,classifier,log_mel"},
    ),
    "05_compression": Plan(
        "rate_distortion",
        7,
        _compression_found,
        (
            Number(
                "spectral RMSE near 16 kbit/s: the study's network", _error_of("the study's network"), "table = coders.measure("
            ),
            Number(
                "spectral RMSE near 16 kbit/s: downsampling, mu-law",
                _error_of("downsampling, mu-law"),
                "table = coders.measure(",
            ),
            Number(
                "bytes at equal error: learned against mdct",
                lambda m: f"{m['bd_rate_percent']['learned']:+.1f} %",
                "bd_rates = {",
            ),
        ),
        {"latents": "256,64", "losses": "mse,l1,mse_tv,log_stft_l1", "demo_seconds": 10.0},
    ),
    "06_clusters": Plan(
        "variance",
        4,
        lambda m: (
            f"Of the latent's variance, artist explains {_share('artist')(m)}, genre {_share('genre')(m)}, "
            f"loudness {_share('loudness')(m)}."
        ),
        (
            Number("variance explained by artist", _share("artist"), "setup.write_metrics("),
            Number("variance explained by genre", _share("genre"), "setup.write_metrics("),
            Number("NMI of k-means with genres", lambda m: f"{m['clustering']['kmeans']['nmi']:.2f}", "setup.write_metrics("),
        ),
        {"epochs": 10, "features": "latent,untrained,linear,classifier,log_mel", "updates": 6},
    ),
    "07_codec": Plan(
        "savings",
        2,
        lambda m: (
            f"Bytes against the codec without learning: {_saved('package')(m)} with the package's networks, "
            f"{_saved('trained here')(m)} with those trained here ({m['n_test_clips']} clips)."
        ),
        (
            Number("bytes with the package's networks, against none", _saved("package"), "mean = table.groupby("),
            Number("bytes with networks trained here, against none", _saved("trained here"), "mean = table.groupby("),
        ),
    ),
}


def text(function, metrics):
    """Returns the text that a function makes of metrics; a dash where they lack what it reads."""
    try:
        return function(metrics)
    except (KeyError, TypeError, IndexError, ValueError, ZeroDivisionError):
        return "–"
