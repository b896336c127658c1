# Centrala. `make help` lists what there is; a new clone needs Go and make, and
# `make deps` installs the rest where it is missing (Debian).
GO      ?= go
BIN     := bin/centrala
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))
UI      := pkg/console/ui
SUDO    := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
DATA    ?= data
# Pinned: the same findings on every machine.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.6.1
# In `make check` a test that failed is run once more by itself and named in the
# report; one that fails twice, a data race, a leak, or more than three failures
# fail the run. A test in the report is a fault to be mended, but not a reason to
# withhold everything else.
GOTESTSUM := gotest.tools/gotestsum@v1.13.0
RERUNS := bin/reruns.txt
# $(call gotest,format of the report,flags,packages)
gotest = $(if $(RERUN),$(GO) run $(GOTESTSUM) --format $(1) --rerun-fails=1 --rerun-fails-max-failures=3 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race --rerun-fails-report=$(abspath $(RERUNS)) --packages="$(3)" -- $(2) && { test ! -f $(RERUNS) || cat $(RERUNS); },$(GO) test $(2) $(3))
# Seconds for each fuzz target of `make fuzz`.
FUZZTIME ?= 20s
# sipp and baresip for the end-to-end tests; python3 opens recordings as strictly as its wave module does.
TEST_PACKAGES := sip-tester baresip python3
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help build ui run test unit race fuzz torture simulate-random lint vet fmt fmt-check generate generate-check opus prompts e2e selftest load bench docs docker deps check clean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

build: $(UI)/dist/index.html ## Build bin/centrala (TAGS=libopus: not static, with the system's libopus)
	$(GO) build -trimpath $(if $(TAGS),-tags $(TAGS)) -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/centrala

# The console is built where Node.js is at hand and what it needs can be fetched; the
# binary without it says so on its page. `make ui` insists.
$(UI)/dist/index.html: $(UI)/package-lock.json $(UI)/index.html $(wildcard $(UI)/*.ts $(UI)/*.mjs $(UI)/src/* $(UI)/src/*/*)
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory ui || echo "the console could not be built: the binary comes without it"; \
		else echo "no Node.js: the binary comes without the web console"; fi

ui: ## Build the web console (pkg/console/ui; needs Node.js 20 and npm)
	cd $(UI) && npm ci --no-audit --no-fund --loglevel=error && npm run -s check && npm run -s build

run: build ## Build and start with configs/demo; prints what to dial (DATA=folder)
	$(BIN) serve --config configs/demo/centrala.yaml --data $(DATA) --hint configs/demo/hint.txt

test: deps unit $(if $(E2E_DONE),,e2e) ## Install what the tests need, then unit tests and end-to-end tests with the selftest

unit: ## Unit tests
	@mkdir -p bin; rm -f $(RERUNS)
	$(call gotest,standard-quiet,-shuffle=on,./...)

race: ## Unit tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -shuffle=on ./...

fuzz: ## Every fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz' || true); do \
			echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; done

torture: ## A million mutated SIP and SDP messages against a running stack (SIP_SEED=number for others)
	SIP_TORTURE=$(or $(N),1000000) $(GO) test -count=1 -timeout 30m -run '^TestMillion$$' -v ./pkg/sip

simulate-random: ## Ten million random events against random queues and agents, audited: make simulate-random EVENTS=10000000 SEED=1
	STORM_EVENTS=$(or $(EVENTS),10000000) STORM_SEED=$(or $(SEED),1) $(GO) test -count=1 -timeout 120m -run '^TestStorm$$' -v ./pkg/acd/sim $(ARGS)

vet:
	$(GO) vet ./...
	$(GO) vet -tags e2e ./cmd/centrala/e2e/
	$(GO) vet -tags bench,libopus ./media/record ./media/codec/opus ./media/session

lint: fmt-check vet ## gofmt, go vet and staticcheck (fetched, pinned)
	$(GO) run $(STATICCHECK) ./...

fmt: ## Format
	gofmt -w cmd pkg ivr media

fmt-check:
	@out=$$(gofmt -l cmd pkg ivr media); if [ -n "$$out" ]; then echo "not gofmt'ed:"; echo "$$out"; exit 1; fi

generate: build ## Config reference, JSON schemas, state charts
	$(GO) generate ./...

# Generated files are compared by content, so that a dirty work tree does not matter.
generate-check: build
	@before=$$(mktemp -d); git ls-files -mco --exclude-standard docs configs pkg ivr | sort -u | xargs -r sha256sum 2>/dev/null >$$before/a; \
	$(GO) generate ./... && \
	git ls-files -mco --exclude-standard docs configs pkg ivr | sort -u | xargs -r sha256sum 2>/dev/null >$$before/b; \
	diff $$before/a $$before/b >/dev/null || { echo "generated files are not current; run make generate:"; diff $$before/a $$before/b; rm -r $$before; exit 1; }; rm -r $$before

opus: ## Translate libopus to Go again (needs clang, lld, wasi-libc and Debian's source package)
	sh media/codec/opus/libopus/build/build.sh

prompts: ## Render the prompts that are missing from ivr/prompt/texts.yaml and the pieces of values (espeak-ng; ALL=1: all anew)
	$(GO) run ./ivr/prompt/render $(if $(ALL),,-missing)

e2e: build ## End-to-end tests: the real binary against sipp, baresip and robots
	@rm -f $(RERUNS)
	CENTRALA_BIN=$(abspath $(BIN)) $(call gotest,standard-verbose,-tags=e2e -count=1 -timeout=30m $(if $(RERUN),,-v),./cmd/centrala/e2e/)

selftest: build ## Robots make one call on a server that runs with configs/demo
	$(BIN) selftest --data $(DATA)

load: build ## Load on a running server: make load ARGS='queue --rate 50'
	$(BIN) load $(ARGS)

bench: build ## The whole series against configs/bench, one table beside the targets; the recorder's cost, and 200 kills under 500 recordings
	RELAY_LEGS=1000 RELAY_JSON=$(CURDIR)/bin/relay.json $(GO) test -count=1 -tags bench -timeout 10m -v -run '^TestRelayCost$$' ./media/session
	$(BIN) load --bench --relay bin/relay.json --config configs/bench/centrala.yaml $(ARGS)
	$(GO) test -count=1 -tags bench -timeout 30m -v -run '^(TestCost|TestKilledAtAnyMoment)$$' ./media/record
	$(GO) test -count=1 -tags bench,libopus -v -run '^TestOpusCost$$' ./media/codec/opus

docs: generate ## Generated documentation

docker: ## Container image centrala:VERSION
	docker build -f deploy/docker/Dockerfile -t centrala:$(or $(VERSION),dev) --build-arg VERSION=$(VERSION) .

deps: ## Install sipp, baresip, python3 and, where Debian has them, linphone, Chromium and nftables, where they are missing
	@command -v sipp >/dev/null && command -v baresip >/dev/null && test -x /usr/bin/python3 || \
		{ $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(TEST_PACKAGES); }
	@command -v linphonec >/dev/null || \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends linphone-cli || \
		echo "linphone-cli is not to be had here: its tests are skipped"
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium || \
		echo "chromium is not to be had here: the test with a real browser is skipped"
	@command -v nft >/dev/null && command -v ip >/dev/null || \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nftables iproute2 || \
		echo "nftables is not to be had here: the test behind NAT is skipped"

check: RERUN = 1
check: deps fmt-check vet check-unit generate-check e2e ## All that CI does

# The race detector needs a C compiler; a bare machine without one gets it from Debian.
.PHONY: check-unit
check-unit:
	@command -v gcc >/dev/null || { $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends gcc libc6-dev; }
	@mkdir -p bin; rm -f $(RERUNS)
	CGO_ENABLED=1 $(call gotest,standard-quiet,-race -shuffle=on,./...)

clean: ## Remove what was built
	rm -rf bin
