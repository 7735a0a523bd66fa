"""Networks rewritten for a backend, for `kerasconv.predict`: one file a backend.

`steps` reads a network as a chain of steps with their weights: batch normalisation is
folded into the convolution before it, dropout is gone. A backend's file makes of the
steps what is fastest there. A network that is no such chain has no steps, and is run
by its own layers instead (`layers`).
"""
