/* fapilog-collector: the program; everything it does is in libcollector. */
#include "collector/config/generate.h"
#include "collector/daemon/check.h"
#include "collector/daemon/daemon.h"
#include "collector/daemon/hide_args.h"
#include "collector/daemon/replay.h"
#include "collector/daemon/report.h"
#include "collector/daemon/say.h"
#include "lib/base/fault.h"
#include "lib/base/stdio_keep.h"

#include <errno.h>
#include <stdlib.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int complain(const struct err *e, int status)
{
    say_line(stderr, e->text);
    return status;
}

static int run(const struct options *o)
{
    struct err e = { 0 }, close_error = { 0 };
    struct daemon *d = calloc(1, sizeof *d);
    if (!d) {
        (void)err_set(&e, -ENOMEM, "out of memory");
        return complain(&e, EXIT_FAILED);
    }
    int r = daemon_open(d, o, &e);
    if (r < 0) {
        (void)complain(&e, EXIT_FAILED);
    } else {
        r = daemon_run(d, &e);
        if (o->verbose || !report_is_clean(d))
            report_write(d, stderr);
        if (r < 0)
            say_line(stderr, e.text); /* with what a server has answered in it */
    }
    const int closed = daemon_close(d, &close_error);
    if (closed < 0)
        (void)complain(&close_error, EXIT_FAILED);
    if (closed != -EBUSY)
        free(d);
    return r < 0 || closed < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* --help, --schema and --sample tell of plug-ins, too, as far as the configuration so far names any. */
static void load_plugins(const struct options *o)
{
    struct err e = { 0 };
    const int r = config_load_plugins(&o->args, &e);
    if (r == 0)
        return;
    (void)err_wrap(&e, r, "shown without plug-ins");
    say_lines(stderr, e.text);
}

int main(int argc, char **argv)
{
    struct err e = { 0 };
    struct options o;
    const char *topic;
    int status = stdio_keep() < 0 ? EXIT_FAILED : EXIT_DONE;
    if (status != EXIT_DONE)
        return status;
    if (fault_init() < 0) {
        (void)err_set(&e, -EINVAL, "FAPILOG_FAULT: must be NAME:COUNT");
        return complain(&e, EXIT_USAGE);
    }
    switch (options_parse(&o, argc, argv, &topic, &e)) {
    case OPTIONS_HELP:
        load_plugins(&o);
        options_help(stdout);
        break;
    case OPTIONS_HELP_TOPIC:
        load_plugins(&o);
        if (options_help_topic(stdout, topic, &e) < 0)
            status = complain(&e, EXIT_USAGE);
        break;
    case OPTIONS_VERSION:
        (void)puts("fapilog-collector " FAPILOG_VERSION);
        break;
    case OPTIONS_SCHEMA:
        load_plugins(&o);
        generate_schema(stdout);
        break;
    case OPTIONS_SAMPLE:
        load_plugins(&o);
        generate_sample(stdout);
        break;
    case OPTIONS_RUN:
        if (hide_args(&o.args, &e) < 0) {
            status = complain(&e, EXIT_FAILED);
            break;
        }
        o.args.enter = privileges_enter;
        o.args.enter_arg = &o.privileges;
        o.privileges.is_trial = o.check;
        o.privileges.makes_dirs = !o.check && !o.replay;
        if (o.replay)
            status = replay_run(&o, o.check ? stdout : stderr, &e) < 0 ? complain(&e, EXIT_FAILED) : EXIT_DONE;
        else if (!o.check)
            status = run(&o);
        else if (check_write(&o, stdout, &e) < 0)
            status = complain(&e, EXIT_FAILED);
        hide_args_done(&o.args);
        break;
    default:
        status = complain(&e, EXIT_USAGE);
        (void)fputs("Try 'fapilog-collector --help'.\n", stderr);
        break;
    }
    errno = 0;
    if (status == EXIT_DONE && (fflush(stdout) != 0 || ferror(stdout))) {
        (void)err_sys(&e, errno ? -errno : -EIO, "write to stdout");
        status = complain(&e, EXIT_FAILED);
    }
    return status;
}
