# All commands of the project; continuous integration runs the same ones.
# `make help` lists them. Overrides: PYTHON=python3.12 (interpreter), UV= (use pip instead of uv),
# VENV=folder (environment), DATA=... (images for the demo), BENCH=quick (a trial), JOBS=4 (test
# processes).

VENV := .venv
UV := $(shell command -v uv 2>/dev/null)
BIN := $(VENV)/bin
JOBS := 2
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.DEFAULT_GOAL := help
PHOTOS :=
OUT := finetuned.safetensors

.PHONY: help setup dist docs reference demo finetune papers test test-slow test-all test-oldest audit bench faults check lint types format clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## create or complete the environment in .venv (first time: 5 GB, some minutes)
	@PYTHON="$(PYTHON)" UV="$(UV)" sh .ci/setup_venv.sh "$(VENV)"

demo: setup ## build a map and find places: DATA=<folder of images or manifest.csv>, else the sample town
	@$(BIN)/ghost-vpr demo $(if $(DATA),--data "$(DATA)")

test: setup check ## style, types and all tests that are not marked as slow: some minutes
	@$(PYTEST) -m 'not slow'

test-slow: setup ## the slow tests: studies, long runs of the node, benchmarks
	@$(PYTEST) -m slow

test-all: setup check ## style, types and all tests, including slow ones
	@$(PYTEST)

test-oldest: ## tests with the oldest versions that setup.py allows (Ubuntu 22.04); needs uv
	@UV="$(UV)" PYTHON="$(PYTHON)" sh .ci/test_oldest.sh

audit: ## check the versions in constraints.txt for known vulnerabilities (needs uv and the network)
	@UV="$(UV)" sh .ci/audit.sh

finetune: setup ## fit the network to places of your own: PHOTOS=<folder or bag> OUT=my.safetensors
	@$(BIN)/ghost-vpr finetune $(PHOTOS) --out "$(OUT)"

papers: TABLES := g-table2 g-table2-hours s-table4 s-table1 n-pooling
papers: setup ## rerun tables of the papers, about six hours: OUT=runs/papers DATA=<data sets>; resumes interrupted runs
	@$(BIN)/python -m training.experiments $(TABLES) --out "$(OUT)" $(if $(DATA),--data "$(DATA)")

ifeq ($(BENCH),quick)
bench: BENCH_FLAGS := --quick
bench: BENCH_OUT := build/bench
bench: BENCH_PAGE := build/bench/benchmarks.md --even-if-busy
bench: BENCH_RECALL := --quick --out build/bench/recall/times.json --page build/bench/recall/page.md --picture build/bench/recall/picture.png
else
bench: BENCH_OUT := benchmarks/results
bench: BENCH_PAGE := docs/lab/benchmarks.md
endif
bench: setup ## time this package and others, write docs/lab/benchmarks.md and recall_over_time.md; BENCH=quick: a trial in build/bench
	@$(BIN)/python -m benchmarks.speed $(BENCH_FLAGS) --out $(BENCH_OUT)/speed.json
	@$(BIN)/python -m benchmarks.layer_profile $(BENCH_FLAGS) --out $(BENCH_OUT)/layers.json
	@$(BIN)/python -m benchmarks.frame_profile $(BENCH_FLAGS) --out $(BENCH_OUT)/frame.json
	@$(BIN)/python -m benchmarks.node_latency $(BENCH_FLAGS) --out $(BENCH_OUT)/node.json
	@$(BIN)/python -m benchmarks.report $(BENCH_OUT)/*.json --out $(BENCH_PAGE)
	@$(BIN)/python -m benchmarks.recall_over_time $(BENCH_RECALL)

ifeq ($(FAULTS),quick)
faults: FAULTS_FLAGS := --quick --out build/reliability.md
else
faults: FAULTS_FLAGS := --out docs/reliability.md
endif
faults: setup ## kill, corrupt, fill and fuzz (30 minutes), write docs/reliability.md; FAULTS=quick: a trial
	@$(BIN)/python -m faults $(FAULTS_FLAGS)

check: lint types

dist: setup ## wheel and source archive in dist/
	@$(BIN)/python -m build --no-isolation --outdir dist .

docs: setup ## build the documentation site in build/site; fails on broken links
	@$(BIN)/python -m mkdocs build --strict --quiet

reference: setup ## write docs/reference.md and config/vpr.yaml from the code
	@$(BIN)/python -m ghost_vpr_ros.ros.reference > docs/reference.md
	@$(BIN)/python -m ghost_vpr_ros.ros.reference yaml > config/vpr.yaml

lint: setup ## check style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## check static types
	@$(BIN)/mypy

format: setup ## fix style and format of the sources
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## remove the environment, caches and build outputs
	rm -rf "$(VENV)" build install log dist demo *.egg-info .mypy_cache .ruff_cache .pytest_cache
