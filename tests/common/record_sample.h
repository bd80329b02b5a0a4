/* record_sample.h - records of every shape, for tests that run over all formats. */
#ifndef TESTS_COMMON_RECORD_SAMPLE_H
#define TESTS_COMMON_RECORD_SAMPLE_H

#include <fapilog/reader.h>

enum {
    SAMPLE_SIMPLE,          /* a call site with int, int, double */
    SAMPLE_EMPTY,           /* dynamic, no message, no fields, nobody known */
    SAMPLE_TYPES,           /* one field of each type, dynamic */
    SAMPLE_TYPES_SITE,      /* the same from a call site */
    SAMPLE_LAYERS,          /* the same names bound to logger and context and given in the call */
    SAMPLE_LOST,            /* context lost, text truncated */
    SAMPLE_FIELDS_MAX,      /* 64 fields */
    SAMPLE_HOSTILE,         /* doubtful text in every place */
    SAMPLE_HUGE,            /* long text, nearly all of it to be escaped */
    SAMPLE_PRINTF,
    SAMPLE_PRINTF_HOSTILE,
    SAMPLE_INTERNAL,        /* made by the collector */
    SAMPLE_JSON,            /* JSON fields: good, unsorted, deep, broken */
    SAMPLE_STACK,
    SAMPLE_AUDIT,
    SAMPLE_SECURITY,
    SAMPLE_TOO_MANY,        /* more fields than a format takes */
    SAMPLE_IDS,             /* trace and span id as bytes, flags set */
    SAMPLE_IDS_TEXT,        /* as text of 32 and 16 digits */
    SAMPLE_IDS_BAD,         /* zero, or no hexadecimal */
    SAMPLE_NUMBERS,         /* doubles where layouts differ, NaN, infinities, 64-bit edges */
    SAMPLE_TAKEN_NAMES,     /* fields named like the formats' own members */
    SAMPLE_LONG_BOUND,      /* more bound to the logger than a plan holds */
    SAMPLE_UTF16,           /* names whose order differs between bytes and UTF-16 */
    SAMPLE_EXCEPTION,       /* error.* fields, with a stack */
    SAMPLE_ENVELOPE,        /* tags, and data that is a map */
    SAMPLE_ENVELOPE_HOSTILE, /* the same names with doubtful values */
    SAMPLE_COUNT,
};

enum { SAMPLE_FIELDS_MAX_ = 700, SAMPLE_TEXT_MAX = 1 << 20 };

struct sample {
    struct fapilog_record r;
    struct fapilog_site site;
    struct fapilog_logger_info logger;
    struct fapilog_process_info process;
    struct fapilog_context_info context;
    struct fapilog_field templates[FAPILOG_FIELDS_MAX];
    struct fapilog_field call[FAPILOG_FIELDS_MAX];
    struct fapilog_field bound[SAMPLE_FIELDS_MAX_];
    struct fapilog_field thread[64];
    char *text; /* SAMPLE_TEXT_MAX bytes for what the sample makes up */
    uint32_t text_used;
};

/* Heap: a sample is large. Ends the program when there is no memory. */
struct sample *sample_new(unsigned kind);
void sample_free(struct sample *s);
const char *sample_name(unsigned kind);

/* Field makers; the name must outlive the record. */
struct fapilog_field sample_int(const char *name, int64_t v);
struct fapilog_field sample_double(const char *name, double v);
struct fapilog_field sample_bytes(const char *name, uint8_t type, const void *data, uint32_t len);
struct fapilog_field sample_string(const char *name, const char *text);
struct fapilog_text sample_text(const char *text);

/* For records that a test puts together by itself: */
void sample_add(struct sample *s, struct fapilog_field f);         /* to the call */
void sample_bind(struct sample *s, struct fapilog_field f);        /* to the logger */
void sample_bind_thread(struct sample *s, struct fapilog_field f); /* to the context */
/* Makes the record that of a call site with the fields it has now. */
void sample_set_site(struct sample *s, const char *message, bool is_printf);

#endif
