/* lane.pml - one lane, its producer and its collector; either may be killed at any step.
 *
 * Small world: a lane of two blocks of five words (three of header, two of records), calls that log
 * one or two words, the discard policy. Numbers of calls name the records, so that a gap is seen.
 *
 * Weak memory: SPIN itself is sequentially consistent. The producer's stores therefore go through
 * `pend`: a store stays pending until a reader happens to see it, in any order, or until the next
 * release store (C1) makes all of them visible. The loads of the collector are in program order; a
 * load that runs ahead of its acquire is written out in the mutant that drops the acquire.
 *
 * Shown: what the collector reads is committed, whole, in order and complete; no byte is written
 * again that a collector, or the one that replaces it, still has to read; calls = committed +
 * dropped + at most the one in flight; seq and dropped of a block header place each gap.
 * Not shown: the headroom of ERROR, fragments, lanes of other sizes.
 *
 * mutant: PUBLISH_BEFORE_WRITE - tail moves first, the words follow
 * mutant: RELAXED_PUBLISH - C1 is no release: the words may become visible after tail
 * mutant: NO_ACQUIRE - C2 is no acquire: the first word is loaded ahead of tail
 * mutant: NO_PAD - the rest of a block is not ended with a zero word, so an old record reappears
 * mutant: FULL_OFF_BY_ONE - the check for room forgets the block that is about to be opened
 * mutant: SILENT_DROP - a refused record is not counted
 * mutant: HEADER_AFTER_PUBLISH - the header of a block is completed after its first record's commit
 * mutant: HEAD_BEFORE_READ - H1 moves before the block is read
 * mutant: HEAD_ROUNDED_UP - head passes the block that is still being filled and read
 * mutant: DONE_BEFORE_DELIVERY - D1 moves before the records are delivered; a crash loses them
 * mutant: RESUME_AT_TAIL - a new collector starts at tail instead of at done
 * witness: DROPPED - a call is refused in some run
 * witness: WRAPPED - the lane is written for the second time in some run
 * witness: REPLAYED - a new collector reads a record for the second time in some run
 * witness: HALF - a producer dies between its first store and its commit
 */
#define BLOCKS 2
#define HEADER 3
#define BLOCK 5
#define CAP (BLOCKS * BLOCK)
#define CALLS 4
#define BIT(id) (1 << (id))

byte mem[CAP];  /* what others see */
byte pend[CAP]; /* the newest store of the producer where is_pend */
bit is_pend[CAP];

byte tail, head, done, dropped; /* the shared words */

bool kill_producer, kill_collector, producer_gone;
byte calls;         /* ghost: calls begun */
byte in_flight;     /* ghost: 1 between the first and the last step of a call */
byte committed;     /* ghost: bit per record */
byte committed_n;
byte delivered;     /* ghost: bit per record that the sink has */

inline store(p, v)
{
    d_step {
        assert(p < done + CAP); /* what was there has been delivered */
        if
        :: is_pend[(p) % CAP] -> mem[(p) % CAP] = pend[(p) % CAP]
        :: else
        fi;
        pend[(p) % CAP] = v;
        is_pend[(p) % CAP] = 1;
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
        x = mem[(p) % CAP];
    }
}

inline publish(p, id)
{
    d_step {
#ifndef MUTANT_RELAXED_PUBLISH
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
        i = 0;
#endif
        tail = p;
        committed = committed | BIT(id);
        committed_n++;
#ifdef WITNESS_WRAPPED
        assert(p <= CAP + HEADER);
#endif
    }
}

inline write_header()
{
    store(t, t + 1);
    store(t + 1, seq);
    store(t + 2, dropped);
}

inline write_record()
{
    store(t, calls * 4 + size);
    if
    :: size == 2 -> store(t + 1, calls * 4 + 3)
    :: else
    fi;
}

proctype producer()
{
    byte t, end, seen_head, size, seq, i;
    bit opened;

    {
        do
        :: calls == CALLS -> break
        :: else ->
            atomic { calls++; in_flight = 1; opened = 0; if :: size = 1 :: size = 2 fi }
            if
            :: size <= end - t
            :: else ->
#ifdef MUTANT_FULL_OFF_BY_ONE
#define ROOM (end - seen_head <= CAP)
#else
#define ROOM (end + BLOCK - seen_head <= CAP)
#endif
                if
                :: ROOM
                :: else -> seen_head = head /* H2 */
                fi;
                if
                :: ROOM
                :: else ->
                    d_step {
#ifndef MUTANT_SILENT_DROP
                        dropped++;
#endif
                        in_flight = 0;
#ifdef WITNESS_DROPPED
                        assert(false);
#endif
                    }
                    goto next
                fi;
#ifndef MUTANT_NO_PAD
                if
                :: t < end -> store(t, 0)
                :: else
                fi;
#endif
                atomic { t = end; end = end + BLOCK; opened = 1 }
#ifndef MUTANT_HEADER_AFTER_PUBLISH
                write_header();
#endif
                t = t + HEADER
            fi;
#ifdef MUTANT_PUBLISH_BEFORE_WRITE
            publish(t + size, calls);
            write_record();
            atomic { t = t + size; seq++; in_flight = 0 }
#else
            write_record();
            atomic { publish(t + size, calls); in_flight = 0; t = t + size; seq++ }
#endif
#ifdef MUTANT_HEADER_AFTER_PUBLISH
            if
            :: opened -> t = t - HEADER - size; seq--; write_header(); seq++; t = t + HEADER + size
            :: else
            fi;
#endif
next:       skip
        od
    } unless { kill_producer };
    atomic {
#ifdef WITNESS_HALF
        assert(!(kill_producer && is_pend[(tail + 1) % CAP] && in_flight));
#endif
        i = 0; end = 0; seen_head = 0; size = 0; seq = 0; t = 0; opened = 0;
        producer_gone = true;
    }
}

inline deliver(id)
{
    d_step {
        assert(committed & BIT(id));
        /* nothing that was committed before it is missing */
        assert(((committed & (BIT(id) - 1)) & ~delivered) == 0);
#ifdef WITNESS_REPLAYED
        assert(!(delivered & BIT(id)));
#endif
        delivered = delivered | BIT(id);
    }
}

inline release_blocks(p)
{
    d_step {
#ifdef MUTANT_HEAD_ROUNDED_UP
        to = ((p + BLOCK - 1) / BLOCK) * BLOCK;
#else
        to = (p / BLOCK) * BLOCK;
#endif
        if
        :: to > head -> head = to /* H1 */
        :: else
        fi;
        to = 0;
    }
}

proctype collector()
{
    byte pos, t, w, w2, hseq, hdropped, to;
    bit first; /* the next record opened its block */
    bit over;

start:
    {
        atomic {
            first = 0; w = 0; w2 = 0; hseq = 0; hdropped = 0; to = 0;
#ifdef MUTANT_RESUME_AT_TAIL
            pos = tail
#else
            pos = done
#endif
        }
        do
        :: true ->
            over = producer_gone; /* seen before tail is loaded for the last time */
#ifdef MUTANT_NO_ACQUIRE
            load(pos + (pos % BLOCK == 0 -> HEADER : 0), w2);
#endif
            t = tail; /* C2 */
            assert(t >= pos && t - head <= CAP);
#ifdef MUTANT_HEAD_BEFORE_READ
            release_blocks(t);
#endif
#ifdef MUTANT_DONE_BEFORE_DELIVERY
            done = t;
#endif
            do
            :: pos >= t -> break
            :: pos < t && pos % BLOCK == 0 ->
                load(pos, w);
                assert(w == pos + 1);
                load(pos + 1, hseq);
                load(pos + 2, hdropped);
                atomic { pos = pos + HEADER; first = 1; w = 0 }
            :: pos < t && pos % BLOCK != 0 ->
#ifdef MUTANT_NO_ACQUIRE
                if
                :: pos % BLOCK == HEADER && t == pos + 1 -> w = w2
                :: else -> load(pos, w)
                fi;
                w2 = 0;
#else
                load(pos, w);
#endif
                if
                :: w == 0 -> atomic { assert(!first); pos = (pos / BLOCK + 1) * BLOCK }
                :: else ->
                    if
                    :: first -> assert(w / 4 == hseq + hdropped + 1)
                    :: else
                    fi;
                    assert(w % 4 == 1 || w % 4 == 2);
                    if
                    :: w % 4 == 2 ->
                        load(pos + 1, w2);
                        assert(w2 == (w / 4) * 4 + 3)
                    :: else
                    fi;
                    deliver(w / 4);
                    atomic { pos = pos + w % 4; first = 0; hseq = 0; hdropped = 0; w = 0; w2 = 0 }
                fi
            od;
#ifndef MUTANT_DONE_BEFORE_DELIVERY
            done = pos; /* D1 */
#endif
#ifndef MUTANT_HEAD_BEFORE_READ
            release_blocks(pos);
#endif
            if
            :: over && pos == tail -> break
            :: else
            fi
        od
    } unless { kill_collector -> kill_collector = false; goto start };

    atomic {
        assert(delivered == committed);
        assert(calls == committed_n + dropped + in_flight);
    }
}

proctype killer()
{
    if
    :: kill_producer = true
    :: skip
    fi
}

proctype killer_of_collector()
{
    if
    :: kill_collector = true
    :: skip
    fi
}

init
{
    atomic { run producer(); run collector(); run killer(); run killer_of_collector() }
}
