module github.com/xll-gen/shm/tests/faults/points/overlay

go 1.18
