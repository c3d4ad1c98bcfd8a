"""Maps and measures of their quality."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.decomposition import KernelPCA, SparsePCA
from sklearn.manifold import Isomap

from fmalib.latent import maps

GENRES, ARTISTS, EACH = 4, 6, 5


def corpus(spread=0.5, seed=0):
    """Returns (values, labels, artists): genres far apart, artists near one another within them."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(GENRES, 12)) * 4
    labels = np.repeat(np.arange(GENRES), ARTISTS * EACH)
    artists = np.repeat(np.arange(GENRES * ARTISTS), EACH)
    return centres[labels] + rng.normal(size=(len(labels), 12)) * spread, labels, artists


@pytest.mark.parametrize("method", maps.METHODS)
def test_every_method_separates_what_is_separate_and_repeats_itself(method):
    values, labels, artists = corpus()
    training, training_labels, _ = corpus(seed=1)
    drawn = maps.embed(method, values, training=training, training_labels=training_labels, seed=3)
    assert drawn.points.shape == (len(values), 2) and np.isfinite(drawn.points).all() and drawn.seconds > 0
    found = maps.scores(drawn.points, maps.prepare(values), labels, artists)
    assert found["knn_accuracy"] > 0.9 and found["silhouette"] > 0.2 and found["trustworthiness"] > 0.6
    again = maps.embed(method, values, training=training, training_labels=training_labels, seed=3)
    np.testing.assert_array_equal(again.points, drawn.points)


def test_features_count_alike_whatever_their_units():
    values, _, _ = corpus()
    scale = 10.0 ** np.arange(values.shape[1])
    for method in ("pca", "kernel_pca_rbf", "sparse_pca"):
        plain, scaled = (maps.embed(method, part).points for part in (values, values * scale))
        np.testing.assert_allclose(scaled, plain, atol=1e-3 * np.abs(plain).max())


@pytest.mark.parametrize("kernel", ["rbf", "poly", "sigmoid", "cosine"])
def test_kernels_take_their_width_from_the_data(kernel):
    values, _, _ = corpus()
    start = maps.prepare(values)
    gamma = 1 / np.median(pdist(start, "sqeuclidean")) if kernel == "rbf" else 1 / np.mean(np.sum(start**2, axis=1))
    oracle = KernelPCA(2, kernel=kernel, gamma=gamma, coef0=float(kernel == "poly"), eigen_solver="arpack", random_state=1)
    drawn = maps.embed(f"kernel_pca_{kernel}", values).points
    np.testing.assert_allclose(np.abs(drawn), np.abs(oracle.fit_transform(start)), atol=1e-4)


def test_a_callers_estimator_is_cloned_and_set_up_as_the_librarys_own():
    values, labels, _ = corpus()
    training = {"training": values, "training_labels": labels}
    for name, method in maps.METHODS.items():
        assert method.estimator().get_params() == method.estimator().get_params()
        own, given = maps.embed(name, values, **training), method.estimator()
        before = given.get_params()
        np.testing.assert_array_equal(maps.embed(name, values, given, **training).points, own.points)
        assert given.get_params() == before and not any(attribute.endswith("_") for attribute in vars(given))
    # A setting of the caller counts: a width, a penalty, another kind of estimator.
    narrow = maps.embed("kernel_pca_rbf", values, KernelPCA(2, kernel="rbf", gamma=1.0)).points
    assert np.abs(narrow - maps.embed("kernel_pca_rbf", values).points).max() > 0.1
    gaussian = maps.embed("pca", values, maps.METHODS["tsne"].estimator(), seed=1)
    assert gaussian.points.shape == (len(values), 2)


def test_sparse_pca_is_sparse():
    fitted = []

    class Spy(SparsePCA):
        def fit(self, *args):
            fitted.append(self)
            return super().fit(*args)

    for n in (200, 800):
        mixed = np.random.default_rng(0).normal(size=(n, 5)) @ np.random.default_rng(1).normal(size=(5, 60))
        values = mixed + np.random.default_rng(2).normal(size=(n, 60))
        maps.embed("sparse_pca", values, Spy(**maps.METHODS["sparse_pca"].estimator().get_params()))
        assert 0.02 < (fitted[-1].components_ != 0).mean() < 0.75
    # Of noise, a strong penalty leaves nothing; a map has two axes all the same.
    noise = maps.embed("sparse_pca", np.random.default_rng(3).normal(size=(400, 20))).points
    assert (noise.std(axis=0) > 1e-3).all()


def test_supervised_maps_are_fitted_on_training_alone():
    values, labels, _ = corpus()
    rng = np.random.default_rng(0)
    noise, permuted = rng.normal(size=values.shape), rng.permutation(labels)
    # A supervised map of noise separates what it was fitted on, but nothing that it only places.
    seen = maps.embed("lda", noise, training=noise, training_labels=permuted).points
    unseen = maps.embed("lda", rng.normal(size=values.shape), training=noise, training_labels=permuted).points
    own = np.arange(len(permuted))
    accuracies = [(maps.nearest_genres(points, permuted, own) == permuted).mean() for points in (seen, unseen)]
    assert accuracies[0] > accuracies[1] + 0.1
    for method in ("lda", "umap_supervised"):
        with pytest.raises(ValueError, match=f"No map by {method}: it is supervised.*Received: 0 points of 0 genres"):
            maps.embed(method, values)
        with pytest.raises(ValueError, match="Received: 4 points of 4 genres"):
            maps.embed(method, values, training=values[:4], training_labels=np.arange(4))
    two = maps.embed("lda", values[:60], training=values[:60], training_labels=labels[:60])
    assert two.points.shape == (60, 2)  # of two genres there is one discriminant


def test_quadratic_methods_are_fitted_on_a_seeded_subsample():
    values, labels, artists = corpus()
    drawn = maps.embed("kernel_pca_rbf", values, most=40, seed=1)
    assert drawn.n_fitted == 40 and len(drawn.points) == len(values) and "fitted on 40" in str(drawn)
    assert maps.scores(drawn.points, values, labels, artists)["knn_accuracy"] > 0.9
    np.testing.assert_array_equal(drawn.points, maps.embed("kernel_pca_rbf", values, most=40, seed=1).points)
    assert np.abs(drawn.points - maps.embed("kernel_pca_rbf", values, most=40, seed=2).points).max() > 1e-3
    assert maps.embed("pca", values, most=40).n_fitted == len(values)
    rows = maps.subsample(1000, 10, 5)
    assert len(set(rows)) == 10 and (np.diff(rows) > 0).all() and (rows == maps.subsample(1000, 10, 5)).all()
    assert (maps.subsample(5, 10, 0) == np.arange(5)).all()


def test_neighbours_of_the_same_artist_do_not_count():
    # Two artists of two genres stand together in each corner: by neighbours of others, each point gets the other genre.
    corners = np.repeat([[0.0, 0.0], [9.0, 9.0]], 20, axis=0) + np.random.default_rng(0).normal(size=(40, 2)) * 0.1
    labels, artists = np.tile([0, 1], 20), np.tile([0, 1], 20) + np.repeat([0, 2], 20)
    assert (maps.nearest_genres(corners, labels, artists) != labels).all()
    # With all artists different, about half of the neighbours are of the own genre.
    mixed = (maps.nearest_genres(corners, labels, np.arange(40)) == labels).mean()
    assert 0.2 < mixed < 0.8
    assert (maps.nearest_genres(corners, labels, np.zeros(40)) == -1).all()
    alone = maps.scores(corners, corners, labels, np.zeros(40))
    assert alone["knn_accuracy"] is None and alone["n_points"] == 0
    # The second genre has one artist: neighbours by others can only be wrong, so its points are not counted.
    lonely = maps.scores(corners, corners, labels, np.where(labels, 9, np.arange(40)))
    assert lonely["n_points"] == 20 and maps.chance(corners, labels, labels) is None


def test_ties_go_to_the_nearer_and_chunks_change_nothing():
    points = np.array([[0.0, 0], [1, 0], [1.1, 0], [5, 0], [5.1, 0], [5.2, 0]])
    labels, artists = np.array([0, 1, 1, 0, 0, 2]), np.arange(6)
    assert maps.nearest_genres(points, labels, artists, neighbours=4)[0] == 1  # two votes each: 1 is nearer than 0
    values, labels, artists = corpus(spread=6)
    whole = maps.nearest_genres(values, labels, artists)
    np.testing.assert_array_equal(whole, maps.nearest_genres(values, labels, artists, chunk=7))


def test_scores_of_a_perfect_and_a_meaningless_map():
    values, labels, artists = corpus()
    perfect = maps.scores(values, values, labels, artists)
    assert perfect["knn_accuracy"] == 1 and perfect["trustworthiness"] == 1 and perfect["n_points"] == len(values)
    low, high = perfect["knn_accuracy_ci95"]
    assert high == 1 and low == pytest.approx(0.025 ** (1 / len(np.unique(artists))))  # no artist is wrong
    noise = np.random.default_rng(0).normal(size=(len(values), 2))
    meaningless = maps.scores(noise, values, labels, artists)
    assert meaningless["knn_accuracy"] < 0.45 and meaningless["trustworthiness"] < 0.7 and abs(meaningless["silhouette"]) < 0.1
    assert abs(maps.chance(values, labels, artists) - 0.2) < 0.1  # five of 23 other artists are of the own genre
    assert maps.scores(noise, values, np.zeros(len(noise), int), artists)["silhouette"] is None


def test_wrong_names_and_values():
    values, _, _ = corpus()
    with pytest.raises(ValueError, match="Received: method='isomap'"):
        maps.embed("isomap", values)
    with pytest.raises(ValueError, match="6 points or more"):
        maps.embed("pca", values[:3])
    with pytest.raises(ValueError, match="Received: 2 points that are not"):
        maps.embed("pca", np.where(np.arange(len(values))[:, None] < 2, np.nan, values))
    with pytest.raises(ValueError, match=r"All points are the same.*Received: 20 points"):
        maps.embed("tsne", np.ones((20, 5)))
    with pytest.raises(ValueError, match="At least one"):
        maps.subsample(5, 0, 0)
    with pytest.raises(ValueError, match=r"at most 1e\+100. Received: 1 points"):
        maps.prepare(np.where(np.arange(len(values))[:, None] == 3, np.inf, values))


EQUAL, SPREAD = np.ones((20, 5)), np.random.default_rng(0).normal(size=(20, 5))
FOUR = np.arange(20) % 4


@pytest.mark.parametrize("method", maps.METHODS)
@pytest.mark.parametrize(
    "values, reason",
    [
        (EQUAL, "All points are the same"),
        (SPREAD * 1e-300, "All points are the same, but for rounding. Received: 20 points of 5 features"),
        (SPREAD * 1e200, "Received: 20 points that are not"),
        (np.where(SPREAD > 2, np.nan, SPREAD), "Values must be finite"),
        (SPREAD[:1], r"Received: shape \(1, 5\)"),
        (SPREAD[:2], r"Received: shape \(2, 5\)"),
        (SPREAD[:3], r"Received: shape \(3, 5\)"),
        (SPREAD[:, :1], r"Received: shape \(20, 1\)"),
    ],
)
def test_values_without_a_map_are_one_error_by_name(method, values, reason):
    with pytest.raises(ValueError, match=f"^No map by {method}: .*{reason}"):
        maps.embed(method, values, training=values, training_labels=FOUR)


@pytest.mark.parametrize("method", [name for name, method in maps.METHODS.items() if method.supervised])
@pytest.mark.parametrize(
    "training, labels, reason",
    [
        (SPREAD, np.zeros(20, int), "two genres or more.*Received: 20 points of 1 genres"),
        (EQUAL, FOUR, "All points are the same"),
        (SPREAD[:, :3], FOUR, "Received: 20 labels, shapes"),
        (SPREAD, FOUR[:7], "Received: 7 labels"),
    ],
)
def test_training_without_a_supervised_map_is_one_error_by_name(method, training, labels, reason):
    with pytest.raises(ValueError, match=f"^No map by {method}: .*{reason}"):
        maps.embed(method, SPREAD, training=training, training_labels=labels)


def test_lda_needs_spread_within_genres():
    places = np.eye(4, 5)[FOUR]
    with pytest.raises(ValueError, match=r"No map by lda: .*LDA needs spread within genres. Received: 20 points of 5 features"):
        maps.embed("lda", SPREAD, training=places, training_labels=FOUR)
    with pytest.raises(ValueError, match=r"No map by lda: .*covariance is singular"):
        maps.embed("lda", SPREAD, training=SPREAD[:6], training_labels=FOUR[:6])
    # Points of four places that are in all genres have components of no variance, which gave 1e16.
    mixed = np.eye(4, 5)[np.arange(20) // 5] * 4
    assert np.abs(maps.embed("lda", SPREAD, training=mixed, training_labels=FOUR).points).max() < 1e3
    alone = maps.embed("lda", SPREAD, training=SPREAD, training_labels=(np.arange(20) == 3).astype(int))
    assert np.isfinite(alone.points).all()  # a genre of one point


@pytest.mark.parametrize("method", [name for name, method in maps.METHODS.items() if not method.supervised])
def test_duplicated_points_fall_together_or_stay_finite(method):
    repeated = SPREAD[:4].repeat(5, axis=0)
    points = maps.embed(method, repeated).points
    assert np.isfinite(points).all()
    if method not in ("tsne", "umap"):
        np.testing.assert_allclose(points, points[::5].repeat(5, axis=0), atol=1e-5)


def test_an_estimator_that_fails_is_named():
    with pytest.raises(ValueError, match=r"^No map by isomap: .*n_neighbors.*-1.*Received: 20 points of 5 features$"):
        maps.embed("isomap", SPREAD, Isomap(n_neighbors=-1))


def test_one_genre_has_no_accuracy():
    found = maps.scores(SPREAD[:, :2], SPREAD, np.zeros(20, int), np.arange(20))
    assert found["knn_accuracy"] is None and found["knn_accuracy_ci95"] is None and found["n_points"] == 0
    assert found["silhouette"] is None and 0 < found["trustworthiness"] < 1
    assert maps.chance(SPREAD, np.zeros(20, int), np.arange(20)) is None
    few = maps.scores(SPREAD[:2, :2], SPREAD[:2], np.array([0, 1]), np.arange(2))
    assert few["trustworthiness"] is None and few["n_points"] == 0


@pytest.mark.parametrize("method", maps.METHODS)
def test_few_and_constant_points_are_no_error(method):
    values, labels, _ = corpus()
    few = maps.embed(method, values[:6], training=values, training_labels=labels)
    assert few.points.shape == (6, 2) and np.isfinite(few.points).all()
    constant = np.concatenate([values, np.ones((len(values), 3))], axis=1)
    assert np.isfinite(maps.embed(method, constant, training=constant, training_labels=labels).points).all()


def test_umap_is_imported_only_when_needed():
    code = "import sys, numpy; from fmalib.latent import maps; maps.embed('pca', numpy.eye(8)); print('umap' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_lda_of_few_training_points_stays_finite():
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 4
    training = rng.normal(size=(48, 200)) + labels[:, None]
    drawn = maps.embed("lda", rng.normal(size=(20, 200)), training=training, training_labels=labels)
    assert np.abs(drawn.points).max() < 1e3  # a component of no variance gave 1e14


def test_a_method_that_the_library_does_not_know_needs_an_estimator():
    values, _, _ = corpus()
    drawn = maps.embed("isomap", values, Isomap(n_neighbors=40))
    assert drawn.points.shape == (len(values), 2) and str(drawn).startswith("isomap:")
    with pytest.raises(ValueError, match="Received: method='isomap'"):
        maps.embed("isomap", values)
