"""The site: Sphinx's configuration. `python -m kerasconv.docs` builds it.

Sphinx reads the pages where they lie in the checkout (its source folder is the
checkout, its configuration folder this one), so that a relative link means the same
on the site as in the files. What the benchmarks and the code say is put in while the
pages are read; nothing is copied by hand.
"""

import functools
import importlib
import json
import multiprocessing
import posixpath
import re
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

from jupyter_client.provisioning import local_provisioner
from nbclient import NotebookClient
from sphinx.util import inspect

import kerasconv
from kerasconv import play
from kerasconv.docs import ForkedKernel
from kerasconv.tutorials import list_tutorials

CHECKOUT = Path(__file__).resolve().parents[1]

project = "kerasconv"
author = "the kerasconv authors"
release = version = kerasconv.__version__
project_copyright = author
language = "en"

# ------------------------------------------------------------------- the pages

include_patterns = [
    "tutorials/[0-9]*.py",
    "tutorials/*.md",
    "models/*/README.md",
    "CONTRIBUTING.md",
]
exclude_patterns = [
    ".*",
    "kerasconv",
    "tests",
    # Of MathJax only what a page with formulas loads.
    "mathjax/*-full*",
    "mathjax/*mml-*",
    "mathjax/*svg*",
    "mathjax/output/svg",
    "mathjax/node-main.js",
    "mathjax/sre",
]
root_doc = "tutorials/index"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
suppress_warnings = ["config.cache"]  # the formats below hold a function's name

# --------------------------------------------------- Markdown and the tutorials

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_custom_formats = {".py": "kerasconv.docs.read_page"}
# Never from a cache: a page shows what this package computed at this build.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_show_tb = True  # as a warning, which is an error here
nb_execution_timeout = 600
# A kernel may take longer than nbclient's minute to start where much else runs.
NotebookClient.__init__ = functools.partialmethod(
    NotebookClient.__init__, startup_timeout=600
)
if "forkserver" in multiprocessing.get_all_start_methods():
    local_provisioner.launch_kernel = ForkedKernel
nb_merge_streams = True
nb_output_stderr = "remove"  # TensorFlow's, at import, which no setting silences
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"

# --------------------------------------------------------------------- the API

# Docstrings write `code` as Markdown does; where it is the name of something
# documented it becomes a link.
default_role = "py:obj"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Input shape", "Output shape"]
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

# -------------------------------------------------------------------- the look

html_theme = "furo"
html_title = "kerasconv"
html_static_path = [
    "_static",
    # MathJax and its fonts, which pages with formulas load from here.
    str(Path(find_spec("sphinx-mathjax-offline").origin).parent / "static"),
]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_favicon = "_static/icon.svg"
html_extra_path = ["_root"]
html_copy_source = False
html_show_sphinx = False
mathjax_path = "mathjax/tex-chtml.js"
copybutton_exclude = ".linenos, .gp, .go"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# ------------------------------------------------- what is written while reading

# The modules that the page shows, those that a reader looks for first in front.
API = (
    *("layers", "ops", "kernels", "models", "predict", "pictures", "digits", "data"),
    *("augmentation", "corruptions", "metrics", "training", "export", "testing"),
    *("batch", "plotting", "play", "tutorials", "backends", "errors"),
)


def api() -> str:
    """What the docstrings of the public modules say."""
    modules = [importlib.import_module(f"kerasconv.{name}") for name in API]
    return "\n".join(
        [
            *(
                f"- [{module.__name__}](#{module.__name__.replace('.', '')}): "
                f"{module.__doc__.splitlines()[0]}"
                for module in modules
            ),
            *(
                f"\n## {module.__name__}\n\n```{{eval-rst}}\n"
                f".. automodule:: {module.__name__}\n"
                "   :exclude-members: build, call, compute_output_shape, get_config, "
                # A recipe is described beside the architectures.
                f"operator{', Recipe' * (module.__name__ == 'kerasconv.training')}\n```"
                for module in modules
            ),
        ]
    )


def benchmarks() -> str:
    """All figures of every table."""
    render, sections = _render(), []
    for path in sorted(render.RESULTS.glob("*.json")):
        figures = json.loads(path.read_text())
        folder = f"/{path.parent.relative_to(CHECKOUT).as_posix()}/"
        table = render.rendered(figures, digest=False, folder=folder)
        sections.append(f"## {path.stem.capitalize()}\n\n{table}\n")
    return "\n".join(sections)


def tutorials() -> str:
    """The tutorials, in the order of reading."""
    return "\n".join(
        f"1. [{tutorial.title}]({tutorial.path.name}), {tutorial.minutes} minutes"
        for tutorial in list_tutorials()
    )


def _render():
    """The module that renders the tables of the benchmarks."""
    folder = str(CHECKOUT / "tests" / "benchmarks")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("render")


def fill(parts, app, docname, source) -> None:
    """Put every part in place of its `<!-- name -->`."""
    if docname.startswith("tutorials/"):
        for name, text in parts.items():
            source[0] = source[0].replace(f"<!-- {name} -->", text)
        # What the README says stands on the home page.
        source[0] = source[0].replace("](../README.md", "](index.md")


# Pages of the checkout that are parts of pages of the site.
HERE = {
    "/models/README.md": "/tutorials/zoo.md",
    "/tests/benchmarks/README.md": "/tutorials/benchmarks.md",
}


def seen_from_the_checkout(app, path, docname, source) -> None:
    """Let the links of an included page lead on from where it lies."""

    def link(found: re.Match) -> str:
        target = posixpath.normpath(f"/{path.parent.as_posix()}/{found[1]}")
        return f"]({HERE.get(target, target)}{found[2]})"

    source[0] = re.sub(r"\]\((?![a-z]+:|[#/])([^)#]+)([^)]*)\)", link, source[0])


# ------------------------------------------------------------------ the live page

# Where a tutorial's link leads: on the site the page stands beside the tutorials.
_PLAY = re.compile(r"\[([^]]+)\]\(\.\./kerasconv/play/page/([^)]+)\)")
_STILLS = """<p class="note">Its still pictures:
      <a href="../tutorials/02_edges_in_two_dimensions.html">edges</a>,
      <a href="../tutorials/03_pooling.html">pooling</a>,
      <a href="../tutorials/04_the_network.html">the network</a>.</p>
      <img src="../_static/play.png" alt="The page as it looks with JavaScript" />"""


def link_play(app, docname, source) -> None:
    """Lead links to the live page there, as HTML: Sphinx knows no such page."""
    source[0] = _PLAY.sub(r'<a href="../play/\2">\1</a>', source[0])


def write_play(app, error) -> None:
    """Put the live page beside the tutorials, once Sphinx is through."""
    if error is None and app.builder.format == "html":
        folder = play.write(Path(app.outdir) / "play").parent
        for page in folder.glob("*.html"):
            text = page.read_text(encoding="utf-8").replace("<!-- stills -->", _STILLS)
            page.write_text(text, encoding="utf-8")


def restructure(app, what, name, obj, options, lines) -> None:
    """Turn the Markdown of a docstring into the reStructuredText that autodoc reads."""
    text = "\n".join(lines)
    text = re.sub(r"(?:^ *\|.*\|\n?){3,}", _table, text, flags=re.MULTILINE)
    # Keras leaves the example at the margin, Napoleon wants it below its heading.
    text = re.sub(
        r"(?<=^Example:\n)(?=\S).*",
        lambda found: textwrap.indent(found[0], "    "),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    # Outside of `code`, a trailing underscore would be a reference.
    text = re.sub(r"(`[^`]*`)|(?<=\w)_(?!\w)", lambda found: found[1] or r"\_", text)
    lines[:] = text.split("\n")


def signature(app, what, name, obj, options, text, returns):
    """A class takes what its `__init__` takes, whatever `__new__` lets through."""
    if what == "class" and text == "(*args, **kwargs)":
        own = inspect.signature(obj.__init__, bound_method=True)
        return inspect.stringify_signature(own), returns
    return None


def _table(found: re.Match) -> str:
    indent = re.match(" *", found[0])[0]
    head, _, *rows = (
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in found[0].strip().splitlines()
    )
    listed = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        for i, cell in enumerate(row):
            listed.append(f"   {'* -' if i == 0 else '  -'} {cell}")
    return "\n".join(["", *(indent + line for line in listed), "", ""])


def setup(app) -> None:
    """Called by Sphinx."""
    # Now, and not when the page is read: the tutorials before it take minutes.
    parts = {part.__name__: part() for part in (api, benchmarks, tutorials)}
    app.connect("source-read", functools.partial(fill, parts))
    app.connect("source-read", link_play)
    app.connect("build-finished", write_play)
    app.connect("include-read", seen_from_the_checkout)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-process-docstring", restructure, priority=400)  # Napoleon: 500
