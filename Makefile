# The commands of the house. Each installs what it needs: Go modules by the go
# command, Debian packages by apt-get.

# What goes through a filter fails as it does without one.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

export GOTOOLCHAIN := $(shell awk '/^toolchain/ {print $$2}' go.mod)
export CGO_ENABLED := 0
export BACKSTEP_SHARED ?= $(abspath ../shared)

PURE := value jsonpath jsonata asl machine prove lower lift
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build demo demo-postgres examples test lint unit coverage clean bench million generate sim mutants storage hostile hostile-services scale conformance fuzz crash equivalence verify-scale sweep sql-faults cluster backup-drill spread

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/backstep
	go build -trimpath -o bin/backstep ./cmd/backstep

demo: build ## run the order saga's seven scenarios (KEEP=1, KILL=1, POSTGRES=DSN, DEFINITION=file)
	cd examples/order && go build -trimpath -o bin/ ./orders ./payments ./inventory ./ledger
	bin/backstep demo examples/order

examples: build ## the programs of the examples into bin/; each example's README goes on from there
	cd examples && go build -trimpath -o ../bin/ ./order-saga ./trip ./transfer ./two-databases ./approval

test: lint unit coverage ## all that must hold before a merge

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt would change: $$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	cd examples && go vet ./... && go run $(STATICCHECK) ./...
	cd participant/dbtest && go vet ./... && go run $(STATICCHECK) ./...
	cd rig/dropfs && go vet ./... && go run $(STATICCHECK) ./...

unit: packages ## every test of every package
	go test -timeout 15m ./...
	cd examples/order && go test ./...
	cd examples && go test -p 1 ./...
	cd participant/dbtest && go test ./...
	cd rig/dropfs && go test ./...

coverage: ## statement coverage of the pure packages, at least 95 %
	@BACKSTEP_SHARED=/nonexistent go test -cover $(PURE:%=./internal/%) | awk ' \
		{ print } \
		/coverage:/ { for (i = 1; i <= NF; i++) if ($$i == "coverage:") { c = $$(i+1); sub("%", "", c); if (c + 0 < 95) low = low " " $$2 "=" c } } \
		/FAIL/ { low = low " failed" } \
		END { if (low) { print "below 95 %:" low; exit 1 } }'

# What the foreign clients, the documents' commands and the databases' tests need. Where apt-get is not
# to be had, the tests say what they skip. A MySQL that is there stays, and is not tested against: MariaDB
# would take its place.
.PHONY: packages
packages:
	@command -v apt-get >/dev/null || exit 0; \
	missing=""; for p in postgresql $$([ -x /usr/sbin/mysqld ] || echo mariadb-server) awscli python3-boto3 curl jq; do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] || { echo "installing$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; }

clean: ## take away what was built
	rm -rf bin examples/order/bin

bench: build ## sagas beside the machine's own limits, the least a server can be, and other systems (DURATION=8s, ROUNDS=1, POSTGRES=DSN: else one is started, PEERS=folder, BEFORE=another binary, SAMPLES=folder for benchstat)
	go build -o bin/rig-bench ./rig/bench
	$(if $(POSTGRES),,$(if $(wildcard /usr/lib/postgresql/*/bin/initdb),rig/with-postgres.sh)) bin/rig-bench -backstep bin/backstep -duration $(or $(DURATION),8s) -rounds $(or $(ROUNDS),1) \
		-peers "$(PEERS)" -before "$(BEFORE)" -samples "$(SAMPLES)"

million: build ## a million items of a distributed Map, and 40,000 of an inline one: items/s, processor, memory (ITEMS=1000000, KILLS=0, INLINE=40000)
	go build -o bin/rig-million ./rig/million
	bin/rig-million -backstep bin/backstep -items $(or $(ITEMS),1000000) -kills $(or $(KILLS),0) -inline $(or $(INLINE),40000)

scale: build ## one server over its own store as it grows: bytes of a saga, a million ended, a million that wait, timers; each figure beside its bar (ROWS=bytes,growth,retention,park,timers,burst,away, N=executions, KEEP=folder for filled data, FILLING=longest time to fill it)
	go build -o bin/rig-scale ./rig/scale
	bin/rig-scale -backstep bin/backstep -n $(or $(N),0) $(if $(ROWS),-rows $(ROWS)) $(if $(KEEP),-keep "$(KEEP)") $(if $(FILLING),-filling $(FILLING))

generate: ## docs/api.md, docs/compatibility.md, the models of AWS's services
	go test ./api -run '^TestManual$$' -update
	go test ./internal/integration/aws -run '^TestModels$$' -update
	go test . -run '^TestCompatibility$$' -update

sim: ## the engine in simulated worlds (EXECUTIONS=200000, SEED=1, SHAPE=one|nodes|any|one-saga|nodes-saga|any-saga; by turns)
	go test ./internal/sim -run '^TestSim$$' -count=1 -v -timeout 6h -sim.big -sim.executions=$(or $(EXECUTIONS),200000) -sim.seed=$(or $(SEED),1) -sim.shape=$(SHAPE)

mutants: ## planted bugs, each of which the simulator must catch within 20,000 seeds
	go test ./internal/sim -run '^TestMutants$$' -count=1 -v -timeout 6h -sim.mutants

storage: ## the embedded store crashed at every call to the disk, its writes torn, its recovery crashed, its files damaged (WORKLOADS=50, FIRST=0, SEED=1, DAMAGES=1000); bugs planted in it must be found
	GOGC=400 go test ./internal/store/embedded -run '^(TestCrashAtEveryStorageCall|TestPlantedBugsAreFound|TestDamage.*|TestTornLog)$$' -count=1 -v -timeout 90m \
		-crash.deep -crash.drawn=$(or $(WORKLOADS),50) -crash.first=$(or $(FIRST),0) -crash.floor=$$((2000 * $(or $(WORKLOADS),50))) \
		-crash.seed=$(or $(SEED),1) -damages=$(or $(DAMAGES),1000) | grep -v '^=== '

conformance: build ## recordings of the real service beside rig/recordings.toml, ARGS='--mended --kind execution --no-slow'
	rig/conformance.sh $(or $(ARGS),--no-slow)

demo-postgres: build ## the demo on a PostgreSQL of its own
	rig/with-postgres.sh $(MAKE) demo

hostile-services: build ## a server among services that misbehave, in a retry storm and under a flood; on a quiet machine (PARTS=modes,hung,storm,flood DOWN=1m EXECUTIONS=10000)
	go build -o bin/rig-hostile ./rig/hostile
	bin/rig-hostile -backstep bin/backstep -parts $(or $(PARTS),modes,hung,storm,flood) -down $(or $(DOWN),1m) -executions $(or $(EXECUTIONS),10000)

sql-faults: ## the connection to PostgreSQL cut after every message of every main transaction, every error code at every call, locks, pools and crashes
	go test ./internal/store/postgres -run '^(TestSQLFaults.*|TestServerCrashes|TestLocked.*|TestPoolExhausted|TestGhost|TestReadOnlyServer)$$' -count=1 -v -timeout 1h -faults.big

spread: ## a model of a store over several databases, which is not built: the tables of docs/adr/0087 (SEED=1)
	go run ./rig/spread -seed $(or $(SEED),1)

hostile: ## what each hostile expression ends with and takes of a processor; at most 100 ms, on a quiet machine
	go test ./internal/jsonata -run '^TestHostileTable$$' -count=1 -v -hostile.cpu

sweep: ## proof and sweep held against each other: the published sagas, the proof's scripts, drawn sagas (DRAWN=20); the order saga and the examples by pairs; each undo taken away and exchanged
	go test ./internal/sweep -run '^(TestCorpus|TestScripts|TestDrawn|TestOrder|TestExamples|TestMaimed)$$' -count=1 -v -timeout 6h -sweep.drawn=$(or $(DRAWN),20) | grep -v '^=== \|^ *--- PASS'

equivalence: ## generated sagas as they are and exported, and wired by hand and imported: the same ledger, the same calls, under the same faults (EXECUTIONS=10000)
	go test ./internal/sim -run '^(TestEquivalence|TestImportedByChance)$$' -count=1 -v -timeout 1h -sim.equivalent=$(or $(EXECUTIONS),10000)

verify-scale: ## what a proof takes: of sagas of 250 … 5,000 states, and of nested Parallels
	go test ./internal/prove -run '^TestScaleTable$$' -count=1 -v -timeout 30m -prove.scale

fuzz: ## every fuzz target, one after the other (TIME=1m, NAMES="FuzzCheck FuzzText"); the reference of FuzzReference comes by npm
	rig/fuzz.sh $(or $(TIME),1m) $(NAMES)

crash: build ## faults drawn under a load of order sagas: kill -9, standing still, power lost, a full disk, a failed sync, a slow disk; then all is held against what was said and done (CYCLES=200, SEED=1, FAULT=drop,fsync, MUTANT=call-before-commit); SAGA=1: sagas of the extension, their holds resolved by an operator (MUTANT=saga/unknown-step-not-owed)
	go build -o bin/rig-crash ./rig/crash
	@# a disk of the rig's own needs /dev/fuse and the right to mount
	[ ! -w /dev/fuse ] || { cd rig/dropfs && go build -o ../../bin/rig-dropfs .; }
	bin/rig-crash -backstep bin/backstep -cycles $(or $(CYCLES),200) -seed $(or $(SEED),1) $(if $(SAGA),-saga) \
		$$([ ! -w /dev/fuse ] || echo -dropfs bin/rig-dropfs) -fault "$(FAULT)" \
		$(if $(MUTANT),-mutant $(or $(wildcard $(MUTANT)),rig/crash/testdata/mutants/$(MUTANT).txt))

backup-drill: build ## a backup taken under a load of order sagas, restored after the server was killed, and reconciled with the ledger of those whom the sagas asked (RUNS=20, SEED=1)
	go build -o bin/rig-crash ./rig/crash
	bin/rig-crash -backstep bin/backstep -drill -runs $(or $(RUNS),20) -seed $(or $(SEED),1)

cluster: build ## three nodes over a PostgreSQL with a synchronous standby, each on a host of its own: SHAPE=kill, pause, partition, restart, failover or upgrade (node by node from BEFORE=an earlier binary, else the earliest that may run beside this one, to the present and back); RUNS=20 of LASTS=60s; SAGA=1: sagas of the extension (root, iproute2, nftables, postgresql)
	go build -o bin/rig-crash ./rig/crash
	$(if $(BEFORE),,$(if $(filter upgrade,$(SHAPE)),rig/before.sh bin/backstep-before))
	bin/rig-crash -backstep bin/backstep -shape $(or $(SHAPE),kill) $(if $(filter upgrade,$(SHAPE)),-before "$(or $(BEFORE),bin/backstep-before)") $(if $(SAGA),-saga) -runs $(or $(RUNS),20) -lasts $(or $(LASTS),60s) -seed $(or $(SEED),1)
