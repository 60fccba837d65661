# Every target is one command that you can type yourself. The database is the one that DATABASE_URL,
# PGHOST, PGHOSTADDR, PGSERVICE or PGDATABASE names, or else the embedded server's, in .pgdata.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNNER := $(BIN)/python -m runner
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
# Three also on two cores, as many tests wait for a clock. Who is done takes over from others.
WORKERS := -n 3 --dist worksteal
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run ingest build dashboard psql test test-all test-pg15 torture-all licences lint bench bench-compare docs charts reference clean clean-data

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(RUNTIME) ## do everything, from the server to the dashboard (DEMO=1: demo data also on your own server)
	@$(RUNNER) schema apply
	@$(RUNNER) seed --if-empty $(if $(DEMO),--demo)
	@$(RUNNER) run-all
	@$(RUNNER) dashboard || { echo "the build succeeded; only the dashboard was not written" >&2; exit 1; }
	@echo "psql: make psql"

ingest: $(RUNTIME) ## bring new source rows into the warehouse
	@$(RUNNER) ingest

build: $(RUNTIME) ## bring dimensions, facts, aggregates and reports up to date
	@$(RUNNER) build

dashboard: $(RUNTIME) ## write the reports as one page, dashboard.html
	@$(RUNNER) dashboard

psql: $(RUNTIME) ## open psql on the warehouse
	@$(RUNNER) db psql

test: $(DEV) ## run the tests on a server of their own (ARGS="-k retention": some of them)
	@$(BIN)/python -m pytest $(WORKERS) -m "not slow" $(ARGS)

test-all: $(DEV) ## run the slow tests too, half an hour of them (ARGS="-m slow": them alone)
	@$(BIN)/python -m pytest $(WORKERS) $(ARGS)

# Not those that need no server, nor those that look at pages in a browser.
PG15 ?= /usr/lib/postgresql/15/bin
PG15_TESTS := $(filter-out tests/unit/ tests/browser/ tests/support/ %__pycache__/,$(wildcard tests/*/))
test-pg15: $(DEV) ## run the quick tests of all but pages in a browser on PostgreSQL 15 (PG15=DIR: other binaries)
	@test -x $(PG15)/postgres || { echo "not run on PostgreSQL 15: $(PG15) has no server" >&2; exit 1; }
	@TEST_POSTGRES=$(PG15) $(BIN)/python -m pytest $(WORKERS) -m "not slow" $(or $(ARGS),$(PG15_TESTS))

torture-all: $(DEV) ## kill runners and servers at random, fill disks, lose connections (ROUNDS=200)
	@$(BIN)/python -m tests.faults --rounds $(or $(ROUNDS),200) $(ARGS)

licences: $(DEV) ## list the licences of what is installed and shipped; fails on one that is not allowed
	@$(BIN)/python -m tests.support.licences

lint: $(DEV) ## check the Python, the SQL and the manifest
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports --no-logo --cache-dir .ruff_cache/imports
	@$(BIN)/python -m sqlfluff lint --disable-progress-bar schema sql/warehouse sql/reporting dashboard examples
	@$(RUNNER) lint
	@$(RUNNER) --project examples/shop lint

bench: $(DEV) ## measure the runner (ARGS="--rows 1000000 --json after.json"; long)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-compare: $(DEV) ## compare two reports: make bench-compare A=before.json B=after.json
	@$(BIN)/python -m benchmarks.compare $(A) $(B)

docs: $(RUNTIME) ## write the offline page docs.html and docs/schema.dbml
	@$(RUNNER) docs -o docs.html -o docs/schema.dbml

charts: ## build the library that the dashboard draws with, from its lock file (needs npm)
	@cd runner/pages/charts && npm ci --no-fund --no-audit && npm run build

reference: $(DEV) ## write docs/commands.md from the help of the commands
	@$(BIN)/python -m tests.support.reference

# The embedded server runs from the virtual environment, so it stops before its binaries go.
clean: ## delete the virtual environment and the caches, never data
	@test ! -e $(RUNTIME) || $(RUNNER) db stop || echo "the embedded server was not stopped" >&2
	rm -rf $(VENV) build dist milepost.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find runner tests -type d -name __pycache__ -prune -exec rm -rf {} +

clean-data: $(RUNTIME) ## delete the data of the embedded server, after asking
	@$(RUNNER) db delete-data

# Each stamp is touched when its step has succeeded, so a step that was cut short runs again.
$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed"; \
	    echo "hint: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1), and 3.11 is the oldest that works"; \
	    echo "hint: name a newer one: make PYTHON=python3.12"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "error: $(PYTHON) cannot make virtual environments"; \
	    echo "hint: install its venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; } >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(RUNTIME): $(VENV)/.created setup.cfg pyproject.toml
	@echo "installing what the runner needs into $(VENV) ..."
	@$(INSTALL) --editable '.[embedded,dashboard,docs,lint]'
	@touch $@

$(DEV): $(VENV)/.created setup.cfg pyproject.toml
	@echo "installing what the runner and its tests need into $(VENV) ..."
	@$(INSTALL) --editable '.[dev]'
	@touch $(RUNTIME) $@
