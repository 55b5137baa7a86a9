# The commands of daily use: `make run` starts the bot, `make test` checks everything. Both do their own set-up.
# Set-up talks on standard error only, so `make run` can stand in a pipe. Works with GNU make 3.81 and later.

.PHONY: help run test lock clean
.NOTPARALLEL:

# Set on the command line to choose the Python of a new .venv: make run PYTHON=python3.12
PYTHON =

help:
	@echo 'make run     start the bot; without DISCORD_TOKEN, the console (also from a pipe)'
	@echo 'make test    ruff, mypy and every test'
	@echo 'make lock    remake the two lock files from pyproject.toml; UPGRADE=1 takes the newest versions'
	@echo 'make clean   remove .venv and the caches; data/ and weights/ stay'
	@echo 'A new .venv takes the newest Python 3.11 to 3.13 found, or the one named by PYTHON=...'

run:
	$(call install,requirements.lock requirements-dev.lock)
	@.venv/bin/python -m bot

test:
	$(call install,requirements-dev.lock)
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m mypy
	.venv/bin/python -m pytest

LOCK = .venv/bin/python -m uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	$(if $(UPGRADE),--upgrade)

lock:
	$(call install,requirements-dev.lock)
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --constraints requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find bot model tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# A Python that can start (a pyenv shim may stand on the PATH and fail), make a .venv, and has a fitting version.
FIT = import sys, ensurepip, venv; assert (3, 11) <= sys.version_info[:2] <= (3, 13)

# $(call install,LOCK...): nothing to do when .venv holds what one of these files lists; else install the first.
# .venv/installed.lock is a copy of the file installed. It goes before pip begins and comes back when pip is done,
# so a set-up that was interrupted is begun anew.
define install
@for lock in $(1); do \
	cmp -s "$$lock" .venv/installed.lock && .venv/bin/python -c '' 2>/dev/null && exit 0; \
done; \
exec >&2; \
if ! { test -f .venv/installed.lock && .venv/bin/python -c '$(FIT)' 2>/dev/null; }; then \
	for python in $(if $(PYTHON),'$(PYTHON)',python3.13 python3.12 python3.11 python3 python); do \
		"$$python" -c '$(FIT)' 2>/dev/null && break; \
		python=; \
	done; \
	if test -z "$$python"; then \
		echo 'Ghostwriter needs Python 3.11, 3.12 or 3.13 with its venv module, and found none$(if $(PYTHON), in $(PYTHON)): see https://www.python.org/downloads/ (on Debian and Ubuntu: apt install python3-venv)'; \
		exit 1; \
	fi; \
	echo "Making .venv with $$("$$python" --version)"; \
	rm -f .venv/installed.lock; \
	"$$python" -m venv --clear .venv || exit 1; \
fi; \
set -- $(1); \
echo "Installing from $$1 (this takes a minute or two, and is done once)"; \
rm -f .venv/installed.lock; \
if ! PIP_USER=0 .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$$1"; then \
	echo "Installing from $$1 failed for the reason above; mend it (is the network there?) and run make again"; \
	exit 1; \
fi; \
cp "$$1" .venv/installing.lock && mv .venv/installing.lock .venv/installed.lock
endef
