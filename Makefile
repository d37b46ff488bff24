# Recipes are one line each; what needs more is a script in .ci/.

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LINT      := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
PLATFORMS := linux-amd64 linux-arm64 linux-armv7 linux-armv6 darwin-amd64 darwin-arm64 windows-amd64
FUZZTIME  ?= 20s
NODE      := $(patsubst ./%/package-lock.json,%,$(shell find . -name node_modules -prune -o -name package-lock.json -print))

export VERSION
export PATH := $(PATH):/usr/sbin

.PHONY: help build test short lint fuzz bench cross clean tools FORCE

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/modferry, static, for this machine
	@.ci/build "" bin/modferry

test: tools ## install what the tests need, then run every test with the race detector
	MODFERRY_REAL=1 CGO_ENABLED=1 go test -race -timeout 10m ./...

short: ## run the tests that need only Go and little time
	go test -short ./...

lint: ## check style, and which package may import what
	$(LINT) run ./...

fuzz: ## run every fuzz target, each for FUZZTIME
	@.ci/fuzz $(FUZZTIME)

bench: ## run every benchmark
	go test -run '^$$' -bench . -benchmem ./...

cross: $(PLATFORMS:%=dist/modferry-%) ## build dist/ for all platforms

dist/modferry-%: FORCE
	@.ci/build $* $@

tools: $(NODE:%=%/node_modules/.package-lock.json)
	@.ci/tools

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci

clean: ## remove what was built and installed here
	rm -rf bin dist $(NODE:%=%/node_modules)
