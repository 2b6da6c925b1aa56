# Every target says what it does: `make` or `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
BIN := bin/schoolbell
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Packages tested at once, and the longest a package may take.
TEST_P ?= 2
TEST_TIMEOUT ?= 20m

# Arguments of a test run: `make test RUN=TestCancel PKG=./internal/notify`, or
# `make test MODULES=bullmq` for one of the repository's modules.
PKG ?= ./...
RUN ?= .
MODULES ?= $(if $(filter ./...,$(PKG)),$(shell ./scripts/modules.sh),.)

DEMO_USERS ?= 10000
FUZZTIME ?= 10s
SOAK ?= 10m
SOAKS := ./test/queuesoak ./test/fault

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

.PHONY: build
build: ## build ./bin/schoolbell, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/schoolbell

.PHONY: demo-panel
demo-panel: build ## run a made-up school and print a link to its panel
	./$(BIN) demo --users 2000 --keep

.PHONY: demo
demo: build ## send one event to 10,000 people without configuration and print the results (DEMO_USERS=…)
	./$(BIN) demo --users $(DEMO_USERS)

.PHONY: run
run: build ## run the API and the workers with the settings of the environment and .env
	./$(BIN) serve

.PHONY: deps
deps: ## install what the tests need, if it is missing: Redis, PostgreSQL, smtp-sink, Chromium, Node, a C compiler
	./scripts/deps.sh

.PHONY: check
check: ## formatting, go vet, staticcheck, syntax of the scripts
	./scripts/check.sh

.PHONY: lint
lint: check ## check, and the architecture tests: imports, files, deployment
	$(GO) test -count=1 ./internal/arch ./deploy

.PHONY: vuln
vuln: ## report known vulnerabilities in the code of all modules (GOVULNDB=… for another database)
	./scripts/vuln.sh

.PHONY: sbom
sbom: build ## write the modules of ./bin/schoolbell to ./bin/schoolbell.cdx.json (CycloneDX)
	./scripts/sbom.sh $(BIN) $(BIN).cdx.json $(VERSION)

# Left out of the race detector, which finds nothing in them and makes them many times
# slower: SQLite, which is C turned into Go, and regexp, with which each start reads the
# texts of all flags.
UNRACED := modernc.org/sqlite/lib modernc.org/libc regexp regexp/syntax
RACE := -race $(foreach package,$(UNRACED),-gcflags=$(package)=-race=false)

# Starts first, because it takes the longest and waits most of the time.
FIRST := ./test/fault

# CI=true turns a test that would be skipped for lack of a program into a failure.
.PHONY: test
test: deps check ## run every test, with the race detector, on real servers
	for module in $(MODULES); do \
		(cd "$$module" && CI=true $(GO) test $(RACE) -p $(TEST_P) -timeout $(TEST_TIMEOUT) -run '$(RUN)' $$([ "$$module $(PKG)" != '. ./...' ] || echo $(FIRST)) $(PKG)); \
	done

.PHONY: screenshots
screenshots: deps ## make pictures of every page of the panel and of the standard emails into ./screenshots: phone and desktop, light and dark
	SCREENSHOTS=$(CURDIR)/screenshots CI=true $(GO) test -count=1 -v -run "TestScreenshots|TestEmails" ./test/browser

.PHONY: fuzz
fuzz: ## fuzz each decoder briefly (FUZZTIME=10s)
	./scripts/fuzz.sh $(FUZZTIME)

# PEOPLE="1 1000" for other sizes (1000000 is measured once), MEASURE=singles for one part
# of the table, ROUNDS=5.
.PHONY: bench
bench: deps build ## measure the whole system and print one table (PEOPLE="1 100 1000", ROUNDS=5), or compare it with another working tree (AGAINST=…)
	CI=true $(GO) test -run '^$$' -bench '$(if $(AGAINST),SystemTrees,System$$$(if $(MEASURE),/^($(MEASURE))$$))' -benchtime 1x -timeout 360m ./bench \
		-args $(if $(AGAINST),-against $(abspath $(AGAINST)) -rounds $(or $(ROUNDS),10),$(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(PEOPLE),-people "$(PEOPLE)"))

PROFILES ?= bin/profiles
.PHONY: profile
profile: deps build ## send one event to 10,000 people and write CPU and heap profiles of serve and worker to bin/profiles (PEOPLE=…, PROFILES=folder, KIND=personal)
	CI=true $(GO) test -run '^$$' -bench Profile -benchtime 1x -timeout 60m ./bench \
		-args -profiles $(abspath $(PROFILES)) -users $(or $(PEOPLE),10000) -kind $(or $(KIND),plain)

.PHONY: bench-queue
bench-queue: deps ## compare the queue library with its peers, or with another working tree (AGAINST=…)
	CI=true $(GO) test -run '^$$' -bench $(if $(AGAINST),QueueTrees,Queue) -benchtime 1x -timeout 60m ./bench \
		$(if $(AGAINST),-args -against $(abspath $(AGAINST)) -rounds 10)

.PHONY: soak
soak: deps ## break the system, and the queue alone, at random for a long time (SOAK=10m, PKG=./test/queuesoak for one)
	CI=true SCHOOLBELL_SOAK=$(SOAK) $(GO) test $(RACE) -count=1 -p 1 -run Soak -timeout 120m -v $(if $(filter ./...,$(PKG)),$(SOAKS),$(PKG))

.PHONY: clean
clean: ## remove what the build made
	rm -rf bin
