"""The API reference: a page for each room, made of what its face names."""

import ast
from importlib import import_module
from inspect import getmembers, isclass, isfunction, ismodule
from pathlib import Path
from shutil import rmtree
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

import adhelpers

#: The rooms in the order in which data flow, by the package's own table.
ROOMS = list(dict.fromkeys(["ground", *(m.partition(".")[0] for m in adhelpers._MODULES.values())]))


def setup(app) -> dict:
    """Write the pages before Sphinx looks for its sources."""
    app.connect("config-inited", lambda app, config: write_pages(Path(app.srcdir) / "docs/api"))
    app.connect("autodoc-skip-member", skip_member)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def skip_member(app, what, name, member, skip, options) -> bool | None:
    """Leave out the fields of named tuples, which their classes describe."""
    return True if type(member).__name__ == "_tuplegetter" else None


def write_pages(folder: Path) -> None:
    """Write a page for each room, and an overview."""
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pages = {room: page_of(room) for room in ROOMS}
    pages["index"] = titled("API reference", OVERVIEW, *map(line_of, ROOMS))
    for name, text in pages.items():
        (folder / f"{name}.rst").write_text(text, encoding="utf-8")


OVERVIEW = f"""\
The rooms, in the order in which data flow; each names what others may use. The classes that are
used most are in the package itself too: {", ".join(f"``{name}``" for name in adhelpers._CLASSES)}.
"""


def line_of(room: str) -> str:
    """Return a room's line in the overview."""
    return f"* :doc:`{room}`: {import_module(f'adhelpers.{room}').__doc__.splitlines()[0]}"


def page_of(room: str) -> str:
    """Return a room's page in reStructuredText: its face, and the rest of its public modules."""
    name = f"adhelpers.{room}"
    homes = face_of(import_module(name))
    things = {path: resolve(path) for path in homes}
    modules = [thing for thing in things.values() if ismodule(thing)]
    modules += [
        import_module(f"adhelpers.{path}")
        for path in adhelpers._MODULES.values()
        if path.startswith(f"{room}.")
    ]
    things = {path: thing for path, thing in things.items() if not ismodule(thing)}
    known = set(map(id, things.values()))
    for module in modules:
        things |= {path: f for path, f in functions_of(module).items() if id(f) not in known}
    return titled(
        name,
        f".. automodule:: {name}\n",
        summary_of([p.removeprefix(f"{name}.") for p, thing in things.items() if callable(thing)]),
        *(entry_of(path, thing, homes.get(path)) for path, thing in things.items()),
    )


def face_of(module: ModuleType) -> dict[str, str]:
    """Return what a room names in its ``__init__.py``, and the modules these names come from."""
    if not hasattr(module, "__path__"):
        return dict.fromkeys(functions_of(module), module.__name__)
    homes: dict[str, str] = {}
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        match node:
            case ast.ImportFrom(level=1, module=home, names=names):
                homes |= {alias.name: home or "." for alias in names}
            case ast.Assign(value=ast.Call(func=ast.Name(id="lazy_names"), args=[_, table])):
                homes |= ast.literal_eval(table)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name[0] != "_":
                homes[name] = ""
    start = module.__name__
    return {f"{start}.{name}": f"{start}.{home}".rstrip(".") for name, home in homes.items()}


def functions_of(module: ModuleType) -> dict[str, object]:
    """Return the public functions and classes that a module defines, by their dotted names."""
    return {
        f"{module.__name__}.{name}": thing
        for name, thing in getmembers(module, lambda x: isfunction(x) or isclass(x))
        if thing.__module__ == module.__name__ and name[0] != "_"
    }


def resolve(path: str) -> object:
    """Return what a dotted name means; a name may load at its first use."""
    home, _, name = path.rpartition(".")
    return getattr(import_module(home), name)


def entry_of(path: str, thing: object, home: str | None) -> str:
    """Return the directives that describe a name."""
    if isclass(thing):
        return f".. autoclass:: {path}\n   :members:\n"
    if callable(thing):
        return f".. autofunction:: {path}\n"
    room, _, name = path.rpartition(".")
    lines = ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name), [])
    if isinstance(thing, dict):
        lines = [*lines, "By name: " + ", ".join(f"``{key}``" for key in thing) + "."]
    value = [] if isinstance(thing, dict) else [f":value: {thing!r}"]
    return "\n   ".join([f".. py:data:: {name}", f":module: {room}", *value, "", *lines]) + "\n"


def summary_of(names: list[str]) -> str:
    """Return a table of names with their first lines."""
    return "\n   ".join([".. autosummary::", "", *(f"~{name}" for name in names)]) + "\n"


def titled(title: str, *parts: str) -> str:
    """Return a page of parts under a title."""
    return "\n".join([title, "=" * len(title), "", *parts]) + "\n"
