// SPDX-License-Identifier: Apache-2.0
// Which memory order each access of an exchange needs (spec 4.1, 4.2 and 7), in the C11 memory model
// as views tell it: every write of a place stays readable, and a thread may read any that is not older
// than the newest it knows of. A release write carries what its writer knows, an acquire read takes that
// over, a sequentially consistent fence does both with all other such fences. So payload and state
// words become visible in any order, and loads are as stale as they may be, unless an order forbids it.
//
// A caller makes CALLS calls and may give each of them up; one responder serves them. SLEEPS: both
// sleep on a futex when they find nothing; without it a wait is a guard on memory. Deaths are in
// slot.pml: the kernel orders what is written before them.
//
// Each mutation makes one access relaxed, or leaves one fence out. Orders that may be relaxed: the
// responder's second look and the caller's look at the mark, as the fences before them order both.

#ifndef CALLS
#define CALLS 2
#endif

#define TURN 0           // the turn line: request, tiny response
#define RESPONDER_LINE 1 // response
#define CALLER_STATE 2
#define TINY_STATE 3
#define RESPONDER_STATE 4
#define STARTED 5
#ifdef SLEEPS
#define CALLER_WAITING 6
#define RESPONDER_WAITING 7
#define PLACES 8
#define MOST (6 * CALLS + 4) // writes of a place
#else
#define PLACES 6
#define MOST (3 * CALLS + 1)
#endif

#define CALLER 0
#define RESPONDER 1

// ---- The memory ---------------------------------------------------------------------------------

// Of each place, the newest write that is known.
typedef View {
    byte newest[PLACES];
};

typedef Place {
    byte last;
    byte value[MOST];
};

typedef Writes {
    View known[MOST]; // to who reads this write
};

Place place[PLACES];
Writes writes[PLACES];
View view[2];     // what a thread knows
View acquired[2]; // what it will know after an acquire fence
View released[2]; // what it knew at its last release fence
View fences;      // what was known at the last fence of all
hidden byte each; // scratch

#define most(a, b) ((a) > (b) -> (a) : (b))
#define last_of(at) place[at].value[place[at].last]
#define knows_last(me, at) (view[me].newest[at] == place[at].last)

inline knows(me, at, number)
{
    view[me].newest[at] = number;
    acquired[me].newest[at] = most(acquired[me].newest[at], number)
}

// A reader may learn what this thread knows: now if it is a release, else at its last release fence.
inline append(me, at, what, is_release)
{
    place[at].last++;
    place[at].value[place[at].last] = what;
    knows(me, at, place[at].last);
    for (each : 0 .. PLACES - 1) {
        writes[at].known[place[at].last].newest[each] =
            (is_release -> view[me].newest[each] : released[me].newest[each])
    }
    writes[at].known[place[at].last].newest[at] = place[at].last
}

// The payload is written by one side at a time.
inline store_payload(me, at, what)
{
    d_step {
        assert(knows_last(me, at));
        append(me, at, what, false)
    }
}

inline store_relaxed(me, at, what)
{
    d_step { append(me, at, what, false) }
}

// The words have one writer each, so that there is nothing to acquire.
inline exchange(me, at, what)
{
    d_step { append(me, at, what, true) }
}

inline fence(me)
{
    d_step {
        for (each : 0 .. PLACES - 1) {
            view[me].newest[each] = most(acquired[me].newest[each], fences.newest[each]);
            acquired[me].newest[each] = view[me].newest[each];
            released[me].newest[each] = view[me].newest[each];
            fences.newest[each] = view[me].newest[each]
        }
    }
}

// Reads any write that is not older than the newest that is known.
inline load(me, at, into, acquires)
{
    atomic {
        read = view[me].newest[at];
        do
        :: read < place[at].last -> read++
        :: break
        od;
        d_step {
            into = place[at].value[read];
            knows(me, at, read);
            for (each : 0 .. PLACES - 1) {
                acquired[me].newest[each] =
                    most(acquired[me].newest[each], writes[at].known[read].newest[each]);
                view[me].newest[each] =
                    (acquires -> most(view[me].newest[each], writes[at].known[read].newest[each])
                              : view[me].newest[each])
            }
            read = 0
        }
    }
}

// Payload: the only write that may be read is the one that is expected.
inline check_payload(me, at, expected)
{
    d_step {
        assert(knows_last(me, at));
        assert(last_of(at) == expected)
    }
}

// ---- The words ----------------------------------------------------------------------------------

#define REQUEST(g) ((g) * 4 + 1)
#define CANCELLED(g) ((g) * 4 + 2)
#define CLOSED 3
#define is_request(state) (((state) & 3) == 1)
#define generation_of(state) ((state) / 4)

// In the lines, beside the request: the number of the call.
#define DONE(g) (8 + (g))
#define NOT_EXECUTED(g) (16 + (g))

#ifdef MUTATE_REQUEST_SEEN_RELAXED
#define SEES_REQUEST false
#else
#define SEES_REQUEST true
#endif
#ifdef MUTATE_RESPONSE_SEEN_RELAXED
#define SEES_RESPONSE false
#else
#define SEES_RESPONSE true
#endif

bool tiny[CALLS + 1];        // of a request; stands in its word
bool begun[CALLS + 1];       // a handler began this call
bool not_started[CALLS + 1]; // the caller was told so

// ---- Sleeping -----------------------------------------------------------------------------------

bool asleep[2];

#define watched_by(side) ((side) == CALLER -> RESPONDER_STATE : CALLER_STATE)
#define waiting_of(side) ((side) == CALLER -> CALLER_WAITING : RESPONDER_WAITING)

inline begin_sleep(me)
{
    exchange(me, waiting_of(me), 1);
#ifndef MUTATE_NO_FENCE_SLEEPER
    fence(me)
#endif
}

// The kernel compares with the newest write, and falls asleep in the same step.
inline doze(me)
{
    d_step { asleep[me] = (place[watched_by(me)].last == seen) };
    !asleep[me]
}

inline wake_if_waiting(me, side)
{
#ifdef SLEEPS
    load(me, waiting_of(side), waits, false);
    if
    :: waits -> asleep[side] = false
    :: !waits
    fi;
    waits = 0
#else
    skip
#endif
}

// ---- The caller ---------------------------------------------------------------------------------

#define NOWHERE 0
#define IN_TURN_LINE 1
#define IN_RESPONDER_LINE 2

inline find_response()
{
    load(CALLER, TINY_STATE, state, SEES_RESPONSE);
    if
    :: tiny[g] && state == g -> found = IN_TURN_LINE
    :: else ->
        load(CALLER, RESPONDER_STATE, state, SEES_RESPONSE);
        if
        :: state != g
        :: state == g ->
            load(CALLER, TINY_STATE, state, SEES_RESPONSE);
            found = (tiny[g] && state == g -> IN_TURN_LINE : IN_RESPONDER_LINE)
        fi
    fi;
    state = 0
}

inline wait_for_response()
{
#ifdef SLEEPS
    if
    :: found != NOWHERE
    :: found == NOWHERE ->
        begin_sleep(CALLER);
        do
        :: load(CALLER, RESPONDER_STATE, state, true);
            seen = view[CALLER].newest[RESPONDER_STATE];
            find_response();
            if
            :: found != NOWHERE -> break
            :: found == NOWHERE -> doze(CALLER)
            fi
        od;
        store_relaxed(CALLER, CALLER_WAITING, 0);
        seen = 0
    fi
#else
    do
    :: found != NOWHERE -> break
    :: found == NOWHERE && (last_of(RESPONDER_STATE) == g || (tiny[g] && last_of(TINY_STATE) == g)) ->
        find_response()
    od
#endif
}

inline deny()
{
    d_step { assert(!begun[g]); not_started[g] = true }
}

inline take_response()
{
    if
    :: found == IN_TURN_LINE -> check_payload(CALLER, TURN, DONE(g))
    :: found == IN_RESPONDER_LINE && last_of(RESPONDER_LINE) != NOT_EXECUTED(g) ->
        check_payload(CALLER, RESPONDER_LINE, DONE(g))
    :: found == IN_RESPONDER_LINE && last_of(RESPONDER_LINE) == NOT_EXECUTED(g) ->
        check_payload(CALLER, RESPONDER_LINE, NOT_EXECUTED(g));
        deny()
    fi;
    found = NOWHERE
}

// Frees the slot: at once, or when the response comes.
inline give_up()
{
#ifdef MUTATE_CANCEL_RELAXED
    store_relaxed(CALLER, CALLER_STATE, CANCELLED(g));
#else
    exchange(CALLER, CALLER_STATE, CANCELLED(g));
#ifndef MUTATE_NO_FENCE_CANCEL
    fence(CALLER);
#endif
#endif
    find_response();
    if
    :: found != NOWHERE -> take_response()
    :: found == NOWHERE ->
        load(CALLER, STARTED, state, false);
        if
        :: state != g -> deny()
        :: state == g -> state = 0; wait_for_response(); take_response()
        fi;
        state = 0
    fi
}

inline publish_request()
{
    store_payload(CALLER, TURN, g);
#ifdef MUTATE_REQUEST_RELAXED
    store_relaxed(CALLER, CALLER_STATE, REQUEST(g));
#else
    exchange(CALLER, CALLER_STATE, REQUEST(g));
#endif
#ifndef MUTATE_NO_FENCE_REQUEST
    fence(CALLER);
#endif
    wake_if_waiting(CALLER, RESPONDER)
}

proctype caller()
{
    byte g, state, found, seen, waits, read;
    bool patient;
    do
    :: g == CALLS -> break
    :: g < CALLS ->
        atomic {
            g++;
            if
            :: tiny[g] = true
            :: tiny[g] = false
            fi;
            if
            :: patient = true
            :: patient = false
            fi
        }
        publish_request();
        find_response();
        if
        :: found != NOWHERE -> take_response()
        :: found == NOWHERE && patient -> wait_for_response(); take_response()
        :: found == NOWHERE && !patient -> give_up()
        fi
    od;
    exchange(CALLER, CALLER_STATE, CLOSED);
    fence(CALLER);
    wake_if_waiting(CALLER, RESPONDER)
}

// ---- The responder ------------------------------------------------------------------------------

inline wait_for_request()
{
#ifdef SLEEPS
    load(RESPONDER, CALLER_STATE, state, SEES_REQUEST);
    if
    :: state != dealt
    :: state == dealt ->
        begin_sleep(RESPONDER);
        do
        :: load(RESPONDER, CALLER_STATE, state, SEES_REQUEST);
            seen = view[RESPONDER].newest[CALLER_STATE];
            if
            :: state != dealt -> break
            :: state == dealt -> doze(RESPONDER)
            fi
        od;
        store_relaxed(RESPONDER, RESPONDER_WAITING, 0);
        seen = 0
    fi
#else
    do
    :: state != dealt -> break
    :: state == dealt && last_of(CALLER_STATE) != dealt ->
        load(RESPONDER, CALLER_STATE, state, SEES_REQUEST)
    od
#endif
}

inline publish_response(at)
{
#ifdef MUTATE_RESPONSE_RELAXED
    store_relaxed(RESPONDER, at, g);
#else
    exchange(RESPONDER, at, g);
#endif
#ifndef MUTATE_NO_FENCE_RESPONSE
    fence(RESPONDER)
#endif
}

inline answer(status)
{
    store_payload(RESPONDER, RESPONDER_LINE, status);
    publish_response(RESPONDER_STATE);
    wake_if_waiting(RESPONDER, CALLER)
}

// Who sleeps does so on the other word.
inline answer_in_turn_line()
{
    store_payload(RESPONDER, TURN, DONE(g));
    publish_response(TINY_STATE);
#ifdef SLEEPS
    load(RESPONDER, CALLER_WAITING, waits, false);
    if
    :: waits -> waits = 0; publish_response(RESPONDER_STATE); wake_if_waiting(RESPONDER, CALLER)
    :: !waits
    fi
#endif
}

// The copy was made before the mark: the second look tells whether it is whole.
inline handle()
{
    d_step {
        assert(copy == g);
        assert(!not_started[g]);
        begun[g] = true;
        copy = 0
    }
    check_payload(RESPONDER, TURN, g)
}

inline serve()
{
    g = generation_of(state);
    load(RESPONDER, TURN, copy, false);
#ifdef MUTATE_MARK_RELAXED
    store_relaxed(RESPONDER, STARTED, g);
#else
    exchange(RESPONDER, STARTED, g);
#ifndef MUTATE_NO_FENCE_MARK
    fence(RESPONDER);
#endif
#endif
#ifdef MUTATE_NO_REREAD
    again = state;
#else
    load(RESPONDER, CALLER_STATE, again, false);
#endif
    if
    :: again != state -> copy = 0; answer(NOT_EXECUTED(g))
    :: again == state ->
        again = 0;
        handle();
        if
        :: tiny[g] -> answer_in_turn_line()
        :: answer(DONE(g))
        fi
    fi;
    again = 0
}

proctype responder()
{
    byte g, state, dealt, again, copy, seen, waits, read;
    do
    :: wait_for_request();
        dealt = state;
        if
        :: is_request(state) -> serve()
        :: !is_request(state) && state != CLOSED
        :: state == CLOSED -> break
        fi
    od
}

init
{
    atomic {
        run caller();
        run responder()
    }
}
