# scripts/setup.sh brings .venv to what a target needs, and ends at once where nothing is missing.

PORT ?= 7860
ARGS ?=
WORKERS ?= 2

export HF_HUB_DISABLE_TELEMETRY := 1
export GRADIO_ANALYTICS_ENABLED := False

# Each file goes to one worker, so that what its tests share is made once, and in the order of tests/conftest.py.
PYTEST = .venv/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help demo training test test-fast lint detector clean

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 16

demo:  ## install what the page needs and open it at 127.0.0.1 (another port than 7860 with PORT=7861)
	@bash scripts/setup.sh demo
	@echo "Starting the page at http://127.0.0.1:$(PORT) (about 10 seconds; Ctrl-C stops it) ..."
	@GRADIO_SERVER_PORT=$(PORT) exec .venv/bin/python app.py

training:  ## install what train/ needs beside the page
	@bash scripts/setup.sh training

test:  ## install what the tests need, check style and types, run every test (some with ARGS="-k faces"; WORKERS=4 at once)
	@bash scripts/setup.sh test
	@$(MAKE) --no-print-directory lint
	@echo "Running the tests (pytest) ..."
	@$(PYTEST) $(ARGS)

test-fast:  ## the quick tests only, for daily work: none that takes a second, no browser, no server, no other program
	@bash scripts/setup.sh lint
	@$(PYTEST) -m "not medium and not slow and not browser and not process" $(ARGS)

lint:  ## check style (ruff) and types (mypy) only
	@bash scripts/setup.sh lint
	@echo "Checking style (ruff) ..."
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@echo "Checking types (mypy, up to a minute the first time) ..."
	@.venv/bin/python -m mypy

detector:  ## fetch the weights of the better face detector (make demo has tried once)
	@bash scripts/setup.sh demo
	@.venv/bin/python -m cyclegan_core.faces.detector_weights

clean:  ## remove .venv and the caches of the tools; data, runs and weights stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
