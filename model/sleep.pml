// SPDX-License-Identifier: Apache-2.0
// Sleeping and waking in one slot (spec 7): what a side publishes rouses the other, a cancellation
// too, whoever stops, leaves or dies at whatever step, and a caller that is roused looks at the
// right line. A sleeper
// has no deadline unless the model chose one ahead, so that a lost wake-up shows. What a response
// is worth is in slot.pml.
//
// The event: a futex, or with SEMAPHORE a POSIX semaphore, or with AUTO_RESET a Windows event.
// DEATHS: of guests and host. STOPS: host and guest may be stopped at any time. DEADLINES: calls
// may have one.

#ifndef CALLS
#define CALLS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define CALLER 0
#define RESPONDER 1
#define NOBODY 255

#define CALLER_STATE 0 // the responder sleeps on it
#define TINY_STATE 1
#define RESPONDER_STATE 2 // the caller sleeps on it
#define CALLER_WAITING 3
#define RESPONDER_WAITING 4

#define watched_by(side) ((side) == CALLER -> RESPONDER_STATE : CALLER_STATE)
#define waiting_of(side) ((side) == CALLER -> CALLER_WAITING : RESPONDER_WAITING)

#define WRITERS 2
#define PLACES 5
#define DEPTH 3
#include "memory.pml"
#include "words.pml"

byte claim = NOBODY;
bool killed[2];
byte deaths;       // of guests, that the host's monitor has not seen
bool stopping[2];  // private to a side's process: leave
bool died[2];      // private to a side's process: the peer is dead
bool about[2];     // private to a side's process: asleep or about to be
bool left[2];      // the side has no thread here any more
byte current;      // the generation of the caller's request
bool settling;     // the caller waits for the response to a request that it gave up
bool idle;         // the caller makes no more calls, and leaves when it is stopped

byte began;        // the generation of the request that a responder began last
byte dealt;        // the caller's word that the responder has seen

// Where each response was put, seen by nobody but the properties.
#define NOWHERE 0
#define IN_TURN_LINE 1
#define IN_RESPONDER_LINE 2
byte line_of[CALLS + 1];

// ---- The event ---------------------------------------------------------------------------------

bool asleep[2];

#if defined(SEMAPHORE) || defined(AUTO_RESET)

#ifdef AUTO_RESET
#define MOST 1
#else
#define MOST 3 // more posts than that change nothing here
#endif
byte posts[2];

inline doze(me, expected)
{
    asleep[me] = true;
    if
    :: d_step { posts[me] > 0; posts[me]--; asleep[me] = false }
    :: d_step { limited; late = true; asleep[me] = false }
    fi
}

inline wake(side)
{
    d_step { posts[side] = (posts[side] < MOST -> posts[side] + 1 : MOST) }
}

#define can_be_woken(side) (asleep[side] && posts[side] == 0)

#else

// The kernel compares and falls asleep in one step. Nothing is said of the sleeper's store buffer.
inline doze(me, expected)
{
#ifdef MUTATE_COMPARE_THEN_SLEEP
    if
    :: memory[watched_by(me)] == expected -> asleep[me] = true
    :: memory[watched_by(me)] != expected
    fi;
#else
    d_step { asleep[me] = (memory[watched_by(me)] == expected) }
#endif
    if
    :: !asleep[me]
    :: d_step { limited && asleep[me]; late = true; asleep[me] = false }
    fi
}

inline wake(side)
{
    asleep[side] = false
}

#define can_be_woken(side) asleep[side]

#endif

// ---- What both sides do ------------------------------------------------------------------------

// Publishes a word, then looks whether the other side waits. look: that side's waiting word.
inline publish(me, at, what)
{
#ifdef MUTATE_PUBLISH_RELAXED
    store_relaxed(me, at, what)
#else
    exchange(me, at, what)
#ifndef MUTATE_NO_FENCE_PUBLISHER
    ;
    fence(me)
#endif
#endif
}

inline wake_if_waiting(side)
{
    if
    :: memory[waiting_of(side)] -> wake(side)
    :: !memory[waiting_of(side)]
    fi
}

inline publish_and_wake(me, at, what, side)
{
#ifdef MUTATE_WAKE_BEFORE_PUBLISH
    wake_if_waiting(side);
    publish(me, at, what)
#else
    publish(me, at, what);
    wake_if_waiting(side)
#endif
}

// Section 7, steps 1 and 4.
inline begin_sleep(me)
{
#if defined(MUTATE_WAITING_NOT_SAID)
    about[me] = true;
#elif defined(MUTATE_WAITING_RELAXED)
    atomic { about[me] = true; store_relaxed(me, waiting_of(me), 1) }
#else
    atomic { about[me] = true; exchange(me, waiting_of(me), 1) }
#ifndef MUTATE_NO_FENCE_SLEEPER
    fence(me);
#endif
#endif
}

inline end_sleep(me)
{
    atomic { store_relaxed(me, waiting_of(me), 0); about[me] = false }
}

#ifdef MUTATE_FLAG_UNREAD
#define told(side) false
#else
#define told(side) (stopping[side] || died[side])
#endif

inline forget(me)
{
    drain_all(me);
    asleep[me] = false;
    about[me] = false
}

// ---- The caller --------------------------------------------------------------------------------

#define tiny_shows (tiny && memory[TINY_STATE] == response(g))
#define own_line_shows (unattended(memory[RESPONDER_STATE]) == response(g))

// Section 3: one look at each word, and a second at the first, since both words may show it.
inline look()
{
    if
    :: atomic { tiny_shows -> place = IN_TURN_LINE }
    :: !tiny_shows ->
        if
        :: atomic { !own_line_shows -> place = NOWHERE }
#ifdef MUTATE_ONE_LOOK_AT_TINY
        :: atomic { own_line_shows -> place = IN_RESPONDER_LINE }
#else
        :: own_line_shows -> atomic { place = (tiny_shows -> IN_TURN_LINE : IN_RESPONDER_LINE) }
#endif
        fi
    fi
}

inline caller_sleeps()
{
    begin_sleep(CALLER);
#ifdef MUTATE_NO_RECHECK
    seen = memory[RESPONDER_STATE];
    doze(CALLER, seen);
#endif
    do
    :: seen = memory[RESPONDER_STATE];
        look();
        if
        :: place != NOWHERE || told(CALLER) || late -> break
        :: else -> doze(CALLER, seen)
        fi
    od;
    end_sleep(CALLER)
}

// Waits until a request that was given up is out of its handler.
inline settle()
{
    atomic { settling = true; limited = false; late = false };
    do
    :: died[CALLER] = false; // of deaths before the look at the claim
        if
        :: stopping[CALLER] || claim == NOBODY -> break
        :: else -> caller_sleeps()
        fi;
        if
        :: place != NOWHERE -> break
        :: place == NOWHERE
        fi
    od;
    settling = false
}

proctype caller()
{
    byte g, seen, place;
    bool tiny, limited, late;
    {
        do
        :: g == CALLS || stopping[CALLER] -> break
        :: else ->
            atomic {
                died[CALLER] = false; // of deaths before this call
                g++;
                current = g;
                if
                :: tiny = true
                :: tiny = false
                fi;
#ifdef DEADLINES
                if
                :: limited = true
                :: limited = false
                fi;
#endif
                printf("caller: request g %d tiny %d\n", g, tiny)
            }
            publish_and_wake(CALLER, CALLER_STATE, word(g, (tiny -> REQUEST + TINY : REQUEST)),
                             RESPONDER);
            look(); // at any time, by polling
            if
            :: place == NOWHERE -> caller_sleeps()
            :: place != NOWHERE
            fi;
            if
            :: place == NOWHERE ->
                exchange(CALLER, CALLER_STATE, word(g, CANCELLED));
                fence(CALLER);
                look();
#ifndef MUTATE_CANCEL_WAKES_NOBODY
                // Who handles the request may sleep until then (spec 4.4).
                wake_if_waiting(RESPONDER);
#endif
                if
                :: place == NOWHERE && began == g -> settle()
                :: else
                fi
            :: place != NOWHERE
            fi;
            atomic {
                assert(place == NOWHERE || place == line_of[g]);
                printf("caller: g %d found in %d\n", g, place);
                place = NOWHERE;
                late = false
            }
        od;
        atomic { tiny = false; limited = false; seen = 0; idle = true };
        stopping[CALLER];
        publish_and_wake(CALLER, CALLER_STATE, word(g, CLOSED), RESPONDER)
    } unless {
        killed[CALLER];
        atomic { forget(CALLER); printf("caller: dies\n") }
    };
    left[CALLER] = true
}

// ---- The responder -----------------------------------------------------------------------------

inline responder_sleeps()
{
    begin_sleep(RESPONDER);
#ifdef MUTATE_NO_RECHECK
    seen = memory[CALLER_STATE];
    doze(RESPONDER, seen);
#endif
    do
    :: seen = memory[CALLER_STATE];
        if
        :: memory[CALLER_STATE] != dealt || told(RESPONDER) -> break
        :: else -> doze(RESPONDER, seen)
        fi
    od;
    end_sleep(RESPONDER)
}

inline publish_own_line()
{
    atomic {
        own = response(generation_of(dealt)) + ATTENDED;
        line_of[generation_of(dealt)] = IN_RESPONDER_LINE
    }
    publish_and_wake(RESPONDER, RESPONDER_STATE, own, CALLER)
}

// A caller that sleeps does so on the other word: that must change before the wake.
inline publish_turn_line()
{
    line_of[generation_of(dealt)] = IN_TURN_LINE;
    publish(RESPONDER, TINY_STATE, response(generation_of(dealt)));
    if
    :: memory[CALLER_WAITING] ->
#ifdef MUTATE_TINY_WAKES_WITHOUT_CHANGE
        wake(CALLER)
#else
        own = response(generation_of(dealt)) + ATTENDED;
        publish_and_wake(RESPONDER, RESPONDER_STATE, own, CALLER)
#endif
    :: !memory[CALLER_WAITING]
    fi
}

#define tiny_stands (memory[TINY_STATE] == response(generation_of(dealt)))
#define may_stand (code_of(dealt) == REQUEST || code_of(dealt) == CANCELLED)
#define stands (tiny_stands || unattended(own) == response(generation_of(dealt)))

// As the successor. A caller that sleeps may not yet sleep: the word must change for it as well.
inline take_over()
{
    atomic {
        dealt = memory[CALLER_STATE];
        own = memory[RESPONDER_STATE]; // nobody else writes it
        printf("responder: takes over\n")
    }
    atomic {
        if
        :: may_stand && began == generation_of(dealt) && !stands ->
            own = response(generation_of(dealt)); // RESPONDER_DIED
            line_of[generation_of(dealt)] = IN_RESPONDER_LINE
#if defined(MUTATE_SUCCESSOR_KEEPS_WORD)
#elif defined(MUTATE_SUCCESSOR_KEEPS_WORD_OF_CANCELLED)
        :: code_of(dealt) == REQUEST && tiny_stands -> own = response(generation_of(dealt))
#else
        :: may_stand && tiny_stands -> own = response(generation_of(dealt))
#endif
        :: else
        fi;
        own = own | ATTENDED;
        dealt = (code_of(dealt) == REQUEST && stands -> dealt : word(0, IDLE))
    }
#ifdef MUTATE_SUCCESSOR_DOES_NOT_WAKE
    publish(RESPONDER, RESPONDER_STATE, own)
#else
    publish_and_wake(RESPONDER, RESPONDER_STATE, own, CALLER)
#endif
}

proctype responder()
{
    byte own, seen;
    bool limited, late; // never: a responder waits for ever
start_again:
    {
        if
        :: atomic { claim == NOBODY -> claim = RESPONDER }
        :: left[CALLER] -> goto done
        fi;
        take_over();
        do
        :: told(RESPONDER) -> break
        :: else ->
            if
            :: atomic {
                   memory[CALLER_STATE] != dealt -> dealt = memory[CALLER_STATE];
                   began = (code_of(dealt) == REQUEST -> generation_of(dealt) : began)
               }
                if
                :: code_of(dealt) == REQUEST -> publish_own_line()
                :: code_of(dealt) == REQUEST && is_tiny(dealt) -> publish_turn_line()
                :: code_of(dealt) == CLOSED -> break
                :: code_of(dealt) != REQUEST && code_of(dealt) != CLOSED
                fi
            :: memory[CALLER_STATE] == dealt -> responder_sleeps()
            fi
        od;
        own = unattended(own);
        publish_and_wake(RESPONDER, RESPONDER_STATE, own, CALLER);
        atomic { drained(RESPONDER); claim = NOBODY };
    done:
        skip
    } unless {
        killed[RESPONDER];
        atomic {
            forget(RESPONDER);
            if
            :: claim == RESPONDER -> claim = NOBODY
            :: else
            fi;
            killed[RESPONDER] = false;
            deaths++;
            own = 0; seen = 0; dealt = 0;
            printf("responder: dies\n");
            if
            :: !stopping[RESPONDER] -> goto start_again // or another guest
            :: true
            fi
        }
    };
    left[RESPONDER] = true
}

// ---- Who tells a side of something -------------------------------------------------------------

// Its private flag was set before. The wake is repeated until the sleeper is awake, or has begun to
// wait for something else since.
#ifdef MUTATE_ROUSED_FOR_NOTHING
#define was_told(side) true
#else
#define was_told(side) (stopping[side] || died[side])
#endif

inline rouse(side)
{
#ifdef MUTATE_ROUSED_ONCE
    if
    :: can_be_woken(side) -> wake(side)
    :: !can_be_woken(side)
    fi
#else
    do
    :: atomic {
           can_be_woken(side) && was_told(side) ->
           wakes++;
           assert(wakes <= 2); // who was told goes to sleep once more at most
           wake(side)
       }
    :: !(about[side] && was_told(side)) -> break
    od
#endif
}

// Stops the side at any time, or never: a stop that can still come would hide a hang.
proctype stop(byte side)
{
    byte wakes;
    if
    :: stopping[side] = true; rouse(side)
    :: true
    fi
}

// The host's: a death that a successor has not made good ends the caller's wait.
proctype host_monitor()
{
    byte wakes;
    do
    :: deaths > 0 ->
        deaths--;
        if
        :: atomic { claim == NOBODY -> died[CALLER] = true }
            if
            :: claim == NOBODY -> rouse(CALLER); wakes = 0
            :: claim != NOBODY
            fi
        :: claim != NOBODY
        fi
    :: left[CALLER] -> break
    od
}

// The guest's.
proctype guest_monitor()
{
    byte wakes;
    if
    :: killed[CALLER] && left[CALLER] ->
#ifndef MUTATE_NO_NOTICE
        died[RESPONDER] = true;
        rouse(RESPONDER)
#endif
    :: left[RESPONDER]
    fi
}

proctype killer()
{
    byte count;
    do
    :: count < DEATHS && !killed[RESPONDER] -> d_step { killed[RESPONDER] = true; count++ }
    :: count < DEATHS && !killed[CALLER] -> d_step { killed[CALLER] = true; count++ }
    :: break
    od;
    count = 0
}

// Nothing moves any more. A caller may be idle, and a guest then waits for its next request; or it
// may wait for a guest to come. Then the host shuts down. Nobody may wait for what is there or was
// told.
proctype watchdog()
{
    byte wakes;
    atomic {
        timeout ->
        if
        :: left[CALLER] && left[RESPONDER]
        :: else ->
            assert(!left[CALLER] && !stopping[CALLER] && (idle || left[RESPONDER]));
            assert(left[RESPONDER] || (!stopping[RESPONDER] && !died[RESPONDER]));
            assert(!settling);
            assert(left[RESPONDER] || memory[CALLER_STATE] == dealt);
            assert(idle || memory[TINY_STATE] != response(current));
            assert(idle || unattended(memory[RESPONDER_STATE]) != response(current));
            stopping[CALLER] = true
        fi
    }
    rouse(CALLER)
}

init
{
    atomic {
        run store_buffer(CALLER);
        run store_buffer(RESPONDER);
        run caller();
        run responder();
        run watchdog();
#if DEATHS > 0
        run host_monitor();
        run guest_monitor();
        run killer();
#endif
#ifdef STOPS
        run stop(CALLER);
        run stop(RESPONDER)
#endif
    }
}
