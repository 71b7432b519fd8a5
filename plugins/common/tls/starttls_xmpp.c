/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

/* XMPP (RFC 6120, 4 and 5), as a client and as another server. Of XML no more than the
 * tags: a stream before TLS has no text that matters, and comments, processing
 * instructions and document types are forbidden in it (RFC 6120, 11.1). */

#include "common/tls/starttls_internal.h"

#include <string.h>

enum { TAG_MAX = POSTURE_STARTTLS_LINE_MAX, TAGS_MAX = 1024, DEPTH_MAX = 16 };
enum xmpp_step { XMPP_STREAM, XMPP_FEATURES, XMPP_PROCEED };

static const char tls_namespace[] = "urn:ietf:params:xml:ns:xmpp-tls";

struct tag {
    const char *text; /* between "<" and ">" */
    size_t len;
    const char *name; /* without its prefix */
    size_t name_len;
    bool is_end;
    bool is_empty;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool name_is(const struct tag *tag, const char *want)
{
    return tag->name_len == strlen(want) && memcmp(tag->name, want, tag->name_len) == 0;
}

/* In a tag of RFC 6120 the name of the namespace stands nowhere but in xmlns. */
static bool tag_is_tls(const struct tag *tag, const char *name)
{
    return name_is(tag, name) &&
           memmem(tag->text, tag->len, tls_namespace, sizeof(tls_namespace) - 1);
}

/* The ">" that ends the tag at the start of text; NULL: not there yet. */
static const char *tag_end(const char *text, size_t len)
{
    char quote = '\0';
    for (size_t i = 0; i < len; i++) {
        if (quote)
            quote = text[i] == quote ? '\0' : quote;
        else if (text[i] == '"' || text[i] == '\'')
            quote = text[i];
        else if (text[i] == '>')
            return text + i;
    }
    return NULL;
}

static void tag_read(const char *text, size_t len, struct tag *ret)
{
    *ret = (struct tag){.text = text, .len = len};
    if (len > 0 && text[0] == '/') {
        ret->is_end = true;
        text++;
        len--;
    } else if (len > 0 && text[len - 1] == '/') {
        ret->is_empty = true;
        len--;
    }
    size_t n = 0, start = 0;
    while (n < len && !is_space(text[n])) {
        if (text[n] == ':')
            start = n + 1;
        n++;
    }
    ret->name = text + start;
    ret->name_len = n - start;
}

static void escaped_add(struct posture_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '&' || *text == '<' || *text == '\'' || (unsigned char)*text < 0x20)
            posture_buf_addf(out, "&#%u;", (unsigned)(unsigned char)*text);
        else
            posture_buf_addc(out, *text);
    }
}

static void stream_open(const struct posture_starttls *s, const char *content,
                        struct posture_buf *out)
{
    posture_buf_adds(out, "<?xml version='1.0'?><stream:stream to='");
    escaped_add(out, s->name);
    if (s->protocol == POSTURE_STARTTLS_XMPP_SERVER) {
        posture_buf_adds(out, "' from='");
        escaped_add(out, s->helo);
    }
    posture_buf_addf(out,
                     "' version='1.0' xmlns='%s' "
                     "xmlns:stream='http://etherx.jabber.org/streams'>",
                     content);
}

static void client_begin(struct posture_starttls *s, struct posture_buf *out)
{
    stream_open(s, "jabber:client", out);
}

static void server_begin(struct posture_starttls *s, struct posture_buf *out)
{
    stream_open(s, "jabber:server", out);
}

static void xmpp_end(struct posture_starttls *s, enum posture_starttls_reason reason,
                     const char *words, size_t len, struct posture_buf *out)
{
    posture_starttls_end(s, reason, words, len);
    posture_buf_adds(out, "</stream:stream>");
}

/* The first child of stream:error is the condition (RFC 6120, 4.9.3). */
static void condition_read(struct posture_starttls *s, const struct tag *tag,
                           struct posture_buf *out)
{
    enum posture_starttls_reason reason = POSTURE_STARTTLS_REFUSED;
    if (name_is(tag, "resource-constraint") || name_is(tag, "policy-violation"))
        reason = POSTURE_STARTTLS_RATE_LIMITED;
    else if (name_is(tag, "system-shutdown") || name_is(tag, "connection-timeout") ||
             name_is(tag, "internal-server-error") || name_is(tag, "reset"))
        reason = POSTURE_STARTTLS_UNAVAILABLE;
    xmpp_end(s, reason, tag->name, tag->name_len, out);
}

/* A tag that opens (or stands alone), at s->depth elements below the document. */
static void tag_opened(struct posture_starttls *s, const struct tag *tag,
                       struct posture_buf *out)
{
    if (s->depth == 0) {
        if (!name_is(tag, "stream"))
            posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, tag->text, tag->len);
        else
            s->step = XMPP_FEATURES;
        return;
    }
    if (s->depth == 1) {
        /* reply_code: we are within stream:error. */
        s->reply_code = name_is(tag, "error");
        if (s->reply_code && tag->is_empty)
            xmpp_end(s, POSTURE_STARTTLS_REFUSED, NULL, 0, out);
        else if (s->step == XMPP_PROCEED && tag_is_tls(tag, "failure"))
            xmpp_end(s, POSTURE_STARTTLS_REFUSED, tag->text, tag->len, out);
        else if (name_is(tag, "proceed") &&
                 (s->step != XMPP_PROCEED || !tag_is_tls(tag, "proceed")))
            xmpp_end(s, POSTURE_STARTTLS_FOREIGN, tag->text, tag->len, out);
        return;
    }
    if (s->depth == 2 && s->reply_code)
        condition_read(s, tag, out);
    else if (s->depth == 2 && s->step == XMPP_FEATURES && tag_is_tls(tag, "starttls"))
        s->offered = POSTURE_STARTTLS_YES;
}

/* A tag that closes (or stands alone) an element whose parent is at s->depth. */
static void tag_closed(struct posture_starttls *s, const struct tag *tag,
                       struct posture_buf *out)
{
    if (s->depth == 0) {
        xmpp_end(s, POSTURE_STARTTLS_REFUSED, "stream closed", strlen("stream closed"),
                 out);
    } else if (s->depth == 1 && s->step == XMPP_FEATURES && name_is(tag, "features")) {
        if (s->offered != POSTURE_STARTTLS_YES) {
            xmpp_end(s, POSTURE_STARTTLS_NOT_OFFERED, NULL, 0, out);
            return;
        }
        s->step = XMPP_PROCEED;
        posture_buf_addf(out, "<starttls xmlns='%s'/>", tls_namespace);
    } else if (s->depth == 1 && s->step == XMPP_PROCEED && name_is(tag, "proceed")) {
        posture_starttls_ready(s);
    }
}

static void tag_taken(struct posture_starttls *s, const struct tag *tag,
                      struct posture_buf *out)
{
    if (!tag->is_end) {
        tag_opened(s, tag, out);
        if (s->state != POSTURE_STARTTLS_WAITING)
            return;
        if (!tag->is_empty && ++s->depth > DEPTH_MAX)
            posture_starttls_end(s, POSTURE_STARTTLS_TOO_LARGE, NULL, 0);
        if (!tag->is_empty || s->depth == 0)
            return;
    } else if (s->depth == 0) {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, tag->text, tag->len);
        return;
    } else {
        s->depth--;
    }
    tag_closed(s, tag, out);
}

static bool xmpp_bytes(struct posture_starttls *s, struct posture_buf *out)
{
    /* Text between tags says nothing here. Before the stream only white space may be. */
    size_t skip = 0;
    while (skip < s->in.len && s->in.data[skip] != '<') {
        if (s->depth == 0 && !is_space(s->in.data[skip])) {
            posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, s->in.data, s->in.len);
            return false;
        }
        skip++;
    }
    posture_buf_consume(&s->in, skip);
    if (s->in.len < 2)
        return false;
    bool is_declaration = s->in.data[1] == '?';
    if (s->in.data[1] == '!' || (is_declaration && s->depth > 0)) {
        posture_starttls_end(s, POSTURE_STARTTLS_FOREIGN, s->in.data, s->in.len);
        return false;
    }
    const char *end = tag_end(s->in.data + 1, s->in.len - 1);
    size_t len = end ? (size_t)(end - s->in.data) - 1 : s->in.len - 1;
    if (len > TAG_MAX || s->lines > TAGS_MAX) {
        posture_starttls_end(s, POSTURE_STARTTLS_TOO_LARGE, NULL, 0);
        return false;
    }
    if (!end)
        return false;
    s->lines++;
    if (!is_declaration) {
        struct tag tag;
        tag_read(s->in.data + 1, len, &tag);
        tag_taken(s, &tag, out);
    }
    posture_buf_consume(&s->in, len + 2);
    return true;
}

const struct posture_starttls_ops posture_starttls_xmpp = {
    .name = "xmpp", .begin = client_begin, .bytes = xmpp_bytes};
const struct posture_starttls_ops posture_starttls_xmpp_server = {
    .name = "xmpp-server", .begin = server_begin, .bytes = xmpp_bytes};
