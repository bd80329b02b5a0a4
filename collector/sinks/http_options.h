/* http_options.h - the options that all sinks over HTTP have in common, and the URIs that name their servers:
 * http and https themselves, and for a sink X the schemes X (plain), X+http and X+https. */
#ifndef COLLECTOR_SINKS_HTTP_OPTIONS_H
#define COLLECTOR_SINKS_HTTP_OPTIONS_H

#include "collector/net/http.h"
#include "collector/net/tls.h"
#include "lib/base/opt.h"
#include "lib/base/uri.h"

struct http_options {
    const char *url;
    struct opt_map headers;
    const char *user, *password, *token;
    const char *user_agent;
    uint32_t compression; /* enum http_encoding */
    const char *tls_ca_file, *tls_cert_file, *tls_key_file;
    bool tls_verify;
    const char *proxy;    /* "auto": what the environment says */
    const char *proxy_user, *proxy_password;
    const char *unix_socket;
    uint64_t redirects_max;
};

extern const struct opt_word http_encoding_words[];

/* The rows but that of the URL, whose name is the sink's. T: the sink's configuration, m: its member. */
#define HTTP_OPTION_ROWS(T, m) \
    HTTP_REQUEST_ROWS(T, m), \
    HTTP_PEER_ROWS(T, m)

/* What requests carry ... */
#define HTTP_REQUEST_ROWS(T, m) \
    OPT_MAP_ALIAS_(T, m.headers, "headers", "headers_json", NULL, OPT_SECRET, \
                   "Headers to send, as name=value or a JSON object; Content-Type and the like stay the sink's."), \
    OPT_TEXT_ALIAS_(T, m.user, "user", "auth_username", NULL, 0, "User for basic authentication."), \
    OPT_TEXT_ALIAS_(T, m.password, "password", "auth_password", NULL, OPT_SECRET, "Its password."), \
    OPT_TEXT_ALIAS_(T, m.token, "token", "auth_token", NULL, OPT_SECRET, "Token for bearer authentication."), \
    OPT_WORD_(T, m.compression, "compression", "none", http_encoding_words, 0, \
              "How bodies are compressed; the server must know how to read it."), \
    OPT_NUM_(OPT_UINT, T, m.redirects_max, "redirects_max", "0", 0, 20, 0, \
             "Redirects to follow; 0: a redirect is refused.")

/* ... and how the server is reached and trusted. */
#define HTTP_PEER_ROWS(T, m) \
    OPT_TEXT_(T, m.user_agent, "user_agent", "fapilog/" FAPILOG_VERSION, 0, "User-Agent header."), \
    OPT_TEXT_(T, m.tls_ca_file, "tls_ca_file", NULL, OPT_FILE, "Certificates to trust, PEM; without: the system's."), \
    OPT_TEXT_(T, m.tls_cert_file, "tls_cert_file", NULL, OPT_FILE, "Client certificate, PEM."), \
    OPT_TEXT_(T, m.tls_key_file, "tls_key_file", NULL, OPT_FILE, "Its key, PEM; without: in the same file."), \
    OPT_BOOL_(T, m.tls_verify, "tls_verify", "true", 0, "Check the server's certificate and name."), \
    OPT_TEXT_(T, m.proxy, "proxy", "auto", 0, \
              "URL of a proxy; none: no proxy; auto: http_proxy, https_proxy and no_proxy of the environment."), \
    OPT_TEXT_(T, m.proxy_user, "proxy_user", NULL, 0, "User for basic authentication at the proxy."), \
    OPT_TEXT_(T, m.proxy_password, "proxy_password", NULL, OPT_SECRET, "Its password there."), \
    OPT_TEXT_(T, m.unix_socket, "unix_socket", NULL, 0, "Connect to this socket instead of the URL's host.")

/* Of sinks whose records are events in the fapilog format. T has a member `envelope`. */
#define HTTP_ENVELOPE_ROW(T) \
    OPT_BOOL_(T, envelope, "envelope", "false", 0, \
              "Send the fapilog format's whole v1.1 envelope, not only what is under its log.")

/* Entries of struct sink_derived. */
#define HTTP_REQUEST_DERIVED(url_name) {"user", url_name}, {"password", url_name}
#define HTTP_PEER_DERIVED {"proxy_user", "proxy"}, {"proxy_password", "proxy"}

/* from_uri() and check() of a sink. A user in a URL, be it the proxy's, moves to the options of that name. */
int http_options_from_uri(struct http_options *o, const struct uri *u, const char *url_name, struct err *e);
int http_options_check(struct http_options *o, const char *url_name, struct err *e);
/* The URL with a path behind it, unless it ends so already. On the heap; NULL: no memory. */
char *http_options_url(const char *url, const char *path);

/* The texts are those of the options. */
struct tls_config http_options_tls(const struct http_options *o);

#endif
