#include "collector/format/parts.h"

struct fapilog_text parts_service(const struct fapilog_record *r)
{
    if (r->logger && r->logger->service.len > 0)
        return r->logger->service;
    return r->process ? r->process->service : (struct fapilog_text){"", 0};
}

void parts_member(struct build *b, const char *key, size_t key_len, struct fapilog_text value)
{
    if (value.len == 0)
        return;
    build_bytes(b, key, key_len);
    build_quoted(b, value);
    build_lit(b, ",");
}

static void put_key(struct build *b, struct fapilog_text key)
{
    build_bytes(b, key.data, key.len);
}

void parts_flat_text(struct build *b, const struct parts_flat *flat, struct fapilog_text key,
                     struct fapilog_text value)
{
    if (key.len == 0 || value.len == 0)
        return;
    put_key(b, key);
    flat->put(b, value);
}

void parts_flat_process(struct build *b, const struct parts_flat *flat)
{
    const struct fapilog_process_info *const p = b->r->process;
    parts_flat_text(b, flat, flat->service, parts_service(b->r));
    if (!p)
        return;
    put_key(b, flat->pid);
    build_u64(b, p->pid);
    parts_flat_text(b, flat, flat->env, p->env);
    parts_flat_text(b, flat, flat->version, p->version);
}

void parts_flat_notes(struct build *b, const struct parts_flat *flat)
{
    const struct fapilog_site *const source = fapilog_record_source(b->r);
    if (b->f->cfg.source && source && source->file.len > 0) {
        parts_flat_text(b, flat, flat->file, source->file);
        put_key(b, flat->line);
        build_u64(b, source->line);
        parts_flat_text(b, flat, flat->function, source->function);
    }
    if (b->variant & PLAN_VARIANT_LOST) {
        put_key(b, flat->context_lost);
        build_lit(b, "true");
    }
    if (b->variant & PLAN_VARIANT_TRUNCATED) {
        put_key(b, flat->truncated);
        build_lit(b, "true");
    }
    if (b->g->cut > 0) {
        put_key(b, flat->fields_cut);
        build_u64(b, b->g->cut);
    }
}

bool parts_flat_is_own(const struct parts_flat *flat, struct fapilog_text name)
{
    while (name.len > 0 && name.data[name.len - 1] == '_')
        name.len--;
    for (unsigned i = 0; i < flat->own_count; i++) {
        if (name.len == flat->own[i].len && memcmp(name.data, flat->own[i].data, name.len) == 0)
            return true;
    }
    return false;
}
