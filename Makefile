# make demo: environment, install, main job and its pictures.   make test: environment, install, tests.
# make long: the tests of tests/long.txt.
# make portable: the tests that rounding could upset, with the processor's plainest instructions and no C compiler.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

# make extras: the tests that need the packages of extras, in an environment of their own.
.PHONY: demo test long extras portable slow lint bench data wheel clean

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

# Tests start many processes, each of which would compile the package anew where bytecode is not kept. Files come in the
# order of their names: by the number of their tests, four long notebooks would come last, with one worker idle.
test long: export PYTHONDONTWRITEBYTECODE =
test long: export SYMPY_CACHE_SIZE = 20000
test: .venv/installed
	$(BIN)/python -m pytest -m "not slow and not long" --numprocesses 2 --dist loadfile --no-loadscope-reorder

long: .venv/installed
	$(BIN)/python -m pytest -m "long and not slow" --numprocesses 2 --dist load

# NumPy's vector kernels, torch's, OpenBLAS's and the compiled jets are other ones than in `make test`.
FOUND := import numpy; print(*numpy.show_config("dicts")["SIMD Extensions"].get("found", []))
extras: .venv/installed
	$(BIN)/python -m venv --clear --system-site-packages .venv-extras
	.venv-extras/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,tables,onnx,tensorboard,wandb,mlflow]"
	.venv-extras/bin/python -m pytest -m "extras and not slow"

portable: .venv/installed
	NPY_DISABLE_CPU_FEATURES="$$($(BIN)/python -c '$(FOUND)')" ATEN_CPU_CAPABILITY=default CC= \
		$(if $(filter x86_64,$(shell uname -m)),OPENBLAS_CORETYPE=Nehalem) \
		$(BIN)/python -m pytest -m "portable and not slow and not long" --numprocesses 2 --dist loadfile

slow: .venv/installed
	$(BIN)/python -m pytest -m slow

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python -m benchmarks

data: .venv/installed
	for script in data/make_*.py; do $(BIN)/python $$script; done

wheel: .venv/installed
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv build dist demo
