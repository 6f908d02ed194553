"""The files of docs/scale: their commands are there, and what one names the other has."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "docs/scale"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
KUBERNETES = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())


def command_lines() -> list[list[str]]:
    services, spec = COMPOSE["services"].values(), KUBERNETES["spec"]
    lines = [service["command"] for service in services if "command" in service]
    pods = [spec[kind]["spec"]["containers"][0] for kind in ("scheduler", "worker")]
    return [*lines, *(container["args"] for container in pods)]


@pytest.mark.parametrize("line", command_lines(), ids=" ".join)
def test_commands_know_their_options(line):
    program = Path(sys.executable).with_name(line[0])
    words = [str(program), *[word for word in line[1:2] if not word.startswith("-")], "--help"]
    assert shutil.which(program)
    known = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert [word for word in line if word.startswith("--") and word not in known] == []


def test_services_and_ports_fit():
    services = COMPOSE["services"]
    assert "tcp://scheduler:8786" in services["worker"]["command"]
    assert services["worker"]["environment"]["AWS_ENDPOINT_URL"] == "http://storage:5000"
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
    build = services["worker"]["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()
    scheduler = KUBERNETES["spec"]["scheduler"]
    (container,) = scheduler["spec"]["containers"]
    names = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in scheduler["service"]["ports"]} == names


def test_the_storage_server_is_that_of_the_tests():
    pins = (FOLDER.parents[1] / "constraints.txt").read_text().split()
    (image,) = (x["image"] for x in COMPOSE["services"].values() if x["image"].startswith("moto"))
    assert image.replace("motoserver/moto:", "moto==") in pins
