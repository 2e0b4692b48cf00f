module github.com/xll-gen/shm/benchmarks/report

go 1.18
