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

#ifdef __cplusplus
/* From the evaluation of the first value to the commit a call is one full expression: a text may point into a
 * temporary, (a + b).c_str(). Braces, other than parentheses, have the values evaluated from left to right. The types
 * are known only there (a value cannot be repeated in a decltype(): it may hold a lambda), so the description of the
 * call site belongs to the types and to a local class, which stands for the place. */
#define FAPILOGI_DO_CHECK(i, pair) FAPILOGI_CHECK_FIELD(pair);
#define FAPILOGI_DO_NAME(i, pair) FAPILOGI_PAIR_NAME pair,
#define FAPILOGI_DO_CARRY(i, pair) , FAPILOGI_CARRY(fapilogi_here, FAPILOGI_PAIR_VALUE pair)
#define FAPILOGI_LOG(log, level_, site_level, ...) \
    FAPILOGI_CALL(log, level_, site_level, 0, FAPILOGI_DO_CHECK, FAPILOGI_DO_NAME, FAPILOGI_DO_CARRY, __VA_ARGS__)

#define FAPILOGI_DO_CHECKF(i, value)
#define FAPILOGI_DO_NAMEF(i, value) "",
#define FAPILOGI_DO_CARRYF(i, value) , FAPILOGI_CARRYF(fapilogi_here, fapilogi_there.message, fapilogi_next, value)
#define FAPILOGI_LOGF(log, level_, site_level, ...) \
    do { \
        if (0) \
            fapilogi_check_format(__VA_ARGS__); \
        struct fapilogi_argument fapilogi_next = {0, 0}; \
        FAPILOGI_CALL(log, level_, site_level, FAPILOG_SITE_PRINTF, FAPILOGI_DO_CHECKF, FAPILOGI_DO_NAMEF, \
                      FAPILOGI_DO_CARRYF, __VA_ARGS__); \
        (void)fapilogi_next; \
    } while (0)

#define FAPILOGI_CALL(log, level_, site_level, flags, do_check, do_name, do_carry, ...) \
    do { \
        FAPILOGI_CHECK_CALL(level_, __VA_ARGS__); \
        FAPILOGI_EACH_REST(do_check, __VA_ARGS__) \
        const struct fapilogi_logger *const fapilogi_log = (log); \
        const uint32_t fapilogi_level = FAPILOGI_CAST(uint32_t, level_); \
        if (fapilogi_level >= FAPILOGI_CAST(uint32_t, FAPILOG_COMPILE_LEVEL) && \
            fapilogi_enabled(fapilogi_log, fapilogi_level)) { \
            static constexpr fapilogi_place<FAPILOGI_COUNT_REST(__VA_ARGS__)> fapilogi_there = { \
                "" FAPILOGI_FIRST(__VA_ARGS__), __FILE__, FAPILOGI_FUNCTION, __LINE__, site_level, flags, \
                {FAPILOGI_EACH_REST(do_name, __VA_ARGS__) FAPILOGI_NULL}}; \
            struct fapilogi_here { \
                static constexpr const fapilogi_place<FAPILOGI_COUNT_REST(__VA_ARGS__)> *place() \
                { \
                    return &fapilogi_there; \
                } \
            }; \
            (void)fapilogi_call<fapilogi_here>{ \
                fapilogi_log, fapilogi_level FAPILOGI_EACH_REST(do_carry, __VA_ARGS__)}; \
        } \
    } while (0)

/* __func__, which gcc 12 does not find for a constant in a generic lambda within another. */
#ifdef __clang__
#define FAPILOGI_FUNCTION __func__
#else
#define FAPILOGI_FUNCTION __builtin_FUNCTION()
#endif

/* What a call site is, all but the types of its fields. */
template <unsigned N> struct fapilogi_place {
    const char *message, *file, *function;
    uint32_t line;
    uint8_t level, flags;
    const char *names[N + 1];
};

template <unsigned... I> struct fapilogi_indices {};
template <unsigned N, unsigned... I> struct fapilogi_indices_to : fapilogi_indices_to<N - 1, N - 1, I...> {};
template <unsigned... I> struct fapilogi_indices_to<0, I...> { typedef fapilogi_indices<I...> type; };

/* Constants, filled in by the compiler: nothing is done at the first call. */
template <typename Here, typename Indices, typename... Carriers> struct fapilogi_site;
template <typename Here, unsigned... I, typename... Carriers>
struct fapilogi_site<Here, fapilogi_indices<I...>, Carriers...> {
    static const struct fapilogi_field_desc fields[sizeof...(I) + 1];
    static struct fapilog_site_desc desc;
};
template <typename Here, unsigned... I, typename... Carriers>
const struct fapilogi_field_desc fapilogi_site<Here, fapilogi_indices<I...>, Carriers...>::fields[] = {
    {Here::place()->names[I], fapilogi_type_of<Carriers>::value}..., {nullptr, 0}};
template <typename Here, unsigned... I, typename... Carriers>
struct fapilog_site_desc fapilogi_site<Here, fapilogi_indices<I...>, Carriers...>::desc = {
    0, Here::place()->line, Here::place()->message, Here::place()->file, Here::place()->function, fields,
    Here::place()->level, Here::place()->flags, sizeof...(I), FAPILOGI_SITE_TAG, 0};

/* A log call, made by its constructor. */
template <typename Here> struct fapilogi_call {
    template <typename... Carriers>
    inline __attribute__((always_inline)) fapilogi_call(const struct fapilogi_logger *log, uint32_t level,
                                                        const Carriers &...carriers)
    {
        static_assert(fapilogi_are_loggable<Carriers...>::value, FAPILOGI_NO_SUCH_VALUE);
        typedef fapilogi_site<Here, typename fapilogi_indices_to<sizeof...(Carriers)>::type, Carriers...> site;
        size_t at = 0;
        const size_t ends[] = {0, (at = fapilogi_end(at, &carriers))...};
        (void)ends;
        const struct fapilogi_cursor c = fapilogi_begin(log, &site::desc, level, at);
        if (FAPILOGI_LIKELY(c.args != nullptr)) {
            at = 0;
            const size_t puts[] = {0, (at = fapilogi_put(c.args, at, &carriers))...};
            (void)puts;
            fapilogi_end(c, level);
        }
    }
};
#else
#define FAPILOGI_DO_CARRY(i, pair) \
    FAPILOGI_CHECK_FIELD(pair); \
    FAPILOGI_CARRY(i, FAPILOGI_PAIR_VALUE pair)
#define FAPILOGI_DO_DESC(i, pair) {FAPILOGI_PAIR_NAME pair, FAPILOGI_TYPE(fapilogi_v##i)},
#define FAPILOGI_DO_END(i, pair) fapilogi_at = FAPILOGI_END(fapilogi_at, fapilogi_v##i);
#define FAPILOGI_DO_PUT(i, pair) fapilogi_at = FAPILOGI_PUT(fapilogi_c.args, fapilogi_at, fapilogi_v##i);

#define FAPILOGI_LOG(log, level_, site_level, ...) \
    FAPILOGI_CALL(log, level_, site_level, 0, FAPILOGI_DO_CARRY, FAPILOGI_DO_DESC, __VA_ARGS__)

/* An argument of a printf-style call; texts may be cut by the precision before them, or be meant as %p. */
#define FAPILOGI_DO_CARRYF(i, value) \
    FAPILOGI_CARRYF(i, value) \
    fapilogi_prev = FAPILOGI_AS_INT(fapilogi_v##i); \
    fapilogi_index++;
#define FAPILOGI_DO_DESCF(i, value) {"", FAPILOGI_TYPE(fapilogi_v##i)},

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
            static const struct fapilogi_field_desc fapilogi_fields[] = { \
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
#endif

#define FAPILOGI_AT(log, level, ...) FAPILOGI_LOG(log, level, level, __VA_ARGS__)
#define FAPILOGI_ATF(log, level, ...) FAPILOGI_LOGF(log, level, level, __VA_ARGS__)

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
