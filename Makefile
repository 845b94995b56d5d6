# The front door: sets up, builds, runs. The build itself is CMake's (CMakePresets.json).
MAKEFLAGS += --no-print-directory
NODES := 20
CONFIGURE_FLAGS = $(if $(WERROR),-DWARREN_WERROR=$(WERROR)) -DWARREN_TEST_NODES='$(NODES)'
JOBS := $(shell nproc)
# Tests mostly wait for processes that they start: so many at once. One that starts some counts as two, one that starts several hosts
# as four (PROCESSORS). Under ASan all compute more.
TESTS := $(shell echo $$(( $$(nproc) * 3 )))
TESTS_ASAN := $(shell echo $$(( $$(nproc) * 2 )))
C_FILES = $(shell find mesh runtime cli test -name '*.[ch]' -o -name '*.cc')

.PHONY: build demo test test-nodes compat bench asan format tidy seeds fuzz faults chaos clean help
build: ## build/bin/warren and build/bin/warren-node (the default)
	@tools/setup.sh
	@mkdir -p build
	@cmake --preset release $(CONFIGURE_FLAGS) >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@cmake --build --preset release

demo: build ## run a distributed search that survives the death of a node (examples/search)
	@examples/search/demo

test: ## build, run all tests
	@tools/setup.sh test
	@$(MAKE) build
	@ctest --preset release -j $(TESTS)

test-nodes: ## run the tests of the package in stock Node.js 20, 22, 24 and 26
	@tools/setup.sh test nodes
	@$(MAKE) build NODES='20;22;24;26'
	@ctest --preset release -j $(TESTS) -R '^stock/'

compat: ## run the same programs forked, cold and in stock Node.js 18, print and keep the table (ONLY='fs net': these alone)
	@tools/setup.sh test
	@$(MAKE) build
	@cmake -DSOURCE=$(CURDIR) -DOUT=$(CURDIR)/build/compat -P test/compat/packages/install.cmake
	@COMPAT_PACKAGES=$(CURDIR)/build/compat WARREN=$(CURDIR)/build/bin/warren WARREN_NODE=$(CURDIR)/build/bin/warren-node STOCK_NODE=/usr/local/lib/warren/nodes/18/bin/node \
	    /usr/local/lib/warren/nodes/18/bin/node test/compat/compat.mjs $(if $(ONLY),$(ONLY),--write docs/compatibility.md)

bench: ## measure Warren beside others, print tables (test/bench)
	@tools/setup.sh test bench
	@$(MAKE) build
	@node test/bench/run.mjs $(BENCH)
	@$(if $(BENCH),,for bench in hosts starts/launch starts/first starts/cpu starts/many reload; do node test/bench/$$bench.mjs || exit 1; done)

asan: ## build with ASan and UBSan into build/asan, run the tests
	@tools/setup.sh test
	@cmake --preset asan
	@cmake --build --preset asan
	@ctest --preset asan -j $(TESTS_ASAN)

format: ## check the C and C++ files with clang-format (make format FIX=1 rewrites them)
	@tools/setup.sh lint
	@shellcheck tools/*.sh test/plain-debian/*.sh .ci/run examples/search/demo
	@clang-format $(if $(FIX),-i,--dry-run -Werror --ferror-limit=1) $(C_FILES)

tidy: build ## check the C files with clang-tidy, each in a process of its own: of several it mistakes va_lists
	@tools/setup.sh dev
	@printf '%s\n' $(filter %.c,$(C_FILES)) | xargs -P $(JOBS) -n 1 clang-tidy --quiet -p build

N ?= 1000
seeds: build ## simulate N=1000 seeds of each simulator (FROM=1), as many at once as there are cores
	@tools/seeds.sh $(N) $(FROM)

TIME ?= 60
fuzz: ## run each decoder's fuzzer for TIME=60 seconds (SEED=1: nearly the same inputs again), as many at once as there are cores
	@tools/setup.sh dev
	@cmake --preset fuzz && cmake --build --preset fuzz
	@printf '%s\n' build/fuzz/fuzz/* | xargs -P $(JOBS) -n 1 tools/fuzz.sh $(TIME) $(or $(SEED),0)

REPEAT ?= 20
faults: ## try each row of the fault matrix REPEAT=20 times, print a table (root; ROW=text: those that have it in their name)
	@tools/setup.sh test
	@$(MAKE) build
	@FAULTS_LOGS=build/faults WARREN=$(CURDIR)/build/bin/warren WARREN_NODE=$(CURDIR)/build/bin/warren-node \
	    WARREN_BIN=$(CURDIR)/build/bin WARREN_TEST=$(CURDIR)/build/test node test/e2e/hosts/faults.mjs $(REPEAT) '$(ROW)'

SEEDS ?= 20
chaos: ## kill agents, hosts, the store or the command line in the midst of deployments: SEEDS=20 of them (root; FROM=1, STORE=etcd or host)
	@tools/setup.sh test
	@$(MAKE) build
	@WARREN_SEED=$(or $(FROM),1) WARREN_SEEDS=$(SEEDS) WARREN_STORE=$(STORE) WARREN=$(CURDIR)/build/bin/warren WARREN_NODE=$(CURDIR)/build/bin/warren-node \
	    build/bin/warren-node test/e2e/deploy/chaos.test.mjs

clean: ## remove build/
	@rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1 \2/p' Makefile | awk '{ $$2 = sprintf("%-10s", $$2) } 1'
