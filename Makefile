# Two commands on a fresh machine:  make app   and   make test.   `make` alone lists the rest.
# Everything Python lives in .venv; nothing else on the machine is touched except the two system packages below,
# and those only where this user may install them (apt-get as root or with password-less sudo).

PYTHON ?= python3
EXTRAS ?= app,corpus,dev
VENV := .venv
RUN := $(VENV)/bin/python -m
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help app test test-heavy lint format install system system-test corpus-fonts clean FORCE

help:
	@echo "make app          install what is missing, open the app in the browser (PORT=8501 ARGS='--server.address 0.0.0.0')"
	@echo "make test         install what is missing, lint, run the tests (ARGS='-k pdf -x' goes to pytest)"
	@echo "make test-heavy   the tests that take minutes"
	@echo "make lint         ruff check and ruff format --check;  make format  applies both"
	@echo "make install      only the environment in .venv (PYTHON=python3.12 EXTRAS=app to choose)"
	@echo "make corpus-fonts more typefaces for made training pages (Debian, Ubuntu)"
	@echo "make clean        remove caches and build leftovers; .venv, runs/ and out/ stay"

# Streamlit opens the browser itself, or prints the address where there is no display.
app: $(STAMP) system
	$(RUN) streamlit run app/main.py --server.showEmailPrompt false \
	  $(if $(PORT),--server.port $(PORT)) $(ARGS)

# LAYOUTDEIT_REQUIRE=browser,poppler makes a test that was skipped for want of these fail (tests/conftest.py).
test: $(STAMP) system-test lint
	$(RUN) pytest -m "not heavy" $(ARGS)

# pytest says 5 when no test is marked heavy, which is no failure.
test-heavy: $(STAMP) system-test
	@$(RUN) pytest -m heavy $(ARGS) || { code=$$?; [ $$code -eq 5 ] || exit $$code; }

lint: $(STAMP)
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: $(STAMP)
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

install: $(STAMP)

# The stamp names this folder and is written last: a failed install leaves none, a moved folder installs again.
$(STAMP): pyproject.toml $(if $(filter $(CURDIR),$(shell cat $(STAMP) 2>/dev/null)),,FORCE)
	@rm -f $(STAMP)
	@new_enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	if ! { $(VENV)/bin/python -c "$$new_enough" && $(RUN) pip --version; } >/dev/null 2>&1; then \
	  python=; \
	  for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	    if $$candidate -c "$$new_enough" 2>/dev/null; then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "layoutdeit needs Python 3.11 or newer and found none: install it, or name it with make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  if ! $$python -c 'import ensurepip' 2>/dev/null; then \
	    version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	    package=python$$version-venv; hint="this Python has no venv module"; $(apt_install); \
	  fi; \
	  $$python -m venv --clear $(VENV); \
	fi
	$(RUN) pip install --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@printf '%s\n' "$(CURDIR)" > $(STAMP)

# ---- System parts: installed where allowed, otherwise one line to type, and the work goes on without them.

# Shell: install the Debian package $package, or say why not with $hint. Never fails.
define apt_install
as_root=; \
if [ "$$(id -u)" = 0 ]; then as_root=env; elif sudo -n true 2>/dev/null; then as_root="sudo -n env"; fi; \
if command -v apt-get >/dev/null 2>&1 && [ -n "$$as_root" ]; then \
  echo "installing $$package ..."; \
  $$as_root DEBIAN_FRONTEND=noninteractive apt-get update -qq || true; \
  $$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$package >/dev/null \
    || echo "$$hint; to install it, type: sudo apt-get update && sudo apt-get install -y $$package" >&2; \
elif command -v apt-get >/dev/null 2>&1; then \
  echo "$$hint; to install it, type: sudo apt-get update && sudo apt-get install -y $$package" >&2; \
else \
  echo "$$hint; to install it, use your system's package manager (it may be called $$package)" >&2; \
fi
endef

system:
	@if ! command -v pdftoppm >/dev/null 2>&1; then \
	  package=poppler-utils; hint="poppler's pdftoppm is missing, pages are drawn by pypdfium2 instead"; $(apt_install); \
	fi

system-test: system
	@for browser in chromium chromium-browser google-chrome google-chrome-stable; do \
	  if command -v $$browser >/dev/null 2>&1; then exit 0; fi; \
	done; \
	package=chromium; hint="no Chromium here, the browser tests are skipped"; $(apt_install)

# Made pages look alike when only Typst's own typefaces are there.
corpus-fonts:
	@package="fonts-liberation fonts-dejavu-core fonts-texgyre fonts-lmodern fonts-crosextra-carlito \
	  fonts-crosextra-caladea fonts-open-sans fonts-roboto-unhinted fonts-lato fonts-linuxlibertine fonts-gfs-didot \
	  fonts-gfs-artemisia fonts-gfs-neohellenic fonts-urw-base35 fonts-stix fonts-sil-gentiumplus fonts-sil-charis \
	  fonts-cantarell fonts-inter"; \
	hint="made pages use the typefaces that are here"; $(apt_install)

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
