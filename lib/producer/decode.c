/* Reads back a record that this process has just written into scratch memory. The bytes are our own, so
 * they are not bounded as a reader of a ring must. */
#include "lib/producer/internal.h"

#include <string.h>

static size_t decode_extensions(const struct scratch *s, struct decoded *ret)
{
    const uint32_t flags = FAPILOG_WORD0_FLAGS(s->call.word0);
    size_t at = 0;
    if (flags & FAPILOG_FLAG_EXT) {
        struct fapilog_ext ext;
        memcpy(&ext, s->payload, sizeof ext);
        ret->logger = ext.logger;
        ret->context_epoch = ext.epoch;
        at += 8;
    }
    if (flags & FAPILOG_FLAG_TID) {
        memcpy(&ret->tid, s->payload + at, 4);
        at += 8;
    }
    if (flags & FAPILOG_FLAG_CONTEXT) {
        uint32_t head[2];
        memcpy(head, s->payload + at, 8);
        ret->context = s->payload + at + 8;
        ret->context_count = head[1];
        at += 8 + align_up(head[0], 8);
    }
    return at;
}

static void decode_event(const uint8_t *args, uint32_t id, struct decoded *ret)
{
    const uint8_t *entry = process.registry + (uint64_t)id * 8;
    ret->site = (const struct fapilog_site_entry *)entry;
    ret->fields_count = ret->site->fields_count;
    const uint8_t *kinds = entry + sizeof *ret->site;
    const char *texts = (const char *)kinds + 2u * ret->fields_count;
    ret->message = (struct fapilog_text){texts, ret->site->message_len};
    texts += ret->site->message_len + ret->site->file_len + ret->site->function_len + 3;
    size_t at = 0;
    for (uint32_t i = 0; i < ret->fields_count; i++) {
        struct fapilog_field *f = &ret->fields[i];
        memset(f, 0, sizeof *f);
        f->type = kinds[2 * i];
        f->name = (struct fapilog_text){texts, kinds[2 * i + 1]};
        texts += kinds[2 * i + 1] + 1;
        at = fapilogi_value_get(args, at, f);
    }
}

static void decode_dynamic(const uint8_t *args, uint32_t source, struct decoded *ret)
{
    struct fapilog_dynamic head;
    memcpy(&head, args, sizeof head);
    ret->source = source ? (const struct fapilog_site_entry *)(process.registry + (uint64_t)source * 8) : NULL;
    ret->message = (struct fapilog_text){(const char *)args + sizeof head, head.message_bytes};
    ret->fields_count = head.fields_count;
    const uint8_t *list = args + align_up(sizeof head + head.message_bytes, 8);
    size_t at = 0;
    for (uint32_t i = 0; i < head.fields_count; i++)
        at = fapilogi_list_get(list, at, &ret->fields[i]);
}

void fapilogi_decode(const struct scratch *s, struct decoded *ret)
{
    *ret = (struct decoded){0};
    ret->args_at = decode_extensions(s, ret);
    const uint32_t schema = FAPILOG_WORD0_SCHEMA(s->call.word0);
    if (FAPILOG_WORD0_KIND(s->call.word0) == FAPILOG_KIND_EVENT)
        decode_event(s->payload + ret->args_at, schema, ret);
    else
        decode_dynamic(s->payload + ret->args_at, schema, ret);
}
