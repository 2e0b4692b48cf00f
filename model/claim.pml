// SPDX-License-Identifier: Apache-2.0
// Private claims (src/pool.c): which thread of the caller's process may use which slot, and how a
// thread that finds none is roused. No memory of another process, so no store buffers: what a
// missing fence does here is modelled by mutations that look first.
//
// A thread without a slot parks until one is released. Where a slot cannot be used, because a call was
// given up and its handler still runs or because no guest serves it, the thread claims that slot and
// sleeps until that changes instead; a release elsewhere rouses it. How that sleep works is in
// sleep.pml. What changes in a slot that nobody watches is not noticed: a thread that watches another
// slot then sleeps on.
//
// Each thread makes CALLS calls for any slot; each call may be given up, and its handler may go on for
// ever. CHOOSY: threads may wait for slot 0 only. DEADLINES: one thread may stop waiting. CLOSES: the host
// may be shut down at any time. KEEPS: one thread keeps its slot for good (a session). To reach deep
// states with few steps, what may be there at the beginning: KEPT: slot 0 belongs to a session; LATE:
// it is out of use, and its response will come; STUCK: the last one is out of use for ever; UNSERVED=n:
// no guest serves the last n slots, and one may come for one of them. PATIENT: no call is given up.

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef THREADS
#define THREADS 3
#endif
#ifndef CALLS
#define CALLS 1
#endif
#ifndef UNSERVED
#define UNSERVED 0
#endif

#define NO_SLOT 255
#define ANY 254

// A slot, as this process sees it.
bool held[SLOTS];      // the claim
bool abandoned[SLOTS]; // the holder's: a request that was given up may still be in its handler
bool watching[SLOTS];  // the holder sleeps until it can be used but would take any slot
bool released[SLOTS];  // it was told of another slot
bool running[SLOTS];   // the other side: the handler of a request that was given up
bool endless[SLOTS];   // and it never ends
bool attended[SLOTS];  // a guest serves it

// The pool.
bool changed[THREADS]; // the word that parked threads sleep on, since each of them looked
byte parked;           // threads that take any slot
byte choosy;           // threads that wait for one
byte watchers;
bool closing;

// Seen by nobody but the properties and the kernel's wake: who waits, and for what.
#define NOT 0
#define PARKED 1
#define WATCHING 2
byte waits[THREADS];
byte wants[THREADS];
byte users[SLOTS];    // threads that use the slot
byte kept;            // slots that belong to sessions
byte done;            // threads
bool unseen[SLOTS];   // a guest came while nobody watched

// ---- Claims -------------------------------------------------------------------------------------

// Claims the slot if it is free and may be taken. What a claim covers is looked at in the same step:
// nobody else looks at it.
#ifdef MUTATE_CLAIM_WITHOUT_EXCHANGE
inline try_claim(slot, may_be_taken)
{
    won = may_be_taken && !held[slot];
    held[slot] = held[slot] || won
}
#else
inline try_claim(slot, may_be_taken)
{
    d_step {
        won = may_be_taken && !held[slot];
        held[slot] = held[slot] || won;
        unseen[slot] = unseen[slot] && !won
    }
}
#endif

#define out_of_use(slot) (abandoned[slot] && running[slot])

// Threads that take any slot and threads that wait for one slot park on two different words, of
// which one wake wakes one and the other wakes all.
#ifdef MUTATE_ONE_WORD_FOR_ALL
#define parks_here(thread, chooses) true
#else
#define parks_here(thread, chooses) ((wants[thread] != ANY) == (chooses))
#endif
#define sleeps_here(thread, chooses) (waits[thread] == PARKED && parks_here(thread, chooses))

inline change_for(thread, chooses)
{
    changed[thread] = changed[thread] || parks_here(thread, chooses)
}

inline change(chooses)
{
    d_step {
        change_for(0, chooses);
#if THREADS > 1
        change_for(1, chooses);
#endif
#if THREADS > 2
        change_for(2, chooses)
#endif
    }
}

inline wake_one()
{
    if
    :: d_step { sleeps_here(0, false) -> waits[0] = NOT }
#if THREADS > 1
    :: d_step { sleeps_here(1, false) -> waits[1] = NOT }
#endif
#if THREADS > 2
    :: d_step { sleeps_here(2, false) -> waits[2] = NOT }
#endif
    :: else
    fi
}

inline wake_all(chooses)
{
    d_step {
        waits[0] = (sleeps_here(0, chooses) -> NOT : waits[0]);
#if THREADS > 1
        waits[1] = (sleeps_here(1, chooses) -> NOT : waits[1]);
#endif
#if THREADS > 2
        waits[2] = (sleeps_here(2, chooses) -> NOT : waits[2])
#endif
    }
}

// Parked threads look again. told: one that takes any slot was counted.
inline unpark()
{
#ifdef MUTATE_ONE_WORD_FOR_ALL
    if
    :: atomic { parked == 0 && choosy == 0 -> told = false }
    :: atomic { parked != 0 && choosy == 0 -> told = true } change(false); wake_one()
    :: atomic { choosy != 0 -> told = false } change(false); wake_all(false)
    fi
#else
    if
    :: choosy != 0 -> change(true); wake_all(true)
    :: choosy == 0
    fi;
    if
    :: atomic { parked != 0 -> told = true }
#ifndef MUTATE_RELEASES_UNCOUNTED
        change(false);
#endif
        wake_one()
    :: atomic { parked == 0 -> told = false }
    fi
#endif
}

inline rouse_watcher()
{
    if
    :: atomic { watching[0] && !released[0] -> released[0] = true }
#if SLOTS > 1
    :: atomic { watching[1] && !released[1] -> released[1] = true }
#endif
#if SLOTS > 2
    :: atomic { watching[2] && !released[2] -> released[2] = true }
#endif
    :: else
    fi
}

// What cannot be used now is of use to a parked thread, which will watch it, but not to those that
// watch already.
inline tell(usable)
{
    unpark();
    if
#ifdef MUTATE_WATCHERS_NOT_TOLD
    :: false
#else
    :: usable && !told && watchers != 0 -> rouse_watcher()
#endif
    :: else
    fi;
    told = false
}

inline give_back(slot, usable)
{
#ifdef MUTATE_RELEASE_LOOKS_FIRST
    tell(usable);
    held[slot] = false
#else
    atomic { held[slot] = false; printf("%d: releases slot %d\n", me, slot) }
    tell(usable)
#endif
}

inline release(slot)
{
    was_usable = !abandoned[slot];
    give_back(slot, was_usable);
    was_usable = false
}

#if SLOTS == 1
#define is_served attended[0]
#elif SLOTS == 2
#define is_served (attended[0] || attended[1])
#else
#define is_served (attended[0] || attended[1] || attended[2])
#endif

// One that a guest serves, or any if none is served at all: its request waits for a guest to come.
#define worth_trying(slot) (want != ANY || attended[slot] || !is_served)

inline next_slot(found)
{
    slot++;
    more = !(found || want != ANY || slot == SLOTS);
    slot = (more -> slot : 0)
}

// A slot that can be used now.
inline try_acquire()
{
    d_step { slot = (want == ANY -> 0 : want); more = true };
    do
    :: !more -> break
    :: more ->
        try_claim(slot, worth_trying(slot));
        if
        :: won && out_of_use(slot) ->
            won = false;
#ifdef MUTATE_ABANDONED_GIVEN_BACK_SILENTLY
            held[slot] = false
#else
            give_back(slot, false)
#endif
        :: d_step { won && !out_of_use(slot) -> won = false; abandoned[slot] = false; mine = slot }
        :: !won
        fi;
        d_step { next_slot(mine != NO_SLOT) }
    od
}

#define worth_watching(slot) (abandoned[slot] || (want == ANY && !attended[slot]))

// One to watch.
inline claim_unusable()
{
    d_step { slot = (want == ANY -> 0 : want); more = true };
    do
    :: !more -> break
    :: more ->
        try_claim(slot, true);
        if
        :: d_step { won && worth_watching(slot) -> won = false; watched = slot }
        :: won && !worth_watching(slot) -> won = false; give_back(slot, true)
        :: !won
        fi;
        d_step { next_slot(watched != NO_SLOT) }
    od
}

// ---- Waiting for a slot ------------------------------------------------------------------------

// Returns with mine, or to look again.
inline park()
{
#ifdef MUTATE_PARKER_LOOKS_FIRST
    try_acquire();
#endif
    atomic {
        if
        :: want == ANY -> parked++
        :: want != ANY -> choosy++
        fi;
        printf("%d: parks for slot %d\n", me, want)
    }
    changed[me] = false;
#ifndef MUTATE_PARKER_LOOKS_FIRST
    try_acquire();
#endif
    if
    :: mine == NO_SLOT && !closing ->
        d_step { waits[me] = (changed[me] -> NOT : PARKED) };
        if
        :: atomic { waits[me] == NOT -> printf("%d: wakes\n", me) }
        :: d_step { waits[me] != NOT && limited; late = true; waits[me] = NOT }
        fi
    :: else
    fi;
    atomic {
        if
        :: want == ANY -> parked--
        :: want != ANY -> choosy--
        fi;
        printf("%d: no longer parked\n", me)
    }
    if
#ifdef MUTATE_LATE_WITHOUT_A_LOOK
    :: mine == NO_SLOT && !late -> try_acquire()
    :: late
#else
    :: mine == NO_SLOT -> try_acquire()
#endif
    :: mine != NO_SLOT
    fi
}

// Where no slot is served, one that nobody serves is as good as any.
#ifdef MUTATE_SERVICE_WAITED_FOR
#define needs_service (want == ANY)
#else
#define needs_service (want == ANY && is_served)
#endif
#define can_be_used (!out_of_use(watched) && (!for_service || attended[watched]))

// Sleeps until the slot that was claimed for that can be used.
inline watch()
{
#ifdef MUTATE_WATCHER_LOOKS_FIRST
    if
    :: want == ANY -> try_acquire()
    :: want != ANY
    fi;
#endif
    if
    :: want == ANY -> watchers++; watching[watched] = true
    :: want != ANY
    fi;
#ifndef MUTATE_WATCHER_LOOKS_FIRST
    if
    :: want == ANY -> try_acquire()
    :: want != ANY
    fi;
#endif
    if
    :: mine == NO_SLOT ->
        atomic {
            for_service = needs_service;
            waits[me] = WATCHING;
            printf("%d: watches slot %d\n", me, watched)
        };
        if
        :: atomic { can_be_used -> abandoned[watched] = false; ready = true }
        :: released[watched] || closing
        :: limited -> late = true
        fi;
        d_step { waits[me] = NOT; for_service = false }
    :: mine != NO_SLOT
    fi;
    if
    :: want == ANY ->
        d_step { watching[watched] = false; released[watched] = false };
        watchers--
    :: want != ANY
    fi;
    if
    :: mine != NO_SLOT -> release(mine); mine = NO_SLOT
    :: mine == NO_SLOT
    fi;
    if
    :: ready -> d_step { mine = watched; watched = NO_SLOT; ready = false }
    :: !ready ->
        give_back(watched, false);
        watched = NO_SLOT;
        try_acquire()
    fi
}

// Who waited and has got a slot may have been told of another one, or may have been counted on to
// take it. If one is free still, somebody else is told.
inline pass_on()
{
    d_step { first = mine; mine = NO_SLOT; wanted = want; want = ANY };
    try_acquire();
    if
    :: mine != NO_SLOT -> release(mine)
    :: mine == NO_SLOT
    fi;
    d_step { mine = first; first = NO_SLOT; want = wanted; wanted = 0 }
}

inline acquire()
{
    try_acquire();
    do
    :: mine != NO_SLOT || closing || late -> break
    :: else ->
        claim_unusable();
        if
        :: watched == NO_SLOT -> park()
        :: watched != NO_SLOT -> watch()
        fi;
#ifndef MUTATE_NOT_PASSED_ON
        if
        :: mine != NO_SLOT -> pass_on()
        :: mine == NO_SLOT
        fi
#endif
    od
}

// ---- Threads -----------------------------------------------------------------------------------

inline use()
{
    atomic {
        users[mine]++;
        assert(users[mine] == 1 && held[mine] && !running[mine])
    }
    if
    :: true
#ifndef PATIENT
    :: atomic {
           attended[mine] -> // a handler began
           abandoned[mine] = true;
           running[mine] = true;
           if
           :: endless[mine] = true
           :: endless[mine] = false
           fi
       }
#endif
    fi;
    users[mine]--
}

#ifdef KEEPS
#define keeps(me) (me == 1)
#else
#define keeps(me) false
#endif

proctype caller(byte me)
{
    byte calls, want = ANY, mine = NO_SLOT, watched = NO_SLOT, slot, first = NO_SLOT, wanted;
    bool won, more, told, ready, was_usable, for_service, limited, late;
    do
    :: calls == CALLS -> break
    :: calls < CALLS ->
        // Chosen ahead: a choice that is always open would hide a hang.
#ifdef CHOOSY
        if
        :: want = ANY
        :: want = 0
        fi;
        wants[me] = want;
#endif
#ifdef DEADLINES
        if
        :: limited = (me == 0)
        :: limited = false
        fi;
#endif
        acquire();
        if
        :: mine != NO_SLOT && keeps(me) -> kept++; break
        :: mine != NO_SLOT && !keeps(me) -> use(); release(mine); mine = NO_SLOT
        :: mine == NO_SLOT && late
        :: mine == NO_SLOT && !late -> break // closed
        fi;
        d_step { calls++; limited = false; late = false }
    od;
    done++
}

// The other side: late responses.
proctype handler(byte slot)
{
end:
    do
    :: running[slot] && !endless[slot] -> running[slot] = false
    od
}

proctype guest()
{
    byte slot = SLOTS;
    if
    :: slot = SLOTS - 1
    :: slot = SLOTS - UNSERVED
    :: true // none comes
    fi;
    if
    :: d_step { slot < SLOTS -> attended[slot] = true; unseen[slot] = !held[slot] }
    :: slot == SLOTS
    fi;
    slot = 0
}

proctype shutdown()
{
    if
    :: true
    :: closing = true;
#ifndef MUTATE_CLOSED_SILENTLY
        change(true);
        wake_all(true);
        change(false);
        wake_all(false)
#endif
    fi
}

// Nothing moves any more. A thread that still waits finds each slot that it would take in use: by a
// session or by one that watches it. One that watches finds no usable one.
#define usable(slot) \
    (!abandoned[slot] && !unseen[slot] && (attended[slot] || !is_served))

inline check(thread, slot)
{
    if
    :: waits[thread] == NOT || !(wants[thread] == ANY || wants[thread] == slot)
    :: else -> assert(held[slot] || (waits[thread] == WATCHING && !usable(slot)))
    fi
}

proctype watchdog()
{
    byte thread, slot, holders;
    timeout ->
    d_step {
        holders = kept;
        for (thread : 0 .. THREADS - 1) {
            holders = holders + (waits[thread] == WATCHING -> 1 : 0);
            for (slot : 0 .. SLOTS - 1) {
                check(thread, slot)
            }
        }
        for (slot : 0 .. SLOTS - 1) {
            holders = holders - (held[slot] -> 1 : 0);
            // Who watches a slot that nobody serves has a guest elsewhere to wait for.
            assert(!watching[slot] || out_of_use(slot) || (is_served && !attended[slot]))
        }
        assert(holders == 0);
        assert(!closing || done == THREADS)
    }
}

init
{
    byte number;
    atomic {
        for (number : 0 .. THREADS - 1) {
            wants[number] = ANY;
            run caller(number)
        }
        for (number : 0 .. SLOTS - 1) {
            attended[number] = (number < SLOTS - UNSERVED);
            run handler(number)
        }
#if UNSERVED > 0
        run guest();
#endif
#ifdef KEPT
        held[0] = true;
        kept++;
#endif
#ifdef LATE
        abandoned[0] = true;
        running[0] = true;
#endif
#ifdef STUCK
        abandoned[SLOTS - 1] = true;
        running[SLOTS - 1] = true;
        endless[SLOTS - 1] = true;
#endif
        run watchdog();
#ifdef CLOSES
        run shutdown()
#endif
    }
}
