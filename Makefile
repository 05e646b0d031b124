# The two commands are `make tour` and `make test`. Each does all of its own set-up, in .venv and in the user's cache.

VENV := .venv
WORKERS := 2
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt

# Settings that would make pip install anywhere else than into .venv, or Python look elsewhere.
unexport PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_USER := 0

.PHONY: tour test coverage lint bench weights clean

tour: $(VENV)/.installed-all weights
	$(RUN) -m sensorium tour

# The library is compiled first: where PYTHONDONTWRITEBYTECODE is set, as in many containers, each of the many programs
# that the tests start would compile it anew; and one that may hardly write files must not be the first to do it.
# What fails is run once more with the machine to itself, and has to pass then; both outcomes are printed.
test: lint weights
	$(RUN) -m compileall -q src
	$(RUN) -m pytest --numprocesses $(WORKERS) --dist loadfile || { \
	    test $$? -eq 1 || exit 2; \
	    echo "Once more, one after the other, what failed beside other tests:"; \
	    $(RUN) -m pytest --last-failed --last-failed-no-failures none; \
	}

# Apart from the test: what counts lines makes Python 3.11 a third slower.
coverage: $(VENV)/.installed-dev weights
	$(RUN) -m pytest --numprocesses $(WORKERS) --dist loadfile --cov --cov-report=term:skip-covered

lint: $(VENV)/.installed-dev
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

bench: $(VENV)/.installed-dev weights
	$(RUN) -m benchmarks

weights: | $(VENV)/.installed-all
	@$(RUN) -m sensorium models pull starter >/dev/null

clean:
	rm -rf $(VENV) tour dist benchmarks/results .coverage .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed-all: pyproject.toml constraints.txt | $(RUN)
	@echo "Installing Sensorium and its libraries into $(VENV): a few minutes, 2 GB (6 GB where torch comes with CUDA)"
	$(INSTALL) --editable ".[all]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-all
	@echo "Installing what the tests need"
	$(INSTALL) --editable ".[dev]"
	@touch $@

# An active virtual environment is not touched; the first Python that can make one of its own is used.
$(RUN):
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	    if "$$python" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then \
	        echo "Making $(VENV) with $$python"; \
	        exec "$$python" -m venv --clear $(VENV); \
	    fi; \
	done; \
	echo "Sensorium needs Python 3.11 or newer with venv (Debian and Ubuntu: apt install python3-venv)" >&2; \
	exit 1
