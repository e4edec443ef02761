# `make run` and `make test` do all the set-up themselves, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run test fast slow lint format docs wheel bench clean

run: $(INSTALLED)  ## train the default: a VAE on the embedded digits
	$(BIN)/vaebench

test: $(INSTALLED)  ## the whole suite but for what is marked slow
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

fast: $(INSTALLED)  ## without matrices, processes and browsers: for the loop of edit and test
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m 'not slow and not matrix and not process and not browser'

slow: $(INSTALLED)  ## what takes longer than a minute
	$(BIN)/python -m pytest -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)  ## build/docs/index.html; warnings are errors
	$(BIN)/python docs/systems.py
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs

wheel: $(INSTALLED)  ## builds the wheel, and tries it in an environment that has nothing else of vaebench
	$(BIN)/python -m build --no-isolation --wheel --outdir dist
	$(BIN)/python -m pytest -m wheel

bench: $(INSTALLED)  ## needs MNIST (VAEBENCH_DATA_DIR=DIR make bench) and, for the page, chromium
	$(BIN)/python benchmarks/mnist_loop.py
	$(BIN)/python benchmarks/speed.py --threads 1
	$(BIN)/python benchmarks/speed.py --threads 1 --with compile
	$(BIN)/python benchmarks/likelihood.py
	$(BIN)/python benchmarks/command.py
	$(BIN)/python benchmarks/crowded.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/grid.py
	$(BIN)/python benchmarks/page.py
	$(BIN)/python benchmarks/flows.py
	$(BIN)/python benchmarks/draw.py
	$(BIN)/python benchmarks/batches.py
	$(BIN)/python benchmarks/sentences.py
	$(BIN)/python benchmarks/weights.py

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .mypy_cache
