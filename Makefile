# make book   build the book          make lab         its chapters in JupyterLab
# make test   every check             make references  renew what tests compare with
# make full CHAPTERS=book/…md         run chapters at full scale, for hours
# make losses                         renew what is said of every loss at a glance
# make bench                          time every loss beside its peers
# make bench-gpu                      the same on a graphics card, by all roads
# make bench-segmentation             renew the record of the segmentation losses
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export HANDBOOK_SILENT := 1
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := book
.PHONY: book test test-gpu lab full references implementations losses \
        new-chapter mutations bench bench-gpu bench-segmentation clean

# Torch first: what depends on it must not choose another one.
$(READY): requirements.txt requirements-alone.txt pyproject.toml book/_ext/jupyterlab.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed (make PYTHON=python3.12)"; exit 1; }
	rm -f $@
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $$(grep '^torch==' requirements.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-alone.txt -e .
	mkdir -p .venv/etc/jupyter/labconfig
	cp book/_ext/jupyterlab.json .venv/etc/jupyter/labconfig/default_setting_overrides.json
	touch $@

book: $(READY)
	@$(BIN)/python book/_ext/build.py

test: book
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q -n 2 --dist loadscope
	env -u HANDBOOK_SCALE $(BIN)/python -m pytest -q -n 2 --dist loadscope --nbval --nbval-current-env \
	  --nbval-cell-timeout 600 --nbval-sanitize-with tests/sanitize.cfg tests/reference

test-gpu: $(READY)
	@$(BIN)/python -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' || \
	  { echo "No graphics card that torch can use: nothing tested."; exit 1; }
	$(BIN)/python -m pytest -q -m gpu tests

lab: $(READY)
	env -u HANDBOOK_SILENT $(BIN)/jupyter lab book

full: $(READY)
	$(BIN)/python book/_ext/full.py $(CHAPTERS)

references: $(READY)
	$(BIN)/python tests/make_references.py $(CHAPTERS)
	git --no-pager diff --stat -- tests/reference

# Asks the installed peers again where they differ from us.
implementations: $(READY)
	$(BIN)/python tests/make_implementations.py
	git --no-pager diff --stat -- book/records

# What the chooser, the cards and the shell command say of every loss.
losses: $(READY)
	$(BIN)/python -m handbook_code.catalogue.summary

new-chapter: $(READY)
	$(BIN)/python book/_ext/new_chapter.py $(TOPIC)

# Plants mistakes and sees them caught; minutes.
mutations: book
	$(BIN)/python tests/mutate.py $(WORDS)

# Goes on after an interruption. For some of it, the command by itself:
# python -m handbook_code.bench.speed --help
bench: $(READY)
	env -u HANDBOOK_SILENT $(BIN)/python -m handbook_code.bench.speed
	cp _build/speed/record.json book/records/speed.json

# Needs a card. Goes on after an interruption.
bench-gpu: $(READY)
	$(BIN)/python -m handbook_code.bench.gpu
	cp _build/gpu/record.json book/records/gpu.json

# Half an hour; goes on after an interruption.
bench-segmentation: $(READY)
	env -u HANDBOOK_SILENT $(BIN)/python -m handbook_code.bench.segmentation
	cp _build/bench/record.json book/records/segmentation.json

clean:
	rm -rf _build
