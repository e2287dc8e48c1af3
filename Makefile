# Everything runs from .venv, which bootstrap.py makes and keeps up to date. Nothing here needs root.
PYTHON ?= python3
RUN := .venv/bin/python
WORKERS ?= $(if $(ARGS),0,2)
export ORT_DISABLE_TELEMETRY := 1
export OMP_NUM_THREADS ?= 1

.PHONY: demo serve test test-milvus lint bench soak vendor bootstrap bootstrap-dev

demo: bootstrap  ## the story end to end, then the server goes on (SERVE=0: it ends)
	SERVE=$(or $(SERVE),1) $(RUN) -m client.demo

serve: bootstrap  ## the whole registry on this machine; ARGS="--port 8000"
	$(RUN) manage.py serve $(ARGS)

test: bootstrap-dev  ## every test, by two processes; ARGS="-k name": some, by one (WORKERS=2: by two)
	$(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-milvus: .venv-milvus/installed  ## engines against a real Milvus, which it installs; ARGS="-k name"
	bwrap --dev-bind / / --unshare-net --die-with-parent \
		.venv-milvus/bin/python -m pytest -c tests/workers/engines/milvus.ini $(ARGS) \
		tests/workers/engines/test_contract.py tests/workers/engines/test_milvus.py

.venv-milvus/installed: requirements-milvus.txt
	$(PYTHON) -m venv --clear .venv-milvus
	.venv-milvus/bin/python -m pip install --quiet -r requirements-milvus.txt
	touch $@

lint: bootstrap-dev  ## style, import contracts, migrations, deployment settings
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	.venv/bin/lint-imports
	$(CHECK_ENVIRONMENT) $(RUN) manage.py makemigrations --check --dry-run
	$(CHECK_ENVIRONMENT) $(RUN) -W error manage.py check --deploy --fail-level WARNING

bench: bootstrap-dev  ## measurements that the docs cite; ARGS="--help"
	$(RUN) -m bench $(ARGS)

soak: bootstrap-dev  ## kills, races and fuzz in full counts; prints a table
	$(RUN) -m bench.soak $(ARGS)

vendor:  ## fetch the front-end files again; needs npm
	.ci/vendor

bootstrap:
	@$(PYTHON) bootstrap.py

bootstrap-dev:
	@$(PYTHON) bootstrap.py --dev

# What a public installation sets, on an empty database in a file.
CHECK_ENVIRONMENT = REGISTRY_DATA_DIR=$(CURDIR)/var/lint DATABASE_URL= BEHIND_TLS=true DEBUG=false \
	ALLOWED_HOSTS=registry.example SEARCH_SECRET=for-the-check-only \
	SECRET_KEY=$$($(RUN) -c 'import secrets; print(secrets.token_urlsafe(48))')
