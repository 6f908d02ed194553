"""Check this machine: Python, packages, memory, weights, data, and one image.

Prints a line per check: OK and what was found, or NOT OK and how to mend it. The exit code is 2 if
something is NOT OK. Run it before a workshop.
"""

import argparse
import os
import platform
import time
from importlib import metadata
from pathlib import Path

from ..ground import UserError, installed_version, keras_settings, load_keras, one_line
from . import values

_PACKAGE = "adhelpers"
_INSTALL = "install the project again: make, or pip install -e '.[notebooks]'"
_NEEDED_GB = 3.0  # what a notebook may take


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser; the defaults are those of the notebooks."""
    add = parser.add_argument
    add(
        "--model_name",
        type=values.filled,
        default="efficientnet-b0",
        metavar="NAME",
        help="the network to try",
    )
    add(
        "--weights",
        type=values.filled,
        default="builtin",
        metavar="W",
        help="imagenet, builtin, none, or a file",
    )
    add(
        "--data_path",
        type=values.filled,
        default="synthetic",
        metavar="DIR",
        help="a folder laid out like MVTec AD, or 'synthetic': the embedded data set",
    )


def execute(options: argparse.Namespace) -> None:
    """Run the checks, all of them, and raise a UserError if one fails."""
    checks = {
        "Python": _python,
        "packages": _packages,
        "Keras": _keras,
        "memory": _memory,
        "weights": _weights,
        "data": _data,
        "one image": _one_image,
    }
    failed = []
    for name, check in checks.items():
        try:
            print(f"OK      {name}: {check(options)}", flush=True)
        except (UserError, ImportError, OSError) as error:
            mend = f"; {_INSTALL}" if isinstance(error, ImportError) else ""
            print(f"NOT OK  {name}: {one_line(error)}{mend}", flush=True)
            failed.append(name)
    if failed:
        raise UserError(f"NOT OK: {', '.join(failed)}; mend the first one and run doctor again")
    print("All is well.")


def _python(options: argparse.Namespace) -> str:
    from packaging.specifiers import SpecifierSet

    found, wanted = platform.python_version(), metadata.metadata(_PACKAGE)["Requires-Python"]
    if found not in SpecifierSet(wanted, prereleases=True):
        raise UserError(f"Python {found} found, {wanted} needed; make PYTHON=python3.12")
    return f"{found} ({platform.system()} {platform.machine()})"


def _packages(options: argparse.Namespace) -> str:
    needed, of_notebooks = _requirements(""), _requirements("notebooks")
    with_notebooks = any(installed_version(requirement.name) for requirement in of_notebooks)
    if with_notebooks:
        needed += of_notebooks
    for requirement in needed:
        found = installed_version(requirement.name)
        if found is None:
            raise UserError(f"{requirement.name} is missing; {_INSTALL}")
        if not requirement.specifier.contains(found, prereleases=True):
            raise UserError(
                f"{requirement.name} {found} found, {requirement.specifier} needed; {_INSTALL}"
            )
    shown = ", ".join(
        f"{name} {installed_version(name)}" for name in ("tensorflow", "keras", "numpy")
    )
    rest = "" if with_notebooks else "; those of the notebooks are not installed"
    return f"{len(needed)} packages, among them {shown}{rest}"


def _requirements(extra: str) -> list:
    """Return what the package requires here: without extras, or for an extra alone."""
    from packaging.requirements import Requirement

    found = [Requirement(line) for line in metadata.requires(_PACKAGE) or []]
    always = [r for r in found if not r.marker or r.marker.evaluate({"extra": ""})]
    if not extra:
        return always
    return [r for r in found if r not in always and r.marker.evaluate({"extra": extra})]


def _keras(options: argparse.Namespace) -> str:
    if options.weights == "builtin":
        return "not started, as the built-in weights do without; --weights none tries it"
    passed_over = ", ".join(f"{name} {value}" for name, value in keras_settings().items())
    found = load_keras().config
    shown = f"{found.backend()}, {found.floatx()}, {found.image_data_format()}"
    return shown + (f"; other settings are passed over: {passed_over}" if passed_over else "")


def _memory(options: argparse.Namespace) -> str:
    found = _memory_gb()
    if found is None:
        return f"not known on this system; a notebook takes up to {_NEEDED_GB:.0f} GB"
    if found < _NEEDED_GB:
        raise UserError(
            f"{found:.1f} GB found, {_NEEDED_GB:.0f} GB needed; close other programs, stop other "
            "notebooks' kernels, or take a larger machine"
        )
    return f"{found:.1f} GB"


def _memory_gb() -> float | None:
    """Return the memory that this process may use, in GB: the machine's, or its container's."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    container = Path("/sys/fs/cgroup/memory.max")
    if container.is_file() and (limit := container.read_text().strip()).isdigit():
        limits.append(int(limit))
    return min(limits) / 1e9


def _weights(options: argparse.Namespace) -> str:
    from .. import backbones

    if options.weights == "builtin":
        backbones.builtin.load_weights()  # raises if it is damaged
    words = backbones.describe_weights(options.model_name, options.weights)
    return f"{options.model_name}, {words}"


def _data(options: argparse.Namespace) -> str:
    from ..datasets import categories, load_mvtec, synthetic
    from ..ground import check_writable

    if options.data_path != "synthetic":
        names = categories(options.data_path)
        counts = [len(load_mvtec(options.data_path, name).train) for name in names]
        return f"{options.data_path}: {len(names)} categories, {sum(counts)} training images"
    check_writable("data/synthetic")
    return f"synthetic: {', '.join(synthetic.CATEGORIES)}, drawn when first used"


def _one_image(options: argparse.Namespace) -> str:
    import numpy as np

    from ..datasets import synthetic
    from ..features import Extractor
    from ..images import to_square

    extract = Extractor(options.model_name, options.weights)
    image = to_square(synthetic.draw("weave")[0], extract.origin.input_size)
    start = time.perf_counter()
    features = extract.pooled(image[None])
    milliseconds = 1000 * (time.perf_counter() - start)
    if not all(np.isfinite(rows).all() for rows in features.values()):
        raise UserError("the network's features are NaN or infinite; take other --weights")
    width = sum(extract.levels.values())
    engine = f"{extract.origin.engine} {extract.origin.precision}"
    return f"{len(features)} levels, {width} features, {engine}, {milliseconds:.0f} ms"
