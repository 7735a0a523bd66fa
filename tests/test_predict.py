"""The compiled predictor: right for every number of images, from every thread."""

import copy
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from contract import starts_soonest, to_numpy
from scipy import ndimage

from kerasconv import backends, predict
from kerasconv._keras import keras
from kerasconv.compiled import numpy as numpy_steps
from kerasconv.compiled.steps import steps_of
from kerasconv.errors import KerasconvError
from kerasconv.layers import L2Pool, SobelConv
from kerasconv.models import load_model, mnist_cnn
from kerasconv.pictures import to_unit
from kerasconv.predict import Predictor, feature_maps
from kerasconv.reading import Reader


@pytest.fixture(scope="module")
def model():
    return mnist_cnn()


@pytest.fixture(scope="module")
def expected(model, digits):
    return np.asarray(model.predict(digits[0], verbose=0))


@pytest.fixture(scope="module")
def predictor(model):
    predictor = Predictor(model, batch_size=16)
    predictor.warm_up()
    return predictor


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 32, 64])
def test_any_number_of_images_gives_what_the_model_gives(
    predictor, digits, expected, n
):
    answer = predictor(digits[0][:n])
    assert answer.dtype == np.float32
    # Keras's own predict on OpenVINO rounds to bfloat16 where the processor can.
    atol = 2e-2 if keras.backend.backend() == "openvino" else 1e-6
    np.testing.assert_allclose(answer, expected[:n], atol=atol)


def test_one_image_without_a_batch_axis_gives_one_row(predictor, digits):
    one = predictor(digits[0][3])
    assert one.shape == (10,)
    np.testing.assert_allclose(one, predictor(digits[0])[3], atol=1e-6)


def test_no_images_give_no_rows(predictor):
    assert predictor(np.zeros((0, 28, 28, 1), np.float32)).shape == (0, 10)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "float64"])
def test_a_network_of_another_policy_answers_in_float32(policy):
    if policy == "mixed_bfloat16" and keras.backend.backend() == "openvino":
        pytest.skip("Keras's own predict is wrong there, too, by as much")
    images = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 2, 2)
    layers = [keras.layers.Flatten(dtype=policy), keras.layers.Dense(3, dtype=policy)]
    model = keras.Sequential([keras.Input((2, 2)), *layers])
    answer = Predictor(model)(images)
    assert answer.dtype == np.float32
    kernel, bias = map(keras.ops.convert_to_numpy, model.weights)
    np.testing.assert_allclose(answer, images.reshape(6, 4) @ kernel + bias, atol=0.02)


def test_rows_are_probabilities(predictor, digits):
    answer = predictor(digits[0])
    assert (answer >= 0).all()
    np.testing.assert_allclose(answer.sum(1), 1, atol=1e-5)


def test_uint8_pixels_are_divided_by_255(predictor, digits):
    pixels = np.rint(digits[0] * 255).astype(np.uint8)
    np.testing.assert_allclose(predictor(pixels), predictor(digits[0]), atol=1e-6)
    np.testing.assert_array_equal(to_unit(pixels), digits[0])


def test_pixels_are_brought_to_the_range_of_the_model(small):
    model, images = small
    pixels = np.rint(255 * images).astype(np.uint8)
    floats = pixels.astype(np.float32)
    for bounds, scaled in (((-1, 1), floats / 127.5 - 1), ((0, 255), floats)):
        predictor = Predictor(model, input_range=bounds)
        np.testing.assert_allclose(predictor(pixels), predictor(scaled), atol=1e-4)


@pytest.mark.parametrize("scale", [255.0, 254.3, 65535.0, 20.0])
def test_floats_that_plainly_are_pixels_are_refused(predictor, digits, scale):
    with pytest.raises(ValueError, match=rf"\[0, 1\].*from 0 to {scale:g}.*divide"):
        predictor(digits[0] * np.float32(scale))
    with pytest.raises(ValueError, match="divide"):
        predictor(digits[0][0] * np.float32(scale))


def test_floats_that_may_be_something_else_are_taken(predictor, digits):
    assert predictor(digits[0] * 2).shape == (64, 10)
    assert predictor(digits[0] * 300 - 1).shape == (64, 10)


def test_batches_of_any_source_are_taken(small):
    model, images = small
    predictor = Predictor(model, batch_size=2)
    whole, labels = predictor(images), np.arange(5)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return images[2 * i : 2 * i + 2], labels[2 * i : 2 * i + 2]

    sources = [iter(images), ((x[None], 0) for x in images), Batches()]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        pairs = tf.data.Dataset.from_tensor_slices((images, labels))
        sources += [pairs, pairs.batch(2), pairs.batch(2).map(lambda x, y: x)]
        with pytest.raises(ValueError, match="must have an end"):
            predictor(pairs.batch(2).repeat())
    if keras.backend.backend() == "torch":
        import torch

        both = torch.utils.data.TensorDataset(*map(torch.tensor, (images, labels)))
        sources += [torch.utils.data.DataLoader(both, batch_size=2)]
        np.testing.assert_allclose(predictor(torch.tensor(images)), whole, atol=1e-6)
    for source in sources:
        np.testing.assert_allclose(predictor(source), whole, atol=1e-6)
    assert predictor(iter(())).shape == (0, 3)
    endless = Batches()
    type(endless).num_batches = None
    with pytest.raises(ValueError, match="must have an end"):
        predictor(endless)


@pytest.mark.parametrize("what", ["image.png", ["a"], None, object(), {"x": 1}])
def test_what_is_no_image_is_refused_in_one_line(predictor, what):
    with pytest.raises(ValueError, match="`images` must") as caught:
        predictor(what)
    assert "\n" not in str(caught.value)


def test_float64_and_strided_images_are_taken(predictor, digits):
    images = np.asarray(digits[0], np.float64)[::-1]
    np.testing.assert_allclose(predictor(images), predictor(digits[0])[::-1], atol=1e-6)


def test_the_caller_keeps_its_answers(predictor, digits):
    first = predictor(digits[0][:1])
    copy = first.copy()
    predictor(digits[0][5:6])
    np.testing.assert_array_equal(first, copy)


def test_only_two_shapes_are_ever_compiled(model, digits, monkeypatch):
    predictor = Predictor(model, batch_size=16)
    predictor._left = 0  # as after the first images
    shapes = set()
    forward = predictor._forward
    monkeypatch.setattr(
        predictor, "_forward", lambda images: shapes.add(len(images)) or forward(images)
    )
    for n in (0, 1, 2, 5, 16, 17, 40):
        predictor(digits[0][:n])
    shapes |= {1} if backend_calls_cost() else set()  # which NumPy answers
    assert shapes == {1, 16} or (predictor._takes_any and max(shapes) == 16)


def on_tensorflow():
    return keras.backend.backend() == "tensorflow"


def backend_calls_cost():
    return keras.backend.backend() in predict._CALLS_COST


def no_call(images):
    raise AssertionError(f"the backend is called for {len(images)} images")


def test_a_call_of_a_small_network_with_few_images_is_left_to_numpy(digits):
    if not backend_calls_cost():
        pytest.skip("a call costs little, or is NumPy's")
    for model, few in ((load_model("dense_classifier"), 64), (mnist_cnn(), 1)):
        predictor = Predictor(model, batch_size=64)
        predictor.warm_up()  # after which no image is one of the first
        predictor._forward = no_call
        expected = keras.ops.convert_to_numpy(model(digits[0], training=False))
        for count in {1, few}:
            answers = [predictor(digits[0][i : i + count]) for i in range(0, 64, count)]
            np.testing.assert_allclose(np.concatenate(answers), expected, atol=1e-6)
        np.testing.assert_allclose(predictor(digits[0][3]), expected[3], atol=1e-6)
    with pytest.raises(AssertionError, match="called for 64 images"):
        predictor(digits[0])


def test_two_batches_at_a_time_answer_in_order_where_the_backend_overlaps(
    model, digits, expected, monkeypatch
):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    predictor = Predictor(model, batch_size=8)
    predictor.warm_up()
    overlaps = on_tensorflow()
    together, run = threading.Barrier(2 if overlaps else 1), predictor._run_batch

    def meeting(images):
        together.wait(20)  # an error where no other thread comes
        return run(images)

    monkeypatch.setattr(predictor, "_run_batch", meeting)
    atol = 2e-2 if keras.backend.backend() == "openvino" else 1e-6
    np.testing.assert_allclose(predictor(digits[0]), expected, atol=atol)
    monkeypatch.setattr("kerasconv.window.native.on_gpu", lambda: True)
    assert not Predictor(model)._overlaps


@pytest.mark.once
@pytest.mark.parametrize(
    ("count", "taken", "filters"),
    [(121, 288, 64), (3, 784, 257), (1, 1600, 1001), (676, 9, 32), (9, 300, 1)],
)
def test_numpys_products_in_parts_are_the_whole_products(count, taken, filters):
    random = np.random.default_rng(0)
    rows = random.uniform(-1, 1, (count, taken)).astype("float32")
    kernel = random.uniform(-1, 1, (taken, filters)).astype("float32")
    expected = np.einsum("ij,jk->ik", rows, kernel, dtype="float64")
    for given in (rows, np.asfortranarray(rows)):
        found = numpy_steps._product(given, kernel)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.sqrt(taken))


@pytest.mark.parametrize("batch_size", [16, None])
def test_the_first_images_are_answered_before_anything_is_compiled(
    model, digits, predictor, batch_size, monkeypatch
):
    if keras.backend.backend() not in predict._COMPILE_LONG:
        pytest.skip("it compiles in no time, or nothing")
    expected = predictor(digits[0])
    monkeypatch.setattr(predict, "_BATCH", 16)
    monkeypatch.setattr(predict, "_BYTES_OF_BATCH", 0)
    fresh = Predictor(model, batch_size=batch_size)
    fresh._left = 20
    np.testing.assert_allclose(fresh(digits[0][0]), expected[0], atol=1e-6)
    answers = fresh(digits[0][:18])
    assert not fresh._compiled
    np.testing.assert_allclose(answers, expected[:18], atol=1e-6)
    np.testing.assert_allclose(fresh(digits[0]), expected, atol=1e-6)
    assert fresh._compiled == {None if fresh._takes_any else 16}


def test_without_a_batch_size_a_batch_is_compiled_when_it_pays(small, monkeypatch):
    model, images = small
    monkeypatch.setattr(predict, "_PAYS", 7)
    monkeypatch.setattr(predict, "_BATCH", 4)
    truth, predictor = Predictor(model)(images), Predictor(model, batch_size=None)
    for compiled in ({1}, {1, 4}, {1, 4}):
        np.testing.assert_allclose(predictor(images), truth, atol=1e-6)
        assert predictor._compiled == compiled or predictor._takes_any
    copied = pickle.loads(pickle.dumps(predictor))
    assert copied.batch_size is None


def test_one_that_is_warm_compiles_nothing_more(small):
    model, images = small
    predictor = Predictor(model, batch_size=2)
    predictor.warm_up()
    compiled = set(predictor._compiled)
    assert compiled == ({None} if predictor._takes_any else {1, 2})
    predictor(images), predictor(images[0])
    assert predictor._compiled == compiled


def test_dropout_is_off(model, digits):
    predictor = Predictor(model)
    np.testing.assert_array_equal(predictor(digits[0]), predictor(digits[0]))


def test_eight_threads_get_fifty_right_answers_each(model, digits):
    # A fresh one, so that the threads race for its compilation too.
    predictor = Predictor(model, batch_size=16)
    predictor._left = min(predictor._left, 100)
    truth = Predictor(model, batch_size=16)(digits[0])
    wrong, right, start = [], [], threading.Barrier(8)

    def work(offset):
        start.wait()
        for i in range(50):
            at = (offset * 7 + i) % 60
            n = (1, 4)[i % 2]
            try:
                answer = predictor(digits[0][at : at + n])
                apart = np.abs(answer - truth[at : at + n]).max()
                (right if apart < 1e-5 else wrong).append((offset, i))
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(set(right)) == 8 * 50


FIRST_USE = """
import sys, time
from pathlib import Path
here, mine = Path(sys.argv[1]), sys.argv[2]
(here / f"ready-{mine}").touch()
while len(list(here.glob("ready-*"))) < 4:  # all at the same moment
    time.sleep(0.001)
import numpy as np
from kerasconv.digits import load_digits
from kerasconv.models import load_model
from kerasconv.predict import Predictor, feature_maps
answers = Predictor(load_model("mnist_cnn"))(load_digits()[0])
np.save(here / f"answers-{mine}.npy", answers)
"""


@pytest.mark.once
def test_four_processes_at_a_first_use_all_answer_right(tmp_path, model, digits):
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_HOME"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    # One that starts at once, where there is one.
    quick = ("numpy", "openvino", "torch", "jax", "tensorflow")
    environment["KERAS_BACKEND"] = min(backends.installed(), key=quick.index)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_USE, str(tmp_path), str(i)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    told = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    truth = Predictor(model)(digits[0])
    for i in range(4):
        answers = np.load(tmp_path / f"answers-{i}.npy")
        np.testing.assert_allclose(answers, truth, atol=1e-5)
    # What they all wrote at once is whole.
    assert "backend" in json.loads((home / ".keras" / "keras.json").read_text())


@pytest.fixture(scope="module")
def small():
    """A network that compiles at once, and images for it."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            SobelConv(axis=0),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    return model, np.random.default_rng(0).random((5, 4, 4, 1), np.float32)


def changed(model):
    """Give a model other weights, as a step of training does: in place."""
    for variable in model.weights:
        variable.assign(-keras.ops.convert_to_numpy(variable))


def test_the_weights_are_those_of_the_moment_when_it_was_made(small):
    model, images = small
    predictor, late = Predictor(model), Predictor(model)
    before = predictor(images)
    changed(model)
    np.testing.assert_array_equal(predictor(images), before)
    # One that had compiled nothing yet, too.
    np.testing.assert_allclose(late(images), before, atol=1e-6)
    assert np.abs(Predictor(model)(images) - before).max() > 1e-3


@pytest.mark.skipif(
    keras.backend.backend() in ("numpy", "openvino"), reason="training needs gradients"
)
def test_another_thread_may_train_the_model_meanwhile(small):
    model, images = small
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    labels = np.zeros(len(images), "int64")
    predictor = Predictor(model)
    before, seen, epochs = predictor(images), [], []
    between = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: epochs.append(Predictor(model)(images))
    )
    training = threading.Thread(
        target=model.fit,
        args=(images, labels),
        kwargs={"epochs": 8, "verbose": 0, "callbacks": [between]},
    )
    training.start()
    while training.is_alive():
        seen.append(predictor(images))
    training.join()
    for answer in [*seen, predictor(images)]:
        np.testing.assert_array_equal(answer, before)
    assert len(epochs) == 8
    np.testing.assert_allclose(epochs[-1], Predictor(model)(images), atol=1e-6)
    assert len({answer.tobytes() for answer in epochs}) == 8


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a rule of JAX's trainer")
def test_weights_that_fit_has_taken_out_of_the_model_are_not_invented(small):
    model, _ = small
    kept = [variable._value for variable in model.weights]
    try:
        model.weights[0]._value = None  # as Keras's JAX trainer does
        with pytest.raises(KerasconvError, match="another thread trains"):
            Predictor(model)
    finally:
        for variable, value in zip(model.weights, kept, strict=True):
            variable._value = value


def test_weights_are_read_again_until_no_step_fell_between(small, monkeypatch):
    model, _ = small
    torn = [[np.zeros(1), np.ones(1)], *[[np.ones(1), np.ones(1)]] * 2]
    monkeypatch.setattr(predict, "_read", lambda model: torn.pop(0))
    assert [float(w[0]) for w in predict._weights_of(model)] == [1, 1]
    steps = iter(range(10**6))
    monkeypatch.setattr(predict, "_read", lambda model: [np.full(1, next(steps))])
    with pytest.raises(KerasconvError, match="another thread trains"):
        predict._weights_of(model)


def test_eight_predictors_of_one_model_are_made_and_used_in_eight_threads(small):
    model, images = small
    truth, found, start = Predictor(model)(images), [], threading.Barrier(8)

    def work():
        start.wait()
        try:
            found.append(Predictor(model)(images))
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in found:
        np.testing.assert_allclose(answer, truth, atol=1e-6)


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_a_copy_is_whole_and_keeps_the_weights_too(small, twin):
    model, images = small
    predictor = Predictor(model, batch_size=7, input_range=(0, 2))
    before = predictor(images)
    changed(model)
    other = twin(predictor)
    np.testing.assert_allclose(other(images), before, atol=1e-6)
    assert other.batch_size == 7
    assert other.input_range == (0, 2)
    np.testing.assert_allclose(twin(other)(images), before, atol=1e-6)


@starts_soonest
def test_a_spawned_process_takes_a_predictor(small):
    model, images = small
    predictor = Predictor(model)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        answer = pool.submit(predictor, images).result()
    np.testing.assert_allclose(answer, predictor(images), atol=1e-5)


def test_the_model_is_unharmed(digits):
    model = mnist_cnn()
    before = [keras.ops.convert_to_numpy(w).copy() for w in model.weights]
    Predictor(model)(digits[0])
    for a, b in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(a, keras.ops.convert_to_numpy(b))


@pytest.mark.parametrize("shape", [(28, 28), (3, 28, 28), (2, 27, 28, 1), (28, 28, 3)])
def test_images_of_another_shape_are_refused(predictor, shape):
    with pytest.raises(ValueError, match=r"\(28, 28, 1\).*Received: shape"):
        predictor(np.zeros(shape, np.float32))


def test_integers_other_than_pixels_are_refused(predictor):
    with pytest.raises(ValueError, match="dtype int64"):
        predictor(np.zeros((2, 28, 28, 1), np.int64))


def test_a_gpu_gets_batches_that_are_worth_starting(model, monkeypatch):
    # On TensorFlow as many as the first convolution makes 64 MiB of.
    large = 2**26 // (26 * 26 * 32 * 4)
    assert Predictor(model)._batch == (large if on_tensorflow() else 128)
    dense = load_model("dense_classifier")
    assert Predictor(dense)._batch == (1024 if on_tensorflow() else 128)
    monkeypatch.setattr("kerasconv.window.native.on_gpu", lambda: True)
    assert Predictor(model)._batch == 2**20 // 28**2
    assert Predictor(model, batch_size=7)._batch == 7
    wide = keras.Sequential(
        [keras.Input((99, 101, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    assert Predictor(wide)._batch == 128


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a setting of JAX's")
def test_what_jax_multiplies_on_a_gpu_is_not_rounded():
    import jax

    seen = []

    class Telling(keras.layers.Layer):
        def call(self, x):
            seen.append(jax.config.jax_default_matmul_precision)
            return x

    model = keras.Sequential([keras.Input((3,)), Telling()])
    seen.clear()
    Predictor(model)(np.zeros((2, 3)))
    assert set(seen) == {"highest"}


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, "many", np.ones(2)])
def test_a_batch_size_that_makes_no_sense_is_refused(model, batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be a positive int"):
        Predictor(model, batch_size=batch_size)


@pytest.mark.once
@pytest.mark.parametrize(
    "given", [(1, 0), (0, float("inf")), (float("nan"), 1), ("0", "1"), (0, 1, 2), None]
)
def test_a_range_that_makes_no_sense_is_refused(small, given):
    with pytest.raises(ValueError, match="`input_range` must be the least"):
        Predictor(small[0], input_range=given)


@pytest.mark.once
def test_a_model_of_two_inputs_or_unknown_size_is_refused():
    a, b = keras.Input((4,)), keras.Input((4,))
    two = keras.Model([a, b], keras.layers.Add()([a, b]))
    with pytest.raises(ValueError, match="one input and one output"):
        Predictor(two)
    text = keras.Input((4,), dtype="string")
    with pytest.raises(ValueError, match="an input of string"):
        Predictor(keras.Model(text, keras.layers.Identity()(text)))
    x = keras.Input((None, None, 1))
    with pytest.raises(ValueError, match="known size"):
        Predictor(keras.Model(x, keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.filterwarnings("error::UserWarning")
def test_feature_maps_are_what_scipy_computes_and_end_in_the_answer(
    model, predictor, digits
):
    maps = feature_maps(model, digits[0][0])
    kernel, bias = map(keras.ops.convert_to_numpy, model.get_layer("conv2d").weights)
    sums = [
        ndimage.correlate(digits[0][0][..., 0], kernel[..., 0, i])[1:-1, 1:-1]
        for i in range(32)
    ]
    expected = np.maximum(np.stack(sums, -1) + bias, 0)
    np.testing.assert_allclose(maps["conv2d"], expected, rtol=1e-5, atol=1e-6)
    pooled = expected.reshape(13, 2, 13, 2, 32).max((1, 3))
    np.testing.assert_allclose(maps["max_pooling2d"], pooled, rtol=1e-5, atol=1e-6)
    *_, last = maps.values()
    np.testing.assert_allclose(last, predictor(digits[0][0]), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"must hold floats .* dtype uint8"):
        feature_maps(model, np.zeros((28, 28, 1), np.uint8))


def _residual(x):
    before = keras.layers.Conv2D(4, 3, padding="same")(x)
    return keras.layers.Add()([before, keras.layers.ReLU()(before)])


def _shared(x, layer):
    normalised = [keras.layers.BatchNormalization()(layer(x)) for _ in range(2)]
    return keras.layers.Add()(normalised)


def _read_twice(y):
    return keras.layers.Add()([y, keras.layers.BatchNormalization()(y)])


# Where a network could be rewritten too far: what is read twice, other ranks, a
# convolution without a bias, one followed by another sum, strides and groups.
NETWORKS = {
    "residual": _residual,
    "input": lambda x: keras.layers.Add()([x, keras.layers.ReLU()(x)]),
    "no bias": keras.layers.Conv2D(4, 3, use_bias=False, activation="relu"),
    "groups": keras.layers.Conv2D(4, 3, 2, "same", groups=2, activation="relu"),
    "depthwise": keras.layers.DepthwiseConv2D(3, activation="relu"),
    "transposed": keras.layers.Conv2DTranspose(3, 3, activation="relu"),
    "one axis": lambda x: keras.layers.AveragePooling1D(2)(
        keras.layers.Conv1D(4, 3, activation="relu")(keras.layers.Reshape((56, 2))(x))
    ),
    "normalised": lambda x: keras.layers.BatchNormalization()(
        keras.layers.Conv2D(4, 3, activation="relu")(x)
    ),
    "normalised first": lambda x: keras.layers.ReLU()(
        keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(x))
    ),
    "depthwise, normalised": lambda x: keras.layers.BatchNormalization()(
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    ),
    "one axis, normalised": lambda x: keras.layers.BatchNormalization()(
        keras.layers.Conv1D(4, 3, use_bias=False)(keras.layers.Reshape((56, 2))(x))
    ),
    "one layer, normalised twice": lambda x: _shared(x, keras.layers.Conv2D(4, 3)),
    "read twice": lambda x: _read_twice(keras.layers.DepthwiseConv2D(3)(x)),
    "same": lambda x: keras.layers.MaxPooling2D(3, 1)(
        keras.layers.Conv2D(4, (3, 2), 2, "same", activation="tanh")(x)
    ),
    "max": lambda x: keras.layers.MaxPooling2D(2)(
        keras.layers.Conv2D(4, 3, activation="relu")(x)
    ),
    "mean": lambda x: keras.layers.AveragePooling2D(2)(
        keras.layers.BatchNormalization(scale=False)(
            keras.layers.Conv2D(4, 3, use_bias=False)(x)
        )
    ),
    "dense": lambda x: keras.layers.Dense(3, activation="softmax")(
        keras.layers.Dense(4, activation="sigmoid")(
            keras.layers.GlobalAveragePooling2D()(
                keras.layers.Conv2D(4, 3, activation="softsign")(x)
            )
        )
    ),
    "scaled": lambda x: keras.layers.Rescaling(2.0, [1.0, 2.0])(x),
}


@pytest.mark.skipif(
    keras.backend.backend() not in predict._OF_STEPS, reason="Keras's own layers run"
)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_was_rewritten_answers_as_keras_does(name):
    inputs = keras.Input((8, 7, 2))
    model = keras.Model(inputs, keras.layers.Flatten()(NETWORKS[name](inputs)))
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.uniform(0.1, 1, weight.shape))
    images = random.normal(size=(3, 8, 7, 2)).astype("float32")
    kept = images.copy()
    predictor = Predictor(model, batch_size=3)
    predictor._few = predictor._left = 0  # which NumPy would answer
    expected = keras.ops.convert_to_numpy(model(images, training=False))
    scale = max(1, np.abs(expected).max())
    for _ in range(2):
        np.testing.assert_allclose(predictor(images), expected, atol=1e-6 * scale)
        one = predictor(images[1])
        np.testing.assert_allclose(one, expected[1], atol=1e-6 * scale)
    np.testing.assert_array_equal(images, kept)


@pytest.mark.parametrize("quick", [True, False])
def test_an_axis_that_indexing_put_there_is_read_as_any_other(quick):
    """NumPy gives an axis of length 1 any stride: 0 to one by `images[..., None]`."""
    random = np.random.default_rng(5)
    for shape in ((28, 28), (9, 1), (1, 9)):
        inputs = keras.Input((*shape, 1))
        size = [min(n, 3) for n in shape]  # no border: the images are not copied
        y = keras.layers.Conv2D(4, size, activation="relu")(inputs)
        model = keras.Model(inputs, keras.layers.Flatten()(y))
        images = random.random((7, *shape), "float32")
        predictor = Predictor(model, batch_size=7)
        if not quick:
            predictor._few = predictor._left = 0
        expected = predictor(np.array(images[..., None]))
        found = predictor(images[..., None])
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(predictor(images[2, ..., None]), found[2], atol=1e-6)


@pytest.fixture
def operations_of(monkeypatch):
    """Gives the names of the operations in the graph that torch makes of a network."""
    if keras.backend.backend() != "torch":
        pytest.skip("torch's graph")
    from kerasconv.compiled import torch_graph

    made, shorten = [], torch_graph.shorten

    def look(program):
        made.append(shorten(program))
        return made[-1]

    def names_of(model, images):
        answers = Predictor(model)(images)
        expected = to_numpy(model(images, training=False))
        np.testing.assert_allclose(answers, expected, rtol=1e-6, atol=1e-6)
        (program,) = made
        names = [str(node.target).partition(".")[2] for node in program.graph.nodes]
        return [name.partition(".")[0] for name in names if name]

    monkeypatch.setattr(torch_graph, "shorten", look)
    monkeypatch.setattr(predict, "_OF_STEPS", {})
    return names_of


def test_torch_neither_copies_images_nor_turns_weights_at_each_call(operations_of):
    names = operations_of(mnist_cnn(), np.zeros((8, 28, 28, 1), "float32"))
    assert {"conv2d", "max_pool2d", "matmul"} <= set(names)
    assert not {"contiguous", "to", "clone", "_assert_tensor_metadata"} & set(names)
    assert names.count("add") == 1, "the bias of the Dense layer alone"


def test_torch_gives_a_batch_normalisation_to_the_convolution_before_it(operations_of):
    layers, random = keras.layers, np.random.default_rng(8)
    model = keras.Sequential([keras.Input((12, 12, 2))])
    for filters in (4, 3):
        model.add(layers.Conv2D(filters, 3, use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(L2Pool(2))  # no step: the network goes as a graph
    model.set_weights([random.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    names = operations_of(model, random.normal(size=(8, 12, 12, 2)).astype("float32"))
    assert names.count("conv2d") == 2
    # The pools' own: the squares, and the sums along two axes.
    assert names.count("mul") == 2
    assert names.count("add") == 4
    assert not {"contiguous", "to", "sub", "subtract", "rsqrt"} & set(names)
    assert not any(name in ("mul_", "add_", "rsqrt_", "relu") for name in names)


def test_torch_runs_an_edge_layer_as_it_is_fast_without_a_compiler(operations_of):
    model = keras.Sequential([keras.Input((9, 9, 1)), SobelConv(output="magnitude")])
    names = operations_of(model, np.ones((4, 9, 9, 1), "float32"))
    assert names.count("concatenate") == 2, "a border an axis"


@pytest.mark.once
def test_what_is_no_chain_of_known_layers_is_not_rewritten():
    layers, x = keras.layers, keras.Input((8, 7, 2))
    conv = layers.Conv2D(2, 3, padding="same")
    told = layers.Dropout(0.5)
    half = layers.Conv2D(2, 3, dtype="float16")
    for y, known in [
        (conv(x), True),
        (layers.MaxPooling2D(2)(layers.Dropout(0.5)(conv(x))), True),
        (conv(conv(x)), True),
        (_residual(x), False),
        (told(x, training=True), False),
        (half(x), False),
        (layers.MaxPooling2D(2, padding="same")(x), False),
        (SobelConv(axis=0)(x), False),
        (keras.Sequential([keras.Input((8, 7, 2)), layers.Conv2D(2, 3)])(x), False),
    ]:
        model = keras.Model(x, y)
        assert (steps_of(model, model.get_weights()) is not None) == known, y


@pytest.mark.once
def test_batch_normalisation_and_dropout_cost_a_network_in_steps_nothing():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(2, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Flatten(),
        ]
    )
    kinds = [type(s).__name__ for s in steps_of(model, model.get_weights())]
    assert kinds == ["Convolve", "Activate", "Flatten"]


class Subclassed(keras.Model):
    def call(self, x):
        return x


@pytest.mark.once
@pytest.mark.parametrize(
    "model",
    [None, "mnist_cnn", keras.Sequential([keras.layers.Dense(3)]), Subclassed()],
)
@pytest.mark.parametrize("ask", [Predictor, lambda m: feature_maps(m, np.zeros((2,)))])
def test_what_is_no_built_model_is_told_what_is(ask, model):
    with pytest.raises(ValueError, match="must be a built Keras model"):
        ask(model)


@pytest.mark.once
@pytest.mark.parametrize("model", [None, 3, Subclassed()])
def test_a_reader_of_what_is_no_built_model_is_told_what_is(model):
    with pytest.raises(ValueError, match="must be a built Keras model"):
        Reader(model)
