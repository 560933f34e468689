# All commands of the project; continuous integration runs the same ones and nothing else.
# `make help` lists them. Overrides: PYTHON=python3.12 (interpreter), UV= (pip although uv is there),
# VENV=folder (where the environment goes), DATA=... (images for the demo), BENCH=quick (a trial),
# JOBS=4 (processes that run tests).

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

setup: ## make or complete the environment in .venv (first time: 5 GB, some minutes)
	@PYTHON="$(PYTHON)" UV="$(UV)" sh .ci/setup_venv.sh "$(VENV)"

demo: setup ## build a map and find places: DATA=<folder of images or manifest.csv>, else the sample town
	@$(BIN)/ghost-vpr demo $(if $(DATA),--data "$(DATA)")

test: setup check ## style, types and every test that is not marked as slow: some minutes
	@$(PYTEST) -m 'not slow'

test-slow: setup ## the tests that `make test` leaves out: studies, long runs of the node, benchmarks
	@$(PYTEST) -m slow

test-all: setup check ## style, types and all tests, slow ones too
	@$(PYTEST)

test-oldest: ## tests with the oldest versions that setup.py allows (Ubuntu 22.04); needs uv
	@UV="$(UV)" PYTHON="$(PYTHON)" sh .ci/test_oldest.sh

audit: ## look the versions of constraints.txt up in a database of known holes, where it can be reached
	@UV="$(UV)" sh .ci/audit.sh

finetune: setup ## fit the network to places of your own: PHOTOS=<folder or bag> OUT=my.safetensors
	@$(BIN)/ghost-vpr finetune $(PHOTOS) --out "$(OUT)"

papers: TABLES := g-table2 g-table2-hours s-table4 s-table1 n-pooling
papers: setup ## rerun tables of the papers, six hours in the background: OUT=runs/papers DATA=<the data sets>; goes on where it ended
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
bench: setup ## time us and others, write docs/lab/benchmarks.md and recall_over_time.md; BENCH=quick: a trial in build/bench
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

docs: setup ## the documentation as a site in build/site; a broken link fails
	@$(BIN)/python -m mkdocs build --strict --quiet

reference: setup ## write docs/reference.md and config/vpr.yaml from the code
	@$(BIN)/python -m ghost_vpr_ros.ros.reference > docs/reference.md
	@$(BIN)/python -m ghost_vpr_ros.ros.reference yaml > config/vpr.yaml

lint: setup ## style and format, nothing is changed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## static types
	@$(BIN)/mypy

format: setup ## rewrite the sources in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## remove the environment, caches and build outputs
	rm -rf "$(VENV)" build install log dist demo *.egg-info .mypy_cache .ruff_cache .pytest_cache
