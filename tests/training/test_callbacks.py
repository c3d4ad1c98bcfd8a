import keras
import numpy as np

from fmalib import files
from fmalib.training import callbacks


def test_epochs_differ_in_their_noise():
    x = keras.Input((1000,))
    model = keras.Model(x, keras.layers.Dropout(0.5)(x))
    callback = callbacks.Reseed(0)
    callback.set_model(model)

    def noise(epoch):
        callback.on_epoch_begin(epoch)
        return np.asarray(model(np.ones((1, 1000), np.float32), training=True))

    first, second = noise(0), noise(1)
    assert (first != second).any() and np.array_equal(noise(0), first)


def test_a_clock_adds_the_seconds_of_each_epoch():
    clock, logs = callbacks.Clock(), {"loss": 1.0}
    clock.on_epoch_begin(0)
    clock.on_epoch_end(0, logs)
    assert 0 <= logs["seconds"] < 1 and logs["loss"] == 1


def test_a_backup_holds_weights_and_optimizer_and_skips_broken_epochs(tmp_path):
    def compiled():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        return model

    model, restored = compiled(), compiled()
    path, log, written = tmp_path / "backup.weights.h5", tmp_path / "history.csv", tmp_path / "restored.csv"
    log.write_text("epoch,loss\n" + "0,0.1\n" * 20_000)
    callback = callbacks.Backup(path, log)
    callback.set_model(model)
    callback.on_epoch_end(0, {"loss": float("nan")})
    assert not path.exists()
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    model.fit(x, x[:, :2], batch_size=2, callbacks=[callback], verbose=0)
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, log.name] and files.is_whole(path)
    restored.optimizer.build(restored.trainable_variables)
    assert callbacks.restore(restored, path, written) == 0 and int(restored.optimizer.iterations) == 4
    callback.on_epoch_end(7, {"loss": 1.0})
    assert callbacks.restore(restored, path, written) == 7 and written.read_bytes() == log.read_bytes()
    for one, other in zip([*model.weights, *model.optimizer.variables], [*restored.weights, *restored.optimizer.variables]):
        np.testing.assert_array_equal(one, other)


def test_early_stopping_counts_the_epochs_before_a_restart():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    for past, stops in (([3.0, 1.0, 2.0], True), ([3.0, 2.0, 1.0], False), ([], False)):
        callback = callbacks.ResumableEarlyStopping(past, patience=2)
        callback.set_model(model)
        model.stop_training = False
        callback.on_train_begin()
        assert not model.stop_training
        callback.on_epoch_end(len(past), {"val_loss": 1.5})
        assert model.stop_training == stops


def test_a_bar_moves_with_the_epochs_and_shows_the_losses():
    class Shown:
        steps, shown = 0, None

        def set_postfix(self, values):
            self.shown = values

        def update(self):
            self.steps += 1

    shown = Shown()
    callbacks.Bar(shown).on_epoch_end(0, {"loss": 0.123456, "val_loss": 2.0, "seconds": 1.0})
    assert shown.steps == 1 and shown.shown == {"loss": "0.1235", "val_loss": "2"}


def test_the_weights_of_the_best_epoch_are_kept_with_a_checksum(tmp_path):
    model, path = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), tmp_path / "best.weights.h5"
    model.compile("sgd", "mse")
    best = callbacks.Best(path, lowest=3.0)
    best.set_model(model)
    for epoch, loss in enumerate([4.0, float("nan"), 2.0, 2.5]):
        model.set_weights([np.full((1, 1), epoch), np.zeros(1)])
        best.on_epoch_end(epoch, {"val_loss": loss})
        assert path.exists() == (epoch >= 2)
    assert files.is_whole(path)
    model.load_weights(path)
    assert model.get_weights()[0] == 2
