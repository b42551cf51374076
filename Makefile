# Everything that a checkout needs besides make is Python 3.11 or later, with its venv module.
# Another interpreter: make install PYTHON=/path/to/python3. Options for the program: make demo ARGS="--profiles 5".

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
ARGS ?=
MINUTES ?= 10

# Relative, so that a path with spaces in it does no harm; modules rather than scripts, for the same reason.
BIN := .venv/bin
INSTALLED := .venv/.installed

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test lint bench bench-peers bench-console bench-dashboards bench-detect chaos soak fuzz dashboards manifests preview pictures docs audit sbom clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-16s %s\n", $$1, $$2 }'

install: $(INSTALLED)  ## create .venv and install the program and what its tests need

$(INSTALLED): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or later with its venv module is needed; name one with PYTHON=..." >&2; exit 2; }
	@echo "installing into .venv"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[otel,parquet,plot,xlsx]' --group dev
	@touch $(INSTALLED)

demo: $(INSTALLED)  ## run everything on this machine, with an emulated Ayrshare
	@$(BIN)/python -m collector demo $(ARGS) || test $$? -eq 130 # Ctrl-C is how one ends it

test: $(INSTALLED)  ## run the tests; skipped ones say why
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(INSTALLED)  ## check style, types and import layers
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)  ## run the benchmarks
	@for name in startup parse polls wal page api scale storage export backup report pins results detector; do \
		echo "== bench/$$name.py"; \
		$(BIN)/python -m bench.$$name || exit 1; \
	done

bench-peers: $(INSTALLED)  ## measure polls beside dlt, a Singer target and a script, in environments of their own
	@$(BIN)/python -m bench.peers $(ARGS)

bench-detect: $(INSTALLED)  ## measure the drop detector beside its rivals; ARGS=--quick takes a minute
	@$(BIN)/python -m bench.detect $(ARGS)

bench-dashboards: $(INSTALLED)  ## measure the dashboards' queries on 10,000 profiles and a year
	@$(BIN)/python -m bench.dashboards $(ARGS)

bench-console: $(INSTALLED)  ## measure pages and API at 200 requests a second while the daemon polls
	@$(BIN)/python -m bench.console $(ARGS)

chaos: $(INSTALLED)  ## play all that can go wrong through real processes: ARGS="-k database", ARGS=--list
	@$(BIN)/python -m tests.chaos $(ARGS)

fuzz: $(INSTALLED)  ## give parsers, tables and settings whatever comes to mind, for minutes: ARGS="-k setting"
	$(BIN)/python -m pytest -n auto -m hypothesis --hypothesis-profile fuzz --timeout 3600 $(ARGS)

soak: $(INSTALLED)  ## let a daemon poll 5,000 profiles every minute while calls fail: MINUTES=10
	@$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) $(ARGS)

dashboards: $(INSTALLED)  ## write grafana/dashboards from grafana/builder
	@$(BIN)/python -m grafana.builder

manifests: $(INSTALLED)  ## write deploy/kubernetes' alert rules from prometheus/rules
	@$(BIN)/python -m tools.prometheus_rule

preview: $(INSTALLED)  ## draw the dashboards into docs/images; needs npm, Chromium and Prometheus
	@$(BIN)/python -m tools.preview $(ARGS)

pictures: $(INSTALLED)  ## take pictures of the console's pages into docs/images; needs Chromium
	@$(BIN)/python -m tools.pictures $(ARGS)

docs: $(INSTALLED)  ## write docs/configuration.md from the settings, docs/schema.sql from the migrations
	@$(BIN)/python -m collector run --help-markdown > docs/configuration.md.new
	@mv docs/configuration.md.new docs/configuration.md
	@$(BIN)/python -m tools.schema

audit: $(INSTALLED)  ## look for known vulnerabilities in constraints.txt; asks PyPI
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group audit
	@$(BIN)/python -m tools.audit

sbom: $(INSTALLED)  ## write dist/sbom.cdx.json: what an installation consists of, as CycloneDX
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group audit
	@rm -rf dist/.sbom && mkdir -p dist && "$(PYTHON)" -m venv --without-pip dist/.sbom
	@$(BIN)/python -m pip --python dist/.sbom/bin/python install --quiet --disable-pip-version-check \
		-c constraints.txt '.[otel,parquet,plot,xlsx]'
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o dist/sbom.cdx.json dist/.sbom/bin/python
	@rm -rf dist/.sbom && echo dist/sbom.cdx.json

clean:  ## remove .venv, caches and the demo's data; collector-data stays
	rm -rf .venv bench/.environments tools/preview/node_modules tools/preview/dist tools/preview/pictures demo-data dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find bench collector grafana tests tools/preview -name __pycache__ -type d -prune -exec rm -rf {} +
