# Everything a person or a CI job does here. `make demo` and `make test` set up what they need.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test check bench crash fuzz mutants docs clean

setup: $(READY)

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet -e '.[train,hf,s3,tasks,judge,web,dev]'
	touch $(READY)

# The main job, from the text of this Python installation to a verdict.
demo: $(READY)
	$(BIN)/vernier run recipes/demo.yaml

# What must be green before anything lands.
test: $(READY)
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q

# Form, types and floors.
check: $(READY)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

# Every number in docs/results.md, made again.
bench: $(READY)
	$(BIN)/pip install --quiet -e ".[bench]"
	$(BIN)/python bench/make_results.py --commands | sed 's|^python|$(BIN)/python|' | bash -ex
	$(BIN)/python bench/make_results.py

# The long campaigns of kills (`make test` holds short ones).
crash: $(READY)
	$(BIN)/pytest -q -m crash

# Five minutes of mutated input, in all, for what reads what others wrote; each test says how much it tried.
fuzz: $(READY)
	$(BIN)/pytest -q -rP -m fuzz

# The suite must be red on each of these patches.
mutants: $(READY)
	$(BIN)/python tests/mutants/run.py

# The generated pages.
docs: $(READY)
	$(BIN)/python -m vernier.core.reference > docs/recipe.md
	$(BIN)/python bench/make_results.py

clean:
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
