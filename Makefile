# Two commands for a newcomer: `make demo` and `make test`. Each installs what it needs:
# Debian packages (asking for root through sudo where needed) and a virtual environment.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

DEMO_PACKAGES := python3-venv
TEST_PACKAGES := python3-venv sip-tester baresip-core tshark chromium

.PHONY: demo serve test lint types imports bench soak lock clean

demo: $(VENV)/.demo ## A debtor pays; an agent transfers, takes back, hands over: here alone
	$(BIN)/solde demo
	$(BIN)/solde demo --act agent

serve: $(VENV)/.demo ## Run both sides with ./solde.toml, or the defaults
	$(BIN)/solde serve

test: $(VENV)/.dev $(VENV)/.peers lint types imports ## Everything CI runs
	$(BIN)/pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

bench: $(VENV)/.dev $(VENV)/.peers ## Speed and memory under SIPp's load; docs/bench.md
	$(BIN)/python -m tests.bench

LOCK := uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
  --no-header --no-annotate --upgrade -q

soak: $(VENV)/.dev $(VENV)/.peers ## What takes longer: hours of speech, attacks, fuzzing
	$(BIN)/python -m tests.media.talkoff --hours 10
	$(BIN)/python -m tests.media.shield_attack --lines 480
	$(BIN)/python -m tests.fuzz --seconds 120

lock: ## Renew the locked dependencies (needs uv)
	$(LOCK) -o requirements/server.txt
	$(LOCK) --extra demo -o requirements/demo.txt
	$(LOCK) --extra dev -o requirements/dev.txt

clean:
	rm -rf $(VENV) build dist var .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) 2>/dev/null || \
	  { rm -rf $(VENV); $(SUDO) apt-get update -q && \
	    $(SUDO) apt-get install -qy --no-install-recommends $(DEMO_PACKAGES) && \
	    $(PYTHON) -m venv $(VENV); }

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(VENV)/bin/python
	[ -e $(VENV)/.dev ] || $(BIN)/pip install -q --require-hashes -r requirements/demo.txt
	$(BIN)/pip install -q --no-deps -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	$(BIN)/pip install -q --no-deps -e .
	touch $@

# The independent peers of the tests: SIPp, baresip, Wireshark's tshark and a browser.
$(VENV)/.peers: | $(VENV)/bin/python
	command -v sipp >/dev/null && command -v baresip >/dev/null && \
	command -v tshark >/dev/null && command -v chromium >/dev/null || \
	  { $(SUDO) apt-get update -q && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	      apt-get install -qy --no-install-recommends $(TEST_PACKAGES); }
	touch $@
