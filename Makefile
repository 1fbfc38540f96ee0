# `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: demo test thorough unit coverage vllm llama chaos soak protocol slow lint format docs catalogues screenshot containers lock credentials clean help
export PYTHON ?= python3
# $(value …) keeps the question as typed: a dollar sign in it is not a variable of make.
export STARCHAT_QUESTION := $(value ASK)

demo: ## start a local workspace, the bot and a small model; ASK="…" asks one question and exits
	@$(PYTHON) -m scripts.setup demo
	@.venv/bin/python -m demo $${STARCHAT_QUESTION:+"--ask=$$STARCHAT_QUESTION"}

test: ## set up and run the tests, without the slowest, in 6 minutes; needs nothing from apt
	@bash .ci/run tests --quick

thorough: ## run all tests but the ones marked slow, as CI does, in 12 minutes
	@bash .ci/run tests

unit: ## run the tests that start no process and open no connection, in half a minute
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -m pytest -m unit

coverage: ## trace all tests and the processes of the product, a third slower
	@TRACE_PROCESSES=1 bash .ci/run tests

vllm: ## test the remote engine on a real vLLM, set up once in ten minutes; 3 minutes; SCALE=2 replicas
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -c 'from bench.engine.environment import ensure_python; ensure_python("vllm")'
	@VLLM_REPLICAS=$${SCALE:-1} .venv/bin/python -m pytest -m vllm --timeout 600 -s $${SCALE:+-k replicas}

llama: ## test the remote engine on a real llama.cpp server, compiled once in ten minutes; 1 minute
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -c 'from bench.engine.llama_server import ensure_llama_server; ensure_llama_server()'
	@.venv/bin/python -m pytest -m llama

chaos: ## inject faults for 10 minutes and count; SCENARIOS=worker-killed-while-generating SEED=2
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -m chaos $${SCENARIOS:+"--scenarios=$$SCENARIOS"} $${SEED:+"--seed=$$SEED"}

soak: ## ask for 15 minutes with 1 % faults; report memory, files and keys; MINUTES=60
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -m chaos --scenarios soak $${MINUTES:+"--minutes=$$MINUTES"}

protocol: ## run 2,000 random sequences of 60 steps against the queue scripts
	@$(PYTHON) -m scripts.setup dev
	@PROTOCOL_RUNS=2000 PROTOCOL_STEPS=60 .venv/bin/python -m pytest tests/worker/jobs/test_protocol.py

slow: ## run the tests marked slow
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -m pytest -m slow

lint: ## check format, lint, imports and types, as CI does
	@bash .ci/run fast

format: ## format the code and apply ruff's fixes
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

docs: ## regenerate the tables in docs/
	@.venv/bin/python -m scripts.generated_docs

catalogues: ## collect the sentences that people read in the catalogues of translations, and compile
	@.venv/bin/python -m scripts.catalogues

screenshot: ## retake docs/page.png: a real thread of the demo in Chromium
	@.venv/bin/python -m scripts.screenshot

containers: ## build the images and run docker-compose.yml by podman; root, 15 minutes
	@$(PYTHON) -m scripts.setup demo
	@.venv/bin/python -m scripts.containers

lock: ## pin the versions installed in .venv in requirements/
	@.venv/bin/python -m scripts.lock

credentials: ## create the passwords and files in secrets/ that docker-compose.yml reads
	@$(PYTHON) -m scripts.credentials

clean: ## remove the demo's data and logs; .venv stays
	@rm -rf .demo .coverage .coverage.*

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
