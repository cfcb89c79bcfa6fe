# Everything starts from Python 3.11 or newer, make and git; `make help` lists the verbs.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
COMPILE := CUSTOM_COMPILE_COMMAND="make requirements" PIP_CONFIG_FILE=/dev/null \
	../$(BIN)/python -m piptools compile --quiet --generate-hashes --allow-unsafe \
	--strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

# What a production host would have: `check --deploy` must find nothing to say.
PRODUCTION := NIGHTSHIFT_ENVIRONMENT=production DEBUG=false \
	SECRET_KEY=only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG \
	ALLOWED_HOSTS=nightshift.example SITE_URL=https://nightshift.example \
	ENCRYPTION_KEYS=b25seS1mb3ItdGhpcy1jaGVjay0wMTIzNDU2Nzg5LWE= \
	CSRF_TRUSTED_ORIGINS=https://nightshift.example DATABASE_URL=sqlite://:memory: \
	STORAGE_URL=s3://s3.nightshift.example/files

# Some machines set it; every process of a test run would compile all of its modules again.
unexport PYTHONDONTWRITEBYTECODE

KILLS ?= 500
SEED ?= nightshift

.DEFAULT_GOAL := help
.PHONY: help setup run night test proof check bench requirements counterparts

help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' \
		| while IFS='|' read -r verb what; do printf '%-20s %s\n' "$$verb" "$$what"; done

setup: $(INSTALLED) ## Make .venv and install requirements/dev.txt into it

run: $(INSTALLED) ## Seed the demo, let the first night run, keep serving until Ctrl-C
	@exec $(BIN)/python -m project.demo run

night: $(INSTALLED) ## The same night, finite: every scheduled job once, and its outcome
	@exec $(BIN)/python -m project.demo night

# The second time without what the database makes no difference to (tests/plugin.py).
test: $(INSTALLED) counterparts ## The whole suite on SQLite, then what PostgreSQL may change
	@failed=0; \
	echo "== Tests on SQLite"; \
	$(BIN)/python -m pytest -n 2 --dist worksteal || failed=1; \
	echo "== Tests on PostgreSQL"; \
	$(BIN)/python -m pytest -n 2 --dist worksteal --postgres --only-database || failed=1; \
	exit $$failed

check: $(INSTALLED) ## Style, types, floors, migrations and production settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	DATABASE_URL=sqlite://:memory: $(BIN)/python manage.py makemigrations --check --dry-run
	DATABASE_URL=sqlite://:memory: $(BIN)/python manage.py make_jobs_docs --check
	@echo "manage.py check --deploy, as in production"
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

proof: $(INSTALLED) ## Kill the charging jobs 500 times (KILLS=500) on each database
	@failed=0; \
	for database in sqlite postgres; do \
		echo "== Proof on $$database, from SEED=$(SEED)"; \
		on=$$(test $$database = sqlite || echo --postgres); \
		KILLS=$(KILLS) SEED=$(SEED) $(BIN)/python -m pytest tests/proof -m proof -q -n 2 $$on \
			|| failed=1; \
	done; \
	exit $$failed

bench: $(INSTALLED) ## Measure the jobs on both databases, each beside a floor
	@exec $(BIN)/python -m benchmarks all

requirements: ## Compile requirements/*.txt again from the *.in files (after editing one)
	cd requirements && for set in base production dev; do \
		$(COMPILE) --output-file=$$set.txt $$set.in || exit 1; done

# Made anew only when the requirements are newer than the last complete installation.
$(INSTALLED): requirements/dev.txt
	@command -v $(PYTHON) >/dev/null || { \
		echo "Nightshift needs Python 3.11 or newer, and there is no $(PYTHON) here."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Nightshift needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
			"Say which to use: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python cannot make a virtual environment." \
			"On Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@echo "Installing what Nightshift needs into .venv (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements/dev.txt
	@touch $@

# What tests talk to that pip cannot bring: a program, and the Debian packages it is in. Where
# one is missing its tests say that they are left out.
COUNTERPARTS := chromium:chromium dovecot:dovecot-imapd \
	samba:samba-ad-dc,samba-ad-provision,winbind,krb5-user

counterparts:
	@missing=; for each in $(COUNTERPARTS); do \
		command -v "$${each%%:*}" >/dev/null \
			|| missing="$$missing $$(echo "$${each#*:}" | tr , ' ')"; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ -n "$$missing" ]; then \
		echo "Installing for the tests:$$missing"; mkdir -p var; \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends $$missing; } >var/apt.log 2>&1 \
		|| echo "Could not be installed (var/apt.log); their tests will be left out."; \
	fi
