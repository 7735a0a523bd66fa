"""Writes the animation of the live page that the README shows.

    python tests/play/picture.py

Chromium draws a digit on the page and looks into four layers; the frames become
`tutorials/_static/play.webp`, and the last one `play.png` for pages without JavaScript.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from kerasconv import play

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import chromium

TARGET = Path(__file__).resolve().parents[2] / "tutorials" / "_static"
SIZE = {"width": 1280, "height": 830}
WIDTH = 900

# The strokes of a 3, in shares of the pad.
STROKES = [(0.3, 0.25), (0.45, 0.18), (0.62, 0.22), (0.66, 0.34), (0.56, 0.45),
           (0.45, 0.49), (0.58, 0.52), (0.7, 0.62), (0.66, 0.76), (0.5, 0.83),
           (0.32, 0.79)]  # fmt: skip
LOOKS = ("layer=0&map=2&at=12,12", "layer=1&map=2&at=6,7", "layer=2&map=23&at=7,6",
         "layer=6&map=3")  # fmt: skip


def frames(tab):
    """Pictures of the page, and how long each shall stand (ms)."""

    def picture():
        shot = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
        height = round(shot.height * WIDTH / shot.width)
        return shot.resize((WIDTH, height), Image.Resampling.LANCZOS)

    tab.locator("#clear").click()
    box = tab.locator("#pad").bounding_box()
    for number, (x, y) in enumerate(STROKES):
        at = box["x"] + x * box["width"], box["y"] + y * box["height"]
        tab.mouse.move(*at, steps=4)
        if number == 0:
            tab.mouse.down()
        elif number % 2 == 0:
            yield picture(), 160
    tab.mouse.up()
    yield picture(), 900
    for look in LOOKS:
        tab.evaluate(f"location.hash = '#digit=18&{look}'")
        tab.wait_for_timeout(400)
        yield picture(), 1700


def main():
    """Write both pictures."""
    with tempfile.TemporaryDirectory() as folder, chromium.started() as browser:
        page = play.write(Path(folder) / "page")
        tab = browser.new_page(viewport=SIZE, color_scheme="dark")
        tab.goto(page.as_uri())
        tab.wait_for_function("document.body.dataset.ready")
        tab.locator("#score", has_text="64").wait_for()
        pictures, durations = zip(*frames(tab), strict=True)
    first, *rest = pictures
    first.save(TARGET / "play.webp", save_all=True, append_images=rest,
               duration=list(durations), loop=0, quality=60, method=6)  # fmt: skip
    still = pictures[-2].quantize(128)
    still.save(TARGET / "play.png", optimize=True)
    for name in ("play.webp", "play.png"):
        print(f"{name}: {(TARGET / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
