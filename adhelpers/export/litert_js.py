"""LiteRT.js, which runs a detector in a browser: fetched once by npm, and kept in the cache."""

from .npm import Package

VERSION = "2.5.3"

_CORE = Package(
    "@litertjs/core",
    VERSION,
    "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd",
)
_WASM_UTILS = Package(
    "@litertjs/wasm-utils",
    VERSION,
    "ce2a1f8379c067be49e59752e5a7f40db6be09f6e497f0f11e59f17b515366a7",
)
#: What a page needs, by its name there: the package and the file in it. The build for all browsers:
#: the faster instructions of the other (relaxed SIMD) are not everywhere, and may round otherwise.
_FILES = {
    "core.js": (_CORE, "dist/index.js"),
    "wasm-utils.js": (_WASM_UTILS, "dist/index.js"),
    "litert.js": (_CORE, "wasm/litert_wasm_compat_internal.js"),
    "litert.wasm": (_CORE, "wasm/litert_wasm_compat_internal.wasm"),
}


def runtime_files() -> dict[str, bytes]:
    """Return the files of LiteRT.js that a page needs, by their names there.

    Raises
    ------
    UserError
        If they are neither in the cache nor can be fetched, or are not those of `VERSION`.
    """
    contents = {}
    for package in (_CORE, _WASM_UTILS):
        paths = {name: path for name, (owner, path) in _FILES.items() if owner is package}
        contents |= dict(zip(paths, package.files(*paths.values()), strict=True))
    return {name: contents[name] for name in _FILES}
