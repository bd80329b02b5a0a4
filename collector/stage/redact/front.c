#include "collector/stage/redact/front.h"

#include <errno.h>
#include <string.h>

const struct opt_word redact_fail_modes[] = {
    {"open", STAGE_FAIL_OPEN}, {"warn", STAGE_FAIL_WARN}, {"closed", STAGE_FAIL_CLOSED}, {NULL, 0}};
const struct opt_word redact_guardrails[] = {
    {"replace_subtree", GUARDRAIL_REPLACE}, {"warn", GUARDRAIL_WARN}, {"drop", GUARDRAIL_DROP}, {NULL, 0}};

int redact_front_check(const void *cfg, const struct redact_common *c, redact_build_fn *build, struct err *e)
{
    struct redact_setup setup = {.max_string = OPT_UNSET};
    int r = redact_check_mask("mask", c->mask, e);
    if (r == 0)
        r = build(cfg, &setup, e);
    redact_setup_free(&setup);
    return r;
}

int redact_front_open(struct stage *s, const struct redact_common *c, redact_build_fn *build, struct err *e)
{
    struct redact_front_state *const st = s->state;
    struct redact_setup setup = {.max_string = OPT_UNSET};
    const int r = build(s->cfg, &setup, e);
    if (r < 0) {
        redact_setup_free(&setup);
        return r;
    }
    return redactor_new(s, c, &setup, &st->redactor, e);
}

enum stage_verdict redact_front_run(struct stage *s, struct stage_record *sr)
{
    const struct redact_front_state *const st = s->state;
    return redactor_run(st->redactor, sr);
}

void redact_front_close(struct stage *s)
{
    struct redact_front_state *const st = s->state;
    redactor_free(st->redactor);
    st->redactor = NULL;
}

int redact_add_names(struct names *n, const struct opt_list *list, enum name_action action, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; i < list->count && r == 0; i++)
        r = names_add(n, list->item[i], action, e);
    return r;
}

int redact_add_patterns(struct names *n, const struct opt_list *list, bool is_unsafe, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; i < list->count && r == 0; i++)
        r = names_add_pattern(n, list->item[i], NAMES_PATTERN_WHOLE, is_unsafe, e);
    return r;
}

int redact_add_values(struct values *v, const struct opt_list *list, bool is_unsafe, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; i < list->count && r == 0; i++)
        r = values_add_pattern(v, list->item[i], is_unsafe, e);
    return r;
}

int redact_take_kinds(const char *name, const struct opt_list *list, unsigned *ret, struct err *e)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const bool is_all = strcmp(list->item[i], "all") == 0;
        const unsigned kind = is_all ? VALUE_ASSIGNMENT - 1u : value_kind_of(list->item[i]);
        if (!kind)
            return err_set(e, -EINVAL, "%s: '%.100s' is not one of all, %s", name, list->item[i], value_kind_names);
        *ret |= kind;
    }
    return 0;
}
