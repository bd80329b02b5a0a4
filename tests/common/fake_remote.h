/* fake_remote.h - a remote sink that answers as it is told, parcels of numbered records, and an engine on a
 * clock of the test's own. */
#ifndef TESTS_COMMON_FAKE_REMOTE_H
#define TESTS_COMMON_FAKE_REMOTE_H

#include "collector/delivery/remote.h"

#include <stdbool.h>

enum { FAKE_HELD_MAX = 64, FAKE_LANES = 4, FAKE_PATH = 128 };

struct fake;
/* Fills in the answer. False: the request is held until fake_answer() or its cancellation. */
typedef bool fake_script(struct fake *f, struct sink_request *q, struct sink_result *a);

struct fake_ticket {
    struct remote_ticket t;
    unsigned settled;
};

struct fake {
    struct sink *sink;
    struct io *io;
    struct remote *r;
    struct sink_limits limits;
    fake_script *script;
    void *arg;
    struct sink_request *held[FAKE_HELD_MAX];
    unsigned held_count;
    unsigned requests, cancelled;
    uint32_t last_count, last_attempt;
    uint64_t now_ns;
    char state[FAKE_PATH];
    char message[1024]; /* the last one */
    unsigned messages;
    uint64_t next; /* number of the next record */
    uint32_t rejected[4096], retry[4096];
    /* of record n: how often the server has it; both may be put into shared memory, with enough room */
    uint8_t *delivered;
    uint64_t delivered_cap;
    bool is_shared;
    uint64_t order_breaks; /* a record that came after a later one of its lane, and was not there before */
    uint64_t *last, last_own[FAKE_LANES];
};

/* A sink with its defaults and a fresh state directory; options may be set before fake_start(). */
void fake_init(struct fake *f, const struct io_config *io);
void fake_option(struct fake *f, const char *name, const char *value);
int fake_start(struct fake *f, struct err *e);
/* Ends the engine (as a kill would: nothing is settled), keeps the directory. */
void fake_stop(struct fake *f);
void fake_done(struct fake *f);

/* A parcel of `count` records, numbered on, from lane number % FAKE_LANES, with payloads of `bytes`. */
struct parcel *fake_parcel(struct fake *f, uint32_t count, uint32_t bytes);
/* The same as an image, with messages of `bytes`. */
struct parcel *fake_image(struct fake *f, uint32_t count, uint32_t bytes);
/* Offers one as a draft. False: it was not taken; the records have their numbers all the same. */
bool fake_take_image(struct fake *f, uint32_t count, uint32_t bytes, bool is_short);
void fake_put_parcel(struct fake *f, struct parcel *p, struct fake_ticket *t); /* takes its reference */
void fake_put(struct fake *f, uint32_t count, uint32_t bytes, struct fake_ticket *t);
/* One turn; the clock goes on by `ns`. */
void fake_run(struct fake *f, uint64_t ns);
/* Turns, with `step_ns` each, until the condition holds; fails the test after some seconds of real time. */
#define fake_until(f, step_ns, condition) \
    do { \
        const uint64_t until_ = clock_mono_ns() + 20 * NS_PER_S; \
        while (!(condition)) { \
            CHECK(clock_mono_ns() < until_); \
            fake_run(f, step_ns); \
        } \
    } while (0)
void fake_answer(struct fake *f, unsigned held, const struct sink_result *a);
struct remote_stats fake_stats(const struct fake *f);
/* taken = delivered + dropped + dead + in memory + in the spool. */
bool fake_is_balanced(const struct fake *f);
uint64_t fake_number(const struct entry_head *h);

#endif
