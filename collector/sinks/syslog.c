/* The syslog sink: messages of RFC 5424 or RFC 3164 over UDP, TCP, TLS and Unix sockets. */
#include "collector/sinks/syslog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    UDP_BYTES = 2048,     /* RFC 5426: what every receiver should take */
    STREAM_BYTES = 8192,  /* rsyslog's and syslog-ng's default limit */
    MESSAGE_BYTES_MIN = 480, /* RFC 5424: what every receiver must take */
    MESSAGE_BYTES_MAX = 1 << 20,
};

static const struct opt_word transport_words[] = {
    { "udp", SYSLOG_UDP }, { "tcp", SYSLOG_TCP },   { "tls", SYSLOG_TLS },
    { "unix", SYSLOG_UNIX }, { "unix_stream", SYSLOG_UNIX_STREAM }, { NULL, 0 },
};

static const struct opt_word protocol_words[] = {
    { "rfc5424", SYSLOG_RFC5424 }, { "rfc3164", SYSLOG_RFC3164 }, { NULL, 0 },
};

static const struct opt_word framing_words[] = {
    { "auto", SYSLOG_AUTO }, { "octet_counting", SYSLOG_OCTET_COUNTING }, { "newline", SYSLOG_NEWLINE }, { NULL, 0 },
};

static const struct opt_word facility_words[] = {
    { "kern", 0 },    { "user", 1 },    { "mail", 2 },    { "daemon", 3 },  { "auth", 4 },    { "syslog", 5 },
    { "lpr", 6 },     { "news", 7 },    { "uucp", 8 },    { "cron", 9 },    { "authpriv", 10 }, { "ftp", 11 },
    { "local0", 16 }, { "local1", 17 }, { "local2", 18 }, { "local3", 19 }, { "local4", 20 }, { "local5", 21 },
    { "local6", 22 }, { "local7", 23 }, { NULL, 0 },
};

static const struct opt syslog_opts[] = {
    OPT_WORD_(struct syslog_cfg, transport, "transport", "udp", transport_words, 0,
              "How messages travel; the scheme of the URI says it as well."),
    OPT_TEXT_(struct syslog_cfg, host, "host", "localhost", 0, "Name or address of the receiver."),
    OPT_NUM_(OPT_UINT, struct syslog_cfg, port, "port", "auto", 1, 65535, 0, "Its port; auto: 514, with TLS 6514."),
    OPT_TEXT_(struct syslog_cfg, path, "path", "", 0, "Unix socket; without: /dev/log."),
    OPT_WORD_(struct syslog_cfg, protocol, "protocol", "rfc5424", protocol_words, 0, "Form of the messages."),
    OPT_WORD_(struct syslog_cfg, framing, "framing", "auto", framing_words, 0,
              "Boundaries of messages in a stream; auto: octet counting, but newline on Unix sockets."),
    OPT_WORD_(struct syslog_cfg, facility, "facility", "user", facility_words, OPT_LIVE, "Facility of all messages."),
    OPT_TEXT_(struct syslog_cfg, app_name, "app_name", "", 0, "APP-NAME or tag; without: the record's service."),
    OPT_TEXT_(struct syslog_cfg, hostname, "hostname", "", 0,
              "HOSTNAME; without: the record's host, or this machine's."),
    OPT_TEXT_(struct syslog_cfg, msgid, "msgid", "", 0, "MSGID; without: the record's logger."),
    OPT_BOOL_(struct syslog_cfg, structured_data, "structured_data", "true", OPT_LIVE,
              "Send fields and context, too: as structured data, with rfc3164 as key=value behind the message."),
    OPT_TEXT_(struct syslog_cfg, sd_id, "sd_id", "fapilog@32473", 0, "SD-ID of the element that holds the fields."),
    OPT_NUM_(OPT_SIZE, struct syslog_cfg, message_bytes, "message_bytes", "auto", MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX,
             OPT_LIVE, "Longest message, cut with a mark beyond it; auto: 2 KB by UDP, else 8 KB."),
    OPT_TEXT_(struct syslog_cfg, tls_ca_file, "tls_ca_file", NULL, OPT_FILE,
              "Certificates of the authorities to trust, PEM; without: the system's."),
    OPT_TEXT_(struct syslog_cfg, tls_cert_file, "tls_cert_file", NULL, OPT_FILE, "Client certificate, PEM."),
    OPT_TEXT_(struct syslog_cfg, tls_key_file, "tls_key_file", NULL, OPT_FILE,
              "Its key, PEM; without: in the same file."),
    OPT_BOOL_(struct syslog_cfg, tls_verify, "tls_verify", "true", 0, "Check the receiver's certificate and name."),
    OPT_END,
};

bool syslog_is_stream(const struct syslog_cfg *cfg)
{
    return cfg->transport == SYSLOG_TCP || cfg->transport == SYSLOG_TLS || cfg->transport == SYSLOG_UNIX_STREAM;
}

bool syslog_is_octet_counted(const struct syslog_cfg *cfg)
{
    if (cfg->framing == SYSLOG_AUTO)
        return cfg->transport != SYSLOG_UNIX_STREAM;
    return cfg->framing == SYSLOG_OCTET_COUNTING;
}

uint32_t syslog_message_max(const struct syslog_cfg *cfg)
{
    if (cfg->message_bytes != OPT_UNSET)
        return (uint32_t)cfg->message_bytes;
    return cfg->transport == SYSLOG_UDP ? UDP_BYTES : STREAM_BYTES;
}

static int set(struct syslog_cfg *cfg, const char *name, const char *value, struct err *e)
{
    return value && *value ? opt_set(opt_find(syslog_opts, name), cfg, value, e) : 0;
}

/* syslog+tcp://host:601, syslog+unix:///dev/log */
static int syslog_from_uri(void *opaque, const struct uri *u, struct err *e)
{
    struct syslog_cfg *cfg = opaque;
    char port[8] = "";
    const char *transport = strchr(u->scheme, '+');
    if (u->user || u->password || u->fragment)
        return err_set(e, -EINVAL, "URI of %s: user, password and fragment have no meaning here", u->scheme);
    int r = transport ? set(cfg, "transport", transport + 1, e) : 0;
    const bool is_unix = cfg->transport == SYSLOG_UNIX || cfg->transport == SYSLOG_UNIX_STREAM;
    if (r == 0 && is_unix && u->host && *u->host)
        return err_set(e, -EINVAL, "URI of %s: needs three slashes in front of the path, as in %s:///dev/log",
                       u->scheme, u->scheme);
    if (r == 0 && !is_unix && *u->path && strcmp(u->path, "/") != 0) {
        const bool has_host = u->host && *u->host;
        return err_set(e, -EINVAL, "URI path: '%s' has no meaning here%s%s", u->path,
                       has_host ? "" : "; for a Unix socket write syslog+unix://", has_host ? "" : u->path);
    }
    if (u->port)
        (void)snprintf(port, sizeof port, "%u", u->port);
    if (r == 0)
        r = set(cfg, "host", u->host, e);
    if (r == 0)
        r = set(cfg, "port", port, e);
    return r == 0 && is_unix ? set(cfg, "path", u->path, e) : r;
}

static struct tls_config tls_of(const struct syslog_cfg *cfg)
{
    return (struct tls_config){ .ca_file = cfg->tls_ca_file, .cert_file = cfg->tls_cert_file,
                                .key_file = cfg->tls_key_file, .is_unverified = !cfg->tls_verify };
}

/* SD-NAME of RFC 5424, section 6.3.2. */
static bool is_sd_name(const char *name)
{
    const size_t len = strlen(name);
    for (const char *p = name; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("=]\"", *p))
            return false;
    return len > 0 && len <= SYSLOG_PARAM_MAX;
}

static int syslog_check(void *opaque, struct err *e)
{
    struct syslog_cfg *cfg = opaque;
    const bool is_unix = cfg->transport == SYSLOG_UNIX || cfg->transport == SYSLOG_UNIX_STREAM;
    const bool has_tls = cfg->tls_ca_file || cfg->tls_cert_file || cfg->tls_key_file;
    if (!is_unix && *cfg->path)
        return err_set(e, -EINVAL, "path: only with transport unix or unix_stream");
    if (is_unix && !*cfg->path) {
        const int r = set(cfg, "path", "/dev/log", e);
        if (r < 0)
            return r;
    }
    if (strlen(cfg->path) >= sizeof ((struct sockaddr_un *)0)->sun_path)
        return err_set(e, -ENAMETOOLONG, "path: a socket's has at most %zu bytes",
                       sizeof ((struct sockaddr_un *)0)->sun_path - 1);
    if (has_tls && cfg->transport != SYSLOG_TLS)
        return err_set(e, -EINVAL, "tls_*: only with transport tls");
    if (!syslog_is_stream(cfg) && cfg->framing != SYSLOG_AUTO)
        return err_set(e, -EINVAL, "framing: only with transport tcp, tls or unix_stream");
    if (!is_sd_name(cfg->sd_id))
        return err_set(e, -EINVAL, "sd_id: '%s' is none; allowed: 1 to %d printable ASCII characters without space, "
                       "'=', ']' and '\"'", cfg->sd_id, SYSLOG_PARAM_MAX);
    const struct tls_config tls = tls_of(cfg);
    return tls_check_files(&tls, e);
}

static int syslog_open(struct sink *s, struct err *e)
{
    const struct syslog_cfg *cfg = s->cfg;
    struct syslog_state *st = s->state;
    int r = 0;
    (void)gethostname(st->host, sizeof st->host - 1);
    syslog_writer_init(&st->writer, s);
    st->tls = tls_of(cfg);
    if (cfg->transport == SYSLOG_TLS)
        r = tls_context(&st->tls, &st->tls_context, e);
    return r < 0 ? r : syslog_link_new(s, &st->link, e);
}

static int syslog_close(struct sink *s, struct err *e)
{
    struct syslog_state *st = s->state;
    (void)e;
    syslog_link_free(st->link);
    SSL_CTX_free(st->tls_context);
    st->link = NULL;
    st->tls_context = NULL;
    return 0;
}

static void syslog_limits(struct sink *s, struct sink_limits *ret)
{
    *ret = (struct sink_limits){ .in_flight = 1, .entry_overhead = syslog_is_stream(s->cfg) ? 8 : 0 };
}

static void syslog_send(struct sink *s, struct sink_request *q)
{
    syslog_link_send(((struct syslog_state *)s->state)->link, q);
}

static void syslog_cancel(struct sink *s, struct sink_request *q)
{
    syslog_link_cancel(((struct syslog_state *)s->state)->link, q);
}

static const struct sink_remote_ops syslog_remote = {
    .encode_bound = syslog_bound, .encode = syslog_encode, .limits = syslog_limits,
    .send = syslog_send, .cancel = syslog_cancel,
};

static const char *const syslog_aliases[] = {
    "syslog+udp", "syslog+tcp", "syslog+tls", "syslog+unix", "syslog+unix_stream", NULL,
};
static const char *const syslog_env[] = { "FAPILOG_SYSLOG__", NULL };
static const struct sink_default syslog_defaults[] = { { "max_in_flight", "1" }, { NULL, NULL } };

const struct sink_ops sink_syslog = {
    .abi = SINK_ABI, .scheme = "syslog", .aliases = syslog_aliases, .env_prefixes = syslog_env,
    .defaults = syslog_defaults, .summary = "Sends to a syslog server: UDP, TCP, TLS or a Unix socket.",
    .opts = syslog_opts, .cfg_size = sizeof(struct syslog_cfg), .state_size = sizeof(struct syslog_state),
    .check = syslog_check, .from_uri = syslog_from_uri, .remote = &syslog_remote,
    .open = syslog_open, .close = syslog_close,
};
