# make demo: environment, install, main job and its pictures.   make test: environment, install, tests.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.PHONY: demo test slow lint bench data wheel clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: .venv/installed
	$(BIN)/pinnkit solve burgers --out demo/burgers.h5 --overwrite
	$(BIN)/pinnkit plot demo/burgers.h5 --out demo
	$(BIN)/pinnkit influence demo/burgers.h5 --of u@x=0.2,t=0.5 --of error --curvature gauss-newton --top 5 \
		--picture demo/burgers-influence.png --out demo/burgers-influence.h5
	$(BIN)/pinnkit report demo/burgers.h5

test: .venv/installed
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

slow: .venv/installed
	$(BIN)/python -m pytest -m slow

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/flake8 pinnkit problems tests benchmarks data

bench: .venv/installed
	$(BIN)/python -m benchmarks

data: .venv/installed
	for script in data/make_*.py; do $(BIN)/python $$script; done

wheel: .venv/installed
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv build dist demo
