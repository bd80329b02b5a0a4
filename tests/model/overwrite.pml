/* overwrite.pml - the flight recorder: a writer that never waits, a reader that takes what it can.
 *
 * Small world: a lane of two blocks of three words (one of header, two records), up to four blocks,
 * written twice around; the writer may be killed at any step. The dump tool reads every lane, of
 * whatever policy, by the same rule.
 *
 *   writer: intent = end of the new block;  release fence;  header, records;  tail (C1)
 *   reader: copy;  acquire fence;  load intent;  keep only if pos + cap >= intent (O1 -> O2)
 *
 * Weak memory: as in lane.pml, a store is pending until a reader sees it, in any order; the fence
 * after intent makes intent visible before any later store. The loads of the reader are in program
 * order; the mutant without the acquire fence has the load of intent run ahead of the copy.
 *
 * Shown: what is kept is what was committed at that position; records kept + records lost, counted by
 * the seq of block headers, are all that were committed before the last one kept.
 *
 * mutant: NO_RELEASE_FENCE - the new words may be visible before intent
 * mutant: INTENT_AFTER_WRITE - intent moves after the header has been overwritten
 * mutant: INTENT_IS_START - intent is the start of the new block instead of its end
 * mutant: CHECK_TAIL - the reader compares with tail, which lags behind the write in progress
 * mutant: NO_ACQUIRE_FENCE - intent is loaded before the copy is complete
 * mutant: KEEP_ONE_BLOCK_MORE - the comparison forgives a block
 * mutant: RESUME_AT_TAIL_BLOCK - a reader that was overtaken resumes where it was, one lap later
 * witness: KEPT - a copy is kept
 * witness: OVERTAKEN - a copy is refused
 * witness: KEPT_AFTER_LOSS - a copy is kept after another was refused
 */
#define BLOCK 3
#define CAP 6
#define BLOCKS 4

byte mem[CAP], pend[CAP];
bit is_pend[CAP];
byte intent, intent_pend;
bit intent_is_pend;
byte tail;

bool kill, writer_gone;

inline store(p, v)
{
    d_step {
        if
        :: is_pend[(p) % CAP] -> mem[(p) % CAP] = pend[(p) % CAP]
        :: else
        fi;
        pend[(p) % CAP] = v;
        is_pend[(p) % CAP] = 1
    }
}

inline load(p, x)
{
    atomic {
        if
        :: is_pend[(p) % CAP] ->
            mem[(p) % CAP] = pend[(p) % CAP];
            pend[(p) % CAP] = 0;
            is_pend[(p) % CAP] = 0
        :: true
        fi;
        x = mem[(p) % CAP]
    }
}

inline load_intent(x)
{
    atomic {
#ifdef MUTANT_CHECK_TAIL
        x = tail
#else
        if
        :: intent_is_pend -> intent = intent_pend; intent_is_pend = 0; intent_pend = 0
        :: true
        fi;
        x = intent
#endif
    }
}

inline commit_intent()
{
    if
    :: intent_is_pend -> intent = intent_pend; intent_is_pend = 0; intent_pend = 0
    :: else
    fi
}

inline announce(p)
{
    d_step {
        commit_intent();
        intent_pend = p;
        intent_is_pend = 1
    };
#ifndef MUTANT_NO_RELEASE_FENCE
    d_step { commit_intent(); commit_words() }
#endif
}

inline commit_words()
{
    i = 0;
    do
    :: i < CAP ->
        if
        :: is_pend[i] -> mem[i] = pend[i]; pend[i] = 0; is_pend[i] = 0
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

inline publish(p)
{
    d_step {
        commit_intent();
        commit_words();
        tail = p /* C1 */
    }
}

/* Header of the block at p: 100 + seq. Record n of the lane: n + 1. */
proctype writer()
{
    byte t, n, i;

    {
        do
        :: t == BLOCKS * BLOCK -> break
        :: t < BLOCKS * BLOCK ->
#ifdef MUTANT_INTENT_IS_START
            announce(t);
#elif !defined(MUTANT_INTENT_AFTER_WRITE)
            announce(t + BLOCK);
#endif
            store(t, 100 + n);
#ifdef MUTANT_INTENT_AFTER_WRITE
            announce(t + BLOCK);
#endif
            store(t + 1, n + 1);
            atomic { publish(t + 2); n++ };
            store(t + 2, n + 1);
            atomic { publish(t + 3); n++; t = t + BLOCK }
        od
    } unless { kill };
    atomic { t = 0; n = 0; i = 0; writer_gone = true }
}

proctype reader()
{
    byte pos, t, seen, n;
    byte copy[BLOCK];
    byte expected; /* seq of the next record, by what was kept */
    byte lost, kept;
    bool over;

    do
    :: true ->
        over = writer_gone;
        t = tail; /* C2 */
#ifdef MUTANT_NO_ACQUIRE_FENCE
        load_intent(seen);
#endif
        /* up to the end of the block */
        n = 0;
        do
        :: pos + n < t && (n == 0 || (pos + n) % BLOCK != 0) ->
            load(pos + n, copy[n]);
            n++
        :: else -> break
        od;
#ifndef MUTANT_NO_ACQUIRE_FENCE
        load_intent(seen); /* O2 */
#endif
#ifdef MUTANT_KEEP_ONE_BLOCK_MORE
#define GOOD (pos + CAP + BLOCK >= seen)
#else
#define GOOD (pos + CAP >= seen)
#endif
        if
        :: n > 0 && GOOD ->
            d_step {
                if
                :: pos % BLOCK == 0 ->
                    assert(copy[0] >= 100);
                    /* the position gives the number that the header must have */
                    assert(copy[0] - 100 == (pos / BLOCK) * 2);
                    lost = lost + (copy[0] - 100 - expected);
                    expected = copy[0] - 100
                :: else
                fi;
                t = (pos % BLOCK == 0 -> 1 : 0);
                do
                :: t < n ->
                    assert(copy[t] == expected + 1);
                    expected++;
                    kept++;
                    t++
                :: else -> break
                od;
                assert(kept + lost == expected);
                pos = pos + n;
                t = 0
#ifdef WITNESS_KEPT
                ;
                assert(false)
#endif
#ifdef WITNESS_KEPT_AFTER_LOSS
                ;
                assert(lost == 0)
#endif
            }
        :: n > 0 && !(GOOD) ->
            d_step {
#ifdef MUTANT_RESUME_AT_TAIL_BLOCK
                pos = pos + CAP;
#else
                pos = seen - CAP; /* a block boundary: the oldest that may still be whole */
#endif
                t = 0
#ifdef WITNESS_OVERTAKEN
                ;
                assert(false)
#endif
            }
        :: n == 0
        fi;
        d_step { copy[0] = 0; copy[1] = 0; copy[2] = 0; seen = 0; n = 0 };
        if
        :: over && pos == tail -> break
        :: else
        fi
    od;
    /* every committed record is accounted for */
    assert(kept + lost == (tail / BLOCK) * 2 + (tail % BLOCK > 0 -> tail % BLOCK - 1 : 0))
}

proctype killer()
{
    if
    :: kill = true
    :: true
    fi
}

init
{
    atomic { run writer(); run reader(); run killer() }
}
