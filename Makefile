# make run    the whole pipeline on the embedded default
# make test   the test suite                make lint   ruff and mypy
# make ui     MLflow's and Prefect's pages  make serve  a Prefect server and worker
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONDONTWRITEBYTECODE # Every stage starts processes, and each would compile the project anew.

.PHONY: run test settings docs bench chaos rehearsal lint ui serve lock audit sbom
.DEFAULT_GOAL := run

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
	  { echo "mfer needs Python 3.11 or 3.12: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

run: .venv/.installed
	$(BIN)/python -m flows mfer
	$(BIN)/python -m flows show

# A third of the tests wait for servers and processes: three workers keep two cores at work.
test: .venv/.installed
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# All figures of speed as ratios to peers of the same run; a tenth worse than benchmarks/bars.json fails.
bench: .venv/.installed
	$(BIN)/python -m benchmarks

# Runs killed at every point and at random times, and what they leave compared (docs/reliability.md): hours.
chaos: .venv/.installed
	$(BIN)/python -m benchmarks.chaos $(or $(FOLDER),../mfer-chaos)

# The report profile on small stand-ins of its corpora and checkpoints; says what each line takes.
rehearsal: .venv/.installed
	$(BIN)/python -m benchmarks.rehearsal

settings: .venv/.installed
	$(BIN)/python -m flows settings

docs: .venv-docs/.installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet
	@echo "open site/index.html"

.venv-docs/.installed: docs/requirements.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --no-deps -r docs/requirements.lock
	@touch $@

# Known weaknesses of the locked packages: make audit asks PyPI; ADVISORIES=FOLDER (see benchmarks/advisories.py)
# holds them, without a network.
AUDIT := .venv-audit/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip --progress-spinner off
audit: .venv/.installed .venv-audit/.installed
	$(if $(ADVISORIES),$(BIN)/python -m benchmarks.advisories $(ADVISORIES) )$(AUDIT)

# What is installed, with versions and licences, as CycloneDX.
sbom: .venv/.installed .venv-audit/.installed
	.venv-audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o sbom.json $(BIN)/python
	@echo "sbom.json: $$(grep -c bom-ref sbom.json) entries"

.venv-audit/.installed: .ci/audit.lock
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --no-deps -r .ci/audit.lock
	@touch $@

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: .venv/.installed
	$(BIN)/python -m flows ui

serve: .venv/.installed
	$(BIN)/python -m flows serve

LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock:
	$(LOCK) pyproject.toml --group dev -o requirements.lock
	$(LOCK) --group docs -o docs/requirements.lock
	$(LOCK) --group audit -o .ci/audit.lock
