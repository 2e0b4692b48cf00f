// SPDX-License-Identifier: Apache-2.0
// Has triangles measured by a guest in another process. They are plain structs, written and read
// where they stand:
//
//   host NAME
#include <cstdio>

#include "DirectInPlace.h"
#include "triangle.h"

namespace {

shm::Error Measure(shm::ResponseView &response, shm::RequestBuffer request, int64_t number,
                   double side) {
    auto *asked = request.As<triangle>(); // zeroed; nullptr if the slot were too small
    asked->corners[1].x = 4 * side;
    asked->corners[2].y = 3 * side;
    asked->number = number;
    return std::move(request).Send(sizeof *asked, MSG_ID_USER, response);
}

} // namespace

int main(int count, char **words) {
    shm::DirectHost host;
    shm::Slot slot;
    if (!host.Init(count > 1 ? words[1] : "example", 1, 1024) || host.Acquire(slot)) {
        std::fprintf(stderr, "%s\n", shm::DirectHost::LastError());
        return 1;
    }
    shm::RequestBuffer buffer(std::move(slot));
    for (int number = 1; number <= 3; number++) {
        shm::ResponseView response;
        if (shm::Error error = Measure(response, std::move(buffer), number, number)) {
            std::fprintf(stderr, "%s: %s\n", error.Name(), error.Text());
            return 1;
        }
        const auto *measured = response.As<measures>(); // nullptr if it is of another size
        if (!measured || measured->number != number) return 1;
        std::printf("area %g, centre %g %g\n", measured->area, measured->centre.x,
                    measured->centre.y);
        buffer = std::move(response).Reuse(); // the slot, for the next one
    }
    return 0;
}
