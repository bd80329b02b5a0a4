/* Shortest decimal of a binary floating-point number, after R. Giulietti, "The Schubfach way to
 * render doubles": among the decimals that round back to v take those with the fewest digits, and of
 * these the one nearest to v. */
#ifndef FAPILOG_BASE_DTOA_H
#define FAPILOG_BASE_DTOA_H

#include <stdint.h>

struct dtoa { /* digits * 10^exponent; the last digit is not 0 */
    uint64_t digits;
    int exponent;
};

/* bits: of a finite, positive number, as IEEE 754 stores it. */
struct dtoa dtoa_f64(uint64_t bits);
struct dtoa dtoa_f32(uint32_t bits);

#endif
