/* What fapilog_open() was asked for: options, then the environment, then defaults. What is wrong, and a variable that
 * looks like a misspelt one, is said on stderr and counts as not given. */
#include "lib/producer/internal.h"

#include "lib/base/edit_distance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

SELDOM static void complain(const char *what, const char *value, const char *allowed)
{
    (void)fprintf(stderr, "fapilog: %s: '%s' is ignored, want %s\n", what, value, allowed);
}

/* A text that is too long is not ignored: its begin tells more than nothing. */
SELDOM static const char *short_enough(const char *text, const char *what, size_t max)
{
    if (text && strlen(text) > max)
        (void)fprintf(stderr, "fapilog: %s: '%s' is cut after %zu bytes\n", what, text, max);
    return text;
}

/* Nothing in a program with more rights than its user, who must not silence it or send its records elsewhere. */
SELDOM static const char *environment(const char *name)
{
    const char *text = secure_getenv(name);
    return text && *text ? text : NULL;
}

/* ---- variables that look like ours and are not ---- */

enum { NAME_ROOM = 10, NEAR = 2, SHORT_LEN = 5 }; /* of a short name only one letter may be wrong */

static const char prefix[] = "FAPILOG_";
static const char variables[][NAME_ROOM] = {"RING_DIR", "SERVICE", "ENV", "VERSION",
                                            "LEVEL",    "ON_FULL", "LANES", "LANE_SIZE"};

SELDOM static bool is_word(const char *name, size_t len, const char *word)
{
    return strlen(word) == len && strncmp(name, word, len) == 0;
}

/* The variable that was meant; NULL: the name is right, another command's, or nothing like ours. */
SELDOM static const char *meant(const char *name, size_t len)
{
    const unsigned most = len <= SHORT_LEN ? 1 : NEAR;
    const char *nearest = NULL;
    char copy[NAME_ROOM + NEAR];
    if (is_word(name, len, "LEVELS")) /* the collector's */
        return NULL;
    if (is_word(name, len, "LOG_LEVEL")) /* by habit */
        return "LEVEL";
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (is_word(name, len, variables[i]))
            return NULL;
    if (len >= sizeof copy)
        return NULL;
    (void)snprintf(copy, sizeof copy, "%.*s", (int)len, name);
    unsigned least = most + 1;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const unsigned edits = edit_distance(copy, variables[i]);
        if (edits < least) {
            least = edits;
            nearest = variables[i];
        }
    }
    return nearest;
}

/* Once in a process. */
SELDOM static void look_for_misspelt(void)
{
    static bool has_looked;
    const size_t begin = sizeof prefix - 1;
    for (char **v = has_looked ? NULL : environ; v && *v; v++) {
        char name[sizeof prefix + NAME_ROOM + NEAR];
        const size_t len = strcspn(*v, "=");
        const char *near = strncmp(*v, prefix, begin) == 0 ? meant(*v + begin, len - begin) : NULL;
        if (!near)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)len, *v);
        if (environment(name))
            (void)fprintf(stderr, "fapilog: %s has no effect; did you mean %s%s?\n", name, prefix, near);
    }
    has_looked = true;
}

struct word {
    const char *text;
    uint32_t value;
};

static const struct word levels[] = {
    {"TRACE", FAPILOG_LEVEL_TRACE}, {"DEBUG", FAPILOG_LEVEL_DEBUG}, {"INFO", FAPILOG_LEVEL_INFO},
    {"WARNING", FAPILOG_LEVEL_WARNING}, {"WARN", FAPILOG_LEVEL_WARNING}, {"ERROR", FAPILOG_LEVEL_ERROR},
    {"CRITICAL", FAPILOG_LEVEL_CRITICAL}, {"FATAL", FAPILOG_LEVEL_CRITICAL},
    {"AUDIT", FAPILOG_LEVEL_AUDIT}, {"SECURITY", FAPILOG_LEVEL_SECURITY}, {"OFF", FAPILOG_LEVEL_OFF},
    {NULL, 0}};
static const struct word policies[] = {{"discard", FAPILOG_ON_FULL_DISCARD},
                                       {"overwrite", FAPILOG_ON_FULL_OVERWRITE},
                                       {"block", FAPILOG_ON_FULL_BLOCK},
                                       {NULL, 0}};

uint32_t fapilog_level_from_text(const char *text)
{
    for (const struct word *w = levels; text && w->text; w++)
        if (strcasecmp(text, w->text) == 0)
            return w->value;
    return 0;
}

/* The value of the word in the environment, 0 when there is none. */
SELDOM static uint32_t environment_word(const char *name, const struct word *words, const char *allowed)
{
    const char *text = environment(name);
    if (!text)
        return 0;
    for (; words->text; words++)
        if (strcasecmp(text, words->text) == 0)
            return words->value;
    complain(name, text, allowed);
    return 0;
}

/* "262144", "256k", "256 KB", "1MiB": base 1024. */
SELDOM static bool parse_size(const char *text, uint64_t *ret)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    uint64_t n = strtoull(text, &end, 10);
    while (*end == ' ')
        end++;
    const char *const units = "kmg";
    const char *unit = *end ? strchr(units, edit_fold(*end)) : NULL;
    if (unit) {
        const unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (n > UINT64_MAX >> shift)
            return false;
        n <<= shift;
        end++;
        if (*end == 'i' || *end == 'I')
            end++;
    }
    if (*end == 'b' || *end == 'B')
        end++;
    *ret = n;
    return *end == '\0';
}

SELDOM
static uint64_t number(uint64_t option, const char *option_name, const char *env_name, uint64_t min, uint64_t max,
                       uint64_t otherwise)
{
    char allowed[64];
    (void)snprintf(allowed, sizeof allowed, "%llu..%llu", (unsigned long long)min, (unsigned long long)max);
    if (option >= min && option <= max)
        return option;
    if (option) {
        char text[24];
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)option);
        complain(option_name, text, allowed);
    }
    const char *text = env_name ? environment(env_name) : NULL;
    uint64_t n;
    if (!text)
        return otherwise;
    if (parse_size(text, &n) && n >= min && n <= max)
        return n;
    complain(env_name, text, allowed);
    return otherwise;
}

/* A caller built with a later header may pass a longer struct: fine while the bytes we do not know are 0. */
SELDOM static struct fapilog_options known(const struct fapilog_options *o)
{
    struct fapilog_options k = {0};
    if (!o)
        return k;
    const uint8_t *bytes = (const uint8_t *)o;
    bool zero = true;
    for (size_t i = sizeof k; zero && i < o->size; i++)
        zero = bytes[i] == 0;
    if (o->size < sizeof o->size)
        (void)fprintf(stderr, "fapilog: fapilog_options.size is %zu, want sizeof(struct fapilog_options): none of the "
                              "options counts\n", o->size);
    else if (!zero)
        (void)fprintf(stderr, "fapilog: fapilog_options has members that version " FAPILOG_VERSION_STRING " of the "
                              "library does not know: none of the options counts\n");
    else
        memcpy(&k, o, o->size < sizeof k ? o->size : sizeof k);
    return k;
}

SELDOM void fapilogi_settings(const struct fapilog_options *given, struct settings *ret)
{
    const struct fapilog_options o = known(given);
    look_for_misspelt();
    const uint32_t env_level = environment_word("FAPILOG_LEVEL", levels, "a level name, as INFO");
    const uint32_t env_policy = environment_word("FAPILOG_ON_FULL", policies, "discard, overwrite or block");
    *ret = (struct settings){
        .level = o.level && o.level <= FAPILOG_LEVEL_OFF ? o.level : env_level ? env_level : FAPILOG_LEVEL_INFO,
        .fallback = o.fallback,
        .lanes = (uint32_t)number(o.lanes, "fapilog_options.lanes", "FAPILOG_LANES", 1,
                                  FAPILOG_LANES_MAX - FAPILOG_SHARED_LANES, GEOMETRY_LANES_DEFAULT),
        .lane_bytes = number(o.lane_bytes, "fapilog_options.lane_bytes", "FAPILOG_LANE_SIZE",
                             UINT64_C(1) << FAPILOG_LANE_LOG2_MIN, UINT64_C(1) << FAPILOG_LANE_LOG2_MAX,
                             UINT64_C(1) << GEOMETRY_LANE_LOG2_DEFAULT),
        .registry_bytes = number(o.registry_bytes, "fapilog_options.registry_bytes", NULL, GEOMETRY_REGISTRY_MIN,
                                 GEOMETRY_REGISTRY_MAX, GEOMETRY_REGISTRY_DEFAULT),
        .ring_dir = o.ring_dir,
        .env = o.env ? short_enough(o.env, "fapilog_options.env", ENV_MAX)
                     : short_enough(environment("FAPILOG_ENV"), "FAPILOG_ENV", ENV_MAX),
        .version = o.version ? short_enough(o.version, "fapilog_options.version", ENV_MAX)
                             : short_enough(environment("FAPILOG_VERSION"), "FAPILOG_VERSION", ENV_MAX),
    };
    const uint32_t policy = o.on_full >= FAPILOG_ON_FULL_DISCARD && o.on_full <= FAPILOG_ON_FULL_BLOCK ? o.on_full
                            : env_policy                                                               ? env_policy
                                                                         : FAPILOG_ON_FULL_DISCARD;
    ret->on_full = policy - FAPILOG_ON_FULL_DISCARD + FAPILOG_MODE_DISCARD;
    if (o.level > FAPILOG_LEVEL_OFF)
        complain("fapilog_options.level", "a number above 31", "enum fapilog_level");
    if (o.fallback > FAPILOG_FALLBACK_STDERR)
        complain("fapilog_options.fallback", "an unknown number", "enum fapilog_fallback");
    if (o.on_full > FAPILOG_ON_FULL_BLOCK)
        complain("fapilog_options.on_full", "an unknown number", "enum fapilog_on_full");
}

/* At most size - 1 bytes, not cut inside a UTF-8 sequence. */
void fapilogi_copy_text(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size);
    if (len == size) {
        len--;
        while (len && ((unsigned char)from[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(to, from, len);
    memset(to + len, 0, size - len);
}

SELDOM void fapilogi_service_name(const char *given, char ret[SERVICE_MAX + 1])
{
    if (given && *given)
        (void)short_enough(given, "the name of the service", SERVICE_MAX);
    else
        given = short_enough(environment("FAPILOG_SERVICE"), "FAPILOG_SERVICE", SERVICE_MAX);
    fapilogi_copy_text(ret, SERVICE_MAX + 1, given ? given : program_invocation_short_name);
}
