# One command each. Everything they need is set up inside this checkout first, and only when it is stale; a fresh clone
# needs nothing but Python 3.11 or later with its venv module. The registries asked are those pip and npm are set to.
#
#   make run [ARGS='--port 9000']   the demo office on this machine
#   make test                       everything: checks, Python tests, browser tests, JavaScript tests
#   make check                      format, lint, types, layers, fast tests of Python and of JavaScript
#   make torture                    real faults on a whole site, and figures; SECONDS=… of faults, SEED=…
#   make bench, make bench-quick    figures on this machine; make bench-growth [ARGS=CURVE]: how they grow
#   make screenshots               pictures of the pages, into client_js/screenshots/
#   make client                     the browser client, into server/liaison/static/
#   make lock [ARGS=--upgrade]      the hashed lock files, from pyproject.toml
#   make audit                      what is locked, against the known advisories of PyPI and npm; needs the network

PYTHON ?= python3
ARGS ?=
SECONDS ?= 180
SEED ?= 1

# Container images like to forbid bytecode. Here every test's server would compile itself anew, and every worker all tests.
unexport PYTHONDONTWRITEBYTECODE

LOCKS := deploy/requirements
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# uv installs in a tenth of pip's time. It reads no pip settings, so it is told where pip would look; whatever it can't
# reach all the same, pip then installs itself.
AS_PIP = index="$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)"; \
	export UV_DEFAULT_INDEX="$${PIP_INDEX_URL:-$$index}" UV_FIND_LINKS="$${PIP_FIND_LINKS:-}"; \
	[ -n "$$UV_DEFAULT_INDEX" ] || unset UV_DEFAULT_INDEX; [ -n "$$UV_FIND_LINKS" ] || unset UV_FIND_LINKS;
UV_INSTALL = $(AS_PIP) $(BIN)/uv pip install --quiet --python $(BIN)/python
BUILD_CLIENT := $(BIN)/python deploy/build_client.py
# Whole files go to workers in the order of tests/conftest.py, the longest first.
SHARED_TESTS := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
# Two steps that need the same half-made environment must not both make it.
.NOTPARALLEL:
.PHONY: help run test check torture bench bench-quick bench-growth screenshots client lock audit checks node system-packages clean

help:
	@sed -n 's/^#   //p' Makefile

run: .venv/.server client
	@$(BIN)/liaison demo $(ARGS)

# The cheap checks come first, so that a misspelt name doesn't cost the minutes that the browser tests take; meanwhile
# the system's packages arrive. Three workers share two cores for what measures nothing, since much of it waits; what
# measures then has the machine for itself. (Tests that only wait for seconds to pass were tried beside those that
# measure: scrolling lost frames to them, and readers' p99 a half.)
test:
	@.ci/system-packages & packages=$$!; $(MAKE) --no-print-directory checks && wait $$packages
	$(SHARED_TESTS) -m 'not alone' $(ARGS)
	$(BIN)/python -m pytest -m alone $(ARGS)

check: checks
	$(SHARED_TESTS) --quiet -m 'not slow and not system and not browser and not alone' $(ARGS)

torture: system-packages .venv/.dev client
	$(BIN)/python -m tests.torture --seconds $(SECONDS) --seed $(SEED) $(ARGS)

bench: .venv/.dev client
	$(BIN)/python -m bench $(ARGS)

bench-quick: .venv/.dev client
	$(BIN)/python -m bench --quick $(ARGS)

bench-growth: .venv/.dev client system-packages
	$(BIN)/python -m bench.growth $(ARGS)

# To be looked at before a change of the pages is called done.
screenshots: .venv/.dev system-packages client
	$(BIN)/python -m tests.browser.screenshots client_js/screenshots

# JavaScript is checked and tested beside Python, and its words shown after.
checks: .venv/.dev client
	@{ $(BUILD_CLIENT) npm run check && $(BUILD_CLIENT) npm test; } >.venv/javascript.log 2>&1 & javascript=$$!; \
	set -x; $(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/lint-imports --no-logo && $(BIN)/mypy; \
	{ python=$$?; set +x; } 2>/dev/null; wait $$javascript; javascript=$$?; \
	if [ $$javascript -eq 0 ]; then tail -n 12 .venv/javascript.log; else cat .venv/javascript.log; fi; \
	exit $$((python | javascript))

# The builder compares a digest of client_js/ with the one it left beside the last bundle, so this may always run.
client: node
	@$(BUILD_CLIENT) build

# Node.js 20 or later from the machine, else the one that PyPI packages.
node: .venv/.server
	@$(BUILD_CLIENT) has-node 2>/dev/null || $(PIP_INSTALL) -r $(LOCKS)/node.txt

system-packages:
	@.ci/system-packages

# The development lock holds the server lock's versions and more, so whoever has the first also has the second.
.venv/.dev: $(LOCKS)/dev.txt pyproject.toml | .venv/.uv
	@$(call INSTALL,dev)
	@touch .venv/.server $@

.venv/.server: $(LOCKS)/server.txt pyproject.toml | .venv/.uv
	@$(call INSTALL,server)
	@touch $@

.venv/.uv: $(LOCKS)/uv.txt | $(BIN)/python
	$(PIP_INSTALL) -r $(LOCKS)/uv.txt
	@touch $@

define INSTALL
echo 'Installing $(LOCKS)/$(1).txt'; $(UV_INSTALL) --require-hashes -r $(LOCKS)/$(1).txt \
    || $(PIP_INSTALL) -r $(LOCKS)/$(1).txt
@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline --editable .
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo 'Liaison needs Python 3.11 or later; name one with PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -m venv .venv \
	    || { rm -rf .venv; echo 'Python came without its venv module; on Debian: apt-get install python3-venv' >&2; exit 1; }

lock: .venv/.dev
	@$(AS_PIP) \
	compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(ARGS) \
	    --no-header --no-annotate --no-emit-index-url --no-emit-find-links"; \
	set -ex; \
	$$compile pyproject.toml --extra server --group build --output-file $(LOCKS)/server.txt; \
	$$compile pyproject.toml --extra server --constraint $(LOCKS)/server.txt --output-file $(LOCKS)/runtime.txt; \
	$$compile pyproject.toml --extra server --group dev --constraint $(LOCKS)/server.txt --output-file $(LOCKS)/dev.txt; \
	$$compile --group uv --constraint $(LOCKS)/dev.txt --output-file $(LOCKS)/uv.txt; \
	$$compile --group node --output-file $(LOCKS)/node.txt; \
	$$compile --group audit --output-file $(LOCKS)/audit.txt

# Once a day and before a release, beside `make test` and not in it: an advisory is no fault of the change that meets it.
audit: .venv/.audit client
	.venv/audit/bin/pip-audit --disable-pip --require-hashes -r $(LOCKS)/dev.txt
	@$(BUILD_CLIENT) npm audit

.venv/.audit: $(LOCKS)/audit.txt | .venv/.uv
	$(PYTHON) -m venv --clear .venv/audit
	@$(AS_PIP) $(BIN)/uv pip install --quiet --python .venv/audit/bin/python --require-hashes -r $(LOCKS)/audit.txt
	@touch $@

clean:
	rm -rf .venv client_js/node_modules server/liaison/static dist
