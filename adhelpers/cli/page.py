"""Write a detector as a web page, which scores pictures in a browser.

With -o, one HTML file that opens by a double click and needs no server and no network; with
--folder, a site for any web server (a telephone's camera needs https). LiteRT.js, which runs the
detector there, is fetched once by npm.
"""

import argparse
import sys
from pathlib import Path

from ..datasets import list_images
from ..export import MOST_EXAMPLES, single_page, site
from ..ground import UserError, check_writable, check_writable_file, write_bytes, write_text
from . import values


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add("detector", type=values.path, metavar="DETECTOR", help="the .tflite file")
    add(
        "-o",
        "--output",
        type=values.path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="the .html file to write",
    )
    add(
        "--folder",
        type=values.path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="a folder for a static site",
    )
    add(
        "--images",
        type=values.filled,
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help=f"examples to keep in the page: the first {MOST_EXAMPLES} images, as they are",
    )


def execute(options: argparse.Namespace) -> None:
    """Write the page or the site, as the options say."""
    given = vars(options)
    output: Path | None = given.get("output")
    folder: Path | None = given.get("folder")
    if (output is None) == (folder is None):
        raise UserError("name the page to write by -o FILE.html, or a site by --folder DIR")
    if output and output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{output}: a page's name ends with .html")
    check_writable_file(output) if output else check_writable(folder)
    model, examples = options.detector.read_bytes(), _examples(given.get("images"))
    if output:
        text = single_page(model, examples)
        write_text(output, text)
        print(f"{output}: {len(text) / 1e6:.1f} MB, {len(examples)} examples; open it in a browser")
        return
    files = site(model, examples)
    for name, content in files.items():
        write_bytes(folder / name, content)
    size = sum(map(len, files.values())) / 1e6
    print(f"{folder}: {len(files)} files, {size:.1f} MB; put them on a web server")


def _examples(folder: str | None) -> list[tuple[str, bytes]]:
    if folder is None:
        return []
    samples, left_out = list_images([folder])
    if left_out:
        print(left_out, file=sys.stderr)
    if len(samples.paths) > MOST_EXAMPLES:
        count = len(samples.paths)
        print(f"{folder}: the first {MOST_EXAMPLES} of {count} images", file=sys.stderr)
    return [(path.name, path.read_bytes()) for path in map(Path, samples.paths[:MOST_EXAMPLES])]
