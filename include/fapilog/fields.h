/* fields.h - how a field of a log call gets its type and its bytes. Private to the macros of
 * fapilog.h; nothing here is called by name from user code.
 *
 * FL(name, value) expands to the pair (name, value). A call walks its pairs four times:
 *   CARRY   evaluates the value once into a variable of a carrier type: an arithmetic type, or one of
 *           the structs below (texts find their length here)
 *   TYPE    the carrier's enum fapilog_type, a constant, for the call site's description
 *   END     where the value ends when it is put at `at`
 *   PUT     stores it
 * In C the walks choose by _Generic, in C++ by overload, where the last three are those of a function over the carriers
 * (macros.h). */
#ifndef FAPILOG_FIELDS_H
#define FAPILOG_FIELDS_H

#include <fapilog/abi.h>
#include <fapilog/reader.h>

#include <stdbool.h>
#include <string.h>

#ifdef __cplusplus
#include <type_traits>
extern "C" {
#endif

#define FAPILOGI_API __attribute__((visibility("default")))
#define FAPILOGI_USE_RESULT __attribute__((warn_unused_result))
#define FAPILOGI_INLINE static inline __attribute__((always_inline, unused))

/* A log call must compile without warnings under the flags of whoever makes it, -Wold-style-cast and
 * -Wzero-as-null-pointer-constant included. */
#ifdef __cplusplus
#define FAPILOGI_CAST(type, v) static_cast<type>(v)
#define FAPILOGI_REINTERPRET(type, v) reinterpret_cast<type>(v)
#define FAPILOGI_NULL nullptr
#else
#define FAPILOGI_CAST(type, v) ((type)(v))
#define FAPILOGI_REINTERPRET(type, v) ((type)(v))
#define FAPILOGI_NULL 0
#endif

struct fapilogi_string { const char *data; uint32_t len; };
struct fapilogi_bytes { const char *data; uint32_t len; };
struct fapilogi_json { const char *data; uint32_t len; };
struct fapilogi_errno { int32_t code; };
struct fapilogi_pointer { uint64_t address; };
struct fapilogi_ipv4 { uint8_t bytes[4]; };
struct fapilogi_ipv6 { uint8_t bytes[16]; };
struct fapilogi_time { int64_t ns; };
struct fapilogi_duration { int64_t ns; };
struct fapilogi_uuid { uint8_t bytes[16]; };
struct fapilogi_trace { uint8_t bytes[16]; };
struct fapilogi_span { uint8_t bytes[8]; };
enum { FAPILOGI_STACK_MAX = 64 };
struct fapilogi_stack { uint32_t count; void *frame[FAPILOGI_STACK_MAX]; };
/* A text argument of a printf-style call before and after the format has been asked about it. */
struct fapilogi_cptr { const char *s; };
struct fapilogi_ptext { const char *data; uint32_t len; char hex[20]; }; /* data NULL: hex holds an address */
/* A text with a role, for context fields. */
struct fapilogi_role { const char *data; uint32_t len; uint8_t role; };

/* ---- constructors of the carriers --------------------------------------------------------------- */

/* Longer texts are cut at the limit of a record; the record is then marked as truncated. */
FAPILOGI_INLINE uint32_t fapilogi_clamp(size_t len)
{
    return len > FAPILOG_RECORD_BYTES_MAX ? FAPILOG_RECORD_BYTES_MAX + 1u : FAPILOGI_CAST(uint32_t, len);
}

FAPILOGI_INLINE struct fapilogi_string fapilogi_cstr(const char *s)
{
    struct fapilogi_string r;
    r.data = s ? s : "(null)";
    r.len = fapilogi_clamp(strlen(r.data));
    return r;
}

#define FAPILOGI_SIZED(kind) \
    FAPILOGI_INLINE struct fapilogi_##kind fapilogi_make_##kind(const void *data, size_t len) \
    { \
        struct fapilogi_##kind r; \
        r.data = data ? FAPILOGI_CAST(const char *, data) : ""; \
        r.len = data ? fapilogi_clamp(len) : 0; \
        return r; \
    }
FAPILOGI_SIZED(string)
FAPILOGI_SIZED(bytes)
FAPILOGI_SIZED(json)
#undef FAPILOGI_SIZED

#define FAPILOGI_FIXED(kind) \
    FAPILOGI_INLINE struct fapilogi_##kind fapilogi_make_##kind(const void *from) \
    { \
        struct fapilogi_##kind r; \
        memcpy(r.bytes, from, sizeof r.bytes); \
        return r; \
    }
FAPILOGI_FIXED(ipv4)
FAPILOGI_FIXED(ipv6)
FAPILOGI_FIXED(uuid)
FAPILOGI_FIXED(trace)
FAPILOGI_FIXED(span)
#undef FAPILOGI_FIXED

FAPILOGI_INLINE struct fapilogi_json fapilogi_make_json_text(const char *text)
{
    struct fapilogi_json r;
    r.data = text ? text : "null";
    r.len = fapilogi_clamp(strlen(r.data));
    return r;
}

FAPILOGI_INLINE struct fapilogi_errno fapilogi_make_errno(int code)
{
    struct fapilogi_errno r;
    r.code = code < 0 && code >= -INT32_MAX ? -code : code;
    return r;
}

FAPILOGI_INLINE struct fapilogi_pointer fapilogi_make_pointer(const void *p)
{
    struct fapilogi_pointer r;
    r.address = FAPILOGI_REINTERPRET(uintptr_t, p);
    return r;
}

FAPILOGI_INLINE struct fapilogi_time fapilogi_make_time(int64_t ns)
{
    struct fapilogi_time r;
    r.ns = ns;
    return r;
}

FAPILOGI_INLINE struct fapilogi_duration fapilogi_make_duration(int64_t ns)
{
    struct fapilogi_duration r;
    r.ns = ns;
    return r;
}

FAPILOGI_INLINE struct fapilogi_role fapilogi_make_role(const char *text, uint8_t role)
{
    struct fapilogi_role r;
    struct fapilogi_string s = fapilogi_cstr(text);
    r.data = s.data;
    r.len = s.len;
    r.role = role;
    return r;
}

/* Of any of the character types, as printf's own. */
FAPILOGI_INLINE struct fapilogi_cptr fapilogi_carry_cptr(const void *s)
{
    struct fapilogi_cptr r;
    r.s = FAPILOGI_CAST(const char *, s);
    return r;
}

/* Reads the conversion of argument `index`; `prev` is the argument before it, for "%.*s". */
FAPILOGI_API struct fapilogi_ptext fapilogi_printf_text(const char *format, int index, int prev, const char *s);

FAPILOGI_INLINE struct fapilogi_ptext fapilogi_format_text(const char *format, int index, int prev, const void *cptr)
{
    const char *const s = FAPILOGI_CAST(const struct fapilogi_cptr *, cptr)->s;
    if (__builtin_strchr(format, '.') || __builtin_strchr(format, 'p'))
        return fapilogi_printf_text(format, index, prev, s);
    struct fapilogi_ptext r;
    r.data = s ? s : "(null)";
    r.len = fapilogi_clamp(strlen(r.data));
    return r;
}

FAPILOGI_API uint32_t fapilogi_backtrace(void **frames, uint32_t max);

/* Inline also where nothing is optimized: the first frame is the caller's. */
FAPILOGI_INLINE struct fapilogi_stack fapilogi_make_stack(void)
{
    struct fapilogi_stack r;
    r.count = fapilogi_backtrace(r.frame, FAPILOGI_STACK_MAX);
    return r;
}

/* ---- list of carriers ---------------------------------------------------------------------------- */

#define FAPILOGI_LONG_TYPE (sizeof(long) == 8 ? FAPILOG_TYPE_I64 : FAPILOG_TYPE_I32)
#define FAPILOGI_ULONG_TYPE (sizeof(long) == 8 ? FAPILOG_TYPE_U64 : FAPILOG_TYPE_U32)

/* name, C type, wire type: stored at its natural size and alignment */
#define FAPILOGI_SCALARS(S) \
    S(bool_, bool, FAPILOG_TYPE_BOOL) \
    S(char_, char, FAPILOG_TYPE_CHAR) \
    S(i8, signed char, FAPILOG_TYPE_I8) \
    S(u8, unsigned char, FAPILOG_TYPE_U8) \
    S(i16, short, FAPILOG_TYPE_I16) \
    S(u16, unsigned short, FAPILOG_TYPE_U16) \
    S(i32, int, FAPILOG_TYPE_I32) \
    S(u32, unsigned int, FAPILOG_TYPE_U32) \
    S(l, long, FAPILOGI_LONG_TYPE) \
    S(ul, unsigned long, FAPILOGI_ULONG_TYPE) \
    S(ll, long long, FAPILOG_TYPE_I64) \
    S(ull, unsigned long long, FAPILOG_TYPE_U64) \
    S(f32, float, FAPILOG_TYPE_F32) \
    S(f64, double, FAPILOG_TYPE_F64) \
    S(errno_, struct fapilogi_errno, FAPILOG_TYPE_ERRNO) \
    S(pointer, struct fapilogi_pointer, FAPILOG_TYPE_POINTER) \
    S(time, struct fapilogi_time, FAPILOG_TYPE_TIME) \
    S(duration, struct fapilogi_duration, FAPILOG_TYPE_DURATION)
/* bytes of fixed length at alignment 1 */
#define FAPILOGI_FIXEDS(S) \
    S(ipv4, struct fapilogi_ipv4, FAPILOG_TYPE_IPV4) \
    S(ipv6, struct fapilogi_ipv6, FAPILOG_TYPE_IPV6) \
    S(uuid, struct fapilogi_uuid, FAPILOG_TYPE_UUID) \
    S(trace, struct fapilogi_trace, FAPILOG_TYPE_TRACE_ID) \
    S(span, struct fapilogi_span, FAPILOG_TYPE_SPAN_ID)
/* u32 length at alignment 4, then the bytes */
#define FAPILOGI_BLOBS(S) \
    S(string, struct fapilogi_string, FAPILOG_TYPE_STRING) \
    S(bytes, struct fapilogi_bytes, FAPILOG_TYPE_BYTES) \
    S(json, struct fapilogi_json, FAPILOG_TYPE_JSON) \
    S(role, struct fapilogi_role, FAPILOG_TYPE_STRING)

#define FAPILOGI_UP(at, to) (((at) + ((to) - 1)) / (to) * (to))

#ifdef __cplusplus
}
#define FAPILOGI_NAME(verb, name) fapilogi_##verb
template <typename T> struct fapilogi_type_of;
#define FAPILOGI_TYPE_FN(name, ctype, wire) \
    template <> struct fapilogi_type_of<ctype> { static constexpr uint8_t value = wire; };
#else
#define FAPILOGI_NAME(verb, name) fapilogi_##verb##_##name
#define FAPILOGI_TYPE_FN(name, ctype, wire)
#endif

#define FAPILOGI_CARRY_FN(name, ctype) \
    FAPILOGI_INLINE ctype FAPILOGI_NAME(carry, name)(ctype v) { return v; }

#define FAPILOGI_S(name, ctype, wire) \
    FAPILOGI_TYPE_FN(name, ctype, wire) \
    FAPILOGI_CARRY_FN(name, ctype) \
    FAPILOGI_INLINE size_t FAPILOGI_NAME(end, name)(size_t at, const ctype *v) \
    { \
        (void)v; \
        return FAPILOGI_UP(at, sizeof(ctype)) + sizeof(ctype); \
    } \
    FAPILOGI_INLINE size_t FAPILOGI_NAME(put, name)(uint8_t *to, size_t at, const ctype *v) \
    { \
        at = FAPILOGI_UP(at, sizeof(ctype)); \
        memcpy(to + at, v, sizeof *v); \
        return at + sizeof *v; \
    }
FAPILOGI_SCALARS(FAPILOGI_S)
#undef FAPILOGI_S

#define FAPILOGI_S(name, ctype, wire) \
    FAPILOGI_TYPE_FN(name, ctype, wire) \
    FAPILOGI_CARRY_FN(name, ctype) \
    FAPILOGI_INLINE size_t FAPILOGI_NAME(end, name)(size_t at, const ctype *v) \
    { \
        return at + sizeof *v; \
    } \
    FAPILOGI_INLINE size_t FAPILOGI_NAME(put, name)(uint8_t *to, size_t at, const ctype *v) \
    { \
        memcpy(to + at, v, sizeof *v); \
        return at + sizeof *v; \
    }
FAPILOGI_FIXEDS(FAPILOGI_S)
#undef FAPILOGI_S

#define FAPILOGI_S(name, ctype, wire) \
    FAPILOGI_TYPE_FN(name, ctype, wire) \
    FAPILOGI_CARRY_FN(name, ctype) \
    FAPILOGI_INLINE size_t FAPILOGI_NAME(end, name)(size_t at, const ctype *v) \
    { \
        return FAPILOGI_UP(at, 4) + 4 + v->len; \
    } \
    FAPILOGI_INLINE size_t FAPILOGI_NAME(put, name)(uint8_t *to, size_t at, const ctype *v) \
    { \
        at = FAPILOGI_UP(at, 4); \
        memcpy(to + at, &v->len, 4); \
        memcpy(to + at + 4, v->data, v->len); \
        return at + 4 + v->len; \
    }
FAPILOGI_BLOBS(FAPILOGI_S)
#undef FAPILOGI_S

FAPILOGI_TYPE_FN(stack, struct fapilogi_stack, FAPILOG_TYPE_STACK)
FAPILOGI_CARRY_FN(stack, struct fapilogi_stack)
FAPILOGI_INLINE size_t FAPILOGI_NAME(end, stack)(size_t at, const struct fapilogi_stack *v)
{
    at = FAPILOGI_UP(at, 4) + 4;
    return FAPILOGI_UP(at, 8) + FAPILOGI_CAST(size_t, v->count) * 8;
}
FAPILOGI_INLINE size_t FAPILOGI_NAME(put, stack)(uint8_t *to, size_t at, const struct fapilogi_stack *v)
{
    at = FAPILOGI_UP(at, 4);
    memcpy(to + at, &v->count, 4);
    at = FAPILOGI_UP(at + 4, 8);
    for (uint32_t i = 0; i < v->count; i++) {
        const uint64_t address = FAPILOGI_REINTERPRET(uintptr_t, v->frame[i]);
        memcpy(to + at + FAPILOGI_CAST(size_t, i) * 8, &address, 8);
    }
    return at + FAPILOGI_CAST(size_t, v->count) * 8;
}

FAPILOGI_TYPE_FN(ptext, struct fapilogi_ptext, FAPILOG_TYPE_STRING)
FAPILOGI_INLINE size_t FAPILOGI_NAME(end, ptext)(size_t at, const struct fapilogi_ptext *v)
{
    return FAPILOGI_UP(at, 4) + 4 + v->len;
}
FAPILOGI_INLINE size_t FAPILOGI_NAME(put, ptext)(uint8_t *to, size_t at, const struct fapilogi_ptext *v)
{
    at = FAPILOGI_UP(at, 4);
    memcpy(to + at, &v->len, 4);
    memcpy(to + at + 4, v->data ? v->data : v->hex, v->len);
    return at + 4 + v->len;
}

/* Types that become another carrier. */
FAPILOGI_INLINE struct fapilogi_string FAPILOGI_NAME(carry, cstr)(const char *s) { return fapilogi_cstr(s); }
FAPILOGI_INLINE struct fapilogi_pointer FAPILOGI_NAME(carry, ptr)(const void *p)
{
    return fapilogi_make_pointer(p);
}
FAPILOGI_INLINE double FAPILOGI_NAME(carry, f80)(long double v)
{
    return FAPILOGI_CAST(double, v);
}

/* ---- conversion to struct fapilog_field (context, bound fields, non-macro API) -------------------- */

#define FAPILOGI_FIELD_HEAD(wire) \
    struct fapilog_field f; \
    memset(&f, 0, sizeof f); \
    f.name.data = name; \
    f.name.len = FAPILOGI_CAST(uint32_t, strlen(name)); \
    f.type = wire
#define FAPILOGI_FIELD_FN(name_, ctype, wire, set) \
    FAPILOGI_INLINE struct fapilog_field FAPILOGI_NAME(field, name_)(const char *name, const ctype *v) \
    { \
        FAPILOGI_FIELD_HEAD(wire); \
        set; \
        return f; \
    }
#define FAPILOGI_INTS(S) \
    S(bool_, bool, FAPILOG_TYPE_BOOL, f.v.u64 = *v) \
    S(char_, char, FAPILOG_TYPE_CHAR, f.v.u64 = FAPILOGI_CAST(unsigned char, *v)) \
    S(i8, signed char, FAPILOG_TYPE_I8, f.v.i64 = *v) \
    S(u8, unsigned char, FAPILOG_TYPE_U8, f.v.u64 = *v) \
    S(i16, short, FAPILOG_TYPE_I16, f.v.i64 = *v) \
    S(u16, unsigned short, FAPILOG_TYPE_U16, f.v.u64 = *v) \
    S(i32, int, FAPILOG_TYPE_I32, f.v.i64 = *v) \
    S(u32, unsigned int, FAPILOG_TYPE_U32, f.v.u64 = *v) \
    S(l, long, FAPILOGI_LONG_TYPE, f.v.i64 = *v) \
    S(ul, unsigned long, FAPILOGI_ULONG_TYPE, f.v.u64 = *v) \
    S(ll, long long, FAPILOG_TYPE_I64, f.v.i64 = *v) \
    S(ull, unsigned long long, FAPILOG_TYPE_U64, f.v.u64 = *v) \
    S(f32, float, FAPILOG_TYPE_F32, f.v.f64 = FAPILOGI_CAST(double, *v)) \
    S(f64, double, FAPILOG_TYPE_F64, f.v.f64 = *v) \
    S(errno_, struct fapilogi_errno, FAPILOG_TYPE_ERRNO, f.v.i64 = v->code) \
    S(pointer, struct fapilogi_pointer, FAPILOG_TYPE_POINTER, f.v.u64 = v->address) \
    S(time, struct fapilogi_time, FAPILOG_TYPE_TIME, f.v.i64 = v->ns) \
    S(duration, struct fapilogi_duration, FAPILOG_TYPE_DURATION, f.v.i64 = v->ns)
FAPILOGI_INTS(FAPILOGI_FIELD_FN)
#undef FAPILOGI_INTS
FAPILOGI_INLINE const char *fapilogi_chars(const void *bytes)
{
    return FAPILOGI_CAST(const char *, bytes);
}
/* The bytes stay in the carrier, which lives as long as the enclosing block. */
#define FAPILOGI_S(name, ctype, wire) \
    FAPILOGI_FIELD_FN(name, ctype, wire, f.v.data = fapilogi_chars(v->bytes); f.len = sizeof v->bytes)
FAPILOGI_S(ipv4, struct fapilogi_ipv4, FAPILOG_TYPE_IPV4)
FAPILOGI_S(ipv6, struct fapilogi_ipv6, FAPILOG_TYPE_IPV6)
FAPILOGI_S(uuid, struct fapilogi_uuid, FAPILOG_TYPE_UUID)
#undef FAPILOGI_S
FAPILOGI_FIELD_FN(trace, struct fapilogi_trace, FAPILOG_TYPE_TRACE_ID,
                  f.v.data = fapilogi_chars(v->bytes); f.len = 16; f.role = FAPILOG_ROLE_TRACE_ID)
FAPILOGI_FIELD_FN(span, struct fapilogi_span, FAPILOG_TYPE_SPAN_ID,
                  f.v.data = fapilogi_chars(v->bytes); f.len = 8; f.role = FAPILOG_ROLE_SPAN_ID)
#define FAPILOGI_S(name, ctype, wire) FAPILOGI_FIELD_FN(name, ctype, wire, f.v.data = v->data; f.len = v->len)
FAPILOGI_S(string, struct fapilogi_string, FAPILOG_TYPE_STRING)
FAPILOGI_S(bytes, struct fapilogi_bytes, FAPILOG_TYPE_BYTES)
FAPILOGI_S(json, struct fapilogi_json, FAPILOG_TYPE_JSON)
#undef FAPILOGI_S
FAPILOGI_FIELD_FN(role, struct fapilogi_role, FAPILOG_TYPE_STRING,
                  f.v.data = v->data; f.len = v->len; f.role = v->role)
FAPILOGI_FIELD_FN(stack, struct fapilogi_stack, FAPILOG_TYPE_STACK,
                  f.v.data = fapilogi_chars(v->frame); f.len = v->count * 8)
#undef FAPILOGI_FIELD_FN
#undef FAPILOGI_FIELD_HEAD

/* ---- choosing ------------------------------------------------------------------------------------ */

#ifdef __cplusplus
/* `Here`, a local class, depends on the template that the call may be in: gcc looks at the value when the template is
 * instantiated, and not before, when it takes a bit-field for one of a type of its own. */
#define FAPILOGI_CARRY(Here, value) fapilogi_carry(fapilogi_value<Here>::checked(value))
#define FAPILOGI_CARRYF(Here, message, next, value) \
    fapilogi_formatted(message, &next, fapilogi_carry_format(fapilogi_value<Here>::same(value)))
inline struct fapilogi_cptr fapilogi_carry_format(const char *s) { return fapilogi_carry_cptr(s); }
inline struct fapilogi_cptr fapilogi_carry_format(const signed char *s) { return fapilogi_carry_cptr(s); }
inline struct fapilogi_cptr fapilogi_carry_format(const unsigned char *s) { return fapilogi_carry_cptr(s); }
template <typename T> inline struct fapilogi_pointer fapilogi_carry_format(const T *p)
{
    return fapilogi_make_pointer(p);
}
template <typename T, typename = typename std::enable_if<!std::is_pointer<T>::value && !std::is_array<T>::value>::type>
inline auto fapilogi_carry_format(const T &v) -> decltype(fapilogi_carry(v))
{
    return fapilogi_carry(v);
}
inline int fapilogi_as_int(int v) { return v; }
template <typename T> inline int fapilogi_as_int(const T &) { return 0; }
/* Which argument of the format comes next, and what the one before it was. */
struct fapilogi_argument { int prev, index; };
template <typename T> FAPILOGI_INLINE T fapilogi_formatted(const char *, struct fapilogi_argument *at, const T &v)
{
    at->prev = fapilogi_as_int(v);
    at->index++;
    return v;
}
FAPILOGI_INLINE struct fapilogi_ptext fapilogi_formatted(const char *format, struct fapilogi_argument *at,
                                                         const struct fapilogi_cptr &s)
{
    const struct fapilogi_ptext text = fapilogi_format_text(format, at->index, at->prev, &s);
    at->prev = 0;
    at->index++;
    return text;
}
#else
#define FAPILOGI_CARRIED(value) \
    _Generic((value), FAPILOGI_ALL(carry), \
        char *: fapilogi_carry_cstr, const char *: fapilogi_carry_cstr, \
        void *: fapilogi_carry_ptr, const void *: fapilogi_carry_ptr, \
        long double: fapilogi_carry_f80)(value)
#define FAPILOGI_CARRY(i, value) \
    FAPILOGI_CHECK_VALUE(value); \
    __extension__ const __auto_type fapilogi_v##i = FAPILOGI_CARRIED(value);
#define FAPILOGI_CARRYF(i, value) \
    __extension__ const __auto_type fapilogi_r##i = _Generic((value), FAPILOGI_ALL(carry), \
        char *: fapilogi_carry_cptr, const char *: fapilogi_carry_cptr, \
        signed char *: fapilogi_carry_cptr, const signed char *: fapilogi_carry_cptr, \
        unsigned char *: fapilogi_carry_cptr, const unsigned char *: fapilogi_carry_cptr, \
        long double: fapilogi_carry_f80, default: fapilogi_carry_ptr)(value); \
    __extension__ const __auto_type fapilogi_v##i = _Generic((fapilogi_r##i), \
        struct fapilogi_cptr: fapilogi_format_text(fapilogi_message, fapilogi_index, fapilogi_prev, \
                                                   (const void *)&fapilogi_r##i), \
        default: fapilogi_r##i);
#define FAPILOGI_AS_INT(v) _Generic((v), int: (v), default: 0)
#define FAPILOGI_ALL(verb) \
    bool: fapilogi_##verb##_bool_, char: fapilogi_##verb##_char_, \
    signed char: fapilogi_##verb##_i8, unsigned char: fapilogi_##verb##_u8, \
    short: fapilogi_##verb##_i16, unsigned short: fapilogi_##verb##_u16, \
    int: fapilogi_##verb##_i32, unsigned int: fapilogi_##verb##_u32, \
    long: fapilogi_##verb##_l, unsigned long: fapilogi_##verb##_ul, \
    long long: fapilogi_##verb##_ll, unsigned long long: fapilogi_##verb##_ull, \
    float: fapilogi_##verb##_f32, double: fapilogi_##verb##_f64, \
    struct fapilogi_errno: fapilogi_##verb##_errno_, struct fapilogi_pointer: fapilogi_##verb##_pointer, \
    struct fapilogi_time: fapilogi_##verb##_time, struct fapilogi_duration: fapilogi_##verb##_duration, \
    struct fapilogi_ipv4: fapilogi_##verb##_ipv4, struct fapilogi_ipv6: fapilogi_##verb##_ipv6, \
    struct fapilogi_uuid: fapilogi_##verb##_uuid, struct fapilogi_trace: fapilogi_##verb##_trace, \
    struct fapilogi_span: fapilogi_##verb##_span, struct fapilogi_string: fapilogi_##verb##_string, \
    struct fapilogi_bytes: fapilogi_##verb##_bytes, struct fapilogi_json: fapilogi_##verb##_json, \
    struct fapilogi_role: fapilogi_##verb##_role, struct fapilogi_stack: fapilogi_##verb##_stack
#define FAPILOGI_TYPE(v) _Generic((v), \
    bool: FAPILOG_TYPE_BOOL, char: FAPILOG_TYPE_CHAR, \
    signed char: FAPILOG_TYPE_I8, unsigned char: FAPILOG_TYPE_U8, \
    short: FAPILOG_TYPE_I16, unsigned short: FAPILOG_TYPE_U16, \
    int: FAPILOG_TYPE_I32, unsigned int: FAPILOG_TYPE_U32, \
    long: FAPILOGI_LONG_TYPE, unsigned long: FAPILOGI_ULONG_TYPE, \
    long long: FAPILOG_TYPE_I64, unsigned long long: FAPILOG_TYPE_U64, \
    float: FAPILOG_TYPE_F32, double: FAPILOG_TYPE_F64, \
    struct fapilogi_errno: FAPILOG_TYPE_ERRNO, struct fapilogi_pointer: FAPILOG_TYPE_POINTER, \
    struct fapilogi_time: FAPILOG_TYPE_TIME, struct fapilogi_duration: FAPILOG_TYPE_DURATION, \
    struct fapilogi_ipv4: FAPILOG_TYPE_IPV4, struct fapilogi_ipv6: FAPILOG_TYPE_IPV6, \
    struct fapilogi_uuid: FAPILOG_TYPE_UUID, struct fapilogi_trace: FAPILOG_TYPE_TRACE_ID, \
    struct fapilogi_span: FAPILOG_TYPE_SPAN_ID, struct fapilogi_string: FAPILOG_TYPE_STRING, \
    struct fapilogi_bytes: FAPILOG_TYPE_BYTES, struct fapilogi_json: FAPILOG_TYPE_JSON, \
    struct fapilogi_role: FAPILOG_TYPE_STRING, struct fapilogi_stack: FAPILOG_TYPE_STACK, \
    struct fapilogi_ptext: FAPILOG_TYPE_STRING)
#define FAPILOGI_END(at, v) \
    _Generic((v), FAPILOGI_ALL(end), struct fapilogi_ptext: fapilogi_end_ptext)(at, &(v))
#define FAPILOGI_PUT(to, at, v) \
    _Generic((v), FAPILOGI_ALL(put), struct fapilogi_ptext: fapilogi_put_ptext)(to, at, &(v))
#define FAPILOGI_FIELD(name, v) _Generic((v), FAPILOGI_ALL(field))(name, &(v))
#endif

#endif
