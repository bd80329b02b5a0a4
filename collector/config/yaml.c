/* From libfyaml's events to our tree. Limits on bytes, nodes and depth stand here: the text may be anybody's.
 * An alias shares the children of its anchor, so that aliases of aliases cost no memory. */
#include "collector/config/node.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/fd_io.h"
#include "lib/base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <libfyaml.h>
#include <string.h>
#include <sys/stat.h>

struct owned {
    struct node node;
    struct owned *before; /* in the order of allocation */
    const char *anchor;
    char text[];
};

struct tree {
    struct owned *last;
    char *source;
    const struct node *root;
    uint32_t count;
    bool is_empty;
};

struct parse {
    struct tree *tree;
    const char *text; /* what is parsed */
    char *name, *value; /* texts of tokens */
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct fy_event *event; /* not yet consumed */
    struct err *e;
};

static int refuse(struct parse *p, int code, const char *what)
{
    const struct fy_mark *at = p->event ? fy_event_start_mark(p->event) : NULL;
    return err_set(p->e, code, "%s:%d:%d: %s", p->tree->source, at ? at->line + 1 : 1, at ? at->column + 1 : 1, what);
}

static int syntax_error(struct parse *p)
{
    void *walk = NULL;
    const struct fy_diag_error *first = fy_diag_errors_iterate(p->diag, &walk);
    if (!first)
        return err_set(p->e, -EINVAL, "%s: is not YAML", p->tree->source);
    /* What the library says of "a: console:" helps nobody who does not know YAML's grammar. */
    const bool is_colon = strstr(first->msg, "nested block mapping") != NULL;
    return err_set(p->e, -EINVAL, "%s:%d:%d: is not YAML: %s%s", p->tree->source, first->line, first->column,
                   first->msg, is_colon ? "; a value with ': ' in it, or with ':' at its end, needs quotes" : "");
}

static int next_event(struct parse *p)
{
    fy_parser_event_free(p->parser, p->event);
    p->event = fy_parser_parse(p->parser);
    if (p->event && !fy_diag_got_error(p->diag))
        return 0;
    return syntax_error(p);
}

/* Room for the text of a token. */
static char *scratch(struct parse *p, char **room, size_t len)
{
    char *more = realloc(*room, len + 1);
    if (more)
        *room = more;
    else
        (void)refuse(p, -ENOMEM, "out of memory");
    return more;
}

/* libfyaml 0.7.12 takes the quotes of '''' for three where they are two: such texts are read here. */
static bool misread(const struct parse *p, struct fy_token *token, const char **ret, size_t *ret_len)
{
    if (fy_token_scalar_style(token) != FYSS_SINGLE_QUOTED)
        return false;
    *ret = p->text + fy_token_start_mark(token)->input_pos;
    *ret_len = fy_token_end_mark(token)->input_pos - fy_token_start_mark(token)->input_pos;
    return memmem(*ret, *ret_len, "''''", 4) != NULL;
}

static int single_quoted(struct parse *p, const char *from, size_t len, char **room, size_t *ret_len)
{
    if (memchr(from, '\n', len) || memchr(from, '\r', len))
        return refuse(p, -EINVAL, "several lines with '''' among them: write them between double quotes");
    char *to = scratch(p, room, len);
    if (!to)
        return -ENOMEM;
    for (size_t i = 0; i < len; i += from[i] == '\'' ? 2 : 1)
        *to++ = from[i];
    *ret_len = (size_t)(to - *room);
    return 0;
}

/* The bytes that the library puts together, as far as there is room; -1: it failed, or there is more. */
static ssize_t collect(struct fy_token_iter *iter, char *to, size_t room)
{
    const struct fy_iter_chunk *chunk = NULL;
    size_t all = 0;
    int failed = 0;
    while ((chunk = fy_token_iter_chunk_next(iter, chunk, &failed)) && chunk->len <= room - all) {
        memcpy(to + all, chunk->str, chunk->len);
        all += chunk->len;
    }
    return chunk || failed ? -1 : (ssize_t)all;
}

/* fy_token_get_text() of 0.7.12 trusts the length that the scanner has found: where what it puts together is longer, it
 * cuts the text, and loses memory; where it is shorter, a byte of value 0 stands behind it. */
static int whole_text(struct parse *p, struct fy_token *token, char **room, size_t *ret_len)
{
    const size_t len = fy_token_get_text_length(token); /* SIZE_MAX: it failed */
    ssize_t n = -1;
    if (len <= NODE_BYTES_MAX) {
        char *const to = scratch(p, room, len);
        struct fy_token_iter *const iter = to ? fy_token_iter_create(token) : NULL;
        if (!iter)
            return refuse(p, -ENOMEM, "out of memory");
        n = collect(iter, to, len);
        fy_token_iter_destroy(iter);
    }
    if (n < 0 || (size_t)n != len)
        return refuse(p, -EINVAL, "cannot be read for certain: write it in one line between double quotes");
    *ret_len = len;
    return memchr(*room, '\0', len) ? refuse(p, -EINVAL, "a character of value 0 has no place here") : 0;
}

static int token_text(struct parse *p, struct fy_token *token, char **room, const char **ret, size_t *ret_len)
{
    const char *quoted;
    int r = 0;
    *ret = "";
    *ret_len = 0;
    if (token && misread(p, token, &quoted, ret_len))
        r = single_quoted(p, quoted, *ret_len, room, ret_len);
    else if (token)
        r = whole_text(p, token, room, ret_len);
    if (token)
        *ret = *room;
    return r;
}

static int new_node(struct parse *p, enum node_kind kind, struct fy_token *anchor, struct fy_token *value,
                    struct owned **ret)
{
    const char *name = "", *text = "";
    size_t name_len = 0, text_len = 0;
    int r = token_text(p, anchor, &p->name, &name, &name_len);
    if (r == 0)
        r = token_text(p, value, &p->value, &text, &text_len);
    if (r < 0)
        return r;
    if (++p->tree->count > NODES_MAX)
        return refuse(p, -E2BIG, "more values than a configuration may have");
    struct owned *n = calloc(1, sizeof *n + text_len + name_len + 2);
    if (!n)
        return refuse(p, -ENOMEM, "out of memory");
    memcpy(n->text, text, text_len);
    memcpy(n->text + text_len + 1, name, name_len);
    const struct fy_mark *at = fy_event_start_mark(p->event);
    n->node = (struct node){.kind = kind, .source = p->tree->source, .text = n->text,
                            .line = at ? at->line + 1 : 1, .column = at ? at->column + 1 : 1};
    n->anchor = name_len ? n->text + text_len + 1 : NULL;
    n->before = p->tree->last;
    p->tree->last = n;
    *ret = n;
    return 0;
}

static int scalar(struct parse *p, struct owned **ret)
{
    struct fy_token *value = p->event->scalar.value;
    const int r = new_node(p, NODE_SCALAR, p->event->scalar.anchor, value, ret);
    if (r == 0)
        (*ret)->node.is_quoted = value && fy_token_scalar_style(value) != FYSS_PLAIN;
    return r;
}

/* A copy of the anchor's node that keeps the anchor's place: that is where somebody would change it. */
static int alias(struct parse *p, struct owned **ret)
{
    const char *name;
    size_t len;
    int r = token_text(p, p->event->alias.anchor, &p->name, &name, &len);
    if (r < 0)
        return r;
    const struct owned *to = p->tree->last;
    while (to && !(to->anchor && strlen(to->anchor) == len && memcmp(to->anchor, name, len) == 0))
        to = to->before;
    if (!to)
        return refuse(p, -EINVAL, "this alias has no anchor above it");
    if (to->node.kind != NODE_SCALAR && !to->node.text)
        return refuse(p, -EINVAL, "this alias stands inside of what it names");
    r = new_node(p, to->node.kind, NULL, NULL, ret);
    if (r == 0)
        (*ret)->node = to->node;
    if (r == 0)
        (*ret)->node.key = (*ret)->node.next = NULL;
    return r;
}

static int value(struct parse *p, unsigned depth, struct owned **ret);

static int list(struct parse *p, unsigned depth, struct owned **ret)
{
    int r = new_node(p, NODE_LIST, p->event->sequence_start.anchor, NULL, ret);
    if (r < 0)
        return r;
    struct node *self = &(*ret)->node;
    const struct node **end = &self->first;
    const char *const done = self->text;
    self->text = NULL; /* until it is whole: see alias() */
    for (;;) {
        struct owned *child = NULL;
        r = next_event(p);
        if (r < 0)
            return r;
        if (p->event->type == FYET_SEQUENCE_END)
            break;
        r = value(p, depth, &child);
        if (r < 0)
            return r;
        *end = &child->node;
        end = &child->node.next;
    }
    self->text = done;
    return 0;
}

static int key(struct parse *p, const struct node *self, const struct node *merged, struct owned **ret)
{
    char text[200];
    if (p->event->type != FYET_SCALAR)
        return refuse(p, -EINVAL, "a key must be a single word");
    const int r = scalar(p, ret);
    if (r < 0)
        return r;
    const struct node *same = merged && strcmp((*ret)->text, "<<") == 0 ? merged : node_get(self, (*ret)->text);
    if (!same)
        return 0;
    (void)snprintf(text, sizeof text, "%.80s: stands here a second time, first in line %d", (*ret)->text,
                   same->key->line);
    return refuse(p, -EEXIST, text);
}

/* ---- merge keys: what stands behind "<<" fills in what the map does not say itself ---- */

static bool is_merge(const struct node *name)
{
    return !name->is_quoted && strcmp(name->text, "<<") == 0;
}

/* The members keep their places: that is where somebody would change them. */
static int merge_map(struct parse *p, struct node *self, const struct node ***end, const struct node *from)
{
    if (from->kind != NODE_MAP)
        return err_set(p->e, -EINVAL, "%s:%d:%d: <<: is %s, not a map or a list of maps", from->source, from->line,
                       from->column, node_kind_name(from));
    for (const struct node *n = from->first; n; n = n->next) {
        struct owned *copy = NULL;
        if (node_get(self, n->key->text))
            continue;
        const int r = new_node(p, n->kind, NULL, NULL, &copy);
        if (r < 0)
            return r;
        copy->node = *n;
        copy->node.next = NULL;
        **end = &copy->node;
        *end = &copy->node.next;
    }
    return 0;
}

/* Of a list, what stands first goes before what comes later. */
static int merge(struct parse *p, struct node *self, const struct node **end, const struct node *from)
{
    if (from->kind != NODE_LIST)
        return merge_map(p, self, &end, from);
    int r = 0;
    for (const struct node *n = from->first; n && r == 0; n = n->next)
        r = merge_map(p, self, &end, n);
    return r;
}

static int map(struct parse *p, unsigned depth, struct owned **ret)
{
    int r = new_node(p, NODE_MAP, p->event->mapping_start.anchor, NULL, ret);
    if (r < 0)
        return r;
    struct node *self = &(*ret)->node;
    const struct node **end = &self->first, *merged = NULL;
    const char *const done = self->text;
    self->text = NULL;
    for (;;) {
        struct owned *name = NULL, *child = NULL;
        r = next_event(p);
        if (r < 0)
            return r;
        if (p->event->type == FYET_MAPPING_END)
            break;
        r = key(p, self, merged, &name);
        if (r == 0)
            r = next_event(p);
        if (r == 0)
            r = value(p, depth, &child);
        if (r < 0)
            return r;
        child->node.key = &name->node;
        if (is_merge(&name->node)) {
            merged = &child->node;
            continue;
        }
        if (node_is_null(&child->node) && !*child->node.text) { /* nothing has no place of its own */
            child->node.line = name->node.line;
            child->node.column = name->node.column;
        }
        *end = &child->node;
        end = &child->node.next;
    }
    self->text = done;
    return merged ? merge(p, self, end, merged) : 0;
}

static int value(struct parse *p, unsigned depth, struct owned **ret)
{
    if (depth >= NODE_DEPTH_MAX)
        return refuse(p, -E2BIG, "nested more deeply than a configuration may be");
    switch (p->event->type) {
    case FYET_SCALAR: return scalar(p, ret);
    case FYET_ALIAS: return alias(p, ret);
    case FYET_SEQUENCE_START: return list(p, depth + 1, ret);
    case FYET_MAPPING_START: return map(p, depth + 1, ret);
    default: return refuse(p, -EINVAL, "a value is missing");
    }
}

static int empty(struct parse *p)
{
    struct owned *root = NULL;
    const int r = new_node(p, NODE_MAP, NULL, NULL, &root);
    if (r == 0) {
        p->tree->root = &root->node;
        p->tree->is_empty = true;
    }
    return r;
}

static int document(struct parse *p)
{
    struct owned *root = NULL;
    int r = next_event(p);
    if (r < 0)
        return r;
    if (p->event->type == FYET_STREAM_END)
        return empty(p);
    if (p->event->type == FYET_DOCUMENT_START)
        r = next_event(p);
    if (r == 0)
        r = value(p, 0, &root);
    if (r < 0)
        return r;
    p->tree->root = &root->node;
    if (node_is_null(p->tree->root))
        r = empty(p);
    if (r == 0)
        r = next_event(p);
    if (r == 0 && p->event->type == FYET_DOCUMENT_END)
        r = next_event(p);
    if (r == 0 && p->event->type != FYET_STREAM_END)
        r = refuse(p, -EINVAL, "a second document; one file is one configuration");
    return r;
}

static int run(struct parse *p, const char *text, size_t len)
{
    struct fy_diag_cfg quiet;
    fy_diag_cfg_default(&quiet);
    quiet.fp = NULL;
    quiet.colorize = false;
    p->diag = fy_diag_create(&quiet);
    if (!p->diag)
        return err_set(p->e, -ENOMEM, "out of memory");
    fy_diag_set_collect_errors(p->diag, true);
    const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = p->diag};
    p->parser = fy_parser_create(&cfg);
    if (!p->parser || fy_parser_set_string(p->parser, text, len) < 0)
        return err_set(p->e, -ENOMEM, "out of memory");
    const int r = next_event(p);
    if (r < 0)
        return r;
    return p->event->type == FYET_STREAM_START ? document(p) : syntax_error(p);
}

/* The library reads up to the first byte that is not UTF-8, and takes it for the end. */
static int check_text(const char *text, size_t len, const char *source, struct err *e)
{
    int line = 1;
    size_t line_at = 0;
    for (size_t i = 0; i < len;) {
        const uint8_t c = (uint8_t)text[i];
        const int step = c < 0x80 ? 1 : utf8_sequence((const uint8_t *)text + i, len - i);
        if (step < 0 || c == 0)
            return err_set(e, -EILSEQ, "%s:%d:%zu: is not UTF-8 text", source, line, i - line_at + 1);
        i += (size_t)step;
        if (c == '\n') {
            line++;
            line_at = i;
        }
    }
    return 0;
}

/* libfyaml 0.7.12 frees a key twice when, behind the ':' of a key that began with '?', it meets a tab that it takes for
 * indentation. Where there may be both, they are refused here. */
static int check_tabs(const char *text, size_t len, const char *source, struct err *e)
{
    const char *const end = text + len, *begin = text;
    int line = 1;
    if (!memchr(text, '?', len))
        return 0;
    for (const char *p = text; p < end; p++) {
        if (*p == '\n') {
            line++;
            begin = p + 1;
        }
        const char *next = p + 1;
        bool has_tab = false;
        for (; *p == ':' && next < end && (*next == ' ' || *next == '\t'); next++)
            has_tab |= *next == '\t';
        if (has_tab && next < end && strchr("?:|>-", *next))
            return err_set(e, -EINVAL, "%s:%d:%td: a tab in front of '%c': write spaces", source, line, p - begin + 2,
                           *next);
    }
    return 0;
}

int tree_parse(const char *text, size_t len, const char *source, struct tree **ret, struct err *e)
{
    if (len > NODE_BYTES_MAX)
        return err_set(e, -EFBIG, "%s: longer than %d bytes", source, NODE_BYTES_MAX);
    int bad = check_text(text, len, source, e);
    if (bad == 0)
        bad = check_tabs(text, len, source, e);
    if (bad < 0)
        return bad;
    struct tree *t = calloc(1, sizeof *t);
    if (!t || !(t->source = strdup(source))) {
        free(t);
        return err_set(e, -ENOMEM, "out of memory");
    }
    struct parse p = {.tree = t, .text = text, .e = e};
    const int r = run(&p, text, len);
    if (p.parser) {
        fy_parser_event_free(p.parser, p.event);
        fy_parser_destroy(p.parser);
    }
    if (p.diag)
        fy_diag_destroy(p.diag);
    free(p.name);
    free(p.value);
    if (r < 0) {
        tree_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

int tree_read(const char *path, struct tree **ret, struct err *e)
{
    struct stat status;
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0)
        return err_sys(e, -errno, "%s: cannot be read", path);
    if (S_ISDIR(status.st_mode))
        return err_sys(e, -EISDIR, "%s: cannot be read", path);
    auto_free char *text = malloc(NODE_BYTES_MAX + 1);
    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    const ssize_t len = fd_read_full(fd, text, NODE_BYTES_MAX + 1);
    if (len < 0)
        return err_sys(e, (int)len, "%s: cannot be read", path);
    if (len == 0 && S_ISFIFO(status.st_mode)) /* a reload would take it for a configuration without anything */
        return err_set(e, -ENODATA, "%s: is a pipe with nothing in it; what one held is read only once", path);
    return tree_parse(text, (size_t)len, path, ret, e);
}

void tree_free(struct tree *t)
{
    if (!t)
        return;
    while (t->last) {
        struct owned *before = t->last->before;
        explicit_bzero(t->last->text, strlen(t->last->text)); /* may be a password */
        free(t->last);
        t->last = before;
    }
    free(t->source);
    free(t);
}

const struct node *tree_root(const struct tree *t)
{
    return t->root;
}

bool tree_is_empty(const struct tree *t)
{
    return t->is_empty;
}
