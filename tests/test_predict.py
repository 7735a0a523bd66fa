"""The compiled predictor: right for every number of images, from every thread."""

import threading

import numpy as np
import pytest

from kerasconv._keras import keras
from kerasconv.images import to_unit
from kerasconv.models import mnist_cnn
from kerasconv.predict import Predictor


@pytest.fixture(scope="module")
def model():
    return mnist_cnn()


@pytest.fixture(scope="module")
def expected(model, digits):
    return np.asarray(model.predict(digits[0], verbose=0))


@pytest.fixture(scope="module")
def predictor(model):
    return Predictor(model, batch_size=16)


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


def test_rows_are_probabilities(predictor, digits):
    answer = predictor(digits[0])
    assert (answer >= 0).all()
    np.testing.assert_allclose(answer.sum(1), 1, atol=1e-5)


def test_uint8_pixels_are_divided_by_255(predictor, digits):
    pixels = np.rint(digits[0] * 255).astype(np.uint8)
    np.testing.assert_allclose(predictor(pixels), predictor(digits[0]), atol=1e-6)
    np.testing.assert_array_equal(to_unit(pixels), digits[0])


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
    shapes = set()
    forward = predictor._forward
    monkeypatch.setattr(
        predictor, "_forward", lambda images: shapes.add(len(images)) or forward(images)
    )
    for n in (0, 1, 2, 5, 16, 17, 40):
        predictor(digits[0][:n])
    assert shapes == {1, 16}


def test_dropout_is_off(model, digits):
    predictor = Predictor(model)
    np.testing.assert_array_equal(predictor(digits[0]), predictor(digits[0]))


def test_eight_threads_get_right_answers(model, digits):
    # A fresh one, so that the threads race for its compilation too.
    predictor = Predictor(model, batch_size=16)
    truth = Predictor(model, batch_size=16)(digits[0])
    wrong, start = [], threading.Barrier(8)

    def work(offset):
        start.wait()
        for i in range(25):
            at = (offset * 7 + i) % 60
            n = (1, 4)[i % 2]
            try:
                answer = predictor(digits[0][at : at + n])
                if np.abs(answer - truth[at : at + n]).max() > 1e-5:
                    wrong.append((offset, i))
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_model_may_be_used_and_trained_further(digits):
    images, labels = digits
    model = mnist_cnn()
    predictor = Predictor(model)
    before = predictor(images)
    model.predict(images, verbose=0)
    if keras.backend.backend() in ("tensorflow", "jax", "torch"):
        model.compile("adam", loss="sparse_categorical_crossentropy")
        model.fit(images, labels, verbose=0)
        assert np.abs(Predictor(model)(images) - before).max() > 1e-6
    if keras.backend.backend() == "jax":  # elsewhere it follows the model
        np.testing.assert_array_equal(predictor(images), before)
    assert np.isfinite(predictor(images)).all()


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


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, None])
def test_a_batch_size_that_makes_no_sense_is_refused(model, batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be a positive int"):
        Predictor(model, batch_size=batch_size)


@pytest.mark.once
def test_a_model_of_two_inputs_or_unknown_size_is_refused():
    a, b = keras.Input((4,)), keras.Input((4,))
    two = keras.Model([a, b], keras.layers.Add()([a, b]))
    with pytest.raises(ValueError, match="one input and one output"):
        Predictor(two)
    x = keras.Input((None, None, 1))
    with pytest.raises(ValueError, match="known size"):
        Predictor(keras.Model(x, keras.layers.GlobalAveragePooling2D()(x)))
