/* internal.h - shared by the parts of the admin endpoint. */
#ifndef COLLECTOR_ADMIN_INTERNAL_H
#define COLLECTOR_ADMIN_INTERNAL_H

#include "collector/admin/admin.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#include <microhttpd.h>
#include <netdb.h>

struct tail;

struct admin {
    struct io *io;
    struct admin_view view;
    struct admin_actions actions;
    struct MHD_Daemon *daemon;
    int listen_fd;
    char address[200];
    char socket_path[120]; /* to unlink; "" for TCP */
    bool is_local;         /* requests must name a loopback host */
    int epoll_fd;
    struct io_req poll, timer;
    bool is_polling, is_timing, is_closing;
    struct tail *tail[ADMIN_TAILS_MAX];
    unsigned tails_count;
    uint64_t tails_checked_ns;
    struct {
        struct MHD_Connection *connection; /* suspended until the reload has ended; NULL: nobody waits */
        bool is_over;
        int result;
        struct err error;
    } reload;
};

/* ---- addresses ---- */

bool address_is_unix(const char *text); /* "unix" or "unix:PATH" */
bool address_is_loopback(const struct sockaddr *sa);
/* Of HOST:PORT, if it may be listened on; for freeaddrinfo(). */
int address_parse(const struct admin_settings *cfg, struct addrinfo **ret, struct err *e);

/* ---- server ---- */

/* A connection has been resumed: it gets its turn. */
void admin_wake(struct admin *a);

/* ---- requests ---- */

enum MHD_Result admin_answer(struct admin *a, struct MHD_Connection *c, const char *url, const char *method);
enum MHD_Result admin_reply_text(struct MHD_Connection *c, unsigned status, const char *text);

/* ---- what there is to see ---- */

int metrics_write(const struct admin_view *v, struct buf *out);
int status_write(const struct admin_view *v, struct buf *out);
/* "" or the names of sinks that fail, separated by ", ". */
void status_failing(const struct admin_view *v, char *ret, size_t size);

/* ---- tail ---- */

enum MHD_Result tail_begin(struct admin *a, struct MHD_Connection *c);
/* Ends the tails whose client is gone: nothing else tells of one that waits in silence. */
void tail_check_all(struct admin *a);
void tail_end_all(struct admin *a);

extern const char admin_page[];
extern const size_t admin_page_bytes;

#endif
