/* misuse.h - what a log call must not be, told by the compiler in words. Private to the macros of fapilog.h.
 *
 * Each check is a static assertion in front of the code that would not compile either, or that would do something else
 * than was meant; what the compiler says after it can be ignored. */
#ifndef FAPILOG_MISUSE_H
#define FAPILOG_MISUSE_H

#include <fapilog/each.h>
#include <fapilog/fields.h>

/* Of the call as a whole; the first of the arguments is the message. */
#define FAPILOGI_CHECK_CALL(level, ...) \
    FAPILOG_STATIC_ASSERT(FAPILOGI_COUNT_REST(__VA_ARGS__) <= 64, \
        "fapilog: a log call takes at most 64 fields or arguments: log two records, or join values in one FL_JSON()"); \
    FAPILOG_STATIC_ASSERT(FAPILOGI_IS_LITERAL(FAPILOGI_FIRST(__VA_ARGS__)), \
        "fapilog: the message must be a string literal: what varies is a field, FL(\"name\", text), or an argument, " \
        "FAPILOG_INFOF(log, \"%s\", text)"); \
    FAPILOG_STATIC_ASSERT(sizeof(FAPILOGI_FIRST(__VA_ARGS__)) <= 65536, \
        "fapilog: the message is longer than 65535 bytes: log long texts as fields"); \
    FAPILOG_STATIC_ASSERT(FAPILOGI_IS_LEVEL(level), \
        "fapilog: the level must be 1 to 30, see enum fapilog_level; FAPILOG_LEVEL_OFF is a threshold")

/* Of one argument after the message, where fields are wanted. */
#define FAPILOGI_CHECK_FIELD(pair) \
    FAPILOG_STATIC_ASSERT(FAPILOGI_IS_PAIR(pair), \
        "fapilog: after the message come fields, FL(\"name\", value); arguments take FAPILOG_INFOF() and its like"); \
    FAPILOG_STATIC_ASSERT(FAPILOGI_IS_NAME(FAPILOGI_PAIR_NAME pair), \
        "fapilog: the name of a field must be a string literal in a log call: names that vary can be given to " \
        "fapilog_log()"); \
    FAPILOG_STATIC_ASSERT(sizeof(FAPILOGI_PAIR_NAME pair) <= 256, \
        "fapilog: the name of a field is longer than 255 bytes")

#define FAPILOGI_CHECK_VALUE(value) FAPILOG_STATIC_ASSERT(FAPILOGI_IS_LOGGABLE(value), FAPILOGI_NO_SUCH_VALUE)
#define FAPILOGI_NO_SUCH_VALUE \
    "fapilog: a value of this type cannot be logged: FL() takes numbers, bool, char, C strings and void pointers; " \
    "FL_PTR() takes any pointer, FL_BYTES() any bytes; " FAPILOGI_OTHER_TYPES

/* An array of the length that hex digits have holds these, not the bytes of an id. */
#define FAPILOGI_TRACE_DIGITS "fapilog: FL_TRACE_ID() takes 16 bytes; 32 hex digits are a text: FL(\"trace_id\", text)"
#define FAPILOGI_SPAN_DIGITS "fapilog: FL_SPAN_ID() takes 8 bytes; 16 hex digits are a text: FL(\"span_id\", text)"

/* Of the fields of a list, which may have any name; the value is how many there are. */
#define FAPILOGI_LIST_COUNT(max, ...) \
    __extension__({ \
        FAPILOG_STATIC_ASSERT(FAPILOGI_COUNT_REST(0, __VA_ARGS__) <= (max), \
            "fapilog: too many fields: a list has at most 64, what is bound to a thread at most 32"); \
        FAPILOGI_EACH_REST(FAPILOGI_DO_CHECK_LISTED, 0, __VA_ARGS__) \
        FAPILOGI_COUNT_REST(0, __VA_ARGS__); \
    })
#define FAPILOGI_DO_CHECK_LISTED(i, pair) \
    FAPILOG_STATIC_ASSERT(FAPILOGI_IS_PAIR(pair), "fapilog: a list is made of fields, as FL(\"name\", value)"); \
    FAPILOGI_CHECK_LISTED(FAPILOGI_PAIR_VALUE pair)

/* 1 when the argument begins with parentheses, as all fields do. */
#define FAPILOGI_IS_PAIR(x) FAPILOGI_IS_PAIR_(FAPILOGI_PROBE x, 0, 0)
#define FAPILOGI_IS_PAIR_(...) FAPILOGI_IS_PAIR_SECOND(__VA_ARGS__)
#define FAPILOGI_IS_PAIR_SECOND(first, second, ...) second
#define FAPILOGI_PROBE(...) 0, 1

#ifdef __cplusplus

#include <type_traits>
#include <utility>

#define FAPILOGI_OTHER_TYPES "types of your own need a function fapilog_value(), see fapilog.hpp"
#define FAPILOGI_CHECK_LISTED(value) /* in fapilogi_field_of(): the value may be one that stands in no decltype() */
#define FAPILOGI_IS_LITERAL(text) (std::is_same<decltype(text), const char (&)[sizeof(text)]>::value)
#define FAPILOGI_IS_NAME(name) \
    (std::is_array<typename std::remove_reference<decltype(name)>::type>::value || __builtin_constant_p(name))
#define FAPILOGI_IS_LEVEL(level) (__builtin_constant_p(level) ? static_cast<uint32_t>(level) - 1 < 30 : true)
#define FAPILOGI_IS_LOGGABLE(v) (fapilogi_loggable<decltype(v), decltype(fapilogi_carry(v))>::value)

/* What a value becomes for which there is nothing better. */
struct fapilogi_unsupported {};
fapilogi_unsupported fapilogi_carry(...);

/* A pointer could become a bool, or an address where a text was meant. */
template <typename Value, typename Carrier> struct fapilogi_loggable {
    typedef typename std::decay<Value>::type type;
    typedef typename std::remove_pointer<type>::type target;
    static constexpr bool is_pointer = std::is_pointer<type>::value || std::is_member_pointer<type>::value;
    static constexpr bool value = !std::is_same<Carrier, fapilogi_unsupported>::value &&
                                  !(is_pointer && std::is_same<Carrier, bool>::value) &&
                                  !(is_pointer && std::is_same<Carrier, fapilogi_pointer>::value &&
                                    !std::is_void<target>::value);
};

template <typename... Carriers> struct fapilogi_are_loggable {
    static constexpr bool value = true;
};
template <typename Carrier, typename... Carriers> struct fapilogi_are_loggable<Carrier, Carriers...> {
    static constexpr bool value =
        !std::is_same<Carrier, fapilogi_unsupported>::value && fapilogi_are_loggable<Carriers...>::value;
};

/* Whether values of type T have a function fapilog_value(). */
template <typename T, typename = void> struct fapilogi_has_value {
    static constexpr bool value = false;
};
template <typename T>
struct fapilogi_has_value<T, decltype(static_cast<void>(fapilog_value(std::declval<const T &>())))> {
    static constexpr bool value = true;
};

/* A value of a log call on its way to the overloads that make a carrier of it. */
template <typename Here> struct fapilogi_value {
    /* A constant as a value, not as the null pointer that it may also be. */
    template <typename T> static inline __attribute__((always_inline)) const T &same(const T &v) { return v; }

    /* The overloads may come after this header. For pointers they are all known, but for those to types with a
     * function of their own. */
    template <typename T> static inline __attribute__((always_inline)) const T &checked(const T &v)
    {
        typedef typename std::decay<T>::type type;
        typedef decltype(fapilogi_carry(std::declval<typename std::conditional<
                             std::is_pointer<type>::value || std::is_member_pointer<type>::value, type, int>::type>()))
            carrier;
        static_assert(fapilogi_has_value<T>::value || fapilogi_loggable<type, carrier>::value, FAPILOGI_NO_SUCH_VALUE);
        return v;
    }
};

#define FAPILOGI_NO_DIGITS(bytes, length, text) (bytes)
template <typename Digit> fapilogi_trace fapilogi_make_trace(const Digit (&)[33])
{
    static_assert(sizeof(Digit) == 0, FAPILOGI_TRACE_DIGITS);
    return fapilogi_trace();
}
template <typename Digit> fapilogi_span fapilogi_make_span(const Digit (&)[17])
{
    static_assert(sizeof(Digit) == 0, FAPILOGI_SPAN_DIGITS);
    return fapilogi_span();
}

#else

#define FAPILOGI_NO_DIGITS(bytes, length, text) \
    __extension__({ \
        FAPILOG_STATIC_ASSERT(sizeof(__typeof__(bytes)) != (length), text); \
        (const void *)(bytes); \
    })
#define FAPILOGI_OTHER_TYPES "a bit-field must be cast" /* gcc has types of its own for them */
#define FAPILOGI_CHECK_LISTED(value) FAPILOGI_CHECK_VALUE(value);
#define FAPILOGI_IS_LITERAL(text) __builtin_types_compatible_p(__typeof__(text), char[sizeof(text)])
#define FAPILOGI_IS_NAME(name) \
    (__builtin_types_compatible_p(__typeof__(name), char[sizeof(name)]) || \
     __builtin_types_compatible_p(__typeof__(name), const char[sizeof(name)]))
#define FAPILOGI_IS_LEVEL(level) \
    ((uint32_t)__builtin_choose_expr(__builtin_constant_p(level), (level), 1) - 1u < 30u)
#define FAPILOGI_IS_LOGGABLE(value) \
    _Generic((value), default: 0, \
        bool: 1, char: 1, signed char: 1, unsigned char: 1, short: 1, unsigned short: 1, int: 1, unsigned int: 1, \
        long: 1, unsigned long: 1, long long: 1, unsigned long long: 1, float: 1, double: 1, long double: 1, \
        char *: 1, const char *: 1, void *: 1, const void *: 1, \
        struct fapilogi_string: 1, struct fapilogi_bytes: 1, struct fapilogi_json: 1, struct fapilogi_errno: 1, \
        struct fapilogi_pointer: 1, struct fapilogi_ipv4: 1, struct fapilogi_ipv6: 1, struct fapilogi_time: 1, \
        struct fapilogi_duration: 1, struct fapilogi_uuid: 1, struct fapilogi_trace: 1, struct fapilogi_span: 1, \
        struct fapilogi_role: 1, struct fapilogi_stack: 1)

#endif

#endif
