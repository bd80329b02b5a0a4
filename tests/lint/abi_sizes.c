/* Compiled by headers.sh. Programs and plug-ins that were built against these structures run with later libraries and
 * collectors: what is listed here stays. What may grow at its end (docs/compatibility.md says which) gets a new row for
 * its new last member and a new size; anything else needs another soversion, or another FAPILOG_PLUGIN_MAJOR. */
#include <fapilog/fapilog.h>
#include <fapilog/plugin.h>

#define LAYOUT(type, member, offset, size) \
    FAPILOG_STATIC_ASSERT(sizeof(void *) != 8 || (offsetof(struct type, member) == (offset) && \
                                                  sizeof(struct type) == (size)), #type " is another one")

/* ---- filled in by programs, or by the library for them */
LAYOUT(fapilog_options, registry_bytes, 56, 64);
LAYOUT(fapilog_flush_report, failing, 16, 2064);
LAYOUT(fapilog_counters, reserved, 64, 128);
LAYOUT(fapilog_scope, clears, 20, 24);
LAYOUT(fapilog_text, len, 8, 16);
LAYOUT(fapilog_field, v, 24, 32);
LAYOUT(fapilog_location, reserved, 36, 40);
LAYOUT(fapilog_site, cache, 80, 336);
LAYOUT(fapilog_logger_info, cache, 56, 312);
LAYOUT(fapilog_process_info, cache, 120, 376);
LAYOUT(fapilog_context_info, fields_count, 16, 24);
LAYOUT(fapilog_record_id, position, 24, 32);
LAYOUT(fapilog_record, source, 152, 160);

/* ---- compiled into programs by the macros */
LAYOUT(fapilogi_logger, ext, 8, 16);
LAYOUT(fapilogi_field_desc, type, 8, 16);
LAYOUT(fapilog_site_desc, reserved, 48, 56);
LAYOUT(fapilogi_lane, count, 56, 64);
LAYOUT(fapilogi_module, linked, 24, 32);
LAYOUT(fapilogi_ptext, hex, 12, 32);
LAYOUT(fapilogi_limit, suppressed, 8, 16);

/* ---- plug-ins */
LAYOUT(fapilog_error, text, 0, 512);
LAYOUT(fapilog_option, reserved, 60, 64);
LAYOUT(fapilog_host, emit, 88, 96);
LAYOUT(fapilog_sink, state, 32, 40);
LAYOUT(fapilog_entry, id, 24, 56);
LAYOUT(fapilog_request, work, 32, 40);
LAYOUT(fapilog_result, reason, 48, 56);
LAYOUT(fapilog_sink_kind, close, 88, 96);
LAYOUT(fapilog_stage, state, 32, 40);
LAYOUT(fapilog_stage_kind, tick, 72, 80);
LAYOUT(fapilog_format, state, 16, 24);
LAYOUT(fapilog_format_kind, close, 64, 72);
LAYOUT(fapilog_plugin, formats, 40, 48);
