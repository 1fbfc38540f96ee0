# Each word is a target: `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: demo test chaos soak protocol slow lint format docs screenshot lock credentials clean help
export PYTHON ?= python3
# As it was typed: a dollar sign in a question is no variable of make's.
export STARCHAT_QUESTION := $(value ASK)

demo: ## a Slack workspace, the bot and a small model on this machine; ASK="…" asks once and ends
	@$(PYTHON) -m scripts.setup demo
	@.venv/bin/python -m demo $${STARCHAT_QUESTION:+"--ask=$$STARCHAT_QUESTION"}

test: ## set up and run all tests with coverage; needs nothing from apt
	@bash .ci/run tests

chaos: ## kill bots, workers, engines and Redis for 10 minutes and count; ROWS="W4,R2" SEED=2
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -m chaos $${ROWS:+"--rows=$$ROWS"} $${SEED:+"--seed=$$SEED"}

soak: ## ask for 15 minutes while a call in a hundred goes wrong; memory, files, keys; MINUTES=60
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -m chaos --rows L2 $${MINUTES:+"--minutes=$$MINUTES"}

protocol: ## 2,000 runs of 60 steps of everything that can happen to questions and workers
	@$(PYTHON) -m scripts.setup dev
	@PROTOCOL_RUNS=2000 PROTOCOL_STEPS=60 .venv/bin/python -m pytest tests/worker/jobs/test_protocol.py

slow: ## run the tests marked slow
	@$(PYTHON) -m scripts.setup dev
	@.venv/bin/python -m pytest -m slow

lint: ## format, lint, imports and types, as CI does
	@bash .ci/run fast

format: ## format the code and apply ruff's fixes
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

docs: ## regenerate the tables in README.md and docs/
	@.venv/bin/python -m scripts.generated_docs

screenshot: ## retake docs/page.png: a real thread of the demo in Chromium
	@.venv/bin/python -m scripts.screenshot

lock: ## pin in requirements/ what is installed in .venv
	@.venv/bin/python -m scripts.lock

credentials: ## make the passwords and files in secrets/ that docker-compose.yml reads
	@$(PYTHON) -m scripts.credentials

clean: ## remove the demo's data and logs; .venv stays
	@rm -rf .demo .coverage .coverage.*

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
