/* Lines and NDJSON of fapilog-cat. */
#include "tools/cat/lines.h"
#include "tools/cat/ndjson.h"

#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

static int file_with(const char *data, size_t len)
{
    const int fd = memfd_create("lines", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Whether all that was written into the pipe has been taken, within ten seconds. */
static bool wait_until_read(int fd)
{
    int left = 1;
    for (int i = 0; i < 10000 && ioctl(fd, FIONREAD, &left) == 0 && left; i++)
        (void)poll(NULL, 0, 1);
    return left == 0;
}

/* Joins the lines as "<length>[!]:<text>;" so that one string shows what was handed out. */
static void expect_lines(const char *data, size_t len, size_t line_max, const char *expected)
{
    struct lines lines;
    struct line line;
    char seen[512] = "";
    auto_fd fd = file_with(data, len);

    assert_int_equal(lines_init(&lines, fd, -1, line_max), 0);
    while (lines_next(&lines, &line) > 0) {
        const size_t used = strlen(seen);
        (void)snprintf(seen + used, sizeof seen - used, "%zu%s:%.*s;", line.len, line.is_cut ? "!" : "", (int)line.len,
                       line.data);
    }
    lines_done(&lines);
    assert_string_equal(seen, expected);
}

static void every_line_is_handed_out_empty_ones_too(void **state)
{
    (void)state;
    expect_lines("", 0, 10, "");
    expect_lines("\n", 1, 10, "0:;");
    expect_lines("a\n\nbc\n", 6, 10, "1:a;0:;2:bc;");
}

static void a_last_line_without_line_feed_counts(void **state)
{
    (void)state;
    expect_lines("a\nb", 3, 10, "1:a;1:b;");
}

static void a_line_at_the_limit_is_whole_and_one_byte_more_is_cut(void **state)
{
    (void)state;
    expect_lines("abcd\nx\n", 7, 4, "4:abcd;1:x;");
    expect_lines("abcde\nx\n", 8, 4, "4!:abcd;1:x;");
    expect_lines("abcde", 5, 4, "4!:abcd;");
    expect_lines("abcd", 4, 4, "4:abcd;");
}

static void a_carriage_return_in_front_of_a_line_feed_is_no_part_of_the_line(void **state)
{
    (void)state;
    expect_lines("a\r\n\r\n\r\r\nb\rc\r\n", 13, 10, "1:a;0:;1:\r;3:b\rc;");
    expect_lines("a\r", 2, 10, "2:a\r;"); /* no line feed came */
    expect_lines("abcd\r\nx\r\n", 9, 4, "4:abcd;1:x;");
    expect_lines("abcde\r\nx\r\n", 10, 4, "4!:abcd;1:x;");
    expect_lines("abcd\r", 5, 4, "4!:abcd;");
}

static void a_carriage_return_waits_for_its_line_feed(void **state)
{
    (void)state;
    struct lines lines;
    struct line line;
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    assert_int_equal(lines_init(&lines, p[0], -1, 4), 0);
    assert_int_equal(write(p[1], "abcd\r", 5), 5);
    const pid_t child = fork();
    if (child == 0)
        _exit(wait_until_read(p[0]) && write(p[1], "\nx\n", 3) == 3 ? 0 : 1);
    assert_int_equal(close(p[1]), 0);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_int_equal(line.len, 4);
    assert_false(line.is_cut);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_int_equal(line.len, 1);
    assert_int_equal(lines_next(&lines, &line), 0);
    lines_done(&lines);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(p[0]);
}

static void lines_longer_than_one_read_arrive_whole(void **state)
{
    (void)state;
    const size_t len = (3u << 20) + 17;
    auto_free char *data = malloc(len + 2);
    struct lines lines;
    struct line line;

    assert_non_null(data);
    memset(data, 'x', len);
    data[len] = '\n';
    data[len + 1] = 'y';
    auto_fd fd = file_with(data, len + 2);
    assert_int_equal(lines_init(&lines, fd, -1, 4u << 20), 0);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_int_equal(line.len, len);
    assert_false(line.is_cut);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_int_equal(line.len, 1);
    assert_int_equal(lines_next(&lines, &line), 0);
    lines_done(&lines);

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(lines_init(&lines, fd, -1, 1000), 0);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_int_equal(line.len, 1000);
    assert_true(line.is_cut);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_int_equal(line.len, 1);
    assert_int_equal(lines.cut, 1);
    lines_done(&lines);
}

static void a_descriptor_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct lines lines;
    struct line line;
    auto_fd fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(lines_init(&lines, fd, -1, 10), 0);
    assert_int_equal(lines_next(&lines, &line), -EISDIR);
    lines_done(&lines);
}

static const struct fapilog_field *field(const struct ndjson *n, const char *name)
{
    for (uint32_t i = 0; i < n->fields_count; i++) {
        if (n->fields[i].name.len == strlen(name) && memcmp(n->fields[i].name.data, name, strlen(name)) == 0)
            return &n->fields[i];
    }
    return NULL;
}

static int parse(struct ndjson *n, const char *line, struct err *e)
{
    return ndjson_parse(n, line, strlen(line), e);
}

static void members_keep_their_types(void **state)
{
    (void)state;
    struct ndjson n = {0};

    assert_int_equal(parse(&n, "{\"msg\":\"hi\",\"level\":\"warn\",\"i\":9007199254740993,\"d\":0.5,\"t\":true,"
                               "\"z\":null,\"s\":\"x\",\"m\":{\"a\":[1,2]}}", NULL), 0);
    assert_memory_equal(n.message.data, "hi", 2);
    assert_int_equal(n.level, FAPILOG_LEVEL_WARNING);
    assert_int_equal(n.fields_count, 6);
    assert_int_equal(field(&n, "i")->v.i64, 9007199254740993);
    assert_true(field(&n, "d")->v.f64 == 0.5);
    assert_int_equal(field(&n, "t")->type, FAPILOG_TYPE_BOOL);
    assert_int_equal(field(&n, "z")->type, FAPILOG_TYPE_NULL);
    assert_memory_equal(field(&n, "s")->v.data, "x", 1);
    assert_int_equal(field(&n, "m")->type, FAPILOG_TYPE_JSON);
    assert_string_equal(field(&n, "m")->v.data, "{\"a\":[1,2]}");
    ndjson_clear(&n);
}

static void an_unknown_level_stays_a_field(void **state)
{
    (void)state;
    struct ndjson n = {0};

    assert_int_equal(parse(&n, "{\"level\":\"chatty\",\"message\":7}", NULL), 0);
    assert_int_equal(n.level, 0);
    assert_memory_equal(field(&n, "level")->v.data, "chatty", 6);
    assert_int_equal(field(&n, "message")->v.i64, 7);
    ndjson_clear(&n);
}

static void members_beyond_the_limit_are_kept_together(void **state)
{
    (void)state;
    for (int members = FAPILOG_FIELDS_MAX - 1; members <= FAPILOG_FIELDS_MAX + 2; members++) {
        struct ndjson n = {0};
        char line[2048] = "{";
        for (int i = 0; i < members; i++) {
            const size_t used = strlen(line);
            (void)snprintf(line + used, sizeof line - used, "%s\"k%d\":%d", i ? "," : "", i, i);
        }
        strncat(line, "}", sizeof line - strlen(line) - 1);
        assert_int_equal(parse(&n, line, NULL), 0);
        const bool has_rest = members > FAPILOG_FIELDS_MAX - 1;
        assert_int_equal(n.fields_count, has_rest ? FAPILOG_FIELDS_MAX : members);
        assert_int_equal(field(&n, "_rest") != NULL, has_rest);
        if (members == FAPILOG_FIELDS_MAX + 1)
            assert_string_equal(field(&n, "_rest")->v.data, "{\"k63\":63,\"k64\":64}");
        ndjson_clear(&n);
    }
}

static void what_is_no_object_is_refused_with_its_place(void **state)
{
    (void)state;
    struct ndjson n = {0};
    struct err e = {0};

    assert_int_equal(parse(&n, "{\"a\":", &e), -EINVAL);
    assert_non_null(strstr(e.text, "not JSON"));
    assert_int_equal(parse(&n, "[1]", &e), -EINVAL);
    assert_non_null(strstr(e.text, "not an object"));
    assert_int_equal(parse(&n, "{} x", &e), -EINVAL);
    ndjson_clear(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_handed_out_empty_ones_too),
        cmocka_unit_test(a_last_line_without_line_feed_counts),
        cmocka_unit_test(a_line_at_the_limit_is_whole_and_one_byte_more_is_cut),
        cmocka_unit_test(a_carriage_return_in_front_of_a_line_feed_is_no_part_of_the_line),
        cmocka_unit_test(a_carriage_return_waits_for_its_line_feed),
        cmocka_unit_test(lines_longer_than_one_read_arrive_whole),
        cmocka_unit_test(a_descriptor_that_cannot_be_read_is_an_error),
        cmocka_unit_test(members_keep_their_types),
        cmocka_unit_test(an_unknown_level_stays_a_field),
        cmocka_unit_test(members_beyond_the_limit_are_kept_together),
        cmocka_unit_test(what_is_no_object_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
