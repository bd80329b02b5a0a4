#include "collector/daemon/diagnostics.h"

#include "collector/daemon/quiet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "sink NAME: ..." of the pipeline, "NAME: ..." of a sink's engine. */
static const char *sink_of(const struct daemon *d, const char *text)
{
    static const char prefix[] = "sink ";
    const char *from = strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text;
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++) {
        const char *name = d->pipeline.target[i].sink->common.name;
        const size_t len = strlen(name);
        if (strncmp(from, name, len) == 0 && from[len] == ':')
            return name;
    }
    return NULL;
}

bool diagnostics_want_records(const struct config *c)
{
    return c->settings.diagnostics == DIAGNOSTICS_RECORDS || c->settings.diagnostics == DIAGNOSTICS_BOTH;
}

void daemon_tell(struct daemon *d, uint8_t level, const char *text)
{
    const uint32_t to = d->config.settings.diagnostics;
    if (to == DIAGNOSTICS_STDERR || to == DIAGNOSTICS_BOTH)
        (void)fprintf(stderr, "fapilog-collector: %s\n", text);
    if (d->notes && diagnostics_want_records(&d->config))
        notes_add(d->notes, level, text, sink_of(d, text));
}

static void on_warning(void *arg, const char *text)
{
    daemon_tell(arg, FAPILOG_LEVEL_WARNING, text);
}

void daemon_say(struct daemon *d, const char *text)
{
    quiet_say(d->quiet, clock_mono_ns(), text);
    d->quiet_at_ns = quiet_deadline(d->quiet);
}

int diagnostics_open(struct daemon *d, struct err *e)
{
    d->quiet = calloc(1, sizeof *d->quiet);
    if (!d->quiet || notes_new(&d->notes) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    d->quiet->say = on_warning;
    d->quiet->arg = d;
    d->pipeline.notes = d->notes;
    return 0;
}

void diagnostics_choose_sinks(struct daemon *d)
{
    const struct opt_list *names = &d->config.settings.diagnostics_sinks;
    d->notes->sinks = 0;
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++) {
        const struct target *t = &d->pipeline.target[i];
        bool is_one = !names->count && !t->remote;
        for (uint32_t k = 0; k < names->count; k++)
            is_one |= strcmp(names->item[k], t->sink->common.name) == 0;
        if (is_one)
            d->notes->sinks |= t->bit;
    }
}

void diagnostics_run(struct daemon *d, uint64_t now_ns)
{
    if (now_ns < d->quiet_at_ns)
        return;
    quiet_run(d->quiet, now_ns);
    d->quiet_at_ns = quiet_deadline(d->quiet);
}

uint64_t diagnostics_deadline(const struct daemon *d)
{
    return d->quiet_at_ns;
}

void diagnostics_close(struct daemon *d)
{
    if (d->quiet)
        quiet_run(d->quiet, UINT64_MAX);
    free(d->quiet);
    notes_free(d->notes);
    d->quiet = NULL;
    d->notes = NULL;
}
