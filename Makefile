# Needs python3 (3.11 or newer) and make. Everything else is installed into .venv.

PYTHON ?= python3
JOBS ?= 3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help run test check format openapi pictures lock clean

help:
	@echo "make run     install, prepare and run everything (COMBINE_PORT=8001 make run: another port)"
	@echo "make test    run all tests (ARGS='-k name': some of them)"
	@echo "make check   linters, types, import rules, migrations"
	@echo "make format  bring code and templates into shape"
	@echo "make openapi write docs/openapi.json anew"
	@echo "make pictures take the pictures of docs/review-desk.md anew (needs Chromium)"
	@echo "make lock    compile requirements.in and requirements-dev.in into their .txt files"
	@echo "make clean   remove caches (never data)"

run: $(VENV)/.runtime
	@$(BIN)/python manage.py up $(ARGS)

test: $(VENV)/.development
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

check: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	find templates -name '*.html' -exec $(BIN)/djade --check --target-version 5.2 {} +
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy .
	$(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find templates -name '*.html' -exec $(BIN)/djade --target-version 5.2 {} + || true

openapi: $(VENV)/.runtime
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --format openapi-json --file docs/openapi.json

pictures: $(VENV)/.development
	$(BIN)/python -m pytest -n0 tests/desk/pictures.py

lock: $(VENV)/.development
	@$(BIN)/uv --version >/dev/null 2>&1 || $(PIP) install uv
	$(BIN)/uv pip compile --universal --generate-hashes -p 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes -p 3.11 requirements-dev.in -o requirements-dev.txt

clean:
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	@echo "Data (var/) and $(VENV) are kept."

# The stamps: each says that this version of the requirements is installed.

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The Combine needs Python 3.11 or newer; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV) || \
		{ echo "The virtual environment could not be made; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (a minute, the first time)"
	@$(PIP) install --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.txt
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@
