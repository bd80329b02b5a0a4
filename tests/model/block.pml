/* block.pml - the block policy: a thread that waits for room is woken, whoever slept first.
 *
 * Small world: one producer, a lane with room for one block, four blocks to write; one collector that
 * sleeps on its bell. A producer that fills its lane only rings the bell when it has to wait, so that
 * both may be asleep at the same time if something is forgotten. Time-outs are left out: in the program
 * they bound the damage, here the protocol alone has to do.
 *
 *   producer:  waiting = 1;  [bell.pml: full fence, look at the bell];  look at head;
 *              futex_wait(head, what it saw)
 *   collector: head = h (H1);  full fence;  look at waiting, wake;  ... sleep as in bell.pml
 *
 * Weak memory: the stores of tail, waiting, head and bell pass through store buffers that empty in any
 * order, which is weaker than x86-TSO. The comparison in the kernel does a good part of the work: because
 * of it the producer may look at head before or after it stores waiting.
 *
 * Shown: the producer always gets to the end; it never writes where the collector has not been.
 *
 * mutant: NO_COLLECTOR_FENCE - waiting is loaded while head is still in the store buffer
 * mutant: WAKE_BEFORE_HEAD - the collector looks at waiting, then stores head
 * mutant: NO_RING - the producer waits without a look at the bell
 * mutant: RING_WITHOUT_FENCE - the bell is loaded while tail is still in the store buffer
 * mutant: WAIT_WITHOUT_VALUE - the producer sleeps without the kernel's look at head
 * mutant: NO_WAITING - the producer does not say that it waits
 * witness: WAITED - the producer sleeps
 * witness: BOTH_ASLEEP - the producer finds the collector asleep
 * witness: REFUSED - the kernel refuses the sleep because head has moved
 */
#define CAP 1
#define BLOCKS 4

#define AWAKE 0
#define SLEEPING 1
#define RUNG 2

byte tail, tail_buffer, waiting, waiting_buffer, head, head_buffer, bell, bell_buffer;
bit tail_buffered, waiting_buffered, head_buffered, bell_buffered;
bool producer_sleeps, collector_sleeps, finished;

#define DRAIN(word) \
    if \
    :: word##_buffered -> word = word##_buffer; word##_buffered = 0; word##_buffer = 0 \
    :: else \
    fi
#define STORE(word, value) d_step { DRAIN(word); word##_buffer = (value); word##_buffered = 1 }
#define FENCE_PRODUCER d_step { DRAIN(tail); DRAIN(waiting) }
#define FENCE_COLLECTOR d_step { DRAIN(head); DRAIN(bell) }

inline look_at_bell()
{
#ifndef MUTANT_RING_WITHOUT_FENCE
    FENCE_PRODUCER;
#endif
    if
    :: bell == SLEEPING ->
        atomic { /* the CAS is a fence too */
            FENCE_PRODUCER;
            if
            :: bell == SLEEPING -> bell = RUNG
            :: else -> goto unrung
            fi
        };
        collector_sleeps = false;
unrung: skip
    :: else
    fi
}

active proctype producer()
{
    byte t, seen;

    do
    :: t == BLOCKS -> break
    :: t < BLOCKS ->
        seen = head; /* H2 */
        do
        :: t - seen < CAP -> break
        :: t - seen >= CAP ->
#ifdef WITNESS_BOTH_ASLEEP
            assert(!collector_sleeps);
#endif
#ifndef MUTANT_NO_WAITING
            STORE(waiting, 1);
#endif
#ifndef MUTANT_NO_RING
            look_at_bell();
#endif
            seen = head;
            if
            :: t - seen >= CAP ->
                atomic { /* futex_wait: the kernel compares and queues in one step */
                    FENCE_PRODUCER;
#ifdef WITNESS_REFUSED
                    assert(seen == head);
#endif
#ifdef MUTANT_WAIT_WITHOUT_VALUE
                    producer_sleeps = true
#else
                    producer_sleeps = (seen == head)
#endif
                };
#ifdef WITNESS_WAITED
                assert(!producer_sleeps);
#endif
                !producer_sleeps;
                seen = head
            :: else
            fi;
            STORE(waiting, 0)
        od;
        assert(t < head + CAP);
        atomic { t++; STORE(tail, t) } /* C1 */
    od;
    finished = true
}

inline wake()
{
    if
    :: waiting -> producer_sleeps = false
    :: else
    fi
}

active proctype collector()
{
    byte taken;

    do
    :: true ->
        STORE(bell, AWAKE);
        taken = tail; /* C2 */
#ifdef MUTANT_WAKE_BEFORE_HEAD
        wake();
        STORE(head, taken);
#else
        STORE(head, taken); /* H1 */
#ifndef MUTANT_NO_COLLECTOR_FENCE
        FENCE_COLLECTOR;
#endif
        wake();
#endif
        STORE(bell, SLEEPING);
        FENCE_COLLECTOR;
        if
        :: tail == taken ->
            atomic { FENCE_COLLECTOR; collector_sleeps = (bell == SLEEPING) };
end_asleep: !collector_sleeps
        :: else
        fi
    od
}

active proctype store_buffers()
{
end:
    do
    :: atomic { tail_buffered -> DRAIN(tail) }
    :: atomic { waiting_buffered -> DRAIN(waiting) }
    :: atomic { head_buffered -> DRAIN(head) }
    :: atomic { bell_buffered -> DRAIN(bell) }
    od
}

active proctype monitor()
{
    timeout;
    assert(finished)
}
