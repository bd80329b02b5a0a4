/* fapilog-dump as people run it, on rings that were written by hand. argv[1] is the program. */
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "tests/common/segment_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

static const char *program;
static char dir[PATH_MAX];
static int dir_fd = -1;
static struct payload p;

struct child {
    pid_t pid;
    int out, err;
    struct buf out_text, err_text;
};

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/shm/test-dump-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    auto_dir d = fdopendir(dir_fd);
    for (const struct dirent *e; (e = readdir(d));)
        (void)unlinkat(dirfd(d), e->d_name, 0);
    return rmdir(dir);
}

static void child_start(struct child *c, const char *const *args)
{
    int out[2], err[2];
    const char *argv[32] = {program};
    for (int i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    *c = (struct child){.out = out[0], .err = err[0]};
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        (void)setenv("FAPILOG_RING_DIR", dir, 1);
        (void)execv(program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(out[1]);
    (void)close(err[1]);
}

static bool take_some(int fd, struct buf *b)
{
    assert_int_equal(buf_reserve(b, 65536), 0);
    const ssize_t n = read(fd, b->data + b->len, 65536);
    if (n > 0)
        b->len += (size_t)n;
    return n > 0;
}

/* Reads both streams until `until` (may be NULL) was printed or the program closed them. */
static void child_read(struct child *c, const char *until)
{
    const time_t deadline = time(NULL) + 20;
    for (bool open = true; open && time(NULL) < deadline;) {
        if (until && c->out_text.len && strstr(buf_cstr(&c->out_text), until))
            return;
        struct pollfd fds[] = {{c->out, POLLIN, 0}, {c->err, POLLIN, 0}};
        assert_true(poll(fds, 2, 1000) >= 0);
        open = false;
        for (int i = 0; i < 2; i++)
            open |= !fds[i].revents || take_some(fds[i].fd, i ? &c->err_text : &c->out_text);
    }
    if (until)
        fail_msg("never printed: %s", until);
}

static int child_end(struct child *c)
{
    int status;
    child_read(c, NULL);
    (void)close(c->out);
    (void)close(c->err);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    assert_non_null(buf_cstr(&c->out_text));
    assert_non_null(buf_cstr(&c->err_text));
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void child_done(struct child *c)
{
    buf_done(&c->out_text);
    buf_done(&c->err_text);
}

static int run(struct child *c, const char *const *args)
{
    child_start(c, args);
    return child_end(c);
}
#define RUN(c, ...) run(c, (const char *const[]){__VA_ARGS__, NULL})

static unsigned lines(const struct child *c)
{
    unsigned n = 0;
    for (size_t i = 0; i < c->out_text.len; i++)
        n += c->out_text.data[i] == '\n';
    return n;
}

static int file_new(const char *name)
{
    const int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    return fd;
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void sample(const char *name, struct segment_builder *b)
{
    const int fd = file_new(name);
    assert_int_equal(builder_sample(b, fd), 6);
    (void)close(fd);
}

static void put_n(struct segment_builder *b, uint32_t lane, uint32_t site, uint64_t n)
{
    payload_init(&p);
    payload_u64(&p, n);
    builder_event(b, lane, 9, site, &p);
}

static uint32_t site_n(struct segment_builder *b)
{
    return builder_site(b, 9, "tick", 1, &(struct builder_field){FAPILOG_TYPE_U64, "n"});
}

static void the_ring_directory_and_single_files_are_read_alike(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child by_env, by_option, by_path;
    sample("1-1.ring", &b);
    assert_int_equal(RUN(&by_env, "--format", "json"), 0);
    assert_int_equal(RUN(&by_option, "--format", "json", "--rings", dir), 0);
    assert_int_equal(RUN(&by_path, "--format=json", path_of("1-1.ring")), 0);
    assert_int_equal(lines(&by_env), 6);
    assert_string_equal(buf_cstr(&by_env.out_text), buf_cstr(&by_option.out_text));
    assert_string_equal(buf_cstr(&by_env.out_text), buf_cstr(&by_path.out_text));
    assert_int_equal(by_env.err_text.len, 0);
    assert_non_null(strstr(buf_cstr(&by_env.out_text), "\"order accepted\""));
    assert_non_null(strstr(buf_cstr(&by_env.out_text), "\"ACME\""));
    child_done(&by_env);
    child_done(&by_option);
    child_done(&by_path);
    builder_done(&b);
}

static unsigned lines_of(const char *const *args)
{
    struct child c;
    if (run(&c, args) != 0)
        fail_msg("%s", buf_cstr(&c.err_text));
    const unsigned n = lines(&c);
    child_done(&c);
    return n;
}
#define LINES_OF(...) lines_of((const char *const[]){__VA_ARGS__, NULL})

static void what_is_named_twice_is_read_once(void **state)
{
    (void)state;
    struct segment_builder b;
    char ring[PATH_MAX + 16], link[PATH_MAX + 16], around[PATH_MAX + 16];
    sample("1-1.ring", &b);
    (void)snprintf(ring, sizeof ring, "%s/1-1.ring", dir);
    (void)snprintf(link, sizeof link, "%s/2-2.ring", dir);
    (void)snprintf(around, sizeof around, "%s/./.", dir);
    assert_int_equal(LINES_OF("--format=json", "--rings", dir, dir), 6);
    assert_int_equal(LINES_OF("--format=json", dir, around), 6);
    assert_int_equal(LINES_OF("--format=json", dir, ring), 6);
    assert_int_equal(LINES_OF("--format=json", ring, around, ring), 6);
    assert_int_equal(LINES_OF("--verify", ring, around, dir), 1);
    assert_int_equal(linkat(AT_FDCWD, ring, AT_FDCWD, link, 0), 0);
    assert_int_equal(LINES_OF("--format=json"), 6);
    builder_done(&b);
}

static void nothing_is_written_to_a_ring(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    sample("1-1.ring", &b);
    uint8_t *before = malloc(b.bytes);
    memcpy(before, b.base, b.bytes);
    assert_int_equal(RUN(&c, "--format", "json"), 0);
    child_done(&c);
    assert_int_equal(RUN(&c, "--stats"), 0);
    child_done(&c);
    assert_int_equal(RUN(&c, "--verify"), 0);
    child_done(&c);
    assert_memory_equal(before, b.base, b.bytes);
    free(before);
    builder_done(&b);
}

static void records_of_all_lanes_and_processes_come_in_order_of_time(void **state)
{
    (void)state;
    struct segment_builder b[2];
    struct child c;
    uint32_t site[2];
    for (int i = 0; i < 2; i++) {
        const int fd = file_new(i ? "2-2.ring" : "1-1.ring");
        builder_init(&b[i], fd, &(struct builder_options){.lanes = 3});
        (void)close(fd);
        b[i].sb->pid = (uint32_t)(1 + i);
        builder_seal(&b[i]);
        site[i] = site_n(&b[i]);
    }
    for (uint32_t n = 0; n < 300; n++) {
        struct segment_builder *own = &b[n * 7 % 2];
        own->cycles = 1000000000 + n * 1000;
        put_n(own, n % 3, site[n * 7 % 2], n);
    }
    assert_int_equal(RUN(&c, "--format", "json"), 0);
    assert_int_equal(lines(&c), 300);
    const char *at = buf_cstr(&c.out_text);
    for (unsigned n = 0; n < 300; n++) {
        char want[32];
        (void)snprintf(want, sizeof want, "\"n\":%u}", n);
        at = strstr(at, want);
        if (!at)
            fail_msg("record %u is missing or out of order", n);
    }
    child_done(&c);
    builder_done(&b[0]);
    builder_done(&b[1]);
}

static void filters_leave_what_they_name(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    sample("1-1.ring", &b);
    static const struct { const char *option, *value; unsigned want; } cases[] = {
        {"--level", "ERROR", 1},          {"--level", "info", 6},
        {"--logger", "orders", 4},        {"--logger", "other", 0},
        {"--where", "order_id == 2", 1},  {"--where", "symbol ~ \"AC\" && order_id >= 1", 3},
        {"--where", "request_id == r-1", 4}, {"--where", "region == eu || n == 7", 5},
        {"--since", "2023-11-14T22:13:20.000003Z", 4}, {"--until", "2023-11-14T22:13:20.000003Z", 3},
        {"--since", "now", 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(RUN(&c, "--format", "json", cases[i].option, cases[i].value), 0);
        if (lines(&c) != cases[i].want)
            fail_msg("%s %s: %u lines, not %u\n%s", cases[i].option, cases[i].value, lines(&c), cases[i].want,
                     buf_cstr(&c.out_text));
        child_done(&c);
    }
    builder_done(&b);
}

static void last_shows_the_youngest_of_what_is_selected(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    const int fd = file_new("1-1.ring");
    builder_init(&b, fd, &(struct builder_options){.lanes = 2});
    (void)close(fd);
    const uint32_t site = site_n(&b);
    for (uint64_t n = 0; n < 100; n++)
        put_n(&b, n % 2, site, n);
    static const struct { const char *last, *where, *first; unsigned want; } cases[] = {
        {"3", "n >= 0", "\"n\":97}", 3}, {"1", "n < 50", "\"n\":49}", 1}, {"100", "n >= 0", "\"n\":0}", 100},
        {"100000", "n > 97", "\"n\":98}", 2},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(RUN(&c, "--format", "json", "-n", cases[i].last, "--where", cases[i].where), 0);
        if (lines(&c) != cases[i].want || !strstr(buf_cstr(&c.out_text), cases[i].first))
            fail_msg("--last %s --where '%s': %s", cases[i].last, cases[i].where, buf_cstr(&c.out_text));
        child_done(&c);
    }
    child_start(&c, (const char *const[]){"--format", "json", "--follow", "--last", "2", NULL});
    child_read(&c, "\"n\":99}");
    put_n(&b, 0, site, 100);
    child_read(&c, "\"n\":100}");
    (void)kill(c.pid, SIGTERM);
    assert_int_equal(child_end(&c), 0);
    assert_int_equal(lines(&c), 3);
    child_done(&c);
    builder_done(&b);
}

static void pretty_lines_of_several_processes_say_whose_they_are(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    sample("1-1.ring", &b);
    b.sb->pid = 4711;
    builder_seal(&b);
    assert_int_equal(RUN(&c, "--format", "pretty"), 0);
    assert_memory_equal(c.out_text.data, "svc[4711] 2023-", 15);
    child_done(&c);
    assert_int_equal(RUN(&c, "--format", "pretty", dir), 0);
    assert_memory_equal(c.out_text.data, "svc[4711] 2023-", 15);
    child_done(&c);
    assert_int_equal(RUN(&c, "--format", "pretty", path_of("1-1.ring")), 0);
    assert_memory_equal(c.out_text.data, "2023-", 5);
    child_done(&c);
    assert_int_equal(RUN(&c, "--format", "logfmt"), 0);
    assert_null(strstr(buf_cstr(&c.out_text), "svc[4711]"));
    child_done(&c);
    builder_done(&b);
}

static void an_empty_answer_says_why(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    assert_int_equal(RUN(&c, "--stats"), 1);
    assert_non_null(strstr(buf_cstr(&c.err_text), dir));
    assert_non_null(strstr(buf_cstr(&c.err_text), "no rings and no native files in "));
    assert_non_null(strstr(buf_cstr(&c.err_text), "/run/fapilog/UID"));
    child_done(&c);
    const int fd = file_new("2-2.ring");
    builder_init(&b, fd, &(struct builder_options){.registry_bytes = 4096});
    builder_done(&b);
    (void)close(fd);
    assert_int_equal(RUN(&c, "--last", "5"), 0);
    assert_string_equal(buf_cstr(&c.err_text), "fapilog-dump: no records there\n");
    child_done(&c);
    sample("1-1.ring", &b);
    assert_int_equal(RUN(&c, "--where", "pid == 99999"), 0);
    assert_int_equal(c.out_text.len, 0);
    assert_string_equal(buf_cstr(&c.err_text), "fapilog-dump: none of the 6 records there matches\n");
    child_done(&c);
    assert_int_equal(RUN(&c, "4711"), 1);
    assert_non_null(strstr(buf_cstr(&c.err_text), "--where 'pid == 4711'"));
    child_done(&c);
    builder_done(&b);
}

static void a_key_that_no_record_has_is_named(void **state)
{
    (void)state;
#define NONE "fapilog-dump: none of the 6 records there matches\n"
#define NO_RECORD NONE "fapilog-dump: --where: no record there has "
    static const char *const cases[][2] = {
        {"mesage ~ \"x\"", NO_RECORD "'mesage'; did you mean 'message'?\n"},
        {"Level >= ERROR", NO_RECORD "'Level'; did you mean 'level'?\n"},
        {"order_idd == 2 && symbol", NO_RECORD "'order_idd'\n"}, /* only members are known without the records */
        {"xyz == 1 && !(tme > 3) || xyz == 2", NO_RECORD "'xyz'\nfapilog-dump: --where: no record there has 'tme'; "
                                               "did you mean 'time'?\n"},
        {"order_id == 99 && message ~ nowhere && symbol != \"\"", NONE}, /* some have them */
        {"\"\x1b[31m\" == 1", NO_RECORD "'\\x1b[31m'\n"},
        {"fields.pid == 99", NO_RECORD "'fields.pid'; did you mean 'pid'?\n"},
        {"service == s*", NONE "fapilog-dump: --where: == compares with 's*' as it stands; patterns take ~\n"},
    };
    struct segment_builder b;
    struct child c;
    sample("1-1.ring", &b);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(RUN(&c, "--where", cases[i][0]), 0);
        assert_int_equal(c.out_text.len, 0);
        assert_string_equal(buf_cstr(&c.err_text), cases[i][1]);
        child_done(&c);
    }
    assert_int_equal(RUN(&c, "--where", "xyz == 1 || order_id"), 0); /* an answer needs no explanation */
    assert_true(lines(&c) > 0 && c.err_text.len == 0);
    child_done(&c);
    builder_done(&b);
}

static void a_member_that_hides_a_field_of_its_name_is_named(void **state)
{
    (void)state;
#define NONE_OF_1 "fapilog-dump: none of the 1 records there matches\n"
    static const char *const cases[][2] = {
        {"thread == 3 || thread == 4", NONE_OF_1 "fapilog-dump: --where: 'thread' means the thread of the record; for "
                                                 "the field of that name write 'fields.thread'\n"},
        {"fields.thread == 4 || level == ERROR", NONE_OF_1},
        {"fields.thread == 3 && thread == worker", ""},
    };
    struct segment_builder b;
    struct child c;
    const int fd = file_new("1-1.ring");
    builder_init(&b, fd, &(struct builder_options){.lanes = 2});
    (void)close(fd);
    put_n(&b, 1, builder_site(&b, 9, "tick", 1, &(struct builder_field){FAPILOG_TYPE_U64, "thread"}), 3);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(RUN(&c, "--where", cases[i][0]), 0);
        assert_string_equal(buf_cstr(&c.err_text), cases[i][1]);
        child_done(&c);
    }
    builder_done(&b);
}

static void every_format_prints_every_record(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    sample("1-1.ring", &b);
    static const char *const formats[] = {"pretty", "json", "fapilog", "dagstack", "logfmt", "raw"};
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        assert_int_equal(RUN(&c, "--format", formats[i]), 0);
        assert_int_equal(lines(&c), 6);
        assert_non_null(strstr(buf_cstr(&c.out_text), "order accepted"));
        assert_non_null(strstr(buf_cstr(&c.out_text), "dynamic"));
        child_done(&c);
    }
    builder_done(&b);
}

static void wrong_usage_exits_2_and_says_why_on_stderr(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"--nonsense", NULL},          {"--format", "xml", NULL},
        {"--level", "LOUD", NULL},     {"--since", "tomorrow", NULL},
        {"--where", "a ==", NULL},     {"--format", NULL},
        {"--stats", "--verify", NULL}, {"--stats", "--format=fapilog", NULL},
        {"--stats", "--level=ERROR", NULL}, {"--verify", "--where=a", NULL}, {"--stats", "--since=-5m", NULL},
        {"--verify", "--until=now", NULL}, {"--stats", "--logger=a", NULL}, {"--verify", "--format=json", NULL},
        {"--last", "0", NULL}, {"--last=100001", NULL}, {"-n", "ten", NULL}, {"-n", "-5", NULL}, {"--last=", NULL},
        {"--stats", "-n5", NULL}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct child c;
        const int code = run(&c, cases[i]);
        if (code != 2)
            fail_msg("%s: exit code %d", cases[i][0], code);
        assert_int_equal(c.out_text.len, 0);
        assert_non_null(strstr(buf_cstr(&c.err_text), "fapilog-dump: "));
        child_done(&c);
    }
}

static void a_time_without_its_minus_is_told_how_to_write_it(void **state)
{
    struct child c;
    (void)state;
    assert_int_equal(RUN(&c, "--since", "5m"), 2);
    assert_non_null(strstr(buf_cstr(&c.err_text), "--since: '5m' is no time; did you mean '-5m'? Write "));
    child_done(&c);
    assert_int_equal(RUN(&c, "--until", "noon"), 2);
    assert_non_null(strstr(buf_cstr(&c.err_text), "--until: 'noon' is no time. Write "));
    child_done(&c);
}

static void help_and_version_go_to_stdout(void **state)
{
    (void)state;
    struct child c;
    assert_int_equal(RUN(&c, "--help"), 0);
    assert_int_equal(c.err_text.len, 0);
    static const char *const options[] = {"--rings",  "--follow", "--format", "--level",
                                          "--logger", "--where",  "--since",  "--until",
                                          "--stats",  "--verify", "--help",   "--version", "--last"};
    for (size_t i = 0; i < ARRAY_COUNT(options); i++)
        assert_non_null(strstr(buf_cstr(&c.out_text), options[i]));
    size_t column = 0;
    for (size_t i = 0; i < c.out_text.len; i++) {
        column = c.out_text.data[i] == '\n' ? 0 : column + 1;
        assert_true(column <= 80);
    }
    child_done(&c);
    assert_int_equal(RUN(&c, "--version"), 0);
    assert_int_equal(lines(&c), 1);
    child_done(&c);
}

static void what_is_missing_is_an_error_not_silence(void **state)
{
    (void)state;
    struct child c;
    assert_int_equal(RUN(&c, path_of("none.ring")), 1);
    assert_non_null(strstr(buf_cstr(&c.err_text), "none.ring"));
    child_done(&c);
    assert_int_equal(RUN(&c, "--rings", path_of("nodir")), 1);
    assert_non_null(strstr(buf_cstr(&c.err_text), "nodir"));
    child_done(&c);
    (void)close(file_new("junk.ring"));
    assert_int_equal(RUN(&c, path_of("junk.ring")), 1);
    assert_null(strstr(buf_cstr(&c.err_text), "it is text"));
    child_done(&c);
    const int fd = file_new("log.jsonl");
    assert_int_equal(write(fd, "{\"a\":1}\n", 8), 8);
    (void)close(fd);
    assert_int_equal(RUN(&c, path_of("log.jsonl")), 1);
    assert_non_null(strstr(buf_cstr(&c.err_text), "it is text: read it with less, grep or jq"));
    child_done(&c);
}

static void a_damaged_ring_gives_what_it_has_and_verify_tells(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    sample("1-1.ring", &b);
    assert_int_equal(RUN(&c, "--verify"), 0);
    assert_non_null(strstr(buf_cstr(&c.out_text), "good, 6 records"));
    child_done(&c);
    uint64_t word0; /* of the context record; the first event follows it */
    memcpy(&word0, builder_at(&b, 0, sizeof(struct fapilog_block)), sizeof word0);
    builder_at(&b, 0, sizeof(struct fapilog_block) + FAPILOG_WORD0_SIZE(word0))[4] ^= 0xff; /* its schema */
    assert_int_equal(RUN(&c, "--format", "json"), 0);
    assert_int_equal(lines(&c), 5);
    assert_non_null(strstr(buf_cstr(&c.err_text), "damaged"));
    child_done(&c);
    assert_int_equal(RUN(&c, "--verify"), 1);
    assert_non_null(strstr(buf_cstr(&c.out_text), "DAMAGED"));
    child_done(&c);
    b.sb->service[0] ^= 1; /* the superblock's hash is wrong now */
    assert_int_equal(RUN(&c, "--format", "json"), 0);
    assert_int_equal(lines(&c), 5);
    child_done(&c);
    b.sb->magic = 0;
    assert_int_equal(RUN(&c, "--verify"), 1);
    child_done(&c);
    builder_done(&b);
}

static void rings_that_the_collector_put_aside_are_shown_too(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    static const char *const names[] = {"1-1.bad", "2-2.dead"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        sample(names[i], &b);
        assert_int_equal(RUN(&c, "--format", "json"), 0);
        assert_int_equal(lines(&c), 6 * (i + 1));
        child_done(&c);
        builder_done(&b);
    }
}

static void one_unreadable_file_does_not_hide_the_others(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    (void)close(file_new("0-0.ring"));
    assert_int_equal(RUN(&c, "--format", "json"), 1); /* there are no others */
    assert_non_null(strstr(buf_cstr(&c.err_text), "nothing there can be read"));
    child_done(&c);
    sample("1-1.ring", &b);
    assert_int_equal(RUN(&c, "--format", "json"), 1);
    assert_int_equal(lines(&c), 6);
    assert_non_null(strstr(buf_cstr(&c.err_text), "0-0.ring"));
    assert_non_null(strstr(buf_cstr(&c.err_text), "1 files could not be read"));
    child_done(&c);
    builder_done(&b);
}

static void follow_shows_new_records_and_new_processes_until_it_is_told_to_stop(void **state)
{
    (void)state;
    struct segment_builder b, second;
    struct child c;
    const int fd = file_new("1-1.ring");
    builder_init(&b, fd, &(struct builder_options){0});
    const uint32_t site = site_n(&b);
    put_n(&b, 0, site, 1);
    child_start(&c, (const char *const[]){"--format", "json", "--follow", NULL});
    child_read(&c, "\"n\":1}");
    for (uint64_t n = 2; n < 2000; n++) /* round the ring several times */
        put_n(&b, 0, site, n);
    put_n(&b, 0, site, 777777);
    child_read(&c, "\"n\":777777}");
    sample("2-2.ring", &second);
    child_read(&c, "\"dynamic\"");
    assert_int_equal(renameat(dir_fd, "2-2.ring", dir_fd, "2-2.dead"), 0); /* delivered: not shown again */
    put_n(&b, 0, site, 888888);
    child_read(&c, "\"n\":888888}");
    put_n(&b, 0, site, 999999);
    child_read(&c, "\"n\":999999}");
    assert_int_equal(kill(c.pid, SIGTERM), 0);
    assert_int_equal(child_end(&c), 0);
    const char *first = strstr(buf_cstr(&c.out_text), "\"dynamic\"");
    assert_null(strstr(first + 1, "\"dynamic\""));
    child_done(&c);
    builder_done(&b);
    builder_done(&second);
    (void)close(fd);
}

static void follow_tells_what_it_came_too_late_for(void **state)
{
    (void)state;
    struct segment_builder b, late;
    struct child c;
    const int fd = file_new("1-1.ring"), late_fd = file_new(".2-2");
    builder_init(&b, fd, &(struct builder_options){0});
    put_n(&b, 0, site_n(&b), 1);
    builder_init(&late, late_fd, &(struct builder_options){0});
    const uint32_t site = site_n(&late);
    for (uint64_t n = 0; n < 2000; n++) /* round its ring several times */
        put_n(&late, 0, site, n);
    child_start(&c, (const char *const[]){"--format", "json", "--follow", NULL});
    child_read(&c, "\"n\":1}");
    assert_int_equal(renameat(dir_fd, ".2-2", dir_fd, "2-2.ring"), 0);
    child_read(&c, "\"n\":1999}");
    assert_int_equal(kill(c.pid, SIGTERM), 0);
    assert_int_equal(child_end(&c), 0);
    const char *first = strstr(strstr(buf_cstr(&c.out_text), "\"n\":1}") + 1, "\"n\":");
    char told[100];
    (void)snprintf(told, sizeof told, "fapilog-dump: %lu records were overwritten", strtoul(first + 4, NULL, 10));
    assert_non_null(strstr(buf_cstr(&c.err_text), told));
    child_done(&c);
    builder_done(&b);
    builder_done(&late);
    (void)close(fd);
    (void)close(late_fd);
    assert_int_equal(unlinkat(dir_fd, "1-1.ring", 0), 0);
    assert_int_equal(unlinkat(dir_fd, "2-2.ring", 0), 0);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec ts;
    assert_int_equal(clock_gettime(clock, &ts), 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void put_at(struct segment_builder *b, uint32_t lane, uint32_t site, uint64_t n, uint64_t cycles)
{
    b->cycles = cycles;
    put_n(b, lane, site, n);
}

/* A record of the future (by less than a second) waits as one does that was stamped just now; the program
 * has looked at it when it prints an old one that came after it. */
static void follow_sorts_what_two_looks_have_found(void **state)
{
    (void)state;
    const uint64_t ms = 1000000;
    for (bool is_in_time = false; !is_in_time;) {
        struct segment_builder b;
        struct child c;
        const int fd = file_new("1-1.ring");
        builder_init(&b, fd, &(struct builder_options){.lanes = 3});
        const uint64_t now = now_ns(CLOCK_MONOTONIC);
        b.sb->t0_cycles = now - 10000 * ms;
        b.sb->t0_real_ns = now_ns(CLOCK_REALTIME) - 10000 * ms;
        builder_seal(&b);
        const uint32_t site = site_n(&b);
        put_at(&b, 0, site, 3, now + 900 * ms);
        put_at(&b, 1, site, 1, now - 9000 * ms);
        child_start(&c, (const char *const[]){"--format", "json", "--follow", NULL});
        child_read(&c, "\"n\":1}");
        put_at(&b, 2, site, 2, now + 800 * ms);
        is_in_time = now_ns(CLOCK_MONOTONIC) < now + 800 * ms;
        child_read(&c, "\"n\":2}");
        child_read(&c, "\"n\":3}");
        assert_int_equal(kill(c.pid, SIGTERM), 0);
        assert_int_equal(child_end(&c), 0);
        const char *text = buf_cstr(&c.out_text);
        if (is_in_time)
            assert_true(strstr(text, "\"n\":2}") < strstr(text, "\"n\":3}"));
        child_done(&c);
        builder_done(&b);
        (void)close(fd);
        assert_int_equal(unlinkat(dir_fd, "1-1.ring", 0), 0);
    }
}

static void what_follow_holds_back_is_shown_at_the_end(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    const int fd = file_new("1-1.ring");
    builder_init(&b, fd, &(struct builder_options){.lanes = 2});
    const uint64_t now = now_ns(CLOCK_MONOTONIC), ms = 1000000;
    b.sb->t0_cycles = now - 10000 * ms;
    b.sb->t0_real_ns = now_ns(CLOCK_REALTIME) - 10000 * ms;
    builder_seal(&b);
    const uint32_t site = site_n(&b);
    put_at(&b, 0, site, 2, now + 900 * ms);
    put_at(&b, 0, site, 3, now + 901 * ms);
    put_at(&b, 1, site, 1, now - 9000 * ms);
    child_start(&c, (const char *const[]){"--format", "json", "--follow", NULL});
    child_read(&c, "\"n\":1}");
    assert_int_equal(kill(c.pid, SIGTERM), 0);
    assert_int_equal(child_end(&c), 0);
    assert_non_null(strstr(buf_cstr(&c.out_text), "\"n\":3}"));
    child_done(&c);
    builder_done(&b);
    (void)close(fd);
}

static void output_that_nobody_reads_ends_the_program_quietly(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    const int fd = file_new("1-1.ring");
    builder_init(&b, fd, &(struct builder_options){.cap_log2 = 20});
    const uint32_t site = site_n(&b);
    for (uint64_t n = 0; n < 30000; n++)
        put_n(&b, 0, site, n);
    child_start(&c, (const char *const[]){"--format", "json", NULL});
    (void)close(c.out);
    c.out = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(child_end(&c), 0);
    assert_int_equal(c.err_text.len, 0);
    child_done(&c);
    builder_done(&b);
    (void)close(fd);
}

static void stats_tell_states_counts_and_drops(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    const int fd = file_new("1-1.ring");
    builder_init(&b, fd, &(struct builder_options){.lanes = 2});
    const uint32_t site = site_n(&b);
    for (uint64_t n = 0; n < 500; n++) {
        b.cycles = 1000000000 + n * 1000000; /* one a millisecond */
        put_n(&b, 1, site, n);
    }
    builder_lane(&b, 1)->dropped = 12;
    builder_lane(&b, 1)->dropped_cycles = b.cycles + 249000000;
    builder_slot(&b, 1)->head = 8192;
    builder_slot(&b, 1)->done = 8192 + 72;
    assert_int_equal(RUN(&c, "--stats", "--format", "json"), 0);
    assert_int_equal(lines(&c), 1);
    const char *out = buf_cstr(&c.out_text);
    char want[64];
    assert_non_null(strstr(out, "\"state\":\"dead\""));
    assert_non_null(strstr(out, "\"records\":500,"));
    assert_non_null(strstr(out, "\"dropped\":12,"));
    assert_non_null(strstr(out, "\"thread\":\"worker\""));
    assert_non_null(strstr(out, "\"from\":\"2023-11-14T22:13:20.000Z\",\"to\":\"2023-11-14T22:13:20.499Z\""));
    assert_non_null(strstr(out, "\"oldest_undelivered\":\"2023-11-14T22:13:20.337Z\""));
    assert_non_null(strstr(out, "\"last_drop\":\"2023-11-14T22:13:20.748Z\""));
    (void)snprintf(want, sizeof want, "\"fill\":%llu,", (unsigned long long)(b.lanes[1].pos - 8192));
    assert_non_null(strstr(out, want));
    (void)snprintf(want, sizeof want, "\"lag\":%llu,", (unsigned long long)(b.lanes[1].pos - 8192 - 72));
    assert_non_null(strstr(out, want));
    child_done(&c);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    assert_int_equal(RUN(&c, "--stats"), 0);
    assert_non_null(strstr(buf_cstr(&c.out_text), "alive"));
    (void)snprintf(want, sizeof want, " 12 dropped, %llu bytes waiting\n",
                   (unsigned long long)(b.lanes[1].pos - 8192 - 72));
    assert_non_null(strstr(buf_cstr(&c.out_text), want)); /* what is delivered does not wait */
    assert_non_null(strstr(buf_cstr(&c.out_text), "records from 2023-11-14T22:13:20.000Z to 2023-11-14T22:13:20.499Z"));
    assert_null(strstr(buf_cstr(&c.out_text), "processes")); /* there is one */
    child_done(&c);
    b.sb->state = FAPILOG_STATE_CLEAN;
    assert_int_equal(RUN(&c, "--stats"), 0);
    assert_non_null(strstr(buf_cstr(&c.out_text), "clean"));
    child_done(&c);
    builder_done(&b);
    (void)close(fd);
}

static void stats_of_many_end_with_whom_to_look_at(void **state)
{
    (void)state;
    struct segment_builder b[3];
    struct child c;
    for (uint32_t i = 0; i < 3; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%u-1.ring", i);
        const int fd = file_new(name);
        builder_init(&b[i], fd, &(struct builder_options){.lanes = 1});
        (void)close(fd);
        b[i].sb->pid = 100 + i;
        builder_seal(&b[i]);
        b[i].cycles = 1000000000 - i * UINT64_C(1000000); /* the last one's is the oldest */
        put_n(&b[i], 0, site_n(&b[i]), 1);
        builder_lane(&b[i], 0)->dropped = i == 1 ? 7 : i;
    }
    assert_int_equal(RUN(&c, "--stats"), 0);
    assert_non_null(strstr(buf_cstr(&c.out_text), "\n3 processes, 0 alive, 3 without a collector: 3 records, "));
    assert_non_null(strstr(buf_cstr(&c.out_text), ", 9 dropped, most by svc pid 101; "));
    assert_non_null(strstr(buf_cstr(&c.out_text), "longest those of svc pid 102 ("));
    child_done(&c);
    for (int i = 0; i < 3; i++)
        builder_done(&b[i]);
}

static void assert_harmless(const struct buf *text)
{
    assert_null(memchr(text->data, 0x1b, text->len));
    assert_null(memchr(text->data, 0x07, text->len));
}

/* Nor those of the files, which another user may have chosen. */
static void names_from_a_ring_cannot_steer_the_terminal(void **state)
{
    (void)state;
    struct segment_builder b;
    struct child c;
    sample("\x1b]0;good\x07-1.ring", &b);
    (void)close(file_new("\x1b[2Junreadable.ring"));
    (void)snprintf(b.sb->service, sizeof b.sb->service, "\x1b[2Jevil\n");
    (void)snprintf(builder_lane(&b, 0)->thread, 32, "\x1b]0;x\x07");
    builder_seal(&b);
    static const char *const modes[] = {"--stats", "--format=pretty", "--format=raw", "--verify"};
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        assert_int_equal(RUN(&c, modes[i]), 1); /* one of the files is unreadable */
        assert_non_null(strstr(buf_cstr(&c.err_text), "unreadable"));
        assert_harmless(&c.out_text);
        assert_harmless(&c.err_text);
        child_done(&c);
    }
    builder_done(&b);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    program = argv[1];
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(the_ring_directory_and_single_files_are_read_alike), T(what_is_named_twice_is_read_once),
        T(nothing_is_written_to_a_ring),
        T(records_of_all_lanes_and_processes_come_in_order_of_time), T(filters_leave_what_they_name),
        T(last_shows_the_youngest_of_what_is_selected), T(pretty_lines_of_several_processes_say_whose_they_are),
        T(an_empty_answer_says_why), T(a_key_that_no_record_has_is_named),
        T(a_member_that_hides_a_field_of_its_name_is_named),
        T(every_format_prints_every_record), T(wrong_usage_exits_2_and_says_why_on_stderr),
        T(a_time_without_its_minus_is_told_how_to_write_it), T(help_and_version_go_to_stdout),
        T(what_is_missing_is_an_error_not_silence),
        T(a_damaged_ring_gives_what_it_has_and_verify_tells), T(one_unreadable_file_does_not_hide_the_others),
        T(rings_that_the_collector_put_aside_are_shown_too),
        T(follow_shows_new_records_and_new_processes_until_it_is_told_to_stop),
        T(follow_tells_what_it_came_too_late_for), T(follow_sorts_what_two_looks_have_found),
        T(what_follow_holds_back_is_shown_at_the_end),
        T(output_that_nobody_reads_ends_the_program_quietly), T(stats_tell_states_counts_and_drops),
        T(stats_of_many_end_with_whom_to_look_at),
        T(names_from_a_ring_cannot_steer_the_terminal),
    };
    return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
