"""One line for whatever went wrong."""

import doctest

import pytest

from kerasconv import errors
from kerasconv.errors import one_line

pytestmark = pytest.mark.once


def test_the_example_of_the_docstring_runs():
    assert doctest.testmod(errors).attempted == 8
    assert doctest.testmod(errors).failed == 0


def test_any_white_space_becomes_one_space():
    assert one_line(ValueError(" a\n\t b\r\n")) == "a b"


def test_an_exception_without_a_message_gives_its_name():
    assert one_line(KeyError()) == "KeyError"
    assert one_line("") == ""


def test_terminal_colours_go_and_other_control_characters_are_seen():
    assert one_line("\x1b[1;31mred\x1b[0m \x1b]0;title\x07 \u202eleft") == (
        "red ?]0;title? ?left"
    )


def test_the_length_is_bounded_and_a_folder_can_be_left_out():
    assert len(one_line("x" * 10**6)) == 200
    assert len(one_line(10**6 * "y ", length=50)) == 50
    assert one_line("no file /tmp/x/a.onnx", "/tmp/x/") == "no file a.onnx"
