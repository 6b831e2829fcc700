# The two commands of a fresh clone are `make run` and `make test`; each installs what is missing first.
.PHONY: run test lint bench docs mutate setup

run: setup
	.venv/bin/podwire run quickstart --quick

test:
	tools/setup --test
	tools/test

lint:
	tools/setup --test
	tools/lint

bench: setup
	.venv/bin/python -m bench

# Breaks the engine of policies, a clause at a time: a test has to fail for each.
mutate:
	tools/setup --test
	tools/mutate

# Pages that are generated from the code; a test compares them.
docs: setup
	.venv/bin/python -m controller.pipeline > docs/pipeline.md

setup:
	@tools/setup
