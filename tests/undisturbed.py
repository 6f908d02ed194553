"""Commands, what they write where nothing disturbs them, and how files are compared."""

import csv
import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from forked import FILLER, Command, Ending

NETWORK = "--weights none --input_size 32"
DATA = "--data_path {ground}/data --save_path out " + NETWORK

#: The commands by name; the images and the detector are in {ground}.
WORDS = {
    "run": f"run {DATA} --no_quantize",
    "run pooled": f"run {DATA} --no_quantize --detector pooled",
    "fit": "fit {ground}/data/plate/train --precision dynamic -o out/detector.tflite " + NETWORK,
    "score": "score {ground}/detector.tflite {ground}/data/plate/test -o out/scores.csv "
    "--heat_maps out/maps",
    "export": f"export {DATA}",
    "explain": f"explain {DATA}",
    "refit": "refit {ground}/detector.tflite -o out/new.tflite {ground}/data/plate/test/good",
}
#: What another run before is told besides; for those that are not here, another quantile.
OTHERWISE = {
    "score": ["--threshold", "1000"],
    "refit": ["{ground}/data/plate/test/spot"],
}


@dataclass(frozen=True)
class Undisturbed:
    """A command, what was there before it, and what it makes.

    Parameters
    ----------
    words : list of str
    before : Path
        A folder as it was, with the results of an earlier run by another option.
    old, new : dict of str to bytes
        The content of the files before and after the command, by path.
    ending : Ending
    """

    words: list[str]
    before: Path
    old: dict[str, bytes]
    new: dict[str, bytes]
    ending: Ending

    def place(self, folder: Path) -> Path:
        """Return a folder with what was there before, below which the command can run."""
        shutil.copytree(self.before, folder, dirs_exist_ok=True)
        return folder

    def check_whole(self, folder: Path) -> None:
        """Check that every file is the earlier or the later one, apart from what is under way."""
        for name, content in files(folder).items():
            assert content in (self.old.get(name), self.new.get(name)) or _under_way(name), name

    def check_goes_on(self, folder: Path) -> None:
        """Run the command again, and check that all is as if nothing had happened."""
        ending = Command(self.words, folder).ending()
        assert (ending.code, ending.error) == (0, self.ending.error), ending
        found = files(folder)
        assert sorted(found) == sorted(self.new), set(found) ^ set(self.new)
        different = [name for name in found if found[name] != self.new[name]]
        assert not different, different


def _under_way(name: str) -> bool:
    """Tell whether a file is one that a later run goes on from, or removes."""
    return Path(name).name.startswith(".") or name.endswith((".partial", ".partial.npz"))


def temporary(folder: Path) -> list[str]:
    """Return the temporary files below a folder."""
    names = [name for name in files(folder) if name.startswith("tmp/")]
    return names + [name for name in files(folder) if Path(name).name.startswith(".")]


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder, by path; times in summaries left out."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != FILLER]
    return {str(path.relative_to(folder)): _without_times(path) for path in sorted(paths)}


def _without_times(path: Path) -> bytes:
    """Return a file's content, without the seconds that a run took."""
    content = path.read_bytes()
    if path.name == "summary.json":
        rows = json.loads(content)
        return repr([{**row, "seconds": None} for row in rows]).encode()
    if path.name == "summary.csv":
        rows = csv.DictReader(io.StringIO(content.decode()))
        return repr([{**row, "seconds": None} for row in rows]).encode()
    return content


def repeats(default: int) -> int:
    """Return how often something is done: `default`, or what ADHELPERS_KILLS says."""
    return int(os.environ.get("ADHELPERS_KILLS", default))


def drawn_writes(writes: int, count: int, seed: int) -> list[int]:
    """Draw numbers from 1 to `writes`, none twice; all where there are no more than `count`."""
    order = np.random.default_rng(seed).permutation(writes)
    return sorted(int(x) + 1 for x in order[:count])


def undisturbed(name: str, ground: Path) -> Undisturbed:
    """Run a command, and return what it makes; `ground` has data, a detector and a cache."""
    before, after = (ground / f"{name} {when}".replace(" ", "_") for when in ("before", "after"))
    words = [word.format(ground=ground) for word in WORDS[name].split()]
    shutil.copytree(ground / "start", before)
    other = [x.format(ground=ground) for x in OTHERWISE.get(name, ["--quantile", "0.5"])]
    ending = Command([*words, *other], before).ending()
    assert ending.code == 0, ending
    for path in before.glob("cache/*dynamic*"):
        path.unlink()  # so that it is made, and written, again
    shutil.copytree(before, after)
    ending = Command(words, after).ending()
    assert (ending.code, temporary(after)) == (0, []), ending
    return Undisturbed(words, before, files(before), files(after), ending)
