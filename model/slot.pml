// SPDX-License-Identifier: Apache-2.0
// One slot: exchange, fates, death, takeover, leaving, closing (spec 3, 4 and 9).
//
// A host makes CALLS calls through one slot; guests serve it one after the other, each when the
// kernel hands on the claim. Guests and host may die at every step. Sleeping is in sleep.pml: here
// a wait is a guard on memory, and a thread that waits for ever is an invalid end state.
//
// SIZES: 0 no message is tiny, 1 all are, 2 each may be. GENERATIONS: after how many they come
// round. DEATHS: how many guests are killed. HOST_DIES: the host may be. PATIENT: no call is given
// up. STALE_WORDS: generations that a response word still shows are not passed over, and a response
// that is not believed is no error: what the transport id is for.

#ifndef CALLS
#define CALLS 2
#endif
#ifndef SIZES
#define SIZES 2
#endif
#ifndef GENERATIONS
#define GENERATIONS 16
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

// Threads that write to the region.
#define CALLER 0
#define GUEST 1
#define RIVAL 2
#define NOBODY 255

#define CALLER_STATE 0
#define TINY_STATE 1
#define RESPONDER_STATE 2
#define STARTED 3
#define TURN 4           // the turn line's fields and payload, and the request buffer
#define RESPONDER_LINE 5 // its fields, and the response buffer

#ifdef MUTATE_TAKEOVER_UNCLAIMED
#define WRITERS 3
#else
#define WRITERS 2
#endif
#define PLACES 6
#define DEPTH 3
#include "memory.pml"
#include "words.pml"

#define OK 0
#define NOT_EXECUTED 1
#define RESPONDER_DIED 2

// The number of a call is its payload and its transport id. In a request it stands alone; in a tiny
// response it is marked as complement.
#define NO_CALL 0
#define COMPLEMENT 8
#define answer(status, id) ((status) * 16 + (id))
#define id_of(fields) ((fields) & 7)
#define status_of(fields) ((fields) / 16)

byte claim = NOBODY; // the kernel's: who is the slot's responder
bool killed[3];      // by SIGKILL; killed[CALLER] is the host
bool noticed;        // the host's monitor has seen a death that the caller has not
bool host_gone;      // dead, and the kernel has said so
bool host_closed;
byte guests;         // that live or may still come

// To show that the model gets there: -DWITNESS=... must find it.
#define RESPONSE_TAKEN 1
#define TINY_RESPONSE_TAKEN 2
#define NOT_STARTED_BY_MARK 3
#define NOT_STARTED_BY_RESPONDER 4
#define MAYBE_EXECUTED 5
#define DEATH_TOLD_BY_SUCCESSOR 6
#define FREED_BY_LATE_RESPONSE 7
#define FREED_BY_DEATH 8
#ifndef WITNESS
#define WITNESS 0
#endif
#define witness(what) assert(WITNESS != what)

// What really happened, seen by nobody but the properties.
bool begun[CALLS + 1];       // a handler began this call
bool ended[CALLS + 1];       // and completed it
bool answered[CALLS + 1];    // its response reached the memory, and its responder is gone
bool not_started[CALLS + 1]; // the caller was told so
byte owners;                 // threads that act as the responder now

// ---- The responder -----------------------------------------------------------------------------

inline take_slot()
{
    owners++;
    assert(owners == 1)
}

// By the kernel: all that was written is ordered before what the next owner reads.
inline give_back_slot(me)
{
    atomic {
        drained(me);
        owners--;
        if
        :: claim == me -> claim = NOBODY
        :: else
        fi;
        answered[done] = true;
        done = NO_CALL
    }
}

inline publish_own_line(me, status)
{
    atomic {
        store_relaxed(me, RESPONDER_LINE, answer(status, id));
        own = response(g) + ATTENDED;
        printf("%d: answers g %d call %d with status %d\n", me, g, id, status)
    }
    atomic {
#ifdef MUTATE_RESPONSE_RELAXED
        store_relaxed(me, RESPONDER_STATE, own);
#else
        exchange(me, RESPONDER_STATE, own);
#endif
        done = (status == OK -> id : NO_CALL)
    }
}

// If the caller says that it sleeps, the word that it sleeps on changes as well.
inline publish_turn_line(me)
{
    atomic {
        store_relaxed(me, TURN, answer(OK, id) + COMPLEMENT);
        printf("%d: answers g %d call %d in the turn line\n", me, g, id)
    }
    atomic {
#ifdef MUTATE_RESPONSE_RELAXED
        store_relaxed(me, TINY_STATE, response(g));
#else
        exchange(me, TINY_STATE, response(g));
#endif
        done = id
    }
    if
    :: true
    :: atomic { own = response(g) + ATTENDED; exchange(me, RESPONDER_STATE, own) }
    fi
}

#define stands_here (unattended(own) == response(g) || memory[TINY_STATE] == response(g))
#define was_begun \
    ((code_of(seen) == REQUEST || code_of(seen) == CANCELLED) && !stands_here \
     && memory[STARTED] == word(g, 0))

// Section 9, the successor of a responder that died or left.
inline succeed(me)
{
#ifdef MUTATE_SUCCESSOR_WIPES_MARK
    store_relaxed(me, STARTED, 0);
    fence(me);
#endif
    atomic {
        seen = memory[CALLER_STATE];
        g = generation_of(seen);
        own = memory[RESPONDER_STATE]; // nobody else writes it
        printf("%d: takes over\n", me)
    }
    if
#ifndef MUTATE_SUCCESSOR_SILENT
    :: atomic { was_begun -> id = id_of(memory[TURN]) }
        publish_own_line(me, RESPONDER_DIED)
    :: !was_begun ->
#else
    :: true ->
#endif
        atomic {
#ifdef MUTATE_SUCCESSOR_LOSES_RESPONSE
            own = word(generation_of(own), NONE) + ATTENDED;
#else
            // A response in the turn line shows in both words then: see sleep.pml.
            own = (memory[TINY_STATE] == response(g) -> response(g) : unattended(own)) + ATTENDED;
#endif
            exchange(me, RESPONDER_STATE, own)
        }
        d_step {
            if
            :: code_of(seen) == REQUEST && stands_here
            :: else -> seen = word(0, IDLE)
            fi
        }
    fi;
    d_step { g = 0; id = 0 }
}

// By the caller, now.
#define turn_line_is_written \
    ((buffer[CALLER].count > 0 && buffer[CALLER].place[0] == TURN) \
     || (buffer[CALLER].count > 1 && buffer[CALLER].place[1] == TURN))

// The request is read when the handler begins and again when it ends.
inline handle(me)
{
    d_step {
#ifdef MUTATE_REQUEST_READ_EARLY
        id = id_of(early);
#else
        assert(!turn_line_is_written);
        assert(memory[TURN] < COMPLEMENT); // a request stands there
        id = memory[TURN];
#endif
        assert(!not_started[id]);
        assert(!begun[id]);
        begun[id] = true;
        printf("%d: begins call %d\n", me, id)
    }
    d_step {
        assert(memory[TURN] == id);
        assert(!not_started[id]);
        ended[id] = true;
        printf("%d: ends call %d\n", me, id)
    }
}

inline answer_handled(me)
{
    if
    :: is_tiny(seen) -> publish_turn_line(me)
#if SIZES == 2
    :: true -> publish_own_line(me, OK)
#else
    :: !is_tiny(seen) -> publish_own_line(me, OK)
#endif
    fi
}

// 4.1, responder 2 to 8. The caller's word as it was seen stands in seen.
inline serve(me)
{
    g = generation_of(seen);
#ifdef MUTATE_MARK_LATE
    again = memory[CALLER_STATE];
#endif
#ifdef MUTATE_MARK_RELAXED
    store_relaxed(me, STARTED, word(g, 0));
#else
    exchange(me, STARTED, word(g, 0));
#endif
#if !defined(MUTATE_MARK_RELAXED) && !defined(MUTATE_NO_FENCE_RESPONDER)
    fence(me);
#endif
#if defined(MUTATE_NO_REREAD)
    again = seen;
#elif !defined(MUTATE_MARK_LATE)
    again = memory[CALLER_STATE];
#endif
    if
    :: again == seen ->
        handle(me);
        answer_handled(me)
    :: again != seen ->
#if defined(MUTATE_NOT_EXECUTED_UNANSWERED)
        skip
#elif defined(MUTATE_RACING_ID)
        atomic { assert(!turn_line_is_written); id = id_of(memory[TURN]) }
        publish_own_line(me, NOT_EXECUTED)
#else
        publish_own_line(me, NOT_EXECUTED) // id 0
#endif
    fi;
    d_step { again = 0; g = 0; id = 0 }
}

inline leave(me)
{
    atomic {
#ifdef MUTATE_LEAVING_LOSES_RESPONSE
        own = word(generation_of(own), NONE);
#else
        own = unattended(own);
#endif
        printf("%d: leaves\n", me);
        exchange(me, RESPONDER_STATE, own)
    }
}

proctype guest(byte me)
{
    byte seen, again, own, g, id, done;
    bool leaves, named;
#ifdef MUTATE_REQUEST_READ_EARLY
    byte early;
#endif
start_again:
    {
        // Chosen ahead: a choice that is always open would hide a hang.
        if
        :: leaves = true
        :: leaves = false
        fi;
        if
        :: atomic { claim == NOBODY -> claim = me; take_slot() }
#ifdef MUTATE_TAKEOVER_UNCLAIMED
        :: atomic { claim != NOBODY -> take_slot() }
#endif
        :: host_gone || host_closed -> goto left
        fi;
        named = true; // the owner line tells whom to watch
        succeed(me);
        do
#ifdef MUTATE_REQUEST_READ_EARLY
        :: early = memory[TURN];
            if
            :: atomic { memory[CALLER_STATE] != seen -> seen = memory[CALLER_STATE] }
            :: memory[CALLER_STATE] == seen -> goto look_again
            fi;
#else
        :: atomic { memory[CALLER_STATE] != seen -> seen = memory[CALLER_STATE] }
#endif
            if
            :: code_of(seen) == REQUEST -> serve(me)
            :: code_of(seen) == CLOSED -> break
            :: else
            fi
#ifdef MUTATE_REQUEST_READ_EARLY
            ; look_again: early = 0
#endif
        :: leaves -> break
        :: host_gone -> break
        od;
        leave(me);
        give_back_slot(me);
    left:
        skip
    } unless {
        killed[me];
        atomic {
            drain_all(me);
            if
            :: claim == me -> claim = NOBODY; owners--
            :: else
            fi;
            answered[done] = true;
            killed[me] = false;
            noticed = noticed || named; // the monitor watches the process that the owner line names
            printf("%d: dies\n", me);
            g = 0; id = 0; done = NO_CALL
        }
    };
    // Started again, or another guest, or none.
    atomic {
        leaves = false; named = false; own = 0; seen = 0; again = 0;
        if
        :: goto start_again
        :: guests--
        fi
    }
}

// ---- The caller --------------------------------------------------------------------------------

#define NOWHERE 0
#define IN_TURN_LINE 1
#define IN_RESPONDER_LINE 2

#ifdef MUTATE_GENERATION_UNCHECKED
#define tiny_response_stands (tiny && (memory[TINY_STATE] & RESPONSE))
#define own_line_shows (memory[RESPONDER_STATE] & RESPONSE)
#else
#define tiny_response_stands (tiny && memory[TINY_STATE] == response(g))
#define own_line_shows (unattended(memory[RESPONDER_STATE]) == response(g))
#endif
#define response_stands (tiny_response_stands || own_line_shows)

// Section 3: one look at each word, and a second at the first.
inline find_response()
{
    if
    :: atomic { tiny_response_stands -> place = IN_TURN_LINE }
    :: !tiny_response_stands ->
        if
        :: atomic { !own_line_shows -> place = NOWHERE }
#ifdef MUTATE_ONE_LOOK_AT_TINY
        :: atomic { own_line_shows -> place = IN_RESPONDER_LINE }
#else
        :: own_line_shows ->
            atomic { place = (tiny_response_stands -> IN_TURN_LINE : IN_RESPONDER_LINE) }
#endif
        fi
    fi
}

#ifdef MUTATE_GENERATION_KEPT
#define next_generation (reuse -> g : (g + 1) % GENERATIONS)
#else
#define next_generation ((g + 1) % GENERATIONS)
#endif

// A generation that one of the response words still shows is passed over.
inline choose_generation()
{
    g = next_generation;
#if !defined(STALE_WORDS) && !defined(MUTATE_STALE_WORD_BELIEVED)
    do
    :: memory[TINY_STATE] == response(g) || own_line_shows -> g = (g + 1) % GENERATIONS
    :: else -> break
    od
#endif
}

inline publish_request()
{
    atomic {
        choose_generation();
        noticed = false; // of deaths before this call
        if
#if SIZES > 0
        :: tiny = true
#endif
#if SIZES != 1
        :: tiny = false
#endif
        fi;
        printf("caller: call %d is request g %d tiny %d\n", call, g, tiny);
        store_relaxed(CALLER, TURN, call)
    }
    atomic {
#ifdef MUTATE_REQUEST_RELAXED
        store_relaxed(CALLER, CALLER_STATE, word(g, (tiny -> REQUEST + TINY : REQUEST)));
#else
        exchange(CALLER, CALLER_STATE, word(g, (tiny -> REQUEST + TINY : REQUEST)));
#endif
    }
    fence(CALLER) // for the look at the responder's waiting word: sleep.pml
}

inline deny()
{
    d_step {
        assert(!begun[call]);
        not_started[call] = true;
        printf("caller: call %d was not started\n", call)
    }
}

#ifdef MUTATE_ID_UNCHECKED
#define is_ours(fields) true
#else
#define is_ours(fields) \
    (id_of(fields) == call && (place == IN_TURN_LINE) == ((fields & COMPLEMENT) != 0))
#endif
#define fields_in_place memory[(place == IN_TURN_LINE -> TURN : RESPONDER_LINE)]

// 4.1, caller 6.
inline take_response()
{
    atomic {
#ifndef MUTATE_RESPONSE_READ_EARLY
        fields = fields_in_place;
#endif
        printf("caller: takes status %d of call %d\n", status_of(fields), id_of(fields));
        if
        :: cancelled && place == IN_RESPONDER_LINE && status_of(fields) == NOT_EXECUTED ->
            deny();
            witness(NOT_STARTED_BY_RESPONDER);
            fields = 0
        :: else ->
            if
            :: is_ours(fields) ->
                if
                :: status_of(fields) == OK ->
                    assert(ended[call]);
                    witness(RESPONSE_TAKEN);
                    assert(WITNESS != TINY_RESPONSE_TAKEN || place != IN_TURN_LINE)
                :: status_of(fields) == NOT_EXECUTED -> deny()
                :: else -> witness(DEATH_TOLD_BY_SUCCESSOR) // maybe executed
                fi
            :: else ->
#ifdef STALE_WORDS
                finished = true; // the call ends without a response, and the caller leaves
                fields = 0
#else
                assert(false)
#endif
            fi
        fi
    }
    atomic {
        // Nobody writes there while the caller reads.
        assert(fields == 0 || fields_in_place == fields);
        fields = 0
    }
}

#ifdef MUTATE_FATE_READ_FIRST
#define mark_seen mark
#else
#define mark_seen memory[STARTED]
#endif

// Not g: not started. g: maybe executed, and out of use until the response, or the death of whoever
// has the claim, shows that no handler runs.
inline learn_fate()
{
    if
    :: atomic { mark_seen != word(g, 0) -> deny(); witness(NOT_STARTED_BY_MARK) }
    :: atomic {
           mark_seen == word(g, 0) ->
#ifndef MUTATE_FREED_THOUGH_STARTED
           out_of_use = !finished;
#endif
           assert(!was_answered); // by one that is gone: that response is not to be missed
           witness(MAYBE_EXECUTED);
           printf("caller: call %d maybe executed\n", call)
       }
    fi
}

// Gives up on the call, by cancelling it or by closing the slot at once.
inline give_up()
{
    atomic {
#ifdef MUTATE_FATE_READ_FIRST
        mark = memory[STARTED];
#endif
#ifdef MUTATE_CLAIM_LOOKED_AT_FIRST
        was_free = (claim == NOBODY);
#endif
        cancelled = true;
        if
        :: code = CANCELLED
        :: code = CLOSED; finished = true
        fi;
        printf("caller: gives up call %d\n", call)
    }
    atomic {
#ifdef MUTATE_CANCEL_RELAXED
        store_relaxed(CALLER, CALLER_STATE, word(g, code));
#else
        exchange(CALLER, CALLER_STATE, word(g, code));
#endif
        code = 0
    }
#if !defined(MUTATE_CANCEL_RELAXED) && !defined(MUTATE_NO_FENCE_CALLER)
    fence(CALLER);
#endif
    was_answered = answered[call];
    find_response();
    if
    :: place != NOWHERE -> take_response()
    :: place == NOWHERE -> learn_fate()
    fi;
    was_answered = false
}

#if defined(MUTATE_CLAIM_LOOKED_AT_FIRST)
#define nobody_runs_it was_free
#elif defined(MUTATE_CLAIM_NOT_LOOKED_AT)
#define nobody_runs_it false
#else
#define nobody_runs_it (claim == NOBODY)
#endif

// 4.1, caller 3 to 6.
inline await_response()
{
    find_response(); // at any time
    if
    :: place == NOWHERE ->
        if
        :: response_stands -> find_response()
#ifndef PATIENT
        :: has_deadline
        :: noticed
#endif
        :: guests == 0 // for ever is only as long as somebody may come
        fi
    :: place != NOWHERE
    fi;
    if
    :: place != NOWHERE -> take_response()
    :: place == NOWHERE -> give_up()
    fi
}

proctype host()
{
    byte g, call = 1, fields, code, place;
    bool tiny, has_deadline, cancelled, was_answered, out_of_use, finished;
#ifdef MUTATE_FATE_READ_FIRST
    byte mark;
#endif
#ifdef MUTATE_CLAIM_LOOKED_AT_FIRST
    bool was_free;
#endif
#ifdef MUTATE_GENERATION_KEPT
    bool reuse;
#endif
    {
        do
        :: call > CALLS || finished -> break
        :: else ->
            // Chosen ahead, as above.
            if
            :: has_deadline = true
            :: has_deadline = false
            fi;
            publish_request();
#ifdef MUTATE_RESPONSE_READ_EARLY
            fields = memory[(tiny -> TURN : RESPONDER_LINE)];
#endif
            await_response();
#ifdef MUTATE_CLAIM_LOOKED_AT_ON_NOTICE
            do
            :: !out_of_use -> break
            :: atomic { out_of_use && response_stands -> out_of_use = false }
            :: atomic { out_of_use && noticed -> noticed = false; out_of_use = (claim != NOBODY) }
            od;
#else
            if
            :: !out_of_use
            :: atomic {
                   out_of_use && response_stands ->
                   out_of_use = false;
                   witness(FREED_BY_LATE_RESPONSE)
               }
            :: atomic {
                   out_of_use && nobody_runs_it ->
                   out_of_use = false;
                   witness(FREED_BY_DEATH)
               }
            fi;
#endif
            atomic {
#ifdef MUTATE_GENERATION_KEPT
                reuse = cancelled;
#endif
                call++; cancelled = false; place = NOWHERE
            }
        od;
        atomic {
            printf("caller: closes\n");
            exchange(CALLER, CALLER_STATE, word(g, CLOSED))
        }
        fence(CALLER);
        d_step { host_closed = true; g = 0; has_deadline = false; tiny = false }
    } unless {
        killed[CALLER];
        atomic { drain_all(CALLER); host_gone = true }
    }
}

// ---- Death at every step -----------------------------------------------------------------------

proctype killer()
{
    byte deaths;
    do
    :: deaths < DEATHS && !killed[GUEST] -> d_step { killed[GUEST] = true; deaths++ }
#ifdef HOST_DIES
    :: !killed[CALLER] -> killed[CALLER] = true
#endif
    :: break // leaves the rest to themselves, so that a hang shows
    od;
    deaths = 0
}

init
{
    atomic {
        run store_buffer(CALLER);
        run store_buffer(GUEST);
        run host();
        guests++;
        run guest(GUEST);
#ifdef MUTATE_TAKEOVER_UNCLAIMED
        run store_buffer(RIVAL);
        guests++;
        run guest(RIVAL);
#endif
        run killer()
    }
}
