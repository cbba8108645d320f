# Everything a person does with this repository. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV   := .venv
PYTHON := $(VENV)/bin/python
STAGES := 11

# The emulators of AWS have an environment of their own: they bring much, and other versions.
AWS_VENV  := .venv-aws
# So has the SAM CLI.
SAM_VENV  := .venv-sam
# And what rendering is compared with.
BENCH_VENV := .venv-bench
LOCAL_AWS  = '$(AWS_VENV)/bin/python' tests/aws/local_aws.py

# Every stage takes the same packages, features and profile, so that nothing is compiled twice.
EVERYTHING  := --workspace --all-targets --locked
TESTS       := --workspace --locked --no-fail-fast
NEXTEST     := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)
# What the integration tests find in their environment.
TEST_BINARY := MESSAGE_CENTER_BIN='$(abspath $(TARGET))/debug/message-center' TESTS_PYTHON='$(abspath $(PYTHON))'

# $(call begin,number,name) prints the stage, and how long it took at its end, however it ends.
begin = printf '==> [%s/%s] %s\n' '$(1)' '$(STAGES)' '$(2)'; trap 'echo "    $$SECONDS s"' EXIT;

.PHONY: help run build functions test bench bench-lambda bench-render fmt lint tidy clean-tests \
        test-format test-lint test-build test-tidy test-crates test-python test-whole test-template test-stack test-aws test-browser cargo components compiler python node

help: ## list what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

run: build ## start the message center on this machine with sandbox platforms
	@exec '$(TARGET)/release/message-center' serve --sandbox

build: cargo compiler ## build the release binary, target/release/message-center
	@cargo build --release --locked --bin message-center

bench: build ## measure throughput, latency, memory and fsyncs on this machine (ARGS="--growth" for more)
	@cargo build --release --locked --package mc-bench
	@'$(TARGET)/release/mc-bench' --binary '$(TARGET)/release/message-center' $(ARGS)

bench-render: cargo compiler python ## measure rendering on this machine beside Python's Jinja2 and Markdown
	@cargo build --release --locked --package mc-content --example render_bench
	@$(call install_into,$(BENCH_VENV),bench/requirements.txt); \
	'$(BENCH_VENV)/bin/python' bench/render.py '$(TARGET)/release/examples/render_bench'

# The functions of AWS, each a package of its own.
FUNCTIONS    := $(notdir $(wildcard functions/*))
ARCHITECTURE := arm64

functions: cargo compiler ## build the functions of AWS for deployment into target/lambda (ARCHITECTURE=x86_64 for the other one)
	@command -v cargo-lambda >/dev/null || { echo 'cargo-lambda is missing: pip install cargo-lambda brings it.' >&2; exit 1; }
	@cargo lambda build --profile release-lambda --locked $(if $(filter x86_64,$(ARCHITECTURE)),--x86-64,--arm64) \
	    --lambda-dir target/lambda $(addprefix --package ,$(FUNCTIONS))

bench-lambda: cargo compiler ## measure the functions of AWS and count what messages cost there; writes docs/COSTS.md
	@command -v valgrind >/dev/null || { echo 'valgrind is missing; it counts the instructions.' >&2; exit 1; }
	@cargo build --profile release-lambda --locked $(addprefix --package ,$(FUNCTIONS))
	@cargo build --profile release-lambda --locked --package mc-lambda --example hello
	@cargo run --locked --package mc-bench --bin mc-bench-lambda -- --bin '$(TARGET)/release-lambda' \
	    --hello '$(TARGET)/release-lambda/examples/hello' --costs docs/COSTS.md $(ARGS)

fmt: cargo components ## format the code
	@cargo fmt --all

lint: cargo components compiler ## look for mistakes: clippy and the house rules
	@cargo clippy $(EVERYTHING) -- --deny warnings
	@cargo xtask tidy

test: test-format test-lint test-build test-tidy test-crates test-python test-whole test-aws test-template test-stack test-browser ## run every check and every test
	@echo '==> all is well'

test-format: cargo components
	@$(call begin,1,format) cargo fmt --all --check

test-lint: cargo components compiler
	@$(call begin,2,clippy) cargo clippy $(EVERYTHING) -- --deny warnings

test-build: cargo compiler
	@$(call begin,3,build everything) cargo build $(EVERYTHING)

test-tidy: test-build
	@$(call begin,4,house rules) '$(TARGET)/debug/xtask' tidy

test-crates: test-build
	@$(call begin,5,tests of the crates) \
	if [[ '$(NEXTEST)' == yes ]]; then \
	    cargo nextest run $(TESTS) -E 'not package(mc-tests)'; \
	    cargo test $(TESTS) --doc; \
	else \
	    cargo test $(TESTS) --exclude mc-tests; \
	fi

test-python: test-build python
	@$(call begin,6,Python and its tests) $(install); \
	if compgen -G 'tests/python/test_*.py' >/dev/null; then \
	    $(TEST_BINARY) '$(PYTHON)' -m pytest -q tests/python; \
	fi

test-whole: test-build python
	@$(call begin,7,tests of the whole: the real binary over real connections) $(install); \
	if [[ '$(NEXTEST)' == yes ]]; then \
	    $(TEST_BINARY) cargo nextest run $(TESTS) --no-tests pass -E 'package(mc-tests)'; \
	else \
	    names=$$(cargo metadata --no-deps --locked --format-version 1 | python3 -c $(whole_tests)); \
	    [[ -z "$$names" ]] || $(TEST_BINARY) cargo test $(TESTS) $$names; \
	fi

test-aws: test-build python ## test what speaks to AWS against two emulators of it
	@$(call begin,8,the adapters of AWS against MiniStack and moto) $(install_aws); \
	for emulator in ministack moto; do \
	    if [[ '$(NEXTEST)' == yes ]]; then \
	        $(LOCAL_AWS) $$emulator cargo nextest run $(TESTS) --test aws; \
	    else \
	        $(LOCAL_AWS) $$emulator cargo test $(TESTS) --test aws; \
	    fi; \
	done

test-template: python ## look for mistakes in template.yaml
	@$(call begin,9,the template) $(install_aws); $(install_sam); export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1; \
	'$(SAM_VENV)/bin/sam' validate --lint --template template.yaml; \
	'$(SAM_VENV)/bin/cfn-lint' template.yaml

# The debug binaries of test-build are the functions, so nothing is compiled again.
test-stack: test-build python ## deploy the stack to a local AWS and send through it
	@$(call begin,10,the stack on a local AWS) $(install_aws); $(install_sam); \
	FUNCTIONS_BIN='$(abspath $(TARGET))/debug' TESTS_SAM='$(abspath $(SAM_VENV))/bin/sam' $(TEST_BINARY) \
	    '$(AWS_VENV)/bin/python' -m pytest -q tests/stack

# What is looked at is written by an example of test-build. SCREENSHOTS=folder keeps the pictures.
test-browser: test-build node ## look at mails in a browser, as a phone shows them
	@$(call begin,11,mails in a browser) $(install_browser); $(install_node); \
	cd tests/browser; \
	CHROMIUM="$$(command -v "$${CHROMIUM:-chromium}")" MAIL_PAGES='$(abspath $(TARGET))/debug/examples/mail_pages' \
	    node --test --test-reporter=spec

# Prints `--test NAME` for each test binary of the package mc-tests.
whole_tests = 'import json, sys; packages = json.load(sys.stdin)["packages"]; \
print(*("--test " + t["name"] for p in packages if p["name"] == "mc-tests" for t in p["targets"] if "test" in t["kind"]))'

# Installs what the tests need from Python into an environment of their own, unless it is there. A network may fail
# once or twice, and some systems have a Python without pip inside.
install     = $(call install_into,$(VENV),tests/python/requirements.txt)
install_aws = $(call install_into,$(AWS_VENV),tests/aws/requirements.txt)
install_sam = $(call install_into,$(SAM_VENV),tests/stack/requirements.txt)
# $(call install_into,environment,requirements)
install_into = if ! cmp -s '$(2)' '$(1)/installed.txt'; then \
	python3 -m venv --clear '$(1)' >/dev/null 2>&1 || python3 -m venv --clear --without-pip '$(1)'; \
	pip=('$(1)/bin/python' -m pip); [[ -x '$(1)/bin/pip' ]] || pip=(python3 -m pip --python '$(1)/bin/python'); \
	for try in 1 2 3; do \
	    if "$${pip[@]}" install --quiet --disable-pip-version-check --retries 5 --timeout 30 -r '$(2)'; then \
	        cp '$(2)' '$(1)/installed.txt'; break; \
	    fi; \
	    echo "    pip failed, try $$try of 3" >&2; \
	done; \
	[[ -e '$(1)/installed.txt' ]] || { echo 'The Python packages of $(2) could not be installed.' >&2; exit 1; }; \
	fi

# Chromium, and a font that has Chinese, come from the system. They are installed where that is Debian and may be done.
install_browser = if ! command -v "$${CHROMIUM:-chromium}" >/dev/null || [[ -z "$$(fc-list :lang=zh-cn 2>/dev/null)" ]]; then \
	if [[ "$$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null; then \
	    echo 'Chromium or a font with Chinese is missing: install both (on Debian chromium and fonts-noto-cjk), or name the browser in CHROMIUM.' >&2; exit 1; \
	fi; \
	for try in 1 2 3; do \
	    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	        apt-get install -qq -y --no-install-recommends chromium fontconfig fonts-noto-cjk >/dev/null; then break; fi; \
	    echo "    apt-get failed, try $$try of 3" >&2; \
	done; \
	command -v chromium >/dev/null || { echo 'Chromium could not be installed.' >&2; exit 1; }; \
	fi
# What drives it, into a folder of its own.
install_node = if ! cmp -s tests/browser/package-lock.json tests/browser/node_modules/installed.json; then \
	for try in 1 2 3; do \
	    if npm ci --silent --prefix tests/browser; then \
	        cp tests/browser/package-lock.json tests/browser/node_modules/installed.json; break; \
	    fi; \
	    echo "    npm failed, try $$try of 3" >&2; \
	done; \
	[[ -e tests/browser/node_modules/installed.json ]] || { echo 'The npm packages of tests/browser could not be installed.' >&2; exit 1; }; \
	fi

clean-tests: ## forget what the tests installed into this folder
	@rm -rf '$(VENV)' '$(AWS_VENV)' '$(SAM_VENV)' '$(BENCH_VENV)' tests/browser/node_modules

cargo:
	@command -v cargo >/dev/null || { echo 'Rust is missing: install it from https://rustup.rs and try again.' >&2; exit 1; }

components:
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 \
	    || { echo 'rustfmt or clippy is missing: run rustup component add rustfmt clippy.' >&2; exit 1; }

compiler:
	@command -v cc >/dev/null || { echo 'A C compiler is missing (SQLite is compiled in): install gcc or clang.' >&2; exit 1; }

python:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null \
	    || { echo 'Python 3.9 or newer is missing; the tests use it to call the API as Python programs do.' >&2; exit 1; }

node:
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null \
	    || { echo 'Node 20 or newer with npm is missing; the tests use it to look at mails in a browser.' >&2; exit 1; }
