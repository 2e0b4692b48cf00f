# SPDX-License-Identifier: Apache-2.0
# add_experiment(NAME): the program NAME out of study.c in the folder that includes this, on top of pingpong's processes and
# bare limit, with the library's atomics and copies.
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
endif()
# -O2, not Release's -O3: the library's own level.
set(CMAKE_C_FLAGS_RELEASE "-O2")
find_package(Threads REQUIRED)
set(HARNESS ${CMAKE_CURRENT_LIST_DIR})

function(add_experiment name)
    set(pingpong ${HARNESS}/../pingpong)
    add_executable(${name} study.c ${HARNESS}/study.c ${HARNESS}/bare_limit.c ${pingpong}/process.c)
    set_target_properties(${name} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
    target_include_directories(${name} PRIVATE ${HARNESS} ${pingpong} ${HARNESS}/../../src/internal)
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic)
    target_link_libraries(${name} PRIVATE Threads::Threads)
endfunction()
