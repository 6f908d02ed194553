"""LiteRT.js, where it is at hand: what the tests of the page share."""

import pytest

import adhelpers as ad
from adhelpers.export.litert_js import runtime_files


@pytest.fixture(scope="session")
def runtime():
    try:
        return runtime_files()
    except ad.UserError as error:
        pytest.skip(str(error))
