"""The site: it builds, it is whole, and it works in a browser and without a network."""

import functools
import http.server
import itertools
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from test_tutorials import figures_have_words

import kerasconv
from kerasconv import backends, docs
from kerasconv.errors import KerasconvError, UsageError

pytestmark = pytest.mark.once

CHECKOUT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted(CHECKOUT.glob("tutorials/[0-9]*.py"))
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

# Attributes by which a page takes something in, rather than leads to it.
TAKES = {"script": "src", "link": "href", "img": "src", "source": "src", "video": "src",
         "audio": "src", "iframe": "src", "embed": "src", "object": "data"}  # fmt: skip


# ------------------------------------------------------------------ the command


def test_outside_of_a_clone_the_command_says_in_one_line_what_it_needs(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(docs, "CHECKOUT", tmp_path)
    assert docs.main([str(tmp_path / "site")]) == 1
    told = capsys.readouterr().err
    assert "built from a clone" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("missing", docs.NEEDS)
def test_without_sphinx_the_command_names_the_extra(monkeypatch, tmp_path, missing):
    monkeypatch.setattr(
        docs, "find_spec", lambda name: None if name == missing else object()
    )
    with pytest.raises(KerasconvError, match=r'pip install -e "\.\[docs\]"'):
        docs.build(tmp_path / "site")


def test_a_backend_that_does_not_train_cannot_build_the_tutorials(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(docs, "find_spec", lambda name: object())
    monkeypatch.setattr(backends, "activate", lambda: "numpy")
    with pytest.raises(KerasconvError, match="tensorflow, jax, torch"):
        docs.build(tmp_path / "site")


def test_a_folder_that_holds_something_else_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(docs, "find_spec", lambda name: object())
    monkeypatch.setattr(backends, "activate", lambda: "jax")
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")
    with pytest.raises(UsageError, match="holds no site"):
        docs.build(tmp_path)
    with pytest.raises(UsageError, match="holds no site"):
        docs.build(kept)
    assert kept.read_text() == "years of work"


@pytest.fixture
def ready(monkeypatch):
    """Everything that a build needs, but for the data sets."""
    monkeypatch.setattr(docs, "find_spec", lambda name: object())
    monkeypatch.setattr(backends, "activate", lambda: "jax")
    monkeypatch.setenv("KERASCONV_FAST", "")


def test_without_the_data_sets_it_refuses_in_one_line_that_says_how_to_get_them(
    ready, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert docs.main([str(tmp_path / "site")]) == 1
    told = capsys.readouterr().err
    assert re.search(r"mnist 3\.0\.1 is not in .*TFDS_DATA_DIR.*--preview\n$", told)
    assert told.count("\n") == 1
    assert not (tmp_path / "site").exists()


def test_the_data_are_found_where_the_tests_find_them(ready, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(docs, "SHARED_DATA", tmp_path)
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)

    def load(name, split):
        asked.append((name, os.environ["TFDS_DATA_DIR"]))

    monkeypatch.setattr("kerasconv.data.load", load)
    docs._find_data()
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert asked == [(name, str(tmp_path)) for name in docs.DATASETS]
    source = "".join(path.read_text("utf-8") for path in TUTORIALS)
    assert set(re.findall(r'data\.load\("(\w+)"', source)) == set(docs.DATASETS)


@pytest.mark.parametrize("fast", ["", "1"])
def test_a_preview_says_so_and_concludes_nothing(monkeypatch, fast):
    monkeypatch.setenv("KERASCONV_FAST", fast)
    for path in TUTORIALS:
        text = path.read_text("utf-8")
        page = docs.read_page(text)
        shown = "\n".join(cell.source for cell in page.cells)
        assert ("This is a preview" in shown) == bool(fast)
        for said in re.findall(r'\["conclusion"\]\n# (.*)', text):
            assert (said in shown) != bool(fast)


@pytest.mark.parametrize("arguments", [["a", "b"], ["--help"]])
def test_the_command_takes_one_folder_at_most(arguments, capsys):
    assert docs.main(arguments) == 2
    assert (
        "usage: python -m kerasconv.docs [--preview] [OUT]" in capsys.readouterr().err
    )


# --------------------------------------------------------------------- the pages


def files_of_the_pages():
    found = [*CHECKOUT.glob("tutorials/**/*"), *CHECKOUT.glob("models/**/*")]
    return {path for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as a preview; a warning would be an error."""
    for module in docs.NEEDS:
        if docs.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    out = tmp_path_factory.mktemp("site") / "out"
    # PyTorch compiles nothing, so the pages run on it in half of JAX's time.
    trains = [
        n for n in ("torch", *backends.installed()) if backends.BACKENDS[n].trains
    ]
    backend = next((n for n in trains if n in backends.installed()), None)
    if backend is None:
        pytest.skip("no backend is installed that trains")
    before = files_of_the_pages()
    done = subprocess.run(
        [sys.executable, "-m", "kerasconv.docs", "--preview", str(out)],
        cwd=CHECKOUT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]
    assert done.stdout.splitlines()[-1] == str(out / "index.html")
    assert files_of_the_pages() == before, "the build wrote into the checkout"
    return out


@pytest.fixture(scope="module")
def pages(site):
    """Every page, parsed, by its path; but not the one line that leads home."""
    bs4 = pytest.importorskip("bs4")
    return {
        path: bs4.BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in site.rglob("*.html")
        if path.parent != site / "_static" and path != site / "index.html"
    }


def local(page, target):
    """The file that a page's link means and the anchor in it; None if elsewhere."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return path, unquote(parts.fragment)


def headings(page):
    """The texts of a page's second level."""
    return {h2.get_text().rstrip("¶#") for h2 in page.find_all("h2")}


def test_the_site_has_every_tutorial_card_and_module(site, pages):
    home = pages[site / "tutorials" / "index.html"]
    linked = {
        a["href"].partition("#")[0] for a in home.article.find_all("a", href=True)
    }
    assert {f"{path.stem}.html" for path in TUTORIALS} <= linked
    for folder in CHECKOUT.glob("models/*/README.md"):
        assert site / "models" / folder.parent.name / "README.html" in pages
    api = pages[site / "tutorials" / "api.html"]
    shown = {name.removeprefix("kerasconv.") for name in headings(api)}
    assert {"layers", "ops", "kernels", "models", "predict"} <= shown
    assert shown <= set(dir(kerasconv))


def test_every_table_of_figures_is_on_the_benchmarks_page(site, pages):
    page = pages[site / "tutorials" / "benchmarks.html"]
    results = (CHECKOUT / "tests" / "benchmarks" / "results").glob("*.json")
    tables = {path.stem.capitalize() for path in results}
    notes = {"How it is measured", "Where a target is missed, and why"}
    assert headings(page) == tables | notes
    assert len(page.find_all("table")) >= len(tables)


def test_no_page_shows_what_libraries_write_to_standard_error(pages):
    for path, page in pages.items():
        assert "absl::InitializeLog" not in page.get_text(), path


def test_the_signature_of_a_layer_is_that_of_its_constructor(site, pages):
    api = pages[site / "tutorials" / "api.html"]
    shown = {dt["id"]: dt.get_text() for dt in api.find_all("dt", id=True)}
    for name in kerasconv.layers.__all__:
        assert "*args" not in shown[f"kerasconv.layers.{name}"], name


def test_every_link_and_anchor_leads_somewhere(pages):
    anchors = {
        page: {tag["id"] for tag in soup.find_all(id=True)}
        for page, soup in pages.items()
    }
    dead = []
    for page, soup in pages.items():
        for a in soup.find_all("a", href=True):
            found = local(page, a["href"])
            if found is None:
                continue
            path, anchor = found
            # The empty anchor and #top are the top of every page.
            known = anchors.get(path, set()) | {"", "top"}
            if path.parent.name == "play":  # what the live page shall show
                anchor = ""
            if not path.is_file() or anchor not in known:
                dead.append((page.name, a["href"]))
    assert not dead


def test_every_picture_exists_and_says_what_it_shows(pages):
    shown = 0
    for page, soup in pages.items():
        for img in soup.find_all("img"):
            shown += 1
            assert img.get("alt", "").strip(), (page.name, img["src"][:80])
            if not img["src"].startswith("data:"):
                assert local(page, img["src"])[0].is_file(), (page.name, img["src"])
    assert shown


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorials_figures_have_captions_and_its_answers_are_hidden(
    site, pages, path
):
    page = pages[site / "tutorials" / f"{path.stem}.html"]
    figures_have_words(
        [
            (figure.img["alt"].strip(), figure.figcaption.get_text().strip())
            for figure in page.article.find_all("figure")
        ]
    )
    answers = page.article.select("details:not(.hide)")
    assert answers
    for answer in answers:
        assert answer.summary.get_text().strip()
        assert not answer.has_attr("open")


def test_no_page_or_style_takes_anything_from_another_machine(site, pages):
    taken = []
    for page, soup in pages.items():
        for tag in soup.find_all(TAKES):
            target = tag.get(TAKES[tag.name], "")
            if not target.startswith("data:") and target:
                found = local(page, target)
                if found is None or not found[0].is_file():
                    taken.append((page.name, target))
        for tag in soup.find_all(srcset=True):
            taken.append((page.name, tag["srcset"]))
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        targets = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')\s]+)", text)
        for target in targets:
            if not target.startswith(("data:", "#")) and local(path, target) is None:
                taken.append((path.name, target))
    assert not taken


def test_every_page_has_a_title_a_language_a_heading_and_a_way_past_the_menu(pages):
    for page, soup in pages.items():
        assert soup.html["lang"] == "en", page
        assert soup.title.get_text().strip(), page
        assert len(soup.find_all("h1")) == 1, page
        skip = soup.body.find("a")
        assert skip.get_text() == "Skip to content", page
        assert soup.find(id=skip["href"].removeprefix("#")), page
        assert soup.find("meta", attrs={"name": "viewport"}), page


def test_headings_step_down_one_level_at_a_time(pages):
    for page, soup in pages.items():
        levels = [int(h.name[1]) for h in soup.article.find_all(re.compile("^h[1-6]$"))]
        steps = [b - a for a, b in itertools.pairwise(levels)]
        assert max(steps, default=0) <= 1, (page.name, levels)


# ------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def served(site):
    """The address of the site on a server of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def visited(browser, served, site, pages):
    """What a browser met on every page, and how wide it is on a desktop and a phone."""
    faults, links, formulas = [], {}, 0
    tab = browser.new_page()
    tab.on("console", lambda m: faults.append((tab.url, m.type, m.text)))
    tab.on("pageerror", lambda error: faults.append((tab.url, str(error))))
    tab.on(
        "request",
        lambda request: (
            request.url.startswith((served, "data:", "blob:"))
            or faults.append((tab.url, "asks for", request.url))
        ),
    )
    # A request is aborted where the next page is opened before it is answered.
    tab.on(
        "requestfailed",
        lambda request: (
            request.failure == "net::ERR_ABORTED"
            or faults.append((tab.url, request.failure, request.url))
        ),
    )
    # Of the listings of code, which are all made alike, the two longest.
    code = [page for page in sorted(pages) if "_modules" in page.parts]
    skipped = sorted(code, key=lambda page: -page.stat().st_size)[2:]
    for page in sorted({*pages} - {*skipped}):
        tab.set_viewport_size(DESKTOP)
        tab.goto(served + page.relative_to(site).as_posix())
        # MathJax goes on after the page has been loaded.
        tab.wait_for_function(
            "() => !document.querySelector('script[src*=mathjax]')"
            " || window.MathJax?.startup?.promise"
        )
        seen = tab.evaluate(
            """async () => {
                await window.MathJax?.startup?.promise;
                const images = [...document.images];
                // A picture further down is loaded only when it is needed.
                images.forEach((i) => (i.loading = "eager"));
                await Promise.all(images.map((i) => i.decode().catch(() => 0)));
                return {
                    blank: images.filter((i) => !i.naturalWidth).length,
                    links: [...document.links].map((a) => a.href),
                    formulas: document.querySelectorAll(".math").length,
                    drawn: document.querySelectorAll("mjx-container").length,
                    wrong: document.querySelectorAll("mjx-merror").length,
                };
            }"""
        )
        links[tab.url] = set(seen["links"])
        formulas += seen["formulas"]
        found = {
            "pictures without pixels": seen["blank"],
            "formulas that are none": seen["wrong"],
            "formulas not drawn": seen["formulas"] - seen["drawn"],
        }
        for size in (DESKTOP, PHONE):
            tab.set_viewport_size(size)
            wide = tab.evaluate("document.scrollingElement.scrollWidth - innerWidth")
            found[f"pixels wider than {size['width']}"] = max(0, wide)
        faults += [(tab.url, fault, found[fault]) for fault in found if found[fault]]
    tab.close()
    return faults, links, formulas


def test_a_browser_meets_no_error_no_other_machine_and_no_page_too_wide(visited):
    assert not visited[0]


def test_the_formulas_of_the_tutorials_are_drawn(visited):
    texts = [path.read_text(encoding="utf-8") for path in TUTORIALS]
    if not any(re.search(r"^# .*\$", text, re.MULTILINE) for text in texts):
        pytest.skip("no tutorial has a formula")
    assert visited[2]


def test_every_link_that_a_browser_sees_on_the_site_is_answered(
    browser, served, visited
):
    inside = {
        urljoin(link, urlsplit(link).path)
        for found in visited[1].values()
        for link in found
        if link.startswith(served)
    }
    assert len(inside) > len(TUTORIALS)
    context = browser.new_context()
    dead = [link for link in sorted(inside) if not context.request.head(link).ok]
    context.close()
    assert not dead


def test_the_first_page_leads_home(browser, served):
    tab = browser.new_page()
    tab.goto(served)
    tab.wait_for_url("**/tutorials/index.html")
    assert tab.title() == "kerasconv"
    tab.close()


def test_the_keyboard_reaches_the_content_and_opens_an_answer(browser, served):
    if not TUTORIALS:
        pytest.skip("there are no tutorials")
    tab = browser.new_page(viewport=DESKTOP)
    tab.goto(f"{served}tutorials/{TUTORIALS[0].stem}.html")
    tab.keyboard.press("Tab")
    focused = "document.activeElement"
    assert tab.evaluate(f"{focused}.textContent") == "Skip to content"
    assert tab.evaluate(f"getComputedStyle({focused}).outlineStyle") != "none"
    tab.keyboard.press("Enter")
    assert tab.url.endswith("#furo-main-content")
    tab.locator("article details:not(.hide) > summary").first.focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.parentElement.open")
    tab.close()
