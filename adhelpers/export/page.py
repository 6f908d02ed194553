"""A detector as a web page: one HTML file that opens by a double click, or a site."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from .. import edge
from ..ground import UserError
from .litert_js import VERSION, runtime_files

#: The precisions that run in a browser, and what is said of the others.
_PRECISIONS = ("float32", "int8-weights", "int8")
#: How many examples a page holds, and the bytes of all together.
MOST_EXAMPLES, MOST_BYTES = 6, 20 * 10**6

_WEB = Path(__file__).parent / "web"
_MODULES = ("app", "assets", "camera", "decode", "detector", "drawing", "resize", "table")


def single_page(model: bytes, examples: Sequence[tuple[str, bytes]] = ()) -> str:
    """Return a page that holds all it needs.

    Parameters
    ----------
    model : bytes
        A detector's file.
    examples : sequence of (str, bytes)
        Names and contents of images, which are kept as they are.

    Raises
    ------
    UserError
        If the file is damaged or of a precision that browsers run slowly, the examples are too many
        or too large, or LiteRT.js is not at hand.
    """
    record, files = _record(model, examples), _files(model, examples)
    scripts, others = _split(files)
    addresses = {name: _data_address(content) for name, content in scripts.items()}
    packed = {name: _base64(gzip.compress(x, 9, mtime=0)) for name, x in others.items()}
    assets = "\n".join(_element(name, "text/plain", x) for name, x in packed.items())
    return _html(record, addresses, assets)


def site(model: bytes, examples: Sequence[tuple[str, bytes]] = ()) -> dict[str, bytes]:
    """Return the files of a static site, by their names: an installable page that works offline.

    The parameters and errors are those of `single_page`.
    """
    record, files = _record(model, examples), _files(model, examples)
    addresses = {name: f"./{name}" for name in _split(files)[0]}
    link = '<link id="manifest" rel="manifest" href="./manifest.webmanifest" />'
    files["index.html"] = _html(record, addresses, "", link).encode()
    name = record.get("category") or "Detector"
    icon = {"src": "./icon.svg", "sizes": "any", "type": "image/svg+xml"}
    manifest = {"name": name, "start_url": "./", "display": "standalone", "icons": [icon]}
    files["manifest.webmanifest"] = json.dumps(manifest).encode()
    files["icon.svg"] = (_WEB / "icon.svg").read_bytes()
    digest = hashlib.sha256(b"".join(files.values())).hexdigest()[:16]
    kept = '", "'.join(["./", *(f"./{name}" for name in files)])
    worker = (_WEB / "sw.js").read_text("utf-8")
    files["sw.js"] = _filled(worker, {"digest": digest, "files": kept}).encode()
    return files


def _record(model: bytes, examples: Sequence[tuple[str, bytes]]) -> dict:
    """Return what the page must know, after a check that browsers can run it."""
    try:
        detector = edge.Detector(model)
    except edge.EdgeError as error:
        raise UserError(str(error)) from error
    if not detector.record:
        raise UserError("the model tells nothing about itself; export it by `adhelpers export`")
    _check_precision(detector.record.get("precision"))
    if len(examples) > MOST_EXAMPLES or sum(len(x) for _, x in examples) > MOST_BYTES:
        raise UserError(
            f"{len(examples)} examples of {sum(len(x) for _, x in examples) / 1e6:.1f} MB: "
            f"choose at most {MOST_EXAMPLES}, of {MOST_BYTES / 1e6:.0f} MB together"
        )
    names = [name for name, _ in examples]
    return {**detector.record, "side": detector.size, "examples": names}


def _check_precision(precision: str | None) -> None:
    if precision not in _PRECISIONS:
        raise UserError(
            f"the detector's precision is {precision}, which a browser runs two to nine times "
            f"slower than others; fit it again with --precision int8-weights "
            f"(or {', '.join(x for x in _PRECISIONS if x != 'int8-weights')})"
        )


def _files(model: bytes, examples: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    own = {f"{name}.js": (_WEB / f"{name}.js").read_bytes() for name in _MODULES}
    shown = {f"example-{i}": content for i, (_, content) in enumerate(examples)}
    return {**own, **runtime_files(), "detector.tflite": model, **shown}


def _split(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the modules by the names by which they are imported, and the other files."""
    modules = {f"{name}.js" for name in _MODULES} | {"core.js", "wasm-utils.js"}
    scripts = {name: content for name, content in files.items() if name in modules}
    return scripts, {name: x for name, x in files.items() if name not in modules}


def _html(record: dict, addresses: Mapping[str, str], assets: str, link: str = "") -> str:
    libraries = {f"{name}.js": f"@litertjs/{name}" for name in ("core", "wasm-utils")}
    imports = {libraries.get(name, f"#{name}"): place for name, place in addresses.items()}
    values = {
        "style": (_WEB / "style.css").read_text("utf-8"),
        "version": VERSION,
        "licence": escape((_WEB / "apache-2.0.txt").read_text("utf-8")),
        "head": link + _element(None, "importmap", json.dumps({"imports": imports})),
        "assets": _element("record", "application/json", json.dumps(record)) + assets,
    }
    return _filled((_WEB / "index.html").read_text("utf-8"), values)


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value, 1)
    return text


def _element(name: str | None, kind: str, content: str) -> str:
    """Return a script element; in JSON, a `<` could end it."""
    words = f' id="{name}"' if name else ""
    return f'<script{words} type="{kind}">{content.replace("<", chr(92) + "u003c")}</script>'


def _data_address(content: bytes) -> str:
    return f"data:text/javascript;base64,{_base64(content)}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
