/* macros.h - how the macros of fapilog.h are made. Private, but for FAPILOG_FIELDS and FAPILOG_SCOPE. */
#ifndef FAPILOG_MACROS_H
#define FAPILOG_MACROS_H

#include <fapilog/each.h>
#include <fapilog/fields.h>
#include <fapilog/inline.h>
#include <fapilog/misuse.h>

/* ---- log calls ----------------------------------------------------------------------------------- */

#define FAPILOGI_PAIR_NAME(name, value) name
#define FAPILOGI_PAIR_VALUE(name, value) value
#define FAPILOGI_DO_CARRY(i, pair) \
    FAPILOGI_CHECK_FIELD(pair); \
    FAPILOGI_CARRY(i, FAPILOGI_PAIR_VALUE pair)
#define FAPILOGI_DO_DESC(i, pair) {FAPILOGI_PAIR_NAME pair, FAPILOGI_TYPE(fapilogi_v##i)},
#define FAPILOGI_DO_END(i, pair) fapilogi_at = FAPILOGI_END(fapilogi_at, fapilogi_v##i);
#define FAPILOGI_DO_PUT(i, pair) fapilogi_at = FAPILOGI_PUT(fapilogi_c.args, fapilogi_at, fapilogi_v##i);

#define FAPILOGI_AT(log, level, ...) FAPILOGI_LOG(log, level, level, __VA_ARGS__)
#define FAPILOGI_LOG(log, level_, site_level, ...) \
    FAPILOGI_CALL(log, level_, site_level, 0, FAPILOGI_DO_CARRY, FAPILOGI_DO_DESC, __VA_ARGS__)

/* An argument of a printf-style call; texts may be cut by the precision before them, or be meant as %p. */
#define FAPILOGI_DO_CARRYF(i, value) \
    FAPILOGI_CARRYF(i, value) \
    fapilogi_prev = FAPILOGI_AS_INT(fapilogi_v##i); \
    fapilogi_index++;
#define FAPILOGI_DO_DESCF(i, value) {"", FAPILOGI_TYPE(fapilogi_v##i)},

#define FAPILOGI_ATF(log, level, ...) FAPILOGI_LOGF(log, level, level, __VA_ARGS__)
#define FAPILOGI_LOGF(log, level_, site_level, ...) \
    do { \
        if (0) \
            fapilogi_check_format(__VA_ARGS__); \
        FAPILOGI_CALL(log, level_, site_level, FAPILOG_SITE_PRINTF, FAPILOGI_DO_CARRYF, FAPILOGI_DO_DESCF, \
                      __VA_ARGS__); \
    } while (0)

#define FAPILOGI_CALL(log, level_, site_level, flags, do_carry, do_desc, ...) \
    do { \
        FAPILOGI_CHECK_CALL(level_, __VA_ARGS__); \
        const struct fapilogi_logger *const fapilogi_log = (log); \
        const uint32_t fapilogi_level = FAPILOGI_CAST(uint32_t, level_); \
        if (fapilogi_level >= FAPILOGI_CAST(uint32_t, FAPILOG_COMPILE_LEVEL) && \
            fapilogi_enabled(fapilogi_log, fapilogi_level)) { \
            static const char fapilogi_message[] = "" FAPILOGI_FIRST(__VA_ARGS__); \
            int fapilogi_prev = 0, fapilogi_index = 0; \
            FAPILOGI_EACH_REST(do_carry, __VA_ARGS__) \
            (void)fapilogi_prev, (void)fapilogi_index; \
            FAPILOGI_CONSTANT struct fapilogi_field_desc fapilogi_fields[] = { \
                FAPILOGI_EACH_REST(do_desc, __VA_ARGS__){FAPILOGI_NULL, 0}}; \
            static struct fapilog_site_desc fapilogi_site FAPILOGI_SITE_SECTION = { \
                0, __LINE__, fapilogi_message, __FILE__, __func__, fapilogi_fields, \
                site_level, flags, FAPILOGI_COUNT_REST(__VA_ARGS__), FAPILOGI_SITE_TAG, 0}; \
            size_t fapilogi_at = 0; \
            FAPILOGI_EACH_REST(FAPILOGI_DO_END, __VA_ARGS__) \
            const struct fapilogi_cursor fapilogi_c = \
                fapilogi_begin(fapilogi_log, &fapilogi_site, fapilogi_level, fapilogi_at); \
            if (FAPILOGI_LIKELY(fapilogi_c.args != FAPILOGI_NULL)) { \
                fapilogi_at = 0; \
                FAPILOGI_EACH_REST(FAPILOGI_DO_PUT, __VA_ARGS__) \
                (void)fapilogi_at; \
                fapilogi_end(fapilogi_c, fapilogi_level); \
            } \
        } \
    } while (0)

static inline __attribute__((unused, format(printf, 1, 2))) void fapilogi_check_format(const char *format, ...)
{
    (void)format;
}

/* ---- lists of fields ------------------------------------------------------------------------------ */

/* FAPILOG_FIELDS(FL("a", 1), FL("b", 2)): `fields, count` for the functions that take a list. The list
 * lives until the end of the enclosing block in C, of the full expression in C++. */
#define FAPILOG_FIELDS(...) FAPILOGI_LIST(__VA_ARGS__), FAPILOGI_LIST_COUNT(64, __VA_ARGS__)

/* FAPILOG_SCOPE(FL_REQUEST_ID("r-17"), FL("shard", 3)); binds the fields until the end of the block. */
#define FAPILOG_SCOPE(...) \
    struct fapilog_scope FAPILOGI_JOIN(fapilogi_scope_, __LINE__) \
        __attribute__((cleanup(fapilog_context_pop), unused)) = \
            fapilog_context_push(FAPILOGI_LIST(__VA_ARGS__), FAPILOGI_LIST_COUNT(32, __VA_ARGS__))

#define FAPILOGI_SET(pair) fapilog_context_set(FAPILOGI_LIST(pair))

#define FAPILOGI_HERE_INIT \
    {{__FILE__, sizeof __FILE__ - 1}, {__func__, sizeof __func__ - 1}, __LINE__, 0}

#ifdef __cplusplus
inline const struct fapilog_location *fapilogi_here(const struct fapilog_location &location)
{
    return &location;
}
#define FAPILOGI_HERE fapilogi_here(fapilog_location FAPILOGI_HERE_INIT)

template <unsigned N> struct fapilogi_list { struct fapilog_field field[N]; };
template <typename T> inline struct fapilog_field fapilogi_field_of(const char *name, const T &carrier)
{
    static_assert(!std::is_same<T, fapilogi_unsupported>::value, FAPILOGI_NO_SUCH_VALUE);
    return fapilogi_field(name, &carrier);
}
#define FAPILOGI_LIST(...) \
    (fapilogi_list<FAPILOGI_COUNT_REST(0, __VA_ARGS__)>{ \
        {FAPILOGI_EACH_REST(FAPILOGI_DO_FIELD, 0, __VA_ARGS__)}}.field)
#define FAPILOGI_DO_FIELD(i, pair) \
    fapilogi_field_of(FAPILOGI_PAIR_NAME pair, fapilogi_carry(FAPILOGI_PAIR_VALUE pair)),
#else
#define FAPILOGI_HERE (&(const struct fapilog_location)FAPILOGI_HERE_INIT)

#define FAPILOGI_LIST(...) \
    ((const struct fapilog_field[]){FAPILOGI_EACH_REST(FAPILOGI_DO_FIELD, 0, __VA_ARGS__)})
#define FAPILOGI_DO_FIELD(i, pair) \
    FAPILOGI_FIELD_EXPR(FAPILOGI_PAIR_NAME pair, FAPILOGI_CARRIED(FAPILOGI_PAIR_VALUE pair)),
#define FAPILOGI_FIELD_EXPR(name, carried) \
    _Generic((carried), FAPILOGI_ALL(field))(name, &(__typeof__(carried)[1]){carried}[0])
#endif

#endif
