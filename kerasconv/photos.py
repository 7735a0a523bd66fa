"""The former name of `kerasconv.pictures`."""

from kerasconv.pictures import *  # noqa: F403
