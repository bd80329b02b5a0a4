/* syslog.h - the two halves of the syslog sink: what a record looks like as a message (RFC 5424, RFC 3164),
 * and how messages travel (RFC 5426 UDP, RFC 6587 TCP, RFC 5425 TLS, Unix sockets). */
#ifndef COLLECTOR_SINKS_SYSLOG_H
#define COLLECTOR_SINKS_SYSLOG_H

#include "collector/net/stream.h"
#include "collector/sinks/sink.h"
#include "lib/base/time_text.h"

enum syslog_transport { SYSLOG_UDP, SYSLOG_TCP, SYSLOG_TLS, SYSLOG_UNIX, SYSLOG_UNIX_STREAM };
enum syslog_protocol { SYSLOG_RFC5424, SYSLOG_RFC3164 };
enum syslog_framing { SYSLOG_AUTO, SYSLOG_OCTET_COUNTING, SYSLOG_NEWLINE };

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

struct syslog_state {
    struct time_text time;
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

int syslog_link_new(struct sink *s, struct syslog_link **ret, struct err *e);
void syslog_link_free(struct syslog_link *l); /* NULL allowed */
void syslog_link_send(struct syslog_link *l, struct sink_request *q);
void syslog_link_cancel(struct syslog_link *l, struct sink_request *q);

#endif
