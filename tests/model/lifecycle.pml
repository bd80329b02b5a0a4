/* lifecycle.pml - a lane from claim to claim, and a segment from its creation to its removal.
 *
 * Small world: one process with three threads that want the same lane and log up to four records;
 * the process may be killed at any step, or exits. One collector that drains, tells whose record it
 * reads, and unlinks the segment. The lane never fills (lane.pml covers that).
 *
 *   FREE -CAS-> CLAIMING -release-> ACTIVE -release-> CLOSING -CAS, only once done == tail-> CLAIMING ...
 *
 * The state word holds the generation, which the CAS to CLAIMING raises. A claim ends the block that
 * its predecessor left open and publishes the boundary; each block header names the generation, so that
 * a record is never told to be of another thread.
 * The segment is linked after the lock is held. The collector looks at the lock, and only then loads
 * the tails for the last time.
 *
 * Weak memory: the store of the tid is pending until the thread's next release store; the bytes of
 * records are stored at once here (lane.pml has them pending).
 *
 * Shown: each record is delivered once and with the right thread; no claim disturbs a reader; nothing
 * committed is lost when the segment is unlinked.
 *
 * mutant: CLAIM_UNDRAINED - a CLOSING lane is claimed although done != tail
 * mutant: SAME_GENERATION - a claim does not raise the generation: the CAS of a thread that slept meets
 *         a lane that others have used in between, and readers keep the old tid
 * mutant: CLAIM_WITHOUT_CAS - two threads claim the lane
 * mutant: RELAXED_ACTIVE - L1 is no release: a tool that lists lanes shows the tid of the one before
 * mutant: CLAIM_INSIDE_BLOCK - a claim continues in the block of the generation before
 * mutant: CLOSE_BEFORE_COMMIT - CLOSING is visible before the last tail
 * mutant: STALE_IDENTITY - the collector reads the tid once per turn and not per block
 * mutant: UNLINK_UNDRAINED - the segment goes when the lock is gone
 * mutant: LOCK_AFTER_DRAIN - the collector drains first and looks at the lock afterwards
 * mutant: UNLINK_BY_STATE - a segment whose lane is closed and drained counts as finished
 * mutant: LINK_BEFORE_LOCK - the segment is visible before its lock is held
 * witness: REUSED - a lane is claimed a third time
 * witness: KILLED_CLAIMING - the process dies in the middle of a claim
 * witness: UNLINKED_WITH_RECORDS - a segment is unlinked after records were drained from it
 */
#define THREADS 3
#define RECORDS 2
#define RECORDS_OF(me) (me == 0 -> RECORDS : 1)
#define BLOCK 3 /* header, two records */
#define CAP 9   /* THREADS * BLOCK */
#define BIT(id) (1 << (id))

#define FREE 0
#define CLAIMING 1
#define ACTIVE 2
#define CLOSING 3
#define STATE(w) ((w) % 4)
#define GENERATION(w) ((w) / 4)

byte mem[CAP];
byte tid, tid_pend;
bit tid_is_pend;

byte state = FREE;
byte tail, done;
bool linked, locked, unlinked;

bool kill;
byte running = THREADS;
byte committed, delivered; /* ghost: bit per record */
byte owner[THREADS + 1];   /* ghost: thread of a generation */
bit claims[THREADS];       /* ghost */

inline store(p, v)
{
    assert(p >= done && p < CAP); /* never under a reader */
    mem[p] = v
}

inline commit_pending()
{
    if
    :: tid_is_pend -> tid = tid_pend; tid_is_pend = 0; tid_pend = 0
    :: else
    fi
}

inline publish(p, id)
{
    d_step {
        commit_pending();
        tail = p; /* C1 */
        committed = committed | BIT(id)
    }
}

#ifdef MUTANT_SAME_GENERATION
#define NEXT(s) (GENERATION(s) == 0 -> 4 : (s) - STATE(s))
#else
#define NEXT(s) ((GENERATION(s) + 1) * 4)
#endif

inline activate()
{
    d_step {
#ifndef MUTANT_RELAXED_ACTIVE
        commit_pending();
#endif
        state = s - STATE(s) + ACTIVE; /* L1 */
        owner[GENERATION(s)] = me + 1
    }
}

proctype thread(byte me)
{
    byte s, t, n;

    {
        skip;
again:
        atomic { STATE(state) == FREE || STATE(state) == CLOSING; s = state };
#ifndef MUTANT_CLAIM_UNDRAINED
        if
        :: STATE(s) == FREE || tail == done /* D2 */
        :: else -> s = 0; goto again
        fi;
#endif
        me != 2 || claims[1]; /* threads 1 and 2 do the same: only the runs in which 1 is first */
#ifdef MUTANT_CLAIM_WITHOUT_CAS
        atomic { state = NEXT(s) + CLAIMING; s = state; t = tail; claims[me] = 1 };
#else
        atomic {
            if
            :: state == s -> state = NEXT(s) + CLAIMING; s = state; t = tail; claims[me] = 1
            :: else -> s = 0; goto again
            fi
        };
#endif
#ifdef WITNESS_REUSED
        assert(GENERATION(s) < 3);
#endif
#ifndef MUTANT_CLAIM_INSIDE_BLOCK
        if
        :: t % BLOCK != 0 ->
            d_step { store(t, 0); t = (t / BLOCK + 1) * BLOCK };
            tail = t /* C1 */
        :: else
        fi;
#endif
        d_step { tid_pend = me + 1; tid_is_pend = 1 };
        activate();
        do
        :: n == RECORDS_OF(me) -> break
        :: n < RECORDS_OF(me) ->
            d_step {
                if
                :: t % BLOCK == 0 -> store(t, GENERATION(s) + 1); t++
                :: else
                fi;
                store(t, (me * RECORDS + n + 1) * 8)
            };
#ifdef MUTANT_CLOSE_BEFORE_COMMIT
            if
            :: n == RECORDS_OF(me) - 1 -> state = s - STATE(s) + CLOSING
            :: else
            fi;
#endif
            atomic { publish(t + 1, me * RECORDS + n); t++; n++ };
            if
            :: true
            :: break /* only one record, or a block that is not full */
            fi
        od;
        skip;
        d_step { commit_pending(); state = s - STATE(s) + CLOSING }
    } unless { kill };
#ifdef WITNESS_KILLED_CLAIMING
    assert(!(kill && STATE(state) == CLAIMING));
#endif
    atomic {
        s = 0; t = 0; n = 0;
        running--
    }
}

/* The kernel: the lock goes when the last thread has gone. */
proctype process()
{
#ifdef MUTANT_LINK_BEFORE_LOCK
    linked = true;
    locked = true;
#else
    locked = true;
    linked = true;
#endif
    atomic { run thread(0); run thread(1); run thread(2) };
    if
    :: kill = true
    :: run tool()
    :: true
    fi;
    running == 0;
    locked = false
}

proctype collector()
{
    byte pos, t, w, who;
    bool gone;

    linked;
    do
    :: true ->
#ifndef MUTANT_LOCK_AFTER_DRAIN
        gone = !locked;
#endif
#ifdef MUTANT_STALE_IDENTITY
        who = tid;
#endif
#ifndef MUTANT_UNLINK_UNDRAINED
        t = tail; /* C2 */
        do
        :: pos >= t -> break
        :: pos < t && pos % BLOCK == 0 ->
            d_step {
                w = mem[pos] - 1;
                assert(w < 7);
                pos++;
#ifndef MUTANT_STALE_IDENTITY
                assert(GENERATION(state) == w); /* L2 */
#endif
                w = 0
            };
#ifndef MUTANT_STALE_IDENTITY
            who = tid
#endif
        :: pos < t && pos % BLOCK != 0 ->
            d_step {
                w = mem[pos];
                if
                :: w == 0 -> pos = (pos / BLOCK + 1) * BLOCK
                :: else ->
                    w = w / 8 - 1;
                    assert(committed & BIT(w));
                    assert(!(delivered & BIT(w)));
                    assert(w / RECORDS + 1 == who);
                    delivered = delivered | BIT(w);
                    pos++;
                    w = 0
                fi
            }
        od;
        atomic { done = pos; t = 0 }; /* D1 */
#endif
#ifdef MUTANT_LOCK_AFTER_DRAIN
        gone = !locked;
#endif
#ifdef MUTANT_UNLINK_BY_STATE
        gone = (STATE(state) == CLOSING);
#endif
        if
        :: gone -> unlinked = true; break
        :: else
        fi
    od;
#ifdef WITNESS_UNLINKED_WITH_RECORDS
    assert(delivered == 0)
#endif
}

/* Lists the lane without reading a record: the same state word before and after. */
proctype tool()
{
    byte w, who;

    w = state; /* L2 */
    who = tid;
    if
    :: w == state && STATE(w) == ACTIVE -> assert(who == owner[GENERATION(w)])
    :: else
    fi
}

proctype monitor()
{
    timeout;
    assert(unlinked && delivered == committed)
}

init
{
    atomic { run process(); run collector(); run monitor() }
}
