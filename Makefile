# SPDX-License-Identifier: Apache-2.0
# `make` alone lists the targets. Override by name, for example: make demo PYTHON=python3.12 VENV=/tmp/lsms

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV ?= .venv
# For a small download without CUDA on Linux: make TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
PIP := $(VENV)/bin/python -m pip install --disable-pip-version-check --no-input

# MONAI Deploy breaks `import monai` where CUDA is missing, hence an environment of its own.
DEPLOY_VENV ?= .venv-deploy
DEPLOY_PIP := $(DEPLOY_VENV)/bin/python -m pip install --disable-pip-version-check --no-input

# MONAI Label 0.8.5 needs another pydicom, hence an environment of its own. The constraint reaches the packages that are
# built on the way, which would otherwise download another torch.
LABEL_VENV ?= .venv-label
LABEL_PYTHON ?= $(shell command -v python3.11 || command -v python3.12)
LABEL_PIP := PIP_CONSTRAINT=$(CURDIR)/apps/lsms/constraints.txt $(LABEL_VENV)/bin/python -m pip install --disable-pip-version-check --no-input
LABEL_PORT ?= 8000
LABEL_STUDIES ?= runs/label/studies

DEMO := runs/demo
# A phantom with a hyperdense lesion in the right lobe and a cyst in the left one.
DEMO_SEED := 1402

.PHONY: help demo label test test-label test-deploy slow lint format weights bundle torchscript map

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /make \1	/' | expand -t 20

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found; name one: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch comes first: whatever depends on it afterwards finds this version and downloads no other.
$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	$(PIP) $(TORCH)
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PIP) --editable ".[dev]"
	@touch $@

demo: $(VENV)/.base ## segment one phantom CT by two expressions
	rm -rf $(DEMO)
	$(BIN)/lsms phantom $(DEMO)/phantom --patients 1 --seed $(DEMO_SEED)
	$(BIN)/lsms segment $(DEMO)/phantom/images/phantom_00000.nii.gz \
		"the hyperdense lesion in the right lobe" "the cyst in the left lobe" --output-dir $(DEMO)/answers
	@echo "Two expressions, one slice. Compare the pictures:"
	@ls -1 $(DEMO)/answers/*_overlay.png

$(LABEL_VENV)/.base: pyproject.toml apps/lsms/constraints.txt
	@test -n "$(LABEL_PYTHON)" || { echo "MONAI Label needs Python 3.11 or 3.12; name one: make LABEL_PYTHON=..."; exit 1; }
	$(LABEL_PYTHON) -m venv $(LABEL_VENV)
	$(LABEL_VENV)/bin/python -m pip install --disable-pip-version-check --no-input $(TORCH)
	$(LABEL_PIP) --editable ".[label]"
	@touch $@

$(LABEL_VENV)/.test: $(LABEL_VENV)/.base
	$(LABEL_PIP) "pytest>=8.3" "pytest-socket>=0.7" "playwright>=1.50"
	@touch $@

$(LABEL_STUDIES):
	$(LABEL_VENV)/bin/lsms phantom runs/label/phantom --patients 4 --volumes
	mkdir -p $@ && cp runs/label/phantom/images/*.nii.gz $@

label: $(LABEL_VENV)/.base ## start MONAI Label with the bundle on a few phantoms; Ctrl-C stops it
	@$(MAKE) --no-print-directory $(LABEL_STUDIES)
	@echo "In about half a minute:  http://127.0.0.1:$(LABEL_PORT)/lsms/   (3D Slicer: http://127.0.0.1:$(LABEL_PORT))"
	PYTHONPATH=$(CURDIR)/apps/lsms/environment MONAI_LABEL_AUTO_UPDATE_SCORING=false \
		$(LABEL_VENV)/bin/python -m monailabel.main start_server --app apps/lsms --studies $(LABEL_STUDIES) \
		--host 127.0.0.1 --port $(LABEL_PORT) --conf bundle $(CURDIR)/bundle

test-label: $(LABEL_VENV)/.test ## test the MONAI Label app: real servers, and the page in Chromium if that is installed
	PYTHONPATH=$(CURDIR)/apps/lsms/environment $(LABEL_VENV)/bin/python -m pytest -m label tests/label

test: lint ## check style and types, then run the tests
	$(BIN)/python -m pytest

# holoscan-cli wants pip newer than 25.1
$(DEPLOY_VENV)/.ready: apps/deploy/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_PIP) --upgrade pip
	$(DEPLOY_PIP) $(TORCH)
	$(DEPLOY_PIP) --requirement apps/deploy/requirements.txt --editable . pytest pytest-socket
	@touch $@

test-deploy: $(DEPLOY_VENV)/.ready ## run the tests of the MONAI Deploy application, in an environment of its own
	$(DEPLOY_VENV)/bin/python -m pytest -m deploy tests/deploy

slow: $(VENV)/.dev ## run the tests that take longer: exports, the packed bundle, the benchmark
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.train: $(VENV)/.base
	$(PIP) --editable ".[train]"
	@touch $@

# The data named in bundle/docs/data_license.txt.
DATA ?= ../shared/data
WEIGHTS := runs/weights
# GPUs, or cores of a machine without: two processes of one thread are faster there than one process of two.
PROCESSES ?= 2
TRAIN := $(BIN)/torchrun --standalone --nproc_per_node $(PROCESSES) -m monai.bundle run training \
	--config_file "['bundle/configs/train.json','bundle/configs/multi_gpu_train.json']" \
	--datalist $(WEIGHTS)/data/datalist.json --selection_weight 1.5
# An interrupted step goes on from its last checkpoint.
resume = --resume $$(ls $(1)/checkpoint_* >/dev/null 2>&1 && echo True || echo False)

weights: $(VENV)/.train ## train weights as those released, in two steps
	test -d $(WEIGHTS)/data || $(BIN)/python tools/make_training_set.py $(WEIGHTS)/data --phantoms 1800 --volumes 240 \
		--livers $(DATA)/msd_liver_slices --outlines tools/msd_liver_lesions.json --negatives $(DATA)/sts_ct \
		--without-liver $(DATA)/crlm_ct/CRLM-CT-1004 0 3 --without-liver $(DATA)/crlm_ct/CRLM-CT-1004 37 40 \
		--without-liver $(DATA)/totalsegmentator_example/example_ct.nii.gz 40 58 --spacing 1.6
	test -f $(WEIGHTS)/start/done || $(TRAIN) --output_dir $(WEIGHTS)/start $(call resume,$(WEIGHTS)/start)
	touch $(WEIGHTS)/start/done
	test -f $(WEIGHTS)/end/done || $(TRAIN) --output_dir $(WEIGHTS)/end $(call resume,$(WEIGHTS)/end) --start_weights $(WEIGHTS)/start/model.pt \
		--epochs 13 --epoch_length 160 --batch_dice False --foreground_weight 1.0 --background_weight 0.25 \
		--learning_rate 0.001 --mirror_prob 0.3 "--train#random_transforms#1#prob" 0.4
	touch $(WEIGHTS)/end/done
	$(BIN)/python -c "from lsms_monai.weights import save_compact; \
		save_compact('$(WEIGHTS)/end/model.pt', '$(WEIGHTS)/model.pt')"

bundle: $(VENV)/.base ## pack the self-contained bundle into dist/
	$(BIN)/python tools/make_bundle.py

torchscript: $(VENV)/.base ## write bundle/models/model.ts, for MONAI Deploy's own bundle operator
	$(BIN)/python tools/make_torchscript.py

map: ## lay out in dist/map what `monai-deploy package` wants
	$(PYTHON) tools/make_map.py
