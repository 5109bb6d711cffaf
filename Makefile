# make demo     set up, then train and compare one matched pair on the bundled clips (minutes on two CPU cores)
# make test     set up, then every test
# make lint     set up, then ruff, mypy and the import rules
# make docs     set up, then the site of docs/, into docs/_build, with that of `make site` beside it; offline, and a warning
#               is an error
# make site     set up, then results/site: pages of the records that results/ has, to open from results/site/index.html
# make wheels   set up, then a wheel of the core and of every distribution in the tree, into dist
# make web      the scripts of `harness site` anew, from the packages that web/package-lock.json pins; needs npm
# make torture  set up, then the tests of reliability at full size, into results/reliability.md
# make bench    set up, then how fast it is, into results/bench.md: networks (with OFFICIAL=DIR beside the code of their
#               authors, whose ratios are then kept), loading, the training loop, evaluation, masks, tables of many pairs;
#               QUICK=1 takes minutes. Then what looking at footage takes beside decoding

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := harness $(wildcard baselines/*/vfi_* adapters/*/vfi_*)

.PHONY: demo test lint docs site wheels web bench torture clean

demo: $(READY)
	$(BIN)/harness run --baseline ifrnet-s --with hce,hir --recipe demo --start ifrnet-s-own --test clips

test: $(READY)
	$(BIN)/python -m pytest -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports

docs: $(READY) site
	$(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet docs docs/_build
	rm -rf docs/_build/results
	cp -r results/site docs/_build/results

# Such records are made by `harness runs export NAME --no-checkpoints --output results/demo/records.zip`, in place of the old ones.
site: $(READY)
	rm -rf build/records
	for file in $(wildcard results/*/records.zip); do \
		$(BIN)/harness runs import $$file --results build/records || exit 1; \
	done
	$(BIN)/harness site --results build/records --output results/site

wheels: $(READY)
	for folder in . $(wildcard baselines/* adapters/*); do \
		$(BIN)/python -m build --wheel --no-isolation --outdir dist $$folder || exit 1; \
	done

web:
	cd web && npm ci && npm run build

bench: $(READY)
	$(BIN)/harness bench $(if $(QUICK),--quick) --output results/bench.md \
		$(if $(OFFICIAL),--official $(OFFICIAL) --record harness/bench/recorded.json)
	$(BIN)/python tests/measure_shots.py cost

torture: $(READY)
	$(BIN)/python -m tests.torture.report
	OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/simulate_statistics.py >> results/reliability.md

$(READY): requirements.txt constraints.txt pyproject.toml $(wildcard baselines/*/pyproject.toml adapters/*/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --requirement requirements.txt
	touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build/records results/site docs/_build docs/reference/names
