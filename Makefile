# make demo   the main job, on real scores, in a temporary folder
# make test   everything that CI runs
# make test-faults   the long campaigns: thousands of kills, cuts and full disks; about an hour
# All make their own .venv and need Python 3.11 or newer, git and make.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-faults lint types unit smoke registry bench clean

demo: .venv/.demo
	@$(BIN)/calreg demo

# The types are checked while tests wait for git and each other.
test: lint
	@$(MAKE) --no-print-directory --jobs=2 types unit

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.test
	$(BIN)/mypy

# Tests of git make many small files and force them to the disk: in memory, where there is
# room and hooks may run, two such files of tests took a third less. Bytecode is kept.
MEMORY := $(shell grep -s '^[^ ]* /dev/shm ' /proc/mounts | grep -qv noexec \
	&& test -w /dev/shm && df -Pk /dev/shm | awk 'NR == 2 && $$4 > 2000000 {print $$6}')

unit: .venv/.test
	$(if $(MEMORY),TMPDIR=$(MEMORY)) PYTHONDONTWRITEBYTECODE= \
		$(BIN)/pytest --numprocesses $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) --dist worksteal

# Some need root (small disks, power cuts), an sshd, strace: what the machine cannot is skipped.
test-faults: .venv/.test
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/pytest tests/faults --numprocesses auto --dist worksteal

# The built wheel in an environment of its own, away from this folder.
smoke: .venv/.test
	rm -rf build/smoke
	$(BIN)/python -m build --quiet --wheel --outdir build/smoke/dist
	$(PYTHON) -m venv build/smoke/venv
	build/smoke/venv/bin/pip install --quiet "$$(ls build/smoke/dist/*.whl)[develop]"
	cd build/smoke && venv/bin/calreg --version
	cd build/smoke && venv/bin/python ../../tests/smoke.py

# registry/ again, from the scores that ship with the project; needs an unchanged registry/.
registry: .venv/.test
	$(BIN)/python tests/registry/make_registry.py

bench: .venv/.bench build/peers/.made
	$(BIN)/python tests/benchmarks/run_all.py --peers build/peers/bin/python

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/.made:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"calreg needs Python 3.11 or newer; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || { echo "No venv module: on Debian, apt-get install python3-venv"; rm -rf .venv; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@touch $@

.venv/.demo: .venv/.made pyproject.toml
	@echo "Installing calreg into .venv …"
	@$(BIN)/pip install --quiet --editable '.[develop]'
	@touch $@

.venv/.test: .venv/.made pyproject.toml .venv/.debian
	@echo "Installing calreg and its test tools into .venv …"
	@$(BIN)/pip install --quiet --editable . --group test
	@touch $@

# What tests need beside Python: ssh-keygen signs; PostgreSQL and Chromium are skipped where they
# are missing, with a message (CALREG_REQUIRE=1, as in CI: they fail).
.venv/.debian: .venv/.made
	@missing=; \
	command -v ssh-keygen >/dev/null || missing="$$missing openssh-client"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || missing="$$missing chromium"; \
	if [ -n "$$missing" ]; then \
		echo "Installing$$missing …"; \
		{ apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends $$missing >/dev/null; } \
		|| echo "Not installed:$$missing. On Debian, as root: apt-get install$$missing"; \
	fi
	@command -v ssh-keygen >/dev/null || { echo "No ssh-keygen, which signs."; exit 1; }
	@touch $@

# Large, and of other opinions on versions: an environment of their own.
build/peers/.made: .venv/.made pyproject.toml
	rm -rf build/peers
	$(PYTHON) -m venv build/peers
	build/peers/bin/pip install --quiet --disable-pip-version-check 'pip>=25.1'
	build/peers/bin/pip install --quiet --group peers
	@touch $@

.venv/.bench: .venv/.test
	@$(BIN)/pip install --quiet --group bench
	@touch $@
