/* syslog.h - the two halves of the syslog sink: what a record looks like as a message (RFC 5424, RFC 3164),
 * and how messages travel (RFC 5426 UDP, RFC 6587 TCP, RFC 5425 TLS, Unix sockets). */
#ifndef COLLECTOR_SINKS_SYSLOG_H
#define COLLECTOR_SINKS_SYSLOG_H

#include "collector/format/parts.h"
#include "collector/net/stream.h"
#include "collector/sinks/sink.h"

enum syslog_transport { SYSLOG_UDP, SYSLOG_TCP, SYSLOG_TLS, SYSLOG_UNIX, SYSLOG_UNIX_STREAM };
enum syslog_protocol { SYSLOG_RFC5424, SYSLOG_RFC3164 };
enum syslog_framing { SYSLOG_AUTO, SYSLOG_OCTET_COUNTING, SYSLOG_NEWLINE };

enum { SYSLOG_HOST_MAX = 255, SYSLOG_APP_MAX = 48, SYSLOG_MSGID_MAX = 32, SYSLOG_PARAM_MAX = 32 }; /* RFC 5424, 6 */
enum { SYSLOG_CUT_BYTES = 3 }; /* of the mark of a message that was cut */

/* Names of parameters in one message. No two are alike, although they are cut and have bytes replaced: receivers keep
 * one of two. */
struct syslog_names {
    const struct parts_flat *own; /* names that a field must not have */
    uint32_t count, number;
    uint64_t hash[GATHER_MAX + FAPILOG_ROLE_COUNT];
};

struct syslog_cfg {
    uint32_t transport, protocol, framing, facility;
    const char *host, *path;
    uint64_t port; /* OPT_UNSET: the transport's own */
    const char *app_name, *hostname, *msgid, *sd_id;
    bool structured_data;
    uint64_t message_bytes; /* OPT_UNSET: the transport's own */
    const char *tls_ca_file, *tls_cert_file, *tls_key_file;
    bool tls_verify;
};

struct syslog_link;

/* Writes messages of RFC 5424. */
struct syslog_writer {
    struct format format;
    struct plan_state plan;
    struct sink *sink;
    uint32_t facility;       /* that the plans are for ... */
    bool has_fields;         /* ... and whether they have structured data */
    const char *params_limit; /* parameters that would end behind it are left out and counted */
    const char *limit;        /* of the message; the mark of a cut one stands in front of it */
};

struct syslog_state {
    struct syslog_writer writer;
    struct syslog_link *link;
    struct tls_config tls;
    SSL_CTX *tls_context;
    char host[256]; /* of this machine */
};

bool syslog_is_stream(const struct syslog_cfg *cfg);
bool syslog_is_octet_counted(const struct syslog_cfg *cfg);
uint32_t syslog_message_max(const struct syslog_cfg *cfg);

size_t syslog_bound(struct sink *s, const struct fapilog_record *r);
char *syslog_encode(struct sink *s, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                    uint16_t *ret_meta_len);
/* 0 emergency .. 7 debug */
unsigned syslog_severity(uint8_t level);

void syslog_writer_init(struct syslog_writer *w, struct sink *s);
/* As long as it comes out, where syslog_bound() bytes are free. */
char *syslog_write_5424(struct syslog_writer *w, const struct fapilog_record *r, uint32_t most, char *out);
size_t syslog_param_bound(const struct fapilog_field *f);

/* What both protocols share. HOSTNAME, APP-NAME and the like: printable ASCII without blanks, cut to the length
 * that the RFC allows; "-" where nothing is left. */
char *syslog_put_name(char *out, struct fapilog_text name, size_t most);
struct fapilog_text syslog_given(const char *option, struct fapilog_text otherwise);
struct fapilog_text syslog_host(const struct sink *s, const struct fapilog_record *r);
void syslog_names_begin(struct syslog_names *n, const struct parts_flat *own);
/* With '_' behind it where it is one of ours, with a number where it is one of another field. */
char *syslog_put_param_name(struct syslog_names *n, struct fapilog_text name, char *out);
/* Control characters never stand in it: lines must stay lines. */
char *syslog_put_message(const struct sink *s, const struct fapilog_record *r, char *out, unsigned *flags);

int syslog_link_new(struct sink *s, struct syslog_link **ret, struct err *e);
void syslog_link_free(struct syslog_link *l); /* NULL allowed */
void syslog_link_send(struct syslog_link *l, struct sink_request *q);
void syslog_link_cancel(struct syslog_link *l, struct sink_request *q);

#endif
