# The commands of the project. `make help` prints this list.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.setup
RUN := $(VENV)/.run
# uv installs several times as fast; pip is everywhere.
UV := $(shell command -v uv 2> /dev/null)
INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on)
# One more than two cores have, since some tests wait for a node or a clock.
WORKERS ?= 3
COVERAGE := $(if $(CI),--cov --cov-report=,)

.DEFAULT_GOAL := help
.PHONY: help setup run unit test test-long bundle validate check format coverage bench sbom audit screenshots opensearch opensearch-stop local-aws smoke lock clean

help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "newswire needs Python 3.11 or later: set PYTHON=" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(if $(UV),$(UV) venv --quiet --seed --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV))

setup: $(SETUP) ## install everything for developers into .venv, from requirements-dev.lock

$(SETUP): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes --requirement requirements-dev.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(SETUP) $(RUN)

# What `make run` needs and no more: 21 packages, and the library by its path.
$(RUN): requirements.lock | $(BIN)/python
	@echo "Installing the packages that newswire runs with"
	@$(INSTALL) --require-hashes --requirement requirements.lock
	@touch $(RUN)

run: $(RUN) ## load the sample feed into an empty data folder, serve on http://127.0.0.1:$(PORT), and poll
	@PYTHONPATH=layers $(BIN)/python -m newswire serve --port $(PORT) --poll --sample sample/nato-sample.xml

unit: setup ## run the unit tests (seconds)
	$(BIN)/python -m pytest tests/unit -n 2 -q

test: setup ## run the whole test suite, without the tests that take minutes
	$(BIN)/python -m pytest -m "not long and not bundle and not validate" -n $(WORKERS) --dist worksteal $(COVERAGE)

test-long: setup ## run the tests that take minutes
	$(BIN)/python -m pytest -m long -n $(WORKERS) --dist loadscope --no-loadscope-reorder

bundle: setup ## build the AWS application with the SAM CLI, and run the built functions as Lambda does
	$(BIN)/python -m pytest -m bundle

validate: setup ## check template.yaml with sam validate, cfn-lint and checkov
	$(BIN)/python -m pytest -m validate

check: setup ## check style, types, imports, documents and commit messages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.support.prose_rules
	$(BIN)/python -m tests.support.commit_rules

format: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: setup ## report the coverage of the tests that ran with --cov, and fail below the gate
	$(BIN)/coverage combine --quiet --keep || true
	$(BIN)/coverage report

bench: setup ## measure against named baselines, print a table, keep bench/results/*.json
	$(BIN)/python -m bench

sbom: setup ## write sbom.cdx.json: the packages of newswire and of its Lambda layer, from their locks (CycloneDX)
	@$(BIN)/python -m tests.support.supply_chain sbom sbom.cdx.json

audit: setup ## look for known vulnerabilities of the locked packages, where a database can be reached
	@$(BIN)/python -m tests.support.supply_chain audit

screenshots: setup ## take the pictures in docs/screenshots again, with an installed Chromium
	@$(BIN)/python -m tests.support.screenshots

opensearch: setup ## start an OpenSearch node for development (Docker, or Maven and a JDK) and print its URL
	@$(BIN)/python -m tests.support.opensearch_node start

opensearch-stop: ## stop that node; its data stays
	@$(BIN)/python -m tests.support.opensearch_node stop

local-aws: setup ## start OpenSearch and a stand-in for AWS with Docker, for `sam local`
	docker compose up --detach --wait
	@$(BIN)/python -m tests.support.local_aws http://127.0.0.1:5555

smoke: setup ## try a deployed API, signed with your AWS credentials: make smoke URL=<the ApiUrl of the stack>
	@$(BIN)/python -m tests.support.smoke "$(URL)"

lock: ## write all locks again, with hashes and no index addresses
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --all-extras --group dev \
	  --output-file requirements-dev.lock pyproject.toml
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --constraint requirements-dev.lock \
	  --output-file requirements.lock pyproject.toml
	.venv-lock/bin/uv pip compile --quiet --python-version 3.13 --python-platform aarch64-manylinux_2_28 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --constraint requirements-dev.lock \
	  --no-emit-package grpcio --no-emit-package protobuf --no-emit-package opensearch-protobufs \
	  --output-file layers/requirements.lock layers/requirements.in
	for tool in runtime sam checkov cyclonedx-py pip-audit; do \
	  case $$tool in runtime) version=3.13;; *) version=3.11;; esac; \
	  .venv-lock/bin/uv pip compile --quiet --universal --python-version $$version --generate-hashes --no-emit-index-url \
	    --no-annotate --custom-compile-command "make lock" --output-file tests/bundle/$$tool.lock tests/bundle/$$tool.in; \
	done
	rm -rf .venv-lock

clean: ## delete the virtual environment and caches; data folders stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
