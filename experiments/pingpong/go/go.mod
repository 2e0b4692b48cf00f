module github.com/xll-gen/shm/experiments/pingpong/go

go 1.18
