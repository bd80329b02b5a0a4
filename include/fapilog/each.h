/* each.h - applies a macro to each of up to 64 arguments: FAPILOGI_EACH_REST(m, x, a, b) is
 * m(2, a) m(1, b): numbers count down to the last argument.
 * Regular by construction, so that a diff of it is easy to judge. */
#ifndef FAPILOG_EACH_H
#define FAPILOG_EACH_H

/* FAPILOGI_COUNT_REST(first, ...): how many arguments follow the first, 0..64; 65 for 65..128, so that misuse.h can say
 * what is wrong. */
#define FAPILOGI_COUNT_REST(...) \
    FAPILOGI_COUNT_PICK(__VA_ARGS__, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, \
    65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, \
    65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 65, 64, 63, 62, 61, \
    60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, \
    36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, \
    12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define FAPILOGI_COUNT_PICK(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, \
    a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, \
    a35, a36, a37, a38, a39, \
    a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, \
    a59, a60, a61, a62, a63, a64, a65, a66, a67, a68, a69, a70, a71, a72, a73, a74, a75, a76, a77, \
    a78, a79, a80, a81, a82, a83, a84, a85, a86, a87, a88, a89, a90, a91, a92, a93, a94, a95, a96, \
    a97, a98, a99, a100, a101, a102, a103, a104, a105, a106, a107, a108, a109, a110, a111, a112, \
    a113, a114, a115, a116, a117, a118, a119, a120, a121, a122, a123, a124, a125, a126, a127, a128, \
    n, ...) n
#define FAPILOGI_JOIN(a, b) FAPILOGI_JOIN_(a, b)
#define FAPILOGI_JOIN_(a, b) a##b
#define FAPILOGI_FIRST(...) FAPILOGI_FIRST_(__VA_ARGS__, 0)
#define FAPILOGI_FIRST_(first, ...) first

/* FAPILOGI_EACH_REST(m, first, ...): m(i, argument) for each argument after the first. */
#define FAPILOGI_EACH_REST(m, ...) \
    FAPILOGI_JOIN(FAPILOGI_EACH_, FAPILOGI_COUNT_REST(__VA_ARGS__))(m, __VA_ARGS__)
#define FAPILOGI_EACH_0(m, first)
#define FAPILOGI_EACH_1(m, first, a) m(1, a)
#define FAPILOGI_EACH_2(m, first, a, ...) m(2, a) FAPILOGI_EACH_1(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_3(m, first, a, ...) m(3, a) FAPILOGI_EACH_2(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_4(m, first, a, ...) m(4, a) FAPILOGI_EACH_3(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_5(m, first, a, ...) m(5, a) FAPILOGI_EACH_4(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_6(m, first, a, ...) m(6, a) FAPILOGI_EACH_5(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_7(m, first, a, ...) m(7, a) FAPILOGI_EACH_6(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_8(m, first, a, ...) m(8, a) FAPILOGI_EACH_7(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_9(m, first, a, ...) m(9, a) FAPILOGI_EACH_8(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_10(m, first, a, ...) m(10, a) FAPILOGI_EACH_9(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_11(m, first, a, ...) m(11, a) FAPILOGI_EACH_10(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_12(m, first, a, ...) m(12, a) FAPILOGI_EACH_11(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_13(m, first, a, ...) m(13, a) FAPILOGI_EACH_12(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_14(m, first, a, ...) m(14, a) FAPILOGI_EACH_13(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_15(m, first, a, ...) m(15, a) FAPILOGI_EACH_14(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_16(m, first, a, ...) m(16, a) FAPILOGI_EACH_15(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_17(m, first, a, ...) m(17, a) FAPILOGI_EACH_16(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_18(m, first, a, ...) m(18, a) FAPILOGI_EACH_17(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_19(m, first, a, ...) m(19, a) FAPILOGI_EACH_18(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_20(m, first, a, ...) m(20, a) FAPILOGI_EACH_19(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_21(m, first, a, ...) m(21, a) FAPILOGI_EACH_20(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_22(m, first, a, ...) m(22, a) FAPILOGI_EACH_21(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_23(m, first, a, ...) m(23, a) FAPILOGI_EACH_22(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_24(m, first, a, ...) m(24, a) FAPILOGI_EACH_23(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_25(m, first, a, ...) m(25, a) FAPILOGI_EACH_24(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_26(m, first, a, ...) m(26, a) FAPILOGI_EACH_25(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_27(m, first, a, ...) m(27, a) FAPILOGI_EACH_26(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_28(m, first, a, ...) m(28, a) FAPILOGI_EACH_27(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_29(m, first, a, ...) m(29, a) FAPILOGI_EACH_28(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_30(m, first, a, ...) m(30, a) FAPILOGI_EACH_29(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_31(m, first, a, ...) m(31, a) FAPILOGI_EACH_30(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_32(m, first, a, ...) m(32, a) FAPILOGI_EACH_31(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_33(m, first, a, ...) m(33, a) FAPILOGI_EACH_32(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_34(m, first, a, ...) m(34, a) FAPILOGI_EACH_33(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_35(m, first, a, ...) m(35, a) FAPILOGI_EACH_34(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_36(m, first, a, ...) m(36, a) FAPILOGI_EACH_35(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_37(m, first, a, ...) m(37, a) FAPILOGI_EACH_36(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_38(m, first, a, ...) m(38, a) FAPILOGI_EACH_37(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_39(m, first, a, ...) m(39, a) FAPILOGI_EACH_38(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_40(m, first, a, ...) m(40, a) FAPILOGI_EACH_39(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_41(m, first, a, ...) m(41, a) FAPILOGI_EACH_40(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_42(m, first, a, ...) m(42, a) FAPILOGI_EACH_41(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_43(m, first, a, ...) m(43, a) FAPILOGI_EACH_42(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_44(m, first, a, ...) m(44, a) FAPILOGI_EACH_43(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_45(m, first, a, ...) m(45, a) FAPILOGI_EACH_44(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_46(m, first, a, ...) m(46, a) FAPILOGI_EACH_45(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_47(m, first, a, ...) m(47, a) FAPILOGI_EACH_46(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_48(m, first, a, ...) m(48, a) FAPILOGI_EACH_47(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_49(m, first, a, ...) m(49, a) FAPILOGI_EACH_48(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_50(m, first, a, ...) m(50, a) FAPILOGI_EACH_49(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_51(m, first, a, ...) m(51, a) FAPILOGI_EACH_50(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_52(m, first, a, ...) m(52, a) FAPILOGI_EACH_51(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_53(m, first, a, ...) m(53, a) FAPILOGI_EACH_52(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_54(m, first, a, ...) m(54, a) FAPILOGI_EACH_53(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_55(m, first, a, ...) m(55, a) FAPILOGI_EACH_54(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_56(m, first, a, ...) m(56, a) FAPILOGI_EACH_55(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_57(m, first, a, ...) m(57, a) FAPILOGI_EACH_56(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_58(m, first, a, ...) m(58, a) FAPILOGI_EACH_57(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_59(m, first, a, ...) m(59, a) FAPILOGI_EACH_58(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_60(m, first, a, ...) m(60, a) FAPILOGI_EACH_59(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_61(m, first, a, ...) m(61, a) FAPILOGI_EACH_60(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_62(m, first, a, ...) m(62, a) FAPILOGI_EACH_61(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_63(m, first, a, ...) m(63, a) FAPILOGI_EACH_62(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_64(m, first, a, ...) m(64, a) FAPILOGI_EACH_63(m, first, __VA_ARGS__)
#define FAPILOGI_EACH_65(m, ...)

#endif
