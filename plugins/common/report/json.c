/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/report/json.h"

#include "common/base/parse.h"
#include "common/report/scratch.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the nesting scan does with a byte. */
enum { BYTE_OTHER, BYTE_QUOTE, BYTE_OPEN, BYTE_CLOSE };
static const unsigned char byte_class[256] = {
    ['"'] = BYTE_QUOTE, ['['] = BYTE_OPEN,  ['{'] = BYTE_OPEN,
    [']'] = BYTE_CLOSE, ['}'] = BYTE_CLOSE,
};

static void place_of(const char *bytes, size_t offset, int *ret_line, int *ret_column)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (bytes[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)bytes[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

/* jansson nests up to 2048 deep, on the C stack; ours is far less and must be known
 * before it starts. Text that is not JSON may be counted wrongly here: it is refused by
 * the parser all the same. */
static bool nesting_is_within(const char *bytes, size_t len, size_t *ret_offset)
{
    int depth = 0;
    const char *end = bytes + len;
    for (const char *p = bytes; p < end; p++) {
        switch (byte_class[(unsigned char)*p]) {
        case BYTE_OPEN:
            if (++depth > POSTURE_JSON_DEPTH_MAX) {
                *ret_offset = (size_t)(p - bytes);
                return false;
            }
            break;
        case BYTE_CLOSE:
            depth--;
            break;
        case BYTE_QUOTE:
            /* To the closing quote: one that an even number of backslashes precedes. */
            for (;;) {
                const char *quote = memchr(p + 1, '"', (size_t)(end - p - 1));
                if (!quote)
                    return true;
                const char *q = quote;
                while (q > p + 1 && q[-1] == '\\')
                    q--;
                bool is_escaped = ((quote - q) & 1) != 0;
                p = quote;
                if (!is_escaped)
                    break;
            }
            break;
        default:
            break;
        }
    }
    return true;
}

/* jansson 2.14 reports most failed allocations as syntax errors; a good document must not
 * be called bad for that. So its allocator is ours, which remembers. */
static _Thread_local bool memory_failed;

static void *malloc_watched(size_t size)
{
    void *ptr = posture_scratch_malloc(size);
    if (!ptr)
        memory_failed = true;
    return ptr;
}

static void memory_watch(void)
{
    json_malloc_t current;
    json_get_alloc_funcs(&current, NULL);
    if (current != malloc_watched)
        json_set_alloc_funcs(malloc_watched, posture_scratch_free);
    memory_failed = false;
}

static int parse(const char *bytes, size_t len, const char *file, json_t **ret_root,
                 struct posture_error *reterr)
{
    int line = 0, column = 0;
    const char *nul = len > 0 ? memchr(bytes, '\0', len) : NULL;
    if (nul) {
        place_of(bytes, (size_t)(nul - bytes), &line, &column);
        return posture_error_at(reterr, POSTURE_E_FORMAT, file, line, column,
                                "NUL byte in JSON");
    }
    size_t offset = 0;
    if (!nesting_is_within(bytes, len, &offset)) {
        place_of(bytes, offset, &line, &column);
        return posture_error_at(reterr, POSTURE_E_LIMIT, file, line, column,
                                "nested deeper than %d", POSTURE_JSON_DEPTH_MAX);
    }
    memory_watch();
    json_error_t error;
    json_t *root =
        json_loadb(bytes, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root && memory_failed) {
        /* It went on without the piece: a member may be missing. */
        json_decref(root);
        root = NULL;
    }
    if (!root) {
        if (memory_failed)
            return posture_error_at(reterr, -ENOMEM, file, 0, 0, "out of memory");
        char safe[JSON_ERROR_TEXT_LENGTH * 4];
        posture_escape(error.text, strlen(error.text), safe, sizeof(safe));
        return posture_error_at(reterr, POSTURE_E_FORMAT, file, error.line, error.column,
                                "%s", safe);
    }
    *ret_root = root;
    return 0;
}

int posture_json_parse(const char *bytes, size_t len, json_t **ret_root,
                       struct posture_error *reterr)
{
    return parse(bytes, len, NULL, ret_root, reterr);
}

int posture_file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_len,
                      struct posture_error *reterr)
{
    POSTURE_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        int r = -errno;
        return posture_error_at(reterr, r, path, 0, 0, "%s", strerror(-r));
    }
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int r = -errno;
        return posture_error_at(reterr, r, path, 0, 0, "%s", strerror(-r));
    }
    if (!S_ISREG(st.st_mode))
        return posture_error_at(reterr, -EINVAL, path, 0, 0, "not a regular file");
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        return posture_error_at(reterr, POSTURE_E_LIMIT, path, 0, 0,
                                "larger than %zu bytes", max);

    /* One byte more than the size shows a file that grew after fstat. */
    size_t size = (size_t)st.st_size, len = 0;
    POSTURE_AUTO_FREE char *bytes = posture_malloc(size + 2);
    if (!bytes)
        return posture_error_at(reterr, -ENOMEM, path, 0, 0, "out of memory");
    while (len < size + 1) {
        ssize_t n = read(fd, bytes + len, size + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int r = -errno;
            return posture_error_at(reterr, r, path, 0, 0, "%s", strerror(-r));
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    if (len > size)
        return posture_error_at(reterr, -EAGAIN, path, 0, 0, "changed while it was read");
    bytes[len] = '\0';
    *ret_bytes = POSTURE_TAKE(bytes);
    *ret_len = len;
    return 0;
}

int posture_digest12(const void *bytes, size_t len, char ret_digest[static 13])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int hash_len = 0;
    if (EVP_Digest(bytes, len, hash, &hash_len, EVP_sha256(), NULL) != 1 ||
        hash_len != 32)
        return -ENOMEM; /* SHA-256 is always there: only memory can fail */
    posture_hex(hash, 6, ret_digest);
    return 0;
}

int posture_json_load_digest(const char *path, size_t max, json_t **ret_root,
                             char ret_digest[static 13], struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len = 0;
    POSTURE_TRY(posture_file_read(path, max, &bytes, &len, reterr));
    char digest[POSTURE_DIGEST_TEXT];
    int r = posture_digest12(bytes, len, digest);
    if (r < 0)
        return posture_error_at(reterr, r, path, 0, 0, "out of memory");
    POSTURE_TRY(parse(bytes, len, path, ret_root, reterr));
    memcpy(ret_digest, digest, sizeof(digest));
    return 0;
}

int posture_json_load(const char *path, size_t max, json_t **ret_root,
                      struct posture_error *reterr)
{
    POSTURE_AUTO_FREE char *bytes = NULL;
    size_t len = 0;
    POSTURE_TRY(posture_file_read(path, max, &bytes, &len, reterr));
    return parse(bytes, len, path, ret_root, reterr);
}

static int buf_append(const char *bytes, size_t len, void *data)
{
    struct posture_buf *out = data;
    posture_buf_add(out, bytes, len);
    return posture_buf_error(out) < 0 ? -1 : 0;
}

int posture_json_write(const json_t *value, struct posture_buf *out)
{
    if (json_dump_callback(value, buf_append, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
        return 0;
    int r = posture_buf_error(out);
    return r < 0 ? r : -ENOMEM;
}

char *posture_json_compact(const json_t *value, size_t *ret_len)
{
    POSTURE_AUTO_BUF struct posture_buf out = {0};
    if (posture_json_write(value, &out) < 0)
        return NULL;
    return posture_buf_steal(&out, ret_len);
}

static bool numbers_equal(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b))
        return json_integer_value(a) == json_integer_value(b);
    if (json_is_real(a) && json_is_real(b))
        return !(json_real_value(a) < json_real_value(b)) &&
               !(json_real_value(a) > json_real_value(b));
    /* Exact in both directions: a double of 2^53 and more has neighbours that an integer
     * has not. */
    const json_t *real = json_is_real(a) ? a : b, *integer = json_is_real(a) ? b : a;
    double d = json_real_value(real);
    if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0) || floor(d) < d)
        return false;
    return (json_int_t)d == json_integer_value(integer);
}

bool posture_json_equal(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return numbers_equal(a, b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    switch (json_typeof(a)) {
    case JSON_STRING:
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b),
                      json_string_length(a)) == 0;
    case JSON_ARRAY:
        if (json_array_size(a) != json_array_size(b))
            return false;
        for (size_t i = 0; i < json_array_size(a); i++) {
            if (!posture_json_equal(json_array_get(a, i), json_array_get(b, i)))
                return false;
        }
        return true;
    case JSON_OBJECT: {
        if (json_object_size(a) != json_object_size(b))
            return false;
        const char *key;
        json_t *value;
        json_object_foreach ((json_t *)(uintptr_t)a, key, value) {
            const json_t *other = json_object_get(b, key);
            if (!other || !posture_json_equal(value, other))
                return false;
        }
        return true;
    }
    default:
        return true; /* null, true, false: the type says it all */
    }
}

const char *posture_json_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}
