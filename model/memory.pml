// SPDX-License-Identifier: Apache-2.0
// Weak memory: each thread writes through a store buffer of its own.
//
// With MACHINE_TSO (x86) stores drain in order, and an exchange waits until the buffer is empty.
//
// Without it (ARM) an exchange is a release store that a later load may overtake, so it only enters
// the buffer. A release store drains after all that its thread stored before it; a plain store may
// overtake everything but a store to the same place.
//
// The reader's side (a load that moves ahead of an earlier load) is modelled by mutations that read
// early. Includers define WRITERS, PLACES and DEPTH, the stores that a buffer holds.

typedef Buffer {
    byte count;
    byte place[DEPTH];
    byte value[DEPTH];
    bool release[DEPTH];
};

byte memory[PLACES];
Buffer buffer[WRITERS];
hidden byte moved; // scratch

#define drained(me) (buffer[me].count == 0)

inline enter(me, at, what, is_release)
{
    d_step {
        buffer[me].count < DEPTH;
        buffer[me].place[buffer[me].count] = at;
        buffer[me].value[buffer[me].count] = what;
        buffer[me].release[buffer[me].count] = is_release;
        buffer[me].count++
    }
}

#define store_relaxed(me, at, what) enter(me, at, what, false)

// Sequentially consistent. Nobody in this protocol needs the old value.
#ifdef MACHINE_TSO
#define exchange(me, at, what) atomic { drained(me); memory[at] = what }
#else
#define exchange(me, at, what) enter(me, at, what, true)
#endif

// A sequentially consistent fence, or whatever makes a later load wait for an earlier exchange.
#define fence(me) drained(me)

// The store at this position of the buffer reaches the memory.
inline drain(me, position)
{
    memory[buffer[me].place[position]] = buffer[me].value[position];
    printf("    place %d is %d\n", buffer[me].place[position], buffer[me].value[position]);
    for (moved : position .. DEPTH - 2) {
        buffer[me].place[moved] = buffer[me].place[moved + 1];
        buffer[me].value[moved] = buffer[me].value[moved + 1];
        buffer[me].release[moved] = buffer[me].release[moved + 1];
    }
    buffer[me].place[DEPTH - 1] = 0;
    buffer[me].value[DEPTH - 1] = 0;
    buffer[me].release[DEPTH - 1] = false;
    buffer[me].count--
}

// The kernel has ended this thread, or orders all that it wrote before what others do next.
inline drain_all(me)
{
    d_step {
        do
        :: buffer[me].count > 0 -> drain(me, 0)
        :: else -> break
        od
    }
}

#define overtakes(me, later, earlier) \
    (!buffer[me].release[later] && buffer[me].place[later] != buffer[me].place[earlier])

proctype store_buffer(byte me)
{
end:
    do
    :: d_step { buffer[me].count > 0; drain(me, 0) }
#ifndef MACHINE_TSO
    :: d_step { buffer[me].count > 1 && overtakes(me, 1, 0); drain(me, 1) }
#if DEPTH > 2
    :: d_step {
           buffer[me].count > 2 && overtakes(me, 2, 1) && overtakes(me, 2, 0);
           drain(me, 2)
       }
#endif
#endif
    od
}
