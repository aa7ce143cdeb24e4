# Cairn's commands. Each sets up what is missing first, and is safe to repeat. All work is done by toolchain/.
PYTHON ?= python3
STACK ?= local
EXAMPLE ?= auto
TOOLCHAIN = $(PYTHON) -m toolchain

.PHONY: help setup status up preview down cluster-up cluster-down cluster-status check test bench chaos cis env clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

setup:  ## what everything below needs: .venv, Docker engine, Pulumi, plugins, base image
	@$(TOOLCHAIN) setup

status:  ## what of the set-up is there
	@$(TOOLCHAIN) status

up:  ## bring the stack up, run the example (STACK=local, EXAMPLE=0 never, EXAMPLE=1 always)
	@$(TOOLCHAIN) up --stack $(STACK) --example $(EXAMPLE)

preview:  ## what `make up` would change
	@$(TOOLCHAIN) preview --stack $(STACK)

down:  ## remove the stack and everything in it (REMOVE=1 forgets its history too)
	@$(TOOLCHAIN) down --stack $(STACK) $(if $(REMOVE),--remove)

cluster-up:  ## the project's own single-node Kubernetes (Linux, root)
	@$(TOOLCHAIN) cluster up

cluster-down:  ## remove it with everything in it
	@$(TOOLCHAIN) cluster down

cluster-status:  ## what of it runs
	@$(TOOLCHAIN) cluster status

check:  ## ruff, mypy --strict, import rules
	@$(TOOLCHAIN) check

test:  ## make check, then every test (ARGS="-k name" chooses)
	@$(TOOLCHAIN) test $(ARGS)

bench:  ## benchmarks of a stack that is up (ARGS="--only jobs" chooses; --only provisioning needs no stack)
	@$(TOOLCHAIN) bench --stack $(STACK) $(ARGS)

chaos:  ## faults at random moments, for hours (ARGS="--only provisioning --scale small --seed 7" chooses)
	@$(TOOLCHAIN) chaos $(ARGS)

cis:  ## the CIS Docker Benchmark's container section, on a stack that is up (Docker)
	@$(TOOLCHAIN) cis --stack $(STACK)

env:  ## exports for plain Pulumi, for eval in a shell
	@$(TOOLCHAIN) env

clean:  ## remove .venv and tools; stack states stay
	@$(TOOLCHAIN) clean
