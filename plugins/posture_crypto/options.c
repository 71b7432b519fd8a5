/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "posture_crypto/options.h"

#include "common/base/clock.h"
#include "common/base/options_common.h"

#include <string.h>

static const char *const depth_words[] = {"full", "basic", NULL};
static const char *const from_words[] = {"none", "device", NULL};
static const char *const web_words[] = {"auto", "yes", "no", NULL};

/* clang-format off */
static const struct posture_option plugin_options[] = {
    POSTURE_COMMON_OPTIONS(struct posture_crypto_settings, "posture", "3600"),
    {.name = "TimeoutMs", .type = POSTURE_OPT_U32, .min = 100, .max = 60000, .def = "5000",
     .unit = "milliseconds", .offset = offsetof(struct posture_crypto_settings, timeout_ms),
     .help = "Time for one connection, from its start to the server's whole answer."},
    {.name = "DeadlineMs", .type = POSTURE_OPT_U32, .min = 1000, .max = 600000, .def = "60000",
     .unit = "milliseconds", .offset = offsetof(struct posture_crypto_settings, deadline_ms),
     .help = "Time for one target with all its addresses; what is not known by then is unknown."},
    {.name = "StartRate", .type = POSTURE_OPT_DOUBLE, .min = 0.01, .max = 10000, .def = "20",
     .unit = "targets per second", .offset = offsetof(struct posture_crypto_settings, start_rate),
     .help = "How fast the first round of measurements starts; later rounds are spread over "
             "Interval."},
    {.name = "MaxRunning", .type = POSTURE_OPT_U32, .min = 1, .max = 1000, .def = "50",
     .unit = "targets", .offset = offsetof(struct posture_crypto_settings, max_running),
     .help = "How many targets are measured at the same time."},
    {.name = "ConnectionsPerHost", .type = POSTURE_OPT_U32, .min = 1, .max = 16, .def = "4",
     .unit = "connections",
     .offset = offsetof(struct posture_crypto_settings, connections_per_host),
     .help = "How many connections are open to one address at the same time, over all targets."},
    {.name = "MailConnections", .type = POSTURE_OPT_U32, .min = 1, .max = 10000, .def = "200",
     .unit = "connections", .offset = offsetof(struct posture_crypto_settings, mail_connections),
     .help = "How many connections one measurement makes to one address of a mail server (smtp, "
             "imap, pop3); what is not known by then is unknown."},
    {.name = "MailAtOnce", .type = POSTURE_OPT_U32, .min = 1, .max = 16, .def = "1",
     .unit = "connections", .offset = offsetof(struct posture_crypto_settings, mail_at_once),
     .help = "How many connections are open to one address of a mail server at the same time, "
             "when ConnectionsPerHost is not less."},
    {.name = "MailPauseMs", .type = POSTURE_OPT_U32, .min = 0, .max = 60000, .def = "100",
     .unit = "milliseconds", .offset = offsetof(struct posture_crypto_settings, mail_pause_ms),
     .help = "Pause between the end of one connection to a mail server and the next."},
    {.name = "MailTimeoutMs", .type = POSTURE_OPT_U32, .min = 100, .max = 300000, .def = "20000",
     .unit = "milliseconds", .offset = offsetof(struct posture_crypto_settings, mail_timeout_ms),
     .help = "Time for what a mail server says before TLS; many let strangers wait for their "
             "greeting."},
    {.name = "HeloName", .type = POSTURE_OPT_STRING, .sample = "noc1.example.go.jp",
     .offset = offsetof(struct posture_crypto_settings, helo_name),
     .help = "Name that mail servers are greeted with (EHLO); by default this host's."},
    {.name = "ConnectionsPerNetwork", .type = POSTURE_OPT_U32, .min = 1, .max = 10000,
     .def = "64", .unit = "connections",
     .offset = offsetof(struct posture_crypto_settings, connections_per_network),
     .help = "How many connections are open to one network (/24 of IPv4, /48 of IPv6) at the same "
             "time; further targets in it wait."},
    {.name = "EndpointsFile", .type = POSTURE_OPT_FILE, .sample = "/etc/posture/endpoints",
     .offset = offsetof(struct posture_crypto_settings, endpoints),
     .help = "List of further endpoints, one a line: the URI, then options of the block Endpoint "
             "as Name=value; # begins a comment. Read again when it changes."},
    {.name = "Depth", .type = POSTURE_OPT_ENUM, .values = depth_words, .def = "full",
     .offset = offsetof(struct posture_crypto_settings, depth),
     .help = "How much of a TLS endpoint is measured: full, or basic (versions, suites, groups "
             "and certificates alone, with about a third fewer connections); what is not "
             "measured is unknown."},
    {.name = "EndpointsFrom", .type = POSTURE_OPT_ENUM, .values = from_words, .def = "none",
     .offset = offsetof(struct posture_crypto_settings, endpoints_from),
     .help = "Who else names endpoints: device measures what posture_snmp found on the devices that "
             "it watches; addresses are taken under the rule for what DNS gives."},
    {.name = "DeviceEndpoints", .type = POSTURE_OPT_FILE,
     .def = "/run/posture/device-endpoints.json",
     .offset = offsetof(struct posture_crypto_settings, device_endpoints),
     .help = "File that posture_snmp writes for EndpointsFrom device (its EndpointsOut). Read again "
             "when it changes; it need not be there at the start."},
    {.name = "TrustStore", .type = POSTURE_OPT_STRING, .def = "system",
     .offset = offsetof(struct posture_crypto_settings, trust_store),
     .help = "Certificates that chains are verified against: system, none, or the path of a "
             "PEM file, or of a folder of such, that the worker's user may read."},
    {.name = "CrlFile", .type = POSTURE_OPT_STRING, .sample = "/var/lib/agency-ca/crl.pem",
     .offset = offsetof(struct posture_crypto_settings, crl_file),
     .help = "Certificate revocation lists (PEM, or one in DER) that certificates are looked up "
             "in; read again when the file changes. Nothing is fetched."},
    {.name = "Allow", .type = POSTURE_OPT_LIST, .sample = "127.0.0.0/8",
     .offset = offsetof(struct posture_crypto_settings, allow),
     .help = "Prefix of addresses that a name may resolve to though they are loopback, "
             "link-local or the like; may be repeated."},
    {.name = "Profile", .type = POSTURE_OPT_STRING, .def = "cryptrec-ls0001-2022r2",
     .offset = offsetof(struct posture_crypto_settings, profile),
     .help = "Rule data that the results sent along are judged by: the id of an installed "
             "profile, or the path of one."},
    {.name = "ExceptionsFile", .type = POSTURE_OPT_STRING,
     .sample = "/etc/posture/exceptions.json",
     .offset = offsetof(struct posture_crypto_settings, exceptions_file),
     .help = "Exceptions (reason, owner, last day) that are shown and counted beside the results "
             "they are about; the results stay what they are. A file that the worker's user may "
             "read, read at start."},
    {.name = "Agency", .type = POSTURE_OPT_STRING, .def = "local",
     .offset = offsetof(struct posture_crypto_settings, agency),
     .help = "Agency in reports that go to standard output (posture probe); in collectd "
             "posture_kafka says it."},
    {.name = "Reporter", .type = POSTURE_OPT_STRING, .def = "localhost",
     .offset = offsetof(struct posture_crypto_settings, reporter),
     .help = "Reporter in reports that go to standard output (posture probe); in collectd "
             "posture_kafka says it."},
    {.name = NULL},
};

static const struct posture_option endpoint_options[] = {
    {.name = "Interval", .type = POSTURE_OPT_SECONDS, .min = 1, .max = 2678400,
     .unit = "seconds", .sample = "600",
     .offset = offsetof(struct posture_crypto_endpoint, interval_ns),
     .help = "Time between two measurements of this endpoint; by default the plugin's."},
    {.name = "EndOfLife", .type = POSTURE_OPT_STRING, .sample = "2032-03-31",
     .offset = offsetof(struct posture_crypto_endpoint, end_of_life),
     .help = "Day on which the endpoint is planned to go out of service; its strength is judged "
             "for that day."},
    {.name = "ServerName", .type = POSTURE_OPT_STRING, .sample = "www.example.go.jp",
     .offset = offsetof(struct posture_crypto_endpoint, server_name),
     .help = "Name that is asked for (SNI) and that the certificate must be for; by default the "
             "host of the endpoint."},
    {.name = "TrustStore", .type = POSTURE_OPT_STRING, .sample = "/etc/ssl/agency-ca.pem",
     .offset = offsetof(struct posture_crypto_endpoint, trust_store),
     .help = "Certificates that this endpoint's chain is verified against; by default the "
             "plugin's."},
    {.name = "CrlFile", .type = POSTURE_OPT_STRING, .sample = "/var/lib/agency-ca/crl.pem",
     .offset = offsetof(struct posture_crypto_endpoint, crl_file),
     .help = "Certificate revocation lists that this endpoint's certificates are looked up in; by "
             "default the plugin's."},
    {.name = "Web", .type = POSTURE_OPT_ENUM, .values = web_words, .def = "auto",
     .offset = offsetof(struct posture_crypto_endpoint, web),
     .help = "Whether a web server answers here, so that HSTS and the redirect from plain HTTP "
             "are measured: yes, no, or auto (yes on ports 443 and 8443)."},
    {.name = "HttpPort", .type = POSTURE_OPT_PORT, .def = "80",
     .offset = offsetof(struct posture_crypto_endpoint, http_port),
     .help = "Port at which the web server answers plain HTTP."},
    {.name = NULL},
};

static const struct posture_option host_options[] = {
    {.name = "Interval", .type = POSTURE_OPT_SECONDS, .min = 1, .max = 2678400,
     .unit = "seconds", .sample = "3600",
     .offset = offsetof(struct posture_crypto_host, interval_ns),
     .help = "Time between two measurements of this host; by default the plugin's."},
    {.name = "EndOfLife", .type = POSTURE_OPT_STRING, .sample = "2032-03-31",
     .offset = offsetof(struct posture_crypto_host, end_of_life),
     .help = "Day on which the host is planned to go out of service; its strength is judged for "
             "that day."},
    {.name = "Root", .type = POSTURE_OPT_STRING, .def = "/",
     .offset = offsetof(struct posture_crypto_host, root),
     .help = "Folder beneath which the system's files are; with another than / nothing is asked "
             "of the running system."},
    {.name = "BackupStamp", .type = POSTURE_OPT_LIST, .sample = "/var/lib/agency/backup-done",
     .offset = offsetof(struct posture_crypto_host, backup_stamps),
     .help = "File that is written whenever a backup has succeeded; its time is that of the last "
             "success, beneath Root. May be repeated: the oldest counts."},
    {.name = NULL},
};
/* clang-format on */

static int name_is_sound(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 253)
        return 0;
    for (const char *p = name; *p; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
              (*p >= '0' && *p <= '9') || *p == '-' || *p == '.' || *p == '_'))
            return 0;
    }
    return 1;
}

static int endpoint_check(const void *values, const char *argument,
                          struct posture_error *reterr)
{
    const struct posture_crypto_endpoint *endpoint = values;
    int64_t ignored;
    if (!argument || strlen(argument) == 0 || strlen(argument) > 512)
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "expected an endpoint such as \"tls://www.example.go.jp:443\"");
    if (endpoint->end_of_life &&
        posture_date_parse_jst(endpoint->end_of_life, strlen(endpoint->end_of_life),
                               &ignored) < 0)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "EndOfLife \"%s\": expected a day such as 2032-03-31",
                                 endpoint->end_of_life);
    if (endpoint->server_name && !name_is_sound(endpoint->server_name))
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "ServerName \"%s\": expected a host name of letters, digits, "
            "dots and hyphens (A-labels)",
            endpoint->server_name);
    return 0;
}

static int host_check(const void *values, const char *argument,
                      struct posture_error *reterr)
{
    const struct posture_crypto_host *host = values;
    int64_t ignored;
    if (host->end_of_life &&
        posture_date_parse_jst(host->end_of_life, strlen(host->end_of_life), &ignored) <
            0)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "EndOfLife \"%s\": expected a day such as 2032-03-31",
                                 host->end_of_life);
    if (!argument || !name_is_sound(argument))
        return posture_error_set(
            reterr, POSTURE_E_OPTION,
            "expected a host name of letters, digits, dots and hyphens; \"localhost\" is "
            "what this system calls itself");
    if (host->root[0] != '/')
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "Root \"%s\": expected an absolute path", host->root);
    for (size_t i = 0; i < host->backup_stamps.count; i++) {
        if (host->backup_stamps.items[i][0] != '/')
            return posture_error_set(reterr, POSTURE_E_OPTION,
                                     "BackupStamp \"%s\": expected an absolute path",
                                     host->backup_stamps.items[i]);
    }
    return 0;
}

static int plugin_check(const void *values, const char *argument,
                        struct posture_error *reterr)
{
    (void)argument;
    const struct posture_crypto_settings *settings = values;
    if (settings->deadline_ms < settings->timeout_ms)
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "DeadlineMs %u: expected at least TimeoutMs (%u)",
                                 settings->deadline_ms, settings->timeout_ms);
    if (settings->helo_name && !name_is_sound(settings->helo_name))
        return posture_error_set(reterr, POSTURE_E_OPTION,
                                 "HeloName \"%s\": expected a host name of letters, "
                                 "digits, dots and hyphens (A-labels)",
                                 settings->helo_name);
    return 0;
}

static const struct posture_option_block blocks[] = {
    {.size = sizeof(struct posture_crypto_settings),
     .options = plugin_options,
     .help = "Measures the cryptography of TLS endpoints (versions, suites, groups, "
             "certificates), SSH servers and this host.",
     .check = plugin_check},
    {.name = "Endpoint",
     .has_argument = true,
     .size = sizeof(struct posture_crypto_endpoint),
     .options = endpoint_options,
     .help = "One endpoint, of TLS (tls, smtp, imap and others) or SSH (ssh://host:22); "
             "every "
             "address of its name is measured.",
     .sample_argument = "tls://www.example.go.jp:443",
     .check = endpoint_check},
    {.name = "Host", /* collectd drops a block with neither argument nor option */
     .has_argument = true,
     .size = sizeof(struct posture_crypto_host),
     .options = host_options,
     .help = "This host: its cryptography and hygiene, read from its own files; "
             "localhost stands for what the system calls itself.",
     .sample_argument = "localhost",
     .check = host_check},
    {.size = 0},
};

const struct posture_option_table posture_crypto_options = {
    .plugin = "posture_crypto",
    .blocks = blocks,
};
