#include "tools/dump/spool.h"

#include "collector/delivery/deadletter.h"
#include "collector/delivery/given_up.h"
#include "collector/delivery/image.h"
#include "collector/delivery/ledger.h"
#include "collector/delivery/spool/cursor.h"
#include "collector/delivery/spool/journal.h"
#include "collector/delivery/spool/spool_file.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "collector/format/text.h"
#include "lib/base/json_escape.h"
#include "lib/base/time_text.h"
#include "tools/dump/safe_text.h"
#include "tools/dump/spool_paths.h"
#include "tools/dump/warning.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static int text_append(struct buf *out, const char *key, const char *text, size_t len)
{
    unsigned flags = 0;
    int n = buf_printf(out, "\"%s\":\"", key);
    if (n == 0)
        n = buf_reserve(out, JSON_ESCAPE_FACTOR * len + JSON_ESCAPE_SLACK);
    if (n < 0)
        return n;
    char *const begin = out->data + out->len;
    out->len = (size_t)(text_visible(begin, json_escape(text, len, begin, &flags), true) - out->data);
    return buf_append(out, "\"", 1);
}

struct findings {
    uint64_t bad;    /* damaged places, where they are looked for */
    uint64_t unread; /* files and directories */
};

struct lines {
    const struct options *o;
    struct buf out;
    struct time_text time;
};

static int dead_append(struct buf *out, const struct spool_file_head *file, const struct spool_item *i)
{
    char status[DEADLETTER_STATUS_TEXT];
    int n = buf_printf(out, "\"status\":%s,",
                       deadletter_status_text(file ? file->format : "", i->dead->status, status));
    if (n == 0)
        n = text_append(out, "reason", i->reason, i->dead->reason_len);
    return n < 0 ? n : buf_append(out, ",", 1);
}

static int entry_print(void *arg, const struct spool_file_head *file, const struct spool_item *i)
{
    struct lines *l = arg;
    const struct entry_head *h = i->entry;
    char id[ENTRY_ID_MAX], when[TIME_TEXT_MAX];
    if (h->level < l->o->level || h->time_ns < l->o->since_ns || h->time_ns > l->o->until_ns)
        return 0;
    *entry_id_text(h, id) = '\0';
    *time_text_write(&l->time, h->time_ns, 9, when) = '\0';
    l->out.len = 0;
    int n = buf_printf(&l->out, "{\"id\":\"%s\",\"time\":\"%s\",\"level\":\"%s\",", id, when, opt_level_name(h->level));
    if (n == 0 && file)
        n = text_append(&l->out, "sink", file->sink, strlen(file->sink));
    if (n == 0 && file)
        n = buf_append(&l->out, ",", 1);
    if (n == 0)
        n = buf_printf(&l->out, "\"attempts\":%u,", i->dead ? i->dead->attempts : h->attempts);
    if (n == 0 && i->dead)
        n = dead_append(&l->out, file, i);
    if (n == 0)
        n = text_append(&l->out, "payload", entry_payload(h), h->payload_len);
    if (n == 0)
        n = buf_append(&l->out, "}\n", 2);
    if (n < 0)
        return n;
    return fwrite(l->out.data, 1, l->out.len, stdout) == l->out.len ? 0 : -errno;
}

static int entries_print(const struct options *o, const char *path, struct err *e)
{
    struct lines l = { .o = o };
    uint64_t damaged = 0;
    const int n = deadletter_replay(path, entry_print, &l, &damaged, e);
    buf_done(&l.out);
    if (damaged)
        (void)fprintf(stderr, "fapilog-dump: %s: %" PRIu64 " damaged places skipped\n", path, damaged);
    return n;
}

struct file_sum {
    uint64_t blocks, records, damaged, raw_bytes;
    int64_t first_ns, last_ns;
};

static int record_count(void *arg, const struct fapilog_record *r)
{
    (void)r;
    ++*(uint32_t *)arg;
    return 0;
}

/* Records that can be read; *ret_end: what they take of the block. */
static int block_sum(struct image_reader *images, const struct spool_file *f, const struct spool_block_head *h,
                     const char *raw, uint32_t *ret, size_t *ret_end)
{
    struct spool_item item;
    *ret_end = 0;
    if (h->kind == SPOOL_IMAGE) {
        *ret_end = h->raw_bytes;
        return image_each(images, raw, h->raw_bytes, record_count, ret);
    }
    while (*ret < h->records && spool_item_next(raw, h->raw_bytes, f->kind, ret_end, &item))
        ++*ret;
    return 0;
}

/* All blocks, unpacked. */
static int file_sum(struct spool_file *f, uint64_t *last_sequence, struct file_sum *ret)
{
    struct image_reader images = {0};
    struct spool_block_head h;
    const char *raw;
    int n;
    *ret = (struct file_sum){0};
    while ((n = spool_file_next(f, &h)) > 0) {
        uint32_t records = 0;
        size_t at = 0;
        if (f->is_journal && h.sequence <= *last_sequence)
            continue; /* it is in a file */
        n = spool_file_load(f, &h, &raw);
        if (n == 0)
            n = block_sum(&images, f, &h, raw, &records, &at);
        if (n < 0 && n != -EBADMSG)
            break;
        ret->damaged += n < 0 || records != h.records || at != h.raw_bytes;
        ret->records += records;
        ret->raw_bytes += h.raw_bytes;
        ret->first_ns = ret->blocks++ ? ret->first_ns : h.time_ns;
        ret->last_ns = h.time_ns;
    }
    image_reader_done(&images);
    *last_sequence = f->last_sequence;
    ret->damaged += f->damaged + (!f->has_head && f->size >= sizeof f->head); /* a shorter one was just begun */
    return n;
}

static void file_print(const struct options *o, const char *path, const struct spool_file *f, const struct file_sum *s)
{
    struct time_text time = {0};
    char from[TIME_TEXT_MAX + 1], to[TIME_TEXT_MAX + 1];
    safe_path name;
    const char *what = f->is_journal ? "journal" : f->kind == SPOOL_DEAD ? "dead letters" : "spool";
    printf("%s: %s, %s, %" PRIu64 " blocks, %" PRIu64 " records, %" PRIu64 " bytes", safe_clean_path(path, name),
           s->damaged ? "DAMAGED" : "good", what, s->blocks, s->records, f->size);
    if (f->has_head) {
        safe_text sink, format;
        printf(", sink %s (%s)", safe_clean(f->head.sink, strnlen(f->head.sink, sizeof f->head.sink), sink),
               safe_clean(f->head.format, strnlen(f->head.format, sizeof f->head.format), format));
    }
    if (s->damaged)
        printf("; %" PRIu64 " damaged places, %" PRIu64 " bytes skipped", s->damaged, f->skipped_bytes);
    if (f->torn_bytes)
        printf("; %" PRIu64 " bytes of an unfinished write at the end", f->torn_bytes);
    if (o->stats && s->blocks) {
        *time_text_write(&time, s->first_ns, 3, from) = '\0';
        *time_text_write(&time, s->last_ns, 3, to) = '\0';
        printf(", %s to %s, %" PRIu64 " bytes unpacked", from, to, s->raw_bytes);
    }
    printf("\n");
}

static int file_check(const struct options *o, const char *path, uint64_t *last_sequence, struct findings *found,
                      struct err *e)
{
    struct spool_file f;
    struct file_sum s;
    uint64_t sequence;
    int n = spool_file_open(&f, path, spool_name_parse(spool_path_base(path), &sequence), e);
    if (n < 0)
        return n;
    n = file_sum(&f, last_sequence, &s);
    if (n == 0)
        file_print(o, path, &f, &s);
    spool_file_close(&f);
    found->bad += s.damaged;
    return n < 0 ? err_sys(e, n, "read %s", path) : 0;
}

static int is_file_of_ours(const struct dirent *d)
{
    uint64_t sequence;
    return spool_name_parse(d->d_name, &sequence) != 0 || strcmp(d->d_name, JOURNAL_FILE) == 0; /* comes last */
}

/* One that cannot be read hides no others; memory and the reader of our output are of all of them. */
static int pass_over(int n, struct findings *found, struct err *e)
{
    if (n >= 0 || n == -ENOMEM || n == -EPIPE || n == -EINVAL)
        return n;
    warning_print(e->text);
    found->unread++;
    *e = (struct err){0};
    return 0;
}

static int path_check(const struct options *o, const char *path, struct findings *found, struct err *e)
{
    struct stat st;
    struct dirent **names;
    uint64_t last_sequence = 0;
    if (stat(path, &st) < 0)
        return err_sys(e, -errno, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return file_check(o, path, &last_sequence, found, e);
    const int count = scandir(path, &names, is_file_of_ours, alphasort);
    int n = count < 0 ? err_sys(e, -errno, "read %s", path) : 0;
    for (int i = 0; i < count; i++) {
        char file[PATH_MAX + 256 + 2];
        (void)snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        n = n == 0 ? pass_over(file_check(o, file, &last_sequence, found, e), found, e) : n;
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return n;
}

static void sink_print(const struct ledger_sink *s)
{
    struct loss_count why[LOSSES_OF_SINK];
    safe_text name;
    given_up_of_ledger(s, why);
    printf("%-16s %12" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "  %s\n",
           safe_clean(s->name, strnlen(s->name, sizeof s->name), name), s->taken, s->delivered,
           losses_sum(why, LOSSES_OF_SINK), s->dead, s->memory, s->spooled,
           ledger_sink_balances(s) ? "balanced" : "OUT OF BALANCE");
    for (unsigned i = 0; i < LOSSES_OF_SINK; i++)
        if (why[i].n)
            printf("  dropped, %s: %" PRIu64 "\n", why[i].text, why[i].n);
    if (s->dead_evicted)
        printf("  dead letters given up for room: %" PRIu64 "\n", s->dead_evicted);
}

static int ledger_print(const char *path, struct err *e)
{
    struct time_text time = {0};
    char when[TIME_TEXT_MAX + 1];
    safe_text name;
    auto_free struct ledger_page *p = malloc(sizeof *p);
    if (!p)
        return err_set(e, -ENOMEM, "%s: out of memory", path);
    const int n = ledger_read(path, p, e);
    if (n < 0)
        return n;
    *time_text_write(&time, p->time_ns, 3, when) = '\0';
    printf("%s: collector with pid %u, as of %s\n", path, p->pid, when);
    printf("rings: written %" PRIu64 ", committed %" PRIu64 ", pending %" PRIu64 ", dropped by producers %" PRIu64 "\n",
           p->rings.written, p->rings.committed, p->rings.pending, p->rings.dropped);
    for (uint32_t i = 0; i < p->stages_count; i++) {
        const struct ledger_stage *s = &p->stage[i];
        printf("stage %-16s seen %" PRIu64 ", dropped %" PRIu64 "\n",
               safe_clean(s->name, strnlen(s->name, sizeof s->name), name), s->seen, s->dropped);
    }
    printf("%-16s %12s %12s %10s %10s %10s %10s\n", "sink", "taken", "delivered", "dropped", "dead", "memory",
           "spooled");
    for (uint32_t i = 0; i < p->sinks_count; i++)
        sink_print(&p->sink[i]);
    printf("%s\n", ledger_balances(p) ? "The books balance." : "The books DO NOT balance.");
    return 0;
}

static bool has_ledger(const char *path)
{
    char file[PATH_MAX];
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    if (!S_ISDIR(st.st_mode))
        return strcmp(spool_path_base(path), LEDGER_FILE) == 0;
    return snprintf(file, sizeof file, "%s/" LEDGER_FILE, path) < (int)sizeof file && stat(file, &st) == 0;
}

static int one_dump(const struct options *o, const char *path, struct findings *found, struct err *e)
{
    const bool is_table = o->stats || o->verify;
    const int is_empty = spool_dir_is_empty(path, e);
    if (is_empty < 0)
        return is_empty;
    if (is_empty && is_table)
        printf("%s: empty\n", path);
    else if (is_empty)
        (void)fprintf(stderr, "fapilog-dump: %s: empty\n", path);
    else
        return is_table ? path_check(o, path, found, e) : entries_print(o, path, e);
    return 0;
}

static int is_visible(const struct dirent *d)
{
    return *d->d_name != '.';
}

/* Each of the sinks' directories in STATE/spool or STATE/dead. */
static int children_dump(const struct options *o, const char *path, struct findings *found, struct err *e)
{
    struct dirent **names;
    const int count = scandir(path, &names, is_visible, alphasort);
    int n = count < 0 ? err_sys(e, -errno, "read %s", path) : 0;
    for (int i = 0; i < count; i++) {
        char below[PATH_MAX + 256 + 2];
        (void)snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);
        n = n == 0 ? pass_over(one_dump(o, below, found, e), found, e) : n;
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return n;
}

/* The directories in which there are records, for a message: ", STATE/spool (what waits for servers)". */
static int ledger_refuse(const char *path, struct err *e)
{
    static const struct { const char *name, *what; } dirs[] = {
        { "spool", "what waits for servers" }, { "dead", "what they refused" },
    };
    char places[ERR_TEXT_MAX] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0] && used < sizeof places; i++) {
        char dir[PATH_MAX];
        struct stat st;
        if (snprintf(dir, sizeof dir, "%s/%s", path, dirs[i].name) < (int)sizeof dir && stat(dir, &st) == 0)
            used += (size_t)snprintf(places + used, sizeof places - used, ", %s (%s)", dir, dirs[i].what);
    }
    return err_set(e, -EINVAL, "%s: a ledger holds no records: --stats shows it%s%s", path,
                   *places ? "; records are in" : "", *places ? places + 1 : "");
}

static int path_dump(const struct options *o, const char *path, struct findings *found, struct err *e)
{
    if (has_ledger(path))
        return o->stats ? ledger_print(path, e) : ledger_refuse(path, e);
    const int is_of_all = spool_dir_is_of_all_sinks(path, e);
    if (is_of_all < 0)
        return is_of_all;
    return is_of_all ? children_dump(o, path, found, e) : one_dump(o, path, found, e);
}

int spool_dump(const struct options *o, struct err *e)
{
    struct findings found = {0};
    int n = 0;
    if (o->follow || o->where || o->logger || o->format || o->last)
        return err_set(e, -EINVAL, "--follow, --where, --logger, --format and --last do not work on spools and dead "
                       "letters");
    for (int i = 0; i < o->paths_count && n == 0; i++) {
        n = spool_path_is_ours(o->paths[i], e);
        if (n > 0)
            n = pass_over(path_dump(o, o->paths[i], &found, e), &found, e);
        else if (n == 0)
            n = err_set(e, -EINVAL, "%s: neither a spool nor dead letters nor a ledger; show them apart from rings",
                        o->paths[i]);
    }
    if (n == 0 && fflush(stdout) != 0 && errno != EPIPE)
        return err_sys(e, -errno, "write to stdout");
    if (n == 0 && (found.bad || found.unread))
        return err_set(e, -EBADMSG, "%" PRIu64 " damaged places, %" PRIu64 " that cannot be read", found.bad,
                       found.unread);
    return n;
}
