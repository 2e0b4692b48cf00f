module github.com/xll-gen/shm/benchmarks/simpleipc-bench-go

go 1.18

require (
	github.com/xll-gen/shm/experiments/pingpong/go v0.0.0
	github.com/xll-gen/shm/go v0.0.0
	golang.org/x/sys v0.30.0
)

replace (
	github.com/xll-gen/shm/experiments/pingpong/go => ../../experiments/pingpong/go
	github.com/xll-gen/shm/go => ../../go
)
