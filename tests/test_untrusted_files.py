"""Files of unknown origin: whatever they hold, a model or one line, and nothing else.

`TROUBLE` names every kind of damage and malice that is tried, and what must be said
of it. While a file is loaded an audit hook watches for sockets, processes and writes.
"""

import contextlib
import hashlib
import importlib
import io
import json
import operator
import os
import pickle
import resource
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from contract import share

import kerasconv.kernels as classical
import kerasconv.layers as ours
from kerasconv import backends, cli, ops
from kerasconv._keras import keras
from kerasconv.errors import KerasconvError
from kerasconv.models import (
    cards,
    load_model,
    mnist_cnn,
    save_model,
    tensor_digests,
)
from kerasconv.untrusted import archive, hdf5, names, packing

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
TROUBLE = {}


def trouble(reason):
    """Enter a function that makes a bad file under its name, with what must be said."""

    def enter(make):
        TROUBLE[make.__name__] = make, reason
        return make

    return enter


class Kit:
    """A good file, and ways to damage it."""

    def __init__(self, folder, good, sealed):
        self.folder = folder
        self.path = folder / "model.keras"
        self.good = good
        self.sealed = sealed

    def write(self, data):
        self.path.write_bytes(data)
        return self.path

    def members(self):
        with zipfile.ZipFile(io.BytesIO(self.good)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def pack(self, members, compression=zipfile.ZIP_STORED):
        """Pack (name or ZipInfo, content) pairs or a dict of them."""
        pairs = members.items() if isinstance(members, dict) else members
        with zipfile.ZipFile(self.path, "w", compression) as archive:
            for name, content in pairs:
                archive.writestr(name, content)
        return self.path

    def with_member(self, name, content):
        return self.pack({**self.members(), name: content})

    def also(self, name, content=b""):
        return self.pack([*self.members().items(), (name, content)])

    def config(self, edit):
        config = json.loads(self.members()[CONFIG])
        return self.with_member(CONFIG, json.dumps(edit(config) or config))

    def layer(self, config=None, **others):
        """Add one more layer to the network."""

        def edit(whole):
            whole["config"]["layers"].append({"config": config, **others})

        return self.config(edit)

    def hdf5(self, edit, **options):
        """Rewrite the weights; `edit` gets the new file, a copy of the good one."""
        buffer = io.BytesIO()
        with (
            h5py.File(io.BytesIO(self.members()[WEIGHTS])) as old,
            h5py.File(buffer, "w", **options) as new,
        ):
            for name in old:
                old.copy(name, new)
            edit(new)
        return self.with_member(WEIGHTS, buffer.getvalue())

    def replace(self, **options):
        """Store the first kernel in another way."""

        def edit(file):
            value = file[KERNEL][()]
            del file[KERNEL]
            file.create_dataset(KERNEL, **{"data": value, **options})

        return self.hdf5(edit)

    def piece(self, content, shape=(3, 3, 1, 2), mask=0):
        """Store the first kernel as one piece of these bytes, shuffled and deflated."""

        def edit(file):
            del file[KERNEL]
            made = file.create_dataset(
                KERNEL, shape, "f4", chunks=shape, shuffle=True, compression=9
            )
            made.id.write_direct_chunk((0,) * len(shape), content, mask)

        return self.hdf5(edit)

    def bytes_of(self, edit):
        """Change the bytes of the weights' file."""
        data = bytearray(self.members()[WEIGHTS])
        return self.with_member(WEIGHTS, bytes(edit(data) or data))


KERNEL = "layers/conv2d/vars/0"


def small_model():
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(2, 3, activation="relu", name="conv2d"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Conv2D(2, 3, name="second"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(3, activation="softmax", name="dense"),
        ],
        name="small",
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of an ordinary file, as Keras saves it."""
    path = tmp_path_factory.mktemp("good") / "good.keras"
    small_model().save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """The bytes of a file that carries digests of its contents."""
    path = tmp_path_factory.mktemp("sealed") / "sealed.keras"
    save_model(small_model(), path)
    return path.read_bytes()


@pytest.fixture
def kit(tmp_path, good, sealed):
    return Kit(tmp_path, good, sealed)


# The place.


@trouble("does not exist")
def missing(kit):
    return kit.path


@trouble("is a folder")
def a_folder(kit):
    kit.path.mkdir()
    return kit.path


@trouble("cannot be read")
def a_link_to_nowhere(kit):
    kit.path.symlink_to(kit.folder / "nowhere")
    return kit.path


@trouble("cannot be read")
def a_link_to_itself(kit):
    kit.path.symlink_to(kit.path)
    return kit.path


@trouble("is a pipe or a device")
def a_pipe(kit):
    os.mkfifo(kit.path)
    return kit.path


@trouble("is a pipe or a device")
def a_link_to_a_device(kit):
    kit.path.symlink_to("/dev/zero")
    return kit.path


@trouble(r"the limit is 1,073,741,824")
def a_file_of_two_gigabytes(kit):
    kit.write(kit.good)
    os.truncate(kit.path, 2 << 30)  # sparse: it takes no room
    return kit.path


# The archive.


@trouble(r"not a whole \.keras archive")
def empty(kit):
    return kit.write(b"")


@trouble(r"not a whole \.keras archive")
def text(kit):
    return kit.write(b"not a model\n")


@trouble(r"not a whole \.keras archive")
def a_pickle_that_runs_code(kit):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {kit.folder}/pwned",)

    return kit.write(pickle.dumps(Bomb()))


@trouble(r"\.h5 file under another name")
def h5_in_disguise(kit):
    return kit.write(kit.members()[WEIGHTS])


@trouble(r"does not end in \.keras")
def h5_with_a_lambda(kit):
    path = kit.folder / "model.h5"
    path.write_bytes(kit.members()[WEIGHTS])
    return path


@trouble(r"not a whole \.keras archive")
def truncated_at_the_start(kit):
    return kit.write(kit.good[:40])


@trouble(r"not a whole \.keras archive")
def truncated_in_the_middle(kit):
    return kit.write(kit.good[: len(kit.good) // 2])


@trouble(r"not a whole \.keras archive")
def truncated_by_one_byte(kit):
    return kit.write(kit.good[:-1])


@trouble(r"not a whole \.keras archive")
def a_script_with_an_archive_behind(kit):
    return kit.write(b"#!/bin/sh\nexit\n" + kit.good)


@trouble(r"not a whole \.keras archive")
def an_archive_with_bytes_behind(kit):
    return kit.write(kit.good + b"\0" * 100)


@trouble("Bad CRC-32")
def one_changed_byte_of_the_weights(kit):
    data = bytearray(kit.good)
    data[data.index(b"\x89HDF") + 3000] ^= 1
    return kit.write(data)


@trouble("it must hold")
def a_program_beside_the_weights(kit):
    return kit.also("evil.py", b"import os")


@trouble("it must hold")
def a_member_outside_the_folder(kit):
    return kit.also("../../evil.py")


@trouble("it must hold")
def a_member_at_an_absolute_place(kit):
    return kit.also("/etc/cron.d/evil")


@trouble("it must hold")
def a_member_with_backslashes(kit):
    return kit.also("..\\..\\evil.py")


@trouble("it must hold")
def a_vocabulary_outside_the_folder(kit):
    return kit.also("assets/../../../vocabulary.txt")


@trouble("it must hold")
def an_asset_that_is_no_vocabulary(kit):
    return kit.also("assets/layers/model.pb")


@trouble("it must hold")
def no_weights(kit):
    return kit.pack({n: c for n, c in kit.members().items() if n != WEIGHTS})


@trouble("it must hold")
def weights_as_npz(kit):
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([print], dtype=object))
    members = kit.members()
    del members[WEIGHTS]
    return kit.pack({**members, "model.weights.npz": buffer.getvalue()})


@trouble("config.json twice")
def a_duplicate_member(kit):
    with pytest.warns(UserWarning, match="Duplicate"):
        return kit.also(CONFIG, b"{}")


@trouble("is encrypted")
def an_encrypted_member(kit):
    data = bytearray(kit.good)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.index(signature)
        data[at + offset] |= 1
    return kit.write(data)


@trouble("a link or a folder")
def a_member_that_is_a_link(kit):
    link = zipfile.ZipInfo(WEIGHTS)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    members = [(n, c) for n, c in kit.members().items() if n != WEIGHTS]
    return kit.pack([*members, (link, b"/etc/passwd")])


@trouble("it must hold")
def a_member_that_is_a_folder(kit):
    return kit.also("assets/")


@trouble("packed in an unusual way")
def a_member_packed_with_lzma(kit):
    return kit.pack(kit.members(), zipfile.ZIP_LZMA)


@trouble("packed in an unusual way")
def a_member_packed_with_bzip2(kit):
    return kit.pack(kit.members(), zipfile.ZIP_BZIP2)


@trouble("unpacks to 100,000,000 bytes")
def a_zip_bomb_in_the_configuration(kit):
    members = {**kit.members(), CONFIG: b" " * 100_000_000}
    return kit.pack(members, zipfile.ZIP_DEFLATED)


@trouble(r"unpacks to 50,000,000 bytes from \d+,\d+")
def a_zip_bomb_in_the_weights(kit):
    members = {**kit.members(), WEIGHTS: bytes(50_000_000)}
    return kit.pack(members, zipfile.ZIP_DEFLATED)


@trouble("unpacks to 4,000,000,000 bytes")
def a_member_that_lies_about_its_size(kit):
    data = bytearray(kit.good)
    at = data.index(b"PK\1\2")
    struct.pack_into("<I", data, at + 24, 4_000_000_000)
    return kit.write(data)


@trouble("the limit is 1,000")
def ten_thousand_members(kit):
    names = [(f"assets/a{i}/vocabulary.txt", b"") for i in range(10_000)]
    return kit.pack([*kit.members().items(), *names])


@trouble("shares its bytes")
def members_that_overlap(kit):
    # Both entries of the directory lead to the first member.
    data = bytearray(kit.good)
    first = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", first + 4)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    return kit.write(data)


# The configuration.


@trouble("do not parse")
def a_configuration_that_is_no_json(kit):
    return kit.with_member(CONFIG, b"{")


@trouble("do not parse")
def a_configuration_that_is_no_text(kit):
    return kit.with_member(CONFIG, b'{"class_name": "\xff\xfe"}')


@trouble("describes no model")
def a_configuration_that_is_a_list(kit):
    return kit.with_member(CONFIG, b"[1, 2]")


@trouble("describes no model")
def a_configuration_without_a_class(kit):
    return kit.with_member(CONFIG, b'{"config": {}}')


@trouble("what it holds is no model")
def a_configuration_of_a_single_layer(kit):
    layer = keras.saving.serialize_keras_object(keras.layers.ReLU())
    return kit.with_member(CONFIG, json.dumps(layer))


@trouble("do not parse")
def fifty_thousand_brackets(kit):
    return kit.with_member(CONFIG, b'{"class_name":' + b"[" * 50_000)


@trouble("nests deeper than 100")
def five_hundred_brackets(kit):
    def edit(config):
        deep = []
        for _ in range(500):
            deep = [deep]
        config["deep"] = deep

    return kit.config(edit)


@trouble("unpacks to")
def a_json_of_ten_megabytes(kit):
    return kit.with_member(CONFIG, b'{"a":[' + b"[],"[:3] * 3_333_333 + b"0]}")


@trouble("do not parse")
def a_number_of_ten_thousand_digits(kit):
    return kit.with_member(CONFIG, b'{"class_name": 1' + b"0" * 10_000 + b"}")


@trouble("is too large a number")
def a_number_beyond_64_bits(kit):
    return kit.config(lambda config: config["config"].update(units=1 << 63))


@trouble("calls of them are more than 3,000")
def thirty_thousand_layers(kit):
    layer = {"module": "keras.layers", "class_name": "ReLU", "config": {}}
    return kit.config(lambda c: c["config"]["layers"].extend([layer] * 30_000))


@trouble("its contents do not parse")
def broken_metadata(kit):
    return kit.with_member(METADATA, b"nonsense")


def lambda_layer(kit):
    code = f"lambda x: __import__('os').system('touch {kit.folder}/pwned') or x"
    layer = keras.layers.Lambda(eval(code), output_shape=(3,), name="evil")
    return keras.saving.serialize_keras_object(layer)


@trouble("Lambda, which can run code")
def a_lambda(kit):
    return kit.layer(**lambda_layer(kit))


@trouble("Lambda, which can run code")
def a_lambda_by_its_inner_name(kit):
    module = "keras.src.layers.core.lambda_layer"
    return kit.layer(**{**lambda_layer(kit), "module": module})


@trouble("Lambda, which can run code")
def a_lambda_in_a_wrapper(kit):
    return kit.layer(
        {"name": "each", "layer": lambda_layer(kit)},
        module="keras.layers",
        class_name="TimeDistributed",
    )


@trouble("Lambda, which can run code")
def a_lambda_in_a_nested_model(kit):
    nested = json.loads(kit.members()[CONFIG])
    nested["config"]["layers"].append(lambda_layer(kit))
    return kit.layer(**nested)


@trouble("Lambda, which can run code")
def a_lambda_in_how_it_was_compiled(kit):
    return kit.config(
        lambda config: config.update(compile_config={"loss": lambda_layer(kit)})
    )


@trouble("it holds layers .Evil, which can run code")
def a_name_that_colours_the_terminal(kit):
    return kit.layer(module="\x1b[31mlayers\n", class_name="Evil")


@trouble("__lambda__, which can run code")
def a_bare_lambda_as_an_activation(kit):
    evil = keras.saving.serialize_keras_object(lambda x: os.system("true"))

    def edit(config):
        config["config"]["layers"][1]["config"]["activation"] = evil

    return kit.config(edit)


@trouble("torch_adam.ops, which can run code")
def a_module_of_the_torch_optimizers_as_a_layer(kit):
    return kit.layer(
        {}, module="keras.src.backend.torch.optimizers.torch_adam", class_name="ops"
    )


@trouble("TFSMLayer, which can run code")
def a_saved_model_of_tensorflow(kit):
    return kit.layer(
        {"filepath": "http://127.0.0.1/evil", "call_endpoint": "serve"},
        module="keras.layers",
        class_name="TFSMLayer",
    )


@trouble("TorchModuleWrapper, which can run code")
def a_module_of_torch(kit):
    return kit.layer(
        {"module": "gAN9cQAu", "name": "evil"},
        module="keras.layers",
        class_name="TorchModuleWrapper",
    )


@trouble("JaxLayer, which can run code")
def a_function_of_jax(kit):
    return kit.layer({}, module="keras.layers", class_name="JaxLayer")


@trouble("FlaxLayer, which can run code")
def a_module_of_flax(kit):
    return kit.layer({}, module="keras.layers", class_name="FlaxLayer")


@trouble("os.system, which can run code")
def a_function_of_the_system(kit):
    return kit.layer({}, module="os", class_name="system")


@trouble("builtins.eval, which can run code")
def a_builtin(kit):
    return kit.layer({"source": "1"}, module="builtins", class_name="eval")


@trouble("mine.Layer, which can run code")
def a_class_of_somebodys_own(kit):
    return kit.layer(
        {}, module="mine", class_name="Layer", registered_name="mine>Layer"
    )


@trouble("registered as 'evil>Conv2D'")
def a_class_of_keras_registered_as_anothers(kit):
    return kit.layer(
        {},
        module="keras.layers",
        class_name="Conv2D",
        registered_name="evil>Conv2D",
    )


@trouble("registered as 'kerasconv>L2Pool'")
def a_class_of_keras_registered_as_ours(kit):
    return kit.layer(
        {},
        module="keras.layers",
        class_name="Dense",
        registered_name="kerasconv>L2Pool",
    )


@trouble("registered as 'kerasconv>L2Pool'")
def a_class_of_ours_registered_as_another(kit):
    return kit.layer(
        {},
        module="kerasconv.layers",
        class_name="SobelConv",
        registered_name="kerasconv>L2Pool",
    )


@trouble("kerasconv.cli.system, which can run code")
def a_class_that_we_do_not_have(kit):
    return kit.layer(
        {},
        module="kerasconv.cli",
        class_name="system",
        registered_name="kerasconv>system",
    )


@trouble("keras.layers.Nonsense, which can run code")
def a_class_that_keras_does_not_have(kit):
    return kit.layer({}, module="keras.layers", class_name="Nonsense")


@trouble("keras.losses.nonsense, which can run code")
def a_loss_that_keras_does_not_have(kit):
    return kit.layer({}, module="keras.losses", class_name="nonsense")


@trouble("keras.utils.get_file, which can run code")
def a_download_as_a_layer(kit):
    return kit.layer(
        {"fname": "x", "origin": "http://127.0.0.1/x"},
        module="keras.utils",
        class_name="get_file",
    )


@trouble("enable_unsafe_deserialization, which can run code")
def a_setting_of_keras_as_a_layer(kit):
    return kit.layer(
        {}, module="keras.config", class_name="enable_unsafe_deserialization"
    )


@trouble("calls of them are more than 3,000")
def a_split_into_a_million_parts(kit):
    return kit.layer(
        {"indices_or_sections": 1_000_000, "axis": 1},
        module="keras.src.ops.numpy",
        class_name="Split",
    )


@trouble("Unstack, which can run code")
def an_operation_that_makes_a_tensor_for_every_row(kit):
    return kit.layer({}, module="keras.src.ops.core", class_name="Unstack")


@trouble("Map, which can run code")
def an_operation_that_calls_a_function(kit):
    return kit.layer({}, module="keras.src.ops.core", class_name="Map")


def activation(kit, function):
    def edit(config):
        config["config"]["layers"][1]["config"]["activation"] = {
            "class_name": "function",
            "registered_name": "function",
            **function,
        }

    return kit.config(edit)


@trouble("the function os.system, which can run code")
def a_function_of_another_module(kit):
    return activation(kit, {"module": "os", "config": "system"})


@trouble("the function builtins.system, which can run code")
def a_function_that_keras_does_not_have(kit):
    return activation(kit, {"module": "builtins", "config": "system"})


@trouble("the function builtins.deserialize, which can run code")
def a_function_of_keras_that_builds_anything(kit):
    return activation(kit, {"module": "builtins", "config": "deserialize"})


@trouble("__typespec__, which can run code")
def a_type_of_tensorflow(kit):
    return kit.config(
        lambda c: c.update(x={"class_name": "__typespec__", "config": []})
    )


@trouble("array of the type 'object'")
def an_array_of_objects(kit):
    array = {"class_name": "__numpy__", "config": {"value": [1], "dtype": "object"}}
    return kit.config(lambda config: config.update(x=array))


@trouble("array of the type 'S1000000000'")
def an_array_of_long_texts(kit):
    array = {"value": ["a"] * 9, "dtype": "S1000000000"}
    return kit.config(
        lambda config: config.update(x={"class_name": "__numpy__", "config": array})
    )


@trouble("reads its vocabulary from another file")
def a_vocabulary_in_another_file(kit):
    return kit.layer(
        {"vocabulary": "/etc/passwd"},
        module="keras.layers",
        class_name="StringLookup",
    )


@trouble("do not fit one another")
def a_dense_layer_of_eight_terabytes(kit):
    def edit(config):
        dense = config["config"]["layers"][-1]
        dense["config"]["units"] = 1_000_000_000_000

    return kit.config(edit)


@trouble("cannot be loaded: .*incompatible")
def a_convolution_of_900_megabytes(kit):
    def edit(config):
        config["config"]["layers"][1]["config"]["filters"] = 25_000_000

    return kit.config(edit)


@trouble("do not fit one another")
def one_more_layer_than_is_stored(kit):
    dense = keras.saving.serialize_keras_object(keras.layers.Dense(9, name="more"))
    return kit.layer(**dense)


@trouble("num_oov_indices of 1,000,000,000")
def a_lookup_with_a_list_of_eight_gigabytes(kit):
    return kit.layer(
        {"num_oov_indices": 1_000_000_000, "vocabulary": ["a"]},
        module="keras.layers",
        class_name="StringLookup",
    )


@trouble("input_shape of 60,000,000 elements")
def a_normalization_of_500_megabytes(kit):
    return kit.layer(
        {"mean": 0.0, "variance": 1.0},
        module="keras.layers",
        class_name="Normalization",
        build_config={"input_shape": [None, 60_000_000]},
    )


@trouble("batch_shape of 10,000,000,000 elements")
def an_input_of_ten_billion_pixels(kit):
    def edit(config):
        shape = [None, 100_000, 100_000, 1]
        config["config"]["layers"][0]["config"]["batch_shape"] = shape

    return kit.config(edit)


def first_layer(kit, *layers):
    """Put layers before all others of the network."""

    def edit(config):
        config["config"]["layers"][1:1] = layers

    return kit.config(edit)


def our_layer(name, config, shape, number=0):
    return {
        "module": "kerasconv.layers",
        "class_name": name,
        "registered_name": f"kerasconv>{name}",
        "config": {"name": f"ours{number}", **config},
        "build_config": {"input_shape": shape},
    }


COMPUTED = "layers compute take more than 1,048,576 numbers"
IMAGE = [None, 6, 6, 1]


def computes(name, layer, shape=IMAGE, **config):
    """Enter a layer that computes too much from its arguments under a name."""

    def make(kit):
        return first_layer(kit, our_layer(layer, config, shape))

    TROUBLE[name] = make, COMPUTED


SAME = {"padding": "same"}
computes(
    "a_gaussian_pool", "WeightedPool", pool_size=20_001, weights="gaussian", **SAME
)
computes("a_distance_pool", "WeightedPool", pool_size=6001, weights="inverse_distance")
computes("a_binomial_pool", "WeightedPool", pool_size=[1_000_000, 2], **SAME)
computes("a_learned_pool", "WeightedPool", pool_size=20_001, weights="learned")
computes("an_l2_pool", "L2Pool", pool_size=20_001, **SAME)
computes("an_lp_pool", "LpPool", pool_size=[1, 2_000_000], p=3, **SAME)
computes("a_sobel_kernel", "SobelConv", kernel_size=99_999)
computes("a_kernel_of_a_false_rank", "SobelConv", [None, 6, 1], kernel_size=9_999_999)
computes("a_kernel_of_rank_3", "PrewittConv", [None, 6, 6, 6, 1], kernel_size=201)
computes("a_dilated_kernel", "FixedConv", kernels=[[1, 1]], dilation_rate=10**9)
computes("a_dilated_convolution", "LearnedConv", filters=1, dilation_rate=10**9, **SAME)
computes(
    "fixed_filters_for_false_channels",
    "LearnedConv",
    [None, 6, 6, 400_000],
    filters=1,
    fixed_filters=[[1, 1, 1]] * 3,
)


@trouble(COMPUTED)
def many_layers_that_each_compute_a_kernel(kit):
    return first_layer(
        kit,
        *(
            our_layer("PrewittConv", {"kernel_size": 301 + 2 * i}, IMAGE, i)
            for i in range(30)
        ),
    )


@trouble("binomial weights are beyond the range of float64")
def a_binomial_of_twenty_thousand(kit):
    config = {"kernel_size": 20_001, "rank": 1}
    return first_layer(kit, our_layer("SobelConv", config, [None, 6, 1]))


def operation(kit, name, **arguments):
    """A model of one operation of ours."""
    x = keras.Input((6, 6, 1), name="x")
    model = keras.Model(x, ops.WindowOperation(name, name="step")(x, **arguments))
    model.save(kit.path)
    kit.good = kit.path.read_bytes()
    return kit


def computing_operation(name, **arguments):
    def make(kit):
        few = {key: [[1]] if key == "kernels" else 3 for key in arguments}
        operation(kit, name, **few)

        def edit(config):
            node = config["config"]["layers"][1]["inbound_nodes"][0]
            node["kwargs"].update(arguments)

        return kit.config(edit)

    TROUBLE[f"an_operation_{name}"] = make, COMPUTED


computing_operation("sobel", kernel_size=20_001)
computing_operation("prewitt", kernel_size=20_001)
computing_operation("weighted_pool", pool_size=20_001)
computing_operation("l2_pool", pool_size=2001)
computing_operation("fixed_conv", kernels=[[1, 1]], dilation_rate=10**9)


@trouble("calls of them are more than 3,000")
def a_stack_of_layers_that_each_double_the_one_within(kit):
    inner = {"module": "keras.layers", "class_name": "LSTM", "config": {"units": 2}}
    for _ in range(18):
        config = {"layer": inner}
        inner = {**inner, "class_name": "Bidirectional", "config": config}
    return kit.layer(**inner)


def relu(name, source):
    tensor = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [4], "dtype": "float32", "keras_history": [source, 0, 0]},
    }
    return {
        "module": "keras.layers",
        "class_name": "ReLU",
        "registered_name": None,
        "name": name,
        "config": {"name": name},
        "inbound_nodes": [{"args": [tensor], "kwargs": {}}],
    }


@trouble("not in the order of their calls")
def a_graph_in_reverse(kit):
    chain = [relu(f"r{i}", f"r{i - 1}" if i else "relu") for i in range(200)]
    return functional(kit, lambda c: c["config"]["layers"].extend(chain[::-1]))


@trouble("wait for one another in a loop")
def a_layer_that_waits_for_itself(kit):
    return functional(kit, lambda c: c["config"]["layers"].append(relu("r", "r")))


@trouble("a tensor from nowhere")
def a_call_that_is_counted_from_the_end(kit):
    layer = relu("r", "relu")
    tensor = layer["inbound_nodes"][0]["args"][0]
    tensor["config"]["keras_history"][1] = -1
    return functional(kit, lambda c: c["config"]["layers"].append(layer))


@trouble("more than 100,000 lists or 400,000 values")
def a_million_empty_lists(kit):
    return kit.with_member(CONFIG, b'{"class_name":[' + b"[]," * 1_000_000 + b"0]}")


@trouble("more than 100,000 lists or 400,000 values")
def a_million_numbers(kit):
    return kit.with_member(CONFIG, b'{"class_name":[' + b"1," * 1_000_000 + b"0]}")


@trouble("more than 100,000 lists or 400,000 values")
def a_million_empty_lists_of_metadata(kit):
    return kit.with_member(METADATA, b'{"a":[' + b"[]," * 1_000_000 + b"0]}")


@trouble("keras.losses.MeanSquaredError, which can run code")
def a_loss_as_a_layer(kit):
    return kit.layer({}, module="keras.losses", class_name="MeanSquaredError")


@trouble("torch_adam.Adam, which can run code")
def an_optimizer_of_torch_as_a_layer(kit):
    return kit.layer(
        {}, module="keras.src.backend.torch.optimizers.torch_adam", class_name="Adam"
    )


def compiled_with(kit, module, class_name):
    optimizer = {"module": module, "class_name": class_name, "config": {}}
    return kit.config(lambda c: c.update(compile_config={"optimizer": optimizer}))


@trouble("torch_parallel_optimizer.TorchParallelOptimizer, which can run code")
def compiled_with_what_is_no_optimizer_of_a_user(kit):
    module = "keras.src.backend.torch.optimizers.torch_parallel_optimizer"
    return compiled_with(kit, module, "TorchParallelOptimizer")


@trouble("torch_os.system, which can run code")
def compiled_with_a_module_of_a_similar_name(kit):
    return compiled_with(kit, "keras.src.backend.torch.optimizers.torch_os", "system")


@trouble("keras.layers.Dense, which can run code")
def compiled_with_a_layer(kit):
    return compiled_with(kit, "keras.layers", "Dense")


@trouble("the function builtins.mean_squared_error, which can run code")
def a_loss_as_an_activation(kit):
    return activation(kit, {"module": "builtins", "config": "mean_squared_error"})


def functional(kit, edit):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.ReLU(name="relu")(x))
    path = kit.folder / "functional.keras"
    model.save(path)
    kit.good = path.read_bytes()
    return kit.config(edit)


@trouble("called on no tensor")
def an_operation_on_constants(kit):
    def edit(config):
        config["config"]["layers"].append(
            {
                "module": "keras.src.ops.numpy",
                "class_name": "BroadcastTo",
                "config": {"name": "b", "shape": [9]},
                "registered_name": "BroadcastTo",
                "name": "b",
                "inbound_nodes": [{"args": [[1.0]], "kwargs": {}}],
            }
        )

    return functional(kit, edit)


@trouble("wait for one another in a loop")
def a_graph_with_a_loop(kit):
    def edit(config):
        node = config["config"]["layers"][1]["inbound_nodes"][0]
        node["args"][0]["config"]["keras_history"][0] = "relu"

    return functional(kit, edit)


@trouble("wait for one another in a loop")
def a_graph_with_a_layer_missing(kit):
    return functional(kit, lambda config: config["config"]["layers"].pop(0) and None)


@trouble("cannot be loaded: .*activation")
def an_activation_that_keras_does_not_have(kit):
    def edit(config):
        config["config"]["layers"][1]["config"]["activation"] = "__import__('os')"

    return kit.config(edit)


@trouble("cannot be loaded")
def a_layer_without_its_arguments(kit):
    return kit.layer({}, module="keras.layers", class_name="Dense")


# The weights.


@trouble("it is no HDF5 file")
def weights_that_are_no_hdf5(kit):
    return kit.with_member(WEIGHTS, b"weights" * 100)


@trouble("its length is not the one it states")
def weights_cut_short(kit):
    return kit.bytes_of(lambda data: data[:-100])


@trouble("links of the newer kind")
def an_external_link(kit):
    secret = kit.folder / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.zeros((3, 3, 1, 2), "f4")

    def edit(file):
        del file[KERNEL]
        file[KERNEL] = h5py.ExternalLink(str(secret), "/data")

    return kit.hdf5(edit)


@trouble("a soft link")
def a_soft_link(kit):
    def edit(file):
        del file[KERNEL]
        file[KERNEL] = h5py.SoftLink("/layers/conv2d_1/vars/0")

    return kit.hdf5(edit)


@trouble("has 2 names")
def two_names_for_one_tensor(kit):
    def edit(file):
        del file["layers/conv2d_1/vars/1"]
        file["layers/conv2d_1/vars/1"] = file["layers/conv2d/vars/1"]

    return kit.hdf5(edit)


@trouble("has 2 names")
def a_group_within_itself(kit):
    def edit(file):
        file["layers/again"] = file["layers"]

    return kit.hdf5(edit)


@trouble("data kept in other files")
def external_storage(kit):
    secret = kit.folder / "secret.bin"
    secret.write_bytes(bytes(1000))
    return kit.replace(
        data=None, shape=(3, 3, 1, 2), dtype="f4", external=[(str(secret), 0, 72)]
    )


@trouble("stored in pieces")
def a_virtual_data_set(kit):
    def edit(file):
        layout = h5py.VirtualLayout((3, 3, 1, 2), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "data", (3, 3, 1, 2))
        del file[KERNEL]
        file.create_virtual_dataset(KERNEL, layout)

    return kit.hdf5(edit)


@trouble("compressed or filtered|stored in pieces")
def weights_compressed_with_gzip(kit):
    return kit.replace(compression="gzip")


@trouble("compressed or filtered|stored in pieces")
def weights_compressed_with_lzf(kit):
    return kit.replace(compression="lzf")


@trouble("compressed or filtered|stored in pieces")
def weights_shuffled(kit):
    return kit.replace(shuffle=True, chunks=(3, 3, 1, 2))


@trouble("compressed or filtered")
def weights_shuffled_and_then_checked(kit):
    return kit.replace(shuffle=True, fletcher32=True)


@trouble("compressed or filtered")
def weights_shuffled_deflated_and_then_checked(kit):
    return kit.replace(shuffle=True, compression="gzip", fletcher32=True)


@trouble("is stored in pieces")
def weights_deflated_in_several_pieces(kit):
    return kit.replace(shuffle=True, compression="gzip", chunks=(3, 3, 1, 1))


@trouble("unpacks to 134,217,728 bytes, more than such a file may")
def a_tensor_that_is_a_bomb(kit):
    return kit.piece(zlib.compress(bytes(1 << 27), 9), (1 << 25,))


@trouble("more than such a file may")
def tensors_that_are_a_bomb_together(kit):
    zeros = zlib.compress(bytes(1 << 19), 9)

    def edit(file):
        for i in range(200):
            shape = (1 << 17,)
            made = file.create_dataset(
                f"x/{i}", shape, "f4", chunks=shape, shuffle=True, compression=9
            )
            made.id.write_direct_chunk((0,), zeros)

    return kit.hdf5(edit)


@trouble("does not unpack to 72 bytes")
def a_tensor_that_unpacks_to_less(kit):
    return kit.piece(zlib.compress(bytes(71)))


@trouble("does not unpack to 72 bytes")
def a_tensor_that_unpacks_to_more(kit):
    return kit.piece(zlib.compress(bytes(1 << 20)))


@trouble("does not unpack to 72 bytes")
def a_deflated_tensor_cut_short(kit):
    return kit.piece(zlib.compress(bytes(72))[:-1])


@trouble("does not unpack to 72 bytes")
def a_deflated_tensor_with_something_behind_it(kit):
    return kit.piece(zlib.compress(bytes(72)) + b"more")


@trouble("cannot be unpacked")
def a_tensor_that_was_never_deflated(kit):
    return kit.piece(bytes(72))


@trouble("cannot be unpacked")
def a_deflated_tensor_with_another_check_sum(kit):
    return kit.piece(zlib.compress(bytes(72))[:-1] + b"?")


@trouble("the place of layers/conv2d/vars/0 is damaged")
def a_tensor_that_left_out_a_filter(kit):
    return kit.piece(bytes(72), mask=1)


@trouble("points beyond its end")
def a_deflated_tensor_that_was_never_written(kit):
    return kit.replace(
        data=None, shape=(3, 3, 1, 2), dtype="f4", shuffle=True, compression="gzip"
    )


def moved_piece(kit, edit):
    """Change the numbers (size, mask, corner and address) of the only piece."""
    kit.good = kit.piece(zlib.compress(bytes(72))).read_bytes()

    def moved(data):
        at = data.index(b"TREE\1\0\1\0") + 24
        numbers = list(struct.unpack_from("<II6Q", data, at))
        edit(numbers)
        struct.pack_into("<II6Q", data, at, *numbers)

    return kit.bytes_of(moved)


@trouble("points beyond its end")
def a_piece_beyond_the_end(kit):
    return moved_piece(kit, lambda numbers: numbers.__setitem__(7, 1 << 40))


@trouble("points beyond its end")
def a_piece_that_goes_on_beyond_the_end(kit):
    return moved_piece(kit, lambda numbers: numbers.__setitem__(0, (1 << 32) - 1))


@trouble("the place of layers/conv2d/vars/0 is damaged")
def a_piece_from_another_corner(kit):
    return moved_piece(kit, lambda numbers: numbers.__setitem__(3, 3))


@trouble("share their bytes")
def two_tensors_from_one_piece(kit):
    """Both are deflated, and the index of the second leads to the first's bytes."""
    content = zlib.compress(bytes(72))

    def edit(file):
        for name in ("one", "two"):
            made = file.create_dataset(
                f"x/{name}", (18,), "f4", chunks=(18,), shuffle=True, compression=9
            )
            made.id.write_direct_chunk((0,), content)

    kit.good = kit.hdf5(edit).read_bytes()
    with h5py.File(io.BytesIO(kit.members()[WEIGHTS])) as file:
        one, two = (
            file[f"x/{n}"].id.get_chunk_info(0).byte_offset for n in ("one", "two")
        )
    here, there = struct.pack("<Q", one), struct.pack("<Q", two)
    return kit.bytes_of(lambda data: data.replace(there, here))


@trouble("stored in pieces|can grow")
def weights_that_can_grow(kit):
    return kit.replace(maxshape=(None, 3, 1, 2))


@trouble("stored in pieces|compressed or filtered")
def a_shape_bomb(kit):
    # A terabyte that is declared, compressed, and never written.
    return kit.replace(
        data=None, shape=(1 << 38,), dtype="f4", compression="gzip", chunks=(1 << 20,)
    )


@trouble("declared and not stored")
def a_tensor_that_was_never_written(kit):
    return kit.replace(data=None, shape=(1 << 38,), dtype="f4")


@trouble("references to objects")
def references_to_objects(kit):
    return kit.hdf5(
        lambda file: file.create_dataset(
            "layers/x", data=np.array([file["layers"].ref]), dtype=h5py.ref_dtype
        )
    )


@trouble("an attribute that is no text")
def a_reference_in_an_attribute(kit):
    def edit(file):
        file["layers"].attrs["x"] = file["layers"].ref

    return kit.hdf5(edit)


@trouble("holds text")
def text_for_numbers(kit):
    return kit.replace(data=["a", "b"], dtype=h5py.string_dtype())


@trouble("holds records")
def records_for_numbers(kit):
    return kit.replace(data=np.zeros(18, [("a", "f4"), ("b", "i4")]))


@trouble("numbers of an unusual kind")
def numbers_from_the_other_end(kit):
    return kit.replace(data=np.zeros((3, 3, 1, 2), ">f4"))


@trouble("does not store")
def whole_numbers_for_floats(kit):
    return kit.replace(data=np.zeros((3, 3, 1, 2), "i4"))


@trouble("do not fit one another")
def a_tensor_of_another_shape(kit):
    return kit.replace(data=np.zeros((3, 3, 2, 1), "f4"))


@trouble("do not fit one another")
def a_tensor_missing(kit):
    return kit.hdf5(lambda file: file.pop(KERNEL) and None)


@trouble("do not fit one another")
def two_layers_of_which_one_is_misnamed(kit):
    return kit.hdf5(lambda file: file.move("layers/conv2d_1", "layers/third"))


@trouble("do not fit one another")
def tensors_of_two_shapes_swapped(kit):
    def edit(file):
        file.move(KERNEL, "layers/x")
        file.move("layers/conv2d_1/vars/0", KERNEL)
        file.move("layers/x", "layers/conv2d_1/vars/0")

    return kit.hdf5(edit)


@trouble("share their bytes")
def tensors_that_share_their_bytes(kit):
    with h5py.File(io.BytesIO(kit.members()[WEIGHTS])) as file:
        here = struct.pack("<Q", file["layers/conv2d/vars/1"].id.get_offset())
        there = struct.pack("<Q", file["layers/conv2d_1/vars/1"].id.get_offset())
    return kit.bytes_of(lambda data: data.replace(there, here))


@trouble("points beyond its end")
def a_tensor_beyond_the_end(kit):
    with h5py.File(io.BytesIO(kit.members()[WEIGHTS])) as file:
        here = struct.pack("<Q", file[KERNEL].id.get_offset())
    return kit.bytes_of(lambda data: data.replace(here, struct.pack("<Q", 1 << 40)))


@trouble("nest deeper than 64|deeper")
def groups_a_hundred_deep(kit):
    return kit.hdf5(
        lambda file: file.create_dataset("/".join("g" * 100), data=np.zeros(3, "f4"))
    )


@trouble("of a kind that Keras does not write")
def weights_in_the_newest_form_of_hdf5(kit):
    return kit.hdf5(lambda file: None, libver="latest")


@trouble("no HDF5 file")
def weights_behind_a_user_block(kit):
    return kit.hdf5(lambda file: None, userblock_size=512)


@trouble("has more than 200,000 parts")
def headers_of_many_messages(kit):
    """Many headers, each of which goes on at the same thousand messages."""
    count = 250
    block = struct.pack("<HHB3x", 0, 0, 0) * 1000

    def message(kind, form, *values):
        content = struct.pack(form, *values)
        return struct.pack("<HHB3x", kind, len(content), 0) + content

    # An array of floats, and of none.
    array = message(0x01, "<BBB5xQ", 1, 1, 0, 0)
    array += message(0x03, "<4BIHHBBBBI", 0x11, 32, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127)
    array += message(0x08, "<BBQQ", 3, 1, 2**64 - 1, 0)
    names = b"".join(b"%08d" % i + bytes(8) for i in range(count))

    def edit(data):
        data += bytes(-len(data) % 8)
        messages = array + message(0x10, "<QQ", len(data), len(block))
        data += block
        start = struct.pack("<BBHIIxxxx", 1, 0, 1004, 1, len(messages))
        headers = [len(data) + i * len(start + messages) for i in range(count)]
        data += (start + messages) * count
        heap = len(data)
        data += b"HEAP" + bytes(4) + struct.pack("<QQQ", len(names), 0, heap + 32)
        data += names
        symbols = len(data)
        data += b"SNOD" + struct.pack("<BBH", 1, 0, count)
        for i, header in enumerate(headers):
            data += struct.pack("<QQI20x", 16 * i, header, 0)
        tree, none = len(data), 2**64 - 1
        data += b"TREE" + struct.pack("<BBHQQQQ", 0, 0, 1, none, none, 0, symbols)
        root = len(data)
        data += struct.pack("<BBHIIxxxx", 1, 0, 1, 1, 24)
        data += message(0x11, "<QQ", tree, heap)
        data[40:48] = struct.pack("<Q", len(data))
        data[64:72] = struct.pack("<Q", root)
        return data

    return kit.bytes_of(edit)


@trouble("a name of more than 1,000 letters")
def a_name_of_two_thousand_letters(kit):
    return kit.hdf5(
        lambda file: file.create_dataset("layers/" + "x" * 2000, data=np.zeros(3, "f4"))
    )


@trouble("layers/x is of shape")
def nothing_of_an_endless_shape(kit):
    shape = (0, 1 << 40, 1 << 40)
    return kit.replace(data=None, shape=(3, 3, 1, 2), dtype="f4") and kit.hdf5(
        lambda file: file.create_dataset("layers/x", shape=shape, dtype="f4")
    )


# Digests.


@trouble(r"its layers/conv2d/vars/0 is not the one that was saved")
def one_changed_weight_in_a_sealed_file(kit):
    kit.good = kit.sealed
    with h5py.File(io.BytesIO(kit.members()[WEIGHTS])) as file:
        at = file[KERNEL].id.get_offset()

    def edit(data):
        data[at] ^= 1

    return kit.bytes_of(edit)


@trouble("is not the one that was saved")
def two_tensors_of_one_shape_swapped_in_a_sealed_file(kit):
    kit.good = kit.sealed

    def edit(file):
        file.move("layers/batch_normalization/vars/0", "layers/x")
        file.move(
            "layers/batch_normalization/vars/1", "layers/batch_normalization/vars/0"
        )
        file.move("layers/x", "layers/batch_normalization/vars/1")

    return kit.hdf5(edit)


@trouble(r"its layers/dense/vars/0 is not the one that was saved")
def a_tensor_taken_out_of_a_sealed_file(kit):
    kit.good = kit.sealed
    return kit.hdf5(lambda file: file.pop("layers/dense/vars/0") and None)


@trouble(r"its layers/dense/vars/9 is not the one that was saved")
def a_tensor_put_into_a_sealed_file(kit):
    kit.good = kit.sealed
    more = np.zeros(3, "f4")
    return kit.hdf5(lambda file: file.create_dataset("layers/dense/vars/9", data=more))


@trouble(r"its config\.json is not the one that was saved")
def another_activation_in_a_sealed_file(kit):
    kit.good = kit.sealed

    def edit(config):
        config["config"]["layers"][1]["config"]["activation"] = "tanh"

    return kit.config(edit)


@trouble("digests in its metadata.json are damaged")
def broken_digests(kit):
    return kit.with_member(METADATA, b'{"kerasconv": {"sha256": 3}}')


def card_for(kit, data):
    """Write the card of a good file beside a bad one."""
    kit.write(kit.good)
    tensors = tensor_digests(kit.path)
    lines = [f'sha256 = "{hashlib.sha256(kit.good).hexdigest()}"', "[tensors]"]
    lines += [f'"{name}" = "{digest}"' for name, digest in tensors.items()]
    kit.path.with_suffix(".toml").write_text("\n".join(lines))
    return kit.write(data) if isinstance(data, bytes) else data()


@trouble(r"card .*model\.toml beside it describes: its layers/conv2d/vars/0 differs")
def another_tensor_than_the_cards(kit):
    return card_for(kit, lambda: kit.replace(data=np.ones((3, 3, 1, 2), "f4")))


@trouble(r"describes: its config\.json or metadata\.json differs")
def another_configuration_than_the_cards(kit):
    return card_for(
        kit, lambda: kit.config(lambda config: config["config"].update(name="other"))
    )


@trouble(r"describes: its config\.json or metadata\.json differs")
def a_sealed_file_without_its_seal_beside_its_card(kit):
    kit.good = kit.sealed
    return card_for(kit, lambda: unsealed(kit))


def unsealed(kit):
    metadata = json.loads(kit.members()[METADATA])
    del metadata["kerasconv"]
    return kit.with_member(METADATA, json.dumps(metadata))


@trouble("it has a line of more than 50 dots")
def a_card_of_one_dotted_key(kit):
    kit.path.with_suffix(".toml").write_text("a." * 30_000 + "a = 1")
    return kit.write(kit.good)


@trouble("it takes more than 65,536 bytes")
def a_card_of_a_hundred_kilobytes(kit):
    kit.path.with_suffix(".toml").write_text("#" * 100_000)
    return kit.write(kit.good)


@trouble(r"the card .*model\.toml beside it cannot be read")
def a_broken_card(kit):
    kit.path.with_suffix(".toml").write_text("sha256 = ")
    return kit.write(kit.good)


# What must not happen meanwhile.

_HANDS_OFF = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_")
_HANDS_OFF += ("os.spawn", "os.startfile", "pty.", "urllib.", "ftplib.", "webbrowser.")
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink")
_CHANGES += ("os.truncate", "os.chmod", "os.chown", "shutil.")


class Watch:
    """An audit hook, which Python cannot take out again, with a switch."""

    def __init__(self):
        self.allowed = None
        self.seen = []
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if self.allowed is None:
            return
        if event.startswith(_HANDS_OFF):
            self.seen.append((event, arguments))
        elif event == "open":
            path, _, flags = arguments
            writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            if flags & writing and not self.is_allowed(path):
                self.seen.append((event, arguments))
        elif event.startswith(_CHANGES) and not self.is_allowed(*arguments):
            self.seen.append((event, arguments))

    def is_allowed(self, path, *others):
        if isinstance(path, str) and not os.path.isabs(path) and others:
            # Relative to a folder that is open.
            path = os.path.join(os.readlink(f"/proc/self/fd/{others[-1]}"), path)
        # A file that is open already was allowed, or seen, when it was opened.
        # What JAX compiles is kept where the test run says, if it is kept at all.
        places = self.allowed, os.environ.get("JAX_COMPILATION_CACHE_DIR", self.allowed)
        return isinstance(path, int) or os.fsdecode(path).startswith(places)

    @contextlib.contextmanager
    def on(self, folder):
        self.allowed, self.seen = os.fspath(folder), []
        try:
            yield
        finally:
            self.allowed = None
        assert not self.seen


@pytest.fixture(scope="module")
def watch():
    return Watch()


@pytest.fixture
def watched(watch, tmp_path, monkeypatch):
    """A context in which only a temporary folder may change, and is empty after it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    @contextlib.contextmanager
    def watched():
        before = settings()
        with watch.on(temporary):
            yield
        assert settings() == before
        # TensorFlow's autograph takes its own away when the process ends.
        left = [path.name for path in temporary.iterdir()]
        assert not [name for name in left if not name.startswith("__autograph_")]
        assert not (tmp_path / "pwned").exists()

    return watched


def settings():
    """What Keras keeps for a whole program."""
    from keras.src.saving.serialization_lib import in_safe_mode

    return (
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
        in_safe_mode(),
        set(keras.saving.get_custom_objects()),
        np.geterr(),
        sys.getrecursionlimit(),
    )


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.once
@pytest.mark.parametrize("name", TROUBLE)
def test_a_bad_file_is_refused_with_one_line_and_nothing_else_happens(
    name, kit, watched
):
    make, reason = TROUBLE[name]
    path = make(kit)
    peak = peak_megabytes()
    with (
        watched(),
        pytest.raises(KerasconvError, match=reason) as caught,
    ):
        load_model(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.isprintable()
    assert len(message) < 600 + 3 * len(str(path))
    assert peak_megabytes() - peak < 200


@pytest.mark.once
def test_the_table_is_long_enough():
    assert len(TROUBLE) >= 100


@pytest.mark.once
def test_the_watch_sees_what_it_shall(watch, tmp_path):
    import socket

    def opens_a_socket():
        socket.socket().close()

    def runs_a_process():
        subprocess.run(["true"], check=True)

    def writes_elsewhere():
        (tmp_path / "elsewhere").write_text("")

    def removes_elsewhere():
        (tmp_path / "elsewhere").unlink()

    for act in (opens_a_socket, runs_a_process, writes_elsewhere, removes_elsewhere):
        with pytest.raises(AssertionError), watch.on(tmp_path / "temporary"):
            act()
    with watch.on(tmp_path):
        writes_elsewhere()


# What runs code: it calls a function that it is given, or loads a program.
RUNS_CODE = {
    "keras.layers": "FlaxLayer JaxLayer Lambda TFSMLayer TorchModuleWrapper",
    "keras.quantizers": "AWQConfig GPTQConfig",
    "keras.src.ops.core": "AssociativeScan Cond ForiLoop Map Scan Switch "
    "Unstack VectorizedMap WhileLoop",
    "keras.src.ops.linalg": "JVP",
    "keras.dtype_policies": "AWQDTypePolicy GPTQDTypePolicy",
}
# What others derive from, and what only they hold.
BASES = """
Constraint Initializer InputSpec Layer LearningRateSchedule Loss Metric Optimizer
OptimizerMap QuantizationConfig Quantizer Regularizer SegmentReduction Wrapper
"""


@pytest.mark.once
@pytest.mark.parametrize(
    "module",
    sorted(
        module
        for module in {**names.BUILT, **names.COMPILED}
        if module.count(".") < 3 or module.startswith("keras.src.ops.")
        if module.startswith("keras.") and module != "keras.random"
    ),
)
def test_every_class_of_keras_is_on_the_list_or_refused_on_purpose(module):
    if module.startswith("keras.src."):
        found = vars(importlib.import_module(module))
        own = {n for n, v in found.items() if getattr(v, "__module__", "") == module}
    else:
        found = vars(operator.attrgetter(module.partition(".")[2])(keras))
        own = set(found)
    # Without the older names of some: files hold the newer.
    classes = {n for n in own if isinstance(found[n], type) and found[n].__name__ == n}
    runs_code = set(RUNS_CODE.get(module, "").split())
    listed = names.BUILT.get(module, frozenset()) | names.COMPILED.get(module, set())
    assert not runs_code & listed
    unknown = classes - listed - runs_code - set(BASES.split())
    assert not unknown, "does it run code? then refuse it here, else list it"


@pytest.mark.once
def test_every_function_on_the_lists_is_keras_own():
    assert all(callable(getattr(keras.activations, n)) for n in names.ACTIVATIONS)
    for name in names.MEASURES:
        assert hasattr(keras.losses, name) or hasattr(keras.metrics, name)


@pytest.mark.once
def test_every_layer_of_ours_is_on_the_list():
    layers = {
        name
        for name, found in vars(ours).items()
        if name[0] != "_" and isinstance(found, type)
        if issubclass(found, keras.layers.Layer)
    }
    assert names.OURS["kerasconv.layers"] == layers - {"WindowLayer"}
    older = [n for m, n in names.OURS.items() if m.startswith("kerasconv.layers._")]
    assert frozenset.union(*older) == names.OURS["kerasconv.layers"]


@pytest.mark.once
def test_a_program_may_compute_what_a_file_may_not(kit):
    layer = ours.L2Pool(1025, strides=1, padding="same")
    layer.build(tuple(IMAGE))
    first_layer(kit, our_layer("L2Pool", layer.get_config(), IMAGE))
    with pytest.raises(KerasconvError, match=COMPUTED):
        load_model(kit.path)
    assert len(load_model(kit.path, trust=True).layers) == 6


@pytest.mark.once
def test_a_refused_kernel_is_not_computed(kit, monkeypatch):
    path, computed = TROUBLE["a_kernel_of_rank_3"][0](kit), []
    monkeypatch.setattr(classical, "_outer", lambda *given: computed.append(given))
    with pytest.raises(KerasconvError, match=COMPUTED):
        load_model(path)
    assert not computed


@pytest.mark.once
@pytest.mark.parametrize("seed", [-1, 1 << 62])
def test_a_seed_that_a_backend_does_not_hold_is_one_line(kit, seed):
    noise = our_layer("GaussianNoise", {"stddev": 0.1, "seed": seed}, IMAGE)
    first_layer(kit, {**noise, "module": "keras.layers", "registered_name": None})
    said = f"{kit.path}"
    try:
        load_model(kit.path)
    except KerasconvError as error:  # others hold it
        said = str(error)
    assert str(kit.path) in said
    assert said.isprintable()


@pytest.mark.once
def test_a_sequential_model_is_built_once_and_not_for_every_layer(kit, monkeypatch):
    relus = [keras.layers.ReLU(name=f"r{i}") for i in range(20)]
    sequential((4,), *relus).save(kit.path)
    built = []
    build = keras.Sequential.build
    monkeypatch.setattr(
        keras.Sequential, "build", lambda *args: built.append(1) or build(*args)
    )
    assert len(load_model(kit.path).layers) == 20
    assert len(built) == 1


@pytest.mark.once
def test_a_name_that_the_program_took_for_its_own_class_is_refused(kit, monkeypatch):
    kit.write(kit.good)
    load_model(kit.path)
    monkeypatch.setitem(keras.saving.get_custom_objects(), "Conv2D", int)
    with pytest.raises(KerasconvError, match="Conv2D, which can run code"):
        load_model(kit.path)


@pytest.mark.once
def test_trust_takes_what_the_list_refuses(kit):
    code = "lambda x: 2 * x"
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Lambda(eval(code), output_shape=(3,)),
        ]
    )
    model.save(kit.path)
    with pytest.raises(KerasconvError, match="`trust=True`"):
        load_model(kit.path)
    loaded = load_model(kit.path, trust=True)
    np.testing.assert_array_equal(loaded.predict(np.ones((1, 3)), verbose=0), 2)


@pytest.mark.once
@pytest.mark.parametrize("name", ["truncated_in_the_middle", "text", "a_pipe"])
def test_trust_does_not_take_what_is_broken(name, kit):
    make, reason = TROUBLE[name]
    with pytest.raises(KerasconvError, match=reason):
        load_model(make(kit), trust=True)


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    ["one_changed_weight_in_a_sealed_file", "another_tensor_than_the_cards"],
)
def test_trust_does_not_take_what_its_digests_deny(name, kit):
    make, reason = TROUBLE[name]
    with pytest.raises(KerasconvError, match=reason):
        load_model(make(kit), trust=True)


@pytest.mark.once
@pytest.mark.parametrize(
    "command", ["predict --model", "features --model", "kernels", "summary"]
)
def test_every_command_that_takes_a_path_has_trust(
    command, kit, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Lambda(eval("lambda x: x + 0"), output_shape=(28, 28, 1)),
            keras.layers.Conv2D(2, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.save(kit.path)
    name, *before = command.split()

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kerasconv", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr()

    status, printed = run(name, *before, str(kit.path))
    assert status == 1
    assert "Lambda, which can run code" in printed.err
    assert printed.err.count("\n") == 1
    status, printed = run(name, *before, str(kit.path), "--trust")
    assert status == 0, printed.err
    status, printed = run(name, "--help")
    assert "can run code" in " ".join(printed.out.split())


# Ordinary files.

layers = keras.layers


def sequential(shape, *parts, **options):
    return keras.Sequential([keras.Input(shape, **options), *parts])


def shared_and_branched():
    one, two = keras.Input((6,), name="one"), keras.Input((6,), name="two")
    shared = layers.Dense(4, name="shared")
    both = layers.Concatenate()([shared(one), shared(two)])
    return keras.Model([one, two], [layers.Dense(2)(both), layers.Dense(1)(both)])


def nested():
    inner = sequential((6, 6, 2), layers.Conv2D(3, 3), layers.BatchNormalization())
    x = keras.Input((6, 6, 2))
    middle = keras.Model(x, layers.ReLU()(inner(x)))
    return sequential((6, 6, 2), middle, layers.Flatten(), layers.Dense(2))


def operations():
    x = keras.Input((4, 3))
    y = keras.ops.relu(x[:, 1:] * 2.0 + 1.0)
    return keras.Model(x, keras.ops.mean(keras.activations.gelu(y), axis=1))


def with_attention():
    x = keras.Input((5, 8))
    y = layers.MultiHeadAttention(2, 4)(x, x)
    return keras.Model(x, layers.LayerNormalization()(layers.Add()([x, y])))


def grouped_attention():
    x = keras.Input((5, 8))
    return keras.Model(x, layers.GroupQueryAttention(4, 4, 2)(x, x))


def normalised():
    layer = layers.Normalization()
    layer.adapt(np.arange(24, dtype="float32").reshape(8, 3))
    return sequential((3,), layer, layers.Rescaling(0.5), layers.Dense(2))


def convolutions():
    return sequential(
        (9, 9, 2),
        layers.RandomFlip(),
        layers.ZeroPadding2D(1),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.SeparableConv2D(4, 3, depthwise_regularizer="l2"),
        layers.PReLU(),
        layers.GroupNormalization(2),
        layers.SpatialDropout2D(0.2),
        layers.Conv2DTranspose(2, 3, kernel_constraint=keras.constraints.MaxNorm(2)),
        layers.UpSampling2D(),
        layers.Resizing(6, 6),
        layers.GlobalAveragePooling2D(),
        layers.Reshape((2, 1)),
        layers.Permute((2, 1)),
        layers.Dense(3, activation="leaky_relu", kernel_initializer="he_normal"),
    )


def ours_all():
    return sequential(
        (12, 12, 2),
        ours.SobelConv(output="magnitude"),
        ours.LearnedConv(3, 3),
        ours.L2Pool(2),
        ours.WeightedPool(2),
        ours.PrewittConv(),
        layers.Flatten(),
        layers.Dense(2),
    )


def compiled():
    model = small_model()
    model.compile("adam", "mse", metrics=["mae", keras.metrics.AUC()])
    if keras.backend.backend() not in ("numpy", "openvino"):
        model.fit(np.zeros((4, 6, 6, 1)), np.zeros((4, 3)), verbose=0)
    return model


def with_policy(name):
    return lambda: sequential(
        (6, 6, 1),
        layers.Conv2D(2, 3, dtype=name),
        layers.Flatten(),
        layers.Dense(3, dtype=name),
    )


ORDINARY = {
    "sequential": small_model,
    "compiled and trained": compiled,
    "two inputs, two outputs, a shared layer": shared_and_branched,
    "models within models": nested,
    "operations": operations,
    "attention": with_attention,
    "normalisation": normalised,
    "many convolutions": convolutions,
    "layers of kerasconv": ours_all,
    "no weights": lambda: sequential((4,), layers.ReLU()),
    "the zoo's network": lambda: mnist_cnn(weights=None),
    "float16": with_policy("float16"),
    "mixed_float16": with_policy("mixed_float16"),
    "bfloat16": with_policy("bfloat16"),
    "float64": with_policy("float64"),
    "embedding and recurrence": lambda: sequential(
        (5,),
        layers.Embedding(9, 4),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        layers.GRU(3),
    ),
    "recurrent cells": lambda: sequential(
        (5, 3), layers.RNN([layers.GRUCell(2), layers.SimpleRNNCell(2)])
    ),
    "time distributed": lambda: sequential(
        (5, 3), layers.TimeDistributed(layers.Dense(2)), layers.Conv1D(2, 2)
    ),
    "three axes": lambda: sequential(
        (5, 5, 5, 1), layers.Conv3D(2, 2), layers.MaxPooling3D(2), layers.Flatten()
    ),
    "grouped attention": grouped_attention,
    "spectral normalisation": lambda: sequential(
        (4,),
        layers.SpectralNormalization(layers.Dense(3)),
        layers.EinsumDense("ab,bc->ac", output_shape=2, bias_axes="c"),
    ),
}


# Making some of them takes seconds on backends that compile: what reads files is the
# same code there, so they deal out among them those of the package and a few of Keras.
QUICK = ("numpy", "torch")
COMPILED = (
    *("sequential", "compiled and trained", "models within models", "operations"),
    *("layers of kerasconv", "no weights", "the zoo's network", "mixed_float16"),
)


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_file_loads_as_it_was_saved(name, tmp_path, watched, backend):
    if (
        backend not in QUICK
        and {*QUICK} & {*backends.installed()}
        and name not in share(COMPILED)
    ):
        pytest.skip("a backend that compiles nothing reads it")
    model = ORDINARY[name]()
    images = [
        keras.ops.convert_to_tensor(rng.integers(0, 5, (2, *x.shape[1:])), x.dtype)
        for rng, x in ((np.random.default_rng(0), x) for x in model.inputs)
    ]
    # Compiling every operation takes minutes on all of them; the same layers with the
    # same weights answer the same.
    asked = backend in QUICK or name in ("sequential", "layers of kerasconv")
    expected = answers(model, images) if asked else None
    for save in (model.save, lambda path: save_model(model, path)):
        path = tmp_path / "ordinary.keras"
        save(path)
        with watched():
            loaded = load_model(path)
        assert not loaded.compiled
        assert loaded.name == model.name
        assert list(map(type, loaded.layers)) == list(map(type, model.layers))
        for old, new in zip(model.weights, loaded.weights, strict=True):
            assert old.dtype == new.dtype
            np.testing.assert_array_equal(as_numpy(old), as_numpy(new))
        if expected is not None:
            for old, new in zip(expected, answers(loaded, images), strict=True):
                # OpenVINO does not add in the same order each time.
                np.testing.assert_allclose(old, new, rtol=1e-5, atol=1e-6)


def as_numpy(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def answers(model, images):
    """What a model answers, or None: not every backend has every operation."""
    try:
        found = model(images, training=False)
    except Exception:
        return None
    return [as_numpy(each) for each in keras.tree.flatten(found)]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="texts need TensorFlow"
)
@pytest.mark.parametrize("save", ["keras", "kerasconv"])
def test_vocabularies_travel(save, tmp_path):
    vectorize = layers.TextVectorization(output_mode="multi_hot")
    vectorize.adapt(["sharp edges", "soft edges"])
    x = keras.Input((1,), dtype="string")
    model = keras.Model(x, layers.Dense(2)(vectorize(x)))
    path = tmp_path / "texts.keras"
    model.save(path) if save == "keras" else save_model(model, path)
    texts = keras.ops.convert_to_tensor([["soft and sharp"]])
    np.testing.assert_array_equal(load_model(path)(texts), model(texts))


@pytest.mark.once
class TestDigests:
    def test_a_sealed_file_loads_in_plain_keras(self, kit):
        kit.write(kit.sealed)
        plain = keras.saving.load_model(kit.path)
        for old, new in zip(plain.weights, load_model(kit.path).weights, strict=True):
            np.testing.assert_array_equal(old, new)

    def test_tensor_digests_follow_type_shape_and_values(self, kit):
        kit.write(kit.good)
        first = tensor_digests(kit.path)
        assert set(first) >= {KERNEL, "layers/dense/vars/1"}
        assert tensor_digests(kit.path) == first
        with h5py.File(io.BytesIO(kit.members()[WEIGHTS])) as file:
            kernel = file[KERNEL][()]
        for changed in (
            kernel + 1,
            kernel.reshape(3, 3, 2, 1),
            kernel.view("i4"),
        ):
            kit.replace(data=changed)
            second = tensor_digests(kit.path)
            assert second.pop(KERNEL) != first[KERNEL]
            assert second.items() <= first.items()

    def test_a_file_that_is_its_cards_loads(self, kit):
        load_model(card_for(kit, kit.good))

    @pytest.mark.parametrize("trust", [False, True])
    def test_a_file_that_is_said_to_be_sealed_and_is_not_is_refused(self, kit, trust):
        kit.good = kit.sealed
        kit.write(kit.sealed)
        assert load_model(kit.path, trust, sealed=True).count_params() == 93
        metadata = json.loads(kit.members()[METADATA])
        for bare in ({}, {"kerasconv": None}):
            changed = {**metadata, **bare}
            if not bare:
                del changed["kerasconv"]
            kit.with_member(METADATA, json.dumps(changed))
            load_model(kit.path, trust)  # as any other
            with pytest.raises(KerasconvError, match=r"no digests .* took them off"):
                load_model(kit.path, trust, sealed=True)

    def test_a_repacked_file_is_not_its_cards_but_has_the_same_tensors(self, kit):
        packed = card_for(kit, lambda: kit.pack(kit.members(), zipfile.ZIP_DEFLATED))
        with pytest.raises(KerasconvError, match="differs"):
            load_model(packed)

    def test_a_table_of_something_else_beside_a_file_says_nothing(self, kit):
        kit.write(kit.good).with_suffix(".toml").write_text("[tool]\nx = 1\n")
        load_model(kit.path)

    def test_saving_elsewhere_than_in_a_keras_file_is_refused(self, tmp_path):
        with pytest.raises(KerasconvError, match=r"does not end in \.keras"):
            save_model(small_model(), tmp_path / "model.h5")


@pytest.mark.once
class TestHdf5:
    """Our reader says what the HDF5 library says."""

    @pytest.mark.parametrize("groups", [0, 1, 9, 300])
    def test_many_groups(self, groups):
        rng = np.random.default_rng(groups)
        buffer, expected = io.BytesIO(), {}
        with h5py.File(buffer, "w") as file:
            for i in range(groups):
                place = f"layers/dense_{i}/vars/{i % 3}"
                expected[place] = rng.standard_normal((i % 4, 3)).astype("f4")
                file[place] = expected[place]
                file[place].attrs["name"] = "x" * i
        found = hdf5.read_tensors(buffer.getvalue())
        assert set(found) == set(expected)
        for place in expected:
            np.testing.assert_array_equal(found[place], expected[place], strict=True)

    @pytest.mark.parametrize(
        "dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
    )
    @pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (2, 3, 4, 5, 6)])
    def test_every_type_and_shape(self, dtype, shape):
        rng = np.random.default_rng(0)
        value = rng.integers(0, 100, shape).astype(dtype)
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["x"] = value
        found = hdf5.read_tensors(buffer.getvalue())
        np.testing.assert_array_equal(found["x"], value, strict=True)

    def test_what_keras_does_not_write_is_refused(self):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            for name in ("aaaa", "bbbb"):
                file[name] = np.zeros(3, "f4")
            header = h5py.h5o.get_info(file["aaaa"].id).addr
        data = buffer.getvalue()
        with pytest.raises(hdf5.FormatError, match="holds aaaa twice"):
            hdf5.read_tensors(data.replace(b"bbbb", b"aaaa"))
        # Another driver's block would follow the addresses of root, heap and end.
        with pytest.raises(hdf5.FormatError, match="not the one it states"):
            hdf5.read_tensors(data[:48] + bytes(8) + data[56:])
        # A message that is shared lies elsewhere, and here is only its address.
        flags = header + 16 + 4
        assert data[flags] & 2 == 0
        shared = data[:flags] + bytes([data[flags] | 2]) + data[flags + 1 :]
        with pytest.raises(hdf5.FormatError, match="aaaa is described elsewhere"):
            hdf5.read_tensors(shared)


PACKED = {
    "ordinary weights": lambda rng: rng.normal(0, 0.05, (3, 3, 64, 32)).astype("f4"),
    "in half precision": lambda rng: rng.normal(0, 0.05, (99, 32)).astype("f2"),
    "in double precision": lambda rng: rng.normal(0, 0.05, (99, 32)).astype("f8"),
    "whole numbers": lambda rng: rng.integers(0, 9, (64, 64)).astype("i8"),
    "bytes": lambda rng: rng.integers(-9, 9, (64, 64)).astype("i1"),
    "bfloat16": lambda rng: np.repeat(rng.bytes(2000), 2).view("V2").reshape(-1, 5),
    "zeros for a half": lambda rng: np.repeat([0, rng.random()], 9999).astype("f4"),
    "every number": lambda rng: np.frombuffer(
        np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3e38] * 99, "f4").tobytes()
        + rng.bytes(40_000),
        "f4",
    ),
}


@pytest.mark.once
class TestPacking:
    @pytest.mark.parametrize("name", PACKED)
    def test_a_packed_tensor_is_the_same_bit_for_bit_and_smaller(self, name):
        tensor = PACKED[name](np.random.default_rng(0))
        small, large = (
            packing.hdf5_file({"a/b": tensor}, packed=packed)
            for packed in (True, False)
        )
        assert len(small) <= len(large) + 4096
        with h5py.File(io.BytesIO(small)) as file:
            theirs = file["a/b"][()]
        for found in (hdf5.read_tensors(small, 1 << 20)["a/b"], theirs):
            assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
            assert found.tobytes() == tensor.tobytes()

    @pytest.mark.parametrize("level", range(10))
    def test_what_the_hdf5_library_packed_is_read(self, level):
        tensor = np.random.default_rng(0).normal(0, 1, (9, 5, 3)).astype("f4")
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.create_dataset(
                "x", data=tensor, chunks=(9, 5, 3), shuffle=True, compression=level
            )
        found = hdf5.read_tensors(buffer.getvalue(), tensor.nbytes)["x"]
        np.testing.assert_array_equal(found, tensor, strict=True)
        with pytest.raises(hdf5.FormatError, match="more than such a file may"):
            hdf5.read_tensors(buffer.getvalue(), tensor.nbytes - 1)

    def test_a_zoo_file_takes_less_than_nine_tenths_of_its_numbers(self):
        for card in cards().values():
            numbers = sum(t.nbytes for t in archive.inspect(card.path).tensors.values())
            # The configuration and the digests are the rest.
            assert card.path.stat().st_size < 0.86 * numbers + 4000, card.path

    def test_plain_keras_loads_what_is_packed_with_its_optimizer(self, tmp_path):
        model = keras.Sequential([keras.Input((40,)), keras.layers.Dense(40)])
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
        model.optimizer.variables[2].assign(np.random.rand(40, 40))
        save_model(model, tmp_path / "mine.keras")
        again = keras.saving.load_model(tmp_path / "mine.keras")
        for old, new in zip(
            [*model.weights, *model.optimizer.variables],
            [*again.weights, *again.optimizer.variables],
            strict=True,
        ):
            np.testing.assert_array_equal(as_numpy(old), as_numpy(new))
        with zipfile.ZipFile(tmp_path / "mine.keras") as packed:
            (tmp_path / "mine.weights.h5").write_bytes(packed.read(WEIGHTS))
        fresh = keras.Sequential([keras.Input((40,)), keras.layers.Dense(40)])
        fresh.load_weights(tmp_path / "mine.weights.h5")
        for old, new in zip(model.weights, fresh.weights, strict=True):
            np.testing.assert_array_equal(as_numpy(old), as_numpy(new))

    @pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.5, 1])
    def test_weights_that_pack_too_well_are_no_bomb(self, share, tmp_path):
        model = keras.Sequential(
            [keras.Input((1000,)), keras.layers.Dense(1000), keras.layers.Dense(9)]
        )
        kernel = np.zeros(1_000_000, "f4")
        kernel[: int(share * kernel.size)] = 0.5
        kernel[:: max(1, int(1 / share) if share else kernel.size)] += 0.25
        model.layers[0].set_weights([kernel.reshape(1000, 1000), np.zeros(1000)])
        save_model(model, tmp_path / "zeros.keras")
        again = load_model(tmp_path / "zeros.keras", sealed=True)
        for old, new in zip(model.weights, again.weights, strict=True):
            np.testing.assert_array_equal(as_numpy(old), as_numpy(new))


@pytest.mark.once
def test_members_that_are_small_each_may_not_be_large_together(kit, monkeypatch):
    members = kit.members()
    # Half as large where it is packed: no bomb.
    members["assets/a/vocabulary.txt"] = np.random.default_rng(0).bytes(50_000).hex()
    kit.pack(members, zipfile.ZIP_DEFLATED)
    most = max(map(len, members.values()))
    assert kit.path.stat().st_size < most < sum(map(len, members.values()))
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", most)
    with pytest.raises(KerasconvError, match=r"inside it unpacks to [\d,]+ bytes;"):
        load_model(kit.path)


@pytest.mark.once
def test_three_hundred_mutations_never_give_wrong_weights_unnoticed():
    script = Path(__file__).parent / "fuzz" / "keras_files.py"
    done = subprocess.run(
        [sys.executable, script, "--count", "300", "--json"],
        env={**os.environ, "PYTHONPATH": str(script.parents[2])},
        capture_output=True,
        text=True,
    )
    # A crash of the process is an error as well.
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    outcomes = Counter()
    for key, count in found["tally"].items():
        base, _, outcome = key.split()
        outcomes[base, outcome] += count
    assert sum(outcomes.values()) == 300
    assert found["errors"] == []
    # Every base was loaded as well as refused: the mutations are no mere noise.
    assert {base for base, _ in outcomes} == {"zoo", "card", "sealed", "keras"}
    assert outcomes["sealed", "same"]
    assert outcomes["keras", "same"]
    assert outcomes["keras", "other"]
    assert found["slowest_seconds"] < 2
    assert found["largest_megabytes"] < 512


@pytest.mark.once
def test_what_a_model_was_compiled_with_is_read_over_and_not_built(kit):
    adam = {
        "module": "keras.src.backend.torch.optimizers.torch_adam",
        "class_name": "Adam",
        "config": {"nonsense": 1},
    }
    kit.config(lambda config: config.update(compile_config={"optimizer": adam}))
    assert not load_model(kit.path).compiled
