# make setup     makes .venv and installs fmalib there (3 GB)
# make test      runs the tests
# make test-faults   kills, fills a disk, damages files, and compares with undisturbed work (10 minutes)
# make test-tfio     tests decoding by tensorflow-io, in an environment with TensorFlow 2.16 that it makes (CPython 3.10 to 3.12)
# make test-colab    rehearses Colab: each notebook alone in environments with Colab's packages, which it makes; FULL=1 takes the
#                default parameters instead of the quick ones
# make lint      checks rules and format by ruff, and that notebooks match their scripts
# make format    applies what `make lint` asks for
# make mutants   breaks each line that guards against a leak, in a copy, and shows that a test fails (15 minutes)
# make bench-train   times training beside PyTorch, which it installs in .venv
# make bench-data    times caches and pipelines beside soundfile, librosa and memory-mapped arrays; MUSIC=FOLDER of MP3s
# make bench-codec   measures the codec beside MP3, Opus and downsampling; DATA=FOLDER in FMA's layout, SONGS=FOLDER of sound
#                    files, BASELINES=FILE to compare with, JSON=FILE for all numbers
# make sweep     makes the whole table of genres by notebooks/sweep.yaml: DATASET=fma_small DATA_DIR=FOLDER SEEDS="0 1 2";
#                after Ctrl-C the same command goes on
# make tables    fills in the tables of outputs/reference/README.md and the numbers of README.md, from outputs/reference
# make report    executes the notebooks and makes outputs/report/index.html; DATASET=fma_small DATA_DIR=FOLDER, or a folder of
#                genres as DATASET, for music; NAMES="01_data 03_classifier" for some; what has not changed is not executed again
PYTHON ?= python3
BIN := .venv/bin
# The exact set that CI tested with this Python, where there is one; else the ranges of requirements.txt.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
CONSTRAINTS := $(wildcard .ci/constraints-$(VERSION).txt)

# A mistyped variable would change nothing, without a word.
KNOWN := PYTHON DATASET DATA_DIR NAMES SEEDS MUSIC DATA SONGS BASELINES JSON FULL
UNKNOWN := $(filter-out $(KNOWN),$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
$(if $(UNKNOWN),$(error No such variable; there are $(KNOWN). Received: $(UNKNOWN)))

.PHONY: setup test test-slow test-faults test-tfio test-colab lint format mutants bench-train bench-data bench-codec sweep report tables notebooks clean
.DELETE_ON_ERROR:

setup: .venv/installed

.venv/installed: requirements.txt pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
		{ echo "fmalib needs CPython 3.10 to 3.13; name one: make PYTHON=python3.12. Received: $(PYTHON) $(VERSION)"; exit 1; }
	@echo "Installing fmalib and its packages into .venv, which takes some minutes"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) --editable '.[dask,dev]' || \
		{ echo "Packages are missing: look at pip's error, at the network and at the disk; the same command goes on"; exit 1; }
	@touch $@

# Two workers fill two cores; more threads in each would wait for the other's.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1

test: setup
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: setup
	$(BIN)/python -m pytest -m slow

test-faults: setup
	$(BIN)/python -m pytest -m faults -n 2 --dist load

test-tfio: .venv-tfio/installed
	PYTHONPATH=. .venv-tfio/bin/python -m pytest --noconftest tests/data/test_tfio_decoder.py

.venv-tfio/installed: .ci/tfio.txt
	$(PYTHON) -m venv .venv-tfio
	.venv-tfio/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/tfio.txt
	@touch $@

test-colab: setup
	$(if $(FULL),FMALIB_COLAB_FULL=1) $(BIN)/python -m pytest -m colab -n 2 --dist loadgroup tests/colab

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python notebooks/pair.py --check

format: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python notebooks/pair.py

mutants: setup
	$(BIN)/python tests/benchmarks/mutants.py --workers 2

# PyTorch is the opponent and nothing else here needs it.
bench-train: setup
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check torch
	$(BIN)/python tests/benchmarks/training.py

bench-data: setup
	$(BIN)/python tests/benchmarks/data.py $(addprefix --music ,$(MUSIC)) $(addprefix --json ,$(JSON))

bench-codec: setup
	$(BIN)/python tests/benchmarks/codec.py $(addprefix --data-dir ,$(DATA)) $(addprefix --songs ,$(SONGS)) \
		$(addprefix --baselines ,$(BASELINES)) $(addprefix --json ,$(JSON))

SEEDS ?= 0 1 2

sweep: setup
	$(BIN)/python notebooks/sweep.py --seeds $(SEEDS) $(if $(DATASET),-p dataset '$(DATASET)') $(if $(DATA_DIR),-p data_dir '$(DATA_DIR)')

report: setup
	$(BIN)/fmalib report $(NAMES) $(if $(DATASET),-p dataset '$(DATASET)') $(if $(DATA_DIR),-p data_dir '$(DATA_DIR)')

tables: setup
	$(BIN)/python tests/benchmarks/tables.py

notebooks: setup
	$(BIN)/python notebooks/pair.py --stamp

clean:
	rm -rf .venv .venv-tfio build *.egg-info outputs/cache outputs/runs outputs/report outputs/[0-9][0-9]_*
