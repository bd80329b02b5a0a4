/* notes.h - what the collector has to say, as records. They are made beside the rings and the stages: no filter, no
 * route and no redactor sees them, so nothing that is said can lead to more being said there. */
#ifndef COLLECTOR_DELIVERY_NOTES_H
#define COLLECTOR_DELIVERY_NOTES_H

#include <fapilog/reader.h>

enum { NOTES_MAX = 64, NOTE_TEXT_MAX = 1024, NOTE_NAME_MAX = 48 };

struct note {
    struct fapilog_record r;
    struct fapilog_logger_info logger;   /* copies: formats cache in them */
    struct fapilog_process_info process;
    struct fapilog_field left_out;
    char about[NOTE_NAME_MAX];           /* the sink that does not get it; "": none */
    char text[NOTE_TEXT_MAX + 16];       /* formats copy text in steps of 16 */
};

/* A queue. Made by its owner, drained by the pump. */
struct notes {
    struct note note[NOTES_MAX];
    uint32_t head, count;
    uint32_t sinks;      /* bits of the pipeline's targets */
    uint64_t left_out;   /* as the queue was full; the next record tells */
    uint64_t position;
    uint8_t uuid[16];
};

int notes_new(struct notes **ret); /* -ENOMEM */
void notes_free(struct notes *n);  /* NULL allowed */
/* `about` names the sink that the text is about, or is NULL. */
void notes_add(struct notes *n, uint8_t level, const char *text, const char *about);
/* The oldest, complete; NULL: none. Valid until notes_done(). */
const struct note *notes_peek(struct notes *n);
void notes_done(struct notes *n);

#endif
