/* A value of the tree as text that the option tables take. */
#include "collector/config/build.h"
#include "lib/base/opt_secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(struct err *e)
{
    return err_set(e, -ENOMEM, "out of memory");
}

static int put_json(struct buf *b, const char *text)
{
    int r = buf_append(b, "\"", 1);
    for (; *text && r == 0; text++) {
        if ((unsigned char)*text < 0x20)
            r = buf_printf(b, "\\u%04x", (unsigned char)*text);
        else if (*text == '"' || *text == '\\')
            r = buf_printf(b, "\\%c", *text);
        else
            r = buf_append(b, text, 1);
    }
    return r == 0 ? buf_append(b, "\"", 1) : r;
}

/* {env: NAME} or {file: PATH} */
static bool is_reference(const struct node *n)
{
    return n->kind == NODE_MAP && n->first && !n->first->next && n->first->kind == NODE_SCALAR &&
           (strcmp(n->first->key->text, "env") == 0 || strcmp(n->first->key->text, "file") == 0);
}

static int single(const struct node *n, char **ret, struct err *e)
{
    if (is_reference(n))
        return opt_reference(strcmp(n->first->key->text, "env") == 0 ? OPT_FROM_ENV : OPT_FROM_FILE, n->first->text,
                             ret, e);
    if (n->kind != NODE_SCALAR)
        return err_set(e, -EINVAL, "is %s where a single value belongs", node_kind_name(n));
    if (node_is_null(n))
        return err_set(e, -EINVAL, "has no value; leave the key out for the default");
    *ret = strdup(n->text);
    return *ret ? 0 : out_of_memory(e);
}

/* As single(), for opt_set(): that reads "env:" and "file:" in secrets, and what came from there is not to be read
 * again. So a reference that can be read is handed on as one. */
static int single_of(const struct opt *row, const struct node *n, char **ret, struct err *e)
{
    const bool is_read = row->flags & OPT_SECRET && (row->type == OPT_TEXT || row->type == OPT_MAP);
    const int r = single(n, ret, e);
    if (r < 0 || !is_read || n->kind != NODE_MAP)
        return r;
    char *again = NULL;
    if (asprintf(&again, "%s:%s", n->first->key->text, n->first->text) < 0)
        again = NULL;
    explicit_bzero(*ret, strlen(*ret));
    free(*ret);
    *ret = again;
    return again ? 0 : out_of_memory(e);
}

static int collection(const struct opt *row, const struct node *n, char **ret, struct err *e)
{
    const bool is_map = n->kind == NODE_MAP;
    struct buf b = {0};
    int r = buf_append(&b, is_map ? "{" : "[", 1);
    for (const struct node *child = n->first; child && r == 0; child = child->next) {
        char *text = NULL;
        struct err why = {0};
        r = single_of(row, child, &text, &why);
        if (r < 0) {
            buf_done(&b);
            return err_set(e, r, "%s%s%s", is_map ? child->key->text : "", is_map ? ": " : "", why.text);
        }
        if (child != n->first)
            r = buf_append(&b, ",", 1);
        if (r == 0 && is_map)
            r = put_json(&b, child->key->text);
        if (r == 0 && is_map)
            r = buf_append(&b, ":", 1);
        if (r == 0)
            r = put_json(&b, text);
        free(text);
    }
    if (r == 0)
        r = buf_append(&b, is_map ? "}" : "]", 1);
    const char *whole = r == 0 ? buf_cstr(&b) : NULL;
    *ret = whole ? strdup(whole) : NULL;
    buf_done(&b);
    return *ret ? 0 : out_of_memory(e);
}

int node_value(const struct opt *row, const struct node *n, char **ret, struct err *e)
{
    if ((n->kind == NODE_LIST && row->type == OPT_LIST) || (n->kind == NODE_MAP && row->type == OPT_MAP))
        return collection(row, n, ret, e);
    return single_of(row, n, ret, e);
}
