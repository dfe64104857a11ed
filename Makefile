# Two commands for everybody: `make run` (compile the shipped model, classify the shipped images) and `make test`.
PYTHON ?= python3
# pip's plain "torch" brings several GB for GPUs; this is the version everything was measured with.
TORCH ?= torch==2.13.0
VENV := .venv
EDGE := $(VENV)/bin/edge
SCALE ?= full
EVIDENCE ?= docs/evidence
STUDY ?= build/study
export ORT_DISABLE_TELEMETRY := 1 # as edge/__init__.py does, for programs that load ONNX Runtime first

.PHONY: run bundle test nightly check evidence study pictures compat firmware clean

run: bundle
	$(EDGE) evaluate build/fetal-planes.edge --list 32
	@echo "The bundle lies at build/fetal-planes.edge; see it work: $(EDGE) serve build/fetal-planes.edge --source demo"

bundle: $(VENV)/run.stamp
	$(EDGE) compile edge_n -o build/fetal-planes.edge

test: $(VENV)/test.stamp
	$(VENV)/bin/python -m pytest -n 3 --dist loadfile  # many tests wait for a process or a clock, so more workers than cores

# What takes too long for every change: a camera in an emulated machine (needs Debian's qemu-system-x86, busybox-static,
# cpio, kmod, linux-image-amd64).
nightly: $(VENV)/test.stamp
	$(VENV)/bin/python -m pytest -m nightly

check: $(VENV)/test.stamp
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_architecture.py

# Every figure that the documents quote, measured again. SCALE=small takes minutes less and is what CI runs.
evidence: $(VENV)/test.stamp bundle
	$(EDGE) compile edge_n -o build/fetal-planes-fp32.edge --precision fp32
	$(EDGE) compile edge_s -o build/edge_s.edge
	$(EDGE) compile edge_s -o build/edge_s-fp32.edge --precision fp32
	$(VENV)/bin/python -m tests.bench.evidence --scale $(SCALE) --output $(EVIDENCE)
	$(VENV)/bin/python -m tests.bench.robustness --evidence $(EVIDENCE) --output $(EVIDENCE)/../robustness.md

# The training study (tests/study/study.toml): days on two cores. Goes on where it stopped; several may run side by side.
# DATA is the labels.csv of `edge data prepare`, SONONET the published SonoNet16 weights as the card of edge_n makes them.
study: $(VENV)/test.stamp
	$(if $(and $(DATA),$(SONONET)),,$(error Give the images and the weights: make study DATA=LABELS.csv SONONET=WEIGHTS))
	$(VENV)/bin/python -m tests.study.run --data $(DATA) --sononet $(SONONET) --work $(STUDY)
	$(VENV)/bin/python -m tests.study.table --work $(STUDY)
	$(VENV)/bin/python -m tests.study.tried --work $(STUDY) --data $(DATA)

# Every lowering on ONNX Runtime 1.17.3, 1.20.1 and 1.23.2, each in an environment of its own.
compat: $(VENV)/test.stamp bundle
	$(VENV)/bin/python -m tests.compat.check_old_runtimes

# The pictures in the documents; the page's need Debian's chromium.
pictures: $(VENV)/test.stamp bundle
	$(EDGE) evaluate build/fetal-planes.edge --report build/report
	cp build/report/answers.png build/report/confusion.png docs/pictures/
	$(VENV)/bin/python -m tests.edge.page.browser.pictures

# The cart's reference firmware: a process, and an image for the MPS2 board (needs Debian's gcc-arm-none-eabi).
firmware:
	$(MAKE) -C firmware_bridge/firmware BUILD=$(CURDIR)/build/firmware

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install -q $(TORCH) -e '.[compile,serve]'
	touch $@

$(VENV)/test.stamp: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install -q $(TORCH) -e '.[dev]'
	touch $@ $(VENV)/run.stamp

clean:
	rm -rf build $(VENV)
