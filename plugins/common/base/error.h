/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_BASE_ERROR_H
#define POSTURE_BASE_ERROR_H

/*
 * Results are int: 0 or a negative number. System errors are -errno, our own start at
 * -1000. A function that can say more fills a struct posture_error, its last argument.
 */
enum posture_errno {
    POSTURE_E_FORMAT = -1000, /* bytes or text that do not follow their grammar */
    POSTURE_E_SCHEMA = -1001, /* a document that its schema refuses */
    POSTURE_E_LIMIT = -1002,  /* over a limit of ours (size, depth, count) */
    POSTURE_E_OPTION = -1003, /* an unknown or repeated option, or a bad value of one */
    POSTURE_E_RANGE = -1004,  /* a number outside its range */
    POSTURE_E_DENIED = -1005, /* refused by a rule of ours (address policy, ownership) */
    POSTURE_E_DEADLINE = -1006, /* the time given for the whole was used up */
    POSTURE_E_CLOSED = -1007,   /* the other side ended */
    POSTURE_E_PROTOCOL = -1008, /* the other side broke the protocol */
    POSTURE_E_CORRUPT = -1009,  /* stored bytes that do not match their checksum */
    POSTURE_E_MISSING =
        -1010,              /* a named thing (profile, agency, key) that does not exist */
    POSTURE_E_BUSY = -1011, /* someone else holds it */
    POSTURE_E_LAST = -1011,
};

enum { POSTURE_ERROR_TEXT_MAX = 512, POSTURE_ERROR_FILE_MAX = 256 };

/* Where and why. An empty file and a zero line mean "does not apply". */
struct posture_error {
    char file[POSTURE_ERROR_FILE_MAX];
    int line;
    int column;
    char text[POSTURE_ERROR_TEXT_MAX];
};

/* A short lower-case phrase for one of our codes or a negative errno; never NULL, static
 * or thread-local storage. */
const char *posture_strerror(int r);

/* Fills reterr->text (reterr may be NULL) and returns r, so that a failing function can
 * end with it. Text that does not fit is cut at a character of UTF-8. */
int posture_error_set(struct posture_error *reterr, int r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As posture_error_set; also names the place. file may be NULL. */
int posture_error_at(struct posture_error *reterr, int r, const char *file, int line,
                     int column, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* "file:line:column: text" with the parts that apply, into buf. Returns buf. */
const char *posture_error_format(const struct posture_error *error, char *buf,
                                 unsigned long size);

/* Returns a failure upward. Only where every live local is owned by a cleanup attribute.
 */
#define POSTURE_TRY(expr)                                                                \
    do {                                                                                 \
        int posture_try_r_ = (expr);                                                     \
        if (posture_try_r_ < 0)                                                          \
            return posture_try_r_;                                                       \
    } while (0)

/* A rule that only our own code can break: aborts in a debug build; in a release build,
 * where we are guests in another daemon, returns -EINVAL. */
#ifdef POSTURE_DEBUG
#include <assert.h>
#define POSTURE_REQUIRE(cond) assert(cond)
#else
#include <errno.h>
#define POSTURE_REQUIRE(cond)                                                            \
    do {                                                                                 \
        if (!(cond))                                                                     \
            return -EINVAL;                                                              \
    } while (0)
#endif

#endif
