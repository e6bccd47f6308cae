# make demo   see it work: a failing webhook becomes a Slack message, an SMS and an email
# make test   every check and test; SUITE="sqlite postgresql celery huey" picks parts of the tests
# make quick  the tests that start no process and tell no long stories
# make oldest the tests of what speaks to other packages, with the oldest versions of them that are allowed
# make chaos  kill it at every point, take its servers away, and count what was lost or doubled; SEED=n repeats a run
# make bench  measure it beside others; QUICK=1 what matters most, in a minute
# make run    serve for real: web and worker, until Ctrl-C; LOOK=1 fills an empty database with a made-up day first
# make setup  only set up
#
# PYTHON picks the interpreter (3.11 or newer), VENV the virtual environment's folder.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PURE := calendar classify durations guards match money route throttle timing watch

# Installs into the environment of the target at hand. UV=uv does it with uv, in seconds.
INSTALL = $(if $(UV),$(UV) pip install --quiet --python,) $(@D)/bin/python $(if $(UV),,-m pip install --quiet --disable-pip-version-check)

# Compiled tests are kept: to compile them anew takes longer than to import all that they use.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test quick oldest run lint types imports project screenshots pure suite chaos bench clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile

setup: $(VENV)/.ready .env

$(VENV)/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is %s. Set PYTHON=" % sys.version.split()[0])'
	@$(PYTHON) -m venv $(VENV) || { echo "No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready $(wildcard requirements-*.txt)
	$(INSTALL) -r requirements-dev.txt
	@touch $@

# A first .env for this machine: a secret key of its own, and DEBUG, so that channels without credentials print.
.env: | $(VENV)/.ready
	@$(PY) -c 'import secrets, pathlib; \
text = pathlib.Path(".env.example").read_text(); \
text = text.replace("SECRET_KEY=\n", "SECRET_KEY=%s\n" % secrets.token_urlsafe(50)).replace("DEBUG=false", "DEBUG=true"); \
text = text.replace("STRIPE_WEBHOOK_SECRET=\n", "STRIPE_WEBHOOK_SECRET=whsec_local_%s\n" % secrets.token_hex(16)); \
pathlib.Path(".env").touch(0o600); pathlib.Path(".env").write_text(text); print("wrote .env: put your credentials there")'

demo: setup
	@$(PY) -m demo

run: setup
	@$(PY) manage.py migrate --verbosity 0
	@-$(if $(LOOK),$(PY) manage.py demo_data)
	@$(PY) manage.py serve

test: $(VENV)/.ready-dev lint types imports project suite

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	SECRET_KEY=types SITE_APPS=tests.acceptance.shop,benchmarks.shop,benchmarks.sides.floor $(BIN)/mypy alerts_runtime core webhooks notifier demo tests benchmarks

imports:
	$(BIN)/lint-imports

project:
	DJANGO_ENV_FILE=/dev/null $(PY) tests/production_check.py

quick: $(VENV)/.ready-dev
	$(BIN)/pytest -q -n 2 --quick tests

# The oldest versions that the package allows, before those of this site on the path; and what speaks to them.
OLDEST := .venv-oldest
SPEAK_TO_THEM := $(addprefix tests/webhooks/test_, $(addsuffix .py, verify receiving events errors retry commands metrics)) \
  $(addprefix tests/notifier/channels/test_, $(addsuffix .py, slack slack_webhook sms email bounded)) \
  $(addprefix tests/notifier/test_, $(addsuffix .py, conf metrics)) tests/notifier/oncall/test_imported.py \
  $(addprefix tests/runtime/test_, $(addsuffix .py, backoff logs))

$(OLDEST)/.ready: requirements-oldest.txt $(VENV)/.ready-dev
	@$(PYTHON) -m venv $(OLDEST)
	@$(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$($(OLDEST)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/others.pth"
	$(INSTALL) -r requirements-oldest.txt 2>/dev/null
	@touch $@

oldest: $(OLDEST)/.ready
	TEST_DB_SUFFIX=_oldest $(OLDEST)/bin/python -m pytest -q -n 2 --quick $(SPEAK_TO_THEM)

# Pictures of every page, for docs/pages.md and to be looked at.
screenshots: $(VENV)/.ready-dev
	SCREENSHOTS=$(CURDIR)/docs/images/pages $(BIN)/pytest -q tests/browser/test_accessible.py

pure:
	$(BIN)/pytest -q $(addprefix tests/notifier/test_, $(addsuffix .py, $(PURE)))

suite:
	SUITE="$(SUITE)" $(PY) tests/suite.py

# dj-stripe wants an older stripe: it has an environment of its own.
.venv-bench/.ready: requirements-bench.txt
	@$(PYTHON) -m venv .venv-bench
	$(INSTALL) -r requirements-bench.txt
	@touch $@

bench: $(VENV)/.ready-dev .venv-bench/.ready
	$(PY) -m benchmarks $(if $(QUICK),--quick)

chaos: $(VENV)/.ready-dev
	$(PY) -m tests.chaos $(if $(SEED),--seed $(SEED))
	$(PY) -m tests.outages

clean:
	rm -rf $(VENV) .venv-* var staticfiles
