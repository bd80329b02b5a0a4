#include "lib/base/bytes_text.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void base64_gives_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "//79"},
        {"\xfb\xef\xbe", "++++"}};
    char got[32];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const size_t len = strlen(vectors[i][0]);
        char *const end = base64_write(vectors[i][0], len, got);
        assert_int_equal(end - got, BASE64_SIZE(len));
        *end = '\0';
        assert_string_equal(got, vectors[i][1]);
    }
}

static void hex_and_uuid_are_lower_case(void **state)
{
    (void)state;
    const uint8_t id[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
                            0x32, 0x10};
    char got[40];
    *hex_write(id, sizeof id, got) = '\0';
    assert_string_equal(got, "0123456789abcdeffedcba9876543210");
    char *const end = uuid_write(id, got);
    assert_int_equal(end - got, UUID_TEXT_SIZE);
    *end = '\0';
    assert_string_equal(got, "01234567-89ab-cdef-fedc-ba9876543210");
}

static void hex_of_any_length_reads_back(void **state)
{
    (void)state;
    uint8_t data[40], back[40];
    char got[81];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37);
    for (size_t len = 0; len <= sizeof data; len++) {
        assert_int_equal(hex_write(data, len, got) - got, 2 * len);
        assert_true(hex_read(got, len, back));
        assert_memory_equal(data, back, len);
    }
}

static void hex_is_read_back_and_anything_else_refused(void **state)
{
    (void)state;
    uint8_t got[4];
    assert_true(hex_read("00fF7A80", 4, got));
    assert_memory_equal(got, "\x00\xff\x7a\x80", 4);
    assert_false(hex_read("00fg7a80", 4, got));
    assert_false(hex_read("0 ", 1, got));
    assert_false(hex_read("@1", 1, got));
    assert_false(hex_read("1\x10", 1, got));
    assert_false(hex_read(":1", 1, got));
}

static void ipv4_matches_the_c_library(void **state)
{
    (void)state;
    static const uint8_t addresses[][4] = {{0, 0, 0, 0}, {255, 255, 255, 255}, {10, 0, 200, 9}, {127, 0, 0, 1}};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        char got[IPV4_TEXT_MAX + 1], want[INET_ADDRSTRLEN];
        *ipv4_write(addresses[i], got) = '\0';
        assert_non_null(inet_ntop(AF_INET, addresses[i], want, sizeof want));
        assert_string_equal(got, want);
    }
}

static void ipv6_is_as_rfc_5952_recommends(void **state)
{
    (void)state;
    static const char *const texts[] = {"::", "::1", "1::", "2001:db8::1", "2001:db8:0:1:1:1:1:1",
        "2001:0:0:1::1", "2001:db8::1:0:0:1", "fe80::a:b:c:d", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1",
        "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1", "1:0:2:0:3:0:4:0", "::2:3:4:5:6:7", "1:2:3:4:5:6::",
        "64:ff9b::c000:201", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t address[16];
        char got[IPV6_TEXT_MAX + 1];
        assert_int_equal(inet_pton(AF_INET6, texts[i], address), 1);
        char *const end = ipv6_write(address, got);
        assert_true(end - got <= IPV6_TEXT_MAX);
        *end = '\0';
        assert_string_equal(got, texts[i]);
    }
    uint64_t seed = 7;
    for (int round = 0; round < 20000; round++) { /* many zero groups */
        uint8_t address[16] = {0}, back[16];
        char got[IPV6_TEXT_MAX + 1];
        for (int group = 0; group < 8; group++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            if (seed >> 63) {
                address[2 * group] = (uint8_t)(seed >> 40);
                address[2 * group + 1] = (uint8_t)(seed >> 48);
            }
        }
        *ipv6_write(address, got) = '\0';
        assert_int_equal(inet_pton(AF_INET6, got, back), 1);
        assert_memory_equal(address, back, sizeof back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_gives_the_vectors_of_rfc_4648),
        cmocka_unit_test(hex_and_uuid_are_lower_case),
        cmocka_unit_test(hex_of_any_length_reads_back),
        cmocka_unit_test(hex_is_read_back_and_anything_else_refused),
        cmocka_unit_test(ipv4_matches_the_c_library),
        cmocka_unit_test(ipv6_is_as_rfc_5952_recommends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
