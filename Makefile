# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SITE_READY := $(VENV)/.site

.PHONY: run test test-notebooks-full lint format notebooks student lab site teaching workshop tables bench clean help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 22

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python {v[0]}.{v[1]} found, 3.11 to 3.13 needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[notebooks,scale,test,dev]'
	@touch $@

run: $(READY)  ## the main job on the embedded data set; results in result/
	$(BIN)/python mahalanobis_anomaly_detection.py --data_path synthetic --weights builtin --save_path result

test: $(READY)  ## the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-notebooks-full: $(READY)  ## run the notebooks as several processors do; compare every text output
	$(BIN)/python -m tools.notebooks.gate --as all

lint: $(READY)  ## ruff: lint and format; the order of the rooms; the form of the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m tools.notebooks.check

format: $(READY)  ## put the code into ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(READY)  ## run all notebooks from clean kernels and write them back
	$(BIN)/python -m tools.notebooks.run

student: $(READY)  ## the notebooks without solutions, in build/student
	$(BIN)/python -m tools.notebooks.student

lab: $(READY)  ## open JupyterLab
	$(BIN)/jupyter lab --notebook-dir=notebooks

$(SITE_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[site]'
	@touch $@

site: $(SITE_READY)  ## the site, in build/site; then `make test` tests it as well
	rm -rf build/site
	$(BIN)/sphinx-build -W --keep-going --quiet -E -c docs/site -d build/doctrees . build/site

teaching: $(SITE_READY)  ## slides, cheat sheet and feedback form, in build/teaching
	$(BIN)/python -m tools.teaching.build

workshop: site  ## a folder for a USB stick, in build/workshop (PLATFORM="windows-x64 macos-arm64 ...")
	-$(BIN)/python -m tools.teaching.build
	$(BIN)/python -m tools.workshop.make $(if $(PLATFORM),--platform $(PLATFORM)) \
		$(if $(PYTHONS),--python $(PYTHONS)) $(if $(WEIGHTS),--weights $(WEIGHTS))

tables: $(READY)  ## all tables, figures and notebooks that rest on the built-in weights (half an hour)
	$(BIN)/python -m tools.tables.make

bench: $(READY)  ## speed and memory: the whole job, the Gaussians, the deployed detector
	$(BIN)/python benchmarks/main_job.py
	$(BIN)/python benchmarks/gaussian.py
	$(BIN)/python benchmarks/edge.py

clean:  ## remove the environment and what runs wrote
	rm -rf $(VENV) build docs/api data/synthetic
	find result -mindepth 1 ! -name README.md -delete
