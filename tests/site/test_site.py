"""The site that `make site` built, by its files, and in the Chromium of this machine."""

from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import browsers
import pytest

SITE = Path(__file__).parents[2] / "build" / "site"
NOTEBOOK = "notebooks/03_gaussian_mahalanobis.html"
PHONE, DESKTOP = {"width": 390, "height": 800}, {"width": 1280, "height": 900}

if not (SITE / "README.html").is_file():
    pytest.skip("no site in build/site: make site", allow_module_level=True)
bs4 = pytest.importorskip("bs4")
FILES = (path.relative_to(SITE) for path in SITE.rglob("*.html"))
PAGES = sorted(f.as_posix() for f in FILES if f.parts[0] not in ("_static", "index.html"))


@pytest.fixture(scope="module")
def trees():
    """Every page, parsed."""
    return {page: bs4.BeautifulSoup((SITE / page).read_bytes(), "html.parser") for page in PAGES}


@pytest.fixture(scope="module")
def address():
    """A server of the site; its address ends with a slash."""
    with browsers.served(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium, address):
    """A page of a desktop's width; relative addresses are the site's."""
    with chromium.new_context(base_url=address, viewport=DESKTOP) as context:
        yield context.new_page()


def test_every_link_and_picture_of_the_site_is_there(trees):
    missing = set()
    for page, tree in trees.items():
        for element in tree.select("[href], [src]"):
            target = urlsplit(urljoin(page, element.get("href") or element.get("src")))
            if target.scheme:
                continue
            path, anchor = unquote(target.path).lstrip("/"), unquote(target.fragment)
            if not (SITE / path).is_file():
                missing.add((page, path))
            elif anchor and path in trees and not trees[path].find(id=anchor):
                missing.add((page, f"{path}#{anchor}"))
    assert not missing


def names_on(tree) -> set[str]:
    """Return the dotted names that a page of the reference describes."""
    return {described["id"] for described in tree.select("dt.sig[id]")}


@pytest.mark.parametrize("room", ["ground", "images", "gaussian", "features", "detector", "study"])
def test_what_a_room_names_is_on_its_page(trees, room):
    module = import_module(f"adhelpers.{room}")
    names = {
        f"{module.__name__}.{name}"
        for name, thing in vars(module).items()
        if name[0] != "_" and getattr(thing, "__module__", "").startswith(module.__name__)
    }
    assert names
    assert names <= names_on(trees[f"docs/api/{room}.html"])


@pytest.mark.parametrize(
    "name",
    [
        "datasets.load_synthetic",  # loads at its first use
        "edge.Detector",
        "evaluation.plots.roc",  # not in the face, but in the package's table
        "export.Scorer",
        "gaussian.METHODS",
    ],
)
def test_other_public_names_are_on_their_pages(trees, name):
    page = f"docs/api/{name.partition('.')[0]}.html"
    assert f"adhelpers.{name}" in names_on(trees[page])


def test_every_page_loads_from_here_alone_and_fits_a_phone(chromium, address):
    with chromium.new_context(base_url=address, viewport=PHONE) as context:
        page, faults = context.new_page(), []
        page.on("console", lambda m: m.type == "error" and faults.append((page.url, m.text)))
        page.on("pageerror", lambda error: faults.append((page.url, str(error))))
        page.on("request", lambda r: r.url.startswith((address, "data:")) or faults.append(r.url))
        for name in PAGES:
            page.goto(name)
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append((name, "scrolls sideways"))
            if page.locator("img:not([alt]), img[alt='']").count():
                faults.append((name, "a picture without alt text"))
    assert not faults


def test_the_site_opens_with_the_readme(page):
    page.goto("")
    page.wait_for_url("**/README.html")


def test_search_finds_ledoit_wolf(page):
    page.goto("search.html?q=Ledoit-Wolf")
    page.locator("#search-results li a", has_text="Gaussian").first.wait_for(timeout=10_000)


def test_a_solution_unfolds_and_formulas_are_drawn(page):
    page.goto(NOTEBOOK)
    solution = page.locator("details:has-text('q1.check')").first
    code = solution.locator("pre").first
    assert not code.is_visible()
    solution.locator("summary").click()
    assert code.is_visible()
    formula = page.locator("mjx-container svg").first
    formula.wait_for(timeout=10_000)
    assert formula.bounding_box()["height"] > 5
    assert page.locator("mjx-merror").count() == 0


def test_the_longest_line_of_code_fits_a_desktop(page):
    for name in ("README.html", NOTEBOOK):
        page.goto(name)
        widths = "all => all.map(pre => pre.scrollWidth - pre.clientWidth)"
        assert max(page.locator("div.highlight pre").evaluate_all(widths)) <= 0


def test_a_table_of_names_fits_a_phone(page):
    page.set_viewport_size(PHONE)
    page.goto("docs/api/gaussian.html")
    table = page.locator("table.autosummary").first
    assert table.evaluate("table => table.scrollWidth <= table.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["README.html", NOTEBOOK, "docs/where.html", "docs/api/gaussian.html", "search.html"]
)
def test_axe_finds_no_serious_fault(page, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colours in between
    page.goto(name)
    page.locator(f"html[data-theme={scheme}]").wait_for(state="attached")
    found = axe.run(page).response["violations"]
    serious = {
        (fault["id"], node["html"][:200], node["failureSummary"][:300])
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    }
    assert not serious
