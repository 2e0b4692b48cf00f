module github.com/xll-gen/shm/examples/stream/go

go 1.18

require github.com/xll-gen/shm/go v0.0.0

require golang.org/x/sys v0.30.0 // indirect

replace github.com/xll-gen/shm/go => ../../../go
