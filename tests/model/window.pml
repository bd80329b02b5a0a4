/* window.pml - two sinks that settle the batches of a window each at its own pace, and a collector that is
 * killed at any step: every record reaches every sink exactly once.
 *
 * Small world: one lane of three records, batches of one or two records, two of them open, each sink may go on in a
 * new file once, up to two kills. Only the file that a mark names can be cut. That a slot is either
 * the old one or the new one, whole, is what recovery.pml shows; here it is one step.
 *
 * A sink:      append the records of its next batch one by one -> settled, its mark moves (in memory)
 * A slot:      marks of both sinks + committed position + of each open batch its end and who has settled it;
 *              written at any time, always before a new file gets its first record, and at every commit
 * A commit:    the oldest batch, when both have settled it: slot -> done (its space is free)
 * Start:       cut both files to their marks -> read from the committed position; up to the end of each open
 *              batch of the slot without the sinks that had settled it
 *
 * mutant: SINK_AHEAD_COMMITS - a batch is committed when the first sink has settled it
 * mutant: MARKS_APART - marks are stored in one step, the open batches and the position in the next
 * mutant: ROTATE_MARK_ONLY - a new file's mark is stored without what its sink has settled before
 * mutant: ROTATE_WITHOUT_STORE - a new file gets records before the slot names it
 * mutant: SKIP_LOST - what is read again is given to everybody
 * mutant: FENCES_FORGOTTEN - the next slot does not say any more what is still to be read again
 * mutant: FENCE_CROSSED - a batch goes on behind the end of a formerly open one
 * mutant: RELEASE_FIRST - the space is free before the slot says so
 * mutant: NO_CUT - the files are not cut to their marks
 * witness: OUT_OF_STEP - a kill finds a slot in which one sink is ahead
 * witness: READ_AGAIN - a batch is read again without the sink that had it
 * witness: ROTATED_AHEAD - a sink goes on in a new file while the other has not settled the batch before
 * witness: TWO_KILLS - the second kill finds a batch that is being read again
 */
#define RECORDS 3
#define ROOM 8 /* records in all files of a sink */
#define OPENS 4

byte content[16]; /* sink * ROOM + place: record + 1; survives a kill, as all up to done */
byte size[2];
byte base[2]; /* where the present file begins */

typedef list {
    byte count;
    byte end[OPENS];
    byte settled[OPENS] /* bit 0: sink 0 ... */
};

/* the slot */
byte mark[2], file[2], pos_stored; /* a mark is a file, by where it begins, and a length */
list stored;

byte done; /* shared: what lies before it is gone */
byte kills;
bool kill, finished;

/* The collector's own memory, gone with it. */
list open;
list fence;
byte place[2]; /* the open batch that the sink settles next */
byte at[2];    /* the record that it writes next */
byte top;      /* behind the last record read */
byte now_mark[2];
byte rotated[2]; /* ghost: a sink does it once */
byte i, n;

inline forget()
{
    d_step {
        open.count = 0; fence.count = 0; place[0] = 0; place[1] = 0; at[0] = 0; at[1] = 0; top = 0;
        now_mark[0] = 0; now_mark[1] = 0; i = 0; n = 0;
        do
        :: i < OPENS -> open.end[i] = 0; open.settled[i] = 0; fence.end[i] = 0; fence.settled[i] = 0; i++
        :: else -> break
        od;
        i = 0
    }
}

inline store_opens(from)
{
    stored.count = 0;
    i = from;
    do
    :: i < open.count ->
        stored.end[stored.count] = open.end[i];
        stored.settled[stored.count] = open.settled[i];
        stored.count++;
        i++
    :: else -> break
    od;
#ifndef MUTANT_FENCES_FORGOTTEN
    i = 0;
    do
    :: i < fence.count ->
        assert(stored.count < OPENS);
        stored.end[stored.count] = fence.end[i];
        stored.settled[stored.count] = fence.settled[i];
        stored.count++;
        i++
    :: else -> break
    od;
#endif
    i = 0
}

inline store(from, position)
{
#ifdef MUTANT_MARKS_APART
    d_step { mark[0] = now_mark[0]; mark[1] = now_mark[1]; file[0] = base[0]; file[1] = base[1] };
    d_step { pos_stored = position; store_opens(from) }
#else
    d_step {
        mark[0] = now_mark[0]; mark[1] = now_mark[1];
        file[0] = base[0]; file[1] = base[1];
        pos_stored = position;
        store_opens(from)
    }
#endif
}

/* Up to two records become a batch; never beyond a fence. */
inline read_batch()
{
    d_step {
        assert(top >= done);
        open.settled[open.count] = 0;
        n = 2;
        if
        :: fence.count ->
#ifndef MUTANT_SKIP_LOST
            open.settled[open.count] = fence.settled[0];
#endif
#ifdef WITNESS_READ_AGAIN
            assert(fence.settled[0] == 0);
#endif
#ifndef MUTANT_FENCE_CROSSED
            n = fence.end[0] - top
#endif
        :: else
        fi;
        n = (top + n > RECORDS -> RECORDS - top : n)
    };
    if
    :: n == 2 -> n = 1 /* also in the middle of a fence */
    :: true
    fi;
    d_step {
        top = top + n;
        open.end[open.count] = top;
        open.count++;
        do /* fences that are behind us */
        :: fence.count && fence.end[0] <= top ->
            i = 1;
            do
            :: i < fence.count ->
                fence.end[i - 1] = fence.end[i];
                fence.settled[i - 1] = fence.settled[i];
                i++
            :: else -> break
            od;
            fence.count--
        :: else -> break
        od;
        i = 0; n = 0
    }
}

inline settle(s)
{
    d_step {
        open.settled[place[s]] = open.settled[place[s]] | (1 << s);
        now_mark[s] = size[s];
        place[s]++
    }
}

inline append(s)
{
    d_step {
        assert(size[s] < ROOM && at[s] >= done);
        content[s * ROOM + size[s]] = at[s] + 1;
        size[s]++;
        at[s]++
    }
}

inline write_one(s)
{
    if
    :: open.settled[place[s]] & (1 << s) -> d_step { at[s] = open.end[place[s]]; place[s]++ }
    :: else ->
        if
        :: at[s] < open.end[place[s]] -> append(s)
        :: else -> settle(s)
        fi
    fi
}

/* Between two batches: what is written belongs to another file from now on. */
inline rotate(s)
{
#ifdef WITNESS_ROTATED_AHEAD
    assert(place[s] == 0 || (open.settled[0] & (2 >> s)));
#endif
    d_step { base[s] = size[s]; rotated[s] = 1 };
#ifdef MUTANT_ROTATE_MARK_ONLY
    d_step { mark[s] = now_mark[s]; file[s] = base[s] }
#else
#ifdef MUTANT_ROTATE_WITHOUT_STORE
    skip
#else
    store(0, pos_stored)
#endif
#endif
}

inline commit()
{
#ifdef MUTANT_RELEASE_FIRST
    done = open.end[0];
    store(1, open.end[0]);
#else
    store(1, open.end[0]);
    done = open.end[0];
#endif
    d_step {
        i = 1;
        do
        :: i < open.count ->
            open.end[i - 1] = open.end[i];
            open.settled[i - 1] = open.settled[i];
            i++
        :: else -> break
        od;
        open.count--;
        open.end[open.count] = 0;
        open.settled[open.count] = 0;
        place[0] = (place[0] -> place[0] - 1 : 0);
        place[1] = (place[1] -> place[1] - 1 : 0);
        at[0] = (at[0] < done -> done : at[0]); /* it had the batch before this run began */
        at[1] = (at[1] < done -> done : at[1]);
        i = 0
    }
}

inline cut(s)
{
#ifndef MUTANT_NO_CUT
    d_step {
        /* Only the file of the mark can be cut; one that came after it stays. */
        n = mark[s];
        i = (file[s] == base[s] -> size[s] : base[s]);
        base[s] = (file[s] == base[s] -> base[s] : n);
        do
        :: i < size[s] -> content[s * ROOM + n] = content[s * ROOM + i]; n++; i++
        :: else -> break
        od;
        do
        :: size[s] > n -> size[s]--; content[s * ROOM + size[s]] = 0
        :: else -> break
        od;
        n = 0;
        i = 0
    };
#endif
    now_mark[s] = size[s]
}

inline recover()
{
#ifdef WITNESS_OUT_OF_STEP
    assert(kills == 0 || stored.count == 0 || stored.settled[0] == 0 || stored.settled[0] == 3);
#endif
    cut(0);
    cut(1);
    d_step {
        top = pos_stored;
        at[0] = top;
        at[1] = top;
        fence.count = stored.count;
        do
        :: i < stored.count -> fence.end[i] = stored.end[i]; fence.settled[i] = stored.settled[i]; i++
        :: else -> break
        od;
        i = 0
    };
    done = (pos_stored > done -> pos_stored : done);
    store(0, pos_stored)
}

#ifdef MUTANT_SINK_AHEAD_COMMITS
#define IS_SETTLED (open.settled[0] & 1)
#else
#define IS_SETTLED (open.settled[0] == 3)
#endif

active proctype collector()
{
    do
    :: !finished ->
        {
            recover();
            do
            :: top == RECORDS && open.count == 0 -> break
            :: top < RECORDS && open.count < 2 -> read_batch()
            :: place[0] < open.count -> write_one(0)
            :: place[1] < open.count -> write_one(1)
            :: open.count && at[0] == (place[0] -> open.end[place[0] - 1] : pos_stored) && !rotated[0] && size[0] ->
                rotate(0)
            :: open.count && stored.count <= 1 && open.settled[0] && !IS_SETTLED -> store(0, pos_stored)
            :: open.count && IS_SETTLED -> commit()
            od;
            finished = true
        } unless {
            atomic {
                kill && kills < 2 && !finished;
                kill = false;
#ifdef WITNESS_TWO_KILLS
                assert(!(kills == 1 && fence.count && open.count));
#endif
                kills++;
                forget()
            }
        }
    :: finished -> break
    od;

    atomic {
        n = 0;
        do
        :: n < 2 ->
            assert(size[n] == RECORDS);
            i = 0;
            do
            :: i < RECORDS -> assert(content[n * ROOM + i] == i + 1); i++
            :: else -> break
            od;
            n++
        :: else -> break
        od;
        assert(done == RECORDS && pos_stored == RECORDS)
    }
}

active proctype killer()
{
    do
    :: kills < 2 && !kill && !finished -> kill = true
    :: finished || kills == 2 -> break
    od
}
