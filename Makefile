# Needs Python 3.11 to 3.13 and make; uses uv when it is there and pip otherwise.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOCK := tests/requirements.lock
UV := $(shell command -v uv 2>/dev/null)
PYTEST_ARGS ?=
# Three workers for two cores, a file each: service tests mostly wait, and their timing stands busy cores.
TEST_JOBS ?= 3
DATA ?=
RELEASE ?=
FUZZ_SECONDS ?= 60

ifdef UV
MAKE_VENV = $(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
INSTALL = $(UV) pip install --quiet --python $(BIN)/python --constraint $(LOCK)
else
MAKE_VENV = $(PYTHON) -m venv $(VENV)
# Compiling every module of every dependency takes longer than the demo; Python compiles what is imported anyway.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint $(LOCK)
endif

.PHONY: help demo test check format lock docs fuzz kafka-jars clean bench-core bench-incidents bench-detection bench-hotpath bench-kafka bench-rca bench-shares

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

$(VENV)/.run: pyproject.toml $(LOCK)
	$(MAKE_VENV)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(LOCK)
	$(MAKE_VENV)
	$(INSTALL) --editable '.[dev,fuzz,kafka,notebooks,postgres]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: $(VENV)/.dev
	$(INSTALL) --editable '.[dev,notebooks,bench]'
	@touch $@

demo: $(VENV)/.run ## install, then run the simulated shop until Ctrl-C, page on http://127.0.0.1:8080
	$(BIN)/aiops demo

test: $(VENV)/.dev ## all tests with branch coverage
	@mkdir -p build
	@# Once and before coverage watches: traced, numba compiles several times slower, and every service would wait for it.
	$(BIN)/python -c "from aiops._kernel_cache import use_own_cache; use_own_cache(); from aiops._kernels import compile_kernels; compile_kernels()"
	$(BIN)/python -m pytest --numprocesses=$(TEST_JOBS) --dist=loadfile --no-loadscope-reorder --cov --cov-report=term --cov-report=json:build/coverage.json --junitxml=build/tests.xml $(PYTEST_ARGS)

check: $(VENV)/.dev ## format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet tests/test_layers.py

format: $(VENV)/.dev ## rewrite the code in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## choose new exact versions for tests (needs uv)
	$(UV) pip compile --quiet --universal --python-version 3.11 --all-extras --no-emit-index-url --no-header pyproject.toml --output-file $(LOCK)

docs: $(VENV)/.dev ## write the pages that are generated from the code
	$(BIN)/python -m aiops.reference docs

# numba would run old code of a kernel that only calls an edited one; the folder is named by all of them.
bench-%: export NUMBA_CACHE_DIR = $(CURDIR)/build/kernels/$(shell cat $$(find detectors rca aiops/sources -name '*.py' | sort) | cksum | cut -d' ' -f1)

kafka-jars: ## fetch Apache Kafka for the tests that need a real broker (needs Maven and Java 17)
	mvn --quiet --batch-mode --file tests/services/kafka/pom.xml dependency:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory=$(CURDIR)/build/kafka-jars

fuzz: $(VENV)/.dev ## fuzz every reader of bytes, FUZZ_SECONDS each
	for file in tests/fuzz/_fuzz_*.py; do name=$${file#*_fuzz_}; $(BIN)/python tests/fuzz/fuzz.py $${name%.py} --seconds $(FUZZ_SECONDS) || exit 1; done

bench-core: $(VENV)/.dev ## figures of the main job
	$(BIN)/python tests/benchmarks/bench_core.py

bench-detection: $(VENV)/.bench ## figures of detection; DATA=folder with the labelled series, RELEASE=name writes them into docs/
	$(BIN)/python tests/benchmarks/bench_detection.py --data "$(DATA)" --release "$(RELEASE)"

bench-hotpath: $(VENV)/.dev ## figures of the hot path
	$(BIN)/python tests/benchmarks/bench_hotpath.py

bench-incidents: $(VENV)/.dev ## figures of grouping, delivery, storms, latency and verdicts
	$(BIN)/python tests/benchmarks/bench_incidents.py

bench-kafka: $(VENV)/.dev ## figures of the service on Kafka; the jars by `make kafka-jars`
	$(BIN)/python tests/benchmarks/bench_kafka.py

bench-rca: $(VENV)/.dev ## figures of root-cause ranking; DATA=folder with the labelled cases
	$(BIN)/python tests/benchmarks/bench_rca.py --data "$(DATA)"

bench-shares: $(VENV)/.dev ## figures of error ratios judged by their counts
	$(BIN)/python tests/benchmarks/bench_shares.py

clean: ## remove what these targets made
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .coverage*
