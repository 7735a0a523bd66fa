"""Keras, imported only once the backend is settled.

Every module of the package takes Keras from here (`from kerasconv._keras import
keras`): Keras fixes its backend at import, so the choice has to come first.
"""

from kerasconv import backends

with backends.settled():
    import keras

__all__ = ["keras"]
