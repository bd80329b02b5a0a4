/* bell.pml - the doorbell: a collector that has gone to sleep is woken when data waits.
 *
 * Small world: two producers that each publish twice and look at the bell each time, one collector
 * that drains, sleeps and may be killed and replaced once. The timer with which the collector also
 * wakes is left out: here the bell alone has to do.
 *
 * Weak memory: the store of tail and the collector's stores of the bell pass through a store buffer
 * (x86-TSO), which empties at any later moment; a full fence, a CAS and the futex call empty it.
 * Nothing weaker than a full fence can replace it on other machines, since the pair is store-load.
 *
 *   producer: tail = t;  full fence;  if (bell == SLEEPING && CAS(bell, SLEEPING, RUNG)) wake
 *   collector: bell = SLEEPING;  full fence;  look at the tails again;  futex_wait(bell, SLEEPING)
 *
 * Shown: whenever nothing can move any more, every published record has been taken; a sleep causes at
 * most one wake, that is one system call of a producer.
 *
 * mutant: NO_PRODUCER_FENCE - the bell is loaded while tail is still in the store buffer
 * mutant: BELL_BEFORE_TAIL - the producer looks at the bell, then publishes
 * mutant: NO_COLLECTOR_FENCE - the tails are loaded while the bell is still in the store buffer
 * mutant: NO_RECHECK - the collector sleeps on what it saw before it stored the bell
 * mutant: WAKE_WITHOUT_CAS - the bell keeps its value, so the collector falls asleep after the wake
 * mutant: PLAIN_RING - load and store instead of CAS: two producers make two system calls
 * mutant: WAIT_WITHOUT_VALUE - the collector sleeps without the kernel's look at the word
 * witness: SLEPT - the collector sleeps and is woken
 * witness: RECHECKED - the second look at the tails finds something
 * witness: REFUSED - the kernel refuses the sleep because the bell has been rung
 * witness: KILLED_ASLEEP - the collector is killed while it sleeps
 */
#define PRODUCERS 2
#define RECORDS 2

#define AWAKE 0
#define SLEEPING 1
#define RUNG 2

byte tail[PRODUCERS], tail_buffer[PRODUCERS];
bit buffered[PRODUCERS];
byte bell, bell_buffer;
bit bell_buffered;
byte taken[PRODUCERS]; /* survives a kill: slot.done */

bool asleep, kill;
byte sleeps, wakes;

inline fence_producer(me)
{
    d_step {
        if
        :: buffered[me] -> tail[me] = tail_buffer[me]; buffered[me] = 0; tail_buffer[me] = 0
        :: else
        fi
    }
}

inline fence_collector()
{
    d_step {
        if
        :: bell_buffered -> bell = bell_buffer; bell_buffered = 0; bell_buffer = 0
        :: else
        fi
    }
}

inline store_bell(v)
{
    d_step {
        if
        :: bell_buffered -> bell = bell_buffer
        :: else
        fi;
        bell_buffer = v;
        bell_buffered = 1
    }
}

inline ring()
{
    if
    :: bell == SLEEPING ->
#ifdef MUTANT_WAKE_WITHOUT_CAS
        asleep = false
#elif defined(MUTANT_PLAIN_RING)
        bell = RUNG;
        d_step { wakes++; asleep = false }
#else
        atomic { /* the CAS, then the system call */
            if
            :: bell == SLEEPING -> bell = RUNG
            :: else -> goto unrung
            fi
        };
        d_step { wakes++; asleep = false };
unrung: skip
#endif
    :: else
    fi;
    assert(wakes <= sleeps)
}

proctype producer(byte me)
{
    byte n;

    do
    :: n == RECORDS -> break
    :: n < RECORDS ->
#ifdef MUTANT_BELL_BEFORE_TAIL
        ring();
#endif
        atomic { n++; fence_producer(me); tail_buffer[me] = n; buffered[me] = 1 }; /* C1 */
#ifndef MUTANT_NO_PRODUCER_FENCE
        fence_producer(me);
#endif
#ifndef MUTANT_BELL_BEFORE_TAIL
        ring()
#endif
    od
}

proctype collector()
{
    bit found;

start:
    {
        store_bell(AWAKE);
        do
        :: true ->
            taken[0] = tail[0]; /* C2 */
            taken[1] = tail[1];
            atomic { store_bell(SLEEPING); sleeps++ };
#ifndef MUTANT_NO_COLLECTOR_FENCE
            fence_collector();
#endif
            found = 0;
#ifndef MUTANT_NO_RECHECK
            if
            :: tail[0] != taken[0] -> found = 1
            :: else ->
                if
                :: tail[1] != taken[1] -> found = 1
                :: else
                fi
            fi;
#endif
#ifdef WITNESS_RECHECKED
            assert(!found);
#endif
            if
            :: !found ->
                atomic { /* futex_wait: the kernel compares and queues in one step */
                    fence_collector();
#ifdef WITNESS_REFUSED
                    assert(bell == SLEEPING);
#endif
#ifdef MUTANT_WAIT_WITHOUT_VALUE
                    asleep = true
#else
                    asleep = (bell == SLEEPING)
#endif
                };
end_asleep:     !asleep;
#ifdef WITNESS_SLEPT
                assert(wakes == 0)
#endif
            :: found
            fi;
            store_bell(AWAKE)
        od
    } unless {
        atomic {
            kill -> kill = false;
#ifdef WITNESS_KILLED_ASLEEP
            assert(!asleep);
#endif
            asleep = false; found = 0;
            goto start
        }
    }
}

proctype store_buffers()
{
end:
    do
    :: atomic { buffered[0] -> fence_producer(0) }
    :: atomic { buffered[1] -> fence_producer(1) }
    :: atomic { bell_buffered -> fence_collector() }
    od
}

proctype killer()
{
    if
    :: kill = true
    :: true
    fi
}

proctype monitor()
{
    timeout;
    assert(taken[0] == RECORDS && taken[1] == RECORDS)
}

init
{
    atomic {
        run producer(0);
        run producer(1);
        run collector();
        run store_buffers();
        run killer();
        run monitor()
    }
}
