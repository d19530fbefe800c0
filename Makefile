# What you do with newswire, one target each. `make help` prints this list.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long bundle validate check format bench screenshots opensearch opensearch-stop local-aws lock clean

help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment (.venv) from the lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "newswire needs Python 3.11 or later: set PYTHON=" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

run: setup ## load the sample feed into an empty data folder, serve on http://127.0.0.1:$(PORT), poll meanwhile
	@$(BIN)/newswire serve --port $(PORT) --poll --sample sample/nato-sample.xml

test: setup ## run the whole test suite (but what takes minutes)
	$(BIN)/python -m pytest -m "not long and not opensearch and not bundle and not validate" -n 2 --dist worksteal
	$(BIN)/python -m pytest -m "opensearch and not long and not bundle"

test-long: setup ## run the tests that take minutes
	$(BIN)/python -m pytest -m long

bundle: setup ## build the AWS application with the SAM CLI (in a cache of its own), and run what was built as Lambda does
	$(BIN)/python -m pytest -m bundle

validate: setup ## look at template.yaml, and what SAM makes of it, with sam validate, cfn-lint and checkov
	$(BIN)/python -m pytest -m validate

check: setup ## check style and types: ruff, mypy strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## put the code into the common format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## measure against named baselines, print a table, keep bench/results/*.json
	$(BIN)/python -m bench

screenshots: setup ## make the pictures in docs/screenshots anew, with an installed Chromium
	@$(BIN)/python -m tests.support.screenshots

opensearch: setup ## start a node of OpenSearch for development, with Maven and a JDK, and say where it answers
	@$(BIN)/python -m tests.support.opensearch_node start

opensearch-stop: ## end that node; its data stays
	@$(BIN)/python -m tests.support.opensearch_node stop

local-aws: setup ## start OpenSearch and what stands for the rest of AWS with Docker, for `sam local`
	docker compose up --detach --wait
	@$(BIN)/python -m tests.support.local_aws http://127.0.0.1:5555

lock: ## write the locks anew, with hashes and no index addresses
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --group dev --output-file requirements.lock pyproject.toml
	.venv-lock/bin/uv pip compile --quiet --python-version 3.13 --python-platform aarch64-manylinux_2_28 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --constraint requirements.lock \
	  --no-emit-package grpcio --no-emit-package protobuf --no-emit-package opensearch-protobufs \
	  --output-file layers/requirements.lock layers/requirements.in
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --output-file tests/bundle/runtime.lock tests/bundle/runtime.in
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --output-file tests/bundle/sam.lock tests/bundle/sam.in
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --output-file tests/bundle/checkov.lock tests/bundle/checkov.in
	rm -rf .venv-lock

clean: ## delete the virtual environment and caches; data folders stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
