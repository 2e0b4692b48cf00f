# SPDX-License-Identifier: Apache-2.0
# Programs in Go among the targets. go build itself knows what is out of date.
find_program(GO_EXECUTABLE go HINTS /usr/local/go/bin /usr/lib/go/bin)
if(NOT GO_EXECUTABLE)
  message(FATAL_ERROR "The tests and examples need Go 1.18 or later (Debian: golang-go); install it, or configure with -DSIPC_BUILD_TESTS=OFF.")
endif()

# For which system is what the toolchain file says, or:
if(WIN32)
  set(GO_TARGET GOOS=windows GOARCH=amd64)
endif()

function(go_program target folder cgo)
  add_custom_target(${target} ALL
    COMMAND ${CMAKE_COMMAND} -E env CGO_ENABLED=${cgo} GOFLAGS=-buildvcs=false ${GO_TARGET}
      ${GO_EXECUTABLE} build -o ${CMAKE_CURRENT_BINARY_DIR}/${target}${CMAKE_EXECUTABLE_SUFFIX} .
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/${folder}
    COMMENT "Building ${target}")
endfunction()
