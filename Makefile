# p2pchat. `make help` lists the targets.

export CGO_ENABLED := 0
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# The race detector is the one thing here that needs a C compiler.
RACE_PKGS := ./protocol/... ./node/... ./captures/... ./cmd/p2pchat/internal/...
FUZZTIME ?= 10s
DURATION ?= 60m
SEED     ?= 1

.DEFAULT_GOAL := help
.PHONY: help build test race lint fuzz campaign bench generate demo cross check clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build dist/p2pchat
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/p2pchat ./cmd/p2pchat

test: ## run every test (the LAN lab where the machine allows it)
	@mkdir -p dist && rm -f dist/skipped
	P2PCHAT_LAB_SKIPS='$(CURDIR)/dist/skipped' $(GO) test -timeout 20m ./...
	@if [ -s dist/skipped ]; then echo; echo 'NOT TESTED, this machine lacks what it takes:'; sort -u dist/skipped; fi

race: ## run the tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m $(RACE_PKGS)

lint: ## vet, formatting, staticcheck, dead code
	$(GO) vet ./...
	@test -z "$$($(GO) tool gofumpt -l cmd node protocol captures | grep -v '\.pb\.go$$')" || \
		{ echo 'not formatted, run: go tool gofumpt -w cmd node protocol captures'; $(GO) tool gofumpt -l cmd node protocol captures; exit 1; }
	$(GO) tool staticcheck ./...
	@out="$$($(GO) tool deadcode -test ./... | grep -v '\.pb\.go:')"; test -z "$$out" || { echo "unreachable code:"; echo "$$out"; exit 1; }

fuzz: ## fuzz every decoder for FUZZTIME (10s) each
	@set -e; for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -h '^func Fuzz' $$pkg/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; done; done

campaign: ## random faults for DURATION (60m) from SEED (1) up, in the simulated network and the LAN lab
	$(GO) test -c -o dist/campaign-sim ./node/nodetest/sim
	$(GO) test -c -o dist/campaign-lab ./cmd/p2pchat/labtest
	@run() { cd $$1 && '$(CURDIR)'/dist/$$2 -test.run '^TestCampaign$$' -test.timeout 0 -campaign.for $(DURATION) -campaign.seed $(SEED); }; \
		(run cmd/p2pchat/labtest campaign-lab) & lab=$$!; \
		(run node/nodetest/sim campaign-sim); sim=$$?; wait $$lab && exit $$sim

bench: ## measure against the yardsticks and write docs/benchmarks/
	$(GO) run ./node/bench

generate: ## generate the protobuf code (needs protoc) and the Wireshark plugin anew
	@mkdir -p dist
	$(GO) generate ./...

demo: build ## two nodes on this machine, the dialogue, a capture
	dist/p2pchat demo

cross: ## build for every supported platform into dist/
	@set -e; for t in linux/amd64 linux/arm64 darwin/arm64 freebsd/amd64 windows/amd64 windows/arm64; do \
		ext=; case $$t in windows/*) ext=.exe;; esac; \
		out=dist/p2pchat-$${t%/*}-$${t#*/}$$ext; echo $$out; \
		GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $$out ./cmd/p2pchat; done

check: lint test cross ## everything a change must pass

clean: ## remove build output
	rm -rf dist
