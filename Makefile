# `make` lists the targets. CI calls only these.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
VENV   := .venv
PYTHON := $(VENV)/bin/python
STAMP  := $(VENV)/.installed

# Debian packages the tests use as a user would: the mount helper without CAP_SYS_ADMIN, programs that read a mount,
# the directory of large fleets, the tool that builds the lab's networks, a browser for the status page,
# and promtool for the alerts.
TEST_PACKAGES  := fuse3 fio rsync redis-server iproute2 chromium prometheus
BENCH_PACKAGES := fuse3 s3fs aria2 iproute2

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: demo
demo: $(STAMP)  ## The main job on real data: mount a 2 GiB model from OSS, read it cold and warm
	$(PYTHON) -m benchmarks.demo

.PHONY: test
test: $(STAMP) test-packages  ## Every ring of tests, on real mounts (needs root)
	$(PYTHON) -m pytest tests --ignore=tests/engines --cov --cov-report=term:skip-covered

.PHONY: test-engines
test-engines: $(VENV)/.engines test-packages  ## The tests that need torch and transformers
	$(PYTHON) -m pytest tests/engines

.PHONY: lint
lint: $(STAMP)  ## ruff, mypy strict, import borders
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

.PHONY: check
check: lint test  ## lint and test: what must pass before a commit

.PHONY: bench
bench: $(STAMP) bench-packages  ## The local benchmarks, side by side; prints the table of docs/BENCHMARKS.md
	$(PYTHON) -m benchmarks.local

.PHONY: bench-peers
bench-peers: $(STAMP) bench-packages  ## Peers: the lab's scenarios, the rivals in it, one stream of chunks (half an hour, needs root)
	$(PYTHON) -m benchmarks.transfer
	$(PYTHON) -m benchmarks.scaleout.suite --output scaleout.json
	for variant in a b join; do $(PYTHON) -m benchmarks.scaleout.rivals --variant $$variant; done

.PHONY: bench-faults
bench-faults: $(STAMP) test-packages  ## Restarts in mid-load, a model larger than the cache, a memory limit (ten minutes, needs root)
	$(PYTHON) -m benchmarks.restarts
	$(PYTHON) -m benchmarks.thrash
	$(PYTHON) -m benchmarks.budget

.PHONY: controller
controller: $(STAMP) test-packages  ## The reference controller on two daemons: four instances, scaled, rolled, released (needs root)
	$(PYTHON) -m benchmarks.controller

MINUTES := 10

.PHONY: chaos
chaos: $(STAMP) test-packages  ## All kinds of faults, while readers check every byte: three seeds, MINUTES=10 each (needs root)
	for seed in 1 2 3; do $(PYTHON) -m benchmarks.chaos --minutes $(MINUTES) --seed $$seed; done

.PHONY: lock
lock:  ## Resolve the dependencies again into the lock files (needs uv)
	uv pip compile pyproject.toml --extra dev --extra bench --generate-hashes --python-version 3.11 --no-header --no-annotate \
	  --quiet --upgrade --output-file requirements.lock
	uv pip compile pyproject.toml --extra dev --extra bench --extra engines --python-version 3.11 --no-header --no-annotate \
	  --quiet --constraint requirements.lock --output-file requirements-engines.lock
	uv pip compile pyproject.toml --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet \
	  --constraint requirements.lock --output-file deploy/requirements.lock  # what the image contains
	sed -i -E "/^(nvidia|cuda|triton)/d" requirements-engines.lock  # what torch wants of CUDA is its own affair

.PHONY: proto
proto: $(STAMP)  ## Generate the code of the peer protocol and of CSI again, from their .proto files
	$(PYTHON) -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. --grpc_python_out=. peer/peer.proto mows/csi/csi.proto

.PHONY: clean
clean:  ## Remove what the other targets made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage

.PHONY: setup
setup: $(STAMP)  ## The virtual environment

$(STAMP): requirements.lock pyproject.toml
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { apt-get update -q && apt-get install -qy python3-venv; }
	@[ -x $(PYTHON) ] || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --require-hashes --requirement requirements.lock
	$(PYTHON) -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.engines: $(STAMP) requirements-engines.lock
	$(PYTHON) -m pip install --quiet --requirement requirements-engines.lock
	@touch $@

.PHONY: test-packages bench-packages
test-packages bench-packages: %-packages:
	@missing=""; for package in $(if $(filter test,$*),$(TEST_PACKAGES),$(BENCH_PACKAGES)); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; fi
