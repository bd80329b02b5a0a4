/* recovery.pml - a collector that is killed at any step, and the ones that follow it: every record
 * reaches the file exactly once.
 *
 * Small world: two lanes of two records, batches of any mix of lanes and sizes, one rotation, up to
 * two kills. A write appends a record in two halves, so that a kill leaves a torn end. A state slot is
 * written in three steps: its old contents become invalid, its new ones are stored, the checksum
 * makes it valid. What an earlier step wrote survives a kill, as the page cache and a shared mapping
 * do; a machine that loses its memory is not modelled.
 *
 * One turn:   write the batch -> persist {file, length, done of the lanes in the batch} into the older
 *             slot -> publish slot.done of these lanes -> publish slot.head
 * Rotation:   between turns: rename -> create -> persist {new file, 0} -> the first byte goes there
 * Start:      newest valid slot -> truncate the file it names to its length -> publish the done of
 *             its lanes -> other lanes start at the shared done. A live file that the slot does not
 *             name belongs to somebody else: it is kept and appended to, after its length is persisted.
 *
 *             The second lane's segment may not be attached at once (no descriptors): it is not read and its done
 *             is not published until it is, and until then each slot keeps what the first one said of it.
 *
 * mutant: PUBLISH_BEFORE_PERSIST - done and head move before the state is persisted
 * mutant: HEAD_BEFORE_PERSIST - only head moves too early; the producer overwrites what is read again
 * mutant: PERSIST_BEFORE_WRITE - the state promises bytes that the file does not have
 * mutant: NO_TRUNCATE - the new collector appends behind what its predecessor had not persisted
 * mutant: ONE_SLOT - the state is rewritten in place; a kill leaves none
 * mutant: NO_CHECKSUM - a slot counts although it was only half written
 * mutant: OLDEST_SLOT - the older valid slot is picked
 * mutant: SLOT_WITHOUT_LANES - the positions come from the shared done only
 * mutant: NO_REPUBLISH - the new collector does not publish the slot's positions before it writes the
 *         next slot, which need not name these lanes
 * mutant: KEPT_FORGOTTEN - slots do not keep the position of a lane that is not attached
 * mutant: ROTATE_BEFORE_PUBLISH - the slot of the rotation replaces the last one's positions before
 *         they are published, in a slot without them
 * mutant: ROTATE_WITHOUT_PERSIST - the first bytes go to the new file before the state names it
 * mutant: TRUNCATE_LIVE - the length is applied to the live file whatever its identity
 * witness: TORN - a new collector finds a half record
 * witness: TWO_KILLS - the second kill comes after the second collector's first write
 * witness: ORPHAN_LIVE - a new collector finds a live file that no slot names
 * witness: NO_LIVE - a new collector finds no live file
 * witness: ATTACHED_LATE - a lane whose position the slot has kept is attached after a turn without it
 * witness: SLOT_AHEAD - a slot knows a later position than the shared done
 */
#define LANES 2
#define RECORDS 2 /* of each lane */
#define FILES 3   /* identities: 0 is the first live file */
#define NONE 255
#define HALVES 16 /* room in a file: every record twice */

/* files: contents in half records; survive a kill */
byte length[FILES];
byte half[48]; /* FILES * HALVES: lane * RECORDS + record + 1 */
byte live;      /* identity under the live name, or NONE */
byte files;     /* identities given out */
byte rotations;

/* state slots */
typedef state_slot {
    bool valid;
    byte seq;
    byte file;
    byte bytes;
    bool has[LANES];
    byte pos[LANES]
};
state_slot slot[2];

/* shared words, in records */
byte done[LANES], head[LANES];
byte freed[LANES]; /* ghost: what the producer may have written again */

bool kill;
byte kills;
bool finished;
bool wrote_second; /* ghost: the second collector has written */

/* The collector's own memory, gone with it. */
byte pos[LANES], upto[LANES];
bool missing; /* lane 1 is not attached */
bool kept;    /* and its position is in the slot that was found */

inline forget()
{
    pos[0] = 0; pos[1] = 0; upto[0] = 0; upto[1] = 0; i = 0; cur = 0; seq = 0; file = 0; rotate = false;
    missing = false; kept = false
}

/* Rewrites the older slot: the file and, with_lanes, where each lane of the batch ends. */
inline persist(with_lanes, bytes_now)
{
    d_step {
#ifdef MUTANT_ONE_SLOT
        cur = 0;
#else
        cur = seq % 2;
#endif
        slot[cur].valid = false
    };
    d_step {
        slot[cur].seq = seq;
        slot[cur].file = file;
        slot[cur].bytes = bytes_now;
#ifdef MUTANT_NO_CHECKSUM
        slot[cur].valid = true;
#endif
    };
    d_step {
        slot[cur].has[0] = with_lanes && upto[0] > pos[0];
#ifdef MUTANT_KEPT_FORGOTTEN
        slot[cur].has[1] = with_lanes && upto[1] > pos[1];
#else
        slot[cur].has[1] = kept || (with_lanes && upto[1] > pos[1]);
#endif
        slot[cur].pos[0] = (slot[cur].has[0] -> upto[0] : 0);
        slot[cur].pos[1] = (slot[cur].has[1] -> upto[1] : 0)
    };
    d_step {
        slot[cur].valid = true;
        seq++;
        cur = 0
    }
}

inline publish_done()
{
    i = 0;
    do
    :: i < LANES ->
        done[i] = (i == 1 && missing -> done[i] : upto[i]); /* D1 */
        i++
    :: else -> break
    od;
    i = 0
}

inline publish_head()
{
    i = 0;
    do
    :: i < LANES ->
        d_step {
            head[i] = (i == 1 && missing -> head[i] : upto[i]); /* H1 */
            freed[i] = (head[i] > freed[i] -> head[i] : freed[i])
        };
        i++
    :: else -> break
    od;
    i = 0
}

inline append(what)
{
    d_step {
        assert(length[file] < HALVES);
        half[file * HALVES + length[file]] = what;
        length[file]++
    }
}

inline write_lane(l)
{
    i = pos[l];
    do
    :: i < upto[l] ->
        assert(i >= freed[l]);
        append(l * RECORDS + i + 1);
        atomic {
            append(l * RECORDS + i + 1);
            i++;
            wrote_second = (kills == 1 -> true : wrote_second)
        }
    :: else -> break
    od;
    i = 0
}

inline recover()
{
    /* the newest valid slot */
    d_step {
        assert(slot[0].valid || slot[1].valid);
        if
        :: !slot[0].valid -> cur = 1
        :: !slot[1].valid -> cur = 0
#ifdef MUTANT_OLDEST_SLOT
        :: slot[0].valid && slot[1].valid -> cur = (slot[0].seq < slot[1].seq -> 0 : 1)
#else
        :: slot[0].valid && slot[1].valid -> cur = (slot[0].seq > slot[1].seq -> 0 : 1)
#endif
        fi;
        file = slot[cur].file;
        seq = slot[cur].seq + 1;
#ifdef WITNESS_TORN
        assert(length[file] % 2 == 0);
#endif
#ifdef WITNESS_ORPHAN_LIVE
        assert(live == NONE || live == file);
#endif
#ifdef WITNESS_NO_LIVE
        assert(live != NONE);
#endif
#ifdef WITNESS_SLOT_AHEAD
        assert(!slot[cur].has[1] || slot[cur].pos[1] <= done[1]);
#endif
    };
#ifdef MUTANT_TRUNCATE_LIVE
    d_step {
        if
        :: live != NONE -> file = live
        :: else
        fi
    };
#endif
#ifndef MUTANT_NO_TRUNCATE
    d_step {
        assert(length[file] >= slot[cur].bytes);
        i = slot[cur].bytes;
        do
        :: i < length[file] -> half[file * HALVES + i] = 0; i++
        :: else -> break
        od;
        length[file] = slot[cur].bytes;
        i = 0
    };
#endif
    d_step {
        do
        :: i < LANES ->
#ifdef MUTANT_SLOT_WITHOUT_LANES
            pos[i] = done[i];
#else
            pos[i] = (slot[cur].has[i] -> slot[cur].pos[i] : done[i]);
#endif
            upto[i] = pos[i];
            i++
        :: else -> break
        od;
        i = 0
    };
    if
    :: kills == 1 -> atomic { missing = true; kept = slot[cur].has[1] }
    :: true
    fi;
    cur = 0;
#ifndef MUTANT_NO_REPUBLISH
    publish_done();
    publish_head();
#endif
    if
    :: live == file
    :: live == NONE ->
        create();
        persist(false, 0)
    :: live != NONE && live != file ->
        file = live;
        persist(false, length[file])
    fi
}

inline create()
{
    d_step {
        live = files;
        file = files;
        files++
    }
}

inline choose_batch()
{
    /* The producers' tails at this moment bound the batch: any number of the records left. */
    atomic {
        if
        :: pos[0] < RECORDS -> select(i : pos[0] .. RECORDS); upto[0] = i
        :: else
        fi;
        if
        :: pos[1] < RECORDS && !missing -> select(i : pos[1] .. RECORDS); upto[1] = i
        :: else
        fi;
        i = 0
    }
}

inline attach()
{
#ifdef WITNESS_ATTACHED_LATE
    assert(!(kept && done[1] < pos[1] && wrote_second));
#endif
    missing = false;
#ifndef MUTANT_NO_REPUBLISH
    publish_done();
    publish_head();
#endif
    kept = false
}

inline turn()
{
#ifdef MUTANT_PERSIST_BEFORE_WRITE
    persist(true, length[file] + 2 * (upto[0] - pos[0] + upto[1] - pos[1]));
#endif
#ifdef MUTANT_PUBLISH_BEFORE_PERSIST
    publish_done();
    publish_head();
#endif
    write_lane(0);
    write_lane(1);
#ifdef MUTANT_HEAD_BEFORE_PERSIST
    publish_head();
#endif
#ifdef MUTANT_ROTATE_BEFORE_PUBLISH
    if
    :: rotations == 0 ->
        persist(true, length[file]);
        rotate_file();
        publish_done();
        publish_head();
        rotate = true
    :: true
    fi;
#endif
    if
    :: rotate -> rotate = false
    :: else ->
#ifndef MUTANT_PERSIST_BEFORE_WRITE
        persist(true, length[file]);
#endif
        publish_done();
        publish_head()
    fi;
    d_step { pos[0] = upto[0]; pos[1] = upto[1] }
}

inline rotate_file()
{
    d_step { live = NONE; rotations++ };
    create();
#ifndef MUTANT_ROTATE_WITHOUT_PERSIST
    persist(false, 0)
#else
    skip
#endif
}

active proctype collector()
{
    byte i, cur, seq, file;
    bool rotate;

    atomic {
        slot[0].valid = true; /* state of a fresh start: file 0, empty */
        files = 1
    };
    do
    :: !finished ->
        {
            recover();
            do
            :: pos[0] == RECORDS && pos[1] == RECORDS && !missing -> break
            :: missing -> attach()
            :: (pos[0] < RECORDS || pos[1] < RECORDS) && rotations == 0 -> rotate_file()
            :: pos[0] < RECORDS || pos[1] < RECORDS ->
                choose_batch();
                if
                :: upto[0] > pos[0] || upto[1] > pos[1] -> turn()
                :: else
                fi
            od;
            finished = true
        } unless {
            atomic {
                kill && kills < 2 && !finished;
                kill = false;
#ifdef WITNESS_TWO_KILLS
                assert(!(kills == 1 && wrote_second));
#endif
                kills++;
                forget()
            }
        }
    :: finished -> break
    od;

    /* Every record once, whole, in the order of its lane. */
    atomic {
        byte f, n, next[LANES];
        do
        :: f < files ->
            assert(length[f] % 2 == 0);
            n = 0;
            do
            :: n < length[f] ->
                i = half[f * HALVES + n] - 1;
                assert(half[f * HALVES + n + 1] == i + 1);
                assert(i % RECORDS == next[i / RECORDS]);
                next[i / RECORDS]++;
                n = n + 2
            :: else -> break
            od;
            f++
        :: else -> break
        od;
        assert(next[0] == RECORDS && next[1] == RECORDS);
        assert(done[0] == RECORDS && done[1] == RECORDS)
    }
}

active proctype killer()
{
    do
    :: kills < 2 && !kill && !finished -> kill = true
    :: finished || kills == 2 -> break
    od
}
